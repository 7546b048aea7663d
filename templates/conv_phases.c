/* conv_phases.c -- template: the transposed convolution with a stride, as one convolution for each
 * phase of the result's rows and columns, or a convolution of small maps, which has one phase; with
 * a fused epilogue.
 *
 * Items and parts of the sum are those of conv.c. The row's phase decides how many filter rows take
 * part. The phases of columns are computed one after the other and meet in `line`, in blocks of one
 * column. Of small maps, whose rows would not fill vectors, `row` is the first of all rows of its
 * phase, and a block's lanes go over all of them. Compiles on its own with the default contents of
 * its holes. */
#include "vectile.h"
#include "wide.h"
enum { B = 16 };
/*[*/
static inline __attribute__((always_inline)) void /*{name*/conv_phases/*}*/(
    int rows, int row, int first, int begin, int channel, int channels,
    const real *restrict panels, real *sum, const real *ahead, /*{parameters*/
    real x[restrict 64][34][34 * B], real out[restrict 64][32][32 * B]/*}*/)
{
    enum { PHASES = /*{phases_of_columns*/2/*}*/, ROW_LANES = /*{row_lanes*/4 * B/*}*/ };
    real part[PHASES][/*{rows_a_block*/8/*}*/][/*{part_pitch*/64/*}*/] ALIGNED;
    real line[/*{rows_a_block*/8/*}*/][/*{line_pitch*/128/*}*/] ALIGNED;
    const int last = channel + channels == /*{channels*/64/*}*/;
    const int phase = (row + /*{before*/1/*}*/) % /*{row_stride*/2/*}*/;
    const int depth = (/*{filter_rows*/5/*}*/ + /*{row_stride*/2/*}*/ - 1 - phase) / /*{row_stride*/2/*}*/;
    const int y = /*{y*/(row + 1 - phase) / 2 - depth + 1/*}*/;
    const int turns = /*{turns*/1/*}*/;
    const real *at_phase = panels;
    for (int k = 0; k < phase; k++)
        at_phase += (/*{filter_rows*/5/*}*/ + /*{row_stride*/2/*}*/ - 1 - k) / /*{row_stride*/2/*}*/ *
             /*{filter_columns*/5/*}*/ * /*{panel_channels*/(long)channels/*}*/ * rows;
    (void)y, (void)at_phase, (void)sum, (void)ahead;
/*{weights*//*}*//*{phases*/    (void)x;
    memset(part, 0, sizeof part);
/*}*/    if (!last)
        return;
    const int begin_lane = begin * /*{column_lanes*/2 * B/*}*/;
    const int rest = /*{lanes*/32 * B/*}*/ - begin_lane;
    const int count = rest < /*{chunk_lanes*/128/*}*/ ? rest : /*{chunk_lanes*/128/*}*/;
    for (int turn = 0; turn < turns; turn++, row += /*{row_stride*/2/*}*/) {
        for (int r = 0; r < rows; r++)
            for (int k = 0; k < PHASES; k++)
                for (int v = 0; v < /*{columns*/4/*}*/ && (begin + v) * PHASES + k < /*{width*/32/*}*/; v++)
                    memcpy(&line[r][(v * PHASES + k) * /*{batch*/B/*}*/],
                        &part[k][r][turn * ROW_LANES + v * /*{batch*/B/*}*/],
                        /*{batch*/B/*}*/ * sizeof(real));
        ROLLED
        for (int r = 0; r < rows; r++) {
            const int f = first + r;
/*{epilogue*/            for (int at = 0; at < count; at += VL) {
                const int lane = begin_lane + at;
                const vec product = vget(&line[r][at]);
                vput(&out[f][row][lane], product);
            }
/*}*/        }
    }
}
/*]*/
void conv_phases_test(const real *packed, real x[64][34][34 * B], real out[64][32][32 * B]);
void conv_phases_test(const real *packed, real x[64][34][34 * B], real out[64][32][32 * B])
{
    conv_phases(8, 0, 0, 0, 0, 64, packed, NULL, NULL, x, out);
}
