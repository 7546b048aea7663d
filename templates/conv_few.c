/* conv_few.c -- template: a weight gradient where one side has few channels, as at the ends of a
 * network for pictures.
 *
 * An item is a row of the filter for some channels of y and of x. Its sums stay in registers over a
 * row of lanes, LANES partial sums each, and are added to `sums` after it; the last row done, they
 * are reduced. Nothing is transposed, and few lines of the maps are read more than once. Compiles on
 * its own with the default contents of its holes. */
#include "vectile.h"
#include "wide.h"
enum { B = 16 };
/*[*/
SHARED void /*{name*/conv_few/*}*/(int from, int to, /*{parameters*/real *restrict sums,
    real y[restrict 64][32][32 * B], real x[restrict 3][34][34 * B], real dw[restrict 27][64]/*}*/)
{
    enum { OUT = /*{out*/8/*}*/, IN = /*{in*/1/*}*/, TAPS = /*{taps*/3/*}*/, COUNT = OUT * IN * TAPS };
    ROLLED
    for (int row = 0; row < /*{height*/32/*}*/; row++)
        ROLLED
        for (int item = from; item < to; item++) {
            const int k = item % /*{filter_rows*/3/*}*/;
            const int c = item / /*{filter_rows*/3/*}*/ % /*{in_blocks*/3/*}*/ * IN;
            const int o = item / /*{items_an_out*/9/*}*/ * OUT;
            const real *const ys = /*{y*/&y[o][row][0]/*}*/;
            const real *const xs = /*{x*/&x[c][row + k][0]/*}*/;
            ROLLED
            for (int part = 0; part < LANES; part += VL) {
                real *const total = sums + (long)item * COUNT * LANES + part;
                vec sum[OUT][IN * TAPS];
                UNROLL
                for (int i = 0; i < OUT; i++) {
                    UNROLL
                    for (int j = 0; j < IN * TAPS; j++)
                        sum[i][j] = row ? vload(total + (i * IN * TAPS + j) * LANES) : vsplat(0);
                }
                ROLLED
                for (int lane = part; lane < /*{lanes*/32 * B/*}*/; lane += LANES) {
                    const int place = /*{place*/lane/*}*/;
                    vec number[OUT];
                    UNROLL
                    for (int i = 0; i < OUT; i++)
                        number[i] = vget(ys + (long)i * /*{y_pitch*/32 * 32 * B/*}*/ + lane);
                    UNROLL
                    for (int j = 0; j < IN * TAPS; j++) {
                        const vec at = vget(xs + (long)(j / TAPS) * /*{x_pitch*/34 * 34 * B/*}*/ +
                                            j % TAPS * /*{batch*/B/*}*/ + place);
                        UNROLL
                        for (int i = 0; i < OUT; i++)
                            sum[i][j] = vfma(number[i], at, sum[i][j]);
                    }
                }
                UNROLL
                for (int i = 0; i < OUT; i++) {
                    UNROLL
                    for (int j = 0; j < IN * TAPS; j++)
                        vstore(total + (i * IN * TAPS + j) * LANES, sum[i][j]);
                }
            }
            if (row < /*{height*/32/*}*/ - 1)
                continue;
            for (int i = 0; i < OUT; i++)
                for (int j = 0; j < IN * TAPS; j++)
                    dw[(k * TAPS + j % TAPS) * /*{inputs*/3/*}*/ + c + j / TAPS][o + i] =
                        lane_reduce(sums + ((long)item * COUNT + i * IN * TAPS + j) * LANES);
        }
}
/*]*/
void conv_few_test(real *sums, real y[64][32][32 * B], real x[3][34][34 * B], real dw[27][64]);
void conv_few_test(real *sums, real y[64][32][32 * B], real x[3][34][34 * B], real dw[27][64])
{
    conv_few(0, 72, sums, y, x, dw);
}
