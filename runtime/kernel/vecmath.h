/* vecmath.h -- the functions of elementary.h on vectors: vexp vlog vsin vcos vsigmoid vtanh ...
 *
 * The text is shared with scalar.h: a lane holds the bits that real_exp() and its like give, for
 * every vector length. */
#ifndef GAGAC_VECMATH_H
#define GAGAC_VECMATH_H

#include "real.h"

/* Numbers below 2^31. Both forms are exact where the result is an integer that a real can hold. */
static inline vec vfrom_integer(vword w)
{
#ifdef GAGAC_F64
    const real two_52 =
        0x1p52; /* no 64-bit conversion before AVX-512: w becomes the low bits of 2^52 */
    return vfrom_bits(w | real_bits(two_52)) - two_52;
#else
    return __builtin_convertvector((vmask)w, vec);
#endif
}

#define NUMBER vec
#define WORD vword
#define FN(name) v##name
#include "elementary.h"
#undef NUMBER
#undef WORD
#undef FN

#endif
