/* image_idx.c -- IDX files (the MNIST family), as they are or compressed by gzip, and CIFAR's
 * binaries. */
#define _POSIX_C_SOURCE 200809L
#include "image_source.h"

#include "place.h"
#include "state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* ---------------------------------------------------------------- gzip */
enum { DEFLATE_RATIO = 1040 }; /* no compressed byte gives more */

static bool bad_gzip(const Map *map, const char *what, Error *error)
{
    return error_set(error, EXIT_INVALID, "the file is cut or damaged: copy it again.",
                     "'%s' cannot be decompressed: %s", map->path, what);
}

/* Twice the memory, within what the file can hold. */
static bool enlarge(const Map *map, unsigned char **bytes, size_t *capacity, Error *error)
{
    size_t most = map->size > SIZE_MAX / DEFLATE_RATIO ? SIZE_MAX : map->size * DEFLATE_RATIO;
    size_t wanted = *capacity ? *capacity * 2 : map->size * 4 + 4096;
    wanted = wanted > most ? most : wanted;
    unsigned char *larger = wanted > *capacity ? realloc(*bytes, wanted) : NULL;
    if (!larger) {
        return error_set(error, EXIT_IO, NULL, "out of memory for the contents of '%s'", map->path);
    }
    *bytes = larger;
    *capacity = wanted;
    return true;
}

static bool inflate_all(const Map *map, z_stream *stream, unsigned char **bytes, size_t *size,
                        Error *error)
{
    size_t capacity = 0, given = 0;
    int status = Z_OK;
    while (status != Z_STREAM_END) {
        if (stream->avail_in == 0 && given < map->size) {
            size_t left = map->size - given;
            stream->next_in = (unsigned char *)(uintptr_t)map->bytes + given;
            stream->avail_in = left < 1 << 30 ? (unsigned)left : 1u << 30;
            given += stream->avail_in;
        }
        if (*size == capacity && !enlarge(map, bytes, &capacity, error)) {
            return false;
        }
        size_t room = capacity - *size < 1 << 30 ? capacity - *size : 1u << 30;
        stream->next_out = *bytes + *size;
        stream->avail_out = (unsigned)room;
        status = inflate(stream, Z_NO_FLUSH);
        *size += room - stream->avail_out;
        if (status != Z_OK && status != Z_STREAM_END) {
            return bad_gzip(map, stream->msg ? stream->msg : "it ends too early", error);
        }
    }
    return true;
}

bool gunzip(const Map *map, unsigned char **bytes, size_t *size, Error *error)
{
    enum { GZIP = 15 + 16 }; /* zlib's word for its format */
    z_stream stream = {0};
    *bytes = NULL;
    *size = 0;
    if (inflateInit2(&stream, GZIP) != Z_OK) {
        return error_set(error, EXIT_IO, NULL, "out of memory");
    }
    bool good = inflate_all(map, &stream, bytes, size, error);
    inflateEnd(&stream);
    if (!good) {
        free(*bytes);
        *bytes = NULL;
    }
    return good;
}

/* ---------------------------------------------------------------- IDX */
enum { IDX_BYTE = 8, MAX_IDX_AXES = 4 };

typedef struct Idx { /* an array of bytes */
    int axes;
    uint64_t dims[MAX_IDX_AXES];
    const unsigned char *data;
} Idx;

static uint32_t load_big(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool bad_idx(const char *path, Error *error, const char *what)
{
    return error_set(error, EXIT_INVALID, NULL, "'%s' is not an IDX file we can read: %s", path,
                     what);
}

/* Checks all of the header against the size. */
static bool parse_idx(const char *path, const unsigned char *bytes, size_t size, Idx *idx,
                      Error *error)
{
    if (size < 8 || bytes[0] != 0 || bytes[1] != 0) {
        return bad_idx(path, error, "it does not start with the magic bytes 0 0");
    }
    if (bytes[2] != IDX_BYTE) {
        return bad_idx(path, error, "its values are no unsigned bytes (type 8)");
    }
    idx->axes = bytes[3];
    if (idx->axes < 1 || idx->axes > MAX_IDX_AXES) {
        return bad_idx(path, error, "it has not one to four axes");
    }
    size_t start = 4 + 4 * (size_t)idx->axes;
    uint64_t total = 1;
    for (int i = 0; i < idx->axes && start <= size; i++) {
        idx->dims[i] = load_big(bytes + 4 + 4 * i);
        if (__builtin_mul_overflow(total, idx->dims[i], &total)) {
            return bad_idx(path, error, "its size is beyond 64 bits");
        }
    }
    if (start > size || total != size - start) {
        return error_set(error, EXIT_INVALID,
                         start > size || total > size - start ? "the file is cut: copy it again."
                                                              : NULL,
                         "'%s' should hold %" PRIu64 " bytes by its header, but holds %zu", path,
                         total, start > size ? (size_t)0 : size - start);
    }
    idx->data = bytes + start;
    return true;
}

static bool is_gzip(const Map *map)
{
    return map->size >= 2 && map->bytes[0] == 0x1f && map->bytes[1] == 0x8b;
}

/* The contents of a mapped file: itself, or decompressed into *memory. */
static bool load_idx(const Map *map, unsigned char **memory, Idx *idx, Error *error)
{
    size_t size = map->size;
    const unsigned char *bytes = map->bytes;
    if (is_gzip(map)) {
        if (!gunzip(map, memory, &size, error)) {
            return false;
        }
        bytes = *memory;
    }
    return parse_idx(map->path, bytes, size, idx, error);
}

/* The file of classes that is published beside one of images; NULL when it is not there. */
static char *labels_beside(const char *path)
{
    static const char from[] = "images-idx3", to[] = "labels-idx1";
    char *name = strdup(path), *place = name ? strstr(name + (path_base(path) - path), from) : NULL;
    Map map = {0};
    Error ignored = {0};
    if (place) {
        memcpy(place, to, sizeof to - 1);
        if (map_open(&map, name, &ignored)) {
            map_close(&map);
            return name;
        }
    }
    free(name);
    return NULL;
}

bool idx_labels(ImageSource *source, const char *path, Error *error)
{
    Map map = {0};
    Idx idx = {0};
    unsigned char *memory = NULL;
    bool good = map_open(&map, path, error) && load_idx(&map, &memory, &idx, error);
    if (good && (idx.axes != 1 || idx.dims[0] != source->count)) {
        good = error_set(error, EXIT_INVALID, NULL,
                         "'%s' does not hold one class for each of the %" PRIu64 " images", path,
                         source->count);
    }
    if (good) {
        source->labels = allocate(source->count, sizeof *source->labels);
        for (uint64_t i = 0; i < source->count; i++) {
            source->labels[i] = idx.data[i];
            source->class_count =
                idx.data[i] >= source->class_count ? idx.data[i] + 1 : source->class_count;
        }
        image_source_identify(source, path, path_base(path));
    }
    free(memory);
    map_close(&map);
    return good;
}

bool idx_open(ImageSource *source, Error *error)
{
    Idx idx = {0};
    if (!load_idx(&source->map, &source->memory, &idx, error)) {
        return false;
    }
    if (idx.axes < 3) {
        return bad_idx(source->path, error,
                       "images have three axes (number, height, width) or a fourth (channels)");
    }
    for (int i = 1; i < idx.axes; i++) {
        if (idx.dims[i] < 1 || idx.dims[i] > MAX_SIDE) {
            return bad_idx(source->path, error, "a side of its images is 0 or beyond 32,768");
        }
    }
    source->kind = SOURCE_STACK;
    source->count = idx.dims[0];
    source->shape =
        (ImageShape){(int)idx.dims[1], (int)idx.dims[2], idx.axes == 4 ? (int)idx.dims[3] : 1};
    source->base = idx.data;
    source->stride = image_size(source->shape);
    source->number = (NpyColumn){.kind = 'u', .size = 1};
    image_source_identify(source, source->path, path_base(source->path));
    char *labels = labels_beside(source->path);
    bool good = !labels || idx_labels(source, labels, error);
    free(labels);
    return good;
}

/* ---------------------------------------------------------------- CIFAR */
enum { CIFAR_SIDE = 32, CIFAR_IMAGE = 3 * CIFAR_SIDE * CIFAR_SIDE };

bool is_cifar_name(const char *name)
{
    size_t length = strlen(name);
    bool binary = length > 4 && !strcmp(name + length - 4, ".bin");
    return binary && (!strncmp(name, "data_batch", 10) || !strcmp(name, "train.bin"));
}

/* Bytes of classes before an image: 1 (CIFAR-10) or 2 (CIFAR-100); 0: neither. */
static int label_bytes(const Map *map)
{
    static const int most[2][2] = {{10, 10}, {20, 100}};
    for (int labels = 1; labels <= 2 && map->size > 0; labels++) {
        size_t record = (size_t)labels + CIFAR_IMAGE;
        bool good = map->size % record == 0;
        for (size_t at = 0; good && at < map->size; at += record) {
            good = map->bytes[at] < most[labels - 1][0] &&
                   map->bytes[at + (size_t)labels - 1] < most[labels - 1][1];
        }
        if (good) {
            return labels;
        }
    }
    return 0;
}

/* Adds the images of one file, with their classes. */
static bool cifar_add(ImageSource *source, const char *path, Error *error)
{
    Map map = {0};
    if (!map_open(&map, path, error)) {
        return false;
    }
    int labels = label_bytes(&map);
    if (labels == 0 || (source->class_count && source->class_count != (labels == 1 ? 10 : 100))) {
        error_set(error, EXIT_INVALID,
                  map.size % (1 + CIFAR_IMAGE) && map.size % (2 + CIFAR_IMAGE)
                      ? "its size is no multiple of 3073 or 3074 bytes: it may be cut."
                      : NULL,
                  "'%s' is no binary file of CIFAR-10 or CIFAR-100", path);
        map_close(&map);
        return false;
    }
    size_t record = (size_t)labels + CIFAR_IMAGE, count = map.size / record;
    size_t old = (size_t)source->count, total = old + count;
    unsigned char *memory = realloc(source->memory, total * CIFAR_IMAGE);
    int32_t *classes = memory ? realloc(source->labels, total * sizeof *classes) : NULL;
    source->memory = memory ? memory : source->memory;
    source->labels = classes ? classes : source->labels;
    for (size_t i = 0; i < count && classes; i++) {
        const unsigned char *from = map.bytes + i * record;
        source->labels[old + i] = from[labels - 1];
        memcpy(source->memory + (old + i) * CIFAR_IMAGE, from + labels, CIFAR_IMAGE);
    }
    source->count = total;
    source->class_count = labels == 1 ? 10 : 100;
    image_source_identify(source, path, path_base(path));
    map_close(&map);
    return classes || error_set(error, EXIT_IO, NULL, "out of memory");
}

bool cifar_open(ImageSource *source, char **files, uint64_t count, Error *error)
{
    source->kind = SOURCE_STACK;
    source->shape = (ImageShape){CIFAR_SIDE, CIFAR_SIDE, 3};
    source->stride = CIFAR_IMAGE;
    source->number = (NpyColumn){.kind = 'u', .size = 1};
    source->planes = true;
    for (uint64_t i = 0; i < count; i++) {
        if (!cifar_add(source, files[i], error)) {
            return false;
        }
    }
    source->base = source->memory;
    return true;
}
