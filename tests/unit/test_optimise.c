/* Optimisers of the HyperGAN dialect against their formulas, written here as plain loops: one
 * parameter, a given row of gradients. */
#include "gagac.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 5 };
static const double gradients[STEPS] = {0.5, -1.25, 2, 0.125, -0.75};
static const double start = 0.3;

/* The parameter after STEPS updates, by the interpreter. */
static double run(const Optimiser *o)
{
    Graph *g = graph_new(NULL, 1);
    Step step = {.name = "step"};
    Tensor *p = graph_tensor(g, (Tensor){.name = "D.0.weight",
                                         .group = "d",
                                         .field = "w",
                                         .label = "w",
                                         .type = type_vector(false, 1)});
    Node *d = add_scalar(g, &step, (Scalar){.name = "gradient"});
    Rates *rates = rates_new(g, &step, o, "");
    Node *value = node_parameter(g, p), *gradient = node_expand_to(g, d, p->type);
    Node *next = optimise(g, &step, p, value, gradient, o, rates, "");
    step_assign(&step, node_assign(g, p, next));
    Interpreter *in = interpreter_new(g);
    for (int k = 0; k < g->tensor_count; k++) {
        const Tensor *t = g->tensors[k];
        *interpreter_tensor(in, t) = k == 0 || t->init == INIT_SOURCE ? start
                                     : t->init == INIT_ONE            ? 1
                                     : t->init == INIT_VALUE          ? t->scale
                                                                      : 0;
    }
    for (int t = 1; t <= STEPS; t++) {
        double scalars[MAX_STEP_SCALARS];
        for (int k = 0; k < step.scalar_count; k++) {
            const Scalar *s = &step.scalars[k];
            scalars[k] = k == 0                     ? gradients[t - 1]
                         : s->kind == SCALAR_RATE   ? s->base
                         : s->kind == SCALAR_UNBIAS ? 1 / (1 - pow(s->base, t))
                                                    : 1 / sqrt(1 - pow(s->base, t));
        }
        interpreter_run(in, &step, NULL, scalars, NULL);
    }
    return *interpreter_tensor(in, p);
}

static void expect(const Optimiser *o, double value)
{
    double found = run(o);
    if (!(fabs(found - value) <= 1e-12))
        fail_msg("optimiser %d: %.15g, not %.15g", (int)o->kind, found, value);
}

typedef struct Moments {
    double first, second;
} Moments;

static double adam_rate(const Optimiser *o, int t)
{
    return o->rate * sqrt(1 - pow(o->beta2, t)) / (1 - pow(o->beta1, t));
}

static void advance(Moments *m, const Optimiser *o, double d)
{
    m->first = o->beta1 * m->first + (1 - o->beta1) * d;
    m->second = o->beta2 * m->second + (1 - o->beta2) * d * d;
}

static const Optimiser adam = {
    .kind = OPT_TF_ADAM, .rate = 0.1, .beta1 = 0.6, .beta2 = 0.9, .epsilon = 0.01};

static void test_adams(void **state)
{
    (void)state;
    Optimiser o = adam;
    Moments m = {0, 0}, n = {0, 0}, k = {0, 0}, b = {0, 0};
    double plain = start, largest = 0, ams = start, mirror = start, bound = start;
    for (int t = 1; t <= STEPS; t++) {
        double d = gradients[t - 1], rate = adam_rate(&o, t);
        advance(&m, &o, d);
        plain -= rate * m.first / (sqrt(m.second) + o.epsilon);
        advance(&n, &o, d);
        largest = fmax(largest, n.second);
        ams -= rate * n.first / (sqrt(largest) + o.epsilon);
        mirror += rate * k.first / (sqrt(k.second) + o.epsilon);
        advance(&k, &o, d);
        mirror -= 2 * rate * k.first / (sqrt(k.second) + o.epsilon);
        advance(&b, &o, d);
        bound -= fmin(fmax(o.rate / (sqrt(b.second) + o.epsilon), 0.05), 0.08) * b.first;
    }
    expect(&o, plain);
    o.kind = OPT_AMSGRAD;
    expect(&o, ams);
    o.kind = OPT_ADAMIRROR;
    expect(&o, mirror);
    o.kind = OPT_ADABOUND;
    o.lower = 0.5;
    o.upper = 0.8;
    expect(&o, bound);
}

static void test_sums(void **state)
{
    (void)state;
    double rms = start, mean_square = 1, momentum = 0, ada = start, sum = 0.1;
    double delta = start, square = 0, moves = 0, ftrl = start, n = 0.1, z = 0;
    for (int t = 0; t < STEPS; t++) {
        double d = gradients[t];
        mean_square = 0.8 * mean_square + 0.2 * d * d;
        momentum = 0.3 * momentum + 0.1 * d / sqrt(mean_square + 0.01);
        rms -= momentum;
        sum += d * d;
        ada -= 0.1 * d / sqrt(sum);
        square = 0.7 * square + 0.3 * d * d;
        double move = sqrt(moves + 0.01) / sqrt(square + 0.01) * d;
        moves = 0.7 * moves + 0.3 * move * move;
        delta -= 0.1 * move;
        z += d - (sqrt(n + d * d) - sqrt(n)) / 0.1 * ftrl;
        n += d * d;
        ftrl = fabs(z) <= 0.2 ? 0 : -(z - copysign(0.2, z)) / (sqrt(n) / 0.1 + 2 * 0.5);
    }
    expect(
        &(Optimiser){
            .kind = OPT_TF_RMSPROP, .rate = 0.1, .alpha = 0.8, .momentum = 0.3, .epsilon = 0.01},
        rms);
    expect(&(Optimiser){.kind = OPT_ADAGRAD, .rate = 0.1, .accumulator = 0.1}, ada);
    expect(&(Optimiser){.kind = OPT_ADADELTA, .rate = 0.1, .rho = 0.7, .epsilon = 0.01}, delta);
    expect(&(Optimiser){.kind = OPT_FTRL, .rate = 0.1, .accumulator = 0.1, .l1 = 0.2, .l2 = 0.5},
           ftrl);
}

static void test_wrappers(void **state)
{
    (void)state;
    Optimiser sgd = {.kind = OPT_SGD, .rate = 0.1}, slow = {.kind = OPT_SGD, .rate = 0.02};
    double wolf = start, z = start, elastic = start, anchor = start, fisher = 0.25;
    double negative = start, memory = 0, average = start;
    for (int t = 0; t < STEPS; t++) {
        double d = gradients[t], x = wolf - 0.1 * d, z_next = z - 0.02 * d;
        double share = fmin(1, fabs(z_next - z) / fabs(z_next - x));
        wolf = x + share * (z_next - x);
        z = z_next;
        double pulled = d + 2 * fisher * (elastic - anchor);
        fisher = 0.9 * fisher + 0.5 * d * d;
        anchor = elastic;
        elastic -= 0.1 * pulled;
        negative -= 0.1 * (d - 0.7 * memory);
        memory = 0.6 * d + (1 - 0.4) * memory;
        average = 0.9 * average + (1 - 0.9) * (average - 0.1 * d);
    }
    expect(&(Optimiser){.kind = OPT_GIGA_WOLF, .inner = &sgd, .second = &slow}, wolf);
    expect(&(Optimiser){.kind = OPT_ELASTIC,
                        .inner = &sgd,
                        .ewc_decay = 0.9,
                        .ewc_scale = 0.5,
                        .ewc_lambda = 2,
                        .ewc_constraint = 0.25,
                        .ewc_gradients = true},
           elastic);
    expect(&(Optimiser){.kind = OPT_NEGATIVE_MOMENTUM,
                        .inner = &sgd,
                        .keep = 0.7,
                        .new_share = 0.6,
                        .old_share = 0.4},
           negative);
    expect(&(Optimiser){.kind = OPT_EMA, .inner = &sgd, .keep = 0.9}, average);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adams),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_wrappers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
