/* text.h -- a text that grows while it is written: reports, JSON, C tables. */
#ifndef GAGAC_TEXT_H
#define GAGAC_TEXT_H

#include "fail.h"

typedef struct Text {
    char *bytes; /* NUL-terminated, or NULL while nothing was added */
    size_t length, capacity;
} Text;

/* Adds formatted text. Ends the program when memory is out. */
void text_add(Text *text, const char *format, ...) PRINTF_LIKE(2, 3);
void text_add_bytes(Text *text, const char *bytes, size_t length);
/* Adds a JSON string with its quotes; control bytes are escaped. */
void text_add_json(Text *text, const char *string);
/* Adds a number as JSON; null when it is not finite. */
void text_add_number(Text *text, double value);
/* Adds text with HTML's special characters escaped. */
void text_add_html(Text *text, const char *string);
void text_free(Text *text);

#endif
