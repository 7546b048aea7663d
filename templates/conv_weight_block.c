/* conv_weight_block.c -- template: sums of a weight gradient in registers, rows of weights by vectors
 * of their columns, over a chunk of lanes.
 *
 * A GradientBlock (runtime/kernel/wide.h). Compiles on its own with the default contents of its
 * holes. */
#include "vectile.h"
#include "wide.h"
/*[*/
SHARED void /*{name*/conv_weight_block/*}*/(int fresh, int units, const real *const *s,
    const real *restrict t, real *const *dw)
{
    enum { ROWS = /*{rows*/6/*}*/, VECTORS = /*{vectors*/4/*}*/ };
    vec sum[ROWS][VECTORS];
    long p = 0;
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        UNROLL
        for (int v = 0; v < VECTORS; v++)
            sum[r][v] = vsplat(0);
    }
    ROLLED
    for (int unit = 0; unit < units; unit++) {
/*{lane_loop*//*}*/        {
            vec ts[VECTORS];
            UNROLL
            for (int v = 0; v < VECTORS; v++)
                ts[v] = vload(t + v * VL);
            UNROLL
            for (int r = 0; r < ROWS; r++) {
                const vec number = vsplat(s[r][p]);
                UNROLL
                for (int v = 0; v < VECTORS; v++)
                    sum[r][v] = vfma(number, ts[v], sum[r][v]);
            }
            t += VECTORS * VL;
            p++;
        }
/*{skip*//*}*/    }
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        UNROLL
        for (int v = 0; v < VECTORS; v++)
            vput(dw[r] + v * VL, fresh ? sum[r][v] : vget(dw[r] + v * VL) + sum[r][v]);
    }
}
/*]*/
void conv_weight_block_test(const real *const *s, const real *t, real *const *dw);
void conv_weight_block_test(const real *const *s, const real *t, real *const *dw)
{
    conv_weight_block(1, 1024, s, t, dw);
}
