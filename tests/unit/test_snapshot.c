/* test_snapshot.c -- checkpoints of a training: what they hold, and which ones are refused. */
#include "snapshot.h"

#include "state.h"
#include "toy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char folder[] = "checkpoints", file_path[] = "checkpoints/000000007.safetensors";
static const char generator_path[] = "checkpoints/generator-000000007.safetensors";

static ColumnScale columns[TOY_X] = {{.mean = 5, .std = 2, .minimum = -1, .maximum = 9},
                                     {.mean = 1, .std = 0.5, .minimum = 0, .maximum = 3}};
static const Normaliser normaliser = {.rows = 100, .column_count = TOY_X, .columns = columns};
static const Progress progress = {
    .iteration = 7, .seed = UINT64_MAX, .data_rows = 100, .data_hash = 0xfedcba9876543210};

static real *write_snapshot(bool generator_only)
{
    Error error = {0};
    real *state = state_create(&toy_program);
    state_initialise(&toy_program, state, 5);
    if (!snapshot_write(folder, &toy_program, state, &normaliser, &progress, generator_only,
                        &error)) {
        fail_msg("%s", error.message);
    }
    return state;
}

static Safetensors open_good(const char *path)
{
    Safetensors file = {0};
    Error error = {0};
    if (!checkpoint_open(path, &file, &error)) {
        fail_msg("%s", error.message);
    }
    return file;
}

static void test_round_trip(void **unused)
{
    (void)unused;
    real *state = write_snapshot(false), *again = state_create(&toy_program);
    Safetensors file = open_good(file_path);
    Progress found = {0};
    Normaliser scales = {0};
    Error error = {0};
    assert_true(snapshot_check(&file, &toy_program, &error));
    assert_true(snapshot_progress(&file, &found, &error));
    assert_true(found.iteration == 7 && found.seed == UINT64_MAX && found.data_rows == 100);
    assert_true(found.data_hash == progress.data_hash);
    assert_true(snapshot_read(&file, &toy_program, again, &scales, false, &error));
    assert_memory_equal(state, again, TOY_SIZE * sizeof(real));
    assert_true(scales.columns[1].mean == 1 && scales.columns[1].std == 0.5);
    normaliser_free(&scales);
    safetensors_close(&file);
    state_destroy(&toy_program, state);
    state_destroy(&toy_program, again);
}

static void test_generator_alone(void **unused)
{
    (void)unused;
    real *state = write_snapshot(true), *again = state_create(&toy_program);
    Safetensors file = open_good(generator_path);
    Normaliser scales = {0};
    Error error = {0};
    assert_null(safetensors_find(&file, "D.0.weight"));
    assert_true(snapshot_read(&file, &toy_program, again, &scales, true, &error));
    assert_memory_equal(state + TOY_G, again + TOY_G, (TOY_LENGTH - TOY_G) * sizeof(real));
    assert_true(again[TOY_D] == 0);
    normaliser_free(&scales);
    /* nothing to train on from it */
    assert_false(snapshot_read(&file, &toy_program, again, &scales, false, &error));
    assert_non_null(strstr(error.message, "D.0.weight"));
    safetensors_close(&file);
    state_destroy(&toy_program, state);
    state_destroy(&toy_program, again);
}

static void test_another_network_is_refused(void **unused)
{
    (void)unused;
    state_destroy(&toy_program, write_snapshot(false));
    Safetensors file = open_good(file_path);
    Program other = toy_program;
    Error error = {0};
    other.config_hash++;
    assert_false(snapshot_check(&file, &other, &error));
    assert_int_equal(error.status, EXIT_INVALID);
    assert_non_null(strstr(error.message, "toy.json"));
    ProgramTensor tensors[sizeof toy_tensors / sizeof *toy_tensors];
    memcpy(tensors, toy_tensors, sizeof tensors);
    tensors[1].rows = tensors[1].dims[0] = 1;
    other.tensors = tensors;
    real *state = state_create(&toy_program);
    Normaliser scales = {0};
    assert_false(snapshot_read(&file, &other, state, &scales, false, &error));
    assert_string_equal(error.message,
                        "tensor 'G.0.weight' has shape [2, 3] where [1, 3] is needed");
    state_destroy(&toy_program, state);
    safetensors_close(&file);
}

/* Places in a memory are reckoned with the count of a checkpoint, so one that cannot be is refused.
 */
static void test_impossible_counts_are_refused(void **unused)
{
    (void)unused;
    static const real counts[] = {0, 2, 3, -1, NAN, INFINITY};
    Program program = toy_program;
    program.gang.mix_steps = 1;
    program.gang.size = 2;
    program.gang.count = 1;
    real *state = state_create(&program);
    for (int k = 0; k < 6; k++) {
        Error error = {0};
        Normaliser scales = {0};
        state[toy_tensors[1].offset] = counts[k];
        assert_true(snapshot_write(folder, &program, state, &normaliser, &progress, false, &error));
        Safetensors file = open_good(file_path);
        assert_true(snapshot_read(&file, &program, state, &scales, false, &error) == (k < 2));
        assert_true(k < 2 || strstr(error.message, "not of 0 to 2"));
        normaliser_free(&scales);
        safetensors_close(&file);
    }
    state_destroy(&program, state);
}

static void test_bounds(void **unused)
{
    (void)unused;
    static const double lower[] = {1, 0}, upper[] = {9, 2};
    Program program = toy_program;
    real *state = state_create(&program);
    program.clamp_lower = lower;
    program.clamp_upper = upper;
    program.lower_offset = 4;
    program.upper_offset = 8;
    bounds_put(&program, state, &normaliser);
    assert_true(state[4] == -2 && state[5] == -2 && state[8] == 2 && state[9] == 2);
    bounds_put(&program, state, NULL);
    assert_true(state[4] == 1 && state[5] == 0 && state[8] == 9 && state[9] == 2);
    program.clamp_lower = NULL;
    state[4] = 77;
    bounds_put(&program, state, &normaliser);
    assert_true(state[4] == 77);
    state_destroy(&toy_program, state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_generator_alone),
        cmocka_unit_test(test_another_network_is_refused),
        cmocka_unit_test(test_impossible_counts_are_refused),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
