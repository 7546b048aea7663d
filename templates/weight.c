/* weight.c -- template: a tile's share of a weight gradient, dw[o][i] += sum over samples of
 * y[o][s] x[i][s].
 *
 * Strip by strip of dw's columns, x is transposed, so that vectors run along i; then blocks of
 * outer products. The sum goes over the live samples only, in their order. A strip stays in the
 * nearest cache; the next rows of dw are fetched meanwhile. The first term of the first tile of a
 * shard overwrites what an earlier step left. Compiles on its own with the default contents of its
 * holes. */
#include "vectile.h"
enum { BT = 48 };
/*[*/
static inline __attribute__((always_inline)) void /*{block*/weight_block/*}*/(
    const int rows, const int vectors, int o, int c, int i, int first, int live,
    real y[restrict /*{rows*/8/*}*/][BT], real xt[restrict BT][/*{strip*/80/*}*/],
    real dw[restrict /*{rows*/8/*}*/][/*{stride*/80/*}*/])
{
    real(*const block_y)[BT] = &y[o];
    real(*const block_dw)[/*{stride*/80/*}*/] = &dw[o];
    vec sum[/*{rows_a_block*/5/*}*/][/*{vectors_a_block*/5/*}*/];
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = first ? vsplat(0) : vload(&block_dw[r][c + i + v * VL]);
    }
    ROLLED
    for (int s = 0; s < live; s++) {
        __builtin_prefetch(&block_dw[rows + (s & /*{fetch_rows*/7/*}*/)][c + i + /*{fetch_column*/s/*}*/], 1);
        vec xs[/*{vectors_a_block*/5/*}*/];
        UNROLL
        for (int v = 0; v < vectors; v++)
            xs[v] = vload(&xt[s][i + v * VL]);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const vec ys = vsplat(block_y[r][s]);
            UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r][v] = vfma(ys, xs[v], sum[r][v]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++)
            vstore(&block_dw[r][c + i + v * VL], sum[r][v]);
    }
}

SHARED void /*{name*/weight/*}*/(int first, int live, real xt[restrict BT][/*{strip*/80/*}*/],
    real y[restrict /*{rows*/8/*}*/][BT], real x[restrict /*{columns*/80/*}*/][BT],
    real dw[restrict /*{rows*/8/*}*/][/*{stride*/80/*}*/])
{
/*{strips*/    transpose_tile(&xt[0][0], 80, &x[0][0], BT, 80, BT);
    for (int o = 0; o < 5; o += 5)
        weight_block(5, 5, o, 0, 0, first, live, y, xt, dw);
/*}*/}
/*]*/
void weight_test(real xt[BT][80], real y[8][BT], real x[80][BT], real dw[8][80]);
void weight_test(real xt[BT][80], real y[8][BT], real x[80][BT], real dw[8][80])
{
    weight(1, BT, xt, y, x, dw);
}
