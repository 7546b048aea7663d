/* test_npy.c -- reading and writing .npy files. */
#include "npy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char file_name[] = "test.npy";

/* A file of a version with this dictionary and these data, as NumPy lays it out. */
static void make_file(int version, const char *dictionary, const void *data, size_t size)
{
    size_t start = version == 1 ? 10 : 12, text = strlen(dictionary);
    size_t length = (start + text + 1 + 63) / 64 * 64 - start;
    unsigned char lead[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', (unsigned char)version, 0};
    for (size_t i = 8; i < start; i++)
        lead[i] = (unsigned char)(length >> 8 * (i - 8));
    FILE *file = fopen(file_name, "wb");
    assert_non_null(file);
    fwrite(lead, 1, start, file);
    fprintf(file, "%s%*s\n", dictionary, (int)(length - text - 1), "");
    fwrite(data, 1, size, file);
    assert_int_equal(fclose(file), 0);
}

static Npy open_good(void)
{
    Npy npy;
    Error error = {0};
    if (!npy_open(&npy, file_name, &error))
        fail_msg("%s", error.message);
    return npy;
}

/* ---------------------------------------------------------------- types */
typedef struct TypeCase {
    const char *type;
    const char *bytes; /* of two values */
    int size;
    double first, second;
} TypeCase;

static const TypeCase type_cases[] = {
    {"<f4", "\x00\x00\xc0\x3f\x00\x00\x80\xff", 4, 1.5, -INFINITY},
    {">f4", "\x3f\xc0\x00\x00\xc0\x00\x00\x00", 4, 1.5, -2},
    {"<f8", "\x00\x00\x00\x00\x00\x00\xf8\x3f\x00\x00\x00\x00\x00\x00\x00\xc0", 8, 1.5, -2},
    {">f8", "\x3f\xf8\x00\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x00", 8, 1.5, -2},
    {"<f2", "\x00\x3e\x01\x80", 2, 1.5, -0x1p-24},
    {">f2", "\x7b\xff\xfc\x00", 2, 65504, -INFINITY},
    {"|i1", "\x7f\x80", 1, 127, -128},
    {"|u1", "\x7f\x80", 1, 127, 128},
    {"<i2", "\x01\x00\xff\xff", 2, 1, -1},
    {">i2", "\x01\x00\xff\xfe", 2, 256, -2},
    {"<u2", "\x01\x00\xff\xff", 2, 1, 65535},
    {"<i4", "\x00\x00\x00\x80\xfe\xff\xff\xff", 4, -2147483648.0, -2},
    {">u4", "\x80\x00\x00\x00\x00\x00\x00\x01", 4, 2147483648.0, 1},
    {"<i8", "\x00\x00\x00\x00\x00\x00\x00\x80\xff\xff\xff\xff\xff\xff\xff\xff", 8, -0x1p63, -1},
    {"<u8", "\x00\x00\x00\x00\x00\x00\x00\x80\x03\x00\x00\x00\x00\x00\x00\x00", 8, 0x1p63, 3},
    {"|b1", "\x01\x00", 1, 1, 0},
};

static void reads_every_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof type_cases / sizeof type_cases[0]; i++) {
        const TypeCase *c = &type_cases[i];
        char dictionary[100];
        snprintf(dictionary, sizeof dictionary,
                 "{'descr': '%s', 'fortran_order': False, 'shape': (2,), }", c->type);
        make_file(1, dictionary, c->bytes, 2 * (size_t)c->size);
        Npy npy = open_good();
        double both[2];
        npy_read(&npy, 0, 0, 2, both);
        print_message("%s\n", c->type);
        assert_int_equal(npy.rows, 2);
        assert_true(npy_value(&npy, 0, 0) == c->first && both[0] == c->first);
        assert_true(npy_value(&npy, 0, 1) == c->second && both[1] == c->second);
        npy_close(&npy);
    }
}

/* ---------------------------------------------------------------- layouts */
static void reads_a_structure_in_any_order(void **state)
{
    (void)state;
    /* i2, 2 bytes of padding, f4, text, two nested numbers: rows of 20 bytes */
    static const char dictionary[] =
        "{'descr': [(('the title', 'count'), '<i2'), ('', '|V2'), ('E', '<f4'), ('text', '<S4'), "
        "('pos', [('x', '<f4'), ('y', '<f4')])], 'fortran_order': False, 'shape': (2L,), }";
    unsigned char rows[2][20];
    memset(rows, 0xee, sizeof rows);
    for (int i = 0; i < 2; i++) {
        int16_t count = (int16_t)(i - 7);
        float values[3] = {(float)i + 0.5f, (float)i - 3, (float)i * 1e9f};
        memcpy(rows[i], &count, 2);
        memcpy(rows[i] + 4, &values[0], 4);
        memcpy(rows[i] + 12, &values[1], 8);
    }
    make_file(1, dictionary, rows, sizeof rows);
    Npy npy = open_good();
    Error error = {0};
    const char *names[] = {"pos.y", "count", "E", "pos.x"};
    int columns[4];
    assert_int_equal(npy.column_count, 5);
    assert_true(npy_select(&npy, names, 4, columns, &error));
    assert_true(npy_value(&npy, columns[0], 1) == (double)1e9f);
    assert_true(npy_value(&npy, columns[1], 1) == -6);
    assert_true(npy_value(&npy, columns[2], 0) == 0.5);
    assert_true(npy_value(&npy, columns[3], 0) == -3);
    const char *text[] = {"text"};
    assert_false(npy_select(&npy, text, 1, columns, &error));
    assert_non_null(strstr(error.message, "does not hold real numbers"));
    npy_close(&npy);
}

static void reads_fields_with_a_shape(void **state)
{
    (void)state;
    float row[7] = {1, 2, 3, 4, 5, 6, 7};
    make_file(2,
              "{'shape': (1,), 'descr': [('m', '<f4', (2, 3)), ('n', '<f4', 1)], 'fortran_order': "
              "False}",
              row, sizeof row);
    Npy npy = open_good();
    assert_int_equal(npy.column_count, 7);
    assert_string_equal(npy.columns[5].name, "m[5]");
    assert_true(npy_value(&npy, 5, 0) == 6);
    assert_true(npy_value(&npy, 6, 0) == 7);
    npy_close(&npy);
}

static void reads_plain_arrays_in_both_orders(void **state)
{
    (void)state;
    float values[6] = {1, 2, 3, 4, 5, 6};
    for (int fortran = 0; fortran < 2; fortran++) {
        make_file(1,
                  fortran ? "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }"
                          : "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }",
                  values, sizeof values);
        Npy npy = open_good();
        Error error = {0};
        const char *keys[] = {"a", "b", "c"};
        int columns[3];
        assert_int_equal(npy.rows, 3);
        assert_true(npy_select(&npy, keys, 2, columns, &error));
        assert_true(npy_value(&npy, columns[1], 0) == (fortran ? 4 : 2));
        assert_true(npy_value(&npy, columns[0], 2) == (fortran ? 3 : 5));
        assert_false(npy_select(&npy, keys, 3, columns, &error));
        assert_non_null(strstr(error.message, "has 2 columns without names, but 3 keys"));
        npy_close(&npy);
    }
}

static void names_are_utf8(void **state)
{
    (void)state;
    char value = 1;
    static const struct {
        int version;
        const char *descr, *name;
    } cases[] = {
        {3, "[('\xc3\xa9', '|u1')]", "\xc3\xa9"},
        {1, "[('\xe9', '|u1')]", "\xc3\xa9"},
        {1, "[('\\xe9\\u20ac\\'', '|u1')]", "\xc3\xa9\xe2\x82\xac'"},
        {1, "[(\"it's\", '|u1')]", "it's"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char dictionary[100];
        snprintf(dictionary, sizeof dictionary,
                 "{'descr': %s, 'fortran_order': False, 'shape': (1,)}", cases[i].descr);
        make_file(cases[i].version, dictionary, &value, 1);
        Npy npy = open_good();
        assert_string_equal(npy.columns[0].name, cases[i].name);
        npy_close(&npy);
    }
}

/* ---------------------------------------------------------------- errors */
static const struct {
    const char *dictionary;
    size_t size;
    const char *message;
} bad_cases[] = {
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}", 15, "should hold 16 bytes"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}", 17, "should hold 16 bytes"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905,)}", 4,
     "beyond 64 bits"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551617,)}", 4, "of 64 bits"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 99999999)}", 4, "should hold"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': ()}", 4, "axes"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1)}", 4, "axes"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", 4, "missing"},
    {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 8, "pickled"},
    {"{'descr': '|O8', 'fortran_order': False, 'shape': (1,)}", 8, "pickled"},
    {"{'descr': [('a', '|O8')], 'fortran_order': False, 'shape': (1,)}", 8, "pickled"},
    {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", 8, "not real numbers"},
    {"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,)}", 8, "not real numbers"},
    {"{'descr': '<U1', 'fortran_order': False, 'shape': (2,)}", 8, "not real numbers"},
    {"{'descr': '<f3', 'fortran_order': False, 'shape': (1,)}", 3, "not real numbers"},
    {"{'descr': '<x4', 'fortran_order': False, 'shape': (1,)}", 4, "unknown type"},
    {"{'descr': '<f999999999999', 'fortran_order': False, 'shape': (1,)}", 4, "unknown type"},
    {"{'descr': '', 'fortran_order': False, 'shape': (1,)}", 4, "unknown type"},
    {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,)}", 4, "fortran_order"},
    {"{'descr': '<f4', 'fortran_order': False}", 4, "exactly the keys"},
    {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4,
     "exactly the keys"},
    {"{'descr': '<f4', 'x': 1, 'fortran_order': False, 'shape': (1,)}", 4, "exactly the keys"},
    {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", 4, "exactly the keys"},
    {"{'descr': [('a', '<f4'], 'fortran_order': False, 'shape': (1,)}", 4,
     "form that we do not read"},
    {"{'descr': [('a\\q', '<f4')], 'fortran_order': False, 'shape': (1,)}", 4, "escape"},
    {"{'descr': [('a\\x00', '<f4')], 'fortran_order': False, 'shape': (1,)}", 4, "cannot be"},
    {"{'descr': [[[[[[[[[[[[[", 4, "tuple"},
    {"{'descr': [('a', [('a', [('a', [('a', [('a', [('a', [('a', [('a', [('a', [", 4, "nested"},
    {"{'descr': [('a', '<f4', (65537,))], 'fortran_order': False, 'shape': (1,)}", 4, "65,536"},
    {"{'descr': [('a', '<f4', (4294967296, 4294967296))], 'fortran_order': False, 'shape': (1,)}",
     4, "beyond 64 bits"},
    {"{'descr': [('a', '|V4', (4611686018427387904, 1))], 'fortran_order': False, 'shape': (1,)}",
     4, "beyond 64 bits"},
    {"{'descr': [], 'fortran_order': False, 'shape': (99999999999,)}", 0, "no bytes"},
    {"[1, 2]", 4, "no dictionary"},
    {"", 4, "no dictionary"},
    {"{'descr': 'a", 4, "does not end"},
};

static void refuses_what_it_cannot_read(void **state)
{
    (void)state;
    char data[32] = {0};
    for (size_t i = 0; i < sizeof bad_cases / sizeof bad_cases[0]; i++) {
        Npy npy;
        Error error = {0};
        print_message("%s\n", bad_cases[i].dictionary);
        make_file(1, bad_cases[i].dictionary, data, bad_cases[i].size);
        assert_false(npy_open(&npy, file_name, &error));
        assert_int_equal(error.status, EXIT_INVALID);
        if (!strstr(error.message, bad_cases[i].message))
            fail_msg("'%s' does not say '%s'", error.message, bad_cases[i].message);
    }
}

static void make_bytes(const void *bytes, size_t size)
{
    FILE *file = fopen(file_name, "wb");
    assert_non_null(file);
    fwrite(bytes, 1, size, file);
    fclose(file);
}

/* Every prefix of a good file, and every file with one byte changed, is read or refused. */
static void survives_damage(void **state)
{
    (void)state;
    float values[4] = {1, 2, 3, 4};
    make_file(1, "{'descr': [('a', '<f4'), ('b', '<f4')], 'fortran_order': False, 'shape': (2,), }",
              values, sizeof values);
    unsigned char good[256], bad[256];
    FILE *file = fopen(file_name, "rb");
    size_t size = fread(good, 1, sizeof good, file);
    fclose(file);
    for (size_t cut = 0; cut < size; cut++) {
        Npy npy;
        Error error = {0};
        make_bytes(good, cut);
        assert_false(npy_open(&npy, file_name, &error));
    }
    for (size_t i = 0; i < size; i++) {
        for (unsigned change = 1; change < 256; change += i < 128 ? 2 : 64) {
            Npy npy;
            Error error = {0};
            memcpy(bad, good, size);
            bad[i] ^= (unsigned char)change;
            make_bytes(bad, size);
            if (npy_open(&npy, file_name, &error)) {
                for (int k = 0; k < npy.column_count && npy.rows > 0; k++)
                    assert_true(npy_value(&npy, k, npy.rows - 1) != 1234567);
                npy_close(&npy);
            }
        }
    }
}

static void suggests_the_nearest_column(void **state)
{
    (void)state;
    float values[2] = {1, 2};
    make_file(1,
              "{'descr': [('Ekine', '<f4'), ('X', '<f4')], 'fortran_order': False, 'shape': (1,)}",
              values, sizeof values);
    Npy npy = open_good();
    Error error = {0};
    const char *wanted[] = {"X", "EKine "};
    int columns[2];
    assert_false(npy_select(&npy, wanted, 2, columns, &error));
    assert_string_equal(error.message, "'test.npy' has no column 'EKine '");
    assert_string_equal(error.hint, "did you mean 'Ekine'? The file's columns: Ekine, X.");
    npy_close(&npy);
    assert_false(npy_open(&npy, "no such file", &error));
    assert_int_equal(error.status, EXIT_IO);
    assert_false(npy_open(&npy, ".", &error));
    assert_non_null(strstr(error.message, "not a regular file"));
}

/* ---------------------------------------------------------------- writing */
static void writes_what_it_reads(void **state)
{
    (void)state;
    const char *names[] = {"Ekine", "it's \\ \n", "\xc3\xa9"};
    float rows[5][3];
    for (int i = 0; i < 15; i++)
        rows[i / 3][i % 3] = (float)i * 0.25f;
    Error error = {0};
    NpyWriter writer;
    assert_true(npy_create(&writer, file_name, names, 3, 5, &error));
    assert_true(npy_append(&writer, rows, 2, &error));
    assert_true(npy_append(&writer, rows + 2, 3, &error));
    assert_true(npy_finish(&writer, &error));
    Npy npy = open_good();
    int columns[3];
    assert_int_equal(npy.columns[0].offset % 64, 0);
    assert_true(npy_select(&npy, names, 3, columns, &error));
    for (int i = 0; i < 15; i++)
        assert_true(npy_value(&npy, columns[i % 3], (uint64_t)i / 3) == (double)rows[i / 3][i % 3]);
    npy_close(&npy);
}

static void writes_plain_arrays(void **state)
{
    (void)state;
    double rows[3][2] = {{1, 2}, {3, 4}, {5, 1e300}};
    Error error = {0};
    NpyWriter writer;
    assert_true(npy_create_plain(&writer, file_name, 2, 8, 3, &error));
    assert_true(npy_append(&writer, rows, 3, &error));
    assert_true(npy_finish(&writer, &error));
    Npy npy = open_good();
    assert_false(npy.named);
    assert_true(npy_value(&npy, 1, 2) == 1e300);
    npy_close(&npy);
}

static void keeps_the_old_file_until_the_new_one_is_whole(void **state)
{
    (void)state;
    float values[2] = {7, 8}, other[4] = {0};
    Error error = {0};
    NpyWriter writer;
    make_file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", values, sizeof values);
    assert_true(npy_create_plain(&writer, file_name, 1, 4, 3, &error));
    assert_true(npy_append(&writer, other, 2, &error));
    assert_false(npy_finish(&writer, &error)); /* a row is missing */
    assert_int_equal(error.status, EXIT_INTERNAL);
    assert_true(npy_create_plain(&writer, file_name, 1, 4, 3, &error));
    assert_false(npy_append(&writer, other, 4, &error)); /* a row too many */
    npy_abandon(&writer);
    Npy npy = open_good();
    assert_true(npy_value(&npy, 0, 1) == 8);
    npy_close(&npy);
    assert_false(npy_create_plain(&writer, "no/such/folder/x.npy", 1, 4, 3, &error));
    assert_int_equal(error.status, EXIT_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_type),
        cmocka_unit_test(reads_a_structure_in_any_order),
        cmocka_unit_test(reads_fields_with_a_shape),
        cmocka_unit_test(reads_plain_arrays_in_both_orders),
        cmocka_unit_test(names_are_utf8),
        cmocka_unit_test(refuses_what_it_cannot_read),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(suggests_the_nearest_column),
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(writes_plain_arrays),
        cmocka_unit_test(keeps_the_old_file_until_the_new_one_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
