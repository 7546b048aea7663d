/* elementary.h -- functions of the generated code: one text for a number and for a vector.
 *
 * Included by scalar.h with NUMBER real and by vecmath.h with NUMBER vec. WORD is the unsigned
 * integer (or vector of them) of the same width, FN(x) the name of x for that type; the includer
 * provides FN(splat), FN(bits), FN(from_bits), FN(from_integer), FN(if_less), FN(sqrt).
 *
 * Only + - * / and square roots, each in a statement of its own, so that no compiler fuses two of
 * them (with -ffp-contract=on or off): every CPU, compiler and vector length gives the same bits,
 * with FMA and without. ULP: units in the last place of the exact result. */

static inline NUMBER FN(max)(NUMBER a, NUMBER b) { return FN(if_less)(b, a, a, b); } /* NaN: b */
static inline NUMBER FN(min)(NUMBER a, NUMBER b) { return FN(if_less)(a, b, a, b); } /* NaN: b */
static inline NUMBER FN(abs)(NUMBER a) { return FN(from_bits)(FN(bits)(a) & ~SIGN_BIT); }

/* The nearest integer, halves to even. */
static inline NUMBER FN(rint)(NUMBER a)
{
    NUMBER size = FN(abs)(a);
    NUMBER rounded = size + ROUNDER;
    rounded = rounded - ROUNDER;
    rounded = FN(from_bits)(FN(bits)(rounded) | (FN(bits)(a) & SIGN_BIT));
    return FN(if_less)(size, FN(splat)(ROUNDER / 3), rounded, a);
}

/* a > b: 1 or 0 */
static inline NUMBER FN(greater)(NUMBER a, NUMBER b)
{
    return FN(if_less)(b, a, FN(splat)(1), FN(splat)(0));
}

/* 1, 0 or -1 */
static inline NUMBER FN(sign)(NUMBER a)
{
    NUMBER zero = FN(splat)(0);
    return FN(if_less)(zero, a, FN(splat)(1), FN(if_less)(a, zero, FN(splat)(-1), zero));
}

/* a where a > 0, else slope * a; and its derivative */
static inline NUMBER FN(leaky)(NUMBER a, real slope)
{
    return FN(if_less)(FN(splat)(0), a, a, a * slope);
}

static inline NUMBER FN(leaky_slope)(NUMBER a, real slope)
{
    return FN(if_less)(FN(splat)(0), a, FN(splat)(1), FN(splat)(slope));
}

/* c[0] + c[1] x + ... + c[count - 1] x^(count - 1) */
static inline NUMBER FN(polynomial)(NUMBER x, const real *c, int count)
{
    NUMBER sum = FN(splat)(c[count - 1]);
    UNROLL
    for (int i = count - 2; i >= 0; i--) {
        sum = sum * x;
        sum = sum + c[i];
    }
    return sum;
}

/* exp(x) = (1 + p) 2^n with n the integer nearest to x / log 2. Returns p; *shifted_exponent holds
 * n + 2 * EXPONENT_BIAS, which is positive. LOWEST_EXP <= x <= HIGHEST_EXP, or NaN. */
static inline NUMBER FN(exp_parts)(NUMBER x, WORD *shifted_exponent)
{
    NUMBER rounded = x * LOG2_E;
    rounded = rounded + ROUNDER;
    NUMBER n = rounded - ROUNDER;
    WORD rounder_bits = FN(bits)(FN(splat)(ROUNDER));
    *shifted_exponent = FN(bits)(rounded) - rounder_bits + (real_word)(2 * EXPONENT_BIAS);
    NUMBER multiple = n * LOG_2_HIGH;
    NUMBER r = x - multiple;
    multiple = n * LOG_2_LOW;
    r = r - multiple;
    NUMBER p = FN(polynomial)(r, exp_terms, EXP_TERMS);
    NUMBER square = r * r;
    p = p * square;
    return p + r;
}

/* e^x, infinity and denormals included; 1.1 ULP. */
static inline NUMBER FN(exp)(NUMBER x)
{
    x = FN(if_less)(x, FN(splat)(LOWEST_EXP), FN(splat)(LOWEST_EXP), x);
    x = FN(if_less)(FN(splat)(HIGHEST_EXP), x, FN(splat)(HIGHEST_EXP), x);
    WORD exponent;
    NUMBER y = FN(exp_parts)(x, &exponent);
    y = y + 1;
    WORD half = exponent >> 1; /* two factors: 2^n alone may leave the range of normal numbers */
    WORD rest = exponent - half;
    y = y * FN(from_bits)(half << MANTISSA_BITS);
    return y * FN(from_bits)(rest << MANTISSA_BITS);
}

/* 1 / (1 + e^-x), 2.5 ULP: small values keep their relative precision. */
static inline NUMBER FN(sigmoid)(NUMBER x)
{
    NUMBER e = FN(exp)(FN(from_bits)(FN(bits)(x) | SIGN_BIT));
    NUMBER denominator = e + 1;
    return FN(if_less)(x, FN(splat)(0), e, FN(splat)(1)) / denominator;
}

/* tanh |x| = -m / (2 + m) with m = e^(-2 |x|) - 1; 2.5 ULP, small values included. */
static inline NUMBER FN(tanh)(NUMBER x)
{
    NUMBER y = FN(from_bits)(FN(bits)(x) | SIGN_BIT) * 2;
    y = FN(if_less)(y, FN(splat)(LOWEST_TANH), FN(splat)(LOWEST_TANH), y);
    WORD exponent;
    NUMBER m = FN(exp_parts)(y, &exponent);
    NUMBER scale = FN(from_bits)((exponent - EXPONENT_BIAS) << MANTISSA_BITS);
    m = m * scale;
    scale = scale - 1;
    m = m + scale;
    NUMBER denominator = m + 2;
    m = m / denominator;
    return FN(from_bits)((FN(bits)(m) & ~SIGN_BIT) | (FN(bits)(x) & SIGN_BIT));
}

/* log of a positive normal number x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2). s = f / (2 + f):
 *
 *     log(1 + f) = 2 atanh(s) = f - f^2/2 + s (f^2/2 + s^2 (2/3 + 2/5 s^2 + ...))
 *
 * bias: EXPONENT_BIAS plus the exponent of a power of two that x was multiplied by. */
static inline NUMBER FN(log_normal)(NUMBER x, NUMBER bias)
{
    const real_word one_bits = (real_word)EXPONENT_BIAS << MANTISSA_BITS;
    const real_word fraction = ((real_word)1 << MANTISSA_BITS) - 1;
    WORD shifted = FN(bits)(x) + (one_bits - ROOT_HALF_BITS);
    NUMBER f = FN(from_bits)((shifted & fraction) + ROOT_HALF_BITS);
    f = f - 1;
    NUMBER k = FN(from_integer)(shifted >> MANTISSA_BITS) - bias;
    NUMBER denominator = f + 2;
    NUMBER s = f / denominator;
    NUMBER square = s * s;
    NUMBER series = FN(polynomial)(square, log_terms, LOG_TERMS);
    series = series * square;
    NUMBER half_square = f * f;
    half_square = half_square * (real)0.5;
    series = series + half_square;
    series = series * s;
    NUMBER low = k * LOG_2_LOW;
    low = series + low;
    low = half_square - low;
    low = low - f;
    NUMBER high = k * LOG_2_HIGH;
    return high - low;
}

/* Natural logarithm; 0.9 ULP. log(0) = -infinity, of negative numbers NaN. */
static inline NUMBER FN(log)(NUMBER x)
{
    NUMBER smallest = FN(splat)(SMALLEST_NORMAL), infinity = FN(splat)(INFINITE);
    NUMBER bias = FN(splat)((real)EXPONENT_BIAS), zero = FN(splat)(0);
    NUMBER scaled = x * DENORMAL_SCALE, scaled_bias = bias + DENORMAL_SCALE_EXPONENT;
    NUMBER y = FN(log_normal)(FN(if_less)(x, smallest, scaled, x),
                              FN(if_less)(x, smallest, scaled_bias, bias));
    NUMBER none = FN(if_less)(x, zero, FN(splat)(real_from_bits(NAN_BITS)), zero - infinity);
    y = FN(if_less)(zero, x, y, none);
    return FN(if_less)(x, infinity, y, x);
}

/* Sine and cosine of r + quadrant * pi/2, |r| <= pi/4; the two lowest bits of quadrant count. */
static inline void FN(sincos_quadrant)(NUMBER r, WORD quadrant, NUMBER *sine, NUMBER *cosine)
{
    NUMBER square = r * r;
    NUMBER s = FN(polynomial)(square, sine_terms, SINE_TERMS);
    s = s * square;
    s = s * r;
    s = s + r;
    NUMBER half = square * (real)0.5;
    NUMBER rounded = 1 - half;
    NUMBER lost = 1 - rounded; /* 1 - half = rounded + (lost - half), exactly */
    lost = lost - half;
    NUMBER c = FN(polynomial)(square, cosine_terms, COSINE_TERMS);
    c = c * square;
    c = c * square;
    c = c + lost;
    c = rounded + c;
    WORD s_bits = FN(bits)(s), c_bits = FN(bits)(c);
    WORD odd = 0 - (quadrant & 1);
    WORD s_sign = quadrant << (8 * (int)sizeof(real) - 2) & SIGN_BIT;
    WORD c_sign = (quadrant + 1) << (8 * (int)sizeof(real) - 2) & SIGN_BIT;
    *sine = FN(from_bits)(((s_bits & ~odd) | (c_bits & odd)) ^ s_sign);
    *cosine = FN(from_bits)(((c_bits & ~odd) | (s_bits & odd)) ^ c_sign);
}

/* Sine and cosine for |x| <= 1e5: float 1 ULP up to 1, 2 up to 10, 3.5 up to 1e5; double 1.7.
 * Beyond, they lose precision but stay in [-1, 1]. */
static inline void FN(sincos)(NUMBER x, NUMBER *sine, NUMBER *cosine)
{
    NUMBER rounded = x * QUARTERS_A_RADIAN;
    rounded = rounded + ROUNDER;
    NUMBER n = rounded - ROUNDER, r = x;
    UNROLL
    for (int i = 0; i < QUARTER_TURN_PARTS; i++) {
        NUMBER multiple = n * QUARTER_TURN[i];
        r = r - multiple;
    }
    NUMBER one = FN(splat)(1), minus_one = FN(splat)(-1);
    r = FN(if_less)(r, minus_one, minus_one, r);
    r = FN(if_less)(one, r, one, r);
    FN(sincos_quadrant)(r, FN(bits)(rounded), sine, cosine);
}

static inline NUMBER FN(sin)(NUMBER x)
{
    NUMBER sine, cosine;
    FN(sincos)(x, &sine, &cosine);
    return sine;
}

static inline NUMBER FN(cos)(NUMBER x)
{
    NUMBER sine, cosine;
    FN(sincos)(x, &sine, &cosine);
    return cosine;
}

/* Uniform in [0, 1): a multiple of 2^-24 (float) or 2^-53 (double), from WORDS_A_DRAW words of 32
 * random bits. */
static inline NUMBER FN(uniform)(const WORD *words)
{
#ifdef GAGAC_F64
    NUMBER high = FN(from_integer)(words[0]) * 0x1p21;
    NUMBER sum = high + FN(from_integer)(words[1] >> 11);
    return sum * 0x1p-53;
#else
    return FN(from_integer)(words[0] >> 8) * 0x1p-24f;
#endif
}

/* Uniform in (0, 1], small numbers with all their digits: at least 2^-32 (float) or 2^-54. */
static inline NUMBER FN(uniform_positive)(const WORD *words)
{
#ifdef GAGAC_F64
    return FN(uniform)(words) + 0x1p-54;
#else
    NUMBER middle = FN(from_integer)(words[0] >> 1) + 0.5f;
    return middle * 0x1p-31f;
#endif
}

/* Two independent standard normal numbers (Box and Muller 1958) from 2 WORDS_A_DRAW random words.
 * Float: |x| <= 6.7; double: |x| <= 8.7. */
static inline void FN(normal_pair)(const WORD *words, NUMBER *first, NUMBER *second)
{
    NUMBER bias = FN(splat)((real)EXPONENT_BIAS);
    NUMBER radius = FN(log_normal)(FN(uniform_positive)(words), bias) * -2;
    radius = FN(sqrt)(radius);
    NUMBER turns = FN(uniform)(words + WORDS_A_DRAW);
    NUMBER rounded = turns * 4;
    rounded = rounded + ROUNDER;
    NUMBER quarters = rounded - ROUNDER;
    quarters = quarters * (real)0.25;
    NUMBER angle = turns - quarters;
    angle = angle * RADIANS_A_TURN;
    NUMBER sine, cosine;
    FN(sincos_quadrant)(angle, FN(bits)(rounded), &sine, &cosine);
    *first = radius * cosine;
    *second = radius * sine;
}

/* The DRAWS_A_BLOCK numbers that the 4 words of a Philox block hold. */
static inline void FN(normal_block)(const WORD words[4], NUMBER draws[DRAWS_A_BLOCK])
{
    UNROLL
    for (int i = 0; i < DRAWS_A_BLOCK; i += 2)
        FN(normal_pair)(words + i * WORDS_A_DRAW, draws + i, draws + i + 1);
}

static inline void FN(uniform_block)(const WORD words[4], NUMBER draws[DRAWS_A_BLOCK])
{
    UNROLL
    for (int i = 0; i < DRAWS_A_BLOCK; i++)
        draws[i] = FN(uniform)(words + i * WORDS_A_DRAW);
}
