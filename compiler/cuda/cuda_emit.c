/* cuda_emit.c -- the CUDA part of a generated program: src/model.cu, which NVRTC compiles, and
 * src/cuda.c, which holds that text, the headers that it includes and the launches of each step.
 *
 * Needs: the graph of steps. Guarantees: the same model gives the same bytes, with machine code
 * (--arch) as far as NVRTC does. */
#include "target_cuda.h"

#include <string.h>

/* What model.cu includes, directly or not; the last three stand in for a C library's. */
static const char *const headers[] = {"cuda_inputs.h", "cuda_device.h", "cuda_run.h",  "order.h",
                                      "rng.h",         "scalar.h",      "elementary.h"};
static const CudaText stand_ins[] = {
    {"stdint.h", "typedef int int32_t;\ntypedef unsigned uint32_t;\ntypedef long int64_t;\n"
                 "typedef unsigned long uint64_t;\n"},
    {"stdbool.h", "/* C++ has bool */\n"},
    {"string.h", "/* memcpy() is NVRTC's own */\n"}};
enum {
    HEADERS = sizeof headers / sizeof *headers,
    STAND_INS = sizeof stand_ins / sizeof *stand_ins,
    TEXTS = 1 + HEADERS + STAND_INS
};

typedef struct CudaFiles { /* of one program in the making */
    const Model *model;
    const Graph *graph;
    const EmitOptions *options;
    CudaStep **steps; /* all but the sampler */
    int count;
    size_t batch_base, work_size; /* reals */
    CudaText texts[TEXTS];
} CudaFiles;

static size_t round_to(size_t n, size_t to) { return (n + to - 1) / to * to; }

/* ---------------------------------------------------------------- the kernels */
static bool reads_tensor(const Stage *stage, const Tensor *tensor)
{
    for (int k = 0; k < stage->binding_count; k++)
        if (stage->bindings[k].space == CUDA_STATE && stage->bindings[k].tensor == tensor)
            return true;
    return false;
}

/* No stage comes after the assignment of a tensor that it reads. */
static void check_assignments(const CudaStep *step)
{
    for (int j = 0; j < step->stage_count; j++)
        for (int i = 0; i < step->stages[j]->binding_count; i++) {
            const CudaBinding *b = &step->stages[j]->bindings[i];
            for (int k = j + 1; b->space == CUDA_STATE && b->written && k < step->stage_count; k++)
                if (reads_tensor(step->stages[k], b->tensor))
                    internal_error("cuda: %s is needed after its assignment", b->tensor->name);
        }
}

static void print_stages(Emitter *e, CudaStep *step)
{
    int kept = 0;
    cuda_move_sums(e, step);
    cuda_find_chains(e, step);
    for (int j = 0; j < step->stage_count; j++) {
        cuda_print(e, step, step->stages[j]);
        if (step->stages[j]->function)
            step->stages[kept++] = step->stages[j];
    }
    step->stage_count = kept;
    check_assignments(step);
    cuda_place(step);
}

const char *cuda_functions(Emitter *e, const Graph *g, CudaStep *const *steps, int count,
                           size_t *batch_base, size_t *work_size)
{
    size_t whole = 0, batch = 0;
    int stride = (g->batch_size + QUAD - 1) / QUAD * QUAD;
    for (int k = 0; k < count; k++) {
        print_stages(e, steps[k]);
        whole = steps[k]->whole_size > whole ? steps[k]->whole_size : whole;
        batch = steps[k]->batch_size > batch ? steps[k]->batch_size : batch;
    }
    *batch_base = round_to(whole, (size_t)stride * 16);
    *work_size = *batch_base + batch;
    return text_of(&e->functions);
}

const char *cuda_kernels(const EmitOptions *options, const Graph *g, CudaStep *const *steps,
                         int count, size_t *batch_base, size_t *work_size)
{
    static const char *const names[] = {
        [TENSOR_TF32] = "TF32", [TENSOR_3XTF32] = "3XTF32", [TENSOR_BF16] = "BF16"};
    Emitter e = {.options = options, .graph = g, .vector_length = 1};
    Text out = {0};
    if (options->f64)
        text_append(&out, "#define GAGAC_F64\n");
    if (options->tensor != TENSOR_NONE)
        text_add(&out, "#define GAGAC_%s\n", names[options->tensor]);
    text_add(&out,
             "#include \"cuda_inputs.h\"\n\nenum {\n    BATCH = %d,\n"
             "    STRIDE = %d /* reals between features of a value of the batch */\n};\n\n",
             g->batch_size, (g->batch_size + QUAD - 1) / QUAD * QUAD);
    text_append(&out, cuda_functions(&e, g, steps, count, batch_base, work_size));
    return text_of(&out);
}

int cuda_texts(const EmitOptions *options, const char *model, CudaText *texts)
{
    int count = 0;
    texts[count++] = (CudaText){"model.cu", model};
    for (int k = 0; k < HEADERS; k++) {
        const char *path = arena_printf("runtime/%s", headers[k]);
        const EmbeddedFile *file = embedded_find(path);
        if (!file)
            internal_error("cuda: %s is not embedded", path);
        texts[count++] = (CudaText){headers[k], file->text};
    }
    for (int k = 0; k < STAND_INS; k++)
        texts[count++] = stand_ins[k];
    if (options->fault)
        cuda_plant(options->fault, texts, count);
    return count;
}

static void print_model(CudaFiles *f)
{
    Text out = {0};
    emit_head(&out, f->model, "model.cu",
              "The steps of a training iteration as kernels of a GPU, for NVRTC.");
    emit_config_lines(&out, f->model);
    text_append(&out, " */\n");
    text_append(&out, cuda_kernels(f->options, f->graph, f->steps, f->count, &f->batch_base,
                                   &f->work_size));
    cuda_shake_kernels(&out, f->model, f->graph);
    cuda_texts(f->options, wrap_lines(text_of(&out)), f->texts);
}

/* ---------------------------------------------------------------- the tables */
size_t cuda_offset(const CudaStep *step, const Node *n, size_t batch_base)
{
    for (int k = 0; k < step->storage_count; k++)
        if (step->storage[k].node == n)
            return step->storage[k].offset + (n->type.batch ? batch_base : 0);
    internal_error("cuda: an array without a place");
}

static const char *argument_text(const CudaFiles *f, const CudaStep *step, const CudaBinding *b)
{
    if (b->space == CUDA_RUN)
        return "{CUDA_RUN, 0}";
    if (b->space == CUDA_UPDATE)
        return "{CUDA_UPDATE, 0}";
    if (b->space == CUDA_STATE)
        return arena_printf("{CUDA_STATE, offsetof(struct state, %s.%s) / sizeof(real)}",
                            b->tensor->group, b->tensor->field);
    return arena_printf("{CUDA_WORK, %zu}", cuda_offset(step, b->node, f->batch_base));
}

static void emit_launches(Text *out, const CudaFiles *f, const CudaStep *step)
{
    const char *name = step->schedule->step->name;
    Text rows = {0};
    for (int k = 0; k < step->stage_count; k++) {
        const Stage *stage = step->stages[k];
        text_add(out, "static const CudaArgument %s_%d[] = {", name, k);
        for (int i = 0; i < stage->binding_count; i++)
            text_add(out, "%s\n    %s", i ? "," : "", argument_text(f, step, &stage->bindings[i]));
        text_append(out, "};\n");
        text_add(&rows, "    {\"%s\", \"%s\", {%d, %d, %d}, %d, %d, %s_%d, %.17g},\n",
                 stage->function, stage->sentence, stage->grid[0], stage->grid[1], stage->grid[2],
                 stage->block, stage->binding_count, name, k, stage->flops);
    }
    text_add(out, "static const CudaLaunch %s_launches[] = {\n%s};\n\n", name, text_of(&rows));
}

static void emit_texts(Text *out, const CudaFiles *f)
{
    for (int k = 0; k < TEXTS; k++)
        emit_text(out, arena_printf("text_%d", k), f->texts[k].text);
    text_append(out, "static const CudaText texts[] = {\n");
    for (int k = 0; k < TEXTS; k++)
        text_add(out, "    {\"%s\", text_%d},\n", f->texts[k].name, k);
    text_append(out, "};\n\n");
}

/* Machine code for the architectures that were asked for. */
static void emit_images(Text *out, const CudaFiles *f)
{
    Text rows = {0};
    for (int k = 0; k < f->options->arch_count; k++) {
        CudaCode code;
        Error error = {0};
        if (!nvrtc_compile_cached(f->texts, TEXTS, f->options->archs[k], NVRTC_SHIP, &code, &error))
            fail_error(&error);
        emit_bytes(out, arena_printf("image_%d", k), code.bytes, code.size, false);
        text_add(&rows, "    {\"%s\", image_%d, sizeof image_%d},\n", f->options->archs[k], k, k);
    }
    if (f->options->arch_count > 0)
        text_add(out, "static const CudaImage images[] = {\n%s};\n\n", text_of(&rows));
}

static const char *steps_text(const CudaStep *step)
{
    return arena_printf("{%d, %s_launches}", step->stage_count, step->schedule->step->name);
}

/* What comes before the updates of an iteration: weights are clamped (GAGA) or shaken (HyperGAN).
 */
static const char *emit_before(Text *out, const CudaFiles *f, bool clamp)
{
    int shakes = cuda_shake_launches(out, f->model, f->graph, f->options);
    if (clamp && shakes > 0)
        internal_error("cuda: weights that are clamped and shaken");
    if (shakes > 0)
        return arena_printf("{%d, shake_launches}", shakes);
    return clamp ? steps_text(f->steps[0]) : "{0, NULL}";
}

static const char *emit_cuda_tables(const CudaFiles *f)
{
    Text out = {0};
    bool clamp = f->count > 0 && strcmp(f->steps[0]->schedule->step->name, "clamp") == 0;
    text_append(&out, "/* cuda.c -- generated by gagac " GAGAC_VERSION ". Do not edit.\n *\n"
                      " * The training on a GPU: the text of its kernels and the launches of each "
                      "step (program.h). */\n#include \"model.h\"\n#include \"cuda_load.h\"\n"
                      "#include <stddef.h>\n\n");
    emit_texts(&out, f);
    emit_images(&out, f);
    for (int k = 0; k < f->count; k++)
        emit_launches(&out, f, f->steps[k]);
    const char *before = emit_before(&out, f, clamp);
    text_append(&out, "static const CudaSteps updates[] = {\n");
    for (int k = clamp; k < f->count; k++)
        text_add(&out, "    %s,\n", steps_text(f->steps[k]));
    text_add(&out,
             "};\n\nextern const CudaProgram cuda_program;\nconst CudaProgram cuda_program = {\n"
             "    .texts = texts, .text_count = %d, .work_size = %zu, .data_width = %d,\n"
             "    .before = %s, .updates = updates,\n    .image_count = %d, .images = %s,\n"
             "    .device = \"%s\", .least_arch = %d,\n};\n",
             TEXTS, f->work_size, f->model->x_dim, before, f->options->arch_count,
             f->options->arch_count ? "images" : "NULL", f->options->device,
             f->options->tensor == TENSOR_NONE ? 75 : 80);
    return text_of(&out);
}

void cuda_emit(EmittedFiles *files, const Model *model, Graph *g, const EmitOptions *options)
{
    CudaFiles f = {.model = model, .graph = g, .options = options, .count = g->step_count - 1};
    f.steps = arena_alloc((size_t)g->step_count * sizeof(CudaStep *));
    for (int k = 0; k < f.count; k++) {
        f.steps[k] = cuda_stages(schedule_step(g, &g->steps[k], ORDER_WIDE));
        f.steps[k]->number = k;
    }
    print_model(&f);
    const char *tables = emit_cuda_tables(&f);
    files->files[files->count++] =
        (EmittedFile){"src/model.cu", f.texts[0].text, strlen(f.texts[0].text)};
    files->files[files->count++] = (EmittedFile){"src/cuda.c", tables, strlen(tables)};
}
