/* image_sink.c -- see image_sink.h. */
#define _POSIX_C_SOURCE 200809L
#include "image_sink.h"

#include "image_png.h"
#include "place.h"
#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---------------------------------------------------------------- .npy */
static bool stack_open(SinkFile *file, Error *error)
{
    ImageShape shape = file->program->image;
    char axes[64];
    snprintf(axes, sizeof axes, ", %d, %d, %d", shape.height, shape.width, shape.channels);
    NpyForm form = {"'<f4'", axes, image_size(shape) * sizeof(float)};
    return npy_create_form(&file->writer, file->path, &form, file->rows, error);
}

static bool stack_append(SinkFile *file, const float *rows, size_t count, Error *error)
{
    return npy_append(&file->writer, rows, count, error);
}

static bool stack_finish(SinkFile *file, Error *error) { return npy_finish(&file->writer, error); }

static void stack_abandon(SinkFile *file) { npy_abandon(&file->writer); }

/* ---------------------------------------------------------------- a grid */
enum { MOST_SIDE = 32767 };

static bool grid_open(SinkFile *file, Error *error)
{
    ImageShape shape = file->program->image;
    uint64_t columns = (uint64_t)file->columns;
    uint64_t rows = (file->rows + columns - 1) / columns;
    if (columns * (uint64_t)shape.width > MOST_SIDE || rows * (uint64_t)shape.height > MOST_SIDE) {
        return error_set(error, EXIT_USAGE, "draw fewer, or write to a folder or a .npy file.",
                         "a grid of %" PRIu64 " x %" PRIu64 " images is larger than %d pixels",
                         columns, rows, MOST_SIDE);
    }
    file->images = allocate(file->rows, image_size(shape) * sizeof(float));
    return true;
}

static bool grid_append(SinkFile *file, const float *rows, size_t count, Error *error)
{
    (void)error;
    size_t size = image_size(file->program->image);
    memcpy(file->images + file->done * size, rows, count * size * sizeof *rows);
    file->done += count;
    return true;
}

static bool grid_finish(SinkFile *file, Error *error)
{
    bool done = grid_write(file->path, file->images, (size_t)file->done, file->program->image,
                           file->columns, file->stretch, error);
    free(file->images);
    file->images = NULL;
    return done;
}

static void grid_abandon(SinkFile *file)
{
    free(file->images);
    file->images = NULL;
}

/* ---------------------------------------------------------------- a folder */
static bool folder_open(SinkFile *file, Error *error)
{
    if (mkdir(file->path, 0777) && errno != EEXIST) {
        return error_set(error, EXIT_IO, NULL, "cannot make the folder '%s': %s", file->path,
                         strerror(errno));
    }
    return true;
}

static bool folder_append(SinkFile *file, const float *rows, size_t count, Error *error)
{
    ImageShape shape = file->program->image;
    size_t size = image_size(shape);
    unsigned char *bytes = allocate(size, 1);
    bool good = true;
    for (size_t i = 0; good && i < count; i++, file->done++) {
        char name[32];
        snprintf(name, sizeof name, "%06" PRIu64 ".png", file->first + file->done);
        char *path = path_join(file->path, name);
        pixels_to_bytes(rows + i * size, size, file->stretch, bytes);
        good = png_write(path, bytes, shape, error);
        free(path);
    }
    free(bytes);
    return good;
}

static bool folder_finish(SinkFile *file, Error *error)
{
    (void)file, (void)error;
    return true;
}

static void folder_abandon(SinkFile *file) { (void)file; }

/* ---------------------------------------------------------------- which of them */
static bool has_suffix(const char *path, const char *suffix)
{
    size_t length = strlen(path), tail = strlen(suffix);
    return length >= tail && !strcmp(path + length - tail, suffix);
}

const Sink *image_sink(const char *path, Error *error)
{
    static const Sink stack = {false, stack_open, stack_append, stack_finish, stack_abandon};
    static const Sink grid = {true, grid_open, grid_append, grid_finish, grid_abandon};
    static const Sink folder = {true, folder_open, folder_append, folder_finish, folder_abandon};
    struct stat info;
    if (has_suffix(path, "/") || (stat(path, &info) == 0 && S_ISDIR(info.st_mode))) {
        return &folder;
    }
    if (has_suffix(path, ".npy")) {
        return &stack;
    }
    if (has_suffix(path, ".png")) {
        return &grid;
    }
    error_set(error, EXIT_USAGE,
              "grid.png is a grid of all samples, samples.npy an array, samples/ a PNG each.",
              "the name '%s' does not say what to write", path);
    return NULL;
}
