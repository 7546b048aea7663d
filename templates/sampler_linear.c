/* sampler_linear.c -- template: columns of a sampler whose normalisation is (x - mean) / std. A
 * constant column has std 0. Compiles on its own. */
static const union { double values[1]; } data_mean, data_std;
double normalise_test(double x);
/*[*/
static inline double normalise(int column, double x)
{
    const double std = data_std.values[column];
    return std > 0 ? (x - data_mean.values[column]) / std : 0;
}

static inline double denormalise(int column, double y)
{
    const double std = data_std.values[column], mean = data_mean.values[column];
    const double shift = y * std;
    return std > 0 ? mean + shift : mean;
}
/*]*/
double normalise_test(double x) { return denormalise(0, normalise(0, x)); }
