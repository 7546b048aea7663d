/* score.c -- the scores of two samples of rows: per column, over all columns, and under two views.
 *
 * The linear view standardises columns; there a sharp line hides behind the std of far tails. The
 * ranked view turns every column of the real rows into a standard normal; there it does not. */
#include "score.h"

#include "column.h"
#include "normal.h"
#include "order.h"
#include "gagac.h"

#include <math.h>
#include <string.h>

enum {
    DIRECTIONS = 500,
    CHOICES =
        8, /* of as many generated rows as there are real ones: their mean is less noisy than one */
    PROJECTED_ROWS = 200000, /* of each kind, at most: 500 directions of them take some seconds */
    CLASSIFIED_ROWS = 20000, /* of each kind, at most */
    DIGIT_BITS = 11,         /* of the radix sort */
    DIGITS = 1 << DIGIT_BITS,
    PASSES = 3
};

/* Seeds of everything random in a score: fixed, so that scores of two generators compare. */
enum { SEED_DIRECTIONS = 1, SEED_ROWS = 2, SEED_HALVES = 3, SEED_CLASSIFIER = 4 };

/* ---------------------------------------------------------------- samples */
static Sample new_sample(size_t rows, int column_count)
{
    Sample sample = {rows, column_count, arena_alloc((size_t)column_count * sizeof(float *))};
    for (int c = 0; c < column_count; c++) {
        sample.columns[c] = arena_alloc(rows * sizeof(float));
    }
    return sample;
}

/* count of the rows in random order, from the given position of that order. */
static Sample pick_rows(const Sample *from, size_t position, size_t count, uint64_t seed)
{
    Sample picked = new_sample(count, from->column_count);
    Order order = order_start(from->rows, 1, true, seed);
    for (size_t i = 0; i < count; i++) {
        uint64_t row = order_row(&order, position + i);
        for (int c = 0; c < from->column_count; c++) {
            picked.columns[c][i] = from->columns[c][row];
        }
    }
    return picked;
}

void split_sample(const Sample *sample, Sample halves[2])
{
    size_t half = sample->rows / 2;
    halves[0] = pick_rows(sample, 0, half, SEED_HALVES);
    halves[1] = pick_rows(sample, half, half, SEED_HALVES);
}

/* ---------------------------------------------------------------- sorting */
/* Floats in the order of their values as unsigned numbers: the sign flipped, negatives reversed. */
static uint32_t float_to_key(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static float key_to_float(uint32_t key)
{
    uint32_t bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

typedef struct Sorter { /* room for keys, on both sides of a pass */
    uint32_t *keys, *other;
} Sorter;

static Sorter new_sorter(size_t rows)
{
    size_t size = rows * sizeof(uint32_t);
    return (Sorter){arena_alloc(size), arena_alloc(size)};
}

/* Fills the keys, and counts how often each digit comes in each pass. */
static void fill_keys(Sorter *sorter, const float *values, size_t count,
                      size_t counts[PASSES][DIGITS])
{
    for (size_t i = 0; i < count; i++) {
        uint32_t key = float_to_key(values[i]);
        sorter->keys[i] = key;
        for (int pass = 0; pass < PASSES; pass++) {
            counts[pass][(key >> pass * DIGIT_BITS) % DIGITS]++;
        }
    }
}

/* Stable counting sort of the keys by the digit of one pass, into the other side. */
static void sort_by_digit(Sorter *sorter, size_t count, int pass, const size_t counts[DIGITS])
{
    uint32_t *places[DIGITS], *place = sorter->other;
    for (int digit = 0; digit < DIGITS; digit++) {
        places[digit] = place;
        place += counts[digit];
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t key = sorter->keys[i];
        *places[(key >> pass * DIGIT_BITS) % DIGITS]++ = key;
    }
    uint32_t *sorted = sorter->other;
    sorter->other = sorter->keys;
    sorter->keys = sorted;
}

/* Sorts in place, smallest first: a radix sort, as 500 directions need a thousand sorts. */
static void sort_floats(Sorter *sorter, float *values, size_t count)
{
    size_t counts[PASSES][DIGITS] = {{0}};
    fill_keys(sorter, values, count, counts);
    for (int pass = 0; pass < PASSES; pass++) {
        sort_by_digit(sorter, count, pass, counts[pass]);
    }
    for (size_t i = 0; i < count; i++) {
        values[i] = key_to_float(sorter->keys[i]);
    }
}

static Sample sort_columns(const Sample *sample)
{
    Sample sorted = new_sample(sample->rows, sample->column_count);
    Sorter sorter = new_sorter(sample->rows);
    for (int c = 0; c < sample->column_count; c++) {
        memcpy(sorted.columns[c], sample->columns[c], sample->rows * sizeof(float));
        sort_floats(&sorter, sorted.columns[c], sample->rows);
    }
    return sorted;
}

/* ---------------------------------------------------------------- one column */
/* What differences in a column are measured in: its std, or 1 where all real rows are equal. The
 * bound is the rounding of the mean of equal values. */
static double column_scale(Moments reference)
{
    return reference.std > 1e-12 * fabs(reference.mean) ? reference.std : 1.0;
}

/* Kolmogorov-Smirnov distance of two sorted columns. */
static double ks_distance(const float *a, size_t m, const float *b, size_t n)
{
    double largest = 0;
    for (size_t i = 0, j = 0; i < m && j < n;) {
        float value = a[i] < b[j] ? a[i] : b[j];
        while (i < m && a[i] == value) {
            i++;
        }
        while (j < n && b[j] == value) {
            j++;
        }
        largest = fmax(largest, fabs((double)i / (double)m - (double)j / (double)n));
    }
    return largest;
}

static void score_columns(const Sample *reference, const Sample *generated, const Sample *sorted,
                          Scores *scores)
{
    size_t m = reference->rows, n = generated->rows;
    Sample other = sort_columns(generated);
    for (int c = 0; c < reference->column_count; c++) {
        Moments r = moments_of(reference->columns[c], m);
        Moments g = moments_of(generated->columns[c], n);
        double scale = column_scale(r);
        const float *a = sorted->columns[c], *b = other.columns[c];
        scores->columns[c] = (ColumnScore){
            .wasserstein = wasserstein_distance(a, m, b, n) / scale,
            .ks = ks_distance(a, m, b, n),
            .mean_shift = (g.mean - r.mean) / scale,
            .std_ratio = (g.std - r.std) / scale,
        };
        scores->mean_ks += scores->columns[c].ks / reference->column_count;
    }
}

/* ---------------------------------------------------------------- the two views */
static Sample standardise(const Sample *sample, const Sample *reference)
{
    Sample view = new_sample(sample->rows, sample->column_count);
    for (int c = 0; c < sample->column_count; c++) {
        Moments moments = moments_of(reference->columns[c], reference->rows);
        double scale = column_scale(moments);
        for (size_t i = 0; i < sample->rows; i++) {
            view.columns[c][i] = (float)((sample->columns[c][i] - moments.mean) / scale);
        }
    }
    return view;
}

/* The number of sorted values that are not above the value. */
static size_t count_not_above(const float *sorted, size_t count, float value)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] <= value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Normal scores: Phi^-1 of the rank among the sorted real rows, the number that is not above. */
static Sample rank_sample(const Sample *sample, const Sample *sorted)
{
    Sample view = new_sample(sample->rows, sample->column_count);
    size_t n = sorted->rows;
    for (int c = 0; c < sample->column_count; c++) {
        for (size_t i = 0; i < sample->rows; i++) {
            float value = sample->columns[c][i];
            size_t not_above = count_not_above(sorted->columns[c], n, value);
            double share = ((double)not_above + 0.5) / (double)(n + 1);
            view.columns[c][i] = (float)normal_quantile(share);
        }
    }
    return view;
}

/* ---------------------------------------------------------------- scores of a view */
/* A direction uniform on the unit sphere: normal numbers, divided by their length. */
static void draw_direction(int number, int column_count, double *direction)
{
    static const uint32_t key[2] = {SEED_DIRECTIONS, 0};
    double squares = 0;
    for (int c = 0; c < column_count; c++) {
        uint32_t words[4] = {(uint32_t)number, 0, 0, (uint32_t)c};
        philox4x32(words, key);
        direction[c] = normal_quantile((words[0] + 0.5) * 0x1p-32);
        squares += direction[c] * direction[c];
    }
    for (int c = 0; c < column_count; c++) {
        direction[c] /= sqrt(squares);
    }
}

static void project_sample(const Sample *sample, const double *direction, float *out)
{
    memset(out, 0, sample->rows * sizeof *out);
    for (int c = 0; c < sample->column_count; c++) {
        const float *column = sample->columns[c];
        float weight = (float)direction[c];
        for (size_t i = 0; i < sample->rows; i++) {
            out[i] += weight * column[i];
        }
    }
}

/* Mean over the directions of the Wasserstein-1 distance of the projections; equal numbers of
 * rows. */
static double sliced_distance(const Sample *reference, const Sample *generated)
{
    size_t rows = reference->rows;
    Sorter sorter = new_sorter(rows);
    Sample projected = new_sample(rows, 2);
    float *a = projected.columns[0], *b = projected.columns[1];
    double *direction = arena_alloc((size_t)reference->column_count * sizeof(double));
    double sum = 0;
    for (int number = 0; number < DIRECTIONS; number++) {
        draw_direction(number, reference->column_count, direction);
        project_sample(reference, direction, a);
        project_sample(generated, direction, b);
        sort_floats(&sorter, a, rows);
        sort_floats(&sorter, b, rows);
        for (size_t i = 0; i < rows; i++) {
            sum += fabs((double)a[i] - (double)b[i]);
        }
    }
    return sum / ((double)DIRECTIONS * (double)rows);
}

/* Correlation coefficient of two columns; 0 when one of them is constant. */
static double correlate(const float *a, const float *b, size_t rows)
{
    Moments p = moments_of(a, rows), q = moments_of(b, rows);
    double sum = 0;
    for (size_t i = 0; i < rows; i++) {
        sum += (a[i] - p.mean) * (b[i] - q.mean);
    }
    double scale = p.std * q.std * (double)rows;
    return scale > 0 ? sum / scale : 0;
}

static double correlation_error(const Sample *reference, const Sample *generated)
{
    double largest = 0;
    for (int p = 0; p < reference->column_count; p++) {
        for (int q = 0; q < p; q++) {
            double r = correlate(reference->columns[p], reference->columns[q], reference->rows);
            double g = correlate(generated->columns[p], generated->columns[q], generated->rows);
            largest = fmax(largest, fabs(g - r));
        }
    }
    return largest;
}

static double *rows_of(const Sample *sample)
{
    double *rows = arena_alloc(sample->rows * (size_t)sample->column_count * sizeof(double));
    double *to = rows;
    for (size_t i = 0; i < sample->rows; i++) {
        for (int c = 0; c < sample->column_count; c++) {
            *to++ = sample->columns[c][i];
        }
    }
    return rows;
}

static double accuracy_of_classifier(const Sample *reference, const Sample *generated)
{
    size_t rows = reference->rows < CLASSIFIED_ROWS ? reference->rows : CLASSIFIED_ROWS;
    Sample a = pick_rows(reference, 0, rows, SEED_CLASSIFIER);
    Sample b = pick_rows(generated, 0, rows, SEED_CLASSIFIER + 1);
    return classify(rows_of(&a), rows_of(&b), (int)rows, reference->column_count, SEED_CLASSIFIER);
}

static ViewScore score_view(const Sample *reference, const Sample *generated, bool classified)
{
    Sample a = standardise(reference, reference), b = standardise(generated, reference);
    ViewScore score = {.correlation = correlation_error(&a, &b), .accuracy = NAN};
    size_t fewer = a.rows < b.rows ? a.rows : b.rows;
    size_t rows = fewer < PROJECTED_ROWS ? fewer : PROJECTED_ROWS;
    Sample all = b;
    size_t choices = all.rows / rows < CHOICES ? all.rows / rows : CHOICES;
    if (a.rows > rows) {
        a = pick_rows(&a, 0, rows, SEED_ROWS);
    }
    for (size_t k = 0; k < choices; k++) {
        b = all.rows > rows ? pick_rows(&all, k * rows, rows, SEED_ROWS) : all;
        score.sliced += sliced_distance(&a, &b) / (double)choices;
    }
    if (classified) {
        score.accuracy = accuracy_of_classifier(&a, &b);
    }
    return score;
}

Scores score_samples(const Sample *reference, const Sample *generated, bool classified)
{
    Scores scores = {.column_count = reference->column_count};
    scores.columns = arena_alloc((size_t)reference->column_count * sizeof(ColumnScore));
    Sample sorted = sort_columns(reference);
    score_columns(reference, generated, &sorted, &scores);
    scores.linear = score_view(reference, generated, classified);
    Sample real_ranks = rank_sample(reference, &sorted), ranks = rank_sample(generated, &sorted);
    scores.ranked = score_view(&real_ranks, &ranks, classified);
    return scores;
}
