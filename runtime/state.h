/* state.h -- the state of a training: one block of reals that holds every tensor of the program.
 *
 * A tensor's logical layout (row-major, no padding) is what checkpoints and replay files hold; in
 * the block its rows are padded with zeros (program.h). */
#ifndef GAGAC_STATE_H
#define GAGAC_STATE_H

#include "program.h"

/* Zeroed memory for count things of `size` bytes, for free(). Ends the program when memory is out.
 */
void *allocate(uint64_t count, size_t size);

/* Zeroed memory on its own pages, which are only taken when they are touched. Ends the program when
 * memory is out. */
void *block_create(size_t bytes);
void block_destroy(void *block, size_t bytes);

/* The zeroed state block of the program: state_size reals. */
real *state_create(const Program *program);
void state_destroy(const Program *program, real *state);

/* Gives every tensor its first value. A number depends on the seed, the tensor's index, its row and
 * its column alone. */
void state_initialise(const Program *program, real *state, uint64_t seed);

/* Gives one tensor its first value again, that of the seed, or the present value of its source. */
void tensor_restart(const Program *program, real *state, int index, uint64_t seed);

size_t tensor_size(const ProgramTensor *tensor);           /* numbers in the logical layout */
int tensor_find(const Program *program, const char *name); /* its index, or -1 */

/* Without padding: its logical layout is the block's, from its offset on. */
bool tensor_is_dense(const ProgramTensor *tensor);

/* Copies between the block and a logical array of tensor_size() reals. The padding is left alone,
 * so it stays zero. */
void tensor_get(const ProgramTensor *tensor, const real *state, real *logical);
void tensor_put(const ProgramTensor *tensor, real *state, const real *logical);

/* Gives averages and other copies the present value of their source: after parameters were put from
 * outside. */
void state_copy_sources(const Program *program, real *state);

/* Belongs to what a sampler needs: the generator's parameters, their averages, and the vectors of
 * its spectral norms. */
bool tensor_is_generator(const ProgramTensor *tensor);

#endif
