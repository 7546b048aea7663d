/* test_mkphsp.c -- the demonstration data: what must hold of every row, and known truth. */
#define _POSIX_C_SOURCE 200809L
#include "npy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define assert_near(value, expected, tolerance)                                                   \
    assert_true(fabs((value) - (expected)) <= (tolerance)) /* cmocka compares floats, not doubles \
                                                            */

/* Runs mkphsp with the arguments; its exit status. */
static int make_file(const char *arguments)
{
    char command[4096];
    snprintf(command, sizeof command, "\"$MKPHSP\" %s 2>mkphsp.err", arguments);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static Npy open_file(const char *path)
{
    Npy npy;
    Error error;
    if (!npy_open(&npy, path, &error)) {
        fail_msg("%s", error.message);
    }
    return npy;
}

static double column_mean(const Npy *npy, int column)
{
    double sum = 0;
    for (uint64_t row = 0; row < npy->rows; row++) {
        sum += npy_value(npy, column, row);
    }
    return sum / (double)npy->rows;
}

/* Mean of (a - mean a)(b - mean b). */
static double covariance(const Npy *npy, int a, int b)
{
    double mean_a = column_mean(npy, a), mean_b = column_mean(npy, b), sum = 0;
    for (uint64_t row = 0; row < npy->rows; row++) {
        sum += (npy_value(npy, a, row) - mean_a) * (npy_value(npy, b, row) - mean_b);
    }
    return sum / (double)npy->rows;
}

enum { EKINE, X, Y, DX, DY, DZ, Z, COLUMNS };

/* Energies below that of the electrons, directions of length 1 downwards, one plane; and the beam
 * is round, centred, and its photons fly away from the axis. */
static void test_photons(void **state)
{
    static const char *const names[COLUMNS] = {"Ekine", "X", "Y", "dX", "dY", "dZ", "Z"};
    (void)state;
    assert_int_equal(make_file("-o photons.npy -n 50000 --columns 'Ekine X Y dX dY dZ Z'"), 0);
    Npy npy = open_file("photons.npy");
    assert_int_equal(npy.rows, 50000);
    assert_int_equal(npy.column_count, COLUMNS);
    int lines = 0;
    for (int k = 0; k < COLUMNS; k++) {
        assert_string_equal(npy.columns[k].name, names[k]);
    }
    for (uint64_t row = 0; row < npy.rows; row++) {
        double v[COLUMNS];
        for (int k = 0; k < COLUMNS; k++) {
            v[k] = npy_value(&npy, k, row);
        }
        assert_true(v[EKINE] > 0.05 && v[EKINE] < 6);
        assert_true(hypot(v[X], v[Y]) <= 120.001);
        assert_near(v[DX] * v[DX] + v[DY] * v[DY] + v[DZ] * v[DZ], 1, 1e-6);
        assert_true(v[DZ] > 0);
        assert_true(v[Z] == 271);
        lines += v[EKINE] == (double)0.51099895f;
    }
    assert_true(lines > 500 && lines < 2000);
    assert_near(column_mean(&npy, X), 0, 1);
    assert_near(covariance(&npy, X, X) / covariance(&npy, Y, Y), 1, 0.05);
    double together = sqrt(covariance(&npy, X, X) * covariance(&npy, DX, DX));
    assert_true(covariance(&npy, X, DX) / together > 0.9);
    npy_close(&npy);
}

/* Photons near the axis are harder: the filter is thickest there. */
static void test_energy_falls_outwards(void **state)
{
    (void)state;
    assert_int_equal(make_file("-o photons.npy -n 50000 --seed 3"), 0);
    Npy npy = open_file("photons.npy");
    const double edges[] = {0, 30, 60, 120};
    double last = 6;
    for (int ring = 0; ring < 3; ring++) {
        double sum = 0, count = 0;
        for (uint64_t row = 0; row < npy.rows; row++) {
            double radius = hypot(npy_value(&npy, X, row), npy_value(&npy, Y, row));
            if (radius >= edges[ring] && radius < edges[ring + 1]) {
                sum += npy_value(&npy, EKINE, row);
                count++;
            }
        }
        assert_true(sum / count < last - 0.1);
        last = sum / count;
    }
    npy_close(&npy);
}

static void test_no_lines(void **state)
{
    (void)state;
    assert_int_equal(make_file("-o photons.npy -n 20000 --no-lines"), 0);
    Npy npy = open_file("photons.npy");
    for (uint64_t row = 0; row < npy.rows; row++) {
        assert_true(npy_value(&npy, EKINE, row) != (double)0.51099895f);
    }
    npy_close(&npy);
}

/* Row i depends on the seed and on i: same again, a longer file starts with it, another seed not.
 */
static void test_repeatable(void **state)
{
    (void)state;
    assert_int_equal(make_file("-o short.npy -n 5000 --seed 18446744073709551615"), 0);
    assert_int_equal(make_file("-o long.npy -n 1e4 --seed 18446744073709551615"), 0);
    assert_int_equal(make_file("-o other.npy -n 5000 --seed 4294967295"), 0);
    Npy small = open_file("short.npy"), big = open_file("long.npy"), other = open_file("other.npy");
    int equal = 0;
    for (uint64_t row = 0; row < small.rows; row++) {
        for (int k = 0; k < small.column_count; k++) {
            assert_true(npy_value(&small, k, row) == npy_value(&big, k, row));
            equal += npy_value(&small, k, row) == npy_value(&other, k, row);
        }
    }
    assert_true(equal < 100); /* lines alone */
    npy_close(&small);
    npy_close(&big);
    npy_close(&other);
}

/* Sets of known truth: means, variances, and the share of the rows that a bound cuts off. */
static void test_gauss(void **state)
{
    static const struct {
        const char *arguments;
        double mean[2], variance[2];
    } sets[] = {{"-o gauss.npy -n 200000 --gauss v1", {-2, 3}, {5, 2}},
                /* mixture: mean = sum w m, variance = sum w (v + m^2) - mean^2 */
                {"-o gauss.npy -n 200000 --gauss v2", {2.6, 0.4}, {12.7415, 7.34}}};
    (void)state;
    for (int k = 0; k < 2; k++) {
        assert_int_equal(make_file(sets[k].arguments), 0);
        Npy npy = open_file("gauss.npy");
        assert_int_equal(npy.column_count, 2);
        for (int axis = 0; axis < 2; axis++) {
            double variance = sets[k].variance[axis];
            assert_near(column_mean(&npy, axis), sets[k].mean[axis], 5 * sqrt(variance / 200000));
            assert_near(covariance(&npy, axis, axis) / variance, 1, 0.03);
        }
        npy_close(&npy);
    }
}

static void test_conditional(void **state)
{
    (void)state;
    assert_int_equal(make_file("-o cond.npy -n 100000 --gauss-cond --modes 10"), 0);
    Npy npy = open_file("cond.npy");
    assert_string_equal(npy.columns[2].name, "cx");
    assert_string_equal(npy.columns[3].name, "cy");
    double squares[2] = {0};
    int rows[10] = {0};
    for (uint64_t row = 0; row < npy.rows; row++) {
        double mode = npy_value(&npy, 2, row);
        assert_true(mode == floor(mode) && mode >= 0 && mode <= 9);
        assert_true(npy_value(&npy, 3, row) == (double)(float)(mode / 3));
        rows[(int)mode]++;
        squares[0] += pow(npy_value(&npy, 0, row) - mode, 2);
        squares[1] += pow(npy_value(&npy, 1, row) - mode / 3, 2);
    }
    for (int k = 0; k < 10; k++) {
        assert_true(rows[k] > 9500 && rows[k] < 10500);
    }
    assert_near(squares[0] / 100000, 0.005, 0.0002);
    assert_near(squares[1] / 100000, 0.2, 0.01);
    npy_close(&npy);
}

static void test_usage(void **state)
{
    static const struct {
        const char *arguments;
        int status;
    } cases[] = {
        {"--help >help.txt", 0},
        {"", 2},
        {"-n 10", 2},
        {"-o x.npy -n 0", 2},
        {"-o x.npy -n many", 2},
        {"-o x.npy --seed -1", 2},
        {"-o x.npy --columns 'Ekine Q'", 2},
        {"-o x.npy --columns 'Ekine Ekine'", 2},
        {"-o x.npy --columns ' , '", 2},
        {"-o x.npy --columns 'X Y' --gauss v3", 2},
        {"-o x.npy --gauss v1 --columns Ekine", 2},
        {"-o x.npy --gauss v1 --gauss-cond", 2},
        {"-o x.npy --rwos 10", 2},
        {"-o absent/x.npy -n 10", 4},
        {"-o /dev/full -n 100000", 4},
    };
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        print_message("mkphsp %s\n", cases[k].arguments);
        assert_int_equal(make_file(cases[k].arguments), cases[k].status);
        assert_null(fopen("x.npy", "rb"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_photons),  cmocka_unit_test(test_energy_falls_outwards),
        cmocka_unit_test(test_no_lines), cmocka_unit_test(test_repeatable),
        cmocka_unit_test(test_gauss),    cmocka_unit_test(test_conditional),
        cmocka_unit_test(test_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
