/* plan.c -- names, lifetimes and places of buffers.
 *
 * Needs: a schedule. Guarantees: two buffers of a tile's scratch overlap only when one dies before
 * the other is born; values that a later section reads are kept for the whole batch. Names are
 * unique in a step.                           */
#include "emit.h"
#include "hash.h"

#include <stdlib.h>
#include <string.h>

int padded(int n) { return (n + 15) / 16 * 16; }

enum { SLACK = 64 }; /* reals behind a wide array: vectors may be loaded across its end */

Buffer *plan_buffer(const Plan *p, const Node *n)
{
    if (p->buffer_of[n->id] >= 0)
        return &p->buffers[p->buffer_of[n->id]];
    return p->global_of[n->id] >= 0 ? &p->globals[p->global_of[n->id]] : NULL;
}

static int features(const Type *type) /* rows of a tile buffer */ { return (int)type_size(type); }

typedef struct Reads {
    Plan *plan;
    int section, kernel;
} Reads;

static void extend_life(void *context, Node *read, bool direct)
{
    const Reads *r = context;
    (void)direct;
    Buffer *b = plan_buffer(r->plan, read);
    if (!b)
        return;
    if (b->section != r->section)
        b->across = true;
    else if (r->kernel > b->last)
        b->last = r->kernel;
}

/* The names given so far: a table of open addressing, never full. */
typedef struct Name {
    const char *text;
    int next; /* the first suffix that may be free behind it */
} Name;

typedef struct Names {
    Name *slots;
    size_t mask;
} Names;

static Names make_names(size_t most)
{
    size_t size = 16;
    while (size < 2 * most)
        size *= 2;
    return (Names){arena_alloc(size * sizeof(Name)), size - 1};
}

/* The slot of a name; without a text if it is free. */
static Name *find_name(const Names *names, const char *text)
{
    size_t slot = (size_t)hash_bytes(text, strlen(text), 0) & names->mask;
    while (names->slots[slot].text && strcmp(names->slots[slot].text, text) != 0)
        slot = (slot + 1) & names->mask;
    return &names->slots[slot];
}

/* A name from the node's own, made of letters, digits and underscores, and not used yet. */
static const char *unique_name(const char *wish, const Names *names)
{
    char *base = arena_printf("%s", wish && *wish ? wish : "value");
    const char *text = base;
    for (char *c = base; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
            *c = '_';
    Name *first = find_name(names, base), *name = first;
    while (name->text) {
        text = arena_printf("%s_%d", base, first->next++);
        name = find_name(names, text);
    }
    *name = (Name){text, 2};
    return text;
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
    Names names = make_names(2 * limit + sizeof reserved);
    for (size_t k = 0; k < sizeof reserved / sizeof *reserved; k++)
        unique_name(reserved[k], &names);
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
                b.name = unique_name(describe(n), &names);
                if (n->type.batch) {
                    p->buffer_of[n->id] = p->buffer_count;
                    p->buffers[p->buffer_count++] = b;
                } else {
                    p->global_of[n->id] = p->global_count;
                    p->globals[p->global_count++] = b;
                }
            }
        }
    for (int k = 0; k < s->sum_count; k++)
        s->sums[k].name = unique_name(describe(s->sums[k].node), &names);
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
        Buffer *b = plan_buffer(p, s->step->outputs[k]);
        if (b)
            b->last = s->sections[b->section].count;
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

/* ---------------------------------------------------------------- wide */
/* Along one axis: the first and last place of the operand that the filter reaches. */
static void reach(Halo *halo, int axis, int low, int high, int size)
{
    halo->before[axis] = low < 0 ? -low : 0;
    halo->after[axis] = high > size - 1 ? high - (size - 1) : 0;
}

static int floor_division(int a, int b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

Halo conv_halo(const Node *n, int k)
{
    Halo halo = {{0}, {0}};
    const Type *w = n->op == OP_CONV_W ? &n->type : &n->inputs[1]->type;
    for (int axis = 0; axis < 2; axis++) {
        int stride = n->window.stride[axis], before = n->window.before[axis];
        int size = n->inputs[k]->type.dims[axis + 1], filter = w->dims[axis];
        if ((n->op == OP_CONV_Y && k == 0) || (n->op == OP_CONV_W && k == 1)) {
            int windows = (n->op == OP_CONV_Y ? &n->type : &n->inputs[0]->type)->dims[axis + 1];
            reach(&halo, axis, -before, stride * (windows - 1) + filter - 1 - before, size);
        } else if (n->op == OP_CONV_X && k == 0) { /* p = (i + before - l) / stride */
            int last = n->type.dims[axis + 1] - 1;
            reach(&halo, axis, floor_division(before - (filter - 1), stride),
                  floor_division(last + before, stride), size);
        }
    }
    return halo;
}

static void widen(Halo *halo, Halo need)
{
    for (int k = 0; k < 2; k++) {
        halo->before[k] = need.before[k] > halo->before[k] ? need.before[k] : halo->before[k];
        halo->after[k] = need.after[k] > halo->after[k] ? need.after[k] : halo->after[k];
    }
}

static void find_halos(Plan *p)
{
    const Section *section = &p->schedule->sections[0];
    for (int j = 0; j < section->count; j++) {
        const Node *n = section->kernels[j]->root;
        bool conv = n && (n->op == OP_CONV_Y || n->op == OP_CONV_X || n->op == OP_CONV_W);
        for (int k = 0; conv && k < 2; k++) {
            Buffer *b = plan_buffer(p, n->inputs[k]);
            if (b)
                widen(&b->halo, conv_halo(n, k));
        }
    }
}

int64_t buffer_reals(const Plan *p, const Buffer *b)
{
    const Type *t = &b->node->type;
    int64_t size = 1;
    for (int k = 0; k < t->rank; k++) {
        int halo =
            t->batch && t->rank == 3 && k > 0 ? b->halo.before[k - 1] + b->halo.after[k - 1] : 0;
        int extent = t->dims[k] + halo;
        size *= !t->batch && k == t->rank - 1 ? padded(extent) : extent;
    }
    if (t->batch)
        size *= p->schedule->graph->batch_size;
    return (size + SLACK + 15) / 16 * 16;
}

static int by_offset(const void *a, const void *b)
{
    const Buffer *x = *(Buffer *const *)a, *y = *(Buffer *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* The lowest gap between the buffers that are alive at the same time. */
static void place_wide(Plan *p, Buffer *b, Buffer **placed, int count)
{
    Buffer **alive = arena_alloc((size_t)(count + 1) * sizeof *alive);
    int alive_count = 0;
    for (int k = 0; k < count; k++)
        if (placed[k]->first <= b->last && b->first <= placed[k]->last)
            alive[alive_count++] = placed[k];
    qsort(alive, (size_t)alive_count, sizeof *alive, by_offset);
    size_t size = (size_t)buffer_reals(p, b);
    b->offset = 0;
    for (int k = 0; k < alive_count && alive[k]->offset < b->offset + size; k++) {
        size_t end = alive[k]->offset + (size_t)buffer_reals(p, alive[k]);
        b->offset = end > b->offset ? end : b->offset;
    }
    if (b->offset + size > p->wide_size)
        p->wide_size = b->offset + size;
}

static void assign_wide_places(Plan *p)
{
    int total = p->buffer_count + p->global_count, count = 0;
    Buffer **placed = arena_alloc((size_t)(total + 1) * sizeof *placed);
    for (int j = 0; j <= p->schedule->sections[0].count; j++)
        for (int k = 0; k < total; k++) {
            Buffer *b = k < p->buffer_count ? &p->buffers[k] : &p->globals[k - p->buffer_count];
            if (b->first != j)
                continue;
            place_wide(p, b, placed, count);
            placed[count++] = b;
        }
}

Plan *plan_buffers(const Schedule *s, bool halos)
{
    Plan *p = arena_alloc(sizeof *p);
    p->schedule = s;
    collect(p);
    find_lives(p);
    if (halos)
        find_halos(p);
    if (s->order == ORDER_WIDE) {
        assign_wide_places(p);
        return p;
    }
    assign_places(p);
    return p;
}

int64_t stored_reals(const Type *type)
{
    int columns = type->rank ? type->dims[type->rank - 1] : 1;
    return type_size(type) / columns * padded(columns);
}

int64_t plan_reals(const Plan *p)
{
    const Schedule *s = p->schedule;
    if (s->order == ORDER_WIDE)
        return (int64_t)p->wide_size + packed_reals(p);
    int64_t reals = (int64_t)p->scratch_size + (int64_t)p->kept_size * s->tiles;
    for (int k = 0; k < p->global_count; k++)
        reals += stored_reals(&p->globals[k].node->type);
    for (int k = 0; k < s->sum_count; k++) {
        const Type *type = &s->sums[k].node->type;
        int64_t share =
            s->sums[k].lanes ? (int64_t)padded((int)type_size(type)) * 16 : stored_reals(type);
        reals += share * s->shards;
    }
    return reals;
}
