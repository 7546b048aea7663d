/* rng.h -- random numbers: a pure function of what they are for.
 *
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). The key is
 * the seed; the counter says which number is meant, so a value may be computed by any thread, in
 * any order, again and again. Plain C99; vecrng.h draws the same bits for many samples at once. */
#ifndef GAGAC_RNG_H
#define GAGAC_RNG_H

#include "scalar.h"

enum { PHILOX_ROUNDS = 10 };
static const uint32_t PHILOX_FACTORS[2] = {0xd2511f53u, 0xcd9e8d57u};
static const uint32_t PHILOX_WEYL[2] = {0x9e3779b9u, 0xbb67ae85u};

/* Replaces the counter by 128 random bits. */
static inline void philox4x32(uint32_t counter[4], const uint32_t key[2])
{
    uint32_t key0 = key[0], key1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t product0 = (uint64_t)PHILOX_FACTORS[0] * counter[0];
        uint64_t product1 = (uint64_t)PHILOX_FACTORS[1] * counter[2];
        counter[0] = (uint32_t)(product1 >> 32) ^ counter[1] ^ key0;
        counter[1] = (uint32_t)product1;
        counter[2] = (uint32_t)(product0 >> 32) ^ counter[3] ^ key1;
        counter[3] = (uint32_t)product0;
        key0 += PHILOX_WEYL[0];
        key1 += PHILOX_WEYL[1];
    }
}

/* Draws of a training or a sampler. The words of the counter, least significant bits first:
 *
 *     sample (32) | update (32) | stream (8), sample >> 32 (24) | block (20), update >> 32 (12)
 *
 * stream says the purpose (z, alpha, noise ...), update counts the steps that draw for it, sample
 * is the row of the batch or of the output, and column c of a sample is number c % DRAWS_A_BLOCK of
 * block c / DRAWS_A_BLOCK. So a value depends on these and the seed alone, never on tiles or
 * threads. Limits: stream < 2^8, sample < 2^56, update < 2^44, column < 2^20 DRAWS_A_BLOCK. */
typedef enum DrawKind { DRAW_NORMAL, DRAW_UNIFORM } DrawKind; /* N(0, 1); [0, 1) */

static inline uint32_t draw_purpose(uint32_t stream, uint64_t sample)
{
    return stream | (uint32_t)(sample >> 32) << 8;
}

static inline uint32_t draw_block_word(uint32_t block, uint64_t update)
{
    return block | (uint32_t)(update >> 32) << 20;
}

/* All DRAWS_A_BLOCK numbers of one block. */
static inline void draw_block(real draws[DRAWS_A_BLOCK], DrawKind kind, uint64_t seed,
                              uint32_t stream, uint64_t update, uint64_t sample, uint32_t block)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t counter[4] = {(uint32_t)sample, (uint32_t)update, draw_purpose(stream, sample),
                           draw_block_word(block, update)};
    philox4x32(counter, key);
    const real_word words[4] = {counter[0], counter[1], counter[2], counter[3]};
    if (kind == DRAW_NORMAL)
        real_normal_block(words, draws);
    else
        real_uniform_block(words, draws);
}

/* One sample: out[width]. */
static inline void draw_row(real *out, int width, DrawKind kind, uint64_t seed, uint32_t stream,
                            uint64_t update, uint64_t sample)
{
    for (int column = 0; column < width; column += DRAWS_A_BLOCK) {
        real draws[DRAWS_A_BLOCK];
        draw_block(draws, kind, seed, stream, update, sample, (uint32_t)(column / DRAWS_A_BLOCK));
        for (int i = 0; i < DRAWS_A_BLOCK && column + i < width; i++)
            out[column + i] = draws[i];
    }
}

/* Noise on the weights of a training: DRAWS_A_BLOCK numbers in [0, 1) for those from `column`, a
 * multiple of that, of a row of a tensor. Limits: tensor < 2^12, row < 2^24, column < 2^26. */
static inline void draw_shake(real draws[DRAWS_A_BLOCK], uint64_t seed, uint64_t iteration,
                              int tensor, int row, int column)
{
    enum { STREAM_SHAKE = 36, PIECE = 64 };
    const uint64_t place =
        (uint64_t)tensor << 44 | (uint64_t)row << 20 | (uint64_t)(column / PIECE);
    draw_block(draws, DRAW_UNIFORM, seed, STREAM_SHAKE, iteration, place,
               (uint32_t)(column % PIECE / DRAWS_A_BLOCK));
}

static inline real draw_one_normal(uint64_t seed, uint32_t stream, uint64_t update, uint64_t sample,
                                   uint32_t column)
{
    real draws[DRAWS_A_BLOCK];
    draw_block(draws, DRAW_NORMAL, seed, stream, update, sample, column / DRAWS_A_BLOCK);
    return draws[column % DRAWS_A_BLOCK];
}

static inline real draw_one_uniform(uint64_t seed, uint32_t stream, uint64_t update,
                                    uint64_t sample, uint32_t column)
{
    real draws[DRAWS_A_BLOCK];
    draw_block(draws, DRAW_UNIFORM, seed, stream, update, sample, column / DRAWS_A_BLOCK);
    return draws[column % DRAWS_A_BLOCK];
}

#endif
