/* test_hooks.c -- the loops of hooks around the updates: which pictures are kept, and when an inner
 * training goes on. The updates are written by hand. */
#include "hooks.h"

#include "state.h"
#include "toy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 64, SCORES, KEPT, COUNT, FACTOR, LAST, MOVED, WEIGHT, MOMENT, OFFSET, TENSORS };
enum { PLACE = 16, SIZE = 16 * 32 };

/* Tensors one after the other; those of pictures have a row a sample. */
static ProgramTensor numbers_at(const char *name, size_t place, int rows, int row)
{
    return (ProgramTensor){.name = name,
                           .role = ROLE_CONTROL,
                           .rank = rows > 1 ? 2 : 1,
                           .dims = {rows > 1 ? rows : row, row},
                           .rows = rows,
                           .row = row,
                           .stride = PLACE,
                           .offset = place * PLACE,
                           .source = -1};
}

static ProgramTensor tensors[TENSORS - SCORES];
static int tensor(int which) { return which - SCORES; }

static real *at(const Training *training, int which)
{
    return training->state + tensors[tensor(which)].offset;
}

static void fill_tensors(void)
{
    static const char *const names[] = {"scores", "kept",   "count",  "factor", "last",
                                        "moved",  "weight", "moment", "offset"};
    size_t place = 0;
    for (int k = 0; k < TENSORS - SCORES; k++) {
        bool rows = k + SCORES == SCORES || k + SCORES == KEPT;
        int row = k + SCORES == KEPT ? TOY_X : k + SCORES == COUNT ? 2 : 1;
        tensors[k] = numbers_at(names[k], place, rows ? TOY_BATCH : 1, row);
        place += rows ? TOY_BATCH : 1;
    }
    tensors[tensor(MOMENT)].init = INIT_ONE;
}

static const ProgramInput real_input = {.name = "real", .kind = INPUT_DATA, .width = TOY_X};

/* The fitness of a picture is its first number. */
static void judge(Pool *pool, real *state, void *work, const Batch *batch, const real *scalars,
                  double *outputs)
{
    (void)pool, (void)work, (void)scalars;
    for (int i = 0; i < TOY_BATCH; i++) {
        real row[TOY_X];
        toy_read(batch, 0, &real_input, i, row);
        state[tensors[tensor(SCORES)].offset + (size_t)(i * PLACE)] = row[0];
    }
    outputs[0] = 0;
}

static int evaluations;
static double least = 4; /* loss at which it stops */

/* The weight goes from 0 up by the factor, the loss is 10 less it. */
static void approach(Pool *pool, real *state, void *work, const Batch *batch, const real *scalars,
                     double *outputs)
{
    (void)pool, (void)work, (void)batch, (void)scalars;
    real *weight = state + tensors[tensor(WEIGHT)].offset;
    real factor = state[tensors[tensor(FACTOR)].offset];
    outputs[0] = 10 - (double)*weight;
    bool goes_on = factor > 0 && outputs[0] >= least;
    *weight += goes_on ? factor : 0;
    state[tensors[tensor(MOMENT)].offset] += 1;
    state[tensors[tensor(OFFSET)].offset] += 1;
    state[tensors[tensor(MOVED)].offset] = goes_on;
    evaluations++;
    if (*weight > 100) {
        outputs[0] = NAN;
    }
}

static real seen[TOY_BATCH][TOY_X];
static void look(Pool *pool, real *state, void *work, const Batch *batch, const real *scalars,
                 double *outputs)
{
    (void)pool, (void)work, (void)scalars, (void)state;
    for (int i = 0; i < TOY_BATCH; i++) {
        toy_read(batch, 0, &real_input, i, seen[i]);
    }
    outputs[0] = 0;
}

static const ProgramUpdate updates[] = {
    {.name = "d_step",
     .count = 1,
     .input_count = 1,
     .inputs = &real_input,
     .output_count = 1,
     .outputs = {"d_loss"},
     .run = look},
    {.name = "pictures",
     .count = 0,
     .input_count = 1,
     .inputs = &real_input,
     .output_count = 1,
     .outputs = {"picture_fitness"},
     .run = judge},
    {.name = "match0", .count = 0, .output_count = 1, .outputs = {"match_loss"}, .run = approach}};
static const int reset[] = {MOMENT - SCORES, OFFSET - SCORES}, offsets[] = {OFFSET - SCORES};

static Program hooked_program(void)
{
    Program program = toy_program;
    fill_tensors();
    program.tensor_count = TENSORS - SCORES;
    program.tensors = tensors;
    program.state_size = SIZE;
    program.updates = updates;
    program.update_count = 3;
    program.before_iteration = NULL;
    return program;
}

/* ---------------------------------------------------------------- pictures */
static Data open_rows(Normaliser *normaliser)
{
    static const char path[] = "hooks_rows.npy";
    Data data = {.rows = 0};
    Error error = {0};
    NpyWriter writer;
    assert_true(npy_create(&writer, path, toy_keys, TOY_X, ROWS, &error));
    for (int i = 0; i < ROWS; i++) {
        float row[TOY_X] = {(float)(i * 37 % ROWS), (float)i}; /* each score once */
        assert_true(npy_append(&writer, row, 1, &error));
    }
    assert_true(npy_finish(&writer, &error));
    if (!data_open(&data, path, toy_keys, TOY_X, TOY_BATCH, true, &error) ||
        !normaliser_fit(normaliser, NORMALISE_STD, &data.file, data.columns, toy_keys, TOY_X, 0,
                        &error) ||
        !data_prepare(&data, normaliser, &error)) {
        fail_msg("%s", error.message);
    }
    return data;
}

/* The best of all that were drawn, whatever the order. */
static void test_pictures(void **state)
{
    (void)state;
    Program program = hooked_program();
    Normaliser normaliser;
    Data data = open_rows(&normaliser);
    program.pictures = (ProgramPictures){.chooses = true,
                                         .update = 1,
                                         .scores = tensor(SCORES),
                                         .kept = tensor(KEPT),
                                         .count = tensor(COUNT),
                                         .steps = 3,
                                         .heuristic = -1};
    Training training = training_create(&program, 1, 7);
    training.data = &data;
    assert_null(training_iterate(&training));
    Order order = data_order(&data, 7);
    real drawn[4 * TOY_BATCH], row[TOY_X];
    for (uint64_t i = 0; i < 4 * TOY_BATCH; i++) { /* a first batch and three more */
        data_row(&data, order_row(&order, i), row, 1);
        drawn[i] = row[0];
    }
    for (int i = 0; i < TOY_BATCH; i++) {
        int below = 0;
        for (int k = 0; k < 4 * TOY_BATCH; k++)
            below += drawn[k] < seen[i][0];
        assert_in_range(below, 0, TOY_BATCH - 1);
        assert_true(at(&training, KEPT)[i * PLACE] == seen[i][0]);
    }
    assert_true(at(&training, COUNT)[0] == 4);
    program.pictures.steps = 0; /* a new batch without a search */
    assert_null(training_iterate(&training));
    for (uint64_t i = 0; i < TOY_BATCH; i++) {
        data_row(&data, order_row(&order, 4 * TOY_BATCH + i), row, 1);
        assert_memory_equal(row, seen[i], sizeof row);
    }
    training_destroy(&training);
    data_close(&data);
    normaliser_free(&normaliser);
}

/* ---------------------------------------------------------------- inner trainings */
static real matched(ProgramMatch match, int expected_runs)
{
    Program program = hooked_program();
    match.update = 2;
    match.factor = tensor(FACTOR);
    match.last = tensor(LAST);
    match.moved = tensor(MOVED);
    match.reset_count = 2;
    match.reset = reset;
    match.offset_count = 1;
    match.offsets = offsets;
    program.match_count = 1;
    program.matches = &match;
    Training training = training_create(&program, 1, 7);
    Choice none = {NULL, NULL, NULL};
    evaluations = 0;
    hooks_match(&training, &none);
    assert_int_equal(evaluations, expected_runs);
    hooks_end(&training);
    assert_true(*at(&training, OFFSET) == 0);
    real weight = *at(&training, WEIGHT);
    training_destroy(&training);
    return weight;
}

static void test_match(void **state)
{
    (void)state;
    const ProgramMatch plan = {.steps = 4, .depth = 1, .has_threshold = true, .threshold = 4};
    ProgramMatch deep = plan, easy = plan, long_one = plan, wild = plan;
    deep.depth = 3;
    easy.threshold = 11;
    long_one.steps = 100;
    wild.has_threshold = false;
    wild.steps = 3;
    /* a look, four steps of 1/2, a last look */
    assert_true(matched(plan, 6) == 2);
    /* then eight of 1, of which five are enough */
    assert_true(matched(deep, 1 + 5 + 6) == 7);
    assert_true(matched(easy, 1) == 0);
    assert_true(matched(long_one, 1 + 14) == (real)6.5);
    assert_true(matched(wild, 1 + 4) == (real)1.5);
    least = -1000; /* no end: what comes to no number is taken back */
    wild.steps = 1000;
    assert_true(matched(wild, 1 + 201) == 0);
    least = 4;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pictures),
                                       cmocka_unit_test(test_match)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
