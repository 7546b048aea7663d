/* emit_conv.c -- convolutions and dense layers of the wide order, tuned: packed weights, blocks in
 * registers, phases instead of strides.
 *
 * Needs: a wide plan with zeros around maps. Guarantees: a number is summed by one thread, over
 * channels, filter rows, filter columns in this order, whatever the vectors, threads and blocks.
 *
 * Every forward and backward pass is a walk without gaps: a convolution with stride over columns
 * reads an operand whose columns are split into phases; a transposed one with stride s is s x s
 * convolutions, one for each phase of its result. A dense layer is the case of maps of one pixel.
 */
#include "emit.h"

#include <string.h>

enum {
    MAX_PHASES = 64,
    L2_WEIGHTS = 1 << 17, /* reals of packed weights that stay in cache beside an operand's rows */
    STRIP = 1 << 17,      /* reals of a transposed operand that stay in cache */
    END_SLACK = 64
};

typedef struct Phase { /* a walk: result pixel (q, r) of the phase sums taps (t, u) */
    int taps[2];
    int first[2];  /* operand pixel of result pixel 0 and tap 0, its zeros counted */
    int filter[2]; /* filter index of tap t: filter + step * t */
    int step[2];
    int size[2];  /* rows and columns of the phase's result */
    int shift[2]; /* its first pixel in the result */
} Phase;

typedef struct Operand {         /* maps as a kernel reads them: reals */
    int channels, rows, columns; /* stored, zeros included */
    int64_t plane, pitch;
    int phase_pitch; /* columns split by `stride`: reals of a phase of a row */
} Operand;

typedef struct Walk {             /* of one contraction */
    int batch, channels, outputs; /* summed, and of the result */
    int stride_in[2], stride_out[2];
    Phase phases[MAX_PHASES];
    int phase_count;
    Operand x; /* after the split */
    bool dense, split;
    int64_t panel_reals, split_reals;
} Walk;

static int rounded(int n, int to) { return (n + to - 1) / to * to; }

static Operand operand_of(const Plan *p, const Node *n, int stride)
{
    int batch = p->schedule->graph->batch_size;
    const Type *t = &n->type;
    if (t->rank == 1)
        return (Operand){t->dims[0], 1, 1, batch, batch, batch};
    const Buffer *b = plan_buffer(p, n);
    Operand x = {.channels = t->dims[0]};
    x.rows = t->dims[1] + b->halo.before[0] + b->halo.after[0];
    x.columns = t->dims[2] + b->halo.before[1] + b->halo.after[1];
    x.phase_pitch = (x.columns + stride - 1) / stride * batch;
    x.pitch = stride > 1 ? (int64_t)stride * x.phase_pitch : (int64_t)x.columns * batch;
    x.plane = x.rows * x.pitch;
    return x;
}

/* Reals from a row's begin to the tap of a column. */
static int tap_place(const Walk *w, int column)
{
    int stride = w->split ? w->stride_in[1] : 1;
    return column % stride * w->x.phase_pitch + column / stride * w->batch;
}

static void add_forward_phase(Walk *w, const Node *n, const Halo *halo)
{
    Phase *f = &w->phases[w->phase_count++];
    for (int a = 0; a < 2; a++) {
        w->stride_in[a] = n->window.stride[a];
        w->stride_out[a] = 1;
        *f = *f;
        f->taps[a] = n->inputs[1]->type.dims[a];
        f->first[a] = halo->before[a] - n->window.before[a];
        f->step[a] = 1;
        f->size[a] = n->type.dims[a + 1];
    }
}

/* Pixel i = s q + shift of the result is place k of window (i + before - k) / s, for every k with
 * that remainder; the last of them comes first in the operand. */
static void add_backward_phase(Walk *w, const Node *n, const Halo *halo, const int shift[2])
{
    Phase f = {{0}, {0}, {0}, {0}, {0}, {0}};
    for (int a = 0; a < 2; a++) {
        int s = n->window.stride[a], filter = n->inputs[1]->type.dims[a];
        int k = (shift[a] + n->window.before[a]) % s;
        w->stride_in[a] = 1;
        w->stride_out[a] = s;
        f.shift[a] = shift[a];
        f.taps[a] = k < filter ? (filter - 1 - k) / s + 1 : 0;
        f.filter[a] = k + s * (f.taps[a] - 1);
        f.step[a] = -s;
        f.first[a] = (shift[a] + n->window.before[a] - k) / s - (f.taps[a] - 1) + halo->before[a];
        f.size[a] = (n->type.dims[a + 1] - shift[a] + s - 1) / s;
    }
    if (w->phase_count == MAX_PHASES)
        internal_error("emit: a stride of more than %d phases", MAX_PHASES);
    if (f.taps[0] * f.taps[1] == 0)
        f.taps[0] = f.taps[1] = f.first[0] = f.first[1] = 0;
    if (f.size[0] > 0 && f.size[1] > 0)
        w->phases[w->phase_count++] = f;
}

static Walk walk_of(const Plan *p, const Node *n)
{
    const Type *filter = &n->inputs[1]->type;
    Walk w = {.batch = p->schedule->graph->batch_size, .stride_in = {1, 1}, .stride_out = {1, 1}};
    w.dense = n->type.rank == 1;
    w.channels = n->inputs[0]->type.dims[0];
    w.outputs = n->type.dims[0];
    if (w.dense) {
        w.phases[w.phase_count++] = (Phase){.taps = {1, 1}, .step = {1, 1}, .size = {1, 1}};
        w.x = operand_of(p, n->inputs[0], 1);
        return w;
    }
    const Halo *halo = &plan_buffer(p, n->inputs[0])->halo;
    if (n->op == OP_CONV_Y)
        add_forward_phase(&w, n, halo);
    for (int i = 0; i < n->window.stride[0] && n->op == OP_CONV_X; i++)
        for (int j = 0; j < n->window.stride[1]; j++)
            add_backward_phase(&w, n, halo, (int[]){i, j});
    w.split = w.stride_in[1] > 1;
    w.x = operand_of(p, n->inputs[0], w.stride_in[1]);
    w.split_reals = w.split ? rounded((int)(w.channels * w.x.plane) + END_SLACK, 16) : 0;
    w.panel_reals =
        (int64_t)rounded(w.outputs, 32) * filter->dims[0] * filter->dims[1] * w.channels;
    return w;
}

/* ---------------------------------------------------------------- passes that prepare operands */
static const char *array_of(const Emitter *e, const Plan *p, const Node *n)
{
    if (n->op == OP_PARAMETER)
        return tensor_field(e, n->tensor);
    return arena_printf("AT(%zu)", plan_buffer(p, n)->offset);
}

static const char *array_type(const Emitter *e, const Plan *p, const Node *n, const char *name)
{
    return n->op == OP_PARAMETER ? array_declaration(e, name, &n->tensor->type)
                                 : wide_declaration(e, name, p, n);
}

static WidePass split_pass(Emitter *e, const Plan *p, const Node *n, int stride, int64_t place)
{
    Operand stored = operand_of(p, n, 1), split = operand_of(p, n, stride);
    const char *text = arena_printf(
        "static void %s(int from, int to, const real *x, real *out)\n{\n"
        "    for (int row = from; row < to; row++)\n"
        "        split_columns(out + (long)row * %lld, x + (long)row * %lld, %d, %d, %d, %d);\n}\n",
        PLACE_OF_NAME, (long long)split.pitch, (long long)stored.pitch, stored.columns, stride,
        p->schedule->graph->batch_size, split.phase_pitch);
    return (WidePass){add_function(e, "split", text),
                      arena_printf(", %s, s->packed + %lld", array_of(e, p, n), (long long)place),
                      stored.channels * stored.rows};
}

/* Panels [block of results][channel][tap row][tap column][result], phase by phase. */
static WidePass pack_pass(Emitter *e, const Plan *p, const Node *n, const Walk *w, int rows)
{
    const Node *weights = n->inputs[1];
    const Type *filter = &weights->type;
    bool forward = n->op == OP_CONV_Y;
    Text t = {0};
    int64_t base = 0;
    int blocks = (w->outputs + rows - 1) / rows;
    text_add(&t,
             "static void %s(int from, int to, %s, real *out)\n{\n"
             "    for (int item = from; item < to; item++) {\n"
             "        const int o = item * %d, rows = %d - o < %d ? %d - o : %d;\n"
             "        real *panel;\n",
             PLACE_OF_NAME, array_type(e, p, weights, "w"), rows, w->outputs, rows, w->outputs,
             rows);
    for (int k = 0; k < w->phase_count; k++) {
        const Phase *f = &w->phases[k];
        int64_t depth = (int64_t)w->channels * f->taps[0] * f->taps[1];
        const char *row =
            arena_printf("((%d + %d * t) * %d + %d + %d * u) * %d", f->filter[0], f->step[0],
                         filter->dims[1], f->filter[1], f->step[1], filter->dims[2]);
        text_add(&t,
                 "        panel = out + %lld + (long)item * %lld;\n"
                 "        for (int c = 0; c < %d; c++)\n            for (int t = 0; t < %d; t++)\n"
                 "                for (int u = 0; u < %d; u++, panel += %d)\n"
                 "                    for (int r = 0; r < rows; r++)\n"
                 "                        panel[r] = w[%s + %s][%s];\n",
                 (long long)base, (long long)(depth * rows), w->channels, f->taps[0], f->taps[1],
                 rows, row, forward ? "c" : "o + r", forward ? "o + r" : "c");
        base += depth * rows * blocks;
    }
    text_append(&t, "    }\n}\n");
    return (WidePass){add_function(e, "pack", text_of(&t)),
                      arena_printf(", %s, s->packed", array_of(e, p, weights)), blocks};
}

/* ---------------------------------------------------------------- results */
typedef struct Block {
    int rows, vectors;
} Block;

/* rows * vectors sums, `vectors` operands and one weight fit the registers. */
static Block block_for(const Emitter *e, int outputs, int vectors)
{
    bool wide = e->options->isa == ISA_AVX512;
    if (outputs < 6) {
        int most = (wide ? 24 : 12) / outputs;
        most = most > 6 ? 6 : most;
        return (Block){outputs, vectors < most ? vectors : most};
    }
    if (vectors == 1)
        return (Block){wide ? 16 : 10, 1};
    if (vectors % 3 == 0)
        return (Block){wide ? 8 : 4, 3};
    return (Block){wide ? 8 : 6, 2};
}

static Body *epilogue_body(Emitter *e, const Plan *p, const Kernel *kernel, bool vector)
{
    const Node *n = kernel->root;
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = p, .kernel = kernel, .vector = vector};
    b->flat = n->type.rank == 3;
    b->indent = vector ? "            " : "                ";
    b->own = (Place){.axis = {"f", "row", "column"}, .lane = "lane"};
    return b;
}

static void print_epilogue(Body *b)
{
    const Node *n = b->kernel->root;
    add_value(b, n, place_key(&n->type, b->own), "product");
    if (b->plan->schedule->stored[n->id])
        text_append(&b->statements, store_text(b, place_of(b, n, b->own, true), "product"));
    for (int k = 0; k < b->kernel->body_count; k++)
        emit_wide_node(b, b->kernel->body[k]);
    if (b->broken)
        internal_error("emit: what rides on a contraction does not fit its rows");
}

/* The index of a lane of the phase in the row of the result. */
static const char *lane_text(const Walk *w, const Phase *f, const char *at)
{
    if (w->stride_out[1] == 1)
        return at;
    return arena_printf("(%s) / %d * %d + %d + (%s) %% %d", at, w->batch,
                        w->stride_out[1] * w->batch, f->shift[1] * w->batch, at, w->batch);
}

static const char *epilogue_text(const Walk *w, const Phase *f, const Body *b, bool scalar,
                                 int vector_length)
{
    const char *row = "";
    if (!w->dense)
        row = w->stride_out[0] == 1 ? "            const int row = p;\n"
                                    : arena_printf("            const int row = p * %d + %d;\n",
                                                   w->stride_out[0], f->shift[0]);
    const char *statements = text_of(&b->statements);
    if (!scalar)
        return arena_printf("%s            const int lane = %s;\n"
                            "            const vec product = sum[r][v];\n%s",
                            row, lane_text(w, f, "l + v * VL"), statements);
    return arena_printf("%s            const vec products = sum[r][v];\n"
                        "            for (int i = 0; i < VL && l + v * VL + i < %d; i++) {\n"
                        "                const int lane = %s;\n"
                        "                const real product = products[i];\n%s            }\n",
                        row, f->size[1] * w->batch, lane_text(w, f, "l + v * VL + i"), statements);
    (void)vector_length;
}

static const char *taps_text(const Walk *w, const Phase *f, const Node *n, Block block)
{
    if (w->dense) {
        bool forward = n->op == OP_CONTRACT_Y;
        return arena_printf("        vec xi[%d];\n        UNROLL\n"
                            "        for (int v = 0; v < vectors; v++)\n"
                            "            xi[v] = vget(at + v * VL);\n        UNROLL\n"
                            "        for (int r = 0; r < rows; r++) {\n"
                            "            const vec wi = vsplat(w[%s][%s]);\n            UNROLL\n"
                            "            for (int v = 0; v < vectors; v++)\n"
                            "                sum[r][v] = vfma(wi, xi[v], sum[r][v]);\n"
                            "        }\n",
                            block.vectors, forward ? "o + r" : "c", forward ? "c" : "o + r");
    }
    Text places = {0};
    for (int u = 0; u < f->taps[1]; u++)
        text_add(&places, "%s%d", u ? ", " : "", tap_place(w, f->first[1] + u));
    if (f->taps[1] == 0)
        return "";
    return arena_printf("        ROLLED\n        for (int t = 0; t < %d; t++) {\n"
                        "            static const int tap[%d] = {%s};\n            UNROLL\n"
                        "            for (int u = 0; u < %d; u++, panel += %d) {\n"
                        "                vec xi[%d];\n                UNROLL\n"
                        "                for (int v = 0; v < vectors; v++)\n"
                        "                    xi[v] = vget(at + t * %lld + tap[u] + v * VL);\n"
                        "                UNROLL\n"
                        "                for (int r = 0; r < rows; r++) {\n"
                        "                    const vec wi = vsplat(panel[r]);\n"
                        "                    UNROLL\n"
                        "                    for (int v = 0; v < vectors; v++)\n"
                        "                        sum[r][v] = vfma(wi, xi[v], sum[r][v]);\n"
                        "                }\n            }\n        }\n",
                        f->taps[0], f->taps[1], text_of(&places), f->taps[1], block.rows,
                        block.vectors, (long long)w->x.pitch);
}

typedef struct Driver { /* the loops around the blocks */
    const Walk *w;
    Block block;
    const char *names; /* of the parameters, after ", " */
    int vector_length;
} Driver;

/* All lanes of row p for the results from o on: full blocks, the rest, and a tail that overlaps. */
static void add_lanes(Text *t, const Driver *d, int phase, int rows, const char *o,
                      const char *indent, int from, int to)
{
    const Phase *f = &d->w->phases[phase];
    int lanes = f->size[1] * d->w->batch, vl = d->vector_length;
    int whole = lanes / vl, step = d->block.vectors, full = whole / step * step;
    bool overlap = lanes % vl && lanes > vl && d->w->stride_out[1] == 1;
    (void)from, (void)to;
    const char *call = arena_printf("%s_block%d", PLACE_OF_NAME, phase);
    if (full)
        text_add(t, "%sfor (int l = 0; l < %d; l += %d)\n%s    %s(%d, %d, %s, p, l%s);\n", indent,
                 full * vl, step * vl, indent, call, rows, step, o, d->names);
    if (whole > full)
        text_add(t, "%s%s(%d, %d, %s, p, %d%s);\n", indent, call, rows, whole - full, o, full * vl,
                 d->names);
    if (lanes % vl)
        text_add(t, "%s%s(%d, 1, %s, p, %d%s);\n", indent, call, rows, o,
                 overlap ? lanes - vl : whole * vl, d->names);
}

/* Rows outside, lanes next, results inside: an operand's rows stay in cache. */
static void add_row_loops(Text *t, const Driver *d)
{
    const Walk *w = d->w;
    int rest = w->outputs % d->block.rows, full = w->outputs - rest;
    for (int k = 0; k < w->phase_count; k++) {
        const Phase *f = &w->phases[k];
        int lanes = f->size[1] * w->batch, vl = d->vector_length, step = d->block.vectors;
        int whole = lanes / vl, end = whole / step * step;
        bool overlap = lanes % vl && lanes > vl && w->stride_out[1] == 1;
        const char *call = arena_printf("%s_block%d", PLACE_OF_NAME, k);
        text_add(t, "        if (p < %d) {\n", f->size[0]);
        for (int part = 0; part < 3; part++) {
            int vectors = part == 0 ? step : part == 1 ? whole - end : 1;
            bool there = part == 0 ? end > 0 : part == 1 ? whole > end : lanes % vl > 0;
            const char *l = part == 0   ? "l"
                            : part == 1 ? int_text(end * vl)
                                        : int_text(overlap ? lanes - vl : whole * vl);
            if (!there)
                continue;
            text_add(t,
                     part == 0 ? "            for (int l = 0; l < %d; l += %d) {\n"
                               : "            {\n",
                     end * vl, step * vl);
            if (full)
                text_add(t,
                         "                for (int o = 0; o < %d; o += %d)\n"
                         "                    %s(%d, %d, o, p, %s%s);\n",
                         full, d->block.rows, call, d->block.rows, vectors, l, d->names);
            if (rest)
                text_add(t, "                %s(%d, %d, %d, p, %s%s);\n", call, rest, vectors, full,
                         l, d->names);
            text_append(t, "            }\n");
        }
        text_append(t, "        }\n");
    }
}

/* Blocks of results outside: their weights are read once. */
static void add_result_loops(Text *t, const Driver *d)
{
    const Walk *w = d->w;
    int rest = w->outputs % d->block.rows, full = w->outputs / d->block.rows;
    for (int part = 0; part < 2; part++) {
        if (part == 0 ? full == 0 : rest == 0)
            continue;
        if (full && rest)
            text_add(t, part == 0 ? "        if (item < %d) {\n" : "        if (item == %d) {\n",
                     full);
        else
            text_append(t, "        {\n");
        for (int k = 0; k < w->phase_count; k++) {
            text_add(t, "            for (int p = 0; p < %d; p++) {\n", w->phases[k].size[0]);
            add_lanes(t, d, k, part == 0 ? d->block.rows : rest,
                      arena_printf("item * %d", d->block.rows), "                ", 0, 0);
            text_append(t, "            }\n");
        }
        text_append(t, "        }\n");
    }
}

static WidePass result_pass(Emitter *e, const Plan *p, const Kernel *kernel, const Walk *w,
                            Block block)
{
    const Node *n = kernel->root, *x = n->inputs[0], *weights = n->inputs[1];
    Text functions = {0}, driver = {0};
    int vl = e->vector_length, blocks = (w->outputs + block.rows - 1) / block.rows, most_rows = 0;
    int64_t base = 0;
    bool narrow = false;
    for (int k = 0; k < w->phase_count; k++) {
        const Phase *f = &w->phases[k];
        narrow |= f->size[1] * w->batch < vl || (w->stride_out[1] > 1 && w->batch % vl);
        most_rows = f->size[0] > most_rows ? f->size[0] : most_rows;
    }
    Body *b = epilogue_body(e, p, kernel, !narrow);
    if (w->dense)
        body_bind(b, weights, "w", array_type(e, p, weights, "w"), array_of(e, p, weights));
    else
        body_bind(b, "panels", "w", "const real *w",
                  arena_printf("s->packed + %lld", (long long)w->split_reals));
    body_bind(b, "operand", "x", "const real *x", w->split ? "s->packed" : array_of(e, p, x));
    print_epilogue(b);
    for (int k = 0; k < w->phase_count; k++) {
        const Phase *f = &w->phases[k];
        int64_t depth = (int64_t)w->channels * f->taps[0] * f->taps[1];
        const char *panel =
            w->dense ? "    (void)p;\n"
                     : arena_printf("    const real *panel = w + %lld + (long)o * %lld;\n"
                                    "    (void)panel;\n",
                                    (long long)base, (long long)depth);
        const char *operand =
            w->dense ? "x + l"
                     : arena_printf("x + ((long)p * %d + %d) * %lld + l", w->stride_in[0],
                                    f->first[0], (long long)w->x.pitch);
        Hole holes[] = {{"block", arena_printf("%s_block%d", PLACE_OF_NAME, k)},
                        {"parameters", parameter_list(b)},
                        {"rows_a_block", int_text(block.rows)},
                        {"vectors_a_block", int_text(block.vectors)},
                        {"operand", operand},
                        {"panel", panel},
                        {"channels", int_text(f->taps[1] ? w->channels : 0)},
                        {"plane", int_text(w->x.plane)},
                        {"taps", taps_text(w, f, n, block)},
                        {"epilogue", epilogue_text(w, f, b, narrow, vl)}};
        text_append(&functions, template_fill("conv.c", holes, 10));
        text_append(&functions, "\n");
        base += depth * block.rows * blocks;
    }
    Driver d = {w, block, arena_printf(", %s", name_list(b)), vl};
    bool by_rows = most_rows >= 4 && w->panel_reals <= L2_WEIGHTS;
    if (by_rows)
        add_row_loops(&driver, &d);
    else
        add_result_loops(&driver, &d);
    text_add(&functions,
             "static void %s(int from, int to, %s)\n{\n    for (int %s = from; %s < to; %s++) {\n"
             "%s    }\n}\n",
             PLACE_OF_NAME, parameter_list(b), by_rows ? "p" : "item", by_rows ? "p" : "item",
             by_rows ? "p" : "item", text_of(&driver));
    return (WidePass){add_function(e, w->dense ? "linear" : "convolution", text_of(&functions)),
                      arena_printf(", %s", argument_list(b)), by_rows ? most_rows : blocks};
}

int emit_result_passes(Emitter *e, const Plan *p, const Kernel *kernel, WidePass *passes)
{
    const Node *n = kernel->root;
    Walk w = walk_of(p, n);
    int lanes = 0, count = 0;
    for (int k = 0; k < w.phase_count; k++)
        if (w.phases[k].size[1] * w.batch > lanes)
            lanes = w.phases[k].size[1] * w.batch;
    int vectors = lanes / e->vector_length;
    Block block = block_for(e, w.outputs, vectors ? vectors : 1);
    if (w.split)
        passes[count++] = split_pass(e, p, n->inputs[0], w.stride_in[1], 0);
    if (!w.dense) {
        passes[count] = pack_pass(e, p, n, &w, block.rows);
        passes[count].arguments = arena_printf(
            ", %s, s->packed + %lld", array_of(e, p, n->inputs[1]), (long long)w.split_reals);
        count++;
    }
    passes[count++] = result_pass(e, p, kernel, &w, block);
    return count;
}

/* ---------------------------------------------------------------- weight gradients */
typedef struct Gradient {
    int batch, rows, columns;            /* filter; 1 of a dense layer */
    int in, out;                         /* channels of x and y; result [rows][columns][in][out] */
    int windows[2], stride[2], first[2]; /* of y; of x; pixel of window 0, tap 0 */
    Operand x, y;
    int64_t y_begin; /* reals to the first pixel of y */
    bool turned;     /* x lies transposed and y is broadcast: few channels of y */
    int64_t split_reals, transposed_reals, turned_reals;
} Gradient;

static Gradient gradient_of(const Plan *p, const Node *n)
{
    bool dense = n->op == OP_CONTRACT_W;
    const Node *x = n->inputs[dense ? 0 : 1], *y = n->inputs[dense ? 1 : 0];
    Gradient g = {.batch = p->schedule->graph->batch_size,
                  .rows = 1,
                  .columns = 1,
                  .in = x->type.dims[0],
                  .out = y->type.dims[0],
                  .windows = {1, 1},
                  .stride = {1, 1}};
    if (!dense) {
        const Halo *hx = &plan_buffer(p, x)->halo, *hy = &plan_buffer(p, y)->halo;
        g.rows = n->type.dims[0];
        g.columns = n->type.dims[1];
        for (int a = 0; a < 2; a++) {
            g.windows[a] = y->type.dims[a + 1];
            g.stride[a] = n->window.stride[a];
            g.first[a] = hx->before[a] - n->window.before[a];
        }
        g.y = operand_of(p, y, 1);
        g.y_begin = hy->before[0] * g.y.pitch + (int64_t)hy->before[1] * g.batch;
    } else {
        g.y = operand_of(p, y, 1);
    }
    g.x = operand_of(p, x, g.stride[1]);
    g.turned = g.out <= 8 && g.in >= 16;
    if (g.stride[1] > 1)
        g.split_reals = rounded((int)(g.in * g.x.plane) + END_SLACK, 16);
    int64_t lanes = (int64_t)g.windows[0] * g.windows[1] * g.batch;
    g.transposed_reals = g.turned ? g.x.rows * g.x.pitch * padded(g.in) : lanes * padded(g.out);
    if (g.turned)
        g.turned_reals = (int64_t)g.rows * g.columns * g.out * padded(g.in);
    return g;
}

static int x_tap(const Gradient *g, int column)
{
    return column % g->stride[1] * g->x.phase_pitch + column / g->stride[1] * g->batch;
}

static Block gradient_block(const Emitter *e, int rows, int vectors)
{
    bool wide = e->options->isa == ISA_AVX512;
    static const int wide_rows[] = {0, 16, 12, 8, 6}, narrow_rows[] = {0, 10, 6, 4, 2};
    int v = vectors % 3 == 0 ? 3 : vectors % 2 == 0 ? 2 : vectors > 1 ? 3 : 1;
    if (rows < 6 && vectors >= 4 && wide)
        v = 4;
    v = v > vectors ? vectors : v;
    int most = (wide ? wide_rows : narrow_rows)[v];
    return (Block){rows < most ? rows : most, v};
}

static WidePass transpose_pass(Emitter *e, const Plan *p, const Node *n, const Gradient *g)
{
    bool dense = n->op == OP_CONTRACT_W;
    const Node *x = n->inputs[dense ? 0 : 1], *y = n->inputs[dense ? 1 : 0];
    const Operand *from = g->turned ? &g->x : &g->y;
    int lanes = g->turned ? (int)g->x.pitch : g->windows[1] * g->batch;
    int channels = g->turned ? g->in : g->out, rows = g->turned ? g->x.rows : g->windows[0];
    const char *text = arena_printf(
        "static void %s(int from, int to, const real *x, real *out)\n{\n"
        "    for (int row = from; row < to; row++)\n"
        "        transpose_lanes(out + (long)row * %lld, %d, x + (long)row * %lld, %lld, %d, %d);\n"
        "}\n",
        PLACE_OF_NAME, (long long)lanes * padded(channels), padded(channels),
        (long long)from->pitch, (long long)from->plane, channels, lanes);
    const char *source;
    if (g->turned)
        source = g->split_reals ? "s->packed" : array_of(e, p, x);
    else
        source = arena_printf("(const real *)%s + %lld", array_of(e, p, y), (long long)g->y_begin);
    return (WidePass){add_function(e, "transpose", text),
                      arena_printf(", %s, s->packed + %lld", source, (long long)g->split_reals),
                      rows};
}

/* Blocks of one row of blocks: `rows` broadcast channels, all vectors. */
static void add_gradient_calls(Text *t, Block block, int rows, int vectors, const char *indent)
{
    int full = vectors / block.vectors * block.vectors;
    if (full)
        text_add(t,
                 "%sfor (int v = 0; v < %d; v += %d)\n"
                 "%s    %s_block(%d, %d, strip == 0, strip, end, at, yt + v * VL, to_dw + v * "
                 "VL);\n",
                 indent, full, block.vectors, indent, PLACE_OF_NAME, rows, block.vectors);
    if (vectors > full)
        text_add(t,
                 "%s%s_block(%d, %d, strip == 0, strip, end, at, yt + %d * VL, to_dw + %d * VL);\n",
                 indent, PLACE_OF_NAME, rows, vectors - full, full, full);
}

static WidePass gradient_pass(Emitter *e, const Plan *p, const Node *n, const Gradient *g)
{
    bool dense = n->op == OP_CONTRACT_W;
    const Node *x = n->inputs[dense ? 0 : 1], *y = n->inputs[dense ? 1 : 0];
    int broadcast = g->turned ? g->out : g->columns * g->in; /* in one filter row */
    int across = padded(g->turned ? g->in : g->out), vectors = across / e->vector_length;
    Block block = gradient_block(e, broadcast, vectors);
    int blocks = (broadcast + block.rows - 1) / block.rows, rest = broadcast % block.rows;
    int groups = g->turned ? g->rows * g->columns : g->rows;
    int64_t row = (int64_t)g->windows[1] * g->batch * across;
    int64_t pitch = g->turned ? g->y.pitch : g->stride[0] * g->x.pitch;
    if (g->turned)
        row = g->stride[0] * g->x.pitch * across;
    int strip = (int)(STRIP / (row ? row : 1));
    strip = strip < 1 ? 1 : strip > g->windows[0] ? g->windows[0] : strip;
    Hole holes[] = {{"block", arena_printf("%s_block", PLACE_OF_NAME)},
                    {"rows_a_block", int_text(block.rows)},
                    {"vectors_a_block", int_text(block.vectors)},
                    {"dw_stride", int_text(across)},
                    {"row", int_text(row)},
                    {"pitch", int_text(pitch)},
                    {"lanes", int_text((long long)g->windows[1] * g->batch)},
                    {"y_stride", int_text(across)}};
    Text t = {0}, taps = {0};
    text_append(&t, template_fill("conv_weight.c", holes, 8));
    for (int u = 0; u < g->columns; u++)
        text_add(&taps, "%s%d", u ? ", " : "", x_tap(g, g->first[1] + u));
    text_add(
        &t,
        "\nstatic void %s(int from, int to, const real *x, const real *transposed, real *dw)\n{\n"
        "    static const int tap[%d] = {%s};\n    (void)tap;\n"
        "    for (int strip = 0; strip < %d; strip += %d) {\n"
        "        const int end = strip + %d < %d ? strip + %d : %d;\n"
        "        for (int item = from; item < to; item++) {\n"
        "            const int group = item / %d, o = item %% %d * %d;\n"
        "            const real *at[%d];\n",
        PLACE_OF_NAME, g->columns, text_of(&taps), g->windows[0], strip, strip, g->windows[0],
        strip, g->windows[0], blocks, blocks, block.rows, block.rows);
    if (g->turned)
        text_add(&t,
                 "            const real *yt = transposed + ((long)(group / %d + %d) * %lld + "
                 "tap[group %% %d]) * %d;\n"
                 "            for (int r = 0; r < %d && o + r < %d; r++)\n"
                 "                at[r] = x + (long)(o + r) * %lld;\n"
                 "            real *to_dw = dw + ((long)group * %d + o) * %d;\n",
                 g->columns, g->first[0], (long long)g->x.pitch, g->columns, across, block.rows,
                 broadcast, (long long)g->y.plane, g->out, across);
    else
        text_add(&t,
                 "            const real *yt = transposed;\n"
                 "            for (int r = 0; r < %d && o + r < %d; r++)\n"
                 "                at[r] = x + (long)((o + r) %% %d) * %lld + (group + %d) * %lld + "
                 "tap[(o + r) / %d];\n"
                 "            real *to_dw = dw + ((long)group * %d + o) * %d;\n",
                 block.rows, broadcast, g->in, (long long)g->x.plane, g->first[0],
                 (long long)g->x.pitch, g->in, broadcast, across);
    if (rest && blocks > 1) {
        text_add(&t, "            if (o + %d <= %d) {\n", block.rows, broadcast);
        add_gradient_calls(&t, block, block.rows, vectors, "                ");
        text_append(&t, "            } else {\n");
        add_gradient_calls(&t, block, rest, vectors, "                ");
        text_append(&t, "            }\n");
    } else {
        add_gradient_calls(&t, block, rest ? rest : block.rows, vectors, "            ");
    }
    text_append(&t, "        }\n    }\n}\n");
    const char *operand = g->turned ? arena_printf("(const real *)%s + %lld", array_of(e, p, y),
                                                   (long long)g->y_begin)
                          : g->split_reals ? "s->packed"
                                           : array_of(e, p, x);
    const char *result = g->turned ? arena_printf("s->packed + %lld",
                                                  (long long)(g->split_reals + g->transposed_reals))
                                   : arena_printf("AT(%zu)", plan_buffer(p, n)->offset);
    return (WidePass){add_function(e, "weight_gradient", text_of(&t)),
                      arena_printf(", %s, s->packed + %lld, %s", operand, (long long)g->split_reals,
                                   result),
                      groups * blocks};
}

/* [tap][out][in] to [tap][in][out] */
static WidePass turn_pass(Emitter *e, const Plan *p, const Node *n, const Gradient *g)
{
    const char *text = arena_printf(
        "static void %s(int from, int to, const real *turned, real *dw)\n{\n"
        "    for (int item = from; item < to; item++)\n        for (int i = 0; i < %d; i++)\n"
        "            for (int o = 0; o < %d; o++)\n"
        "                dw[((long)item * %d + i) * %d + o] = turned[((long)item * %d + o) * %d + "
        "i];\n}\n",
        PLACE_OF_NAME, g->in, g->out, g->in, padded(g->out), g->out, padded(g->in));
    return (WidePass){add_function(e, "turn", text),
                      arena_printf(", s->packed + %lld, AT(%zu)",
                                   (long long)(g->split_reals + g->transposed_reals),
                                   plan_buffer(p, n)->offset),
                      g->rows * g->columns};
}

int emit_gradient_passes(Emitter *e, const Plan *p, const Node *n, WidePass *passes)
{
    Gradient g = gradient_of(p, n);
    int count = 0;
    if (g.split_reals)
        passes[count++] = split_pass(e, p, n->inputs[1], g.stride[1], 0);
    passes[count++] = transpose_pass(e, p, n, &g);
    passes[count++] = gradient_pass(e, p, n, &g);
    if (g.turned)
        passes[count++] = turn_pass(e, p, n, &g);
    return count;
}

int64_t packed_reals(const Plan *p)
{
    int64_t most = 16;
    for (int j = 0; j < p->schedule->sections[0].count; j++) {
        const Kernel *kernel = p->schedule->sections[0].kernels[j];
        int64_t need = 0;
        if (kernel->kind == KERNEL_CONTRACT) {
            Walk w = walk_of(p, kernel->root);
            need = w.split_reals + w.panel_reals;
        } else if (kernel->kind == KERNEL_WEIGHT) {
            Gradient g = gradient_of(p, kernel->root);
            need = g.split_reals + g.transposed_reals + g.turned_reals;
        }
        most = need > most ? need : most;
    }
    return rounded((int)most + END_SLACK, 16);
}
