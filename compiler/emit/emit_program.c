/* emit_program.c -- program.c: the tables that tell the fixed runtime about the generated code. */
#include "emit.h"
#include "hypergan.h"

#include <math.h>
#include <string.h>

const char *c_string(const char *text)
{
    Text out = {0};
    text_append(&out, "\"");
    for (const char *c = text; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || (*c && strchr("_ ,.=-", *c));
        text_add(&out, plain ? "%c" : "\\%03o", (unsigned char)*c);
    }
    text_append(&out, "\"");
    return text_of(&out);
}

/* Without printf(), as machine code is half a megabyte. */
static void add_number(Text *out, int number)
{
    char digits[4] = {0};
    int size = 0, rest = number < 0 ? -number : number;
    if (number < 0)
        text_append(out, "-");
    for (int unit = rest > 99 ? 100 : rest > 9 ? 10 : 1; unit > 0; unit /= 10)
        digits[size++] = (char)('0' + rest / unit % 10);
    digits[size++] = ',';
    text_add_bytes(out, digits, (size_t)size);
}

/* Literals of more than 4095 characters are not portable. */
void emit_bytes(Text *out, const char *name, const char *bytes, size_t size, bool text)
{
    text_add(out, "static const %s %s[] = {", text ? "char" : "unsigned char", name);
    for (size_t k = 0; k < size; k++) {
        if (k % 20 == 0)
            text_append(out, "\n    ");
        add_number(out, text ? (signed char)bytes[k] : (unsigned char)bytes[k]);
    }
    text_append(out, "\n};\n\n");
}

void emit_text(Text *out, const char *name, const char *text)
{
    emit_bytes(out, name, text, strlen(text) + 1, true);
}

static const char *number(double x)
{
    return isinf(x) ? (x > 0 ? "INFINITY" : "-INFINITY") : arena_printf("%.17g", x);
}

static const char *const role_names[] = {"ROLE_PARAMETER", "ROLE_OPTIMISER", "ROLE_AVERAGE",
                                         "ROLE_VECTOR",    "ROLE_BOUND",     "ROLE_CONTROL"};

/* The initial value: kind and scale (spec of the dialect: docs/gaga.md). */
static void emit_init(Text *out, const Tensor *t)
{
    double fan_in = t->fan_in > 0 ? t->fan_in : 1;
    if (t->role == ROLE_AVERAGE) {
        text_append(out, "INIT_COPY, 0");
        return;
    }
    switch (t->init) {
    case INIT_ZERO:
        text_append(out, "INIT_ZERO, 0");
        break;
    case INIT_ONE:
        text_append(out, "INIT_ONE, 0");
        break;
    case INIT_UNIFORM_FAN_IN:
        text_add(out, "INIT_UNIFORM, %s", number(1 / sqrt(fan_in)));
        break;
    case INIT_KAIMING_NORMAL:
        text_add(out, "INIT_NORMAL, %s", number(sqrt(2 / fan_in)));
        break;
    case INIT_UNIT_VECTOR:
        text_append(out, "INIT_UNIT, 1");
        break;
    case INIT_UNIFORM_BOUND:
        text_add(out, "INIT_UNIFORM, %s", number(t->scale));
        break;
    case INIT_GAUSSIAN:
        text_add(out, "INIT_NORMAL, %s", number(t->scale));
        break;
    case INIT_TRUNCATED_NORMAL:
        text_add(out, "INIT_TRUNCATED, %s", number(t->scale));
        break;
    case INIT_ORTHOGONAL:
        text_add(out, "INIT_ORTHOGONAL, %s", number(t->scale));
        break;
    case INIT_VALUE:
        text_add(out, "INIT_VALUE, %s", number(t->scale));
        break;
    case INIT_SOURCE:
        text_append(out, "INIT_COPY, 0");
        break;
    }
}

static int index_of(const Graph *g, const Tensor *tensor)
{
    for (int k = 0; k < g->tensor_count; k++)
        if (g->tensors[k] == tensor)
            return k;
    return -1;
}

static void emit_tensors(Text *out, const Graph *g)
{
    text_append(out, "static const ProgramTensor tensors[] = {\n");
    for (int k = 0; k < g->tensor_count; k++) {
        const Tensor *t = g->tensors[k];
        int columns = columns_of(&t->type);
        text_add(out, "    {\"%s\", \"%s\", %s, %d, {", t->name, t->label, role_names[t->role],
                 t->type.rank);
        for (int j = 0; j < t->type.rank; j++)
            text_add(out, "%s%d", j ? ", " : "", t->type.dims[j]);
        text_add(out, "},\n     %d, %d, %d, offsetof(struct state, %s.%s) / sizeof(real), ",
                 rows_of(&t->type), columns, padded(columns), t->group, t->field);
        emit_init(out, t);
        text_add(out, ", %d},\n", t->source ? index_of(g, t->source) : -1);
    }
    text_append(out, "};\n\n");
}

static void emit_inputs(Text *out, const Step *step)
{
    static const char *const kinds[] = {"INPUT_DATA", "INPUT_NORMAL", "INPUT_UNIFORM"};
    if (!step->input_count)
        return;
    text_add(out, "const ProgramInput %s_inputs[%d] = {\n", step->name, step->input_count);
    for (int k = 0; k < step->input_count; k++) {
        const Input *in = step->inputs[k];
        text_add(
            out,
            "    {.name = \"%s\", .kind = %s, .width = %d, .flat = %d, .stream = %d, .once = %d,\n"
            "     .first_only = %d, .last_data = %d",
            in->name, kinds[in->kind], in->width, in->flat, in->stream, in->once, in->first_only,
            in->last_data);
        if (in->map[0] > 0)
            text_add(out, ",\n     .map = {%d, %d, %d}", in->map[0], in->map[1], in->map[2]);
        if (in->every_pass)
            text_add(out, ",\n     .every_pass = 1, .part = %d, .parts = %d", in->part, in->parts);
        if (in->low != in->high)
            text_add(out, ",\n     .low = %s, .high = %s", number(in->low), number(in->high));
        text_append(out, "},\n");
    }
    text_append(out, "};\n\n");
}

static void emit_course(Text *out, const Scalar *scalar)
{
    static const char *const kinds[] = {"COURSE_FIXED", "COURSE_RAMP", "COURSE_ANNEAL",
                                        "COURSE_EXPONENTIAL", "COURSE_RANDOM"};
    const Course *c = &scalar->course;
    if (scalar->kind != SCALAR_COURSE)
        return;
    text_add(out, ",\n      .course = {%s, %s, %s, ", kinds[c->kind], number(c->from),
             number(c->to));
    text_add(out, "%s, %s, ", number(c->steps), number(c->start));
    text_add(out, "%d, %d, %s, %d}", c->cycle, c->repeat, number(c->factor), c->staircase);
}

static void emit_update(Text *out, const Plan *p)
{
    static const char *const kinds[] = {"SCALAR_RATE", "SCALAR_UNBIAS", "SCALAR_UNBIAS_ROOT",
                                        "SCALAR_SHARE", "SCALAR_COURSE"};
    const Schedule *s = p->schedule;
    const Step *step = s->step;
    text_add(out,
             "    {.name = \"%s\", .count = %d, .input_count = %d, .inputs = %s,\n"
             "     .scalar_count = %d,\n     .scalars = {",
             step->name, step->count, step->input_count,
             step->input_count ? arena_printf("%s_inputs", step->name) : "NULL",
             step->scalar_count);
    for (int k = 0; k < step->scalar_count; k++) {
        text_add(out, "%s{.name = \"%s\", .kind = %s, .base = %s", k ? ", " : "",
                 step->scalars[k].name, kinds[step->scalars[k].kind],
                 number(step->scalars[k].base));
        emit_course(out, &step->scalars[k]);
        text_append(out, "}");
    }
    text_add(out, "},\n     .output_count = %d,\n     .outputs = {", step->output_count);
    for (int k = 0; k < step->output_count; k++)
        text_add(out, "%s\"%s\"", k ? ", " : "", step->output_names[k]);
    text_add(out, "},\n     .flops = %s, .run = %s},\n", number(s->flops), step->name);
}

static void emit_kernel_table(Text *out, const Graph *g, Plan *const plans[])
{
    int count = 0, update = 0;
    Text rows = {0};
    for (int k = 0; k < g->step_count; k++) {
        const Schedule *s = plans[k]->schedule;
        bool sample = k == g->step_count - 1, clamp = strcmp(s->step->name, "clamp") == 0;
        for (int i = 0; i < s->section_count; i++)
            for (int j = 0; j < s->sections[i].count; j++) {
                const Kernel *kernel = s->sections[i].kernels[j];
                double flops = kernel_flops(s, kernel) / (sample ? s->graph->batch_size : 1);
                text_add(&rows, "    {\"%s k%d\", \"%s\", %d, %s, SECONDS(%d)},\n", s->step->name,
                         kernel->number, kernel_sentence(plans[k], kernel), clamp ? -1 : update,
                         number(flops), count);
                count++;
            }
        update += !clamp;
    }
    text_add(out,
             "#ifdef GAGAC_PROFILE\ndouble kernel_seconds[%d][MAX_THREADS][8];\n"
             "#define SECONDS(k) kernel_seconds[k]\n#else\n#define SECONDS(k) NULL\n#endif\n\n"
             "static const ProgramKernel kernels[] = {\n%s};\n\n",
             count, text_of(&rows));
}

static void emit_bounds(Text *out, const char *name, const Model *model, bool lower)
{
    const Layer *layers = model->generator.layers;
    for (int k = 0; k < model->generator.layer_count; k++)
        if (layers[k].kind == LAYER_CLAMP) {
            text_add(out, "static const double %s[] = {", name);
            for (int j = 0; j < model->generator.outputs; j++)
                text_add(out, "%s%s", j ? ", " : "",
                         number(lower ? layers[k].lower[j] : layers[k].upper[j]));
            text_append(out, "};\n");
        }
}

static const Tensor *find_tensor(const Graph *g, const char *group, const char *ending)
{
    for (int k = 0; k < g->tensor_count; k++) {
        const Tensor *t = g->tensors[k];
        size_t length = strlen(t->field), end = strlen(ending);
        if (strcmp(t->group, group) == 0 && length >= end &&
            strcmp(t->field + length - end, ending) == 0)
            return t;
    }
    return NULL;
}

static void emit_bound_fields(Text *out, const Graph *g)
{
    const Tensor *lower = find_tensor(g, "g_bound", "_lower"),
                 *upper = find_tensor(g, "g_bound", "_upper");
    if (!lower)
        return;
    text_add(out,
             "    .clamp_lower = bound_lower,\n    .clamp_upper = bound_upper,\n"
             "    .lower_offset = offsetof(struct state, g_bound.%s) / sizeof(real),\n"
             "    .upper_offset = offsetof(struct state, g_bound.%s) / sizeof(real),\n",
             lower->field, upper->field);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Names of the columns; pixels have none. */
static void emit_keys(Text *out, const Model *model)
{
    if (model->channels)
        return;
    text_append(out, "static const char *const keys[] = {");
    for (int k = 0; k < model->x_dim; k++)
        text_add(out, "%s%s", k ? ", " : "", c_string(model->keys[k]));
    text_append(out, "};\n\n");
}

static void emit_config_fields(Text *out, const Model *m, const EmitOptions *options)
{
    static const char *const isas[] = {"avx512", "avx2", "generic"};
    text_add(out,
             "    .version = \"" GAGAC_VERSION
             "\",\n    .config = config_text,\n    .config_name = %s,\n"
             "    .config_hash = UINT64_C(%llu),\n    .isa = \"%s\",\n"
             "    .x_dim = %d, .cond_dim = %d, .z_dim = %d, .batch_size = %d,\n    .keys = %s,\n"
             "    .normalisation = %d,\n",
             c_string(base_name(m->source->path)), (unsigned long long)m->hash, isas[options->isa],
             m->x_dim, m->cond_dim, m->z_dim, m->batch_size, m->channels ? "NULL" : "keys",
             (int)m->normalisation);
    if (m->channels)
        text_add(out, "    .image = {%d, %d, %d}, .images = &image_runtime, .stretch = %s,\n",
                 m->height, m->width, m->channels, m->hyper->strict ? "false" : "true");
    text_add(
        out,
        "    .iterations = %lld, .passes = %lld,\n"
        "    .schedule_step = %d, .schedule_per_update = %s, .schedule_gamma = %s,\n"
        "    .shuffle = %s, .ema_decay = %s,\n"
        "    .store_start = %lld, .store_every = %lld, .store_last = %lld, .log_every = %lld,\n"
        "    .seed = UINT64_C(%llu),\n    .start_from = %s,\n    .estimates_w1 = %s,\n",
        (long long)m->iterations, (long long)m->passes, m->schedule_step,
        m->passes > 0 && m->compat ? "true" : "false", number(m->schedule_gamma),
        m->shuffle ? "true" : "false", number(m->ema_decay), (long long)m->store_start,
        (long long)m->store_every, (long long)m->store_last, (long long)m->log_every,
        (unsigned long long)m->seed, m->start_from ? c_string(m->start_from) : "NULL",
        m->loss == LOSS_WASSERSTEIN && !m->hyper ? "true" : "false");
}

static int control_index(const Graph *g, const char *name)
{
    for (int k = 0; k < g->tensor_count; k++)
        if (strcmp(g->tensors[k]->name, name) == 0)
            return k;
    return -1;
}

/* Which of the updates has that name. first: steps before the updates. */
static int update_index(const Graph *g, int first, const char *name)
{
    int update = 0;
    while (strcmp(g->steps[first + update].name, name) != 0)
        update++;
    return update;
}

static void emit_constrain(Text *out, const Model *model, const Graph *g, int first)
{
    const Trainer *t = model->hyper ? &model->hyper->trainer : NULL;
    for (int k = 0; t && k < t->hook_count; k++)
        if (t->hooks[k].kind == HOOK_WEIGHT_CONSTRAINT)
            text_add(out, "    .constrain = {.every = %d, .update = %d},\n", t->hooks[k].every,
                     update_index(g, first, "constrain"));
}

static void emit_pictures(Text *out, const Model *model, const Graph *g, int first)
{
    const Trainer *t = model->hyper ? &model->hyper->trainer : NULL;
    for (int k = 0; t && k < t->hook_count; k++) {
        const Hook *hook = &t->hooks[k];
        if (hook->kind == HOOK_INPUT_FITNESS)
            text_add(out,
                     "    .pictures = {.chooses = true, .update = %d, .scores = %d, .kept = %d,\n"
                     "                 .count = %d, .steps = %d, .heuristic = %d,\n"
                     "                 .takes_last = %d},\n",
                     update_index(g, first, "pictures"), control_index(g, "control.picture_scores"),
                     control_index(g, "control.pictures"),
                     control_index(g, "control.picture_count"), hook->search_steps, hook->heuristic,
                     hook->skip_restore);
    }
}

/* The indices of the hook's offsets, and of what its optimiser remembers; their number. */
static int emit_match_tensors(Text *out, const char *name, const Graph *g, const Match *match,
                              const char *remembered)
{
    int count = 0;
    text_add(out, "static const int %s[] = {", name);
    for (int k = 0; k < g->tensor_count; k++)
        if (is_match_offset(g->tensors[k], match) ||
            (remembered && strstr(g->tensors[k]->name, remembered))) {
            text_add(out, "%d, ", k);
            count++;
        }
    text_append(out, "-1};\n");
    return count;
}

/* The inner trainings; their number. */
static int emit_matches(Text *out, const Model *model, const Graph *g, int first)
{
    const Trainer *t = model->hyper ? &model->hyper->trainer : NULL;
    Text rows = {0};
    int count = 0;
    for (int k = 0; t && k < t->hook_count; k++) {
        const Match *match = &t->hooks[k].match;
        if (t->hooks[k].kind != HOOK_MATCH_SUPPORT)
            continue;
        int resets = emit_match_tensors(out, arena_printf("match%d_reset", k), g, match,
                                        arena_printf(".match%d_", k));
        int zeros = emit_match_tensors(out, arena_printf("match%d_offsets", k), g, match, NULL);
        text_add(&rows,
                 "    {.update = %d, .factor = %d, .last = %d, .moved = %d,\n"
                 "     .steps = %d, .depth = %d,\n     .has_threshold = %d, .threshold = %s, "
                 ".reset_count = %d,\n"
                 "     .offset_count = %d, .reset = match%d_reset, .offsets = match%d_offsets},\n",
                 update_index(g, first, arena_printf("match%d", k)),
                 control_index(g, arena_printf("control.match%d_factor", k)),
                 control_index(g, arena_printf("control.match%d_last", k)),
                 control_index(g, arena_printf("control.match%d_moved", k)), match->max_steps,
                 match->max_depth, match->has_threshold, number(match->threshold), resets, zeros, k,
                 k);
        count++;
    }
    if (count)
        text_add(out, "\nstatic const ProgramMatch matches[] = {\n%s};\n\n", text_of(&rows));
    return count;
}

static void emit_preload(Text *out, const Model *model)
{
    const Gang *gang = model->hyper ? &model->hyper->trainer.gang : NULL;
    if (!gang || gang->preload_count == 0)
        return;
    text_append(out, "static const char *const preload[] = {\n");
    for (int k = 0; k < gang->preload_count; k++)
        text_add(out, "    %s,\n", c_string(gang->preload[k]));
    text_append(out, "};\n\n");
}

static void emit_gang(Text *out, const Model *model, const Graph *g, int first)
{
    static const char *const methods[] = {"NASH_SOFTMAX", "NASH_SUPPORT", "NASH_LEMKE",
                                          "NASH_VERTEX"};
    const Gang *gang = model->hyper ? &model->hyper->trainer.gang : NULL;
    if (!gang || gang->mix_steps == 0)
        return;
    text_add(out,
             "    .gang = {.mix_steps = %d, .remembers = %d, .decay = %s, .size = %d,\n"
             "             .update = %d, .points = %d, .method = %s, .crossover = %d,\n"
             "             .crossover_random = %d, .mutates = %d, .mutation_chance = %s,\n",
             gang->mix_steps, gang->remembers, number(gang->decay), gang->size,
             update_index(g, first, "payoff"), gang->points, methods[gang->method], gang->crossover,
             gang->crossover_random, gang->mutates, number(gang->mutation_chance));
    text_add(out, "             .memory = {%d, %d}, .anchor = {%d, %d}, .count = %d,\n",
             control_index(g, "control.memory_g"), control_index(g, "control.memory_d"),
             control_index(g, "control.anchor_g"), control_index(g, "control.anchor_d"),
             control_index(g, "control.gang"));
    bool apart = strcmp(g->steps[first].name, "d_step") == 0;
    text_add(out,
             "             .shares = %d, .d_on_generators = %d, .g_on_discriminators = %d,\n"
             "             .moves_d = %d, .moves_g = %d, .reset_before = %lld,\n"
             "             .preload_count = %d, .preload = %s},\n",
             control_index(g, "control.shares"), gang->d_on_generators, gang->g_on_discriminators,
             0, apart ? 1 : 0, (long long)gang->reset_before, gang->preload_count,
             gang->preload_count ? "preload" : "NULL");
}

static void emit_search(Text *out, const Model *model, const Graph *g, int first)
{
    static const char *const kinds[] = {"SEARCH_NONE", "SEARCH_THRESHOLD", "SEARCH_BATCH"};
    const Search *search = model->hyper ? &model->hyper->trainer.search : NULL;
    if (!search || search->kind == SEARCH_NONE)
        return;
    int update = update_index(g, first, "fitness");
    text_add(out,
             "    .search = {.kind = %s, .update = %d, .scores = %d, .latents = %d, .memory = %d,\n"
             "               .steps = %d, .heuristic = %d, .decay = %s},\n",
             kinds[search->kind], update, control_index(g, "control.scores"),
             control_index(g, "control.latents"), control_index(g, "control.memory"), search->steps,
             search->heuristic, number(search->decay));
}

/* The curriculum that the program is a stage of. */
static void emit_stages(Text *out, const Model *model, const Graph *g)
{
    const Curriculum *c = model->hyper ? model->hyper->curriculum : NULL;
    if (!c)
        return;
    const char **names = carried_names(model, g);
    text_append(out, "static const long long stage_steps[] = {");
    for (int k = 0; k < c->count; k++)
        text_add(out, "%s%lld", k ? ", " : "", (long long)c->stages[k].steps);
    text_append(out, "};\n\n/* By tensor: the one of the stage before that it goes on with. */\n"
                     "static const char *const carried[] = {\n");
    for (int k = 0; k < g->tensor_count; k++)
        text_add(out, "    %s,\n", names[k] ? c_string(names[k]) : "NULL");
    text_append(out, "};\n\n");
}

static void emit_stage_fields(Text *out, const Model *model)
{
    const Curriculum *c = model->hyper ? model->hyper->curriculum : NULL;
    if (c)
        text_add(out,
                 "    .stages = {.count = %d, .number = %d, .cycle = %s, .steps = stage_steps,\n"
                 "               .carried = carried},\n",
                 c->count, model->hyper->stage, c->cycle ? "true" : "false");
}

const char *emit_tables(const Model *model, const Graph *g, Plan *const plans[],
                        const EmitOptions *options, SamplerTexts sampler)
{
    Text out = {0};
    bool clamp = strcmp(g->steps[0].name, "clamp") == 0;
    int updates = g->step_count - 1 - clamp;
    text_append(&out, "/* program.c -- generated by gagac " GAGAC_VERSION ". Do not edit.\n *\n"
                      " * Tables that tell the fixed part of the program about the generated one "
                      "(program.h). */\n"
                      "#include \"model.h\"\n");
    text_add(&out, "%s#include <math.h>\n#include <stddef.h>\n\n",
             model->channels ? "#include \"image.h\"\n" : "");
    emit_text(&out, "config_text", arena_copy(model->source->text, model->source->length));
    emit_text(&out, "sampler_source", sampler.source);
    emit_text(&out, "sampler_header", sampler.header);
    if (sampler.device)
        emit_text(&out, "sampler_device", sampler.device);
    emit_keys(&out, model);
    emit_tensors(&out, g);
    emit_stages(&out, model, g);
    for (int k = 0; k < g->step_count; k++)
        emit_inputs(&out, &g->steps[k]);
    emit_kernel_table(&out, g, plans);
    emit_bounds(&out, "bound_lower", model, true);
    emit_bounds(&out, "bound_upper", model, false);
    if (clamp)
        text_append(&out, "static void before_iteration(Pool *pool, real *state, void *work)\n{\n"
                          "    clamp(pool, state, work, NULL, NULL, NULL);\n}\n\n");
    text_append(&out, "static const ProgramUpdate updates[] = {\n");
    for (int k = clamp; k < g->step_count - 1; k++)
        emit_update(&out, plans[k]);
    text_append(&out, "};\n\n");
    int matches = emit_matches(&out, model, g, clamp);
    emit_preload(&out, model);
    text_add(&out, "%sconst Program gagac_program = {\n",
             options->cuda ? "extern const CudaProgram cuda_program;\n\n" : "");
    emit_config_fields(&out, model, options);
    emit_bound_fields(&out, g);
    if (model->channels)
        text_add(&out, "    .sample_input_count = %d, .sample_inputs = sample_inputs,\n",
                 g->steps[g->step_count - 1].input_count);
    const Plan *sampler_plan = plans[g->step_count - 1];
    bool wide = options->order == ORDER_WIDE;
    emit_search(&out, model, g, clamp);
    emit_constrain(&out, model, g, clamp);
    emit_pictures(&out, model, g, clamp);
    if (model->hyper && (model->hyper->trainer.shake_g != 0 || model->hyper->trainer.shake_d != 0))
        text_add(&out, "    .shake = {%s, %s},\n", number(model->hyper->trainer.shake_g),
                 number(model->hyper->trainer.shake_d));
    if (matches)
        text_add(&out, "    .match_count = %d, .matches = matches,\n", matches);
    emit_gang(&out, model, g, clamp);
    emit_stage_fields(&out, model);
    text_add(
        &out,
        "    .tensor_count = %d, .tensors = tensors,\n"
        "    .state_size = sizeof(struct state) / sizeof(real),\n"
        "    .work_size = sizeof(struct work), .scratch_size = %s * sizeof(real),\n"
        "    .update_count = %d, .updates = updates,\n    .before_iteration = %s,\n"
        "    .generator_offset = offsetof(struct state, g) / sizeof(real),\n    .average_offset = "
        "%s,\n"
        "    .sample_work_size = %s,\n    .sample_flops = %s,\n    .sample = "
        "sample,\n"
        "    .sampler_source = sampler_source, .sampler_header = sampler_header,\n"
        "    .peak = measure_peak,\n"
        "    .kernel_count = sizeof kernels / sizeof *kernels, .kernels = kernels,\n%s};\n",
        g->tensor_count, wide ? "0" : "THREAD_SCRATCH", updates,
        clamp ? "before_iteration" : "NULL",
        model->ema_decay > 0 ? "offsetof(struct state, g_average) / sizeof(real)" : "(size_t)-1",
        wide ? arena_printf("%lld * sizeof(real)",
                            (long long)sampler_plan->wide_size + packed_reals(sampler_plan))
             : arena_printf("%zu * sizeof(real)", sampler_plan->scratch_size),
        number(sampler_plan->schedule->flops / sampler_plan->schedule->graph->batch_size),
        options->cuda ? "    .sampler_device = sampler_device, .cuda = &cuda_program,\n" : "");
    return text_of(&out);
}
