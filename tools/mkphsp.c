/* mkphsp.c -- makes phase-space files for demonstrations and tests, so that none needs to be
 * downloaded.
 *
 * The default is a small Monte Carlo of the head of a 6 MV linac; --gauss and --gauss-cond make
 * the sets of known truth. Row i depends on the seed and on i alone: a longer file starts with
 * the rows of a shorter one.
 *
 *   electrons -> target -> primary collimator -> flattening filter -> scoring plane
 *
 * Units are MeV and mm; the beam runs along +z, the target is at z = 0. */
#define _POSIX_C_SOURCE 200809L
#include "fail.h"
#include "npy.h"
#include "options.h"
#include "rng.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double PI = 3.14159265358979323846;
static const double ELECTRON_MASS = 0.51099895; /* MeV */

/* ---------------------------------------------------------------- random numbers */
typedef struct Stream { /* the endless uniform numbers of one row */
    uint32_t key[2];
    uint64_t row;
    uint32_t block;
    uint32_t words[4];
    int used;
} Stream;

static Stream open_stream(uint64_t seed, uint64_t row)
{
    Stream stream = {.key = {(uint32_t)seed, (uint32_t)(seed >> 32)}, .row = row, .used = 4};
    return stream;
}

/* Uniform in (0, 1), both ends excluded. */
static double draw_uniform(Stream *stream)
{
    if (stream->used == 4) {
        uint32_t *words = stream->words;
        words[0] = (uint32_t)stream->row;
        words[1] = (uint32_t)(stream->row >> 32);
        words[2] = 0;
        words[3] = stream->block++;
        philox4x32(words, stream->key);
        stream->used = 0;
    }
    return (stream->words[stream->used++] + 0.5) * 0x1p-32;
}

/* Two independent standard normals (Box and Muller). */
static void draw_normals(Stream *stream, double pair[2])
{
    double radius = sqrt(-2.0 * log(draw_uniform(stream)));
    double angle = 2.0 * PI * draw_uniform(stream);
    pair[0] = radius * cos(angle);
    pair[1] = radius * sin(angle);
}

/* ---------------------------------------------------------------- the linac head */
static const double BEAM_ENERGY = 6.0;       /* of the electrons on the target */
static const double LOWEST_ENERGY = 0.05;    /* photons below are absorbed on the spot */
static const double TARGET_CUTOFF = 0.15;    /* the target keeps exp(-(cutoff/k)^3) of energy k */
static const double TARGET_LINE = 0.02;      /* share of annihilation photons, from the target */
static const double SPOT_SIGMA = 0.7;        /* of the electron beam on the target, in x and y */
static const double COLLIMATOR_Z = 80.0;     /* lower rim of the primary collimator */
static const double COLLIMATOR_SLOPE = 0.25; /* tangent of its half angle */
static const double FILTER_Z = 125.0;        /* upper face of the flattening filter, of copper */
static const double FILTER_RADIUS = 32.0;
static const double FILTER_HEIGHT = 15.0; /* on the axis */
static const double FILTER_WIDTH = 18.0;  /* thickness = height * exp(-(r/width)^2) */
static const double PLANE_Z = 271.0;
static const double PLANE_RADIUS = 120.0;

typedef struct Photon {
    double energy;
    double x, y, z;
    double dx, dy, dz; /* unit vector */
} Photon;

/* Thick-target bremsstrahlung: number per energy ~ (E0 - k)/k (Kramers 1923), hardened by the
 * target itself. */
static double draw_bremsstrahlung(Stream *stream)
{
    for (;;) {
        double energy = LOWEST_ENERGY * pow(BEAM_ENERGY / LOWEST_ENERGY, draw_uniform(stream));
        double cutoff = TARGET_CUTOFF / energy;
        double survival = exp(-cutoff * cutoff * cutoff);
        if (draw_uniform(stream) < (1.0 - energy / BEAM_ENERGY) * survival) {
            return energy;
        }
    }
}

/* A photon as it leaves the target: the harder, the nearer to the axis. The squared slope s
 * follows 1/(1 + s/w^2)^2 up to a little outside the collimator, with a width w that falls with
 * the energy. */
static Photon emit_photon(bool lines, Stream *stream)
{
    double spot[2];
    draw_normals(stream, spot);
    double energy =
        draw_uniform(stream) < TARGET_LINE && lines ? ELECTRON_MASS : draw_bremsstrahlung(stream);
    double width = 0.45 / (1.0 + energy / BEAM_ENERGY);
    double limit = COLLIMATOR_SLOPE * 1.1 / width;
    double share = draw_uniform(stream) * limit * limit / (1.0 + limit * limit);
    double slope = width * sqrt(share / (1.0 - share));
    double azimuth = 2.0 * PI * draw_uniform(stream);
    double dz = 1.0 / sqrt(1.0 + slope * slope);
    Photon photon = {
        .energy = energy,
        .x = SPOT_SIGMA * spot[0],
        .y = SPOT_SIGMA * spot[1],
        .dx = dz * slope * cos(azimuth),
        .dy = dz * slope * sin(azimuth),
        .dz = dz,
    };
    return photon;
}

static void fly_to_plane(Photon *photon, double z)
{
    double path = (z - photon->z) / photon->dz;
    photon->x += path * photon->dx;
    photon->y += path * photon->dy;
    photon->z = z;
}

static bool is_within(const Photon *photon, double radius)
{
    return photon->x * photon->x + photon->y * photon->y < radius * radius;
}

/* Turns the direction by the polar angle of the given cosine, at a random azimuth. */
static void deflect_photon(Photon *photon, double cosine, Stream *stream)
{
    double sine = sqrt(fmax(0.0, 1.0 - cosine * cosine));
    double azimuth = 2.0 * PI * draw_uniform(stream);
    double a = sine * cos(azimuth), b = sine * sin(azimuth);
    double dx = photon->dx, dy = photon->dy, dz = photon->dz;
    double across = sqrt(dx * dx + dy * dy);
    if (across < 1e-9) {
        photon->dx = a;
        photon->dy = b;
        photon->dz = dz < 0.0 ? -cosine : cosine;
        return;
    }
    photon->dx = dx * cosine + (a * dx * dz - b * dy) / across;
    photon->dy = dy * cosine + (a * dy * dz + b * dx) / across;
    photon->dz = dz * cosine - a * across;
}

/* Compton scatter off a free electron at rest: e = k'/k from the Klein-Nishina formula by the
 * composition and rejection of Butcher and Messel (1960), the angle from the kinematics 1 - cos =
 * (1 - e)/(e k/m). */
static void scatter_photon(Photon *photon, Stream *stream)
{
    double reduced = photon->energy / ELECTRON_MASS;
    double lowest = 1.0 / (1.0 + 2.0 * reduced);
    double log_part = -log(lowest), square_part = 0.5 * (1.0 - lowest * lowest);
    for (;;) {
        double u = draw_uniform(stream);
        double e = draw_uniform(stream) * (log_part + square_part) < log_part
                       ? exp(-log_part * u)
                       : sqrt(lowest * lowest + (1.0 - lowest * lowest) * u);
        double t = (1.0 - e) / (reduced * e);
        double sine_squared = t * (2.0 - t);
        if (draw_uniform(stream) < 1.0 - e * sine_squared / (1.0 + e * e)) {
            photon->energy *= e;
            deflect_photon(photon, 1.0 - t, stream);
            return;
        }
    }
}

/* Compton interactions per mm of copper: the Klein-Nishina cross section times 2.463e21 electrons
 * per mm^3. */
static double compton_rate(double energy)
{
    const double scale = 0.122880; /* 2 pi r_e^2 [mm^2] times electrons per mm^3 */
    double k = energy / ELECTRON_MASS;
    double wide = 1.0 + 2.0 * k;
    double log_wide = log(wide);
    return scale * ((1.0 + k) / (k * k) * (2.0 * (1.0 + k) / wide - log_wide / k) +
                    log_wide / (2.0 * k) - (1.0 + 3.0 * k) / (wide * wide));
}

/* Absorption by the photoelectric effect and pairs in the field of the nucleus, per mm of copper:
 * fits good to 10 %. */
static double photoelectric_rate(double energy)
{
    double ratio = 0.1 / energy;
    return 0.25 * ratio * ratio * ratio;
}

static double pair_rate(double energy) { return 0.00192 * fmax(0.0, energy - 2.0 * ELECTRON_MASS); }

/* One interaction in the filter. A pair leaves one annihilation photon, of any direction, when
 * lines are wanted: of the two back to back at most one can reach the plane. False when the
 * photon is gone. */
static bool interact(Photon *photon, bool lines, Stream *stream)
{
    double compton = compton_rate(photon->energy), pair = pair_rate(photon->energy);
    double choice = draw_uniform(stream) * (compton + pair + photoelectric_rate(photon->energy));
    if (choice < compton) {
        scatter_photon(photon, stream);
        return photon->energy > LOWEST_ENERGY;
    }
    if (choice >= compton + pair || !lines) {
        return false;
    }
    photon->energy = ELECTRON_MASS;
    deflect_photon(photon, 1.0 - 2.0 * draw_uniform(stream), stream);
    return true;
}

/* Follows a photon through the flattening filter, taken as a slab of the thickness found where
 * the photon enters: the cone hardens the beam most on the axis, and adds a halo of softer
 * photons that come from the filter and not from the target. False when nothing comes out below. */
static bool cross_filter(Photon *photon, bool lines, Stream *stream)
{
    double radius = sqrt(photon->x * photon->x + photon->y * photon->y) / FILTER_WIDTH;
    double bottom = FILTER_Z + FILTER_HEIGHT * exp(-radius * radius);
    for (;;) {
        double rate = compton_rate(photon->energy) + pair_rate(photon->energy) +
                      photoelectric_rate(photon->energy);
        double path = -log(draw_uniform(stream)) / rate;
        if (photon->z + path * photon->dz >= bottom) {
            return true;
        }
        photon->x += path * photon->dx;
        photon->y += path * photon->dy;
        photon->z += path * photon->dz;
        if (photon->z <= FILTER_Z || !is_within(photon, FILTER_RADIUS) ||
            !interact(photon, lines, stream)) {
            return false;
        }
    }
}

/* One history. False when the photon does not reach the plane. */
static bool follow_photon(Photon *photon, bool lines, Stream *stream)
{
    *photon = emit_photon(lines, stream);
    fly_to_plane(photon, COLLIMATOR_Z);
    if (!is_within(photon, COLLIMATOR_Z * COLLIMATOR_SLOPE)) {
        return false;
    }
    fly_to_plane(photon, FILTER_Z);
    if (!cross_filter(photon, lines, stream)) {
        return false;
    }
    fly_to_plane(photon, PLANE_Z);
    return is_within(photon, PLANE_RADIUS);
}

/* ---------------------------------------------------------------- what a row can hold */
enum { MAX_COLUMNS = 7 };

typedef struct Settings { /* the command line */
    const char *path;
    int64_t rows;
    uint64_t seed;
    const char *columns; /* names separated by spaces; NULL: the default of the source */
    const char *gauss;   /* "v1" or "v2"; NULL: not asked for */
    bool conditional;
    int64_t modes; /* of the conditional set */
    bool no_lines; /* no annihilation photons */
} Settings;

typedef struct Source {               /* one kind of file */
    const char *columns[MAX_COLUMNS]; /* in the order in which draw() gives their values */
    int column_count;
    int default_count; /* how many of them a file has when --columns does not say */
    void (*draw)(const Settings *settings, Stream *stream, double *values);
} Source;

static void draw_linac_row(const Settings *settings, Stream *stream, double *values)
{
    Photon photon;
    while (!follow_photon(&photon, !settings->no_lines, stream)) {
        continue;
    }
    double all[MAX_COLUMNS] = {photon.energy, photon.x,  photon.y, photon.dx,
                               photon.dy,     photon.dz, photon.z};
    memcpy(values, all, sizeof all);
}

/* A point of N([x, y], diag(variance_x, variance_y)). */
static void draw_gauss_point(Stream *stream, const double mean[2], const double variance[2],
                             double *values)
{
    double pair[2];
    draw_normals(stream, pair);
    for (int axis = 0; axis < 2; axis++) {
        values[axis] = mean[axis] + sqrt(variance[axis]) * pair[axis];
    }
}

static void draw_gauss_row(const Settings *settings, Stream *stream, double *values)
{
    static const struct {
        double below, mean[2], variance[2];
    } single = {1.0, {-2, 3}, {5, 2}},
      mixture[3] = {{0.50, {5, 0}, {5, 10}}, {0.85, {2, 2}, {2, 1}}, {1.0, {-4, -2}, {0.01, 1}}};
    if (strcmp(settings->gauss, "v1") == 0) {
        draw_gauss_point(stream, single.mean, single.variance, values);
        return;
    }
    double choice = draw_uniform(stream);
    int part = 0;
    while (choice >= mixture[part].below) {
        part++;
    }
    draw_gauss_point(stream, mixture[part].mean, mixture[part].variance, values);
}

/* Mode k of the conditional set is N([k, k/3], diag(0.005, 0.2)) under the condition (k, k/3). */
static void draw_conditional_row(const Settings *settings, Stream *stream, double *values)
{
    static const double variance[2] = {0.005, 0.2};
    double mode = floor(draw_uniform(stream) * (double)settings->modes);
    double centre[2] = {mode, mode / 3.0};
    draw_gauss_point(stream, centre, variance, values);
    memcpy(values + 2, centre, sizeof centre);
}

static const Source linac_source = {
    {"Ekine", "X", "Y", "dX", "dY", "dZ", "Z"}, 7, 6, draw_linac_row};
static const Source gauss_source = {{"X", "Y"}, 2, 2, draw_gauss_row};
static const Source conditional_source = {{"X", "Y", "cx", "cy"}, 4, 4, draw_conditional_row};

/* ---------------------------------------------------------------- the file */
typedef struct Choice { /* the columns of the file */
    int count;
    const char *names[MAX_COLUMNS];
    int values[MAX_COLUMNS]; /* which of the source's values */
} Choice;

static int find_column(const Source *source, const char *name)
{
    for (int k = 0; k < source->column_count; k++) {
        if (!strcmp(name, source->columns[k])) {
            return k;
        }
    }
    const char *near = nearest_word(name, source->columns, (size_t)source->column_count);
    char hint[64];
    snprintf(hint, sizeof hint, near ? "did you mean %s?" : "--help lists the columns", near);
    fail(EXIT_USAGE, hint, "--columns: there is no column '%s' in this kind of file", name);
}

static void add_column(Choice *choice, const Source *source, const char *name)
{
    int value = find_column(source, name);
    for (int k = 0; k < choice->count; k++) {
        if (choice->values[k] == value) {
            fail(EXIT_USAGE, NULL, "--columns: '%s' is there twice", name);
        }
    }
    choice->names[choice->count] = source->columns[value];
    choice->values[choice->count++] = value;
}

static Choice choose_columns(const Source *source, const char *text)
{
    Choice choice = {0};
    if (!text) {
        for (int k = 0; k < source->default_count; k++) {
            add_column(&choice, source, source->columns[k]);
        }
        return choice;
    }
    const char *separators = " ,\t";
    for (text += strspn(text, separators); *text; text += strspn(text, separators)) {
        size_t length = strcspn(text, separators);
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name),
                 text);
        add_column(&choice, source, name);
        text += length;
    }
    if (choice.count == 0) {
        fail(EXIT_USAGE, NULL, "--columns names no column");
    }
    return choice;
}

static void write_rows(const Settings *settings, const Source *source, const Choice *choice)
{
    enum { CHUNK = 4096 };
    static float chunk[CHUNK * MAX_COLUMNS];
    NpyWriter writer;
    Error error;
    if (!npy_create(&writer, settings->path, choice->names, choice->count, (uint64_t)settings->rows,
                    &error)) {
        fail_error(&error);
    }
    for (int64_t row = 0; row < settings->rows; row += CHUNK) {
        int64_t left = settings->rows - row;
        int count = left < CHUNK ? (int)left : CHUNK;
        float *to = chunk;
        for (int i = 0; i < count; i++) {
            double values[MAX_COLUMNS];
            Stream stream = open_stream(settings->seed, (uint64_t)(row + i));
            source->draw(settings, &stream, values);
            for (int k = 0; k < choice->count; k++) {
                *to++ = (float)values[choice->values[k]];
            }
        }
        if (!npy_append(&writer, chunk, (size_t)count, &error)) {
            npy_abandon(&writer);
            fail_error(&error);
        }
    }
    if (!npy_finish(&writer, &error)) {
        fail_error(&error);
    }
}

static const char purpose[] =
    "Writes a structured float32 .npy: by default photons of a 6 MV linac on a plane 271 mm below\n"
    "the target (Ekine in MeV, X Y in mm, direction dX dY dZ), from a small Monte Carlo:\n"
    "bremsstrahlung of a thick target, harder near the axis; a conical collimator, which ties the\n"
    "direction to the position; a copper flattening filter with Compton (Klein-Nishina),\n"
    "photoelectric and pair interactions: a soft halo, and a sharp line at 0.511 MeV.\n"
    "Cross sections are fits good to 10 %. For demonstrations and tests, not for dosimetry.";

static void parse_settings(Settings *settings, int argc, char **argv)
{
    const int64_t max_rows = 1000000000000;
    const Option options[] = {
        {"--output", "-o", "FILE", "the file to write", OPTION_TEXT, &settings->path, 0, 0},
        {"--rows", "-n", "N", "rows (100000)", OPTION_NUMBER, &settings->rows, 1, max_rows},
        {"--seed", NULL, "S", "seed of the random numbers (1)", OPTION_SEED, &settings->seed, 0, 0},
        {"--columns", NULL, "NAMES", "columns in this order (\"Ekine X Y dX dY dZ\"; also: Z)",
         OPTION_TEXT, &settings->columns, 0, 0},
        {"--no-lines", NULL, NULL, "without annihilation photons", OPTION_FLAG, &settings->no_lines,
         0, 0},
        {NULL, NULL, NULL, "instead of photons, sets of known truth:", OPTION_TITLE, NULL, 0, 0},
        {"--gauss", NULL, "v1|v2", "X Y: N([-2,3], diag(5,2)), or a mixture of three", OPTION_TEXT,
         &settings->gauss, 0, 0},
        {"--gauss-cond", NULL, NULL, "X Y cx cy: N([k,k/3], diag(0.005,0.2)) given cx=k, cy=k/3",
         OPTION_FLAG, &settings->conditional, 0, 0},
        {"--modes", NULL, "M", "k = 0 .. M-1 of --gauss-cond (5)", OPTION_NUMBER, &settings->modes,
         1, 1000000},
    };
    const CommandLine line = {"mkphsp", purpose, options, sizeof options / sizeof options[0], NULL};
    fail_program("mkphsp");
    options_parse(&line, argc, argv);
    if (!settings->path) {
        fail(EXIT_USAGE, "--help lists the options", "no output file: -o FILE");
    }
    if (settings->gauss && strcmp(settings->gauss, "v1") && strcmp(settings->gauss, "v2")) {
        fail(EXIT_USAGE, NULL, "--gauss is v1 or v2, not '%s'", settings->gauss);
    }
    if (settings->gauss && settings->conditional) {
        fail(EXIT_USAGE, NULL, "--gauss and --gauss-cond exclude each other");
    }
}

int main(int argc, char **argv)
{
    Settings settings = {.rows = 100000, .seed = 1, .modes = 5};
    parse_settings(&settings, argc, argv);
    const Source *source = settings.gauss         ? &gauss_source
                           : settings.conditional ? &conditional_source
                                                  : &linac_source;
    Choice choice = choose_columns(source, settings.columns);
    write_rows(&settings, source, &choice);
    return EXIT_OK;
}
