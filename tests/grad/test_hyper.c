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
    const char *hooks; /* or keys of a trainer around the one inside */
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
    {PLAIN_G, PLAIN_D,
     "'class': 'FDivergenceLoss', 'type': 'alpha1', 'alpha': 0.3, 'g_loss_type': 'alpha2'", ""},
    {PLAIN_G, PLAIN_D, "'class': 'FDivergenceLoss', 'type': 'alpha2', 'g_loss_type': 'kl'", ""},
    {PLAIN_G, PLAIN_D,
     PLAIN_LOSS ", 'minibatch': true, 'minibatch_kernels': 3, 'dim_per_kernel': 2, "
                "'k_lipschitz_penalty_ragan': 1",
     ""},
    {PLAIN_G, PLAIN_D,
     PLAIN_LOSS ", 'jg_penalty': true, 'l2nn_penalty': 1, 'ortho_penalty': 0.1, 'random_penalty': "
                "true",
     ""},
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
    {PLAIN_G, PLAIN_D, PLAIN_LOSS,
     "{'class': 'RollingMemoryTrainHook', 'types': ['mx/mg', 'mg-/g', 'x/g(mz+)'], 'lambdas': [1, "
     "2, 0.5]}"},
    {PLAIN_G, PLAIN_D, PLAIN_LOSS,
     "{'class': 'RollingMemoryTrainHook', 'types': ['mx+/g'], 'lam': 3, 'only': true}"},
    {PLAIN_G, "'layers': ['conv 3 stride=2 name=a', 'linear 1 activation=null name=b']",
     PLAIN_LOSS ", 'gradient_penalty': 2",
     "{'class': 'SelfSupervisedTrainHook'}, {'class': 'MaxGpTrainHook'}"},
};

static double draw(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0;
}

static const Model *model_of(const Case *c)
{
    static const HyperOptions options = {
        .width = 8, .height = 8, .channels = 2, .batch_size = BATCH};
    bool wrapped = c->hooks[0] == '\'';
    const char *trainer = arena_printf(
        "{'class': 'SimultaneousTrainer', 'optimizer': {'class': 'GradientDescentOptimizer',"
        " 'learn_rate': 1}, 'hooks': [%s]}",
        wrapped ? "" : c->hooks);
    if (wrapped)
        trainer = arena_printf("{%s, 'trainer': %s}", c->hooks, trainer);
    char *text = arena_printf(
        "{'latent': {'z': 4}, 'generator': {'defaults': {'activation': 'tanh'}, %s},"
        " 'discriminator': {'defaults': {'activation': 'tanh'}, %s}, 'loss': {%s}, 'trainer': %s}",
        c->generator, c->discriminator, c->loss, trainer);
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

/* A step by its name, NULL: the first, with random inputs and tensors. */
static void start_step(Run *r, const Case *c, const char *name)
{
    r->g = steps_build(model_of(c));
    r->step = &r->g->steps[0];
    while (name != NULL && strcmp(r->step->name, name) != 0)
        r->step++;
    r->in = interpreter_new(r->g);
    for (int k = 0; k < r->step->input_count; k++) {
        const Input *input = r->step->inputs[k];
        r->inputs[k] = arena_alloc((size_t)(input->width * BATCH) * sizeof(double));
        for (int i = 0; i < input->width * BATCH; i++)
            r->inputs[k][i] =
                input->kind == INPUT_UNIFORM && input->low == 0 ? draw() : 2 * draw() - 1;
    }
    for (int k = 0; k < r->step->scalar_count; k++)
        r->scalars[k] = r->step->scalars[k].kind == SCALAR_RATE
                            ? r->step->scalars[k].base
                            : course_value(&r->step->scalars[k].course, 3, 0);
    for (int k = 0; k < r->g->tensor_count; k++) {
        size_t size = (size_t)type_size(&r->g->tensors[k]->type);
        r->before[k] = arena_alloc(size * sizeof(double));
        for (size_t i = 0; i < size; i++)
            r->before[k][i] = draw() - 0.5;
        if (strstr(r->g->tensors[k]->name, "_begun") != NULL)
            r->before[k][0] = 1; /* else memories hold this step's samples, which have no slope */
    }
}

static void start(Run *r, const Case *c) { start_step(r, c, NULL); }

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

static void check_case(const Case *c)
{
    Run r = {0};
    double *after[512];
    start(&r, c);
    restore(&r);
    loss_of(&r, "d_loss");
    for (int k = 0; k < r.g->tensor_count; k++) {
        size_t size = (size_t)type_size(&r.g->tensors[k]->type) * sizeof(double);
        after[k] = arena_alloc(size);
        memcpy(after[k], interpreter_tensor(r.in, r.g->tensors[k]), size);
    }
    for (int k = 0; k < r.g->tensor_count; k++) {
        int64_t size = type_size(&r.g->tensors[k]->type);
        for (int trial = 0; trial < 2 && r.g->tensors[k]->role != ROLE_CONTROL; trial++) {
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
        check_case(&cases[i]);
}

static double *tensor_values(Run *r, const char *name)
{
    for (int k = 0; k < r->g->tensor_count; k++)
        if (strcmp(r->g->tensors[k]->name, name) == 0)
            return interpreter_tensor(r->in, r->g->tensors[k]);
    fail_msg("no tensor %s", name);
    return NULL;
}

/* W'W of D's last layer, 48 x 3, before and after the step that constrains it. */
static void check_constrained(const char *constraint, bool ortho)
{
    const Case c = {PLAIN_G, "'layers': ['linear 3 activation=null']", PLAIN_LOSS,
                    arena_printf("{'class': 'WeightConstraintTrainHook', 'constraints': ['%s']}",
                                 constraint)};
    double *outputs[1] = {NULL};
    Run r = {0};
    start(&r, &c);
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

/* The new value of D's filter [3][3][2][3], computed here, for each constraint of filters. */
static double constrained_cell(const double *w, int i, const char *constraint)
{
    int out = i % 3, in = i / 3 % 2, cell = i / 6;
    double sum = 0, bound = 0;
    if (strcmp(constraint, "ortho2") == 0) { /* W W'W of the cell */
        for (int a = 0; a < 2; a++)
            for (int b = 0; b < 3; b++)
                sum += w[(cell * 2 + in) * 3 + b] * w[(cell * 2 + a) * 3 + b] *
                       w[(cell * 2 + a) * 3 + out];
        return 1.02 * w[i] - 0.02 * sum;
    }
    for (int a = 0; a < 2; a++) {
        sum = 0;
        for (int b = 0; b < 3; b++) {
            double most = 0;
            for (int row = 0; row < 3; row++) {
                double size = 0;
                for (int column = 0; column < 3; column++)
                    size += fabs(w[((row * 3 + column) * 2 + a) * 3 + b]);
                most = fmax(most, size);
            }
            sum += most;
        }
        bound = fmax(bound, sum);
    }
    assert_true(bound > 1);
    return w[i] * (1 / bound - 0.2); /* k is 1, and it bounces */
}

static void check_filter(const char *constraint)
{
    const Case c = {PLAIN_G, PLAIN_D, PLAIN_LOSS,
                    arena_printf("{'class': 'WeightConstraintTrainHook', 'constraints': ['%s'], "
                                 "'decay': 0.02, 'weight_constraint_k': 1, 'weight_bounce': true}",
                                 constraint)};
    double *outputs[1] = {NULL}, before[54];
    Run r = {0};
    start_step(&r, &c, "constrain");
    restore(&r);
    const double *weight = tensor_values(&r, "D.0.weight");
    memcpy(before, weight, sizeof before);
    interpreter_run(r.in, r.step, r.inputs, r.scalars, outputs);
    for (int i = 0; i < 54; i++)
        if (fabs(weight[i] - constrained_cell(before, i, constraint)) > 1e-12)
            fail_msg("%s: D.0.weight[%d] is %g", constraint, i, weight[i]);
}

static void test_constraints(void **state)
{
    (void)state;
    check_filter("ortho2");
    check_filter("lipschitz");
    check_constrained("l2nn", false);
    check_constrained("ortho", true);
}

/* ---------------------------------------------------------------- memories */
enum { PIXELS = 8 * 8 * 2 };

static double *input_values(Run *r, const char *name)
{
    for (int k = 0; k < r->step->input_count; k++)
        if (strcmp(r->step->inputs[k]->name, name) == 0)
            return r->inputs[k];
    fail_msg("no input %s", name);
    return NULL;
}

/* Pictures whose score under a D of one linear layer is the largest, times `sign`, of three. */
static int best_picture(const double *pictures, const double *weight, int sign)
{
    int best = 0;
    double most = 0;
    for (int i = 0; i < BATCH; i++) {
        double score = 0;
        for (int k = 0; k < PIXELS; k++) /* channels first, and last among the weights */
            score += pictures[i * PIXELS + k] * weight[k % 64 * 2 + k / 64];
        if (i == 0 || sign * score > most) {
            most = sign * score;
            best = i;
        }
    }
    return best;
}

/* Of three steps the first fills the memory, each other exchanges one picture. sign: of the memory,
 * 0: by place. */
static void check_memory(const char *member, const char *keys, const char *tensor, int sign)
{
    const Case c = {PLAIN_G, "'layers': ['linear 1 activation=null']", PLAIN_LOSS,
                    arena_printf("{'class': 'RollingMemoryTrainHook', 'types': ['%s/g']%s}", member,
                                 keys)};
    double expected[BATCH * PIXELS], weight[PIXELS];
    Run r = {0};
    start(&r, &c);
    restore(&r);
    *tensor_values(&r, "control.rolling0_begun") = 0;
    double *real = input_values(&r, "real"), *memory = tensor_values(&r, tensor);
    for (int step = 0; step < 3; step++) {
        for (int k = 0; k < BATCH * PIXELS; k++)
            real[k] = 2 * draw() - 1;
        memcpy(weight, tensor_values(&r, "D.0.weight"), sizeof weight);
        memcpy(expected, step == 0 ? real : memory, sizeof expected);
        int slot = best_picture(expected, weight, sign != 0 ? sign : 1);
        int from = sign != 0 ? best_picture(real, weight, sign) : slot;
        memcpy(expected + slot * PIXELS, real + from * PIXELS, PIXELS * sizeof(double));
        loss_of(&r, "d_loss");
        assert_memory_equal(memory, expected, sizeof expected);
    }
}

static void test_memories(void **state)
{
    (void)state;
    check_memory("mx", "", "control.rolling0_mx", 0);
    check_memory("mx+", "", "control.rolling0_mx_high", 1);
    check_memory("mx-", ", 'top_k': 1", "control.rolling0_mx_low", -1);
}

/* ---------------------------------------------------------------- MatchSupport, InputFitness */
/* The inner training goes down the slope of its loss at rate `factor`; nothing else moves. */
static void check_match(const char *loss, const char *discriminator, const char *variables,
                        const char *moved)
{
    const Case c = {PLAIN_G, discriminator, PLAIN_LOSS,
                    arena_printf("{'class': 'MatchSupportTrainHook', 'loss': '%s', 'loss_lambda': "
                                 "2, 'variables': [%s], 'optimizer': {'class': "
                                 "'GradientDescentOptimizer', 'learn_rate': 1}}",
                                 loss, variables)};
    const double factor = 1.0 / 1024, h = 1e-5;
    Run r = {0};
    start_step(&r, &c, "match0");
    for (int trial = 0; trial < 6; trial++) {
        double around[2], taken = 0;
        restore(&r);
        int i = (int)(draw() * 8);
        double *value = tensor_values(&r, moved) + i, first = *value;
        *tensor_values(&r, "control.match0_factor") = factor;
        loss_of(&r, "match_loss");
        taken = (first - *value) / factor;
        for (int side = 0; side < 2; side++) {
            restore(&r);
            *value = first + (side == 0 ? h : -h);
            *tensor_values(&r, "control.match0_factor") = 0; /* only looks */
            around[side] = loss_of(&r, "match_loss");
            assert_true(*value == first + (side == 0 ? h : -h));
        }
        double difference = (around[0] - around[1]) / (2 * h);
        if (!(fabs(difference - taken) <= 1e-6 * fmax(1, fabs(taken)) + 1e-9 * around[0] / h))
            fail_msg("%s of %s: slope %g, difference %g", loss, moved, taken, difference);
    }
}

#define MATCHED_D "'layers': ['match_support name=at', 'conv 3 stride=2', 'linear 1']"

static void test_matches(void **state)
{
    (void)state;
    static const char *const losses[] = {"base",   "zero",   "wgan",   "close",   "close2",
                                         "fixed",  "fixed2", "fixed3", "fixed4",  "fixed5",
                                         "fixed7", "d1",     "xor",    "absdiff", "fixedstd"};
    for (size_t k = 0; k < sizeof losses / sizeof losses[0]; k++)
        check_match(losses[k], PLAIN_D, "'generator'", "G.0.weight");
    const char *offsets = "'x', 'g'], 'layer': ['at'";
    check_match("base", MATCHED_D, offsets, "control.match_at_x");
    check_match("xor", MATCHED_D, offsets, "control.match_at_g");
    check_match("base", PLAIN_D, "'discriminator'", "D.0.weight");
}

/* It stops below its threshold, and where it becomes too slow. */
static void test_match_stops(void **state)
{
    (void)state;
    const Case c = {PLAIN_G, PLAIN_D, PLAIN_LOSS,
                    "{'class': 'MatchSupportTrainHook', 'loss': 'xor', 'variables': ['generator'], "
                    "'loss_threshold': 1, 'convergence_threshold': 0.5, 'optimizer': {'class': "
                    "'GradientDescentOptimizer', 'learn_rate': 0.001}}"};
    Run r = {0};
    start_step(&r, &c, "match0");
    restore(&r);
    double loss = loss_of(&r, "match_loss"), *weight = tensor_values(&r, "G.0.weight");
    assert_true(loss > 1);
    const double lasts[] = {0, 3 * loss, 1.5 * loss, 0.5 * loss};
    const bool moves[] = {true, true, false, true};
    for (int k = 0; k < 4; k++) {
        restore(&r);
        double first = *weight;
        *tensor_values(&r, "control.match0_factor") = 1;
        *tensor_values(&r, "control.match0_last") = lasts[k];
        loss_of(&r, "match_loss");
        assert_true((*weight != first) == moves[k]);
        assert_true((*tensor_values(&r, "control.match0_moved") == 1) == moves[k]);
        assert_true(*tensor_values(&r, "control.match0_last") == loss);
    }
}

/* The fitness of each picture is D's output for it. */
static void test_pictures(void **state)
{
    (void)state;
    static const struct {
        const char *keys;
        double of_r, of_size;
    } kinds[] = {{"", 1, 0}, {", 'reverse': true", -1, 0}, {", 'nabs': true", 0, -1}};
    for (int kind = 0; kind < 3; kind++) {
        const Case c = {PLAIN_G, "'layers': ['linear 1 activation=null']", PLAIN_LOSS,
                        arena_printf("{'class': 'InputFitnessTrainHook'%s}", kinds[kind].keys)};
        Run r = {0};
        start_step(&r, &c, "pictures");
        restore(&r);
        loss_of(&r, "picture_fitness");
        const double *weight = tensor_values(&r, "D.0.weight"), *real = input_values(&r, "real");
        for (int i = 0; i < BATCH; i++) {
            double score = *tensor_values(&r, "D.0.bias");
            for (int k = 0; k < PIXELS; k++)
                score += real[i * PIXELS + k] * weight[k % 64 * 2 + k / 64];
            score = kinds[kind].of_r * score + kinds[kind].of_size * fabs(score);
            assert_true(fabs(tensor_values(&r, "control.picture_scores")[i] - score) < 1e-12);
        }
    }
}

/* ---------------------------------------------------------------- fitness of latents */
typedef struct Judged { /* what the first step says of a batch */
    double d, g, f, r;  /* losses and mean outputs */
    double size;        /* mean over D's tensors of the mean of abs(gradient) */
    double energy;
} Judged;

/* Outputs of a step whose inputs are those of another one, by kind. */
static double run_step(Run *r, const char *step, const char *output)
{
    double *inputs[MAX_STEP_INPUTS], *outputs[MAX_STEP_OUTPUTS], numbers[MAX_STEP_OUTPUTS];
    const Step *s = r->g->steps;
    while (strcmp(s->name, step) != 0)
        s++;
    for (int k = 0; k < s->input_count; k++) {
        const char *name = s->inputs[k]->name;
        inputs[k] = strcmp(name, "unit") == 0
                        ? arena_alloc(BATCH * BATCH * sizeof(double))
                        : input_values(r, strcmp(name, "z_search") == 0 ? "z_d" : name);
        for (int i = 0; i < BATCH && strcmp(name, "unit") == 0; i++)
            inputs[k][i * BATCH + i] = 1;
    }
    for (int k = 0; k < s->output_count; k++)
        outputs[k] = &numbers[k];
    interpreter_run(r->in, s, inputs, r->scalars, outputs);
    for (int k = 0; k < s->output_count; k++)
        if (strcmp(s->output_names[k], output) == 0)
            return numbers[k];
    fail_msg("no output %s", output);
    return 0;
}

static Judged judge(Run *r)
{
    static const char *const outputs[] = {"d_loss", "g_loss", "d_fake", "d_real"};
    Judged j = {0};
    double *const numbers[] = {&j.d, &j.g, &j.f, &j.r};
    int tensors = 0;
    for (int k = 0; k < 4; k++) {
        restore(r);
        *numbers[k] = run_step(r, "gan_step", outputs[k]);
    }
    for (int k = 0; k < r->g->tensor_count; k++) {
        const Tensor *t = r->g->tensors[k];
        int64_t size = type_size(&t->type);
        double sum = 0;
        for (int64_t i = 0; i < size && t->role == ROLE_PARAMETER; i++) {
            double slope = r->before[k][i] - interpreter_tensor(r->in, t)[i];
            sum += fabs(slope);
            j.energy += slope * slope / 2;
        }
        tensors += t->name[0] == 'D';
        j.size += t->name[0] == 'D' ? sum / (double)size : 0;
    }
    j.size /= tensors;
    return j;
}

static double fitness_of(const char *type, const Judged *j)
{
    const double s = j->size, both = j->size + j->d;
    const struct {
        const char *type;
        double value;
    } known[] = {
        {"default", -j->f},
        {"ls3-fail", j->f - 1},
        {"gldl", j->g - j->d},
        {"g_loss", j->g - 0.5 * log(fabs(both - j->g))},
        {"fail3", -j->g},
        {"grads", s},
        {"fail", -s},
        {"gradient-only", -log(j->energy)},
        {"point", s - 1000 * j->d + 1000 * j->g},
        {"standard",
         j->g - 0.5 * log(fabs(s - log(1 / (1 + exp(-j->d))) - log(1 - 1 / (1 + exp(-j->g)))))},
        {"fq1", -j->f - 0.1 * s},
        {"fq2", j->r - j->f - 0.1 * s},
        {"fq3", j->r - j->f + s},
        {"fq4", -j->f + s},
        {"fq5", -j->f - s},
        {"fq6", -j->f - 0.1 * fabs(both)},
        {"fq7", -j->f - 0.1 * fabs(both)},
        {"fq8", -fabs(both)},
        {"fq9", 0.1 * s},
        {"fq10", fabs(both)},
        {"fq11", -j->f + 100 * s},
    };
    for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
        if (strcmp(known[k].type, type) == 0)
            return known[k].value;
    return NAN;
}

static void test_fitness(void **state)
{
    (void)state;
    static const char *const types[] = {
        "default",       "ls3-fail", "gldl",     "g_loss", "fail3", "grads", "fail",
        "gradient-only", "point",    "standard", "fq1",    "fq2",   "fq3",   "fq4",
        "fq5",           "fq6",      "fq7",      "fq8",    "fq9",   "fq10",  "fq11"};
    for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
        const Case c = {PLAIN_G, PLAIN_D, PLAIN_LOSS,
                        arena_printf("'class': 'FitnessTrainer', 'type': '%s', "
                                     "'diversity_importance': 0.5",
                                     types[k])};
        Run r = {0};
        start(&r, &c);
        Judged j = judge(&r);
        restore(&r);
        double found = run_step(&r, "fitness", "fitness"), expected = fitness_of(types[k], &j);
        if (!(fabs(found - expected) < 1e-9 * fmax(1, fabs(expected))))
            fail_msg("%s: %.15g, not %.15g", types[k], found, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),   cmocka_unit_test(test_constraints),
        cmocka_unit_test(test_memories),    cmocka_unit_test(test_matches),
        cmocka_unit_test(test_match_stops), cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_fitness)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
