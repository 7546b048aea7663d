/* toolchain.c -- which C compiler there is, what it is called with, and what this machine can run.
 */
#define _GNU_SOURCE
#include "build.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char install_hint[] =
    "install one with: apt-get install clang (or gcc), or name one with --cc";

static const char *const isa_names[] = {"avx512", "avx2", "generic"};

const char *isa_name(Isa isa) { return isa_names[isa]; }

Isa isa_native(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
        return ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi2"))
        return ISA_AVX2;
#endif
    return ISA_GENERIC;
}

bool isa_from_name(const char *name, Isa *isa)
{
    if (strcmp(name, "native") == 0) {
        *isa = isa_native();
        return true;
    }
    for (int i = 0; i < (int)(sizeof isa_names / sizeof isa_names[0]); i++) {
        if (strcmp(name, isa_names[i]) == 0) {
            *isa = (Isa)i;
            return true;
        }
    }
    return false;
}

void words_add(Words *words, const char *word)
{
    enum { STEP = 32 };
    if (words->count % STEP == 0) {
        const char **larger = arena_alloc(((size_t)words->count + STEP + 1) * sizeof *larger);
        if (words->count > 0)
            memcpy(larger, words->items, (size_t)words->count * sizeof *larger);
        words->items = larger;
    }
    words->items[words->count++] = word;
}

static void add_words(Words *words, const char *text)
{
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        size_t length = strcspn(text, " ");
        words_add(words, arena_copy(text, length));
        text += length;
    }
}

void compile_flags(Words *words, UnitKind kind, const BuildOptions *options)
{
    static const char *const isa_flags[] = {
        "-march=x86-64-v4 -mprefer-vector-width=512 -DGAGAC_VECTOR_BYTES=64",
        "-march=x86-64-v3 -DGAGAC_VECTOR_BYTES=32", "-DGAGAC_VECTOR_BYTES=16"};
    add_words(words, PROGRAM_FLAGS); /* from CMakeLists.txt: f32.a is compiled with them too */
    if (options->f64)
        words_add(words, "-DGAGAC_F64");
    if (kind == UNIT_GENERATED)
        add_words(words, isa_flags[options->isa]);
    if (kind == UNIT_GENERATED && options->profile)
        words_add(words, "-DGAGAC_PROFILE");
}

void link_libraries(Words *words, const BuildOptions *options)
{
    if (options->images)
        add_words(words, "-lpng -ljpeg -lz");
    add_words(words, "-lm");
}

static const char *named_compiler(const char *wanted)
{
    return wanted != NULL ? wanted : environment("GAGAC_CC");
}

bool toolchain_is_default(const char *wanted)
{
    return named_compiler(wanted) == NULL && environment("GAGAC_CFLAGS") == NULL;
}

void compiler_flags(Words *words)
{
    const char *more = environment("GAGAC_CFLAGS");
    if (more != NULL)
        add_words(words, more);
}

/* The program of that name on the PATH, or the path itself when it has a slash. NULL: not there. */
static const char *find_program(const char *name)
{
    const char *path = getenv("PATH");
    if (strchr(name, '/') != NULL)
        return access(name, X_OK) == 0 ? path_absolute(name) : NULL;
    for (const char *p = path == NULL ? "" : path; *p != '\0';) {
        size_t length = strcspn(p, ":");
        const char *candidate = arena_printf("%.*s/%s", (int)length, p, name);
        struct stat info;
        if (length > 0 && stat(candidate, &info) == 0 && S_ISREG(info.st_mode) &&
            access(candidate, X_OK) == 0)
            return path_absolute(candidate);
        p += length + (p[length] == ':');
    }
    return NULL;
}

/* What `PROGRAM --version` says; NULL when it fails. Kept in the cache: starting a compiler takes a
 * while. */
static const char *ask_version(const char *path, const char *stamp, const Cache *cache)
{
    Sha256 sha;
    sha256_start(&sha);
    sha256_add_text(&sha, "version of a compiler");
    sha256_add_text(&sha, stamp);
    Hash key = sha256_end(&sha);
    Bytes text = cache_load(cache, &key);
    if (text.data == NULL) {
        const char *argv[] = {path, "--version", NULL};
        Job job = {.argv = argv, .capture = CAPTURE_OUTPUT};
        if (!jobs_run(&job, 1) || job.output.data == NULL)
            return NULL;
        text = job.output;
        cache_store(cache, &key, text);
    }
    return arena_copy(text.data, text.length);
}

static Compiler *examine(const char *name, const Cache *cache)
{
    struct stat info;
    const char *path = find_program(name);
    if (path == NULL || stat(path, &info) != 0)
        return NULL;
    const char *stamp = arena_printf("%s %lld %lld.%09ld", path, (long long)info.st_size,
                                     (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    const char *version = ask_version(path, stamp, cache);
    if (version == NULL)
        return NULL;
    Compiler *compiler = arena_alloc(sizeof *compiler);
    compiler->path = path;
    compiler->version = arena_copy(version, strcspn(version, "\n"));
    compiler->identity = arena_printf("%s\n%s", stamp, version);
    compiler->clang = strstr(version, "clang") != NULL;
    return compiler;
}

Compiler *compiler_search(const char *wanted, const Cache *cache)
{
    static const char *const names[] = {"clang",    "clang-19", "clang-18", "clang-17", "clang-16",
                                        "clang-15", "clang-14", "cc",       "gcc"};
    const char *named = named_compiler(wanted);
    if (named != NULL)
        return examine(named, cache);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        Compiler *compiler = examine(names[i], cache);
        if (compiler != NULL)
            return compiler;
    }
    return NULL;
}

Compiler *compiler_find(const char *wanted, const Cache *cache)
{
    Compiler *compiler = compiler_search(wanted, cache);
    const char *named = named_compiler(wanted);
    if (compiler == NULL && named != NULL)
        fail(EXIT_TOOLCHAIN, install_hint, "the C compiler %s is not there or does not work",
             printable(named));
    if (compiler == NULL)
        fail(EXIT_TOOLCHAIN, install_hint,
             "no C compiler found: neither clang nor gcc is on the PATH");
    return compiler;
}
