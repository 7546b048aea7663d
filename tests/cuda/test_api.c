/* test_api.c -- our own declarations of the driver and of NVRTC against the toolkit's headers:
 * every function's type, every number. Skipped where there is no toolkit. */
#if defined(__has_include)
#if __has_include(<cuda.h>) && __has_include(<nvrtc.h>)
#define HAVE_TOOLKIT
#endif
#endif

#ifdef HAVE_TOOLKIT
#include <cuda.h>
#include <nvrtc.h>
#include <stddef.h>

typedef CUresult CudaResult;
typedef CUdevice CudaDevice;
typedef CUcontext CudaContext;
typedef CUmodule CudaModule;
typedef CUfunction CudaFunction;
typedef CUstream CudaStream;
typedef CUevent CudaEvent;
typedef CUgraph CudaGraph;
typedef CUgraphExec CudaGraphExec;
typedef CUdeviceptr CudaPointer;
typedef CUdevice_attribute CudaDeviceAttribute;
typedef CUfunction_attribute CudaFunctionAttribute;
typedef CUstreamCaptureMode CudaCaptureMode;
typedef nvrtcResult NvrtcResult;
typedef nvrtcProgram NvrtcProgram;
#define GAGAC_CUDA_TYPES
#include "cuda_api.h"

#define SAME(name, parameters)                                                                     \
    _Static_assert(__builtin_types_compatible_p(__typeof__(&name), __typeof__(((Cuda *)0)->name)), \
                   #name " is declared otherwise");
#define SAME_NVRTC(name, parameters)                                             \
    _Static_assert(__builtin_types_compatible_p(__typeof__(&name),               \
                                                __typeof__(((Nvrtc *)0)->name)), \
                   #name " is declared otherwise");
CUDA_FUNCTIONS(SAME)
SAME(cuGraphInstantiateWithFlags, ) /* of the other form the header says nothing any more */
NVRTC_FUNCTIONS(SAME_NVRTC)

#define EQUAL(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours)
EQUAL(CUDA_OK, CUDA_SUCCESS);
EQUAL(CUDA_OUT_OF_MEMORY, CUDA_ERROR_OUT_OF_MEMORY);
EQUAL(CUDA_LINK_LIBRARY, CUDA_ERROR_STUB_LIBRARY);
EQUAL(CUDA_NO_DEVICE, CUDA_ERROR_NO_DEVICE);
EQUAL(CUDA_INVALID_IMAGE, CUDA_ERROR_INVALID_IMAGE);
EQUAL(CUDA_NO_BINARY_FOR_GPU, CUDA_ERROR_NO_BINARY_FOR_GPU);
EQUAL(CUDA_INVALID_PTX, CUDA_ERROR_INVALID_PTX);
EQUAL(CUDA_UNSUPPORTED_PTX, CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
EQUAL(CUDA_MULTIPROCESSORS, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
EQUAL(CUDA_MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
EQUAL(CUDA_MINOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
EQUAL(CUDA_SHARED_BYTES, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
EQUAL(CUDA_LOCAL_BYTES, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
EQUAL(CUDA_REGISTERS, CU_FUNC_ATTRIBUTE_NUM_REGS);
EQUAL(CUDA_NON_BLOCKING, CU_STREAM_NON_BLOCKING);
EQUAL(CUDA_CAPTURE_THREAD, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);

int main(void) { return 0; }
#else
int main(void) { return 77; }
#endif
