/* json.c -- JSON text to a tree in which every value and key knows its place in the file.
 *
 * cJSON is lax (trailing text, duplicate keys, 1e999, 007, \u0000, broken UTF-8) and has no places.
 * So a strict scanner of our own goes first: it checks every byte against RFC 8259 and the limits,
 * and builds the tree with kinds and spans. What it accepts, cJSON then parses for the values, and
 * fill() walks both trees in parallel. */
#include "gagac.h"

#include <cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_TEXT = 4 << 20,
    MAX_DEPTH = 64,
    MAX_KEYS = 10000,
    MAX_VALUES = 200000, /* bounds the memory of the tree */
    MAX_STRING = 64 << 10,
    MAX_NUMBER = 63 /* cJSON cuts longer ones */
};

typedef struct Scanner {
    const Source *source;
    size_t at; /* next byte */
    int key_count, value_count;
    int depth; /* open containers */
    Json *open[MAX_DEPTH];
    Json *last[MAX_DEPTH]; /* newest child of each open container */
} Scanner;

/* ---------------------------------------------------------------- the scanner */

static int peek(const Scanner *s)
{
    return s->at < s->source->length ? (unsigned char)s->source->text[s->at] : EOF;
}

static Span span_from(const Scanner *s, size_t begin) { return (Span){s->source, begin, s->at}; }

static void skip_blank(Scanner *s)
{
    for (int c = peek(s); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = peek(s)) {
        s->at++;
    }
}

static size_t line_of(Span span)
{
    size_t line = 1;
    for (size_t i = 0; i < span.begin; i++) {
        line += span.source->text[i] == '\n';
    }
    return line;
}

/* Bytes that belong together for a reader: a word or a number, else one character. */
static size_t word_end(const Scanner *s)
{
    const char *text = s->source->text;
    size_t end = s->at;
    while (end < s->source->length && text[end] != '\0' &&
           (strchr("+-._", text[end]) != NULL || (text[end] >= '0' && text[end] <= '9') ||
            ((text[end] | 32) >= 'a' && (text[end] | 32) <= 'z'))) {
        end++;
    }
    uint32_t code;
    size_t rest = s->source->length - s->at;
    return end > s->at || rest == 0 ? end : s->at + utf8_decode(text + s->at, rest, &code);
}

static NO_RETURN void fail_end(const Scanner *s)
{
    Span end = {s->source, s->source->length, s->source->length};
    if (s->depth == 0) {
        fail_at(end, "a config is one object: { ... }", "the file is empty");
    }
    const Json *open = s->open[s->depth - 1];
    const char *what = open->kind == JSON_OBJECT ? "object" : "array";
    fail_at(end, open->kind == JSON_OBJECT ? "close it with `}`" : "close it with `]`",
            "the file ends inside the %s that begins on line %zu", what, line_of(open->span));
}

static NO_RETURN void fail_encoding(const Scanner *s)
{
    fail_at((Span){s->source, s->at, s->at + 1}, "save the file as UTF-8",
            "this byte is not valid UTF-8");
}

/* What the author of this word or character probably meant; NULL when there is no guess. */
static const char *guess_hint(const Scanner *s, const char *word)
{
    static const char *const spellings[][2] = {
        {"True", "true"},   {"False", "false"}, {"None", "null"}, {"TRUE", "true"},
        {"FALSE", "false"}, {"NULL", "null"},   {"yes", "true"},  {"no", "false"},
    };
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        if (strcmp(word, spellings[i][0]) == 0) {
            return arena_printf("write `%s`", spellings[i][1]);
        }
    }
    if (peek(s) == '/' || peek(s) == '#') {
        return "a comment is a key that begins with #: \"#\": \"text\"";
    }
    if (peek(s) == '\'') {
        return "text stands in double quotes";
    }
    char *end;
    double value = strtod(word, &end); /* takes +1 .5 1. 007 0x10 and NaN too */
    if (end > word && *end == '\0') {
        const char *plain = arena_printf("%.15g", value);
        bool misspelled = isfinite(value) && strcmp(plain, word) != 0;
        return misspelled        ? arena_printf("write `%s`", plain)
               : isfinite(value) ? NULL
                                 : "JSON has no NaN and no infinity";
    }
    bool letter = (word[0] | 32) >= 'a' && (word[0] | 32) <= 'z';
    return letter ? arena_printf("text stands in double quotes: \"%s\"", word) : NULL;
}

static NO_RETURN void fail_unexpected(Scanner *s, const char *expected)
{
    if (peek(s) == EOF) {
        fail_end(s);
    }
    size_t end = word_end(s);
    if (end == s->at) {
        fail_encoding(s);
    }
    const char *word = arena_copy(s->source->text + s->at, end - s->at);
    fail_at((Span){s->source, s->at, end}, guess_hint(s, word), "expected %s, not `%s`", expected,
            printable(word));
}

static bool is_digit(int c) { return c >= '0' && c <= '9'; }

/* The grammar of RFC 8259: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
static bool is_number(const char *p)
{
    p += *p == '-';
    if (!is_digit(*p) || (p[0] == '0' && is_digit(p[1]))) {
        return false;
    }
    while (is_digit(*p)) {
        p++;
    }
    if (*p == '.') {
        p++;
        if (!is_digit(*p)) {
            return false;
        }
        while (is_digit(*p)) {
            p++;
        }
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '+' || *p == '-';
        if (!is_digit(*p)) {
            return false;
        }
        while (is_digit(*p)) {
            p++;
        }
    }
    return *p == '\0';
}

static void scan_number(Scanner *s)
{
    size_t begin = s->at, length = word_end(s) - s->at;
    const char *word = arena_copy(s->source->text + begin, length);
    if (!is_number(word)) {
        fail_unexpected(s, "a value");
    }
    s->at += length;
    if (length > MAX_NUMBER) {
        fail_at(span_from(s, begin), NULL, "a number has at most %d characters", MAX_NUMBER);
    }
    double value = strtod(word, NULL);
    if (!isfinite(value)) {
        fail_at(span_from(s, begin), NULL, "number out of range");
    }
    bool integer = strpbrk(word, ".eE") == NULL;
    const char *digits = value == 0 ? word : arena_printf("%.0f", value); /* exact decimal form */
    if (integer && strcmp(digits, word) != 0) {
        fail_at(span_from(s, begin), "give it as text, in double quotes, where it is a seed",
                "this integer is too large to be exact");
    }
}

static void scan_word(Scanner *s, const char *word)
{
    size_t length = strlen(word);
    if (word_end(s) - s->at != length || memcmp(s->source->text + s->at, word, length) != 0) {
        fail_unexpected(s, "a value");
    }
    s->at += length;
}

/* The four hexadecimal digits after \u; -1 when they are not. */
static long read_hex4(const Scanner *s, size_t at)
{
    long value = 0;
    for (size_t i = at; i < at + 4; i++) {
        int c = i < s->source->length ? s->source->text[i] : 0;
        const char *digits = "0123456789abcdef";
        const char *digit = c == 0 ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c);
        if (digit == NULL) {
            return -1;
        }
        value = value * 16 + (digit - digits);
    }
    return value;
}

/* s->at is at the backslash. */
static void scan_escape(Scanner *s)
{
    size_t begin = s->at++;
    int c = peek(s);
    s->at++;
    if (c == EOF || c == '\0' || strchr("\"\\/bfnrtu", c) == NULL) {
        s->at -= c == EOF || c >= 0x80 || c < 0x20;
        fail_at(span_from(s, begin), "a backslash itself is written \\\\",
                "unknown escape in a string");
    }
    if (c != 'u') {
        return;
    }
    long code = read_hex4(s, s->at);
    s->at += code < 0 ? 0 : 4;
    if (code < 0) {
        fail_at(span_from(s, begin), NULL, "\\u takes four hexadecimal digits");
    }
    if (code == 0) {
        fail_at(span_from(s, begin), NULL, "a string cannot hold the character \\u0000");
    }
    if (code >= 0xd800 && code <= 0xdfff) {
        bool pair = code < 0xdc00 && peek(s) == '\\' && s->at + 1 < s->source->length &&
                    s->source->text[s->at + 1] == 'u';
        long low = pair ? read_hex4(s, s->at + 2) : -1;
        if (low < 0xdc00 || low > 0xdfff) {
            fail_at(span_from(s, begin), NULL, "half of a surrogate pair");
        }
        s->at += 6;
    }
}

static void scan_string(Scanner *s)
{
    size_t begin = s->at++;
    for (int c = peek(s); c != '"'; c = peek(s)) {
        uint32_t code;
        if (c == EOF || c == '\n' || c == '\r') {
            fail_at(span_from(s, begin), "close it with a double quote",
                    "this string does not end on its line");
        }
        if (c < 0x20) {
            fail_at((Span){s->source, s->at, s->at + 1}, "write it as an escape, \\t or \\u00..",
                    "a control character inside a string");
        }
        if (c == '\\') {
            scan_escape(s);
            continue;
        }
        size_t count = utf8_decode(s->source->text + s->at, s->source->length - s->at, &code);
        if (count == 0) {
            fail_encoding(s);
        }
        s->at += count;
    }
    s->at++;
    if (s->at - begin > MAX_STRING) {
        fail_at((Span){s->source, begin, begin + 1}, NULL, "a string has at most %d bytes",
                MAX_STRING);
    }
}

static void open_container(Scanner *s, Json *container)
{
    s->at++;
    if (s->depth == MAX_DEPTH) {
        fail_at(container->span, NULL, "nested deeper than %d levels", MAX_DEPTH);
    }
    s->open[s->depth] = container;
    s->last[s->depth] = NULL;
    s->depth++;
}

/* One scalar, or the opening bracket of a container; fills kind and span. */
static void scan_value(Scanner *s, Json *value)
{
    size_t begin = s->at;
    int c = peek(s);
    value->span = (Span){s->source, begin, begin + 1};
    if (++s->value_count > MAX_VALUES) {
        fail_at(value->span, NULL, "more than %d values", MAX_VALUES);
    }
    if (c == '{' || c == '[') {
        value->kind = c == '{' ? JSON_OBJECT : JSON_ARRAY;
        open_container(s, value);
        return;
    }
    if (c == '"') {
        value->kind = JSON_STRING;
        scan_string(s);
    } else if (c == '-' || is_digit(c)) {
        value->kind = JSON_NUMBER;
        scan_number(s);
    } else if (c == 't' || c == 'f') {
        value->kind = JSON_BOOL;
        scan_word(s, c == 't' ? "true" : "false");
    } else if (c == 'n') {
        value->kind = JSON_NULL;
        scan_word(s, "null");
    } else {
        fail_unexpected(s, "a value");
    }
    value->span = span_from(s, begin);
}

static void scan_key(Scanner *s, Json *value)
{
    size_t begin = s->at;
    if (peek(s) != '"') {
        fail_unexpected(s, "a key in double quotes");
    }
    if (++s->key_count > MAX_KEYS) {
        fail_at((Span){s->source, begin, begin + 1}, NULL, "more than %d keys", MAX_KEYS);
    }
    scan_string(s);
    value->key_span = span_from(s, begin);
    skip_blank(s);
    if (peek(s) != ':') {
        fail_unexpected(s, "`:` after the key");
    }
    s->at++;
    skip_blank(s);
}

/* Goes to the next element of the innermost container; false when the container ends here instead,
 * which is then closed. */
static bool next_element(Scanner *s)
{
    Json *container = s->open[s->depth - 1];
    bool object = container->kind == JSON_OBJECT;
    const Json *previous = s->last[s->depth - 1];
    skip_blank(s);
    if (peek(s) == (object ? '}' : ']')) {
        s->at++;
        container->span = span_from(s, container->span.begin);
        s->depth--;
        return false;
    }
    if (previous == NULL) {
        return true;
    }
    if (peek(s) != ',') {
        if (peek(s) == '"') {
            fail_at((Span){s->source, previous->span.end, previous->span.end}, "add a comma here",
                    "a comma is missing after this value");
        }
        fail_unexpected(s, object ? "`,` or `}`" : "`,` or `]`");
    }
    size_t comma = s->at++;
    skip_blank(s);
    if (peek(s) == '}' || peek(s) == ']') {
        fail_at((Span){s->source, comma, comma + 1}, "remove it", "a comma after the last element");
    }
    return true;
}

/* The whole text; the tree has kinds and spans, no values yet. */
static Json *scan_text(Scanner *s)
{
    Json *root = arena_alloc(sizeof *root);
    skip_blank(s);
    scan_value(s, root);
    while (s->depth > 0) {
        int level = s->depth - 1;
        if (!next_element(s)) {
            continue;
        }
        Json *element = arena_alloc(sizeof *element);
        if (s->open[level]->kind == JSON_OBJECT) {
            scan_key(s, element);
        }
        *(s->last[level] == NULL ? &s->open[level]->child : &s->last[level]->next) = element;
        s->last[level] = element;
        scan_value(s, element);
    }
    skip_blank(s);
    if (peek(s) != EOF) {
        fail_unexpected(s, "the end of the file");
    }
    return root;
}

/* ---------------------------------------------------------------- values from cJSON */

static JsonKind kind_of(const cJSON *value)
{
    return cJSON_IsObject(value)   ? JSON_OBJECT
           : cJSON_IsArray(value)  ? JSON_ARRAY
           : cJSON_IsString(value) ? JSON_STRING
           : cJSON_IsNumber(value) ? JSON_NUMBER
           : cJSON_IsBool(value)   ? JSON_BOOL
                                   : JSON_NULL;
}

static void fill(Json *ours, const cJSON *theirs)
{
    if (theirs == NULL || ours->kind != kind_of(theirs)) {
        internal_error("the scanner and cJSON read a value differently");
    }
    if (theirs->string != NULL) {
        ours->key = arena_copy(theirs->string, strlen(theirs->string));
    }
    if (ours->kind == JSON_STRING) {
        ours->string = arena_copy(theirs->valuestring, strlen(theirs->valuestring));
    }
    ours->boolean = cJSON_IsTrue(theirs);
    ours->number = ours->kind == JSON_NUMBER ? theirs->valuedouble : 0;
    const cJSON *child = theirs->child;
    for (Json *element = ours->child; element != NULL; element = element->next) {
        fill(element, child);
        child = child->next;
    }
    if (child != NULL) {
        internal_error("the scanner and cJSON count elements differently");
    }
}

/* ---------------------------------------------------------------- duplicate keys */

static int compare_keys(const void *a, const void *b)
{
    const Json *x = *(const Json *const *)a, *y = *(const Json *const *)b;
    int order = strcmp(x->key, y->key);
    return order != 0 ? order : (x->span.begin > y->span.begin) - (x->span.begin < y->span.begin);
}

static void check_duplicates(const Json *object)
{
    size_t count = 0;
    for (const Json *member = object->child; member != NULL; member = member->next) {
        count += member->key[0] != '#';
    }
    const Json **members = arena_alloc(count * sizeof *members);
    size_t filled = 0;
    for (const Json *member = object->child; member != NULL; member = member->next) {
        if (member->key[0] != '#') {
            members[filled++] = member;
        }
    }
    qsort(members, count, sizeof *members, compare_keys);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(members[i - 1]->key, members[i]->key) == 0) {
            fail_at(members[i]->key_span, "only keys that begin with # may be repeated",
                    "duplicate key `%s`, first given on line %zu", printable(members[i]->key),
                    line_of(members[i - 1]->key_span));
        }
    }
}

static void check_all_duplicates(const Json *value)
{
    if (value->kind == JSON_OBJECT) {
        check_duplicates(value);
    }
    for (const Json *child = value->child; child != NULL; child = child->next) {
        check_all_duplicates(child); /* at most MAX_DEPTH deep */
    }
}

/* ---------------------------------------------------------------- public */

static void skip_byte_order_mark(Scanner *s)
{
    const Source *source = s->source;
    const char *utf16[] = {"\xff\xfe", "\xfe\xff"};
    for (int i = 0; i < 2; i++) {
        if (source->length >= 2 && memcmp(source->text, utf16[i], 2) == 0) {
            fail_at((Span){source, 0, 2}, "save the file as UTF-8", "this file is UTF-16");
        }
    }
    if (source->length >= 3 && memcmp(source->text, "\xef\xbb\xbf", 3) == 0) {
        warn_at((Span){source, 0, 3}, "save the file without it",
                "the file begins with a byte order mark");
        s->at = 3;
    }
}

Json *json_tree(const Source *source)
{
    Scanner scanner = {.source = source};
    if (source->length > MAX_TEXT) {
        fail_at((Span){source, 0, 0}, NULL, "the file has more than %d bytes", MAX_TEXT);
    }
    skip_byte_order_mark(&scanner);
    size_t begin = scanner.at;
    Json *root = scan_text(&scanner);
    cJSON *values = cJSON_ParseWithLength(source->text + begin, source->length - begin);
    fill(root, values);
    cJSON_Delete(values);
    return root;
}

Json *json_parse(const Source *source)
{
    Json *root = json_tree(source);
    json_refuse_duplicates(root);
    return root;
}

void json_refuse_duplicates(const Json *root) { check_all_duplicates(root); }

static bool is_repeated_later(const Json *member)
{
    for (const Json *later = member->next; later != NULL; later = later->next)
        if (strcmp(later->key, member->key) == 0)
            return true;
    return false;
}

void json_keep_last(Json *value)
{
    for (Json **at = &value->child; *at != NULL;) {
        Json *child = *at;
        if (value->kind == JSON_OBJECT && is_repeated_later(child)) {
            if (child->key[0] != '#')
                warn_at(child->key_span, "take one of them out",
                        "`%s` is given again below: the last one counts", printable(child->key));
            *at = child->next;
            continue;
        }
        json_keep_last(child);
        at = &child->next;
    }
}

Source *source_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail(EXIT_IO, NULL, "cannot open %s: %s", printable(path), strerror(errno));
    }
    size_t size = (size_t)MAX_TEXT + 1; /* a byte more than json_parse takes, so that it notices */
    char *buffer = malloc(size);
    if (buffer == NULL) {
        fail(EXIT_INTERNAL, NULL, "out of memory");
    }
    size_t length = fread(buffer, 1, size, file);
    if (ferror(file)) {
        fail(EXIT_IO, NULL, "cannot read %s: %s", printable(path), strerror(errno));
    }
    fclose(file);
    Source *source = arena_alloc(sizeof *source);
    *source = (Source){.path = path, .text = arena_copy(buffer, length), .length = length};
    free(buffer);
    return source;
}

Json *json_member(const Json *object, const char *key)
{
    for (Json *member = object->child; member != NULL; member = member->next) {
        if (member->key != NULL && strcmp(member->key, key) == 0) {
            return member;
        }
    }
    return NULL;
}
