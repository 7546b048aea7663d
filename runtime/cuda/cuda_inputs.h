/* cuda_inputs.h -- how the kernels of a training read their inputs and the host's facts. */
#ifndef GAGAC_CUDA_INPUTS_H
#define GAGAC_CUDA_INPUTS_H

#include "cuda_device.h"
#include "cuda_run.h"

static inline const CudaFacts *facts_of(const CudaRun *run, int update)
{
    return &run->facts[run->slot * run->updates + (unsigned)update];
}

/* Given values, row-major: given[sample][width], else rows of the data in their shuffled order. */
template <int WIDTH, int COUNT, int STRIDE>
static inline void fill_data(const CudaRun *run, const CudaFacts *facts, int input, real *out)
{
    const int sample = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    if (sample >= COUNT)
        return;
    const real *row = facts->given[input];
    if (row) {
        row += (size_t)sample * WIDTH;
    } else {
        uint64_t index = facts->position + (uint64_t)sample - facts->order.first;
        if (facts->order.shuffled)
            index = order_permute(&facts->order, index);
        row = run->data + index * WIDTH;
    }
    for (int k = 0; k < WIDTH; k++)
        out[k * STRIDE + sample] = row[k];
}

/* Given values, else the draws of rng.h: a thread draws a block of a sample. extent > 0: to the
 * interval from low on. */
template <int WIDTH, int COUNT, int STRIDE, int KIND>
static inline void fill_draws(const CudaFacts *facts, int input, uint32_t stream, real low,
                              real extent, real *out)
{
    const int sample = (int)(blockIdx.y * blockDim.x + threadIdx.x), block = (int)blockIdx.x;
    if (sample >= COUNT)
        return;
    const real *given = facts->given[input];
    real draws[DRAWS_A_BLOCK];
    if (!given)
        draw_block(draws, (DrawKind)KIND, facts->seed, stream, facts->counters[input],
                   (uint64_t)sample, (uint32_t)block);
    for (int i = 0; i < DRAWS_A_BLOCK && !given && extent > 0; i++) {
        const real scaled = draws[i] * extent;
        draws[i] = scaled + low;
    }
    UNROLL
    for (int i = 0; i < DRAWS_A_BLOCK; i++) {
        const int column = block * DRAWS_A_BLOCK + i;
        if (column < WIDTH)
            out[column * STRIDE + sample] =
                given ? given[(size_t)sample * WIDTH + column] : draws[i];
    }
}

/* Noise before an iteration: the numbers of a tensor gain U(0, 1) times an amount; a thread draws a
 * block of a row. */
static inline void shake(const CudaRun *run, real amount, int tensor, int rows, int row, int stride,
                         real *values)
{
    const CudaFacts *facts = facts_of(run, 0);
    const int blocks = (row + DRAWS_A_BLOCK - 1) / DRAWS_A_BLOCK;
    const int index = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    const int at = index / blocks, column = index % blocks * DRAWS_A_BLOCK;
    if (!facts->shakes || at >= rows)
        return;
    real draws[DRAWS_A_BLOCK];
    draw_shake(draws, facts->seed, facts->iteration, tensor, at, column);
    UNROLL
    for (int i = 0; i < DRAWS_A_BLOCK; i++) {
        if (column + i < row) {
            const real part = amount * draws[i];
            values[(size_t)at * stride + column + i] += part;
        }
    }
}

/* After the last update of an iteration. */
KERNEL next_iteration(CudaRun *run) { run->slot++; }

#endif
