/* npy.c -- NumPy's .npy files.
 *
 * The header is a Python dictionary as text. A small recursive reader takes exactly what NumPy
 * writes; nothing is ever evaluated. All sizes are checked against the file before a byte of data
 * is touched. */
#define _POSIX_C_SOURCE 200809L
#include "npy.h"

#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADER = 1 << 20, MAX_COLUMNS = 1 << 16, MAX_NESTING = 8, MAX_NAME = 256 };

/* ---------------------------------------------------------------- reading the header */
typedef struct Header {
    Npy *npy;
    Error *error;
    const char *at, *end; /* text not read yet */
    bool latin1;          /* versions 1 and 2 */
    int capacity;         /* of npy->columns */
    size_t row_size;      /* bytes of a record, or of a value of a plain array */
    int axes;
    uint64_t shape[NPY_AXES];
    bool fortran;
    bool whole; /* a plain array is taken as a whole, not as columns */
} Header;

static bool bad(Header *header, const char *what)
{
    return error_set(header->error, EXIT_INVALID, NULL, "'%s' is not a .npy file we can read: %s",
                     header->npy->map.path, what);
}

static void skip_spaces(Header *header)
{
    while (header->at < header->end && *header->at && strchr(" \t\r\n", *header->at))
        header->at++;
}

/* Takes one mark (a bracket, a comma ...) if it comes next. */
static bool take(Header *header, char mark)
{
    skip_spaces(header);
    if (header->at == header->end || *header->at != mark)
        return false;
    header->at++;
    return true;
}

static bool take_word(Header *header, const char *word)
{
    size_t length = strlen(word);
    skip_spaces(header);
    if ((size_t)(header->end - header->at) < length || memcmp(header->at, word, length) != 0)
        return false;
    header->at += length;
    return true;
}

/* The character after a backslash. */
static bool read_escape(Header *header, uint32_t *code)
{
    if (header->at == header->end)
        return false;
    char letter = *header->at++;
    switch (letter) {
    case 'n':
        *code = '\n';
        return true;
    case 't':
        *code = '\t';
        return true;
    case 'r':
        *code = '\r';
        return true;
    case 'x':
        return read_hexadecimal(&header->at, header->end, 2, code);
    case 'u':
        return read_hexadecimal(&header->at, header->end, 4, code);
    case 'U':
        return read_hexadecimal(&header->at, header->end, 8, code);
    default:
        *code = (unsigned char)letter;
        return letter == '\'' || letter == '"' || letter == '\\';
    }
}

/* A quoted string, as UTF-8, into text[MAX_NAME]. */
static bool read_string(Header *header, char *text)
{
    size_t length = 0;
    skip_spaces(header);
    if (header->at < header->end && *header->at == 'u')
        header->at++;
    if (header->at == header->end || (*header->at != '\'' && *header->at != '"'))
        return bad(header, "a quoted name is missing in its header");
    char quote = *header->at++;
    while (header->at < header->end && *header->at != quote) {
        unsigned char byte = (unsigned char)*header->at++;
        uint32_t code = byte;
        if (byte == '\\' && !read_escape(header, &code))
            return bad(header, "a name in its header has a broken escape");
        if (code == 0 || code > 0x10ffff)
            return bad(header, "a name in its header has a character that cannot be");
        if (length + 5 > MAX_NAME)
            return bad(header, "a name in its header is longer than 250 bytes");
        if (byte < 0x80 || header->latin1)
            length += put_character(text + length, code);
        else
            text[length++] = (char)byte;
    }
    text[length] = 0;
    return take(header, quote) || bad(header, "a name in its header does not end");
}

static bool read_number(Header *header, uint64_t *number)
{
    skip_spaces(header);
    if (!read_whole(&header->at, header->end, number))
        return bad(header, "a length of 64 bits is missing in its header");
    take(header, 'L'); /* Python 2 */
    return true;
}

/* "(3, 4)", "(5,)", "()", or "5". */
static bool read_shape(Header *header, int *axes, uint64_t shape[NPY_AXES])
{
    *axes = 0;
    if (!take(header, '(')) {
        *axes = 1;
        return read_number(header, &shape[0]);
    }
    while (!take(header, ')')) {
        if (*axes == NPY_AXES)
            return bad(header, "it has more than four axes; rows and columns are expected");
        if (!read_number(header, &shape[(*axes)++]))
            return false;
        if (!take(header, ',') && header->at < header->end && *header->at != ')')
            return bad(header, "its shape is no tuple of numbers");
    }
    return true;
}

/* "<f4" and the like. Sets kind, size (of a whole value, in bytes) and swapped. */
static bool read_type(Header *header, const char *text, NpyColumn *column)
{
    bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    char order = strchr("<>|=", text[0]) ? text[0] : '=';
    const char *letter = text + (strchr("<>|=", text[0]) && text[0]);
    char *end = NULL;
    column->kind = letter[0];
    if (column->kind == 'O')
        return bad(header,
                   "it holds pickled Python objects, which can run code when they are read");
    if (!letter[0] || !strchr("fiubVSaUcMm", letter[0]))
        return bad(header, "its header names an unknown type");
    long size = letter[1] >= '0' && letter[1] <= '9' ? strtol(letter + 1, &end, 10) : -1;
    bool date = column->kind == 'M' || column->kind == 'm'; /* "M8[ns]" */
    if (size < 0 || size > INT32_MAX / 4 || (*end && !date))
        return bad(header, "its header names an unknown type");
    column->size = (int)size * (column->kind == 'U' ? 4 : 1);
    column->swapped = column->size > 1 && order == (little ? '>' : '<');
    return true;
}

static bool is_number(const NpyColumn *column)
{
    int size = column->size;
    switch (column->kind) {
    case 'f':
        return size == 2 || size == 4 || size == 8;
    case 'i':
    case 'u':
        return size == 1 || size == 2 || size == 4 || size == 8;
    case 'b':
        return size == 1;
    default:
        return false;
    }
}

/* Appends a column; its name is the prefix, the name, and [element] unless element is -1. */
static bool add_column(Header *header, NpyColumn column, const char *name, long element)
{
    Npy *npy = header->npy;
    char full[MAX_NAME + 16];
    if (npy->column_count == MAX_COLUMNS)
        return bad(header, "it has more than 65,536 columns");
    if (npy->column_count == header->capacity) {
        header->capacity = header->capacity ? 2 * header->capacity : 16;
        NpyColumn *more = realloc(npy->columns, sizeof *more * (size_t)header->capacity);
        if (!more)
            return bad(header, "out of memory");
        npy->columns = more;
    }
    if (element >= 0)
        snprintf(full, sizeof full, "%s[%ld]", name, element);
    else
        snprintf(full, sizeof full, "%s", name);
    column.name = strdup(full);
    npy->columns[npy->column_count] = column;
    npy->column_count += column.name != NULL;
    return column.name || bad(header, "out of memory");
}

static bool advance(Header *header, uint64_t size)
{
    if (__builtin_add_overflow(header->row_size, size, &header->row_size))
        return bad(header, "its records are larger than the address space");
    return true;
}

/* A field of a plain type, with an optional shape: adds its columns behind the record so far. */
static bool read_plain_field(Header *header, const char *name)
{
    char type[MAX_NAME];
    NpyColumn column = {0};
    int axes = 0;
    uint64_t shape[NPY_AXES], count = 1;
    if (!read_string(header, type) || !read_type(header, type, &column))
        return false;
    if (take(header, ',') && header->at < header->end && *header->at != ')' &&
        !read_shape(header, &axes, shape))
        return false;
    for (int i = 0; i < axes; i++) {
        if (__builtin_mul_overflow(count, shape[i], &count))
            return bad(header, "a field's shape is beyond 64 bits");
    }
    bool padding = column.kind == 'V';
    if (count > MAX_COLUMNS && !padding)
        return bad(header, "it has more than 65,536 columns");
    uint64_t bytes;
    if (__builtin_mul_overflow(count, (uint64_t)column.size, &bytes))
        return bad(header, "a field's shape is beyond 64 bits");
    for (uint64_t i = 0; i < count && !padding; i++) {
        column.offset = header->row_size + i * (uint64_t)column.size;
        if (!add_column(header, column, name, axes > 0 ? (long)i : -1))
            return false;
    }
    return advance(header, bytes);
}

/* The list of a structured type, recursively; names of inner fields get the prefix. */
static bool read_fields(Header *header, const char *prefix, int depth)
{
    char inner[MAX_NAME], name[2 * MAX_NAME];
    if (depth == MAX_NESTING)
        return bad(header, "its fields are nested more than 8 deep");
    while (!take(header, ']')) {
        if (!take(header, '('))
            return bad(header, "a field in its header is no tuple");
        bool titled = take(header, '('); /* (title, name) */
        if (titled && (!read_string(header, inner) || !take(header, ',')))
            return bad(header, "a field's title in its header is broken");
        if (!read_string(header, inner))
            return false;
        if ((titled && !take(header, ')')) || !take(header, ','))
            return bad(header, "a field in its header has no type");
        size_t length = (size_t)snprintf(name, sizeof name, "%s%s", prefix, inner);
        if (length + 2 > MAX_NAME)
            return bad(header, "a name in its header is longer than 250 bytes");
        if (take(header, '[')) {
            memcpy(name + length, ".", 2);
            if (!read_fields(header, name, depth + 1))
                return false;
            take(header, ',');
        } else if (!read_plain_field(header, name)) {
            return false;
        }
        if (!take(header, ')'))
            return bad(header, "a field in its header has a form that we do not read");
        if (!take(header, ',') && (header->at == header->end || *header->at != ']'))
            return bad(header, "the list of fields in its header is broken");
    }
    return true;
}

static bool read_description(Header *header)
{
    if (take(header, '[')) {
        header->npy->named = true;
        return read_fields(header, "", 0);
    }
    char type[MAX_NAME];
    NpyColumn column = {0};
    if (!read_string(header, type) || !read_type(header, type, &column))
        return false;
    if (!is_number(&column))
        return bad(header, "its values are not real numbers");
    header->row_size = (size_t)column.size;
    return add_column(header, column, "", -1);
}

/* {'descr': ..., 'fortran_order': ..., 'shape': ...}: each key once, nothing else. */
static bool read_dictionary(Header *header)
{
    unsigned seen = 0;
    char key[MAX_NAME];
    if (!take(header, '{'))
        return bad(header, "its header is no dictionary");
    while (!take(header, '}')) {
        if (!read_string(header, key))
            return false;
        unsigned bit = strcmp(key, "descr") == 0           ? 1
                       : strcmp(key, "fortran_order") == 0 ? 2
                       : strcmp(key, "shape") == 0         ? 4
                                                           : 0;
        if (!take(header, ':') || bit == 0 || seen & bit)
            return bad(header,
                       "its header does not have exactly the keys descr, fortran_order and shape");
        seen |= bit;
        bool good = true;
        if (bit == 1)
            good = read_description(header);
        else if (bit == 4)
            good = read_shape(header, &header->axes, header->shape);
        else if (!(header->fortran = take_word(header, "True")) && !take_word(header, "False"))
            good = bad(header, "fortran_order in its header is neither True nor False");
        if (!good)
            return false;
        if (!take(header, ',') && (header->at == header->end || *header->at != '}'))
            return bad(header, "its header's dictionary is broken");
    }
    skip_spaces(header);
    if (seen != 7 || header->at != header->end)
        return bad(header,
                   "its header does not have exactly the keys descr, fortran_order and shape");
    return true;
}

/* ---------------------------------------------------------------- where the data lie */
/* Turns the one column of a plain array into as many as its second axis asks for. */
static bool lay_out_plain(Header *header, size_t data)
{
    Npy *npy = header->npy;
    uint64_t count = header->axes == 2 ? header->shape[1] : 1;
    NpyColumn column = npy->columns[0];
    size_t size = (size_t)column.size;
    free(column.name);
    npy->column_count = 0;
    if (count > MAX_COLUMNS)
        return bad(header, "it has more than 65,536 columns");
    NpyColumn *columns = realloc(npy->columns, sizeof *columns * (count ? count : 1));
    if (!columns)
        return bad(header, "out of memory");
    npy->columns = columns;
    npy->column_count = (int)count;
    column.name = NULL;
    for (size_t i = 0; i < count; i++) {
        /* Overflow cannot happen: the file's size was compared with rows * count * size. */
        column.offset = data + i * size * (header->fortran ? (size_t)npy->rows : 1);
        column.stride = header->fortran ? size : size * (size_t)count;
        columns[i] = column;
    }
    return true;
}

/* Records have one axis, columns two, a plain array as a whole any number. */
static bool check_axes(Header *header)
{
    int axes = header->axes;
    bool named = header->npy->named;
    if (header->whole)
        return (!named && axes >= 1) || bad(header, "it is no plain array of one to four axes");
    return axes == 1 || (axes == 2 && (!named || header->shape[1] == 1)) ||
           bad(header, "it has not the one axis (records) or two axes (rows, columns) expected");
}

static bool lay_out(Header *header, size_t data)
{
    Npy *npy = header->npy;
    uint64_t bytes = header->row_size;
    if (!check_axes(header))
        return false;
    for (int i = 0; i < header->axes; i++) {
        if (__builtin_mul_overflow(bytes, header->shape[i], &bytes))
            return bad(header, "its size is beyond 64 bits");
    }
    npy->rows = header->shape[0];
    npy->axes = header->axes;
    memcpy(npy->shape, header->shape, sizeof npy->shape);
    npy->fortran = header->fortran;
    if (bytes != npy->map.size - data)
        return error_set(header->error, EXIT_INVALID,
                         bytes > npy->map.size - data ? "the file is cut: copy it again." : NULL,
                         "'%s' should hold %" PRIu64 " bytes of data by its header, but holds %zu",
                         npy->map.path, bytes, npy->map.size - data);
    if (header->row_size == 0)
        return bad(header, "its rows have no bytes");
    if (header->whole) {
        npy->columns[0].offset = data;
        return true;
    }
    if (!npy->named)
        return lay_out_plain(header, data);
    for (int i = 0; i < npy->column_count; i++) {
        npy->columns[i].offset += data;
        npy->columns[i].stride = header->row_size;
    }
    return true;
}

static bool read_header(Header *header)
{
    const Map *map = &header->npy->map;
    const unsigned char *bytes = map->bytes;
    if (map->size < 12 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return bad(header, "it does not start with the magic bytes of NumPy");
    int version = bytes[6];
    if (version < 1 || version > 3 || bytes[7] != 0)
        return bad(header, "its version is not 1.0, 2.0 or 3.0");
    size_t start = version == 1 ? 10 : 12;
    size_t length = bytes[8] | (size_t)bytes[9] << 8;
    if (version > 1)
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (length > MAX_HEADER || length > map->size - start)
        return bad(header, "its header is longer than 1 MiB or than the file");
    header->latin1 = version < 3;
    header->at = (const char *)bytes + start;
    header->end = header->at + length;
    return read_dictionary(header) && lay_out(header, start + length);
}

static bool open_npy(Npy *npy, const char *path, bool whole, Error *error)
{
    *npy = (Npy){0};
    if (!map_open(&npy->map, path, error))
        return false;
    Header header = {.npy = npy, .error = error, .whole = whole};
    if (read_header(&header))
        return true;
    npy_close(npy);
    return false;
}

bool npy_open(Npy *npy, const char *path, Error *error)
{
    return open_npy(npy, path, false, error);
}

bool npy_open_array(Npy *npy, const char *path, Error *error)
{
    return open_npy(npy, path, true, error);
}

void npy_close(Npy *npy)
{
    for (int i = 0; i < npy->column_count; i++)
        free(npy->columns[i].name);
    free(npy->columns);
    map_close(&npy->map);
    *npy = (Npy){0};
}

/* ---------------------------------------------------------------- choosing columns */
static bool missing_column(const Npy *npy, const char *name, Error *error)
{
    char list[ERROR_TEXT / 2] = "";
    size_t used = 0;
    const char **names = malloc(sizeof *names * (size_t)(npy->column_count + 1));
    if (!names)
        return error_set(error, EXIT_IO, NULL, "out of memory");
    for (int i = 0; i < npy->column_count; i++) {
        names[i] = npy->columns[i].name;
        if (used + strlen(names[i]) + 8 < sizeof list)
            used +=
                (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
        else if (list[used - 1] != '.')
            used += (size_t)snprintf(list + used, sizeof list - used, ", ...");
    }
    const char *near = nearest_word(name, names, (size_t)npy->column_count);
    error_set(error, EXIT_INVALID, NULL, "'%s' has no column '%s'", npy->map.path, name);
    if (near)
        error_hint(error, "did you mean '%s'? The file's columns: %s.", near, list);
    else
        error_hint(error, "the file's columns: %s.", list);
    free(names);
    return false;
}

static bool select_column(const Npy *npy, const char *name, int *column, Error *error)
{
    *column = -1;
    for (int i = 0; i < npy->column_count; i++) {
        if (strcmp(npy->columns[i].name, name) != 0)
            continue;
        if (*column >= 0)
            return error_set(error, EXIT_INVALID, NULL, "'%s' has two columns '%s'", npy->map.path,
                             name);
        *column = i;
    }
    if (*column < 0)
        return missing_column(npy, name, error);
    if (!is_number(&npy->columns[*column]))
        return error_set(error, EXIT_INVALID, NULL,
                         "column '%s' of '%s' does not hold real numbers "
                         "(its type is %c%d)",
                         name, npy->map.path, npy->columns[*column].kind,
                         npy->columns[*column].size);
    return true;
}

bool npy_select(const Npy *npy, const char *const *names, int count, int *columns, Error *error)
{
    if (!npy->named && npy->column_count != count)
        return error_set(error, EXIT_INVALID,
                         "columns without names are taken in the order of the keys, "
                         "so their number must be the same; a structured array may have more.",
                         "'%s' has %d columns without names, but %d keys are asked for",
                         npy->map.path, npy->column_count, count);
    for (int i = 0; i < count; i++) {
        columns[i] = i;
        if (npy->named && !select_column(npy, names[i], &columns[i], error))
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------- values */
static double half_to_double(uint64_t bits)
{
    double sign = bits & 0x8000 ? -1.0 : 1.0;
    int exponent = (int)(bits >> 10 & 31);
    double fraction = (double)(bits & 1023);
    uint64_t special = fraction > 0 ? 0x7ff8000000000000u : 0x7ff0000000000000u;
    double power;
    if (exponent == 31) {
        memcpy(&power, &special, sizeof power);
        return sign * power;
    }
    uint64_t scale = (uint64_t)((exponent ? exponent : 1) - 25 + 1023)
                     << 52; /* 2^(exponent - 25) */
    memcpy(&power, &scale, sizeof power);
    return sign * (fraction + (exponent ? 1024.0 : 0.0)) * power;
}

/* size bytes as an unsigned number, in this machine's order. */
static uint64_t load_bits(const unsigned char *bytes, int size, bool swapped)
{
    uint64_t bits = 0;
    for (int i = 0; i < size; i++) {
        bool first_is_low = (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) != swapped;
        bits |= (uint64_t)bytes[i] << 8 * (first_is_low ? i : size - 1 - i);
    }
    return bits;
}

double npy_decode(const NpyColumn *column, const unsigned char *bytes)
{
    uint64_t bits = load_bits(bytes, column->size, column->swapped);
    uint32_t low = (uint32_t)bits;
    uint64_t sign = (uint64_t)1 << (8 * column->size - 1);
    float single;
    double number;
    switch (column->kind) {
    case 'b':
        return bits != 0;
    case 'u':
        return (double)bits;
    case 'i':
        return bits & sign ? -(double)(sign - (bits ^ sign)) : (double)bits;
    default:
        break;
    }
    if (column->size == 2)
        return half_to_double(bits);
    if (column->size == 4) {
        memcpy(&single, &low, sizeof single);
        return (double)single;
    }
    memcpy(&number, &bits, sizeof number);
    return number;
}

double npy_value(const Npy *npy, int column, uint64_t row)
{
    const NpyColumn *source = &npy->columns[column];
    const unsigned char *bytes = npy->map.bytes + source->offset + row * source->stride;
    if (source->kind == 'f' && source->size == 4 &&
        !source->swapped) { /* what nearly all files hold */
        float single;
        memcpy(&single, bytes, sizeof single);
        return (double)single;
    }
    return npy_decode(source, bytes);
}

void npy_read(const Npy *npy, int column, uint64_t first, size_t count, double *out)
{
    const NpyColumn *source = &npy->columns[column];
    const unsigned char *bytes = npy->map.bytes + source->offset + first * source->stride;
    if (source->kind == 'f' && source->size == 4 && !source->swapped) {
        for (size_t i = 0; i < count; i++) {
            float single;
            memcpy(&single, bytes + i * source->stride, sizeof single);
            out[i] = (double)single;
        }
        return;
    }
    for (size_t i = 0; i < count; i++)
        out[i] = npy_decode(source, bytes + i * source->stride);
}

/* ---------------------------------------------------------------- writing */
/* A name as a Python string literal. */
static void add_name(Text *text, const char *name)
{
    text_add_bytes(text, "'", 1);
    for (const char *c = name; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte < 0x20 || byte == 0x7f)
            text_add(text, "\\x%02x", byte);
        else
            text_add(text, byte == '\'' || byte == '\\' ? "\\%c" : "%c", byte);
    }
    text_add_bytes(text, "'", 1);
}

static bool is_ascii(const Text *text)
{
    for (size_t i = 0; i < text->length; i++) {
        if ((unsigned char)text->bytes[i] >= 0x80)
            return false;
    }
    return true;
}

/* Magic, version, length, dictionary, and spaces up to a multiple of 64, or to `least` bytes. */
static Text make_header(const char *description, const char *shape, size_t least)
{
    Text dictionary = {0}, header = {0};
    text_add(&dictionary, "{'descr': %s, 'fortran_order': False, 'shape': %s, }", description,
             shape);
    int version = !is_ascii(&dictionary) ? 3 : dictionary.length > 65000 ? 2 : 1;
    size_t start = version == 1 ? 10 : 12;
    size_t length = (start + dictionary.length + 1 + 63) / 64 * 64 - start;
    length = length + start < least ? least - start : length;
    char lead[12] = {'\x93', 'N', 'U', 'M', 'P', 'Y', (char)version, 0};
    for (size_t i = 8; i < start; i++)
        lead[i] = (char)(length >> 8 * (i - 8) & 0xff);
    text_add_bytes(&header, lead, start);
    text_add_bytes(&header, dictionary.bytes, dictionary.length);
    text_add(&header, "%*s\n", (int)(length - dictionary.length - 1), "");
    text_free(&dictionary);
    return header;
}

static bool start_file(NpyWriter *writer, const char *path, const char *description,
                       const char *shape, uint64_t rows, Error *error)
{
    uint64_t size;
    writer->rows_left = rows;
    Text header = make_header(description, shape, 0);
    bool good = !__builtin_mul_overflow(rows, (uint64_t)writer->row_size, &size) &&
                !__builtin_add_overflow(size, (uint64_t)header.length, &size);
    if (!good)
        error_set(error, EXIT_USAGE, NULL, "'%s' would be larger than 2^64 bytes", path);
    if (good && header.length > MAX_HEADER)
        good = error_set(error, EXIT_USAGE, NULL, "'%s' would have a header beyond 1 MiB", path);
    good = good && output_open(&writer->output, path, size, error);
    if (good && !output_write(&writer->output, header.bytes, header.length, error)) {
        output_abandon(&writer->output);
        good = false;
    }
    text_free(&header);
    return good;
}

bool npy_create(NpyWriter *writer, const char *path, const char *const *names, int column_count,
                uint64_t rows, Error *error)
{
    char shape[32];
    Text description = {0};
    for (int i = 0; i < column_count; i++) {
        text_add(&description, "%s", i ? ", (" : "[(");
        add_name(&description, names[i]);
        text_add(&description, ", '<f4')");
    }
    text_add(&description, "]");
    snprintf(shape, sizeof shape, "(%" PRIu64 ",)", rows);
    writer->row_size = sizeof(float) * (size_t)column_count;
    bool good = start_file(writer, path, description.bytes, shape, rows, error);
    text_free(&description);
    return good;
}

bool npy_create_plain(NpyWriter *writer, const char *path, int column_count, int value_size,
                      uint64_t rows, Error *error)
{
    char shape[48];
    snprintf(shape, sizeof shape, "(%" PRIu64 ", %d)", rows, column_count);
    writer->row_size = (size_t)value_size * (size_t)column_count;
    return start_file(writer, path, value_size == 4 ? "'<f4'" : "'<f8'", shape, rows, error);
}

static Text form_header(const NpyForm *form, uint64_t rows, size_t least)
{
    Text shape = {0};
    text_add(&shape, "(%" PRIu64 "%s)", rows, form->axes);
    Text header = make_header(form->type, shape.bytes, least);
    text_free(&shape);
    return header;
}

bool npy_create_form(NpyWriter *writer, const char *path, const NpyForm *form, uint64_t rows,
                     Error *error)
{
    Text shape = {0};
    text_add(&shape, "(%" PRIu64 "%s)", rows, form->axes);
    writer->row_size = form->row_size;
    bool good = start_file(writer, path, form->type, shape.bytes, rows, error);
    text_free(&shape);
    return good;
}

bool npy_finish_short(NpyWriter *writer, const NpyForm *form, uint64_t rows, Error *error)
{
    uint64_t promised = rows + writer->rows_left;
    Text old = form_header(form, promised, 0), header = form_header(form, rows, old.length);
    uint64_t size = header.length + rows * form->row_size;
    bool good = output_replace(&writer->output, header.bytes, header.length, size, error);
    text_free(&old);
    text_free(&header);
    if (good)
        return output_commit(&writer->output, error);
    npy_abandon(writer);
    return false;
}

bool npy_has_form(const Map *map, const NpyForm *form, uint64_t *rows, size_t *start)
{
    for (*start = 64; *start <= 1024 && *start < map->size; *start += 64) {
        *rows = (map->size - *start) / form->row_size;
        Text header = form_header(form, *rows, *start);
        bool same = header.length == *start && *rows * form->row_size == map->size - *start &&
                    !memcmp(header.bytes, map->bytes, *start);
        text_free(&header);
        if (same)
            return true;
    }
    return false;
}

bool npy_append(NpyWriter *writer, const void *values, size_t count, Error *error)
{
    if (count > writer->rows_left)
        return error_set(error, EXIT_INTERNAL, NULL, "more rows than promised for '%s'",
                         writer->output.path);
    writer->rows_left -= count;
    return output_write(&writer->output, values, count * writer->row_size, error);
}

bool npy_finish(NpyWriter *writer, Error *error)
{
    if (writer->rows_left == 0)
        return output_commit(&writer->output, error);
    error_set(error, EXIT_INTERNAL, NULL, "fewer rows than promised for '%s'", writer->output.path);
    npy_abandon(writer);
    return false;
}

void npy_abandon(NpyWriter *writer) { output_abandon(&writer->output); }
