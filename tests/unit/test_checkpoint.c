/* test_checkpoint.c -- checkpoints against kills, full disks and damaged bytes. */
#define _POSIX_C_SOURCE 200809L
#include "checkpoint.h"
#include "output.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char folder[] = "checkpoints";

enum { VALUES = 5000 };

/* Two tensors and two texts that all depend on the iteration. */
static bool write_iteration(uint64_t iteration, bool stored, Error *error)
{
    static float singles[VALUES];
    double number = (double)iteration;
    char text[32];
    for (int i = 0; i < VALUES; i++)
        singles[i] = (float)iteration + (float)i;
    snprintf(text, sizeof text, "%d", (int)iteration);
    StoredTensor tensors[2] = {{"G.0.weight", STORED_F32, 2, {VALUES / 2, 2}, singles},
                               {"normalisation.rows", STORED_F64, 1, {1}, &number}};
    StoredText texts[2] = {{"iteration", text}, {"config", "x"}};
    return (stored ? checkpoint_store : checkpoint_write)(folder, iteration, tensors, 2, texts, 2,
                                                          error);
}

static void must_write(uint64_t iteration)
{
    Error error = {0};
    if (!write_iteration(iteration, false, &error))
        fail_msg("%s", error.message);
}

static int count_files(const char *part)
{
    int count = 0;
    DIR *entries = opendir(folder);
    for (struct dirent *entry = entries ? readdir(entries) : NULL; entry; entry = readdir(entries))
        count +=
            entry->d_name[strspn(entry->d_name, ".")] != 0 && strstr(entry->d_name, part) != NULL;
    if (entries)
        closedir(entries);
    return count;
}

static int empty_folder(void **state)
{
    (void)state;
    DIR *entries = opendir(folder);
    for (struct dirent *entry = entries ? readdir(entries) : NULL; entry; entry = readdir(entries))
        unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries)
        closedir(entries);
    rmdir(folder);
    return 0;
}

/* The newest good checkpoint is of this iteration and whole. */
static void expect_newest(uint64_t expected)
{
    Safetensors file;
    Error error = {0};
    uint64_t iteration;
    char text[32];
    assert_int_equal(checkpoint_newest(folder, &file, &iteration, &error), CHECKPOINT_GOOD);
    assert_int_equal(iteration, expected);
    snprintf(text, sizeof text, "%d", (int)expected);
    assert_string_equal(safetensors_text(&file, "iteration"), text);
    float values[VALUES];
    stored_copy_floats(safetensors_find(&file, "G.0.weight"), values);
    assert_true(values[VALUES - 1] == (float)expected + (float)(VALUES - 1));
    safetensors_close(&file);
}

static void starts_with_nothing(void **state)
{
    (void)state;
    Safetensors file;
    Error error = {0};
    uint64_t iteration;
    assert_int_equal(checkpoint_newest(folder, &file, &iteration, &error), CHECKPOINT_NONE);
    must_write(0);
    expect_newest(0);
}

static void keeps_the_last_three(void **state)
{
    (void)state;
    Error error = {0};
    assert_true(write_iteration(5, true, &error));
    for (uint64_t i = 1; i <= 6; i++)
        must_write(i * 1000);
    assert_int_equal(count_files(""), 4);
    assert_int_equal(access("checkpoints/000004000.safetensors", F_OK), 0);
    assert_int_equal(access("checkpoints/000005000.safetensors", F_OK), 0);
    assert_int_equal(access("checkpoints/generator-000000005.safetensors", F_OK), 0);
    expect_newest(6000);
}

/* A fresh start writes smaller iterations beside the old ones, then removes those. */
static void a_fresh_start_replaces_the_old(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 3; i++)
        must_write(i * 1000);
    must_write(10);
    assert_int_equal(count_files(""), 4);
    checkpoint_remove_others(folder, 10);
    assert_int_equal(count_files(""), 1);
    expect_newest(10);
}

static long file_size(const char *path)
{
    FILE *file = fopen(path, "rb");
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    fclose(file);
    return size;
}

static void flip_bit(const char *path, long place)
{
    FILE *file = fopen(path, "rb+");
    assert_non_null(file);
    fseek(file, place, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, place, SEEK_SET);
    fputc(byte ^ 1, file);
    fclose(file);
}

/* A changed bit anywhere, or a cut: the checkpoint before is used. */
static void falls_back_when_bits_are_damaged(void **state)
{
    (void)state;
    static const char newest[] = "checkpoints/000000002.safetensors";
    must_write(1);
    must_write(2);
    long size = file_size(newest);
    fflush(stderr);
    int messages = dup(STDERR_FILENO); /* a warning for each damaged file would be long */
    assert_non_null(freopen("warnings", "w", stderr));
    for (long place = 0; place < size; place += place < 1200 ? 1 : 997) {
        flip_bit(newest, place);
        expect_newest(1);
        flip_bit(newest, place);
    }
    expect_newest(2);
    assert_int_equal(truncate(newest, size - 1), 0);
    expect_newest(1);
    Safetensors file;
    Error error = {0};
    uint64_t iteration;
    flip_bit("checkpoints/000000001.safetensors", size / 2);
    assert_int_equal(checkpoint_newest(folder, &file, &iteration, &error), CHECKPOINT_ALL_DAMAGED);
    assert_non_null(strstr(error.message, "000000002"));
    fflush(stderr);
    dup2(messages, STDERR_FILENO);
    close(messages);
    must_write(3); /* what is damaged does not keep the training from going on */
    expect_newest(3);
}

static void refuses_files_without_checksums(void **state)
{
    (void)state;
    Safetensors file;
    Error error = {0};
    must_write(1);
    assert_true(safetensors_write("checkpoints/000000002.safetensors", NULL, 0, NULL, 0, &error));
    assert_false(checkpoint_open("checkpoints/000000002.safetensors", &file, &error));
    assert_non_null(strstr(error.message, "no checksums"));
    expect_newest(1);
}

/* A limit on the size of files behaves like a full disk: the error is reported, nothing is lost. */
static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    Error error = {0};
    struct rlimit old, low;
    for (uint64_t i = 1; i <= 3; i++)
        must_write(i);
    getrlimit(RLIMIT_FSIZE, &old);
    low = old;
    low.rlim_cur = 10000;
    setrlimit(RLIMIT_FSIZE, &low);
    bool written = write_iteration(4, false, &error);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(written);
    assert_int_equal(error.status, EXIT_IO);
    assert_true(error.hint[0] != 0);
    assert_int_equal(count_files(""), 3);
    expect_newest(3);
    must_write(4);
    expect_newest(4);
}

static void write_for_ever(uint64_t first)
{
    Error error;
    for (uint64_t i = first; write_iteration(i, false, &error); i++)
        continue;
    _exit(1);
}

/* Killed at any instant: a whole checkpoint is there, and the remains are cleaned away. */
static void a_kill_leaves_a_good_checkpoint(void **state)
{
    (void)state;
    uint64_t iteration = 0;
    must_write(iteration);
    for (int round = 0; round < 40; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            write_for_ever(iteration + 1);
        nanosleep(&(struct timespec){0, 2000000L + round * 317000L}, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        Safetensors file;
        Error error = {0};
        assert_int_equal(checkpoint_newest(folder, &file, &iteration, &error), CHECKPOINT_GOOD);
        safetensors_close(&file);
        expect_newest(iteration);
    }
    output_clean(folder);
    assert_int_equal(count_files(".tmp"), 0);
    assert_true(count_files("") <= CHECKPOINTS_KEPT + 1);
}

static void other_files_are_left_alone(void **state)
{
    (void)state;
    static const char *const names[] = {"checkpoints/1.safetensors", "checkpoints/notes.txt",
                                        "checkpoints/00000000x.safetensors",
                                        "checkpoints/0000000000000000001.safetensors"};
    Error error = {0};
    must_write(7);
    for (size_t i = 0; i < 4; i++)
        assert_true(output_text(names[i], "text", 4, &error));
    for (uint64_t i = 8; i < 15; i++)
        must_write(i);
    checkpoint_remove_others(folder, 14);
    output_clean(folder);
    expect_newest(14);
    assert_int_equal(count_files(""), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(starts_with_nothing, empty_folder, empty_folder),
        cmocka_unit_test_setup_teardown(keeps_the_last_three, empty_folder, empty_folder),
        cmocka_unit_test_setup_teardown(a_fresh_start_replaces_the_old, empty_folder, empty_folder),
        cmocka_unit_test_setup_teardown(falls_back_when_bits_are_damaged, empty_folder,
                                        empty_folder),
        cmocka_unit_test_setup_teardown(refuses_files_without_checksums, empty_folder,
                                        empty_folder),
        cmocka_unit_test_setup_teardown(a_full_disk_loses_nothing, empty_folder, empty_folder),
        cmocka_unit_test_setup_teardown(a_kill_leaves_a_good_checkpoint, empty_folder,
                                        empty_folder),
        cmocka_unit_test_setup_teardown(other_files_are_left_alone, empty_folder, empty_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
