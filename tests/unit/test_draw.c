/* test_draw.c -- rows of a generator in physical units. */
#define _POSIX_C_SOURCE 200809L
#include "draw.h"

#include "state.h"
#include "toy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 2 * DRAW_CHUNK + 77 };

static double knots_x[] = {0, 1, 5}, knots_y[] = {-1, 0, 2};
static ColumnScale columns[TOY_X] = {
    {.mean = 5, .std = 2, .minimum = -1, .maximum = 9},
    {.mean = 1, .std = 1, .minimum = 0, .maximum = 5, .knot_count = 3, .x = knots_x, .y = knots_y}};
static const Normaliser normaliser = {.rows = 100, .column_count = TOY_X, .columns = columns};

static real *make_state(void)
{
    real *state = state_create(&toy_program);
    state_initialise(&toy_program, state, 5);
    state[TOY_AVERAGE] += 1; /* so that the average differs */
    return state;
}

static float *draw(const real *state, int threads, bool average, uint64_t first, size_t count,
                   const double *latent)
{
    Pool *pool = pool_create(threads);
    float *out = calloc(count * TOY_X, sizeof *out);
    assert_true(pool && out);
    Generator generator = generator_create(&toy_program, pool, state, &normaliser, average);
    DrawInputs inputs = {.latent = latent};
    generator_draw_all(&generator, 9, first, count, &inputs, out);
    generator_destroy(&generator);
    pool_destroy(pool);
    return out;
}

/* A row depends on the seed and its index, not on threads or on how many are drawn at once. */
static void test_rows_by_index(void **unused)
{
    (void)unused;
    real *state = make_state();
    float *all = draw(state, 3, true, 100, ROWS, NULL);
    static const size_t starts[] = {0, 1, DRAW_CHUNK - 1, DRAW_CHUNK, ROWS - 1};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        size_t count = ROWS - starts[i] < 50 ? ROWS - starts[i] : 50;
        float *part = draw(state, 1, true, 100 + starts[i], count, NULL);
        assert_memory_equal(part, all + starts[i] * TOY_X, count * TOY_X * sizeof(float));
        free(part);
    }
    float *last = draw(state, 3, false, 100, ROWS, NULL);
    assert_true(memcmp(last, all, ROWS * TOY_X * sizeof(float)) != 0);
    free(last);
    free(all);
    state_destroy(&toy_program, state);
}

static void test_physical_units(void **unused)
{
    (void)unused;
    static const struct {
        double z;
        float x[TOY_X];
    } cases[] = {{-3, {-1, 0}}, {-0.5, {4, 0.5F}}, {0, {5, 1}}, {1, {7, 3}}, {2.5, {10, 5}}};
    enum { COUNT = sizeof cases / sizeof *cases };
    double latent[COUNT * TOY_Z] = {0};
    real *state = state_create(&toy_program);
    /* both columns of the average are the first latent */
    state[TOY_AVERAGE] = state[TOY_AVERAGE + TOY_STRIDE] = 1;
    for (int i = 0; i < COUNT; i++) {
        latent[i * TOY_Z] = cases[i].z;
    }
    float *out = draw(state, 1, true, 0, COUNT, latent);
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < TOY_X; k++) {
            assert_true(out[i * TOY_X + k] == cases[i].x[k]);
        }
    }
    free(out);
    state_destroy(&toy_program, state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_by_index),
        cmocka_unit_test(test_physical_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
