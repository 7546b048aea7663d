/* picture_files.h -- image files of every kind, for tests of what reads them. */
#ifndef GAGAC_PICTURE_FILES_H
#define GAGAC_PICTURE_FILES_H

#include <stdio.h> /* jpeglib.h needs it */

#include <jpeglib.h>
#include <png.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct FileBytes {
    unsigned char bytes[1 << 16];
    size_t size;
} FileBytes;

static inline void png_append(png_structp png, png_bytep bytes, size_t count)
{
    FileBytes *file = png_get_io_ptr(png);
    if (count > sizeof file->bytes - file->size) {
        png_error(png, "too large for this test");
    }
    memcpy(file->bytes + file->size, bytes, count);
    file->size += count;
}

static inline void png_no_flush(png_structp png) { (void)png; }

/* rows: as libpng wants them for this depth and colour type. Palette: 4 colours, the second half
 * transparent. */
static inline void make_png(FileBytes *file, int width, int height, int depth, int colour,
                            int interlace, const unsigned char *rows, size_t row_size)
{
    static const png_color palette[4] = {{10, 20, 30}, {40, 50, 60}, {70, 80, 90}, {1, 2, 3}};
    static const unsigned char alpha[2] = {255, 0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_bytep *lines = malloc(sizeof *lines * (size_t)height);
    file->size = 0;
    png_set_write_fn(png, file, png_append, png_no_flush);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth, colour, interlace,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (colour == PNG_COLOR_TYPE_PALETTE) {
        png_set_PLTE(png, info, palette, 4);
        png_set_tRNS(png, info, alpha, 2, NULL);
    }
    for (int y = 0; y < height; y++) {
        lines[y] = (png_bytep)(uintptr_t)rows + (size_t)y * row_size;
    }
    png_write_info(png, info);
    png_write_image(png, lines);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    free(lines);
}

/* components: 1 grey, 3 RGB, 4 CMYK as Adobe stores it. */
static inline void make_jpeg(FileBytes *file, int width, int height, int components,
                             const unsigned char *pixels, int progressive)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &size);
    jpeg.image_width = (unsigned)width;
    jpeg.image_height = (unsigned)height;
    jpeg.input_components = components;
    jpeg.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 100, TRUE);
    jpeg.write_Adobe_marker = components == 4;
    if (progressive) {
        jpeg_simple_progression(&jpeg);
    }
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        size_t row = (size_t)width * (size_t)components;
        JSAMPROW line = (JSAMPROW)(uintptr_t)pixels + jpeg.next_scanline * row;
        jpeg_write_scanlines(&jpeg, &line, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    file->size = size < sizeof file->bytes ? size : 0;
    memcpy(file->bytes, bytes, file->size);
    free(bytes);
}

static inline void put_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

/* A grey PNG of one level. */
static inline void put_grey(const char *path, int width, int height, int level)
{
    FileBytes *file = malloc(sizeof *file);
    unsigned char *pixels = malloc((size_t)(width * height));
    memset(pixels, level, (size_t)(width * height));
    make_png(file, width, height, 8, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, pixels,
             (size_t)width);
    put_file(path, file->bytes, file->size);
    free(pixels);
    free(file);
}

/* An empty folder of that name. */
static inline void fresh_folder(const char *path)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s' && mkdir -p '%s'", path, path);
    if (system(command) != 0) {
        exit(1);
    }
}

#endif
