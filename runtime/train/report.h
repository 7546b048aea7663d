/* report.h -- report.html: the course of the losses, and real against generated values of each
 * column.
 *
 * One self-contained page: inline SVG, no script, nothing loaded from elsewhere. */
#ifndef GAGAC_REPORT_H
#define GAGAC_REPORT_H

#include "metrics.h"
#include "text.h"

typedef struct ReportColumn {
    const char *name;
    float *real, *generated; /* finite values in any order; they are sorted in place */
    size_t real_count, generated_count;
} ReportColumn;

typedef struct ReportFact {
    const char *name, *value;
} ReportFact;

typedef struct Report {
    const char *title;
    const ReportFact *facts; /* lines of the head */
    int fact_count;
    const History *history;
    ReportColumn *columns;
    int column_count;
} Report;

void report_render(const Report *report, Text *out);

/* The parts of a page, for one of another kind: head and title, the table of facts, a chart for
 * each series that has values, end. */
void report_begin(const char *title, Text *out);
void report_facts(const ReportFact *facts, int count, Text *out);
void report_course(const History *history, Text *out);
void report_end(Text *out);

#endif
