/* conv_spread.c -- template: the operand of a convolution of small maps, a copy of all its rows for
 * each column that a tap of the filter begins at.
 *
 * Rows of a copy hold a result's columns and nothing around them, so that rows of one phase are one
 * row of lanes. Columns behind the last one are zeros: nothing that is stored comes of them.
 * Compiles on its own with the default contents of its holes. */
#include "vectile.h"
#include "wide.h"
enum { B = 16 };
/*[*/
SHARED void /*{name*/conv_spread/*}*/(int from, int to, /*{parameters*/
    real x[restrict 64][6][6 * B], real *restrict spread/*}*/)
{
    enum { COPIES = /*{copies*/3/*}*/, ROWS = /*{rows*/6/*}*/, ROW_LANES = /*{row_lanes*/4 * B/*}*/ };
    for (int c = from; c < to; c++)
        for (int copy = 0; copy < COPIES; copy++) {
            const int first = (/*{first*/0/*}*/ + copy) * /*{batch*/B/*}*/;
            const int rest = /*{lanes*/6 * B/*}*/ - first;
            const int count = rest < ROW_LANES ? rest : ROW_LANES;
            real *out = spread + ((long)c * COPIES + copy) * ROWS * ROW_LANES;
            for (int row = 0; row < ROWS; row++, out += ROW_LANES) {
                for (int lane = 0; lane < count; lane++)
                    out[lane] = x[c][row][first + lane];
                for (int lane = count; lane < ROW_LANES; lane++)
                    out[lane] = 0;
            }
        }
}
/*]*/
void conv_spread_test(real x[64][6][6 * B], real *spread);
void conv_spread_test(real x[64][6][6 * B], real *spread)
{
    conv_spread(0, 64, x, spread);
}
