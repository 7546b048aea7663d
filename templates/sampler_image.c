/* sampler_image.c -- template: the one file of a shipped sampler of images, which defines what
 * sampler_image.h (shipped as sampler.h) declares. Kernels, weights and parts of the runtime come in
 * through holes. Compiles on its own. */
#include "sampler_image.h"
/*[*/
/*{head*/ /*}*/#include "sampler.h"

#include <string.h>

/* A product and a sum are two roundings: the same bits from every compiler and machine. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("fp-contract=off")
#else
#pragma STDC FP_CONTRACT OFF
#endif

#define SAMPLER_TRAINED /*{trained*/1/*}*/

/* ---------------------------------------------------------------- numbers and random numbers */
/*{library*/
#include "rng.h"
/*}*/
/* ---------------------------------------------------------------- what was learnt, bit by bit */
/*{tables*//*}*/
/* ---------------------------------------------------------------- tiles of images */
enum { BT = SAMPLER_TILE, AREA = SAMPLER_WIDTH * SAMPLER_HEIGHT };

typedef struct Request { /* a call; latents: NULL, drawn; one kind of pixels is there */
    uint64_t seed, first;
    size_t count;
    const float *latents;
    unsigned char *bytes;
    float *floats;
    real *work; /* SAMPLER_WORK bytes */
} Request;

typedef struct Tile { /* images start .. start + live - 1 of a call */
    const Request *request;
    size_t start;
    int live;
} Tile;

/* The latents of image i of a call. */
static void read_latents(const Request *request, size_t i, real *z)
{
    if (request->latents)
        for (size_t k = 0; k < SAMPLER_LATENT; k++)
            z[k] = (real)request->latents[i * SAMPLER_LATENT + k];
    else
        draw_row(z, SAMPLER_LATENT, /*{kind*/DRAW_NORMAL/*}*/, request->seed, /*{stream*/3/*}*/, 0,
                 request->first + i);
/*{scale*/    for (int k = 0; k < SAMPLER_LATENT && !request->latents; k++)
        z[k] = z[k] * 2 - 1;
/*}*/}

/* Lanes behind the last image repeat it, so that all that is computed stays finite. */
static void load_latents(const Tile *tile, real z[SAMPLER_LATENT][BT])
{
    for (int lane = 0; lane < BT; lane++) {
        real draws[SAMPLER_LATENT];
        const int live = lane < tile->live ? lane : tile->live - 1;
        read_latents(tile->request, tile->start + (size_t)live, draws);
        for (int k = 0; k < SAMPLER_LATENT; k++)
            z[k][lane] = draws[k];
    }
}

static unsigned char to_byte(real value)
{
    const double x = (double)value; /* one that is no number counts as 0 */
    const double clipped = x != x ? 0 : x < -1 ? -1 : x > 1 ? 1 : x;
    return (unsigned char)((clipped + 1) * 127.5 + 0.5);
}

/* From the network's planes [channels][height][width] to pixels. */
static void store_pixels(const Tile *tile, real planes[SAMPLER_PIXELS][BT])
{
    const Request *request = tile->request;
    for (int lane = 0; lane < tile->live; lane++) {
        size_t place = (tile->start + (size_t)lane) * SAMPLER_PIXELS;
        for (int i = 0; i < AREA; i++)
            for (int c = 0; c < SAMPLER_CHANNELS; c++, place++) {
                const real value = planes[c * AREA + i][lane];
                if (request->bytes)
                    request->bytes[place] = to_byte(value);
                else
                    request->floats[place] = (float)value;
            }
    }
}

/*{network*/
static void make_images(const Tile *tile)
{
    real(*z)[BT] = (real(*)[BT])tile->request->work, (*planes)[BT] = z + SAMPLER_LATENT;
    load_latents(tile, z);
    for (int k = 0; k < SAMPLER_PIXELS; k++)
        for (int lane = 0; lane < BT; lane++)
            planes[k][lane] = z[k % SAMPLER_LATENT][lane] + (real)k;
    store_pixels(tile, planes);
}
/*}*/
/* ---------------------------------------------------------------- calls */
static int generate(const Request *request)
{
    if (!SAMPLER_TRAINED)
        return SAMPLER_UNTRAINED;
    if (request->count && (!request->work || !(request->bytes || request->floats)))
        return SAMPLER_INVALID;
    Tile tile = {.request = request};
    for (; tile.start < request->count; tile.start += BT) {
        const size_t left = request->count - tile.start;
        tile.live = left < BT ? (int)left : BT;
        make_images(&tile);
    }
    return SAMPLER_OK;
}

int sampler_pixels(size_t n, const float *latents, unsigned char *pixels, void *work)
{
    const Request request = {.count = n, .latents = latents, .bytes = pixels, .work = work};
    return n && !latents ? SAMPLER_INVALID : generate(&request);
}

int sampler_pixels_float(size_t n, const float *latents, float *pixels, void *work)
{
    const Request request = {.count = n, .latents = latents, .floats = pixels, .work = work};
    return n && !latents ? SAMPLER_INVALID : generate(&request);
}

int sampler_generate(uint64_t seed, uint64_t first, size_t n, unsigned char *pixels, void *work)
{
    const Request request = {
        .seed = seed, .first = first, .count = n, .bytes = pixels, .work = work};
    return generate(&request);
}

int sampler_generate_float(uint64_t seed, uint64_t first, size_t n, float *pixels, void *work)
{
    const Request request = {
        .seed = seed, .first = first, .count = n, .floats = pixels, .work = work};
    return generate(&request);
}

int sampler_latents(uint64_t seed, uint64_t first, size_t n, float *latents)
{
    const Request request = {.seed = seed, .first = first};
    if (n && !latents)
        return SAMPLER_INVALID;
    for (size_t i = 0; i < n; i++) {
        real draws[SAMPLER_LATENT];
        read_latents(&request, i, draws);
        for (size_t k = 0; k < SAMPLER_LATENT; k++)
            latents[i * SAMPLER_LATENT + k] = (float)draws[k];
    }
    return SAMPLER_OK;
}

int sampler_trained(void) { return SAMPLER_TRAINED; }
/*]*/
