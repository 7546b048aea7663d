/* test_cache.c -- the cache of compiled code: what goes in comes out, nothing else does, and it
 * stays small and private. */
#define _GNU_SOURCE
#include "build.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *folder; /* of the test: empty at its start */

static int make_folder(void **state)
{
    (void)state;
    folder = folder_temporary(arena_printf("%s/gagac-test", folder_for_temporaries()));
    return folder == NULL || setenv("GAGAC_CACHE_DIR", arena_printf("%s/a/b", folder), 1) != 0;
}

static int remove_folder(void **state)
{
    (void)state;
    temporaries_remove();
    return 0;
}

static Hash key_of(int number)
{
    Sha256 sha;
    sha256_start(&sha);
    sha256_add(&sha, &number, sizeof number);
    return sha256_end(&sha);
}

static Bytes text_bytes(const char *text)
{
    return (Bytes){arena_copy(text, strlen(text)), strlen(text)};
}

static void test_round_trip(void **state)
{
    (void)state;
    Cache *cache = cache_open();
    assert_non_null(cache);
    struct stat info;
    assert_int_equal(stat(cache->folder, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    Hash key = key_of(1), other = key_of(2);
    assert_null(cache_load(cache, &key).data);
    cache_store(cache, &key, text_bytes("some object"));
    Bytes got = cache_load(cache, &key);
    assert_int_equal(got.length, strlen("some object"));
    assert_memory_equal(got.data, "some object", got.length);
    assert_null(cache_load(cache, &other).data);
    cache_store(cache, &key, text_bytes("")); /* replaced, and empty is not absent */
    got = cache_load(cache, &key);
    assert_non_null(got.data);
    assert_int_equal(got.length, 0);
}

/* Every single changed byte, and every shorter file, is noticed and the entry goes. */
static void test_damage(void **state)
{
    (void)state;
    Cache *cache = cache_open();
    Hash key = key_of(1);
    Bytes content = text_bytes("0123456789");
    const char *path = arena_printf("%s/%s", cache->folder, hash_text(&key));
    for (size_t at = 0; at < 42; at++) {
        cache_store(cache, &key, content);
        Bytes file = file_read(path);
        assert_int_equal(file.length, 42);
        file.data[at] ^= 1;
        assert_true(file_write(path, file.data, file.length, 0600));
        assert_null(cache_load(cache, &key).data);
        assert_false(path_exists(path));
        cache_store(cache, &key, content);
        assert_true(file_write(path, file_read(path).data, at, 0600));
        assert_null(cache_load(cache, &key).data);
    }
}

static void test_unsafe_folder(void **state)
{
    (void)state;
    const char *path = arena_printf("%s/open", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, 0770), 0);
    setenv("GAGAC_CACHE_DIR", path, 1);
    assert_null(cache_open());
    assert_int_equal(chmod(path, 0700), 0);
    assert_non_null(cache_open());
    const char *file = arena_printf("%s/file", folder);
    assert_true(file_write(file, "", 0, 0600));
    setenv("GAGAC_CACHE_DIR", file, 1);
    assert_null(cache_open());
    setenv("GAGAC_CACHE_DIR", arena_printf("%s/below", file), 1);
    assert_null(cache_open());
    if (geteuid() == 0) { /* somebody else's */
        assert_int_equal(chown(path, 12345, 12345), 0);
        setenv("GAGAC_CACHE_DIR", path, 1);
        assert_null(cache_open());
    }
}

/* The entries used least recently go first; a load counts as use. */
static void test_trim(void **state)
{
    (void)state;
    enum { COUNT = 6, SIZE = 1000 - 32 };
    Cache *cache = cache_open();
    int64_t entries, bytes;
    for (int i = 0; i < COUNT; i++) {
        Hash key = key_of(i);
        cache_store(cache, &key, (Bytes){arena_alloc(SIZE), SIZE});
        const struct timespec times[2] = {{1000 + i, 0}, {1000 + i, 0}};
        const char *path = arena_printf("%s/%s", cache->folder, hash_text(&key));
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    }
    const char *foreign = arena_printf("%s/README", cache->folder);
    assert_true(file_write(foreign, "x", 1, 0600));
    cache_count(cache, &entries, &bytes);
    assert_int_equal(entries, COUNT);
    assert_int_equal(bytes, COUNT * 1000);
    Hash first = key_of(0), second = key_of(1), last = key_of(COUNT - 1);
    assert_non_null(cache_load(cache, &first).data);
    cache_trim(cache, 3000);
    cache_count(cache, &entries, &bytes);
    assert_int_equal(entries, 3);
    assert_non_null(cache_load(cache, &first).data);
    assert_non_null(cache_load(cache, &last).data);
    assert_null(cache_load(cache, &second).data);
    assert_int_equal(cache_clear(cache), 3);
    assert_true(path_exists(foreign));
}

static void test_no_cache(void **state)
{
    (void)state;
    Hash key = key_of(1);
    cache_store(NULL, &key, text_bytes("x"));
    assert_null(cache_load(NULL, &key).data);
    cache_trim(NULL, 0);
}

static void test_places(void **state)
{
    (void)state;
    setenv("GAGAC_CACHE_DIR", "", 1);
    setenv("XDG_CACHE_HOME", "/x", 1);
    setenv("HOME", "/h", 1);
    assert_string_equal(cache_folder(), "/x/gagac");
    setenv("XDG_CACHE_HOME", "relative", 1);
    assert_string_equal(cache_folder(), "/h/.cache/gagac");
    unsetenv("HOME");
    assert_null(cache_folder());
    assert_null(cache_open());
    setenv("GAGAC_CACHE_DIR", "/c", 1);
    assert_string_equal(cache_folder(), "/c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_damage, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_unsafe_folder, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_trim, make_folder, remove_folder),
        cmocka_unit_test(test_no_cache),
        cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
