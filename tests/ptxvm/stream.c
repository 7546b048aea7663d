/* stream.c -- the CUDA Driver API: streams, events, graphs, launches, copies. What is put into a
 * stream happens as late as is allowed: when something waits for it. So what forgets to wait is
 * seen. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "driver.h"

typedef enum {
    OP_LAUNCH,
    OP_TO_DEVICE,
    OP_TO_HOST,
    OP_ON_DEVICE,
    OP_FILL,
    OP_RECORD,
    OP_WAIT,
    OP_CALL
} OpKind;

/* Of each stream, up to which operation somebody comes after it. */
typedef struct {
    uint64_t of[STREAM_SLOTS];
} Known;

/* Something that a stream or a graph does; a launch's parameters lie behind it. */
typedef struct Op {
    struct Op *next;
    OpKind kind;
    size_t bytes; /* of this op with what lies behind it */
    uint64_t serial;
    Known known; /* what the host had waited for when it issued this */
    /* launch */
    Launch launch;
    /* copies and fills */
    CUdeviceptr target, source;
    void *host;
    size_t len;
    uint32_t value;
    unsigned element;
    bool staged;       /* the host's bytes lie behind the op */
    uint64_t checksum; /* of pinned memory at the time of the call */
    /* events */
    struct Event *event;
    struct Stream *stream;
    uint64_t upto;
    /* calls */
    void (*call)(void *);
    void *argument;
} Op;

typedef struct Stream {
    Op *first, *last;
    bool non_blocking;
    int slot;
    Known known;
    struct Graph *capture; /* that this stream's calls go into */
    bool origin;           /* the capture began here */
    bool unjoined;         /* captured work that the origin does not wait for yet */
    uint64_t captured;     /* number of ops captured here */
} Stream;

typedef struct Event {
    Stream *stream;
    uint64_t recorded, done; /* serials of ops */
    double time;
    bool timed;
    Known known;
    struct Graph *capture;
    uint64_t covers;
} Event;

typedef struct Graph {
    Op *first, *last;
    size_t count;
    bool broken;
} Graph;

typedef struct GraphExec {
    Graph graph;
} GraphExec;

static Stream legacy, per_thread = {.slot = 1};
static Stream *streams[256] = {&legacy, &per_thread};
static int stream_count = 2;
static uint64_t last_serial;
static Known host_known;

static void join(Known *known, const Known *other)
{
    for (int i = 0; i < STREAM_SLOTS; i++)
        if (known->of[i] < other->of[i])
            known->of[i] = other->of[i];
}

static Stream *find_stream(CUstream handle)
{
    if (!handle || (uintptr_t)handle == 1)
        return &legacy;
    if ((uintptr_t)handle == 2)
        return &per_thread;
    return object_is(handle, OBJECT_STREAM) ? handle : NULL;
}

bool anything_captures(void)
{
    for (int i = 0; i < stream_count; i++)
        if (streams[i]->capture)
            return true;
    return false;
}

/* ---------------------------------------------------------------- what happens */

static uint64_t checksum(const void *data, size_t bytes)
{
    const unsigned char *at = data;
    uint64_t sum = 1469598103934665603u, word = 0;
    for (; bytes >= 8; bytes -= 8, at += 8) {
        memcpy(&word, at, 8);
        sum = (sum ^ word) * 1099511628211u;
        sum ^= sum >> 29;
    }
    word = 0;
    memcpy(&word, at, bytes);
    return (sum ^ word) * 1099511628211u;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static const void *host_source(const Op *op)
{
    return op->staged ? (const void *)(op + 1) : op->host;
}

static CUresult drain(Stream *stream, uint64_t upto);

/* What was recorded in an event happens first. */
static CUresult wait_for(Stream *stream, const Op *op)
{
    CUresult result = CUDA_SUCCESS;
    if (op->stream == &legacy || op->stream == &per_thread ||
        object_is(op->stream, OBJECT_STREAM)) /* else it was emptied when it was destroyed */
        result = drain(op->stream, op->upto);
    if (object_is(op->event, OBJECT_EVENT))
        join(&stream->known, &op->event->known);
    return result;
}

static CUresult run_op(Stream *stream, Op *op)
{
    join(&stream->known, &op->known);
    stream->known.of[stream->slot] = op->serial;
    if (op->kind <= OP_FILL)
        shadow_begin(stream->slot, op->serial, stream->known.of);
    switch (op->kind) {
    case OP_LAUNCH:
        op->launch.params = (const unsigned char *)(op + 1);
        op->launch.failed = false;
        if (!function_is(op->launch.kernel))
            return CUDA_ERROR_INVALID_HANDLE;
        run_launch(&op->launch);
        break;
    case OP_TO_DEVICE:
        if (op->checksum && settings.check && checksum(op->host, op->len) != op->checksum)
            report_host(REPORT_HOST,
                        "pinned memory was changed before its copy of %zu bytes to the device",
                        op->len);
        copy_to_device(op->target, host_source(op), op->len);
        break;
    case OP_TO_HOST:
        pinned_arrive(op->host, op->len);
        copy_to_host(op->host, op->source, op->len);
        break;
    case OP_ON_DEVICE:
        copy_on_device(op->target, op->source, op->len);
        break;
    case OP_FILL:
        fill_device(op->target, op->value, op->element, op->len);
        break;
    case OP_RECORD:
        if (object_is(op->event, OBJECT_EVENT)) {
            op->event->done = op->serial;
            op->event->known = stream->known;
            op->event->time = now();
        }
        break;
    case OP_WAIT:
        return wait_for(stream, op);
    case OP_CALL:
        op->call(op->argument);
        break;
    }
    return report_failed() ? CUDA_ERROR_LAUNCH_FAILED : CUDA_SUCCESS;
}

/* Does what is in the stream up to that serial number. */
static CUresult drain(Stream *stream, uint64_t upto)
{
    while (stream->first && stream->first->serial <= upto) {
        Op *op = stream->first;
        stream->first = op->next;
        if (!stream->first)
            stream->last = NULL;
        CUresult result = run_op(stream, op);
        free(op);
        if (result)
            return result;
    }
    return report_failed() ? CUDA_ERROR_LAUNCH_FAILED : CUDA_SUCCESS;
}

/* The host waits for that. */
static CUresult finish(Stream *stream, uint64_t upto)
{
    CUresult result = drain(stream, upto);
    join(&host_known, &stream->known);
    return result;
}

/* The streams in another order each time, if an order is asked for. */
static CUresult drain_some(bool non_blocking)
{
    static uint64_t random;
    int start = settings.order ? (int)(next_random(&random) % (unsigned)stream_count) : 0;
    for (int i = 0; i < stream_count; i++) {
        Stream *stream = streams[(start + i) % stream_count];
        if (stream->non_blocking && !non_blocking)
            continue;
        CUresult result = finish(stream, UINT64_MAX);
        if (result)
            return result;
    }
    return CUDA_SUCCESS;
}

CUresult drain_all(void) { return drain_some(true); }
/* What a call without a stream waits for: all but the streams made with NON_BLOCKING. */
static CUresult drain_blocking(void) { return drain_some(false); }

/* ---------------------------------------------------------------- putting into streams */

static Op *new_op(OpKind kind, size_t behind)
{
    Op *op = calloc(1, sizeof *op + behind);
    if (!op)
        abort();
    op->kind = kind;
    op->bytes = sizeof *op + behind;
    return op;
}

static void graph_add(Graph *graph, Op *op)
{
    if (graph->last)
        graph->last->next = op;
    else
        graph->first = op;
    graph->last = op;
    graph->count++;
}

static void graph_clear(Graph *graph)
{
    while (graph->first) {
        Op *next = graph->first->next;
        free(graph->first);
        graph->first = next;
    }
    *graph = (Graph){NULL, NULL, 0, false};
}

static void graph_copy(Graph *copy, const Graph *graph)
{
    *copy = (Graph){NULL, NULL, 0, false};
    for (const Op *op = graph->first; op; op = op->next) {
        Op *twin = new_op(op->kind, op->bytes - sizeof *op);
        memcpy(twin, op, op->bytes);
        twin->next = NULL;
        graph_add(copy, twin);
    }
}

static void stream_add(Stream *stream, Op *op)
{
    op->serial = ++last_serial;
    op->known = host_known;
    if (stream == &legacy) {
        for (int i = 1; i < stream_count; i++)
            if (!streams[i]->non_blocking)
                join(&op->known, &streams[i]->known);
    } else if (!stream->non_blocking) {
        join(&op->known, &legacy.known);
    }
    if (stream->last)
        stream->last->next = op;
    else
        stream->first = op;
    stream->last = op;
    if (op->kind == OP_TO_HOST)
        pinned_pend(op->host, op->len);
    if (op->kind == OP_TO_DEVICE && !op->staged && pinned_contains(op->host, op->len) &&
        !pinned_is_pending(op->host, op->len))
        op->checksum = checksum(op->host, op->len);
}

/* The stream without a handle waits for the blocking ones and they for it. */
static CUresult order_with_legacy(Stream *stream)
{
    if (stream == &legacy) {
        for (int i = 0; i < stream_count; i++)
            if (streams[i]->capture && !streams[i]->non_blocking)
                return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        for (int i = 1; i < stream_count; i++)
            if (!streams[i]->non_blocking) {
                CUresult result = drain(streams[i], UINT64_MAX);
                if (result)
                    return result;
            }
        return CUDA_SUCCESS;
    }
    return stream->non_blocking ? CUDA_SUCCESS : drain(&legacy, UINT64_MAX);
}

/* Into the stream, or into the graph that it captures. Takes the op. */
static CUresult issue(Stream *stream, Op *op)
{
    if (stream->capture) {
        graph_add(stream->capture, op);
        stream->captured++;
        stream->unjoined = !stream->origin;
        return CUDA_SUCCESS;
    }
    CUresult result = order_with_legacy(stream);
    if (result) {
        free(op);
        return result;
    }
    stream_add(stream, op);
    return CUDA_SUCCESS;
}

/* A call that waits for the stream must not come while it captures. */
static CUresult end_capture_by_error(Stream *stream)
{
    if (!stream->capture)
        return CUDA_SUCCESS;
    stream->capture->broken = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

/* ---------------------------------------------------------------- streams */

API CUresult cuStreamCreateWithPriority(CUstream *result, unsigned flags, int priority)
{
    ENTER(NEED_CONTEXT);
    (void)priority;
    if (!result || flags > 1 || stream_count == 256)
        return CUDA_ERROR_INVALID_VALUE;
    Stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return CUDA_ERROR_OUT_OF_MEMORY;
    stream->non_blocking = flags & 1;
    stream->slot = stream_count < STREAM_SLOTS ? stream_count : STREAM_SLOTS - 1;
    for (int slot = 2; slot < STREAM_SLOTS; slot++) { /* one that no other has */
        bool used = false;
        for (int i = 0; i < stream_count; i++)
            used |= streams[i]->slot == slot;
        if (!used) {
            stream->slot = slot;
            break;
        }
    }
    streams[stream_count++] = stream;
    object_add(stream, OBJECT_STREAM);
    *result = stream;
    return CUDA_SUCCESS;
}

API CUresult cuStreamCreate(CUstream *result, unsigned flags)
{
    ENTER(NEED_CONTEXT);
    return cuStreamCreateWithPriority(result, flags, 0);
}

API CUresult cuStreamDestroy_v2(CUstream handle)
{
    ENTER(NEED_CONTEXT);
    Stream *stream = find_stream(handle);
    if (!stream || stream == &legacy || stream == &per_thread)
        return CUDA_ERROR_INVALID_HANDLE;
    CUresult result = finish(stream, UINT64_MAX);
    for (int i = 0; i < stream_count; i++)
        if (streams[i] == stream)
            streams[i] = streams[--stream_count];
    object_remove(stream);
    free(stream);
    return result;
}

API CUresult cuStreamSynchronize(CUstream handle)
{
    ENTER(NEED_CONTEXT);
    Stream *stream = find_stream(handle);
    if (!stream)
        return CUDA_ERROR_INVALID_HANDLE;
    CUresult result = end_capture_by_error(stream);
    if (result)
        return result;
    return stream == &legacy ? drain_blocking() : finish(stream, UINT64_MAX);
}

/* Not ready as long as anything is left; each question lets one thing happen. */
API CUresult cuStreamQuery(CUstream handle)
{
    ENTER(NEED_CONTEXT);
    Stream *stream = find_stream(handle);
    if (!stream)
        return CUDA_ERROR_INVALID_HANDLE;
    CUresult result = end_capture_by_error(stream);
    if (result)
        return result;
    if (!stream->first)
        return finish(stream, 0);
    result = drain(stream, stream->first->serial);
    return result ? result : CUDA_ERROR_NOT_READY;
}

API CUresult cuLaunchHostFunc(CUstream handle, void (*call)(void *), void *argument)
{
    ENTER(NEED_CONTEXT);
    Stream *stream = find_stream(handle);
    if (!stream || !call)
        return CUDA_ERROR_INVALID_VALUE;
    Op *op = new_op(OP_CALL, 0);
    op->call = call;
    op->argument = argument;
    return issue(stream, op);
}

/* ---------------------------------------------------------------- events */

API CUresult cuEventCreate(CUevent *result, unsigned flags)
{
    ENTER(NEED_CONTEXT);
    if (!result)
        return CUDA_ERROR_INVALID_VALUE;
    Event *event = calloc(1, sizeof *event);
    if (!event)
        return CUDA_ERROR_OUT_OF_MEMORY;
    event->timed = !(flags & 2);
    object_add(event, OBJECT_EVENT);
    *result = event;
    return CUDA_SUCCESS;
}

API CUresult cuEventDestroy_v2(CUevent event)
{
    ENTER(NEED_CONTEXT);
    if (!object_is(event, OBJECT_EVENT))
        return CUDA_ERROR_INVALID_HANDLE;
    object_remove(event);
    free(event);
    return CUDA_SUCCESS;
}

API CUresult cuEventRecord(CUevent event, CUstream handle)
{
    ENTER(NEED_CONTEXT);
    Stream *stream = find_stream(handle);
    if (!stream || !object_is(event, OBJECT_EVENT))
        return CUDA_ERROR_INVALID_HANDLE;
    event->stream = stream;
    event->capture = stream->capture;
    if (stream->capture) {
        event->covers = stream->captured;
        return CUDA_SUCCESS;
    }
    Op *op = new_op(OP_RECORD, 0);
    op->event = event;
    CUresult result = issue(stream, op);
    event->recorded = result ? event->recorded : last_serial;
    return result;
}

API CUresult cuEventRecordWithFlags(CUevent event, CUstream handle, unsigned flags)
{
    (void)flags;
    return cuEventRecord(event, handle);
}

/* Inside of a capture: the stream joins it, or waits for a branch of it. */
static CUresult wait_captured(Stream *stream, Event *event)
{
    if (stream->capture && stream->capture != event->capture)
        return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (!stream->capture) {
        stream->capture = event->capture;
        stream->origin = false;
        stream->unjoined = true;
    }
    if (event->stream != stream && event->covers == event->stream->captured)
        event->stream->unjoined = false;
    return CUDA_SUCCESS;
}

API CUresult cuStreamWaitEvent(CUstream handle, CUevent event, unsigned flags)
{
    ENTER(NEED_CONTEXT);
    Stream *stream = find_stream(handle);
    (void)flags;
    if (!stream || !object_is(event, OBJECT_EVENT))
        return CUDA_ERROR_INVALID_HANDLE;
    if (event->capture)
        return wait_captured(stream, event);
    if (!event->recorded)
        return CUDA_SUCCESS;
    Op *op = new_op(OP_WAIT, 0);
    op->event = event;
    op->stream = event->stream;
    op->upto = event->recorded;
    return issue(stream, op);
}

API CUresult cuEventSynchronize(CUevent event)
{
    ENTER(NEED_CONTEXT);
    if (!object_is(event, OBJECT_EVENT))
        return CUDA_ERROR_INVALID_HANDLE;
    if (event->capture)
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    CUresult result = CUDA_SUCCESS;
    if (event->done < event->recorded)
        result = drain(event->stream, event->recorded);
    join(&host_known, &event->known);
    return result;
}

API CUresult cuEventQuery(CUevent event)
{
    ENTER(NEED_CONTEXT);
    if (!object_is(event, OBJECT_EVENT))
        return CUDA_ERROR_INVALID_HANDLE;
    if (event->capture)
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (event->done >= event->recorded) {
        join(&host_known, &event->known);
        return CUDA_SUCCESS;
    }
    CUresult result = drain(event->stream, event->stream->first ? event->stream->first->serial : 0);
    return result ? result : CUDA_ERROR_NOT_READY;
}

API CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent start, CUevent end)
{
    ENTER(NEED_CONTEXT);
    if (!milliseconds)
        return CUDA_ERROR_INVALID_VALUE;
    if (!object_is(start, OBJECT_EVENT) || !object_is(end, OBJECT_EVENT) || !start->timed ||
        !end->timed || !start->recorded || !end->recorded)
        return CUDA_ERROR_INVALID_HANDLE;
    if (start->done < start->recorded || end->done < end->recorded)
        return CUDA_ERROR_NOT_READY;
    *milliseconds = (float)(end->time - start->time);
    return CUDA_SUCCESS;
}

API CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end)
{
    return cuEventElapsedTime_v2(milliseconds, start, end);
}

/* ---------------------------------------------------------------- copies */

/* A copy without a stream: all that was issued comes first. */
static CUresult before_copy(void)
{
    if (anything_captures())
        return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    CUresult result = drain_blocking();
    host_known.of[legacy.slot] = ++last_serial;
    join(&legacy.known, &host_known);
    shadow_begin(legacy.slot, last_serial, host_known.of);
    return result;
}

static CUresult after_copy(bool good)
{
    if (report_failed())
        return CUDA_ERROR_LAUNCH_FAILED;
    return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

API CUresult cuMemcpyHtoD_v2(CUdeviceptr target, const void *source, size_t bytes)
{
    ENTER(NEED_CONTEXT);
    CUresult result = before_copy();
    if (result)
        return result;
    return after_copy(copy_to_device(target, source, bytes));
}

API CUresult cuMemcpyDtoH_v2(void *target, CUdeviceptr source, size_t bytes)
{
    ENTER(NEED_CONTEXT);
    CUresult result = before_copy();
    if (result)
        return result;
    return after_copy(copy_to_host(target, source, bytes));
}

API CUresult cuMemcpyDtoD_v2(CUdeviceptr target, CUdeviceptr source, size_t bytes)
{
    ENTER(NEED_CONTEXT);
    CUresult result = before_copy();
    if (result)
        return result;
    return after_copy(copy_on_device(target, source, bytes));
}

/* From pinned memory the bytes are taken when the stream comes to it, from other memory at once. */
API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr target, const void *source, size_t bytes,
                                  CUstream handle)
{
    ENTER(NEED_CONTEXT);
    Stream *stream = find_stream(handle);
    if (!stream)
        return CUDA_ERROR_INVALID_HANDLE;
    if (!check_device_range(target, bytes, "copy to the device"))
        return CUDA_ERROR_INVALID_VALUE;
    bool staged = !pinned_contains(source, bytes) && !stream->capture;
    Op *op = new_op(OP_TO_DEVICE, staged ? bytes : 0);
    op->target = target;
    op->host = (void *)(uintptr_t)source;
    op->len = bytes;
    op->staged = staged;
    if (staged)
        memcpy(op + 1, source, bytes);
    return issue(stream, op);
}

/* To memory that is not pinned the call only returns when the bytes are there. */
API CUresult cuMemcpyDtoHAsync_v2(void *target, CUdeviceptr source, size_t bytes, CUstream handle)
{
    ENTER(NEED_CONTEXT);
    Stream *stream = find_stream(handle);
    if (!stream)
        return CUDA_ERROR_INVALID_HANDLE;
    if (!check_device_range(source, bytes, "copy to the host"))
        return CUDA_ERROR_INVALID_VALUE;
    bool pinned = pinned_contains(target, bytes);
    Op *op = new_op(OP_TO_HOST, 0);
    op->host = target;
    op->source = source;
    op->len = bytes;
    CUresult result = issue(stream, op);
    if (result || pinned || stream->capture)
        return result;
    return finish(stream, UINT64_MAX);
}

API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr target, CUdeviceptr source, size_t bytes,
                                  CUstream handle)
{
    ENTER(NEED_CONTEXT);
    Stream *stream = find_stream(handle);
    if (!stream)
        return CUDA_ERROR_INVALID_HANDLE;
    if (!check_device_range(source, bytes, "copy on the device") ||
        !check_device_range(target, bytes, "copy on the device"))
        return CUDA_ERROR_INVALID_VALUE;
    Op *op = new_op(OP_ON_DEVICE, 0);
    op->target = target;
    op->source = source;
    op->len = bytes;
    return issue(stream, op);
}

static CUresult fill(CUdeviceptr target, uint32_t value, unsigned element, size_t count,
                     CUstream handle)
{
    Stream *stream = find_stream(handle);
    if (!stream)
        return CUDA_ERROR_INVALID_HANDLE;
    if (target % element || !check_device_range(target, count * element, "memset"))
        return CUDA_ERROR_INVALID_VALUE;
    Op *op = new_op(OP_FILL, 0);
    op->target = target;
    op->value = value;
    op->element = element;
    op->len = count;
    return issue(stream, op);
}

API CUresult cuMemsetD8Async(CUdeviceptr target, unsigned char value, size_t count, CUstream stream)
{
    ENTER(NEED_CONTEXT);
    return fill(target, value, 1, count, stream);
}

API CUresult cuMemsetD32Async(CUdeviceptr target, unsigned value, size_t count, CUstream stream)
{
    ENTER(NEED_CONTEXT);
    return fill(target, value, 4, count, stream);
}

API CUresult cuMemsetD8_v2(CUdeviceptr target, unsigned char value, size_t count)
{
    ENTER(NEED_CONTEXT);
    return fill(target, value, 1, count, NULL);
}

API CUresult cuMemsetD32_v2(CUdeviceptr target, unsigned value, size_t count)
{
    ENTER(NEED_CONTEXT);
    return fill(target, value, 4, count, NULL);
}

/* ---------------------------------------------------------------- launches */

static CUresult check_launch(const Kernel *kernel, const unsigned grid[3], const unsigned block[3],
                             unsigned dynamic, bool cooperative)
{
    const Function *function = kernel->function;
    uint64_t threads = (uint64_t)block[0] * block[1] * block[2];
    uint64_t blocks = (uint64_t)grid[0] * grid[1] * grid[2];

    if (!threads || !blocks || block[0] > 1024 || block[1] > 1024 || block[2] > 64 ||
        threads > 1024 || grid[0] > 2147483647u || grid[1] > 65535 || grid[2] > 65535) {
        tell("launch of '%s' refused: grid (%u, %u, %u) of blocks (%u, %u, %u)", kernel->name,
             grid[0], grid[1], grid[2], block[0], block[1], block[2]);
        return CUDA_ERROR_INVALID_VALUE;
    }
    if ((function->max_threads && threads > function->max_threads) ||
        (function->required_threads && threads != function->required_threads)) {
        tell("launch of '%s' refused: %llu threads, it was compiled for %u", kernel->name,
             (unsigned long long)threads,
             function->required_threads ? function->required_threads : function->max_threads);
        return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    }
    if (dynamic > (unsigned)kernel->max_dynamic_shared) {
        tell("launch of '%s' refused: %u bytes of dynamic shared memory, %d are allowed",
             kernel->name, dynamic, kernel->max_dynamic_shared);
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (cooperative && blocks > (uint64_t)active_blocks(kernel, (int)threads, dynamic) *
                                    (uint64_t)current_arch()->multiprocessors)
        return CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
    return CUDA_SUCCESS;
}

/* The parameters as the kernel's own list says, from pointers or from one buffer. */
static bool pack_params(const Kernel *kernel, unsigned char *params, void **pointers, void **extra)
{
    if (!kernel->param_count)
        return true;
    if (pointers) {
        for (size_t i = 0; i < kernel->param_count; i++) {
            if (!pointers[i])
                return false;
            memcpy(params + kernel->param_offsets[i], pointers[i], kernel->param_sizes[i]);
        }
        return true;
    }
    const void *buffer = NULL;
    size_t bytes = 0;
    for (int i = 0; extra && extra[i]; i += 2) {
        if ((uintptr_t)extra[i] == 1)
            buffer = extra[i + 1];
        else if ((uintptr_t)extra[i] == 2)
            bytes = *(const size_t *)extra[i + 1];
        else
            return false;
    }
    if (!buffer || bytes != kernel->param_bytes) {
        tell("launch of '%s' refused: %zu bytes of parameters, it has %u", kernel->name, bytes,
             kernel->param_bytes);
        return false;
    }
    memcpy(params, buffer, bytes);
    return true;
}

static CUresult launch(CUfunction kernel, const unsigned grid[3], const unsigned block[3],
                       unsigned dynamic, CUstream handle, void **pointers, void **extra,
                       bool cooperative)
{
    Stream *stream = find_stream(handle);
    if (!stream || !function_is(kernel))
        return CUDA_ERROR_INVALID_HANDLE;
    CUresult result = check_launch(kernel, grid, block, dynamic, cooperative);
    if (result)
        return result;
    Op *op = new_op(OP_LAUNCH, kernel->param_bytes);
    if (!pack_params(kernel, (unsigned char *)(op + 1), pointers, extra)) {
        free(op);
        return CUDA_ERROR_INVALID_VALUE;
    }
    op->launch.kernel = kernel;
    memcpy(op->launch.grid, grid, sizeof op->launch.grid);
    memcpy(op->launch.size, block, sizeof op->launch.size);
    op->launch.dynamic_shared = dynamic;
    op->launch.cooperative = cooperative;
    return issue(stream, op);
}

API CUresult cuLaunchKernel(CUfunction kernel, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                            unsigned block_x, unsigned block_y, unsigned block_z, unsigned dynamic,
                            CUstream stream, void **params, void **extra)
{
    ENTER(NEED_CONTEXT);
    const unsigned grid[3] = {grid_x, grid_y, grid_z}, block[3] = {block_x, block_y, block_z};
    return launch(kernel, grid, block, dynamic, stream, params, extra, false);
}

API CUresult cuLaunchCooperativeKernel(CUfunction kernel, unsigned grid_x, unsigned grid_y,
                                       unsigned grid_z, unsigned block_x, unsigned block_y,
                                       unsigned block_z, unsigned dynamic, CUstream stream,
                                       void **params)
{
    ENTER(NEED_CONTEXT);
    const unsigned grid[3] = {grid_x, grid_y, grid_z}, block[3] = {block_x, block_y, block_z};
    return launch(kernel, grid, block, dynamic, stream, params, NULL, true);
}

/* ---------------------------------------------------------------- graphs */

API CUresult cuStreamBeginCapture_v2(CUstream handle, int mode)
{
    ENTER(NEED_CONTEXT);
    Stream *stream = find_stream(handle);
    if (!stream)
        return CUDA_ERROR_INVALID_HANDLE;
    if (mode < 0 || mode > 2)
        return CUDA_ERROR_INVALID_VALUE;
    if (stream == &legacy || stream->capture)
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    Graph *graph = calloc(1, sizeof *graph);
    if (!graph)
        return CUDA_ERROR_OUT_OF_MEMORY;
    stream->capture = graph;
    stream->origin = true;
    stream->unjoined = false;
    stream->captured = 0;
    return CUDA_SUCCESS;
}

API CUresult cuStreamIsCapturing(CUstream handle, int *status)
{
    ENTER(NEED_CONTEXT);
    Stream *stream = find_stream(handle);
    if (!stream)
        return CUDA_ERROR_INVALID_HANDLE;
    if (!status)
        return CUDA_ERROR_INVALID_VALUE;
    *status = !stream->capture ? 0 : stream->capture->broken ? 2 : 1;
    return CUDA_SUCCESS;
}

API CUresult cuStreamEndCapture(CUstream handle, CUgraph *result)
{
    ENTER(NEED_CONTEXT);
    Stream *stream = find_stream(handle);
    if (!stream)
        return CUDA_ERROR_INVALID_HANDLE;
    if (!result)
        return CUDA_ERROR_INVALID_VALUE;
    *result = NULL;
    Graph *graph = stream->capture;
    if (!graph || !stream->origin)
        return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    bool unjoined = false;
    for (int i = 0; i < stream_count; i++)
        if (streams[i]->capture == graph) {
            unjoined |= streams[i] != stream && streams[i]->unjoined;
            streams[i]->capture = NULL;
        }
    if (graph->broken || unjoined) {
        CUresult error = graph->broken ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
                                       : CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
        graph_clear(graph);
        free(graph);
        return error;
    }
    object_add(graph, OBJECT_GRAPH);
    *result = graph;
    return CUDA_SUCCESS;
}

API CUresult cuGraphGetNodes(CUgraph graph, void **nodes, size_t *count)
{
    ENTER(NEED_CONTEXT);
    if (!object_is(graph, OBJECT_GRAPH))
        return CUDA_ERROR_INVALID_HANDLE;
    if (nodes || !count)
        return CUDA_ERROR_NOT_SUPPORTED;
    *count = graph->count;
    return CUDA_SUCCESS;
}

API CUresult cuGraphDestroy(CUgraph graph)
{
    ENTER(NEED_CONTEXT);
    if (!object_is(graph, OBJECT_GRAPH))
        return CUDA_ERROR_INVALID_HANDLE;
    object_remove(graph);
    graph_clear(graph);
    free(graph);
    return CUDA_SUCCESS;
}

API CUresult cuGraphInstantiateWithFlags(CUgraphExec *result, CUgraph graph,
                                         unsigned long long flags)
{
    ENTER(NEED_CONTEXT);
    (void)flags;
    if (!object_is(graph, OBJECT_GRAPH))
        return CUDA_ERROR_INVALID_HANDLE;
    GraphExec *exec = calloc(1, sizeof *exec);
    if (!exec)
        return CUDA_ERROR_OUT_OF_MEMORY;
    graph_copy(&exec->graph, graph);
    object_add(exec, OBJECT_GRAPH_EXEC);
    *result = exec;
    return CUDA_SUCCESS;
}

/* The form before CUDA 12, under its two names. */
API CUresult cuGraphInstantiate_v2(CUgraphExec *result, CUgraph graph, void **node, char *log,
                                   size_t len)
{
    if (node)
        *node = NULL;
    if (log && len)
        *log = 0;
    return cuGraphInstantiateWithFlags(result, graph, 0);
}

API CUresult cuGraphInstantiate(CUgraphExec *result, CUgraph graph, void **node, char *log,
                                size_t len)
{
    return cuGraphInstantiate_v2(result, graph, node, log, len);
}

API CUresult cuGraphExecDestroy(CUgraphExec exec)
{
    ENTER(NEED_CONTEXT);
    if (!object_is(exec, OBJECT_GRAPH_EXEC))
        return CUDA_ERROR_INVALID_HANDLE;
    object_remove(exec);
    graph_clear(&exec->graph);
    free(exec);
    return CUDA_SUCCESS;
}

API CUresult cuGraphUpload(CUgraphExec exec, CUstream handle)
{
    ENTER(NEED_CONTEXT);
    return object_is(exec, OBJECT_GRAPH_EXEC) && find_stream(handle) ? CUDA_SUCCESS
                                                                     : CUDA_ERROR_INVALID_HANDLE;
}

API CUresult cuGraphLaunch(CUgraphExec exec, CUstream handle)
{
    ENTER(NEED_CONTEXT);
    Stream *stream = find_stream(handle);
    if (!stream || !object_is(exec, OBJECT_GRAPH_EXEC))
        return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture)
        return CUDA_ERROR_NOT_SUPPORTED; /* a graph in a graph */
    Graph copy;
    graph_copy(&copy, &exec->graph);
    while (copy.first) {
        Op *op = copy.first;
        copy.first = op->next;
        op->next = NULL;
        CUresult result = issue(stream, op);
        if (result) {
            graph_clear(&copy);
            return result;
        }
    }
    return CUDA_SUCCESS;
}
