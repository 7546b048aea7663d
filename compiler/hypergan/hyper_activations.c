/* hyper_activations.c -- activations of the HyperGAN dialect as nodes.
 *
 * Those that double or halve channels, sort, or own a parameter act on a whole Flow; the rest are
 * functions of one slab. A map's channels are axis 0. */
#include "hypergan.h"

#include <math.h>
#include <string.h>

typedef enum Activate {
    ACTIVATE_NULL,
    ACTIVATE_TANH,
    ACTIVATE_SIGMOID,
    ACTIVATE_RELU,
    ACTIVATE_GELU,
    ACTIVATE_LRELU,
    ACTIVATE_SELU,
    ACTIVATE_SWISH,
    ACTIVATE_CRELU,
    ACTIVATE_DOUBLE_SIDED,
    ACTIVATE_BIPOLAR,
    ACTIVATE_PRELU,
    ACTIVATE_TRELU,
    ACTIVATE_FRELU,
    ACTIVATE_CLAMPED,
    ACTIVATE_CLAMPED_UNIT,
    ACTIVATE_NSOFTPLUS,
    ACTIVATE_GROUPSORT
} Activate;

const Word activation_words[] = {
    {"null", ACTIVATE_NULL, NULL},           {"tanh", ACTIVATE_TANH, NULL},
    {"sigmoid", ACTIVATE_SIGMOID, NULL},     {"relu", ACTIVATE_RELU, NULL},
    {"gelu", ACTIVATE_GELU, NULL},           {"lrelu", ACTIVATE_LRELU, NULL},
    {"selu", ACTIVATE_SELU, NULL},           {"swish", ACTIVATE_SWISH, NULL},
    {"crelu", ACTIVATE_CRELU, NULL},         {"double_sided", ACTIVATE_DOUBLE_SIDED, NULL},
    {"bipolar", ACTIVATE_BIPOLAR, NULL},     {"prelu", ACTIVATE_PRELU, NULL},
    {"trelu", ACTIVATE_TRELU, NULL},         {"frelu", ACTIVATE_FRELU, NULL},
    {"clamped", ACTIVATE_CLAMPED, NULL},     {"clamped_unit", ACTIVATE_CLAMPED_UNIT, NULL},
    {"nsoftplus", ACTIVATE_NSOFTPLUS, NULL}, {"groupsort", ACTIVATE_GROUPSORT, NULL}};
const size_t activation_word_count = sizeof activation_words / sizeof activation_words[0];

enum { MAX_SORTED = 16 };

/* "class:..." and "function:..." paths end with the same words. */
static Activate read_activation(Option name)
{
    return (Activate)option_class(name, ACTIVATE_NULL, activation_words, activation_word_count,
                                  "activation");
}

/* 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
static Node *gelu(Graph *g, Node *x)
{
    Node *cube = multiply(g, square(g, x), x);
    Node *inner = add(g, x, node_scale(g, cube, 0.044715));
    Node *gate = node_unary(g, OP_TANH, node_scale(g, inner, sqrt(2 / 3.14159265358979323846)));
    return node_scale(g, multiply(g, x, node_shift(g, gate, 1)), 0.5);
}

static Node *selu(Graph *g, Node *x)
{
    const double alpha = 1.6732632423543772, scale = 1.0507009873554805;
    Node *below = node_binary(g, OP_MIN, x, node_constant(g, 0, x->type));
    Node *curve = node_scale(g, node_shift(g, node_unary(g, OP_EXP, below), -1), alpha);
    return node_scale(g, add(g, node_leaky(g, OP_LEAKY, x, 0), curve), scale);
}

/* Activations that are functions of one number. */
static Node *activate_each(Graph *g, Activate kind, Node *x)
{
    switch (kind) {
    case ACTIVATE_TANH:
        return node_unary(g, OP_TANH, x);
    case ACTIVATE_SIGMOID:
        return node_unary(g, OP_SIGMOID, x);
    case ACTIVATE_RELU:
        return node_leaky(g, OP_LEAKY, x, 0);
    case ACTIVATE_GELU:
        return gelu(g, x);
    case ACTIVATE_LRELU:
        return node_leaky(g, OP_LEAKY, x, 0.2);
    case ACTIVATE_SELU:
        return selu(g, x);
    case ACTIVATE_SWISH: {
        Node *gate = node_unary(g, OP_SIGMOID, x);
        return multiply(g, x, gate);
    }
    case ACTIVATE_CLAMPED:
        return clip(g, x, 0, 1);
    case ACTIVATE_CLAMPED_UNIT:
        return clip(g, x, -1, 1);
    case ACTIVATE_NSOFTPLUS:
        return node_shift(g, node_scale(g, softplus(g, x), 1 / log(2)), -1);
    default:
        return x;
    }
}

bool activation_doubles(Network *n, Option name)
{
    (void)n;
    Activate kind = read_activation(name);
    return kind == ACTIVATE_CRELU || kind == ACTIVATE_DOUBLE_SIDED;
}

/* The activation that another option of the component names, applied to one slab. */
static Node *activate_named(Network *n, const char *key, Activate fallback, Node *x)
{
    Option name = component_option(n, key);
    Activate kind = name.given ? read_activation(name) : fallback;
    bool each = kind != ACTIVATE_CRELU && kind != ACTIVATE_DOUBLE_SIDED &&
                kind != ACTIVATE_BIPOLAR && kind != ACTIVATE_PRELU && kind != ACTIVATE_TRELU &&
                kind != ACTIVATE_FRELU && kind != ACTIVATE_GROUPSORT;
    if (!each)
        fail_at(name.span, NULL, "`%s` must be an activation of single numbers", key);
    return activate_each(n->g, kind, x);
}

static Node *both_sides(Network *n, Node *x, const char *key)
{
    Node *above = key != NULL ? activate_named(n, key, ACTIVATE_RELU, x)
                              : activate_each(n->g, ACTIVATE_RELU, x);
    Node *mirror = negate(n->g, x);
    Node *below = key != NULL ? activate_named(n, key, ACTIVATE_RELU, mirror)
                              : activate_each(n->g, ACTIVATE_RELU, mirror);
    return node_concat(n->g, above, below, 0);
}

static Node *bipolar(Network *n, Node *x)
{
    int channels = x->type.rank > 0 ? x->type.dims[0] : 0, half = channels / 2;
    if (half == 0)
        fail_line(n, NULL, "bipolar needs at least two channels");
    Node *first = node_slice(n->g, x, 0, 0, half);
    Node *second = node_slice(n->g, x, 0, half, channels - half);
    first = activate_named(n, "bipolar_activation", ACTIVATE_RELU, first);
    second = activate_named(n, "bipolar_activation", ACTIVATE_RELU, negate(n->g, second));
    return node_concat(n->g, first, negate(n->g, second), 0);
}

/* Sorts each group of neighbours of the flattened slab, ascending: an odd-even network of minima
 * and maxima. */
static Node *groupsort(Network *n, Node *x)
{
    Graph *g = n->g;
    int size = option_integer(component_option(n, "groupsort_n"), 2, 1, "groupsort_n");
    Node *all = flatten(g, x), *columns[MAX_SORTED] = {NULL};
    int count = all->type.dims[0], whole = n->cells ? x->type.dims[0] : count;
    if (size > MAX_SORTED || whole % size != 0)
        fail_line(n, NULL, "groupsort_n is %d: it must divide the %d values, and be at most %d",
                  size, whole, MAX_SORTED);
    Node *groups =
        node_reshape(g, all, (Type){.batch = true, .rank = 2, .dims = {count / size, size}});
    for (int i = 0; i < size; i++)
        columns[i] = node_slice(g, groups, 1, i, 1);
    for (int round = 0; round < size; round++)
        for (int i = round % 2; i + 1 < size; i += 2) {
            Node *a = columns[i], *b = columns[i + 1];
            columns[i] = node_binary(g, OP_MIN, a, b);
            columns[i + 1] = node_binary(g, OP_MAX, a, b);
        }
    Node *sorted = columns[0];
    for (int i = 1; i < size; i++)
        sorted = node_concat(g, sorted, columns[i], 1);
    Type rows = x->type;
    if (rows.rank == 3)
        rows = (Type){
            .batch = true, .rank = 3, .dims = {x->type.dims[1], x->type.dims[2], x->type.dims[0]}};
    return rows_to_map(g, node_reshape(g, sorted, rows));
}

/* A parameter for each value, in the order h w c, spread like x. */
static Node *own_alpha(Network *n, Node *x)
{
    if (n->cells) {
        Type channels = type_vector(false, x->type.dims[0]);
        return expand_channels(n->g, own(n, "alpha", channels, INIT_GAUSSIAN, 0.01), &x->type);
    }
    Node *alpha =
        own(n, "alpha", type_vector(false, (int)type_size(&x->type)), INIT_GAUSSIAN, 0.01);
    Type rows = x->type;
    rows.batch = false;
    if (rows.rank == 3)
        rows = (Type){.rank = 3, .dims = {x->type.dims[1], x->type.dims[2], x->type.dims[0]}};
    return node_expand_batch(n->g, rows_to_map(n->g, node_reshape(n->g, alpha, rows)));
}

/* relu(x) + alpha (x - |x|) / 2 */
static Node *prelu(Network *n, Node *x)
{
    Node *alpha = own_alpha(n, x);
    Node *below = node_scale(n->g, subtract(n->g, x, node_unary(n->g, OP_ABS, x)), 0.5);
    Node *above = node_leaky(n->g, OP_LEAKY, x, 0);
    return add(n->g, above, multiply(n->g, alpha, below));
}

static Node *trelu(Network *n, Node *x)
{
    Node *alpha = own_alpha(n, x);
    Node *moved = subtract(n->g, x, alpha);
    return add(n->g, activate_named(n, "trelu_activation", ACTIVATE_RELU, moved), alpha);
}

static Node *frelu(Network *n, Node *x)
{
    Node *alpha = own(n, "alpha", type_vector(false, 1), INIT_GAUSSIAN, 0.01);
    Node *number = node_expand_to(n->g, node_reshape(n->g, alpha, type_scalar()), x->type);
    return add(n->g, activate_named(n, "frelu_activation", ACTIVATE_RELU, x), number);
}

Flow activate(Network *n, Flow x, Option name)
{
    Activate kind = read_activation(name);
    for (int i = 0; i < x.count; i++) {
        Node *slab = x.slabs[i];
        switch (kind) {
        case ACTIVATE_CRELU:
            slab = both_sides(n, slab, NULL);
            break;
        case ACTIVATE_DOUBLE_SIDED:
            slab = both_sides(n, slab, "double_sided_activation");
            break;
        case ACTIVATE_BIPOLAR:
            slab = bipolar(n, slab);
            break;
        case ACTIVATE_PRELU:
            slab = prelu(n, slab);
            break;
        case ACTIVATE_TRELU:
            slab = trelu(n, slab);
            break;
        case ACTIVATE_FRELU:
            slab = frelu(n, slab);
            break;
        case ACTIVATE_GROUPSORT:
            slab = groupsort(n, slab);
            break;
        default:
            slab = activate_each(n->g, kind, slab);
        }
        x.slabs[i] = slab;
    }
    return x;
}
