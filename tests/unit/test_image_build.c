/* test_image_build.c -- a program for images through the real build: linked with the archive of the
 * runtime and the image libraries, it runs; a program for rows is linked with none of them. */
#define _GNU_SOURCE
#include "build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const BuildOptions image_options = {.isa = ISA_GENERIC, .images = true};

/* Runs a program of RUN; what it printed. */
static const char *words_of(const char *run, const char *name, const char *option)
{
    const char *argv[] = {arena_printf("%s/%s", run, name), option, NULL};
    Job job = {.argv = argv, .capture = CAPTURE_ALL};
    assert_true(jobs_run(&job, 1));
    assert_int_equal(job.status, 0);
    return arena_copy(job.output.data, job.output.length);
}

static void a_program_for_images_runs(void **state)
{
    (void)state;
    const char *run = arena_printf(
        "%s/RUN", folder_temporary(arena_printf("%s/gagac-test", folder_for_temporaries())));
    Bytes toy = file_read(arena_printf("%s/tools/image_toy.c", getenv("GAGAC_TESTS")));
    assert_non_null(toy.data);
    /* the runtime's headers lie beside it, as for generated files */
    EmittedFile files[] = {{"src/model.c", toy.data, toy.length},
                           {"sampler/sampler.h", "/* */\n", 6}};
    build_run(run, (EmittedFiles){files, 2}, &image_options);
    assert_non_null(strstr(words_of(run, "train", "--help"), "--random-crop"));
    assert_non_null(strstr(words_of(run, "sample", "--help"), "--stretch"));
    assert_true(path_exists(arena_printf("%s/src/image_decode.c", run)));
    temporaries_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_program_for_images_runs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
