/* test_training.c -- what each update of a training is given: rows, counters, rates. */
#include "training.h"

#include "state.h"
#include "toy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RECORDS = 64 };

typedef struct Record { /* one call of an update */
    int kind;
    Batch batch;
    real scalars[3];
} Record;

static Record records[RECORDS];
static int record_count;
static double next_output;

static void record(int kind, const Batch *batch, const real *scalars, double *outputs)
{
    assert_in_range(record_count, 0, RECORDS - 1);
    records[record_count] = (Record){.kind = kind, .batch = *batch};
    memcpy(records[record_count++].scalars, scalars, sizeof records[0].scalars);
    outputs[0] = next_output;
}

static void record_d(Pool *pool, real *state, void *work, const Batch *batch, const real *scalars,
                     double *outputs)
{
    (void)pool, (void)state, (void)work;
    record(0, batch, scalars, outputs);
}

static void record_g(Pool *pool, real *state, void *work, const Batch *batch, const real *scalars,
                     double *outputs)
{
    (void)pool, (void)state, (void)work;
    record(1, batch, scalars, outputs);
}

static const ProgramInput data_input = {.name = "real", .kind = INPUT_DATA, .width = TOY_X};
static const ProgramInput last_data_input = {
    .name = "real", .kind = INPUT_DATA, .width = TOY_X, .last_data = true};

/* 3 D and 2 G updates an iteration; G reads the data of the last D update. */
static const ProgramUpdate recorded[] = {
    {.name = "d_step",
     .count = 3,
     .input_count = 1,
     .inputs = &data_input,
     .scalar_count = 3,
     .scalars = {{"rate", SCALAR_RATE, 0.5},
                 {"a", SCALAR_UNBIAS, 0.5},
                 {"b", SCALAR_UNBIAS_ROOT, 0.75}},
     .output_count = 1,
     .outputs = {"d_loss"},
     .run = record_d},
    {.name = "g_step",
     .count = 2,
     .input_count = 1,
     .inputs = &last_data_input,
     .scalar_count = 1,
     .scalars = {{"rate", SCALAR_RATE, 2}},
     .output_count = 1,
     .outputs = {"g_loss"},
     .run = record_g},
};

static Program recording_program(void)
{
    Program program = toy_program;
    program.updates = recorded;
    program.before_iteration = NULL;
    program.schedule_step = 2;
    program.schedule_gamma = 0.25;
    record_count = 0;
    next_output = 1;
    return program;
}

static void test_batches(void **unused)
{
    (void)unused;
    Program program = recording_program();
    Training training = training_create(&program, 1, 42);
    training.iteration = 4; /* as after a resume */
    assert_null(training_iterate(&training));
    assert_int_equal(training.iteration, 5);
    assert_int_equal(record_count, 5);
    static const uint64_t expected[5][4] = {/* kind, update, data update, row of the batch */
                                            {0, 12, 12, 96},
                                            {0, 13, 13, 104},
                                            {0, 14, 14, 112},
                                            {1, 8, 14, 112},
                                            {1, 9, 14, 112}};
    for (int i = 0; i < 5; i++) {
        const Batch *batch = &records[i].batch;
        assert_int_equal(records[i].kind, expected[i][0]);
        assert_int_equal(batch->update, expected[i][1]);
        assert_int_equal(batch->data_update, expected[i][2]);
        assert_int_equal(batch->position, expected[i][3]);
        assert_int_equal(batch->first_update, 12);
        assert_int_equal(batch->seed, 42);
        assert_null(batch->given[0]);
    }
    training_destroy(&training);
}

static void test_scalars(void **unused)
{
    (void)unused;
    Program program = recording_program();
    Training training = training_create(&program, 1, 0);
    for (int i = 0; i < 3; i++) {
        assert_null(training_iterate(&training));
    }
    static const struct {
        int record;
        double rate, first, second;
    } cases[] = {
        {0, 0.5, 2, 2},                         /* t = 1 */
        {1, 0.5, 4.0 / 3, 1.5118578920369088},  /* t = 2: 1 / sqrt(1 - 9/16) */
        {5, 0.5, 16.0 / 15, 1.209486313629527}, /* iteration 1, t = 4: 1 / sqrt(175/256) */
        {10, 0.125, 1 / (1 - 0.0078125), 1.0742656233770247}, /* iteration 2, t = 7 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const real *scalars = records[cases[i].record].scalars;
        assert_true(fabs((double)scalars[0] - cases[i].rate) < 1e-6);
        assert_true(fabs((double)scalars[1] - cases[i].first) < 1e-6);
        assert_true(fabs((double)scalars[2] - cases[i].second) < 1e-6);
    }
    assert_true(records[3].scalars[0] == 2 && records[13].scalars[0] == (real)0.5);
    training_destroy(&training);
}

static void test_divergence_is_named(void **unused)
{
    (void)unused;
    Program program = recording_program();
    Training training = training_create(&program, 1, 0);
    next_output = NAN;
    assert_string_equal(training_iterate(&training), "d_loss");
    assert_int_equal(training.iteration, 0);
    next_output = INFINITY;
    assert_string_equal(training_iterate(&training), "d_loss");
    training_destroy(&training);
}

static void test_outputs_by_name(void **unused)
{
    (void)unused;
    Program program = recording_program();
    Training training = training_create(&program, 1, 0);
    next_output = 2.5;
    assert_null(training_iterate(&training));
    assert_true(training_output(&training, "g_loss") == 2.5);
    assert_true(isnan(training_output(&training, "nothing")));
    training_destroy(&training);
}

static void test_passes(void **unused)
{
    (void)unused;
    static const uint64_t cases[][3] = {/* rows, passes, iterations; batch 8, 2 D updates */
                                        {8, 1, 1},
                                        {16, 1, 1},
                                        {24, 1, 2},
                                        {31, 2, 3},
                                        {8, 3, 2},
                                        {800, 10, 500},
                                        {UINT64_MAX, UINT64_MAX, INT64_MAX / 2 + 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(training_iterations(&toy_program, cases[i][0], cases[i][1]), cases[i][2]);
    }
}

/* Rates that d_step and g_step get in an iteration. */
static void rates_in(const Program *program, const Data *data, uint64_t iteration, double rates[2])
{
    Training training = training_create(program, 1, 42);
    training.data = data;
    for (int kind = 0; kind < 2; kind++) {
        Batch batch;
        real scalars[MAX_SCALARS];
        training_facts(&training, iteration, kind, 0, &batch, scalars);
        rates[kind] = (double)scalars[0];
    }
    training_destroy(&training);
}

static void test_schedule(void **unused)
{
    (void)unused;
    Program program =
        recording_program();         /* step 2, gamma 1/4; 3 D and 2 G updates, batches of 8 */
    Data data = {.rows = 8 * 4 + 3}; /* 4 batches a pass */
    static const struct Case {
        int passes;
        bool per_update;
        uint64_t iteration;
        double rates[2]; /* begin at 0.5 and 2 */
    } cases[] = {
        {0, false, 1, {0.5, 2}},     {0, false, 2, {0.125, 0.5}},
        {0, true, 3, {0.125, 0.5}},  {9, false, 2, {0.5, 2}}, /* 6 of 8 batches */
        {9, false, 3, {0.125, 0.5}},                          /* 9 batches: 2 passes */
        {9, true, 5, {0.5, 2}},                               /* 3 passes; D waits for 6, G for 4 */
        {9, true, 6, {0.5, 0.5}},    {9, true, 8, {0.125, 0.5}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double rates[2];
        program.passes = cases[i].passes;
        program.schedule_per_update = cases[i].per_update;
        rates_in(&program, &data, cases[i].iteration, rates);
        assert_true(rates[0] == cases[i].rates[0] && rates[1] == cases[i].rates[1]);
        rates_in(&program, NULL, cases[i].iteration, rates); /* a replay */
        assert_true(rates[0] ==
                    (cases[i].iteration < 2 ? 0.5 : 0.5 * power(0.25, cases[i].iteration / 2)));
    }
}

static void test_power(void **unused)
{
    (void)unused;
    assert_true(power(0.5, 0) == 1 && power(0.5, 10) == 1 / 1024.0 && power(3, 5) == 243);
    assert_true(fabs(power(0.999, 100000) / 3.5385276883431275e-44 - 1) < 1e-9);
}

/* 1 + 2 iterations give the bits of 3. */
static void test_resume(void **unused)
{
    (void)unused;
    real rows[20][TOY_X];
    for (uint64_t i = 0; i < 20; i++) {
        draw_row(rows[i], TOY_X, DRAW_NORMAL, 5, 9, 0, i);
    }
    Data data = {
        .rows = 20, .width = TOY_X, .batch = TOY_BATCH, .shuffled = true, .cache = rows[0]};
    Training whole = training_create(&toy_program, 2, 11),
             part = training_create(&toy_program, 1, 11);
    whole.data = part.data = &data;
    state_initialise(&toy_program, whole.state, 11);
    for (int i = 0; i < 3; i++) {
        if (i == 1) {
            memcpy(part.state, whole.state, TOY_SIZE * sizeof(real));
            part.iteration = 1;
        }
        assert_null(training_iterate(&whole));
    }
    while (part.iteration < 3) {
        assert_null(training_iterate(&part));
    }
    assert_memory_equal(part.state, whole.state, TOY_SIZE * sizeof(real));
    training_destroy(&whole);
    training_destroy(&part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_divergence_is_named),
        cmocka_unit_test(test_outputs_by_name),
        cmocka_unit_test(test_passes),
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_power),
        cmocka_unit_test(test_resume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
