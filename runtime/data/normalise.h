/* normalise.h -- what a network sees of a column: mean 0, standard deviation 1.
 *
 * NORMALISE_STD is (x - mean) / std. NORMALISE_BLEND and NORMALISE_RANK are monotone tables of at
 * most 258 knots, linear between them: rank is Phi^-1(F(x)), blend half of that and half of (x -
 * mean) / std, both then shifted and scaled so that the rows drawn for them have mean 0 and std 1.
 * A column of one value has no table: it is 0 for the network and that value for the user. All
 * arithmetic is in double and uses no function of libm that may differ between machines. */
#ifndef GAGAC_NORMALISE_H
#define GAGAC_NORMALISE_H

#include "npy.h"
#include "safetensors.h"

typedef enum NormalisationKind { NORMALISE_STD, NORMALISE_BLEND, NORMALISE_RANK } NormalisationKind;

enum {
    TABLE_LEVELS = 256, /* quantiles asked for, half even in p, half in the normal score */
    TABLE_KNOTS = TABLE_LEVELS + 2, /* and the two ends; fewer where quantiles coincide */
    RESERVOIR_ROWS = 65536          /* rows drawn for the tables, the same for all columns */
};

typedef struct ColumnScale {
    double mean, std;        /* over all rows; std has the number of rows in its denominator */
    double minimum, maximum; /* over all rows */
    bool constant;           /* minimum == maximum: std is 0 and mean is that value */
    int knot_count;          /* 0: no table, linear */
    double *x, *y;           /* knots: physical and normalised values, both strictly increasing */
} ColumnScale;

typedef struct Normaliser {
    NormalisationKind kind;
    uint64_t rows; /* of the data it was made from */
    int column_count;
    ColumnScale *columns;
} Normaliser;

/* One pass over the chosen columns of a file (npy_select). names are for messages. seed chooses the
 * reservoir; it matters only above RESERVOIR_ROWS rows. NaN or infinity is an EXIT_INVALID error
 * with their number, the first row and the column. About 3 ns a value. */
bool normaliser_fit(Normaliser *normaliser, NormalisationKind kind, const Npy *npy,
                    const int *columns, const char *const *names, int column_count, uint64_t seed,
                    Error *error);
void normaliser_free(Normaliser *normaliser);

/* Physical value to normalised value; beyond the table with the slope of its outer piece. */
double normalise(const ColumnScale *column, double x);
/* Back: with a table clipped to [minimum, maximum]. With k the last knot such that y_k <= y:
 *     x_k + (y - y_k) / (y_k+1 - y_k) * (x_k+1 - x_k)      or      mean + y * std     without a
 * table. The caller rounds to float32. */
double denormalise(const ColumnScale *column, double y);

/* The normaliser as tensors of a checkpoint: normalisation.rows [1], .mean .std .minimum .maximum
 * [columns], and .knots.<k> [2, knots] (x, then y) of each column k that has a table. */
enum { NORMALISER_NAME = 48 };

typedef struct NormaliserTensors {
    int count;
    StoredTensor *tensors;
    double *values; /* their data */
    char (*names)[NORMALISER_NAME];
} NormaliserTensors;

NormaliserTensors normaliser_store(const Normaliser *normaliser);
void normaliser_tensors_free(NormaliserTensors *stored);
/* Reads them back and checks them (finite, increasing, shapes). */
bool normaliser_load(Normaliser *normaliser, NormalisationKind kind, int column_count,
                     const Safetensors *file, Error *error);

#endif
