/* layers.c -- layers as compositions of graph operations.
 *
 * Needs: a checked Model. Guarantees: parameter names and shapes of a replay file (linear weight
 * [out, in], a layer norm carries the number of the linear it follows). No layer has a gradient or
 * an emitter of its own. */
#include "gagac.h"

#include <string.h>

enum {
    SLOT_WEIGHT,
    SLOT_BIAS,
    SLOT_U,
    SLOT_V,
    SLOT_COUNT
}; /* what a layer owns; norms: gain, shift */

/* The struct of the generated code that a net's tensors live in: "d", "d_vector", "g_bound". */
static const char *group_name(const Net *net, const char *suffix)
{
    return arena_printf("%c%s", net->tag[0] | 0x20, suffix);
}

static Tensor *own(Graph *g, const Net *net, const Layer *layer, int k, const char *what,
                   const char *field, Tensor rest)
{
    const char *suffix = rest.role == ROLE_VECTOR  ? "_vector"
                         : rest.role == ROLE_BOUND ? "_bound"
                                                   : "";
    rest.name = arena_printf("%s.%d.%s", net->tag, k, what);
    rest.group = group_name(net, suffix);
    rest.field = arena_printf("%s_%s", layer->name, field);
    rest.label = arena_printf("%s %s %s", net->name, layer->name, what);
    rest.span = layer->span;
    return graph_tensor(g, rest);
}

static void own_linear(Graph *g, const Net *net, const Layer *layer, int k, int inputs,
                       Tensor **slots)
{
    Type weight = type_matrix(layer->size, inputs), out = type_vector(false, layer->size);
    slots[SLOT_WEIGHT] =
        own(g, net, layer, k, "weight", "w",
            (Tensor){.type = weight, .init = layer->weight_init, .fan_in = inputs});
    slots[SLOT_BIAS] = own(g, net, layer, k, "bias", "b",
                           (Tensor){.type = out, .init = INIT_UNIFORM_FAN_IN, .fan_in = inputs});
    if (!layer->spectral)
        return;
    Tensor vector = {.role = ROLE_VECTOR, .init = INIT_UNIT_VECTOR, .type = out};
    slots[SLOT_U] = own(g, net, layer, k, "u", "u", vector);
    vector.type = type_vector(false, inputs);
    slots[SLOT_V] = own(g, net, layer, k, "v", "v", vector);
}

static void own_layer(Graph *g, const Net *net, const Layer *layer, int k, int inputs,
                      Tensor **slots)
{
    Type width = type_vector(false, inputs);
    if (layer->kind == LAYER_LINEAR) {
        own_linear(g, net, layer, k, inputs, slots);
    } else if (layer->kind == LAYER_LAYER_NORM) {
        slots[SLOT_WEIGHT] =
            own(g, net, layer, k, "gain", "gain", (Tensor){.type = width, .init = INIT_ONE});
        slots[SLOT_BIAS] =
            own(g, net, layer, k, "shift", "shift", (Tensor){.type = width, .init = INIT_ZERO});
    } else if (layer->kind == LAYER_CLAMP) {
        slots[SLOT_WEIGHT] =
            own(g, net, layer, k, "lower", "lower", (Tensor){.type = width, .role = ROLE_BOUND});
        slots[SLOT_BIAS] =
            own(g, net, layer, k, "upper", "upper", (Tensor){.type = width, .role = ROLE_BOUND});
    }
}

Module *module_new(Graph *g, const Net *net)
{
    Module *m = arena_alloc(sizeof *m);
    size_t layers = (size_t)net->layer_count;
    m->net = net;
    m->tensors = arena_alloc(layers * sizeof *m->tensors);
    m->u = arena_alloc(layers * sizeof(Node *));
    m->v = arena_alloc(layers * sizeof(Node *));
    m->parameters = arena_alloc(2 * layers * sizeof(Tensor *));
    int inputs = net->inputs, linears = 0;
    for (int k = 0; k < net->layer_count; k++) {
        const Layer *layer = &net->layers[k];
        linears += layer->kind == LAYER_LINEAR;
        m->tensors[k] = arena_alloc(SLOT_COUNT * sizeof(Tensor *));
        own_layer(g, net, layer, linears - 1, inputs, m->tensors[k]);
        for (int slot = SLOT_WEIGHT; slot <= SLOT_BIAS; slot++)
            if (m->tensors[k][slot] && m->tensors[k][slot]->role == ROLE_PARAMETER)
                m->parameters[m->parameter_count++] = m->tensors[k][slot];
        inputs = layer_outputs(layer, inputs);
    }
    return m;
}

static Node *unit_length(Graph *g, Node *vector) /* x / max(|x|, 1e-12) */
{
    Node *squares = node_sum_all(g, node_binary(g, OP_MUL, vector, vector));
    Node *root = node_unary(g, OP_SQRT, squares);
    Node *length = node_binary(g, OP_MAX, root, node_constant(g, 1e-12, squares->type));
    return node_binary(g, OP_DIV, vector, node_expand_to(g, length, vector->type));
}

static Node *matrix_times(Graph *g, Node *w, Node *v) /* [o,i] [i] -> [o] */
{
    return node_sum(g, node_binary(g, OP_MUL, w, node_expand(g, v, 0, w->type.dims[0])), 1);
}

static Node *transpose_times(Graph *g, Node *w, Node *u) /* [o,i] [o] -> [i] */
{
    return node_sum(g, node_binary(g, OP_MUL, w, node_expand(g, u, 1, w->type.dims[1])), 0);
}

/* W / sigma, sigma = u' W v after one power iteration (Miyato 2018); u and v are constants for the
 * gradient. */
static Node *spectral_weight(Graph *g, Module *m, int k, Node *w, bool advance)
{
    if (!m->u[k]) {
        m->u[k] = node_parameter(g, m->tensors[k][SLOT_U]);
        m->v[k] = node_parameter(g, m->tensors[k][SLOT_V]);
    }
    if (advance) {
        Node *fixed = node_unary(g, OP_STOP, w);
        const char *layer = m->net->layers[k].name;
        m->v[k] = node_named(unit_length(g, transpose_times(g, fixed, m->u[k])),
                             arena_printf("%s_v", layer));
        m->u[k] = node_named(unit_length(g, matrix_times(g, fixed, m->v[k])),
                             arena_printf("%s_u", layer));
    }
    Node *u = node_unary(g, OP_STOP, m->u[k]), *v = node_unary(g, OP_STOP, m->v[k]);
    Node *sigma = node_sum_all(g, node_binary(g, OP_MUL, u, matrix_times(g, w, v)));
    node_named(sigma, arena_printf("%s_sigma", m->net->layers[k].name));
    Node *inverse = node_binary(g, OP_DIV, node_constant(g, 1, sigma->type), sigma);
    return node_binary(g, OP_MUL, w, node_expand_to(g, inverse, w->type));
}

static Node *apply_linear(Graph *g, Module *m, int k, Node *x, bool advance)
{
    Node *w = node_parameter(g, m->tensors[k][SLOT_WEIGHT]);
    Node *bias = node_parameter(g, m->tensors[k][SLOT_BIAS]);
    if (m->net->layers[k].spectral)
        w = spectral_weight(g, m, k, w, advance);
    Node *product = node_contract_y(g, x, w);
    return node_binary(g, OP_ADD, product, node_expand_batch(g, bias));
}

/* gain * (x - mean) / sqrt(variance + 1e-5) + shift over the features, biased variance (Ba 2016).
 */
static Node *apply_layer_norm(Graph *g, Module *m, int k, Node *x)
{
    int n = x->type.dims[0];
    Node *mean = node_scale(g, node_sum(g, x, 0), 1.0 / n);
    Node *centred = node_binary(g, OP_SUB, x, node_expand(g, mean, 0, n));
    Node *squares = node_sum(g, node_binary(g, OP_MUL, centred, centred), 0);
    Node *variance = node_shift(g, node_scale(g, squares, 1.0 / n), 1e-5);
    Node *deviation = node_expand(g, node_unary(g, OP_SQRT, variance), 0, n);
    Node *normal = node_binary(g, OP_DIV, centred, deviation);
    Node *gain = node_expand_batch(g, node_parameter(g, m->tensors[k][SLOT_WEIGHT]));
    Node *shift = node_expand_batch(g, node_parameter(g, m->tensors[k][SLOT_BIAS]));
    return node_binary(g, OP_ADD, node_binary(g, OP_MUL, gain, normal), shift);
}

/* [block if included, sin(f_0 block), cos(f_0 block), sin(f_1 block), ...] for every encoded block.
 */
static Node *apply_encode(Graph *g, const Layer *layer, Node *x)
{
    Node *result = NULL;
    for (int b = 0; b < layer->block_count; b++) {
        const EncodeBlock *block = &layer->blocks[b];
        Node *part = node_slice(g, x, 0, block->first, block->width);
        if (!block->encoded || layer->include_input)
            result = result ? node_concat(g, result, part, 0) : part;
        for (int k = 0; k < layer->frequency_count && block->encoded; k++) {
            Node *angle = node_scale(g, part, layer->frequencies[k]);
            Node *sine = node_unary(g, OP_SIN, angle), *cosine = node_unary(g, OP_COS, angle);
            result = result ? node_concat(g, result, sine, 0) : sine;
            result = node_concat(g, result, cosine, 0);
        }
    }
    return result;
}

static Node *apply_clamp(Graph *g, Module *m, int k, Node *x)
{
    Node *lower = node_expand_batch(g, node_parameter(g, m->tensors[k][SLOT_WEIGHT]));
    Node *upper = node_expand_batch(g, node_parameter(g, m->tensors[k][SLOT_BIAS]));
    return node_binary(g, OP_MIN, node_binary(g, OP_MAX, x, lower), upper);
}

Node *module_apply(Graph *g, Module *m, Node *x, const char *prefix, bool advance)
{
    const char *linear = "input";
    for (int k = 0; k < m->net->layer_count; k++) {
        const Layer *layer = &m->net->layers[k];
        bool last = k == m->net->layer_count - 1;
        switch (layer->kind) {
        case LAYER_ENCODE:
            x = apply_encode(g, layer, x);
            break;
        case LAYER_LINEAR:
            x = apply_linear(g, m, k, x, advance);
            linear = layer->name;
            if (!last)
                node_named(x, arena_printf("%s_%s_sum", prefix, linear));
            break;
        case LAYER_LAYER_NORM:
            x = apply_layer_norm(g, m, k, x);
            break;
        case LAYER_CLAMP:
            x = apply_clamp(g, m, k, x);
            break;
        case LAYER_ACTIVATION:
            if (layer->activation == ACT_LEAKY)
                x = node_leaky(g, OP_LEAKY, x, layer->slope);
            else if (layer->activation == ACT_SIGMOID)
                x = node_unary(g, OP_SIGMOID, x);
            node_named(x, arena_printf("%s_%s", prefix, linear));
            break;
        }
        node_named(x, arena_printf("%s_%s", prefix, layer->name));
    }
    return x;
}

void module_keep_vectors(Graph *g, Module *m, Step *step)
{
    for (int k = 0; k < m->net->layer_count; k++)
        if (m->u[k]) {
            step_assign(step, node_assign(g, m->tensors[k][SLOT_U], m->u[k]));
            step_assign(step, node_assign(g, m->tensors[k][SLOT_V], m->v[k]));
            m->u[k] = m->v[k] = NULL;
        }
}
