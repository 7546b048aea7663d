/* cuda_weight.cu -- template: shares of a weight gradient, for NVRTC.
 *
 * Both operands lie along the sum, so tiles keep four steps of a row together and are read so. A
 * block makes HEIGHT x WIDTH of a share, a thread TR x TC of it, every HEIGHT / TR-th row and the
 * columns that along_column() says. Compiles on its own with the default contents of its holes. */
#include "cuda_device.h"
enum { STRIDE = 12 };
/*[*/
KERNEL PRODUCT_BOUNDS(/*{threads*/256/*}*/)
    /*{name*/weight_gradient/*}*/(/*{parameters*/const real *__restrict__ y, const real *__restrict__ x, real *out/*}*/)
{
    enum {
        ROWS = /*{rows*/10/*}*/, COLUMNS = /*{columns*/10/*}*/, STEPS = /*{steps*/12/*}*/,
        PART = /*{part*/16/*}*/, THREADS = /*{threads*/256/*}*/,
        TR = /*{tile_rows*/8/*}*/, TC = /*{tile_columns*/8/*}*/,
        TALL = THREADS / 16, HEIGHT = TALL * TR, WIDTH = 16 * TC,
        FULL = STEPS % ALONG_DEPTH == 0, /* no tile is cut */
        ACROSS = (COLUMNS + WIDTH - 1) / WIDTH, /* blocks side by side */
        ROWS_FULL = ROWS % HEIGHT == 0, COLUMNS_FULL = COLUMNS % WIDTH == 0
    };
    alignas(16) __shared__ real left[ALONG_STAGES][HEIGHT * PITCH];
    alignas(16) __shared__ real right[ALONG_STAGES][WIDTH * PITCH];
    const int tx = along_side(), ty = along_top();
    const int m0 = (int)blockIdx.x / ACROSS * HEIGHT, n0 = (int)blockIdx.x % ACROSS * WIDTH;
    const int from = (int)blockIdx.z * PART, to = from + PART < STEPS ? from + PART : STEPS;
    const int tiles = (to - from + ALONG_DEPTH - 1) / ALONG_DEPTH;
    auto fetch = [&](int tile, int stage) {
        const int k = from + tile * ALONG_DEPTH;
        if (tile < tiles) {
            /*{fetch_left*/copy_along_rows<HEIGHT, THREADS, FULL>(left[stage], y, STRIDE, ROWS, k, to, m0);/*}*/
            /*{fetch_right*/copy_along_rows<WIDTH, THREADS, FULL>(right[stage], x, STRIDE, COLUMNS, k, to, n0);/*}*/
        }
        copies_end_group();
    };
    real sum[TR][TC] = {};
    int stage = 0;
    ROLLED
    for (int tile = 0; tile < ALONG_STAGES - 1; tile++)
        fetch(tile, tile);
    ROLLED
    for (int tile = 0; tile < tiles; tile++) {
        copies_wait<1>();
        BARRIER();
        fetch(tile + 2, stage > 0 ? stage - 1 : ALONG_STAGES - 1);
        multiply_along<TR, TC>(sum, left[stage] + ty * PITCH, TALL * PITCH, right[stage] + tx * PITCH);
        stage = stage + 1 < ALONG_STAGES ? stage + 1 : 0;
    }
    UNROLL
    for (int r = 0; r < TR; r++) {
        const int f = m0 + ty + TALL * r;
        UNROLL
        for (int c = 0; c < TC; c++) {
            const int n = n0 + tx + along_column(c);
            if ((ROWS_FULL || f < ROWS) && (COLUMNS_FULL || n < COLUMNS))
                /*{out*/out/*}*/[((int)blockIdx.z * ROWS + f) * /*{row*/12/*}*/ + n] = sum[r][c];
        }
    }
}
/*]*/
