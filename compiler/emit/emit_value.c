/* emit_value.c -- expressions of the wide order: what a node is at an index, spelt for a number or
 * for a vector of lanes of the host.
 *
 * Needs: a wide schedule and its plan. Arrays lie batch innermost: value[c][h][w * B + sample],
 * maps with the zeros that convolutions read around them. Moves are index arithmetic: a slice, a
 * permutation, a resize of a value is that value at another index. Vectors run along the last index
 * of what they read; an expression that would have to gather marks the body as broken, and the
 * kernel is printed again in a simpler form. */
#include "emit.h"

#include <ctype.h>
#include <string.h>

/* ---------------------------------------------------------------- index arithmetic */
static bool is_number(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!isdigit((unsigned char)*c))
            return false;
    return *text;
}

static bool is_simple(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            return false;
    return true;
}

static const char *wrapped(const char *text)
{
    return is_simple(text) ? text : arena_printf("(%s)", text);
}

static const char *plus(const char *index, int by)
{
    if (by == 0)
        return index;
    return strcmp(index, "0") == 0 ? int_text(by) : arena_printf("%s + %d", index, by);
}

static const char *times_plus(const char *index, int factor, const char *rest)
{
    if (strcmp(index, "0") == 0)
        return rest;
    const char *product = factor == 1 ? index : arena_printf("%s * %d", wrapped(index), factor);
    return strcmp(rest, "0") == 0 ? product : arena_printf("%s + %s", product, rest);
}

const char *sum_of_axes(const Type *type, int count, Place at)
{
    const char *sum = "0";
    for (int k = 0; k < count; k++)
        sum = times_plus(sum, type->dims[k], at.axis[k]);
    return sum;
}

/* ---------------------------------------------------------------- moves */
static int product_of(const int *dims, int from, int to)
{
    int product = 1;
    for (int k = from; k < to; k++)
        product *= dims[k];
    return product;
}

/* The axes [from, to) of a type at a place as one index. */
static const char *merge(const Type *type, int from, int to, Place at)
{
    const char *sum = "0";
    for (int k = from; k < to; k++)
        if (type->dims[k] > 1)
            sum = times_plus(sum, type->dims[k], at.axis[k]);
    return sum;
}

static void split(const Type *type, int from, int to, const char *index, Place *out)
{
    int inner = product_of(type->dims, from, to), outer = inner;
    for (int k = from; k < to; k++) {
        inner /= type->dims[k];
        const char *part = index;
        if (inner > 1)
            part = arena_printf("%s / %d", wrapped(part), inner);
        if (inner * type->dims[k] < outer && type->dims[k] > 1)
            part = arena_printf("%s %% %d", wrapped(part), type->dims[k]);
        out->axis[k] = type->dims[k] > 1 ? part : "0";
    }
}

/* Axes are matched in the smallest groups of equal size: a group of one axis on each side keeps its
 * index. */
static Place reshaped(const Type *to, const Type *from, Place at)
{
    Place out = {.lane = at.lane};
    int i = 0, k = 0;
    while (i < to->rank || k < from->rank) {
        int i_end = i, k_end = k, size = 1, from_size = 1;
        do {
            if (size <= from_size && i_end < to->rank)
                size *= to->dims[i_end++];
            else
                from_size *= from->dims[k_end++];
        } while (size != from_size || (i_end == i && k_end < from->rank) ||
                 (k_end == k && k_end < from->rank));
        split(from, k, k_end, merge(to, i, i_end, at), &out);
        i = i_end;
        k = k_end;
    }
    return out;
}

/* A map along the columns of a whole array: rows are padded, and vectors lie along them. */
static bool along_columns(const Node *n)
{
    return n->op == OP_RESAMPLE && !n->type.batch && n->axis == n->type.rank - 1;
}

/* Places of a table that has one for each index of a node's loop. */
static int table_places(const Node *n)
{
    return along_columns(n) ? padded(n->map->to) : n->map->to;
}

/* index[first[j] + t] = (j * step + start + t) / divide for all rows of `count` elements, or all
 * the same. */
static const char *map_index(Body *b, const Node *n, const char *index, int t)
{
    const Resample *map = n->map;
    int count = map->first[1] - map->first[0];
    int start = map->index[0], step = map->to > 1 ? map->index[map->first[1]] - start : 1;
    bool affine = !along_columns(n), divided = affine, same = true;
    int divide = map->to >= map->from ? (map->to + map->from - 1) / map->from : 1;
    for (int j = 0; j < map->to; j++) {
        same &= map->index[map->first[j] + t] == start + t;
        affine &= map->index[map->first[j] + t] == j * step + start + t;
        divided &= count == 1 && map->index[map->first[j]] == j / divide;
    }
    if (same)
        return int_text(start + t);
    if (affine && step > 0)
        return plus(times_plus(index, step, "0"), start + t);
    if (divided)
        return arena_printf("%s / %d", wrapped(index), divide);
    Text table = {0};
    int places = table_places(n);
    b->broken |= along_columns(n) && b->vector;
    text_add(&table, "static const int %s[%d] = {", PLACE_OF_NAME, places);
    for (int j = 0; j < places; j++)
        text_add(&table, "%s%d",
                 j % 20 ? ", "
                 : j    ? ",\n    "
                        : "\n    ",
                 j < map->to ? map->index[map->first[j] + t] : 0);
    text_append(&table, "\n};\n");
    return arena_printf("%s[%s]", add_function(b->e, "source_of", text_of(&table)), index);
}

static Place moved_place(Body *b, const Node *n, Place at)
{
    const Node *from = n->inputs[0];
    Place out = at;
    switch (n->op) {
    case OP_EXPAND:
        for (int k = 0; k < from->type.rank; k++)
            out.axis[k] = at.axis[k < n->axis ? k : k + 1];
        return out;
    case OP_EXPAND_BATCH:
        out.lane = "";
        return out;
    case OP_RESHAPE:
        return reshaped(&n->type, &from->type, at);
    case OP_SLICE:
        out.axis[n->axis] = plus(at.axis[n->axis], n->start);
        return out;
    case OP_PERMUTE:
        for (int k = 0; k < n->type.rank; k++)
            out.axis[n->order[k]] = at.axis[k];
        return out;
    case OP_RESAMPLE:
        out.axis[n->axis] = map_index(b, n, at.axis[n->axis], 0);
        return out;
    default:
        internal_error("emit: %s inside a wide kernel", op_table[n->op].name);
    }
}

/* ---------------------------------------------------------------- arrays */
static Halo halo_of(const Plan *p, const Node *n)
{
    const Buffer *b = plan_buffer(p, n);
    return b ? b->halo : (Halo){{0}, {0}};
}

static const char *pointer(const char *name, const char *first, const char *rest)
{
    return arena_printf("real %s[restrict %s]%s", name, first, rest);
}

const char *wide_declaration(const char *name, const Plan *p, const Node *n)
{
    const Type *t = &n->type;
    int batch = p->schedule->graph->batch_size;
    Halo halo = halo_of(p, n);
    Text rest = {0};
    if (!t->batch)
        return t->rank > 1 ? pointer(name, int_text(rows_of(t)),
                                     arena_printf("[%d]", padded(columns_of(t))))
                           : pointer(name, int_text(padded(columns_of(t))), "");
    if (t->rank == 0)
        return pointer(name, int_text(batch), "");
    for (int k = 1; k < t->rank; k++) {
        int extent = t->dims[k];
        if (t->rank == 3)
            extent += halo.before[k - 1] + halo.after[k - 1];
        text_add(&rest, "[%d]", k == t->rank - 1 ? extent * batch : extent);
    }
    if (t->rank == 1)
        text_add(&rest, "[%d]", batch);
    return pointer(name, int_text(t->dims[0]), text_of(&rest));
}

const char *bind_operand(Body *b, const Node *n, const char *name)
{
    if (n->op == OP_PARAMETER)
        return body_bind(b, n->tensor, name, array_declaration(b->e, name, &n->tensor->type),
                         tensor_field(b->e, n->tensor));
    return body_bind(b, n, name, wide_declaration(name, b->plan, n),
                     arena_printf("AT(%zu)", plan_buffer(b->plan, n)->offset));
}

static const char *bind_array(Body *b, const Node *n, bool written)
{
    Binding *known = find_binding(b, n);
    if (known)
        return known->name;
    const Buffer *buffer = plan_buffer(b->plan, n);
    if (!buffer)
        internal_error("emit: node %d (%s) has no buffer", n->id, op_table[n->op].name);
    const char *name = written ? write_name(b) : read_name(b);
    const char *declaration =
        b->alike ? arena_printf("real *restrict %s", name) : wide_declaration(name, b->plan, n);
    return body_bind(b, n, name, declaration, arena_printf("AT(%zu)", buffer->offset));
}

/* The index of the last axis of what the kernel makes. */
static const char *own_column(const Body *b)
{
    const Type *space = &b->kernel->space;
    return space->rank ? b->own.axis[space->rank - 1] : "0";
}

/* "[c][h + 1][(w + 1) * 16 + lane]" of a batch value. */
static const char *batch_index(Body *b, const Node *n, Place at)
{
    const Type *t = &n->type;
    int batch = b->plan->schedule->graph->batch_size, last = t->rank - 1;
    Halo halo = t->rank == 3 ? halo_of(b->plan, n) : (Halo){{0}, {0}};
    if (b->vector && strcmp(at.lane, b->own.lane) != 0)
        b->broken = true;
    if (t->rank == 0) {
        b->broken |= b->flat;
        return arena_printf("[%s]", at.lane);
    }
    if (t->rank == 1 && !b->flat)
        return arena_printf("[%s][%s]", at.axis[0], at.lane);
    Text out = {0};
    for (int k = 0; k < last; k++)
        text_add(&out, "[%s]",
                 t->rank == 3 && k == 1 ? plus(at.axis[k], halo.before[0]) : at.axis[k]);
    int shift = halo.before[1] * batch;
    if (b->flat) { /* lanes run along the last axis of the kernel's space */
        b->broken |= t->rank == 1 || strcmp(at.axis[last], own_column(b)) != 0 ||
                     strcmp(at.lane, b->own.lane) != 0;
        text_add(&out, "[%s]", plus(at.lane, shift));
    } else {
        text_add(&out, "[%s]", times_plus(plus(at.axis[last], halo.before[1]), batch, at.lane));
    }
    return text_of(&out);
}

typedef enum Run { RUN_ALONG, RUN_CONSTANT, RUN_GATHER } Run; /* of an index in the inner loop */

/* How an element of a whole array moves while the innermost loop runs. */
static Run index_run(const Body *b, const Type *type, Place at)
{
    const Type *space = &b->kernel->space;
    const char *column = type->rank ? at.axis[type->rank - 1] : "0";
    /* what the loop counts: columns, or lanes, which hold the last axis where they are flat */
    const char *own = space->batch ? "" : own_column(b);
    if (space->batch && b->flat)
        own = b->own.axis[space->rank - 1];
    for (int k = 0; k + 1 < type->rank && *own; k++)
        if (has_word(at.axis[k], own))
            return RUN_GATHER;
    if (!*own || !has_word(column, own))
        return RUN_CONSTANT;
    if (space->batch)
        return RUN_GATHER;
    size_t length = strlen(own);
    bool shifted = strncmp(column, own, length) == 0 && strncmp(column + length, " + ", 3) == 0 &&
                   is_number(column + length + 3);
    return strcmp(column, own) == 0 || shifted ? RUN_ALONG : RUN_GATHER;
}

/* Of arrays of the kernel's shape, and of sums over their columns, one number a row. */
static const char *alike_index(Body *b, const Type *t, Place at)
{
    const Type *space = &b->kernel->space;
    int last = t->rank - 1;
    if (t->rank == 0)
        return "[0]";
    for (int k = 0; k < t->rank; k++)
        b->broken |= strcmp(at.axis[k], b->own.axis[k]) != 0 || t->dims[k] != space->dims[k];
    if (t->rank == space->rank)
        return b->kernel->reduced == NO_REDUCTION ? "[i]" : "[begin + i]";
    b->broken |= t->rank != space->rank - 1 || b->kernel->reduced == NO_REDUCTION; /* no rows */
    if (last == 0 || t->dims[last] % 16 == 0)
        return "[row]";
    return arena_printf("[row / %d * %d + row %% %d]", t->dims[last], padded(t->dims[last]),
                        t->dims[last]);
}

/* "[row][column]" of a whole array, as tensors and values without a batch axis are stored. */
static const char *array_index(Body *b, const Type *t, Place at)
{
    if (b->alike)
        return alike_index(b, t, at);
    if (t->rank == 0)
        return "[0]";
    const char *column = at.axis[t->rank - 1];
    return t->rank == 1 ? arena_printf("[%s]", column)
                        : arena_printf("[%s][%s]", sum_of_axes(t, t->rank - 1, at), column);
}

const char *place_of(Body *b, const Node *n, Place at, bool written)
{
    const char *name = bind_array(b, n, written);
    return arena_printf("%s%s", name,
                        n->type.batch ? batch_index(b, n, at) : array_index(b, &n->type, at));
}

const char *tensor_place(Body *b, const Tensor *tensor, Place at)
{
    const char *name = bind_tensor(b, tensor);
    return arena_printf("%s%s", name, array_index(b, &tensor->type, at));
}

const char *load_text(const Body *b, const char *place)
{
    return b->vector ? arena_printf("vget(&%s)", place) : place;
}

const char *store_text(const Body *b, const char *place, const char *value)
{
    return b->vector ? arena_printf("%svput(&%s, %s);\n", b->indent, place, value)
                     : arena_printf("%s%s = %s;\n", b->indent, place, value);
}

const char *place_key(const Type *type, Place at)
{
    Text t = {0};
    for (int k = 0; k < type->rank; k++)
        text_add(&t, "%s,", at.axis[k]);
    if (type->batch)
        text_append(&t, at.lane);
    return arena_printf("%s", text_of(&t));
}

static const char *load_array_at(Body *b, const Node *n, Place at)
{
    const char *place =
        n->op == OP_PARAMETER ? tensor_place(b, n->tensor, at) : place_of(b, n, at, false);
    Run run = index_run(b, &n->type, at);
    if (run == RUN_GATHER && (b->vector || b->flat))
        b->broken = true;
    if (run == RUN_CONSTANT)
        return splat(b, place);
    return load_text(b, place);
}

/* ---------------------------------------------------------------- values */
static const char *resample_at(Body *b, const Node *n, Place at);

static const char *element_at(Body *b, const Node *n, Place at)
{
    const char *a = value_at(b, n->inputs[0], at);
    const char *second = op_table[n->op].arity > 1 ? value_at(b, n->inputs[1], at) : "";
    bool swap = op_table[n->op].commutes && strcmp(a, second) > 0;
    return swap ? spell(n, function_prefix(b), second, a) : spell(n, function_prefix(b), a, second);
}

const char *value_at(Body *b, const Node *n, Place at)
{
    const Schedule *s = b->plan->schedule;
    if (n->op == OP_CONSTANT)
        return splat(b, number_text(n->value));
    const char *key = place_key(&n->type, at), *known = named(b, n, key);
    if (known)
        return known;
    if (n->op == OP_SCALAR)
        return define(b, n, key, splat(b, bind_scalar(b, n)));
    if (!is_recomputed(s, n)) {
        const char *load =
            n->type.batch ? load_text(b, place_of(b, n, at, false)) : load_array_at(b, n, at);
        return define(b, n, key, load);
    }
    if (n->op == OP_RESAMPLE && !resample_moves(n->map))
        return define(b, n, key, resample_at(b, n, at));
    if (op_table[n->op].kind == CLASS_MOVE)
        return value_at(b, n->inputs[0], moved_place(b, n, at));
    return arena_printf("(%s)", element_at(b, n, at));
}

/* ---------------------------------------------------------------- weighted sums along an axis */
static bool same_rows(const Resample *map) /* equal counts and weights in every row */
{
    int count = map->first[1] - map->first[0];
    for (int j = 0; j < map->to; j++) {
        if (map->first[j + 1] - map->first[j] != count)
            return false;
        for (int t = 0; t < count; t++)
            if (map->weight[map->first[j] + t] != map->weight[t])
                return false;
    }
    return true;
}

static const char *map_table(Body *b, const Node *n, const char *what)
{
    Text table = {0};
    const Resample *map = n->map;
    bool weights = strcmp(what, "weight") == 0, first = strcmp(what, "first") == 0;
    int count = first ? table_places(n) + 1 : map->first[map->to];
    text_add(&table, "static const %s %s[%d] = {", weights ? "real" : "int", PLACE_OF_NAME, count);
    for (int k = 0; k < count; k++) {
        text_append(&table, k % 10 ? ", " : k ? ",\n    " : "\n    ");
        if (weights)
            text_append(&table, number_text(map->weight[k]));
        else
            text_add(&table, "%d", first ? map->first[k < map->to ? k : map->to] : map->index[k]);
    }
    text_append(&table, "\n};\n");
    return add_function(b->e, arena_printf("map_%s", what), text_of(&table));
}

static Place with_index(const Node *n, Place at, const char *index)
{
    if (n->axis == BATCH_AXIS)
        at.lane = index;
    else
        at.axis[n->axis] = index;
    return at;
}

/* A loop over the elements of a row, with what its operand needs inside. */
static const char *resample_by_table(Body *b, const Node *n, Place at, const char *index)
{
    const Node *from = n->inputs[0];
    const char *first = map_table(b, n, "first"), *source = map_table(b, n, "index");
    const char *weight = map_table(b, n, "weight"), *name = arena_printf("sum%d", b->value_count);
    const char *term = arena_printf("term%d", b->value_count), *indent = b->indent;
    const char *last = from->type.rank ? b->own.axis[from->type.rank - 1] : "";
    if (b->flat && n->axis == from->type.rank - 1 && *last)
        b->broken = true;
    Text before = b->statements;
    int known = b->value_count;
    add_value(b, n, "", name); /* names inside of the loop are others */
    b->statements = (Text){0};
    b->indent = arena_printf("%s    ", indent);
    Place source_at = with_index(n, at, arena_printf("%s[%s]", source, term));
    const char *value;
    if (is_recomputed(b->plan->schedule, from))
        value = value_at(b, from, source_at);
    else if (from->type.batch)
        value = load_text(b, place_of(b, from, source_at, false));
    else
        value = load_array_at(b, from, source_at);
    Text inside = b->statements;
    b->statements = before;
    b->indent = indent;
    b->value_count = known;
    text_add(&b->statements,
             "%s%s %s = %s;\n%sfor (int %s = %s[%s]; %s < %s[%s + 1]; %s++) {\n%s%s    %s = %s + "
             "%s * %s;\n%s}\n",
             indent, b->vector ? "vec" : "real", name, splat(b, "0"), indent, term, first, index,
             term, first, wrapped(index), term, text_of(&inside), indent, name, name,
             splat(b, arena_printf("%s[%s]", weight, term)), value, indent);
    return name;
}

/* A map with few equal rows is written out, others are loops over their elements. */
static const char *resample_at(Body *b, const Node *n, Place at)
{
    const Resample *map = n->map;
    const Node *from = n->inputs[0];
    const char *index = n->axis == BATCH_AXIS ? at.lane : at.axis[n->axis];
    int count = map->first[1] - map->first[0];
    bool operand_loads = from->type.batch || from->op != OP_CONSTANT;
    if (n->axis == BATCH_AXIS && (b->vector || b->flat))
        b->broken = true;
    b->broken |= along_columns(n) && b->vector;
    if (same_rows(map) && count <= 4 && operand_loads) {
        Text sum = {0};
        for (int t = 0; t < count; t++) {
            const char *value = value_at(b, from, with_index(n, at, map_index(b, n, index, t)));
            const char *term = map->weight[t] == 1
                                   ? value
                                   : arena_printf("%s * %s", value, number_text(map->weight[t]));
            text_add(&sum, "%s%s", t ? " + " : "", term);
        }
        return count ? text_of(&sum) : splat(b, "0");
    }
    return resample_by_table(b, n, at, index);
}

void emit_wide_node(Body *b, const Node *n)
{
    const Schedule *s = b->plan->schedule;
    if (n->op == OP_ASSIGN) {
        const char *value = value_at(b, n->inputs[0], b->own);
        text_append(&b->statements, store_text(b, tensor_place(b, n->tensor, b->own), value));
        return;
    }
    const char *text;
    if (n->op == OP_CONSTANT)
        text = splat(b, number_text(n->value));
    else if (n->op == OP_RESAMPLE && (n->axis == BATCH_AXIS || !resample_moves(n->map)))
        text = resample_at(b, n, b->own);
    else if (op_table[n->op].kind == CLASS_MOVE)
        text = value_at(b, n->inputs[0], moved_place(b, n, b->own));
    else
        text = element_at(b, n, b->own);
    const char *name = define(b, n, place_key(&n->type, b->own), text);
    if (s->stored[n->id])
        text_append(&b->statements, store_text(b, place_of(b, n, b->own, true), name));
}

/* A sum along the rows of maps that a contraction makes. */
static void emit_row_sum(Body *b, const Node *n, const char *first)
{
    const Node *from = n->inputs[0];
    int batch = b->plan->schedule->graph->batch_size;
    const char *value = value_at(b, from, b->own);
    const char *row = arena_printf("%s[%s][%s * %d", bind_array(b, n, true), b->own.axis[0],
                                   b->own.axis[1], batch);
    text_add(&b->row_begin,
             "            for (int sample = 0; sample < %d; sample++)\n"
             "                %s + sample] = 0;\n",
             batch, row);
    if (b->vector && batch % b->e->vector_length == 0) {
        const char *place = arena_printf("%s + %s %% %d]", row, b->own.lane, batch);
        text_append(&b->statements,
                    store_text(b, place, arena_printf("%s + %s", load_text(b, place), value)));
    } else if (b->vector) {
        text_add(&b->statements, "%sadd_lanes(&%s], %d, %s, %s, %s);\n", b->indent, row, batch,
                 b->own.lane, first, value);
    } else {
        const char *all = strcmp(first, "0") == 0 ? NULL : first;
        text_add(&b->statements, "%s%s%s + %s %% %d] += %s;\n", b->indent,
                 all ? arena_printf("if (%s >= %s)\n%s    ", b->own.lane, all, b->indent) : "", row,
                 b->own.lane, batch, value);
    }
}

void emit_epilogue(Body *b, const char *first)
{
    for (int k = 0; k < b->kernel->body_count; k++)
        if (b->kernel->body[k]->op == OP_SUM)
            emit_row_sum(b, b->kernel->body[k], first);
        else
            emit_wide_node(b, b->kernel->body[k]);
}
