/* pool.h -- a fixed set of threads that share out the items of a job.
 *
 * Items are handed out by one atomic counter, so which thread runs an item is not determined:
 * callers see to it that the result does not depend on it. Idle threads spin for some microseconds,
 * as the next job of a step comes at once, then sleep. */
#ifndef GAGAC_POOL_H
#define GAGAC_POOL_H

typedef struct Pool Pool;

/* A pool of `threads` threads, the caller's included (1: no thread is started). NULL when threads <
 * 1, or when memory or threads are out. */
Pool *pool_create(int threads);
void pool_destroy(Pool *pool);
int pool_threads(const Pool *pool);

/* Calls item(context, index, thread) once for every index 0 .. count-1 and returns when all are
 * done; thread is 0 .. threads-1, 0 is the caller, and no two items run on one thread at once. Not
 * reentrant: an item starts no job. */
void pool_run(Pool *pool, void (*item)(void *context, int index, int thread), void *context,
              int count);

/* Cores that this process may run on, at least 1. */
int pool_core_count(void);

#endif
