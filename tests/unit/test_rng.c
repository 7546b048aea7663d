/* test_rng.c -- Philox and the draws made from it. test_rng_f64.c is the same for double. */
#include "vecrng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void check_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], answer[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        uint32_t counter[4];
        wide lanes[4];
        for (int i = 0; i < 4; i++)
            lanes[i] = (wide){0} | (cases[k].counter[i] | (uint64_t)~k << 32);
        memcpy(counter, cases[k].counter, sizeof counter);
        philox4x32(counter, cases[k].key);
        wide_philox(lanes, cases[k].key);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(counter[i], cases[k].answer[i]);
            for (int lane = 0; lane < WIDE_LANES; lane++)
                assert_int_equal((uint32_t)lanes[i][lane], cases[k].answer[i]);
        }
    }
}

enum { WIDTH = 2 * DRAWS_A_BLOCK + 1, TILE = 3 * LANES };

/* A tile, a row and a single draw of a sample are the same bits, beyond 2^32 as well. */
static void check_ways_to_draw(void **state)
{
    (void)state;
    static const uint64_t firsts[] = {0, 5, 0xfffffff0u, 0x123456789abcd0u};
    static const uint64_t updates[] = {0, 1, 0xfff12345678u, 77};
    const uint64_t seed = 0x0123456789abcdefu;
    ALIGNED static real tile[WIDTH][TILE];
    for (int k = 0; k < 8; k++) {
        DrawKind kind = k < 4 ? DRAW_NORMAL : DRAW_UNIFORM;
        const uint64_t update = updates[k % 4];
        const uint32_t stream = (uint32_t)(250 + k % 4);
        draw_columns(tile[0], 0, WIDTH, TILE, kind, seed, stream, update, firsts[k % 4]);
        for (int lane = 0; lane < TILE; lane++) {
            const uint64_t sample = firsts[k % 4] + (uint64_t)lane;
            real row[WIDTH];
            draw_row(row, WIDTH, kind, seed, stream, update, sample);
            for (uint32_t c = 0; c < WIDTH; c++) {
                real one = k < 4 ? draw_one_normal(seed, stream, update, sample, c)
                                 : draw_one_uniform(seed, stream, update, sample, c);
                assert_memory_equal(&row[c], &tile[c][lane], sizeof one);
                assert_memory_equal(&row[c], &one, sizeof one);
            }
        }
    }
}

/* Every bit of the place counts: changing one changes the draw. */
static void check_places_differ(void **state)
{
    (void)state;
    const uint64_t seed = 3, update = 5, sample = 7;
    const uint32_t stream = 2, column = 4 * DRAWS_A_BLOCK;
    const real base = draw_one_uniform(seed, stream, update, sample, column);
    for (int bit = 0; bit < 64; bit++) {
        const uint64_t flip = (uint64_t)1 << bit;
        assert_true(draw_one_uniform(seed ^ flip, stream, update, sample, column) != base);
        if (bit < 44)
            assert_true(draw_one_uniform(seed, stream, update ^ flip, sample, column) != base);
        if (bit < 56)
            assert_true(draw_one_uniform(seed, stream, update, sample ^ flip, column) != base);
        if (bit < 8)
            assert_true(draw_one_uniform(seed, stream ^ (uint32_t)flip, update, sample, column) !=
                        base);
        if (bit < 20)
            assert_true(draw_one_uniform(seed, stream, update, sample, column ^ (uint32_t)flip) !=
                        base);
    }
}

static int compare_reals(const void *a, const void *b)
{
    real x = *(const real *)a, y = *(const real *)b;
    return (x > y) - (x < y);
}

/* Largest distance between the empirical and the given distribution (Kolmogorov and Smirnov). */
static double distance_from(real *sorted, size_t count, double (*distribution)(double))
{
    double largest = 0;
    qsort(sorted, count, sizeof *sorted, compare_reals);
    for (size_t i = 0; i < count; i++) {
        double f = distribution((double)sorted[i]);
        double below = fabs(f - (double)i / (double)count);
        double above = fabs(f - (double)(i + 1) / (double)count);
        largest = fmax(largest, fmax(below, above));
    }
    return largest;
}

static double normal_distribution(double x) { return 0.5 * erfc(-x * sqrt(0.5)); }

static double uniform_distribution(double x) { return x; }

/* Each column alone, against its distribution; and every two columns against correlation, of the
 * draws and of their squares (Box and Muller's pairs share a radius). */
static void check_distributions(void **state)
{
    (void)state;
    enum { COUNT = 1 << 16, COLUMNS = 5 };
    ALIGNED static real x[COLUMNS][COUNT], sorted[COUNT];
    for (int kind = DRAW_NORMAL; kind <= DRAW_UNIFORM; kind++) {
        draw_columns(x[0], 0, COLUMNS, COUNT, (DrawKind)kind, 11, 1, 0, 0);
        const double mean = kind == DRAW_NORMAL ? 0 : 0.5;
        for (int c = 0; c < COLUMNS; c++) {
            memcpy(sorted, x[c], sizeof sorted);
            double distance = distance_from(
                sorted, COUNT, kind == DRAW_NORMAL ? normal_distribution : uniform_distribution);
            assert_true(distance < 2 / sqrt(COUNT)); /* exceeded once in 1500 columns */
            for (int d = 0; d < c; d++) {
                double product = 0, squares = 0;
                for (int i = 0; i < COUNT; i++) {
                    double a = (double)x[c][i] - mean, b = (double)x[d][i] - mean;
                    product += a * b;
                    squares += (a * a - 1) * (b * b - 1);
                }
                assert_true(fabs(product) < 4.5 * sqrt(COUNT));
                if (kind == DRAW_NORMAL)
                    assert_true(fabs(squares) < 4.5 * 2 * sqrt(COUNT));
            }
        }
    }
}

/* The extreme words: normal draws stay finite, uniform draws in [0, 1). */
static void check_extremes(void **state)
{
    (void)state;
    static const real_word extremes[] = {0, 1, 0x7fffffffu, 0x80000000u, 0xfffffffeu, 0xffffffffu};
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 6; k++) {
            const real_word words[4] = {extremes[i], extremes[k], extremes[k], extremes[i]};
            real normal[DRAWS_A_BLOCK], uniform[DRAWS_A_BLOCK];
            real_normal_block(words, normal);
            real_uniform_block(words, uniform);
            for (int n = 0; n < DRAWS_A_BLOCK; n++) {
                assert_true(fabs((double)normal[n]) < 8.7);
                assert_true(uniform[n] >= 0 && uniform[n] < 1);
            }
        }
    const real_word zero[4] = {0};
    real normal[DRAWS_A_BLOCK];
    real_normal_block(zero, normal);
    assert_true(normal[0] > (sizeof(real) == 4 ? 6.6f : 8.6f)); /* as far out as documented */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_known_answers), cmocka_unit_test(check_ways_to_draw),
        cmocka_unit_test(check_places_differ), cmocka_unit_test(check_distributions),
        cmocka_unit_test(check_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
