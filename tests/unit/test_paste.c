/* test_paste.c -- what the shipped sampler takes from the runtime's headers. */
#include "gagac.h"

#include "emit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char library[] = "/* of no item */\n"
                              "\n"
                              "typedef float number; /* kind */\n"
                              "typedef int unused_type;\n"
                              "enum { ALWAYS = 2 };\n"
                              "/* two */\n"
                              "static const number ONE = 1, pair[2] = {1, 2}; /* end */\n"
                              "\n"
                              "/* leaf */\n"
                              "static inline number leaf(number x) { return x + ONE; }\n"
                              "static inline number stem(number x)\n"
                              "{\n"
                              "    return leaf(x) + ')';\n"
                              "}\n"
                              "\n"
                              "static inline number lone(void) { return pair[0]; }\n";

static void test_needed(void **unused)
{
    (void)unused;
    static const struct {
        const char *user, *text;
    } cases[] = {
        {"", "enum { ALWAYS = 2 };\n"},
        {"/* stem */ \"leaf\" leaf_x stemless", "enum { ALWAYS = 2 };\n"},
        {"f(leaf(1))", "typedef float number; /* kind */\nenum { ALWAYS = 2 };\n"
                       "/* two */\nstatic const number ONE = 1;\n\n"
                       "/* leaf */\nstatic inline number leaf(number x) { return x + ONE; }\n"},
        {"lone", "typedef float number; /* kind */\nenum { ALWAYS = 2 };\n"
                 "static const number pair[2] = {1, 2}; /* end */\n\n"
                 "static inline number lone(void) { return pair[0]; }\n"},
        {"stem;", "typedef float number; /* kind */\nenum { ALWAYS = 2 };\n"
                  "/* two */\nstatic const number ONE = 1;\n\n"
                  "/* leaf */\nstatic inline number leaf(number x) { return x + ONE; }\n"
                  "static inline number stem(number x)\n{\n    return leaf(x) + ')';\n}\n"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        assert_string_equal(paste_needed(library, cases[k].user), cases[k].text);
}

/* Every header as one text for one number type: nothing of the preprocessor and of the other type
 * is left. */
static void test_headers(void **unused)
{
    (void)unused;
    static const char *const names[] = {"rng.h", "knots.h"};
    static const char *const gone[] = {"\n#",    "NUMBER",   "WORD ",    "FN(",
                                       "UNROLL", "__SSE2__", "__builtin"};
    for (int f64 = 0; f64 < 2; f64++) {
        const char *text = paste_headers(names, 2, f64);
        for (size_t k = 0; k < sizeof gone / sizeof *gone; k++)
            assert_null(strstr(text, gone[k]));
        assert_true((strstr(text, "typedef double real;") != NULL) == f64);
        assert_true((strstr(text, "typedef float real;") != NULL) == !f64);
        assert_non_null(strstr(text, "static inline real real_exp(real x)"));
        assert_non_null(strstr(text, "static inline double knots_clipped("));
        const char *first = strstr(text, "static inline void philox4x32");
        assert_non_null(first);
        assert_null(strstr(first + 1, "static inline void philox4x32"));
        assert_non_null(strstr(paste_needed(text, "draw_row"), "static inline void draw_row("));
        assert_null(strstr(paste_needed(text, "draw_row"), "real_tanh"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_needed),
                                       cmocka_unit_test(test_headers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
