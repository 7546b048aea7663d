/* wide.h -- the wide order: whole arrays of a batch, value[...][sample], kernel by kernel.
 *
 * Arrays lie in one block; vectors are loaded and stored without alignment, as rows have any length
 * and maps have zeros around them. Plain code uses the part that needs no vectors. */
#ifndef GAGAC_WIDE_H
#define GAGAC_WIDE_H

#include "edges.h"
#include "tile.h"

/* A kernel function, as SHARED (tile.h), of a program whose kernels fill several units. */
#define APART __attribute__((noinline))

/* Loads stay on their side of it: sums fill the registers, and there are none for early loads. */
#define KEEP_ORDER __asm__ volatile("" ::: "memory");

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

/* sums[sample] plus the lanes of a row from `lane` on that are not below `first`: lane k is of
 * sample k % batch. */
static inline void add_lanes(real *sums, int batch, int lane, int first, vec a)
{
    real lanes[VL] ALIGNED;
    vstore(lanes, a);
    for (int i = lane < first ? first - lane : 0, sample = (lane + i) % batch; i < VL; i++) {
        sums[sample] = sums[sample] + lanes[i];
        sample = sample + 1 < batch ? sample + 1 : 0;
    }
}

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

/* Reals that `channels` of reversed weights take in a panel, for each tap and result. */
static inline long line_reals(int channels) { return (long)(channels + LANES - 1) / LANES * LANES; }

/* Weights as they lie, which a block fetches while it works: those that are packed next. */
typedef struct Ahead {
    const real *at;   /* of the block's first tap and channel */
    long pitch;       /* reals of a row */
    long row, column; /* from a filter row or column to the next one */
} Ahead;

/* Sums of a convolution in registers, result channels by vectors of lanes, over `channels` channels
 * and `depth` rows of the filter. w is a panel of packed weights (Panels below); x the
 * place of the first filter row and column in the first of the channels, whose channels and rows
 * are so many reals apart; start: the first lane; ahead: NULL, or what to fetch. Sums go
 * on from `from`, blocks of one register tile, unless they are fresh; rows of `to` are `pitch`
 * reals apart. */
typedef void ConvBlock(int fresh, int channels, int depth, int start, const real *w, const real *x,
                       const Ahead *ahead, long channel_pitch, long row_pitch, const real *from,
                       real *to, long pitch);

/* Sums of a weight gradient in registers: dw[r][...] += sum over the lanes of s[r][lane] times a
 * vector of t, which lies transposed, a register tile's vectors a lane. A unit is a lane, or a
 * column's samples where windows have a stride. Fresh: dw is written, not added to. */
typedef void GradientBlock(int fresh, int units, const real *const *s, const real *t,
                           real *const *dw);

/* How the weights of a convolution w[filter row][filter column][input][pitch] are packed: in parts
 * of the channels; a part is panels of `panel` result channels. A panel of a convolution is
 * [channel][filter row][filter column][result channel]; reversed, where w has the channels side by
 * side, it stays so: [phase][LANES channels][filter row][filter column][result channel][LANES]. */
typedef struct Panels {
    int results, channels, part, panel;
    int pitch;     /* reals of a row of w */
    int filter[2]; /* rows and columns */
    int step[2];   /* of a phase's filter rows and columns; as many phases */
    int reversed;  /* results are the inputs of w, filter rows and columns go backwards */
    int fetch;     /* packing a panel fetches the next one: nobody else has */
} Panels;

static inline long panel_reals(const Panels *p, int channels)
{
    return p->reversed ? line_reals(channels) : channels;
}

/* Numbers of the panels of results from .. to - 1, for `count` channels from c on; out: of the
 * panel of `from`. */
static inline void pack_forward(const Panels *p, const real *w, int from, int to, int c, int count,
                                real *out)
{
    enum { AHEAD = 16 }; /* rows of w, from far away */
    const int taps = p->filter[0] * p->filter[1];
    for (int first = from; first < to; first += p->panel) {
        const int rows = p->results - first < p->panel ? p->results - first : p->panel;
        for (int i = 0; i < count; i++) {
            const real *row = w + (long)(c + i) * p->pitch + first;
            for (int t = 0; t < taps; t++, row += (long)p->channels * p->pitch, out += rows) {
                if (p->fetch)
                    __builtin_prefetch(row + (long)AHEAD * p->pitch, 0, 2);
                copy_few(out, row, rows);
            }
        }
    }
}

/* One phase of a panel, reversed: filter rows and columns from phase[] on, step[] apart. The place
 * behind it. Rows of w lie far apart: those of the next panel are fetched to the second cache. */
static inline real *pack_phase(const Panels *p, real *to, const real *w, const int phase[2],
                               int first, int rows, int c, int count)
{
    int taps[2];
    for (int a = 0; a < 2; a++)
        taps[a] = (p->filter[a] + p->step[a] - 1 - phase[a]) / p->step[a];
    const long next = (long)taps[0] * taps[1] * rows * LANES;
    for (int t = 0; t < taps[0] * taps[1]; t++) {
        const int k = phase[0] + p->step[0] * (taps[0] - 1 - t / taps[1]);
        const int l = phase[1] + p->step[1] * (taps[1] - 1 - t % taps[1]);
        const real *row = w + ((long)(k * p->filter[1] + l) * p->results + first) * p->pitch + c;
        for (int r = 0; r < rows; r++, row += p->pitch)
            for (int i = 0; i < count; i += LANES) {
                if (p->fetch)
                    __builtin_prefetch(row + i + (long)rows * p->pitch, 0, 2);
                memcpy(to + (t * rows + r) * LANES + i / LANES * next, row + i, LANES * sizeof *to);
            }
    }
    return to + line_reals(count) / LANES * next;
}

/* Panels of results from .. to - 1 of `count` channels from c on. */
SHARED void pack_group(const Panels *p, const real *w, int from, int to, int c, int count,
                       real *out)
{
    if (!p->reversed) {
        pack_forward(p, w, from, to, c, count, out);
        return;
    }
    for (int first = from; first < to; first += p->panel) {
        const int rows = p->results - first < p->panel ? p->results - first : p->panel;
        for (int k = 0; k < p->step[0]; k++)
            for (int l = 0; l < p->step[1]; l++)
                out = pack_phase(p, out, w, (const int[]){k, l}, first, rows, c, count);
    }
}

/* Panels from .. to - 1 of all weights: [part of the channels][panel]. */
SHARED void pack_panels(int from, int to, const Panels *p, const real *w, real *packed)
{
    const int first = from * p->panel,
              end = to * p->panel < p->results ? to * p->panel : p->results;
    const long taps = p->filter[0] * p->filter[1];
    for (int c = 0; c < p->channels; c += p->part) {
        const int count = p->channels - c < p->part ? p->channels - c : p->part;
        pack_group(p, w, first, end, c, count,
                   packed +
                       (p->results * panel_reals(p, c) + first * panel_reals(p, count)) * taps);
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
