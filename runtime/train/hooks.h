/* hooks.h -- loops that train hooks run around the updates of an iteration: pictures that are
 * chosen by their fitness, and inner trainings that bring the outputs of D together. */
#ifndef GAGAC_HOOKS_H
#define GAGAC_HOOKS_H

#include "training.h"

/* The pictures [batch_size][x_dim] of the present iteration instead of those of the data; the
 * caller frees them. NULL: the program does not choose, and each update reads its own. */
real *hooks_choose_pictures(Training *training);

/* Adds noise to the weights on the CPU, if the program does: each number gains U(0, 1) times an
 * amount. A GPU does it as the first of an iteration. */
void hooks_shake(Training *training);

/* Runs the inner trainings. given: for an input that has a value in all updates of the iteration.
 */
void hooks_match(Training *training, const Choice *given);

/* What was only for the updates is over: offsets of samples go back to 0. */
void hooks_end(Training *training);

#endif
