/* sampler_check.c -- a simulation code that carries a sampler: `sampler_check ROWS.npy SEED FIRST
 * [LATENTS.npy]`.
 *
 * ROWS.npy was written by RUN/sample with the same seed and first index, or from the given latents.
 * Every way of asking sampler.c for these rows must give them again: the same bits among each
 * other, 1e-5 of a column's range from the file. */
#include "sampler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Rows {
    float *values;
    size_t count;
} Rows;

static int failures;

static void expect(int good, const char *what)
{
    if (!good) {
        printf("FAILED: %s\n", what);
        failures++;
    }
}

/* The float32 values of a .npy file behind its header. */
static Rows read_rows(const char *path, size_t columns)
{
    unsigned char head[10] = {0};
    Rows rows = {NULL, 0};
    FILE *file = fopen(path, "rb");
    if (!file || fread(head, 1, sizeof head, file) != sizeof head || fseek(file, 0, SEEK_END))
        exit(2);
    const long begin = 10 + head[8] + 256 * head[9];
    rows.count = (size_t)(ftell(file) - begin) / (columns * sizeof(float));
    rows.values = malloc(rows.count * columns * sizeof(float) + 1);
    if (!rows.values || fseek(file, begin, SEEK_SET) ||
        fread(rows.values, sizeof(float) * columns, rows.count, file) != rows.count)
        exit(2);
    fclose(file);
    return rows;
}

static double *to_double(Rows rows, int width, int first, int count)
{
    double *out = malloc(rows.count * (size_t)count * sizeof *out + 1);
    for (size_t i = 0; i < rows.count; i++)
        for (int k = 0; k < count; k++)
            out[i * (size_t)count + (size_t)k] =
                rows.values[i * (size_t)width + (size_t)(first + k)];
    return out;
}

static void compare_with_file(Rows file, const double *rows)
{
    double worst = 0;
    for (size_t i = 0; i < file.count * SAMPLER_COLUMNS; i++) {
        const int k = (int)(i % SAMPLER_COLUMNS);
        const double range = sampler_maximum(k) - sampler_minimum(k);
        const double difference = rows[i] - (double)file.values[i];
        const double size = (difference < 0 ? -difference : difference) / (range > 0 ? range : 1);
        worst = size > worst || size != size ? size : worst;
    }
    printf("%zu rows, largest difference %.2g of the range\n", file.count, worst);
    expect(worst <= 1e-5, "rows as RUN/sample writes them");
}

/* The same rows in pieces of some size. */
static void check_pieces(uint64_t seed, uint64_t first, size_t n, const double *conditions,
                         const double *expected, size_t piece)
{
    for (size_t start = 0; start < n; start += piece) {
        double rows[100 * SAMPLER_COLUMNS];
        const size_t count = n - start < piece ? n - start : piece;
        expect(sampler_generate(seed, first + start, count, conditions + start * SAMPLER_CONDITIONS,
                                rows) == SAMPLER_OK,
               "a piece");
        expect(!memcmp(rows, expected + start * SAMPLER_COLUMNS,
                       count * SAMPLER_COLUMNS * sizeof *rows),
               "pieces are the same rows");
    }
}

static void check_float(uint64_t seed, uint64_t first, Rows file, const double *expected)
{
    const size_t n = file.count;
    float *conditions = malloc(n * SAMPLER_CONDITIONS * sizeof *conditions + 1);
    float *rows = malloc(n * SAMPLER_COLUMNS * sizeof *rows);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < SAMPLER_CONDITIONS; k++)
            conditions[i * SAMPLER_CONDITIONS + (size_t)k] =
                file.values[i * SAMPLER_COLUMNS + (size_t)(SAMPLER_GENERATED + k)];
    expect(sampler_generate_float(seed, first, n, conditions, rows) == SAMPLER_OK, "float");
    for (size_t i = 0; i < n * SAMPLER_COLUMNS; i++)
        if ((double)rows[i] != expected[i]) {
            expect(0, "rows of float");
            break;
        }
    free(conditions);
    free(rows);
}

static void check_columns(uint64_t seed, uint64_t first, size_t n, const double *conditions,
                          const double *expected)
{
    double *columns[SAMPLER_COLUMNS];
    for (int k = 0; k < SAMPLER_COLUMNS; k++) {
        columns[k] = malloc(n * sizeof(double));
        for (size_t i = 0; i < n && k >= SAMPLER_GENERATED; i++)
            columns[k][i] = conditions[i * SAMPLER_CONDITIONS + (size_t)(k - SAMPLER_GENERATED)];
    }
    free(columns[0]);
    columns[0] = NULL; /* not wanted */
    expect(sampler_generate_columns(seed, first, n, columns) == SAMPLER_OK, "columns");
    for (int k = 1; k < SAMPLER_COLUMNS; k++) {
        for (size_t i = 0; i < n; i++)
            if (columns[k][i] != expected[i * SAMPLER_COLUMNS + (size_t)k]) {
                expect(0, "column arrays hold the same rows");
                break;
            }
        free(columns[k]);
    }
}

static void check_arguments(const double *conditions)
{
    double row[SAMPLER_COLUMNS];
    expect(sampler_generate(1, 0, 1, conditions, NULL) == SAMPLER_INVALID, "no place for the rows");
    expect(sampler_generate_columns(1, 0, 1, NULL) == SAMPLER_INVALID, "no columns");
    expect(sampler_generate(1, 0, 0, NULL, NULL) == SAMPLER_OK, "nothing to do");
    expect(sampler_from_latents(1, NULL, conditions, row) == SAMPLER_INVALID, "no latents");
    if (SAMPLER_CONDITIONS)
        expect(sampler_generate(1, 0, 1, NULL, row) == SAMPLER_INVALID, "no conditions");
    expect(!sampler_name(-1) && !sampler_name(SAMPLER_COLUMNS) &&
               sampler_mean(SAMPLER_COLUMNS) == 0,
           "a column that is not there");
    for (int k = 0; k < SAMPLER_COLUMNS; k++) {
        expect(sampler_name(k) != NULL, "names");
        expect(sampler_minimum(k) <= sampler_mean(k) && sampler_mean(k) <= sampler_maximum(k) &&
                   sampler_std(k) >= 0,
               "statistics");
    }
}

int main(int argc, char **argv)
{
    if (argc == 1) { /* before training */
        double row[SAMPLER_COLUMNS] = {0}, conditions[SAMPLER_CONDITIONS + 1] = {0};
        expect(sampler_trained() == 0, "untrained");
        expect(sampler_generate(1, 0, 1, conditions, row) == SAMPLER_UNTRAINED,
               "no rows without weights");
        return failures != 0;
    }
    const Rows file = read_rows(argv[1], SAMPLER_COLUMNS);
    const uint64_t seed = strtoull(argv[2], NULL, 10), first = strtoull(argv[3], NULL, 10);
    double *conditions = to_double(file, SAMPLER_COLUMNS, SAMPLER_GENERATED, SAMPLER_CONDITIONS);
    double *rows = malloc(file.count * SAMPLER_COLUMNS * sizeof *rows);
    expect(sampler_trained() == 1, "trained");
    if (argc > 4) {
        double *latents =
            to_double(read_rows(argv[4], SAMPLER_LATENT), SAMPLER_LATENT, 0, SAMPLER_LATENT);
        expect(sampler_from_latents(file.count, latents, conditions, rows) == SAMPLER_OK,
               "latents");
        compare_with_file(file, rows);
        return failures != 0;
    }
    expect(sampler_generate(seed, first, file.count, conditions, rows) == SAMPLER_OK, "generate");
    compare_with_file(file, rows);
    static const size_t pieces[] = {1, 7, 16, 100};
    for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++)
        check_pieces(seed, first, file.count, conditions, rows, pieces[k]);
    check_float(seed, first, file, rows);
    check_columns(seed, first, file.count, conditions, rows);
    check_arguments(conditions);
    return failures != 0;
}
