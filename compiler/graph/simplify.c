/* simplify.c -- identities, applied bottom-up until nothing changes.
 *
 * Needs: a step's graph. Guarantees: the same values up to rounding, with constants folded, zero
 * adjoints gone, scalar factors pulled out of contractions (spectral norm divides a result, not a
 * matrix), pools folded into the convolutions before them (fold.c) and contractions with one output
 * turned into element-wise products with a sum, which fuse into their neighbours. Dead nodes simply
 * are not reached. */
#include "gagac.h"

#include <math.h>

static bool is_constant(const Node *n, double value)
{
    return n->op == OP_CONSTANT && n->value == value;
}

static Node *fold_element(Graph *g, Node *n)
{
    const OpRow *row = &op_table[n->op];
    for (int k = 0; k < row->arity; k++)
        if (n->inputs[k]->op != OP_CONSTANT)
            return NULL;
    double b = row->arity > 1 ? n->inputs[1]->value : 0;
    return node_constant(g, row->scalar(n->inputs[0]->value, b, n->value), n->type);
}

/* x * c for the commuting MUL: the factor and the rest, if one operand is a constant. */
static bool split_scale(Node *n, Node **rest, double *factor)
{
    if (n->op == OP_NEG) {
        *rest = n->inputs[0];
        *factor = -1;
        return true;
    }
    if (n->op != OP_MUL)
        return false;
    int k = n->inputs[0]->op == OP_CONSTANT ? 0 : 1;
    if (n->inputs[k]->op != OP_CONSTANT)
        return false;
    *factor = n->inputs[k]->value;
    *rest = n->inputs[1 - k];
    return true;
}

static Node *scaled(Graph *g, Node *n, double factor)
{
    if (factor == 1)
        return n;
    return factor == -1 ? node_unary(g, OP_NEG, n) : node_scale(g, n, factor);
}

static Node *simplify_mul(Graph *g, Node *n)
{
    Node *rest, *inner;
    double factor, inner_factor;
    if (is_constant(n->inputs[0], 0) || is_constant(n->inputs[1], 0))
        return node_constant(g, 0, n->type);
    if (split_scale(n, &rest, &factor)) {
        if (factor == 1 || factor == -1)
            return scaled(g, rest, factor);
        if (split_scale(rest, &inner, &inner_factor))
            return scaled(g, inner, factor * inner_factor);
        return NULL;
    }
    for (int k = 0; k < 2;
         k++) /* x * (-y) = -(x * y), x * (c y) = c (x y): constants float to the top */
        if (split_scale(n->inputs[k], &inner, &inner_factor))
            return scaled(g, node_binary(g, OP_MUL, n->inputs[1 - k], inner), inner_factor);
    Node *a = n->inputs[0], *b = n->inputs[1];
    if (a->op == OP_EXPAND && b->op == OP_EXPAND && a->axis == b->axis)
        return node_expand(g, node_binary(g, OP_MUL, a->inputs[0], b->inputs[0]), a->axis,
                           a->type.dims[a->axis]);
    return NULL;
}

static Node *simplify_sum_of_terms(Graph *g, Node *n)
{
    Node *a = n->inputs[0], *b = n->inputs[1];
    bool add = n->op == OP_ADD;
    if (is_constant(b, 0))
        return a;
    if (is_constant(a, 0))
        return add ? b : node_unary(g, OP_NEG, b);
    if (b->op == OP_NEG)
        return node_binary(g, add ? OP_SUB : OP_ADD, a, b->inputs[0]);
    if (add && a->op == OP_NEG)
        return node_binary(g, OP_SUB, b, a->inputs[0]);
    return NULL;
}

/* The scalar s when n = w * expand(s) with a scalar without batch, as spectral norm writes it. */
static bool split_scalar_factor(Node *n, Node **array, Node **scalar)
{
    if (n->op != OP_MUL)
        return false;
    for (int k = 0; k < 2; k++) {
        Node *s = n->inputs[k];
        while (s->op == OP_EXPAND)
            s = s->inputs[0];
        if (s->type.rank == 0 && !s->type.batch && s != n->inputs[k]) {
            *scalar = s;
            *array = n->inputs[1 - k];
            return true;
        }
    }
    return false;
}

static Node *flat_row(Graph *g, Node *matrix) /* [1, n] -> [n] */
{
    return node_reshape(g, matrix, type_vector(false, matrix->type.dims[1]));
}

static Node *sample_scalar(Graph *g, Node *column) /* [batch, 1] -> [batch] */
{
    return node_reshape(g, column, (Type){.batch = true});
}

/* Contractions with one row of weights: a product and a sum, cheaper fused into the kernels beside
 * it. */
static Node *simplify_single_row(Graph *g, Node *n)
{
    Node *a = n->inputs[0], *b = n->inputs[1];
    if (n->op == OP_CONTRACT_Y && n->type.dims[0] == 1) {
        Node *product = node_binary(g, OP_MUL, a, node_expand_batch(g, flat_row(g, b)));
        return node_reshape(g, node_sum(g, product, 0), n->type);
    }
    if (n->op == OP_CONTRACT_X && a->type.dims[0] == 1) {
        Node *y = node_expand(g, sample_scalar(g, a), 0, n->type.dims[0]);
        return node_binary(g, OP_MUL, y, node_expand_batch(g, flat_row(g, b)));
    }
    if (n->op == OP_CONTRACT_W && n->type.dims[0] == 1) {
        Node *y = node_expand(g, sample_scalar(g, a), 0, n->type.dims[1]);
        return node_reshape(g, node_sum_batch(g, node_binary(g, OP_MUL, y, b)), n->type);
    }
    return NULL;
}

static Node *simplify_contract(Graph *g, Node *n)
{
    Node *array, *scalar;
    if (is_constant(n->inputs[0], 0) || is_constant(n->inputs[1], 0))
        return node_constant(g, 0, n->type);
    if (n->op != OP_CONTRACT_W && split_scalar_factor(n->inputs[1], &array, &scalar)) {
        Node *plain = node_with_inputs(g, n, (Node *[]){n->inputs[0], array});
        return node_binary(g, OP_MUL, plain, node_expand_to(g, scalar, plain->type));
    }
    return simplify_single_row(g, n);
}

/* Term by term, and without what all samples share: sum of v x_b = v times sum of x_b. Then
 * gradients that cancel, as of a bias whose unit is active for equally many real and fake rows, are
 * an exact 0 and no rounding noise, which RMSprop and Adam would take for a direction. */
static Node *simplify_batch_sum(Graph *g, Node *a)
{
    if (a->op == OP_ADD || a->op == OP_SUB) {
        Node *first = node_sum_batch(g, a->inputs[0]), *second = node_sum_batch(g, a->inputs[1]);
        return node_binary(g, a->op, first, second);
    }
    for (int k = 0; k < 2 && a->op == OP_MUL; k++)
        if (a->inputs[k]->op == OP_EXPAND_BATCH)
            return node_binary(g, OP_MUL, a->inputs[k]->inputs[0],
                               node_sum_batch(g, a->inputs[1 - k]));
    return NULL;
}

/* Before the sum and not after it, a map would go over more numbers. */
static Node *simplify_sum_of_map(Graph *g, Node *n)
{
    const Node *a = n->inputs[0];
    double sum;
    if (a->axis == BATCH_AXIS || a->map->to < a->map->from)
        return NULL;
    if (n->op == OP_SUM_BATCH)
        return node_resample(g, node_sum_batch(g, a->inputs[0]), a->axis, a->map);
    Node *total = node_sum(g, a->inputs[0], n->axis);
    if (n->axis != a->axis)
        return node_resample(g, total, a->axis - (a->axis > n->axis), a->map);
    return resample_even(a->map, &sum) ? scaled(g, total, sum) : NULL;
}

/* A sum over the batch, or such a one after maps along its axes. */
static bool is_total(Node *n)
{
    Node *rest;
    double factor;
    while (n->op == OP_RESAMPLE || split_scale(n, &rest, &factor))
        n = n->op == OP_RESAMPLE ? n->inputs[0] : rest;
    return n->op == OP_SUM_BATCH;
}

/* Of maps the sums along rows and columns come first, where lanes lie side by side; the sum over
 * the batch is one of few numbers then. */
static Node *simplify_sum_of_totals(Graph *g, Node *n)
{
    Node *a = n->inputs[0];
    if (a->type.batch || a->type.rank < 2)
        return NULL;
    if (a->op == OP_SUM_BATCH)
        return node_sum_batch(g, node_sum(g, a->inputs[0], n->axis));
    if ((a->op != OP_ADD && a->op != OP_SUB) || !is_total(a->inputs[0]) || !is_total(a->inputs[1]))
        return NULL;
    Node *first = node_sum(g, a->inputs[0], n->axis), *second = node_sum(g, a->inputs[1], n->axis);
    return node_binary(g, a->op, first, second);
}

static Node *simplify_reduce(Graph *g, Node *n)
{
    Node *a = n->inputs[0], *rest;
    double factor;
    bool batch = n->op == OP_SUM_BATCH;
    double extent = batch ? g->batch_size : a->type.dims[n->axis];
    if (a->op == OP_CONSTANT)
        return node_constant(g, a->value * extent, n->type);
    if (!batch && extent == 1 && (a->type.batch || a->type.rank == 1 || type_size(&a->type) == 1))
        return node_reshape(g, a, n->type);
    if (batch ? a->op == OP_EXPAND_BATCH : a->op == OP_EXPAND && a->axis == n->axis)
        return node_scale(g, a->inputs[0], extent);
    if (split_scale(a, &rest, &factor))
        return scaled(g, batch ? node_sum_batch(g, rest) : node_sum(g, rest, n->axis), factor);
    if (a->op == OP_RESAMPLE)
        return simplify_sum_of_map(g, n);
    return batch ? simplify_batch_sum(g, a) : simplify_sum_of_totals(g, n);
}

static Node *simplify_slice(Graph *g, Node *n)
{
    Node *a = n->inputs[0];
    int extent = n->type.dims[n->axis];
    if (a->op == OP_PAD && a->axis == n->axis && n->start >= a->start &&
        n->start + extent <= a->start + a->inputs[0]->type.dims[n->axis])
        return node_slice(g, a->inputs[0], n->axis, n->start - a->start, extent);
    if (a->op != OP_CONCAT || a->axis != n->axis)
        return NULL;
    int first = a->inputs[0]->type.dims[n->axis];
    if (n->start + extent <= first)
        return node_slice(g, a->inputs[0], n->axis, n->start, extent);
    if (n->start >= first)
        return node_slice(g, a->inputs[1], n->axis, n->start - first, extent);
    return NULL;
}

static Node *simplify_permute(Graph *g, Node *n)
{
    Node *a = n->inputs[0];
    int order[MAX_RANK];
    if (a->op == OP_CONSTANT)
        return node_constant(g, a->value, n->type);
    if (a->op != OP_PERMUTE)
        return NULL;
    for (int k = 0; k < n->type.rank; k++)
        order[k] = a->order[n->order[k]];
    return node_permute(g, a->inputs[0], order);
}

/* Convolutions of zeros are zeros; a filter's scalar factor (spectral norm) moves to the result. */
static Node *simplify_conv(Graph *g, Node *n)
{
    Node *array, *scalar;
    if (is_constant(n->inputs[0], 0) || is_constant(n->inputs[1], 0))
        return node_constant(g, 0, n->type);
    if (n->op == OP_CONV_W || !split_scalar_factor(n->inputs[1], &array, &scalar))
        return NULL;
    Node *plain = node_with_inputs(g, n, (Node *[]){n->inputs[0], array});
    return node_binary(g, OP_MUL, plain, node_expand_to(g, scalar, plain->type));
}

/* One identity at this node, or NULL when none applies. */
static Node *apply_identity(Graph *g, Node *n)
{
    const OpRow *row = &op_table[n->op];
    Node *rest;
    double factor;
    if (row->kind == CLASS_ELEMENT) {
        Node *folded = fold_element(g, n);
        if (folded)
            return folded;
    }
    switch (n->op) {
    case OP_ADD:
    case OP_SUB:
        return simplify_sum_of_terms(g, n);
    case OP_MUL:
        return simplify_mul(g, n);
    case OP_DIV:
        if (n->inputs[1]->op == OP_CONSTANT)
            return node_scale(g, n->inputs[0], 1 / n->inputs[1]->value);
        return is_constant(n->inputs[0], 0) ? n->inputs[0] : NULL;
    case OP_NEG:
        return split_scale(n->inputs[0], &rest, &factor) ? scaled(g, rest, -factor) : NULL;
    case OP_STOP:
        return n->inputs[0];
    case OP_EXPAND:
    case OP_EXPAND_BATCH:
    case OP_RESHAPE:
        if (n->inputs[0]->op == OP_CONSTANT)
            return node_constant(g, n->inputs[0]->value, n->type);
        return n->op == OP_RESHAPE && n->inputs[0]->op == OP_RESHAPE
                   ? node_reshape(g, n->inputs[0]->inputs[0], n->type)
                   : NULL;
    case OP_SLICE:
        if (n->inputs[0]->op == OP_CONSTANT)
            return node_constant(g, n->inputs[0]->value, n->type);
        return simplify_slice(g, n);
    case OP_PERMUTE:
        return simplify_permute(g, n);
    case OP_RESAMPLE:
        return is_constant(n->inputs[0], 0) ? node_constant(g, 0, n->type) : NULL;
    case OP_PAD:
        return is_constant(n->inputs[0], 0) ? node_constant(g, 0, n->type) : NULL;
    case OP_SUM:
    case OP_SUM_BATCH:
        return simplify_reduce(g, n);
    case OP_CONTRACT_Y:
    case OP_CONTRACT_X:
    case OP_CONTRACT_W:
        return simplify_contract(g, n);
    case OP_CONV_Y:
    case OP_CONV_X:
    case OP_CONV_W:
        return simplify_conv(g, n);
    default:
        return NULL;
    }
}

typedef struct Memo {
    Node **done;
    int size;
} Memo; /* by id of the original node */

static Node *rewrite(Graph *g, Node *n, Memo *memo)
{
    if (n->id >= memo->size) { /* built by an identity while rewriting */
        Memo bigger = {.size = 2 * g->count};
        bigger.done = arena_alloc((size_t)bigger.size * sizeof(Node *));
        for (int k = 0; k < memo->size; k++)
            bigger.done[k] = memo->done[k];
        *memo = bigger;
    }
    if (memo->done[n->id])
        return memo->done[n->id];
    Node *inputs[MAX_NODE_INPUTS] = {NULL};
    int arity = op_table[n->op].arity;
    for (int k = 0; k < arity; k++)
        inputs[k] = rewrite(g, n->inputs[k], memo);
    Node *rebuilt = n;
    if (arity == 2 && op_table[n->op].commutes)
        rebuilt = node_binary(g, n->op, inputs[0], inputs[1]);
    else if (arity)
        rebuilt = node_with_inputs(g, n, inputs);
    Node *better = apply_identity(g, rebuilt);
    Node *result = better && better != rebuilt ? rewrite(g, better, memo) : rebuilt;
    memo->done[n->id] = result;
    return node_named(result, n->name);
}

static void rewrite_step(Graph *g, Step *step)
{
    Memo memo = {.size = 2 * g->count + 64};
    memo.done = arena_alloc((size_t)memo.size * sizeof(Node *));
    for (int k = 0; k < step->output_count; k++)
        step->outputs[k] = rewrite(g, step->outputs[k], &memo);
    int kept = 0;
    for (int k = 0; k < step->assign_count; k++) {
        Node *assign = rewrite(g, step->assigns[k], &memo);
        const Node *value = assign->inputs[0];
        if (value->op != OP_PARAMETER ||
            value->tensor != assign->tensor) /* else it stays as it is */
            step->assigns[kept++] = assign;
    }
    step->assign_count = kept;
}

void simplify_step(Graph *g, Step *step)
{
    do
        rewrite_step(g, step);
    while (fold_pools(g, step));
}

static void mark(const Node *n, bool *needed)
{
    if (needed[n->id])
        return;
    needed[n->id] = true;
    for (int k = 0; k < op_table[n->op].arity; k++)
        mark(n->inputs[k], needed);
}

void mark_needed(const Step *step, bool *needed)
{
    for (int k = 0; k < step->output_count; k++)
        mark(step->outputs[k], needed);
    for (int k = 0; k < step->assign_count; k++)
        mark(step->assigns[k], needed);
}

int count_contractions(const Graph *g, const Step *step)
{
    bool *needed = arena_alloc((size_t)g->count * sizeof(bool));
    int count = 0;
    mark_needed(step, needed);
    for (int id = 0; id < g->count; id++)
        count += needed[id] && op_table[g->nodes[id]->op].kind == CLASS_CONTRACT;
    return count;
}
