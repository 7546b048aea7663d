/* edges.h -- the zeros around maps. Plain C99: also part of a shipped sampler. */
#ifndef GAGAC_EDGES_H
#define GAGAC_EDGES_H

#include "scalar.h"

#include <stddef.h>
#include <string.h>

/* Zeros around `channels` maps of [height][width * batch] reals: rows and columns before and after.
 */
static inline void clear_edges(real *maps, int channels, int height, int width, int batch,
                               const int before[2], const int after[2])
{
    const size_t pitch = (size_t)(before[1] + width + after[1]) * (size_t)batch;
    const size_t rows = (size_t)(before[0] + height + after[0]);
    const size_t left = (size_t)before[1] * (size_t)batch, right = (size_t)after[1] * (size_t)batch;
    for (int c = 0; c < channels; c++, maps += rows * pitch) {
        memset(maps, 0, (size_t)before[0] * pitch * sizeof(real));
        for (int row = 0; row < height; row++) {
            real *at = maps + (size_t)(before[0] + row) * pitch;
            memset(at, 0, left * sizeof(real));
            memset(at + pitch - right, 0, right * sizeof(real));
        }
        memset(maps + (rows - (size_t)after[0]) * pitch, 0,
               (size_t)after[0] * pitch * sizeof(real));
    }
}

#endif
