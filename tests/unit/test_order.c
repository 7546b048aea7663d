/* test_order.c -- the endless order of rows: permutations, and random ones. */
#include "order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Each pass holds no row twice, and its batches are not cut. */
static void a_pass_has_each_row_at_most_once(void **state)
{
    (void)state;
    static const uint64_t cases[][2] = {/* rows, batch */
                                        {1, 1},       {2, 1},     {3, 2},        {4, 4},
                                        {5, 2},       {7, 7},     {64, 10},      {100, 33},
                                        {1000, 1000}, {4097, 64}, {65536, 1000}, {65537, 1000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t rows = cases[i][0], batch = cases[i][1], usable = rows / batch * batch,
                 position = 0;
        unsigned char *seen = malloc(rows);
        Order order = order_start(rows, batch, true, 99 + i);
        for (int pass = 0; pass < 3; pass++) {
            memset(seen, 0, rows);
            for (uint64_t k = 0; k < usable; k++) {
                uint64_t row = order_row(&order, position++);
                assert_true(row < rows);
                assert_int_equal(seen[row], 0);
                seen[row] = 1;
            }
        }
        free(seen);
    }
}

static void without_shuffling_the_file_is_read_in_order(void **state)
{
    (void)state;
    Order order = order_start(10, 3, false, 1);
    for (uint64_t position = 0; position < 40; position++)
        assert_int_equal(order_row(&order, position), position % 9);
}

/* Any position can be asked for at any time, by any thread. */
static void depends_on_seed_and_position_alone(void **state)
{
    (void)state;
    uint64_t rows[300];
    Order order = order_start(100, 7, true, 5), other = order_start(100, 7, true, 5);
    Order seeded = order_start(100, 7, true, 6);
    int same_seed = 0, same_pass = 0;
    for (uint64_t i = 0; i < 300; i++)
        rows[i] = order_row(&order, i);
    for (uint64_t i = 300; i-- > 0;) {
        assert_int_equal(order_row(&other, i), rows[i]);
        same_seed += order_row(&seeded, i) == rows[i];
        same_pass += i >= 98 && rows[i] == rows[i - 98];
    }
    assert_true(same_seed < 20 && same_pass < 20); /* 3 and 2 are expected by chance */
    uint64_t far = UINT64_MAX / 98 * 98 - 1;
    assert_true(order_row(&other, far) < 100);
}

/* Chi-square of a table of counts, all cells with the same expectation. */
static double chi_square(const int *counts, int cells, double total)
{
    double sum = 0, expected = total / cells;
    for (int i = 0; i < cells; i++)
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    return sum;
}

/* Over many seeds each row comes to each place equally often, and so does each pair of neighbours.
 * The bounds are mean plus 6 standard deviations of chi-square. */
static void small_permutations_are_uniform(void **state)
{
    (void)state;
    enum { ROWS = 12, SEEDS = 40000 };
    const double draws = SEEDS;
    static int places[ROWS * ROWS], neighbours[ROWS * ROWS];
    for (int seed = 0; seed < SEEDS; seed++) {
        Order order = order_start(ROWS, 1, true, (uint64_t)seed);
        int before = -1;
        for (int i = 0; i < ROWS; i++) {
            int row = (int)order_row(&order, (uint64_t)i);
            places[i * ROWS + row]++;
            if (before >= 0)
                neighbours[before * ROWS + row]++;
            before = row;
        }
    }
    assert_true(chi_square(places, ROWS * ROWS, (double)ROWS * draws) < 144 + 6 * 17);
    int pairs[ROWS * (ROWS - 1)], count = 0;
    for (int i = 0; i < ROWS * ROWS; i++) {
        if (i / ROWS != i % ROWS)
            pairs[count++] = neighbours[i];
    }
    assert_true(chi_square(pairs, count, (double)(ROWS - 1) * draws) < 132 + 6 * 16.3);
}

/* One large pass: batches are spread evenly over the file, and the steps between neighbours too. */
static void a_large_permutation_is_random(void **state)
{
    (void)state;
    enum { BINS = 100 };
    const uint64_t rows = 1000003;
    static int where[BINS * BINS], steps[BINS];
    Order order = order_start(rows, 1, true, 7);
    uint64_t before = order_row(&order, rows - 1);
    for (uint64_t i = 0; i < rows; i++) {
        uint64_t row = order_row(&order, i);
        where[i * BINS / rows * BINS + row * BINS / rows]++;
        steps[(row + rows - before) % rows * BINS / rows]++;
        before = row;
    }
    assert_true(chi_square(where, BINS * BINS, (double)rows) < 10000 + 6 * 142);
    assert_true(chi_square(where, BINS * BINS, (double)rows) > 9801 - 6 * 142);
    assert_true(chi_square(steps, BINS, (double)rows) < 100 + 6 * 14.2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pass_has_each_row_at_most_once),
        cmocka_unit_test(without_shuffling_the_file_is_read_in_order),
        cmocka_unit_test(depends_on_seed_and_position_alone),
        cmocka_unit_test(small_permutations_are_uniform),
        cmocka_unit_test(a_large_permutation_is_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
