/* hyper_relation.c -- the layer `relational`: a network over all pairs of cells (Santoro and
 * others, A simple neural network module for relational reasoning).
 *
 * The pairs of a map of n cells stand in a map of n x n, whose channels are those of both cells and
 * their places. The component `relational` is applied to each of its cells: its linear layers are
 * convolutions of one cell (Network.cells). */
#include "hypergan.h"

#include <string.h>

bool is_relational_layer(const HyperRow *op)
{
    static const char *const names[] = {"linear", "activation", "identity", "control"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(op->name, names[i]) == 0)
            return true;
    return false;
}

/* [height][width]: k / size at place k along axis 0 or 1. */
static Node *places(Graph *g, int height, int width, int axis)
{
    int size = axis == 0 ? height : width;
    double *ramp = arena_alloc((size_t)size * sizeof *ramp);
    for (int k = 0; k < size; k++)
        ramp[k] = (double)k / size;
    Node *row = node_resample(g, node_constant(g, 1, type_vector(false, 1)), 0,
                              resample_matrix(g, 1, size, ramp));
    return node_expand(g, row, axis == 0 ? 1 : 0, axis == 0 ? width : height);
}

/* [c][h][w] to [2 (c + 2)][n][n]: cell i with its row / h and column / w, then cell j. */
static Node *pairs_of(Graph *g, Node *x)
{
    int height = x->type.dims[1], width = x->type.dims[2], cells = height * width;
    for (int axis = 0; axis < 2; axis++) {
        Node *place = node_expand_batch(g, places(g, height, width, axis));
        x = node_concat(g, x, node_expand(g, place, 0, 1), 0);
    }
    Type flat_type = {.batch = true, .rank = 2, .dims = {x->type.dims[0], cells}};
    Node *flat = node_reshape(g, x, flat_type);
    Node *first = node_expand(g, flat, 2, cells);
    return node_concat(g, first, node_expand(g, flat, 1, cells), 0);
}

Flow relational_op(Network *n, Flow x)
{
    const Component *component = n->component->relational;
    enum { MOST_PAIRS = 1 << 22 };
    expect_map(n, x);
    int64_t cells = (int64_t)x.slabs[0]->type.dims[1] * x.slabs[0]->type.dims[2];
    if (component == NULL)
        fail_line(n, "for example \"relational\": {\"layers\": [\"linear 64\"], \"defaults\": {}}",
                  "the %s has no `relational`, the network for pairs of cells", n->component->name);
    if (cells * cells > MOST_PAIRS)
        fail_line(n, "use relational on a smaller map", "%lld cells make more than 2^22 pairs",
                  (long long)cells);
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = pairs_of(n->g, x.slabs[i]);
    Network inner = *n;
    inner.component = component;
    inner.cells = true;
    x = apply_lines(&inner, component->lines, x);
    n->next = inner.next;
    for (int i = 0; i < x.count; i++) {
        Node *sum = node_sum(n->g, node_sum(n->g, x.slabs[i], 2), 1);
        x.slabs[i] = node_scale(n->g, sum, 1.0 / (double)(cells * cells));
    }
    return x;
}
