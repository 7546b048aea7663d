/* normal.h -- the standard normal distribution in double, the same bits on every machine. */
#ifndef GAGAC_NORMAL_H
#define GAGAC_NORMAL_H

/* Phi(z), the probability of a value below z. Relative error below 1e-13 for z > -37. */
double normal_cdf(double z);
/* Phi^-1(p) for 0 < p < 1; absolute error below 1e-12. */
double normal_quantile(double p);

#endif
