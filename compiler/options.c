/* options.c -- the command line of gagac: a table of commands, and a table of options that says
 * which command takes which. The words themselves are read as in the generated programs, by
 * runtime/options.c. */
#include "build.h"

#include "options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FOR(command) (1u << COMMAND_##command)
enum {
    ON_BUILDS = FOR(COMPILE) | FOR(TRAIN),
    ON_PROGRAMS = ON_BUILDS | FOR(BENCH),
    ON_CONFIGS = ON_PROGRAMS | FOR(CHECK) | FOR(REPLAY)
};

typedef struct Command {
    const char *name;     /* "": compiling needs no word */
    const char *operands; /* what --help calls them */
    int least, most;      /* operands */
    const char *purpose;
} Command;

static const Command commands[] =
    {/* by CommandKind */
     {"", "CONFIG.json", 1, 1,
      "Compiles the GAN that CONFIG.json describes into RUN/train, RUN/sample, RUN/sampler/ and "
      "RUN/src/."},
     {"new", "NAME", 0, 1,
      "Writes NAME.json, a copy of a packaged config of an image GAN; -l lists them."},
     {"check", "CONFIG.json", 1, 1,
      "Prints layers, shapes, parameters and the cost of each step; writes nothing."},
     {"train", "CONFIG.json", 1, 1,
      "Compiles and trains in one go; a RUN with checkpoints goes on where it was."},
     {"bench", "CONFIG.json", 1, 1,
      "Measures each step and each kernel beside the peak of this machine."},
     {"score", "REAL.npy GENERATED.npy", 2, 2, "Compares generated rows with real ones."},
     {"replay", "CONFIG.json IN OUT", 3, 3,
      "Runs steps with given draws in the double-precision interpreter, as RUN/train --replay "
      "does."},
     {"cache", "[stats|clear]", 0, 1, "Shows or empties the cache of compiled code."},
     {"doctor", "", 0, 0,
      "Says which compiler, instruction set and cache are used and what is missing."}};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

typedef struct Line { /* what the table of options fills */
    Options options;
    const char *precision, *isa, *size, *batch, *target, *archs;
    OptionList overrides, operands;
    bool version;
} Line;

typedef struct Row {
    unsigned commands; /* that take it */
    OptionKind kind;
    const char *name, *letter, *argument;
    size_t target; /* offset in Line */
    const char *help;
} Row;

#define OPTION(field) offsetof(Line, options.field)
static const Row rows[] = {
    {ON_BUILDS, OPTION_TEXT, "--output", "-o", "RUN", OPTION(output),
     "the folder to make; one that is there keeps its checkpoints"},
    {ON_BUILDS, OPTION_TEXT, "--data", NULL, "FILE", OPTION(data),
     "data set (.npy); its columns are checked now, RUN/train reads it by default"},
    {ON_BUILDS, OPTION_FLAG, "--crop", NULL, NULL, OPTION(crop),
     "of images of another size, cut out the middle; RUN/train does so by default"},
    {ON_BUILDS, OPTION_FLAG, "--resize", NULL, NULL, OPTION(resize), "scale them, nearest pixel"},
    {ON_BUILDS, OPTION_FLAG, "--random-crop", NULL, NULL, OPTION(random_crop),
     "cut out a piece somewhere"},
    {ON_PROGRAMS, OPTION_TEXT, "--precision", NULL, "P", offsetof(Line, precision),
     "f32 (default) or f64; on a GPU also tf32, 3xtf32, bf16"},
    {ON_PROGRAMS, OPTION_TEXT, "--isa", NULL, "SET", offsetof(Line, isa),
     "native (default), avx512, avx2 or generic"},
    {ON_PROGRAMS, OPTION_FLAG, "--wide", NULL, NULL, OPTION(wide),
     "kernel by kernel over the whole batch, as images are compiled; else tile by tile"},
    {ON_PROGRAMS, OPTION_TEXT, "--target", NULL, "WHERE", offsetof(Line, target),
     "cpu (default), cuda, or both: the GPU where there is one"},
    {ON_PROGRAMS, OPTION_TEXT, "--arch", NULL, "LIST", offsetof(Line, archs),
     "GPUs to make machine code for now: sm_80,sm_90 (default: when the program starts)"},
    {FOR(TRAIN) | FOR(BENCH), OPTION_TEXT, "--device", NULL, "WHICH", OPTION(device),
     "cpu, cuda or auto"},
    {FOR(BENCH), OPTION_FLAG, "--static", NULL, NULL, OPTION(fixed),
     "with --device cuda: registers, spills, occupancy, without a GPU"},
    {ON_PROGRAMS, OPTION_FLAG, "--plain", NULL, NULL, OPTION(plain),
     "simple portable loops, to read and compare"},
    {ON_PROGRAMS, OPTION_NUMBER, "--threads", NULL, "N", OPTION(threads),
     "threads of the program (default: all cores)"},
    {FOR(COMPILE), OPTION_FLAG, "--emit-only", NULL, NULL, OPTION(emit_only),
     "write RUN/src and RUN/sampler, compile nothing"},
    {FOR(TRAIN), OPTION_TEXT, "--iterations", NULL, "N", OPTION(iterations),
     "stop after this many"},
    {FOR(TRAIN), OPTION_TEXT, "--seed", NULL, "S", OPTION(seed), "seed of all random numbers"},
    {FOR(TRAIN), OPTION_FLAG, "--fresh", NULL, NULL, OPTION(fresh),
     "start over instead of going on"},
    {ON_CONFIGS, OPTION_LIST, "--param", "-p", "KEY=VALUE", offsetof(Line, overrides),
     "replaces a key of the config; may be repeated"},
    {FOR(NEW), OPTION_TEXT, "--template", "-t", "TEMPLATE", OPTION(config_template),
     "the packaged config to copy (default: default)"},
    {FOR(NEW), OPTION_FLAG, "--list", "-l", NULL, OPTION(list),
     "list the packaged configs, each with a command that trains it"},
    {ON_CONFIGS, OPTION_TEXT, "--size", "-s", "WxHxC", offsetof(Line, size),
     "HyperGAN: width, height and channels of the images"},
    {ON_CONFIGS, OPTION_TEXT, "--batch-size", "-b", "N", offsetof(Line, batch),
     "HyperGAN: samples of a batch"},
    {ON_CONFIGS, OPTION_FLAG, "--strict", NULL, NULL, OPTION(strict),
     "HyperGAN: the intended meaning where the original's differs"},
    {FOR(CHECK) | FOR(BENCH), OPTION_FLAG, "--json", NULL, NULL, OPTION(json), "print JSON"},
    {ON_PROGRAMS | FOR(DOCTOR), OPTION_TEXT, "--cc", NULL, "PROGRAM", OPTION(compiler),
     "C compiler (default: $GAGAC_CC, else clang, else gcc)"},
    {ON_PROGRAMS, OPTION_FLAG, "--no-cache", NULL, NULL, OPTION(no_cache),
     "compile everything anew"},
    {FOR(COMPILE), OPTION_FLAG, "--version", NULL, NULL, offsetof(Line, version),
     "print the version"}};

enum { ROW_COUNT = sizeof rows / sizeof rows[0], MAX_THREADS = 256 };

static CommandKind find_command(const char *word)
{
    for (int i = 1; i < COMMAND_COUNT; i++)
        if (strcmp(word, commands[i].name) == 0)
            return (CommandKind)i;
    return COMMAND_COMPILE;
}

static int options_of(CommandKind kind, Line *line, Option *options)
{
    int count = 0;
    for (int i = 0; i < ROW_COUNT; i++) {
        const Row *row = &rows[i];
        if ((row->commands & 1u << kind) != 0)
            options[count++] = (Option){row->name, row->letter, row->argument,
                                        row->help, row->kind,   (char *)line + row->target,
                                        1,         MAX_THREADS};
    }
    return count;
}

/* The first lines of --help; without a command also the list of commands. */
static const char *describe(CommandKind kind)
{
    const char *text = commands[kind].purpose;
    if (kind != COMMAND_COMPILE)
        return text;
    text = arena_printf("%s\n\ncommands (gagac COMMAND --help tells more)", text);
    for (int i = 1; i < COMMAND_COUNT; i++)
        text = arena_printf("%s\n  %-8s %s", text, commands[i].name, commands[i].purpose);
    return arena_printf("%s\n\noptions", text);
}

static void check_operands(const Line *line, const Command *command)
{
    const char *hint = arena_printf("usage: gagac %s%s%s", command->name, *command->name ? " " : "",
                                    command->operands);
    if (line->operands.count < command->least)
        fail(EXIT_USAGE, hint,
             line->operands.count == 0 ? "nothing to work on" : "a file is missing");
    if (line->operands.count > command->most)
        fail(EXIT_USAGE, hint, "unexpected argument '%s'",
             printable(line->operands.items[command->most]));
}

/* A bare word that is no file was meant as a command. */
static void check_config_name(const char *word)
{
    const char *names[COMMAND_COUNT];
    if (strpbrk(word, "./") != NULL || path_exists(word) || config_find(word) != NULL)
        return;
    for (int i = 1; i < COMMAND_COUNT; i++)
        names[i - 1] = commands[i].name;
    const char *near = nearest_word(word, names, COMMAND_COUNT - 1);
    fail(EXIT_USAGE,
         near != NULL ? arena_printf("did you mean %s?", near) : "gagac --help lists the commands",
         "'%s' is neither a config nor a command", printable(word));
}

static void read_overrides(Options *options, const OptionList *list)
{
    options->overrides = arena_alloc((size_t)list->count * sizeof *options->overrides + 1);
    for (int i = 0; i < list->count; i++) {
        const char *equals = strchr(list->items[i], '=');
        if (equals == NULL || equals == list->items[i])
            fail(EXIT_USAGE, NULL, "-p needs KEY=VALUE, not '%s'", printable(list->items[i]));
        options->overrides[i].key = arena_copy(list->items[i], (size_t)(equals - list->items[i]));
        options->overrides[i].value = equals + 1;
    }
    options->override_count = list->count;
}

static void read_choices(Line *line)
{
    Options *options = &line->options;
    options->isa = isa_native();
    if (line->isa != NULL && !isa_from_name(line->isa, &options->isa))
        fail(EXIT_USAGE, NULL, "--isa needs native, avx512, avx2 or generic, not '%s'",
             printable(line->isa));
    const char *precision = line->precision != NULL ? line->precision : "f32";
    options->f64 = strcmp(precision, "f64") == 0;
    options->tensor = strcmp(precision, "tf32") == 0     ? TENSOR_TF32
                      : strcmp(precision, "3xtf32") == 0 ? TENSOR_3XTF32
                      : strcmp(precision, "bf16") == 0   ? TENSOR_BF16
                                                         : TENSOR_NONE;
    if (!options->f64 && options->tensor == TENSOR_NONE && strcmp(precision, "f32") != 0)
        fail(EXIT_USAGE, NULL, "--precision needs f32, f64, tf32, 3xtf32 or bf16, not '%s'",
             printable(precision));
}

/* A whole number from 1 to 65536 at *at, which moves on; 0 when there is none. */
static int read_count(const char **at)
{
    int value = 0;
    for (; **at >= '0' && **at <= '9' && value <= 65536; (*at)++)
        value = value * 10 + (**at - '0');
    return value <= 65536 ? value : 0;
}

static void read_sizes(const Line *line, Options *options)
{
    int *sizes[] = {&options->width, &options->height, &options->channels};
    const char *at = line->size;
    for (int k = 0; k < 3 && at != NULL; k++) {
        *sizes[k] = read_count(&at);
        bool last = *at == '\0';
        if (*sizes[k] == 0 || (!last && *at != 'x') || (!last && k == 2))
            fail(EXIT_USAGE, "for example -s 64x64x3", "-s needs WIDTHxHEIGHTxCHANNELS, not '%s'",
                 printable(line->size));
        at = last ? NULL : at + 1;
    }
    at = line->batch;
    if (at != NULL && ((options->batch_size = read_count(&at)) == 0 || *at != '\0'))
        fail(EXIT_USAGE, NULL, "-b needs a number of samples, not '%s'", printable(line->batch));
}

/* "sm_80,sm_90": the architectures that kernels can be compiled for. */
static void read_archs(Options *options, const char *list)
{
    static const char *const known[] = {"sm_75",  "sm_80",  "sm_86",   "sm_87",  "sm_89", "sm_90",
                                        "sm_90a", "sm_100", "sm_100a", "sm_103", "sm_120"};
    enum { COUNT = sizeof known / sizeof *known };
    options->archs = arena_alloc(MAX_ARCHS * sizeof *options->archs);
    for (const char *at = list; *at;) {
        size_t length = strcspn(at, ",");
        const char *arch = arena_copy(at, length);
        bool good = false;
        for (int k = 0; k < COUNT; k++)
            good |= strcmp(arch, known[k]) == 0;
        if (!good) {
            const char *near = nearest_word(arch, known, COUNT);
            fail(EXIT_USAGE,
                 near ? arena_printf("did you mean %s?", near) : "for example --arch sm_80,sm_90",
                 "--arch knows no GPU '%s'", printable(arch));
        }
        if (options->arch_count == MAX_ARCHS)
            fail(EXIT_USAGE, NULL, "--arch takes at most %d GPUs", MAX_ARCHS);
        options->archs[options->arch_count++] = arch;
        at += length + (at[length] == ',');
    }
}

static void read_target(Line *line)
{
    Options *options = &line->options;
    const char *target = line->target != NULL ? line->target : "cpu", *device = options->device;
    if (strcmp(target, "cpu") != 0 && strcmp(target, "cuda") != 0 && strcmp(target, "both") != 0)
        fail(EXIT_USAGE, NULL, "--target needs cpu, cuda or both, not '%s'", printable(target));
    if (device != NULL && strcmp(device, "cpu") != 0 && strcmp(device, "cuda") != 0 &&
        strcmp(device, "auto") != 0)
        fail(EXIT_USAGE, NULL, "--device needs cpu, cuda or auto, not '%s'", printable(device));
    bool asked = device != NULL && strcmp(device, "cpu") != 0 && line->target == NULL;
    options->cuda = strcmp(target, "cpu") != 0 || asked;
    options->default_device = strcmp(target, "cuda") == 0 ? "cuda" : "auto";
    if (line->archs != NULL && !options->cuda)
        fail(EXIT_USAGE, "--target both makes code for a GPU",
             "--arch needs --target cuda or both");
    if (options->tensor != TENSOR_NONE && !options->cuda)
        fail(EXIT_USAGE, "--target both makes code for a GPU",
             "--precision %s is for the tensor cores of a GPU", line->precision);
    if (line->archs != NULL)
        read_archs(options, line->archs);
    for (int k = 0; k < options->arch_count && options->tensor != TENSOR_NONE; k++)
        if (strcmp(options->archs[k], "sm_75") == 0)
            fail(EXIT_USAGE, "sm_80 and newer have them; --precision f32 runs on sm_75",
                 "sm_75 has no tensor cores for %s", line->precision);
}

static void check_needs(const Options *options)
{
    if (options->crop + options->resize + options->random_crop > 1)
        fail(EXIT_USAGE, NULL, "--crop, --resize and --random-crop exclude each other");
    if ((ON_BUILDS & 1u << options->command) != 0 && options->output == NULL)
        fail(EXIT_USAGE,
             "-o RUN names the folder to make; gagac check CONFIG.json only looks at the config",
             "no output folder");
    if (options->output != NULL && options->output[0] == '\0')
        fail(EXIT_USAGE, NULL, "-o needs the name of a folder");
    if (options->command == COMMAND_TRAIN && options->data == NULL)
        fail(EXIT_USAGE, "--data FILE.npy names the data set", "no data to train on");
    if (options->command == COMMAND_NEW && options->operands[0] == NULL && !options->list)
        fail(EXIT_USAGE, "gagac new NAME writes NAME.json; gagac new -l lists the packaged configs",
             "no name for the new config");
    if (options->command == COMMAND_CACHE && options->operands[0] != NULL &&
        strcmp(options->operands[0], "stats") != 0 && strcmp(options->operands[0], "clear") != 0)
        fail(EXIT_USAGE, NULL, "gagac cache takes stats or clear, not '%s'",
             printable(options->operands[0]));
}

Options *command_parse(int argc, char **argv)
{
    Option table[ROW_COUNT];
    Line *line = arena_alloc(sizeof *line);
    CommandKind kind = argc > 1 ? find_command(argv[1]) : COMMAND_COMPILE;
    const Command *command = &commands[kind];
    int skip = kind != COMMAND_COMPILE;
    if (argc > 1 && !skip && argv[1][0] != '-')
        check_config_name(argv[1]);
    const char *usage =
        arena_printf("gagac %s%s%s", command->name, skip ? " " : "", command->operands);
    CommandLine rules = {usage, describe(kind), table, options_of(kind, line, table),
                         &line->operands};
    options_parse(&rules, argc - skip, argv + skip);
    if (line->version) {
        printf("gagac %s\n", GAGAC_VERSION);
        exit(EXIT_OK);
    }
    check_operands(line, command);
    Options *options = &line->options;
    options->command = kind;
    for (int i = 0; i < line->operands.count; i++)
        options->operands[i] = line->operands.items[i];
    read_overrides(options, &line->overrides);
    read_choices(line);
    read_sizes(line, options);
    read_target(line);
    check_needs(options);
    return options;
}
