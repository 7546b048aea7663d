/* draw.c -- see draw.h. */
#include "draw.h"

#include "image.h"
#include "state.h"

static size_t round_up(size_t bytes) { return (bytes + 63) / 64 * 64; }

int draw_chunk_rows(const Program *program) { return program->images ? IMAGE_CHUNK : DRAW_CHUNK; }

Generator generator_create(const Program *program, Pool *pool, const real *state,
                           const Normaliser *normaliser, bool average)
{
    bool averaged = average && program->average_offset != (size_t)-1;
    size_t columns = (size_t)program->x_dim + (size_t)program->z_dim;
    Generator generator = {
        .program = program,
        .pool = pool,
        .state = state,
        .weights = state + (averaged ? program->average_offset : program->generator_offset),
        .normaliser = normaliser,
        .outputs = program->x_dim - program->cond_dim,
        .work_stride = round_up(program->sample_work_size),
        .chunk = draw_chunk_rows(program),
    };
    size_t threads = (size_t)pool_threads(pool);
    generator.scratch_stride = (size_t)generator.chunk * columns;
    generator.work = block_create(threads * generator.work_stride);
    generator.scratch = block_create(threads * generator.scratch_stride * sizeof(real));
    return generator;
}

void generator_destroy(Generator *generator)
{
    size_t threads = (size_t)pool_threads(generator->pool);
    block_destroy(generator->work, threads * generator->work_stride);
    block_destroy(generator->scratch, threads * generator->scratch_stride * sizeof(real));
}

/* Normalises conditions [count][cond_dim] by the last columns of the normaliser. */
static void normalise_conditions(const Generator *generator, const double *condition, int count,
                                 real *out)
{
    int width = generator->program->cond_dim;
    const ColumnScale *columns = generator->normaliser->columns + generator->outputs;
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < width; k++) {
            out[i * width + k] = (real)normalise(&columns[k], condition[i * width + k]);
        }
    }
}

static void copy_latents(const double *latent, size_t count, real *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (real)latent[i];
    }
}

/* Images [count][channels][height][width] to [count][height][width][channels]. */
static void finish_images(ImageShape shape, const real *planes, int count, float *out)
{
    size_t channels = (size_t)shape.channels, area = image_size(shape) / channels;
    for (int n = 0; n < count; n++, planes += area * channels) {
        for (size_t i = 0; i < area; i++) {
            for (size_t c = 0; c < channels; c++) {
                *out++ = (float)planes[c * area + i];
            }
        }
    }
}

/* Normalised rows [count][outputs] and the conditions as given to physical rows [count][x_dim]. */
static void finish_rows(const Generator *generator, const real *rows, const double *condition,
                        int count, float *out)
{
    const ColumnScale *columns = generator->normaliser->columns;
    int outputs = generator->outputs, width = generator->program->cond_dim;
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < outputs; k++) {
            *out++ = (float)denormalise(&columns[k], (double)rows[i * outputs + k]);
        }
        for (int k = 0; k < width; k++) {
            *out++ = (float)condition[i * width + k];
        }
    }
}

void generator_draw(const Generator *generator, int thread, uint64_t seed, uint64_t first,
                    int count, const DrawInputs *inputs, float *out)
{
    const Program *program = generator->program;
    real *rows = generator->scratch + (size_t)thread * generator->scratch_stride;
    real *condition = rows + (size_t)generator->chunk * (size_t)generator->outputs;
    real *latent = condition + (size_t)generator->chunk * (size_t)program->cond_dim;
    SampleRequest request = {
        .seed = seed, .first = first, .count = count, .out = rows, .thread = thread};
    if (inputs->condition) {
        normalise_conditions(generator, inputs->condition, count, condition);
        request.condition = condition;
    }
    if (inputs->latent) {
        copy_latents(inputs->latent, (size_t)count * (size_t)program->z_dim, latent);
        request.latent = latent;
    }
    void *work = generator->work + (size_t)thread * generator->work_stride;
    program->sample(generator->weights, generator->state, work, &request);
    if (program->images) {
        finish_images(program->image, rows, count, out);
    } else {
        finish_rows(generator, rows, inputs->condition, count, out);
    }
}

typedef struct DrawJob {
    const Generator *generator;
    uint64_t seed, first;
    size_t count;
    const DrawInputs *inputs;
    float *out;
} DrawJob;

static void draw_chunk(void *context, int index, int thread)
{
    const DrawJob *job = context;
    const Program *program = job->generator->program;
    size_t chunk = (size_t)job->generator->chunk, start = (size_t)index * chunk;
    size_t count = job->count - start < chunk ? job->count - start : chunk;
    DrawInputs inputs = *job->inputs;
    if (inputs.latent) {
        inputs.latent += start * (size_t)program->z_dim;
    }
    if (inputs.condition) {
        inputs.condition += start * (size_t)program->cond_dim;
    }
    generator_draw(job->generator, thread, job->seed, job->first + start, (int)count, &inputs,
                   job->out + start * (size_t)program->x_dim);
}

void generator_draw_all(const Generator *generator, uint64_t seed, uint64_t first, size_t count,
                        const DrawInputs *inputs, float *out)
{
    DrawJob job = {generator, seed, first, count, inputs, out};
    size_t chunk = (size_t)generator->chunk;
    pool_run(generator->pool, draw_chunk, &job, (int)((count + chunk - 1) / chunk));
}
