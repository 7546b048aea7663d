/* options.c -- see options.h. */
#define _POSIX_C_SOURCE 200809L
#include "options.h"

#include "fail.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTIONS = 64, HELP_COLUMN = 28 };

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

int64_t parse_number(const char *text)
{
    int64_t value = 0;
    if (!is_digit(*text)) {
        return -1;
    }
    for (; is_digit(*text); text++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *text - '0', &value)) {
            return -1;
        }
    }
    if ((*text == 'e' || *text == 'E') && is_digit(text[1])) {
        int exponent = 0;
        for (text++; is_digit(*text) && exponent < 100; text++) {
            exponent = exponent * 10 + (*text - '0');
        }
        for (; exponent > 0 && value > 0; exponent--) {
            if (__builtin_mul_overflow(value, 10, &value)) {
                return -1;
            }
        }
    }
    return *text ? -1 : value;
}

bool parse_seed(const char *text, uint64_t *seed)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = is_digit(*text) ? strtoull(text, &end, 10) : 0;
    if (!end || *end || errno) {
        return false;
    }
    *seed = number;
    return true;
}

static void print_help(const CommandLine *line)
{
    printf("usage: %s [options]\n\n%s\n", line->program, line->purpose);
    for (int i = 0; i < line->option_count; i++) {
        const Option *option = &line->options[i];
        if (option->kind == OPTION_TITLE) {
            printf("\n%s\n", option->help);
            continue;
        }
        int width = printf("  %s%s%s%s%s", option->letter ? option->letter : "",
                           option->letter ? ", " : "", option->name, option->argument ? " " : "",
                           option->argument ? option->argument : "");
        printf("%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "", option->help);
    }
    printf("  --help%*sprint this text\n", HELP_COLUMN - 8, "");
}

/* The length of the option's name inside `word`, which may go on with "=value". */
static size_t name_length(const char *word) { return strcspn(word, "="); }

static bool is_named(const char *word, const char *name)
{
    return name && strlen(name) == name_length(word) && !strncmp(word, name, strlen(name));
}

static const Option *find_option(const CommandLine *line, const char *word)
{
    for (int i = 0; i < line->option_count; i++) {
        const Option *option = &line->options[i];
        if (is_named(word, option->name) || is_named(word, option->letter)) {
            return option;
        }
    }
    return NULL;
}

static void fail_unknown(const CommandLine *line, const char *word)
{
    const char *names[MAX_OPTIONS] = {"--help"};
    size_t count = 1;
    for (int i = 0; i < line->option_count && count < MAX_OPTIONS; i++) {
        if (line->options[i].name) {
            names[count++] = line->options[i].name;
        }
    }
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)name_length(word), word);
    const char *near = nearest_word(name, names, count);
    char hint[128] = "--help lists the options";
    if (near) {
        snprintf(hint, sizeof hint, "did you mean %s?", near);
    }
    fail(EXIT_USAGE, hint, "%s '%s'", word[0] == '-' ? "unknown option" : "unexpected argument",
         word);
}

static void store_number(const Option *option, const char *value)
{
    int64_t number = parse_number(value);
    if (number < option->lower || number > option->upper) {
        fail(EXIT_USAGE, NULL, "%s needs a whole number from %" PRId64 " to %" PRId64 ", not '%s'",
             option->name, option->lower, option->upper, value);
    }
    *(int64_t *)option->target = number;
}

static void store_seed(const Option *option, const char *value)
{
    if (!parse_seed(value, option->target)) {
        fail(EXIT_USAGE, NULL, "%s needs a whole number from 0 to 2^64-1, not '%s'", option->name,
             value);
    }
}

static void append(OptionList *list, const char *value)
{
    if (list->count == MAX_OPTION_ITEMS) {
        fail(EXIT_USAGE, NULL, "more than %d of '%s'", MAX_OPTION_ITEMS, value);
    }
    list->items[list->count++] = value;
}

static void store(const Option *option, const char *value)
{
    switch (option->kind) {
    case OPTION_TEXT:
        *(const char **)option->target = value;
        break;
    case OPTION_NUMBER:
        store_number(option, value);
        break;
    case OPTION_SEED:
        store_seed(option, value);
        break;
    case OPTION_LIST:
        append(option->target, value);
        break;
    case OPTION_FLAG:
    case OPTION_TITLE:
        break;
    }
}

void options_parse(const CommandLine *line, int argc, char **argv)
{
    bool operands_only = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (line->operands && (operands_only || word[0] != '-')) {
            append(line->operands, word);
            continue;
        }
        if (line->operands && !strcmp(word, "--")) {
            operands_only = true;
            continue;
        }
        if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
            print_help(line);
            exit(EXIT_OK);
        }
        const Option *option = find_option(line, word);
        if (!option) {
            fail_unknown(line, word);
        }
        bool attached = word[name_length(word)] == '=';
        if (option->kind == OPTION_FLAG) {
            if (attached) {
                fail(EXIT_USAGE, NULL, "%s takes no value", option->name);
            }
            *(bool *)option->target = true;
        } else if (attached) {
            store(option, word + name_length(word) + 1);
        } else if (i + 1 < argc && strncmp(argv[i + 1], "--", 2)) {
            store(option, argv[++i]);
        } else {
            fail(EXIT_USAGE, NULL, "%s needs a value: %s", option->name, option->argument);
        }
    }
}

void options_read(const CommandLine *line, const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        return;
    }
    char *words[MAX_OPTION_ITEMS + 1] = {NULL};
    int count = 1; /* word 0 is the program's name */
    char *text = NULL;
    size_t size = 0;
    while (count <= MAX_OPTION_ITEMS && getline(&text, &size, file) > 0) {
        text[strcspn(text, "\n")] = 0;
        words[count++] = text; /* kept: targets point into it */
        text = NULL;
        size = 0;
    }
    free(text);
    fclose(file);
    options_parse(line, count, words);
}
