/* checkpoint.c -- the state of a training on disk. */
#define _POSIX_C_SOURCE 200809L
#include "checkpoint.h"

#include "hash.h"
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char suffix[] = ".safetensors";
static const char whole_key[] = "xxh64", tensor_key[] = "xxh64.";

enum { MAX_NAME = 256, HEX_SIZE = 17, MIN_DIGITS = 9, MAX_DIGITS = 18 };

/* ---------------------------------------------------------------- checksums */
static uint64_t hash_text(const char *text, uint64_t seed)
{
    return hash_bytes(text, strlen(text) + 1, seed);
}

/* Of what the header says: names, types, shapes, metadata. A sum, for the order in a file is free.
 */
static uint64_t hash_header(const StoredTensor *tensors, int tensor_count, const StoredText *texts,
                            int text_count)
{
    uint64_t sum = 0;
    for (int i = 0; i < tensor_count; i++) {
        const StoredTensor *tensor = &tensors[i];
        uint64_t hash = hash_text(tensor->name, (uint64_t)tensor->type);
        sum += hash_bytes(tensor->dims, sizeof tensor->dims[0] * (size_t)tensor->rank, hash);
    }
    for (int i = 0; i < text_count; i++) {
        if (strcmp(texts[i].key, whole_key) != 0)
            sum += hash_text(texts[i].value, hash_text(texts[i].key, 0));
    }
    return sum;
}

static void print_hash(char text[HEX_SIZE], uint64_t hash)
{
    snprintf(text, HEX_SIZE, "%016" PRIx64, hash);
}

static bool matches(const char *text, uint64_t hash)
{
    char expected[HEX_SIZE];
    print_hash(expected, hash);
    return text && strcmp(text, expected) == 0;
}

static bool damaged(const Safetensors *file, const char *what, const char *name, Error *error)
{
    return error_set(error, EXIT_INVALID, NULL,
                     "checkpoint '%s' is damaged: the checksum of %s%s is wrong", file->map.path,
                     what, name);
}

static bool verify(const Safetensors *file, Error *error)
{
    char key[MAX_NAME + sizeof tensor_key];
    const char *whole = safetensors_text(file, whole_key);
    if (!whole)
        return error_set(error, EXIT_INVALID, NULL,
                         "'%s' is not a checkpoint of a training program: "
                         "it has no checksums",
                         file->map.path);
    if (!matches(whole,
                 hash_header(file->tensors, file->tensor_count, file->texts, file->text_count)))
        return damaged(file, "its header", "", error);
    for (int i = 0; i < file->tensor_count; i++) {
        const StoredTensor *tensor = &file->tensors[i];
        snprintf(key, sizeof key, "%s%s", tensor_key, tensor->name);
        if (tensor->type == STORED_OTHER ||
            !matches(safetensors_text(file, key), hash_bytes(tensor->data, stored_size(tensor), 0)))
            return damaged(file, "tensor ", tensor->name, error);
    }
    return true;
}

bool checkpoint_open(const char *path, Safetensors *file, Error *error)
{
    if (!safetensors_open(file, path, error))
        return false;
    if (verify(file, error))
        return true;
    safetensors_close(file);
    return false;
}

/* ---------------------------------------------------------------- writing */
typedef struct Checksums { /* the texts of a checkpoint with the memory of those that are added */
    StoredText *texts;
    int count;
    char (*keys)[MAX_NAME + sizeof tensor_key];
    char (*values)[HEX_SIZE];
} Checksums;

static void free_checksums(Checksums *sums)
{
    free(sums->texts);
    free(sums->keys);
    free(sums->values);
}

static bool make_checksums(Checksums *sums, const StoredTensor *tensors, int tensor_count,
                           const StoredText *texts, int text_count)
{
    size_t added = (size_t)tensor_count + 1;
    *sums = (Checksums){.count = text_count,
                        .texts = malloc(sizeof *sums->texts * (added + (size_t)text_count)),
                        .keys = malloc(sizeof *sums->keys * added),
                        .values = malloc(sizeof *sums->values * added)};
    if (!sums->texts || !sums->keys || !sums->values)
        return false;
    if (text_count > 0)
        memcpy(sums->texts, texts, sizeof *texts * (size_t)text_count);
    for (int i = 0; i < tensor_count; i++) {
        snprintf(sums->keys[i], sizeof sums->keys[i], "%s%s", tensor_key, tensors[i].name);
        print_hash(sums->values[i], hash_bytes(tensors[i].data, stored_size(&tensors[i]), 0));
        sums->texts[sums->count++] = (StoredText){sums->keys[i], sums->values[i]};
    }
    print_hash(sums->values[tensor_count],
               hash_header(tensors, tensor_count, sums->texts, sums->count));
    sums->texts[sums->count++] = (StoredText){whole_key, sums->values[tensor_count]};
    return true;
}

/* FOLDER/PREFIX000000123.safetensors, to free; NULL when memory is out. */
static char *make_path(const char *folder, const char *prefix, uint64_t iteration)
{
    size_t size = strlen(folder) + strlen(prefix) + sizeof suffix + 32;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%s%0*" PRIu64 "%s", folder, prefix, MIN_DIGITS, iteration, suffix);
    return path;
}

static bool write_file(const char *folder, const char *prefix, uint64_t iteration,
                       const StoredTensor *tensors, int tensor_count, const StoredText *texts,
                       int text_count, Error *error)
{
    Checksums sums;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return error_set(error, EXIT_IO, NULL, "cannot make the folder '%s': %s", folder,
                         strerror(errno));
    char *path = make_path(folder, prefix, iteration);
    bool good = make_checksums(&sums, tensors, tensor_count, texts, text_count) && path;
    if (good)
        good = safetensors_write(path, tensors, tensor_count, sums.texts, sums.count, error);
    else
        error_set(error, EXIT_IO, NULL, "out of memory");
    free_checksums(&sums);
    free(path);
    return good;
}

bool checkpoint_store(const char *folder, uint64_t iteration, const StoredTensor *tensors,
                      int tensor_count, const StoredText *texts, int text_count, Error *error)
{
    return write_file(folder, "generator-", iteration, tensors, tensor_count, texts, text_count,
                      error);
}

/* ---------------------------------------------------------------- the folder */
typedef struct Iterations { /* of the checkpoints in a folder, newest first */
    uint64_t *values;
    size_t count, capacity;
} Iterations;

static bool parse_name(const char *name, uint64_t *iteration)
{
    size_t digits = strspn(name, "0123456789");
    if (digits < MIN_DIGITS || digits > MAX_DIGITS || strcmp(name + digits, suffix) != 0)
        return false;
    return read_whole(&name, name + digits, iteration);
}

static int compare_descending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

static bool add_iteration(Iterations *found, uint64_t iteration)
{
    if (found->count == found->capacity) {
        size_t capacity = found->capacity ? 2 * found->capacity : 16;
        uint64_t *values = realloc(found->values, sizeof *values * capacity);
        if (!values)
            return false;
        found->values = values;
        found->capacity = capacity;
    }
    found->values[found->count++] = iteration;
    return true;
}

/* An absent folder is an empty one. The caller frees found->values, also after an error. */
static bool list_iterations(const char *folder, Iterations *found, Error *error)
{
    *found = (Iterations){0};
    DIR *entries = opendir(folder);
    if (!entries)
        return errno == ENOENT || error_set(error, EXIT_IO, NULL, "cannot read the folder '%s': %s",
                                            folder, strerror(errno));
    bool good = true;
    for (struct dirent *entry = readdir(entries); entry && good; entry = readdir(entries)) {
        uint64_t iteration;
        if (parse_name(entry->d_name, &iteration))
            good = add_iteration(found, iteration);
    }
    closedir(entries);
    if (found->count > 1)
        qsort(found->values, found->count, sizeof *found->values, compare_descending);
    return good || error_set(error, EXIT_IO, NULL, "out of memory");
}

static void remove_checkpoint(const char *folder, uint64_t iteration)
{
    char *path = make_path(folder, "", iteration);
    if (path)
        unlink(path); /* what cannot be removed stays: no harm */
    free(path);
}

bool checkpoint_write(const char *folder, uint64_t iteration, const StoredTensor *tensors,
                      int tensor_count, const StoredText *texts, int text_count, Error *error)
{
    Iterations found;
    Error ignored;
    if (!write_file(folder, "", iteration, tensors, tensor_count, texts, text_count, error))
        return false;
    list_iterations(folder, &found, &ignored);
    int kept = 1; /* the one just written, and then the newest before it */
    for (size_t i = 0; i < found.count; i++) {
        if (found.values[i] < iteration && kept++ >= CHECKPOINTS_KEPT)
            remove_checkpoint(folder, found.values[i]);
    }
    free(found.values);
    return true;
}

CheckpointFound checkpoint_newest(const char *folder, Safetensors *file, uint64_t *iteration,
                                  Error *error)
{
    Iterations found;
    Error problem;
    CheckpointFound result = CHECKPOINT_NONE;
    if (!list_iterations(folder, &found, error))
        result = CHECKPOINT_ALL_DAMAGED;
    for (size_t i = 0; i < found.count && result != CHECKPOINT_GOOD; i++) {
        char *path = make_path(folder, "", found.values[i]);
        if (path && checkpoint_open(path, file, &problem)) {
            *iteration = found.values[i];
            result = CHECKPOINT_GOOD;
        } else {
            if (!path)
                error_set(&problem, EXIT_IO, NULL, "out of memory");
            warn("an older checkpoint is used where there is one.", "%s", problem.message);
            if (result == CHECKPOINT_NONE)
                *error = problem;
            result = CHECKPOINT_ALL_DAMAGED;
        }
        free(path);
    }
    free(found.values);
    return result;
}

void checkpoint_remove_others(const char *folder, uint64_t iteration)
{
    Iterations found;
    Error ignored;
    list_iterations(folder, &found, &ignored);
    for (size_t i = 0; i < found.count; i++) {
        if (found.values[i] != iteration)
            remove_checkpoint(folder, found.values[i]);
    }
    free(found.values);
}
