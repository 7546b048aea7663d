/* draw.h -- rows from a trained generator, in physical units, on all threads. */
#ifndef GAGAC_DRAW_H
#define GAGAC_DRAW_H

#include "normalise.h"
#include "pool.h"
#include "program.h"

/* A generator ready to use. Row `index` of the stream of `seed` is the same whatever is asked for
 * in one call and however many threads there are. */
typedef struct Generator {
    const Program *program;
    Pool *pool;
    const real *state;   /* bounds of the columns */
    const real *weights; /* raw or averaged */
    const Normaliser *normaliser;
    int outputs; /* generated columns: x_dim - cond_dim */
    char *work;  /* work_stride bytes a thread */
    size_t work_stride;
    int chunk;     /* rows of one item of work */
    real *scratch; /* chunk normalised rows a thread, and their conditions and latents */
    size_t scratch_stride;
} Generator;

enum { /* rows of one item of work: a multiple of what every target makes at once */
       DRAW_CHUNK = 1920,
       IMAGE_CHUNK = 16
};
/* Which of them. */
int draw_chunk_rows(const Program *program);

/* What is given instead of drawn, for rows first, first+1, ... of a call. */
typedef struct DrawInputs {
    const double *latent;    /* [count][z_dim], or NULL: drawn */
    const double *condition; /* [count][cond_dim] in physical units; NULL when cond_dim is 0 */
} DrawInputs;

/* average: the running average of the weights where the program has one. */
Generator generator_create(const Program *program, Pool *pool, const real *state,
                           const Normaliser *normaliser, bool average);
void generator_destroy(Generator *generator);

/* Rows first .. first+count-1 to out [count][x_dim] float32: generated columns, then the conditions
 * as given; of a program for images [count][height][width][channels], in [-1, 1] as far as its last
 * activation says so. count is at most the chunk; thread: of the pool, 0 for a caller outside of
 * pool_run().
 */
void generator_draw(const Generator *generator, int thread, uint64_t seed, uint64_t first,
                    int count, const DrawInputs *inputs, float *out);

/* The same for any count, shared out over the pool. */
void generator_draw_all(const Generator *generator, uint64_t seed, uint64_t first, size_t count,
                        const DrawInputs *inputs, float *out);

#endif
