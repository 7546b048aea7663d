/* cuda_stages.c -- a scheduled step as launches of a GPU, each over the whole batch.
 *
 * Needs: a wide schedule, whose kernels stand in an order of evaluation. Guarantees: a stage reads
 * only arrays of earlier stages. A kernel of the schedule becomes a contraction with its
 * element-wise epilogue, or element-wise work, and one launch for each kind of reduction of its
 * body: those read stored values, and recompute what is cheap. */
#include "target_cuda.h"

#include <string.h>

enum { FEW_OPERATIONS = 3 };

typedef struct Lowering {
    CudaStep *step;
    const Schedule *s;
    bool *in_body; /* by node id: in the body of the kernel being lowered */
} Lowering;

static bool is_reduction(const Node *n) { return op_table[n->op].kind == CLASS_REDUCE; }

static bool is_source_node(const Node *n)
{
    return op_table[n->op].kind == CLASS_SOURCE && n->op != OP_INPUT;
}

static Stage *add_stage(CudaStep *step, Stage stage)
{
    step->stages =
        arena_grow(step->stages, step->stage_count, &step->stage_capacity, sizeof(Stage *));
    Stage *copy = arena_alloc(sizeof *copy);
    *copy = stage;
    step->stages[step->stage_count++] = copy;
    return copy;
}

static void add_node(Stage *stage, Node *n)
{
    stage->nodes = arena_grow(stage->nodes, stage->count, &stage->capacity, sizeof(Node *));
    stage->nodes[stage->count++] = n;
}

/* How many sums and products make a value of one other that has an array, which is *from; more than
 * FEW_OPERATIONS if that is not what it is. */
static int operations_from(const Lowering *l, const Node *n, const Node **from)
{
    const OpRow *row = &op_table[n->op];
    bool other = *from && *from != n;
    if (n->op == OP_CONSTANT)
        return 0;
    if (l->step->stored[n->id])
        *from = n;
    if (l->step->stored[n->id] && !other)
        return 0;
    bool simple = n->op == OP_ADD || n->op == OP_SUB || n->op == OP_MUL || row->cheap;
    int count = 1;
    if (l->step->stored[n->id] || row->kind != CLASS_ELEMENT || !simple)
        return FEW_OPERATIONS + 1;
    for (int k = 0; k < row->arity && count <= FEW_OPERATIONS; k++)
        count += operations_from(l, n->inputs[k], from);
    return count;
}

/* What another stage than the node's own reads must have an array, unless it is computed again
 * where it is read: element-wise values are, down to what has one. Not so a map that adds up: of
 * maps along two axes, which are one kernel of the schedule, each is a launch. */
static void need(Lowering *l, Node *n)
{
    if (is_source_node(n) || l->step->stored[n->id])
        return;
    if (is_recomputed(l->s, n) && n->op == OP_RESAMPLE && !resample_moves(n->map)) {
        need(l, n->inputs[0]);
        l->step->stored[n->id] = true;
        add_stage(
            l->step,
            (Stage){.kind = STAGE_RESAMPLE, .batch = n->type.batch, .space = n->type, .root = n});
        return;
    }
    bool again = is_recomputed(l->s, n) ||
                 (l->in_body[n->id] && op_table[n->op].kind == CLASS_ELEMENT) ||
                 (l->in_body[n->id] && op_table[n->op].kind == CLASS_MOVE && op_table[n->op].cheap);
    if (!again) {
        l->step->stored[n->id] = true;
        return;
    }
    for (int k = 0; k < op_table[n->op].arity; k++)
        need(l, n->inputs[k]);
}

/* Reductions of one kind over one space share a launch. */
static Stage *reduction_stage(CudaStep *step, int from, const Node *n)
{
    StageKind kind = n->op == OP_SUM_BATCH ? STAGE_SUM_BATCH : STAGE_REDUCE;
    for (int k = from; k < step->stage_count; k++) {
        Stage *stage = step->stages[k];
        if (stage->kind == kind && type_equal(&stage->space, &n->inputs[0]->type) &&
            (kind == STAGE_SUM_BATCH ||
             (stage->nodes[0]->axis == n->axis && stage->nodes[0]->op == n->op)))
            return stage;
    }
    return add_stage(step, (Stage){.kind = kind,
                                   .batch = n->inputs[0]->type.batch,
                                   .space = n->inputs[0]->type});
}

/* Whether an element of the value is computed again from the tensor's old value. */
static bool reads_old(const Lowering *l, const Node *n, const Tensor *tensor)
{
    if (n->op == OP_PARAMETER)
        return n->tensor == tensor;
    if (l->step->stored[n->id] ||
        (op_table[n->op].kind != CLASS_ELEMENT && op_table[n->op].kind != CLASS_MOVE))
        return false;
    for (int k = 0; k < op_table[n->op].arity; k++)
        if (reads_old(l, n->inputs[k], tensor))
            return true;
    return false;
}

/* An assignment whose old value a reduction of the same kernel reads: it comes after those. */
static bool waits(const Lowering *l, const Kernel *kernel, const Node *n)
{
    for (int k = 0; k < kernel->body_count && n->op == OP_ASSIGN; k++)
        if (is_reduction(kernel->body[k]) && reads_old(l, kernel->body[k]->inputs[0], n->tensor))
            return true;
    return false;
}

/* Assignments that waited. */
static void lower_waiting(Lowering *l, const Kernel *kernel, Node *const *waiting, int count)
{
    for (int k = 0; k < count; k++) {
        Node *value = waiting[k]->inputs[0];
        if (l->in_body[value->id])
            l->step->stored[value->id] = true;
        else
            need(l, value);
        add_node(add_stage(l->step, (Stage){.kind = STAGE_ELEMENT, .space = kernel->space}),
                 waiting[k]);
    }
}

/* The body of a kernel: element-wise nodes stay together until a map along an axis, reductions
 * follow. `host` is the stage of the kernel's contraction, or NULL. */
static void lower_body(Lowering *l, const Kernel *kernel, Stage *host)
{
    CudaStep *step = l->step;
    Stage *current = host;
    Node **waiting = arena_alloc(((size_t)kernel->body_count + 1) * sizeof *waiting);
    int waiting_count = 0;
    for (int k = 0; k < kernel->body_count; k++)
        l->in_body[kernel->body[k]->id] = true;
    for (int k = 0; k < kernel->body_count; k++) {
        Node *n = kernel->body[k];
        if (is_reduction(n))
            continue;
        if (waits(l, kernel, n)) {
            waiting[waiting_count++] = n;
            continue;
        }
        if (n->op == OP_RESAMPLE || n->op == OP_PAD || n->op == OP_CONCAT) {
            StageKind kind = n->op == OP_RESAMPLE ? STAGE_RESAMPLE : STAGE_JOIN;
            need(l, n->inputs[0]);
            if (op_table[n->op].arity > 1)
                need(l, n->inputs[1]);
            step->stored[n->id] = true;
            add_stage(step,
                      (Stage){.kind = kind, .batch = n->type.batch, .space = n->type, .root = n});
            current = NULL;
            continue;
        }
        if (!current)
            current = add_stage(step, (Stage){.kind = STAGE_ELEMENT,
                                              .batch = kernel->space.batch,
                                              .space = kernel->space});
        if (current != host)
            for (int j = 0; j < op_table[n->op].arity; j++)
                need(l, n->inputs[j]);
        add_node(current, n);
    }
    int first = step->stage_count;
    for (int k = 0; k < kernel->body_count; k++) {
        Node *n = kernel->body[k];
        if (!is_reduction(n))
            continue;
        need(l, n->inputs[0]);
        step->stored[n->id] = true;
        Stage *stage = reduction_stage(step, first, n);
        add_node(stage, n);
    }
    lower_waiting(l, kernel, waiting, waiting_count);
    for (int k = 0; k < kernel->body_count; k++)
        l->in_body[kernel->body[k]->id] = false;
}

static StageKind stage_kind(const Kernel *kernel)
{
    switch (kernel->kind) {
    case KERNEL_FILL:
        return STAGE_FILL;
    case KERNEL_JOIN:
        return STAGE_JOIN;
    case KERNEL_CONTRACT:
        return STAGE_CONTRACT;
    case KERNEL_WEIGHT:
        return STAGE_WEIGHT;
    case KERNEL_NEST:
        break;
    }
    return STAGE_ELEMENT;
}

/* A constant that a contraction reads is an array like its other operands. */
static void store_constant(Lowering *l, Node *n)
{
    if (n->op != OP_CONSTANT || l->step->stored[n->id])
        return;
    l->step->stored[n->id] = true;
    add_node(add_stage(l->step,
                       (Stage){.kind = STAGE_ELEMENT, .batch = n->type.batch, .space = n->type}),
             n);
}

/* A value that few operations make of one other has no array: reading that other takes no longer,
 * and the value need not be written. Operands of contractions keep theirs. */
static void drop_quick(Lowering *l)
{
    const Graph *g = l->s->graph;
    bool *stored = l->step->stored, *operand = arena_alloc((size_t)g->count * sizeof(bool));
    for (int k = 0; k < l->s->section_count; k++)
        for (int j = 0; j < l->s->sections[k].count; j++) {
            const Node *root = l->s->sections[k].kernels[j]->root;
            for (int i = 0; root && i < op_table[root->op].arity; i++)
                operand[root->inputs[i]->id] = true;
        }
    for (int id = 0; id < g->count; id++) {
        const Node *from = NULL, *n = g->nodes[id];
        if (!stored[id] || operand[id] || !n->type.batch || op_table[n->op].kind != CLASS_ELEMENT)
            continue;
        stored[id] = false;
        stored[id] = operations_from(l, n, &from) > FEW_OPERATIONS || !from;
    }
}

static void lower_kernel(Lowering *l, const Kernel *kernel)
{
    Stage *host = NULL;
    const Node *root = kernel->root;
    for (int k = 0; root && op_table[root->op].kind == CLASS_CONTRACT && k < 2; k++)
        store_constant(l, root->inputs[k]);
    if (root) {
        host = add_stage(l->step, (Stage){.kind = stage_kind(kernel),
                                          .batch = kernel->root->type.batch,
                                          .space = kernel->root->type,
                                          .root = kernel->root,
                                          .flops = kernel_flops(l->s, kernel)});
        for (int k = 0; k < op_table[kernel->root->op].arity; k++)
            need(l, kernel->root->inputs[k]);
    }
    bool epilogue = host && host->kind == STAGE_CONTRACT;
    lower_body(l, kernel, epilogue ? host : NULL);
}

CudaStep *cuda_stages(const Schedule *s)
{
    CudaStep *step = arena_alloc(sizeof *step);
    size_t nodes = (size_t)s->graph->count;
    Lowering l = {step, s, arena_alloc(nodes * sizeof(bool))};
    step->schedule = s;
    step->stride = (s->graph->batch_size + QUAD - 1) / QUAD * QUAD;
    step->stored = arena_alloc(nodes * sizeof(bool));
    memcpy(step->stored, s->stored, nodes * sizeof(bool));
    drop_quick(&l);
    step->parts = arena_alloc(nodes * sizeof(int));
    for (int k = 0; k < s->section_count; k++)
        for (int j = 0; j < s->sections[k].count; j++)
            lower_kernel(&l, s->sections[k].kernels[j]);
    if (s->step->output_count > 0 && s->step->outputs[0]->type.batch) {
        Node *made = s->step->outputs[0];
        need(&l, made);
        add_stage(step, (Stage){.kind = STAGE_SAMPLES, .space = made->type, .root = made});
    } else if (s->step->output_count > 0) {
        add_stage(step, (Stage){.kind = STAGE_REPORT});
    }
    return step;
}

/* ---------------------------------------------------------------- what a stage reads */
typedef struct Walk {
    const CudaStep *step;
    const Stage *stage;
    bool operands;
    bool *seen;
    void (*visit)(void *context, const Node *read);
    void *context;
} Walk;

bool cuda_makes(const Stage *stage, const Node *n)
{
    for (int k = 0; k < stage->sum_count; k++)
        if (stage->sums[k] == n)
            return true;
    for (int k = 0; k < stage->count; k++)
        if (stage->nodes[k] == n)
            return true;
    return stage->root == n;
}

/* Down through what is computed again, to what has an array. */
static void walk_reads(Walk *w, const Node *n)
{
    if (w->seen[n->id])
        return;
    w->seen[n->id] = true;
    if (n == w->stage->root && !w->operands)
        return;
    bool here = cuda_makes(w->stage, n);
    if (!here && w->step->stored[n->id])
        w->visit(w->context, n);
    else
        for (int k = 0; k < op_table[n->op].arity; k++)
            walk_reads(w, n->inputs[k]);
}

void cuda_visit_reads(const CudaStep *step, const Stage *stage, bool operands,
                      void (*visit)(void *context, const Node *read), void *context)
{
    const Schedule *s = step->schedule;
    Walk w = {.step = step,
              .stage = stage,
              .operands = operands,
              .seen = arena_alloc((size_t)s->graph->count * sizeof(bool)),
              .visit = visit,
              .context = context};
    if (stage->root)
        walk_reads(&w, stage->root);
    for (int k = 0; k < stage->count; k++)
        walk_reads(&w, stage->nodes[k]);
    for (int k = 0; k < stage->sum_count; k++)
        walk_reads(&w, stage->sums[k]);
    for (int k = 0; stage->kind == STAGE_REPORT && k < s->step->output_count; k++)
        walk_reads(&w, s->step->outputs[k]);
}

/* ---------------------------------------------------------------- places */
static size_t array_size(const CudaStep *step, const Node *n)
{
    if (n->type.batch)
        return (size_t)type_size(&n->type) * (size_t)step->stride;
    size_t one = (size_t)rows_of(&n->type) * (size_t)cuda_row(&n->type);
    return (one * (size_t)(step->parts[n->id] > 1 ? step->parts[n->id] : 1) + 15) / 16 * 16;
}

static Storage *find_storage(CudaStep *step, const Node *n, int stage)
{
    for (int k = 0; k < step->storage_count; k++)
        if (step->storage[k].node == n)
            return &step->storage[k];
    step->storage =
        arena_grow(step->storage, step->storage_count, &step->storage_capacity, sizeof(Storage));
    Storage *made = &step->storage[step->storage_count++];
    *made = (Storage){.node = n, .size = array_size(step, n), .first = stage};
    return made;
}

/* The lowest place that no array alive at the same time has. */
static size_t fit(const CudaStep *step, int index)
{
    const Storage *mine = &step->storage[index];
    size_t offset = 0;
    for (int k = 0; k < index; k++) {
        const Storage *other = &step->storage[k];
        bool together = other->node->type.batch == mine->node->type.batch &&
                        other->first <= mine->last && mine->first <= other->last;
        if (together && offset < other->offset + other->size &&
            other->offset < offset + mine->size) {
            offset = other->offset + other->size;
            k = -1;
        }
    }
    return offset;
}

/* Arrays of the batch have a region of their own and lie at multiples of the stride: so the lanes
 * behind the batch's end are the same places for all of them, in all steps, zero for ever. */
void cuda_place(CudaStep *step)
{
    for (int k = 0; k < step->stage_count; k++) {
        const Stage *stage = step->stages[k];
        for (int i = 0; i < stage->binding_count; i++)
            if (stage->bindings[i].space == CUDA_WORK)
                find_storage(step, stage->bindings[i].node, k)->last = k;
    }
    for (int k = 0; k < step->storage_count; k++) {
        Storage *storage = &step->storage[k];
        storage->offset = fit(step, k);
        size_t *end = storage->node->type.batch ? &step->batch_size : &step->whole_size;
        *end = storage->offset + storage->size > *end ? storage->offset + storage->size : *end;
    }
}
