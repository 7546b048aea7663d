/* steps.c -- a training iteration as graphs: [clamp], discriminator step, generator step, and the
 * sampler.
 *
 * Needs: a checked Model. Guarantees: simplified steps whose inputs carry the names of a replay
 * file. An iteration runs clamp once, d_step `count` times, g_step `count` times; gradients never
 * accumulate over updates. */
#include "hypergan.h"

#include <string.h>

/* Purpose words of the random counter; 0 is left to the runtime (initial values, shuffling). */
enum {
    STREAM_Z_D = 1,
    STREAM_ALPHA,
    STREAM_NOISE_REAL,
    STREAM_NOISE_FAKE_D,
    STREAM_LABEL_REAL,
    STREAM_LABEL_FAKE,
    STREAM_Z_G,
    STREAM_NOISE_FAKE_G,
    STREAM_SAMPLE
};

typedef struct Builder { /* what all steps share */
    Graph *g;
    const Model *model;
    Module *discriminator, *generator;
} Builder;

void step_assign(Step *step, Node *assign)
{
    if (step->assign_count == step->assign_capacity) {
        step->assign_capacity = step->assign_capacity ? 2 * step->assign_capacity : 64;
        Node **bigger = arena_alloc((size_t)step->assign_capacity * sizeof(Node *));
        if (step->assign_count)
            memcpy(bigger, step->assigns, (size_t)step->assign_count * sizeof(Node *));
        step->assigns = bigger;
    }
    step->assigns[step->assign_count++] = assign;
}

Node *add_input(Graph *g, Step *step, Input input)
{
    Input *copy = arena_alloc(sizeof *copy);
    *copy = input;
    if (step->input_count == MAX_STEP_INPUTS)
        fail(EXIT_INVALID,
             "take fewer layers that draw noise, or hooks that apply the discriminator",
             "%s would read more than %d inputs", step->name, MAX_STEP_INPUTS);
    step->inputs[step->input_count++] = copy;
    return node_input(g, copy);
}

Node *add_scalar(Graph *g, Step *step, Scalar scalar)
{
    for (int k = 0; k < step->scalar_count; k++)
        if (strcmp(step->scalars[k].name, scalar.name) == 0)
            return node_scalar(g, scalar.name);
    if (step->scalar_count == MAX_STEP_SCALARS)
        fail(EXIT_INVALID, "take fewer hooks",
             "%s would have more than %d numbers that change from step to step", step->name,
             MAX_STEP_SCALARS);
    step->scalars[step->scalar_count++] = scalar;
    return node_scalar(g, scalar.name);
}

void add_output(Step *step, const char *name, Node *value)
{
    step->output_names[step->output_count] = name;
    step->outputs[step->output_count++] = node_named(value, name);
}

/* ---------------------------------------------------------------- data */
static Node *latent(Builder *b, Step *step, const char *name, int stream, bool uniform)
{
    InputKind kind = uniform ? INPUT_UNIFORM : INPUT_NORMAL;
    return add_input(
        b->g, step,
        (Input){.name = name, .kind = kind, .width = b->model->z_dim, .stream = stream});
}

/* x + sigma s_j noise_ij with s_j the standard deviation (n - 1) of column j of this batch.
 * Differentiable in x. */
static Node *add_noise(Builder *b, Step *step, Node *x, double sigma, Input input)
{
    Graph *g = b->g;
    if (sigma <= 0)
        return x;
    input.kind = INPUT_NORMAL;
    input.width = b->model->x_dim;
    Node *noise = add_input(g, step, input);
    Node *centred = node_binary(g, OP_SUB, x, node_expand_batch(g, node_mean_batch(g, x)));
    Node *squares = node_sum_batch(g, node_binary(g, OP_MUL, centred, centred));
    Node *variance = node_scale(g, squares, 1.0 / (g->batch_size - 1));
    Node *guard = node_constant(g, 1e-24, variance->type);
    Node *deviation = node_unary(g, OP_SQRT, node_binary(g, OP_MAX, variance, guard));
    node_named(deviation, "deviation");
    Node *amount = node_expand_batch(g, node_scale(g, deviation, sigma));
    return node_binary(g, OP_ADD, x, node_binary(g, OP_MUL, amount, noise));
}

/* The real rows as the discriminator sees them. In a G step (last): those of the iteration's last D
 * update. */
static Node *real_rows(Builder *b, Step *step, bool last)
{
    Node *x = add_input(
        b->g, step,
        (Input){.name = "real", .kind = INPUT_DATA, .width = b->model->x_dim, .last_data = last});
    return add_noise(b, step, x, b->model->noise_real,
                     (Input){.name = "noise_real", .stream = STREAM_NOISE_REAL, .last_data = last});
}

static Node *condition_of(Builder *b, Node *x)
{
    const Model *m = b->model;
    return m->cond_dim ? node_slice(b->g, x, 0, m->x_dim - m->cond_dim, m->cond_dim) : NULL;
}

static Node *join(Graph *g, Node *a, Node *condition)
{
    return condition ? node_concat(g, a, condition, 0) : a;
}

static Node *label(Builder *b, Step *step, const char *name, int stream, bool first)
{
    if (b->model->loss != LOSS_BCE || b->model->label_smoothing <= 0)
        return NULL;
    return add_input(b->g, step,
                     (Input){.name = name,
                             .kind = INPUT_UNIFORM,
                             .width = 1,
                             .flat = true,
                             .stream = stream,
                             .first_only = first,
                             .once = b->model->labels_drawn_once});
}

/* The running average of G's weights gives update t the share max(1 - decay, 15 / (16 + t)): it
 * forgets its untrained start. With a constant share a fifth of it would still be there after 1500
 * updates at decay 0.999 (docs/quality.md). */
static void update_average(Graph *g, Step *step, Tensor *p, Node *next, Node *share)
{
    Tensor *average = companion(g, p, "average", ROLE_AVERAGE);
    Node *part = node_expand_to(g, share, p->type), *was = node_parameter(g, average);
    Node *closer = node_binary(g, OP_MUL, node_binary(g, OP_SUB, next, was), part);
    step_assign(step, node_assign(g, average, node_binary(g, OP_ADD, was, closer)));
}

void module_update(Graph *g, Step *step, Module *m, Node *loss, const Optimiser *o)
{
    size_t count = (size_t)m->parameter_count;
    Node **values = arena_alloc(count * sizeof(Node *)),
         **gradients = arena_alloc(count * sizeof(Node *)), *share = NULL;
    double decay = g->model->ema_decay;
    Rates *rates = rates_new(g, step, o, "");
    if (m->net->tag[0] == 'G' && decay > 0)
        share = add_scalar(g, step, (Scalar){.name = "share", .kind = SCALAR_SHARE, .base = decay});
    for (int k = 0; k < m->parameter_count; k++)
        values[k] = node_parameter(g, m->parameters[k]);
    grad(g, loss, NULL, values, m->parameter_count, gradients);
    for (int k = 0; k < m->parameter_count; k++) {
        Tensor *p = m->parameters[k];
        Node *next = optimise(g, step, p, values[k], gradients[k], o, rates, "");
        step_assign(step, node_assign(g, p, next));
        if (share)
            update_average(g, step, p, next, share);
    }
}

/* ---------------------------------------------------------------- the steps */
static Node *add_penalty(Builder *b, Step *step, Node *real, Node *fake)
{
    Graph *g = b->g;
    Node *alpha = add_input(g, step,
                            (Input){.name = "alpha",
                                    .kind = INPUT_UNIFORM,
                                    .width = 1,
                                    .flat = true,
                                    .stream = STREAM_ALPHA});
    Node *a = node_expand_to(g, alpha, real->type); /* a x + (1 - a) xf = xf + a (x - xf) */
    Node *between =
        node_binary(g, OP_ADD, fake, node_binary(g, OP_MUL, a, node_binary(g, OP_SUB, real, fake)));
    node_named(between, "between");
    return gradient_penalty(g, module_apply(g, b->discriminator, between, "between", true),
                            between);
}

static void build_d_step(Builder *b, Step *step)
{
    Graph *g = b->g;
    const Model *m = b->model;
    *step =
        (Step){.name = "d_step", .title = "one update of the discriminator", .count = m->d_updates};
    Node *real = real_rows(b, step, false);
    Node *condition = condition_of(b, real);
    Node *z = latent(b, step, "z_d", STREAM_Z_D, m->z_uniform);
    Node *made = module_apply(g, b->generator, join(g, z, condition), "made", false);
    Node *fake = add_noise(b, step, join(g, made, condition), m->noise_fake,
                           (Input){.name = "noise_fake_d", .stream = STREAM_NOISE_FAKE_D});
    Node *score_real = module_apply(g, b->discriminator, real, "real", true);
    Node *score_fake = module_apply(g, b->discriminator, fake, "fake", true);
    Node *label_real = label(b, step, "label_real", STREAM_LABEL_REAL, false);
    Node *label_fake = label(b, step, "label_fake", STREAM_LABEL_FAKE, false);
    LossTerms terms = discriminator_loss(g, score_real, score_fake, label_real, label_fake);
    Node *loss = terms.total, *penalty = NULL;
    if (m->penalty == PENALTY_GRADIENT) {
        penalty = add_penalty(b, step, real, fake);
        loss = node_binary(g, OP_ADD, loss, node_scale(g, penalty, m->penalty_weight));
    }
    add_output(step, "d_loss", loss);
    add_output(step, "d_real", terms.real);
    add_output(step, "d_fake", terms.fake);
    if (penalty)
        add_output(step, "penalty", penalty);
    module_update(g, step, b->discriminator, loss, &m->d_optimiser);
    module_keep_vectors(g, b->discriminator, step);
}

static void build_g_step(Builder *b, Step *step)
{
    Graph *g = b->g;
    const Model *m = b->model;
    *step = (Step){.name = "g_step", .title = "one update of the generator", .count = m->g_updates};
    Node *condition = m->cond_dim ? condition_of(b, real_rows(b, step, true)) : NULL;
    Node *z = latent(b, step, "z_g", STREAM_Z_G, m->z_uniform);
    Node *made = module_apply(g, b->generator, join(g, z, condition), "made", false);
    Node *fake = add_noise(b, step, join(g, made, condition), m->noise_fake,
                           (Input){.name = "noise_fake_g", .stream = STREAM_NOISE_FAKE_G});
    Node *score = module_apply(g, b->discriminator, fake, "fake", true);
    Node *loss = generator_loss(g, score, label(b, step, "label_real", STREAM_LABEL_REAL, true));
    add_output(step, "g_loss", loss);
    module_update(g, step, b->generator, loss, &m->g_optimiser);
    module_keep_vectors(g, b->discriminator, step);
}

static void build_clamp(Builder *b, Step *step)
{
    Graph *g = b->g;
    *step = (Step){.name = "clamp",
                   .title = "the discriminator's parameters back into their bounds",
                   .count = 1};
    for (int k = 0; k < b->discriminator->parameter_count; k++) {
        Node *p = node_parameter(g, b->discriminator->parameters[k]);
        Node *low = node_constant(g, b->model->clamp_lower, p->type);
        Node *high = node_constant(g, b->model->clamp_upper, p->type);
        Node *inside = node_binary(g, OP_MIN, node_binary(g, OP_MAX, p, low), high);
        step_assign(step, node_assign(g, b->discriminator->parameters[k], inside));
    }
}

static void build_sample(Builder *b, Step *step)
{
    const Model *m = b->model;
    *step = (Step){.name = "sample", .title = "rows from the generator"};
    Node *z = latent(b, step, "z", STREAM_SAMPLE, m->sample_z_uniform);
    Node *condition = NULL;
    if (m->cond_dim)
        condition = add_input(
            b->g, step, (Input){.name = "condition", .kind = INPUT_DATA, .width = m->cond_dim});
    add_output(step, "rows",
               module_apply(b->g, b->generator, join(b->g, z, condition), "made", false));
}

Graph *steps_build(const Model *model)
{
    if (model->hyper != NULL)
        return hyper_steps(model);
    Graph *g = graph_new(model, model->batch_size);
    Builder b = {.g = g, .model = model};
    b.discriminator = module_new(g, &model->discriminator);
    b.generator = module_new(g, &model->generator);
    g->steps = arena_alloc(4 * sizeof(Step));
    if (model->penalty == PENALTY_CLAMP)
        build_clamp(&b, &g->steps[g->step_count++]);
    build_d_step(&b, &g->steps[g->step_count++]);
    build_g_step(&b, &g->steps[g->step_count++]);
    build_sample(&b, &g->steps[g->step_count++]);
    for (int k = 0; k < g->step_count; k++)
        simplify_step(g, &g->steps[k]);
    return g;
}

Graph *sample_build(const Model *model, int batch)
{
    if (model->hyper != NULL)
        return hyper_sample(model, batch);
    Graph *g = graph_new(model, batch);
    Builder b = {.g = g, .model = model};
    b.generator = module_new(g, &model->generator);
    g->steps = arena_alloc(sizeof(Step));
    build_sample(&b, &g->steps[g->step_count++]);
    simplify_step(g, &g->steps[0]);
    return g;
}
