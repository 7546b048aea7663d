/* hyper_nodes.c -- what layers on maps are made of: SAME convolutions, pools, resizes and shuffles as
 * nodes of the graph. A map is [channels, height, width].
 *
 * SAME: n cells, window k, stride s give ceil(n / s) cells; max((out - 1) s + k - n, 0) zeros are
 * added, half of them (rounded down) before. */
#include "hypergan.h"

#include <math.h>
#include <string.h>

enum { AXIS_CHANNEL, AXIS_HEIGHT, AXIS_WIDTH };

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
typedef struct Window { /* of a SAME convolution along one axis */
    int out, before, needed; /* cells out; zeros before; cells that are read, zeros included */
} Window;

static Window same_window(int n, int k, int stride)
{
    int out = (n + stride - 1) / stride, needed = (out - 1) * stride + k;
    return (Window){out, needed > n ? (needed - n) / 2 : 0, needed};
}

/* Zeros around one axis, or its last cells off, so that exactly the needed ones are there. */
static Node *fit(Graph *g, Node *x, int axis, Window window)
{
    int n = x->type.dims[axis];
    if (window.needed < n)
        return node_slice(g, x, axis, 0, window.needed);
    return node_pad(g, x, axis, window.before, window.needed);
}

Node *convolve_same(Graph *g, Node *x, Node *weight, int stride_h, int stride_w)
{
    Window rows = same_window(x->type.dims[AXIS_HEIGHT], weight->type.dims[0], stride_h);
    Window columns = same_window(x->type.dims[AXIS_WIDTH], weight->type.dims[1], stride_w);
    x = fit(g, fit(g, x, AXIS_HEIGHT, rows), AXIS_WIDTH, columns);
    return node_conv_y(g, x, weight, stride_h, stride_w);
}

/* The cells of a transposed convolution that are kept: those of the input that fit() padded. */
static Node *unfit(Graph *g, Node *x, int axis, int n, Window window)
{
    if (window.needed < n)
        return node_pad(g, x, axis, 0, n);
    return node_slice(g, x, axis, window.before, n);
}

Node *deconvolve_same(Graph *g, Node *x, Node *weight, int stride_h, int stride_w)
{
    int h = x->type.dims[AXIS_HEIGHT] * stride_h, w = x->type.dims[AXIS_WIDTH] * stride_w;
    Window rows = same_window(h, weight->type.dims[0], stride_h);
    Window columns = same_window(w, weight->type.dims[1], stride_w);
    Node *full = node_conv_x(g, x, weight, stride_h, stride_w, rows.needed, columns.needed);
    return unfit(g, unfit(g, full, AXIS_HEIGHT, h, rows), AXIS_WIDTH, w, columns);
}

/* ---------------------------------------------------------------- along one axis */
typedef struct Matrix { /* [rows][columns], mostly zeros */
    int rows, columns;
    double *values;
} Matrix;

static Matrix matrix_new(int rows, int columns)
{
    return (Matrix){rows, columns,
                    arena_alloc((size_t)rows * (size_t)columns * sizeof(double) + 1)};
}

static double *at(Matrix m, int row, int column)
{
    return &m.values[(size_t)row * (size_t)m.columns + (size_t)column];
}

static Node *apply(Graph *g, Node *x, int axis, Matrix m)
{
    bool identity = m.rows == m.columns;
    for (int i = 0; i < m.rows && identity; i++)
        for (int j = 0; j < m.columns && identity; j++)
            identity = *at(m, i, j) == (i == j);
    return identity ? x : node_resample(g, x, axis, m.rows, m.columns, m.values);
}

Node *window_sum(Graph *g, Node *x, int axis, int width, int stride)
{
    int n = x->type.dims[axis];
    Window window = same_window(n, width, stride);
    Matrix m = matrix_new(window.out, n);
    for (int i = 0; i < window.out; i++)
        for (int k = 0; k < width; k++) {
            int cell = i * stride + k - window.before;
            if (cell >= 0 && cell < n)
                *at(m, i, cell) = 1;
        }
    return apply(g, x, axis, m);
}

static Node *pool_axis(Graph *g, Node *x, int axis, int pool)
{
    int n = x->type.dims[axis];
    Window window = same_window(n, pool, pool);
    Matrix m = matrix_new(window.out, n);
    for (int i = 0; i < window.out; i++) {
        int first = i * pool - window.before, last = first + pool;
        first = first < 0 ? 0 : first;
        last = last > n ? n : last;
        for (int cell = first; cell < last; cell++)
            *at(m, i, cell) = 1.0 / (last - first);
    }
    return apply(g, x, axis, m);
}

Node *average_pool(Graph *g, Node *x, int pool_h, int pool_w)
{
    return pool_axis(g, pool_axis(g, x, AXIS_HEIGHT, pool_h), AXIS_WIDTH, pool_w);
}

/* Keys' cubic with a = -0.75. */
static double cubic(double t)
{
    const double a = -0.75;
    t = fabs(t);
    if (t <= 1)
        return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

static int inside(int cell, int n) { return cell < 0 ? 0 : cell >= n ? n - 1 : cell; }

static void fill_row(Matrix m, int row, Resize method)
{
    int n = m.columns, out = m.rows;
    double from = (double)row * n / out;
    int cell = (int)((int64_t)row * n / out);
    double share = from - cell;
    switch (method) {
    case RESIZE_NEAREST:
        *at(m, row, cell) = 1;
        break;
    case RESIZE_BILINEAR:
        *at(m, row, cell) += 1 - share;
        *at(m, row, inside(cell + 1, n)) += share;
        break;
    case RESIZE_BICUBIC:
        for (int k = -1; k <= 2; k++)
            *at(m, row, inside(cell + k, n)) += cubic(share - k);
        break;
    case RESIZE_AREA: {
        double to = (double)(row + 1) * n / out;
        for (int k = cell; k < n && k < to; k++)
            *at(m, row, k) = (fmin(k + 1, to) - fmax(k, from)) * out / n;
        break;
    }
    }
}

static Node *resize_axis(Graph *g, Node *x, int axis, int size, Resize method)
{
    Matrix m = matrix_new(size, x->type.dims[axis]);
    for (int row = 0; row < size; row++)
        fill_row(m, row, method);
    return apply(g, x, axis, m);
}

Node *resize(Graph *g, Node *x, int height, int width, Resize method)
{
    Node *rows = resize_axis(g, x, AXIS_HEIGHT, height, method);
    return resize_axis(g, rows, AXIS_WIDTH, width, method);
}

Node *mix_batch(Graph *g, Node *x, const double *rows)
{
    Matrix m = matrix_new(g->batch_size, g->batch_size);
    memcpy(m.values, rows, (size_t)m.rows * (size_t)m.columns * sizeof *rows);
    return apply(g, x, -1, m);
}
