/* Layers, regularisers and penalties of the HyperGAN dialect: what plain gradient descent at rate 1
 * takes off a parameter is the central difference of its network's loss. Penalties make that a test
 * of second derivatives. */
#include "gagac.h"
#include "hypergan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BATCH = 3 };

typedef struct Case {
    const char *generator, *discriminator; /* keys of the components, with ' for " */
    const char *loss;
    const char *hooks;
} Case;

#define PLAIN_G "'layers': ['linear 4*4*4', 'resize_conv 2 activation=null']"
#define PLAIN_D "'layers': ['conv 3 stride=2', 'linear 1 activation=null']"
#define PLAIN_LOSS "'class': 'LogisticLoss'"

static const Case cases[] = {
    {"'layers': ['linear 4*4*8', 'gram_matrix', 'conv 8', 'phase_shift 2', 'conv 2']", PLAIN_D,
     PLAIN_LOSS, ""},
    {"'layers': ['linear 4*4*4', 'variational 4', 'bicubic_conv 4', 'conv 2 filter=1']", PLAIN_D,
     PLAIN_LOSS, ""},
    {"'layers': ['linear 2*2*4', 'double_resolution', 'pad', 'crop 8 8 4', 'identity a', 'conv 4', "
     "'add layer=a mask=true',"
     " 'conv 2']",
     PLAIN_D, PLAIN_LOSS, ""},
    {"'layers': ['linear 4*4*4 name=start', 'resize_conv 4 name=end', "
     "'progressive_replace start=start end=end steps=10 delay=-5', 'batch_norm', 'conv 2']",
     PLAIN_D, PLAIN_LOSS, ""},
    {PLAIN_G, "'layer_regularizer': 'weight_norm', " PLAIN_D, PLAIN_LOSS, ""},
    {PLAIN_G, "'layer_regularizer': 'cosine_norm', " PLAIN_D, PLAIN_LOSS, ""},
    {PLAIN_G,
     "'l2_scale': true, 'layers': ['conv 4 name=e', 'concat noise mask=true', 'conv 4 stride=2 "
     "adaptive_instance_norm2=e', 'linear 1']",
     PLAIN_LOSS, ""},
    {PLAIN_G,
     "'layers': ['conv 8', 'reverse_batch', 'variational_noise', 'gram_matrix', 'linear 1 "
     "activation=null']",
     PLAIN_LOSS, ""},
    {"'activation': 'tanh', 'class': 'ResizableGenerator', 'final_depth': 3, 'max_depth': 6,"
     " 'adaptive_instance_norm': true, 'block': 'subpixel'",
     PLAIN_D, PLAIN_LOSS, ""},
    {PLAIN_G, PLAIN_D, "'class': 'QPLoss'", ""},
    {PLAIN_G, PLAIN_D, "'class': 'AliLoss'", ""},
    {PLAIN_G, PLAIN_D, "'class': 'LambGanLoss', 'labels': [0, 1, 1]", ""},
    {PLAIN_G, PLAIN_D, "'class': 'FDivergenceLoss', 'type': 'js_weighted'", ""},
    {PLAIN_G, PLAIN_D, "'class': 'FDivergenceLoss', 'type': 'neyman'", ""},
    {PLAIN_G, PLAIN_D,
     "'class': 'FDivergenceLoss', 'type': 'total_variation', 'g_loss_type': 'gan'", ""},
    {PLAIN_G, PLAIN_D, PLAIN_LOSS ", 'gradient_penalty': 2, 'gradient_penalty_type': 'dragan'", ""},
    {PLAIN_G, PLAIN_D, PLAIN_LOSS ", 'rothk_penalty': true, 'k_lipschitz_penalty': 3", ""},
    {PLAIN_G, PLAIN_D, PLAIN_LOSS ", 'gradient_locally_stable': 2", ""},
    {PLAIN_G, PLAIN_D, PLAIN_LOSS,
     "{'class': 'GradientPenaltyTrainHook', 'flex': 0.01, 'target': 'generator', 'lambda': "
     "'decay(range=1:2 steps=10)', 'loss': 'g_loss'}"},
    {PLAIN_G, PLAIN_D, PLAIN_LOSS,
     "{'class': 'ForceEquilibriumTrainHook', 'distance': 0.001}, {'class': 'KLipschitzTrainHook'}"},
    {PLAIN_G, PLAIN_D, PLAIN_LOSS, "{'class': 'MaxGpTrainHook', 'lambda': 3}"},
    {PLAIN_G, PLAIN_D, PLAIN_LOSS,
     "{'class': 'WeightPenaltyTrainHook', 'constraints': ['l2nn', 'ortho'], 'lambda': 0.5}"},
    {PLAIN_G, PLAIN_D, PLAIN_LOSS,
     "{'class': 'WeightPenaltyTrainHook', 'constraints': ['ortho'], 'components': ['generator']}"},
    {PLAIN_G, PLAIN_D, PLAIN_LOSS, "{'class': 'SelfSupervisedTrainHook', 'alpha': 0.5, 'beta': 2}"},
    {PLAIN_G, "'layers': ['conv 3 stride=2 name=a', 'linear 1 activation=null name=b']",
     PLAIN_LOSS ", 'gradient_penalty': 2",
     "{'class': 'SelfSupervisedTrainHook'}, {'class': 'MaxGpTrainHook'}"},
    {"'layers': ['linear 2*2*4 name=a', 'deconv 4 stride=2 name=b', 'mask layer=a mask_layer=b "
     "stride=2 mask_name=m', ['layer b', 'layer m'], 'deconv 3 stride=2', 'crop 8 8 3 name=c', 'mask "
     "layer=b mask_layer=c upscale=subpixel', 'conv 2']",
     PLAIN_D, PLAIN_LOSS, ""},
    {"'layers': ['linear 4*4*4 name=a', 'const 8*8*5 name=b', 'zeros 8*8*5', 'mask layer=a "
     "mask_layer=b stride=2', 'conv 2']",
     "'layers': ['conv 3 name=a', 'conv 3 name=b', 'mask layer=a mask_layer=b', 'linear 1']",
     PLAIN_LOSS ", 'gradient_penalty': 2", ""},
    {PLAIN_G,
     "'relational': {'layers': ['linear 5', 'linear 3 activation=null', 'activation prelu'], "
     "'defaults': {'activation': 'tanh'}}, 'layers': ['conv 3 stride=4', 'relational', 'linear 1 "
     "activation=null']",
     PLAIN_LOSS ", 'gradient_penalty': 2", ""},
    {"'relational': {'layers': [['linear 4', 'linear 2 bias=false'], 'linear 12'], 'linear_type': "
     "'cosine', 'defaults': {'activation': 'groupsort'}}, 'layers': ['linear 2*3*2', 'relational', "
     "'reshape 2*2*3', 'resize_conv 2', 'double_resolution']",
     PLAIN_D, PLAIN_LOSS, ""},
    {PLAIN_G,
     "'layers': ['conv 3 stride=2', 'match_support name=s', 'linear 4', 'match_support', 'linear 1 "
     "activation=null']",
     PLAIN_LOSS ", 'gradient_penalty': 2", "{'class': 'MaxGpTrainHook'}"},
    {PLAIN_G, "'layer_regularizer': 'weight_norm2', " PLAIN_D, PLAIN_LOSS ", 'gradient_penalty': 2",
     ""},
    {PLAIN_G,
     "'layer_regularizer': 'weight_norm3', 'layers': ['resnet 3 stride=2', 'linear 1 "
     "activation=null']",
     PLAIN_LOSS, ""},
    {PLAIN_G, "'linear_type': 'cosine', " PLAIN_D, PLAIN_LOSS ", 'gradient_penalty': 2", ""},
    {"'linear_type': 'weight_norm', " PLAIN_G, "'linear_type': 'weight_norm', " PLAIN_D,
     PLAIN_LOSS ", 'gradient_penalty': 2", ""},
    {"'layers': ['latent', 'linear 3*3*4', 'unpool', 'attention c_scale=3 enable_at_step=2', "
     "'knowledge_base', 'control here', 'layer_filter', 'resize_images 8 8', 'conv 2']",
     "'layers': ['conv 5', 'fractional_avg_pool 1.5', 'unpool', 'fractional_avg_pool', ['identity',"
     " 'conv 5'], 'linear 1 activation=null']",
     PLAIN_LOSS ", 'gradient_penalty': 2", ""},
    {PLAIN_G,
     "'layers': ['conv 4 name=a', 'conv 4', 'add layer=a mask=true threshold=0.51', 'linear 1']",
     PLAIN_LOSS, ""},
};

/* Layers that look at several samples need an even batch. */
static const Case even_cases[] = {
    {PLAIN_G,
     "'layers': ['conv 3', 'two_sample_stack', 'conv 3 stride=2', 'linear 1 activation=null']",
     PLAIN_LOSS ", 'gradient_penalty': 2", ""},
    {PLAIN_G, "'layers': ['linear 5', 'two_sample_stack mixup=true', 'linear 1 activation=null']",
     PLAIN_LOSS ", 'gradient_penalty': 2", ""},
    {PLAIN_G,
     "'layers': ['conv 3', 'slice_input 1 2', 'minibatch', 'linear 4', 'slice_input 0 4', 'linear 1"
     " activation=null']",
     PLAIN_LOSS, "{'class': 'MaxGpTrainHook'}"},
};

static double draw(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0;
}

static const Model *model_of(const Case *c, int batch)
{
    const HyperOptions options = {.width = 8, .height = 8, .channels = 2, .batch_size = batch};
    char *text = arena_printf(
        "{'latent': {'z': 4}, 'generator': {'defaults': {'activation': 'tanh'}, %s},"
        " 'discriminator': {'defaults': {'activation': 'tanh'}, %s}, 'loss': {%s}, 'trainer':"
        " {'class': 'SimultaneousTrainer', 'optimizer': {'class': 'GradientDescentOptimizer',"
        " 'learn_rate': 1}, 'hooks': [%s]}}",
        c->generator, c->discriminator, c->loss, c->hooks);
    for (char *p = text; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    Source *source = arena_alloc(sizeof *source);
    *source = (Source){"test.json", text, strlen(text)};
    return read_hypergan(json_tree(source), &options);
}

typedef struct Run {
    Graph *g;
    Step *step;
    Interpreter *in;
    double *inputs[MAX_STEP_INPUTS], scalars[MAX_STEP_SCALARS];
    double numbers[MAX_STEP_OUTPUTS];
    double *before[512]; /* values of the tensors */
} Run;

static void restore(Run *r)
{
    for (int k = 0; k < r->g->tensor_count; k++) {
        const Tensor *t = r->g->tensors[k];
        memcpy(interpreter_tensor(r->in, t), r->before[k],
               (size_t)type_size(&t->type) * sizeof(double));
    }
}

static double loss_of(Run *r, const char *name)
{
    double *outputs[MAX_STEP_OUTPUTS];
    for (int k = 0; k < r->step->output_count; k++)
        outputs[k] = &r->numbers[k];
    interpreter_run(r->in, r->step, r->inputs, r->scalars, outputs);
    for (int k = 0; k < r->step->output_count; k++)
        if (strcmp(r->step->output_names[k], name) == 0)
            return r->numbers[k];
    fail_msg("no output %s", name);
    return 0;
}

static void start(Run *r, const Case *c, int batch)
{
    r->g = steps_build(model_of(c, batch));
    r->step = &r->g->steps[0];
    r->in = interpreter_new(r->g);
    for (int k = 0; k < r->step->input_count; k++) {
        const Input *input = r->step->inputs[k];
        r->inputs[k] = arena_alloc((size_t)(input->width * batch) * sizeof(double));
        for (int i = 0; i < input->width * batch; i++)
            r->inputs[k][i] =
                input->kind == INPUT_UNIFORM && input->low == 0 ? draw() : 2 * draw() - 1;
    }
    for (int k = 0; k < r->step->scalar_count; k++)
        r->scalars[k] = r->step->scalars[k].kind == SCALAR_RATE
                            ? r->step->scalars[k].base
                            : course_value(&r->step->scalars[k].course, 3);
    for (int k = 0; k < r->g->tensor_count; k++) {
        size_t size = (size_t)type_size(&r->g->tensors[k]->type);
        r->before[k] = arena_alloc(size * sizeof(double));
        for (size_t i = 0; i < size; i++)
            r->before[k][i] = draw() - 0.5;
    }
}

static void check_element(Run *r, int k, int64_t i, double gradient, const char *what)
{
    const double h = 1e-5;
    const Tensor *t = r->g->tensors[k];
    const char *loss = t->name[0] == 'D' ? "d_loss" : "g_loss";
    double around[2];
    for (int side = 0; side < 2; side++) {
        restore(r);
        interpreter_tensor(r->in, t)[i] += side == 0 ? h : -h;
        around[side] = loss_of(r, loss);
    }
    double difference = (around[0] - around[1]) / (2 * h);
    if (!(fabs(difference - gradient) <= 1e-6 * fmax(1, fabs(gradient))))
        fail_msg("%s: %s[%d]: gradient %g, difference %g", what, t->name, (int)i, gradient,
                 difference);
}

static void check_case(const Case *c, int batch)
{
    Run r = {0};
    double *after[512];
    start(&r, c, batch);
    restore(&r);
    loss_of(&r, "d_loss");
    for (int k = 0; k < r.g->tensor_count; k++) {
        size_t size = (size_t)type_size(&r.g->tensors[k]->type) * sizeof(double);
        after[k] = arena_alloc(size);
        memcpy(after[k], interpreter_tensor(r.in, r.g->tensors[k]), size);
    }
    for (int k = 0; k < r.g->tensor_count; k++) {
        int64_t size = type_size(&r.g->tensors[k]->type);
        for (int trial = 0; trial < 2; trial++) {
            int64_t i = (int64_t)(draw() * (double)size);
            check_element(&r, k, i, r.before[k][i] - after[k][i],
                          arena_printf("%s | %s | %s %s", c->generator, c->discriminator, c->loss,
                                       c->hooks));
        }
    }
}

static void test_gradients(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_case(&cases[i], BATCH);
    for (size_t i = 0; i < sizeof even_cases / sizeof even_cases[0]; i++)
        check_case(&even_cases[i], 4);
}

/* A batch of one sample, where a layer has a meaning for it. */
static void test_one_sample(void **state)
{
    static const Case one[] = {
        {"'layers': ['latent', 'linear 3*5*4', 'unpool', 'crop 6 8 4', 'resize_images 8 8', 'conv "
         "2']",
         "'relational': {'layers': ['linear 3']}, 'layers': ['fractional_avg_pool 2.6', "
         "'match_support', 'relational', 'slice_input 0 1', 'linear 1 activation=null']",
         PLAIN_LOSS ", 'gradient_penalty': 2", ""}};
    (void)state;
    check_case(&one[0], 1);
}

/* W'W of D's last layer, 48 x 3, before and after the step that constrains it. */
static void check_constrained(const char *constraint, bool ortho)
{
    const Case c = {PLAIN_G, "'layers': ['linear 3 activation=null']", PLAIN_LOSS,
                    arena_printf("{'class': 'WeightConstraintTrainHook', 'constraints': ['%s']}",
                                 constraint)};
    double *outputs[1] = {NULL};
    Run r = {0};
    start(&r, &c, BATCH);
    restore(&r);
    Step *step = &r.g->steps[1];
    assert_string_equal(step->name, "constrain");
    interpreter_run(r.in, step, r.inputs, r.scalars, outputs);
    int k = 0;
    while (strcmp(r.g->tensors[k]->name, "D.0.weight") != 0)
        k++;
    const double *before = r.before[k], *after = interpreter_tensor(r.in, r.g->tensors[k]);
    int rows = r.g->tensors[k]->type.dims[0];
    double gram[3][3] = {{0}}, most = 1;
    for (int i = 0; i < 9; i++)
        for (int row = 0; row < rows; row++)
            gram[i / 3][i % 3] += before[row * 3 + i / 3] * before[row * 3 + i % 3];
    for (int i = 0; i < 3; i++)
        most = fmax(most, fabs(gram[i][0]) + fabs(gram[i][1]) + fabs(gram[i][2]));
    assert_true(most > 1.5); /* else there is nothing to do */
    for (int i = 0; i < rows * 3; i++) {
        double expected = before[i] / sqrt(most);
        const double *row = before + i / 3 * 3;
        if (ortho)
            expected =
                1.01 * before[i] - 0.01 * (row[0] * gram[0][i % 3] + row[1] * gram[1][i % 3] +
                                           row[2] * gram[2][i % 3]);
        assert_true(fabs(after[i] - expected) < 1e-12);
    }
}

static void test_constraints(void **state)
{
    (void)state;
    check_constrained("l2nn", false);
    check_constrained("ortho", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gradients),
                                       cmocka_unit_test(test_one_sample),
                                       cmocka_unit_test(test_constraints)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
