/* search.h -- latents that are worth an iteration: fitness and batch fitness training. */
#ifndef GAGAC_SEARCH_H
#define GAGAC_SEARCH_H

#include "training.h"

/* Each new row that beats the worst kept one takes its place. Low scores are good. */
void keep_best(size_t batch, size_t width, real *kept, real *kept_scores, const real *fresh,
               const real *scores);

/* Chooses the latents [batch_size][z_dim] of the present iteration; the caller frees them.
 * pictures: that the updates read, or NULL: those of the data. NULL: the program does not search,
 * and each update draws its own. *skip: the iteration shall do nothing (the same fitness came
 * twice, which a network that has stopped to answer gives). */
real *search_latents(Training *training, const real *pictures, bool *skip);

#endif
