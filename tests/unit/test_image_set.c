/* test_image_set.c -- data sets of images: folders, stacks, IDX, CIFAR; fitting, packing, errors.
 */
#define _POSIX_C_SOURCE 200809L
#include "data.h"
#include "image_pack.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <dirent.h>
#include <zlib.h>

#include "picture_files.h"

static Error error;

static ImageRequest request_of(const char *path, int height, int width, int channels, ImageFit fit)
{
    return (ImageRequest){
        .path = path, .shape = {height, width, channels}, .fit = fit, .threads = 2, .quiet = true};
}

static ImageSet open_set(const ImageRequest *request)
{
    ImageSet set;
    if (!image_set_open(&set, request, &error)) {
        fail_msg("%s", error.message);
    }
    return set;
}

static void expect_error(const ImageRequest *request, const char *message)
{
    ImageSet set;
    assert_false(image_set_open(&set, request, &error));
    assert_string_equal(error.message, message);
}

/* Files whose names begin like that in a folder. */
static int count_files(const char *folder, const char *prefix)
{
    int count = 0;
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        count += !strncmp(entry->d_name, prefix, strlen(prefix));
    }
    if (entries) {
        closedir(entries);
    }
    return count;
}

static void put_stack(const char *path, const char *type, const char *axes, size_t row_size,
                      uint64_t rows, const void *values)
{
    NpyWriter writer;
    NpyForm form = {type, axes, row_size};
    assert_true(npy_create_form(&writer, path, &form, rows, &error));
    assert_true(npy_append(&writer, values, rows, &error));
    assert_true(npy_finish(&writer, &error));
}

/* ---------------------------------------------------------------- folders */
static void names_have_their_natural_order(void **state)
{
    (void)state;
    static const char *const sorted[] = {"1/b.png",  "1/c.png",    "01/a.png",  "2.png", "10.png",
                                         "a1b2.png", "a01b2x.png", "a1b10.png", "b.png"};
    for (int i = 0; i < 9; i++) {
        for (int k = 0; k < 9; k++) {
            assert_int_equal(natural_order(sorted[i], sorted[k]), i < k ? -1 : i > k);
        }
    }
}

static void a_folder_is_read_in_order_with_its_classes(void **state)
{
    (void)state;
    fresh_folder("classes");
    fresh_folder("classes/cat/more");
    fresh_folder("classes/dog");
    put_grey("classes/cat/10.png", 4, 4, 10);
    put_grey("classes/cat/9.PNG", 4, 4, 9);
    put_grey("classes/cat/more/1.png", 4, 4, 11);
    put_grey("classes/dog/1.png", 4, 4, 1);
    put_file("classes/dog/notes.txt", "x", 1);
    put_file("classes/dog/.hidden.png", "x", 1);
    ImageRequest request = request_of("classes", 4, 4, 1, FIT_EXACT);
    ImageSet set = open_set(&request);
    static const unsigned char levels[] = {9, 10, 11, 1};
    static const int labels[] = {0, 0, 0, 1};
    assert_int_equal(set.count, 4);
    assert_int_equal(set.class_count, 2);
    assert_string_equal(set.class_names[1], "dog");
    for (uint64_t i = 0; i < 4; i++) {
        assert_int_equal(image_bytes(&set, i)[5], levels[i]);
        assert_int_equal(image_label(&set, i), labels[i]);
    }
    image_set_close(&set);
    put_grey("classes/0.png", 4, 4, 0); /* one outside of the sub-folders: no classes */
    set = open_set(&request);
    assert_int_equal(set.count, 5);
    assert_int_equal(image_label(&set, 0), -1);
    image_set_close(&set);
}

/* The second call maps what the first has packed; a change of any file packs anew. */
static void packed_files_are_used_again(void **state)
{
    (void)state;
    fresh_folder("cached");
    fresh_folder("cache");
    setenv("GAGAC_CACHE_DIR", "cache", 1);
    for (int i = 0; i < 20; i++) {
        char name[40];
        snprintf(name, sizeof name, "cached/%d.png", i);
        put_grey(name, 4, 4, i);
    }
    ImageRequest request = request_of("cached", 4, 4, 3, FIT_EXACT);
    ImageSet first = open_set(&request);
    assert_int_equal(count_files("cache/images", ".gagac-cached-"), 1);
    assert_int_equal(count_files("cached", ".gagac-"), 0);
    struct stat before, after;
    assert_int_equal(stat(first.map.path, &before), 0);
    ImageSet second = open_set(&request);
    assert_int_equal(stat(second.map.path, &after), 0);
    assert_true(before.st_ino == after.st_ino && before.st_mtime == after.st_mtime);
    for (uint64_t i = 0; i < 20; i++) {
        assert_int_equal(image_bytes(&second, i)[47], i);
    }
    assert_int_equal(truncate(second.map.path, after.st_size - 1), 0); /* damaged: made again */
    image_set_close(&second);
    second = open_set(&request);
    assert_int_equal(second.count, 20);
    image_set_close(&second);
    put_grey("cached/3.png", 4, 4, 77);
    second = open_set(&request);
    assert_int_equal(image_bytes(&second, 3)[0], 77);
    assert_int_equal(count_files("cache/images", ".gagac-cached-"), 1); /* the old one is gone */
    image_set_close(&first);
    image_set_close(&second);
    unsetenv("GAGAC_CACHE_DIR");
    setenv("XDG_CACHE_HOME", "/nowhere", 1);
    second = open_set(&request); /* beside the data */
    assert_int_equal(count_files("cached", ".gagac-"), 1);
    image_set_close(&second);
}

static void broken_files_are_left_out(void **state)
{
    (void)state;
    fresh_folder("broken/a");
    fresh_folder("broken/b");
    put_grey("broken/a/1.png", 4, 4, 1);
    put_file("broken/a/2.png", "\x89PNG\r\n\x1a\n", 8);
    put_file("broken/a/3.jpg", "", 0);
    put_grey("broken/b/4.jpg", 4, 4, 4); /* a PNG under another name is read all the same */
    ImageRequest request = request_of("broken", 4, 4, 1, FIT_EXACT);
    ImageSet set = open_set(&request);
    assert_int_equal(set.count, 2);
    assert_int_equal(set.skipped, 2);
    assert_int_equal(image_bytes(&set, 1)[0], 4);
    assert_int_equal(image_label(&set, 1), 1); /* classes go with their images */
    image_set_close(&set);
    fresh_folder("broken/a");
    fresh_folder("broken/b");
    put_file("broken/a/1.png", "x", 1);
    put_file("broken/b/1.png", "y", 1);
    expect_error(&request, "none of the 2 images of 'broken' can be read; the first: it is neither "
                           "PNG nor JPEG");
}

static void what_is_no_data_set_is_an_error(void **state)
{
    (void)state;
    fresh_folder("empty");
    ImageRequest request = request_of("empty", 4, 4, 1, FIT_EXACT);
    expect_error(&request, "the folder 'empty' is empty");
    put_file("empty/a.txt", "x", 1);
    expect_error(&request, "the folder 'empty' holds no image, only 1 other file");
    put_grey("empty/a.jpg", 5, 4, 0);
    request.format = "png";
    expect_error(&request, "the folder 'empty' holds no png, only 2 other files");
    request.format = "gif";
    expect_error(&request, "--format is png or jpg, not 'gif'");
    request.format = NULL;
    expect_error(&request, "'empty/a.jpg' is 5 x 4 pixels (width x height), not 4 x 4");
    assert_string_equal(error.hint, "--crop cuts out the middle, --resize scales.");
    request.path = "empty/a.jpg";
    expect_error(&request, "'empty/a.jpg' is a single image");
    request.path = "empty/a.txt";
    expect_error(&request, "'empty/a.txt' is of no kind that holds images");
    request.path = "nowhere";
    expect_error(&request, "cannot read 'nowhere': No such file or directory");
}

/* ---------------------------------------------------------------- fitting */
static void fit(const Picture *picture, int height, int width, ImageFit how, unsigned char *out)
{
    char reason[REASON_SIZE];
    ImageShape shape = {height, width, picture->channels};
    assert_true(picture_fit(picture, shape, how, 3, out, reason));
}

static void pictures_are_cropped_and_resized(void **state)
{
    (void)state;
    static const unsigned char pixels[] = {1,  2,  3,  4,  5,  /* 5 wide, 3 high */
                                           6,  7,  8,  9,  10, //
                                           11, 12, 13, 14, 15};
    Picture picture = {.width = 5, .height = 3, .channels = 1, .bytes = pixels};
    unsigned char out[40];
    fit(&picture, 2, 2, FIT_CROP, out); /* offsets (3 - 2) / 2 = 0 and (5 - 2) / 2 = 1 */
    static const unsigned char middle[] = {2, 3, 7, 8};
    assert_memory_equal(out, middle, sizeof middle);
    fit(&picture, 6, 4, FIT_CROP, out); /* borders (6 - 3) / 2 = 1 above, 2 below */
    static const unsigned char bordered[] = {0,  0,  0,  0,  1, 2, 3, 4, 6, 7, 8, 9,
                                             11, 12, 13, 14, 0, 0, 0, 0, 0, 0, 0, 0};
    assert_memory_equal(out, bordered, sizeof bordered);
    fit(&picture, 2, 3, FIT_RESIZE, out); /* rows 0, 1 (3 / 2); columns 0, 1 (5 / 3), 3 (10 / 3) */
    static const unsigned char resized[] = {1, 2, 4, 6, 7, 9};
    assert_memory_equal(out, resized, sizeof resized);
    fit(&picture, 3, 10, FIT_RESIZE, out);
    static const unsigned char doubled[] = {1, 1, 2, 2, 3, 3, 4, 4, 5, 5};
    assert_memory_equal(out, doubled, sizeof doubled);
    fit(&picture, 2, 2, FIT_RANDOM_CROP, out);
    assert_true(out[1] == out[0] + 1 && out[2] == out[0] + 5 && out[3] == out[0] + 6);
    char reason[REASON_SIZE];
    assert_false(picture_fit(&picture, (ImageShape){4, 4, 1}, FIT_RANDOM_CROP, 0, out, reason));
    assert_string_equal(reason, "is 5 x 3 pixels, too small for a piece of 4 x 4");
}

/* Pieces differ from image to image, reach every offset, and are the same in every run. */
static void random_pieces_are_spread(void **state)
{
    (void)state;
    unsigned char pixels[16], out[4];
    for (int i = 0; i < 16; i++) {
        pixels[i] = (unsigned char)i;
    }
    Picture picture = {.width = 4, .height = 4, .channels = 1, .bytes = pixels};
    int seen[16] = {0};
    char reason[REASON_SIZE];
    for (uint64_t i = 0; i < 900; i++) {
        assert_true(picture_fit(&picture, (ImageShape){2, 2, 1}, FIT_RANDOM_CROP, i, out, reason));
        seen[out[0]]++;
    }
    for (int y = 0; y < 3; y++) {
        for (int x = 0; x < 3; x++) {
            assert_in_range(seen[4 * y + x], 60, 140);
        }
    }
}

static void channels_are_converted(void **state)
{
    (void)state;
    static const unsigned char rgba[] = {100, 200, 50, 7};
    /* 0.299 * 100 + 0.587 * 200 + 0.114 * 50 = 153 */
    static const struct {
        int have, want;
        unsigned char result[4];
    } cases[] = {{1, 3, {100, 100, 100}}, {1, 2, {100, 255}},      {1, 4, {100, 100, 100, 255}},
                 {2, 1, {100}},           {2, 3, {100, 100, 100}}, {2, 4, {100, 100, 100, 200}},
                 {3, 1, {153}},           {3, 2, {153, 255}},      {3, 4, {100, 200, 50, 255}},
                 {4, 1, {153}},           {4, 2, {153, 7}},        {4, 3, {100, 200, 50}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char out[4] = {0};
        char reason[REASON_SIZE];
        Picture picture = {.width = 1, .height = 1, .channels = cases[i].have, .bytes = rgba};
        ImageShape shape = {1, 1, cases[i].want};
        assert_true(picture_fit(&picture, shape, FIT_EXACT, 0, out, reason));
        assert_memory_equal(out, cases[i].result, (size_t)cases[i].want);
    }
}

/* ---------------------------------------------------------------- stacks */
static void stacks_are_mapped_where_they_lie(void **state)
{
    (void)state;
    static const unsigned char bytes[2 * 2 * 3 * 2] = {0, 255, 1,  2,  3,  4,  5,  6,  7,
                                                       8, 9,   10, 20, 21, 22, 23, 24, 25};
    static const unsigned char labels[] = {5, 2};
    fresh_folder("stack");
    put_stack("stack/a.npy", "'|u1'", ", 2, 3, 2", 12, 2, bytes);
    put_stack("stack/a-labels.npy", "'|u1'", ",", 1, 2, labels);
    ImageRequest request = request_of("stack/a.npy", 2, 3, 2, FIT_EXACT);
    ImageSet set = open_set(&request);
    assert_string_equal(set.map.path, "stack/a.npy");
    assert_int_equal(count_files("stack", ".gagac"), 0);
    assert_true(set.class_count == 6 && image_label(&set, 0) == 5 && image_label(&set, 1) == 2);
    Data data;
    assert_true(data_open_images(&data, &set, 2, true, &error));
    real out[24];
    for (int k = 0; k < 24; k++) {
        out[k] = 9;
    }
    data_row(&data, 0, out, 2); /* [channels][height][width], two places apart */
    static const unsigned char planes[] = {0, 1, 3, 5, 7, 9, 255, 2, 4, 6, 8, 10};
    for (int k = 0; k < 12; k++) {
        assert_true(out[2 * k] == (real)(planes[k] / 127.5 - 1) && out[2 * k + 1] == 9);
    }
    assert_true(out[0] == -1 && out[12] == 1);
    assert_true(data_hash(&data) != 0);
    data_close(&data);
    assert_true(image_set_open(&set, &request, &error));
    assert_false(data_open_images(&data, &set, 3, true, &error));
    assert_string_equal(error.message, "'stack/a.npy' has 2 images, fewer than the 3 of a batch");
}

/* Floating-point stacks by their range; a grey stack of three axes. */
static void numbers_are_scaled_by_their_range(void **state)
{
    (void)state;
    static const struct {
        double values[4];
        float expected[4];
    } cases[] = {{{-1, 1, 0, 0.5}, {-1, 1, 0, 0.5f}},
                 {{-1.5, 3, 0, 0.5}, {-1, 1, 0, 0.5f}},
                 {{0, 1, 0.5, 0.25}, {-1, 1, 0, -0.5f}},
                 {{0, 255, 127.5, 51}, {-1, 1, 0, -0.6f}}};
    for (size_t i = 0; i < 4; i++) {
        ImageRequest request = request_of("reals.npy", 2, 2, 1, FIT_EXACT);
        put_stack("reals.npy", "'<f8'", ", 2, 2", 32, 1, cases[i].values);
        ImageSet set = open_set(&request);
        float out[4];
        image_values(&set, 0, out);
        for (int k = 0; k < 4; k++) {
            assert_true(fabsf(out[k] - cases[i].expected[k]) < 1e-6f);
        }
        image_set_close(&set);
    }
    static const float singles[4] = {-1, 0.25f, 0.5f, 1};
    put_stack("singles.npy", "'<f4'", ", 2, 2", 16, 1, singles);
    ImageRequest request = request_of("singles.npy", 2, 2, 1, FIT_EXACT);
    ImageSet set = open_set(&request);
    assert_string_equal(set.map.path, "singles.npy"); /* where it lies */
    image_set_close(&set);
    request = request_of("singles.npy", 4, 4, 3, FIT_CROP); /* borders are -1 in numbers too */
    set = open_set(&request);
    float out[48];
    image_values(&set, 0, out);
    assert_true(out[0] == -1 && out[3 * 6] == 0.25f && out[3 * 6 + 2] == 0.25f);
    image_set_close(&set);
}

static void other_arrays_are_no_stacks(void **state)
{
    (void)state;
    static const double values[8] = {-50, 0, 0, 0, 0, 0, 0, 0};
    ImageRequest request = request_of("other.npy", 2, 2, 1, FIT_EXACT);
    put_stack("other.npy", "'<f8'", ", 2, 2", 32, 2, values);
    expect_error(&request, "'other.npy' holds numbers from -50 to 0, which is no range of pixels");
    put_stack("other.npy", "'<f8'", ", 2", 16, 4, values);
    expect_error(&request, "'other.npy' is no stack of images: it needs the axes (number, height, "
                           "width) or (number, height, width, channels)");
    put_stack("other.npy", "'<i4'", ", 2, 2", 16, 4, values);
    expect_error(&request, "'other.npy' is no stack of images: its numbers are neither bytes (u1) "
                           "nor floating-point (f2, f4, f8)");
    put_stack("other.npy", "'|u1'", ", 1, 4, 8", 32, 2, values);
    expect_error(&request, "'other.npy' is no stack of images: its channels seem to be the second "
                           "axis, they belong last");
    put_stack("other.npy", "'|u1'", ", 4, 4", 16, 4, values);
    expect_error(&request, "'other.npy, image 0' is 4 x 4 pixels (width x height), not 2 x 2");
    put_stack("other.npy", "'|u1'", ", 2, 2, 7", 28, 2, values);
    expect_error(&request, "'other.npy, image 0' has 7 channels, not 1");
}

/* ---------------------------------------------------------------- IDX and CIFAR */
static const unsigned char idx[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2,  0,  0,
                                    0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static void put_gzip(const char *path, const void *bytes, unsigned size)
{
    gzFile file = gzopen(path, "wb");
    assert_int_equal(gzwrite(file, bytes, size), (int)size);
    assert_int_equal(gzclose(file), Z_OK);
}

static void idx_files_are_read(void **state)
{
    (void)state;
    static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 9, 3};
    fresh_folder("idx");
    put_file("idx/train-images-idx3-ubyte", idx, sizeof idx);
    put_file("idx/train-labels-idx1-ubyte", labels, sizeof labels);
    ImageRequest request = request_of("idx/train-images-idx3-ubyte", 2, 3, 1, FIT_EXACT);
    for (int turn = 0; turn < 3; turn++) {
        ImageSet set = open_set(&request);
        assert_true(set.count == 2 && set.class_count == 10);
        assert_int_equal(image_bytes(&set, 1)[2], 9);
        assert_true(image_label(&set, 0) == 9 && image_label(&set, 1) == 3);
        image_set_close(&set);
        fresh_folder("idx"); /* the same compressed, then by the folder's name */
        put_gzip("idx/train-images-idx3-ubyte.gz", idx, sizeof idx);
        put_gzip("idx/train-labels-idx1-ubyte.gz", labels, sizeof labels);
        request.path = turn ? "idx" : "idx/train-images-idx3-ubyte.gz";
    }
}

static void damaged_idx_files_are_errors(void **state)
{
    (void)state;
    static unsigned char bytes[sizeof idx];
    ImageRequest request = request_of("bad.idx", 2, 3, 1, FIT_EXACT);
    put_file("bad.idx", idx, sizeof idx - 1);
    expect_error(&request, "'bad.idx' should hold 12 bytes by its header, but holds 11");
    memcpy(bytes, idx, sizeof idx);
    bytes[2] = 13;
    put_file("bad.idx", bytes, sizeof idx);
    expect_error(&request,
                 "'bad.idx' is not an IDX file we can read: its values are no unsigned bytes (type "
                 "8)");
    bytes[2] = 8;
    memset(bytes + 4, 255, 12); /* 2^96 bytes */
    put_file("bad.idx", bytes, sizeof idx);
    expect_error(&request, "'bad.idx' is not an IDX file we can read: its size is beyond 64 bits");
    bytes[3] = 2;
    put_file("bad.idx", idx, 7);
    expect_error(&request,
                 "'bad.idx' is not an IDX file we can read: it does not start with the magic bytes "
                 "0 0");
    put_gzip("bad.gz", idx, sizeof idx);
    Map map = {0};
    assert_true(map_open(&map, "bad.gz", &error));
    unsigned char whole[200];
    size_t size = map.size;
    memcpy(whole, map.bytes, size);
    map_close(&map);
    request.path = "bad.gz";
    for (size_t cut = 4; cut < size; cut++) {
        put_file("bad.gz", whole, cut);
        ImageSet set;
        assert_false(image_set_open(&set, &request, &error));
        assert_non_null(strstr(error.message, "'bad.gz' cannot be decompressed"));
    }
}

static void cifar_files_are_read(void **state)
{
    (void)state;
    static unsigned char bytes[3 * 3074];
    fresh_folder("cifar");
    for (int labels = 1; labels <= 2; labels++) {
        size_t record = (size_t)labels + 3072;
        for (size_t i = 0; i < 3; i++) {
            bytes[i * record] = (unsigned char)(3 * i);
            bytes[i * record + (size_t)labels - 1] = (unsigned char)(3 * i);
            for (size_t k = 0; k < 3072; k++) {
                bytes[i * record + (size_t)labels + k] = (unsigned char)(i + k / 1024 * 50);
            }
        }
        const char *path = labels == 1 ? "cifar/data_batch_1.bin" : "cifar/train.bin";
        put_file(path, bytes, 3 * record);
        ImageRequest request = request_of(labels == 1 ? "cifar" : path, 32, 32, 3, FIT_EXACT);
        ImageSet set = open_set(&request);
        assert_true(set.count == 3 && set.class_count == (labels == 1 ? 10 : 100));
        assert_int_equal(image_label(&set, 2), 6);
        static const unsigned char pixel[] = {2, 52, 102};
        assert_memory_equal(image_bytes(&set, 2) + 99 * 3, pixel, 3);
        image_set_close(&set);
    }
    put_file("cifar/data_batch_1.bin", bytes, 3000);
    ImageRequest request = request_of("cifar/data_batch_1.bin", 32, 32, 3, FIT_EXACT);
    expect_error(&request, "'cifar/data_batch_1.bin' is no binary file of CIFAR-10 or CIFAR-100");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_their_natural_order),
        cmocka_unit_test(a_folder_is_read_in_order_with_its_classes),
        cmocka_unit_test(packed_files_are_used_again),
        cmocka_unit_test(broken_files_are_left_out),
        cmocka_unit_test(what_is_no_data_set_is_an_error),
        cmocka_unit_test(pictures_are_cropped_and_resized),
        cmocka_unit_test(random_pieces_are_spread),
        cmocka_unit_test(channels_are_converted),
        cmocka_unit_test(stacks_are_mapped_where_they_lie),
        cmocka_unit_test(numbers_are_scaled_by_their_range),
        cmocka_unit_test(other_arrays_are_no_stacks),
        cmocka_unit_test(idx_files_are_read),
        cmocka_unit_test(damaged_idx_files_are_errors),
        cmocka_unit_test(cifar_files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
