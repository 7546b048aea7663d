/* host_memory.c -- pinned host memory, and who touches what he should not: pages that an
 * asynchronous copy will still write to are not accessible until it has, nor are device addresses
 * at any time. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "driver.h"

enum { MAX_PINNED = 1024, MAX_PENDING = 1024, PAGE = 4096 };

typedef struct {
    unsigned char *start;
    size_t bytes, mapped; /* mapped 0: registered memory of the program's own */
} Pinned;

typedef struct {
    unsigned char *start;
    size_t bytes;
} Pending;

static Pinned pinned[MAX_PINNED];
static Pending pending[MAX_PENDING];
static int pinned_count, pending_count;
static struct sigaction previous;

static Pinned *find_pinned(const void *address)
{
    const unsigned char *at = address;
    for (int i = 0; i < pinned_count; i++)
        if (at >= pinned[i].start && at < pinned[i].start + pinned[i].bytes)
            return &pinned[i];
    return NULL;
}

void *pinned_alloc(size_t bytes)
{
    size_t mapped = (bytes + PAGE - 1) / PAGE * PAGE;
    if (!bytes || pinned_count == MAX_PINNED)
        return NULL;
    void *start = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    memset(start, 0xff, bytes);
    pinned[pinned_count++] = (Pinned){start, bytes, mapped};
    return start;
}

void pinned_register(void *start, size_t bytes)
{
    if (pinned_count < MAX_PINNED)
        pinned[pinned_count++] = (Pinned){start, bytes, 0};
}

bool pinned_free(void *start)
{
    Pinned *found = find_pinned(start);
    if (!found || found->start != start)
        return false;
    if (found->mapped)
        munmap(start, found->mapped);
    *found = pinned[--pinned_count];
    return true;
}

bool pinned_contains(const void *start, size_t bytes)
{
    const Pinned *found = find_pinned(start);
    return found && (const unsigned char *)start + bytes <= found->start + found->bytes;
}

static void protect(const Pinned *memory, const Pending *range, int protection)
{
    uintptr_t first = (uintptr_t)range->start / PAGE * PAGE;
    uintptr_t last = ((uintptr_t)range->start + range->bytes + PAGE - 1) / PAGE * PAGE;
    if (memory->mapped)
        mprotect((void *)first, last - first, protection);
}

void pinned_pend(void *start, size_t bytes)
{
    const Pinned *memory = find_pinned(start);
    if (!memory || !bytes)
        return;
    memset(start, 0xff, bytes);
    if (!settings.check || pending_count == MAX_PENDING)
        return;
    watch_host_accesses();
    pending[pending_count] = (Pending){start, bytes};
    protect(memory, &pending[pending_count++], PROT_NONE);
}

void pinned_arrive(void *start, size_t bytes)
{
    const Pinned *memory = find_pinned(start);
    if (!memory)
        return;
    if (memory->mapped)
        mprotect(memory->start, memory->mapped, PROT_READ | PROT_WRITE);
    for (int i = 0; i < pending_count; i++)
        if (pending[i].start == start && pending[i].bytes == bytes) {
            pending[i] = pending[--pending_count];
            break;
        }
}

/* ---------------------------------------------------------------- forbidden accesses */

static const Pending *find_pending(const unsigned char *at)
{
    for (int i = 0; i < pending_count; i++)
        if (at >= pending[i].start && at < pending[i].start + pending[i].bytes)
            return &pending[i];
    return NULL;
}

bool pinned_is_pending(const void *start, size_t bytes)
{
    const unsigned char *at = start;
    for (int i = 0; i < pending_count; i++)
        if (at < pending[i].start + pending[i].bytes && pending[i].start < at + bytes)
            return true;
    return false;
}

/* The access that failed is repeated when this returns. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    unsigned char *at = info->si_addr;
    const Pinned *memory = find_pinned(at);
    if (memory && memory->mapped) {
        const Pending *range = find_pending(at);
        if (range)
            report_host(REPORT_HOST,
                        "the host uses pinned memory (byte %zu of a copy of %zu) before the stream "
                        "is synchronised",
                        (size_t)(at - range->start), range->bytes);
        mprotect(memory->start, memory->mapped, PROT_READ | PROT_WRITE);
        return;
    }
    if (arena_contains((uint64_t)(uintptr_t)at))
        report_host(REPORT_HOST, "the host uses the device address %p", (void *)at);
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(number, info, context);
        return;
    }
    if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(number);
        return;
    }
    signal(SIGSEGV, SIG_DFL); /* the repeated access ends the process */
}

/* Reports accesses of the host to device memory and to pinned memory that a copy has not filled.
 * Called often: the program may have set a handler of its own, which then is asked second. */
void watch_host_accesses(void)
{
    struct sigaction action, now;
    if (!settings.check || sigaction(SIGSEGV, NULL, &now) ||
        ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_fault))
        return;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, &previous);
}
