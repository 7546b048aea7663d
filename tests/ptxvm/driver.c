/* driver.c -- the CUDA Driver API: initialisation, device, contexts, memory, modules. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "driver.h"

Settings settings;

typedef struct Context {
    int retained;
} Context;

static Context primary;
static pthread_mutex_t lock;
static bool initialised;
static _Thread_local CUcontext stack[16];
static _Thread_local int stack_count;

/* ---------------------------------------------------------------- settings */

static uint64_t number_setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

__attribute__((constructor)) static void read_settings(void)
{
    const char *arch = getenv("PTXVM_ARCH"); /* 8.0, 80 or sm_80 */
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &attributes);
    settings.arch = 80;
    if (arch && *arch) {
        int value = 0;
        for (; *arch; arch++)
            if (*arch >= '0' && *arch <= '9' && value < 1000)
                value = value * 10 + *arch - '0';
        settings.arch = value;
    }
    settings.check = number_setting("PTXVM_CHECK", 1) != 0;
    settings.keep_going = number_setting("PTXVM_KEEP_GOING", 0) != 0;
    settings.memory = number_setting("PTXVM_MEMORY", 8ull << 30);
    settings.order = number_setting("PTXVM_ORDER", 0);
    settings.threads = (int)number_setting("PTXVM_THREADS", 1);
    settings.driver = (int)number_setting("PTXVM_DRIVER", 13000);
    settings.budget = number_setting("PTXVM_LIMIT", 2000000000);
    settings.log = getenv("PTXVM_LOG");
    settings.stat = getenv("PTXVM_STAT");
}

__attribute__((destructor)) static void at_exit(void) { stat_write(); }

static const Arch archs[] = {
    {75, 40, 1024, 16, 65536, 65536, 0},        {80, 108, 2048, 32, 166912, 167936, 1024},
    {86, 82, 1536, 16, 101376, 102400, 1024},   {87, 16, 1536, 16, 166912, 167936, 1024},
    {89, 128, 1536, 24, 101376, 102400, 1024},  {90, 132, 2048, 32, 232448, 233472, 1024},
    {100, 148, 2048, 32, 232448, 233472, 1024}, {103, 148, 2048, 32, 232448, 233472, 1024},
    {120, 170, 1536, 24, 101376, 102400, 1024},
};

const Arch *current_arch(void)
{
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
        if (archs[i].arch == settings.arch)
            return &archs[i];
    return NULL;
}

/* ---------------------------------------------------------------- each call */

typedef struct {
    char name[64];
    long left; /* calls until it fails; 0: never again */
    bool each;
    int error;
} Failure;

static Failure failures[16];
static int failure_count = -1;

/* PTXVM_FAIL=NAME:N[:ERROR],...: the N-th call of NAME fails, each if N is 0. */
static void read_failures(void)
{
    const char *text = getenv("PTXVM_FAIL");
    failure_count = 0;
    while (text && *text && failure_count < 16) {
        Failure *failure = &failures[failure_count];
        size_t len = strcspn(text, ":,");
        char *end = (char *)(uintptr_t)(text + len);
        *failure = (Failure){.left = 1, .error = CUDA_ERROR_UNKNOWN};
        snprintf(failure->name, sizeof failure->name, "%.*s", (int)len, text);
        if (*end == ':')
            failure->left = strtol(end + 1, &end, 10);
        if (*end == ':')
            failure->error = (int)strtol(end + 1, &end, 10);
        failure->each = !failure->left;
        failure_count++;
        text = end + strcspn(end, ",");
        text += *text == ',';
    }
}

static int planned_failure(const char *name)
{
    if (failure_count < 0)
        read_failures();
    for (int i = 0; i < failure_count; i++) {
        Failure *failure = &failures[i];
        if (strcmp(failure->name, name))
            continue;
        if (failure->each || (failure->left > 0 && --failure->left == 0))
            return failure->error;
    }
    return 0;
}

void driver_leave(int *locked)
{
    if (*locked)
        pthread_mutex_unlock(&lock);
}

CUresult driver_enter(const char *name, Need need, int *locked)
{
    pthread_mutex_lock(&lock);
    *locked = 1;
    int error = planned_failure(name);
    if (error)
        return error;
    if (need >= NEED_INIT && !initialised)
        return CUDA_ERROR_NOT_INITIALIZED;
    if (need >= NEED_CONTEXT && (!stack_count || !stack[stack_count - 1]))
        return CUDA_ERROR_INVALID_CONTEXT;
    if (need >= NEED_CONTEXT && report_failed())
        return CUDA_ERROR_LAUNCH_FAILED;
    return CUDA_SUCCESS;
}

/* ---------------------------------------------------------------- handles */

typedef struct {
    const void *handle;
    ObjectKind kind;
} Object;

static Object *objects;
static size_t object_count, object_room;

void object_add(const void *handle, ObjectKind kind)
{
    if (object_count == object_room) {
        object_room = object_room ? object_room * 2 : 64;
        objects = realloc(objects, object_room * sizeof *objects);
        if (!objects)
            abort();
    }
    objects[object_count++] = (Object){handle, kind};
}

void object_remove(const void *handle)
{
    for (size_t i = 0; i < object_count; i++)
        if (objects[i].handle == handle) {
            objects[i] = objects[--object_count];
            return;
        }
}

bool object_is(const void *handle, ObjectKind kind)
{
    for (size_t i = 0; i < object_count; i++)
        if (objects[i].handle == handle)
            return objects[i].kind == kind;
    return false;
}

bool function_is(const Kernel *kernel)
{
    for (size_t i = 0; i < object_count; i++) {
        if (objects[i].kind != OBJECT_MODULE)
            continue;
        const Module *module = objects[i].handle;
        for (size_t k = 0; k < module->kernels.count; k++)
            if (module->kernels.items[k] == kernel)
                return true;
    }
    return false;
}

/* ---------------------------------------------------------------- initialisation, device */

API CUresult cuInit(unsigned flags)
{
    ENTER(NEED_NOTHING);
    if (flags)
        return CUDA_ERROR_INVALID_VALUE;
    if (!current_arch()) {
        tell("PTXVM_ARCH names no compute capability that is known");
        return CUDA_ERROR_NO_DEVICE;
    }
    if (!initialised && !arena_init()) {
        tell("cannot reserve addresses for device memory");
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    watch_host_accesses();
    initialised = true;
    return CUDA_SUCCESS;
}

API CUresult cuDriverGetVersion(int *version)
{
    ENTER(NEED_NOTHING);
    if (!version)
        return CUDA_ERROR_INVALID_VALUE;
    *version = settings.driver;
    return CUDA_SUCCESS;
}

API CUresult cuDeviceGetCount(int *count)
{
    ENTER(NEED_INIT);
    if (!count)
        return CUDA_ERROR_INVALID_VALUE;
    *count = 1;
    return CUDA_SUCCESS;
}

API CUresult cuDeviceGet(CUdevice *device, int ordinal)
{
    ENTER(NEED_INIT);
    if (!device)
        return CUDA_ERROR_INVALID_VALUE;
    if (ordinal)
        return CUDA_ERROR_INVALID_DEVICE;
    *device = 0;
    return CUDA_SUCCESS;
}

API CUresult cuDeviceGetName(char *name, int len, CUdevice device)
{
    ENTER(NEED_INIT);
    if (device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (!name || len < 1)
        return CUDA_ERROR_INVALID_VALUE;
    snprintf(name, (size_t)len, "PTXVM sm_%d", settings.arch);
    return CUDA_SUCCESS;
}

API CUresult cuDeviceGetUuid_v2(unsigned char uuid[16], CUdevice device)
{
    ENTER(NEED_INIT);
    if (device)
        return CUDA_ERROR_INVALID_DEVICE;
    memset(uuid, 0, 16);
    uuid[15] = (unsigned char)settings.arch;
    return CUDA_SUCCESS;
}

API CUresult cuDeviceGetUuid(unsigned char uuid[16], CUdevice device)
{
    return cuDeviceGetUuid_v2(uuid, device);
}

API CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
    ENTER(NEED_INIT);
    if (device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (!bytes)
        return CUDA_ERROR_INVALID_VALUE;
    *bytes = settings.memory;
    return CUDA_SUCCESS;
}

API CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device)
{
    ENTER(NEED_INIT);
    const Arch *arch = current_arch();
    const struct {
        int attribute, value;
    } known[] = {
        {1, 1024}, /* threads of a block */
        {2, 1024}, /* block dimensions */
        {3, 1024},
        {4, 64},
        {5, 2147483647}, /* grid dimensions */
        {6, 65535},
        {7, 65535},
        {8, 49152},       /* shared memory of a block */
        {9, 65536},       /* constant memory */
        {10, LANES},      /* a warp */
        {11, 2147483647}, /* pitch */
        {12, 65536},      /* registers of a block */
        {13, 1000000},    /* clock, kHz */
        {15, 1},          /* copies overlap with kernels */
        {16, arch->multiprocessors},
        {17, 0},       /* no limit of time */
        {18, 0},       /* not integrated */
        {19, 0},       /* host memory is not mapped */
        {20, 0},       /* compute mode: default */
        {31, 1},       /* concurrent kernels */
        {36, 1000000}, /* memory clock, kHz */
        {37, 1024},    /* bits of the bus */
        {38, 4 << 20}, /* level 2 cache */
        {39, arch->threads_per_multiprocessor},
        {40, 1},                  /* copy engines */
        {41, 1},                  /* unified addresses */
        {75, settings.arch / 10}, /* compute capability */
        {76, settings.arch % 10},
        {81, arch->shared_per_multiprocessor},
        {82, 65536}, /* registers of a multiprocessor */
        {83, 0},     /* no managed memory */
        {95, 1},     /* cooperative launches */
        {97, arch->shared_optin},
        {106, arch->blocks_per_multiprocessor},
        {111, arch->reserved_shared},
        {115, 0}, /* no memory pools */
    };
    if (device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (!value || attribute < 1)
        return CUDA_ERROR_INVALID_VALUE;
    *value = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].attribute == attribute)
            *value = known[i].value;
    return CUDA_SUCCESS;
}

/* ---------------------------------------------------------------- contexts */

API CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
    ENTER(NEED_INIT);
    if (device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (!context)
        return CUDA_ERROR_INVALID_VALUE;
    if (!primary.retained++)
        object_add(&primary, OBJECT_CONTEXT);
    *context = &primary;
    return CUDA_SUCCESS;
}

API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
    ENTER(NEED_INIT);
    if (device)
        return CUDA_ERROR_INVALID_DEVICE;
    if (!primary.retained)
        return CUDA_ERROR_INVALID_CONTEXT;
    if (--primary.retained == 0) {
        drain_all();
        object_remove(&primary);
        report_forget_failure();
        stat_write();
    }
    return CUDA_SUCCESS;
}

API CUresult cuDevicePrimaryCtxReset_v2(CUdevice device)
{
    ENTER(NEED_INIT);
    report_forget_failure();
    return device ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}

API CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned flags)
{
    ENTER(NEED_INIT);
    (void)flags;
    return device ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}

API CUresult cuCtxCreate_v2(CUcontext *context, unsigned flags, CUdevice device)
{
    (void)flags;
    CUresult result = cuDevicePrimaryCtxRetain(context, device);
    if (!result && stack_count < 16)
        stack[stack_count++] = *context;
    return result;
}

API CUresult cuCtxDestroy_v2(CUcontext context)
{
    if (context != &primary)
        return CUDA_ERROR_INVALID_CONTEXT;
    if (stack_count && stack[stack_count - 1] == context)
        stack_count--;
    return cuDevicePrimaryCtxRelease_v2(0);
}

API CUresult cuCtxSetCurrent(CUcontext context)
{
    ENTER(NEED_INIT);
    if (context && !object_is(context, OBJECT_CONTEXT))
        return CUDA_ERROR_INVALID_CONTEXT;
    if (!stack_count)
        stack_count = 1;
    stack[stack_count - 1] = context;
    return CUDA_SUCCESS;
}

API CUresult cuCtxGetCurrent(CUcontext *context)
{
    ENTER(NEED_INIT);
    if (!context)
        return CUDA_ERROR_INVALID_VALUE;
    *context = stack_count ? stack[stack_count - 1] : NULL;
    return CUDA_SUCCESS;
}

API CUresult cuCtxPushCurrent_v2(CUcontext context)
{
    ENTER(NEED_INIT);
    if (!object_is(context, OBJECT_CONTEXT) || stack_count == 16)
        return CUDA_ERROR_INVALID_CONTEXT;
    stack[stack_count++] = context;
    return CUDA_SUCCESS;
}

API CUresult cuCtxPopCurrent_v2(CUcontext *context)
{
    ENTER(NEED_INIT);
    if (!stack_count)
        return CUDA_ERROR_INVALID_CONTEXT;
    stack_count--;
    if (context)
        *context = stack[stack_count];
    return CUDA_SUCCESS;
}

API CUresult cuCtxGetDevice(CUdevice *device)
{
    ENTER(NEED_CONTEXT);
    if (!device)
        return CUDA_ERROR_INVALID_VALUE;
    *device = 0;
    return CUDA_SUCCESS;
}

API CUresult cuCtxSynchronize(void)
{
    ENTER(NEED_CONTEXT);
    if (anything_captures())
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    return drain_all();
}

/* ---------------------------------------------------------------- memory */

API CUresult cuMemGetInfo_v2(size_t *available, size_t *total)
{
    ENTER(NEED_CONTEXT);
    if (available)
        *available = settings.memory - arena_used();
    if (total)
        *total = settings.memory;
    return CUDA_SUCCESS;
}

API CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes)
{
    ENTER(NEED_CONTEXT);
    if (!address || !bytes)
        return CUDA_ERROR_INVALID_VALUE;
    if (anything_captures())
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    uint64_t found = arena_alloc(bytes, 512);
    if (!found)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *address = found;
    watch_host_accesses();
    return CUDA_SUCCESS;
}

API CUresult cuMemFree_v2(CUdeviceptr address)
{
    ENTER(NEED_CONTEXT);
    if (!address)
        return CUDA_SUCCESS;
    if (anything_captures())
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    CUresult result = drain_all();
    if (result)
        return result;
    if (arena_free(address))
        return CUDA_SUCCESS;
    report_host(REPORT_FREED, "cuMemFree of 0x%llx, which is not the start of an allocation",
                address);
    return CUDA_ERROR_INVALID_VALUE;
}

API CUresult cuMemGetAddressRange_v2(CUdeviceptr *start, size_t *bytes, CUdeviceptr address)
{
    ENTER(NEED_CONTEXT);
    const Allocation *found = arena_contains(address) ? arena_find(address) : NULL;
    if (!found || found->freed || address >= found->address + found->bytes)
        return CUDA_ERROR_NOT_FOUND;
    if (start)
        *start = found->address;
    if (bytes)
        *bytes = found->bytes;
    return CUDA_SUCCESS;
}

API CUresult cuMemAllocHost_v2(void **start, size_t bytes)
{
    ENTER(NEED_CONTEXT);
    if (!start || !bytes)
        return CUDA_ERROR_INVALID_VALUE;
    *start = pinned_alloc(bytes);
    return *start ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

API CUresult cuMemHostAlloc(void **start, size_t bytes, unsigned flags)
{
    if (flags & 2) /* mapped into the device's addresses */
        return CUDA_ERROR_NOT_SUPPORTED;
    return cuMemAllocHost_v2(start, bytes);
}

API CUresult cuMemFreeHost(void *start)
{
    ENTER(NEED_CONTEXT);
    CUresult result = drain_all();
    if (result)
        return result;
    return pinned_free(start) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

API CUresult cuMemHostRegister_v2(void *start, size_t bytes, unsigned flags)
{
    ENTER(NEED_CONTEXT);
    (void)flags;
    if (!start || !bytes)
        return CUDA_ERROR_INVALID_VALUE;
    pinned_register(start, bytes);
    return CUDA_SUCCESS;
}

API CUresult cuMemHostUnregister(void *start)
{
    ENTER(NEED_CONTEXT);
    CUresult result = drain_all();
    if (result)
        return result;
    return pinned_free(start) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---------------------------------------------------------------- copies */

bool check_device_range(CUdeviceptr address, size_t bytes, const char *what)
{
    const Allocation *found = arena_contains(address) ? arena_find(address) : NULL;
    if (!bytes)
        return true;
    if (found && !found->freed && bytes <= found->bytes &&
        address - found->address <= found->bytes - bytes)
        return true;
    if (found && found->freed && address < found->address + found->bytes)
        report_host(REPORT_FREED, "%s: %zu bytes of memory that is freed", what, bytes);
    else
        report_host(REPORT_BOUNDS, "%s: %zu bytes at 0x%llx are not in one allocation", what, bytes,
                    address);
    return false;
}

bool copy_to_device(CUdeviceptr target, const void *source, size_t bytes)
{
    if (!check_device_range(target, bytes, "copy to the device"))
        return false;
    if (!bytes)
        return true;
    memcpy(arena_host(target), source, bytes);
    if (settings.check) {
        shadow_copy_access(arena_cell(target), target & 3, bytes, true, "copy to the device");
        shadow_mark_written(arena_cell(target), target & 3, bytes);
    }
    return true;
}

bool copy_to_host(void *target, CUdeviceptr source, size_t bytes)
{
    if (!check_device_range(source, bytes, "copy to the host"))
        return false;
    if (bytes)
        memcpy(target, arena_host(source), bytes);
    if (bytes && settings.check)
        shadow_copy_access(arena_cell(source), source & 3, bytes, false, "copy to the host");
    return true;
}

bool copy_on_device(CUdeviceptr target, CUdeviceptr source, size_t bytes)
{
    if (!check_device_range(source, bytes, "copy on the device, source") ||
        !check_device_range(target, bytes, "copy on the device, target"))
        return false;
    if (!bytes)
        return true;
    memmove(arena_host(target), arena_host(source), bytes);
    if (settings.check) {
        shadow_copy_access(arena_cell(source), source & 3, bytes, false, "copy on the device");
        shadow_copy_access(arena_cell(target), target & 3, bytes, true, "copy on the device");
        shadow_copy_written(arena_cell(target), target & 3, arena_cell(source), source & 3, bytes);
    }
    return true;
}

bool fill_device(CUdeviceptr target, uint32_t value, unsigned element, size_t count)
{
    if (!check_device_range(target, count * element, "memset"))
        return false;
    if (!count)
        return true;
    for (size_t i = 0; i < count; i++)
        memcpy(arena_host(target) + i * element, &value, element);
    if (settings.check) {
        shadow_copy_access(arena_cell(target), target & 3, count * element, true, "memset");
        shadow_mark_written(arena_cell(target), target & 3, count * element);
    }
    return true;
}

/* ---------------------------------------------------------------- modules */

/* The highest version of PTX that a driver knows. */
static int newest_ptx(void)
{
    int major = settings.driver / 1000, minor = settings.driver % 1000 / 10;
    if (major >= 13)
        return 90 + minor;
    if (major == 12)
        return 80 + (minor <= 5 ? minor : minor - 1);
    return 70 + minor;
}

static void write_log(const char *message, unsigned count, const int *options, void **values)
{
    char *buffer = NULL;
    size_t len = 0;
    for (unsigned i = 0; options && i < count; i++) {
        if (options[i] == 5) /* CU_JIT_ERROR_LOG_BUFFER */
            buffer = values[i];
        if (options[i] == 6)
            len = (size_t)(uintptr_t)values[i];
    }
    if (buffer && len)
        snprintf(buffer, len, "%s", message);
}

static CUresult load_text(CUmodule *result, const char *text, char *message, size_t len)
{
    Module *module = module_load(text, message, len);
    if (!module)
        return CUDA_ERROR_INVALID_PTX;
    int target = module->target;
    CUresult error = CUDA_SUCCESS;
    if (module->version > newest_ptx()) {
        snprintf(message, len, "PTX version %d.%d is newer than the driver's, %d.%d",
                 module->version / 10, module->version % 10, newest_ptx() / 10, newest_ptx() % 10);
        error = CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
    } else if (target > settings.arch || (module->target_exact && target != settings.arch)) {
        snprintf(message, len, "PTX for sm_%d%s cannot run on sm_%d", target,
                 module->target_exact ? "a" : "", settings.arch);
        error = CUDA_ERROR_INVALID_PTX;
    }
    if (error) {
        module_free(module);
        return error;
    }
    for (size_t i = 0; i < module->kernels.count; i++)
        module->kernels.items[i]->max_dynamic_shared =
            49152 - (int)module->kernels.items[i]->static_shared;
    object_add(module, OBJECT_MODULE);
    *result = module;
    return CUDA_SUCCESS;
}

API CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count,
                                const int *options, void **values)
{
    ENTER(NEED_CONTEXT);
    static const unsigned char fatbin[4] = {0x50, 0xed, 0x55, 0xba};
    char message[1024] = "";

    if (!module || !image)
        return CUDA_ERROR_INVALID_VALUE;
    if (!memcmp(image, "\177ELF", 4) || !memcmp(image, fatbin, 4))
        return CUDA_ERROR_NO_BINARY_FOR_GPU; /* only PTX runs here */
    CUresult result = load_text(module, image, message, sizeof message);
    if (result) {
        tell("module not loaded: %s", message);
        write_log(message, count, options, values);
    }
    return result;
}

API CUresult cuModuleLoadData(CUmodule *module, const void *image)
{
    ENTER(NEED_CONTEXT);
    return cuModuleLoadDataEx(module, image, 0, NULL, NULL);
}

API CUresult cuModuleUnload(CUmodule module)
{
    ENTER(NEED_CONTEXT);
    if (!object_is(module, OBJECT_MODULE))
        return CUDA_ERROR_INVALID_HANDLE;
    CUresult result = drain_all();
    object_remove(module);
    module_free(module);
    return result;
}

API CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name)
{
    ENTER(NEED_CONTEXT);
    if (!function || !name)
        return CUDA_ERROR_INVALID_VALUE;
    if (!object_is(module, OBJECT_MODULE))
        return CUDA_ERROR_INVALID_HANDLE;
    *function = module_kernel(module, name);
    return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

API CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *bytes, CUmodule module,
                                  const char *name)
{
    ENTER(NEED_CONTEXT);
    if (!name)
        return CUDA_ERROR_INVALID_VALUE;
    if (!object_is(module, OBJECT_MODULE))
        return CUDA_ERROR_INVALID_HANDLE;
    const Symbol *symbol = module_variable(module, name);
    if (!symbol)
        return CUDA_ERROR_NOT_FOUND;
    if (address)
        *address = symbol->address;
    if (bytes)
        *bytes = symbol->bytes;
    return CUDA_SUCCESS;
}

/* ---------------------------------------------------------------- functions */

enum { ASSUMED_REGISTERS = 64 }; /* PTX does not say how many ptxas would use */

API CUresult cuFuncGetAttribute(int *value, int attribute, CUfunction function)
{
    ENTER(NEED_CONTEXT);
    if (!function_is(function))
        return CUDA_ERROR_INVALID_HANDLE;
    uint32_t most = function->function->max_threads, exact = function->function->required_threads;
    const int values[] = {(int)(exact  ? exact
                                : most ? most
                                       : 1024),
                          (int)function->static_shared,
                          0,
                          (int)function->local_bytes,
                          ASSUMED_REGISTERS,
                          function->module->version,
                          settings.arch,
                          0,
                          function->max_dynamic_shared,
                          -1};
    if (!value || attribute < 0 || attribute >= (int)(sizeof values / sizeof *values))
        return CUDA_ERROR_INVALID_VALUE;
    *value = values[attribute];
    return CUDA_SUCCESS;
}

API CUresult cuFuncSetAttribute(CUfunction function, int attribute, int value)
{
    ENTER(NEED_CONTEXT);
    if (!function_is(function))
        return CUDA_ERROR_INVALID_HANDLE;
    if (attribute == 9) /* preferred share of shared memory */
        return value >= -1 && value <= 100 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    if (attribute != 8 || value < 0 ||
        value + (int)function->static_shared > current_arch()->shared_optin)
        return CUDA_ERROR_INVALID_VALUE;
    function->max_dynamic_shared = value;
    return CUDA_SUCCESS;
}

API CUresult cuFuncSetCacheConfig(CUfunction function, int config)
{
    ENTER(NEED_CONTEXT);
    (void)config;
    return function_is(function) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

static int least(int a, int b) { return a < b ? a : b; }

int active_blocks(const Kernel *kernel, int threads, size_t dynamic)
{
    const Arch *arch = current_arch();
    int warps = (threads + LANES - 1) / LANES;
    size_t shared = kernel->static_shared + dynamic + (size_t)arch->reserved_shared;
    int result = arch->blocks_per_multiprocessor;
    result = least(result, arch->threads_per_multiprocessor / (warps * LANES));
    result = least(result, 65536 / (warps * LANES * ASSUMED_REGISTERS));
    if (shared)
        result = least(result, (int)((size_t)arch->shared_per_multiprocessor / shared));
    return result;
}

API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function,
                                                         int threads, size_t dynamic)
{
    ENTER(NEED_CONTEXT);
    if (!function_is(function))
        return CUDA_ERROR_INVALID_HANDLE;
    if (!blocks || threads < 1 || threads > 1024)
        return CUDA_ERROR_INVALID_VALUE;
    *blocks = active_blocks(function, threads, dynamic);
    return CUDA_SUCCESS;
}

/* ---------------------------------------------------------------- errors */

static const struct {
    CUresult error;
    const char *name, *text;
} errors[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {CUDA_ERROR_INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
     "the provided PTX was compiled with an unsupported toolchain."},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS",
     "an illegal memory access was encountered"},
    {CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
     "too many resources requested for launch"},
    {CUDA_ERROR_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE",
     "too many blocks in cooperative launch"},
    {CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED",
     "capturing stream has unjoined work"},
    {CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {CUDA_ERROR_UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

API CUresult cuGetErrorName(CUresult error, const char **name)
{
    for (size_t i = 0; name && i < sizeof errors / sizeof *errors; i++)
        if (errors[i].error == error) {
            *name = errors[i].name;
            return CUDA_SUCCESS;
        }
    if (name)
        *name = NULL;
    return CUDA_ERROR_INVALID_VALUE;
}

API CUresult cuGetErrorString(CUresult error, const char **text)
{
    for (size_t i = 0; text && i < sizeof errors / sizeof *errors; i++)
        if (errors[i].error == error) {
            *text = errors[i].text;
            return CUDA_SUCCESS;
        }
    if (text)
        *text = NULL;
    return CUDA_ERROR_INVALID_VALUE;
}

/* NVRTC asks for tables when it finds a driver; one that only holds its own size ends that. */
API CUresult cuGetExportTable(const void **table, const void *id)
{
    static const size_t empty[1] = {sizeof empty};
    (void)id;
    if (!table)
        return CUDA_ERROR_INVALID_VALUE;
    *table = empty;
    return CUDA_SUCCESS;
}
