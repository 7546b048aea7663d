/* conv_weight.c -- template: a weight gradient over rows of lanes, dw[row][...] += sum over rows and
 * lanes of a number of one operand times a vector of the other, which lies transposed.
 *
 * Sums over a chunk of lanes stay in registers (conv_weight_block.c) and are added to dw after it:
 * the chunk's vectors stay in the first cache, and sums of sums lose fewer digits. Compiles on its
 * own with the default contents of its holes. */
#include "vectile.h"
#include "wide.h"
static void conv_weight_block(int fresh, int units, const real *const *s, const real *t,
    real *const *dw)
{
    (void)fresh, (void)units;
    vput(dw[0], vget(s[0]) * vget(t));
}
/*[*/
SHARED void /*{name*/conv_weight/*}*/(int from, int to, /*{strip*//*}*//*{parameters*/const real *restrict packed,
    real s[restrict 16][1024], real dw[restrict 16][64]/*}*/)
{
    const int top = /*{top*/0/*}*/;
    ROLLED
    for (int group = from; group < to; group += /*{group*/128/*}*/) {
        const int end = group + /*{group*/128/*}*/ < to ? group + /*{group*/128/*}*/ : to;
        ROLLED
        for (int row = top; row < top + /*{map_rows*/1/*}*/; row++) {
            for (int begin = 0; begin < /*{units*/1024/*}*/; begin += /*{chunk*/128/*}*/) {
                const int rest = /*{units*/1024/*}*/ - begin;
                const int units = rest < /*{chunk*/128/*}*/ ? rest : /*{chunk*/128/*}*/;
                const int fresh = row == 0 && begin == 0;
                ROLLED
                for (int item = group; item < end; item++) {
                    const real *number[/*{rows_a_block*/6/*}*/];
                    real *target[/*{rows_a_block*/6/*}*/];
/*{blocks*/                    for (int r = 0; r < 6; r++) {
                        number[r] = &s[item * 6 + r][begin];
                        target[r] = dw[item * 6 + r];
                    }
                    conv_weight_block(fresh, units, number, packed + (long)begin * 64, target);
/*}*/                }
            }
        }
    }
}
/*]*/
void conv_weight_test(const real *packed, real s[16][1024], real dw[16][64]);
void conv_weight_test(const real *packed, real s[16][1024], real dw[16][64])
{
    conv_weight(0, 2, packed, s, dw);
}
