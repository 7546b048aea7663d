/* replay.h -- training steps with the data and every random draw taken from a file (--replay IN
 * --out OUT).
 *
 * `real` [S*nd, B, x] decides the number S of whole iterations, nd being the data updates in one.
 * Parameters and draws that the file leaves out are what a training with the same seed would have.
 * Written are the parameters and vectors after S iterations, the losses before each update, and
 * `fake`: rows of the final generator for the first slice of z_d. */
#ifndef GAGAC_REPLAY_H
#define GAGAC_REPLAY_H

#include "training.h"

/* Runs the file and writes the result; ends the program when either file is wrong. */
void replay_run(Training *training, const char *in, const char *out);

#endif
