/* runner.c -- see runner.h. */
#include "runner.h"

#include "device.h"
#include "state.h"

#include <stdlib.h>
#include <string.h>

static CudaLaunch *copy_launches(const RunStep *step)
{
    CudaLaunch *launches = allocate((uint64_t)step->launch_count, sizeof *launches);
    for (int k = 0; k < step->launch_count; k++) {
        const RunLaunch *from = &step->launches[k];
        CudaArgument *arguments = allocate((uint64_t)from->argument_count + 1, sizeof *arguments);
        for (int i = 0; i < from->argument_count; i++)
            arguments[i] = (CudaArgument){from->arguments[i].space, from->arguments[i].offset};
        launches[k] = (CudaLaunch){.kernel = from->kernel,
                                   .label = from->label,
                                   .grid = {(unsigned)from->grid[0], (unsigned)from->grid[1],
                                            (unsigned)from->grid[2]},
                                   .block = (unsigned)from->block,
                                   .argument_count = from->argument_count,
                                   .arguments = arguments};
    }
    return launches;
}

const char *runner_run(const RunStep *step, float *state, const float *const *given,
                       double *outputs)
{
    static Error error;
    const CudaSteps steps = {step->launch_count, copy_launches(step)};
    const CudaProgram cuda = {.texts = step->texts,
                              .text_count = step->text_count,
                              .work_size = step->work_size,
                              .data_width = 1,
                              .updates = &steps,
                              .device = "cuda"};
    ProgramInput inputs[MAX_INPUTS] = {0};
    for (int k = 0; k < step->input_count; k++)
        inputs[k] = (ProgramInput){.name = "input", .kind = INPUT_NORMAL, .width = step->widths[k]};
    const ProgramUpdate update = {.name = "step",
                                  .count = 1,
                                  .input_count = step->input_count,
                                  .inputs = inputs,
                                  .output_count = step->output_count};
    const Program program = {.batch_size = step->batch,
                             .state_size = step->state_size,
                             .update_count = 1,
                             .updates = &update,
                             .cuda = &cuda};
    Training training = {.program = &program, .state = state};
    const real *all[1][MAX_INPUTS] = {{NULL}};
    double found[1][MAX_OUTPUTS];
    memcpy(all[0], given, (size_t)step->input_count * sizeof *given);
    training.device = device_create(&program, &error);
    if (!training.device)
        return error.message;
    device_iterate_given(training.device, &training, (const real *const(*)[MAX_INPUTS])all, found);
    device_fetch(training.device, state);
    memcpy(outputs, found[0], (size_t)step->output_count * sizeof *outputs);
    device_destroy(training.device);
    return NULL;
}
