/* gaga_keys.h -- the options of a GAGA config as values of their kind, whatever their spelling.
 *
 * gaga_keys.c finds each key of a config in the table of gaga_keys.def, puts overrides and defaults
 * in, and checks kinds and ranges. What the values mean for a network is the matter of read_gaga.c.
 */
#ifndef GAGAC_GAGA_KEYS_H
#define GAGAC_GAGA_KEYS_H

#include "gagac.h"

enum {
    MAX_WIDTH = 1 << 20, /* neurons of a layer: a square layer of 16,384 reaches MAX_PARAMETERS */
    MAX_HIDDEN_LAYERS = 256, /* the generated code grows with the number of layers */
    MAX_COLUMNS = 4096,
    MAX_NAME = 128 /* bytes of a column's name */
};

typedef enum ValueKind {
    VALUE_INTEGER,
    VALUE_REAL,
    VALUE_FRACTION, /* low <= value < high */
    VALUE_SWITCH,
    VALUE_WORD,  /* one of a few; the words are known to read_gaga.c */
    VALUE_WORDS, /* "a b c" or ["a", "b", "c"] */
    VALUE_TEXT,
    VALUE_OBJECT,
    VALUE_SEED,     /* 0 .. 2^64-1, as text where a JSON number would not be exact */
    VALUE_PRESENCE, /* being there is what counts */
    VALUE_UNUSED    /* accepted, without effect */
} ValueKind;

/* The releases that knew a spelling. */
typedef enum Era {
    ERA_ANY,
    ERA_2019,   /* 2019 to early 2021 only */
    ERA_2021,   /* since 2021 (0.5.4) */
    ERA_0_7,    /* since 0.7.1, where `epoch` counted passes over the data */
    ERA_GAGAC,  /* ours */
    ERA_RESULT, /* no option: written by a training into its result */
    ERA_COUNT
} Era;

typedef enum OptionId {
#define OPTION(name, kind, fallback, low, high, era, flags) OPTION_##name,
#define ALIAS(spelling, name, era)
#include "gaga_keys.def"
#undef OPTION
#undef ALIAS
    OPTION_COUNT
} OptionId;

typedef struct Word {
    const char *text;
    Span span;
} Word;

typedef struct Setting { /* what a config says about one option */
    const char *name;    /* as it was spelled there, or the option's own name */
    const Json *json;    /* NULL: absent and without a default */
    Span span;           /* of the value; no source: a default */
    Span key_span;
    bool given; /* in the config or by an override */
    bool overridden;
    double number; /* INTEGER (exact), REAL, FRACTION */
    bool on;       /* SWITCH, PRESENCE */
    uint64_t seed;
    const char *text; /* WORD, TEXT; NULL for a TEXT that is null or empty */
    Word *words;      /* WORDS */
    int word_count;
} Setting;

typedef struct Settings {
    const Json *root;
    Setting of[OPTION_COUNT];
    const Json *first_of_era[ERA_COUNT]; /* the first key of the config spelled as in that era */
} Settings;

/* Unknown and repeated options, overrides, defaults, kinds and ranges; what is wrong fails. */
Settings *settings_read(const Json *root, const Override *overrides, int override_count);
/* "the releases of 2019 and 2020", for messages; "" where a message need not name it. */
const char *era_name(Era era);
/* One number of a list inside an OBJECT option, numeric text included. */
double settings_number(const Json *value, const char *what);
/* The value of the word among the choices; an unknown word fails with a suggestion or the list. */
typedef struct Choice {
    const char *word;
    int value;
} Choice;
int settings_choose(const Setting *setting, const Choice *choices, size_t count);

#endif
