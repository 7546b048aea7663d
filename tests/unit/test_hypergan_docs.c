/* docs/hypergan.md names every layer and every activation. */
#include "gagac.h"
#include "hypergan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_named(const Source *page, const char *name)
{
    if (strstr(page->text, arena_printf("`%s`", name)) == NULL)
        fail_msg("docs/hypergan.md does not name `%s`", name);
}

static const Source *read_page(void)
{
    return source_read(arena_printf("%s/../docs/hypergan.md", getenv("GAGAC_TESTS")));
}

static void test_layers(void **state)
{
    (void)state;
    const Source *page = read_page();
    for (size_t i = 0; i < hyper_row_count; i++) {
        expect_named(page, hyper_rows[i].name);
        assert_true((hyper_rows[i].apply == NULL) == (hyper_rows[i].reason != NULL));
    }
}

static void test_activations(void **state)
{
    (void)state;
    const Source *page = read_page();
    for (size_t i = 0; i < activation_word_count; i++)
        expect_named(page, activation_words[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_activations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
