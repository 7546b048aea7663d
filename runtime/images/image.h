/* image.h -- a data set of images as a training reads it, and what a program for images has
 * besides.
 *
 * Files image_*.c, which stand on libpng, libjpeg and zlib, are reached through ImageRuntime alone:
 * a program for rows has no pointer to one and is linked with none of them. In files an image is
 * [height][width][channels], in generated code [channels][height][width]; image_row() is the place
 * where data change from one to the other. */
#ifndef GAGAC_IMAGE_H
#define GAGAC_IMAGE_H

#include "imageset.h"
#include "program.h"

/* A byte of a picture as the networks see it: -1 .. 1. */
static inline real image_level(unsigned char level) { return (real)(level / 127.5 - 1); }

/* One image in the order of generated code: number k of [channels][height][width] goes to
 * out[k * stride]. */
void image_row(const ImageSet *set, uint64_t index, real *out, long stride);
/* Between the two orders, for whatever is made or given: count images. */
void image_to_planes(ImageShape shape, size_t count, const real *pixels, real *planes);
void image_to_pixels(ImageShape shape, size_t count, const real *planes, real *pixels);

struct Session;
struct Sink;
struct Text;

struct ImageRuntime { /* what programs for images can do besides: image_runtime.c */
    bool (*open)(ImageSet *set, const ImageRequest *request, Error *error);
    /* RUN/samples/NNNNNN.png of the present iteration, from latents that are always the same, and
     * the distance of some samples from real images. Removes those of an earlier training first
     * when iteration is 0. */
    bool (*show)(struct Session *session, int width, Error *error);
    void (*report)(const struct Session *session, struct Text *out);
    /* Writes samples as the name of the output says: sink.h. */
    const struct Sink *(*sink)(const char *path, Error *error);
};
extern const ImageRuntime image_runtime;

#endif
