/* cuda_runtime.h -- stands in for the toolkit's header where a C++ compiler makes a shipped
 * sampler.cu for the tests: its host side calls sampler/runtime.c, which runs what NVRTC makes of
 * the same file on a driver. The kernels as the C++ compiler sees them are never called; they say
 * the names of the launches. */
#ifndef FAKE_CUDA_RUNTIME_H
#define FAKE_CUDA_RUNTIME_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(...)
#define __restrict__
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned a, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
static const dim3 threadIdx(0), blockIdx(0), blockDim(1);
static inline void __syncthreads() {}
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
static inline size_t __cvta_generic_to_shared(const void *p) { return (size_t)p; }

typedef int cudaError_t;
typedef struct CUstream_st *cudaStream_t;
enum { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaStreamNonBlocking = 1 };
enum { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2 };

extern "C" {
cudaError_t cudaMalloc(void **place, size_t bytes);
cudaError_t cudaFree(void *place);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *place, int byte, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t fake_symbol(void **place, const char *name);
cudaError_t fake_launch(const void *kernel, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                        unsigned block, void **arguments, cudaStream_t stream);
}
#define cudaGetSymbolAddress(place, symbol) fake_symbol(place, #symbol)

static inline cudaError_t cudaLaunchKernel(const void *kernel, dim3 grid, dim3 block,
                                           void **arguments, size_t, cudaStream_t stream)
{
    return fake_launch(kernel, grid.x, grid.y, grid.z, block.x, arguments, stream);
}

#endif
