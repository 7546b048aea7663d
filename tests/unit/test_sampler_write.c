/* test_sampler_write.c -- what training found, in the text of sampler.c. */
#define _POSIX_C_SOURCE 200809L
#include "sampler_write.h"

#include "state.h"
#include "toy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static double knots_x[] = {0, 1, 5}, knots_y[] = {-1, 0, 2};
static ColumnScale columns[TOY_X] = {
    {.mean = 5, .std = 2, .minimum = -1, .maximum = 9},
    {.mean = 1, .std = 1, .minimum = 0, .maximum = 5, .knot_count = 3, .x = knots_x, .y = knots_y}};
static ColumnScale constants[TOY_X] = {{.mean = 4, .minimum = 4, .maximum = 4, .constant = true},
                                       {.mean = 7, .minimum = 7, .maximum = 7, .constant = true}};

/* What sampler.c holds for a source text. */
static char *write_text(const char *source, const ColumnScale *scales, const real *state)
{
    static char text[16384];
    Program program = toy_program;
    const Normaliser normaliser = {
        .rows = 100, .column_count = TOY_X, .columns = (ColumnScale *)scales};
    Error error = {0};
    program.sampler_source = source;
    program.sampler_header = "header\n";
    assert_true(sampler_write(".", &program, state, &normaliser, &error));
    FILE *file = fopen("sampler/sampler.c", "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

static void test_numbers(void **unused)
{
    (void)unused;
    static const struct {
        const char *source, *text;
        bool constant;
    } cases[] = {
        {"no mark 0 /* comment */\n", "no mark 0 /* comment */\n", false},
        {"#define T /*@trained@*/0\n", "#define T 1\n", false},
        {"{/*@mean@*/0}", "{\n    0x4014000000000000,0x3ff0000000000000,}", false},
        {"{/*@std@*/0}", "{\n    0x4000000000000000,0x3ff0000000000000,}", false},
        {"{/*@std@*/0}", "{\n    0x0000000000000000,0x0000000000000000,}", true},
        {"{/*@minimum@*/0}", "{\n    0xbff0000000000000,0x0000000000000000,}", false},
        {"{/*@maximum@*/0}", "{\n    0x4022000000000000,0x4014000000000000,}", false},
        {"/*@knot_total@*/1;{/*@first_knot@*/0}", "3;{0,0,3,}", false},
        {"/*@knot_total@*/1;{/*@first_knot@*/0}", "1;{0,0,0,}", true},
        {"{/*@knot_x@*/0}{/*@knot_y@*/0};",
         "{\n    0x0000000000000000,0x3ff0000000000000,0x4014000000000000,}"
         "{\n    0xbff0000000000000,0x0000000000000000,0x4000000000000000,};",
         false},
        {"{/*@knot_x@*/0}", "{\n    0x0000000000000000,}", true},
    };
    real *state = state_create(&toy_program);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(write_text(cases[i].source, cases[i].constant ? constants : columns,
                                       state),
                            cases[i].text);
    state_destroy(&toy_program, state);
}

/* Averaged weights, row by row without padding. */
static void test_weights(void **unused)
{
    (void)unused;
    real *state = state_create(&toy_program);
    state_initialise(&toy_program, state, 5);
    state[TOY_AVERAGE] += 1; /* so that the average differs */
    const char *at = write_text("a/*@G.0.weight@*/0b/*@G.0.bias@*/0c", columns, state);
    assert_int_equal(*at++, 'a');
    for (int i = 0; i < TOY_X * TOY_Z; i++, at++) {
        char *end = NULL;
        uint64_t bits = strtoull(at, &end, 16);
        assert_true(end > at && *end == ',');
        at = end;
        assert_true(bits == real_bits(state[TOY_AVERAGE + i / TOY_Z * TOY_STRIDE + i % TOY_Z]));
    }
    assert_int_equal(*at, 'b');
    state_destroy(&toy_program, state);
}

/* The same with what stands behind the rows, in a file of its own. */
static void test_device(void **unused)
{
    (void)unused;
    static char text[16384];
    const Normaliser normaliser = {.column_count = TOY_X, .columns = columns};
    Program program = toy_program;
    Error error = {0};
    real *state = state_create(&toy_program);
    state_initialise(&toy_program, state, 5);
    state[TOY_AVERAGE] += 1;
    program.sampler_source = program.sampler_header = "";
    program.sampler_device = "/*@G.0.weight:rows@*/0;";
    assert_true(sampler_write(".", &program, state, &normaliser, &error));
    FILE *file = fopen("sampler/sampler.cu", "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    char *at = text;
    for (int i = 0; i < TOY_X * TOY_STRIDE; i++) {
        assert_true(strtoull(at, &at, 16) == real_bits(state[TOY_AVERAGE + i]));
        assert_int_equal(*at++, ',');
    }
    assert_int_equal(*at, ';');
    state_destroy(&toy_program, state);
}

static void test_header(void **unused)
{
    (void)unused;
    real *state = state_create(&toy_program);
    char text[16] = "";
    write_text("source", columns, state);
    FILE *file = fopen("sampler/sampler.h", "r");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof text, file), 7);
    fclose(file);
    assert_memory_equal(text, "header\n", 7);
    state_destroy(&toy_program, state);
}

/* A folder that cannot be made is an error with its cause, not the end. */
static void test_no_folder(void **unused)
{
    (void)unused;
    const Normaliser normaliser = {.column_count = TOY_X, .columns = columns};
    Program program = toy_program;
    Error error = {0};
    program.sampler_source = program.sampler_header = "";
    real *state = state_create(&toy_program);
    assert_false(sampler_write("absent", &program, state, &normaliser, &error));
    assert_int_equal(error.status, EXIT_IO);
    state_destroy(&toy_program, state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_weights),
        cmocka_unit_test(test_device),    cmocka_unit_test(test_header),
        cmocka_unit_test(test_no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
