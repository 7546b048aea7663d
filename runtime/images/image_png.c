/* image_png.c -- see image_png.h. */
#include "image_png.h"

#include "output.h"
#include "state.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- values to bytes */
static float clipped(float value)
{
    return isnan(value) ? 0 : value < -1 ? -1 : value > 1 ? 1 : value;
}

void pixels_to_bytes(const float *values, size_t count, bool stretch, unsigned char *bytes)
{
    double low = stretch && count > 0 ? 1 : -1, high = stretch && count > 0 ? -1 : 1;
    for (size_t i = 0; i < count && stretch; i++) {
        double value = (double)clipped(values[i]);
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    double scale = high > low ? 255 / (high - low) : 0;
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (unsigned char)(((double)clipped(values[i]) - low) * scale + 0.5);
    }
}

float *tile_images(const float *images, size_t count, ImageShape shape, int columns,
                   ImageShape *grid)
{
    int rows = (int)((count + (size_t)columns - 1) / (size_t)columns);
    *grid = (ImageShape){rows * shape.height, columns * shape.width, shape.channels};
    float *out = allocate(image_size(*grid), sizeof *out);
    size_t row = (size_t)shape.width * (size_t)shape.channels, wide = row * (size_t)columns;
    for (size_t i = 0; i < image_size(*grid); i++) {
        out[i] = -1;
    }
    for (size_t n = 0; n < count; n++) {
        size_t down = n / (size_t)columns * (size_t)shape.height, right = n % (size_t)columns * row;
        for (size_t y = 0; y < (size_t)shape.height; y++, images += row) {
            memcpy(out + (down + y) * wide + right, images, row * sizeof *out);
        }
    }
    return out;
}

/* ---------------------------------------------------------------- encoding */
static void png_give(png_structp png, png_bytep bytes, size_t count)
{
    text_add_bytes(png_get_io_ptr(png), (const char *)bytes, count);
}

static void png_done(png_structp png) { (void)png; }

static void encode(png_structp png, png_infop info, const unsigned char *pixels, ImageShape shape,
                   Text *out)
{
    static const int colours[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                                  PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
    if (setjmp(png_jmpbuf(png))) {
        fail(EXIT_INTERNAL, NULL, "libpng cannot encode %d x %d pixels", shape.width, shape.height);
    }
    png_set_write_fn(png, out, png_give, png_done);
    png_set_IHDR(png, info, (png_uint_32)shape.width, (png_uint_32)shape.height, 8,
                 colours[shape.channels - 1], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    size_t row = (size_t)shape.width * (size_t)shape.channels;
    for (int y = 0; y < shape.height; y++) {
        png_write_row(png, pixels + (size_t)y * row);
    }
    png_write_end(png, NULL);
}

static unsigned char *first_channel(const unsigned char *pixels, ImageShape shape)
{
    size_t count = (size_t)shape.width * (size_t)shape.height;
    unsigned char *grey = allocate(count, 1);
    for (size_t i = 0; i < count; i++) {
        grey[i] = pixels[i * (size_t)shape.channels];
    }
    return grey;
}

void png_encode(const unsigned char *pixels, ImageShape shape, Text *out)
{
    unsigned char *grey = shape.channels > 4 ? first_channel(pixels, shape) : NULL;
    shape.channels = grey ? 1 : shape.channels;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        fail(EXIT_IO, NULL, "out of memory");
    }
    encode(png, info, grey ? grey : pixels, shape, out);
    png_destroy_write_struct(&png, &info);
    free(grey);
}

bool png_write(const char *path, const unsigned char *pixels, ImageShape shape, Error *error)
{
    Text file = {0};
    png_encode(pixels, shape, &file);
    bool done = output_text(path, file.bytes, file.length, error);
    text_free(&file);
    return done;
}

bool grid_write(const char *path, const float *images, size_t count, ImageShape shape, int columns,
                bool stretch, Error *error)
{
    ImageShape grid;
    float *values = tile_images(images, count, shape, columns, &grid);
    unsigned char *bytes = allocate(image_size(grid), 1);
    pixels_to_bytes(values, image_size(grid), stretch, bytes);
    bool done = png_write(path, bytes, grid, error);
    free(bytes);
    free(values);
    return done;
}

/* ---------------------------------------------------------------- in pages */
void text_add_base64(Text *out, const char *bytes, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < length; i += 3) {
        size_t there = length - i < 3 ? length - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++) {
            bits = bits << 8 | (k < there ? (unsigned char)bytes[i + k] : 0);
        }
        char group[4];
        for (size_t k = 0; k < 4; k++) {
            group[k] = k <= there ? digits[bits >> (18 - 6 * k) & 63] : '=';
        }
        text_add_bytes(out, group, 4);
    }
}

void html_add_image(Text *out, const unsigned char *pixels, ImageShape shape, int zoom)
{
    Text file = {0};
    png_encode(pixels, shape, &file);
    text_add(out, "<img alt=\"\" width=\"%d\" height=\"%d\" src=\"data:image/png;base64,",
             shape.width * zoom, shape.height * zoom);
    text_add_base64(out, file.bytes, file.length);
    text_add(out, "\">");
    text_free(&file);
}
