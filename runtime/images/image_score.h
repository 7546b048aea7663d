/* image_score.h -- how near generated images come to real ones, without any trained features. */
#ifndef GAGAC_IMAGE_SCORE_H
#define GAGAC_IMAGE_SCORE_H

#include "imageset.h"
#include "pool.h"

typedef struct Images { /* images in memory or in a data set: [height][width][channels] in [-1, 1]
                         */
    ImageShape shape;
    size_t count;
    const float *values; /* [count][...]; or NULL: of the set */
    const ImageSet *set; /* images first, first + step, ... of it */
    uint64_t first, step;
} Images;

/* All images of a set, at most `most` of them, spread evenly. */
Images images_of_set(const ImageSet *set, size_t most);
Images images_of_values(ImageShape shape, size_t count, const float *values);
/* One image to out. */
void images_get(const Images *images, size_t index, float *out);

enum { PATCH_SIDE = 7, PATCH_COUNT = 8192, PATCH_DIRECTIONS = 128 };

/* Sliced Wasserstein distance of patches: PATCH_COUNT patches of 7 x 7 pixels (less where the
 * images are smaller) at random places of each, channel by channel brought to the mean and standard
 * deviation of the real ones, projected on PATCH_DIRECTIONS random unit vectors; the mean of the
 * Wasserstein-1 distances there. Places and directions are the same in every call. 0.0 for equal
 * distributions, up to the noise of drawing: compare with one half of the real images against the
 * other. After Rabin et al. (2012) and, of patches, Karras et al. (2018), here without a pyramid.
 */
double patch_distance(const Images *images_real, const Images *images_generated);

typedef struct Neighbour {
    size_t index;    /* of a real image */
    double distance; /* root mean square of the differences of pixels */
} Neighbour;

/* The `wanted` nearest real images of each of count images [count][...], nearest first, to
 * found[count][wanted]; fewer where there are fewer. Their number. */
int find_neighbours(const Images *images_real, const float *images, int count, int wanted,
                    Neighbour *found);

/* How many of `most` images fit into some memory as floats, at least 1. */
size_t affordable_images(ImageShape shape, size_t most);

typedef struct Coverage { /* each generated image has the class of the real image nearest to it */
    int class_count;
    double *real_share, *generated_share; /* [class_count], each adds up to 1 */
    int covered;     /* classes with at least a quarter of their share of the real images */
    int present;     /* classes that real images have */
    double distance; /* half the sum of the differences of shares: 0 alike, 1 disjoint */
    double nearest;  /* mean distance to the nearest real image */
} Coverage;

/* labels: of the set, or of the values. On all threads of the pool. Of real images more than
 * affordable_images() some are left out. */
Coverage class_coverage(const Images *images_real, const int32_t *labels, int class_count,
                        const Images *images_generated, Pool *pool);
void coverage_free(Coverage *coverage);

#endif
