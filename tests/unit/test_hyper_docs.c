/* test_hyper_docs.c -- docs/hypergan.md has a row for each operation and activation of the dialect,
 * and no row for one that is not there. */
#include "gagac.h"
#include "hypergan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *reference_text(void)
{
    const char *tests = getenv("GAGAC_TESTS");
    assert_non_null(tests);
    return source_read(arena_printf("%s/../docs/hypergan.md", tests))->text;
}

static const char *section(const char *text, const char *title)
{
    const char *begin = strstr(text, arena_printf("\n## %s\n", title));
    assert_non_null(begin);
    const char *end = strstr(begin + 1, "\n## ");
    return end != NULL ? arena_copy(begin, (size_t)(end - begin)) : begin;
}

static void expect_row(const char *text, const char *title, const char *word)
{
    if (strstr(section(text, title), arena_printf("\n| `%s` |", word)) == NULL)
        fail_msg("section %s of docs/hypergan.md has no row for %s", title, word);
}

/* What can be compiled stands among the layers, the rest among what is refused. */
static void test_operations(void **state)
{
    (void)state;
    const char *text = reference_text();
    for (size_t i = 0; i < hyper_row_count; i++)
        expect_row(text, hyper_rows[i].reason == NULL ? "Layers" : "Refused, with the reason",
                   hyper_rows[i].name);
}

static void test_activations(void **state)
{
    (void)state;
    const char *text = reference_text();
    for (size_t i = 0; i < activation_word_count; i++)
        expect_row(text, "Activations", activation_words[i].name);
}

/* The rows of the two tables of operations, which end where those of options begin. */
static void test_no_other_operation(void **state)
{
    (void)state;
    const char *layers = section(reference_text(), "Layers");
    layers = arena_copy(layers, (size_t)(strstr(layers, "\n### Options of lines") - layers));
    for (const char *row = layers; (row = strstr(row, "\n| `")) != NULL;) {
        row += strlen("\n| `");
        const char *word = arena_copy(row, strcspn(row, "`"));
        if (find_op(word) == NULL)
            fail_msg("docs/hypergan.md has a row for %s, which is no operation", word);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_no_other_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
