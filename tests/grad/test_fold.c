/* test_fold.c -- pools of convolutions become part of their filters: the values and their first and
 * second derivatives stay, and no map of the batch is left where all can be folded. */
#include "gagac.h"

#include "differences.h"

typedef struct Maps {
    Field *f;
    Node *x, *w, *b;
} Maps;

static Node *wide(const Maps *n, Node *vector, const Node *y)
{
    Node *b = node_expand(n->f->g, node_expand_batch(n->f->g, vector), 1, y->type.dims[1]);
    return node_expand(n->f->g, b, 2, y->type.dims[2]);
}

static Node *bias(const Maps *n, const Node *y) { return wide(n, n->b, y); }

static Node *convolved(const Maps *n, int stride)
{
    int h = n->x->type.dims[1] / stride, w = n->x->type.dims[2] / stride;
    return node_conv_y(n->f->g, n->x, n->w, (Window){{stride, stride}, {1, 1}}, h, w);
}

static Node *pool(const Maps *n, Node *y, int rows, int columns)
{
    Graph *g = n->f->g;
    y = rows > 1 ? node_resample(g, y, 1, resample_pool(g, y->type.dims[1], rows)) : y;
    return columns > 1 ? node_resample(g, y, 2, resample_pool(g, y->type.dims[2], columns)) : y;
}

static Node *with_bias(const Maps *n)
{
    Node *y = convolved(n, 1);
    return pool(n, node_binary(n->f->g, OP_ADD, y, bias(n, y)), 2, 2);
}

static Node *with_stride(const Maps *n) { return pool(n, convolved(n, 2), 3, 1); }

static Node *scaled(const Maps *n)
{
    Graph *g = n->f->g;
    Node *y = convolved(n, 1), *b = bias(n, y);
    Node *factor = wide(n, field_leaf(n->f, n->b->type, true), y);
    y = node_binary(g, OP_MUL, node_unary(g, OP_NEG, y), factor);
    return pool(n, node_binary(g, OP_SUB, b, y), 1, 3);
}

/* Rows that weigh their three elements differently, two apart, from element `start` on. */
static Node *weighed_from(const Maps *n, int start)
{
    Node *y = convolved(n, 1);
    int from = y->type.dims[1], to = (from - start - 1) / 2;
    double *rows = arena_alloc((size_t)(from * to) * sizeof *rows);
    for (int j = 0; j < to; j++)
        for (int t = 0; t < 3; t++)
            rows[j * from + start + 2 * j + t] = 0.3 + t;
    return node_resample(n->f->g, y, 1, resample_matrix(n->f->g, from, to, rows));
}

static Node *weighed(const Maps *n) { return weighed_from(n, 0); }
static Node *weighed_later(const Maps *n) { return weighed_from(n, 1); }
static Node *weighed_too_late(const Maps *n) { return weighed_from(n, 2); }

/* The unpooled maps are needed too. */
static Node *kept(const Maps *n)
{
    Node *y = convolved(n, 1), *small = node_unary(n->f->g, OP_TANH, pool(n, y, 2, 2));
    for (int axis = 1; axis <= 2; axis++)
        small =
            node_resample(n->f->g, small, axis,
                          resample_nearest(n->f->g, small->type.dims[axis], y->type.dims[axis]));
    return node_binary(n->f->g, OP_MUL, y, small);
}

static Node *bent(const Maps *n)
{
    return pool(n, node_unary(n->f->g, OP_TANH, convolved(n, 1)), 2, 2);
}
static Node *uneven(const Maps *n) { return pool(n, convolved(n, 1), 5, 1); }
static Node *few(const Maps *n) { return pool(n, convolved(n, 1), 6, 4); }

static const struct Case {
    const char *name;
    Node *(*build)(const Maps *n);
    bool folds;
} cases[] = {{"pool of a biased convolution", with_bias, true},
             {"pool along one axis of a strided one", with_stride, true},
             {"pool of a scaled one", scaled, true},
             {"weighed rows", weighed, true},
             {"weighed rows that begin later", weighed_later, true},
             {"later than the filter's edge", weighed_too_late, false},
             {"maps that are needed unpooled", kept, false},
             {"pool of an activation", bent, false},
             {"pool that does not divide the map", uneven, false},
             {"pool to few results", few, false}};

/* Maps along an axis of values of the batch. */
static int count_maps(const Graph *g, const Step *step)
{
    bool *needed = arena_alloc((size_t)g->count * sizeof *needed);
    int count = 0;
    mark_needed(step, needed);
    for (int id = 0; id < g->count; id++)
        count += needed[id] && g->nodes[id]->op == OP_RESAMPLE && g->nodes[id]->type.batch;
    return count;
}

static void test_case(void **state)
{
    const struct Case *c = *state;
    Field f = field_new(NULL);
    Graph *g = f.g;
    Maps n = {&f, field_leaf(&f, (Type){.batch = true, .rank = 3, .dims = {2, 24, 12}}, false),
              field_leaf(&f, (Type){.rank = 4, .dims = {3, 3, 2, 3}}, false),
              field_leaf(&f, type_vector(false, 3), false)};
    Node *y = node_unary(g, OP_TANH, c->build(&n)), *leaves[] = {n.x, n.w, n.b}, *found[7];
    found[0] = weighted_sum(&f, y);
    grad(g, found[0], NULL, leaves, 3, found + 1);
    Node *mixed = node_constant(g, 0, type_scalar());
    for (int k = 1; k < 4; k++)
        mixed = node_binary(g, OP_ADD, mixed, weighted_sum(&f, found[k]));
    grad(g, mixed, NULL, leaves, 3, found + 4);
    field_fill(&f, -0.5, 0.5);
    check_simplified(&f, found, 7, c->name);
    Step step = {.outputs = {found[0]}, .output_count = 1};
    for (int k = 1; k < 7; k++)
        step.outputs[step.output_count++] = found[k];
    simplify_step(g, &step);
    int left = count_maps(g, &step);
    if ((left == 0) != c->folds)
        fail_msg("%s: %d maps of the batch are left", c->name, left);
}

int main(void)
{
    enum { CASE_COUNT = sizeof cases / sizeof cases[0] };
    struct CMUnitTest tests[CASE_COUNT];
    for (int k = 0; k < CASE_COUNT; k++)
        tests[k] = case_test(cases[k].name, test_case, &cases[k]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
