/* test_seeded.c -- faults seeded into the emitted kernels: the PTX virtual machine, or the result,
 * must show each of them, and nothing in the kernels as they are.
 *
 * Each runs in a process of its own, as the machine keeps what it found. Skipped without NVRTC. */
#define _POSIX_C_SOURCE 200809L
#include "gagac.h"

#include "step_case.h"

#include <sys/wait.h>
#include <unistd.h>

typedef struct Seed {
    const char *name;
    const char *text;          /* the file of the program that is changed */
    const char *find, *change; /* every occurrence */
    bool result;               /* only a wrong result shows it */
} Seed;

static const Seed seeds[] = {
    {"barrier removed after a tile's load", "model.cu", "        BARRIER();\n", "", false},
    {"barrier removed before the tree of a sum", "cuda_device.h",
     "    part[threadIdx.x] = value;\n    BARRIER();", "    part[threadIdx.x] = value;", false},
    {"barrier removed inside the tree of a sum", "cuda_device.h",
     "part[threadIdx.x + width]);\n        BARRIER();", "part[threadIdx.x + width]);", false},
    {"barrier removed before slices are joined", "cuda_device.h",
     "    part[slice][lane] = value;\n    BARRIER();", "    part[slice][lane] = value;", false},
    {"barrier in a divergent branch", "cuda_device.h",
     "    part[threadIdx.x] = value;\n    BARRIER();",
     "    part[threadIdx.x] = value;\n    if (threadIdx.x & 1)\n        BARRIER();", false},
    {"another barrier in each branch", "cuda_device.h",
     "    part[threadIdx.x] = value;\n    BARRIER();",
     "    part[threadIdx.x] = value;\n    if (threadIdx.x < 16)\n        BARRIER();\n    else\n"
     "        asm volatile(\"bar.sync 0;\" : : : \"memory\");",
     false},
    {"threads return before their part of a sum", "cuda_device.h",
     "    part[threadIdx.x] = value;\n    BARRIER();",
     "    if (threadIdx.x < 16)\n        part[threadIdx.x] = value;\n    BARRIER();", false},
    {"wait for asynchronous copies removed", "model.cu", "copies_wait<STAGES - 2>();",
     "copies_wait<STAGES - 1>();", false},
    {"barrier removed between layers of a chain", "cuda_device.h",
     "    BARRIER();\n}\n\n/* ---------------------------------------------------------------- red",
     "}\n\n/* ---------------------------------------------------------------- red", false},
    {"wait for the weights of a chain removed", "cuda_device.h",
     "        copies_wait<STAGES - 2>();\n        BARRIER();", "        BARRIER();", false},
    {"row of a chain's tile off by one", "cuda_device.h",
     "tile + step * DEPTH * (WIDTH + TILE_PAD)", "tile + (step * DEPTH + 1) * (WIDTH + TILE_PAD)",
     true},
    {"bound off by one", "cuda_device.h", "sample >= COUNT", "sample > COUNT", false},
    {"row of a tile off by one", "cuda_device.h", "left[k * left_stride + i]",
     "left[k * left_stride + i + 1]", true},
    {"one element never written", "cuda_device.h", "out[column * STRIDE + sample] =",
     "if (sample != 3)\n                out[column * STRIDE + sample] =", true},
    {"sum without an atomic from every block", "model.cu", "out[f] = sum0;", "out[0] += sum0;",
     false},
    {"another write to one place from every block", "model.cu", "out[f] = sum0;",
     "out[f] = sum0;\n        out[0] = sum0;", false},
    {"shared array too small", "model.cu", "right[STAGES][DEPTH * RIGHT]",
     "right[STAGES - 1][DEPTH * RIGHT]", false},
    {"padding of a tile's rows too small", "model.cu", "LEFT = HEIGHT + TILE_PAD",
     "LEFT = HEIGHT + TILE_PAD - 1", false},
    {"shuffle of all lanes under a branch", "cuda_device.h",
     "    part[threadIdx.x] = value;\n    BARRIER();",
     "    if (threadIdx.x < 16)\n        value = value + 0 * __shfl_xor_sync(0xffffffffu, value, "
     "1);"
     "\n    part[threadIdx.x] = value;\n    BARRIER();",
     false},
    {"a lane returns before a shuffle of all lanes", "cuda_device.h",
     "    part[threadIdx.x] = value;\n    BARRIER();",
     "    if (threadIdx.x == 31)\n        return 0;\n"
     "    value = value + 0 * __shfl_xor_sync(0xffffffffu, value, 1);\n"
     "    part[threadIdx.x] = value;\n    BARRIER();",
     false},
};
enum { SEEDS = sizeof seeds / sizeof *seeds };
enum { CLEAN, WRONG, REPORTED = EXIT_DEVICE, SKIPPED = 77 };

static const Seed *planted; /* NULL: none */

static void plant(CudaText *texts, int count)
{
    for (int k = 0; k < count && planted; k++) {
        const char *at = texts[k].text;
        char *out = arena_printf("%s", "");
        bool found = false;
        if (strcmp(texts[k].name, planted->text) != 0)
            continue;
        for (const char *next; (next = strstr(at, planted->find)) != NULL;) {
            out = arena_printf("%s%.*s%s", out, (int)(next - at), at, planted->change);
            at = next + strlen(planted->find);
            found = true;
        }
        if (!found)
            internal_error("no '%s' in %s", planted->find, planted->text);
        texts[k].text = arena_printf("%s%s", out, at);
    }
}

/* Products (too wide for a chain) and a chain, sums over the batch and along axes, draws and given
 * values, and a penalty. */
static const char *run_step(void)
{
    static const Model model = {.batch_size = BATCH};
    Graph *g = graph_new(&model, BATCH);
    Step *step = arena_alloc(sizeof *step);
    *step = (Step){.name = "step", .title = "a step", .count = 1};
    Node *x = add_maps(g, step, "x", 4, 3, 3);
    Tensor *tensors[2] = {add_tensor(g, "w", type_matrix(20, 36)),
                          add_tensor(g, "v", type_matrix(20, 257))};
    Node *first = node_parameter(g, add_tensor(g, "first", type_matrix(11, 36)));
    Node *second = node_parameter(g, add_tensor(g, "second", type_matrix(11, 9)));
    Node *flat = node_reshape(g, x, type_vector(true, 36));
    Node *centred = node_binary(g, OP_SUB, flat, node_expand_batch(g, node_mean_batch(g, flat)));
    Node *hidden = node_contract_y(g, centred, node_parameter(g, tensors[0]));
    Node *bent = node_leaky(g, OP_LEAKY, hidden, 0.2);
    Node *score = node_contract_x(g, bent, node_parameter(g, tensors[1]));
    descend(g, step, node_unary(g, OP_SIGMOID, score), x, tensors, 2);
    Node *narrow = node_leaky(g, OP_LEAKY, node_contract_y(g, flat, first), 0.2);
    add_result(step, "narrow", square_mean(g, node_contract_x(g, narrow, second)));
    return run_case(g, step, plant);
}

static int run_seed(const Seed *seed)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (seed && !freopen("/dev/null", "w", stderr)) /* what is reported is expected */
            _exit(WRONG);
        planted = seed;
        setenv("PTXVM_LOG", "/dev/null", 1);
        const char *fault = run_step();
        bool skipped = strstr(fault, "the CUDA compiler") != NULL;
        bool reported = strstr(fault, "CUDA_ERROR_LAUNCH_FAILED") != NULL;
        fprintf(stderr, "%s", fault);
        _exit(!*fault ? CLEAN : skipped ? SKIPPED : reported ? REPORTED : WRONG);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(void)
{
    const char *machine = getenv("PTXVM_LIBRARY");
    int failures = 0;
    unsetenv("GAGAC_LIBNVRTC");
    setenv("GAGAC_LIBCUDA", machine ? machine : "", 1);
    setenv("GAGAC_CUDA_CODE", "ptx", 1);
    int clean = run_seed(NULL);
    if (clean == SKIPPED)
        return SKIPPED;
    if (clean != CLEAN) {
        printf("the kernels as they are: end %d\n", clean);
        return 1;
    }
    for (int k = 0; k < SEEDS; k++) {
        int end = run_seed(&seeds[k]), expected = seeds[k].result ? WRONG : REPORTED;
        bool good = end == expected || (seeds[k].result && end == REPORTED);
        printf("%s: %s\n", good ? "found" : "MISSED", seeds[k].name);
        failures += !good;
    }
    return failures != 0;
}
