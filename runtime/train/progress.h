/* progress.h -- what a training tells the person who waits for it: one line, rewritten on a
 * terminal. */
#ifndef GAGAC_PROGRESS_H
#define GAGAC_PROGRESS_H

#include "training.h"

#include <stdio.h>

typedef struct ProgressBar {
    FILE *stream;
    bool quiet, terminal;
    uint64_t total;  /* iterations */
    double interval; /* seconds between two lines */
    double start;    /* clock when this program started to train */
    uint64_t first;  /* iterations that were done before */
    double shown;    /* clock of the last line */
    uint64_t shown_iteration;
    bool line_open; /* a terminal line without its newline is on the screen */
} ProgressBar;

ProgressBar progress_start(FILE *stream, bool quiet, uint64_t done, uint64_t total);
/* Shows the line when it is time for it, or at once. checkpoint: clock of the last checkpoint, 0:
 * none yet. */
void progress_show(ProgressBar *bar, const Training *training, double checkpoint, bool at_once);
/* Rows a second since the start, of the data updates. */
double progress_rate(const ProgressBar *bar, const Training *training);
/* Ends a line that is open, before another message. */
void progress_break(ProgressBar *bar);

#endif
