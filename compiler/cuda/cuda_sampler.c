/* cuda_sampler.c -- sampler.cu, the generator on a GPU as one file to ship beside sampler.c.
 *
 * Needs: a checked model. Guarantees: the kernels of the CUDA target for the sampling step alone,
 * for nvcc and for NVRTC, with all that they include in the text; numbers that training finds are
 * marks as in sampler.c. A launch makes a fixed number of samples, each of its own row of draws. */
#include "target_cuda.h"

#include <string.h>

enum { MOST_ROWS = 4096, MOST_IMAGES = 256, WORK_WISH = 128 << 20, LAUNCH_ARGUMENTS = 64 };

typedef struct Shipped { /* a sampler.cu in the making */
    const Model *model;
    const EmitOptions *options;
    Graph *graph; /* of the sampling step for `rows` samples */
    CudaStep *step;
    const char *kernels;
    size_t base, work_size; /* reals */
    const Tensor **tensors; /* whose tables the kernels read */
    int tensor_count;
} Shipped;

/* ---------------------------------------------------------------- the kernels */
/* False: a sample depends on others of its batch, and is made alone, as in sampler.c. */
static bool lower(Shipped *s, int rows)
{
    s->graph = sample_build(s->model, rows);
    const Schedule *schedule = schedule_step(s->graph, &s->graph->steps[0], ORDER_WIDE);
    if (rows > 1 && mixes_samples(schedule))
        return false;
    s->step = cuda_stages(schedule);
    Emitter e = {.options = s->options, .graph = s->graph, .vector_length = 1, .call = true};
    s->kernels = cuda_functions(&e, s->graph, &s->step, 1, &s->base, &s->work_size);
    return true;
}

/* As many samples a launch as fill a GPU, fewer where their values take too much memory. */
static void choose_rows(Shipped *s)
{
    size_t size = s->options->f64 ? 8 : 4;
    int rows = s->model->channels ? MOST_IMAGES : MOST_ROWS;
    while (!lower(s, rows) || (rows > QUAD && s->work_size * size > WORK_WISH))
        rows = rows > QUAD && s->kernels ? rows / 2 : 1;
}

/* ---------------------------------------------------------------- what they include */
/* Adds a text for the GPU alone: functions and constants are said to be the GPU's. */
static void add_device_text(Text *out, const char *text)
{
    static const struct {
        const char *find, *change;
    } words[] = {{"\nstatic const ", "\nstatic __device__ const "},
                 {"static inline ", "static __device__ inline "},
                 {"    static real ", "    static __device__ real "}};
    enum { WORDS = sizeof words / sizeof *words };
    while (*text) {
        int k = 0;
        while (k < WORDS && strncmp(text, words[k].find, strlen(words[k].find)) != 0)
            k++;
        size_t length = k < WORDS ? strlen(words[k].find) : 1;
        text_add_bytes(out, k < WORDS ? words[k].change : text,
                       k < WORDS ? strlen(words[k].change) : 1);
        text += length;
    }
}

/* A header of the runtime in place: of what it includes only elementary.h, which belongs where it
 * stands; the others are there before it. */
static void add_header(Text *out, const char *name)
{
    const EmbeddedFile *file = embedded_find(arena_printf("runtime/%s", name));
    if (!file)
        internal_error("cuda: runtime/%s is not embedded", name);
    Text lines = {0};
    for (const char *at = file->text; *at;) {
        size_t length = strcspn(at, "\n");
        if (strncmp(at, "#include \"elementary.h\"", length) == 0 && length > 1) {
            add_device_text(out, text_of(&lines));
            lines = (Text){0};
            add_header(out, "elementary.h");
        } else if (strncmp(at, "#include", 8) != 0) {
            text_add(&lines, "%.*s\n", (int)length, at);
        }
        at += length + (at[length] == '\n');
    }
    add_device_text(out, text_of(&lines));
}

static const char *library_text(const Shipped *s)
{
    static const char *const headers[] = {"scalar.h", "rng.h", "knots.h", "cuda_device.h"};
    Text out = {0};
    if (s->options->f64)
        text_append(&out, "#define GAGAC_F64\n");
    for (size_t k = 0; k < sizeof headers / sizeof *headers; k++)
        add_header(&out, headers[k]);
    text_add(&out, "\nenum {\n    BATCH = %d, /* samples of a launch */\n    STRIDE = %d\n};\n\n",
             s->graph->batch_size, s->step->stride);
    return text_of(&out);
}

/* ---------------------------------------------------------------- tables */
static void add_statistic(Text *out, const char *name, bool device)
{
    Text text = {0};
    text_append(&text, "\n");
    emit_open_table(&text, "double", "SAMPLER_COLUMNS", "[SAMPLER_COLUMNS]",
                    arena_printf(device ? "data_%s" : "host_%s", name), name);
    if (device)
        add_device_text(out, text_of(&text));
    else
        text_append(out, text_of(&text) + 1);
}

static void add_columns(Text *out, const Shipped *s)
{
    static const char *const statistics[] = {"mean", "std", "minimum", "maximum"};
    bool linear = s->model->normalisation == NORMALISE_STD;
    text_append(out, "#ifndef __CUDACC_RTC__\n");
    emit_names(out, s->model);
    text_append(out, "/* of the training data, by column */\n");
    for (int k = 0; k < 4; k++)
        add_statistic(out, statistics[k], false);
    text_append(out, "#endif\n\n/* the same for the kernels */");
    for (int k = 0; k < (linear ? 2 : 1); k++)
        add_statistic(out, statistics[k], true);
    if (!linear) {
        Text knots = {0};
        emit_knots_table(&knots);
        add_device_text(out, text_of(&knots));
    }
}

/* The array of a tensor as the kernels read it: rows padded with zeros. */
static const char *weights_name(const Tensor *t)
{
    return arena_printf("sampler_%s", table_name(t));
}

static void add_weights(Text *out, const Shipped *s)
{
    for (int k = 0; k < s->tensor_count; k++) {
        const Tensor *t = s->tensors[k];
        text_add(out,
                 "/* %s */\n__device__ alignas(64) real_word %s[%d * %d] = {/*@%s:rows@*/0};\n",
                 t->label, weights_name(t), rows_of(&t->type), padded(columns_of(&t->type)),
                 t->name);
    }
}

static const char *tables_text(const Shipped *s)
{
    Text out = {0};
    if (!s->model->channels) {
        const char *file =
            s->model->normalisation == NORMALISE_STD ? "sampler_linear.c" : "sampler_table.c";
        add_columns(&out, s);
        text_append(&out, "\n");
        add_device_text(&out, template_fill(file, NULL, 0));
        text_append(&out, "\n");
    }
    add_weights(&out, s);
    return text_of(&out);
}

/* ---------------------------------------------------------------- launches */
static int tensor_number(Shipped *s, const Tensor *tensor)
{
    int k = 0;
    while (k < s->tensor_count && s->tensors[k] != tensor)
        k++;
    if (k == s->tensor_count)
        s->tensors[s->tensor_count++] = tensor;
    return k;
}

static const char *argument_text(Shipped *s, const CudaBinding *b)
{
    if (b->space == CUDA_RUN)
        return "{CALL, 0}";
    if (b->space == CUDA_STATE)
        return arena_printf("{WEIGHTS, %d}", tensor_number(s, b->tensor));
    return arena_printf("{WORK, %zu}", cuda_offset(s->step, b->node, s->base));
}

static const char *launch_text(Text *arguments, Shipped *s, int k)
{
    const Stage *stage = s->step->stages[k];
    if (stage->binding_count > LAUNCH_ARGUMENTS)
        internal_error("cuda: a kernel of the sampler with %d arguments", stage->binding_count);
    text_add(arguments, "static const Argument arguments_%d[] = {", k);
    for (int i = 0; i < stage->binding_count; i++)
        text_add(arguments, "%s%s", i ? ", " : "", argument_text(s, &stage->bindings[i]));
    text_append(arguments, "};\n");
    return arena_printf("    {(const void *)%s, {%d, %d, %d}, %d, %d, arguments_%d}, /* %s */\n",
                        stage->function, stage->grid[0], stage->grid[1], stage->grid[2],
                        stage->block, stage->binding_count, k, stage->sentence);
}

/* Of images: the latents drawn, and handed to the caller. */
static void add_latent_launches(Text *arguments, Text *out, Shipped *s)
{
    const Input *z = sampler_latents_of(s->graph);
    for (int k = 0; k < s->step->stage_count; k++) {
        const Stage *stage = s->step->stages[k];
        if (stage->kind != STAGE_FILL || stage->root->input != z)
            continue;
        text_add(arguments,
                 "static const Argument latent_arguments[] = {{CALL, 0}, {WORK, %zu}};\n",
                 cuda_offset(s->step, stage->root, s->base));
        text_add(
            out,
            "static const Launch latent_launches[] = {\n%s"
            "    {(const void *)sampler_copy_latents, {%lld, 1, 1}, 128, 2, latent_arguments},\n"
            "};\n",
            launch_text(&(Text){0}, s, k), (long long)cuda_blocks_of(s->graph->batch_size, 128));
        return;
    }
    internal_error("cuda: a sampler that reads no latents");
}

static const char *launches_text(Shipped *s)
{
    Text arguments = {0}, out = {0}, rows = {0};
    for (int k = 0; k < s->step->stage_count; k++)
        text_append(&rows, launch_text(&arguments, s, k));
    text_add(&out, "static const Launch launches[] = {\n%s};\n", text_of(&rows));
    if (s->model->channels)
        add_latent_launches(&arguments, &out, s);
    text_append(&out, "\nstatic cudaError_t find_weights(int tensor, void **place)\n{\n"
                      "    switch (tensor) {\n");
    for (int k = 0; k < s->tensor_count; k++)
        text_add(&out, "    case %d:\n        return cudaGetSymbolAddress(place, %s);\n", k,
                 weights_name(s->tensors[k]));
    text_append(&out, "    default:\n        return cudaErrorInvalidValue;\n    }\n}\n\n");
    return arena_printf("%s%s", text_of(&arguments), text_of(&out));
}

/* ---------------------------------------------------------------- the file */
/* What the kernels of the network read and where they leave what they made. */
static const char *ends_text(const Shipped *s)
{
    const Model *m = s->model;
    Hole latent = {"latent", m->channels ? "float" : "double"};
    Text out = {0};
    if (m->channels)
        text_add(&out, "enum { CHANNELS = %d, AREA = %d };\n\n", m->channels, m->width * m->height);
    else
        text_add(&out, "enum { GENERATED = %d, CONDITIONS = %d };\n\n", m->x_dim - m->cond_dim,
                 m->cond_dim);
    add_device_text(&out, template_fill("sampler_device.cu", &latent, 1));
    text_append(&out, "\n");
    add_device_text(&out,
                    template_fill(m->channels ? "sampler_images.cu" : "sampler_rows.cu", NULL, 0));
    if (m->channels)
        text_add(&out,
                 "\n/* For sampler_latents(). */\n"
                 "KERNEL sampler_copy_latents(const SamplerCall call, const real *z)\n{\n"
                 "    copy_latents<%d, BATCH>(call, z);\n}\n",
                 sampler_latents_of(s->graph)->width);
    return text_of(&out);
}

static const char *head_text(const Shipped *s)
{
    Text head = {0};
    emit_head(&head, s->model, "sampler.cu",
              s->model->channels ? "Images from the generator on a GPU: see sampler.h."
                                 : "Rows from the generator on a GPU: see sampler.h.");
    emit_config_lines(&head, s->model);
    text_append(&head,
                " *\n *     nvcc -O3 -fmad=false -c sampler.cu\n *\n"
                " * Without -fmad=false random numbers may differ in their last bits from those "
                "of sampler.c. NVRTC\n * compiles the kernels alone. */\n");
    return text_of(&head);
}

const char *emit_device_sampler(const Model *model, const EmitOptions *options,
                                SamplerDevice *device)
{
    EmitOptions plain = *options;
    plain.tensor = TENSOR_NONE;
    Shipped s = {.model = model, .options = &plain};
    choose_rows(&s);
    s.tensors = arena_alloc((size_t)(s.graph->tensor_count + 1) * sizeof *s.tensors);
    const char *launches = launches_text(&s);
    *device = (SamplerDevice){(s.work_size * (options->f64 ? 8 : 4) + 255) / 256 * 256,
                              s.graph->batch_size};
    Hole holes[] = {{"head", head_text(&s)},
                    {"columns", int_text(model->channels ? 0 : model->x_dim)},
                    {"library", library_text(&s)},
                    {"tables", tables_text(&s)},
                    {"ends", ends_text(&s)},
                    {"network", wrap_lines(s.kernels)},
                    {"trained", "/*@trained@*/0"},
                    {"rows", int_text(s.graph->batch_size)},
                    {"most", int_text(LAUNCH_ARGUMENTS)},
                    {"launches", wrap_lines(launches)},
                    {"calls", model->channels
                                  ? template_fill("sampler_images_calls.cu", NULL, 0)
                                  : arena_printf("%s\n%s",
                                                 template_fill("sampler_request.c", NULL, 0),
                                                 sampler_calls("sampler_rows_calls.cu", "host"))}};
    return template_fill("sampler_cuda.cu", holes, sizeof holes / sizeof *holes);
}
