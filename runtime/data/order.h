/* order.h -- the endless order in which a training reads rows, computed for any position.
 *
 * The data are read in passes; each pass is a new permutation of all rows, of which the first
 * floor(rows / batch) * batch are used, so that no batch is cut. A row index is written as
 * high * width + low, low < width, high < height, width * height >= rows, both near the square
 * root; a Feistel network adds to each half in turn a random function of the other (Black and
 * Rogaway, "Ciphers with arbitrary finite domains", 2002). A result beyond the rows goes through it
 * again: still a permutation, and seldom needed. The keys come from Philox4x32-10 of (seed, pass).
 * There is no table: a position costs the same for 1e2 and for 1e10 rows. */
#ifndef GAGAC_ORDER_H
#define GAGAC_ORDER_H

#include "rng.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    ORDER_ROUNDS = 6,
    ORDER_LEAST_WIDTH = 16, /* on fewer than 256 indices a Feistel network is not random enough */
    ORDER_PURPOSE = 0x6f726472 /* third word of the Philox counter */
};

typedef struct Order {
    uint64_t rows,
        usable; /* rows of the data; rows of a pass that are used, a multiple of the batch */
    uint64_t seed;
    bool shuffled; /* false: each pass reads the file from its start */
    uint64_t width, height;
    double reciprocal; /* 1 / width */
    uint64_t first;    /* position of the first row of the pass that the keys are for */
    uint64_t keys[ORDER_ROUNDS];
} Order;

/* Start of order_row(): call it again when the position leaves the pass. */
static inline void order_enter(Order *order, uint64_t position)
{
    uint64_t pass = position / order->usable;
    order->first = pass * order->usable;
    for (int i = 0; i < ORDER_ROUNDS; i += 2) {
        uint32_t counter[4] = {(uint32_t)pass, (uint32_t)(pass >> 32), ORDER_PURPOSE, (uint32_t)i};
        uint32_t key[2] = {(uint32_t)order->seed, (uint32_t)(order->seed >> 32)};
        philox4x32(counter, key);
        order->keys[i] = counter[0] | (uint64_t)counter[1] << 32;
        order->keys[i + 1] = counter[2] | (uint64_t)counter[3] << 32;
    }
}

/* 2^48 >= rows >= batch >= 1. */
static inline Order order_start(uint64_t rows, uint64_t batch, bool shuffled, uint64_t seed)
{
    Order order = {0}; /* without named fields: the text is CUDA's too */
    order.rows = rows;
    order.usable = rows / batch * batch;
    order.seed = seed;
    order.shuffled = shuffled;
    order.width = ORDER_LEAST_WIDTH;
    for (uint64_t step = (uint64_t)1 << 26; step > 0; step >>= 1) { /* up to the square root */
        if ((order.width + step) * (order.width + step) <= rows)
            order.width += step;
    }
    order.height = (rows + order.width - 1) / order.width;
    order.height = order.height < ORDER_LEAST_WIDTH ? ORDER_LEAST_WIDTH : order.height;
    order.reciprocal = 1 / (double)order.width;
    order_enter(&order, 0);
    return order;
}

/* (half + random function of other and key) mod size; half < size < 2^32. */
static inline uint64_t order_add(uint64_t half, uint64_t size, uint64_t other, uint64_t key)
{
    uint64_t product = (uint64_t)(uint32_t)(other ^ key) * (key >> 32 | 1);
    half += (uint64_t)(uint32_t)(product ^ product >> 32) * size >> 32;
    return half >= size ? half - size : half;
}

/* Image of a row index under the permutation of the current pass. */
static inline uint64_t order_permute(const Order *order, uint64_t row)
{
    do {
        /* row / width: half a row away from the next integer, no rounding can reach it */
        uint64_t high = (uint64_t)(int64_t)(((double)(int64_t)row + 0.5) * order->reciprocal);
        uint64_t low = row - high * order->width;
        for (int i = 0; i < ORDER_ROUNDS; i += 2) {
            high = order_add(high, order->height, low, order->keys[i]);
            low = order_add(low, order->width, high, order->keys[i + 1]);
        }
        row = high * order->width + low;
    } while (row >= order->rows);
    return row;
}

/* The row at a position of the endless order. Each thread has its own Order (copy it). */
static inline uint64_t order_row(Order *order, uint64_t position)
{
    if (position - order->first >= order->usable)
        order_enter(order, position);
    uint64_t row = position - order->first;
    return order->shuffled ? order_permute(order, row) : row;
}

#endif
