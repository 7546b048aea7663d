/* pool.c -- see pool.h.
 *
 * A job is published in one 64-bit word, the ticket: its high half holds the number of items, its
 * low half the next index. A thread owns an item exactly when the index that it drew is below the
 * count it drew with it. Only owners look at the job's fields, and the caller changes them only
 * after all owners are done, so a thread that wakes late can neither run an item of the wrong job
 * nor hold up the caller. */
#define _GNU_SOURCE
#include "pool.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    SPINS = 2000
}; /* pauses of some 40 to 140 cycles before a thread goes to sleep: 25 to 100 microseconds */

typedef struct Worker {
    Pool *pool;
    pthread_t thread;
    int index; /* 1 .. threads-1 */
} Worker;

struct Pool {
    int threads;
    int spins; /* 0 when there are more threads than cores: spinning would keep the others from
                  running */
    Worker *workers; /* threads-1 of them */
    void (*item)(void *context, int index, int thread);
    void *context;
    _Alignas(64) atomic_ullong ticket;
    _Alignas(64) atomic_int done; /* items of this job that are finished */
    _Alignas(64) atomic_uint job; /* counts jobs: workers wait for it to change */
    atomic_bool stop;
    atomic_int sleepers; /* workers that wait at `start` */
    atomic_bool waiting; /* the caller waits at `finished` */
    pthread_mutex_t mutex;
    pthread_cond_t start, finished;
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void run_items(Pool *pool, int thread)
{
    for (;;) {
        unsigned long long drawn = atomic_fetch_add(&pool->ticket, 1);
        int count = (int)(drawn >> 32);
        uint32_t index = (uint32_t)drawn;
        if (index >= (uint32_t)count) {
            return;
        }
        pool->item(pool->context, (int)index, thread);
        if (atomic_fetch_add(&pool->done, 1) + 1 == count && atomic_load(&pool->waiting)) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->finished);
            pthread_mutex_unlock(&pool->mutex);
        }
    }
}

/* Returns when a job newer than `seen` is published. A sleeper is counted before it looks again,
 * and the caller looks at the count after it has published, so one of the two always notices the
 * other. */
static void wait_for_job(Pool *pool, unsigned seen)
{
    for (int spin = 0; spin < pool->spins; spin++) {
        if (atomic_load_explicit(&pool->job, memory_order_acquire) != seen) {
            return;
        }
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->job) == seen) {
        pthread_cond_wait(&pool->start, &pool->mutex);
    }
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->mutex);
}

static void publish(Pool *pool)
{
    atomic_fetch_add(&pool->job, 1);
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_broadcast(&pool->start);
        pthread_mutex_unlock(&pool->mutex);
    }
}

static void *work(void *argument)
{
    const Worker *worker = argument;
    Pool *pool = worker->pool;
    unsigned seen = 0;
    while (!atomic_load(&pool->stop)) {
        wait_for_job(pool, seen);
        seen = atomic_load(&pool->job);
        run_items(pool, worker->index);
    }
    return NULL;
}

static void wait_until_done(Pool *pool, int count)
{
    for (int spin = 0; spin < pool->spins; spin++) {
        if (atomic_load_explicit(&pool->done, memory_order_acquire) == count) {
            return;
        }
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->waiting, true);
    while (atomic_load(&pool->done) < count) {
        pthread_cond_wait(&pool->finished, &pool->mutex);
    }
    atomic_store(&pool->waiting, false);
    pthread_mutex_unlock(&pool->mutex);
}

void pool_run(Pool *pool, void (*item)(void *context, int index, int thread), void *context,
              int count)
{
    if (pool->threads == 1 || count <= 1) {
        for (int index = 0; index < count; index++) {
            item(context, index, 0);
        }
        return;
    }
    pool->item = item;
    pool->context = context;
    atomic_store(&pool->done, 0);
    atomic_store(&pool->ticket, (unsigned long long)count << 32);
    publish(pool);
    run_items(pool, 0);
    wait_until_done(pool, count);
}

Pool *pool_create(int threads)
{
    if (threads < 1) {
        return NULL;
    }
    Pool *pool = aligned_alloc(64, sizeof *pool);
    if (!pool) {
        return NULL;
    }
    *pool = (Pool){.threads = 1, .spins = threads <= pool_core_count() ? SPINS : 0};
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->start, NULL);
    pthread_cond_init(&pool->finished, NULL);
    pool->workers = calloc((size_t)threads, sizeof *pool->workers);
    while (pool->workers && pool->threads < threads) {
        Worker *worker = &pool->workers[pool->threads - 1];
        *worker = (Worker){.pool = pool, .index = pool->threads};
        if (pthread_create(&worker->thread, NULL, work, worker)) {
            break;
        }
        pool->threads++;
    }
    if (pool->threads < threads) {
        pool_destroy(pool);
        return NULL;
    }
    return pool;
}

void pool_destroy(Pool *pool)
{
    if (!pool) {
        return;
    }
    atomic_store(&pool->stop, true);
    publish(pool);
    for (int i = 0; i < pool->threads - 1; i++) {
        pthread_join(pool->workers[i].thread, NULL);
    }
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->start);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->workers);
    free(pool);
}

int pool_threads(const Pool *pool) { return pool->threads; }

int pool_core_count(void)
{
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores)) {
        return 1;
    }
    int count = CPU_COUNT(&cores);
    return count > 0 ? count : 1;
}
