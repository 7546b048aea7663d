/* sampler_write.h -- fills the weights of a trained generator into the text of sampler.c. */
#ifndef GAGAC_SAMPLER_WRITE_H
#define GAGAC_SAMPLER_WRITE_H

#include "normalise.h"
#include "program.h"

/* Writes RUN/sampler/sampler.c and sampler.h: program->sampler_source with its line that holds
 * SAMPLER_MARK replaced by tables, all of them static const, and the bits of numbers as hexadecimal
 * integers, so that no compiler rounds them:
 * - uint32_t sampler_weight_<k>[]: float32, the k-th parameter of the generator in its logical
 *   layout; averaged weights where the program has an average;
 * - uint32_t sampler_lower[], sampler_upper[]: float32, normalised bounds of the generated columns,
 *   if there are bounds;
 * - uint64_t sampler_mean[], sampler_std[]: float64 of all x_dim columns; std 0: a constant column;
 * - uint64_t sampler_low[], sampler_high[]: float64, smallest and largest value of each column;
 * - uint64_t sampler_x_<k>[], sampler_y_<k>[]: float64, knots of the table of column k, if it has
 *   a table;
 * - int sampler_knots[]: number of knots of each column, 0: no table;
 * - uint64_t *const sampler_x[], *const sampler_y[]: tables by column, 0 where there is none. */
#define SAMPLER_MARK "/*@WEIGHTS@*/"

bool sampler_write(const char *run, const Program *program, const real *state,
                   const Normaliser *normaliser, Error *error);

#endif
