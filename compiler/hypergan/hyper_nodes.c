/* hyper_nodes.c -- what layers on maps are made of: SAME convolutions, pools, resizes and shuffles
 * as nodes of the graph. A map is [channels, height, width].
 *
 * SAME: n cells, window k, stride s give ceil(n / s) cells; max((out - 1) s + k - n, 0) zeros are
 * added, half of them (rounded down) before. */
#include "hypergan.h"

#include <string.h>

enum { AXIS_HEIGHT = 1, AXIS_WIDTH = 2 };

Node *add(Graph *g, Node *a, Node *b) { return node_binary(g, OP_ADD, a, b); }
Node *subtract(Graph *g, Node *a, Node *b) { return node_binary(g, OP_SUB, a, b); }
Node *multiply(Graph *g, Node *a, Node *b) { return node_binary(g, OP_MUL, a, b); }
Node *square(Graph *g, Node *a) { return node_binary(g, OP_MUL, a, a); }
Node *negate(Graph *g, Node *a) { return node_unary(g, OP_NEG, a); }

Node *sum_list(Graph *g, Node *const *nodes, int count)
{
    Node *sum = nodes[0];
    for (int i = 1; i < count; i++)
        sum = add(g, sum, nodes[i]);
    return sum;
}

Node *sum_of_squares(Graph *g, Node *a) { return node_sum_all(g, square(g, a)); }

/* max(a, 0) + log(1 + e^-|a|): no overflow. */
Node *softplus(Graph *g, Node *a)
{
    Node *decay = node_unary(g, OP_EXP, negate(g, node_unary(g, OP_ABS, a)));
    Node *tail = node_unary(g, OP_LOG, node_shift(g, decay, 1));
    return add(g, node_leaky(g, OP_LEAKY, a, 0), tail);
}

Node *clip(Graph *g, Node *a, double least, double most)
{
    Node *above = node_binary(g, OP_MAX, a, node_constant(g, least, a->type));
    return node_binary(g, OP_MIN, above, node_constant(g, most, a->type));
}

Node *expand_channels(Graph *g, Node *vector, const Type *type)
{
    for (int axis = 1; axis < type->rank; axis++)
        vector = node_expand(g, vector, axis, type->dims[axis]);
    return vector->type.batch == type->batch ? vector : node_expand_batch(g, vector);
}

/* ---------------------------------------------------------------- order of cells */
Node *map_to_rows(Graph *g, Node *map)
{
    return map->type.rank == 3 ? node_permute(g, map, (const int[]){1, 2, 0}) : map;
}

Node *rows_to_map(Graph *g, Node *rows)
{
    return rows->type.rank == 3 ? node_permute(g, rows, (const int[]){2, 0, 1}) : rows;
}

Node *flatten(Graph *g, Node *value)
{
    Node *rows = map_to_rows(g, value);
    return node_reshape(g, rows, type_vector(rows->type.batch, (int)type_size(&rows->type)));
}

Node *unflatten(Graph *g, Node *vector, int rank, const int dims[])
{
    Type type = {.batch = vector->type.batch, .rank = rank};
    memcpy(type.dims, dims, (size_t)rank * sizeof *dims);
    return rows_to_map(g, node_reshape(g, vector, type));
}

static Node *reshape4(Graph *g, Node *a, int p, int q, int r, int s)
{
    return node_reshape(g, a, (Type){.batch = a->type.batch, .rank = 4, .dims = {p, q, r, s}});
}

static Node *reshape3(Graph *g, Node *a, int p, int q, int r)
{
    return node_reshape(g, a, (Type){.batch = a->type.batch, .rank = 3, .dims = {p, q, r}});
}

Node *depth_to_space(Graph *g, Node *x, int r)
{
    int c = x->type.dims[0] / (r * r), h = x->type.dims[1], w = x->type.dims[2];
    Node *rows = node_permute(g, reshape4(g, x, r, r * c, h, w), (const int[]){1, 2, 0, 3});
    rows = reshape3(g, rows, r * c, h * r, w);
    Node *cells = node_permute(g, reshape4(g, rows, r, c, h * r, w), (const int[]){1, 2, 3, 0});
    return reshape3(g, cells, c, h * r, w * r);
}

Node *phase_shift(Graph *g, Node *x, int r)
{
    int c = x->type.dims[0] / (r * r), h = x->type.dims[1], w = x->type.dims[2];
    Node *rows = node_permute(g, reshape4(g, x, c * r, r, h, w), (const int[]){0, 2, 1, 3});
    rows = reshape3(g, rows, c * r, h * r, w);
    Node *cells = node_permute(g, reshape4(g, rows, c, r, h * r, w), (const int[]){0, 2, 3, 1});
    return reshape3(g, cells, c, h * r, w * r);
}

/* ---------------------------------------------------------------- convolutions */
static int same_size(int n, int stride) { return (n + stride - 1) / stride; }

static int same_before(int n, int filter, int stride)
{
    int total = (same_size(n, stride) - 1) * stride + filter - n;
    return total > 0 ? total / 2 : 0;
}

static Window same_window(int h, int w, const Node *weight, int stride_h, int stride_w)
{
    return (Window){{stride_h, stride_w},
                    {same_before(h, weight->type.dims[0], stride_h),
                     same_before(w, weight->type.dims[1], stride_w)}};
}

/* x where each pixel stands twice in both directions, made from the maps that are returned; NULL:
 * another node. */
static Node *doubled(Graph *g, const Node *x)
{
    for (int axis = AXIS_WIDTH; axis >= AXIS_HEIGHT; axis--) {
        if (x->op != OP_RESAMPLE || x->axis != axis ||
            x->map != resample_nearest(g, x->type.dims[axis] / 2, x->type.dims[axis]))
            return NULL;
        x = x->inputs[0];
    }
    return g->nodes[x->id];
}

/* Along an axis of a filter of size n: what each of the n + 1 places of the folded one sums up.
 * Pixel h reads place k of pixel (h + k - before) / 2 of the smaller maps, so place j of a
 * transposed convolution with stride 2 and n - 1 - before zeros adds w[n - 1 - j] and w[n - j]. */
static Node *fold_axis(Graph *g, Node *weight, int axis)
{
    int n = weight->type.dims[axis];
    double *matrix = arena_alloc((size_t)(n * (n + 1)) * sizeof *matrix);
    for (int j = 0; j <= n; j++)
        for (int k = n - 1 - j; k <= n - j; k++)
            if (k >= 0 && k < n)
                matrix[j * n + k] = 1;
    return node_resample(g, weight, axis, resample_matrix(g, n, n + 1, matrix));
}

/* A convolution of doubled maps as a transposed one of the maps themselves: of n^2 products at each
 * pixel, (n + 1)^2 / 4 are left. */
static Node *convolve_doubled(Graph *g, Node *x, Node *weight, int h, int w)
{
    Window wide = same_window(h, w, weight, 1, 1), window = {{2, 2}, {0, 0}};
    for (int k = 0; k < 2; k++)
        window.before[k] = weight->type.dims[k] - 1 - wide.before[k];
    Node *folded = fold_axis(g, fold_axis(g, weight, 0), 1);
    return node_conv_x(g, x, node_permute(g, folded, (const int[]){0, 1, 3, 2}), window, h, w);
}

Node *convolve_same(Graph *g, Node *x, Node *weight, int stride_h, int stride_w)
{
    int h = x->type.dims[AXIS_HEIGHT], w = x->type.dims[AXIS_WIDTH];
    Node *small = stride_h == 1 && stride_w == 1 ? doubled(g, x) : NULL;
    if (small != NULL)
        return convolve_doubled(g, small, weight, h, w);
    return node_conv_y(g, x, weight, same_window(h, w, weight, stride_h, stride_w),
                       same_size(h, stride_h), same_size(w, stride_w));
}

Node *deconvolve_same(Graph *g, Node *x, Node *weight, int stride_h, int stride_w)
{
    int h = x->type.dims[AXIS_HEIGHT] * stride_h, w = x->type.dims[AXIS_WIDTH] * stride_w;
    return node_conv_x(g, x, weight, same_window(h, w, weight, stride_h, stride_w), h, w);
}

/* ---------------------------------------------------------------- along one axis */
Node *window_sum(Graph *g, Node *x, int axis, int width, int stride)
{
    int n = x->type.dims[axis], out = same_size(n, stride), before = same_before(n, width, stride);
    double *rows = arena_alloc((size_t)out * (size_t)n * sizeof *rows);
    for (int i = 0; i < out; i++)
        for (int k = 0; k < width; k++) {
            int cell = i * stride + k - before;
            if (cell >= 0 && cell < n)
                rows[(size_t)i * (size_t)n + (size_t)cell] = 1;
        }
    return node_resample(g, x, axis, resample_matrix(g, n, out, rows));
}

static Node *pool_axis(Graph *g, Node *x, int axis, int size)
{
    return size > 1 ? node_resample(g, x, axis, resample_pool(g, x->type.dims[axis], size)) : x;
}

Node *average_pool(Graph *g, Node *x, int pool_h, int pool_w)
{
    return pool_axis(g, pool_axis(g, x, AXIS_HEIGHT, pool_h), AXIS_WIDTH, pool_w);
}

static const Resample *resize_map(Graph *g, int from, int to, Resize method)
{
    switch (method) {
    case RESIZE_BILINEAR:
        return resample_bilinear(g, from, to);
    case RESIZE_NEAREST:
        return resample_nearest(g, from, to);
    case RESIZE_BICUBIC:
        return resample_bicubic(g, from, to);
    case RESIZE_AREA:
        return resample_area(g, from, to);
    }
    internal_error("a resize of unknown kind");
}

static Node *resize_axis(Graph *g, Node *x, int axis, int size, Resize method)
{
    int n = x->type.dims[axis];
    return n == size ? x : node_resample(g, x, axis, resize_map(g, n, size, method));
}

Node *resize(Graph *g, Node *x, int height, int width, Resize method)
{
    Node *rows = resize_axis(g, x, AXIS_HEIGHT, height, method);
    return resize_axis(g, rows, AXIS_WIDTH, width, method);
}

Node *mix_batch(Graph *g, Node *x, const double *rows)
{
    int n = g->batch_size;
    return node_resample(g, x, BATCH_AXIS, resample_matrix(g, n, n, rows));
}
