/* column.c -- see column.h. */
#include "column.h"

#include <math.h>

Moments moments_of(const float *values, size_t count)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)values[i];
    double mean = sum / (double)count;
    for (size_t i = 0; i < count; i++) {
        double deviation = (double)values[i] - mean;
        squares += deviation * deviation;
    }
    return (Moments){mean, sqrt(squares / (double)count)};
}

double wasserstein_distance(const float *a, size_t m, const float *b, size_t n)
{
    double area = 0, from = 0;
    for (size_t i = 0, j = 0; i < m && j < n;) {
        double next_i = (double)(i + 1) / (double)m, next_j = (double)(j + 1) / (double)n;
        double to = next_i < next_j ? next_i : next_j;
        area += (to - from) * fabs((double)a[i] - (double)b[j]);
        from = to;
        i += next_i <= next_j;
        j += next_j <= next_i;
    }
    return area;
}
