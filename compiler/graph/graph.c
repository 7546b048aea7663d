/* graph.c -- building the graph: interning and the checked builders.
 *
 * Needs: nothing. Guarantees: a node exists once for each combination of operation, inputs and
 * attributes; inputs have smaller ids than their users, so ids are a topological order. Shapes are
 * checked here and nowhere else. */
#include "gagac.h"

#include <math.h>
#include <string.h>

Type type_scalar(void) { return (Type){0}; }

Type type_vector(bool batch, int n) { return (Type){.batch = batch, .rank = 1, .dims = {n}}; }

Type type_matrix(int rows, int columns) { return (Type){.rank = 2, .dims = {rows, columns}}; }

int64_t type_size(const Type *type)
{
    int64_t size = 1;
    for (int k = 0; k < type->rank; k++)
        size *= type->dims[k];
    return size;
}

bool type_equal(const Type *a, const Type *b)
{
    if (a->batch != b->batch || a->rank != b->rank)
        return false;
    for (int k = 0; k < a->rank; k++)
        if (a->dims[k] != b->dims[k])
            return false;
    return true;
}

Graph *graph_new(const Model *model, int batch_size)
{
    Graph *g = arena_alloc(sizeof *g);
    g->model = model;
    g->batch_size = batch_size;
    g->table_size = 1 << 10;
    g->table = arena_alloc((size_t)g->table_size * sizeof *g->table);
    return g;
}

Tensor *graph_tensor(Graph *g, Tensor tensor)
{
    Tensor *copy = arena_alloc(sizeof *copy);
    *copy = tensor;
    g->tensors = arena_grow(g->tensors, g->tensor_count, &g->tensor_capacity, sizeof(Tensor *));
    g->tensors[g->tensor_count++] = copy;
    return copy;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash ^= word;
    hash *= 0x9E3779B97F4A7C15u;
    return hash ^ (hash >> 29);
}

static uint64_t hash_node(const Node *n)
{
    uint64_t bits, hash = mix(0, (uint64_t)n->op);
    memcpy(&bits, &n->value, sizeof bits);
    for (int k = 0; k < MAX_NODE_INPUTS; k++)
        hash = mix(hash, n->inputs[k] ? (uint64_t)n->inputs[k]->id + 1 : 0);
    for (int k = 0; k < n->type.rank; k++)
        hash = mix(hash, (uint64_t)n->type.dims[k]);
    hash = mix(hash, (uint64_t)n->type.rank * 2 + n->type.batch);
    hash = mix(hash, (uint64_t)n->axis * 65536 + (uint64_t)n->start);
    for (int k = 0; k < MAX_RANK; k++)
        hash = mix(hash, (uint64_t)n->order[k]);
    for (int k = 0; k < 2; k++)
        hash = mix(hash, (uint64_t)n->window.stride[k] * 65536 + (uint64_t)n->window.before[k]);
    hash = mix(hash, n->map ? (uint64_t)n->map->number + 1 : 0);
    hash = mix(hash, bits);
    hash = mix(hash, (uint64_t)(uintptr_t)n->tensor);
    hash = mix(hash, (uint64_t)(uintptr_t)n->input);
    return hash;
}

static bool same_node(const Node *a, const Node *b)
{
    return a->op == b->op && type_equal(&a->type, &b->type) && a->inputs[0] == b->inputs[0] &&
           a->inputs[1] == b->inputs[1] && memcmp(&a->value, &b->value, sizeof a->value) == 0 &&
           a->axis == b->axis && a->start == b->start && a->tensor == b->tensor &&
           a->input == b->input && a->map == b->map &&
           memcmp(a->order, b->order, sizeof a->order) == 0 &&
           memcmp(&a->window, &b->window, sizeof a->window) == 0 &&
           (a->symbol == b->symbol ||
            (a->symbol && b->symbol && strcmp(a->symbol, b->symbol) == 0));
}

static void insert(Graph *g, Node *node)
{
    uint64_t k = hash_node(node) & (uint64_t)(g->table_size - 1);
    while (g->table[k])
        k = (k + 1) & (uint64_t)(g->table_size - 1);
    g->table[k] = node;
}

static void enlarge_table(Graph *g)
{
    g->table_size *= 2;
    g->table = arena_alloc((size_t)g->table_size * sizeof *g->table);
    for (int k = 0; k < g->count; k++)
        insert(g, g->nodes[k]);
}

Node *node_intern(Graph *g, Node prototype)
{
    uint64_t k = hash_node(&prototype) & (uint64_t)(g->table_size - 1);
    for (; g->table[k]; k = (k + 1) & (uint64_t)(g->table_size - 1))
        if (same_node(g->table[k], &prototype))
            return g->table[k];
    Node *node = arena_alloc(sizeof *node);
    *node = prototype;
    node->id = g->count;
    g->nodes = arena_grow(g->nodes, g->count, &g->capacity, sizeof(Node *));
    g->nodes[g->count++] = node;
    if (2 * g->count > g->table_size)
        enlarge_table(g);
    else
        insert(g, node);
    return node;
}

static void expect(bool holds, const char *what)
{
    if (!holds)
        internal_error("graph: %s", what);
}

Node *node_named(Node *node, const char *name)
{
    if (!node->name)
        node->name = name;
    return node;
}

/* ---------------------------------------------------------------- sources */
Node *node_parameter(Graph *g, Tensor *tensor)
{
    return node_intern(
        g,
        (Node){.op = OP_PARAMETER, .type = tensor->type, .tensor = tensor, .name = tensor->field});
}

Node *node_input(Graph *g, Input *input)
{
    Type type = input->flat ? (Type){.batch = true} : type_vector(true, input->width);
    const int *map = input->map; /* rows are h w c, values c h w */
    Node *node = node_intern(g, (Node){.op = OP_INPUT,
                                       .type = type,
                                       .input = input,
                                       .name = input->kind == INPUT_DATA ? "x" : input->name});
    if (map[0] == 0)
        return node;
    Type image = {.batch = true, .rank = 3, .dims = {map[2], map[0], map[1]}};
    return node_reshape(g, node, image);
}

Node *node_scalar(Graph *g, const char *name)
{
    return node_intern(g, (Node){.op = OP_SCALAR, .symbol = name, .name = name});
}

Node *node_constant(Graph *g, double value, Type type)
{
    if (!isfinite(value)) /* C has no way to write it */
        fail(EXIT_INVALID, "which numbers of the config are larger or smaller than usual?",
             "a constant of the training is %g", value);
    return node_intern(g, (Node){.op = OP_CONSTANT, .type = type, .value = value});
}

/* ---------------------------------------------------------------- element-wise */
Node *node_unary(Graph *g, Op op, Node *a)
{
    return node_intern(g, (Node){.op = op, .type = a->type, .inputs = {a}});
}

Node *node_leaky(Graph *g, Op op, Node *a, double slope)
{
    return node_intern(g, (Node){.op = op, .type = a->type, .inputs = {a}, .value = slope});
}

Node *node_binary(Graph *g, Op op, Node *a, Node *b)
{
    expect(type_equal(&a->type, &b->type), "element-wise operands of different shapes");
    if (op_table[op].commutes && a->id > b->id) {
        Node *swap = a;
        a = b;
        b = swap;
    }
    return node_intern(g, (Node){.op = op, .type = a->type, .inputs = {a, b}});
}

Node *node_scale(Graph *g, Node *a, double factor)
{
    return node_binary(g, OP_MUL, a, node_constant(g, factor, a->type));
}

Node *node_shift(Graph *g, Node *a, double term)
{
    return node_binary(g, OP_ADD, a, node_constant(g, term, a->type));
}

/* ---------------------------------------------------------------- move */
static Type insert_axis(Type type, int axis, int extent)
{
    expect(type.rank < MAX_RANK && axis <= type.rank, "bad axis to expand");
    memmove(&type.dims[axis + 1], &type.dims[axis], (size_t)(type.rank - axis) * sizeof(int));
    type.dims[axis] = extent;
    type.rank++;
    return type;
}

static Type remove_axis(Type type, int axis)
{
    expect(axis < type.rank, "bad axis to reduce");
    type.rank--;
    memmove(&type.dims[axis], &type.dims[axis + 1], (size_t)(type.rank - axis) * sizeof(int));
    type.dims[type.rank] = 0;
    return type;
}

Node *node_expand(Graph *g, Node *a, int axis, int extent)
{
    return node_intern(g, (Node){.op = OP_EXPAND,
                                 .type = insert_axis(a->type, axis, extent),
                                 .inputs = {a},
                                 .axis = axis});
}

Node *node_expand_batch(Graph *g, Node *a)
{
    expect(!a->type.batch, "expand_batch of a batch");
    Type type = a->type;
    type.batch = true;
    return node_intern(g, (Node){.op = OP_EXPAND_BATCH, .type = type, .inputs = {a}});
}

Node *node_expand_to(Graph *g, Node *scalar, Type type)
{
    expect(scalar->type.rank == 0, "expand_to of an array");
    if (type.batch && !scalar->type.batch)
        scalar = node_expand_batch(g, scalar);
    for (int axis = type.rank - 1; axis >= 0; axis--)
        scalar = node_expand(g, scalar, 0, type.dims[axis]);
    return scalar;
}

Node *node_reshape(Graph *g, Node *a, Type type)
{
    expect(type.batch == a->type.batch && type_size(&type) == type_size(&a->type), "bad reshape");
    if (type_equal(&type, &a->type))
        return a;
    return node_intern(g, (Node){.op = OP_RESHAPE, .type = type, .inputs = {a}});
}

Node *node_slice(Graph *g, Node *a, int axis, int start, int extent)
{
    expect(axis < a->type.rank && start >= 0 && start + extent <= a->type.dims[axis], "bad slice");
    if (extent == a->type.dims[axis])
        return a;
    Type type = a->type;
    type.dims[axis] = extent;
    return node_intern(
        g, (Node){.op = OP_SLICE, .type = type, .inputs = {a}, .axis = axis, .start = start});
}

Node *node_pad(Graph *g, Node *a, int axis, int start, int extent)
{
    expect(axis < a->type.rank && start >= 0 && start + a->type.dims[axis] <= extent, "bad pad");
    if (extent == a->type.dims[axis])
        return a;
    Type type = a->type;
    type.dims[axis] = extent;
    return node_intern(
        g, (Node){.op = OP_PAD, .type = type, .inputs = {a}, .axis = axis, .start = start});
}

Node *node_concat(Graph *g, Node *a, Node *b, int axis)
{
    Type type = a->type, other = b->type;
    expect(axis < type.rank && type.rank == other.rank, "bad concat");
    type.dims[axis] += other.dims[axis];
    other.dims[axis] = type.dims[axis];
    expect(type_equal(&type, &other), "concat of different shapes");
    return node_intern(g, (Node){.op = OP_CONCAT, .type = type, .inputs = {a, b}, .axis = axis});
}

Node *node_permute(Graph *g, Node *a, const int order[])
{
    Node copy = {.op = OP_PERMUTE, .type = a->type, .inputs = {a}};
    bool moves = false;
    for (int k = 0; k < a->type.rank; k++) {
        expect(order[k] >= 0 && order[k] < a->type.rank, "bad permutation");
        copy.order[k] = order[k];
        copy.type.dims[k] = a->type.dims[order[k]];
        moves |= order[k] != k;
    }
    return moves ? node_intern(g, copy) : a;
}

Node *node_resample(Graph *g, Node *a, int axis, const Resample *map)
{
    Type type = a->type;
    if (axis == BATCH_AXIS) {
        expect(type.batch && map->from == g->batch_size && map->to == g->batch_size,
               "map of another batch");
    } else {
        expect(axis < type.rank && map->from == type.dims[axis], "map of another length");
        type.dims[axis] = map->to;
    }
    return node_intern(
        g, (Node){.op = OP_RESAMPLE, .type = type, .inputs = {a}, .axis = axis, .map = map});
}

/* ---------------------------------------------------------------- reduce */
static Node *reduce(Graph *g, Op op, Node *a, int axis)
{
    return node_intern(
        g, (Node){.op = op, .type = remove_axis(a->type, axis), .inputs = {a}, .axis = axis});
}

Node *node_sum(Graph *g, Node *a, int axis) { return reduce(g, OP_SUM, a, axis); }

Node *node_maximum_of(Graph *g, Node *a, int axis) { return reduce(g, OP_MAXIMUM_OF, a, axis); }

Node *node_sum_batch(Graph *g, Node *a)
{
    expect(a->type.batch, "sum_batch of an array without batch axis");
    Type type = a->type;
    type.batch = false;
    return node_intern(g, (Node){.op = OP_SUM_BATCH, .type = type, .inputs = {a}});
}

Node *node_sum_all(Graph *g, Node *a)
{
    while (a->type.rank > 0)
        a = node_sum(g, a, a->type.rank - 1);
    return a;
}

Node *node_mean_batch(Graph *g, Node *a)
{
    return node_scale(g, node_sum_batch(g, a), 1.0 / g->batch_size);
}

/* ---------------------------------------------------------------- contract */
Node *node_contract_y(Graph *g, Node *x, Node *w)
{
    expect(x->type.batch && x->type.rank == 1 && !w->type.batch && w->type.rank == 2 &&
               x->type.dims[0] == w->type.dims[1],
           "contract_y of different widths");
    return node_intern(g, (Node){.op = OP_CONTRACT_Y,
                                 .type = type_vector(true, w->type.dims[0]),
                                 .inputs = {x, w}});
}

Node *node_contract_x(Graph *g, Node *y, Node *w)
{
    expect(y->type.batch && y->type.rank == 1 && !w->type.batch && w->type.rank == 2 &&
               y->type.dims[0] == w->type.dims[0],
           "contract_x of different widths");
    return node_intern(g, (Node){.op = OP_CONTRACT_X,
                                 .type = type_vector(true, w->type.dims[1]),
                                 .inputs = {y, w}});
}

Node *node_contract_w(Graph *g, Node *y, Node *x)
{
    expect(y->type.batch && x->type.batch && y->type.rank == 1 && x->type.rank == 1,
           "contract_w of arrays that are not batches of vectors");
    return node_intern(g, (Node){.op = OP_CONTRACT_W,
                                 .type = type_matrix(y->type.dims[0], x->type.dims[0]),
                                 .inputs = {y, x}});
}

static Type maps_type(int channels, int height, int width)
{
    expect(channels > 0 && height > 0 && width > 0, "maps of no size");
    return (Type){.batch = true, .rank = 3, .dims = {channels, height, width}};
}

static void expect_conv(const Node *maps, const Node *w, int axis, Window window)
{
    expect(maps->type.batch && maps->type.rank == 3, "convolution of something else than maps");
    expect(!w->type.batch && w->type.rank == 4 && w->type.dims[axis] == maps->type.dims[0],
           "convolution of different channels");
    expect(window.stride[0] > 0 && window.stride[1] > 0, "convolution that does not move");
}

Node *node_conv_y(Graph *g, Node *x, Node *w, Window window, int height, int width)
{
    expect_conv(x, w, 2, window);
    return node_intern(g, (Node){.op = OP_CONV_Y,
                                 .type = maps_type(w->type.dims[3], height, width),
                                 .inputs = {x, w},
                                 .window = window});
}

Node *node_conv_x(Graph *g, Node *y, Node *w, Window window, int height, int width)
{
    expect_conv(y, w, 3, window);
    return node_intern(g, (Node){.op = OP_CONV_X,
                                 .type = maps_type(w->type.dims[2], height, width),
                                 .inputs = {y, w},
                                 .window = window});
}

Node *node_conv_w(Graph *g, Node *y, Node *x, Window window, int rows, int columns)
{
    expect(y->type.batch && y->type.rank == 3 && x->type.batch && x->type.rank == 3,
           "conv_w of something else than maps");
    return node_intern(
        g, (Node){.op = OP_CONV_W,
                  .type = {.rank = 4, .dims = {rows, columns, x->type.dims[0], y->type.dims[0]}},
                  .inputs = {y, x},
                  .window = window});
}

Node *node_assign(Graph *g, Tensor *tensor, Node *value)
{
    expect(type_equal(&tensor->type, &value->type), "assignment of another shape");
    return node_intern(g, (Node){.op = OP_ASSIGN,
                                 .type = value->type,
                                 .inputs = {value},
                                 .tensor = tensor,
                                 .name = tensor->field});
}

Node *node_with_inputs(Graph *g, const Node *node, Node *const inputs[])
{
    Node copy = *node;
    for (int k = 0; k < op_table[node->op].arity; k++)
        copy.inputs[k] = inputs[k];
    return node_intern(g, copy);
}
