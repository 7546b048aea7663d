/* mkshapes.c -- makes small images of shapes for demonstrations and tests, so that none need to be
 * downloaded.
 *
 * One shape an image, of a random place, size, angle and colour, with smooth edges, on a darker
 * ground that changes slowly. Image i depends on the seed and on i alone: a longer set starts with
 * the images of a shorter one. Lengths are in halves of the image's side, its middle is (0, 0). */
#define _POSIX_C_SOURCE 200809L
#include "fail.h"
#include "image_png.h"
#include "npy.h"
#include "options.h"
#include "place.h"
#include "rng.h"
#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const double PI = 3.14159265358979323846;

enum { CLASS_COUNT = 8, MAX_SIZE = 512 };
static const char *const class_names[CLASS_COUNT] = {"disc",  "square", "triangle", "star",
                                                     "cross", "ring",   "moon",     "bars"};

typedef struct Settings {
    int64_t count, size, channels, classes;
    uint64_t seed;
    const char *path;
} Settings;

typedef struct Scene { /* what is random in an image */
    int shape;
    double x, y, radius, cosine, sine;
    double colour[3], ground[3], slope_x, slope_y; /* of the ground: brighter in a direction */
} Scene;

/* ---------------------------------------------------------------- shapes */
/* Distances to the edge of a shape of radius 1 around the middle: negative inside. Exact near the
 * edge, where it matters. */
static double box(double x, double y, double half_width, double half_height)
{
    double dx = fabs(x) - half_width, dy = fabs(y) - half_height;
    double outside = sqrt(fmax(dx, 0) * fmax(dx, 0) + fmax(dy, 0) * fmax(dy, 0));
    return outside + fmin(fmax(dx, dy), 0);
}

static double disc(double x, double y, double radius) { return sqrt(x * x + y * y) - radius; }

/* A regular polygon with a corner at the top, its sides `inner` from the middle. */
static double polygon(double x, double y, int sides, double inner)
{
    double far = -INFINITY;
    for (int k = 0; k < sides; k++) {
        double angle = 2 * PI * (k + 0.5) / sides;
        far = fmax(far, x * sin(angle) - y * cos(angle) - inner);
    }
    return far;
}

/* A pentagram: what lies inside of at least four of the five lines through its corners. */
static double star(double x, double y)
{
    double lines[5];
    for (int k = 0; k < 5; k++) {
        double angle = 2 * PI * (k + 0.5) / 5, distance = x * sin(angle) - y * cos(angle) - 0.35;
        int place = k;
        for (; place > 0 && lines[place - 1] < distance; place--) {
            lines[place] = lines[place - 1];
        }
        lines[place] = distance;
    }
    return lines[1]; /* the largest but one */
}

static double shape_distance(int shape, double x, double y)
{
    switch (shape) {
    case 0:
        return disc(x, y, 0.9);
    case 1:
        return box(x, y, 0.75, 0.75);
    case 2:
        return polygon(x, y, 3, 0.5);
    case 3:
        return star(x, y);
    case 4:
        return fmin(box(x, y, 0.95, 0.25), box(x, y, 0.25, 0.95));
    case 5:
        return fabs(disc(x, y, 0.72)) - 0.2;
    case 6:
        return fmax(disc(x, y, 0.9), -disc(x - 0.45, y, 0.75));
    default:
        return fmin(box(x, y - 0.6, 0.9, 0.18),
                    fmin(box(x, y, 0.9, 0.18), box(x, y + 0.6, 0.9, 0.18)));
    }
}

/* ---------------------------------------------------------------- images */
/* Uniform in [0, 1): number k of image i. */
static double uniform(const Settings *settings, uint64_t image, uint32_t k)
{
    uint32_t words[4] = {(uint32_t)image, (uint32_t)(image >> 32), 0x73686170, k / 4};
    const uint32_t key[2] = {(uint32_t)settings->seed, (uint32_t)(settings->seed >> 32)};
    philox4x32(words, key);
    return words[k % 4] * 0x1p-32;
}

/* A hue on the circle of red, green and blue, as bright as asked. */
static void paint(double hue, double brightness, double colour[3])
{
    for (int c = 0; c < 3; c++) {
        double wave = 0.5 + 0.5 * cos(2 * PI * (hue - c / 3.0));
        colour[c] = brightness * (0.35 + 0.65 * wave);
    }
}

static Scene draw_scene(const Settings *settings, uint64_t image)
{
    double u[10];
    for (uint32_t k = 0; k < 10; k++) {
        u[k] = uniform(settings, image, k);
    }
    Scene scene = {.shape = (int)(u[0] * (double)settings->classes),
                   .radius = 0.4 + 0.35 * u[1],
                   .cosine = cos(0.8 * (u[2] - 0.5)),
                   .sine = sin(0.8 * (u[2] - 0.5)),
                   .slope_x = 0.1 * (u[5] - 0.5),
                   .slope_y = 0.1 * (u[6] - 0.5)};
    double free = 0.9 - scene.radius;
    scene.x = free * (2 * u[3] - 1);
    scene.y = free * (2 * u[4] - 1);
    double bright = 0.7 + 0.3 * u[7], dark = 0.05 + 0.2 * u[8];
    for (int c = 0; c < 3; c++) {
        scene.colour[c] = bright;
        scene.ground[c] = dark;
    }
    if (settings->channels == 3) {
        paint(u[9], bright, scene.colour);
        paint(u[9] + 0.5, dark, scene.ground);
    }
    return scene;
}

static void render(const Settings *settings, const Scene *scene, unsigned char *pixels)
{
    double half = (double)settings->size / 2;
    for (int64_t row = 0; row < settings->size; row++) {
        for (int64_t column = 0; column < settings->size; column++) {
            double x = ((double)column + 0.5) / half - 1, y = ((double)row + 0.5) / half - 1;
            double right = (x - scene->x) / scene->radius, down = (y - scene->y) / scene->radius;
            double distance =
                shape_distance(scene->shape, scene->cosine * right + scene->sine * down,
                               scene->cosine * down - scene->sine * right);
            double cover = fmin(fmax(0.5 - distance * scene->radius * half, 0), 1);
            for (int64_t c = 0; c < settings->channels; c++) {
                double ground = scene->ground[c] + scene->slope_x * x + scene->slope_y * y;
                double level = cover * scene->colour[c] + (1 - cover) * fmax(ground, 0);
                *pixels++ = (unsigned char)(255 * fmin(level, 1) + 0.5);
            }
        }
    }
}

/* ---------------------------------------------------------------- files */
static ImageShape shape_of(const Settings *settings)
{
    return (ImageShape){(int)settings->size, (int)settings->size, (int)settings->channels};
}

/* NAME.npy: bytes [n][size][size][channels]; NAME-labels.npy: bytes [n]. */
static bool write_stack(const Settings *settings, Error *error)
{
    ImageShape shape = shape_of(settings);
    size_t size = image_size(shape), length = strlen(settings->path);
    char axes[64], *labels_path = allocate(length + 16, 1);
    snprintf(axes, sizeof axes, ", %d, %d, %d", shape.height, shape.width, shape.channels);
    snprintf(labels_path, length + 16, "%.*s-labels.npy", (int)length - 4, settings->path);
    NpyForm images_form = {"'|u1'", axes, size}, labels_form = {"'|u1'", ",", 1};
    NpyWriter images, labels;
    uint64_t count = (uint64_t)settings->count;
    unsigned char *pixels = allocate(size, 1);
    bool good = npy_create_form(&images, settings->path, &images_form, count, error);
    bool both = good && npy_create_form(&labels, labels_path, &labels_form, count, error);
    for (uint64_t i = 0; both && i < count; i++) {
        Scene scene = draw_scene(settings, i);
        unsigned char label = (unsigned char)scene.shape;
        render(settings, &scene, pixels);
        both = npy_append(&images, pixels, 1, error) && npy_append(&labels, &label, 1, error);
    }
    if (both) {
        both = npy_finish(&labels, error) && npy_finish(&images, error);
    } else if (good) {
        npy_abandon(&images);
    }
    free(pixels);
    free(labels_path);
    return both;
}

static bool make_folder(const char *path, Error *error)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST ||
           error_set(error, EXIT_IO, NULL, "cannot make the folder '%s': %s", path,
                     strerror(errno));
}

/* FOLDER/CLASS/NNNNNN.png */
static bool write_folders(const Settings *settings, Error *error)
{
    ImageShape shape = shape_of(settings);
    unsigned char *pixels = allocate(image_size(shape), 1);
    char *folders[CLASS_COUNT];
    bool good = make_folder(settings->path, error);
    for (int k = 0; k < CLASS_COUNT; k++) {
        folders[k] = path_join(settings->path, class_names[k]);
        good = good && (k >= settings->classes || make_folder(folders[k], error));
    }
    for (int64_t i = 0; good && i < settings->count; i++) {
        char name[32];
        Scene scene = draw_scene(settings, (uint64_t)i);
        render(settings, &scene, pixels);
        snprintf(name, sizeof name, "%06" PRId64 ".png", i);
        char *path = path_join(folders[scene.shape], name);
        good = png_write(path, pixels, shape, error);
        free(path);
    }
    for (int k = 0; k < CLASS_COUNT; k++) {
        free(folders[k]);
    }
    free(pixels);
    return good;
}

static const char purpose[] =
    "Writes small images of shapes: disc, square, triangle, star, cross, ring, moon, bars, each "
    "of\n"
    "a random place, size, angle and colour. A name that ends with .npy gives an array of bytes\n"
    "[n][size][size][channels] and the classes in NAME-labels.npy, a folder a PNG each in a\n"
    "sub-folder for every class. For demonstrations and tests.";

static void parse_settings(Settings *settings, int argc, char **argv)
{
    const Option options[] = {
        {"--output", "-o", "NAME", "NAME.npy, or a folder", OPTION_TEXT, &settings->path, 0, 0},
        {"--count", "-n", "N", "images (10000)", OPTION_NUMBER, &settings->count, 1, 100000000},
        {"--size", NULL, "S", "pixels of a side (32)", OPTION_NUMBER, &settings->size, 4, MAX_SIZE},
        {"--channels", NULL, "C", "1 grey, 3 RGB (3)", OPTION_NUMBER, &settings->channels, 1, 3},
        {"--classes", NULL, "K", "the first K shapes of the list (8)", OPTION_NUMBER,
         &settings->classes, 1, CLASS_COUNT},
        {"--seed", NULL, "S", "seed of the random numbers (1)", OPTION_SEED, &settings->seed, 0, 0},
    };
    const CommandLine line = {"mkshapes", purpose, options, sizeof options / sizeof options[0],
                              NULL};
    fail_program("mkshapes");
    options_parse(&line, argc, argv);
    if (!settings->path || !settings->path[0]) {
        fail(EXIT_USAGE, "--help lists the options", "no output is given: -o NAME");
    }
    if (settings->channels == 2) {
        fail(EXIT_USAGE, NULL, "--channels is 1 (grey) or 3 (RGB)");
    }
}

int main(int argc, char **argv)
{
    Settings settings = {
        .count = 10000, .size = 32, .channels = 3, .classes = CLASS_COUNT, .seed = 1};
    Error error = {0};
    parse_settings(&settings, argc, argv);
    size_t length = strlen(settings.path);
    bool stack = length > 4 && !strcmp(settings.path + length - 4, ".npy");
    if (!(stack ? write_stack : write_folders)(&settings, &error)) {
        fail_error(&error);
    }
    return EXIT_OK;
}
