/* cuda_product.c -- products on a GPU: dense layers and convolutions, forward, backward and their
 * weight gradients, as tiles.
 *
 * Needs: a stage of cuda_stages.c with a contraction. Guarantees: a tile that fits shared memory
 * and, with tensor cores, whole fragments; the cheapest by tile_cost(). */
#include "cuda_printer.h"

#include <string.h>

enum { TILE_DEPTH = 16, MAX_PARTS = 64, FEW_STEPS = 16 };

typedef struct Shape { /* of a product: rows x columns, a sum of `steps` terms */
    int64_t rows, columns, steps;
} Shape;

typedef struct Tile {
    int rows, columns; /* of a thread */
    int threads;
    int part; /* steps of a block's sum; parts blocks share the sum */
    int parts;
} Tile;

/* Of a step of the sum: a thread's multiply-adds and reads of shared memory. Tensor cores do 8
 * (tf32) or 16 (bf16) multiply-adds in the time of one of a thread, and each number is rounded when
 * it is read: by twos of rows that two lanes share, and of columns that four do. 3xTF32 multiplies
 * three times and rounds both parts of a number. */
static double product_cost(const Emitter *e, const Tile *t)
{
    double sums = t->rows * t->columns;
    if (e->options->tensor == TENSOR_NONE)
        return sums + (t->rows + t->columns) / 4.0;
    int products = e->options->tensor == TENSOR_3XTF32 ? 3 : 1;
    return products * (sums / (e->options->tensor == TENSOR_BF16 ? 16 : 8) +
                       3 * (t->rows + t->columns / 2.0) / 8);
}

/* The time of a product, in instructions that a thread issues: for each step of the sum its
 * multiply-adds, reads of shared memory, its share of the copies and of the loop; over full waves
 * of blocks, 512 threads on a multiprocessor, and 40 steps to start and end. A share of a cut sum
 * is written and read again: 8 bytes at 2.5 TB/s are 0.0014 instructions (docs/cuda.md). */
static double tile_cost(const Emitter *e, const Shape *s, const Tile *t)
{
    int64_t height = t->threads / 16 * t->rows, width = 16 * t->columns;
    int64_t blocks = cuda_blocks_of(s->rows, height) * cuda_blocks_of(s->columns, width) * t->parts;
    double slots = MULTIPROCESSORS * (512.0 / t->threads);
    double waves = (double)((int64_t)((double)blocks / slots) + 1);
    double step = product_cost(e, t) + 6.0 * (double)(height + width) / t->threads + 4;
    double shares = t->parts > 1 ? 0.0014 * (double)(s->rows * s->columns) * t->parts : 0;
    return waves * step * ((double)t->part + 40) + shares;
}

static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* Shared memory of the two templates, in bytes: see runtime/cuda/cuda_device.h. */
static int64_t tile_shared(const Emitter *e, const Tile *t, bool cut)
{
    int64_t lines = t->threads / 16 * t->rows + 16 * t->columns, real = e->options->f64 ? 8 : 4;
    bool tensor = e->options->tensor != TENSOR_NONE;
    int64_t steps = e->options->tensor == TENSOR_BF16 ? 3 * 16 : 4 * 8;
    if (cut)
        return 3 * lines * (64 / real + (tensor ? 0 : 4)) * real;
    return steps * (lines + (tensor ? 16 : 8)) * real;
}

/* Tensor cores: four warps side by side, and whole fragments a warp: 16 rows by 16 columns, of a
 * weight gradient by 8. */
static bool tile_fits(const Emitter *e, const Tile *t, bool cut)
{
    bool whole = t->threads % 128 == 0 && t->rows % 2 == 0 && t->columns % (cut ? 2 : 4) == 0;
    return (e->options->tensor == TENSOR_NONE || whole) && tile_shared(e, t, cut) <= MOST_SHARED;
}

/* The cheapest of all tiles: 8 x 8 a thread for large products, less for small ones where
 * that gains 5 %; with `cut` the sum is cut into parts where there are few blocks. A product of few
 * steps takes as long as its results take to be written: at most 4 x 4, so that many are on their
 * way at once. */
static Tile choose_tile(const Emitter *e, const Shape *s, bool cut)
{
    bool short_sum = !cut && s->steps <= FEW_STEPS;
    int largest = e->options->f64 || short_sum ? 4 : 8, most = 0;
    Tile best = {0};
    double least = 0;
    for (int columns = largest; columns >= (cut ? 1 : 4); columns = cut ? columns - 1 : columns / 2)
        for (int rows = largest; rows >= 1; rows = cut ? rows - 1 : rows / 2)
            for (int threads = 256; threads >= 64; threads -= 32)
                for (int parts = 1; parts <= (cut ? MAX_PARTS : 1); parts++) {
                    int64_t part = round_up(cuda_blocks_of(s->steps, parts), TILE_DEPTH);
                    Tile t = {rows, columns, threads, (int)part,
                              (int)cuda_blocks_of(s->steps, part)};
                    if (!tile_fits(e, &t, cut))
                        continue;
                    double cost = tile_cost(e, s, &t);
                    if (best.threads == 0 ||
                        cost < least * (t.rows * t.columns < most ? 0.95 : 1)) {
                        best = t;
                        least = cost;
                        most = t.rows * t.columns;
                    }
                }
    return best;
}

typedef struct Convolution { /* numbers for the text of a convolution's indices */
    const Type *x, *y, *w;   /* [in, height, width], [out, rows, columns], [k, l, in, out] */
    Window window;
} Convolution;

static Convolution convolution_of(const Node *n)
{
    const Type *a = &n->inputs[0]->type, *b = &n->inputs[1]->type;
    switch (n->op) {
    case OP_CONV_Y:
        return (Convolution){a, &n->type, b, n->window};
    case OP_CONV_X:
        return (Convolution){&n->type, a, b, n->window};
    default:
        return (Convolution){b, a, &n->type, n->window};
    }
}

static bool is_convolution(const Node *n)
{
    return n->op == OP_CONV_Y || n->op == OP_CONV_X || n->op == OP_CONV_W;
}

const char *cuda_operand(Printer *p, const Node *n, int *stride)
{
    *stride = n->op == OP_PARAMETER ? padded(columns_of(&n->type)) : cuda_row(&n->type);
    if (n->op == OP_PARAMETER)
        return cuda_use_tensor(p, n->tensor, false);
    if (!p->step->stored[n->id] || p->step->parts[n->id] > 1)
        internal_error("cuda: operand %s of a contraction without an array (%d shares)",
                       op_table[n->op].name, p->step->parts[n->id]);
    return cuda_use_array(p, n, false);
}

/* The lambda that finds x of a convolution: filter place (k, l), channel i, output place `pq`. */
static const char *find_x(const Convolution *c, const char *x)
{
    return arena_printf(
        "const int row = pq / %d * %d + kl / %d - %d;\n"
        "                const int column = pq %% %d * %d + kl %% %d - %d;\n"
        "                return row >= 0 && row < %d && column >= 0 && column < %d\n"
        "                           ? %s + ((i * %d + row) * %d + column) * STRIDE + b\n"
        "                           : (const real *)NULL;",
        c->y->dims[2], c->window.stride[0], c->w->dims[1], c->window.before[0], c->y->dims[2],
        c->window.stride[1], c->w->dims[1], c->window.before[1], c->x->dims[1], c->x->dims[2], x,
        c->x->dims[1], c->x->dims[2]);
}

/* The same for y: channel o, place `rc` of x. Stride 1. */
static const char *find_y(const Convolution *c, const char *y)
{
    return arena_printf(
        "const int row = rc / %d + %d - kl / %d, column = rc %% %d + %d - kl %% %d;\n"
        "                return row >= 0 && row < %d && column >= 0 && column < %d\n"
        "                           ? %s + ((o * %d + row) * %d + column) * STRIDE + b\n"
        "                           : (const real *)NULL;",
        c->x->dims[2], c->window.before[0], c->w->dims[1], c->x->dims[2], c->window.before[1],
        c->w->dims[1], c->y->dims[1], c->y->dims[2], y, c->y->dims[1], c->y->dims[2]);
}

typedef struct Product { /* what a contraction looks like as a tiled product */
    Shape shape;
    const char *left, *right; /* the statements that fetch a tile */
    int places;               /* columns are [places][STRIDE]; 1: samples alone */
    int phases;               /* products in z, each of other places and steps */
    const char *range;        /* statements: `to` steps and `columns` of the block's product */
    const char *full;         /* a number of which its steps are a multiple */
    bool uneven;              /* the phases have not as many columns */
    const char *place;        /* place of a column in the result; NULL: they are in order */
} Product;

static const char *const whole_range = "    const int to = STEPS, columns = COLUMNS;\n";

static const char *fetch_rows(const char *side, const char *size, const char *from, int stride,
                              const char *first)
{
    return arena_printf("copy_rows<%s, THREADS, FULL>(%s[stage], %s, %d, k, to, %s);", size, side,
                        from, stride, first);
}

/* Of an array whose rows lie along the sum. */
static const char *fetch_lines(const char *copy, const char *side, const char *size,
                               const char *from, int stride, const char *rows, const char *first)
{
    return arena_printf("%s<%s, THREADS, FULL>(%s[stage], %s, %d, %s, k, to, %s);", copy, size,
                        side, from, stride, rows, first);
}

/* find: the body of a lambda of (k, i). */
static const char *fetch_found(const char *side, const char *size, const char *good,
                               const char *first, const char *copy, const char *find)
{
    const char *along = strcmp(copy, "copy_found") == 0 ? ", true" : ""; /* the others say so */
    return arena_printf("%s<%s, THREADS, FULL%s>(%s[stage], %s, k, to, %s, [&](int k, int n) {\n"
                        "                %s\n            });",
                        copy, size, along, side, good, first, find);
}

/* y = W x: the weight's rows are the product's; x = W' y: its columns. */
const char *cuda_fetch_weight(Printer *p, const Node *n)
{
    int stride = 0;
    const char *w = cuda_operand(p, n->inputs[1], &stride);
    if (n->op == OP_CONTRACT_X)
        return fetch_rows("left", "HEIGHT", w, stride, "m0");
    return fetch_lines("copy_turned", "left", "HEIGHT", w, stride, "ROWS", "m0");
}

static Shape linear_shape(const CudaStep *step, const Node *n)
{
    return (Shape){n->type.dims[0], step->stride, n->inputs[0]->type.dims[0]};
}

static Product linear_product(Printer *p, const Node *n)
{
    int none = 0;
    Product r = {.shape = linear_shape(p->step, n),
                 .places = 1,
                 .phases = 1,
                 .range = whole_range,
                 .full = "STEPS"};
    r.left = cuda_fetch_weight(p, n);
    const char *x = cuda_operand(p, n->inputs[0], &none);
    r.right = fetch_rows("right", "WIDTH", x, p->step->stride, "n0");
    return r;
}

double cuda_linear_cost(const Emitter *e, const CudaStep *step, const Node *n)
{
    Shape shape = linear_shape(step, n);
    Tile t = choose_tile(e, &shape, false);
    return CUDA_LAUNCH_COST + tile_cost(e, &shape, &t);
}

double cuda_chain_step_cost(const Emitter *e, int rows, int threads, int height)
{
    Tile t = {.rows = rows, .columns = 4, .threads = threads};
    return product_cost(e, &t) + 6.0 * height / threads + 4;
}

/* ---------------------------------------------------------------- phases of a strided convolution
 * A result of every stride-th place comes from every stride-th place of the filter: a phase is a
 * convolution of stride 1, and no zero is multiplied. */
typedef struct Axis {                 /* of a spread convolution: rows or columns */
    int size, filter, stride, before; /* size: of the result */
    const char *first, *tap;          /* names: its first place, the filter's first place */
} Axis;

static int most_of(int n, int stride) { return (n + stride - 1) / stride; }

static int phases_of(const Axis *a) { return a->size < a->stride ? a->size : a->stride; }

static const char *replace_number(const char *text, int number)
{
    const char *at = strstr(text, "%d");
    return arena_printf("%.*s%d", (int)(at - text), text, number);
}

/* How many every stride-th of n from `from` on are: one more for the first n % stride. `whole`: the
 * text with that number in place of the %d at its end. */
static const char *by_phase(int n, int stride, const char *from, const char *whole)
{
    int most = most_of(n, stride), least = n / stride > 0 ? n / stride : 1;
    bool zero = strcmp(whole, "%d") == 0 && n < stride; /* else it is a divisor that is not used */
    const char *more = replace_number(whole, most), *less = replace_number(whole, zero ? 0 : least);
    if (n % stride == 0)
        return more;
    return arena_printf("(%s < %d ? %s : %s)", from, n % stride, more, less);
}

static const char *axis_places(const Axis *a, const char *whole)
{
    return by_phase(a->size, a->stride, a->first, whole);
}

static const char *axis_taps(const Axis *a, const char *whole)
{
    return by_phase(a->filter, a->stride, a->tap, whole);
}

/* The place of y for tap 0 and the phase's place 0. */
static const char *axis_start(const Axis *a)
{
    return arena_printf("(%s + %d - %s) / %d", a->first, a->before, a->tap, a->stride);
}

/* What a block's phase is, how many steps and columns it has. */
static const char *spread_range(const Axis *down, const Axis *across, int channels)
{
    return arena_printf(
        "    /* Every %d-th row from row0 on by every %d-th of the filter from k0 on; columns so "
        "too. "
        "*/\n"
        "    const int row0 = (int)blockIdx.z / %d, column0 = (int)blockIdx.z %% %d;\n"
        "    const int k0 = (row0 + %d) %% %d, l0 = (column0 + %d) %% %d;\n"
        "    const int to = %s * %s * %d;\n    const int columns = %s * %s * STRIDE;\n",
        down->stride, down->stride, phases_of(across), phases_of(across), down->before,
        down->stride, across->before, across->stride, axis_taps(down, "%d"),
        axis_taps(across, "%d"), channels, axis_places(down, "%d"), axis_places(across, "%d"));
}

/* Four samples of y for step k and column n. */
static const char *spread_y(const Axis *down, const Axis *across, const Type *type, const char *y)
{
    int out = type->dims[0], height = type->dims[1], width = type->dims[2];
    return arena_printf(
        "const int kl = k / %d, o = k %% %d, rc = n / STRIDE, b = n %% STRIDE;\n"
        "                if (!COLUMNS_FULL && n >= columns)\n"
        "                    return (const real *)NULL;\n"
        "                const int row = %s + %s - %s;\n"
        "                const int column = %s + %s - %s;\n"
        "                return row >= 0 && row < %d && column >= 0 && column < %d\n"
        "                           ? %s + ((o * %d + row) * %d + column) * STRIDE + b\n"
        "                           : (const real *)NULL;",
        out, out, axis_start(down), axis_places(across, "rc / %d"), axis_taps(across, "kl / %d"),
        axis_start(across), axis_places(across, "rc % %d"), axis_taps(across, "kl % %d"), height,
        width, y, height, width);
}

/* The weight for step k and channel n of x. */
static const char *spread_weight(const Axis *down, const Axis *across, const Type *type,
                                 const char *w, int stride)
{
    int in = type->dims[2], out = type->dims[3];
    return arena_printf(
        "if (!ROWS_FULL && n >= ROWS)\n                    return (const real *)NULL;\n"
        "                const int kl = k / %d, down = k0 + %s * %d, across = l0 + %s * %d;\n"
        "                return %s + ((down * %d + across) * %d + n) * %d + k %% %d;",
        out, axis_taps(across, "kl / %d"), down->stride, axis_taps(across, "kl % %d"),
        across->stride, w, across->filter, in, stride, out);
}

static Product spread_product(Printer *p, const Node *n)
{
    Convolution c = convolution_of(n);
    int stride = 0, none = 0, in = c.w->dims[2], out = c.w->dims[3];
    const char *w = cuda_operand(p, n->inputs[1], &stride);
    const char *y = cuda_operand(p, n->inputs[0], &none);
    const Window *v = &c.window;
    Axis down = {c.x->dims[1], c.w->dims[0], v->stride[0], v->before[0], "row0", "k0"};
    Axis across = {c.x->dims[2], c.w->dims[1], v->stride[1], v->before[1], "column0", "l0"};
    int64_t places = (int64_t)most_of(down.size, down.stride) * most_of(across.size, across.stride);
    int64_t taps =
        (int64_t)most_of(down.filter, down.stride) * most_of(across.filter, across.stride);
    return (Product){.shape = {in, places * p->step->stride, taps * out},
                     .places = c.x->dims[1] * c.x->dims[2],
                     .phases = phases_of(&down) * phases_of(&across),
                     .full = int_text(out),
                     .uneven = down.size % down.stride != 0 || across.size % across.stride != 0,
                     .range = spread_range(&down, &across, out),
                     .right = fetch_found("right", "WIDTH", y, "n0", "copy_found_quads",
                                          spread_y(&down, &across, c.y, y)),
                     .left = fetch_found("left", "HEIGHT", w, "m0", "copy_found",
                                         spread_weight(&down, &across, c.w, w, stride)),
                     .place = arena_printf("(%s * %d + row0) * %d + %s * %d + column0",
                                           axis_places(&across, "n / STRIDE / %d"), down.stride,
                                           across.size, axis_places(&across, "n / STRIDE % %d"),
                                           across.stride)};
}

static Product convolution_product(Printer *p, const Node *n)
{
    Convolution c = convolution_of(n);
    int stride = 0, none = 0;
    bool forward = n->op == OP_CONV_Y;
    if (!forward && (c.window.stride[0] > 1 || c.window.stride[1] > 1))
        return spread_product(p, n);
    const char *w = cuda_operand(p, n->inputs[1], &stride),
               *x = cuda_operand(p, n->inputs[0], &none);
    int filter = c.w->dims[0] * c.w->dims[1], in = c.w->dims[2], out = c.w->dims[3];
    Product r = {.places = n->type.dims[1] * n->type.dims[2],
                 .phases = 1,
                 .range = whole_range,
                 .full = "STEPS"};
    r.shape = (Shape){forward ? out : in, (int64_t)r.places * p->step->stride,
                      (int64_t)filter * (forward ? in : out)};
    const char *find =
        arena_printf("const int kl = k / %d, %s = k %% %d, %s = n / STRIDE, b = n %% STRIDE;\n"
                     "                if (!COLUMNS_FULL && n >= COLUMNS)\n                    "
                     "return (const real *)NULL;\n"
                     "                %s",
                     forward ? in : out, forward ? "i" : "o", forward ? in : out,
                     forward ? "pq" : "rc", forward ? find_x(&c, x) : find_y(&c, x));
    r.right = fetch_found("right", "WIDTH", x, "n0", "copy_found_quads", find);
    r.left =
        forward ? fetch_rows("left", "HEIGHT", w, stride, "m0")
                : fetch_found(
                      "left", "HEIGHT", w, "m0", "copy_found",
                      arena_printf("return ROWS_FULL || n < ROWS ? %s + (k / %d * %d + n) * %d + k "
                                   "%% %d : (const real *)NULL;",
                                   w, out, in, stride, out));
    return r;
}

/* The gradient of a weight: rows of y by rows of x, or for a filter its places by channels. */
static Product weight_product(Printer *p, const Node *n)
{
    int none = 0, stride = p->step->stride;
    const char *y = cuda_operand(p, n->inputs[0], &none), *x = cuda_operand(p, n->inputs[1], &none);
    Product r = {.places = 1, .phases = 1};
    if (!is_convolution(n)) {
        r.shape = (Shape){n->type.dims[0], n->type.dims[1], stride};
        r.left = fetch_lines("copy_along_rows", "left", "HEIGHT", y, stride, "ROWS", "m0");
        r.right = fetch_lines("copy_along_rows", "right", "WIDTH", x, stride, "COLUMNS", "n0");
        return r;
    }
    Convolution c = convolution_of(n);
    int64_t line = (int64_t)c.y->dims[1] * c.y->dims[2] * stride;
    int in = c.w->dims[2];
    r.shape = (Shape){(int64_t)c.w->dims[0] * c.w->dims[1] * in, c.w->dims[3], line};
    r.left = fetch_found(
        "left", "HEIGHT", x, "m0", "copy_along",
        arena_printf("const int kl = n / %d, i = n %% %d, pq = k / STRIDE, b = k %% STRIDE;\n"
                     "                if (!ROWS_FULL && n >= ROWS)\n"
                     "                    return (const real *)NULL;\n                %s",
                     in, in, find_x(&c, x)));
    r.right = fetch_found(
        "right", "WIDTH", y, "n0", "copy_along",
        arena_printf("return COLUMNS_FULL || n < COLUMNS ? %s + n * %lld + k : (const real *)NULL;",
                     y, (long long)line));
    return r;
}

static void set_product_launch(Printer *p, const Product *r, const Tile *t)
{
    int64_t height = t->threads / 16 * t->rows, width = 16 * t->columns;
    cuda_set_launch(p->stage,
                    cuda_blocks_of(r->shape.columns, width) * cuda_blocks_of(r->shape.rows, height),
                    1, t->parts * r->phases, t->threads);
}

static void print_product(Printer *p, const Product *r, const Tile *t, const char *wish,
                          const char *epilogue)
{
    set_product_launch(p, r, t);
    int across = (int)cuda_blocks_of(r->shape.columns, 16 * t->columns);
    const char *joins = cuda_join_shares(p, "    ", "TR, 16, HEIGHT, THREADS", "left[0]",
                                         "ty, tx / 4", "blockIdx.x % ACROSS", across, "m0");
    Hole holes[] = {{"threads", int_text(t->threads)},
                    {"name", PLACE_OF_NAME},
                    {"parameters", cuda_print_parameters(p)},
                    {"rows", int_text(r->shape.rows)},
                    {"columns", int_text(r->shape.columns)},
                    {"steps", int_text(r->shape.steps)},
                    {"full", r->full},
                    {"columns_full", r->uneven ? "0" : "COLUMNS % WIDTH == 0"},
                    {"range", r->range},
                    {"tile_rows", int_text(t->rows)},
                    {"tile_columns", int_text(t->columns)},
                    {"prepare", cuda_facts_text(p)},
                    {"fetch_left", r->left},
                    {"fetch_right", r->right},
                    {"epilogue", epilogue},
                    {"shares", cuda_declare_shares(p, t->rows, "    ")},
                    {"joins", joins}};
    const char *text = cuda_prune_ints(template_fill("cuda_contract.cu", holes, 17));
    cuda_add_kernel(p, wish, text);
}

void cuda_print_epilogue(Printer *p, const Node *root, const char *at)
{
    at = type_size(&root->type) == 1 ? "0" : at;
    cuda_know(p, root, at, "product[c]");
    if (p->step->stored[root->id])
        cuda_store_node(p, root, at, "product[c]");
    cuda_print_nodes(p, at);
    bool whole = p->step->stride == p->step->schedule->graph->batch_size;
    for (int k = 0; k < p->stage->sum_count; k++) {
        const char *number = cuda_value(p, p->stage->sums[k]->inputs[0], at);
        text_add(&p->statements, "%s%sshare%d[r] = share%d[r] + %s;\n", p->inner,
                 whole ? "" : "if (b + c < BATCH)\n                        ", k + 1, k + 1, number);
    }
}

const char *cuda_declare_shares(const Printer *p, int rows, const char *indent)
{
    Text t = {0};
    for (int k = 0; k < p->stage->sum_count; k++)
        text_add(&t, "%sreal share%d[%d] = {};\n", indent, k + 1, rows);
    return text_of(&t);
}

const char *cuda_join_shares(Printer *p, const char *indent, const char *layout,
                             const char *scratch, const char *place, const char *block, int blocks,
                             const char *first)
{
    Text t = {0};
    for (int k = 0; k < p->stage->sum_count; k++) {
        const Node *n = p->stage->sums[k];
        int rows = (int)type_size(&n->type);
        p->step->parts[n->id] = blocks;
        text_add(&t, "%sjoin_columns<%s>(share%d, %s, %s, %s + (int)(%s) * %d + %s, %d - %s);\n",
                 indent, layout, k + 1, scratch, place, cuda_use_array(p, n, true), block, rows,
                 first, rows, first);
    }
    return text_of(&t);
}

void cuda_print_contract(Printer *p)
{
    const Node *n = p->stage->root;
    bool convolution = is_convolution(n);
    Product r = convolution ? convolution_product(p, n) : linear_product(p, n);
    Shape all = {r.shape.rows, r.shape.columns * r.phases, r.shape.steps};
    Tile t = choose_tile(p->e, &all, false);
    p->outer = "                ";
    p->inner = "                    ";
    const char *at = "f";
    if (r.places > 1) {
        text_add(&p->prepare, "%sconst int b = n %% STRIDE, f_%d = f * %d + %s;\n", p->outer,
                 r.places, r.places, r.place ? r.place : "n / STRIDE");
        at = arena_printf("f_%d", r.places);
    } else {
        text_add(&p->prepare, "%sconst int b = n;\n", p->outer);
    }
    cuda_print_epilogue(p, n, at);
    const char *wish =
        arena_printf(convolution ? n->op == OP_CONV_Y ? "conv_%lldx%lld" : "conv_back_%lldx%lld"
                     : n->op == OP_CONTRACT_Y ? "linear_%lldx%lld"
                                              : "back_%lldx%lld",
                     (long long)r.shape.rows, (long long)r.shape.steps);
    print_product(p, &r, &t, wish, cuda_close_quad(p));
}

void cuda_print_weight(Printer *p)
{
    const Node *n = p->stage->root;
    Product r = weight_product(p, n);
    Tile t = choose_tile(p->e, &r.shape, true);
    p->step->parts[n->id] = t.parts;
    const char *out = cuda_use_array(p, n, true);
    set_product_launch(p, &r, &t);
    Hole holes[] = {{"threads", int_text(t.threads)},
                    {"name", PLACE_OF_NAME},
                    {"parameters", cuda_print_parameters(p)},
                    {"rows", int_text(r.shape.rows)},
                    {"columns", int_text(r.shape.columns)},
                    {"steps", int_text(r.shape.steps)},
                    {"part", int_text(t.part)},
                    {"tile_rows", int_text(t.rows)},
                    {"tile_columns", int_text(t.columns)},
                    {"fetch_left", r.left},
                    {"fetch_right", r.right},
                    {"out", out},
                    {"row", int_text(cuda_row(&n->type))}};
    const char *wish = arena_printf("weight_gradient_%lldx%lld", (long long)r.shape.rows,
                                    (long long)r.shape.columns);
    cuda_add_kernel(p, wish, template_fill("cuda_weight.cu", holes, 13));
}
