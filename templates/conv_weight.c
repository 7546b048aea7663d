/* conv_weight.c -- template: a strip's share of a weight gradient, dw[i][o] += sum over lanes of
 * x[i][lane + tap] yt[lane][o].
 *
 * y lies transposed, so that vectors run along o; x is broadcast. The sum goes over the rows of a
 * strip, whose part of yt stays in cache. Compiles on its own with the default contents of its
 * holes. */
#include "vectile.h"
#include "wide.h"
/*[*/
static inline __attribute__((always_inline)) void /*{block*/conv_weight_block/*}*/(const int rows,
    const int vectors, const int first, const int from, const int to, const real *const x[],
    const real *yt, real *dw)
{
    vec sum[/*{rows_a_block*/8/*}*/][/*{vectors_a_block*/2/*}*/];
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = first ? vsplat(0) : vget(dw + r * /*{dw_stride*/64/*}*/ + v * VL);
    }
    for (int p = from; p < to; p++) {
        const real *y = yt + (long)p * /*{row*/1024/*}*/;
        const long row = (long)p * /*{pitch*/64/*}*/;
        ROLLED
        for (int lane = 0; lane < /*{lanes*/16/*}*/; lane++, y += /*{y_stride*/64/*}*/) {
            vec yi[/*{vectors_a_block*/2/*}*/];
            UNROLL
            for (int v = 0; v < vectors; v++)
                yi[v] = vload(y + v * VL);
            UNROLL
            for (int r = 0; r < rows; r++) {
                const vec xi = vsplat(x[r][row + lane]);
                UNROLL
                for (int v = 0; v < vectors; v++)
                    sum[r][v] = vfma(xi, yi[v], sum[r][v]);
            }
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++)
            vput(dw + r * /*{dw_stride*/64/*}*/ + v * VL, sum[r][v]);
    }
}
/*]*/
void conv_weight_test(const real *const x[8], const real *yt, real *dw);
void conv_weight_test(const real *const x[8], const real *yt, real *dw)
{
    conv_weight_block(8, 2, 1, 0, 1, x, yt, dw);
}
