/* test_steps.c -- the gradients of whole steps: every penalty with every loss in every kind of
 * network, noise, conditions and constraints.
 *
 * A step of SGD at rate 1 moves the parameters by the gradient of its loss; central differences of
 * the loss must give the same. With a gradient penalty that is a derivative of second order. */
#include "gagac.h"

#include "config.h"

#include "rng.h"

#include <math.h>

enum { MAX_NUMBERS = 4096 };
static const double difference_step = 1e-6, tolerance = 2e-7;

typedef struct Case {
    const char *name, *options;
} Case;

static const Case networks[] = {
    {"v1", "'model': 'v1', 'leaky_relu': true"},
    {"v1, layer norm", "'model': 'v1', 'layer_norm': true"},
    {"v2, layer norm", "'model': 'v2', 'layer_norm': true, 'leaky_relu': true"},
    {"v3", "'model': 'v3', 'activation': 'leaky_relu'"},
    {"v3, spectral norm", "'model': 'v3', 'activation': 'leaky_relu', 'spectral_norm': true"},
    {"v4, encoding",
     "'model': 'v4', 'activation': 'leaky_relu', 'positional_encoding': 'b 2',"
     "'positional_encoding_options': {'num_encoding_functions': 2, 'include_input': true}"},
};

static const char *const penalties[] = {"GP_L2_LS",    "GP_SquareHinge", "GP_0GP",
                                        "GP_L2_Hinge", "GP_L1_LS",       "GP_L1_Hinge",
                                        "GP_Linf_LS",  "GP_Linf_Hinge"};
static const char *const losses[] = {"wasserstein", "hinge", "non_saturating_bce"};

static const Case extras[] = {
    {"no penalty", "'penalty': 'no_penalty'"},
    {"clamp", "'penalty': 'clamp', 'clamp_lower': -1, 'clamp_upper': 1"},
    {"noise",
     "'penalty': 'GP_L2_LS', 'r_instance_noise_sigma': 0.7, 'f_instance_noise_sigma': 0.6"},
    {"conditions", "'penalty': 'GP_L2_LS', 'cond_keys': 'c d'"},
    {"conditions and noise",
     "'penalty': 'GP_Linf_LS', 'cond_keys': 'd', 'r_instance_noise_sigma': 0.5,"
     "'f_instance_noise_sigma': 0.5"},
    {"constraints", "'penalty': 'GP_L2_LS', 'constraints': {'a': [-0.4, 0.3], 'c': [-9, 0.1]}"},
    {"latents and labels", "'penalty': 'GP_L1_LS', 'z_rand_type': 'rand', 'label_smoothing': 0.3"},
};

/* ---------------------------------------------------------------- a step with all it reads */
typedef struct Trial {
    Graph *g;
    Step *step;
    Interpreter *interpreter;
    double *inputs[MAX_STEP_INPUTS];
    double *saved; /* the whole state */
    uint64_t drawn;
} Trial;

static double draw_uniform(Trial *t)
{
    uint32_t words[4] = {(uint32_t)t->drawn, (uint32_t)(t->drawn >> 32), 3, 3};
    const uint32_t key[2] = {2021, 5};
    philox4x32(words, key);
    t->drawn++;
    return words[0] * 0x1p-32;
}

static double draw_normal(Trial *t)
{
    double radius = sqrt(-2 * log(1 - draw_uniform(t)));
    return radius * cos(6.283185307179586 * draw_uniform(t));
}

static void save_state(Trial *t)
{
    double *to = t->saved;
    for (int k = 0; k < t->g->tensor_count; k++) {
        int64_t size = type_size(&t->g->tensors[k]->type);
        memcpy(to, interpreter_tensor(t->interpreter, t->g->tensors[k]), (size_t)size * sizeof *to);
        to += size;
        assert_true(to - t->saved <= MAX_NUMBERS);
    }
}

static void restore_state(Trial *t)
{
    const double *from = t->saved;
    for (int k = 0; k < t->g->tensor_count; k++) {
        int64_t size = type_size(&t->g->tensors[k]->type);
        memcpy(interpreter_tensor(t->interpreter, t->g->tensors[k]), from,
               (size_t)size * sizeof *from);
        from += size;
    }
}

static void fill_state(Trial *t)
{
    const Net *net = &t->g->model->generator;
    const Layer *last = &net->layers[net->layer_count - 1];
    for (int k = 0; k < t->g->tensor_count; k++) {
        const Tensor *tensor = t->g->tensors[k];
        const int *dims = tensor->type.dims;
        double size = tensor->type.rank < 2 ? 0.5 : (dims[0] == 1 ? 5 : 2.5) / sqrt(dims[1]);
        double *values = interpreter_tensor(t->interpreter, tensor);
        for (int64_t i = 0; i < type_size(&tensor->type); i++) {
            values[i] = (tensor->init == INIT_ONE) + size * (2 * draw_uniform(t) - 1);
            if (tensor->role == ROLE_BOUND)
                values[i] = strstr(tensor->name, "lower") ? last->lower[i] : last->upper[i];
        }
    }
}

static void run(Trial *t, Step *step, double *numbers)
{
    double scalars[MAX_STEP_SCALARS], *outputs[MAX_STEP_OUTPUTS];
    for (int k = 0; k < step->scalar_count; k++)
        scalars[k] = step->scalars[k].base;
    for (int k = 0; k < step->output_count; k++)
        outputs[k] = &numbers[k];
    interpreter_run(t->interpreter, step, t->inputs, scalars, outputs);
}

static double loss_of(Trial *t)
{
    double loss;
    Step alone = *t->step;
    alone.assign_count = 0;
    alone.output_count = 1;
    run(t, &alone, &loss);
    return loss;
}

/* Spectral norm takes its vectors u and v as constants: differences agree at the fixed point of the
 * power iteration, where sigma does not change to first order with them. */
static void settle_vectors(Trial *t)
{
    double numbers[MAX_STEP_OUTPUTS];
    for (int i = 0; i < 400; i++) {
        run(t, t->step, numbers);
        const double *from = t->saved;
        for (int k = 0; k < t->g->tensor_count; k++) {
            const Tensor *tensor = t->g->tensors[k];
            int64_t size = type_size(&tensor->type);
            if (tensor->role != ROLE_VECTOR)
                memcpy(interpreter_tensor(t->interpreter, tensor), from,
                       (size_t)size * sizeof *from);
            from += size;
        }
    }
    save_state(t);
}

static Trial start_trial(Graph *g, const char *step, int attempt)
{
    Trial t = {.g = g, .drawn = (uint64_t)attempt << 32};
    t.saved = arena_alloc(MAX_NUMBERS * sizeof(double));
    t.step = find_step(t.g, step);
    t.interpreter = interpreter_new(t.g);
    for (int k = 0; k < t.step->input_count; k++) {
        const Input *input = t.step->inputs[k];
        int64_t size = (int64_t)input->width * t.g->batch_size;
        t.inputs[k] = arena_alloc((size_t)size * sizeof(double));
        for (int64_t i = 0; i < size; i++)
            t.inputs[k][i] = input->kind == INPUT_UNIFORM ? draw_uniform(&t) : draw_normal(&t);
    }
    fill_state(&t);
    save_state(&t);
    settle_vectors(&t);
    return t;
}

/* ---------------------------------------------------------------- the comparison */
static void check_tensor(Trial *t, const Tensor *tensor, const double *gradient, const char *name)
{
    double *values = interpreter_tensor(t->interpreter, tensor), size = 1;
    int64_t count = type_size(&tensor->type);
    for (int64_t i = 0; i < count; i++)
        size = fmax(size, fabs(gradient[i]));
    for (int64_t i = 0; i < count; i++) {
        double middle = values[i];
        values[i] = middle + difference_step;
        double above = loss_of(t);
        values[i] = middle - difference_step;
        double below = loss_of(t);
        values[i] = middle;
        double expected = (above - below) / (2 * difference_step);
        double rounding = 1e-15 * fabs(above) / difference_step;
        if (!(fabs(gradient[i] - expected) <= tolerance * size + rounding))
            fail_msg("%s: the gradient of %s is %.10g at %lld, differences give %.10g", name,
                     tensor->name, gradient[i], (long long)i, expected);
    }
}

/* Does the step have a penalty that is zero, as no row is beyond the hinge? */
static bool is_idle(const Step *step, const double *numbers)
{
    for (int k = 0; k < step->output_count; k++)
        if (strcmp(step->output_names[k], "penalty") == 0)
            return numbers[k] < 1e-3;
    return false;
}

static void check_step(const char *config, const char *step, const char *name)
{
    Graph *g = steps_of(config);
    Trial t;
    double numbers[MAX_STEP_OUTPUTS], *gradients = arena_alloc(MAX_NUMBERS * sizeof(double));
    for (int attempt = 0; attempt == 0 || is_idle(t.step, numbers); attempt++) {
        assert_true(attempt < 20); /* else nothing is tested */
        t = start_trial(g, step, attempt);
        run(&t, t.step, numbers);
    }
    int checked = 0;
    int64_t at = 0;
    for (int k = 0; k < t.g->tensor_count; k++) {
        const double *after = interpreter_tensor(t.interpreter, t.g->tensors[k]);
        for (int64_t i = 0; i < type_size(&t.g->tensors[k]->type); i++, at++)
            gradients[at] = t.saved[at] - after[i];
    }
    restore_state(&t);
    at = 0;
    for (int k = 0; k < t.g->tensor_count; k++) {
        const Tensor *tensor = t.g->tensors[k];
        bool of_d = tensor->name[0] == 'D', d_step = step[0] == 'd';
        if (tensor->role == ROLE_PARAMETER && of_d == d_step) {
            check_tensor(&t, tensor, gradients + at, name);
            checked++;
        }
        at += type_size(&tensor->type);
    }
    assert_true(checked >= 6);
}

static const char *config_of(const char *network, const char *loss, const char *extra)
{
    return arena_printf("%s, 'loss': '%s', %s, 'penalty_weight': 3, 'keys': 'a b c d', 'z_dim': 3,"
                        "'d_dim': 5, 'g_dim': 4, 'd_layers': 2, 'g_layers': 1, 'batch_size': 12,"
                        "'optimiser': 'SGD', 'd_learning_rate': 1, 'g_learning_rate': 1,"
                        "'d_nb_update': 1, 'g_nb_update': 1, 'iterations': 1, 'shuffle': true,"
                        "'gpu_mode': 'cpu', 'ema_decay': 0",
                        network, loss, extra);
}

/* All penalties and losses in one kind of network. */
static void test_network(void **state)
{
    const Case *network = *state;
    for (size_t l = 0; l < sizeof losses / sizeof losses[0]; l++) {
        for (size_t p = 0; p < sizeof penalties / sizeof penalties[0]; p++) {
            const char *extra = arena_printf("'penalty': '%s'", penalties[p]);
            const char *config = config_of(network->options, losses[l], extra);
            check_step(config, "d_step",
                       arena_printf("%s, %s, %s", network->name, losses[l], penalties[p]));
        }
        check_step(config_of(network->options, losses[l], "'penalty': 'no_penalty'"), "g_step",
                   arena_printf("%s, %s, G", network->name, losses[l]));
    }
}

static void test_extra(void **state)
{
    const Case *extra = *state;
    for (size_t n = 0; n < sizeof networks / sizeof networks[0]; n++)
        for (size_t l = 0; l < sizeof losses / sizeof losses[0]; l++) {
            const char *config = config_of(networks[n].options, losses[l], extra->options);
            const char *name = arena_printf("%s, %s, %s", networks[n].name, losses[l], extra->name);
            check_step(config, "d_step", name);
            check_step(config, "g_step", name);
        }
}

enum {
    NETWORK_COUNT = sizeof networks / sizeof networks[0],
    EXTRA_COUNT = sizeof extras / sizeof extras[0]
};

int main(void)
{
    struct CMUnitTest tests[NETWORK_COUNT + EXTRA_COUNT];
    for (int k = 0; k < NETWORK_COUNT + EXTRA_COUNT; k++) {
        bool network = k < NETWORK_COUNT;
        const Case *c = network ? &networks[k] : &extras[k - NETWORK_COUNT];
        tests[k] = (struct CMUnitTest){.name = c->name,
                                       .test_func = network ? test_network : test_extra,
                                       .initial_state = (void *)(uintptr_t)c};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
