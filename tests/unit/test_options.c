/* test_options.c -- the command line of gagac: what it accepts, and the exact words about what it
 * does not. */
#define _GNU_SOURCE
#include "build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_WORDS = 32 };

static Options *parse(const char *line)
{
    static char *words[MAX_WORDS];
    int count = 0;
    char *copy = arena_copy(line, strlen(line));
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        words[count++] = word;
    words[count] = NULL;
    return command_parse(count, words);
}

/* Parses in a child; *text gets what it printed. Returns its exit status, or -1 when the line was
 * accepted. */
static int parse_apart(const char *line, const char **text)
{
    FILE *out = tmpfile();
    int status;
    assert_non_null(out);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(fileno(out), STDOUT_FILENO);
        dup2(fileno(out), STDERR_FILENO);
        parse(line);
        _exit(99);
    }
    waitpid(child, &status, 0);
    char *bytes = arena_alloc(20000);
    rewind(out);
    bytes[fread(bytes, 1, 19999, out)] = '\0';
    fclose(out);
    *text = bytes;
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 99 ? -1 : WEXITSTATUS(status);
}

static void test_defaults(void **state)
{
    (void)state;
    Options *o = parse("gagac net.json -o RUN");
    assert_int_equal(o->command, COMMAND_COMPILE);
    assert_string_equal(o->operands[0], "net.json");
    assert_string_equal(o->output, "RUN");
    assert_int_equal(o->isa, isa_native());
    assert_false(o->f64 || o->plain || o->json || o->no_cache || o->fresh);
    assert_int_equal(o->threads, 0);
    assert_int_equal(o->override_count, 0);
    assert_null(o->data);
}

static void test_everything(void **state)
{
    (void)state;
    Options *o =
        parse("gagac train -o RUN --data=x.npy --precision f64 net.json --isa=avx2 --plain "
              "--threads 3 -p a=1 --param b=c=d --iterations 10");
    assert_int_equal(o->command, COMMAND_TRAIN);
    assert_string_equal(o->operands[0], "net.json");
    assert_string_equal(o->data, "x.npy");
    assert_true(o->f64 && o->plain);
    assert_int_equal(o->isa, ISA_AVX2);
    assert_int_equal(o->threads, 3);
    assert_string_equal(o->iterations, "10");
    assert_int_equal(o->override_count, 2);
    assert_string_equal(o->overrides[0].key, "a");
    assert_string_equal(o->overrides[0].value, "1");
    assert_string_equal(o->overrides[1].key, "b");
    assert_string_equal(o->overrides[1].value, "c=d");
}

static void test_commands(void **state)
{
    (void)state;
    Options *o = parse("gagac replay net.json in.st out.st");
    assert_int_equal(o->command, COMMAND_REPLAY);
    assert_string_equal(o->operands[2], "out.st");
    assert_int_equal(parse("gagac check --json net.json")->command, COMMAND_CHECK);
    assert_int_equal(parse("gagac bench net.json --json")->command, COMMAND_BENCH);
    assert_true(parse("gagac new -l")->list);
    o = parse("gagac new mine -t wgan-gp");
    assert_int_equal(o->command, COMMAND_NEW);
    assert_string_equal(o->operands[0], "mine");
    assert_string_equal(o->config_template, "wgan-gp");
    assert_int_equal(parse("gagac doctor")->command, COMMAND_DOCTOR);
    assert_string_equal(parse("gagac cache clear")->operands[0], "clear");
    assert_string_equal(parse("gagac -o R -- -net.json")->operands[0], "-net.json");
}

static const struct {
    const char *line, *message;
} wrong[] = {
    {"gagac", "nothing to work on"},
    {"gagac net.json", "no output folder"},
    {"gagac chekc net.json", "did you mean check?"},
    {"gagac frobnicate", "'frobnicate' is neither a config nor a command"},
    {"gagac net.json -o R --theads 2", "did you mean --threads?"},
    {"gagac net.json -o R --threads 0", "from 1 to 256"},
    {"gagac net.json -o R --threads two", "from 1 to 256"},
    {"gagac net.json -o R --threads", "--threads needs a value"},
    {"gagac net.json -o R --isa sse9", "--isa needs native, avx512, avx2 or generic, not 'sse9'"},
    {"gagac net.json -o R --precision f16",
     "--precision needs f32, f64, tf32, 3xtf32 or bf16, not 'f16'"},
    {"gagac net.json -o R --plain=1", "--plain takes no value"},
    {"gagac net.json -o R -p width", "-p needs KEY=VALUE, not 'width'"},
    {"gagac net.json -o R -p =3", "-p needs KEY=VALUE, not '=3'"},
    {"gagac net.json other.json -o R", "unexpected argument 'other.json'"},
    {"gagac net.json -o R --json", "unknown option '--json'"},
    {"gagac check net.json -o R", "unknown option '-o'"},
    {"gagac train net.json -o R", "no data to train on"},
    {"gagac replay net.json in.st", "a file is missing"},
    {"gagac new", "no name for the new config"},
    {"gagac new a b", "unexpected argument 'b'"},
    {"gagac new a -l=1", "takes no value"},
    {"gagac check net.json -t dcgan", "unknown option '-t'"},
    {"gagac cache emtpy", "gagac cache takes stats or clear, not 'emtpy'"},
    {"gagac doctor net.json", "unexpected argument 'net.json'"},
};

static void test_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *text;
        int status = parse_apart(wrong[i].line, &text);
        if (status != EXIT_USAGE || strstr(text, wrong[i].message) == NULL)
            fail_msg("%s: status %d, said: %s", wrong[i].line, status, text);
    }
}

/* Each command's help lists the options it takes and no others. */
static void test_help(void **state)
{
    (void)state;
    const char *text;
    assert_int_equal(parse_apart("gagac --help", &text), EXIT_OK);
    assert_non_null(strstr(text, "usage: gagac CONFIG.json"));
    assert_non_null(strstr(text, "-o, --output RUN"));
    assert_non_null(strstr(text, "doctor"));
    assert_null(strstr(text, "--json"));
    assert_int_equal(parse_apart("gagac check --help", &text), EXIT_OK);
    assert_non_null(strstr(text, "--json"));
    assert_null(strstr(text, "--isa"));
    assert_int_equal(parse_apart("gagac --version", &text), EXIT_OK);
    assert_string_equal(text, "gagac " GAGAC_VERSION "\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_everything),
        cmocka_unit_test(test_commands), cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
