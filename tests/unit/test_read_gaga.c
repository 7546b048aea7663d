/* test_read_gaga.c -- what configs of every era of the GAGA dialect mean.
 *
 * Configs stand here without braces and with ' for ". What is refused, and with which words, is in
 * tests/diag; here are networks, values, spellings and overrides. */
#define _POSIX_C_SOURCE 200809L
#include "gagac.h"
#include "gaga_keys.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "child.h"

static Json *parse(const char *body)
{
    char *text = arena_printf("{%s}", body);
    for (char *p = text; *p != '\0'; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    Source *source = arena_alloc(sizeof *source);
    *source = (Source){.path = "test.json", .text = text, .length = strlen(text)};
    return json_parse(source);
}

static Model *model_of(const char *body)
{
    Model *model = read_gaga(parse(body), NULL, 0);
    model_check(model);
    return model;
}

/* ---------------------------------------------------------------- networks */

/* "fc0:13 act norm1 sigmoid ..." */
static const char *describe_net(const Net *net)
{
    const char *text = arena_printf("%d", net->inputs);
    int width = net->inputs;
    for (int i = 0; i < net->layer_count; i++) {
        const Layer *layer = &net->layers[i];
        width = layer_outputs(layer, width);
        const char *what = layer->name;
        if (layer->kind == LAYER_LINEAR) {
            const char *init = layer->weight_init == INIT_KAIMING_NORMAL ? "k" : "";
            what = arena_printf("%s%s%s:%d", layer->name, init, layer->spectral ? "s" : "", width);
        } else if (layer->kind == LAYER_ENCODE) {
            what = arena_printf("encode:%d", width);
        } else if (layer->kind == LAYER_ACTIVATION && layer->activation == ACT_SIGMOID) {
            what = "sigmoid";
        } else if (layer->kind == LAYER_ACTIVATION) {
            what = layer->slope > 0 ? arena_printf("leaky%g", layer->slope) : "relu";
        }
        text = arena_printf("%s %s", text, what);
    }
    return text;
}

#define SIZES "'d_layers':2,'g_layers':2,'d_dim':7,'g_dim':5,'z_dim':4,'keys':'X Y dX cx',"
#define SIGMOID_G "4 fc0k:5 relu fc1k:5 relu fc2k:5 sigmoid fc3k:4"
#define PLAIN_D "4 fc0:7 relu fc1:7 relu fc2:7 relu fc3:1"
#define PLAIN_G "4 fc0k:5 relu fc1k:5 relu fc2k:5 relu fc3k:4"

static const struct {
    const char *body, *discriminator, *generator;
} nets[] = {
    {SIZES "'loss_type':'wasserstein'", PLAIN_D, SIGMOID_G},
    {SIZES "'loss_type':'non-saturating-bce'", PLAIN_D " sigmoid", SIGMOID_G},
    {SIZES "'model':'v1','loss':'hinge'", PLAIN_D, SIGMOID_G},
    {SIZES "'layer_norm':true,'leaky_relu':true",
     "4 fc0:7 leaky0.01 fc1:7 norm1 leaky0.01 fc2:7 norm2 leaky0.01 fc3:1",
     "4 fc0k:5 leaky0.01 fc1k:5 leaky0.01 fc2k:5 sigmoid fc3k:4"},
    {SIZES "'model':'v2','layer_norm':true",
     "4 fc0:7 norm0 relu fc1:7 norm1 relu fc2:7 norm2 relu fc3:1", PLAIN_G},
    {SIZES "'model':'v3'", PLAIN_D, PLAIN_G},
    {SIZES "'loss':'non_saturating_bce'", PLAIN_D, PLAIN_G},
    {SIZES "'activation':'my_leaky_relu','spectral_norm':true",
     "4 fc0s:7 leaky0.01 fc1s:7 leaky0.01 fc2s:7 leaky0.01 fc3:1",
     "4 fc0k:5 leaky0.01 fc1k:5 leaky0.01 fc2k:5 leaky0.01 fc3k:4"},
    {"'d_layers':0,'g_layers':0,'d_dim':7,'g_dim':5,'z_dim':4,'keys':['X','Y','cx'],'cond_keys':'"
     "cx'",
     "3 fc0:7 relu fc1:1", "5 fc0k:5 relu fc1k:2"},
    {SIZES "'model':'v4'", PLAIN_D, PLAIN_G},
    {SIZES "'model':'v4','positional_encoding':'X 2'",
     "4 encode:14 fc0:7 relu fc1:7 relu fc2:7 relu fc3:1", PLAIN_G},
    {SIZES "'model':'v4','cond_keys':'dX cx','positional_encoding':['Y','2','cx','1'],"
           "'positional_encoding_options':{'num_encoding_functions':2,'include_input':true}",
     "4 encode:16 fc0:7 relu fc1:7 relu fc2:7 relu fc3:1",
     "6 encode:10 fc0k:5 relu fc1k:5 relu fc2k:5 relu fc3k:2"},
    {SIZES "'constraints':{'Y':[-1,'2']}", PLAIN_D, SIGMOID_G " clamp"},
};

static void builds_networks_of_every_model(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        const Model *model = model_of(nets[i].body);
        assert_string_equal(describe_net(&model->discriminator), nets[i].discriminator);
        assert_string_equal(describe_net(&model->generator), nets[i].generator);
    }
}

static void counts_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int64_t discriminator, generator;
    } cases[] = {
        {"'keys':'a b c d e f','model':'v3'", 484401, 486406},
        {"'keys':'a b c d e f','layer_norm':true", 486801, 486406},
        {"'keys':'a b c d e f g h i j k l m n o p "
         "q','model':'v3','z_dim':20,'d_dim':600,'g_dim':600",
         1093201, 1104617},
        {"'keys':'a b c d e f g h i j k l m "
         "n','model':'v3','z_dim':20,'d_dim':600,'g_dim':600,'d_layers':4,"
         "'g_layers':4,'cond_keys':'i j k l m n'",
         1452001, 1463408},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Model *model = model_of(cases[i].body);
        assert_int_equal(net_parameters(&model->discriminator), cases[i].discriminator);
        assert_int_equal(net_parameters(&model->generator), cases[i].generator);
    }
}

static void cuts_columns_into_blocks(void **state)
{
    (void)state;
    const Model *model = model_of("'model':'v4','keys':'a b c d e f','cond_keys':'d e f','z_dim':9,"
                                  "'positional_encoding':'c 2 f 1','positional_encoding_options':"
                                  "{'num_encoding_functions':3,'log_sampling':false}");
    static const EncodeBlock d[] = {{0, 2, false}, {2, 2, true}, {4, 1, false}, {5, 1, true}};
    static const EncodeBlock g[] = {{0, 11, false},
                                    {11, 1, true}}; /* z, d, e; a block cannot begin before d */
    const Layer *of_d = &model->discriminator.layers[0], *of_g = &model->generator.layers[0];
    assert_int_equal(of_d->block_count, 4);
    assert_memory_equal(of_d->blocks, d, sizeof d);
    assert_int_equal(of_g->block_count, 2);
    assert_memory_equal(of_g->blocks, g, sizeof g);
    const double frequencies[] = {1, 2.5, 4};
    assert_memory_equal(of_d->frequencies, frequencies, sizeof frequencies);
    model = model_of("'model':'v4','keys':'a b','positional_encoding':'a 1'");
    const double powers[] = {1, 2, 4};
    assert_memory_equal(model->discriminator.layers[0].frequencies, powers, sizeof powers);
    assert_false(model->discriminator.layers[0].include_input);
}

static void bounds_columns(void **state)
{
    (void)state;
    const Model *model = model_of("'keys':'X Y c','cond_keys':'c','constraints':{'Y':[-1,'2']}");
    const Layer *clamp = &model->generator.layers[model->generator.layer_count - 1];
    assert_int_equal(clamp->kind, LAYER_CLAMP);
    assert_true(clamp->lower[0] == -9999 && clamp->upper[0] == 9999);
    assert_true(clamp->lower[1] == -1 && clamp->upper[1] == 2);
}

/* ---------------------------------------------------------------- loss and penalty */

static void knows_every_penalty(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        PenaltyKind kind;
        NormKind norm;
        PenaltyShape shape;
    } cases[] = {
        {"no_penalty", PENALTY_NONE, 0, 0},
        {"zero_penalty", PENALTY_NONE, 0, 0},
        {"clamp", PENALTY_CLAMP, 0, 0},
        {"clamp_penalty", PENALTY_CLAMP, 0, 0},
        {"GP_L2_LS", PENALTY_GRADIENT, NORM_L2, PHI_LS},
        {"gradient_penalty", PENALTY_GRADIENT, NORM_L2, PHI_LS},
        {"GP_SquareHinge", PENALTY_GRADIENT, NORM_L2, PHI_SQUARE_HINGE},
        {"gradient_penalty_max", PENALTY_GRADIENT, NORM_L2, PHI_SQUARE_HINGE},
        {"GP_0GP", PENALTY_GRADIENT, NORM_L2, PHI_ZERO_CENTRED},
        {"gradient_penalty_centered", PENALTY_GRADIENT, NORM_L2, PHI_ZERO_CENTRED},
        {"GP_L2_Hinge", PENALTY_GRADIENT, NORM_L2, PHI_HINGE},
        {"GP_L1_LS", PENALTY_GRADIENT, NORM_L1, PHI_LS},
        {"GP_L1_Hinge", PENALTY_GRADIENT, NORM_L1, PHI_HINGE},
        {"gradient_penalty_linf_hinge", PENALTY_GRADIENT, NORM_L1, PHI_HINGE},
        {"gradient_penalty_linf_hinge_abs", PENALTY_GRADIENT, NORM_L1, PHI_HINGE},
        {"GP_Linf_LS", PENALTY_GRADIENT, NORM_LINF, PHI_LS},
        {"GP_Linf_Hinge", PENALTY_GRADIENT, NORM_LINF, PHI_HINGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Model *model =
            model_of(arena_printf("'keys':'X','penalty':'%s','penalty_weight':3", cases[i].name));
        assert_int_equal(model->penalty, cases[i].kind);
        assert_int_equal(model->penalty_norm, cases[i].norm);
        assert_int_equal(model->penalty_shape, cases[i].shape);
        assert_true(model->penalty_weight == (cases[i].kind == PENALTY_GRADIENT ? 3 : 0));
    }
}

static void type_names_loss_and_penalty(void **state)
{
    (void)state;
    const Model *model = model_of("'keys':'X','type':'wasserstein','gp_weight':0.1");
    assert_true(model->loss == LOSS_WASSERSTEIN && model->penalty == PENALTY_CLAMP);
    model = model_of("'keys':'X','type':'gradient_penalty','gp_weight':0.1");
    assert_true(model->loss == LOSS_WASSERSTEIN && model->penalty == PENALTY_GRADIENT);
    assert_true(model->penalty_shape == PHI_SQUARE_HINGE && model->penalty_weight == 0.1);
    model = model_of("'keys':'X','type':'non-saturating-bce'");
    assert_true(model->loss == LOSS_BCE && model->penalty == PENALTY_NONE && !model->loss_on_logit);
    model = model_of("'keys':'X','type':'wasserstein','penalty_type':'zero_penalty'");
    assert_int_equal(model->penalty, PENALTY_NONE);
}

static void fixed_and_compatible_meanings(void **state)
{
    (void)state;
    const char *body =
        "'keys':'X c','cond_keys':'c','loss':'non-saturating-bce','label_smoothing':'0.2',"
        "'r_instance_noise_sigma':0.5,'f_instance_noise_sigma':-1,'z_rand_type':'%s','compat':%s";
    const Model *fixed = model_of(arena_printf(body, "uniform", "false"));
    assert_true(fixed->noise_real == 0.5 && fixed->noise_fake == 0 &&
                fixed->label_smoothing == 0.2);
    assert_true(!fixed->labels_drawn_once && fixed->z_uniform && fixed->sample_z_uniform);
    const Model *compat = model_of(arena_printf(body, "uniform", "true"));
    assert_true(compat->noise_real == 0.25 && compat->noise_fake == 0);
    assert_true(compat->labels_drawn_once && !compat->z_uniform && !compat->sample_z_uniform);
    compat = model_of(arena_printf(body, "rand", "true"));
    assert_true(compat->z_uniform && !compat->sample_z_uniform);
}

/* ---------------------------------------------------------------- training */

static void reads_optimisers(void **state)
{
    (void)state;
    const Model *model = model_of(
        "'keys':'X','optimiser':'adam','d_learning_rate':'2e-3','g_learning_rate':1e-3,'beta_1':'0."
        "5',"
        "'beta_2':0.9,'d_weight_decay':'0.5','g_weight_decay':0.25,'RMSProp_d_weight_decay':7");
    const Optimiser *d = &model->d_optimiser, *g = &model->g_optimiser;
    assert_true(d->kind == OPT_ADAM && d->rate == 2e-3 && d->beta1 == 0.5 && d->beta2 == 0.9);
    assert_true(d->weight_decay == 0.5 && g->weight_decay == 0.25 && g->rate == 1e-3 &&
                d->epsilon == 1e-8);
    model = model_of(
        "'keys':'X','optimiser':'RMSprop','RMSprop_d_momentum':0.5,'RMSProp_g_momentum':0.25,"
        "'RMSProp_d_alpha':0.9,'RMSProp_g_weight_decay':0.1,'RMSProp_g_centered':'true',"
        "'d_weight_decay':3");
    d = &model->d_optimiser;
    g = &model->g_optimiser;
    assert_true(d->kind == OPT_RMSPROP && d->momentum == 0.5 && g->momentum == 0.25);
    assert_true(d->alpha == 0.9 && g->alpha == 0.99 && d->weight_decay == 0 &&
                g->weight_decay == 0.1);
    assert_true(!d->centered && g->centered);
    model =
        model_of("'keys':'X','optimiser':'SGD','d_weight_decay':3,'schedule_learning_rate_step':5,"
                 "'schedule_learning_rate_gamma':0.5");
    assert_true(model->d_optimiser.kind == OPT_SGD && model->d_optimiser.weight_decay == 0);
    assert_true(model->schedule_step == 5 && model->schedule_gamma == 0.5);
}

static void reads_what_is_kept(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int64_t start, every, last, log_every;
    } cases[] = {
        {"'keys':'X'", 0, 0, 0, 0},
        {"'keys':'X','dump_epoch_start':10,'dump_epoch_every':5000,'dump_last_n_epoch':3", 10, 5000,
         3, 0},
        {"'keys':'X','epoch_store_model_every':500,'epoch_dump':100", 0, 500, 0, 100},
        {"'keys':'X','epoch_store_model_every':-1,'epoch_dump':-1", 0, 0, 0, 0},
        {"'keys':'X','epoch_store_model_every':0,'dump_last_n_epoch':-1", 0, 0, 0, 0},
        {"'keys':'X','dump_last_n_epoch':4", 0, INT64_MAX, 4, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Model *model = model_of(cases[i].body);
        assert_int_equal(model->store_start, cases[i].start);
        assert_int_equal(model->store_every, cases[i].every);
        assert_int_equal(model->store_last, cases[i].last);
        assert_int_equal(model->log_every, cases[i].log_every);
    }
}

/* The option text of December 2019, which gives neither networks nor loss nor optimiser. */
static void option_text_runs_unchanged(void **state)
{
    (void)state;
    const Model *model = model_of(
        "'#': 'adam optimiser', 'd_weight_decay': 0.5, 'g_weight_decay': 0.5, '#': 'noise',"
        "'r_instance_noise_sigma': 0, 'f_instance_noise_sigma': 0, 'beta_1': '0.9', 'beta_2': "
        "'0.999',"
        "'d_learning_rate': 1e-4, 'g_learning_rate': 1e-4, 'd_nb_update': 2, 'g_nb_update': 1,"
        "'epoch': 80000, 'batch_size': 1000, '#label_smoothing': 0.2, 'keys': 'X dY',"
        "'gpu_mode': 'auto', 'dump_epoch_start': 0, 'dump_epoch_every': 5000, 'dump_last_n_epoch': "
        "0");
    assert_string_equal(describe_net(&model->generator),
                        "6 fc0k:400 relu fc1k:400 relu fc2k:400 relu fc3k:400 sigmoid fc4k:2");
    assert_true(model->iterations == 80000 && model->passes == 0 && model->batch_size == 1000);
    assert_true(model->d_updates == 2 && model->g_updates == 1 && model->store_every == 5000);
    assert_true(model->loss == LOSS_WASSERSTEIN && model->penalty == PENALTY_CLAMP);
    assert_true(model->clamp_lower == -0.01 && model->clamp_upper == 0.01);
    assert_true(model->label_smoothing == 0 && model->noise_real == 0 && !model->z_uniform);
    assert_true(model->ema_decay == 0.999 && model->normalisation == NORMALISE_STD &&
                model->shuffle);
    assert_string_equal(model->keys[1], "dY");
    assert_string_equal(model->device, "auto");
}

static void gives_the_lines_of_sizes(void **state)
{
    (void)state;
    const Model *model =
        model_of("'g_dim':5,'keys':'X c','batch_size':'50','z_dim':3,'cond_keys':'c',"
                 "'d_layers':1,'g_layers':2");
    static const struct {
        const char *letter;
        int value;
        const char *text;
    } lines[] = {
        {"GH", 5, "\"g_dim\":5"},           {"X", 2, "\"keys\":\"X c\""},
        {"B", 50, "\"batch_size\":\"50\""}, {"Z", 3, "\"z_dim\":3"},
        {"C", 1, "\"cond_keys\":\"c\""},    {"DL", 1, "\"d_layers\":1"},
        {"GL", 2, "\"g_layers\":2"},        {"DH", 400, NULL},
    };
    assert_int_equal(model->line_count, 8);
    for (int i = 0; i < 8; i++) {
        const ConfigLine *line = &model->lines[i];
        assert_string_equal(line->letter, lines[i].letter);
        assert_int_equal(line->value, lines[i].value);
        assert_int_equal(line->span.source == NULL, lines[i].text == NULL);
        if (lines[i].text != NULL) {
            assert_int_equal(line->span.end - line->span.begin, strlen(lines[i].text));
            assert_memory_equal(model->source->text + line->span.begin, lines[i].text,
                                strlen(lines[i].text));
        }
    }
}

/* ---------------------------------------------------------------- spellings and the hash */

static void spellings_mean_the_same(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"'loss':'wasserstein','model':'v1'", "'loss_type':'wasserstein'"},
        {"'penalty':'GP_0GP','model':'v1','penalty_weight':2",
         "'penalty_type':'gradient_penalty_centered','gp_weight':'2'"},
        {"'loss':'non-saturating-bce'", "'loss':'non_saturating_bce'"},
        {"'loss':'non-saturating-bce'", "'loss':'non-saturating'"},
        {"'activation':'leaky_relu','model':'v1'", "'leaky_relu':false"},
        {"'activation':'leaky_relu'", "'activation':'my_leaky_relu'"},
        {"'z_rand_type':'rand'", "'z_rand':'uniform'"},
        {"'z_rand_type':'rand'", "'z_rand_type':'uniform'"},
        {"'z_rand_type':'randn'", "'z_rand':'normal'"},
        {"'d_dim':20", "'d_dim':' 20.0 '"},
        {"'d_learning_rate':0.0004", "'d_learning_rate':'4e-4'"},
        {"'batch_size':10000", "'batch_size':1e4"},
        {"'spectral_norm':true", "'spectral_norm':'True'"},
        {"'RMSprop_d_momentum':0.5,'RMSProp_d_centered':true",
         "'RMSProp_d_momentum':'0.5','RMSprop_d_centered':true"},
        {"'cond_keys':'Y'", "'cond_keys':['Y']"},
        {"'seed':1,'epoch':5,'epoch_dump':3,'gpu_mode':'true'",
         "'seed':'2','iterations':9,'gpu_mode':false"},
        {"'passes':5", "'start_from':'a.safetensors','dump_epoch_every':7,'model':'v3'"},
        {"'clamp_upper':0.01", "'#clamp_upper':0.02"},
        {"'penalty':'no_penalty','penalty_weight':7", "'penalty':'zero_penalty'"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const Model *a = model_of(arena_printf("'keys':'X Y',%s", pairs[i][0]));
        const Model *b = model_of(arena_printf("'keys':['X','Y'],%s", pairs[i][1]));
        if (a->hash != b->hash) {
            fail_msg("%s and %s differ", pairs[i][0], pairs[i][1]);
        }
    }
}

static void the_hash_sees_every_difference(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "'keys':'X Y'",
        "'keys':'Y X'",
        "'keys':'XY'",
        "'keys':'X Y','cond_keys':'Y'",
        "'keys':'X Y','d_dim':401",
        "'keys':'X Y','g_dim':401",
        "'keys':'X Y','z_dim':7",
        "'keys':'X Y','d_layers':2",
        "'keys':'X Y','g_layers':2",
        "'keys':'X Y','model':'v1'",
        "'keys':'X Y','activation':'leaky_relu'",
        "'keys':'X Y','layer_norm':true",
        "'keys':'X Y','spectral_norm':true",
        "'keys':'X Y','model':'v4','positional_encoding':'X 1'",
        "'keys':'X Y','model':'v4','positional_encoding':'X 2'",
        "'keys':'X Y','loss':'hinge'",
        "'keys':'X Y','loss':'non-saturating-bce'",
        "'keys':'X Y','loss':'non-saturating-bce','label_smoothing':0.1",
        "'keys':'X Y','penalty':'no_penalty'",
        "'keys':'X Y','penalty':'GP_L1_LS','penalty_weight':1",
        "'keys':'X Y','penalty':'GP_L1_LS','penalty_weight':2",
        "'keys':'X Y','clamp_upper':0.02",
        "'keys':'X Y','r_instance_noise_sigma':1",
        "'keys':'X Y','f_instance_noise_sigma':1",
        "'keys':'X Y','z_rand_type':'rand'",
        "'keys':'X Y','optimiser':'SGD'",
        "'keys':'X Y','optimiser':'adam'",
        "'keys':'X Y','optimiser':'adam','beta_1':0.5",
        "'keys':'X Y','optimiser':'adam','beta_2':0.5",
        "'keys':'X Y','optimiser':'adam','d_weight_decay':0.5",
        "'keys':'X Y','d_learning_rate':1",
        "'keys':'X Y','g_learning_rate':1",
        "'keys':'X Y','RMSProp_d_alpha':0.5",
        "'keys':'X Y','RMSProp_g_centered':true",
        "'keys':'X Y','schedule_learning_rate_step':5,'schedule_learning_rate_gamma':0.5",
        "'keys':'X Y','d_nb_update':3",
        "'keys':'X Y','g_nb_update':3",
        "'keys':'X Y','batch_size':10",
        "'keys':'X Y','shuffle':false",
        "'keys':'X Y','ema_decay':0",
        "'keys':'X Y','normalisation':'blend'",
        "'keys':'X Y','constraints':{'X':[0,1]}",
        "'keys':'X Y','constraints':{'Y':[0,1]}",
    };
    enum { COUNT = sizeof bodies / sizeof bodies[0] };
    uint64_t hashes[COUNT];
    for (int i = 0; i < COUNT; i++) {
        hashes[i] = model_of(bodies[i])->hash;
        for (int k = 0; k < i; k++) {
            if (hashes[k] == hashes[i]) {
                fail_msg("%s and %s have the same hash", bodies[k], bodies[i]);
            }
        }
    }
}

static void body_model(const void *body) { model_of(body); }

static void seeds_are_exact(void **state)
{
    (void)state;
    assert_true(model_of("'keys':'X','seed':'18446744073709551615'")->seed == UINT64_MAX);
    assert_true(model_of("'keys':'X','seed':9007199254740992")->seed == 9007199254740992u);
    static const char *const wrong[] = {"-1", "1.5",  "'1e3'", "'18446744073709551616'",
                                        "''", "true", "1e300"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        Outcome outcome = run_child(body_model, arena_printf("'keys':'X','seed':%s", wrong[i]));
        assert_int_equal(outcome.status, EXIT_INVALID);
    }
}

/* ---------------------------------------------------------------- overrides */

typedef struct OverrideCase {
    const char *body;
    Override overrides[2];
    const char *message; /* NULL: accepted */
} OverrideCase;

static Model *overridden(const OverrideCase *c)
{
    int count = (c->overrides[0].key != NULL) + (c->overrides[1].key != NULL);
    Model *model = read_gaga(parse(c->body), c->overrides, count);
    model_check(model);
    return model;
}

static void read_overridden(const void *c) { overridden(c); }

static void overrides_replace_keys(void **state)
{
    (void)state;
    const Model *model = overridden(&(OverrideCase){
        "'keys':'X Y','d_dim':'wrong','epoch':7", {{"d_dim", "16"}, {"passes", "3"}}, NULL});
    assert_true(model->discriminator.layers[0].size == 16 && model->passes == 3 &&
                model->iterations == 0);
    model = overridden(&(OverrideCase){"'keys':'X Y','penalty_weight':1,'penalty':'GP_0GP'",
                                       {{"gp_weight", "10.0"}, {"keys", "[\"a b\"]"}},
                                       NULL});
    assert_true(model->penalty_weight == 10 && model->x_dim == 1);
    assert_string_equal(model->keys[0], "a b");
    assert_string_equal(
        describe_net(&model->generator), /* an override does not change the era: v3 */
        "6 fc0k:400 relu fc1k:400 relu fc2k:400 relu fc3k:400 relu fc4k:1");
    model = overridden(&(OverrideCase){
        "'keys':'X','type':'wasserstein'", {{"loss", "hinge"}, {"d_dim", "5"}}, NULL});
    assert_int_equal(model->loss, LOSS_HINGE);
    model = overridden(&(OverrideCase){"'keys':'X'", {{"d_dim", "5"}, {"d_dim", "6"}}, NULL});
    assert_int_equal(model->discriminator.layers[0].size, 6);
}

static void wrong_overrides_name_themselves(void **state)
{
    (void)state;
    static const OverrideCase cases[] = {
        {"'keys':'X'",
         {{"d_dim", "0"}},
         "-p d_dim=0: error: `d_dim` must be from 1 to 1048576, not 0\n"},
        {"'keys':'X'",
         {{"d_dim", "x\n"}},
         "-p d_dim=x\\x0a: error: `d_dim` takes a whole number, not \"x\\x0a\"\n"},
        {"'keys':'X'",
         {{"d_dmi", "5"}},
         "-p d_dmi=5: error: unknown option `d_dmi`\nhint: did you mean `d_dim`?\n"},
        {"'keys':'X'", {{"loss", "w"}}, "-p loss=w: error: unknown loss `w`\n"},
        {"'keys':'X'",
         {{"passes", "2"}, {"epoch", "2"}},
         "-p passes=2: error: `passes` and `epoch`"},
        {"'keys':'X'",
         {{"constraints", "{\"X\": [1]}"}},
         "-p constraints={\"X\": [1]}:1:7: error: a constraint is a list of two numbers\n"},
        {"'keys':'X'", {{"keys", "[X]"}}, "-p keys=[X]:1:2: error: expected a value, not `X`\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Outcome outcome = run_child(read_overridden, &cases[i]);
        assert_int_equal(outcome.status, EXIT_INVALID);
        if (strstr(outcome.text, cases[i].message) == NULL) {
            fail_msg("expected %s, got %s", cases[i].message, outcome.text);
        }
    }
}

/* ---------------------------------------------------------------- the reference */

typedef struct Row {
    const char *spelling, *option, *fallback;
} Row;

/* docs/gaga.md has a table row for each option, with its default, and names every other spelling.
 */
static void the_reference_has_every_option(void **state)
{
    (void)state;
    static const Row rows[] = {
#define OPTION(name, kind, fallback, low, high, era, flags) {#name, NULL, fallback},
#define ALIAS(spelling, name, era) {#spelling, #name, NULL},
#include "gaga_keys.def"
#undef OPTION
#undef ALIAS
    };
    const char *tests = getenv("GAGAC_TESTS");
    if (tests == NULL) {
        skip(); /* started by hand, not by ctest */
    }
    const char *text = source_read(arena_printf("%s/../docs/gaga.md", tests))->text;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *option = rows[i].option != NULL ? rows[i].option : rows[i].spelling;
        const char *line = strstr(text, arena_printf("\n| `%s`", option));
        if (line == NULL) {
            fail_msg("docs/gaga.md has no row for %s", option);
            return;
        }
        const char *row = arena_copy(line + 1, strcspn(line + 1, "\n"));
        const char *said = rows[i].option != NULL ? rows[i].spelling : rows[i].fallback;
        if (said != NULL && said[0] != '\0' && strstr(row, arena_printf("`%s`", said)) == NULL) {
            fail_msg("the row of %s in docs/gaga.md lacks `%s`", option, said);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_networks_of_every_model),
        cmocka_unit_test(counts_parameters),
        cmocka_unit_test(cuts_columns_into_blocks),
        cmocka_unit_test(bounds_columns),
        cmocka_unit_test(knows_every_penalty),
        cmocka_unit_test(type_names_loss_and_penalty),
        cmocka_unit_test(fixed_and_compatible_meanings),
        cmocka_unit_test(reads_optimisers),
        cmocka_unit_test(reads_what_is_kept),
        cmocka_unit_test(option_text_runs_unchanged),
        cmocka_unit_test(gives_the_lines_of_sizes),
        cmocka_unit_test(spellings_mean_the_same),
        cmocka_unit_test(the_hash_sees_every_difference),
        cmocka_unit_test(seeds_are_exact),
        cmocka_unit_test(overrides_replace_keys),
        cmocka_unit_test(wrong_overrides_name_themselves),
        cmocka_unit_test(the_reference_has_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
