/* hyper_options.c -- values of a HyperGAN config: numbers, switches, words and class paths.
 *
 * Needs: a tree in which repeated keys have been settled. The original read most options as "value
 * or default", so 0, false, "" and [] mean the default there, and here. */
#include "hypergan.h"

#include <stdlib.h>
#include <string.h>

Option json_option_exact(const Json *object, const char *key)
{
    const Json *json = object != NULL ? json_member(object, key) : NULL;
    if (json == NULL || json->kind == JSON_NULL)
        return (Option){0};
    Option option = {.given = true, .json = json, .span = json->span};
    option.numeric = json->kind == JSON_NUMBER;
    option.number = json->number;
    if (json->kind == JSON_STRING)
        option.text = json->string;
    else if (json->kind == JSON_BOOL)
        option.text = json->boolean ? "true" : "false";
    return option;
}

static bool is_empty(const Json *json)
{
    switch (json->kind) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return !json->boolean;
    case JSON_NUMBER:
        return json->number == 0;
    case JSON_STRING:
        return json->string[0] == '\0';
    case JSON_ARRAY:
    case JSON_OBJECT:
        return json->child == NULL;
    }
    return false;
}

Option json_option(const Json *object, const char *key)
{
    Option option = json_option_exact(object, key);
    if (!option.given || !is_empty(option.json))
        return option;
    if (option.json->kind == JSON_NUMBER)
        warn_at(option.span, "a number close to zero has the effect of zero",
                "0 means the default of `%s`, as in the original", key);
    return (Option){0};
}

/* The whole text as a number, in the forms of JSON and of layer strings. */
static bool text_number(const char *text, double *number)
{
    char *end = NULL;
    if (text == NULL || strspn(text, "0123456789+-.eE") != strlen(text) || text[0] == '\0')
        return false;
    *number = strtod(text, &end);
    return *end == '\0' && *number - *number == 0; /* finite */
}

double option_number(Option option, double fallback, const char *what)
{
    double number = option.number;
    if (!option.given)
        return fallback;
    if (!option.numeric && !text_number(option.text, &number))
        fail_at(option.span, NULL, "`%s` must be a number", what);
    return number;
}

int option_integer(Option option, int fallback, int least, const char *what)
{
    double number = option_number(option, fallback, what);
    if (number < least || number > 1 << 24 || number != (double)(int)number)
        fail_at(option.span, NULL, "`%s` must be a whole number from %d to %d", what, least,
                1 << 24);
    return (int)number;
}

bool option_is(Option option, const char *text)
{
    return option.given && option.text != NULL && strcmp(option.text, text) == 0;
}

bool option_switch(Option option)
{
    return option.given && !option_is(option, "false") && !(option.numeric && option.number == 0);
}

/* ---------------------------------------------------------------- words */
static int find_word(Option option, const char *text, const Word *words, size_t count,
                     const char *what)
{
    const char **names = arena_alloc(count * sizeof *names);
    for (size_t i = 0; i < count; i++) {
        names[i] = words[i].name;
        if (strcmp(words[i].name, text) != 0)
            continue;
        if (words[i].reason != NULL)
            fail_at(option.span, NULL, "%s `%s` cannot be compiled: %s", what, printable(text),
                    words[i].reason);
        return words[i].value;
    }
    const char *near = nearest_word(text, names, count);
    fail_at(option.span, near != NULL ? arena_printf("did you mean `%s`?", near) : NULL,
            "unknown %s `%s`", what, printable(text));
}

int option_word(Option option, int fallback, const Word *words, size_t count, const char *what)
{
    if (!option.given)
        return fallback;
    if (option.text == NULL)
        fail_at(option.span, NULL, "%s must be a word in quotes", what);
    return find_word(option, option.text, words, count, what);
}

const char *class_symbol(Option option)
{
    const char *dot = option.text != NULL ? strrchr(option.text, '.') : NULL;
    return dot != NULL ? dot + 1 : option.text;
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

int option_class(Option option, int fallback, const Word *words, size_t count, const char *what)
{
    static const char *const packages[] = {"hypergan.", "tensorflow.", "torch."};
    if (!option.given)
        return fallback;
    if (option.text == NULL)
        fail_at(option.span, NULL, "%s must be a path in quotes, as \"class:hypergan. ...\"", what);
    const char *path = option.text;
    bool is_path = has_prefix(path, "class:") || has_prefix(path, "function:");
    if (is_path) {
        path = strchr(path, ':') + 1;
        bool known = false;
        for (size_t i = 0; i < sizeof packages / sizeof packages[0]; i++)
            known = known || has_prefix(path, packages[i]);
        if (!known)
            fail_at(option.span, "paths begin with hypergan. or tensorflow. or torch.",
                    "%s `%s` is Python code of its own, which cannot be compiled", what,
                    printable(path));
    }
    return find_word(option, class_symbol(option), words, count, what);
}

/* ---------------------------------------------------------------- decay(...) */

/* The value of NAME=value inside the parentheses, "" for a bare NAME; NULL when it is not there. */
static const char *inner_value(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *p = strchr(text, '('); p != NULL; p = strchr(p, ' ')) {
        p += 1;
        if (strncmp(p, name, length) == 0 && strchr("= )", p[length]) != NULL)
            return p[length] == '=' ? p + length + 1 : "";
    }
    return NULL;
}

static double inner_number(Option option, const char *name, double fallback)
{
    const char *value = inner_value(option.text, name);
    char *end = NULL;
    if (value == NULL)
        return fallback;
    double number = strtod(value, &end);
    if (end == value || strchr(" ):", *end) == NULL || *end == '\0')
        fail_at(option.span, NULL, "`%s` in `%s` must be a number", name, printable(option.text));
    return number;
}

static Course read_ramp(Option option)
{
    const char *range = inner_value(option.text, "range");
    const char *colon = range != NULL ? strchr(range, ':') : NULL;
    Course course = {.kind = COURSE_RAMP, .from = 0, .to = 1};
    char *end = NULL;
    if (range != NULL) {
        course.from = strtod(range, &end);
        if (colon == NULL || end != colon)
            fail_at(option.span, "for example decay(range=0:1 steps=1000)",
                    "`range` needs two numbers with a colon between");
        course.to = strtod(colon + 1, &end);
        if (end == colon + 1 || strchr(" )", *end) == NULL)
            fail_at(option.span, "for example decay(range=0:1 steps=1000)",
                    "`range` needs two numbers with a colon between");
    }
    course.steps = inner_number(option, "steps", 10000);
    course.start = inner_number(option, "start", 0);
    course.cycle = inner_value(option.text, "cycle") != NULL;
    course.repeat = inner_value(option.text, "repeat") != NULL;
    if (!(course.steps >= 1))
        fail_at(option.span, NULL, "`steps` must be at least 1");
    return course;
}

/* on(random offset=o onvalue=v): v or 0. */
static Course read_random(Option option)
{
    static const char *const needed[] = {"random", "offset", "onvalue"};
    for (size_t k = 0; k < sizeof needed / sizeof needed[0]; k++)
        if (inner_value(option.text, needed[k]) == NULL)
            fail_at(option.span, "for example on(random offset=0 onvalue=1)", "`on` needs `%s`",
                    needed[k]);
    Course course = {.kind = COURSE_RANDOM, .start = (double)option.span.begin};
    course.from = inner_number(option, "offset", 0);
    course.to = inner_number(option, "onvalue", 1);
    return course;
}

Course option_course(Option option, double fallback, const char *what)
{
    if (!option.given || option.text == NULL || strchr(option.text, '(') == NULL)
        return (Course){.from = option_number(option, fallback, what)};
    if (has_prefix(option.text, "decay(") && option.text[strlen(option.text) - 1] == ')')
        return read_ramp(option);
    if (has_prefix(option.text, "on(") && option.text[strlen(option.text) - 1] == ')')
        return read_random(option);
    fail_at(option.span, "decay(range=0:1 steps=1000) and on(random offset=0 onvalue=1) are known",
            "unknown function in `%s`", printable(option.text));
}
