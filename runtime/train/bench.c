/* bench.c -- see bench.h.
 *
 * A busy neighbour slows down everything, so each measurement is the best of some rounds, two at
 * least, with a probe of the peak in each round, and what counts is the ratio. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"

#include "data.h"
#include "device.h"
#include "draw.h"
#include "place.h"
#include "rng.h"
#include "snapshot.h"
#include "state.h"
#include "text.h"
#include "training.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 24, LEAST_ROWS = 65536, BENCH_SEED = 1, STREAM_DATA = 201, SAMPLE_CHUNKS = 8 };
static const double round_seconds = 0.06, most_seconds = 2.5; /* of one measurement */

typedef struct Timing {
    double seconds, flops;
} Timing; /* of one update, iteration or call */

typedef struct Bench {
    const Program *program;
    Training training;
    Data data;
    Normaliser normaliser; /* mean 0, standard deviation 1 */
    Generator generator;
    size_t sample_rows;
    float *samples;
    double peak;            /* best probe so far, GFLOP/s */
    double *kernel_seconds; /* [kernel_count] best of one update */
} Bench;

/* ---------------------------------------------------------------- what is measured */
static void make_data(Bench *bench)
{
    const Program *program = bench->program;
    uint64_t batch = (uint64_t)program->batch_size;
    uint64_t least = program->images ? 1 : LEAST_ROWS; /* images are large */
    uint64_t rows = 4 * batch > least ? 4 * batch : least;
    int width = program->x_dim;
    real *cache = allocate(rows * (uint64_t)width, sizeof *cache);
    for (uint64_t row = 0; row < rows; row++) {
        draw_row(cache + row * (uint64_t)width, width, DRAW_NORMAL, BENCH_SEED, STREAM_DATA, 0,
                 row);
    }
    bench->data = (Data){
        .rows = rows, .width = width, .batch = batch, .shuffled = program->shuffle, .cache = cache};
    ColumnScale *columns = allocate((size_t)width, sizeof *columns);
    for (int k = 0; k < width; k++) {
        columns[k] = (ColumnScale){.std = 1, .minimum = -6, .maximum = 6};
    }
    bench->normaliser = (Normaliser){.rows = rows, .column_count = width, .columns = columns};
}

static Bench bench_create(const Program *program, int threads)
{
    Bench bench = {.program = program, .training = training_create(program, threads, BENCH_SEED)};
    make_data(&bench);
    bounds_put(program, bench.training.state, NULL);
    size_t chunks = (size_t)threads * (program->images ? 1 : SAMPLE_CHUNKS);
    bench.sample_rows = chunks * (size_t)draw_chunk_rows(program);
    bench.samples = allocate(bench.sample_rows * (size_t)program->x_dim, sizeof(float));
    bench.kernel_seconds = allocate((size_t)program->kernel_count, sizeof(double));
    return bench;
}

static void bench_destroy(Bench *bench)
{
    free(bench->kernel_seconds);
    free(bench->samples);
    free(bench->normaliser.columns);
    free(bench->data.cache);
    training_destroy(&bench->training);
}

/* A thing to measure: index < update_count: that update; then the sampler, a whole iteration, and
 * the sampler for one image. */
static bool is_sampler(const Program *program, int index)
{
    return index == program->update_count || index == program->update_count + 2;
}

static size_t rows_drawn(const Bench *bench, int index)
{
    return index == bench->program->update_count ? bench->sample_rows : 1;
}

static void run_once(Bench *bench, int index, uint64_t turn)
{
    const Program *program = bench->program;
    Training *training = &bench->training;
    if (is_sampler(program, index)) {
        DrawInputs inputs = {0};
        double *condition = NULL;
        if (program->cond_dim > 0) {
            condition = allocate(bench->sample_rows * (size_t)program->cond_dim, sizeof(double));
            inputs.condition = condition;
        }
        generator_draw_all(&bench->generator, BENCH_SEED, 0, rows_drawn(bench, index), &inputs,
                           bench->samples);
        free(condition);
    } else if (index > program->update_count) {
        training_iterate(training);
    } else {
        int count = program->updates[index].count; /* 0: no part of every iteration */
        int repeat = count > 0 ? (int)(turn % (uint64_t)count) : 0;
        if (repeat == 0 && index == training_data_kind(program) && program->before_iteration) {
            program->before_iteration(training->pool, training->state, training->work);
        }
        training_update(training, index, repeat, NULL);
        training->iteration += repeat == count - 1;
    }
}

static double flops_of(const Bench *bench, int index)
{
    const Program *program = bench->program;
    if (index < program->update_count) {
        return program->updates[index].flops;
    }
    if (is_sampler(program, index)) {
        return program->sample_flops * (double)rows_drawn(bench, index);
    }
    double flops = 0;
    for (int kind = 0; kind < program->update_count; kind++) {
        flops += program->updates[kind].flops * program->updates[kind].count;
    }
    return flops;
}

/* ---------------------------------------------------------------- kernels */
static void clear_kernels(const Program *program)
{
    for (int k = 0; k < program->kernel_count; k++) {
        for (int thread = 0; program->kernels[k].seconds && thread < MAX_THREADS; thread++) {
            program->kernels[k].seconds[thread][0] = 0;
        }
    }
}

/* Calls of a kernel's owner in one run of the measured thing: the sampler's kernels count rows. */
static void collect_kernels(Bench *bench, int index, uint64_t turns)
{
    const Program *program = bench->program;
    int threads = pool_threads(bench->training.pool);
    double units = (double)turns;
    if (index == program->update_count) {
        units *= (double)bench->sample_rows;
    }
    for (int k = 0; k < program->kernel_count; k++) {
        const ProgramKernel *kernel = &program->kernels[k];
        if (kernel->update != index || !kernel->seconds) {
            continue;
        }
        double seconds = 0;
        for (int thread = 0; thread < threads; thread++) {
            seconds += kernel->seconds[thread][0];
        }
        seconds /= units * threads;
        double *best = &bench->kernel_seconds[k];
        *best = *best > 0 && *best < seconds ? *best : seconds;
    }
}

/* ---------------------------------------------------------------- measuring */
static void probe_peak(Bench *bench)
{
    bench->peak = fmax(bench->peak, bench->program->peak(bench->training.pool));
}

static double time_turns(Bench *bench, int index, uint64_t turns)
{
    double start = clock_seconds();
    for (uint64_t turn = 0; turn < turns; turn++) {
        run_once(bench, index, turn);
    }
    return clock_seconds() - start;
}

static Timing measure(Bench *bench, int index)
{
    const Program *program = bench->program;
    Training *training = &bench->training;
    state_initialise(program, training->state, BENCH_SEED);
    training->iteration = 0;
    training->data = &bench->data;
    bench->generator =
        generator_create(program, training->pool, training->state, &bench->normaliser, true);
    double stop = clock_seconds() + most_seconds;
    double once = time_turns(bench, index, 1); /* touches the memory */
    if (once < most_seconds / 4) {
        once = time_turns(bench, index, 1);
    }
    uint64_t turns = 1 + (uint64_t)(round_seconds / (once > 1e-7 ? once : 1e-7));
    double best = once;
    for (int i = 0; i < ROUNDS && (i < 2 || clock_seconds() < stop); i++) {
        probe_peak(bench);
        clear_kernels(program);
        best = fmin(best, time_turns(bench, index, turns) / (double)turns);
        collect_kernels(bench, index, turns);
    }
    generator_destroy(&bench->generator);
    return (Timing){best, flops_of(bench, index)};
}

/* ---------------------------------------------------------------- printing */
typedef struct Row {
    const char *name, *label;
    Timing timing;
} Row;

static double percent(const Bench *bench, Timing timing)
{
    return timing.seconds > 0 ? 1e-7 * timing.flops / timing.seconds / bench->peak : 0;
}

static double gflops(Timing timing)
{
    return timing.seconds > 0 ? 1e-9 * timing.flops / timing.seconds : 0;
}

static void print_rows_json(const Bench *bench, const char *list, const Row *rows, int count)
{
    Text out = {0};
    text_add(&out, "\"%s\": [", list);
    for (int i = 0; i < count; i++) {
        text_add(&out, "%s{\"name\": \"%s\", \"label\": ", i ? ", " : "", rows[i].name);
        text_add_json(&out, rows[i].label);
        text_add(&out, ", \"ms\": %.6g, \"gflop\": %.6g, \"gflops\": %.6g, ",
                 1e3 * rows[i].timing.seconds, 1e-9 * rows[i].timing.flops, gflops(rows[i].timing));
        text_add(&out, "\"percent_of_peak\": %.2f}", percent(bench, rows[i].timing));
    }
    printf("%s]", out.bytes);
    text_free(&out);
}

static void print_rows(const Bench *bench, const char *title, const Row *rows, int count)
{
    printf("\n%-10s%-46s %10s %10s %9s %7s\n", title, "", "ms", "GFLOP", "GFLOP/s", "% peak");
    for (int i = 0; i < count; i++) {
        printf("%-10s%-46s %10.4f %10.4f %9.1f %7.1f\n", rows[i].name, rows[i].label,
               1e3 * rows[i].timing.seconds, 1e-9 * rows[i].timing.flops, gflops(rows[i].timing),
               percent(bench, rows[i].timing));
    }
}

static int list_steps(Bench *bench, Row *rows)
{
    const Program *program = bench->program;
    for (int kind = 0; kind < program->update_count; kind++) {
        rows[kind] = (Row){program->updates[kind].name, "one update", measure(bench, kind)};
    }
    int count = program->update_count;
    rows[count] = (Row){"sample", "rows drawn and denormalised", measure(bench, count)};
    rows[count + 1] = (Row){"iteration", "all updates of an iteration", measure(bench, count + 1)};
    if (!program->images) {
        return count + 2;
    }
    rows[count + 2] = (Row){"sample_1", "one image", measure(bench, count + 2)};
    return count + 3;
}

static int list_kernels(const Bench *bench, Row *rows)
{
    int count = 0;
    for (int k = 0; k < bench->program->kernel_count; k++) {
        const ProgramKernel *kernel = &bench->program->kernels[k];
        if (bench->kernel_seconds[k] > 0) {
            Timing timing = {bench->kernel_seconds[k], kernel->flops};
            rows[count++] = (Row){kernel->name, kernel->label, timing};
        }
    }
    return count;
}

void bench_run(const Program *program, int threads, bool json)
{
    Bench bench = bench_create(program, threads);
    Row steps[MAX_UPDATES + 3];
    Row *kernels = allocate((size_t)program->kernel_count, sizeof *kernels);
    int step_count = list_steps(&bench, steps), kernel_count = list_kernels(&bench, kernels);
    if (json) {
        printf("{\"peak_gflops\": %.6g, \"threads\": %d, \"isa\": \"%s\", ", bench.peak, threads,
               program->isa);
        print_rows_json(&bench, "steps", steps, step_count);
        printf(", ");
        print_rows_json(&bench, "kernels", kernels, kernel_count);
        printf("}\n");
    } else {
        printf("peak %.1f GFLOP/s, %s, %d threads\n", bench.peak, program->isa, threads);
        print_rows(&bench, "step", steps, step_count);
        if (kernel_count > 0) {
            print_rows(&bench, "kernel", kernels, kernel_count);
        }
    }
    free(kernels);
    bench_destroy(&bench);
}

/* ---------------------------------------------------------------- on a GPU */
static void print_launches(const CudaSteps *steps, const double *seconds, bool json, bool *first)
{
    for (int k = 0; k < steps->count; k++) {
        const CudaLaunch *launch = &steps->launches[k];
        double rate = seconds[k] > 0 ? launch->flops / seconds[k] * 1e-9 : 0;
        if (json) {
            printf("%s{\"name\": \"%s\", \"label\": \"%s\", \"ms\": %.6g, \"gflop\": %.6g, "
                   "\"gflops\": %.6g}",
                   *first ? "" : ", ", launch->kernel, launch->label, seconds[k] * 1e3,
                   launch->flops * 1e-9, rate);
        } else {
            printf("%-28s %-44s %9.4f ms %10.1f GFLOP/s\n", launch->kernel, launch->label,
                   seconds[k] * 1e3, rate);
        }
        *first = false;
    }
}

/* The best time of an iteration, a few launched together. */
static double time_iterations(Bench *bench)
{
    enum { TOGETHER = 8, TURNS = 12 };
    double best = 0;
    for (int turn = 0; turn <= TURNS; turn++) {
        uint64_t before = bench->training.iteration;
        double start = clock_seconds();
        while (bench->training.iteration < before + TOGETHER) {
            if (training_advance(&bench->training, before + TOGETHER - bench->training.iteration)) {
                fail(EXIT_DIVERGED, NULL, "the training of the measurement diverged");
            }
        }
        double seconds = (clock_seconds() - start) / TOGETHER;
        if (turn == 1 || (turn > 1 && seconds < best)) { /* the first turn brings the data there */
            best = seconds;
        }
    }
    return best;
}

void bench_device(const Program *program, bool json)
{
    enum { CLOCK_ROUNDS = 5 };
    Error error = {0};
    Bench bench = bench_create(program, 1);
    if (!training_use_device(&bench.training, &error)) {
        fail_error(&error);
    }
    bench.training.data = &bench.data;
    bench.data.normaliser = &bench.normaliser;
    state_initialise(program, bench.training.state, BENCH_SEED);
    double iteration = time_iterations(&bench), flops = flops_of(&bench, program->update_count + 1);
    const char *name = device_name(bench.training.device);
    double memory = (double)device_memory(bench.training.device) * 1e-6;
    bool first = true;
    printf(json ? "{\"device\": \"%s\", \"memory_mb\": %.6g, \"iteration_ms\": %.6g, "
                  "\"gflops\": %.6g, \"kernels\": ["
                : "%s, %.0f MB\niteration %.4f ms, %.1f GFLOP/s\n",
           name, memory, iteration * 1e3, flops / iteration * 1e-9);
    for (int kind = 0; kind < program->update_count; kind++) {
        const CudaSteps *steps = &program->cuda->updates[kind];
        double *seconds = allocate((uint64_t)steps->count + 1, sizeof *seconds);
        device_time(bench.training.device, &bench.training, kind, CLOCK_ROUNDS, seconds);
        print_launches(steps, seconds, json, &first);
        free(seconds);
    }
    printf("%s", json ? "]}\n" : "");
    bench_destroy(&bench);
}

void bench_peak(const Program *program, int threads)
{
    Pool *pool = start_pool(threads);
    double best = 0;
    for (int i = 0; i < ROUNDS; i++) {
        best = fmax(best, program->peak(pool));
    }
    printf("%.1f\n", best);
    pool_destroy(pool);
}
