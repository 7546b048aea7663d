/* score.h -- how near generated rows come to real ones: the scores of `gagac score`.
 *
 * All scores are differences between two samples of rows, so each has a floor above zero: the same
 * score of one half of the real rows against the other. docs/quality.md says how to read them. */
#ifndef GAGAC_SCORE_H
#define GAGAC_SCORE_H

#include "imageset.h" /* ImageFit */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Sample { /* rows of a file, in float32 as samplers write them */
    size_t rows;
    int column_count;
    float **columns; /* [column_count][rows], finite */
} Sample;

typedef struct ColumnScore {
    double wasserstein; /* Wasserstein-1 distance / std(real) */
    double ks;          /* largest difference of the two distribution functions */
    double mean_shift;  /* (mean(generated) - mean(real)) / std(real) */
    double std_ratio;   /* std(generated) / std(real) - 1 */
} ColumnScore;          /* in a column of one value std(real) is replaced by 1 */

typedef struct ViewScore {
    double sliced;      /* sliced Wasserstein-1: mean over 500 fixed random directions */
    double correlation; /* largest absolute error of a coefficient of the correlation matrix */
    double accuracy;    /* of a classifier, 0.5 when it cannot tell; NaN when not asked for */
} ViewScore;

typedef struct Scores {
    int column_count;
    ColumnScore *columns;
    double mean_ks;
    ViewScore linear; /* columns standardised by mean and std of the real rows */
    ViewScore ranked; /* columns mapped to normal scores by the ranks of the real rows */
} Scores;

/* Both samples have the same columns and at least 2 rows. classified: with the two accuracies. */
Scores score_samples(const Sample *reference, const Sample *generated, bool classified);

/* Does a path hold images (a folder, an array of at least three axes, an IDX or CIFAR file)? */
bool is_image_path(const char *path); /* score_images.c */
/* Prints the scores of images; labels: a file with the classes of the real ones, NULL: looked for.
 * fit: what becomes of real ones of another size than the generated ones. */
void score_images(const char *real_path, const char *generated_path, const char *labels,
                  ImageFit fit, bool json);

/* A random half of the rows each, without the odd row; at least 4 rows. */
void split_sample(const Sample *sample, Sample halves[2]);

/* Trains a classifier (two hidden layers of 64) to separate the two samples and gives its
 * accuracy on rows it has not seen. Both [rows_each][columns], standardised, in random order: the
 * first half of each trains. rows_each >= 2. classify.c */
double classify(const double *real_rows, const double *generated_rows, int rows_each, int columns,
                uint64_t seed);

#endif
