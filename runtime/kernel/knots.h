/* knots.h -- a strictly increasing function that is linear between knots.
 *
 * from[count], to[count]: where the knots lie and their values, both strictly increasing, count >=
 * 2. Exchanging the two gives the inverse. Plain C99 on its own: a shipped sampler holds this text.
 */
#ifndef GAGAC_KNOTS_H
#define GAGAC_KNOTS_H

#include <stdint.h>
#include <string.h>

/* The last of the first `pieces` values that is <= value, or the first: bisection. Each step takes
 * the sign of a difference instead of a branch, which the data would make unpredictable. */
static inline int knots_piece(const double *values, int pieces, double value)
{
    const double *base = values;
    while (pieces > 1) {
        int half = pieces / 2;
        double difference = value - base[half];
        uint64_t bits;
        memcpy(&bits, &difference, sizeof bits);
        base += (uint64_t)half & ((bits >> 63) - 1);
        pieces -= half;
    }
    return (int)(base - values);
}

/* On the line through (from[0], to[0]) and (from[1], to[1]). The product and the sum are statements
 * of their own, so that no compiler fuses them: the same bits on every machine. */
static inline double knots_line(const double *from, const double *to, double value)
{
    double part = (value - from[0]) / (from[1] - from[0]);
    double step = part * (to[1] - to[0]);
    return to[0] + step;
}

/* Beyond the ends with the slope of the outer piece. */
static inline double knots_extended(const double *from, const double *to, int count, double value)
{
    int k = knots_piece(from, count - 1, value);
    return knots_line(from + k, to + k, value);
}

/* Beyond the ends the value at the end. */
static inline double knots_clipped(const double *from, const double *to, int count, double value)
{
    if (value <= from[0])
        return to[0];
    if (value >= from[count - 1])
        return to[count - 1];
    return knots_extended(from, to, count, value);
}

#endif
