/* runtime.c -- the functions of CUDA's runtime that a shipped sampler calls, on the driver of vm.h.
 * $SAMPLER_CU is compiled by NVRTC, without a header, at the first call. RUNTIME_FAIL=NAME:N lets
 * the N-th call of a function fail. */
#define _GNU_SOURCE
#include "../vm.h"

typedef int Status;

static void *module;

static bool failing(const char *name)
{
    static int calls;
    const char *fail = getenv("RUNTIME_FAIL");
    size_t length = strlen(name);
    return fail && strncmp(fail, name, length) == 0 && fail[length] == ':' &&
           ++calls == atoi(fail + length + 1);
}

static char *read_text(const char *path)
{
    FILE *file = path ? fopen(path, "rb") : NULL;
    if (!file)
        exit(2);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    char *text = calloc(size + 1, 1);
    rewind(file);
    if (fread(text, 1, size, file) != size)
        exit(2);
    fclose(file);
    return text;
}

static void start(void)
{
    void *program;
    char target[64];
    size_t size = 0;
    if (module)
        return;
    vm_open();
    char *text = read_text(getenv("SAMPLER_CU"));
    snprintf(target, sizeof target, "--gpu-architecture=compute_%d", vm_arch);
    const char *options[] = {target, "--fmad=false", "--std=c++17"};
    int error = rtc.nvrtcCreateProgram(&program, text, "sampler.cu", 0, NULL, NULL) ||
                rtc.nvrtcCompileProgram(program, 3, options);
    rtc.nvrtcGetProgramLogSize(program, &size);
    char *log = calloc(size + 1, 1);
    rtc.nvrtcGetProgramLog(program, log);
    if (error || strlen(log) > 1) {
        fprintf(stderr, "NVRTC: %s\n", log);
        exit(3);
    }
    rtc.nvrtcGetPTXSize(program, &size);
    char *ptx = calloc(size + 1, 1);
    rtc.nvrtcGetPTX(program, ptx);
    if (cu.cuModuleLoadData(&module, ptx))
        exit(3);
    free(ptx);
    free(log);
    free(text);
}

Status cudaMalloc(void **place, size_t bytes)
{
    DevicePtr address = 0;
    start();
    Status status = failing("cudaMalloc") ? 2 : cu.cuMemAlloc_v2(&address, bytes);
    *place = (void *)(uintptr_t)address;
    return status;
}

Status cudaFree(void *place) { return place ? cu.cuMemFree_v2((DevicePtr)(uintptr_t)place) : 0; }

Status cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream)
{
    if (failing("cudaMemcpyAsync"))
        return 719;
    return kind == 1 ? cu.cuMemcpyHtoDAsync_v2((DevicePtr)(uintptr_t)to, from, bytes, stream)
                     : cu.cuMemcpyDtoHAsync_v2(to, (DevicePtr)(uintptr_t)from, bytes, stream);
}

Status cudaMemsetAsync(void *place, int byte, size_t bytes, void *stream)
{
    Status status = cu.cuStreamSynchronize(stream);
    if (!status)
        status = cu.cuMemsetD8_v2((DevicePtr)(uintptr_t)place, (unsigned char)byte, bytes);
    return status ? status : cu.cuStreamSynchronize(NULL);
}

Status cudaStreamCreateWithFlags(void **stream, unsigned flags)
{
    start();
    return failing("cudaStreamCreateWithFlags") ? 2 : cu.cuStreamCreate(stream, flags);
}

Status cudaStreamSynchronize(void *stream)
{
    return failing("cudaStreamSynchronize") ? 719 : cu.cuStreamSynchronize(stream);
}

Status cudaStreamDestroy(void *stream) { return cu.cuStreamDestroy_v2(stream); }

Status fake_symbol(void **place, const char *name)
{
    DevicePtr address = 0;
    size_t bytes = 0;
    Status status = cu.cuModuleGetGlobal_v2(&address, &bytes, module, name);
    *place = (void *)(uintptr_t)address;
    return status;
}

Status fake_launch(const void *kernel, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                   unsigned block, void **arguments, void *stream)
{
    Dl_info info;
    void *function = NULL;
    start();
    if (failing("cudaLaunchKernel"))
        return 719;
    if (!dladdr(kernel, &info) || !info.dli_sname)
        return 98;
    Status status = cu.cuModuleGetFunction(&function, module, info.dli_sname);
    return status ? status
                  : cu.cuLaunchKernel(function, grid_x, grid_y, grid_z, block, 1, 1, 0, stream,
                                      arguments, NULL);
}
