/* totals.h -- sums over a batch: 16 partial sums an element, shares of shards, a fixed tree.
 *
 * A batch is cut into a fixed number of shards of consecutive tiles. Each shard adds up its samples
 * in their order; the shares are combined in a fixed binary tree. So a total has the same bits for
 * any number of threads.                          */
#ifndef GAGAC_TOTALS_H
#define GAGAC_TOTALS_H

#include "tile.h"

/* The total of one number over `shards` shares that lie `stride` reals apart. */
static inline __attribute__((always_inline)) real total_at(const real *first, const int shards,
                                                           long stride)
{
    real part[16];
    UNROLL
    for (int k = 0; k < shards; k++)
        part[k] = first[k * stride];
    for (int step = 1; step < shards; step *= 2)
        for (int k = 0; k + step < shards; k += 2 * step)
            part[k] += part[k + step];
    return part[0];
}

/* The same for VL neighbouring numbers. */
static inline __attribute__((always_inline)) vec vtotal_at(const real *first, const int shards,
                                                           long stride)
{
    vec part[16];
    UNROLL
    for (int k = 0; k < shards; k++)
        part[k] = vload(first + k * stride);
    UNROLL
    for (int step = 1; step < 16; step *= 2) {
        UNROLL
        for (int k = 0; k < 16; k += 2 * step)
            if (k + step < shards)
                part[k] += part[k + step];
    }
    return part[0];
}

/* The total of an element that keeps 16 partial sums in each share. */
static inline real total_lanes_at(const real *first, int shards, long stride)
{
    real part[16];
    for (int k = 0; k < shards; k++)
        part[k] = lane_reduce(first + k * stride);
    return total_at(part, shards, 1);
}

/* The same for VL neighbouring elements, as one vector. */
static inline vec vtotal_lanes_at(real (*first)[LANES], int shards, long stride)
{
    real total[VL] __attribute__((aligned(64)));
    for (int k = 0; k < VL; k++)
        total[k] = total_lanes_at(first[k], shards, stride);
    return vload(total);
}

#endif
