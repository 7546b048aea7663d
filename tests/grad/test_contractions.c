/* test_contractions.c -- what a step costs, in contractions: matrix products over the batch.
 *
 * By hand, for piecewise-linear nets where D has n linears with more than one output (its last one
 * has one and is no contraction), and G has m:
 *
 *   D step   G forward m; D forward on real and on fake rows 2n; back through both, not into the
 *            rows, 2(n - 1); weight gradients 2n.                          m + 6n - 2
 *   penalty  four passes more: D forward between the rows n, its gradient there n, the tangent
 *            chain n, weight gradients n. The second derivative of the activation is an exact zero:
 *            nothing else.                                                 4n
 *   G step   G forward m; D forward n; back through D into the rows n; back through G, not into
 *            the latents, m - 1; weight gradients of G m, of D none.       3m + 2n - 1           */
#include "gagac.h"

#include "config.h"

static Graph *build(const char *penalty, const char *loss, int d_layers, int g_layers)
{
    return steps_of(arena_printf(
        "'model': 'v3', 'activation': 'leaky_relu', 'keys': 'a b c', 'z_dim': 4, 'd_dim': 7,"
        "'g_dim': 5, 'd_layers': %d, 'g_layers': %d, 'batch_size': 10, 'optimiser': 'RMSprop',"
        "'d_learning_rate': 1e-4, 'g_learning_rate': 1e-4, 'loss': '%s', 'penalty': '%s',"
        "'penalty_weight': 1, 'clamp_lower': -1, 'clamp_upper': 1, 'd_nb_update': 1,"
        "'g_nb_update': 1, 'iterations': 1, 'shuffle': true, 'gpu_mode': 'cpu'",
        d_layers, g_layers, loss, penalty));
}

static int count(const Graph *g, const char *name)
{
    return count_contractions(g, find_step(g, name));
}

/* Three hidden-to-hidden layers: n = 4, m = 5. */
static void test_three_layers(void **state)
{
    (void)state;
    Graph *clamp = build("clamp", "wasserstein", 3, 3);
    Graph *penalty = build("GP_L2_LS", "wasserstein", 3, 3);
    assert_int_equal(count(clamp, "d_step"), 27);
    assert_int_equal(count(penalty, "d_step"), 43);
    assert_int_equal(count(clamp, "g_step"), 22);
    assert_int_equal(count(penalty, "g_step"), 22);
    assert_int_equal(count(clamp, "sample"), 5);
    assert_int_equal(count(clamp, "clamp"), 0);
}

static void test_formula(void **state)
{
    static const char *const penalties[] = {"GP_L2_LS",    "GP_SquareHinge", "GP_0GP",
                                            "GP_L2_Hinge", "GP_L1_LS",       "GP_L1_Hinge",
                                            "GP_Linf_LS",  "GP_Linf_Hinge"};
    static const char *const losses[] = {"wasserstein", "hinge", "non_saturating_bce"};
    (void)state;
    for (int d_layers = 0; d_layers < 6; d_layers++)
        for (size_t k = 0; k < sizeof penalties / sizeof penalties[0]; k++) {
            int g_layers = (d_layers + 2) % 4, n = d_layers + 1, m = g_layers + 2;
            Graph *none = build("no_penalty", losses[k % 3], d_layers, g_layers);
            Graph *penalty = build(penalties[k], losses[k % 3], d_layers, g_layers);
            assert_int_equal(count(none, "d_step"), m + 6 * n - 2);
            assert_int_equal(count(penalty, "d_step"), m + 6 * n - 2 + 4 * n);
            assert_int_equal(count(penalty, "g_step"), 3 * m + 2 * n - 1);
        }
}

static void mark_reached(const Node *node, bool *reached)
{
    if (reached[node->id])
        return;
    reached[node->id] = true;
    for (int k = 0; k < op_table[node->op].arity; k++)
        mark_reached(node->inputs[k], reached);
}

/* Every weight gradient of the G step has the shape of a weight of G, and nothing of D is assigned.
 */
static void test_no_gradients_of_d_in_the_g_step(void **state)
{
    (void)state;
    Graph *g = build("GP_L2_LS", "wasserstein", 3, 3);
    Step *step = find_step(g, "g_step");
    bool *reached = arena_alloc((size_t)g->count);
    int gradients = 0;
    for (int k = 0; k < step->assign_count; k++) {
        assert_int_equal(step->assigns[k]->tensor->name[0], 'G');
        mark_reached(step->assigns[k], reached);
    }
    for (int id = 0; id < g->count; id++) {
        if (!reached[id] || g->nodes[id]->op != OP_CONTRACT_W)
            continue;
        const int *dims = g->nodes[id]->type.dims;
        bool hidden = dims[0] == 5 && (dims[1] == 4 || dims[1] == 5);
        assert_true(hidden || (dims[0] == 3 && dims[1] == 5));
        gradients++;
    }
    assert_int_equal(gradients, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_three_layers),
                                       cmocka_unit_test(test_formula),
                                       cmocka_unit_test(test_no_gradients_of_d_in_the_g_step)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
