/* hyper_batch.c -- layers that look at several samples, and the one that treats each sample in a
 * way of its own.
 *
 * A batch has batch_size samples from the first layer to the last. In the discriminator such layers
 * see real and fake samples as one batch of twice that, slab by slab. A layer of the original that
 * leaves fewer samples gives each of those that are left as often as it takes to make a batch:
 * every mean over the batch, of outputs, moments and losses, is that of the smaller one. */
#include "hypergan.h"

#include <string.h>

/* ---------------------------------------------------------------- sums over samples */
/* rows[t][s][b][k]: sample b of slab t takes this share of sample k of slab s. */
static Flow mix_samples(Network *n, Flow x, double (*share)(const void *context, int to, int from),
                        const void *context)
{
    int batch = n->g->batch_size;
    Flow mixed = {.count = x.count};
    double *rows = arena_alloc((size_t)batch * (size_t)batch * sizeof *rows);
    for (int t = 0; t < x.count; t++)
        for (int s = 0; s < x.count; s++) {
            bool any = false;
            for (int b = 0; b < batch; b++)
                for (int k = 0; k < batch; k++) {
                    double value = share(context, t * batch + b, s * batch + k);
                    rows[(size_t)b * (size_t)batch + (size_t)k] = value;
                    any = any || value != 0;
                }
            Node *part = any ? mix_batch(n->g, x.slabs[s], rows) : NULL;
            if (part != NULL)
                mixed.slabs[t] = mixed.slabs[t] ? add(n->g, mixed.slabs[t], part) : part;
        }
    return mixed;
}

typedef struct Groups {
    int count, members; /* sample g * count + m is member g of group m */
} Groups;

static double group_share(const void *context, int to, int from)
{
    const Groups *groups = context;
    return to % groups->count == from % groups->count ? 1.0 / groups->members : 0;
}

/* The deviation of each value over the samples of a group, averaged over the sample: as many
 * channels of it as there are. */
Flow minibatch_op(Network *n, Flow x)
{
    Graph *g = n->g;
    int samples = g->batch_size * x.count;
    int members = option_integer(line_option(n->line, "group_size"), samples, 1, "group_size");
    if (members > samples)
        members = samples;
    if (samples % members != 0)
        fail_line(n, NULL, "groups of %d do not divide a batch of %d", members, samples);
    Groups groups = {samples / members, members};
    Flow mean = mix_samples(n, x, group_share, &groups), squares = x;
    for (int i = 0; i < x.count; i++)
        squares.slabs[i] = square(g, subtract(g, x.slabs[i], mean.slabs[i]));
    Flow variance = mix_samples(n, squares, group_share, &groups);
    for (int i = 0; i < x.count; i++) {
        const Type type = x.slabs[i]->type;
        Node *deviation = node_unary(g, OP_SQRT, node_shift(g, variance.slabs[i], 1e-8));
        Node *number = node_scale(g, node_sum_all(g, deviation), 1.0 / (double)type_size(&type));
        x.slabs[i] = node_concat(g, x.slabs[i], node_expand_to(g, number, type), 0);
    }
    return x;
}

static double reverse_share(const void *context, int to, int from)
{
    int samples = *(const int *)context; /* that are reversed together */
    return to / samples == from / samples && to % samples == samples - 1 - from % samples;
}

Flow turing_test_op(Network *n, Flow x)
{
    int samples = n->g->batch_size * x.count;
    return join_flows(n, x, mix_samples(n, x, reverse_share, &samples), -1);
}

Flow reverse_batch_op(Network *n, Flow x)
{
    return mix_samples(n, x, reverse_share, &n->g->batch_size);
}

/* ---------------------------------------------------------------- fewer samples */

/* Sums over the outputs would count the copies. */
static void expect_mean(const Network *n)
{
    Reduce how = n->pass->hyper->loss.reduce;
    if (n->tag[0] != 'D')
        fail_line(n, "it belongs into the discriminator",
                  "each latent gives one image: a generator cannot leave samples out");
    if (how != REDUCE_MEAN && how != REDUCE_MIN)
        fail_line(n, "reduce_mean and reduce_min give the same for each sample twice",
                  "`%s` leaves fewer outputs, which this `reduce` would count as a whole batch",
                  n->line->op->name);
}

typedef struct Pairs {
    int half;  /* samples of half a slab: pair b is samples b and b + half of it */
    int batch; /* samples of a slab */
    bool second;
} Pairs;

static double pair_share(const void *context, int to, int from)
{
    const Pairs *pairs = context;
    int slab = to / pairs->batch * pairs->batch, pair = to % pairs->batch % pairs->half;
    return from == slab + pair + (pairs->second ? pairs->half : 0);
}

/* One number from U(0, 1) for the whole batch. */
static Node *draw_share(Network *n)
{
    Graph *g = n->g;
    int batch = g->batch_size;
    Flow like = {.slabs = {node_constant(g, 0, type_vector(true, 1))}, .count = 1};
    Node *each = node_scale(g, node_shift(g, draw_noise(n, like, true).slabs[0], 1), 0.5);
    double *first = arena_alloc((size_t)batch * (size_t)batch * sizeof *first);
    for (int b = 0; b < batch; b++)
        first[(size_t)b * (size_t)batch] = 1;
    return node_sum(g, mix_batch(g, each, first), 0);
}

Flow two_sample_stack_op(Network *n, Flow x)
{
    Graph *g = n->g;
    Pairs pairs = {.half = g->batch_size / 2, .batch = g->batch_size};
    expect_mean(n);
    if (g->batch_size % 2 != 0)
        fail_line(n, "take an even batch_size", "two_sample_stack makes pairs of a batch of %d",
                  g->batch_size);
    Flow first = mix_samples(n, x, pair_share, &pairs);
    pairs.second = true;
    Flow second = mix_samples(n, x, pair_share, &pairs);
    bool mixes = option_switch(line_option(n->line, "mixup")) ||
                 option_is(line_argument(n->line, 0), "mixup");
    if (!mixes)
        return join_flows(n, first, second, -1);
    Node *share = draw_share(n);
    for (int i = 0; i < x.count; i++) {
        Node *way = subtract(g, first.slabs[i], second.slabs[i]);
        x.slabs[i] = add(g, second.slabs[i], multiply(g, way, node_expand_to(g, share, way->type)));
    }
    return x;
}

typedef struct Stride {
    int start, step;
} Stride;

static double stride_share(const void *context, int to, int from)
{
    const Stride *stride = context;
    return from == to / stride->step * stride->step + stride->start;
}

Flow slice_input_op(Network *n, Flow x)
{
    Option start = line_argument(n->line, 0), step = line_argument(n->line, 1);
    expect_mean(n);
    if (!start.given || !step.given)
        fail_line(n, "slice_input 0 2 takes every other sample",
                  "slice_input needs the first sample and the step");
    Stride stride = {option_integer(start, 0, 0, "i"), option_integer(step, 1, 1, "n")};
    if (n->g->batch_size % stride.step != 0)
        fail_at(step.span, "so that as many real samples stay as generated ones",
                "the step must divide the batch size, %d", n->g->batch_size);
    if (stride.start >= stride.step)
        fail_at(start.span, NULL, "the first sample must be below the step, %d", stride.step);
    return mix_samples(n, x, stride_share, &stride);
}
