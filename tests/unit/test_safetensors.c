/* test_safetensors.c -- named arrays in files: what is written, read and refused; the checksum. */
#include "hash.h"
#include "safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char file_name[] = "test.safetensors";

static void make_file(const char *header, size_t data)
{
    unsigned char lead[8] = {0}, bytes[64] = {0};
    size_t length = strlen(header);
    for (size_t i = 0; i < 8; i++)
        lead[i] = (unsigned char)((uint64_t)length >> 8 * i);
    FILE *file = fopen(file_name, "wb");
    assert_non_null(file);
    fwrite(lead, 1, 8, file);
    fwrite(header, 1, length, file);
    fwrite(bytes, 1, data, file);
    assert_int_equal(fclose(file), 0);
}

static size_t read_bytes(unsigned char *bytes, size_t most)
{
    FILE *file = fopen(file_name, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, most, file);
    fclose(file);
    return size;
}

/* A file with everything: both types, no axes, an empty tensor, awkward names. */
static const float singles[6] = {1, 2, 3, 4, 5, 6.5f};
static const double doubles[2] = {0.1, -1e300}, scalar = 42;
static const StoredTensor tensors[] = {
    {"D.0.weight", STORED_F32, 2, {2, 3}, singles},
    {"quote \" \\ \xc3\xa9 \n", STORED_F64, 1, {2}, doubles},
    {"nothing", STORED_F32, 2, {0, 5}, singles},
    {"scalar", STORED_F64, 0, {0}, &scalar},
};
static const StoredText texts[] = {{"iteration", "12"}, {"a \"key\"\t", "a\nvalue"}};

static void write_sample(void)
{
    Error error = {0};
    if (!safetensors_write(file_name, tensors, 4, texts, 2, &error))
        fail_msg("%s", error.message);
}

static void reads_what_it_wrote(void **state)
{
    (void)state;
    Safetensors file;
    Error error = {0};
    write_sample();
    assert_true(safetensors_open(&file, file_name, &error));
    assert_int_equal(file.tensor_count, 4);
    assert_int_equal(file.text_count, 2);
    assert_string_equal(safetensors_text(&file, "a \"key\"\t"), "a\nvalue");
    assert_string_equal(safetensors_text(&file, "iteration"), "12");
    assert_null(safetensors_text(&file, "Iteration"));
    assert_null(safetensors_find(&file, "D.0.weigh"));
    for (int i = 0; i < 4; i++) {
        const StoredTensor *tensor = safetensors_find(&file, tensors[i].name);
        assert_non_null(tensor);
        assert_int_equal(tensor->type, tensors[i].type);
        assert_int_equal(tensor->rank, tensors[i].rank);
        assert_int_equal(stored_count(tensor), stored_count(&tensors[i]));
        assert_memory_equal(tensor->data, tensors[i].data, stored_size(tensor));
    }
    assert_true(((const unsigned char *)file.tensors[0].data - file.map.bytes) % 64 == 0);
    assert_int_equal(file.tensors[0].type, STORED_F64); /* first, so that all are aligned */
    safetensors_close(&file);
}

static void converts_between_precisions(void **state)
{
    (void)state;
    float to_floats[6];
    double to_doubles[6];
    char shape[32];
    stored_copy_doubles(&tensors[0], to_doubles);
    assert_true(to_doubles[5] == 6.5);
    stored_copy_floats(&tensors[0], to_floats);
    assert_memory_equal(to_floats, singles, sizeof singles);
    stored_copy_floats(&tensors[3], to_floats);
    assert_true(to_floats[0] == 42.0f);
    stored_shape(&tensors[0], shape, sizeof shape);
    assert_string_equal(shape, "[2, 3]");
    stored_shape(&tensors[3], shape, sizeof shape);
    assert_string_equal(shape, "[]");
}

static void writes_the_same_bytes_again(void **state)
{
    (void)state;
    unsigned char first[1024], second[1024];
    write_sample();
    size_t size = read_bytes(first, sizeof first);
    write_sample();
    assert_int_equal(read_bytes(second, sizeof second), size);
    assert_memory_equal(first, second, size);
}

/* ---------------------------------------------------------------- headers of others */
#define TENSOR(name, type, shape, begin, end)                                                     \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":[" shape "],\"data_offsets\":[" begin "," end \
    "]}"

static const struct {
    const char *header;
    size_t data;
    int count;
} good_cases[] = {
    {"{}", 0, 0},
    {"{}   \n", 0, 0},
    {"{\"__metadata__\":{}}", 0, 0},
    {" { " TENSOR("a", "F32", " 1 , 2 ", "0", "8") " , \"__metadata__\" : { \"k\" : \"v\" } } ", 8,
     1},
    {"{" TENSOR("b", "F64", "1", "4", "12") "," TENSOR("a", "F32", "1", "0", "4") "}", 12, 2},
    {"{" TENSOR("b", "F32", "1", "0", "4") "," TENSOR("a", "F32", "0", "4",
                                                      "4") "," TENSOR("c", "I8", "2", "4", "6") "}",
     6, 3},
    {"{" TENSOR("\\u00e9\\ud83d\\ude00\\/", "BF16", "", "0", "2") "}", 2, 1},
};

static void reads_files_of_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good_cases / sizeof good_cases[0]; i++) {
        Safetensors file;
        Error error = {0};
        make_file(good_cases[i].header, good_cases[i].data);
        if (!safetensors_open(&file, file_name, &error))
            fail_msg("%s: %s", good_cases[i].header, error.message);
        assert_int_equal(file.tensor_count, good_cases[i].count);
        safetensors_close(&file);
    }
}

static const struct {
    const char *header;
    size_t data;
    const char *message;
} bad_cases[] = {
    {"", 0, "JSON"},
    {"[]", 0, "JSON"},
    {"{} x", 0, "after the JSON"},
    {"{", 0, "JSON"},
    {"{}", 1, "belong to no tensor"},
    {"{\"a\":1}", 0, "JSON"},
    {"{\"a\":{}}", 0, "JSON"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "exactly"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     "exactly"},
    {"{\"a\":{\"dtype\":\"F32\",\"extra\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "exactly"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "exactly"},
    {"{" TENSOR("a", "F31", "1", "0", "4") "}", 4, "unknown type 'F31'"},
    {"{" TENSOR("a", "F32", "1", "0", "8") "}", 8, "do not fit"},
    {"{" TENSOR("a", "F32", "1", "4", "0") "}", 8, "do not fit"},
    {"{" TENSOR("a", "F32", "-1", "0", "4") "}", 4, "whole number"},
    {"{" TENSOR("a", "F32", "1.0", "0", "4") "}", 4, "JSON"},
    {"{" TENSOR("a", "F32", "01", "0", "4") "}", 4, "starts with 0"},
    {"{" TENSOR("a", "F32", "1e0", "0", "4") "}", 4, "JSON"},
    {"{" TENSOR("a", "F32", "99999999999999999999", "0", "4") "}", 4, "whole number of 64 bits"},
    {"{" TENSOR("a", "F32", "4611686018427387905", "0", "4") "}", 4, "do not fit"},
    {"{" TENSOR("a", "F64", "8589934592,8589934592", "0", "0") "}", 0, "do not fit"},
    {"{" TENSOR("a", "F32", "1,1,1,1,1,1,1,1,1", "0", "4") "}", 4, "8 axes"},
    {"{" TENSOR("a", "F32", "2", "0", "8") "}", 4, "beyond the file"},
    {"{" TENSOR("a", "F32", "1", "4", "8") "}", 8, "hole"},
    {"{" TENSOR("a", "F32", "1", "0", "4") "," TENSOR("b", "F32", "1", "0", "4") "}", 4, "overlap"},
    {"{" TENSOR("a", "F32", "1", "0", "4") "," TENSOR("b", "F32", "1", "8", "12") "}", 12, "hole"},
    {"{" TENSOR("a", "F32", "1", "0", "4") "," TENSOR("a", "F32", "1", "4", "8") "}", 8,
     "same name"},
    {"{" TENSOR("a", "F32", "1", "0", "4") "," TENSOR("\\u0061", "F32", "1", "4", "8") "}", 8,
     "same name"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "JSON"},
    {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "twice"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice"},
    {"{\"__metadata__\":{\"\\ud800\":\"2\"}}", 0, "broken"},
    {"{\"__metadata__\":{\"\\u0000\":\"2\"}}", 0, "broken"},
    {"{\"__metadata__\":{\"\\q\":\"2\"}}", 0, "broken"},
    {"{\"__metadata__\":{\"k\n\":\"2\"}}", 0, "broken"},
    {"{\"__metadata__\":{\"k", 0, "JSON"},
};

static void refuses_wrong_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_cases / sizeof bad_cases[0]; i++) {
        Safetensors file;
        Error error = {0};
        make_file(bad_cases[i].header, bad_cases[i].data);
        if (safetensors_open(&file, file_name, &error))
            fail_msg("accepted: %s", bad_cases[i].header);
        assert_int_equal(error.status, EXIT_INVALID);
        if (!strstr(error.message, bad_cases[i].message))
            fail_msg("%s: '%s' does not say '%s'", bad_cases[i].header, error.message,
                     bad_cases[i].message);
    }
}

static void refuses_wrong_lengths(void **state)
{
    (void)state;
    static const unsigned char huge[16] = {0xff, 0xff, 0xff, 0xff, 0xff,
                                           0xff, 0xff, 0xff, '{',  '}'};
    Safetensors file;
    Error error = {0};
    for (size_t size = 0; size <= sizeof huge; size++) {
        FILE *out = fopen(file_name, "wb");
        fwrite(huge, 1, size, out);
        fclose(out);
        assert_false(safetensors_open(&file, file_name, &error));
    }
    assert_non_null(strstr(error.message, "8 MiB"));
}

/* Every prefix of a good file is refused, and a changed byte never leads outside of the file. */
static void survives_damage(void **state)
{
    (void)state;
    unsigned char good[1024], bad[1024];
    write_sample();
    size_t size = read_bytes(good, sizeof good);
    for (size_t i = 0; i < size; i++) {
        for (int change = 0; change < 9; change++) { /* a cut, then each bit */
            Safetensors file;
            Error error = {0};
            memcpy(bad, good, size);
            bad[i] ^= (unsigned char)(change ? 1 << (change - 1) : 0);
            FILE *out = fopen(file_name, "wb");
            fwrite(bad, 1, change ? size : i, out);
            fclose(out);
            bool opened = safetensors_open(&file, file_name, &error);
            assert_false(opened && change == 0);
            for (int k = 0; opened && k < file.tensor_count; k++) {
                double values[64];
                assert_true(stored_count(&file.tensors[k]) <= 64);
                if (file.tensors[k].type != STORED_OTHER)
                    stored_copy_doubles(&file.tensors[k], values);
            }
            if (opened)
                safetensors_close(&file);
        }
    }
}

static void refuses_too_many_entries(void **state)
{
    (void)state;
    char *header = malloc(65537 * 64 + 16), *at = header;
    at += sprintf(at, "{");
    for (int i = 0; i <= 65536; i++)
        at += sprintf(at, "%s\"%d\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]}",
                      i ? "," : "", i);
    sprintf(at, "}");
    make_file(header, 0);
    free(header);
    Safetensors file;
    Error error = {0};
    assert_false(safetensors_open(&file, file_name, &error));
    assert_non_null(strstr(error.message, "65,536"));
}

/* Values of the published reference implementation. */
static void hashes_like_the_reference(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t seed, hash;
    } cases[] = {
        {"", 0, 0xef46db3751d8e999u},
        {"a", 0, 0xd24ec4f1a98c6e5bu},
        {"abc", 0, 0x44bc2cf5ad770999u},
        {"Nobody inspects the spammish repetition", 0, 0xfbcea83c8a378bf1u},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_true(hash_bytes(cases[i].text, strlen(cases[i].text), cases[i].seed) ==
                    cases[i].hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_it_wrote),
        cmocka_unit_test(converts_between_precisions),
        cmocka_unit_test(writes_the_same_bytes_again),
        cmocka_unit_test(reads_files_of_others),
        cmocka_unit_test(refuses_wrong_headers),
        cmocka_unit_test(refuses_wrong_lengths),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(refuses_too_many_entries),
        cmocka_unit_test(hashes_like_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
