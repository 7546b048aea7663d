/* tile.h -- the inputs of a tile of samples, batch innermost: tile[column][lane].
 *
 * Values come from the data set, from a replay file or from the random numbers of rng.h. Included
 * by plain code as it is; vectile.h puts the vectors of vecrng.h in the place of draw_columns(). */
#ifndef GAGAC_TILE_H
#define GAGAC_TILE_H

#include "data.h"
#include "program.h"
#include "rng.h"

/* A tuned kernel function: compiled once in a unit, however often it is called, so that code grows
 * with what differs only, and not as a part of a caller, where it would take a compiler longer. */
#define SHARED __attribute__((noinline, unused)) static

#ifndef GAGAC_VECRNG_H
/* out[width][lanes]: columns from `start` of samples first .. first + lanes - 1. The other
 * arguments: rng.h. */
static inline void draw_columns(real *out, int start, int width, int lanes, DrawKind kind,
                                uint64_t seed, uint32_t stream, uint64_t update, uint64_t first)
{
    for (int column = 0; column < width; column += DRAWS_A_BLOCK) {
        for (int s = 0; s < lanes; s++) {
            real draws[DRAWS_A_BLOCK];
            draw_block(draws, kind, seed, stream, update, first + (uint64_t)s,
                       (uint32_t)((start + column) / DRAWS_A_BLOCK));
            for (int i = 0; i < DRAWS_A_BLOCK && column + i < width; i++)
                out[(column + i) * lanes + s] = draws[i];
        }
    }
}
#endif

/* The sum of 16 partial sums: halves are added to halves, always in this order. */
static inline real lane_reduce(const real sum[LANES])
{
    real half[LANES];
    memcpy(half, sum, sizeof half);
    UNROLL
    for (int width = LANES / 2; width > 0; width /= 2) {
        UNROLL
        for (int i = 0; i < width; i++)
            half[i] = half[i] + half[i + width];
    }
    return half[0];
}

/* Lanes from `live` on repeat the last live sample, so that all that is computed stays finite. */
static inline int live_lane(int lane, int live) { return lane < live ? lane : live - 1; }

enum { FILL_GROUP = 64 }; /* rows on their way from memory at a time */

/* Rows of the data set in their shuffled order. */
static inline void fill_data(const Batch *batch, real *tile, int lanes, long first, int live)
{
    Order order = data_order(batch->data, batch->seed);
    for (int group = 0; group < lanes; group += FILL_GROUP) {
        int count = lanes - group < FILL_GROUP ? lanes - group : FILL_GROUP;
        uint64_t rows[FILL_GROUP];
        for (int i = 0; i < count; i++) {
            uint64_t sample = (uint64_t)first + (uint64_t)live_lane(group + i, live);
            rows[i] = order_row(&order, batch->position + sample);
            data_prefetch(batch->data, rows[i]);
        }
        for (int i = 0; i < count; i++)
            data_row(batch->data, rows[i], tile + group + i, lanes);
    }
}

/* Given values, row-major: given[sample][width]. */
static inline void fill_given(const real *given, int width, real *tile, int lanes, long first,
                              int live)
{
    for (int lane = 0; lane < lanes; lane++) {
        const real *row = given + (first + live_lane(lane, live)) * width;
        for (int column = 0; column < width; column++)
            tile[(long)column * lanes + lane] = row[column];
    }
}

/* The counter of an input's draws in this update: see ProgramInput. */
static inline uint64_t input_update(const Batch *batch, const ProgramInput *input)
{
    if (input->once)
        return 0;
    if (input->first_only)
        return batch->first_update;
    return input->last_data ? batch->data_update : batch->update;
}

/* Fills tile[input->width][lanes] with samples first .. first + live - 1 of the batch, lanes a
 * multiple of LANES, 1 <= live <= lanes, tile 64-byte aligned. What a lane gets depends on its
 * sample alone. */
static inline void fill_input(const Batch *batch, int input_index, const ProgramInput *input,
                              real *tile, int lanes, long first, int live)
{
    const real *given = batch->given[input_index];
    if (given)
        fill_given(given, input->width, tile, lanes, first, live);
    else if (input->kind == INPUT_DATA)
        fill_data(batch, tile, lanes, first, live);
    else
        draw_columns(tile, 0, input->width, lanes,
                     input->kind == INPUT_NORMAL ? DRAW_NORMAL : DRAW_UNIFORM, batch->seed,
                     (uint32_t)input->stream, input_update(batch, input),
                     batch->sample_offset + (uint64_t)first);
}

#endif
