/* metrics.c -- see metrics.h. */
#define _POSIX_C_SOURCE 200809L
#include "metrics.h"

#include "fail.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Series series_of(const Program *program)
{
    Series series = {0};
    for (int kind = 0; kind < program->update_count; kind++) {
        for (int k = 0; k < program->updates[kind].output_count; k++) {
            series.names[series.count++] = program->updates[kind].outputs[k];
        }
    }
    if (program->estimates_w1) {
        series.names[series.count++] = "w1";
    }
    if (program->images) {
        series.names[series.count++] = "swd";
    }
    return series;
}

void series_values(const Training *training, double values[MAX_SERIES])
{
    const Program *program = training->program;
    int count = 0;
    for (int kind = 0; kind < program->update_count; kind++) {
        for (int k = 0; k < program->updates[kind].output_count; k++) {
            values[count++] = training->outputs[kind][k];
        }
    }
    if (program->estimates_w1) {
        values[count++] =
            -training_output(training, "d_real") - training_output(training, "d_fake");
    }
    if (program->images) {
        values[count] = training->swd;
    }
}

void history_start(History *history, const Program *program)
{
    history->series = series_of(program);
    history->count = 0;
    history->lines_a_point = 1;
}

/* Joins pairs of points, so that half the places are free again. */
static void thin(History *history)
{
    for (int i = 0; i < history->count / 2; i++) {
        HistoryPoint *to = &history->points[i];
        const HistoryPoint *a = &history->points[2 * i], *b = &history->points[2 * i + 1];
        HistoryPoint joined = {.iteration = b->iteration, .lines = a->lines + b->lines};
        for (int k = 0; k < history->series.count; k++) {
            joined.sums[k] = a->sums[k] + b->sums[k];
        }
        *to = joined;
    }
    history->count /= 2;
    history->lines_a_point *= 2;
}

void history_add(History *history, uint64_t iteration, const double values[MAX_SERIES])
{
    bool full =
        history->count > 0 && history->points[history->count - 1].lines == history->lines_a_point;
    if (full && history->count == HISTORY_POINTS) {
        thin(history);
    }
    if (full || history->count == 0) {
        history->points[history->count++] = (HistoryPoint){.lines = 0};
    }
    HistoryPoint *point = &history->points[history->count - 1];
    point->iteration = iteration;
    point->lines++;
    for (int k = 0; k < history->series.count; k++) {
        point->sums[k] += values[k];
    }
}

/* The number after "name": in a line of ours; NaN when there is none. */
static double find_number(const char *line, const char *name)
{
    char key[80];
    snprintf(key, sizeof key, "\"%s\": ", name);
    const char *place = strstr(line, key);
    if (!place) {
        return NAN;
    }
    const char *number = place + strlen(key);
    char *end = NULL;
    double value = strtod(number, &end);
    return end == number ? NAN : value;
}

/* Reads the lines up to an iteration into the history; returns the length of the file to keep. */
static off_t read_lines(Metrics *metrics, FILE *file, uint64_t iteration)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length = 0;
    off_t kept = 0;
    while ((length = getline(&line, &size, file)) > 0 && line[length - 1] == '\n') {
        double number = find_number(line, "iteration");
        if (!(number >= 0 && number <= (double)iteration)) {
            break;
        }
        double values[MAX_SERIES] = {0};
        for (int k = 0; k < metrics->history.series.count; k++) {
            values[k] = find_number(line, metrics->history.series.names[k]);
        }
        metrics->swd = find_number(line, "swd");
        history_add(&metrics->history, (uint64_t)number, values);
        kept += length;
    }
    free(line);
    return kept;
}

static void warn_once(Metrics *metrics)
{
    if (!metrics->warned) {
        warn("the training goes on", "cannot write %s: %s", metrics->path, strerror(errno));
        metrics->warned = true;
    }
}

void metrics_open(Metrics *metrics, char *path, const Program *program, uint64_t iteration)
{
    metrics->path = path;
    metrics->warned = false;
    metrics->swd = NAN;
    history_start(&metrics->history, program);
    FILE *old = fopen(path, "r");
    off_t kept = 0;
    if (old) {
        kept = read_lines(metrics, old, iteration);
        fclose(old);
    }
    metrics->file = fopen(path, "a");
    if (metrics->file) {
        setvbuf(metrics->file, NULL, _IOLBF, BUFSIZ); /* whole lines for who follows the file */
    }
    if (!metrics->file || ftruncate(fileno(metrics->file), kept)) {
        warn_once(metrics);
    }
}

void metrics_log(Metrics *metrics, const Training *training, double samples_a_second)
{
    double values[MAX_SERIES] = {0};
    series_values(training, values);
    history_add(&metrics->history, training->iteration, values);
    Text line = {0};
    text_add(&line, "{\"iteration\": %" PRIu64, training->iteration);
    for (int k = 0; k < metrics->history.series.count; k++) {
        text_add(&line, ", \"%s\": ", metrics->history.series.names[k]);
        text_add_number(&line, values[k]);
    }
    text_add(&line, ", \"samples_per_second\": %.0f}\n", samples_a_second);
    if (metrics->file && fwrite(line.bytes, 1, line.length, metrics->file) != line.length) {
        warn_once(metrics);
    }
    text_free(&line);
}

void metrics_flush(Metrics *metrics)
{
    if (metrics->file && (fflush(metrics->file) || fsync(fileno(metrics->file)))) {
        warn_once(metrics);
        clearerr(metrics->file);
    }
}
