/* vm.h -- for tests that run CUDA text: NVRTC makes PTX of it, and a driver runs that. The driver
 * is GAGAC_LIBCUDA, else the PTX virtual machine (PTXVM_LIBRARY). Without NVRTC the test is
 * skipped. */
#ifndef VM_H
#define VM_H

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

typedef unsigned long long DevicePtr;

/* The functions that these tests call, as pointers of the driver's types. */
static struct {
    int (*cuInit)(unsigned);
    int (*cuDeviceGet)(int *, int);
    int (*cuDeviceGetAttribute)(int *, int, int);
    int (*cuDeviceGetName)(char *, int, int);
    int (*cuDevicePrimaryCtxRetain)(void **, int);
    int (*cuDevicePrimaryCtxRelease_v2)(int);
    int (*cuCtxSetCurrent)(void *);
    int (*cuCtxSynchronize)(void);
    int (*cuMemAlloc_v2)(DevicePtr *, size_t);
    int (*cuMemFree_v2)(DevicePtr);
    int (*cuMemGetInfo_v2)(size_t *, size_t *);
    int (*cuMemAllocHost_v2)(void **, size_t);
    int (*cuMemFreeHost)(void *);
    int (*cuMemHostRegister)(void *, size_t, unsigned);
    int (*cuMemHostUnregister)(void *);
    int (*cuMemcpyHtoD_v2)(DevicePtr, const void *, size_t);
    int (*cuMemcpyDtoH_v2)(void *, DevicePtr, size_t);
    int (*cuMemcpyHtoDAsync_v2)(DevicePtr, const void *, size_t, void *);
    int (*cuMemcpyDtoHAsync_v2)(void *, DevicePtr, size_t, void *);
    int (*cuMemsetD8_v2)(DevicePtr, unsigned char, size_t);
    int (*cuMemsetD32_v2)(DevicePtr, unsigned, size_t);
    int (*cuModuleLoadData)(void **, const void *);
    int (*cuModuleUnload)(void *);
    int (*cuModuleGetFunction)(void **, void *, const char *);
    int (*cuModuleGetGlobal_v2)(DevicePtr *, size_t *, void *, const char *);
    int (*cuFuncSetAttribute)(void *, int, int);
    int (*cuFuncGetAttribute)(int *, int, void *);
    int (*cuLaunchKernel)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                          unsigned, void *, void **, void **);
    int (*cuLaunchCooperativeKernel)(void *, unsigned, unsigned, unsigned, unsigned, unsigned,
                                     unsigned, unsigned, void *, void **);
    int (*cuStreamCreate)(void **, unsigned);
    int (*cuStreamDestroy_v2)(void *);
    int (*cuStreamSynchronize)(void *);
    int (*cuStreamQuery)(void *);
    int (*cuStreamWaitEvent)(void *, void *, unsigned);
    int (*cuStreamBeginCapture_v2)(void *, int);
    int (*cuStreamEndCapture)(void *, void **);
    int (*cuGraphInstantiateWithFlags)(void **, void *, unsigned long long);
    int (*cuGraphLaunch)(void *, void *);
    int (*cuGraphExecDestroy)(void *);
    int (*cuGraphDestroy)(void *);
    int (*cuEventCreate)(void **, unsigned);
    int (*cuEventDestroy_v2)(void *);
    int (*cuEventRecord)(void *, void *);
    int (*cuEventSynchronize)(void *);
    int (*cuEventElapsedTime)(float *, void *, void *);
    int (*cuGetErrorName)(int, const char **);
    int (*cuGetProcAddress_v2)(const char *, void **, int, unsigned long long, int *);
    int (*ptxvm_reports)(void); /* NULL on a real device */
} cu;

static struct {
    int (*nvrtcCreateProgram)(void **, const char *, const char *, int, const char *const *,
                              const char *const *);
    int (*nvrtcCompileProgram)(void *, int, const char *const *);
    int (*nvrtcGetPTXSize)(void *, size_t *);
    int (*nvrtcGetPTX)(void *, char *);
    int (*nvrtcGetProgramLogSize)(void *, size_t *);
    int (*nvrtcGetProgramLog)(void *, char *);
    int (*nvrtcDestroyProgram)(void **);
} rtc;

static int vm_arch; /* 80 for sm_80 */

static void vm_symbol(void *library, const char *name, void *pointer)
{
    void *found = dlsym(library, name);
    memcpy(pointer, &found, sizeof found);
    if (!found && strcmp(name, "ptxvm_reports")) {
        fprintf(stderr, "'%s' is missing\n", name);
        exit(1);
    }
}

static void *vm_open_nvrtc(void)
{
    static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2",
                                        "/usr/local/cuda/lib64/libnvrtc.so.13",
                                        "/usr/local/cuda/lib64/libnvrtc.so"};
    const char *chosen = getenv("GAGAC_LIBNVRTC");
    if (chosen && *chosen)
        return dlopen(chosen, RTLD_NOW | RTLD_LOCAL);
    void *library = NULL;
    for (size_t i = 0; !library && i < sizeof names / sizeof *names; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    const char *home = getenv("CUDA_HOME");
    char path[1024];
    if (!library && home) {
        snprintf(path, sizeof path, "%s/lib64/libnvrtc.so", home);
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    return library;
}

/* Opens the driver and makes its context current. PTXVM_... must be set before. */
static void vm_open_driver(void)
{
    const char *path = getenv("GAGAC_LIBCUDA");
    if (!path || !*path)
        path = getenv("PTXVM_LIBRARY");
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    int major = 0, minor = 0;
    void *context;
    if (!library) {
        fprintf(stderr, "no driver: %s\n", path ? dlerror() : "PTXVM_LIBRARY is not set");
        exit(1);
    }
#define CU(name) vm_symbol(library, #name, &cu.name)
    CU(cuInit);
    CU(cuDeviceGet);
    CU(cuDeviceGetAttribute);
    CU(cuDeviceGetName);
    CU(cuDevicePrimaryCtxRetain);
    CU(cuDevicePrimaryCtxRelease_v2);
    CU(cuCtxSetCurrent);
    CU(cuCtxSynchronize);
    CU(cuMemAlloc_v2);
    CU(cuMemFree_v2);
    CU(cuMemGetInfo_v2);
    CU(cuMemAllocHost_v2);
    CU(cuMemFreeHost);
    vm_symbol(library, "cuMemHostRegister_v2", &cu.cuMemHostRegister);
    CU(cuMemHostUnregister);
    CU(cuMemcpyHtoD_v2);
    CU(cuMemcpyDtoH_v2);
    CU(cuMemcpyHtoDAsync_v2);
    CU(cuMemcpyDtoHAsync_v2);
    CU(cuMemsetD8_v2);
    CU(cuMemsetD32_v2);
    CU(cuModuleLoadData);
    CU(cuModuleUnload);
    CU(cuModuleGetFunction);
    CU(cuModuleGetGlobal_v2);
    CU(cuFuncSetAttribute);
    CU(cuFuncGetAttribute);
    CU(cuLaunchKernel);
    CU(cuLaunchCooperativeKernel);
    CU(cuStreamCreate);
    CU(cuStreamDestroy_v2);
    CU(cuStreamSynchronize);
    CU(cuStreamQuery);
    CU(cuStreamWaitEvent);
    CU(cuStreamBeginCapture_v2);
    CU(cuStreamEndCapture);
    CU(cuGraphInstantiateWithFlags);
    CU(cuGraphLaunch);
    CU(cuGraphExecDestroy);
    CU(cuGraphDestroy);
    CU(cuEventCreate);
    CU(cuEventDestroy_v2);
    CU(cuEventRecord);
    CU(cuEventSynchronize);
    CU(cuEventElapsedTime);
    CU(cuGetErrorName);
    CU(cuGetProcAddress_v2);
    CU(ptxvm_reports);
#undef CU
    if (cu.cuInit(0) || cu.cuDevicePrimaryCtxRetain(&context, 0) || cu.cuCtxSetCurrent(context)) {
        fprintf(stderr, "the driver does not start\n");
        exit(1);
    }
    cu.cuDeviceGetAttribute(&major, 75, 0);
    cu.cuDeviceGetAttribute(&minor, 76, 0);
    vm_arch = 10 * major + minor;
}

/* Opens NVRTC and the driver. Ends the test as skipped where there is no NVRTC. */
static void vm_open(void)
{
    void *library = vm_open_nvrtc();
    if (!library) {
        fprintf(stderr, "skipped: no NVRTC\n");
        exit(77);
    }
#define RTC(name) vm_symbol(library, #name, &rtc.name)
    RTC(nvrtcCreateProgram);
    RTC(nvrtcCompileProgram);
    RTC(nvrtcGetPTXSize);
    RTC(nvrtcGetPTX);
    RTC(nvrtcGetProgramLogSize);
    RTC(nvrtcGetProgramLog);
    RTC(nvrtcDestroyProgram);
#undef RTC
    vm_open_driver();
}

/* PTX for CUDA text; to be freed. Ends the test if it does not compile. `option` may be NULL. */
static char *vm_compile_for(const char *source, int arch, const char *option)
{
    void *program;
    char target[64];
    size_t len = 0;
    snprintf(target, sizeof target, "--gpu-architecture=compute_%d", arch);
    const char *options[] = {target, "-default-device", option};
    if (rtc.nvrtcCreateProgram(&program, source, "test.cu", 0, NULL, NULL))
        exit(1);
    if (rtc.nvrtcCompileProgram(program, option ? 3 : 2, options)) {
        rtc.nvrtcGetProgramLogSize(program, &len);
        char *log = malloc(len + 1);
        rtc.nvrtcGetProgramLog(program, log);
        fprintf(stderr, "%s\n", log);
        exit(1);
    }
    rtc.nvrtcGetPTXSize(program, &len);
    char *ptx = malloc(len + 1);
    rtc.nvrtcGetPTX(program, ptx);
    rtc.nvrtcDestroyProgram(&program);
    if (getenv("SHOW_PTX"))
        fprintf(stderr, "%s\n", ptx);
    return ptx;
}

/* A kernel of CUDA text, or of PTX text, which has ".version" in it. */
static void *vm_kernel(const char *text, const char *name)
{
    void *module = NULL, *function = NULL;
    char *ptx = NULL;
    if (!strstr(text, ".version"))
        text = ptx = vm_compile_for(text, vm_arch, NULL);
    int error = cu.cuModuleLoadData(&module, text);
    if (error || cu.cuModuleGetFunction(&function, module, name)) {
        fprintf(stderr, "kernel '%s' cannot be loaded: %d\n", name, error);
        exit(1);
    }
    free(ptx);
    return function;
}

static DevicePtr vm_put(const void *data, size_t bytes)
{
    DevicePtr address = 0;
    assert_int_equal(cu.cuMemAlloc_v2(&address, bytes), 0);
    if (data)
        assert_int_equal(cu.cuMemcpyHtoD_v2(address, data, bytes), 0);
    return address;
}

static void vm_get(void *data, DevicePtr address, size_t bytes)
{
    assert_int_equal(cu.cuMemcpyDtoH_v2(data, address, bytes), 0);
}

/* Launches blocks of threads and waits; the result of waiting. */
static int vm_run(void *kernel, unsigned blocks, unsigned threads, unsigned dynamic, void **params)
{
    int error = cu.cuLaunchKernel(kernel, blocks, 1, 1, threads, 1, 1, dynamic, NULL, params, NULL);
    return error ? error : cu.cuCtxSynchronize();
}

#endif
