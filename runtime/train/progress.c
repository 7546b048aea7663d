/* progress.c -- see progress.h. */
#define _POSIX_C_SOURCE 200809L
#include "progress.h"

#include "metrics.h"
#include "place.h"
#include "text.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static const double terminal_interval = 0.2, plain_interval = 10; /* seconds between lines */

ProgressBar progress_start(FILE *stream, bool quiet, uint64_t done, uint64_t total)
{
    bool terminal = isatty(fileno(stream));
    double now = clock_seconds();
    return (ProgressBar){.stream = stream,
                         .quiet = quiet,
                         .terminal = terminal,
                         .total = total,
                         .interval = terminal ? terminal_interval : plain_interval,
                         .start = now,
                         .first = done,
                         .shown = now,
                         .shown_iteration = done};
}

double progress_rate(const ProgressBar *bar, const Training *training)
{
    const Program *program = training->program;
    double rows = (double)program->batch_size * program->updates[training_data_kind(program)].count;
    double seconds = clock_seconds() - bar->start;
    double done = (double)(training->iteration - bar->first);
    return seconds > 0 ? done * rows / seconds : 0;
}

/* "1:02:03" or "2:03". */
static void add_duration(Text *line, double seconds)
{
    uint64_t whole = (uint64_t)(seconds + 0.5);
    if (whole >= 3600) {
        text_add(line, "%" PRIu64 ":%02d:%02d", whole / 3600, (int)(whole / 60 % 60),
                 (int)(whole % 60));
    } else {
        text_add(line, "%d:%02d", (int)(whole / 60), (int)(whole % 60));
    }
}

static void add_line(Text *line, const ProgressBar *bar, const Training *training,
                     double checkpoint)
{
    double now = clock_seconds(), rate = progress_rate(bar, training);
    uint64_t left = bar->total > training->iteration ? bar->total - training->iteration : 0;
    double done = (double)(training->iteration - bar->first);
    text_add(line, "%" PRIu64 "/%" PRIu64, training->iteration, bar->total);
    Series series = series_of(training->program);
    double values[MAX_SERIES] = {0};
    series_values(training, values);
    for (int k = 0; k < series.count; k++) {
        const char *name = series.names[k];
        if (strcmp(name, "d_real") && strcmp(name, "d_fake")) { /* their sum is in w1 */
            text_add(line, "  %s %.4g", name, values[k]);
        }
    }
    text_add(line, "  %.0f samples/s", rate);
    if (done > 0) {
        text_add(line, "  left ");
        add_duration(line, (now - bar->start) / done * (double)left);
    }
    if (checkpoint > 0) {
        text_add(line, "  saved ");
        add_duration(line, now - checkpoint);
        text_add(line, " ago");
    }
}

void progress_show(ProgressBar *bar, const Training *training, double checkpoint, bool at_once)
{
    double now = clock_seconds();
    bool news = training->iteration > bar->shown_iteration;
    if (bar->quiet || !news || (!at_once && now - bar->shown < bar->interval)) {
        return;
    }
    bar->shown = now;
    bar->shown_iteration = training->iteration;
    Text line = {0};
    add_line(&line, bar, training, checkpoint);
    if (bar->terminal) {
        fprintf(bar->stream, "\r\033[K%s", line.bytes); /* clears what the last line left */
        bar->line_open = true;
    } else {
        fprintf(bar->stream, "%s\n", line.bytes);
    }
    fflush(bar->stream);
    text_free(&line);
}

void progress_break(ProgressBar *bar)
{
    if (bar->line_open) {
        fputc('\n', bar->stream);
        bar->line_open = false;
    }
}
