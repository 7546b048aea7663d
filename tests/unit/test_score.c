/* test_score.c -- the scores against values known in closed form. */
#include "gagac.h"
#include "score.h"

#include "normal.h"
#include "npy.h"
#include "rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_near(value, expected, tolerance)                                                   \
    assert_true(fabs((value) - (expected)) <= (tolerance)) /* cmocka compares floats, not doubles \
                                                            */

static const double PI = 3.14159265358979323846;

static Sample new_sample(size_t rows, int column_count)
{
    Sample sample = {rows, column_count, arena_alloc((size_t)column_count * sizeof(float *))};
    for (int c = 0; c < column_count; c++) {
        sample.columns[c] = arena_alloc(rows * sizeof(float));
    }
    return sample;
}

/* Independent standard normals. */
static Sample draw_normals(size_t rows, int column_count, uint32_t seed)
{
    Sample sample = new_sample(rows, column_count);
    const uint32_t key[2] = {seed, 0};
    for (int c = 0; c < column_count; c++) {
        for (size_t i = 0; i < rows; i++) {
            uint32_t words[4] = {(uint32_t)i, (uint32_t)c, 0, 0};
            philox4x32(words, key);
            sample.columns[c][i] = (float)normal_quantile((words[0] + 0.5) * 0x1p-32);
        }
    }
    return sample;
}

static Sample shift_sample(const Sample *from, double shift, double factor)
{
    Sample sample = new_sample(from->rows, from->column_count);
    for (int c = 0; c < from->column_count; c++) {
        for (size_t i = 0; i < from->rows; i++) {
            sample.columns[c][i] = (float)(from->columns[c][i] * factor + shift);
        }
    }
    return sample;
}

/* ---------------------------------------------------------------- one column */
typedef struct Case {
    const char *what;
    size_t m, n;
    float real[6], generated[6];
    double wasserstein, ks, mean_shift, std_ratio;
} Case;

static const Case cases[] = {
    {"the same rows in another order", 4, 4, {3, 1, 2, 0}, {0, 1, 2, 3}, 0, 0, 0, 0},
    {"shifted by half a std", 2, 2, {-1, 1}, {-0.5f, 1.5f}, 0.5, 0.5, 0.5, 0},
    {"each row twice", 2, 4, {0, 1}, {1, 0, 1, 0}, 0, 0, 0, 0},
    {"sizes without a common divisor",
     2,
     3,
     {0, 2},
     {0, 2, 2},
     1.0 / 3,
     1.0 / 6,
     1.0 / 3,
     0.942809041582063 - 1},
    {"twice as wide", 4, 4, {-1, -1, 1, 1}, {-2, -2, 2, 2}, 1, 0.5, 0, 1},
    {"ties with other values",
     4,
     4,
     {0, 0, 0, 4},
     {0, 0, 4, 4},
     1 / 1.7320508075688772,
     0.25,
     1 / 1.7320508075688772,
     2 / 1.7320508075688772 - 1},
    {"negative values in order", 3, 3, {-3, -2, -1}, {-1, -3, -2}, 0, 0, 0, 0},
    {"a constant column that is met", 3, 2, {7, 7, 7}, {7, 7}, 0, 0, 0, 0},
    {"a constant column that is missed", 3, 2, {7, 7, 7}, {7.5f, 7.5f}, 0.5, 1, 0.5, 0},
    {"nothing in common",
     3,
     3,
     {-1, 0, 1},
     {10, 11, 12},
     13.472193585307480,
     1,
     13.472193585307480,
     0},
};

static void test_columns(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const Case *c = &cases[k];
        Sample measured = new_sample(c->m, 1), generated = new_sample(c->n, 1);
        memcpy(measured.columns[0], c->real, c->m * sizeof(float));
        memcpy(generated.columns[0], c->generated, c->n * sizeof(float));
        Scores scores = score_samples(&measured, &generated, false);
        const ColumnScore *score = &scores.columns[0];
        print_message("%s\n", c->what);
        assert_near(score->wasserstein, c->wasserstein, 1e-12);
        assert_near(score->ks, c->ks, 1e-12);
        assert_near(score->mean_shift, c->mean_shift, 1e-12);
        assert_near(score->std_ratio, c->std_ratio, 1e-12);
        assert_near(scores.mean_ks, c->ks, 1e-12);
        if (c->m == c->n) { /* with one column every direction is +1 or -1 */
            assert_near(scores.linear.sliced, c->wasserstein, 1e-6);
        }
    }
}

/* The KS distance and W1 of normals of std 1 and s are known: max |Phi(x) - Phi(x/s)| and (s - 1)
 * E|x|. */
static void test_many_rows(void **state)
{
    (void)state;
    Sample measured = draw_normals(200000, 1, 1), other = draw_normals(150000, 1, 2);
    Sample wide = shift_sample(&other, 0, 1.5);
    Scores scores = score_samples(&measured, &wide, false);
    double x = sqrt(2 * log(1.5) / (1 - 1 / 2.25)); /* where the densities cross */
    double ks = normal_cdf(x) - normal_cdf(x / 1.5);
    assert_near(scores.columns[0].ks, ks, 0.005);
    assert_near(scores.columns[0].wasserstein, 0.5 * sqrt(2 / PI), 0.008);
    assert_near(scores.columns[0].std_ratio, 0.5, 0.01);
}

/* ---------------------------------------------------------------- all columns */
static void test_identical(void **state)
{
    (void)state;
    Sample sample = draw_normals(1000, 4, 3);
    Scores scores = score_samples(&sample, &sample, false);
    assert_true(scores.mean_ks == 0);
    assert_true(scores.linear.sliced == 0 && scores.ranked.sliced == 0);
    assert_true(scores.linear.correlation == 0 && scores.ranked.correlation == 0);
    assert_true(isnan(scores.linear.accuracy) && isnan(scores.ranked.accuracy));
}

/* A shift of s in all d columns moves the projection on u by s sum(u); its mean absolute value over
 * the unit sphere is s sqrt(d) Gamma(d/2) / (sqrt(pi) Gamma((d+1)/2)). */
static void test_sliced_shift(void **state)
{
    (void)state;
    for (int d = 2; d <= 7; d += 5) {
        Sample sample = draw_normals(500, d, 4), moved = shift_sample(&sample, 0.7, 1);
        Scores scores = score_samples(&sample, &moved, false);
        double mean = 0.7 * sqrt(d) * tgamma(0.5 * d) / (sqrt(PI) * tgamma(0.5 * (d + 1)));
        assert_near(scores.linear.sliced, mean, 0.07 * mean);
    }
}

/* The units of a column have no influence, and the ranked view sees no monotone change of both. */
static void test_scales(void **state)
{
    (void)state;
    Sample a = draw_normals(3000, 3, 5), b = draw_normals(3000, 3, 6);
    Sample big_a = shift_sample(&a, 1024, 64), big_b = shift_sample(&b, 1024, 64);
    Scores small = score_samples(&a, &b, false), big = score_samples(&big_a, &big_b, false);
    assert_near(small.linear.sliced, big.linear.sliced, 1e-4);
    for (int c = 0; c < 3; c++) {
        for (size_t i = 0; i < a.rows; i++) {
            a.columns[c][i] = expf(a.columns[c][i]);
            b.columns[c][i] = expf(b.columns[c][i]);
        }
    }
    Scores bent = score_samples(&a, &b, false);
    assert_near(bent.ranked.sliced, small.ranked.sliced, 1e-6);
    assert_near(bent.mean_ks, small.mean_ks, 1e-12);
    assert_true(fabs(bent.linear.sliced - small.linear.sliced) > 1e-3);
}

/* y = x against y = -x / an independent y: the only coefficient is 1 against -1 / 0. */
static void test_correlation(void **state)
{
    (void)state;
    Sample equal = draw_normals(5000, 2, 7), opposite = new_sample(5000, 2);
    memcpy(equal.columns[1], equal.columns[0], equal.rows * sizeof(float));
    for (size_t i = 0; i < equal.rows; i++) {
        opposite.columns[0][i] = equal.columns[0][i];
        opposite.columns[1][i] = -equal.columns[0][i];
    }
    Scores scores = score_samples(&equal, &opposite, false);
    assert_near(scores.linear.correlation, 2, 1e-5);
    assert_near(scores.ranked.correlation, 2, 1e-3);
    Sample free_columns = draw_normals(5000, 2, 8);
    scores = score_samples(&equal, &free_columns, false);
    assert_near(scores.linear.correlation, 1, 0.05);
}

/* Scores by hand: of four real rows 0, 3, 4 and 4 are not above the values 0, 1, 2 and 3. */
static void test_ranks_of_ties(void **state)
{
    (void)state;
    Sample measured = new_sample(4, 1), generated = new_sample(4, 1);
    memcpy(measured.columns[0], (float[]){1, 2, 1, 1}, 4 * sizeof(float));
    memcpy(generated.columns[0], (float[]){3, 0, 2, 1}, 4 * sizeof(float));
    double low = normal_quantile(0.1), middle = normal_quantile(0.7), high = normal_quantile(0.9);
    double std = (high - middle) * sqrt(3.0 / 16);
    Scores scores = score_samples(&measured, &generated, false);
    assert_near(scores.ranked.sliced, ((middle - low) + (high - middle)) / 4 / std, 1e-6);
}

/* A line, nine rows in ten within 1e-4, hides behind the std of a wide rest; its ranks show it. */
static void test_sharp_line(void **state)
{
    (void)state;
    Sample sharp = draw_normals(20000, 2, 9), blurred = draw_normals(20000, 2, 10);
    for (size_t i = 0; i < sharp.rows; i++) {
        if (i % 10 != 0) {
            sharp.columns[0][i] *= 1e-4f;
            blurred.columns[0][i] *= 3e-2f;
        }
    }
    Scores scores = score_samples(&sharp, &blurred, false);
    assert_true(scores.linear.sliced < 0.05);
    assert_true(scores.ranked.sliced > 0.2);
    assert_true(scores.columns[0].ks > 0.3);
}

/* The two halves of a sample hold each row once, and are the same on every call. */
static void test_halves(void **state)
{
    (void)state;
    Sample sample = new_sample(1001, 2), halves[2], again[2];
    for (size_t i = 0; i < sample.rows; i++) {
        sample.columns[0][i] = (float)i;
        sample.columns[1][i] = -(float)i;
    }
    split_sample(&sample, halves);
    split_sample(&sample, again);
    bool seen[1001] = {false};
    for (int h = 0; h < 2; h++) {
        assert_int_equal(halves[h].rows, 500);
        assert_memory_equal(halves[h].columns[0], again[h].columns[0], 500 * sizeof(float));
        for (size_t i = 0; i < 500; i++) {
            size_t row = (size_t)halves[h].columns[0][i];
            assert_true(row < 1001 && !seen[row]);
            assert_true(halves[h].columns[1][i] == -(float)row);
            seen[row] = true;
        }
    }
}

/* ---------------------------------------------------------------- real data */
/* A file of $GAGAC_TEST_DATA, or of ../shared/data beside the project; skips the test without it.
 */
static Sample read_data(const char *name)
{
    const char *folder = getenv("GAGAC_TEST_DATA"), *tests = getenv("GAGAC_TESTS");
    const char *path = folder  ? arena_printf("%s/%s", folder, name)
                       : tests ? arena_printf("%s/../../shared/data/%s", tests, name)
                               : name;
    Npy npy;
    Error error;
    if (!npy_open(&npy, path, &error)) {
        print_message("skipped: %s\n", error.message);
        skip();
    }
    Sample sample = new_sample((size_t)npy.rows, npy.column_count);
    for (int c = 0; c < npy.column_count; c++) {
        for (uint64_t row = 0; row < npy.rows; row++) {
            sample.columns[c][row] = (float)npy_value(&npy, c, row);
        }
    }
    npy_close(&npy);
    return sample;
}

/* One random half of measured particles against the other: values found by another program, which
 * drew other directions. */
static void test_measured_particles(void **state)
{
    static const struct {
        const char *test, *train;
        double sw1, sw1q, mean_ks, corr, corrq, last_std_ratio;
    } sets[] = {
        {"electron_test.npy", "electron_train.npy", 0.0145, 0.0130, 0.00851, 0.13004, 0.02845,
         -0.20375},
        {"truebeam_test.npy", "truebeam_train.npy", 0.0198, 0.0178, 0.0126, 0.1184, 0.0331,
         -0.1065},
    };
    (void)state;
    for (int k = 0; k < 2; k++) {
        Sample test = read_data(sets[k].test), train = read_data(sets[k].train);
        Scores scores = score_samples(&test, &train, false);
        assert_near(scores.linear.sliced, sets[k].sw1, 0.0006);
        assert_near(scores.ranked.sliced, sets[k].sw1q, 0.0006);
        assert_near(scores.mean_ks, sets[k].mean_ks, 0.0001);
        assert_near(scores.linear.correlation, sets[k].corr, 0.0001);
        assert_near(scores.ranked.correlation, sets[k].corrq, 0.0001);
        const ColumnScore *last = &scores.columns[scores.column_count - 1];
        assert_near(last->std_ratio, sets[k].last_std_ratio, 0.0001);
    }
}

/* ---------------------------------------------------------------- the classifier */
/* Rows of standard normals in two columns, the first shifted. */
static double *draw_rows(int count, double shift, uint32_t seed)
{
    Sample sample = draw_normals((size_t)count, 2, seed);
    double *rows = arena_alloc((size_t)count * 2 * sizeof(double));
    for (int i = 0; i < count; i++) {
        rows[2 * i] = sample.columns[0][i] + shift;
        rows[2 * i + 1] = sample.columns[1][i];
    }
    return rows;
}

/* Normals a distance s apart are told apart at best with accuracy Phi(s/2). */
static void test_classifier(void **state)
{
    (void)state;
    static const struct {
        int rows;
        double shift, tolerance; /* tolerance: three standard errors */
    } cases_of_shift[] = {{300, 0, 0.09}, {3000, 2, 0.02}};
    for (int k = 0; k < 2; k++) {
        int rows = cases_of_shift[k].rows;
        const double *measured = draw_rows(rows, 0, 11);
        const double *generated = draw_rows(rows, cases_of_shift[k].shift, 12);
        double best = normal_cdf(0.5 * cases_of_shift[k].shift);
        assert_near(classify(measured, generated, rows, 2, 1), best, cases_of_shift[k].tolerance);
    }
}

static void test_classifier_repeats(void **state)
{
    (void)state;
    const int rows = 100;
    const double *measured = draw_rows(rows, 0, 15), *generated = draw_rows(rows, 1, 16);
    double accuracy = classify(measured, generated, rows, 2, 1);
    assert_true(accuracy == classify(measured, generated, rows, 2, 1));
}

/* A ring around a disc: no single direction separates them. */
static void test_classifier_bends(void **state)
{
    (void)state;
    const int rows = 200;
    double *disc = draw_rows(rows, 0, 13), *ring = draw_rows(rows, 0, 14);
    for (int i = 0; i < rows; i++) {
        double *d = disc + 2 * i, *r = ring + 2 * i;
        double d_length = hypot(d[0], d[1]), r_length = hypot(r[0], r[1]);
        for (int axis = 0; axis < 2; axis++) {
            d[axis] *= 0.9 / (1 + d_length);
            r[axis] *= 1.5 / r_length;
        }
    }
    assert_true(classify(disc, ring, rows, 2, 1) > 0.95);
}

static void test_few_rows(void **state)
{
    (void)state;
    const double a[] = {0, 0, 1, 1}, b[] = {5, 5, 6, 6};
    double accuracy = classify(a, b, 2, 2, 1);
    assert_true(accuracy >= 0 && accuracy <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_many_rows),
        cmocka_unit_test(test_identical),
        cmocka_unit_test(test_sliced_shift),
        cmocka_unit_test(test_scales),
        cmocka_unit_test(test_correlation),
        cmocka_unit_test(test_ranks_of_ties),
        cmocka_unit_test(test_sharp_line),
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_measured_particles),
        cmocka_unit_test(test_classifier),
        cmocka_unit_test(test_classifier_repeats),
        cmocka_unit_test(test_classifier_bends),
        cmocka_unit_test(test_few_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
