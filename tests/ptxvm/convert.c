/* convert.c -- handlers of cvt, and the 16-bit floating-point formats. */
#include <fenv.h>
#include <math.h>
#include <string.h>
#include "ptx.h"
#include "lanes.h"

/* ---------------------------------------------------------------- formats */

/* Rounds to `mantissa` stored bits, subnormal below 2^least_exponent, in the current mode. */
static double round_to_bits(double value, int mantissa, int least_exponent)
{
    int exponent;
    if (!isfinite(value) || value == 0)
        return value;
    frexp(value, &exponent); /* |value| in [2^(exponent-1), 2^exponent) */
    exponent--;
    if (exponent < least_exponent)
        exponent = least_exponent;
    return ldexp(nearbyint(ldexp(value, mantissa - exponent)), exponent - mantissa);
}

static double bits_to_double(uint16_t bits, int mantissa, int bias)
{
    int exponent = (bits & 0x7fff) >> mantissa;
    int fraction = bits & ((1 << mantissa) - 1);
    double sign = bits & 0x8000 ? -1 : 1;
    if (exponent == 2 * bias + 1)
        return fraction ? NAN : sign * INFINITY;
    if (!exponent)
        return sign * ldexp(fraction, 1 - bias - mantissa);
    return sign * ldexp(fraction + (1 << mantissa), exponent - bias - mantissa);
}

static uint16_t double_to_bits(double value, int mantissa, int bias)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    int most = 2 * bias + 1;
    if (value != value)
        return 0x7fff;
    double rounded = fabs(round_to_bits(value, mantissa, 1 - bias));
    if (rounded == 0)
        return sign;
    int exponent;
    frexp(rounded, &exponent);
    exponent--;
    if (exponent > bias) {
        bool down = isfinite(value) && (fegetround() == FE_TOWARDZERO ||
                                        fegetround() == (sign ? FE_UPWARD : FE_DOWNWARD));
        return (uint16_t)(sign | ((most << mantissa) - (down ? 1 : 0)));
    }
    if (exponent < 1 - bias)
        return (uint16_t)(sign | (int)ldexp(rounded, bias - 1 + mantissa));
    int fraction = (int)ldexp(rounded, mantissa - exponent) - (1 << mantissa);
    return (uint16_t)(sign | (exponent + bias) << mantissa | fraction);
}

double half_to_double(uint16_t bits) { return bits_to_double(bits, 10, 15); }
uint16_t double_to_half(double value) { return double_to_bits(value, 10, 15); }
uint16_t double_to_bfloat(double value) { return double_to_bits(value, 7, 127); }

double bfloat_to_double(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return (double)value;
}

/* To nearest with ties to even: the frequent case. */
static uint32_t float_to_bfloat(uint32_t bits)
{
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return 0x7fff;
    return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}

/* To nearest with ties away from zero: cvt.rna.tf32.f32. */
static uint32_t float_to_tf32(uint32_t bits)
{
    if ((bits & 0x7f800000u) == 0x7f800000u)
        return bits & 0x7fffffu ? 0x7fffffffu : bits;
    return (bits + 0x1000u) & 0xffffe000u;
}

/* ---------------------------------------------------------------- any conversion */

static bool is_float_type(Type type)
{
    return type == TYPE_F16 || type == TYPE_BF16 || type == TYPE_F32 || type == TYPE_F64 ||
           type == TYPE_TF32;
}

static uint64_t lane_bits(const Warp *warp, uint32_t slot, bool wide, int l)
{
    return wide ? U64(slot)[l] : U32(slot)[l];
}

static void set_lane_bits(Warp *warp, uint32_t slot, bool wide, int l, uint64_t bits)
{
    if (wide)
        U64(slot)[l] = bits;
    else
        U32(slot)[l] = (uint32_t)bits;
}

static double float_value(uint64_t bits, Type type)
{
    float single;
    double real;
    uint32_t low = (uint32_t)bits;
    switch (type) {
    case TYPE_F16:
        return half_to_double((uint16_t)bits);
    case TYPE_BF16:
        return bfloat_to_double((uint16_t)bits);
    case TYPE_F64:
        memcpy(&real, &bits, sizeof real);
        return real;
    default:
        memcpy(&single, &low, sizeof single);
        return (double)single;
    }
}

static uint64_t float_bits(double value, Type type)
{
    uint64_t bits = 0;
    float single;
    switch (type) {
    case TYPE_F16:
        return double_to_half(value);
    case TYPE_BF16:
        return double_to_bfloat(value);
    case TYPE_F64:
        memcpy(&bits, &value, sizeof value);
        return bits;
    case TYPE_TF32:
        value = round_to_bits(value, 10, -126);
        break;
    default:
        break;
    }
    uint32_t low;
    single = (float)value;
    memcpy(&low, &single, sizeof low);
    return low;
}

/* The value of the narrower type, extended to 64 bits. */
static uint64_t extend(uint64_t bits, Type type)
{
    unsigned unused = 64 - 8 * type_bytes(type);
    if (type_is_signed(type))
        return (uint64_t)((int64_t)(bits << unused) >> unused);
    return bits << unused >> unused;
}

static uint64_t saturate_integer(uint64_t bits, Type from, Type to)
{
    int width = 8 * (int)type_bytes(to);
    bool negative = type_is_signed(from) && (int64_t)bits < 0;
    if (type_is_signed(to)) {
        int64_t most = (int64_t)((1ull << (width - 1)) - 1), least = -most - 1;
        if (negative)
            return (int64_t)bits < least ? (uint64_t)least : bits;
        return bits > (uint64_t)most ? (uint64_t)most : bits;
    }
    uint64_t most = width == 64 ? ~0ull : (1ull << width) - 1;
    return negative ? 0 : bits > most ? most : bits;
}

static uint64_t float_to_integer(double value, Type from, Type to)
{
    int width = 8 * (int)type_bytes(to);
    if (value != value)
        return from == TYPE_F64 || width == 64 ? 1ull << (width - 1) : 0;
    value = nearbyint(value);
    if (type_is_signed(to)) {
        double most = ldexp(1, width - 1);
        if (value >= most)
            return (1ull << (width - 1)) - 1;
        return value <= -most ? (uint64_t) - (int64_t)((1ull << (width - 1)) - 1) - 1
                              : (uint64_t)(int64_t)value;
    }
    if (value <= 0)
        return 0;
    return value >= ldexp(1, width) ? (width == 64 ? ~0ull : (1ull << width) - 1) : (uint64_t)value;
}

/* 64-bit integers do not pass through a double on the way to a float: one rounding only. */
static uint64_t integer_to_float(uint64_t bits, Type from, Type to)
{
    bool is_signed = type_is_signed(from);
    if (to == TYPE_F32) {
        float value = is_signed ? (float)(int64_t)bits : (float)bits;
        uint32_t low;
        memcpy(&low, &value, sizeof low);
        return low;
    }
    return float_bits(is_signed ? (double)(int64_t)bits : (double)bits, to);
}

static double flush(double value, Type type)
{
    return type == TYPE_F32 && fabs(value) < 0x1p-126 ? copysign(0, value) : value;
}

static uint64_t convert(const Inst *inst, uint64_t bits)
{
    Type from = (Type)inst->type2, to = (Type)inst->type;
    if (!is_float_type(from)) {
        bits = extend(bits, from);
        if (is_float_type(to))
            return integer_to_float(bits, from, to);
        if (inst->flags & FLAG_SAT)
            bits = saturate_integer(bits, from, to);
        return extend(bits, to);
    }
    if (to == TYPE_TF32 && inst->round == ROUND_AWAY)
        return float_to_tf32((uint32_t)bits);
    double value = float_value(bits, from);
    if (inst->flags & FLAG_FTZ)
        value = flush(value, from);
    if (!is_float_type(to))
        return extend(float_to_integer(value, from, to), to);
    if (inst->mode2)
        value = nearbyint(value);
    if (inst->flags & FLAG_SAT)
        value = value > 0 ? (value < 1 ? value : 1) : 0;
    if ((inst->flags & FLAG_RELU) && value < 0)
        value = 0;
    if (value != value && to != TYPE_F64)
        return to == TYPE_F32 || to == TYPE_TF32 ? 0x7fffffffu : 0x7fffu;
    bits = float_bits(value, to);
    return inst->flags & FLAG_FTZ ? float_bits(flush(float_value(bits, to), to), to) : bits;
}

static const int round_modes[] = {[ROUND_NEAREST] = FE_TONEAREST,
                                  [ROUND_ZERO] = FE_TOWARDZERO,
                                  [ROUND_DOWN] = FE_DOWNWARD,
                                  [ROUND_UP] = FE_UPWARD,
                                  [ROUND_AWAY] = FE_TONEAREST};

void run_convert(Warp *warp, const Inst *inst, uint32_t mask)
{
    fesetround(round_modes[inst->round]);
    for (int l = 0; l < LANES; l++)
        if (mask >> l & 1)
            set_lane_bits(warp, inst->d, inst->wide & 1, l,
                          convert(inst, lane_bits(warp, inst->a, inst->wide & 2, l)));
    fesetround(FE_TONEAREST);
}

/* cvt.rn.bf16x2.f32 d, a, b: a goes into the upper half. */
void run_convert_pair(Warp *warp, const Inst *inst, uint32_t mask)
{
    Inst one = *inst;
    one.type = inst->type == TYPE_F16X2 ? TYPE_F16 : TYPE_BF16;
    fesetround(round_modes[inst->round]);
    for (int l = 0; l < LANES; l++)
        if (mask >> l & 1) {
            uint32_t high = (uint32_t)convert(&one, U32(inst->a)[l]);
            uint32_t low = (uint32_t)convert(&one, U32(inst->b)[l]);
            U32(inst->d)[l] = high << 16 | low;
        }
    fesetround(FE_TONEAREST);
}

/* ---------------------------------------------------------------- frequent conversions */

#define QUICK(name, D, A, ...)                                                   \
    static void name(Warp *warp, const Inst *inst, uint32_t mask)                \
    {                                                                            \
        lane_##D *d = LANES_OF(D, inst->d);                                      \
        const lane_##A *a = LANES_OF(A, inst->a);                                \
        FOR_LANES(mask, v_##A x = (v_##A)a[l]; d[l] = (lane_##D)(__VA_ARGS__);); \
    }
QUICK(s64_of_s32, s64, s32, x)
QUICK(u64_of_u32, u64, u32, x)
QUICK(u32_of_u64, u32, u64, x)
QUICK(f32_of_s32, f32, s32, x)
QUICK(f32_of_u32, f32, u32, x)
QUICK(f64_of_f32, f64, f32, x)
QUICK(f32_of_f64, f32, f64, x)
QUICK(bf16_of_f32, u32, u32, float_to_bfloat(x))
QUICK(f32_of_bf16, u32, u32, x << 16)
QUICK(tf32_of_f32, u32, u32, float_to_tf32(x))

static void quick_bfloat_pair(Warp *warp, const Inst *inst, uint32_t mask)
{
    const uint32_t *a = U32(inst->a), *b = U32(inst->b);
    uint32_t *d = U32(inst->d);
    FOR_LANES(mask, d[l] = float_to_bfloat(a[l]) << 16 | float_to_bfloat(b[l]););
}

Handler *find_quick_convert(const Inst *inst)
{
    static const struct {
        uint8_t to, from, wide, round;
        Handler *run;
    } quick[] = {{TYPE_S64, TYPE_S32, 1, ROUND_NEAREST, s64_of_s32},
                 {TYPE_U64, TYPE_U32, 1, ROUND_NEAREST, u64_of_u32},
                 {TYPE_U32, TYPE_U64, 2, ROUND_NEAREST, u32_of_u64},
                 {TYPE_F32, TYPE_S32, 0, ROUND_NEAREST, f32_of_s32},
                 {TYPE_F32, TYPE_U32, 0, ROUND_NEAREST, f32_of_u32},
                 {TYPE_F64, TYPE_F32, 1, ROUND_NEAREST, f64_of_f32},
                 {TYPE_F32, TYPE_F64, 2, ROUND_NEAREST, f32_of_f64},
                 {TYPE_BF16, TYPE_F32, 0, ROUND_NEAREST, bf16_of_f32},
                 {TYPE_F32, TYPE_BF16, 0, ROUND_NEAREST, f32_of_bf16},
                 {TYPE_TF32, TYPE_F32, 0, ROUND_AWAY, tf32_of_f32},
                 {TYPE_BF16X2, TYPE_F32, 0, ROUND_NEAREST, quick_bfloat_pair}};
    if (inst->flags || inst->mode2)
        return NULL;
    for (size_t i = 0; i < sizeof quick / sizeof *quick; i++)
        if (quick[i].to == inst->type && quick[i].from == inst->type2 &&
            quick[i].wide == inst->wide && quick[i].round == inst->round)
            return quick[i].run;
    return NULL;
}
