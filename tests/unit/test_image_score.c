/* test_image_score.c -- distances of patches, neighbours and coverage of sets of known truth. */
#include "image_score.h"

#include "rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 300, SIDE = 12 };
static const ImageShape shape = {SIDE, SIDE, 1};

/* Stripes of random phase and direction; sharp for width 1, blurred over `width` pixels. */
static float *make_stripes(uint64_t seed, int width)
{
    float *values = malloc(sizeof *values * COUNT * SIDE * SIDE), *at = values;
    for (uint64_t n = 0; n < COUNT; n++) {
        real draws[2];
        draw_row(draws, 2, DRAW_UNIFORM, seed, 1, 0, n);
        int phase = (int)(draws[0] * 6), across = draws[1] < (real)0.5;
        for (int y = 0; y < SIDE; y++) {
            for (int x = 0; x < SIDE; x++) {
                float sum = 0;
                for (int k = 0; k < width; k++) {
                    sum += ((across ? x : y) + phase + k) / 3 % 2 ? 1.0f : -1.0f;
                }
                *at++ = sum / (float)width;
            }
        }
    }
    return values;
}

static Images as_images(const float *values) { return images_of_values(shape, COUNT, values); }

static void distance_grows_with_blur(void **state)
{
    (void)state;
    float *base = make_stripes(1, 1), *other = make_stripes(2, 1);
    Images a = as_images(base), b = as_images(other);
    double noise = patch_distance(&a, &b), last = noise;
    assert_true(noise > 0 && noise < 0.1);
    assert_true(patch_distance(&a, &b) == noise); /* the same in every call */
    for (int width = 2; width <= 4; width++) {
        float *blurred = make_stripes(2, width);
        Images c = as_images(blurred);
        double distance = patch_distance(&a, &c);
        assert_true(distance > last * 1.2);
        last = distance;
        free(blurred);
    }
    free(base);
    free(other);
}

/* A shift of the brightness is a difference too, and images smaller than a patch are compared. */
static void distance_sees_brightness_of_small_images(void **state)
{
    (void)state;
    float dark[40 * 6], bright[40 * 6];
    for (int i = 0; i < 40 * 6; i++) {
        dark[i] = (float)(i * 7 % 11) / 11 - 1;
        bright[i] = dark[i] + 1;
    }
    Images a = images_of_values((ImageShape){2, 3, 1}, 40, dark);
    Images b = images_of_values((ImageShape){2, 3, 1}, 40, bright);
    double apart = patch_distance(&a, &b);
    assert_true(apart > 1 && patch_distance(&a, &a) < 0.1);
}

static void neighbours_are_sorted(void **state)
{
    (void)state;
    const float values[5 * 2] = {0, 0, 1, 1, 0.5f, 0.5f, -1, -1, 0.5f, 0.4f};
    Images images = images_of_values((ImageShape){1, 2, 1}, 5, values);
    const float image[2] = {0.5f, 0.5f};
    Neighbour found[4];
    assert_int_equal(find_neighbours(&images, image, 1, 3, found), 3);
    assert_true(found[0].index == 2 && found[0].distance == 0);
    assert_int_equal(found[1].index, 4);
    assert_true(fabs(found[1].distance - 0.1 / sqrt(2)) < 1e-6);
    assert_true(fabs(found[2].distance - 0.5) < 1e-6);
    Images two = images_of_values((ImageShape){1, 2, 1}, 2, values);
    assert_int_equal(find_neighbours(&two, image, 1, 4, found), 2); /* fewer than wanted */
    Neighbour both[2][1];                                           /* of several images at once */
    assert_int_equal(find_neighbours(&images, values + 4, 2, 1, both[0]), 1);
    assert_true(both[0][0].index == 2 && both[1][0].index == 3);
}

static void classes_are_counted_by_neighbours(void **state)
{
    (void)state;
    /* classes 0, 1, 2 around -1, 0, 1; generated: four of class 0, one of class 2 */
    const float values[6] = {-1, -0.9f, 0, 0.1f, 0.9f, 1};
    const int32_t labels[6] = {0, 0, 1, 1, 2, 2};
    const float made[5] = {-0.8f, -1, -0.95f, -1, 0.8f};
    ImageShape pixel = {1, 1, 1};
    Images known = images_of_values(pixel, 6, values), generated = images_of_values(pixel, 5, made);
    Pool *pool = pool_create(2);
    Coverage coverage = class_coverage(&known, labels, 3, &generated, pool);
    assert_true(fabs(coverage.real_share[1] - 1.0 / 3) < 1e-12);
    assert_true(fabs(coverage.generated_share[0] - 0.8) < 1e-12);
    assert_true(coverage.covered == 2 && coverage.present == 3);
    assert_true(fabs(coverage.distance - (0.8 - 1.0 / 3)) < 1e-12);
    assert_true(fabs(coverage.nearest - (0.1 + 0.05 + 0.1) / 5) < 1e-6);
    coverage_free(&coverage);
    pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_grows_with_blur),
        cmocka_unit_test(distance_sees_brightness_of_small_images),
        cmocka_unit_test(neighbours_are_sorted),
        cmocka_unit_test(classes_are_counted_by_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
