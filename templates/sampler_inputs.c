/* sampler_inputs.c -- template: the inputs and the end of a tile of a shipped sampler. Compiles on
 * its own. */
#include "rng.h"
enum { SAMPLER_GENERATED = 1, SAMPLER_CONDITIONS = 1, SAMPLER_LATENT = 1, BT = 16 };
typedef struct Request { uint64_t seed, first; const double *latents; } Request;
typedef struct Tile {
    const Request *request;
    size_t start;
    int live;
    float rows[BT][SAMPLER_GENERATED];
} Tile;
double condition(const Request *request, size_t row, int k);
double normalise(int column, double x);
double denormalise(int column, double y);
void inputs_test(Tile *tile, real z[1][BT]);
/*[*/
/* Lanes behind the last row repeat it, so that all that is computed stays finite. */
static inline int live_lane(const Tile *tile, int lane)
{
    return lane < tile->live ? lane : tile->live - 1;
}

static inline void load_latents(const Tile *tile, real z[restrict SAMPLER_LATENT][BT])
{
    const Request *request = tile->request;
    for (int lane = 0; lane < BT; lane++) {
        const size_t row = tile->start + (size_t)live_lane(tile, lane);
        real draws[SAMPLER_LATENT];
        if (request->latents)
            for (size_t k = 0; k < SAMPLER_LATENT; k++)
                draws[k] = (real)request->latents[row * SAMPLER_LATENT + k];
        else
            draw_row(draws, SAMPLER_LATENT, /*{kind*/DRAW_NORMAL/*}*/, request->seed,
                     /*{stream*/1/*}*/, 0, request->first + row);
        for (int k = 0; k < SAMPLER_LATENT; k++)
            z[k][lane] = draws[k];
    }
}

static inline void normalise_conditions(const Tile *tile, real x[restrict SAMPLER_CONDITIONS][BT])
{
    for (int lane = 0; lane < BT; lane++) {
        const size_t row = tile->start + (size_t)live_lane(tile, lane);
        for (int k = 0; k < SAMPLER_CONDITIONS; k++)
            x[k][lane] =
                (real)normalise(SAMPLER_GENERATED + k, condition(tile->request, row, k));
    }
}

/* To the units of the data, rounded to float as all files of the project. */
static inline void denormalise_rows(Tile *tile, real rows[restrict SAMPLER_GENERATED][BT])
{
    for (int lane = 0; lane < tile->live; lane++)
        for (int k = 0; k < SAMPLER_GENERATED; k++)
            tile->rows[lane][k] = (float)denormalise(k, (double)rows[k][lane]);
}
/*]*/
void inputs_test(Tile *tile, real z[1][BT])
{
    load_latents(tile, z);
    normalise_conditions(tile, z);
    denormalise_rows(tile, z);
}
