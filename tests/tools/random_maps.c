/* random_maps.c -- random graphs over images, as one C program and with what it must print.
 *
 *     random_maps SEED BATCH plain|avx512|avx2|generic f32|f64 FOLDER
 *
 * Writes FOLDER/maps.c, FOLDER/runtime.a (which it links with) and FOLDER/expected: sums of a
 * random graph's value, of its first and of its second derivatives, by the interpreter. The program
 * prints the same numbers, computed by emitted code of the wide order. */
#include "emit.h"

#include "rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRAPHS = 4, DEPTH = 7 };

static uint64_t seed, drawn;

static double uniform(void)
{
    uint32_t words[4] = {(uint32_t)drawn++, (uint32_t)seed, 11, 13};
    const uint32_t key[2] = {1957, 3};
    philox4x32(words, key);
    return words[0] * 0x1p-32;
}

static int between(int low, int high) { return low + (int)(uniform() * (high - low + 1)); }

typedef struct Maker { /* of one graph */
    Graph *g;
    Step *step;
    Node *leaves[64];
    int leaf_count;
    Node *skips[DEPTH + 2]; /* earlier maps */
    int skip_count;
    Text words; /* the layers, for people */
} Maker;

/* ---------------------------------------------------------------- leaves */
static Node *parameter(Maker *m, Type type)
{
    const char *field = arena_printf("t%d", m->g->tensor_count);
    Tensor *tensor = graph_tensor(
        m->g, (Tensor){.name = field, .group = "d", .field = field, .label = field, .type = type});
    return m->leaves[m->leaf_count++] = node_parameter(m->g, tensor);
}

static Node *input(Maker *m, Type type)
{
    Input *in = arena_alloc(sizeof *in);
    *in = (Input){.name = arena_printf("in%d", m->step->input_count),
                  .kind = INPUT_NORMAL,
                  .width = (int)type_size(&type)};
    m->step->inputs[m->step->input_count++] = in;
    return node_reshape(m->g, m->leaves[m->leaf_count++] = node_input(m->g, in), type);
}

static Type maps(int c, int h, int w)
{
    return (Type){.batch = true, .rank = 3, .dims = {c, h, w}};
}

/* ---------------------------------------------------------------- layers */
static Node *per_channel(Maker *m, Node *x)
{
    Node *bias = node_expand_batch(m->g, parameter(m, type_vector(false, x->type.dims[0])));
    bias = node_expand(m->g, bias, 1, x->type.dims[1]);
    return node_expand(m->g, bias, 2, x->type.dims[2]);
}

static Node *convolve_by(Maker *m, Node *x, int down, int across)
{
    int k[2] = {between(1, 4), between(1, 3)}, out = between(1, 5), size[2];
    Window window = {{down, across}, {0, 0}};
    for (int a = 0; a < 2; a++) {
        size[a] = (x->type.dims[a + 1] + window.stride[a] - 1) / window.stride[a];
        int total = (size[a] - 1) * window.stride[a] + k[a] - x->type.dims[a + 1];
        window.before[a] = total > 0 ? total / 2 : 0;
    }
    Type filter = {.rank = 4, .dims = {k[0], k[1], x->type.dims[0], out}};
    Node *y = node_conv_y(m->g, x, parameter(m, filter), window, size[0], size[1]);
    return node_binary(m->g, OP_ADD, y, per_channel(m, y));
}

static Node *convolve(Maker *m, Node *x)
{
    int down = between(1, 2);
    return convolve_by(m, x, down, between(1, 3));
}

/* With average pools, which become part of the filter where there are results enough. */
static Node *pool_convolved(Maker *m, Node *x)
{
    Graph *g = m->g;
    int size[2] = {between(1, 3), between(1, 3)};
    for (int a = 0; a < 2; a++)
        x = node_resample(g, x, a + 1,
                          resample_nearest(g, x->type.dims[a + 1], size[a] * between(1, 4)));
    Node *y = convolve_by(m, x, 1, 1);
    if (between(0, 1))
        y = node_binary(g, OP_SUB, per_channel(m, y), node_binary(g, OP_MUL, y, per_channel(m, y)));
    for (int a = 0; a < 2; a++)
        y = node_resample(g, y, a + 1, resample_pool(g, y->type.dims[a + 1], size[a]));
    return y;
}

static Node *deconvolve(Maker *m, Node *x)
{
    int k = between(1, 5), s = between(1, 3), out = between(1, 4);
    int total = k > s ? k - s : 0;
    Type filter = {.rank = 4, .dims = {k, k, out, x->type.dims[0]}};
    Window window = {{s, s}, {total / 2, total / 2}};
    Node *y = node_conv_x(m->g, x, parameter(m, filter), window, x->type.dims[1] * s,
                          x->type.dims[2] * s);
    return node_unary(m->g, OP_TANH, node_binary(m->g, OP_ADD, y, per_channel(m, y)));
}

static Node *normalise_maps(Maker *m, Node *x)
{
    Graph *g = m->g;
    int h = x->type.dims[1], w = x->type.dims[2];
    Node *mean = node_scale(g, node_sum(g, node_sum(g, x, 2), 1), 1.0 / (h * w));
    Node *wide = node_expand(g, node_expand(g, mean, 1, h), 2, w);
    Node *centred = node_binary(g, OP_SUB, x, wide);
    Node *squares = node_sum(g, node_sum(g, node_binary(g, OP_MUL, centred, centred), 1), 1);
    Node *deviation = node_unary(g, OP_SQRT, node_shift(g, squares, 0.1));
    deviation = node_expand(g, node_expand(g, deviation, 1, h), 2, w);
    Node *scaled = node_binary(g, OP_DIV, centred, deviation);
    return node_binary(g, OP_MUL, scaled, per_channel(m, x));
}

/* Samples in reverse, some of them in place of others, or mixed: rows of few weights, of one, of
 * none. */
static Node *regroup(Maker *m, Node *x)
{
    Graph *g = m->g;
    int n = g->batch_size, kind = between(0, 3), step = between(1, n);
    double *rows = arena_alloc((size_t)(n * n) * sizeof *rows);
    for (int b = 0; b < n; b++) {
        if (kind == 0)
            rows[b * n + n - 1 - b] = 1;
        else if (kind == 1)
            rows[b * n + b / step * step] = 1;
        else if (kind == 2)
            rows[b * n + b % step] = 0.5 + b;
        for (int k = 0; k < n && kind == 3; k++)
            rows[b * n + k] = b % 2 && k % step == b % step ? 0.3 : 0;
    }
    return node_resample(g, x, BATCH_AXIS, resample_matrix(g, n, n, rows));
}

/* A parameter with a row for each sample: the row that a sample's number picks. */
static Node *own_rows(Maker *m, Node *x)
{
    Graph *g = m->g;
    int n = g->batch_size, size = (int)type_size(&x->type);
    double *rows = arena_alloc((size_t)(n * n) * sizeof *rows);
    double *ramp = arena_alloc((size_t)n * sizeof *ramp);
    for (int b = 0; b < n; b++)
        rows[b * n] = ramp[b] = b + 1;
    Node *number = node_resample(g, node_constant(g, 1, (Type){.batch = true}), BATCH_AXIS,
                                 resample_matrix(g, n, n, rows));
    Node *all = node_resample(g, node_constant(g, 1, type_vector(false, 1)), 0,
                              resample_matrix(g, 1, n, ramp));
    Node *unit = node_binary(g, OP_EQUAL, node_expand(g, number, 0, n), node_expand_batch(g, all));
    Node *picked = node_contract_x(g, unit, parameter(m, type_matrix(n, size)));
    return node_binary(g, OP_ADD, x, node_reshape(g, picked, x->type));
}

/* All pairs of cells, a product over both channels in each, the mean over one cell. */
static Node *relate(Maker *m, Node *x)
{
    Graph *g = m->g;
    int cells = x->type.dims[1] * x->type.dims[2], out = between(1, 3);
    if (cells > 8)
        return x;
    Type flat_type = {.batch = true, .rank = 2, .dims = {x->type.dims[0], cells}};
    Node *flat = node_reshape(g, x, flat_type), *first = node_expand(g, flat, 2, cells);
    Node *pairs = node_concat(g, first, node_expand(g, flat, 1, cells), 0);
    Type filter = {.rank = 4, .dims = {1, 1, pairs->type.dims[0], out}};
    Node *y = node_conv_y(g, pairs, parameter(m, filter), (Window){{1, 1}, {0, 0}}, cells, cells);
    y = node_sum(g, node_unary(g, OP_TANH, node_binary(g, OP_ADD, y, per_channel(m, y))), 2);
    return node_reshape(g, y, maps(out, x->type.dims[1], x->type.dims[2]));
}

/* Along both axes: pools, even or not, resizes to smaller and to larger maps. */
static Node *resize(Maker *m, Node *x)
{
    for (int axis = 2; axis >= 1; axis--) {
        int n = x->type.dims[axis], kind = between(0, 3), to = between(1, 2 * n);
        const Resample *map = kind == 0   ? resample_pool(m->g, n, between(2, 3))
                              : kind == 1 ? resample_area(m->g, n, between(1, n))
                              : kind == 2 ? resample_bicubic(m->g, n, to)
                                          : resample_bilinear(m->g, n, to);
        x = node_resample(m->g, x, axis, map);
    }
    return x;
}

static Node *resample(Maker *m, Node *x)
{
    Graph *g = m->g;
    int axis = between(0, 2), n = x->type.dims[axis];
    switch (between(0, 7)) {
    case 0:
        return node_resample(g, x, axis, resample_pool(g, n, between(2, 3)));
    case 1:
        return node_resample(g, x, axis, resample_nearest(g, n, between(1, 2 * n)));
    case 2:
        return node_resample(g, x, axis, resample_bilinear(g, n, between(1, 2 * n)));
    case 3:
        return node_resample(g, x, axis, resample_pick(g, n, n - 1, -1, n));
    case 4:
        return node_resample(
            g, node_resample(g, x, 1, resample_nearest(g, x->type.dims[1], 2 * x->type.dims[1])), 2,
            resample_nearest(g, x->type.dims[2], 2 * x->type.dims[2]));
    case 5:
        return node_resample(g, x, axis, resample_pick(g, 2 * n, 0, 2, n)->transpose);
    default:
        return regroup(m, x);
    }
}

static Node *move(Maker *m, Node *x)
{
    Graph *g = m->g;
    static const int orders[][3] = {{0, 2, 1}, {2, 0, 1}, {1, 0, 2}, {1, 2, 0}};
    int axis = between(0, 2), n = x->type.dims[axis], from = between(0, n - 1);
    const Type *t = &x->type;
    switch (between(0, 5)) {
    case 0:
        return node_permute(g, x, orders[between(0, 3)]);
    case 1:
        return node_slice(g, x, axis, from, between(1, n - from));
    case 2:
        return node_pad(g, x, axis, from, from + n + between(0, 2));
    case 3:
        return node_reshape(g, x, maps(t->dims[2], t->dims[0], t->dims[1]));
    case 4:
        return node_reshape(g, x, maps(1, t->dims[0] * t->dims[2], t->dims[1]));
    default:
        return node_permute(g,
                            node_reshape(g, node_permute(g, x, orders[3]),
                                         maps(t->dims[2], t->dims[1], t->dims[0])),
                            orders[1]);
    }
}

static Node *join_maps(Maker *m, Node *x)
{
    Node *other = m->skips[between(0, m->skip_count - 1)];
    int axis = between(0, 2);
    for (int a = 0; a < 3; a++)
        if (a != axis && other->type.dims[a] != x->type.dims[a])
            other = node_resample(m->g, other, a,
                                  resample_nearest(m->g, other->type.dims[a], x->type.dims[a]));
    return node_concat(m->g, x, other, axis);
}

static Node *dense(Maker *m, Node *x)
{
    Graph *g = m->g;
    int in = (int)type_size(&x->type), h = between(1, 4), w = between(1, 4), c = between(1, 3);
    Node *flat = node_reshape(g, node_permute(g, x, (const int[]){1, 2, 0}), type_vector(true, in));
    Node *y = between(0, 1) ? node_contract_y(g, flat, parameter(m, type_matrix(h * w * c, in)))
                            : node_contract_x(g, flat, parameter(m, type_matrix(in, h * w * c)));
    Node *bias = node_expand_batch(g, parameter(m, type_vector(false, h * w * c)));
    y = node_leaky(g, OP_LEAKY, node_binary(g, OP_ADD, y, bias), 0.2);
    Type grid = {.batch = true, .rank = 3, .dims = {h, w, c}};
    return node_permute(g, node_reshape(g, y, grid), (const int[]){2, 0, 1});
}

static Node *element(Maker *m, Node *x)
{
    Graph *g = m->g;
    Type alone = x->type;
    alone.batch = false;
    switch (between(0, 5)) {
    case 0:
        return node_unary(g, OP_TANH, x);
    case 4: { /* a parameter in another order of axes */
        Type turned = {.rank = 3, .dims = {alone.dims[1], alone.dims[2], alone.dims[0]}};
        Node *p = node_permute(g, parameter(m, turned), (const int[]){2, 0, 1});
        return node_binary(g, OP_ADD, x, node_expand_batch(g, p));
    }
    case 1:
        return node_leaky(g, OP_LEAKY, x, 0.2);
    case 2:
        return node_binary(g, OP_MUL, x, node_unary(g, OP_SIGMOID, x));
    case 3:
        return node_binary(g, OP_ADD, x, node_expand_batch(g, parameter(m, alone)));
    default:
        return node_binary(g, OP_SUB, x,
                           node_expand(g, node_maximum_of(g, x, 0), 0, x->type.dims[0]));
    }
}

static Node *add_layer(Maker *m, Node *x)
{
    static const struct Kind {
        const char *name;
        Node *(*add)(Maker *, Node *);
    } kinds[] = {{"conv", convolve},
                 {"conv", convolve},
                 {"deconv", deconvolve},
                 {"norm", normalise_maps},
                 {"resample", resample},
                 {"resample", resample},
                 {"move", move},
                 {"move", move},
                 {"element", element},
                 {"join", join_maps},
                 {"rows", own_rows},
                 {"relate", relate},
                 {"pooled", pool_convolved},
                 {"resize", resize},
                 {"dense", dense}};
    int k = between(0, (int)(sizeof kinds / sizeof *kinds) - 1);
    if (type_size(&x->type) > 700)
        k = (int)(sizeof kinds / sizeof *kinds) - 1;
    x = kinds[k].add(m, x);
    text_add(&m->words, " %s %s", kinds[k].name, type_text(&x->type));
    return x;
}

/* ---------------------------------------------------------------- what is compared */
static Node *weighted(Maker *m, Node *a)
{
    Node *sum = node_sum_all(m->g, node_unary(m->g, OP_TANH, node_scale(m->g, a, 0.3)));
    return sum->type.batch ? node_mean_batch(m->g, sum) : sum;
}

static void output(Step *step, const char *name, Node *node)
{
    step->output_names[step->output_count] = name;
    step->outputs[step->output_count++] = node;
}

/* A step, and as `plain` the same before it is simplified. */
static void make_graph(Graph *g, Step *step, Step *plain, int number)
{
    Maker m = {.g = g, .step = step};
    *step = (Step){.name = arena_printf("graph%d", number), .title = "a random graph", .count = 1};
    Node *x = input(&m, maps(between(1, 4), between(1, 7), between(1, 7)));
    m.skips[m.skip_count++] = x;
    for (int k = 0; k < DEPTH; k++) {
        x = add_layer(&m, x);
        m.skips[m.skip_count++] = x;
    }
    Node *y = weighted(&m, x), *first[64], *second[64];
    grad(g, y, NULL, m.leaves, m.leaf_count, first);
    Node *mixed = node_constant(g, 0, type_scalar());
    for (int k = 0; k < m.leaf_count; k++)
        mixed = node_binary(g, OP_ADD, mixed, weighted(&m, first[k]));
    grad(g, mixed, NULL, m.leaves, m.leaf_count, second);
    Node *last = node_constant(g, 0, type_scalar());
    for (int k = 0; k < m.leaf_count; k++)
        last = node_binary(g, OP_ADD, last, weighted(&m, second[k]));
    step->title = text_of(&m.words);
    output(step, "value", y);
    output(step, "first", mixed);
    output(step, "second", last);
    *plain = *step;
    simplify_step(g, step);
}

/* ---------------------------------------------------------------- files */
static void write_file(const char *folder, const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(arena_printf("%s/%s", folder, name), "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file))
        fail(EXIT_IO, NULL, "cannot write %s", name);
}

static double start_value(int tensor, int64_t i)
{
    return sin(0.37 * (double)(i + 1) + tensor) / 2;
}

static double input_value(int input, int64_t i) { return sin(0.71 * (double)(i + 1) + 3 * input); }

static void expect(Graph *g, const Step *steps, Text *expected)
{
    Interpreter *interpreter = interpreter_new(g);
    for (int t = 0; t < g->tensor_count; t++)
        for (int64_t i = 0; i < type_size(&g->tensors[t]->type); i++)
            interpreter_tensor(interpreter, g->tensors[t])[i] = start_value(t, i);
    for (int k = 0; k < g->step_count; k++) {
        const Step *step = &steps[k];
        double *inputs[MAX_STEP_INPUTS], values[3],
            *outputs[] = {&values[0], &values[1], &values[2]};
        for (int j = 0; j < step->input_count; j++) {
            int64_t size = (int64_t)step->inputs[j]->width * g->batch_size;
            inputs[j] = arena_alloc((size_t)size * sizeof(double));
            for (int64_t i = 0; i < size; i++)
                inputs[j][i] = input_value(j, i);
        }
        interpreter_run(interpreter, step, inputs, NULL, outputs);
        text_add(expected, "%s %.17g %.17g %.17g %s\n", step->name, values[0], values[1], values[2],
                 step->title);
    }
}

static void print_state(Text *out, const Graph *g)
{
    text_append(out, "struct state { struct {\n");
    for (int t = 0; t < g->tensor_count; t++) {
        const Type *type = &g->tensors[t]->type;
        const char *rows = type->rank > 1 ? arena_printf("[%d]", rows_of(type)) : "";
        text_add(out, "    real %s%s[%d] ALIGNED;\n", g->tensors[t]->field, rows,
                 padded(columns_of(type)));
    }
    text_append(out, "} d; };\n");
}

static void print_main(Text *out, const Graph *g)
{
    text_append(out, "int main(void)\n{\n    Pool *pool = pool_create(2);\n"
                     "    struct state *s = block_create(sizeof *s);\n"
                     "    void *work = block_create(sizeof(struct work));\n"
                     "    memset(work, 0x7f, sizeof(struct work)); /* not a number of use */\n");
    for (int t = 0; t < g->tensor_count; t++) {
        const Type *type = &g->tensors[t]->type;
        int columns = columns_of(type);
        text_add(out,
                 "    for (int i = 0; i < %lld; i++)\n        ((real *)s->d.%s)[i / %d * %d + i %% "
                 "%d] = "
                 "(real)(sin(0.37 * (i + 1) + %d) / 2);\n",
                 (long long)type_size(type), g->tensors[t]->field, columns, padded(columns),
                 columns, t);
    }
    for (int k = 0; k < g->step_count; k++) {
        const Step *step = &g->steps[k];
        text_append(out, "    {\n        Batch batch = {0};\n        double out[3];\n");
        for (int j = 0; j < step->input_count; j++)
            text_add(out,
                     "        static real x%d[%d];\n        for (int i = 0; i < %d; i++)\n"
                     "            x%d[i] = (real)sin(0.71 * (i + 1) + 3 * %d);\n"
                     "        batch.given[%d] = x%d;\n",
                     j, step->inputs[j]->width * g->batch_size,
                     step->inputs[j]->width * g->batch_size, j, j, j, j);
        text_add(out,
                 "        %s(pool, (real *)s, work, &batch, NULL, out);\n"
                 "        printf(\"%s %%.17g %%.17g %%.17g\\n\", out[0], out[1], out[2]);\n    }\n",
                 step->name, step->name);
    }
    text_append(out, "    return 0;\n}\n");
}

static const char *print_program(Graph *g, const EmitOptions *options)
{
    Text steps = {0}, out = {0};
    int bytes = options->isa == ISA_AVX512 ? 64 : options->isa == ISA_AVX2 ? 32 : 16;
    Emitter e = {.options = options, .graph = g, .vector_length = bytes / (options->f64 ? 8 : 4)};
    size_t values = 16;
    int64_t packed = 16;
    for (int k = 0; k < g->step_count; k++) {
        const Plan *p = plan_buffers(schedule_step(g, &g->steps[k], ORDER_WIDE), true);
        emit_wide_step(&steps, &e, p);
        values = p->wide_size > values ? p->wide_size : values;
        packed = packed_reals(p) > packed ? packed_reals(p) : packed;
    }
    text_add(
        &out,
        "#include \"pool.h\"\n#include \"program.h\"\n#include \"%s\"\n#include \"profile.h\"\n"
        "#include \"wide.h\"\n#include \"state.h\"\n#include <math.h>\n#include <stdio.h>\n"
        "#define AT(offset) ((void *)(s->values + (offset)))\n"
        "enum { BATCH = %d, VALUES = %zu, PACKED = %lld };\n",
        options->plain ? "tile.h" : "vectile.h", g->batch_size, (values + 15) / 16 * 16,
        (long long)packed);
    print_state(&out, g);
    text_append(&out,
                "struct work { real values[VALUES] ALIGNED; real packed[PACKED] ALIGNED; };\n");
    for (int k = 0; k < g->step_count; k++) {
        const Step *step = &g->steps[k];
        text_add(&out, "static const ProgramInput %s_inputs[] = {", step->name);
        for (int j = 0; j < step->input_count; j++)
            text_add(&out, "{.width = %d}, ", step->inputs[j]->width);
        text_append(&out, "};\n");
    }
    text_append(&out, wrap_lines(text_of(&e.functions)));
    text_append(&out, wrap_lines(text_of(&steps)));
    print_main(&out, g);
    return text_of(&out);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    seed = strtoull(argv[1], NULL, 10);
    EmitOptions options = {.order = ORDER_WIDE, .f64 = strcmp(argv[4], "f64") == 0};
    options.plain = strcmp(argv[3], "plain") == 0;
    options.isa = strcmp(argv[3], "avx512") == 0 ? ISA_AVX512
                  : strcmp(argv[3], "avx2") == 0 ? ISA_AVX2
                                                 : ISA_GENERIC;
    Graph *g = graph_new(NULL, atoi(argv[2]));
    g->steps = arena_alloc(GRAPHS * sizeof(Step));
    static Step plain[GRAPHS];
    for (int k = 0; k < GRAPHS; k++)
        make_graph(g, &g->steps[g->step_count++], &plain[k], k);
    Text expected = {0};
    expect(g, plain, &expected);
    write_file(argv[5], "expected", expected.bytes, expected.length);
    const char *program = print_program(g, &options);
    write_file(argv[5], "maps.c", program, strlen(program));
    const EmbeddedFile *archive = embedded_find(options.f64 ? "f64.a" : "f32.a");
    write_file(argv[5], "runtime.a", archive->text, archive->length);
    return 0;
}
