/* hyper_payoffs.c -- how good latents are for a fitness trainer, and what a pair of networks of a
 * gang is worth to each of them. Values are taken output by output, then averaged. */
#include "hyper_game.h"

/* ---------------------------------------------------------------- latents */
/* The mean over D's tensors of the mean (or the sum of the sum) of abs(d d_loss / d tensor). */
static Node *gradient_size(Builder *b, Game *game)
{
    Graph *g = b->g;
    bool sums = b->hyper->trainer.search.sums;
    Variables v = game_variables(b, &game->pass, true, false, true);
    Node **slopes = game_gradients(b, game->d_loss, &v), *sum = node_constant(g, 0, type_scalar());
    for (int k = 0; k < v.count; k++) {
        if (is_zero(slopes[k]))
            continue;
        double size = sums ? 1 : (double)type_size(&slopes[k]->type) * v.count;
        Node *part = node_sum_all(g, node_unary(g, OP_ABS, slopes[k]));
        sum = add(g, sum, node_scale(g, part, 1 / size));
    }
    return sum;
}

/* ln abs(x) times -diversity_importance */
static Node *minus_diversity(Builder *b, Node *x)
{
    Node *log = node_unary(b->g, OP_LOG, node_unary(b->g, OP_ABS, x));
    return node_scale(b->g, log, -b->hyper->trainer.search.diversity);
}

/* Those that judge a batch as a whole: a number. */
static Node *batch_fitness(Builder *b, Game *game, Node *size)
{
    Graph *g = b->g;
    Node *d = game->d_loss, *of_g = game->g_loss, *both = add(g, size, d);
    switch (b->hyper->trainer.search.fitness) {
    case FITNESS_LOSSES:
        return subtract(g, of_g, d);
    case FITNESS_G_LOSS:
        return add(g, of_g, minus_diversity(b, subtract(g, both, of_g)));
    case FITNESS_MINUS_G_LOSS:
        return negate(g, of_g);
    case FITNESS_GRADIENTS:
        return size;
    case FITNESS_MINUS_GRADIENTS:
        return negate(g, size);
    case FITNESS_TENTH:
        return node_scale(g, size, 0.1);
    case FITNESS_ENERGY:
        return negate(g, node_unary(g, OP_LOG, game_energy(b, game)));
    case FITNESS_POINT:
        return add(g, size, node_scale(g, subtract(g, of_g, d), 1000));
    case FITNESS_BOTH:
        return node_unary(g, OP_ABS, both);
    case FITNESS_MINUS_BOTH:
        return negate(g, node_unary(g, OP_ABS, both));
    case FITNESS_STANDARD: {
        Node *of_d = node_shift(g, node_unary(g, OP_SIGMOID, d), 1e-12);
        Node *rest = node_shift(g, negate(g, node_unary(g, OP_SIGMOID, of_g)), 1 + 1e-12);
        Node *logs = add(g, node_unary(g, OP_LOG, of_d), node_unary(g, OP_LOG, rest));
        return add(g, of_g, minus_diversity(b, subtract(g, size, logs)));
    }
    default:
        internal_error("a fitness of unknown kind");
    }
}

/* Those in which the gradients of D count. */
static Node *gradient_fitness(Builder *b, Game *game)
{
    Graph *g = b->g;
    Node *f = game->d_fake, *size = gradient_size(b, game);
    Node *fooled = negate(g, f), *way = subtract(g, game->d_real, f), *total = NULL;
    double weight = 0;
    switch (b->hyper->trainer.search.fitness) {
    case FITNESS_FQ1: /* - 0.1 s */
    case FITNESS_FQ2:
        weight = -0.1;
        break;
    case FITNESS_FQ3:
    case FITNESS_FQ4:
        weight = 1;
        break;
    case FITNESS_FQ5:
        weight = -1;
        break;
    case FITNESS_FQ6:
        weight = -0.1;
        size = node_unary(g, OP_ABS, add(g, size, game->d_loss));
        break;
    case FITNESS_FQ11:
        weight = 100;
        break;
    default:
        return node_expand_to(g, batch_fitness(b, game, size), f->type);
    }
    Fitness kind = b->hyper->trainer.search.fitness;
    total = kind == FITNESS_FQ2 || kind == FITNESS_FQ3 ? way : fooled;
    return add(g, total, node_expand_to(g, node_scale(g, size, weight), f->type));
}

Node *latent_fitness(Builder *b, Game *game)
{
    Graph *g = b->g;
    const double *labels = b->hyper->loss.labels;
    Node *f = game->d_fake, *r = game->d_real;
    switch (b->hyper->trainer.search.fitness) {
    case FITNESS_MINUS_F:
        return negate(g, f);
    case FITNESS_F:
        return f;
    case FITNESS_LS:
        return square(g, node_shift(g, f, -labels[0]));
    case FITNESS_MINUS_LS:
        return negate(g, square(g, node_shift(g, f, -labels[0])));
    case FITNESS_LS_C:
        return square(g, node_shift(g, f, -labels[2]));
    case FITNESS_STD:
        return negate(g, node_unary(g, OP_SIGMOID, f));
    case FITNESS_ONE_MINUS_F:
        return node_shift(g, negate(g, f), 1);
    case FITNESS_DIFFERENCE:
        return subtract(g, r, f);
    case FITNESS_SQUARES: {
        Node *squared = square(g, r);
        return subtract(g, squared, square(g, f));
    }
    case FITNESS_ABSOLUTE: {
        Node *size = node_unary(g, OP_ABS, f);
        return subtract(g, size, node_unary(g, OP_ABS, r));
    }
    case FITNESS_ABS_F:
        return node_unary(g, OP_ABS, f);
    case FITNESS_MINUS_ABS_F:
        return negate(g, node_unary(g, OP_ABS, f));
    case FITNESS_MINUS_LS_C:
        return negate(g, square(g, node_shift(g, f, -labels[2])));
    case FITNESS_F_MINUS_ONE:
        return node_shift(g, f, -1);
    default:
        return gradient_fitness(b, game);
    }
}

/* ---------------------------------------------------------------- gangs */
typedef struct Outputs { /* of D, for real and fake samples; labels a b c of the loss */
    Graph *g;
    Node *r, *f;
    const double *labels;
} Outputs;

static Node *sigmoid(const Outputs *o, Node *x) { return node_unary(o->g, OP_SIGMOID, x); }

static Node *log_sigmoid(const Outputs *o, Node *x) /* -ln(1 + e^-x) */
{
    return negate(o->g, softplus(o->g, negate(o->g, x)));
}

static Node *positive(const Outputs *o, Node *x) { return node_leaky(o->g, OP_LEAKY, x, 0); }

static Node *signed_square(const Outputs *o, Node *x)
{
    return multiply(o->g, x, node_unary(o->g, OP_ABS, x));
}

static Node *square_to(const Outputs *o, Node *x, double label)
{
    return square(o->g, node_shift(o->g, x, -label));
}

/* ((1 - x) / 2)^2 */
static Node *half_to_one(const Outputs *o, Node *x)
{
    return square(o->g, node_scale(o->g, node_shift(o->g, x, -1), 0.5));
}

static Node *difference(const Outputs *o, Node *(*of)(const Outputs *o, Node *x), Node *a, Node *b)
{
    Node *left = of(o, a);
    return subtract(o->g, left, of(o, b));
}

/* p ln(p / m) + q ln(q / m), m the mean: no number where an output is below 0 */
static Node *jensen(const Outputs *o, Node *p, Node *q)
{
    Graph *g = o->g;
    Node *mean = node_scale(g, add(g, p, q), 0.5);
    Node *left = multiply(g, p, node_unary(g, OP_LOG, node_binary(g, OP_DIV, p, mean)));
    return add(g, left, multiply(g, q, node_unary(g, OP_LOG, node_binary(g, OP_DIV, q, mean))));
}

static Node *least_squares_payoff(const Outputs *o, Payoff kind)
{
    Graph *g = o->g;
    Node *r = o->r, *f = o->f;
    double a = o->labels[0], b = o->labels[1];
    Node *up = subtract(g, r, f), *down = subtract(g, f, r);
    switch (kind) {
    case PAYOFF_LEAST_SQUARES:
        return signed_square(o, add(g, f, r));
    case PAYOFF_SQUARES:
        return subtract(g, square(g, f), square(g, r));
    case PAYOFF_SIGNED: {
        Node *fake = signed_square(o, f);
        return add(g, fake, signed_square(o, r));
    }
    case PAYOFF_HALVES:
        return difference(o, half_to_one, f, r);
    case PAYOFF_PRODUCT:
        return multiply(g, positive(o, r), f);
    case PAYOFF_SQUARED_PRODUCT:
        return multiply(g, square(g, positive(o, r)), signed_square(o, f));
    case PAYOFF_POSITIVE_PRODUCT:
        return multiply(g, positive(o, r), positive(o, f));
    case PAYOFF_LABELLED_PRODUCT:
        return multiply(g, node_shift(g, r, -a), node_shift(g, f, -a));
    case PAYOFF_LABELLED_PRODUCTS: {
        Node *low = multiply(g, node_shift(g, r, -a), node_shift(g, f, -a));
        return subtract(g, low, multiply(g, node_shift(g, r, -b), node_shift(g, f, -b)));
    }
    case PAYOFF_RELATIVE_HALVES:
        return difference(o, half_to_one, down, up);
    case PAYOFF_RELATIVE_SQUARES: {
        Node *real = node_scale(g, square_to(o, up, b), 0.5);
        return add(g, real, node_scale(g, square_to(o, down, b), 0.5));
    }
    case PAYOFF_ZERO_RELATIVE:
        return subtract(g, square_to(o, up, b), square_to(o, down, b));
    case PAYOFF_ZERO_RELATIVE2:
        return square_to(o, up, b);
    default:
        internal_error("a payoff of unknown kind");
    }
}

/* Of the generator, where that of the discriminator is the opposite. */
static Node *zero_sum_payoff(const Outputs *o, Payoff kind)
{
    Graph *g = o->g;
    Node *r = o->r, *f = o->f;
    switch (kind) {
    case PAYOFF_DIFFERENCE:
        return subtract(g, f, r);
    case PAYOFF_RAGAN: {
        Node *down = subtract(g, f, r);
        return difference(o, sigmoid, down, subtract(g, r, f));
    }
    case PAYOFF_RAGAN_LOG:
        return difference(o, log_sigmoid, r, f);
    case PAYOFF_STANDARD:
        return difference(o, log_sigmoid, f, r);
    case PAYOFF_SIGMOID: {
        Node *way = node_scale(g, subtract(g, f, r), 2);
        return node_shift(g, node_scale(g, sigmoid(o, way), 2), -1);
    }
    case PAYOFF_SIGMOIDS:
        return difference(o, sigmoid, f, r);
    case PAYOFF_JENSEN:
        return node_scale(g, jensen(o, f, r), -0.5);
    default:
        return least_squares_payoff(o, kind);
    }
}

Payoffs game_payoffs(Graph *g, Payoff kind, const double labels[3], const Game *game)
{
    Outputs o = {g, game->d_real, game->d_fake, labels};
    Node *r = game->d_real, *f = game->d_fake;
    Payoffs p = {NULL, NULL};
    switch (kind) {
    case PAYOFF_G_LOSS:
        return (Payoffs){game->g_loss, negate(g, game->g_loss)};
    case PAYOFF_D_LOSS:
        return (Payoffs){game->d_loss, negate(g, game->d_loss)};
    case PAYOFF_MINUS_G_LOSS:
        return (Payoffs){negate(g, game->g_loss), game->g_loss};
    case PAYOFF_MINUS_BOTH:
        return (Payoffs){negate(g, game->g_loss), negate(g, game->d_loss)};
    case PAYOFF_BOTH:
        return (Payoffs){game->g_loss, game->d_loss};
    case PAYOFF_G_MINUS_D:
        return (Payoffs){game->g_loss, negate(g, game->d_loss)};
    case PAYOFF_DOUBLE:
        p.g = add(g, f, r);
        p.d = subtract(g, r, f);
        break;
    case PAYOFF_DOUBLE_RAGAN: /* .7 (f - r) + .3 (r - f), and .7 (r - f) - .3 (f - r) */
        p.g = node_scale(g, subtract(g, f, r), 0.4);
        p.d = subtract(g, r, f);
        break;
    case PAYOFF_DOUBLE_SQUARES: {
        Node *fake = square_to(&o, f, labels[0]), *real = square_to(&o, r, labels[0]);
        p.g = add(g, fake, real);
        p.d = add(g, real, square_to(&o, f, labels[1]));
        break;
    }
    default:
        p.g = zero_sum_payoff(&o, kind);
    }
    p.g = reduce_all(g, REDUCE_MEAN, p.g);
    p.d = p.d != NULL ? reduce_all(g, REDUCE_MEAN, p.d) : negate(g, p.g);
    return p;
}
