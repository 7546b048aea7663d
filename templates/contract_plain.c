/* contract_plain.c -- template: a contraction with a fused epilogue as simple loops; one row of
 * sums a result row. Compiles on its own with the default contents of its holes. */
#include "scalar.h"
enum { BT = 48 };
/*[*/
static void /*{name*/contract/*}*/(/*{parameters*/real w[restrict 8][16], real x[restrict 16][BT],
    real out[restrict 8][BT]/*}*/)
{
/*{prepare*//*}*/    for (int o = 0; o < /*{rows*/8/*}*/; o++) {
        const int f = o, r = 0;
        real sum[BT] = {0};
        for (int i = 0; i < /*{depth*/16/*}*/; i++)
            for (int lane = 0; lane < BT; lane++)
                sum[lane] += /*{weight*/w[o + r][i]/*}*/ * x[i][lane];
        for (int lane = 0; lane < BT; lane++) {
            const real product = sum[lane];
/*{epilogue*/            out[f][lane] = product;
/*}*/        }
    }
}
/*]*/
void contract_test(real w[8][16], real x[16][BT], real out[8][BT]);
void contract_test(real w[8][16], real x[16][BT], real out[8][BT])
{
    contract(w, x, out);
}
