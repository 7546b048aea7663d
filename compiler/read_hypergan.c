/* read_hypergan.c -- what a HyperGAN config means: JSON of three generations to a Model.
 *
 * Class paths are read by their last part, so a class that moved between packages is found. What
 * cannot be compiled is named with the reason. */
#include "hypergan.h"

#include "../runtime/hash.h"

#include <limits.h>
#include <math.h>
#include <string.h>

enum { MAX_SIDE = 4096, MAX_BATCH = 65536, MAX_LATENT = 65536, MAX_STAGES = 64 };

bool is_hypergan(const Json *root)
{
    static const char *const parts[] = {"generator",      "discriminator", "latent", "encoder",
                                        "z_distribution", "trainer",       "inherit"};
    if (root->kind != JSON_OBJECT)
        return false;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const Json *member = json_member(root, parts[i]);
        if (member != NULL && (member->kind == JSON_OBJECT || i == 6))
            return true;
    }
    return false;
}

static const Json *object_member(const Json *root, const char *const names[], int count,
                                 const char *what)
{
    for (int i = 0; i < count; i++) {
        const Json *member = json_member(root, names[i]);
        if (member == NULL || member->kind == JSON_NULL)
            continue;
        if (member->kind != JSON_OBJECT)
            fail_at(member->span, NULL, "`%s` must be an object", names[i]);
        return member;
    }
    fail_at((Span){root->span.source, root->span.begin, root->span.begin + 1}, NULL,
            "the config has no %s", what);
}
#define MEMBER(root, what, ...)                             \
    object_member(root, (const char *const[]){__VA_ARGS__}, \
                  (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)), what)

/* ---------------------------------------------------------------- latent */
static const Word projection_words[] = {{"identity", PROJECT_IDENTITY, NULL},
                                        {"gaussian", PROJECT_GAUSSIAN, NULL},
                                        {"sphere", PROJECT_SPHERE, NULL},
                                        {"modal", PROJECT_MODAL, NULL},
                                        {"binary", PROJECT_BINARY, NULL},
                                        {"zero", PROJECT_ZERO, NULL},
                                        {"modal_gaussian", PROJECT_MODAL_GAUSSIAN, NULL},
                                        {"modal_sphere", PROJECT_MODAL_SPHERE, NULL},
                                        {"modal_sphere_gaussian", PROJECT_MODAL_SPHERE_GAUSSIAN,
                                         NULL},
                                        {"periodic", PROJECT_PERIODIC, NULL},
                                        {"periodic_gaussian", PROJECT_PERIODIC_GAUSSIAN, NULL}};

enum { LATENT_UNIFORM, LATENT_CATEGORY };
static const Word latent_words[] = {
    {"UniformDistribution", LATENT_UNIFORM, NULL},
    {"UniformEncoder", LATENT_UNIFORM, NULL},
    {"CategoryEncoder", LATENT_CATEGORY, NULL},
    {"CategoryDistribution", LATENT_CATEGORY, NULL},
    {"NormalDistribution", 0, "use UniformDistribution with the gaussian projection"},
    {"TruncatedNormalDistribution", 0, "use UniformDistribution with the gaussian projection"},
    {"FitnessDistribution", 0, "it needs PyTorch's trainers"},
    {"OptimizeDistribution", 0, "it needs PyTorch's trainers"}};

static Option element_option(const Json *json)
{
    Option option = {.given = true, .json = json, .span = json->span};
    option.numeric = json->kind == JSON_NUMBER;
    option.number = json->number;
    option.text = json->kind == JSON_STRING ? json->string : NULL;
    return option;
}

static int count_elements(const Json *list)
{
    int count = 0;
    for (const Json *item = list->child; item != NULL; item = item->next)
        count++;
    return count;
}

static const Json *list_member(const Json *object, const char *key)
{
    const Json *list = json_member(object, key);
    if (list == NULL || list->kind == JSON_NULL)
        return NULL;
    if (list->kind != JSON_ARRAY)
        fail_at(list->span, NULL, "`%s` must be a list", key);
    return list;
}

static bool needs_pairs(Projection kind)
{
    return kind != PROJECT_IDENTITY && kind != PROJECT_MODAL && kind != PROJECT_BINARY &&
           kind != PROJECT_ZERO && kind != PROJECT_PERIODIC;
}

static void read_projections(Latent *latent, const Json *json)
{
    const Json *list = list_member(json, "projections");
    if (list == NULL)
        return;
    latent->projections = arena_alloc((size_t)count_elements(list) * sizeof(Projection) + 1);
    for (const Json *item = list->child; item != NULL; item = item->next) {
        Projection kind = (Projection)option_class(element_option(item), 0, WORDS(projection_words),
                                                   "projection");
        if (needs_pairs(kind) && latent->draws % 2 != 0)
            fail_at(item->span, "take an even `z`", "this projection works on pairs, and `z` is %d",
                    latent->draws);
        latent->projections[latent->projection_count++] = kind;
    }
}

static void read_categories(Latent *latent, const Json *json)
{
    const Json *list = list_member(json, "categories");
    if (list == NULL || list->child == NULL)
        fail_at(json->span, "for example \"categories\": [10]",
                "a category latent needs `categories`");
    latent->categories = arena_alloc((size_t)count_elements(list) * sizeof(int));
    for (const Json *item = list->child; item != NULL; item = item->next)
        latent->categories[latent->category_count++] =
            option_integer(element_option(item), 1, 1, "categories");
    latent->draws = latent->category_count;
}

static Latent read_latent(const Json *json)
{
    Latent latent = {.span = json->span, .least = 0, .most = 1};
    int kind = option_class(json_option(json, "class"), LATENT_UNIFORM, WORDS(latent_words),
                            "distribution");
    latent.modes = option_number(json_option(json, "modes"), 2, "modes");
    latent.periods = option_number(json_option(json, "periods"), 1, "periods");
    if (kind == LATENT_CATEGORY) {
        read_categories(&latent, json);
    } else {
        Option z = json_option(json, "z");
        if (!z.given)
            fail_at(json->span, "for example \"z\": 100", "the latent needs `z`, its size");
        latent.draws = option_integer(z, 1, 1, "z");
        latent.least = option_number(json_option(json, "min"), -1, "min");
        latent.most = option_number(json_option(json, "max"), 1, "max");
        if (!(latent.least < latent.most))
            fail_at(json->span, NULL, "`min` must be below `max`");
        read_projections(&latent, json);
    }
    if (latent_size(&latent) > MAX_LATENT)
        fail_at(json->span, NULL, "a latent of more than %d numbers", MAX_LATENT);
    return latent;
}

/* ---------------------------------------------------------------- components */
#define NOT_DESCRIBED "its networks are not described; write them as layers"
static const Word component_words[] = {{"ConfigurableDiscriminator", COMPONENT_CONFIGURABLE, NULL},
                                       {"ConfigurableGenerator", COMPONENT_CONFIGURABLE, NULL},
                                       {"ConfigurableComponent", COMPONENT_CONFIGURABLE, NULL},
                                       {"DCGANGenerator", COMPONENT_DCGAN_GENERATOR, NULL},
                                       {"DCGANDiscriminator", COMPONENT_DCGAN_DISCRIMINATOR, NULL},
                                       {"ResizableGenerator", COMPONENT_RESIZABLE, NULL},
                                       {"AutoencoderDiscriminator", COMPONENT_AUTOENCODER, NULL},
                                       {"ResizeConvGenerator", 0, NOT_DESCRIBED},
                                       {"PyramidDiscriminator", 0, NOT_DESCRIBED},
                                       {"FullyConnectedGenerator", 0, NOT_DESCRIBED},
                                       {"FullyConnectedDiscriminator", 0, NOT_DESCRIBED},
                                       {"MultiDiscriminator", 0, "there is one discriminator"}};

static void check_keys(const Json *object, const char *known, const char *what)
{
    const char *names[64];
    size_t count = 0;
    for (const char *p = known; *p != '\0' && count < 64;) {
        size_t length = strcspn(p, " ");
        names[count++] = arena_copy(p, length);
        p += length + (p[length] == ' ');
    }
    for (const Json *member = object->child; member != NULL; member = member->next) {
        bool found = false;
        for (size_t i = 0; i < count; i++)
            found = found || strcmp(member->key, names[i]) == 0;
        const char *near = found ? NULL : nearest_word(member->key, names, count);
        if (near != NULL)
            warn_at(member->key_span, arena_printf("did you mean `%s`?", near),
                    "%s has no key `%s`: no effect", what, printable(member->key));
    }
}

static const char component_keys[] =
    "class layers defaults initializer orthogonal_gain random_stddev gain w_scale lrmul "
    "layer_regularizer l2_scale linear_type heads subnets groupsort_n double_sided_activation "
    "bipolar_activation trelu_activation frelu_activation dtype activation filter stride avg_pool "
    "final_features improved noise final_depth max_depth initial_dimensions block "
    "final_activation adaptive_instance_norm adaptive_instance_norm_layers "
    "adaptive_instance_norm_last_layer encoder decoder distance";

static Component read_component(const Json *json, const char *name, const char *tag, Option class,
                                ComponentKind fallback)
{
    Component c = {.name = name, .tag = tag, .json = json};
    c.kind = (ComponentKind)option_class(class, (int)fallback, WORDS(component_words), name);
    check_keys(json, component_keys, name);
    c.defaults = json_member(json, "defaults");
    if (c.defaults != NULL && c.defaults->kind != JSON_OBJECT)
        fail_at(c.defaults->span, NULL, "`defaults` must be an object");
    const Json *filter = json_member(json, "layer_filter");
    if (filter != NULL && filter->kind != JSON_NULL)
        fail_at(filter->span, "take the key out",
                "`layer_filter` is a function from Python, which cannot be compiled");
    if (c.kind != COMPONENT_CONFIGURABLE)
        return c;
    const Json *layers = json_member(json, "layers");
    if (layers == NULL)
        fail_at(json->span, "for example \"layers\": [\"linear 64\", \"linear 1 activation=null\"]",
                "the %s has no `layers`", name);
    c.lines = read_lines(layers);
    if (c.lines.count == 0)
        fail_at(layers->span, NULL, "the %s has no layers", name);
    return c;
}

static const Component *copy_component(Component component)
{
    Component *copy = arena_alloc(sizeof *copy);
    *copy = component;
    return copy;
}

static void read_components(Hyper *h, const Json *root)
{
    const Json *g = MEMBER(root, "generator", "generator");
    const Json *d = MEMBER(root, "discriminator", "discriminator");
    h->generator =
        read_component(g, "generator", "G", json_option(g, "class"), COMPONENT_CONFIGURABLE);
    h->discriminator =
        read_component(d, "discriminator", "D", json_option(d, "class"), COMPONENT_CONFIGURABLE);
    if (h->discriminator.kind == COMPONENT_AUTOENCODER) {
        h->discriminator.encoder = copy_component(read_component(
            d, "discriminator", "D", json_option(d, "encoder"), COMPONENT_CONFIGURABLE));
        h->discriminator.decoder = copy_component(
            read_component(g, "generator", "D", json_option(d, "decoder"), h->generator.kind));
        if (h->discriminator.encoder->kind == COMPONENT_AUTOENCODER ||
            h->discriminator.decoder->kind == COMPONENT_AUTOENCODER)
            fail_at(d->span, NULL, "an autoencoder inside an autoencoder");
    }
    if (h->generator.kind == COMPONENT_AUTOENCODER)
        fail_at(g->span, NULL, "an AutoencoderDiscriminator cannot be a generator");
}

/* ---------------------------------------------------------------- loss */
static const Word loss_words[] = {{"WassersteinLoss", GAN_WASSERSTEIN, NULL},
                                  {"WganLoss", GAN_WASSERSTEIN, NULL},
                                  {"LeastSquaresLoss", GAN_LEAST_SQUARES, NULL},
                                  {"LambGanLoss", GAN_LAMB, NULL},
                                  {"StandardLoss", GAN_STANDARD, NULL},
                                  {"StandardGANLoss", GAN_STANDARD, NULL},
                                  {"StandardGanLoss", GAN_STANDARD, NULL},
                                  {"LogisticLoss", GAN_LOGISTIC, NULL},
                                  {"BoundaryEquilibriumLoss", GAN_BOUNDARY_EQUILIBRIUM, NULL},
                                  {"SoftmaxLoss", GAN_SOFTMAX, NULL},
                                  {"CramerLoss", GAN_CRAMER, NULL},
                                  {"RaganLoss", GAN_RAGAN, NULL},
                                  {"AliLoss", GAN_ALI, NULL},
                                  {"QPLoss", GAN_QP, NULL},
                                  {"FDivergenceLoss", GAN_F_DIVERGENCE, NULL},
                                  {"SupervisedLoss", 0, "it needs labels of the images"},
                                  {"CategoryLoss", 0, "it was broken in the original since 0.9"},
                                  {"MultiLoss", 0, "there is one discriminator"},
                                  {"VralLoss", 0, "it is an experiment without a description"},
                                  {"EvolutionLoss", 0, "it is an experiment without a description"},
                                  {"RealnessLoss", 0, "it needs PyTorch's trainers"}};

static const Word reduce_words[] = {
    {"reduce_mean", REDUCE_MEAN, NULL},
    {"reduce_sum", REDUCE_SUM, NULL},
    {"reduce_min", REDUCE_MIN, NULL},
    {"reduce_logsumexp", REDUCE_LOGSUMEXP, NULL},
    {"reduce_linear", 0,
     "its weights would belong to the loss; end the discriminator with "
     "`linear 1 activation=null`"}};

static const Word type_words[] = {{"wgan", TYPE_WGAN, NULL},
                                  {"least-squares", TYPE_LEAST_SQUARES, NULL},
                                  {"least_squares", TYPE_LEAST_SQUARES, NULL},
                                  {"logistic", TYPE_LOGISTIC, NULL},
                                  {"wasserstein", TYPE_WASSERSTEIN, NULL},
                                  {"original", TYPE_ORIGINAL, NULL},
                                  {"label_smoothing", TYPE_LABEL_SMOOTHING, NULL},
                                  {"kl", TYPE_KL, NULL},
                                  {"js", TYPE_JS, NULL},
                                  {"js_weighted", TYPE_JS_WEIGHTED, NULL},
                                  {"gan", TYPE_GAN, NULL},
                                  {"reverse_kl", TYPE_REVERSE_KL, NULL},
                                  {"pearson", TYPE_PEARSON, NULL},
                                  {"squared_hellinger", TYPE_SQUARED_HELLINGER, NULL},
                                  {"neyman", TYPE_NEYMAN, NULL},
                                  {"total_variation", TYPE_TOTAL_VARIATION, NULL},
                                  {"alpha1", 0, "its formula is not known"},
                                  {"alpha2", 0, "its formula is not known"}};

static const char loss_keys[] =
    "class reduce reverse labels improved label_smooth generator_target_probability type "
    "g_loss_type use_k gamma initial_k k_lambda alpha beta gradient_penalty gradient_penalty_type "
    "k_lipschitz_penalty gradient_locally_stable rothk_penalty rothk_lambda random_penalty "
    "random_penalty_offset batch_norm create discriminator minibatch jg_penalty jg_lambda "
    "l2nn_penalty ortho_penalty k_lipschitz_penalty_ragan";

/* Keys of the loss that have no effect, or that cannot be compiled. */
static void note_loss_keys(const Json *json)
{
    static const char *const dead[] = {"batch_norm", "create"};
    static const char *const missing[] = {"minibatch", "jg_penalty", "l2nn_penalty",
                                          "ortho_penalty", "k_lipschitz_penalty_ragan"};
    for (size_t i = 0; i < sizeof dead / sizeof dead[0]; i++) {
        Option option = json_option(json, dead[i]);
        if (option.given)
            note_at(option.span, "`%s` of a loss has no effect since 0.9", dead[i]);
    }
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        Option option = json_option(json, missing[i]);
        if (option.given)
            fail_at(option.span, "trainer.hooks has penalties that are described",
                    "the loss key `%s` cannot be compiled: its formula is not known well enough",
                    missing[i]);
    }
    Option which = json_option_exact(json, "discriminator");
    if (which.given && !(which.numeric && which.number == 0))
        fail_at(which.span, "0, or no such key", "there is one discriminator, number 0");
}

static void read_labels(GanLossConfig *loss, const Json *json)
{
    const Json *list = list_member(json, "labels");
    double labels[3] = {0, 1, 1}; /* of BEGAN; -1 -1 of 0.8 belong to another formula */
    memcpy(loss->labels, labels, sizeof labels);
    if (list == NULL) {
        bool needed = loss->kind == GAN_LEAST_SQUARES ||
                      ((loss->kind == GAN_RAGAN || loss->kind == GAN_ALI) &&
                       loss->type == TYPE_LEAST_SQUARES);
        if (needed)
            fail_at(json->span, "for example \"labels\": [-1, 1, 1]",
                    "this loss needs `labels`, the three numbers a, b, c");
        return;
    }
    int k = 0;
    for (const Json *item = list->child; item != NULL; item = item->next, k++)
        if (k < 3)
            loss->labels[k] = option_number(element_option(item), 0, "labels");
    if (k != 3)
        fail_at(list->span, "a for fake, b for real, c for what G wants",
                "`labels` are three numbers");
}

static void read_began(GanLossConfig *loss, const Json *json)
{
    static const char *const needed[] = {"type", "use_k", "k_lambda", "gamma", "initial_k"};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (!json_option_exact(json, needed[i]).given)
            fail_at(json->span, "type, use_k, k_lambda, gamma and initial_k",
                    "a BoundaryEquilibriumLoss needs `%s`", needed[i]);
    loss->use_k = option_switch(json_option(json, "use_k"));
    loss->gamma = option_number(json_option(json, "gamma"), 0.5, "gamma");
    loss->initial_k = option_number(json_option_exact(json, "initial_k"), 0, "initial_k");
    loss->k_lambda = option_number(json_option_exact(json, "k_lambda"), 0.01, "k_lambda");
    if (loss->type != TYPE_WGAN && loss->type != TYPE_LEAST_SQUARES)
        fail_at(json_option(json, "type").span, "wgan or least-squares",
                "a BoundaryEquilibriumLoss has two types");
}

static GanLossConfig read_loss(const Json *json)
{
    GanLossConfig loss = {.span = json->span};
    Option class = json_option(json, "class"), penalty = json_option(json, "gradient_penalty");
    Option reduce = json_option(json, "reduce"), style = json_option(json, "gradient_penalty_type");
    if (!class.given)
        fail_at(json->span, NULL, "the loss needs `class`");
    check_keys(json, loss_keys, "the loss");
    note_loss_keys(json);
    loss.kind = (GanLoss)option_class(class, 0, WORDS(loss_words), "loss");
    loss.reduce = (Reduce)option_class(reduce, REDUCE_MEAN, WORDS(reduce_words), "reduction");
    loss.reverse = option_switch(json_option(json, "reverse"));
    loss.improved = option_switch(json_option(json, "improved"));
    loss.label_smooth = option_number(json_option(json, "label_smooth"), 0.2, "label_smooth");
    loss.target = option_number(json_option(json, "generator_target_probability"), 0.8,
                                "generator_target_probability");
    loss.type =
        (LossType)option_class(json_option(json, "type"), TYPE_NONE, WORDS(type_words), "type");
    if (loss.kind == GAN_F_DIVERGENCE && loss.type < TYPE_KL)
        loss.type = TYPE_GAN;
    loss.g_type = (LossType)option_class(json_option(json, "g_loss_type"), TYPE_NONE,
                                         WORDS(type_words), "type");
    read_labels(&loss, json);
    loss.alpha = option_number(json_option(json, "alpha"), 1.0 / 3, "alpha");
    loss.beta = option_number(json_option(json, "beta"), 1.0 / 3, "beta");
    if (loss.kind == GAN_BOUNDARY_EQUILIBRIUM)
        read_began(&loss, json);
    loss.has_penalty = penalty.given;
    loss.gradient_penalty = option_course(penalty, 0, "gradient_penalty");
    loss.dragan = option_is(style, "dragan");
    loss.k_lipschitz =
        option_number(json_option(json, "k_lipschitz_penalty"), 0, "k_lipschitz_penalty");
    loss.locally_stable =
        option_number(json_option(json, "gradient_locally_stable"), 0, "gradient_locally_stable");
    loss.rothk = option_switch(json_option(json, "rothk_penalty"));
    loss.rothk_lambda = option_number(json_option(json, "rothk_lambda"), 1, "rothk_lambda");
    Option random = json_option(json, "random_penalty");
    if (random.given)
        fail_at(random.span, "take the key out", "`random_penalty` cannot be compiled yet");
    return loss;
}

/* ---------------------------------------------------------------- optimisers */
static const Word optimiser_words[] = {{"AdamOptimizer", OPT_TF_ADAM, NULL},
                                       {"RMSPropOptimizer", OPT_TF_RMSPROP, NULL},
                                       {"GradientDescentOptimizer", OPT_SGD, NULL},
                                       {"MomentumOptimizer", OPT_MOMENTUM, NULL},
                                       {"AdagradOptimizer", OPT_ADAGRAD, NULL},
                                       {"AdadeltaOptimizer", OPT_ADADELTA, NULL},
                                       {"FtrlOptimizer", OPT_FTRL, NULL},
                                       {"AMSGradOptimizer", OPT_AMSGRAD, NULL},
                                       {"AMSGrad", OPT_AMSGRAD, NULL},
                                       {"AdamirrorOptimizer", OPT_ADAMIRROR, NULL},
                                       {"AdaBoundOptimizer", OPT_ADABOUND, NULL},
                                       {"Adam", OPT_ADAM, NULL},
                                       {"RMSprop", OPT_RMSPROP, NULL},
                                       {"SGD", OPT_SGD, NULL},
                                       {"CurlOptimizer", OPT_CURL, NULL},
                                       {"GigaWolfOptimizer", OPT_GIGA_WOLF, NULL},
                                       {"ElasticWeightConsolidationOptimizer", OPT_ELASTIC, NULL},
                                       {"NegativeMomentumOptimizer", OPT_NEGATIVE_MOMENTUM, NULL},
                                       {"EmaOptimizer", OPT_EMA, NULL},
                                       {"ConsensusOptimizer", OPT_CONSENSUS, NULL},
                                       {"GANOptimizer", -1, NULL}};

static bool is_wrapper(OptimiserKind kind) { return kind >= OPT_GIGA_WOLF; }

/* "d_beta1" for the prefix "d_". */
static Option prefixed(const Json *json, const char *prefix, const char *key)
{
    return json_option(json, arena_printf("%s%s", prefix, key));
}

static double prefixed_number(const Json *json, const char *prefix, const char *key,
                              double fallback)
{
    const char *name = arena_printf("%s%s", prefix, key);
    return option_number(json_option(json, name), fallback, name);
}

/* Numbers where the original knew no "0 means default": an optimiser's arguments. */
static double argument(const Json *json, const char *prefix, const char *key, double fallback)
{
    const char *name = arena_printf("%s%s", prefix, key);
    return option_number(json_option_exact(json, name), fallback, name);
}

static Course read_rate(const Json *json, const char *prefix)
{
    static const char *const spellings[] = {"learn_rate", "learning_rate", "lr"};
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        Option rate = json_option_exact(json, arena_printf("%s%s", prefix, spellings[i]));
        if (rate.given)
            return option_course(rate, 0, spellings[i]);
    }
    fail_at(json->span, NULL, "`%slearn_rate` is missing", prefix);
}

static void read_betas(Optimiser *o, const Json *json)
{
    const Json *betas = list_member(json, "betas");
    if (betas == NULL)
        return;
    if (count_elements(betas) != 2)
        fail_at(betas->span, "for example [0.9, 0.999]", "`betas` are two numbers");
    o->beta1 = option_number(element_option(betas->child), 0, "betas");
    o->beta2 = option_number(element_option(betas->child->next), 0, "betas");
}

static double default_epsilon(OptimiserKind kind) { return kind == OPT_TF_RMSPROP ? 1e-10 : 1e-8; }

static void read_arguments(Optimiser *o, const Json *json, const char *prefix)
{
    bool bounded = o->kind == OPT_AMSGRAD;
    bool torch = o->kind == OPT_ADAM || o->kind == OPT_RMSPROP;
    o->beta1 = argument(json, prefix, "beta1", 0.9);
    o->beta2 = argument(json, prefix, "beta2", bounded ? 0.99 : 0.999);
    read_betas(o, json);
    o->epsilon = argument(json, prefix, "epsilon", default_epsilon(o->kind));
    if (torch) {
        o->epsilon = argument(json, prefix, "eps", 1e-8);
        o->weight_decay = argument(json, prefix, "weight_decay", 0);
        o->alpha = argument(json, prefix, "alpha", 0.99);
    } else {
        o->alpha = argument(json, prefix, "decay", 0.9);
    }
    o->momentum = argument(json, prefix, "momentum", o->kind == OPT_MOMENTUM ? 0.9 : 0);
    if (o->kind == OPT_SGD && o->momentum > 0)
        o->kind = OPT_MOMENTUM;
    o->centered = option_switch(prefixed(json, prefix, "centered"));
    o->rho = argument(json, prefix, "rho", 0.95);
    o->accumulator = argument(json, prefix, "initial_accumulator_value", 0.1);
    o->lower = argument(json, prefix, "lower_bound", 0.1);
    o->upper = argument(json, prefix, "upper_bound", 1);
    o->l1 = argument(json, prefix, "l1_regularization_strength", 0);
    o->l2 = argument(json, prefix, "l2_regularization_strength", 0);
    if (!(o->beta1 >= 0 && o->beta1 < 1) || !(o->beta2 >= 0 && o->beta2 < 1))
        fail_at(json->span, NULL, "`beta1` and `beta2` must be from 0 to below 1");
    if (!(o->epsilon >= 0))
        fail_at(json->span, NULL, "`epsilon` must not be negative");
}

static Optimiser *wrapped(const Json *json, const char *key, int depth);

static void refuse_mirror(const Json *json)
{
    static const char *const keys[] = {"d_curl", "g_curl"};
    for (int i = 0; i < 2; i++) {
        Option option = json_option(json, keys[i]);
        if (option.given)
            fail_at(option.span, "take the key out: g1 - rho (g2 - g1) / learn_rate is known",
                    "the form `%s` of curl is not known well enough",
                    printable(option.text != NULL ? option.text : keys[i]));
    }
}

static void read_wrapper(Optimiser *o, const Json *json, int depth)
{
    Option form = json_option(json, "form");
    o->inner = wrapped(json, "optimizer", depth);
    if (o->kind == OPT_GIGA_WOLF)
        o->second = wrapped(json, "optimizer2", depth);
    if (o->kind == OPT_CURL) {
        Course rate = read_rate(json, "");
        refuse_mirror(json);
        o->rate = rate.from;
        o->d_rho = argument(json, "", "d_rho", 1);
        o->g_rho = argument(json, "", "g_rho", 1);
        o->gamma = argument(json, "", "gamma", 1);
        o->central = option_is(form, "central");
        if (!(o->rate > 0) || rate.kind != COURSE_FIXED)
            fail_at(json->span, NULL, "curl's `learn_rate` must be a number above 0");
    }
    o->ewc_decay = argument(json, "", "f_decay", 0.95);
    o->ewc_lambda = argument(json, "", "lam", 17.5);
    o->ewc_scale = argument(json, "", "gradient_scale", 1);
    o->ewc_constraint = argument(json, "", "initial_constraint", 0);
    o->ewc_gradients = option_switch(json_option(json, "add_ewc_loss_gradients"));
    o->keep = argument(json, "", "decay", o->kind == OPT_EMA ? 0.9 : 1);
    o->new_share = argument(json, "", "alpha", 0.666);
    o->old_share = argument(json, "", "beta", 0.5);
    o->jg_beta = argument(json, "", "beta", 1);
    Option type = json_option(json, "type");
    if (o->kind == OPT_CONSENSUS && type.given)
        fail_at(type.span, "take the key out", "types of ConsensusOptimizer are not possible");
}

static Optimiser *read_optimiser(const Json *json, int depth)
{
    Optimiser *o = arena_alloc(sizeof *o);
    Option class = json_option(json, "class");
    int kind = option_class(class, -2, WORDS(optimiser_words), "optimizer");
    if (depth > 8)
        fail_at(json->span, NULL, "optimizers are nested more than 8 deep");
    if (kind < 0)
        fail_at(class.given ? class.span : json->span, NULL,
                kind == -2 ? "the optimizer needs `class`"
                           : "a GANOptimizer stands at the top of a trainer only");
    *o = (Optimiser){.kind = (OptimiserKind)kind, .span = json->span};
    if (is_wrapper(o->kind)) {
        if (depth > 0 && (o->kind == OPT_CURL || o->kind == OPT_CONSENSUS))
            fail_at(class.span, "put it outside of the others",
                    "this optimizer needs gradients at another place: only the outermost one can");
        read_wrapper(o, json, depth);
        return o;
    }
    o->course = read_rate(json, "");
    o->rate = o->course.from;
    read_arguments(o, json, "");
    return o;
}

static Optimiser *wrapped(const Json *json, const char *key, int depth)
{
    const Json *inner = json_member(json, key);
    if (inner == NULL || inner->kind != JSON_OBJECT)
        fail_at(inner != NULL ? inner->span : json->span, NULL,
                "the wrapper needs `%s`, an optimizer", key);
    return read_optimiser(inner, depth + 1);
}

/* The generation of g_ and d_ keys: g_trainer, g_learn_rate, g_beta1 ... */
static Optimiser *read_flat(const Json *json, const char *prefix)
{
    Optimiser *o = arena_alloc(sizeof *o);
    const char *name = arena_printf("%strainer", prefix);
    Option class = json_option(json, name);
    if (!class.given)
        fail_at(json->span, "an optimizer's class, or the keys g_optimizer and d_optimizer",
                "the trainer has no `%s`", name);
    int kind = option_class(class, 0, WORDS(optimiser_words), "optimizer");
    if (kind < 0 || is_wrapper((OptimiserKind)kind))
        fail_at(class.span, NULL, "this optimizer is an object of its own: use `optimizer`");
    *o = (Optimiser){.kind = (OptimiserKind)kind, .span = json->span};
    o->course = read_rate(json, prefix);
    o->rate = o->course.from;
    read_arguments(o, json, prefix);
    return o;
}

/* ---------------------------------------------------------------- trainer */
enum { NESTED_FITNESS = 100, NESTED_BATCH_FITNESS, NESTED_CURRICULUM, NESTED_GANG };
static const Word trainer_words[] = {
    {"AlternatingTrainer", TRAINER_ALTERNATING, NULL},
    {"SimultaneousTrainer", TRAINER_SIMULTANEOUS, NULL},
    {"ConsensusTrainer", TRAINER_CONSENSUS, NULL},
    {"FitnessTrainer", NESTED_FITNESS, NULL},
    {"BatchFitnessTrainer", NESTED_BATCH_FITNESS, NULL},
    {"CurriculumTrainer", NESTED_CURRICULUM, NULL},
    {"GangTrainer", NESTED_GANG, NULL},
    {"DepthTrainer", 0, "it is an experiment without a template"},
    {"EvolutionTrainer", 0, "it is an experiment without a template"},
    {"KBeamTrainer", 0, "it is an experiment without a template"},
    {"MultiStepTrainer", 0, "it is an experiment without a template"},
    {"MultiTrainerTrainer", 0, "it is an experiment without a template"},
    {"IncrementalTrainer", 0, "it is an experiment without a template"},
    {"ProportionalControlTrainer", 0, "it is an experiment without a template"},
    {"QualifiedStepTrainer", 0, "it is an experiment without a template"}};

static const Word hook_words[] = {
    {"GradientPenaltyTrainHook", HOOK_GRADIENT_PENALTY, NULL},
    {"KLipschitzTrainHook", HOOK_K_LIPSCHITZ, NULL},
    {"GradientLocallyStableTrainHook", HOOK_LOCALLY_STABLE, NULL},
    {"ForceEquilibriumTrainHook", HOOK_FORCE_EQUILIBRIUM, NULL},
    {"MaxGpTrainHook", HOOK_MAX_GRADIENT, NULL},
    {"WeightPenaltyTrainHook", HOOK_WEIGHT_PENALTY, NULL},
    {"WeightConstraintTrainHook", HOOK_WEIGHT_CONSTRAINT, NULL},
    {"RollingMemoryTrainHook", 0,
     "which samples it keeps, and their weight, is not known well enough"},
    {"MatchSupportTrainHook", HOOK_LEFT_OUT, NULL},
    {"InputFitnessTrainHook", HOOK_LEFT_OUT, NULL},
    {"SelfSupervisedTrainHook", HOOK_SELF_SUPERVISED, NULL},
    {"ProgressCompressTrainHook", 0, "it is not there yet"},
    {"MinibatchTrainHook", 0, "its formula is not known well enough"},
    {"MemoryTrainHook", 0, "its formula is not known well enough"},
    {"ImleTrainHook", 0, "its formula is not known well enough"},
    {"AdversarialRobustTrainHook", 0, "its formula is not known well enough"}};

static void read_hook_variables(Hook *hook, const Json *json)
{
    const Json *list = list_member(json, "components");
    hook->use_d = hook->use_g = list == NULL;
    for (const Json *item = list != NULL ? list->child : NULL; item != NULL; item = item->next) {
        Option name = element_option(item);
        if (option_is(name, "discriminator"))
            hook->use_d = true;
        else if (option_is(name, "generator"))
            hook->use_g = true;
        else
            fail_at(item->span, "\"discriminator\" or \"generator\"", "unknown component");
    }
}

static void read_constraints(Hook *hook, const Json *json)
{
    enum { L2NN, ORTHO };
    static const Word words[] = {{"l2nn", L2NN, NULL},
                                 {"ortho", ORTHO, NULL},
                                 {"ortho2", 0, "its formula is not known"},
                                 {"lipschitz", 0, "its bound is not known"}};
    const Json *list = list_member(json, "constraints");
    for (const Json *item = list != NULL ? list->child : NULL; item != NULL; item = item->next) {
        bool l2nn = option_word(element_option(item), L2NN, WORDS(words), "constraint") == L2NN;
        *(l2nn ? &hook->l2nn : &hook->ortho) = true;
    }
    bool needs = hook->kind == HOOK_WEIGHT_PENALTY || hook->kind == HOOK_WEIGHT_CONSTRAINT;
    hook->every = option_integer(json_option(json, "constraint_every"), 100, 1, "constraint_every");
    if (needs && !hook->l2nn && !hook->ortho)
        fail_at(json->span, "\"constraints\": [\"l2nn\"], or [\"ortho\"]",
                "the hook needs `constraints`, a list of what weights shall be");
}

static Hook read_hook(const Json *json)
{
    Hook hook = {.span = json->span};
    Option class = json_option(json, "class"), target = json_option(json, "target");
    Option flex = json_option(json, "flex"), lambda = json_option(json, "lambda");
    if (!class.given)
        fail_at(json->span, NULL, "the hook needs `class`");
    hook.kind = (HookKind)option_class(class, 0, WORDS(hook_words), "hook");
    hook.lambda = option_course(lambda, 1, "lambda");
    hook.has_flex = flex.given;
    hook.flex = option_number(flex, 0, "flex");
    hook.distance = option_number(json_option(json, "distance"), 0, "distance");
    hook.alpha = option_number(json_option(json, "alpha"), 1, "alpha");
    hook.beta = option_number(json_option(json, "beta"), 1, "beta");
    hook.on_generator_loss = option_is(json_option(json, "loss"), "g_loss");
    hook.target_generator = option_is(target, "generator");
    if (target.given && !hook.target_generator && !option_is(target, "discriminator"))
        fail_at(target.span, NULL, "`target` must be \"discriminator\" or \"generator\"");
    read_hook_variables(&hook, json);
    read_constraints(&hook, json);
    Option only = json_option(json, "only");
    if (option_switch(only))
        fail_at(only.span, "take the key out",
                "`only` replaces the losses, which is not possible here");
    return hook;
}

static void read_hooks(Trainer *t, const Json *json)
{
    const Json *list = list_member(json, "hooks");
    if (list == NULL)
        return;
    t->hooks = arena_alloc((size_t)count_elements(list) * sizeof *t->hooks + 1);
    for (const Json *item = list->child; item != NULL; item = item->next) {
        if (item->kind != JSON_OBJECT)
            fail_at(item->span, NULL, "a hook is an object with `class`");
        Hook hook = read_hook(item);
        for (int k = 0; k < t->hook_count && hook.kind == HOOK_WEIGHT_CONSTRAINT; k++)
            if (t->hooks[k].kind == HOOK_WEIGHT_CONSTRAINT)
                fail_at(item->span, "one hook takes several `constraints`",
                        "two hooks WeightConstraint");
        if (hook.kind == HOOK_LEFT_OUT)
            warn_at(item->span, NULL, "the hook `%s` is left out: the training goes on without it",
                    printable(class_symbol(json_option(item, "class"))));
        else
            t->hooks[t->hook_count++] = hook;
    }
}

/* Rates that fall: annealing (0.9) and decay functions (2018). */
static void read_decay(Optimiser *o, const Json *json)
{
    Option function = json_option(json, "decay_function");
    if (o->course.kind != COURSE_FIXED)
        return;
    if (option_switch(json_option(json, "anneal_learning_rate"))) {
        o->course = (Course){
            .kind = COURSE_ANNEAL,
            .from = o->rate,
            .to = prefixed_number(json, "", "anneal_lower_bound", 2e-5),
            .steps = prefixed_number(json, "", "anneal_every", 100000),
            .factor = prefixed_number(json, "", "anneal_rate", 0.5),
        };
    } else if (function.given) {
        const char *name = class_symbol(function);
        if (name == NULL || strcmp(name, "exponential_decay") != 0)
            fail_at(function.span, "exponential_decay is known", "unknown decay function");
        o->course = (Course){
            .kind = COURSE_EXPONENTIAL,
            .from = o->rate,
            .steps = prefixed_number(json, "", "decay_steps", 50000),
            .factor = prefixed_number(json, "", "decay_rate", 0.9),
            .staircase = option_switch(json_option(json, "decay_staircase")),
        };
    }
    if (o->course.kind != COURSE_FIXED && !(o->course.steps >= 1))
        fail_at(json->span, NULL, "rates cannot fall more often than every step");
}

static const Json *optimizer_of(const Json *json, const char *key)
{
    const Json *object = json_member(json, key);
    if (object == NULL || object->kind == JSON_NULL)
        return NULL;
    if (object->kind != JSON_OBJECT)
        fail_at(object->span, NULL, "`%s` must be an object with `class`", key);
    return object;
}

static bool read_gan_optimizer(Trainer *t, const Json *object)
{
    const char *symbol = class_symbol(json_option(object, "class"));
    if (symbol == NULL || strcmp(symbol, "GANOptimizer") != 0)
        return false;
    t->d_optimiser = wrapped(object, "d_optimizer", 0);
    t->g_optimiser = wrapped(object, "g_optimizer", 0);
    return true;
}

static void read_optimisers(Trainer *t, const Json *json)
{
    const Json *both = optimizer_of(json, "optimizer");
    const Json *d = optimizer_of(json, "d_optimizer"), *g = optimizer_of(json, "g_optimizer");
    if (t->kind == TRAINER_CONSENSUS && both == NULL) {
        t->d_optimiser = t->g_optimiser = read_flat(json, "");
        read_decay(t->d_optimiser, json);
        return;
    }
    if (both != NULL && read_gan_optimizer(t, both))
        return;
    if (both == NULL && d == NULL && g == NULL && t->kind == TRAINER_SIMULTANEOUS)
        fail_at(json->span, "an object with `class` and `learn_rate`",
                "the trainer has no `optimizer`");
    if (both == NULL && d == NULL && g == NULL) {
        t->d_optimiser = read_flat(json, "d_");
        t->g_optimiser = read_flat(json, "g_");
    } else if (both != NULL && d == NULL && g == NULL && t->kind != TRAINER_ALTERNATING) {
        t->d_optimiser = t->g_optimiser = read_optimiser(both, 0);
    } else {
        if ((d == NULL || g == NULL) && both == NULL)
            fail_at(json->span, NULL, "the trainer needs `%s`",
                    d == NULL ? "d_optimizer" : "g_optimizer");
        t->d_optimiser = read_optimiser(d != NULL ? d : both, 0);
        t->g_optimiser = read_optimiser(g != NULL ? g : both, 0);
    }
    read_decay(t->d_optimiser, json);
    read_decay(t->g_optimiser, json);
}

static void read_consensus(Trainer *t, const Json *json)
{
    static const Word rules[] = {{"ttur", RULE_TTUR, NULL},
                                 {"single-step", RULE_SINGLE_STEP, NULL},
                                 {"consensus", RULE_CONSENSUS, NULL}};
    t->rule = (ConsensusRule)option_word(json_option(json, "update_rule"), RULE_CONSENSUS,
                                         WORDS(rules), "update rule");
    t->jg_alpha = prefixed_number(json, "", "jg_alpha", 0.1);
    t->d_w_lambda = prefixed_number(json, "", "d_w_lambda", 1);
    t->g_w_lambda = prefixed_number(json, "", "g_w_lambda", 3);
    t->g_direction = 1 - prefixed_number(json, "", "g_exponential_moving_average_decay", 0);
}

static const Word fitness_words[] = {
    {"default", FITNESS_MINUS_F, NULL}, {"fail2", FITNESS_MINUS_F, NULL},
    {"fail2-reverse", FITNESS_F, NULL}, {"ls", FITNESS_LS, NULL},
    {"ls-r", FITNESS_MINUS_LS, NULL},   {"ls2", FITNESS_LS_C, NULL},
    {"std", FITNESS_STD, NULL},         {"ls3", FITNESS_ONE_MINUS_F, NULL},
    {"ls4", FITNESS_DIFFERENCE, NULL},  {"ls5", FITNESS_SQUARES, NULL},
    {"df", FITNESS_ABSOLUTE, NULL}};

static Search read_search(const Json *json, int kind)
{
    Search s = {.kind = kind == NESTED_FITNESS ? SEARCH_THRESHOLD : SEARCH_BATCH};
    Option diversity = json_option(json, "diversity_importance");
    if (diversity.given)
        fail_at(diversity.span, "take the key out",
                "`diversity_importance` cannot be compiled: its formula is not known");
    s.decay = option_number(json_option(json, "fitness_decay"), 0.99, "fitness_decay");
    s.steps = option_integer(json_option(json, "search_steps"), 2, 1, "search_steps");
    s.heuristic = option_integer(json_option_exact(json, "heuristic"), -1, -1, "heuristic");
    if (s.kind == SEARCH_THRESHOLD)
        s.fitness = (Fitness)option_word(json_option(json, "type"), FITNESS_MINUS_F,
                                         WORDS(fitness_words), "fitness");
    else if (option_switch(json_option(json, "reverse")))
        s.fitness = FITNESS_F;
    else if (option_switch(json_option(json, "abs")))
        s.fitness = FITNESS_ABS_F;
    else if (option_switch(json_option(json, "nabs")))
        s.fitness = FITNESS_MINUS_ABS_F;
    return s;
}

static Trainer read_trainer(const Json *json);

/* The search goes around the trainer inside. */
static Trainer read_fitness(const Json *json, int kind)
{
    const Json *inner = optimizer_of(json, "trainer");
    if (inner == NULL)
        fail_at(json->span, NULL, "a fitness trainer needs `trainer`, the one inside");
    Trainer t = read_trainer(inner);
    if (t.search.kind != SEARCH_NONE)
        fail_at(inner->span, NULL, "a fitness trainer inside a fitness trainer");
    t.search = read_search(json, kind);
    return t;
}

static const Word payoff_words[] = {{"default", PAYOFF_DIFFERENCE, NULL},
                                    {"wasserstein", PAYOFF_DIFFERENCE, NULL},
                                    {"least_squares", PAYOFF_LEAST_SQUARES, NULL},
                                    {"least_squares2", PAYOFF_SQUARES, NULL},
                                    {"least_squares4", PAYOFF_HALVES, NULL},
                                    {"ragan", PAYOFF_RAGAN, NULL},
                                    {"ragan2", PAYOFF_RAGAN_LOG, NULL},
                                    {"f-r", PAYOFF_SIGMOID, NULL},
                                    {"g_loss", PAYOFF_G_LOSS, NULL},
                                    {"d_loss", PAYOFF_D_LOSS, NULL},
                                    {"-g_loss", PAYOFF_MINUS_G_LOSS, NULL},
                                    {"-gl-dl", PAYOFF_MINUS_BOTH, NULL},
                                    {"least_squares3", 0, "its formula is not known"},
                                    {"gl-dl", 0, "its formula is not known"},
                                    {"gl-dl2", 0, "its formula is not known"},
                                    {"gldl", 0, "its formula is not known"},
                                    {"double", 0, "its formula is not known"}};

static void refuse_gang_keys(const Json *json)
{
    static const char *const keys[] = {"train_g_on_sds", "train_d_on_sgs", "preload",
                                       "recreate",       "mutations",      "reset_before_step"};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
        if (option_switch(json_option(json, keys[k])))
            fail_at(json_option(json, keys[k]).span, "take the key out",
                    "`%s` of a gang trainer cannot be compiled: it is not known well enough",
                    keys[k]);
}

/* The trainer that makes the best answers, with the mixing around it. */
static Trainer read_gang(const Json *json)
{
    static const Word methods[] = {{"support", NASH_SUPPORT, NULL},
                                   {"lemke", NASH_LEMKE, NULL},
                                   {"vertex", NASH_VERTEX, NULL}};
    const Json *inner = optimizer_of(json, "rbbr");
    if (inner == NULL)
        fail_at(json->span, NULL, "a gang trainer needs `rbbr`, the trainer inside");
    refuse_gang_keys(json);
    Trainer t = read_trainer(inner);
    Gang *g = &t.gang;
    Option size = json_option(json, "nash_memory_size");
    if (g->mix_steps > 0 || t.curriculum != NULL)
        fail_at(inner->span, NULL, "a gang or a curriculum inside a gang");
    g->mix_steps = option_integer(json_option(json, "mix_steps"), 100, 1, "mix_steps");
    g->decay = option_number(json_option(json, "decay"), 0.5, "decay");
    g->remembers = option_switch(json_option(json, "nash_memory"));
    g->size = option_integer(size, 10, 1, "nash_memory_size");
    g->points =
        option_integer(json_option(json, "fitness_test_points"), 10, 1, "fitness_test_points");
    g->payoff = (Payoff)option_word(json_option(json, "fitness_method"), PAYOFF_DIFFERENCE,
                                    WORDS(payoff_words), "fitness_method");
    if (option_switch(json_option(json, "use_nash")))
        g->method = (NashMethod)option_word(json_option(json, "nash_method"), NASH_VERTEX,
                                            WORDS(methods), "nash_method");
    g->crossover_random = option_switch(json_option(json, "crossover_random"));
    g->crossover = option_switch(json_option(json, "use_crossover"));
    g->mutates = option_switch(json_option(json, "mutate_child"));
    g->mutation_chance =
        option_number(json_option_exact(json, "mutation_chance"), 0.7, "mutation_chance");
    if (g->size >= NASH_MOST)
        fail_at(size.span, NULL, "`nash_memory_size` is at most %d", NASH_MOST - 1);
    if (g->points >= 1 << 16)
        fail_at(json->span, NULL, "`fitness_test_points` is too large");
    return t;
}

static Phase read_stage(const Json *entry, bool first)
{
    static const char hint[] = "for example [100000, \"pro16x16\"]";
    const Json *steps = entry->kind == JSON_ARRAY ? entry->child : NULL;
    const Json *config = steps != NULL ? steps->next : NULL;
    if (config == NULL || config->next != NULL || steps->kind != JSON_NUMBER ||
        config->kind != JSON_STRING)
        fail_at(entry->span, hint, "a stage is a list of a number of steps and a config's name");
    if (!(steps->number >= 1 && steps->number <= 999999999) ||
        steps->number != (double)(int64_t)steps->number)
        fail_at(steps->span, hint, "steps must be a whole number from 1 to 999999999");
    return (Phase){.name = first ? NULL : config->string,
                   .steps = (int64_t)steps->number,
                   .span = config->span};
}

/* The trainer inside, with the stages around it. */
static Trainer read_curriculum(const Json *json)
{
    const Json *inner = optimizer_of(json, "delegate"), *list = list_member(json, "curriculum");
    if (inner == NULL)
        fail_at(json->span, NULL, "a curriculum needs `delegate`, the trainer inside");
    if (list == NULL || list->child == NULL)
        fail_at(json->span, "for example [[100000, \"pro8x8\"], [100000, \"pro16x16\"]]",
                "a curriculum trainer needs `curriculum`, a list of stages");
    Trainer t = read_trainer(inner);
    if (t.curriculum != NULL)
        fail_at(inner->span, NULL, "a curriculum inside a curriculum");
    Curriculum *c = arena_alloc(sizeof *c);
    c->stages = arena_alloc((size_t)count_elements(list) * sizeof *c->stages);
    for (const Json *entry = list->child; entry != NULL; entry = entry->next, c->count++)
        c->stages[c->count] = read_stage(entry, c->count == 0);
    if (c->count > MAX_STAGES)
        fail_at(list->span, NULL, "a curriculum has at most %d stages", MAX_STAGES);
    c->cycle = option_switch(json_option(json, "cycle"));
    t.curriculum = c;
    return t;
}

static Trainer read_trainer(const Json *json)
{
    Trainer t = {.span = json->span, .d_updates = 1};
    Option class = json_option(json, "class"), clip_g = json_option(json, "clipped_gradients");
    Option clip_w = json_option(json, "d_clipped_weights");
    if (!class.given)
        fail_at(json->span, NULL, "the trainer needs `class`");
    int kind = option_class(class, 0, WORDS(trainer_words), "trainer");
    if (kind == NESTED_GANG)
        return read_gang(json);
    if (kind == NESTED_CURRICULUM)
        return read_curriculum(json);
    if (kind >= NESTED_FITNESS)
        return read_fitness(json, kind);
    t.kind = (TrainerKind)kind;
    read_optimisers(&t, json);
    if (t.kind == TRAINER_ALTERNATING)
        t.d_updates = option_integer(json_option(json, "d_update_steps"), 1, 1, "d_update_steps");
    if (t.kind == TRAINER_CONSENSUS)
        read_consensus(&t, json);
    t.clips_gradients = clip_g.given;
    t.clipped_gradients = option_number(clip_g, 0, "clipped_gradients");
    t.clips_weights = clip_w.given;
    t.d_clipped_weights = option_number(clip_w, 0, "d_clipped_weights");
    static const char *const shakes[] = {"shake_weights_d", "shake_weights_g"};
    for (int k = 0; k < 2; k++)
        if (json_option(json, shakes[k]).given)
            fail_at(json_option(json, shakes[k]).span, "take the key out",
                    "`%s` cannot be compiled yet", shakes[k]);
    if (t.clipped_gradients < 0 || t.d_clipped_weights < 0)
        fail_at(json->span, NULL, "bounds of a clip must be above 0");
    read_hooks(&t, json);
    return t;
}

/* ---------------------------------------------------------------- sizes, and all together */
static int runtime_size(const Json *runtime, const char *key, int given, int fallback, int most)
{
    int size = given > 0 ? given : option_integer(json_option(runtime, key), fallback, 1, key);
    if (size > most)
        fail_at(runtime != NULL ? runtime->span : (Span){0}, NULL, "`%s` is at most %d", key, most);
    return size;
}

static void check_gan(const Json *root)
{
    static const Word gans[] = {
        {"StandardGAN", 0, NULL},
        {"StandardGan", 0, NULL},
        {"AliGAN", 0, "there is one generator and one discriminator; StandardGAN has them"},
        {"AutoencodeGAN", 0, "StandardGAN is the one kind of GAN that is there"},
        {"DistributionFilteringGAN", 0, "StandardGAN is the one kind of GAN that is there"},
        {"AlignedGAN", 0, "StandardGAN is the one kind of GAN that is there"},
        {"AlphaGAN", 0, "StandardGAN is the one kind of GAN that is there"},
        {"ConditionalGAN", 0, "StandardGAN is the one kind of GAN that is there"}};
    option_class(json_option(root, "class"), 0, WORDS(gans), "GAN");
}

static const char top_keys[] =
    "class latent z_distribution encoder generator discriminator loss trainer fixed_input "
    "fixed_input_xa inherit description publication hypergan_version runtime dtype infogan input";

static void fill_model(Model *m, Hyper *h, const Json *root, const HyperOptions *options)
{
    const Json *runtime = json_member(root, "runtime");
    if (runtime != NULL && runtime->kind != JSON_OBJECT)
        fail_at(runtime->span, NULL, "`runtime` must be an object");
    static const Model usual = {.width = 64, .height = 64, .channels = 3, .batch_size = 32};
    const Model *like = options->like != NULL ? options->like : &usual;
    h->width = runtime_size(runtime, "width", options->width, like->width, MAX_SIDE);
    h->height = runtime_size(runtime, "height", options->height, like->height, MAX_SIDE);
    h->channels = runtime_size(runtime, "channels", options->channels, like->channels, 64);
    m->batch_size =
        runtime_size(runtime, "batch_size", options->batch_size, like->batch_size, MAX_BATCH);
    m->height = h->height;
    m->width = h->width;
    m->channels = h->channels;
    m->x_dim = h->height * h->width * h->channels;
    m->z_dim = h->latent.draws;
    m->d_updates = h->trainer.d_updates;
    m->g_updates = 1;
    m->schedule_gamma = 1;
    m->iterations = 100000;
    m->shuffle = true;
    m->seed = 1;
    m->device = "auto";
    m->hyper = h;
}

/* What decides networks and training: all of the text but what only people read; the sizes may come
 * from the command line. */
static uint64_t hash_hyper(const Model *m, const Json *root, const HyperOptions *options)
{
    static const char *const unread[] = {"description", "publication", "hypergan_version",
                                         "runtime", "inherit"};
    char sizes[128];
    snprintf(sizes, sizeof sizes, "hypergan %d %d %d %d %d", m->height, m->width, m->channels,
             m->batch_size, m->hyper->strict);
    uint64_t hash = hash_bytes(sizes, strlen(sizes), 0);
    for (const Json *member = root->child; member != NULL; member = member->next) {
        Span span = member->span;
        bool counts = true;
        for (size_t i = 0; i < sizeof unread / sizeof unread[0]; i++)
            counts = counts && strcmp(member->key, unread[i]) != 0;
        if (!counts)
            continue;
        hash = hash_bytes(member->key, strlen(member->key) + 1, hash);
        hash = hash_bytes(span.source->text + span.begin, span.end - span.begin, hash);
    }
    for (int i = 0; i < options->override_count; i++) {
        hash = hash_bytes(options->overrides[i].key, strlen(options->overrides[i].key) + 1, hash);
        hash =
            hash_bytes(options->overrides[i].value, strlen(options->overrides[i].value) + 1, hash);
    }
    return hash;
}

Model *read_hypergan_one(Json *root, const HyperOptions *options)
{
    Model *model = arena_alloc(sizeof *model);
    Hyper *h = arena_alloc(sizeof *h);
    json_keep_last(root);
    config_inherit(root);
    config_override(root, options->overrides, options->override_count);
    check_keys(root, top_keys, "the config");
    check_gan(root);
    h->root = root;
    h->strict = options->strict;
    h->latent = read_latent(MEMBER(root, "latent", "latent", "z_distribution", "encoder"));
    read_components(h, root);
    h->loss = read_loss(MEMBER(root, "loss", "loss"));
    h->trainer = read_trainer(MEMBER(root, "trainer", "trainer"));
    model->source = root->span.source;
    fill_model(model, h, root, options);
    model->discriminator = (Net){.name = "discriminator", .tag = "D"};
    model->generator = (Net){.name = "generator", .tag = "G"};
    model->hash = hash_hyper(model, root, options);
    return model;
}
