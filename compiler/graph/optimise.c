/* optimise.c -- optimisers: from a gradient to the next value of a parameter, as nodes.
 *
 * GAGA's are PyTorch's, HyperGAN's are TensorFlow 1's: there Adam's epsilon is outside the bias
 * correction, and RMSProp's epsilon is inside the root of a mean square that starts at 1. A wrapper
 * changes the gradient or the result of the optimiser inside it, so wrappers nest; what each
 * remembers is a tensor beside the parameter, named by its path of wrappers. */
#include "gagac.h"

#include <string.h>

typedef struct Update { /* of one parameter */
    Graph *g;
    Step *step;
    Tensor *p;
    Node *value; /* before */
    Node *d;     /* gradient */
    const Optimiser *o;
    const Rates *r;
    const char *prefix; /* of the names of what is remembered */
} Update;

/* ---------------------------------------------------------------- scalars */
static Node *rate_of(Graph *g, Step *step, const Optimiser *o, const char *name)
{
    Scalar scalar = {.name = name, .kind = SCALAR_RATE, .base = o->rate};
    if (o->course.kind != COURSE_FIXED) {
        scalar.kind = SCALAR_COURSE;
        scalar.course = o->course;
    }
    return add_scalar(g, step, scalar);
}

static bool is_adam(OptimiserKind kind)
{
    return kind == OPT_ADAM || kind == OPT_TF_ADAM || kind == OPT_AMSGRAD || kind == OPT_ADAMIRROR;
}

Rates *rates_new(Graph *g, Step *step, const Optimiser *o, const char *suffix)
{
    Rates *r = arena_alloc(sizeof *r);
    if (o->kind < OPT_GIGA_WOLF)
        r->rate = rate_of(g, step, o, arena_printf("rate%s", suffix));
    if (is_adam(o->kind)) {
        r->first = add_scalar(g, step,
                              (Scalar){.name = arena_printf("first%s", suffix),
                                       .kind = SCALAR_UNBIAS,
                                       .base = o->beta1});
        r->second = add_scalar(g, step,
                               (Scalar){.name = arena_printf("second%s", suffix),
                                        .kind = SCALAR_UNBIAS_ROOT,
                                        .base = o->beta2});
    }
    if (o->inner != NULL)
        r->inner = rates_new(g, step, o->inner, suffix);
    if (o->second != NULL)
        r->wolf = rates_new(g, step, o->second, arena_printf("%s_wolf", suffix));
    return r;
}

/* ---------------------------------------------------------------- what is remembered */
Tensor *companion(Graph *g, Tensor *of, const char *what, TensorRole role)
{
    Tensor copy = *of;
    copy.name = arena_printf("%s.%s", of->name, what);
    copy.group = arena_printf("%s_%s", of->group, what);
    copy.label = arena_printf("%s, %s", of->label, what);
    copy.role = role;
    copy.init = INIT_ZERO;
    copy.source = of;
    for (int k = 0; k < g->tensor_count; k++)
        if (strcmp(g->tensors[k]->name, copy.name) == 0)
            return g->tensors[k];
    return graph_tensor(g, copy);
}

static Tensor *slot(const Update *u, const char *what)
{
    return companion(u->g, u->p, arena_printf("%s%s", u->prefix, what), ROLE_OPTIMISER);
}

static Tensor *slot_from(const Update *u, const char *what, double first)
{
    Tensor *tensor = slot(u, what);
    if (first != 0) {
        tensor->init = first == 1 ? INIT_ONE : INIT_VALUE;
        tensor->scale = first;
    }
    return tensor;
}

static Node *binary(const Update *u, Op op, Node *a, Node *b)
{
    return node_binary(u->g, op, a, b);
}

static Node *times(const Update *u, Node *a, Node *scalar)
{
    return binary(u, OP_MUL, a, node_expand_to(u->g, scalar, a->type));
}

static Node *keep(const Update *u, Tensor *tensor, Node *value)
{
    step_assign(u->step, node_assign(u->g, tensor, value));
    return value;
}

/* state <- decay * state + share * value */
static Node *blend(const Update *u, Tensor *state, double decay, Node *value, double share)
{
    Node *old = node_parameter(u->g, state);
    if (decay != 1)
        old = node_scale(u->g, old, decay);
    if (share != 1)
        value = node_scale(u->g, value, share);
    return keep(u, state, binary(u, OP_ADD, old, value));
}

static Node *average(const Update *u, Tensor *state, double decay, Node *value)
{
    return blend(u, state, decay, value, 1 - decay);
}

static Node *squared(const Update *u, Node *a) { return binary(u, OP_MUL, a, a); }

static Node *root(const Update *u, Node *a) { return node_unary(u->g, OP_SQRT, a); }

static Node *shift(const Update *u, Node *a, double term) { return node_shift(u->g, a, term); }

/* ---------------------------------------------------------------- PyTorch's */
static Node *torch_rmsprop(const Update *u)
{
    const Optimiser *o = u->o;
    Node *size = average(u, slot(u, "square"), o->alpha, squared(u, u->d));
    if (o->centered) {
        Node *mean = average(u, slot(u, "mean"), o->alpha, u->d);
        size = binary(u, OP_SUB, size, squared(u, mean));
    }
    Node *direction = binary(u, OP_DIV, u->d, shift(u, root(u, size), o->epsilon));
    return o->momentum == 0 ? direction : blend(u, slot(u, "momentum"), o->momentum, direction, 1);
}

static Node *torch_adam(const Update *u)
{
    const Optimiser *o = u->o;
    Node *first = average(u, slot(u, "first"), o->beta1, u->d);
    Node *second = average(u, slot(u, "second"), o->beta2, squared(u, u->d));
    Node *size = times(u, root(u, second), u->r->second);
    Node *corrected = times(u, first, u->r->first);
    return binary(u, OP_DIV, corrected, shift(u, size, o->epsilon));
}

/* ---------------------------------------------------------------- TensorFlow's */

/* sqrt(1 - beta2^t) / (1 - beta1^t) times a direction. */
static Node *unbiased(const Update *u, Node *direction)
{
    Node *factor = binary(u, OP_DIV, u->r->first, u->r->second);
    return times(u, direction, factor);
}

static Node *adam(const Update *u)
{
    const Optimiser *o = u->o;
    Node *first = average(u, slot(u, "first"), o->beta1, u->d);
    Node *second = average(u, slot(u, "second"), o->beta2, squared(u, u->d));
    if (o->kind == OPT_AMSGRAD) {
        Tensor *largest = slot(u, "largest");
        second = keep(u, largest, binary(u, OP_MAX, node_parameter(u->g, largest), second));
    }
    return unbiased(u, binary(u, OP_DIV, first, shift(u, root(u, second), o->epsilon)));
}

/* Optimistic: the step of the old moments is taken back, then the new one is gone twice. */
static Node *adamirror(const Update *u)
{
    Node *first = node_parameter(u->g, slot(u, "first"));
    Node *size = root(u, node_parameter(u->g, slot(u, "second")));
    Node *was = unbiased(u, binary(u, OP_DIV, first, shift(u, size, u->o->epsilon)));
    Node *now = adam(u);
    return binary(u, OP_SUB, node_scale(u->g, now, 2), was);
}

static Node *adabound(const Update *u)
{
    const Optimiser *o = u->o;
    Node *first = average(u, slot(u, "first"), o->beta1, u->d);
    Node *second = average(u, slot(u, "second"), o->beta2, squared(u, u->d));
    Node *one = node_constant(u->g, 1, second->type);
    Node *step = binary(u, OP_DIV, one, shift(u, root(u, second), o->epsilon));
    step = binary(u, OP_MAX, step, node_constant(u->g, o->lower, step->type));
    step = binary(u, OP_MIN, step, node_constant(u->g, o->upper, step->type));
    return binary(u, OP_MUL, step, first);
}

/* The momentum holds rates, so this is a move, not a direction. */
static Node *rmsprop_move(const Update *u)
{
    const Optimiser *o = u->o;
    Node *size = average(u, slot_from(u, "square", 1), o->alpha, squared(u, u->d));
    if (o->centered) {
        Node *mean = average(u, slot(u, "mean"), o->alpha, u->d);
        size = binary(u, OP_SUB, size, squared(u, mean));
    }
    Node *direction = binary(u, OP_DIV, u->d, root(u, shift(u, size, o->epsilon)));
    Node *move = times(u, direction, u->r->rate);
    return o->momentum == 0 ? move : blend(u, slot(u, "momentum"), o->momentum, move, 1);
}

static Node *adagrad(const Update *u)
{
    Tensor *sum = slot_from(u, "square", u->o->accumulator);
    return binary(u, OP_DIV, u->d, root(u, blend(u, sum, 1, squared(u, u->d), 1)));
}

static Node *adadelta(const Update *u)
{
    const Optimiser *o = u->o;
    Tensor *moves = slot(u, "move");
    Node *square = average(u, slot(u, "square"), o->rho, squared(u, u->d));
    Node *before = root(u, shift(u, node_parameter(u->g, moves), o->epsilon));
    Node *size = root(u, shift(u, square, o->epsilon));
    Node *move = binary(u, OP_MUL, binary(u, OP_DIV, before, size), u->d);
    average(u, moves, o->rho, squared(u, move));
    return move;
}

/* Follow the regularised leader with learning_rate_power -1/2 (McMahan 2013): the next value. */
static Node *ftrl(const Update *u)
{
    const Optimiser *o = u->o;
    Tensor *sum = slot_from(u, "square", o->accumulator), *linear = slot(u, "linear");
    Node *old = node_parameter(u->g, sum);
    Node *size = keep(u, sum, binary(u, OP_ADD, old, squared(u, u->d)));
    Node *rate = node_expand_to(u->g, u->r->rate, u->p->type);
    Node *pull = binary(u, OP_DIV, binary(u, OP_SUB, root(u, size), root(u, old)), rate);
    Node *moved = binary(u, OP_SUB, u->d, binary(u, OP_MUL, pull, u->value));
    Node *z = keep(u, linear, binary(u, OP_ADD, node_parameter(u->g, linear), moved));
    Node *excess = shift(u, node_unary(u->g, OP_ABS, z), -o->l1);
    Node *above = node_leaky(u->g, OP_LEAKY, excess, 0);
    Node *signed_excess = binary(u, OP_MUL, node_unary(u->g, OP_SIGN, z), above);
    Node *curvature = shift(u, binary(u, OP_DIV, root(u, size), rate), 2 * o->l2);
    return node_unary(u->g, OP_NEG, binary(u, OP_DIV, signed_excess, curvature));
}

/* ---------------------------------------------------------------- wrappers */
static Node *inside(const Update *u, Node *value, Node *d)
{
    return optimise(u->g, u->step, u->p, value, d, u->o->inner, u->r->inner, u->prefix);
}

/* Two optimisers take the same gradient, one from theta, one from z; theta goes on from its own
 * point towards z's by the share min(1, |z' - z| / |z' - x|). */
static Node *giga_wolf(const Update *u)
{
    Tensor *wolf = slot(u, "wolf");
    wolf->init = INIT_SOURCE;
    Node *z = node_parameter(u->g, wolf);
    Node *x_next = inside(u, u->value, u->d);
    Node *z_next = optimise(u->g, u->step, u->p, z, u->d, u->o->second, u->r->wolf,
                            arena_printf("%swolf_", u->prefix));
    keep(u, wolf, z_next);
    Node *way = binary(u, OP_SUB, z_next, x_next), *step = binary(u, OP_SUB, z_next, z);
    Node *way_length = root(u, node_sum_all(u->g, squared(u, way)));
    Node *step_length = root(u, node_sum_all(u->g, squared(u, step)));
    Node *tiny = node_constant(u->g, 1e-30, way_length->type);
    Node *share = binary(u, OP_DIV, step_length, binary(u, OP_MAX, way_length, tiny));
    share = binary(u, OP_MIN, share, node_constant(u->g, 1, share->type));
    return binary(u, OP_ADD, x_next, times(u, way, share));
}

/* F <- f_decay F + scale d^2; the pull lam F (theta - the theta of the last step) joins the
 * gradient, F from before this step. */
static Node *elastic(const Update *u)
{
    const Optimiser *o = u->o;
    Tensor *weight = slot_from(u, "fisher", o->ewc_constraint);
    Tensor *anchor = slot(u, "anchor");
    anchor->init = INIT_SOURCE;
    Node *d = u->d;
    if (o->ewc_gradients) {
        Node *away = binary(u, OP_SUB, u->value, node_parameter(u->g, anchor));
        Node *pull = binary(u, OP_MUL, node_parameter(u->g, weight), away);
        d = binary(u, OP_ADD, d, node_scale(u->g, pull, o->ewc_lambda));
    }
    blend(u, weight, o->ewc_decay, squared(u, u->d), o->ewc_scale);
    keep(u, anchor, u->value);
    return inside(u, u->value, d);
}

static Node *negative_momentum(const Update *u)
{
    const Optimiser *o = u->o;
    Tensor *tensor = slot(u, "negative");
    Node *old = node_parameter(u->g, tensor);
    Node *d = binary(u, OP_SUB, u->d, node_scale(u->g, old, o->keep));
    blend(u, tensor, 1 - o->old_share, u->d, o->new_share);
    return inside(u, u->value, d);
}

static Node *ema(const Update *u)
{
    Node *next = inside(u, u->value, u->d);
    Node *old = node_scale(u->g, u->value, u->o->keep);
    return binary(u, OP_ADD, old, node_scale(u->g, next, 1 - u->o->keep));
}

static Node *direction_of(const Update *u)
{
    switch (u->o->kind) {
    case OPT_RMSPROP:
        return torch_rmsprop(u);
    case OPT_ADAM:
        return torch_adam(u);
    case OPT_TF_ADAM:
    case OPT_AMSGRAD:
        return adam(u);
    case OPT_ADAMIRROR:
        return adamirror(u);
    case OPT_ADABOUND:
        return adabound(u);
    case OPT_ADAGRAD:
        return adagrad(u);
    case OPT_ADADELTA:
        return adadelta(u);
    case OPT_MOMENTUM:
        return blend(u, slot(u, "momentum"), u->o->momentum, u->d, 1);
    default:
        return u->d;
    }
}

Node *optimise(Graph *g, Step *step, Tensor *p, Node *value, Node *d, const Optimiser *o,
               const Rates *r, const char *prefix)
{
    if (o->weight_decay != 0)
        d = node_binary(g, OP_ADD, d, node_scale(g, value, o->weight_decay));
    Update u = {g, step, p, value, d, o, r, prefix};
    switch (o->kind) {
    case OPT_GIGA_WOLF:
        return giga_wolf(&u);
    case OPT_ELASTIC:
        return elastic(&u);
    case OPT_NEGATIVE_MOMENTUM:
        return negative_momentum(&u);
    case OPT_EMA:
        return ema(&u);
    case OPT_CURL:
    case OPT_CONSENSUS: /* what they do to the gradient is done: hyper_steps.c */
        return inside(&u, value, d);
    case OPT_FTRL:
        return ftrl(&u);
    case OPT_TF_RMSPROP:
        return node_binary(g, OP_SUB, value, rmsprop_move(&u));
    default:
        return node_binary(g, OP_SUB, value, times(&u, direction_of(&u), r->rate));
    }
}
