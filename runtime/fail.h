/* fail.h -- exit statuses and diagnostics, the same in every program of the project.
 *
 * A function that can be handed bad input reports it in an Error and returns false; the program
 * decides whether to stop (fail_error) or to go on without it (a damaged checkpoint). */
#ifndef GAGAC_FAIL_H
#define GAGAC_FAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define NO_RETURN __attribute__((noreturn))
#else
#define PRINTF_LIKE(f, a)
#define NO_RETURN
#endif

/* Exit status of every program of the project, by kind of failure. */
enum {
    EXIT_OK = 0,
    EXIT_INVALID = 1,   /* the config or the data are wrong */
    EXIT_USAGE = 2,     /* the command line is wrong */
    EXIT_TOOLCHAIN = 3, /* no compiler, or the compiler failed */
    EXIT_IO = 4,        /* a file cannot be read or written, disk full included */
    EXIT_DIVERGED = 5,  /* a loss became NaN or infinite */
    EXIT_DEVICE = 6,    /* no GPU, or the GPU or its driver failed */
    EXIT_INTERNAL = 70,
    EXIT_STOPPED = 75 /* stopped by a signal, a good checkpoint is on disk */
};

enum { ERROR_TEXT = 1024 };

typedef struct Error {
    int status;               /* an exit status; EXIT_OK: no error */
    char message[ERROR_TEXT]; /* one sentence without a newline, control bytes escaped */
    char hint[ERROR_TEXT];    /* what to do about it; may be empty */
} Error;

/* Fills the error and returns false, so that a reader can end with `return error_set(...)`.
 * hint may be NULL. Text too long for the fields is cut. */
bool error_set(Error *error, int status, const char *hint, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* Replaces the hint of an error that is set. */
void error_hint(Error *error, const char *format, ...) PRINTF_LIKE(2, 3);

/* Prints "program: error: message" and, when hint is not NULL, "hint: ..."; ends the program.
 * gagac has its own fail(), same symbol: fail.c is linked into generated programs only. */
void fail(int status, const char *hint, const char *format, ...) NO_RETURN PRINTF_LIKE(3, 4);
/* "program: warning: ..." on stderr, and the program goes on. hint may be NULL. */
void warn(const char *hint, const char *format, ...) PRINTF_LIKE(2, 3);
/* Name printed before messages; "program" until set. The text is kept, not copied. */
void fail_program(const char *name);

/* Ends the program with an error that a reader reported. */
NO_RETURN static inline void fail_error(const Error *error)
{
    fail(error->status, error->hint[0] ? error->hint : NULL, "%s", error->message);
}

/* Copies text to out with control bytes and bytes of broken UTF-8 as \xNN; cut where out is full.
 */
void escape_text(char *out, size_t size, const char *text);
/* The candidate nearest to word (Damerau-Levenshtein distance at most 2 and less than half of the
 * word's length; case costs nothing), or NULL. */
const char *nearest_word(const char *word, const char *const *candidates, size_t count);

/* Pieces of readers: *at moves on, never beyond end. Digits of one hexadecimal number, exactly that
 * many. */
bool read_hexadecimal(const char **at, const char *end, int digits, uint32_t *number);
/* A whole number in decimal digits; false when there is none or it is beyond 64 bits. */
bool read_whole(const char **at, const char *end, uint64_t *number);
/* Writes a character (code <= 0x10ffff) as UTF-8 and returns its length, 1 to 4 bytes. */
size_t put_character(char *out, uint32_t code);

#endif
