/* record.c -- what a training writes about itself: run.json and report.html. */
#define _POSIX_C_SOURCE 200809L
#include "session.h"

#include "draw.h"
#include "output.h"
#include "place.h"
#include "state.h"
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    REPORT_ROWS = 20000
}; /* of each kind: some 0.1 s of work, and bins that are smooth enough */

double session_seconds(const Session *session) { return clock_seconds() - session->start; }

static bool write_text(const Session *session, const char *name, const Text *text, Error *error)
{
    char *path = path_join(session->run, name);
    bool done = output_text(path, text->bytes, text->length, error);
    free(path);
    return done;
}

/* ---------------------------------------------------------------- run.json */
static void add_columns(Text *out, const Session *session)
{
    text_add(out, "  \"columns\": [\n");
    for (int k = 0; k < session->program->x_dim; k++) {
        const ColumnScale *column = &session->normaliser.columns[k];
        text_add(out, "    {\"name\": ");
        text_add_json(out, session->program->keys[k]);
        text_add(out, ", \"mean\": %.17g, \"std\": %.17g, \"minimum\": %.17g, \"maximum\": %.17g",
                 column->mean, column->std, column->minimum, column->maximum);
        text_add(out, ", \"constant\": %s}%s\n", column->constant ? "true" : "false",
                 k + 1 < session->program->x_dim ? "," : "");
    }
    text_add(out, "  ]\n");
}

/* Size and classes of the images. */
static void add_images(Text *out, const Session *session)
{
    const ImageSet *set = &session->data.images;
    text_add(out, "  \"width\": %d,\n  \"height\": %d,\n  \"channels\": %d,\n", set->shape.width,
             set->shape.height, set->shape.channels);
    text_add(out, "  \"skipped\": %" PRIu64 ",\n  \"classes\": [", set->skipped);
    for (int k = 0; k < set->class_count && set->class_names; k++) {
        text_add(out, k ? ", " : "");
        text_add_json(out, set->class_names[k]);
    }
    text_add(out, "]\n");
}

bool record_run(const Session *session, Error *error)
{
    const Program *program = session->program;
    Text out = {0};
    text_add(&out, "{\n  \"gagac\": ");
    text_add_json(&out, program->version);
    text_add(&out, ",\n  \"config\": ");
    text_add_json(&out, program->config_name);
    text_add(&out, ",\n  \"config_hash\": \"%016" PRIx64 "\",\n", program->config_hash);
    text_add(&out, "  \"precision\": \"%s\",\n  \"isa\": \"%s\",\n  \"threads\": %d,\n",
             precision_name, program->isa, pool_threads(session->training.pool));
    text_add(&out, "  \"data\": ");
    text_add_json(&out, path_base(session->data_path));
    text_add(&out, ",\n  \"rows\": %" PRIu64 ",\n  \"seed\": %" PRIu64 ",\n", session->data.rows,
             session->training.seed);
    text_add(&out, "  \"batch_size\": %d,\n  \"iterations\": %" PRIu64 ",\n", program->batch_size,
             session->total);
    text_add(&out, "  \"iterations_done\": %" PRIu64 ",\n  \"seconds\": %.1f,\n",
             session->training.iteration, session_seconds(session));
    (session->program->images ? add_images : add_columns)(&out, session);
    text_add(&out, "}\n");
    bool done = write_text(session, "run.json", &out, error);
    text_free(&out);
    return done;
}

/* ---------------------------------------------------------------- report.html */
typedef struct Rows { /* columns of the report: [outputs][count] each */
    size_t count;
    float *real, *generated;
    size_t *real_count, *generated_count; /* finite values of each column */
    float *drawn;                         /* [count][x_dim] */
    double *condition;                    /* [count][cond_dim] */
} Rows;

static Rows rows_create(const Session *session)
{
    const Program *program = session->program;
    size_t count = session->data.rows < REPORT_ROWS ? (size_t)session->data.rows : REPORT_ROWS;
    size_t width = (size_t)program->x_dim;
    return (Rows){.count = count,
                  .real = allocate(count * width, sizeof(float)),
                  .generated = allocate(count * width, sizeof(float)),
                  .real_count = allocate(width, sizeof(size_t)),
                  .generated_count = allocate(width, sizeof(size_t)),
                  .drawn = allocate(count * width, sizeof(float)),
                  .condition = allocate(count * (size_t)program->cond_dim, sizeof(double))};
}

static void rows_free(Rows *rows)
{
    free(rows->real);
    free(rows->generated);
    free(rows->real_count);
    free(rows->generated_count);
    free(rows->drawn);
    free(rows->condition);
}

static void put_value(float *columns, size_t *counts, size_t rows, int column, double value)
{
    if (isfinite(value)) {
        columns[(size_t)column * rows + counts[column]++] = (float)value;
    }
}

/* Rows spread evenly over the data file, and as many generated ones under the same conditions. */
static void fill_rows(const Session *session, Rows *rows)
{
    const Program *program = session->program;
    const Data *data = &session->data;
    int outputs = program->x_dim - program->cond_dim;
    for (size_t i = 0; i < rows->count; i++) {
        uint64_t row = i * (data->rows / rows->count);
        for (int k = 0; k < program->x_dim; k++) {
            double value = npy_value(&data->file, data->columns[k], row);
            put_value(rows->real, rows->real_count, rows->count, k, value);
            if (k >= outputs) {
                rows->condition[i * (size_t)program->cond_dim + (size_t)(k - outputs)] = value;
            }
        }
    }
    const Training *training = &session->training;
    Generator generator =
        generator_create(program, training->pool, training->state, &session->normaliser, true);
    DrawInputs inputs = {.condition = program->cond_dim ? rows->condition : NULL};
    generator_draw_all(&generator, training->seed, 0, rows->count, &inputs, rows->drawn);
    generator_destroy(&generator);
    for (size_t i = 0; i < rows->count; i++) {
        for (int k = 0; k < outputs; k++) {
            put_value(rows->generated, rows->generated_count, rows->count, k,
                      (double)rows->drawn[i * (size_t)program->x_dim + (size_t)k]);
        }
    }
}

void record_facts(const Session *session, SessionFacts *facts)
{
    const Training *training = &session->training;
    char(*values)[FACT_SIZE] = facts->values;
    snprintf(values[0], FACT_SIZE, "%" PRIu64 " of %" PRIu64, training->iteration, session->total);
    snprintf(values[1], FACT_SIZE, "%" PRIu64, session->data.rows);
    snprintf(values[2], FACT_SIZE, "%.0f", progress_rate(&session->bar, training));
    snprintf(values[3], FACT_SIZE, "%.1f", session_seconds(session));
    const ReportFact all[FACT_COUNT] = {
        {"config", session->program->config_name},
        {"data", path_base(session->data_path)},
        {"iterations", values[0]},
        {session->program->images ? "images" : "rows", values[1]},
        {"samples a second", values[2]},
        {"seconds", values[3]},
    };
    memcpy(facts->facts, all, sizeof all);
}

static void render(const Session *session, const Rows *rows, Text *out)
{
    const Program *program = session->program;
    SessionFacts facts;
    record_facts(session, &facts);
    int outputs = program->x_dim - program->cond_dim;
    ReportColumn *columns = allocate((size_t)outputs, sizeof *columns);
    for (int k = 0; k < outputs; k++) {
        size_t start = (size_t)k * rows->count;
        columns[k] = (ReportColumn){program->keys[k], rows->real + start, rows->generated + start,
                                    rows->real_count[k], rows->generated_count[k]};
    }
    Report report = {"Training report",         facts.facts, FACT_COUNT,
                     &session->metrics.history, columns,     outputs};
    report_render(&report, out);
    free(columns);
}

bool record_report(const Session *session, Error *error)
{
    Text out = {0};
    if (session->program->images) {
        session->program->images->report(session, &out);
    } else {
        Rows rows = rows_create(session);
        fill_rows(session, &rows);
        render(session, &rows, &out);
        rows_free(&rows);
    }
    bool done = write_text(session, "report.html", &out, error);
    text_free(&out);
    return done;
}
