/* grad.c -- reverse-mode differentiation as a function on graphs.
 *
 * Needs: gradient rules in ops.c. Guarantees: the result is made of ordinary nodes, so grad() of it
 * gives second derivatives. Adjoints are built only for nodes that depend on one of xs: no weight
 * gradient of D in the G step. */
#include "gagac.h"

#include <string.h>

/* Marks every node up to y that depends on one of xs. Ids are a topological order, so one sweep is
 * enough. */
static bool *mark_dependent(const Graph *g, const Node *y, Node *const xs[], int count)
{
    bool *depends = arena_alloc((size_t)g->count * sizeof(bool));
    for (int k = 0; k < count; k++)
        depends[xs[k]->id] = true;
    for (int id = 0; id <= y->id; id++) {
        const Node *n = g->nodes[id];
        bool through = op_table[n->op].gradient != NULL;
        for (int k = 0; k < op_table[n->op].arity && through; k++)
            depends[id] |= depends[n->inputs[k]->id];
    }
    return depends;
}

/* x -> d_x -> dd_x */
static const char *adjoint_name(const char *name)
{
    size_t ds = strspn(name, "d");
    return arena_printf(ds && name[ds] == '_' ? "d%s" : "d_%s", name);
}

void grad(Graph *g, Node *y, Node *seed, Node *const xs[], int count, Node *out[])
{
    int limit = y->id + 1;
    bool *depends = mark_dependent(g, y, xs, count);
    Node **adjoint = arena_alloc((size_t)limit * sizeof(Node *));
    adjoint[y->id] = seed ? seed : node_constant(g, 1, y->type);
    for (int id = y->id; id >= 0; id--) {
        Node *n = g->nodes[id];
        const OpRow *row = &op_table[n->op];
        if (adjoint[id] && depends[id] && n->name)
            node_named(adjoint[id], adjoint_name(n->name));
        if (!adjoint[id] || !depends[id] || !row->gradient)
            continue;
        Node *parts[MAX_NODE_INPUTS] = {NULL};
        row->gradient(g, n, adjoint[id], parts);
        for (int k = 0; k < row->arity; k++) {
            Node *input = n->inputs[k];
            if (!parts[k] || !depends[input->id])
                continue;
            adjoint[input->id] = adjoint[input->id]
                                     ? node_binary(g, OP_ADD, adjoint[input->id], parts[k])
                                     : parts[k];
        }
    }
    for (int k = 0; k < count; k++) {
        Node *x = xs[k];
        out[k] = x->id < limit && adjoint[x->id] ? adjoint[x->id] : node_constant(g, 0, x->type);
    }
}
