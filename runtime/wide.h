/* wide.h -- the wide order: whole arrays of a batch, value[...][sample], kernel by kernel.
 *
 * Arrays lie in one block; vectors are loaded and stored without alignment, as rows have any length
 * and maps have zeros around them. Plain code uses the part that needs no vectors. */
#ifndef GAGAC_WIDE_H
#define GAGAC_WIDE_H

#include "edges.h"
#include "tile.h"

/* Once in a unit, however often it is called: code grows with what differs only. */
#define SHARED __attribute__((noinline, unused)) static

/* clear_edges() as the passes of a step call it */
SHARED void clear_around(real *maps, int channels, int height, int width, int batch,
                         const int before[2], const int after[2])
{
    clear_edges(maps, channels, height, width, batch, before, after);
}

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

/* to[k] = from[k] for k < n <= LANES, in copies of fixed sizes that overlap. */
static inline void copy_few(real *to, const real *from, int n)
{
    if (n >= 8) {
        memcpy(to, from, 8 * sizeof *to);
        memcpy(to + n - 8, from + n - 8, 8 * sizeof *to);
    } else if (n >= 4) {
        memcpy(to, from, 4 * sizeof *to);
        memcpy(to + n - 4, from + n - 4, 4 * sizeof *to);
    } else {
        for (int k = 0; k < n; k++)
            to[k] = from[k];
    }
}

/* How the weights of a convolution w[filter row][filter column][input][pitch] are packed: a panel
 * is `panel` result channels, [phase][channel][filter row][filter column][result channel]. */
typedef struct Panels {
    int results, channels, panel;
    int pitch;     /* reals of a row of w */
    int filter[2]; /* rows and columns */
    int step[2];   /* of a phase's filter rows and columns; as many phases */
    int reversed;  /* results are the inputs of w, filter rows and columns go backwards */
} Panels;

/* Numbers of `rows` result channels from `first` on, for up to LANES channels from c on, of one
 * tap; `stride` reals from channel to channel. */
static inline void pack_tap(const Panels *p, real *to, long stride, const real *tap, int first,
                            int rows, int c)
{
    const int count = p->channels - c < LANES ? p->channels - c : LANES;
    if (!p->reversed) {
        for (int i = 0; i < count; i++)
            copy_few(to + i * stride, tap + (long)(c + i) * p->pitch + first, rows);
        return;
    }
    ALIGNED real block[LANES * LANES];
    transpose_lanes(block, LANES, tap + (long)first * p->pitch + c, p->pitch, rows, count);
    for (int i = 0; i < count; i++)
        copy_few(to + i * stride, block + i * LANES, rows);
}

/* One phase of a panel: filter rows and columns from phase[] on, step[] apart. The place behind it.
 */
static inline real *pack_phase(const Panels *p, real *to, const real *w, const int phase[2],
                               int first, int rows)
{
    const int inputs = p->reversed ? p->results : p->channels;
    int taps[2];
    for (int a = 0; a < 2; a++)
        taps[a] = (p->filter[a] + p->step[a] - 1 - phase[a]) / p->step[a];
    const long stride = (long)taps[0] * taps[1] * rows;
    for (int c = 0; c < p->channels; c += LANES)
        for (int t = 0; t < taps[0] * taps[1]; t++) {
            int k = t / taps[1], l = t % taps[1];
            if (p->reversed) {
                k = phase[0] + p->step[0] * (taps[0] - 1 - k);
                l = phase[1] + p->step[1] * (taps[1] - 1 - l);
            }
            const real *tap = w + (long)(k * p->filter[1] + l) * inputs * p->pitch;
            pack_tap(p, to + (long)c * stride + (long)t * rows, stride, tap, first, rows, c);
        }
    return to + stride * p->channels;
}

/* Panels from .. to - 1 of the weights w. */
SHARED void pack_panels(int from, int to, const Panels *p, const real *w, real *packed)
{
    for (int item = from; item < to; item++) {
        const int first = item * p->panel, rest = p->results - first;
        const int rows = rest < p->panel ? rest : p->panel;
        real *out = packed + (long)first * p->channels * p->filter[0] * p->filter[1];
        for (int k = 0; k < p->step[0]; k++)
            for (int l = 0; l < p->step[1]; l++)
                out = pack_phase(p, out, w, (const int[]){k, l}, first, rows);
    }
}

/* A map of many channels as weight gradients read it: out[row][block of `width`
 * channels][lane][channel of the block], zeros behind the last channel. `pitch` lanes a row, a
 * multiple of LANES, as is `padded`, the channels with the zeros; VL divides width. */
typedef struct Transposed {
    int channels, padded, width;
    int lanes, pitch;
    int row_pitch;      /* reals of a row of x */
    long channel_pitch; /* of a map of x */
} Transposed;

/* Items from .. to - 1 of (row, VL channels); x: the first lane of the first row. */
SHARED void transpose_maps(int from, int to, const Transposed *t, const real *x, real *out)
{
    const int vectors = t->padded / VL;
    for (int item = from; item < to; item++) {
        const int row = item / vectors, f = item % vectors * VL, begin = f / t->width * t->width;
        const int width = t->padded - begin < t->width ? t->padded - begin : t->width;
        const int rows = t->channels - f < VL ? t->channels - f : VL;
        real *const strip =
            out + (long)row * t->pitch * t->padded + (long)begin * t->pitch + (f - begin);
        const real *const source = x + f * t->channel_pitch + (long)row * t->row_pitch;
        ALIGNED real block[VL * VL] = {0};
        for (int at = 0; at < t->lanes; at += VL) {
            for (int i = 0; i < rows; i++)
                vstore(block + i * VL, vget(source + i * t->channel_pitch + at));
            transpose_block(strip + (long)at * width, width, block, VL);
        }
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
SHARED void fill_wide(const Batch *batch, int input_index, const ProgramInput *input, real *out,
                      int count, long first, int live)
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
