/* conv_block.c -- template: sums of a convolution in registers, rows result channels by vectors of
 * lanes, over some of the channels.
 *
 * w is a panel of packed weights (wide.h); x the place of the first filter row and column in the
 * first of the channels. Sums go on from `from` unless they are
 * fresh. Channels and filter rows stay loops, filter columns are written out. Lanes behind the last
 * one of a row hold whatever follows. Compiles on its own with the default contents of its holes. */
#include "vectile.h"
#include "wide.h"
enum { B = 16 };
#define CONV_TAP(offset)                                                                     \
    for (int r = 0; r < rows; r++)                                                           \
        for (int v = 0; v < vectors; v++)                                                    \
            sum[r][v] = vfma(vsplat(w[r]), vget(at + place[v] + (offset)), sum[r][v]);
/*[*/
static inline __attribute__((always_inline)) void /*{name*/conv_block/*}*/(const int rows,
    const int vectors, int fresh, int channels, int depth, int start, const real *restrict /*{panel*/w/*}*/,
    const real *restrict x, const real *from, real *to, const int pitch)
{
    vec sum[/*{rows_a_block*/8/*}*/][/*{vectors_a_block*/3/*}*/];
    long place[/*{vectors_a_block*/3/*}*/];
    UNROLL
    for (int v = 0; v < vectors; v++) {
        const int lane = start + v * VL;
        place[v] = /*{place*/lane/*}*/;
    }
    if (fresh) {
        UNROLL
        for (int r = 0; r < rows; r++) {
            UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r][v] = vsplat(0);
        }
    } else {
        UNROLL
        for (int r = 0; r < rows; r++) {
            UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r][v] = vget(from + (r * /*{vectors_a_block*/3/*}*/ + v) * VL);
        }
    }
    ROLLED
    for (int c = 0; c < channels; c++) {
        const real *at = x + (long)c * /*{channel_pitch*/34 * 34 * B/*}*/;
/*{channel_weights*//*}*/        ROLLED
        for (int k = 0; k < depth; k++, at += /*{row_pitch*/34 * B/*}*/) {
/*{fetch*/            __builtin_prefetch(at + place[0] + 34 * 34 * B);
/*}*//*{taps*/            CONV_TAP(0)
            CONV_TAP(B)
/*}*/        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++)
            vput(to + (long)r * pitch + v * VL, sum[r][v]);
    }
}
/*]*/
void conv_block_test(const real *w, const real *x, real *line);
void conv_block_test(const real *w, const real *x, real *line)
{
    conv_block(8, 3, 1, 64, 3, 0, w, x, line, line, 3 * VL);
}
