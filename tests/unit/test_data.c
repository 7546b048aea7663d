/* test_data.c -- rows of a data set: cached, read through the map, cut while in use. */
#define _POSIX_C_SOURCE 200809L
#include "data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char file_name[] = "data.npy";
static const char *const fields[] = {"a", "b", "same"};
static const char *const keys[] = {"same", "a"}; /* any order, not all of the fields */

static void make_file(uint64_t rows)
{
    Error error = {0};
    NpyWriter writer;
    assert_true(npy_create(&writer, file_name, fields, 3, rows, &error));
    for (uint64_t row = 0; row < rows; row++) {
        float values[3] = {(float)(row % 1009), -1, 5};
        assert_true(npy_append(&writer, values, 1, &error));
    }
    assert_true(npy_finish(&writer, &error));
}

static Data open_data(Normaliser *normaliser, uint64_t rows)
{
    Data data = {0};
    Error error = {0};
    make_file(rows);
    if (!data_open(&data, file_name, keys, 2, 100, true, &error) ||
        !normaliser_fit(normaliser, NORMALISE_BLEND, &data.file, data.columns, keys, 2, 0,
                        &error) ||
        !data_prepare(&data, normaliser, &error))
        fail_msg("%s", error.message);
    return data;
}

/* Small data are kept in memory, large data are not, and both give the same rows. */
static void rows_are_normalised_columns(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1000, DATA_CACHE_BYTES / (2 * sizeof(real)) + 1};
    for (int i = 0; i < 2; i++) {
        Normaliser normaliser;
        Data data = open_data(&normaliser, sizes[i]);
        assert_int_equal(data.rows, sizes[i]);
        assert_int_equal(data.cache != NULL, i == 0);
        Order order = data_order(&data, 7);
        for (uint64_t k = 0; k < 2000; k++) {
            uint64_t row = order_row(&order, k);
            real out[6] = {0, 9, 9, 9, 9, 9};
            data_prefetch(&data, row);
            data_row(&data, row, out + 1, 3); /* columns three places apart */
            assert_true(out[1] == 0 && out[2] == 9 && out[3] == 9 && out[5] == 9);
            assert_true(out[4] == (real)normalise(&normaliser.columns[1], (double)(row % 1009)));
        }
        data_close(&data);
        normaliser_free(&normaliser);
    }
}

static void too_few_rows_are_an_error(void **state)
{
    (void)state;
    Data data;
    Error error = {0};
    const char *const missing[] = {"A", "c"};
    make_file(99);
    assert_false(data_open(&data, file_name, keys, 2, 100, true, &error));
    assert_string_equal(error.message, "'data.npy' has 99 rows, fewer than the 100 of a batch");
    assert_false(data_open(&data, file_name, missing, 2, 10, true, &error));
    assert_string_equal(error.message, "'data.npy' has no column 'A'");
}

/* The file is cut while it is read: a message and EXIT_IO, not a crash. */
static void a_cut_file_ends_the_program_in_order(void **state)
{
    (void)state;
    Normaliser normaliser;
    Data data = open_data(&normaliser, DATA_CACHE_BYTES / (2 * sizeof(real)) + 1);
    int channel[2], status;
    char message[300] = "";
    assert_int_equal(pipe(channel), 0);
    pid_t child = fork();
    if (child == 0) {
        real row[2];
        dup2(channel[1], STDERR_FILENO);
        if (truncate(file_name, 4096) != 0)
            _exit(1);
        data_row(&data, data.rows - 1, row, 1);
        _exit(0);
    }
    close(channel[1]);
    for (ssize_t size = 0, got; size < (ssize_t)sizeof message - 1; size += got) {
        got = read(channel[0], message + size, sizeof message - 1 - (size_t)size);
        if (got <= 0)
            break; /* the child has ended */
    }
    close(channel[0]);
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_IO);
    assert_non_null(strstr(message, "error: 'data.npy' became shorter"));
    data_close(&data);
    normaliser_free(&normaliser);
}

/* A plain .npy of 3000 rows of two numbers, one of them changed. */
static uint64_t hash_of_rows(uint64_t changed)
{
    NpyWriter writer;
    Error error = {0};
    assert_true(npy_create_plain(&writer, "rows.npy", 2, 8, 3000, &error));
    for (uint64_t i = 0; i < 3000; i++) {
        double row[2] = {(double)i, i == changed ? 1 : 0};
        assert_true(npy_append(&writer, row, 1, &error));
    }
    assert_true(npy_finish(&writer, &error));
    Data data;
    assert_true(data_open(&data, "rows.npy", keys, 2, 10, true, &error));
    uint64_t hash = data_hash(&data);
    data_close(&data);
    return hash;
}

static void hash_tells_other_rows(void **state)
{
    (void)state;
    uint64_t hash = hash_of_rows(1);
    assert_true(hash == hash_of_rows(1));
    assert_true(hash != hash_of_rows(0) && hash != hash_of_rows(2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_normalised_columns),
        cmocka_unit_test(hash_tells_other_rows),
        cmocka_unit_test(too_few_rows_are_an_error),
        cmocka_unit_test(a_cut_file_ends_the_program_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
