/* words.c -- text for messages: errors as values, escaping, the nearest word. */
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the UTF-8 sequence at text (ASCII from space to ~ is 1), or 0 where there is no
 * printable character: control bytes, broken or overlong sequences, surrogates, and the invisible
 * controls of Unicode that reorder text on a terminal. */
static int character_length(const unsigned char *text)
{
    unsigned char lead = text[0];
    if (lead < 0x80)
        return lead >= 0x20 && lead != 0x7f;
    int length = lead >= 0xc2 && lead < 0xe0   ? 2
                 : lead >= 0xe0 && lead < 0xf0 ? 3
                 : lead >= 0xf0 && lead < 0xf5 ? 4
                                               : 0;
    unsigned code = length ? lead & (0xffu >> (length + 1)) : 0;
    for (int i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3fu);
    }
    bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    bool surrogate = code >= 0xd800 && code < 0xe000;
    bool control = code < 0xa0 || code == 0x200e || code == 0x200f ||
                   (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
                   code > 0x10ffff;
    return overlong || surrogate || control ? 0 : length;
}

void escape_text(char *out, size_t size, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = (const unsigned char *)text;
    size_t used = 0;
    while (*in) {
        int length = character_length(in);
        size_t need = length ? (size_t)length : 4;
        if (used + need >= size)
            break;
        if (length) {
            memcpy(out + used, in, need);
        } else {
            char code[4] = {'\\', 'x', digits[*in >> 4], digits[*in & 15]};
            memcpy(out + used, code, 4);
        }
        used += need;
        in += length ? length : 1;
    }
    out[used] = 0;
}

static void format_escaped(char *out, const char *format, va_list values) PRINTF_LIKE(2, 0);

static void format_escaped(char *out, const char *format, va_list values)
{
    char raw[ERROR_TEXT];
    vsnprintf(raw, sizeof raw, format, values);
    escape_text(out, ERROR_TEXT, raw);
}

bool error_set(Error *error, int status, const char *hint, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    error->status = status;
    format_escaped(error->message, format, values);
    va_end(values);
    escape_text(error->hint, sizeof error->hint, hint ? hint : "");
    return false;
}

void error_hint(Error *error, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    format_escaped(error->hint, format, values);
    va_end(values);
}

enum { LONGEST_WORD = 64 }; /* longer words get no suggestion */

static char fold_case(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static int smaller(int a, int b) { return a < b ? a : b; }

/* Damerau-Levenshtein distance (insert, delete, replace, swap neighbours), case ignored. */
static int word_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int row[3][LONGEST_WORD + 1]; /* the last rows of the usual table; row i is row[i % 3] */
    for (size_t j = 0; j <= b_length; j++)
        row[0][j] = (int)j;
    for (size_t i = 1; i <= a_length; i++) {
        int *now = row[i % 3], *above = row[(i + 2) % 3], *two_above = row[(i + 1) % 3];
        now[0] = (int)i;
        for (size_t j = 1; j <= b_length; j++) {
            char x = fold_case(a[i - 1]), y = fold_case(b[j - 1]);
            int best = above[j - 1] + (x != y);
            best = smaller(best, smaller(above[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && x == fold_case(b[j - 2]) && y == fold_case(a[i - 2]))
                best = smaller(best, two_above[j - 2] + 1);
            now[j] = best;
        }
    }
    return row[a_length % 3][b_length];
}

const char *nearest_word(const char *word, const char *const *candidates, size_t count)
{
    const char *nearest = NULL;
    size_t length = strlen(word);
    int best = 3;
    for (size_t i = 0; i < count && length <= LONGEST_WORD; i++) {
        size_t other = strlen(candidates[i]);
        if (other > LONGEST_WORD)
            continue;
        int distance = word_distance(word, length, candidates[i], other);
        if (distance < best && 2 * (size_t)distance < length) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}

bool read_hexadecimal(const char **at, const char *end, int digits, uint32_t *number)
{
    static const char values[] = "0123456789abcdef0123456789ABCDEF";
    *number = 0;
    for (int i = 0; i < digits; i++, ++*at) {
        const char *value = *at < end ? memchr(values, **at, sizeof values - 1) : NULL;
        if (!value)
            return false;
        *number = *number << 4 | (uint32_t)((value - values) & 15);
    }
    return true;
}

bool read_whole(const char **at, const char *end, uint64_t *number)
{
    const char *start = *at;
    for (*number = 0; *at < end && **at >= '0' && **at <= '9'; ++*at) {
        if (__builtin_mul_overflow(*number, 10u, number) ||
            __builtin_add_overflow(*number, (uint64_t)(**at - '0'), number))
            return false;
    }
    return *at > start;
}

size_t put_character(char *out, uint32_t code)
{
    int tail = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    out[0] = (char)(tail ? 0xf00u >> (tail + 1) | code >> 6 * tail : code);
    for (int i = 1; i <= tail; i++)
        out[i] = (char)(0x80 | (code >> 6 * (tail - i) & 0x3f));
    return (size_t)tail + 1;
}
