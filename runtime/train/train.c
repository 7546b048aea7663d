/* train.c -- main of RUN/train: trains the program's networks on a data file, safely.
 *
 * The run folder holds a good checkpoint from the first interval on, whatever happens: a kill, a
 * full disk, a loss that is no number. A training that goes on from a checkpoint gives the bits of
 * one that was never interrupted. */
#define _POSIX_C_SOURCE 200809L
#include "bench.h"
#include "options.h"
#include "output.h"
#include "place.h"
#include "replay.h"
#include "sampler_write.h"
#include "session.h"
#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_ITERATIONS = 999999999, /* nine digits in the names of checkpoints */
    LOG_INTERVAL =
        10, /* iterations between two lines of metrics.jsonl where the config does not say */
    ITERATIONS_AHEAD = 64, /* that a GPU runs in one go */
    CHECKPOINT_SECONDS = 60,
    REPORT_SECONDS = 60,  /* at least between two reports: they take a moment */
    WARNING_SECONDS = 10, /* at least between two warnings of files that cannot be written */
    SAMPLE_INTERVAL = 100 /* iterations between two pictures of samples */
};

typedef struct TrainOptions {
    const char *data, *run, *replay, *out, *device, *checkpoint_every;
    const char *format, *labels; /* of images */
    bool crop, resize, random_crop;
    int64_t sample_every, sample_width;
    int64_t iterations, threads;
    int64_t checkpoint_seconds, checkpoint_iterations; /* one of them > 0 */
    const char *seed_text;                             /* NULL: not given */
    uint64_t seed;
    bool fresh, quiet, bench, json, peak;
} TrainOptions;

/* ---------------------------------------------------------------- command line */
static void read_interval(TrainOptions *options)
{
    const char *text = options->checkpoint_every;
    options->checkpoint_seconds = CHECKPOINT_SECONDS;
    if (!text) {
        return;
    }
    char number[32];
    size_t length = strlen(text);
    bool seconds = length > 1 && text[length - 1] == 's';
    snprintf(number, sizeof number, "%.*s", (int)(length - seconds), text);
    int64_t value = length < sizeof number ? parse_number(number) : -1;
    if (value < 1) {
        fail(EXIT_USAGE, "for example 500 or 30s",
             "--checkpoint-every needs a number of iterations or seconds, not '%s'", text);
    }
    options->checkpoint_seconds = seconds ? value : 0;
    options->checkpoint_iterations = seconds ? 0 : value;
}

/* Where to train: what the command line says, else what the program was compiled for. */
static void choose_device(TrainOptions *options)
{
    const CudaProgram *cuda = gagac_program.cuda;
    const char *device = options->device;
    bool gpu = device && (!strcmp(device, "cuda") || !strcmp(device, "gpu"));
    if (device && !gpu && strcmp(device, "auto") && strcmp(device, "cpu")) {
        fail(EXIT_USAGE, NULL, "--device is cpu, cuda or auto, not '%s'", device);
    }
    if (gpu && !cuda) {
        fail(EXIT_TOOLCHAIN, "gagac --target both makes one that has; or leave --device out",
             "this program has no code for a GPU");
    }
    if (device && !cuda && !strcmp(device, "auto")) {
        fprintf(stderr, "note: this program has no code for a GPU and trains on the CPU\n");
    }
    options->device = !cuda ? "cpu" : gpu ? "cuda" : device ? device : cuda->device;
}

/* Moves a training to the GPU if one is asked for. auto: a note, and the CPU, when that fails. */
static void use_device(Training *training, const TrainOptions *options)
{
    Error error = {0};
    if (!strcmp(options->device, "cpu") || training_use_device(training, &error)) {
        return;
    }
    if (strcmp(options->device, "auto")) {
        error_hint(&error, "%s", error.hint[0] ? error.hint : "--device cpu trains on the CPU");
        fail_error(&error);
    }
    if (!options->quiet) {
        fprintf(stderr, "note: %s; training on the CPU\n", error.message);
    }
}

static void check_options(const TrainOptions *options)
{
    if (!options->replay != !options->out) {
        fail(EXIT_USAGE, "train --replay in.safetensors --out out.safetensors",
             "--replay and --out go together");
    }
    if (!options->data && !options->replay && !options->bench && !options->peak) {
        bool images = gagac_program.images != NULL;
        fail(EXIT_USAGE, images ? "train --data FOLDER" : "train --data FILE.npy",
             "no data %s given", images ? "are" : "file is");
    }
    if (options->crop + options->resize + options->random_crop > 1) {
        fail(EXIT_USAGE, NULL, "--crop, --resize and --random-crop exclude each other");
    }
}

/* Lines at the end of the table that only programs for images have. */
enum { IMAGE_OPTIONS = 10 };

static TrainOptions read_options(int argc, char **argv)
{
    const bool images = gagac_program.images != NULL;
    TrainOptions o = {.threads = default_threads(),
                      .seed = gagac_program.seed,
                      .sample_every = SAMPLE_INTERVAL,
                      .sample_width = 8};
    const Option table[] = {
        {"--data", NULL, images ? "PATH" : "FILE",
         images ? "the images to learn: a folder of PNG and JPEG, .npy, IDX or CIFAR files"
                : "the rows to learn, a .npy file with the config's columns",
         OPTION_TEXT, &o.data, 0, 0},
        {"--iterations", NULL, "N", "iterations of the whole training (default: the config's)",
         OPTION_NUMBER, &o.iterations, 1, MAX_ITERATIONS},
        {"--threads", NULL, "N", "threads (default: all cores); the result does not depend on it",
         OPTION_NUMBER, &o.threads, 1, MAX_THREADS},
        {"--seed", NULL, "S", "seed of all random numbers (default: the config's)", OPTION_TEXT,
         &o.seed_text, 0, 0},
        {"--fresh", NULL, NULL, "start over instead of going on from the last checkpoint",
         OPTION_FLAG, &o.fresh, 0, 0},
        {"--checkpoint-every", NULL, "N", "iterations, or seconds as 30s (default 60s)",
         OPTION_TEXT, &o.checkpoint_every, 0, 0},
        {"--run", NULL, "DIR", "folder of the run (default: the one this program lies in)",
         OPTION_TEXT, &o.run, 0, 0},
        {"--device", NULL, "WHICH", "cpu, cuda, or auto: the GPU where there is one", OPTION_TEXT,
         &o.device, 0, 0},
        {"--quiet", NULL, NULL, "no progress line", OPTION_FLAG, &o.quiet, 0, 0},
        {NULL, NULL, NULL, "checking", OPTION_TITLE, NULL, 0, 0},
        {"--replay", NULL, "IN", "take data and random draws from a .safetensors file", OPTION_TEXT,
         &o.replay, 0, 0},
        {"--out", NULL, "OUT", "where --replay writes parameters and losses", OPTION_TEXT, &o.out,
         0, 0},
        {"--bench", NULL, NULL, "measure the steps and end", OPTION_FLAG, &o.bench, 0, 0},
        {"--json", NULL, NULL, "--bench prints JSON", OPTION_FLAG, &o.json, 0, 0},
        {"--peak", NULL, NULL, "measure the FMA peak and end", OPTION_FLAG, &o.peak, 0, 0},
        /* from here on: of programs for images */
        {NULL, NULL, NULL, "images", OPTION_TITLE, NULL, 0, 0},
        {"--crop", NULL, NULL, "cut out the middle of images of another size; borders are black",
         OPTION_FLAG, &o.crop, 0, 0},
        {"--resize", NULL, NULL, "scale images of another size, nearest pixel", OPTION_FLAG,
         &o.resize, 0, 0},
        {"--random-crop", NULL, NULL, "cut out a piece somewhere, the same one in every pass",
         OPTION_FLAG, &o.random_crop, 0, 0},
        {"--format", "-f", "png|jpg", "of a folder, read only such files (default: both)",
         OPTION_TEXT, &o.format, 0, 0},
        {"--labels", NULL, "FILE", "classes of the images: .npy or IDX (default: sub-folders)",
         OPTION_TEXT, &o.labels, 0, 0},
        {"--sample-every", NULL, "N", "iterations between two files in samples/; 0: none (100)",
         OPTION_NUMBER, &o.sample_every, 0, MAX_ITERATIONS},
        {"--width", "-w", "N", "samples in a row of such a file; it has 4 rows (8)", OPTION_NUMBER,
         &o.sample_width, 1, 64},
        {"--steps", NULL, "N", "the same as --iterations", OPTION_NUMBER, &o.iterations, 1,
         MAX_ITERATIONS},
        {"--save-every", NULL, "N", "the same as --checkpoint-every", OPTION_TEXT,
         &o.checkpoint_every, 0, 0},
    };
    const int count = sizeof table / sizeof *table;
    CommandLine line = {
        "train", "Trains the networks of this run; Ctrl-C is safe, the same command goes on.",
        table, images ? count : count - IMAGE_OPTIONS, NULL};
    char *folder = program_folder(), *defaults = path_join(folder, "train.options");
    options_read(&line, defaults);
    const TrainOptions given = o;
    o.crop = o.resize = o.random_crop = false;
    options_parse(&line, argc, argv);
    if (!o.crop && !o.resize && !o.random_crop) { /* the command line takes their place */
        o.crop = given.crop;
        o.resize = given.resize;
        o.random_crop = given.random_crop;
    }
    free(defaults);
    free(folder);
    if (o.seed_text) {
        if (!parse_seed(o.seed_text, &o.seed)) {
            fail(EXIT_USAGE, NULL, "--seed needs a whole number from 0 to 2^64-1, not '%s'",
                 o.seed_text);
        }
    }
    read_interval(&o);
    choose_device(&o);
    check_options(&o);
    return o;
}

/* ---------------------------------------------------------------- signals */
static volatile sig_atomic_t stop_signal, checkpoint_wanted;

static void handle_signal(int number)
{
    if (number == SIGUSR1) {
        checkpoint_wanted = 1;
    } else if (stop_signal && number == SIGINT) {
        _exit(128 + SIGINT); /* asked twice */
    } else {
        stop_signal = number;
    }
}

static void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
    struct sigaction action = {.sa_handler = handle_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        sigaction(numbers[i], &action, NULL);
    }
    signal(SIGPIPE, SIG_IGN); /* nobody reads the progress any more: no reason to stop */
}

/* ---------------------------------------------------------------- start */
static const char fresh_hint[] = "--fresh starts over";

/* The tensors of a file the config names, by name; what it does not hold keeps its first value. */
static void load_start(Session *session)
{
    const Program *program = session->program;
    Safetensors file = {0};
    Error error = {0};
    if (!safetensors_open(&file, program->start_from, &error)) {
        fail_error(&error);
    }
    int found = 0;
    for (int i = 0; i < program->tensor_count; i++) {
        const ProgramTensor *tensor = &program->tensors[i];
        bool wanted = tensor->role == ROLE_PARAMETER || tensor->role == ROLE_VECTOR;
        const StoredTensor *stored = wanted ? safetensors_find(&file, tensor->name) : NULL;
        if (stored && !tensor_load(tensor, session->training.state, stored, &error)) {
            fail_error(&error);
        }
        found += stored != NULL;
    }
    if (found == 0) {
        fail(EXIT_INVALID, NULL, "%s holds no parameter of this network", program->start_from);
    }
    safetensors_close(&file);
    state_copy_sources(program, session->training.state);
}

static void start_new(Session *session, const TrainOptions *options)
{
    const Program *program = session->program;
    const Data *data = &session->data;
    Error error = {0};
    if (program_columns(program) > 0 &&
        !normaliser_fit(&session->normaliser, (NormalisationKind)program->normalisation,
                        &data->file, data->columns, program->keys, program->x_dim,
                        session->training.seed, &error)) {
        fail_error(&error);
    }
    state_initialise(program, session->training.state, session->training.seed);
    if (program->start_from) {
        load_start(session);
    }
    if (session->stages && session->stages->visit > 0) {
        stages_carry(session->stages, session->training.state, options->quiet);
        session->remove_others = true; /* so that a checkpoint is there at once */
    }
}

/* Takes up the state of a checkpoint, if it is of this program, this data and this seed. */
static void resume(Session *session, Safetensors *file, const TrainOptions *options)
{
    Error error = {0};
    Progress now = session->progress;
    if (!snapshot_check(file, session->program, &error) ||
        !snapshot_progress(file, &session->progress, &error)) {
        fail(error.status, fresh_hint, "%s", error.message);
    }
    const Progress *then = &session->progress;
    if (then->data_rows != now.data_rows || then->data_hash != now.data_hash) {
        fail(EXIT_INVALID, "--fresh starts over with these data",
             "the checkpoint %s belongs to other data: %" PRIu64 " rows, %s has %" PRIu64 "%s",
             path_base(file->map.path), then->data_rows, session->data_path, now.data_rows,
             then->data_rows == now.data_rows ? " with other values" : "");
    }
    if (options->seed_text && options->seed != then->seed) {
        fail(EXIT_INVALID, fresh_hint,
             "the checkpoint %s was trained with seed %" PRIu64 ", not %" PRIu64,
             path_base(file->map.path), then->seed, options->seed);
    }
    if (!snapshot_read(file, session->program, session->training.state, &session->normaliser, false,
                       &error)) {
        fail(error.status, fresh_hint, "%s", error.message);
    }
    session->training.seed = then->seed;
    session->training.iteration = session->saved_iteration = then->iteration;
}

/* Goes on from the newest good checkpoint where there is one. */
static void take_up(Session *session, const TrainOptions *options)
{
    Safetensors file = {0};
    uint64_t iteration = 0;
    Error error = {0};
    CheckpointFound found = checkpoint_newest(session->checkpoints, &file, &iteration, &error);
    if (options->fresh || found == CHECKPOINT_NONE) {
        session->remove_others = found != CHECKPOINT_NONE;
        start_new(session, options);
    } else if (found == CHECKPOINT_ALL_DAMAGED) {
        fail(error.status, fresh_hint, "%s", error.message);
    } else {
        resume(session, &file, options);
    }
    if (found == CHECKPOINT_GOOD) {
        safetensors_close(&file);
    }
}

static bool open_images(Session *session, const TrainOptions *options, Error *error)
{
    const Program *program = session->program;
    ImageSet images = {0};
    ImageRequest request = {
        .path = options->data,
        .shape = program->image,
        .fit = options->crop          ? FIT_CROP
               : options->resize      ? FIT_RESIZE
               : options->random_crop ? FIT_RANDOM_CROP
                                      : FIT_EXACT,
        .format = options->format,
        .labels = options->labels,
        .threads = (int)options->threads,
        .quiet = options->quiet,
    };
    return program->images->open(&images, &request, error) &&
           data_open_images(&session->data, &images, (uint64_t)program->batch_size,
                            program->shuffle, error);
}

static void open_data(Session *session, const TrainOptions *options)
{
    const Program *program = session->program;
    Error error = {0};
    bool good = program->images
                    ? open_images(session, options, &error)
                    : data_open(&session->data, options->data, program->keys, program->x_dim,
                                (uint64_t)program->batch_size, program->shuffle, &error);
    if (!good) {
        fail_error(&error);
    }
    session->progress.data_rows = session->data.rows;
    session->progress.data_hash = data_hash(&session->data);
}

/* Iterations of the whole training, by the command line or the config. */
static uint64_t choose_total(const Session *session, const TrainOptions *options)
{
    const Program *program = session->program;
    uint64_t total = (uint64_t)options->iterations;
    if (session->stages) {
        total = stages_total(session->stages, total);
    } else if (total == 0) {
        total = program->iterations > 0
                    ? (uint64_t)program->iterations
                    : training_iterations(program, session->data.rows, (uint64_t)program->passes);
    }
    if (total > MAX_ITERATIONS) {
        fail(EXIT_INVALID, "choose fewer with --iterations",
             "%" PRIu64 " iterations are more than %d", total, MAX_ITERATIONS);
    }
    return total;
}

static void make_folder(const char *path)
{
    if (mkdir(path, 0777) && errno != EEXIST) {
        fail(EXIT_IO, NULL, "cannot make the folder %s: %s", path, strerror(errno));
    }
}

/* What a killed training left half-written: in the run, its checkpoints and its sampler. */
static void clean_run(const Session *session)
{
    char *sampler = path_join(session->run, "sampler");
    output_clean(session->run);
    output_clean(session->checkpoints);
    output_clean(sampler);
    free(sampler);
}

static void session_open(Session *session, const Program *program, const TrainOptions *options)
{
    session->program = program;
    session->run = options->run ? options->run : program_folder();
    if (session->stages) {
        session->run = stages_run(session->stages, true);
    }
    session->data_path = options->data;
    session->checkpoints = path_join(session->run, "checkpoints");
    open_data(session, options);
    session->training = training_create(program, (int)options->threads, options->seed);
    use_device(&session->training, options);
    make_folder(session->run);
    make_folder(session->checkpoints);
    clean_run(session);
    take_up(session, options);
    Error error = {0};
    if (!program->images && !data_prepare(&session->data, &session->normaliser, &error)) {
        fail_error(&error);
    }
    session->training.data = &session->data;
    bounds_put(program, session->training.state, &session->normaliser);
    session->total = choose_total(session, options);
}

/* ---------------------------------------------------------------- files of the run */
static bool is_finite_tensor(const ProgramTensor *tensor, const real *state)
{
    for (int i = 0; i < tensor->rows; i++) {
        const real *row = state + tensor->offset + (size_t)i * (size_t)tensor->stride;
        for (int j = 0; j < tensor->row; j++) {
            if (!isfinite(row[j])) {
                return false;
            }
        }
    }
    return true;
}

static NO_RETURN void fail_diverged(Session *session, const char *what)
{
    progress_break(&session->bar);
    metrics_flush(&session->metrics);
    char hint[160] = "a lower learning rate or a penalty helps";
    if (session->saved_iteration > 0) {
        snprintf(hint, sizeof hint,
                 "a lower learning rate or a penalty helps; the last good checkpoint is of "
                 "iteration %" PRIu64,
                 session->saved_iteration);
    }
    fail(EXIT_DIVERGED, hint, "the training diverged in iteration %" PRIu64 ": %s is not finite",
         session->training.iteration + 1, what);
}

/* A file of the run could not be written: say so, now and then, and try again at the next interval.
 */
static void note_failure(Session *session, const Error *error)
{
    double now = clock_seconds();
    session->save_failed = true;
    if (session->warned == 0 || now - session->warned >= WARNING_SECONDS) {
        progress_break(&session->bar);
        warn(error->hint[0] ? error->hint : NULL, "%s", error->message);
        session->warned = now;
    }
}

/* Writes a checkpoint of the present iteration; one with a number that is not finite is never
 * written. */
static void save(Session *session)
{
    const Program *program = session->program;
    Training *training = &session->training;
    training_fetch(training);
    for (int i = 0; i < program->tensor_count; i++) {
        if (!is_finite_tensor(&program->tensors[i], training->state)) {
            fail_diverged(session, program->tensors[i].label);
        }
    }
    Progress *progress = &session->progress;
    progress->iteration = training->iteration;
    progress->seed = training->seed;
    Error error = {0};
    session->save_failed = false;
    if (!snapshot_write(session->checkpoints, program, training->state, &session->normaliser,
                        progress, false, &error)) {
        note_failure(session, &error);
        return;
    }
    session->saved = clock_seconds();
    session->saved_iteration = training->iteration;
    if (session->remove_others) {
        checkpoint_remove_others(session->checkpoints, training->iteration);
        session->remove_others = false;
    }
    metrics_flush(&session->metrics);
    if (!record_run(session, &error)) {
        note_failure(session, &error);
    }
}

static void report(Session *session)
{
    Error error = {0};
    session->reported = clock_seconds();
    training_fetch(&session->training);
    if (!record_report(session, &error)) {
        note_failure(session, &error);
    }
}

/* A picture of samples, where the program makes images. */
static void show_samples(Session *session, const TrainOptions *options)
{
    uint64_t iteration = session->training.iteration, every = (uint64_t)options->sample_every;
    const ImageRuntime *images = session->program->images;
    Error error = {0};
    if (images && every > 0 && (iteration % every == 0 || iteration == session->total) &&
        !images->show(session, (int)options->sample_width, &error)) {
        note_failure(session, &error);
    }
}

/* Does the config ask for a generator of this iteration, numbered from 1? */
static bool is_stored(const Session *session, uint64_t iteration)
{
    const Program *program = session->program;
    long long start = program->store_start, every = program->store_every;
    long long now = (long long)iteration;
    return every > 0 && now > start &&
           ((now - start) % every == 0 || (long long)session->total - now < program->store_last);
}

static void store_generator(Session *session)
{
    Error error = {0};
    training_fetch(&session->training);
    session->progress.iteration = session->training.iteration;
    session->progress.seed = session->training.seed;
    if (!snapshot_write(session->checkpoints, session->program, session->training.state,
                        &session->normaliser, &session->progress, true, &error)) {
        note_failure(session, &error);
        session->generator_lost = true;
    }
}

/* ---------------------------------------------------------------- the loop */
static bool is_save_due(const Session *session, const TrainOptions *options, double last_try)
{
    if (options->checkpoint_iterations > 0) {
        return session->training.iteration % (uint64_t)options->checkpoint_iterations == 0;
    }
    return clock_seconds() - last_try >= (double)options->checkpoint_seconds;
}

static bool is_logged(const Session *session, uint64_t iteration)
{
    long long every = session->program->log_every;
    return iteration % (uint64_t)(every > 0 ? every : LOG_INTERVAL) == 0 ||
           iteration == session->total;
}

/* Iterations until the host has something to do: what a GPU may run in one go. */
static uint64_t iterations_ahead(const Session *session, const TrainOptions *options)
{
    uint64_t count = 1, every = (uint64_t)options->checkpoint_iterations;
    for (uint64_t now; count < ITERATIONS_AHEAD; count++) {
        now = session->training.iteration + count;
        if (is_logged(session, now) || is_stored(session, now) || now >= session->total ||
            (every > 0 && now % every == 0)) {
            break;
        }
    }
    return count;
}

static void log_iteration(Session *session)
{
    uint64_t iteration = session->training.iteration;
    if (is_logged(session, iteration)) {
        metrics_log(&session->metrics, &session->training,
                    progress_rate(&session->bar, &session->training));
    }
    progress_show(&session->bar, &session->training, session->saved, iteration == session->total);
}

static void train(Session *session, const TrainOptions *options)
{
    Training *training = &session->training;
    double last_try = clock_seconds();
    while (training->iteration < session->total && !stop_signal) {
        const char *diverged = training_advance(training, iterations_ahead(session, options));
        if (diverged) {
            fail_diverged(session, diverged);
        }
        show_samples(session, options);
        log_iteration(session);
        if (is_stored(session, training->iteration)) {
            store_generator(session);
        }
        bool due = is_save_due(session, options, last_try);
        if ((due || checkpoint_wanted) && training->iteration < session->total) {
            checkpoint_wanted = 0;
            save(session);
            last_try = clock_seconds();
            if (last_try - session->reported >= REPORT_SECONDS) {
                report(session);
            }
        }
    }
}

/* The last checkpoint of this program, unless it is there already. */
static void save_last(Session *session)
{
    if (session->saved_iteration != session->training.iteration || session->save_failed) {
        save(session);
    }
}

/* Ends a training that a signal stopped. */
static int stop(Session *session)
{
    save_last(session);
    if (session->save_failed) {
        fail(EXIT_IO, NULL, "stopped after iteration %" PRIu64 " without a checkpoint of it",
             session->training.iteration);
    }
    fprintf(stderr, "stopped after iteration %" PRIu64 "; the same command goes on\n",
            session->training.iteration);
    return EXIT_STOPPED;
}

static int finish(Session *session, bool follows)
{
    Error error = {0};
    training_fetch(&session->training);
    save_last(session);
    report(session);
    if (!sampler_write(session->run, session->program, session->training.state,
                       &session->normaliser, &error)) {
        note_failure(session, &error);
    }
    if (session->save_failed || session->generator_lost) {
        fail(EXIT_IO, "free some space, then run the same command again",
             "trained, but not all files of %s could be written", session->run);
    }
    if (!session->bar.quiet && !follows) {
        fprintf(stderr, "trained: see %s/report.html, draw with %s/sample %s\n", session->run,
                session->run,
                session->program->images ? "-n 64 -o grid.png" : "-n 1000000 -o new.npy");
    }
    return EXIT_OK;
}

/* Takes the place of the options that a later stage changes: its draws are its own. */
static void enter_stage(Session *session, const Program *program, TrainOptions *options,
                        char **argv)
{
    const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15);
    session->stages = allocate(1, sizeof *session->stages);
    *session->stages = stages_open(program, options->run, options->fresh);
    stages_enter(session->stages, "train", argv);
    options->seed += odd * session->stages->visit;
}

static int train_run(const Program *program, TrainOptions *options, char **argv)
{
    Session *session = allocate(1, sizeof *session);
    if (program->stages.count > 0) {
        enter_stage(session, program, options, argv);
    }
    session_open(session, program, options);
    if (session->stages && options->fresh) {
        stages_record(session->stages);
    }
    Training *training = &session->training;
    session->start = session->reported = clock_seconds();
    session->bar = progress_start(stderr, options->quiet, training->iteration, session->total);
    if (session->remove_others) {
        save(session); /* of iteration 0, so that the old ones can go */
    }
    metrics_open(&session->metrics, path_join(session->run, "metrics.jsonl"), program,
                 training->iteration);
    if (!options->quiet && training->iteration > 0) {
        fprintf(stderr, "%s after iteration %" PRIu64 " of %" PRIu64 "\n",
                training->iteration < session->total ? "going on" : "nothing to do",
                training->iteration, session->total);
    }
    training->swd = session->metrics.swd;
    if (training->iteration == 0) {
        show_samples(session, options);
    }
    catch_signals();
    train(session, options);
    progress_break(&session->bar);
    bool stopped = stop_signal && training->iteration < session->total;
    bool follows = !stopped && session->stages &&
                   stages_follow(session->stages, (uint64_t)options->iterations);
    int status = stopped ? stop(session) : finish(session, follows);
    metrics_flush(&session->metrics);
    if (follows) {
        if (!options->quiet) {
            fprintf(stderr, "stage %d is trained; stage %d follows\n", program->stages.number,
                    (program->stages.number + 1) % program->stages.count);
        }
        stages_next(session->stages, argv);
    }
    training_destroy(training);
    return status;
}

int main(int argc, char **argv)
{
    const Program *program = &gagac_program;
    fail_program("train");
    TrainOptions options = read_options(argc, argv);
    place_check_cpu(program);
    if (options.bench && !strcmp(options.device, "cuda")) {
        bench_device(program, options.json);
        return EXIT_OK;
    }
    if (options.peak || options.bench) {
        (options.peak ? bench_peak(program, (int)options.threads)
                      : bench_run(program, (int)options.threads, options.json));
        return EXIT_OK;
    }
    if (options.replay) {
        Training training = training_create(program, (int)options.threads, options.seed);
        use_device(&training, &options);
        state_initialise(program, training.state, options.seed);
        replay_run(&training, options.replay, options.out);
        training_destroy(&training);
        return EXIT_OK;
    }
    return train_run(program, &options, argv);
}
