/* test_state.c -- first values of tensors, and the way between logical and stored layout. */
#include "state.h"

#include "toy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_layouts_round_trip(void **unused)
{
    (void)unused;
    real *state = state_create(&toy_program);
    for (int i = 0; i < toy_program.tensor_count; i++) {
        const ProgramTensor *tensor = &toy_tensors[i];
        real put[TOY_SIZE], got[TOY_SIZE];
        for (size_t k = 0; k < tensor_size(tensor); k++) {
            put[k] = (real)(100 * (i + 1)) + (real)k;
        }
        tensor_put(tensor, state, put);
        tensor_get(tensor, state, got);
        assert_memory_equal(put, got, tensor_size(tensor) * sizeof(real));
    }
    /* row 1 of G.0.weight starts a stride later, and what is between belongs to nobody */
    assert_true(state[TOY_G + 2] == 202 && state[TOY_G + TOY_STRIDE] == 203);
    for (int k = TOY_Z; k < TOY_STRIDE; k++) {
        assert_true(state[TOY_G + k] == 0 && state[TOY_G + TOY_STRIDE + k] == 0);
    }
    state_destroy(&toy_program, state);
}

static void test_finding(void **unused)
{
    (void)unused;
    assert_int_equal(tensor_find(&toy_program, "G.0.bias"), 2);
    assert_int_equal(tensor_find(&toy_program, "G.0.bia"), -1);
    assert_int_equal(tensor_size(&toy_tensors[1]), TOY_X * TOY_Z);
    static const bool generator[] = {false, true, true, true, true, false};
    for (int i = 0; i < toy_program.tensor_count; i++) {
        assert_int_equal(tensor_is_generator(&toy_tensors[i]), generator[i]);
    }
}

static void test_first_values_by_kind(void **unused)
{
    (void)unused;
    real *state = state_create(&toy_program);
    state_initialise(&toy_program, state, 7);
    double length = 0;
    for (int k = 0; k < 5; k++) {
        length += (double)state[TOY_LENGTH + k] * (double)state[TOY_LENGTH + k];
    }
    assert_true(fabs(length - 1) < 1e-6);
    assert_true(state[TOY_BIAS] == 1 && state[TOY_BIAS + 1] == 1);
    assert_true(fabs((double)state[TOY_D]) <= 0.5 && state[TOY_D] != 0);
    assert_memory_equal(state + TOY_AVERAGE, state + TOY_G, (TOY_AVERAGE - TOY_G) * sizeof(real));
    state[TOY_G] = 9;
    state_copy_sources(&toy_program, state);
    assert_true(state[TOY_AVERAGE] == 9);
    state_destroy(&toy_program, state);
}

/* The moments of many draws: mean and mean square within 5 standard errors. */
static void check_moments(InitKind kind, double scale, double square, double fourth)
{
    enum { ROWS = 50, COLUMNS = 100, STRIDE = 112 };
    const ProgramTensor tensor = {.name = "t",
                                  .role = ROLE_PARAMETER,
                                  .rank = 2,
                                  .dims = {ROWS, COLUMNS},
                                  .rows = ROWS,
                                  .row = COLUMNS,
                                  .stride = STRIDE,
                                  .init = kind,
                                  .scale = scale,
                                  .source = -1};
    const Program program = {.tensor_count = 1, .tensors = &tensor, .state_size = ROWS * STRIDE};
    real *state = state_create(&program);
    state_initialise(&program, state, 3);
    double sum = 0, squares = 0, count = ROWS * COLUMNS;
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < STRIDE; j++) {
            double x = (double)state[i * STRIDE + j];
            assert_true(j < COLUMNS || x == 0);
            sum += x;
            squares += x * x;
        }
    }
    assert_true(fabs(sum / count) < 5 * sqrt(square / count));
    assert_true(fabs(squares / count - square) < 5 * sqrt((fourth - square * square) / count));
    state_destroy(&program, state);
}

static void test_moments(void **unused)
{
    (void)unused;
    check_moments(INIT_UNIFORM, 0.3, 0.03, 0.0081 / 5);
    check_moments(INIT_NORMAL, 2, 4, 48);
}

static void test_values_follow_from_the_seed(void **unused)
{
    (void)unused;
    real *a = state_create(&toy_program), *b = state_create(&toy_program);
    state_initialise(&toy_program, a, 1);
    state_initialise(&toy_program, b, 1);
    assert_memory_equal(a, b, TOY_SIZE * sizeof(real));
    state_initialise(&toy_program, b, 2);
    assert_true(a[TOY_G] != b[TOY_G] && a[TOY_D] != b[TOY_D]);
    assert_true(a[TOY_G] != a[TOY_G + TOY_STRIDE]);
    state_destroy(&toy_program, a);
    state_destroy(&toy_program, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts_round_trip),          cmocka_unit_test(test_finding),
        cmocka_unit_test(test_first_values_by_kind),        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_values_follow_from_the_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
