/* image_folder.c -- the files of a folder and of those in it, in their natural order. */
#define _POSIX_C_SOURCE 200809L
#include "image_source.h"

#include "hash.h"
#include "place.h"
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 16 };

typedef struct Listing {
    const char *root;
    const char *format;
    char **files;  /* images, below the root */
    char **arrays; /* IDX and CIFAR files */
    size_t count, capacity, array_count, array_capacity, others;
    Error *error;
} Listing;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Digits at *at without leading zeros: their number; *at goes behind them, *zeros is how many
 * zeros there were. */
static size_t take_digits(const char **at, const char **digits, long *zeros)
{
    const char *start = *at;
    while (**at == '0' && is_digit((*at)[1])) {
        ++*at;
    }
    *zeros = *at - start;
    *digits = *at;
    while (is_digit(**at)) {
        ++*at;
    }
    return (size_t)(*at - *digits);
}

int natural_order(const char *a, const char *b)
{
    long tie = 0; /* 1 before 01, where nothing else decides before the end of a folder's name */
    while (*a && *b && !(*a == '/' && *b == '/' && tie)) {
        if (is_digit(*a) && is_digit(*b)) {
            const char *left, *right;
            long zeros, others;
            size_t m = take_digits(&a, &left, &zeros), n = take_digits(&b, &right, &others);
            int order = m != n ? (m < n ? -1 : 1) : memcmp(left, right, m);
            if (order) {
                return order < 0 ? -1 : 1;
            }
            tie = tie ? tie : zeros - others;
        } else if (*a != *b) {
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        } else {
            a++, b++;
        }
    }
    if (*a != *b) {
        return *a ? 1 : -1;
    }
    return tie < 0 ? -1 : tie > 0;
}

static int compare_names(const void *a, const void *b)
{
    return natural_order(*(char *const *)a, *(char *const *)b);
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t length = strlen(name), tail = strlen(suffix);
    return length > tail && !strcasecmp(name + length - tail, suffix);
}

static bool is_image_name(const char *name, const char *format)
{
    bool png = has_suffix(name, ".png");
    bool jpeg = has_suffix(name, ".jpg") || has_suffix(name, ".jpeg");
    if (!format) {
        return png || jpeg;
    }
    return !strcmp(format, "png") ? png : jpeg;
}

static bool is_idx_name(const char *name)
{
    return has_suffix(name, "-images-idx3-ubyte") || has_suffix(name, "-images-idx3-ubyte.gz");
}

static void push(char ***list, size_t *count, size_t *capacity, char *item)
{
    if (*count == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 256;
        *list = realloc(*list, *capacity * sizeof **list);
    }
    if (!*list || !item) {
        fail(EXIT_IO, NULL, "out of memory");
    }
    (*list)[(*count)++] = item;
}

static bool list_folder(Listing *listing, const char *below, int depth);

static bool list_entry(Listing *listing, const char *below, const char *name, int depth)
{
    char *inner = below[0] ? path_join(below, name) : strdup(name);
    char *path = inner ? path_join(listing->root, inner) : NULL;
    struct stat info;
    bool there = path && stat(path, &info) == 0, good = true;
    if (there && S_ISDIR(info.st_mode)) {
        good = list_folder(listing, inner, depth + 1);
    } else if (there && S_ISREG(info.st_mode) && is_image_name(name, listing->format)) {
        push(&listing->files, &listing->count, &listing->capacity, inner);
        inner = NULL;
    } else if (there && S_ISREG(info.st_mode) && depth == 0 &&
               (is_idx_name(name) || is_cifar_name(name))) {
        push(&listing->arrays, &listing->array_count, &listing->array_capacity, inner);
        inner = NULL;
    } else {
        listing->others++;
    }
    free(inner);
    free(path);
    return good;
}

/* Names that start with a dot are left out: our own caches, and what systems put there. */
static bool list_folder(Listing *listing, const char *below, int depth)
{
    if (depth > MAX_DEPTH) {
        return error_set(listing->error, EXIT_INVALID, "a link may lead back to where it is.",
                         "the folders below '%s' are more than 16 deep", listing->root);
    }
    char *path = below[0] ? path_join(listing->root, below) : strdup(listing->root);
    DIR *folder = path ? opendir(path) : NULL;
    if (!folder) {
        error_set(listing->error, EXIT_IO, NULL, "cannot read '%s': %s", path, strerror(errno));
        free(path);
        return false;
    }
    bool good = true;
    for (struct dirent *entry; good && (entry = readdir(folder));) {
        if (entry->d_name[0] != '.') {
            good = list_entry(listing, below, entry->d_name, depth);
        }
    }
    closedir(folder);
    free(path);
    return good;
}

/* ---------------------------------------------------------------- classes */
/* Length of the first folder in a path below the root, 0: the file lies in the root. */
static size_t first_folder(const char *file)
{
    const char *slash = strchr(file, '/');
    return slash ? (size_t)(slash - file) : 0;
}

/* Files that all lie in sub-folders, of which there are at least two, have these as their classes:
 * in the sorted list those of a class follow one another. */
static void find_classes(ImageSource *source, char *const *files)
{
    int classes = 0;
    for (uint64_t i = 0; i < source->count; i++) {
        size_t length = first_folder(files[i]);
        if (length == 0) {
            return;
        }
        classes += i == 0 || first_folder(files[i - 1]) != length ||
                   strncmp(files[i - 1], files[i], length) != 0;
    }
    if (classes < 2 || classes > MAX_CLASSES) {
        return;
    }
    source->labels = allocate(source->count, sizeof *source->labels);
    source->class_names = allocate((uint64_t)classes, sizeof *source->class_names);
    for (uint64_t i = 0; i < source->count; i++) {
        size_t length = first_folder(files[i]);
        bool same = i > 0 && first_folder(files[i - 1]) == length &&
                    !strncmp(files[i - 1], files[i], length);
        if (!same) {
            source->class_names[source->class_count++] = strndup(files[i], length);
        }
        source->labels[i] = source->class_count - 1;
    }
}

void image_source_identify(ImageSource *source, const char *path, const char *name)
{
    struct stat info = {0};
    if (stat(path, &info) != 0) {
        info = (struct stat){0};
    }
    int64_t facts[] = {(int64_t)info.st_size, (int64_t)info.st_mtim.tv_sec,
                       (int64_t)info.st_mtim.tv_nsec};
    source->identity = hash_bytes(name, strlen(name) + 1, source->identity);
    source->identity = hash_bytes(facts, sizeof facts, source->identity);
}

static void take_files(ImageSource *source, Listing *listing)
{
    source->kind = SOURCE_FOLDER;
    source->count = listing->count;
    qsort(listing->files, listing->count, sizeof *listing->files, compare_names);
    find_classes(source, listing->files);
    source->files = allocate(source->count, sizeof *source->files);
    for (uint64_t i = 0; i < source->count; i++) {
        source->files[i] = path_join(listing->root, listing->files[i]);
        image_source_identify(source, source->files[i], listing->files[i]);
    }
}

/* A folder of data sets as they are published: the IDX file of training images, or CIFAR's. */
static bool take_arrays(ImageSource *source, Listing *listing, Error *error)
{
    char **files = listing->arrays;
    uint64_t count = listing->array_count;
    qsort(files, count, sizeof *files, compare_names);
    uint64_t chosen = count;
    for (uint64_t i = 0; i < count; i++) {
        bool training = !strncmp(files[i], "train", 5);
        chosen = is_idx_name(files[i]) && (training || chosen == count) ? i : chosen;
    }
    for (uint64_t i = 0; i < count; i++) {
        char *path = path_join(listing->root, files[i]);
        free(files[i]);
        files[i] = path;
    }
    if (chosen == count) {
        return cifar_open(source, files, count, error);
    }
    free(source->path);
    source->path = strdup(files[chosen]);
    return source->path && map_open(&source->map, source->path, error) && idx_open(source, error);
}

static bool nothing_there(const Listing *listing, Error *error)
{
    if (listing->others == 0) {
        return error_set(error, EXIT_INVALID, NULL, "the folder '%s' is empty", listing->root);
    }
    return error_set(error, EXIT_INVALID,
                     listing->format ? "--format says which files are read; without it PNG and "
                                       "JPEG are."
                                     : "PNG (.png) and JPEG (.jpg, .jpeg) files are read, in "
                                       "sub-folders too.",
                     "the folder '%s' holds no %s, only %zu other %s", listing->root,
                     listing->format ? listing->format : "image", listing->others,
                     listing->others == 1 ? "file" : "files");
}

bool folder_open(ImageSource *source, const ImageRequest *request, Error *error)
{
    Listing listing = {.root = request->path, .format = request->format, .error = error};
    bool good = list_folder(&listing, "", 0);
    if (good && listing.count > 0) {
        take_files(source, &listing);
    } else if (good && listing.array_count > 0) {
        good = take_arrays(source, &listing, error);
    } else if (good) {
        good = nothing_there(&listing, error);
    }
    for (size_t i = 0; i < listing.count; i++) {
        free(listing.files[i]);
    }
    for (size_t i = 0; i < listing.array_count; i++) {
        free(listing.arrays[i]);
    }
    free(listing.files);
    free(listing.arrays);
    return good;
}
