/* test_image_decode.c -- PNG and JPEG files of every kind, whole, cut and damaged. */
#define _POSIX_C_SOURCE 200809L
#include "image_decode.h"
#include "image_png.h"

#include "rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "picture_files.h"

static FileBytes file;
static char reason[REASON_SIZE];

static Picture decode(int width, int height, int channels)
{
    Picture picture = {0};
    if (!picture_decode(file.bytes, file.size, &picture, reason)) {
        fail_msg("%s", reason);
    }
    assert_int_equal(picture.width, width);
    assert_int_equal(picture.height, height);
    assert_int_equal(picture.channels, channels);
    return picture;
}

static void expect(Picture picture, const unsigned char *pixels)
{
    size_t size = (size_t)picture.width * (size_t)picture.height * (size_t)picture.channels;
    assert_memory_equal(picture.bytes, pixels, size);
    picture_free(&picture);
}

static void png_of_every_depth(void **state)
{
    (void)state;
    /* 1 bit: 10110010 1; 2 bits: 0 1 2 3 0 */
    static const unsigned char bits[] = {0xb2, 0x80, 0x4d, 0x00};
    static const unsigned char levels[] = {255, 0,   255, 255, 0,   0,   255, 0,   255,
                                           0,   255, 0,   0,   255, 255, 0,   255, 0};
    make_png(&file, 9, 2, 1, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, bits, 2);
    expect(decode(9, 2, 1), levels);
    static const unsigned char pairs[] = {0x1b, 0x00}, four[] = {0, 85, 170, 255, 0};
    make_png(&file, 5, 1, 2, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, pairs, 2);
    expect(decode(5, 1, 1), four);
    static const unsigned char wide[] = {0x12, 0x34, 0xff, 0xff, 0x80, 0x00, 0, 0, 0, 128, 0, 127};
    static const unsigned char narrow[] = {0x12, 255, 128, 0, 0, 0}; /* x * 255 / 65535 + 1/2 */
    make_png(&file, 6, 1, 16, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, wide, 12);
    expect(decode(6, 1, 1), narrow);
}

static void png_of_every_colour_type(void **state)
{
    (void)state;
    static const unsigned char pixels[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                           13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24};
    static const struct {
        int colour, channels;
    } types[] = {{PNG_COLOR_TYPE_GRAY, 1},
                 {PNG_COLOR_TYPE_GRAY_ALPHA, 2},
                 {PNG_COLOR_TYPE_RGB, 3},
                 {PNG_COLOR_TYPE_RGB_ALPHA, 4}};
    for (int i = 0; i < 8; i++) {
        int channels = types[i / 2].channels;
        make_png(&file, 3, 2, 8, types[i / 2].colour, i % 2 ? PNG_INTERLACE_ADAM7 : 0, pixels,
                 (size_t)(3 * channels));
        expect(decode(3, 2, channels), pixels);
    }
    static const unsigned char indices[] = {0, 1, 2, 3};
    static const unsigned char colours[] = {10, 20, 30, 255, 40, 50, 60, 0,
                                            70, 80, 90, 255, 1,  2,  3,  255};
    make_png(&file, 4, 1, 8, PNG_COLOR_TYPE_PALETTE, 0, indices, 4);
    expect(decode(4, 1, 4), colours);
}

static void fill_smooth(unsigned char *pixels, int width, int height, int channels)
{
    for (int i = 0; i < width * height * channels; i++) {
        int pixel = i / channels, channel = i % channels;
        pixels[i] = (unsigned char)(40 + 3 * (pixel % width) + 2 * (pixel / width) + 50 * channel);
    }
}

static void jpeg_of_every_kind(void **state)
{
    (void)state;
    static unsigned char pixels[24 * 17 * 4];
    for (int i = 0; i < 4; i++) {
        int channels = i % 2 ? 3 : 1;
        fill_smooth(pixels, 24, 17, channels);
        make_jpeg(&file, 24, 17, channels, pixels, i / 2);
        Picture picture = decode(24, 17, channels);
        for (int k = 0; k < 24 * 17 * channels; k++) {
            assert_true(abs(picture.bytes[k] - pixels[k]) <= 6);
        }
        picture_free(&picture);
    }
    /* inks as Adobe stores them: red is c = k = none, m = y = full */
    for (int i = 0; i < 24 * 17; i++) {
        static const unsigned char red[4] = {255, 0, 0, 255};
        memcpy(pixels + 4 * i, red, 4);
    }
    make_jpeg(&file, 24, 17, 4, pixels, 0);
    Picture picture = decode(24, 17, 3);
    assert_true(picture.bytes[300] > 250 && picture.bytes[301] < 5 && picture.bytes[302] < 5);
    picture_free(&picture);
}

/* Every length short of the whole is an error, never a crash; and a file of another kind too. */
static void cut_files_are_errors(void **state)
{
    (void)state;
    static unsigned char pixels[20 * 20 * 3];
    fill_smooth(pixels, 20, 20, 3);
    for (int kind = 0; kind < 3; kind++) {
        if (kind == 0) {
            make_png(&file, 20, 20, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_ADAM7, pixels, 60);
        } else {
            make_jpeg(&file, 20, 20, 3, pixels, kind == 2);
        }
        for (size_t size = 0; size + 2 < file.size; size++) { /* JPEG's end mark may be missing */
            Picture picture = {0};
            unsigned char *exact = malloc(size + 1); /* so that sanitizers see each overrun */
            memcpy(exact, file.bytes, size);
            bool good = picture_decode(exact, size, &picture, reason);
            free(exact);
            assert_false(good);
            assert_true(reason[0] != 0);
        }
    }
    Picture picture = {0};
    assert_false(picture_decode((const unsigned char *)"GIF89a..", 8, &picture, reason));
    assert_string_equal(reason, "it is neither PNG nor JPEG");
}

/* Damaged bytes give a picture or an error. A damaged PNG is always noticed, by its checksums. */
static void damaged_files_do_not_crash(void **state)
{
    (void)state;
    static unsigned char pixels[20 * 20 * 3];
    fill_smooth(pixels, 20, 20, 3);
    for (uint32_t turn = 0; turn < 1500; turn++) {
        bool png = turn % 3 == 0;
        if (png) {
            make_png(&file, 20, 20, 8, PNG_COLOR_TYPE_RGB, 0, pixels, 60);
        } else {
            make_jpeg(&file, 20, 20, 3, pixels, turn % 3 == 2);
        }
        uint32_t draws[4] = {turn, 0, 0, 0};
        const uint32_t key[2] = {1, 2};
        philox4x32(draws, key);
        for (int i = 0; i < 3; i++) {
            file.bytes[draws[i] % file.size] ^= (unsigned char)(1 << (draws[3] >> 4 * i & 7));
        }
        Picture picture = {0};
        if (picture_decode(file.bytes, file.size, &picture, reason)) {
            picture_free(&picture);
        }
    }
    make_png(&file, 20, 20, 8, PNG_COLOR_TYPE_RGB, 0, pixels, 60);
    file.bytes[16] = 0x7f; /* a width beyond all bounds */
    Picture picture = {0};
    assert_false(picture_decode(file.bytes, file.size, &picture, reason));
}

/* What is written is read back: every number of channels. */
static void encoded_is_decoded(void **state)
{
    (void)state;
    unsigned char pixels[7 * 5 * 4];
    for (int channels = 1; channels <= 4; channels++) {
        fill_smooth(pixels, 7, 5, channels);
        Text text = {0};
        png_encode(pixels, (ImageShape){5, 7, channels}, &text);
        memcpy(file.bytes, text.bytes, text.length);
        file.size = text.length;
        text_free(&text);
        expect(decode(7, 5, channels), pixels);
    }
}

static void values_become_bytes(void **state)
{
    (void)state;
    const float values[] = {-1, 1, 0, -7, 9, (float)NAN, -0.5f};
    static const unsigned char fixed[] = {0, 255, 128, 0, 255, 128, 64};
    unsigned char bytes[7];
    pixels_to_bytes(values, 7, false, bytes);
    assert_memory_equal(bytes, fixed, 7);
    const float grey[] = {0.25f, 0.5f, 0.75f, 0.25f};
    static const unsigned char stretched[] = {0, 128, 255, 0};
    pixels_to_bytes(grey, 4, true, bytes);
    assert_memory_equal(bytes, stretched, 4);
    const float flat[] = {0.3f, 0.3f};
    pixels_to_bytes(flat, 2, true, bytes); /* no division by zero */
    assert_true(bytes[0] == 0 && bytes[1] == 0);
}

static void images_are_tiled_row_by_row(void **state)
{
    (void)state;
    const float images[] = {1, 2, 3, 4, 5, 6}; /* three of 1 x 2 pixels */
    static const float expected[] = {1, 2, 3, 4, 5, 6, -1, -1};
    ImageShape grid;
    float *tiled = tile_images(images, 3, (ImageShape){1, 2, 1}, 2, &grid);
    assert_true(grid.height == 2 && grid.width == 4 && grid.channels == 1);
    assert_memory_equal(tiled, expected, sizeof expected);
    free(tiled);
}

static void base64_is_padded(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 1; i < sizeof texts / sizeof *texts; i++) {
        Text out = {0};
        text_add_base64(&out, texts[i][0], strlen(texts[i][0]));
        assert_string_equal(out.bytes, texts[i][1]);
        text_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_of_every_depth),         cmocka_unit_test(png_of_every_colour_type),
        cmocka_unit_test(jpeg_of_every_kind),         cmocka_unit_test(cut_files_are_errors),
        cmocka_unit_test(damaged_files_do_not_crash), cmocka_unit_test(encoded_is_decoded),
        cmocka_unit_test(values_become_bytes),        cmocka_unit_test(images_are_tiled_row_by_row),
        cmocka_unit_test(base64_is_padded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
