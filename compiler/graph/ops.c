/* ops.c -- THE op table: one row an operation, with its class, C text, double-precision meaning and
 * gradient rule.
 *
 * The graph is closed under differentiation: a gradient rule only builds nodes of this table, so
 * gradients of gradients need nothing more. To add an op: a line in ops.def, a row here, a case in
 * tests/grad/test_ops.c. */
#include "gagac.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- double-precision meaning */
static double eval_add(double a, double b, double c)
{
    (void)c;
    return a + b;
}
static double eval_sub(double a, double b, double c)
{
    (void)c;
    return a - b;
}
static double eval_mul(double a, double b, double c)
{
    (void)c;
    return a * b;
}
static double eval_div(double a, double b, double c)
{
    (void)c;
    return a / b;
}
static double eval_neg(double a, double b, double c)
{
    (void)b;
    (void)c;
    return -a;
}
static double eval_max(double a, double b, double c)
{
    (void)c;
    return a > b ? a : b;
}
static double eval_min(double a, double b, double c)
{
    (void)c;
    return a < b ? a : b;
}
static double eval_abs(double a, double b, double c)
{
    (void)b;
    (void)c;
    return fabs(a);
}
static double eval_sign(double a, double b, double c)
{
    (void)b;
    (void)c;
    return (a > 0) - (a < 0);
}
static double eval_sqrt(double a, double b, double c)
{
    (void)b;
    (void)c;
    return sqrt(a);
}
static double eval_exp(double a, double b, double c)
{
    (void)b;
    (void)c;
    return exp(a);
}
static double eval_log(double a, double b, double c)
{
    (void)b;
    (void)c;
    return log(a);
}
static double eval_sin(double a, double b, double c)
{
    (void)b;
    (void)c;
    return sin(a);
}
static double eval_cos(double a, double b, double c)
{
    (void)b;
    (void)c;
    return cos(a);
}
static double eval_sigmoid(double a, double b, double c)
{
    (void)b;
    (void)c;
    return 1 / (1 + exp(-a));
}
static double eval_tanh(double a, double b, double c)
{
    (void)b;
    (void)c;
    return tanh(a);
}
static double eval_rint(double a, double b, double c)
{
    (void)b;
    (void)c;
    return rint(a); /* halves to even */
}
static double eval_leaky(double a, double b, double c)
{
    (void)b;
    return a > 0 ? a : c * a;
}
static double eval_leaky_slope(double a, double b, double c)
{
    (void)b;
    return a > 0 ? 1 : c;
}
static double eval_greater(double a, double b, double c)
{
    (void)c;
    return a > b;
}
static double eval_equal(double a, double b, double c)
{
    (void)c;
    return a == b;
}
static double eval_stop(double a, double b, double c)
{
    (void)b;
    (void)c;
    return a;
}

/* A node's axis splits its index space into outer x axis x inner; the batch axis belongs to outer.
 */
typedef struct Split {
    int64_t outer, length, inner;
} Split;

static Split split_at(const Graph *g, const Type *type, int axis)
{
    Split s = {type->batch ? g->batch_size : 1, type->dims[axis], 1};
    for (int k = 0; k < axis; k++)
        s.outer *= type->dims[k];
    for (int k = axis + 1; k < type->rank; k++)
        s.inner *= type->dims[k];
    return s;
}

static void run_expand(const Graph *g, const Node *n, const Value *in, Value *out)
{
    Split s = split_at(g, &n->type, n->axis);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t k = 0; k < s.length; k++)
            memcpy(out->data + (o * s.length + k) * s.inner, in->data + o * s.inner,
                   (size_t)s.inner * sizeof(double));
}

static void run_expand_batch(const Graph *g, const Node *n, const Value *in, Value *out)
{
    (void)n;
    for (int b = 0; b < g->batch_size; b++)
        memcpy(out->data + b * in->size, in->data, (size_t)in->size * sizeof(double));
}

static void run_reshape(const Graph *g, const Node *n, const Value *in, Value *out)
{
    (void)g;
    (void)n;
    memcpy(out->data, in->data, (size_t)in->size * sizeof(double));
}

/* SLICE and PAD are adjoint: both copy the common part, which starts at `start` on the longer side.
 */
static void run_slice(const Graph *g, const Node *n, const Value *in, Value *out)
{
    Split s = split_at(g, &n->type, n->axis), t = split_at(g, &n->inputs[0]->type, n->axis);
    for (int64_t o = 0; o < s.outer; o++)
        memcpy(out->data + o * s.length * s.inner, in->data + (o * t.length + n->start) * t.inner,
               (size_t)(s.length * s.inner) * sizeof(double));
}

static void run_pad(const Graph *g, const Node *n, const Value *in, Value *out)
{
    Split s = split_at(g, &n->type, n->axis), t = split_at(g, &n->inputs[0]->type, n->axis);
    memset(out->data, 0, (size_t)out->size * sizeof(double));
    for (int64_t o = 0; o < s.outer; o++)
        memcpy(out->data + (o * s.length + n->start) * s.inner, in->data + o * t.length * t.inner,
               (size_t)(t.length * t.inner) * sizeof(double));
}

static void run_concat(const Graph *g, const Node *n, const Value *in, Value *out)
{
    Split s = split_at(g, &n->type, n->axis);
    double *to = out->data;
    for (int64_t o = 0; o < s.outer; o++)
        for (int k = 0; k < 2; k++) {
            size_t part = (size_t)(n->inputs[k]->type.dims[n->axis] * s.inner);
            memcpy(to, in[k].data + o * (int64_t)part, part * sizeof(double));
            to += part;
        }
}

static void run_sum(const Graph *g, const Node *n, const Value *in, Value *out)
{
    Split s = split_at(g, &n->inputs[0]->type, n->axis);
    memset(out->data, 0, (size_t)out->size * sizeof(double));
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t k = 0; k < s.length; k++)
            for (int64_t i = 0; i < s.inner; i++)
                out->data[o * s.inner + i] += in->data[(o * s.length + k) * s.inner + i];
}

static void run_maximum_of(const Graph *g, const Node *n, const Value *in, Value *out)
{
    Split s = split_at(g, &n->inputs[0]->type, n->axis);
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t i = 0; i < s.inner; i++) {
            double best = in->data[o * s.length * s.inner + i];
            for (int64_t k = 1; k < s.length; k++)
                best = fmax(best, in->data[(o * s.length + k) * s.inner + i]);
            out->data[o * s.inner + i] = best;
        }
}

static void run_sum_batch(const Graph *g, const Node *n, const Value *in, Value *out)
{
    (void)n;
    memset(out->data, 0, (size_t)out->size * sizeof(double));
    for (int b = 0; b < g->batch_size; b++)
        for (int64_t k = 0; k < out->size; k++)
            out->data[k] += in->data[b * out->size + k];
}

/* to[i] += the sum over k of factors[k * step] * rows[k][i], added in the order of k; four rows at
 * a time, so that a sum is read and written once for them. */
static void add_rows(double *restrict to, int length, const double *restrict rows, int count,
                     const double *restrict factors, int step)
{
    int k = 0;
    for (; k + 4 <= count; k += 4, rows += 4 * (int64_t)length, factors += 4 * (int64_t)step) {
        double a = factors[0], b = factors[step], c = factors[2 * step], d = factors[3 * step];
        for (int i = 0; i < length; i++)
            to[i] = to[i] + a * rows[i] + b * rows[length + i] + c * rows[2 * length + i] +
                    d * rows[3 * length + i];
    }
    for (; k < count; k++, rows += length, factors += step)
        for (int i = 0; i < length; i++)
            to[i] += *factors * rows[i];
}

static double *transposed(const double *matrix, int rows, int columns)
{
    double *result = malloc((size_t)rows * (size_t)columns * sizeof *result);
    if (!result)
        fail(EXIT_IO, NULL, "out of memory in the interpreter");
    for (int k = 0; k < rows; k++)
        for (int i = 0; i < columns; i++)
            result[(int64_t)i * rows + k] = matrix[(int64_t)k * columns + i];
    return result;
}

static void run_contract_y(const Graph *g, const Node *n, const Value *in, Value *out)
{
    int rows = n->type.dims[0], columns = n->inputs[0]->type.dims[0];
    double *w = transposed(in[1].data, rows, columns);
    memset(out->data, 0, (size_t)out->size * sizeof(double));
    for (int64_t b = 0; b < g->batch_size; b++)
        add_rows(out->data + b * rows, rows, w, columns, in[0].data + b * columns, 1);
    free(w);
}

static void run_contract_x(const Graph *g, const Node *n, const Value *in, Value *out)
{
    int columns = n->type.dims[0], rows = n->inputs[0]->type.dims[0];
    memset(out->data, 0, (size_t)out->size * sizeof(double));
    for (int64_t b = 0; b < g->batch_size; b++)
        add_rows(out->data + b * columns, columns, in[1].data, rows, in[0].data + b * rows, 1);
}

static void run_contract_w(const Graph *g, const Node *n, const Value *in, Value *out)
{
    int rows = n->type.dims[0], columns = n->type.dims[1];
    memset(out->data, 0, (size_t)out->size * sizeof(double));
    for (int o = 0; o < rows; o++)
        add_rows(out->data + (int64_t)o * columns, columns, in[1].data, g->batch_size,
                 in[0].data + o, rows);
}

static void run_permute(const Graph *g, const Node *n, const Value *in, Value *out)
{
    const Type *from = &n->inputs[0]->type;
    int64_t step[MAX_RANK], size = type_size(from), at = 1;
    int64_t stride_of[MAX_RANK];
    for (int k = from->rank - 1; k >= 0; k--) {
        stride_of[k] = at;
        at *= from->dims[k];
    }
    for (int k = 0; k < n->type.rank; k++)
        step[k] = stride_of[n->order[k]];
    for (int64_t b = 0; b < (n->type.batch ? g->batch_size : 1); b++)
        for (int64_t i = 0; i < size; i++) {
            int64_t rest = i, source = 0;
            for (int k = n->type.rank - 1; k >= 0; k--) {
                source += rest % n->type.dims[k] * step[k];
                rest /= n->type.dims[k];
            }
            out->data[b * size + i] = in->data[b * size + source];
        }
}

static void run_resample(const Graph *g, const Node *n, const Value *in, Value *out)
{
    const Resample *map = n->map;
    Split s = {1, map->to, type_size(&n->type)};
    if (n->axis != BATCH_AXIS)
        s = split_at(g, &n->type, n->axis);
    for (int64_t o = 0; o < s.outer; o++)
        for (int j = 0; j < map->to; j++)
            for (int64_t i = 0; i < s.inner; i++) {
                double sum = 0;
                for (int e = map->first[j]; e < map->first[j + 1]; e++)
                    sum += map->weight[e] * in->data[(o * map->from + map->index[e]) * s.inner + i];
                out->data[(o * s.length + j) * s.inner + i] = sum;
            }
}

/* Calls visit for every term of the form T of a convolution (node_conv_y()): places in x, w, y. */
typedef struct ConvShape {
    const Type *x, *w, *y;
    Window window;
} ConvShape;

typedef void ConvVisit(void *context, int64_t x, int64_t w, int64_t y);

static void visit_conv(const Graph *g, ConvShape c, ConvVisit *visit, void *context)
{
    int in = c.w->dims[2], out = c.w->dims[3], height = c.x->dims[1], width = c.x->dims[2];
    for (int64_t b = 0; b < g->batch_size; b++)
        for (int o = 0; o < out; o++)
            for (int p = 0; p < c.y->dims[1]; p++)
                for (int q = 0; q < c.y->dims[2]; q++)
                    for (int k = 0; k < c.w->dims[0]; k++)
                        for (int l = 0; l < c.w->dims[1]; l++)
                            for (int i = 0; i < in; i++) {
                                int row = p * c.window.stride[0] + k - c.window.before[0];
                                int column = q * c.window.stride[1] + l - c.window.before[1];
                                if (row < 0 || row >= height || column < 0 || column >= width)
                                    continue;
                                visit(context, ((b * in + i) * height + row) * width + column,
                                      ((int64_t)(k * c.w->dims[1] + l) * in + i) * out + o,
                                      ((b * out + o) * c.y->dims[1] + p) * c.y->dims[2] + q);
                            }
}

typedef struct ConvValues {
    const double *x, *w, *y;
    double *out;
} ConvValues;

static void add_to_y(void *context, int64_t x, int64_t w, int64_t y)
{
    const ConvValues *v = context;
    v->out[y] += v->x[x] * v->w[w];
}

static void add_to_x(void *context, int64_t x, int64_t w, int64_t y)
{
    const ConvValues *v = context;
    v->out[x] += v->y[y] * v->w[w];
}

static void add_to_w(void *context, int64_t x, int64_t w, int64_t y)
{
    const ConvValues *v = context;
    v->out[w] += v->x[x] * v->y[y];
}

static void run_conv_y(const Graph *g, const Node *n, const Value *in, Value *out)
{
    ConvValues v = {.x = in[0].data, .w = in[1].data, .out = out->data};
    memset(out->data, 0, (size_t)out->size * sizeof(double));
    visit_conv(g, (ConvShape){&n->inputs[0]->type, &n->inputs[1]->type, &n->type, n->window},
               add_to_y, &v);
}

static void run_conv_x(const Graph *g, const Node *n, const Value *in, Value *out)
{
    ConvValues v = {.y = in[0].data, .w = in[1].data, .out = out->data};
    memset(out->data, 0, (size_t)out->size * sizeof(double));
    visit_conv(g, (ConvShape){&n->type, &n->inputs[1]->type, &n->inputs[0]->type, n->window},
               add_to_x, &v);
}

static void run_conv_w(const Graph *g, const Node *n, const Value *in, Value *out)
{
    ConvValues v = {.y = in[0].data, .x = in[1].data, .out = out->data};
    memset(out->data, 0, (size_t)out->size * sizeof(double));
    visit_conv(g, (ConvShape){&n->inputs[1]->type, &n->type, &n->inputs[0]->type, n->window},
               add_to_w, &v);
}

/* ---------------------------------------------------------------- gradient rules: d is the adjoint
 * of node n */
static void give(Graph *g, Node *grads[], int k, Node *value)
{
    grads[k] = grads[k] ? node_binary(g, OP_ADD, grads[k], value) : value;
}

static Node *mul(Graph *g, Node *a, Node *b) { return node_binary(g, OP_MUL, a, b); }
static Node *neg(Graph *g, Node *a) { return node_unary(g, OP_NEG, a); }

static void grad_add(Graph *g, Node *n, Node *d, Node *grads[])
{
    (void)n;
    give(g, grads, 0, d);
    give(g, grads, 1, d);
}

static void grad_sub(Graph *g, Node *n, Node *d, Node *grads[])
{
    (void)n;
    give(g, grads, 0, d);
    give(g, grads, 1, neg(g, d));
}

static void grad_mul(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, mul(g, d, n->inputs[1]));
    give(g, grads, 1, mul(g, d, n->inputs[0]));
}

static void grad_div(Graph *g, Node *n, Node *d, Node *grads[])
{
    Node *quotient = node_binary(g, OP_DIV, d, n->inputs[1]);
    give(g, grads, 0, quotient);
    give(g, grads, 1, neg(g, mul(g, quotient, n)));
}

static void grad_neg(Graph *g, Node *n, Node *d, Node *grads[])
{
    (void)n;
    give(g, grads, 0, neg(g, d));
}

/* MAX and MIN: the whole gradient goes to the operand that won, to b in a tie. */
static void grad_extreme(Graph *g, Node *d, Node *grads[], Node *a_wins)
{
    Node *one = node_constant(g, 1, d->type);
    give(g, grads, 0, mul(g, d, a_wins));
    give(g, grads, 1, mul(g, d, node_binary(g, OP_SUB, one, a_wins)));
}

static void grad_max(Graph *g, Node *n, Node *d, Node *grads[])
{
    grad_extreme(g, d, grads, node_binary(g, OP_GREATER, n->inputs[0], n->inputs[1]));
}

static void grad_min(Graph *g, Node *n, Node *d, Node *grads[])
{
    grad_extreme(g, d, grads, node_binary(g, OP_GREATER, n->inputs[1], n->inputs[0]));
}

static void grad_abs(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, mul(g, d, node_unary(g, OP_SIGN, n->inputs[0])));
}

static void grad_sqrt(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, node_scale(g, node_binary(g, OP_DIV, d, n), 0.5));
}

static void grad_exp(Graph *g, Node *n, Node *d, Node *grads[]) { give(g, grads, 0, mul(g, d, n)); }

static void grad_log(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, node_binary(g, OP_DIV, d, n->inputs[0]));
}

static void grad_sin(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, mul(g, d, node_unary(g, OP_COS, n->inputs[0])));
}

static void grad_cos(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, neg(g, mul(g, d, node_unary(g, OP_SIN, n->inputs[0]))));
}

static void grad_sigmoid(Graph *g, Node *n, Node *d, Node *grads[])
{
    Node *rest = node_binary(g, OP_SUB, node_constant(g, 1, n->type), n);
    give(g, grads, 0, mul(g, d, mul(g, n, rest)));
}

static void grad_tanh(Graph *g, Node *n, Node *d, Node *grads[])
{
    Node *rest = node_binary(g, OP_SUB, node_constant(g, 1, n->type), mul(g, n, n));
    give(g, grads, 0, mul(g, d, rest));
}

/* The slope is read off the sign of the result, which has the sign of the argument: no
 * pre-activation is kept. The second derivative is an exact zero: LEAKY_SLOPE has no rule, so no
 * pass through the forward chain is built. */
static void grad_leaky(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, mul(g, d, node_leaky(g, OP_LEAKY_SLOPE, n, n->value)));
}

static void grad_expand(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, node_sum(g, d, n->axis));
}

static void grad_expand_batch(Graph *g, Node *n, Node *d, Node *grads[])
{
    (void)n;
    give(g, grads, 0, node_sum_batch(g, d));
}

static void grad_reshape(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, node_reshape(g, d, n->inputs[0]->type));
}

static void grad_slice(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, node_pad(g, d, n->axis, n->start, n->inputs[0]->type.dims[n->axis]));
}

static void grad_pad(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, node_slice(g, d, n->axis, n->start, n->inputs[0]->type.dims[n->axis]));
}

static void grad_concat(Graph *g, Node *n, Node *d, Node *grads[])
{
    int first = n->inputs[0]->type.dims[n->axis], second = n->inputs[1]->type.dims[n->axis];
    give(g, grads, 0, node_slice(g, d, n->axis, 0, first));
    give(g, grads, 1, node_slice(g, d, n->axis, first, second));
}

static void grad_permute(Graph *g, Node *n, Node *d, Node *grads[])
{
    int inverse[MAX_RANK] = {0};
    for (int k = 0; k < n->type.rank; k++)
        inverse[n->order[k]] = k;
    give(g, grads, 0, node_permute(g, d, inverse));
}

static void grad_resample(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, node_resample(g, d, n->axis, n->map->transpose));
}

static void grad_sum(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, node_expand(g, d, n->axis, n->inputs[0]->type.dims[n->axis]));
}

/* Ties share the gradient equally. */
static void grad_maximum_of(Graph *g, Node *n, Node *d, Node *grads[])
{
    int extent = n->inputs[0]->type.dims[n->axis];
    Node *wins = node_binary(g, OP_EQUAL, n->inputs[0], node_expand(g, n, n->axis, extent));
    Node *share = node_binary(g, OP_DIV, d, node_sum(g, wins, n->axis));
    give(g, grads, 0, mul(g, wins, node_expand(g, share, n->axis, extent)));
}

static void grad_sum_batch(Graph *g, Node *n, Node *d, Node *grads[])
{
    (void)n;
    give(g, grads, 0, node_expand_batch(g, d));
}

/* The three contractions are the partial derivatives of one trilinear form, so each gives the other
 * two. */
static void grad_contract_y(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, node_contract_x(g, d, n->inputs[1]));
    give(g, grads, 1, node_contract_w(g, d, n->inputs[0]));
}

static void grad_contract_x(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, node_contract_y(g, d, n->inputs[1]));
    give(g, grads, 1, node_contract_w(g, n->inputs[0], d));
}

static void grad_contract_w(Graph *g, Node *n, Node *d, Node *grads[])
{
    give(g, grads, 0, node_contract_y(g, n->inputs[1], d));
    give(g, grads, 1, node_contract_x(g, n->inputs[0], d));
}

static void grad_conv_y(Graph *g, Node *n, Node *d, Node *grads[])
{
    const int *size = n->inputs[0]->type.dims + 1, *filter = n->inputs[1]->type.dims;
    give(g, grads, 0, node_conv_x(g, d, n->inputs[1], n->window, size[0], size[1]));
    give(g, grads, 1, node_conv_w(g, d, n->inputs[0], n->window, filter[0], filter[1]));
}

static void grad_conv_x(Graph *g, Node *n, Node *d, Node *grads[])
{
    const int *size = n->inputs[0]->type.dims + 1, *filter = n->inputs[1]->type.dims;
    give(g, grads, 0, node_conv_y(g, d, n->inputs[1], n->window, size[0], size[1]));
    give(g, grads, 1, node_conv_w(g, n->inputs[0], d, n->window, filter[0], filter[1]));
}

static void grad_conv_w(Graph *g, Node *n, Node *d, Node *grads[])
{
    const int *y = n->inputs[0]->type.dims + 1, *x = n->inputs[1]->type.dims + 1;
    give(g, grads, 0, node_conv_y(g, n->inputs[1], d, n->window, y[0], y[1]));
    give(g, grads, 1, node_conv_x(g, n->inputs[0], d, n->window, x[0], x[1]));
}

/* ---------------------------------------------------------------- the table */
#define SOURCE(op_, name_) [op_] = {.name = name_, .kind = CLASS_SOURCE}
#define ELEMENT(op_, name_, arity_, text_, eval_, grad_, ...) \
    [op_] = {.name = name_,                                   \
             .kind = CLASS_ELEMENT,                           \
             .arity = arity_,                                 \
             .text = text_,                                   \
             .scalar = eval_,                                 \
             .gradient = grad_,                               \
             __VA_ARGS__}
#define ARRAY(op_, name_, kind_, arity_, run_, grad_, ...) \
    [op_] = {.name = name_,                                \
             .kind = kind_,                                \
             .arity = arity_,                              \
             .evaluate = run_,                             \
             .gradient = grad_,                            \
             __VA_ARGS__}

const OpRow op_table[OP_COUNT] = {
    SOURCE(OP_PARAMETER, "parameter"),
    SOURCE(OP_INPUT, "input"),
    SOURCE(OP_SCALAR, "scalar"),
    SOURCE(OP_CONSTANT, "constant"),

    ELEMENT(OP_ADD, "add", 2, "%a + %b", eval_add, grad_add, .commutes = true),
    ELEMENT(OP_SUB, "sub", 2, "%a - %b", eval_sub, grad_sub, .commutes = false),
    ELEMENT(OP_MUL, "mul", 2, "%a * %b", eval_mul, grad_mul, .commutes = true),
    ELEMENT(OP_DIV, "div", 2, "%a / %b", eval_div, grad_div, .commutes = false),
    ELEMENT(OP_NEG, "neg", 1, "-%a", eval_neg, grad_neg, .cheap = true),
    ELEMENT(OP_MAX, "max", 2, "@max(%a, %b)", eval_max, grad_max, .commutes = false),
    ELEMENT(OP_MIN, "min", 2, "@min(%a, %b)", eval_min, grad_min, .commutes = false),
    ELEMENT(OP_ABS, "abs", 1, "@abs(%a)", eval_abs, grad_abs, .cheap = true),
    ELEMENT(OP_SIGN, "sign", 1, "@sign(%a)", eval_sign, NULL, .cheap = true),
    ELEMENT(OP_SQRT, "sqrt", 1, "@sqrt(%a)", eval_sqrt, grad_sqrt, .cheap = false),
    ELEMENT(OP_EXP, "exp", 1, "@exp(%a)", eval_exp, grad_exp, .cheap = false),
    ELEMENT(OP_LOG, "log", 1, "@log(%a)", eval_log, grad_log, .cheap = false),
    ELEMENT(OP_SIN, "sin", 1, "@sin(%a)", eval_sin, grad_sin, .cheap = false),
    ELEMENT(OP_COS, "cos", 1, "@cos(%a)", eval_cos, grad_cos, .cheap = false),
    ELEMENT(OP_SIGMOID, "sigmoid", 1, "@sigmoid(%a)", eval_sigmoid, grad_sigmoid, .cheap = false),
    ELEMENT(OP_TANH, "tanh", 1, "@tanh(%a)", eval_tanh, grad_tanh, .cheap = false),
    ELEMENT(OP_RINT, "rint", 1, "@rint(%a)", eval_rint, NULL, .cheap = false),
    ELEMENT(OP_LEAKY, "leaky", 1, "@leaky(%a, %c)", eval_leaky, grad_leaky, .cheap = false),
    ELEMENT(OP_LEAKY_SLOPE, "leaky_slope", 1, "@leaky_slope(%a, %c)", eval_leaky_slope, NULL,
            .cheap = true),
    ELEMENT(OP_GREATER, "greater", 2, "@greater(%a, %b)", eval_greater, NULL, .cheap = false),
    ELEMENT(OP_EQUAL, "equal", 2, "@equal(%a, %b)", eval_equal, NULL, .commutes = true),
    ELEMENT(OP_STOP, "stop", 1, "%a", eval_stop, NULL, .cheap = true),

    ARRAY(OP_EXPAND, "expand", CLASS_MOVE, 1, run_expand, grad_expand, .cheap = true),
    ARRAY(OP_EXPAND_BATCH, "expand_batch", CLASS_MOVE, 1, run_expand_batch, grad_expand_batch,
          .cheap = true),
    ARRAY(OP_RESHAPE, "reshape", CLASS_MOVE, 1, run_reshape, grad_reshape, .cheap = true),
    ARRAY(OP_SLICE, "slice", CLASS_MOVE, 1, run_slice, grad_slice, .cheap = true),
    ARRAY(OP_PAD, "pad", CLASS_MOVE, 1, run_pad, grad_pad, .cheap = false),
    ARRAY(OP_CONCAT, "concat", CLASS_MOVE, 2, run_concat, grad_concat, .cheap = false),
    ARRAY(OP_PERMUTE, "permute", CLASS_MOVE, 1, run_permute, grad_permute, .cheap = true),
    ARRAY(OP_RESAMPLE, "resample", CLASS_MOVE, 1, run_resample, grad_resample, .cheap = false),
    ARRAY(OP_SUM, "sum", CLASS_REDUCE, 1, run_sum, grad_sum, .cheap = false),
    ARRAY(OP_SUM_BATCH, "sum_batch", CLASS_REDUCE, 1, run_sum_batch, grad_sum_batch,
          .cheap = false),
    ARRAY(OP_MAXIMUM_OF, "maximum_of", CLASS_REDUCE, 1, run_maximum_of, grad_maximum_of,
          .cheap = false),
    ARRAY(OP_CONTRACT_Y, "contract_y", CLASS_CONTRACT, 2, run_contract_y, grad_contract_y,
          .cheap = false),
    ARRAY(OP_CONTRACT_X, "contract_x", CLASS_CONTRACT, 2, run_contract_x, grad_contract_x,
          .cheap = false),
    ARRAY(OP_CONTRACT_W, "contract_w", CLASS_CONTRACT, 2, run_contract_w, grad_contract_w,
          .cheap = false),
    ARRAY(OP_CONV_Y, "conv_y", CLASS_CONTRACT, 2, run_conv_y, grad_conv_y, .cheap = false),
    ARRAY(OP_CONV_X, "conv_x", CLASS_CONTRACT, 2, run_conv_x, grad_conv_x, .cheap = false),
    ARRAY(OP_CONV_W, "conv_w", CLASS_CONTRACT, 2, run_conv_w, grad_conv_w, .cheap = false),
    [OP_ASSIGN] = {.name = "assign", .kind = CLASS_EFFECT, .arity = 1},
};
