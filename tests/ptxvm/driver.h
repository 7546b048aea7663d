/* driver.h -- the part of the CUDA Driver API that the machine has: types and values as in cuda.h,
 * declared here so that no toolkit is needed (tests/cuda/test_abi.c compares them with cuda.h). */
#ifndef DRIVER_H
#define DRIVER_H

#include "ptx.h"

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct Context *CUcontext;
typedef struct Module *CUmodule;
typedef struct Kernel *CUfunction;
typedef struct Stream *CUstream;
typedef struct Event *CUevent;
typedef struct Graph *CUgraph;
typedef struct GraphExec *CUgraphExec;

enum {
    CUDA_SUCCESS = 0,
    CUDA_ERROR_INVALID_VALUE = 1,
    CUDA_ERROR_OUT_OF_MEMORY = 2,
    CUDA_ERROR_NOT_INITIALIZED = 3,
    CUDA_ERROR_NO_DEVICE = 100,
    CUDA_ERROR_INVALID_DEVICE = 101,
    CUDA_ERROR_INVALID_IMAGE = 200,
    CUDA_ERROR_INVALID_CONTEXT = 201,
    CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
    CUDA_ERROR_INVALID_PTX = 218,
    CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222,
    CUDA_ERROR_INVALID_HANDLE = 400,
    CUDA_ERROR_NOT_FOUND = 500,
    CUDA_ERROR_NOT_READY = 600,
    CUDA_ERROR_ILLEGAL_ADDRESS = 700,
    CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701,
    CUDA_ERROR_LAUNCH_FAILED = 719,
    CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE = 720,
    CUDA_ERROR_NOT_SUPPORTED = 801,
    CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
    CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901,
    CUDA_ERROR_STREAM_CAPTURE_UNJOINED = 904,
    CUDA_ERROR_STREAM_CAPTURE_IMPLICIT = 906,
    CUDA_ERROR_UNKNOWN = 999
};

#define API __attribute__((visibility("default")))

/* What kind of thing a handle is; a handle that was destroyed is none. */
typedef enum {
    OBJECT_NONE,
    OBJECT_CONTEXT,
    OBJECT_MODULE,
    OBJECT_STREAM,
    OBJECT_EVENT,
    OBJECT_GRAPH,
    OBJECT_GRAPH_EXEC
} ObjectKind;
void object_add(const void *handle, ObjectKind kind);
void object_remove(const void *handle);
bool object_is(const void *handle, ObjectKind kind);
bool function_is(const Kernel *kernel); /* of a module that is loaded */

/* Begins a call: takes the lock, counts the call for PTXVM_FAIL, and checks that cuInit() was
 * called (NEED_INIT), that there is a context (NEED_CONTEXT) and that no report broke it. */
typedef enum { NEED_NOTHING, NEED_INIT, NEED_CONTEXT } Need;
CUresult driver_enter(const char *name, Need need, int *locked);
void driver_leave(int *locked);
#define ENTER(need)                                             \
    __attribute__((cleanup(driver_leave))) int locked = 0;      \
    {                                                           \
        CUresult early = driver_enter(__func__, need, &locked); \
        if (early)                                              \
            return early;                                       \
    }

typedef struct {
    int arch, multiprocessors, threads_per_multiprocessor, blocks_per_multiprocessor;
    int shared_optin, shared_per_multiprocessor, reserved_shared;
} Arch;
const Arch *current_arch(void);
int active_blocks(const Kernel *kernel, int threads, size_t dynamic);

/* ---------------------------------------------------------------- stream.c */

/* Everything that was put into streams so far happens now. */
CUresult drain_all(void);
bool anything_captures(void);

/* ---------------------------------------------------------------- host_memory.c */

void *pinned_alloc(size_t bytes);
bool pinned_free(void *start);
bool pinned_contains(const void *start, size_t bytes);
/* Until the copy happens nobody may look at these bytes of pinned memory. */
void pinned_pend(void *start, size_t bytes);
void pinned_arrive(void *start, size_t bytes);
/* Is a copy to some of these bytes under way? */
bool pinned_is_pending(const void *start, size_t bytes);
void pinned_register(void *start, size_t bytes);
void watch_host_accesses(void);

/* ---------------------------------------------------------------- copies */

bool copy_to_device(CUdeviceptr target, const void *source, size_t bytes);
bool copy_to_host(void *target, CUdeviceptr source, size_t bytes);
bool copy_on_device(CUdeviceptr target, CUdeviceptr source, size_t bytes);
bool fill_device(CUdeviceptr target, uint32_t value, unsigned element, size_t count);
/* Does the range lie in a living allocation? A report and false if not. */
bool check_device_range(CUdeviceptr address, size_t bytes, const char *what);

#endif
