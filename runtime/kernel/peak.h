/* peak.h -- the rate of multiply-adds that this machine's registers allow, in the instruction set
 * of the generated code. */
#ifndef GAGAC_PEAK_H
#define GAGAC_PEAK_H

#include "pool.h"
#include "real.h"
#include <time.h>

enum { PEAK_CHAINS = GAGAC_VECTOR_BYTES == 64 ? 16 : 12, PEAK_ROUNDS = 1000000 };

typedef struct PeakProbe {
    real seed;
    volatile real sink;
} PeakProbe;

static void peak_item(void *context, int index, int thread)
{
    PeakProbe *probe = context;
    vec chain[PEAK_CHAINS], factor = vsplat(probe->seed), term = vsplat(probe->seed);
    (void)thread;
    UNROLL
    for (int k = 0; k < PEAK_CHAINS; k++)
        chain[k] = vsplat((real)(index + k));
    ROLLED
    for (int i = 0; i < PEAK_ROUNDS; i++) {
        UNROLL
        for (int k = 0; k < PEAK_CHAINS; k++)
            chain[k] = vfma(chain[k], factor, term);
    }
    for (int k = 1; k < PEAK_CHAINS; k++)
        chain[0] += chain[k];
    probe->sink = chain[0][0];
}

/* GFLOP/s of all threads of the pool together, two operations a multiply-add; takes some
 * milliseconds. */
static inline double peak_measure(Pool *pool)
{
    PeakProbe probe = {(real)0.5, 0};
    int threads = pool_threads(pool);
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    pool_run(pool, peak_item, &probe, threads);
    clock_gettime(CLOCK_MONOTONIC, &to);
    double seconds = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
    return 2e-9 * PEAK_ROUNDS * PEAK_CHAINS * VL * threads / seconds;
}

#endif
