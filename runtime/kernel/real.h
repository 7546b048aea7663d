/* real.h -- machine vectors of the number type of a generated program.
 *
 * vec is one machine vector of VL reals (real: scalar.h); GAGAC_VECTOR_BYTES is 64 (AVX-512), 32
 * (AVX2) or 16. A tile of samples is stored batch innermost, act[feature][lanes], so that vectors
 * are full whatever the number of features. Every multiply-add is an explicit vfma(): the same bits
 * on every CPU that has FMA, best with -ffp-contract=off, as clang's `on` fuses a * b + c too. */
#ifndef GAGAC_REAL_H
#define GAGAC_REAL_H

#include "scalar.h"

#ifndef GAGAC_VECTOR_BYTES
#define GAGAC_VECTOR_BYTES 16
#endif

enum {
    VL = GAGAC_VECTOR_BYTES / (int)sizeof(real), /* lanes of one machine vector */
    LANES = 16, /* of one virtual vector: sums over a batch keep 16 partial sums */
    LINE = 64 / (int)sizeof(real) /* reals of a line of the caches */
};

typedef real vec __attribute__((vector_size(GAGAC_VECTOR_BYTES)));
typedef real_mask vmask __attribute__((vector_size(GAGAC_VECTOR_BYTES)));
typedef real_word vword __attribute__((vector_size(GAGAC_VECTOR_BYTES)));

#define ALIGNED __attribute__((aligned(64)))

static inline vec vload(const real *p) { return *(const vec *)p; }
static inline void vstore(real *p, vec a) { *(vec *)p = a; }
static inline vec vsplat(real a) { return a - (vec){0}; }
static inline vword vbits(vec a) { return (vword)a; }
static inline vec vfrom_bits(vword a) { return (vec)a; }

/* a*b + c with one rounding. clang fuses one expression; gcc needs the instruction named. Without
 * the instruction two roundings. */
static inline vec vfma(vec a, vec b, vec c)
{
#if defined(__clang__)
#pragma STDC FP_CONTRACT ON
    return a * b + c;
#elif !defined(__FMA__)
    return a * b + c;
#elif defined(GAGAC_F64) && GAGAC_VECTOR_BYTES == 64
    return __builtin_ia32_vfmaddpd512_mask(a, b, c, (unsigned char)-1, 4);
#elif defined(GAGAC_F64) && GAGAC_VECTOR_BYTES == 32
    return __builtin_ia32_vfmaddpd256(a, b, c);
#elif defined(GAGAC_F64)
    return __builtin_ia32_vfmaddpd(a, b, c);
#elif GAGAC_VECTOR_BYTES == 64
    return __builtin_ia32_vfmaddps512_mask(a, b, c, -1, 4);
#elif GAGAC_VECTOR_BYTES == 32
    return __builtin_ia32_vfmaddps256(a, b, c);
#else
    return __builtin_ia32_vfmaddps(a, b, c);
#endif
}

/* Square root of each lane, rounded to nearest. */
static inline vec vsqrt(vec a)
{
#if GAGAC_VECTOR_BYTES == 64 && defined(__AVX512F__) && defined(GAGAC_F64)
#if defined(__clang__)
    return __builtin_ia32_sqrtpd512(a, 4);
#else
    return __builtin_ia32_sqrtpd512_mask(a, a, -1, 4);
#endif
#elif GAGAC_VECTOR_BYTES == 64 && defined(__AVX512F__)
#if defined(__clang__)
    return __builtin_ia32_sqrtps512(a, 4);
#else
    return __builtin_ia32_sqrtps512_mask(a, a, -1, 4);
#endif
#elif GAGAC_VECTOR_BYTES == 32 && defined(__AVX__) && defined(GAGAC_F64)
    return __builtin_ia32_sqrtpd256(a);
#elif GAGAC_VECTOR_BYTES == 32 && defined(__AVX__)
    return __builtin_ia32_sqrtps256(a);
#elif GAGAC_VECTOR_BYTES == 16 && defined(__SSE2__) && defined(GAGAC_F64)
    return __builtin_ia32_sqrtpd(a);
#elif GAGAC_VECTOR_BYTES == 16 && defined(__SSE2__)
    return __builtin_ia32_sqrtps(a);
#else
    UNROLL
    for (int i = 0; i < VL; i++)
        a[i] = real_sqrt(a[i]);
    return a;
#endif
}

/* mask lanes are all ones or all zeros, as vector comparisons give them */
static inline vec vselect(vmask m, vec a, vec b) { return (vec)((m & (vmask)a) | (~m & (vmask)b)); }
/* a < b ? yes : no, lane by lane; no where one is NaN */
static inline vec vif_less(vec a, vec b, vec yes, vec no) { return vselect(a < b, yes, no); }
/* a == b: 1 or 0 */
static inline vec vequal(vec a, vec b) { return vselect(a == b, vsplat(1), vsplat(0)); }

#endif
