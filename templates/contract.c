/* contract.c -- template: a contraction with a fused epilogue, in register blocks.
 *
 * Blocks of ROWS_A_BLOCK result rows by NV vectors of samples stay in registers while K runs;
 * weights are broadcast scalars. K is never unrolled (it would spill). Where it is long it runs in
 * parts, from `from` to `to`, so that a part's rows of the operand stay in the nearest cache for
 * all blocks; the sums wait in the result's place for the next part. Compiles on its own with the
 * default contents of its holes. */
#include "vectile.h"
enum { BT = 48 };
/*[*/
static inline __attribute__((always_inline)) void /*{block*/contract_block/*}*/(
    const int rows, /*{range*//*}*/int o, int l, /*{parameters*/real w[restrict 8][16],
    real x[restrict 16][BT], real out[restrict 8][BT]/*}*/)
{
/*{ahead*//*}*/    vec sum[/*{rows_a_block*/8/*}*/][/*{vectors*/48 / VL/*}*/];
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < /*{vectors*/48 / VL/*}*/; v++)
            sum[r][v] = /*{start*/vsplat(0)/*}*/;
    }
/*{fetch*//*}*/    ROLLED
    for (int i = /*{from*/0/*}*/; i < /*{to*/16/*}*/; i++) {
/*{prefetch*//*}*/        vec xi[/*{vectors*/48 / VL/*}*/];
        UNROLL
        for (int v = 0; v < /*{vectors*/48 / VL/*}*/; v++)
            xi[v] = vload(&x[i][l + v * VL]);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const vec wi = vsplat(/*{weight*/w[o + r][i]/*}*/);
            UNROLL
            for (int v = 0; v < /*{vectors*/48 / VL/*}*/; v++)
                sum[r][v] = vfma(wi, xi[v], sum[r][v]);
        }
    }
/*{wait*//*}*//*{load_sums*//*}*/    UNROLL
    for (int r = 0; r < rows; r++) {
        const int f = o + r;
/*{load_totals*//*}*/        UNROLL
        for (int v = 0; v < /*{vectors*/48 / VL/*}*/; v++) {
            const int lane = l + v * VL;
            const vec product = sum[r][v];
/*{epilogue*/            vstore(&out[f][lane], product);
/*}*/        }
/*{store_totals*//*}*/    }
/*{store_sums*//*}*/}

SHARED void /*{name*/contract/*}*/(/*{parameters*/real w[restrict 8][16], real x[restrict 16][BT],
    real out[restrict 8][BT]/*}*/)
{
/*{prepare*//*}*//*{blocks*/    for (int l = 0; l < BT; l += 48)
        contract_block(8, 0, l, w, x, out);
/*}*/}
/*]*/
void contract_test(real w[8][16], real x[16][BT], real out[8][BT]);
void contract_test(real w[8][16], real x[16][BT], real out[8][BT])
{
    contract(w, x, out);
}
