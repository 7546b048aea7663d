/* test_vecmath.c -- functions of generated code: precision, special values, scalars against
 * vectors. test_vecmath_f64.c is the same for double. */
#include "vecmath.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef GAGAC_F64
#define EITHER(single, twice) (twice)
#else
#define EITHER(single, twice) (single)
#endif

typedef struct Function {
    const char *name;
    real (*scalar)(real);
    vec (*vector)(vec);
    long double (*exact)(long double);
    double from, to; /* arguments tested */
    double ulps;     /* bound of the error */
} Function;

static long double exact_sigmoid(long double x) { return 1 / (1 + expl(-x)); }

static const Function functions[] = {
    {"exp", real_exp, vexp, expl, EITHER(-104, -746), EITHER(89, 710), 1.1},
    {"log", real_log, vlog, logl, 0, INFINITY, 0.9},
    {"log near 1", real_log, vlog, logl, 0.98, 1.02, 0.9},
    {"sin", real_sin, vsin, sinl, -1, 1, 1.2},
    {"sin", real_sin, vsin, sinl, -1e4, 1e4, EITHER(3.5, 1.7)},
    {"cos", real_cos, vcos, cosl, -1, 1, 1.2},
    {"cos", real_cos, vcos, cosl, -1e5, 1e5, EITHER(3.6, 1.7)},
    {"sigmoid", real_sigmoid, vsigmoid, exact_sigmoid, EITHER(-103, -744), 50, 2.5},
    {"tanh", real_tanh, vtanh, tanhl, -30, 30, 2.6},
    {"rint", real_rint, vrint, rintl, -1e6, 1e6, 0},
    {"sqrt", real_sqrt, vsqrt, sqrtl, 0, INFINITY, 0.5001},
    {"portable sqrt", real_sqrt_portable, vsqrt, sqrtl, 0, INFINITY, 0.5001},
};
enum { FUNCTION_COUNT = sizeof functions / sizeof functions[0], POINTS = 40000 };

static uint64_t random_state = 88172645463325252u;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * 0x2545f4914f6cdd1du;
}

static real random_real(void)
{
    return real_from_bits((real_word)(random_bits() >> (64 - 8 * sizeof(real))));
}

/* Uniform in the range, or with random bits: all magnitudes. */
static real random_argument(const Function *f)
{
    real x = random_real();
    if (isinf(f->to))
        return x != x ? 1 : real_abs(x);
    if (x >= (real)f->from && x <= (real)f->to && random_bits() >> 63)
        return x;
    return (real)(f->from + (f->to - f->from) * (double)(random_bits() >> 11) * 0x1p-53);
}

static double error_in_ulps(real value, long double exact)
{
    int exponent, lowest = EITHER(-125, -1021);
    frexpl(exact, &exponent);
    long double ulp = ldexpl(1, (exponent < lowest ? lowest : exponent) - MANTISSA_BITS - 1);
    if (isinf(value))
        return (double)exact >= EITHER((double)0x1.ffffffp127, (double)0x1.fffffffffffffp1023)
                   ? 0
                   : INFINITY;
    return (double)(fabsl((long double)value - exact) / ulp);
}

static void check_precision(void **state)
{
    (void)state;
    for (int k = 0; k < FUNCTION_COUNT; k++) {
        const Function *f = &functions[k];
        for (int i = 0; i < POINTS; i++) {
            real x = random_argument(f);
            double error = error_in_ulps(f->scalar(x), f->exact((long double)x));
            if (!(error <= f->ulps))
                fail_msg("%s(%a) is wrong by %.3f ULP", f->name, (double)x, error);
        }
    }
}

static bool same_bits(real a, real b) { return (a != a && b != b) || real_bits(a) == real_bits(b); }

/* Any bits as argument: NaN, infinities and denormals among them. */
static void check_vectors_against_scalars(void **state)
{
    (void)state;
    for (int k = 0; k < FUNCTION_COUNT; k++)
        for (int i = 0; i < POINTS; i += VL) {
            ALIGNED real x[VL], y[VL];
            for (int lane = 0; lane < VL; lane++)
                x[lane] = random_real();
            vstore(y, functions[k].vector(vload(x)));
            for (int lane = 0; lane < VL; lane++)
                if (!same_bits(y[lane], functions[k].scalar(x[lane])))
                    fail_msg("%s(%a): vector %a", functions[k].name, (double)x[lane],
                             (double)y[lane]);
        }
}

static const struct SpecialValue {
    const char *name;
    real (*function)(real);
    double argument, value;
} special_values[] = {
    {"exp", real_exp, 0, 1},
    {"exp", real_exp, -0.0, 1},
    {"exp", real_exp, INFINITY, INFINITY},
    {"exp", real_exp, 1e30, INFINITY},
    {"exp", real_exp, -INFINITY, 0},
    {"exp", real_exp, -1e30, 0},
    {"exp", real_exp, NAN, NAN},
    {"log", real_log, 1, 0},
    {"log", real_log, 0, -INFINITY},
    {"log", real_log, -0.0, -INFINITY},
    {"log", real_log, INFINITY, INFINITY},
    {"log", real_log, -1, NAN},
    {"log", real_log, -INFINITY, NAN},
    {"log", real_log, NAN, NAN},
    {"sin", real_sin, 0, 0},
    {"sin", real_sin, INFINITY, NAN},
    {"sin", real_sin, NAN, NAN},
    {"cos", real_cos, 0, 1},
    {"cos", real_cos, -INFINITY, NAN},
    {"sigmoid", real_sigmoid, 0, 0.5},
    {"sigmoid", real_sigmoid, INFINITY, 1},
    {"sigmoid", real_sigmoid, -INFINITY, 0},
    {"sigmoid", real_sigmoid, NAN, NAN},
    {"tanh", real_tanh, 0, 0},
    {"tanh", real_tanh, -0.0, -0.0},
    {"tanh", real_tanh, INFINITY, 1},
    {"tanh", real_tanh, -INFINITY, -1},
    {"tanh", real_tanh, NAN, NAN},
    {"sqrt", real_sqrt, -1, NAN},
    {"portable sqrt", real_sqrt_portable, -1, NAN},
    {"portable sqrt", real_sqrt_portable, 0, 0},
    {"portable sqrt", real_sqrt_portable, INFINITY, INFINITY},
    {"portable sqrt", real_sqrt_portable, NAN, NAN},
};

static void check_special_values(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof special_values / sizeof special_values[0]; k++) {
        real x = (real)special_values[k].argument, y = special_values[k].function(x);
        if (!same_bits(y, (real)special_values[k].value))
            fail_msg("%s(%g) is %g", special_values[k].name, (double)x, (double)y);
    }
    for (real x = (real)1e5; x < (real)1e38; x *= 3) {
        assert_true(real_abs(real_sin(x)) <= 1);
        assert_true(real_abs(real_cos(x)) <= 1);
    }
}

/* The operations of the op table, as it defines them in C. */
static void check_operations(void **state)
{
    (void)state;
    const real values[] = {-INFINITY, -2, -0.5f, 0, 0.5f, 2, INFINITY}, c = (real)0.01;
    for (int i = 0; i < 7; i++)
        for (int k = 0; k < 7; k++) {
            const real a = values[i], b = values[k];
            const real got[] = {real_max(a, b),     real_min(a, b),   real_abs(a),
                                real_sign(a),       real_leaky(a, c), real_leaky_slope(a, c),
                                real_greater(a, b), real_equal(a, b)};
            const real want[] = {
                a > b ? a : b,     a < b ? a : b, a < 0 ? -a : a, (real)((a > 0) - (a < 0)),
                a > 0 ? a : a * c, a > 0 ? 1 : c, a > b,          a == b};
            const vec x = vsplat(a), y = vsplat(b);
            const vec lanes[] = {vmax(x, y),   vmin(x, y),         vabs(x),        vsign(x),
                                 vleaky(x, c), vleaky_slope(x, c), vgreater(x, y), vequal(x, y)};
            for (int n = 0; n < 8; n++) {
                if (got[n] != want[n] || lanes[n][VL - 1] != want[n])
                    fail_msg("operation %d of %g and %g is %g", n, (double)a, (double)b,
                             (double)got[n]);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_precision),
        cmocka_unit_test(check_vectors_against_scalars),
        cmocka_unit_test(check_special_values),
        cmocka_unit_test(check_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
