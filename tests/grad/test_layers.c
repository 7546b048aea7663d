/* test_layers.c -- gradients through every kind of layer, to its input and to what it owns, at
 * first and second order. */
#include "gagac.h"

#include "differences.h"

#define LINEAR(name_, size_)                               \
    {                                                      \
        .kind = LAYER_LINEAR, .name = name_, .size = size_ \
    }
#define LEAKY(slope_)                                                                     \
    {                                                                                     \
        .kind = LAYER_ACTIVATION, .name = "act", .activation = ACT_LEAKY, .slope = slope_ \
    }
#define SIGMOID                                                            \
    {                                                                      \
        .kind = LAYER_ACTIVATION, .name = "act", .activation = ACT_SIGMOID \
    }
#define NORM                                     \
    {                                            \
        .kind = LAYER_LAYER_NORM, .name = "norm" \
    }
#define CLAMP                                \
    {                                        \
        .kind = LAYER_CLAMP, .name = "clamp" \
    }

enum { MAX_LAYERS = 6, INPUTS = 4 };

static EncodeBlock blocks[] = {{0, 1, false}, {1, 2, true}, {3, 1, true}};
static double frequencies[] = {1, 2, 4};

typedef struct Case { /* a net of INPUTS inputs, and the range of all its numbers */
    const char *name;
    Layer layers[MAX_LAYERS];
    int layer_count;
    double low, high;
} Case;

static const Case cases[] = {
    {"linear", {LINEAR("fc0", 3)}, 1, -1, 1},
    {"one output", {LINEAR("fc0", 1)}, 1, -1, 1},
    {"spectral linear", /* u' W v stays away from 0 */
     {{.kind = LAYER_LINEAR, .name = "fc0", .size = 3, .spectral = true}},
     1,
     0.2,
     1},
    {"relu", {LINEAR("fc0", 3), LEAKY(0), LINEAR("fc1", 2)}, 3, -1, 1},
    {"leaky relu", {LINEAR("fc0", 3), LEAKY(0.01), LINEAR("fc1", 2)}, 3, -1, 1},
    {"sigmoid", {LINEAR("fc0", 3), SIGMOID, LINEAR("fc1", 2)}, 3, -1, 1},
    {"layer norm", {LINEAR("fc0", 5), NORM}, 2, -1, 1},
    {"norm, leaky", {LINEAR("fc0", 5), NORM, LEAKY(0.1), LINEAR("fc1", 1)}, 4, -1, 1},
    {"norm, sigmoid", {LINEAR("fc0", 4), NORM, SIGMOID, LINEAR("fc1", 2)}, 4, -1, 1},
    {"clamp", {LINEAR("fc0", 4), CLAMP}, 2, -1, 1},
    {"encode",
     {{.kind = LAYER_ENCODE,
       .name = "encode",
       .blocks = blocks,
       .block_count = 3,
       .frequencies = frequencies,
       .frequency_count = 3},
      LINEAR("fc0", 2)},
     2,
     -1,
     1},
    {"encode, input kept",
     {{.kind = LAYER_ENCODE,
       .name = "encode",
       .blocks = blocks,
       .block_count = 3,
       .frequencies = frequencies,
       .frequency_count = 2,
       .include_input = true}},
     1,
     -1,
     1},
};

enum { CASE_COUNT = sizeof cases / sizeof cases[0] };

static void test_case(void **state)
{
    const Case *c = *state;
    Layer layers[MAX_LAYERS];
    memcpy(layers, c->layers, sizeof layers);
    Net net = {.name = "discriminator",
               .tag = "D",
               .inputs = INPUTS,
               .layers = layers,
               .layer_count = c->layer_count};
    Field f = field_new(NULL);
    Module *module = module_new(f.g, &net);
    for (int k = 0; k < f.g->tensor_count; k++) {
        Tensor *tensor = f.g->tensors[k];
        field_add(&f, node_parameter(f.g, tensor), tensor->role != ROLE_PARAMETER);
    }
    Node *x = field_leaf(&f, type_vector(true, INPUTS), false);
    Node *y = module_apply(f.g, module, x, "tried", false);
    check_gradients(&f, weighted_sum(&f, node_binary(f.g, OP_MUL, y, y)), c->low, c->high, c->name);
}

/* A power iteration from the singular vectors stays there, and W / sigma has a largest singular
 * value of 1: for a diagonal W the answer is known. */
static void test_spectral_norm(void **state)
{
    (void)state;
    Layer layer = {.kind = LAYER_LINEAR, .name = "fc0", .size = 2, .spectral = true};
    Net net = {
        .name = "discriminator", .tag = "D", .inputs = 2, .layers = &layer, .layer_count = 1};
    Field f = field_new(NULL);
    Module *module = module_new(f.g, &net);
    Node *x = field_leaf(&f, type_vector(true, 2), false);
    Node *y = module_apply(f.g, module, x, "tried", true);
    Step step = {.name = "step", .outputs = {y}, .output_count = 1};
    module_keep_vectors(f.g, module, &step);
    simplify_step(f.g, &step);
    field_fill(&f, 0.5, 1);
    for (int k = 0; k < f.g->tensor_count; k++) {
        Tensor *tensor = f.g->tensors[k];
        double *values = interpreter_tensor(f.interpreter, tensor);
        bool weight = strcmp(tensor->field, "fc0_w") == 0,
             bias = strcmp(tensor->field, "fc0_b") == 0;
        for (int i = 0; i < type_size(&tensor->type); i++)
            values[i] = weight ? (i == 0 ? -5.0 : i == 3 ? 2.0 : 0) : bias ? 0 : 0.6;
    }
    double *rows = arena_alloc(2 * FIELD_BATCH * sizeof(double));
    for (int i = 0; i < 60; i++)
        field_run(&f, &step, &rows);
    for (int i = 0; i < FIELD_BATCH; i++) {
        const double *row = f.leaves[0].values + 2 * i;
        assert_true(fabs(rows[2 * i] + row[0]) < 1e-12);
        assert_true(fabs(rows[2 * i + 1] - 0.4 * row[1]) < 1e-12);
    }
}

int main(void)
{
    struct CMUnitTest tests[CASE_COUNT + 1] = {cmocka_unit_test(test_spectral_norm)};
    for (int k = 0; k < CASE_COUNT; k++)
        tests[1 + k] = case_test(cases[k].name, test_case, &cases[k]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
