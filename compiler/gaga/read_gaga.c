/* read_gaga.c -- what a GAGA config means: settings (gaga_keys.h) to a Model. The dialect's
 * reference is docs/gaga.md.
 *
 * Networks of all releases are one scheme with three differences (v1: the last hidden layer of G is
 * a logistic sigmoid and D ends with one for BCE; v1, v2: LayerNorm; v4: positional encoding), so
 * each net is built by one function.              */
#include "gaga_keys.h"

#include <math.h>
#include <string.h>

typedef struct Reader {
    const Settings *settings;
    Model *model;
    int version; /* of the networks: 1, 2, 3, 4 */
    Activation activation;
    double slope;        /* of the hidden activations */
    EncodeBlock *blocks; /* the columns of a row, cut for the positional encoding */
    int block_count;
} Reader;

#define CHOOSE(setting, choices) \
    settings_choose(setting, choices, sizeof(choices) / sizeof((choices)[0]))

static const Setting *get(const Reader *r, OptionId id) { return &r->settings->of[id]; }

static int integer(const Reader *r, OptionId id)
{
    return (int)get(r, id)->number; /* the table's range fits an int */
}

/* ---------------------------------------------------------------- which networks */

/* Without the key `model`, a spelling that only the releases of 2019 and 2020 knew means their
 * networks. */
static void read_version(Reader *r)
{
    static const Choice choices[] = {{"v1", 1}, {"v2", 2}, {"v3", 3}, {"v4", 4}};
    const Setting *model = get(r, OPTION_model);
    const Json *old = r->settings->first_of_era[ERA_2019],
               *new = r->settings->first_of_era[ERA_2021];
    if (model->given) {
        r->version = CHOOSE(model, choices);
        return;
    }
    r->version = old != NULL ? 1 : 3;
    if (old != NULL && new != NULL) {
        note_at(old->key_span,
                "`%s` is of %s, so the networks are those of model v1; \"model\" chooses others",
                old->key, era_name(ERA_2019));
    }
}

static void read_activation(Reader *r)
{
    static const Choice choices[] = {{"relu", 0}, {"leaky_relu", 1}, {"my_leaky_relu", 1}};
    const Setting *activation = get(r, OPTION_activation), *leaky = get(r, OPTION_leaky_relu);
    if (activation->given && leaky->given) {
        fail_at(leaky->key_span, "keep one of them",
                "`leaky_relu` and `activation` both name the activation");
    }
    if (leaky->given && leaky->json->kind == JSON_BOOL && !leaky->json->boolean) {
        warn_at(leaky->span, "take the key out for relu",
                "`leaky_relu` is on wherever it is given, as in the original");
    }
    r->activation = ACT_LEAKY;
    r->slope = leaky->given || CHOOSE(activation, choices) == 1 ? 0.01 : 0;
}

static void check_switch(const Reader *r, OptionId id, bool allowed, const char *models)
{
    const Setting *setting = get(r, id);
    if (setting->on && !allowed) {
        fail_at(setting->span, arena_printf("choose the networks with \"model\""),
                "`%s` belongs to the models %s; these networks are v%d", setting->name, models,
                r->version);
    }
}

static void read_networks(Reader *r)
{
    read_version(r);
    read_activation(r);
    check_switch(r, OPTION_layer_norm, r->version <= 2, "v1 and v2");
    check_switch(r, OPTION_spectral_norm, r->version >= 3, "v3 and v4");
    const Setting *encoding = get(r, OPTION_positional_encoding), *layers = get(r, OPTION_g_layers);
    if (encoding->word_count > 0 && r->version != 4) {
        fail_at(encoding->span, "add \"model\": \"v4\"",
                "`positional_encoding` belongs to the model v4");
    }
    if (r->version == 1 && layers->number < 1) {
        fail_at(layers->span, NULL, "the generator of model v1 needs `g_layers` of at least 1");
    }
    r->model->z_dim = integer(r, OPTION_z_dim);
}

/* ---------------------------------------------------------------- columns */

static int find_word(const Setting *setting, const char *text)
{
    for (int i = 0; i < setting->word_count; i++) {
        if (strcmp(setting->words[i].text, text) == 0) {
            return i;
        }
    }
    return -1;
}

static const char *nearest_column(const Setting *keys, const char *name)
{
    const char **names = arena_alloc((size_t)keys->word_count * sizeof *names);
    for (int i = 0; i < keys->word_count; i++) {
        names[i] = keys->words[i].text;
    }
    const char *near = nearest_word(name, names, (size_t)keys->word_count);
    return near != NULL ? arena_printf("did you mean `%s`?", printable(near)) : NULL;
}

/* Index of a column that another option names. */
static int find_column(const Setting *keys, const Word *word, const char *option)
{
    int column = find_word(keys, word->text);
    if (column < 0) {
        fail_at(word->span, nearest_column(keys, word->text),
                "`%s` in `%s` is not a column of `keys`", printable(word->text), option);
    }
    return column;
}

/* The line of keys that would put the conditions last. */
static const char *ordered_keys(const Setting *keys, const Setting *conditions)
{
    const char *line = "";
    if (keys->word_count > 64) {
        return NULL; /* too long to read */
    }
    for (int i = 0; i < keys->word_count; i++) {
        if (find_word(conditions, keys->words[i].text) < 0) {
            line = arena_printf("%s%s ", line, keys->words[i].text);
        }
    }
    for (int i = 0; i < conditions->word_count; i++) {
        line = arena_printf("%s%s%s", line, i > 0 ? " " : "", conditions->words[i].text);
    }
    return arena_printf("write \"keys\": \"%s\"", printable(line));
}

static void check_distinct(const Setting *setting)
{
    for (int i = 0; i < setting->word_count; i++) {
        const Word *word = &setting->words[i];
        if (find_word(setting, word->text) < i) {
            fail_at(word->span, NULL, "`%s` stands twice in `%s`", printable(word->text),
                    setting->name);
        }
    }
}

static void read_conditions(Reader *r, const Setting *keys)
{
    const Setting *conditions = get(r, OPTION_cond_keys);
    check_distinct(conditions);
    int first = keys->word_count - conditions->word_count;
    for (int i = 0; i < conditions->word_count; i++) {
        find_column(keys, &conditions->words[i], conditions->name);
    }
    if (first < 1) {
        fail_at(conditions->span, NULL, "every column is a condition: nothing is left to generate");
    }
    for (int i = 0; i < conditions->word_count; i++) {
        if (strcmp(keys->words[first + i].text, conditions->words[i].text) != 0) {
            fail_at(conditions->span, ordered_keys(keys, conditions),
                    "`cond_keys` must be the last columns of `keys`, in the same order");
        }
    }
    r->model->cond_dim = conditions->word_count;
}

static void read_columns(Reader *r)
{
    Model *model = r->model;
    const Setting *keys = get(r, OPTION_keys);
    if (!keys->given || keys->word_count == 0) {
        Span root = r->settings->root->span;
        fail_at(keys->given ? keys->span : (Span){root.source, root.begin, root.begin + 1},
                "for example \"keys\": \"Ekine X Y dX dY dZ\"",
                "`keys` must name the columns of the data");
    }
    check_distinct(keys);
    model->x_dim = keys->word_count;
    model->keys = arena_alloc((size_t)model->x_dim * sizeof *model->keys);
    for (int i = 0; i < model->x_dim; i++) {
        model->keys[i] = keys->words[i].text;
    }
    read_conditions(r, keys);
}

/* ---------------------------------------------------------------- positional encoding */

/* One "name number" pair: the columns from name on are encoded together. Marks them in widths. */
static void mark_block(const Reader *r, const Setting *items, int i, int *widths)
{
    const Setting *keys = get(r, OPTION_keys);
    const Word *name = &items->words[i], *count = name + 1;
    int column = find_column(keys, name, items->name);
    const char *digits = i + 1 < items->word_count ? count->text : "";
    size_t length = strspn(digits, "0123456789");
    int width = 0;
    for (size_t k = 0; k < length && length <= 4 && digits[length] == '\0'; k++) {
        width = width * 10 + (digits[k] - '0');
    }
    if (width < 1) {
        fail_at(digits[0] != '\0' ? count->span : name->span,
                "write pairs as in \"x 2\": x and the column after it",
                "`%s` in `%s` needs the number of its columns", printable(name->text), items->name);
    }
    for (int k = column; k < column + width; k++) {
        if (k >= keys->word_count) {
            fail_at(count->span, NULL, "the block of `%s` goes beyond the last column",
                    printable(name->text));
        }
        if (widths[k] != 0) {
            fail_at(name->span, NULL, "the column `%s` is encoded twice",
                    printable(keys->words[k].text));
        }
        widths[k] = k == column ? width : -1;
    }
}

static void read_encoding(Reader *r)
{
    const Setting *items = get(r, OPTION_positional_encoding);
    int columns = r->model->x_dim;
    /* at a block's first column; -1 inside a block */
    int *widths = arena_alloc((size_t)columns * sizeof *widths);
    for (int i = 0; i < items->word_count; i += 2) {
        mark_block(r, items, i, widths);
    }
    const Setting *functions = get(r, OPTION_num_encoding_functions);
    if (functions->number < 1 && !get(r, OPTION_include_input)->on) {
        fail_at(functions->span, NULL,
                "an encoding without functions and without its input is empty");
    }
    r->blocks = arena_alloc((size_t)columns * sizeof *r->blocks);
    for (int i = 0; i < columns; i++) {
        if (widths[i] >= 0) {
            int width = widths[i] > 0 ? widths[i] : 1;
            r->blocks[r->block_count++] = (EncodeBlock){i, width, widths[i] > 0};
        }
    }
}

/* f_k = 2^k, or equally spaced from 1 to 2^(count - 1). */
static double *encoding_frequencies(int count, bool logarithmic)
{
    double *frequencies = arena_alloc((size_t)count * sizeof *frequencies);
    for (int k = 0; k < count; k++) {
        double step = count > 1 ? (ldexp(1, count - 1) - 1) / (count - 1) : 0;
        frequencies[k] = logarithmic ? ldexp(1, k) : 1 + k * step;
    }
    return frequencies;
}

/* ---------------------------------------------------------------- networks */

typedef struct Builder { /* a net that grows layer by layer */
    Net *net;
    int linears;
} Builder;

static Builder start_net(Net *net, const char *name, const char *tag, int hidden_layers)
{
    net->name = name;
    net->tag = tag;
    net->layers = arena_alloc(((size_t)hidden_layers + 3) * 3 * sizeof *net->layers);
    return (Builder){.net = net};
}

static Layer *add_layer(Builder *b, LayerKind kind, const char *name, Span span)
{
    Layer *layer = &b->net->layers[b->net->layer_count++];
    layer->kind = kind;
    layer->name = name;
    layer->span = span;
    return layer;
}

static Layer *add_linear(Builder *b, int size, Initialiser init, Span span)
{
    Layer *layer = add_layer(b, LAYER_LINEAR, arena_printf("fc%d", b->linears++), span);
    layer->size = size;
    layer->weight_init = init;
    return layer;
}

static void add_activation(Builder *b, Activation activation, double slope, Span span)
{
    Layer *layer = add_layer(b, LAYER_ACTIVATION, arena_printf("act%d", b->linears - 1), span);
    layer->activation = activation;
    layer->slope = slope;
}

/* Neighbours that stay as they are become one block. */
static void add_block(Layer *layer, int width, bool encoded)
{
    EncodeBlock *last = layer->block_count > 0 ? &layer->blocks[layer->block_count - 1] : NULL;
    if (last != NULL && !last->encoded && !encoded) {
        last->width += width;
        return;
    }
    int first = last != NULL ? last->first + last->width : 0;
    layer->blocks[layer->block_count++] = (EncodeBlock){first, width, encoded};
}

/* Encodes the columns from first on, which follow `latents` inputs that stay as they are. A block
 * that begins before first is not encoded: its name is not among the columns. */
static void add_encoding(const Reader *r, Builder *b, int first, int latents)
{
    bool any = false;
    for (int i = 0; i < r->block_count; i++) {
        any = any || (r->blocks[i].first >= first && r->blocks[i].encoded);
    }
    if (!any) {
        return;
    }
    Layer *layer = add_layer(b, LAYER_ENCODE, "encode", get(r, OPTION_positional_encoding)->span);
    layer->blocks = arena_alloc(((size_t)r->block_count + 1) * sizeof *layer->blocks);
    layer->frequency_count = integer(r, OPTION_num_encoding_functions);
    layer->frequencies =
        encoding_frequencies(layer->frequency_count, get(r, OPTION_log_sampling)->on);
    layer->include_input = get(r, OPTION_include_input)->on;
    if (latents > 0) {
        add_block(layer, latents, false);
    }
    for (int i = 0; i < r->block_count; i++) {
        const EncodeBlock *block = &r->blocks[i];
        int begin = block->first > first ? block->first : first;
        int width = block->first + block->width - begin;
        if (width > 0) {
            add_block(layer, width, block->encoded && block->first >= first);
        }
    }
}

static void build_discriminator(const Reader *r)
{
    const Setting *size = get(r, OPTION_d_dim), *norm = get(r, OPTION_layer_norm);
    int layers = integer(r, OPTION_d_layers);
    Net *net = &r->model->discriminator;
    Builder b = start_net(net, "discriminator", "D", layers);
    net->inputs = r->model->x_dim;
    net->outputs = 1;
    add_encoding(r, &b, 0, 0);
    for (int i = 0; i <= layers; i++) {
        Layer *linear = add_linear(&b, (int)size->number, INIT_UNIFORM_FAN_IN, size->span);
        linear->spectral = get(r, OPTION_spectral_norm)->on;
        if (norm->on && (i > 0 || r->version == 2)) { /* v1: none after the first linear */
            add_layer(&b, LAYER_LAYER_NORM, arena_printf("norm%d", i), norm->span);
        }
        add_activation(&b, r->activation, r->slope, get(r, OPTION_activation)->span);
    }
    add_linear(&b, 1, INIT_UNIFORM_FAN_IN, size->span);
    if (r->model->loss == LOSS_BCE && !r->model->loss_on_logit) {
        add_activation(&b, ACT_SIGMOID, 0, get(r, OPTION_loss)->span);
    }
}

static void read_constraint(const Reader *r, const Json *item, Layer *clamp)
{
    const Setting *keys = get(r, OPTION_keys);
    int column = find_word(keys, item->key);
    const Json *low = item->child, *high = low != NULL ? low->next : NULL;
    if (item->kind != JSON_ARRAY || high == NULL || high->next != NULL) {
        fail_at(item->span, "for example \"X\": [-200, 200]",
                "a constraint is a list of two numbers");
    }
    double lower = settings_number(low, "a bound"), upper = settings_number(high, "a bound");
    if (lower > upper) {
        fail_at(item->span, NULL, "the lower bound is above the upper one");
    }
    if (column < 0) {
        warn_at(item->key_span, nearest_column(keys, item->key),
                "`%s` is not a column of `keys`: no effect", printable(item->key));
    } else if (column >= r->model->generator.outputs) {
        warn_at(item->key_span, NULL, "`%s` is a condition, it is not generated: no effect",
                printable(item->key));
    } else {
        clamp->lower[column] = lower;
        clamp->upper[column] = upper;
    }
}

static void add_constraints(const Reader *r, Builder *b)
{
    const Setting *constraints = get(r, OPTION_constraints);
    if (!constraints->given) {
        return;
    }
    int columns = b->net->outputs;
    Layer *clamp = add_layer(b, LAYER_CLAMP, "clamp", constraints->span);
    clamp->lower = arena_alloc((size_t)columns * sizeof *clamp->lower);
    clamp->upper = arena_alloc((size_t)columns * sizeof *clamp->upper);
    for (int i = 0; i < columns; i++) {
        clamp->lower[i] = -9999;
        clamp->upper[i] = 9999;
    }
    for (const Json *item = constraints->json->child; item != NULL; item = item->next) {
        if (item->key[0] != '#') {
            read_constraint(r, item, clamp);
        }
    }
}

static void build_generator(const Reader *r)
{
    Model *model = r->model;
    const Setting *size = get(r, OPTION_g_dim);
    int layers = integer(r, OPTION_g_layers);
    Net *net = &model->generator;
    Builder b = start_net(net, "generator", "G", layers);
    net->inputs = model->z_dim + model->cond_dim;
    net->outputs = model->x_dim - model->cond_dim;
    add_encoding(r, &b, net->outputs, model->z_dim);
    for (int i = 0; i <= layers; i++) {
        bool sigmoid = r->version == 1 && i == layers; /* the last hidden layer of v1 */
        add_linear(&b, (int)size->number, INIT_KAIMING_NORMAL, size->span);
        add_activation(&b, sigmoid ? ACT_SIGMOID : r->activation, sigmoid ? 0 : r->slope,
                       get(r, OPTION_activation)->span);
    }
    add_linear(&b, net->outputs, INIT_KAIMING_NORMAL, get(r, OPTION_keys)->span);
    add_constraints(r, &b);
}

/* ---------------------------------------------------------------- loss, penalty, noise */

static void read_loss(Reader *r)
{
    static const Choice choices[] = {
        {"wasserstein", LOSS_WASSERSTEIN}, {"hinge", LOSS_HINGE},
        {"non-saturating-bce", LOSS_BCE},  {"non_saturating_bce", LOSS_BCE},
        {"non-saturating", LOSS_BCE},
    };
    Model *model = r->model;
    const Setting *loss = get(r, OPTION_loss), *smoothing = get(r, OPTION_label_smoothing);
    if (strcmp(loss->text, "relativistic") == 0) {
        fail_at(loss->span, NULL,
                "the loss `relativistic` was a trial of the releases of 2020 only");
    }
    model->loss = (LossKind)CHOOSE(loss, choices);
    model->loss_on_logit = model->loss == LOSS_BCE && r->version != 1;
    if (smoothing->number > 0 && model->loss != LOSS_BCE) {
        note_at(smoothing->key_span,
                "`label_smoothing` acts with the loss non-saturating-bce only");
        return;
    }
    model->label_smoothing = smoothing->number;
    model->labels_drawn_once = model->compat;
}

static void read_clamp(Reader *r, const Setting *penalty)
{
    const Setting *lower = get(r, OPTION_clamp_lower), *upper = get(r, OPTION_clamp_upper);
    r->model->clamp_lower = lower->number;
    r->model->clamp_upper = upper->number;
    if (lower->number > upper->number) {
        fail_at(lower->given ? lower->span : upper->span, NULL,
                "`clamp_lower` is above `clamp_upper`");
    }
    if (penalty->given && !(lower->given && upper->given)) {
        note_at(penalty->span, "weights of the discriminator are clamped to %g ... %g",
                lower->number, upper->number);
    }
}

static void read_penalty(Reader *r)
{
    /* value: norm and shape of a gradient penalty in one number */
#define GRADIENT(norm, shape) ((NORM_##norm) * 16 + (PHI_##shape))
    enum { NONE = -1, CLAMP = -2 };
    static const Choice choices[] = {
        {"GP_L2_LS", GRADIENT(L2, LS)},
        {"gradient_penalty", GRADIENT(L2, LS)},
        {"GP_SquareHinge", GRADIENT(L2, SQUARE_HINGE)},
        {"gradient_penalty_max", GRADIENT(L2, SQUARE_HINGE)},
        {"GP_0GP", GRADIENT(L2, ZERO_CENTRED)},
        {"gradient_penalty_centered", GRADIENT(L2, ZERO_CENTRED)},
        {"GP_L2_Hinge", GRADIENT(L2, HINGE)},
        {"GP_L1_LS", GRADIENT(L1, LS)},
        {"GP_L1_Hinge", GRADIENT(L1, HINGE)},
        {"gradient_penalty_linf_hinge", GRADIENT(L1, HINGE)}, /* its code computed an L1 norm */
        {"gradient_penalty_linf_hinge_abs", GRADIENT(L1, HINGE)},
        {"GP_Linf_LS", GRADIENT(LINF, LS)},
        {"GP_Linf_Hinge", GRADIENT(LINF, HINGE)},
        {"no_penalty", NONE},
        {"zero_penalty", NONE},
        {"clamp", CLAMP},
        {"clamp_penalty", CLAMP},
    };
#undef GRADIENT
    Model *model = r->model;
    const Setting *penalty = get(r, OPTION_penalty), *weight = get(r, OPTION_penalty_weight);
    int form = CHOOSE(penalty, choices);
    model->penalty = form == NONE ? PENALTY_NONE : form == CLAMP ? PENALTY_CLAMP : PENALTY_GRADIENT;
    if (form == CLAMP) {
        read_clamp(r, penalty);
    }
    if (form >= 0) {
        model->penalty_norm = (NormKind)(form / 16);
        model->penalty_shape = (PenaltyShape)(form % 16);
        model->penalty_weight = weight->number;
        if (weight->number <= 0) {
            warn_at(weight->given ? weight->span : penalty->span,
                    "for example \"penalty_weight\": 10",
                    "`penalty_weight` is 0, so the penalty has no effect");
        }
    }
}

/* The original multiplied by sigma twice. */
static double noise_sigma(const Reader *r, OptionId id)
{
    double sigma = get(r, id)->number;
    return sigma <= 0 ? 0 : r->model->compat ? sigma * sigma : sigma;
}

static void read_latent(Reader *r)
{
    static const Choice choices[] = {{"randn", 0}, {"normal", 0}, {"rand", 1}, {"uniform", 1}};
    const Setting *kind = get(r, OPTION_z_rand_type);
    Model *model = r->model;
    model->z_uniform = CHOOSE(kind, choices) == 1;
    bool ignored = strcmp(kind->name, "z_rand_type") == 0 && strcmp(kind->text, "uniform") == 0;
    if (model->compat && ignored) {
        note_at(kind->span,
                "as in the original, \"uniform\" means normal here; \"rand\" is uniform");
        model->z_uniform = false;
    }
    model->sample_z_uniform = model->z_uniform && !(model->compat && model->cond_dim > 0);
}

static void read_objective(Reader *r)
{
    r->model->compat = get(r, OPTION_compat)->on;
    read_loss(r);
    read_penalty(r);
    r->model->noise_real = noise_sigma(r, OPTION_r_instance_noise_sigma);
    r->model->noise_fake = noise_sigma(r, OPTION_f_instance_noise_sigma);
    read_latent(r);
}

/* ---------------------------------------------------------------- optimisers, training loop */

typedef struct OptimiserKeys { /* where one net's optimiser options stand */
    OptionId rate, weight_decay, rms_weight_decay, momentum, alpha, centered;
} OptimiserKeys;

static Optimiser read_optimiser(const Reader *r, const OptimiserKeys *keys)
{
    static const Choice choices[] = {
        {"adam", OPT_ADAM}, {"RMSprop", OPT_RMSPROP}, {"SGD", OPT_SGD}};
    const Setting *kind = get(r, OPTION_optimiser), *decay = get(r, keys->weight_decay);
    Optimiser optimiser = {
        .kind = (OptimiserKind)CHOOSE(kind, choices),
        .rate = get(r, keys->rate)->number,
        .epsilon = 1e-8,
        .span = kind->span,
    };
    if (optimiser.kind == OPT_ADAM) {
        optimiser.beta1 = get(r, OPTION_beta_1)->number;
        optimiser.beta2 = get(r, OPTION_beta_2)->number;
        optimiser.weight_decay = decay->number;
    } else if (decay->number > 0) {
        note_at(decay->key_span, "`%s` acts with adam only", decay->name);
    }
    if (optimiser.kind == OPT_RMSPROP) {
        optimiser.alpha = get(r, keys->alpha)->number;
        optimiser.momentum = get(r, keys->momentum)->number;
        optimiser.centered = get(r, keys->centered)->on;
        optimiser.weight_decay = get(r, keys->rms_weight_decay)->number;
    }
    return optimiser;
}

static void read_schedule(Reader *r)
{
    const Setting *step = get(r, OPTION_schedule_learning_rate_step);
    const Setting *gamma = get(r, OPTION_schedule_learning_rate_gamma);
    r->model->schedule_gamma = 1;
    if (step->given && gamma->given) {
        r->model->schedule_step = (int)step->number;
        r->model->schedule_gamma = gamma->number;
    } else if (step->given || gamma->given) {
        const Setting *given = step->given ? step : gamma;
        note_at(given->key_span, "`%s` alone: no schedule; it takes %s too", given->name,
                step->given ? gamma->name : step->name);
    }
}

static void read_training(Reader *r)
{
    static const OptimiserKeys d = {
        OPTION_d_learning_rate,    OPTION_d_weight_decay,  OPTION_RMSProp_d_weight_decay,
        OPTION_RMSprop_d_momentum, OPTION_RMSProp_d_alpha, OPTION_RMSProp_d_centered,
    };
    static const OptimiserKeys g = {
        OPTION_g_learning_rate,    OPTION_g_weight_decay,  OPTION_RMSProp_g_weight_decay,
        OPTION_RMSprop_g_momentum, OPTION_RMSProp_g_alpha, OPTION_RMSProp_g_centered,
    };
    Model *model = r->model;
    model->d_optimiser = read_optimiser(r, &d);
    model->g_optimiser = read_optimiser(r, &g);
    read_schedule(r);
    model->d_updates = integer(r, OPTION_d_nb_update);
    model->g_updates = integer(r, OPTION_g_nb_update);
    model->batch_size = integer(r, OPTION_batch_size);
    model->shuffle = get(r, OPTION_shuffle)->on;
    model->ema_decay = get(r, OPTION_ema_decay)->number;
    model->seed = get(r, OPTION_seed)->seed;
}

/* `epoch` counts iterations; what releases since 0.7.1 meant by it is `passes`. */
static void read_duration(Reader *r)
{
    const Setting *epoch = get(r, OPTION_epoch), *passes = get(r, OPTION_passes);
    if (passes->given && epoch->given) {
        fail_at(passes->key_span, "keep one of them",
                "`passes` and `%s` both say how long to train", epoch->name);
    }
    if (passes->given) {
        r->model->passes = (int64_t)passes->number;
        return;
    }
    r->model->iterations = (int64_t)epoch->number;
    bool later =
        r->settings->first_of_era[ERA_2021] != NULL || r->settings->first_of_era[ERA_0_7] != NULL;
    if (epoch->given && strcmp(epoch->name, "epoch") == 0 && later) {
        note_at(epoch->key_span,
                "`epoch` counts iterations; releases since 0.7.1 counted passes over the data, "
                "which is `passes` here");
    }
}

static void read_storage(Reader *r)
{
    Model *model = r->model;
    int64_t every = (int64_t)get(r, OPTION_epoch_store_model_every)->number;
    int64_t last = (int64_t)get(r, OPTION_dump_last_n_epoch)->number;
    int64_t log_every = (int64_t)get(r, OPTION_epoch_dump)->number;
    model->store_start = (int64_t)get(r, OPTION_dump_epoch_start)->number;
    model->store_last = last > 0 ? last : 0;
    /* -1 and 0 mean never; the last ones are stored even so, with a period that is never reached */
    model->store_every = every > 0 ? every : last > 0 ? INT64_MAX : 0;
    model->log_every = log_every > 0 ? log_every : 0;
}

static void read_surroundings(Reader *r)
{
    static const Choice devices[] = {
        {"auto", 0}, {"gpu", 1}, {"true", 1}, {"cpu", 2}, {"false", 2}};
    static const char *const device_names[] = {"auto", "gpu", "cpu"};
    static const Choice normalisations[] = {
        {"std", NORMALISE_STD}, {"blend", NORMALISE_BLEND}, {"rank", NORMALISE_RANK}};
    const Setting *start = get(r, OPTION_start_from);
    Model *model = r->model;
    model->device = device_names[CHOOSE(get(r, OPTION_gpu_mode), devices)];
    model->normalisation = (NormalisationKind)CHOOSE(get(r, OPTION_normalisation), normalisations);
    if (start->text == NULL || start->text[0] == '\0') {
        return;
    }
    const char *ending = ".safetensors";
    size_t length = strlen(start->text), tail = strlen(ending);
    if (length <= tail || strcmp(start->text + length - tail, ending) != 0) {
        fail_at(start->span, "give a checkpoint of gagac, a .safetensors file",
                "`%s`: files of this kind cannot be read", start->name);
    }
    model->start_from = start->text;
}

/* ---------------------------------------------------------------- lines, and all together */

static void add_line(Reader *r, const char *letter, int value, OptionId id)
{
    const Setting *setting = get(r, id);
    bool in_config = setting->span.source == r->model->source;
    ConfigLine line = {.letter = letter, .value = value, .key = setting->name};
    if (in_config) {
        line.span = (Span){setting->span.source, setting->key_span.begin, setting->span.end};
    }
    int at = r->model->line_count++;
    ConfigLine *lines = r->model->lines;
    for (; at > 0 && in_config; at--) { /* file order; what is not in the file comes last */
        if (lines[at - 1].span.source != NULL && lines[at - 1].span.begin < line.span.begin) {
            break;
        }
        lines[at] = lines[at - 1];
    }
    lines[at] = line;
}

static void collect_lines(Reader *r)
{
    Model *model = r->model;
    model->lines = arena_alloc(8 * sizeof *model->lines);
    add_line(r, "B", model->batch_size, OPTION_batch_size);
    add_line(r, "X", model->x_dim, OPTION_keys);
    if (model->cond_dim > 0) {
        add_line(r, "C", model->cond_dim, OPTION_cond_keys);
    }
    add_line(r, "Z", model->z_dim, OPTION_z_dim);
    add_line(r, "DH", integer(r, OPTION_d_dim), OPTION_d_dim);
    add_line(r, "DL", integer(r, OPTION_d_layers), OPTION_d_layers);
    add_line(r, "GH", integer(r, OPTION_g_dim), OPTION_g_dim);
    add_line(r, "GL", integer(r, OPTION_g_layers), OPTION_g_layers);
}

Model *read_gaga(const Json *root, const Override *overrides, int override_count)
{
    Reader reader = {.model = arena_alloc(sizeof(Model))};
    reader.settings = settings_read(root, overrides, override_count);
    reader.model->source = root->span.source;
    read_columns(&reader);
    read_networks(&reader);
    read_encoding(&reader);
    read_objective(&reader);
    read_training(&reader);
    read_duration(&reader);
    read_storage(&reader);
    read_surroundings(&reader);
    build_discriminator(&reader);
    build_generator(&reader);
    collect_lines(&reader);
    return reader.model;
}
