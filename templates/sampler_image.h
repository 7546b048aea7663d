/* sampler_image.h -- template: what a shipped sampler of images offers. Compiles on its own. */
/*[*/
/*{head*/ /*}*/#ifndef SAMPLER_H
#define SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    /* An image is [SAMPLER_HEIGHT][SAMPLER_WIDTH][SAMPLER_CHANNELS], its upper left pixel first. */
    SAMPLER_WIDTH = /*{width*/3/*}*/,
    SAMPLER_HEIGHT = /*{height*/2/*}*/,
    SAMPLER_CHANNELS = /*{channels*/2/*}*/,
    SAMPLER_PIXELS = SAMPLER_WIDTH * SAMPLER_HEIGHT * SAMPLER_CHANNELS,
    /* Random numbers that an image is made from: uniform (sampler_latents() draws from the
     * interval of the training), or standard normal. */
    SAMPLER_LATENT = /*{latent*/4/*}*/,
    SAMPLER_LATENT_UNIFORM = /*{uniform*/0/*}*/,
    /* Images made at once: fewer cost as much. */
    SAMPLER_TILE = /*{tile*/2/*}*/,
    /* Bytes of memory that a call works in; each thread has its own. */
    SAMPLER_WORK = /*{work*/256/*}*/
};

enum { /* what functions return */
    SAMPLER_OK = 0,
    SAMPLER_UNTRAINED = 1, /* no weights are inside; nothing was written */
/*{failure*/    SAMPLER_INVALID = 2    /* an array that is needed is NULL; nothing was written */
/*}*/};

/* In all calls:
 *
 * pixels  [n][SAMPLER_PIXELS]: bytes, where -1 became 0 and 1 became 255 and what is beyond is
 *         clipped; or float, the numbers of the network themselves
 * work    SAMPLER_WORK bytes for the call's own use, aligned like a double; what they hold does not
 *         matter before and means nothing after */

/* Images from random numbers of the caller's own, latents [n][SAMPLER_LATENT]. */
int sampler_pixels(size_t n, const float *latents, unsigned char *pixels, void *work);
int sampler_pixels_float(size_t n, const float *latents, float *pixels, void *work);

/* Images first .. first + n - 1 of the endless stream of a seed. Image i depends on the seed and i
 * alone: work may be cut into calls, threads and machines in any way. first + n is at most 2^56. */
int sampler_generate(uint64_t seed, uint64_t first, size_t n, unsigned char *pixels, void *work);
int sampler_generate_float(uint64_t seed, uint64_t first, size_t n, float *pixels, void *work);

/* The random numbers of that stream, latents [n][SAMPLER_LATENT]: to change some of them, or to go
 * from one image to another. */
int sampler_latents(uint64_t seed, uint64_t first, size_t n, float *latents);

/*{device*//*}*//* 1 when weights are inside, else 0. */
int sampler_trained(void);

#ifdef __cplusplus
}
#endif

#endif
/*]*/
