/* read_loss.c -- the loss of a HyperGAN config, with the keys of all generations. */
#include "hypergan.h"

#include <string.h>

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

static const Word reduce_words[] = {{"reduce_mean", REDUCE_MEAN, NULL},
                                    {"reduce_sum", REDUCE_SUM, NULL},
                                    {"reduce_min", REDUCE_MIN, NULL},
                                    {"reduce_logsumexp", REDUCE_LOGSUMEXP, NULL},
                                    {"reduce_linear", REDUCE_LINEAR, NULL}};

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
                                  {"alpha1", TYPE_ALPHA1, NULL},
                                  {"alpha2", TYPE_ALPHA2, NULL}};

static const char loss_keys[] =
    "class reduce reverse labels improved label_smooth generator_target_probability type "
    "g_loss_type use_k gamma initial_k k_lambda alpha beta gradient_penalty gradient_penalty_type "
    "k_lipschitz_penalty gradient_locally_stable rothk_penalty rothk_lambda random_penalty "
    "random_penalty_offset batch_norm create discriminator minibatch jg_penalty jg_lambda "
    "l2nn_penalty ortho_penalty k_lipschitz_penalty_ragan minibatch_kernels dim_per_kernel";

/* Keys of the loss that have no effect, or a value that has none here. */
static void note_loss_keys(const Json *json)
{
    static const char *const dead[] = {"batch_norm", "create"};
    for (size_t i = 0; i < sizeof dead / sizeof dead[0]; i++) {
        Option option = json_option(json, dead[i]);
        if (option.given)
            note_at(option.span, "`%s` of a loss has no effect since 0.9", dead[i]);
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

/* Keys of penalties that later became hooks. `true` is the weight 1. */
static double penalty_weight(const Json *json, const char *key)
{
    Option option = json_option(json, key);
    bool flag = option.json != NULL && option.json->kind == JSON_BOOL;
    return flag ? option_switch(option) : option_number(option, 0, key);
}

static void read_penalties(GanLossConfig *loss, const Json *json)
{
    loss->ragan_lipschitz = penalty_weight(json, "k_lipschitz_penalty_ragan");
    loss->l2nn = penalty_weight(json, "l2nn_penalty");
    loss->ortho = penalty_weight(json, "ortho_penalty");
    loss->random = option_switch(json_option(json, "random_penalty"));
    loss->random_offset =
        option_number(json_option(json, "random_penalty_offset"), -0.8, "random_penalty_offset");
    if (option_switch(json_option(json, "jg_penalty")))
        loss->jg = option_number(json_option(json, "jg_lambda"), 0.01, "jg_lambda");
    loss->minibatch = option_switch(json_option(json, "minibatch"));
    loss->minibatch_kernels =
        option_integer(json_option(json, "minibatch_kernels"), 300, 1, "minibatch_kernels");
    loss->minibatch_dims =
        option_integer(json_option(json, "dim_per_kernel"), 50, 1, "dim_per_kernel");
    if (loss->minibatch_kernels > 4096 || loss->minibatch_dims > 4096)
        fail_at(json->span, NULL, "`minibatch_kernels` and `dim_per_kernel` are at most 4096");
}

/* Alpha divergences: alpha is .5 there if not given, and no pole of the formulas. */
static void read_divergence_alpha(GanLossConfig *loss, const Json *json)
{
    Option alpha = json_option(json, "alpha");
    bool first = loss->type == TYPE_ALPHA1 || loss->g_type == TYPE_ALPHA1;
    bool second = loss->type == TYPE_ALPHA2 || loss->g_type == TYPE_ALPHA2;
    if (loss->kind != GAN_F_DIVERGENCE || (!first && !second))
        return;
    loss->alpha = option_number(alpha, 0.5, "alpha");
    if (!(loss->alpha > 0) || loss->alpha == 1 || (loss->type == TYPE_ALPHA1 && loss->alpha > 1))
        fail_at(alpha.span, NULL, "`alpha` must be above 0 and not 1, and of alpha1 below 1");
    if (loss->type >= TYPE_ALPHA1 && !loss->strict)
        warn_at(json_option(json, "type").span, "--strict takes that of the paper",
                "the conjugate has 1/alpha inside of the power, as in the original");
}

GanLossConfig read_loss(const Json *json, bool strict)
{
    GanLossConfig loss = {.span = json->span, .strict = strict};
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
    read_divergence_alpha(&loss, json);
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
    read_penalties(&loss, json);
    return loss;
}
