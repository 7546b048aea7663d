/* cuda_static.c -- `gagac bench --device cuda --static`: what NVRTC makes of each kernel, without a
 * GPU: registers, spills, shared memory, blocks on a multiprocessor, and from the machine code the
 * instructions of the main loop.
 *
 * Machine code: an ELF file with a section .text.KERNEL of 16-byte instructions, operation in the
 * low 12 bits (sm_75 to sm_120). The main loop is the one backward branch around most FFMA or HMMA.
 */
#include "target_cuda.h"

#include <stdlib.h>
#include <string.h>

enum { WORD = 16, OP_MASK = 0xfff, SHORT_MASK = 0x1ff };
enum {
    OP_BRANCH = 0x947,
    SHORT_FFMA = 0x23,
    SHORT_DFMA = 0x2b,
    SHORT_HMMA = 0x3c,
    SHORT_LDL = 0x183,
    SHORT_STL = 0x187
};

typedef struct Figures { /* of a kernel for one architecture */
    const char *name;
    int registers, spills, stack, shared; /* spills, stack, shared: bytes */
    int instructions, loop, fused; /* of the kernel; of its main loop, and multiply-adds there */
    int local;                     /* loads and stores of local memory */
    int tensor;                    /* products by tensor cores */
} Figures;

typedef struct Listing {
    Figures *items;
    int count, capacity;
} Listing;

/* ---------------------------------------------------------------- NVRTC's report */
static int number_before(const char *line, const char *word)
{
    const char *at = strstr(line, word);
    if (!at)
        return 0;
    while (at > line && at[-1] == ' ')
        at--;
    while (at > line && at[-1] >= '0' && at[-1] <= '9')
        at--;
    return atoi(at);
}

static void read_report(Listing *list, const char *log)
{
    static const char entry[] = "Compiling entry function '";
    for (const char *at = log; (at = strstr(at, entry)) != NULL;) {
        at += strlen(entry);
        const char *next = strstr(at, entry);
        const char *part = arena_copy(at, next ? (size_t)(next - at) : strlen(at));
        list->items = arena_grow(list->items, list->count, &list->capacity, sizeof(Figures));
        list->items[list->count++] = (Figures){.name = arena_copy(part, strcspn(part, "'")),
                                               .registers = number_before(part, "registers"),
                                               .stack = number_before(part, "bytes stack frame"),
                                               .spills = number_before(part, "bytes spill stores") +
                                                         number_before(part, "bytes spill loads"),
                                               .shared = number_before(part, "bytes smem")};
    }
}

/* ---------------------------------------------------------------- machine code */
static uint64_t read_number(const CudaCode *code, size_t at, int bytes)
{
    uint64_t number = 0;
    if (at + (size_t)bytes <= code->size)
        memcpy(&number, code->bytes + at, (size_t)bytes);
    return number;
}

/* The index of the instruction that a branch goes to; sm_90 and newer put 8 more bits elsewhere. */
static int64_t branch_target(uint64_t low, uint64_t high, int64_t index, int arch)
{
    int64_t offset = (int64_t)((low >> 34) | (high & 0x3ffff) << 30);
    if (offset >> 47)
        offset -= (int64_t)1 << 48;
    if (arch >= 90)
        offset = offset * 256 + (int64_t)(low >> 16 & 0xff);
    return index + 1 + offset / 4;
}

static bool is_fused(uint64_t low)
{
    uint64_t operation = low & SHORT_MASK;
    return operation == SHORT_FFMA || operation == SHORT_DFMA || operation == SHORT_HMMA;
}

static void read_instructions(Figures *f, const CudaCode *code, size_t start, size_t size, int arch)
{
    int64_t count = (int64_t)(size / WORD);
    int *fused = arena_alloc((size_t)(count + 1) * sizeof(int)); /* before an instruction */
    f->instructions = (int)count;
    for (int64_t k = 0; k < count; k++) {
        uint64_t low = read_number(code, start + (size_t)k * WORD, 8);
        uint64_t high = read_number(code, start + (size_t)k * WORD + 8, 8);
        fused[k + 1] = fused[k] + is_fused(low);
        f->local += (low & SHORT_MASK) == SHORT_LDL || (low & SHORT_MASK) == SHORT_STL;
        f->tensor += (low & SHORT_MASK) == SHORT_HMMA;
        int64_t target = branch_target(low, high, k, arch);
        if ((low & OP_MASK) == OP_BRANCH && target >= 0 && target < k &&
            fused[k + 1] - fused[target] > f->fused) {
            f->fused = fused[k + 1] - fused[target];
            f->loop = (int)(k + 1 - target);
        }
    }
}

static void read_code(Listing *list, const CudaCode *code, int arch)
{
    enum { SECTION = 64 };
    static const char text[] = ".text.";
    size_t table = read_number(code, 0x28, 8), count = read_number(code, 0x3c, 2);
    size_t names = read_number(code, 0x3e, 2);
    size_t name_place = read_number(code, table + names * SECTION + 24, 8);
    for (size_t k = 0; k < count; k++) {
        size_t section = table + k * SECTION;
        size_t name = name_place + read_number(code, section, 4);
        if (name + sizeof text > code->size || strncmp(code->bytes + name, text, 6) != 0)
            continue;
        for (int i = 0; i < list->count; i++)
            if (strcmp(list->items[i].name, code->bytes + name + 6) == 0)
                read_instructions(&list->items[i], code, read_number(code, section + 24, 8),
                                  read_number(code, section + 32, 8), arch);
    }
}

/* ---------------------------------------------------------------- what fits a multiprocessor */
typedef struct Limits {
    int threads, blocks, shared;
} Limits;

static Limits limits_of(int arch) /* NVIDIA's tables of compute capabilities */
{
    switch (arch) {
    case 75:
        return (Limits){1024, 16, 64 << 10};
    case 80:
    case 87:
        return (Limits){2048, arch == 80 ? 32 : 16, 164 << 10};
    case 86:
    case 89:
        return (Limits){1536, arch == 86 ? 16 : 24, 100 << 10};
    case 120:
        return (Limits){1536, 24, 100 << 10};
    default:
        return (Limits){2048, 32, 228 << 10};
    }
}

static int least(int a, int b) { return a < b ? a : b; }

/* Registers are given out by 256 a warp, shared memory with 1 KiB more a block. */
static int blocks_at_once(const Figures *f, int block, int arch)
{
    Limits l = limits_of(arch);
    int warps = (block + 31) / 32, registers = (f->registers * 32 + 255) / 256 * 256 * warps;
    int blocks = least(l.blocks, l.threads / (warps * 32));
    blocks = least(blocks, registers > 0 ? 65536 / registers : blocks);
    return least(blocks, l.shared / (f->shared + 1024));
}

/* ---------------------------------------------------------------- the table */
typedef struct Use { /* of a kernel by the steps */
    int launches, block;
    double flops, bytes; /* of one iteration */
} Use;

/* Bytes of the arrays that a launch reads or writes: each of them has to move once. */
static double least_bytes(const CudaStep *step, const Stage *stage, int real)
{
    double bytes = 0;
    for (int k = 0; k < stage->binding_count; k++) {
        const CudaBinding *b = &stage->bindings[k];
        if (b->space == CUDA_STATE)
            bytes += (double)type_size(&b->tensor->type) * (b->written ? 2 : 1);
        for (int i = 0; i < step->storage_count && b->space == CUDA_WORK; i++)
            if (step->storage[i].node == b->node)
                bytes += (double)step->storage[i].size;
    }
    return bytes * real;
}

static Use find_use(CudaStep *const *steps, int count, const char *kernel, int real)
{
    Use use = {0};
    for (int k = 0; k < count; k++)
        for (int j = 0; j < steps[k]->stage_count; j++) {
            const Stage *stage = steps[k]->stages[j];
            int times = steps[k]->schedule->step->count;
            if (strcmp(stage->function, kernel) != 0)
                continue;
            use.launches += times;
            use.block = stage->block;
            use.flops += stage->flops * times;
            use.bytes += least_bytes(steps[k], stage, real) * times;
        }
    return use;
}

static void print_figures(const Figures *f, const Use *use, const char *arch, bool json, bool first)
{
    int number = atoi(arch + 3), blocks = blocks_at_once(f, use->block, number);
    int occupancy = 100 * blocks * use->block / limits_of(number).threads;
    double share = f->loop > 0 ? 100.0 * f->fused / f->loop : 0;
    if (json)
        printf("%s\n  {\"kernel\": \"%s\", \"arch\": \"%s\", \"launches\": %d, \"block\": %d, "
               "\"registers\": %d, \"spills\": %d, \"stack\": %d, \"local\": %d, \"shared\": %d, "
               "\"blocks\": %d, \"occupancy\": %d, \"instructions\": %d, \"loop\": %d, "
               "\"fma_percent\": %.1f, \"tensor\": %d, \"gflop\": %.6g, \"mbytes\": %.6g}",
               first ? "" : ",", f->name, arch, use->launches, use->block, f->registers, f->spills,
               f->stack, f->local, f->shared, blocks, occupancy, f->instructions, f->loop, share,
               f->tensor, use->flops * 1e-9, use->bytes * 1e-6);
    else
        printf("%-28s %8d %6d %5d %6d %7d %6d %5d%% %6d %6.1f %9.3f %9.2f\n", f->name,
               use->launches, use->block, f->registers, f->spills, f->shared, blocks, occupancy,
               f->instructions, share, use->flops * 1e-9, use->bytes * 1e-6);
}

static void print_arch(const CudaText *texts, CudaStep *const *steps, int count,
                       const EmitOptions *options, const char *arch, bool json, bool first)
{
    Nvrtc nvrtc;
    CudaCode code;
    Error error = {0};
    Listing list = {0};
    if (!nvrtc_open(&nvrtc, &error) ||
        !nvrtc_compile(&nvrtc, texts, CUDA_TEXTS, arch, NVRTC_REPORT, &code, &error))
        fail_error(&error);
    if (strstr(code.log, "warning") != NULL)
        fail(EXIT_DEVICE, NULL, "NVRTC warns: %.*s", (int)strcspn(code.log, "\n"), code.log);
    read_report(&list, code.log);
    read_code(&list, &code, atoi(arch + 3));
    if (!json)
        printf("%s\n%-28s %8s %6s %5s %6s %7s %6s %6s %6s %6s %9s %9s\n", arch, "kernel",
               "launches", "block", "regs", "spills", "shared", "blocks", "occup.", "instr.",
               "FMA %", "GFLOP", "MB");
    for (int k = list.count - 1; k >= 0; k--) {
        Use use = find_use(steps, count, list.items[k].name, options->f64 ? 8 : 4);
        if (use.launches == 0)
            continue;
        print_figures(&list.items[k], &use, arch, json, first);
        first = false;
    }
    nvrtc_close(&nvrtc);
}

void cuda_static_print(const Model *model, const EmitOptions *options, bool json)
{
    static const char *const usual[] = {"sm_80", "sm_90"};
    const char *const *archs = options->arch_count > 0 ? options->archs : usual;
    int arch_count = options->arch_count > 0 ? options->arch_count : 2;
    Graph *g = steps_build(model);
    CudaStep **steps = arena_alloc((size_t)g->step_count * sizeof(CudaStep *));
    CudaText texts[CUDA_TEXTS];
    size_t base = 0, work = 0;
    int count = g->step_count - 1;
    for (int k = 0; k < count; k++)
        steps[k] = cuda_stages(schedule_step(g, &g->steps[k], ORDER_WIDE));
    cuda_texts(options, cuda_kernels(options, g, steps, count, &base, &work), texts);
    if (json)
        printf("{\"work_mbytes\": %.6g, \"kernels\": [",
               (double)work * (options->f64 ? 8e-6 : 4e-6));
    else
        printf("work block %.1f MB; of one iteration:\n",
               (double)work * (options->f64 ? 8e-6 : 4e-6));
    for (int k = 0; k < arch_count; k++)
        print_arch(texts, steps, count, options, archs[k], json, k == 0);
    printf("%s", json ? "\n]}\n" : "");
}
