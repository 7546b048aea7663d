/* emit_step.c -- one step as C: what it keeps, its tile functions, its sections in order.
 *
 * Needs: a schedule and a plan. The tile function is a list of calls that reads like the model; a
 * section over the batch runs it for every tile of a shard; sections over whole arrays run kernel
 * by kernel, cut into parts where that pays.            */
#include "emit.h"

#include <string.h>

enum { SMALL_LEVEL = 4096 }; /* reals of whole arrays that one thread does at once */

static const char *step_name(const Plan *p) { return p->schedule->step->name; }

static const char *aligned_row(const Type *type)
{
    if (type->rank > 1)
        return arena_printf("[%d][%d]", rows_of(type), padded(columns_of(type)));
    return arena_printf("[%d]", padded(columns_of(type)));
}

void emit_structures(Text *out, const Plan *p)
{
    const Schedule *s = p->schedule;
    const char *name = step_name(p);
    text_add(out, "/* Sums over the batch of %s, one share a shard. */\nstruct %s_sums {\n", name,
             name);
    for (int k = 0; k < s->sum_count; k++) {
        const Sum *sum = &s->sums[k];
        if (sum->lanes)
            text_add(out, "    real %s[%d][LANES] ALIGNED;\n", sum->name,
                     padded((int)type_size(&sum->node->type)));
        else
            text_add(out, "    real %s%s ALIGNED;\n", sum->name, aligned_row(&sum->node->type));
    }
    if (!s->sum_count)
        text_append(out, "    real none;\n");
    text_add(out, "};\n\n/* Whole arrays computed in %s. */\nstruct %s_values {\n", name, name);
    for (int k = 0; k < p->global_count; k++)
        text_add(out, "    real %s%s ALIGNED;\n", p->globals[k].name,
                 aligned_row(&p->globals[k].node->type));
    if (!p->global_count)
        text_append(out, "    real none;\n");
    text_append(out, "};\n\n");
}

void emit_context(Text *out, const Plan *p)
{
    const char *name = step_name(p);
    text_add(out,
             "struct %s { /* one run of the step */\n    struct state *state;\n"
             "    struct %s_sums *sums; /* of the first shard */\n    struct %s_values *values;\n"
             "    const Batch *batch;\n    const real *scalars;\n    struct work *work;\n};\n\n",
             name, name, name);
}

/* ---------------------------------------------------------------- tiles */
static const char *readers_of(const Plan *p, const Buffer *buffer)
{
    const Schedule *s = p->schedule;
    Text t = {0};
    text_add(&t, "written k%d", s->sections[buffer->section].kernels[buffer->first]->number);
    if (buffer->across)
        text_append(&t, ", kept for later sections");
    else if (buffer->last > buffer->first && buffer->last < s->sections[buffer->section].count)
        text_add(&t, ", last read k%d", s->sections[buffer->section].kernels[buffer->last]->number);
    return text_of(&t);
}

typedef struct Used {
    const Plan *plan;
    bool *used;
} Used;

static void mark_used(void *context, Node *read, bool direct)
{
    Used *u = context;
    (void)direct;
    if (u->plan->buffer_of[read->id] >= 0)
        u->used[u->plan->buffer_of[read->id]] = true;
}

/* The buffers that kernels of this section write or read. */
static bool *section_buffers(const Plan *p, int section)
{
    const Section *at = &p->schedule->sections[section];
    Used u = {p, arena_alloc((size_t)(p->buffer_count + 1) * sizeof(bool))};
    for (int k = 0; k < p->buffer_count; k++)
        u.used[k] = p->buffers[k].section == section;
    for (int j = 0; j < at->count; j++) {
        const Kernel *kernel = at->kernels[j];
        if (kernel->root)
            visit_reads(p->schedule, kernel->root, mark_used, &u);
        for (int i = 0; i < kernel->body_count; i++)
            visit_reads(p->schedule, kernel->body[i], mark_used, &u);
    }
    return u.used;
}

void emit_buffers(Text *out, const Plan *p, int section)
{
    const bool *used = section_buffers(p, section);
    for (int k = 0; k < p->buffer_count; k++) {
        const Buffer *b = &p->buffers[k];
        if (!used[k])
            continue;
        const char *place = b->across ? arena_printf("s->work->kept[tile] + %zu", b->offset)
                                      : arena_printf("scratch + %zu", b->offset);
        text_add(out, "    real(*const %s)[BT] = (real(*)[BT])(%s); /* [%d][%d] %s */\n", b->name,
                 place, (int)type_size(&b->node->type), p->schedule->lanes, readers_of(p, b));
    }
    text_append(out, "\n");
}

static int input_index(const Step *step, const Input *input)
{
    for (int k = 0; k < step->input_count; k++)
        if (step->inputs[k] == input)
            return k;
    internal_error("emit: input '%s' of another step", input->name);
}

static void emit_tile_call(Text *out, Emitter *e, const Plan *p, const Kernel *kernel)
{
    Call call = emit_kernel(e, p, kernel);
    text_add(out, "    /* k%d  %s */\n    KERNEL(%d);\n", kernel->number, call.sentence,
             e->profiled + kernel->number);
    if (kernel->kind == KERNEL_FILL) {
        int k = input_index(p->schedule->step, kernel->root->input);
        text_add(out,
                 "    fill_input(s->batch, %d, &%s_inputs[%d], &%s[0][0], BT, first_sample,\n      "
                 "  live_count);\n",
                 k, step_name(p), k, p->buffers[p->buffer_of[kernel->root->id]].name);
    } else {
        text_add(out, "    %s(%s);\n", call.function, call.arguments);
    }
}

static void emit_tile(Text *out, Emitter *e, const Plan *p, int section)
{
    const Section *at = &p->schedule->sections[section];
    Text body = {0};
    for (int j = 0; j < at->count; j++)
        emit_tile_call(&body, e, p, at->kernels[j]);
    text_append(out, text_of(&e->functions));
    e->functions = (Text){0};
    text_add(
        out,
        "/* Samples first_sample .. first_sample + BT - 1 of the batch, live_count of them real. "
        "*/\n"
        "static void %s_tile_%d(struct %s *s, struct %s_sums *sums, real *scratch, int tile, int "
        "first,\n"
        "    int thread)\n{\n"
        "    const long first_sample = (long)tile * BT;\n"
        "    const int live_count = BATCH - first_sample < BT ? (int)(BATCH - first_sample) : BT;\n"
        "    real live[BT] ALIGNED; /* 1 for a real sample, 0 behind the batch's end */\n"
        "    real *const transposed = scratch + SCRATCH;\n",
        step_name(p), section / 2, step_name(p), step_name(p));
    emit_buffers(out, p, section);
    text_append(
        out,
        "    PROFILE(thread);\n    (void)sums, (void)first, (void)transposed;\n"
        "    for (int lane = 0; lane < BT; lane++)\n        live[lane] = lane < live_count;\n");
    text_append(out, text_of(&body));
    text_append(out, "    KERNEL(-1);\n}\n\n");
}

static void emit_clears(Text *out, const Plan *p, int section)
{
    const Schedule *s = p->schedule;
    bool *cleared = arena_alloc((size_t)(s->sum_count + 1) * sizeof(bool));
    for (int j = 0; j < s->sections[section].count; j++) {
        const Kernel *kernel = s->sections[section].kernels[j];
        for (int i = 0; i < kernel->body_count; i++) {
            int sum = kernel->body[i]->op == OP_SUM_BATCH ? s->sum_of[kernel->body[i]->id] : -1;
            if (sum < 0 || cleared[sum])
                continue;
            cleared[sum] = true;
            text_add(out, "    memset(sums->%s, 0, sizeof sums->%s);\n", s->sums[sum].name,
                     s->sums[sum].name);
        }
    }
}

static void emit_shard(Text *out, const Plan *p, int section)
{
    const char *name = step_name(p);
    text_add(out,
             "static void %s_shard_%d(void *context, int shard, int thread)\n{\n"
             "    struct %s *s = context;\n"
             "    struct %s_sums *sums = &s->work->shards[shard].%s;\n"
             "    real *scratch = s->work->scratch + (size_t)thread * THREAD_SCRATCH;\n"
             "    const int from = shard * TILES / SHARDS, to = (shard + 1) * TILES / SHARDS;\n",
             name, section / 2, name, name, name);
    emit_clears(out, p, section);
    text_add(out,
             "    for (int tile = from; tile < to; tile++)\n"
             "        %s_tile_%d(s, sums, scratch, tile, tile == from, thread);\n}\n\n",
             name, section / 2);
}

/* ---------------------------------------------------------------- whole arrays */
static int64_t level_size(const Section *section, int level)
{
    int64_t size = 0;
    for (int k = 0; k < section->count; k++)
        if (section->kernels[k]->level == level)
            size += type_size(&section->kernels[k]->space) * section->kernels[k]->body_count;
    return size;
}

static void emit_level_call(Text *out, const Call *call, const Kernel *kernel, bool parts)
{
    const char *indent = parts ? "        " : "    ";
    if (!parts)
        text_add(out, "    /* k%d  %s */\n", kernel->number, call->sentence);
    if (call->rows && parts)
        text_add(out, "%s%s(%d * part / PARTS, %d * (part + 1) / PARTS, %s);\n", indent,
                 call->function, call->row_count, call->row_count, call->arguments);
    else if (call->rows)
        text_add(out, "%s%s(0, %d, %s);\n", indent, call->function, call->row_count,
                 call->arguments);
    else if (parts)
        text_add(out, "%sif (part == 0)\n%s    %s(%s);\n", indent, indent, call->function,
                 call->arguments);
    else
        text_add(out, "%s%s(%s);\n", indent, call->function, call->arguments);
}

/* Kernels of one level: many small parts for the pool, or plain calls when there is little to do.
 */
static void emit_level(Text *out, Text *step, Emitter *e, const Plan *p, int section, int level)
{
    const Section *at = &p->schedule->sections[section];
    bool parts = level_size(at, level) > SMALL_LEVEL;
    Text body = {0};
    int cases = 0;
    for (int k = 0; k < at->count; k++) {
        const Kernel *kernel = at->kernels[k];
        if (kernel->level != level)
            continue;
        Call call = emit_kernel(e, p, kernel);
        if (parts)
            text_add(&body, "    case %d: /* k%d  %s */\n", cases, kernel->number, call.sentence);
        emit_level_call(&body, &call, kernel, parts);
        if (parts)
            text_append(&body, "        break;\n");
        cases++;
    }
    text_append(out, text_of(&e->functions));
    e->functions = (Text){0};
    if (!parts) {
        text_append(step, text_of(&body));
        return;
    }
    const char *name = arena_printf("%s_arrays_%d_%d", step_name(p), section / 2, level);
    text_add(out,
             "static void %s(void *context, int item, int thread)\n{\n    struct %s *s = context;\n"
             "    const int part = item %% PARTS;\n    (void)thread;\n    switch (item / PARTS) "
             "{\n%s    }\n}\n\n",
             name, step_name(p), text_of(&body));
    text_add(step, "    pool_run(pool, %s, s, %d * PARTS);\n", name, cases);
}

static int level_count(const Section *section)
{
    int count = 0;
    for (int k = 0; k < section->count; k++)
        if (section->kernels[k]->level >= count)
            count = section->kernels[k]->level + 1;
    return count;
}

static const char *output_expression(const Plan *p, const Node *n)
{
    const Schedule *s = p->schedule;
    if (n->op == OP_CONSTANT)
        return arena_printf("%.17g", n->value);
    if (p->global_of[n->id] >= 0)
        return arena_printf("s->values->%s[0]", p->globals[p->global_of[n->id]].name);
    if (s->sum_of[n->id] >= 0)
        return arena_printf("total_of_lanes(s->sums->%s[0])", s->sums[s->sum_of[n->id]].name);
    internal_error("emit: output of %s has no place", s->step->name);
}

void emit_step(Text *out, Emitter *e, const Plan *p)
{
    const Schedule *s = p->schedule;
    const char *name = step_name(p);
    Text body = {0};
    text_add(out, "/* ---------------------------------------------------------------- %s: %s */\n",
             name, s->step->title);
    emit_context(out, p);
    for (int k = 0; k < s->section_count; k++) {
        const Section *section = &s->sections[k];
        if (section->batch && section->count) {
            emit_tile(out, e, p, k);
            emit_shard(out, p, k);
            text_add(&body, "    pool_run(pool, %s_shard_%d, s, SHARDS);\n", name, k / 2);
        }
        for (int level = 0; !section->batch && level < level_count(section); level++)
            emit_level(out, &body, e, p, k, level);
    }
    text_add(
        out,
        "void %s(Pool *pool, real *state, void *work, const Batch *batch, const real *scalars,\n"
        "    double *outputs)\n{\n"
        "    struct work *const w = work;\n"
        "    struct %s run = {(struct state *)(void *)state, &w->shards[0].%s, &w->values.%s, "
        "batch,\n"
        "        scalars, w};\n    struct %s *const s = &run;\n    (void)pool, (void)outputs;\n%s",
        name, name, name, name, name, text_of(&body));
    for (int k = 0; k < s->step->output_count; k++)
        text_add(out, "    outputs[%d] = %s; /* %s */\n", k,
                 output_expression(p, s->step->outputs[k]), s->step->output_names[k]);
    text_append(out, "}\n\n");
    for (int k = 0; k < s->section_count; k++)
        e->profiled += s->sections[k].count;
}

/* The sampler: one section over the batch, tiles in turn, rows written out sample by sample. */
void emit_sample(Text *out, Emitter *e, const Plan *p)
{
    const Schedule *s = p->schedule;
    const Node *rows = s->step->outputs[0];
    Text body = {0};
    for (int k = 0; k < s->section_count; k++) {
        if (s->sections[k].count && !s->sections[k].batch)
            internal_error("emit: the sampler computes whole arrays");
        for (int j = 0; j < s->sections[k].count; j++)
            emit_tile_call(&body, e, p, s->sections[k].kernels[j]);
    }
    text_append(out, text_of(&e->functions));
    e->functions = (Text){0};
    text_append(out, "struct sample { /* one request */\n    struct generator *generator;\n"
                     "    struct state *state;\n    const Batch *batch;\n};\n\n"
                     "static void sample_tile(struct sample *s, real *scratch, long first_sample, "
                     "int live_count, "
                     "real *out, int thread)\n{\n");
    emit_buffers(out, p, s->section_count - 1);
    text_append(out, "    PROFILE(thread);\n");
    text_append(out, text_of(&body));
    int columns = rows->type.dims[0];
    text_add(out,
             "    KERNEL(-1);\n    for (int lane = 0; lane < live_count; lane++)\n"
             "        for (int f = 0; f < %d; f++)\n            out[lane * %d + f] = "
             "%s[f][lane];\n}\n\n",
             columns, columns, p->buffers[p->buffer_of[rows->id]].name);
    text_add(out,
             "void sample(const real *generator, const real *state, void *work, const "
             "SampleRequest *request)\n{\n"
             "    const Batch batch = {.seed = request->seed, .sample_offset = request->first,\n"
             "        .given = {request->latent, request->condition}};\n"
             "    struct sample s = {(struct generator *)(uintptr_t)generator,\n"
             "        (struct state *)(uintptr_t)state, &batch};\n"
             "    for (int first = 0; first < request->count; first += BT) {\n"
             "        const int live = request->count - first < BT ? request->count - first : BT;\n"
             "        sample_tile(&s, work, first, live, request->out + (long)first * %d, "
             "request->thread);\n    }\n}\n",
             columns);
    for (int k = 0; k < s->section_count; k++)
        e->profiled += s->sections[k].count;
}
