/* data.h -- the rows a network is trained on: columns of a .npy file, normalised; or images. */
#ifndef GAGAC_DATA_H
#define GAGAC_DATA_H

#include "image.h"
#include "normalise.h"
#include "npy.h"
#include "order.h"
#include "real.h"

enum { DATA_CACHE_BYTES = 24 << 20 }; /* up to this size all rows are kept normalised in memory */

typedef struct Data {
    Npy file;
    uint64_t rows;
    int width;                    /* columns of a row */
    int *columns;                 /* [width] of the file, in the order of the keys */
    const Normaliser *normaliser; /* kept, not copied */
    uint64_t batch;
    bool shuffled;
    real *cache;     /* [rows][width] as the networks see them, or NULL: converted at each access */
    ImageSet images; /* instead of the file and its columns; count 0: none */
} Data;

/* Opens a file and finds the keys (npy_select); fewer rows than batch are an error. */
bool data_open(Data *data, const char *path, const char *const *keys, int width, uint64_t batch,
               bool shuffled, Error *error);
/* Decides how values become normalised. Needed before data_row(); the normaliser (normaliser_fit()
 * on data->file and data->columns, or from a checkpoint) must outlive the data. Warns of each
 * constant column. */
bool data_prepare(Data *data, const Normaliser *normaliser, Error *error);
/* Images instead of columns, ready for data_row(); takes over the set. */
bool data_open_images(Data *data, ImageSet *images, uint64_t batch, bool shuffled, Error *error);
void data_close(Data *data);
/* Hash of up to 1024 rows spread evenly over the data, as they are in the file: tells other data of
 * the same length. */
uint64_t data_hash(const Data *data);

/* The endless order in which a training with this seed reads the rows (order.h). */
Order data_order(const Data *data, uint64_t seed);
/* The row as the networks see it, row < rows: column k goes to out[k * stride]. Any number of
 * threads. */
void data_row(const Data *data, uint64_t row, real *out, long stride);
/* Hint that the row will be read soon. */
static inline void data_prefetch(const Data *data, uint64_t row)
{
    if (data->cache) {
        const real *values = data->cache + row * (uint64_t)data->width;
        __builtin_prefetch(values);
        __builtin_prefetch(values + data->width - 1); /* often on the next cache line */
    } else if (data->images.count > 0) {
        __builtin_prefetch(image_bytes(&data->images, row));
    } else {
        const NpyColumn *column = &data->file.columns[data->columns[0]];
        __builtin_prefetch(data->file.map.bytes + column->offset + row * column->stride);
    }
}

#endif
