/* fail.c -- diagnostics of generated programs. */
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *program_name = "program";

void fail_program(const char *name) { program_name = name; }

static void print_message(const char *severity, const char *hint, const char *format,
                          va_list values) PRINTF_LIKE(3, 0);

static void print_message(const char *severity, const char *hint, const char *format,
                          va_list values)
{
    char raw[ERROR_TEXT], text[ERROR_TEXT];
    vsnprintf(raw, sizeof raw, format, values);
    escape_text(text, sizeof text, raw);
    fflush(stdout);
    fprintf(stderr, "%s: %s: %s\n", program_name, severity, text);
    if (hint) {
        escape_text(text, sizeof text, hint);
        fprintf(stderr, "hint: %s\n", text);
    }
}

void fail(int status, const char *hint, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    print_message("error", hint, format, values);
    va_end(values);
    exit(status);
}

void warn(const char *hint, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    print_message("warning", hint, format, values);
    va_end(values);
}
