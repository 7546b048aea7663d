/* test_course.c -- numbers that change with the iteration: ramps are in the goldens, here those
 * that are switched at random. */
#include "gagac.h"
#include "hypergan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static Course course_of(const char *text, size_t begin)
{
    Option option = {.given = true, .text = text, .span = {.begin = begin}};
    return option_course(option, 0, "lambda");
}

static int times_on(const char *text, size_t begin, uint64_t seed, double value)
{
    Course course = course_of(text, begin);
    int count = 0;
    for (int k = 0; k < 4000; k++) {
        double now = course_value(&course, k, seed);
        assert_true(now == 0 || now == value);
        assert_true(now == course_value(&course, k, seed));
        count += now != 0;
    }
    return count;
}

/* v (sign(U(-1, 1) + o) + 1) / 2 */
static void test_random(void **state)
{
    (void)state;
    assert_in_range(times_on("on(random offset=0 onvalue=2.5)", 1, 7, 2.5), 1900, 2100);
    assert_in_range(times_on("on(random offset=0.5 onvalue=-3)", 1, 7, -3), 2890, 3110);
    assert_in_range(times_on("on(random onvalue=1 offset=-0.9)", 1, 7, 1), 140, 260);
    assert_int_equal(times_on("on(random offset=1.5 onvalue=1)", 1, 7, 1), 4000);
    assert_int_equal(times_on("on(random offset=-1 onvalue=1)", 1, 7, 1), 0);
}

static int agreements(const Course *a, uint64_t seed, const Course *b, uint64_t other)
{
    int count = 0;
    for (int k = 0; k < 4000; k++)
        count += course_value(a, k, seed) == course_value(b, k, other);
    return count;
}

/* Each has draws of its own, and each seed. */
static void test_independent(void **state)
{
    (void)state;
    Course a = course_of("on(random offset=0 onvalue=1)", 1);
    Course b = course_of("on(random offset=0 onvalue=1)", 2);
    assert_in_range(agreements(&a, 7, &b, 7), 1880, 2120);
    assert_in_range(agreements(&a, 7, &a, 8), 1880, 2120);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random),
                                       cmocka_unit_test(test_independent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
