/* conv.c -- template: a convolution over rows of lanes with a fused epilogue, in register blocks.
 *
 * Blocks of ROWS result channels by VECTORS vectors of lanes stay in registers while the sum runs
 * over channels and the filter's rows; its columns are unrolled. A tap is an offset in the row, as
 * maps have zeros around them. Weights are broadcast from panels in the order of the sum. Compiles
 * on its own with the default contents of its holes. */
#include "vectile.h"
#include "wide.h"
/*[*/
static inline __attribute__((always_inline)) void /*{block*/conv_block/*}*/(const int rows,
    const int vectors, const int o, const int p, const int l, /*{parameters*/const real *w,
    const real *x, real *out/*}*/)
{
    vec sum[/*{rows_a_block*/8/*}*/][/*{vectors_a_block*/2/*}*/];
    const real *at = /*{operand*/x + p * 64 + l/*}*/;
/*{panel*/    const real *panel = w + (long)o * 9;
/*}*/    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r][v] = vsplat(0);
    }
    ROLLED
    for (int c = 0; c < /*{channels*/3/*}*/; c++, at += /*{plane*/4096/*}*/) {
/*{taps*/        for (int k = 0; k < 3; k++) {
            UNROLL
            for (int t = 0; t < 3; t++, panel += 8) {
                vec xi[2];
                UNROLL
                for (int v = 0; v < vectors; v++)
                    xi[v] = vget(at + k * 64 + t + v * VL);
                UNROLL
                for (int r = 0; r < rows; r++) {
                    const vec wi = vsplat(panel[r]);
                    UNROLL
                    for (int v = 0; v < vectors; v++)
                        sum[r][v] = vfma(wi, xi[v], sum[r][v]);
                }
            }
        }
/*}*/    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        const int f = o + r;
        UNROLL
        for (int v = 0; v < vectors; v++) {
/*{epilogue*/            vput(out + f * 64 + l + v * VL, sum[r][v]);
/*}*/        }
    }
}
/*]*/
void conv_test(const real *w, const real *x, real *out);
void conv_test(const real *w, const real *x, real *out)
{
    conv_block(8, 2, 0, 0, 0, w, x, out);
}
