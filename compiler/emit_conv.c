/* emit_conv.c -- contractions of the wide order on the host, tuned: register blocks of result
 * channels by vectors of lanes.
 *
 * Needs: a wide plan with zeros around maps. A dense layer is the case of maps of one column. The
 * input gradient of a convolution without stride is a convolution with the filter reversed; with a
 * stride it is one convolution for each phase of rows and columns. Passes: pack the weights into
 * panels, split the operand's columns if vectors of a strided row would not be contiguous, compute.
 * The order of a sum's terms does not depend on the length of vectors. */
#include "emit.h"

#include <string.h>

enum { SPLIT_SLACK = 64, PANEL_CACHE = 128 * 1024, WEIGHT_LANES = 128, CHUNK_REALS = 4096 };

static int divide_up(int a, int b) { return (a + b - 1) / b; }
static int64_t round_16(int64_t n) { return (n + 15) / 16 * 16; }

typedef struct Shape {  /* of CONTRACT_Y, CONTRACT_X, CONV_Y, CONV_X */
    bool dense, phases; /* phases: CONV_X with a stride */
    bool reversed;      /* CONV_X: rows of the result are the weight's inputs */
    bool split;         /* columns of the operand are split by their phase first */
    int results, channels;
    int height, width; /* of the result */
    int filter[2], stride[2], before[2];
    int batch;
    Halo halo;               /* around the operand */
    int row_pitch, map_rows; /* of the operand, reals; rows with halo */
    int split_columns;       /* of one phase */
} Shape;

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
    return s;
}

static int64_t pack_size(const Shape *s)
{
    return s->dense ? 0 : round_16((int64_t)s->results * s->channels * s->filter[0] * s->filter[1]);
}

static int64_t split_size(const Shape *s)
{
    return s->split ? (int64_t)s->channels * s->map_rows * s->row_pitch + SPLIT_SLACK : 0;
}

/* ---------------------------------------------------------------- register blocks */
typedef struct Tile {
    int rows, vectors;
} Tile;

/* Two multiply-adds and two loads a cycle, four cycles until a sum may be added to again. */
static double block_time(int rows, int vectors)
{
    int sums = rows * vectors, loads = rows + vectors;
    return (sums > 8 ? sums : 8) + 0.1 * loads + 0.5;
}

static double tiling_time(int rows, int vectors, Tile tile)
{
    int rest = rows % tile.rows, last = vectors % tile.vectors;
    double full = vectors / tile.vectors * block_time(tile.rows, tile.vectors);
    full += last ? block_time(tile.rows, last) : 0;
    double edge = vectors / tile.vectors * block_time(rest, tile.vectors);
    edge += last ? block_time(rest, last) : 0;
    return rows / tile.rows * full + (rest ? edge : 0);
}

/* Sums, a row of operands and a number fit the registers. */
static Tile choose_tile(const Emitter *e, int rows, int vectors, int max_rows)
{
    int registers = e->options->isa == ISA_AVX512 ? 32 : 16;
    Tile best = {1, 1};
    double least = 1e300;
    for (int v = 1; v <= 4; v++)
        for (int r = 1; r <= max_rows && r * v + v + 1 <= registers; r++) {
            Tile tile = {r, v};
            double time = tiling_time(rows, vectors, tile);
            if ((r <= rows || r == 1) && (v <= vectors || v == 1) && time < least) {
                least = time;
                best = tile;
            }
        }
    return best;
}

/* ---------------------------------------------------------------- packing */
static const char *bind_packed(Body *b, const char *name, int64_t offset)
{
    static const char keys[4];
    return body_bind(b, &keys[offset ? 1 : 0], name, arena_printf("real *restrict %s", name),
                     offset ? arena_printf("s->packed + %lld", (long long)offset) : "s->packed");
}

static int taps_of(int filter, int stride, int phase)
{
    return phase < filter ? (filter - 1 - phase) / stride + 1 : 0;
}

static WidePass emit_pack(Emitter *e, const Plan *p, const Kernel *kernel, const Shape *s,
                          int panel)
{
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = p, .kernel = kernel};
    bind_operand(b, kernel->root->inputs[1], "w");
    bind_packed(b, "packed", 0);
    const char *layout =
        arena_printf("&(const Panels){%d, %d, %d, %d, {%d, %d}, {%d, %d}, %d}", s->results,
                     s->channels, panel, padded(s->reversed ? s->channels : s->results),
                     s->filter[0], s->filter[1], s->phases ? s->stride[0] : 1,
                     s->phases ? s->stride[1] : 1, s->reversed);
    return (WidePass){"pack_panels",
                      arena_printf(", %s, (const void *)%s", layout, argument_list(b)),
                      divide_up(s->results, panel)};
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
                      s->channels * s->map_rows};
}

/* ---------------------------------------------------------------- blocks */
static const char *weight_text(const Shape *s)
{
    if (!s->dense)
        return "w[r]";
    return s->reversed ? "w[r]" : arena_printf("w[(long)r * %d]", padded(s->channels));
}

static void add_tap(Text *out, const Shape *s, int offset, int vectors)
{
    text_add(out,
             "            {\n                vec xs[%d];\n                UNROLL\n"
             "                for (int v = 0; v < vectors; v++)\n"
             "                    xs[v] = vget(at + place[v] + %d);\n                UNROLL\n"
             "                for (int r = 0; r < rows; r++) {\n"
             "                    const vec number = vsplat(%s);\n                    UNROLL\n"
             "                    for (int v = 0; v < vectors; v++)\n"
             "                        sum[r][v] = vfma(number, xs[v], sum[r][v]);\n"
             "                }\n                w += %s;\n            }\n",
             vectors, offset, weight_text(s),
             !s->dense     ? "rows"
             : s->reversed ? int_text(padded(s->results))
                           : "1");
}

/* Where the filter's column l meets the first lane of a row, in reals. */
static int tap_offset(const Shape *s, int l)
{
    if (!s->split)
        return l * s->batch;
    int column = l + s->halo.before[1] - s->before[1];
    return (column % s->stride[1] * s->split_columns + column / s->stride[1]) * s->batch;
}

static const char *emit_block(Emitter *e, const Shape *s, Tile tile, int taps)
{
    Text text = {0};
    for (int l = 0; l < taps; l++)
        add_tap(&text, s, tap_offset(s, l), tile.vectors);
    if (taps == 0)
        text_append(&text, "            (void)at, (void)place, (void)w;\n");
    const char *place = "lane";
    if (!s->reversed && s->stride[1] > 1 && !s->split)
        place = arena_printf("lane / %d * %d + lane %% %d", s->batch, s->batch * s->stride[1],
                             s->batch);
    Hole holes[] = {{"name", PLACE_OF_NAME},
                    {"rows_a_block", int_text(tile.rows)},
                    {"vectors_a_block", int_text(tile.vectors)},
                    {"place", place},
                    {"channels", int_text(s->channels)},
                    {"channel_pitch", int_text((long long)s->map_rows * s->row_pitch)},
                    {"row_pitch", int_text(s->row_pitch)},
                    {"ahead", int_text((long long)s->map_rows * s->row_pitch * (s->dense ? 8 : 1))},
                    {"taps", text_of(&text)}};
    return add_function(e, "block", template_fill("conv_block.c", holes, 9));
}

/* ---------------------------------------------------------------- epilogues */
/* The statements on `product`; vectors unless the row is too short or they do not fit. */
static Body *make_body(Emitter *e, const Plan *p, const Kernel *kernel, const Shape *s, bool vector)
{
    const Node *n = kernel->root;
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = p, .kernel = kernel, .flat = !s->dense, .vector = vector};
    b->indent = "            ";
    b->own = (Place){.axis = {"f", "row", "column"}, .lane = "lane"};
    if (s->dense)
        bind_operand(b, n->inputs[1], "w");
    else
        bind_packed(b, "packed", 0);
    if (s->split)
        bind_packed(b, "split", pack_size(s));
    else
        bind_operand(b, n->inputs[0], "x");
    add_value(b, n, place_key(&n->type, b->own), "product");
    if (p->schedule->stored[n->id])
        text_append(&b->statements, store_text(b, place_of(b, n, b->own, true), "product"));
    for (int k = 0; k < kernel->body_count; k++)
        emit_wide_node(b, kernel->body[k]);
    if (!b->broken)
        return b;
    if (!vector)
        internal_error("emit: what rides on a contraction does not fit its rows");
    return make_body(e, p, kernel, s, false);
}

static const char *row_epilogue(const Body *b, int lanes)
{
    if (!b->vector)
        return arena_printf("        for (int v = 0; v < vectors * VL && start + v < %d; v++) {\n"
                            "            const int lane = start + v;\n"
                            "            const real product = line[r][v];\n%s        }\n",
                            lanes, text_of(&b->statements));
    const char *lane = "start + v * VL";
    if (lanes % b->e->vector_length)
        lane = arena_printf("%s < %d - VL ? %s : %d - VL", lane, lanes, lane, lanes);
    return arena_printf("        UNROLL\n        for (int v = 0; v < vectors; v++) {\n"
                        "            const int lane = %s;\n"
                        "            const vec product = vget(&line[r][lane - start]);\n%s"
                        "        }\n",
                        lane, text_of(&b->statements));
}

static const char *chunk_epilogue(const Body *b, int lanes, int chunk)
{
    if (!b->vector)
        return arena_printf("        for (int at = 0; at < count; at++) {\n"
                            "            const int lane = begin_lane + at;\n"
                            "            const real product = line[r][at];\n%s        }\n",
                            text_of(&b->statements));
    bool whole = lanes % b->e->vector_length == 0 && chunk % b->e->vector_length == 0;
    return arena_printf("        for (int at = 0; at < count; at += VL) {\n"
                        "            const int place = %s;\n"
                        "            const int lane = begin_lane + place;\n"
                        "            const vec product = vget(&line[r][place]);\n%s        }\n",
                        whole ? "at" : "at < count - VL ? at : count - VL",
                        text_of(&b->statements));
}

/* ---------------------------------------------------------------- results */
/* Items are (row, panel); what does not fit the cache is gone through once if that is less. */
static void item_order(const Shape *s, int panel, const char **row, const char **first)
{
    int panels = divide_up(s->results, panel);
    double weights = (double)pack_size(s);
    double maps = (double)s->channels * s->map_rows * s->row_pitch;
    bool panel_outer = weights > PANEL_CACHE && weights * s->height > maps * panels;
    *row = panel_outer ? arena_printf("item %% %d", s->height) : arena_printf("item / %d", panels);
    *first = panel_outer ? arena_printf("item / %d * %d", s->height, panel)
                         : arena_printf("item %% %d * %d", panels, panel);
}

/* Calls of the tile function for a whole panel, and for the last one if that is shorter. */
static const char *panel_calls(const Shape *s, int panel, const char *calls, const char *last)
{
    int rest = s->results % panel;
    if (rest == 0)
        return calls;
    if (rest == s->results)
        return last;
    return arena_printf("        if (first + %d <= %d) {\n%s        } else {\n%s        }\n", panel,
                        s->results, calls, last);
}

/* Blocks along a row; the last one begins early where the row is long enough, so that no lane of it
 * lies outside. */
static const char *row_calls(const Body *b, Tile tile, int rows, int lanes)
{
    int vl = b->e->vector_length, vectors = divide_up(lanes, vl);
    int full = vectors / tile.vectors, rest = vectors % tile.vectors;
    if (rest == 0 && lanes % vl) { /* the last whole one is on its own */
        full--;
        rest = tile.vectors;
    }
    Text out = {0};
    const char *names = name_list(b);
    if (full)
        text_add(&out,
                 "        for (int start = 0; start < %d; start += %d)\n"
                 "            %s_tile(%d, %d, row, first, start, %s);\n",
                 full * tile.vectors * vl, tile.vectors * vl, PLACE_OF_NAME, rows, tile.vectors,
                 names);
    int start = full * tile.vectors * vl;
    if (full && start > lanes - rest * vl)
        start = lanes - rest * vl;
    if (rest)
        text_add(&out, "        %s_tile(%d, %d, row, first, %d, %s);\n", PLACE_OF_NAME, rows, rest,
                 start, names);
    return text_of(&out);
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

static WidePass emit_rows(Emitter *e, const Plan *p, const Kernel *kernel, const Shape *s,
                          Tile tile)
{
    int lanes = s->width * s->batch;
    Body *b = make_body(e, p, kernel, s, lanes >= e->vector_length);
    const char *block = emit_block(e, s, tile, s->filter[1]);
    const char *row, *first;
    item_order(s, tile.rows, &row, &first);
    int rest = s->results % tile.rows;
    const char *calls = panel_calls(s, tile.rows, row_calls(b, tile, tile.rows, lanes),
                                    row_calls(b, tile, rest, lanes));
    int terms = s->channels * s->filter[0] * s->filter[1];
    const char *weights = !s->dense     ? arena_printf("packed + (long)first * %d", terms)
                          : s->reversed ? "&w[0][first]"
                                        : "w[first]";
    Hole holes[] = {{"name", PLACE_OF_NAME},
                    {"tile", arena_printf("%s_tile", PLACE_OF_NAME)},
                    {"block", block},
                    {"parameters", parameter_list(b)},
                    {"rows_a_block", int_text(tile.rows)},
                    {"vectors_a_block", int_text(tile.vectors)},
                    {"depth", int_text(s->filter[0])},
                    {"weights", weights},
                    {"origin", origin_text(s)},
                    {"epilogue", row_epilogue(b, lanes)},
                    {"row", row},
                    {"first", first},
                    {"blocks", calls}};
    const char *text = template_fill("conv.c", holes, 13);
    return (WidePass){add_function(e, s->dense ? "linear" : "convolution", text),
                      arena_printf(", %s", argument_list(b)),
                      s->height * divide_up(s->results, tile.rows)};
}

/* ---------------------------------------------------------------- phases */
typedef struct Chunk { /* of a result row that is put together at once */
    int columns;       /* of one phase */
    int part_pitch, line_pitch;
} Chunk;

static Chunk choose_chunk(const Shape *s, Tile tile, int vl)
{
    int all = divide_up(s->width, s->stride[1]), block = tile.vectors * vl;
    int columns = CHUNK_REALS / (tile.rows * s->batch) / block * block;
    columns = columns < 1 ? divide_up(block, s->batch) : columns;
    columns = columns > all ? all : columns;
    return (Chunk){columns, divide_up(columns * s->batch, block) * block,
                   (int)round_16(columns * s->stride[1] * s->batch) + vl};
}

/* One phase of columns: columns j = phase_column + stride * v, from v = begin on. */
static void add_phase(Text *out, Emitter *e, const Shape *s, Tile tile, Chunk chunk, int column,
                      int *terms)
{
    int stride = s->stride[1], phase = (column + s->before[1]) % stride;
    int taps = taps_of(s->filter[1], stride, phase);
    int count = divide_up(s->width - column, stride), vl = e->vector_length;
    if (count <= 0)
        return;
    int origin = (column + s->before[1] - phase) / stride - (taps - 1) + s->halo.before[1];
    int before = 0;
    for (int l = 0; l < phase; l++)
        before += taps_of(s->filter[1], stride, l);
    text_add(out,
             "    {\n        const int columns = %d - begin < %d ? %d - begin : %d;\n"
             "        for (int start = 0; start < columns * %d; start += %d)\n"
             "            %s(rows, %d, depth, start, w + (long)depth * %d * rows,\n"
             "                x[0][0] + (long)(y + %d) * %d + (%d + begin) * %d, part[0] + start, "
             "%d);\n"
             "        for (int r = 0; r < rows; r++)\n"
             "            for (int v = 0; v < columns; v++)\n"
             "                memcpy(&line[r][(v * %d + %d) * %d], &part[r][v * %d], %d * "
             "sizeof(real));\n    }\n",
             count, chunk.columns, count, chunk.columns, s->batch, tile.vectors * vl,
             emit_block(e, s, tile, taps), tile.vectors, before * s->channels, s->halo.before[0],
             s->row_pitch, origin, s->batch, chunk.part_pitch, stride, column, s->batch, s->batch,
             s->batch);
    *terms += taps;
}

static WidePass emit_phases(Emitter *e, const Plan *p, const Kernel *kernel, const Shape *s,
                            Tile tile)
{
    int vl = e->vector_length, lanes = s->width * s->batch, stride = s->stride[1];
    Chunk chunk = choose_chunk(s, tile, vl);
    int all = divide_up(s->width, stride), chunk_lanes = chunk.columns * stride * s->batch;
    int tail = lanes % chunk_lanes ? lanes % chunk_lanes : chunk_lanes;
    Body *b = make_body(e, p, kernel, s, tail >= vl && lanes >= vl);
    Text phases = {0}, calls = {0}, last = {0};
    int terms = 0, rest = s->results % tile.rows;
    for (int column = 0; column < stride; column++)
        add_phase(&phases, e, s, tile, chunk, column, &terms);
    const char *loop =
        arena_printf("        for (int begin = 0; begin < %d; begin += %d)\n", all, chunk.columns);
    text_add(&calls, "%s            %s_tile(%d, row, first, begin, %s);\n", loop, PLACE_OF_NAME,
             tile.rows, name_list(b));
    text_add(&last, "%s            %s_tile(%d, row, first, begin, %s);\n", loop, PLACE_OF_NAME,
             rest, name_list(b));
    const char *row, *first;
    item_order(s, tile.rows, &row, &first);
    Hole holes[] = {{"name", PLACE_OF_NAME},
                    {"tile", arena_printf("%s_tile", PLACE_OF_NAME)},
                    {"parameters", parameter_list(b)},
                    {"rows_a_block", int_text(tile.rows)},
                    {"part_pitch", int_text(chunk.part_pitch)},
                    {"line_pitch", int_text(chunk.line_pitch)},
                    {"before", int_text(s->before[0])},
                    {"row_stride", int_text(s->stride[0])},
                    {"filter_rows", int_text(s->filter[0])},
                    {"terms", int_text(s->channels * s->filter[0] * s->filter[1])},
                    {"row_terms", int_text(s->channels * s->filter[1])},
                    {"phases", text_of(&phases)},
                    {"column_lanes", int_text(stride * s->batch)},
                    {"lanes", int_text(lanes)},
                    {"chunk_lanes", int_text(chunk_lanes)},
                    {"epilogue", chunk_epilogue(b, lanes, chunk_lanes)},
                    {"row", row},
                    {"first", first},
                    {"blocks", panel_calls(s, tile.rows, text_of(&calls), text_of(&last))}};
    const char *text = template_fill("conv_phases.c", holes, 19);
    return (WidePass){add_function(e, "deconvolution", text),
                      arena_printf(", %s", argument_list(b)),
                      s->height * divide_up(s->results, tile.rows)};
}

int emit_result_passes(Emitter *e, const Plan *p, const Kernel *kernel, WidePass *passes)
{
    Shape s = find_shape(p, kernel->root);
    int lanes = s.phases ? divide_up(s.width, s.stride[1]) * s.batch : s.width * s.batch;
    Tile tile = choose_tile(e, s.results, divide_up(lanes, e->vector_length), 16);
    int count = 0;
    if (!s.dense)
        passes[count++] = emit_pack(e, p, kernel, &s, tile.rows);
    if (s.split)
        passes[count++] = emit_split(e, p, kernel, &s);
    passes[count++] =
        s.phases ? emit_phases(e, p, kernel, &s, tile) : emit_rows(e, p, kernel, &s, tile);
    return count;
}

/* ---------------------------------------------------------------- weight gradients */
typedef struct Gradient {
    bool dense;
    bool swapped;                  /* vectors run along the channels of x, not of y */
    const Node *vectors, *numbers; /* the operands */
    int columns, map_rows;         /* of the transposed operand; with halo where it is x */
    int channels, stride;          /* of the transposed operand; channels in memory */
    int pitch;                     /* lanes of one transposed row, a multiple of 16 */
    int height, width, batch;      /* windows: of y */
    int filter[2], window[2], origin[2], y_origin[2];
    int in, out;
} Gradient;

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
    return d;
}

static int64_t transposed_size(const Gradient *d)
{
    return (int64_t)d->map_rows * d->pitch * d->stride;
}

static int64_t swapped_size(const Gradient *d)
{
    return d->swapped ? (int64_t)d->filter[0] * d->filter[1] * d->out * d->stride : 0;
}

/* packed[row][block of channels][lane][channel of the block], zeros behind the last channel. */
static WidePass emit_transpose(Emitter *e, const Plan *p, const Kernel *kernel, const Gradient *d,
                               Tile tile)
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
    const char *layout =
        arena_printf("&(const Transposed){%d, %d, %d, %d, %d, %d, %lld}", d->channels, d->stride,
                     tile.vectors * e->vector_length, d->columns * d->batch, d->pitch, row_pitch,
                     (long long)map_rows * row_pitch);
    return (WidePass){"transpose_maps",
                      arena_printf(", %s, (const real *)%s + %d, %s", layout,
                                   b->bindings[0].argument, first, b->bindings[1].argument),
                      d->map_rows * (d->stride / e->vector_length)};
}

/* Pointers to the numbers and the sums of register row r. */
static const char *register_rows(const Gradient *d, const char *rows)
{
    const char *head = arena_printf("                for (int r = 0; r < %s; r++) {\n"
                                    "                    const int i = first + r;\n",
                                    rows);
    if (d->dense)
        return arena_printf("%s                    number[r] = &s[i][begin];\n"
                            "                    target[r] = &dw[i][column];\n                }\n",
                            head);
    if (d->swapped)
        return arena_printf(
            "%s                    number[r] = &s[i][row + %d][(%d + begin * %d)];\n"
            "                    target[r] = sums + ((long)tap * %d + i) * %d + column;\n"
            "                }\n",
            head, d->y_origin[0], d->y_origin[1] * d->batch, d->window[1] > 1 ? d->batch : 1,
            d->out, d->stride);
    int kl = d->filter[0] * d->filter[1], skip = d->window[1] > 1 ? d->window[1] * d->batch : 1;
    return arena_printf(
        "%s                    const int c = i / %d, k = i %% %d / %d, l = i %% %d;\n"
        "                    number[r] = &s[c][row * %d + k + %d][begin * %d + (l + %d) * %d];\n"
        "                    target[r] = &dw[(k * %d + l) * %d + c][column];\n"
        "                }\n",
        head, kl, kl, d->filter[1], d->filter[1], d->window[0], d->origin[0], skip, d->origin[1],
        d->batch, d->filter[1], d->in);
}

static const char *transposed_place(const Gradient *d, const char *width)
{
    if (!d->swapped)
        return arena_printf("packed + (long)row * %d + (long)column * %d + (long)begin * %d * %s",
                            d->pitch * d->stride, d->pitch, d->window[1] > 1 ? d->batch : 1, width);
    return arena_printf("packed + (long)(row * %d + tap / %d + %d) * %d + (long)column * %d + "
                        "(long)(begin * %d + (tap %% %d + %d) * %d) * %s",
                        d->window[0], d->filter[1], d->origin[0], d->pitch * d->stride, d->pitch,
                        d->window[1] > 1 ? d->window[1] * d->batch : 1, d->filter[1], d->origin[1],
                        d->batch, width);
}

static void add_gradient_call(Text *out, const Emitter *e, const Gradient *d, int rows, int vectors)
{
    text_append(out, register_rows(d, int_text(rows)));
    text_add(out, "                %s_block(%d, %d, fresh, units, number, %s, target);\n",
             PLACE_OF_NAME, rows, vectors,
             transposed_place(d, int_text(vectors * e->vector_length)));
}

/* Whole and last blocks of rows and of columns. */
static const char *gradient_calls(const Emitter *e, const Gradient *d, Tile tile, int rows)
{
    int vectors = d->stride / e->vector_length, row_blocks = divide_up(rows, tile.rows);
    int column_blocks = divide_up(vectors, tile.vectors);
    int rest_rows = rows % tile.rows, rest_vectors = vectors % tile.vectors;
    Text out = {0};
    text_add(&out,
             "                const int column = item %% %d * %d;\n"
             "                const int first = item / %d %% %d * %d;\n",
             column_blocks, tile.vectors * e->vector_length, column_blocks, row_blocks, tile.rows);
    if (d->swapped)
        text_add(&out, "                const int tap = item / %d;\n", column_blocks * row_blocks);
    for (int corner = 0; corner < 4; corner++) {
        int r = corner & 1 ? rest_rows : tile.rows, v = corner & 2 ? rest_vectors : tile.vectors;
        if (r == 0 || v == 0)
            continue;
        text_add(&out, "                if (first + %d %s %d && column + %d %s %d) {\n", tile.rows,
                 corner & 1 ? ">" : "<=", rows, tile.vectors * e->vector_length,
                 corner & 2 ? ">" : "<=", d->stride);
        add_gradient_call(&out, e, d, r, v);
        text_append(&out, "                }\n");
    }
    return text_of(&out);
}

static WidePass emit_sums(Emitter *e, const Plan *p, const Kernel *kernel, const Gradient *d,
                          Tile tile, int rows)
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
    int lanes = d->swapped ? 4 * WEIGHT_LANES : WEIGHT_LANES;
    int unit = strided ? d->batch : 1, chunk = lanes / unit ? lanes / unit : 1;
    const char *skip = "";
    if (strided)
        skip = d->swapped ? arena_printf("        t += %d * vectors * VL;\n",
                                         (d->window[1] - 1) * d->batch)
                          : arena_printf("        p += %d;\n", (d->window[1] - 1) * d->batch);
    const char *loop = strided ? arena_printf("        ROLLED\n        for (int sample = 0; sample "
                                              "< %d; sample++)\n",
                                              d->batch)
                               : "";
    Hole holes[] = {{"name", PLACE_OF_NAME},
                    {"parameters", parameter_list(b)},
                    {"rows_a_block", int_text(tile.rows)},
                    {"vectors_a_block", int_text(tile.vectors)},
                    {"lane_loop", loop},
                    {"skip", skip},
                    {"map_rows", int_text(d->height)},
                    {"units", int_text(strided ? d->width : d->width * d->batch)},
                    {"chunk", int_text(chunk)},
                    {"ahead", int_text(chunk * unit * (d->swapped ? 1 : d->window[1]))},
                    {"blocks", gradient_calls(e, d, tile, rows)}};
    int items = divide_up(rows, tile.rows) * divide_up(vectors, tile.vectors);
    if (d->swapped)
        items *= d->filter[0] * d->filter[1];
    return (WidePass){add_function(e, "weight_gradient", template_fill("conv_weight.c", holes, 11)),
                      arena_printf(", %s", argument_list(b)), items};
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
                      d->filter[0] * d->filter[1]};
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
static Tile choose_few(const Emitter *e, const Gradient *d)
{
    int registers = e->options->isa == ISA_AVX512 ? 32 : 16, taps = d->filter[1];
    Tile best = {1, 1};
    double most = 0;
    for (int o = 1; o <= d->out; o++)
        for (int c = 1; c <= d->in; c++) {
            int sums = o * c * taps;
            double rate = sums / block_time(o, c * taps) * sums / (o + c * taps);
            if (d->out % o || d->in % c || sums + o + 1 > registers || rate <= most)
                continue;
            most = rate;
            best = (Tile){o, c};
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
    Tile tile = choose_few(e, d);
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
                      arena_printf(", %s", argument_list(b)), items};
}

int emit_gradient_passes(Emitter *e, const Plan *p, const Kernel *kernel, WidePass *passes)
{
    Gradient d = find_gradient(p, kernel->root);
    if (has_few(&d)) {
        passes[0] = emit_few(e, p, kernel, &d);
        return 1;
    }
    int rows = d.dense ? d.in : d.swapped ? d.out : d.in * d.filter[0] * d.filter[1];
    Tile tile = choose_tile(e, rows, d.stride / e->vector_length, 8);
    int count = 0;
    passes[count++] = emit_transpose(e, p, kernel, &d, tile);
    passes[count++] = emit_sums(e, p, kernel, &d, tile, rows);
    if (d.swapped)
        passes[count++] = emit_swap(e, p, kernel, &d);
    return count;
}

static int64_t tuned_reals(const Plan *p, const Kernel *kernel)
{
    if (kernel->kind == KERNEL_WEIGHT) {
        Gradient d = find_gradient(p, kernel->root);
        return has_few(&d) ? few_size(&d) : transposed_size(&d) + swapped_size(&d);
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
