/* sampler_cuda.cu -- template: the one file of a sampler on a GPU, its kernels and what calls them.
 * Kernels, weights, calls and parts of the runtime come in through holes. */
/*[*/
/*{head*/ /*}*/#ifdef __CUDACC_RTC__
typedef int int32_t;
typedef unsigned uint32_t;
typedef long int64_t;
typedef unsigned long uint64_t;
enum { SAMPLER_COLUMNS = /*{columns*/2/*}*/ };
#else
#include "sampler.h"

#include <cuda_runtime.h>
#include <stdlib.h>
#include <string.h>
#endif

/* ---------------------------------------------------------------- numbers, draws, tiles */
#ifdef __CUDACC__ /* not all of it is used */
#pragma nv_diagnostic push
#pragma nv_diag_suppress 177
#endif
/*{library*/
#include "cuda_device.h"
/*}*/
/* ---------------------------------------------------------------- what was learnt, bit by bit */
/*{tables*//*}*/
/* ---------------------------------------------------------------- inputs and outputs */
/*{ends*/
#include "sampler_rows.cu"
/*}*/
/* ---------------------------------------------------------------- the network */
/*{network*//*}*/
#ifdef __CUDACC__
#pragma nv_diagnostic pop
#endif
#ifndef __CUDACC_RTC__
/* ---------------------------------------------------------------- launches */
#define SAMPLER_TRAINED /*{trained*/0/*}*/
enum { ROWS = /*{rows*/4096/*}*/ }; /* of a launch */

enum Space { CALL, WORK, WEIGHTS }; /* offset: none, in the work block, a tensor's number */
struct Argument {
    Space space;
    size_t offset;
};
struct Launch {
    const void *kernel;
    unsigned grid[3], block;
    int count;
    const Argument *arguments;
};
enum { MOST_ARGUMENTS = /*{most*/8/*}*/ };

/*{launches*//*}*/
static bool launch(const Launch &launch, const SamplerCall &call, void *work, cudaStream_t stream)
{
    SamplerCall copy = call;
    void *pointers[MOST_ARGUMENTS], *arguments[MOST_ARGUMENTS];
    const dim3 grid(launch.grid[0], launch.grid[1], launch.grid[2]), block(launch.block);
    for (int k = 0; k < launch.count; k++) {
        const Argument *argument = &launch.arguments[k];
        arguments[k] = argument->space == CALL ? (void *)&copy : (void *)&pointers[k];
        pointers[k] = (real *)work + argument->offset;
        if (argument->space == WEIGHTS &&
            find_weights((int)argument->offset, &pointers[k]) != cudaSuccess)
            return false;
    }
    return cudaLaunchKernel(launch.kernel, grid, block, arguments, 0, stream) == cudaSuccess;
}

static bool run(const Launch *launches, int count, const SamplerCall &call, void *work,
                cudaStream_t stream)
{
    for (int k = 0; k < count; k++)
        if (!launch(launches[k], call, work, stream))
            return false;
    return true;
}

static bool run_network(const SamplerCall &call, void *work, cudaStream_t stream)
{
    return run(launches, (int)(sizeof launches / sizeof *launches), call, work, stream);
}

/* Lanes behind a launch's last sample are zero and never written. */
static bool clear_lanes(void *work, cudaStream_t stream)
{
    return (int)BATCH == (int)STRIDE ||
           cudaMemsetAsync(work, 0, SAMPLER_DEVICE_WORK, stream) == cudaSuccess;
}

/* ---------------------------------------------------------------- memory of a call from the host */
typedef struct Memory {
    char *device;
    float *floats; /* [ROWS][...], what was made */
    cudaStream_t stream;
} Memory;

/* False: a call of CUDA failed. device: bytes there, floats: here. */
static bool memory_open(Memory *memory, size_t device, size_t floats)
{
    void *place = NULL;
    memory->device = NULL;
    memory->floats = (float *)malloc(floats * sizeof(float));
    if (cudaStreamCreateWithFlags(&memory->stream, cudaStreamNonBlocking) != cudaSuccess) {
        memory->stream = NULL;
        return false;
    }
    bool good = cudaMalloc(&place, device) == cudaSuccess;
    memory->device = good ? (char *)place : NULL;
    return good && memory->floats && clear_lanes(memory->device, memory->stream);
}

static int memory_close(Memory *memory, bool good)
{
    if (memory->stream) {
        good = cudaStreamSynchronize(memory->stream) == cudaSuccess && good;
        cudaStreamDestroy(memory->stream);
    }
    cudaFree(memory->device);
    free(memory->floats);
    return good ? SAMPLER_OK : SAMPLER_DEVICE;
}

static bool to_device(const Memory *memory, void *to, const void *from, size_t bytes)
{
    return cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, memory->stream) == cudaSuccess;
}

static bool to_host(const Memory *memory, void *to, const void *from, size_t bytes)
{
    return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, memory->stream) ==
               cudaSuccess &&
           cudaStreamSynchronize(memory->stream) == cudaSuccess;
}

/* ---------------------------------------------------------------- calls */
/*{calls*//*}*/
#endif
/*]*/
