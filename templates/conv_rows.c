/* conv_rows.c -- template: a block of a convolution with a fused epilogue, once the last part of its
 * channels is done.
 *
 * The epilogue runs over whole vectors: the last one of a row begins early where the row is no
 * multiple of a vector, and its numbers are computed twice. Compiles on its own with the default
 * contents of its holes. */
#include "vectile.h"
#include "wide.h"
enum { B = 16 };
static void conv_block(int fresh, int channels, int depth, int start, const real *w, const real *x,
    const Ahead *ahead, long channel_pitch, long row_pitch, const real *from, real *to, long pitch)
{
    (void)fresh, (void)channels, (void)ahead, (void)depth, (void)from, (void)channel_pitch, (void)row_pitch;
    for (int r = 0; r < 8; r++)
        vput(to + r * pitch, vget(w + r) * vget(x + start));
}
/*[*/
static inline __attribute__((always_inline)) void /*{name*/conv_rows/*}*/(
    int rows, const int vectors, int row, int first, int start, int channel, int channels,
    const real *restrict panels, real *sum, const real *ahead, /*{parameters*/
    real x[restrict 64][34][34 * B], real out[restrict 64][32][32 * B]/*}*/)
{
    real line[/*{rows_a_block*/8/*}*/][/*{vectors_a_block*/3/*}*/ * VL] ALIGNED;
    const int last = channel + channels == /*{channels*/64/*}*/;
    ConvBlock *const block = /*{block*/conv_block/*}*/;
    block(channel == 0, channels, /*{depth*/3/*}*/, start, panels,
        /*{origin*/&x[0][row][0]/*}*/ + (long)channel * /*{channel_pitch*/34 * 34 * B/*}*/, /*{ahead*/NULL/*}*/,
        /*{channel_pitch*/34 * 34 * B/*}*/, /*{row_pitch*/34 * B/*}*/, sum,
        last ? line[0] : sum, /*{vectors_a_block*/3/*}*/ * VL);
/*{weights*//*}*/    (void)row, (void)ahead;
    if (!last)
        return;
    ROLLED
    for (int r = 0; r < rows; r++) {
        const int f = first + r;
/*{epilogue*/        UNROLL
        for (int v = 0; v < vectors; v++) {
            const int lane = start + v * VL;
            const vec product = vload(&line[r][lane - start]);
            vput(&out[f][row][lane], product);
        }
/*}*/    }
}
/*]*/
void conv_rows_test(const real *panels, real *sum, real x[64][34][34 * B], real out[64][32][32 * B]);
void conv_rows_test(const real *panels, real *sum, real x[64][34][34 * B], real out[64][32][32 * B])
{
    conv_rows(8, 3, 0, 0, 0, 0, 64, panels, sum, NULL, x, out);
}
