/* test_vecmath_f64.c -- test_vecmath.c in double. */
#define GAGAC_F64
#include "test_vecmath.c"
