/* sampler.h -- template: what a shipped sampler offers. Compiles on its own. */
/*[*/
/*{head*/ /*}*/#ifndef SAMPLER_H
#define SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* Numbers of a row: generated columns, then conditions, which the caller gives (0: none). */
    SAMPLER_COLUMNS = /*{columns*/2/*}*/,
    SAMPLER_GENERATED = /*{generated*/1/*}*/,
    SAMPLER_CONDITIONS = /*{conditions*/1/*}*/,
    /* Random numbers that a row is made from: uniform in [0, 1), or standard normal. */
    SAMPLER_LATENT = /*{latent*/1/*}*/,
    SAMPLER_LATENT_UNIFORM = /*{uniform*/0/*}*/,
    /* Rows made at once: fewer cost as much. */
    SAMPLER_TILE = /*{tile*/16/*}*/,
    /* Bytes of stack that a call needs, and some hundred more. */
    SAMPLER_STACK = /*{stack*/4096/*}*/
};

enum { /* what functions return */
    SAMPLER_OK = 0,
    SAMPLER_UNTRAINED = 1, /* no weights are inside; nothing was written */
/*{failure*/    SAMPLER_INVALID = 2    /* an array that is needed is NULL; nothing was written */
/*}*/};

/* Makes rows first .. first + n - 1 of the endless stream of a seed. Row i depends on the seed, i
 * and its conditions alone: work may be cut into calls, threads and machines in any way. All values
 * are in the units of the training data, rounded to float. first + n is at most 2^56.
 *
 * conditions  [n][SAMPLER_CONDITIONS] in the units of the training data; unused without conditions
 * rows        [n][SAMPLER_COLUMNS], the conditions behind the generated columns */
int sampler_generate(uint64_t seed, uint64_t first, size_t n, const double *conditions,
                     double *rows);
int sampler_generate_float(uint64_t seed, uint64_t first, size_t n, const float *conditions,
                           float *rows);

/* The same into one array of n numbers a column. The generated columns are written, or left out
 * where columns[k] is NULL; the SAMPLER_CONDITIONS last ones hold the conditions and are read. */
int sampler_generate_columns(uint64_t seed, uint64_t first, size_t n,
                             double *const columns[SAMPLER_COLUMNS]);

/* Rows from random numbers of the caller's own, for example of the simulation's engine.
 *
 * latents     [n][SAMPLER_LATENT], uniform or normal as SAMPLER_LATENT_UNIFORM says */
int sampler_from_latents(size_t n, const double *latents, const double *conditions, double *rows);

/*{device*//*}*//* 1 when weights are inside, else 0. */
int sampler_trained(void);

/* What is known of a column 0 .. SAMPLER_COLUMNS - 1: its name in UTF-8, and mean, standard
 * deviation, smallest and largest value of the training data. NULL and 0 for any other column. */
const char *sampler_name(int column);
double sampler_mean(int column);
double sampler_std(int column);
double sampler_minimum(int column);
double sampler_maximum(int column);

#ifdef __cplusplus
}
#endif

#endif
/*]*/
