/* test_metrics.c -- metrics.jsonl over interruptions, and its thinned copy. */
#define _POSIX_C_SOURCE 200809L
#include "metrics.h"

#include "toy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "metrics.jsonl";

static void log_lines(Metrics *metrics, uint64_t first, uint64_t last)
{
    Training training = {.program = &toy_program};
    for (uint64_t i = first; i <= last; i++) {
        training.iteration = i;
        training.outputs[0][0] = 0.5 * (double)i; /* d_loss */
        training.outputs[0][1] = (double)i;       /* d_real */
        training.outputs[0][2] = -3;              /* d_fake */
        training.outputs[1][0] = NAN;             /* g_loss */
        metrics_log(metrics, &training, 1000);
    }
}

static Metrics *open_metrics(uint64_t iteration)
{
    Metrics *metrics = calloc(1, sizeof *metrics);
    assert_non_null(metrics);
    metrics_open(metrics, path, &toy_program, iteration);
    assert_non_null(metrics->file);
    return metrics;
}

static void close_metrics(Metrics *metrics)
{
    metrics_flush(metrics);
    assert_int_equal(fclose(metrics->file), 0);
    free(metrics);
}

static void check_file(const char *expected)
{
    char text[4096] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = 0;
    assert_string_equal(text, expected);
}

#define LINE(iteration, loss, w1)                                                 \
    "{\"iteration\": " iteration ", \"d_loss\": " loss ", \"d_real\": " iteration \
    ", \"d_fake\": -3, \"g_loss\": null, \"w1\": " w1 ", \"samples_per_second\": 1000}\n"

static void test_lines(void **unused)
{
    (void)unused;
    unlink(path);
    Metrics *metrics = open_metrics(0);
    log_lines(metrics, 1, 2);
    close_metrics(metrics);
    check_file(LINE("1", "0.5", "2") LINE("2", "1", "1"));
}

/* Lines after the checkpoint, and a line that was cut, go; the rest is in the history again. */
static void test_resume(void **unused)
{
    (void)unused;
    unlink(path);
    Metrics *metrics = open_metrics(0);
    log_lines(metrics, 1, 4);
    fputs("{\"iteration\": 5, \"d_lo", metrics->file);
    close_metrics(metrics);
    metrics = open_metrics(2);
    assert_int_equal(metrics->history.count, 2);
    assert_int_equal(metrics->history.points[1].iteration, 2);
    assert_true(metrics->history.points[1].sums[0] == 1);
    assert_true(isnan(metrics->history.points[1].sums[3]));
    log_lines(metrics, 3, 3);
    close_metrics(metrics);
    check_file(LINE("1", "0.5", "2") LINE("2", "1", "1") LINE("3", "1.5", "0"));
    close_metrics(open_metrics(0));
    check_file("");
}

/* However long it gets: no more points than there is room for, and no line is lost from the means.
 */
static void test_thinning(void **unused)
{
    (void)unused;
    History *history = calloc(1, sizeof *history);
    assert_non_null(history);
    history_start(history, &toy_program);
    enum { LINES = 5 * HISTORY_POINTS + 3 };
    for (int i = 1; i <= LINES; i++) {
        double values[MAX_SERIES] = {i};
        history_add(history, (uint64_t)i, values);
        assert_in_range(history->count, 1, HISTORY_POINTS);
        assert_int_equal(history->points[history->count - 1].iteration, i);
    }
    uint64_t lines = 0, last = 0;
    double sum = 0;
    for (int i = 0; i < history->count; i++) {
        const HistoryPoint *point = &history->points[i];
        assert_true(point->lines == history->lines_a_point || i == history->count - 1);
        assert_int_equal(point->iteration, last + point->lines);
        last = point->iteration;
        lines += point->lines;
        sum += point->sums[0];
    }
    assert_int_equal(lines, LINES);
    assert_true(sum == LINES * (LINES + 1) / 2.0);
    assert_true(history->count > HISTORY_POINTS / 2);
    free(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_thinning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
