/* conv_block.c -- template: sums of a convolution in registers, rows result channels by vectors of
 * lanes, over some of the channels.
 *
 * A ConvBlock (runtime/kernel/wide.h). Channels and filter rows stay loops, filter columns are
 * written out. How far apart channels and rows are is given, so layers of different size share a
 * block. Lanes behind the last one of a row hold whatever follows. Compiles on its own with the
 * default contents of its holes. */
#include "vectile.h"
#include "wide.h"
enum { B = 16 };
#define CONV_TAP(offset)                                                                     \
    for (int r = 0; r < ROWS; r++)                                                           \
        for (int v = 0; v < VECTORS; v++)                                                    \
            sum[r][v] = vfma(vsplat(w[r]), vget(at + place[v] + (offset)), sum[r][v]);
/*[*/
SHARED void /*{name*/conv_block/*}*/(int fresh, int channels, int depth, int start,
    const real *restrict /*{panel*/w/*}*/, const real *restrict x, const Ahead *ahead,
    long channel_pitch, long row_pitch, const real *from, real *to, long pitch)
{
    enum { ROWS = /*{rows*/8/*}*/, VECTORS = /*{vectors*/3/*}*/ };
/*{ahead*/    (void)ahead;
/*}*/    vec sum[ROWS][VECTORS];
    long place[VECTORS];
    UNROLL
    for (int v = 0; v < VECTORS; v++) {
        const int lane = start + v * VL;
        place[v] = /*{place*/lane/*}*/;
    }
    if (fresh) {
        UNROLL
        for (int r = 0; r < ROWS; r++) {
            UNROLL
            for (int v = 0; v < VECTORS; v++)
                sum[r][v] = vsplat(0);
        }
    } else {
        UNROLL
        for (int r = 0; r < ROWS; r++) {
            UNROLL
            for (int v = 0; v < VECTORS; v++)
                sum[r][v] = vget(from + (r * /*{slot_vectors*/3/*}*/ + v) * VL);
        }
    }
    ROLLED
    for (int c = 0; c < channels; c++) {
        const real *at = x + c * channel_pitch;
/*{channel_weights*//*}*/        ROLLED
        for (int k = 0; k < depth; k++, at += row_pitch) {
/*{fetch*/            __builtin_prefetch(at + place[0] + channel_pitch);
/*}*//*{taps*/            CONV_TAP(0)
            CONV_TAP(B)
/*}*/        }
    }
    UNROLL
    for (int r = 0; r < ROWS; r++) {
        UNROLL
        for (int v = 0; v < VECTORS; v++)
            vput(to + r * pitch + v * VL, sum[r][v]);
    }
}
/*]*/
void conv_block_test(const real *w, const real *x, real *line);
void conv_block_test(const real *w, const real *x, real *line)
{
    conv_block(1, 64, 3, 0, w, x, NULL, 34 * 34 * B, 34 * B, line, line, 3 * VL);
}
