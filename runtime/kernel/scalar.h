/* scalar.h -- the number type of a generated program, and the functions of its code on one number.
 *
 * Plain C99 on its own: no libm, no extension that another compiler would miss. real is float, or
 * double with -DGAGAC_F64. The functions come from elementary.h, whose text vecmath.h uses again
 * for vectors: real_exp(x) and a lane of vexp() hold the same bits. */
#ifndef GAGAC_SCALAR_H
#define GAGAC_SCALAR_H

#include <stdint.h>
#include <string.h>

#ifdef GAGAC_F64
typedef double real;
typedef int64_t real_mask;  /* lanes of a comparison: 0 or -1 */
typedef uint64_t real_word; /* bits of a real */
#else
typedef float real;
typedef int32_t real_mask;
typedef uint32_t real_word;
#endif

#if defined(__CUDACC__)
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")
#elif defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")    /* over registers */
#define ROLLED _Pragma("clang loop unroll(disable)") /* over memory: unrolling spills */
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 32")
#define ROLLED _Pragma("GCC unroll 1")
#else
#define UNROLL
#define ROLLED
#endif

/* Coefficients are minimax fits on the reduced ranges, lowest power first; 2^-n is the error of the
 * polynomial relative to the function. The high part of log 2 and all but the last part of pi/2 are
 * so short that their products with the multiples in use are exact. x + ROUNDER has the integer
 * nearest to x in its low bits. */
#ifdef GAGAC_F64
enum { MANTISSA_BITS = 52, EXPONENT_BIAS = 1023, WORDS_A_DRAW = 2, DRAWS_A_BLOCK = 2 };
enum { EXP_TERMS = 10, LOG_TERMS = 7, SINE_TERMS = 6, COSINE_TERMS = 6, QUARTER_TURN_PARTS = 3 };
static const real_word SIGN_BIT = (real_word)1 << 63;
static const real_word INFINITY_BITS = (real_word)0x7ff << 52, NAN_BITS = (real_word)0xfff << 51;
static const real_word ROOT_HALF_BITS = 0x3fe6a09e667f3bcdu; /* sqrt(1/2) */
static const real SMALLEST_NORMAL = 0x1p-1022, ROUNDER = 0x1.8p52;
static const real DENORMAL_SCALE = 0x1p54, DENORMAL_SCALE_EXPONENT = 54;
static const real LOWEST_EXP = -746, HIGHEST_EXP = 710, LOWEST_TANH = -40;
static const real LOG_2_HIGH = 0x1.62e42fefa3p-1, LOG_2_LOW = 0x1.3de6af278ece6p-42;
static const real QUARTER_TURN[QUARTER_TURN_PARTS] = {0x1.921fb5444p+0, 0x1.68c234c4cp-39,
                                                      0x1.98a2e03707345p-77};
/* (exp(r) - 1 - r) / r^2, |r| <= log(2)/2: 2^-56 */
static const real exp_terms[EXP_TERMS] = {0.50000000000000111,   0.16666666666666696,
                                          0.041666666666529677,  0.0083333333333085232,
                                          0.0013888888943874396, 0.00019841269915055394,
                                          2.4801492758093323e-5, 2.7557218043519554e-6,
                                          2.7630393511704099e-7, 2.5117389558387734e-8};
/* (2 atanh(s) - 2 s) / s^3 in s^2, s^2 <= 0.0295: 2^-59 */
static const real log_terms[LOG_TERMS] = {0.66666666666667118, 0.39999999999537267,
                                          0.28571428718786090, 0.22222200739842796,
                                          0.18183461348284488, 0.15316499480175644,
                                          0.14772886330723889};
/* (sin(r) - r) / r^3 in r^2, |r| <= pi/4: 2^-57 */
static const real sine_terms[SINE_TERMS] = {-0.16666666666666641,    0.0083333333333240681,
                                            -0.00019841269830892205, 2.7557314013059208e-6,
                                            -2.5050802227875362e-8,  1.5899082989130471e-10};
/* (cos(r) - 1 + r^2/2) / r^4 in r^2: 2^-63 */
static const real cosine_terms[COSINE_TERMS] = {0.041666666666666657,  -0.0013888888888883308,
                                                2.4801587294777163e-5, -2.7557315775574592e-7,
                                                2.0875904485239805e-9, -1.1368486448573137e-11};
#else
enum { MANTISSA_BITS = 23, EXPONENT_BIAS = 127, WORDS_A_DRAW = 1, DRAWS_A_BLOCK = 4 };
enum { EXP_TERMS = 5, LOG_TERMS = 4, SINE_TERMS = 3, COSINE_TERMS = 3, QUARTER_TURN_PARTS = 5 };
static const real_word SIGN_BIT = (real_word)1 << 31;
static const real_word INFINITY_BITS = (real_word)0xff << 23, NAN_BITS = (real_word)0x1ff << 22;
static const real_word ROOT_HALF_BITS = 0x3f3504f3u;
static const real SMALLEST_NORMAL = 0x1p-126f, ROUNDER = 0x1.8p23f;
static const real DENORMAL_SCALE = 0x1p24f, DENORMAL_SCALE_EXPONENT = 24;
static const real LOWEST_EXP = -104, HIGHEST_EXP = 89, LOWEST_TANH = -20;
static const real LOG_2_HIGH = 0x1.62e4p-1f, LOG_2_LOW = 0x1.7f7d1cp-20f;
static const real QUARTER_TURN[QUARTER_TURN_PARTS] = {0x1.92p+0f, 0x1.fap-12f, 0x1.54p-20f,
                                                      0x1.1p-30f, 0x1.68c234p-39f};
/* the same functions: 2^-27, 2^-35, 2^-27, 2^-32 */
static const real exp_terms[EXP_TERMS] = {0.500000000f, 0.166665196f, 0.0416662097f, 0.00836879294f,
                                          0.00139502680f};
static const real log_terms[LOG_TERMS] = {0.666666687f, 0.399997383f, 0.285713822f, 0.229909122f};
static const real sine_terms[SINE_TERMS] = {-0.166666552f, 0.00833218358f, -0.000195169778f};
static const real cosine_terms[COSINE_TERMS] = {0.0416666493f, -0.00138874562f, 2.44462517e-5f};
#endif
#define INFINITE real_from_bits(INFINITY_BITS)
static const real LOG2_E = (real)1.4426950408889634, QUARTERS_A_RADIAN = (real)0.63661977236758134;
static const real RADIANS_A_TURN = (real)6.2831853071795865;

static inline real_word real_bits(real x)
{
    real_word word;
    memcpy(&word, &x, sizeof word);
    return word;
}

static inline real real_from_bits(real_word word)
{
    real x;
    memcpy(&x, &word, sizeof x);
    return x;
}

static inline real real_splat(real x) { return x; }
static inline real real_from_integer(real_word w) { return (real)w; } /* w < 2^31 */
/* a < b ? yes : no; no where one is NaN */
static inline real real_if_less(real a, real b, real yes, real no) { return a < b ? yes : no; }
/* a == b: 1 or 0 */
static inline real real_equal(real a, real b) { return a == b ? (real)1 : (real)0; }

/* Square root, rounded to nearest, bit by bit in integers: where no instruction is known. */
static inline real real_sqrt_portable(real x)
{
    const real_word one = 1;
    if (!(x > 0) || real_bits(x) == INFINITY_BITS)
        return x < 0 ? real_from_bits(NAN_BITS) : x;
    real unscale = 1;
    if (x < SMALLEST_NORMAL) {
        x *= DENORMAL_SCALE; /* an even power of two */
        unscale = real_from_bits((real_word)(EXPONENT_BIAS - (int)DENORMAL_SCALE_EXPONENT / 2)
                                 << MANTISSA_BITS);
    }
    int exponent = (int)(real_bits(x) >> MANTISSA_BITS) - EXPONENT_BIAS;
    real_word mantissa = (real_bits(x) & ((one << MANTISSA_BITS) - 1)) | one << MANTISSA_BITS;
    int odd = exponent & 1, shift = MANTISSA_BITS + 1;
    real_word radicand = mantissa << (odd + 1), root = 0, remainder = 0;
    /* two bits of the radicand a turn, from the top; the root gains one bit more than a real holds
     */
    for (int i = 0; i < MANTISSA_BITS + 2; i++, shift -= 2) {
        real_word pair = shift >= 0 ? radicand >> shift & 3 : 0;
        real_word trial = root << 2 | 1;
        remainder = remainder << 2 | pair;
        root <<= 1;
        if (remainder >= trial) {
            remainder -= trial;
            root |= 1;
        }
    }
    root = (root + 1) >> 1; /* never a tie: an exact root has few digits */
    real_word biased = (real_word)((exponent - odd) / 2 + EXPONENT_BIAS - 1);
    return real_from_bits((biased << MANTISSA_BITS) + root) * unscale;
}

static inline real real_sqrt(real x)
{
#if defined(__CUDACC__) && defined(GAGAC_F64)
    return __dsqrt_rn(x);
#elif defined(__CUDACC__)
    return __fsqrt_rn(x);
#elif defined(__SSE2__) && defined(GAGAC_F64)
    typedef double pair __attribute__((vector_size(16)));
    return __builtin_ia32_sqrtsd((pair){x, 0})[0];
#elif defined(__SSE2__)
    typedef float quad __attribute__((vector_size(16)));
    return __builtin_ia32_sqrtss((quad){x, 0, 0, 0})[0];
#else
    return real_sqrt_portable(x);
#endif
}

#define NUMBER real
#define WORD real_word
#define FN(name) real_##name
#include "elementary.h"
#undef NUMBER
#undef WORD
#undef FN

#endif
