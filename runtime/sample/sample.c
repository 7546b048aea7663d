/* sample.c -- main of RUN/sample: rows from the trained generator into a .npy file.
 *
 * Rows are made in blocks: while the threads fill one block, one of them writes the block before
 * it, so that the file costs no time of its own. */
#define _POSIX_C_SOURCE 200809L
#include "draw.h"
#include "fail.h"
#include "image.h"
#include "options.h"
#include "place.h"
#include "program.h"
#include "sink.h"
#include "snapshot.h"
#include "stages.h"
#include "state.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { /* chunks of a block for each thread: what threads wait for one another is a small part */
       BLOCK_CHUNKS = 32,
       IMAGE_BLOCK_CHUNKS = 2
};

typedef struct SampleOptions {
    int64_t rows; /* 0: as many as the input file has */
    int64_t first, threads;
    uint64_t seed;
    const char *out, *condition, *latent, *weights, *checkpoint, *run;
    int64_t columns;      /* images: in a row of a grid */
    bool stretch, direct; /* images: how values become bytes, where the program is not to decide */
} SampleOptions;

typedef struct InputFile { /* --cond or --latent */
    Npy file;
    int width;      /* columns used */
    int *columns;   /* of the file */
    uint64_t start; /* file row of the first output row */
    bool open;
} InputFile;

typedef struct Sampling {
    const Program *program;
    const SampleOptions *options;
    Generator generator;
    InputFile condition, latent;
    bool latent_holds_condition; /* its last columns are the conditions */
    double *inputs;              /* [threads][chunk][z_dim + cond_dim] */
    float *blocks[2];            /* [block_rows][x_dim] */
    uint64_t block_rows;
    const Sink *sink;
    SinkFile file;
    Error error; /* of the sink */
} Sampling;

/* Lines at the end of the table that only programs for images have. */
enum { IMAGE_OPTIONS = 4 };

static SampleOptions read_options(int argc, char **argv)
{
    const bool images = gagac_program.images != NULL;
    SampleOptions o = {.seed = 1, .threads = default_threads(), .weights = "average", .columns = 8};
    const Option table[] = {
        {"--rows", "-n", "N", "rows to draw (default: as many as the input file has)",
         OPTION_NUMBER, &o.rows, 1, INT64_C(1000000000000)},
        {"--out", "-o", images ? "NAME" : "FILE",
         images ? "NAME.png: a grid of all; FOLDER/: a PNG each; NAME.npy: an array of float32"
                : "the .npy file to write: float32 fields named by the config's keys",
         OPTION_TEXT, &o.out, 0, 0},
        {"--seed", NULL, "S", "seed of the draws (default 1)", OPTION_SEED, &o.seed, 0, 0},
        {"--first", NULL, "INDEX", "index of the first row: a row depends on seed and index alone",
         OPTION_NUMBER, &o.first, 0, INT64_MAX / 2},
        {"--cond", NULL, "FILE", "conditions in physical units, a .npy file", OPTION_TEXT,
         &o.condition, 0, 0},
        {"--latent", NULL, "FILE", "rows of z instead of draws, then conditions, a .npy file",
         OPTION_TEXT, &o.latent, 0, 0},
        {"--weights", NULL, "WHICH", "average (default) or last: of the generator", OPTION_TEXT,
         &o.weights, 0, 0},
        {"--checkpoint", NULL, "FILE", "instead of the newest of the run", OPTION_TEXT,
         &o.checkpoint, 0, 0},
        {"--run", NULL, "DIR", "folder of the run (default: the one this program lies in)",
         OPTION_TEXT, &o.run, 0, 0},
        {"--threads", NULL, "N", "threads (default: all cores)", OPTION_NUMBER, &o.threads, 1,
         MAX_THREADS},
        {NULL, NULL, NULL, "PNG files", OPTION_TITLE, NULL, 0, 0},
        {"--width", "-w", "N", "images in a row of a grid (8)", OPTION_NUMBER, &o.columns, 1, 4096},
        {"--stretch", NULL, NULL, "smallest and largest value of a file become black and white",
         OPTION_FLAG, &o.stretch, 0, 0},
        {"--direct", NULL, NULL, "-1 and 1 become black and white", OPTION_FLAG, &o.direct, 0, 0},
    };
    const int count = sizeof table / sizeof *table;
    CommandLine line = {"sample",
                        images ? "Draws images from the trained generator."
                               : "Draws rows from the trained generator, in physical units.",
                        table, images ? count : count - IMAGE_OPTIONS, NULL};
    options_parse(&line, argc, argv);
    if (!o.out) {
        fail(EXIT_USAGE, images ? "sample -n 64 -o grid.png" : "sample -n 1000000 -o new.npy",
             "no output file is given");
    }
    if (o.stretch && o.direct) {
        fail(EXIT_USAGE, NULL, "--stretch and --direct exclude each other");
    }
    if (strcmp(o.weights, "average") && strcmp(o.weights, "last")) {
        fail(EXIT_USAGE, NULL, "--weights is 'average' or 'last', not '%s'", o.weights);
    }
    return o;
}

/* Opens the checkpoint asked for, or the newest good one of the run. */
static void open_checkpoint(const SampleOptions *options, Safetensors *file)
{
    Error error = {0};
    if (options->checkpoint) {
        if (!checkpoint_open(options->checkpoint, file, &error)) {
            fail_error(&error);
        }
        return;
    }
    char *run = options->run ? NULL : program_folder();
    char *folder = path_join(run ? run : options->run, "checkpoints");
    uint64_t iteration = 0;
    CheckpointFound found = checkpoint_newest(folder, file, &iteration, &error);
    if (found == CHECKPOINT_ALL_DAMAGED) {
        fail_error(&error);
    }
    if (found == CHECKPOINT_NONE) {
        fail(EXIT_IO, "train first: train --data FILE.npy", "%s holds no checkpoint", folder);
    }
    free(folder);
    free(run);
}

/* Opens a file and finds its columns: by name when names are given and the file has any, else in
 * order. */
static void open_input(InputFile *input, const char *path, const char *const *names, int width)
{
    Error error = {0};
    if (!npy_open(&input->file, path, &error)) {
        fail_error(&error);
    }
    const char **own = allocate((uint64_t)input->file.column_count, sizeof *own);
    input->columns = allocate((uint64_t)width, sizeof *input->columns);
    for (int k = 0; k < input->file.column_count; k++) {
        own[k] = input->file.columns[k].name;
    }
    if (!names) {
        width = input->file.column_count < width ? input->file.column_count : width;
    }
    if (!npy_select(&input->file, names ? names : own, width, input->columns, &error)) {
        fail_error(&error);
    }
    free(own);
    input->width = width;
    input->open = true;
}

static void open_latent(Sampling *sampling, const char *path)
{
    const Program *program = sampling->program;
    int most = program->z_dim + program->cond_dim;
    InputFile *latent = &sampling->latent;
    open_input(latent, path, NULL, most);
    int columns = latent->file.column_count;
    sampling->latent_holds_condition = program->cond_dim > 0 && columns == most;
    if (columns != program->z_dim && columns != most) {
        fail(EXIT_INVALID, "a row holds z, then the conditions",
             "%s has %d columns where %d are needed", path, columns, most);
    }
    if (sampling->latent_holds_condition && sampling->options->condition) {
        fail(EXIT_USAGE, NULL, "both --cond and the last columns of %s give the conditions", path);
    }
}

/* Finds where output rows have theirs in an input file: a file of exactly `rows` rows belongs to
 * this call, a longer one to the whole stream, so that a job can be cut in pieces. rows 0: as many
 * as the file has. Returns rows. */
static uint64_t place_rows(InputFile *input, const char *path, uint64_t rows, uint64_t first)
{
    uint64_t there = input->file.rows;
    if (rows == 0) {
        rows = there;
    }
    input->start = there == rows ? 0 : first;
    if (rows == 0 || input->start > there || there - input->start < rows) {
        fail(EXIT_INVALID, NULL,
             "%s has %" PRIu64 " rows where %" PRIu64 " from row %" PRIu64 " on are needed", path,
             there, rows, input->start);
    }
    return rows;
}

/* Opens the input files and returns the number of rows to draw. */
static uint64_t open_inputs(Sampling *sampling)
{
    const SampleOptions *options = sampling->options;
    const Program *program = sampling->program;
    uint64_t rows = (uint64_t)options->rows, first = (uint64_t)options->first;
    if (options->condition && program->cond_dim == 0) {
        fail(EXIT_USAGE, NULL, "this model has no conditions: --cond means nothing here");
    }
    if (options->latent) {
        open_latent(sampling, options->latent);
        rows = place_rows(&sampling->latent, options->latent, rows, first);
    }
    if (options->condition) {
        const char *const *names = program->keys + program->x_dim - program->cond_dim;
        open_input(&sampling->condition, options->condition, names, program->cond_dim);
        rows = place_rows(&sampling->condition, options->condition, rows, first);
    } else if (program->cond_dim > 0 && !sampling->latent_holds_condition) {
        fail(EXIT_USAGE, "give their rows with --cond FILE.npy",
             "this model needs %d conditions for each row", program->cond_dim);
    }
    if (rows == 0) {
        fail(EXIT_USAGE, "sample -n 1000000 -o new.npy", "no number of rows is given");
    }
    return rows;
}

/* Columns column .. column+width-1 of the file's rows, to [count][width]. */
static void read_rows(const InputFile *input, uint64_t index, int column, int width, int count,
                      double *out)
{
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < width; k++) {
            *out++ = npy_value(&input->file, input->columns[column + k],
                               input->start + index + (uint64_t)i);
        }
    }
}

/* Fills what is given for rows index .. index+count-1 of this call, in the thread's part of the
 * memory for inputs. */
static DrawInputs prepare_inputs(const Sampling *sampling, int thread, uint64_t index, int count)
{
    const Program *program = sampling->program;
    size_t width = (size_t)program->z_dim + (size_t)program->cond_dim;
    size_t chunk = (size_t)sampling->generator.chunk;
    double *latent = sampling->inputs + (size_t)thread * chunk * width;
    double *condition = latent + chunk * (size_t)program->z_dim;
    DrawInputs inputs = {0};
    if (sampling->latent.open) {
        read_rows(&sampling->latent, index, 0, program->z_dim, count, latent);
        inputs.latent = latent;
    }
    if (program->cond_dim > 0) {
        bool inside = sampling->latent_holds_condition;
        read_rows(inside ? &sampling->latent : &sampling->condition, index,
                  inside ? program->z_dim : 0, program->cond_dim, count, condition);
        inputs.condition = condition;
    }
    return inputs;
}

typedef struct BlockJob { /* fill one block and write another at the same time */
    Sampling *sampling;
    uint64_t index, count; /* rows to fill, of this call */
    float *fill;
    const float *full; /* rows to write */
    uint64_t full_count;
    bool written;
} BlockJob;

static void run_block_item(void *context, int item, int thread)
{
    BlockJob *job = context;
    Sampling *sampling = job->sampling;
    if (item == 0) {
        job->written =
            !job->full_count || sampling->sink->append(&sampling->file, job->full,
                                                       (size_t)job->full_count, &sampling->error);
        return;
    }
    uint64_t chunk = (uint64_t)sampling->generator.chunk;
    uint64_t start = (uint64_t)(item - 1) * chunk;
    uint64_t left = job->count - start;
    int count = (int)(left < chunk ? left : chunk);
    uint64_t index = job->index + start;
    DrawInputs inputs = prepare_inputs(sampling, thread, index, count);
    generator_draw(&sampling->generator, thread, sampling->options->seed,
                   (uint64_t)sampling->options->first + index, count, &inputs,
                   job->fill + start * (uint64_t)sampling->program->x_dim);
}

/* ---------------------------------------------------------------- rows as a structured array */
static bool open_rows(SinkFile *file, Error *error)
{
    return npy_create(&file->writer, file->path, file->program->keys, file->program->x_dim,
                      file->rows, error);
}

static bool append_rows(SinkFile *file, const float *rows, size_t count, Error *error)
{
    return npy_append(&file->writer, rows, count, error);
}

static bool finish_rows(SinkFile *file, Error *error) { return npy_finish(&file->writer, error); }

static void abandon_rows(SinkFile *file) { npy_abandon(&file->writer); }

static void choose_sink(Sampling *sampling, uint64_t rows)
{
    static const Sink structured = {false, open_rows, append_rows, finish_rows, abandon_rows};
    const SampleOptions *options = sampling->options;
    const Program *program = sampling->program;
    sampling->file =
        (SinkFile){.program = program,
                   .path = options->out,
                   .first = (uint64_t)options->first,
                   .rows = rows,
                   .columns = (int)options->columns,
                   .stretch = options->stretch || (program->stretch && !options->direct)};
    sampling->sink =
        program->images ? program->images->sink(options->out, &sampling->error) : &structured;
    if (!sampling->sink) {
        fail_error(&sampling->error);
    }
    if (sampling->sink->pictures && program->stretch && !options->stretch && !options->direct) {
        fprintf(stderr, "note: a picture's smallest and largest value become black and white, as "
                        "in the original; --direct takes -1 and 1\n");
    }
}

/* ---------------------------------------------------------------- blocks */
static void write_rows(Sampling *sampling, uint64_t rows)
{
    uint64_t chunk = (uint64_t)sampling->generator.chunk;
    bool ok = sampling->sink->open(&sampling->file, &sampling->error);
    bool opened = ok;
    BlockJob job = {.sampling = sampling};
    for (uint64_t index = 0, turn = 0; ok && (index < rows || job.count); turn++) {
        job.full = sampling->blocks[(turn + 1) % 2];
        job.full_count = job.count;
        job.fill = sampling->blocks[turn % 2];
        job.index = index;
        job.count = rows - index < sampling->block_rows ? rows - index : sampling->block_rows;
        uint64_t chunks = (job.count + chunk - 1) / chunk;
        pool_run(sampling->generator.pool, run_block_item, &job, 1 + (int)chunks);
        index += job.count;
        ok = job.written;
    }
    ok = ok && sampling->sink->finish(&sampling->file, &sampling->error);
    if (!ok) {
        if (opened) {
            sampling->sink->abandon(&sampling->file);
        }
        fail_error(&sampling->error);
    }
}

/* Loads the generator's weights and the normaliser from the checkpoint. */
static real *load_state(const SampleOptions *options, const Program *program,
                        Normaliser *normaliser)
{
    Safetensors file = {0};
    open_checkpoint(options, &file);
    Error error = {0};
    real *state = state_create(program);
    if (!snapshot_check(&file, program, &error) ||
        !snapshot_read(&file, program, state, normaliser, true, &error)) {
        fail_error(&error);
    }
    safetensors_close(&file);
    bounds_put(program, state, normaliser);
    return state;
}

/* Threads to use: more than there are chunks would be idle. */
static int count_threads(const SampleOptions *options, uint64_t rows)
{
    uint64_t chunk = (uint64_t)draw_chunk_rows(&gagac_program);
    uint64_t chunks = (rows + chunk - 1) / chunk;
    return chunks < (uint64_t)options->threads ? (int)chunks : (int)options->threads;
}

int main(int argc, char **argv)
{
    const Program *program = &gagac_program;
    fail_program("sample");
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error like any other */
    SampleOptions options = read_options(argc, argv);
    if (program->stages.count > 0 && !options.checkpoint) { /* of the stage that was reached */
        Stages stages = stages_open(program, options.run, false);
        stages_enter(&stages, "sample", argv);
        options.run = stages_run(&stages, false);
    }
    place_check_cpu(program);
    Normaliser normaliser = {0};
    real *state = load_state(&options, program, &normaliser);
    Sampling sampling = {.program = program, .options = &options};
    uint64_t rows = open_inputs(&sampling);
    choose_sink(&sampling, rows);
    Pool *pool = start_pool(count_threads(&options, rows));
    sampling.generator =
        generator_create(program, pool, state, &normaliser, !strcmp(options.weights, "average"));
    uint64_t threads = (uint64_t)pool_threads(pool), chunk = (uint64_t)sampling.generator.chunk;
    uint64_t most = threads * chunk * (program->images ? IMAGE_BLOCK_CHUNKS : BLOCK_CHUNKS);
    sampling.block_rows = rows < most ? rows : most;
    sampling.inputs =
        allocate(threads * chunk, (size_t)(program->z_dim + program->cond_dim) * sizeof(double));
    for (int i = 0; i < 2; i++) {
        sampling.blocks[i] = allocate(sampling.block_rows, (size_t)program->x_dim * sizeof(float));
    }
    write_rows(&sampling, rows);
    generator_destroy(&sampling.generator);
    pool_destroy(pool);
    return EXIT_OK;
}
