/* image_source.c -- see image_source.h: what a path holds, and stacks of images in .npy files. */
#define _POSIX_C_SOURCE 200809L
#include "image_source.h"

#include "place.h"
#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---------------------------------------------------------------- .npy */
static bool bad_stack(const char *path, const char *hint, const char *what, Error *error)
{
    return error_set(error, EXIT_INVALID, hint, "'%s' is no stack of images: %s", path, what);
}

static double number_at(const NpyColumn *number, const unsigned char *base, uint64_t index)
{
    return npy_decode(number, base + index * (uint64_t)number->size);
}

enum { BEYOND = 16 };

/* Numbers from -1 to 1 are taken as they are, from 0 to 1 and from 0 to 255 as such: by the
 * extremes of the whole file. A generator may go some way beyond -1 and 1. */
static bool find_range(ImageSource *source, uint64_t count, Error *error)
{
    double low = INFINITY, high = -INFINITY;
    for (uint64_t i = 0; i < count; i++) {
        double value = number_at(&source->number, source->base, i);
        if (!isfinite(value)) {
            return bad_stack(source->path, NULL, "it has a number that is NaN or infinite", error);
        }
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    if (low >= 0 && high > 1 && high <= 255) {
        source->scale = 1 / 127.5;
        source->shift = -1;
    } else if (low >= 0 && high <= 1) {
        source->scale = 2;
        source->shift = -1;
    } else if (low >= -BEYOND && high <= BEYOND) {
        source->scale = 1;
        source->clipped = low < -1 || high > 1;
    } else {
        return error_set(error, EXIT_INVALID, "-1 to 1, 0 to 1 and 0 to 255 are understood.",
                         "'%s' holds numbers from %.6g to %.6g, which is no range of pixels",
                         source->path, low, high);
    }
    return true;
}

static bool check_stack(const Npy *npy, const ImageRequest *request, Error *error)
{
    const char *path = npy->map.path;
    const NpyColumn *number = &npy->columns[0];
    bool bytes = number->kind == 'u' && number->size == 1;
    bool reals = number->kind == 'f' && number->size >= 2;
    if (npy->axes < 3) {
        return bad_stack(path, NULL,
                         "it needs the axes (number, height, width) or (number, height, width, "
                         "channels)",
                         error);
    }
    if (!bytes && !reals) {
        return bad_stack(path, "save it with .astype('uint8') or .astype('float32').",
                         "its numbers are neither bytes (u1) nor floating-point (f2, f4, f8)",
                         error);
    }
    if (npy->fortran) {
        return bad_stack(path, "save numpy.ascontiguousarray(images).",
                         "its first axis is the fastest (Fortran order)", error);
    }
    for (int i = 1; i < npy->axes; i++) {
        if (npy->shape[i] < 1 || npy->shape[i] > MAX_SIDE) {
            return bad_stack(path, NULL, "a side of its images is 0 or beyond 32,768", error);
        }
    }
    uint64_t wanted = (uint64_t)request->shape.channels;
    if (npy->axes == 4 && npy->shape[3] > 4 && npy->shape[3] != wanted &&
        (npy->shape[1] == 1 || npy->shape[1] == 3 || npy->shape[1] == 4)) {
        return bad_stack(path, "save images.transpose(0, 2, 3, 1).",
                         "its channels seem to be the second axis, they belong last", error);
    }
    return true;
}

static bool stack_open(ImageSource *source, const ImageRequest *request, Error *error)
{
    Npy npy = {0};
    if (!npy_open_array(&npy, source->path, error)) {
        return false;
    }
    if (!check_stack(&npy, request, error)) {
        npy_close(&npy);
        return false;
    }
    source->kind = SOURCE_STACK;
    source->count = npy.shape[0];
    source->shape =
        (ImageShape){(int)npy.shape[1], (int)npy.shape[2], npy.axes == 4 ? (int)npy.shape[3] : 1};
    source->number = npy.columns[0];
    source->number.name = NULL;
    source->map = npy.map; /* taken over */
    source->base = source->map.bytes + npy.columns[0].offset;
    source->stride = image_size(source->shape) * (size_t)source->number.size;
    npy.map = (Map){0};
    npy_close(&npy);
    image_source_identify(source, source->path, path_base(source->path));
    bool good = source->number.kind == 'u' ||
                find_range(source, source->count * image_size(source->shape), error);
    if (good && source->clipped) {
        warn(NULL, "'%s' has numbers beyond -1 and 1, which are clipped", source->path);
    }
    return good;
}

/* Classes as whole numbers [count]. */
static bool npy_labels(ImageSource *source, const char *path, Error *error)
{
    Npy npy = {0};
    if (!npy_open_array(&npy, path, error)) {
        return false;
    }
    bool good = npy.axes == 1 && npy.rows == source->count && npy.columns[0].kind != 'f';
    if (!good) {
        error_set(error, EXIT_INVALID, NULL,
                  "'%s' does not hold one whole number for each of the %" PRIu64 " images", path,
                  source->count);
    }
    source->labels = allocate(source->count, sizeof *source->labels);
    for (uint64_t i = 0; good && i < source->count; i++) {
        double label = npy_decode(&npy.columns[0], npy.map.bytes + npy.columns[0].offset +
                                                       i * (uint64_t)npy.columns[0].size);
        good = (label >= 0 && label < MAX_CLASSES) ||
               error_set(error, EXIT_INVALID, NULL, "'%s' holds %.9g, which is no class 0 ... %d",
                         path, label, MAX_CLASSES - 1);
        source->labels[i] = good ? (int32_t)label : 0;
        source->class_count =
            source->labels[i] >= source->class_count ? source->labels[i] + 1 : source->class_count;
    }
    npy_close(&npy);
    image_source_identify(source, path, path_base(path));
    return good;
}

/* ---------------------------------------------------------------- classes */
/* NAME-labels.npy beside NAME.npy; NULL when it is not there. */
static char *labels_beside(const char *path)
{
    static const char ending[] = ".npy";
    size_t length = strlen(path), size = length + 16;
    if (length < sizeof ending || strcmp(path + length - 4, ending) != 0) {
        return NULL;
    }
    char *name = allocate(size, 1);
    struct stat info;
    snprintf(name, size, "%.*s-labels.npy", (int)(length - 4), path);
    if (stat(name, &info) == 0) {
        return name;
    }
    free(name);
    return NULL;
}

static bool starts_with(const char *path, const char *magic, size_t length)
{
    char start[8] = "";
    FILE *file = fopen(path, "rb");
    size_t got = file ? fread(start, 1, length, file) : 0;
    if (file) {
        fclose(file);
    }
    return got == length && !memcmp(start, magic, length);
}

static bool is_npy(const char *path) { return starts_with(path, "\x93NUMPY", 6); }

/* Classes from a file of their own take the place of those found before. */
static bool read_labels(ImageSource *source, const ImageRequest *request, Error *error)
{
    char *beside = request->labels || source->labels ? NULL : labels_beside(source->path);
    const char *path = request->labels ? request->labels : beside;
    bool good = true;
    if (path) {
        free(source->labels);
        for (int i = 0; source->class_names && i < source->class_count; i++) {
            free(source->class_names[i]);
        }
        free(source->class_names);
        source->labels = NULL;
        source->class_names = NULL;
        source->class_count = 0;
        good = (is_npy(path) ? npy_labels : idx_labels)(source, path, error);
    }
    free(beside);
    return good;
}

/* ---------------------------------------------------------------- what a path holds */
/* A file: by its first bytes. */
static bool file_open(ImageSource *source, const ImageRequest *request, Error *error)
{
    if (is_npy(source->path)) {
        return stack_open(source, request, error);
    }
    if (!map_open(&source->map, source->path, error)) {
        return false;
    }
    const Map *map = &source->map;
    const unsigned char *bytes = map->bytes;
    size_t length = strlen(source->path);
    if (map->size >= 4 && ((bytes[0] == 0x1f && bytes[1] == 0x8b) ||
                           (bytes[0] == 0 && bytes[1] == 0 && bytes[2] >= 8 && bytes[2] <= 14))) {
        return idx_open(source, error);
    }
    if (length > 4 && !strcmp(source->path + length - 4, ".bin")) {
        return cifar_open(source, &source->path, 1, error);
    }
    if (picture_format(bytes, map->size) != PICTURE_OTHER) {
        return error_set(error, EXIT_INVALID, "name the folder it lies in.",
                         "'%s' is a single image", source->path);
    }
    return error_set(error, EXIT_INVALID,
                     "a folder of PNG and JPEG files, .npy, IDX (also .gz) and CIFAR .bin files "
                     "are read.",
                     "'%s' is of no kind that holds images", source->path);
}

bool image_source_open(ImageSource *source, const ImageRequest *request, Error *error)
{
    struct stat info;
    *source = (ImageSource){.path = strdup(request->path)};
    bool known =
        !request->format || !strcmp(request->format, "png") || !strcmp(request->format, "jpg");
    if (!known) {
        error_set(error, EXIT_USAGE, NULL, "--format is png or jpg, not '%s'", request->format);
        image_source_close(source);
        return false;
    }
    bool good = source->path && stat(request->path, &info) == 0;
    if (!good) {
        error_set(error, EXIT_IO, NULL, "cannot read '%s': %s", request->path, strerror(errno));
    }
    good = good && (S_ISDIR(info.st_mode) ? folder_open(source, request, error)
                                          : file_open(source, request, error));
    good = good && (source->count > 0 ||
                    error_set(error, EXIT_INVALID, NULL, "'%s' holds no image", source->path));
    good = good && read_labels(source, request, error);
    if (!good) {
        image_source_close(source);
    }
    return good;
}

void image_source_close(ImageSource *source)
{
    for (uint64_t i = 0; source->files && i < source->count; i++) {
        free(source->files[i]);
    }
    for (int i = 0; source->class_names && i < source->class_count; i++) {
        free(source->class_names[i]);
    }
    free(source->files);
    free(source->class_names);
    free(source->labels);
    free(source->memory);
    free(source->path);
    map_close(&source->map);
    *source = (ImageSource){0};
}

/* ---------------------------------------------------------------- single images */
static bool is_native_float(const NpyColumn *number)
{
    return number->kind == 'f' && number->size == 4 && !number->swapped;
}

bool image_source_is_plain(const ImageSource *source)
{
    bool reals = is_native_float(&source->number) && source->scale == 1 && source->shift == 0 &&
                 !source->clipped;
    return source->kind == SOURCE_STACK && !source->memory && !source->planes &&
           (source->number.kind == 'u' || reals);
}

static void read_reals(const ImageSource *source, const unsigned char *from, float *out)
{
    size_t size = image_size(source->shape);
    for (size_t i = 0; i < size; i++) {
        double value = number_at(&source->number, from, i);
        value = value * source->scale + source->shift;
        out[i] = (float)(value < -1 ? -1 : value > 1 ? 1 : value);
    }
}

static void read_planes(ImageShape shape, const unsigned char *from, unsigned char *out)
{
    size_t channels = (size_t)shape.channels, area = image_size(shape) / channels;
    for (size_t i = 0; i < area; i++) {
        for (size_t c = 0; c < channels; c++) {
            *out++ = from[c * area + i];
        }
    }
}

static bool read_file(const char *path, Picture *picture, char reason[REASON_SIZE])
{
    struct stat info;
    errno = 0;
    FILE *file = fopen(path, "rb");
    bool good = file && fstat(fileno(file), &info) == 0;
    size_t size = good ? (size_t)info.st_size : 0;
    unsigned char *bytes = good ? malloc(size + 1) : NULL;
    good = bytes && fread(bytes, 1, size, file) == size;
    if (good) {
        good = picture_decode(bytes, size, picture, reason);
    } else {
        snprintf(reason, REASON_SIZE, "%s", errno ? strerror(errno) : "it became shorter");
    }
    free(bytes);
    if (file) {
        fclose(file);
    }
    return good;
}

bool image_source_read(const ImageSource *source, uint64_t index, Picture *picture,
                       char reason[REASON_SIZE])
{
    if (source->kind == SOURCE_FOLDER) {
        return read_file(source->files[index], picture, reason);
    }
    const unsigned char *from = source->base + index * source->stride;
    *picture = (Picture){.width = source->shape.width,
                         .height = source->shape.height,
                         .channels = source->shape.channels};
    size_t size = image_size(source->shape);
    if (source->number.kind == 'u' && !source->planes) {
        picture->bytes = from;
        return true;
    }
    picture->owned = malloc(size * (source->planes ? 1 : sizeof(float)));
    if (!picture->owned) {
        snprintf(reason, REASON_SIZE, "out of memory");
        return false;
    }
    if (source->planes) {
        read_planes(source->shape, from, picture->owned);
        picture->bytes = picture->owned;
    } else {
        read_reals(source, from, picture->owned);
        picture->reals = picture->owned;
    }
    return true;
}
