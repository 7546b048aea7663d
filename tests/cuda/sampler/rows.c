/* rows.c -- all that a shipped sampler of rows offers, as numbers, one a line. With -DDEVICE also
 * what sampler.cu has beyond. */
#include "sampler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 37, SEED = 11 };

static void print(const char *what, const double *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%s %zu %.9g\n", what, i, numbers[i]);
}

static double *conditions_of(size_t n)
{
    double *conditions = calloc(n * SAMPLER_CONDITIONS + 1, sizeof *conditions);
    for (size_t i = 0; i < n * SAMPLER_CONDITIONS; i++) {
        int k = SAMPLER_GENERATED + (int)(i % (SAMPLER_CONDITIONS + !SAMPLER_CONDITIONS));
        double range = sampler_maximum(k) - sampler_minimum(k);
        conditions[i] = sampler_minimum(k) + range * (double)i / (double)(n * SAMPLER_CONDITIONS);
    }
    return conditions;
}

static void all_calls(void)
{
    double *conditions = conditions_of(N), *columns[SAMPLER_COLUMNS];
    static double rows[N * SAMPLER_COLUMNS], space[SAMPLER_COLUMNS][N], latents[N * SAMPLER_LATENT];
    static float floats[N * SAMPLER_COLUMNS], float_conditions[N * SAMPLER_CONDITIONS + 1];
    for (size_t i = 0; i < N * SAMPLER_CONDITIONS; i++)
        float_conditions[i] = (float)conditions[i];
    for (size_t i = 0; i < N * SAMPLER_LATENT; i++)
        latents[i] = (double)(i % 13) / 13;
    printf("trained %d\n", sampler_trained());
    printf("status %d\n", sampler_generate(SEED, ((uint64_t)1 << 33) + 5, N, conditions, rows));
    print("rows", rows, N * SAMPLER_COLUMNS);
    printf("status %d\n", sampler_generate_float(SEED + 1, 0, N, float_conditions, floats));
    for (size_t i = 0; i < N * SAMPLER_COLUMNS; i++)
        printf("floats %zu %.9g\n", i, (double)floats[i]);
    for (int k = 0; k < SAMPLER_COLUMNS; k++)
        columns[k] = k == 1 && SAMPLER_GENERATED > 1 ? NULL : space[k];
    for (int k = 0; k < SAMPLER_CONDITIONS; k++)
        for (size_t i = 0; i < N; i++)
            space[SAMPLER_GENERATED + k][i] = conditions[i * SAMPLER_CONDITIONS + (size_t)k];
    printf("status %d\n", sampler_generate_columns(SEED, 3, N, columns));
    for (int k = 0; k < SAMPLER_COLUMNS; k++)
        print("column", space[k], N);
    printf("status %d\n", sampler_from_latents(N, latents, conditions, rows));
    print("latents", rows, N * SAMPLER_COLUMNS);
    printf("status %d\n", sampler_from_latents(N, NULL, conditions, rows));
    printf("status %d\n", sampler_generate(SEED, 0, N, conditions, NULL));
    printf("status %d\n", sampler_generate(SEED, 0, 0, NULL, NULL));
    printf("name %s %g %g\n", sampler_name(0), sampler_mean(0), sampler_std(SAMPLER_COLUMNS - 1));
    free(conditions);
}

#ifdef DEVICE
int cudaMalloc(void **place, size_t bytes);
int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream);
int cudaStreamSynchronize(void *stream);

static void *on_device(const void *numbers, size_t bytes)
{
    void *place = NULL;
    if (cudaMalloc(&place, bytes) || (numbers && cudaMemcpyAsync(place, numbers, bytes, 1, NULL)))
        exit(4);
    return place;
}

/* More rows than a launch makes, into memory of the device and into ours: the same bits. */
static void device_call(void)
{
    size_t n = SAMPLER_DEVICE_ROWS + 7, bytes = n * SAMPLER_COLUMNS * sizeof(float);
    float *rows = malloc(bytes), *made = malloc(bytes);
    double *numbers = conditions_of(n);
    float *conditions = malloc((n * SAMPLER_CONDITIONS + 1) * sizeof *conditions);
    for (size_t i = 0; i < n * SAMPLER_CONDITIONS; i++)
        conditions[i] = (float)numbers[i];
    void *there = on_device(NULL, bytes), *work = on_device(NULL, SAMPLER_DEVICE_WORK);
    void *given = on_device(conditions, (n * SAMPLER_CONDITIONS + 1) * sizeof *conditions);
    int status = sampler_generate_device(SEED, 100, n, given, there, work, NULL);
    if (status || cudaMemcpyAsync(made, there, bytes, 2, NULL) || cudaStreamSynchronize(NULL) ||
        sampler_generate_float(SEED, 100, n, conditions, rows))
        exit(5);
    if (memcmp(rows, made, bytes) != 0 ||
        sampler_generate_device(SEED, 0, 1, given, NULL, work, NULL) != SAMPLER_INVALID)
        exit(6);
}
#endif

int main(void)
{
    if (!sampler_trained())
        return 1;
#ifdef DEVICE
    if (getenv("RUNTIME_FAIL")) {
        float row[SAMPLER_COLUMNS], conditions[SAMPLER_CONDITIONS + 1] = {0};
        return sampler_generate_float(1, 0, 1, conditions, row);
    }
    device_call();
#endif
    all_calls();
    return 0;
}
