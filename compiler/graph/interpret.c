/* interpret.c -- the referee: a slow, obvious double-precision evaluation of a step's graph.
 *
 * Every gradient rule, every rewrite and every emitted kernel is compared with it. */
#include "gagac.h"

#include <stdlib.h>
#include <string.h>

struct Interpreter {
    Graph *graph;
    double **tensors; /* by index in graph->tensors */
    const Step *step; /* that ran last: its values stay for the next run of the same step */
    int count;        /* nodes of the graph then */
    bool *needed;     /* by node id: the step computes it */
    Value *values;    /* by node id */
};

static int tensor_index(const Graph *g, const Tensor *tensor)
{
    for (int k = 0; k < g->tensor_count; k++)
        if (g->tensors[k] == tensor)
            return k;
    internal_error("interpret: tensor '%s' of another graph", tensor->name);
}

Interpreter *interpreter_new(Graph *g)
{
    Interpreter *in = arena_alloc(sizeof *in);
    in->graph = g;
    in->tensors = arena_alloc((size_t)g->tensor_count * sizeof(double *));
    for (int k = 0; k < g->tensor_count; k++)
        in->tensors[k] = arena_alloc((size_t)type_size(&g->tensors[k]->type) * sizeof(double));
    return in;
}

double *interpreter_tensor(Interpreter *in, const Tensor *tensor)
{
    return in->tensors[tensor_index(in->graph, tensor)];
}

static Value value_new(const Graph *g, const Type *type)
{
    int64_t size = type_size(type) * (type->batch ? g->batch_size : 1);
    double *data = malloc((size_t)size * sizeof(double));
    if (!data)
        fail(EXIT_IO, NULL, "out of memory in the interpreter");
    return (Value){data, size};
}

static void run_element(const Node *n, const Value *in, Value *out)
{
    const OpRow *row = &op_table[n->op];
    const double *a = in[0].data, *b = row->arity > 1 ? in[1].data : in[0].data;
    for (int64_t k = 0; k < out->size; k++)
        out->data[k] = row->scalar(a[k], b[k], n->value);
}

static void load_source(Interpreter *in, const Step *step, const Node *n, double *const inputs[],
                        const double *scalars, Value *out)
{
    if (n->op == OP_CONSTANT) {
        for (int64_t k = 0; k < out->size; k++)
            out->data[k] = n->value;
        return;
    }
    const double *from = NULL;
    if (n->op == OP_PARAMETER)
        from = interpreter_tensor(in, n->tensor);
    for (int k = 0; k < step->input_count && n->op == OP_INPUT; k++)
        if (step->inputs[k] == n->input)
            from = inputs[k];
    for (int k = 0; k < step->scalar_count && n->op == OP_SCALAR; k++)
        if (strcmp(step->scalars[k].name, n->symbol) == 0)
            from = &scalars[k];
    if (!from)
        internal_error("interpret: no value for '%s'", n->name);
    memcpy(out->data, from, (size_t)out->size * sizeof(double));
}

static void drop_values(Interpreter *in)
{
    for (int id = 0; id < in->count; id++)
        free(in->values[id].data);
    free(in->values);
    free(in->needed);
}

/* Another step may lie where one lay that ran before. */
static bool is_prepared(const Interpreter *in, const Step *step)
{
    bool all = in->step == step && in->count == in->graph->count;
    for (int k = 0; k < step->output_count && all; k++)
        all = in->needed[step->outputs[k]->id];
    for (int k = 0; k < step->assign_count && all; k++)
        all = in->needed[step->assigns[k]->id];
    return all;
}

/* Room for every value of a step. What ran before gives up its own: one step may need gigabytes,
 * and a classifier runs the same step hundreds of times. */
static void prepare_values(Interpreter *in, const Step *step)
{
    const Graph *g = in->graph;
    if (is_prepared(in, step))
        return;
    drop_values(in);
    in->step = step;
    in->count = g->count;
    in->needed = calloc((size_t)g->count, sizeof(bool));
    in->values = calloc((size_t)g->count, sizeof(Value));
    if (!in->needed || !in->values)
        fail(EXIT_IO, NULL, "out of memory in the interpreter");
    mark_needed(step, in->needed);
    for (int id = 0; id < g->count; id++)
        if (in->needed[id] && op_table[g->nodes[id]->op].kind != CLASS_EFFECT)
            in->values[id] = value_new(g, &g->nodes[id]->type);
}

void interpreter_run(Interpreter *in, const Step *step, double *const inputs[],
                     const double *scalars, double *outputs[])
{
    const Graph *g = in->graph;
    prepare_values(in, step);
    Value *values = in->values;
    for (int id = 0; id < g->count; id++) {
        const Node *n = g->nodes[id];
        const OpRow *row = &op_table[n->op];
        if (!in->needed[id] || row->kind == CLASS_EFFECT)
            continue;
        Value operands[MAX_NODE_INPUTS] = {{0}};
        for (int k = 0; k < row->arity; k++)
            operands[k] = values[n->inputs[k]->id];
        if (row->kind == CLASS_SOURCE)
            load_source(in, step, n, inputs, scalars, &values[id]);
        else if (row->kind == CLASS_ELEMENT)
            run_element(n, operands, &values[id]);
        else
            row->evaluate(g, n, operands, &values[id]);
    }
    for (int k = 0; k < step->output_count; k++) {
        const Value *v = &values[step->outputs[k]->id];
        memcpy(outputs[k], v->data, (size_t)v->size * sizeof(double));
    }
    for (int k = 0; k < step->assign_count; k++) {
        const Node *n = step->assigns[k];
        const Value *v = &values[n->inputs[0]->id];
        memcpy(interpreter_tensor(in, n->tensor), v->data, (size_t)v->size * sizeof(double));
    }
}
