/* emit_conv.c -- contractions of the wide order on the host, tuned: register blocks of result
 * channels by vectors of lanes.
 *
 * Needs: a wide plan with zeros around maps. A dense layer is the case of maps of one column. The
 * input gradient of a convolution without stride is a convolution with the filter reversed; with a
 * stride it is one convolution for each phase of rows and columns. Passes: pack the weights into
 * panels, lay the operand out anew where vectors of its rows would not be contiguous (`split`) or
 * not full (`flat`), compute. The order of a sum's terms depends on none of these. */
#include "emit.h"

#include <limits.h>
#include <string.h>

enum {
    SPLIT_SLACK = 64,
    NEAR_REALS = 8192,       /* of the operand that stay in the first cache */
    FLAT_REALS = 32 * 1024,  /* the same of flat maps, whose weights are read in longer pieces */
    OWN_REALS = 128 * 1024,  /* of a panel that an item packs for itself, on its stack */
    SUM_REALS = 64 * 1024,   /* sums that wait for the next part of the channels */
    PANEL_REALS = 32 * 1024, /* packed weights of a part that an item goes over again and again */
    MOST_TERMS = 256,        /* of a filter whose panel an item packs for itself */
    FEW_LANES = 1024,        /* of a whole map: each item packs its weights for itself */
    LEAST_ITEMS = 8,
    MOST_TAPS = 3, /* whose loads a compiler may mix without running out of registers */
    MOST_BLOCKS = 4
};

int divide_up(int a, int b) { return (a + b - 1) / b; }
int64_t round_16(int64_t n) { return (n + 15) / 16 * 16; }

typedef struct Shape {  /* of CONTRACT_Y, CONTRACT_X, CONV_Y, CONV_X */
    bool dense, phases; /* phases: CONV_X with a stride */
    bool reversed;      /* CONV_X: rows of the result are the weight's inputs */
    bool split;         /* columns of the operand are split by their phase first */
    bool itself;        /* maps of few lanes: each item packs the weights that it needs */
    bool flat;          /* all rows of a phase are one, over a copy of the operand for each tap */
    int results, channels;
    int height, width; /* of the result; flat: height is phases of rows, */
    int turns, copies; /* rows of the result in the first, copies of the operand's maps, */
    int first;         /* and where the first copy begins, as a column with halo */
    int filter[2], stride[2], before[2];
    int batch;
    Halo halo;               /* around the operand */
    int row_pitch, map_rows; /* of the operand, reals; rows with halo */
    int split_columns;       /* of one phase */
} Shape;

static int taps_of(int filter, int stride, int phase)
{
    return phase < filter ? (filter - 1 - phase) / stride + 1 : 0;
}

/* Taps along a row of the result's column `column`, and the operand's column under the first. */
static int find_taps(const Shape *s, int column, int *origin)
{
    if (!s->reversed) {
        *origin = column * s->stride[1] - s->before[1] + s->halo.before[1];
        return s->filter[1];
    }
    int stride = s->stride[1], phase = (column + s->before[1]) % stride;
    int taps = taps_of(s->filter[1], stride, phase);
    *origin = (column + s->before[1] - phase) / stride - (taps - 1) + s->halo.before[1];
    return taps;
}

/* Small maps whose rows fill vectors badly, and whole maps much better. */
static bool rows_waste_lanes(const Shape *s)
{
    if (!s->itself || (!s->reversed && (s->stride[0] > 1 || s->stride[1] > 1)))
        return false;
    int64_t row = (int64_t)divide_up(s->width, s->stride[1]) * s->batch;
    int64_t map = divide_up(s->height, s->stride[0]) * row;
    return 10 * row * round_16(map) < 9 * map * round_16(row);
}

static void flatten(Shape *s)
{
    s->flat = true;
    s->turns = divide_up(s->height, s->stride[0]);
    s->height = s->stride[0] < s->height ? s->stride[0] : s->height;
    int end = 0;
    s->first = INT_MAX;
    for (int column = 0; column < s->stride[1] && column < s->width; column++) {
        int origin, taps = find_taps(s, column, &origin);
        s->first = taps && origin < s->first ? origin : s->first;
        end = taps && origin + taps > end ? origin + taps : end;
    }
    s->copies = end - s->first;
    s->map_rows *= s->copies;
    s->row_pitch = divide_up(s->width, s->stride[1]) * s->batch;
}

static Shape find_shape(const Plan *p, const Node *n)
{
    const Type *x = &n->inputs[0]->type, *w = &n->inputs[1]->type;
    Shape s = {.batch = p->schedule->graph->batch_size,
               .results = n->type.dims[0],
               .channels = x->dims[0],
               .height = 1,
               .width = 1,
               .filter = {1, 1},
               .stride = {1, 1}};
    s.dense = n->op == OP_CONTRACT_Y || n->op == OP_CONTRACT_X;
    s.reversed = n->op == OP_CONTRACT_X || n->op == OP_CONV_X;
    s.row_pitch = s.batch;
    s.map_rows = 1;
    if (s.dense)
        return s;
    const Buffer *buffer = plan_buffer(p, n->inputs[0]);
    s.halo = buffer->halo;
    s.height = n->type.dims[1];
    s.width = n->type.dims[2];
    for (int a = 0; a < 2; a++) {
        s.filter[a] = w->dims[a];
        s.stride[a] = n->window.stride[a];
        s.before[a] = n->window.before[a];
    }
    int columns = s.halo.before[1] + x->dims[2] + s.halo.after[1];
    s.map_rows = s.halo.before[0] + x->dims[1] + s.halo.after[0];
    s.row_pitch = columns * s.batch;
    s.phases = s.reversed && (s.stride[0] > 1 || s.stride[1] > 1);
    s.split = !s.reversed && s.stride[1] > 1 && s.batch % 16 != 0;
    s.split_columns = divide_up(columns, s.stride[1]);
    if (s.split)
        s.row_pitch = s.stride[1] * s.split_columns * s.batch;
    s.itself = s.height * s.width * s.batch <= FEW_LANES && s.filter[0] * s.filter[1] <= MOST_TERMS;
    if (rows_waste_lanes(&s))
        flatten(&s);
    return s;
}

/* Reals that `channels` of them take in a panel (wide.h), for each tap and result. */
static int64_t panel_reals(const Shape *s, int channels)
{
    return s->reversed ? round_16(channels) : channels;
}

/* The same in C. */
static const char *panel_text(const Shape *s, const char *channels)
{
    return arena_printf(s->reversed ? "line_reals(%s)" : "(long)%s", channels);
}

static int64_t pack_size(const Shape *s)
{
    int64_t channels = panel_reals(s, s->channels);
    return s->dense || s->itself ? 0
                                 : round_16(s->results * channels * s->filter[0] * s->filter[1]);
}

static int64_t split_size(const Shape *s)
{
    bool anew = s->split || s->flat;
    return anew ? (int64_t)s->channels * s->map_rows * s->row_pitch + SPLIT_SLACK : 0;
}

/* ---------------------------------------------------------------- register blocks */
/* Two multiply-adds and two loads a cycle, four cycles until a sum may be added to again. */
double block_time(int rows, int vectors)
{
    int sums = rows * vectors, loads = rows + vectors;
    return (sums > 8 ? sums : 8) + 0.1 * loads + 0.5;
}

static double tiling_time(int rows, int vectors, RegisterTile tile)
{
    int rest = rows % tile.rows, last = vectors % tile.vectors;
    double full = vectors / tile.vectors * block_time(tile.rows, tile.vectors);
    full += last ? block_time(tile.rows, last) : 0;
    double edge = vectors / tile.vectors * block_time(rest, tile.vectors);
    edge += last ? block_time(rest, last) : 0;
    return rows / tile.rows * full + (rest ? edge : 0);
}

/* Sums, a row of operands and a number fit the registers. */
RegisterTile choose_registers(const Emitter *e, int rows, int vectors, int max_rows)
{
    int registers = e->options->isa == ISA_AVX512 ? 32 : 16;
    RegisterTile best = {1, 1};
    double least = 1e300;
    for (int v = 1; v <= 4; v++)
        for (int r = 1; r <= max_rows && r * v + v + 1 <= registers; r++) {
            RegisterTile tile = {r, v};
            double time = tiling_time(rows, vectors, tile);
            if ((r <= rows || r == 1) && (v <= vectors || v == 1) && time < least) {
                least = time;
                best = tile;
            }
        }
    return best;
}

/* ---------------------------------------------------------------- how an item goes through it */
typedef struct Blocks {
    RegisterTile tile;
    int part;         /* channels of a part of the sum */
    int group, strip; /* result channels and rows of an item */
    int columns;      /* of one phase in a tile; phases: */
    int blocks;       /* of lanes in a phase of a tile */
    int slot;         /* reals of the sums of a tile */
} Blocks;

static int round_down(int n, int unit) { return n / unit * unit > unit ? n / unit * unit : unit; }

/* Channels of a part, in parts of about equal size: as many as have their lanes under a tile in the
 * first cache (of flat maps more), and, of a panel that an item packs for itself, room on its
 * stack. */
static int choose_part(const Shape *s, RegisterTile tile, int vl)
{
    if (s->dense)
        return s->channels;
    int rows = s->filter[0], columns = s->filter[1], stride = s->stride[1], part;
    if (s->phases) {
        rows = divide_up(rows, s->stride[0]);
        columns = divide_up(columns, stride);
        stride = 1;
    }
    int lanes = tile.vectors * vl * stride;
    lanes += columns > stride ? (columns - stride) * s->batch : 0;
    part = s->flat ? FLAT_REALS / (s->map_rows * s->row_pitch) : NEAR_REALS / (rows * lanes);
    int most = OWN_REALS / (tile.rows * s->filter[0] * s->filter[1]);
    part = s->itself && part > most ? most : part;
    int unit = s->reversed ? 16 : 4, parts = divide_up(s->channels, round_down(part, unit));
    int even = divide_up(divide_up(s->channels, parts), unit) * unit;
    return even < s->channels ? even : s->channels;
}

/* Columns of a phase whose lanes fill whole blocks best. */
static void choose_columns(const Shape *s, Blocks *b, int vl)
{
    int all = divide_up(s->width, s->stride[1]), block = b->tile.vectors * vl;
    double best = 0;
    b->columns = all;
    b->blocks = divide_up(s->turns * s->row_pitch, block);
    for (int columns = 1; columns <= all && !s->flat; columns++) {
        int blocks = divide_up(columns * s->batch, block);
        double share = (double)columns * s->batch / (blocks * block);
        if (columns > 1 && blocks > MOST_BLOCKS)
            break;
        if (share > best + 1e-9) {
            best = share;
            b->columns = columns;
            b->blocks = blocks;
        }
    }
    b->slot = s->stride[1] * b->blocks * b->tile.rows * block;
}

/* Tiles along a row of the result. */
static int tiles_a_row(const Shape *s, const Blocks *b, int vl)
{
    if (s->phases || s->flat)
        return divide_up(divide_up(s->width, s->stride[1]), b->columns);
    return divide_up(divide_up(s->width * s->batch, vl), b->tile.vectors);
}

/* Reals that come from far away: each group reads the maps, each strip the weights. */
static double moved_reals(const Shape *s, int strip, int groups)
{
    int stride = s->phases ? 1 : s->stride[0];
    int around = s->phases ? divide_up(s->filter[0], s->stride[0]) : s->filter[0];
    double rows = strip * stride + (around - stride);
    double row = (double)s->channels * s->row_pitch;
    double weights = (double)s->results * s->channels * s->filter[0] * s->filter[1];
    return divide_up(s->height, strip) * (groups * rows * row + weights);
}

static Blocks choose_blocks(const Emitter *e, const Shape *s)
{
    int vl = e->vector_length, rows = s->height;
    int lanes = (s->phases ? divide_up(s->width, s->stride[1]) : s->width) * s->batch;
    lanes = s->flat ? s->turns * s->row_pitch : lanes;
    Blocks b = {.tile = choose_registers(e, s->results, divide_up(lanes, vl), 16)};
    int panels = divide_up(s->results, b.tile.rows);
    b.part = choose_part(s, b.tile, vl);
    b.slot = b.tile.rows * b.tile.vectors * vl;
    if (s->phases || s->flat)
        choose_columns(s, &b, vl);
    if (tiles_a_row(s, &b, vl) * b.slot > 2 * SUM_REALS) /* not even those of one panel */
        b.part = s->channels;
    b.strip = 1;
    b.group = b.tile.rows;
    double least = 1e300;
    for (int strip = s->itself ? rows : 1; strip <= rows && !s->dense; strip++) {
        int most = SUM_REALS / (strip * tiles_a_row(s, &b, vl) * b.slot);
        int weights = PANEL_REALS / (b.tile.rows * b.part * s->filter[0] * s->filter[1]);
        int wanted = divide_up(LEAST_ITEMS, divide_up(rows, strip));
        most = most < weights ? most : weights;
        most = most < panels / wanted ? most : panels / wanted;
        most = most < 1 ? 1 : most;
        int groups = divide_up(panels, most);
        double moved = moved_reals(s, strip, groups);
        if (moved < least) {
            least = moved;
            b.strip = strip;
            b.group = divide_up(panels, groups) * b.tile.rows;
        }
    }
    return b;
}

/* ---------------------------------------------------------------- packing */
const char *bind_packed(Body *b, const char *name, int64_t offset)
{
    static const char keys[4];
    return body_bind(b, &keys[offset ? 1 : 0], name, arena_printf("real *restrict %s", name),
                     offset ? arena_printf("s->packed + %lld", (long long)offset) : "s->packed");
}

/* Weights that items pack for themselves come from far away: while one panel is worked on, its
 * blocks fetch those that are packed next. */
static bool fetches_ahead(const Shape *s) { return s->itself && !s->dense; }

/* Reals from one row of the weights to the next. */
static int raw_pitch(const Shape *s) { return padded(s->reversed ? s->channels : s->results); }

/* What pack_panels() and pack_group() need to know. */
static const char *panel_layout(Emitter *e, const Shape *s, const Blocks *blocks)
{
    const char *text =
        arena_printf("static const Panels %s = {%d, %d, %d, %d, %d, {%d, %d}, {%d, %d}, %d, %d};\n",
                     PLACE_OF_NAME, s->results, s->channels, blocks->part, blocks->tile.rows,
                     raw_pitch(s), s->filter[0], s->filter[1], s->phases ? s->stride[0] : 1,
                     s->phases ? s->stride[1] : 1, s->reversed, !fetches_ahead(s));
    return arena_printf("&%s", add_function(e, "panel_layout", text));
}

static WidePass emit_pack(Emitter *e, const Plan *p, const Kernel *kernel, const Shape *s,
                          const Blocks *blocks)
{
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = p, .kernel = kernel};
    bind_operand(b, kernel->root->inputs[1], "w");
    bind_packed(b, "packed", 0);
    return (WidePass){"pack_panels",
                      arena_printf(", %s, (const void *)%s", panel_layout(e, s, blocks),
                                   argument_list(b)),
                      divide_up(s->results, blocks->tile.rows), 1};
}

/* Columns of every phase side by side: split[c][row][phase][column][sample]. */
static WidePass emit_split(Emitter *e, const Plan *p, const Kernel *kernel, const Shape *s)
{
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = p, .kernel = kernel};
    bind_operand(b, kernel->root->inputs[0], "x");
    bind_packed(b, "split", pack_size(s));
    int columns = s->halo.before[1] + kernel->root->inputs[0]->type.dims[2] + s->halo.after[1];
    const char *text = arena_printf(
        "SHARED void %s(int from, int to, %s)\n{\n"
        "    for (int item = from; item < to; item++)\n"
        "        for (int column = 0; column < %d; column++)\n"
        "            memcpy(split + (long)item * %d + (column %% %d * %d + column / %d) * %d,\n"
        "                   &x[item / %d][item %% %d][column * %d], %d * sizeof(real));\n}\n",
        PLACE_OF_NAME, parameter_list(b), columns, s->row_pitch, s->stride[1], s->split_columns,
        s->stride[1], s->batch, s->map_rows, s->map_rows, s->batch, s->batch);
    return (WidePass){add_function(e, "split", text), arena_printf(", %s", argument_list(b)),
                      s->channels * s->map_rows, 1};
}

/* All columns that a tap of the filter meets side by side, row by row, for each tap:
 * spread[c][first column][row][column][sample]; zeros behind the last column with halo. */
static WidePass emit_spread(Emitter *e, const Plan *p, const Kernel *kernel, const Shape *s)
{
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = p, .kernel = kernel};
    bind_operand(b, kernel->root->inputs[0], "x");
    bind_packed(b, "spread", pack_size(s));
    int columns = s->halo.before[1] + kernel->root->inputs[0]->type.dims[2] + s->halo.after[1];
    Hole holes[] = {{"name", PLACE_OF_NAME},
                    {"parameters", parameter_list(b)},
                    {"copies", int_text(s->copies)},
                    {"rows", int_text(s->map_rows / s->copies)},
                    {"first", int_text(s->first)},
                    {"batch", int_text(s->batch)},
                    {"row_lanes", int_text(s->row_pitch)},
                    {"lanes", int_text(columns * s->batch)}};
    const char *text = template_fill("conv_spread.c", holes, sizeof holes / sizeof *holes);
    return (WidePass){add_function(e, "spread", text), arena_printf(", %s", argument_list(b)),
                      s->channels, 1};
}

/* ---------------------------------------------------------------- blocks */
static const char *weight_text(const Shape *s)
{
    if (s->dense)
        return s->reversed ? "w[r]" : arena_printf("w[(long)r * %d]", padded(s->channels));
    return s->reversed ? "w[r * LANES]" : "w[r]";
}

/* From a tap's weights to the next one's. */
static const char *tap_weights(const Shape *s)
{
    if (s->dense)
        return s->reversed ? int_text(padded(s->results)) : "1";
    return s->reversed ? "ROWS * LANES" : "ROWS";
}

static void add_tap(Text *out, const Shape *s, int offset)
{
    text_add(out,
             "            {\n                vec xs[VECTORS];\n                UNROLL\n"
             "                for (int v = 0; v < VECTORS; v++)\n"
             "                    xs[v] = vget(at + place[v] + %d);\n                UNROLL\n"
             "                for (int r = 0; r < ROWS; r++) {\n"
             "                    const vec number = vsplat(%s);\n                    UNROLL\n"
             "                    for (int v = 0; v < VECTORS; v++)\n"
             "                        sum[r][v] = vfma(number, xs[v], sum[r][v]);\n"
             "                }\n                w += %s;\n            }\n",
             offset, weight_text(s), tap_weights(s));
}

/* Where the filter's column l meets the first lane of a row, in reals. */
static int tap_offset(const Shape *s, int l)
{
    if (s->flat)
        return l * (s->map_rows / s->copies) * s->row_pitch;
    if (!s->split)
        return l * s->batch;
    int column = l + s->halo.before[1] - s->before[1];
    return (column % s->stride[1] * s->split_columns + column / s->stride[1]) * s->batch;
}

/* Reals of a tap of the weights. */
static int64_t raw_tap(const Shape *s)
{
    return (int64_t)(s->reversed ? s->results : s->channels) * raw_pitch(s);
}

/* The weights that a block fetches (Ahead in wide.h); row, column: of the filter, its first tap. */
static const char *ahead_text(const Shape *s, const char *row, int column)
{
    if (!fetches_ahead(s))
        return "NULL";
    long long tap = raw_tap(s), pitch = raw_pitch(s);
    if (!s->reversed)
        return arena_printf("&(const Ahead){ahead, %lld, %lld, %lld}", pitch, s->filter[1] * tap,
                            tap);
    return arena_printf("&(const Ahead){ahead + (long)((%s) * %d + %d) * %lld, %lld, -%lld, -%lld}",
                        row, s->filter[1], column, tap, pitch, s->stride[0] * s->filter[1] * tap,
                        s->stride[1] * tap);
}

/* Fetches of filter row k and channel c, a tap each: of reversed weights 16 channels of one result,
 * else a panel's results of one channel. */
static void add_fetch_ahead(Text *t, const Shape *s, int taps)
{
    text_add(t,
             "            for (int l = 0; l < %d%s; l++)\n"
             "                __builtin_prefetch(packed_next.at + %s + k * packed_next.row + l * "
             "packed_next.column, 0, 2);\n",
             taps, s->reversed ? " && c % LANES < ROWS" : "",
             s->reversed ? "c % LANES * packed_next.pitch + c / LANES * LANES"
                         : "c * packed_next.pitch");
}

/* Each turn over a filter row fetches the next channel's lanes under all its taps, and of reversed
 * weights a share of the next channels', and of those that are packed next. */
static const char *fetch_text(const Shape *s, int taps, bool apart)
{
    const char *ahead = s->dense ? "8 * channel_pitch" : "channel_pitch";
    Text t = {0};
    text_append(&t, "            UNROLL\n");
    if (apart || s->split || s->flat)
        text_add(&t,
                 "            for (int v = 0; v < VECTORS; v++) /* the next channel's */\n"
                 "                __builtin_prefetch(at + place[v] + %s);\n",
                 ahead);
    else
        text_add(&t,
                 "            for (int j = 0; j < VECTORS * VL + %d; j += LINE) /* the next "
                 "channel's */\n"
                 "                __builtin_prefetch(at + place[0] + j + %s);\n",
                 taps > 0 ? (taps - 1) * s->batch : 0, ahead);
    if (s->reversed && !s->dense)
        text_add(&t,
                 "            for (int j = 0; j < ROWS * %d; j += LANES)\n"
                 "                __builtin_prefetch(next + (long)(k * %d * ROWS + j) * LANES);\n",
                 taps, taps);
    if (fetches_ahead(s))
        add_fetch_ahead(&t, s, taps);
    return text_of(&t);
}

/* slot_vectors: of the register tile that sums are stored in. */
static const char *emit_block(Emitter *e, const Shape *s, RegisterTile tile, int slot_vectors,
                              int taps)
{
    Text text = {0};
    for (int l = 0; l < taps; l++) {
        if (l > 0 && taps > MOST_TAPS)
            text_append(&text, "            KEEP_ORDER\n");
        add_tap(&text, s, tap_offset(s, l));
    }
    if (taps == 0)
        text_append(&text, "            (void)at, (void)place, (void)w;\n");
    const char *place = "lane";
    bool apart = !s->reversed && s->stride[1] > 1 && !s->split;
    if (apart && s->batch == e->vector_length) /* a vector is a column */
        place = arena_printf("lane * %d", s->stride[1]);
    else if (apart)
        place = arena_printf("lane / %d * %d + lane %% %d", s->batch, s->batch * s->stride[1],
                             s->batch);
    bool reversed = s->reversed && !s->dense;
    const char *weights = arena_printf(
        "        const real *w =\n            panel + (long)(c / LANES * LANES) * "
        "depth * %d * ROWS + c %% LANES;\n"
        "        const real *const next = w + (long)depth * %d * ROWS * LANES + c %% LANES * "
        "LANES;\n",
        taps, taps);
    Hole holes[] = {{"name", PLACE_OF_NAME},
                    {"panel", reversed ? "panel" : "w"},
                    {"channel_weights", reversed ? weights : ""},
                    {"ahead", fetches_ahead(s) ? "    const Ahead packed_next = *ahead;\n"
                                               : "    (void)ahead;\n"},
                    {"fetch", fetch_text(s, taps, apart)},
                    {"rows", int_text(tile.rows)},
                    {"vectors", int_text(tile.vectors)},
                    {"slot_vectors", int_text(slot_vectors)},
                    {"place", place},
                    {"taps", text_of(&text)}};
    const char *wish = arena_printf("block_%dx%d", tile.rows, tile.vectors);
    return add_function(e, wish,
                        template_fill("conv_block.c", holes, sizeof holes / sizeof *holes));
}

/* The block for `rows` result channels, all of a panel or the last few. */
static const char *block_of_panel(Emitter *e, const Shape *s, RegisterTile tile, int vectors,
                                  int taps)
{
    int rest = s->results % tile.rows;
    const char *whole = "", *last = "";
    if (s->results >= tile.rows)
        whole = emit_block(e, s, (RegisterTile){tile.rows, vectors}, tile.vectors, taps);
    if (rest)
        last = emit_block(e, s, (RegisterTile){rest, vectors}, tile.vectors, taps);
    return *whole && *last ? arena_printf("rows == %d ? %s : %s", tile.rows, whole, last)
           : *whole        ? whole
                           : last;
}

/* ---------------------------------------------------------------- epilogues */
typedef struct Fresh { /* the first lane of the epilogue's that no block before it has seen */
    const char *vector, *number; /* where it goes over vectors, over numbers */
} Fresh;

/* The statements on `product`; vectors unless the row is too short or they do not fit. */
static Body *make_body(Emitter *e, const Plan *p, const Kernel *kernel, const Shape *s, Fresh fresh,
                       bool vector)
{
    const Node *n = kernel->root;
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = p, .kernel = kernel, .flat = !s->dense, .vector = vector};
    b->indent = "            ";
    b->own = (Place){.axis = {"f", "row", "column"}, .lane = "lane"};
    if (s->dense || s->itself)
        bind_operand(b, n->inputs[1], "w");
    else
        bind_packed(b, "packed", 0);
    if (s->split || s->flat)
        bind_packed(b, s->flat ? "spread" : "split", pack_size(s));
    else
        bind_operand(b, n->inputs[0], "x");
    add_value(b, n, place_key(&n->type, b->own), "product");
    if (p->schedule->stored[n->id])
        text_append(&b->statements, store_text(b, place_of(b, n, b->own, true), "product"));
    emit_epilogue(b, vector ? fresh.vector : fresh.number);
    if (!b->broken)
        return b;
    if (!vector)
        internal_error("emit: what rides on a contraction does not fit its rows");
    return make_body(e, p, kernel, s, fresh, false);
}

/* What sums along a row begin with, at its first block. */
static const char *begin_sums(const Body *b, const char *lane)
{
    const char *begin = text_of(&b->row_begin);
    return *begin ? arena_printf("        if (%s == 0) {\n%s        }\n", lane, begin) : "";
}

static const char *row_epilogue(const Body *b, int lanes)
{
    const char *begin = begin_sums(b, "start");
    if (!b->vector)
        return arena_printf("%s        for (int v = 0; v < vectors * VL && start + v < %d; v++) {\n"
                            "            const int lane = start + v;\n"
                            "            const real product = line[r][v];\n%s        }\n",
                            begin, lanes, text_of(&b->statements));
    const char *lane = "start + v * VL";
    if (lanes % b->e->vector_length)
        lane = arena_printf("%s < %d - VL ? %s : %d - VL", lane, lanes, lane, lanes);
    return arena_printf("%s        UNROLL\n        for (int v = 0; v < vectors; v++) {\n"
                        "            const int lane = %s;\n"
                        "            const vec product = vget(&line[r][lane - start]);\n%s"
                        "        }\n",
                        begin, lane, text_of(&b->statements));
}

static const char *chunk_epilogue(const Body *b, int lanes, int chunk)
{
    const char *begin = begin_sums(b, "begin_lane");
    if (!b->vector)
        return arena_printf("%s        for (int at = 0; at < count; at++) {\n"
                            "            const int lane = begin_lane + at;\n"
                            "            const real product = line[r][at];\n%s        }\n",
                            begin, text_of(&b->statements));
    bool whole = lanes % b->e->vector_length == 0 && chunk % b->e->vector_length == 0;
    return arena_printf("%s        for (int at = 0; at < count; at += VL) {\n"
                        "            const int place = %s;\n"
                        "            const int lane = begin_lane + place;\n"
                        "            const vec product = vget(&line[r][place]);\n%s        }\n",
                        begin, whole ? "at" : "at < count - VL ? at : count - VL",
                        text_of(&b->statements));
}

/* ---------------------------------------------------------------- results */
/* Calls of the tile function for all panels of an item, at one place of its rows. */
static void add_panels(Text *out, const Shape *s, const Blocks *blocks, const char *tile,
                       const char *shape, const char *place, const char *names)
{
    const char *indent =
        strcmp(place, "start") == 0 ? "                        " : "                    ";
    int rows = blocks->tile.rows, rest = s->results % rows;
    const char *panel = arena_printf("panels + (first - begin) * %s * %d",
                                     panel_text(s, "channels"), s->filter[0] * s->filter[1]);
    if (s->dense)
        panel = s->reversed ? "panels + first"
                            : arena_printf("panels + (long)first * %d", padded(s->channels));
    const char *ahead = "NULL";
    if (fetches_ahead(s))
        ahead =
            s->reversed ? arena_printf("next + (long)first * %d", raw_pitch(s)) : "next + first";
    const char *arguments = arena_printf("%srow, first, %s, channel, channels, %s, sum, %s, %s",
                                         shape, place, panel, ahead, names);
    bool both = rest && rest != s->results;
    text_add(out, "%.*sfor (int first = begin; first < end; first += %d, sum += %d)%s\n",
             (int)strlen(indent) - 4, indent, rows, blocks->slot, both ? " {" : "");
    if (both)
        text_add(out, "%sconst int rows = first + %d <= %d ? %d : %d;\n", indent, rows, s->results,
                 rows, rest);
    text_add(out, "%s%s(%s, %s);\n", indent, tile, both ? "rows" : int_text(rest ? rest : rows),
             arguments);
    if (both)
        text_add(out, "%.*s}\n", (int)strlen(indent) - 4, indent);
}

/* Blocks along a row; the last one begins early where the row is long enough, so that no lane of it
 * lies outside. */
typedef struct Row {
    int full, rest; /* whole blocks; vectors of the last one */
    int start;      /* of the last one: its first lane that is not in the whole ones, */
    int early;      /* and where it begins */
} Row;

static Row cut_row(const Emitter *e, const Blocks *blocks, int lanes)
{
    int vl = e->vector_length, vectors = divide_up(lanes, vl), most = blocks->tile.vectors;
    Row row = {.full = vectors / most, .rest = vectors % most};
    if (row.rest == 0 && lanes % vl) { /* the last whole one is on its own */
        row.full--;
        row.rest = most;
    }
    row.start = row.early = row.full * most * vl;
    if (row.full && row.start > lanes - row.rest * vl)
        row.early = lanes - row.rest * vl;
    return row;
}

static const char *row_calls(const Body *b, const Shape *s, const Blocks *blocks, const char *tile,
                             const Row *row)
{
    int most = blocks->tile.vectors, block = most * b->e->vector_length;
    Text out = {0};
    const char *names = name_list(b);
    if (row->full) {
        text_add(&out, "                for (int start = 0; start < %d; start += %d)\n",
                 row->full * block, block);
        add_panels(&out, s, blocks, tile, arena_printf("%d, ", most), "start", names);
    }
    if (row->rest)
        add_panels(&out, s, blocks, tile, arena_printf("%d, ", row->rest), int_text(row->early),
                   names);
    return text_of(&out);
}

static Fresh fresh_lanes(const Row *row)
{
    if (row->early == row->start)
        return (Fresh){"start + v * VL", "0"};
    return (Fresh){arena_printf("(start == %d ? %d : start + v * VL)", row->early, row->start),
                   arena_printf("(start == %d ? %d : 0)", row->early, row->start)};
}

static const char *origin_text(const Shape *s)
{
    if (s->dense)
        return "x[0]";
    int row = s->halo.before[0], column = s->halo.before[1];
    if (s->reversed) {
        row += s->before[0] - (s->filter[0] - 1);
        column += s->before[1] - (s->filter[1] - 1);
    } else {
        row -= s->before[0];
        column -= s->before[1];
    }
    if (s->split)
        return arena_printf("split + (long)(row * %d + %d) * %d", s->stride[0], row, s->row_pitch);
    return arena_printf("&x[0][row * %d + %d][%d]", s->reversed ? 1 : s->stride[0], row,
                        column * s->batch);
}

/* The function over items, around the calls for a row. */
static WidePass emit_items(const Body *b, const Shape *s, const Blocks *blocks, const char *wish,
                           const char *calls)
{
    int terms = s->filter[0] * s->filter[1], vl = b->e->vector_length;
    int groups = divide_up(s->results, blocks->group);
    bool itself = s->itself && !s->dense;
    int sums = blocks->part < s->channels
                   ? divide_up(blocks->group, blocks->tile.rows) * blocks->strip *
                         tiles_a_row(s, blocks, vl) * blocks->slot
                   : blocks->slot;
    const char *local = "", *panels = "";
    if (itself) {
        local = arena_printf("    real packed[%lld] ALIGNED;\n",
                             (long long)(blocks->group * panel_reals(s, blocks->part) * terms));
        panels = arena_printf(
            "            pack_group(%s, (const void *)w, begin, end, channel, channels, packed);\n"
            "            const real *const panels = packed;\n%s",
            panel_layout(b->e, s, blocks),
            fetches_ahead(s)
                ? arena_printf("            const real *const next = (const real *)(const void *)w "
                               "+ (channel + %d < %d ? (channel + %d) * %d : %d);\n",
                               blocks->part, s->channels, blocks->part,
                               s->reversed ? 1 : raw_pitch(s),
                               blocks->group * (s->reversed ? raw_pitch(s) : 1))
                : "");
    } else if (s->dense) {
        panels = "            const real *const panels = w[0];\n";
    } else {
        panels =
            arena_printf("            const real *const panels =\n                packed + "
                         "(%d * %s + begin * %s) * %d;\n",
                         s->results, panel_text(s, "channel"), panel_text(s, "channels"), terms);
    }
    Hole holes[] = {{"name", PLACE_OF_NAME},
                    {"parameters", parameter_list(b)},
                    {"sums", int_text(sums)},
                    {"local", local},
                    {"groups", int_text(groups)},
                    {"group", int_text(blocks->group)},
                    {"strip", int_text(blocks->strip)},
                    {"results", int_text(s->results)},
                    {"height", int_text(s->height)},
                    {"channels", int_text(s->channels)},
                    {"part", int_text(blocks->part)},
                    {"panels", panels},
                    {"blocks", calls}};
    return (WidePass){add_function(b->e, wish, template_fill("conv.c", holes, 13)),
                      arena_printf(", %s", argument_list(b)),
                      groups * divide_up(s->height, blocks->strip), 1};
}

/* The tile's function has the item's parameters, but is given its panel. */
static const char *unused_weights(const Shape *s)
{
    return s->dense || s->itself ? "    (void)w;\n" : "    (void)packed;\n";
}

static WidePass emit_rows(Emitter *e, const Plan *p, const Kernel *kernel, const Shape *s,
                          const Blocks *blocks)
{
    int lanes = s->width * s->batch;
    Row row = cut_row(e, blocks, lanes);
    Body *b = make_body(e, p, kernel, s, fresh_lanes(&row), lanes >= e->vector_length);
    int taps = s->filter[1], first = row.full ? blocks->tile.vectors : row.rest;
    const char *block = block_of_panel(e, s, blocks->tile, first, taps);
    if (row.rest && row.rest != first)
        block = arena_printf("vectors == %d ? (%s) : (%s)", first, block,
                             block_of_panel(e, s, blocks->tile, row.rest, taps));
    Hole holes[] = {{"name", PLACE_OF_NAME},
                    {"block", block},
                    {"parameters", parameter_list(b)},
                    {"rows_a_block", int_text(blocks->tile.rows)},
                    {"vectors_a_block", int_text(blocks->tile.vectors)},
                    {"channels", int_text(s->channels)},
                    {"channel_pitch", int_text((long long)s->map_rows * s->row_pitch)},
                    {"row_pitch", int_text(s->row_pitch)},
                    {"depth", int_text(s->filter[0])},
                    {"origin", origin_text(s)},
                    {"ahead", ahead_text(s, int_text(s->filter[0] - 1), s->filter[1] - 1)},
                    {"weights", unused_weights(s)},
                    {"epilogue", row_epilogue(b, lanes)}};
    const char *tile = add_function(
        e, "rows_of_sums", template_fill("conv_rows.c", holes, sizeof holes / sizeof *holes));
    return emit_items(b, s, blocks, s->dense ? "linear" : "convolution",
                      row_calls(b, s, blocks, tile, &row));
}

/* ---------------------------------------------------------------- phases */
/* Blocks of one phase of columns: columns j = column + stride * v, from v = begin on. */
static void add_phase(Text *out, Emitter *e, const Shape *s, const Blocks *blocks, int column)
{
    int origin, taps = find_taps(s, column, &origin), rows = blocks->tile.rows, before = 0;
    int count = divide_up(s->width - column, s->stride[1]), vl = e->vector_length;
    int phase = (column + s->before[1]) % s->stride[1];
    int block = blocks->tile.vectors * vl, pitch = blocks->blocks * block;
    for (int l = 0; l < phase; l++)
        before += taps_of(s->filter[1], s->stride[1], l);
    const char *lanes = arena_printf("turns * %d", s->row_pitch), *x;
    if (s->flat)
        x = arena_printf("spread + %d",
                         (origin - s->first) * (s->map_rows / s->copies) * s->row_pitch);
    else {
        x = arena_printf("x[0][0] + (%d + begin) * %d", origin, s->batch);
        lanes = arena_printf("(%d - begin < %d ? %d - begin : %d) * %d", count, blocks->columns,
                             count, blocks->columns, s->batch);
    }
    long long channel_pitch = (long long)s->map_rows * s->row_pitch;
    const char *ahead = ahead_text(s, arena_printf("phase + %d * (depth - 1)", s->stride[0]),
                                   phase + s->stride[1] * (taps - 1));
    text_add(out,
             "    {\n        ConvBlock *const block = %s;\n"
             "        const int lanes = %s;\n"
             "        for (int start = 0; start < lanes; start += %d) {\n"
             "            real *const at = sum + (%d + start / %d) * %d;\n"
             "            block(channel == 0, channels, depth, start,\n"
             "                at_phase + depth * %d * %s * rows,\n"
             "                %s + (long)channel * %lld + (long)(y + %d) * %d, %s,\n"
             "                %lld, %d, at, last ? part[%d][0] + start : at, last ? %d : %d);\n"
             "        }\n    }\n",
             block_of_panel(e, s, blocks->tile, blocks->tile.vectors, taps), lanes, block,
             column * blocks->blocks, block, rows * block, before, panel_text(s, "channels"), x,
             channel_pitch, s->halo.before[0], s->row_pitch, ahead, channel_pitch, s->row_pitch,
             column, pitch, block);
}

static WidePass emit_phases(Emitter *e, const Plan *p, const Kernel *kernel, const Shape *s,
                            const Blocks *blocks)
{
    int vl = e->vector_length, lanes = s->width * s->batch, stride = s->stride[1];
    int height = kernel->root->type.dims[1];
    int all = divide_up(s->width, stride), chunk_lanes = blocks->columns * stride * s->batch;
    int tail = lanes % chunk_lanes ? lanes % chunk_lanes : chunk_lanes;
    Body *b =
        make_body(e, p, kernel, s, (Fresh){"begin_lane + at", "0"}, tail >= vl && lanes >= vl);
    const char *phase_rows =
        arena_printf("(row + %d - phase) / %d - depth + 1", s->before[0], s->stride[0]);
    const char *turns =
        arena_printf("(%d - row + %d) / %d", height, s->stride[0] - 1, s->stride[0]);
    Text phases = {0}, calls = {0};
    for (int column = 0; column < stride && column < s->width; column++)
        add_phase(&phases, e, s, blocks, column);
    Hole holes[] = {{"name", PLACE_OF_NAME},
                    {"parameters", parameter_list(b)},
                    {"rows_a_block", int_text(blocks->tile.rows)},
                    {"part_pitch", int_text(blocks->blocks * blocks->tile.vectors * vl)},
                    {"line_pitch", int_text(round_16(chunk_lanes) + vl)},
                    {"channels", int_text(s->channels)},
                    {"before", int_text(s->before[0])},
                    {"row_stride", int_text(s->stride[0])},
                    {"y", s->reversed ? phase_rows : arena_printf("row - %d", s->before[0])},
                    {"turns", s->flat ? turns : "1"},
                    {"phases_of_columns", int_text(stride)},
                    {"width", int_text(s->width)},
                    {"columns", int_text(blocks->columns)},
                    {"row_lanes", int_text(blocks->columns * s->batch)},
                    {"batch", int_text(s->batch)},
                    {"filter_rows", int_text(s->filter[0])},
                    {"filter_columns", int_text(s->filter[1])},
                    {"panel_channels", panel_text(s, "channels")},
                    {"phases", text_of(&phases)},
                    {"column_lanes", int_text(stride * s->batch)},
                    {"lanes", int_text(lanes)},
                    {"chunk_lanes", int_text(chunk_lanes)},
                    {"weights", unused_weights(s)},
                    {"epilogue", chunk_epilogue(b, lanes, chunk_lanes)}};
    const char *tile = add_function(
        e, "phases_of_sums", template_fill("conv_phases.c", holes, sizeof holes / sizeof *holes));
    text_add(&calls, "                for (int start = 0; start < %d; start += %d)\n", all,
             blocks->columns);
    add_panels(&calls, s, blocks, tile, "", "start", name_list(b));
    return emit_items(b, s, blocks, s->phases ? "deconvolution" : "convolution", text_of(&calls));
}

int emit_result_passes(Emitter *e, const Plan *p, const Kernel *kernel, WidePass *passes)
{
    Shape s = find_shape(p, kernel->root);
    Blocks blocks = choose_blocks(e, &s);
    int count = 0;
    if (!s.dense && !s.itself)
        passes[count++] = emit_pack(e, p, kernel, &s, &blocks);
    if (s.split)
        passes[count++] = emit_split(e, p, kernel, &s);
    if (s.flat)
        passes[count++] = emit_spread(e, p, kernel, &s);
    passes[count++] = s.phases || s.flat ? emit_phases(e, p, kernel, &s, &blocks)
                                         : emit_rows(e, p, kernel, &s, &blocks);
    return count;
}

static int64_t tuned_reals(const Plan *p, const Kernel *kernel)
{
    if (kernel->kind == KERNEL_WEIGHT) {
        return gradient_reals(p, kernel);
    }
    Shape s = find_shape(p, kernel->root);
    return pack_size(&s) + split_size(&s);
}

int64_t packed_reals(const Plan *p)
{
    const Section *section = &p->schedule->sections[0];
    int64_t most = 16;
    for (int j = 0; j < section->count; j++) {
        const Kernel *kernel = section->kernels[j];
        if (kernel->kind != KERNEL_CONTRACT && kernel->kind != KERNEL_WEIGHT)
            continue;
        int64_t size = tuned_reals(p, kernel);
        most = size > most ? size : most;
    }
    return round_16(most);
}
