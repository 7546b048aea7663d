/* sampler_write.h -- puts what was learnt into the text of sampler.c and sampler.cu. */
#ifndef GAGAC_SAMPLER_WRITE_H
#define GAGAC_SAMPLER_WRITE_H

#include "normalise.h"
#include "program.h"

/* Writes RUN/sampler/sampler.c and sampler.h from program->sampler_source and sampler_header,
 * and sampler.cu from sampler_device where there is one.
 *
 * In the source a number or a list of numbers that training finds is left open as a mark and a
 * whole number, which stands there until then: slash, star, @, NAME, @, star, slash, 0. Tables hold
 * the bits of numbers as hexadecimal integers, so that no compiler rounds them. The names:
 *
 *     trained                    1
 *     mean std minimum maximum   bits of the statistics of all columns, double; std 0: constant
 *     knot_total first_knot      number of knots; first knot of each column, and their number again
 *     knot_x knot_y              bits of the knots of all columns, double; a 0 where there are none
 *     any other                  bits of the tensor of this name, real, in its logical layout; of
 *                                the generator's parameters the average where there is one
 *     any other, then :rows      the same in the layout of the state, zeros behind the rows */
bool sampler_write(const char *run, const Program *program, const real *state,
                   const Normaliser *normaliser, Error *error);

#endif
