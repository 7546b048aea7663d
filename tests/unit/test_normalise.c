/* test_normalise.c -- statistics, tables, their way through a checkpoint; the normal distribution.
 */
#include "normal.h"
#include "normalise.h"
#include "rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char file_name[] = "normalise.npy";
static const char *const names[] = {"line", "tail", "constant", "few"};
enum { COLUMNS = 4 };

/* ---------------------------------------------------------------- the normal distribution */
static void quantiles_are_exact(void **state)
{
    (void)state;
    static const struct {
        double p, z;
    } known[] = {
        /* z to 17 digits, from 60-digit arithmetic */
        {0.5, 0},
        {0.975, 1.9599639845400542},
        {0.841344746068542948585, 1},
        {0.001, -3.0902323061678135},
        {1e-10, -6.3613409024040562},
        {1e-20, -9.2623400897984076},
        {1e-100, -21.273453560965324},
        {0.3, -0.52440051270804082},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        double z = normal_quantile(known[i].p);
        if (!(fabs(z - known[i].z) < 1e-12 * fmax(1, fabs(z))))
            fail_msg("Phi^-1(%.17g) is %.17g, not %.17g", known[i].p, z, known[i].z);
    }
}

/* Phi against the C library's erfc, and Phi^-1 as its inverse, on both sides of the switch of
 * formula. */
static void cdf_and_quantile_agree(void **state)
{
    (void)state;
    for (double z = -30; z <= 6; z += 0.0317) {
        double p = normal_cdf(z), library = 0.5 * erfc(-z / sqrt(2));
        assert_true(fabs(p - library) <= (1e-13 + z * z * 0x1p-52) * library); /* both round z^2 */
        double back = normal_quantile(p), resolution = 0x1p-53 / exp(-z * z / 2) * (z > 0 ? 3 : 0);
        assert_true(fabs(back - z) < 1e-12 + resolution);
    }
}

/* ---------------------------------------------------------------- data */
static double uniform(uint64_t row, uint32_t column)
{
    uint32_t counter[4] = {(uint32_t)row, 0, column, 1}, key[2] = {1, 2};
    philox4x32(counter, key);
    return (counter[0] + 0.5) * 0x1p-32;
}

/* A sharp line with a continuum, a far tail, a constant, three values. */
static void make_row(uint64_t row, float out[COLUMNS])
{
    out[0] = uniform(row, 0) < 0.5 ? 10.396f : (float)(8 + 2 * uniform(row, 1));
    out[1] = (float)pow(uniform(row, 2), -0.4);
    out[2] = 271.1f;
    out[3] = (float)floor(3 * uniform(row, 3));
}

static void make_file(uint64_t rows)
{
    Error error = {0};
    NpyWriter writer;
    assert_true(npy_create(&writer, file_name, names, COLUMNS, rows, &error));
    for (uint64_t row = 0; row < rows; row++) {
        float values[COLUMNS];
        make_row(row, values);
        assert_true(npy_append(&writer, values, 1, &error));
    }
    assert_true(npy_finish(&writer, &error));
}

static Normaliser fit(uint64_t rows, NormalisationKind kind, uint64_t seed)
{
    Npy npy;
    Normaliser normaliser = {0};
    Error error = {0};
    int columns[COLUMNS];
    make_file(rows);
    if (!npy_open(&npy, file_name, &error) || !npy_select(&npy, names, COLUMNS, columns, &error) ||
        !normaliser_fit(&normaliser, kind, &npy, columns, names, COLUMNS, seed, &error))
        fail_msg("%s", error.message);
    npy_close(&npy);
    return normaliser;
}

/* ---------------------------------------------------------------- statistics */
static void statistics_are_those_of_all_rows(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 2, 3, 5, 1023, 1024, 1025, 1026, 5000, 70001};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        Normaliser normaliser = fit(sizes[i], NORMALISE_STD, 0);
        assert_int_equal(normaliser.rows, sizes[i]);
        for (int k = 0; k < COLUMNS; k++) {
            long double sum = 0, squares = 0;
            double minimum = INFINITY, maximum = -INFINITY;
            float row[COLUMNS];
            for (uint64_t j = 0; j < sizes[i]; j++) {
                make_row(j, row);
                sum += (long double)row[k];
                minimum = fmin(minimum, (double)row[k]);
                maximum = fmax(maximum, (double)row[k]);
            }
            long double mean = sum / (long double)sizes[i];
            for (uint64_t j = 0; j < sizes[i]; j++) {
                make_row(j, row);
                squares += ((long double)row[k] - mean) * ((long double)row[k] - mean);
            }
            double std = (double)sqrtl(squares / (long double)sizes[i]);
            const ColumnScale *column = &normaliser.columns[k];
            assert_true(column->minimum == minimum && column->maximum == maximum);
            assert_true(fabs(column->mean - (double)mean) <= 1e-14 * fabs((double)mean));
            assert_true(fabs(column->std - std) <= 1e-12 * std);
            assert_int_equal(column->constant, k == 2 || minimum == maximum);
        }
        normaliser_free(&normaliser);
    }
}

/* A mean far larger than the spread costs no precision. */
static void a_far_mean_keeps_the_spread(void **state)
{
    (void)state;
    enum { ROWS = 4000 };
    static double values[ROWS];
    Error error = {0};
    NpyWriter writer;
    Npy npy;
    Normaliser normaliser;
    int column = 0;
    for (int i = 0; i < ROWS; i++)
        values[i] = 1e9 + (i % 2 ? 1 : -1);
    assert_true(npy_create_plain(&writer, file_name, 1, 8, ROWS, &error));
    assert_true(npy_append(&writer, values, ROWS, &error) && npy_finish(&writer, &error));
    assert_true(npy_open(&npy, file_name, &error));
    assert_true(normaliser_fit(&normaliser, NORMALISE_STD, &npy, &column, names, 1, 0, &error));
    assert_true(normaliser.columns[0].mean == 1e9 && normaliser.columns[0].std == 1);
    normaliser_free(&normaliser);
    npy_close(&npy);
}

static void refuses_what_is_no_number(void **state)
{
    (void)state;
    enum { ROWS = 3000 };
    static double rows[ROWS][2];
    static const struct {
        double first, second;
        const char *message;
    } cases[] = {
        {NAN, INFINITY,
         "'tail' of 'normalise.npy' has 2 values that are NaN or infinite, the first in "
         "row 1500"},
        {-INFINITY, 1, "has 1 values"},
        {1e300, -1e300, "variance is beyond"},
        {1e-300, -1e-300, "variance is beyond"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Error error = {0};
        NpyWriter writer;
        Npy npy;
        Normaliser normaliser;
        int columns[2] = {0, 1};
        memset(rows, 0, sizeof rows);
        rows[1500][1] = cases[i].first;
        rows[2999][1] = cases[i].second;
        assert_true(npy_create_plain(&writer, file_name, 2, 8, ROWS, &error));
        assert_true(npy_append(&writer, rows, ROWS, &error) && npy_finish(&writer, &error));
        assert_true(npy_open(&npy, file_name, &error));
        assert_false(
            normaliser_fit(&normaliser, NORMALISE_BLEND, &npy, columns, names, 2, 0, &error));
        assert_int_equal(error.status, EXIT_INVALID);
        if (!strstr(error.message, cases[i].message))
            fail_msg("'%s' does not say '%s'", error.message, cases[i].message);
        npy_close(&npy);
    }
}

/* ---------------------------------------------------------------- tables */
static void expect_table(const ColumnScale *column)
{
    assert_in_range(column->knot_count, 2, TABLE_KNOTS);
    int last = column->knot_count - 1;
    assert_true(column->x[0] == column->minimum && column->x[last] == column->maximum);
    for (int k = 0; k < last; k++) {
        assert_true(column->x[k] < column->x[k + 1] && column->y[k] < column->y[k + 1]);
        /* linear between knots, there and back */
        double x = 0.25 * column->x[k] + 0.75 * column->x[k + 1];
        double y = 0.25 * column->y[k] + 0.75 * column->y[k + 1];
        assert_true(fabs(normalise(column, x) - y) < 1e-9 * (1 + fabs(y)));
        assert_true(fabs(denormalise(column, y) - x) < 1e-12 * (1 + fabs(x)));
        assert_true(normalise(column, column->x[k]) == column->y[k]);
    }
    double slope =
        (column->y[last] - column->y[last - 1]) / (column->x[last] - column->x[last - 1]);
    assert_true(fabs(normalise(column, column->maximum + 1) - column->y[last] - slope) <
                1e-9 * (1 + slope));
    assert_true(denormalise(column, 1e30) == column->maximum);
    assert_true(denormalise(column, -1e30) == column->minimum);
    assert_true(denormalise(column, column->y[last]) == column->maximum);
    assert_true(isnan(denormalise(column, NAN)));
}

/* The data come out with mean 0 and std 1, and back to the float they were. */
static void tables_standardise_and_invert(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {2, 10, 3000,
                                     100000}; /* the last is larger than the reservoir */
    for (size_t i = 0; i < 8; i++) {
        uint64_t rows = sizes[i / 2];
        Normaliser normaliser = fit(rows, i % 2 ? NORMALISE_RANK : NORMALISE_BLEND, 3);
        for (int k = 0; k < COLUMNS; k++) {
            const ColumnScale *column = &normaliser.columns[k];
            double sum = 0, squares = 0, worst = 0;
            if (column->constant) {
                assert_int_equal(column->knot_count, 0);
                assert_true(normalise(column, 5) == 0 && denormalise(column, 3) == column->mean);
                continue;
            }
            expect_table(column);
            for (uint64_t j = 0; j < rows; j++) {
                float row[COLUMNS];
                make_row(j, row);
                double y = normalise(column, (double)row[k]);
                sum += y;
                squares += y * y;
                worst = fmax(worst, fabs((double)((float)denormalise(column, y) - row[k])));
            }
            double mean = sum / (double)rows, loose = rows > RESERVOIR_ROWS ? 0.02 : 1e-9;
            assert_true(worst == 0);
            assert_true(fabs(mean) < loose &&
                        fabs(sqrt(squares / (double)rows - mean * mean) - 1) < loose);
        }
        normaliser_free(&normaliser);
    }
}

/* The definition, point by point, on data small enough to do it by hand: n = 6 with the ends added.
 */
static void knots_follow_the_definition(void **state)
{
    (void)state;
    static const double values[4] = {0, 1, 1, 5};
    static const double below[3] = {0 + 2, 2 + 4,
                                    4 + 6};   /* number < x plus number <= x, of 0 0 1 1 5 5 */
    static const int place[4] = {0, 1, 1, 2}; /* knots that the values lie on */
    const double std = sqrt((1.75 * 1.75 + 2 * 0.75 * 0.75 + 3.25 * 3.25) / 4);
    Error error = {0};
    NpyWriter writer;
    Npy npy;
    int column = 0;
    assert_true(npy_create_plain(&writer, file_name, 1, 8, 4, &error));
    assert_true(npy_append(&writer, values, 4, &error) && npy_finish(&writer, &error));
    assert_true(npy_open(&npy, file_name, &error));
    for (int blend = 0; blend < 2; blend++) {
        static const double x[3] = {0, 1, 5};
        double y[3], mean = 0, squares = 0;
        Normaliser normaliser;
        assert_true(normaliser_fit(&normaliser, blend ? NORMALISE_BLEND : NORMALISE_RANK, &npy,
                                   &column, names, 1, 0, &error));
        for (int k = 0; k < 3; k++) {
            double score = normal_quantile((below[k] + 1) / 14);
            y[k] = blend ? 0.5 * score + 0.5 * (x[k] - 1.75) / std : score;
        }
        for (int i = 0; i < 4; i++)
            mean += y[place[i]] / 4;
        for (int i = 0; i < 4; i++)
            squares += (y[place[i]] - mean) * (y[place[i]] - mean) / 4;
        assert_int_equal(normaliser.columns[0].knot_count, 3);
        for (int k = 0; k < 3; k++) {
            assert_true(normaliser.columns[0].x[k] == x[k]);
            assert_true(fabs(normaliser.columns[0].y[k] - (y[k] - mean) / sqrt(squares)) < 1e-13);
        }
        normaliser_free(&normaliser);
    }
    npy_close(&npy);
}

/* Half of the rows are one value: its share of the normalised axis is what the network can hit. */
static void a_line_gets_its_share(void **state)
{
    (void)state;
    Normaliser normaliser = fit(20000, NORMALISE_RANK, 0);
    const ColumnScale *line = &normaliser.columns[0];
    double below = normalise(line, 9.99), above = normalise(line, line->maximum);
    assert_true(above - below > 0.5);
    normaliser_free(&normaliser);
}

static void the_seed_chooses_the_reservoir(void **state)
{
    (void)state;
    Normaliser a = fit(100000, NORMALISE_RANK, 1), b = fit(100000, NORMALISE_RANK, 1);
    Normaliser c = fit(100000, NORMALISE_RANK, 2);
    size_t size = sizeof(double) * (size_t)a.columns[1].knot_count;
    assert_memory_equal(a.columns[1].y, b.columns[1].y, size);
    assert_memory_not_equal(a.columns[1].y, c.columns[1].y, size);
    normaliser_free(&a);
    normaliser_free(&b);
    normaliser_free(&c);
}

/* ---------------------------------------------------------------- through a checkpoint */
static void expect_same(const Normaliser *a, const Normaliser *b)
{
    assert_int_equal(a->rows, b->rows);
    for (int k = 0; k < a->column_count; k++) {
        const ColumnScale *x = &a->columns[k], *y = &b->columns[k];
        assert_true(x->mean == y->mean && x->std == y->std && x->constant == y->constant);
        assert_true(x->minimum == y->minimum && x->maximum == y->maximum);
        assert_int_equal(x->knot_count, y->knot_count);
        assert_memory_equal(x->x, y->x, sizeof(double) * (size_t)x->knot_count);
        assert_memory_equal(x->y, y->y, sizeof(double) * (size_t)x->knot_count);
    }
}

static void comes_back_from_a_file(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        Normaliser normaliser = fit(500, (NormalisationKind)kind, 0), loaded;
        NormaliserTensors stored = normaliser_store(&normaliser);
        Safetensors file;
        Error error = {0};
        assert_true(
            safetensors_write("n.safetensors", stored.tensors, stored.count, NULL, 0, &error));
        assert_true(safetensors_open(&file, "n.safetensors", &error));
        assert_true(normaliser_load(&loaded, (NormalisationKind)kind, COLUMNS, &file, &error));
        expect_same(&normaliser, &loaded);
        normaliser_free(&loaded);
        assert_false(normaliser_load(&loaded, (NormalisationKind)kind, COLUMNS + 1, &file, &error));
        bool loads = normaliser_load(&loaded, NORMALISE_BLEND, COLUMNS, &file, &error);
        assert_int_equal(loads, kind != NORMALISE_STD); /* no tables there */
        if (loads)
            normaliser_free(&loaded);
        safetensors_close(&file);
        normaliser_tensors_free(&stored);
        normaliser_free(&normaliser);
    }
}

/* Each number of a stored normaliser replaced by nonsense: refused, or still a usable normaliser.
 */
static void refuses_nonsense_from_a_file(void **state)
{
    (void)state;
    static const double nonsense[] = {NAN, INFINITY, -1e308, 0};
    Normaliser normaliser = fit(50, NORMALISE_BLEND, 0), loaded;
    NormaliserTensors stored = normaliser_store(&normaliser);
    int refused = 0;
    size_t count = 0;
    for (int i = 0; i < stored.count; i++)
        count += (size_t)stored_count(&stored.tensors[i]);
    for (size_t i = 0; i < count; i += i < 30 ? 1 : 7) {
        for (int n = 0; n < 4; n++) {
            Safetensors file;
            Error error = {0};
            double old = stored.values[i];
            stored.values[i] = nonsense[n];
            assert_true(
                safetensors_write("n.safetensors", stored.tensors, stored.count, NULL, 0, &error));
            stored.values[i] = old;
            assert_true(safetensors_open(&file, "n.safetensors", &error));
            bool good = normaliser_load(&loaded, NORMALISE_BLEND, COLUMNS, &file, &error);
            refused += !good;
            for (int k = 0; good && k < COLUMNS; k++)
                assert_true(isfinite(denormalise(&loaded.columns[k], 0.1)));
            if (good)
                normaliser_free(&loaded);
            safetensors_close(&file);
        }
    }
    assert_true(refused > 60);
    normaliser_tensors_free(&stored);
    normaliser_free(&normaliser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_exact),
        cmocka_unit_test(cdf_and_quantile_agree),
        cmocka_unit_test(statistics_are_those_of_all_rows),
        cmocka_unit_test(a_far_mean_keeps_the_spread),
        cmocka_unit_test(refuses_what_is_no_number),
        cmocka_unit_test(tables_standardise_and_invert),
        cmocka_unit_test(knots_follow_the_definition),
        cmocka_unit_test(a_line_gets_its_share),
        cmocka_unit_test(the_seed_chooses_the_reservoir),
        cmocka_unit_test(comes_back_from_a_file),
        cmocka_unit_test(refuses_nonsense_from_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
