/* build.h -- what turns texts into programs: files, processes, the C compiler, the cache. Knows
 * nothing of models.
 *
 * Functions that can fail for a reason outside the program return false or NULL with errno set,
 * unless they say that they end the program. */
#ifndef GAGAC_BUILD_H
#define GAGAC_BUILD_H

#include "gagac.h"

#include "sha256.h"

/* ---------------------------------------------------------------- files.c */
typedef struct Bytes {
    char *data;
    size_t length;
} Bytes; /* data is NULL when there is nothing */

Bytes file_read(const char *path); /* a whole file, with a NUL after it */
/* Creates or replaces; every write is checked, close too. mode is cut by the umask. */
bool file_write(const char *path, const void *bytes, size_t length, unsigned mode);
/* The same for a file that is not there yet; EEXIST when it is. */
bool file_create(const char *path, const void *bytes, size_t length, unsigned mode);
bool path_exists(const char *path);
bool tree_remove(const char *path); /* a folder with all in it; never follows a link */
/* Makes an empty private folder PREFIX-unfinished-XXXXXX. It is removed when the program ends,
 * unless it was renamed; one of a program that was killed is removed when the next is made. */
char *folder_temporary(const char *prefix);
void temporaries_remove(void);               /* now; for an end that runs no exit handlers */
const char *path_absolute(const char *path); /* of a file that need not exist */
const char *environment(const char *name);   /* NULL: not set, or empty */
/* A folder for short-lived files: $TMPDIR, or the system's. */
const char *folder_for_temporaries(void);

/* ---------------------------------------------------------------- command_new.c */
/* The packaged config of that name, "dcgan" or "dcgan.json" or "progressive_growing/base"; NULL
 * when there is none. */
const EmbeddedFile *template_find(const char *name);
void template_list(void); /* all of them, with description and a command that trains them */
/* Writes NAME.json, a copy of a template (NULL: "default"). Never replaces a file. */
void template_copy(const char *template, const char *name);

/* ---------------------------------------------------------------- process.c */
typedef enum Capture {
    CAPTURE_NONE,
    CAPTURE_OUTPUT, /* what it writes to standard output */
    CAPTURE_ALL     /* and to standard error */
} Capture;
typedef struct Job {         /* a program to run */
    const char *const *argv; /* argv[0] is its path, NULL ends; no shell is involved */
    const char *name;        /* what it makes, for messages */
    const char *folder;      /* to run in, NULL: here */
    Capture capture;
    int status; /* out: exit status, 128 + signal, or -1 when it could not be started (see error) */
    int error;  /* out: errno of the start */
    Bytes output; /* out: what was captured */
} Job;

/* Runs the jobs, as many at once as there are cores. After a failure, or when a signal waits, no
 * further job is started (its status is -1). True when all succeeded. */
bool jobs_run(Job *jobs, int count);
int core_count(void); /* cores this process may use */
/* From hold to release SIGINT, SIGTERM and SIGHUP wait, so that temporary folders can be removed;
 * children get them at once. obey: when one has come, cleans up and dies by it. */
void signals_hold(void);
void signals_release(void);
void signals_obey(void);

/* ---------------------------------------------------------------- cache.c */
typedef struct Cache {
    const char *folder;
} Cache; /* a folder of entries, each named by the hash of everything that made it */
enum { CACHE_LIMIT_MB = 512 };

/* $GAGAC_CACHE_DIR, $XDG_CACHE_HOME/gagac or ~/.cache/gagac; created with mode 0700. NULL, after a
 * warning, when it cannot be made or is not safe (another owner, or writable by others). */
Cache *cache_open(void);
const char *hash_text(const Hash *hash); /* 64 hexadecimal digits */
const char *cache_folder(void); /* where it is or would be, NULL when no variable says so */
/* The verified content; data is NULL when there is none. A NULL cache is always empty. */
Bytes cache_load(const Cache *cache, const Hash *key);
void cache_store(const Cache *cache, const Hash *key, Bytes content); /* best effort; atomic */
/* Removes the entries used least recently until at most limit bytes are left. */
void cache_trim(const Cache *cache, int64_t limit);
void cache_count(const Cache *cache, int64_t *entries, int64_t *bytes);
int64_t cache_clear(const Cache *cache); /* entries removed */

/* ---------------------------------------------------------------- toolchain.c */
typedef struct Compiler { /* a C compiler */
    const char *path;
    const char *version;  /* first line of --version */
    const char *identity; /* path, size, time and version: part of every cache key */
    bool clang;           /* else it is taken for gcc */
} Compiler;

/* --cc, $GAGAC_CC, clang, clang-19 ... clang-14, cc, gcc: the first that is there. NULL: none, or
 * `wanted` is not there. */
Compiler *compiler_search(const char *wanted, const Cache *cache);
Compiler *compiler_find(const char *wanted,
                        const Cache *cache); /* the same; ends with EXIT_TOOLCHAIN */
/* Neither --cc nor GAGAC_CC nor GAGAC_CFLAGS asks for something else than the runtime in gagac was
 * compiled with. */
bool toolchain_is_default(const char *wanted);
extern const char install_hint[];               /* how to get a compiler */
Isa isa_native(void);                           /* the best this machine has */
const char *isa_name(Isa isa);                  /* "avx512" "avx2" "generic" */
bool isa_from_name(const char *name, Isa *isa); /* "native" too */

typedef enum UnitKind { UNIT_GENERATED, UNIT_RUNTIME, UNIT_MAIN } UnitKind;
typedef struct Words {
    const char **items;
    int count;
} Words; /* an argv in the making: items[count] is NULL */
void words_add(Words *words, const char *word);
/* Flags of a unit that hold for every compiler, without names of files. */
void compile_flags(Words *words, UnitKind kind, const BuildOptions *options);
/* What a program is linked with, behind its objects. */
void link_libraries(Words *words, const BuildOptions *options);
/* Flags of this compiler (clang and gcc differ in how a multiply-add is asked for), then the words
 * of $GAGAC_CFLAGS. */
void compiler_flags(Words *words);

/* ---------------------------------------------------------------- project.c */
/* The build files of RUN/src; the words are stems of units: "model". */
const char *makefile_text(const Words *generated, const Words *runtime,
                          const BuildOptions *options);
const char *cmake_text(const Words *generated, const Words *runtime, const BuildOptions *options);

#endif
