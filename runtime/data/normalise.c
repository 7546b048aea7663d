/* normalise.c -- what a network sees of a column: statistics of the data and monotone tables. */
#define _POSIX_C_SOURCE 200809L
#include "normalise.h"

#include "knots.h"
#include "normal.h"
#include "order.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1024, LANES_OF_SUM = 4 }; /* rows read at once; partial sums, for speed */

static const uint64_t reservoir_seed =
    0x7265736572766f69u; /* other rows than those of a training */

/* ---------------------------------------------------------------- statistics */
typedef struct Moments { /* of the rows so far: sum of squared distances from the mean is `squares`
                          */
    double count, mean, squares, minimum, maximum;
} Moments;

static const Moments no_moments = {.minimum = INFINITY, .maximum = -INFINITY};

/* Adds two groups of rows: Chan, Golub and LeVeque (1979), the block form of Welford's update. */
static void join_moments(Moments *all, const Moments *block)
{
    double count = all->count + block->count;
    double shift = block->mean - all->mean;
    all->mean += shift * (block->count / count);
    all->squares += block->squares + shift * shift * (all->count * block->count / count);
    all->count = count;
    all->minimum = fmin(all->minimum, block->minimum);
    all->maximum = fmax(all->maximum, block->maximum);
}

static double sum_lanes(const double lanes[LANES_OF_SUM])
{
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

static void fill_lanes(double *values, int count, double filler)
{
    for (int i = count; i % LANES_OF_SUM != 0; i++)
        values[i] = filler;
}

/* Moments of the values of a block [BLOCK], 1 <= count <= BLOCK. What follows them up to a whole
 * group of lanes is overwritten with numbers that add nothing: the first value, then the mean. */
static Moments block_moments(double *values, int count)
{
    const double first = values[0];
    double sum[LANES_OF_SUM] = {0}, squares[LANES_OF_SUM] = {0};
    double low[LANES_OF_SUM] = {first, first, first, first};
    double high[LANES_OF_SUM] = {first, first, first, first};
    fill_lanes(values, count, first);
    for (int i = 0; i < count; i += LANES_OF_SUM) {
        for (int lane = 0; lane < LANES_OF_SUM; lane++) {
            double value = values[i + lane];
            sum[lane] += value - first;
            low[lane] = value < low[lane] ? value : low[lane];
            high[lane] = value > high[lane] ? value : high[lane];
        }
    }
    const double mean = first + sum_lanes(sum) / count;
    fill_lanes(values, count, mean);
    for (int i = 0; i < count; i += LANES_OF_SUM) {
        for (int lane = 0; lane < LANES_OF_SUM; lane++) {
            double shift = values[i + lane] - mean;
            squares[lane] += shift * shift;
        }
    }
    return (Moments){.count = count,
                     .mean = mean,
                     .squares = sum_lanes(squares),
                     .minimum = fmin(fmin(low[0], low[1]), fmin(low[2], low[3])),
                     .maximum = fmax(fmax(high[0], high[1]), fmax(high[2], high[3]))};
}

/* ---------------------------------------------------------------- one pass over the file */
typedef struct Fit {
    const Npy *npy;
    const int *columns;
    const char *const *names;
    int column_count;
    Moments *moments;        /* [column_count] */
    uint64_t *invalid;       /* [column_count] NaN and infinite values */
    uint64_t *first_invalid; /* [column_count] row of the first of them */
    size_t drawn;            /* rows in the reservoir; 0: none asked for */
    uint64_t *drawn_rows;    /* [drawn] increasing */
    double *reservoir;       /* [column_count][drawn + 2]: minimum and maximum are added */
} Fit;

static int compare_rows(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The rows of the reservoir are known before the pass: the first of a permutation of all rows. */
static void draw_rows(Fit *fit, uint64_t seed)
{
    Order order =
        order_start(fit->npy->rows, 1, fit->npy->rows > RESERVOIR_ROWS, seed ^ reservoir_seed);
    for (size_t i = 0; i < fit->drawn; i++)
        fit->drawn_rows[i] = order_row(&order, i);
    qsort(fit->drawn_rows, fit->drawn, sizeof *fit->drawn_rows, compare_rows);
}

static void note_invalid(Fit *fit, int column, const double *values, uint64_t first, int count)
{
    for (int i = 0; i < count; i++) {
        if (isfinite(values[i]))
            continue;
        if (fit->invalid[column]++ == 0)
            fit->first_invalid[column] = first + (uint64_t)i;
    }
}

static void read_block(Fit *fit, uint64_t first, int count, size_t drawn_before, size_t drawn_after)
{
    double values[BLOCK];
    for (int k = 0; k < fit->column_count; k++) {
        npy_read(fit->npy, fit->columns[k], first, (size_t)count, values);
        Moments block = block_moments(values, count);
        if (!isfinite(
                block.mean)) /* exactly when a value is NaN or infinite, or the sum overflows */
            note_invalid(fit, k, values, first, count);
        join_moments(&fit->moments[k], &block);
        double *reservoir = fit->reservoir + (size_t)k * (fit->drawn + 2);
        for (size_t i = drawn_before; i < drawn_after; i++)
            reservoir[i] = values[fit->drawn_rows[i] - first];
    }
}

static void read_rows(Fit *fit)
{
    uint64_t rows = fit->npy->rows;
    size_t drawn_before = 0;
    for (uint64_t first = 0; first < rows; first += BLOCK) {
        uint64_t end = rows - first < BLOCK ? rows : first + BLOCK;
        size_t drawn_after = drawn_before;
        while (drawn_after < fit->drawn && fit->drawn_rows[drawn_after] < end)
            drawn_after++;
        read_block(fit, first, (int)(end - first), drawn_before, drawn_after);
        drawn_before = drawn_after;
    }
}

static bool check_values(const Fit *fit, Error *error)
{
    const char *path = fit->npy->map.path;
    for (int k = 0; k < fit->column_count; k++) {
        const Moments *all = &fit->moments[k];
        if (fit->invalid[k] > 0)
            return error_set(error, EXIT_INVALID,
                             "remove those rows, or repair the program that wrote them.",
                             "column '%s' of '%s' has %" PRIu64
                             " values that are NaN or infinite, the "
                             "first in row %" PRIu64 " (rows count from 0)",
                             fit->names[k], path, fit->invalid[k], fit->first_invalid[k]);
        bool spread = all->minimum == all->maximum || all->squares > 0;
        if (!isfinite(all->squares) || !isfinite(all->maximum - all->minimum) || !spread)
            return error_set(
                error, EXIT_INVALID, "store the column in another unit.",
                "column '%s' of '%s' goes from %g to %g: its variance is beyond the range "
                "of double precision",
                fit->names[k], path, all->minimum, all->maximum);
    }
    return true;
}

/* ---------------------------------------------------------------- tables */
static int compare_values(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Probabilities of the knots: half of them even, half even in the normal score, and the two ends.
 */
static void choose_levels(double levels[TABLE_KNOTS], double count)
{
    enum { HALF = TABLE_LEVELS / 2 };
    double lowest = normal_quantile(0.5 / count);
    for (int i = 0; i < HALF; i++) {
        levels[i] = (i + 0.5) / (double)HALF;
        levels[HALF + i] = normal_cdf(lowest * (1 - 2.0 * i / (double)(HALF - 1)));
    }
    levels[TABLE_LEVELS] = 0;
    levels[TABLE_LEVELS + 1] = 1;
    qsort(levels, TABLE_KNOTS, sizeof *levels, compare_values);
}

/* How many of the sorted values lie below x, or with `equal` at most at x. */
static size_t count_below(const double *sorted, size_t count, double x, bool equal)
{
    size_t first = 0, end = count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (sorted[middle] < x || (equal && sorted[middle] == x))
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

static Moments normalised_moments(const ColumnScale *column, const double *values, size_t count)
{
    Moments all = no_moments;
    double block[BLOCK];
    for (size_t first = 0; first < count; first += BLOCK) {
        int length = count - first < BLOCK ? (int)(count - first) : BLOCK;
        for (int i = 0; i < length; i++)
            block[i] = normalise(column, values[first + (size_t)i]);
        Moments part = block_moments(block, length);
        join_moments(&all, &part);
    }
    return all;
}

/* Shifts and scales the knots' y so that the table gives the drawn rows mean 0 and std 1. */
static void standardise_table(ColumnScale *column, const double *sorted, size_t count)
{
    Moments all = normalised_moments(column, sorted + 1, count - 2); /* without the added ends */
    if (all.minimum == all.maximum) /* all drawn rows are equal, yet the column is not constant */
        all = normalised_moments(column, sorted, count);
    double deviation = sqrt(all.squares / all.count);
    for (int k = 0; k < column->knot_count; k++)
        column->y[k] = (column->y[k] - all.mean) / deviation;
}

/* sorted: the reservoir with minimum and maximum, increasing, at least two different values. */
static bool make_table(ColumnScale *column, NormalisationKind kind, const double *sorted,
                       size_t count)
{
    double levels[TABLE_KNOTS];
    choose_levels(levels, (double)count);
    column->x = malloc(sizeof *column->x * 2 * TABLE_KNOTS);
    if (!column->x)
        return false;
    column->y = column->x + TABLE_KNOTS;
    for (int i = 0; i < TABLE_KNOTS; i++) {
        double x = sorted[(size_t)floor(levels[i] * (double)(count - 1) + 0.5)];
        if (column->knot_count > 0 && x == column->x[column->knot_count - 1])
            continue;
        size_t below = count_below(sorted, count, x, false) + count_below(sorted, count, x, true);
        double score = normal_quantile((double)(below + 1) / (2.0 * (double)(count + 1)));
        double linear = (x - column->mean) / column->std;
        column->x[column->knot_count] = x;
        column->y[column->knot_count++] =
            kind == NORMALISE_BLEND ? 0.5 * score + 0.5 * linear : score;
    }
    standardise_table(column, sorted, count);
    return true;
}

static ColumnScale make_scale(const Moments *all)
{
    bool constant = all->minimum == all->maximum;
    return (ColumnScale){.mean = constant ? all->minimum : all->mean,
                         .std = constant ? 0 : sqrt(all->squares / all->count),
                         .minimum = all->minimum,
                         .maximum = all->maximum,
                         .constant = constant};
}

static bool finish_columns(const Fit *fit, Normaliser *normaliser)
{
    size_t count = fit->drawn + 2;
    for (int k = 0; k < fit->column_count; k++) {
        ColumnScale *column = &normaliser->columns[k];
        *column = make_scale(&fit->moments[k]);
        if (column->constant || normaliser->kind == NORMALISE_STD)
            continue;
        double *sorted = fit->reservoir + (size_t)k * count;
        sorted[count - 2] = column->minimum;
        sorted[count - 1] = column->maximum;
        qsort(sorted, count, sizeof *sorted, compare_values);
        if (!make_table(column, normaliser->kind, sorted, count))
            return false;
    }
    return true;
}

static bool allocate_fit(Fit *fit, NormalisationKind kind)
{
    size_t columns = (size_t)fit->column_count;
    if (kind != NORMALISE_STD)
        fit->drawn = fit->npy->rows < RESERVOIR_ROWS ? (size_t)fit->npy->rows : RESERVOIR_ROWS;
    fit->moments = malloc(columns * sizeof *fit->moments);
    fit->invalid = calloc(columns, sizeof *fit->invalid);
    fit->first_invalid = calloc(columns, sizeof *fit->first_invalid);
    fit->drawn_rows = malloc((fit->drawn + 1) * sizeof *fit->drawn_rows);
    fit->reservoir = malloc(columns * (fit->drawn + 2) * sizeof *fit->reservoir);
    return fit->moments && fit->invalid && fit->first_invalid && fit->drawn_rows && fit->reservoir;
}

static void free_fit(Fit *fit)
{
    free(fit->moments);
    free(fit->invalid);
    free(fit->first_invalid);
    free(fit->drawn_rows);
    free(fit->reservoir);
}

static bool allocate_columns(Normaliser *normaliser, NormalisationKind kind, uint64_t rows,
                             int count)
{
    *normaliser = (Normaliser){.kind = kind, .rows = rows, .column_count = count};
    normaliser->columns = calloc((size_t)count, sizeof *normaliser->columns);
    if (!normaliser->columns)
        normaliser->column_count = 0;
    return normaliser->columns != NULL;
}

bool normaliser_fit(Normaliser *normaliser, NormalisationKind kind, const Npy *npy,
                    const int *columns, const char *const *names, int column_count, uint64_t seed,
                    Error *error)
{
    Fit fit = {.npy = npy, .columns = columns, .names = names, .column_count = column_count};
    bool room =
        allocate_columns(normaliser, kind, npy->rows, column_count) && allocate_fit(&fit, kind);
    bool good = true;
    if (npy->rows == 0)
        good = error_set(error, EXIT_INVALID, NULL, "'%s' has no rows", npy->map.path);
    if (room && good) {
        for (int k = 0; k < column_count; k++)
            fit.moments[k] = no_moments;
        draw_rows(&fit, seed);
        read_rows(&fit);
        good = check_values(&fit, error);
        room = !good || finish_columns(&fit, normaliser);
    }
    if (!room)
        good = error_set(error, EXIT_IO, NULL, "out of memory");
    free_fit(&fit);
    if (!good)
        normaliser_free(normaliser);
    return good;
}

void normaliser_free(Normaliser *normaliser)
{
    for (int k = 0; k < normaliser->column_count; k++)
        free(normaliser->columns[k].x);
    free(normaliser->columns);
    *normaliser = (Normaliser){0};
}

/* ---------------------------------------------------------------- values */
double normalise(const ColumnScale *column, double x)
{
    if (column->constant)
        return 0;
    if (column->knot_count == 0)
        return (x - column->mean) / column->std;
    return knots_extended(column->x, column->y, column->knot_count, x);
}

double denormalise(const ColumnScale *column, double y)
{
    if (column->constant)
        return column->mean;
    if (column->knot_count == 0) {
        double shift = y * column->std;
        return column->mean + shift;
    }
    return knots_clipped(column->y, column->x, column->knot_count, y);
}

/* ---------------------------------------------------------------- in a checkpoint */
static const char *const statistic_names[] = {"normalisation.mean", "normalisation.std",
                                              "normalisation.minimum", "normalisation.maximum"};
enum { STATISTICS = 4 };

static double *statistic(ColumnScale *column, int index)
{
    double *fields[STATISTICS] = {&column->mean, &column->std, &column->minimum, &column->maximum};
    return fields[index];
}

/* Adds a tensor whose values were just written to the `used` place. */
static void add_tensor(NormaliserTensors *stored, const char *name, int rank, uint64_t rows,
                       uint64_t width, size_t *used)
{
    StoredTensor tensor = {
        .type = STORED_F64, .rank = rank, .dims = {rows, width}, .data = stored->values + *used};
    tensor.name = stored->names[stored->count];
    snprintf(stored->names[stored->count], sizeof stored->names[0], "%s", name);
    stored->tensors[stored->count++] = tensor;
    *used += rows * (rank == 2 ? width : 1);
}

NormaliserTensors normaliser_store(const Normaliser *normaliser)
{
    size_t columns = (size_t)normaliser->column_count, used = 0;
    size_t values = 1 + columns * (STATISTICS + 2 * TABLE_KNOTS), count = 1 + STATISTICS + columns;
    NormaliserTensors stored = {.tensors = malloc(sizeof *stored.tensors * count),
                                .values = malloc(sizeof *stored.values * values),
                                .names = malloc(sizeof *stored.names * count)};
    if (!stored.tensors || !stored.values || !stored.names)
        fail(EXIT_IO, NULL, "out of memory");
    stored.values[0] = (double)normaliser->rows;
    add_tensor(&stored, "normalisation.rows", 1, 1, 0, &used);
    for (int i = 0; i < STATISTICS; i++) {
        for (size_t k = 0; k < columns; k++)
            stored.values[used + k] = *statistic(&normaliser->columns[k], i);
        add_tensor(&stored, statistic_names[i], 1, columns, 0, &used);
    }
    for (size_t k = 0; k < columns; k++) {
        char name[NORMALISER_NAME];
        const ColumnScale *column = &normaliser->columns[k];
        size_t knots = (size_t)column->knot_count;
        if (knots == 0)
            continue;
        memcpy(stored.values + used, column->x, knots * sizeof *column->x);
        memcpy(stored.values + used + knots, column->y, knots * sizeof *column->y);
        snprintf(name, sizeof name, "normalisation.knots.%zu", k);
        add_tensor(&stored, name, 2, 2, knots, &used);
    }
    return stored;
}

void normaliser_tensors_free(NormaliserTensors *stored)
{
    free(stored->tensors);
    free(stored->values);
    free(stored->names);
    *stored = (NormaliserTensors){0};
}

static bool bad_tensor(const Safetensors *file, const char *name, Error *error)
{
    return error_set(error, EXIT_INVALID, NULL,
                     "'%s': tensor '%s' is missing or is no valid "
                     "normalisation of this program's columns",
                     file->map.path, name);
}

/* Copies a tensor of a known number of values; all must be finite. */
static bool load_values(const Safetensors *file, const char *name, uint64_t count, double *out,
                        Error *error)
{
    const StoredTensor *tensor = safetensors_find(file, name);
    if (!tensor || tensor->type != STORED_F64 || tensor->rank != 1 || tensor->dims[0] != count)
        return bad_tensor(file, name, error);
    stored_copy_doubles(tensor, out);
    for (uint64_t i = 0; i < count; i++) {
        if (!isfinite(out[i]))
            return bad_tensor(file, name, error);
    }
    return true;
}

static bool increases(const double *values, int count)
{
    bool good = isfinite(values[0]) && isfinite(values[count - 1]);
    for (int i = 1; i < count; i++)
        good = good && values[i - 1] < values[i];
    return good;
}

static bool load_knots(const Safetensors *file, ColumnScale *column, int index, Error *error)
{
    char name[NORMALISER_NAME];
    snprintf(name, sizeof name, "normalisation.knots.%d", index);
    const StoredTensor *tensor = safetensors_find(file, name);
    if (!tensor || tensor->type != STORED_F64 || tensor->rank != 2 || tensor->dims[0] != 2 ||
        tensor->dims[1] < 2 || tensor->dims[1] > TABLE_KNOTS)
        return bad_tensor(file, name, error);
    int count = (int)tensor->dims[1];
    column->x = malloc(stored_size(tensor));
    if (!column->x)
        return error_set(error, EXIT_IO, NULL, "out of memory");
    column->y = column->x + count;
    column->knot_count = count;
    stored_copy_doubles(tensor, column->x);
    return (increases(column->x, count) && increases(column->y, count)) ||
           bad_tensor(file, name, error);
}

static bool load_columns(Normaliser *normaliser, const Safetensors *file, double *values,
                         Error *error)
{
    int count = normaliser->column_count;
    for (int i = 0; i < STATISTICS; i++) {
        if (!load_values(file, statistic_names[i], (uint64_t)count, values, error))
            return false;
        for (int k = 0; k < count; k++)
            *statistic(&normaliser->columns[k], i) = values[k];
    }
    for (int k = 0; k < count; k++) {
        ColumnScale *column = &normaliser->columns[k];
        column->constant = column->minimum == column->maximum;
        if (column->constant != (column->std == 0) || column->std < 0 ||
            column->minimum > column->maximum)
            return bad_tensor(file, "normalisation.std", error);
        if (normaliser->kind != NORMALISE_STD && !column->constant &&
            !load_knots(file, column, k, error))
            return false;
    }
    return true;
}

bool normaliser_load(Normaliser *normaliser, NormalisationKind kind, int column_count,
                     const Safetensors *file, Error *error)
{
    double rows, *values = malloc(sizeof *values * (size_t)column_count);
    bool good = allocate_columns(normaliser, kind, 0, column_count) && values;
    if (!good)
        error_set(error, EXIT_IO, NULL, "out of memory");
    good = good && load_values(file, "normalisation.rows", 1, &rows, error);
    if (good && !(rows >= 1 && rows <= 0x1p53))
        good = bad_tensor(file, "normalisation.rows", error);
    if (good)
        normaliser->rows = (uint64_t)rows;
    good = good && load_columns(normaliser, file, values, error);
    free(values);
    if (!good)
        normaliser_free(normaliser);
    return good;
}
