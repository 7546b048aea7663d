/* arith.c -- handlers of arithmetic, logic, comparison and moves between registers. */
#include <fenv.h>
#include <math.h>
#include <string.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif
#include "ptx.h"
#include "lanes.h"

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

/* ---------------------------------------------------------------- functions of one lane */

static uint32_t shift_left(uint32_t x, uint32_t n) { return n > 31 ? 0 : x << n; }
static uint32_t shift_right(uint32_t x, uint32_t n) { return n > 31 ? 0 : x >> n; }
static int32_t shift_signed(int32_t x, uint32_t n) { return x >> (n > 31 ? 31 : n); }
static uint64_t shift_left64(uint64_t x, uint32_t n) { return n > 63 ? 0 : x << n; }
static uint64_t shift_right64(uint64_t x, uint32_t n) { return n > 63 ? 0 : x >> n; }
static int64_t shift_signed64(int64_t x, uint32_t n) { return x >> (n > 63 ? 63 : n); }

static uint32_t funnel_left(uint32_t low, uint32_t high, uint32_t n) /* n <= 32 */
{
    return n == 0 ? high : n == 32 ? low : high << n | low >> (32 - n);
}

static uint32_t funnel_right(uint32_t low, uint32_t high, uint32_t n)
{
    return n == 0 ? low : n == 32 ? high : high << (32 - n) | low >> n;
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

static uint64_t extract(uint64_t x, uint32_t start, uint32_t len, unsigned bits, bool is_signed)
{
    start &= 255;
    len &= 255;
    if (!len)
        return 0;
    uint64_t sign = 0;
    if (is_signed) {
        unsigned last = start + len - 1 < bits - 1 ? start + len - 1 : bits - 1;
        sign = x >> last & 1;
    }
    uint64_t field = start < bits ? (bits == 64 ? x : x & 0xffffffffu) >> start : 0;
    unsigned have = start < bits ? bits - start : 0;
    if (len < have)
        have = len;
    uint64_t mask = have >= 64 ? ~0ull : (1ull << have) - 1;
    return (field & mask) | (sign ? ~mask : 0);
}

static uint64_t insert(uint64_t field, uint64_t x, uint32_t start, uint32_t len, unsigned bits)
{
    start &= 255;
    len &= 255;
    if (!len || start >= bits)
        return x;
    uint64_t mask = (len >= 64 ? ~0ull : (1ull << len) - 1) << start;
    return (x & ~mask) | ((field << start) & mask);
}

static uint32_t permute(uint32_t a, uint32_t b, uint32_t selector)
{
    uint64_t bytes = (uint64_t)b << 32 | a;
    uint32_t result = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t which = selector >> (4 * i) & 15;
        uint32_t byte = (uint32_t)(bytes >> (8 * (which & 7))) & 255;
        if (which & 8)
            byte = byte & 128 ? 255 : 0;
        result |= byte << (8 * i);
    }
    return result;
}

/* Ones from bit a on, b of them. */
static uint32_t bit_mask(uint32_t a, uint32_t b, bool clamp)
{
    if (clamp ? a > 31 : (a &= 31, b &= 31, false))
        return 0;
    return (uint32_t)(((b > 31 ? 0 : 1ull << b) - 1) << a);
}

/* The low b bits, extended with zeros or the sign. */
static uint32_t extend_bits(uint32_t a, uint32_t b, bool clamp, bool is_signed)
{
    if (!clamp)
        b &= 31;
    if (!b)
        return 0;
    if (b > 31)
        return a;
    return is_signed ? (uint32_t)((int32_t)(a << (32 - b)) >> (32 - b)) : a & ((1u << b) - 1);
}

static uint32_t count_ones(uint64_t x) { return (uint32_t)__builtin_popcountll(x); }

static uint32_t leading_zeros(uint64_t x, unsigned bits)
{
    return x ? (uint32_t)__builtin_clzll(x) - (64 - bits) : bits;
}

static uint64_t reverse(uint64_t x, unsigned bits)
{
    uint64_t result = 0;
    for (unsigned i = 0; i < bits; i++)
        result |= (x >> i & 1) << (bits - 1 - i);
    return result;
}

static uint32_t find_bit(uint64_t x, unsigned bits)
{
    return x ? bits - 1 - leading_zeros(x, bits) : 0xffffffffu;
}

static int32_t divide(int32_t x, int32_t y)
{
    return y == 0 ? -1 : y == -1 ? (int32_t)(0u - (uint32_t)x) : x / y;
}

static int32_t remain(int32_t x, int32_t y) { return y == 0 ? x : y == -1 ? 0 : x % y; }

static int64_t divide64(int64_t x, int64_t y)
{
    return y == 0 ? -1 : y == -1 ? (int64_t)(0u - (uint64_t)x) : x / y;
}

static int64_t remain64(int64_t x, int64_t y) { return y == 0 ? x : y == -1 ? 0 : x % y; }

static uint32_t dot4(uint32_t a, uint32_t b, uint32_t c, bool a_signed, bool b_signed)
{
    for (int i = 0; i < 4; i++) {
        int32_t x = (int32_t)(a >> (8 * i) & 255), y = (int32_t)(b >> (8 * i) & 255);
        if (a_signed)
            x = (int8_t)x;
        if (b_signed)
            y = (int8_t)y;
        c += (uint32_t)(x * y);
    }
    return c;
}

/* The other operand for a NaN; -0 < +0. */
static float lesser(float x, float y)
{
    if (x == 0 && y == 0)
        return signbit(x) ? x : y;
    return x != x ? y : y != y ? x : x < y ? x : y;
}

static float greater(float x, float y)
{
    if (x == 0 && y == 0)
        return signbit(x) ? y : x;
    return x != x ? y : y != y ? x : x > y ? x : y;
}

static float any_nan(float x, float y, float otherwise)
{
    return x != x || y != y ? NAN : otherwise;
}

static double lesser64(double x, double y)
{
    return x == 0 && y == 0 && signbit(x) ? x : fmin(x, y);
}
static double greater64(double x, double y)
{
    return x == 0 && y == 0 && signbit(x) ? y : fmax(x, y);
}

/* Functions of 16-bit floats, in double and rounded once. */
typedef uint16_t Narrow(uint16_t x, uint16_t y, uint16_t z);
#define NARROW(name, get, put, ...)                                         \
    static uint16_t name(uint16_t bits_x, uint16_t bits_y, uint16_t bits_z) \
    {                                                                       \
        double x = get(bits_x), y = get(bits_y), z = get(bits_z);           \
        (void)x;                                                            \
        (void)y;                                                            \
        (void)z;                                                            \
        return put(__VA_ARGS__);                                            \
    }
#define NARROW_BOTH(name, ...)                                       \
    NARROW(half_##name, half_to_double, double_to_half, __VA_ARGS__) \
    NARROW(bfloat_##name, bfloat_to_double, double_to_bfloat, __VA_ARGS__)
NARROW_BOTH(add, x + y)
NARROW_BOTH(sub, x - y)
NARROW_BOTH(mul, x *y)
NARROW_BOTH(fma, x *y + z)
NARROW_BOTH(min, lesser64(x, y))
NARROW_BOTH(max, greater64(x, y))
NARROW_BOTH(ex2, exp2(x))
NARROW_BOTH(tanh, tanh(x))
static uint16_t narrow_neg(uint16_t x, uint16_t y, uint16_t z)
{
    (void)y;
    (void)z;
    return (uint16_t)(x ^ 0x8000u);
}
static uint16_t narrow_abs(uint16_t x, uint16_t y, uint16_t z)
{
    (void)y;
    (void)z;
    return (uint16_t)(x & 0x7fffu);
}

static uint32_t pairwise(Narrow *fn, uint32_t x, uint32_t y, uint32_t z)
{
    uint32_t low = fn((uint16_t)x, (uint16_t)y, (uint16_t)z);
    uint32_t high = fn((uint16_t)(x >> 16), (uint16_t)(y >> 16), (uint16_t)(z >> 16));
    return high << 16 | low;
}

/* Pairs of 16-bit integers. */
static uint32_t pair_of(uint32_t low, uint32_t high) { return (low & 0xffffu) | high << 16; }

static uint32_t add_pairs(uint32_t x, uint32_t y) { return pair_of(x + y, (x >> 16) + (y >> 16)); }

static uint32_t choose_pairs(uint32_t x, uint32_t y, bool is_signed, bool greatest)
{
    uint32_t part[2];
    for (int i = 0; i < 2; i++) {
        uint32_t a = x >> (16 * i) & 0xffffu, b = y >> (16 * i) & 0xffffu;
        bool less = is_signed ? (int16_t)a < (int16_t)b : a < b;
        part[i] = less == greatest ? b : a;
    }
    return pair_of(part[0], part[1]);
}

/* ---------------------------------------------------------------- the table */
/* ONE(name, key, result, operand, expression of x), TWO, THREE: of x, y, z.
 * What is the same for s, u and b has a row for b (see unsign_key() in decode.c). */

/* clang-format off */
#define INTEGER_ROWS(ONE, TWO, THREE) \
    ONE(mov32, "mov.b32", u32, u32, x) \
    ONE(mov_f32, "mov.f32", u32, u32, x) \
    ONE(mov64, "mov.b64", u64, u64, x) \
    ONE(mov_f64, "mov.f64", u64, u64, x) \
    ONE(mov16, "mov.b16", u32, u32, x) \
    TWO(add32, "add.b32", u32, u32, u32, x + y) \
    TWO(add64, "add.b64", u64, u64, u64, x + y) \
    TWO(add16, "add.b16", u16, u16, u16, x + y) \
    TWO(add_sat, "add.sat.s32", s32, s32, s32, clamp((int64_t)x + y)) \
    TWO(sub32, "sub.b32", u32, u32, u32, x - y) \
    TWO(sub64, "sub.b64", u64, u64, u64, x - y) \
    TWO(sub16, "sub.b16", u16, u16, u16, x - y) \
    TWO(mul_lo32, "mul.lo.b32", u32, u32, u32, x * y) \
    TWO(mul_lo64, "mul.lo.b64", u64, u64, u64, x * y) \
    TWO(mul_lo16, "mul.lo.b16", u16, u16, u16, (uint32_t)x * y) \
    TWO(mul_hi_u32, "mul.hi.u32", u32, u32, u32, (uint64_t)x * y >> 32) \
    TWO(mul_hi_s32, "mul.hi.s32", s32, s32, s32, (int64_t)x * y >> 32) \
    TWO(mul_hi_u64, "mul.hi.u64", u64, u64, u64, (u128)x * y >> 64) \
    TWO(mul_hi_s64, "mul.hi.s64", s64, s64, s64, (s128)x * y >> 64) \
    TWO(mul_hi_u16, "mul.hi.u16", u16, u16, u16, (uint32_t)x * y >> 16) \
    TWO(mul_hi_s16, "mul.hi.s16", s16, s16, s16, x * y >> 16) \
    TWO(mul_wide_u32, "mul.wide.u32", u64, u32, u32, (uint64_t)x * y) \
    TWO(mul_wide_s32, "mul.wide.s32", s64, s32, s32, (int64_t)x * y) \
    TWO(mul_wide_u16, "mul.wide.u16", u32, u16, u16, (uint32_t)x * y) \
    TWO(mul_wide_s16, "mul.wide.s16", s32, s16, s16, x * y) \
    TWO(mul24_u32, "mul24.lo.u32", u32, u32, u32, (x & 0xffffffu) * (y & 0xffffffu)) \
    TWO(mul24_s32, "mul24.lo.s32", u32, u32, u32, \
        (uint32_t)((int32_t)(x << 8) >> 8) * (uint32_t)((int32_t)(y << 8) >> 8)) \
    THREE(mad_lo32, "mad.lo.b32", u32, u32, u32, u32, x * y + z) \
    THREE(mad_lo64, "mad.lo.b64", u64, u64, u64, u64, x * y + z) \
    THREE(mad_lo16, "mad.lo.b16", u16, u16, u16, u16, (uint32_t)x * y + z) \
    THREE(mad_hi_u32, "mad.hi.u32", u32, u32, u32, u32, ((uint64_t)x * y >> 32) + z) \
    THREE(mad_hi_s32, "mad.hi.s32", u32, s32, s32, u32, (uint64_t)((int64_t)x * y >> 32) + z) \
    THREE(mad_hi_u64, "mad.hi.u64", u64, u64, u64, u64, ((u128)x * y >> 64) + z) \
    THREE(mad_hi_s64, "mad.hi.s64", u64, s64, s64, u64, (uint64_t)((s128)x * y >> 64) + z) \
    THREE(mad_wide_u32, "mad.wide.u32", u64, u32, u32, u64, (uint64_t)x * y + z) \
    THREE(mad_wide_s32, "mad.wide.s32", u64, s32, s32, u64, (uint64_t)((int64_t)x * y) + z) \
    THREE(mad_wide_u16, "mad.wide.u16", u32, u16, u16, u32, (uint32_t)x * y + z) \
    THREE(mad_wide_s16, "mad.wide.s16", u32, s16, s16, u32, (uint32_t)(x * y) + z) \
    THREE(sad_u32, "sad.u32", u32, u32, u32, u32, z + (x > y ? x - y : y - x)) \
    THREE(sad_s32, "sad.s32", u32, s32, s32, u32, \
          z + (x > y ? (uint32_t)x - (uint32_t)y : (uint32_t)y - (uint32_t)x)) \
    TWO(div_u32, "div.u32", u32, u32, u32, y ? x / y : ~0u) \
    TWO(div_s32, "div.s32", s32, s32, s32, divide(x, y)) \
    TWO(div_u64, "div.u64", u64, u64, u64, y ? x / y : ~0ull) \
    TWO(div_s64, "div.s64", s64, s64, s64, divide64(x, y)) \
    TWO(div_u16, "div.u16", u16, u16, u16, y ? x / y : 65535) \
    TWO(div_s16, "div.s16", s16, s16, s16, divide(x, y)) \
    TWO(rem_u32, "rem.u32", u32, u32, u32, y ? x % y : x) \
    TWO(rem_s32, "rem.s32", s32, s32, s32, remain(x, y)) \
    TWO(rem_u64, "rem.u64", u64, u64, u64, y ? x % y : x) \
    TWO(rem_s64, "rem.s64", s64, s64, s64, remain64(x, y)) \
    TWO(rem_u16, "rem.u16", u16, u16, u16, y ? x % y : x) \
    TWO(rem_s16, "rem.s16", s16, s16, s16, remain(x, y)) \
    ONE(abs_s32, "abs.s32", u32, s32, x < 0 ? 0 - (uint32_t)x : (uint32_t)x) \
    ONE(abs_s64, "abs.s64", u64, s64, x < 0 ? 0 - (uint64_t)x : (uint64_t)x) \
    ONE(abs_s16, "abs.s16", u16, s16, x < 0 ? -x : x) \
    ONE(neg_s32, "neg.s32", u32, u32, 0 - x) \
    ONE(neg_s64, "neg.s64", u64, u64, 0 - x) \
    ONE(neg_s16, "neg.s16", u16, u16, -x) \
    TWO(min_u32, "min.u32", u32, u32, u32, x < y ? x : y) \
    TWO(min_s32, "min.s32", s32, s32, s32, x < y ? x : y) \
    TWO(min_u64, "min.u64", u64, u64, u64, x < y ? x : y) \
    TWO(min_s64, "min.s64", s64, s64, s64, x < y ? x : y) \
    TWO(min_u16, "min.u16", u16, u16, u16, x < y ? x : y) \
    TWO(min_s16, "min.s16", s16, s16, s16, x < y ? x : y) \
    TWO(max_u32, "max.u32", u32, u32, u32, x > y ? x : y) \
    TWO(max_s32, "max.s32", s32, s32, s32, x > y ? x : y) \
    TWO(max_u64, "max.u64", u64, u64, u64, x > y ? x : y) \
    TWO(max_s64, "max.s64", s64, s64, s64, x > y ? x : y) \
    TWO(max_u16, "max.u16", u16, u16, u16, x > y ? x : y) \
    TWO(max_s16, "max.s16", s16, s16, s16, x > y ? x : y) \
    TWO(min_relu, "min.relu.s32", s32, s32, s32, x < 0 || y < 0 ? 0 : x < y ? x : y) \
    TWO(max_relu, "max.relu.s32", s32, s32, s32, x < 0 && y < 0 ? 0 : x > y ? x : y) \
    TWO(and32, "and.b32", u32, u32, u32, x & y) \
    TWO(and64, "and.b64", u64, u64, u64, x & y) \
    TWO(and16, "and.b16", u16, u16, u16, x & y) \
    TWO(or32, "or.b32", u32, u32, u32, x | y) \
    TWO(or64, "or.b64", u64, u64, u64, x | y) \
    TWO(or16, "or.b16", u16, u16, u16, x | y) \
    TWO(xor32, "xor.b32", u32, u32, u32, x ^ y) \
    TWO(xor64, "xor.b64", u64, u64, u64, x ^ y) \
    TWO(xor16, "xor.b16", u16, u16, u16, x ^ y) \
    ONE(not32, "not.b32", u32, u32, ~x) \
    ONE(not64, "not.b64", u64, u64, ~x) \
    ONE(not16, "not.b16", u16, u16, ~x) \
    ONE(cnot32, "cnot.b32", u32, u32, x == 0) \
    ONE(cnot64, "cnot.b64", u64, u64, x == 0) \
    ONE(cnot16, "cnot.b16", u16, u16, x == 0) \
    TWO(shl32, "shl.b32", u32, u32, u32, shift_left(x, y)) \
    TWO(shl64, "shl.b64", u64, u64, u32, shift_left64(x, y)) \
    TWO(shl16, "shl.b16", u16, u16, u32, shift_left(x, y)) \
    TWO(shr_s32, "shr.s32", s32, s32, u32, shift_signed(x, y)) \
    TWO(shr_s64, "shr.s64", s64, s64, u32, shift_signed64(x, y)) \
    TWO(shr_s16, "shr.s16", s16, s16, u32, shift_signed(x, y)) \
    TWO(shr32, "shr.b32", u32, u32, u32, shift_right(x, y)) \
    TWO(shr64, "shr.b64", u64, u64, u32, shift_right64(x, y)) \
    TWO(shr16, "shr.b16", u16, u16, u32, shift_right(x, y)) \
    THREE(shf_l_wrap, "shf.l.wrap.b32", u32, u32, u32, u32, funnel_left(x, y, z & 31)) \
    THREE(shf_r_wrap, "shf.r.wrap.b32", u32, u32, u32, u32, funnel_right(x, y, z & 31)) \
    THREE(shf_l_clamp, "shf.l.clamp.b32", u32, u32, u32, u32, funnel_left(x, y, least(z, 32))) \
    THREE(shf_r_clamp, "shf.r.clamp.b32", u32, u32, u32, u32, funnel_right(x, y, least(z, 32))) \
    THREE(prmt, "prmt.b32", u32, u32, u32, u32, permute(x, y, z)) \
    THREE(bfe_u32, "bfe.u32", u32, u32, u32, u32, extract(x, y, z, 32, false)) \
    THREE(bfe_s32, "bfe.s32", u32, u32, u32, u32, extract(x, y, z, 32, true)) \
    THREE(bfe_u64, "bfe.u64", u64, u64, u32, u32, extract(x, y, z, 64, false)) \
    THREE(bfe_s64, "bfe.s64", u64, u64, u32, u32, extract(x, y, z, 64, true)) \
    TWO(bmsk_clamp, "bmsk.clamp.b32", u32, u32, u32, bit_mask(x, y, true)) \
    TWO(bmsk_wrap, "bmsk.wrap.b32", u32, u32, u32, bit_mask(x, y, false)) \
    TWO(szext_clamp_u, "szext.clamp.u32", u32, u32, u32, extend_bits(x, y, true, false)) \
    TWO(szext_clamp_s, "szext.clamp.s32", u32, u32, u32, extend_bits(x, y, true, true)) \
    TWO(szext_wrap_u, "szext.wrap.u32", u32, u32, u32, extend_bits(x, y, false, false)) \
    TWO(szext_wrap_s, "szext.wrap.s32", u32, u32, u32, extend_bits(x, y, false, true)) \
    TWO(add_16x2, "add.b16x2", u32, u32, u32, add_pairs(x, y)) \
    TWO(min_u16x2, "min.u16x2", u32, u32, u32, choose_pairs(x, y, false, false)) \
    TWO(min_s16x2, "min.s16x2", u32, u32, u32, choose_pairs(x, y, true, false)) \
    TWO(max_u16x2, "max.u16x2", u32, u32, u32, choose_pairs(x, y, false, true)) \
    TWO(max_s16x2, "max.s16x2", u32, u32, u32, choose_pairs(x, y, true, true)) \
    ONE(popc32, "popc.b32", u32, u32, count_ones(x)) \
    ONE(popc64, "popc.b64", u32, u64, count_ones(x)) \
    ONE(clz32, "clz.b32", u32, u32, leading_zeros(x, 32)) \
    ONE(clz64, "clz.b64", u32, u64, leading_zeros(x, 64)) \
    ONE(brev32, "brev.b32", u32, u32, reverse(x, 32)) \
    ONE(brev64, "brev.b64", u64, u64, reverse(x, 64)) \
    ONE(bfind_u32, "bfind.u32", u32, u32, find_bit(x, 32)) \
    ONE(bfind_s32, "bfind.s32", u32, s32, find_bit((uint32_t)(x < 0 ? ~x : x), 32)) \
    ONE(bfind_u64, "bfind.u64", u32, u64, find_bit(x, 64)) \
    ONE(bfind_s64, "bfind.s64", u32, s64, find_bit((uint64_t)(x < 0 ? ~x : x), 64)) \
    ONE(bfind_shift, "bfind.shiftamt.u32", u32, u32, x ? leading_zeros(x, 32) : ~0u) \
    THREE(dp4a_uu, "dp4a.u32.u32", u32, u32, u32, u32, dot4(x, y, z, false, false)) \
    THREE(dp4a_us, "dp4a.u32.s32", u32, u32, u32, u32, dot4(x, y, z, false, true)) \
    THREE(dp4a_su, "dp4a.s32.u32", u32, u32, u32, u32, dot4(x, y, z, true, false)) \
    THREE(dp4a_ss, "dp4a.s32.s32", u32, u32, u32, u32, dot4(x, y, z, true, true)) \
    THREE(slct32, "slct.b32.b32", u32, u32, u32, s32, z >= 0 ? x : y) \
    THREE(slct_f32, "slct.f32.b32", u32, u32, u32, s32, z >= 0 ? x : y) \
    THREE(slct64, "slct.b64.b32", u64, u64, u64, s32, z >= 0 ? x : y) \
    THREE(slct_f64, "slct.f64.b32", u64, u64, u64, s32, z >= 0 ? x : y) \
    THREE(slct32_f, "slct.b32.f32", u32, u32, u32, f32, z >= 0 ? x : y) \
    THREE(slct_f32_f, "slct.f32.f32", u32, u32, u32, f32, z >= 0 ? x : y)

#define FLOAT_ROWS(ONE, TWO, THREE) \
    TWO(add_f32, "add.f32", f32, f32, f32, x + y) \
    TWO(sub_f32, "sub.f32", f32, f32, f32, x - y) \
    TWO(mul_f32, "mul.f32", f32, f32, f32, x * y) \
    THREE(fma_f32, "fma.f32", f32, f32, f32, f32, fmaf(x, y, z)) \
    THREE(mad_f32, "mad.f32", f32, f32, f32, f32, fmaf(x, y, z)) \
    TWO(div_f32, "div.f32", f32, f32, f32, x / y) \
    ONE(rcp_f32, "rcp.f32", f32, f32, 1.0f / x) \
    ONE(sqrt_f32, "sqrt.f32", f32, f32, sqrtf(x)) \
    ONE(rsqrt_f32, "rsqrt.f32", f32, f32, 1.0 / sqrt((double)x)) \
    ONE(ex2_f32, "ex2.f32", f32, f32, exp2f(x)) \
    ONE(lg2_f32, "lg2.f32", f32, f32, log2f(x)) \
    ONE(sin_f32, "sin.f32", f32, f32, sinf(x)) \
    ONE(cos_f32, "cos.f32", f32, f32, cosf(x)) \
    ONE(tanh_f32, "tanh.f32", f32, f32, tanhf(x)) \
    ONE(abs_f32, "abs.f32", f32, f32, fabsf(x)) \
    ONE(neg_f32, "neg.f32", f32, f32, -x) \
    TWO(min_f32, "min.f32", f32, f32, f32, lesser(x, y)) \
    TWO(max_f32, "max.f32", f32, f32, f32, greater(x, y)) \
    TWO(min_nan_f32, "min.NaN.f32", f32, f32, f32, any_nan(x, y, lesser(x, y))) \
    TWO(max_nan_f32, "max.NaN.f32", f32, f32, f32, any_nan(x, y, greater(x, y))) \
    TWO(copysign_f32, "copysign.f32", f32, f32, f32, copysignf(y, x)) \
    TWO(add_f64, "add.f64", f64, f64, f64, x + y) \
    TWO(sub_f64, "sub.f64", f64, f64, f64, x - y) \
    TWO(mul_f64, "mul.f64", f64, f64, f64, x * y) \
    THREE(fma_f64, "fma.f64", f64, f64, f64, f64, fma(x, y, z)) \
    THREE(mad_f64, "mad.f64", f64, f64, f64, f64, fma(x, y, z)) \
    TWO(div_f64, "div.f64", f64, f64, f64, x / y) \
    ONE(rcp_f64, "rcp.f64", f64, f64, 1.0 / x) \
    ONE(sqrt_f64, "sqrt.f64", f64, f64, sqrt(x)) \
    ONE(rsqrt_f64, "rsqrt.f64", f64, f64, 1.0 / sqrt(x)) \
    ONE(abs_f64, "abs.f64", f64, f64, fabs(x)) \
    ONE(neg_f64, "neg.f64", f64, f64, -x) \
    TWO(min_f64, "min.f64", f64, f64, f64, lesser64(x, y)) \
    TWO(max_f64, "max.f64", f64, f64, f64, greater64(x, y)) \
    TWO(copysign_f64, "copysign.f64", f64, f64, f64, copysign(y, x))

#define NARROW_ROWS_OF(ONE, TWO, THREE, kind, type) \
    TWO(add_##type, "add." #type, u16, u16, u16, kind##_add(x, y, 0)) \
    TWO(sub_##type, "sub." #type, u16, u16, u16, kind##_sub(x, y, 0)) \
    TWO(mul_##type, "mul." #type, u16, u16, u16, kind##_mul(x, y, 0)) \
    THREE(fma_##type, "fma." #type, u16, u16, u16, u16, kind##_fma(x, y, z)) \
    TWO(min_##type, "min." #type, u16, u16, u16, kind##_min(x, y, 0)) \
    TWO(max_##type, "max." #type, u16, u16, u16, kind##_max(x, y, 0)) \
    ONE(ex2_##type, "ex2." #type, u16, u16, kind##_ex2(x, 0, 0)) \
    ONE(tanh_##type, "tanh." #type, u16, u16, kind##_tanh(x, 0, 0)) \
    ONE(neg_##type, "neg." #type, u16, u16, narrow_neg(x, 0, 0)) \
    ONE(abs_##type, "abs." #type, u16, u16, narrow_abs(x, 0, 0)) \
    TWO(add_##type##x2, "add." #type "x2", u32, u32, u32, pairwise(kind##_add, x, y, 0)) \
    TWO(sub_##type##x2, "sub." #type "x2", u32, u32, u32, pairwise(kind##_sub, x, y, 0)) \
    TWO(mul_##type##x2, "mul." #type "x2", u32, u32, u32, pairwise(kind##_mul, x, y, 0)) \
    THREE(fma_##type##x2, "fma." #type "x2", u32, u32, u32, u32, pairwise(kind##_fma, x, y, z)) \
    TWO(min_##type##x2, "min." #type "x2", u32, u32, u32, pairwise(kind##_min, x, y, 0)) \
    TWO(max_##type##x2, "max." #type "x2", u32, u32, u32, pairwise(kind##_max, x, y, 0)) \
    ONE(ex2_##type##x2, "ex2." #type "x2", u32, u32, pairwise(kind##_ex2, x, 0, 0)) \
    ONE(tanh_##type##x2, "tanh." #type "x2", u32, u32, pairwise(kind##_tanh, x, 0, 0)) \
    ONE(neg_##type##x2, "neg." #type "x2", u32, u32, pairwise(narrow_neg, x, 0, 0)) \
    ONE(abs_##type##x2, "abs." #type "x2", u32, u32, pairwise(narrow_abs, x, 0, 0))

#define ALL_ROWS(ONE, TWO, THREE) \
    INTEGER_ROWS(ONE, TWO, THREE) \
    FLOAT_ROWS(ONE, TWO, THREE) \
    NARROW_ROWS_OF(ONE, TWO, THREE, half, f16) \
    NARROW_ROWS_OF(ONE, TWO, THREE, bfloat, bf16)
/* clang-format on */

static int32_t clamp(int64_t x)
{
    return x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : (int32_t)x;
}

#define DEFINE_ONE(name, key, D, A, ...)                                                \
    static void name(Warp *warp, const Inst *inst, uint32_t mask)                       \
    {                                                                                   \
        lane_##D *d = LANES_OF(D, inst->d);                                             \
        const lane_##A *a = LANES_OF(A, inst->a);                                       \
        FOR_LANES(mask, v_##A x = (v_##A)a[l]; d[l] = (lane_##D)(v_##D)(__VA_ARGS__);); \
    }
#define DEFINE_TWO(name, key, D, A, B, ...)                           \
    static void name(Warp *warp, const Inst *inst, uint32_t mask)     \
    {                                                                 \
        lane_##D *d = LANES_OF(D, inst->d);                           \
        const lane_##A *a = LANES_OF(A, inst->a);                     \
        const lane_##B *b = LANES_OF(B, inst->b);                     \
        FOR_LANES(mask, v_##A x = (v_##A)a[l]; v_##B y = (v_##B)b[l]; \
                  d[l] = (lane_##D)(v_##D)(__VA_ARGS__););            \
    }
#define DEFINE_THREE(name, key, D, A, B, C, ...)                                             \
    static void name(Warp *warp, const Inst *inst, uint32_t mask)                            \
    {                                                                                        \
        lane_##D *d = LANES_OF(D, inst->d);                                                  \
        const lane_##A *a = LANES_OF(A, inst->a);                                            \
        const lane_##B *b = LANES_OF(B, inst->b);                                            \
        const lane_##C *c = LANES_OF(C, inst->c);                                            \
        FOR_LANES(mask, v_##A x = (v_##A)a[l]; v_##B y = (v_##B)b[l]; v_##C z = (v_##C)c[l]; \
                  d[l] = (lane_##D)(v_##D)(__VA_ARGS__););                                   \
    }
ALL_ROWS(DEFINE_ONE, DEFINE_TWO, DEFINE_THREE)

/* ---------------------------------------------------------------- carries */

/* 32-bit sums and products with the carry of the lane. mode is in the name of the handler:
 * what is added, whether the carry goes in, whether it comes out. */
static void carry_out(Warp *warp, int l, bool carry)
{
    warp->carry = (warp->carry & ~LANE(l)) | (uint32_t)carry << l;
}

#define CARRY(name, in, out, minus, T, BITS, ...)                          \
    static void name(Warp *warp, const Inst *inst, uint32_t mask)          \
    {                                                                      \
        lane_##T *d = LANES_OF(T, inst->d);                                \
        for (int l = 0; l < LANES; l++) {                                  \
            if (!(mask >> l & 1))                                          \
                continue;                                                  \
            u128 a = LANES_OF(T, inst->a)[l], b = LANES_OF(T, inst->b)[l]; \
            u128 c = inst->c == NO_SLOT ? 0 : LANES_OF(T, inst->c)[l];     \
            (void)c;                                                       \
            u128 carry = (in) ? warp->carry >> l & 1 : 0;                  \
            u128 sum = __VA_ARGS__;                                        \
            d[l] = (lane_##T)sum;                                          \
            if (out)                                                       \
                carry_out(warp, l, (sum >> (BITS)&1) != 0);                \
        }                                                                  \
    }
CARRY(add_cc32, 0, 1, 0, u32, 32, a + b + carry)
CARRY(addc32, 1, 0, 0, u32, 32, a + b + carry)
CARRY(addc_cc32, 1, 1, 0, u32, 32, a + b + carry)
CARRY(sub_cc32, 0, 1, 1, u32, 32, a - b - carry)
CARRY(subc32, 1, 0, 1, u32, 32, a - b - carry)
CARRY(subc_cc32, 1, 1, 1, u32, 32, a - b - carry)
CARRY(add_cc64, 0, 1, 0, u64, 64, a + b + carry)
CARRY(addc64, 1, 0, 0, u64, 64, a + b + carry)
CARRY(addc_cc64, 1, 1, 0, u64, 64, a + b + carry)
CARRY(sub_cc64, 0, 1, 1, u64, 64, a - b - carry)
CARRY(subc64, 1, 0, 1, u64, 64, a - b - carry)
CARRY(subc_cc64, 1, 1, 1, u64, 64, a - b - carry)
CARRY(mad_lo_cc32, 0, 1, 0, u32, 32, ((a * b) & 0xffffffffu) + c + carry)
CARRY(madc_lo32, 1, 0, 0, u32, 32, ((a * b) & 0xffffffffu) + c + carry)
CARRY(madc_lo_cc32, 1, 1, 0, u32, 32, ((a * b) & 0xffffffffu) + c + carry)
CARRY(mad_hi_cc32, 0, 1, 0, u32, 32, (a * b >> 32) + c + carry)
CARRY(madc_hi32, 1, 0, 0, u32, 32, (a * b >> 32) + c + carry)
CARRY(madc_hi_cc32, 1, 1, 0, u32, 32, (a * b >> 32) + c + carry)

/* ---------------------------------------------------------------- selection, bits */

static void select32(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint32_t *d = U32(inst->d), p = *U32(inst->c);
    const uint32_t *a = U32(inst->a), *b = U32(inst->b);
    FOR_LANES(mask, d[l] = p >> l & 1 ? a[l] : b[l];);
}

static void select64(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint64_t *d = U64(inst->d);
    uint32_t p = *U32(inst->c);
    const uint64_t *a = U64(inst->a), *b = U64(inst->b);
    FOR_LANES(mask, d[l] = p >> l & 1 ? a[l] : b[l];);
}

static void bit_insert32(Warp *warp, const Inst *inst, uint32_t mask)
{
    const uint32_t *len = U32(inst->list[0]);
    FOR_LANES(mask, U32(inst->d)[l] = (uint32_t)insert(U32(inst->a)[l], U32(inst->b)[l],
                                                       U32(inst->c)[l], len[l], 32););
}

static void bit_insert64(Warp *warp, const Inst *inst, uint32_t mask)
{
    const uint32_t *len = U32(inst->list[0]);
    FOR_LANES(mask, U64(inst->d)[l] =
                        insert(U64(inst->a)[l], U64(inst->b)[l], U32(inst->c)[l], len[l], 64););
}

static void run_move_pred(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint32_t *d = U32(inst->d);
    *d = (*d & ~mask) | (*U32(inst->a) & mask);
}

void run_logic_pred(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint32_t *d = U32(inst->d), a = *U32(inst->a), b = *U32(inst->b);
    uint32_t bits = inst->mode == COMBINE_AND ? a & b : inst->mode == COMBINE_OR ? a | b : a ^ b;
    *d = (*d & ~mask) | (bits & mask);
}

void run_lop3(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint32_t *d = U32(inst->d), on[8];
    const uint32_t *a = U32(inst->a), *b = U32(inst->b), *c = U32(inst->c);
    for (int i = 0; i < 8; i++)
        on[i] = inst->immediate >> i & 1 ? ~0u : 0;
    FOR_LANES(mask, uint32_t x = a[l]; uint32_t y = b[l]; uint32_t z = c[l];
              d[l] = (on[0] & ~x & ~y & ~z) | (on[1] & ~x & ~y & z) | (on[2] & ~x & y & ~z) |
                     (on[3] & ~x & y & z) | (on[4] & x & ~y & ~z) | (on[5] & x & ~y & z) |
                     (on[6] & x & y & ~z) | (on[7] & x & y & z););
}

/* mov.b64 d, {a, b}: the first register is the low part. */
void run_pack(Warp *warp, const Inst *inst, uint32_t mask)
{
    for (int l = 0; l < LANES; l++) {
        uint64_t whole = 0;
        if (!(mask >> l & 1))
            continue;
        for (int i = 0; i < inst->list_count; i++) {
            uint64_t part = U32(inst->list[i])[l];
            if (inst->bytes < 4)
                part &= (1ull << (8 * inst->bytes)) - 1;
            whole |= part << (8 * inst->bytes * i);
        }
        if (inst->wide)
            U64(inst->d)[l] = whole;
        else
            U32(inst->d)[l] = (uint32_t)whole;
    }
}

void run_unpack(Warp *warp, const Inst *inst, uint32_t mask)
{
    for (int l = 0; l < LANES; l++) {
        if (!(mask >> l & 1))
            continue;
        uint64_t whole = inst->wide ? U64(inst->a)[l] : U32(inst->a)[l];
        for (int i = 0; i < inst->list_count; i++) {
            uint32_t part = (uint32_t)(whole >> (8 * inst->bytes * i));
            if (inst->bytes < 4)
                part &= (1u << (8 * inst->bytes)) - 1;
            U32(inst->list[i])[l] = part;
        }
    }
}

void run_read_clock(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint64_t clock = read_clock();
    if (inst->wide)
        FOR_LANES(mask, U64(inst->d)[l] = clock;);
    else
        FOR_LANES(mask, U32(inst->d)[l] = (uint32_t)clock;);
}

void run_nothing(Warp *warp, const Inst *inst, uint32_t mask)
{
    (void)warp;
    (void)inst;
    (void)mask;
}

/* ---------------------------------------------------------------- comparison */

#define RELATION(name, T, ...)                                 \
    static uint32_t name##_##T(const void *va, const void *vb) \
    {                                                          \
        const lane_##T *a = va, *b = vb;                       \
        uint32_t bits = 0;                                     \
        for (int l = 0; l < LANES; l++) {                      \
            v_##T x = (v_##T)a[l], y = (v_##T)b[l];            \
            bits |= (uint32_t)(__VA_ARGS__) << l;              \
        }                                                      \
        return bits;                                           \
    }
#define ORDERED(T)          \
    RELATION(eq, T, x == y) \
    RELATION(lt, T, x < y) RELATION(le, T, x <= y) RELATION(gt, T, x > y) RELATION(ge, T, x >= y)
#define UNORDERED(T)                           \
    RELATION(equ, T, !(x < y || x > y))        \
    RELATION(neu, T, !(x == y))                \
    RELATION(ltu, T, !(x >= y))                \
    RELATION(leu, T, !(x > y))                 \
    RELATION(gtu, T, !(x <= y))                \
    RELATION(geu, T, !(x < y))                 \
    RELATION(num, T, x == x && y == y)         \
    RELATION(nan, T, x != x || y != y)         \
    RELATION(one, T, x<y || x> y)              \
    RELATION(finite, T, isfinite(x) && y == y) \
    RELATION(infinite, T, isinf(x) && y == y)  \
    RELATION(number, T, x == x && y == y)      \
    RELATION(notanumber, T, x != x || y != y)  \
    RELATION(normal, T, isnormal(x) && y == y) \
    RELATION(subnormal, T, fpclassify(x) == FP_SUBNORMAL && y == y)
ORDERED(u16)
ORDERED(s16)
ORDERED(u32)
ORDERED(s32)
ORDERED(u64)
ORDERED(s64)
ORDERED(f32)
ORDERED(f64)
RELATION(ne, u16, x != y)
RELATION(ne, s16, x != y)
RELATION(ne, u32, x != y)
RELATION(ne, s32, x != y)
RELATION(ne, u64, x != y)
RELATION(ne, s64, x != y)
UNORDERED(f32)
UNORDERED(f64)

/* 16-bit floats by way of single precision. */
#define NARROW_RELATION(name, kind, get)                          \
    static uint32_t name##_##kind(const void *va, const void *vb) \
    {                                                             \
        const uint32_t *a = va, *b = vb;                          \
        float x[LANES], y[LANES];                                 \
        for (int l = 0; l < LANES; l++) {                         \
            x[l] = (float)get((uint16_t)a[l]);                    \
            y[l] = (float)get((uint16_t)b[l]);                    \
        }                                                         \
        return name##_f32(x, y);                                  \
    }
#define NARROW_RELATIONS(kind, get) \
    NARROW_RELATION(eq, kind, get)  \
    NARROW_RELATION(lt, kind, get)  \
    NARROW_RELATION(le, kind, get)  \
    NARROW_RELATION(gt, kind, get)  \
    NARROW_RELATION(ge, kind, get)  \
    NARROW_RELATION(one, kind, get) \
    NARROW_RELATION(equ, kind, get) \
    NARROW_RELATION(neu, kind, get) \
    NARROW_RELATION(ltu, kind, get) \
    NARROW_RELATION(leu, kind, get) \
    NARROW_RELATION(gtu, kind, get) \
    NARROW_RELATION(geu, kind, get) \
    NARROW_RELATION(num, kind, get) \
    NARROW_RELATION(nan, kind, get)
NARROW_RELATIONS(f16, half_to_double)
NARROW_RELATIONS(bf16, bfloat_to_double)

typedef struct {
    const char *name;
    Compare *u16, *s16, *u32, *s32, *u64, *s64, *f32, *f64, *f16, *bf16;
} Relation;

#define SIX(name) name##_u16, name##_s16, name##_u32, name##_s32, name##_u64, name##_s64
#define NONE NULL, NULL, NULL, NULL, NULL, NULL
#define UNSIGNED(name) name##_u16, NULL, name##_u32, NULL, name##_u64, NULL
#define ALL_FLOATS(name) name##_f32, name##_f64, name##_f16, name##_bf16
static const Relation relations[] = {
    {"eq", SIX(eq), ALL_FLOATS(eq)},
    {"ne", SIX(ne), ALL_FLOATS(one)}, /* ordered: false for a NaN */
    {"lt", SIX(lt), ALL_FLOATS(lt)},
    {"le", SIX(le), ALL_FLOATS(le)},
    {"gt", SIX(gt), ALL_FLOATS(gt)},
    {"ge", SIX(ge), ALL_FLOATS(ge)},
    {"lo", UNSIGNED(lt), NULL, NULL, NULL, NULL},
    {"ls", UNSIGNED(le), NULL, NULL, NULL, NULL},
    {"hi", UNSIGNED(gt), NULL, NULL, NULL, NULL},
    {"hs", UNSIGNED(ge), NULL, NULL, NULL, NULL},
    {"equ", NONE, ALL_FLOATS(equ)},
    {"neu", NONE, ALL_FLOATS(neu)},
    {"ltu", NONE, ALL_FLOATS(ltu)},
    {"leu", NONE, ALL_FLOATS(leu)},
    {"gtu", NONE, ALL_FLOATS(gtu)},
    {"geu", NONE, ALL_FLOATS(geu)},
    {"num", NONE, ALL_FLOATS(num)},
    {"nan", NONE, ALL_FLOATS(nan)},
    {"finite", NONE, finite_f32, finite_f64, NULL, NULL},
    {"infinite", NONE, infinite_f32, infinite_f64, NULL, NULL},
    {"number", NONE, number_f32, number_f64, NULL, NULL},
    {"notanumber", NONE, notanumber_f32, notanumber_f64, NULL, NULL},
    {"normal", NONE, normal_f32, normal_f64, NULL, NULL},
    {"subnormal", NONE, subnormal_f32, subnormal_f64, NULL, NULL},
};

/* The function for a relation of setp, set or testp; NULL if there is none for the type. */
Compare *find_compare(const char *name, Type type)
{
    for (size_t i = 0; i < sizeof relations / sizeof *relations; i++) {
        const Relation *relation = &relations[i];
        if (strcmp(relation->name, name))
            continue;
        switch (type) {
        case TYPE_B16:
        case TYPE_U16:
            return relation->u16;
        case TYPE_S16:
            return relation->s16;
        case TYPE_B32:
        case TYPE_U32:
            return relation->u32;
        case TYPE_S32:
            return relation->s32;
        case TYPE_B64:
        case TYPE_U64:
            return relation->u64;
        case TYPE_S64:
            return relation->s64;
        case TYPE_F32:
            return relation->f32;
        case TYPE_F64:
            return relation->f64;
        case TYPE_F16:
            return relation->f16;
        case TYPE_BF16:
            return relation->bf16;
        default:
            return NULL;
        }
    }
    return NULL;
}

static uint32_t combine(const Inst *inst, uint32_t bits, uint32_t c)
{
    return inst->mode == COMBINE_AND ? bits & c : inst->mode == COMBINE_OR ? bits | c : bits ^ c;
}

static uint32_t compare_bits(Warp *warp, const Inst *inst)
{
    const void *a = warp->registers + inst->a, *b = warp->registers + inst->b;
    if (!(inst->flags & FLAG_FTZ))
        return inst->compare(a, b);
    float x[LANES], y[LANES];
    for (int l = 0; l < LANES; l++) {
        x[l] = fpclassify(F32(inst->a)[l]) == FP_SUBNORMAL ? 0 : F32(inst->a)[l];
        y[l] = fpclassify(F32(inst->b)[l]) == FP_SUBNORMAL ? 0 : F32(inst->b)[l];
    }
    return inst->compare(x, y);
}

void run_compare(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint32_t bits = compare_bits(warp, inst), inverse = ~bits;
    uint32_t *d = U32(inst->d);
    if (inst->mode) {
        uint32_t c = *U32(inst->c);
        bits = combine(inst, bits, c);
        inverse = combine(inst, inverse, c);
    }
    *d = (*d & ~mask) | (bits & mask);
    if (inst->list_count) {
        uint32_t *q = U32(inst->list[0]);
        *q = (*q & ~mask) | (inverse & mask);
    }
}

/* set.lt.u32.f32: all ones or 1.0 where the relation holds. */
void run_set(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint32_t bits = compare_bits(warp, inst), *d = U32(inst->d);
    uint32_t yes = inst->type == TYPE_F32 ? 0x3f800000u : ~0u;
    if (inst->mode)
        bits = combine(inst, bits, *U32(inst->c));
    FOR_LANES(mask, d[l] = bits >> l & 1 ? yes : 0;);
}

/* ---------------------------------------------------------------- rounding, saturation, .ftz */

static const int round_modes[] = {[ROUND_NEAREST] = FE_TONEAREST,
                                  [ROUND_ZERO] = FE_TOWARDZERO,
                                  [ROUND_DOWN] = FE_DOWNWARD,
                                  [ROUND_UP] = FE_UPWARD};

/* Runs inst->inner with another rounding, with subnormals as zeros, and clamps the result. */
void run_wrapped(Warp *warp, const Inst *inst, uint32_t mask)
{
#if defined(__SSE__)
    unsigned control = _mm_getcsr();
    if (inst->flags & FLAG_FTZ)
        _mm_setcsr(control | 0x8040u); /* flush to zero, denormals are zero */
#endif
    if (inst->round)
        fesetround(round_modes[inst->round]);
    inst->inner(warp, inst, mask);
    if (inst->round)
        fesetround(FE_TONEAREST);
#if defined(__SSE__)
    _mm_setcsr(control);
#endif
    if (!(inst->flags & FLAG_SAT))
        return;
    if (inst->type == TYPE_F64)
        FOR_LANES(mask, double *d = F64(inst->d) + l; *d = *d > 0 ? (*d < 1 ? *d : 1) : 0;);
    else
        FOR_LANES(mask, float *d = F32(inst->d) + l; *d = *d > 0 ? (*d < 1 ? *d : 1) : 0;);
}

#define ROW_ONE(name, key, D, A, ...) {key, name, WIDTH_##D WIDTH_##A},
#define ROW_TWO(name, key, D, A, B, ...) {key, name, WIDTH_##D WIDTH_##A WIDTH_##B},
#define ROW_THREE(name, key, D, A, B, C, ...) {key, name, WIDTH_##D WIDTH_##A WIDTH_##B WIDTH_##C},
const Row arith_rows[] = {ALL_ROWS(ROW_ONE, ROW_TWO, ROW_THREE){"mov.pred", run_move_pred, "pp"},
                          {"selp.b32", select32, "444p"},
                          {"selp.f32", select32, "444p"},
                          {"selp.b16", select32, "444p"},
                          {"selp.f16", select32, "444p"},
                          {"selp.b64", select64, "888p"},
                          {"selp.f64", select64, "888p"},
                          {"bfi.b32", bit_insert32, "44444"},
                          {"bfi.b64", bit_insert64, "88844"},
                          {"add.cc.b32", add_cc32, "444"},
                          {"addc.b32", addc32, "444"},
                          {"addc.cc.b32", addc_cc32, "444"},
                          {"sub.cc.b32", sub_cc32, "444"},
                          {"subc.b32", subc32, "444"},
                          {"subc.cc.b32", subc_cc32, "444"},
                          {"add.cc.b64", add_cc64, "888"},
                          {"addc.b64", addc64, "888"},
                          {"addc.cc.b64", addc_cc64, "888"},
                          {"sub.cc.b64", sub_cc64, "888"},
                          {"subc.b64", subc64, "888"},
                          {"subc.cc.b64", subc_cc64, "888"},
                          {"mad.lo.cc.b32", mad_lo_cc32, "4444"},
                          {"madc.lo.b32", madc_lo32, "4444"},
                          {"madc.lo.cc.b32", madc_lo_cc32, "4444"},
                          {"mad.hi.cc.u32", mad_hi_cc32, "4444"},
                          {"madc.hi.u32", madc_hi32, "4444"},
                          {"madc.hi.cc.u32", madc_hi_cc32, "4444"},
                          {NULL, NULL, NULL}};
