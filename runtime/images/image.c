/* image.c -- see image.h. */
#include "image.h"

#include <stdlib.h>
#include <string.h>

static float load_float(const unsigned char *bytes)
{
    float value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

void image_row(const ImageSet *set, uint64_t index, real *out, long stride)
{
    const unsigned char *from = image_bytes(set, index);
    long channels = set->shape.channels;
    long pixels = (long)set->shape.height * set->shape.width;
    for (long c = 0; c < channels; c++) {
        real *plane = out + c * pixels * stride;
        if (set->reals) {
            for (long i = 0; i < pixels; i++) {
                plane[i * stride] = (real)load_float(from + 4 * (i * channels + c));
            }
        } else {
            for (long i = 0; i < pixels; i++) {
                plane[i * stride] = image_level(from[i * channels + c]);
            }
        }
    }
}

void image_values(const ImageSet *set, uint64_t index, float *out)
{
    const unsigned char *from = image_bytes(set, index);
    size_t size = image_size(set->shape);
    if (set->reals) {
        memcpy(out, from, size * sizeof *out);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        out[i] = (float)image_level(from[i]);
    }
}

void image_to_planes(ImageShape shape, size_t count, const real *pixels, real *planes)
{
    size_t channels = (size_t)shape.channels, area = image_size(shape) / channels;
    for (size_t n = 0; n < count; n++, pixels += area * channels) {
        for (size_t c = 0; c < channels; c++) {
            for (size_t i = 0; i < area; i++) {
                *planes++ = pixels[i * channels + c];
            }
        }
    }
}

void image_to_pixels(ImageShape shape, size_t count, const real *planes, real *pixels)
{
    size_t channels = (size_t)shape.channels, area = image_size(shape) / channels;
    for (size_t n = 0; n < count; n++, planes += area * channels) {
        for (size_t i = 0; i < area; i++) {
            for (size_t c = 0; c < channels; c++) {
                *pixels++ = planes[c * area + i];
            }
        }
    }
}

void image_set_close(ImageSet *set)
{
    for (int i = 0; set->class_names && i < set->class_count; i++) {
        free(set->class_names[i]);
    }
    free(set->class_names);
    free(set->labels);
    free(set->memory);
    map_close(&set->map);
    *set = (ImageSet){0};
}
