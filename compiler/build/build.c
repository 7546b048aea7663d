/* build.c -- from texts to programs: writes the sources, compiles what the cache does not have,
 * links, and puts the folder in its place as a whole.
 *
 * Units are compiled inside the source folder under relative names, so that nothing in a program
 * depends on where it was built. An object's key covers its source, the headers it may include, the
 * flags and the compiler; a program's key covers its objects. The runtime includes nothing that is
 * generated, so all programs share its objects. */
#define _GNU_SOURCE
#include "build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_UNITS = 128, FIRST_LINES = 12 };

typedef struct Unit { /* one .c file of RUN/src */
    EmittedFile source;
    const char *stem; /* "model" of src/model.c */
    UnitKind kind;
    Hash key;
    bool needed; /* by a program that is not in the cache */
} Unit;

typedef struct Target { /* a program of RUN */
    const char *name;
    bool wanted;
    Hash key;
    Bytes program;
} Target;

enum { TARGET_TRAIN, TARGET_SAMPLE, TARGET_COUNT };

typedef struct Build {
    const BuildOptions *options;
    Cache *cache; /* NULL: none */
    Compiler *compiler;
    const EmbeddedFile *archive; /* the runtime, compiled already; NULL: it is compiled here */
    EmittedFiles files;          /* everything of RUN that is text, what is generated first */
    int generated_count;
    Unit units[MAX_UNITS];
    int unit_count;
    Target targets[TARGET_COUNT];
    const char *folder; /* where RUN is put together */
    bool stored;        /* something new is in the cache */
} Build;

static const char archive_name[] = "runtime.a";

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool has_suffix(const char *text, const char *suffix)
{
    size_t length = strlen(text), tail = strlen(suffix);
    return length >= tail && strcmp(text + length - tail, suffix) == 0;
}

static NO_RETURN void fail_writing(const char *path)
{
    int error = errno;
    signals_obey();
    fail(EXIT_IO, NULL, "cannot write %s: %s", printable(path), strerror(error));
}

/* ---------------------------------------------------------------- the sources */
static void add_unit(Build *build, EmittedFile source, UnitKind kind)
{
    const char *name = source.name + strlen("src/");
    const char *stem = arena_copy(name, strlen(name) - strlen(".c"));
    if (build->unit_count == MAX_UNITS)
        internal_error("a program of more than %d units", MAX_UNITS);
    build->units[build->unit_count++] = (Unit){.source = source, .stem = stem, .kind = kind};
}

static void add_file(Build *build, EmittedFile file, UnitKind kind)
{
    build->files.files[build->files.count++] = file;
    if (has_prefix(file.name, "src/") && has_suffix(file.name, ".c"))
        add_unit(build, file, kind);
}

/* Generated files first: their units take longest to compile, so they start first. */
static void collect_files(Build *build, EmittedFiles generated)
{
    const char *const runtime = "runtime/";
    size_t most = (size_t)generated.count + (size_t)embedded_file_count + 2;
    build->files.files = arena_alloc(most * sizeof *build->files.files);
    for (int i = 0; i < generated.count; i++)
        add_file(build, generated.files[i], UNIT_GENERATED);
    build->generated_count = generated.count;
    for (int i = 0; i < embedded_file_count; i++) {
        const EmbeddedFile *file = &embedded_files[i];
        if (!has_prefix(file->name, runtime))
            continue;
        const char *name = arena_printf("src/%s", file->name + strlen(runtime));
        if (has_prefix(name, "src/image_") && !build->options->images)
            continue;
        bool is_main = strcmp(name, "src/train.c") == 0 || strcmp(name, "src/sample.c") == 0;
        add_file(build, (EmittedFile){name, file->text, file->length},
                 is_main ? UNIT_MAIN : UNIT_RUNTIME);
    }
}

/* RUN/src builds without gagac too. */
static void add_project(Build *build)
{
    Words generated = {NULL, 0}, runtime = {NULL, 0};
    for (int i = 0; i < build->unit_count; i++) {
        const Unit *unit = &build->units[i];
        if (unit->kind != UNIT_MAIN)
            words_add(unit->kind == UNIT_GENERATED ? &generated : &runtime, unit->stem);
    }
    const char *makefile = makefile_text(&generated, &runtime, build->options);
    const char *cmake = cmake_text(&generated, &runtime, build->options);
    add_file(build, (EmittedFile){"src/Makefile", makefile, strlen(makefile)}, UNIT_RUNTIME);
    add_file(build, (EmittedFile){"src/CMakeLists.txt", cmake, strlen(cmake)}, UNIT_RUNTIME);
}

static void write_files(const Build *build)
{
    static const char *const folders[] = {"src", "sampler", "objects"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (mkdir(arena_printf("%s/%s", build->folder, folders[i]), 0777) != 0)
            fail_writing(folders[i]);
    for (int i = 0; i < build->files.count; i++) {
        const EmittedFile *file = &build->files.files[i];
        const char *path = arena_printf("%s/%s", build->folder, file->name);
        if (!file_write(path, file->text, file->length, 0666))
            fail_writing(path);
    }
}

/* ---------------------------------------------------------------- keys */
static void unit_argv(const Build *build, const Unit *unit, Words *words)
{
    words_add(words, build->compiler->path);
    compile_flags(words, unit->kind, build->options);
    /* tuned kernels are vectors and unrolled already: clang is as good at them in less time */
    if (unit->kind == UNIT_GENERATED && !build->options->plain && build->compiler->clang)
        words_add(words, "-O1");
    compiler_flags(words);
    words_add(words, "-c");
    words_add(words, "-o");
    words_add(words, arena_printf("../objects/%s.o", unit->stem));
    words_add(words, arena_printf("%s.c", unit->stem));
}

/* A main that came compiled with gagac, as the archive did; NULL: it is compiled here. */
static const EmbeddedFile *compiled_main(const Build *build, const Unit *unit)
{
    if (unit->kind != UNIT_MAIN || build->archive == NULL)
        return NULL;
    return embedded_find(arena_printf("%s_%s.o", build->options->f64 ? "f64" : "f32", unit->stem));
}

/* Whether a program is linked with the object of this unit: not with the other's main, and not with
 * what the archive has. */
static bool unit_belongs(const Build *build, const Unit *unit, const Target *target)
{
    if (unit->kind == UNIT_MAIN)
        return strcmp(unit->stem, target->name) == 0;
    return unit->kind == UNIT_GENERATED || build->archive == NULL;
}

static void target_argv(const Build *build, const Target *target, Words *words)
{
    words_add(words, build->compiler->path);
    words_add(words, "-pthread");
    compiler_flags(words);
    words_add(words, "-o");
    words_add(words, arena_printf("../%s", target->name));
    for (int i = 0; i < build->unit_count; i++) {
        if (unit_belongs(build, &build->units[i], target))
            words_add(words, arena_printf("%s.o", build->units[i].stem));
    }
    if (build->archive != NULL)
        words_add(words, archive_name);
    link_libraries(words, build->options);
}

static void start_key(Sha256 *sha, const Build *build, const Words *argv)
{
    sha256_start(sha);
    sha256_add_text(sha, GAGAC_VERSION);
    sha256_add_text(sha, build->compiler->identity);
    for (int i = 0; i < argv->count; i++)
        sha256_add_text(sha, argv->items[i]);
}

/* The headers among the files from `first` on. */
static Hash hash_headers(const Build *build, int first)
{
    Sha256 sha;
    sha256_start(&sha);
    for (int i = first; i < build->files.count; i++) {
        const EmittedFile *file = &build->files.files[i];
        if (!has_suffix(file->name, ".h"))
            continue;
        sha256_add_text(&sha, file->name);
        sha256_add_field(&sha, file->text, file->length);
    }
    return sha256_end(&sha);
}

static void make_keys(Build *build)
{
    Sha256 sha;
    const Hash all = hash_headers(build, 0), fixed = hash_headers(build, build->generated_count);
    for (int i = 0; i < build->unit_count; i++) {
        Unit *unit = &build->units[i];
        const EmbeddedFile *object = compiled_main(build, unit);
        Words argv = {NULL, 0};
        unit_argv(build, unit, &argv);
        start_key(&sha, build, &argv);
        const Hash *headers = unit->kind == UNIT_GENERATED ? &all : &fixed;
        sha256_add(&sha, headers->bytes, sizeof headers->bytes);
        sha256_add_field(&sha, unit->source.text, unit->source.length);
        if (object != NULL)
            sha256_add_field(&sha, object->text, object->length);
        unit->key = sha256_end(&sha);
    }
    for (int t = 0; t < TARGET_COUNT; t++) {
        Words argv = {NULL, 0};
        target_argv(build, &build->targets[t], &argv);
        start_key(&sha, build, &argv);
        if (build->archive != NULL)
            sha256_add_field(&sha, build->archive->text, build->archive->length);
        for (int i = 0; i < build->unit_count; i++)
            if (unit_belongs(build, &build->units[i], &build->targets[t]))
                sha256_add(&sha, build->units[i].key.bytes, sizeof build->units[i].key.bytes);
        build->targets[t].key = sha256_end(&sha);
    }
}

/* ---------------------------------------------------------------- compiling and linking */
static NO_RETURN void fail_compiling(const Build *build, const Job *job)
{
    const char *text = job->output.data != NULL ? job->output.data : "";
    size_t end = 0;
    signals_obey();
    if (job->error != 0)
        fail(EXIT_TOOLCHAIN, install_hint, "cannot start %s: %s", build->compiler->path,
             strerror(job->error));
    for (int lines = 0; lines < FIRST_LINES && text[end] != '\0'; lines++) {
        end += strcspn(text + end, "\n");
        end += text[end] == '\n';
    }
    fwrite(text, 1, end, stderr);
    if (strstr(text, "No space left on device") != NULL)
        fail(EXIT_IO, NULL, "the disk is full");
    fail(EXIT_TOOLCHAIN, "gagac doctor tells what this compiler lacks; --cc names another",
         "%s failed on %s (status %d)", build->compiler->path, job->name, job->status);
}

/* Runs the jobs in the folder `where` below the build's; ends the program when one fails. */
static void run_all(const Build *build, const char *where, Job *jobs, int count)
{
    const char *folder = arena_printf("%s/%s", build->folder, where);
    for (int i = 0; i < count; i++) {
        jobs[i].folder = folder;
        jobs[i].capture = CAPTURE_ALL;
    }
    if (jobs_run(jobs, count))
        return;
    signals_obey();
    for (int i = 0; i < count; i++)
        if (jobs[i].error != 0 || jobs[i].status > 0)
            fail_compiling(build, &jobs[i]);
}

static Bytes take_result(Build *build, const char *path, const Hash *key)
{
    Bytes content = file_read(path);
    if (content.data == NULL)
        fail(EXIT_TOOLCHAIN, NULL, "%s left no %s: %s", build->compiler->path, printable(path),
             strerror(errno));
    cache_store(build->cache, key, content);
    build->stored = build->cache != NULL;
    return content;
}

static const char *object_path(const Build *build, const Unit *unit)
{
    return arena_printf("%s/objects/%s.o", build->folder, unit->stem);
}

static void write_embedded(const EmbeddedFile *file, const char *path)
{
    if (!file_write(path, file->text, file->length, 0666))
        fail_writing(path);
}

/* Objects that came with gagac or are in the cache are written out, the others compiled. */
static void make_objects(Build *build)
{
    Job jobs[MAX_UNITS];
    Unit *missing[MAX_UNITS];
    int count = 0;
    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < build->unit_count; i++) {
        Unit *unit = &build->units[i];
        const EmbeddedFile *compiled = compiled_main(build, unit);
        if (unit->needed && compiled != NULL) {
            write_embedded(compiled, object_path(build, unit));
            continue;
        }
        Bytes object = unit->needed ? cache_load(build->cache, &unit->key) : (Bytes){NULL, 0};
        if (object.data != NULL) {
            if (!file_write(object_path(build, unit), object.data, object.length, 0666))
                fail_writing(object_path(build, unit));
        } else if (unit->needed) {
            Words argv = {NULL, 0};
            unit_argv(build, unit, &argv);
            jobs[count].argv = argv.items;
            jobs[count].name = arena_printf("%s.c", unit->stem);
            missing[count++] = unit;
        }
    }
    run_all(build, "src", jobs, count);
    for (int i = 0; i < count; i++)
        take_result(build, object_path(build, missing[i]), &missing[i]->key);
}

static void link_programs(Build *build)
{
    Job jobs[TARGET_COUNT];
    Target *missing[TARGET_COUNT];
    int count = 0;
    memset(jobs, 0, sizeof jobs);
    for (int t = 0; t < TARGET_COUNT; t++) {
        Target *target = &build->targets[t];
        Words argv = {NULL, 0};
        if (!target->wanted || target->program.data != NULL)
            continue;
        target_argv(build, target, &argv);
        jobs[count].argv = argv.items;
        jobs[count].name = target->name;
        missing[count++] = target;
    }
    run_all(build, "objects", jobs, count);
    for (int i = 0; i < count; i++)
        missing[i]->program = take_result(build, arena_printf("%s/%s", build->folder, jobs[i].name),
                                          &missing[i]->key);
}

/* What the cache has is taken from there; with both programs in it nothing is compiled. */
static void make_programs(Build *build)
{
    for (int t = 0; t < TARGET_COUNT; t++) {
        Target *target = &build->targets[t];
        if (!target->wanted)
            continue;
        const char *path = arena_printf("%s/%s", build->folder, target->name);
        target->program = cache_load(build->cache, &target->key);
        if (target->program.data != NULL &&
            !file_write(path, target->program.data, target->program.length, 0777))
            fail_writing(path);
        for (int i = 0; i < build->unit_count && target->program.data == NULL; i++)
            build->units[i].needed |= unit_belongs(build, &build->units[i], target);
    }
    if (build->archive != NULL)
        write_embedded(build->archive, arena_printf("%s/objects/%s", build->folder, archive_name));
    make_objects(build);
    link_programs(build);
    if (build->stored)
        cache_trim(build->cache, (int64_t)CACHE_LIMIT_MB << 20);
}

static void find_tools(Build *build)
{
    const BuildOptions *options = build->options;
    build->cache = options->no_cache ? NULL : cache_open();
    build->compiler = compiler_find(options->compiler, build->cache);
    if (toolchain_is_default(options->compiler))
        build->archive = embedded_find(options->f64 ? "f64.a" : "f32.a");
    make_keys(build);
}

/* Everything up to programs in a private folder. */
static Build *start_build(EmittedFiles files, const BuildOptions *options, const char *prefix,
                          bool sample)
{
    Build *build = arena_alloc(sizeof *build);
    build->options = options;
    build->targets[TARGET_TRAIN] = (Target){.name = "train", .wanted = true};
    build->targets[TARGET_SAMPLE] = (Target){.name = "sample", .wanted = sample};
    collect_files(build, files);
    add_project(build);
    if (!options->sources_only)
        find_tools(build);
    signals_hold();
    build->folder = folder_temporary(prefix);
    if (build->folder == NULL)
        fail_writing(prefix);
    write_files(build);
    if (!options->sources_only)
        make_programs(build);
    tree_remove(arena_printf("%s/objects", build->folder));
    signals_obey();
    return build;
}

/* ---------------------------------------------------------------- RUN */
static const char *const run_entries[] = {"src", "sampler", "train",
                                          "sample"}; /* replaced by a new build */
enum { RUN_ENTRY_COUNT = sizeof run_entries / sizeof run_entries[0] };
static const char options_name[] = "train.options";

/* A folder that is there must be empty of our names or come from us: nothing of somebody else's is
 * replaced. */
static void check_run(const char *run)
{
    struct stat info;
    if (stat(run, &info) != 0)
        return;
    if (!S_ISDIR(info.st_mode))
        fail(EXIT_IO, "choose another name with -o", "%s is there and is not a folder",
             printable(run));
    if (path_exists(arena_printf("%s/src/program.h", run)))
        return;
    for (int i = 0; i < RUN_ENTRY_COUNT; i++)
        if (path_exists(arena_printf("%s/%s", run, run_entries[i])))
            fail(EXIT_IO, "choose another folder with -o",
                 "%s/%s was not made by gagac and is not replaced", printable(run), run_entries[i]);
}

/* RUN/train.options: what RUN/train takes when its command line does not say it, an option a line.
 */
static void write_train_options(const Build *build)
{
    const BuildOptions *options = build->options;
    const char *text = "";
    if (options->data != NULL && strchr(options->data, '\n') != NULL)
        fail(EXIT_USAGE, NULL, "--data needs a path without a newline");
    if (options->data != NULL)
        text = arena_printf("--data=%s\n", path_absolute(options->data));
    if (options->threads > 0)
        text = arena_printf("%s--threads=%d\n", text, options->threads);
    if (options->fit != NULL)
        text = arena_printf("%s%s\n", text, options->fit);
    const char *path = arena_printf("%s/%s", build->folder, options_name);
    if (text[0] != '\0' && !file_write(path, text, strlen(text), 0666))
        fail_writing(path);
}

/* Moves an entry of the new folder into RUN; what was there waits in the new folder to be removed
 * with it, also where the new folder has no such entry. */
static void replace_entry(const char *run, const char *folder, const char *name)
{
    const char *fresh = arena_printf("%s/%s", folder, name),
               *place = arena_printf("%s/%s", run, name);
    const char *old = arena_printf("%s/old-%s", folder, name);
    bool there = path_exists(place);
    if (there && rename(place, old) != 0)
        fail_writing(place);
    if (path_exists(fresh) && rename(fresh, place) != 0) {
        int error = errno;
        if (there)
            rename(old, place);
        errno = error;
        fail_writing(place);
    }
}

void build_run(const char *run, EmittedFiles files, const BuildOptions *options)
{
    size_t length = strlen(run);
    while (length > 1 && run[length - 1] == '/')
        length--;
    run = path_absolute(arena_copy(run, length));
    check_run(run);
    bool there = path_exists(run);
    /* inside RUN when it is there: a rename must not cross file systems */
    Build *build =
        start_build(files, options, arena_printf(there ? "%s/.new" : "%s.new", run), true);
    write_train_options(build);
    if (there) {
        for (int i = 0; i < RUN_ENTRY_COUNT; i++)
            replace_entry(run, build->folder, run_entries[i]);
        if (path_exists(arena_printf("%s/%s", build->folder, options_name)))
            replace_entry(run, build->folder, options_name);
    } else {
        mode_t mask = umask(0);
        umask(mask);
        if (chmod(build->folder, 0777 & ~mask) != 0 || rename(build->folder, run) != 0)
            fail_writing(run);
    }
    signals_obey();
    signals_release();
}

const char *build_train(EmittedFiles files, const BuildOptions *options)
{
    const char *prefix = arena_printf("%s/gagac", folder_for_temporaries());
    Build *build = start_build(files, options, prefix, false);
    return arena_printf("%s/train", build->folder);
}
