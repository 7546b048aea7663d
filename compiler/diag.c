/* diag.c -- diagnostics: where in the user's input, what is wrong, what to do about it.
 *
 * Everything quoted from the input is made safe for a terminal: control characters, malformed UTF-8
 * and marks that reorder text are escaped. A quoted line is cut to a window around the span, so a
 * file without line ends stays readable. */
#include "gagac.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    TAB_COLUMNS = 4,
    WINDOW_COLUMNS = 96, /* of a quoted line */
    WINDOW_BEFORE = 48   /* bytes shown before the span in a line that is cut */
};

typedef struct CodeRange {
    uint32_t first, last;
} CodeRange;

/* Characters that take two columns, and those that take none. */
static const CodeRange wide_ranges[] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xac00, 0xd7a3},
    {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
    {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};
static const CodeRange combining_ranges[] = {
    {0x300, 0x36f}, {0x200b, 0x200d}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff},
};
#define IN_RANGES(code, ranges) in_ranges(code, ranges, sizeof(ranges) / sizeof((ranges)[0]))

static bool in_ranges(uint32_t code, const CodeRange *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

size_t utf8_decode(const char *text, size_t length, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000}; /* of 2, 3, 4 bytes */
    unsigned char lead = (unsigned char)text[0];
    if (lead < 0x80) {
        *code = lead;
        return 1;
    }
    size_t count = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || count > length) {
        return 0;
    }
    uint32_t value = lead & (0xffu >> (count + 1));
    for (size_t i = 1; i < count; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80) {
            return 0;
        }
        value = value << 6 | ((unsigned char)text[i] & 0x3f);
    }
    bool surrogate = value >= 0xd800 && value <= 0xdfff;
    *code = value;
    return value < smallest[count] || value > 0x10ffff || surrogate ? 0 : count;
}

enum { RENDERED = 20 }; /* bytes of one character made safe: at most \xNN four times, and NUL */

/* Writes the character at text in a safe form, and its columns; returns the bytes it takes. */
static size_t render_character(const char *text, size_t length, char out[RENDERED], int *columns)
{
    uint32_t code = 0;
    size_t count = utf8_decode(text, length, &code);
    char character[5] = {0};
    memcpy(character, text, count == 0 ? 1 : count);
    if (text[0] == '\0') {
        snprintf(out, RENDERED, "\\x00");
    } else {
        escape_text(out, RENDERED, character);
    }
    bool escaped = strcmp(out, character) != 0;
    *columns = escaped                             ? (int)strlen(out)
               : IN_RANGES(code, wide_ranges)      ? 2
               : IN_RANGES(code, combining_ranges) ? 0
                                                   : 1;
    return count == 0 ? 1 : count;
}

const char *printable(const char *text)
{
    size_t size = strlen(text) * 4 + 1;
    char *result = arena_alloc(size);
    escape_text(result, size, text);
    return result;
}

static size_t line_begin(const Source *source, size_t at)
{
    while (at > 0 && source->text[at - 1] != '\n') {
        at--;
    }
    return at;
}

static size_t line_end(const Source *source, size_t at)
{
    while (at < source->length && source->text[at] != '\n') {
        at++;
    }
    return at > 0 && at < source->length && source->text[at - 1] == '\r' ? at - 1 : at;
}

static bool continues_character(const Source *source, size_t at)
{
    return at < source->length && ((unsigned char)source->text[at] & 0xc0) == 0x80;
}

/* "path:line:column: ", lines and characters counted from 1. */
static void print_place(Span where)
{
    const Source *source = where.source;
    if (source == NULL) {
        fputs("gagac: ", stderr);
        return;
    }
    if (source->text == NULL) {
        fprintf(stderr, "%s: ", printable(source->path));
        return;
    }
    size_t line = 1, column = 1;
    for (size_t i = 0; i < where.begin && i < source->length; i++) {
        if (source->text[i] == '\n') {
            line++;
            column = 1;
        } else if (!continues_character(source, i)) {
            column++;
        }
    }
    fprintf(stderr, "%s:%zu:%zu: ", printable(source->path), line, column);
}

/* The first byte of the line to show: its begin, or a character some way before the span. */
static size_t window_begin(const Source *source, size_t at)
{
    size_t begin = line_begin(source, at);
    if (at - begin <= WINDOW_BEFORE) {
        return begin;
    }
    size_t from = at - WINDOW_BEFORE;
    while (from < at && continues_character(source, from)) {
        from++;
    }
    return from;
}

/* The line of the span's begin, and under it ^~~~ as wide as the part of the span that is shown. */
static void print_quote(Span where)
{
    const Source *source = where.source;
    size_t at = where.begin < source->length ? where.begin : source->length;
    size_t from = window_begin(source, at), end = line_end(source, at);
    bool cut_left = from > line_begin(source, at);
    int column = cut_left ? 3 : 0, first = 0, last = 0;
    fputs(cut_left ? "  ..." : "  ", stderr);
    size_t i = from;
    for (bool in_window = true; in_window && i <= end;) {
        first = i <= at ? column : first;
        if (i == end) {
            break;
        }
        char out[RENDERED] = "    ";
        int columns = TAB_COLUMNS;
        const char *next = source->text + i;
        i += *next == '\t' ? 1 : render_character(next, end - i, out, &columns);
        fputs(out, stderr);
        column += columns;
        last = i <= where.end ? column - 1 : last;
        in_window = column < WINDOW_COLUMNS;
    }
    fprintf(stderr, "%s\n  %*s^", i < end ? "..." : "", first, "");
    for (int k = first + 1; k <= last; k++) {
        fputc('~', stderr);
    }
    fputc('\n', stderr);
}

static void print_message(Span where, const char *severity, const char *format, va_list arguments)
{
    print_place(where);
    fprintf(stderr, "%s: ", severity);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

static void print_details(Span where, const char *hint)
{
    if (where.source != NULL && where.source->text != NULL) {
        print_quote(where);
    }
    if (hint != NULL) {
        fprintf(stderr, "hint: %s\n", hint);
    }
}

void fail_at(Span where, const char *hint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_message(where, "error", format, arguments);
    va_end(arguments);
    print_details(where, hint);
    exit(EXIT_INVALID);
}

void warn_at(Span where, const char *hint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_message(where, "warning", format, arguments);
    va_end(arguments);
    print_details(where, hint);
}

void note_at(Span where, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_message(where, "note", format, arguments);
    va_end(arguments);
}

void fail(int status, const char *hint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_message((Span){0}, "error", format, arguments);
    va_end(arguments);
    print_details((Span){0}, hint);
    exit(status);
}

void warn(const char *hint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_message((Span){0}, "warning", format, arguments);
    va_end(arguments);
    print_details((Span){0}, hint);
}

void internal_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_message((Span){0}, "internal error", format, arguments);
    va_end(arguments);
    exit(EXIT_INTERNAL);
}
