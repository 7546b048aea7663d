/* random_case.c -- a random valid config with everything that its steps read.
 *
 *     random_case SEED NAME
 *
 * writes NAME.json and NAME.in.safetensors (parameters, rows and draws of one to three iterations,
 * docs/gaga.md), the same for the same seed. Sizes are small and odd; options are combined freely,
 * in the spellings of all releases. */
#include "random_inputs.h"

#include <stdarg.h>

static bool chance(double probability) { return uniform() < probability; }

/* ---------------------------------------------------------------- the config */
static char *config;

static void set(const char *key, const char *format, ...) PRINTF_LIKE(2, 3);

static void set(const char *key, const char *format, ...)
{
    char value[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    config = arena_printf("%s%s\n  \"%s\": %s", config, config[1] ? "," : "", key, value);
}

static void choose_sizes(int version)
{
    static const int batches[] = {1,  2,  3,  15, 16, 17, 31,  33,  47,
                                  48, 49, 64, 79, 96, 97, 250, 777, 2000};
    int batch = PICK(batches);
    int widest = batch <= 250 && chance(0.15) ? 130 : 40; /* the interpreter is slow */
    int least = 1;
    bool parts = seed % 6 == 5; /* layers whose sums run in parts */
    if (parts) {
        batch = between(33, 48);
        least = 140, widest = 210;
    }
    set("batch_size", "%d", batch);
    set("d_dim", "%d", between(least, widest));
    set("g_dim", "\"%d\"", between(least, widest));
    set("d_layers", "%d", between(0, 3));
    set("g_layers", "%d", between(version == 1, 3));
    set("z_dim", "%d", between(1, 12));
    set("d_nb_update", "%d", between(1, 3));
    set("g_nb_update", "%d", between(1, 2));
    set("epoch", "%d", parts ? 1 : between(1, 3));
}

/* Columns k0 k1 ..., the last of them conditions; some encoded, one to three together. */
static void choose_columns(int version)
{
    int columns = between(1, 9), conditions = chance(0.4) ? between(0, columns - 1) : 0;
    const char *keys = "", *condition_keys = "", *encoding = "";
    for (int i = 0, free_from = 0; i < columns; i++) {
        int width = between(1, columns - i < 3 ? columns - i : 3);
        keys = arena_printf("%s%sk%d", keys, keys[0] ? " " : "", i);
        if (i >= columns - conditions)
            condition_keys =
                arena_printf("%s%sk%d", condition_keys, condition_keys[0] ? " " : "", i);
        if (version < 4 || i < free_from || chance(0.5))
            continue;
        encoding = arena_printf("%s%sk%d %d", encoding, encoding[0] ? " " : "", i, width);
        free_from = i + width;
    }
    set("keys", "\"%s\"", keys);
    if (conditions > 0)
        set("cond_keys", "\"%s\"", condition_keys);
    if (encoding[0] == '\0')
        return;
    set("positional_encoding", "\"%s\"", encoding);
    set("positional_encoding_options",
        "{\"num_encoding_functions\": %d, \"include_input\": %s, \"log_sampling\": %s}",
        between(1, 4), chance(0.5) ? "true" : "false", chance(0.5) ? "true" : "false");
}

static void choose_objective(int version)
{
    static const char *const losses[] = {"wasserstein", "wasserstein", "hinge",
                                         "non-saturating-bce", "non_saturating_bce"};
    static const char *const penalties[] = {"GP_L2_LS",
                                            "GP_SquareHinge",
                                            "GP_0GP",
                                            "GP_L2_Hinge",
                                            "GP_L1_LS",
                                            "GP_L1_Hinge",
                                            "GP_Linf_LS",
                                            "GP_Linf_Hinge",
                                            "zero_penalty",
                                            "no_penalty",
                                            "clamp_penalty",
                                            "clamp",
                                            "gradient_penalty",
                                            "gradient_penalty_max",
                                            "gradient_penalty_centered"};
    set(version == 1 ? "loss_type" : "loss", "\"%s\"", PICK(losses));
    set(version == 1 ? "penalty_type" : "penalty", "\"%s\"", PICK(penalties));
    set(chance(0.2) ? "gp_weight" : "penalty_weight", "%g", 0.1 * between(1, 60));
    set("clamp_lower", "%g", -0.05 * between(1, 6));
    set("clamp_upper", "%g", 0.05 * between(1, 6));
    set("label_smoothing", "%g", chance(0.5) ? 0.1 * between(1, 5) : 0);
    set("z_rand_type", "\"%s\"", chance(0.5) ? "rand" : "randn");
    set("compat", "%s", chance(0.2) ? "true" : "false");
    set("ema_decay", "%g", chance(0.5) ? 0.99 : 0);
}

static void choose_network(int version)
{
    static const char *const activations[] = {"relu", "leaky_relu", "my_leaky_relu"};
    set("model", "\"v%d\"", version);
    if (version <= 2 && chance(0.5))
        set("layer_norm", "%s", chance(0.7) ? "true" : "false");
    if (version >= 3 && chance(0.4))
        set("spectral_norm", "true");
    if (version == 1 && chance(0.5))
        set("leaky_relu", "true");
    else
        set("activation", "\"%s\"", PICK(activations));
    if (chance(0.25))
        set("constraints", "{\"k0\": [-0.3, 0.4]}");
}

/* Small rates for the optimisers that divide by the gradient's size: a gradient of pure rounding
 * noise moves a parameter by a rate. */
static void choose_optimiser(void)
{
    static const char *const names[] = {"SGD", "RMSprop", "adam"};
    const char *name = PICK(names);
    double rate = strcmp(name, "SGD") == 0 ? 0.02 : 1e-4;
    set("optimiser", "\"%s\"", name);
    set("d_learning_rate", "%g", rate);
    set("g_learning_rate", "\"%g\"", rate / 2);
    set("beta_1", "\"%g\"", 0.1 * between(0, 9));
    set("beta_2", "%g", chance(0.5) ? 0.9 : 0.999);
    set("d_weight_decay", "%g", 0.01 * between(0, 2));
    set("g_weight_decay", "\"%g\"", 0.01 * between(0, 2));
    set("RMSprop_d_momentum", "%g", chance(0.5) ? 0.3 : 0);
    set("RMSProp_g_momentum", "%g", chance(0.5) ? 0.6 : 0);
    set("RMSProp_d_alpha", "%g", chance(0.5) ? 0.9 : 0.99);
    set("RMSProp_d_centered", "%s", chance(0.5) ? "true" : "false");
    set("RMSProp_g_weight_decay", "%g", 0.01 * between(0, 2));
    if (chance(0.4)) {
        set("schedule_learning_rate_step", "%d", between(1, 2));
        set("schedule_learning_rate_gamma", "0.5");
    }
}

/* Fresh noise needs a standard deviation, so two rows. */
static void choose_noise(bool possible)
{
    set("r_instance_noise_sigma", "%g", possible && chance(0.4) ? 0.1 * between(1, 10) : -1);
    set("f_instance_noise_sigma", "%g", possible && chance(0.4) ? 0.1 * between(1, 10) : -1);
}

static const char *choose_config(void)
{
    int version = between(1, 4);
    config = arena_copy("{", 1);
    choose_sizes(version);
    choose_noise(strstr(config, "\"batch_size\": 1,") == NULL);
    choose_columns(version);
    choose_network(version);
    choose_objective(version);
    choose_optimiser();
    return arena_printf("%s\n}\n", config);
}

/* ---------------------------------------------------------------- parameters, rows and draws */
/* Weights that keep values near 1 through the layers; biases away from 0. */
static double terms_of(const Type *type) { return type->rank == 2 ? type->dims[1] : 0; }

static void collect_input(Collection *all, const Model *model, const Graph *g, const Step *step,
                          const Input *input)
{
    (void)g;
    bool with_d = strcmp(step->name, "d_step") == 0 || input->last_data || input->first_only;
    int64_t updates = model->iterations * (with_d ? model->d_updates : model->g_updates);
    StoredTensor stored = {.name = input->name,
                           .rank = input->flat ? 2 : 3,
                           .dims = {(uint64_t)updates, (uint64_t)model->batch_size,
                                    (uint64_t)input->width}};
    double *values = collect(all, stored);
    for (uint64_t i = 0; values != NULL && i < stored_count(&stored); i++)
        values[i] = input->kind == INPUT_UNIFORM ? uniform() : normal();
}

int main(int argc, char **argv)
{
    if (argc != 3)
        fail(EXIT_USAGE, NULL, "random_case SEED NAME");
    seed = strtoull(argv[1], NULL, 10);
    const char *path = arena_printf("%s.json", argv[2]), *text = choose_config();
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        fail(EXIT_IO, NULL, "cannot write %s", path);
    Source source = {path, text, strlen(text)};
    Model *model = read_gaga(json_parse(&source), NULL, 0);
    model_check(model);
    write_inputs(model, arena_printf("%s.in.safetensors", argv[2]), terms_of, collect_input);
    return EXIT_OK;
}
