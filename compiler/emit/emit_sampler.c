/* emit_sampler.c -- sampler.c and sampler.h, the generator as one file to ship.
 *
 * Needs: a checked model and its graph. Guarantees: plain C99 that includes nothing but three
 * headers of the standard and holds only what is used; tiles so small that their values fit on a
 * stack. Every number that training finds is a zero behind a mark, which RUN/train replaces
 * (runtime/sample/sampler_write.h). */
#include "emit.h"

#include <string.h>

enum { TILE = 16, STACK_WISH = 1 << 18 }; /* rows of a tile; bytes of its values */

static size_t number_size(const EmitOptions *options) { return options->f64 ? 8 : 4; }

/* A plan for tiles that are made on the stack: smaller ones for the widest nets. */
static const Plan *plan_sampler(Graph *g, const EmitOptions *options)
{
    Schedule *s = schedule_step(g, &g->steps[g->step_count - 1], ORDER_TILES);
    for (s->lanes = TILE;; s->lanes /= 2) {
        const Plan *p = plan_buffers(s, false);
        if (s->lanes == 1 || p->scratch_size * number_size(options) <= STACK_WISH)
            return p;
    }
}

/* ---------------------------------------------------------------- tables */
void emit_open_table(Text *out, const char *number, const char *size, const char *shape,
                     const char *name, const char *mark)
{
    const char *bits = strcmp(number, "real") == 0 ? "real_word" : "uint64_t";
    text_add(out, "static const union { %s bits[%s]; %s values%s; }\n    %s = {{/*@%s@*/0}};\n",
             bits, size, number, shape, name, mark);
}

static void emit_weights(Text *out, const Graph *g)
{
    for (int k = 0; k < g->tensor_count; k++) {
        const Tensor *t = g->tensors[k];
        bool used = t->role == ROLE_PARAMETER || t->role == ROLE_BOUND || t->role == ROLE_VECTOR;
        if (!used || strncmp(t->name, "G.", 2) != 0)
            continue;
        text_add(out, "/* %s */\n", t->label);
        const char *shape = t->type.rank > 2
                                ? arena_printf("[%d][%d]", rows_of(&t->type), columns_of(&t->type))
                                : type_text(&t->type);
        emit_open_table(out, "real", arena_printf("%lld", (long long)type_size(&t->type)), shape,
                        table_name(t), t->name);
    }
}

void emit_names(Text *out, const Model *model)
{
    text_append(out, "static const char *const names[SAMPLER_COLUMNS] = {");
    for (int k = 0; k < model->x_dim; k++)
        text_add(out, "%s%s", k % 8 ? ", " : k ? ",\n    " : "\n    ", c_string(model->keys[k]));
    text_append(out, "};\n");
}

void emit_knots_table(Text *out)
{
    text_append(out,
                "/* Column k is linear between knots first_knot[k] .. first_knot[k + 1] - 1. */\n"
                "enum { KNOTS = /*@knot_total@*/1 };\n"
                "static const int first_knot[SAMPLER_COLUMNS + 1] = {/*@first_knot@*/0};\n");
    emit_open_table(out, "double", "KNOTS", "[KNOTS]", "knot_x", "knot_x");
    emit_open_table(out, "double", "KNOTS", "[KNOTS]", "knot_y", "knot_y");
}

static const char *emit_tables_text(const Model *model, const Graph *g)
{
    static const char *const statistics[] = {"mean", "std", "minimum", "maximum"};
    Text out = {0};
    emit_names(&out, model);
    text_append(&out, "/* of the training data, by column */\n");
    for (size_t k = 0; k < sizeof statistics / sizeof *statistics; k++)
        emit_open_table(&out, "double", "SAMPLER_COLUMNS", "[SAMPLER_COLUMNS]",
                        arena_printf("data_%s", statistics[k]), statistics[k]);
    if (model->normalisation != NORMALISE_STD)
        emit_knots_table(&out);
    emit_weights(&out, g);
    return text_of(&out);
}

/* ---------------------------------------------------------------- the network */
static const char *emit_call(Emitter *e, const Plan *p, const Kernel *kernel)
{
    Call call = emit_kernel(e, p, kernel);
    const char *text;
    if (kernel->kind == KERNEL_FILL)
        text = arena_printf("%s(tile, %s)",
                            kernel->root->input->kind == INPUT_DATA ? "normalise_conditions"
                                                                    : "load_latents",
                            p->buffers[p->buffer_of[kernel->root->id]].name);
    else
        text = arena_printf("%s(%s)", call.function, call.arguments);
    return arena_printf("    /* k%d  %s */\n    %s;\n", kernel->number, call.sentence, text);
}

/* The functions of the kernels, and one that reads like the model. */
static const char *emit_network(const Graph *g, const Plan *p, const EmitOptions *options)
{
    const Schedule *s = p->schedule;
    EmitOptions plain = {.isa = ISA_GENERIC, .f64 = options->f64, .plain = true};
    Emitter e = {.options = &plain, .graph = g, .vector_length = 1, .packed = true};
    Text out = {0}, body = {0};
    int last = s->section_count - 1;
    for (int k = 0; k < last; k++)
        if (s->sections[k].count)
            internal_error("emit: the shipped sampler computes whole arrays");
    for (int j = 0; j < s->sections[last].count; j++)
        text_append(&body, emit_call(&e, p, s->sections[last].kernels[j]));
    text_append(&out, text_of(&e.functions));
    text_add(&out, "static void make_rows(Tile *tile)\n{\n    real scratch[%zu];\n",
             p->scratch_size);
    emit_buffers(&out, p, last);
    const Node *rows = s->step->outputs[0];
    text_add(&out, "%s    denormalise_rows(tile, %s);\n}\n", text_of(&body),
             p->buffers[p->buffer_of[rows->id]].name);
    return text_of(&out);
}

/* ---------------------------------------------------------------- files */
const Input *sampler_latents_of(const Graph *g) { return g->steps[g->step_count - 1].inputs[0]; }

static const char *emit_inputs(const Graph *g)
{
    const Input *z = sampler_latents_of(g);
    Hole holes[] = {{"kind", z->kind == INPUT_UNIFORM ? "DRAW_UNIFORM" : "DRAW_NORMAL"},
                    {"stream", int_text(z->stream)}};
    return template_fill("sampler_inputs.c", holes, 2);
}

const char *sampler_calls(const char *generate, const char *statistics)
{
    Hole holes[] = {{"generate", template_fill(generate, NULL, 0)},
                    {"mean", arena_printf("%s_mean", statistics)},
                    {"std", arena_printf("%s_std", statistics)},
                    {"minimum", arena_printf("%s_minimum", statistics)},
                    {"maximum", arena_printf("%s_maximum", statistics)}};
    return template_fill("sampler_calls.c", holes, sizeof holes / sizeof *holes);
}

static const char *emit_source(const Model *model, const Graph *g, const Plan *p,
                               const EmitOptions *options)
{
    static const char *const headers[] = {"rng.h", "knots.h"};
    bool linear = model->normalisation == NORMALISE_STD;
    const char *network = emit_network(g, p, options), *tables = emit_tables_text(model, g);
    const char *inputs = paste_needed(emit_inputs(g), network);
    const char *normalisation = paste_needed(
        template_fill(linear ? "sampler_linear.c" : "sampler_table.c", NULL, 0), inputs);
    const char *user = arena_printf("%s%s%s%s", tables, normalisation, inputs, network);
    Text head = {0};
    emit_head(&head, model, "sampler.c",
              "Rows from the generator, in one file without any dependency: see sampler.h.");
    emit_config_lines(&head, model);
    text_add(&head, " *\n *   %.6g GFLOP for a million rows\n */\n",
             p->schedule->flops / g->batch_size * 1e-3);
    Hole holes[] = {{"head", text_of(&head)},
                    {"trained", "/*@trained@*/0"},
                    {"library", paste_needed(paste_headers(headers, 2, options->f64), user)},
                    {"tables", tables},
                    {"normalisation", normalisation},
                    {"inputs", inputs},
                    {"request", template_fill("sampler_request.c", NULL, 0)},
                    {"network", network},
                    {"calls", sampler_calls("sampler_generate.c", "data")}};
    return template_fill("sampler.c", holes, sizeof holes / sizeof *holes);
}

/* What the header says of sampler.cu, in two holes. parameters: of its call. */
static void device_holes(Hole holes[2], const SamplerDevice *device, const char *what,
                         const char *parameters)
{
    static const char invalid[] =
        "    SAMPLER_INVALID = 2%s    /* an array that is needed is NULL; "
        "nothing was written */\n%s";
    bool there = device->work > 0;
    holes[0] =
        (Hole){"failure",
               arena_printf(invalid, there ? "," : "",
                            there ? "    SAMPLER_DEVICE = 3 /* sampler.cu: a call of CUDA failed, "
                                    "cudaGetLastError() says why */\n"
                                  : "")};
    holes[1] = (Hole){
        "device",
        !there
            ? ""
            : arena_printf(
                  "/* In sampler.cu alone, which has all these functions too (its launches make\n"
                  " * SAMPLER_DEVICE_ROWS at once: fewer cost as much): %s in the GPU's\n"
                  " * memory, made on a stream (cudaStream_t, NULL: the default one) of the "
                  "current\n"
                  " * GPU. The call returns before they are there.\n *\n"
                  " * work    SAMPLER_DEVICE_WORK bytes of the GPU's memory for the call's own use "
                  "*/\n"
                  "enum { SAMPLER_DEVICE_ROWS = %d, SAMPLER_DEVICE_WORK = %zu };\n"
                  "struct CUstream_st;\n"
                  "int sampler_generate_device(uint64_t seed, uint64_t first, size_t n,\n"
                  "                            %s, void *work,\n"
                  "                            struct CUstream_st *stream);\n\n",
                  what, device->rows, device->work, parameters)};
}

static const char *emit_header(const Model *model, const Graph *g, const Plan *p,
                               const EmitOptions *options, const SamplerDevice *device)
{
    size_t stack = p->scratch_size * number_size(options) +
                   (size_t)p->schedule->lanes * (size_t)model->generator.outputs * sizeof(float);
    Text head = {0};
    emit_head(&head, model, "sampler.h", "Rows from the trained generator in sampler.c.");
    text_append(&head, " * No allocation, no global state that changes: any number of threads may "
                       "call at once.\n */\n");
    Hole holes[] = {{"head", text_of(&head)},
                    {"columns", int_text(model->x_dim)},
                    {"generated", int_text(model->x_dim - model->cond_dim)},
                    {"conditions", int_text(model->cond_dim)},
                    {"latent", int_text(model->z_dim)},
                    {"uniform", int_text(sampler_latents_of(g)->kind == INPUT_UNIFORM)},
                    {"tile", int_text(p->schedule->lanes)},
                    {"stack", int_text((long long)stack)},
                    {NULL, NULL},
                    {NULL, NULL}};
    device_holes(holes + 8, device, "rows", "const float *conditions, float *rows");
    return template_fill("sampler.h", holes, 10);
}

/* ---------------------------------------------------------------- images */
static const char noise_loader[] =
    "/* Noise of a layer, [width][BT]. */\n"
    "static void load_noise(const Tile *tile, real *out, int width, DrawKind kind, uint32_t "
    "stream,\n"
    "                       real span, real low)\n{\n"
    "    for (int lane = 0; lane < BT; lane++)\n"
    "        for (int column = 0; column < width; column += DRAWS_A_BLOCK) {\n"
    "            const Request *request = tile->request;\n"
    "            real draws[DRAWS_A_BLOCK];\n"
    "            draw_block(draws, kind, request->seed, stream, 0,\n"
    "                       request->first + tile->start + (size_t)lane,\n"
    "                       (uint32_t)(column / DRAWS_A_BLOCK));\n"
    "            for (int i = 0; i < DRAWS_A_BLOCK && column + i < width; i++) {\n"
    "                const real scaled = draws[i] * span;\n"
    "                out[(size_t)(column + i) * BT + (size_t)lane] = scaled + low;\n"
    "            }\n        }\n}\n\n";
static const char lanes_helper[] =
    "#define ALIGNED\nenum { LANES = 16 };\n"
    "static real lane_reduce(const real sum[LANES])\n{\n    real half[LANES];\n"
    "    memcpy(half, sum, sizeof half);\n"
    "    for (int width = LANES / 2; width > 0; width /= 2)\n"
    "        for (int i = 0; i < width; i++)\n            half[i] = half[i] + half[i + width];\n"
    "    return half[0];\n}\n\n";

static const char *image_network(const Graph *g, const Plan *p, const EmitOptions *options)
{
    EmitOptions plain = {
        .isa = ISA_GENERIC, .f64 = options->f64, .plain = true, .order = ORDER_WIDE};
    Emitter e = {.options = &plain, .graph = g, .vector_length = 1, .packed = true};
    Text network = {0}, out = {0};
    emit_wide_shipped(&network, &e, p);
    text_append(&out, "#define AT(offset) ((void *)(tile->request->work + (offset)))\n\n");
    if (strstr(text_of(&network), "load_noise("))
        text_append(&out, noise_loader);
    if (strstr(text_of(&network), "LANES"))
        text_append(&out, lanes_helper);
    text_append(&out, text_of(&network));
    return text_of(&out);
}

static const char *image_source(const Model *model, const Graph *g, const Plan *p,
                                const EmitOptions *options)
{
    static const char *const headers[] = {"rng.h", "edges.h"};
    const Input *z = sampler_latents_of(g);
    const char *network = image_network(g, p, options);
    Text tables = {0}, head = {0};
    emit_weights(&tables, g);
    emit_head(&head, model, "sampler.c",
              "Images from the generator, in one file without any dependency: see sampler.h.");
    emit_config_lines(&head, model);
    text_add(&head, " *\n *   %.6g GFLOP an image\n */\n", p->schedule->flops * 1e-9);
    const char *kind = z->kind == INPUT_UNIFORM ? "DRAW_UNIFORM" : "DRAW_NORMAL";
    const char *scale = "";
    if (z->high > z->low)
        scale = arena_printf("    for (int k = 0; k < SAMPLER_LATENT && !request->latents; k++) {\n"
                             "        z[k] = z[k] * (real)%.17g;\n"
                             "        z[k] = z[k] + (real)%.17g;\n    }\n",
                             z->high - z->low, z->low);
    const char *user = arena_printf("%s%sdraw_row(%s)", text_of(&tables), network, kind);
    Hole holes[] = {{"head", text_of(&head)},
                    {"trained", "/*@trained@*/0"},
                    {"library", paste_needed(paste_headers(headers, 2, options->f64), user)},
                    {"tables", text_of(&tables)},
                    {"kind", kind},
                    {"stream", int_text(z->stream)},
                    {"scale", scale},
                    {"network", network}};
    return template_fill("sampler_image.c", holes, 8);
}

static const char *image_header(const Model *model, const Graph *g, const Plan *p,
                                const EmitOptions *options, const SamplerDevice *device)
{
    Text head = {0};
    emit_head(&head, model, "sampler.h", "Images from the trained generator in sampler.c.");
    text_append(&head, " * No allocation, no global state that changes: any number of threads may "
                       "call at once.\n */\n");
    Hole holes[] = {{"head", text_of(&head)},
                    {"width", int_text(model->width)},
                    {"height", int_text(model->height)},
                    {"channels", int_text(model->channels)},
                    {"latent", int_text(sampler_latents_of(g)->width)},
                    {"uniform", int_text(sampler_latents_of(g)->kind == INPUT_UNIFORM)},
                    {"tile", int_text(g->batch_size)},
                    {"work", int_text((long long)(p->wide_size * number_size(options)))},
                    {NULL, NULL},
                    {NULL, NULL}};
    device_holes(holes + 8, device, "images", "float *pixels");
    return template_fill("sampler_image.h", holes, 10);
}

SamplerTexts emit_sampler(const Model *model, Graph *g, const EmitOptions *options)
{
    SamplerDevice device = {0};
    const char *kernels = options->cuda ? emit_device_sampler(model, options, &device) : NULL;
    if (model->channels) {
        g = sample_build(model, 1);
        const Plan *p = plan_buffers(schedule_step(g, &g->steps[0], ORDER_WIDE), true);
        return (SamplerTexts){image_source(model, g, p, options),
                              image_header(model, g, p, options, &device), kernels};
    }
    const Plan *p = plan_sampler(g, options);
    return (SamplerTexts){emit_source(model, g, p, options),
                          emit_header(model, g, p, options, &device), kernels};
}
