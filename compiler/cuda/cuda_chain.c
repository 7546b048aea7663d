/* cuda_chain.c -- narrow dense layers one after the other in one kernel: a block keeps a tile of
 * samples in shared memory, all features of it, and takes it from layer to layer.
 *
 * Needs: stages in an order of evaluation, not printed yet. Guarantees: the same numbers as with a
 * launch for each layer. What only the next layer reads has no array any more.
 *
 * A layer joins the chain of the one before if all else that it reads is there before the chain,
 * and if that is quicker by cuda_linear_cost() and chain_cost(): it saves a launch, and costs where
 * tiles are narrower, as a block makes all features of its samples. */
#include "cuda_printer.h"

enum { MOST_WIDTH = 256, MOST_LINKS = 12 };

typedef struct ChainTile {
    int width, threads; /* samples and threads of a block */
    int features;       /* rows of the tile in shared memory */
    int height;         /* the most rows of a weight's tile */
    int scratch;        /* reals: to add up shares of sums */
    double cost;
} ChainTile;

/* ---------------------------------------------------------------- the tile */
static int round_to(int n, int to) { return (n + to - 1) / to * to; }

static int depth_of(const Emitter *e) /* DEPTH and STAGES of cuda_device.h */
{
    return e->options->tensor == TENSOR_BF16 ? 16 : 8;
}

static int stages_of(const Emitter *e) { return e->options->tensor == TENSOR_BF16 ? 3 : 4; }

static int rows_of_link(const Stage *link) { return link->root->type.dims[0]; }

static int steps_of_link(const Stage *link) { return link->root->inputs[0]->type.dims[0]; }

/* Rows of a thread: as few as make all of the layer's and, where they are read again, fill the last
 * step of the next sum; whole fours are read at once. 0: too many. */
static int thread_rows(const Emitter *e, const ChainTile *t, const Stage *link)
{
    int groups = 4 * t->threads / t->width, most = e->options->f64 ? 4 : 8;
    int rows = (round_to(rows_of_link(link), depth_of(e)) + groups - 1) / groups;
    if (e->options->tensor != TENSOR_NONE)
        rows = round_to(rows, 2);
    if (rows > 4 && rows != 6)
        rows = round_to(rows, 4);
    return rows <= most ? rows : 0;
}

/* As tile_cost() in cuda_product.c: full waves of blocks, 512 threads on a multiprocessor; but a
 * layer's first weights come during the epilogue before, so it starts and ends in 16 steps. */
static bool chain_cost(const Emitter *e, const CudaStep *step, Stage *const *links, int count,
                       ChainTile *t)
{
    int pad = e->options->tensor != TENSOR_NONE ? 8 : 4, real = e->options->f64 ? 8 : 4;
    int64_t blocks = cuda_blocks_of(step->stride, t->width);
    double slots = MULTIPROCESSORS * (512.0 / t->threads), sum = 0;
    bool sums = false;
    t->features = t->height = 0;
    for (int k = 0; k < count; k++) {
        int rows = thread_rows(e, t, links[k]),
            steps = round_to(steps_of_link(links[k]), depth_of(e));
        int height = 4 * t->threads / t->width * rows;
        if (!rows)
            return false;
        t->features = steps > t->features ? steps : t->features;
        t->height = height > t->height ? height : t->height;
        sums |= links[k]->sum_count > 0;
        sum += cuda_chain_step_cost(e, rows, t->threads, height) * (steps + 16);
    }
    t->cost = CUDA_LAUNCH_COST + sum * (double)((int64_t)((double)blocks / slots) + 1);
    int64_t weights = (int64_t)stages_of(e) * depth_of(e) * (t->height + pad);
    t->scratch = sums ? t->height * (t->width / 4 + 1) : 0;
    return ((int64_t)t->features * (t->width + pad) + weights + t->scratch) * real <= MOST_SHARED;
}

/* The quickest; false: none fits. Tensor cores: a warp makes 16 samples. */
static bool choose_chain(const Emitter *e, const CudaStep *step, Stage *const *links, int count,
                         ChainTile *best)
{
    bool found = false;
    for (int width = 64; width >= 16; width /= 2)
        for (int threads = 512; threads >= 2 * width; threads /= 2) {
            ChainTile t = {.width = width, .threads = threads};
            if (chain_cost(e, step, links, count, &t) && (!found || t.cost < best->cost)) {
                *best = t;
                found = true;
            }
        }
    return found;
}

/* ---------------------------------------------------------------- which layers */
typedef struct Finder {
    Emitter *e;
    CudaStep *step;
    int *writer;  /* by node id: place of the stage that makes it */
    int *readers; /* by node id: stages that read its array */
    int first;    /* place of the chain's first link */
    const Stage *last;
    bool there; /* all that a stage reads */
} Finder;

bool cuda_may_link(const Stage *stage)
{
    return stage->kind == STAGE_CONTRACT && stage->batch &&
           (stage->root->op == OP_CONTRACT_Y || stage->root->op == OP_CONTRACT_X) &&
           rows_of_link(stage) <= MOST_WIDTH && steps_of_link(stage) <= MOST_WIDTH;
}

static void note_writer(Finder *f, const Stage *stage, int place)
{
    if (stage->root)
        f->writer[stage->root->id] = place;
    for (int k = 0; k < stage->count; k++)
        f->writer[stage->nodes[k]->id] = place;
    for (int k = 0; k < stage->sum_count; k++)
        f->writer[stage->sums[k]->id] = place;
}

static void count_reader(void *context, const Node *read)
{
    ((Finder *)context)->readers[read->id]++;
}

static void check_there(void *context, const Node *read)
{
    Finder *f = context;
    f->there &= f->writer[read->id] <= f->first;
}

/* The next link behind the stage at `place`, or NULL: its operand is made by the last one, all else
 * before the chain or by it. */
static Stage *find_next(Finder *f, int place)
{
    for (int k = place + 1; k < f->step->stage_count; k++) {
        Stage *stage = f->step->stages[k];
        if (!cuda_may_link(stage) || !cuda_makes(f->last, stage->root->inputs[0]))
            continue;
        f->there = true;
        cuda_visit_reads(f->step, stage, true, check_there, f);
        if (f->there)
            return stage;
    }
    return NULL;
}

static void add_link(Stage *chain, Stage *link)
{
    chain->links =
        arena_grow(chain->links, chain->link_count, &chain->link_capacity, sizeof(Stage *));
    chain->links[chain->link_count++] = link;
    chain->flops += link->flops;
}

/* The array of what only the next link reads goes. */
static void drop_arrays(Finder *f, const Stage *chain)
{
    for (int k = 1; k < chain->link_count; k++) {
        const Node *n = chain->links[k]->root->inputs[0];
        cuda_visit_reads(f->step, chain->links[k], false, count_reader, f);
        if (f->readers[n->id] == 1)
            f->step->stored[n->id] = false;
    }
}

/* Leaves the first `count` links in the chain; the others go back to their places. */
static void shorten_chain(Finder *f, Stage *chain, int count, const int *places)
{
    for (int k = count; k < chain->link_count; k++)
        note_writer(f, chain->links[k], places[k]);
    for (int k = count; k < chain->link_count; k++)
        chain->flops -= chain->links[k]->flops;
    chain->link_count = count;
}

/* The chain that begins at a place, of the length that gains most; the stage itself if none does.
 */
static Stage *grow_chain(Finder *f, int place)
{
    Stage *first = f->step->stages[place], *chain = arena_alloc(sizeof *chain);
    double apart = cuda_linear_cost(f->e, f->step, first->root), most = 0;
    int places[MOST_LINKS] = {place}, best = 1;
    *chain = (Stage){.kind = STAGE_CHAIN, .batch = true, .space = first->space};
    f->first = place;
    f->last = first;
    add_link(chain, first);
    while (chain->link_count < MOST_LINKS) {
        int count = chain->link_count;
        Stage *next = find_next(f, places[count - 1]);
        ChainTile tile;
        if (!next)
            break;
        places[count] = f->writer[next->root->id];
        add_link(chain, next);
        note_writer(f, next, place);
        f->last = next;
        if (!choose_chain(f->e, f->step, chain->links, count + 1, &tile))
            break;
        apart += cuda_linear_cost(f->e, f->step, next->root);
        if (apart - tile.cost > most) {
            most = apart - tile.cost;
            best = count + 1;
        }
    }
    shorten_chain(f, chain, best, places);
    return best > 1 ? chain : first;
}

/* Stages that joined a chain are gone from the list. */
static bool has_joined(const Finder *f, int place)
{
    const Stage *stage = f->step->stages[place];
    return stage->root && stage->kind == STAGE_CONTRACT && f->writer[stage->root->id] < place;
}

void cuda_find_chains(Emitter *e, CudaStep *step)
{
    size_t nodes = (size_t)step->schedule->graph->count;
    Finder f = {.e = e,
                .step = step,
                .writer = arena_alloc(nodes * sizeof(int)),
                .readers = arena_alloc(nodes * sizeof(int))};
    Stage **kept = arena_alloc((size_t)(step->stage_count + 1) * sizeof(Stage *));
    int count = 0;
    for (int k = 0; k < step->stage_count; k++) {
        note_writer(&f, step->stages[k], k);
        cuda_visit_reads(step, step->stages[k], true, count_reader, &f);
    }
    for (int k = 0; k < step->stage_count; k++) {
        if (has_joined(&f, k))
            continue;
        kept[count] = cuda_may_link(step->stages[k]) ? grow_chain(&f, k) : step->stages[k];
        drop_arrays(&f, kept[count++]);
    }
    step->stages = kept;
    step->stage_count = step->stage_capacity = count;
}

/* ---------------------------------------------------------------- text */
/* The weight's tiles of a link, from all steps of it. */
static void print_fetch(Printer *p, Text *t, const ChainTile *tile, const Stage *link, int number)
{
    int rows = rows_of_link(link),
        height = 4 * tile->threads / tile->width * thread_rows(p->e, tile, link);
    text_add(t,
             "    auto fetch%d = [&](int tile) {\n"
             "        enum { ROWS = %d, STEPS = %d, HEIGHT = %d, FULL = STEPS %% DEPTH == 0 };\n"
             "        const int k = tile * DEPTH, stage = tile %% STAGES, to = STEPS, m0 = 0;\n"
             "        if (k < to) {\n            %s\n        }\n"
             "        copies_end_group();\n    };\n",
             number, rows, steps_of_link(link), height, cuda_fetch_weight(p, link->root));
}

/* From here on the stage is this link; its epilogue, which ends with the values that the next link
 * reads, if there is one. */
static const char *link_epilogue(Printer *p, const Stage *link, const Node *next)
{
    Stage *chain = p->stage;
    chain->root = link->root;
    chain->nodes = link->nodes;
    chain->count = link->count;
    chain->sums = link->sums;
    chain->sum_count = link->sum_count;
    p->known_count = 0;
    p->prepare = p->statements = p->finish = (Text){0};
    cuda_print_epilogue(p, link->root, "f");
    if (next)
        text_add(&p->statements, "%snext[c] = %s;\n", p->inner,
                 cuda_value(p, next, rows_of_link(link) == 1 ? "0" : "f"));
    return cuda_close_quad(p);
}

/* A layer's product and epilogue. The next one's first weights come meanwhile; its operand gets
 * whole steps of rows, zeros behind the last. */
static void print_link(Printer *p, Text *t, const ChainTile *tile, int index)
{
    const Stage *chain = p->stage, *link = chain->links[index];
    bool last = index + 1 == chain->link_count;
    const Node *next = last ? NULL : chain->links[index + 1]->root->inputs[0];
    int rows = rows_of_link(link), steps = steps_of_link(link);
    int per_thread = thread_rows(p->e, tile, link);
    int height = 4 * tile->threads / tile->width * per_thread;
    const char *epilogue = link_epilogue(p, link, next);
    text_add(t,
             "    { /* %d x %d */\n        real sum[%d][4] = {};\n%s"
             "        chain_multiply<%d, WIDTH, %d, %d>(sum, left, tile, fetch%d);\n",
             rows, steps, per_thread, cuda_declare_shares(p, per_thread, "        "), per_thread,
             height, steps, index + 1);
    if (next)
        text_add(t, "        chain_start(fetch%d);\n", index + 2);
    text_add(t,
             "        UNROLL\n        for (int r = 0; r < %d; r++) {\n"
             "            const int f = chain_top<%d, WIDTH>() + tile_row(r);\n%s"
             "            if (f < %d && b < STRIDE) {\n"
             "                const real *const product = sum[r];\n%s            }\n",
             per_thread, per_thread, next ? "            real next[4] = {};\n" : "", rows,
             epilogue);
    if (next)
        text_add(t,
                 "            if (f < %d)\n"
                 "                store_quad(tile + f * (WIDTH + TILE_PAD) + side, next, 4);\n",
                 round_to(rows, depth_of(p->e)));
    const char *layout = arena_printf("%d, WIDTH / 4, %d, THREADS", per_thread, height);
    const char *place = arena_printf("chain_top<%d, WIDTH>(), side / 4", per_thread);
    text_add(t, "        }\n%s    }\n",
             cuda_join_shares(p, "        ", layout, "scratch", place, "blockIdx.x", chain->grid[0],
                              "0"));
}

void cuda_print_chain(Printer *p)
{
    Stage *chain = p->stage;
    ChainTile tile;
    int none = 0;
    if (!choose_chain(p->e, p->step, chain->links, chain->link_count, &tile))
        internal_error("cuda: no tile for a chain");
    p->outer = "                ";
    p->inner = "                    ";
    cuda_set_launch(chain, cuda_blocks_of(p->step->stride, tile.width), 1, 1, tile.threads);
    const char *x = cuda_operand(p, chain->links[0]->root->inputs[0], &none);
    Text fetches = {0}, layers = {0};
    for (int k = 0; k < chain->link_count; k++)
        print_fetch(p, &fetches, &tile, chain->links[k], k + 1);
    for (int k = 0; k < chain->link_count; k++)
        print_link(p, &layers, &tile, k);
    const char *scratch =
        tile.scratch ? arena_printf("    __shared__ real scratch[%d];\n", tile.scratch) : "";
    Hole holes[] = {{"threads", int_text(tile.threads)},
                    {"name", PLACE_OF_NAME},
                    {"parameters", cuda_print_parameters(p)},
                    {"width", int_text(tile.width)},
                    {"features", int_text(tile.features)},
                    {"height", int_text(tile.height)},
                    {"scratch", scratch},
                    {"prepare", cuda_facts_text(p)},
                    {"fetches", text_of(&fetches)},
                    {"x", x},
                    {"steps", int_text(steps_of_link(chain->links[0]))},
                    {"layers", text_of(&layers)}};
    const char *text = cuda_prune_ints(template_fill("cuda_chain.cu", holes, 12));
    const Stage *last = chain->links[chain->link_count - 1];
    cuda_add_kernel(p,
                    arena_printf("chain_%d_%dx%d", chain->link_count, rows_of_link(last),
                                 steps_of_link(chain->links[0])),
                    text);
}
