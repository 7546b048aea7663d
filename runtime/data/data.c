/* data.c -- the rows a network is trained on. */
#define _DEFAULT_SOURCE /* madvise */
#include "data.h"

#include "hash.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HASHED_ROWS = 1024 };

static bool check_rows(const Data *data, const char *path, const char *kind, Error *error)
{
    if (data->rows >= data->batch)
        return true;
    return error_set(error, EXIT_INVALID, "take a smaller batch_size, or more data.",
                     "'%s' has %" PRIu64 " %s, fewer than the %" PRIu64 " of a batch", path,
                     data->rows, kind, data->batch);
}

bool data_open(Data *data, const char *path, const char *const *keys, int width, uint64_t batch,
               bool shuffled, Error *error)
{
    *data = (Data){.width = width, .batch = batch, .shuffled = shuffled};
    if (!npy_open(&data->file, path, error))
        return false;
    data->rows = data->file.rows;
    data->columns = malloc(sizeof *data->columns * (size_t)width);
    bool good = data->columns || error_set(error, EXIT_IO, NULL, "out of memory");
    good = good && npy_select(&data->file, keys, width, data->columns, error) &&
           check_rows(data, path, "rows", error);
    if (!good)
        data_close(data);
    return good;
}

bool data_open_images(Data *data, ImageSet *images, uint64_t batch, bool shuffled, Error *error)
{
    *data = (Data){.rows = images->count,
                   .width = (int)image_size(images->shape),
                   .batch = batch,
                   .shuffled = shuffled,
                   .images = *images};
    *images = (ImageSet){0};
    const char *path = data->images.map.path ? data->images.map.path : "the data";
    if (check_rows(data, path, "images", error))
        return true;
    data_close(data);
    return false;
}

static void convert_row(const Data *data, uint64_t row, real *out, long stride)
{
    for (int k = 0; k < data->width; k++)
        out[k * stride] = (real)normalise(&data->normaliser->columns[k],
                                          npy_value(&data->file, data->columns[k], row));
}

/* Rows will be read in any order: reading ahead would only push others out of memory. */
static void expect_random_access(const Data *data)
{
    madvise((void *)(uintptr_t)data->file.map.bytes, data->file.map.size, MADV_RANDOM);
}

static void report_constants(const Data *data)
{
    for (int k = 0; k < data->width; k++) {
        const NpyColumn *column = &data->file.columns[data->columns[k]];
        const ColumnScale *scale = &data->normaliser->columns[k];
        if (scale->constant)
            warn(NULL, "column %d%s%s of '%s' is constant: the network sees 0, samples get %.9g",
                 k + 1, column->name ? " " : "", column->name ? column->name : "",
                 data->file.map.path, scale->mean);
    }
}

bool data_prepare(Data *data, const Normaliser *normaliser, Error *error)
{
    data->normaliser = normaliser;
    report_constants(data);
    uint64_t row_size = (uint64_t)data->width * sizeof(real);
    if (data->rows > DATA_CACHE_BYTES / row_size) {
        if (data->shuffled)
            expect_random_access(data);
        return true;
    }
    data->cache = malloc((size_t)(data->rows * row_size));
    if (!data->cache)
        return error_set(error, EXIT_IO, NULL, "out of memory");
    for (uint64_t row = 0; row < data->rows; row++)
        convert_row(data, row, data->cache + row * (uint64_t)data->width, 1);
    return true;
}

void data_close(Data *data)
{
    free(data->cache);
    free(data->columns);
    image_set_close(&data->images);
    npy_close(&data->file);
    *data = (Data){0};
}

Order data_order(const Data *data, uint64_t seed)
{
    return order_start(data->rows, data->batch, data->shuffled, seed);
}

static uint64_t hash_row(const Data *data, uint64_t row, uint64_t hash)
{
    if (data->images.count > 0) {
        size_t size = image_size(data->images.shape) * (data->images.reals ? sizeof(float) : 1);
        return hash_bytes(image_bytes(&data->images, row), size, hash);
    }
    for (int k = 0; k < data->width; k++) {
        double value = npy_value(&data->file, data->columns[k], row);
        hash = hash_bytes(&value, sizeof value, hash);
    }
    return hash;
}

uint64_t data_hash(const Data *data)
{
    uint64_t count = data->rows < HASHED_ROWS ? data->rows : HASHED_ROWS;
    uint64_t hash = 0;
    for (uint64_t i = 0; i < count; i++)
        hash = hash_row(data, i * (data->rows / count), hash);
    return hash;
}

void data_row(const Data *data, uint64_t row, real *out, long stride)
{
    if (!data->cache) {
        if (data->images.count > 0)
            image_row(&data->images, row, out, stride);
        else
            convert_row(data, row, out, stride);
        return;
    }
    const real *values = data->cache + row * (uint64_t)data->width;
    for (int k = 0; k < data->width; k++)
        out[k * stride] = values[k];
}
