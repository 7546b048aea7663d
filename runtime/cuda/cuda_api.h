/* cuda_api.h -- the few functions of NVIDIA's driver and of NVRTC that a training uses.
 *
 * Declared here, so that no toolkit is needed to build or to run; tests/cuda compares every
 * declaration with cuda.h and nvrtc.h where the toolkit is there. Both libraries are opened at run
 * time, never linked. */
#ifndef GAGAC_CUDA_API_H
#define GAGAC_CUDA_API_H

#include <stddef.h>
#include <stdint.h>

#ifndef GAGAC_CUDA_TYPES /* the test puts the toolkit's types here */
typedef int CudaResult;  /* 0: success */
typedef int CudaDevice;
typedef struct CudaContextObject *CudaContext;
typedef struct CudaModuleObject *CudaModule;
typedef struct CudaFunctionObject *CudaFunction;
typedef struct CudaStreamObject *CudaStream;
typedef struct CudaEventObject *CudaEvent;
typedef struct CudaGraphObject *CudaGraph;
typedef struct CudaGraphExecObject *CudaGraphExec;
typedef unsigned long long CudaPointer; /* an address on the device */
typedef int CudaDeviceAttribute, CudaFunctionAttribute, CudaCaptureMode;
typedef int NvrtcResult; /* 0: success */
enum { NVRTC_INVALID_OPTION = 5 };
typedef struct NvrtcProgramObject *NvrtcProgram;
#endif

enum { /* of CudaResult */
       CUDA_OK = 0,
       CUDA_OUT_OF_MEMORY = 2,
       CUDA_LINK_LIBRARY = 34,
       CUDA_NO_DEVICE = 100,
       CUDA_INVALID_IMAGE = 200,
       CUDA_NO_BINARY_FOR_GPU = 209,
       CUDA_INVALID_PTX = 218,
       CUDA_UNSUPPORTED_PTX = 222
};
enum { /* of CudaDeviceAttribute */
       CUDA_MULTIPROCESSORS = 16,
       CUDA_MAJOR = 75,
       CUDA_MINOR = 76
};
enum { /* of CudaFunctionAttribute */
       CUDA_SHARED_BYTES = 1,
       CUDA_LOCAL_BYTES = 3,
       CUDA_REGISTERS = 4
};
enum { CUDA_NON_BLOCKING = 1, CUDA_CAPTURE_THREAD = 1 };
enum { CUDA_LEAST_DRIVER = 11020 }; /* 1000 * major + 10 * minor */

/* name, parameters; all return a CudaResult */
#define CUDA_FUNCTIONS(F)                                                                        \
    F(cuInit, (unsigned))                                                                        \
    F(cuDriverGetVersion, (int *))                                                               \
    F(cuDeviceGetCount, (int *))                                                                 \
    F(cuDeviceGet, (CudaDevice *, int))                                                          \
    F(cuDeviceGetName, (char *, int, CudaDevice))                                                \
    F(cuDeviceGetAttribute, (int *, CudaDeviceAttribute, CudaDevice))                            \
    F(cuDeviceTotalMem_v2, (size_t *, CudaDevice))                                               \
    F(cuDevicePrimaryCtxRetain, (CudaContext *, CudaDevice))                                     \
    F(cuDevicePrimaryCtxRelease_v2, (CudaDevice))                                                \
    F(cuCtxSetCurrent, (CudaContext))                                                            \
    F(cuMemGetInfo_v2, (size_t *, size_t *))                                                     \
    F(cuMemAlloc_v2, (CudaPointer *, size_t))                                                    \
    F(cuMemFree_v2, (CudaPointer))                                                               \
    F(cuMemAllocHost_v2, (void **, size_t))                                                      \
    F(cuMemFreeHost, (void *))                                                                   \
    F(cuMemcpyHtoDAsync_v2, (CudaPointer, const void *, size_t, CudaStream))                     \
    F(cuMemcpyDtoHAsync_v2, (void *, CudaPointer, size_t, CudaStream))                           \
    F(cuMemcpyDtoDAsync_v2, (CudaPointer, CudaPointer, size_t, CudaStream))                      \
    F(cuMemsetD8Async, (CudaPointer, unsigned char, size_t, CudaStream))                         \
    F(cuModuleLoadData, (CudaModule *, const void *))                                            \
    F(cuModuleUnload, (CudaModule))                                                              \
    F(cuModuleGetFunction, (CudaFunction *, CudaModule, const char *))                           \
    F(cuFuncGetAttribute, (int *, CudaFunctionAttribute, CudaFunction))                          \
    F(cuLaunchKernel, (CudaFunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, \
                       unsigned, CudaStream, void **, void **))                                  \
    F(cuStreamCreate, (CudaStream *, unsigned))                                                  \
    F(cuStreamDestroy_v2, (CudaStream))                                                          \
    F(cuStreamSynchronize, (CudaStream))                                                         \
    F(cuStreamBeginCapture_v2, (CudaStream, CudaCaptureMode))                                    \
    F(cuStreamEndCapture, (CudaStream, CudaGraph *))                                             \
    F(cuGraphLaunch, (CudaGraphExec, CudaStream))                                                \
    F(cuGraphExecDestroy, (CudaGraphExec))                                                       \
    F(cuGraphDestroy, (CudaGraph))                                                               \
    F(cuEventCreate, (CudaEvent *, unsigned))                                                    \
    F(cuEventRecord, (CudaEvent, CudaStream))                                                    \
    F(cuEventSynchronize, (CudaEvent))                                                           \
    F(cuEventElapsedTime, (float *, CudaEvent, CudaEvent))                                       \
    F(cuEventDestroy_v2, (CudaEvent))                                                            \
    F(cuGetErrorName, (CudaResult, const char **))

/* name, parameters; all return an NvrtcResult */
#define NVRTC_FUNCTIONS(F)                                                                         \
    F(nvrtcVersion, (int *, int *))                                                                \
    F(nvrtcCreateProgram,                                                                          \
      (NvrtcProgram *, const char *, const char *, int, const char *const *, const char *const *)) \
    F(nvrtcDestroyProgram, (NvrtcProgram *))                                                       \
    F(nvrtcCompileProgram, (NvrtcProgram, int, const char *const *))                               \
    F(nvrtcGetPTXSize, (NvrtcProgram, size_t *))                                                   \
    F(nvrtcGetPTX, (NvrtcProgram, char *))                                                         \
    F(nvrtcGetCUBINSize, (NvrtcProgram, size_t *))                                                 \
    F(nvrtcGetCUBIN, (NvrtcProgram, char *))                                                       \
    F(nvrtcGetProgramLogSize, (NvrtcProgram, size_t *))                                            \
    F(nvrtcGetProgramLog, (NvrtcProgram, char *))

/* The two forms of one function: drivers before CUDA 11.4 have the second alone. */
#define CUDA_FORMS(F)                                                                \
    F(cuGraphInstantiateWithFlags, (CudaGraphExec *, CudaGraph, unsigned long long)) \
    F(cuGraphInstantiate_v2, (CudaGraphExec *, CudaGraph, void **, char *, size_t))

#define CUDA_MEMBER(name, parameters) CudaResult(*name) parameters;
#define NVRTC_MEMBER(name, parameters) NvrtcResult(*name) parameters;
typedef struct Cuda { /* the driver, opened */
    void *library;
    CUDA_FUNCTIONS(CUDA_MEMBER)
    CUDA_FORMS(CUDA_MEMBER) /* NULL: not there */
} Cuda;
typedef struct Nvrtc { /* the compiler, opened */
    void *library;
    NVRTC_FUNCTIONS(NVRTC_MEMBER)
} Nvrtc;

#endif
