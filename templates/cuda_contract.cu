/* cuda_contract.cu -- template: a tiled product with a fused epilogue, for NVRTC.
 *
 * A block makes HEIGHT x WIDTH of the product, a thread TR x TC of it in registers, where
 * tile_top(), tile_side() and tile_row() say. Tiles of both operands come to shared memory
 * STAGES - 1 steps ahead of their use. Compiles on its own with the default contents of its holes. */
#include "cuda_device.h"
enum { STRIDE = 12 };
/*[*/
KERNEL PRODUCT_BOUNDS(/*{threads*/256/*}*/)
    /*{name*/contract/*}*/(/*{parameters*/const real *__restrict__ w, const real *__restrict__ x, real *out/*}*/)
{
    enum {
        ROWS = /*{rows*/10/*}*/, COLUMNS = /*{columns*/10/*}*/, STEPS = /*{steps*/10/*}*/,
        THREADS = /*{threads*/256/*}*/,
        TR = /*{tile_rows*/8/*}*/, TC = /*{tile_columns*/8/*}*/,
        HEIGHT = THREADS / 16 * TR, WIDTH = 16 * TC,
        LEFT = HEIGHT + TILE_PAD, RIGHT = WIDTH + TILE_PAD,
        FULL = /*{full*/STEPS/*}*/ % DEPTH == 0, /* no tile is cut */
        ACROSS = (COLUMNS + WIDTH - 1) / WIDTH, /* blocks side by side */
        ROWS_FULL = ROWS % HEIGHT == 0, COLUMNS_FULL = /*{columns_full*/COLUMNS % WIDTH == 0/*}*/
    };
    alignas(16) __shared__ real left[STAGES][DEPTH * LEFT], right[STAGES][DEPTH * RIGHT];
    const int tx = tile_side(), ty = tile_top<TR>();
    const int m0 = (int)blockIdx.x / ACROSS * HEIGHT, n0 = (int)blockIdx.x % ACROSS * WIDTH;
/*{range*/    const int to = STEPS, columns = COLUMNS;
/*}*/    const int tiles = (to + DEPTH - 1) / DEPTH;
/*{prepare*//*}*/    auto fetch = [&](int tile) {
        const int k = tile * DEPTH, stage = tile % STAGES;
        if (tile < tiles) {
            /*{fetch_left*/copy_rows<HEIGHT, THREADS, FULL>(left[stage], w, STRIDE, k, to, m0);/*}*/
            /*{fetch_right*/copy_rows<WIDTH, THREADS, FULL>(right[stage], x, STRIDE, k, to, n0);/*}*/
        }
        copies_end_group();
    };
    real sum[TR][TC] = {};
/*{shares*//*}*/    ROLLED
    for (int tile = 0; tile < STAGES - 1; tile++)
        fetch(tile);
    ROLLED
    for (int tile = 0; tile < tiles; tile++) {
        copies_wait<STAGES - 2>();
        BARRIER();
        fetch(tile + STAGES - 1);
        multiply_tile<TR, TC>(sum, left[tile % STAGES] + ty, LEFT, right[tile % STAGES] + tx, RIGHT);
    }
    UNROLL
    for (int r = 0; r < TR; r++) {
        const int f = m0 + ty + tile_row(r);
        UNROLL
        for (int q = 0; q < TC; q += 4) {
            const int n = n0 + tx + 16 * q;
            if ((ROWS_FULL || f < ROWS) && (COLUMNS_FULL || n < columns)) {
                const real *const product = sum[r] + q;
/*{epilogue*/                store_quad(out + f * STRIDE + n, product, COLUMNS - n);
/*}*/            }
        }
    }
/*{joins*//*}*/}
/*]*/
