/* test_hyper_losses.c -- divergences and penalties of HyperGAN losses against their formulas,
 * written once more. */
#include "gagac.h"
#include "hyper_game.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BATCH = 3 };
static const double reals[BATCH] = {0.5, -1.25, 0.75}, fakes[BATCH] = {0.25, -0.5, 0.9};

static const Hyper *hyper_of(const char *loss, bool strict)
{
    const HyperOptions options = {
        .strict = strict, .batch_size = BATCH, .width = 4, .height = 4, .channels = 1};
    char *text = arena_printf(
        "{'latent': {'z': 2}, 'loss': {%s}, 'generator': {'defaults': {}, 'layers': ['linear "
        "4*4*1 activation=null']}, 'discriminator': {'defaults': {}, 'layers': ['linear 1 "
        "activation=null']}, 'trainer': {'class': 'SimultaneousTrainer', 'optimizer': {'class': "
        "'GradientDescentOptimizer', 'learn_rate': 1}}}",
        loss);
    for (char *p = text; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    Source *source = arena_alloc(sizeof *source);
    *source = (Source){"test.json", text, strlen(text)};
    return read_hypergan(json_tree(source), &options)->hyper;
}

/* d_loss and g_loss for the outputs above. */
static void losses_of(const char *loss, bool strict, double found[2])
{
    const Hyper *h = hyper_of(loss, strict);
    Graph *g = graph_new(NULL, BATCH);
    Step step = {.name = "loss"};
    Node *r = add_input(g, &step, (Input){.name = "r", .kind = INPUT_DATA, .width = 1});
    Node *f = add_input(g, &step, (Input){.name = "f", .kind = INPUT_DATA, .width = 1});
    GanTerms terms = gan_loss(g, &h->loss, r, f, NULL, r, f);
    add_output(&step, "d_loss", terms.d_loss);
    add_output(&step, "g_loss", terms.g_loss);
    double given[2][BATCH], *inputs[] = {given[0], given[1]}, *outputs[] = {found, found + 1};
    memcpy(given[0], reals, sizeof reals);
    memcpy(given[1], fakes, sizeof fakes);
    interpreter_run(interpreter_new(g), &step, inputs, NULL, outputs);
}

static double alpha1_activation(double v, double a) { return 1 / (1 - a) - log1p(exp(-v)); }
static double alpha2_activation(double v, double a)
{
    (void)a;
    return v;
}

static double conjugate(double t, double a, bool paper)
{
    double power = a / (a - 1);
    return paper ? pow(t * (a - 1) + 1, power) / a - 1 / a
                 : pow((t * (a - 1) + 1) / a, power) - 1 / a;
}

static void check_alpha(const char *type, double (*activation)(double, double), double a,
                        bool strict)
{
    double d = 0, g = 0, found[2];
    for (int k = 0; k < BATCH; k++) {
        double bound = conjugate(activation(fakes[k], a), a, strict);
        d += (bound - activation(reals[k], a)) / BATCH;
        g -= bound / BATCH;
    }
    losses_of(arena_printf("'class': 'FDivergenceLoss', 'type': '%s', 'alpha': %g", type, a),
              strict, found);
    assert_true(fabs(found[0] - d) < 1e-12 * fmax(1, fabs(d)));
    assert_true(fabs(found[1] - g) < 1e-12 * fmax(1, fabs(g)));
}

static void test_alphas(void **state)
{
    (void)state;
    for (int strict = 0; strict < 2; strict++) {
        check_alpha("alpha1", alpha1_activation, 0.5, strict == 1);
        check_alpha("alpha1", alpha1_activation, 0.25, strict == 1);
        check_alpha("alpha2", alpha2_activation, 1.5, strict == 1);
        check_alpha("alpha2", alpha2_activation, 0.5, strict == 1);
    }
}

static double of_pearson(double f) { return -(f - 2) / 2; }
static double of_reverse(double f) { return -f; }
static double of_js(double f) { return -exp(f); }
static double of_hellinger(double f) { return -1 / ((f - 1) * (f - 1) + 0.01); }
static double of_neyman(double f) { return 1 / sqrt(fmax(1 - f, 0) + 0.01); }
static double of_weighted(double f) { return (1 - fmax(f, 0.1)) / (2 * fmax(f, 0.1)); }
static double of_kl(double f) { return -f * exp(f); }
static double of_alpha1(double f) { return (exp(0.3 * f) - 1 - 0.3 * (exp(f) - 1)) / (0.3 * -0.7); }
static double of_alpha2(double f) { return -of_alpha1(f); }
static double of_own(double f) { return -(f * f / 4 + f); }

static void test_generator_losses(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        double (*loss)(double);
    } types[] = {{"pearson", of_pearson},
                 {"reverse_kl", of_reverse},
                 {"js", of_js},
                 {"squared_hellinger", of_hellinger},
                 {"neyman", of_neyman},
                 {"js_weighted", of_weighted},
                 {"kl", of_kl},
                 {"alpha1", of_alpha1},
                 {"alpha2", of_alpha2},
                 {"gan", of_own},
                 {"total_variation", of_own}};
    for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
        double expected = 0, found[2];
        for (int i = 0; i < BATCH; i++)
            expected += types[k].loss(fakes[i]) / BATCH;
        losses_of(arena_printf("'class': 'FDivergenceLoss', 'type': 'pearson', 'alpha': 0.3, "
                               "'g_loss_type': '%s'",
                               types[k].type),
                  false, found);
        if (!(fabs(found[1] - expected) < 1e-12 * fmax(1, fabs(expected))))
            fail_msg("%s: %.17g, not %.17g", types[k].type, found[1], expected);
    }
}

/* ---------------------------------------------------------------- penalties of the loss's keys */
typedef struct Played { /* the first step of a config with given numbers everywhere */
    Graph *g;
    Interpreter *in;
    Step *step;
    double *inputs[MAX_STEP_INPUTS], scalars[MAX_STEP_SCALARS];
} Played;

static double some_number(int k) { return sin(1.7 * k + 0.3); }

static Played play_loss(const char *keys)
{
    Played p = {0};
    Model *model = arena_alloc(sizeof *model);
    const Hyper *h = hyper_of(arena_printf("'class': 'LogisticLoss'%s", keys), false);
    *model = (Model){.hyper = h,
                     .batch_size = BATCH,
                     .width = 4,
                     .height = 4,
                     .channels = 1,
                     .x_dim = 16,
                     .z_dim = 2,
                     .d_updates = 1,
                     .g_updates = 1};
    p.g = steps_build(model);
    p.step = &p.g->steps[0];
    p.in = interpreter_new(p.g);
    for (int k = 0; k < p.step->input_count; k++) {
        int count = p.step->inputs[k]->width * BATCH;
        p.inputs[k] = arena_alloc((size_t)count * sizeof(double));
        for (int i = 0; i < count; i++)
            p.inputs[k][i] = p.step->inputs[k]->kind == INPUT_UNIFORM &&
                                     p.step->inputs[k]->low == p.step->inputs[k]->high
                                 ? fabs(some_number(i + 7 * k))
                                 : some_number(i + 7 * k);
    }
    p.scalars[0] = 0; /* nothing moves */
    for (int k = 0; k < p.g->tensor_count; k++) {
        double *values = interpreter_tensor(p.in, p.g->tensors[k]);
        for (int i = 0; i < type_size(&p.g->tensors[k]->type); i++)
            values[i] = some_number(3 * i + 11 * k);
    }
    return p;
}

static double output_of(Played *p, const char *name)
{
    double numbers[MAX_STEP_OUTPUTS], *outputs[MAX_STEP_OUTPUTS];
    for (int k = 0; k < p->step->output_count; k++)
        outputs[k] = &numbers[k];
    interpreter_run(p->in, p->step, p->inputs, p->scalars, outputs);
    for (int k = 0; k < p->step->output_count; k++)
        if (strcmp(p->step->output_names[k], name) == 0)
            return numbers[k];
    fail_msg("no output %s", name);
    return 0;
}

static double *values_of(Played *p, const char *name)
{
    for (int k = 0; k < p->g->tensor_count; k++)
        if (strcmp(p->g->tensors[k]->name, name) == 0)
            return interpreter_tensor(p->in, p->g->tensors[k]);
    fail_msg("no tensor %s", name);
    return NULL;
}

/* Outputs of D for the pictures of the step. */
static void outputs_of_d(Played *p, double r[BATCH], double f[BATCH])
{
    const double *w = values_of(p, "D.0.weight"), *g = values_of(p, "G.0.weight");
    const double *of_g = values_of(p, "G.0.bias"), *real = NULL, *z = NULL;
    for (int k = 0; k < p->step->input_count; k++) {
        real = strcmp(p->step->inputs[k]->name, "real") == 0 ? p->inputs[k] : real;
        z = strcmp(p->step->inputs[k]->name, "z_d") == 0 ? p->inputs[k] : z;
    }
    for (int b = 0; b < BATCH; b++) {
        r[b] = f[b] = *values_of(p, "D.0.bias");
        for (int i = 0; i < 16; i++) {
            r[b] += real[b * 16 + i] * w[i];
            f[b] += (z[b * 2] * g[i] + z[b * 2 + 1] * g[16 + i] + of_g[i]) * w[i];
        }
    }
}

/* What the keys add to d_loss. */
static double added(Played *p)
{
    double r[BATCH], f[BATCH], plain = 0;
    outputs_of_d(p, r, f);
    for (int b = 0; b < BATCH; b++)
        plain += (log1p(exp(-r[b])) + log1p(exp(f[b]))) / BATCH;
    return output_of(p, "d_loss") - plain;
}

static void expect_added(Played *p, double expected)
{
    double found = added(p);
    if (!(fabs(found - expected) < 1e-11 * fmax(1, fabs(expected))))
        fail_msg("%.17g, not %.17g", found, expected);
}

static void test_output_penalties(void **state)
{
    (void)state;
    double r[BATCH], f[BATCH], excess = 0, random = 0;
    Played p = play_loss(", 'k_lipschitz_penalty_ragan': 2");
    outputs_of_d(&p, r, f);
    for (int b = 0; b < BATCH; b++)
        excess += 2 * 2 * fmax((r[b] - f[b]) * (r[b] - f[b]) - 1, 0) / BATCH;
    assert_true(excess > 0.1);
    expect_added(&p, excess);
    p = play_loss(", 'random_penalty': true, 'random_penalty_offset': 0.25");
    const double *draw = NULL;
    for (int k = 0; k < p.step->input_count; k++)
        draw = strcmp(p.step->inputs[k]->name, "random_penalty") == 0 ? p.inputs[k] : draw;
    outputs_of_d(&p, r, f);
    for (int b = 0; b < BATCH; b++)
        random += pow((draw[b] < 0.5 ? r[b] : f[b]) - 0.25, 2) / BATCH;
    expect_added(&p, random);
}

static void test_weight_penalties(void **state)
{
    (void)state;
    Played p = play_loss(", 'l2nn_penalty': 0.5");
    double length = 0;
    for (int i = 0; i < 16; i++)
        length += values_of(&p, "D.0.weight")[i] * values_of(&p, "D.0.weight")[i];
    assert_true(length > 1);
    expect_added(&p, 0.5 * (length - 1)); /* one column */
    p = play_loss(", 'ortho_penalty': 3");
    expect_added(&p, 0);
}

/* By all pairs. */
static void test_minibatch(void **state)
{
    (void)state;
    enum { KERNELS = 2, DIMS = 3, BOTH = 2 * BATCH };
    Played p = play_loss(", 'minibatch': true, 'minibatch_kernels': 2, 'dim_per_kernel': 3");
    double outputs[BOTH], sum = 0;
    outputs_of_d(&p, outputs, outputs + BATCH);
    const double *w = values_of(&p, "D.0.minibatch.weight");
    for (int i = 0; i < BOTH; i++)
        for (int j = 0; j < BOTH; j++)
            for (int k = 0; k < KERNELS && i != j; k++) {
                double way = 0;
                for (int d = 0; d < DIMS; d++)
                    way += fabs(w[k * DIMS + d] * (outputs[i] - outputs[j]));
                sum += exp(-way);
            }
    expect_added(&p, sum / (BOTH * BATCH - BATCH) / (BOTH * 2 * KERNELS));
}

/* lambda / 2 times the squares of both networks' slopes, which a step of rate 1 shows. */
static void test_energy(void **state)
{
    (void)state;
    Played plain = play_loss(""), p = play_loss(", 'jg_penalty': true, 'jg_lambda': 0.5");
    double energy = 0, *before[8];
    for (int k = 0; k < plain.g->tensor_count; k++) {
        size_t size = (size_t)type_size(&plain.g->tensors[k]->type) * sizeof(double);
        before[k] = arena_alloc(size);
        memcpy(before[k], interpreter_tensor(plain.in, plain.g->tensors[k]), size);
    }
    plain.scalars[0] = 1;
    output_of(&plain, "d_loss");
    for (int k = 0; k < plain.g->tensor_count; k++)
        for (int i = 0; i < type_size(&plain.g->tensors[k]->type); i++)
            energy +=
                0.5 * pow(before[k][i] - interpreter_tensor(plain.in, plain.g->tensors[k])[i], 2);
    expect_added(&p, 0.5 * energy);
}

/* ---------------------------------------------------------------- payoffs of a gang */
enum { PAYOFF_A = 0, PAYOFF_B = 1 }; /* labels a and b are -0.5 and 0.75 */
static const double label[] = {-0.5, 0.75, 1};

static double plus(double x) { return x > 0 ? x : 0; }
static double sigma(double x) { return 1 / (1 + exp(-x)); }
static double two(double x) { return x * x; }

static double payoff_value(Payoff kind, double r, double f)
{
    const double a = label[PAYOFF_A], b = label[PAYOFF_B];
    switch (kind) {
    case PAYOFF_DIFFERENCE:
        return f - r;
    case PAYOFF_LEAST_SQUARES:
        return (f + r > 0 ? 1 : -1) * two(f + r);
    case PAYOFF_SQUARES:
        return two(f) - two(r);
    case PAYOFF_SIGNED:
        return f * fabs(f) + r * fabs(r);
    case PAYOFF_HALVES:
        return two((1 - f) / 2) - two((1 - r) / 2);
    case PAYOFF_PRODUCT:
        return plus(r) * f;
    case PAYOFF_SQUARED_PRODUCT:
        return two(plus(r)) * f * fabs(f);
    case PAYOFF_POSITIVE_PRODUCT:
        return plus(r) * plus(f);
    case PAYOFF_LABELLED_PRODUCT:
        return (r - a) * (f - a);
    case PAYOFF_LABELLED_PRODUCTS:
        return (r - a) * (f - a) - (r - b) * (f - b);
    case PAYOFF_RELATIVE_HALVES:
        return two((1 - (f - r)) / 2) - two((1 - (r - f)) / 2);
    case PAYOFF_RELATIVE_SQUARES:
        return two(r - f - b) / 2 + two(f - r - b) / 2;
    case PAYOFF_ZERO_RELATIVE:
        return two(r - f - b) - two(f - r - b);
    case PAYOFF_ZERO_RELATIVE2:
        return two(r - f - b);
    case PAYOFF_RAGAN:
        return sigma(f - r) - sigma(r - f);
    case PAYOFF_RAGAN_LOG:
        return log(sigma(r)) - log(sigma(f));
    case PAYOFF_STANDARD:
        return log(sigma(f)) - log(sigma(r));
    case PAYOFF_SIGMOID:
        return 2 * sigma(2 * (f - r)) - 1;
    case PAYOFF_SIGMOIDS:
        return sigma(f) - sigma(r);
    case PAYOFF_DOUBLE:
        return f + r;
    case PAYOFF_DOUBLE_RAGAN:
        return 0.7 * (f - r) + 0.3 * (r - f);
    case PAYOFF_DOUBLE_SQUARES:
        return two(f - a) + two(r - a);
    default:
        return 0;
    }
}

static double payoff_of_d(Payoff kind, double r, double f)
{
    if (kind == PAYOFF_DOUBLE)
        return r - f;
    if (kind == PAYOFF_DOUBLE_RAGAN)
        return 0.7 * (r - f) - 0.3 * (f - r);
    if (kind == PAYOFF_DOUBLE_SQUARES)
        return two(r - label[PAYOFF_A]) + two(f - label[PAYOFF_B]);
    return -payoff_value(kind, r, f);
}

static void check_payoff(Payoff kind)
{
    double expected[2] = {0, 0}, found[2];
    Graph *g = graph_new(NULL, BATCH);
    Step step = {.name = "payoff"};
    Game game = {0};
    game.d_real = add_input(g, &step, (Input){.name = "r", .kind = INPUT_DATA, .width = 1});
    game.d_fake = add_input(g, &step, (Input){.name = "f", .kind = INPUT_DATA, .width = 1});
    Payoffs payoffs = game_payoffs(g, kind, label, &game);
    add_output(&step, "g", payoffs.g);
    add_output(&step, "d", payoffs.d);
    double given[2][BATCH], *inputs[] = {given[0], given[1]}, *outputs[] = {found, found + 1};
    memcpy(given[0], reals, sizeof reals);
    memcpy(given[1], fakes, sizeof fakes);
    interpreter_run(interpreter_new(g), &step, inputs, NULL, outputs);
    for (int k = 0; k < BATCH; k++) {
        expected[0] += payoff_value(kind, reals[k], fakes[k]) / BATCH;
        expected[1] += payoff_of_d(kind, reals[k], fakes[k]) / BATCH;
    }
    for (int k = 0; k < 2; k++)
        if (!(fabs(found[k] - expected[k]) < 1e-12))
            fail_msg("payoff %d: %.17g, not %.17g", (int)kind, found[k], expected[k]);
}

static void test_payoffs(void **state)
{
    (void)state;
    for (int kind = PAYOFF_DIFFERENCE; kind <= PAYOFF_SIGMOIDS; kind++)
        check_payoff((Payoff)kind);
    check_payoff(PAYOFF_DOUBLE);
    check_payoff(PAYOFF_DOUBLE_RAGAN);
    check_payoff(PAYOFF_DOUBLE_SQUARES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alphas),           cmocka_unit_test(test_generator_losses),
        cmocka_unit_test(test_output_penalties), cmocka_unit_test(test_weight_penalties),
        cmocka_unit_test(test_minibatch),        cmocka_unit_test(test_energy),
        cmocka_unit_test(test_payoffs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
