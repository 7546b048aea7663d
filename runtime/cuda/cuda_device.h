/* cuda_device.h -- what the kernels of a CUDA program are written with.
 *
 * For NVRTC alone: no header of the toolkit is needed. A value of the batch is an array
 * value[feature][STRIDE], samples innermost, STRIDE a multiple of 4; lanes behind the batch's end
 * are zero from the start and never written. Nothing is fused but where fused() says so, so that
 * functions and draws have the bits of the host. */
#ifndef GAGAC_CUDA_DEVICE_H
#define GAGAC_CUDA_DEVICE_H

#include "scalar.h"

#define KERNEL extern "C" __global__ void
#define BARRIER() __syncthreads()
#ifndef NULL
#define NULL 0
#endif

struct alignas(16) Quad
{ /* four neighbours: one access to memory */
    real at[4];
};

static inline real fused(real a, real b, real c) /* a * b + c, rounded once */
{
#ifdef GAGAC_F64
    return __fma_rn(a, b, c);
#else
    return __fmaf_rn(a, b, c);
#endif
}

static inline void load_quad(real to[4], const real *from)
{
    const Quad quad = *(const Quad *)from;
    UNROLL
    for (int c = 0; c < 4; c++)
        to[c] = quad.at[c];
}

static inline void store_quad(real *to, const real from[4])
{
    Quad quad;
    UNROLL
    for (int c = 0; c < 4; c++)
        quad.at[c] = from[c];
    *(Quad *)to = quad;
}

/* The first `count` of four. */
static inline void store_quad(real *to, const real from[4], int count)
{
    if (count >= 4) {
        store_quad(to, from);
        return;
    }
    UNROLL
    for (int c = 0; c < 3; c++)
        if (c < count)
            to[c] = from[c];
}

/* The sum of the shares of a number, in their order; 16 are read at once. */
template <int COUNT> static inline real total(const real *share, int stride)
{
    enum { AT_ONCE = COUNT < 16 ? COUNT : 16 };
    real sum = 0;
    ROLLED
    for (int first = 0; first < COUNT; first += AT_ONCE) {
        real part[AT_ONCE];
        UNROLL
        for (int k = 0; k < AT_ONCE; k++)
            part[k] = first + k < COUNT ? share[(first + k) * stride] : 0;
        UNROLL
        for (int k = 0; k < AT_ONCE; k++)
            sum = sum + part[k];
    }
    return sum;
}

/* ---------------------------------------------------------------- copies to shared memory, which
 * arrive by copies_wait(): sm_80 and newer compute meanwhile. What is not `there` becomes 0; the
 * address must be good all the same. */
static inline unsigned shared_address(const void *place)
{
    return (unsigned)__cvta_generic_to_shared(place);
}

static inline void copy_number(real *to, const real *from, bool there)
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;"
                 :
                 : "r"(shared_address(to)), "l"(from), "n"((int)sizeof(real)),
                   "r"(there ? (int)sizeof(real) : 0)
                 : "memory");
#else
    *to = there ? *from : (real)0;
#endif
}

static inline void copy_quad(real *to, const real *from, bool there)
{
#if __CUDA_ARCH__ >= 800
    UNROLL
    for (int half = 0; half < (int)(sizeof(real) / 4); half++)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                     :
                     : "r"(shared_address((char *)to + 16 * half)),
                       "l"((const char *)from + 16 * half), "r"(there ? 16 : 0)
                     : "memory");
#else
    Quad quad = {};
    if (there)
        quad = *(const Quad *)from;
    *(Quad *)to = quad;
#endif
}

static inline void copies_end_group()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" : : : "memory");
#endif
}

/* Waits until at most `PENDING` of this thread's groups are on their way. */
template <int PENDING> static inline void copies_wait()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" : : "n"(PENDING) : "memory");
#endif
}

/* ---------------------------------------------------------------- tiles of a contraction
 * DEPTH steps of the sum a tile, STAGES tiles in turn; ALONG_: where rows lie along the sum. With
 * GAGAC_TF32, GAGAC_3XTF32 or GAGAC_BF16 tensor cores multiply: a tile is as deep as one of their
 * products. The pads keep the reads of a warp in different banks. cuda_print.c chooses tiles by
 * these. */
#if defined(GAGAC_TF32) || defined(GAGAC_3XTF32) || defined(GAGAC_BF16)
#define GAGAC_TENSOR
#endif
#ifdef GAGAC_BF16
enum { DEPTH = 16, STAGES = 3 };
#else
enum { DEPTH = 8, STAGES = 4 };
#endif
enum { ALONG_DEPTH = 64 / (int)sizeof(real), ALONG_STAGES = 3 };
#ifdef GAGAC_TENSOR
enum { TILE_PAD = 8, PITCH = ALONG_DEPTH };
/* One block is enough: else ptxas spills to fit as many blocks as shared memory has room for. */
#define PRODUCT_BOUNDS(threads) __launch_bounds__(threads, 1)
#else
enum { TILE_PAD = 4, PITCH = ALONG_DEPTH + 4 };
#define PRODUCT_BOUNDS(threads) __launch_bounds__(threads)
#endif

/* tile[COUNT][WIDTH + TILE_PAD] from an array whose rows are steps of the sum: from[k][stride].
 * Rows 16-byte aligned and zero, or never used, up to the stride. FULL: all steps are there. What
 * is made of columns behind the stride counts for nothing: they are the last ones again. */
template <int WIDTH, int THREADS, bool FULL, int COUNT = DEPTH>
static inline void copy_rows(real *tile, const real *from, int stride, int k, int k_end, int first)
{
    enum { QUADS = WIDTH / 4 };
    UNROLL
    for (int part = 0; part < (COUNT * QUADS + THREADS - 1) / THREADS; part++) {
        const int item = part * THREADS + (int)threadIdx.x;
        const int row = item / QUADS, column = item % QUADS * 4;
        if (COUNT * QUADS % THREADS == 0 || item < COUNT * QUADS) {
            const bool there = FULL || k + row < k_end;
            const int place = first + column < stride ? first + column : stride - 4;
            copy_quad(tile + row * (WIDTH + TILE_PAD) + column,
                      from + (there ? (k + row) * stride + place : 0), there);
        }
    }
}

/* The same from an array of `rows` rows along the sum: from[row][stride]. */
template <int WIDTH, int THREADS, bool FULL>
static inline void copy_turned(real *tile, const real *from, int stride, int rows, int k, int k_end,
                               int first)
{
    UNROLL
    for (int part = 0; part < (DEPTH * WIDTH + THREADS - 1) / THREADS; part++) {
        const int item = part * THREADS + (int)threadIdx.x;
        const int step = item % DEPTH, row = first + item / DEPTH;
        if (DEPTH * WIDTH % THREADS == 0 || item < DEPTH * WIDTH) {
            const bool there = FULL || k + step < k_end;
            const int place = (row < rows ? row : rows - 1) * stride;
            copy_number(tile + step * (WIDTH + TILE_PAD) + item / DEPTH,
                        from + (place + (there ? k + step : 0)), there);
        }
    }
}

/* The same where find(k, i) gives the place of the number for step k and row or column i of the
 * product, or NULL for a zero. ALONG_K: neighbours in k are neighbours in memory. */
template <int WIDTH, int THREADS, bool FULL, bool ALONG_K, class Find>
static inline void copy_found(real *tile, const real *good, int k, int k_end, int first, Find find)
{
    UNROLL
    for (int part = 0; part < (DEPTH * WIDTH + THREADS - 1) / THREADS; part++) {
        const int item = part * THREADS + (int)threadIdx.x;
        const int row = ALONG_K ? item % DEPTH : item / WIDTH;
        const int column = ALONG_K ? item / DEPTH : item % WIDTH;
        if (DEPTH * WIDTH % THREADS == 0 || item < DEPTH * WIDTH) {
            const real *from = FULL || k + row < k_end ? find(k + row, first + column) : NULL;
            copy_number(tile + row * (WIDTH + TILE_PAD) + column, from ? from : good, from != NULL);
        }
    }
}

/* The same by fours of neighbouring columns, all of them there or none. */
template <int WIDTH, int THREADS, bool FULL, class Find>
static inline void copy_found_quads(real *tile, const real *good, int k, int k_end, int first,
                                    Find find)
{
    enum { QUADS = WIDTH / 4 };
    UNROLL
    for (int part = 0; part < (DEPTH * QUADS + THREADS - 1) / THREADS; part++) {
        const int item = part * THREADS + (int)threadIdx.x;
        const int row = item / QUADS, column = item % QUADS * 4;
        if (DEPTH * QUADS % THREADS == 0 || item < DEPTH * QUADS) {
            const real *from = FULL || k + row < k_end ? find(k + row, first + column) : NULL;
            copy_quad(tile + row * (WIDTH + TILE_PAD) + column, from ? from : good, from != NULL);
        }
    }
}

#ifndef GAGAC_TENSOR
/* Where a thread's part of a block's tile begins, and the place of its row r below that. */
template <int ROWS> static inline int tile_top() { return (int)threadIdx.x / 16 * ROWS; }
static inline int tile_side() { return (int)threadIdx.x % 16 * 4; }
static inline int tile_row(int r) { return r; }

/* sum[r][c] += left[k][r] * right[k][c] over the steps of a tile: the thread's ROWS rows, and its
 * columns in groups of four that lie 64 apart. */
template <int ROWS, int COLUMNS>
static inline void multiply_tile(real sum[ROWS][COLUMNS], const real *left, int left_stride,
                                 const real *right, int right_stride)
{
    UNROLL
    for (int k = 0; k < DEPTH; k++) {
        real a[ROWS], b[COLUMNS];
        UNROLL
        for (int r = 0; r < ROWS; r += 4) {
            if (ROWS % 4 == 0)
                load_quad(a + r, left + k * left_stride + r);
            else
                for (int i = r; i < ROWS && i < r + 4; i++)
                    a[i] = left[k * left_stride + i];
        }
        UNROLL
        for (int c = 0; c < COLUMNS; c += 4)
            load_quad(b + c, right + k * right_stride + 16 * c);
        UNROLL
        for (int r = 0; r < ROWS; r++) {
            UNROLL
            for (int c = 0; c < COLUMNS; c++)
                sum[r][c] = fused(a[r], b[c], sum[r][c]);
        }
    }
}
#endif

/* tile[WIDTH][PITCH]: rows along the sum. find(k, i) gives the place of four neighbouring steps of
 * row i, all of them there, or NULL for zeros. */
template <int WIDTH, int THREADS, bool FULL, class Find>
static inline void copy_along(real *tile, const real *good, int k, int k_end, int first, Find find)
{
    enum { QUADS = ALONG_DEPTH / 4 };
    UNROLL
    for (int part = 0; part < (QUADS * WIDTH + THREADS - 1) / THREADS; part++) {
        const int item = part * THREADS + (int)threadIdx.x;
        const int step = item % QUADS * 4, row = item / QUADS;
        if (QUADS * WIDTH % THREADS == 0 || item < QUADS * WIDTH) {
            const real *from = FULL || k + step < k_end ? find(k + step, first + row) : NULL;
            copy_quad(tile + row * PITCH + step, from ? from : good, from != NULL);
        }
    }
}

/* The same from an array of `rows` rows, as copy_turned(). */
template <int WIDTH, int THREADS, bool FULL>
static inline void copy_along_rows(real *tile, const real *from, int stride, int rows, int k,
                                   int k_end, int first)
{
    enum { QUADS = ALONG_DEPTH / 4 };
    UNROLL
    for (int part = 0; part < (QUADS * WIDTH + THREADS - 1) / THREADS; part++) {
        const int item = part * THREADS + (int)threadIdx.x;
        const int step = item % QUADS * 4, row = first + item / QUADS;
        if (QUADS * WIDTH % THREADS == 0 || item < QUADS * WIDTH) {
            const bool there = FULL || k + step < k_end;
            const int place = (row < rows ? row : rows - 1) * stride + step;
            copy_quad(tile + item / QUADS * PITCH + step, from + (place + (there ? k : 0)), there);
        }
    }
}

#ifndef GAGAC_TENSOR
/* The same three for products of such tiles. */
static inline int along_top() { return (int)threadIdx.x / 16; }
static inline int along_side() { return (int)threadIdx.x % 16; }
static inline int along_column(int c) { return 16 * c; }

/* sum[r][c] += left[r][k] * right[c][k] over the steps of such tiles: rows left_stride apart, and
 * every 16th column. */
template <int ROWS, int COLUMNS>
static inline void multiply_along(real sum[ROWS][COLUMNS], const real *left, int left_stride,
                                  const real *right)
{
    UNROLL
    for (int k = 0; k < ALONG_DEPTH; k += 4) {
        real a[ROWS][4];
        UNROLL
        for (int r = 0; r < ROWS; r++)
            load_quad(a[r], left + r * left_stride + k);
        UNROLL
        for (int c = 0; c < COLUMNS; c++) {
            real b[4];
            load_quad(b, right + 16 * c * PITCH + k);
            UNROLL
            for (int r = 0; r < ROWS; r++) {
                UNROLL
                for (int i = 0; i < 4; i++)
                    sum[r][c] = fused(a[r][i], b[i], sum[r][c]);
            }
        }
    }
}
#else
/* ---------------------------------------------------------------- the same by tensor cores
 * mma.sync multiplies 16 x DEPTH by DEPTH x 8 for a warp. Its lane (g, t) = (lane / 4, lane % 4)
 * holds rows g and g + 8 of the left operand and column g of the right one at DEPTH / 4 steps, and
 * of the sum columns 2t and 2t + 1 of both rows (PTX ISA, matrix fragments for mma.m16n8k8 and
 * mma.m16n8k16). Which rows, columns and steps of a tile those are is free as long as both operands
 * and the sum agree: it is chosen so that a lane reads neighbours. Four warps are side by side. */
#if __CUDA_ARCH__ < 800
#error "tf32 and bf16 need a GPU of compute capability 8.0 or newer"
#endif
enum { LANE_STEPS = DEPTH / 4 };

static inline int lane_row() { return (int)threadIdx.x % 32 / 4; }
static inline int lane_column() { return (int)threadIdx.x % 4; }
static inline int warp_row() { return (int)threadIdx.x / 128; }
static inline int warp_column() { return (int)threadIdx.x / 32 % 4; }

template <int ROWS> static inline int tile_top() { return warp_row() * 8 * ROWS + 2 * lane_row(); }
static inline int tile_side() { return 16 * warp_column() + 4 * lane_column(); }
static inline int tile_row(int r) { return r / 2 * 16 + r % 2; }
static inline int along_top() { return 8 * warp_row() + lane_row(); }
static inline int along_side() { return 8 * warp_column() + 2 * lane_column(); }
static inline int along_column(int c) { return c / 2 * 32 + c % 2; }

/* A lane's steps of a row or column, rounded to nearest, as the registers of an operand. With
 * GAGAC_3XTF32 also what rounding left, rounded: together 22 bits. */
struct Steps {
    unsigned big[2];
#ifdef GAGAC_3XTF32
    unsigned small[2];
#endif
};

static inline unsigned round_tf32(real number)
{
    unsigned rounded;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(number));
    return rounded;
}

static inline Steps round_steps(const real from[LANE_STEPS])
{
    Steps to;
    UNROLL
    for (int k = 0; k < 2; k++) {
#ifdef GAGAC_BF16
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" /* the first goes to the upper half */
            : "=r"(to.big[k])
            : "f"(from[2 * k + 1]), "f"(from[2 * k]));
#else
        to.big[k] = round_tf32(from[k]);
#endif
#ifdef GAGAC_3XTF32
        to.small[k] = round_tf32(from[k] - __int_as_float((int)to.big[k]));
#endif
    }
    return to;
}

/* Rows `upper` and `lower` of the left operand by columns of the right one, to two neighbours of
 * each of the two rows of the sum. */
static inline void multiply_rounded(real upper_sum[2], real lower_sum[2], const unsigned upper[2],
                                    const unsigned lower[2], const unsigned column[2])
{
#ifdef GAGAC_BF16
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
#else
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
#endif
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(upper_sum[0]), "+f"(upper_sum[1]), "+f"(lower_sum[0]), "+f"(lower_sum[1])
        : "r"(upper[0]), "r"(lower[0]), "r"(upper[1]), "r"(lower[1]), "r"(column[0]),
          "r"(column[1]));
}

/* The same; with GAGAC_3XTF32 all but the product of the two small parts, smallest first. */
static inline void multiply_warp(real &upper_first, real &upper_second, real &lower_first,
                                 real &lower_second, const Steps &upper, const Steps &lower,
                                 const Steps &column)
{
    real above[2] = {upper_first, upper_second}, below[2] = {lower_first, lower_second};
#ifdef GAGAC_3XTF32
    multiply_rounded(above, below, upper.small, lower.small, column.big);
    multiply_rounded(above, below, upper.big, lower.big, column.small);
#endif
    multiply_rounded(above, below, upper.big, lower.big, column.big);
    upper_first = above[0];
    upper_second = above[1];
    lower_first = below[0];
    lower_second = below[1];
}

/* Two neighbours of each of a lane's steps, which are t, t + 4 and so on; rounded. */
static inline void load_pairs(Steps to[2], const real *from, int stride)
{
    struct alignas(8) Pair { real at[2]; };
    real numbers[2][LANE_STEPS];
    UNROLL
    for (int s = 0; s < LANE_STEPS; s++) {
        const Pair pair = *(const Pair *)(from + 4 * s * stride);
        numbers[0][s] = pair.at[0];
        numbers[1][s] = pair.at[1];
    }
    to[0] = round_steps(numbers[0]);
    to[1] = round_steps(numbers[1]);
}

/* multiply_tile() as above: the lane's rows are pairs that lie 16 apart. Of 16 columns, the lane
 * reads 2g and 2g + 1 and gets the sums of 4t to 4t + 3. */
template <int ROWS, int COLUMNS>
static inline void multiply_tile(real sum[ROWS][COLUMNS], const real *left, int left_stride,
                                 const real *right, int right_stride)
{
    Steps a[ROWS], b[2];
    const int g = lane_row(), t = lane_column();
    const real *const row = left + t * left_stride;
    const real *const column = right + t * right_stride + 2 * g - 4 * t;
    UNROLL
    for (int r = 0; r < ROWS; r += 2)
        load_pairs(a + r, row + 8 * r, left_stride);
    UNROLL
    for (int c = 0; c < COLUMNS; c += 4) {
        load_pairs(b, column + 16 * c, right_stride);
        UNROLL
        for (int r = 0; r < ROWS; r += 2) {
            UNROLL
            for (int j = 0; j < 2; j++)
                multiply_warp(sum[r][c + j], sum[r][c + j + 2], sum[r + 1][c + j],
                              sum[r + 1][c + j + 2], a[r], a[r + 1], b[j]);
        }
    }
}

/* Four neighbouring steps of a row, rounded, for one product or two. */
static inline void load_steps(Steps to[4 / LANE_STEPS], const real *from)
{
    real numbers[4];
    load_quad(numbers, from);
    UNROLL
    for (int k = 0; k < 4 / LANE_STEPS; k++)
        to[k] = round_steps(numbers + k * LANE_STEPS);
}

/* multiply_along() as above, columns in pairs that lie 32 apart: the lane reads steps 4t to 4t + 3,
 * of 8 columns the one of g, and gets the sums of 2t and 2t + 1. */
template <int ROWS, int COLUMNS>
static inline void multiply_along(real sum[ROWS][COLUMNS], const real *left, int left_stride,
                                  const real *right)
{
    Steps a[ROWS][4 / LANE_STEPS], b[4 / LANE_STEPS];
    const int g = lane_row(), t = lane_column();
    UNROLL
    for (int r = 0; r < ROWS; r++)
        load_steps(a[r], left + r * left_stride + 4 * t);
    UNROLL
    for (int c = 0; c < COLUMNS; c += 2) {
        load_steps(b, right + (16 * c + g - 2 * t) * PITCH + 4 * t);
        UNROLL
        for (int r = 0; r < ROWS; r += 2) {
            UNROLL
            for (int k = 0; k < 4 / LANE_STEPS; k++)
                multiply_warp(sum[r][c], sum[r][c + 1], sum[r + 1][c], sum[r + 1][c + 1], a[r][k],
                              a[r + 1][k], b[k]);
        }
    }
}
#endif

/* ---------------------------------------------------------------- layers one after the other
 * A block keeps tile[feature][WIDTH + TILE_PAD], WIDTH samples, from layer to layer; each of its
 * threads makes ROWS features of four samples. What chain_top(), tile_row() and chain_side() say is
 * laid out as above. */
template <int ROWS, int WIDTH> static inline int chain_top()
{
#ifdef GAGAC_TENSOR
    return (int)threadIdx.x / 32 / (WIDTH / 16) * 8 * ROWS + 2 * lane_row();
#else
    return (int)threadIdx.x / (WIDTH / 4) * ROWS;
#endif
}

template <int WIDTH> static inline int chain_side()
{
#ifdef GAGAC_TENSOR
    return (int)threadIdx.x / 32 % (WIDTH / 16) * 16 + 4 * lane_column();
#else
    return (int)threadIdx.x % (WIDTH / 4) * 4;
#endif
}

/* The weight's first tiles; those of the layer before are not needed any more. */
template <class Fetch> static inline void chain_start(Fetch fetch)
{
    ROLLED
    for (int step = 0; step < STAGES - 1; step++)
        fetch(step);
}

/* sum = weight tile, the thread's part. Afterwards nobody reads the tile or the weight. */
template <int ROWS, int WIDTH, int HEIGHT, int STEPS, int LEFT, class Fetch>
static inline void chain_multiply(real sum[ROWS][4], const real (*left)[LEFT], const real *tile,
                                  Fetch fetch)
{
    ROLLED
    for (int step = 0; step * DEPTH < STEPS; step++) {
        copies_wait<STAGES - 2>();
        BARRIER();
        fetch(step + STAGES - 1);
        multiply_tile<ROWS, 4>(sum, left[step % STAGES] + chain_top<ROWS, WIDTH>(),
                               HEIGHT + TILE_PAD,
                               tile + step * DEPTH * (WIDTH + TILE_PAD) + chain_side<WIDTH>(),
                               WIDTH + TILE_PAD);
    }
    BARRIER();
}

/* ---------------------------------------------------------------- reductions in a fixed order */
struct Sum {
    static real start() { return 0; }
    static real join(real a, real b) { return a + b; }
};
struct Maximum {
    static real start() { return -INFINITE; }
    static real join(real a, real b) { return real_max(b, a); }
};

/* Joins one value a thread, THREADS a power of two, halves with halves; thread 0 has the result. */
template <class Join, int THREADS> static inline real join_block(real value)
{
    __shared__ real part[THREADS];
    BARRIER(); /* the array is used again */
    part[threadIdx.x] = value;
    BARRIER();
    UNROLL
    for (int width = THREADS / 2; width > 0; width /= 2) {
        if ((int)threadIdx.x < width)
            part[threadIdx.x] = Join::join(part[threadIdx.x], part[threadIdx.x + width]);
        BARRIER();
    }
    return part[0];
}

/* The same for 8 slices of 32 samples, threads [slice][sample]: slice 0 has the results. */
template <class Join> static inline real join_slices(real value)
{
    __shared__ real part[8][32];
    const int slice = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
    BARRIER();
    part[slice][lane] = value;
    BARRIER();
    real result = part[0][lane];
    UNROLL
    for (int k = 1; k < 8; k++)
        result = Join::join(result, part[k][lane]);
    return result;
}

/* Sums of rows of a product: a thread has share[ROWS] of rows top + tile_row(r), one of LANES whose
 * columns lie side by side. out[f] for the first `rows` of HEIGHT; scratch: HEIGHT * (LANES + 1).
 */
template <int ROWS, int LANES, int HEIGHT, int THREADS>
static inline void join_columns(const real share[ROWS], real *scratch, int top, int lane, real *out,
                                int rows)
{
    BARRIER(); /* it was used */
    UNROLL
    for (int r = 0; r < ROWS; r++)
        scratch[(top + tile_row(r)) * (LANES + 1) + lane] = share[r];
    BARRIER();
    for (int f = (int)threadIdx.x; f < HEIGHT && f < rows; f += THREADS) {
        real sum = 0;
        UNROLL
        for (int k = 0; k < LANES; k++)
            sum = sum + scratch[f * (LANES + 1) + k];
        out[f] = sum;
    }
}

#endif
