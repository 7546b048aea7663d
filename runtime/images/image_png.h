/* image_png.h -- PNG files of single images and of grids of them. */
#ifndef GAGAC_IMAGE_PNG_H
#define GAGAC_IMAGE_PNG_H

#include "imageset.h"
#include "text.h"

/* Values to bytes. Numbers that are NaN count as 0, others are clipped to [-1, 1]; then -1 becomes
 * 0 and 1 becomes 255 or, stretched, the smallest and the largest of them (spec of the dialect's
 * samples: docs/images.md). */
void pixels_to_bytes(const float *values, size_t count, bool stretch, unsigned char *bytes);

/* Tiles count images [count][height][width][channels] row by row, `columns` in a row, to one image;
 * what is left of the last row is -1. The caller frees. The grid's shape in *grid. */
float *tile_images(const float *images, size_t count, ImageShape shape, int columns,
                   ImageShape *grid);

/* The bytes of a PNG file added to the text: channels 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and
 * alpha. Any other number of channels: the first of them, as grey. */
void png_encode(const unsigned char *pixels, ImageShape shape, Text *out);
/* The same as a file, whole or not at all. */
bool png_write(const char *path, const unsigned char *pixels, ImageShape shape, Error *error);
/* tile_images(), pixels_to_bytes() and png_write(). */
bool grid_write(const char *path, const float *images, size_t count, ImageShape shape, int columns,
                bool stretch, Error *error);
/* Adds bytes as base64, for pages that hold their images. */
void text_add_base64(Text *out, const char *bytes, size_t length);
/* <img> with the PNG inside; each pixel is `zoom` wide. */
void html_add_image(Text *out, const unsigned char *pixels, ImageShape shape, int zoom);

#endif
