/* test_simplify.c -- each identity of simplify: the values stay, and the expression becomes what it
 * is meant to become. */
#include "gagac.h"

#include "differences.h"

typedef struct Leaves {
    Graph *g;
    Node *a, *b;  /* [batch, 3] */
    Node *column; /* [batch, 1] */
    Node *sample; /* [batch] */
    Node *vector; /* [3] */
    Node *matrix; /* [2, 3] */
    Node *row;    /* [1, 3] */
    Node *scalar;
    Node *maps; /* [batch, 2, 4, 6] */
} Leaves;

typedef struct Case {
    const char *name;
    Node *(*build)(const Leaves *l);
    Op op;            /* of the result */
    int contractions; /* left in it */
} Case;

static Node *constant(const Leaves *l, double value)
{
    return node_constant(l->g, value, l->a->type);
}
static Node *mul(const Leaves *l, Node *x, Node *y) { return node_binary(l->g, OP_MUL, x, y); }
static Node *neg(const Leaves *l, Node *x) { return node_unary(l->g, OP_NEG, x); }

static Node *fold(const Leaves *l)
{
    return node_binary(l->g, OP_DIV, node_unary(l->g, OP_EXP, constant(l, 1)), constant(l, 3));
}

static Node *times_zero(const Leaves *l) { return mul(l, constant(l, 0), l->a); }
static Node *times_one(const Leaves *l) { return mul(l, neg(l, l->a), constant(l, -1)); }
static Node *scales(const Leaves *l)
{
    return node_scale(l->g, neg(l, node_scale(l->g, l->a, 2)), 3);
}
static Node *scaled_product(const Leaves *l)
{
    return mul(l, node_scale(l->g, l->a, 2), neg(l, l->b));
}
static Node *plus_zero(const Leaves *l) { return node_binary(l->g, OP_ADD, constant(l, 0), l->a); }
static Node *zero_minus(const Leaves *l) { return node_binary(l->g, OP_SUB, constant(l, 0), l->a); }
static Node *plus_negative(const Leaves *l)
{
    return node_binary(l->g, OP_ADD, neg(l, l->a), l->b);
}
static Node *minus_negative(const Leaves *l)
{
    return node_binary(l->g, OP_SUB, l->a, neg(l, l->b));
}
static Node *double_negative(const Leaves *l) { return neg(l, neg(l, l->a)); }
static Node *divided(const Leaves *l) { return node_binary(l->g, OP_DIV, l->a, constant(l, 4)); }
static Node *zero_divided(const Leaves *l)
{
    return node_binary(l->g, OP_DIV, constant(l, 0), node_unary(l->g, OP_EXP, l->a));
}
static Node *stopped(const Leaves *l) { return node_unary(l->g, OP_STOP, l->a); }
static Node *reshaped(const Leaves *l)
{
    Type flat = type_vector(false, 6), other = type_matrix(3, 2);
    return node_reshape(l->g, node_reshape(l->g, l->matrix, flat), other);
}
static Node *sum_of_constants(const Leaves *l) { return node_sum_batch(l->g, constant(l, 0.25)); }
static Node *row_of_constants(const Leaves *l) { return node_sum(l->g, constant(l, 0.25), 0); }
static Node *sum_of_copies(const Leaves *l)
{
    return node_sum_batch(l->g, node_expand_batch(l->g, l->vector));
}
static Node *sum_of_expanded(const Leaves *l)
{
    return node_sum(l->g, node_expand(l->g, l->sample, 0, 7), 0);
}
static Node *sum_of_scaled(const Leaves *l) { return node_sum(l->g, node_scale(l->g, l->a, 3), 0); }
static Node *batch_sum_of_negative(const Leaves *l) { return node_sum_batch(l->g, neg(l, l->a)); }
static Node *batch_sum_of_terms(const Leaves *l)
{
    return node_sum_batch(l->g, node_binary(l->g, OP_SUB, l->a, l->b));
}
static Node *batch_sum_of_shared(const Leaves *l)
{
    return node_sum_batch(l->g, mul(l, l->a, node_expand_batch(l->g, l->vector)));
}
static Node *first_part(const Leaves *l)
{
    return node_slice(l->g, node_concat(l->g, l->a, l->column, 0), 0, 0, 3);
}
static Node *last_part(const Leaves *l)
{
    return node_slice(l->g, node_concat(l->g, l->a, l->b, 0), 0, 3, 3);
}
static Node *across_parts(const Leaves *l)
{
    return node_slice(l->g, node_concat(l->g, l->a, l->b, 0), 0, 2, 2);
}
static Node *zero_contracted(const Leaves *l)
{
    return node_contract_y(l->g, constant(l, 0), l->matrix);
}
static Node *scaled_weight(const Leaves *l)
{
    Node *factor = node_expand_to(l->g, l->scalar, l->matrix->type);
    return node_contract_y(l->g, l->a, mul(l, l->matrix, factor));
}
static Node *one_output(const Leaves *l) { return node_contract_y(l->g, l->a, l->row); }
static Node *one_output_back(const Leaves *l) { return node_contract_x(l->g, l->column, l->row); }
static Node *one_output_weight(const Leaves *l) { return node_contract_w(l->g, l->column, l->a); }
static Node *two_outputs(const Leaves *l) { return node_contract_y(l->g, l->a, l->matrix); }
static Node *expanded_product(const Leaves *l)
{
    return mul(l, node_expand(l->g, l->sample, 0, 3),
               node_expand(l->g, node_unary(l->g, OP_EXP, l->sample), 0, 3));
}

static Node *row_of_total(const Leaves *l)
{
    return node_sum(l->g, node_sum_batch(l->g, l->maps), 2);
}
static Node *spread(const Leaves *l)
{
    return node_resample(l->g, l->maps, 2, resample_pool(l->g, 18, 3)->transpose);
}
static Node *row_of_spread(const Leaves *l) { return node_sum(l->g, spread(l), 2); }
static Node *column_of_spread(const Leaves *l) { return node_sum(l->g, spread(l), 1); }
static Node *total_of_spread(const Leaves *l) { return node_sum_batch(l->g, spread(l)); }
static Node *row_of_totals(const Leaves *l)
{
    Node *bent = node_unary(l->g, OP_EXP, l->maps), *other = node_scale(l->g, l->maps, 3);
    return node_sum(l->g, node_sum_batch(l->g, node_binary(l->g, OP_ADD, bent, other)), 2);
}

static const Case cases[] = {
    {"constants fold", fold, OP_CONSTANT, 0},
    {"0 x", times_zero, OP_CONSTANT, 0},
    {"-1 -x", times_one, OP_INPUT, 0},
    {"3 -(2 x)", scales, OP_MUL, 0},
    {"(2 x) (-y)", scaled_product, OP_MUL, 0},
    {"0 + x", plus_zero, OP_INPUT, 0},
    {"0 - x", zero_minus, OP_NEG, 0},
    {"-x + y", plus_negative, OP_SUB, 0},
    {"x - -y", minus_negative, OP_ADD, 0},
    {"--x", double_negative, OP_INPUT, 0},
    {"x / c", divided, OP_MUL, 0},
    {"0 / x", zero_divided, OP_CONSTANT, 0},
    {"stop", stopped, OP_INPUT, 0},
    {"reshape of reshape", reshaped, OP_RESHAPE, 0},
    {"batch sum of a constant", sum_of_constants, OP_CONSTANT, 0},
    {"sum of a constant", row_of_constants, OP_CONSTANT, 0},
    {"batch sum of copies", sum_of_copies, OP_MUL, 0},
    {"sum of copies", sum_of_expanded, OP_MUL, 0},
    {"sum of c x", sum_of_scaled, OP_MUL, 0},
    {"batch sum of -x", batch_sum_of_negative, OP_NEG, 0},
    {"batch sum of terms", batch_sum_of_terms, OP_SUB, 0},
    {"batch sum of v x", batch_sum_of_shared, OP_MUL, 0},
    {"slice of the first part", first_part, OP_INPUT, 0},
    {"slice of the last part", last_part, OP_INPUT, 0},
    {"slice across parts", across_parts, OP_SLICE, 0},
    {"contraction of 0", zero_contracted, OP_CONSTANT, 0},
    {"scalar factor of a weight", scaled_weight, OP_MUL, 1},
    {"one output", one_output, OP_RESHAPE, 0},
    {"one output, back", one_output_back, OP_MUL, 0},
    {"one output, weight", one_output_weight, OP_RESHAPE, 0},
    {"two outputs", two_outputs, OP_CONTRACT_Y, 1},
    {"product of expanded", expanded_product, OP_EXPAND, 0},
    {"row of a batch sum", row_of_total, OP_SUM_BATCH, 0},
    {"row of a spread map", row_of_spread, OP_SUM, 0},
    {"column of a spread map", column_of_spread, OP_RESAMPLE, 0},
    {"batch sum of a spread map", total_of_spread, OP_RESAMPLE, 0},
    {"row of two batch sums", row_of_totals, OP_ADD, 0},
};

enum { CASE_COUNT = sizeof cases / sizeof cases[0] };

static void test_case(void **state)
{
    const Case *c = *state;
    Field f = field_new(NULL);
    Leaves l = {
        .g = f.g,
        .a = field_leaf(&f, type_vector(true, 3), false),
        .b = field_leaf(&f, type_vector(true, 3), false),
        .column = field_leaf(&f, type_vector(true, 1), false),
        .sample = field_leaf(&f, (Type){.batch = true}, false),
        .vector = field_leaf(&f, type_vector(false, 3), false),
        .matrix = field_leaf(&f, type_matrix(2, 3), false),
        .row = field_leaf(&f, type_matrix(1, 3), false),
        .scalar = field_leaf(&f, type_scalar(), false),
        .maps = field_leaf(&f, (Type){.batch = true, .rank = 3, .dims = {2, 4, 6}}, false),
    };
    Node *built = c->build(&l);
    field_fill(&f, 0.5, 2);
    check_simplified(&f, &built, 1, c->name);
    Step step = {.outputs = {built}, .output_count = 1};
    simplify_step(f.g, &step);
    assert_int_equal(step.outputs[0]->op, c->op);
    assert_true(type_equal(&step.outputs[0]->type, &built->type));
    assert_int_equal(count_contractions(f.g, &step), c->contractions);
}

int main(void)
{
    struct CMUnitTest tests[CASE_COUNT];
    for (int k = 0; k < CASE_COUNT; k++)
        tests[k] = case_test(cases[k].name, test_case, &cases[k]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
