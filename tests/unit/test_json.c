/* test_json.c -- the strict JSON reader: what it takes, with values and places; what it refuses. */
#define _POSIX_C_SOURCE 200809L
#include "gagac.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "child.h"

static Source *source_of(const char *text, size_t length)
{
    Source *source = arena_alloc(sizeof *source);
    *source = (Source){.path = "test.json", .text = text, .length = length};
    return source;
}

static Json *parse(const char *text) { return json_parse(source_of(text, strlen(text))); }

static void parse_source(const void *source) { json_parse(source); }

static Outcome outcome_of(const char *text, size_t length)
{
    return run_child(parse_source, source_of(text, length));
}

static void takes_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"0", 0},
        {"-0", 0},
        {"12", 12},
        {"-7", -7},
        {"0.5", 0.5},
        {"1e5", 1e5},
        {"4E-4", 4e-4},
        {"2.5e+3", 2500},
        {"1e-400", 0},
        {"[1]", 0},
        {"1.7976931348623157e308", 1.7976931348623157e308},
        {"9007199254740992", 9007199254740992.0},
        {"18446744073709551616", 18446744073709551616.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Json *value = parse(cases[i].text);
        assert_true(value->kind == (cases[i].text[0] == '[' ? JSON_ARRAY : JSON_NUMBER));
        assert_true(value->number == cases[i].value);
    }
}

static void takes_strings(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\"\"", ""},
        {"\"a b\"", "a b"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u00e9\\u00C9\"", "\xc3\xa9\xc3\x89"},
        {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
        {"\"\xc3\xa9 \xe8\x83\xbd \xf0\x9f\x98\x80 \x7f\"",
         "\xc3\xa9 \xe8\x83\xbd \xf0\x9f\x98\x80 \x7f"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Json *value = parse(cases[i][0]);
        assert_int_equal(value->kind, JSON_STRING);
        assert_string_equal(value->string, cases[i][1]);
    }
}

static void assert_span(Span span, const char *text)
{
    assert_int_equal(span.end - span.begin, strlen(text));
    assert_memory_equal(span.source->text + span.begin, text, strlen(text));
}

static void builds_the_tree_with_places(void **state)
{
    (void)state;
    const Json *root =
        parse(" {\"a\" : [1, \"x\", {}, null],\n \"b\\u0063\":true , \"d\":-2.5e1}\n");
    const Json *a = json_member(root, "a"), *b = json_member(root, "bc"),
               *d = json_member(root, "d");
    assert_null(json_member(root, "A"));
    assert_span(root->span, "{\"a\" : [1, \"x\", {}, null],\n \"b\\u0063\":true , \"d\":-2.5e1}");
    assert_span(a->key_span, "\"a\"");
    assert_span(a->span, "[1, \"x\", {}, null]");
    assert_span(a->child->next->span, "\"x\"");
    assert_int_equal(a->child->next->next->kind, JSON_OBJECT);
    assert_null(a->child->next->next->child);
    assert_int_equal(a->child->next->next->next->kind, JSON_NULL);
    assert_null(a->child->next->next->next->next);
    assert_span(b->key_span, "\"b\\u0063\"");
    assert_true(b->kind == JSON_BOOL && b->boolean);
    assert_span(d->span, "-2.5e1");
    assert_true(d->number == -25);
}

/* Each is refused with status 1; what is said about the frequent ones is in tests/diag. */
static void refuses_what_is_not_json(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        " ",
        "\n",
        "{",
        "}",
        "[",
        "]",
        "[1",
        "[1,",
        "[,1]",
        "[1,,2]",
        "[1 2]",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\"::1}",
        "[}",
        "{]",
        "[1}",
        "{\"a\":1]",
        "1 2",
        "{} {}",
        "[]x",
        "nul",
        "nulll",
        "True",
        "TRUE",
        "tru",
        "falsey",
        "NaN",
        "Infinity",
        "-Infinity",
        "-",
        "+1",
        ".5",
        "-.5",
        "1.",
        "1.e5",
        "1e",
        "1e+",
        "01",
        "-01",
        "0x1F",
        "1_000",
        "1,000",
        "1e999",
        "-1e999",
        "9007199254740993",
        "1a",
        "--1",
        "'a'",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x41\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\ud800x\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"a\nb\"",
        "\"a\tb\"",
        "\"\x01\"",
        "\"\x80\"",
        "\"\xc0\x80\"",
        "\"\xe0\x80\xaf\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xf8\x88\x80\x80\x80\"",
        "\"\xc3\"",
        "\xc3\xa9",
        "\xff",
        "// x\n1",
        "/* x */ 1",
        "# x\n1",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "[{\"b\":{\"a\":1,\"c\":0,\"a\":2}}]",
        "\xef\xbb",
        "\v1",
        "\xc2\xa0[]",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "1.0000000000000000000000000000000000000000000000000000000000000000",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Outcome outcome = outcome_of(cases[i], strlen(cases[i]));
        if (outcome.status != EXIT_INVALID || strstr(outcome.text, "test.json:") != outcome.text) {
            fail_msg("%s: status %d, %s", cases[i], outcome.status, outcome.text);
        }
    }
    assert_int_equal(outcome_of("\0{}", 3).status, EXIT_INVALID);
    assert_int_equal(outcome_of("{}\0", 3).status, EXIT_INVALID);
    assert_int_equal(outcome_of("\"a\0b\"", 5).status, EXIT_INVALID);
}

static void comments_may_be_repeated(void **state)
{
    (void)state;
    const Json *root = parse("{\"#\": 1, \"#\": 2, \"#a\": 3, \"#a\": 4, \"a\": 5}");
    int count = 0;
    for (const Json *member = root->child; member != NULL; member = member->next) {
        count++;
    }
    assert_int_equal(count, 5);
}

/* `before`, then `count` times `item`, then `after`. */
static Source *repeated(const char *before, const char *item, size_t count, const char *after)
{
    size_t b = strlen(before), n = strlen(item), a = strlen(after), length = b + n * count + a;
    char *text = arena_alloc(length + 1);
    memcpy(text, before, b);
    for (size_t i = 0; i < count; i++) {
        memcpy(text + b + i * n, item, n);
    }
    memcpy(text + b + n * count, after, a);
    return source_of(text, length);
}

static void keeps_its_limits(void **state)
{
    (void)state;
    static const struct {
        const char *before, *item, *after;
        size_t most, more;
        const char *message;
    } cases[] = {
        {"", "[", "", 0, 65, "deeper than 64 levels"},
        {"{\"\":0", ",\"#\":0", "}", 9999, 10000, "more than 10000 keys"},
        {"[0", ",0", "]", 199998, 200000, "more than 200000 values"},
        {"\"", "x", "\"", 65534, 65535, "at most 65536 bytes"},
        {"[]", " ", "", (4 << 20) - 2, (4 << 20) - 1, "more than 4194304 bytes"},
        {"1.", "0", "", 61, 62, "at most 63 characters"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Source *more =
            repeated(cases[i].before, cases[i].item, cases[i].more, cases[i].after);
        Outcome outcome = run_child(parse_source, more);
        assert_int_equal(outcome.status, EXIT_INVALID);
        assert_non_null(strstr(outcome.text, cases[i].message));
        if (cases[i].most > 0) {
            json_parse(repeated(cases[i].before, cases[i].item, cases[i].most, cases[i].after));
        }
    }
    const Source *deep = repeated("", "[", 64, "");
    const Source *closed = repeated(deep->text, "]", 64, "");
    assert_int_equal(run_child(parse_source, closed).status, 0);
}

static void any_cut_is_a_diagnostic(void **state)
{
    (void)state;
    const char *text = "{\"a\": [1.5, \"\\u00e9\xc3\xa9\", {\"b\": null}], \"#\": true}";
    size_t length = strlen(text);
    for (size_t cut = 0; cut < length; cut++) {
        char *exact = malloc(cut + 1); /* a read beyond the end shows under a sanitizer */
        assert_non_null(exact);
        memcpy(exact, text, cut);
        Outcome outcome = outcome_of(exact, cut);
        free(exact);
        assert_int_equal(outcome.status, EXIT_INVALID);
    }
}

static void read_path(const void *path) { source_read(path); }

static void missing_files_are_named(void **state)
{
    (void)state;
    Outcome missing = run_child(read_path, "no/such/file.json");
    assert_int_equal(missing.status, EXIT_IO);
    assert_non_null(strstr(missing.text, "no/such/file.json"));
    assert_int_equal(run_child(read_path, ".").status, EXIT_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_numbers),
        cmocka_unit_test(takes_strings),
        cmocka_unit_test(builds_the_tree_with_places),
        cmocka_unit_test(refuses_what_is_not_json),
        cmocka_unit_test(comments_may_be_repeated),
        cmocka_unit_test(keeps_its_limits),
        cmocka_unit_test(any_cut_is_a_diagnostic),
        cmocka_unit_test(missing_files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
