/* report.c -- see report.h. */
#include "report.h"

#include "column.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { CHART_WIDTH = 300, CHART_HEIGHT = 150, MARGIN = 8, FOOT = 16, BINS = 75 };

static const char style[] =
    "body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:62em;padding:0 1em;"
    "color:#1a1a1a;background:#fff}h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}"
    "table{border-collapse:collapse}td,th{padding:.15em .8em;text-align:right;"
    "border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}"
    ".charts{display:flex;flex-wrap:wrap;gap:1em}figure{margin:0}figcaption{font-weight:600}"
    "svg{background:#f7f7f7;border:1px solid #ddd}svg text{font:10px "
    "system-ui,sans-serif;fill:#555}"
    ".real{fill:#b9c7d6;stroke:none}.generated{fill:none;stroke:#c2410c;stroke-width:1.3}"
    ".course{fill:none;stroke:#1d4e89;stroke-width:1.3}.zero{stroke:#ccc}";

/* ---------------------------------------------------------------- statistics */
static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct Range {
    double low, high;
} Range;

/* Never empty, so that it can be divided by. */
static Range range_make(double low, double high)
{
    if (!(high > low)) {
        double half = fabs(low) > 0 ? fabs(low) * 0.5 : 0.5;
        return (Range){low - half, low + half};
    }
    return (Range){low, high};
}

/* The values of a sorted sample without the outermost tail, which would squeeze all else into one
 * bin. */
static Range range_of_sample(const float *values, size_t count)
{
    size_t cut = count / 1000;
    Range range = range_make((double)values[cut], (double)values[count - 1 - cut]);
    double edge = 0.02 * (range.high - range.low);
    return (Range){range.low - edge, range.high + edge};
}

/* ---------------------------------------------------------------- charts */
static double place_x(Range range, double x)
{
    double part = (x - range.low) / (range.high - range.low);
    return MARGIN + part * (CHART_WIDTH - 2 * MARGIN);
}

/* Values beyond the range lie on the border. */
static double place_y(Range range, double y)
{
    double part = (y - range.low) / (range.high - range.low);
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    return MARGIN + (1 - part) * (CHART_HEIGHT - 2 * MARGIN);
}

static void open_chart(Text *out, const char *name)
{
    text_add(out, "<figure><figcaption>");
    text_add_html(out, name);
    text_add(out, "</figcaption><svg width=\"%d\" height=\"%d\" role=\"img\">\n", CHART_WIDTH,
             CHART_HEIGHT + FOOT);
}

/* The ends of the horizontal axis, and what else there is to say. */
static void close_chart(Text *out, Range x, const char *middle)
{
    int base = CHART_HEIGHT + FOOT - 5;
    text_add(out, "<text x=\"%d\" y=\"%d\">%.4g</text>\n", MARGIN, base, x.low);
    text_add(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.4g</text>\n", CHART_WIDTH - MARGIN,
             base, x.high);
    text_add(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text></svg></figure>\n",
             CHART_WIDTH / 2, base, middle);
}

static double point_mean(const HistoryPoint *point, int series)
{
    return point->sums[series] / (double)point->lines;
}

/* The middle 98 % of a series: the first steps of a training are often far off. */
static Range range_of_series(const History *history, int series)
{
    double values[HISTORY_POINTS];
    size_t count = 0;
    for (int i = 0; i < history->count; i++) {
        double value = point_mean(&history->points[i], series);
        if (isfinite(value)) {
            values[count++] = value;
        }
    }
    if (count == 0) {
        return (Range){0, 1};
    }
    qsort(values, count, sizeof *values, compare_doubles);
    return range_make(values[count / 100], values[count - 1 - count / 100]);
}

static void chart_series(Text *out, const History *history, int series)
{
    Range y = range_of_series(history, series);
    Range x = range_make(0, (double)history->points[history->count - 1].iteration);
    open_chart(out, history->series.names[series]);
    if (y.low < 0 && y.high > 0) {
        text_add(out, "<line class=\"zero\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n",
                 MARGIN, CHART_WIDTH - MARGIN, place_y(y, 0), place_y(y, 0));
    }
    text_add(out, "<polyline class=\"course\" points=\"");
    for (int i = 0; i < history->count; i++) {
        double value = point_mean(&history->points[i], series);
        if (isfinite(value)) {
            text_add(out, "%.1f,%.1f ", place_x(x, (double)history->points[i].iteration),
                     place_y(y, value));
        }
    }
    text_add(out, "\"/>\n<text x=\"%d\" y=\"18\">%.4g</text>\n", MARGIN + 2, y.high);
    text_add(out, "<text x=\"%d\" y=\"%d\">%.4g</text>\n", MARGIN + 2, CHART_HEIGHT - MARGIN - 2,
             y.low);
    close_chart(out, x, "iteration");
}

/* Shares of a sample in BINS bins over the range; what lies outside is counted nowhere. */
static void fill_bins(const float *values, size_t count, Range range, double bins[BINS])
{
    for (int i = 0; i < BINS; i++) {
        bins[i] = 0;
    }
    for (size_t i = 0; i < count; i++) {
        double part = ((double)values[i] - range.low) / (range.high - range.low);
        if (part >= 0 && part < 1) {
            bins[(int)(part * BINS)] += 1 / (double)count;
        }
    }
}

/* The outline of a histogram, from the base line up and back to it. */
static void draw_bins(Text *out, const char *kind, const double bins[BINS], double top)
{
    Range x = {0, BINS}, y = {0, top};
    text_add(out, "<path class=\"%s\" d=\"M%.1f %.1f", kind, place_x(x, 0), place_y(y, 0));
    for (int i = 0; i < BINS; i++) {
        text_add(out, "V%.1fH%.1f", place_y(y, bins[i]), place_x(x, i + 1));
    }
    text_add(out, "V%.1f\"/>\n", place_y(y, 0));
}

static void chart_column(Text *out, const ReportColumn *column)
{
    double data[BINS], drawn[BINS], top = 0;
    Range range = range_of_sample(column->real, column->real_count);
    fill_bins(column->real, column->real_count, range, data);
    fill_bins(column->generated, column->generated_count, range, drawn);
    for (int i = 0; i < BINS; i++) {
        top = fmax(top, fmax(data[i], drawn[i]));
    }
    open_chart(out, column->name);
    draw_bins(out, "real", data, top > 0 ? top : 1);
    draw_bins(out, "generated", drawn, top > 0 ? top : 1);
    close_chart(out, range, "");
}

/* ---------------------------------------------------------------- the page */
void report_begin(const char *title, Text *out)
{
    text_add(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                  "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    text_add_html(out, title);
    text_add(out, "</title>\n<style>%s</style></head>\n<body><h1>", style);
    text_add_html(out, title);
    text_add(out, "</h1>\n");
}

void report_facts(const ReportFact *facts, int count, Text *out)
{
    text_add(out, "<table>\n");
    for (int i = 0; i < count; i++) {
        text_add(out, "<tr><td>");
        text_add_html(out, facts[i].name);
        text_add(out, "</td><td>");
        text_add_html(out, facts[i].value);
        text_add(out, "</td></tr>\n");
    }
    text_add(out, "</table>\n");
}

static void add_row(Text *out, const ReportColumn *column)
{
    Moments data = moments_of(column->real, column->real_count);
    Moments drawn = moments_of(column->generated, column->generated_count);
    double distance = wasserstein_distance(column->real, column->real_count, column->generated,
                                           column->generated_count);
    text_add(out, "<tr><td>");
    text_add_html(out, column->name);
    text_add(out, "</td><td>%.5g</td><td>%.5g</td><td>%.5g</td><td>%.5g</td>", data.mean,
             drawn.mean, data.std, drawn.std);
    if (data.std > 0) {
        text_add(out, "<td>%.4f</td></tr>\n", distance / data.std);
    } else {
        text_add(out, "<td>constant</td></tr>\n");
    }
}

static bool has_values(const ReportColumn *column)
{
    return column->real_count > 0 && column->generated_count > 0;
}

static void add_columns(Text *out, const Report *report)
{
    text_add(out, "<h2>Columns: real (filled) and generated (line)</h2>\n<div class=\"charts\">\n");
    for (int k = 0; k < report->column_count; k++) {
        ReportColumn *column = &report->columns[k];
        if (has_values(column)) {
            qsort(column->real, column->real_count, sizeof(float), compare_floats);
            qsort(column->generated, column->generated_count, sizeof(float), compare_floats);
            chart_column(out, column);
        }
    }
    text_add(out, "</div>\n<table><tr><th>column</th><th>mean real</th><th>mean generated</th>"
                  "<th>std real</th><th>std generated</th><th>W1 / std real</th></tr>\n");
    for (int k = 0; k < report->column_count; k++) {
        if (has_values(&report->columns[k])) {
            add_row(out, &report->columns[k]);
        }
    }
    text_add(out, "</table>\n");
}

static bool has_course(const History *history, int series)
{
    for (int i = 0; i < history->count; i++) {
        if (isfinite(point_mean(&history->points[i], series))) {
            return true;
        }
    }
    return false;
}

void report_course(const History *history, Text *out)
{
    if (history->count == 0) {
        return;
    }
    text_add(out, "<h2>Course of the training</h2>\n<div class=\"charts\">\n");
    for (int k = 0; k < history->series.count; k++) {
        if (has_course(history, k)) {
            chart_series(out, history, k);
        }
    }
    text_add(out, "</div>\n");
}

void report_end(Text *out) { text_add(out, "</body></html>\n"); }

void report_render(const Report *report, Text *out)
{
    report_begin(report->title, out);
    report_facts(report->facts, report->fact_count, out);
    report_course(report->history, out);
    add_columns(out, report);
    report_end(out);
}
