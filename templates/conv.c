/* conv.c -- template: a convolution over rows of lanes with a fused epilogue.
 *
 * An item is a row of the result for one panel of channels. The epilogue runs over whole vectors:
 * the last one of a row begins early where the row is no multiple of a vector, and its numbers are
 * computed twice. Compiles on its own with the default contents of its holes. */
#include "vectile.h"
#include "wide.h"
enum { B = 16 };
static inline __attribute__((always_inline)) void conv_block(const int rows, const int vectors,
    int depth, int start, const real *restrict w, const real *restrict x, real *restrict line,
    const int pitch)
{
    (void)depth;
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            vput(line + r * pitch + v * VL, vget(w + r) * vget(x + start + v * VL));
}
/*[*/
static inline __attribute__((always_inline)) void /*{tile*/conv_tile/*}*/(
    const int rows, const int vectors, int row, int first, int start, /*{parameters*/
    const real *restrict packed, real x[restrict 64][34][34 * B], real out[restrict 64][32][32 * B]/*}*/)
{
    real line[/*{rows_a_block*/8/*}*/][/*{vectors_a_block*/3/*}*/ * VL] ALIGNED;
    /*{block*/conv_block/*}*/(rows, vectors, /*{depth*/3/*}*/, start,
        /*{weights*/packed + (long)first * 576/*}*/, /*{origin*/&x[0][row][0]/*}*/, line[0],
        /*{vectors_a_block*/3/*}*/ * VL);
    (void)row;
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

SHARED void /*{name*/conv/*}*/(int from, int to, /*{parameters*/const real *restrict packed,
    real x[restrict 64][34][34 * B], real out[restrict 64][32][32 * B]/*}*/)
{
    ROLLED
    for (int item = from; item < to; item++) {
        const int row = /*{row*/item / 8/*}*/, first = /*{first*/item % 8 * 8/*}*/;
/*{blocks*/        for (int start = 0; start < 32 * B; start += 2 * VL)
            conv_tile(8, 2, row, first, start, packed, x, out);
/*}*/    }
}
/*]*/
void conv_test(const real *packed, real x[64][34][34 * B], real out[64][32][32 * B]);
void conv_test(const real *packed, real x[64][34][34 * B], real out[64][32][32 * B])
{
    conv(0, 32 * 8, packed, x, out);
}
