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

typedef struct Request { /* a call; latents: NULL, drawn; one kind of rows is there */
    uint64_t seed, first;
    size_t count;
    const double *latents, *conditions;
    const float *float_conditions;
    double *rows;
    float *float_rows;
    double *const *columns;
} Request;

typedef struct Tile { /* rows start .. start + live - 1 of a call */
    const Request *request;
    size_t start;
    int live;
    float rows[BT][SAMPLER_GENERATED];
} Tile;

/* Condition k of a row of the call. */
static double condition(const Request *request, size_t row, int k)
{
    const size_t place = row * SAMPLER_CONDITIONS + (size_t)k;
    if (request->columns)
        return request->columns[SAMPLER_GENERATED + k][row];
    return request->float_conditions ? (double)request->float_conditions[place]
                                     : request->conditions[place];
}

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
static void store_row(const Tile *tile, int lane)
{
    const Request *request = tile->request;
    const size_t row = tile->start + (size_t)lane;
    for (int k = 0; k < SAMPLER_COLUMNS; k++) {
        const int generated = k < SAMPLER_GENERATED;
        const size_t place = row * SAMPLER_COLUMNS + (size_t)k;
        const double value = generated ? (double)tile->rows[lane][k]
                                       : condition(request, row, k - SAMPLER_GENERATED);
        if (request->rows)
            request->rows[place] = value;
        else if (request->float_rows)
            request->float_rows[place] = (float)value;
        else if (generated && request->columns[k])
            request->columns[k][row] = value;
    }
}

static int are_columns_complete(const Request *request)
{
    for (int k = SAMPLER_GENERATED; k < SAMPLER_COLUMNS && request->columns; k++)
        if (!request->columns[k])
            return 0;
    return request->columns != NULL;
}

static int generate(const Request *request)
{
    const int conditions =
        SAMPLER_CONDITIONS == 0 || request->conditions || request->float_conditions;
    const int rows = conditions && (request->rows || request->float_rows);
    if (!SAMPLER_TRAINED)
        return SAMPLER_UNTRAINED;
    if (request->count && !rows && !are_columns_complete(request))
        return SAMPLER_INVALID;
    Tile tile = {.request = request};
    for (; tile.start < request->count; tile.start += BT) {
        const size_t left = request->count - tile.start;
        tile.live = left < BT ? (int)left : BT;
        make_rows(&tile);
        for (int lane = 0; lane < tile.live; lane++)
            store_row(&tile, lane);
    }
    return SAMPLER_OK;
}

int sampler_generate(uint64_t seed, uint64_t first, size_t n, const double *conditions,
                     double *rows)
{
    const Request request = {
        .seed = seed, .first = first, .count = n, .conditions = conditions, .rows = rows};
    return generate(&request);
}

int sampler_generate_float(uint64_t seed, uint64_t first, size_t n, const float *conditions,
                           float *rows)
{
    const Request request = {.seed = seed,
                             .first = first,
                             .count = n,
                             .float_conditions = conditions,
                             .float_rows = rows};
    return generate(&request);
}

int sampler_generate_columns(uint64_t seed, uint64_t first, size_t n,
                             double *const columns[SAMPLER_COLUMNS])
{
    const Request request = {.seed = seed, .first = first, .count = n, .columns = columns};
    return generate(&request);
}

int sampler_from_latents(size_t n, const double *latents, const double *conditions, double *rows)
{
    const Request request = {
        .count = n, .latents = latents, .conditions = conditions, .rows = rows};
    return n && !latents ? SAMPLER_INVALID : generate(&request);
}

/* ---------------------------------------------------------------- what is known of the columns */
int sampler_trained(void) { return SAMPLER_TRAINED; }

static int is_column(int column) { return column >= 0 && column < SAMPLER_COLUMNS; }

const char *sampler_name(int column) { return is_column(column) ? names[column] : NULL; }
double sampler_mean(int column) { return is_column(column) ? data_mean.values[column] : 0; }
double sampler_std(int column) { return is_column(column) ? data_std.values[column] : 0; }
double sampler_minimum(int column) { return is_column(column) ? data_minimum.values[column] : 0; }
double sampler_maximum(int column) { return is_column(column) ? data_maximum.values[column] : 0; }
/*]*/
