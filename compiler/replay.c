/* replay.c -- `gagac replay`: whole training steps in the double-precision interpreter, with every
 * draw and every parameter given; the reference of RUN/train --replay. */
#include "gagac.h"

#include "../runtime/safetensors.h"

#include <math.h>
#include <string.h>

typedef struct Replay {
    const Model *model;
    Graph *graph;
    Interpreter *interpreter;
    Safetensors file;
    int64_t iterations;
    int64_t iteration;     /* the present one */
    StoredTensor *results; /* losses, then tensors and fake */
    int result_count;
} Replay;

static Step *find_step(const Replay *r, const char *name)
{
    for (int i = 0; i < r->graph->step_count; i++)
        if (strcmp(r->graph->steps[i].name, name) == 0)
            return &r->graph->steps[i];
    return NULL;
}

static bool is_replayed(const Tensor *tensor)
{
    return tensor->role == ROLE_PARAMETER || tensor->role == ROLE_VECTOR;
}

/* An input that follows the discriminator's updates is stored with theirs. */
static bool has_slices_of_d(const Step *step, const Input *input)
{
    return strcmp(step->name, "d_step") == 0 || input->last_data || input->first_only;
}

/* ---------------------------------------------------------------- reading */
static double *read_tensor(const Replay *r, const StoredTensor *expected)
{
    const StoredTensor *stored = safetensors_find(&r->file, expected->name);
    char is[128], should[128];
    stored_shape(expected, should, sizeof should);
    if (stored == NULL)
        fail(EXIT_INVALID, "the reference draws nothing itself: every parameter and draw is needed",
             "%s holds no tensor '%s' %s", printable(r->file.map.path), expected->name, should);
    stored_shape(stored, is, sizeof is);
    if (stored->type == STORED_OTHER)
        fail(EXIT_INVALID, NULL, "tensor '%s' is neither F32 nor F64", expected->name);
    if (strcmp(is, should) != 0)
        fail(EXIT_INVALID, NULL, "tensor '%s' has shape %s where %s is needed", expected->name, is,
             should);
    double *values = arena_alloc((size_t)stored_count(stored) * sizeof *values);
    stored_copy_doubles(stored, values);
    return values;
}

static StoredTensor describe_tensor(const Tensor *tensor)
{
    StoredTensor stored = {.name = tensor->name, .type = STORED_F64, .rank = tensor->type.rank};
    for (int i = 0; i < tensor->type.rank; i++)
        stored.dims[i] = (uint64_t)tensor->type.dims[i];
    return stored;
}

static StoredTensor describe_input(const Replay *r, const Step *step, const Input *input)
{
    int updates = has_slices_of_d(step, input) ? r->model->d_updates : r->model->g_updates;
    return (StoredTensor){.name = input->name,
                          .rank = input->flat ? 2 : 3,
                          .dims = {(uint64_t)r->iterations * (uint64_t)updates,
                                   (uint64_t)r->model->batch_size, (uint64_t)input->width}};
}

static void count_iterations(Replay *r)
{
    const StoredTensor *rows = safetensors_find(&r->file, "real");
    if (rows == NULL || rows->rank == 0)
        fail(EXIT_INVALID, NULL, "%s holds no tensor 'real'", printable(r->file.map.path));
    if (rows->dims[0] == 0 || rows->dims[0] % (uint64_t)r->model->d_updates != 0)
        fail(EXIT_INVALID, NULL, "tensor 'real' holds %llu batches, not a multiple of %d",
             (unsigned long long)rows->dims[0], r->model->d_updates);
    r->iterations = (int64_t)(rows->dims[0] / (uint64_t)r->model->d_updates);
}

/* Tensors of the state; averages start as copies of what they follow. */
static void read_state(Replay *r)
{
    for (int i = 0; i < r->graph->tensor_count; i++) {
        const Tensor *tensor = r->graph->tensors[i];
        const Tensor *from = tensor->role == ROLE_AVERAGE ? tensor->source : tensor;
        double *to = interpreter_tensor(r->interpreter, tensor);
        size_t size = (size_t)type_size(&tensor->type);
        if (is_replayed(from)) {
            StoredTensor expected = describe_tensor(from);
            memcpy(to, read_tensor(r, &expected), size * sizeof *to);
        }
    }
}

/* Bounds of the generator's columns are taken as they stand in the config: the rows of a replay are
 * normalised already. */
static void set_bounds(Replay *r)
{
    const Net *net = &r->model->generator;
    const Layer *last = &net->layers[net->layer_count - 1];
    for (int i = 0; i < r->graph->tensor_count; i++) {
        const Tensor *tensor = r->graph->tensors[i];
        if (tensor->role != ROLE_BOUND || last->kind != LAYER_CLAMP)
            continue;
        const double *bounds = strstr(tensor->name, "lower") != NULL ? last->lower : last->upper;
        memcpy(interpreter_tensor(r->interpreter, tensor), bounds,
               (size_t)type_size(&tensor->type) * sizeof *bounds);
    }
}

static bool is_known(const Replay *r, const char *name)
{
    for (int i = 0; i < r->graph->tensor_count; i++)
        if (is_replayed(r->graph->tensors[i]) && strcmp(r->graph->tensors[i]->name, name) == 0)
            return true;
    for (int i = 0; i < r->graph->step_count; i++)
        for (int k = 0; k < r->graph->steps[i].input_count; k++)
            if (strcmp(r->graph->steps[i].inputs[k]->name, name) == 0)
                return true;
    return false;
}

static void check_names(const Replay *r)
{
    for (int i = 0; i < r->file.tensor_count; i++) {
        char shape[128];
        stored_shape(&r->file.tensors[i], shape, sizeof shape);
        if (!is_known(r, r->file.tensors[i].name))
            fail(EXIT_INVALID, NULL,
                 "tensor '%s' %s is neither a parameter nor an input of this config",
                 printable(r->file.tensors[i].name), shape);
    }
}

/* ---------------------------------------------------------------- running */
/* count: updates of this net so far, this one included. */
static double scalar_value(const Replay *r, const Scalar *scalar, int64_t count)
{
    int64_t decays = r->model->schedule_step > 0 ? r->iteration / r->model->schedule_step : 0;
    switch (scalar->kind) {
    case SCALAR_RATE:
        return scalar->base * pow(r->model->schedule_gamma, (double)decays);
    case SCALAR_UNBIAS:
        return 1 / (1 - pow(scalar->base, (double)count));
    case SCALAR_UNBIAS_ROOT:
        return 1 / sqrt(1 - pow(scalar->base, (double)count));
    case SCALAR_SHARE:
        return fmax(1 - scalar->base, 15 / (16 + (double)count));
    }
    internal_error("a scalar of unknown kind");
}

/* The slice of an input's values that an update reads. */
static double *input_slice(const Replay *r, const Step *step, const Input *input, int repeat,
                           double *values)
{
    int64_t slice =
        r->iteration * (has_slices_of_d(step, input) ? r->model->d_updates : r->model->g_updates);
    if (input->last_data)
        slice += r->model->d_updates - 1;
    else if (!input->first_only)
        slice += repeat;
    return values + slice * r->model->batch_size * input->width;
}

static double *result_values(const Replay *r, const char *name)
{
    for (int i = 0; i < r->result_count; i++)
        if (strcmp(r->results[i].name, name) == 0)
            return (double *)r->results[i].data;
    return NULL;
}

static void run_update(Replay *r, Step *step, double *const *values, int repeat)
{
    double *inputs[MAX_STEP_INPUTS], scalars[MAX_STEP_SCALARS], numbers[MAX_STEP_OUTPUTS],
        *outputs[MAX_STEP_OUTPUTS];
    int64_t update = r->iteration * step->count + repeat;
    for (int k = 0; k < step->input_count; k++)
        inputs[k] = input_slice(r, step, step->inputs[k], repeat, values[k]);
    for (int k = 0; k < step->scalar_count; k++)
        scalars[k] = scalar_value(r, &step->scalars[k], update + 1);
    for (int k = 0; k < step->output_count; k++)
        outputs[k] = &numbers[k];
    interpreter_run(r->interpreter, step, inputs, scalars, outputs);
    for (int k = 0; k < step->output_count; k++) {
        double *losses = result_values(r, step->output_names[k]);
        if (losses != NULL)
            losses[update] = numbers[k];
    }
}

static double **read_inputs(const Replay *r, const Step *step)
{
    double **values = arena_alloc(MAX_STEP_INPUTS * sizeof *values);
    for (int k = 0; k < step->input_count; k++) {
        StoredTensor expected = describe_input(r, step, step->inputs[k]);
        values[k] = read_tensor(r, &expected);
    }
    return values;
}

static void run_iterations(Replay *r)
{
    Step *clamp = find_step(r, "clamp");
    Step *updates[] = {find_step(r, "d_step"), find_step(r, "g_step")};
    double **values[] = {read_inputs(r, updates[0]), read_inputs(r, updates[1])};
    for (r->iteration = 0; r->iteration < r->iterations; r->iteration++) {
        if (clamp != NULL)
            interpreter_run(r->interpreter, clamp, NULL, NULL, NULL);
        for (int u = 0; u < 2; u++)
            for (int repeat = 0; repeat < updates[u]->count; repeat++)
                run_update(r, updates[u], values[u], repeat);
    }
}

/* ---------------------------------------------------------------- results */
static void add_losses(Replay *r, const Step *step)
{
    static const char *const reported[] = {"d_loss", "g_loss", "penalty"};
    int64_t count = r->iterations * step->count;
    for (int k = 0; k < step->output_count; k++)
        for (size_t i = 0; i < sizeof reported / sizeof reported[0]; i++)
            if (strcmp(step->output_names[k], reported[i]) == 0)
                r->results[r->result_count++] =
                    (StoredTensor){.name = reported[i],
                                   .type = STORED_F64,
                                   .rank = 1,
                                   .dims = {(uint64_t)count},
                                   .data = arena_alloc((size_t)count * sizeof(double))};
}

static void add_state(Replay *r)
{
    for (int i = 0; i < r->graph->tensor_count; i++) {
        const Tensor *tensor = r->graph->tensors[i];
        if (!is_replayed(tensor))
            continue;
        StoredTensor stored = describe_tensor(tensor);
        stored.data = interpreter_tensor(r->interpreter, tensor);
        r->results[r->result_count++] = stored;
    }
}

/* Rows of the final generator for the first latents, and the conditions of the first rows. */
static void add_fake(Replay *r)
{
    const Model *m = r->model;
    int rows = m->batch_size, columns = m->x_dim - m->cond_dim;
    Step *sample = find_step(r, "sample"), *d_step = find_step(r, "d_step");
    double *real = NULL, *inputs[MAX_STEP_INPUTS] = {NULL};
    double *conditions = arena_alloc((size_t)rows * (size_t)m->cond_dim * sizeof *conditions + 1);
    double *fake = arena_alloc((size_t)rows * (size_t)columns * sizeof *fake);
    double **values = read_inputs(r, d_step);
    for (int k = 0; k < d_step->input_count; k++) {
        if (strcmp(d_step->inputs[k]->name, "real") == 0)
            real = values[k];
        if (strcmp(d_step->inputs[k]->name, "z_d") == 0)
            inputs[0] = values[k];
    }
    for (int i = 0; i < rows && real != NULL; i++)
        memcpy(conditions + i * m->cond_dim, real + i * m->x_dim + columns,
               (size_t)m->cond_dim * sizeof *real);
    inputs[1] = conditions;
    interpreter_run(r->interpreter, sample, inputs, NULL, &fake);
    r->results[r->result_count++] = (StoredTensor){.name = "fake",
                                                   .type = STORED_F64,
                                                   .rank = 2,
                                                   .dims = {(uint64_t)rows, (uint64_t)columns},
                                                   .data = fake};
}

void replay_interpret(const Model *model, const char *input, const char *output)
{
    Error error = {0};
    Replay r = {.model = model, .graph = steps_build(model)};
    r.interpreter = interpreter_new(r.graph);
    r.results =
        arena_alloc(((size_t)r.graph->tensor_count + 2 * MAX_STEP_OUTPUTS + 1) * sizeof *r.results);
    if (!safetensors_open(&r.file, input, &error))
        fail_error(&error);
    count_iterations(&r);
    check_names(&r);
    read_state(&r);
    set_bounds(&r);
    add_losses(&r, find_step(&r, "d_step"));
    add_losses(&r, find_step(&r, "g_step"));
    run_iterations(&r);
    add_state(&r);
    add_fake(&r);
    if (!safetensors_write(output, r.results, r.result_count, NULL, 0, &error))
        fail_error(&error);
    safetensors_close(&r.file);
}
