/* emit_wide.c -- the wide order on the host: a step as kernels over whole arrays, one after the
 * other, each cut into parts for the threads.
 *
 * Needs: a wide schedule and its plan. A kernel is one or more passes; a pass is a function over
 * rows [from, to) of its space, so that every result is computed by one thread in a fixed order.
 * Loops over (column, sample) are one loop over a row's lanes where all that is read allows it. */
#include "emit.h"

#include <string.h>

enum { SMALL_PASS = 4096, MANY_PARTS = 16 }; /* reals that one thread does at once; else parts */

/* Of the innermost loops. Alike: over whole arrays of one shape, as runs of reals; kernels of
 * different shape are one function. */
typedef enum Form { FORM_FLAT, FORM_LANES, FORM_NUMBERS, FORM_ALIKE } Form;

static int batch_of(const Body *b) { return b->plan->schedule->graph->batch_size; }

static bool divides(const Body *b, int lanes) { return lanes % b->e->vector_length == 0; }

/* ---------------------------------------------------------------- loops */
static Place own_place(const Type *space)
{
    Place own = {.lane = space->batch ? "lane" : ""};
    for (int k = 0; k < MAX_RANK; k++)
        own.axis[k] = k < space->rank && space->dims[k] > 1 ? arena_printf("i%d", k) : "0";
    return own;
}

/* The axis inside of the rows, before the innermost loop over lanes or columns; -1: none. */
static int inner_axis(const Type *space, int reduced)
{
    bool vector = space->rank == 1 && space->batch && reduced != 0;
    return space->rank == 0 || vector ? -1 : space->rank - 1;
}

static bool is_row_axis(const Type *space, int reduced, int axis)
{
    return axis != reduced && axis != inner_axis(space, reduced);
}

static int row_count(const Type *space, int reduced)
{
    int rows = 1;
    for (int k = 0; k < space->rank; k++)
        rows *= is_row_axis(space, reduced, k) ? space->dims[k] : 1;
    return rows;
}

/* "const int i0 = row / 32;" for every axis that makes up the rows. */
static void decode_row(Text *out, const Type *space, int reduced)
{
    int inner = row_count(space, reduced), total = inner;
    for (int k = 0; k < space->rank; k++) {
        if (!is_row_axis(space, reduced, k))
            continue;
        inner /= space->dims[k];
        const char *part = inner > 1 ? arena_printf("row / %d", inner) : "row";
        if (inner * space->dims[k] < total)
            part = arena_printf("%s %% %d", part, space->dims[k]);
        text_add(out, "        const int i%d = %s;\n", k, part);
    }
}

typedef struct Loops { /* what a nest's statements stand in */
    int reduced;
    Form form;
    Text column_begin, column_end; /* around the samples of one column */
} Loops;

/* ---------------------------------------------------------------- reductions */
static Place without_axis(Place at, int axis, int rank)
{
    for (int k = axis; k + 1 < rank; k++)
        at.axis[k] = at.axis[k + 1];
    return at;
}

static const char *add_text(const Body *b, const Node *n, const char *old, const char *value)
{
    if (n->op != OP_MAXIMUM_OF)
        return arena_printf("%s + %s", old, value);
    return arena_printf(b->vector ? "vmax(%s, %s)" : "real_max(%s, %s)", value, old);
}

static const char *start_of(const Node *n) { return n->op == OP_MAXIMUM_OF ? "-INFINITE" : "0"; }

/* Over an axis of a batch value: into a row of the result, sample by sample. */
static void emit_axis_reduction(Body *b, Loops *loops, const Node *n)
{
    const Type *space = &n->inputs[0]->type;
    const char *value = value_at(b, n->inputs[0], b->own);
    Place at = without_axis(b->own, n->axis, space->rank);
    const char *place = place_of(b, n, at, true);
    int last = space->rank - 1, columns = n->axis == last ? 1 : space->dims[last];
    text_append(&b->statements, store_text(b, place, add_text(b, n, load_text(b, place), value)));
    bool columns_apart = columns > 1 && loops->form != FORM_FLAT;
    if (columns_apart)
        text_add(&b->row_begin, "        for (int i%d = 0; i%d < %d; i%d++)\n    ", last, last,
                 columns, last);
    text_add(&b->row_begin,
             "        for (int lane = 0; lane < %d; lane++)\n%s            %s = %s;\n",
             loops->form == FORM_FLAT ? columns * batch_of(b) : batch_of(b),
             columns_apart ? "    " : "", place, start_of(n));
}

/* Over the batch: 16 partial sums, one number an element. */
static void emit_sum_over_batch(Body *b, Loops *loops, const Node *n)
{
    const char *value = value_at(b, n->inputs[0], b->own);
    const char *sum = arena_printf("sum%d", b->value_count);
    add_value(b, n, "", sum);
    b->broken |= loops->form == FORM_FLAT;
    const char *place = arena_printf("%s[lane %% LANES]", sum);
    text_append(&b->statements, store_text(b, place, add_text(b, n, load_text(b, place), value)));
    bool columns = inner_axis(&b->kernel->space, BATCH_AXIS) >= 0;
    Text *begin = columns ? &loops->column_begin : &b->row_begin;
    Text *end = columns ? &loops->column_end : &b->row_end;
    const char *indent = columns ? "            " : "        ";
    text_add(begin, "%sreal %s[LANES] ALIGNED = {0};\n", indent, sum);
    bool vector = b->vector;
    b->vector = false;
    text_add(end, "%s%s = lane_reduce(%s);\n", indent, place_of(b, n, b->own, true), sum);
    b->vector = vector;
}

/* Over an axis of a whole array: along columns in 16 lanes, else rows added up. */
static void emit_array_sum(Body *b, const Node *n)
{
    const Type *space = &n->inputs[0]->type;
    int last = space->rank - 1;
    if (n->op != OP_SUM)
        internal_error("emit: maximum over an axis of a whole array");
    const char *value = value_at(b, n->inputs[0], b->own);
    Place at = without_axis(b->own, n->axis, space->rank);
    const char *place = place_of(b, n, at, true);
    if (n->axis != last) {
        b->broken |= b->alike;
        text_add(&b->row_begin, "        for (int i%d = 0; i%d < %d; i%d++)\n            %s = 0;\n",
                 last, last, padded(space->dims[last]), last, place);
        text_append(&b->statements,
                    store_text(b, place, arena_printf("%s + %s", load_text(b, place), value)));
        return;
    }
    const char *sum = arena_printf("sum%d", b->value_count), *column = b->own.axis[last];
    const char *partial = arena_printf("%s[%s %% LANES]", sum, column);
    const char *width = b->alike ? "width" : int_text(space->dims[last]);
    add_value(b, n, "", sum);
    text_add(&b->row_begin, "        real %s[LANES] ALIGNED = {0};\n", sum);
    if (b->vector) {
        value = arena_printf("vbelow(%s, %s, %s)", value, column, width);
        text_append(&b->statements,
                    store_text(b, partial, arena_printf("%s + %s", load_text(b, partial), value)));
    } else {
        text_add(&b->statements, "%sif (%s < %s)\n%s    %s += %s;\n", b->indent, column, width,
                 b->indent, partial, value);
    }
    text_add(&b->row_end, "        %s = lane_reduce(%s);\n", place, sum);
}

static void emit_nest_node(Body *b, Loops *loops, const Node *n)
{
    if (op_table[n->op].kind != CLASS_REDUCE)
        emit_wide_node(b, n);
    else if (n->op == OP_SUM_BATCH)
        emit_sum_over_batch(b, loops, n);
    else if (n->type.batch)
        emit_axis_reduction(b, loops, n);
    else
        emit_array_sum(b, n);
}

/* ---------------------------------------------------------------- nests */
typedef struct Pass { /* a function over rows, and how often its work may be cut */
    const char *function, *arguments;
    int rows;
    int64_t size; /* reals that it goes through */
} Pass;

typedef void Statements(Body *b, Loops *loops, void *context);

static void print_alike(Text *t, const Body *b)
{
    const char *step = b->vector ? "i += VL" : "i++";
    if (b->kernel->reduced == NO_REDUCTION)
        text_add(t, "    for (long i = from * LANES; i < to * LANES; %s) {\n%s    }\n", step,
                 text_of(&b->statements));
    else
        text_add(t,
                 "    for (int row = from; row < to; row++) {\n"
                 "        const long begin = (long)row * columns;\n%s"
                 "        for (int i = 0; i < columns; %s) {\n%s        }\n%s    }\n",
                 text_of(&b->row_begin), step, text_of(&b->statements), text_of(&b->row_end));
}

/* Whole arrays of the kernel's shape only: false when there are others. */
static bool try_alike(Emitter *e, const Plan *plan, const Kernel *kernel, bool vector,
                      Statements *statements, void *context, Pass *pass)
{
    const Type *space = &kernel->space;
    bool sums = kernel->reduced != NO_REDUCTION;
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = plan, .kernel = kernel, .vector = vector, .alike = true};
    Loops loops = {.reduced = kernel->reduced, .form = FORM_ALIKE};
    Text function = {0};
    b->own = own_place(space);
    b->own.axis[space->rank - 1] = "i";
    b->indent = sums ? "            " : "        ";
    statements(b, &loops, context);
    if (b->broken)
        return false;
    print_alike(&function, b);
    const char *shape = sums ? ", int columns, int width" : "";
    const char *name = sums ? "elements_and_sums" : "elements";
    pass->function =
        add_function(e, name,
                     arena_printf("%s void %s(int from, int to%s, %s)\n{\n%s}\n", kernel_linkage(e),
                                  PLACE_OF_NAME, shape, parameter_list(b), text_of(&function)));
    pass->arguments = arena_printf(", %s", argument_list(b));
    if (sums)
        pass->arguments = arena_printf(", %d, %d, %s", padded(columns_of(space)), columns_of(space),
                                       argument_list(b));
    pass->rows = sums ? rows_of(space) : (int)(stored_reals(space) / 16);
    pass->size = type_size(space);
    return true;
}

static void print_loops(Text *t, Body *b, const Loops *loops, int columns)
{
    const Type *space = &b->kernel->space;
    int axis = inner_axis(space, loops->reduced), batch = batch_of(b);
    bool apart = axis >= 0 && (loops->form == FORM_LANES || !space->batch);
    const char *step = b->vector ? " += VL" : "++";
    if (loops->reduced >= 0 && loops->reduced != axis)
        text_add(t, "        for (int i%d = 0; i%d < %d; i%d++)\n", loops->reduced, loops->reduced,
                 space->dims[loops->reduced], loops->reduced);
    if (!space->batch) {
        if (axis >= 0)
            text_add(t, "        for (int i%d = 0; i%d < %d; i%d%s) {\n%s        }\n", axis, axis,
                     columns, axis, step, text_of(&b->statements));
        else
            text_append(t, text_of(&b->statements));
        return;
    }
    if (apart)
        text_add(t, "        for (int i%d = 0; i%d < %d; i%d++) {\n%s", axis, axis,
                 space->dims[axis], axis, text_of(&loops->column_begin));
    int lanes = loops->form == FORM_FLAT && axis >= 0 ? space->dims[axis] * batch : batch;
    text_add(t, "        for (int lane = 0; lane < %d; lane%s) {\n%s        }\n", lanes, step,
             text_of(&b->statements));
    if (apart)
        text_add(t, "%s        }\n", text_of(&loops->column_end));
}

/* Keeps the index lines whose name is used. */
static void append_used(Text *out, const char *lines, const char *used)
{
    for (const char *line = lines; *line;) {
        const char *end = strchr(line, '\n') + 1;
        const char *name = strstr(line, "int ") + 4;
        const char *word = arena_copy(name, strcspn(name, " "));
        bool found = false;
        for (const char *at = used; !found && (at = strstr(at, word)) != NULL; at += strlen(word))
            found = !(at[strlen(word)] >= '0' && at[strlen(word)] <= '9');
        if (found)
            text_add(out, "%.*s", (int)(end - line), line);
        line = end;
    }
}

/* One attempt: false when the form does not fit. */
static bool try_nest(Emitter *e, const Plan *plan, const Kernel *kernel, Form form, bool vector,
                     bool exact, Statements *statements, void *context, Pass *pass)
{
    const Type *space = &kernel->space;
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = plan, .kernel = kernel, .vector = vector};
    Loops loops = {.reduced = kernel->reduced, .form = form};
    b->own = own_place(space);
    b->flat = form == FORM_FLAT && space->batch;
    b->indent = "            ";
    statements(b, &loops, context);
    if (b->broken)
        return false;
    Text loop = {0}, body = {0}, rows = {0}, function = {0};
    int count = row_count(space, kernel->reduced);
    int columns = space->rank ? space->dims[space->rank - 1] : 1;
    print_loops(&loop, b, &loops, exact ? columns : padded(columns));
    text_add(&body, "%s%s%s", text_of(&b->row_begin), text_of(&loop), text_of(&b->row_end));
    decode_row(&rows, space, kernel->reduced);
    text_append(&function, "    for (int row = from; row < to; row++) {\n");
    append_used(&function, text_of(&rows), text_of(&body));
    text_add(&function, "%s    }\n", text_of(&body));
    const char *parameters = b->binding_count ? arena_printf(", %s", parameter_list(b)) : "";
    const char *wish = space->rank > 1 ? arena_printf("maps_%d", (int)type_size(space))
                       : space->rank   ? arena_printf("rows_%d", (int)type_size(space))
                                       : "numbers";
    pass->function =
        add_function(e, wish,
                     arena_printf("%s void %s(int from, int to%s)\n{\n%s}\n", kernel_linkage(e),
                                  PLACE_OF_NAME, parameters, text_of(&function)));
    pass->arguments = b->binding_count ? arena_printf(", %s", argument_list(b)) : "";
    pass->rows = count;
    pass->size = type_size(space) * (space->batch ? batch_of(b) : 1);
    return true;
}

/* A map along the columns of a whole array has another row of its matrix at each of them, and none
 * behind the last: they are computed one by one. */
static bool maps_columns(const Kernel *kernel)
{
    for (int k = 0; k < kernel->body_count; k++) {
        const Node *n = kernel->body[k];
        if (n->op == OP_RESAMPLE && !n->type.batch && n->axis == n->type.rank - 1)
            return true;
    }
    return false;
}

static Pass print_nest(Emitter *e, const Plan *plan, const Kernel *kernel, bool exact,
                       Statements *statements, void *context)
{
    const Type *space = &kernel->space;
    Body probe = {.e = e, .plan = plan};
    exact |= e->packed;
    exact |= !space->batch && columns_of(space) == 1; /* an axis of one has no index to run along */
    exact |= maps_columns(kernel);
    bool tuned = !e->options->plain && !exact;
    int batch = plan->schedule->graph->batch_size;
    bool flat = space->batch && space->rank > 1 && kernel->reduced != space->rank - 1 &&
                kernel->reduced != BATCH_AXIS;
    Pass pass = {0};
    bool alike = !space->batch && space->rank > 0 && !exact &&
                 (kernel->reduced == NO_REDUCTION || kernel->reduced == space->rank - 1);
    if (alike && try_alike(e, plan, kernel, tuned, statements, context, &pass))
        return pass;
    if (flat && try_nest(e, plan, kernel, FORM_FLAT,
                         tuned && divides(&probe, space->dims[space->rank - 1] * batch), exact,
                         statements, context, &pass))
        return pass;
    bool vector = tuned && (space->batch ? divides(&probe, batch) : space->rank > 0);
    if (vector && try_nest(e, plan, kernel, FORM_LANES, true, exact, statements, context, &pass))
        return pass;
    if (!try_nest(e, plan, kernel, FORM_LANES, false, exact, statements, context, &pass))
        internal_error("emit: a nest of %s fits no form", plan->schedule->step->name);
    return pass;
}

static void emit_nest_body(Body *b, Loops *loops, void *context)
{
    (void)context;
    for (int k = 0; k < b->kernel->body_count; k++)
        emit_nest_node(b, loops, b->kernel->body[k]);
}

/* ---------------------------------------------------------------- passes of a kernel */
typedef struct Wide { /* a step in the making */
    Text *out;
    Emitter *e;
    const Plan *plan;
    Text cases, steps; /* the passes; and the calls that run them in order */
    int case_count;
    bool direct;  /* the sampler: passes are called where they stand */
    bool silent;  /* without clocks */
    bool shipped; /* of the one file to ship */
} Wide;

static int parts_of(const Pass *pass)
{
    if (pass->size < SMALL_PASS || pass->rows == 1)
        return 1;
    return pass->rows < MANY_PARTS ? pass->rows : MANY_PARTS;
}

/* rows: of the pass, which goes over [from, to) in each of its parts. */
static void add_pass(Wide *w, const Kernel *kernel, const char *statement, int rows, int parts)
{
    int number = w->e->profiled + kernel->number;
    if (w->direct) {
        if (!w->silent)
            text_add(&w->steps, "    KERNEL(%d);\n", number);
        text_add(&w->steps, "    %s\n", statement);
        return;
    }
    text_add(&w->cases, "    case %d:\n        KERNEL(%d);\n        %s\n        break;\n",
             w->case_count, number, statement);
    text_add(&w->steps, "    RUN(%d, %d, %d);\n", w->case_count++, rows, parts);
}

static void add_nest(Wide *w, const Kernel *kernel, Pass pass)
{
    const char *rows = w->direct ? arena_printf("0, %d", pass.rows) : "from, to";
    add_pass(w, kernel, arena_printf("%s(%s%s);", pass.function, rows, pass.arguments), pass.rows,
             parts_of(&pass));
}

/* Zeros around the maps that a kernel is about to write. */
static void add_edges(Wide *w, const Kernel *kernel, const Node *n)
{
    const Buffer *buffer = plan_buffer(w->plan, n);
    if (!buffer || n->type.rank != 3 || !n->type.batch)
        return;
    const Halo *h = &buffer->halo;
    if (h->before[0] + h->before[1] + h->after[0] + h->after[1] == 0)
        return;
    add_pass(w, kernel,
             arena_printf("%s(AT(%zu), %d, %d, %d, %d, (int[]){%d, %d}, (int[]){%d, %d});",
                          w->shipped ? "clear_edges" : "clear_around", buffer->offset,
                          n->type.dims[0], n->type.dims[1], n->type.dims[2],
                          w->plan->schedule->graph->batch_size, h->before[0], h->before[1],
                          h->after[0], h->after[1]),
             1, 1);
}

typedef struct Piece {
    const Node *root, *node;
    int first; /* along the root's axis */
} Piece;

static void emit_piece(Body *b, Loops *loops, void *context)
{
    const Piece *piece = context;
    (void)loops;
    const char *value = value_at(b, piece->node, b->own);
    Place at = b->own;
    int axis = piece->root->axis;
    if (piece->first)
        at.axis[axis] = arena_printf("%s + %d", at.axis[axis], piece->first);
    text_append(&b->statements, store_text(b, place_of(b, piece->root, at, true), value));
}

static void add_pieces(Wide *w, const Kernel *kernel, const Node *n, int first)
{
    if (n->op == OP_CONCAT && (n == kernel->root || is_recomputed(w->plan->schedule, n))) {
        add_pieces(w, kernel, n->inputs[0], first);
        add_pieces(w, kernel, n->inputs[1], first + n->inputs[0]->type.dims[n->axis]);
        return;
    }
    Kernel copy = *kernel;
    copy.space = n->type;
    Piece piece = {kernel->root, n, first};
    add_nest(w, kernel, print_nest(w->e, w->plan, &copy, !n->type.batch, emit_piece, &piece));
}

static void add_join(Wide *w, const Kernel *kernel)
{
    const Node *n = kernel->root;
    add_edges(w, kernel, n);
    if (n->op == OP_PAD) {
        const Buffer *buffer = plan_buffer(w->plan, n);
        add_pass(w, kernel,
                 arena_printf("memset(AT(%zu), 0, %lld * sizeof(real));", buffer->offset,
                              (long long)buffer_reals(w->plan, buffer)),
                 1, 1);
        Kernel copy = *kernel;
        copy.space = n->inputs[0]->type;
        Piece piece = {n, n->inputs[0], n->start};
        add_nest(w, kernel, print_nest(w->e, w->plan, &copy, !n->type.batch, emit_piece, &piece));
        return;
    }
    add_pieces(w, kernel, n, 0);
}

static int input_number(const Step *step, const Input *input)
{
    for (int k = 0; k < step->input_count; k++)
        if (step->inputs[k] == input)
            return k;
    internal_error("emit: input '%s' of another step", input->name);
}

static const char *shipped_fill(const Plan *p, const Node *n)
{
    const Input *in = n->input;
    size_t place = plan_buffer(p, n)->offset;
    if (strcmp(in->name, "z") == 0)
        return arena_printf("load_latents(tile, AT(%zu));", place);
    return arena_printf("load_noise(tile, AT(%zu), %d, %s, %d, (real)%.17g, (real)%.17g);", place,
                        in->width, in->kind == INPUT_NORMAL ? "DRAW_NORMAL" : "DRAW_UNIFORM",
                        in->stream, in->high > in->low ? in->high - in->low : 1.0, in->low);
}

static void add_fill(Wide *w, const Kernel *kernel)
{
    const Step *step = w->plan->schedule->step;
    if (w->shipped) {
        add_pass(w, kernel, shipped_fill(w->plan, kernel->root), 1, 1);
        return;
    }
    int k = input_number(step, kernel->root->input);
    int batch = w->plan->schedule->graph->batch_size;
    const char *range = arena_printf(w->direct ? "%d, first, live" : "%d, 0, BATCH", batch);
    add_pass(w, kernel,
             arena_printf("fill_wide(s->batch, %d, &%s_inputs[%d], AT(%zu), %s);", k, step->name, k,
                          plan_buffer(w->plan, kernel->root)->offset, range),
             1, 1);
}

static void add_kernel_passes(Wide *w, const Kernel *kernel)
{
    text_add(&w->steps, "    /* k%d  %s */\n", kernel->number, kernel_sentence(w->plan, kernel));
    switch (kernel->kind) {
    case KERNEL_FILL:
        add_fill(w, kernel);
        break;
    case KERNEL_JOIN:
        add_join(w, kernel);
        break;
    case KERNEL_CONTRACT:
    case KERNEL_WEIGHT: {
        WidePass passes[MAX_WIDE_PASSES] = {{0}};
        add_edges(w, kernel, kernel->root);
        for (int i = 0; i < kernel->body_count; i++)
            add_edges(w, kernel, kernel->body[i]);
        int count = emit_contraction(w->e, w->plan, kernel, passes);
        for (int k = 0; k < count; k++) {
            Pass pass = {passes[k].function, passes[k].arguments, passes[k].items, SMALL_PASS};
            bool again = passes[k].strips > 1;
            if (again && (k == 0 || passes[k - 1].strips <= 1))
                text_add(&w->steps, "    for (s->strip = 0; s->strip < %d; s->strip++) {\n",
                         passes[k].strips);
            add_nest(w, kernel, pass);
            if (again && (k + 1 == count || passes[k + 1].strips <= 1))
                text_append(&w->steps, "    }\n");
        }
        break;
    }
    case KERNEL_NEST:
        for (int i = 0; i < kernel->body_count; i++)
            if (w->plan->schedule->stored[kernel->body[i]->id])
                add_edges(w, kernel, kernel->body[i]);
        add_nest(w, kernel, print_nest(w->e, w->plan, kernel, false, emit_nest_body, NULL));
        break;
    }
}

static const char *output_value(const Plan *p, const Node *n)
{
    if (n->op == OP_CONSTANT)
        return number_text(n->value);
    const Buffer *buffer = plan_buffer(p, n);
    if (!buffer)
        internal_error("emit: output of %s has no place", p->schedule->step->name);
    return arena_printf("s->values[%zu]", buffer->offset);
}

void emit_wide_step(Text *out, Emitter *e, const Plan *p)
{
    const Schedule *s = p->schedule;
    const char *name = s->step->name;
    Wide w = {.out = out, .e = e, .plan = p};
    text_add(out, "/* ---------------------------------------------------------------- %s: %s */\n",
             name, s->step->title);
    for (int j = 0; j < s->sections[0].count; j++)
        add_kernel_passes(&w, s->sections[0].kernels[j]);
    text_add(out,
             "struct %s { /* one run of the step */\n    struct state *state;\n    real *values;\n"
             "    real *packed;\n    const Batch *batch;\n    const real *scalars;\n    int pass, "
             "rows, parts, strip;\n"
             "};\n\nstatic void %s_pass(void *context, int part, int thread)\n{\n"
             "    struct %s *s = context;\n"
             "    const int from = (int)((long)s->rows * part / s->parts);\n"
             "    const int to = (int)((long)s->rows * (part + 1) / s->parts);\n"
             "    PROFILE(thread);\n    (void)from, (void)to;\n"
             "    switch (s->pass) {\n%s    }\n    KERNEL(-1);\n}\n\n"
             "SHARED void %s_run(struct %s *s, Pool *pool, int pass, int rows, int parts)\n{\n"
             "    s->pass = pass;\n    s->rows = rows;\n    s->parts = parts;\n"
             "    pool_run(pool, %s_pass, s, parts);\n}\n\n",
             name, name, name, text_of(&w.cases), name, name, name);
    text_add(
        out,
        "void %s(Pool *pool, real *state, void *work, const Batch *batch, const real *scalars,\n"
        "    double *outputs)\n{\n    struct work *const w = work;\n"
        "    struct %s run = {(struct state *)(void *)state, w->values, w->packed, batch, "
        "scalars, 0, 1, 1, 0};\n    struct %s *const s = &run;\n    (void)outputs;\n"
        "#define RUN(pass, rows, parts) %s_run(s, pool, pass, rows, parts)\n"
        "%s#undef RUN\n",
        name, name, name, name, text_of(&w.steps));
    for (int k = 0; k < s->step->output_count; k++)
        text_add(out, "    outputs[%d] = %s; /* %s */\n", k, output_value(p, s->step->outputs[k]),
                 s->step->output_names[k]);
    text_append(out, "}\n\n");
    e->profiled += s->sections[0].count;
}

static int plan_batch(const Plan *p) { return p->schedule->graph->batch_size; }

/* The kernels of one batch size; the clocks are those of the first. */
static void emit_sampler_batch(Text *out, Emitter *e, const Plan *p, bool clocks)
{
    const Schedule *s = p->schedule;
    const Node *rows = s->step->outputs[0];
    int batch = plan_batch(p), numbers = (int)type_size(&rows->type);
    Wide w = {.out = out, .e = e, .plan = p, .direct = true, .silent = !clocks};
    for (int j = 0; j < s->sections[0].count; j++)
        add_kernel_passes(&w, s->sections[0].kernels[j]);
    text_add(out,
             "static void sample_%d(struct sample *s, long first, int live, real *out, int "
             "thread)\n{\n    s->packed = s->values + %zu;\n    PROFILE(thread);\n%s%s"
             "    for (int k = 0; k < live; k++)\n        for (int f = 0; f < %d; f++)\n"
             "            out[(long)k * %d + f] = s->values[%zu + (size_t)f * %d + (size_t)k];\n"
             "}\n\n",
             batch, p->wide_size, text_of(&w.steps), clocks ? "    KERNEL(-1);\n" : "", numbers,
             numbers, plan_buffer(p, rows)->offset, batch);
    if (clocks)
        e->profiled += s->sections[0].count;
}

void emit_wide_sample(Text *out, Emitter *e, const Plan *const plans[], int count)
{
    int numbers = (int)type_size(&plans[0]->schedule->step->outputs[0]->type);
    text_append(out, "struct sample { /* one request */\n    struct generator *generator;\n"
                     "    struct state *state;\n    real *values;\n    real *packed;\n"
                     "    const Batch *batch;\n};\n\n");
    Text choices = {0};
    for (int k = 0; k < count; k++) {
        emit_sampler_batch(out, e, plans[k], k == 0);
        int batch = plan_batch(plans[k]);
        text_add(&choices,
                 "%s            sample_%d(&s, first, rest < %d ? rest : %d, out, "
                 "request->thread), first += %d;\n",
                 count == 1       ? ""
                 : k == 0         ? arena_printf("        if (rest > %d)\n", batch / 2)
                 : k == count - 1 ? "        else\n"
                                  : arena_printf("        else if (rest > %d)\n", batch / 2),
                 batch, batch, batch, batch);
    }
    text_add(out,
             "void sample(const real *generator, const real *state, void *work, const "
             "SampleRequest *request)\n{\n"
             "    Batch batch = {.seed = request->seed, .sample_offset = request->first,\n"
             "        .given = {request->latent, request->condition}};\n"
             "    for (int k = 0; request->given && k < %d; k++)\n"
             "        batch.given[k] = request->given[k];\n"
             "    struct sample s = {(struct generator *)(uintptr_t)generator,\n"
             "        (struct state *)(uintptr_t)state, work, NULL, &batch};\n"
             "    for (int first = 0; first < request->count;) {\n"
             "        const int rest = request->count - first;\n"
             "        real *const out = request->out + (long)first * %d;\n%s    }\n}\n",
             plans[0]->schedule->step->input_count, numbers, text_of(&choices));
}

void emit_wide_shipped(Text *out, Emitter *e, const Plan *p)
{
    const Schedule *s = p->schedule;
    Wide w = {.out = out, .e = e, .plan = p, .direct = true, .silent = true, .shipped = true};
    for (int j = 0; j < s->sections[0].count; j++)
        add_kernel_passes(&w, s->sections[0].kernels[j]);
    text_append(out, text_of(&e->functions));
    text_add(
        out,
        "static void make_images(const Tile *tile)\n{\n%s    store_pixels(tile, AT(%zu));\n}\n",
        text_of(&w.steps), plan_buffer(p, s->step->outputs[0])->offset);
}
