/* safetensors.h -- named arrays in a file: an 8-byte length, a JSON header, the data.
 *
 * The reader is strict: no duplicate keys, known types, offsets that cover the data without a hole
 * or an overlap, sizes that agree with shapes. At most 65,536 tensors and 8 MiB of header. The
 * writer gives the same bytes for the same content, data on a multiple of 64, float64 before
 * float32. */
#ifndef GAGAC_SAFETENSORS_H
#define GAGAC_SAFETENSORS_H

#include "fail.h"
#include "map.h"
#include <stdint.h>

enum { STORED_MAX_RANK = 8 };

typedef enum StoredType {
    STORED_F32,
    STORED_F64,
    STORED_OTHER /* a type of the format that we do not compute with */
} StoredType;

typedef struct StoredTensor {
    const char *name;
    StoredType type;
    int rank;
    uint64_t dims[STORED_MAX_RANK];
    const void *data; /* row-major, little-endian; in a file that was read, aligned to nothing */
} StoredTensor;

typedef struct StoredText { /* one entry of __metadata__ */
    const char *key, *value;
} StoredText;

typedef struct Safetensors {
    Map map;
    int tensor_count;
    StoredTensor *tensors; /* in the order of their data in the file; names are unique */
    int text_count;
    StoredText *texts; /* sorted by key */
    char *strings;     /* names, keys and values live here */
} Safetensors;

bool safetensors_open(Safetensors *file, const char *path, Error *error);
void safetensors_close(Safetensors *file);
const StoredTensor *safetensors_find(const Safetensors *file, const char *name); /* NULL: absent */
const char *safetensors_text(const Safetensors *file, const char *key);          /* NULL: absent */

uint64_t stored_count(const StoredTensor *tensor); /* numbers: the product of the dims */
size_t stored_size(const StoredTensor *tensor);    /* bytes; F32 and F64 only */
/* All numbers of an F32 or F64 tensor, converted where the types differ. */
void stored_copy_floats(const StoredTensor *tensor, float *out);
void stored_copy_doubles(const StoredTensor *tensor, double *out);
/* "[3, 400]" for messages. */
void stored_shape(const StoredTensor *tensor, char *out, size_t size);

/* Writes the file whole or not at all (output.h). Tensors are F32 or F64, names and keys unique. */
bool safetensors_write(const char *path, const StoredTensor *tensors, int tensor_count,
                       const StoredText *texts, int text_count, Error *error);

#endif
