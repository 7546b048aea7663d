/* emit_gradient.c -- weight gradients of the wide order on the host, tuned: register blocks of the
 * weights' rows by vectors of their columns.
 *
 * Needs: a wide plan with zeros around maps. Passes: transpose one operand, so that vectors run
 * along its channels; sum up. With few channels on one side nothing is transposed: sums over lanes.
 * The order of a sum's terms does not depend on the length of vectors. */
#include "emit.h"

enum {
    WEIGHT_LANES = 256, /* whose sum stays in registers */
    STRIP_LANES = 2048, /* transposed at a time */
    GROUP_BLOCKS = 128  /* blocks of sums that stay in the second cache */
};

typedef struct Gradient {
    bool dense;
    bool swapped;                  /* vectors run along the channels of x, not of y */
    const Node *vectors, *numbers; /* the operands */
    int columns, map_rows;         /* of the transposed operand; with halo where it is x */
    int channels, stride;          /* of the transposed operand; channels in memory */
    int pitch;                     /* lanes of one transposed row, a multiple of 16 */
    int strip;                     /* rows of y that are transposed and summed up at a time */
    int height, width, batch;      /* windows: of y */
    int filter[2], window[2], origin[2], y_origin[2];
    int in, out;
} Gradient;

/* A divisor of the rows. */
static int choose_strip(const Gradient *d)
{
    int rows = d->height;
    while (rows > 1 && (d->height % rows || rows * d->pitch > STRIP_LANES))
        rows--;
    return rows;
}

static Gradient find_gradient(const Plan *p, const Node *n)
{
    const Node *y = n->inputs[0], *x = n->inputs[1];
    Gradient d = {.batch = p->schedule->graph->batch_size,
                  .height = 1,
                  .width = 1,
                  .filter = {1, 1},
                  .window = {1, 1},
                  .map_rows = 1,
                  .columns = 1};
    d.dense = n->op == OP_CONTRACT_W;
    d.in = d.dense ? y->type.dims[0] : x->type.dims[0]; /* rows of dw and its columns */
    d.out = d.dense ? x->type.dims[0] : y->type.dims[0];
    d.vectors = d.dense ? x : y;
    d.numbers = d.dense ? y : x;
    if (!d.dense) {
        const Halo *hx = &plan_buffer(p, x)->halo, *hy = &plan_buffer(p, y)->halo;
        d.height = y->type.dims[1];
        d.width = y->type.dims[2];
        for (int a = 0; a < 2; a++) {
            d.filter[a] = n->type.dims[a];
            d.window[a] = n->window.stride[a];
            d.origin[a] = hx->before[a] - n->window.before[a];
            d.y_origin[a] = hy->before[a];
        }
        /* padding wasted: rows of registers are cheaper to fill than vectors */
        d.swapped = d.out < 16 && (double)d.out / padded(d.out) < 0.8 * d.in / padded(d.in);
        d.map_rows = d.height;
        d.columns = d.width;
        if (d.swapped) {
            d.vectors = x;
            d.numbers = y;
            d.map_rows = hx->before[0] + x->type.dims[1] + hx->after[0];
            d.columns = hx->before[1] + x->type.dims[2] + hx->after[1];
        }
    }
    d.channels = d.vectors->type.dims[0];
    d.stride = padded(d.channels);
    d.pitch = (int)round_16(d.columns * d.batch);
    d.strip = d.swapped ? d.height : choose_strip(&d);
    d.map_rows = d.swapped ? d.map_rows : d.strip;
    return d;
}

static int64_t transposed_size(const Gradient *d)
{
    return (int64_t)d->map_rows * d->pitch * d->stride;
}

static int strips_of(const Gradient *d) { return d->height / d->strip; }

static int64_t swapped_size(const Gradient *d)
{
    return d->swapped ? (int64_t)d->filter[0] * d->filter[1] * d->out * d->stride : 0;
}

/* packed[row][block of channels][lane][channel of the block], zeros behind the last channel. */
static WidePass emit_transpose(Emitter *e, const Plan *p, const Kernel *kernel, const Gradient *d,
                               RegisterTile tile)
{
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = p, .kernel = kernel};
    bind_operand(b, d->vectors, "x");
    bind_packed(b, "packed", 0);
    const Buffer *buffer = plan_buffer(p, d->vectors);
    const Type *type = &d->vectors->type;
    int row_pitch = d->batch, map_rows = 1;
    if (!d->dense) {
        row_pitch *= buffer->halo.before[1] + type->dims[2] + buffer->halo.after[1];
        map_rows = buffer->halo.before[0] + type->dims[1] + buffer->halo.after[0];
    }
    int first = d->dense || d->swapped ? 0 : d->y_origin[0] * row_pitch + d->y_origin[1] * d->batch;
    const char *strip =
        strips_of(d) > 1 ? arena_printf(" + s->strip * %d", d->strip * row_pitch) : "";
    const char *layout =
        arena_printf("static const Transposed %s = {%d, %d, %d, %d, %d, %d, %lld};\n",
                     PLACE_OF_NAME, d->channels, d->stride, tile.vectors * e->vector_length,
                     d->columns * d->batch, d->pitch, row_pitch, (long long)map_rows * row_pitch);
    return (WidePass){"transpose_maps",
                      arena_printf(", &%s, (const real *)%s + %d%s, %s",
                                   add_function(e, "map_layout", layout), b->bindings[0].argument,
                                   first, strip, b->bindings[1].argument),
                      d->map_rows * (d->stride / e->vector_length), strips_of(d)};
}

/* Pointers to the numbers and the sums of register row r. */
static const char *register_rows(const Gradient *d, int rows)
{
    const char *head = arena_printf("                    for (int r = 0; r < %d; r++) {\n"
                                    "                        const int i = first + r;\n",
                                    rows);
    if (d->dense)
        return arena_printf(
            "%s                        number[r] = &s[i][begin];\n"
            "                        target[r] = &dw[i][column];\n                    }\n",
            head);
    if (d->swapped)
        return arena_printf(
            "%s                        number[r] = &s[i][row + %d][(%d + begin * %d)];\n"
            "                        target[r] = sums + ((long)tap * %d + i) * %d + column;\n"
            "                    }\n",
            head, d->y_origin[0], d->y_origin[1] * d->batch, d->window[1] > 1 ? d->batch : 1,
            d->out, d->stride);
    int kl = d->filter[0] * d->filter[1], skip = d->window[1] > 1 ? d->window[1] * d->batch : 1;
    return arena_printf(
        "                    int c = first / %d, k = first %% %d / %d, l = first %% %d;\n"
        "                    UNROLL\n"
        "                    for (int r = 0; r < %d; r++) {\n"
        "                        number[r] = &s[c][row * %d + k + %d][begin * %d + (l + %d) * "
        "%d];\n"
        "                        target[r] = &dw[(k * %d + l) * %d + c][column];\n"
        "                        l++;\n"
        "                        k += l == %d, l = l == %d ? 0 : l;\n"
        "                        c += k == %d, k = k == %d ? 0 : k;\n"
        "                    }\n",
        kl, kl, d->filter[1], d->filter[1], rows, d->window[0], d->origin[0], skip, d->origin[1],
        d->batch, d->filter[1], d->in, d->filter[1], d->filter[1], d->filter[0], d->filter[0]);
}

static const char *transposed_place(const Gradient *d, const char *width)
{
    if (!d->swapped)
        return arena_printf(
            "packed + (long)(row - top) * %d + (long)column * %d + (long)begin * %d * "
            "%s",
            d->pitch * d->stride, d->pitch, d->window[1] > 1 ? d->batch : 1, width);
    return arena_printf("packed + (long)(row * %d + tap / %d + %d) * %d + (long)column * %d + "
                        "(long)(begin * %d + (tap %% %d + %d) * %d) * %s",
                        d->window[0], d->filter[1], d->origin[0], d->pitch * d->stride, d->pitch,
                        d->window[1] > 1 ? d->window[1] * d->batch : 1, d->filter[1], d->origin[1],
                        d->batch, width);
}

static const char *emit_gradient_block(Emitter *e, const Gradient *d, int rows, int vectors)
{
    bool strided = d->window[1] > 1;
    const char *skip = "";
    if (strided)
        skip = d->swapped ? arena_printf("        t += %d * VECTORS * VL;\n",
                                         (d->window[1] - 1) * d->batch)
                          : arena_printf("        p += %d;\n", (d->window[1] - 1) * d->batch);
    const char *loop = strided ? arena_printf("        ROLLED\n        for (int sample = 0; sample "
                                              "< %d; sample++)\n",
                                              d->batch)
                               : "";
    Hole holes[] = {{"name", PLACE_OF_NAME},
                    {"rows", int_text(rows)},
                    {"vectors", int_text(vectors)},
                    {"lane_loop", loop},
                    {"skip", skip}};
    const char *wish = arena_printf("gradient_%dx%d", rows, vectors);
    return add_function(e, wish, template_fill("conv_weight_block.c", holes, 5));
}

/* Of whole and last blocks of rows and of columns the one for `rows` and `vectors`. */
static const char *choose_gradient_block(Emitter *e, const Gradient *d, RegisterTile tile,
                                         int rest_rows, int rest_vectors)
{
    const char *choice = "";
    for (int last = 0; last <= (rest_vectors > 0); last++) {
        int vectors = last ? rest_vectors : tile.vectors;
        const char *block = emit_gradient_block(e, d, tile.rows, vectors);
        if (rest_rows)
            block = arena_printf("rows == %d ? %s : %s", tile.rows, block,
                                 emit_gradient_block(e, d, rest_rows, vectors));
        choice = !last ? block
                       : arena_printf("vectors == %d ? (%s) : (%s)", tile.vectors, choice, block);
    }
    return choice;
}

/* The sums of an item: a block of rows and of columns. */
static const char *gradient_calls(Emitter *e, const Gradient *d, RegisterTile tile, int rows)
{
    int vl = e->vector_length, vectors = d->stride / vl, row_blocks = divide_up(rows, tile.rows);
    int column_blocks = divide_up(vectors, tile.vectors);
    int rest_rows = rows % tile.rows, rest_vectors = vectors % tile.vectors;
    Text out = {0};
    text_add(&out,
             "                    const int column = item / %d %% %d * %d;\n"
             "                    const int first = item %% %d * %d;\n",
             row_blocks, column_blocks, tile.vectors * vl, row_blocks, tile.rows);
    if (d->swapped)
        text_add(&out, "                    const int tap = item / %d;\n",
                 column_blocks * row_blocks);
    if (rest_rows)
        text_add(&out, "                    const int rows = first + %d <= %d ? %d : %d;\n",
                 tile.rows, rows, tile.rows, rest_rows);
    if (rest_vectors)
        text_add(&out, "                    const int vectors = column + %d <= %d ? %d : %d;\n",
                 tile.vectors * vl, d->stride, tile.vectors, rest_vectors);
    if (rest_rows)
        text_add(&out, "                    if (rows == %d) {\n", rest_rows);
    if (rest_rows)
        text_append(&out, register_rows(d, rest_rows));
    if (rest_rows)
        text_append(&out, "                    } else {\n");
    text_append(&out, register_rows(d, tile.rows));
    if (rest_rows)
        text_append(&out, "                    }\n");
    text_add(&out,
             "                    GradientBlock *const block = %s;\n"
             "                    block(fresh, units, number, %s, target);\n",
             choose_gradient_block(e, d, tile, rest_rows, rest_vectors),
             transposed_place(d, rest_vectors ? "(vectors * VL)" : int_text(tile.vectors * vl)));
    return text_of(&out);
}

static WidePass emit_sums(Emitter *e, const Plan *p, const Kernel *kernel, const Gradient *d,
                          RegisterTile tile, int rows)
{
    const Node *n = kernel->root;
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = p, .kernel = kernel};
    bind_packed(b, "packed", 0);
    if (d->swapped)
        bind_packed(b, "sums", transposed_size(d));
    bind_operand(b, d->numbers, "s");
    if (!d->swapped)
        body_bind(b, n, "dw", wide_declaration("dw", p, n),
                  arena_printf("AT(%zu)", plan_buffer(p, n)->offset));
    bool strided = d->window[1] > 1;
    int vectors = d->stride / e->vector_length;
    int lanes = d->swapped ? 2 * WEIGHT_LANES : WEIGHT_LANES;
    int unit = strided ? d->batch : 1, chunk = lanes / unit ? lanes / unit : 1;
    Hole holes[] = {{"name", PLACE_OF_NAME},
                    {"parameters", parameter_list(b)},
                    {"rows_a_block", int_text(tile.rows)},
                    {"top", strips_of(d) > 1 ? arena_printf("strip * %d", d->strip) : "0"},
                    {"strip", strips_of(d) > 1 ? "int strip, " : ""},
                    {"map_rows", int_text(d->strip)},
                    {"group", int_text(GROUP_BLOCKS)},
                    {"units", int_text(strided ? d->width : d->width * d->batch)},
                    {"chunk", int_text(chunk)},
                    {"blocks", gradient_calls(e, d, tile, rows)}};
    int items = divide_up(rows, tile.rows) * divide_up(vectors, tile.vectors);
    if (d->swapped)
        items *= d->filter[0] * d->filter[1];
    return (
        WidePass){add_function(e, "weight_gradient", template_fill("conv_weight.c", holes, 10)),
                  arena_printf(", %s%s", strips_of(d) > 1 ? "s->strip, " : "", argument_list(b)),
                  items, strips_of(d)};
}

/* Sums with the channels of x innermost into the order of the weights. */
static WidePass emit_swap(Emitter *e, const Plan *p, const Kernel *kernel, const Gradient *d)
{
    const Node *n = kernel->root;
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = p, .kernel = kernel};
    bind_packed(b, "sums", transposed_size(d));
    body_bind(b, n, "dw", wide_declaration("dw", p, n),
              arena_printf("AT(%zu)", plan_buffer(p, n)->offset));
    const char *text =
        arena_printf("SHARED void %s(int from, int to, %s)\n{\n"
                     "    for (int item = from; item < to; item++)\n"
                     "        for (int o = 0; o < %d; o++)\n"
                     "            for (int c = 0; c < %d; c++)\n"
                     "                dw[item * %d + c][o] = sums[((long)item * %d "
                     "+ o) * %d + c];\n}\n",
                     PLACE_OF_NAME, parameter_list(b), d->out, d->in, d->in, d->out, d->stride);
    return (WidePass){add_function(e, "swapped", text), arena_printf(", %s", argument_list(b)),
                      d->filter[0] * d->filter[1], 1};
}

/* ---------------------------------------------------------------- few channels on one side */
/* Whole virtual vectors of lanes, on both maps. The same for all sets of instructions: the order of
 * a sum's terms hangs on it. */
static bool has_few(const Gradient *d)
{
    enum { FEW = 4, MOST_TAPS = 7, MOST_CHANNELS = 256 };
    int less = d->in < d->out ? d->in : d->out, more = d->in < d->out ? d->out : d->in;
    return !d->dense && less <= FEW && more <= MOST_CHANNELS && d->filter[1] <= MOST_TAPS &&
           d->width * d->batch % 16 == 0 && (d->window[1] == 1 || d->batch % 16 == 0);
}

static int64_t few_size(const Gradient *d)
{
    return (int64_t)d->in * d->out * d->filter[0] * d->filter[1] * 16;
}

/* Channels of y (rows) and of x (vectors) a block: divisors, with the most sums a load. */
static RegisterTile choose_few(const Emitter *e, const Gradient *d)
{
    int registers = e->options->isa == ISA_AVX512 ? 32 : 16, taps = d->filter[1];
    RegisterTile best = {1, 1};
    double most = 0;
    for (int o = 1; o <= d->out; o++)
        for (int c = 1; c <= d->in; c++) {
            int sums = o * c * taps;
            double rate = sums / block_time(o, c * taps) * sums / (o + c * taps);
            if (d->out % o || d->in % c || sums + o + 1 > registers || rate <= most)
                continue;
            most = rate;
            best = (RegisterTile){o, c};
        }
    return best;
}

static int64_t map_pitch(const Plan *p, const Node *n)
{
    const Halo *h = &plan_buffer(p, n)->halo;
    return (int64_t)(h->before[0] + n->type.dims[1] + h->after[0]) *
           (h->before[1] + n->type.dims[2] + h->after[1]) * p->schedule->graph->batch_size;
}

static WidePass emit_few(Emitter *e, const Plan *p, const Kernel *kernel, const Gradient *d)
{
    const Node *n = kernel->root, *y = n->inputs[0], *x = n->inputs[1];
    RegisterTile tile = choose_few(e, d);
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = p, .kernel = kernel};
    bind_packed(b, "sums", 0);
    bind_operand(b, y, "y");
    if (x != y)
        bind_operand(b, x, "x");
    body_bind(b, n, "dw", wide_declaration("dw", p, n),
              arena_printf("AT(%zu)", plan_buffer(p, n)->offset));
    int in_blocks = d->in / tile.vectors, items = d->filter[0] * in_blocks * (d->out / tile.rows);
    const char *place = d->window[1] > 1 ? arena_printf("lane / %d * %d + lane %% %d", d->batch,
                                                        d->batch * d->window[1], d->batch)
                                         : "lane";
    Hole holes[] = {
        {"name", PLACE_OF_NAME},
        {"parameters", parameter_list(b)},
        {"out", int_text(tile.rows)},
        {"in", int_text(tile.vectors)},
        {"taps", int_text(d->filter[1])},
        {"height", int_text(d->height)},
        {"filter_rows", int_text(d->filter[0])},
        {"in_blocks", int_text(in_blocks)},
        {"items_an_out", int_text(d->filter[0] * in_blocks)},
        {"y", arena_printf("&y[o][row + %d][%d]", d->y_origin[0], d->y_origin[1] * d->batch)},
        {"x", arena_printf("&%s[c][row * %d + k + %d][%d]", x == y ? "y" : "x", d->window[0],
                           d->origin[0], d->origin[1] * d->batch)},
        {"lanes", int_text(d->width * d->batch)},
        {"place", place},
        {"y_pitch", int_text(map_pitch(p, y))},
        {"x_pitch", int_text(map_pitch(p, x))},
        {"batch", int_text(d->batch)},
        {"inputs", int_text(d->in)}};
    return (WidePass){add_function(e, "few_channels", template_fill("conv_few.c", holes, 17)),
                      arena_printf(", %s", argument_list(b)), items, 1};
}

int emit_gradient_passes(Emitter *e, const Plan *p, const Kernel *kernel, WidePass *passes)
{
    Gradient d = find_gradient(p, kernel->root);
    if (has_few(&d)) {
        passes[0] = emit_few(e, p, kernel, &d);
        return 1;
    }
    int rows = d.dense ? d.in : d.swapped ? d.out : d.in * d.filter[0] * d.filter[1];
    RegisterTile tile = choose_registers(e, rows, d.stride / e->vector_length, 8);
    int count = 0;
    passes[count++] = emit_transpose(e, p, kernel, &d, tile);
    passes[count++] = emit_sums(e, p, kernel, &d, tile, rows);
    if (d.swapped)
        passes[count++] = emit_swap(e, p, kernel, &d);
    return count;
}

int64_t gradient_reals(const Plan *p, const Kernel *kernel)
{
    Gradient d = find_gradient(p, kernel->root);
    return has_few(&d) ? few_size(&d) : transposed_size(&d) + swapped_size(&d);
}
