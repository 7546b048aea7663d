/* profile.h -- time spent in each numbered kernel, for `train --bench`; nothing unless built with
 * -DGAGAC_PROFILE. */
#ifndef GAGAC_PROFILE_H
#define GAGAC_PROFILE_H

#ifdef GAGAC_PROFILE
#include <time.h>

typedef struct Profile { /* of one thread in one tile */
    double since;
    int kernel, thread;
} Profile;

static inline double profile_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Gives the time since the last call to the kernel that ran meanwhile; `seconds` is
 * [kernels][PROFILE_THREADS][8]. */
static inline void profile_switch(Profile *p, double (*seconds)[PROFILE_THREADS][8], int next)
{
    double now = profile_now();
    if (p->kernel >= 0 && p->thread < PROFILE_THREADS)
        seconds[p->kernel][p->thread][0] += now - p->since;
    p->since = now;
    p->kernel = next;
}

#define PROFILE(thread) Profile profile = {0, -1, thread}
#define KERNEL(n) profile_switch(&profile, kernel_seconds, n)
#else
#define PROFILE(thread) (void)(thread)
#define KERNEL(n) (void)0
#endif

#endif
