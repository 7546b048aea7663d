/* read_hooks.c -- the train hooks of a HyperGAN config. */
#include "hypergan.h"

#include <string.h>

enum { MAX_MATCHES = 4 }; /* hooks with inner loops */

static const Word hook_words[] = {{"GradientPenaltyTrainHook", HOOK_GRADIENT_PENALTY, NULL},
                                  {"KLipschitzTrainHook", HOOK_K_LIPSCHITZ, NULL},
                                  {"GradientLocallyStableTrainHook", HOOK_LOCALLY_STABLE, NULL},
                                  {"ForceEquilibriumTrainHook", HOOK_FORCE_EQUILIBRIUM, NULL},
                                  {"MaxGpTrainHook", HOOK_MAX_GRADIENT, NULL},
                                  {"WeightPenaltyTrainHook", HOOK_WEIGHT_PENALTY, NULL},
                                  {"WeightConstraintTrainHook", HOOK_WEIGHT_CONSTRAINT, NULL},
                                  {"RollingMemoryTrainHook", HOOK_ROLLING_MEMORY, NULL},
                                  {"RollingMemory2TrainHook", HOOK_ROLLING_MEMORY, NULL},
                                  {"MatchSupportTrainHook", HOOK_MATCH_SUPPORT, NULL},
                                  {"InputFitnessTrainHook", HOOK_INPUT_FITNESS, NULL},
                                  {"SelfSupervisedTrainHook", HOOK_SELF_SUPERVISED, NULL},
                                  {"ProgressCompressTrainHook", 0, "it is not there yet"},
                                  {"MinibatchTrainHook", 0, "its formula is not known well enough"},
                                  {"MemoryTrainHook", 0, "its formula is not known well enough"},
                                  {"ImleTrainHook", 0, "its formula is not known well enough"},
                                  {"AdversarialRobustTrainHook", 0,
                                   "its formula is not known well enough"}};

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

static void read_constraint_numbers(Hook *hook, const Json *json)
{
    Option pnorm = json_option(json, "ortho_pnorm");
    Option decay = json_option(json, "decay");
    hook->decay = option_number(decay, 0.01, "decay");
    hook->l2nn_decay = decay.given ? hook->decay : 1;
    hook->bound =
        option_number(json_option(json, "weight_constraint_k"), 100, "weight_constraint_k");
    hook->by_columns = option_is(pnorm, "inf");
    hook->bounces = option_switch(json_option(json, "weight_bounce"));
    hook->scales_up = option_switch(json_option(json, "weight_scaleup"));
    if (hook->kind == HOOK_WEIGHT_CONSTRAINT && !(hook->bound > 0))
        fail_at(json_option(json, "weight_constraint_k").span, NULL,
                "`weight_constraint_k` must be above 0");
}

static void read_constraints(Hook *hook, const Json *json)
{
    enum { L2NN, ORTHO, ORTHO2, LIPSCHITZ };
    static const Word words[] = {{"l2nn", L2NN, NULL},
                                 {"ortho", ORTHO, NULL},
                                 {"ortho2", ORTHO2, NULL},
                                 {"lipschitz", LIPSCHITZ, NULL}};
    bool *const kinds[] = {&hook->l2nn, &hook->ortho, &hook->ortho2, &hook->lipschitz};
    const Json *list = list_member(json, "constraints");
    bool penalty = hook->kind == HOOK_WEIGHT_PENALTY;
    bool needs = penalty || hook->kind == HOOK_WEIGHT_CONSTRAINT;
    if (list == NULL)
        list = list_member(json, "weight_constraint");
    for (const Json *item = list != NULL ? list->child : NULL; item != NULL; item = item->next) {
        int kind = option_word(element_option(item), L2NN, WORDS(words), "constraint");
        if (penalty && kind > ORTHO)
            fail_at(item->span, "WeightConstraintTrainHook has it",
                    "`%s` is a constraint, not a penalty", words[kind].name);
        *kinds[kind] = true;
    }
    read_constraint_numbers(hook, json);
    hook->every = option_integer(json_option(json, "constraint_every"), 100, 1, "constraint_every");
    if (needs && !hook->l2nn && !hook->ortho && !hook->ortho2 && !hook->lipschitz)
        fail_at(json->span, "\"constraints\": [\"l2nn\"], or [\"ortho\"]",
                "the hook needs `constraints`, a list of what weights shall be");
}

/* One side of "mx-/g(mz-)". */
static MemoryMember read_member(const char *text, size_t length, Span span)
{
    static const struct {
        const char *name;
        MemoryKind kind;
        int sign;
    } members[] = {{"x", MEMBER_X, 0},         {"g", MEMBER_G, 0},       {"mx", MEMORY_OF_X, 0},
                   {"mg", MEMORY_OF_G, 0},     {"mx+", MEMORY_OF_X, 1},  {"mx-", MEMORY_OF_X, -1},
                   {"mg+", MEMORY_OF_G, 1},    {"mg-", MEMORY_OF_G, -1}, {"g(mz+)", MEMORY_OF_Z, 1},
                   {"g(mz-)", MEMORY_OF_Z, -1}};
    for (size_t k = 0; k < sizeof members / sizeof members[0]; k++)
        if (strlen(members[k].name) == length && strncmp(members[k].name, text, length) == 0)
            return (MemoryMember){members[k].kind, members[k].sign};
    fail_at(span, "x, g, mx, mg, mx+, mx-, mg+, mg-, g(mz+) or g(mz-), two with a / between",
            "unknown memory `%s`", printable(arena_copy(text, length)));
}

static MemoryPair read_pair(Option option)
{
    const char *slash = option.text != NULL ? strchr(option.text, '/') : NULL;
    if (slash == NULL)
        fail_at(option.span, "for example \"mx-/g\"",
                "a type of a rolling memory is two memories with a / between");
    MemoryPair pair = {.weight = 1};
    pair.left = read_member(option.text, (size_t)(slash - option.text), option.span);
    pair.right = read_member(slash + 1, strlen(slash + 1), option.span);
    return pair;
}

/* types, the pairs, with a weight for each: of `lambdas`, else `lam`. */
static void read_rolling(Hook *hook, const Json *json)
{
    const Json *types = list_member(json, "types"), *weights = list_member(json, "lambdas");
    const Json *item = weights != NULL ? weights->child : NULL;
    double lam = option_number(json_option(json, "lam"), 1, "lam");
    hook->pairs = arena_alloc(MAX_PAIRS * sizeof *hook->pairs);
    if (types == NULL || types->child == NULL)
        hook->pairs[hook->pair_count++] = (MemoryPair){{MEMORY_OF_X, 0}, {MEMORY_OF_G, 0}, 1};
    for (const Json *type = types != NULL ? types->child : NULL; type != NULL; type = type->next) {
        if (hook->pair_count == MAX_PAIRS)
            fail_at(type->span, NULL, "a rolling memory has at most %d types", MAX_PAIRS);
        hook->pairs[hook->pair_count++] = read_pair(element_option(type));
    }
    for (int k = 0; k < hook->pair_count; k++, item = item != NULL ? item->next : NULL)
        hook->pairs[k].weight =
            item != NULL ? option_number(element_option(item), 1, "lambdas") : lam;
    hook->every = option_integer(json_option(json, "steps_between_memory_update"), 1, 1,
                                 "steps_between_memory_update");
    hook->offset =
        option_integer(json_option(json, "offset_memory_update"), 0, 0, "offset_memory_update");
    hook->top_k = option_integer(json_option(json, "top_k"), 1, 1, "top_k");
    hook->reverse_mx = option_switch(json_option(json, "reverse_mx"));
    hook->reverse_mg = option_switch(json_option(json, "reverse_mg"));
    hook->reverse_top = option_switch(json_option(json, "reverse_top"));
}

static const Word match_words[] = {{"base", MATCH_BASE, NULL},
                                   {"zero", MATCH_ZERO, NULL},
                                   {"wgan", MATCH_WGAN, NULL},
                                   {"close", MATCH_CLOSE, NULL},
                                   {"close2", MATCH_CLOSE2, NULL},
                                   {"fixed", MATCH_FIXED, NULL},
                                   {"fixedstd", MATCH_FIXEDSTD, NULL},
                                   {"fixed2", MATCH_FIXED2, NULL},
                                   {"fixed3", MATCH_FIXED3, NULL},
                                   {"fixed4", MATCH_FIXED4, NULL},
                                   {"fixed5", MATCH_FIXED5, NULL},
                                   {"fixed7", MATCH_FIXED7, NULL},
                                   {"d1", MATCH_FIXED7, NULL},
                                   {"targets", MATCH_TARGETS, NULL},
                                   {"absdiff", MATCH_ABSDIFF, NULL},
                                   {"xor", MATCH_XOR, NULL},
                                   {"ali2", 0, "it is of an AliGAN's two losses"}};

static void read_match_variables(Match *match, const Json *json)
{
    const Json *list = list_member(json, "variables");
    match->moves_x = match->moves_fake = list == NULL || list->child == NULL;
    for (const Json *item = list != NULL ? list->child : NULL; item != NULL; item = item->next) {
        Option name = element_option(item);
        bool *moves = option_is(name, "generator")       ? &match->moves_g
                      : option_is(name, "discriminator") ? &match->moves_d
                      : option_is(name, "x")             ? &match->moves_x
                      : option_is(name, "g")             ? &match->moves_fake
                                                         : NULL;
        if (moves == NULL)
            fail_at(item->span, "\"generator\", \"discriminator\", \"x\" or \"g\"",
                    "unknown variables");
        *moves = true;
    }
}

static void read_match_layers(Match *match, const Json *json)
{
    const Json *layer = json_member(json, "layer");
    bool many = layer != NULL && layer->kind == JSON_ARRAY && layer->child != NULL;
    match->layer_count = many ? count_elements(layer) : 1;
    match->layers = arena_alloc(((size_t)match->layer_count + 1) * sizeof *match->layers);
    match->layers[0] = "match_support";
    if (layer != NULL && layer->kind != JSON_ARRAY && json_option(json, "layer").given)
        match->layers[0] = json_option(json, "layer").text;
    int k = 0;
    for (const Json *item = many ? layer->child : NULL; item != NULL; item = item->next)
        match->layers[k++] = element_option(item).text;
    for (k = 0; k < match->layer_count; k++)
        if (match->layers[k] == NULL)
            fail_at(layer->span, NULL, "`layer` must be the name of a layer, or a list of names");
}

static void read_match(Hook *hook, const Json *json)
{
    Match *match = &hook->match;
    const Json *optimizer = optimizer_of(json, "optimizer");
    Option loss = json_option(json, "loss"), threshold = json_option(json, "loss_threshold");
    if (!loss.given || optimizer == NULL)
        fail_at(json->span, "for example \"loss\": \"fixed2\"",
                "MatchSupport needs `loss` and `optimizer`");
    match->loss = (MatchLoss)option_word(loss, 0, WORDS(match_words), "loss");
    read_match_variables(match, json);
    read_match_layers(match, json);
    match->lambda = option_number(json_option(json, "loss_lambda"), 1e4, "loss_lambda");
    match->distance = option_number(json_option(json, "distance"), 0, "distance");
    match->has_threshold = threshold.given;
    match->threshold = option_number(threshold, 0, "loss_threshold");
    match->convergence =
        option_number(json_option(json, "convergence_threshold"), 0, "convergence_threshold");
    match->max_steps = option_integer(json_option(json, "max_steps"), 100, 1, "max_steps");
    match->max_depth = option_integer(json_option_exact(json, "max_depth"), 2, 1, "max_depth");
    match->optimiser = read_optimiser(optimizer, 1);
    if (match->max_steps > 1000000 || match->max_depth > 1000)
        fail_at(json->span, NULL, "`max_steps` or `max_depth` is too large");
}

static void read_input_fitness(Hook *hook, const Json *json)
{
    Option steps = json_option_exact(json, "search_steps");
    hook->search_steps = option_integer(steps, 1, 0, "search_steps");
    hook->heuristic = option_integer(json_option_exact(json, "heuristic"), -1, -1, "heuristic");
    hook->skip_restore = option_switch(json_option(json, "skip_restore"));
    bool absolute = option_switch(json_option(json, "abs"));
    bool reverse = option_switch(json_option(json, "reverse"));
    bool both = option_switch(json_option(json, "nabs"));
    hook->absolute = both || (absolute && !reverse); /* of several the last counts, as there */
    hook->reversed = both || reverse;
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
    hook.only = option_switch(json_option(json, "only"));
    if (hook.kind == HOOK_ROLLING_MEMORY)
        read_rolling(&hook, json);
    if (hook.kind == HOOK_MATCH_SUPPORT)
        read_match(&hook, json);
    if (hook.kind == HOOK_INPUT_FITNESS)
        read_input_fitness(&hook, json);
    return hook;
}

static void refuse_second(const Trainer *t, const Hook *hook)
{
    for (int k = 0; k < t->hook_count; k++) {
        if (t->hooks[k].kind != hook->kind)
            continue;
        if (hook->kind == HOOK_WEIGHT_CONSTRAINT)
            fail_at(hook->span, "one hook takes several `constraints`",
                    "two hooks WeightConstraint");
        if (hook->kind == HOOK_INPUT_FITNESS)
            fail_at(hook->span, NULL, "two hooks InputFitness");
    }
}

void read_hooks(Trainer *t, const Json *json)
{
    const Json *list = list_member(json, "hooks");
    if (list == NULL)
        return;
    int matches = 0;
    t->hooks = arena_alloc((size_t)count_elements(list) * sizeof *t->hooks + 1);
    for (const Json *item = list->child; item != NULL; item = item->next) {
        if (item->kind != JSON_OBJECT)
            fail_at(item->span, NULL, "a hook is an object with `class`");
        Hook hook = read_hook(item);
        matches += hook.kind == HOOK_MATCH_SUPPORT;
        if (matches > MAX_MATCHES)
            fail_at(item->span, NULL, "there are at most %d hooks MatchSupport", MAX_MATCHES);
        refuse_second(t, &hook);
        t->hooks[t->hook_count++] = hook;
    }
}
