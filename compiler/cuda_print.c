/* cuda_print.c -- one stage as a CUDA kernel.
 *
 * Needs: a stage of cuda_stages.c. An element of a value has one index, `at`: its place in
 * row-major order without the batch axis, an expression of ints. Arrays of the batch are
 * value[at][STRIDE] and are read and written by fours of samples (`quad`), in a loop over lane c
 * that the compiler unrolls; sums over the batch read one sample b at a time. Parameters have names
 * that say nothing of the layer, so that equal kernels have equal text and become one function. */
#include "target_cuda.h"

#include <string.h>

enum {
    BLOCK = 256,
    SLICE_LANES = 32,
    SLICES = 8,
    TILE_DEPTH = 16,
    MULTIPROCESSORS = 132,
    MAX_PARTS = 64,
    MOST_SHARED = 48 << 10
};

typedef struct Known { /* a value in a local, or an int */
    const Node *node;  /* NULL: of an int expression */
    const char *at, *name;
} Known;

typedef struct Printer {
    Emitter *e;
    CudaStep *step;
    Stage *stage;
    bool quad;                 /* statements stand in a loop over lane c of four samples */
    Text prepare;              /* before that loop */
    Text statements;           /* in it */
    Text finish;               /* after it */
    const char *outer, *inner; /* indents of the two */
    Known *known;
    int known_count, known_capacity;
    int reads, writes, locals;
    bool scalars; /* facts are used */
} Printer;

static const char *value(Printer *p, const Node *n, const char *at);

int cuda_row(const Type *type)
{
    int columns = columns_of(type);
    return type->rank > 1 ? (columns + QUAD - 1) / QUAD * QUAD : columns;
}

/* ---------------------------------------------------------------- int expressions */
static bool is_zero(const char *at) { return strcmp(at, "0") == 0; }

/* A name for an expression, so that none grows. */
static const char *named_int(Printer *p, const char *expression)
{
    for (int k = 0; k < p->known_count; k++)
        if (!p->known[k].node && strcmp(p->known[k].at, expression) == 0)
            return p->known[k].name;
    const char *name = arena_printf("i%d", p->locals++);
    text_add(&p->prepare, "%sconst int %s = %s;\n", p->outer, name, expression);
    p->known = arena_grow(p->known, p->known_count, &p->known_capacity, sizeof(Known));
    p->known[p->known_count++] = (Known){NULL, expression, name};
    return name;
}

static const char *divided(Printer *p, const char *at, int64_t by)
{
    if (by == 1 || is_zero(at))
        return at;
    return named_int(p, arena_printf("%s / %lld", at, (long long)by));
}

static const char *modulo(Printer *p, const char *at, int64_t by)
{
    if (by == 1 || is_zero(at))
        return "0";
    return named_int(p, arena_printf("%s %% %lld", at, (long long)by));
}

static const char *plus(Printer *p, const char *at, int64_t term)
{
    if (term == 0)
        return at;
    if (is_zero(at))
        return int_text(term);
    return named_int(p, arena_printf("%s %c %lld", at, term < 0 ? '-' : '+',
                                     (long long)(term < 0 ? -term : term)));
}

/* at * by + more */
static const char *scaled(Printer *p, const char *at, int64_t by, const char *more)
{
    if (is_zero(at) || by == 0)
        return more;
    const char *product = by == 1 ? at : arena_printf("%s * %lld", at, (long long)by);
    return named_int(p, is_zero(more) ? product : arena_printf("%s + %s", product, more));
}

typedef struct Split { /* an index around an axis: (outer * length + middle) * inner_size + inner */
    const char *outer, *middle, *inner;
    int64_t length, inner_size;
} Split;

static Split split(Printer *p, const Type *type, int axis, const char *at)
{
    Split s = {.length = type->dims[axis], .inner_size = 1};
    for (int k = axis + 1; k < type->rank; k++)
        s.inner_size *= type->dims[k];
    bool first = axis == 0;
    s.inner = modulo(p, at, s.inner_size);
    const char *rest = divided(p, at, s.inner_size);
    s.middle = first ? rest : modulo(p, rest, s.length);
    s.outer = first ? "0" : divided(p, rest, s.length);
    return s;
}

static const char *joined(Printer *p, const Split *s, const char *middle, int64_t length)
{
    const char *row = scaled(p, s->outer, length, middle);
    return scaled(p, row, s->inner_size, s->inner);
}

/* ---------------------------------------------------------------- parameters */
static CudaBinding *find_parameter(const Printer *p, const CudaBinding *like)
{
    for (int k = 0; k < p->stage->binding_count; k++) {
        CudaBinding *b = &p->stage->bindings[k];
        if (b->space == like->space && b->tensor == like->tensor && b->node == like->node)
            return b;
    }
    return NULL;
}

static const char *use(Printer *p, CudaBinding binding)
{
    Stage *stage = p->stage;
    CudaBinding *known = find_parameter(p, &binding);
    if (known) {
        known->written |= binding.written;
        return known->name;
    }
    binding.name = binding.written ? arena_printf(p->writes ? "out%d" : "out", p->writes + 1)
                                   : arena_printf("a%d", p->reads + 1);
    *(binding.written ? &p->writes : &p->reads) += 1;
    stage->bindings = arena_grow(stage->bindings, stage->binding_count, &stage->binding_capacity,
                                 sizeof(CudaBinding));
    stage->bindings[stage->binding_count++] = binding;
    return binding.name;
}

static const char *use_tensor(Printer *p, const Tensor *tensor, bool written)
{
    return use(p, (CudaBinding){.space = CUDA_STATE, .tensor = tensor, .written = written});
}

static const char *use_array(Printer *p, const Node *n, bool written)
{
    return use(p, (CudaBinding){.space = CUDA_WORK, .node = n, .written = written});
}

/* The control block and the number of the update: parameters `run` and `update`. */
static void use_run(Printer *p)
{
    int reads = p->reads;
    use(p, (CudaBinding){.space = CUDA_RUN});
    use(p, (CudaBinding){.space = CUDA_UPDATE});
    p->reads = reads;
}

static const char *print_parameters(const Printer *p)
{
    Text t = {0};
    const char *comma = "";
    for (int k = 0; k < p->stage->binding_count; k++) {
        const CudaBinding *b = &p->stage->bindings[k];
        if (b->space == CUDA_RUN)
            text_add(&t, "%sconst CudaRun *run", comma);
        else if (b->space == CUDA_UPDATE)
            text_add(&t, "%sint update", comma);
        else
            text_add(&t, b->written ? "%sreal *%s" : "%sconst real *__restrict__ %s", comma,
                     b->name);
        comma = ", ";
    }
    return text_of(&t);
}

/* ---------------------------------------------------------------- values */
static const char *find_known(const Printer *p, const Node *n, const char *at)
{
    for (int k = p->known_count - 1; k >= 0; k--)
        if (p->known[k].node == n && strcmp(p->known[k].at, at) == 0)
            return p->known[k].name;
    return NULL;
}

static const char *know(Printer *p, const Node *n, const char *at, const char *name)
{
    p->known = arena_grow(p->known, p->known_count, &p->known_capacity, sizeof(Known));
    p->known[p->known_count++] = (Known){n, at, name};
    return name;
}

static const char *keep_number(Printer *p, const Node *n, const char *at, const char *expression)
{
    const char *name = arena_printf("t%d", p->locals++);
    text_add(&p->statements, "%sconst real %s = %s;\n", p->inner, name, expression);
    return know(p, n, at, name);
}

static const char *load_batch(Printer *p, const Node *n, const char *at)
{
    const char *array = use_array(p, n, false);
    const char *row = is_zero(at) ? array : arena_printf("%s + %s * STRIDE", array, at);
    if (!p->quad)
        return keep_number(p, n, at, arena_printf("(%s)[b]", row));
    const char *name = arena_printf("t%d", p->locals++);
    text_add(&p->prepare, "%sreal %s[4];\n%sload_quad(%s, %s + b);\n", p->outer, name, p->outer,
             name, row);
    return know(p, n, at, arena_printf("%s[c]", name));
}

/* The place of an element in rows of `stride` reals. */
static const char *in_rows(Printer *p, const Type *type, int stride, const char *at)
{
    int columns = columns_of(type);
    if (type->rank < 2 || columns == stride)
        return at;
    const char *row = divided(p, at, columns), *column = modulo(p, at, columns);
    return scaled(p, row, stride, column);
}

/* An element of a whole array; of a weight gradient, the sum of its shares. */
static const char *load_array(Printer *p, const Node *n, const char *at)
{
    const char *array = use_array(p, n, false);
    const char *place = in_rows(p, &n->type, cuda_row(&n->type), at);
    int parts = p->step->parts[n->id];
    if (parts < 2)
        return keep_number(p, n, at, arena_printf("%s[%s]", array, place));
    return keep_number(p, n, at,
                       arena_printf("total<%d>(%s + %s, %d)", parts, array, place,
                                    rows_of(&n->type) * cuda_row(&n->type)));
}

static const char *load_scalar(Printer *p, const Node *n)
{
    const Step *step = p->step->schedule->step;
    use_run(p);
    p->scalars = true;
    for (int k = 0; k < step->scalar_count; k++)
        if (strcmp(step->scalars[k].name, n->symbol) == 0)
            return arena_printf("facts->scalars[%d]", k);
    internal_error("cuda: no scalar '%s'", n->symbol);
}

/* A node that this very stage computes at this index. */
static bool is_here(const Printer *p, const Node *n)
{
    for (int k = 0; k < p->stage->count; k++)
        if (p->stage->nodes[k] == n)
            return p->stage->kind == STAGE_ELEMENT || p->stage->kind == STAGE_CONTRACT;
    return false;
}

/* The tables of a map, once in a program. */
static void print_map(Emitter *e, const Resample *map)
{
    const char *name = arena_printf("map%d", map->number);
    Text t = {0};
    if (!e->maps)
        e->maps = arena_alloc((size_t)(e->graph->map_count + 1) * sizeof(bool));
    if (e->maps[map->number])
        return;
    e->maps[map->number] = true;
    text_add(&t, "/* A map from %d to %d places: rows, places, weights. */\n", map->from, map->to);
    text_add(&t, "__device__ const int %s_first[] = {", name);
    for (int k = 0; k <= map->to; k++)
        text_add(&t, "%s%d", k ? ", " : "", map->first[k]);
    text_add(&t, "};\n__device__ const int %s_index[] = {", name);
    for (int k = 0; k < map->first[map->to]; k++)
        text_add(&t, "%s%d", k ? ", " : "", map->index[k]);
    text_add(&t, "};\n__device__ const real %s_weight[] = {", name);
    for (int k = 0; k < map->first[map->to]; k++)
        text_add(&t, "%s%s", k ? ", " : "", number_text(map->weight[k]));
    text_append(&t, "};\n");
    text_append(&e->functions, text_of(&t));
}

static const char *moved(Printer *p, const Node *n, const char *at)
{
    const Node *from = n->inputs[0];
    switch (n->op) {
    case OP_EXPAND: {
        Split s = split(p, &n->type, n->axis, at);
        return value(p, from, scaled(p, s.outer, s.inner_size, s.inner));
    }
    case OP_EXPAND_BATCH:
    case OP_RESHAPE:
        return value(p, from, at);
    case OP_SLICE: {
        Split s = split(p, &n->type, n->axis, at);
        return value(p, from, joined(p, &s, plus(p, s.middle, n->start), from->type.dims[n->axis]));
    }
    case OP_PERMUTE: {
        const char *place = "0";
        int64_t stride[MAX_RANK], size = 1;
        for (int k = from->type.rank - 1; k >= 0; k--) {
            stride[k] = size;
            size *= from->type.dims[k];
        }
        for (int k = 0; k < n->type.rank; k++)
            place = scaled(p, split(p, &n->type, k, at).middle, stride[n->order[k]], place);
        return value(p, from, place);
    }
    case OP_RESAMPLE: { /* a map that only moves: place j is place index[j] */
        if (n->axis == BATCH_AXIS || !resample_moves(n->map))
            internal_error("cuda: a map that adds up inside a kernel");
        Split s = split(p, &n->type, n->axis, at);
        print_map(p->e, n->map);
        const char *from_place =
            named_int(p, arena_printf("map%d_index[%s]", n->map->number, s.middle));
        return value(p, from, joined(p, &s, from_place, n->map->from));
    }
    default:
        internal_error("cuda: %s inside a kernel", op_table[n->op].name);
    }
}

static const char *element(Printer *p, const Node *n, const char *at)
{
    const char *a = value(p, n->inputs[0], at);
    const char *b = op_table[n->op].arity > 1 ? value(p, n->inputs[1], at) : "";
    bool swap = op_table[n->op].commutes && strcmp(a, b) > 0; /* twins have one spelling */
    return swap ? spell(n, "real_", b, a) : spell(n, "real_", a, b);
}

/* The value of an element: a literal, a local, or a short expression of locals. */
static const char *value(Printer *p, const Node *n, const char *at)
{
    const CudaStep *step = p->step;
    at = type_size(&n->type) == 1 ? "0" : at;
    const char *known = find_known(p, n, at);
    if (known)
        return known;
    if (n->op == OP_CONSTANT)
        return number_text(n->value);
    if (n->op == OP_SCALAR)
        return load_scalar(p, n);
    if (n->op == OP_PARAMETER)
        return keep_number(p, n, at,
                           arena_printf("%s[%s]", use_tensor(p, n->tensor, false),
                                        in_rows(p, &n->type, padded(columns_of(&n->type)), at)));
    if (step->stored[n->id] && !is_here(p, n))
        return n->type.batch ? load_batch(p, n, at) : load_array(p, n, at);
    if (op_table[n->op].kind == CLASS_MOVE)
        return moved(p, n, at);
    if (op_table[n->op].kind != CLASS_ELEMENT)
        internal_error("cuda: %s of node %d is not there", op_table[n->op].name, n->id);
    return keep_number(p, n, at, element(p, n, at));
}

/* ---------------------------------------------------------------- what a stage leaves */
/* Keeps four values until they are written together. */
static void keep_quad(Printer *p, const char *array, const char *row, const char *number)
{
    const char *name = arena_printf("kept%d", p->locals++);
    text_add(&p->prepare, "%sreal %s[4];\n", p->outer, name);
    text_add(&p->statements, "%s%s[c] = %s;\n", p->inner, name, number);
    text_add(&p->finish, "%sstore_quad(%s + %s * STRIDE + b, %s, BATCH - b);\n", p->outer, array,
             row, name);
}

static void store_node(Printer *p, const Node *n, const char *at, const char *number)
{
    if (n->op == OP_ASSIGN) {
        const char *place = in_rows(p, &n->type, padded(columns_of(&n->type)), at);
        text_add(&p->finish, "%s%s[%s] = %s;\n", p->outer, use_tensor(p, n->tensor, true), place,
                 number);
    } else if (n->type.batch) {
        keep_quad(p, use_array(p, n, true), at, number);
    } else {
        const char *place = in_rows(p, &n->type, cuda_row(&n->type), at);
        text_add(&p->finish, "%s%s[%s] = %s;\n", p->outer, use_array(p, n, true), place, number);
    }
}

/* Every node of the stage that has an array or is an assignment; the others where they are used. */
static void print_nodes(Printer *p, const char *at)
{
    for (int k = 0; k < p->stage->count; k++) {
        const Node *n = p->stage->nodes[k];
        if (n->op == OP_ASSIGN)
            store_node(p, n, at, value(p, n->inputs[0], at));
        else if (p->step->stored[n->id])
            store_node(p, n, at, value(p, n, at));
    }
}

/* The three texts as one; with `quad` the middle one in its loop. */
static const char *close_quad(const Printer *p)
{
    if (!p->quad)
        return arena_printf("%s%s%s", text_of(&p->prepare), text_of(&p->statements),
                            text_of(&p->finish));
    return arena_printf("%s%sUNROLL\n%sfor (int c = 0; c < 4; c++) {\n%s%s}\n%s",
                        text_of(&p->prepare), p->outer, p->outer, text_of(&p->statements), p->outer,
                        text_of(&p->finish));
}

static const char *facts_text(const Printer *p)
{
    return p->scalars ? "    const CudaFacts *const facts = facts_of(run, update);\n" : "";
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* How often a name stands in a text. */
static int count_name(const char *text, const char *name)
{
    int count = 0;
    size_t length = strlen(name);
    for (const char *at = text; (at = strstr(at, name)) != NULL; at += length)
        count += (at == text || !is_letter(at[-1])) && !is_letter(at[length]);
    return count;
}

/* The text without the ints that nothing uses: an index is split as a whole, not all of it needed.
 */
static const char *prune_ints(const char *text)
{
    static const char mark[] = "const int i";
    for (const char *at = text; (at = strstr(at, mark)) != NULL; at++) {
        const char *name = at + strlen(mark) - 1, *begin = at, *end = at + strcspn(at, "\n");
        size_t length = 1 + strspn(name + 1, "0123456789");
        if (length < 2 || name[length] != ' ' || count_name(text, arena_copy(name, length)) > 1)
            continue;
        while (begin > text && begin[-1] == ' ')
            begin--;
        at = text = arena_printf("%.*s%s", (int)(begin - text), text, *end ? end + 1 : end);
    }
    return text;
}

/* A kernel under the sentence of its first use, unless one of equal text is there. */
static void add_kernel(Printer *p, const char *wish, const char *text)
{
    Text before = p->e->functions;
    int known = p->e->known_count;
    p->e->functions = (Text){0};
    p->stage->function = add_function(p->e, wish, text);
    if (p->e->known_count > known)
        text_add(&before, "/* %s */\n%s", p->stage->sentence, text_of(&p->e->functions));
    p->e->functions = before;
}

static void finish_kernel(Printer *p, const char *wish, const char *body)
{
    const char *text =
        arena_printf("KERNEL __launch_bounds__(%d) %s(%s)\n{\n%s%s}\n", p->stage->block,
                     PLACE_OF_NAME, print_parameters(p), facts_text(p), body);
    add_kernel(p, wish, prune_ints(text));
}

static void set_launch(Stage *stage, int64_t x, int64_t y, int64_t z, int block)
{
    if (x > 2147483647 || y > 65535 || z > 65535)
        internal_error("cuda: a grid of %lld x %lld x %lld", (long long)x, (long long)y,
                       (long long)z);
    stage->grid[0] = (int)x;
    stage->grid[1] = (int)y;
    stage->grid[2] = (int)z;
    stage->block = block;
}

static int64_t blocks_of(int64_t items, int64_t size) { return (items + size - 1) / size; }

/* ---------------------------------------------------------------- element-wise stages */
/* Threads over elements of the batch, four samples each; the text gives f and b. */
static const char *batch_threads(Printer *p)
{
    int64_t features = type_size(&p->stage->space), quads = p->step->stride / QUAD;
    if (features * p->step->stride > 2147483647)
        internal_error("cuda: a value of more than 2^31 numbers");
    set_launch(p->stage, blocks_of(features * quads, BLOCK), 1, 1, BLOCK);
    return arena_printf("    const int item = (int)(blockIdx.x * %d + threadIdx.x);\n"
                        "    const int f = item / %lld, b = item %% %lld * 4;\n"
                        "    if (f >= %lld)\n        return;\n",
                        BLOCK, (long long)quads, (long long)quads, (long long)features);
}

static const char *array_threads(Printer *p)
{
    int64_t size = type_size(&p->stage->space);
    set_launch(p->stage, blocks_of(size, BLOCK), 1, 1, BLOCK);
    return arena_printf("    const int f = (int)(blockIdx.x * %d + threadIdx.x);\n"
                        "    if (f >= %lld)\n        return;\n",
                        BLOCK, (long long)size);
}

static void print_element(Printer *p)
{
    const char *threads = p->quad ? batch_threads(p) : array_threads(p);
    p->outer = "    ";
    p->inner = p->quad ? "        " : "    ";
    print_nodes(p, type_size(&p->stage->space) == 1 ? "0" : "f");
    if (!p->stage->binding_count) /* all of it is computed again where it is used */
        return;
    const char *wish =
        arena_printf(p->quad ? "rows_%lld" : "array_%lld", (long long)type_size(&p->stage->space));
    finish_kernel(p, wish, arena_printf("%s%s", threads, close_quad(p)));
}

/* ---------------------------------------------------------------- pieces one after the other */
/* The value of a CONCAT or PAD at an index: branches, each with its own values. */
static void print_pieces(Printer *p, const Node *n, const char *at, const char *place,
                         const char *indent, Text *out)
{
    bool joins = n == p->stage->root || is_recomputed(p->step->schedule, n);
    p->prepare = p->statements = p->finish = (Text){0};
    p->known_count = 0;
    p->outer = arena_printf("%s    ", indent);
    if (joins && n->op == OP_CONCAT) {
        Split s = split(p, &n->type, n->axis, at);
        int first = n->inputs[0]->type.dims[n->axis], second = n->inputs[1]->type.dims[n->axis];
        const char *left = joined(p, &s, s.middle, first);
        const char *right = joined(p, &s, plus(p, s.middle, -first), second);
        text_add(out, "%s%s    if (%s < %d) {\n", text_of(&p->prepare), indent, s.middle, first);
        print_pieces(p, n->inputs[0], left, place, p->outer, out);
        text_add(out, "%s    } else {\n", indent);
        print_pieces(p, n->inputs[1], right, place, arena_printf("%s    ", indent), out);
        text_add(out, "%s    }\n", indent);
        return;
    }
    const char *number = NULL;
    if (joins && n->op == OP_PAD) {
        Split s = split(p, &n->type, n->axis, at);
        int length = n->inputs[0]->type.dims[n->axis];
        const char *inside = joined(p, &s, plus(p, s.middle, -n->start), length);
        text_add(out, "%s%s    if (%s >= %d && %s < %d) {\n", text_of(&p->prepare), indent,
                 s.middle, n->start, s.middle, n->start + length);
        print_pieces(p, n->inputs[0], inside, place, p->outer, out);
        text_add(out, "%s    } else {\n", indent);
        p->prepare = p->statements = p->finish = (Text){0};
        p->known_count = 0;
        p->outer = arena_printf("%s        ", indent);
        number = "0";
    }
    p->inner = p->quad ? arena_printf("%s    ", p->outer) : p->outer;
    store_node(p, p->stage->root, place, number ? number : value(p, n, at));
    text_append(out, close_quad(p));
    if (number)
        text_add(out, "%s    }\n", indent);
}

static void print_join(Printer *p)
{
    Text body = {0};
    text_append(&body, p->quad ? batch_threads(p) : array_threads(p));
    print_pieces(p, p->stage->root, "f", "f", "", &body);
    finish_kernel(p, arena_printf("join_%lld", (long long)type_size(&p->stage->space)),
                  text_of(&body));
}

/* ---------------------------------------------------------------- a linear map along an axis */
/* One thread an element: in the batch one sample, as a map may go over samples. */
static void print_resample(Printer *p)
{
    const Node *n = p->stage->root;
    bool batch = n->type.batch;
    int64_t size = type_size(&n->type);
    const char *map = arena_printf("map%d", n->map->number);
    print_map(p->e, n->map);
    p->quad = false;
    p->outer = "    ";
    p->inner = "        ";
    set_launch(p->stage, blocks_of(size * (batch ? p->step->stride : 1), BLOCK), 1, 1, BLOCK);
    Text t = {0};
    text_add(&t, "    const int item = (int)(blockIdx.x * %d + threadIdx.x);\n", BLOCK);
    if (batch)
        text_add(&t,
                 "    const int f = item / STRIDE, sample = item %% STRIDE;\n"
                 "    if (f >= %lld || sample >= BATCH)\n        return;\n",
                 (long long)size);
    else
        text_add(&t, "    const int f = item;\n    if (f >= %lld)\n        return;\n",
                 (long long)size);
    const char *at = "f", *to = "sample";
    if (n->axis != BATCH_AXIS) {
        Split s = split(p, &n->type, n->axis, "f");
        to = s.middle;
        const char *row = scaled(p, s.outer, n->map->from, "0");
        text_append(&t, text_of(&p->prepare));
        p->prepare = (Text){0};
        at = arena_printf("(%s + index) * %lld + %s", row, (long long)s.inner_size, s.inner);
    } else {
        p->prepare = (Text){0};
    }
    text_add(&t,
             "    real sum = 0;\n    for (int e = %s_first[%s]; e < %s_first[%s + 1]; e++) {\n"
             "        const int index = %s_index[e];\n",
             map, to, map, to, map);
    if (batch)
        text_add(&t, "        const int b = %s;\n", n->axis == BATCH_AXIS ? "index" : "sample");
    p->outer = "        ";
    p->known_count = 0;
    const char *number = value(p, n->inputs[0], named_int(p, at));
    text_add(&t, "%s%s        sum = fused(%s_weight[e], %s, sum);\n    }\n", text_of(&p->prepare),
             text_of(&p->statements), map, number);
    p->prepare = (Text){0};
    p->known_count = 0;
    p->outer = "    ";
    const char *out = use_array(p, n, true);
    const char *place =
        batch ? "f * STRIDE + sample" : in_rows(p, &n->type, cuda_row(&n->type), "f");
    text_add(&t, "%s    %s[%s] = sum;\n", text_of(&p->prepare), out, place);
    finish_kernel(p, arena_printf("resample_%lld", (long long)size), text_of(&t));
}

/* ---------------------------------------------------------------- reductions */
static const char *join_of(const Node *n) { return n->op == OP_MAXIMUM_OF ? "Maximum" : "Sum"; }

/* "sum0 = Sum::join(sum0, value)" for every reduction of the stage, at an index. */
static void print_joins(Printer *p, const char *at)
{
    for (int k = 0; k < p->stage->count; k++) {
        const Node *n = p->stage->nodes[k];
        const char *number = value(p, n->inputs[0], at);
        text_add(&p->statements, "%ssum%d = %s::join(sum%d, %s);\n", p->inner, k, join_of(n), k,
                 number);
    }
}

static void print_starts(const Printer *p, Text *t)
{
    for (int k = 0; k < p->stage->count; k++)
        text_add(t, "    real sum%d = %s::start();\n", k, join_of(p->stage->nodes[k]));
}

/* A block sums up a feature's samples. */
static void print_sum_batch(Printer *p)
{
    Stage *stage = p->stage;
    int batch = p->step->schedule->graph->batch_size, block = BLOCK;
    int64_t features = type_size(&stage->space);
    while (block > 32 && block / 2 >= batch)
        block /= 2;
    set_launch(stage, features, 1, 1, block);
    p->quad = false;
    p->outer = p->inner = "        ";
    Text t = {0};
    text_append(&t, "    const int f = (int)blockIdx.x;\n");
    print_starts(p, &t);
    print_joins(p, features == 1 ? "0" : "f");
    text_add(&t, "    for (int b = (int)threadIdx.x; b < BATCH; b += %d) {\n%s%s    }\n", block,
             text_of(&p->prepare), text_of(&p->statements));
    p->prepare = (Text){0};
    p->known_count = 0;
    p->outer = "        ";
    for (int k = 0; k < stage->count; k++) {
        const Node *n = stage->nodes[k];
        const char *out = use_array(p, n, true);
        text_add(&t, "    sum%d = join_block<Sum, %d>(sum%d);\n", k, block, k);
        const char *place = in_rows(p, &n->type, cuda_row(&n->type), "f");
        text_add(&t, "    if (threadIdx.x == 0) {\n%s        %s[%s] = ", text_of(&p->prepare), out,
                 place);
        text_add(&t, "sum%d;\n    }\n", k);
        p->prepare = (Text){0};
        p->known_count = 0;
    }
    finish_kernel(p, arena_printf("batch_sum_%lld", (long long)features), text_of(&t));
}

/* The index of the space for result r and place e of the axis. */
static const char *along_axis(Printer *p, const Node *n, const char *r, const char *e)
{
    const Type *space = &n->inputs[0]->type;
    int64_t inner = 1;
    for (int k = n->axis + 1; k < space->rank; k++)
        inner *= space->dims[k];
    Split s = {.inner_size = inner, .length = space->dims[n->axis]};
    s.inner = modulo(p, r, inner);
    s.outer = n->axis == 0 ? "0" : divided(p, r, inner);
    return joined(p, &s, e, s.length);
}

/* Sums along an axis of each sample: 32 samples a block, 8 threads share the axis. */
static void print_reduce_batch(Printer *p)
{
    Stage *stage = p->stage;
    const Node *first = stage->nodes[0];
    int extent = first->inputs[0]->type.dims[first->axis];
    int64_t results = type_size(&first->type);
    if (results > 65535)
        set_launch(stage, results, blocks_of(p->step->stride, SLICE_LANES), 1, BLOCK);
    else
        set_launch(stage, blocks_of(p->step->stride, SLICE_LANES), results, 1, BLOCK);
    const char *lane_block = results > 65535 ? "y" : "x",
               *result_block = results > 65535 ? "x" : "y";
    p->quad = false;
    p->outer = p->inner = "        ";
    Text t = {0};
    text_add(
        &t,
        "    const int b = (int)(blockIdx.%s * %d + threadIdx.x %% %d), r = (int)blockIdx.%s;\n",
        lane_block, SLICE_LANES, SLICE_LANES, result_block);
    print_starts(p, &t);
    print_joins(p, along_axis(p, first, results == 1 ? "0" : "r", "e"));
    text_add(&t,
             "    for (int e = (int)threadIdx.x / %d; e < %d && b < BATCH; e += %d) {\n%s%s    }\n",
             SLICE_LANES, extent, SLICES, text_of(&p->prepare), text_of(&p->statements));
    for (int k = 0; k < stage->count; k++) {
        const Node *n = stage->nodes[k];
        text_add(&t,
                 "    sum%d = join_slices<%s>(sum%d);\n    if (threadIdx.x < %d && b < BATCH)\n"
                 "        %s[r * STRIDE + b] = sum%d;\n",
                 k, join_of(n), k, SLICE_LANES, use_array(p, n, true), k);
    }
    finish_kernel(p, arena_printf("sum_%d", extent), text_of(&t));
}

/* Sums along an axis of a whole array: a block a result. */
static void print_reduce_array(Printer *p)
{
    Stage *stage = p->stage;
    const Node *first = stage->nodes[0];
    int extent = first->inputs[0]->type.dims[first->axis], block = BLOCK;
    int64_t results = type_size(&first->type);
    while (block > 32 && block / 2 >= extent)
        block /= 2;
    set_launch(stage, results, 1, 1, block);
    p->quad = false;
    p->outer = p->inner = "        ";
    Text t = {0};
    text_append(&t, "    const int r = (int)blockIdx.x;\n");
    print_starts(p, &t);
    print_joins(p, along_axis(p, first, results == 1 ? "0" : "r", "e"));
    text_add(&t, "    for (int e = (int)threadIdx.x; e < %d; e += %d) {\n%s%s    }\n", extent,
             block, text_of(&p->prepare), text_of(&p->statements));
    for (int k = 0; k < stage->count; k++) {
        const Node *n = stage->nodes[k];
        p->prepare = (Text){0};
        p->known_count = 0;
        const char *place = in_rows(p, &n->type, cuda_row(&n->type), "r");
        text_add(&t,
                 "    sum%d = join_block<%s, %d>(sum%d);\n    if (threadIdx.x == 0) {\n%s"
                 "        %s[%s] = sum%d;\n    }\n",
                 k, join_of(n), block, k, text_of(&p->prepare), use_array(p, n, true), place, k);
    }
    finish_kernel(p, arena_printf("array_sum_%d", extent), text_of(&t));
}

/* ---------------------------------------------------------------- contractions */
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
 * it is read: by twos of rows that two lanes share, and of columns that four do. */
static double product_cost(const Emitter *e, const Tile *t)
{
    double sums = t->rows * t->columns;
    if (e->options->tensor == TENSOR_NONE)
        return sums + (t->rows + t->columns) / 4.0;
    return sums / (e->options->tensor == TENSOR_BF16 ? 16 : 8) +
           3 * (t->rows + t->columns / 2.0) / 8;
}

/* The time of a product, in instructions that a thread issues: for each step of the sum its
 * multiply-adds, reads of shared memory, its share of the copies and of the loop; over full waves
 * of blocks, 512 threads on a multiprocessor, and 40 steps to start and end. A share of a cut sum
 * is written and read again: 8 bytes at 2.5 TB/s are 0.0014 instructions (docs/cuda.md). */
static double tile_cost(const Emitter *e, const Shape *s, const Tile *t)
{
    int64_t height = t->threads / 16 * t->rows, width = 16 * t->columns;
    int64_t blocks = blocks_of(s->rows, height) * blocks_of(s->columns, width) * t->parts;
    double slots = MULTIPROCESSORS * (512.0 / t->threads);
    double waves = (double)((int64_t)((double)blocks / slots) + 1);
    double step = product_cost(e, t) + 6.0 * (double)(height + width) / t->threads + 4;
    double shares = t->parts > 1 ? 0.0014 * (double)(s->rows * s->columns) * t->parts : 0;
    return waves * step * ((double)t->part + 40) + shares;
}

static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* Shared memory of the two templates, in bytes: see runtime/cuda_device.h. */
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
 * that gains 5 %; with `cut` the sum is cut into parts where there are few blocks. */
static Tile choose_tile(const Emitter *e, const Shape *s, bool cut)
{
    int largest = e->options->f64 ? 4 : 8, most = 0;
    Tile best = {0};
    double least = 0;
    for (int columns = largest; columns >= (cut ? 1 : 4); columns = cut ? columns - 1 : columns / 2)
        for (int rows = largest; rows >= 1; rows = cut ? rows - 1 : rows / 2)
            for (int threads = 256; threads >= 64; threads -= 32)
                for (int parts = 1; parts <= (cut ? MAX_PARTS : 1); parts++) {
                    int64_t part = round_up(blocks_of(s->steps, parts), TILE_DEPTH);
                    Tile t = {rows, columns, threads, (int)part, (int)blocks_of(s->steps, part)};
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

/* A stored operand: an array of the batch, a parameter, or a whole array; *stride: of its rows. */
static const char *operand(Printer *p, const Node *n, int *stride)
{
    *stride = n->op == OP_PARAMETER ? padded(columns_of(&n->type)) : cuda_row(&n->type);
    if (n->op == OP_PARAMETER)
        return use_tensor(p, n->tensor, false);
    if (!p->step->stored[n->id] || p->step->parts[n->id] > 1)
        internal_error("cuda: operand %s of a contraction without an array (%d shares)",
                       op_table[n->op].name, p->step->parts[n->id]);
    return use_array(p, n, false);
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

/* The same for y: channel o, place `rc` of x. */
static const char *find_y(const Convolution *c, const char *y)
{
    return arena_printf(
        "const int row = rc / %d + %d - kl / %d, column = rc %% %d + %d - kl %% %d;\n"
        "                return row >= 0 && row %% %d == 0 && row / %d < %d &&\n"
        "                               column >= 0 && column %% %d == 0 && column / %d < %d\n"
        "                           ? %s + ((o * %d + row / %d) * %d + column / %d) * STRIDE + b\n"
        "                           : (const real *)NULL;",
        c->x->dims[2], c->window.before[0], c->w->dims[1], c->x->dims[2], c->window.before[1],
        c->w->dims[1], c->window.stride[0], c->window.stride[0], c->y->dims[1], c->window.stride[1],
        c->window.stride[1], c->y->dims[2], y, c->y->dims[1], c->window.stride[0], c->y->dims[2],
        c->window.stride[1]);
}

typedef struct Product { /* what a contraction looks like as a tiled product */
    Shape shape;
    const char *left, *right; /* the statements that fetch a tile */
    int places;               /* columns are [places][STRIDE]; 1: samples alone */
} Product;

static const char *fetch_rows(const char *side, const char *size, const char *from, int stride,
                              const char *first)
{
    return arena_printf("copy_rows<%s, THREADS, FULL>(%s[stage], %s, %d, k, to, %s);", size, side,
                        from, stride, first);
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
static Product linear_product(Printer *p, const Node *n)
{
    int stride = 0, none = 0;
    const Node *from = n->inputs[0];
    const char *w = operand(p, n->inputs[1], &stride), *x = operand(p, from, &none);
    Product r = {.places = 1};
    r.shape = (Shape){n->type.dims[0], p->step->stride, from->type.dims[0]};
    r.right = fetch_rows("right", "WIDTH", x, p->step->stride, "n0");
    r.left = n->op == OP_CONTRACT_X
                 ? fetch_rows("left", "HEIGHT", w, stride, "m0")
                 : fetch_found(
                       "left", "HEIGHT", w, "m0", "copy_found",
                       arena_printf(
                           "return ROWS_FULL || n < ROWS ? %s + n * %d + k : (const real *)NULL;",
                           w, stride));
    return r;
}

static Product convolution_product(Printer *p, const Node *n)
{
    Convolution c = convolution_of(n);
    int stride = 0, none = 0;
    const char *w = operand(p, n->inputs[1], &stride), *x = operand(p, n->inputs[0], &none);
    int filter = c.w->dims[0] * c.w->dims[1], in = c.w->dims[2], out = c.w->dims[3];
    Product r = {.places = n->type.dims[1] * n->type.dims[2]};
    bool forward = n->op == OP_CONV_Y;
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
    const char *y = operand(p, n->inputs[0], &none), *x = operand(p, n->inputs[1], &none);
    Product r = {.places = 1};
    if (!is_convolution(n)) {
        r.shape = (Shape){n->type.dims[0], n->type.dims[1], stride};
        const char *find = "return %s_FULL || n < %s ? %s + n * %d + k : (const real *)NULL;";
        r.left = fetch_found("left", "HEIGHT", y, "m0", "copy_along",
                             arena_printf(find, "ROWS", "ROWS", y, stride));
        r.right = fetch_found("right", "WIDTH", x, "n0", "copy_along",
                              arena_printf(find, "COLUMNS", "COLUMNS", x, stride));
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
    set_launch(p->stage, blocks_of(r->shape.columns, width) * blocks_of(r->shape.rows, height), 1,
               t->parts, t->threads);
}

static void print_product(Printer *p, const Product *r, const Tile *t, const char *wish,
                          const char *epilogue)
{
    set_product_launch(p, r, t);
    Hole holes[] = {{"threads", int_text(t->threads)},
                    {"name", PLACE_OF_NAME},
                    {"parameters", print_parameters(p)},
                    {"rows", int_text(r->shape.rows)},
                    {"columns", int_text(r->shape.columns)},
                    {"steps", int_text(r->shape.steps)},
                    {"part", int_text(t->part)},
                    {"tile_rows", int_text(t->rows)},
                    {"tile_columns", int_text(t->columns)},
                    {"prepare", facts_text(p)},
                    {"fetch_left", r->left},
                    {"fetch_right", r->right},
                    {"epilogue", epilogue}};
    const char *text = prune_ints(template_fill("cuda_contract.cu", holes, 13));
    add_kernel(p, wish, text);
}

static void print_contract(Printer *p)
{
    const Node *n = p->stage->root;
    bool convolution = is_convolution(n);
    Product r = convolution ? convolution_product(p, n) : linear_product(p, n);
    Tile t = choose_tile(p->e, &r.shape, false);
    p->outer = "                ";
    p->inner = "                    ";
    const char *at = "f";
    if (r.places > 1) {
        text_add(&p->prepare, "%sconst int b = n %% STRIDE, f_%d = f * %d + n / STRIDE;\n",
                 p->outer, r.places, r.places);
        at = arena_printf("f_%d", r.places);
    } else {
        text_add(&p->prepare, "%sconst int b = n;\n", p->outer);
    }
    at = type_size(&n->type) == 1 ? "0" : at;
    know(p, n, at, "product[c]");
    if (p->step->stored[n->id])
        store_node(p, n, at, "product[c]");
    print_nodes(p, at);
    const char *wish =
        arena_printf(convolution ? n->op == OP_CONV_Y ? "conv_%lldx%lld" : "conv_back_%lldx%lld"
                     : n->op == OP_CONTRACT_Y ? "linear_%lldx%lld"
                                              : "back_%lldx%lld",
                     (long long)r.shape.rows, (long long)r.shape.steps);
    print_product(p, &r, &t, wish, close_quad(p));
}

static void print_weight(Printer *p)
{
    const Node *n = p->stage->root;
    Product r = weight_product(p, n);
    Tile t = choose_tile(p->e, &r.shape, true);
    p->step->parts[n->id] = t.parts;
    const char *out = use_array(p, n, true);
    set_product_launch(p, &r, &t);
    Hole holes[] = {{"threads", int_text(t.threads)},
                    {"name", PLACE_OF_NAME},
                    {"parameters", print_parameters(p)},
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
    add_kernel(p, wish, template_fill("cuda_weight.cu", holes, 13));
}

/* ---------------------------------------------------------------- inputs and outputs */
static int input_index(const Step *step, const Input *input)
{
    for (int k = 0; k < step->input_count; k++)
        if (step->inputs[k] == input)
            return k;
    internal_error("cuda: input '%s' of another step", input->name);
}

static void print_fill(Printer *p)
{
    const Node *n = p->stage->root;
    const Input *in = n->input;
    int index = input_index(p->step->schedule->step, in),
        batch = p->step->schedule->graph->batch_size;
    bool data = in->kind == INPUT_DATA;
    int draws = p->e->options->f64 ? 2 : 4;
    use_run(p);
    const char *out = use_array(p, n, true);
    set_launch(p->stage, data ? blocks_of(batch, 128) : blocks_of(in->width, draws),
               data ? 1 : blocks_of(batch, 128), 1, 128);
    const char *body =
        data ? arena_printf(
                   "    fill_data<%d, BATCH, STRIDE>(run, facts_of(run, update), %d, %s);\n",
                   in->width, index, out)
             : arena_printf("    fill_draws<%d, BATCH, STRIDE, %s>(facts_of(run, update), %d, %d, "
                            "%s, %s, %s);\n",
                            in->width, in->kind == INPUT_NORMAL ? "DRAW_NORMAL" : "DRAW_UNIFORM",
                            index, in->stream, number_text(in->low),
                            number_text(in->high - in->low), out);
    finish_kernel(p, arena_printf("fill_%d", in->width), body);
}

static void print_report(Printer *p)
{
    const Step *step = p->step->schedule->step;
    use_run(p);
    set_launch(p->stage, 1, 1, 1, 1);
    p->outer = p->inner = "    ";
    for (int k = 0; k < step->output_count; k++) {
        const char *number = value(p, step->outputs[k], "0");
        text_add(&p->finish, "    outputs[%d] = %s;\n", k, number);
    }
    const char *body = arena_printf("    double *const outputs =\n"
                                    "        run->outputs + (size_t)(run->slot * run->updates + "
                                    "(unsigned)update) * CUDA_OUTPUTS;\n%s",
                                    close_quad(p));
    finish_kernel(p, arena_printf("report_%s", step->name), body);
}

/* ---------------------------------------------------------------- sentences for people */
static const char *describe_stage(const Stage *stage, const Step *step)
{
    static const char *const words[] = {[STAGE_FILL] = "input",
                                        [STAGE_ELEMENT] = "element-wise",
                                        [STAGE_JOIN] = "pieces",
                                        [STAGE_RESAMPLE] = "map along an axis",
                                        [STAGE_CONTRACT] = "product",
                                        [STAGE_WEIGHT] = "weight gradient",
                                        [STAGE_REDUCE] = "sum",
                                        [STAGE_SUM_BATCH] = "sum over the batch",
                                        [STAGE_REPORT] = "what is reported"};
    const Node *n = stage->root;
    const char *name = n && n->name ? n->name : "";
    for (int k = 0; k < stage->count; k++) {
        const Node *last = stage->nodes[k];
        if (last->op == OP_ASSIGN)
            return arena_printf("%s new %s", step->name, last->tensor->name);
        name = last->name ? last->name : name;
    }
    const Node *w = stage->kind == STAGE_CONTRACT ? n->inputs[1] : NULL;
    const char *through = w && w->name ? arena_printf(" of %s", w->name) : "";
    return arena_printf("%s %s%s%s%s", step->name, words[stage->kind], through, *name ? ": " : "",
                        name);
}

void cuda_print(Emitter *e, CudaStep *step, Stage *stage)
{
    Printer *p = arena_alloc(sizeof *p);
    *p = (Printer){.e = e, .step = step, .stage = stage, .quad = stage->batch};
    stage->sentence = describe_stage(stage, step->schedule->step);
    switch (stage->kind) {
    case STAGE_FILL:
        print_fill(p);
        break;
    case STAGE_ELEMENT:
        print_element(p);
        break;
    case STAGE_JOIN:
        print_join(p);
        break;
    case STAGE_RESAMPLE:
        print_resample(p);
        break;
    case STAGE_CONTRACT:
        print_contract(p);
        break;
    case STAGE_WEIGHT:
        print_weight(p);
        break;
    case STAGE_REDUCE:
        stage->batch ? print_reduce_batch(p) : print_reduce_array(p);
        break;
    case STAGE_SUM_BATCH:
        print_sum_batch(p);
        break;
    case STAGE_REPORT:
        print_report(p);
        break;
    }
}
