/* image_pack.h -- a data set of images of one size, made once and mapped from then on. */
#ifndef GAGAC_IMAGE_PACK_H
#define GAGAC_IMAGE_PACK_H

#include "image_source.h"

/* Opens what the request asks for. A stack that fits as it is is mapped where it lies; all else is
 * brought to size and packed into a .npy file, which later calls find again as long as nothing has
 * changed: in $GAGAC_CACHE_DIR, beside the data, or in the user's cache folder, the first of them
 * that can be written. Files that cannot be read are named and left out; that all are, and an image
 * of another size without a way to fit it, are errors. */
bool image_set_open(ImageSet *set, const ImageRequest *request, Error *error);

/* Brings a picture to the shape: size by the fit, then channels (grey from RGB by 0.299 0.587
 * 0.114; alpha is dropped, or 255 where there was none). `out` is bytes or floats like the picture;
 * index decides where a random piece lies. The error is that of a size that does not fit. */
bool picture_fit(const Picture *picture, ImageShape shape, ImageFit fit, uint64_t index, void *out,
                 char reason[REASON_SIZE]);

#endif
