/* Layers of the HyperGAN dialect for which there is no golden case, beside loops over their
 * formulas in docs/hypergan.md: those that regroup samples, masks, pairs of cells, filters of
 * length one. Values are in the order height, width, channels. */
#include "gagac.h"
#include "hypergan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { H = 3, W = 2, C = 4, CELLS = H * W, SIZE = CELLS * C, MOST = 64 };

typedef struct Applied { /* a discriminator of some layers, and what it makes of two batches */
    const Model *model;
    Graph *g;
    Step *step;
    Interpreter *in;
    double *in_values[MAX_STEP_INPUTS];
    int batch, size; /* numbers a sample of the result */
    double *out[2];
} Applied;

static double value_of(int slab, int sample, int i) /* of what comes in */
{
    return sin(1.3 * i + 0.7 * sample + 2.1 * slab + 0.2);
}

static double start_of(const Tensor *tensor, int64_t i)
{
    return cos(0.9 * (double)i + (double)strlen(tensor->name)) * 0.6;
}

static const Model *model_of(const char *keys, int batch)
{
    const HyperOptions options = {.width = W, .height = H, .channels = C, .batch_size = batch};
    char *text = arena_printf(
        "{'latent': {'z': 4, 'projections': ['identity', 'gaussian']}, 'generator': {'layers': "
        "['linear %d*%d*%d']}, 'discriminator': {%s}, 'loss': {'class': 'LogisticLoss'}, 'trainer':"
        " {'class': 'SimultaneousTrainer', 'optimizer': {'class': 'GradientDescentOptimizer',"
        " 'learn_rate': 1}}}",
        H, W, C, keys);
    for (char *p = text; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    Source *source = arena_alloc(sizeof *source);
    *source = (Source){"test.json", text, strlen(text)};
    return read_hypergan(json_tree(source), &options);
}

static Node *slab_input(Applied *a, const char *name)
{
    Input *input = arena_alloc(sizeof *input);
    *input = (Input){.name = name, .kind = INPUT_NORMAL, .width = SIZE};
    a->step->inputs[a->step->input_count++] = input;
    return unflatten(a->g, node_input(a->g, input), 3, (int[]){H, W, C});
}

static void fill(Applied *a)
{
    for (int k = 0; k < a->step->input_count; k++) {
        const Input *input = a->step->inputs[k];
        a->in_values[k] = arena_alloc((size_t)(input->width * a->batch) * sizeof(double));
        for (int b = 0; b < a->batch; b++)
            for (int i = 0; i < input->width; i++)
                a->in_values[k][b * input->width + i] = value_of(k, b, i);
    }
    for (int k = 0; k < a->g->tensor_count; k++) {
        const Tensor *tensor = a->g->tensors[k];
        for (int64_t i = 0; i < type_size(&tensor->type); i++)
            interpreter_tensor(a->in, tensor)[i] = start_of(tensor, i);
    }
}

static Applied apply(const char *keys, int batch)
{
    Applied a = {.batch = batch, .model = model_of(keys, batch)};
    a.g = graph_new(a.model, batch);
    a.g->steps = arena_alloc(sizeof *a.g->steps);
    a.step = &a.g->steps[a.g->step_count++];
    *a.step = (Step){.name = "apply", .title = "layers", .count = 1};
    Pass pass = {.g = a.g, .step = a.step, .hyper = a.model->hyper};
    Node *one = slab_input(&a, "x");
    Flow both = {.slabs = {one, slab_input(&a, "y")}, .count = 2};
    Flow out = apply_component(&pass, &a.model->hyper->discriminator, both);
    a.size = (int)type_size(&out.slabs[0]->type);
    for (int k = 0; k < 2; k++) {
        a.out[k] = arena_alloc((size_t)(a.size * batch) * sizeof(double));
        add_output(a.step, k == 0 ? "one" : "two", flatten(a.g, out.slabs[k]));
    }
    simplify_step(a.g, a.step);
    a.in = interpreter_new(a.g);
    fill(&a);
    interpreter_run(a.in, a.step, a.in_values, (double[MAX_STEP_SCALARS]){0}, a.out);
    return a;
}

/* A number of a tensor of the discriminator, by its name: "0.weight". */
static double weight(const Applied *a, const char *name, int i)
{
    for (int k = 0; k < a->g->tensor_count; k++)
        if (strcmp(a->g->tensors[k]->name, arena_printf("D.%s", name)) == 0)
            return start_of(a->g->tensors[k], i);
    fail_msg("no tensor %s", name);
    return 0;
}

static void expect(const Applied *a, int slab, int sample, int i, double wanted)
{
    double found = a->out[slab][sample * a->size + i];
    if (!(fabs(found - wanted) < 1e-12))
        fail_msg("slab %d, sample %d, value %d: %.15g, not %.15g", slab, sample, i, found, wanted);
}

/* ---------------------------------------------------------------- samples */
static void test_stack(void **state)
{
    (void)state;
    Applied a = apply("'layers': ['two_sample_stack']", 6);
    assert_int_equal(a.size, 2 * SIZE);
    for (int slab = 0; slab < 2; slab++)
        for (int b = 0; b < 6; b++)
            for (int cell = 0; cell < CELLS; cell++)
                for (int c = 0; c < C; c++)
                    for (int half = 0; half < 2; half++)
                        expect(&a, slab, b, cell * 2 * C + half * C + c,
                               value_of(slab, b % 3 + 3 * half, cell * C + c));
}

static void test_mixup(void **state)
{
    (void)state;
    Applied a = apply("'layers': ['two_sample_stack mixup=true']", 4);
    double u = (value_of(2, 0, 0) + 1) / 2; /* the first sample's draw, from U(-1, 1) */
    for (int slab = 0; slab < 2; slab++)
        for (int b = 0; b < 4; b++)
            for (int i = 0; i < SIZE; i++)
                expect(&a, slab, b, i,
                       u * value_of(slab, b % 2, i) + (1 - u) * value_of(slab, b % 2 + 2, i));
}

static void test_slice_input(void **state)
{
    (void)state;
    Applied a = apply("'layers': ['slice_input 2 3']", 6);
    for (int slab = 0; slab < 2; slab++)
        for (int b = 0; b < 6; b++)
            for (int i = 0; i < SIZE; i++)
                expect(&a, slab, b, i, value_of(slab, b / 3 * 3 + 2, i));
}

/* ---------------------------------------------------------------- maps */
static void test_unpool(void **state)
{
    (void)state;
    Applied a = apply("'layers': ['unpool']", 2);
    assert_int_equal(a.size, 4 * SIZE);
    for (int y = 0; y < 2 * H; y++)
        for (int x = 0; x < 2 * W; x++)
            for (int c = 0; c < C; c++)
                expect(&a, 1, 1, (y * 2 * W + x) * C + c,
                       y % 2 || x % 2 ? 0 : value_of(1, 1, (y / 2 * W + x / 2) * C + c));
}

static void test_fractional(void **state)
{
    (void)state;
    Applied a = apply("'layers': ['resize_images 5 2', 'fractional_avg_pool 1.6']", 2);
    static const int first[] = {0, 1, 3, 5}; /* of 5 rows in 3 windows; both columns in one */
    assert_int_equal(a.size, 3 * C);
    for (int row = 0; row < 3; row++)
        for (int c = 0; c < C; c++) {
            double sum = 0;
            for (int k = first[row]; k < first[row + 1]; k++)
                for (int x = 0; x < 2; x++)
                    sum += value_of(0, 1, (k * H / 5 * W + x) * C + c);
            expect(&a, 0, 1, row * C + c, sum / (2 * (first[row + 1] - first[row])));
        }
}

static void test_mask(void **state)
{
    (void)state;
    Applied a = apply("'layers': ['identity name=e', 'pixel_norm', 'identity name=p', 'layer e', "
                      "'mask layer=p mask_layer=p filter=1']",
                      2);
    for (int b = 0; b < 2; b++)
        for (int cell = 0; cell < CELLS; cell++) {
            double sum = weight(&a, "0.bias", 0), other[C];
            for (int c = 0; c < C; c++) {
                double squares = 1e-8;
                for (int y = 0; y < H; y++)
                    squares += pow(value_of(1, b, (y * W + cell % W) * C + c), 2) / H;
                other[c] = value_of(1, b, cell * C + c) / sqrt(squares);
                sum += weight(&a, "0.weight", c) * other[c];
            }
            double m = 1 / (1 + exp(-sum));
            for (int c = 0; c < C; c++)
                expect(&a, 1, b, cell * C + c,
                       m * value_of(1, b, cell * C + c) + (1 - m) * other[c]);
        }
}

static void test_relational(void **state)
{
    enum { IN = 2 * (C + 2), OUT = 3 };
    (void)state;
    Applied a = apply("'relational': {'layers': ['linear 3 activation=tanh'], 'defaults': {}}, "
                      "'layers': ['relational']",
                      2);
    assert_int_equal(a.size, OUT);
    for (int f = 0; f < OUT; f++) {
        double total = 0;
        for (int i = 0; i < CELLS; i++)
            for (int j = 0; j < CELLS; j++) {
                double pair[IN], sum = weight(&a, "0.bias", f);
                for (int k = 0; k < 2; k++) {
                    int cell = k == 0 ? i : j, at = k * (C + 2);
                    for (int c = 0; c < C; c++)
                        pair[at + c] = value_of(0, 1, cell * C + c);
                    pair[at + C] = (double)(cell / W) / H;
                    pair[at + C + 1] = (double)(cell % W) / W;
                }
                for (int k = 0; k < IN; k++)
                    sum += pair[k] * weight(&a, "0.weight", k * OUT + f);
                total += tanh(sum);
            }
        expect(&a, 0, 1, f, total / (CELLS * CELLS));
    }
}

/* Queries and keys averaged over two channels each. */
static void test_attention_scale(void **state)
{
    (void)state;
    Applied a = apply("'filter': 1, 'layers': ['attention c_scale=2']", 1);
    double maps[3][CELLS][C];
    for (int k = 0; k < 3; k++)
        for (int cell = 0; cell < CELLS; cell++)
            for (int o = 0; o < C; o++) {
                const char *name = arena_printf("0.%c.", "fgh"[k]);
                double sum = weight(&a, arena_printf("%sbias", name), o);
                for (int c = 0; c < C; c++)
                    sum += value_of(0, 0, cell * C + c) *
                           weight(&a, arena_printf("%sweight", name), c * C + o);
                maps[k][cell][o] = sum;
            }
    for (int q = 0; q < CELLS; q++) {
        double shares[CELLS], total = 0;
        for (int k = 0; k < CELLS; k++) {
            double score = 0;
            for (int c = 0; c < C; c += 2)
                score += (maps[0][k][c] + maps[0][k][c + 1]) / 2 *
                         ((maps[1][q][c] + maps[1][q][c + 1]) / 2);
            total += shares[k] = exp(score);
        }
        for (int c = 0; c < C; c++) {
            double sum = value_of(0, 0, q * C + c);
            for (int k = 0; k < CELLS; k++)
                sum += shares[k] / total * maps[2][k][c];
            expect(&a, 0, 0, q * C + c, sum);
        }
    }
}

/* What changes with the steps has a name of its own in C, whatever the numbers. */
static void test_numbers_in_names(void **state)
{
    (void)state;
    Applied a = apply("'filter': 1, 'layers': ['attention enable_at_step=1000001', "
                      "'attention enable_at_step=1000002 name=a', 'identity name=b', "
                      "'progressive_replace start=a end=b delay=-1.5 steps=3e22']",
                      1);
    static const double starts[] = {1000001, 1000002, -1.5};
    assert_int_equal(a.step->scalar_count, 3);
    for (int k = 0; k < 3; k++) {
        const char *name = a.step->scalars[k].name;
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
        assert_true(a.step->scalars[k].course.start == starts[k]);
    }
}

/* ---------------------------------------------------------------- weights */
static double column_length(const Applied *a, int rows, int columns, int f)
{
    double squares = 0;
    for (int i = 0; i < rows; i++)
        squares += pow(weight(a, "0.weight", i * columns + f), 2);
    return sqrt(squares);
}

static void test_linear_types(void **state)
{
    enum { OUT = 3 };
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        Applied a = apply(kind == 0 ? "'linear_type': 'cosine', 'layers': ['linear 3']"
                                    : "'linear_type': 'weight_norm', 'layers': ['linear 3']",
                          2);
        for (int f = 0; f < OUT; f++) {
            double sum = 0, squares = 1e-6, bias = weight(&a, "0.bias", f);
            double length = column_length(&a, SIZE, OUT, f);
            for (int i = 0; i < SIZE; i++) {
                sum += value_of(1, 1, i) * weight(&a, "0.weight", i * OUT + f);
                squares += pow(value_of(1, 1, i), 2);
            }
            double cosine =
                (sum + 0.001 * bias) / (sqrt(length * length + bias * bias) + 1e-6) / sqrt(squares);
            expect(&a, 1, 1, f, kind == 0 ? cosine : sum / length * weight(&a, "0.gain", f) + bias);
        }
    }
}

/* Both batches' moments, of a convolution of one cell without a bias. */
static void test_weight_norms(void **state)
{
    enum { OUT = 2, BATCH = 3 };
    (void)state;
    for (int kind = 2; kind < 4; kind++) {
        Applied a = apply(
            arena_printf("'layer_regularizer': 'weight_norm%d', 'filter': 1, 'layers': ['conv 2']",
                         kind),
            BATCH);
        for (int f = 0; f < OUT; f++) {
            double values[2 * BATCH * CELLS], mean = 0, variance = 1e-8;
            double factor = 1 / column_length(&a, C, OUT, f), gain = weight(&a, "0.gain", f);
            factor *= kind == 3 ? gain : 1;
            for (int k = 0; k < 2 * BATCH * CELLS; k++) {
                values[k] = 0;
                for (int c = 0; c < C; c++)
                    values[k] +=
                        value_of(k / (BATCH * CELLS), k / CELLS % BATCH, k % CELLS * C + c) *
                        weight(&a, "0.weight", c * OUT + f) * factor;
                mean += values[k] / (2 * BATCH * CELLS);
            }
            for (int k = 0; k < 2 * BATCH * CELLS; k++)
                variance += pow(values[k] - mean, 2) / (2 * BATCH * CELLS);
            for (int k = 0; k < 2 * BATCH * CELLS; k++)
                expect(&a, k / (BATCH * CELLS), k / CELLS % BATCH, k % CELLS * OUT + f,
                       (values[k] - mean) / sqrt(variance) * (kind == 2 ? gain : 1));
        }
        for (int k = 0; k < a.g->tensor_count; k++)
            assert_null(strstr(a.g->tensors[k]->name, "bias"));
    }
}

/* Convolutions of one line do not share what a regulariser keeps. */
static void test_kept_apart(void **state)
{
    (void)state;
    Applied a = apply("'layer_regularizer': 'spectral_norm', 'layers': ['resnet 6']", 2);
    weight(&a, "0.conv1.u", 0);
    weight(&a, "0.conv2.u", 0);
    weight(&a, "0.shortcut.u", 0);
    a = apply("'layer_regularizer': 'weight_norm', 'layers': ['resnet 6']", 2);
    weight(&a, "0.conv1.gain", 0);
    weight(&a, "0.shortcut.gain", 0);
}

/* ---------------------------------------------------------------- the latent */
static void test_latent(void **state)
{
    (void)state;
    const HyperOptions options = {.width = 4, .height = 1, .channels = 1, .batch_size = 1};
    static char text[] =
        "{\"latent\": {\"z\": 4, \"projections\": [\"gaussian\"]}, \"generator\": {\"layers\": "
        "[\"zeros 1*1*1\", \"latent\", \"reshape 1*4*1\"]}, \"discriminator\": {\"layers\": "
        "[\"linear 1\"]}, \"loss\": {\"class\": \"LogisticLoss\"}, \"trainer\": {\"class\": "
        "\"SimultaneousTrainer\", \"optimizer\": {\"class\": \"GradientDescentOptimizer\","
        " \"learn_rate\": 1}}}";
    Source *source = arena_alloc(sizeof *source);
    *source = (Source){"test.json", text, strlen(text)};
    Graph *g = hyper_sample(read_hypergan(json_tree(source), &options), 1);
    double draws[] = {-0.99, -0.9, 0, 0.5}, out[4];
    double *inputs[] = {draws}, *outputs[] = {out};
    interpreter_run(interpreter_new(g), &g->steps[0], inputs, NULL, outputs);
    double radius = sqrt(-2 * log(0.005 + 1e-12));
    assert_true(radius > 3); /* a clipped one would be at most sqrt(2) */
    assert_true(fabs(out[0] + radius) < 1e-9);
    assert_true(fabs(out[2]) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stack),
        cmocka_unit_test(test_mixup),
        cmocka_unit_test(test_slice_input),
        cmocka_unit_test(test_unpool),
        cmocka_unit_test(test_fractional),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_relational),
        cmocka_unit_test(test_attention_scale),
        cmocka_unit_test(test_linear_types),
        cmocka_unit_test(test_weight_norms),
        cmocka_unit_test(test_numbers_in_names),
        cmocka_unit_test(test_kept_apart),
        cmocka_unit_test(test_latent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
