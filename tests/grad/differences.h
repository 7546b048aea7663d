/* differences.h -- gradients built by the compiler beside central differences of the interpreter.
 *
 * A Field holds leaves (arrays of random numbers) of a graph; check_gradients() compares grad() of
 * a scalar with differences of its value, element by element, for the scalar and for a random
 * combination of its own gradient: first and second order. */
#ifndef GAGAC_TEST_DIFFERENCES_H
#define GAGAC_TEST_DIFFERENCES_H

#include "gagac.h"

#include "rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The test of a table's case, which it gets as its state. */
static inline struct CMUnitTest case_test(const char *name, CMUnitTestFunction run, const void *of)
{
    return (
        struct CMUnitTest){.name = name, .test_func = run, .initial_state = (void *)(uintptr_t)of};
}

enum { FIELD_BATCH = 4, MAX_LEAVES = 24 };

/* A step that leads beyond rounding (1e-16 / 1e-5) and truncation (1e-10) by orders of magnitude.
 */
static const double difference_step = 1e-5, difference_tolerance = 1e-6;

typedef struct Leaf {
    Node *node;
    double *values; /* NULL: in the interpreter's storage of its tensor */
    int64_t size;
    bool fixed; /* a coefficient: no gradient is asked for */
} Leaf;

typedef struct Field {
    Graph *g;
    Interpreter *interpreter;
    Leaf leaves[MAX_LEAVES];
    int count;
    uint64_t drawn;
    Step inputs; /* the batch leaves */
} Field;

static inline Field field_new(const Model *model)
{
    return (Field){.g = graph_new(model, FIELD_BATCH)};
}

/* The next uniform number in [low, high). */
static inline double field_draw(Field *f, double low, double high)
{
    uint32_t words[4] = {(uint32_t)f->drawn++, 7, 7, 7};
    const uint32_t key[2] = {2019, 12};
    philox4x32(words, key);
    return low + (high - low) * (words[0] * 0x1p-32);
}

/* The storage of a leaf. */
static inline double *leaf_values(Field *f, Leaf *leaf)
{
    return leaf->values != NULL ? leaf->values
                                : interpreter_tensor(f->interpreter, leaf->node->tensor);
}

static inline Node *field_add(Field *f, Node *node, bool fixed)
{
    Leaf *leaf = &f->leaves[f->count++];
    assert_true(f->count <= MAX_LEAVES);
    *leaf = (Leaf){.node = node, .size = type_size(&node->type), .fixed = fixed};
    if (node->type.batch) {
        leaf->size *= f->g->batch_size;
        leaf->values = arena_alloc((size_t)leaf->size * sizeof(double));
        f->inputs.inputs[f->inputs.input_count++] = node->input;
    }
    return node;
}

/* An array of its own: an input of the step, or a tensor. */
static inline Node *field_leaf(Field *f, Type type, bool fixed)
{
    const char *name = arena_printf("leaf%d", f->count);
    if (!type.batch)
        return field_add(
            f,
            node_parameter(f->g,
                           graph_tensor(f->g, (Tensor){.name = name, .field = name, .type = type})),
            fixed);
    Input *input = arena_alloc(sizeof *input);
    *input = (Input){.name = name, .width = (int)type_size(&type), .flat = type.rank == 0};
    return node_reshape(f->g, field_add(f, node_input(f->g, input), fixed), type);
}

/* Fills the leaves; no leaf can be added from here on. */
static inline void field_fill(Field *f, double low, double high)
{
    f->interpreter = interpreter_new(f->g);
    for (int k = 0; k < f->count; k++) {
        double *values = leaf_values(f, &f->leaves[k]);
        for (int64_t i = 0; i < f->leaves[k].size; i++)
            values[i] = field_draw(f, low, high);
    }
}

/* Runs the step with the leaves as they are. */
static inline void field_run(Field *f, Step *step, double *outputs[])
{
    double *inputs[MAX_STEP_INPUTS];
    int count = 0;
    for (int k = 0; k < f->count; k++)
        if (f->leaves[k].node->op == OP_INPUT)
            inputs[count++] = f->leaves[k].values;
    memcpy(step->inputs, f->inputs.inputs, sizeof step->inputs);
    step->input_count = count;
    interpreter_run(f->interpreter, step, inputs, NULL, outputs);
}

static inline double *field_value(Field *f, Node *node)
{
    int64_t size = type_size(&node->type) * (node->type.batch ? f->g->batch_size : 1);
    double *values = arena_alloc((size_t)size * sizeof *values);
    Step step = {.outputs = {node}, .output_count = 1};
    field_run(f, &step, &values);
    return values;
}

static inline double field_number(Field *f, Node *scalar)
{
    double number, *output = &number;
    Step step = {.outputs = {scalar}, .output_count = 1};
    field_run(f, &step, &output);
    return number;
}

/* sum of c a over everything, with fixed random c */
static inline Node *weighted_sum(Field *f, Node *a)
{
    Graph *g = f->g;
    Node *sum = node_sum_all(g, node_binary(g, OP_MUL, a, field_leaf(f, a->type, true)));
    return sum->type.batch ? node_sum_batch(g, sum) : sum;
}

static inline void assert_close(double found, double expected, double size, const char *what,
                                const char *order, int leaf, int64_t i)
{
    double limit = difference_tolerance * fmax(1, size);
    if (!(fabs(found - expected) <= limit))
        fail_msg("%s, %s order: element %lld of leaf %d is %.10g, differences give %.10g", what,
                 order, (long long)i, leaf, found, expected);
}

/* grad() of y beside differences of y, over all leaves that are not fixed. */
static inline void check_first_order(Field *f, Node *y, Node *const gradients[], const char *what,
                                     const char *order)
{
    for (int k = 0, at = 0; k < f->count; k++) {
        Leaf *leaf = &f->leaves[k];
        if (leaf->fixed)
            continue;
        double *values = leaf_values(f, leaf), *found = field_value(f, gradients[at++]);
        double size = 0;
        for (int64_t i = 0; i < leaf->size; i++)
            size = fmax(size, fabs(found[i]));
        for (int64_t i = 0; i < leaf->size; i++) {
            double middle = values[i];
            values[i] = middle + difference_step;
            double above = field_number(f, y);
            values[i] = middle - difference_step;
            double below = field_number(f, y);
            values[i] = middle;
            assert_close(found[i], (above - below) / (2 * difference_step), size, what, order, k,
                         i);
        }
    }
}

static inline int free_leaves(const Field *f, Node *xs[])
{
    int count = 0;
    for (int k = 0; k < f->count; k++)
        if (!f->leaves[k].fixed)
            xs[count++] = f->leaves[k].node;
    return count;
}

/* What simplify makes of the nodes has the values it had. */
static inline void check_simplified(Field *f, Node *const nodes[], int count, const char *what)
{
    for (int k = 0; k < count; k++) {
        Step step = {.outputs = {nodes[k]}, .output_count = 1};
        double *before = field_value(f, nodes[k]);
        simplify_step(f->g, &step);
        double *after = field_value(f, step.outputs[0]), size = 0;
        int64_t elements =
            type_size(&nodes[k]->type) * (nodes[k]->type.batch ? f->g->batch_size : 1);
        for (int64_t i = 0; i < elements; i++)
            size = fmax(size, fabs(before[i]));
        for (int64_t i = 0; i < elements; i++)
            if (!(fabs(before[i] - after[i]) <= 1e-11 * size))
                fail_msg("%s: simplified, element %lld is %.17g and not %.17g", what, (long long)i,
                         after[i], before[i]);
    }
}

/* y: a scalar of the leaves, which are filled with numbers in [low, high) here. */
static inline void check_gradients(Field *f, Node *y, double low, double high, const char *what)
{
    Node *xs[MAX_LEAVES], *first[MAX_LEAVES], *second[MAX_LEAVES];
    int count = free_leaves(f, xs);
    grad(f->g, y, NULL, xs, count, first);
    Node *mixed = node_constant(f->g, 0, type_scalar());
    for (int k = 0; k < count; k++)
        mixed = node_binary(f->g, OP_ADD, mixed, weighted_sum(f, first[k]));
    grad(f->g, mixed, NULL, xs, count, second);
    field_fill(f, low, high);
    check_first_order(f, y, first, what, "first");
    check_first_order(f, mixed, second, what, "second");
    check_simplified(f, first, count, what);
    check_simplified(f, second, count, what);
}

#endif
