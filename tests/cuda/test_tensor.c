/* test_tensor.c -- products by tensor cores on the PTX virtual machine: dense layers and
 * convolutions, forward and both gradients, with sizes and a batch that fill no tile.
 *
 * Numbers that tf32 and bf16 have are multiplied as exactly as in single precision; others are
 * rounded, once and to nearest. Skipped without NVRTC. */
#define _POSIX_C_SOURCE 200809L
#define CASE_BATCH 13
#include "gagac.h"

#include "step_case.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct Product { /* a dense layer (size 0) or a convolution of maps of size x (size + 1) */
    int in, out, size, filter, stride, before;
} Product;

static const Product products[] = {
    {36, 20, 0, 0, 0, 0}, {37, 1, 0, 0, 0, 0}, {5, 131, 0, 0, 0, 0},
    {70, 67, 0, 0, 0, 0}, {3, 5, 6, 3, 1, 1},  {2, 9, 7, 4, 2, 1},
};
enum { PRODUCTS = sizeof products / sizeof *products };

static Node *add_values(Graph *g, Step *step, const char *name, Type type)
{
    Input *input = arena_alloc(sizeof *input);
    *input = (Input){.name = name, .kind = INPUT_NORMAL, .width = (int)type_size(&type)};
    step->inputs[step->input_count++] = input;
    return node_reshape(g, node_input(g, input), type);
}

/* The sum of v y(x) over the batch for y = W x; its gradient by x, summed up with r; W <- its
 * gradient by W. Gradients are products of v alone, so nothing is rounded but x, v and W. */
static const char *run_product(const Product *l)
{
    Graph *g = new_graph();
    Step *step = arena_alloc(sizeof *step);
    *step = (Step){.name = "step", .title = "a step", .count = 1};
    bool maps = l->size > 0;
    int height = maps ? (l->size + 2 * l->before - l->filter) / l->stride + 1 : 0;
    int width = maps ? (l->size + 1 + 2 * l->before - l->filter) / l->stride + 1 : 0;
    Type in = maps ? (Type){.batch = true, .rank = 3, .dims = {l->in, l->size, l->size + 1}}
                   : type_vector(true, l->in);
    Type out = maps ? (Type){.batch = true, .rank = 3, .dims = {l->out, height, width}}
                    : type_vector(true, l->out);
    Type weight = maps ? (Type){.rank = 4, .dims = {l->filter, l->filter, l->in, l->out}}
                       : type_matrix(l->out, l->in);
    Tensor *tensor = add_tensor(g, "w", weight);
    Node *x = add_values(g, step, "x", in), *v = add_values(g, step, "v", out);
    Node *r = add_values(g, step, "r", in), *w = node_parameter(g, tensor);
    Window window = {{l->stride, l->stride}, {l->before, l->before}};
    Node *y = maps ? node_conv_y(g, x, w, window, height, width) : node_contract_y(g, x, w);
    Node *loss = node_sum_batch(g, node_sum_all(g, node_binary(g, OP_MUL, y, v)));
    Node *at[2] = {x, w}, *slopes[2];
    grad(g, loss, NULL, at, 2, slopes);
    add_result(step, "loss", loss);
    add_result(step, "slope",
               node_sum_batch(g, node_sum_all(g, node_binary(g, OP_MUL, slopes[0], r))));
    step_assign(step, node_assign(g, tensor, slopes[1]));
    return run_case(g, step, NULL);
}

/* Multiples of 1/64 below 1 have 6 bits. */
static void test_exact(void **state)
{
    case_tensor = *(const TensorPrecision *)*state;
    case_grid = 64;
    case_tolerance = 2e-6;
    for (int k = 0; k < PRODUCTS; k++)
        assert_string_equal(run_product(&products[k]), "");
    case_grid = 0;
}

/* Operands of at most 1/2 are off by u each, relatively: a sum of n products by n/4 (2 u + u^2).
 * The weight gradient of a dense layer has 13 of them. That some are off shows that they were
 * rounded. */
static void test_rounded(void **state)
{
    case_tensor = *(const TensorPrecision *)*state;
    double u = case_tensor == TENSOR_TF32 ? 0x1p-11 : 0x1p-8;
    const Product one = {70, 67, 0, 0, 0, 0};
    case_tolerance = BATCH / 4.0 * (2 * u + u * u) + 1e-6;
    double least = case_tolerance / 100;
    assert_string_equal(run_product(&one), "");
    case_tolerance = least;
    assert_string_not_equal(run_product(&one), "");
}

/* Two parts of a number have 22 bits: nearly single precision, which is off by u = 2^-24 in each of
 * the products' operands. */
static void test_split(void **state)
{
    (void)state;
    case_tensor = TENSOR_3XTF32;
    case_tolerance = 3e-6;
    for (int k = 0; k < PRODUCTS; k++)
        assert_string_equal(run_product(&products[k]), "");
    case_tensor = TENSOR_TF32;
    assert_string_not_equal(run_product(&products[PRODUCTS - 1]), "");
}

int main(void)
{
    static TensorPrecision kinds[] = {TENSOR_TF32, TENSOR_BF16};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_exact, &kinds[0]),
        cmocka_unit_test_prestate(test_exact, &kinds[1]),
        cmocka_unit_test_prestate(test_rounded, &kinds[0]),
        cmocka_unit_test(test_split),
        cmocka_unit_test_prestate(test_rounded, &kinds[1]),
    };
    if (!use_machine())
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
