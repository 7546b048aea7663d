/* sampler.c -- template: the one file of a shipped sampler, which defines what sampler.h declares.
 * Kernels, weights and parts of the runtime come in through holes. Compiles on its own. */
/*[*/
/*{head*/ /*}*/#include "sampler.h"

#include <string.h>

/* A product and a sum are two roundings: the same bits from every compiler and machine. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("fp-contract=off")
#else
#pragma STDC FP_CONTRACT OFF
#endif

#define SAMPLER_TRAINED /*{trained*/0/*}*/

/* ---------------------------------------------------------------- numbers and random numbers */
/*{library*/
#include "rng.h"
/*}*/
/* ---------------------------------------------------------------- what was learnt, bit by bit */
/*{tables*/
static const char *const names[SAMPLER_COLUMNS] = {"a", "b"};
static const union { double values[2]; } data_mean, data_std, data_minimum, data_maximum;
/*}*/
/* ---------------------------------------------------------------- tiles of rows */
enum { BT = SAMPLER_TILE };

/*{request*/
#include "sampler_request.c"
/*}*/
typedef struct Tile { /* rows start .. start + live - 1 of a call */
    const Request *request;
    size_t start;
    int live;
    float rows[BT][SAMPLER_GENERATED];
} Tile;

/*{normalisation*/
static double normalise(int column, double x) { return x - data_mean.values[column]; }
static double denormalise(int column, double y) { return y + data_mean.values[column]; }
/*}*/
/*{inputs*//*}*/
/*{network*/
static void make_rows(Tile *tile)
{
    tile->rows[0][0] = (float)denormalise(0, normalise(1, condition(tile->request, 0, 0)));
}
/*}*/
/* ---------------------------------------------------------------- calls */
/*{calls*/
#include "sampler_calls.c"
/*}*//*]*/
