/* cuda_value.c -- what kernels of the CUDA target are made of: expressions of an element, a
 * kernel's parameters, what it leaves.
 *
 * An element of a value has one index, `at`: its place in row-major order without the batch axis,
 * an expression of ints. Arrays of the batch are value[at][STRIDE] and are read and written by
 * fours of samples (`quad`), in a loop over lane c that the compiler unrolls; sums over the batch
 * read one sample b at a time. Parameters have names that say nothing of the layer, so that equal
 * kernels have equal text and become one function. */
#include "cuda_printer.h"

#include <string.h>

int cuda_row(const Type *type)
{
    int columns = columns_of(type);
    return type->rank > 1 ? (columns + QUAD - 1) / QUAD * QUAD : columns;
}

/* ---------------------------------------------------------------- int expressions */
static bool is_zero(const char *at) { return strcmp(at, "0") == 0; }

/* A name for an expression, so that none grows. */
const char *cuda_named_int(Printer *p, const char *expression)
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

const char *cuda_divided(Printer *p, const char *at, int64_t by)
{
    if (by == 1 || is_zero(at))
        return at;
    return cuda_named_int(p, arena_printf("%s / %lld", at, (long long)by));
}

const char *cuda_modulo(Printer *p, const char *at, int64_t by)
{
    if (by == 1 || is_zero(at))
        return "0";
    return cuda_named_int(p, arena_printf("%s %% %lld", at, (long long)by));
}

const char *cuda_plus(Printer *p, const char *at, int64_t term)
{
    if (term == 0)
        return at;
    if (is_zero(at))
        return int_text(term);
    return cuda_named_int(p, arena_printf("%s %c %lld", at, term < 0 ? '-' : '+',
                                          (long long)(term < 0 ? -term : term)));
}

/* at * by + more */
const char *cuda_scaled(Printer *p, const char *at, int64_t by, const char *more)
{
    if (is_zero(at) || by == 0)
        return more;
    const char *product = by == 1 ? at : arena_printf("%s * %lld", at, (long long)by);
    return cuda_named_int(p, is_zero(more) ? product : arena_printf("%s + %s", product, more));
}

Split cuda_split(Printer *p, const Type *type, int axis, const char *at)
{
    Split s = {.length = type->dims[axis], .inner_size = 1};
    for (int k = axis + 1; k < type->rank; k++)
        s.inner_size *= type->dims[k];
    bool first = axis == 0;
    s.inner = cuda_modulo(p, at, s.inner_size);
    const char *rest = cuda_divided(p, at, s.inner_size);
    s.middle = first ? rest : cuda_modulo(p, rest, s.length);
    s.outer = first ? "0" : cuda_divided(p, rest, s.length);
    return s;
}

const char *cuda_joined(Printer *p, const Split *s, const char *middle, int64_t length)
{
    const char *row = cuda_scaled(p, s->outer, length, middle);
    return cuda_scaled(p, row, s->inner_size, s->inner);
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

const char *cuda_use_tensor(Printer *p, const Tensor *tensor, bool written)
{
    return use(p, (CudaBinding){.space = CUDA_STATE, .tensor = tensor, .written = written});
}

const char *cuda_use_array(Printer *p, const Node *n, bool written)
{
    return use(p, (CudaBinding){.space = CUDA_WORK, .node = n, .written = written});
}

/* The control block and the number of the update: parameters `run` and `update`. */
void cuda_use_run(Printer *p)
{
    int reads = p->reads;
    use(p, (CudaBinding){.space = CUDA_RUN});
    if (!p->e->call)
        use(p, (CudaBinding){.space = CUDA_UPDATE});
    p->reads = reads;
}

const char *cuda_print_parameters(const Printer *p)
{
    Text t = {0};
    const char *comma = "";
    for (int k = 0; k < p->stage->binding_count; k++) {
        const CudaBinding *b = &p->stage->bindings[k];
        if (b->space == CUDA_RUN)
            text_add(&t, p->e->call ? "%sconst SamplerCall call" : "%sconst CudaRun *run", comma);
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

const char *cuda_know(Printer *p, const Node *n, const char *at, const char *name)
{
    p->known = arena_grow(p->known, p->known_count, &p->known_capacity, sizeof(Known));
    p->known[p->known_count++] = (Known){n, at, name};
    return name;
}

static const char *keep_number(Printer *p, const Node *n, const char *at, const char *expression)
{
    const char *name = arena_printf("t%d", p->locals++);
    text_add(&p->statements, "%sconst real %s = %s;\n", p->inner, name, expression);
    return cuda_know(p, n, at, name);
}

static const char *load_batch(Printer *p, const Node *n, const char *at)
{
    const char *array = cuda_use_array(p, n, false);
    const char *row = is_zero(at) ? array : arena_printf("%s + %s * STRIDE", array, at);
    if (!p->quad)
        return keep_number(p, n, at, arena_printf("(%s)[b]", row));
    const char *name = arena_printf("t%d", p->locals++);
    text_add(&p->prepare, "%sreal %s[4];\n%sload_quad(%s, %s + b);\n", p->outer, name, p->outer,
             name, row);
    return cuda_know(p, n, at, arena_printf("%s[c]", name));
}

/* The place of an element in rows of `stride` reals. */
const char *cuda_in_rows(Printer *p, const Type *type, int stride, const char *at)
{
    int columns = columns_of(type);
    if (type->rank < 2 || columns == stride)
        return at;
    const char *row = cuda_divided(p, at, columns), *column = cuda_modulo(p, at, columns);
    return cuda_scaled(p, row, stride, column);
}

/* An element of a whole array; of a weight gradient, the sum of its shares. */
static const char *load_array(Printer *p, const Node *n, const char *at)
{
    const char *array = cuda_use_array(p, n, false);
    const char *place = cuda_in_rows(p, &n->type, cuda_row(&n->type), at);
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
    cuda_use_run(p);
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
            return p->stage->kind == STAGE_ELEMENT || p->stage->kind == STAGE_CONTRACT ||
                   p->stage->kind == STAGE_CHAIN;
    return false;
}

/* The tables of a map, once in a program. */
void cuda_print_map(Emitter *e, const Resample *map)
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
        Split s = cuda_split(p, &n->type, n->axis, at);
        return cuda_value(p, from, cuda_scaled(p, s.outer, s.inner_size, s.inner));
    }
    case OP_EXPAND_BATCH:
    case OP_RESHAPE:
        return cuda_value(p, from, at);
    case OP_SLICE: {
        Split s = cuda_split(p, &n->type, n->axis, at);
        return cuda_value(p, from,
                          cuda_joined(p, &s, cuda_plus(p, s.middle, n->start),
                                      from->type.dims[n->axis]));
    }
    case OP_PERMUTE: {
        const char *place = "0";
        int64_t stride[MAX_RANK], size = 1;
        for (int k = from->type.rank - 1; k >= 0; k--) {
            stride[k] = size;
            size *= from->type.dims[k];
        }
        for (int k = 0; k < n->type.rank; k++)
            place =
                cuda_scaled(p, cuda_split(p, &n->type, k, at).middle, stride[n->order[k]], place);
        return cuda_value(p, from, place);
    }
    case OP_RESAMPLE: { /* a map that only moves: place j is place index[j] */
        if (n->axis == BATCH_AXIS || !resample_moves(n->map))
            internal_error("cuda: a map that adds up inside a kernel");
        Split s = cuda_split(p, &n->type, n->axis, at);
        cuda_print_map(p->e, n->map);
        const char *from_place =
            cuda_named_int(p, arena_printf("map%d_index[%s]", n->map->number, s.middle));
        return cuda_value(p, from, cuda_joined(p, &s, from_place, n->map->from));
    }
    default:
        internal_error("cuda: %s inside a kernel", op_table[n->op].name);
    }
}

static const char *element(Printer *p, const Node *n, const char *at)
{
    const char *a = cuda_value(p, n->inputs[0], at);
    const char *b = op_table[n->op].arity > 1 ? cuda_value(p, n->inputs[1], at) : "";
    bool swap = op_table[n->op].commutes && strcmp(a, b) > 0; /* twins have one spelling */
    return swap ? spell(n, "real_", b, a) : spell(n, "real_", a, b);
}

/* The value of an element: a literal, a local, or a short expression of locals. */
const char *cuda_value(Printer *p, const Node *n, const char *at)
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
        return keep_number(
            p, n, at,
            arena_printf("%s[%s]", cuda_use_tensor(p, n->tensor, false),
                         cuda_in_rows(p, &n->type, padded(columns_of(&n->type)), at)));
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
    bool whole = p->step->stride == p->step->schedule->graph->batch_size;
    text_add(&p->finish, "%sstore_quad(%s + %s * STRIDE + b, %s%s);\n", p->outer, array, row, name,
             whole ? "" : ", BATCH - b");
}

void cuda_store_node(Printer *p, const Node *n, const char *at, const char *number)
{
    if (n->op == OP_ASSIGN) {
        const char *place = cuda_in_rows(p, &n->type, padded(columns_of(&n->type)), at);
        text_add(&p->finish, "%s%s[%s] = %s;\n", p->outer, cuda_use_tensor(p, n->tensor, true),
                 place, number);
    } else if (n->type.batch) {
        keep_quad(p, cuda_use_array(p, n, true), at, number);
    } else {
        const char *place = cuda_in_rows(p, &n->type, cuda_row(&n->type), at);
        text_add(&p->finish, "%s%s[%s] = %s;\n", p->outer, cuda_use_array(p, n, true), place,
                 number);
    }
}

/* Every node of the stage that has an array or is an assignment; the others where they are used. */
void cuda_print_nodes(Printer *p, const char *at)
{
    for (int k = 0; k < p->stage->count; k++) {
        const Node *n = p->stage->nodes[k];
        if (n->op == OP_ASSIGN)
            cuda_store_node(p, n, at, cuda_value(p, n->inputs[0], at));
        else if (p->step->stored[n->id])
            cuda_store_node(p, n, at, cuda_value(p, n, at));
    }
}

/* The three texts as one; with `quad` the middle one in its loop. */
const char *cuda_close_quad(const Printer *p)
{
    if (!p->quad)
        return arena_printf("%s%s%s", text_of(&p->prepare), text_of(&p->statements),
                            text_of(&p->finish));
    return arena_printf("%s%sUNROLL\n%sfor (int c = 0; c < 4; c++) {\n%s%s}\n%s",
                        text_of(&p->prepare), p->outer, p->outer, text_of(&p->statements), p->outer,
                        text_of(&p->finish));
}

const char *cuda_facts_text(const Printer *p)
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
const char *cuda_prune_ints(const char *text)
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
void cuda_add_kernel(Printer *p, const char *wish, const char *text)
{
    Text before = p->e->functions;
    int known = p->e->known_count;
    p->e->functions = (Text){0};
    wish = p->e->call ? arena_printf("sampler_%s", wish) : wish;
    p->stage->function = add_function(p->e, wish, text);
    if (p->e->known_count > known)
        text_add(&before, "/* %s */\n%s", p->stage->sentence, text_of(&p->e->functions));
    p->e->functions = before;
}

void cuda_finish_kernel(Printer *p, const char *wish, const char *body)
{
    const char *text =
        arena_printf("KERNEL __launch_bounds__(%d) %s(%s)\n{\n%s%s}\n", p->stage->block,
                     PLACE_OF_NAME, cuda_print_parameters(p), cuda_facts_text(p), body);
    cuda_add_kernel(p, wish, cuda_prune_ints(text));
}

void cuda_set_launch(Stage *stage, int64_t x, int64_t y, int64_t z, int block)
{
    if (x > 2147483647 || y > 65535 || z > 65535)
        internal_error("cuda: a grid of %lld x %lld x %lld", (long long)x, (long long)y,
                       (long long)z);
    stage->grid[0] = (int)x;
    stage->grid[1] = (int)y;
    stage->grid[2] = (int)z;
    stage->block = block;
}

int64_t cuda_blocks_of(int64_t items, int64_t size) { return (items + size - 1) / size; }
