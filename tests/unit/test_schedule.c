/* test_schedule.c -- what is one kernel in the wide order; in which order a tile's kernels run. */
#include "gagac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const Type maps = {.batch = true, .rank = 3, .dims = {2, 8, 8}};

/* Kernels of a step that maps both axes of what it reads and bends the result. */
static int count_kernels(const Resample *(*make)(Graph *g, int from, int to), int to)
{
    Graph *g = graph_new(NULL, 2);
    Input in = {.name = "x", .width = 128};
    Step step = {.name = "step", .inputs = {&in}, .input_count = 1};
    Node *x = node_reshape(g, node_input(g, &in), maps);
    for (int axis = 1; axis <= 2; axis++)
        x = node_resample(g, x, axis, make(g, 8, to));
    step.outputs[step.output_count++] = node_unary(g, OP_TANH, x);
    return schedule_step(g, &step, ORDER_WIDE)->sections[0].count;
}

/* One beside those that read the input and put it into place. */
static void test_both_axes(void **state)
{
    (void)state;
    assert_int_equal(count_kernels(resample_pool, 2), 3);
    assert_int_equal(count_kernels(resample_bilinear, 16), 3);
    assert_int_equal(count_kernels(resample_area, 3), 3);
    assert_int_equal(count_kernels(resample_bicubic, 16), 4);
}

/* The kernel that makes a value. */
static const Kernel *kernel_of(const Schedule *s, const Node *n) { return s->kernel_of[n->id]; }

/* The sums of a bias's gradient, those of an instance's mean: along the rows of what a convolution
 * makes they ride on it, whatever its stride and direction. */
static void test_row_sums(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        int stride = 1 + k % 2;
        bool back = k >= 2;
        Graph *g = graph_new(NULL, 3);
        Input in = {.name = "x", .width = 128};
        Step step = {.name = "step", .inputs = {&in}, .input_count = 1};
        Type filter = {.rank = 4, .dims = {3, 3, 2, 2}};
        Node *w = node_parameter(
            g, graph_tensor(g, (Tensor){.name = "w", .field = "w", .group = "d", .type = filter}));
        Node *x = node_reshape(g, node_input(g, &in), maps);
        Window window = {{stride, stride}, {1, 1}};
        Node *y = back ? node_conv_x(g, x, w, window, 8 * stride, 8 * stride)
                       : node_conv_y(g, x, w, window, 8 / stride, 8 / stride);
        Node *bent = node_unary(g, OP_TANH, y), *rows = node_sum(g, bent, 2);
        Node *columns = node_sum(g, bent, 1), *all = node_sum(g, rows, 1);
        step.outputs[step.output_count++] = all;
        step.outputs[step.output_count++] = columns;
        const Schedule *s = schedule_step(g, &step, ORDER_WIDE);
        assert_ptr_equal(kernel_of(s, rows), kernel_of(s, y));
        assert_ptr_not_equal(kernel_of(s, all), kernel_of(s, y));
        assert_ptr_not_equal(kernel_of(s, columns), kernel_of(s, y));
    }
}

/* The discriminator's update of a GAN with three hidden layers of 100 and a gradient penalty. */
static const Schedule *penalised_step(void)
{
    const char *text =
        "{'keys': 'X Y dX', 'z_dim': 6, 'd_layers': 3, 'd_dim': 100, 'g_layers': 3, "
        "'g_dim': 100, 'activation': 'leaky_relu', 'penalty': 'GP_L2_LS', 'penalty_weight': 10, "
        "'optimiser': 'RMSprop', 'batch_size': 800, 'iterations': 1}";
    char *copy = arena_printf("%s", text);
    for (char *p = copy; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    Source *source = arena_alloc(sizeof *source);
    *source = (Source){"test.json", copy, strlen(copy)};
    Model *model = read_gaga(json_parse(source), NULL, 0);
    model_check(model);
    Graph *g = steps_build(model);
    for (int k = 0; k < g->step_count; k++)
        if (strcmp(g->steps[k].name, "d_step") == 0)
            return schedule_step(g, &g->steps[k], ORDER_TILES);
    fail_msg("no d_step");
    return NULL;
}

static bool fills(const Kernel *kernel, const char *name)
{
    return kernel->kind == KERNEL_FILL && strcmp(kernel->root->input->name, name) == 0;
}

/* Real rows add to every weight's gradient before a latent is drawn, made ones before the points
 * between them; what is alive at one time are a network's values and the slopes of the penalty. */
static void test_rows_one_after_the_other(void **state)
{
    (void)state;
    const Schedule *s = penalised_step();
    const Section *section = &s->sections[1];
    int terms[3] = {0, 0, 0}, part = 0;
    for (int k = 0; k < section->count; k++) {
        const Kernel *kernel = section->kernels[k];
        part += fills(kernel, "z_d") || fills(kernel, "alpha");
        if (kernel->kind != KERNEL_WEIGHT)
            continue;
        terms[part]++;
        assert_int_equal(kernel->adds, part > 0);
    }
    assert_int_equal(part, 2);
    for (int k = 0; k < 3; k++)
        assert_int_equal(terms[k], 4);
    assert_int_equal(s->lanes, 80);
    assert_true(plan_buffers(s, false)->scratch_size <= 10 * 100 * 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_both_axes),
                                       cmocka_unit_test(test_row_sums),
                                       cmocka_unit_test(test_rows_one_after_the_other)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
