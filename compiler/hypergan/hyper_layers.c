/* hyper_layers.c -- how a line becomes nodes: whose option counts, which tensors a line owns, and
 * the layers with weights. The order is always convolution, bias, average pool, normalisation by a
 * style, activation.
 *
 * Needs: parsed lines. Guarantees: names and shapes of parameters as in a replay file; applied
 * twice in a graph, the same tensors. The other layers are in hyper_ops.c. */
#include "hypergan.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

enum { MAX_MAP = 8192, MAX_CHANNELS = 65536, MAX_NODES = 400000 };

void fail_line(const Network *n, const char *hint, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fail_at(n->line != NULL ? n->line->span : (Span){0}, hint, "%s", text);
}

/* ---------------------------------------------------------------- options */
Option component_option(const Network *n, const char *key)
{
    Option option = json_option(n->component->json, key);
    return option.given ? option : json_option(n->component->defaults, key);
}

Option network_option(const Network *n, const char *key)
{
    Option option = line_option(n->line, key);
    return option.given ? option : component_option(n, key);
}

/* A size that is one number, or a list of two; *second is the list's second number. */
static int option_pair(Option option, int fallback, const char *what, int *second)
{
    *second = fallback;
    if (!option.given)
        return fallback;
    if (option.json == NULL || option.json->kind != JSON_ARRAY)
        return *second = option_integer(option, fallback, 1, what);
    const Json *first = option.json->child, *last = first != NULL ? first->next : NULL;
    if (last == NULL || last->next != NULL)
        fail_at(option.span, "for example [3, 3]", "`%s` must be one number or a list of two",
                what);
    Option numbers[2] = {{.given = true, .span = first->span}, {.given = true, .span = last->span}};
    const Json *values[2] = {first, last};
    int pair[2];
    for (int k = 0; k < 2; k++) {
        numbers[k].numeric = values[k]->kind == JSON_NUMBER;
        numbers[k].number = values[k]->number;
        pair[k] = option_integer(numbers[k], fallback, 1, what);
    }
    *second = pair[1];
    return pair[0];
}

/* Lists are width first for filter and stride, height first for avg_pool. */
ConvPlan plan_conv(Network *n)
{
    ConvPlan plan;
    plan.filter_w = option_pair(network_option(n, "filter"), 3, "filter", &plan.filter_h);
    plan.stride_w = option_pair(network_option(n, "stride"), 1, "stride", &plan.stride_h);
    plan.pool_h = option_pair(network_option(n, "avg_pool"), 1, "avg_pool", &plan.pool_w);
    return plan;
}

Option activation_of(Network *n) { return network_option(n, "activation"); }

int read_sizes(Network *n, Option option, int dims[3])
{
    int count = 0;
    const char *text = option.text, *begin = text;
    for (; option.given && text != NULL && count < 3; begin = text + 1) {
        size_t digits = strspn(begin, "0123456789");
        text = begin + digits;
        if (digits == 0 || digits > 7 || (*text != '*' && *text != '\0'))
            break;
        dims[count] = 0;
        for (size_t i = 0; i < digits; i++)
            dims[count] = dims[count] * 10 + (begin[i] - '0');
        if (dims[count++] == 0)
            break;
        if (*text == '\0')
            return count;
    }
    fail_at(option.given ? option.span : n->line->span, "for example 128, or 4*4*64",
            "a size is up to three numbers above 0 with * between them");
}

int line_channels(Network *n, Flow x)
{
    Option argument = line_argument(n->line, 0);
    int channels =
        argument.given ? option_integer(argument, 1, 1, "channels") : x.slabs[0]->type.dims[0];
    if (channels > MAX_CHANNELS)
        fail_at(argument.span, NULL, "more than %d channels", MAX_CHANNELS);
    return channels;
}

void expect_map(Network *n, Flow x)
{
    const Type *type = &x.slabs[0]->type;
    if (type->rank != 3)
        fail_line(n, "reshape h*w*c, or linear h*w*c, makes a map",
                  "this layer needs a map of height, width and channels; what comes in has %s",
                  type->rank == 0 ? "one number a sample" : "no height and width");
}

/* ---------------------------------------------------------------- tensors */
Node *pass_parameter(Pass *pass, Tensor *tensor)
{
    for (int k = 0; k < pass->value_count; k++)
        if (pass->g->tensors[k] == tensor && pass->values[k] != NULL)
            return pass->values[k];
    return node_parameter(pass->g, tensor);
}

static const char *field_name(const char *prefix, int number, const char *what)
{
    char *field = arena_printf("%s%d_%s", prefix, number, what);
    for (char *p = field; *p != '\0'; p++)
        *p = *p == '.' ? '_' : *p;
    return field;
}

/* Whether the present line names the tensor for the first time: it asks once a slab for some. */
static bool is_new(Network *n, const char *name)
{
    enum { MOST = sizeof n->owned / sizeof n->owned[0] };
    for (int i = 0; i < n->owned_count; i++)
        if (strcmp(n->owned[i], name) == 0)
            return false;
    n->owned[n->owned_count++ % MOST] = name;
    n->owned_count = n->owned_count > MOST ? MOST : n->owned_count;
    return true;
}

Tensor *own_tensor(Network *n, const char *what, Tensor tensor)
{
    Graph *g = n->g;
    if (n->current < 0)
        n->current = n->next++;
    tensor.name = arena_printf("%s.%d.%s", n->tag, n->current, what);
    if (tensor.role == ROLE_PARAMETER && is_new(n, tensor.name))
        n->parameters += type_size(&tensor.type);
    for (int k = 0; k < g->tensor_count; k++)
        if (strcmp(g->tensors[k]->name, tensor.name) == 0)
            return g->tensors[k];
    tensor.group =
        arena_printf("%c%s", n->tag[0] | 0x20, tensor.role == ROLE_VECTOR ? "_vector" : "");
    tensor.field = field_name("layer", n->current, what);
    tensor.label = arena_printf("%s layer %d %s", n->tag[0] == 'D' ? "discriminator" : "generator",
                                n->current, what);
    tensor.frozen = n->frozen;
    tensor.span = n->line != NULL ? n->line->span : (Span){0};
    tensor.line = n->line != NULL ? line_option(n->line, "name").text : NULL;
    tensor.what = what;
    return graph_tensor(g, tensor);
}

Node *own(Network *n, const char *what, Type type, Initialiser init, double scale)
{
    Tensor tensor = {.type = type, .init = init, .scale = scale};
    return pass_parameter(n->pass, own_tensor(n, what, tensor));
}

void own_end(Network *n) { n->current = -1; }

typedef enum Init { INIT_HE, INIT_XAVIER, INIT_RANDOM, INIT_ORTHO, INIT_STYLE } Init;
static const Word init_words[] = {
    {"he_normal", INIT_HE, NULL},     {"xavier", INIT_XAVIER, NULL},
    {"glorot", INIT_XAVIER, NULL},    {"random_normal", INIT_RANDOM, NULL},
    {"orthogonal", INIT_ORTHO, NULL}, {"stylegan", INIT_STYLE, NULL}};

/* StyleGAN's: the stored weight is larger by 1 / lrmul and made smaller where it is used, so that
 * its learning rate is lower. */
static Node *own_styled(Network *n, const char *what, Type type)
{
    double gain = option_number(network_option(n, "gain"), sqrt(2), "gain");
    double lrmul = option_number(network_option(n, "lrmul"), 0.01, "lrmul");
    bool scaled = option_switch(network_option(n, "w_scale"));
    double he = gain / sqrt((double)type_size(&type) / type.dims[type.rank - 1]);
    Node *stored = own(n, what, type, INIT_GAUSSIAN, scaled ? 1 / lrmul : he / lrmul);
    return node_scale(n->g, stored, scaled ? he * lrmul : lrmul);
}

Node *own_weight(Network *n, const char *what, Type type, int fan_in, int fan_out, Option init)
{
    const double truncation = 0.87962566103423978; /* deviation of N(0,1) within +-2 */
    double scale = n->pass->hyper->strict ? 2 : 1;
    if (!init.given && n->initializer != NULL)
        init = (Option){.given = true, .text = n->initializer};
    switch ((Init)option_class(init, INIT_HE, WORDS(init_words), "initializer")) {
    case INIT_HE:
        return own(n, what, type, INIT_TRUNCATED_NORMAL, sqrt(scale / fan_in) / truncation);
    case INIT_XAVIER:
        return own(n, what, type, INIT_UNIFORM_BOUND, sqrt(6.0 / (fan_in + fan_out)));
    case INIT_RANDOM:
        return own(n, what, type, INIT_GAUSSIAN,
                   option_number(network_option(n, "random_stddev"), 0.02, "random_stddev"));
    case INIT_ORTHO:
        return own(n, what, type, INIT_ORTHOGONAL,
                   option_number(network_option(n, "orthogonal_gain"), 1, "orthogonal_gain"));
    case INIT_STYLE:
        return own_styled(n, what, type);
    }
    internal_error("an initialiser of unknown kind");
}

static Node *own_bias(Network *n, const char *prefix, int count)
{
    return own(n, arena_printf("%sbias", prefix), type_vector(false, count), INIT_ZERO, 0);
}

static bool wants_bias(Network *n) { return !option_is(line_option(n->line, "bias"), "false"); }

/* ---------------------------------------------------------------- inputs */
Node *step_input(Graph *g, Step *step, Input input)
{
    for (int k = 0; k < step->input_count; k++)
        if (strcmp(step->inputs[k]->name, input.name) == 0 && step->inputs[k]->part == input.part)
            return node_input(g, step->inputs[k]);
    return add_input(g, step, input);
}

/* The noise of a line, counted over both networks. */
Flow draw_noise(Network *n, Flow like, bool uniform)
{
    enum { STREAM_NOISE = 40, MAX_PARTS = 8 };
    int line = n->pass->noise_lines++;
    Flow noise = {.count = like.count};
    for (int i = 0; i < like.count; i++) {
        const Type *type = &like.slabs[i]->type;
        Input input = {.name = arena_printf("%s.%d", uniform ? "uniform" : "normal", line),
                       .kind = uniform ? INPUT_UNIFORM : INPUT_NORMAL,
                       .width = (int)type_size(type),
                       .stream = STREAM_NOISE + MAX_PARTS * line + i,
                       .every_pass = true,
                       .part = i,
                       .parts = like.count,
                       .low = uniform ? -1 : 0,
                       .high = uniform ? 1 : 0};
        if (type->rank == 3) {
            input.map[0] = type->dims[1];
            input.map[1] = type->dims[2];
            input.map[2] = type->dims[0];
        }
        Node *draws = step_input(n->g, n->pass->step, input);
        noise.slabs[i] = type_equal(&draws->type, type) ? draws : node_reshape(n->g, draws, *type);
    }
    return noise;
}

/* ---------------------------------------------------------------- names */
/* A name of another network stays behind the new one: a pass that goes on from there finds it. */
void name_flow(Network *n, const char *name, Flow flow)
{
    Pass *pass = n->pass;
    for (int i = 0; i < pass->name_count; i++)
        if (strcmp(pass->names[i].name, name) == 0 &&
            strcmp(pass->names[i].component, n->tag) == 0) {
            pass->names[i].flow = flow;
            return;
        }
    pass->names =
        arena_grow(pass->names, pass->name_count, &pass->name_capacity, sizeof *pass->names);
    pass->names[pass->name_count++] = (NamedFlow){name, n->tag, flow};
}

Flow find_flow(Network *n, Option name, Option source)
{
    const Pass *pass = n->pass;
    const char **names = arena_alloc(((size_t)pass->name_count + 1) * sizeof *names);
    const char *text = name.text != NULL ? name.text : "";
    if (option_is(source, "inputs")) {
        if (strcmp(text, "x") != 0 || pass->real.count == 0)
            fail_at(name.given ? name.span : n->line->span, NULL,
                    "src=inputs has the real images only, as name=x in the discriminator");
        return pass->real;
    }
    for (int i = pass->name_count - 1; i >= 0; i--) {
        names[i] = pass->names[i].name;
        if (strcmp(names[i], text) == 0)
            return pass->names[i].flow;
    }
    const char *near = nearest_word(text, names, (size_t)pass->name_count);
    fail_at(name.given ? name.span : n->line->span,
            near != NULL ? arena_printf("did you mean `%s`?", printable(near))
                         : "name=... on a line, or a line `identity ...`, names its output",
            "no layer before this one has the name `%s`", printable(text));
}

/* ---------------------------------------------------------------- joining */
static int node_axis(Network *n, const Type *type, int axis)
{
    if (type->rank == 3)
        return axis == -1 || axis == 3 ? 0 : axis;
    if (axis == -1 || axis == type->rank)
        axis = type->rank;
    if (axis < 1 || axis > type->rank)
        fail_line(n, NULL, "axis %d is not there", axis);
    return axis - 1;
}

Flow join_flows(Network *n, Flow a, Flow b, int axis)
{
    const Type *one = &a.slabs[0]->type, *two = &b.slabs[0]->type;
    if (axis == 0) {
        if (!type_equal(one, two))
            fail_line(n, NULL, "values of different shapes cannot be joined along the batch");
        if (a.count + b.count > MAX_SLABS)
            fail_line(n, NULL, "more than %d batches joined", MAX_SLABS);
        for (int i = 0; i < b.count; i++)
            a.slabs[a.count++] = b.slabs[i];
        return a;
    }
    if (a.count != b.count)
        fail_line(n, NULL, "values of %d and of %d samples cannot be joined",
                  a.count * n->g->batch_size, b.count * n->g->batch_size);
    if (one->rank != two->rank)
        fail_line(n, NULL, "a map and a vector cannot be joined");
    int at = node_axis(n, one, axis);
    for (int k = 0; k < one->rank; k++)
        if (k != at && one->dims[k] != two->dims[k])
            fail_line(n, "resize_images brings maps to one size",
                      "values of different sizes cannot be joined");
    for (int i = 0; i < a.count; i++)
        a.slabs[i] = node_concat(n->g, a.slabs[i], b.slabs[i], at);
    return a;
}

/* ---------------------------------------------------------------- dense and convolution */
static Node *length_of_rows(Graph *g, Node *rows) /* max(|x|, 1e-12) */
{
    Node *size = node_unary(g, OP_SQRT, sum_of_squares(g, rows));
    return node_binary(g, OP_MAX, size, node_constant(g, 1e-12, size->type));
}

static Node *unit(Graph *g, Node *vector)
{
    Node *length = length_of_rows(g, vector);
    return node_binary(g, OP_DIV, vector, node_expand_to(g, length, vector->type));
}

/* W / sigma with W as rows [-1, out]; one power iteration a forward, u is kept. */
static Node *spectral(Network *n, Node *weight, const char *prefix)
{
    Graph *g = n->g;
    int out = weight->type.dims[3], rows = (int)type_size(&weight->type) / out;
    Tensor vector = {
        .type = type_vector(false, out), .role = ROLE_VECTOR, .init = INIT_UNIT_VECTOR};
    Tensor *kept = own_tensor(n, arena_printf("%su", prefix), vector);
    Node *matrix = node_reshape(g, weight, type_matrix(rows, out));
    Node *fixed = node_unary(g, OP_STOP, matrix), *u = node_parameter(g, kept);
    Node *v = unit(g, node_sum(g, multiply(g, fixed, node_expand(g, u, 0, rows)), 1));
    Node *next = unit(g, node_sum(g, multiply(g, fixed, node_expand(g, v, 1, out)), 0));
    if (n->pass->keeps)
        step_assign(n->pass->step, node_assign(g, kept, next));
    v = node_unary(g, OP_STOP, v);
    next = node_unary(g, OP_STOP, next);
    Node *image = node_sum(g, multiply(g, matrix, node_expand(g, next, 0, rows)), 1);
    Node *sigma = node_sum_all(g, multiply(g, v, image));
    return node_binary(g, OP_DIV, weight, node_expand_to(g, sigma, weight->type));
}

/* Each filter's norm over the axes but the last: [out]. */
static Node *filter_norms(Graph *g, Node *weight, double guard)
{
    Node *squares = square(g, weight);
    while (squares->type.rank > 1)
        squares = node_sum(g, squares, 0);
    return node_unary(g, OP_SQRT, node_shift(g, squares, guard));
}

/* [out] to the shape of a weight, along its last axis. */
static Node *spread_filters(Graph *g, Node *numbers, const Node *weight)
{
    for (int axis = weight->type.rank - 2; axis >= 0; axis--)
        numbers = node_expand(g, numbers, 0, weight->type.dims[axis]);
    return numbers;
}

static Node *over_filters(Graph *g, Node *weight, Node *norms)
{
    return node_binary(g, OP_DIV, weight, spread_filters(g, norms, weight));
}

/* The norm of the patch that each window sees: [h, w]. */
static Node *patch_norms(Graph *g, Node *x, ConvPlan plan)
{
    Node *squares = node_sum(g, square(g, x), 0);
    squares = node_reshape(
        g, squares,
        (Type){.batch = true, .rank = 3, .dims = {1, x->type.dims[1], x->type.dims[2]}});
    squares = window_sum(g, squares, 1, plan.filter_h, plan.stride_h);
    squares = window_sum(g, squares, 2, plan.filter_w, plan.stride_w);
    return node_unary(g, OP_SQRT, node_shift(g, squares, 1e-4));
}

/* (x - mean) / sqrt(variance + epsilon) over all samples and cells of each channel. */
Flow normalise_batch(Network *n, Flow x, double epsilon)
{
    Graph *g = n->g;
    Type type = x.slabs[0]->type;
    double count = (double)type_size(&type) / type.dims[0] * g->batch_size * x.count;
    Node *sums[2] = {NULL, NULL}, *mean = NULL;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < x.count; i++) {
            Node *part = round == 0 ? x.slabs[i] : square(g, x.slabs[i]);
            while (part->type.rank > 1)
                part = node_sum(g, part, part->type.rank - 1);
            part = node_sum_batch(g, part);
            sums[round] = sums[round] ? add(g, sums[round], part) : part;
        }
        sums[round] = node_scale(g, sums[round], 1 / count);
        if (round == 0) {
            mean = expand_channels(g, sums[0], &type);
            for (int i = 0; i < x.count; i++)
                x.slabs[i] = subtract(g, x.slabs[i], mean);
        }
    }
    Node *deviation = node_unary(g, OP_SQRT, node_shift(g, sums[1], epsilon));
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = node_binary(g, OP_DIV, x.slabs[i], expand_channels(g, deviation, &type));
    return x;
}

typedef enum Regulariser {
    REGULAR_NONE,
    REGULAR_COSINE,
    REGULAR_WEIGHT,
    REGULAR_WEIGHT_2,
    REGULAR_WEIGHT_3,
    REGULAR_SPECTRAL,
    REGULAR_BATCH,
    REGULAR_LAYER
} Regulariser;
static const Word regulariser_words[] = {
    {"cosine_norm", REGULAR_COSINE, NULL},     {"weight_norm", REGULAR_WEIGHT, NULL},
    {"spectral_norm", REGULAR_SPECTRAL, NULL}, {"batch_norm", REGULAR_BATCH, NULL},
    {"layer_norm", REGULAR_LAYER, NULL},       {"batch_norm_1", REGULAR_BATCH, NULL},
    {"layer_norm_1", REGULAR_LAYER, NULL},     {"null", REGULAR_NONE, NULL},
    {"weight_norm2", REGULAR_WEIGHT_2, NULL},  {"weight_norm3", REGULAR_WEIGHT_3, NULL}};

/* Those that divide each filter by its length and normalise the result over the batch. */
static bool norms_filters(Regulariser kind)
{
    return kind == REGULAR_WEIGHT || kind == REGULAR_WEIGHT_2 || kind == REGULAR_WEIGHT_3;
}

static Node *divide_cells(Graph *g, Node *x, Node *cells) /* [c,h,w] / [1,h,w] */
{
    Node *flat = node_reshape(
        g, cells, (Type){.batch = true, .rank = 2, .dims = {x->type.dims[1], x->type.dims[2]}});
    return node_binary(g, OP_DIV, x, node_expand(g, flat, 0, x->type.dims[0]));
}

static Node *own_gain(Network *n, const char *prefix, int channels)
{
    return own(n, arena_printf("%sgain", prefix), type_vector(false, channels), INIT_ONE, 0);
}

/* weight_norm: normalised by the batch's moments, times a gain, which weight_norm3 has in its
 * filters. */
static Flow finish_weight_norm(Network *n, Flow x, const char *prefix, Regulariser kind)
{
    int channels = x.slabs[0]->type.dims[0];
    x = normalise_batch(n, x, 1e-8);
    Node *gain = kind == REGULAR_WEIGHT_3 ? NULL : own_gain(n, prefix, channels);
    for (int i = 0; i < x.count && gain != NULL; i++)
        x.slabs[i] = multiply(n->g, x.slabs[i], expand_channels(n->g, gain, &x.slabs[i]->type));
    return x;
}

typedef enum LinearType { LINEAR_PLAIN, LINEAR_COSINE, LINEAR_WEIGHT_NORM } LinearType;
static const Word linear_words[] = {{"linear", LINEAR_PLAIN, NULL},
                                    {"null", LINEAR_PLAIN, NULL},
                                    {"cosine", LINEAR_COSINE, NULL},
                                    {"weight_norm", LINEAR_WEIGHT_NORM, NULL}};

/* x W of a vector or, of a map, in each of its cells. */
static Node *times_matrix(Graph *g, Node *x, Node *weight)
{
    if (x->type.rank == 1)
        return node_contract_x(g, x, weight);
    Type filter = {.rank = 4, .dims = {1, 1, weight->type.dims[0], weight->type.dims[1]}};
    return convolve_same(g, x, node_reshape(g, weight, filter), 1, 1);
}

/* max(length, 1e-12) of each column. */
static Node *column_lengths(Graph *g, Node *weight)
{
    Node *lengths = filter_norms(g, weight, 0);
    return node_binary(g, OP_MAX, lengths, node_constant(g, 1e-12, lengths->type));
}

/* cosine: (x W + .001 b) / (sqrt(|column|^2 + b^2) + 1e-6) / sqrt(|x|^2 + 1e-6) */
static Node *cosine_product(Graph *g, Node *x, Node *weight, Node *bias)
{
    Node *squares = node_sum(g, square(g, weight), 0), *product = times_matrix(g, x, weight);
    if (bias != NULL) {
        squares = add(g, squares, square(g, bias));
        product = add(g, product, expand_channels(g, node_scale(g, bias, 0.001), &product->type));
    }
    Node *lengths = node_shift(g, node_unary(g, OP_SQRT, squares), 1e-6);
    product = node_binary(g, OP_DIV, product, expand_channels(g, lengths, &product->type));
    Node *length = node_unary(g, OP_SQRT, node_shift(g, node_sum(g, square(g, x), 0), 1e-6));
    return node_binary(g, OP_DIV, product, node_expand(g, length, 0, product->type.dims[0]));
}

/* x as rows of all its values; inside `relational` the cells of a map are rows. */
Flow dense(Network *n, Flow x, const char *prefix, int outputs, bool bias)
{
    Graph *g = n->g;
    LinearType kind = (LinearType)option_class(component_option(n, "linear_type"), LINEAR_PLAIN,
                                               WORDS(linear_words), "linear_type");
    const Type *type = &x.slabs[0]->type;
    int inputs = n->cells ? type->dims[0] : (int)type_size(type);
    Node *weight = own_weight(n, arena_printf("%sweight", prefix), type_matrix(inputs, outputs),
                              inputs, outputs, network_option(n, "initializer"));
    Node *shift = NULL, *gain = NULL;
    if (bias)
        shift = own(n, arena_printf("%sbias", prefix), type_vector(false, outputs),
                    kind == LINEAR_PLAIN ? INIT_ZERO : INIT_VALUE, 0.001);
    if (kind == LINEAR_WEIGHT_NORM) {
        weight = over_filters(g, weight, column_lengths(g, weight));
        gain = own_gain(n, prefix, outputs);
        weight = multiply(g, weight, spread_filters(g, gain, weight));
    }
    for (int i = 0; i < x.count; i++) {
        Node *rows = n->cells ? x.slabs[i] : flatten(g, x.slabs[i]);
        if (kind == LINEAR_COSINE) {
            x.slabs[i] = cosine_product(g, rows, weight, shift);
            continue;
        }
        Node *product = times_matrix(g, rows, weight);
        x.slabs[i] = shift ? add(g, product, expand_channels(g, shift, &product->type)) : product;
    }
    return x;
}

Flow convolve(Network *n, Flow x, const char *prefix, int channels, ConvPlan plan)
{
    Graph *g = n->g;
    int inputs = x.slabs[0]->type.dims[0], cells = plan.filter_h * plan.filter_w;
    Regulariser kind =
        (Regulariser)option_class(component_option(n, "layer_regularizer"), REGULAR_NONE,
                                  WORDS(regulariser_words), "layer_regularizer");
    bool styled =
        strcmp(n->line->op->name, "resnet") != 0 && strcmp(n->line->op->name, "conv_reshape") != 0;
    Type type = {.rank = 4, .dims = {plan.filter_h, plan.filter_w, inputs, channels}};
    Node *weight =
        own_weight(n, arena_printf("%sweight", prefix), type, cells * inputs, cells * channels,
                   styled ? network_option(n, "initializer") : component_option(n, "initializer"));
    bool biased = kind != REGULAR_WEIGHT_2 && kind != REGULAR_WEIGHT_3 &&
                  (wants_bias(n) || !n->pass->hyper->strict);
    Node *bias = biased ? own_bias(n, prefix, channels) : NULL;
    if (kind == REGULAR_COSINE)
        plan.stride_h = plan.stride_w = 1;
    if (kind == REGULAR_SPECTRAL)
        weight = spectral(n, weight, prefix);
    else if (kind == REGULAR_COSINE)
        weight = over_filters(g, weight, filter_norms(g, weight, 1e-4));
    else if (norms_filters(kind))
        weight = over_filters(g, weight, filter_norms(g, weight, 0));
    if (kind == REGULAR_WEIGHT_3)
        weight = multiply(g, weight, spread_filters(g, own_gain(n, prefix, channels), weight));
    bool scaled = option_switch(component_option(n, "l2_scale"));
    double scale = sqrt((double)plan.filter_w / plan.stride_w * plan.filter_h / plan.stride_h);
    for (int i = 0; i < x.count; i++) {
        Node *in = scaled ? node_scale(g, x.slabs[i], 1 / scale) : x.slabs[i];
        Node *out = convolve_same(g, in, weight, plan.stride_h, plan.stride_w);
        if (kind == REGULAR_COSINE)
            out = divide_cells(g, out, patch_norms(g, in, plan));
        if (bias != NULL)
            out = add(g, out, expand_channels(g, bias, &out->type));
        x.slabs[i] = out;
    }
    return norms_filters(kind) ? finish_weight_norm(n, x, prefix, kind) : x;
}

/* ---------------------------------------------------------------- normalisation by a style */

/* (1 + gamma) (x - mean) / sqrt(variance + 1e-5) + beta over the cells of a map; gamma and beta are
 * a dense layer of the style. */
Flow norm_by_style(Network *n, Flow x, Flow style, const char *prefix, bool bias)
{
    Graph *g = n->g;
    int channels = x.slabs[0]->type.dims[0];
    double cells = (double)type_size(&x.slabs[0]->type) / channels;
    if (style.count != x.count)
        fail_line(n, NULL, "the style belongs to a batch of another size");
    Flow sums = dense(n, style, prefix, 2 * channels, bias);
    Option activation = line_option(n->line, "activation");
    if (activation.given && prefix[0] == '\0') /* a line of its own */
        sums = activate(n, sums, activation);
    for (int i = 0; i < x.count; i++) {
        const Type type = x.slabs[i]->type;
        Node *gamma = node_slice(g, sums.slabs[i], 0, 0, channels);
        Node *beta = node_slice(g, sums.slabs[i], 0, channels, channels);
        Node *total = node_sum(g, node_sum(g, x.slabs[i], 2), 1);
        Node *mean = node_scale(g, total, 1 / cells);
        Node *centred = subtract(g, x.slabs[i], expand_channels(g, mean, &type));
        Node *squares = node_sum(g, node_sum(g, square(g, centred), 2), 1);
        Node *variance = node_shift(g, node_scale(g, squares, 1 / cells), 1e-5);
        Node *factor =
            node_binary(g, OP_DIV, node_shift(g, gamma, 1), node_unary(g, OP_SQRT, variance));
        Node *scaled = multiply(g, centred, expand_channels(g, factor, &type));
        x.slabs[i] = add(g, scaled, expand_channels(g, beta, &type));
    }
    return x;
}

Flow adaptive_instance_norm_op(Network *n, Flow x)
{
    Option name = line_option(n->line, "w");
    expect_map(n, x);
    if (!name.given)
        name = (Option){.given = true, .text = "w", .span = n->line->span};
    const Type *type = &x.slabs[0]->type;
    if (type->dims[1] * type->dims[2] == 1 && n->pass->announces)
        note_at(
            n->line->span,
            "on a map of one cell the result is the style's shift; what comes in has no effect");
    return norm_by_style(n, x, find_flow(n, name, (Option){0}), "", wants_bias(n));
}

/* Takes the mean and deviation of another map instead of learned ones. */
static Flow norm_by_map(Network *n, Flow x, Flow style)
{
    Graph *g = n->g;
    for (int i = 0; i < x.count; i++) {
        Node *maps[2] = {x.slabs[i], style.slabs[i < style.count ? i : 0]}, *means[2], *roots[2];
        if (maps[1]->type.rank != 3 || maps[1]->type.dims[0] != maps[0]->type.dims[0])
            fail_line(n, NULL, "the style must be a map of as many channels");
        for (int k = 0; k < 2; k++) {
            const Type type = maps[k]->type;
            double cells = (double)type.dims[1] * type.dims[2];
            means[k] = node_scale(g, node_sum(g, node_sum(g, maps[k], 2), 1), 1 / cells);
            Node *centred = subtract(g, maps[k], expand_channels(g, means[k], &type));
            Node *squares = node_sum(g, node_sum(g, square(g, centred), 2), 1);
            roots[k] =
                node_unary(g, OP_SQRT, node_shift(g, node_scale(g, squares, 1 / cells), 1e-5));
        }
        const Type type = maps[0]->type;
        Node *centred = subtract(g, maps[0], expand_channels(g, means[0], &type));
        Node *factor = node_binary(g, OP_DIV, roots[1], roots[0]);
        x.slabs[i] = add(g, multiply(g, centred, expand_channels(g, factor, &type)),
                         expand_channels(g, means[1], &type));
    }
    return x;
}

/* The options adaptive_instance_norm=NAME and adaptive_instance_norm2=NAME of a layer. */
static Flow style_option(Network *n, Flow x)
{
    Option learned = line_option(n->line, "adaptive_instance_norm");
    Option fixed = line_option(n->line, "adaptive_instance_norm2");
    if (x.slabs[0]->type.rank != 3 || n->cells)
        return x;
    if (learned.given && !option_is(learned, "false"))
        x = norm_by_style(n, x, find_flow(n, learned, (Option){0}), "ain.", true);
    if (fixed.given && !option_is(fixed, "false"))
        x = norm_by_map(n, x, find_flow(n, fixed, (Option){0}));
    return x;
}

Flow finish_conv(Network *n, Flow x, ConvPlan plan, Option activation)
{
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = average_pool(n->g, x.slabs[i], plan.pool_h, plan.pool_w);
    return activate(n, style_option(n, x), activation);
}

/* ---------------------------------------------------------------- the layers */
Flow linear_op(Network *n, Flow x)
{
    int dims[3] = {0}, rank = read_sizes(n, line_argument(n->line, 0), dims);
    int64_t size = 1;
    for (int k = 0; k < rank; k++)
        size *= dims[k];
    if (size > 1 << 24)
        fail_line(n, NULL, "more than 2^24 outputs");
    if (n->cells && rank > 1)
        fail_at(line_argument(n->line, 0).span, "one number: the values of a pair",
                "inside `relational` a linear layer makes vectors");
    x = dense(n, x, "", (int)size, wants_bias(n));
    for (int i = 0; i < x.count && rank > 1; i++)
        x.slabs[i] = unflatten(n->g, x.slabs[i], rank, dims);
    return activate(n, style_option(n, x), activation_of(n));
}

static void note_bias(const Network *n)
{
    Option bias = line_option(n->line, "bias");
    if (option_is(bias, "false") && !n->pass->hyper->strict && n->pass->announces)
        warn_at(bias.span, "--strict leaves it out",
                "a convolution keeps its bias with bias=false, as in the original");
}

Flow conv_op(Network *n, Flow x)
{
    ConvPlan plan = plan_conv(n);
    expect_map(n, x);
    note_bias(n);
    x = convolve(n, x, "", line_channels(n, x), plan);
    return finish_conv(n, x, plan, activation_of(n));
}

Flow deconvolve(Network *n, Flow x, int channels, ConvPlan plan)
{
    Graph *g = n->g;
    int inputs = x.slabs[0]->type.dims[0];
    int cells = plan.filter_h * plan.filter_w;
    Type type = {.rank = 4, .dims = {plan.filter_h, plan.filter_w, channels, inputs}};
    Node *weight = own_weight(n, "weight", type, cells * channels, cells * inputs,
                              component_option(n, "initializer"));
    bool frozen = n->frozen;
    n->frozen = false; /* a frozen deconv still trains its bias */
    Node *bias = wants_bias(n) ? own_bias(n, "", channels) : NULL;
    n->frozen = frozen;
    for (int i = 0; i < x.count; i++) {
        const Type *in = &x.slabs[i]->type;
        if (in->dims[1] * plan.stride_h > MAX_MAP || in->dims[2] * plan.stride_w > MAX_MAP)
            fail_line(n, NULL, "a map of more than %d cells a side", MAX_MAP);
        Node *out = deconvolve_same(g, x.slabs[i], weight, plan.stride_h, plan.stride_w);
        x.slabs[i] = bias ? add(g, out, expand_channels(g, bias, &out->type)) : out;
    }
    return x;
}

Flow deconv_op(Network *n, Flow x)
{
    ConvPlan plan = plan_conv(n);
    expect_map(n, x);
    x = deconvolve(n, x, line_channels(n, x), plan);
    return finish_conv(n, x, plan, activation_of(n));
}

/* A map's size from the options w (axis 1, height) and h (axis 2, width), else twice its own. */
static void resized(Network *n, const Type *type, int *height, int *width)
{
    Option w = line_option(n->line, "w"), h = line_option(n->line, "h");
    *height = option_integer(w, 2 * type->dims[1], 1, "w");
    *width = option_integer(h, 2 * type->dims[2], 1, "h");
    if (*height > MAX_MAP || *width > MAX_MAP)
        fail_line(n, NULL, "a map of more than %d cells a side", MAX_MAP);
}

Flow resize_conv_op(Network *n, Flow x)
{
    int height = 0, width = 0;
    Option other = line_option(n->line, "concat");
    ConvPlan plan = plan_conv(n);
    expect_map(n, x);
    note_bias(n);
    int channels = line_channels(n, x);
    resized(n, &x.slabs[0]->type, &height, &width);
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = resize(n->g, x.slabs[i], height, width, RESIZE_NEAREST);
    if (other.given) {
        Flow added = find_flow(n, other, (Option){0});
        expect_map(n, added);
        for (int i = 0; i < added.count; i++)
            added.slabs[i] = resize(n->g, added.slabs[i], height, width, RESIZE_NEAREST);
        x = join_flows(n, x, added, -1);
    }
    plan.stride_h = plan.stride_w = plan.pool_h = plan.pool_w = 1;
    return finish_conv(n, convolve(n, x, "", channels, plan), plan, activation_of(n));
}

/* ---------------------------------------------------------------- lines */
static void tabulate(Network *n, const Line *line, Flow x)
{
    Pass *pass = n->pass;
    pass->rows = arena_grow(pass->rows, pass->row_count, &pass->row_capacity, sizeof *pass->rows);
    pass->rows[pass->row_count++] = (TableRow){line->text, x.slabs[0]->type, n->parameters};
}

static Flow apply_list(Network *n, const Line *list, Flow x)
{
    Flow joined = apply_line(n, &list->items[0], x);
    for (int i = 1; i < list->item_count; i++) {
        Flow next = apply_line(n, &list->items[i], x);
        n->line = list;
        joined = join_flows(n, joined, next, list->axis);
    }
    return joined;
}

static void check_size(const Network *n, Flow x)
{
    int64_t size = type_size(&x.slabs[0]->type);
    if (size * n->g->batch_size > 1 << 30)
        fail_line(n, "take a smaller batch", "%d samples of %lld values: more than 2^30 at once",
                  n->g->batch_size, (long long)size);
    if (n->g->count > MAX_NODES)
        fail_line(n, NULL, "the networks are too large");
}

static void keep_name(Network *n, Flow x)
{
    Option name = line_option(n->line, "name");
    const char *op = n->line->op->name;
    bool fetches = strcmp(op, "reference") == 0 || strcmp(op, "layer") == 0;
    if (!name.given || fetches)
        return;
    for (int i = 0; i < n->pass->name_count && n->parameters > 0; i++)
        if (strcmp(n->pass->names[i].name, name.text) == 0 &&
            strcmp(n->pass->names[i].component, n->tag) == 0)
            fail_at(name.span, "give each layer a name of its own",
                    "two layers with the name `%s`: shared weights are not possible",
                    printable(name.text));
    name_flow(n, name.text, x);
}

/* What generated code calls the result of a line with parameters: "real_conv1", "made_deconv2". */
static void name_result(const Network *n, Flow x)
{
    static const char *const sides[] = {"real", "fake"};
    for (int i = 0; i < x.count && n->current >= 0; i++)
        node_named(x.slabs[i], arena_printf("%s_%s%d",
                                            x.count == 2       ? sides[i]
                                            : n->tag[0] == 'D' ? "between"
                                                               : "made",
                                            n->line->op->name, n->current));
}

Flow apply_line(Network *n, const Line *line, Flow x)
{
    if (line->op == NULL)
        return apply_list(n, line, x);
    Network outer = *n;
    n->line = line;
    n->current = -1;
    n->parameters = 0;
    n->owned_count = 0;
    n->frozen = option_is(line_option(line, "trainable"), "false");
    if (n->cells && !is_relational_layer(line->op))
        fail_line(n, "linear, activation, identity and control are for pairs of cells",
                  "`%s` cannot stand inside `relational`", line->op->name);
    x = line->op->apply(n, x);
    check_size(n, x);
    keep_name(n, x);
    name_result(n, x);
    if (n->pass->tabulate)
        tabulate(n, line, x);
    outer.next = n->next;
    *n = outer;
    return x;
}

Flow apply_lines(Network *n, Lines lines, Flow x)
{
    for (int i = 0; i < lines.count; i++)
        x = apply_line(n, &lines.items[i], x);
    return x;
}

Flow apply_text(Network *n, const char *text, Flow x)
{
    Span span = n->component->json != NULL ? n->component->json->span : (Span){0};
    Line *line = arena_alloc(sizeof *line);
    span.source = NULL; /* the text is in no file */
    *line = line_from_text(text, span);
    return apply_line(n, line, x);
}
