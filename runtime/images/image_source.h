/* image_source.h -- where images come from: folders of PNG and JPEG, .npy stacks, IDX and CIFAR
 * files. */
#ifndef GAGAC_IMAGE_SOURCE_H
#define GAGAC_IMAGE_SOURCE_H

#include "imageset.h"
#include "image_decode.h"
#include "npy.h"

enum { MAX_CLASSES = 10000 };

typedef enum SourceKind {
    SOURCE_FOLDER, /* a file an image */
    SOURCE_STACK   /* one array */
} SourceKind;

typedef struct ImageSource {
    SourceKind kind;
    char *path;
    uint64_t count;
    uint64_t identity; /* hash of names, sizes and times of what is read */
    char **files;      /* FOLDER: [count] paths in their natural order */
    /* STACK */
    ImageShape shape;
    const unsigned char *base; /* of image 0, in the map or in memory */
    size_t stride;             /* bytes from image to image */
    NpyColumn number;          /* u1, or floating point */
    double scale, shift;       /* of a floating-point number to -1 ... 1 */
    bool clipped;              /* some numbers are beyond */
    bool planes;               /* [channels][height][width] */
    Map map;
    unsigned char *memory;
    /* classes */
    int32_t *labels; /* [count], or NULL */
    int class_count;
    char **class_names; /* [class_count], or NULL */
} ImageSource;

/* Finds out what the request's path holds and opens it; nothing is decoded yet. */
bool image_source_open(ImageSource *source, const ImageRequest *request, Error *error);
void image_source_close(ImageSource *source);
/* One image as it is; any number of threads. The reason is why a file cannot be read. */
bool image_source_read(const ImageSource *source, uint64_t index, Picture *picture,
                       char reason[REASON_SIZE]);
/* Can image 0 and those behind it be used where they lie? */
bool image_source_is_plain(const ImageSource *source);

/* Pieces, each in the file of its name. */
bool folder_open(ImageSource *source, const ImageRequest *request,
                 Error *error);                   /* image_folder.c */
bool idx_open(ImageSource *source, Error *error); /* image_idx.c; the map is open */
bool idx_labels(ImageSource *source, const char *path, Error *error);
bool cifar_open(ImageSource *source, char **files, uint64_t count, Error *error);
/* Is a name (not a path) one of CIFAR's files of training images? */
bool is_cifar_name(const char *name);
/* The bytes of a gzip file, freshly allocated. */
bool gunzip(const Map *map, unsigned char **bytes, size_t *size, Error *error);
/* -1, 0 or 1: names in their natural order, where numbers in them count as numbers. */
int natural_order(const char *a, const char *b);
/* Adds a file's name, size and time to the identity. */
void image_source_identify(ImageSource *source, const char *path, const char *name);

#endif
