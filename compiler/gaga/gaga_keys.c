/* gaga_keys.c -- from the keys of a GAGA config to checked settings; the table is gaga_keys.def. */
#include "gaga_keys.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ASKED = 1, NESTED = 2 };

typedef struct Option {
    const char *name;
    ValueKind kind;
    const char *fallback; /* NULL: none */
    double low, high;
    int flags;
} Option;

typedef struct Spelling {
    const char *name;
    OptionId option;
    Era era;
} Spelling;

static const Option options[] = {
#define OPTION(name, kind, fallback, low, high, era, flags) \
    {#name, VALUE_##kind, fallback, low, high, flags},
#define ALIAS(spelling, name, era)
#include "gaga_keys.def"
#undef OPTION
#undef ALIAS
};

static const Spelling spellings[] = {
#define OPTION(name, kind, fallback, low, high, era, flags) {#name, OPTION_##name, ERA_##era},
#define ALIAS(spelling, name, era) {#spelling, OPTION_##name, ERA_##era},
#include "gaga_keys.def"
#undef OPTION
#undef ALIAS
};

enum { SPELLING_COUNT = sizeof spellings / sizeof spellings[0] };

const char *era_name(Era era)
{
    switch (era) {
    case ERA_2019:
        return "the releases of 2019 and 2020";
    case ERA_0_7:
        return "the releases since 0.7.1";
    case ERA_RESULT:
        return "the results of the original";
    case ERA_GAGAC:
        return "gagac";
    default:
        return "";
    }
}

/* ---------------------------------------------------------------- keys to options */

static bool is_nested(const Spelling *spelling)
{
    return (options[spelling->option].flags & NESTED) != 0;
}

static const Spelling *find_spelling(const char *key)
{
    for (int i = 0; i < SPELLING_COUNT; i++) {
        if (strcmp(spellings[i].name, key) == 0) {
            return &spellings[i];
        }
    }
    return NULL;
}

static NO_RETURN void fail_unknown(const char *key, Span span, bool nested)
{
    const char *names[SPELLING_COUNT];
    size_t count = 0;
    for (int i = 0; i < SPELLING_COUNT; i++) {
        if (is_nested(&spellings[i]) == nested) {
            names[count++] = spellings[i].name;
        }
    }
    const char *near = nearest_word(key, names, count), *hint = NULL;
    if (near != NULL) {
        const char *era = era_name(find_spelling(near)->era);
        hint = era[0] != '\0' ? arena_printf("did you mean `%s` (of %s)?", near, era)
                              : arena_printf("did you mean `%s`?", near);
    } else if (span.source->text != NULL) {
        hint = "a key that begins with # is a comment";
    }
    fail_at(span, hint, "unknown option `%s`", printable(key));
}

static void take_members(Settings *settings, const Json *object, bool nested)
{
    for (const Json *member = object->child; member != NULL; member = member->next) {
        if (member->key[0] == '#') {
            continue;
        }
        const Spelling *spelling = find_spelling(member->key);
        if (spelling == NULL || is_nested(spelling) != nested) {
            fail_unknown(member->key, member->key_span, nested);
        }
        Setting *setting = &settings->of[spelling->option];
        if (setting->given) {
            fail_at(member->key_span, "keep one of them", "`%s` and `%s` are the same option",
                    setting->name, spelling->name);
        }
        *setting = (Setting){.name = spelling->name,
                             .json = member,
                             .span = member->span,
                             .key_span = member->key_span,
                             .given = true};
        if (settings->first_of_era[spelling->era] == NULL) {
            settings->first_of_era[spelling->era] = member;
        }
    }
}

/* The members of positional_encoding_options, in place of those of an earlier one. */
static void take_nested(Settings *settings)
{
    const Setting *parent = &settings->of[OPTION_positional_encoding_options];
    for (int i = 0; i < OPTION_COUNT; i++) {
        if ((options[i].flags & NESTED) != 0) {
            settings->of[i] = (Setting){0};
        }
    }
    if (parent->given && parent->json->kind == JSON_OBJECT) {
        take_members(settings, parent->json, true);
    }
}

/* -p key=value: text, or JSON where the option takes a list or an object. */
static void take_override(Settings *settings, const Override *override)
{
    Source *source = arena_alloc(sizeof *source);
    source->path = arena_printf("-p %s=%s", override->key, override->value);
    Span span = {source, 0, 0};
    const Spelling *spelling = find_spelling(override->key);
    if (spelling == NULL) {
        fail_unknown(override->key, span, false);
    }
    Json *value;
    if (override->value[0] == '[' || override->value[0] == '{') {
        source->text = override->value;
        source->length = strlen(override->value);
        value = json_parse(source);
    } else {
        value = arena_alloc(sizeof *value);
        *value = (Json){.kind = JSON_STRING, .span = span, .string = override->value};
    }
    settings->of[spelling->option] = (Setting){.name = spelling->name,
                                               .json = value,
                                               .span = value->span,
                                               .key_span = span,
                                               .given = true,
                                               .overridden = true};
    if (spelling->option == OPTION_positional_encoding_options) {
        take_nested(settings);
    }
}

/* Of two options that exclude each other, an override of one takes the other out of the config. */
static void drop_replaced(Settings *settings)
{
    static const OptionId rivals[][2] = {{OPTION_epoch, OPTION_passes},
                                         {OPTION_loss, OPTION_type},
                                         {OPTION_activation, OPTION_leaky_relu}};
    for (size_t i = 0; i < sizeof rivals / sizeof rivals[0]; i++) {
        for (int k = 0; k < 2; k++) {
            Setting *rival = &settings->of[rivals[i][1 - k]];
            if (settings->of[rivals[i][k]].overridden && !rival->overridden) {
                *rival = (Setting){0};
            }
        }
    }
}

static void fill_default(Setting *setting, const Option *option)
{
    setting->name = option->name;
    if (option->fallback != NULL) {
        Json *value = arena_alloc(sizeof *value);
        *value = (Json){.kind = JSON_STRING, .string = option->fallback};
        setting->json = value;
    }
}

/* ---------------------------------------------------------------- values */

static const char *describe_value(const Json *value)
{
    switch (value->kind) {
    case JSON_NULL:
        return "null";
    case JSON_BOOL:
        return value->boolean ? "true" : "false";
    case JSON_NUMBER:
        return arena_printf("%.15g", value->number);
    case JSON_STRING:
        return arena_printf("\"%s\"", printable(value->string));
    case JSON_ARRAY:
        return "a list";
    default:
        return "an object";
    }
}

static NO_RETURN void fail_kind(const Setting *setting, const char *expected)
{
    fail_at(setting->span, NULL, "`%s` takes %s, not %s", setting->name, expected,
            describe_value(setting->json));
}

/* A decimal number in text, blanks around it allowed; no hexadecimal, no NaN, no infinity. */
static bool parse_number(const char *text, double *number)
{
    const char *blank = " \t\r\n";
    text += strspn(text, blank);
    size_t length = strspn(text, "0123456789+-.eE");
    char *end;
    *number = strtod(text, &end);
    return length > 0 && end == text + length && end[strspn(end, blank)] == '\0' &&
           isfinite(*number);
}

static bool number_of(const Json *value, double *number)
{
    *number = value->number;
    return value->kind == JSON_NUMBER ||
           (value->kind == JSON_STRING && parse_number(value->string, number));
}

double settings_number(const Json *value, const char *what)
{
    double number;
    if (!number_of(value, &number)) {
        fail_at(value->span, NULL, "%s is a number, not %s", what, describe_value(value));
    }
    return number;
}

static void read_number(Setting *setting, const Option *option)
{
    bool integer = option->kind == VALUE_INTEGER;
    if (!number_of(setting->json, &setting->number)) {
        fail_kind(setting, integer ? "a whole number" : "a number");
    }
    double value = setting->number;
    if (integer && value != floor(value)) {
        fail_kind(setting, "a whole number");
    }
    bool fraction = option->kind == VALUE_FRACTION;
    if (value < option->low || value > option->high || (fraction && value == option->high)) {
        fail_at(setting->span, NULL, "`%s` must be from %.15g to %s%.15g, not %.15g", setting->name,
                option->low, fraction ? "less than " : "", option->high, value);
    }
}

static void read_switch(Setting *setting)
{
    const Json *value = setting->json;
    const char *text = value->kind == JSON_STRING ? value->string : "";
    bool on = strcmp(text, "true") == 0 || strcmp(text, "True") == 0;
    bool off = strcmp(text, "false") == 0 || strcmp(text, "False") == 0;
    if (value->kind != JSON_BOOL && !on && !off) {
        fail_kind(setting, "true or false");
    }
    setting->on = value->kind == JSON_BOOL ? value->boolean : on;
}

/* Decimal digits up to 2^64-1, or a JSON number that is one exactly. */
static void read_seed(Setting *setting)
{
    const Json *value = setting->json;
    const char *digits = value->kind == JSON_STRING   ? value->string
                         : value->kind == JSON_NUMBER ? arena_printf("%.17g", value->number)
                                                      : "";
    size_t length = strspn(digits, "0123456789");
    bool valid = length > 0 && length < 20 && digits[length] == '\0';
    if (length == 20 && digits[length] == '\0') {
        valid = strcmp(digits, "18446744073709551615") <= 0;
    }
    if (!valid) {
        fail_kind(setting, "a whole number from 0 to 2^64-1");
    }
    setting->seed = strtoull(digits, NULL, 10);
}

static void add_word(Setting *setting, const char *text, size_t length, Span span)
{
    if (setting->word_count >= MAX_COLUMNS) {
        fail_at(span, NULL, "`%s` has more than %d entries", setting->name, MAX_COLUMNS);
    }
    if (length > MAX_NAME) {
        fail_at(span, NULL, "a name in `%s` has at most %d bytes", setting->name, MAX_NAME);
    }
    setting->words[setting->word_count++] = (Word){arena_copy(text, length), span};
}

/* "a b c": blanks separate. A word has its own span where the text holds no escapes. */
static void split_words(Setting *setting)
{
    const Json *value = setting->json;
    const char *text = value->string, *blank = " \t\r\n";
    Span whole = value->span;
    bool plain = whole.source != NULL && whole.source->text != NULL &&
                 whole.end - whole.begin == strlen(text) + 2;
    for (const char *p = text + strspn(text, blank); *p != '\0'; p += strspn(p, blank)) {
        size_t length = strcspn(p, blank), begin = whole.begin + 1 + (size_t)(p - text);
        Span span = plain ? (Span){whole.source, begin, begin + length} : whole;
        if (memchr(p, ',', length) != NULL) {
            fail_at(span, "separate them by spaces, or write a list", "a comma in `%s`",
                    setting->name);
        }
        add_word(setting, p, length, span);
        p += length;
    }
}

static void read_words(Setting *setting)
{
    const Json *value = setting->json;
    setting->words = arena_alloc(MAX_COLUMNS * sizeof *setting->words);
    if (value->kind == JSON_STRING) {
        split_words(setting);
        return;
    }
    bool empty_object = value->kind == JSON_OBJECT && value->child == NULL; /* {} is "none" too */
    if (value->kind != JSON_ARRAY && !empty_object) {
        fail_kind(setting, "names in one text or in a list");
    }
    for (const Json *item = value->child; item != NULL; item = item->next) {
        if (item->kind != JSON_STRING || item->string[0] == '\0') {
            fail_at(item->span, NULL, "an entry of `%s` is a name, not %s", setting->name,
                    describe_value(item));
        }
        add_word(setting, item->string, strlen(item->string), item->span);
    }
}

static void read_text(Setting *setting, bool null_allowed)
{
    const Json *value = setting->json;
    if (value->kind == JSON_STRING || value->kind == JSON_BOOL) {
        setting->text = value->kind == JSON_STRING ? value->string : describe_value(value);
    } else if (value->kind != JSON_NULL || !null_allowed) {
        fail_kind(setting, "text");
    }
}

static void read_value(Setting *setting, const Option *option)
{
    switch (option->kind) {
    case VALUE_INTEGER:
    case VALUE_REAL:
    case VALUE_FRACTION:
        read_number(setting, option);
        break;
    case VALUE_SWITCH:
        read_switch(setting);
        break;
    case VALUE_WORD:
    case VALUE_TEXT:
        read_text(setting, option->kind == VALUE_TEXT);
        break;
    case VALUE_WORDS:
        read_words(setting);
        break;
    case VALUE_OBJECT:
        if (setting->json->kind != JSON_OBJECT) {
            fail_kind(setting, "an object");
        }
        break;
    case VALUE_SEED:
        read_seed(setting);
        break;
    case VALUE_PRESENCE:
        setting->on = true;
        break;
    case VALUE_UNUSED:
        break;
    }
}

int settings_choose(const Setting *setting, const Choice *choices, size_t count)
{
    const char **words = arena_alloc(count * sizeof *words), *list = NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(setting->text, choices[i].word) == 0) {
            return choices[i].value;
        }
        words[i] = choices[i].word;
        if (i == 0) {
            list = words[i];
        } else if (choices[i].value != choices[i - 1].value) { /* the first spelling of each */
            list = arena_printf("%s, %s", list, words[i]);
        }
    }
    const char *near = nearest_word(setting->text, words, count);
    const char *hint =
        near != NULL ? arena_printf("did you mean `%s`?", near) : arena_printf("one of: %s", list);
    fail_at(setting->span, hint, "unknown %s `%s`", setting->name, printable(setting->text));
}

/* ---------------------------------------------------------------- notes, and all together */

/* One note for each era whose keys were read and do nothing here. */
static void note_unused(const Settings *settings)
{
    for (int era = 0; era < ERA_COUNT; era++) {
        const char *list = NULL;
        const Setting *first = NULL;
        for (int i = 0; i < SPELLING_COUNT; i++) {
            const Setting *setting = &settings->of[spellings[i].option];
            bool here = setting->given && strcmp(setting->name, spellings[i].name) == 0 &&
                        (int)spellings[i].era == era;
            if (here && options[spellings[i].option].kind == VALUE_UNUSED) {
                list = list == NULL ? setting->name : arena_printf("%s, %s", list, setting->name);
                first = first == NULL || setting->key_span.begin < first->key_span.begin ? setting
                                                                                         : first;
            }
        }
        if (list != NULL) {
            const char *what = era_name((Era)era);
            note_at(first->key_span, "without effect here: %s%s%s%s", list, *what ? " (of " : "",
                    what, *what ? ")" : "");
        }
    }
}

static void note_assumed(const Settings *settings)
{
    const char *list = NULL;
    for (int i = 0; i < OPTION_COUNT; i++) {
        bool excluded = i == OPTION_epoch && settings->of[OPTION_passes].given;
        if ((options[i].flags & ASKED) != 0 && settings->of[i].span.source == NULL && !excluded) {
            const char *item = arena_printf("%s %s", options[i].name, options[i].fallback);
            list = list == NULL ? item : arena_printf("%s, %s", list, item);
        }
    }
    if (list != NULL) {
        Span root = settings->root->span;
        note_at((Span){root.source, root.begin, root.begin + 1}, "not given, so assumed: %s", list);
    }
}

/* The `type` of 2019 named loss and penalty in one word; it becomes the two options of later. */
static void resolve_type(Settings *settings)
{
    static const char *const meanings[][3] = {
        {"wasserstein", "wasserstein", "clamp"},
        {"gradient_penalty", "wasserstein", "GP_SquareHinge"},
        {"non-saturating-bce", "non-saturating-bce", "no_penalty"},
        {"non_saturating_bce", "non-saturating-bce", "no_penalty"},
        {"non-saturating", "non-saturating-bce", "no_penalty"},
        {"hinge", "hinge", "no_penalty"},
    };
    enum { COUNT = sizeof meanings / sizeof meanings[0] };
    Setting *type = &settings->of[OPTION_type];
    if (!type->given) {
        return;
    }
    Choice choices[COUNT];
    for (int i = 0; i < COUNT; i++) {
        choices[i] = (Choice){meanings[i][0], i};
    }
    read_text(type, false);
    int meaning = settings_choose(type, choices, COUNT);
    Setting *targets[] = {&settings->of[OPTION_loss], &settings->of[OPTION_penalty]};
    if (targets[0]->given) {
        fail_at(type->key_span, "keep one of them", "`type` and `%s` both name the loss",
                targets[0]->name);
    }
    for (int i = 0; i < 2; i++) {
        if (!targets[i]->given) {
            Json *value = arena_alloc(sizeof *value);
            *value = (Json){.kind = JSON_STRING, .string = meanings[meaning][i + 1]};
            *targets[i] = *type;
            targets[i]->json = value;
        }
    }
}

Settings *settings_read(const Json *root, const Override *overrides, int override_count)
{
    Settings *settings = arena_alloc(sizeof *settings);
    settings->root = root;
    if (root->kind != JSON_OBJECT) {
        fail_at(root->span, NULL, "a config is one object, { ... }, not %s", describe_value(root));
    }
    take_members(settings, root, false);
    take_nested(settings);
    for (int i = 0; i < override_count; i++) {
        take_override(settings, &overrides[i]);
    }
    drop_replaced(settings);
    resolve_type(settings);
    for (int i = 0; i < OPTION_COUNT; i++) {
        Setting *setting = &settings->of[i];
        if (!setting->given) {
            fill_default(setting, &options[i]);
        }
        if (setting->json != NULL) {
            read_value(setting, &options[i]);
        }
    }
    note_unused(settings);
    note_assumed(settings);
    return settings;
}
