/* test_sampler_image.c -- the frame of a shipped sampler of images around a network to check by
 * hand: number k of the planes is latent k mod 4, plus k. */
#include "../../templates/sampler_image.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static double work[SAMPLER_WORK / sizeof(double)];

/* Of planes [2][2][3] the pixels [2][3][2], for any number of images and any cut of the stream. */
static void pixels_have_their_channels_last(void **state)
{
    (void)state;
    enum { COUNT = 5 };
    float latents[COUNT][SAMPLER_LATENT], pixels[COUNT][2][3][2], again[COUNT][2][3][2];
    assert_int_equal(sampler_latents(9, 100, COUNT, &latents[0][0]), SAMPLER_OK);
    assert_int_equal(sampler_generate_float(9, 100, COUNT, &pixels[0][0][0][0], work), SAMPLER_OK);
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < SAMPLER_PIXELS; k++) {
            float expected = latents[i][k % 4] + (float)k;
            assert_true(pixels[i][k / 3 % 2][k % 3][k / 6] == expected);
        }
    }
    assert_int_equal(sampler_pixels_float(COUNT, &latents[0][0], &again[0][0][0][0], work), 0);
    assert_memory_equal(again, pixels, sizeof pixels);
    assert_int_equal(sampler_generate_float(9, 103, 1, &again[0][0][0][0], work), SAMPLER_OK);
    assert_memory_equal(again[0], pixels[3], sizeof pixels[3]);
    assert_true(pixels[0][0][0][0] != pixels[1][0][0][0]);
}

static void bytes_are_clipped(void **state)
{
    (void)state;
    float latents[SAMPLER_LATENT] = {-1, -0.5f - 1, -0.0f, -4};
    unsigned char pixels[SAMPLER_PIXELS];
    assert_int_equal(sampler_pixels(1, latents, pixels, work), SAMPLER_OK);
    /* planes: -1 -0.5 2 -1 | 3 3.5 6 3 | 7 ...: plane 0 has numbers 0 to 5 */
    static const unsigned char first[] = {0, 64, 255, 0, 255, 255};
    for (int k = 0; k < 6; k++) {
        assert_int_equal(pixels[2 * k], first[k]);
    }
}

static void missing_arrays_are_told(void **state)
{
    (void)state;
    float latents[SAMPLER_LATENT] = {0};
    unsigned char pixels[SAMPLER_PIXELS];
    assert_int_equal(sampler_pixels(1, NULL, pixels, work), SAMPLER_INVALID);
    assert_int_equal(sampler_pixels(1, latents, NULL, work), SAMPLER_INVALID);
    assert_int_equal(sampler_pixels(1, latents, pixels, NULL), SAMPLER_INVALID);
    assert_int_equal(sampler_generate(1, 0, 1, NULL, work), SAMPLER_INVALID);
    assert_int_equal(sampler_latents(1, 0, 1, NULL), SAMPLER_INVALID);
    assert_int_equal(sampler_generate(1, 0, 0, NULL, NULL), SAMPLER_OK);
    assert_int_equal(sampler_trained(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_have_their_channels_last),
        cmocka_unit_test(bytes_are_clipped),
        cmocka_unit_test(missing_arrays_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
