/* test_seeded.c -- kernels with one of the faults of compiler/cuda_faults.def: the PTX virtual
 * machine, or the result, must show each of them, and nothing in the kernels as they are.
 *
 * Each runs in a process of its own, as the machine keeps what it found. Skipped without NVRTC. */
#define _POSIX_C_SOURCE 200809L
#include "gagac.h"

#include "step_case.h"

#include <sys/wait.h>
#include <unistd.h>

enum { CLEAN, WRONG, REPORTED = EXIT_DEVICE, SKIPPED = 77 };

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
    add_result(step, "total", node_sum_all(g, node_sum_batch(g, narrow)));
    add_result(step, "narrow", square_mean(g, node_contract_x(g, narrow, second)));
    return run_case(g, step, NULL);
}

/* A product alone, of numbers that tensor cores do not round. */
static const char *run_tensor_step(void)
{
    static const Model model = {.batch_size = BATCH};
    Graph *g = graph_new(&model, BATCH);
    Step *step = arena_alloc(sizeof *step);
    *step = (Step){.name = "step", .title = "a step", .count = 1};
    Node *x = node_reshape(g, add_maps(g, step, "x", 36, 1, 1), type_vector(true, 36));
    Node *y = node_contract_y(g, x, node_parameter(g, add_tensor(g, "w", type_matrix(20, 36))));
    add_result(step, "loss", node_sum_batch(g, node_sum_all(g, y)));
    case_grid = 64;
    return run_case(g, step, NULL);
}

/* fault: NULL, none. */
static int run_seed(const CudaFault *fault, TensorPrecision tensor)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (fault && !freopen("/dev/null", "w", stderr)) /* what is reported is expected */
            _exit(WRONG);
        case_fault_planted = fault;
        case_tensor = tensor;
        setenv("PTXVM_LOG", "/dev/null", 1);
        const char *words = tensor == TENSOR_NONE ? run_step() : run_tensor_step();
        bool skipped = strstr(words, "the CUDA compiler") != NULL;
        bool reported = strstr(words, "CUDA_ERROR_LAUNCH_FAILED") != NULL;
        fprintf(stderr, "%s", words);
        _exit(!*words ? CLEAN : skipped ? SKIPPED : reported ? REPORTED : WRONG);
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
    for (int k = 0; k < 2; k++) {
        int clean = run_seed(NULL, k ? TENSOR_TF32 : TENSOR_NONE);
        if (clean == SKIPPED)
            return SKIPPED;
        if (clean != CLEAN) {
            printf("the kernels as they are: end %d\n", clean);
            return 1;
        }
    }
    for (int k = 0; k < cuda_fault_count; k++) {
        const CudaFault *fault = &cuda_faults[k];
        int end = run_seed(fault, fault->tensor);
        bool good = end == REPORTED || (!fault->reported && end == WRONG);
        printf("%s: %s\n", good ? "found" : "MISSED", fault->what);
        failures += !good;
    }
    return failures != 0;
}
