/* wide.h -- the wide order: whole arrays of a batch, value[...][sample], kernel by kernel.
 *
 * Arrays lie in one block; vectors are loaded and stored without alignment, as rows have any length
 * and maps have zeros around them. Plain code uses the part that needs no vectors. */
#ifndef GAGAC_WIDE_H
#define GAGAC_WIDE_H

#include "edges.h"
#include "tile.h"

#ifdef GAGAC_VECRNG_H
typedef real vec_anywhere __attribute__((vector_size(GAGAC_VECTOR_BYTES), aligned(sizeof(real))));

static inline vec vget(const real *p) { return *(const vec_anywhere *)p; }
static inline void vput(real *p, vec a) { *(vec_anywhere *)p = a; }

/* dst[lane][features, zeros up to a multiple of LANES] of src[feature][lane], `lanes` of them. dst
 * and its stride are aligned to LANES reals, src is not. */
static inline void transpose_lanes(real *dst, long dst_stride, const real *src, long src_stride,
                                   int features, int lanes)
{
    for (int s = 0; s < lanes; s += LANES) {
        const int count = lanes - s < LANES ? lanes - s : LANES;
        for (int f = 0; f < features; f += VL) {
            const int rows = features - f < VL ? features - f : VL;
            ALIGNED real from[VL * LANES] = {0}, to[LANES * VL];
            for (int i = 0; i < rows; i++)
                memcpy(from + i * LANES, src + (f + i) * src_stride + s,
                       (size_t)count * sizeof *from);
            transpose_strip(to, VL, from, LANES);
            for (int i = 0; i < count; i++)
                vstore(dst + (s + i) * dst_stride + f, vload(to + i * VL));
        }
        for (int f = (features + VL - 1) / VL * VL; f < dst_stride; f += VL)
            for (int i = 0; i < count; i++)
                vstore(dst + (s + i) * dst_stride + f, vsplat(0));
    }
}

/* The columns of a row of maps by phases: out[phase][column / stride][sample]; `pitch` reals a
 * phase. */
static inline void split_columns(real *out, const real *row, int columns, int stride, int batch,
                                 int pitch)
{
    for (int column = 0; column < columns; column++)
        memcpy(out + (size_t)(column % stride) * (size_t)pitch +
                   (size_t)(column / stride) * (size_t)batch,
               row + (size_t)column * (size_t)batch, (size_t)batch * sizeof *row);
}
#endif

/* Fills out[width][count] with samples first .. first + live - 1 of an input; samples from live on
 * repeat others. Whole groups of 16 samples are drawn and those that are wanted kept. */
static inline void fill_wide(const Batch *batch, int input_index, const ProgramInput *input,
                             real *out, int count, long first, int live)
{
    enum { COLUMNS = 64 };
    real block[COLUMNS * LANES] __attribute__((aligned(64)));
    const real *given = batch->given[input_index];
    if (given) {
        fill_given(given, input->width, out, count, first, live);
        return;
    }
    if (input->kind == INPUT_DATA) {
        fill_data(batch, out, count, first, live);
        return;
    }
    DrawKind kind = input->kind == INPUT_NORMAL ? DRAW_NORMAL : DRAW_UNIFORM;
    for (int group = 0; group < count; group += LANES) {
        int lanes = count - group < LANES ? count - group : LANES;
        for (int column = 0; column < input->width; column += COLUMNS) {
            int columns = input->width - column < COLUMNS ? input->width - column : COLUMNS;
            draw_columns(block, column, columns, LANES, kind, batch->seed, (uint32_t)input->stream,
                         input_update(batch, input),
                         batch->sample_offset + (uint64_t)(first + group));
            if (input->high > input->low)
                for (int k = 0; k < columns * LANES; k++) {
                    real scaled = block[k] * (real)(input->high - input->low);
                    block[k] = scaled + (real)input->low;
                }
            for (int c = 0; c < columns; c++)
                memcpy(out + (size_t)(column + c) * (size_t)count + (size_t)group,
                       block + c * LANES, (size_t)lanes * sizeof(real));
        }
    }
}

#endif
