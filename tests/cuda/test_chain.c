/* test_chain.c -- dense layers one after the other in one kernel, and sums over the batch in their
 * epilogues, on the PTX virtual machine: odd widths and a batch that fills no tile, forward,
 * backward and twice backward, with values that later kernels read and such that nobody else does.
 * Skipped without NVRTC. */
#ifndef CASE_BATCH
#define _POSIX_C_SOURCE 200809L
#define CASE_BATCH 37
#endif
#include "gagac.h"

#include "step_case.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int links; /* layers in chains of the last case */
static int sums;  /* over the batch in epilogues */

static int count_word(const char *text, const char *word)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        count++;
    return count;
}

static void count_links(CudaText *texts, int count)
{
    links = sums = 0;
    for (int k = 0; k < count; k++) {
        links += count_word(texts[k].text, " chain_multiply<");
        sums += count_word(texts[k].text, " join_columns<");
    }
}

static Node *add_row(Graph *g, Step *step, const char *name, int width)
{
    Input *input = arena_alloc(sizeof *input);
    *input = (Input){.name = name, .kind = INPUT_NORMAL, .width = width};
    step->inputs[step->input_count++] = input;
    return node_input(g, input);
}

static Step *new_step(void)
{
    Step *step = arena_alloc(sizeof *step);
    *step = (Step){.name = "step", .title = "a step", .count = 1};
    return step;
}

/* y = W x + b, bent. */
static Node *add_layer(Graph *g, Node *x, Tensor *weight, Tensor *bias)
{
    Node *b = node_expand_batch(g, node_parameter(g, bias));
    Node *sum = node_binary(g, OP_ADD, node_contract_y(g, x, node_parameter(g, weight)), b);
    return node_leaky(g, OP_LEAKY, sum, 0.2);
}

/* A perceptron with a penalty of its slope; `widths` ends with 0. */
static const char *run_network(const int *widths)
{
    static const char *const names[] = {"w0", "b0", "w1", "b1", "w2", "b2", "w3", "b3"};
    Graph *g = new_graph();
    Step *step = new_step();
    Tensor *tensors[MAX_TENSORS];
    Node *x = add_row(g, step, "x", widths[0]), *value = x;
    int count = 0;
    for (int k = 0; widths[k + 1]; k++) {
        tensors[count] = add_tensor(g, names[count], type_matrix(widths[k + 1], widths[k]));
        tensors[count + 1] = add_tensor(g, names[count + 1], type_vector(false, widths[k + 1]));
        value = add_layer(g, value, tensors[count], tensors[count + 1]);
        count += 2;
    }
    descend(g, step, node_unary(g, OP_SIGMOID, value), x, tensors, count);
    return run_case(g, step, count_links);
}

static void test_networks(void **state)
{
    (void)state;
    assert_string_equal(run_network((const int[]){5, 37, 21, 6, 0}), "");
    assert_true(links >= 9); /* forward, backward and twice backward */
    assert_true(sums >= 2);  /* gradients of biases */
    assert_string_equal(run_network((const int[]){3, 1, 9, 2, 1, 0}), "");
    assert_true(links >= 6);
    if (BATCH > 100)
        return;
    assert_string_equal(run_network((const int[]){12, 100, 128, 4, 0}), "");
    assert_true(links >= 9);
}

/* Wider layers are no chain; their rows are several blocks'. */
static void test_sums(void **state)
{
    (void)state;
    if (BATCH > 100)
        return;
    assert_string_equal(run_network((const int[]){7, 300, 270, 3, 0}), "");
    assert_int_equal(links, 0);
    assert_true(sums >= 2);
}

/* x + W tanh-like(x): the sum reads an array that its own chain made; and the forward values of a
 * net that is only used leave nothing. */
static void test_shortcut(void **state)
{
    (void)state;
    Graph *g = new_graph();
    Step *step = new_step();
    Node *x = add_row(g, step, "x", 10);
    Tensor *w[3] = {add_tensor(g, "w0", type_matrix(18, 10)),
                    add_tensor(g, "w1", type_matrix(18, 18)),
                    add_tensor(g, "w2", type_matrix(18, 18))};
    Node *first = node_unary(g, OP_SIGMOID, node_contract_y(g, x, node_parameter(g, w[0])));
    Node *second =
        node_binary(g, OP_ADD, first, node_contract_y(g, first, node_parameter(g, w[1])));
    Node *third =
        node_binary(g, OP_ADD, second, node_contract_y(g, second, node_parameter(g, w[2])));
    add_result(step, "size", square_mean(g, third));
    step_assign(step, node_assign(g, w[0], node_scale(g, node_parameter(g, w[0]), 0.5)));
    assert_string_equal(run_case(g, step, count_links), "");
    assert_int_equal(links, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_shortcut),
    };
    if (!use_machine())
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
