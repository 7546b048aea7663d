/* test_pool.c -- every item of a job runs once, whatever the number of threads. */
#define _POSIX_C_SOURCE 200809L
#include "pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { MAX_COUNT = 1000, MANY_THREADS = 8 };

typedef struct Job {
    int threads, count;
    atomic_int runs[MAX_COUNT];
    atomic_int busy[MANY_THREADS]; /* items that run on a thread now */
    atomic_int wrong;              /* asserts must stay on the main thread */
} Job;

static void run_item(void *context, int index, int thread)
{
    Job *job = context;
    if (index < 0 || index >= job->count || thread < 0 || thread >= job->threads) {
        atomic_fetch_add(&job->wrong, 1);
        return;
    }
    if (atomic_fetch_add(&job->busy[thread], 1) != 0) {
        atomic_fetch_add(&job->wrong, 1);
    }
    atomic_fetch_add(&job->runs[index], 1);
    atomic_fetch_sub(&job->busy[thread], 1);
}

static void check_job(Pool *pool, int count)
{
    Job *job = calloc(1, sizeof *job);
    assert_non_null(job);
    job->threads = pool_threads(pool);
    job->count = count;
    pool_run(pool, run_item, job, count);
    assert_int_equal(atomic_load(&job->wrong), 0);
    for (int i = 0; i < MAX_COUNT; i++) {
        assert_int_equal(atomic_load(&job->runs[i]), i < count);
    }
    free(job);
}

static void test_each_item_once(void **unused)
{
    static const int threads[] = {1, 2, 3, MANY_THREADS}, counts[] = {0, 1, 2, 7, MAX_COUNT};
    (void)unused;
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        Pool *pool = pool_create(threads[t]);
        assert_non_null(pool);
        assert_int_equal(pool_threads(pool), threads[t]);
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            check_job(pool, counts[c]);
        }
        pool_destroy(pool);
    }
}

/* Jobs that follow one another at once, of changing length: a late thread must not run an item of
 * the wrong job. */
static void test_many_short_jobs(void **unused)
{
    (void)unused;
    Pool *pool = pool_create(3);
    assert_non_null(pool);
    for (int i = 0; i < 2000; i++) {
        check_job(pool, 1 + i % 5);
    }
    pool_destroy(pool);
}

static void test_threads_that_sleep_wake_up(void **unused)
{
    (void)unused;
    Pool *pool = pool_create(4);
    assert_non_null(pool);
    for (int i = 0; i < 20; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        check_job(pool, 50);
    }
    pool_destroy(pool);
}

typedef struct Meeting {
    atomic_int there;
} Meeting;

/* Ends only when all items run at the same time. */
static void meet(void *context, int index, int thread)
{
    Meeting *meeting = context;
    (void)index, (void)thread;
    atomic_fetch_add(&meeting->there, 1);
    while (atomic_load(&meeting->there) < 3) {
        nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL);
    }
}

static void test_threads_run_together(void **unused)
{
    (void)unused;
    Pool *pool = pool_create(3);
    Meeting meeting = {0};
    assert_non_null(pool);
    pool_run(pool, meet, &meeting, 3);
    assert_int_equal(atomic_load(&meeting.there), 3);
    pool_destroy(pool);
}

static void test_no_pool_without_threads(void **unused)
{
    (void)unused;
    assert_null(pool_create(0));
    assert_null(pool_create(-1));
    pool_destroy(NULL);
    assert_true(pool_core_count() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_item_once),
        cmocka_unit_test(test_many_short_jobs),
        cmocka_unit_test(test_threads_that_sleep_wake_up),
        cmocka_unit_test(test_threads_run_together),
        cmocka_unit_test(test_no_pool_without_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
