/* cuda_load.c -- see cuda_load.h. */
#define _GNU_SOURCE
#include "cuda_load.h"

#include "entry.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 512 };

/* dlsym() gives an object pointer, and ISO C has no cast from it to a function's. */
static bool find_symbol(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

/* ---------------------------------------------------------------- the driver */
const char *cuda_error_name(const Cuda *cuda, CudaResult result)
{
    static _Thread_local char number[32];
    const char *name = NULL;
    if (cuda->cuGetErrorName && cuda->cuGetErrorName(result, &name) == CUDA_OK && name) {
        return name;
    }
    snprintf(number, sizeof number, "error %d", (int)result);
    return number;
}

static bool resolve_driver(Cuda *cuda, const char *path, Error *error)
{
#define CUDA_RESOLVE(name, parameters)                                                \
    if (!find_symbol(cuda->library, #name, &cuda->name)) {                            \
        return error_set(error, EXIT_DEVICE, "a driver of CUDA 11.2 or later has it", \
                         "the driver %s is too old: it has no %s", path, #name);      \
    }
    CUDA_FUNCTIONS(CUDA_RESOLVE)
#undef CUDA_RESOLVE
#define CUDA_LOOK(name, parameters) find_symbol(cuda->library, #name, &cuda->name);
    CUDA_FORMS(CUDA_LOOK)
#undef CUDA_LOOK
    return cuda->cuGraphInstantiateWithFlags || cuda->cuGraphInstantiate_v2 ||
           error_set(error, EXIT_DEVICE, "a driver of CUDA 11.2 or later has it",
                     "the driver %s is too old: it has no cuGraphInstantiate", path);
}

static bool start_driver(Cuda *cuda, const char *path, Error *error)
{
    int version = 0, count = 0;
    CudaResult result = cuda->cuInit(0);
    if (result == CUDA_NO_DEVICE) {
        return error_set(error, EXIT_DEVICE, NULL, "the driver %s sees no GPU", path);
    }
    if (result == CUDA_LINK_LIBRARY) {
        return error_set(error, EXIT_DEVICE, "GAGAC_LIBCUDA names the driver's own libcuda.so.1",
                         "%s is CUDA's library to link with, not a driver", path);
    }
    if (result != CUDA_OK) {
        return error_set(error, EXIT_DEVICE, NULL, "cuInit() of %s failed: %s", path,
                         cuda_error_name(cuda, result));
    }
    result = cuda->cuDriverGetVersion(&version);
    if (result == CUDA_OK && version < CUDA_LEAST_DRIVER) {
        return error_set(error, EXIT_DEVICE, "update the driver",
                         "the driver %s is for CUDA %d.%d; %d.%d or later is needed", path,
                         version / 1000, version % 1000 / 10, CUDA_LEAST_DRIVER / 1000,
                         CUDA_LEAST_DRIVER % 1000 / 10);
    }
    result = result == CUDA_OK ? cuda->cuDeviceGetCount(&count) : result;
    if (result != CUDA_OK) {
        return error_set(error, EXIT_DEVICE, NULL, "the driver %s does not answer: %s", path,
                         cuda_error_name(cuda, result));
    }
    return count > 0 || error_set(error, EXIT_DEVICE, NULL, "the driver %s sees no GPU", path);
}

bool cuda_open(Cuda *cuda, Error *error)
{
    const char *named = getenv("GAGAC_LIBCUDA");
    const char *path = named && *named ? named : "libcuda.so.1";
    *cuda = (Cuda){.library = dlopen(path, RTLD_NOW | RTLD_LOCAL)};
    if (!cuda->library) {
        return error_set(error, EXIT_DEVICE,
                         "NVIDIA's driver brings it; GAGAC_LIBCUDA names another place",
                         "no GPU driver: %s cannot be opened", path);
    }
    if (resolve_driver(cuda, path, error) && start_driver(cuda, path, error)) {
        return true;
    }
    cuda_close(cuda);
    return false;
}

void cuda_close(Cuda *cuda)
{
    if (cuda->library) {
        dlclose(cuda->library);
    }
    *cuda = (Cuda){0};
}

/* ---------------------------------------------------------------- NVRTC */
static void *open_nvrtc_library(void)
{
    static const char *const versions[] = {"13", "12", "11.2"};
    enum { COUNT = sizeof versions / sizeof *versions };
    const char *named = getenv("GAGAC_LIBNVRTC"), *home = getenv("CUDA_HOME");
    if (named && *named) {
        return dlopen(named, RTLD_NOW | RTLD_LOCAL);
    }
    for (int k = 0; k < 2 * COUNT; k++) { /* the loader's folders, then the toolkit's */
        char path[PATH_SIZE];
        const char *folder = k < COUNT ? "" : home && *home ? home : "/usr/local/cuda";
        snprintf(path, sizeof path, "%s%slibnvrtc.so.%s", folder, k < COUNT ? "" : "/lib64/",
                 versions[k % COUNT]);
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (library) {
            return library;
        }
    }
    return NULL;
}

bool nvrtc_open(Nvrtc *nvrtc, Error *error)
{
    const char *hint = "install CUDA's NVRTC, or name it with GAGAC_LIBNVRTC";
    *nvrtc = (Nvrtc){.library = open_nvrtc_library()};
    if (!nvrtc->library) {
        const char *named = getenv("GAGAC_LIBNVRTC");
        return error_set(error, EXIT_DEVICE, hint, "the CUDA compiler %s cannot be opened",
                         named && *named ? named : "libnvrtc.so (13, 12 or 11.2)");
    }
#define NVRTC_RESOLVE(name, parameters)                                                           \
    if (!find_symbol(nvrtc->library, #name, &nvrtc->name)) {                                      \
        nvrtc_close(nvrtc);                                                                       \
        return error_set(error, EXIT_DEVICE, hint, "the CUDA compiler is too old: no %s", #name); \
    }
    NVRTC_FUNCTIONS(NVRTC_RESOLVE)
#undef NVRTC_RESOLVE
    return true;
}

void nvrtc_close(Nvrtc *nvrtc)
{
    if (nvrtc->library) {
        dlclose(nvrtc->library);
    }
    *nvrtc = (Nvrtc){0};
}

/* The log of a program, "" when there is none. */
static char *take_log(const Nvrtc *nvrtc, NvrtcProgram program)
{
    size_t size = 0;
    if (nvrtc->nvrtcGetProgramLogSize(program, &size)) {
        size = 0;
    }
    char *log = calloc(size + 1, 1);
    if (log && size > 0 && nvrtc->nvrtcGetProgramLog(program, log)) {
        log[0] = 0;
    }
    return log;
}

static bool take_code(const Nvrtc *nvrtc, NvrtcProgram program, bool ptx, CudaCode *code)
{
    size_t size = 0;
    if (ptx ? nvrtc->nvrtcGetPTXSize(program, &size) : nvrtc->nvrtcGetCUBINSize(program, &size)) {
        return false;
    }
    code->bytes = malloc(size + 1);
    code->size = size;
    if (!code->bytes || (ptx ? nvrtc->nvrtcGetPTX(program, code->bytes)
                             : nvrtc->nvrtcGetCUBIN(program, code->bytes))) {
        return false;
    }
    code->bytes[size] = 0;
    return true;
}

/* The first line of the log with "error" in it, else the first. */
static void report_log(const char *log, const char *arch, Error *error)
{
    const char *line = strstr(log, "error");
    while (line && line > log && line[-1] != '\n') {
        line--;
    }
    line = line ? line : log;
    error_set(error, EXIT_DEVICE, NULL, "NVRTC cannot compile for %s: %.*s", arch,
              (int)strcspn(line, "\n"), *line ? line : "no reason given");
}

/* One rounding only where the text says so: the draws and functions have the CPU's bits. */
static const char *const fixed_options[] = {"--fmad=false", "--std=c++17",
                                            "--device-as-default-execution-space"};
/* By NvrtcUse. NVRTC before 12.8 does not know the last one. */
static const char *const use_options[] = {
    [NVRTC_REPORT] = "--ptxas-options=-v", [NVRTC_SHIP] = NULL, [NVRTC_FAST] = "--split-compile=0"};
enum { FIXED_OPTIONS = sizeof fixed_options / sizeof *fixed_options, MOST_TEXTS = 32 };

static NvrtcResult create_program(const Nvrtc *nvrtc, const CudaText *texts, int count,
                                  NvrtcProgram *program)
{
    const char *headers[MOST_TEXTS], *names[MOST_TEXTS];
    for (int k = 1; k < count && k < MOST_TEXTS; k++) {
        headers[k - 1] = texts[k].text;
        names[k - 1] = texts[k].name;
    }
    *program = NULL;
    return nvrtc->nvrtcCreateProgram(program, texts[0].text, texts[0].name, count - 1, headers,
                                     names);
}

bool nvrtc_compile(const Nvrtc *nvrtc, const CudaText *texts, int count, const char *arch,
                   NvrtcUse use, CudaCode *code, Error *error)
{
    NvrtcProgram program = NULL;
    char target[64];
    const char *options[FIXED_OPTIONS + 2] = {target};
    *code = (CudaCode){0};
    snprintf(target, sizeof target, "--gpu-architecture=%s", arch);
    memcpy(options + 1, fixed_options, sizeof fixed_options);
    options[FIXED_OPTIONS + 1] = use_options[use];
    NvrtcResult result = create_program(nvrtc, texts, count, &program);
    if (result) {
        return error_set(error, EXIT_DEVICE, NULL, "nvrtcCreateProgram() failed: error %d",
                         (int)result);
    }
    int most = FIXED_OPTIONS + (use_options[use] ? 2 : 1);
    result = nvrtc->nvrtcCompileProgram(program, most, options);
    if (result == NVRTC_INVALID_OPTION && use == NVRTC_FAST) {
        result = nvrtc->nvrtcCompileProgram(program, most - 1, options);
    }
    code->log = take_log(nvrtc, program);
    bool good = result == 0 && code->log &&
                take_code(nvrtc, program, strncmp(arch, "compute_", 8) == 0, code);
    if (!good) {
        report_log(code->log ? code->log : "", arch, error);
        free(code->bytes);
        free(code->log);
        *code = (CudaCode){0};
    }
    nvrtc->nvrtcDestroyProgram(&program);
    return good;
}

/* ---------------------------------------------------------------- the cache */
static Hash code_key(const Nvrtc *nvrtc, const CudaText *texts, int count, const char *arch,
                     NvrtcUse use)
{
    Sha256 sha;
    int major = 0, minor = 0;
    char version[64];
    nvrtc->nvrtcVersion(&major, &minor);
    snprintf(version, sizeof version, "NVRTC %d.%d", major, minor);
    sha256_start(&sha);
    sha256_add_text(&sha, version);
    sha256_add_text(&sha, arch);
    for (int k = 0; k < FIXED_OPTIONS; k++) {
        sha256_add_text(&sha, fixed_options[k]);
    }
    sha256_add_text(&sha, use_options[use] ? use_options[use] : "");
    for (int k = 0; k < count; k++) {
        sha256_add_text(&sha, texts[k].name);
        sha256_add_text(&sha, texts[k].text);
    }
    return sha256_end(&sha);
}

bool nvrtc_compile_cached(const CudaText *texts, int count, const char *arch, NvrtcUse use,
                          CudaCode *code, Error *error)
{
    Nvrtc nvrtc;
    char folder[PATH_MAX];
    *code = (CudaCode){0};
    if (!nvrtc_open(&nvrtc, error)) {
        return false;
    }
    Hash key = code_key(&nvrtc, texts, count, arch, use);
    bool cached = entry_folder(folder, sizeof folder) && !entry_folder_fault(folder);
    code->bytes = cached ? entry_load(folder, &key, &code->size) : NULL;
    bool good = code->bytes != NULL;
    if (!good) {
        good = nvrtc_compile(&nvrtc, texts, count, arch, use, code, error);
        if (good && cached) {
            entry_store(folder, &key, code->bytes, code->size);
        }
    }
    nvrtc_close(&nvrtc);
    return good;
}
