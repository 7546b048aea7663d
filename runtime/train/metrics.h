/* metrics.h -- the course of a training: metrics.jsonl, one line an interval, and a thinned copy
 * for the report. */
#ifndef GAGAC_METRICS_H
#define GAGAC_METRICS_H

#include "training.h"

#include <stdio.h>

enum { MAX_SERIES = MAX_UPDATES * MAX_OUTPUTS + 2, HISTORY_POINTS = 512 };

/* The numbers that are followed: every output of every update, then "w1", the estimate of the
 * Wasserstein-1 distance, and of images "swd", the sliced Wasserstein distance of patches. */
typedef struct Series {
    int count;
    const char *names[MAX_SERIES];
} Series;

typedef struct HistoryPoint { /* mean of some lines that follow one another */
    uint64_t iteration;       /* of the last of them */
    uint64_t lines;
    double sums[MAX_SERIES];
} HistoryPoint;

typedef struct History { /* at most HISTORY_POINTS points of equally many lines each, the last one
                            growing */
    Series series;
    int count;
    uint64_t lines_a_point;
    HistoryPoint points[HISTORY_POINTS];
} History;

Series series_of(const Program *program);
/* Values of the last iteration, NaN where there is none. */
void series_values(const Training *training, double values[MAX_SERIES]);
/* Starts an empty history. */
void history_start(History *history, const Program *program);
void history_add(History *history, uint64_t iteration, const double values[MAX_SERIES]);

typedef struct Metrics {
    FILE *file; /* NULL: could not be opened */
    char *path;
    bool warned; /* that it cannot be written */
    double swd;  /* of the file's last line, NaN: none */
    History history;
} Metrics;

/* Opens RUN/metrics.jsonl for lines after `iteration`: lines beyond it, which a killed training may
 * have left, and a line that was cut are removed, the others go into the history. What goes wrong
 * with the file is a warning. */
void metrics_open(Metrics *metrics, char *path, const Program *program, uint64_t iteration);
void metrics_log(Metrics *metrics, const Training *training, double samples_a_second);
void metrics_flush(Metrics *metrics);

#endif
