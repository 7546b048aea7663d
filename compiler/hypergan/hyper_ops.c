/* hyper_ops.c -- the table of layers, and those without a convolution of their own kind. Those that
 * look at several samples are in hyper_batch.c. */
#include "hypergan.h"

#include <math.h>
#include <string.h>

/* ---------------------------------------------------------------- shape */
static Flow reshape_op(Network *n, Flow x)
{
    int dims[3] = {0}, rank = 1;
    Option argument = line_argument(n->line, 0);
    int64_t size = type_size(&x.slabs[0]->type), asked = 1;
    dims[0] = (int)size;
    if (!option_is(argument, "-1"))
        rank = read_sizes(n, argument, dims);
    for (int k = 0; k < rank; k++)
        asked *= dims[k];
    if (asked != size)
        fail_line(n, NULL, "%lld values cannot take a shape of %lld", (long long)size,
                  (long long)asked);
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = unflatten(n->g, flatten(n->g, x.slabs[i]), rank, dims);
    return x;
}

static Flow same_everywhere(Network *n, Flow x, Node *value) /* [h,w,c] or [f] to each slab */
{
    Node *map = node_expand_batch(n->g, rows_to_map(n->g, value));
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = map;
    return x;
}

static Flow own_constant(Network *n, Flow x, int rank, const int dims[])
{
    Type stored = {.rank = rank + 1, .dims = {1}}, type = {.rank = rank};
    for (int k = 0; k < rank; k++)
        stored.dims[k + 1] = type.dims[k] = dims[k];
    int field = rank == 3 ? dims[0] : 1, in = rank > 1 ? dims[rank - 2] : 1;
    Node *value = own_weight(n, "value", stored, field * in, field * dims[rank - 1],
                             network_option(n, "initializer"));
    return same_everywhere(n, x, node_reshape(n->g, value, type));
}

static Flow const_op(Network *n, Flow x)
{
    int dims[3] = {0}, rank = read_sizes(n, line_argument(n->line, 0), dims);
    return own_constant(n, x, rank, dims);
}

static Flow const_like_op(Network *n, Flow x)
{
    Flow like = find_flow(n, line_argument(n->line, 0), line_option(n->line, "src"));
    Type type = map_to_rows(n->g, like.slabs[0])->type;
    return own_constant(n, x, type.rank, type.dims);
}

static Flow zeros_op(Network *n, Flow x)
{
    int dims[3] = {0}, rank = read_sizes(n, line_argument(n->line, 0), dims);
    Type type = {.rank = rank};
    memcpy(type.dims, dims, sizeof dims);
    return same_everywhere(n, x, node_constant(n->g, 0, type));
}

static Flow zeros_like_op(Network *n, Flow x)
{
    Option name = line_argument(n->line, 0);
    Flow like = name.given ? find_flow(n, name, line_option(n->line, "src")) : x;
    for (int i = 0; i < like.count; i++)
        like.slabs[i] = node_constant(n->g, 0, like.slabs[i]->type);
    return like;
}

static int size_argument(Network *n, int position, int fallback, const char *what)
{
    return option_integer(line_argument(n->line, position), fallback, 1, what);
}

static Flow crop_op(Network *n, Flow x)
{
    const Hyper *h = n->pass->hyper;
    expect_map(n, x);
    int rows = size_argument(n, 0, h->width, "w"), columns = size_argument(n, 1, h->height, "h");
    int depth = size_argument(n, 2, h->channels, "d");
    int offset = option_integer(line_option(n->line, "d_offset"), 0, 0, "d_offset");
    const int *dims = x.slabs[0]->type.dims;
    if (rows > dims[1] || columns > dims[2] || depth + offset > dims[0])
        fail_line(n, NULL, "%d x %d x %d cannot be cut out of %d x %d x %d", rows, columns,
                  depth + offset, dims[1], dims[2], dims[0]);
    for (int i = 0; i < x.count; i++) {
        Node *cut = node_slice(n->g, x.slabs[i], 1, 0, rows);
        cut = node_slice(n->g, cut, 2, 0, columns);
        x.slabs[i] = node_slice(n->g, cut, 0, offset, depth);
    }
    return x;
}

static Flow resize_images_op(Network *n, Flow x)
{
    const Hyper *h = n->pass->hyper;
    Option method = line_option(n->line, "method");
    expect_map(n, x);
    int rows = size_argument(n, 0, h->width, "w"), columns = size_argument(n, 1, h->height, "h");
    int kind = option_integer(method, RESIZE_NEAREST, 0, "method");
    if (kind > RESIZE_AREA)
        fail_at(method.span, "0 bilinear, 1 nearest, 2 bicubic, 3 area",
                "`method` must be 0, 1, 2 or 3");
    if (method.given && kind == RESIZE_BILINEAR && n->pass->announces)
        warn_at(method.span, NULL,
                "method=0 is bilinear here; the original took 0 for the default, nearest");
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = resize(n->g, x.slabs[i], rows, columns, (Resize)kind);
    return x;
}

static Flow double_resolution_op(Network *n, Flow x)
{
    expect_map(n, x);
    const int *dims = x.slabs[0]->type.dims;
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = resize(n->g, x.slabs[i], 2 * dims[1], 2 * dims[2], RESIZE_NEAREST);
    return x;
}

static Flow pad_op(Network *n, Flow x)
{
    expect_map(n, x);
    for (int i = 0; i < x.count; i++)
        for (int axis = 1; axis < 3; axis++) {
            int size = x.slabs[i]->type.dims[axis];
            x.slabs[i] = node_pad(n->g, x.slabs[i], axis, size / 2, size + 2 * (size / 2));
        }
    return x;
}

static Flow avg_pool_op(Network *n, Flow x)
{
    Option stride = line_option(n->line, "stride"), slice = line_option(n->line, "slice");
    expect_map(n, x);
    if (slice.given)
        fail_at(slice.span, "use crop", "avg_pool has no option `slice` here");
    int size = option_integer(stride, x.slabs[0]->type.dims[1], 1, "stride");
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = average_pool(n->g, x.slabs[i], size, size);
    return x;
}

/* Along an axis, `to` windows that share all cells as evenly as whole cells can: window j averages
 * cells floor(j from / to) to floor((j + 1) from / to) - 1. */
static Node *pool_evenly(Graph *g, Node *x, int axis, int to)
{
    int from = x->type.dims[axis];
    double *matrix = arena_alloc((size_t)to * (size_t)from * sizeof *matrix);
    for (int j = 0; j < to; j++) {
        int begin = (int)((int64_t)j * from / to), end = (int)((int64_t)(j + 1) * from / to);
        for (int i = begin; i < end; i++)
            matrix[(size_t)j * (size_t)from + (size_t)i] = 1.0 / (end - begin);
    }
    return node_resample(g, x, axis, resample_matrix(g, from, to, matrix));
}

static Flow fractional_avg_pool_op(Network *n, Flow x)
{
    Option argument = line_argument(n->line, 0);
    double ratio = option_number(argument, 2, "ratio");
    expect_map(n, x);
    if (!(ratio >= 1))
        fail_at(argument.span, "a ratio of 2 halves a map, 1.5 leaves two thirds",
                "the ratio of a fractional pool must be at least 1");
    for (int i = 0; i < x.count; i++)
        for (int axis = 1; axis < 3; axis++) {
            int cells = (int)floor(x.slabs[i]->type.dims[axis] / ratio + 1e-9);
            if (cells < 1)
                fail_at(argument.span, NULL, "a side of %d cells has none left at this ratio",
                        x.slabs[i]->type.dims[axis]);
            x.slabs[i] = pool_evenly(n->g, x.slabs[i], axis, cells);
        }
    return x;
}

/* Each cell goes to the first of its 2 x 2 cells, the others are 0. */
static Flow unpool_op(Network *n, Flow x)
{
    expect_map(n, x);
    for (int i = 0; i < x.count; i++)
        for (int axis = 1; axis < 3; axis++) {
            int size = x.slabs[i]->type.dims[axis];
            const Resample *back = resample_pick(n->g, 2 * size, 0, 2, size);
            x.slabs[i] = node_resample(n->g, x.slabs[i], axis, back->transpose);
        }
    return x;
}

static Flow split_op(Network *n, Flow x)
{
    int parts = size_argument(n, 0, 2, "n");
    int select = option_integer(line_option(n->line, "select"), 0, 0, "select");
    int axis = x.slabs[0]->type.rank == 3 ? 0 : x.slabs[0]->type.rank - 1;
    if (axis < 0 || x.slabs[0]->type.dims[axis] % parts != 0 || select >= parts)
        fail_line(n, NULL, "the channels do not split into %d equal parts with a part %d", parts,
                  select);
    int size = x.slabs[0]->type.dims[axis] / parts;
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = node_slice(n->g, x.slabs[i], axis, select * size, size);
    return x;
}

static Flow slice_op(Network *n, Flow x)
{
    int start = option_integer(line_argument(n->line, 0), 0, 0, "start");
    int size = size_argument(n, 1, 1, "size");
    if (x.slabs[0]->type.rank != 1 || start + size > x.slabs[0]->type.dims[0])
        fail_line(n, NULL, "slice takes values %d to %d of a vector that must have them", start,
                  start + size);
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = node_slice(n->g, x.slabs[i], 0, start, size);
    return x;
}

static Flow phase_shift_op(Network *n, Flow x)
{
    int r = size_argument(n, 0, 2, "r");
    expect_map(n, x);
    if (r > 64 || x.slabs[0]->type.dims[0] % (r * r) != 0)
        fail_line(n, NULL, "phase_shift %d needs a multiple of %d channels", r, r * r);
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = phase_shift(n->g, x.slabs[i], r);
    return x;
}

/* ---------------------------------------------------------------- names */
static Flow identity_op(Network *n, Flow x)
{
    Option name = line_argument(n->line, 0);
    if (name.given)
        name_flow(n, name.text, x);
    return x;
}

static Flow reference_op(Network *n, Flow x)
{
    (void)x;
    Option name = line_option(n->line, "name"), size = line_option(n->line, "resize_images");
    if (!name.given)
        name = line_argument(n->line, 0);
    Flow found = find_flow(n, name, line_option(n->line, "src"));
    if (!size.given)
        return found;
    int dims[3] = {0};
    if (read_sizes(n, size, dims) != 2)
        fail_at(size.span, "for example resize_images=8*8", "`resize_images` needs two sizes");
    expect_map(n, found);
    for (int i = 0; i < found.count; i++)
        found.slabs[i] = resize(n->g, found.slabs[i], dims[0], dims[1], RESIZE_NEAREST);
    return found;
}

static Flow latent_op(Network *n, Flow x)
{
    (void)x;
    return n->pass->latent;
}

static Flow knowledge_base_op(Network *n, Flow x)
{
    if (n->pass->announces)
        warn_at(n->line->span, "nothing fills it here",
                "the channels that knowledge_base joins stay 0");
    Flow zeros = x;
    for (int i = 0; i < x.count; i++)
        zeros.slabs[i] = node_constant(n->g, 0, x.slabs[i]->type);
    return join_flows(n, x, zeros, -1);
}

/* A component with a filter of Python is refused as a whole. */
static Flow layer_filter_op(Network *n, Flow x)
{
    if (n->pass->announces)
        note_at(n->line->span, "the component has no `layer_filter`: this layer does nothing");
    return x;
}

static Flow control_op(Network *n, Flow x)
{
    (void)n;
    return x;
}

static Flow activation_op(Network *n, Flow x)
{
    Option name = line_argument(n->line, 0);
    return activate(n, x, name.given ? name : activation_of(n));
}

/* ---------------------------------------------------------------- convolutions of other kinds */
static Flow spread(Network *n, Flow x, Node *(*move)(Graph *g, Node *x, int r), int r)
{
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = move(n->g, x.slabs[i], r);
    return x;
}

/* A convolution to channels r^2, activated, whose channels become r x r cells. */
static Flow subpixel(Network *n, Flow x, int channels, int r, Option activation)
{
    ConvPlan plan = plan_conv(n);
    plan.stride_w = option_integer(line_option(n->line, "stride"), 1, 1, "stride");
    plan.stride_h = plan.stride_w;
    channels *= r * r;
    if (activation_doubles(n, activation))
        channels = (channels + 1) / 2;
    x = finish_conv(n, convolve(n, x, "", channels, plan), plan, activation);
    if (x.slabs[0]->type.dims[0] % (r * r) != 0)
        fail_line(n, NULL, "%d channels do not make maps of %d times the size",
                  x.slabs[0]->type.dims[0], r);
    return spread(n, x, depth_to_space, r);
}

static Flow subpixel_op(Network *n, Flow x)
{
    int r = size_argument(n, 1, 2, "r");
    expect_map(n, x);
    if (r > 16)
        fail_line(n, NULL, "subpixel by more than 16");
    return subpixel(n, x, line_channels(n, x), r, activation_of(n));
}

static Flow conv_depth_to_space_op(Network *n, Flow x)
{
    ConvPlan plan = plan_conv(n);
    expect_map(n, x);
    int channels = 4 * line_channels(n, x);
    x = finish_conv(n, convolve(n, x, "", channels, plan), plan, activation_of(n));
    return spread(n, x, depth_to_space, 2);
}

static Flow conv_reshape_op(Network *n, Flow x)
{
    ConvPlan plan = plan_conv(n);
    expect_map(n, x);
    int channels = line_channels(n, x);
    plan.stride_h = plan.stride_w = plan.pool_h = plan.pool_w = 1;
    x = convolve(n, x, "", 4 * channels, plan);
    for (int i = 0; i < x.count; i++) {
        const int *in = x.slabs[i]->type.dims;
        x.slabs[i] =
            unflatten(n->g, flatten(n->g, x.slabs[i]), 3, (int[]){2 * in[1], 2 * in[2], channels});
    }
    return finish_conv(n, x, plan, activation_of(n));
}

/* Four convolutions as quadrants: left column x1 over x2, right column y1 over y2. */
static Flow conv_double_op(Network *n, Flow x)
{
    Flow parts[4];
    ConvPlan plan = plan_conv(n);
    expect_map(n, x);
    int channels = line_channels(n, x);
    plan.stride_h = plan.stride_w = 1;
    for (int k = 0; k < 4; k++) {
        own_end(n);
        parts[k] = finish_conv(n, convolve(n, x, "", channels, plan), plan, activation_of(n));
    }
    Flow left = join_flows(n, parts[0], parts[2], 1), right = join_flows(n, parts[1], parts[3], 1);
    return join_flows(n, left, right, 2);
}

static Flow bicubic_conv_op(Network *n, Flow x)
{
    ConvPlan plan = plan_conv(n);
    expect_map(n, x);
    int channels = line_channels(n, x);
    for (int i = 0; i < x.count; i++) {
        const int *in = x.slabs[i]->type.dims;
        x.slabs[i] = resize(n->g, x.slabs[i], 2 * in[1], 2 * in[2], RESIZE_BICUBIC);
    }
    return finish_conv(n, convolve(n, x, "", channels, plan), plan, activation_of(n));
}

static Flow pooled(Network *n, Flow x, ConvPlan plan)
{
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = average_pool(n->g, x.slabs[i], plan.pool_h, plan.pool_w);
    return x;
}

Flow add_flows(Network *n, Flow a, Flow b)
{
    if (a.count != b.count || !type_equal(&a.slabs[0]->type, &b.slabs[0]->type))
        fail_line(n, NULL, "values of different shapes cannot be added");
    for (int i = 0; i < a.count; i++)
        a.slabs[i] = add(n->g, a.slabs[i], b.slabs[i]);
    return a;
}

/* conv, activation, conv, plus a shortcut, activation. With an avg_pool among the defaults, strides
 * become pools. */
static Flow resnet_op(Network *n, Flow x)
{
    int stride = option_integer(line_option(n->line, "stride"), 1, 1, "stride");
    bool pools = component_option(n, "avg_pool").given;
    expect_map(n, x);
    int channels = line_channels(n, x);
    ConvPlan same = {3, 3, 1, 1, 1, 1}, first = same;
    first.stride_h = first.stride_w = pools ? 1 : stride;
    first.pool_h = first.pool_w = pools ? stride : 1;
    Flow way = pooled(n, convolve(n, x, "conv1.", channels, first), first);
    way = convolve(n, activate(n, way, activation_of(n)), "conv2.", channels, same);
    if (channels != x.slabs[0]->type.dims[0] || stride != 1)
        x = pooled(n, convolve(n, x, "shortcut.", channels, first), first);
    return activate(n, add_flows(n, way, x), activation_of(n));
}

/* ---------------------------------------------------------------- attention */
static Node *softmax_last(Graph *g, Node *scores) /* [q,k] over k */
{
    int keys = scores->type.dims[1];
    Node *top = node_unary(g, OP_STOP, node_maximum_of(g, scores, 1));
    Node *weights = node_unary(g, OP_EXP, subtract(g, scores, node_expand(g, top, 1, keys)));
    return node_binary(g, OP_DIV, weights, node_expand(g, node_sum(g, weights, 1), 1, keys));
}

/* f, g, h as [c, cells]: out[c, q] = sum over k of softmax_k(sum_c g[c,q] f[c,k]) h[c,k]; f and g
 * may have fewer channels than h. */
static Node *attend(Graph *g, Node *maps[3], bool plain)
{
    int c = maps[2]->type.dims[0], cells = maps[0]->type.dims[1] * maps[0]->type.dims[2];
    Node *flat[3];
    for (int k = 0; k < 3; k++)
        flat[k] = node_reshape(
            g, maps[k], (Type){.batch = true, .rank = 2, .dims = {maps[k]->type.dims[0], cells}});
    Node *keys = node_expand(g, flat[0], 1, cells), *queries = node_expand(g, flat[1], 2, cells);
    Node *scores = node_sum(g, multiply(g, keys, queries), 0);
    scores = plain ? node_scale(g, scores, 1.0 / cells) : softmax_last(g, scores);
    Node *values = node_expand(g, flat[2], 1, cells);
    Node *mixed = node_sum(g, multiply(g, node_expand(g, scores, 0, c), values), 2);
    return node_reshape(g, mixed, maps[2]->type);
}

static Flow attention_head(Network *n, Flow x, int head, ConvPlan plan)
{
    static const char letters[] = "fgh";
    Flow maps[3];
    Option h_activation = line_option(n->line, "h_activation");
    int channels = x.slabs[0]->type.dims[0];
    int group = option_integer(line_option(n->line, "c_scale"), 1, 1, "c_scale");
    bool plain = option_switch(line_option(n->line, "dot_product_similarity"));
    for (int k = 0; k < 3; k++) {
        const char *prefix =
            head == 0 ? arena_printf("%c.", letters[k]) : arena_printf("%c%d.", letters[k], head);
        maps[k] = activate(n, convolve(n, x, prefix, channels, plan), activation_of(n));
        if (k == 2 && h_activation.given)
            maps[k] = activate(n, maps[k], h_activation);
        for (int i = 0; i < x.count && k < 2 && group > 1; i++)
            maps[k].slabs[i] =
                node_resample(n->g, maps[k].slabs[i], 0,
                              resample_pool(n->g, maps[k].slabs[i]->type.dims[0], group));
    }
    Option final = line_option(n->line, "final_activation");
    Flow out = {.count = x.count};
    for (int i = 0; i < x.count; i++) {
        Node *slabs[3] = {maps[0].slabs[i], maps[1].slabs[i], maps[2].slabs[i]};
        if (slabs[0]->type.dims[0] > 0 &&
            (int64_t)type_size(&slabs[0]->type) * slabs[0]->type.dims[1] * slabs[0]->type.dims[2] >
                (int64_t)1 << 30)
            fail_line(n, "use attention on a smaller map",
                      "attention over so many cells needs too much memory");
        out.slabs[i] = attend(n->g, slabs, plain);
    }
    return final.given ? activate(n, out, final) : out;
}

/* A number as a part of an identifier, other numbers as other ones: 1.5e-7 is 1p5em7. */
static const char *number_name(double number)
{
    const char *text = arena_printf("%.17g", number);
    char *name = arena_alloc(strlen(text) + 1);
    for (size_t k = 0; text[k]; k++)
        name[k] = text[k] == '.' ? 'p' : text[k] == '-' ? 'm' : text[k] == '+' ? '_' : text[k];
    return name;
}

/* 0 up to the step, 1 behind it; a sampler knows no step. */
static Flow enable_at_step(Network *n, Flow x)
{
    Option step = line_option(n->line, "enable_at_step");
    double start = option_integer(step, 0, 0, "enable_at_step");
    if (!step.given || n->pass->sampling)
        return x;
    Scalar scalar = {.name = arena_printf("enabled_%s", number_name(start)),
                     .kind = SCALAR_COURSE,
                     .course = {.kind = COURSE_RAMP, .to = 1, .steps = 1, .start = start}};
    Node *share = add_scalar(n->g, n->pass->step, scalar);
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = multiply(n->g, x.slabs[i], node_expand_to(n->g, share, x.slabs[i]->type));
    return x;
}

static Flow attention_op(Network *n, Flow x)
{
    Option lambda = line_option(n->line, "lambda"), heads = line_option(n->line, "heads");
    ConvPlan plan = plan_conv(n);
    expect_map(n, x);
    int count = option_integer(component_option(n, "heads"), 1, 1, "heads");
    if (heads.given && n->pass->hyper->strict)
        count = option_integer(heads, 1, 1, "heads");
    else if (heads.given && n->pass->announces)
        warn_at(heads.span, "--strict takes it from the layer",
                "`heads` is read from the component only, as in the original: no effect here");
    if (count > 64)
        fail_line(n, NULL, "more than 64 heads");
    double weight = option_number(lambda, 1, "lambda");
    bool joins = option_switch(line_option(n->line, "concat"));
    Flow in = x;
    for (int head = 0; head < count; head++) {
        Flow out = enable_at_step(n, attention_head(n, in, head, plan));
        for (int i = 0; i < out.count; i++)
            out.slabs[i] = node_scale(n->g, out.slabs[i], weight);
        if (!joins && !type_equal(&out.slabs[0]->type, &x.slabs[0]->type))
            fail_line(n, "use stride=1 and an activation that keeps the channels",
                      "what attention gives cannot be added to what came in");
        x = joins ? join_flows(n, x, out, -1) : add_flows(n, x, out);
    }
    return x;
}

/* ---------------------------------------------------------------- sums, noise, masks */
static Flow scaled_noise(Network *n, Flow like, bool uniform, double scale)
{
    Flow noise = draw_noise(n, like, uniform);
    for (int i = 0; i < noise.count && scale != 1; i++)
        noise.slabs[i] = node_scale(n->g, noise.slabs[i], scale);
    return noise;
}

static Flow multiply_flows(Network *n, Flow a, Flow b)
{
    for (int i = 0; i < a.count; i++)
        a.slabs[i] = multiply(n->g, a.slabs[i], b.slabs[i]);
    return a;
}

static const Option sigmoid_word = {.given = true, .text = "sigmoid"};

/* sigmoid of a convolution to as many channels, stride 1. */
static Flow mask_of(Network *n, Flow x)
{
    ConvPlan plan = plan_conv(n);
    plan.stride_h = plan.stride_w = plan.pool_h = plan.pool_w = 1;
    return activate(n, convolve(n, x, "mask.", x.slabs[0]->type.dims[0], plan), sigmoid_word);
}

/* 1 where the mask is above the threshold, else 0: nothing is learned through it. */
static Flow hard_mask(Network *n, Flow mask, Option threshold)
{
    double level = option_number(threshold, 0.5, "threshold");
    for (int i = 0; i < mask.count; i++) {
        const Type type = mask.slabs[i]->type;
        mask.slabs[i] =
            node_binary(n->g, OP_GREATER, mask.slabs[i], node_constant(n->g, level, type));
    }
    return mask;
}

/* m a + (1 - m) b */
static Flow mix_by(Network *n, Flow mask, Flow a, Flow b)
{
    Flow rest = mask;
    for (int i = 0; i < mask.count; i++)
        rest.slabs[i] = node_shift(n->g, negate(n->g, mask.slabs[i]), 1);
    return add_flows(n, multiply_flows(n, a, mask), multiply_flows(n, rest, b));
}

static void expect_same(Network *n, Flow a, Flow b, const char *what)
{
    if (a.count != b.count || !type_equal(&a.slabs[0]->type, &b.slabs[0]->type))
        fail_line(n, "resize_images and conv bring maps to one shape",
                  "what mask_layer= names and what comes in have different %s", what);
}

/* m x + (1 - m) mask_layer, m the sigmoid of a transposed convolution of `layer` to one channel. */
static Flow mask_op(Network *n, Flow x)
{
    Option from = line_option(n->line, "layer"), other = line_option(n->line, "mask_layer");
    Option way = line_option(n->line, "upscale"), name = line_option(n->line, "mask_name");
    expect_map(n, x);
    if (!from.given || !other.given)
        fail_line(n, "for example mask layer=a mask_layer=b",
                  "mask needs the names of two layers, layer= and mask_layer=");
    if (way.given && !option_is(way, "subpixel") && !option_is(way, "deconv"))
        fail_at(way.span, "deconv is the other one", "`upscale` must be subpixel or deconv");
    Flow source = find_flow(n, from, line_option(n->line, "src"));
    Flow extra = find_flow(n, other, line_option(n->line, "src"));
    expect_map(n, source);
    expect_same(n, x, extra, x.count == extra.count ? "shapes" : "numbers of samples");
    ConvPlan plan = plan_conv(n);
    Flow mask = option_is(way, "subpixel")
                    ? subpixel(n, source, 1, 2, sigmoid_word)
                    : finish_conv(n, deconvolve(n, source, 1, plan), plan, sigmoid_word);
    if (name.given)
        name_flow(n, name.text, mask);
    for (int i = 0; i < mask.count; i++) {
        const int *want = x.slabs[0]->type.dims, *got = mask.slabs[i]->type.dims;
        if (mask.count != x.count || got[1] != want[1] || got[2] != want[2])
            fail_line(n, "stride= says by how much the mask is larger than layer=",
                      "the mask has %d x %d cells, what comes in %d x %d", got[1], got[2], want[1],
                      want[2]);
        Node *cells = node_sum(n->g, mask.slabs[i], 0); /* of one channel */
        mask.slabs[i] = node_expand(n->g, cells, 0, want[0]);
    }
    return mix_by(n, mask, x, extra);
}

static bool has_argument(Network *n, const char *word)
{
    for (int i = 0; i < line_argument_count(n->line); i++)
        if (option_is(line_argument(n->line, i), word))
            return true;
    return false;
}

static Flow noise_op(Network *n, Flow x)
{
    if (has_argument(n, "uniform"))
        return scaled_noise(n, x, true, 1);
    Flow noise = scaled_noise(n, x, false, 0.1);
    if (has_argument(n, "learned")) {
        expect_map(n, x);
        int channels = x.slabs[0]->type.dims[0];
        Node *weight = own_weight(n, "weight", (Type){.rank = 3, .dims = {1, 1, channels}}, 1,
                                  channels, network_option(n, "initializer"));
        Node *vector = node_reshape(n->g, weight, type_vector(false, channels));
        for (int i = 0; i < x.count; i++)
            noise.slabs[i] = multiply(n->g, noise.slabs[i],
                                      expand_channels(n->g, vector, &noise.slabs[i]->type));
    }
    if (has_argument(n, "mask"))
        noise = multiply_flows(n, noise, mask_of(n, x));
    return add_flows(n, x, noise);
}

static const Json *find_subnet(Network *n, const char *name)
{
    const Json *subnets = json_member(n->component->json, "subnets");
    return subnets != NULL && subnets->kind == JSON_OBJECT ? json_member(subnets, name) : NULL;
}

/* What `add` and `concat` take: noise, a named layer, or a subnet run on x. */
static Flow other_operand(Network *n, Flow x)
{
    Option layer = line_option(n->line, "layer"), word = line_argument(n->line, 0);
    if (layer.given)
        return find_flow(n, layer, line_option(n->line, "src"));
    if (option_is(word, "noise"))
        return option_is(line_option(n->line, "type"), "uniform") ? scaled_noise(n, x, true, 1)
                                                                  : scaled_noise(n, x, false, 0.1);
    const Json *subnet = word.given && word.text != NULL ? find_subnet(n, word.text) : NULL;
    if (subnet == NULL)
        fail_at(word.given ? word.span : n->line->span,
                "layer=NAME takes the output of a layer, noise draws, a name runs a subnet",
                "nothing to %s", n->line->op->name);
    Network inner = *n;
    x = apply_lines(&inner, read_lines(subnet), x);
    n->next = inner.next;
    return x;
}

static Flow add_op(Network *n, Flow x)
{
    Option lambda = line_option(n->line, "lambda");
    Flow other = other_operand(n, x);
    if (option_switch(line_option(n->line, "mask"))) {
        Option threshold = line_option(n->line, "threshold");
        Flow mask = mask_of(n, x);
        if (threshold.given)
            mask = hard_mask(n, mask, threshold);
        return mix_by(n, mask, other, x);
    }
    double weight = option_number(lambda, 1, "lambda");
    for (int i = 0; i < other.count && weight != 1; i++)
        other.slabs[i] = node_scale(n->g, other.slabs[i], weight);
    return add_flows(n, x, other);
}

static Flow concat_op(Network *n, Flow x)
{
    Flow other = other_operand(n, x);
    if (x.slabs[0]->type.rank == 3 && other.slabs[0]->type.rank == 3)
        for (int i = 0; i < other.count; i++)
            other.slabs[i] = resize(n->g, other.slabs[i], x.slabs[0]->type.dims[1],
                                    x.slabs[0]->type.dims[2], RESIZE_NEAREST);
    if (option_switch(line_option(n->line, "mask")))
        other = multiply_flows(n, other, mask_of(n, x));
    return join_flows(n, x, other, -1);
}

static Flow variational_op(Network *n, Flow x)
{
    ConvPlan plan = plan_conv(n);
    expect_map(n, x);
    int channels = line_channels(n, x);
    Flow mean = finish_conv(n, convolve(n, x, "mu.", channels, plan), plan, activation_of(n));
    Flow spread_of =
        finish_conv(n, convolve(n, x, "sigma.", channels, plan), plan, activation_of(n));
    return add_flows(n, mean, multiply_flows(n, spread_of, draw_noise(n, mean, false)));
}

static Flow variational_noise_op(Network *n, Flow x)
{
    Flow factor = scaled_noise(n, x, false, 0.02);
    for (int i = 0; i < x.count; i++)
        factor.slabs[i] = node_shift(n->g, factor.slabs[i], 1);
    return multiply_flows(n, x, factor);
}

static Flow progressive_replace_op(Network *n, Flow x)
{
    (void)x;
    Flow start = find_flow(n, line_option(n->line, "start"), (Option){0});
    Flow end = find_flow(n, line_option(n->line, "end"), (Option){0});
    double steps = option_number(line_option(n->line, "steps"), 10000, "steps");
    double delay = option_number(line_option(n->line, "delay"), 0, "delay");
    expect_map(n, start);
    expect_map(n, end);
    if (!(steps >= 1) || start.count != end.count)
        fail_line(n, NULL, "progressive_replace needs two maps of one batch, and steps above 0");
    Scalar scalar = {
        .name = arena_printf("ramp_%s_%s", number_name(delay), number_name(steps)),
        .kind = SCALAR_COURSE,
        .course = {.kind = COURSE_RAMP, .from = 0, .to = 1, .steps = steps, .start = delay}};
    if (n->pass->sampling) /* a sampler knows no step: it draws from the layer that remains */
        return end;
    Node *share = add_scalar(n->g, n->pass->step, scalar);
    for (int i = 0; i < end.count; i++) {
        const Type type = end.slabs[i]->type;
        Node *old = resize(n->g, start.slabs[i], type.dims[1], type.dims[2], RESIZE_NEAREST);
        Node *way =
            multiply(n->g, subtract(n->g, end.slabs[i], old), node_expand_to(n->g, share, type));
        end.slabs[i] = add(n->g, old, way);
    }
    return end;
}

/* ---------------------------------------------------------------- normalisation and statistics */

/* (x - mean) / sqrt(variance + 1e-12) over all of a sample, gain and shift a channel. */
static Flow layer_norm_op(Network *n, Flow x)
{
    Graph *g = n->g;
    Type channels = type_vector(false, x.slabs[0]->type.dims[0]);
    Node *gain = own(n, "gain", channels, INIT_ONE, 0);
    Node *shift = own(n, "shift", channels, INIT_ZERO, 0);
    for (int i = 0; i < x.count; i++) {
        const Type type = x.slabs[i]->type;
        double size = (double)type_size(&type);
        Node *mean = node_scale(g, node_sum_all(g, x.slabs[i]), 1 / size);
        Node *centred = subtract(g, x.slabs[i], node_expand_to(g, mean, type));
        Node *variance = node_shift(g, node_scale(g, sum_of_squares(g, centred), 1 / size), 1e-12);
        Node *deviation = node_expand_to(g, node_unary(g, OP_SQRT, variance), type);
        Node *normal = node_binary(g, OP_DIV, centred, deviation);
        Node *scaled = multiply(g, normal, expand_channels(g, gain, &type));
        x.slabs[i] = add(g, scaled, expand_channels(g, shift, &type));
    }
    return x;
}

static Flow batch_norm_op(Network *n, Flow x)
{
    Type channels = type_vector(false, x.slabs[0]->type.dims[0]);
    x = normalise_batch(n, x, 1e-3);
    Node *shift = own(n, "shift", channels, INIT_ZERO, 0);
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = add(n->g, x.slabs[i], expand_channels(n->g, shift, &x.slabs[i]->type));
    return x;
}

/* x / sqrt(mean of x^2 over the height + 1e-8); with --strict the mean is over the channels. */
static Flow pixel_norm_op(Network *n, Flow x)
{
    int axis = n->pass->hyper->strict ? 0 : 1;
    expect_map(n, x);
    if (axis == 1 && n->pass->announces)
        warn_at(n->line->span, "--strict takes the mean over the channels",
                "pixel_norm takes the mean over the height, as in the original");
    for (int i = 0; i < x.count; i++) {
        int size = x.slabs[i]->type.dims[axis];
        Node *mean = node_scale(n->g, node_sum(n->g, square(n->g, x.slabs[i]), axis), 1.0 / size);
        Node *rms = node_unary(n->g, OP_SQRT, node_shift(n->g, mean, 1e-8));
        x.slabs[i] = node_binary(n->g, OP_DIV, x.slabs[i], node_expand(n->g, rms, axis, size));
    }
    return x;
}

/* Mean and variance over the height, one after the other, flattened. */
static Flow image_statistics_op(Network *n, Flow x)
{
    Graph *g = n->g;
    expect_map(n, x);
    for (int i = 0; i < x.count; i++) {
        int rows = x.slabs[i]->type.dims[1];
        Node *mean = node_scale(g, node_sum(g, x.slabs[i], 1), 1.0 / rows);
        Node *centred = subtract(g, x.slabs[i], node_expand(g, mean, 1, rows));
        Node *variance = node_scale(g, node_sum(g, square(g, centred), 1), 1.0 / rows);
        Node *both = node_permute(g, node_concat(g, mean, variance, 1), (const int[]){1, 0});
        x.slabs[i] = node_reshape(g, both, type_vector(true, (int)type_size(&both->type)));
    }
    return x;
}

static Flow squash_op(Network *n, Flow x)
{
    for (int i = 0; i < x.count; i++) {
        double size = (double)type_size(&x.slabs[i]->type);
        Node *mean = node_scale(n->g, node_sum_all(n->g, x.slabs[i]), 1 / size);
        x.slabs[i] = node_reshape(n->g, mean, type_vector(true, 1));
    }
    return x;
}

static Flow reduce_sum_op(Network *n, Flow x)
{
    for (int i = 0; i < x.count; i++)
        x.slabs[i] = node_sum_all(n->g, x.slabs[i]);
    return x;
}

/* Products of channels summed over the cells, as a map of h x h. */
static Flow gram_matrix_op(Network *n, Flow x)
{
    Graph *g = n->g;
    expect_map(n, x);
    for (int i = 0; i < x.count; i++) {
        int c = x.slabs[i]->type.dims[0], h = x.slabs[i]->type.dims[1];
        int cells = h * x.slabs[i]->type.dims[2];
        if (c * c % (h * h) != 0)
            fail_line(n, NULL, "%d x %d products do not make a map of %d x %d", c, c, h, h);
        Node *flat =
            node_reshape(g, x.slabs[i], (Type){.batch = true, .rank = 2, .dims = {c, cells}});
        Node *rows = node_expand(g, flat, 1, c), *columns = node_expand(g, flat, 0, c);
        Node *gram = node_sum(g, multiply(g, rows, columns), 2);
        x.slabs[i] = unflatten(g, node_reshape(g, gram, type_vector(true, c * c)), 3,
                               (int[]){h, h, c * c / (h * h)});
    }
    return x;
}

/* ---------------------------------------------------------------- the table */
const HyperRow hyper_rows[] = {
    {"linear", linear_op, "", NULL},
    {"conv", conv_op, "", NULL},
    {"deconv", deconv_op, "", NULL},
    {"resize_conv", resize_conv_op, "w h concat", NULL},
    {"reshape", reshape_op, "", NULL},
    {"const", const_op, "", NULL},
    {"attention", attention_op,
     "lambda heads concat dot_product_similarity h_activation final_activation c_scale "
     "enable_at_step only",
     NULL},
    {"crop", crop_op, "d_offset", NULL},
    {"resize_images", resize_images_op, "method", NULL},
    {"adaptive_instance_norm", adaptive_instance_norm_op, "w", NULL},
    {"resnet", resnet_op, "", NULL},
    {"activation", activation_op, "", NULL},
    {"add", add_op, "layer mask threshold lambda type", NULL},
    {"avg_pool", avg_pool_op, "slice", NULL},
    {"batch_norm", batch_norm_op, "", NULL},
    {"bicubic_conv", bicubic_conv_op, "", NULL},
    {"concat", concat_op, "layer mask type", NULL},
    {"const_like", const_like_op, "", NULL},
    {"conv_depth_to_space", conv_depth_to_space_op, "", NULL},
    {"conv_dts", conv_depth_to_space_op, "", NULL},
    {"conv_double", conv_double_op, "", NULL},
    {"conv_reshape", conv_reshape_op, "", NULL},
    {"double_resolution", double_resolution_op, "", NULL},
    {"gram_matrix", gram_matrix_op, "", NULL},
    {"identity", identity_op, "", NULL},
    {"image_statistics", image_statistics_op, "", NULL},
    {"layer", reference_op, "resize_images", NULL},
    {"layer_norm", layer_norm_op, "", NULL},
    {"match_support", match_support_op, "", NULL},
    {"minibatch", minibatch_op, "group_size", NULL},
    {"noise", noise_op, "", NULL},
    {"pad", pad_op, "", NULL},
    {"phase_shift", phase_shift_op, "", NULL},
    {"pixel_norm", pixel_norm_op, "", NULL},
    {"progressive_replace", progressive_replace_op, "start end steps delay", NULL},
    {"reduce_sum", reduce_sum_op, "", NULL},
    {"reference", reference_op, "resize_images", NULL},
    {"reverse_batch", reverse_batch_op, "", NULL},
    {"slice", slice_op, "", NULL},
    {"split", split_op, "select", NULL},
    {"squash", squash_op, "", NULL},
    {"subpixel", subpixel_op, "", NULL},
    {"turing_test", turing_test_op, "", NULL},
    {"variational", variational_op, "", NULL},
    {"variational_noise", variational_noise_op, "", NULL},
    {"zeros", zeros_op, "", NULL},
    {"zeros_like", zeros_like_op, "", NULL},
    {"control", control_op, "", NULL},
    {"fractional_avg_pool", fractional_avg_pool_op, "", NULL},
    {"knowledge_base", knowledge_base_op, "", NULL},
    {"latent", latent_op, "", NULL},
    {"layer_filter", layer_filter_op, "", NULL},
    {"mask", mask_op, "layer mask_layer mask_name upscale", NULL},
    {"relational", relational_op, "", NULL},
    {"slice_input", slice_input_op, "", NULL},
    {"two_sample_stack", two_sample_stack_op, "mixup", NULL},
    {"unpool", unpool_op, "", NULL},
    {"combine_features", NULL, "", "nothing in a config makes features; concat joins layers"},
    {"tensorflowcv", NULL, "", "it is a classifier trained elsewhere"}};
const size_t hyper_row_count = sizeof hyper_rows / sizeof hyper_rows[0];

const HyperRow *find_op(const char *name)
{
    for (size_t i = 0; i < hyper_row_count; i++)
        if (strcmp(hyper_rows[i].name, name) == 0)
            return &hyper_rows[i];
    return NULL;
}
