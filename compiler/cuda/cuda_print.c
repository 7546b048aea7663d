/* cuda_print.c -- one stage as a CUDA kernel: element-wise work, pieces, maps, reductions, inputs
 * and outputs. Products are in cuda_product.c.
 *
 * Needs: a stage of cuda_stages.c. */
#include "cuda_printer.h"

#include <string.h>

enum { BLOCK = 256, SLICE_LANES = 32, SLICES = 8 };

/* ---------------------------------------------------------------- element-wise stages */
/* Threads over elements of the batch, four samples each; the text gives f and b. */
static const char *batch_threads(Printer *p)
{
    int64_t features = type_size(&p->stage->space), quads = p->step->stride / QUAD;
    if (features * p->step->stride > 2147483647)
        internal_error("cuda: a value of more than 2^31 numbers");
    cuda_set_launch(p->stage, cuda_blocks_of(features * quads, BLOCK), 1, 1, BLOCK);
    return arena_printf("    const int item = (int)(blockIdx.x * %d + threadIdx.x);\n"
                        "    const int f = item / %lld, b = item %% %lld * 4;\n"
                        "    if (f >= %lld)\n        return;\n",
                        BLOCK, (long long)quads, (long long)quads, (long long)features);
}

static const char *array_threads(Printer *p)
{
    int64_t size = type_size(&p->stage->space);
    cuda_set_launch(p->stage, cuda_blocks_of(size, BLOCK), 1, 1, BLOCK);
    return arena_printf("    const int f = (int)(blockIdx.x * %d + threadIdx.x);\n"
                        "    if (f >= %lld)\n        return;\n",
                        BLOCK, (long long)size);
}

static void print_element(Printer *p)
{
    const char *threads = p->quad ? batch_threads(p) : array_threads(p);
    p->outer = "    ";
    p->inner = p->quad ? "        " : "    ";
    cuda_print_nodes(p, type_size(&p->stage->space) == 1 ? "0" : "f");
    if (!p->stage->binding_count) /* all of it is computed again where it is used */
        return;
    const char *wish =
        arena_printf(p->quad ? "rows_%lld" : "array_%lld", (long long)type_size(&p->stage->space));
    cuda_finish_kernel(p, wish, arena_printf("%s%s", threads, cuda_close_quad(p)));
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
        Split s = cuda_split(p, &n->type, n->axis, at);
        int first = n->inputs[0]->type.dims[n->axis], second = n->inputs[1]->type.dims[n->axis];
        const char *left = cuda_joined(p, &s, s.middle, first);
        const char *right = cuda_joined(p, &s, cuda_plus(p, s.middle, -first), second);
        text_add(out, "%s%s    if (%s < %d) {\n", text_of(&p->prepare), indent, s.middle, first);
        print_pieces(p, n->inputs[0], left, place, p->outer, out);
        text_add(out, "%s    } else {\n", indent);
        print_pieces(p, n->inputs[1], right, place, arena_printf("%s    ", indent), out);
        text_add(out, "%s    }\n", indent);
        return;
    }
    const char *number = NULL;
    if (joins && n->op == OP_PAD) {
        Split s = cuda_split(p, &n->type, n->axis, at);
        int length = n->inputs[0]->type.dims[n->axis];
        const char *inside = cuda_joined(p, &s, cuda_plus(p, s.middle, -n->start), length);
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
    cuda_store_node(p, p->stage->root, place, number ? number : cuda_value(p, n, at));
    text_append(out, cuda_close_quad(p));
    if (number)
        text_add(out, "%s    }\n", indent);
}

static void print_join(Printer *p)
{
    Text body = {0};
    text_append(&body, p->quad ? batch_threads(p) : array_threads(p));
    print_pieces(p, p->stage->root, "f", "f", "", &body);
    cuda_finish_kernel(p, arena_printf("join_%lld", (long long)type_size(&p->stage->space)),
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
    cuda_print_map(p->e, n->map);
    p->quad = false;
    p->outer = "    ";
    p->inner = "        ";
    cuda_set_launch(p->stage, cuda_blocks_of(size * (batch ? p->step->stride : 1), BLOCK), 1, 1,
                    BLOCK);
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
        Split s = cuda_split(p, &n->type, n->axis, "f");
        to = s.middle;
        const char *row = cuda_scaled(p, s.outer, n->map->from, "0");
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
    const char *number = cuda_value(p, n->inputs[0], cuda_named_int(p, at));
    text_add(&t, "%s%s        sum = fused(%s_weight[e], %s, sum);\n    }\n", text_of(&p->prepare),
             text_of(&p->statements), map, number);
    p->prepare = (Text){0};
    p->known_count = 0;
    p->outer = "    ";
    const char *out = cuda_use_array(p, n, true);
    const char *place =
        batch ? "f * STRIDE + sample" : cuda_in_rows(p, &n->type, cuda_row(&n->type), "f");
    text_add(&t, "%s    %s[%s] = sum;\n", text_of(&p->prepare), out, place);
    cuda_finish_kernel(p, arena_printf("resample_%lld", (long long)size), text_of(&t));
}

/* ---------------------------------------------------------------- reductions */
static const char *join_of(const Node *n) { return n->op == OP_MAXIMUM_OF ? "Maximum" : "Sum"; }

/* "sum0 = Sum::join(sum0, value)" for every reduction of the stage, at an index. */
static void print_joins(Printer *p, const char *at)
{
    for (int k = 0; k < p->stage->count; k++) {
        const Node *n = p->stage->nodes[k];
        const char *number = cuda_value(p, n->inputs[0], at);
        text_add(&p->statements, "%ssum%d = %s::join(sum%d, %s);\n", p->inner, k, join_of(n), k,
                 number);
    }
}

static void print_starts(const Printer *p, Text *t)
{
    for (int k = 0; k < p->stage->count; k++)
        text_add(t, "    real sum%d = %s::start();\n", k, join_of(p->stage->nodes[k]));
}

/* The threads of a block join each reduction; the first one writes it at an index. */
static void print_block_results(Printer *p, Text *t, int block, const char *at)
{
    for (int k = 0; k < p->stage->count; k++) {
        const Node *n = p->stage->nodes[k];
        p->prepare = (Text){0};
        p->known_count = 0;
        const char *place = cuda_in_rows(p, &n->type, cuda_row(&n->type), at);
        text_add(t,
                 "    sum%d = join_block<%s, %d>(sum%d);\n    if (threadIdx.x == 0) {\n%s"
                 "        %s[%s] = sum%d;\n    }\n",
                 k, join_of(n), block, k, text_of(&p->prepare), cuda_use_array(p, n, true), place,
                 k);
    }
}

/* The index of the space for result r and place e of the axis. */
static const char *along_axis(Printer *p, const Node *n, const char *r, const char *e)
{
    const Type *space = &n->inputs[0]->type;
    int64_t inner = 1;
    for (int k = n->axis + 1; k < space->rank; k++)
        inner *= space->dims[k];
    Split s = {.inner_size = inner, .length = space->dims[n->axis]};
    s.inner = cuda_modulo(p, r, inner);
    s.outer = n->axis == 0 ? "0" : cuda_divided(p, r, inner);
    return cuda_joined(p, &s, e, s.length);
}

/* Sums along an axis of each sample: 32 samples a block, 8 threads share the axis. */
static void print_reduce_batch(Printer *p)
{
    Stage *stage = p->stage;
    const Node *first = stage->nodes[0];
    int extent = first->inputs[0]->type.dims[first->axis];
    int64_t results = type_size(&first->type);
    if (results > 65535)
        cuda_set_launch(stage, results, cuda_blocks_of(p->step->stride, SLICE_LANES), 1, BLOCK);
    else
        cuda_set_launch(stage, cuda_blocks_of(p->step->stride, SLICE_LANES), results, 1, BLOCK);
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
                 k, join_of(n), k, SLICE_LANES, cuda_use_array(p, n, true), k);
    }
    cuda_finish_kernel(p, arena_printf("sum_%d", extent), text_of(&t));
}

/* A block makes each result. Sets up what indices of its terms are printed with; the block's
 * threads for a sum of so many terms. */
static int start_block_sum(Printer *p, int64_t results, int terms)
{
    int block = BLOCK;
    while (block > 32 && block / 2 >= terms)
        block /= 2;
    cuda_set_launch(p->stage, results, 1, 1, block);
    p->quad = false;
    p->outer = p->inner = "        ";
    return block;
}

/* result, term: their names in the kernel; terms: their number; at: where a term's element is. */
static const char *block_sum_text(Printer *p, int block, const char *result, const char *term,
                                  const char *terms, const char *at)
{
    Text t = {0};
    text_add(&t, "    const int %s = (int)blockIdx.x;\n", result);
    print_starts(p, &t);
    print_joins(p, at);
    text_add(&t, "    for (int %s = (int)threadIdx.x; %s < %s; %s += %d) {\n%s%s    }\n", term,
             term, terms, term, block, text_of(&p->prepare), text_of(&p->statements));
    print_block_results(p, &t, block, result);
    return text_of(&t);
}

static void print_sum_batch(Printer *p)
{
    int64_t features = type_size(&p->stage->space);
    int block = start_block_sum(p, features, p->step->schedule->graph->batch_size);
    const char *text = block_sum_text(p, block, "f", "b", "BATCH", features == 1 ? "0" : "f");
    cuda_finish_kernel(p, arena_printf("batch_sum_%lld", (long long)features), text);
}

/* Sums along an axis of a whole array. */
static void print_reduce_array(Printer *p)
{
    const Node *first = p->stage->nodes[0];
    int extent = first->inputs[0]->type.dims[first->axis];
    int64_t results = type_size(&first->type);
    int block = start_block_sum(p, results, extent);
    const char *at = along_axis(p, first, results == 1 ? "0" : "r", "e");
    const char *text = block_sum_text(p, block, "r", "e", int_text(extent), at);
    cuda_finish_kernel(p, arena_printf("array_sum_%d", extent), text);
}

/* ---------------------------------------------------------------- inputs and outputs */
static int input_index(const Step *step, const Input *input)
{
    for (int k = 0; k < step->input_count; k++)
        if (step->inputs[k] == input)
            return k;
    internal_error("cuda: input '%s' of another step", input->name);
}

/* Of the shipped sampler: draws or latents of a call, or its conditions. */
static const char *sampler_input(const Printer *p, const Input *in, const char *out)
{
    if (in->kind == INPUT_DATA)
        return arena_printf("    fill_conditions<%d, BATCH>(call, %s);\n", in->width, out);
    return arena_printf("    fill_draws<%d, BATCH, %s, %s>(call, %d, %s, %s, %s);\n", in->width,
                        in->kind == INPUT_NORMAL ? "DRAW_NORMAL" : "DRAW_UNIFORM",
                        in == sampler_latents_of(p->e->graph) ? "true" : "false", in->stream,
                        number_text(in->low), number_text(in->high - in->low), out);
}

/* Of the shipped sampler: a thread a number of the batch. */
static void print_samples(Printer *p)
{
    const Node *n = p->stage->root;
    int64_t size = type_size(&n->type);
    int batch = p->step->schedule->graph->batch_size;
    if (size * batch > 2147483647)
        internal_error("cuda: a sampler of more than 2^31 numbers");
    cuda_use_run(p);
    cuda_set_launch(p->stage, cuda_blocks_of(size * batch, BLOCK), 1, 1, BLOCK);
    p->quad = false;
    p->outer = p->inner = "    ";
    const char *number = cuda_value(p, n, size == 1 ? "0" : "f");
    text_add(&p->finish, "    store_number(call, f, b, %s);\n", number);
    cuda_finish_kernel(p, "store",
                       arena_printf("    const int item = (int)(blockIdx.x * %d + threadIdx.x);\n"
                                    "    const int f = item / BATCH, b = item %% BATCH;\n"
                                    "    if (f >= %lld)\n        return;\n%s",
                                    BLOCK, (long long)size, cuda_close_quad(p)));
}

static void print_fill(Printer *p)
{
    const Node *n = p->stage->root;
    const Input *in = n->input;
    int index = input_index(p->step->schedule->step, in),
        batch = p->step->schedule->graph->batch_size;
    bool data = in->kind == INPUT_DATA;
    int draws = cuda_draws_a_block(p->e->options);
    cuda_use_run(p);
    const char *out = cuda_use_array(p, n, true);
    cuda_set_launch(p->stage, data ? cuda_blocks_of(batch, 128) : cuda_blocks_of(in->width, draws),
                    data ? 1 : cuda_blocks_of(batch, 128), 1, 128);
    const char *body =
        data ? arena_printf(
                   "    fill_data<%d, BATCH, STRIDE>(run, facts_of(run, update), %d, %s);\n",
                   in->width, index, out)
             : arena_printf("    fill_draws<%d, BATCH, STRIDE, %s>(facts_of(run, update), %d, %d, "
                            "%s, %s, %s);\n",
                            in->width, in->kind == INPUT_NORMAL ? "DRAW_NORMAL" : "DRAW_UNIFORM",
                            index, in->stream, number_text(in->low),
                            number_text(in->high - in->low), out);
    if (p->e->call)
        body = sampler_input(p, in, out);
    cuda_finish_kernel(p, arena_printf("fill_%d", in->width), body);
}

static void print_report(Printer *p)
{
    const Step *step = p->step->schedule->step;
    cuda_use_run(p);
    cuda_set_launch(p->stage, 1, 1, 1, 1);
    p->outer = p->inner = "    ";
    for (int k = 0; k < step->output_count; k++) {
        const char *number = cuda_value(p, step->outputs[k], "0");
        text_add(&p->finish, "    outputs[%d] = %s;\n", k, number);
    }
    const char *body = arena_printf("    double *const outputs =\n"
                                    "        run->outputs + (size_t)(run->slot * run->updates + "
                                    "(unsigned)update) * CUDA_OUTPUTS;\n%s",
                                    cuda_close_quad(p));
    cuda_finish_kernel(p, arena_printf("report_%s", step->name), body);
}

/* ---------------------------------------------------------------- sentences for people */
static const char *describe_stage(const Stage *stage, const Step *step)
{
    static const char *const words[] = {[STAGE_FILL] = "input",
                                        [STAGE_ELEMENT] = "element-wise",
                                        [STAGE_JOIN] = "pieces",
                                        [STAGE_RESAMPLE] = "map along an axis",
                                        [STAGE_CONTRACT] = "product",
                                        [STAGE_CHAIN] = "chain",
                                        [STAGE_WEIGHT] = "weight gradient",
                                        [STAGE_REDUCE] = "sum",
                                        [STAGE_SUM_BATCH] = "sum over the batch",
                                        [STAGE_REPORT] = "what is reported",
                                        [STAGE_SAMPLES] = "what is made"};
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
        cuda_print_contract(p);
        break;
    case STAGE_CHAIN:
        cuda_print_chain(p);
        break;
    case STAGE_WEIGHT:
        cuda_print_weight(p);
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
    case STAGE_SAMPLES:
        print_samples(p);
        break;
    }
}
