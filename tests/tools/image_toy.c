/* image_toy.c -- a program for images small enough to check by hand, linked with the mains of
 * RUN/train and RUN/sample: what the compiler would emit for a linear critic D(x) = w.x, clamped to
 * [-0.1, 0.1], and a generator G(z) = W z + b of 12 x 10 pixels and two channels. One D update and
 * one G update an iteration, by SGD on the Wasserstein losses. */
#include "data.h"
#include "program.h"
#include "rng.h"

#include <string.h>

enum { HEIGHT = 12, WIDTH = 10, CHANNELS = 2, X = HEIGHT * WIDTH * CHANNELS, Z = 3, BATCH = 8 };
enum { ROW = 240, D = 0, G = ROW, BIAS = G + X * 16, SIZE = BIAS + ROW };

static const ProgramTensor tensors[] = {
    {.name = "D.0.weight",
     .label = "discriminator weight",
     .rank = 2,
     .dims = {1, X},
     .rows = 1,
     .row = X,
     .stride = ROW,
     .offset = D,
     .init = INIT_UNIFORM,
     .scale = 0.1,
     .source = -1},
    {.name = "G.0.weight",
     .label = "generator weight",
     .rank = 2,
     .dims = {X, Z},
     .rows = X,
     .row = Z,
     .stride = 16,
     .offset = G,
     .init = INIT_NORMAL,
     .scale = 0.05,
     .source = -1},
    {.name = "G.0.bias",
     .label = "generator bias",
     .rank = 1,
     .dims = {X},
     .rows = 1,
     .row = X,
     .stride = ROW,
     .offset = BIAS,
     .source = -1},
};

static const ProgramInput d_inputs[] = {
    {.name = "real", .kind = INPUT_DATA, .width = X, .map = {HEIGHT, WIDTH, CHANNELS}},
    {.name = "z_d", .kind = INPUT_NORMAL, .width = Z, .stream = 1}};
static const ProgramInput g_inputs[] = {
    {.name = "z_g", .kind = INPUT_NORMAL, .width = Z, .stream = 2}};

/* g: the generator's parameters, from G on. */
static void generate(const real *g, const real *z, real *x)
{
    for (int o = 0; o < X; o++) {
        x[o] = g[BIAS - G + o];
        for (int k = 0; k < Z; k++) {
            x[o] += g[o * 16 + k] * z[k];
        }
    }
}

static void read_latent(const Batch *batch, int index, const ProgramInput *input, int i, real *z)
{
    if (batch->given[index]) {
        memcpy(z, batch->given[index] + i * Z, Z * sizeof *z);
    } else {
        draw_row(z, Z, DRAW_NORMAL, batch->seed, (uint32_t)input->stream, batch->update,
                 (uint64_t)i);
    }
}

static void read_image(const Batch *batch, int i, real *x)
{
    if (batch->given[0]) {
        memcpy(x, batch->given[0] + i * X, X * sizeof *x);
    } else {
        Order order = data_order(batch->data, batch->seed);
        data_row(batch->data, order_row(&order, batch->position + (uint64_t)i), x, 1);
    }
}

static void d_step(Pool *pool, real *state, void *work, const Batch *batch, const real *scalars,
                   double *outputs)
{
    real step[X] = {0};
    double real_score = 0, fake_score = 0;
    (void)pool, (void)work;
    for (int i = 0; i < BATCH; i++) {
        real x[X], z[Z], fake[X];
        read_image(batch, i, x);
        read_latent(batch, 1, &d_inputs[1], i, z);
        generate(state + G, z, fake);
        for (int k = 0; k < X; k++) {
            real_score += (double)(state[D + k] * x[k]) / BATCH;
            fake_score += (double)(state[D + k] * fake[k]) / BATCH;
            step[k] += (fake[k] - x[k]) / BATCH;
        }
    }
    for (int k = 0; k < X; k++) {
        real w = state[D + k] - scalars[0] * step[k];
        state[D + k] = w < (real)-0.1 ? (real)-0.1 : w > (real)0.1 ? (real)0.1 : w;
    }
    outputs[0] = fake_score - real_score;
}

static void g_step(Pool *pool, real *state, void *work, const Batch *batch, const real *scalars,
                   double *outputs)
{
    (void)pool, (void)work;
    outputs[0] = 0;
    for (int i = 0; i < BATCH; i++) {
        real z[Z], fake[X];
        read_latent(batch, 0, &g_inputs[0], i, z);
        generate(state + G, z, fake);
        for (int k = 0; k < X; k++) {
            outputs[0] -= (double)(state[D + k] * fake[k]) / BATCH;
        }
    }
    for (int k = 0; k < X; k++) {
        state[BIAS + k] += scalars[0] * state[D + k];
    }
}

static void sample(const real *generator, const real *state, void *work,
                   const SampleRequest *request)
{
    (void)state, (void)work;
    for (int i = 0; i < request->count; i++) {
        real z[Z];
        draw_row(z, Z, DRAW_NORMAL, request->seed, 3, 0, request->first + (uint64_t)i);
        if (request->latent) {
            memcpy(z, request->latent + i * Z, sizeof z);
        }
        generate(generator, z, request->out + i * X);
    }
}

static const ProgramUpdate updates[] = {
    {.name = "d_step",
     .count = 1,
     .input_count = 2,
     .inputs = d_inputs,
     .scalar_count = 1,
     .scalars = {{"rate", SCALAR_RATE, 0.05}},
     .output_count = 1,
     .outputs = {"d_loss"},
     .run = d_step},
    {.name = "g_step",
     .count = 1,
     .input_count = 1,
     .inputs = g_inputs,
     .scalar_count = 1,
     .scalars = {{"rate", SCALAR_RATE, 0.02}},
     .output_count = 1,
     .outputs = {"g_loss"},
     .run = g_step},
};

const Program gagac_program = {
    .version = "0",
    .config = "{}",
    .config_name = "toy.json",
    .config_hash = 0x4321,
    .isa = "generic",
    .x_dim = X,
    .z_dim = Z,
    .batch_size = BATCH,
    .image = {HEIGHT, WIDTH, CHANNELS},
    .images = &image_runtime,
    .iterations = 200,
    .shuffle = true,
    .tensor_count = sizeof tensors / sizeof *tensors,
    .tensors = tensors,
    .state_size = SIZE,
    .work_size = 64,
    .update_count = 2,
    .updates = updates,
    .generator_offset = G,
    .average_offset = (size_t)-1,
    .sample_work_size = 64,
    .sample_flops = 2.0 * X * Z,
    .sample = sample,
    .sampler_source = "/* weights */ static const unsigned w[] = {/*@G.0.weight@*/0};\n",
    .sampler_header = "/* toy */\n",
};
