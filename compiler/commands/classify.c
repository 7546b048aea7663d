/* classify.c -- the classifier of the scores: a discriminator with binary cross-entropy, built and
 * differentiated as any other net of the project and run by the double-precision interpreter. */
#include "score.h"

#include "order.h"
#include "gagac.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 64, STEPS = 600, BATCH = 250 }; /* BATCH rows of each kind an update */

static const Optimiser adam = {
    .kind = OPT_ADAM, .rate = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};

typedef struct Classifier {
    Graph *graph;
    Module *module;
    Input real, generated;
    Step train; /* one Adam update on a batch of each kind */
    Step apply; /* scores of the rows of one batch: positive for real ones */
    Interpreter *interpreter;
} Classifier;

static Net describe_net(int columns)
{
    Layer linear = {.kind = LAYER_LINEAR, .size = WIDTH, .weight_init = INIT_UNIFORM_FAN_IN};
    Layer relu = {.kind = LAYER_ACTIVATION, .name = "relu", .activation = ACT_LEAKY};
    Net net = {.name = "classifier", .tag = "C", .inputs = columns, .outputs = 1, .layer_count = 5};
    net.layers = arena_alloc((size_t)net.layer_count * sizeof(Layer));
    for (int k = 0; k < net.layer_count; k++) {
        net.layers[k] = k % 2 == 0 ? linear : relu;
    }
    net.layers[0].name = "fc0";
    net.layers[2].name = "fc1";
    net.layers[4].name = "fc2";
    net.layers[4].size = 1;
    return net;
}

static Step start_step(const char *name, Input *first, Input *second)
{
    Step step = {.name = name, .inputs = {first, second}, .input_count = second ? 2 : 1};
    return step;
}

/* The real and the generated rows of a batch go through the same net: label 1 and label 0. */
static Classifier *build_classifier(int columns, int batch)
{
    Classifier *c = arena_alloc(sizeof *c);
    Net *net = arena_alloc(sizeof *net);
    Model *model = arena_alloc(sizeof *model);
    *net = describe_net(columns);
    model->loss = LOSS_BCE;
    Graph *g = c->graph = graph_new(model, batch);
    c->module = module_new(g, net);
    c->real = (Input){.name = "real", .kind = INPUT_DATA, .width = columns};
    c->generated = (Input){.name = "generated", .kind = INPUT_DATA, .width = columns};
    Node *score_real = module_apply(g, c->module, node_input(g, &c->real), "score", true);
    Node *score_generated = module_apply(g, c->module, node_input(g, &c->generated), "score", true);
    c->train = start_step("train", &c->real, &c->generated);
    Node *loss = discriminator_loss(g, score_real, score_generated, NULL, NULL).total;
    module_update(g, &c->train, c->module, loss, &adam);
    c->apply = start_step("apply", &c->real, NULL);
    c->apply.outputs[0] = score_real;
    c->apply.output_count = 1;
    simplify_step(g, &c->train);
    simplify_step(g, &c->apply);
    c->interpreter = interpreter_new(g);
    return c;
}

/* All parameters uniform in +-1/sqrt(fan in). */
static void draw_parameters(Classifier *c, uint64_t seed)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (int k = 0; k < c->module->parameter_count; k++) {
        const Tensor *tensor = c->module->parameters[k];
        double *values = interpreter_tensor(c->interpreter, tensor);
        double bound = 1.0 / sqrt(tensor->fan_in);
        for (int64_t i = 0; i < type_size(&tensor->type); i++) {
            uint32_t words[4] = {(uint32_t)i, (uint32_t)k, 0, 0};
            philox4x32(words, key);
            values[i] = bound * ((words[0] + 0.5) * 0x1p-31 - 1.0);
        }
    }
}

/* What the step wants to know of the update, counted from 1. */
static void fill_scalars(const Step *step, int update, double *scalars)
{
    for (int k = 0; k < step->scalar_count; k++) {
        const Scalar *scalar = &step->scalars[k];
        double left = 1.0 - pow(scalar->base, update); /* Adam's bias correction */
        scalars[k] = scalar->kind == SCALAR_RATE     ? scalar->base
                     : scalar->kind == SCALAR_UNBIAS ? 1.0 / left
                                                     : 1.0 / sqrt(left);
    }
}

typedef struct Rows { /* one kind of rows: [count][columns], the first `trained` of them to train */
    const double *values;
    int count, trained, columns;
} Rows;

/* Batches of both kinds in random order, pass after pass over the rows that train. */
static void train_classifier(Classifier *c, const Rows kinds[2], uint64_t seed)
{
    int batch = c->graph->batch_size, columns = kinds[0].columns;
    size_t row_size = (size_t)columns * sizeof(double);
    double *inputs[2], scalars[MAX_STEP_SCALARS];
    Order orders[2];
    for (int kind = 0; kind < 2; kind++) {
        inputs[kind] = arena_alloc((size_t)batch * row_size);
        orders[kind] = order_start((uint64_t)kinds[kind].trained, (uint64_t)batch, true,
                                   seed + (uint64_t)kind);
    }
    for (int update = 0; update < STEPS; update++) {
        for (int i = 0; i < 2 * batch; i++) {
            int kind = i % 2, slot = i / 2;
            uint64_t position = (uint64_t)update * (uint64_t)batch + (uint64_t)slot;
            uint64_t row = order_row(&orders[kind], position);
            memcpy(inputs[kind] + slot * columns, kinds[kind].values + row * (uint64_t)columns,
                   row_size);
        }
        fill_scalars(&c->train, update + 1, scalars);
        interpreter_run(c->interpreter, &c->train, inputs, scalars, NULL);
    }
}

/* How many rows that did not train get a score above zero. The last batch is filled up with its
 * first row, which counts once. */
static int count_called_real(Classifier *c, const Rows *rows)
{
    int batch = c->graph->batch_size, called = 0;
    size_t row_size = (size_t)rows->columns * sizeof(double);
    double *input = arena_alloc((size_t)batch * row_size);
    double *scores = arena_alloc((size_t)batch * sizeof(double));
    for (int first = rows->trained; first < rows->count; first += batch) {
        int live = rows->count - first < batch ? rows->count - first : batch;
        for (int i = 0; i < batch; i++) {
            int row = first + (i < live ? i : 0);
            memcpy(input + i * rows->columns, rows->values + (size_t)row * (size_t)rows->columns,
                   row_size);
        }
        interpreter_run(c->interpreter, &c->apply, &input, NULL, &scores);
        for (int i = 0; i < live; i++) {
            called += scores[i] > 0;
        }
    }
    return called;
}

double classify(const double *real_rows, const double *generated_rows, int rows_each, int columns,
                uint64_t seed)
{
    int trained = rows_each / 2, tested = rows_each - trained;
    Rows kinds[2] = {{real_rows, rows_each, trained, columns},
                     {generated_rows, rows_each, trained, columns}};
    Classifier *c = build_classifier(columns, trained < BATCH ? trained : BATCH);
    draw_parameters(c, seed);
    train_classifier(c, kinds, seed);
    int right = count_called_real(c, &kinds[0]) + tested - count_called_real(c, &kinds[1]);
    return right / (2.0 * tested);
}
