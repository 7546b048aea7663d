/* test_sha256.c -- SHA-256 against the examples of FIPS 180-4 and its independence of how text is
 * cut. */
#include "build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text;
    int repeats;
    const char *digest;
} examples[] = {
    {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnop"
     "qrs"
     "mnopqrstnopqrstu",
     1, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    {"aaaaaaaaaa", 100000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
};

static void test_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        Sha256 sha;
        sha256_start(&sha);
        for (int k = 0; k < examples[i].repeats; k++)
            sha256_add(&sha, examples[i].text, strlen(examples[i].text));
        Hash hash = sha256_end(&sha);
        assert_string_equal(hash_text(&hash), examples[i].digest);
    }
}

/* every length around the block size, in one piece and cut at every place */
static void test_pieces(void **state)
{
    unsigned char text[200];
    (void)state;
    for (int i = 0; i < 200; i++)
        text[i] = (unsigned char)(i * 7);
    for (size_t length = 0; length <= sizeof text; length++) {
        Sha256 whole;
        sha256_start(&whole);
        sha256_add(&whole, text, length);
        Hash expected = sha256_end(&whole);
        for (size_t cut = 0; cut <= length; cut++) {
            Sha256 sha;
            sha256_start(&sha);
            sha256_add(&sha, text, cut);
            sha256_add(&sha, text + cut, length - cut);
            Hash hash = sha256_end(&sha);
            assert_memory_equal(hash.bytes, expected.bytes, sizeof hash.bytes);
        }
    }
}

/* "ab" "c" and "a" "bc" are different lists */
static void test_fields(void **state)
{
    Sha256 first, second;
    (void)state;
    sha256_start(&first);
    sha256_add_text(&first, "ab");
    sha256_add_text(&first, "c");
    sha256_start(&second);
    sha256_add_text(&second, "a");
    sha256_add_text(&second, "bc");
    Hash one = sha256_end(&first), other = sha256_end(&second);
    assert_memory_not_equal(one.bytes, other.bytes, sizeof one.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
