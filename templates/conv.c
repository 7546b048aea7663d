/* conv.c -- template: the items of a convolution.
 *
 * An item is a group of panels of result channels, for some rows. The sum over the channels runs in
 * parts: lanes of one part of the operand stay in the first cache while all panels of the group go
 * over them, and the sums wait in `sums` for the next part. Compiles on its own with the default
 * contents of its holes. */
#include "vectile.h"
#include "wide.h"
enum { B = 16 };
/*[*/
SHARED void /*{name*/conv/*}*/(int from, int to, /*{parameters*/
    real x[restrict 64][34][34 * B], real out[restrict 64][32][32 * B]/*}*/)
{
    real sums[/*{sums*/3 * 64 * 32 * B/*}*/] ALIGNED;
/*{local*/    const real *const packed = x[0][0];
/*}*/    ROLLED
    for (int item = from; item < to; item++) {
        const int begin = item % /*{groups*/1/*}*/ * /*{group*/64/*}*/;
        const int top = item / /*{groups*/1/*}*/ * /*{strip*/1/*}*/;
        const int end = begin + /*{group*/64/*}*/ < /*{results*/64/*}*/ ? begin + /*{group*/64/*}*/ : /*{results*/64/*}*/;
        const int bottom = top + /*{strip*/1/*}*/ < /*{height*/32/*}*/ ? top + /*{strip*/1/*}*/ : /*{height*/32/*}*/;
        ROLLED
        for (int channel = 0; channel < /*{channels*/64/*}*/; channel += /*{part*/32/*}*/) {
            const int rest = /*{channels*/64/*}*/ - channel;
            const int channels = rest < /*{part*/32/*}*/ ? rest : /*{part*/32/*}*/;
            real *sum = sums;
/*{panels*/            const real *const panels = packed + (long)channel * 576;
/*}*/            ROLLED
            for (int row = top; row < bottom; row++) {
/*{blocks*/                for (int start = 0; start < 32 * B; start += 2 * VL)
                    for (int first = begin; first < end; first += 8, sum += 24 * VL)
                        vput(out[first][row] + start, vget(panels) * vget(sum) * vget(x[channel][row]) * vsplat((real)channels));
/*}*/            }
        }
    }
}
/*]*/
void conv_test(real x[64][34][34 * B], real out[64][32][32 * B]);
void conv_test(real x[64][34][34 * B], real out[64][32][32 * B])
{
    conv(0, 32, x, out);
}
