/* sampler_rows.c -- writes rows of sampler.c as raw floats: sampler_rows N OUT. Conditions, where
 * there are any, are spread over the range of the training data. Exit status 1: no weights inside.
 */
#include "sampler.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEED = 7, FIRST = 1000 };

static void fill_conditions(float *conditions, size_t n)
{
    size_t i;
    int k;
    for (i = 0; i < n; i++)
        for (k = SAMPLER_GENERATED; k < SAMPLER_COLUMNS; k++) {
            double range = sampler_maximum(k) - sampler_minimum(k);
            *conditions++ = (float)(sampler_minimum(k) + range * (double)i / (double)n);
        }
}

int main(int argc, char **argv)
{
    size_t n = argc > 2 ? (size_t)strtoul(argv[1], NULL, 10) : 0;
    float *rows = calloc(n * SAMPLER_COLUMNS + 1, sizeof *rows);
    float *conditions = calloc(n * SAMPLER_CONDITIONS + 1, sizeof *conditions);
    FILE *file = n > 0 ? fopen(argv[2], "wb") : NULL;
    if (rows == NULL || conditions == NULL || file == NULL)
        return 2;
    fill_conditions(conditions, n);
    if (sampler_generate_float(SEED, FIRST, n, conditions, rows) != SAMPLER_OK)
        return 1;
    if (fwrite(rows, sizeof *rows * SAMPLER_COLUMNS, n, file) != n || fclose(file) != 0)
        return 2;
    return 0;
}
