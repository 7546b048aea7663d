/* test_ops.c -- kernels of single steps against the interpreter: convolutions, moves, maps along
 * axes, reductions, first and second order, with a batch that fills no tile.
 *
 * Runs on the tests' own driver, or on what GAGAC_LIBCUDA names. */
#define _POSIX_C_SOURCE 200809L
#include "gagac.h"

#include "step_case.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check_convolution(int filter, int stride, int before, int channels, int out, int size)
{
    Graph *g = new_graph();
    Step *step = arena_alloc(sizeof *step);
    *step = (Step){.name = "step", .title = "a step", .count = 1};
    Node *x = add_maps(g, step, "x", channels, size, size + 1);
    Tensor *w = add_tensor(g, "w", (Type){.rank = 4, .dims = {filter, filter, channels, out}});
    Window window = {{stride, stride}, {before, before}};
    int height = (size + 2 * before - filter) / stride + 1;
    int width = (size + 1 + 2 * before - filter) / stride + 1;
    Node *y = node_conv_y(g, x, node_parameter(g, w), window, height, width);
    Node *act = node_unary(g, OP_SIGMOID, y);
    descend(g, step, act, x, &w, 1);
    assert_string_equal(run_case(g, step, NULL), "");
}

static void test_convolutions(void **state)
{
    (void)state;
    check_convolution(3, 1, 1, 3, 5, 6);
    check_convolution(4, 2, 1, 2, 9, 7);
    check_convolution(5, 2, 2, 1, 3, 8);
    check_convolution(1, 1, 0, 4, 4, 3);
    check_convolution(2, 3, 0, 2, 8, 8); /* phases without a place of the filter */
    check_convolution(5, 3, 1, 2, 16, 7);
    check_convolution(4, 4, 1, 2, 3, 2); /* less places than phases */
}

static void test_moves(void **state)
{
    (void)state;
    Graph *g = new_graph();
    Step *step = arena_alloc(sizeof *step);
    *step = (Step){.name = "step", .title = "a step", .count = 1};
    Node *x = add_maps(g, step, "x", 3, 4, 5);
    Tensor *w = add_tensor(g, "w", type_vector(false, 3));
    Node *gain = node_parameter(g, w);
    Node *scaled = node_binary(
        g, OP_MUL, x, node_expand_batch(g, node_expand(g, node_expand(g, gain, 1, 4), 2, 5)));
    Node *turned = node_permute(g, scaled, (const int[]){2, 0, 1});             /* [5][3][4] */
    Node *cut = node_slice(g, turned, 0, 1, 3);                                 /* [3][3][4] */
    Node *wide = node_pad(g, cut, 2, 1, 6);                                     /* [3][3][6] */
    Node *twice = node_concat(g, wide, node_scale(g, wide, 0.5), 1);            /* [3][6][6] */
    Node *larger = node_resample(g, twice, 2, resample_bilinear(g, 6, 9));      /* [3][6][9] */
    Node *smaller = node_resample(g, larger, 1, resample_pool(g, 6, 2));        /* [3][3][9] */
    Node *picked = node_resample(g, smaller, 0, resample_pick(g, 3, 2, -1, 3)); /* reversed */
    double mean[BATCH * BATCH];
    for (int k = 0; k < BATCH * BATCH; k++)
        mean[k] = k % BATCH == (k / BATCH + 1) % BATCH ? 0.75 : k % 3 == 0 ? 0.25 : 0;
    Node *mixed = node_resample(g, picked, BATCH_AXIS, resample_matrix(g, BATCH, BATCH, mean));
    Node *largest = node_maximum_of(g, mixed, 1); /* [3][9] */
    Node *summed = node_sum(g, mixed, 0);         /* [3][9] */
    Node *score = node_binary(g, OP_MUL, largest, node_unary(g, OP_TANH, summed));
    descend(g, step, score, x, &w, 1);
    assert_string_equal(run_case(g, step, NULL), "");
}

static void test_batch_statistics(void **state)
{
    (void)state;
    Graph *g = new_graph();
    Step *step = arena_alloc(sizeof *step);
    *step = (Step){.name = "step", .title = "a step", .count = 1};
    Node *x = add_maps(g, step, "x", 4, 3, 3);
    Tensor *tensors[2] = {add_tensor(g, "w", type_matrix(7, 36)),
                          add_tensor(g, "v", type_matrix(7, 5))};
    Node *flat = node_reshape(g, x, type_vector(true, 36));
    Node *centred = node_binary(g, OP_SUB, flat, node_expand_batch(g, node_mean_batch(g, flat)));
    Node *hidden = node_contract_y(g, centred, node_parameter(g, tensors[0]));
    Node *bent = node_leaky(g, OP_LEAKY, hidden, 0.2);
    Node *score = node_contract_x(g, bent, node_parameter(g, tensors[1]));
    descend(g, step, score, x, tensors, 2);
    assert_string_equal(run_case(g, step, NULL), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_batch_statistics),
    };
    const char *fake = getenv("FAKE_CUDA");
    if (!getenv("GAGAC_LIBCUDA") && fake) {
        setenv("GAGAC_LIBCUDA", fake, 1);
        setenv("GAGAC_LIBNVRTC", fake, 1);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
