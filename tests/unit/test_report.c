/* test_report.c -- the page a training writes: distances, charts, and text that cannot become
 * markup. */
#include "report.h"

#include "column.h"

#include "toy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_distances(void **unused)
{
    (void)unused;
    static const struct {
        float a[4];
        size_t a_count;
        float b[4];
        size_t b_count;
        double distance;
    } cases[] = {
        {{0, 1, 2}, 3, {0, 1, 2}, 3, 0}, {{0, 1, 2}, 3, {5, 6, 7}, 3, 5},
        {{0, 1}, 2, {0, 0, 1, 1}, 4, 0}, /* other sizes, the same distribution */
        {{0, 3}, 2, {0, 0, 3}, 3, 0.5},  /* 1/6 of the mass moves by 3 */
        {{1}, 1, {-1, 0, 1, 2}, 4, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double distance =
            wasserstein_distance(cases[i].a, cases[i].a_count, cases[i].b, cases[i].b_count);
        assert_true(fabs(distance - cases[i].distance) < 1e-12);
    }
}

static size_t count_of(const char *text, const char *word)
{
    size_t count = 0;
    for (const char *place = text; (place = strstr(place, word)); place += strlen(word)) {
        count++;
    }
    return count;
}

/* A history of the toy's series: iteration i has the values i, 2i, ... */
static void fill_history(History *history, int lines)
{
    history_start(history, &toy_program);
    for (int i = 1; i <= lines; i++) {
        double values[MAX_SERIES];
        for (int k = 0; k < history->series.count; k++) {
            values[k] = (k + 1.0) * i;
        }
        history_add(history, (uint64_t)i, values);
    }
}

static Text render(const History *history, ReportColumn *columns, int column_count)
{
    static const ReportFact facts[] = {{"config", "</td>\"&.json"}};
    Report report = {"A <title>", facts, 1, history, columns, column_count};
    Text out = {0};
    report_render(&report, &out);
    return out;
}

static void test_page(void **unused)
{
    (void)unused;
    History *history = calloc(1, sizeof *history);
    assert_non_null(history);
    fill_history(history, 50);
    float real_values[] = {4, 1, 3, 2}, generated[] = {3, 6, 4, 5}, same[] = {7, 7},
          also[] = {7, 7};
    ReportColumn columns[] = {{"<X>", real_values, generated, 4, 4},
                              {"constant", same, also, 2, 2},
                              {"nothing finite", same, NULL, 2, 0}};
    Text page = render(history, columns, 3);
    /* a chart for each series and for each column with values; all that is opened is closed */
    assert_int_equal(count_of(page.bytes, "<svg"), history->series.count + 2);
    assert_int_equal(count_of(page.bytes, "<svg"), count_of(page.bytes, "</svg>"));
    assert_int_equal(count_of(page.bytes, "<figure>"), count_of(page.bytes, "</figure>"));
    assert_int_equal(count_of(page.bytes, "<tr>"), count_of(page.bytes, "</tr>"));
    assert_int_equal(count_of(page.bytes, "<td>"), count_of(page.bytes, "</td>"));
    /* means 2.5 and 4.5, W1 2, std sqrt(5/4) */
    assert_non_null(strstr(page.bytes, "<td>2.5</td><td>4.5</td><td>1.118</td><td>1.118</td>"
                                       "<td>1.7889</td>"));
    assert_non_null(
        strstr(page.bytes, "<td>7</td><td>7</td><td>0</td><td>0</td><td>constant</td>"));
    assert_non_null(strstr(page.bytes, "&lt;X&gt;"));
    assert_non_null(strstr(page.bytes, "&lt;/td&gt;&quot;&amp;.json"));
    assert_null(strstr(page.bytes, "<script"));
    assert_null(strstr(page.bytes, "http"));
    assert_null(strstr(page.bytes, "nan"));
    assert_null(strstr(page.bytes, "inf"));
    text_free(&page);
    free(history);
}

/* A page of a training that has not started, and one whose numbers are none. */
static void test_page_without_numbers(void **unused)
{
    (void)unused;
    History *history = calloc(1, sizeof *history);
    assert_non_null(history);
    history_start(history, &toy_program);
    Text page = render(history, NULL, 0);
    assert_int_equal(count_of(page.bytes, "<svg"), 0);
    text_free(&page);
    double values[MAX_SERIES];
    for (int k = 0; k < MAX_SERIES; k++) {
        values[k] = NAN;
    }
    history_add(history, 1, values);
    page = render(history, NULL, 0);
    assert_null(strstr(page.bytes, "nan"));
    text_free(&page);
    free(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distances),
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_page_without_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
