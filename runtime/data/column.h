/* column.h -- what reports and scores say of one column of numbers. */
#ifndef GAGAC_COLUMN_H
#define GAGAC_COLUMN_H

#include <stddef.h>

typedef struct Moments {
    double mean, std; /* std with the number of values in its denominator */
} Moments;

Moments moments_of(const float *values, size_t count);

/* Wasserstein-1 distance of two sorted columns: the area between the two quantile functions, which
 * are stairs with steps at i/m and j/n. In the unit of the column. */
double wasserstein_distance(const float *a, size_t m, const float *b, size_t n);

#endif
