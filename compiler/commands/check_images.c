/* check_images.c -- whether a path holds images to train on, before anything is compiled. */
#include "image_source.h"
#include "gagac.h"

#include <inttypes.h>

void check_images(const char *path, int batch_size)
{
    Error error = {0};
    ImageSource source;
    ImageRequest request = {.path = path};
    if (!image_source_open(&source, &request, &error))
        fail_error(&error);
    if (source.count < (uint64_t)batch_size)
        fail(EXIT_INVALID, "take a smaller batch_size, or more data",
             "%s has %" PRIu64 " images, fewer than the %d of a batch", printable(path),
             source.count, batch_size);
    image_source_close(&source);
}
