/* sampler_write.c -- see sampler_write.h. */
#define _POSIX_C_SOURCE 200809L
#include "sampler_write.h"

#include "output.h"
#include "place.h"
#include "state.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NUMBERS_A_LINE = 8 };

/* "0x3f800000," with the given number of digits; the tables are long, so printf would take most of
 * the time. */
static void add_bits(Text *out, uint64_t bits, int digits)
{
    char word[24] = "0x";
    for (int i = 0; i < digits; i++) {
        word[2 + i] = "0123456789abcdef"[bits >> (4 * (digits - 1 - i)) & 15];
    }
    word[2 + digits] = ',';
    text_add_bytes(out, word, (size_t)digits + 3);
}

static void add_break(Text *out, size_t index)
{
    if (index % NUMBERS_A_LINE == 0) {
        text_add_bytes(out, "\n    ", 5);
    }
}

static void add_floats(Text *out, const char *name, int number, const real *values, size_t count)
{
    text_add(out, "static const uint32_t %s", name);
    if (number >= 0) {
        text_add(out, "_%d", number);
    }
    text_add(out, "[%zu] = {", count);
    for (size_t i = 0; i < count; i++) {
        float value = (float)values[i];
        uint32_t bits = 0;
        memcpy(&bits, &value, sizeof bits);
        add_break(out, i);
        add_bits(out, bits, 8);
    }
    text_add(out, "\n};\n");
}

static void add_double(Text *out, size_t index, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    add_break(out, index);
    add_bits(out, bits, 16);
}

/* ---------------------------------------------------------------- tables */
static void add_weights(Text *out, const Program *program, const real *state)
{
    ptrdiff_t shift = 0;
    if (program->average_offset != (size_t)-1) {
        shift = (ptrdiff_t)program->average_offset - (ptrdiff_t)program->generator_offset;
    }
    int number = 0;
    for (int i = 0; i < program->tensor_count; i++) {
        const ProgramTensor *tensor = &program->tensors[i];
        if (tensor->role != ROLE_PARAMETER || !tensor_is_generator(tensor)) {
            continue;
        }
        real *values = allocate(tensor_size(tensor), sizeof *values);
        tensor_get(tensor, state + shift, values); /* the average has the same layout */
        text_add(out, "/* %s */\n", tensor->label);
        add_floats(out, "sampler_weight", number++, values, tensor_size(tensor));
        free(values);
    }
}

static void add_bounds(Text *out, const Program *program, const real *state)
{
    if (program->clamp_lower) {
        size_t outputs = (size_t)(program->x_dim - program->cond_dim);
        add_floats(out, "sampler_lower", -1, state + program->lower_offset, outputs);
        add_floats(out, "sampler_upper", -1, state + program->upper_offset, outputs);
    }
}

typedef enum ScaleField { SCALE_MEAN, SCALE_STD, SCALE_LOW, SCALE_HIGH, SCALE_FIELDS } ScaleField;

static double field_value(const ColumnScale *column, ScaleField field)
{
    switch (field) {
    case SCALE_MEAN:
        return column->mean;
    case SCALE_STD:
        return column->constant ? 0 : column->std;
    case SCALE_LOW:
        return column->minimum;
    case SCALE_HIGH:
    case SCALE_FIELDS:
        break;
    }
    return column->maximum;
}

static void add_scales(Text *out, const Normaliser *normaliser)
{
    static const char *const names[SCALE_FIELDS] = {"mean", "std", "low", "high"};
    for (int field = 0; field < SCALE_FIELDS; field++) {
        text_add(out, "static const uint64_t sampler_%s[%d] = {", names[field],
                 normaliser->column_count);
        for (int k = 0; k < normaliser->column_count; k++) {
            add_double(out, (size_t)k, field_value(&normaliser->columns[k], (ScaleField)field));
        }
        text_add(out, "\n};\n");
    }
}

static void add_knots(Text *out, const char *axis, int column, const double *knots, int count)
{
    text_add(out, "static const uint64_t sampler_%s_%d[%d] = {", axis, column, count);
    for (int i = 0; i < count; i++) {
        add_double(out, (size_t)i, knots[i]);
    }
    text_add(out, "\n};\n");
}

static void add_tables(Text *out, const Normaliser *normaliser)
{
    static const char *const axes[] = {"x", "y"};
    int columns = normaliser->column_count;
    for (int k = 0; k < columns; k++) {
        const ColumnScale *column = &normaliser->columns[k];
        if (column->knot_count > 0) {
            add_knots(out, axes[0], k, column->x, column->knot_count);
            add_knots(out, axes[1], k, column->y, column->knot_count);
        }
    }
    text_add(out, "static const int sampler_knots[%d] = {", columns);
    for (int k = 0; k < columns; k++) {
        text_add(out, "%d,", normaliser->columns[k].knot_count);
    }
    text_add(out, "};\n");
    for (int axis = 0; axis < 2; axis++) {
        text_add(out, "static const uint64_t *const sampler_%s[%d] = {", axes[axis], columns);
        for (int k = 0; k < columns; k++) {
            if (normaliser->columns[k].knot_count > 0) {
                text_add(out, "sampler_%s_%d,", axes[axis], k);
            } else {
                text_add(out, "0,");
            }
        }
        text_add(out, "};\n");
    }
}

/* ---------------------------------------------------------------- files */
static bool write_file(const char *folder, const char *name, const char *bytes, size_t length,
                       Error *error)
{
    char *path = path_join(folder, name);
    bool done = output_text(path, bytes, length, error);
    free(path);
    return done;
}

static void compose(Text *out, const Program *program, const real *state,
                    const Normaliser *normaliser)
{
    const char *source = program->sampler_source;
    const char *mark = strstr(source, SAMPLER_MARK);
    if (!mark) {
        fail(EXIT_INTERNAL, NULL, "the sampler's source has no place for its weights");
    }
    text_add_bytes(out, source, (size_t)(mark - source));
    add_weights(out, program, state);
    add_bounds(out, program, state);
    add_scales(out, normaliser);
    add_tables(out, normaliser);
    const char *rest = mark + strcspn(mark, "\n");
    text_add(out, "%s", *rest ? rest + 1 : rest);
}

bool sampler_write(const char *run, const Program *program, const real *state,
                   const Normaliser *normaliser, Error *error)
{
    char *folder = path_join(run, "sampler");
    Text out = {0};
    compose(&out, program, state, normaliser);
    bool done = !mkdir(folder, 0777) || errno == EEXIST ||
                error_set(error, EXIT_IO, NULL, "cannot make %s: %s", folder, strerror(errno));
    done = done &&
           write_file(folder, "sampler.h", program->sampler_header, strlen(program->sampler_header),
                      error) &&
           write_file(folder, "sampler.c", out.bytes, out.length, error);
    text_free(&out);
    free(folder);
    return done;
}
