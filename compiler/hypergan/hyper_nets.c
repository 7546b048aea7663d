/* hyper_nets.c -- components as a whole: configurable ones and the built-in classes, which are
 * written here as lines of the layer language; and the latent's projections. */
#include "hypergan.h"

#include <math.h>
#include <string.h>

/* ---------------------------------------------------------------- built-in classes */
static const char *activation_word(const Network *n, const char *fallback)
{
    Option option = component_option(n, "activation");
    return option.given && option.text != NULL ? class_symbol(option) : fallback;
}

static Flow regularise(Network *n, Flow x)
{
    Option option = json_option(n->component->json, "layer_regularizer");
    if (!option.given)
        return x;
    const char *word = class_symbol(option);
    bool batch = word != NULL && strncmp(word, "batch_norm", 10) == 0;
    if (!batch && (word == NULL || strncmp(word, "layer_norm", 10) != 0))
        return x; /* convolve() knows the others */
    return apply_text(n, batch ? "batch_norm" : "layer_norm", x);
}

static Flow activate_component(Network *n, Flow x, const char *fallback)
{
    Option word = {.given = true, .text = activation_word(n, fallback)};
    return activate(n, x, word);
}

/* 64 x 64 whatever the images' size. */
static Flow dcgan_generator(Network *n, Flow x)
{
    static const int channels[] = {512, 256, 128};
    x = apply_text(n, arena_printf("linear 4*4*1024 activation=%s", activation_word(n, "lrelu")),
                   x);
    for (int k = 0; k < 3; k++) {
        x = apply_text(n, arena_printf("deconv %d filter=5 stride=2 activation=null", channels[k]),
                       x);
        x = activate_component(n, regularise(n, x), "lrelu");
    }
    x = apply_text(
        n, arena_printf("deconv %d filter=5 stride=2 activation=null", n->pass->hyper->channels),
        x);
    return activate(n, regularise(n, x), (Option){.given = true, .text = "tanh"});
}

static Flow dcgan_discriminator(Network *n, Flow x)
{
    bool improved = option_switch(component_option(n, "improved"));
    Option noise = component_option(n, "noise");
    int features = option_integer(component_option(n, "final_features"), 1, 1, "final_features");
    if (noise.given) {
        Flow draws = draw_noise(n, x, false);
        double scale = option_number(noise, 0, "noise");
        for (int i = 0; i < x.count; i++)
            x.slabs[i] = add(n->g, x.slabs[i], node_scale(n->g, draws.slabs[i], scale));
    }
    for (int k = 0; k < 4; k++) {
        x = apply_text(n, arena_printf("conv %d filter=3 stride=2 activation=null", 64 << k), x);
        if (k > 0 || improved)
            x = regularise(n, x);
        x = activate_component(n, x, "lrelu");
    }
    x = apply_text(n, arena_printf("linear %d bias=false activation=null", features), x);
    return improved ? activate_component(n, regularise(n, x), "lrelu") : x;
}

typedef struct ResizablePlan {
    int height, width, depth, steps; /* of the first map; doublings of it */
    bool styled;
} ResizablePlan;

static ResizablePlan plan_resizable(Network *n)
{
    const Hyper *h = n->pass->hyper;
    const Json *first = json_member(n->component->json, "initial_dimensions");
    ResizablePlan plan = {.height = 4, .width = 4};
    if (first != NULL && first->kind == JSON_ARRAY && first->child != NULL &&
        first->child->next != NULL) {
        plan.height = (int)first->child->number;
        plan.width = (int)first->child->next->number;
        if (plan.height < 1 || plan.width < 1 || plan.height > 4096 || plan.width > 4096)
            fail_at(first->span, NULL, "`initial_dimensions` must be two sizes from 1 to 4096");
    }
    Option depth = component_option(n, "final_depth"), most = component_option(n, "max_depth");
    if (!depth.given)
        fail_at(n->component->json->span, "for example \"final_depth\": 32",
                "a ResizableGenerator needs `final_depth`");
    plan.depth = option_integer(depth, 32, 1, "final_depth");
    int limit = option_integer(most, 512, 1, "max_depth");
    int sides[2] = {plan.height, plan.width};
    while (sides[0] < h->height || sides[1] < h->width) {
        sides[0] *= 2;
        sides[1] *= 2;
        plan.steps++;
    }
    for (int k = 1; k < plan.steps; k++)
        plan.depth = 2 * plan.depth < limit ? 2 * plan.depth : limit;
    plan.depth = plan.depth < limit ? plan.depth : limit;
    plan.styled = option_switch(component_option(n, "adaptive_instance_norm"));
    return plan;
}

/* The depth after k of the plan's blocks, k from 0. */
static int depth_at(Network *n, ResizablePlan plan, int k)
{
    int limit = option_integer(component_option(n, "max_depth"), 512, 1, "max_depth");
    int depth = option_integer(component_option(n, "final_depth"), 32, 1, "final_depth");
    for (int i = k + 1; i < plan.steps; i++)
        depth = 2 * depth < limit ? 2 * depth : limit;
    return depth < limit ? depth : limit;
}

static const Word block_words[] = {{"deconv", 0, NULL},
                                   {"subpixel", 1, NULL},
                                   {"resize_conv", 2, NULL},
                                   {"bicubic_conv", 3, NULL},
                                   {"conv_depth_to_space", 4, NULL},
                                   {"conv_double", 5, NULL},
                                   {"conv_reshape", 6, NULL}};

/* The style is made of the latent beside the maps, which begin with the latent too. */
static void make_style(Network *n, Flow x)
{
    int count = option_integer(component_option(n, "adaptive_instance_norm_layers"), 2, 1,
                               "adaptive_instance_norm_layers");
    for (int k = 0; k < count && k < 64; k++)
        x = apply_text(n, "linear 512", x);
    name_flow(n, "w", x);
}

static Flow resizable_generator(Network *n, Flow x)
{
    const Hyper *h = n->pass->hyper;
    ResizablePlan plan = plan_resizable(n);
    const char *style = plan.styled ? " adaptive_instance_norm=w" : "";
    Option block = component_option(n, "block");
    const char *op = block_words[option_class(block, 0, WORDS(block_words), "block")].name;
    Option final = component_option(n, "final_activation");
    const char *last = final.given ? class_symbol(final) : "tanh";
    bool resizes = strcmp(op, "resize_conv") == 0;
    n->initializer = json_option(n->component->json, "initializer").given ? NULL : "stylegan";
    if (plan.styled)
        make_style(n, x);
    x = apply_text(n, arena_printf("linear %d*%d*%d%s", plan.height, plan.width, plan.depth, style),
                   x);
    n->initializer = "he_normal";
    for (int k = 0; k < plan.steps; k++) {
        bool ends = k == plan.steps - 1;
        const char *stride = strcmp(op, "deconv") == 0 ? "2" : "1";
        int channels = ends ? h->channels : depth_at(n, plan, k + 1);
        const char *size = ends && resizes ? arena_printf(" w=%d h=%d", h->height, h->width) : "";
        x = apply_text(n,
                       arena_printf("%s %d filter=3 avg_pool=1 stride=%s%s%s%s", op, channels,
                                    stride, style, ends ? " activation=null" : "", size),
                       x);
    }
    n->initializer = NULL;
    const int *dims = x.slabs[0]->type.dims;
    if (dims[1] != h->height || dims[2] != h->width)
        x = apply_text(n, arena_printf("crop %d %d %d", h->height, h->width, h->channels), x);
    return activate(n, x, (Option){.given = true, .text = last});
}

static Flow apply_kind(Network *n, Flow x);

static void fail_sizes(const Network *n, Flow x, const Hyper *h)
{
    const Type *type = &x.slabs[0]->type;
    Span span = n->component->json->span;
    if (type->rank == 3)
        fail_at(n->component->lines.count > 0
                    ? n->component->lines.items[n->component->lines.count - 1].span
                    : span,
                "-s WIDTHxHEIGHTxCHANNELS, or \"runtime\", says the size of the images",
                "the %s makes %d x %d x %d, the images have %d x %d x %d (height, width, channels)",
                n->component->name, type->dims[1], type->dims[2], type->dims[0], h->height,
                h->width, h->channels);
    fail_at(span, "the last layer must make a map", "the %s makes no image", n->component->name);
}

static void check_image(const Network *n, Flow x)
{
    const Hyper *h = n->pass->hyper;
    Type want = {.batch = true, .rank = 3, .dims = {h->channels, h->height, h->width}};
    if (!type_equal(&want, &x.slabs[0]->type))
        fail_sizes(n, x, h);
}

/* The distance, value by value, between what comes in and what comes back. */
static Flow autoencoder(Network *n, Flow x)
{
    static const Word distances[] = {{"l1_distance", 1, NULL}, {"l2_distance", 2, NULL}};
    const Component *whole = n->component;
    int power = option_class(json_option(whole->json, "distance"), 1, WORDS(distances), "distance");
    Flow in = x;
    n->component = whole->encoder;
    x = apply_kind(n, x);
    n->component = whole->decoder;
    x = apply_kind(n, x);
    check_image(n, x);
    n->component = whole;
    for (int i = 0; i < x.count; i++) {
        Node *way = subtract(n->g, in.slabs[i], x.slabs[i]);
        x.slabs[i] = power == 1 ? node_unary(n->g, OP_ABS, way) : square(n->g, way);
    }
    return x;
}

static Flow apply_kind(Network *n, Flow x)
{
    switch (n->component->kind) {
    case COMPONENT_CONFIGURABLE:
        return apply_lines(n, n->component->lines, x);
    case COMPONENT_DCGAN_GENERATOR:
        return dcgan_generator(n, x);
    case COMPONENT_DCGAN_DISCRIMINATOR:
        return dcgan_discriminator(n, x);
    case COMPONENT_RESIZABLE:
        return resizable_generator(n, x);
    case COMPONENT_AUTOENCODER:
        return autoencoder(n, x);
    }
    internal_error("a component of unknown kind");
}

Flow apply_component(Pass *pass, const Component *component, Flow x)
{
    Network n = {
        .pass = pass, .g = pass->g, .component = component, .tag = component->tag, .current = -1};
    x = apply_kind(&n, x);
    if (component->tag[0] == 'G')
        check_image(&n, x);
    return x;
}

/* ---------------------------------------------------------------- latent */
static const double tiny = 1e-12;

/* Box-Muller: the first half of the columns gives radii, the second angles. */
static Node *gaussian(Graph *g, Node *u)
{
    int half = u->type.dims[0] / 2;
    Node *unit = node_scale(g, node_shift(g, u, 1), 0.5);
    Node *a = node_slice(g, unit, 0, 0, half), *b = node_slice(g, unit, 0, half, half);
    Node *log_a = node_unary(g, OP_LOG, node_shift(g, a, tiny));
    Node *radius = node_unary(g, OP_SQRT, node_scale(g, log_a, -2));
    Node *angle = node_scale(g, b, 2 * 3.14159265358979323846);
    Node *cosine = multiply(g, radius, node_unary(g, OP_COS, angle));
    Node *sine = multiply(g, radius, node_unary(g, OP_SIN, angle));
    return node_concat(g, cosine, sine, 0);
}

static Node *on_sphere(Graph *g, Node *x)
{
    Node *length = node_unary(g, OP_SQRT, node_shift(g, sum_of_squares(g, x), tiny));
    return node_binary(g, OP_DIV, x, node_expand_to(g, length, x->type));
}

static Node *modal(Graph *g, const Latent *latent, Node *x)
{
    Node *steps = node_unary(g, OP_RINT, node_scale(g, x, latent->modes));
    return node_binary(g, OP_DIV, steps, node_constant(g, latent->modes, steps->type));
}

/* (2 / pi) asin(sin(2 pi u / periods)), a triangle wave: 1 - |((t + 1) mod 4) - 2| ... with
 * t = 4 u / periods, written with rint: asin(sin(pi t / 2)) 2 / pi = (-1)^k (t - 2k), k =
 * rint(t/2).
 */
static Node *periodic(Graph *g, const Latent *latent, Node *u)
{
    Node *turns = node_scale(g, u, 2 / latent->periods);
    Node *k = node_unary(g, OP_RINT, turns);
    Node *rest = node_scale(g, subtract(g, turns, k), 2);
    Node *half = node_scale(g, k, 0.5);
    Node *odd =
        node_scale(g, node_unary(g, OP_ABS, subtract(g, half, node_unary(g, OP_RINT, half))),
                   -4); /* 0, or -2 for odd k */
    return multiply(g, rest, node_shift(g, odd, 1));
}

static Node *noisy(Graph *g, Node *x, double scale, Node *of)
{
    return add(g, x, node_scale(g, gaussian(g, of), scale));
}

static Node *project(Graph *g, const Latent *latent, Projection kind, Node *u)
{
    switch (kind) {
    case PROJECT_IDENTITY:
        return u;
    case PROJECT_GAUSSIAN:
        return gaussian(g, u);
    case PROJECT_SPHERE:
        return on_sphere(g, gaussian(g, u));
    case PROJECT_MODAL:
        return modal(g, latent, u);
    case PROJECT_BINARY:
        return node_binary(g, OP_GREATER, u, node_constant(g, 0, u->type));
    case PROJECT_ZERO:
        return node_constant(g, 0, u->type);
    case PROJECT_MODAL_GAUSSIAN:
        return noisy(g, modal(g, latent, u), 0.1, u);
    case PROJECT_MODAL_SPHERE:
        return on_sphere(g, modal(g, latent, gaussian(g, u)));
    case PROJECT_MODAL_SPHERE_GAUSSIAN: {
        Node *s = on_sphere(g, modal(g, latent, gaussian(g, u)));
        return noisy(g, s, 0.01, s);
    }
    case PROJECT_PERIODIC:
        return periodic(g, latent, u);
    case PROJECT_PERIODIC_GAUSSIAN:
        return gaussian(g, periodic(g, latent, u));
    }
    internal_error("a projection of unknown kind");
}

/* One-hot of floor(u n): class k is u n >= k and not u n >= k + 1. */
static Node *one_hot(Graph *g, Node *u, int classes)
{
    Node *at = node_scale(g, u, classes), *result = NULL;
    Node *below = NULL;
    for (int k = 0; k < classes; k++) {
        Node *above =
            k + 1 < classes
                ? node_shift(
                      g,
                      negate(g, node_binary(g, OP_GREATER, node_constant(g, k + 1, at->type), at)),
                      1)
                : NULL; /* 1 where u n >= k + 1 */
        Node *hit = below == NULL ? node_constant(g, 1, at->type) : below;
        if (above != NULL)
            hit = subtract(g, hit, above);
        result = result ? node_concat(g, result, hit, 0) : hit;
        below = above;
    }
    return result;
}

Node *latent_sample(Graph *g, const Latent *latent, Node *draws)
{
    Node *sample = NULL;
    for (int k = 0; k < latent->category_count; k++) {
        Node *part = one_hot(g, node_slice(g, draws, 0, k, 1), latent->categories[k]);
        sample = sample ? node_concat(g, sample, part, 0) : part;
    }
    for (int k = 0; k < latent->projection_count; k++) {
        Node *part = project(g, latent, latent->projections[k], draws);
        sample = sample ? node_concat(g, sample, part, 0) : part;
    }
    return sample ? sample : draws;
}

int latent_size(const Latent *latent)
{
    int size = 0;
    for (int k = 0; k < latent->category_count; k++)
        size += latent->categories[k];
    size += latent->projection_count * latent->draws;
    return size > 0 ? size : latent->draws;
}
