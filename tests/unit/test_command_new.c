/* test_command_new.c -- the packaged configs: found by name, listed, copied, never over a file. */
#define _GNU_SOURCE
#include "build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "child.h"

static const char folder[] = "configs/hypergan/";

static void test_found(void **state)
{
    (void)state;
    const EmbeddedFile *file = template_find("dcgan");
    assert_non_null(file);
    assert_string_equal(file->name, "configs/hypergan/dcgan.json");
    assert_ptr_equal(template_find("dcgan.json"), file);
    assert_non_null(template_find("progressive_growing/pro16x16"));
    assert_null(template_find("dcga"));
    assert_null(template_find(""));
    assert_null(template_find(".json"));
    assert_null(template_find("../../runtime/npy.c"));
}

/* A text of the config, "" when it has none. */
static const char *text_of_member(const Json *object, const char *key)
{
    const Json *member = object != NULL ? json_member(object, key) : NULL;
    return member != NULL && member->kind == JSON_STRING ? member->string : "";
}

/* Each packaged config is one object without repeated keys, says what it is, and its example
 * command has the sizes of its `runtime`. */
static void test_contents(void **state)
{
    (void)state;
    int count = 0;
    for (int i = 0; i < embedded_file_count; i++) {
        const EmbeddedFile *file = &embedded_files[i];
        if (strncmp(file->name, folder, strlen(folder)) != 0)
            continue;
        const Source source = {.path = file->name, .text = file->text, .length = file->length};
        const Json *root = json_parse(&source), *runtime = json_member(root, "runtime");
        assert_true(text_of_member(root, "description")[0] != '\0');
        assert_true(text_of_member(root, "hypergan_version")[0] != '\0');
        count++;
        if (json_member(root, "generator") == NULL) /* only inherited */
            continue;
        const Json *sizes[] = {json_member(runtime, "width"), json_member(runtime, "height"),
                               json_member(runtime, "channels"),
                               json_member(runtime, "batch_size")};
        for (int k = 0; k < 4; k++)
            assert_non_null(sizes[k]);
        const char *wanted = arena_printf("-s %.0fx%.0fx%.0f -b %.0f", sizes[0]->number,
                                          sizes[1]->number, sizes[2]->number, sizes[3]->number);
        if (strstr(text_of_member(runtime, "train"), wanted) == NULL)
            fail_msg("%s: its command lacks %s", file->name, wanted);
    }
    assert_true(count > 40);
}

/* Every class and every operation that the object and what it holds names is in the text. */
static void check_words(const char *config, const Json *json, const char *text)
{
    for (const Json *child = json->child; child != NULL; child = child->next)
        check_words(config, child, text);
    if (json->kind != JSON_STRING)
        return;
    const char *word = strrchr(json->string, '.');
    bool is_class = strncmp(json->string, "class:", 6) == 0;
    bool is_layer = json->key == NULL && strchr(json->string, ' ') != NULL;
    word =
        is_class && word != NULL ? word + 1 : arena_copy(json->string, strcspn(json->string, " "));
    if ((is_class || is_layer) && strstr(text, arena_printf("`%s`", word)) == NULL)
        fail_msg("docs/hypergan.md does not say what `%s` of %s is", word, config);
}

/* docs/hypergan.md has a row for each packaged config and each word that they use. */
static void test_documented(void **state)
{
    (void)state;
    const char *tests = getenv("GAGAC_TESTS");
    assert_non_null(tests);
    const char *text = source_read(arena_printf("%s/../docs/hypergan.md", tests))->text;
    for (int i = 0; i < embedded_file_count; i++) {
        const EmbeddedFile *file = &embedded_files[i];
        size_t before = strlen(folder);
        if (strncmp(file->name, folder, before) != 0)
            continue;
        const char *name = arena_copy(file->name + before, strlen(file->name) - before - 5);
        if (strstr(text, arena_printf("\n| `%s` | ", name)) == NULL)
            fail_msg("docs/hypergan.md has no row for %s", name);
        const Source source = {.path = file->name, .text = file->text, .length = file->length};
        check_words(name, json_parse(&source), text);
    }
}

static void list_all(const void *context)
{
    (void)context;
    dup2(STDERR_FILENO, STDOUT_FILENO);
    template_list();
    fflush(stdout);
}

static void test_list(void **state)
{
    (void)state;
    Outcome outcome = run_child(list_all, NULL);
    assert_int_equal(outcome.status, EXIT_OK);
    assert_non_null(strstr(outcome.text, "began - "));
    assert_non_null(strstr(outcome.text, "\n    gagac train began.json --data pictures/ -o RUN "));
}

typedef struct Copy {
    const char *template, *name;
} Copy;

static void copy(const void *context)
{
    const Copy *what = context;
    template_copy(what->template, what->name);
}

static Outcome copied(const char *template, const char *name)
{
    Copy what = {template, name};
    return run_child(copy, &what);
}

static void test_copy(void **state)
{
    (void)state;
    assert_non_null(template_find("default"));
    unlink("mine.json");
    assert_int_equal(copied(NULL, "mine").status, EXIT_OK);
    Bytes bytes = file_read("mine.json");
    const EmbeddedFile *file = template_find("default");
    assert_int_equal(bytes.length, file->length);
    assert_memory_equal(bytes.data, file->text, file->length);
}

static void test_never_over_a_file(void **state)
{
    (void)state;
    assert_true(file_write("old.json", "kept", 4, 0666));
    Outcome outcome = copied("wgan", "old.json");
    assert_int_equal(outcome.status, EXIT_IO);
    assert_non_null(strstr(outcome.text, "old.json is there already"));
    assert_string_equal(file_read("old.json").data, "kept");
    unlink("link.json");
    assert_int_equal(symlink("nowhere", "link.json"), 0);
    assert_int_equal(copied("wgan", "link").status, EXIT_IO);
    assert_false(path_exists("nowhere"));
}

static void test_wrong(void **state)
{
    (void)state;
    Outcome outcome = copied("dcgam", "new-one");
    assert_int_equal(outcome.status, EXIT_USAGE);
    assert_non_null(strstr(outcome.text, "there is no template 'dcgam'"));
    assert_non_null(strstr(outcome.text, "did you mean dcgan?"));
    assert_false(path_exists("new-one.json"));
    assert_int_equal(copied("wgan", "").status, EXIT_USAGE);
    outcome = copied("wgan", "no such folder/x");
    assert_int_equal(outcome.status, EXIT_IO);
    assert_non_null(strstr(outcome.text, "cannot write no such folder/x.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),      cmocka_unit_test(test_contents),
        cmocka_unit_test(test_list),       cmocka_unit_test(test_copy),
        cmocka_unit_test(test_wrong),      cmocka_unit_test(test_never_over_a_file),
        cmocka_unit_test(test_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
