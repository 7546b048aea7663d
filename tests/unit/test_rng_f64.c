/* test_rng_f64.c -- test_rng.c in double. */
#define GAGAC_F64
#include "test_rng.c"
