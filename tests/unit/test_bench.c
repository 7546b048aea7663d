/* test_bench.c -- `gagac bench` takes the steps from the program as it is and the kernels from the
 * one with clocks. */
#define _GNU_SOURCE
#include "build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT(name, text)            \
    {                               \
        name, text, sizeof text - 1 \
    }

/* A runtime whose "measurement" tells which build it is and what it was called with. */
const EmbeddedFile embedded_files[] = {
    TEXT("runtime/train.c",
         "#include <stdio.h>\n"
         "int clocks(void);\n"
         "int main(int argc, char **argv)\n"
         "{\n"
         "    int status = clocks();\n"
         "    const char *row = \"{\\\"name\\\": \\\"%s\\\", \\\"ms\\\": 2.5}\";\n"
         "    printf(\"{\\\"peak_gflops\\\": %d, \\\"threads\\\": \\\"%s\\\", \\\"steps\\\": [\",\n"
         "           status, argv[argc - 1]);\n"
         "    printf(row, status ? \"clocked\" : \"plain\");\n"
         "    printf(\"], \\\"kernels\\\": [\");\n"
         "    printf(row, status ? \"k1\" : \"none\");\n"
         "    printf(\"]}\\n\");\n"
         "    return status > 1 ? status : 0;\n"
         "}\n"),
    TEXT("runtime/sample.c", "int main(void) { return 0; }\n"),
};
const int embedded_file_count = 2;

/* Prints a bench of the model in a child; what it wrote, and its exit status. */
static const char *bench(const char *model, bool json, int *status)
{
    const BuildOptions options = {.isa = ISA_GENERIC, .no_cache = true, .threads = 2};
    EmittedFile file = {"src/model.c", model, strlen(model)};
    char *text = arena_alloc(10000);
    FILE *out = tmpfile();
    assert_non_null(out);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(fileno(out), STDOUT_FILENO);
        bench_print((EmittedFiles){&file, 1}, &options, json);
        exit(EXIT_OK);
    }
    waitpid(child, status, 0);
    assert_true(WIFEXITED(*status));
    *status = WEXITSTATUS(*status);
    rewind(out);
    text[fread(text, 1, 9999, out)] = '\0';
    fclose(out);
    return text;
}

static const char model[] = "int clocks(void)\n{\n#ifdef GAGAC_PROFILE\n    return 1;\n#else\n"
                            "    return 0;\n#endif\n}\n";

static void test_json(void **state)
{
    int status;
    (void)state;
    const char *text = bench(model, true, &status);
    assert_int_equal(status, EXIT_OK);
    assert_string_equal(text, "{\"peak_gflops\": 0, \"threads\": \"--threads=2\", "
                              "\"steps\": [{\"name\": \"plain\", \"ms\": 2.5}], "
                              "\"kernels\": [{\"name\": \"k1\", \"ms\": 2.5}]}\n");
}

static void test_table(void **state)
{
    int status;
    (void)state;
    const char *text = bench(model, false, &status);
    assert_int_equal(status, EXIT_OK);
    assert_non_null(strstr(text, "plain"));
    assert_non_null(strstr(text, "k1"));
    assert_null(strstr(text, "clocked"));
    assert_null(strstr(text, "none"));
}

/* The status of a program that cannot measure is the status of gagac. */
static void test_failure(void **state)
{
    int status;
    (void)state;
    bench("int clocks(void) { return 3; }\n", true, &status);
    assert_int_equal(status, EXIT_TOOLCHAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
