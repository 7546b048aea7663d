/* hyper_losses.c -- the losses of the HyperGAN dialect: from the outputs of D for real and fake
 * samples, of any shape, to two numbers. */
#include "hypergan.h"

#include <math.h>

static Node *constant(Graph *g, double value, const Node *like)
{
    return node_constant(g, value, like->type);
}

/* There is no extreme over the batch among the operations: the batch is turned by 1, 2, 4 ...
 * samples, and the better one of each pair kept, until each sample has seen all. */
static Node *batch_extreme(Graph *g, Op op, Node *column)
{
    int batch = g->batch_size;
    for (int step = 1; step < batch; step *= 2) {
        double *rows = arena_alloc((size_t)batch * (size_t)batch * sizeof *rows);
        for (int b = 0; b < batch; b++)
            rows[(size_t)b * (size_t)batch + (size_t)((b + step) % batch)] = 1;
        column = node_binary(g, op, column, mix_batch(g, column, rows));
    }
    return column;
}

/* The extreme of all values of a sample. */
static Node *sample_extreme(Graph *g, Op op, Node *value)
{
    Node *flat = value->type.rank == 0
                     ? value
                     : node_reshape(g, value, type_vector(true, (int)type_size(&value->type)));
    if (flat->type.rank == 0)
        return flat;
    if (op == OP_MAX)
        return node_maximum_of(g, flat, 0);
    return negate(g, node_maximum_of(g, negate(g, flat), 0));
}

/* The extreme of all values, exact, in every sample: [batch]. */
static Node *extreme(Graph *g, Op op, Node *value)
{
    return node_unary(g, OP_STOP, batch_extreme(g, op, sample_extreme(g, op, value)));
}

static Node *mean_all(Graph *g, Node *value)
{
    double size = (double)type_size(&value->type);
    return node_scale(g, node_mean_batch(g, node_sum_all(g, value)), 1 / size);
}

Node *reduce_all(Graph *g, Reduce how, Node *value)
{
    switch (how) {
    case REDUCE_MEAN:
        return mean_all(g, value);
    case REDUCE_SUM:
        return node_sum_batch(g, node_sum_all(g, value));
    case REDUCE_MIN: /* ties share the gradient */
    {
        Node *least = extreme(g, OP_MIN, value);
        Node *spread = node_expand_to(g, least, value->type);
        Node *wins = node_unary(g, OP_STOP, node_binary(g, OP_EQUAL, value, spread));
        Node *count = node_sum_batch(g, node_sum_all(g, wins));
        Node *total = node_sum_batch(g, node_sum_all(g, multiply(g, wins, value)));
        return node_binary(g, OP_DIV, total, count);
    }
    case REDUCE_LOGSUMEXP: {
        Node *top = extreme(g, OP_MAX, value);
        Node *below = subtract(g, value, node_expand_to(g, top, value->type));
        Node *sum = node_sum_batch(g, node_sum_all(g, node_unary(g, OP_EXP, below)));
        return add(g, node_unary(g, OP_LOG, sum), node_mean_batch(g, top));
    }
    case REDUCE_LINEAR:
        break;
    }
    internal_error("a reduction of unknown kind");
}

/* max(x, 0) - x t + log(1 + e^-|x|) */
static Node *cross_entropy(Graph *g, Node *x, double target)
{
    return subtract(g, softplus(g, x), node_scale(g, x, target));
}

/* Cross entropy less the entropy of the target. */
static Node *divergence(Graph *g, Node *x, double t)
{
    double entropy = (t > 0 ? t * log(t) : 0) + (t < 1 ? (1 - t) * log(1 - t) : 0);
    return node_shift(g, cross_entropy(g, x, t), entropy);
}

static Node *half_square(Graph *g, Node *x, double label)
{
    return node_scale(g, square(g, node_shift(g, x, -label)), 0.5);
}

/* -log(sigmoid(x) + 1e-12) */
static Node *minus_log_sigmoid(Graph *g, Node *x)
{
    Node *p = node_shift(g, node_unary(g, OP_SIGMOID, x), 1e-12);
    return negate(g, node_unary(g, OP_LOG, p));
}

/* ---------------------------------------------------------------- f-divergences */
static Node *f_activation(Graph *g, const GanLossConfig *c, Node *v)
{
    LossType type = c->type;
    Node *minus = negate(g, v);
    switch (type) {
    case TYPE_KL: /* as in the source: min(e^9, v) */
        return node_binary(g, OP_MIN, v, constant(g, exp(9), v));
    case TYPE_JS: /* ln 2 - ln(1 + e^-v) */
        return node_shift(g, negate(g, softplus(g, minus)), log(2));
    case TYPE_GAN:
        return negate(g, softplus(g, minus));
    case TYPE_REVERSE_KL:
        return negate(g, node_unary(g, OP_EXP, minus));
    case TYPE_ALPHA1:
        return node_shift(g, negate(g, softplus(g, minus)), 1 / (1 - c->alpha));
    case TYPE_ALPHA2:
        return v;
    case TYPE_PEARSON:
    case TYPE_TOTAL_VARIATION:
        return type == TYPE_PEARSON ? v : node_scale(g, node_unary(g, OP_TANH, v), 0.5);
    case TYPE_SQUARED_HELLINGER:
    case TYPE_NEYMAN:
        return node_shift(g, negate(g, node_unary(g, OP_EXP, minus)), 1);
    default: /* js_weighted: -pi ln pi - ln(1 + e^-v), pi = 1/2 */
        return node_shift(g, negate(g, softplus(g, minus)), 0.5 * log(2));
    }
}

/* x^p / alpha^q - 1/alpha, x = (t (alpha - 1) + 1) / alpha: q is 0 in the original; 1 - p, which
 * takes 1/alpha out of the power, in the paper of Nowozin and others. */
static Node *alpha_conjugate(Graph *g, const GanLossConfig *c, Node *t)
{
    double alpha = c->alpha, power = alpha / (alpha - 1);
    Node *x = node_scale(g, node_shift(g, node_scale(g, t, alpha - 1), 1), 1 / alpha);
    x = node_binary(g, OP_MAX, x, constant(g, 1e-6, x)); /* where it ends */
    Node *raised = node_unary(g, OP_EXP, node_scale(g, node_unary(g, OP_LOG, x), power));
    double factor = c->strict ? pow(alpha, power - 1) : 1;
    return node_shift(g, node_scale(g, raised, factor), -1 / alpha);
}

static Node *f_conjugate(Graph *g, const GanLossConfig *c, Node *t)
{
    LossType type = c->type;
    Node *one = constant(g, 1, t);
    switch (type) {
    case TYPE_KL: /* e^(t - 1), t at most 10 as in the source */
        return node_unary(g, OP_EXP,
                          node_shift(g, node_binary(g, OP_MIN, t, constant(g, 10, t)), -1));
    case TYPE_JS: /* -ln(2 - e^t) */
        return negate(g,
                      node_unary(g, OP_LOG, node_shift(g, negate(g, node_unary(g, OP_EXP, t)), 2)));
    case TYPE_GAN: /* -ln(1 - e^t) */
        return negate(g, node_unary(g, OP_LOG, subtract(g, one, node_unary(g, OP_EXP, t))));
    case TYPE_REVERSE_KL: /* -1 - ln(-t) */
        return node_shift(g, negate(g, node_unary(g, OP_LOG, negate(g, t))), -1);
    case TYPE_PEARSON:
        return add(g, node_scale(g, square(g, t), 0.25), t);
    case TYPE_TOTAL_VARIATION:
        return t;
    case TYPE_ALPHA1:
    case TYPE_ALPHA2:
        return alpha_conjugate(g, c, t);
    case TYPE_SQUARED_HELLINGER:
        return node_binary(g, OP_DIV, t, subtract(g, one, t));
    case TYPE_NEYMAN: /* 2 - 2 sqrt(1 - t) */
        return node_shift(g, node_scale(g, node_unary(g, OP_SQRT, subtract(g, one, t)), -2), 2);
    default: { /* js_weighted, pi = 1/2: (1 - pi) ln((1 - pi) / (1 - pi e^(t / pi))) */
        Node *inner = node_unary(g, OP_EXP, node_scale(g, t, 2));
        Node *rest = node_shift(g, node_scale(g, inner, -0.5), 1);
        Node *log_rest = node_shift(g, negate(g, node_unary(g, OP_LOG, rest)), log(0.5));
        return node_scale(g, log_rest, 0.5);
    }
    }
}

/* gan: conj(gf(v)) = -ln(1 - sigmoid(v)) = softplus(v), which does not overflow. */
static Node *f_conjugate_of(Graph *g, const GanLossConfig *c, Node *v)
{
    return c->type == TYPE_GAN ? softplus(g, v) : f_conjugate(g, c, f_activation(g, c, v));
}

/* (e^(a f) - 1 - a (e^f - 1)) / (a (a - 1)) */
static Node *alpha_generator(Graph *g, double a, Node *f)
{
    Node *raised = node_shift(g, node_unary(g, OP_EXP, node_scale(g, f, a)), -1);
    Node *straight = node_scale(g, node_shift(g, node_unary(g, OP_EXP, f), -1), a);
    return node_scale(g, subtract(g, raised, straight), 1 / (a * (a - 1)));
}

/* Losses of G for a g_loss_type; gan and total_variation: of the divergence's own conjugate. */
static Node *generator_divergence(Graph *g, const GanLossConfig *c, Node *f)
{
    Node *one = constant(g, 1, f);
    switch (c->g_type) {
    case TYPE_JS:
        return negate(g, node_unary(g, OP_EXP, f));
    case TYPE_JS_WEIGHTED: { /* (1 - u) / 2 u */
        Node *u = node_binary(g, OP_MAX, f, constant(g, 0.1, f));
        return node_scale(g, node_binary(g, OP_DIV, subtract(g, one, u), u), 0.5);
    }
    case TYPE_PEARSON:
        return node_shift(g, node_scale(g, f, -0.5), 1);
    case TYPE_NEYMAN: { /* 1 / sqrt(1 - f), which would end at f = 1 */
        Node *rest = node_leaky(g, OP_LEAKY, subtract(g, one, f), 0);
        return node_binary(g, OP_DIV, one, node_unary(g, OP_SQRT, node_shift(g, rest, 0.01)));
    }
    case TYPE_SQUARED_HELLINGER: {
        Node *size = node_shift(g, square(g, node_shift(g, f, -1)), 0.01);
        return negate(g, node_binary(g, OP_DIV, one, size));
    }
    case TYPE_REVERSE_KL:
        return negate(g, f);
    case TYPE_KL: {
        Node *t = f_activation(g, c, f);
        if (c->type == TYPE_KL)
            t = node_binary(g, OP_MIN, t, constant(g, 10, t));
        return negate(g, multiply(g, t, node_unary(g, OP_EXP, t)));
    }
    case TYPE_ALPHA1:
        return alpha_generator(g, c->alpha, f);
    case TYPE_ALPHA2:
        return negate(g,
                      alpha_generator(g, c->alpha, node_binary(g, OP_MIN, f, constant(g, 4, f))));
    default:
        return negate(g, f_conjugate_of(g, c, f));
    }
}

static GanTerms f_divergence(Graph *g, const GanLossConfig *c, Node *r, Node *f)
{
    Node *real = negate(g, f_activation(g, c, r));
    GanTerms terms = {.d_loss = add(g, real, f_conjugate_of(g, c, f))};
    terms.g_loss = generator_divergence(g, c, f);
    return terms;
}

/* ---------------------------------------------------------------- the others */
static Node *row_mean(Graph *g, Node *x) /* [b, ...] -> [b] */
{
    double size = (double)type_size(&x->type);
    return node_scale(g, node_sum_all(g, x), 1 / size);
}

/* ln(sum e^-r + sum e^-f) of each row */
static Node *log_partition(Graph *g, Node *r, Node *f)
{
    Node *low = node_unary(g, OP_STOP,
                           node_binary(g, OP_MIN, sample_extreme(g, OP_MIN, r),
                                       sample_extreme(g, OP_MIN, f)));
    Node *parts[2] = {r, f}, *sum = NULL;
    for (int k = 0; k < 2; k++) {
        Node *over = subtract(g, node_expand_to(g, low, parts[k]->type), parts[k]);
        Node *part = node_sum_all(g, node_unary(g, OP_EXP, over));
        sum = sum ? add(g, sum, part) : part;
    }
    return subtract(g, node_unary(g, OP_LOG, sum), low);
}

static GanTerms softmax_loss(Graph *g, Node *r, Node *f)
{
    Node *log_z = log_partition(g, r, f), *real = row_mean(g, r), *fake = row_mean(g, f);
    GanTerms terms = {.d_loss = add(g, real, log_z)};
    terms.g_loss = add(g, add(g, fake, real), log_z);
    return terms;
}

static GanTerms standard_loss(Graph *g, const GanLossConfig *c, Node *r, Node *f)
{
    GanTerms terms = {0};
    if (c->improved) {
        Node *real = divergence(g, r, 1 - c->label_smooth);
        terms.d_loss = add(g, real, cross_entropy(g, f, 0));
        terms.g_loss = divergence(g, f, c->target);
        return terms;
    }
    Node *real = cross_entropy(g, r, 0);
    terms.d_loss = add(g, real, cross_entropy(g, f, 1));
    terms.g_loss = cross_entropy(g, f, 0);
    return terms;
}

static GanTerms least_squares(Graph *g, const GanLossConfig *c, Node *r, Node *f)
{
    Node *real = half_square(g, r, c->labels[1]);
    GanTerms terms = {.d_loss = add(g, real, half_square(g, f, c->labels[0]))};
    terms.g_loss = half_square(g, f, c->labels[2]);
    return terms;
}

static GanTerms wasserstein(Graph *g, bool reverse, Node *r, Node *f)
{
    if (reverse) {
        GanTerms terms = {.d_loss = subtract(g, f, r)};
        terms.g_loss = negate(g, f);
        return terms;
    }
    GanTerms terms = {.d_loss = subtract(g, r, f), .g_loss = f};
    return terms;
}

static GanTerms relativistic(Graph *g, const GanLossConfig *c, Node *r, Node *f)
{
    GanTerms terms = {0};
    Node *up = subtract(g, r, f), *down = subtract(g, f, r);
    if (c->type == TYPE_LEAST_SQUARES) {
        Node *real = half_square(g, up, c->labels[1]);
        terms.d_loss = add(g, real, half_square(g, down, c->labels[0]));
        Node *fake = half_square(g, down, c->labels[2]);
        terms.g_loss = add(g, fake, half_square(g, up, c->labels[0]));
        return terms;
    }
    terms.d_loss = minus_log_sigmoid(g, up);
    terms.g_loss = minus_log_sigmoid(g, down);
    return terms;
}

/* One side of the ALI loss; the other has real and fake exchanged. */
static Node *ali_side(Graph *g, const GanLossConfig *c, Node *r, Node *f)
{
    switch (c->type) {
    case TYPE_LEAST_SQUARES: {
        Node *real = half_square(g, r, c->labels[1]);
        return add(g, real, half_square(g, f, c->labels[0]));
    }
    case TYPE_WASSERSTEIN:
        return subtract(g, r, f);
    case TYPE_LABEL_SMOOTHING: {
        Node *real = cross_entropy(g, r, 1 - c->label_smooth);
        return add(g, real, cross_entropy(g, f, c->label_smooth));
    }
    default: { /* original, logistic and none: -ln s(r) - ln(1 - s(f)) */
        Node *real = softplus(g, negate(g, r));
        return add(g, real, softplus(g, f));
    }
    }
}

static GanTerms ali_loss(Graph *g, const GanLossConfig *c, Node *r, Node *f)
{
    GanTerms terms = {.d_loss = ali_side(g, c, r, f)};
    terms.g_loss = ali_side(g, c, f, r);
    return terms;
}

static GanTerms mixture(Graph *g, const GanLossConfig *c, Node *r, Node *f)
{
    GanTerms parts[] = {wasserstein(g, c->reverse, r, f), least_squares(g, c, r, f),
                        standard_loss(g, c, r, f)};
    double rest = 1 - fmin(c->alpha + c->beta, 1), weights[] = {c->alpha, c->beta, rest};
    GanTerms sum = {0};
    for (int k = 0; k < 3; k++) {
        Node *d = node_scale(g, parts[k].d_loss, weights[k]);
        Node *other = node_scale(g, parts[k].g_loss, weights[k]);
        sum.d_loss = sum.d_loss ? add(g, sum.d_loss, d) : d;
        sum.g_loss = sum.g_loss ? add(g, sum.g_loss, other) : other;
    }
    return sum;
}

/* -(r - f) + (r - f)^2 / (20 mean |x - g|), sample by sample. */
static GanTerms quadratic(Graph *g, Node *r, Node *f, Node *x, Node *made)
{
    Node *way = subtract(g, row_mean(g, r), row_mean(g, f));
    Node *distance = row_mean(g, node_unary(g, OP_ABS, subtract(g, x, made)));
    Node *curve = node_binary(g, OP_DIV, square(g, way), node_scale(g, distance, 20));
    GanTerms terms = {.d_loss = subtract(g, curve, way), .g_loss = way};
    return terms;
}

/* l_x + k l_dg; k <- clip(k + k_lambda (gamma r - g), 0, 1) with reduced r and f. */
static GanTerms boundary_equilibrium(Graph *g, const GanLossConfig *c, Node *r, Node *f, Node *k)
{
    Node *real = reduce_all(g, c->reduce, r), *fake = reduce_all(g, c->reduce, f);
    Node *l_x = real, *l_dg = negate(g, fake);
    GanTerms terms = {.g_loss = fake};
    if (c->type == TYPE_LEAST_SQUARES) {
        l_x = square(g, node_shift(g, real, -c->labels[1]));
        l_dg = square(g, node_shift(g, fake, -c->labels[0]));
        terms.g_loss = square(g, node_shift(g, fake, -c->labels[2]));
    }
    terms.d_loss = add(g, l_x, c->use_k ? multiply(g, k, l_dg) : l_dg);
    Node *excess = subtract(g, node_scale(g, real, c->gamma), terms.g_loss);
    terms.next_k = clip(g, add(g, k, node_scale(g, excess, c->k_lambda)), 0, 1);
    return terms;
}

static GanTerms value_by_value(Graph *g, const GanLossConfig *c, Node *r, Node *f, Node *x,
                               Node *made)
{
    switch (c->kind) {
    case GAN_WASSERSTEIN:
        return wasserstein(g, c->reverse, r, f);
    case GAN_LEAST_SQUARES:
        return least_squares(g, c, r, f);
    case GAN_STANDARD:
        return standard_loss(g, c, r, f);
    case GAN_LOGISTIC: {
        Node *real = softplus(g, negate(g, r)), *fooled = softplus(g, negate(g, f));
        return (GanTerms){.d_loss = add(g, real, softplus(g, f)), .g_loss = fooled};
    }
    case GAN_SOFTMAX:
        return softmax_loss(g, r, f);
    case GAN_CRAMER: {
        Node *up = subtract(g, f, r);
        return (GanTerms){.d_loss = up, .g_loss = subtract(g, r, f)};
    }
    case GAN_RAGAN:
        return relativistic(g, c, r, f);
    case GAN_ALI:
        return ali_loss(g, c, r, f);
    case GAN_LAMB:
        return mixture(g, c, r, f);
    case GAN_QP:
        return quadratic(g, r, f, x, made);
    case GAN_F_DIVERGENCE:
        return f_divergence(g, c, r, f);
    case GAN_BOUNDARY_EQUILIBRIUM:
        break;
    }
    internal_error("a loss of unknown kind");
}

GanTerms gan_loss(Graph *g, const GanLossConfig *c, Node *real, Node *fake, Node *k,
                  Node *real_image, Node *fake_image)
{
    if (c->kind == GAN_BOUNDARY_EQUILIBRIUM)
        return boundary_equilibrium(g, c, real, fake, k);
    GanTerms terms = value_by_value(g, c, real, fake, real_image, fake_image);
    terms.d_loss = reduce_all(g, c->reduce, terms.d_loss);
    terms.g_loss = reduce_all(g, c->reduce, terms.g_loss);
    return terms;
}
