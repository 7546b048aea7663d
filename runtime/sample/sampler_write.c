/* sampler_write.c -- see sampler_write.h. */
#define _POSIX_C_SOURCE 200809L
#include "sampler_write.h"

#include "output.h"
#include "place.h"
#include "state.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NUMBERS_A_LINE = 8 };

static const char mark_begin[] = "/*@", mark_end[] = "@*/";

typedef struct Writer {
    Text out;
    const Program *program;
    const real *state;
    const Normaliser *normaliser;
    size_t listed; /* numbers of the present list */
} Writer;

/* "0x3f800000," with all digits of its `size` bytes; the tables are long, so printf would take most
 * of the time. */
static void add_bits(Writer *writer, uint64_t bits, size_t size)
{
    char word[24] = "0x";
    size_t digits = 2 * size;
    for (size_t i = 0; i < digits; i++) {
        word[2 + i] = "0123456789abcdef"[bits >> (4 * (digits - 1 - i)) & 15];
    }
    word[2 + digits] = ',';
    if (writer->listed++ % NUMBERS_A_LINE == 0) {
        text_add_bytes(&writer->out, "\n    ", 5);
    }
    text_add_bytes(&writer->out, word, digits + 3);
}

static void add_double(Writer *writer, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_bits(writer, bits, sizeof bits);
}

/* ---------------------------------------------------------------- what a mark stands for */
static bool add_statistic(Writer *writer, const char *name)
{
    static const char *const names[] = {"mean", "std", "minimum", "maximum"};
    enum { COUNT = sizeof names / sizeof *names };
    int field = 0;
    while (field < COUNT && strcmp(name, names[field])) {
        field++;
    }
    for (int k = 0; k < writer->normaliser->column_count && field < COUNT; k++) {
        const ColumnScale *column = &writer->normaliser->columns[k];
        const double values[COUNT] = {column->mean, column->constant ? 0 : column->std,
                                      column->minimum, column->maximum};
        add_double(writer, values[field]);
    }
    return field < COUNT;
}

static int count_knots(const Normaliser *normaliser, int columns)
{
    int count = 0;
    for (int k = 0; k < columns; k++) {
        count += normaliser->columns[k].knot_count;
    }
    return count;
}

static void add_knots(Writer *writer, bool x)
{
    for (int k = 0; k < writer->normaliser->column_count; k++) {
        const ColumnScale *column = &writer->normaliser->columns[k];
        for (int i = 0; i < column->knot_count; i++) {
            add_double(writer, x ? column->x[i] : column->y[i]);
        }
    }
    if (writer->listed == 0) {
        add_double(writer, 0);
    }
}

static void add_first_knots(Writer *writer)
{
    for (int k = 0; k <= writer->normaliser->column_count; k++) {
        text_add(&writer->out, "%d,", count_knots(writer->normaliser, k));
    }
}

/* The tensor that a mark names, and the state in which its values lie. */
static const ProgramTensor *find_tensor(const Writer *writer, const char *name, const real **state)
{
    const Program *program = writer->program;
    int index = tensor_find(program, name);
    if (index < 0) {
        fail(EXIT_INTERNAL, NULL, "the sampler's source asks for '%s', which nothing has", name);
    }
    const ProgramTensor *tensor = &program->tensors[index];
    bool averaged = tensor_is_generator(tensor) && tensor->role != ROLE_VECTOR;
    *state = writer->state;
    if (averaged && program->average_offset != (size_t)-1) {
        /* the average has the same layout */
        *state += (ptrdiff_t)program->average_offset - (ptrdiff_t)program->generator_offset;
    }
    return tensor;
}

static void add_tensor(Writer *writer, const char *name)
{
    const real *state;
    const ProgramTensor *tensor = find_tensor(writer, name, &state);
    size_t size = tensor_size(tensor);
    real *values = malloc(size * sizeof *values);
    if (!values) {
        fail(EXIT_IO, NULL, "out of memory");
    }
    tensor_get(tensor, state, values);
    for (size_t i = 0; i < size; i++) {
        add_bits(writer, real_bits(values[i]), sizeof *values);
    }
    free(values);
}

/* With the zeros behind its rows. */
static void add_rows(Writer *writer, const char *name)
{
    const real *state;
    const ProgramTensor *tensor = find_tensor(writer, name, &state);
    size_t size = (size_t)tensor->rows * (size_t)tensor->stride;
    for (size_t i = 0; i < size; i++) {
        add_bits(writer, real_bits(state[tensor->offset + i]), sizeof *state);
    }
}

static void add_numbers(Writer *writer, char *name)
{
    static const char rows[] = ":rows";
    size_t length = strlen(name), suffix = strlen(rows);
    int knots = count_knots(writer->normaliser, writer->normaliser->column_count);
    writer->listed = 0;
    if (!strcmp(name, "trained")) {
        text_add(&writer->out, "1");
    } else if (!strcmp(name, "knot_total")) {
        text_add(&writer->out, "%d", knots ? knots : 1);
    } else if (!strcmp(name, "first_knot")) {
        add_first_knots(writer);
    } else if (!strcmp(name, "knot_x") || !strcmp(name, "knot_y")) {
        add_knots(writer, name[5] == 'x');
    } else if (length > suffix && !strcmp(name + length - suffix, rows)) {
        name[length - suffix] = 0;
        add_rows(writer, name);
    } else if (!add_statistic(writer, name)) {
        add_tensor(writer, name);
    }
}

/* ---------------------------------------------------------------- files */
static void compose(Writer *writer, const char *at)
{
    for (const char *mark; (mark = strstr(at, mark_begin)) != NULL;) {
        const char *name = mark + strlen(mark_begin), *end = strstr(name, mark_end);
        char *copy = end ? strndup(name, (size_t)(end - name)) : NULL;
        if (!copy) {
            fail(EXIT_INTERNAL, NULL, "the sampler's source has a mark without an end");
        }
        text_add_bytes(&writer->out, at, (size_t)(mark - at));
        add_numbers(writer, copy);
        free(copy);
        at = end + strlen(mark_end);
        at += strspn(at, "0123456789");
    }
    text_add_bytes(&writer->out, at, strlen(at));
}

static bool write_file(const char *folder, const char *name, const char *bytes, size_t length,
                       Error *error)
{
    char *path = path_join(folder, name);
    bool done = output_text(path, bytes, length, error);
    free(path);
    return done;
}

static bool write_source(Writer *writer, const char *folder, const char *name, const char *source,
                         Error *error)
{
    writer->out = (Text){0};
    compose(writer, source);
    bool done = write_file(folder, name, writer->out.bytes, writer->out.length, error);
    text_free(&writer->out);
    return done;
}

bool sampler_write(const char *run, const Program *program, const real *state,
                   const Normaliser *normaliser, Error *error)
{
    Writer writer = {.program = program, .state = state, .normaliser = normaliser};
    const char *header = program->sampler_header;
    char *folder = path_join(run, "sampler");
    bool done = !mkdir(folder, 0777) || errno == EEXIST ||
                error_set(error, EXIT_IO, NULL, "cannot make %s: %s", folder, strerror(errno));
    done = done && write_file(folder, "sampler.h", header, strlen(header), error) &&
           write_source(&writer, folder, "sampler.c", program->sampler_source, error) &&
           (!program->sampler_device ||
            write_source(&writer, folder, "sampler.cu", program->sampler_device, error));
    free(folder);
    return done;
}
