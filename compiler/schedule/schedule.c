/* schedule.c -- a step as sections of kernels.
 *
 * Needs: a simplified step. Guarantees: every needed node has a kernel, or is recomputed where it
 * is used. Inside a batch section all values belong to one sample, so a tile of samples goes
 * through all its kernels while it is in cache; a section ends where something needs a sum over the
 * batch. Element-wise nodes join the kernel that produces their latest operand: biases,
 * activations, masks and bias gradients ride in the epilogue of a contraction. */
#include "gagac.h"

#include <string.h>

enum { SAMPLER_LANES = 48, MAX_SHARDS = 8, TILES_A_SHARD = 5 };
enum { MAX_BODY = 40 }; /* nodes of a wide nest */

typedef struct Order { /* of nodes, operands first */
    Node **nodes;
    int count;
    bool *seen;
} Order;

/* Has no kernel. A constant has one where a contraction wants it as an array. */
static bool is_source(const Schedule *s, const Node *n)
{
    return op_table[n->op].kind == CLASS_SOURCE && n->op != OP_INPUT && s->section_of[n->id] < 0;
}

static bool is_weight_gradient(const Node *n)
{
    return n->op == OP_CONTRACT_W || n->op == OP_CONV_W;
}

static bool reduces_batch(const Node *n) { return n->op == OP_SUM_BATCH || is_weight_gradient(n); }

/* Recomputed at its uses unless something needs its buffer: what is quick, or only moves. */
static bool is_cheap(const Node *n)
{
    if (n->op == OP_RESAMPLE)
        return n->axis != BATCH_AXIS && resample_moves(n->map);
    return op_table[n->op].cheap;
}

/* The value at an index is its operand's at another one. */
static bool shifts_index(const Node *n)
{
    return op_table[n->op].kind == CLASS_MOVE && (n->op != OP_RESHAPE || type_size(&n->type) > 1);
}

bool is_recomputed(const Schedule *s, const Node *n)
{
    return s->section_of[n->id] < 0 && !is_source(s, n) && s->sum_of[n->id] < 0;
}

void visit_reads(const Schedule *s, const Node *node,
                 void (*visit)(void *context, Node *read, bool direct), void *context)
{
    struct Frame {
        Node *node;
        bool direct;
    } stack[64];
    int depth = 0;
    for (int k = op_table[node->op].arity - 1; k >= 0; k--)
        stack[depth++] = (struct Frame){node->inputs[k], !shifts_index(node)};
    while (depth > 0) {
        struct Frame f = stack[--depth];
        if (!is_recomputed(s, f.node)) {
            visit(context, f.node, f.direct);
            continue;
        }
        bool shifts = shifts_index(f.node);
        if (depth + 2 > 64)
            internal_error("schedule: expression too deep");
        for (int k = 0; k < op_table[f.node->op].arity; k++)
            stack[depth++] = (struct Frame){f.node->inputs[k], f.direct && !shifts};
    }
}

/* ---------------------------------------------------------------- what is recomputed, what is
 * summed together */
static void walk(Order *order, Node *n)
{
    if (order->seen[n->id])
        return;
    order->seen[n->id] = true;
    for (int k = 0; k < op_table[n->op].arity; k++)
        walk(order, n->inputs[k]);
    order->nodes[order->count++] = n;
}

/* By node id, the nodes that have it as an operand: users[first[id]] .. users[first[id + 1]]. */
typedef struct Users {
    int *first;
    Node **users;
} Users;

static Users find_users(const Graph *g, const Order *order)
{
    Users u = {.first = arena_alloc(((size_t)g->count + 2) * sizeof(int)),
               .users = arena_alloc(2 * (size_t)order->count * sizeof(Node *))};
    for (int k = 0; k < order->count; k++)
        for (int j = 0; j < op_table[order->nodes[k]->op].arity; j++)
            u.first[order->nodes[k]->inputs[j]->id + 2]++;
    for (int id = 0; id < g->count; id++)
        u.first[id + 2] += u.first[id + 1];
    for (int k = 0; k < order->count; k++)
        for (int j = 0; j < op_table[order->nodes[k]->op].arity; j++)
            u.users[u.first[order->nodes[k]->inputs[j]->id + 1]++] = order->nodes[k];
    return u;
}

/* Reductions over the batch in the order in which they can be had when the inputs of the step come
 * one by one, and all that can be computed is, before the next: real rows are done with, gradients
 * and all, before others are made. */
static Order order_reductions(const Graph *g, const Order *all)
{
    Users u = find_users(g, all);
    Order reductions = {.nodes = arena_alloc((size_t)all->count * sizeof(Node *))};
    Node **stack = arena_alloc((size_t)all->count * sizeof(Node *));
    int *missing = arena_alloc((size_t)g->count * sizeof(int)), depth = 0;
    for (int k = 0; k < all->count; k++)
        missing[all->nodes[k]->id] = op_table[all->nodes[k]->op].arity;
    for (int turn = 0; turn < 2; turn++) /* inputs behind parameters and constants */
        for (int id = 0; id < g->count; id++) {
            Node *source = g->nodes[id];
            if (!all->seen[id] || op_table[source->op].arity || (source->op == OP_INPUT) != turn)
                continue;
            stack[depth++] = source;
            while (depth > 0) {
                Node *n = stack[--depth];
                if (reduces_batch(n))
                    reductions.nodes[reductions.count++] = n;
                for (int j = u.first[n->id + 1] - 1; j >= u.first[n->id]; j--)
                    if (--missing[u.users[j]->id] == 0)
                        stack[depth++] = u.users[j];
            }
        }
    return reductions;
}

/* Weight gradients as soon as their operands are there, so that these die early. */
static void hurry_gradients(const Graph *g, Order *order)
{
    int *place_of = arena_alloc((size_t)g->count * sizeof(int)), count = 0;
    int *after = arena_alloc((size_t)order->count * sizeof(int));
    for (int k = 0; k < order->count; k++) {
        const Node *n = order->nodes[k];
        place_of[n->id] = after[k] = k;
        for (int j = 0; j < 2 && is_weight_gradient(n); j++) {
            int operand = place_of[n->inputs[j]->id];
            after[k] = j == 0 || operand > after[k] ? operand : after[k];
        }
        place_of[n->id] = after[k];
    }
    Node **nodes = arena_alloc((size_t)order->count * sizeof(Node *));
    for (int k = 0; k < order->count; k++) {
        if (after[k] == k)
            nodes[count++] = order->nodes[k];
        for (int j = k + 1; j < order->count && after[k] == k; j++)
            if (after[j] == k)
                nodes[count++] = order->nodes[j];
    }
    order->nodes = nodes;
}

/* Operands first; reductions over the batch, each with all that it needs, before the rest, so that
 * a chain's values die early. */
static Order order_nodes(const Graph *g, const Step *step)
{
    size_t limit = (size_t)g->count;
    Order all = {.nodes = arena_alloc(limit * sizeof(Node *)),
                 .seen = arena_alloc(limit * sizeof(bool))};
    for (int k = 0; k < step->output_count; k++)
        walk(&all, step->outputs[k]);
    for (int k = 0; k < step->assign_count; k++)
        walk(&all, step->assigns[k]);
    Order reductions = order_reductions(g, &all);
    Order order = {.nodes = arena_alloc(limit * sizeof(Node *)),
                   .seen = arena_alloc(limit * sizeof(bool))};
    for (int k = 0; k < reductions.count; k++)
        walk(&order, reductions.nodes[k]);
    for (int k = 0; k < all.count; k++)
        walk(&order, all.nodes[k]);
    hurry_gradients(g, &order);
    return order;
}

static int *count_uses(const Graph *g, const Order *order, const Step *step)
{
    int *uses = arena_alloc((size_t)g->count * sizeof(int));
    for (int k = 0; k < order->count; k++)
        for (int j = 0; j < op_table[order->nodes[k]->op].arity; j++)
            uses[order->nodes[k]->inputs[j]->id]++;
    for (int k = 0; k < step->output_count; k++)
        uses[step->outputs[k]->id]++;
    return uses;
}

/* A value whose kernel-ready buffer another kernel needs as it is, so it cannot be recomputed at
 * the use. */
static bool *find_forced(const Graph *g, const Order *order, const Step *step)
{
    bool *forced = arena_alloc((size_t)g->count * sizeof(bool));
    for (int k = 0; k < order->count; k++) {
        const Node *n = order->nodes[k];
        bool whole = n->op == OP_RESAMPLE && !is_cheap(n);
        if (op_table[n->op].kind == CLASS_CONTRACT || whole)
            forced[n->inputs[0]->id] = true;
        if (op_table[n->op].kind == CLASS_CONTRACT)
            forced[n->inputs[1]->id] = true;
    }
    for (int k = 0; k < step->output_count; k++)
        forced[step->outputs[k]->id] = true;
    return forced;
}

/* An inner CONCAT that only feeds CONCATs of the same axis is a run of their pieces. */
static bool *find_inner_concats(const Graph *g, const Order *order, const int *uses)
{
    int *inner_uses = arena_alloc((size_t)g->count * sizeof(int));
    bool *inner = arena_alloc((size_t)g->count * sizeof(bool));
    for (int k = 0; k < order->count; k++) {
        const Node *n = order->nodes[k];
        for (int j = 0; j < 2 && n->op == OP_CONCAT; j++)
            inner_uses[n->inputs[j]->id] +=
                n->inputs[j]->op == OP_CONCAT && n->inputs[j]->axis == n->axis;
    }
    for (int k = 0; k < order->count; k++) {
        int id = order->nodes[k]->id;
        inner[id] = order->nodes[k]->op == OP_CONCAT && uses[id] > 0 && inner_uses[id] == uses[id];
    }
    return inner;
}

static bool sums_up(const Node *n) /* a map along an axis that is no move */
{
    return n->op == OP_RESAMPLE && n->axis != BATCH_AXIS && !resample_moves(n->map);
}

/* Maps along two axes are one pass, the inner one computed where the outer one reads it, unless its
 * values are read again and again, as where a resize makes larger maps of many terms each. The CUDA
 * target makes two launches of it (cuda_stages.c). */
static void find_inner_maps(const Order *order, const int *uses, bool *inner)
{
    enum { MOST_TERMS = 4 };
    for (int k = 0; k < order->count; k++) {
        const Node *n = order->nodes[k], *from = n->inputs[0];
        if (!sums_up(n) || !sums_up(from) || from->axis == n->axis || uses[from->id] != 1 ||
            inner[from->inputs[0]->id])
            continue;
        double terms = (double)n->map->first[n->map->to] / n->map->to;
        double below = (double)from->map->first[from->map->to] / from->map->to;
        inner[from->id] = n->map->to <= n->map->from || terms * below <= MOST_TERMS;
    }
}

static int new_sum(Schedule *s, Node *node, int phase)
{
    s->sums[s->sum_count] = (Sum){.node = node, .lanes = node->op == OP_SUM_BATCH, .phase = phase};
    return s->sum_count++;
}

/* ADD of two batch reductions used nowhere else: both add to one sum. The phases must agree, so
 * that it is complete. */
static void find_sums(Schedule *s, const Order *order, const int *uses, const int *phase)
{
    s->sums = arena_alloc((size_t)order->count * sizeof(Sum));
    for (int k = 0; k < order->count; k++) {
        Node *n = order->nodes[k];
        if (reduces_batch(n))
            s->sum_of[n->id] = new_sum(s, n, phase[n->id]);
        if (n->op != OP_ADD || n->type.batch)
            continue;
        Node *a = n->inputs[0], *b = n->inputs[1];
        int sum_a = s->sum_of[a->id], sum_b = s->sum_of[b->id];
        if (sum_a < 0 || sum_b < 0 || sum_a == sum_b || uses[a->id] > 1 || uses[b->id] > 1 ||
            s->sums[sum_a].node != a || s->sums[sum_b].node != b ||
            s->sums[sum_a].lanes != s->sums[sum_b].lanes ||
            s->sums[sum_a].phase != s->sums[sum_b].phase)
            continue;
        for (int j = 0; j < k; j++)
            if (s->sum_of[order->nodes[j]->id] == sum_b)
                s->sum_of[order->nodes[j]->id] = sum_a;
        s->sum_of[n->id] = sum_a;
        s->sums[sum_a].node = n;
        s->sums[sum_b].node = NULL;
    }
}

/* Drops the sums that were merged into others. */
static void pack_sums(Schedule *s)
{
    int *where = arena_alloc((size_t)s->sum_count * sizeof(int)), count = 0;
    for (int k = 0; k < s->sum_count; k++)
        if (s->sums[k].node) {
            where[k] = count;
            s->sums[count++] = s->sums[k];
        }
    for (int id = 0; id < s->graph->count; id++)
        if (s->sum_of[id] >= 0)
            s->sum_of[id] = where[s->sum_of[id]];
    s->sum_count = count;
}

/* ---------------------------------------------------------------- phases */
/* The phase in which a node is computed; results of batch reductions are there one phase later. */
static int *find_phases(const Graph *g, const Order *order)
{
    int *phase = arena_alloc((size_t)g->count * sizeof(int));
    for (int k = 0; k < order->count; k++) {
        const Node *n = order->nodes[k];
        int latest = 0;
        for (int j = 0; j < op_table[n->op].arity; j++) {
            const Node *input = n->inputs[j];
            int ready = phase[input->id] + reduces_batch(input);
            latest = ready > latest ? ready : latest;
        }
        phase[n->id] = latest;
    }
    return phase;
}

/* Whole arrays are computed as late as their first use allows: what only depends on parameters
 * joins the update that uses it instead of being stored at the start of the step. */
static void delay_arrays(const Graph *g, const Order *order, int *phase, int last)
{
    int *deadline = arena_alloc((size_t)g->count * sizeof(int));
    for (int id = 0; id < g->count; id++)
        deadline[id] = last;
    for (int k = order->count - 1; k >= 0; k--) {
        const Node *n = order->nodes[k];
        if (!n->type.batch && !reduces_batch(n))
            phase[n->id] = deadline[n->id];
        for (int j = 0; j < op_table[n->op].arity; j++) {
            int input = n->inputs[j]->id;
            deadline[input] = phase[n->id] < deadline[input] ? phase[n->id] : deadline[input];
        }
    }
}

/* ---------------------------------------------------------------- kernels */
typedef struct Placement { /* what decides where a node can go */
    const Schedule *s;
    int section;
    Kernel *latest; /* kernel of this section that makes the latest operand */
    int latest_idx;
    bool joinable; /* all operands made there are read at the node's own index, none is a reduction
                    */
} Placement;

static int kernel_index(const Section *section, const Kernel *kernel)
{
    for (int k = 0; k < section->count; k++)
        if (section->kernels[k] == kernel)
            return k;
    return -1;
}

static void note_operand(void *context, Node *read, bool direct)
{
    Placement *p = context;
    if (p->s->section_of[read->id] != p->section)
        return;
    Kernel *kernel = p->s->kernel_of[read->id];
    int idx = kernel_index(&p->s->sections[p->section], kernel);
    bool reduction = op_table[read->op].kind == CLASS_REDUCE;
    if (idx > p->latest_idx) {
        p->latest_idx = idx;
        p->latest = kernel;
        p->joinable = true;
    }
    if (kernel == p->latest)
        p->joinable &= direct && !reduction;
}

static Kernel *add_kernel(Schedule *s, int section, Kernel kernel)
{
    Section *at = &s->sections[section];
    if (at->count == at->capacity) {
        at->capacity = at->capacity ? 2 * at->capacity : 32;
        Kernel **bigger = arena_alloc((size_t)at->capacity * sizeof(Kernel *));
        if (at->count)
            memcpy(bigger, at->kernels, (size_t)at->count * sizeof(Kernel *));
        at->kernels = bigger;
    }
    Kernel *copy = arena_alloc(sizeof *copy);
    *copy = kernel;
    at->kernels[at->count++] = copy;
    return copy;
}

static void add_to_body(Kernel *kernel, Node *n)
{
    if (kernel->body_count == kernel->body_capacity) {
        kernel->body_capacity = kernel->body_capacity ? 2 * kernel->body_capacity : 16;
        Node **bigger = arena_alloc((size_t)kernel->body_capacity * sizeof(Node *));
        if (kernel->body_count)
            memcpy(bigger, kernel->body, (size_t)kernel->body_count * sizeof(Node *));
        kernel->body = bigger;
    }
    kernel->body[kernel->body_count++] = n;
}

static int reduced_axis(const Node *n) { return n->op == OP_SUM_BATCH ? BATCH_AXIS : n->axis; }

/* The leaf under EXPANDs is one number a row of the space, whatever the place in the row: a
 * constant, a number, one a channel; for vectors also one a sample. */
static bool is_row_constant(const Schedule *s, const Node *n)
{
    bool vector = n->type.rank == 1;
    while (is_recomputed(s, n) && (n->op == OP_EXPAND || n->op == OP_EXPAND_BATCH)) {
        if (n->op == OP_EXPAND && n->axis == 0 && n->inputs[0]->type.rank > 0)
            return false;
        n = n->inputs[0];
    }
    if (n->op == OP_CONSTANT)
        return true;
    return !is_recomputed(s, n) && n->type.rank <= 1 &&
           (!n->type.batch || (vector && !n->type.rank));
}

/* May ride on a contraction, whose loops run over rows of lanes: reads of maps at its own index and
 * row constants. */
static bool is_flat(const Schedule *s, const Node *n, const Kernel *kernel)
{
    for (int k = 0; k < op_table[n->op].arity; k++) {
        const Node *a = n->inputs[k];
        if (!is_recomputed(s, a)) {
            bool own = s->kernel_of[a->id] == kernel;
            bool constant = a->op == OP_CONSTANT || is_row_constant(s, a);
            if (!own && !constant && !type_equal(&a->type, &kernel->space))
                return false;
        } else if (op_table[a->op].kind == CLASS_ELEMENT) {
            if (!is_flat(s, a, kernel))
                return false;
        } else if (!is_row_constant(s, a)) {
            return false;
        }
    }
    return true;
}

/* Sums along the rows of maps: what makes the maps goes through a row from its first column on. */
static bool sums_rows(const Node *n)
{
    if (n->op != OP_SUM || n->axis != 2)
        return false;
    return n->inputs[0]->type.batch && n->inputs[0]->type.rank == 3;
}

static bool hosts_wide(const Schedule *s, const Kernel *kernel, const Node *n)
{
    bool reduction = op_table[n->op].kind == CLASS_REDUCE;
    if (kernel->late != s->late[n->id] || kernel->body_count >= MAX_BODY)
        return false;
    if (kernel->kind == KERNEL_CONTRACT)
        return (op_table[n->op].kind == CLASS_ELEMENT || sums_rows(n)) && is_flat(s, n, kernel);
    return !reduction || kernel->reduced == NO_REDUCTION || kernel->reduced == reduced_axis(n);
}

static bool same_space(const Type *a, const Type *b) /* [1] and [] are one space */
{
    return type_equal(a, b) || (a->batch == b->batch && type_size(a) == 1 && type_size(b) == 1);
}

static bool hosts(const Schedule *s, const Kernel *kernel, const Node *n, const Type *space)
{
    if ((kernel->kind != KERNEL_NEST && kernel->kind != KERNEL_CONTRACT) ||
        !same_space(&kernel->space, space))
        return false;
    return s->order == ORDER_TILES || hosts_wide(s, kernel, n);
}

/* Element-wise nodes and reductions: into the kernel of the latest operand, into a later nest, or
 * into a new one. */
static void place_in_nest(Schedule *s, int section, Node *n)
{
    Type space = op_table[n->op].kind == CLASS_REDUCE ? n->inputs[0]->type : n->type;
    Placement p = {.s = s, .section = section, .latest_idx = -1};
    visit_reads(s, n, note_operand, &p);
    const Section *at = &s->sections[section];
    Kernel *host = p.latest && p.joinable && hosts(s, p.latest, n, &space) ? p.latest : NULL;
    for (int k = p.latest_idx + 1; k < at->count && !host; k++)
        if (at->kernels[k]->kind == KERNEL_NEST && hosts(s, at->kernels[k], n, &space))
            host = at->kernels[k];
    if (!host)
        host = add_kernel(s, section,
                          (Kernel){.kind = KERNEL_NEST,
                                   .batch = space.batch,
                                   .space = space,
                                   .reduced = NO_REDUCTION,
                                   .late = s->late && s->late[n->id]});
    if (op_table[n->op].kind == CLASS_REDUCE)
        host->reduced = reduced_axis(n);
    add_to_body(host, n);
    s->kernel_of[n->id] = host;
}

/* An earlier kernel of the section began the sum that this gradient adds to. */
static bool adds_to_sum(const Schedule *s, const Node *n, int section)
{
    const Section *at = &s->sections[section];
    bool found = false;
    for (int k = 0; k < at->count && s->sum_of[n->id] >= 0 && !found; k++) {
        const Kernel *kernel = at->kernels[k];
        found = kernel->kind == KERNEL_WEIGHT && s->sum_of[kernel->root->id] == s->sum_of[n->id];
    }
    return found;
}

static void place(Schedule *s, Node *n, int section)
{
    s->section_of[n->id] = section;
    KernelKind kind;
    switch (n->op) {
    case OP_INPUT:
        kind = KERNEL_FILL;
        break;
    case OP_CONCAT:
    case OP_PAD:
        kind = KERNEL_JOIN;
        break;
    case OP_CONTRACT_Y:
    case OP_CONTRACT_X:
    case OP_CONV_Y:
    case OP_CONV_X:
        kind = KERNEL_CONTRACT;
        break;
    case OP_CONTRACT_W:
    case OP_CONV_W:
        kind = KERNEL_WEIGHT;
        break;
    default:
        place_in_nest(s, section, n);
        return;
    }
    s->kernel_of[n->id] = add_kernel(s, section,
                                     (Kernel){.kind = kind,
                                              .batch = n->type.batch || kind == KERNEL_WEIGHT,
                                              .space = n->type,
                                              .reduced = NO_REDUCTION,
                                              .adds = adds_to_sum(s, n, section),
                                              .root = n});
}

typedef struct Reader {
    Schedule *s;
    Kernel *kernel;
    int level;
    const Section *section;
} Reader;

static void mark_read(void *context, Node *read, bool direct)
{
    Reader *reader = context;
    Schedule *s = reader->s;
    (void)direct;
    if (is_source(s, read))
        return;
    const Kernel *from = s->kernel_of[read->id];
    if (from != reader->kernel || op_table[read->op].kind == CLASS_REDUCE)
        s->stored[read->id] = true;
    if (from && from != reader->kernel && kernel_index(reader->section, from) >= 0 &&
        from->level >= reader->level)
        reader->level = from->level + 1;
}

/* Which values need buffers, and the levels of global kernels. */
static void find_stored(Schedule *s)
{
    int number = 0;
    for (int k = 0; k < s->section_count; k++)
        for (int j = 0; j < s->sections[k].count; j++) {
            Kernel *kernel = s->sections[k].kernels[j];
            Reader reader = {s, kernel, 0, &s->sections[k]};
            if (kernel->root)
                visit_reads(s, kernel->root, mark_read, &reader);
            for (int i = 0; i < kernel->body_count; i++)
                visit_reads(s, kernel->body[i], mark_read, &reader);
            kernel->level = reader.level;
            kernel->number = number++;
            if (kernel->kind == KERNEL_FILL || kernel->kind == KERNEL_JOIN)
                s->stored[kernel->root->id] = true;
        }
    for (int k = 0; k < s->step->output_count; k++)
        if (!is_source(s, s->step->outputs[k]))
            s->stored[s->step->outputs[k]->id] = true;
}

/* ---------------------------------------------------------------- assignments happen after every
 * read of the old value */
typedef struct OldReader {
    const Tensor *tensor;
    bool found, aside; /* aside: at another index than the reader's own */
} OldReader;

static void find_old(void *context, Node *read, bool direct)
{
    OldReader *old = context;
    bool found = read->op == OP_PARAMETER && read->tensor == old->tensor;
    old->found |= found;
    old->aside |= found && !direct;
}

static bool reads_tensor(const Schedule *s, const Kernel *kernel, const Tensor *tensor)
{
    OldReader old = {tensor, false, false};
    if (kernel->root)
        visit_reads(s, kernel->root, find_old, &old);
    for (int i = 0; i < kernel->body_count; i++)
        visit_reads(s, kernel->body[i], find_old, &old);
    return old.found;
}

static void remove_from_body(Kernel *kernel, int at)
{
    Node **rest = kernel->body + at;
    memmove(rest, rest + 1, (size_t)(--kernel->body_count - at) * sizeof *rest);
}

/* An assignment in a kernel of its own, the last one. */
static void split_assignment(Schedule *s, Node *assign, int at)
{
    Section *section = &s->sections[0];
    Kernel *writer = s->kernel_of[assign->id], **from;
    remove_from_body(writer, at);
    if (writer->body_count == 0 && !writer->root) {
        from = section->kernels + kernel_index(section, writer);
        memmove(from, from + 1,
                (size_t)(section->kernels + --section->count - from) * sizeof *from);
    }
    Kernel *last = add_kernel(s, 0,
                              (Kernel){.kind = KERNEL_NEST,
                                       .space = assign->type,
                                       .reduced = NO_REDUCTION,
                                       .late = s->late[assign->id]});
    add_to_body(last, assign);
    s->kernel_of[assign->id] = last;
}

/* Brings an assignment behind what reads the old value in its kernel, and in the wide order, whose
 * kernels have no levels, behind later kernels that do. True when it had to move. */
static bool delay_assignment(Schedule *s, Node *assign)
{
    Kernel *writer = s->kernel_of[assign->id];
    const Section *section = &s->sections[0];
    bool wide = s->order == ORDER_WIDE, apart = false;
    int at = -1, last = -1;
    for (int i = 0; i < writer->body_count; i++) {
        OldReader old = {assign->tensor, false, false};
        at = writer->body[i] == assign ? i : at;
        if (writer->body[i] == assign)
            continue;
        visit_reads(s, writer->body[i], find_old, &old);
        last = old.found ? i : last;
        apart |= old.aside;
    }
    for (int k = kernel_index(section, writer) + 1; wide && k < section->count; k++)
        apart |= reads_tensor(s, section->kernels[k], assign->tensor);
    if (wide && apart) {
        split_assignment(s, assign, at);
    } else if (last > at) {
        Node **nodes = writer->body;
        memmove(nodes + at, nodes + at + 1, (size_t)(last - at) * sizeof *nodes);
        nodes[last] = assign;
    }
    return (wide && apart) || last > at;
}

static void delay_assignments(Schedule *s)
{
    bool moved = true;
    for (int round = 0; moved; round++) {
        moved = false;
        for (int k = 0; k < s->step->assign_count; k++)
            moved |= delay_assignment(s, s->step->assigns[k]);
        if (round > 2 * s->step->assign_count)
            internal_error("schedule: two tensors are each other's new value");
    }
}

static bool raise_level(Kernel *kernel, int level)
{
    bool higher = level > kernel->level;
    kernel->level = higher ? level : kernel->level;
    return higher;
}

/* One pass over what a section's levels have to meet: after the operands, and the assignment of a
 * tensor after every reader of its old value. True when a level had to rise. */
static bool raise_levels(Schedule *s, const Section *section)
{
    bool risen = false;
    for (int j = 0; j < section->count; j++) {
        Kernel *kernel = section->kernels[j];
        Reader reader = {s, kernel, 0, section};
        for (int i = 0; i < kernel->body_count; i++)
            visit_reads(s, kernel->body[i], mark_read, &reader);
        risen |= raise_level(kernel, reader.level);
    }
    for (int k = 0; k < s->step->assign_count; k++) {
        const Node *assign = s->step->assigns[k];
        Kernel *writer = s->kernel_of[assign->id];
        for (int j = 0; j < section->count && kernel_index(section, writer) >= 0; j++)
            if (section->kernels[j] != writer &&
                reads_tensor(s, section->kernels[j], assign->tensor))
                risen |= raise_level(writer, section->kernels[j]->level + 1);
    }
    return risen;
}

/* Assignments stand in the last section over whole arrays, so only its kernels have to be ordered.
 */
static void order_assignments(Schedule *s)
{
    const Section *section = &s->sections[s->section_count - 2];
    for (int round = 0; raise_levels(s, section); round++)
        if (round > 2 * section->count)
            internal_error("schedule: a value is needed after its assignment");
}

/* Places of a convolution's filter, those over the padding included; 1 for dense layers. */
static int64_t window_count(const Node *n)
{
    const Type *y = n->op == OP_CONV_Y ? &n->type : &n->inputs[0]->type;
    bool maps = n->op == OP_CONV_Y || n->op == OP_CONV_X || n->op == OP_CONV_W;
    return maps ? (int64_t)y->dims[1] * y->dims[2] : 1;
}

static double weight_flops(const Node *n, double batch)
{
    bool gradient = n->op == OP_CONTRACT_W || n->op == OP_CONV_W;
    return gradient ? 2 * batch * (double)type_size(&n->type) * (double)window_count(n) : 0;
}

/* Two operations a multiply-add, as the network needs them: contractions, and products summed over
 * features or the batch. */
double kernel_flops(const Schedule *s, const Kernel *kernel)
{
    double batch = s->graph->batch_size, flops = 0;
    if (kernel->kind == KERNEL_CONTRACT)
        flops += 2 * batch * (double)type_size(&kernel->root->inputs[1]->type) *
                 (double)window_count(kernel->root);
    if (kernel->kind == KERNEL_WEIGHT)
        flops += weight_flops(kernel->root, batch);
    for (int k = 0; k < kernel->body_count && kernel->batch; k++) {
        const Node *n = kernel->body[k];
        if (op_table[n->op].kind == CLASS_REDUCE && n->inputs[0]->op == OP_MUL)
            flops += 2 * batch * (double)type_size(&n->inputs[0]->type);
    }
    return flops;
}

double step_bytes(const Schedule *s)
{
    double bytes = 0;
    for (int k = 0; k < s->step->assign_count; k++)
        bytes += 2.0 * 4.0 * (double)type_size(&s->step->assigns[k]->type);
    for (int k = 0; k < s->step->input_count; k++)
        if (s->step->inputs[k]->kind == INPUT_DATA)
            bytes += 4.0 * s->graph->batch_size * s->step->inputs[k]->width;
    return bytes;
}

/* Wide tiles spread the traffic of weight gradients over more samples, narrow ones waste fewer
 * lanes in the batch's tail: the tile with the least cost. The costs of a lane were measured on a
 * 400-wide layer (docs/performance.md). */
static int choose_lanes(int batch)
{
    static const struct Tile {
        int lanes;
        double cost;
    } tiles[] = {{80, 1.0}, {48, 1.015}, {32, 1.04}, {16, 1.15}};
    int best = 0;
    double least = 0;
    for (size_t k = 0; k < sizeof tiles / sizeof *tiles; k++) {
        int count = (batch + tiles[k].lanes - 1) / tiles[k].lanes;
        double cost = (double)count * tiles[k].lanes * tiles[k].cost;
        if (!best || cost < least) {
            best = tiles[k].lanes;
            least = cost;
        }
    }
    return best;
}

/* Sums of a small batch are added up in one go; a shard for every thread of a large machine costs
 * memory and time. */
static void choose_tiles(Schedule *s)
{
    int batch = s->graph->batch_size;
    if (s->order == ORDER_WIDE) {
        s->lanes = batch;
        s->tiles = s->shards = 1;
        return;
    }
    bool sampler = strcmp(s->step->name, "sample") == 0; /* its requests have any length */
    s->lanes = sampler ? SAMPLER_LANES : choose_lanes(batch);
    s->tiles = (batch + s->lanes - 1) / s->lanes;
    s->shards = s->tiles / TILES_A_SHARD;
    s->shards = s->shards < 1 ? 1 : s->shards > MAX_SHARDS ? MAX_SHARDS : s->shards;
}

/* ---------------------------------------------------------------- wide */
/* Element-wise values that only assignments need. */
static bool *find_late(const Graph *g, const Order *order, const Step *step)
{
    bool *late = arena_alloc((size_t)g->count * sizeof(bool));
    for (int k = 0; k < order->count; k++)
        late[order->nodes[k]->id] = true;
    for (int k = 0; k < step->output_count; k++)
        late[step->outputs[k]->id] = false;
    for (int k = order->count - 1; k >= 0; k--) {
        const Node *n = order->nodes[k];
        bool moves = op_table[n->op].kind == CLASS_MOVE && is_cheap(n);
        late[n->id] &= moves || op_table[n->op].kind == CLASS_ELEMENT || n->op == OP_ASSIGN;
        for (int j = 0; j < op_table[n->op].arity; j++)
            late[n->inputs[j]->id] &= late[n->id];
    }
    return late;
}

LoopOrder host_order(const Model *model)
{
    return model && model->channels ? ORDER_WIDE : ORDER_TILES;
}

Schedule *schedule_step(Graph *g, Step *step, LoopOrder loop_order)
{
    Schedule *s = arena_alloc(sizeof *s);
    bool wide = loop_order == ORDER_WIDE;
    s->graph = g;
    s->step = step;
    s->order = loop_order;
    Order order = order_nodes(g, step);
    int *uses = count_uses(g, &order, step), last = 0;
    int *phase = arena_alloc((size_t)g->count * sizeof(int));
    bool *forced = find_forced(g, &order, step), *inner = find_inner_concats(g, &order, uses);
    s->section_of = arena_alloc((size_t)g->count * sizeof(int));
    s->sum_of = arena_alloc((size_t)g->count * sizeof(int));
    s->kernel_of = arena_alloc((size_t)g->count * sizeof(Kernel *));
    s->stored = arena_alloc((size_t)g->count * sizeof(bool));
    for (int id = 0; id < g->count; id++)
        s->section_of[id] = s->sum_of[id] = -1;
    if (wide) {
        find_inner_maps(&order, uses, inner);
        s->late = find_late(g, &order, step);
    } else {
        phase = find_phases(g, &order);
        find_sums(s, &order, uses, phase);
        pack_sums(s);
        for (int k = 0; k < order.count; k++)
            last = phase[order.nodes[k]->id] > last ? phase[order.nodes[k]->id] : last;
        delay_arrays(g, &order, phase, last);
    }
    s->section_count = wide ? 1 : 2 * (last + 1);
    s->sections = arena_alloc((size_t)s->section_count * sizeof(Section));
    for (int k = 0; k < s->section_count; k++)
        s->sections[k].batch = k % 2;
    for (int turn = 0; turn < 1 + wide; turn++)
        for (int k = 0; k < order.count; k++) {
            Node *n = order.nodes[k];
            bool per_sample = n->type.batch || reduces_batch(n);
            bool total = s->sum_of[n->id] >= 0 && !reduces_batch(n);
            bool recomputed = (is_cheap(n) && !forced[n->id]) || inner[n->id];
            bool now = !wide || s->late[n->id] == (turn == 1);
            bool filled = wide && n->op == OP_CONSTANT && forced[n->id];
            if (now && (filled || !is_source(s, n)) && !total && !recomputed)
                place(s, n, wide ? 0 : 2 * phase[n->id] + per_sample);
        }
    choose_tiles(s);
    delay_assignments(s);
    find_stored(s);
    if (!wide)
        order_assignments(s);
    for (int k = 0; k < s->section_count; k++)
        for (int j = 0; j < s->sections[k].count; j++)
            s->flops += kernel_flops(s, s->sections[k].kernels[j]);
    return s;
}

static bool mixes(const Node *n)
{
    return n->op == OP_SUM_BATCH || (n->op == OP_RESAMPLE && n->axis == BATCH_AXIS);
}

bool mixes_samples(const Schedule *s)
{
    for (int k = 0; k < s->section_count; k++)
        for (int j = 0; j < s->sections[k].count; j++) {
            const Kernel *kernel = s->sections[k].kernels[j];
            if (kernel->root && mixes(kernel->root))
                return true;
            for (int i = 0; i < kernel->body_count; i++)
                if (mixes(kernel->body[i]))
                    return true;
        }
    return false;
}

int steps_cost(const Model *model, StepCost costs[MAX_STEPS])
{
    Graph *g = steps_build(model);
    LoopOrder order = host_order(model);
    double state = 0;
    for (int k = 0; k < g->tensor_count; k++)
        state += (double)stored_reals(&g->tensors[k]->type);
    for (int k = 0; k < g->step_count; k++) {
        const Schedule *s = schedule_step(g, &g->steps[k], order);
        const Plan *p = plan_buffers(s, order == ORDER_WIDE);
        double values = 4 * (double)plan_reals(p);
        costs[k] = (StepCost){g->steps[k].name, g->steps[k].count,  s->flops,
                              step_bytes(s),    4 * state + values, values};
    }
    return g->step_count;
}
