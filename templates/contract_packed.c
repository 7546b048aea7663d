/* contract_packed.c -- template: a contraction with a fused epilogue in portable C, for a shipped
 * sampler.
 *
 * Blocks of rows and steps of four along the sum keep the vector units of every common compiler
 * busy; the additions come in the order of the plain loop. Compiles on its own. */
#include "scalar.h"
enum { BT = 16 };
/*[*/
static void /*{name*/contract/*}*/(/*{parameters*/const real w[restrict 8][6],
    real x[restrict 6][BT], real out[restrict 8][BT]/*}*/)
{
/*{prepare*//*}*/    for (int block = 0; block < /*{rows*/8/*}*/;
         block += /*{rows_a_block*/4/*}*/) {
        /* the last block overlaps the one before it */
        const int o = block < /*{last_block*/4/*}*/ ? block : /*{last_block*/4/*}*/;
        real sum[/*{rows_a_block*/4/*}*/][BT] = {{0}};
        for (int i = 0; i < /*{full_depth*/4/*}*/; i += 4)
            for (int lane = 0; lane < BT; lane++)
                for (int r = 0; r < /*{rows_a_block*/4/*}*/; r++) {
                    real s = sum[r][lane];
                    s += w[o + r][i] * x[i][lane];
                    s += w[o + r][i + 1] * x[i + 1][lane];
                    s += w[o + r][i + 2] * x[i + 2][lane];
                    s += w[o + r][i + 3] * x[i + 3][lane];
                    sum[r][lane] = s;
                }
/*{rest*/        for (int i = 4; i < 6; i++)
            for (int lane = 0; lane < BT; lane++)
                for (int r = 0; r < 4; r++)
                    sum[r][lane] += w[o + r][i] * x[i][lane];
/*}*/        for (int r = 0; r < /*{rows_a_block*/4/*}*/; r++)
            for (int lane = 0; lane < BT; lane++) {
                const int f = o + r;
                const real product = sum[r][lane];
/*{epilogue*/                out[f][lane] = product;
/*}*/            }
    }
}
/*]*/
void contract_test(const real w[8][6], real x[6][BT], real out[8][BT]);
void contract_test(const real w[8][6], real x[6][BT], real out[8][BT])
{
    contract(w, x, out);
}
