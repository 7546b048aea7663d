/* image_decode.c -- see image_decode.h. Both libraries report errors by a jump out of the call;
 * what such a jump must leave intact lies in a struct that its callback finds again. */
#include "image_decode.h"

#include <png.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h> /* jpeglib.h needs it */
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

enum { MAX_SCANS = 200 }; /* of a progressive JPEG: more only keep a reader busy */

typedef struct Reader { /* one file on its way */
    const unsigned char *bytes;
    size_t size, at;
    unsigned char *pixels;
    unsigned char **rows; /* of the pixels */
    int width, height, channels;
    char *reason;
} Reader;

PictureFormat picture_format(const unsigned char *bytes, size_t size)
{
    if (size >= 8 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8)) {
        return PICTURE_PNG;
    }
    return size >= 3 && !memcmp(bytes, "\xff\xd8\xff", 3) ? PICTURE_JPEG : PICTURE_OTHER;
}

static bool set_reason(Reader *reader, const char *text)
{
    snprintf(reader->reason, REASON_SIZE, "%s", text);
    return false;
}

/* Memory for the pixels, once width, height and channels are known. */
static bool reserve_pixels(Reader *reader)
{
    size_t row = (size_t)reader->width * (size_t)reader->channels;
    if (reader->width < 1 || reader->height < 1 || reader->width > MAX_SIDE ||
        reader->height > MAX_SIDE || reader->width > MAX_PIXELS / reader->height) {
        return set_reason(reader, "its sides are beyond 32,768 or its pixels beyond 67,108,864");
    }
    reader->pixels = malloc((size_t)reader->height * row);
    reader->rows = malloc((size_t)reader->height * sizeof *reader->rows);
    if (!reader->pixels || !reader->rows) {
        return set_reason(reader, "out of memory");
    }
    for (int y = 0; y < reader->height; y++) {
        reader->rows[y] = reader->pixels + (size_t)y * row;
    }
    return true;
}

/* ---------------------------------------------------------------- PNG */
static void png_failed(png_structp png, png_const_charp text)
{
    set_reason(png_get_error_ptr(png), text);
    longjmp(png_jmpbuf(png), 1);
}

static void png_warned(png_structp png, png_const_charp text) { (void)png, (void)text; }

static void png_take(png_structp png, png_bytep out, size_t count)
{
    Reader *reader = png_get_io_ptr(png);
    if (count > reader->size - reader->at) {
        png_error(png, "the file is cut");
    }
    memcpy(out, reader->bytes + reader->at, count);
    reader->at += count;
}

/* Eight bits a number, grey or RGB, alpha where the file has any kind of transparency. */
static void ask_for_bytes(png_structp png, png_infop info)
{
    int colour = png_get_color_type(png, info);
    if (colour == PNG_COLOR_TYPE_PALETTE) {
        png_set_palette_to_rgb(png);
    }
    if (colour == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) < 8) {
        png_set_expand_gray_1_2_4_to_8(png);
    }
    if (png_get_valid(png, info, PNG_INFO_tRNS)) {
        png_set_tRNS_to_alpha(png);
    }
    png_set_scale_16(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
}

static bool read_png(Reader *reader, png_structp png, png_infop info)
{
    if (setjmp(png_jmpbuf(png))) {
        return false;
    }
    png_set_read_fn(png, reader, png_take);
    png_set_user_limits(png, MAX_SIDE, MAX_SIDE);
    png_set_chunk_malloc_max(png, 1 << 24);
    png_read_info(png, info);
    ask_for_bytes(png, info);
    reader->width = (int)png_get_image_width(png, info);
    reader->height = (int)png_get_image_height(png, info);
    reader->channels = png_get_channels(png, info);
    if (png_get_rowbytes(png, info) != (size_t)reader->width * (size_t)reader->channels) {
        return set_reason(reader, "it has a kind of pixels that is not read");
    }
    if (!reserve_pixels(reader)) {
        return false;
    }
    png_read_image(png, reader->rows);
    png_read_end(png, NULL);
    return true;
}

static bool decode_png(Reader *reader)
{
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, reader, png_failed, png_warned);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    bool good = info ? read_png(reader, png, info) : set_reason(reader, "out of memory");
    png_destroy_read_struct(&png, &info, NULL);
    return good;
}

/* ---------------------------------------------------------------- JPEG */
typedef struct JpegErrors { /* the library's part first, so that it is found from there */
    struct jpeg_error_mgr base;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    Reader *reader;
} JpegErrors;

static void jpeg_failed(j_common_ptr jpeg)
{
    JpegErrors *errors = (JpegErrors *)jpeg->err;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    set_reason(errors->reader, text);
    longjmp(errors->jump, 1);
}

/* A warning means that pixels were made up, except for those below. */
static void jpeg_warned(j_common_ptr jpeg, int level)
{
    int code = jpeg->err->msg_code;
    bool harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM ||
                    code == JWRN_JFIF_MAJOR || code == JWRN_TOO_MUCH_DATA;
    if (level < 0 && !harmless) {
        jpeg_failed(jpeg);
    }
}

static void jpeg_quiet(j_common_ptr jpeg) { (void)jpeg; }

static void jpeg_progressed(j_common_ptr jpeg)
{
    JpegErrors *errors = (JpegErrors *)jpeg->err;
    if (jpeg->is_decompressor && ((j_decompress_ptr)jpeg)->input_scan_number > MAX_SCANS) {
        set_reason(errors->reader, "it has more than 200 scans");
        longjmp(errors->jump, 1);
    }
}

/* Inks as Adobe stores them, 255 is none: to RGB in place, which is shorter. */
static void inks_to_rgb(Reader *reader)
{
    size_t count = (size_t)reader->width * (size_t)reader->height;
    for (size_t i = 0; i < count; i++) {
        unsigned char *inks = reader->pixels + 4 * i, *rgb = reader->pixels + 3 * i;
        int black = inks[3];
        for (int c = 0; c < 3; c++) {
            rgb[c] = (unsigned char)((inks[c] * black + 127) / 255);
        }
    }
    reader->channels = 3;
}

static bool read_jpeg(Reader *reader, struct jpeg_decompress_struct *jpeg, JpegErrors *errors)
{
    if (setjmp(errors->jump)) {
        return false;
    }
    jpeg_create_decompress(jpeg);
    jpeg->progress = &errors->progress;
    jpeg_mem_src(jpeg, reader->bytes, (unsigned long)reader->size);
    jpeg_read_header(jpeg, TRUE);
    jpeg->out_color_space = jpeg->num_components == 1   ? JCS_GRAYSCALE
                            : jpeg->num_components == 4 ? JCS_CMYK
                                                        : JCS_RGB;
    jpeg_calc_output_dimensions(jpeg);
    reader->width = (int)jpeg->output_width;
    reader->height = (int)jpeg->output_height;
    reader->channels = jpeg->num_components == 1 ? 1 : jpeg->num_components == 4 ? 4 : 3;
    if (!reserve_pixels(reader)) { /* before the library's own memory for a progressive file */
        return false;
    }
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        jpeg_read_scanlines(jpeg, reader->rows + jpeg->output_scanline, 1);
    }
    jpeg_finish_decompress(jpeg);
    if (reader->channels == 4) {
        bool inverted = jpeg->saw_Adobe_marker;
        size_t count = (size_t)reader->width * (size_t)reader->height * 4;
        for (size_t i = 0; i < count && !inverted; i++) {
            reader->pixels[i] = (unsigned char)(255 - reader->pixels[i]);
        }
        inks_to_rgb(reader);
    }
    return true;
}

static bool decode_jpeg(Reader *reader)
{
    JpegErrors errors = {.reader = reader};
    struct jpeg_decompress_struct jpeg = {.err = jpeg_std_error(&errors.base)};
    errors.base.error_exit = jpeg_failed;
    errors.base.emit_message = jpeg_warned;
    errors.base.output_message = jpeg_quiet;
    errors.progress.progress_monitor = jpeg_progressed;
    bool good = read_jpeg(reader, &jpeg, &errors);
    jpeg_destroy_decompress(&jpeg);
    return good;
}

/* ---------------------------------------------------------------- both */
bool picture_decode(const unsigned char *bytes, size_t size, Picture *picture,
                    char reason[REASON_SIZE])
{
    Reader reader = {.bytes = bytes, .size = size, .reason = reason};
    PictureFormat format = picture_format(bytes, size);
    bool good = format == PICTURE_PNG    ? decode_png(&reader)
                : format == PICTURE_JPEG ? decode_jpeg(&reader)
                                         : set_reason(&reader, size == 0 ? "it is empty"
                                                                         : "it is neither PNG nor "
                                                                           "JPEG");
    free(reader.rows);
    if (!good) {
        free(reader.pixels);
        return false;
    }
    *picture = (Picture){.width = reader.width,
                         .height = reader.height,
                         .channels = reader.channels,
                         .bytes = reader.pixels,
                         .owned = reader.pixels};
    return true;
}

void picture_free(Picture *picture)
{
    free(picture->owned);
    *picture = (Picture){0};
}
