/* conv_speed.c -- a C program that times the convolutions of the wide order.
 *
 *     conv_speed BATCH avx512|avx2|generic FOLDER
 *
 * Writes FOLDER/speed.c and FOLDER/runtime.a. The program (built with -DGAGAC_PROFILE) prints for
 * every layer and each of its three contractions the rate of needed multiply-adds, packing
 * included, as a share of the peak that it measures beside it: best of some runs on one thread. Its
 * arguments pick: contractions, "yx", and a part of a layer's name. */
#include "emit.h"

#include <stdlib.h>
#include <string.h>

typedef struct Case {
    const char *name;
    bool transposed; /* the forward pass is CONV_X */
    int in, out;     /* of the filter, as a CONV_Y has it */
    int x, stride, filter;
} Case;

/* x: rows and columns of the maps on the filter's input side */
static const Case cases[] = {
    {"64->64 64^2 3x3", false, 64, 64, 64, 1, 3},
    {"64->128 32^2 3x3", false, 64, 128, 32, 1, 3},
    {"128->256 16^2 3x3", false, 128, 256, 16, 1, 3},
    {"256->512 8^2 3x3", false, 256, 512, 8, 1, 3},
    {"3->64 64^2 3x3", false, 3, 64, 64, 1, 3},
    {"64->3 64^2 3x3", false, 64, 3, 64, 1, 3},
    {"64->128 32^2 3x3/2", false, 64, 128, 32, 2, 3},
    {"1024->512 deconv 4^2 5x5/2", true, 512, 1024, 8, 2, 5},
    {"512->256 deconv 8^2 5x5/2", true, 256, 512, 16, 2, 5},
    {"256->128 deconv 16^2 5x5/2", true, 128, 256, 32, 2, 5},
    {"128->3 deconv 32^2 5x5/2", true, 3, 128, 64, 2, 5},
};
enum { CASES = (int)(sizeof cases / sizeof *cases), KINDS = 3 };
static const char *const kinds[KINDS] = {"y", "x", "w"};

static Node *input(Graph *g, Step *step, int channels, int size)
{
    Input *in = arena_alloc(sizeof *in);
    *in = (Input){.name = arena_printf("in%d", step->input_count),
                  .kind = INPUT_NORMAL,
                  .width = channels * size * size};
    step->inputs[step->input_count++] = in;
    return node_reshape(g, node_input(g, in),
                        (Type){.batch = true, .rank = 3, .dims = {channels, size, size}});
}

static void make_step(Graph *g, Step *step, int number, int kind, Tensor *weight)
{
    const Case *c = &cases[number];
    int small = (c->x + c->stride - 1) / c->stride,
        total = (small - 1) * c->stride + c->filter - c->x;
    Window window = {{c->stride, c->stride}, {total / 2, total / 2}};
    *step = (Step){
        .name = arena_printf("case%d_%s", number, kinds[kind]), .title = c->name, .count = 1};
    Node *x = kind != 1 ? input(g, step, c->in, c->x) : NULL;
    Node *y = kind != 0 ? input(g, step, c->out, small) : NULL;
    Node *w = node_parameter(g, weight), *result;
    if (kind == 0)
        result = node_conv_y(g, x, w, window, small, small);
    else if (kind == 1)
        result = node_conv_x(g, y, w, window, c->x, c->x);
    else
        result = node_conv_w(g, y, x, window, c->filter, c->filter);
    if (kind != 2)
        result = node_leaky(g, OP_LEAKY, result, 0.2);
    Node *sum = node_sum_all(g, result);
    step->outputs[0] = sum->type.batch ? node_mean_batch(g, sum) : sum;
    step->output_names[step->output_count++] = "sum";
}

static int contraction_of(const Plan *p)
{
    const Section *section = &p->schedule->sections[0];
    for (int k = 0; k < section->count; k++)
        if (section->kernels[k]->kind == KERNEL_CONTRACT ||
            section->kernels[k]->kind == KERNEL_WEIGHT)
            return k;
    internal_error("conv_speed: no contraction");
}

static void print_main(Text *out, const Graph *g)
{
    text_append(out,
                "#include \"peak.h\"\n#include <stdio.h>\nint main(int argc, char **argv)\n{\n"
                "    Pool *pool = pool_create(1);\n    struct state *s = block_create(sizeof *s);\n"
                "    void *work = block_create(sizeof(struct work));\n"
                "    double peak = 0;\n    for (int k = 0; k < 5; k++) {\n"
                "        double now = peak_measure(pool);\n"
                "        peak = now > peak ? now : peak;\n    }\n"
                "    for (size_t i = 0; i < sizeof *s / sizeof(real); i++)\n"
                "        ((real *)s)[i] = (real)(i % 7) / 64;\n"
                "    printf(\"peak %.1f GFLOP/s\\n\", peak);\n"
                "    static real given[ROOM];\n"
                "    for (int i = 0; i < ROOM; i++)\n        given[i] = (real)(i % 11) / 16;\n"
                "    for (size_t c = 0; c < sizeof table / sizeof *table; c++) {\n"
                "        if (argc > 1 && !strstr(argv[1], table[c].kind))\n"
                "            continue;\n"
                "        if (argc > 2 && !strstr(table[c].name, argv[2]))\n"
                "            continue;\n"
                "        double best = 1e9, out[1];\n"
                "        const Batch batch = {.given = {given, given}};\n"
                "        for (int run = 0; run < 12; run++) {\n"
                "            double *seconds = &kernel_seconds[table[c].kernel][0][0];\n"
                "            *seconds = 0;\n"
                "            table[c].step(pool, (real *)s, work, &batch, NULL, out);\n"
                "            best = *seconds < best ? *seconds : best;\n"
                "            double now = peak_measure(pool);\n"
                "            peak = now > peak ? now : peak;\n        }\n"
                "        double rate = table[c].flops / best * 1e-9;\n"
                "        printf(\"%-28s %s %7.1f GFLOP/s %5.1f %%\\n\", table[c].name, "
                "table[c].kind, rate, 100 * rate / peak);\n    }\n    return 0;\n}\n");
    (void)g;
}

static void write_file(const char *folder, const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(arena_printf("%s/%s", folder, name), "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file))
        fail(EXIT_IO, NULL, "cannot write %s", name);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    EmitOptions options = {.order = ORDER_WIDE};
    options.isa = strcmp(argv[2], "avx512") == 0 ? ISA_AVX512
                  : strcmp(argv[2], "avx2") == 0 ? ISA_AVX2
                                                 : ISA_GENERIC;
    int bytes = options.isa == ISA_AVX512 ? 64 : options.isa == ISA_AVX2 ? 32 : 16;
    Graph *g = graph_new(NULL, atoi(argv[1]));
    Emitter e = {.options = &options, .graph = g, .vector_length = bytes / 4};
    Text steps = {0}, table = {0}, state = {0}, inputs = {0}, out = {0};
    size_t values = 16;
    int64_t packed = 16, room = 16;
    Step *all = arena_alloc(CASES * KINDS * sizeof(Step));
    for (int k = 0; k < CASES * KINDS; k++) {
        const Case *c = &cases[k / KINDS];
        const char *field = arena_printf("w%d", k / KINDS);
        static Tensor *weight;
        if (k % KINDS == 0) {
            Type type = {.rank = 4, .dims = {c->filter, c->filter, c->in, c->out}};
            weight = graph_tensor(
                g, (Tensor){
                       .name = field, .group = "d", .field = field, .label = field, .type = type});
            text_add(&state, "    real %s[%d][%d] ALIGNED;\n", field, c->filter * c->filter * c->in,
                     padded(c->out));
        }
        make_step(g, &all[k], k / KINDS, k % KINDS, weight);
        const Plan *p = plan_buffers(schedule_step(g, &all[k], ORDER_WIDE), true);
        text_add(&table, "    {\"%s\", \"%s\", %d, %.17g, %s},\n", c->name, kinds[k % KINDS],
                 e.profiled + contraction_of(p), p->schedule->flops, all[k].name);
        emit_wide_step(&steps, &e, p);
        values = p->wide_size > values ? p->wide_size : values;
        packed = packed_reals(p) > packed ? packed_reals(p) : packed;
        text_add(&inputs, "static const ProgramInput %s_inputs[] = {", all[k].name);
        for (int j = 0; j < all[k].input_count; j++) {
            int64_t size = (int64_t)all[k].inputs[j]->width * g->batch_size;
            text_add(&inputs, "{.width = %d}, ", all[k].inputs[j]->width);
            room = size > room ? size : room;
        }
        text_append(&inputs, "};\n");
    }
    text_add(&out,
             "#define _GNU_SOURCE\n#include <time.h>\n#undef CLOCK_MONOTONIC\n"
             "#define CLOCK_MONOTONIC CLOCK_THREAD_CPUTIME_ID /* others may run beside */\n"
             "#include \"pool.h\"\n#include \"program.h\"\n#include \"vectile.h\"\n"
             "#define PROFILE_THREADS 2\n"
             "static double kernel_seconds[%d][PROFILE_THREADS][8];\n"
             "#include \"profile.h\"\n#include \"wide.h\"\n#include \"state.h\"\n"
             "#define AT(offset) ((void *)(s->values + (offset)))\n"
             "enum { BATCH = %d, VALUES = %zu, PACKED = %lld, ROOM = %lld };\n"
             "struct state { struct {\n%s} d; };\n"
             "struct work { real values[VALUES] ALIGNED; real packed[PACKED] ALIGNED; };\n%s%s%s",
             e.profiled, g->batch_size, (values + 15) / 16 * 16, (long long)packed, (long long)room,
             text_of(&state), text_of(&inputs), wrap_lines(text_of(&e.functions)),
             wrap_lines(text_of(&steps)));
    text_add(
        &out,
        "static const struct {\n    const char *name, *kind;\n    int kernel;\n"
        "    double flops;\n    void (*step)(Pool *, real *, void *, const Batch *, const real "
        "*, double *);\n} table[] = {\n%s};\n",
        text_of(&table));
    print_main(&out, g);
    write_file(argv[3], "speed.c", out.bytes, out.length);
    const EmbeddedFile *archive = embedded_find("f32.a");
    write_file(argv[3], "runtime.a", archive->text, archive->length);
    return 0;
}
