/* test_ops.c -- kernels of single steps against the interpreter: convolutions, moves, maps along
 * axes, reductions, first and second order, with a batch that fills no tile.
 *
 * Runs on the tests' own driver, or on what GAGAC_LIBCUDA names. */
#define _POSIX_C_SOURCE 200809L
#include "gagac.h"

#include "target_cuda.h"
#include "runner.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BATCH = 6, MAX_TENSORS = 8 };

/* ---------------------------------------------------------------- a program of one step */
typedef struct Case {
    Graph *graph;
    Step *step;
    CudaStep *lowered;
    size_t offsets[MAX_TENSORS]; /* of the graph's tensors in the state */
    CudaText texts[CUDA_TEXTS];
    RunStep run;
} Case;

static double next_number(void) /* small, repeatable */
{
    static unsigned state = 12345;
    state = state * 1664525u + 1013904223u;
    return (double)(state >> 8) / (1 << 24) - 0.5;
}

static void describe_state(Case *c)
{
    for (int k = 0; k < c->graph->tensor_count; k++) {
        const Type *type = &c->graph->tensors[k]->type;
        c->offsets[k] = c->run.state_size;
        c->run.state_size += (size_t)rows_of(type) * (size_t)padded(columns_of(type));
    }
}

static size_t tensor_offset(const Case *c, const Tensor *tensor)
{
    for (int k = 0; k < c->graph->tensor_count; k++)
        if (c->graph->tensors[k] == tensor)
            return c->offsets[k];
    return 0;
}

static size_t array_offset(const CudaStep *s, const Node *n, size_t base)
{
    for (int k = 0; k < s->storage_count; k++)
        if (s->storage[k].node == n)
            return s->storage[k].offset + (n->type.batch ? base : 0);
    fail_msg("an array without a place");
    return 0;
}

static void describe_launches(Case *c, size_t base)
{
    const CudaStep *s = c->lowered;
    c->run.launches = arena_alloc((size_t)(s->stage_count + 1) * sizeof(RunLaunch));
    c->run.launch_count = s->stage_count;
    for (int k = 0; k < s->stage_count; k++) {
        const Stage *stage = s->stages[k];
        RunLaunch *launch = &c->run.launches[k];
        *launch = (RunLaunch){.kernel = stage->function,
                              .label = stage->sentence,
                              .block = stage->block,
                              .argument_count = stage->binding_count};
        memcpy(launch->grid, stage->grid, sizeof launch->grid);
        launch->arguments = arena_alloc((size_t)(stage->binding_count + 1) * sizeof(RunArgument));
        for (int i = 0; i < stage->binding_count; i++) {
            const CudaBinding *b = &stage->bindings[i];
            size_t offset = b->space == CUDA_STATE  ? tensor_offset(c, b->tensor)
                            : b->space == CUDA_WORK ? array_offset(s, b->node, base)
                                                    : 0;
            launch->arguments[i] = (RunArgument){b->space, offset};
        }
    }
}

static void compile_case(Case *c)
{
    EmitOptions options = {.isa = ISA_GENERIC};
    size_t base = 0;
    c->lowered = cuda_stages(schedule_step(c->graph, c->step, ORDER_WIDE));
    const char *model = cuda_kernels(&options, c->graph, &c->lowered, 1, &base, &c->run.work_size);
    describe_state(c);
    describe_launches(c, base);
    c->run.texts = c->texts;
    c->run.text_count = cuda_texts(model, c->texts);
    c->run.batch = BATCH;
    c->run.input_count = c->step->input_count;
    for (int k = 0; k < c->step->input_count; k++)
        c->run.widths[k] = c->step->inputs[k]->width;
    c->run.output_count = c->step->output_count;
}

/* ---------------------------------------------------------------- both ways to run it */
static void assert_close(double expected, double found, double scale, const char *what)
{
    if (!(fabs(expected - found) <= 2e-5 * (scale > 1 ? scale : 1)))
        fail_msg("%s: %.9g where %.9g is expected", what, found, expected);
}

/* Calls visit for every number of a tensor: in the interpreter, and its place in the state. */
static void visit_tensor(const Case *c, int k, Interpreter *in, float *state,
                         void (*visit)(double *number, float *place, double scale))
{
    const Type *type = &c->graph->tensors[k]->type;
    double *numbers = interpreter_tensor(in, c->graph->tensors[k]), scale = 0;
    int row = columns_of(type);
    for (int i = 0; i < (int)type_size(type); i++)
        scale = fmax(scale, fabs(numbers[i]));
    for (int i = 0; i < (int)type_size(type); i++)
        visit(&numbers[i], &state[c->offsets[k] + (size_t)(i / row * padded(row) + i % row)],
              scale);
}

static void set_number(double *number, float *place, double scale)
{
    (void)scale;
    *number = (double)(*place = (float)next_number());
}

static void compare_number(double *number, float *place, double scale)
{
    assert_close(*number, (double)*place, scale, "a tensor");
}

static void run_case(Graph *g, Step *step)
{
    Case *c = arena_alloc(sizeof *c);
    double *inputs[MAX_STEP_INPUTS] = {NULL}, expected[MAX_STEP_OUTPUTS], found[MAX_STEP_OUTPUTS];
    double *outputs[MAX_STEP_OUTPUTS];
    const float *given[MAX_STEP_INPUTS] = {NULL};
    c->graph = g;
    c->step = step;
    simplify_step(g, step);
    compile_case(c);
    float *state = arena_alloc(c->run.state_size * sizeof *state);
    Interpreter *reference = interpreter_new(g);
    for (int k = 0; k < g->tensor_count; k++)
        visit_tensor(c, k, reference, state, set_number);
    for (int k = 0; k < step->input_count; k++) {
        size_t size = (size_t)BATCH * (size_t)step->inputs[k]->width;
        float *values = arena_alloc(size * sizeof *values);
        inputs[k] = arena_alloc(size * sizeof(double));
        for (size_t i = 0; i < size; i++)
            set_number(&inputs[k][i], &values[i], 0);
        given[k] = values;
    }
    for (int k = 0; k < step->output_count; k++)
        outputs[k] = &expected[k];
    interpreter_run(reference, step, inputs, NULL, outputs);
    const char *fault = runner_run(&c->run, state, given, found);
    if (fault)
        fail_msg("%s", fault);
    for (int k = 0; k < step->output_count; k++)
        assert_close(expected[k], found[k], fabs(expected[k]), step->output_names[k]);
    for (int k = 0; k < g->tensor_count; k++)
        visit_tensor(c, k, reference, state, compare_number);
}

/* ---------------------------------------------------------------- steps */
static Graph *new_graph(void)
{
    static const Model model = {.batch_size = BATCH};
    return graph_new(&model, BATCH);
}

static Node *add_maps(Graph *g, Step *step, const char *name, int channels, int height, int width)
{
    Input *input = arena_alloc(sizeof *input);
    *input = (Input){.name = name, .kind = INPUT_NORMAL, .width = channels * height * width};
    step->inputs[step->input_count++] = input;
    Type type = {.batch = true, .rank = 3, .dims = {channels, height, width}};
    return node_reshape(g, node_input(g, input), type);
}

static Tensor *add_tensor(Graph *g, const char *name, Type type)
{
    return graph_tensor(
        g, (Tensor){.name = name, .group = "d", .field = name, .label = name, .type = type});
}

static void add_result(Step *step, const char *name, Node *value)
{
    step->output_names[step->output_count] = name;
    step->outputs[step->output_count++] = value;
}

static Node *square_mean(Graph *g, Node *a)
{
    return node_mean_batch(g, node_sum_all(g, node_binary(g, OP_MUL, a, a)));
}

/* w <- w - d loss / d w, for a loss of the values and of their gradient. */
static void descend(Graph *g, Step *step, Node *score, Node *at, Tensor *const tensors[], int count)
{
    Node *slope[1], *ws[MAX_TENSORS], *ds[MAX_TENSORS];
    Node *total = node_mean_batch(g, node_sum_all(g, score));
    grad(g, total, NULL, &at, 1, slope);
    Node *loss = node_binary(g, OP_ADD, square_mean(g, score), square_mean(g, slope[0]));
    for (int k = 0; k < count; k++)
        ws[k] = node_parameter(g, tensors[k]);
    grad(g, loss, NULL, ws, count, ds);
    for (int k = 0; k < count; k++)
        step_assign(step, node_assign(g, tensors[k], node_binary(g, OP_SUB, ws[k], ds[k])));
    add_result(step, "loss", loss);
}

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
    run_case(g, step);
}

static void test_convolutions(void **state)
{
    (void)state;
    check_convolution(3, 1, 1, 3, 5, 6);
    check_convolution(4, 2, 1, 2, 9, 7);
    check_convolution(5, 2, 2, 1, 3, 8);
    check_convolution(1, 1, 0, 4, 4, 3);
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
    run_case(g, step);
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
    run_case(g, step);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_batch_statistics),
    };
    setenv("GAGAC_LIBCUDA", getenv("FAKE_CUDA") ? getenv("FAKE_CUDA") : "", 0);
    setenv("GAGAC_LIBNVRTC", getenv("FAKE_CUDA") ? getenv("FAKE_CUDA") : "", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
