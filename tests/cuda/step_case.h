/* step_case.h -- steps built by hand, run as kernels and by the interpreter: what the tests of the
 * CUDA emitter share. */
#ifndef STEP_CASE_H
#define STEP_CASE_H

#include "gagac.h"

#include "runner.h"
#include "target_cuda.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifndef CASE_BATCH
#define CASE_BATCH 6
#endif
enum { BATCH = CASE_BATCH, MAX_TENSORS = 8 };

/* What a test may set before run_case(). */
static TensorPrecision case_tensor;
static double case_tolerance = 2e-5;
static const CudaFault *case_fault_planted; /* NULL: none */
static double case_grid; /* > 0: inputs and parameters are multiples of 1 / case_grid */

/* ---------------------------------------------------------------- a program of one step */
typedef struct Case {
    Graph *graph;
    Step *step;
    CudaStep *lowered;
    size_t offsets[MAX_TENSORS]; /* of the graph's tensors in the state */
    CudaText texts[CUDA_TEXTS];
    RunStep run;
} Case;

static inline double next_number(void) /* small, repeatable */
{
    static unsigned state = 12345;
    state = state * 1664525u + 1013904223u;
    return (double)(state >> 8) / (1 << 24) - 0.5;
}

static inline void describe_state(Case *c)
{
    for (int k = 0; k < c->graph->tensor_count; k++) {
        const Type *type = &c->graph->tensors[k]->type;
        c->offsets[k] = c->run.state_size;
        c->run.state_size += (size_t)rows_of(type) * (size_t)padded(columns_of(type));
    }
}

static inline size_t tensor_offset(const Case *c, const Tensor *tensor)
{
    for (int k = 0; k < c->graph->tensor_count; k++)
        if (c->graph->tensors[k] == tensor)
            return c->offsets[k];
    return 0;
}

static inline size_t array_offset(const CudaStep *s, const Node *n, size_t base)
{
    for (int k = 0; k < s->storage_count; k++)
        if (s->storage[k].node == n)
            return s->storage[k].offset + (n->type.batch ? base : 0);
    internal_error("an array without a place");
}

static inline void describe_launches(Case *c, size_t base)
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

static inline void compile_case(Case *c)
{
    EmitOptions options = {.isa = ISA_GENERIC, .tensor = case_tensor, .fault = case_fault_planted};
    size_t base = 0;
    c->lowered = cuda_stages(schedule_step(c->graph, c->step, ORDER_WIDE));
    const char *model = cuda_kernels(&options, c->graph, &c->lowered, 1, &base, &c->run.work_size);
    describe_state(c);
    describe_launches(c, base);
    c->run.texts = c->texts;
    c->run.text_count = cuda_texts(&options, model, c->texts);
    c->run.batch = BATCH;
    c->run.input_count = c->step->input_count;
    for (int k = 0; k < c->step->input_count; k++)
        c->run.widths[k] = c->step->inputs[k]->width;
    c->run.output_count = c->step->output_count;
}

/* ---------------------------------------------------------------- both ways to run it */
/* What is wrong with the case that runs, "" so far. */
static char case_fault[512];

static inline void compare(double expected, double found, double scale, const char *what)
{
    if (!(fabs(expected - found) <= case_tolerance * (scale > 1 ? scale : 1)) && !*case_fault)
        snprintf(case_fault, sizeof case_fault, "%s: %.9g where %.9g is expected", what, found,
                 expected);
}

/* Calls visit for every number of a tensor: in the interpreter, and its place in the state. */
static inline void visit_tensor(const Case *c, int k, Interpreter *in, float *state,
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

static inline void set_number(double *number, float *place, double scale)
{
    (void)scale;
    double drawn = next_number();
    *number =
        (double)(*place = (float)(case_grid > 0 ? rint(drawn * case_grid) / case_grid : drawn));
}

static inline void compare_number(double *number, float *place, double scale)
{
    compare(*number, (double)*place, scale, "a tensor");
}

/* A step with inputs and parameters of small random numbers, both ways. edit: sees the texts for
 * NVRTC, or NULL. "" when results agree, else what is wrong. */
static inline const char *run_case(Graph *g, Step *step, void (*edit)(CudaText *texts, int count))
{
    Case *c = arena_alloc(sizeof *c);
    double *inputs[MAX_STEP_INPUTS] = {NULL}, expected[MAX_STEP_OUTPUTS], found[MAX_STEP_OUTPUTS];
    double *outputs[MAX_STEP_OUTPUTS];
    const float *given[MAX_STEP_INPUTS] = {NULL};
    c->graph = g;
    c->step = step;
    simplify_step(g, step);
    *case_fault = 0;
    compile_case(c);
    if (edit)
        edit(c->texts, c->run.text_count);
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
    if (fault) {
        snprintf(case_fault, sizeof case_fault, "%s", fault);
        return case_fault;
    }
    for (int k = 0; k < step->output_count; k++)
        compare(expected[k], found[k], fabs(expected[k]), step->output_names[k]);
    for (int k = 0; k < g->tensor_count; k++)
        visit_tensor(c, k, reference, state, compare_number);
    return case_fault;
}

/* ---------------------------------------------------------------- steps */
static inline Graph *new_graph(void)
{
    static const Model model = {.batch_size = BATCH};
    return graph_new(&model, BATCH);
}

static inline Node *add_maps(Graph *g, Step *step, const char *name, int channels, int height,
                             int width)
{
    Input *input = arena_alloc(sizeof *input);
    *input = (Input){.name = name, .kind = INPUT_NORMAL, .width = channels * height * width};
    step->inputs[step->input_count++] = input;
    Type type = {.batch = true, .rank = 3, .dims = {channels, height, width}};
    return node_reshape(g, node_input(g, input), type);
}

static inline Tensor *add_tensor(Graph *g, const char *name, Type type)
{
    return graph_tensor(
        g, (Tensor){.name = name, .group = "d", .field = name, .label = name, .type = type});
}

static inline void add_result(Step *step, const char *name, Node *value)
{
    step->output_names[step->output_count] = name;
    step->outputs[step->output_count++] = value;
}

static inline Node *square_mean(Graph *g, Node *a)
{
    return node_mean_batch(g, node_sum_all(g, node_binary(g, OP_MUL, a, a)));
}

/* w <- w - d loss / d w, for a loss of the values and of their gradient. */
static inline void descend(Graph *g, Step *step, Node *score, Node *at, Tensor *const tensors[],
                           int count)
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

/* Kernels go through NVRTC to the PTX virtual machine, or to a GPU that GAGAC_LIBCUDA names. False:
 * there is no NVRTC. */
static inline bool use_machine(void)
{
    const char *machine = getenv("PTXVM_LIBRARY");
    Nvrtc nvrtc;
    Error error = {0};
    unsetenv("GAGAC_LIBNVRTC");
    if (!nvrtc_open(&nvrtc, &error))
        return false;
    nvrtc_close(&nvrtc);
    if (!getenv("GAGAC_LIBCUDA"))
        setenv("GAGAC_LIBCUDA", machine ? machine : "", 1);
    setenv("GAGAC_CUDA_CODE", "ptx", 1);
    return true;
}

#endif
