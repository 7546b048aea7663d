/* sampler_rows.c -- calls sampler.c in every way it offers and writes its rows.
 *
 *     sampler_rows N OUT [EXPECTED.npy]
 *
 * OUT gets N rows of seed 7 from index 1000 on, as raw floats. All calls must give these rows; with
 * EXPECTED, a file of N float32 rows from RUN/sample, values may differ by 1e-5 of the range of a
 * column, and the conditions of the rows are taken from there. Exit status 3: no weights inside. */
#include "sampler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 7, FIRST = 1000, C = SAMPLER_COLUMNS, G = SAMPLER_GENERATED };

static void stop(const char *text)
{
    fprintf(stderr, "sampler_rows: %s\n", text);
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        stop("out of memory");
    return memory;
}

/* The last n rows of the file. */
static float *read_rows(const char *path, size_t n)
{
    float *rows = allocate(n * C, sizeof *rows);
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, -(long)(n * C * sizeof *rows), SEEK_END) != 0 ||
        fread(rows, sizeof *rows, n * C, file) != n * C)
        stop("cannot read the expected rows");
    fclose(file);
    return rows;
}

static void check_expected(const float *rows, const float *expected, size_t n)
{
    for (size_t i = 0; i < n * C; i++) {
        int k = (int)(i % C);
        double range = sampler_maximum(k) - sampler_minimum(k);
        double difference = (double)rows[i] - (double)expected[i];
        if (!(difference <= 1e-5 * range && difference >= -1e-5 * range)) {
            fprintf(stderr, "row %lu, %s: %.9g and not %.9g\n", (unsigned long)(i / C),
                    sampler_name(k), (double)rows[i], (double)expected[i]);
            stop("other rows than RUN/sample");
        }
    }
}

/* Calls of many lengths, in float; all at once in double; column by column. */
static void check_calls(const float *rows, const float *conditions, size_t n)
{
    float *again = allocate(n * C, sizeof *again);
    double *wide = allocate(n * C, sizeof *wide), *columns[C];
    double *wide_conditions = allocate(n * SAMPLER_CONDITIONS + 1, sizeof *wide_conditions);
    size_t at = 0, length = 1, i, k;
    for (; at < n; at += length, length = length * 5 % 97 + 1) {
        length = length < n - at ? length : n - at;
        sampler_generate_float(SEED, FIRST + at, length, conditions + at * SAMPLER_CONDITIONS,
                               again + at * C);
    }
    if (memcmp(rows, again, n * C * sizeof *rows) != 0)
        stop("rows depend on the lengths of calls");
    for (i = 0; i < n * SAMPLER_CONDITIONS; i++)
        wide_conditions[i] = (double)conditions[i];
    sampler_generate(SEED, FIRST, n, wide_conditions, wide);
    for (i = 0; i < n * C; i++)
        if ((float)wide[i] != rows[i])
            stop("double rows are not the float rows");
    for (i = 0; i < C; i++)
        columns[i] = allocate(n, sizeof **columns);
    for (k = G; k < C; k++)
        for (i = 0; i < n; i++)
            columns[k][i] = wide_conditions[i * SAMPLER_CONDITIONS + k - G];
    sampler_generate_columns(SEED, FIRST, n, columns);
    for (i = 0; i < n * C; i++)
        if ((float)columns[i % C][i / C] != rows[i])
            stop("columns are not the rows");
}

static void check_misuse(void)
{
    double row[C] = {0}, latents[SAMPLER_LATENT] = {0};
    if (sampler_generate(SEED, 0, 1, row, NULL) != SAMPLER_INVALID ||
        sampler_from_latents(1, NULL, row, row) != SAMPLER_INVALID ||
        (SAMPLER_CONDITIONS && sampler_generate(SEED, 0, 1, NULL, row) != SAMPLER_INVALID))
        stop("a missing array is not refused");
    if (sampler_name(-1) != NULL || sampler_name(C) != NULL || sampler_std(C) != 0)
        stop("a column that is not there");
    if (sampler_from_latents(1, latents, row, row) != SAMPLER_OK || row[0] - row[0] != 0)
        stop("no row from latents");
}

int main(int argc, char **argv)
{
    size_t n = argc > 2 ? (size_t)strtoul(argv[1], NULL, 10) : 0, i, k;
    float *rows = allocate(n * C + 1, sizeof *rows), *expected = NULL;
    float *conditions = allocate(n * SAMPLER_CONDITIONS + 1, sizeof *conditions);
    FILE *file;
    if (!sampler_trained())
        return sampler_generate_float(SEED, 0, 1, conditions, rows) == SAMPLER_UNTRAINED ? 3 : 1;
    if (argc > 3)
        expected = read_rows(argv[3], n);
    for (i = 0; expected != NULL && i < n; i++)
        for (k = G; k < C; k++)
            conditions[i * SAMPLER_CONDITIONS + k - G] = expected[i * C + k];
    if (sampler_generate_float(SEED, FIRST, n, conditions, rows) != SAMPLER_OK)
        stop("the sampler fails");
    if (expected != NULL)
        check_expected(rows, expected, n);
    check_calls(rows, conditions, n);
    check_misuse();
    file = fopen(argv[2], "wb");
    if (file == NULL || fwrite(rows, sizeof *rows, n * C, file) != n * C || fclose(file) != 0)
        stop("cannot write the rows");
    return 0;
}
