/* options.h -- the command line of RUN/train and RUN/sample: one table gives the parser and --help.
 */
#ifndef GAGAC_OPTIONS_H
#define GAGAC_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum OptionKind {
    OPTION_FLAG,   /* bool *target: set to true */
    OPTION_TEXT,   /* const char **target: the argument as it stands */
    OPTION_NUMBER, /* int64_t *target: lower .. upper, also as 1e6 */
    OPTION_SEED,   /* uint64_t *target: 0 .. 2^64-1 */
    OPTION_LIST,   /* OptionList *target: the arguments of all its uses, in order */
    OPTION_TITLE   /* no option: a heading in --help */
} OptionKind;

enum { MAX_OPTION_ITEMS = 256 };

typedef struct OptionList {
    const char *items[MAX_OPTION_ITEMS];
    int count;
} OptionList;

typedef struct Option {
    const char *name;     /* "--threads"; NULL for a title */
    const char *letter;   /* "-n", or NULL */
    const char *argument; /* what --help calls the argument: "N"; NULL for a flag */
    const char *help;     /* one line */
    OptionKind kind;
    void *target;
    int64_t lower, upper; /* OPTION_NUMBER */
} Option;

typedef struct CommandLine {
    const char *program; /* "train" */
    const char *purpose; /* the first lines of --help */
    const Option *options;
    int option_count;
    OptionList *operands; /* takes the words that are no options; NULL: there may be none */
} CommandLine;

/* Reads `--name value`, `--name=value` and `-x value` into the targets; after `--` every word is an
 * operand. --help prints the table and ends the program with status 0; anything wrong ends it with
 * EXIT_USAGE and a suggestion where one is near. */
void options_parse(const CommandLine *line, int argc, char **argv);

/* The same from a text file with one word a line, for defaults; no such file: nothing happens. */
void options_read(const CommandLine *line, const char *path);

/* The decimal integer of `text`, with an optional exponent ("1e6"), or -1 when it is none or beyond
 * int64_t. */
int64_t parse_number(const char *text);
/* A decimal number below 2^64 into *seed; false when the text is none. */
bool parse_seed(const char *text, uint64_t *seed);

#endif
