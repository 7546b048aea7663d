/* cuda_chain.cu -- template: dense layers one after the other, for NVRTC.
 *
 * A block takes WIDTH samples through all layers; their values lie in `tile`, all features of a
 * layer, and each layer's take the place of those before. The weights come to shared memory tile by
 * tile, STAGES - 1 steps ahead. Compiles on its own with the default contents of its holes. */
#include "cuda_device.h"
enum { STRIDE = 12 };
/*[*/
KERNEL __launch_bounds__(/*{threads*/256/*}*/, 1)
    /*{name*/chain/*}*/(/*{parameters*/const real *__restrict__ w, const real *__restrict__ x, real *out/*}*/)
{
    enum {
        THREADS = /*{threads*/256/*}*/, WIDTH = /*{width*/16/*}*/,
        FEATURES = /*{features*/16/*}*/, /* rows of the tile, a multiple of DEPTH */
        HEIGHT = /*{height*/64/*}*/ /* the most rows of a weight's tile */
    };
    alignas(16) __shared__ real left[STAGES][DEPTH * (HEIGHT + TILE_PAD)];
    alignas(16) __shared__ real tile[FEATURES * (WIDTH + TILE_PAD)];
/*{scratch*//*}*/    const int n0 = (int)blockIdx.x * WIDTH, side = chain_side<WIDTH>(), b = n0 + side;
/*{prepare*//*}*//*{fetches*/    auto fetch1 = [&](int tile) {
        copy_rows<HEIGHT, THREADS, true>(left[tile % STAGES], w, STRIDE, tile * DEPTH, 16, 0);
        copies_end_group();
    };
/*}*/    copy_rows<WIDTH, THREADS, false, FEATURES>(tile, /*{x*/x/*}*/, STRIDE, 0, /*{steps*/16/*}*/, n0);
    chain_start(fetch1);
/*{layers*/    { /* 10 x 16 */
        real sum[1][4] = {};
        chain_multiply<1, WIDTH, HEIGHT, 16>(sum, left, tile, fetch1);
        const int f = chain_top<1, WIDTH>();
        if (f < 10 && b < STRIDE)
            store_quad(out + f * STRIDE + b, sum[0], STRIDE - b);
    }
/*}*/}
/*]*/
