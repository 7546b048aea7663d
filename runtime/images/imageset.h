/* imageset.h -- a data set of images, mapped.
 *
 * In files and here an image is [height][width][channels]. */
#ifndef GAGAC_IMAGESET_H
#define GAGAC_IMAGESET_H

#include "map.h"

typedef struct ImageShape { /* one image; all 0 where rows are no images */
    int height, width, channels;
} ImageShape;

typedef enum ImageFit {                 /* how an image of another size is made to fit */
                        FIT_EXACT,      /* not at all: it is an error */
                        FIT_CROP,       /* the middle is cut out; what is too small gets black (-1)
                                           borders */
                        FIT_RESIZE,     /* nearest pixel, whatever the ratio of the sides */
                        FIT_RANDOM_CROP /* a piece somewhere, chosen once for each image */
} ImageFit;

typedef struct ImageSet { /* images of one size, mapped */
    ImageShape shape;
    uint64_t count;
    bool reals;           /* float32 in [-1, 1] (4 bytes a number); else bytes 0 ... 255 */
    size_t start, stride; /* bytes: of image 0 in the map, from image to image */
    int32_t *labels;      /* [count] classes, owned; NULL: the images have none */
    int class_count;      /* classes are 0 .. class_count - 1 */
    char **class_names;   /* [class_count], or NULL */
    uint64_t skipped;     /* files that could not be read */
    Map map;
    unsigned char *memory; /* instead of the map, owned; or NULL */
} ImageSet;

/* Numbers of an image. */
static inline size_t image_size(ImageShape shape)
{
    return (size_t)shape.height * (size_t)shape.width * (size_t)shape.channels;
}

static inline const unsigned char *image_bytes(const ImageSet *set, uint64_t index)
{
    const unsigned char *base = set->memory ? set->memory : set->map.bytes;
    return base + set->start + index * set->stride;
}

/* The class of an image, or -1. */
static inline int image_label(const ImageSet *set, uint64_t index)
{
    return set->labels ? set->labels[index] : -1;
}

/* One image in the order of files, [height][width][channels], in [-1, 1]. */
void image_values(const ImageSet *set, uint64_t index, float *out);
void image_set_close(ImageSet *set);

typedef struct ImageRequest { /* a data set that is asked for */
    const char *path;         /* a folder, .npy, IDX or CIFAR file */
    ImageShape shape;         /* of the program; all 0: that of the data, which must all be alike */
    ImageFit fit;
    const char *format; /* of a folder's files: "png", "jpg"; NULL: both */
    const char *labels; /* a file with the classes (.npy or IDX); NULL: looked for */
    int threads;
    bool quiet; /* no word on the way; broken files are named in any case */
} ImageRequest;

#endif
