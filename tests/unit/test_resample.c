/* test_resample.c -- maps along an axis: values, one pointer for equal maps, transposes. */
#include "gagac.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* The map's matrix times `in`. */
static void apply(const Resample *map, const double *in, double *out)
{
    for (int j = 0; j < map->to; j++) {
        out[j] = 0;
        for (int e = map->first[j]; e < map->first[j + 1]; e++)
            out[j] += map->weight[e] * in[map->index[e]];
    }
}

static void expect_values(const Resample *map, const double *wanted)
{
    static const double in[] = {1, 2, 4, 8, 16, 32, 64};
    double out[16];
    apply(map, in, out);
    for (int j = 0; j < map->to; j++)
        if (fabs(out[j] - wanted[j]) > 1e-12)
            fail_msg("element %d is %g, not %g", j, out[j], wanted[j]);
}

static void test_values(void **state)
{
    (void)state;
    Graph *g = graph_new(NULL, 2);
    expect_values(resample_nearest(g, 3, 7), (double[]){1, 1, 1, 2, 2, 4, 4});
    expect_values(resample_bilinear(g, 3, 6), (double[]){1, 1.5, 2, 3, 4, 4});
    expect_values(resample_bicubic(g, 4, 4), (double[]){1, 2, 4, 8});
    expect_values(resample_area(g, 3, 2), (double[]){(1 + 2 * 0.5) / 1.5, (2 * 0.5 + 4) / 1.5});
    expect_values(resample_pool(g, 7, 2), (double[]){1.5, 6, 24, 64});
    expect_values(resample_pool(g, 7, 3), (double[]){1.5, (4 + 8 + 16) / 3.0, 48});
    expect_values(resample_pick(g, 7, 1, 2, 3), (double[]){2, 8, 32});
    expect_values(resample_pick(g, 4, 3, -1, 4), (double[]){8, 4, 2, 1});
}

static void test_identity(void **state)
{
    (void)state;
    Graph *g = graph_new(NULL, 2);
    const Resample *pool = resample_pool(g, 8, 2);
    assert_ptr_equal(pool, resample_pool(g, 8, 2));
    assert_ptr_equal(pool->transpose->transpose, pool);
    assert_int_equal(pool->transpose->from, 4);
    assert_false(resample_moves(pool));
    const Resample *back = resample_pick(g, 4, 3, -1, 4);
    assert_ptr_equal(back->transpose, back);
    assert_true(resample_moves(back));
    assert_true(resample_moves(resample_nearest(g, 2, 4)));
    assert_false(resample_moves(resample_nearest(g, 2, 4)->transpose));
}

static void test_shape(void **state)
{
    (void)state;
    Graph *g = graph_new(NULL, 2);
    int start, step, count;
    double sum;
    assert_true(resample_slides(resample_pool(g, 9, 3), &start, &step, &count));
    assert_true(start == 0 && step == 3 && count == 3);
    assert_true(resample_slides(resample_pick(g, 9, 2, 3, 2), &start, &step, &count));
    assert_true(start == 2 && step == 3 && count == 1);
    assert_true(resample_slides(resample_pool(g, 3, 3), &start, &step, &count));
    assert_true(count == 3);
    assert_false(resample_slides(resample_pool(g, 7, 3), &start, &step, &count));
    assert_false(resample_slides(resample_pick(g, 4, 3, -1, 4), &start, &step, &count));
    assert_false(resample_slides(resample_pool(g, 8, 2)->transpose, &start, &step, &count));
    assert_false(resample_slides(resample_pick(g, 9, 2, 3, 2)->transpose, &start, &step, &count));
    assert_true(resample_even(resample_pool(g, 8, 2), &sum) && sum == 0.5);
    assert_true(resample_even(resample_pool(g, 8, 2)->transpose, &sum) && sum == 1);
    assert_false(resample_even(resample_pool(g, 7, 3), &sum));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values),
                                       cmocka_unit_test(test_identity),
                                       cmocka_unit_test(test_shape)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
