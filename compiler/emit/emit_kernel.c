/* emit_kernel.c -- one kernel of the schedule as a C function and a call.
 *
 * Needs: a schedule and a plan. A function's parameters have names that say nothing of the layer
 * (w, x, out, a, b ...), so that kernels of equal shape and epilogue have equal text and become one
 * function: code grows with distinct layers only. Two spellings of every expression: vectors over
 * samples (tuned) or single numbers (plain).                              */
#include "emit.h"

#include <string.h>

enum { LANES = 16 };
enum { PACKED_ROWS = 4, PACKED_DEPTH = 4 }; /* block of contract_packed.c; steps of its sum */

/* Where a value is read: the row and column of an array; broadcast: one number for all lanes. */
typedef struct Index {
    const char *row, *column;
    bool broadcast;
} Index;

static const char *operand(Body *b, const Node *n, Index at);

/* A batch value's tile buffer. */
static const char *bind_tile(Body *b, const Node *n, bool written)
{
    Binding *known = find_binding(b, n);
    if (known)
        return known->name;
    int idx = b->plan->buffer_of[n->id];
    if (idx < 0)
        internal_error("emit: node %d (%s) has no buffer", n->id, op_table[n->op].name);
    const char *name = written ? write_name(b) : read_name(b);
    return body_bind(b, n, name,
                     arena_printf("real %s[restrict %d][BT]", name, (int)type_size(&n->type)),
                     b->plan->buffers[idx].name);
}

static const char *bind_global(Body *b, const Node *n, bool written)
{
    Binding *known = find_binding(b, n);
    if (known)
        return known->name;
    int idx = b->plan->global_of[n->id];
    if (idx < 0)
        internal_error("emit: node %d (%s) has no storage", n->id, op_table[n->op].name);
    const char *name = written ? write_name(b) : read_name(b);
    return body_bind(b, n, name, array_declaration(b->e, name, &n->type),
                     arena_printf("s->values->%s", b->plan->globals[idx].name));
}

/* A sum over the batch: in a tile kernel the shard's share, in a global kernel the first shard's,
 * the others behind it. */
static const char *bind_sum(Body *b, int idx)
{
    const Sum *sum = &b->plan->schedule->sums[idx];
    Binding *known = find_binding(b, sum);
    if (known)
        return known->name;
    const char *name = arena_printf(b->rows ? "total%d" : "total", b->rows + 1);
    b->rows++;
    const Type *type = &sum->node->type;
    const char *declaration =
        sum->lanes ? arena_printf("real %s[restrict %d][LANES]", name, padded((int)type_size(type)))
                   : arena_printf("real %s[restrict %d][%d]", name, rows_of(type),
                                  padded(columns_of(type)));
    const char *from = b->kernel->batch ? "sums" : "s->sums";
    return body_bind(b, sum, name, declaration, arena_printf("%s->%s", from, sum->name));
}

static const char *bind_live(Body *b)
{
    static const char key[] = "live";
    Binding *known = find_binding(b, key);
    return known ? known->name : body_bind(b, key, "live", "real live[restrict BT]", "live");
}

static const char *shifted(const char *index, int by)
{
    return by ? arena_printf("%s + %d", index, by) : index;
}

static const char *element(Body *b, const Node *n, Index at)
{
    const char *a = operand(b, n->inputs[0], at);
    const char *second = op_table[n->op].arity > 1 ? operand(b, n->inputs[1], at) : "";
    bool swap = op_table[n->op].commutes &&
                strcmp(a, second) > 0; /* one spelling, so that twins are one function */
    return swap ? spell(n, function_prefix(b), second, a) : spell(n, function_prefix(b), a, second);
}

/* A stored batch value at feature `column` and the lane of the loop. */
static const char *load_tile(Body *b, const Node *n, Index at)
{
    const char *known = named(b, n, at.column);
    if (known)
        return known;
    const char *name = bind_tile(b, n, false);
    if (b->block_vectors && strcmp(at.column, "f") == 0)
        text_add(&b->fetch,
                 "            for (int k = 0; k < %d * VL; k += LINE)\n"
                 "                __builtin_prefetch(&%s[o + r][l + k]);\n",
                 b->block_vectors, name);
    return define(b, n, at.column,
                  arena_printf(b->vector ? "vload(&%s[%s][lane])" : "%s[%s][lane]", name,
                               at.column));
}

static const char *load_array(Body *b, const char *name, const Type *type, Index at)
{
    const char *place = type->rank > 1 ? arena_printf("%s[%s][%s]", name, at.row, at.column)
                                       : arena_printf("%s[%s]", name, at.column);
    if (at.broadcast || !b->vector)
        return splat(b, place);
    return arena_printf("vload(&%s)", place);
}

/* The total over all shards of a sum. */
static const char *load_total(Body *b, int idx, Index at)
{
    const Sum *sum = &b->plan->schedule->sums[idx];
    const char *name = bind_sum(b, idx);
    bool one = at.broadcast || !b->vector;
    if (sum->lanes) {
        const char *place = arena_printf("%s[%s]", name, sum->node->type.rank ? at.column : "0");
        return one ? splat(b, arena_printf("total_of_lanes(%s)", place))
                   : arena_printf("vtotal_of_lanes(&%s)", place);
    }
    const char *place = arena_printf("%s[%s][%s]", name, at.row, at.column);
    return one ? splat(b, arena_printf("total_of_shards(&%s)", place))
               : arena_printf("vtotal_of_shards(&%s)", place);
}

/* A global value; columns of the last axis are vectors unless broadcast. */
static const char *global_operand(Body *b, const Node *n, Index at)
{
    const Schedule *s = b->plan->schedule;
    const char *key = arena_printf("%s,%s,%d", at.row, at.column, at.broadcast);
    const char *known = named(b, n, key);
    if (known)
        return known;
    const char *text;
    if (n->type.rank == 0)
        at = (Index){"0", "0", true};
    if (s->sum_of[n->id] >= 0)
        text = load_total(b, s->sum_of[n->id], at);
    else if (n->op == OP_PARAMETER)
        text = load_array(b, bind_tensor(b, n->tensor), &n->type, at);
    else if (n->op == OP_SCALAR)
        text = splat(b, bind_scalar(b, n));
    else
        text = load_array(b, bind_global(b, n, false), &n->type, at);
    return define(b, n, key, text);
}

static Index expanded_index(const Node *n, Index at)
{
    const Node *from = n->inputs[0];
    if (from->type.rank == 0)
        return (Index){"0", from->type.batch ? "0" : at.column, true};
    if (n->axis == 0) /* a row for all rows */
        return (Index){"0", at.column, at.broadcast};
    return (Index){"0", at.row, true}; /* a column for all columns */
}

/* A MOVE node at an index is its operand at another one. */
static const char *moved(Body *b, const Node *n, Index at)
{
    const Node *from = n->inputs[0];
    switch (n->op) {
    case OP_EXPAND:
        if (n->type.batch && from->type.rank > 0)
            internal_error("emit: expand of a tile of rank %d", n->type.rank);
        return operand(b, from, expanded_index(n, at));
    case OP_EXPAND_BATCH:
        return operand(b, from, (Index){"0", n->type.rank ? at.column : "0", true});
    case OP_RESHAPE:
        if (!n->type.batch && rows_of(&n->type) * rows_of(&from->type) > 1)
            internal_error("emit: reshape of a matrix with several rows");
        return operand(b, from, (Index){"0", at.column, at.broadcast});
    case OP_SLICE:
        return operand(b, from, (Index){at.row, shifted(at.column, n->start), at.broadcast});
    default:
        internal_error("emit: %s inside a kernel", op_table[n->op].name);
    }
}

/* The text of a node's value at an index: a name, or an expression of recomputed nodes. */
static const char *operand(Body *b, const Node *n, Index at)
{
    const Schedule *s = b->plan->schedule;
    bool batch = n->type.batch;
    const char *known = named(b, n, batch ? at.column : "");
    if (known)
        return known;
    if (n->op == OP_CONSTANT)
        return splat(b, number_text(n->value));
    if (!is_recomputed(s, n))
        return batch ? load_tile(b, n, at) : global_operand(b, n, at);
    return op_table[n->op].kind == CLASS_MOVE ? moved(b, n, at)
                                              : arena_printf("(%s)", element(b, n, at));
}

/* ---------------------------------------------------------------- statements of a nest or an
 * epilogue */
static const char *store_to(const Body *b, const char *place, const char *value)
{
    return b->vector ? arena_printf("%svstore(&%s, %s);\n", b->indent, place, value)
                     : arena_printf("%s%s = %s;\n", b->indent, place, value);
}

static const char *load_from(const Body *b, const char *place)
{
    return b->vector ? arena_printf("vload(&%s)", place) : place;
}

/* Loads `count` vectors into a local array before the loop that adds to them and stores them after
 * it. */
static void keep_in_registers(Text *load, Text *store, const char *indent, const char *local,
                              const char *count, const char *place)
{
    text_add(load,
             "%svec %s[%s];\n%sUNROLL\n%sfor (int k = 0; k < %s; k++)\n%s    %s[k] = vload(&%s);\n",
             indent, local, count, indent, indent, count, indent, local, place);
    text_add(store, "%sUNROLL\n%sfor (int k = 0; k < %s; k++)\n%s    vstore(&%s, %s[k]);\n", indent,
             indent, count, indent, place, local);
}

static void emit_feature_reduction(Body *b, const Node *n, Index at)
{
    const char *value = operand(b, n->inputs[0], at);
    const char *name = bind_tile(b, n, true), *place = arena_printf("%s[0][lane]", name);
    const char *old = load_from(b, place);
    bool sum = n->op == OP_SUM;
    if (b->block_vectors) {
        const char *local = arena_printf("sum_%s", name);
        keep_in_registers(&b->load_sums, &b->store_sums, "    ", local, int_text(b->block_vectors),
                          arena_printf("%s[0][l + k * VL]", name));
        old = arena_printf("%s[v]", local);
    }
    text_add(&b->prepare, "    for (int lane = 0; lane < BT; lane++)\n        %s[0][lane] = %s;\n",
             name, sum ? "0" : "-INFINITE");
    const char *next =
        sum ? arena_printf("%s + %s", old, value)
            : arena_printf(b->vector ? "vmax(%s, %s)" : "real_max(%s, %s)", value, old);
    if (b->block_vectors)
        text_add(&b->statements, "%s%s = %s;\n", b->indent, old, next);
    else
        text_append(&b->statements, store_to(b, place, next));
}

static void emit_batch_sum(Body *b, const Node *n, Index at)
{
    const char *value = operand(b, n->inputs[0], at), *live = bind_live(b);
    const char *name = bind_sum(b, b->plan->schedule->sum_of[n->id]);
    const char *row = n->type.rank ? at.column : "0";
    const char *place = arena_printf("%s[%s][lane %% LANES]", name, row);
    if (b->block_vectors * b->e->vector_length % LANES == 0 && b->block_vectors) {
        const char *local = arena_printf("sum_%s", name);
        keep_in_registers(&b->load_totals, &b->store_totals, "        ", local, "LANES / VL",
                          arena_printf("%s[f][k * VL]", name));
        text_add(&b->fetch, "            __builtin_prefetch(&%s[o + r][0]);\n", name);
        text_add(&b->statements,
                 "%s%s[v %% (LANES / VL)] = vfma(%s, vload(&live[lane]), %s[v %% (LANES / VL)]);\n",
                 b->indent, local, value, local);
    } else if (b->vector)
        text_append(&b->statements, store_to(b, place,
                                             arena_printf("vfma(%s, vload(&%s[lane]), vload(&%s))",
                                                          value, live, place)));
    else
        text_add(&b->statements, "%s%s += %s * %s[lane];\n", b->indent, place, value, live);
}

/* Sums over an axis of a whole array: along columns in 16 lanes, along rows by adding up rows. */
static void emit_array_reduction(Body *b, const Node *n, Index at)
{
    if (n->op != OP_SUM)
        internal_error("emit: maximum over an axis of a whole array");
    const Type *space = &n->inputs[0]->type;
    const char *value = operand(b, n->inputs[0], at), *name = bind_global(b, n, true);
    int columns = columns_of(space);
    if (space->rank == 2 && n->axis == 0) {
        const char *place = arena_printf("%s[%s]", name, at.column);
        text_add(&b->prepare, "    for (int k = 0; k < %d; k++)\n        %s[k] = 0;\n",
                 padded(columns), name);
        text_append(&b->statements,
                    store_to(b, place, arena_printf("%s + %s", load_from(b, place), value)));
        return;
    }
    const char *lanes = arena_printf("lanes_%s", name),
               *place = arena_printf("%s[%s %% LANES]", lanes, at.column);
    text_add(&b->row_begin, "        real %s[LANES] ALIGNED = {0};\n", lanes);
    if (b->vector) {
        value = arena_printf("vbelow(%s, %s, %d)", value, at.column, columns);
        text_append(&b->statements,
                    store_to(b, place, arena_printf("%s + %s", load_from(b, place), value)));
    } else {
        text_add(&b->statements, "%sif (%s < %d)\n%s    %s += %s;\n", b->indent, at.column, columns,
                 b->indent, place, value);
    }
    text_add(&b->row_end, "        %s[%s] = lane_reduce(%s);\n", name,
             space->rank == 2 ? at.row : "0", lanes);
}

static void emit_assign(Body *b, const Node *n, Index at)
{
    const char *value = operand(b, n->inputs[0], at);
    const char *name = bind_tensor(b, n->tensor);
    const char *place = n->type.rank > 1 ? arena_printf("%s[%s][%s]", name, at.row, at.column)
                                         : arena_printf("%s[%s]", name, at.column);
    text_append(&b->statements, store_to(b, place, value));
}

static void emit_node(Body *b, const Node *n, Index at)
{
    const Schedule *s = b->plan->schedule;
    if (n->op == OP_ASSIGN) {
        emit_assign(b, n, at);
    } else if (n->op == OP_SUM_BATCH) {
        emit_batch_sum(b, n, at);
    } else if (op_table[n->op].kind == CLASS_REDUCE) {
        if (n->type.batch)
            emit_feature_reduction(b, n, at);
        else
            emit_array_reduction(b, n, at);
    } else {
        bool batch = n->type.batch;
        const char *text = op_table[n->op].kind == CLASS_MOVE ? moved(b, n, at) : element(b, n, at);
        const char *name = define(b, n, batch ? at.column : "", text);
        if (!s->stored[n->id])
            return;
        const char *array = batch ? bind_tile(b, n, true) : bind_global(b, n, true);
        const char *place = batch ? arena_printf("%s[%s][lane]", array, at.column)
                            : n->type.rank > 1
                                ? arena_printf("%s[%s][%s]", array, at.row, at.column)
                                : arena_printf("%s[%s]", array, at.column);
        text_append(&b->statements, store_to(b, place, name));
    }
}

static void emit_body(Body *b, Index at)
{
    for (int k = 0; k < b->kernel->body_count; k++)
        emit_node(b, b->kernel->body[k], at);
}

/* ---------------------------------------------------------------- contractions */
typedef struct Block {
    int rows, vectors;
} Block;

static int registers(const Emitter *e) { return e->options->isa == ISA_AVX512 ? 32 : 16; }

/* rows*vectors sums, `vectors` operands and one weight fit the registers (docs/performance.md). */
static int rows_for(const Emitter *e, int vectors)
{
    int wide = e->options->isa == ISA_AVX512;
    switch (vectors) {
    case 5:
        return wide ? 5 : 2;
    case 4:
        return wide ? 6 : 2;
    case 3:
        return wide ? 8 : 4;
    case 2:
        return wide ? 10 : 6;
    default:
        return registers(e) - 4;
    }
}

static Block contract_block(const Emitter *e, int lanes)
{
    static const int wide[] = {5, 3, 2, 1}, narrow[] = {3, 2, 1};
    const int *choice = e->options->isa == ISA_AVX512 ? wide : narrow;
    while (lanes / e->vector_length % *choice)
        choice++;
    return (Block){rows_for(e, *choice), *choice};
}

/* Vectors a block along the columns of a weight gradient: a divisor if there is a good one, else
 * the one with least rest. */
static Block weight_block(const Emitter *e, int stride)
{
    int count = stride / e->vector_length, best = 1;
    int widest = e->options->isa == ISA_AVX512 ? 5 : 3;
    for (int v = 2; v <= widest; v++)
        if (v <= count && (count % v == 0 || count % best != 0 || v > count % best + 1))
            best = v;
    for (int v = widest; v >= 3; v--)
        if (count % v == 0)
            best = v;
    return (Block){rows_for(e, best), best};
}

static bool has_reduction(const Kernel *kernel)
{
    for (int k = 0; k < kernel->body_count; k++)
        if (op_table[kernel->body[k]->op].kind == CLASS_REDUCE)
            return true;
    return false;
}

/* In a shipped sampler: weights are tables and the epilogue may run twice. */
static bool is_packed_contract(const Emitter *e, const Kernel *kernel)
{
    const Node *n = kernel->root;
    return e->packed && n->op == OP_CONTRACT_Y && n->inputs[1]->op == OP_PARAMETER &&
           !has_reduction(kernel);
}

static const char *packed_contract(Body *b, int rows, int depth)
{
    int block = rows < PACKED_ROWS ? rows : PACKED_ROWS;
    int full_depth = depth / PACKED_DEPTH * PACKED_DEPTH;
    const char *rest = "";
    if (full_depth < depth)
        rest = arena_printf("        for (int i = %d; i < %d; i++)\n"
                            "            for (int lane = 0; lane < BT; lane++)\n"
                            "                for (int r = 0; r < %d; r++)\n"
                            "                    sum[r][lane] += w[o + r][i] * x[i][lane];\n",
                            full_depth, depth, block);
    Hole holes[] = {{"name", PLACE_OF_NAME},
                    {"parameters", parameter_list(b)},
                    {"prepare", text_of(&b->prepare)},
                    {"rows", int_text(rows)},
                    {"rows_a_block", int_text(block)},
                    {"last_block", int_text(rows - block)},
                    {"full_depth", int_text(full_depth)},
                    {"rest", rest},
                    {"epilogue", text_of(&b->statements)}};
    return template_fill("contract_packed.c", holes, 9);
}

/* ---------------------------------------------------------------- contractions in parts */
enum { PART_BYTES = 26 * 1024 }; /* of an operand: leaves room in a first-level cache of 32 KB */

/* The first array of the kernel that has the shape of the contraction's result: sums of parts wait
 * there until the epilogue overwrites them. */
static const char *waiting_place(Body *b, int rows)
{
    for (int k = -1; k < b->kernel->body_count; k++) {
        const Node *n = k < 0 ? b->kernel->root : b->kernel->body[k];
        bool whole = n->type.batch && n->type.rank == 1 && n->type.dims[0] == rows;
        if (whole && b->plan->schedule->stored[n->id] && find_binding(b, n))
            return find_binding(b, n)->name;
    }
    return NULL;
}

/* Inputs a part: equal parts of a long sum, whose rows of the operand stay in the nearest cache
 * while all blocks of results go over them. */
static int part_length(const Emitter *e, int depth, int lanes)
{
    int most = PART_BYTES / (lanes * (e->options->f64 ? 8 : 4));
    int parts = (depth + most - 1) / most;
    return (depth + parts - 1) / parts;
}

/* Weights come from a cache far away. Forward, each turn of the sum fetches a line of one of the
 * rows behind the block's. Back, it fetches the line behind the one that it reads, at the right
 * edge the first one of the next part. */
static const char *fetch_ahead(const Node *w, const char *weights, bool forward, const char **place)
{
    int columns = w->type.dims[1], stride = padded(columns);
    if (forward) {
        *place = "        __builtin_prefetch(&row[rows + (i & 7)][i]);\n";
        return "";
    }
    *place = arena_printf("        __builtin_prefetch(ahead + (long)i * %d);\n", stride);
    return arena_printf(
        "    const int next = o + rows + LINE;\n"
        "    const real *ahead = next < %d ? &%s[0][next] : &%s[to - from][next - %d];\n",
        columns, weights, weights, columns);
}

/* The loops over parts, blocks of results and samples. */
static const char *contract_loops(Body *b, Block block, int rows, int depth, int part)
{
    const char *names = name_list(b), *indent = part < depth ? "        " : "    ";
    const char *range = part < depth ? "from, to, " : "";
    int full = rows / block.rows * block.rows, rest = rows - full;
    Text t = {0};
    if (part < depth)
        text_add(&t, "    for (int from = 0, to; from < %d; from = to) {\n", depth);
    if (part < depth && depth % part == 0)
        text_add(&t, "        to = from + %d;\n", part);
    else if (part < depth)
        text_add(&t, "        to = from + %d < %d ? from + %d : %d;\n", part, depth, part, depth);
    if (full)
        text_add(&t,
                 "%sfor (int o = 0; o < %d; o += %d)\n%s    for (int l = 0; l < BT; l += %d * VL)\n"
                 "%s        %s_block(%d, %so, l, %s);\n",
                 indent, full, block.rows, indent, block.vectors, indent, PLACE_OF_NAME, block.rows,
                 range, names);
    if (rest)
        text_add(&t, "%sfor (int l = 0; l < BT; l += %d * VL)\n%s    %s_block(%d, %s%d, l, %s);\n",
                 indent, block.vectors, indent, PLACE_OF_NAME, rest, range, full, names);
    if (part < depth)
        text_append(&t, "    }\n");
    return text_of(&t);
}

/* What a block does when its part is not the last: its sums go to the waiting place. */
static const char *wait_text(const char *place, int vectors, int depth)
{
    return arena_printf("    if (to < %d) { /* the sums go on in the next part */\n        UNROLL\n"
                        "        for (int r = 0; r < rows; r++) {\n            UNROLL\n"
                        "            for (int v = 0; v < %d; v++)\n"
                        "                vstore(&%s[o + r][l + v * VL], sum[r][v]);\n        }\n"
                        "        return;\n    }\n",
                        depth, vectors, place);
}

/* The block's rows of the weights under a name of their own: with `o` inside the sum, a compiler
 * that is short of registers multiplies by the row's length in every turn (a third of the speed of
 * AVX2). */
static const char *rows_text(const Node *w, const char *weights)
{
    return arena_printf("    real(*const row)[%d] = &%s[o];\n", padded(w->type.dims[1]), weights);
}

/* What an epilogue reads of a wide layer has left the near caches since it was written: a block
 * asks for it before its last part. */
static const char *fetch_text(const Body *b, int depth)
{
    const char *fetch = text_of(&b->fetch);
    if (!*fetch)
        return "";
    return arena_printf("    if (to == %d) { /* what the epilogue reads */\n        UNROLL\n"
                        "        for (int r = 0; r < rows; r++) {\n%s        }\n    }\n",
                        depth, fetch);
}

static const char *blocked_contract(Body *b, Block block, const char *weights)
{
    const Node *n = b->kernel->root, *w = n->inputs[1];
    bool forward = n->op == OP_CONTRACT_Y;
    int rows = n->type.dims[0], depth = n->inputs[0]->type.dims[0];
    const char *place = rows > 2 * block.rows ? waiting_place(b, rows) : NULL;
    int part = place ? part_length(b->e, depth, b->plan->schedule->lanes) : depth;
    bool parts = part < depth;
    const char *prefetch = "", *ahead = parts ? fetch_ahead(w, weights, forward, &prefetch) : "";
    const char *start =
        parts ? arena_printf("from ? vload(&%s[o + r][l + v * VL]) : vsplat(0)", place)
              : "vsplat(0)";
    Hole holes[] = {{"name", PLACE_OF_NAME},
                    {"block", arena_printf("%s_block", PLACE_OF_NAME)},
                    {"parameters", parameter_list(b)},
                    {"rows_a_block", int_text(block.rows)},
                    {"vectors", int_text(block.vectors)},
                    {"range", parts ? "int from, int to, " : ""},
                    {"ahead", arena_printf("%s%s", ahead, forward ? rows_text(w, weights) : "")},
                    {"from", parts ? "from" : "0"},
                    {"to", parts ? "to" : int_text(depth)},
                    {"start", start},
                    {"fetch", parts ? fetch_text(b, depth) : ""},
                    {"prefetch", prefetch},
                    {"wait", parts ? wait_text(place, block.vectors, depth) : ""},
                    {"weight", forward ? "row[r][i]" : arena_printf("%s[i][o + r]", weights)},
                    {"load_sums", text_of(&b->load_sums)},
                    {"load_totals", text_of(&b->load_totals)},
                    {"epilogue", text_of(&b->statements)},
                    {"store_totals", text_of(&b->store_totals)},
                    {"store_sums", text_of(&b->store_sums)},
                    {"prepare", text_of(&b->prepare)},
                    {"blocks", contract_loops(b, block, rows, depth, part)}};
    return template_fill("contract.c", holes, sizeof holes / sizeof *holes);
}

static Call emit_contract(Emitter *e, Body *b)
{
    const Node *n = b->kernel->root;
    bool forward = n->op == OP_CONTRACT_Y;
    const Node *x = n->inputs[0], *w = n->inputs[1];
    int rows = n->type.dims[0], depth = x->type.dims[0];
    const char *weights;
    if (w->op == OP_PARAMETER)
        weights = body_bind(b, w->tensor, "w", array_declaration(e, "w", &w->type),
                            tensor_field(e, w->tensor));
    else
        weights = bind_global(b, w, false);
    body_bind(b, x, "x", arena_printf("real x[restrict %d][BT]", depth),
              b->plan->buffers[b->plan->buffer_of[x->id]].name);
    bool packed = is_packed_contract(e, b->kernel);
    b->indent = packed ? "                " : "            ";
    Block block = contract_block(e, b->plan->schedule->lanes);
    b->block_vectors = b->vector ? block.vectors : 0;
    add_value(b, n, "f", "product");
    if (b->plan->schedule->stored[n->id]) {
        const char *out = bind_tile(b, n, true);
        text_append(&b->statements, store_to(b, arena_printf("%s[f][lane]", out), "product"));
    }
    emit_body(b, (Index){"0", "f", false});
    const char *wish = arena_printf(forward ? "linear_%dx%d" : "back_%dx%d", rows, depth);
    const char *weight = arena_printf(forward ? "%s[o + r][i]" : "%s[i][o + r]", weights);
    Call call = {.arguments = argument_list(b)};
    if (packed) {
        call.function = add_function(e, wish, packed_contract(b, rows, depth));
        return call;
    }
    if (e->options->plain) {
        Hole holes[] = {{"name", PLACE_OF_NAME},
                        {"parameters", parameter_list(b)},
                        {"prepare", text_of(&b->prepare)},
                        {"rows", int_text(rows)},
                        {"depth", int_text(depth)},
                        {"weight", weight},
                        {"epilogue", text_of(&b->statements)}};
        call.function = add_function(e, wish, template_fill("contract_plain.c", holes, 7));
        return call;
    }
    call.function = add_function(e, wish, blocked_contract(b, block, weights));
    return call;
}

/* ---------------------------------------------------------------- weight gradients */
typedef struct Gradient {      /* a weight gradient in the making */
    int rows, columns, stride; /* of dw */
    Block block;
    int strip; /* columns of dw at a time */
    int vector_length;
} Gradient;

/* Columns of a strip: whole blocks and whole virtual vectors that, transposed, fit the nearest
 * cache. */
static int strip_columns(const Emitter *e, Block block, int stride, int lanes)
{
    int unit = block.vectors * e->vector_length;
    while (unit % LANES)
        unit += block.vectors * e->vector_length;
    int most = PART_BYTES / (lanes * (e->options->f64 ? 8 : 4));
    most = most < MOST_STRIP ? most : MOST_STRIP;
    int strip = most > unit ? most / unit * unit : unit;
    return strip < stride ? strip : stride;
}

/* Blocks of `wide` vectors from column i of a strip on, for all rows. */
static void add_gradient_rows(Text *t, const Gradient *g, const char *c, const char *i, int wide,
                              const char *indent)
{
    int full = g->rows / g->block.rows * g->block.rows;
    const char *rest = arena_printf("%s, %s, first, live, y, xt, dw", c, i);
    if (full)
        text_add(t, "%sfor (int o = 0; o < %d; o += %d)\n%s    %s_block(%d, %d, o, %s);\n", indent,
                 full, g->block.rows, indent, PLACE_OF_NAME, g->block.rows, wide, rest);
    if (full < g->rows)
        text_add(t, "%s%s_block(%d, %d, %d, %s);\n", indent, PLACE_OF_NAME, g->rows - full, wide,
                 full, rest);
}

/* `count` columns of dw from column c on: `features` of them are operands, the rest pads. */
static void add_strip(Text *t, const Gradient *g, const char *c, int count, const char *features,
                      const char *indent)
{
    int vectors = count / g->vector_length, full = vectors / g->block.vectors * g->block.vectors;
    text_add(t, "%stranspose_tile(&xt[0][0], %d, &x[%s][0], BT, %s, BT);\n", indent, g->strip, c,
             features);
    if (full > g->block.vectors) {
        text_add(t, "%sfor (int i = 0; i < %d * VL; i += %d * VL) {\n", indent, full,
                 g->block.vectors);
        add_gradient_rows(t, g, c, "i", g->block.vectors, arena_printf("%s    ", indent));
        text_add(t, "%s}\n", indent);
    } else if (full) {
        add_gradient_rows(t, g, c, "0", g->block.vectors, indent);
    }
    if (vectors > full)
        add_gradient_rows(t, g, c, arena_printf("%d * VL", full), vectors - full, indent);
}

static const char *gradient_strips(const Gradient *g)
{
    Text t = {0};
    int full = g->columns / g->strip * g->strip; /* strips without pads */
    if (full > g->strip) {
        text_add(&t, "    for (int c = 0; c < %d; c += %d) {\n", full, g->strip);
        add_strip(&t, g, "c", g->strip, int_text(g->strip), "        ");
        text_append(&t, "    }\n");
    } else if (full) {
        add_strip(&t, g, "0", g->strip, int_text(g->strip), "    ");
    }
    if (full < g->stride)
        add_strip(&t, g, int_text(full), g->stride - full, int_text(g->columns - full), "    ");
    return text_of(&t);
}

/* Each turn over the samples fetches a line of one of the next rows: the rows as a mask, and the
 * column, so that all of a block's lines had their turn. */
static const char *fetch_column(const Gradient *g, int lanes, int *mask)
{
    int shift = 3;
    while (1 << shift < g->block.rows)
        shift++;
    *mask = (1 << shift) - 1;
    int turns = lanes >> shift, columns = g->block.vectors * g->vector_length;
    return arena_printf("(s >> %d) * %d", shift, turns > 0 ? (columns + turns - 1) / turns : 0);
}

static const char *gradient_function(Emitter *e, const Gradient *g, int lanes)
{
    int mask;
    const char *column = fetch_column(g, lanes, &mask);
    Hole holes[] = {{"name", PLACE_OF_NAME},
                    {"block", arena_printf("%s_block", PLACE_OF_NAME)},
                    {"rows", int_text(g->rows)},
                    {"columns", int_text(g->columns)},
                    {"stride", int_text(g->stride)},
                    {"strip", int_text(g->strip)},
                    {"rows_a_block", int_text(g->block.rows)},
                    {"vectors_a_block", int_text(g->block.vectors)},
                    {"fetch_rows", int_text(mask)},
                    {"fetch_column", column},
                    {"strips", gradient_strips(g)}};
    const char *wish = arena_printf("weight_gradient_%dx%d", g->rows, g->columns);
    return add_function(e, wish, template_fill("weight.c", holes, sizeof holes / sizeof *holes));
}

static const char *plain_gradient_function(Emitter *e, const Gradient *g)
{
    Hole holes[] = {{"name", PLACE_OF_NAME},
                    {"rows", int_text(g->rows)},
                    {"columns", int_text(g->columns)},
                    {"stride", int_text(g->stride)}};
    const char *wish = arena_printf("weight_gradient_%dx%d", g->rows, g->columns);
    return add_function(e, wish,
                        template_fill("weight_plain.c", holes, sizeof holes / sizeof *holes));
}

static Call emit_weight(Emitter *e, Body *b)
{
    const Kernel *kernel = b->kernel;
    const Plan *plan = b->plan;
    const Type *type = &kernel->root->type;
    int lanes = plan->schedule->lanes;
    Gradient g = {.rows = type->dims[0],
                  .columns = type->dims[1],
                  .stride = padded(type->dims[1]),
                  .vector_length = e->vector_length};
    Text arguments = {0};
    text_append(&arguments, kernel->adds ? "0, live_count" : "first, live_count");
    if (!e->options->plain) {
        g.block = weight_block(e, g.stride);
        g.strip = strip_columns(e, g.block, g.stride, lanes);
        text_add(&arguments, ", (real(*)[%d])transposed", g.strip);
    }
    for (int j = 0; j < 2; j++)
        text_add(&arguments, ", %s", plan_buffer(plan, kernel->root->inputs[j])->name);
    const Sum *sum = &plan->schedule->sums[plan->schedule->sum_of[kernel->root->id]];
    text_add(&arguments, ", sums->%s", sum->name);
    return (Call){.function = e->options->plain ? plain_gradient_function(e, &g)
                                                : gradient_function(e, &g, lanes),
                  .arguments = text_of(&arguments)};
}

/* ---------------------------------------------------------------- nests and joins */
static const char *close_function(const Body *b, const char *body)
{
    return arena_printf("%s void %s(%s)\n{\n%s}\n", kernel_linkage(b->e), PLACE_OF_NAME,
                        parameter_list(b), body);
}

static Call emit_tile_nest(Emitter *e, Body *b)
{
    int features = (int)type_size(&b->kernel->space);
    const char *step = b->vector ? "lane += VL" : "lane++";
    b->indent = features > 1 ? "            " : "        ";
    emit_body(b, (Index){"0", features > 1 ? "f" : "0", false});
    Text t = {0};
    text_append(&t, text_of(&b->prepare));
    if (features > 1)
        text_add(&t,
                 "    for (int f = 0; f < %d; f++)\n        for (int lane = 0; lane < BT; %s) {\n"
                 "%s        }\n",
                 features, step, text_of(&b->statements));
    else
        text_add(&t, "    for (int lane = 0; lane < BT; %s) {\n%s    }\n", step,
                 text_of(&b->statements));
    const char *wish = arena_printf(features > 1 ? "rows_%d" : "samples", features);
    Call call = {.function = add_function(e, wish, close_function(b, text_of(&t)))};
    call.arguments = argument_list(b);
    return call;
}

/* Pieces of a CONCAT (inner CONCATs unrolled) or of a PAD, each with its first row in the result.
 */
static void emit_pieces(Body *b, const Node *n, const char *out, int first, Text *t)
{
    const Schedule *s = b->plan->schedule;
    const char *step = b->vector ? "lane += VL" : "lane++";
    if (n->op == OP_CONCAT && (n == b->kernel->root || is_recomputed(s, n))) {
        emit_pieces(b, n->inputs[0], out, first, t);
        emit_pieces(b, n->inputs[1], out, first + n->inputs[0]->type.dims[0], t);
        return;
    }
    b->statements = (Text){0};
    b->value_count = 0;
    b->indent = "            ";
    const char *value = operand(b, n, (Index){"0", "f", false});
    text_append(&b->statements,
                store_to(b, arena_printf("%s[%s][lane]", out, shifted("f", first)), value));
    text_add(t,
             "    for (int f = 0; f < %d; f++)\n        for (int lane = 0; lane < BT; %s) {\n%s    "
             "    }\n",
             n->type.dims[0], step, text_of(&b->statements));
}

static Call emit_join(Emitter *e, Body *b)
{
    const Node *n = b->kernel->root;
    const char *out = bind_tile(b, n, true);
    Text t = {0};
    if (n->op == OP_PAD) {
        text_add(&t,
                 "    for (int f = 0; f < %d; f++)\n        for (int lane = 0; lane < BT; lane++)\n"
                 "            %s[f][lane] = 0;\n",
                 n->type.dims[0], out);
        emit_pieces(b, n->inputs[0], out, n->start, &t);
    } else {
        emit_pieces(b, n, out, 0, &t);
    }
    const char *wish = arena_printf("join_%d", n->type.dims[0]);
    Call call = {.function = add_function(e, wish, close_function(b, text_of(&t)))};
    call.arguments = argument_list(b);
    return call;
}

/* ---------------------------------------------------------------- kernels over whole arrays */
/* One number: no loop. */
static Call emit_scalar_nest(Emitter *e, Body *b)
{
    b->vector = false;
    b->indent = "    ";
    emit_body(b, (Index){"0", "0", true});
    Call call = {.function =
                     add_function(e, "numbers", close_function(b, text_of(&b->statements)))};
    call.arguments = argument_list(b);
    return call;
}

static Call emit_array_nest(Emitter *e, Body *b)
{
    const Type *space = &b->kernel->space;
    if (space->rank == 0)
        return emit_scalar_nest(e, b);
    int columns = padded(columns_of(space));
    bool matrix = space->rank > 1, cut = matrix && !has_reduction(b->kernel);
    b->indent = "            ";
    emit_body(b, (Index){"o", "i", false});
    Text t = {0};
    text_append(&t, text_of(&b->prepare));
    text_add(&t, "    for (int o = %s; o < %s; o++) {\n", cut ? "from" : "0",
             cut ? "to" : int_text(rows_of(space)));
    text_append(&t, text_of(&b->row_begin));
    text_add(&t, "        for (int i = 0; i < %d; %s) {\n%s        }\n", columns,
             b->vector ? "i += VL" : "i++", text_of(&b->statements));
    text_append(&t, text_of(&b->row_end));
    text_append(&t, "    }\n");
    const char *wish = matrix ? arena_printf("matrix_%dx%d", rows_of(space), columns_of(space))
                              : arena_printf("vector_%d", columns_of(space));
    const char *parameters =
        arena_printf("%s%s", cut ? "int from, int to, " : "", parameter_list(b));
    const char *text = arena_printf("%s void %s(%s)\n{\n%s}\n", kernel_linkage(e), PLACE_OF_NAME,
                                    parameters, text_of(&t));
    Call call = {.function = add_function(e, wish, text), .rows = cut, .row_count = rows_of(space)};
    call.arguments = argument_list(b);
    return call;
}

Call emit_kernel(Emitter *e, const Plan *plan, const Kernel *kernel)
{
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = plan, .kernel = kernel, .vector = !e->options->plain};
    Call call = {0};
    switch (kernel->kind) {
    case KERNEL_FILL:
        call.function = "fill_input";
        break;
    case KERNEL_JOIN:
        call = emit_join(e, b);
        break;
    case KERNEL_CONTRACT:
        call = emit_contract(e, b);
        break;
    case KERNEL_WEIGHT:
        call = emit_weight(e, b);
        break;
    case KERNEL_NEST:
        call = kernel->batch ? emit_tile_nest(e, b) : emit_array_nest(e, b);
        break;
    }
    call.sentence = kernel_sentence(plan, kernel);
    return call;
}
