/* fold.c -- pools of convolutions become part of their filters.
 *
 * Needs: a simplified step. A map along an axis whose rows are one row, moved on by `step` places
 * each, is a convolution, so a convolution under it is one with a longer filter and a larger
 * stride. Of T = sum x[s p + k - b] w[k] y[p] with y = P' d, as of an average pool P, are left
 *
 *     sum x[s step j + k - (b - s start)] W[k] d[j],   W[k + s t] = sum over t of weight[t] w[k],
 *
 * and its three partial contractions. A 3x3 convolution with a pool of 2x2 is a 4x4 one with stride
 * 2: of 36 products a result 16 are left, and no unpooled map is ever made, forward or back. */
#include "gagac.h"

enum {
    LEAST_LANES = 64, /* results a channel: fewer do not pay for a larger filter's memory */
    MOST_COLUMNS = 12 /* of a folded filter: they are written out in the code */
};

typedef struct Fold {
    Graph *g;
    int *uses;  /* by id of a node of the step as it was */
    Node **now; /* by the same id: what stands in its place */
} Fold;

static Node *now(const Fold *f, const Node *n) { return f->now[n->id]; }

/* ---------------------------------------------------------------- filters */
/* Along an axis of the image, 0 or 1: the convolution n of maps on the side of y, P' of smaller
 * ones, as one of these. NULL: it is none, or does not pay. */
static const Resample *fold_window(const Fold *f, const Node *n, int axis, const Resample *pool,
                                   Window *window)
{
    const Type *y = n->op == OP_CONV_Y ? &n->type : &n->inputs[0]->type;
    const Type *w = n->op == OP_CONV_W ? &n->type : &n->inputs[1]->type;
    int start, step, count, stride = n->window.stride[axis], length = w->dims[axis];
    if (!resample_slides(pool, &start, &step, &count))
        return NULL;
    int folded = length + stride * (count - 1), before = n->window.before[axis] - stride * start;
    int64_t lanes = (int64_t)pool->to * y->dims[2 - axis] * f->g->batch_size;
    if (before < 0 || folded > MOST_COLUMNS || lanes < LEAST_LANES ||
        (int64_t)folded * pool->to > (int64_t)length * pool->from)
        return NULL;
    *window = n->window;
    window->stride[axis] = stride * step;
    window->before[axis] = before;
    double *matrix = arena_alloc((size_t)folded * (size_t)length * sizeof *matrix);
    for (int k = 0; k < length; k++)
        for (int t = 0; t < count; t++)
            matrix[(k + stride * t) * length + k] = pool->weight[t];
    return resample_matrix(f->g, length, folded, matrix);
}

static Node *folded_filter(const Fold *f, Node *w, int axis, const Resample *fold)
{
    Node *folded = node_resample(f->g, w, axis, fold);
    bool again = w->op == OP_RESAMPLE; /* along the other axis */
    return w->name ? node_named(folded, again ? w->name : arena_printf("%s_folded", w->name))
                   : folded;
}

/* ---------------------------------------------------------------- values along an axis */
/* The value with another extent of an axis along which it is constant, or NULL. */
static Node *stretched(const Fold *f, const Node *n, int axis, int extent)
{
    Type type = n->type;
    type.dims[axis] = extent;
    if (n->op == OP_CONSTANT)
        return node_constant(f->g, n->value, type);
    if (n->op == OP_EXPAND && n->axis == axis)
        return node_expand(f->g, now(f, n->inputs[0]), axis, extent);
    if (n->op != OP_EXPAND && n->op != OP_EXPAND_BATCH)
        return NULL;
    int inner = n->op == OP_EXPAND && n->axis < axis ? axis - 1 : axis;
    Node *from = stretched(f, n->inputs[0], inner, extent);
    if (!from)
        return NULL;
    return n->op == OP_EXPAND ? node_expand(f->g, from, n->axis, n->type.dims[n->axis])
                              : node_expand_batch(f->g, from);
}

static double row_sum(const Resample *map)
{
    double sum = 0;
    for (int t = 0; t < map->first[1]; t++)
        sum += map->weight[t];
    return sum;
}

/* The operand of a sum or a product, constant along the axis, as it is beside what is pooled. */
static Node *pooled_constant(const Fold *f, const Node *n, const Node *operand, int axis,
                             const Resample *pool)
{
    Node *even = stretched(f, operand, axis, pool->to);
    double sum = n->op == OP_MUL ? 1 : row_sum(pool);
    return even && sum != 1 ? node_scale(f->g, even, sum) : even;
}

/* The pool of a value that nothing else reads, without that value; NULL: there is no convolution
 * that it can be folded into. */
static Node *pooled(const Fold *f, const Node *n, int axis, const Resample *pool)
{
    Window window;
    if (f->uses[n->id] != 1)
        return NULL;
    if (n->op == OP_CONV_Y) {
        const Resample *fold = fold_window(f, n, axis - 1, pool, &window);
        if (!fold)
            return NULL;
        Node *w = folded_filter(f, now(f, n->inputs[1]), axis - 1, fold);
        return node_conv_y(f->g, now(f, n->inputs[0]), w, window,
                           axis == 1 ? pool->to : n->type.dims[1],
                           axis == 2 ? pool->to : n->type.dims[2]);
    }
    if (n->op == OP_NEG) {
        Node *inner = pooled(f, n->inputs[0], axis, pool);
        return inner ? node_unary(f->g, OP_NEG, inner) : NULL;
    }
    if (n->op != OP_ADD && n->op != OP_SUB && n->op != OP_MUL)
        return NULL;
    Node *parts[2];
    int folded = 0;
    for (int k = 0; k < 2; k++) {
        parts[k] = pooled(f, n->inputs[k], axis, pool);
        folded += parts[k] != NULL;
        parts[k] = parts[k] ? parts[k] : pooled_constant(f, n, n->inputs[k], axis, pool);
    }
    bool fits = parts[0] && parts[1] && (n->op == OP_MUL ? folded == 1 : folded > 0);
    return fits ? node_binary(f->g, n->op, parts[0], parts[1]) : NULL;
}

/* d where a value is P' d along an axis, and the pool P; or NULL. */
static Node *unspread(const Fold *f, const Node *n, int axis, const Resample **pool)
{
    if (n->op == OP_RESAMPLE && n->axis == axis) {
        *pool = n->map->transpose;
        return now(f, n->inputs[0]);
    }
    if (n->op == OP_RESAMPLE || n->op == OP_NEG) {
        Node *inner = unspread(f, n->inputs[0], axis, pool);
        if (!inner)
            return NULL;
        return n->op == OP_NEG ? node_unary(f->g, OP_NEG, inner)
                               : node_resample(f->g, inner, n->axis, n->map);
    }
    for (int k = 0; k < 2 && n->op == OP_MUL; k++) {
        Node *inner = unspread(f, n->inputs[k], axis, pool);
        Node *even = inner ? stretched(f, n->inputs[1 - k], axis, (*pool)->to) : NULL;
        if (even)
            return node_binary(f->g, OP_MUL, inner, even);
    }
    return NULL;
}

/* ---------------------------------------------------------------- nodes */
static Node *fold_gradient(const Fold *f, const Node *n, int axis)
{
    const Resample *pool = NULL;
    Window window;
    Node *d = unspread(f, n->inputs[0], axis, &pool);
    const Resample *fold = d ? fold_window(f, n, axis - 1, pool, &window) : NULL;
    if (!fold)
        return NULL;
    Node *other = now(f, n->inputs[1]);
    if (n->op == OP_CONV_X)
        return node_conv_x(f->g, d, folded_filter(f, other, axis - 1, fold), window,
                           n->type.dims[1], n->type.dims[2]);
    Node *w = node_conv_w(f->g, d, other, window, axis == 1 ? fold->to : n->type.dims[0],
                          axis == 2 ? fold->to : n->type.dims[1]);
    return node_resample(f->g, w, axis - 1, fold->transpose);
}

static Node *fold_node(const Fold *f, const Node *n)
{
    bool maps = n->type.batch && n->type.rank == 3;
    if (n->op == OP_RESAMPLE && maps && n->axis >= 1)
        return pooled(f, n->inputs[0], n->axis, n->map);
    Node *folded = NULL;
    for (int axis = 1; axis <= 2 && !folded && (n->op == OP_CONV_X || n->op == OP_CONV_W); axis++)
        folded = fold_gradient(f, n, axis);
    return folded;
}

static int *count_uses(const Graph *g, const Step *step, const bool *needed)
{
    int *uses = arena_alloc((size_t)g->count * sizeof *uses);
    for (int id = 0; id < g->count; id++)
        for (int k = 0; needed[id] && k < op_table[g->nodes[id]->op].arity; k++)
            uses[g->nodes[id]->inputs[k]->id]++;
    for (int k = 0; k < step->output_count; k++)
        uses[step->outputs[k]->id]++;
    return uses;
}

bool fold_pools(Graph *g, Step *step)
{
    int count = g->count;
    bool *needed = arena_alloc((size_t)count * sizeof *needed), any = false;
    mark_needed(step, needed);
    Fold f = {g, count_uses(g, step, needed), arena_alloc((size_t)count * sizeof(Node *))};
    for (int id = 0; id < count; id++) {
        Node *n = g->nodes[id], *inputs[MAX_NODE_INPUTS] = {NULL};
        if (!needed[id])
            continue;
        bool same = true;
        for (int k = 0; k < op_table[n->op].arity; k++) {
            inputs[k] = now(&f, n->inputs[k]);
            same &= inputs[k] == n->inputs[k];
        }
        Node *folded = fold_node(&f, n);
        any |= folded != NULL;
        f.now[id] = folded ? folded : same ? n : node_with_inputs(g, n, inputs);
        node_named(f.now[id], n->name);
    }
    for (int k = 0; k < step->output_count; k++)
        step->outputs[k] = now(&f, step->outputs[k]);
    for (int k = 0; k < step->assign_count; k++)
        step->assigns[k] = now(&f, step->assigns[k]);
    return any;
}
