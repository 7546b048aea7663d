/* search.h -- latents that are worth an iteration: fitness and batch fitness training. */
#ifndef GAGAC_SEARCH_H
#define GAGAC_SEARCH_H

#include "training.h"

/* Chooses the latents [batch_size][z_dim] of the present iteration; the caller frees them. NULL:
 * the program does not search, and each update draws its own. *skip: the iteration shall do nothing
 * (the same fitness came twice, which a network that has stopped to answer gives). */
real *search_latents(Training *training, bool *skip);

#endif
