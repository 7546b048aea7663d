/* image_decode.h -- PNG and JPEG files to pixels, by libpng and libjpeg. */
#ifndef GAGAC_IMAGE_DECODE_H
#define GAGAC_IMAGE_DECODE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    MAX_SIDE = 32768,     /* pixels */
    MAX_PIXELS = 1 << 26, /* of one image */
    REASON_SIZE = 256
};

typedef struct Picture { /* [height][width][channels] */
    int width, height;
    int channels; /* of a decoded file: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha */
    const unsigned char *bytes; /* 0 ... 255; or NULL */
    const float *reals;         /* -1 ... 1 */
    void *owned;                /* memory of either, or NULL: somebody else's */
} Picture;

typedef enum PictureFormat { PICTURE_OTHER, PICTURE_PNG, PICTURE_JPEG } PictureFormat;

/* What the first bytes of a file say. */
PictureFormat picture_format(const unsigned char *bytes, size_t size);
/* Decodes a whole file: any depth and colour type, interlaced or progressive. Palettes become RGB,
 * 16 bits are rounded to 8, CMYK becomes RGB. A file that is cut or damaged gives false and a
 * reason in words of the library. */
bool picture_decode(const unsigned char *bytes, size_t size, Picture *picture,
                    char reason[REASON_SIZE]);
void picture_free(Picture *picture);

#endif
