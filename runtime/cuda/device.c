/* device.c -- see device.h. */
#define _POSIX_C_SOURCE 200809L
#include "device.h"

#include "cuda_load.h"
#include "cuda_run.h"
#include "data.h"
#include "state.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 64, /* iterations the host writes ahead at most */
    DEVICE_NAME = 128,
    RESERVE = 64 << 20, /* bytes of the GPU's memory left to others */
    MOST_ARGUMENTS = 512
};

_Static_assert((int)CUDA_INPUTS == (int)MAX_INPUTS && (int)CUDA_SCALARS == (int)MAX_SCALARS &&
                   (int)CUDA_OUTPUTS == (int)MAX_OUTPUTS,
               "cuda_run.h and program.h differ");

typedef struct Half { /* a window on data that do not fit: batches in the order of their use */
    real *host;       /* [iterations][data updates][batch][columns], pinned */
    CudaPointer device;
    uint64_t first; /* its first iteration */
    bool filled;
} Half;

struct Device {
    const Program *program;
    const CudaProgram *code;
    Cuda cuda;
    CudaDevice gpu;
    char name[DEVICE_NAME];
    int arch; /* 10 * major + minor */
    bool retained;
    CudaContext context;
    CudaStream stream, copies; /* copies: of the next window while the GPU computes */
    CudaModule module;
    CudaGraphExec iteration, alone[MAX_UPDATES]; /* an iteration; an update by its kind, or NULL */
    CudaPointer state, work, facts, outputs, run, data, given;
    CudaPointer kept; /* a copy of the state */
    size_t given_size;
    CudaFacts *host_facts; /* [CHUNK][updates], pinned, like the two below */
    double *host_outputs;
    CudaRun *host_run;
    int updates;   /* of an iteration */
    size_t memory; /* bytes taken on the GPU */
    bool newer;    /* its state is newer than the host's */
    bool holds_state;
    bool placed_data; /* the data set is there, or its windows */
    Half halves[2];
    uint64_t window; /* iterations of a half; 0: the whole data set is on the GPU */
};

const char *device_name(const Device *device) { return device->name; }
size_t device_memory(const Device *device) { return device->memory; }

/* ---------------------------------------------------------------- errors */
static const char safe_hint[] =
    "checkpoints are not touched: the same command goes on from the last";

/* False, with the call, what it was for and the driver's word for what went wrong. */
static bool check(const Device *device, CudaResult result, const char *call, const char *what,
                  Error *error)
{
    return result == CUDA_OK ||
           error_set(error, EXIT_DEVICE, safe_hint, "%s() %s failed on %s: %s", call, what,
                     device->name, cuda_error_name(&device->cuda, result));
}

static void require(const Device *device, CudaResult result, const char *call, const char *what)
{
    Error error = {0};
    if (!check(device, result, call, what, &error)) {
        fail_error(&error);
    }
}

#define CHECK(call, arguments, what) check(device, device->cuda.call arguments, #call, what, error)
#define REQUIRE(call, arguments, what) require(device, device->cuda.call arguments, #call, what)

/* ---------------------------------------------------------------- memory */
static double mebibytes(size_t bytes) { return (double)bytes / 1048576; }

static size_t state_bytes(const Device *device)
{
    return device->program->state_size * sizeof(real);
}

/* The copy of the state that inner trainings go back to. */
static size_t kept_bytes(const Device *device)
{
    return device->program->match_count > 0 ? state_bytes(device) : 0;
}

/* Bytes that do not grow with the batch. */
static size_t fixed_bytes(const Device *device)
{
    size_t rows = (size_t)CHUNK * (size_t)device->updates;
    return state_bytes(device) + kept_bytes(device) + sizeof(CudaRun) +
           rows * (sizeof(CudaFacts) + CUDA_OUTPUTS * sizeof(double));
}

static size_t needed_bytes(const Device *device)
{
    return fixed_bytes(device) + device->code->work_size * sizeof(real);
}

/* False, with what is needed, what there is and which batch would fit. */
static bool report_memory(const Device *device, size_t free_bytes, size_t total, const char *what,
                          size_t bytes, Error *error)
{
    int batch = device->program->batch_size;
    double room = (double)(free_bytes + device->memory) - (double)fixed_bytes(device);
    double fits = room / ((double)device->code->work_size * sizeof(real)) * batch;
    char hint[96] = "the nets alone do not fit";
    if (fits >= 1) {
        snprintf(hint, sizeof hint, "a batch_size of about %d would fit",
                 fits < batch ? (int)fits : batch - 1);
    }
    return error_set(error, EXIT_DEVICE, hint,
                     "%s is out of memory: the %s needs %.1f MiB, the training %.1f MiB in all; "
                     "%.1f of its %.1f MiB are free",
                     device->name, what, mebibytes(bytes), mebibytes(needed_bytes(device)),
                     mebibytes(free_bytes), mebibytes(total));
}

static bool take(Device *device, CudaPointer *place, size_t bytes, const char *what, Error *error)
{
    size_t free_bytes = 0, total = 0;
    if (!CHECK(cuMemGetInfo_v2, (&free_bytes, &total), "asking for free memory")) {
        return false;
    }
    CudaResult result = device->cuda.cuMemAlloc_v2(place, bytes > 0 ? bytes : 1);
    if (result == CUDA_OK) {
        device->memory += bytes;
        return true;
    }
    *place = 0;
    return result == CUDA_OUT_OF_MEMORY
               ? report_memory(device, free_bytes, total, what, bytes, error)
               : check(device, result, "cuMemAlloc_v2", what, error);
}

static bool take_host(Device *device, void *place, size_t bytes, Error *error)
{
    void *memory = NULL;
    bool good = CHECK(cuMemAllocHost_v2, (&memory, bytes), "for pinned memory");
    memcpy(place, &memory, sizeof memory);
    if (good) {
        memset(memory, 0, bytes);
    }
    return good;
}

static bool take_memory(Device *device, Error *error)
{
    size_t rows = (size_t)CHUNK * (size_t)device->updates;
    size_t work = device->code->work_size * sizeof(real);
    size_t kept = kept_bytes(device);
    return take(device, &device->state, state_bytes(device), "state", error) &&
           (kept == 0 || take(device, &device->kept, kept, "copy of the state", error)) &&
           take(device, &device->work, work, "work block", error) &&
           take(device, &device->facts, rows * sizeof(CudaFacts), "control block", error) &&
           take(device, &device->outputs, rows * CUDA_OUTPUTS * sizeof(double), "losses", error) &&
           take(device, &device->run, sizeof(CudaRun), "control block", error) &&
           take_host(device, &device->host_facts, rows * sizeof(CudaFacts), error) &&
           take_host(device, &device->host_outputs, rows * CUDA_OUTPUTS * sizeof(double), error) &&
           take_host(device, &device->host_run, sizeof(CudaRun), error) &&
           CHECK(cuMemsetD8Async, (device->work, 0, work, device->stream),
                 "clearing the work block");
}

/* ---------------------------------------------------------------- the kernels */
static bool is_refused(CudaResult result)
{
    return result == CUDA_NO_BINARY_FOR_GPU || result == CUDA_INVALID_IMAGE;
}

static bool load_code(Device *device, CudaCode *code, CudaResult *result)
{
    *result = device->cuda.cuModuleLoadData(&device->module, code->bytes);
    free(code->bytes);
    free(code->log);
    return *result == CUDA_OK;
}

/* An image made ahead of time for this very GPU. */
static bool load_image(Device *device, const char *arch)
{
    for (int k = 0; k < device->code->image_count; k++) {
        const CudaImage *image = &device->code->images[k];
        if (!strcmp(image->arch, arch) &&
            device->cuda.cuModuleLoadData(&device->module, image->bytes) == CUDA_OK) {
            return true;
        }
    }
    return false;
}

/* PTX for the newest architecture that NVRTC knows and this GPU runs; the driver does the rest. */
static bool load_ptx(Device *device, Error *error)
{
    static const int known[] = {120, 103, 100, 90, 89, 86, 80, 75};
    CudaCode code;
    CudaResult result = CUDA_NO_BINARY_FOR_GPU;
    bool made = false;
    for (size_t k = 0; k < sizeof known / sizeof *known && !made; k++) {
        char arch[32];
        snprintf(arch, sizeof arch, "compute_%d", known[k]);
        made = known[k] <= device->arch &&
               nvrtc_compile_cached(device->code->texts, device->code->text_count, arch, NVRTC_FAST,
                                    &code, error);
    }
    if (!made && device->arch < known[sizeof known / sizeof *known - 1]) {
        return error_set(error, EXIT_DEVICE, NULL,
                         "%s is too old: compute capability 7.5 is needed", device->name);
    }
    return made && (load_code(device, &code, &result) ||
                    check(device, result, "cuModuleLoadData", "loading PTX", error));
}

/* GAGAC_CUDA_CODE=ptx leaves the last step of compiling to the driver. */
static bool load_module(Device *device, Error *error)
{
    char arch[32];
    CudaCode code;
    CudaResult result = CUDA_NO_BINARY_FOR_GPU;
    const char *form = getenv("GAGAC_CUDA_CODE");
    snprintf(arch, sizeof arch, "sm_%d", device->arch);
    if (form && !strcmp(form, "ptx")) {
        return load_ptx(device, error);
    }
    if (load_image(device, arch)) {
        return true;
    }
    if (!nvrtc_compile_cached(device->code->texts, device->code->text_count, arch, NVRTC_FAST,
                              &code, error)) {
        Error again = {0}; /* an architecture that this NVRTC does not know */
        return load_ptx(device, &again);
    }
    if (load_code(device, &code, &result)) {
        return true;
    }
    return is_refused(result) ? load_ptx(device, error)
                              : check(device, result, "cuModuleLoadData", "loading kernels", error);
}

/* ---------------------------------------------------------------- launches */
static bool launch(Device *device, const CudaLaunch *launch, int update, Error *error)
{
    CudaFunction function = NULL;
    CudaPointer pointers[MOST_ARGUMENTS];
    void *arguments[MOST_ARGUMENTS + 1];
    char what[256];
    const unsigned *grid = launch->grid;
    snprintf(what, sizeof what, "of %s (%s), grid %u x %u x %u, block %u, %zu MiB in use,",
             launch->kernel, launch->label, grid[0], grid[1], grid[2], launch->block,
             device->memory >> 20);
    if (launch->argument_count > MOST_ARGUMENTS) {
        return error_set(error, EXIT_INTERNAL, NULL, "%s has too many arguments", launch->kernel);
    }
    for (int k = 0; k < launch->argument_count; k++) {
        const CudaArgument *argument = &launch->arguments[k];
        size_t bytes = argument->offset * sizeof(real);
        const CudaPointer bases[] = {
            [CUDA_STATE] = device->state + bytes,
            [CUDA_WORK] = device->work + bytes,
            [CUDA_RUN] = device->run,
            [CUDA_UPDATE] = (CudaPointer)update,
            [CUDA_NUMBER] = argument->offset,
        };
        pointers[k] = bases[argument->space];
        arguments[k] =
            &pointers[k]; /* an int is read from its low half: all GPUs' hosts are little-endian */
    }
    arguments[launch->argument_count] = NULL;
    return CHECK(cuModuleGetFunction, (&function, device->module, launch->kernel), what) &&
           CHECK(cuLaunchKernel,
                 (function, grid[0], grid[1], grid[2], launch->block, 1, 1, 0, device->stream,
                  arguments, NULL),
                 what);
}

static bool launch_steps(Device *device, const CudaSteps *steps, int update, Error *error)
{
    for (int k = 0; k < steps->count; k++) {
        if (!launch(device, &steps->launches[k], update, error)) {
            return false;
        }
    }
    return true;
}

static const CudaArgument run_argument = {CUDA_RUN, 0};
static const CudaLaunch next_iteration = {
    "next_iteration", "on to the next iteration", {1, 1, 1}, 1, 1, &run_argument, 0};

static bool launch_iteration(Device *device, Error *error)
{
    const Program *program = device->program;
    bool loops = training_has_loops(program); /* then device_start_iteration() runs `before` */
    bool good = loops || launch_steps(device, &device->code->before, 0, error);
    int number = 0;
    for (int kind = 0; kind < program->update_count; kind++) {
        for (int repeat = 0; repeat < program->updates[kind].count; repeat++, number++) {
            good = good && launch_steps(device, &device->code->updates[kind], number, error);
        }
    }
    return good && launch(device, &next_iteration, 0, error);
}

static bool instantiate(Device *device, CudaGraph graph, CudaGraphExec *made, Error *error)
{
    const char *what = "making the graph of an iteration";
    if (device->cuda.cuGraphInstantiateWithFlags) {
        return CHECK(cuGraphInstantiateWithFlags, (made, graph, 0), what);
    }
    return CHECK(cuGraphInstantiate_v2, (made, graph, NULL, NULL, 0), what);
}

/* The graph of an iteration, or of the launches of `alone`. */
static bool capture(Device *device, const CudaSteps *alone, CudaGraphExec *made, Error *error)
{
    CudaGraph graph = NULL;
    if (!CHECK(cuStreamBeginCapture_v2, (device->stream, CUDA_CAPTURE_THREAD),
               "starting to capture an iteration")) {
        return false;
    }
    Error first = {0};
    bool good = alone ? launch_steps(device, alone, 0, &first) : launch_iteration(device, &first);
    bool ended = CHECK(cuStreamEndCapture, (device->stream, &graph), "capturing an iteration");
    if (!good) {
        *error = first;
    }
    good = good && ended && instantiate(device, graph, made, error);
    if (graph) {
        device->cuda.cuGraphDestroy(graph);
    }
    return good;
}

/* ---------------------------------------------------------------- start and end */
static bool find_gpu(Device *device, Error *error)
{
    char name[64] = "GPU";
    int major = 0, minor = 0;
    snprintf(device->name, sizeof device->name, "the GPU");
    bool good = CHECK(cuDeviceGet, (&device->gpu, 0), "opening the first GPU") &&
                CHECK(cuDeviceGetName, (name, sizeof name, device->gpu), "asking for its name") &&
                CHECK(cuDeviceGetAttribute, (&major, CUDA_MAJOR, device->gpu),
                      "asking for its architecture") &&
                CHECK(cuDeviceGetAttribute, (&minor, CUDA_MINOR, device->gpu),
                      "asking for its architecture");
    name[sizeof name - 1] = 0;
    device->arch = 10 * major + minor;
    snprintf(device->name, sizeof device->name, "%s, sm_%d", name, device->arch);
    if (good && device->arch >= 75 && device->arch < device->code->least_arch) {
        return error_set(error, EXIT_DEVICE, "gagac --precision f32 makes a program for this GPU",
                         "%s has no tensor cores for tf32 or bf16: compute capability %d.%d is "
                         "needed",
                         device->name, device->code->least_arch / 10,
                         device->code->least_arch % 10);
    }
    return good;
}

static bool open_context(Device *device, Error *error)
{
    device->retained =
        CHECK(cuDevicePrimaryCtxRetain, (&device->context, device->gpu), "opening a context");
    return device->retained && CHECK(cuCtxSetCurrent, (device->context), "opening a context") &&
           CHECK(cuStreamCreate, (&device->stream, CUDA_NON_BLOCKING), "opening a stream") &&
           CHECK(cuStreamCreate, (&device->copies, CUDA_NON_BLOCKING), "opening a stream");
}

Device *device_create(const Program *program, Error *error)
{
    Device *device = allocate(1, sizeof *device);
    device->program = program;
    device->code = program->cuda;
    device->updates = training_updates(program);
    bool good =
        device->code || error_set(error, EXIT_DEVICE, "gagac --target both makes one that has",
                                  "this program has no code for a GPU");
    good = good && cuda_open(&device->cuda, error) && find_gpu(device, error) &&
           open_context(device, error) && load_module(device, error) &&
           take_memory(device, error) && capture(device, NULL, &device->iteration, error) &&
           CHECK(cuStreamSynchronize, (device->stream), "starting");
    if (good) {
        return device;
    }
    device_destroy(device);
    return NULL;
}

static void release(Device *device, CudaPointer place)
{
    if (place) {
        device->cuda.cuMemFree_v2(place);
    }
}

static void release_host(Device *device, void *place)
{
    if (place) {
        device->cuda.cuMemFreeHost(place);
    }
}

static void release_graph(Device *device, CudaGraphExec graph)
{
    if (graph) {
        device->cuda.cuGraphExecDestroy(graph);
    }
}

static void release_memory(Device *device)
{
    const CudaPointer places[] = {device->state, device->work, device->facts, device->outputs,
                                  device->run,   device->data, device->given, device->kept};
    for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
        release(device, places[k]);
    }
    for (int k = 0; k < 2; k++) {
        release(device, device->halves[k].device);
        release_host(device, device->halves[k].host);
    }
    release_host(device, device->host_facts);
    release_host(device, device->host_outputs);
    release_host(device, device->host_run);
}

void device_destroy(Device *device)
{
    if (!device) {
        return;
    }
    Cuda *cuda = &device->cuda;
    if (cuda->library) {
        release_memory(device);
        release_graph(device, device->iteration);
        for (int k = 0; k < MAX_UPDATES; k++) {
            release_graph(device, device->alone[k]);
        }
        if (device->module) {
            cuda->cuModuleUnload(device->module);
        }
        if (device->stream) {
            cuda->cuStreamDestroy_v2(device->stream);
        }
        if (device->copies) {
            cuda->cuStreamDestroy_v2(device->copies);
        }
        if (device->retained) {
            cuda->cuDevicePrimaryCtxRelease_v2(device->gpu);
        }
        cuda_close(cuda);
    }
    free(device);
}

/* ---------------------------------------------------------------- data */
/* Bytes that may be spent on data: what is free, or less by GAGAC_CUDA_DATA. */
static size_t data_limit(Device *device)
{
    size_t free_bytes = 0, total = 0;
    const char *limit = getenv("GAGAC_CUDA_DATA");
    REQUIRE(cuMemGetInfo_v2, (&free_bytes, &total), "asking for free memory");
    free_bytes = free_bytes > RESERVE ? free_bytes - RESERVE : 0;
    size_t asked = limit && *limit ? (size_t)strtoull(limit, NULL, 10) : free_bytes;
    return asked < free_bytes ? asked : free_bytes;
}

static size_t data_batches(const Device *device) /* of an iteration */
{
    const Program *program = device->program;
    return (size_t)program->updates[training_data_kind(program)].count;
}

static size_t window_bytes(const Device *device) /* of an iteration's batches */
{
    return data_batches(device) * (size_t)device->program->batch_size *
           (size_t)device->code->data_width * sizeof(real);
}

static void place_whole(Device *device, const Data *data, size_t bytes)
{
    Error error = {0};
    size_t width = (size_t)data->width;
    real *rows = allocate(data->rows, width * sizeof *rows);
    for (uint64_t row = 0; row < data->rows; row++) {
        data_row(data, row, rows + row * width, 1);
    }
    if (!take(device, &device->data, bytes, "data set", &error)) {
        fail_error(&error);
    }
    REQUIRE(cuMemcpyHtoDAsync_v2, (device->data, rows, bytes, device->stream), "of the data set");
    REQUIRE(cuStreamSynchronize, (device->stream), "after the copy of the data set");
    free(rows);
}

static void place_windows(Device *device, size_t limit)
{
    Error error = {0};
    size_t one = window_bytes(device);
    uint64_t count = limit / 2 / one;
    device->window = count < 1 ? 1 : count > CHUNK ? CHUNK : count;
    for (int k = 0; k < 2; k++) {
        Half *half = &device->halves[k];
        if (!take(device, &half->device, device->window * one, "window on the data", &error) ||
            !take_host(device, &half->host, device->window * one, &error)) {
            fail_error(&error);
        }
    }
}

/* The whole data set where it fits, else two windows on it that take turns. */
static void place_data(Device *device, const Data *data)
{
    size_t limit = data_limit(device), row = (size_t)data->width * sizeof(real);
    if (data->rows <= limit / row) {
        place_whole(device, data, (size_t)data->rows * row);
    } else {
        place_windows(device, limit);
    }
    device->placed_data = true;
}

/* Rows of the batches of `window` iterations from half->first on, and their way to the GPU. */
static void fill_half(Device *device, const Training *training, Half *half)
{
    const Data *data = training->data;
    size_t width = (size_t)data->width, batch = (size_t)device->program->batch_size;
    size_t rows = data_batches(device) * batch * device->window;
    uint64_t position = half->first * data_batches(device) * batch;
    Order order = data_order(data, training->seed);
    for (size_t i = 0; i < rows; i++) {
        data_row(data, order_row(&order, position + i), half->host + i * width, 1);
    }
    REQUIRE(cuMemcpyHtoDAsync_v2,
            (half->device, half->host, device->window * window_bytes(device), device->copies),
            "of a window on the data");
    half->filled = true;
}

/* The window that holds an iteration, filled and on the GPU. */
static Half *ready_half(Device *device, const Training *training, uint64_t iteration)
{
    Half *half = &device->halves[iteration / device->window % 2];
    uint64_t first = iteration / device->window * device->window;
    if (!half->filled || half->first != first) {
        half->first = first;
        fill_half(device, training, half);
        REQUIRE(cuStreamSynchronize, (device->copies), "after the copy of a window on the data");
    }
    return half;
}

/* ---------------------------------------------------------------- iterations */
static void send_state(Device *device, const Training *training)
{
    if (!device->holds_state) {
        REQUIRE(cuMemcpyHtoDAsync_v2,
                (device->state, training->state, state_bytes(device), device->stream),
                "of the state");
        REQUIRE(cuStreamSynchronize, (device->stream), "after the copy of the state");
    }
    device->holds_state = device->newer = true;
}

void device_fetch(Device *device, real *state)
{
    if (device->newer) {
        REQUIRE(cuMemcpyDtoHAsync_v2, (state, device->state, state_bytes(device), device->stream),
                "of the state");
        REQUIRE(cuStreamSynchronize, (device->stream), "after the copy of the state");
    }
    device->newer = false;
}

static size_t tensor_bytes(const ProgramTensor *tensor)
{
    return (size_t)tensor->rows * (size_t)tensor->stride * sizeof(real);
}

static CudaPointer tensor_place(const Device *device, const ProgramTensor *tensor)
{
    return device->state + tensor->offset * sizeof(real);
}

void device_fetch_tensor(Device *device, const ProgramTensor *tensor, real *state)
{
    if (device->newer) {
        REQUIRE(cuMemcpyDtoHAsync_v2,
                (state + tensor->offset, tensor_place(device, tensor), tensor_bytes(tensor),
                 device->stream),
                "of a part of the state");
        REQUIRE(cuStreamSynchronize, (device->stream), "after the copy of a part of the state");
    }
}

void device_send_tensor(Device *device, const ProgramTensor *tensor, const real *state)
{
    if (device->holds_state) {
        REQUIRE(cuMemcpyHtoDAsync_v2,
                (tensor_place(device, tensor), state + tensor->offset, tensor_bytes(tensor),
                 device->stream),
                "of a part of the state");
        REQUIRE(cuStreamSynchronize, (device->stream), "after the copy of a part of the state");
    }
}

void device_restart_tensor(Device *device, const Training *training, int index)
{
    const ProgramTensor *tensors = device->program->tensors, *tensor = &tensors[index];
    CudaPointer place = tensor_place(device, tensor);
    bool copies = tensor->init == INIT_COPY;
    if (!device->holds_state || (!copies && tensor->init != INIT_ZERO)) {
        tensor_restart(device->program, training->state, index, training->seed);
        device_send_tensor(device, tensor, training->state);
        return;
    }
    device->newer = true;
    if (copies) {
        REQUIRE(cuMemcpyDtoDAsync_v2,
                (place, tensor_place(device, &tensors[tensor->source]), tensor_bytes(tensor),
                 device->stream),
                "of a part of the state");
    } else {
        REQUIRE(cuMemsetD8Async, (place, 0, tensor_bytes(tensor), device->stream),
                "of a part of the state");
    }
}

void device_keep(Device *device)
{
    REQUIRE(cuMemcpyDtoDAsync_v2,
            (device->kept, device->state, state_bytes(device), device->stream),
            "keeping the state");
}

void device_take_back(Device *device)
{
    REQUIRE(cuMemcpyDtoDAsync_v2,
            (device->state, device->kept, state_bytes(device), device->stream),
            "taking the state back");
}

void device_forget(Device *device) { device->holds_state = device->newer = false; }

static uint64_t input_counter(const Batch *batch, const ProgramInput *input)
{
    if (input->once) {
        return 0;
    }
    if (input->first_only) {
        return batch->first_update;
    }
    return input->last_data ? batch->data_update : batch->update;
}

/* What the kernels of one update on a batch have to know, but the scalars. */
static void write_batch(const Device *device, const Training *training, int kind,
                        const Batch *batch, CudaFacts *facts)
{
    const ProgramUpdate *update = &device->program->updates[kind];
    facts->seed = training->seed;
    facts->shakes = training->data != NULL;
    facts->position = batch->position;
    if (training->data) {
        facts->order = data_order(training->data, training->seed);
        order_enter(&facts->order, batch->position);
    }
    for (int k = 0; k < update->input_count; k++) {
        facts->counters[k] = input_counter(batch, &update->inputs[k]);
    }
}

static void write_facts(const Device *device, const Training *training, uint64_t iteration,
                        int kind, int repeat, CudaFacts *facts)
{
    Batch batch;
    *facts = (CudaFacts){0};
    training_facts(training, iteration, kind, repeat, &batch, facts->scalars);
    facts->iteration = iteration;
    write_batch(device, training, kind, &batch, facts);
}

/* Addresses of this iteration's batches in the window on the data. */
static void point_to_window(const Device *device, const Half *half, uint64_t iteration, int kind,
                            int repeat, CudaFacts *facts)
{
    const ProgramUpdate *update = &device->program->updates[kind];
    size_t batches = data_batches(device), one = window_bytes(device) / batches;
    bool own = kind == training_data_kind(device->program);
    size_t index = own ? (size_t)repeat : batches - 1;
    CudaPointer at = half->device + (iteration - half->first) * window_bytes(device) + index * one;
    for (int k = 0; k < update->input_count; k++) {
        if (update->inputs[k].kind == INPUT_DATA) {
            facts->given[k] = (const real *)(uintptr_t)at;
        }
    }
}

static void write_iterations(Device *device, const Training *training, const Half *half,
                             uint64_t count)
{
    const Program *program = device->program;
    CudaFacts *facts = device->host_facts;
    for (uint64_t i = 0; i < count; i++) {
        for (int kind = 0; kind < program->update_count; kind++) {
            for (int repeat = 0; repeat < program->updates[kind].count; repeat++, facts++) {
                write_facts(device, training, training->iteration + i, kind, repeat, facts);
                if (half) {
                    point_to_window(device, half, training->iteration + i, kind, repeat, facts);
                }
            }
        }
    }
}

/* Sends the facts of `count` iterations; the first of them is next. */
static void send_facts(Device *device, uint64_t count)
{
    size_t rows = (size_t)count * (size_t)device->updates;
    *device->host_run = (CudaRun){
        .facts = (const CudaFacts *)(uintptr_t)device->facts,
        .outputs = (double *)(uintptr_t)device->outputs,
        .data = (const real *)(uintptr_t)device->data,
        .updates = (unsigned)device->updates,
    };
    REQUIRE(cuMemcpyHtoDAsync_v2,
            (device->facts, device->host_facts, rows * sizeof(CudaFacts), device->stream),
            "of rates and counters");
    REQUIRE(cuMemcpyHtoDAsync_v2, (device->run, device->host_run, sizeof(CudaRun), device->stream),
            "of the control block");
}

/* Launches `count` iterations whose facts are written. */
static void start_iterations(Device *device, uint64_t count)
{
    size_t rows = (size_t)count * (size_t)device->updates;
    send_facts(device, count);
    for (uint64_t i = 0; i < count; i++) {
        REQUIRE(cuGraphLaunch, (device->iteration, device->stream), "of an iteration");
    }
    REQUIRE(cuMemcpyDtoHAsync_v2,
            (device->host_outputs, device->outputs, rows * CUDA_OUTPUTS * sizeof(double),
             device->stream),
            "of the losses");
}

static void await_iterations(Device *device)
{
    REQUIRE(cuStreamSynchronize, (device->stream), "after an iteration");
}

/* Takes over what an iteration reported. The name of an output that is not finite, or NULL. */
static const char *read_outputs(const Device *device, Training *training, const double *outputs)
{
    const Program *program = device->program;
    for (int kind = 0; kind < program->update_count; kind++) {
        const ProgramUpdate *update = &program->updates[kind];
        for (int repeat = 0; repeat < update->count; repeat++, outputs += CUDA_OUTPUTS) {
            memcpy(training->outputs[kind], outputs, sizeof training->outputs[kind]);
            for (int k = 0; k < update->output_count; k++) {
                if (!isfinite(outputs[k])) {
                    return update->outputs[k];
                }
            }
        }
    }
    return NULL;
}

/* ---------------------------------------------------------------- given values */
static size_t given_bytes(const Program *program, int width)
{
    return ((size_t)program->batch_size * (size_t)width * sizeof(real) + 255) / 256 * 256;
}

/* Rows of `width` numbers to the GPU, from *at on; NULL: there are none. */
static const real *send_rows(Device *device, const real *rows, int width, size_t *at)
{
    size_t bytes = (size_t)device->program->batch_size * (size_t)width * sizeof(real);
    CudaPointer place = device->given + *at;
    if (!rows) {
        return NULL;
    }
    REQUIRE(cuMemcpyHtoDAsync_v2, (place, rows, bytes, device->stream), "of given values");
    *at += given_bytes(device->program, width);
    return (const real *)(uintptr_t)place;
}

/* Copies all that is given to an update to the GPU, from *at on. */
static void send_given(Device *device, int kind, const real *const *given, size_t *at,
                       CudaFacts *facts)
{
    const ProgramUpdate *update = &device->program->updates[kind];
    for (int k = 0; k < update->input_count; k++) {
        facts->given[k] = send_rows(device, given[k], update->inputs[k].width, at);
    }
}

static void take_given(Device *device)
{
    const Program *program = device->program;
    Error error = {0};
    for (int kind = 0; kind < program->update_count && !device->given; kind++) {
        const ProgramUpdate *update = &program->updates[kind];
        for (int k = 0; k < update->input_count; k++) {
            size_t count = update->count > 0 ? (size_t)update->count : 1;
            device->given_size += count * given_bytes(program, update->inputs[k].width);
        }
    }
    if (!device->given &&
        !take(device, &device->given, device->given_size, "given values", &error)) {
        fail_error(&error);
    }
}

/* The state and the data are on the GPU. */
static void prepare(Device *device, const Training *training)
{
    send_state(device, training);
    if (!device->placed_data && training->data) {
        place_data(device, training->data);
    }
}

/* All updates of the iteration whose facts are written read what is given. */
static void give_choice(Device *device, const Choice *given)
{
    const Program *program = device->program;
    CudaFacts *facts = device->host_facts;
    size_t at = 0;
    take_given(device);
    const real *latents = send_rows(device, given->latents, program->z_dim, &at);
    const real *pictures = send_rows(device, given->pictures, program->x_dim, &at);
    for (int kind = 0; kind < program->update_count; kind++) {
        const ProgramUpdate *update = &program->updates[kind];
        for (int repeat = 0; repeat < update->count; repeat++, facts++) {
            for (int k = 0; k < update->input_count; k++) {
                const ProgramInput *input = &update->inputs[k];
                const real *rows = training_is_latent(input)   ? latents
                                   : input->kind == INPUT_DATA ? pictures
                                                               : NULL;
                facts->given[k] = rows ? rows : facts->given[k];
            }
        }
    }
}

void device_start_iteration(Device *device, Training *training)
{
    const CudaSteps *before = &device->code->before;
    Error error = {0};
    if (before->count == 0 || !training_has_loops(device->program)) {
        return;
    }
    prepare(device, training);
    write_facts(device, training, training->iteration, 0, 0, device->host_facts);
    send_facts(device, 1);
    if (!launch_steps(device, before, 0, &error)) {
        fail_error(&error);
    }
    REQUIRE(cuStreamSynchronize, (device->stream), "at the start of an iteration");
}

const char *device_advance(Device *device, Training *training, uint64_t most, const Choice *given)
{
    Half *half = NULL;
    uint64_t count = most < 1 ? 1 : most > CHUNK ? CHUNK : most;
    prepare(device, training);
    if (device->window > 0 && !given->pictures) {
        half = ready_half(device, training, training->iteration);
        uint64_t left = half->first + device->window - training->iteration;
        count = count < left ? count : left;
    }
    write_iterations(device, training, half, count);
    if (given->latents || given->pictures) {
        give_choice(device, given);
    }
    start_iterations(device, count);
    if (half) { /* the other window is filled meanwhile */
        Half *other = &device->halves[half == device->halves];
        uint64_t next = half->first + device->window;
        if (!other->filled || other->first != next) {
            other->first = next;
            fill_half(device, training, other);
        }
        REQUIRE(cuStreamSynchronize, (device->copies), "after the copy of a window on the data");
    }
    await_iterations(device);
    for (uint64_t i = 0; i < count; i++) {
        const double *outputs = device->host_outputs + i * (uint64_t)device->updates * CUDA_OUTPUTS;
        const char *diverged = read_outputs(device, training, outputs);
        if (diverged) {
            return diverged;
        }
        training->iteration++;
    }
    return NULL;
}

/* The rows of a batch, where the data set itself is not on the GPU; the caller frees them. */
static real *gather_rows(const Training *training, uint64_t position)
{
    const Data *data = training->data;
    size_t width = (size_t)data->width, batch = (size_t)training->program->batch_size;
    real *rows = allocate(batch * width, sizeof *rows);
    Order order = data_order(data, training->seed);
    for (size_t i = 0; i < batch; i++) {
        data_row(data, order_row(&order, position + i), rows + i * width, 1);
    }
    return rows;
}

void device_update(Device *device, Training *training, int kind, const Batch *batch,
                   const real *scalars, double *outputs)
{
    const ProgramUpdate *update = &device->program->updates[kind];
    const real *given[MAX_INPUTS];
    char what[64];
    CudaFacts *facts = device->host_facts;
    size_t at = 0;
    Error error = {0};
    prepare(device, training);
    take_given(device);
    real *rows = NULL;
    *facts = (CudaFacts){0};
    memcpy(facts->scalars, scalars, sizeof facts->scalars);
    write_batch(device, training, kind, batch, facts);
    for (int k = 0; k < update->input_count; k++) {
        bool reads = update->inputs[k].kind == INPUT_DATA && !batch->given[k];
        rows =
            rows || !reads || device->window == 0 ? rows : gather_rows(training, batch->position);
        given[k] = reads ? rows : batch->given[k];
    }
    send_given(device, kind, given, &at, facts);
    if (!device->alone[kind] &&
        !capture(device, &device->code->updates[kind], &device->alone[kind], &error)) {
        fail_error(&error);
    }
    send_facts(device, 1);
    snprintf(what, sizeof what, "of the update %s", update->name);
    REQUIRE(cuGraphLaunch, (device->alone[kind], device->stream), what);
    REQUIRE(cuMemcpyDtoHAsync_v2,
            (device->host_outputs, device->outputs, CUDA_OUTPUTS * sizeof(double), device->stream),
            "of the losses");
    REQUIRE(cuStreamSynchronize, (device->stream), what);
    memcpy(outputs, device->host_outputs, CUDA_OUTPUTS * sizeof(double));
    free(rows);
}

void device_iterate_given(Device *device, Training *training,
                          const real *const (*given)[MAX_INPUTS], double (*outputs)[MAX_OUTPUTS])
{
    const Program *program = device->program;
    size_t at = 0;
    send_state(device, training);
    take_given(device);
    write_iterations(device, training, NULL, 1);
    for (int kind = 0, number = 0; kind < program->update_count; kind++) {
        for (int repeat = 0; repeat < program->updates[kind].count; repeat++, number++) {
            send_given(device, kind, given[number], &at, &device->host_facts[number]);
        }
    }
    start_iterations(device, 1);
    await_iterations(device);
    for (int number = 0; number < device->updates; number++) {
        memcpy(outputs[number], device->host_outputs + number * CUDA_OUTPUTS,
               CUDA_OUTPUTS * sizeof(double));
    }
}

/* ---------------------------------------------------------------- clocks */
void device_time(Device *device, Training *training, int kind, int rounds, double *seconds)
{
    const CudaSteps *steps =
        kind < device->program->update_count ? &device->code->updates[kind] : &device->code->before;
    CudaEvent from = NULL, to = NULL;
    Error error = {0};
    send_state(device, training);
    write_iterations(device, training, NULL, 1);
    send_facts(device, 1);
    REQUIRE(cuEventCreate, (&from, 0), "for a clock");
    REQUIRE(cuEventCreate, (&to, 0), "for a clock");
    for (int round = 0; round < rounds; round++) {
        for (int k = 0; k < steps->count; k++) {
            float milliseconds = 0;
            REQUIRE(cuEventRecord, (from, device->stream), "of a clock");
            if (!launch(device, &steps->launches[k], 0, &error)) {
                fail_error(&error);
            }
            REQUIRE(cuEventRecord, (to, device->stream), "of a clock");
            REQUIRE(cuEventSynchronize, (to), steps->launches[k].kernel);
            REQUIRE(cuEventElapsedTime, (&milliseconds, from, to), "of a clock");
            if (round == 0 || milliseconds * 1e-3 < seconds[k]) {
                seconds[k] = (double)milliseconds * 1e-3;
            }
        }
    }
    device->cuda.cuEventDestroy_v2(from);
    device->cuda.cuEventDestroy_v2(to);
}
