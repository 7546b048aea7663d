/* vecrng.h -- the draws of rng.h for a whole tile of samples at once, with the same bits. */
#ifndef GAGAC_VECRNG_H
#define GAGAC_VECRNG_H

#include "rng.h"
#include "vecmath.h"

enum { WIDE_LANES = GAGAC_VECTOR_BYTES / 8 };

/* 64-bit lanes, each with a 32-bit word in its low half; the high half may hold anything. */
typedef uint64_t wide __attribute__((vector_size(GAGAC_VECTOR_BYTES)));

/* 64-bit products of the low halves. One instruction; gcc must be told. */
static inline wide wide_multiply(wide a, uint32_t factor)
{
#if defined(__clang__) || !defined(__SSE2__)
    return (a & UINT32_MAX) * (uint64_t)factor;
#else
    typedef int words __attribute__((vector_size(GAGAC_VECTOR_BYTES)));
    words b = (words)((uint64_t)factor - (wide){0});
#if GAGAC_VECTOR_BYTES == 64
    typedef long long products __attribute__((vector_size(64)));
    return (wide)__builtin_ia32_pmuludq512_mask((words)a, b, (products)a, (unsigned char)-1);
#elif GAGAC_VECTOR_BYTES == 32
    return (wide)__builtin_ia32_pmuludq256((words)a, b);
#else
    return (wide)__builtin_ia32_pmuludq128((words)a, b);
#endif
#endif
}

/* philox4x32() in every lane. */
static inline void wide_philox(wide counter[4], const uint32_t key[2])
{
    uint32_t key0 = key[0], key1 = key[1];
    UNROLL
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        wide product0 = wide_multiply(counter[0], PHILOX_FACTORS[0]);
        wide product1 = wide_multiply(counter[2], PHILOX_FACTORS[1]);
        counter[0] = product1 >> 32 ^ counter[1] ^ key0;
        counter[1] = product1;
        counter[2] = product0 >> 32 ^ counter[3] ^ key1;
        counter[3] = product0;
        key0 += PHILOX_WEYL[0];
        key1 += PHILOX_WEYL[1];
    }
}

/* One block for WIDE_LANES samples: first, first + step, ... */
static inline void wide_block(wide counter[4], uint64_t seed, uint32_t stream, uint64_t update,
                              uint64_t first, uint64_t step, uint32_t block)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    wide sample;
    UNROLL
    for (int i = 0; i < WIDE_LANES; i++)
        sample[i] = first + step * (uint64_t)i;
    counter[0] = sample;
    counter[1] = update - (wide){0};
    counter[2] = sample >> 32 << 8 | stream;
    counter[3] = (wide){0} | draw_block_word(block, update);
    wide_philox(counter, key);
}

/* One block for VL samples from first on: the words of draw_block(), a sample a lane. */
static inline void vdraw_words(vword words[4], uint64_t seed, uint32_t stream, uint64_t update,
                               uint64_t first, uint32_t block)
{
#ifdef GAGAC_F64
    wide all[4];
    wide_block(all, seed, stream, update, first, 1, block);
    UNROLL
    for (int i = 0; i < 4; i++)
        words[i] = (vword)(all[i] & UINT32_MAX);
#else
    wide even[4], odd[4];
    wide_block(even, seed, stream, update, first, 2, block);
    wide_block(odd, seed, stream, update, first + 1, 2, block);
    UNROLL
    for (int i = 0; i < 4; i++)
        words[i] = (vword)((even[i] & UINT32_MAX) | odd[i] << 32);
#endif
}

/* out[width][lanes], batch innermost: columns from `start` (a multiple of DRAWS_A_BLOCK) of samples
 * first .. first + lanes - 1, lanes a multiple of LANES. Meaning of the other arguments and their
 * limits: rng.h. */
static inline void draw_columns(real *out, int start, int width, int lanes, DrawKind kind,
                                uint64_t seed, uint32_t stream, uint64_t update, uint64_t first)
{
    for (int column = 0; column < width; column += DRAWS_A_BLOCK) {
        int count = width - column < DRAWS_A_BLOCK ? width - column : DRAWS_A_BLOCK;
        ROLLED
        for (int s = 0; s < lanes; s += VL) {
            vword words[4];
            vec draws[DRAWS_A_BLOCK];
            vdraw_words(words, seed, stream, update, first + (uint64_t)s,
                        (uint32_t)((start + column) / DRAWS_A_BLOCK));
            if (kind == DRAW_NORMAL)
                vnormal_block(words, draws);
            else
                vuniform_block(words, draws);
            UNROLL
            for (int i = 0; i < DRAWS_A_BLOCK; i++) {
                if (i < count)
                    vstore(out + (long)(column + i) * lanes + s, draws[i]);
            }
        }
    }
}

#endif
