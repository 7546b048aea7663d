/* replay.c -- `gagac replay`: whole training steps in the double-precision interpreter, with every
 * draw and every parameter given; the reference of RUN/train --replay. */
#include "hypergan.h"

#include "safetensors.h"

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
    return strcmp(step->name, "g_step") != 0 || input->last_data || input->first_only;
}

/* Updates of an iteration, of all kinds: each is one pass of the networks. */
static int passes(const Replay *r)
{
    int count = 0;
    for (int i = 0; i < r->graph->step_count; i++)
        count += r->graph->steps[i].count;
    return count;
}

/* Passes of an iteration before the first of this step. */
static int passes_before(const Replay *r, const Step *step)
{
    int count = 0;
    for (const Step *other = r->graph->steps; other < step; other++)
        count += other->count;
    return count;
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

/* Slabs of the noise of a layer in D belong to training passes only; G has one more, for the
 * sample.
 */
static bool is_sampled(const Replay *r, const Input *input)
{
    const Step *sample = find_step(r, "sample");
    for (int k = 0; k < sample->input_count; k++)
        if (strcmp(sample->inputs[k]->name, input->name) == 0)
            return true;
    return false;
}

static StoredTensor describe_input(const Replay *r, const Step *step, const Input *input)
{
    int updates = has_slices_of_d(step, input) ? r->model->d_updates : r->model->g_updates;
    int parts = input->parts > 0 ? input->parts : 1;
    StoredTensor stored = {.name = input->name,
                           .rank = input->flat ? 2 : 3,
                           .dims = {(uint64_t)r->iterations * (uint64_t)updates,
                                    (uint64_t)(r->model->batch_size * parts),
                                    (uint64_t)input->width}};
    if (input->every_pass)
        stored.dims[0] = (uint64_t)(r->iterations * passes(r) + (is_sampled(r, input) ? 1 : 0));
    for (int k = 0; k < 3 && input->map[0] > 0; k++)
        stored.dims[2 + k] = (uint64_t)input->map[k];
    if (input->map[0] > 0)
        stored.rank = 5;
    return stored;
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

static void set_first_value(const Replay *r, const Tensor *tensor)
{
    double *to = interpreter_tensor(r->interpreter, tensor);
    size_t size = (size_t)type_size(&tensor->type);
    for (size_t k = 0; k < size; k++)
        to[k] = tensor->init == INIT_ONE ? 1 : tensor->init == INIT_VALUE ? tensor->scale : 0;
    if (tensor->init == INIT_SOURCE)
        memcpy(to, interpreter_tensor(r->interpreter, tensor->source), size * sizeof *to);
}

/* Tensors of the state; averages start as copies of what they follow. */
static void read_state(Replay *r)
{
    for (int i = 0; i < r->graph->tensor_count; i++) {
        const Tensor *tensor = r->graph->tensors[i];
        const Tensor *from = tensor->role == ROLE_AVERAGE ? tensor->source : tensor;
        size_t size = (size_t)type_size(&tensor->type);
        if (tensor->init == INIT_SOURCE)
            from = tensor->source;
        if (tensor->role != ROLE_PARAMETER && tensor->init != INIT_SOURCE)
            set_first_value(r, tensor);
        if (is_replayed(from)) {
            StoredTensor expected = describe_tensor(from);
            memcpy(interpreter_tensor(r->interpreter, tensor), read_tensor(r, &expected),
                   size * sizeof(double));
        }
    }
}

/* Bounds of the generator's columns are taken as they stand in the config: the rows of a replay are
 * normalised already. */
static void set_bounds(Replay *r)
{
    const Net *net = &r->model->generator;
    const Layer *last = &net->layers[net->layer_count - 1];
    for (int i = 0; i < r->graph->tensor_count && net->layer_count > 0; i++) {
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
    case SCALAR_COURSE:
        return course_value(&scalar->course, (double)r->iteration, r->model->seed);
    }
    internal_error("a scalar of unknown kind");
}

static int64_t slice_index(const Replay *r, const Step *step, const Input *input, int repeat)
{
    if (input->every_pass && strcmp(step->name, "sample") == 0)
        return r->iterations * passes(r);
    if (input->every_pass)
        return r->iteration * passes(r) + passes_before(r, step) + repeat;
    int updates = has_slices_of_d(step, input) ? r->model->d_updates : r->model->g_updates;
    int64_t slice = r->iteration * updates;
    if (input->last_data)
        return slice + updates - 1;
    return input->first_only ? slice : slice + repeat;
}

/* Samples from the order h w c of a file to that of the graph's maps, or back. */
static double *reorder(const double *samples, int count, const int map[3], bool to_maps)
{
    int h = map[0], w = map[1], c = map[2];
    double *out = arena_alloc((size_t)count * (size_t)(h * w * c) * sizeof *out);
    for (int b = 0; b < count; b++)
        for (int cell = 0; cell < h * w; cell++)
            for (int k = 0; k < c; k++) {
                int in_rows = (b * h * w + cell) * c + k, in_maps = (b * c + k) * h * w + cell;
                if (to_maps)
                    out[in_maps] = samples[in_rows];
                else
                    out[in_rows] = samples[in_maps];
            }
    return out;
}

/* The slice of an input's values that an update reads. */
static double *input_slice(const Replay *r, const Step *step, const Input *input, int repeat,
                           double *values)
{
    int64_t slice = slice_index(r, step, input, repeat);
    int batch = r->model->batch_size, parts = input->parts > 0 ? input->parts : 1;
    double *rows = values + (slice * parts + input->part) * batch * input->width;
    return input->map[0] > 0 ? reorder(rows, batch, input->map, true) : rows;
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

static bool is_update(const Step *step)
{
    return strcmp(step->name, "clamp") != 0 && strcmp(step->name, "sample") != 0 &&
           step->count > 0; /* an evaluation is none */
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

/* ---------------------------------------------------------------- hooks */
typedef struct Inner { /* the inner training of a MatchSupport, as in runtime/train/hooks.c */
    Replay *r;
    const Match *match;
    Step *step;
    double *inputs[MAX_STEP_INPUTS];
    double *factor, *moved, *last;
    const char *remembered; /* part of the names of what its optimiser keeps */
    int runs;
    double loss;
} Inner;

static double *number_at(const Replay *r, const char *name)
{
    for (int i = 0; i < r->graph->tensor_count; i++)
        if (strcmp(r->graph->tensors[i]->name, name) == 0)
            return interpreter_tensor(r->interpreter, r->graph->tensors[i]);
    internal_error("no tensor %s", name);
}

static void reset_offsets(const Replay *r, const Match *match, const char *remembered)
{
    for (int i = 0; i < r->graph->tensor_count; i++) {
        const Tensor *tensor = r->graph->tensors[i];
        if (is_match_offset(tensor, match) ||
            (remembered != NULL && strstr(tensor->name, remembered) != NULL))
            set_first_value(r, tensor);
    }
}

static void run_inner(Inner *n, double factor)
{
    double scalars[MAX_STEP_SCALARS], *outputs[MAX_STEP_OUTPUTS] = {&n->loss};
    for (int k = 0; k < n->step->scalar_count; k++)
        scalars[k] = scalar_value(n->r, &n->step->scalars[k], n->runs + 1);
    n->runs++;
    *n->factor = factor;
    interpreter_run(n->r->interpreter, n->step, n->inputs, scalars, outputs);
}

static bool run_inner_depth(Inner *n, int depth)
{
    reset_offsets(n->r, n->match, n->remembered);
    *n->last = 0;
    n->runs = 0;
    for (int k = 0; k < n->match->max_steps * (depth + 1); k++) {
        run_inner(n, (depth + 1) / 2.0);
        if (*n->moved == 0)
            return true;
    }
    run_inner(n, 0);
    return !n->match->has_threshold || n->loss <= n->match->threshold;
}

static void match(Replay *r, const Hook *hook, int number, double *const *values)
{
    Inner n = {.r = r, .match = &hook->match};
    const Step *first = &r->graph->steps[0];
    n.step = find_step(r, arena_printf("match%d", number));
    n.factor = number_at(r, arena_printf("control.match%d_factor", number));
    n.last = number_at(r, arena_printf("control.match%d_last", number));
    n.moved = number_at(r, arena_printf("control.match%d_moved", number));
    n.remembered = arena_printf(".match%d_", number);
    for (int k = 0; k < n.step->input_count; k++)
        for (int i = 0; i < first->input_count; i++)
            if (strcmp(first->inputs[i]->name, n.step->inputs[k]->name) == 0 &&
                first->inputs[i]->part == n.step->inputs[k]->part)
                n.inputs[k] = input_slice(r, first, first->inputs[i], 0, values[i]);
    reset_offsets(r, n.match, n.remembered);
    *n.last = 0;
    run_inner(&n, 0);
    if (n.match->has_threshold && n.loss < n.match->threshold)
        return;
    for (int depth = 0; depth < n.match->max_depth && !run_inner_depth(&n, depth); depth++)
        continue;
}

static void run_hooks(Replay *r, double *const *values, bool before)
{
    const Trainer *t = r->model->hyper != NULL ? &r->model->hyper->trainer : NULL;
    for (int k = 0; t != NULL && k < t->hook_count; k++) {
        const Hook *hook = &t->hooks[k];
        bool matches = hook->kind == HOOK_MATCH_SUPPORT;
        if (matches && before)
            match(r, hook, k, values);
        else if (matches)
            reset_offsets(r, &hook->match, NULL);
        else if (hook->kind == HOOK_WEIGHT_CONSTRAINT && !before &&
                 (r->iteration + 1) % hook->every == 0)
            interpreter_run(r->interpreter, find_step(r, "constrain"), NULL, NULL, NULL);
    }
}

static void run_iterations(Replay *r)
{
    Graph *g = r->graph;
    double **values[MAX_STEPS] = {NULL};
    for (int i = 0; i < g->step_count; i++)
        if (is_update(&g->steps[i]))
            values[i] = read_inputs(r, &g->steps[i]);
    for (r->iteration = 0; r->iteration < r->iterations; r->iteration++) {
        run_hooks(r, values[0], true);
        for (int i = 0; i < g->step_count; i++) {
            Step *step = &g->steps[i];
            if (strcmp(step->name, "clamp") == 0)
                interpreter_run(r->interpreter, step, NULL, NULL, NULL);
            for (int repeat = 0; is_update(step) && repeat < step->count; repeat++)
                run_update(r, step, values[i], repeat);
        }
        run_hooks(r, values[0], false);
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

/* What an input of the sampler reads: the first latents, the conditions of the first rows, the last
 * slab of a layer's noise. */
static double *sample_input(const Replay *r, const Step *sample, const Input *input)
{
    const Model *m = r->model;
    Input stored = *input;
    bool latent = strcmp(input->name, "z") == 0, condition = strcmp(input->name, "condition") == 0;
    stored.name = latent ? "z_d" : condition ? "real" : input->name;
    stored.width = condition ? m->x_dim : input->width;
    const Step *first = latent || condition ? &r->graph->steps[0] : sample;
    StoredTensor expected = describe_input(r, first, &stored);
    double *values = read_tensor(r, &expected);
    if (!condition)
        return latent ? values : input_slice(r, sample, input, 0, values);
    int rows = m->batch_size, columns = m->x_dim - m->cond_dim;
    double *conditions = arena_alloc((size_t)rows * (size_t)m->cond_dim * sizeof *conditions + 1);
    for (int i = 0; i < rows; i++)
        memcpy(conditions + i * m->cond_dim, values + i * m->x_dim + columns,
               (size_t)m->cond_dim * sizeof *values);
    return conditions;
}

/* What the final generator makes of the first latents. */
static void add_fake(Replay *r)
{
    const Model *m = r->model;
    int rows = m->batch_size, columns = m->x_dim - m->cond_dim;
    const Step *sample = find_step(r, "sample");
    double *inputs[MAX_STEP_INPUTS] = {NULL}, scalars[MAX_STEP_SCALARS] = {0};
    double *fake = arena_alloc((size_t)rows * (size_t)columns * sizeof *fake);
    for (int k = 0; k < sample->input_count; k++)
        inputs[k] = sample_input(r, sample, sample->inputs[k]);
    for (int k = 0; k < sample->scalar_count; k++)
        scalars[k] = scalar_value(r, &sample->scalars[k], 1);
    interpreter_run(r->interpreter, sample, inputs, scalars, &fake);
    StoredTensor stored = {.name = "fake",
                           .type = STORED_F64,
                           .rank = 2,
                           .dims = {(uint64_t)rows, (uint64_t)columns},
                           .data = fake};
    if (m->channels > 0) {
        const int map[3] = {m->height, m->width, m->channels};
        stored.rank = 4;
        for (int k = 0; k < 3; k++)
            stored.dims[k + 1] = (uint64_t)map[k];
        stored.data = reorder(fake, rows, map, false);
    }
    r->results[r->result_count++] = stored;
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
    for (int i = 0; i < r.graph->step_count; i++)
        if (is_update(&r.graph->steps[i]))
            add_losses(&r, &r.graph->steps[i]);
    run_iterations(&r);
    add_state(&r);
    add_fake(&r);
    if (!safetensors_write(output, r.results, r.result_count, NULL, 0, &error))
        fail_error(&error);
    safetensors_close(&r.file);
}
