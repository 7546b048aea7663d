/* sampler_table.c -- template: columns of a sampler whose normalisation is a table of knots; a
 * constant column has none. Compiles on its own. */
#include "knots.h"
static const union { double values[2]; } data_mean, knot_x, knot_y;
static const int first_knot[2];
double normalise_test(double x);
/*[*/
static inline double normalise(int column, double x)
{
    const int first = first_knot[column], count = first_knot[column + 1] - first;
    return count ? knots_extended(knot_x.values + first, knot_y.values + first, count, x) : 0;
}

static inline double denormalise(int column, double y)
{
    const int first = first_knot[column], count = first_knot[column + 1] - first;
    return count ? knots_clipped(knot_y.values + first, knot_x.values + first, count, y)
                 : data_mean.values[column];
}
/*]*/
double normalise_test(double x) { return denormalise(0, normalise(0, x)); }
