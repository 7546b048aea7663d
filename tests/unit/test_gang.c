/* test_gang.c -- what a gang does beside mixing: trainings of one side on what is remembered of the
 * other, and new beginnings. Networks of one number each; noise on weights. */
#include "gang.h"
#include "hooks.h"

#include "state.h"
#include "toy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { G, D, MEMORY_G, MEMORY_D, ANCHOR_G, ANCHOR_D, COUNT, SHARES, TENSORS, SIZE = 2 };

static ProgramTensor tensors[TENSORS];

static void add_tensor(int which, const char *name, int rows, int row)
{
    size_t offset =
        which ? tensors[which - 1].offset + (size_t)tensors[which - 1].rows * TOY_STRIDE : 0;
    tensors[which] = (ProgramTensor){.name = name,
                                     .role = which <= D ? ROLE_PARAMETER : ROLE_CONTROL,
                                     .rank = rows > 1 ? 2 : 1,
                                     .dims = {rows > 1 ? rows : row, row},
                                     .rows = rows,
                                     .row = row,
                                     .stride = TOY_STRIDE,
                                     .offset = offset,
                                     .init = which <= D ? INIT_NORMAL : INIT_ZERO,
                                     .scale = 1,
                                     .source = -1};
}

static real *at(const Training *training, int which)
{
    return training->state + tensors[which].offset;
}

/* Each side gains the number of the other. */
static void move_d(Pool *pool, real *state, void *work, const Batch *batch, const real *scalars,
                   double *outputs)
{
    (void)pool, (void)work, (void)batch, (void)scalars;
    state[tensors[D].offset] += state[tensors[G].offset];
    outputs[0] = 0;
}

static void move_g(Pool *pool, real *state, void *work, const Batch *batch, const real *scalars,
                   double *outputs)
{
    (void)pool, (void)work, (void)batch, (void)scalars;
    state[tensors[G].offset] += state[tensors[D].offset];
    outputs[0] = 0;
}

static const ProgramUpdate updates[] = {
    {.name = "d_step", .count = 1, .output_count = 1, .outputs = {"d_loss"}, .run = move_d},
    {.name = "g_step", .count = 1, .output_count = 1, .outputs = {"g_loss"}, .run = move_g}};

static Program small_program(void)
{
    Program program = toy_program;
    add_tensor(G, "G.0.weight", 1, 1);
    add_tensor(D, "D.0.weight", 1, 1);
    add_tensor(MEMORY_G, "control.memory_g", SIZE + 1, 1);
    add_tensor(MEMORY_D, "control.memory_d", SIZE + 1, 1);
    add_tensor(ANCHOR_G, "control.anchor_g", 1, 1);
    add_tensor(ANCHOR_D, "control.anchor_d", 1, 1);
    add_tensor(COUNT, "control.gang", 1, 2);
    add_tensor(SHARES, "control.shares", 2, SIZE + 1);
    program.tensor_count = TENSORS;
    program.tensors = tensors;
    program.state_size = 16 * TOY_STRIDE;
    program.updates = updates;
    program.before_iteration = NULL;
    program.gang = (ProgramGang){.mix_steps = 4,
                                 .decay = 0.5,
                                 .size = SIZE,
                                 .memory = {MEMORY_G, MEMORY_D},
                                 .anchor = {ANCHOR_G, ANCHOR_D},
                                 .count = COUNT,
                                 .shares = SHARES,
                                 .moves_d = 0,
                                 .moves_g = 1};
    return program;
}

static void fill(Training *training)
{
    static const real of_g[] = {10, 20, 40}, of_d[] = {100, 200, 400};
    for (int k = 0; k <= SIZE; k++) {
        at(training, MEMORY_G)[k * TOY_STRIDE] = of_g[k];
        at(training, MEMORY_D)[k * TOY_STRIDE] = of_d[k];
    }
    at(training, COUNT)[0] = SIZE;
    at(training, COUNT)[1] = 1;
    at(training, SHARES)[0] = (real)0.75; /* of generators: both */
    at(training, SHARES)[1] = (real)0.25;
    at(training, SHARES)[TOY_STRIDE + 1] = 1; /* of discriminators: the second */
    *at(training, G) = 1;
    *at(training, D) = 2;
}

static void test_trainings(void **state)
{
    (void)state;
    Program program = small_program();
    program.gang.d_on_generators = 2;
    program.gang.g_on_discriminators = 3;
    Training training = training_create(&program, 1, 7);
    fill(&training);
    training.iteration = 5;
    gang_train(&training);
    assert_true(*at(&training, G) == 1 && *at(&training, D) == 2);
    training.iteration = 2; /* D gains both generators */
    gang_train(&training);
    assert_true(*at(&training, G) == 1 && *at(&training, D) == 2 + 10 + 20);
    training.iteration = 3; /* G gains the discriminator that has a share */
    gang_train(&training);
    assert_true(*at(&training, G) == 1 + 200 && *at(&training, D) == 32);
    training_destroy(&training);
}

static void test_new_beginnings(void **state)
{
    (void)state;
    Program program = small_program();
    program.gang.reset_before = 8;
    Training training = training_create(&program, 1, 7);
    fill(&training);
    *at(&training, ANCHOR_G) = 3;
    *at(&training, ANCHOR_D) = 4;
    training.iteration = 4;
    gang_mix(&training); /* the anchors move, the networks are others */
    assert_true(*at(&training, ANCHOR_G) == 2 && *at(&training, ANCHOR_D) == 3);
    real first = *at(&training, G);
    assert_true(first != 2 && first != 1 && *at(&training, D) != 3);
    training.iteration = 8; /* no more */
    *at(&training, G) = 4;
    gang_mix(&training);
    assert_true(*at(&training, G) == 3 && *at(&training, ANCHOR_G) == 3);
    training_destroy(&training);
}

static void test_noise(void **state)
{
    (void)state;
    Program program = small_program();
    program.shake[1] = 0.5;
    Training training = training_create(&program, 1, 7);
    real last = 0, sum = 0;
    for (int k = 0; k < 100; k++) {
        training.iteration = (uint64_t)k;
        *at(&training, D) = 1;
        hooks_shake(&training);
        real gain = *at(&training, D) - 1;
        assert_true(gain >= 0 && gain < (real)0.5 && gain != last);
        last = gain;
        sum += gain;
    }
    assert_true(sum > 20 && sum < 30);
    assert_true(*at(&training, G) == 0 && at(&training, D)[1] == 0);
    training_destroy(&training);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trainings),
                                       cmocka_unit_test(test_new_beginnings),
                                       cmocka_unit_test(test_noise)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
