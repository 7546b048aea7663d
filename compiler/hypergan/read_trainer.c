/* read_trainer.c -- optimisers, trainers and train hooks of a HyperGAN config, in both spellings:
 * objects, and flat keys that begin with g_ and d_. */
#include "hypergan.h"

#include <math.h>
#include <string.h>

enum { MAX_STAGES = 64 }; /* of a curriculum */

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

static double first_rate(const Course *c) { return c->kind == COURSE_RANDOM ? c->to : c->from; }

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

Optimiser *read_optimiser(const Json *json, int depth)
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
    o->rate = first_rate(&o->course);
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
    o->rate = first_rate(&o->course);
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

const Json *optimizer_of(const Json *json, const char *key)
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

static const Word fitness_words[] = {{"default", FITNESS_MINUS_F, NULL},
                                     {"fail2", FITNESS_MINUS_F, NULL},
                                     {"fail2-reverse", FITNESS_F, NULL},
                                     {"ls", FITNESS_LS, NULL},
                                     {"ls-r", FITNESS_MINUS_LS, NULL},
                                     {"ls2", FITNESS_LS_C, NULL},
                                     {"std", FITNESS_STD, NULL},
                                     {"ls3", FITNESS_ONE_MINUS_F, NULL},
                                     {"ls4", FITNESS_DIFFERENCE, NULL},
                                     {"ls5", FITNESS_SQUARES, NULL},
                                     {"df", FITNESS_ABSOLUTE, NULL},
                                     {"ls2-r", FITNESS_MINUS_LS_C, NULL},
                                     {"ls3-fail", FITNESS_F_MINUS_ONE, NULL},
                                     {"gldl", FITNESS_LOSSES, NULL},
                                     {"g_loss", FITNESS_G_LOSS, NULL},
                                     {"fail3", FITNESS_MINUS_G_LOSS, NULL},
                                     {"grads", FITNESS_GRADIENTS, NULL},
                                     {"fail", FITNESS_MINUS_GRADIENTS, NULL},
                                     {"gradient-only", FITNESS_ENERGY, NULL},
                                     {"point", FITNESS_POINT, NULL},
                                     {"standard", FITNESS_STANDARD, NULL},
                                     {"fq1", FITNESS_FQ1, NULL},
                                     {"fq2", FITNESS_FQ2, NULL},
                                     {"fq3", FITNESS_FQ3, NULL},
                                     {"fq4", FITNESS_FQ4, NULL},
                                     {"fq5", FITNESS_FQ5, NULL},
                                     {"fq6", FITNESS_FQ6, NULL},
                                     {"fq7", FITNESS_FQ6, NULL},
                                     {"fq8", FITNESS_MINUS_BOTH, NULL},
                                     {"fq9", FITNESS_TENTH, NULL},
                                     {"fq10", FITNESS_BOTH, NULL},
                                     {"fq11", FITNESS_FQ11, NULL}};

static Search read_search(const Json *json, int kind)
{
    Search s = {.kind = kind == NESTED_FITNESS ? SEARCH_THRESHOLD : SEARCH_BATCH};
    Option type = json_option(json, "type");
    s.diversity =
        option_number(json_option(json, "diversity_importance"), 1, "diversity_importance");
    s.sums = option_is(json_option(json, "grad_type"), "sum");
    s.decay = option_number(json_option(json, "fitness_decay"), 0.99, "fitness_decay");
    s.steps = option_integer(json_option(json, "search_steps"), 2, 1, "search_steps");
    s.heuristic = option_integer(json_option_exact(json, "heuristic"), -1, -1, "heuristic");
    if (s.kind == SEARCH_THRESHOLD)
        s.fitness = (Fitness)option_word(type.given ? type : json_option(json, "fitness_type"),
                                         FITNESS_MINUS_F, WORDS(fitness_words), "fitness");
    else if (option_switch(json_option(json, "reverse")))
        s.fitness = FITNESS_F;
    else if (option_switch(json_option(json, "abs")))
        s.fitness = FITNESS_ABS_F;
    else if (option_switch(json_option(json, "nabs")))
        s.fitness = FITNESS_MINUS_ABS_F;
    return s;
}

Trainer read_trainer(const Json *json);

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
                                    {"least_squares3", PAYOFF_SIGNED, NULL},
                                    {"least_squares4", PAYOFF_HALVES, NULL},
                                    {"least_squares5", PAYOFF_PRODUCT, NULL},
                                    {"least_squares6", PAYOFF_SQUARED_PRODUCT, NULL},
                                    {"least_squares7", PAYOFF_POSITIVE_PRODUCT, NULL},
                                    {"least_squares8", PAYOFF_LABELLED_PRODUCT, NULL},
                                    {"least_squares9", PAYOFF_LABELLED_PRODUCTS, NULL},
                                    {"raleast_squares", PAYOFF_RELATIVE_HALVES, NULL},
                                    {"ralsgan", PAYOFF_RELATIVE_SQUARES, NULL},
                                    {"zero_raganls", PAYOFF_ZERO_RELATIVE, NULL},
                                    {"zero_raganls2", PAYOFF_ZERO_RELATIVE2, NULL},
                                    {"ragan", PAYOFF_RAGAN, NULL},
                                    {"f-r3", PAYOFF_RAGAN, NULL},
                                    {"ragan2", PAYOFF_RAGAN_LOG, NULL},
                                    {"standard", PAYOFF_STANDARD, NULL},
                                    {"f-r", PAYOFF_SIGMOID, NULL},
                                    {"f-r2", PAYOFF_SIGMOIDS, NULL},
                                    {"jsd", PAYOFF_JENSEN, NULL},
                                    {"g_loss", PAYOFF_G_LOSS, NULL},
                                    {"d_loss", PAYOFF_D_LOSS, NULL},
                                    {"-g_loss", PAYOFF_MINUS_G_LOSS, NULL},
                                    {"gl-dl2", PAYOFF_MINUS_G_LOSS, NULL},
                                    {"-gl-dl", PAYOFF_MINUS_BOTH, NULL},
                                    {"gldl", PAYOFF_BOTH, NULL},
                                    {"gl-dl", PAYOFF_G_MINUS_D, NULL},
                                    {"double", PAYOFF_DOUBLE, NULL},
                                    {"double_ragan", PAYOFF_DOUBLE_RAGAN, NULL},
                                    {"double2", PAYOFF_DOUBLE_SQUARES, NULL}};

static void refuse_gang_keys(const Json *json)
{
    static const char *const keys[] = {"recreate", "mutations"};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
        if (json_option(json, keys[k]).given)
            fail_at(
                json_option(json, keys[k]).span, "take the key out",
                "`%s` of a gang trainer goes on with networks of another config, drawn at random: "
                "a program has those of one",
                keys[k]);
}

/* Trainings of one side on what is remembered of the other, and networks of earlier trainings. */
static void read_gang_memory(Gang *g, const Json *json)
{
    Option reset = json_option(json, "reset_before_step");
    const Json *list = list_member(json, "preload");
    if (option_switch(json_option(json, "train_d_on_sgs")))
        g->d_on_generators = option_integer(json_option(json, "sgs_steps"), 100, 1, "sgs_steps");
    if (option_switch(json_option(json, "train_g_on_sds")))
        g->g_on_discriminators =
            option_integer(json_option(json, "sds_steps"), 100, 1, "sds_steps");
    g->reset_before = option_integer(reset, 0, 0, "reset_before_step");
    if (!g->remembers && (list != NULL || g->d_on_generators > 0 || g->g_on_discriminators > 0))
        fail_at(
            json->span, "\"nash_memory\": true",
            "`train_d_on_sgs`, `train_g_on_sds` and `preload` need networks that are remembered");
    if (list == NULL)
        return;
    if (count_elements(list) > g->size)
        fail_at(list->span, NULL, "`preload` has more networks than `nash_memory_size`");
    g->preload = arena_alloc(((size_t)count_elements(list) + 1) * sizeof *g->preload);
    for (const Json *item = list->child; item != NULL; item = item->next) {
        if (item->kind != JSON_STRING || item->string[0] == '\0')
            fail_at(item->span, NULL, "`preload` is a list of checkpoints' paths");
        g->preload[g->preload_count++] = item->string;
    }
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
    read_gang_memory(g, json);
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

Trainer read_trainer(const Json *json)
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
    t.shake_d = option_number(json_option(json, "shake_weights_d"), 0, "shake_weights_d");
    t.shake_g = option_number(json_option(json, "shake_weights_g"), 0, "shake_weights_g");
    if (t.clipped_gradients < 0 || t.d_clipped_weights < 0)
        fail_at(json->span, NULL, "bounds of a clip must be above 0");
    read_hooks(&t, json);
    return t;
}
