/* images.c -- all that a shipped sampler of images offers, as numbers, one a line. With -DDEVICE
 * also what sampler.cu has beyond. */
#include "sampler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 3, SEED = 11 };

static void print(const char *what, const float *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%s %zu %.9g\n", what, i, (double)numbers[i]);
}

static void print_bytes(const char *what, const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%s %zu %.9g\n", what, i, bytes[i] / 255.0);
}

static void all_calls(void)
{
    static float pixels[N * SAMPLER_PIXELS], latents[N * SAMPLER_LATENT];
    static unsigned char bytes[N * SAMPLER_PIXELS];
    double *work = malloc(SAMPLER_WORK);
    printf("trained %d\n", sampler_trained());
    printf("status %d\n", sampler_latents(SEED, ((uint64_t)1 << 33) + 5, N, latents));
    print("latents", latents, N * SAMPLER_LATENT);
    printf("status %d\n", sampler_generate_float(SEED, ((uint64_t)1 << 33) + 5, N, pixels, work));
    print("pixels", pixels, N * SAMPLER_PIXELS);
    printf("status %d\n", sampler_generate(SEED + 1, 0, N, bytes, work));
    print_bytes("bytes", bytes, N * SAMPLER_PIXELS);
    printf("status %d\n", sampler_pixels_float(N, latents, pixels, work));
    print("of latents", pixels, N * SAMPLER_PIXELS);
    printf("status %d\n", sampler_pixels(N, latents, bytes, work));
    print_bytes("of latents", bytes, N * SAMPLER_PIXELS);
    printf("status %d\n", sampler_pixels(N, NULL, bytes, work));
    printf("status %d\n", sampler_generate(SEED, 0, N, NULL, work));
    printf("status %d\n", sampler_generate(SEED, 0, 0, NULL, NULL));
    free(work);
}

#ifdef DEVICE
int cudaMalloc(void **place, size_t bytes);
int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream);
int cudaStreamSynchronize(void *stream);

/* More images than a launch makes, into memory of the device and into ours: the same bits. */
static void device_call(void)
{
    size_t n = SAMPLER_DEVICE_ROWS + 7, bytes = n * SAMPLER_PIXELS * sizeof(float);
    float *pixels = malloc(bytes), *made = malloc(bytes);
    void *there = NULL, *work = NULL;
    if (cudaMalloc(&there, bytes) || cudaMalloc(&work, SAMPLER_DEVICE_WORK) ||
        sampler_generate_device(SEED, 100, n, there, work, NULL) ||
        cudaMemcpyAsync(made, there, bytes, 2, NULL) || cudaStreamSynchronize(NULL) ||
        sampler_generate_float(SEED, 100, n, pixels, NULL))
        exit(5);
    if (memcmp(pixels, made, bytes) != 0)
        exit(6);
}
#endif

int main(void)
{
    if (!sampler_trained())
        return 1;
#ifdef DEVICE
    device_call();
#endif
    all_calls();
    return 0;
}
