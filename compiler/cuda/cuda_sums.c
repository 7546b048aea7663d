/* cuda_sums.c -- sums over the batch in the epilogue of the product that makes what is summed up:
 * gradients of biases, losses.
 *
 * Needs: stages in an order of evaluation, not printed yet. Guarantees: a block adds up its samples
 * in a fixed order and leaves a share of the sum; who reads it adds up the shares, as with a weight
 * gradient. Only whole arrays may read such a sum: each of their threads reads a number once. */
#include "cuda_printer.h"

typedef struct Sums {
    const Emitter *e;
    CudaStep *step;
    int *writer;   /* by node id: place of the stage that makes it */
    int *readers;  /* by node id: stages that read its array */
    bool *by_many; /* by node id: a stage reads it for every sample, or as an operand */
    const Stage *reader;
} Sums;

typedef struct Host { /* in search of the stage where a sum can ride */
    const Sums *sums;
    int place; /* of the latest stage that makes an operand; -1 */
    bool direct;
} Host;

static void note_read(void *context, const Node *read)
{
    Sums *s = context;
    StageKind kind = s->reader->kind;
    s->readers[read->id]++;
    s->by_many[read->id] |= s->reader->batch || kind == STAGE_CONTRACT || kind == STAGE_WEIGHT;
}

static void note_stages(Sums *s)
{
    for (int k = 0; k < s->step->stage_count; k++) {
        const Stage *stage = s->step->stages[k];
        s->reader = stage;
        cuda_visit_reads(s->step, stage, true, note_read, s);
        if (stage->root)
            s->writer[stage->root->id] = k;
        for (int i = 0; i < stage->count; i++)
            s->writer[stage->nodes[i]->id] = k;
    }
}

/* The latest stage that a value needs. */
static void find_latest(void *context, const Node *read)
{
    Host *host = context;
    int place = host->sums->writer[read->id];
    host->place = place > host->place ? place : host->place;
}

static bool is_same_space(const Type *a, const Type *b)
{
    return a->batch && b->batch && a->rank <= 1 && b->rank <= 1 && type_size(a) == type_size(b);
}

/* What the host makes is read at the sum's own index, where a thread has it: only element-wise work
 * lies between. */
static bool is_in_hand(const Sums *s, const Stage *host, const Node *n)
{
    if (cuda_makes(host, n))
        return is_same_space(&n->type, &host->space);
    if (op_table[n->op].kind == CLASS_SOURCE || s->step->stored[n->id])
        return true;
    for (int k = 0; k < op_table[n->op].arity; k++)
        if (op_table[n->op].kind != CLASS_ELEMENT || !is_in_hand(s, host, n->inputs[k]))
            return false;
    return true;
}

/* With tensor cores a layer of a chain cannot: NVRTC 13 does not unroll its loop over rows then,
 * and the sums of products would lie in local memory. */
static bool may_host(const Sums *s, const Stage *stage)
{
    return stage->kind == STAGE_CONTRACT && stage->batch &&
           (s->e->options->tensor == TENSOR_NONE || !cuda_may_link(stage));
}

/* The product in whose epilogue a sum can ride, or NULL. */
static Stage *find_host(Sums *s, Node *sum)
{
    Stage alone = {.kind = STAGE_SUM_BATCH, .nodes = &sum, .count = 1};
    Host host = {.sums = s, .place = -1};
    cuda_visit_reads(s->step, &alone, true, find_latest, &host);
    Stage *stage = host.place >= 0 ? s->step->stages[host.place] : NULL;
    const Node *term = sum->inputs[0];
    if (!stage || !may_host(s, stage) || s->by_many[sum->id])
        return NULL;
    return is_same_space(&term->type, &stage->space) && is_in_hand(s, stage, term) ? stage : NULL;
}

static void move_sums(Sums *s, Stage *from)
{
    int kept = 0;
    for (int k = 0; k < from->count; k++) {
        Node *sum = from->nodes[k];
        Stage *host = find_host(s, sum);
        if (!host) {
            from->nodes[kept++] = sum;
            continue;
        }
        host->sums = arena_grow(host->sums, host->sum_count, &host->sum_capacity, sizeof(Node *));
        host->sums[host->sum_count++] = sum;
    }
    from->count = kept;
}

/* The array of a value that nobody reads any more goes. */
static void drop_arrays(Sums *s, const Stage *host)
{
    for (int k = 0; k <= host->count && host->sum_count > 0; k++) {
        const Node *n = k < host->count ? host->nodes[k] : host->root;
        if (n->op != OP_ASSIGN && s->readers[n->id] == 0)
            s->step->stored[n->id] = false;
    }
}

void cuda_move_sums(const Emitter *e, CudaStep *step)
{
    size_t nodes = (size_t)step->schedule->graph->count;
    Sums s = {.e = e,
              .step = step,
              .writer = arena_alloc(nodes * sizeof(int)),
              .readers = arena_alloc(nodes * sizeof(int)),
              .by_many = arena_alloc(nodes * sizeof(bool))};
    int kept = 0;
    note_stages(&s);
    for (int k = 0; k < step->stage_count; k++)
        if (step->stages[k]->kind == STAGE_SUM_BATCH)
            move_sums(&s, step->stages[k]);
    for (int k = 0; k < step->stage_count; k++) {
        Stage *stage = step->stages[k];
        if (stage->kind != STAGE_SUM_BATCH || stage->count > 0)
            step->stages[kept++] = stage;
    }
    step->stage_count = kept;
    s.readers = arena_alloc(nodes * sizeof(int));
    note_stages(&s);
    for (int k = 0; k < kept; k++)
        drop_arrays(&s, step->stages[k]);
}
