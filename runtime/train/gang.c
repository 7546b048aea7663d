/* gang.c -- see gang.h. */
#include "gang.h"

#include "rng.h"
#include "safetensors.h"
#include "snapshot.h"
#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDES = 2, STREAM_CROSS = 32, STREAM_MUTATE = 34, POINTS_A_MIXING = 1 << 16 };
enum { TRAININGS_AN_ITERATION = 32 }; /* on remembered networks, for their draws */
enum { REMEMBERED, HAS_ANCHORS };
static const char side_tags[SIDES] = {'G', 'D'};

typedef struct Mixing {
    Training *training;
    const ProgramGang *plan;
    const ProgramTensor *tensors;
    real *state;
    size_t sizes[SIDES]; /* numbers of a network */
    real counts[2];
} Mixing;

static bool belongs(const ProgramTensor *tensor, int side)
{
    return tensor->name[0] == side_tags[side] && tensor->name[1] == '.';
}

/* Copies all of a network out of the state, or with `back` into it. */
static void copy_side(const Mixing *m, int side, real *values, bool back)
{
    const Program *program = m->training->program;
    for (int k = 0; k < program->tensor_count; k++) {
        const ProgramTensor *tensor = &program->tensors[k];
        if (!belongs(tensor, side)) {
            continue;
        }
        if (back) {
            tensor_put(tensor, m->state, values);
        } else {
            tensor_get(tensor, m->state, values);
        }
        values += tensor_size(tensor);
    }
}

static real *anchor(const Mixing *m, int side)
{
    return m->state + m->tensors[m->plan->anchor[side]].offset;
}

/* A remembered network; 0 is the newest, after that the most probable. */
static real *remembered(const Mixing *m, int side, int index)
{
    const ProgramTensor *tensor = &m->tensors[m->plan->memory[side]];
    return m->state + tensor->offset + (size_t)index * (size_t)tensor->stride;
}

static const ProgramTensor *count_of(const Training *training)
{
    return &training->program->tensors[training->program->gang.count];
}

static Mixing mixing_of(Training *training)
{
    const Program *program = training->program;
    Mixing m = {.training = training, .plan = &program->gang, .tensors = program->tensors};
    m.state = training->state;
    for (int side = 0; side < SIDES; side++) {
        m.sizes[side] = tensor_size(&program->tensors[m.plan->anchor[side]]);
    }
    tensor_get(count_of(training), m.state, m.counts);
    return m;
}

static void keep_counts(const Mixing *m)
{
    tensor_put(&m->tensors[m->plan->count], m->state, m->counts);
}

/* Reads both networks out of a checkpoint into the state. */
static void load_networks(const Mixing *m, const char *path)
{
    const Program *program = m->training->program;
    Safetensors file;
    Error error = {0};
    if (!safetensors_open(&file, path, &error)) {
        fail_error(&error);
    }
    for (int k = 0; k < program->tensor_count; k++) {
        const ProgramTensor *tensor = &program->tensors[k];
        if (!belongs(tensor, 0) && !belongs(tensor, 1)) {
            continue;
        }
        const StoredTensor *stored = safetensors_find(&file, tensor->name);
        if (!stored) {
            fail(EXIT_INVALID, "a checkpoint of a training with this config, RUN/checkpoints",
                 "%s holds no tensor '%s', so its networks cannot be remembered", path,
                 tensor->name);
        }
        if (!tensor_load(tensor, m->state, stored, &error)) {
            fail_error(&error);
        }
    }
    safetensors_close(&file);
}

static void preload(Mixing *m)
{
    for (int k = 0; k < m->plan->preload_count; k++) {
        load_networks(m, m->plan->preload[k]);
        for (int side = 0; side < SIDES; side++) {
            copy_side(m, side, remembered(m, side, k), false);
        }
    }
    for (int side = 0; side < SIDES && m->plan->preload_count > 0; side++) {
        copy_side(m, side, anchor(m, side), true);
    }
    m->counts[REMEMBERED] = (real)m->plan->preload_count;
}

void gang_start(Training *training)
{
    if (training->program->gang.mix_steps == 0) {
        return;
    }
    training_fetch_tensor(training, count_of(training));
    Mixing m = mixing_of(training);
    if (m.counts[HAS_ANCHORS] > 0) {
        return;
    }
    training_fetch(training);
    for (int side = 0; side < SIDES; side++) {
        copy_side(&m, side, anchor(&m, side), false);
    }
    m.counts[HAS_ANCHORS] = 1;
    preload(&m);
    keep_counts(&m);
    training_changed(training);
}

/* ---------------------------------------------------------------- payoffs */

/* Batches are drawn for a mixing, the same ones for all pairs. */
static void evaluate(const Mixing *m, int point, double outputs[MAX_OUTPUTS])
{
    Training *training = m->training;
    const Program *program = training->program;
    uint64_t mixing = training->iteration / (uint64_t)m->plan->mix_steps;
    Batch batch;
    real scalars[MAX_SCALARS] = {0};
    training_facts(training, training->iteration, m->plan->update, 0, &batch, scalars);
    batch.update = mixing * POINTS_A_MIXING + (uint64_t)point;
    batch.data_update += (uint64_t)point;
    batch.position = batch.data_update * (uint64_t)program->batch_size;
    training_run(training, m->plan->update, &batch, scalars, outputs);
}

/* a, b: payoffs of generator i and discriminator j at i * count + j. False: all the same, or one is
 * no number. */
static bool measure(const Mixing *m, int count, double *a, double *b)
{
    double least = INFINITY, most = -INFINITY;
    bool finite = true;
    for (int i = 0; i < count; i++) {
        copy_side(m, 0, remembered(m, 0, i), true);
        for (int j = 0; j < count; j++) {
            double sums[2] = {0, 0};
            copy_side(m, 1, remembered(m, 1, j), true);
            training_changed(m->training);
            for (int point = 0; point < m->plan->points; point++) {
                double outputs[MAX_OUTPUTS] = {0};
                evaluate(m, point, outputs);
                sums[0] += outputs[0];
                sums[1] += outputs[1];
            }
            a[i * count + j] = sums[0] / m->plan->points;
            b[i * count + j] = sums[1] / m->plan->points;
            least = fmin(least, a[i * count + j]);
            most = fmax(most, a[i * count + j]);
            finite = finite && isfinite(sums[0]) && isfinite(sums[1]);
        }
    }
    double *outputs = m->training->outputs[m->plan->update];
    outputs[0] = finite ? a[0] : 0;
    outputs[1] = finite ? b[0] : 0;
    return finite && least < most;
}

/* ---------------------------------------------------------------- new networks */
static void mix_weighted(const Mixing *m, int side, const double *shares, int count, real *out)
{
    memset(out, 0, m->sizes[side] * sizeof *out);
    for (int i = 0; i < count; i++) {
        const real *values = remembered(m, side, i);
        real share = (real)shares[i];
        for (size_t k = 0; k < m->sizes[side] && share > 0; k++) {
            real part = share * values[k];
            out[k] += part;
        }
    }
}

/* One number for each of a network's, in [0, 1). */
static void draw_side(const Mixing *m, int side, int stream, real *out)
{
    enum { PIECE = 1 << 16 };
    for (size_t at = 0; at < m->sizes[side]; at += PIECE) {
        size_t left = m->sizes[side] - at;
        draw_row(out + at, (int)(left < PIECE ? left : PIECE), DRAW_UNIFORM, m->training->seed,
                 (uint32_t)(stream + side), m->training->iteration, at / PIECE + 1);
    }
}

/* Of the two most probable networks, at random number by number. They come first. */
static void cross(const Mixing *m, int side, int count, real *out)
{
    const real *one = remembered(m, side, 0), *two = remembered(m, side, count > 1);
    draw_side(m, side, STREAM_CROSS, out);
    for (size_t k = 0; k < m->sizes[side]; k++) {
        real mask = m->plan->crossover_random ? out[k] : (real)(out[k] >= (real)0.5);
        real way = mask * (two[k] - one[k]);
        out[k] = one[k] + way;
    }
}

/* Weights alone, not what optimisers keep, move by U(-.01, .01). */
static void mutate(const Mixing *m, int side, real *values)
{
    const Program *program = m->training->program;
    real *draws = allocate(m->sizes[side], sizeof *draws);
    real chance = 0;
    size_t at = 0;
    draw_row(&chance, 1, DRAW_UNIFORM, m->training->seed, (uint32_t)(STREAM_MUTATE + side),
             m->training->iteration, 0);
    draw_side(m, side, STREAM_MUTATE, draws);
    for (int k = 0; k < program->tensor_count && (double)chance >= m->plan->mutation_chance; k++) {
        const ProgramTensor *tensor = &program->tensors[k];
        if (!belongs(tensor, side)) {
            continue;
        }
        size_t size = tensor_size(tensor);
        for (size_t i = 0; i < size && tensor->role == ROLE_PARAMETER; i++) {
            real step = (real)0.02 * draws[at + i];
            values[at + i] += step - (real)0.01;
        }
        at += size;
    }
    free(draws);
}

/* Brings the remembered networks in order of their shares, the largest first; equal ones stay. */
static void sort(const Mixing *m, int side, double *shares, int count)
{
    real *held = allocate(m->sizes[side], sizeof *held);
    size_t bytes = m->sizes[side] * sizeof *held;
    for (int i = 1; i < count; i++) {
        int to = i;
        double share = shares[i];
        while (to > 0 && shares[to - 1] < share) {
            to--;
        }
        memcpy(held, remembered(m, side, i), bytes);
        for (int k = i; k > to; k--) {
            memcpy(remembered(m, side, k), remembered(m, side, k - 1), bytes);
            shares[k] = shares[k - 1];
        }
        memcpy(remembered(m, side, to), held, bytes);
        shares[to] = share;
    }
    free(held);
}

/* The present networks become the first of those remembered. */
static int remember(Mixing *m)
{
    int count = (int)m->counts[REMEMBERED];
    for (int side = 0; side < SIDES; side++) {
        for (int k = count; k > 0; k--) {
            memcpy(remembered(m, side, k), remembered(m, side, k - 1),
                   m->sizes[side] * sizeof(real));
        }
        copy_side(m, side, remembered(m, side, 0), false);
    }
    return count + 1;
}

static void keep_shares(const Mixing *m, double shares[SIDES][NASH_MOST])
{
    const ProgramTensor *tensor = &m->tensors[m->plan->shares];
    size_t columns = (size_t)tensor->dims[1];
    real *values = allocate(SIDES * columns, sizeof *values);
    for (int side = 0; side < SIDES; side++) {
        for (int k = 0; k < m->plan->size; k++) {
            values[(size_t)side * columns + (size_t)k] = (real)shares[side][k];
        }
    }
    tensor_put(tensor, m->state, values);
    free(values);
}

/* The new anchors, from an equilibrium; they stay where the payoffs tell nothing. */
static void play(Mixing *m)
{
    double shares[SIDES][NASH_MOST] = {{0}}, a[NASH_MOST * NASH_MOST], b[NASH_MOST * NASH_MOST];
    int count = remember(m);
    if (measure(m, count, a, b)) {
        NashGame game = {count, count, a, b};
        nash_solve(&game, m->plan->method, shares[0], shares[1]);
        for (int side = 0; side < SIDES; side++) {
            mix_weighted(m, side, shares[side], count, anchor(m, side));
            sort(m, side, shares[side], count);
            if (m->plan->crossover) {
                cross(m, side, count, anchor(m, side));
            }
        }
    }
    keep_shares(m, shares);
    m->counts[REMEMBERED] = (real)(count < m->plan->size ? count : m->plan->size);
}

/* Nothing is remembered: the new anchors lie between the present networks and the old ones. */
static void approach(Mixing *m)
{
    real share = (real)m->plan->decay;
    for (int side = 0; side < SIDES; side++) {
        real *now = allocate(m->sizes[side], sizeof *now), *old = anchor(m, side);
        copy_side(m, side, now, false);
        for (size_t k = 0; k < m->sizes[side]; k++) {
            real way = share * (now[k] - old[k]);
            old[k] += way;
        }
        free(now);
    }
}

/* ---------------------------------------------------------------- training on the remembered */

/* One update with draws of its own. */
static void train_once(const Mixing *m, int kind, int number)
{
    Training *training = m->training;
    double outputs[MAX_OUTPUTS] = {0};
    Batch batch;
    real scalars[MAX_SCALARS] = {0};
    training_facts(training, training->iteration, kind, 0, &batch, scalars);
    batch.update =
        (UINT64_C(1) << 42) + training->iteration * TRAININGS_AN_ITERATION + (uint64_t)number;
    training_changed(training);
    training_run(training, kind, &batch, scalars, outputs);
    training_fetch(training);
}

/* An update of one side against each remembered network of the other that has a share. */
static void train_against(const Mixing *m, int other, int kind)
{
    const ProgramTensor *tensor = &m->tensors[m->plan->shares];
    int count = (int)m->counts[REMEMBERED], columns = tensor->dims[1];
    real *present = allocate(m->sizes[other], sizeof *present);
    real *shares = allocate((uint64_t)(SIDES * columns), sizeof *shares);
    training_fetch(m->training);
    copy_side(m, other, present, false);
    tensor_get(tensor, m->state, shares);
    for (int k = 0; k < count; k++) {
        if (shares[other * columns + k] > 0) {
            copy_side(m, other, remembered(m, other, k), true);
            train_once(m, kind, other * TRAININGS_AN_ITERATION / SIDES + k);
        }
    }
    copy_side(m, other, present, true);
    training_changed(m->training);
    free(shares);
    free(present);
}

void gang_train(Training *training)
{
    const ProgramGang *plan = &training->program->gang;
    if (plan->mix_steps == 0) {
        return;
    }
    Mixing m = mixing_of(training);
    if (plan->g_on_discriminators > 0 &&
        training->iteration % (uint64_t)plan->g_on_discriminators == 0) {
        train_against(&m, 1, plan->moves_g);
    }
    if (plan->d_on_generators > 0 && training->iteration % (uint64_t)plan->d_on_generators == 0) {
        train_against(&m, 0, plan->moves_d);
    }
}

/* Other first values of both networks at each mixing; the anchors keep the mixture. */
static void begin_anew(const Mixing *m)
{
    const Program *program = m->training->program;
    uint64_t seed = m->training->seed + m->training->iteration;
    for (int k = 0; k < program->tensor_count; k++) {
        if (belongs(&program->tensors[k], 0) || belongs(&program->tensors[k], 1)) {
            tensor_restart(program, m->state, k, seed);
        }
    }
    state_copy_sources(program, m->state);
}

void gang_mix(Training *training)
{
    int steps = training->program->gang.mix_steps;
    if (steps == 0 || training->iteration % (uint64_t)steps != 0) {
        return;
    }
    training_fetch(training);
    Mixing m = mixing_of(training);
    if (m.plan->remembers) {
        play(&m);
    } else {
        approach(&m);
    }
    for (int side = 0; side < SIDES; side++) {
        if (m.plan->mutates) {
            mutate(&m, side, anchor(&m, side));
        }
        copy_side(&m, side, anchor(&m, side), true);
    }
    if (training->iteration < (uint64_t)m.plan->reset_before) {
        begin_anew(&m);
    }
    keep_counts(&m);
    training_changed(training);
}
