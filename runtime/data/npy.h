/* npy.h -- NumPy's .npy files: reading by mapping, writing by rows.
 *
 * Read: versions 1, 2 and 3; structured arrays of one axis (a field is a column; "pos[0]" for
 * elements of a field with a shape, "a.b" for nested fields) and plain arrays of one or two axes
 * (columns without names), in C or Fortran order; f2 f4 f8, i and u of 1 2 4 8 bytes, b1, either
 * byte order, V padding. Fields of other types may be there as long as nobody asks for them;
 * pickled objects may not. */
#ifndef GAGAC_NPY_H
#define GAGAC_NPY_H

#include "fail.h"
#include "map.h"
#include "output.h"
#include <stdint.h>

typedef struct NpyColumn {
    char *name;    /* UTF-8; NULL in a plain array */
    char kind;     /* 'f' 'i' 'u' 'b', or another letter of NumPy's: cannot be read as a number */
    int size;      /* bytes of a value */
    bool swapped;  /* byte order is not this machine's */
    size_t offset; /* bytes from the start of the file to the value of row 0 */
    size_t stride; /* bytes from row to row */
} NpyColumn;

enum { NPY_AXES = 4 };

typedef struct Npy {
    Map map;
    uint64_t rows;
    bool named; /* a structured array */
    int column_count;
    NpyColumn *columns;
    int axes; /* of the whole array, as its header says */
    uint64_t shape[NPY_AXES];
    bool fortran; /* the first axis is the fastest */
} Npy;

/* Maps the file and checks all of its header against its size. Release with npy_close(). */
bool npy_open(Npy *npy, const char *path, Error *error);
/* The same for a plain array of one to four axes as a whole: columns[0] is its first number. */
bool npy_open_array(Npy *npy, const char *path, Error *error);
void npy_close(Npy *npy);

/* Finds count columns by name: columns[i] becomes the index of names[i]. A plain array has no
 * names: its columns are taken in order, and their number must be count. A missing name is an error
 * that lists the columns and suggests the nearest; so is a column that does not hold real numbers.
 */
bool npy_select(const Npy *npy, const char *const *names, int count, int *columns, Error *error);

/* The value in a row of a column that npy_select() accepted. */
double npy_value(const Npy *npy, int column, uint64_t row);
/* Rows first .. first+count-1 of one column; several times faster than single values. */
void npy_read(const Npy *npy, int column, uint64_t first, size_t count, double *out);

/* A number as the column's type says, wherever its bytes lie. */
double npy_decode(const NpyColumn *column, const unsigned char *bytes);

typedef struct NpyWriter {
    Output output;
    size_t row_size;    /* bytes */
    uint64_t rows_left; /* promised and not yet appended */
} NpyWriter;

typedef struct NpyForm { /* an array whose rows are anything: Python texts of its header */
    const char *type;    /* "'|u1'", or a list of fields */
    const char *axes;    /* behind the number of rows: ", 28, 28, 1"; "," for none */
    size_t row_size;     /* bytes */
} NpyForm;

/* A structured array of float32 fields. rows: how many will be appended, exactly. */
bool npy_create(NpyWriter *writer, const char *path, const char *const *names, int column_count,
                uint64_t rows, Error *error);
/* A plain array [rows][column_count] of float32 (value_size 4) or float64 (8). */
bool npy_create_plain(NpyWriter *writer, const char *path, int column_count, int value_size,
                      uint64_t rows, Error *error);
bool npy_create_form(NpyWriter *writer, const char *path, const NpyForm *form, uint64_t rows,
                     Error *error);
/* Like npy_finish() with fewer rows than promised: those that were appended. */
bool npy_finish_short(NpyWriter *writer, const NpyForm *form, uint64_t rows, Error *error);
/* Is a mapped file what npy_create_form() writes for this form? *rows and *start (bytes from the
 * start to row 0) are of the file. */
bool npy_has_form(const Map *map, const NpyForm *form, uint64_t *rows, size_t *start);
/* values: count rows, [count][column_count] of the array's type. */
bool npy_append(NpyWriter *writer, const void *values, size_t count, Error *error);
/* The file appears under its name, once all promised rows are there. */
bool npy_finish(NpyWriter *writer, Error *error);
void npy_abandon(NpyWriter *writer);

#endif
