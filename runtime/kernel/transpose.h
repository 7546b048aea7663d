/* transpose.h -- from batch innermost to features innermost, in registers.
 *
 * A vector is a row of chunks of 16 bytes, CHUNK numbers each. A block of VL x VL numbers is
 * transposed in two stages: inside the chunks, among CHUNK neighbouring registers; then whole
 * chunks, among registers CHUNK apart. */
#ifndef GAGAC_TRANSPOSE_H
#define GAGAC_TRANSPOSE_H

#include "real.h"

enum { CHUNK = 16 / (int)sizeof(real) };

/* EACH_CHUNK(pattern): the lanes that pattern(b) names for the first lane b of each chunk. */
#if GAGAC_VECTOR_BYTES == 64
#define EACH_CHUNK(pattern) pattern(0), pattern(CHUNK), pattern(2 * CHUNK), pattern(3 * CHUNK)
#elif GAGAC_VECTOR_BYTES == 32
#define EACH_CHUNK(pattern) pattern(0), pattern(CHUNK)
#else
#define EACH_CHUNK(pattern) pattern(0)
#endif
#define SHUFFLE(a, b, pattern) __builtin_shufflevector(a, b, EACH_CHUNK(pattern))

/* First stage: lane k of the chunks of row[i] becomes lane i of those of row[k]. */
#ifdef GAGAC_F64
#define CHUNK_LANES(i) 2 * (i), 2 * (i) + 1
#define FIRST(b) (b), VL + (b)
#define SECOND(b) (b) + 1, VL + (b) + 1
static inline void transpose_in_chunks(vec row[CHUNK])
{
    vec first = SHUFFLE(row[0], row[1], FIRST);
    row[1] = SHUFFLE(row[0], row[1], SECOND);
    row[0] = first;
}
#else
#define CHUNK_LANES(i) 4 * (i), 4 * (i) + 1, 4 * (i) + 2, 4 * (i) + 3
#define FIRST_TWO(b) (b), VL + (b), (b) + 1, VL + (b) + 1
#define LAST_TWO(b) (b) + 2, VL + (b) + 2, (b) + 3, VL + (b) + 3
#define LOW_PAIRS(b) (b), (b) + 1, VL + (b), VL + (b) + 1
#define HIGH_PAIRS(b) (b) + 2, (b) + 3, VL + (b) + 2, VL + (b) + 3
static inline void transpose_in_chunks(vec row[CHUNK])
{
    vec low01 = SHUFFLE(row[0], row[1], FIRST_TWO), high01 = SHUFFLE(row[0], row[1], LAST_TWO);
    vec low23 = SHUFFLE(row[2], row[3], FIRST_TWO), high23 = SHUFFLE(row[2], row[3], LAST_TWO);
    row[0] = SHUFFLE(low01, low23, LOW_PAIRS);
    row[1] = SHUFFLE(low01, low23, HIGH_PAIRS);
    row[2] = SHUFFLE(high01, high23, LOW_PAIRS);
    row[3] = SHUFFLE(high01, high23, HIGH_PAIRS);
}
#endif

/* Second stage: chunk k of row[i * CHUNK] becomes chunk i of row[k * CHUNK]. */
static inline void transpose_chunks(vec *row)
{
#if GAGAC_VECTOR_BYTES == 64
#define PICK(a, b, i, j, k, l) \
    __builtin_shufflevector(a, b, CHUNK_LANES(i), CHUNK_LANES(j), CHUNK_LANES(k), CHUNK_LANES(l))
    vec low01 = PICK(row[0], row[CHUNK], 0, 1, 4, 5), high01 = PICK(row[0], row[CHUNK], 2, 3, 6, 7);
    vec low23 = PICK(row[2 * CHUNK], row[3 * CHUNK], 0, 1, 4, 5);
    vec high23 = PICK(row[2 * CHUNK], row[3 * CHUNK], 2, 3, 6, 7);
    row[0] = PICK(low01, low23, 0, 2, 4, 6);
    row[CHUNK] = PICK(low01, low23, 1, 3, 5, 7);
    row[2 * CHUNK] = PICK(high01, high23, 0, 2, 4, 6);
    row[3 * CHUNK] = PICK(high01, high23, 1, 3, 5, 7);
#elif GAGAC_VECTOR_BYTES == 32
#define PICK(a, b, i, j) __builtin_shufflevector(a, b, CHUNK_LANES(i), CHUNK_LANES(j))
    vec first = PICK(row[0], row[CHUNK], 0, 2);
    row[CHUNK] = PICK(row[0], row[CHUNK], 1, 3);
    row[0] = first;
#else
    (void)row;
#endif
}

/* dst[s][f] = src[f][s] for f, s < VL */
static inline void transpose_block(real *dst, long dst_stride, const real *src, long src_stride)
{
    vec row[VL];
    UNROLL
    for (int f = 0; f < VL; f++)
        row[f] = vload(src + f * src_stride);
    UNROLL
    for (int f = 0; f < VL; f += CHUNK)
        transpose_in_chunks(row + f);
    UNROLL
    for (int i = 0; i < CHUNK; i++)
        transpose_chunks(row + i);
    UNROLL
    for (int s = 0; s < VL; s++)
        vstore(dst + s * dst_stride, row[s]);
}

/* VL features of LANES samples: all of the cache lines that are read */
static inline void transpose_strip(real *dst, long dst_stride, const real *src, long src_stride)
{
    ROLLED
    for (int s = 0; s < LANES; s += VL)
        transpose_block(dst + s * dst_stride, dst_stride, src + s, src_stride);
}

/* dst[lanes][dst_stride] is src[features][src_stride] transposed: dst[s * dst_stride + f] =
 * src[f * src_stride + s], with zeros for f from features up to the next multiple of LANES. lanes
 * and both strides are multiples of LANES. Near the speed of copying. */
static inline void transpose_tile(real *dst, long dst_stride, const real *src, long src_stride,
                                  int features, int lanes)
{
    int whole = features / VL * VL, padded = (features + LANES - 1) / LANES * LANES;
    ROLLED
    for (int s = 0; s < lanes; s += LANES) {
        real *row = dst + s * dst_stride;
        ROLLED
        for (int f = 0; f < whole; f += VL)
            transpose_strip(row + f, dst_stride, src + f * src_stride + s, src_stride);
        for (int f = whole; f < padded; f += VL) {
            ALIGNED real edge[VL * LANES] = {0};
            for (int i = f; i < features; i++)
                memcpy(edge + (i - f) * LANES, src + i * src_stride + s, LANES * sizeof *edge);
            transpose_strip(row + f, dst_stride, edge, LANES);
        }
    }
}

#endif
