/* text.c -- see text.h. */
#include "text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for `more` bytes and the NUL behind them. */
static void reserve(Text *text, size_t more)
{
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity) {
        return;
    }
    size_t capacity = needed * 2;
    char *bytes = realloc(text->bytes, capacity);
    if (!bytes) {
        fail(EXIT_IO, NULL, "out of memory: %zu bytes", capacity);
    }
    text->bytes = bytes;
    text->capacity = capacity;
}

void text_add_bytes(Text *text, const char *bytes, size_t length)
{
    reserve(text, length);
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = 0;
}

void text_add(Text *text, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = vsnprintf(NULL, 0, format, values);
    va_end(values);
    if (length < 0) {
        return;
    }
    reserve(text, (size_t)length);
    va_start(values, format);
    vsnprintf(text->bytes + text->length, (size_t)length + 1, format, values);
    va_end(values);
    text->length += (size_t)length;
}

void text_add_json(Text *text, const char *string)
{
    text_add_bytes(text, "\"", 1);
    for (; *string; string++) {
        unsigned char byte = (unsigned char)*string;
        if (byte < 0x20 || byte == 0x7f) {
            text_add(text, "\\u%04x", byte);
        } else {
            if (byte == '"' || byte == '\\') {
                text_add_bytes(text, "\\", 1);
            }
            text_add_bytes(text, string, 1);
        }
    }
    text_add_bytes(text, "\"", 1);
}

void text_add_number(Text *text, double value)
{
    if (isfinite(value)) {
        text_add(text, "%.9g", value);
    } else {
        text_add(text, "null");
    }
}

void text_add_html(Text *text, const char *string)
{
    for (; *string; string++) {
        switch (*string) {
        case '&':
            text_add(text, "&amp;");
            break;
        case '<':
            text_add(text, "&lt;");
            break;
        case '>':
            text_add(text, "&gt;");
            break;
        case '"':
            text_add(text, "&quot;");
            break;
        default:
            text_add_bytes(text, string, 1);
        }
    }
}

void text_free(Text *text)
{
    free(text->bytes);
    *text = (Text){0};
}
