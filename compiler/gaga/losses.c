/* losses.c -- losses and gradient penalties as compositions of graph operations (docs/gaga.md;
 * signs and means as there).
 *
 * A penalty is grad() of the score, so the step's own grad() through it is the double backward:
 * nothing else is needed. */
#include "gagac.h"

/* Binary cross-entropy of sigmoid(s) with target y, from the logit: max(s, 0) - s y + log(1 +
 * exp(-|s|)). */
static Node *cross_entropy(Graph *g, Node *score, Node *target)
{
    Node *logit = score->op == OP_SIGMOID ? score->inputs[0] : score;
    Node *decay = node_unary(g, OP_EXP, node_unary(g, OP_NEG, node_unary(g, OP_ABS, logit)));
    Node *tail = node_unary(g, OP_LOG, node_shift(g, decay, 1));
    Node *above = node_leaky(g, OP_LEAKY, logit, 0);
    Node *linear = node_binary(g, OP_SUB, above, node_binary(g, OP_MUL, logit, target));
    return node_binary(g, OP_ADD, linear, tail);
}

/* Smoothed labels: 1 - s + s u for real, s u for fake rows, u uniform; without smoothing 1 and 0.
 */
static Node *smooth_label(Graph *g, Node *draw, Type type, double hard)
{
    double s = g->model->label_smoothing;
    if (!draw)
        return node_constant(g, hard, type);
    return node_shift(g, node_expand_to(g, node_scale(g, draw, s), type), hard * (1 - s));
}

static Node *mean(Graph *g, Node *column) /* [batch, 1] -> scalar */
{
    return node_mean_batch(g, node_reshape(g, column, (Type){.batch = true}));
}

static Node *hinge(Graph *g, Node *score, double sign) /* max(0, 1 + sign * score) */
{
    return node_leaky(g, OP_LEAKY, node_shift(g, node_scale(g, score, sign), 1), 0);
}

LossTerms discriminator_loss(Graph *g, Node *real, Node *fake, Node *label_real, Node *label_fake)
{
    LossTerms terms = {0};
    switch (g->model->loss) {
    case LOSS_WASSERSTEIN:
        terms.real = node_unary(g, OP_NEG, mean(g, real));
        terms.fake = mean(g, fake);
        break;
    case LOSS_HINGE:
        terms.real = mean(g, hinge(g, real, -1));
        terms.fake = mean(g, hinge(g, fake, 1));
        break;
    case LOSS_BCE:
        terms.real = mean(g, cross_entropy(g, real, smooth_label(g, label_real, real->type, 1)));
        terms.fake = mean(g, cross_entropy(g, fake, smooth_label(g, label_fake, fake->type, 0)));
        break;
    }
    terms.total = node_binary(g, OP_ADD, terms.real, terms.fake);
    return terms;
}

Node *generator_loss(Graph *g, Node *fake, Node *label_real)
{
    if (g->model->loss == LOSS_BCE)
        return mean(g, cross_entropy(g, fake, smooth_label(g, label_real, fake->type, 1)));
    return node_unary(g, OP_NEG, mean(g, fake));
}

/* Length of each row; the guard of 1e-24 under the root keeps the derivative finite at 0. */
static Node *row_norm(Graph *g, Node *rows, NormKind kind)
{
    if (kind == NORM_L1)
        return node_sum(g, node_unary(g, OP_ABS, rows), 0);
    if (kind == NORM_LINF)
        return node_maximum_of(g, node_unary(g, OP_ABS, rows), 0);
    Node *squares = node_sum(g, node_binary(g, OP_MUL, rows, rows), 0);
    Node *guard = node_constant(g, 1e-24, squares->type);
    return node_unary(g, OP_SQRT, node_binary(g, OP_MAX, squares, guard));
}

Node *gradient_penalty(Graph *g, Node *score, Node *at)
{
    const Model *model = g->model;
    Node *slope;
    grad(g, score, NULL, &at, 1, &slope);
    node_named(slope, "slope");
    if (model->penalty_shape == PHI_ZERO_CENTRED && model->penalty_norm == NORM_L2)
        return node_mean_batch(g, node_sum(g, node_binary(g, OP_MUL, slope, slope), 0));
    Node *n = node_named(row_norm(g, slope, model->penalty_norm), "norm");
    Node *excess = node_shift(g, n, -1), *above = node_leaky(g, OP_LEAKY, excess, 0), *phi = NULL;
    switch (model->penalty_shape) {
    case PHI_LS:
        phi = node_binary(g, OP_MUL, excess, excess);
        break;
    case PHI_HINGE:
        phi = above;
        break;
    case PHI_SQUARE_HINGE:
        phi = node_binary(g, OP_MUL, above, above);
        break;
    case PHI_ZERO_CENTRED:
        phi = node_binary(g, OP_MUL, n, n);
        break;
    }
    return node_mean_batch(g, phi);
}
