/* replay.c -- see replay.h. */
#include "replay.h"

#include "fail.h"
#include "image.h"
#include "rng.h"
#include "snapshot.h"
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_GIVEN = MAX_UPDATES * MAX_INPUTS, MAX_LOSSES = MAX_UPDATES * MAX_OUTPUTS };

typedef struct Given { /* one input of the file */
    const char *name;
    int kind; /* the update it belongs to; shared inputs belong to the first that reads them */
    const ProgramInput *input;
    real *values; /* [slices][batch_size][width], NULL: not in the file */
} Given;

typedef struct Losses { /* one output of all updates of a kind */
    int kind, output;
    double *values; /* [iterations * count] */
} Losses;

typedef struct Replay {
    Training *training;
    const Program *program;
    Safetensors file;
    uint64_t iterations;
    Given given[MAX_GIVEN];
    int given_count;
    Losses losses[MAX_LOSSES];
    int loss_count;
} Replay;

static Given *find_given(Replay *replay, const char *name)
{
    for (int i = 0; i < replay->given_count; i++) {
        if (!strcmp(replay->given[i].name, name)) {
            return &replay->given[i];
        }
    }
    return NULL;
}

/* Updates of an iteration, of kinds before this one. */
static int passes_before(const Program *program, int kind)
{
    int passes = 0;
    for (int k = 0; k < kind; k++) {
        passes += program->updates[k].count;
    }
    return passes;
}

static int parts_of(const ProgramInput *input) { return input->parts > 0 ? input->parts : 1; }

/* Is it read by the sampler too? Then a layer's noise has one more slab. */
static bool is_sampled(const Program *program, const char *name)
{
    for (int k = 0; k < program->sample_input_count; k++) {
        if (!strcmp(program->sample_inputs[k].name, name)) {
            return true;
        }
    }
    return false;
}

/* Lists the inputs of all updates, each name once. */
static void list_inputs(Replay *replay)
{
    for (int kind = 0; kind < replay->program->update_count; kind++) {
        const ProgramUpdate *update = &replay->program->updates[kind];
        for (int k = 0; k < update->input_count; k++) {
            const ProgramInput *input = &update->inputs[k];
            if (!find_given(replay, input->name)) {
                replay->given[replay->given_count++] = (Given){input->name, kind, input, NULL};
            }
        }
    }
}

static bool is_image(ImageShape shape) { return shape.channels > 0; }

/* Adds the axes of an image in a file. */
static void add_axes(StoredTensor *tensor, ImageShape shape)
{
    tensor->dims[tensor->rank++] = (uint64_t)shape.height;
    tensor->dims[tensor->rank++] = (uint64_t)shape.width;
    tensor->dims[tensor->rank++] = (uint64_t)shape.channels;
}

/* The shape an input must have: [iterations * count, batch] and, unless it is flat, its width or
 * the axes of its images. */
static StoredTensor describe_input(const Replay *replay, const Given *given)
{
    const ProgramInput *input = given->input;
    uint64_t count = (uint64_t)replay->program->updates[given->kind].count;
    StoredTensor tensor = {
        .name = given->name,
        .rank = 2,
        .dims = {replay->iterations * count,
                 (uint64_t)replay->program->batch_size * (uint64_t)parts_of(input)},
    };
    if (input->every_pass) {
        uint64_t passes = (uint64_t)passes_before(replay->program, replay->program->update_count);
        tensor.dims[0] = replay->iterations * passes + is_sampled(replay->program, given->name);
    }
    if (is_image(input->map)) {
        add_axes(&tensor, input->map);
    } else if (!input->flat) {
        tensor.dims[tensor.rank++] = (uint64_t)input->width;
    }
    return tensor;
}

static void read_input(Replay *replay, const StoredTensor *stored, Given *given)
{
    Error error = {0};
    StoredTensor expected = describe_input(replay, given);
    if (!stored_check(stored, &expected, &error)) {
        fail_error(&error);
    }
    uint64_t count = stored_count(stored);
    given->values = allocate(count, sizeof(real));
    stored_copy_reals(stored, given->values);
    ImageShape shape = given->input->map;
    if (is_image(shape)) {
        real *planes = allocate(count, sizeof(real));
        image_to_planes(shape, (size_t)count / image_size(shape), given->values, planes);
        free(given->values);
        given->values = planes;
    }
}

/* The number of whole iterations, from the first axis of `real`. */
static void count_iterations(Replay *replay)
{
    const Program *program = replay->program;
    int kind = training_data_kind(program);
    uint64_t count = (uint64_t)program->updates[kind].count;
    const StoredTensor *real_rows = safetensors_find(&replay->file, "real");
    if (!real_rows) {
        fail(EXIT_INVALID, NULL, "%s holds no tensor 'real'", replay->file.map.path);
    }
    uint64_t slices = real_rows->rank > 0 ? real_rows->dims[0] : 0;
    replay->iterations = slices / count;
    if (slices == 0 || slices % count != 0) {
        char shape[128], row[64];
        ImageShape image = program->image;
        stored_shape(real_rows, shape, sizeof shape);
        snprintf(row, sizeof row, is_image(image) ? "%d, %d, %d" : "%d",
                 is_image(image) ? image.height : program->x_dim, image.width, image.channels);
        fail(EXIT_INVALID, NULL,
             "tensor 'real' has shape %s where [S*%d, %d, %s] with a whole S > 0 is needed", shape,
             (int)count, program->batch_size, row);
    }
}

static void fail_unknown(Replay *replay, const StoredTensor *stored)
{
    const Program *program = replay->program;
    size_t most = (size_t)replay->given_count + (size_t)program->tensor_count, count = 0;
    const char **names = allocate(most, sizeof *names);
    for (int i = 0; i < replay->given_count; i++) {
        names[count++] = replay->given[i].name;
    }
    for (int i = 0; i < program->tensor_count; i++) {
        names[count++] = program->tensors[i].name;
    }
    char shape[128], hint[160] = "";
    stored_shape(stored, shape, sizeof shape);
    const char *near = nearest_word(stored->name, names, count);
    if (near) {
        snprintf(hint, sizeof hint, "did you mean '%s'?", near);
    }
    fail(EXIT_INVALID, near ? hint : NULL,
         "tensor '%s' of shape %s is neither a parameter nor an input of this program",
         stored->name, shape);
}

static bool is_replayed(const ProgramTensor *tensor)
{
    return tensor->role == ROLE_PARAMETER || tensor->role == ROLE_VECTOR;
}

static void read_tensors(Replay *replay)
{
    const Program *program = replay->program;
    Error error = {0};
    for (int i = 0; i < replay->file.tensor_count; i++) {
        const StoredTensor *stored = &replay->file.tensors[i];
        Given *given = find_given(replay, stored->name);
        int index = tensor_find(program, stored->name);
        if (given) {
            read_input(replay, stored, given);
        } else if (index < 0 || !is_replayed(&program->tensors[index])) {
            fail_unknown(replay, stored);
        } else if (!tensor_load(&program->tensors[index], replay->training->state, stored,
                                &error)) {
            fail_error(&error);
        }
    }
    state_copy_sources(program, replay->training->state);
}

static void prepare_losses(Replay *replay)
{
    const Program *program = replay->program;
    for (int kind = 0; kind < program->update_count; kind++) {
        const ProgramUpdate *update = &program->updates[kind];
        for (int k = 0; k < update->output_count; k++) {
            const char *name = update->outputs[k];
            if (!strcmp(name, "d_loss") || !strcmp(name, "g_loss") || !strcmp(name, "penalty")) {
                uint64_t count = replay->iterations * (uint64_t)update->count;
                replay->losses[replay->loss_count++] =
                    (Losses){kind, k, allocate(count, sizeof(double))};
            }
        }
    }
}

/* Rows of an input in a slab of a given tensor. */
static const real *slab_part(const Program *program, const Given *given, const ProgramInput *input,
                             uint64_t slab)
{
    uint64_t part = slab * (uint64_t)parts_of(input) + (uint64_t)input->part;
    return given->values + part * (uint64_t)program->batch_size * (uint64_t)input->width;
}

/* The slice of a given tensor that an update reads. Inputs that follow the data take the last data
 * update's slice of the iteration, labels that a G update shares the first one's. */
static const real *find_slice(Replay *replay, int kind, int k, int repeat)
{
    const Program *program = replay->program;
    const ProgramInput *input = &program->updates[kind].inputs[k];
    const Given *given = find_given(replay, input->name);
    if (!given->values) {
        return NULL;
    }
    int count = program->updates[given->kind].count;
    uint64_t slice = replay->training->iteration * (uint64_t)count;
    if (input->every_pass) {
        uint64_t passes = (uint64_t)passes_before(program, program->update_count);
        slice = replay->training->iteration * passes + (uint64_t)passes_before(program, kind) +
                (uint64_t)repeat;
    } else if (input->last_data) {
        slice += (uint64_t)count - 1;
    } else if (!input->first_only) {
        slice += (uint64_t)repeat;
    }
    return slab_part(program, given, input, slice);
}

/* Keeps what the repeat-th update of its kind reported in the iteration that has just ended. */
static void keep_losses(Replay *replay, int kind, int repeat, const double outputs[MAX_OUTPUTS])
{
    uint64_t count = (uint64_t)replay->program->updates[kind].count;
    uint64_t place = (replay->training->iteration - 1) * count + (uint64_t)repeat;
    for (int i = 0; i < replay->loss_count; i++) {
        Losses *losses = &replay->losses[i];
        if (losses->kind == kind) {
            losses->values[place] = outputs[losses->output];
        }
    }
}

static void run_iterations(Replay *replay)
{
    const Program *program = replay->program;
    Training *training = replay->training;
    size_t updates = (size_t)training_updates(program);
    const real *(*given)[MAX_INPUTS] = allocate(updates, sizeof *given);
    double(*outputs)[MAX_OUTPUTS] = allocate(updates, sizeof *outputs);
    while (training->iteration < replay->iterations) {
        for (int kind = 0, number = 0; kind < program->update_count; kind++) {
            for (int repeat = 0; repeat < program->updates[kind].count; repeat++, number++) {
                for (int k = 0; k < program->updates[kind].input_count; k++) {
                    given[number][k] = find_slice(replay, kind, k, repeat);
                }
            }
        }
        training_iterate_given(training, (const real *const(*)[MAX_INPUTS])given, outputs);
        for (int kind = 0, number = 0; kind < program->update_count; kind++) {
            for (int repeat = 0; repeat < program->updates[kind].count; repeat++, number++) {
                keep_losses(replay, kind, repeat, outputs[number]);
            }
        }
    }
    training_fetch(training);
    free(given);
    free(outputs);
}

/* Uniform numbers to the interval of the input. */
static void scale_draws(const ProgramInput *input, real *draws, size_t count)
{
    for (size_t k = 0; k < count && input->high > input->low; k++) {
        real scaled = draws[k] * (real)(input->high - input->low);
        draws[k] = scaled + (real)input->low;
    }
}

/* The latents of the first data update: given, or the draws it made itself. The caller frees. */
static real *first_latents(Replay *replay)
{
    const Program *program = replay->program;
    size_t width = (size_t)program->z_dim, batch = (size_t)program->batch_size;
    real *latents = allocate(batch * width, sizeof(real));
    const Given *given = find_given(replay, "z_d");
    if (given && given->values) {
        memcpy(latents, given->values, batch * width * sizeof(real));
    } else if (given) {
        DrawKind kind = given->input->kind == INPUT_UNIFORM ? DRAW_UNIFORM : DRAW_NORMAL;
        for (size_t i = 0; i < batch; i++) {
            draw_row(latents + i * width, program->z_dim, kind, replay->training->seed,
                     (uint32_t)given->input->stream, 0, i);
            scale_draws(given->input, latents + i * width, width);
        }
    }
    return latents;
}

/* What the sampler of a program for images reads: the latents first, then the last slabs of its
 * layers' noise. */
static void give_sample(Replay *replay, const real *latents, const real *given[MAX_INPUTS])
{
    const Program *program = replay->program;
    uint64_t passes = (uint64_t)passes_before(program, program->update_count);
    for (int k = 0; k < program->sample_input_count; k++) {
        const ProgramInput *input = &program->sample_inputs[k];
        const Given *stored = find_given(replay, input->name);
        given[k] = k == 0 ? latents : NULL;
        if (k > 0 && input->every_pass && stored && stored->values) {
            given[k] = slab_part(program, stored, input, replay->iterations * passes);
        }
    }
}

/* Rows [batch_size][x_dim - cond_dim] of the final generator; the caller frees. */
static real *make_fake(Replay *replay)
{
    const Program *program = replay->program;
    const Training *training = replay->training;
    size_t batch = (size_t)program->batch_size, conditions = (size_t)program->cond_dim;
    size_t width = (size_t)program->x_dim, outputs = width - conditions;
    const real *rows = find_given(replay, "real")->values;
    real *latents = first_latents(replay);
    real *condition = allocate(batch * conditions, sizeof(real));
    for (size_t i = 0; i < batch; i++) {
        memcpy(condition + i * conditions, rows + i * width + outputs, conditions * sizeof(real));
    }
    real *fake = allocate(batch * outputs, sizeof(real));
    void *work = block_create(program->sample_work_size);
    SampleRequest request = {.seed = training->seed,
                             .count = program->batch_size,
                             .latent = latents,
                             .condition = conditions ? condition : NULL,
                             .out = fake};
    const real *given[MAX_INPUTS] = {NULL};
    if (program->sample_input_count > 0) {
        give_sample(replay, latents, given);
        request.given = given;
    }
    program->sample(training->state + program->generator_offset, training->state, work, &request);
    block_destroy(work, program->sample_work_size);
    free(condition);
    free(latents);
    if (is_image(program->image)) {
        real *pixels = allocate(batch * outputs, sizeof(real));
        image_to_pixels(program->image, batch, fake, pixels);
        free(fake);
        return pixels;
    }
    return fake;
}

/* Rows or images of the generator. */
static StoredTensor describe_fake(Replay *replay)
{
    const Program *program = replay->program;
    StoredTensor tensor = {.name = "fake",
                           .type = precision_type,
                           .rank = 1,
                           .dims = {(uint64_t)program->batch_size},
                           .data = make_fake(replay)};
    if (is_image(program->image)) {
        add_axes(&tensor, program->image);
    } else {
        tensor.dims[tensor.rank++] = (uint64_t)(program->x_dim - program->cond_dim);
    }
    return tensor;
}

/* Losses in the program's precision, like everything else in the file. */
static StoredTensor describe_losses(const Replay *replay, const Losses *losses, real *values)
{
    const ProgramUpdate *update = &replay->program->updates[losses->kind];
    uint64_t count = replay->iterations * (uint64_t)update->count;
    for (uint64_t i = 0; i < count; i++) {
        values[i] = (real)losses->values[i];
    }
    return (StoredTensor){.name = update->outputs[losses->output],
                          .type = precision_type,
                          .rank = 1,
                          .dims = {count},
                          .data = values};
}

static void write_result(Replay *replay, const char *path)
{
    const Program *program = replay->program;
    size_t most = (size_t)program->tensor_count + MAX_LOSSES + 1;
    StoredTensor *tensors = allocate(most, sizeof *tensors);
    int count = 0;
    for (int i = 0; i < program->tensor_count; i++) {
        const ProgramTensor *tensor = &program->tensors[i];
        if (is_replayed(tensor)) {
            real *values = allocate(tensor_size(tensor), sizeof(real));
            tensor_get(tensor, replay->training->state, values);
            tensors[count++] = tensor_describe(tensor, values);
        }
    }
    for (int i = 0; i < replay->loss_count; i++) {
        const Losses *losses = &replay->losses[i];
        uint64_t updates = replay->iterations * (uint64_t)program->updates[losses->kind].count;
        tensors[count++] = describe_losses(replay, losses, allocate(updates, sizeof(real)));
    }
    tensors[count++] = describe_fake(replay);
    Error error = {0};
    if (!safetensors_write(path, tensors, count, NULL, 0, &error)) {
        fail_error(&error);
    }
    for (int i = 0; i < count; i++) {
        free((void *)tensors[i].data);
    }
    free(tensors);
}

void replay_run(Training *training, const char *in, const char *out)
{
    Replay replay = {.training = training, .program = training->program};
    Error error = {0};
    if (!safetensors_open(&replay.file, in, &error)) {
        fail_error(&error);
    }
    list_inputs(&replay);
    count_iterations(&replay);
    read_tensors(&replay);
    bounds_put(replay.program, training->state, NULL);
    prepare_losses(&replay);
    run_iterations(&replay);
    write_result(&replay, out);
    for (int i = 0; i < replay.given_count; i++) {
        free(replay.given[i].values);
    }
    for (int i = 0; i < replay.loss_count; i++) {
        free(replay.losses[i].values);
    }
    safetensors_close(&replay.file);
}
