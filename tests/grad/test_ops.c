/* test_ops.c -- the gradient rule of every operation, at first and second order.
 *
 * Each case takes y = sum of c op(a, b)^2: the square gives also linear operations a second
 * derivative. Operands keep away from kinks by chance (fixed numbers). */
#include "gagac.h"

#include "differences.h"

#define BATCH(n)                                \
    {                                           \
        .batch = true, .rank = 1, .dims = { n } \
    }
#define SAMPLE        \
    {                 \
        .batch = true \
    }
#define VECTOR(n)                \
    {                            \
        .rank = 1, .dims = { n } \
    }
#define MAPS(c, h, w)                                 \
    {                                                 \
        .batch = true, .rank = 3, .dims = { c, h, w } \
    }
#define FILTER(h, w, i, o)                \
    {                                     \
        .rank = 4, .dims = { h, w, i, o } \
    }
#define MATRIX(m, n)                \
    {                               \
        .rank = 2, .dims = { m, n } \
    }

typedef struct Case {
    Op op;
    Type a, b;        /* operands; b: of binary operations, and the result of RESHAPE */
    double low, high; /* range of their elements */
    int axis, start, extent;
} Case;

static const Case cases[] = {
    {OP_ADD, BATCH(3), BATCH(3), -1, 1, 0, 0, 0},
    {OP_ADD, MATRIX(2, 3), MATRIX(2, 3), -1, 1, 0, 0, 0},
    {OP_SUB, BATCH(3), BATCH(3), -1, 1, 0, 0, 0},
    {OP_SUB, VECTOR(3), VECTOR(3), -1, 1, 0, 0, 0},
    {OP_MUL, BATCH(3), BATCH(3), -1, 1, 0, 0, 0},
    {OP_MUL, MATRIX(3, 2), MATRIX(3, 2), -1, 1, 0, 0, 0},
    {OP_DIV, BATCH(3), BATCH(3), 0.5, 2, 0, 0, 0},
    {OP_DIV, MATRIX(2, 2), MATRIX(2, 2), -2, -0.5, 0, 0, 0},
    {OP_NEG, BATCH(3), SAMPLE, -1, 1, 0, 0, 0},
    {OP_MAX, BATCH(3), BATCH(3), -1, 1, 0, 0, 0},
    {OP_MIN, BATCH(3), BATCH(3), -1, 1, 0, 0, 0},
    {OP_ABS, BATCH(3), SAMPLE, -1, 1, 0, 0, 0},
    {OP_SIGN, BATCH(3), SAMPLE, -1, 1, 0, 0, 0},
    {OP_SQRT, BATCH(3), SAMPLE, 0.5, 2, 0, 0, 0},
    {OP_SQRT, MATRIX(2, 2), SAMPLE, 0.5, 2, 0, 0, 0},
    {OP_EXP, BATCH(3), SAMPLE, -1, 1, 0, 0, 0},
    {OP_LOG, BATCH(3), SAMPLE, 0.5, 2, 0, 0, 0},
    {OP_SIN, BATCH(3), SAMPLE, -3, 3, 0, 0, 0},
    {OP_COS, BATCH(3), SAMPLE, -3, 3, 0, 0, 0},
    {OP_SIGMOID, BATCH(3), SAMPLE, -3, 3, 0, 0, 0},
    {OP_TANH, BATCH(3), SAMPLE, -2, 2, 0, 0, 0},
    {OP_RINT, BATCH(3), SAMPLE, -3, 3, 0, 0, 0},
    {OP_LEAKY, BATCH(3), SAMPLE, -1, 1, 0, 0, 0},
    {OP_LEAKY_SLOPE, BATCH(3), SAMPLE, -1, 1, 0, 0, 0},
    {OP_GREATER, BATCH(3), BATCH(3), -1, 1, 0, 0, 0},
    {OP_EQUAL, BATCH(3), BATCH(3), -1, 1, 0, 0, 0},
    {OP_EXPAND, BATCH(3), SAMPLE, -1, 1, 0, 0, 2},
    {OP_EXPAND, BATCH(3), SAMPLE, -1, 1, 1, 0, 2},
    {OP_EXPAND, SAMPLE, SAMPLE, -1, 1, 0, 0, 4},
    {OP_EXPAND, MATRIX(2, 3), SAMPLE, -1, 1, 1, 0, 2},
    {OP_EXPAND_BATCH, MATRIX(2, 3), SAMPLE, -1, 1, 0, 0, 0},
    {OP_EXPAND_BATCH, VECTOR(3), SAMPLE, -1, 1, 0, 0, 0},
    {OP_RESHAPE, MATRIX(2, 3), MATRIX(3, 2), -1, 1, 0, 0, 0},
    {OP_RESHAPE, BATCH(1), SAMPLE, -1, 1, 0, 0, 0},
    {OP_SLICE, BATCH(5), SAMPLE, -1, 1, 0, 1, 3},
    {OP_SLICE, MATRIX(4, 3), SAMPLE, -1, 1, 0, 2, 2},
    {OP_SLICE, MATRIX(3, 4), SAMPLE, -1, 1, 1, 1, 2},
    {OP_PAD, BATCH(3), SAMPLE, -1, 1, 0, 1, 6},
    {OP_PAD, MATRIX(2, 3), SAMPLE, -1, 1, 1, 0, 5},
    {OP_CONCAT, BATCH(2), BATCH(3), -1, 1, 0, 0, 0},
    {OP_CONCAT, MATRIX(2, 3), MATRIX(2, 1), -1, 1, 1, 0, 0},
    {OP_PERMUTE, MATRIX(2, 3), SAMPLE, -1, 1, 0, 0, 0},
    {OP_PERMUTE, MAPS(2, 3, 4), SAMPLE, -1, 1, 0, 0, 0},
    {OP_RESAMPLE, MAPS(2, 5, 3), SAMPLE, -1, 1, 1, 0, 2},
    {OP_RESAMPLE, MATRIX(3, 5), SAMPLE, -1, 1, 1, 0, 2},
    {OP_RESAMPLE, MAPS(1, 2, 2), SAMPLE, -1, 1, BATCH_AXIS, 0, 0},
    {OP_SUM, BATCH(4), SAMPLE, -1, 1, 0, 0, 0},
    {OP_SUM, MATRIX(2, 3), SAMPLE, -1, 1, 0, 0, 0},
    {OP_SUM, MATRIX(2, 3), SAMPLE, -1, 1, 1, 0, 0},
    {OP_SUM_BATCH, BATCH(3), SAMPLE, -1, 1, 0, 0, 0},
    {OP_SUM_BATCH, SAMPLE, SAMPLE, -1, 1, 0, 0, 0},
    {OP_MAXIMUM_OF, BATCH(4), SAMPLE, -1, 1, 0, 0, 0},
    {OP_MAXIMUM_OF, MATRIX(3, 2), SAMPLE, -1, 1, 0, 0, 0},
    {OP_CONTRACT_Y, BATCH(3), MATRIX(2, 3), -1, 1, 0, 0, 0},
    {OP_CONTRACT_Y, BATCH(3), MATRIX(1, 3), -1, 1, 0, 0, 0},
    {OP_CONTRACT_X, BATCH(3), MATRIX(3, 2), -1, 1, 0, 0, 0},
    {OP_CONTRACT_X, BATCH(1), MATRIX(1, 4), -1, 1, 0, 0, 0},
    {OP_CONTRACT_W, BATCH(3), BATCH(2), -1, 1, 0, 0, 0},
    {OP_CONTRACT_W, BATCH(1), BATCH(3), -1, 1, 0, 0, 0},
    /* axis: zeros before; start: size of the result, rows and columns one more; extent: stride */
    {OP_CONV_Y, MAPS(2, 4, 5), FILTER(3, 2, 2, 3), -1, 1, 0, 2, 1},
    {OP_CONV_Y, MAPS(2, 6, 5), FILTER(3, 3, 2, 1), -1, 1, 1, 3, 2},
    {OP_CONV_X, MAPS(3, 2, 3), FILTER(2, 3, 2, 3), -1, 1, 0, 3, 1},
    {OP_CONV_X, MAPS(1, 2, 3), FILTER(3, 3, 2, 1), -1, 1, 1, 5, 2},
    {OP_CONV_W, MAPS(2, 2, 3), MAPS(3, 4, 5), -1, 1, 1, 3, 1},
    {OP_CONV_W, MAPS(2, 2, 3), MAPS(1, 4, 6), -1, 1, 0, 2, 2},
};

enum { CASE_COUNT = sizeof cases / sizeof cases[0] };

static const Resample *build_map(Graph *g, const Case *c)
{
    static const double mixed[FIELD_BATCH * FIELD_BATCH] = {0.5, -1, 0, 2, 0, 0.25};
    return c->axis == BATCH_AXIS ? resample_matrix(g, FIELD_BATCH, FIELD_BATCH, mixed)
                                 : resample_pool(g, c->a.dims[c->axis], c->extent);
}

static Node *build(Graph *g, const Case *c, Node *a, Node *b)
{
    const Window window = {{c->extent, c->extent}, {c->axis, c->axis}};
    switch (c->op) {
    case OP_LEAKY:
    case OP_LEAKY_SLOPE:
        return node_leaky(g, c->op, a, 0.3);
    case OP_EXPAND:
        return node_expand(g, a, c->axis, c->extent);
    case OP_EXPAND_BATCH:
        return node_expand_batch(g, a);
    case OP_RESHAPE:
        return node_reshape(g, a, c->b);
    case OP_SLICE:
        return node_slice(g, a, c->axis, c->start, c->extent);
    case OP_PAD:
        return node_pad(g, a, c->axis, c->start, c->extent);
    case OP_CONCAT:
        return node_concat(g, a, b, c->axis);
    case OP_SUM:
        return node_sum(g, a, c->axis);
    case OP_SUM_BATCH:
        return node_sum_batch(g, a);
    case OP_MAXIMUM_OF:
        return node_maximum_of(g, a, c->axis);
    case OP_PERMUTE:
        return node_permute(g, a, c->a.rank == 3 ? (const int[]){2, 0, 1} : (const int[]){1, 0});
    case OP_RESAMPLE:
        return node_resample(g, a, c->axis, build_map(g, c));
    case OP_CONV_Y:
        return node_conv_y(g, a, b, window, c->start, c->start + 1);
    case OP_CONV_X:
        return node_conv_x(g, a, b, window, c->start, c->start + 1);
    case OP_CONV_W:
        return node_conv_w(g, a, b, window, c->start, c->start + 1);
    case OP_CONTRACT_Y:
        return node_contract_y(g, a, b);
    case OP_CONTRACT_X:
        return node_contract_x(g, a, b);
    case OP_CONTRACT_W:
        return node_contract_w(g, a, b);
    default:
        return op_table[c->op].arity == 1 ? node_unary(g, c->op, a) : node_binary(g, c->op, a, b);
    }
}

/* sum of c y^2: c has no batch axis of its own where y has more axes than an input can have. */
static Node *square_sum(Field *f, Node *y)
{
    Graph *g = f->g;
    Type type = y->type;
    Node *squares = node_binary(g, OP_MUL, y, y);
    if (!type.batch || type.rank < 2)
        return weighted_sum(f, squares);
    type.batch = false;
    return node_sum_all(g, node_binary(g, OP_MUL, node_sum_batch(g, squares),
                                       field_leaf(f, type, true)));
}

static void test_case(void **state)
{
    const Case *c = *state;
    Field f = field_new(NULL);
    Node *a = field_leaf(&f, c->a, false);
    Node *b = op_table[c->op].arity == 2 ? field_leaf(&f, c->b, false) : NULL;
    Node *y = build(f.g, c, a, b);
    assert_int_equal(y->op, c->op);
    check_gradients(&f, square_sum(&f, y), c->low, c->high, op_table[c->op].name);
}

static void test_every_op_has_a_case(void **state)
{
    (void)state;
    for (int op = 0; op < OP_COUNT; op++) {
        OpClass kind = op_table[op].kind;
        bool found = kind == CLASS_SOURCE || kind == CLASS_EFFECT || op == OP_STOP;
        for (int k = 0; k < CASE_COUNT; k++)
            found |= (int)cases[k].op == op;
        if (!found)
            fail_msg("no case for '%s'", op_table[op].name);
    }
}

/* STOP is what differences cannot see: the value goes through, the gradient does not. */
static void test_stop(void **state)
{
    (void)state;
    Field f = field_new(NULL);
    Node *a = field_leaf(&f, type_vector(true, 3), false), *gradient;
    Node *y = node_sum_batch(
        f.g, node_sum_all(f.g, node_binary(f.g, OP_MUL, a, node_unary(f.g, OP_STOP, a))));
    grad(f.g, y, NULL, &a, 1, &gradient);
    field_fill(&f, -1, 1);
    double *found = field_value(&f, gradient), sum = 0;
    for (int i = 0; i < 3 * FIELD_BATCH; i++) {
        assert_true(found[i] == f.leaves[0].values[i]);
        sum += found[i] * found[i];
    }
    assert_true(fabs(field_number(&f, y) - sum) < 1e-12);
}

/* The largest of equal elements: all of them share the gradient equally. */
static void test_ties(void **state)
{
    (void)state;
    static const double row[] = {2, -1, 2, 2}, share[] = {1.0 / 3, 0, 1.0 / 3, 1.0 / 3};
    Field f = field_new(NULL);
    Node *a = field_leaf(&f, type_vector(true, 4), false), *gradient;
    Node *y = node_sum_batch(f.g, node_maximum_of(f.g, a, 0));
    grad(f.g, y, NULL, &a, 1, &gradient);
    field_fill(&f, 0, 1);
    for (int i = 0; i < 4 * FIELD_BATCH; i++)
        f.leaves[0].values[i] = row[i % 4];
    double *found = field_value(&f, gradient);
    for (int i = 0; i < 4 * FIELD_BATCH; i++)
        assert_true(fabs(found[i] - share[i % 4]) < 1e-15);
}

/* A gradient that does not depend on x is an exact zero, of the type of x. */
static void test_independent(void **state)
{
    (void)state;
    Field f = field_new(NULL);
    Node *matrix = field_leaf(&f, type_matrix(2, 3), false);
    Node *rows = field_leaf(&f, type_vector(true, 2), false);
    Node *xs[] = {matrix, rows}, *gradients[2];
    grad(f.g, weighted_sum(&f, rows), NULL, xs, 2, gradients);
    assert_int_equal(gradients[0]->op, OP_CONSTANT);
    assert_true(gradients[0]->value == 0 && type_equal(&gradients[0]->type, &matrix->type));
}

int main(void)
{
    struct CMUnitTest tests[CASE_COUNT + 4] = {cmocka_unit_test(test_every_op_has_a_case),
                                               cmocka_unit_test(test_stop),
                                               cmocka_unit_test(test_ties),
                                               cmocka_unit_test(test_independent)};
    for (int k = 0; k < CASE_COUNT; k++)
        tests[4 + k] = case_test(op_table[cases[k].op].name, test_case, &cases[k]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
