/* training.c -- see training.h. */
#include "training.h"

#include "data.h"
#include "device.h"
#include "gang.h"
#include "hooks.h"
#include "place.h"
#include "search.h"
#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of Training.work: what all threads share, then what each has of its own. */
static size_t work_bytes(const Program *program, int threads)
{
    return program->work_size + (size_t)threads * program->scratch_size;
}

Training training_create(const Program *program, int threads, uint64_t seed)
{
    Training training = {
        .program = program,
        .pool = start_pool(threads),
        .state = state_create(program),
        .work = block_create(work_bytes(program, threads)),
        .seed = seed,
        .swd = NAN,
    };
    return training;
}

void training_destroy(Training *training)
{
    device_destroy(training->device);
    int threads = pool_threads(training->pool);
    pool_destroy(training->pool);
    state_destroy(training->program, training->state);
    free(training->kept);
    block_destroy(training->work, work_bytes(training->program, threads));
}

double power(double base, uint64_t exponent)
{
    double result = 1;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) {
            result *= base;
        }
        base *= base;
    }
    return result;
}

int training_data_kind(const Program *program)
{
    for (int kind = 0; kind < program->update_count; kind++) {
        const ProgramUpdate *update = &program->updates[kind];
        for (int k = 0; k < update->input_count; k++) {
            if (update->inputs[k].kind == INPUT_DATA && !update->inputs[k].last_data) {
                return kind;
            }
        }
    }
    return 0;
}

uint64_t training_iterations(const Program *program, uint64_t rows, uint64_t passes)
{
    uint64_t batches = rows / (uint64_t)program->batch_size;
    uint64_t updates = (uint64_t)program->updates[training_data_kind(program)].count;
    uint64_t total = 0;
    if (__builtin_mul_overflow(passes, batches, &total)) {
        total = INT64_MAX;
    }
    return total / updates + (total % updates != 0);
}

/* How often the rates of updates of a kind have fallen before an iteration. The schedule counts
 * what the training's length counts: iterations, or passes over the data (a replay has none). */
static uint64_t rate_decays(const Training *training, int kind, uint64_t iteration)
{
    const Program *program = training->program;
    const struct Data *data = training->data;
    if (program->schedule_step <= 0) {
        return 0;
    }
    uint64_t step = (uint64_t)program->schedule_step;
    if (program->passes <= 0 || data == NULL) {
        return iteration / step;
    }
    uint64_t batches = data->rows / (uint64_t)program->batch_size;
    uint64_t updates = (uint64_t)program->updates[training_data_kind(program)].count;
    if (program->schedule_per_update) {
        step *= (uint64_t)program->updates[kind].count;
    }
    return iteration * updates / (batches > 0 ? batches : 1) / step;
}

/* The value of a scalar in an update. count: updates of this kind so far, this one included. */
static double scalar_value(const Training *training, const ProgramScalar *scalar, int kind,
                           uint64_t iteration, uint64_t count)
{
    switch (scalar->kind) {
    case SCALAR_RATE:
        return scalar->base *
               power(training->program->schedule_gamma, rate_decays(training, kind, iteration));
    case SCALAR_UNBIAS:
        return 1 / (1 - power(scalar->base, count));
    case SCALAR_UNBIAS_ROOT:
        return 1 / sqrt(1 - power(scalar->base, count));
    case SCALAR_SHARE:
        return fmax(1 - scalar->base, 15 / (16 + (double)count));
    case SCALAR_COURSE:
        return course_value(&scalar->course, (double)iteration, training->seed);
    }
    return 0;
}

void training_facts(const Training *training, uint64_t iteration, int kind, int repeat,
                    Batch *batch, real scalars[MAX_SCALARS])
{
    const Program *program = training->program;
    const ProgramUpdate *update = &program->updates[kind];
    int data_kind = training_data_kind(program);
    uint64_t data_updates = (uint64_t)program->updates[data_kind].count;
    uint64_t first = iteration * data_updates;
    *batch = (Batch){
        .data = training->data,
        .seed = training->seed,
        .update = iteration * (uint64_t)update->count + (uint64_t)repeat,
        .first_update = first,
        .data_update = first + (kind == data_kind ? (uint64_t)repeat : data_updates - 1),
    };
    batch->position = batch->data_update * (uint64_t)program->batch_size;
    for (int k = 0; k < update->scalar_count; k++) {
        scalars[k] =
            (real)scalar_value(training, &update->scalars[k], kind, iteration, batch->update + 1);
    }
}

void training_run(Training *training, int kind, const Batch *batch, const real *scalars,
                  double *outputs)
{
    if (training->device) {
        device_update(training->device, training, kind, batch, scalars, outputs);
    } else {
        training->program->updates[kind].run(training->pool, training->state, training->work, batch,
                                             scalars, outputs);
    }
}

void training_update(Training *training, int kind, int repeat, const real *const *given)
{
    const ProgramUpdate *update = &training->program->updates[kind];
    Batch batch;
    real scalars[MAX_SCALARS] = {0};
    training_facts(training, training->iteration, kind, repeat, &batch, scalars);
    if (given) {
        memcpy(batch.given, given, (size_t)update->input_count * sizeof *given);
    }
    training_run(training, kind, &batch, scalars, training->outputs[kind]);
}

bool training_is_latent(const ProgramInput *input)
{
    return !strcmp(input->name, "z_d") || !strcmp(input->name, "z_g");
}

/* What the iteration's first update is given for the same input, or NULL. */
static const real *first_of(const Program *program, const Choice *from, const ProgramInput *input)
{
    const ProgramUpdate *first = &program->updates[0];
    for (int k = 0; k < first->input_count && from->first; k++) {
        if (!strcmp(first->inputs[k].name, input->name) && first->inputs[k].part == input->part) {
            return from->first[k];
        }
    }
    return NULL;
}

static void give(const Program *program, const ProgramUpdate *update, const Choice *from,
                 const real *given[MAX_INPUTS])
{
    for (int k = 0; k < update->input_count; k++) {
        const ProgramInput *input = &update->inputs[k];
        given[k] = training_is_latent(input)   ? from->latents
                   : input->kind == INPUT_DATA ? from->pictures
                                               : first_of(program, from, input);
    }
}

void training_update_given(Training *training, int kind, int repeat, const Choice *given)
{
    const Program *program = training->program;
    const ProgramUpdate *update = &program->updates[kind];
    Batch batch, first;
    real scalars[MAX_SCALARS] = {0}, unused[MAX_SCALARS] = {0};
    training_facts(training, training->iteration, kind, repeat, &batch, scalars);
    training_facts(training, training->iteration, training_data_kind(program), 0, &first, unused);
    give(program, update, given, first.given);
    training_run(training, kind, &first, scalars, training->outputs[kind]);
}

/* The name of an output of this kind of update that is not finite, or NULL. */
static const char *find_divergence(const Training *training, int kind)
{
    const ProgramUpdate *update = &training->program->updates[kind];
    for (int k = 0; k < update->output_count; k++) {
        if (!isfinite(training->outputs[kind][k])) {
            return update->outputs[k];
        }
    }
    return NULL;
}

bool training_has_loops(const Program *program)
{
    return program->search.kind != SEARCH_NONE || program->pictures.chooses ||
           program->match_count > 0;
}

/* A replay has no noise on weights. */
static void start_iteration(Training *training)
{
    const Program *program = training->program;
    if (training->device) {
        device_start_iteration(training->device, training);
        return;
    }
    if (training->data) {
        hooks_shake(training);
    }
    if (program->before_iteration) {
        program->before_iteration(training->pool, training->state, training->work);
    }
}

static const char *run_updates(Training *training, const Choice *from)
{
    const Program *program = training->program;
    for (int kind = 0; kind < program->update_count; kind++) {
        const ProgramUpdate *update = &program->updates[kind];
        const real *given[MAX_INPUTS] = {NULL};
        give(program, update, from, given);
        for (int repeat = 0; repeat < update->count; repeat++) {
            training_update(training, kind, repeat, given);
            const char *diverged = find_divergence(training, kind);
            if (diverged) {
                return diverged;
            }
        }
    }
    training->iteration++;
    return NULL;
}

static void constrain(Training *training)
{
    const ProgramConstrain *plan = &training->program->constrain;
    if (plan->every > 0 && training->iteration % (uint64_t)plan->every == 0) {
        training_update(training, plan->update, 0, NULL);
    }
}

/* At most `most` iterations, up to the next that loops of the host belong to, or after which
 * weights are constrained, or networks mixed or trained on what is remembered. */
static uint64_t until_pause(const Training *training, uint64_t most)
{
    const ProgramGang *gang = &training->program->gang;
    const int every[] = {training->program->constrain.every, gang->mix_steps,
                         gang->g_on_discriminators, gang->d_on_generators};
    for (size_t k = 0; k < sizeof every / sizeof *every; k++) {
        uint64_t period = every[k] > 0 ? (uint64_t)every[k] : 0;
        uint64_t left = period > 0 ? period - training->iteration % period : most;
        most = left < most ? left : most;
    }
    return training_has_loops(training->program) ? 1 : most;
}

/* One iteration, on a GPU at most `most`; counts them. */
static const char *iterate(Training *training, uint64_t most, const Choice *given)
{
    hooks_match(training, given);
    const char *diverged = training->device ? device_advance(training->device, training,
                                                             until_pause(training, most), given)
                                            : run_updates(training, given);
    hooks_end(training);
    return diverged;
}

const char *training_advance(Training *training, uint64_t most)
{
    bool skip = false;
    const char *diverged = NULL;
    gang_start(training);
    start_iteration(training);
    real *pictures = hooks_choose_pictures(training);
    real *latents = search_latents(training, pictures, &skip);
    const Choice given = {.latents = latents, .pictures = pictures};
    if (skip) {
        training->iteration++;
    } else {
        diverged = iterate(training, most, &given);
    }
    free(latents);
    free(pictures);
    if (!diverged) {
        constrain(training);
        gang_train(training);
        gang_mix(training);
    }
    return diverged;
}

const char *training_iterate(Training *training) { return training_advance(training, 1); }

static void run_given(Training *training, const real *const (*given)[MAX_INPUTS],
                      double (*outputs)[MAX_OUTPUTS])
{
    const Program *program = training->program;
    for (int kind = 0, number = 0; kind < program->update_count; kind++) {
        for (int repeat = 0; repeat < program->updates[kind].count; repeat++, number++) {
            training_update(training, kind, repeat, given[number]);
            memcpy(outputs[number], training->outputs[kind], sizeof outputs[number]);
        }
    }
}

void training_iterate_given(Training *training, const real *const (*given)[MAX_INPUTS],
                            double (*outputs)[MAX_OUTPUTS])
{
    const Program *program = training->program;
    start_iteration(training);
    Choice first = {.first = given[0]};
    for (int k = 0; k < program->updates[0].input_count; k++) {
        const ProgramInput *input = &program->updates[0].inputs[k];
        first.latents = strcmp(input->name, "z_d") ? first.latents : given[0][k];
        first.pictures = input->kind == INPUT_DATA ? given[0][k] : first.pictures;
    }
    hooks_match(training, &first);
    if (training->device) {
        device_iterate_given(training->device, training, given, outputs);
    } else {
        run_given(training, given, outputs);
    }
    hooks_end(training);
    training->iteration++;
    constrain(training);
}

bool training_use_device(Training *training, Error *error)
{
    training->device = device_create(training->program, error);
    return training->device != NULL;
}

void training_fetch(Training *training)
{
    if (training->device) {
        device_fetch(training->device, training->state);
    }
}

void training_fetch_tensor(Training *training, const ProgramTensor *tensor)
{
    if (training->device) {
        device_fetch_tensor(training->device, tensor, training->state);
    }
}

void training_send_tensor(Training *training, const ProgramTensor *tensor)
{
    if (training->device) {
        device_send_tensor(training->device, tensor, training->state);
    }
}

void training_changed(Training *training)
{
    if (training->device) {
        device_forget(training->device);
    }
}

void training_restart_tensor(Training *training, int index)
{
    if (training->device) {
        device_restart_tensor(training->device, training, index);
    } else {
        tensor_restart(training->program, training->state, index, training->seed);
    }
}

void training_keep(Training *training)
{
    size_t count = training->program->state_size;
    if (training->device) {
        device_keep(training->device);
        return;
    }
    training->kept = training->kept ? training->kept : allocate(count, sizeof(real));
    memcpy(training->kept, training->state, count * sizeof(real));
}

void training_take_back(Training *training)
{
    if (training->device) {
        device_take_back(training->device);
    } else {
        memcpy(training->state, training->kept, training->program->state_size * sizeof(real));
    }
}

int training_updates(const Program *program)
{
    int count = 0;
    for (int kind = 0; kind < program->update_count; kind++) {
        count += program->updates[kind].count;
    }
    return count;
}

double training_output(const Training *training, const char *name)
{
    for (int kind = 0; kind < training->program->update_count; kind++) {
        const ProgramUpdate *update = &training->program->updates[kind];
        for (int k = 0; k < update->output_count; k++) {
            if (!strcmp(update->outputs[k], name)) {
                return training->outputs[kind][k];
            }
        }
    }
    return NAN;
}
