/* plan.c -- names, lifetimes and places of buffers.
 *
 * Needs: a schedule. Guarantees: two buffers of a tile's scratch overlap only when one dies before
 * the other is born; values that a later section reads are kept for the whole batch. Names are
 * unique in a step.                           */
#include "gagac.h"

#include <string.h>

int padded(int n) { return (n + 15) / 16 * 16; }

static int features(const Type *type) /* rows of a tile buffer */ { return (int)type_size(type); }

typedef struct Reads {
    Plan *plan;
    int section, kernel;
} Reads;

static void extend_life(void *context, Node *read, bool direct)
{
    const Reads *r = context;
    (void)direct;
    int idx = r->plan->buffer_of[read->id];
    if (idx < 0)
        return;
    Buffer *b = &r->plan->buffers[idx];
    if (b->section != r->section)
        b->across = true;
    else if (r->kernel > b->last)
        b->last = r->kernel;
}

/* A name from the node's own, made of letters, digits and underscores, and not used yet. */
static const char *unique_name(const char *wish, const char **taken, int count)
{
    char *base = arena_printf("%s", wish && *wish ? wish : "value"), *name = base;
    for (char *c = base; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
            *c = '_';
    for (int suffix = 2;; suffix++) {
        bool free = true;
        for (int k = 0; k < count && free; k++)
            free = strcmp(taken[k], name) != 0;
        if (free)
            return name;
        name = arena_printf("%s_%d", base, suffix);
    }
}

/* The node's name, or what it is made from: "sum_slope", "mul_slope". */
static const char *describe(const Node *n)
{
    if (n->name)
        return n->name;
    for (int k = 0; k < op_table[n->op].arity; k++) {
        const Node *from = n->inputs[k];
        if (from->name)
            return arena_printf("%s_%s", op_table[n->op].name, from->name);
    }
    return op_table[n->op].name;
}

static void collect(Plan *p)
{
    const Schedule *s = p->schedule;
    size_t limit = (size_t)s->graph->count;
    p->buffers = arena_alloc(limit * sizeof(Buffer));
    p->globals = arena_alloc(limit * sizeof(Buffer));
    p->buffer_of = arena_alloc(limit * sizeof(int));
    p->global_of = arena_alloc(limit * sizeof(int));
    static const char *const reserved[] = {"real",       "live",         "scratch",
                                           "tile",       "first",        "sums",
                                           "s",          "thread",       "transposed",
                                           "live_count", "first_sample", "out"};
    const char **names = arena_alloc((2 * limit + sizeof reserved) * sizeof(char *));
    int taken = 0;
    for (size_t k = 0; k < sizeof reserved / sizeof *reserved; k++)
        names[taken++] = reserved[k];
    for (int id = 0; id < s->graph->count; id++)
        p->buffer_of[id] = p->global_of[id] = -1;
    for (int k = 0; k < s->section_count; k++)
        for (int j = 0; j < s->sections[k].count; j++) {
            const Kernel *kernel = s->sections[k].kernels[j];
            for (int i = -1; i < kernel->body_count; i++) {
                Node *n = i < 0 ? kernel->root : kernel->body[i];
                if (!n || !s->stored[n->id] || n->op == OP_ASSIGN || s->sum_of[n->id] >= 0)
                    continue;
                Buffer b = {.node = n, .section = k, .first = j, .last = j};
                b.name = names[taken] = unique_name(describe(n), names, taken);
                taken++;
                if (n->type.batch) {
                    p->buffer_of[n->id] = p->buffer_count;
                    p->buffers[p->buffer_count++] = b;
                } else {
                    p->global_of[n->id] = p->global_count;
                    p->globals[p->global_count++] = b;
                }
            }
        }
    for (int k = 0; k < s->sum_count; k++) {
        s->sums[k].name = names[taken] = unique_name(describe(s->sums[k].node), names, taken);
        taken++;
    }
}

static void find_lives(Plan *p)
{
    const Schedule *s = p->schedule;
    for (int k = 0; k < s->section_count; k++)
        for (int j = 0; j < s->sections[k].count; j++) {
            const Kernel *kernel = s->sections[k].kernels[j];
            Reads reads = {p, k, j};
            if (kernel->root)
                visit_reads(s, kernel->root, extend_life, &reads);
            for (int i = 0; i < kernel->body_count; i++)
                visit_reads(s, kernel->body[i], extend_life, &reads);
        }
    for (int k = 0; k < s->step->output_count; k++) {
        int idx = p->buffer_of[s->step->outputs[k]->id];
        if (idx >= 0)
            p->buffers[idx].last = s->sections[p->buffers[idx].section].count;
    }
}

/* First fit: the lowest place that no buffer alive at the same time occupies. */
static size_t first_fit(const Plan *p, int idx, size_t size, int lanes)
{
    const Buffer *b = &p->buffers[idx];
    size_t offset = 0;
    for (int k = 0; k < idx; k++) {
        const Buffer *other = &p->buffers[k];
        size_t other_size = (size_t)features(&other->node->type) * (size_t)lanes;
        bool together = !other->across && other->section == b->section && other->first <= b->last &&
                        b->first <= other->last;
        if (together && offset < other->offset + other_size && other->offset < offset + size) {
            offset = other->offset + other_size;
            k = -1;
        }
    }
    return offset;
}

static void assign_places(Plan *p)
{
    int lanes = p->schedule->lanes;
    for (int k = 0; k < p->buffer_count; k++) {
        Buffer *b = &p->buffers[k];
        size_t size = (size_t)features(&b->node->type) * (size_t)lanes;
        if (b->across) {
            b->offset = p->kept_size;
            p->kept_size += size;
            continue;
        }
        b->offset = first_fit(p, k, size, lanes);
        if (b->offset + size > p->scratch_size)
            p->scratch_size = b->offset + size;
    }
}

static void find_first_adders(Plan *p)
{
    const Schedule *s = p->schedule;
    bool *started = arena_alloc((size_t)(s->sum_count + 1) * sizeof(bool));
    p->first_adder = arena_alloc((size_t)s->graph->count * sizeof(bool));
    for (int k = 0; k < s->section_count; k++)
        for (int j = 0; j < s->sections[k].count; j++) {
            const Kernel *kernel = s->sections[k].kernels[j];
            if (kernel->kind != KERNEL_WEIGHT)
                continue;
            int sum = s->sum_of[kernel->root->id];
            p->first_adder[kernel->root->id] = !started[sum];
            started[sum] = true;
        }
}

Plan *plan_buffers(const Schedule *s)
{
    Plan *p = arena_alloc(sizeof *p);
    p->schedule = s;
    collect(p);
    find_lives(p);
    assign_places(p);
    find_first_adders(p);
    return p;
}
