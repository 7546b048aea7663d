/* test_build.c -- RUN is made whole or not at all, keeps what is not ours, and comes from the cache
 * the second time.
 *
 * The runtime here is a toy of two mains and a header, so that a build takes a fraction of a
 * second.                 */
#define _GNU_SOURCE
#include "build.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT(name, text)            \
    {                               \
        name, text, sizeof text - 1 \
    }

/* instead of the real runtime */
const EmbeddedFile embedded_files[] = {
    TEXT("runtime/program.h", "int answer(void);\nint helper(void);\n"),
    TEXT("runtime/train.c",
         "#include \"program.h\"\nint main(void) { return answer() + helper(); }\n"),
    TEXT("runtime/sample.c", "#include \"program.h\"\nint main(void) { return answer(); }\n"),
    TEXT("runtime/helper.c", "#include \"program.h\"\nint helper(void) { return 1; }\n"),
    TEXT("templates/model.c", "not compiled\n"),
    TEXT("runtime/image_helper.c", "#include <zlib.h>\n#include \"program.h\"\n"
                                   "int image_helper(void) { return zlibVersion()[0] == '1'; }\n"),
};
const int embedded_file_count = 6;

static const char *folder, *run;
static const BuildOptions plain_options = {.isa = ISA_GENERIC};

/* A folder that children of this process do not remove when they end. */
static int make_folder(void **state)
{
    (void)state;
    folder = mkdtemp(arena_printf("%s/gagac-test-XXXXXX", folder_for_temporaries()));
    run = arena_printf("%s/RUN", folder);
    return folder == NULL || setenv("GAGAC_CACHE_DIR", arena_printf("%s/cache", folder), 1) != 0;
}

static int remove_folder(void **state)
{
    (void)state;
    temporaries_remove();
    return tree_remove(folder) ? 0 : 1;
}

static EmittedFiles program_of(const char *model)
{
    EmittedFile *files = arena_alloc(2 * sizeof *files);
    files[0] = (EmittedFile){"src/model.c", model, strlen(model)};
    files[1] = (EmittedFile){"sampler/sampler.h", "/* sampler */\n", 14};
    return (EmittedFiles){files, 2};
}

static EmittedFiles answer_program(int answer)
{
    return program_of(
        arena_printf("#include \"program.h\"\nint answer(void) { return %d; }\n", answer));
}

static const char *inside(const char *name) { return arena_printf("%s/%s", run, name); }

static int status_of(const char *program)
{
    const char *argv[] = {program, NULL};
    Job job = {.argv = argv};
    jobs_run(&job, 1);
    return job.status;
}

static int entry_count(const char *path)
{
    int count = 0;
    DIR *list = opendir(path);
    assert_non_null(list);
    for (struct dirent *item; (item = readdir(list)) != NULL;)
        count += strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0;
    closedir(list);
    return count;
}

/* Builds in a child, which may end itself; its exit status. Its words go away. */
static int build_apart(EmittedFiles files, const BuildOptions *options)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(98);
        build_run(run, files, options);
        exit(EXIT_OK);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_new_run(void **state)
{
    (void)state;
    build_run(run, answer_program(6), &plain_options);
    assert_int_equal(status_of(inside("train")), 7);
    assert_int_equal(status_of(inside("sample")), 6);
    assert_int_equal(entry_count(run), 4);
    assert_true(path_exists(inside("sampler/sampler.h")));
    assert_int_equal(entry_count(inside("src")), 7); /* 5 sources, Makefile, CMakeLists.txt */
    assert_int_equal(entry_count(folder), 2);        /* RUN and the cache, no leftovers */
}

/* Only programs for images have the runtime's files for them and are linked with libraries. */
static void test_images(void **state)
{
    (void)state;
    static const char model[] = "#include \"program.h\"\nint image_helper(void);\n"
                                "int answer(void) { return 10 + image_helper(); }\n";
    BuildOptions options = plain_options;
    assert_int_equal(build_apart(program_of(model), &options), EXIT_TOOLCHAIN);
    options.images = true;
    build_run(run, program_of(model), &options);
    assert_int_equal(status_of(inside("sample")), 11);
    assert_true(path_exists(inside("src/image_helper.c")));
    Bytes makefile = file_read(inside("src/Makefile")),
          cmake = file_read(inside("src/CMakeLists.txt"));
    assert_non_null(strstr(makefile.data, "$^ -lpng -ljpeg -lz -lm\n"));
    assert_non_null(strstr(cmake.data, "Threads::Threads -lpng -ljpeg -lz -lm)"));
    options.images = false;
    build_run(run, answer_program(6), &options);
    assert_false(path_exists(inside("src/image_helper.c")));
    makefile = file_read(inside("src/Makefile"));
    assert_null(strstr(makefile.data, "-lpng"));
}

/* What the user has in RUN stays; what gagac made is replaced. */
static void test_again(void **state)
{
    (void)state;
    build_run(run, answer_program(6), &plain_options);
    assert_int_equal(mkdir(inside("checkpoints"), 0777), 0);
    assert_true(file_write(inside("checkpoints/1"), "x", 1, 0666));
    assert_true(file_write(inside("src/stale.c"), "x", 1, 0666));
    BuildOptions options = plain_options;
    options.data = "d.npy";
    options.threads = 2;
    build_run(arena_printf("%s//", run), answer_program(8), &options);
    assert_int_equal(status_of(inside("sample")), 8);
    assert_true(path_exists(inside("checkpoints/1")));
    assert_false(path_exists(inside("src/stale.c")));
    temporaries_remove(); /* as at the end of a program: what was replaced goes */
    assert_int_equal(entry_count(run), 6);
}

static void test_options_file(void **state)
{
    (void)state;
    BuildOptions options = plain_options;
    options.data = "/data/d.npy";
    options.threads = 2;
    build_run(run, answer_program(1), &options);
    assert_string_equal(file_read(inside("train.options")).data,
                        "--data=/data/d.npy\n--threads=2\n");
    options.fit = "--crop";
    build_run(run, answer_program(1), &options);
    assert_string_equal(file_read(inside("train.options")).data,
                        "--data=/data/d.npy\n--threads=2\n--crop\n");
    build_run(run, answer_program(2), &plain_options);
    assert_true(path_exists(inside("train.options")));
}

static void test_foreign_folder(void **state)
{
    (void)state;
    assert_int_equal(mkdir(run, 0777), 0);
    assert_int_equal(mkdir(inside("src"), 0777), 0);
    assert_true(file_write(inside("src/thesis.c"), "x", 1, 0666));
    assert_int_equal(build_apart(answer_program(1), &plain_options), EXIT_IO);
    assert_int_equal(entry_count(run), 1);
    assert_true(path_exists(inside("src/thesis.c")));
}

/* After any failure there is no RUN, or the one that was there. */
static void test_failures(void **state)
{
    (void)state;
    BuildOptions options = plain_options;
    assert_int_equal(build_apart(program_of("int answer(void) { return no; }\n"), &options),
                     EXIT_TOOLCHAIN);
    assert_int_equal(build_apart(program_of("int other(void) { return 1; }\n"), &options),
                     EXIT_TOOLCHAIN);
    options.compiler = "no-such-compiler";
    assert_int_equal(build_apart(answer_program(1), &options), EXIT_TOOLCHAIN);
    assert_false(path_exists(run));
    build_run(run, answer_program(6), &plain_options);
    assert_int_equal(build_apart(program_of("broken"), &plain_options), EXIT_TOOLCHAIN);
    assert_int_equal(status_of(inside("train")), 7);
    assert_int_equal(entry_count(run), 4);
    run = arena_printf("%s/no/such/parent", folder);
    assert_int_equal(build_apart(answer_program(1), &plain_options), EXIT_IO);
}

/* The second time no compiler runs: one that only knows its version is enough. Another text or flag
 * asks for it. */
static void test_cache(void **state)
{
    (void)state;
    const char *script = arena_printf("%s/cc", folder), *real = arena_printf("%s/real", folder);
    const char *text = arena_printf(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo toy && exit\n[ -e '%s' ] || exit 9\n"
        "exec cc \"$@\"\n",
        real);
    BuildOptions options = plain_options;
    options.compiler = script;
    assert_true(file_write(script, text, strlen(text), 0777));
    assert_true(file_write(real, "", 0, 0666));
    build_run(run, answer_program(6), &options);
    Bytes first = file_read(inside("train"));
    assert_int_equal(unlink(real), 0);
    assert_true(tree_remove(run));
    build_run(run, answer_program(6), &options);
    Bytes second = file_read(inside("train"));
    assert_int_equal(first.length, second.length);
    assert_memory_equal(first.data, second.data, first.length);
    assert_int_equal(status_of(inside("train")), 7);
    assert_int_equal(build_apart(answer_program(7), &options), EXIT_TOOLCHAIN);
    options.f64 = true;
    assert_int_equal(build_apart(answer_program(6), &options), EXIT_TOOLCHAIN);
    options.f64 = false;
    options.no_cache = true;
    assert_int_equal(build_apart(answer_program(6), &options), EXIT_TOOLCHAIN);
}

/* Another program, and other generated headers, compile what is generated and nothing else. */
static void test_runtime_is_shared(void **state)
{
    (void)state;
    const char *script = arena_printf("%s/logging", folder), *log = arena_printf("%s/log", folder);
    const char *text = arena_printf("#!/bin/sh\necho \"$@\" >>'%s'\nexec cc \"$@\"\n", log);
    BuildOptions options = plain_options;
    options.compiler = script;
    assert_true(file_write(script, text, strlen(text), 0777));
    build_run(run, answer_program(8), &options);
    for (int answer = 8; answer < 10; answer++) {
        EmittedFiles files = answer_program(answer);
        const char *header = answer == 8 ? "/* another */\n" : "/* sampler */\n";
        files.files[1] = (EmittedFile){"sampler/sampler.h", header, strlen(header)};
        assert_true(file_write(log, "", 0, 0666));
        build_run(run, files, &options);
        const char *calls = file_read(log).data;
        assert_non_null(strstr(calls, " model.c\n"));
        assert_null(strstr(calls, "helper.c"));
        assert_null(strstr(calls, "train.c"));
        assert_int_equal(status_of(inside("train")), answer + 1);
    }
}

/* Two compilations without a cache give the same bytes, wherever they are made. */
static void test_same_bytes(void **state)
{
    (void)state;
    BuildOptions options = plain_options;
    options.no_cache = true;
    build_run(run, answer_program(6), &options);
    Bytes first = file_read(inside("train"));
    run = arena_printf("%s/elsewhere", folder);
    build_run(run, answer_program(6), &options);
    Bytes second = file_read(inside("train"));
    assert_int_equal(first.length, second.length);
    assert_memory_equal(first.data, second.data, first.length);
}

/* RUN/src builds without gagac. */
static void test_makefile(void **state)
{
    (void)state;
    build_run(run, answer_program(6), &plain_options);
    assert_int_equal(unlink(inside("train")), 0);
    assert_int_equal(unlink(inside("sample")), 0);
    const char *argv[] = {"/usr/bin/env", "make", "-s", "-C", inside("src"), "CC=cc", NULL};
    Job job = {.argv = argv};
    assert_true(jobs_run(&job, 1));
    assert_int_equal(status_of(inside("train")), 7);
    assert_int_equal(status_of(inside("sample")), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_new_run, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_images, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_again, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_options_file, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_foreign_folder, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_failures, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_cache, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_runtime_is_shared, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_same_bytes, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_makefile, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
