/* normal.c -- the standard normal distribution in double, the same bits on every machine. */
#ifndef GAGAC_F64
#define GAGAC_F64 /* scalar.h's functions in double, whatever the precision of the program */
#endif
#include "normal.h"

#include "scalar.h"

enum { SERIES_TERMS = 45, FRACTION_TERMS = 110 };
static const double FRACTION_FROM = 2.5; /* above: the continued fraction converges fast enough */

static double density(double x) { return 0.39894228040143268 * real_exp(-0.5 * x * x); }

/* Probability of a value above x >= 0. Abramowitz and Stegun, Handbook of Mathematical Functions:
 * the series 26.2.11 around 0, the continued fraction 26.2.14 in the tail. */
static double upper_tail(double x)
{
    if (x < FRACTION_FROM) {
        double term = x, sum = x;
        for (int i = 1; i < SERIES_TERMS; i++) {
            term *= x * x / (2 * i + 1);
            sum += term;
        }
        return 0.5 - density(x) * sum;
    }
    double fraction = x;
    for (int i = FRACTION_TERMS; i > 0; i--)
        fraction = x + i / fraction;
    return density(x) / fraction;
}

double normal_cdf(double z) { return z < 0 ? upper_tail(-z) : 1 - upper_tail(z); }

/* x with upper_tail(x) = q, 0 < q <= 0.5: a rational guess in t = sqrt(-2 log q), our own fit with
 * an error below 2e-3, then Halley's method, which cubes the error each time. */
static double upper_quantile(double q)
{
    double t = real_sqrt(-2 * real_log(q));
    double x = t - (2.341 + 0.3509 * t) / (1 + (1.0658 + 0.0628 * t) * t);
    for (int i = 0; i < 2; i++) {
        double step = (upper_tail(x) - q) / density(x);
        x += step / (1 - 0.5 * x * step);
    }
    return x;
}

double normal_quantile(double p) { return p < 0.5 ? -upper_quantile(p) : upper_quantile(1 - p); }
