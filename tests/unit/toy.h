/* toy.h -- a program small enough to check by hand: what the compiler would emit for a linear
 * critic and a linear generator, for tests of the training runtime.
 *
 * D(x) = w.x, G(z) = W z + b; w is trained by SGD on the Wasserstein loss and clamped to [-1, 1] at
 * the start of an iteration, G by SGD on -mean D(G(z)). Two D updates an iteration, one G update.
 */
#ifndef GAGAC_TOY_H
#define GAGAC_TOY_H

#include "data.h"
#include "program.h"
#include "rng.h"

enum { TOY_X = 2, TOY_Z = 3, TOY_BATCH = 8, TOY_STRIDE = 16 };
enum { TOY_D = 0, TOY_G = 16, TOY_BIAS = 48, TOY_AVERAGE = 64, TOY_LENGTH = 112, TOY_SIZE = 128 };

static const ProgramTensor toy_tensors[] = {
    {.name = "D.0.weight",
     .label = "discriminator weight",
     .role = ROLE_PARAMETER,
     .rank = 2,
     .dims = {1, TOY_X},
     .rows = 1,
     .row = TOY_X,
     .stride = TOY_STRIDE,
     .offset = TOY_D,
     .init = INIT_UNIFORM,
     .scale = 0.5,
     .source = -1},
    {.name = "G.0.weight",
     .label = "generator weight",
     .role = ROLE_PARAMETER,
     .rank = 2,
     .dims = {TOY_X, TOY_Z},
     .rows = TOY_X,
     .row = TOY_Z,
     .stride = TOY_STRIDE,
     .offset = TOY_G,
     .init = INIT_NORMAL,
     .scale = 1,
     .source = -1},
    {.name = "G.0.bias",
     .label = "generator bias",
     .role = ROLE_PARAMETER,
     .rank = 1,
     .dims = {TOY_X},
     .rows = 1,
     .row = TOY_X,
     .stride = TOY_STRIDE,
     .offset = TOY_BIAS,
     .init = INIT_ONE,
     .source = -1},
    {.name = "G.0.weight.average",
     .label = "average of the generator weight",
     .role = ROLE_AVERAGE,
     .rank = 2,
     .dims = {TOY_X, TOY_Z},
     .rows = TOY_X,
     .row = TOY_Z,
     .stride = TOY_STRIDE,
     .offset = TOY_AVERAGE,
     .init = INIT_COPY,
     .source = 1},
    {.name = "G.0.bias.average",
     .label = "average of the generator bias",
     .role = ROLE_AVERAGE,
     .rank = 1,
     .dims = {TOY_X},
     .rows = 1,
     .row = TOY_X,
     .stride = TOY_STRIDE,
     .offset = TOY_AVERAGE + TOY_BIAS - TOY_G,
     .init = INIT_COPY,
     .source = 2},
    {.name = "D.0.u",
     .label = "a vector",
     .role = ROLE_VECTOR,
     .rank = 1,
     .dims = {5},
     .rows = 1,
     .row = 5,
     .stride = TOY_STRIDE,
     .offset = TOY_LENGTH,
     .init = INIT_UNIT,
     .source = -1},
};

static void toy_generate(const real *g, const real *z, real *x)
{
    for (int o = 0; o < TOY_X; o++) {
        x[o] = g[TOY_BIAS - TOY_G + o];
        for (int k = 0; k < TOY_Z; k++) {
            x[o] += g[o * TOY_STRIDE + k] * z[k];
        }
    }
}

/* Row i of an input: given, drawn or read. */
static void toy_read(const Batch *batch, int index, const ProgramInput *input, int i, real *out)
{
    if (batch->given[index]) {
        memcpy(out, batch->given[index] + i * input->width, (size_t)input->width * sizeof *out);
    } else if (input->kind == INPUT_DATA) {
        Order order = data_order(batch->data, batch->seed);
        data_row(batch->data, order_row(&order, batch->position + (uint64_t)i), out, 1);
    } else {
        draw_row(out, input->width, DRAW_NORMAL, batch->seed, (uint32_t)input->stream,
                 batch->update, (uint64_t)i);
    }
}

static const ProgramInput toy_z_g = {
    .name = "z_g", .kind = INPUT_NORMAL, .width = TOY_Z, .stream = 2};
static const ProgramInput toy_d_inputs[] = {
    {.name = "real", .kind = INPUT_DATA, .width = TOY_X},
    {.name = "z_d", .kind = INPUT_NORMAL, .width = TOY_Z, .stream = 1}};

static void toy_d_step(Pool *pool, real *state, void *work, const Batch *batch, const real *scalars,
                       double *outputs)
{
    real *w = state + TOY_D, step[TOY_X] = {0};
    double real_score = 0, fake_score = 0;
    (void)pool, (void)work;
    for (int i = 0; i < TOY_BATCH; i++) {
        real x[TOY_X], z[TOY_Z], fake[TOY_X];
        toy_read(batch, 0, &toy_d_inputs[0], i, x);
        toy_read(batch, 1, &toy_d_inputs[1], i, z);
        toy_generate(state + TOY_G, z, fake);
        for (int k = 0; k < TOY_X; k++) {
            real_score += (double)(w[k] * x[k]) / TOY_BATCH;
            fake_score += (double)(w[k] * fake[k]) / TOY_BATCH;
            step[k] += (fake[k] - x[k]) / TOY_BATCH;
        }
    }
    for (int k = 0; k < TOY_X; k++) {
        w[k] -= scalars[0] * step[k];
    }
    outputs[0] = fake_score - real_score;
    outputs[1] = -real_score;
    outputs[2] = fake_score;
}

static void toy_g_step(Pool *pool, real *state, void *work, const Batch *batch, const real *scalars,
                       double *outputs)
{
    const real *w = state + TOY_D;
    real step[TOY_X][TOY_Z] = {{0}};
    (void)pool, (void)work;
    outputs[0] = 0;
    for (int i = 0; i < TOY_BATCH; i++) {
        real z[TOY_Z], fake[TOY_X];
        toy_read(batch, 0, &toy_z_g, i, z);
        toy_generate(state + TOY_G, z, fake);
        for (int o = 0; o < TOY_X; o++) {
            outputs[0] -= (double)(w[o] * fake[o]) / TOY_BATCH;
            for (int k = 0; k < TOY_Z; k++) {
                step[o][k] -= w[o] * z[k] / TOY_BATCH;
            }
        }
    }
    for (int o = 0; o < TOY_X; o++) {
        state[TOY_BIAS + o] += scalars[0] * w[o];
        for (int k = 0; k < TOY_Z; k++) {
            state[TOY_G + o * TOY_STRIDE + k] -= scalars[0] * step[o][k];
        }
    }
    for (int i = 0; i < TOY_AVERAGE - TOY_G; i++) {
        state[TOY_AVERAGE + i] = (state[TOY_AVERAGE + i] + state[TOY_G + i]) / 2;
    }
}

static void toy_clamp(Pool *pool, real *state, void *work)
{
    (void)pool, (void)work;
    for (int k = 0; k < TOY_X; k++) {
        real w = state[TOY_D + k];
        state[TOY_D + k] = w > 1 ? 1 : w < -1 ? -1 : w;
    }
}

static void toy_sample(const real *generator, const real *state, void *work,
                       const SampleRequest *request)
{
    (void)state, (void)work;
    for (int i = 0; i < request->count; i++) {
        real z[TOY_Z];
        draw_row(z, TOY_Z, DRAW_NORMAL, request->seed, 3, 0, request->first + (uint64_t)i);
        if (request->latent) {
            memcpy(z, request->latent + i * TOY_Z, sizeof z);
        }
        toy_generate(generator, z, request->out + i * TOY_X);
    }
}

static const ProgramUpdate toy_updates[] = {
    {.name = "d_step",
     .count = 2,
     .input_count = 2,
     .inputs = toy_d_inputs,
     .scalar_count = 1,
     .scalars = {{"rate", SCALAR_RATE, 0.125}},
     .output_count = 3,
     .outputs = {"d_loss", "d_real", "d_fake"},
     .run = toy_d_step},
    {.name = "g_step",
     .count = 1,
     .input_count = 1,
     .inputs = &toy_z_g,
     .scalar_count = 1,
     .scalars = {{"rate", SCALAR_RATE, 0.25}},
     .output_count = 1,
     .outputs = {"g_loss"},
     .run = toy_g_step},
};

static const char *const toy_keys[] = {"E", "X"};
static const Program toy_program = {
    .version = "0",
    .config_name = "toy.json",
    .config_hash = 0x1234,
    .isa = "generic",
    .x_dim = TOY_X,
    .z_dim = TOY_Z,
    .batch_size = TOY_BATCH,
    .keys = toy_keys,
    .iterations = 100,
    .schedule_step = 3,
    .schedule_gamma = 0.5,
    .shuffle = true,
    .tensor_count = sizeof toy_tensors / sizeof *toy_tensors,
    .tensors = toy_tensors,
    .state_size = TOY_SIZE,
    .work_size = 64,
    .update_count = 2,
    .updates = toy_updates,
    .before_iteration = toy_clamp,
    .generator_offset = TOY_G,
    .average_offset = TOY_AVERAGE,
    .sample_work_size = 64,
    .sample = toy_sample,
    .estimates_w1 = true,
};

#endif
