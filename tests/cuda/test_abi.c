/* test_abi.c -- the driver of the tests has the binary interface of cuda.h: its functions are
 * called through the header's own prototypes, its values are compared with the header's. Skipped
 * without the toolkit. */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#if defined(__has_include)
#if __has_include(<cuda.h>)
#define HAVE_TOOLKIT
#include <cuda.h>
#endif
#endif

#ifdef HAVE_TOOLKIT
static void *library;

/* A function by its name with the header's macros applied, of the header's type. */
#define NAME_(x) #x
#define NAME(x) NAME_(x)
#define FUNCTION(name)                            \
    __typeof__(&name) p_##name = NULL;            \
    {                                             \
        void *found = dlsym(library, NAME(name)); \
        assert_non_null(found);                   \
        memcpy(&p_##name, &found, sizeof found);  \
    }

static void error_values(void **state)
{
    static const struct {
        CUresult value;
        const char *name;
    } errors[] = {
#define ERROR(name) {name, #name}
        ERROR(CUDA_SUCCESS),
        ERROR(CUDA_ERROR_INVALID_VALUE),
        ERROR(CUDA_ERROR_OUT_OF_MEMORY),
        ERROR(CUDA_ERROR_NOT_INITIALIZED),
        ERROR(CUDA_ERROR_NO_DEVICE),
        ERROR(CUDA_ERROR_INVALID_DEVICE),
        ERROR(CUDA_ERROR_INVALID_IMAGE),
        ERROR(CUDA_ERROR_INVALID_CONTEXT),
        ERROR(CUDA_ERROR_NO_BINARY_FOR_GPU),
        ERROR(CUDA_ERROR_INVALID_PTX),
        ERROR(CUDA_ERROR_UNSUPPORTED_PTX_VERSION),
        ERROR(CUDA_ERROR_INVALID_HANDLE),
        ERROR(CUDA_ERROR_NOT_FOUND),
        ERROR(CUDA_ERROR_NOT_READY),
        ERROR(CUDA_ERROR_ILLEGAL_ADDRESS),
        ERROR(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES),
        ERROR(CUDA_ERROR_LAUNCH_FAILED),
        ERROR(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE),
        ERROR(CUDA_ERROR_NOT_SUPPORTED),
        ERROR(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED),
        ERROR(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED),
        ERROR(CUDA_ERROR_STREAM_CAPTURE_UNJOINED),
        ERROR(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT),
        ERROR(CUDA_ERROR_UNKNOWN),
    };
    FUNCTION(cuGetErrorName)
    FUNCTION(cuGetErrorString)
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        const char *text = NULL;
        assert_int_equal(p_cuGetErrorName(errors[i].value, &text), CUDA_SUCCESS);
        assert_string_equal(text, errors[i].name);
        assert_int_equal(p_cuGetErrorString(errors[i].value, &text), CUDA_SUCCESS);
        assert_non_null(text);
    }
}

static void before_initialisation(void **state)
{
    int count;
    CUdeviceptr address;
    FUNCTION(cuDeviceGetCount)
    FUNCTION(cuMemAlloc)
    FUNCTION(cuInit)
    (void)state;
    assert_int_equal(p_cuDeviceGetCount(&count), CUDA_ERROR_NOT_INITIALIZED);
    assert_int_equal(p_cuInit(0), CUDA_SUCCESS);
    assert_int_equal(p_cuDeviceGetCount(&count), CUDA_SUCCESS);
    assert_int_equal(count, 1);
    assert_int_equal(p_cuMemAlloc(&address, 4), CUDA_ERROR_INVALID_CONTEXT);
}

static void device_values(void **state)
{
    static const struct {
        CUdevice_attribute attribute;
        int value;
    } values[] = {
        {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 1024},
        {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, 64},
        {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, 2147483647},
        {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, 65535},
        {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, 49152},
        {CU_DEVICE_ATTRIBUTE_WARP_SIZE, 32},
        {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK, 65536},
        {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 132},
        {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, 2048},
        {CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 1},
        {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 9},
        {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0},
        {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, 233472},
        {CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 1},
        {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 232448},
        {CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR, 32},
        {CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK, 1024},
        {CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 0},
    };
    CUdevice device;
    char name[64];
    FUNCTION(cuDeviceGet)
    FUNCTION(cuDeviceGetAttribute)
    FUNCTION(cuDeviceGetName)
    (void)state;
    assert_int_equal(p_cuDeviceGet(&device, 0), CUDA_SUCCESS);
    assert_int_equal(p_cuDeviceGet(&device, 1), CUDA_ERROR_INVALID_DEVICE);
    assert_int_equal(p_cuDeviceGetName(name, sizeof name, device), CUDA_SUCCESS);
    assert_non_null(strstr(name, "PTXVM"));
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        int value = -1;
        assert_int_equal(p_cuDeviceGetAttribute(&value, values[i].attribute, device), 0);
        assert_int_equal(value, values[i].value);
    }
}

static const char *const ptx =
    ".version 7.0\n.target sm_75\n.address_size 64\n"
    ".visible .entry k(.param .u64 p, .param .u32 n)\n.maxntid 64, 1, 1\n{\n"
    ".reg .b32 %r<4>; .reg .b64 %rd<3>; .reg .pred %p;\n"
    ".shared .align 16 .b8 s[100];\n mov.u32 %r3, s;\n"
    "ld.param.u64 %rd1, [p]; ld.param.u32 %r1, [n];\n"
    "mov.u32 %r2, %tid.x; mul.wide.u32 %rd2, %r2, 4; add.s64 %rd1, %rd1, %rd2;\n"
    "setp.ne.u32 %p, %r2, 0; @%p bra $L; st.shared.u32 [%r3+96], 1; st.global.u32 [%rd1], "
    "%r1;\n$L: ret;\n}\n";

static void module_and_launch(void **state)
{
    CUcontext context;
    CUmodule module;
    CUfunction function;
    CUdeviceptr address;
    CUstream stream;
    CUgraph graph;
    CUgraphExec exec;
    int value;
    char log[512] = "";
    unsigned n = 77, result = 0;
    size_t count;
    void *params[] = {&address, &n};
    CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    void *option_values[] = {log, (void *)(uintptr_t)sizeof log};
    FUNCTION(cuDevicePrimaryCtxRetain)
    FUNCTION(cuDevicePrimaryCtxRelease)
    FUNCTION(cuCtxSetCurrent)
    FUNCTION(cuModuleLoadDataEx)
    FUNCTION(cuModuleGetFunction)
    FUNCTION(cuModuleUnload)
    FUNCTION(cuFuncGetAttribute)
    FUNCTION(cuFuncSetAttribute)
    FUNCTION(cuMemAlloc)
    FUNCTION(cuMemFree)
    FUNCTION(cuMemcpyDtoH)
    FUNCTION(cuMemsetD32Async)
    FUNCTION(cuStreamCreate)
    FUNCTION(cuStreamDestroy)
    FUNCTION(cuStreamBeginCapture)
    FUNCTION(cuStreamEndCapture)
    FUNCTION(cuStreamSynchronize)
    FUNCTION(cuLaunchKernel)
    FUNCTION(cuGraphGetNodes)
    FUNCTION(cuGraphInstantiate)
    FUNCTION(cuGraphLaunch)
    FUNCTION(cuGraphExecDestroy)
    FUNCTION(cuGraphDestroy)
    FUNCTION(cuOccupancyMaxActiveBlocksPerMultiprocessor)
    (void)state;
    assert_int_equal(p_cuDevicePrimaryCtxRetain(&context, 0), 0);
    assert_int_equal(p_cuCtxSetCurrent(context), 0);
    assert_int_equal(p_cuModuleLoadDataEx(&module, ".version 7.0 nonsense", 2, options,
                                          option_values),
                     CUDA_ERROR_INVALID_PTX);
    assert_non_null(strstr(log, "line 1"));
    assert_int_equal(p_cuModuleLoadDataEx(&module, ptx, 2, options, option_values), 0);
    assert_int_equal(p_cuModuleGetFunction(&function, module, "none"), CUDA_ERROR_NOT_FOUND);
    assert_int_equal(p_cuModuleGetFunction(&function, module, "k"), 0);
    assert_int_equal(
        p_cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, function), 0);
    assert_int_equal(value, 64);
    assert_int_equal(p_cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, function),
                     0);
    assert_int_equal(value, 100);
    assert_int_equal(p_cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_BINARY_VERSION, function), 0);
    assert_int_equal(value, 90);
    assert_int_equal(
        p_cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 100000), 0);
    assert_int_equal(
        p_cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, function), 0);
    assert_int_equal(value, 100000);
    assert_int_equal(p_cuOccupancyMaxActiveBlocksPerMultiprocessor(&value, function, 64, 100000),
                     0);
    assert_int_equal(value, 2);
    assert_int_equal(p_cuMemAlloc(&address, 256), 0);
    assert_int_equal(p_cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), 0);
    assert_int_equal(p_cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), 0);
    assert_int_equal(p_cuMemsetD32Async(address, 5, 64, stream), 0);
    assert_int_equal(p_cuLaunchKernel(function, 1, 1, 1, 64, 1, 1, 0, stream, params, NULL), 0);
    assert_int_equal(p_cuStreamEndCapture(stream, &graph), 0);
    assert_int_equal(p_cuGraphGetNodes(graph, NULL, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(p_cuGraphInstantiate(&exec, graph, 0), 0);
    assert_int_equal(p_cuGraphLaunch(exec, stream), 0);
    assert_int_equal(p_cuStreamSynchronize(stream), 0);
    assert_int_equal(p_cuMemcpyDtoH(&result, address, 4), 0);
    assert_int_equal(result, 77);
    assert_int_equal(p_cuMemcpyDtoH(&result, address + 252, 4), 0);
    assert_int_equal(result, 5);
    assert_int_equal(p_cuGraphExecDestroy(exec), 0);
    assert_int_equal(p_cuGraphDestroy(graph), 0);
    assert_int_equal(p_cuStreamDestroy(stream), 0);
    assert_int_equal(p_cuMemFree(address), 0);
    assert_int_equal(p_cuModuleUnload(module), 0);
    assert_int_equal(p_cuDevicePrimaryCtxRelease(0), 0);
}

int main(void)
{
    setenv("PTXVM_ARCH", "9.0", 1);
    library = dlopen(getenv("PTXVM_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_values),
        cmocka_unit_test(before_initialisation),
        cmocka_unit_test(device_values),
        cmocka_unit_test(module_and_launch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
    fprintf(stderr, "skipped: no cuda.h\n");
    return 77;
}
#endif
