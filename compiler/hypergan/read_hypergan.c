/* read_hypergan.c -- what a HyperGAN config means: JSON of three generations to a Model.
 *
 * Class paths are read by their last part, so a class that moved between packages is found. What
 * cannot be compiled is named with the reason. */
#include "hypergan.h"

#include "hash.h"

#include <limits.h>
#include <math.h>
#include <string.h>

enum { MAX_SIDE = 4096, MAX_BATCH = 65536, MAX_LATENT = 65536 };

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

Option element_option(const Json *json)
{
    Option option = {.given = true, .json = json, .span = json->span};
    option.numeric = json->kind == JSON_NUMBER;
    option.number = json->number;
    option.text = json->kind == JSON_STRING ? json->string : NULL;
    return option;
}

int count_elements(const Json *list)
{
    int count = 0;
    for (const Json *item = list->child; item != NULL; item = item->next)
        count++;
    return count;
}

const Json *list_member(const Json *object, const char *key)
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
        if (!isfinite(latent.most - latent.least))
            fail_at(json->span, NULL, "`min` and `max` are too far apart");
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

void check_keys(const Json *object, const char *known, const char *what)
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
    "layer_regularizer l2_scale linear_type heads subnets relational groupsort_n "
    "double_sided_activation "
    "bipolar_activation trelu_activation frelu_activation dtype activation filter stride avg_pool "
    "final_features improved noise final_depth max_depth initial_dimensions block "
    "final_activation adaptive_instance_norm adaptive_instance_norm_layers "
    "adaptive_instance_norm_last_layer encoder decoder distance";

static const Component *copy_component(Component component)
{
    Component *copy = arena_alloc(sizeof *copy);
    *copy = component;
    return copy;
}

static Component read_component(const Json *json, const char *name, const char *tag, Option class,
                                ComponentKind fallback);

/* The network that the layer `relational` applies to pairs of cells. */
static const Component *read_relational(const Json *json, const char *tag)
{
    const Json *own = json_member(json, "relational");
    if (own == NULL || own->kind == JSON_NULL)
        return NULL;
    if (own->kind != JSON_OBJECT)
        fail_at(own->span, NULL, "`relational` must be an object");
    Component c =
        read_component(own, "relational", tag, json_option(own, "class"), COMPONENT_CONFIGURABLE);
    if (c.kind != COMPONENT_CONFIGURABLE)
        fail_at(own->span, "ConfigurableDiscriminator, or no class",
                "`relational` must be a network of layers");
    return copy_component(c);
}

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
    c.relational = read_relational(json, tag);
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

/* reduce_linear of 0.8: what D gives goes through a learned linear layer to one number. */
static void add_linear_reduction(Hyper *h)
{
    Lines *lines = &h->discriminator.lines;
    if (h->loss.reduce != REDUCE_LINEAR)
        return;
    if (h->discriminator.kind != COMPONENT_CONFIGURABLE)
        fail_at(h->loss.span, "write the discriminator as layers",
                "`reduce_linear` adds a layer to a discriminator of layers");
    Line *items = arena_alloc(((size_t)lines->count + 1) * sizeof *items);
    if (lines->count > 0)
        memcpy(items, lines->items, (size_t)lines->count * sizeof *items);
    items[lines->count++] = line_from_text("linear 1 activation=null", h->loss.span);
    lines->items = items;
    h->loss.reduce = REDUCE_MEAN;
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
    h->loss = read_loss(MEMBER(root, "loss", "loss"), options->strict);
    add_linear_reduction(h);
    h->trainer = read_trainer(MEMBER(root, "trainer", "trainer"));
    model->source = root->span.source;
    fill_model(model, h, root, options);
    model->discriminator = (Net){.name = "discriminator", .tag = "D"};
    model->generator = (Net){.name = "generator", .tag = "G"};
    model->hash = hash_hyper(model, root, options);
    return model;
}
