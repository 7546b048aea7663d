/* test_replay.c -- steps whose data and draws are given, against the same steps computed here. */
#define _POSIX_C_SOURCE 200809L
#include "replay.h"

#include "safetensors.h"
#include "state.h"
#include "toy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { STEPS = 4, SLICES = 2 * STEPS };

static double rows[SLICES][TOY_BATCH][TOY_X], z_d[SLICES][TOY_BATCH][TOY_Z];
static double z_g[STEPS][TOY_BATCH][TOY_Z];
static const double first_w[TOY_X] = {3, -0.25}, first_g[TOY_X][TOY_Z] = {{1, 0, 0.5}, {-1, 2, 0}};
static const double first_b[TOY_X] = {0.5, -1};

static void fill(double *out, size_t count, int stream)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (double)draw_one_normal(8, (uint32_t)stream, 0, i, 0);
    }
}

static StoredTensor stored(const char *name, const void *data, int rank, uint64_t a, uint64_t b,
                           uint64_t c)
{
    return (StoredTensor){
        .name = name, .type = STORED_F64, .rank = rank, .dims = {a, b, c}, .data = data};
}

static int all_tensors(StoredTensor *tensors)
{
    fill(&rows[0][0][0], sizeof rows / sizeof(double), 1);
    fill(&z_d[0][0][0], sizeof z_d / sizeof(double), 2);
    fill(&z_g[0][0][0], sizeof z_g / sizeof(double), 3);
    tensors[0] = stored("D.0.weight", first_w, 2, 1, TOY_X, 0);
    tensors[1] = stored("G.0.weight", first_g, 2, TOY_X, TOY_Z, 0);
    tensors[2] = stored("G.0.bias", first_b, 1, TOY_X, 0, 0);
    tensors[3] = stored("real", rows, 3, SLICES, TOY_BATCH, TOY_X);
    tensors[4] = stored("z_d", z_d, 3, SLICES, TOY_BATCH, TOY_Z);
    tensors[5] = stored("z_g", z_g, 3, STEPS, TOY_BATCH, TOY_Z);
    return 6;
}

static void write_input(const StoredTensor *tensors, int count)
{
    Error error = {0};
    if (!safetensors_write("in.safetensors", tensors, count, NULL, 0, &error)) {
        fail_msg("%s", error.message);
    }
}

/* ---------------------------------------------------------------- the same steps in double */
typedef struct Expected {
    double w[TOY_X], g[TOY_X][TOY_Z], b[TOY_X];
    double d_loss[SLICES], g_loss[STEPS], fake[TOY_BATCH][TOY_X];
} Expected;

static void generate(const Expected *net, const double *z, double *x)
{
    for (int o = 0; o < TOY_X; o++) {
        x[o] = net->b[o];
        for (int k = 0; k < TOY_Z; k++) {
            x[o] += net->g[o][k] * z[k];
        }
    }
}

static void update_d(Expected *net, int slice, double rate)
{
    double step[TOY_X] = {0};
    net->d_loss[slice] = 0;
    for (int i = 0; i < TOY_BATCH; i++) {
        double fake[TOY_X];
        generate(net, z_d[slice][i], fake);
        for (int k = 0; k < TOY_X; k++) {
            double difference = (fake[k] - rows[slice][i][k]) / TOY_BATCH;
            net->d_loss[slice] += net->w[k] * difference;
            step[k] += difference;
        }
    }
    for (int k = 0; k < TOY_X; k++) {
        net->w[k] -= rate * step[k];
    }
}

static void update_g(Expected *net, int slice, double rate)
{
    double mean[TOY_Z] = {0};
    net->g_loss[slice] = 0;
    for (int i = 0; i < TOY_BATCH; i++) {
        double fake[TOY_X];
        generate(net, z_g[slice][i], fake);
        for (int o = 0; o < TOY_X; o++) {
            net->g_loss[slice] -= net->w[o] * fake[o] / TOY_BATCH;
        }
        for (int k = 0; k < TOY_Z; k++) {
            mean[k] += z_g[slice][i][k] / TOY_BATCH;
        }
    }
    for (int o = 0; o < TOY_X; o++) {
        net->b[o] += rate * net->w[o];
        for (int k = 0; k < TOY_Z; k++) {
            net->g[o][k] += rate * net->w[o] * mean[k];
        }
    }
}

static Expected compute(void)
{
    Expected net = {0};
    memcpy(net.w, first_w, sizeof net.w);
    memcpy(net.g, first_g, sizeof net.g);
    memcpy(net.b, first_b, sizeof net.b);
    for (int i = 0; i < STEPS; i++) {
        double decay = i < 3 ? 1 : 0.5; /* schedule_step 3, gamma 0.5 */
        for (int k = 0; k < TOY_X; k++) {
            net.w[k] = fmin(fmax(net.w[k], -1), 1);
        }
        update_d(&net, 2 * i, 0.125 * decay);
        update_d(&net, 2 * i + 1, 0.125 * decay);
        update_g(&net, i, 0.25 * decay);
    }
    for (int i = 0; i < TOY_BATCH; i++) {
        generate(&net, z_d[0][i], net.fake[i]);
    }
    return net;
}

/* ---------------------------------------------------------------- tests */
static void replay(int threads)
{
    Training training = training_create(&toy_program, threads, 3);
    state_initialise(&toy_program, training.state, 3);
    replay_run(&training, "in.safetensors", "out.safetensors");
    training_destroy(&training);
}

static Safetensors open_output(void)
{
    Safetensors file = {0};
    Error error = {0};
    if (!safetensors_open(&file, "out.safetensors", &error)) {
        fail_msg("%s", error.message);
    }
    return file;
}

static void check(const Safetensors *file, const char *name, const double *expected, size_t count)
{
    double values[SLICES * TOY_BATCH * TOY_Z];
    const StoredTensor *tensor = safetensors_find(file, name);
    assert_non_null(tensor);
    assert_int_equal(stored_count(tensor), count);
    stored_copy_doubles(tensor, values);
    for (size_t i = 0; i < count; i++) {
        if (fabs(values[i] - expected[i]) > 2e-6 * fmax(1, fabs(expected[i]))) {
            fail_msg("%s[%zu] is %g, not %g", name, i, values[i], expected[i]);
        }
    }
}

static void test_steps(void **unused)
{
    (void)unused;
    StoredTensor tensors[8];
    write_input(tensors, all_tensors(tensors));
    Expected net = compute();
    replay(2);
    Safetensors file = open_output();
    check(&file, "D.0.weight", net.w, TOY_X);
    check(&file, "G.0.weight", &net.g[0][0], TOY_X * TOY_Z);
    check(&file, "G.0.bias", net.b, TOY_X);
    check(&file, "d_loss", net.d_loss, SLICES);
    check(&file, "g_loss", net.g_loss, STEPS);
    check(&file, "fake", &net.fake[0][0],
          TOY_BATCH * TOY_X); /* of the raw weights, not their average */
    assert_non_null(safetensors_find(&file, "D.0.u"));
    assert_null(safetensors_find(&file, "G.0.bias.average"));
    assert_null(safetensors_find(&file, "penalty"));
    assert_int_equal(file.tensor_count, 7);
    safetensors_close(&file);
}

/* What the file leaves out is drawn as in a training with the same seed; `fake` uses those very
 * latents. */
static void test_missing_draws(void **unused)
{
    (void)unused;
    StoredTensor tensors[8];
    all_tensors(tensors);
    double drawn[STEPS * 2 * TOY_BATCH * TOY_Z];
    real row[TOY_Z];
    for (size_t i = 0; i < (size_t)SLICES * TOY_BATCH; i++) {
        draw_row(row, TOY_Z, DRAW_NORMAL, 3, 1, i / TOY_BATCH, i % TOY_BATCH);
        for (size_t k = 0; k < TOY_Z; k++) {
            drawn[i * TOY_Z + k] = (double)row[k];
        }
    }
    write_input(tensors, 6);
    tensors[4].data = drawn;
    write_input(tensors, 6);
    replay(1);
    Safetensors given = open_output();
    tensors[4] = tensors[5];
    write_input(tensors, 5);
    replay(1);
    Safetensors left_out = open_output();
    for (int i = 0; i < given.tensor_count; i++) {
        const StoredTensor *a = &given.tensors[i], *b = safetensors_find(&left_out, a->name);
        assert_non_null(b);
        assert_memory_equal(a->data, b->data, stored_size(a));
    }
    safetensors_close(&given);
    safetensors_close(&left_out);
}

/* The exit status of a replay of these tensors, and what it says, in a process of its own. */
static int replay_status(const StoredTensor *tensors, int count, char *text, size_t size)
{
    int ends[2];
    write_input(tensors, count);
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        replay(1);
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], text + length, size - 1 - length)) > 0) {
        length += (size_t)got;
    }
    text[length] = 0;
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_wrong_files(void **unused)
{
    (void)unused;
    static const struct {
        int index;
        StoredTensor tensor;
        const char *message;
    } cases[] = {
        {4, {"z_e", STORED_F64, 3, {SLICES, TOY_BATCH, TOY_Z}, z_d}, "did you mean 'z_d'?"},
        {4,
         {"z_d", STORED_F64, 3, {SLICES - 1, TOY_BATCH, TOY_Z}, z_d},
         "'z_d' has shape [7, 8, 3] where [8, 8, 3] is needed"},
        {4,
         {"z_d", STORED_F64, 2, {SLICES, TOY_BATCH * TOY_Z}, z_d},
         "'z_d' has shape [8, 24] where [8, 8, 3] is needed"},
        {3,
         {"real", STORED_F64, 3, {SLICES - 1, TOY_BATCH, TOY_X}, rows},
         "'real' has shape [7, 8, 2] where [S*2, 8, 2]"},
        {3, {"real", STORED_F64, 3, {0, TOY_BATCH, TOY_X}, rows}, "'real' has shape [0, 8, 2]"},
        {3, {"D.0.u", STORED_F64, 1, {5}, rows}, "holds no tensor 'real'"},
        {2,
         {"G.0.bias", STORED_F64, 2, {1, TOY_X}, first_b},
         "'G.0.bias' has shape [1, 2] where [2] is needed"},
        {2,
         {"G.0.bias.average", STORED_F64, 1, {TOY_X}, first_b},
         "'G.0.bias.average' of shape [2]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        StoredTensor tensors[8];
        char text[1024];
        int count = all_tensors(tensors);
        tensors[cases[i].index] = cases[i].tensor;
        assert_int_equal(replay_status(tensors, count, text, sizeof text), EXIT_INVALID);
        if (!strstr(text, cases[i].message)) {
            fail_msg("%s: not in: %s", cases[i].message, text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_missing_draws),
        cmocka_unit_test(test_wrong_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
