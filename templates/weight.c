/* weight.c -- template: a tile's share of a weight gradient, dw[o][i] += sum over samples of
 * y[o][s] x[i][s].
 *
 * x is transposed once, so that vectors run along i; the sum goes over the live samples only, in
 * their order. The first tile of a shard overwrites what an earlier step left. Compiles on its own
 * with the default contents of its holes. */
#include "vectile.h"
enum { BT = 48 };
/*[*/
static inline __attribute__((always_inline)) void /*{block*/weight_block/*}*/(
    const int rows, const int vectors, int o, int i, int first, int live,
    real y[restrict /*{rows*/8/*}*/][BT], real xt[restrict BT][/*{stride*/80/*}*/],
    real dw[restrict /*{rows*/8/*}*/][/*{stride*/80/*}*/])
{
    vec sum[/*{rows_a_block*/5/*}*/][/*{vectors_a_block*/5/*}*/];
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = first ? vsplat(0) : vload(&dw[o + r][i + v * VL]);
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++) /* the next block's sums, from a cache far away */
            __builtin_prefetch(&dw[o + rows + r][i + v * VL], 1);
    }
    ROLLED
    for (int s = 0; s < live; s++) {
        vec xs[/*{vectors_a_block*/5/*}*/];
        UNROLL
        for (int v = 0; v < vectors; v++)
            xs[v] = vload(&xt[s][i + v * VL]);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const vec ys = vsplat(y[o + r][s]);
            UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r][v] = vfma(ys, xs[v], sum[r][v]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++)
            vstore(&dw[o + r][i + v * VL], sum[r][v]);
    }
}

static void /*{name*/weight/*}*/(int first, int live, real xt[restrict BT][/*{stride*/80/*}*/],
    real y[restrict /*{rows*/8/*}*/][BT], real x[restrict /*{columns*/80/*}*/][BT],
    real dw[restrict /*{rows*/8/*}*/][/*{stride*/80/*}*/])
{
    transpose_tile(&xt[0][0], /*{stride*/80/*}*/, &x[0][0], BT, /*{columns*/80/*}*/, BT);
/*{blocks*/    for (int i = 0; i < 80; i += 5 * VL)
        for (int o = 0; o < 5; o += 5)
            weight_block(5, 5, o, i, first, live, y, xt, dw);
/*}*/}
/*]*/
void weight_test(real xt[BT][80], real y[8][BT], real x[80][BT], real dw[8][80]);
void weight_test(real xt[BT][80], real y[8][BT], real x[80][BT], real dw[8][80])
{
    weight(1, BT, xt, y, x, dw);
}
