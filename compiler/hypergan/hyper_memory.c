/* hyper_memory.c -- tensors with a row a sample of the batch, and the hook that keeps samples of
 * earlier steps in them.
 *
 * A memory is a tensor [batch_size][n]: row b belongs to the sample at place b. Rows become a value
 * of the batch, and values become rows, by products with the unit matrix, so they are exact and
 * every target has them. A place in the batch is a constant: a resample of 1 over the batch. */
#include "hyper_game.h"

#include <string.h>

/* [n]: 0, 1, 2 ... along the axis of an array of ones. */
static Node *count_along(Graph *g, Type type, int axis, int n)
{
    double *rows = arena_alloc((size_t)n * (size_t)n * sizeof *rows);
    for (int k = 0; k < n; k++)
        rows[(size_t)k * (size_t)n + (size_t)k] = k;
    return node_resample(g, node_constant(g, 1, type), axis, resample_matrix(g, n, n, rows));
}

/* [batch][batch_size], at b, j: b, j, and whether they are the same. */
typedef struct Places {
    Node *own, *other, *unit;
} Places;

static Places batch_places(Graph *g)
{
    int n = g->batch_size;
    Places p = {.own = count_along(g, (Type){.batch = true}, BATCH_AXIS, n)};
    p.own = node_expand(g, p.own, 0, n);
    p.other = node_expand_batch(g, count_along(g, type_vector(false, n), 0, n));
    p.unit = node_binary(g, OP_EQUAL, p.own, p.other);
    return p;
}

static Node *flat_samples(Graph *g, Node *value) /* [b, ...] -> [b][n] */
{
    int size = (int)type_size(&value->type);
    return value->type.rank == 1 ? value : node_reshape(g, value, type_vector(true, size));
}

Node *rows_of_batch(Graph *g, Node *value)
{
    Node *unit = batch_places(g).unit;
    return node_contract_w(g, unit, flat_samples(g, value));
}

Node *batch_of_rows(Graph *g, Node *rows, Type type)
{
    Node *value = node_contract_x(g, batch_places(g).unit, rows);
    return type_equal(&value->type, &type) ? value : node_reshape(g, value, type);
}

Tensor *control_tensor(Graph *g, const char *field, const char *label, Type type)
{
    const char *name = arena_printf("control.%s", field);
    for (int k = 0; k < g->tensor_count; k++)
        if (strcmp(g->tensors[k]->name, name) == 0)
            return g->tensors[k];
    return graph_tensor(g, (Tensor){.name = name,
                                    .group = "control",
                                    .field = field,
                                    .label = label,
                                    .type = type,
                                    .role = ROLE_CONTROL,
                                    .init = INIT_ZERO});
}

Tensor *sample_tensor(Graph *g, const char *field, const char *label, int width)
{
    return control_tensor(g, field, label, type_matrix(g->batch_size, width));
}

/* [b]: how many samples have a larger score; of equal ones the first counts as larger. */
static Node *rank_samples(Graph *g, Node *score)
{
    int n = g->batch_size;
    Places p = batch_places(g);
    Node *mine = node_expand(g, score, 0, n);
    Node *all = node_expand_batch(g, node_sum_batch(g, multiply(g, mine, p.unit)));
    Node *larger = node_binary(g, OP_GREATER, all, mine);
    Node *equal = node_binary(g, OP_EQUAL, all, mine);
    Node *before = multiply(g, equal, node_binary(g, OP_GREATER, p.own, p.other));
    return node_sum(g, add(g, larger, before), 0);
}

static Node *mean_of_sample(Graph *g, Node *value) /* [b, ...] -> [b] */
{
    return node_scale(g, node_sum_all(g, value), 1 / (double)type_size(&value->type));
}

/* ---------------------------------------------------------------- likeness in a batch */
/* [kernels]: of each sample of `mine`, the sum over the samples of `others` but itself of
 * e^-|a - b|, with the projections [kernels][dims] of both. */
static Node *likeness(Graph *g, Node *mine, Node *others, bool same)
{
    int n = g->batch_size, kernels = mine->type.dims[0], dims = mine->type.dims[1];
    Node *rows = rows_of_batch(g, others);
    Node *all = node_reshape(g, rows, (Type){.rank = 3, .dims = {n, kernels, dims}});
    Node *way = subtract(g, node_expand_batch(g, all), node_expand(g, mine, 0, n));
    Node *near = node_unary(g, OP_EXP, negate(g, node_sum(g, node_unary(g, OP_ABS, way), 2)));
    if (same) {
        Node *others_only = node_shift(g, negate(g, batch_places(g).unit), 1);
        near = multiply(g, near, node_expand(g, others_only, 1, kernels));
    }
    return node_sum(g, near, 0);
}

/* Salimans and others, Improved techniques for training GANs, from the outputs of D; as in the
 * original the mean, and each half of the batch divided by the number of its pairs. The projection
 * is D.0.minibatch.weight and .bias. */
Node *minibatch_likeness(Builder *b, Game *game)
{
    Graph *g = b->g;
    const GanLossConfig *loss = &b->hyper->loss;
    int kernels = loss->minibatch_kernels, dims = loss->minibatch_dims, n = g->batch_size;
    Pass apart = pass_apart(&game->pass, game->names);
    const Component *d = &b->hyper->discriminator;
    Network head = {.pass = &apart, .g = g, .component = d, .tag = d->tag, .current = 0};
    Line none = {.span = loss->span};
    head.line = &none;
    Flow outputs = {.slabs = {game->d_real, game->d_fake}, .count = 2};
    Flow wide = dense(&head, outputs, "minibatch.", kernels * dims, true);
    Node *sum = NULL;
    Type type = {.batch = true, .rank = 2, .dims = {kernels, dims}};
    for (int k = 0; k < 4; k++) {
        Node *mine = node_reshape(g, wide.slabs[k / 2], type);
        Node *part = node_sum_all(g, likeness(g, mine, wide.slabs[k % 2], k / 2 == k % 2));
        sum = sum != NULL ? add(g, sum, part) : part;
    }
    double pairs = (double)n * (2 * n - 1), numbers = 4.0 * n * kernels;
    return node_scale(g, node_sum_batch(g, sum), 1 / (pairs * numbers));
}

/* ---------------------------------------------------------------- rolling memories */
typedef struct Memory { /* one that the pairs of a hook name, while a step is built */
    MemoryMember member;
    Tensor *tensor;
    Node *now;   /* what it holds: of the first step that step's own samples */
    Node *input; /* what D sees of it */
    Node *source;
} Memory;

enum { MAX_MEMORIES = 2 * MAX_PAIRS };
typedef struct Memories {
    Builder *b;
    Game *game;
    const Hook *hook;
    int number; /* of the hook */
    Node *started;
    Tensor *flag;
    Memory items[MAX_MEMORIES];
    int count;
} Memories;

static Node *apply_network(const Memories *m, const Component *component, Flow x)
{
    Pass apart = pass_apart(&m->game->pass, m->game->names);
    if (component->tag[0] == 'G')
        apart.name_count = apart.name_capacity = 0;
    Flow out = apply_component(&apart, component, x);
    m->game->pass.noise_lines = apart.noise_lines;
    return out.slabs[0];
}

/* Outputs of D for two batches. */
static Flow judge(const Memories *m, Node *left, Node *right)
{
    Pass apart = pass_apart(&m->game->pass, m->game->names);
    Flow both = {.slabs = {left, right}, .count = 2};
    Flow out = apply_component(&apart, &m->b->hyper->discriminator, both);
    m->game->pass.noise_lines = apart.noise_lines;
    return out;
}

static Node *source_of(const Memories *m, MemoryKind kind)
{
    Node *value = kind == MEMORY_OF_X   ? m->game->real
                  : kind == MEMORY_OF_G ? m->game->fake
                                        : m->game->latent;
    return node_unary(m->b->g, OP_STOP, value);
}

static const char *memory_field(const Memories *m, MemoryMember member)
{
    static const char *const kinds[] = {"x", "g", "mx", "mg", "mz"};
    static const char *const ends[] = {"_low", "", "_high"};
    return arena_printf("rolling%d_%s%s", m->number, kinds[member.kind], ends[member.sign + 1]);
}

static Memory *find_memory(Memories *m, MemoryMember member)
{
    Graph *g = m->b->g;
    for (int k = 0; k < m->count; k++)
        if (m->items[k].member.kind == member.kind && m->items[k].member.sign == member.sign)
            return &m->items[k];
    Memory *memory = &m->items[m->count++];
    Node *source = source_of(m, member.kind);
    Type type = source->type;
    *memory = (Memory){.member = member, .source = source};
    memory->tensor = sample_tensor(g, memory_field(m, member), "samples of earlier steps",
                                   (int)type_size(&type));
    Node *kept = batch_of_rows(g, node_parameter(g, memory->tensor), type);
    Node *begun = node_expand_to(g, m->started, type);
    Node *first = multiply(g, node_shift(g, negate(g, begun), 1), source);
    memory->now = node_unary(g, OP_STOP, add(g, multiply(g, begun, kept), first));
    memory->input = memory->now;
    if (member.kind == MEMORY_OF_Z)
        memory->input =
            apply_network(m, &m->b->hyper->generator, (Flow){.slabs = {memory->now}, .count = 1});
    return memory;
}

static Node *member_input(Memories *m, MemoryMember member)
{
    if (member.kind == MEMBER_X || member.kind == MEMBER_G)
        return member.kind == MEMBER_X ? m->game->real : m->game->fake;
    return find_memory(m, member)->input;
}

/* What D says of the samples that a memory holds, and of those that may come in. Those without a
 * sign are judged beside each other, the others beside themselves. */
static Node *held_scores(Memories *m, const Memory *memory)
{
    MemoryMember x = {MEMORY_OF_X, 0}, of_g = {MEMORY_OF_G, 0};
    bool real = memory->member.kind == MEMORY_OF_X;
    Flow out;
    if (memory->member.sign == 0) {
        Node *left = find_memory(m, x)->input;
        out = judge(m, left, find_memory(m, of_g)->input);
    } else {
        out = judge(m, memory->input, memory->input);
    }
    Node *score = mean_of_sample(m->b->g, out.slabs[real ? 0 : 1]);
    bool low = memory->member.sign < 0 ||
               (memory->member.sign == 0 && (real ? m->hook->reverse_mx : m->hook->reverse_mg));
    return low ? negate(m->b->g, score) : score;
}

static Node *new_scores(const Memories *m, const Memory *memory)
{
    bool real = memory->member.kind == MEMORY_OF_X;
    Node *score = mean_of_sample(m->b->g, real ? m->game->d_real : m->game->d_fake);
    return (memory->member.sign < 0) != m->hook->reverse_top ? negate(m->b->g, score) : score;
}

/* Of the samples with the top_k largest scores each gives way: to the new one at its place, or,
 * with a sign, to the new one whose score has the same rank. */
static void update_memory(Memories *m, Step *step, Memory *memory, Node *due)
{
    Graph *g = m->b->g;
    Type type = memory->source->type;
    Node *rank = rank_samples(g, held_scores(m, memory)), *incoming = memory->source;
    Node *limit = node_constant(g, m->hook->top_k - 0.5, rank->type);
    Node *leaves = node_binary(g, OP_GREATER, limit, rank);
    if (due != NULL)
        leaves = multiply(g, leaves, node_expand_to(g, due, leaves->type));
    if (memory->member.sign != 0) {
        int n = g->batch_size;
        Node *ranks = node_expand(g, rank_samples(g, new_scores(m, memory)), 0, n);
        Node *of_all = node_sum_batch(g, multiply(g, ranks, batch_places(g).unit));
        Node *match =
            node_binary(g, OP_EQUAL, node_expand(g, rank, 0, n), node_expand_batch(g, of_all));
        Node *picked = node_contract_x(g, match, rows_of_batch(g, memory->source));
        incoming = type_equal(&picked->type, &type) ? picked : node_reshape(g, picked, type);
    }
    Node *out = node_expand_to(g, leaves, type);
    Node *stay = multiply(g, node_shift(g, negate(g, out), 1), memory->now);
    Node *next = add(g, stay, multiply(g, out, incoming));
    step_assign(step, node_assign(g, memory->tensor, rows_of_batch(g, next)));
}

/* 1 in iterations whose number has the remainder `offset`, NULL: in all. */
static Node *memory_is_due(const Memories *m, Step *step)
{
    Graph *g = m->b->g;
    int every = m->hook->every;
    if (every == 1)
        return NULL;
    Scalar scalar = {
        .name = arena_printf("hook%d_turn", m->number),
        .kind = SCALAR_COURSE,
        .course = {
            .kind = COURSE_RAMP, .from = 0, .to = every - 1, .steps = every - 1, .repeat = true}};
    Node *turn = node_shift(g, add_scalar(g, step, scalar), -m->hook->offset);
    return node_binary(g, OP_GREATER, node_constant(g, 0.5, turn->type),
                       node_unary(g, OP_ABS, turn));
}

HookLosses rolling_losses(Builder *b, Step *step, Game *game, const Hook *hook, int number)
{
    Graph *g = b->g;
    Memories m = {.b = b, .game = game, .hook = hook, .number = number};
    HookLosses sum = {NULL, NULL};
    Node *k = b->k != NULL ? node_parameter(g, b->k) : NULL;
    m.flag = control_tensor(g, arena_printf("rolling%d_begun", number),
                            "whether memories are filled", type_scalar());
    m.started = node_parameter(g, m.flag);
    for (int i = 0; i < hook->pair_count; i++) {
        Node *left = member_input(&m, hook->pairs[i].left);
        Node *right = member_input(&m, hook->pairs[i].right);
        Flow out = judge(&m, left, right);
        GanTerms terms = gan_loss(g, &b->hyper->loss, out.slabs[0], out.slabs[1], k, left, right);
        Node *d = node_scale(g, terms.d_loss, hook->pairs[i].weight);
        Node *of_g = node_scale(g, terms.g_loss, hook->pairs[i].weight);
        sum.d = sum.d ? add(g, sum.d, d) : d;
        sum.g = sum.g ? add(g, sum.g, of_g) : of_g;
    }
    if (!game->remembers)
        return sum;
    Node *due = memory_is_due(&m, step);
    for (int i = 0; i < m.count; i++) /* held_scores() may add one */
        update_memory(&m, step, &m.items[i], due);
    step_assign(step, node_assign(g, m.flag, node_constant(g, 1, type_scalar())));
    return sum;
}
