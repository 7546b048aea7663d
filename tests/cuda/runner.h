/* runner.h -- one step of kernels on the GPU, for tests that also use the compiler, whose names are
 * those of the runtime's program.h. */
#ifndef RUNNER_H
#define RUNNER_H

#include "cuda_load.h"
#include "cuda_space.h"

typedef struct RunArgument {
    CudaSpace space;
    size_t offset;
} RunArgument;
typedef struct RunLaunch {
    const char *kernel, *label;
    int grid[3], block, argument_count;
    RunArgument *arguments;
} RunLaunch;
typedef struct RunStep {
    const CudaText *texts;
    int text_count, batch;
    size_t state_size, work_size; /* reals */
    int launch_count;
    RunLaunch *launches;
    int input_count, widths[8];
    int output_count;
} RunStep;

/* Runs the step once, through its graph: from the state, with given inputs, to the state and the
 * outputs. NULL, or what went wrong. */
const char *runner_run(const RunStep *step, float *state, const float *const *given,
                       double *outputs);

#endif
