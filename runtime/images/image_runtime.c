/* image_runtime.c -- what a training of images shows: pictures of samples on the way, and its
 * report.
 *
 * Everything is drawn from fixed latents: samples 0, 1, ... of the training's seed, those that
 * RUN/sample with this seed draws first. */
#define _POSIX_C_SOURCE 200809L
#include "draw.h"
#include "image_pack.h"
#include "image_png.h"
#include "image_score.h"
#include "image_sink.h"
#include "place.h"
#include "session.h"
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    GRID_ROWS = 4,
    SHOWN_SCORED = 64,   /* samples at least that the distance on the way is taken from */
    REPORT_SCORED = 512, /* samples of the report */
    STRIP_GRIDS = 12,
    NEIGHBOUR_SAMPLES = 8,
    NEIGHBOURS = 3,
    NEIGHBOUR_SEARCH = 20000 /* real images that are looked through */
};
static const double report_flops = 2e11; /* to spend on the samples of a report: some seconds */

/* ---------------------------------------------------------------- samples */
/* Samples first .. first + count - 1 of the training's seed; the caller frees. */
static float *draw_samples(const Session *session, size_t count)
{
    const Training *training = &session->training;
    const Program *program = session->program;
    float *samples = allocate(count, image_size(program->image) * sizeof *samples);
    Generator generator =
        generator_create(program, training->pool, training->state, &session->normaliser, true);
    DrawInputs inputs = {0};
    generator_draw_all(&generator, training->seed, 0, count, &inputs, samples);
    generator_destroy(&generator);
    return samples;
}

static double distance_of(const Session *session, const float *samples, size_t count)
{
    Images real_images = images_of_set(&session->data.images, PATCH_COUNT);
    Images generated = images_of_values(session->program->image, count, samples);
    return patch_distance(&real_images, &generated);
}

/* ---------------------------------------------------------------- RUN/samples */
static char *samples_folder(const Session *session) { return path_join(session->run, "samples"); }

/* The iteration in the name NNNNNN.png, or -1. */
static int64_t iteration_of(const char *name)
{
    char *end = NULL;
    if (name[0] < '0' || name[0] > '9') {
        return -1;
    }
    errno = 0;
    long long iteration = strtoll(name, &end, 10);
    return errno == 0 && end - name >= 6 && !strcmp(end, ".png") ? iteration : -1;
}

/* Calls visit for each picture of the folder. */
static void visit_pictures(const char *folder,
                           void (*visit)(void *context, int at, const char *name), void *context)
{
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        if (iteration_of(entry->d_name) >= 0) {
            visit(context, dirfd(entries), entry->d_name);
        }
    }
    if (entries) {
        closedir(entries);
    }
}

static void remove_picture(void *context, int at, const char *name)
{
    (void)context;
    unlinkat(at, name, 0);
}

static bool make_samples_folder(const Session *session, const char *folder, Error *error)
{
    if (mkdir(folder, 0777) && errno != EEXIST) {
        return error_set(error, EXIT_IO, NULL, "cannot make the folder %s: %s", folder,
                         strerror(errno));
    }
    output_clean(folder);
    if (session->training.iteration == 0) { /* of a training that starts over */
        visit_pictures(folder, remove_picture, NULL);
    }
    return true;
}

static bool show(Session *session, int width, Error *error)
{
    const Program *program = session->program;
    size_t grid = (size_t)width * GRID_ROWS;
    size_t scored = affordable_images(program->image, SHOWN_SCORED);
    size_t count = grid > scored ? grid : scored;
    char name[32];
    snprintf(name, sizeof name, "%06" PRIu64 ".png", session->training.iteration);
    char *folder = samples_folder(session), *path = path_join(folder, name);
    float *samples = draw_samples(session, count);
    session->training.swd = distance_of(session, samples, scored);
    bool done = make_samples_folder(session, folder, error) &&
                grid_write(path, samples, grid, program->image, width, program->stretch, error);
    free(samples);
    free(path);
    free(folder);
    return done;
}

/* ---------------------------------------------------------------- the report: grids over time */
typedef struct Pictures { /* iterations of which there is one */
    int64_t *iterations;
    size_t count, capacity;
    int64_t last; /* later ones are of a training that was cut back */
} Pictures;

static void collect_picture(void *context, int at, const char *name)
{
    (void)at;
    Pictures *pictures = context;
    int64_t iteration = iteration_of(name);
    if (iteration > pictures->last) {
        return;
    }
    if (pictures->count == pictures->capacity) {
        pictures->capacity = 2 * pictures->capacity + 64;
        pictures->iterations =
            realloc(pictures->iterations, pictures->capacity * sizeof *pictures->iterations);
        if (!pictures->iterations) {
            fail(EXIT_IO, NULL, "out of memory");
        }
    }
    pictures->iterations[pictures->count++] = iteration;
}

static int compare_iterations(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void add_picture(Text *out, const char *folder, int64_t iteration)
{
    char name[32];
    snprintf(name, sizeof name, "%06" PRId64 ".png", iteration);
    char *path = path_join(folder, name);
    Map map = {0};
    Error ignored = {0};
    if (map_open(&map, path, &ignored) && map.size > 0) {
        text_add(out,
                 "<figure><figcaption>%" PRId64 "</figcaption><img alt=\"\" width=\"256\" "
                 "src=\"data:image/png;base64,",
                 iteration);
        text_add_base64(out, (const char *)map.bytes, map.size);
        text_add(out, "\"></figure>\n");
    }
    map_close(&map);
    free(path);
}

/* The first, the last, and some between them whose iterations are spread evenly. */
static void add_strip(const Session *session, Text *out)
{
    Pictures pictures = {.last = (int64_t)session->training.iteration};
    char *folder = samples_folder(session);
    visit_pictures(folder, collect_picture, &pictures);
    size_t count = pictures.count;
    if (count > 0) {
        qsort(pictures.iterations, count, sizeof *pictures.iterations, compare_iterations);
        text_add(out, "<h2>Samples over time: the same latents after so many iterations</h2>\n"
                      "<div class=\"charts\">\n");
        size_t shown = count < STRIP_GRIDS ? count : STRIP_GRIDS;
        for (size_t k = 0; k < shown; k++) {
            size_t place = shown > 1 ? k * (count - 1) / (shown - 1) : 0;
            add_picture(out, folder, pictures.iterations[place]);
        }
        text_add(out, "</div>\n");
    }
    free(pictures.iterations);
    free(folder);
}

/* ---------------------------------------------------------------- the report: neighbours */
static void add_values(Text *out, const Session *session, const float *values)
{
    ImageShape shape = session->program->image;
    unsigned char *bytes = allocate(image_size(shape), 1);
    int zoom = shape.width < 48 ? 64 / shape.width + 1 : 1;
    pixels_to_bytes(values, image_size(shape), false, bytes);
    html_add_image(out, bytes, shape, zoom);
    free(bytes);
}

static void add_neighbours(const Session *session, const float *samples, size_t count, Text *out)
{
    Images real_images = images_of_set(&session->data.images, NEIGHBOUR_SEARCH);
    size_t size = image_size(session->program->image);
    float *other = allocate(size, sizeof *other);
    text_add(out, "<h2>Samples and the real images nearest to them</h2>\n<p>Nearest by the root "
                  "mean square of the differences of pixels, which stands beside each; a sample "
                  "that repeats a real image has 0.</p>\n<table><tr><th>sample</th>"
                  "<th colspan=\"3\">nearest real images</th></tr>\n");
    Neighbour found[NEIGHBOUR_SAMPLES][NEIGHBOURS];
    int shown = count < NEIGHBOUR_SAMPLES ? (int)count : NEIGHBOUR_SAMPLES;
    int there = find_neighbours(&real_images, samples, shown, NEIGHBOURS, found[0]);
    for (int i = 0; i < shown; i++) {
        text_add(out, "<tr><td>");
        add_values(out, session, samples + (size_t)i * size);
        text_add(out, "</td>");
        for (int k = 0; k < there; k++) {
            images_get(&real_images, found[i][k].index, other);
            text_add(out, "<td>");
            add_values(out, session, other);
            text_add(out, " %.3f</td>", found[i][k].distance);
        }
        text_add(out, "</tr>\n");
    }
    text_add(out, "</table>\n");
    free(other);
}

/* ---------------------------------------------------------------- the report: quality */
/* One half of the real images against the other: what equal distributions would get. */
static double distance_floor(const ImageSet *set, size_t count)
{
    Images even = {.shape = set->shape, .count = (size_t)set->count / 2, .set = set, .step = 2};
    Images odd = even;
    odd.first = 1;
    odd.count = odd.count < count ? odd.count : count;
    return patch_distance(&even, &odd);
}

static void add_quality(const Session *session, const float *samples, size_t count, Text *out)
{
    const ImageSet *set = &session->data.images;
    text_add(out,
             "<h2>Quality</h2>\n<table><tr><td>sliced Wasserstein distance of 7 x 7 patches, %zu "
             "samples</td><td>%.4f</td></tr>\n",
             count, distance_of(session, samples, count));
    if (set->count >= 2) {
        text_add(out, "<tr><td>the same of real images against others</td><td>%.4f</td></tr>\n",
                 distance_floor(set, count));
    }
    text_add(out, "</table>\n");
}

static void add_class(Text *out, const ImageSet *set, const Coverage *coverage, int k)
{
    text_add(out, "<tr><td>");
    if (set->class_names) {
        text_add_html(out, set->class_names[k]);
    } else {
        text_add(out, "%d", k);
    }
    text_add(out, "</td><td>%.1f %%</td><td>%.1f %%</td></tr>\n", 100 * coverage->real_share[k],
             100 * coverage->generated_share[k]);
}

static void add_classes(const Session *session, const float *samples, size_t count, Text *out)
{
    enum { MOST_LISTED = 100, CLASS_SAMPLES = 256, CLASS_SEARCH = 5000 };
    const ImageSet *set = &session->data.images;
    if (!set->labels) {
        return;
    }
    Images real_images = images_of_set(set, CLASS_SEARCH);
    Images generated = images_of_values(session->program->image,
                                        count < CLASS_SAMPLES ? count : CLASS_SAMPLES, samples);
    Coverage coverage = class_coverage(&real_images, set->labels, set->class_count, &generated,
                                       session->training.pool);
    text_add(out,
             "<h2>Classes, by the nearest real image</h2>\n<p>%d of %d classes have at least a "
             "quarter of their share.</p>\n<table><tr><th>class</th><th>real</th>"
             "<th>generated</th></tr>\n",
             coverage.covered, coverage.present);
    for (int k = 0; k < set->class_count && k < MOST_LISTED; k++) {
        add_class(out, set, &coverage, k);
    }
    text_add(out, "</table>\n");
    coverage_free(&coverage);
}

static size_t choose_samples(const Program *program)
{
    double affordable = program->sample_flops > 0 ? report_flops / program->sample_flops : 0;
    size_t count = affordable >= REPORT_SCORED  ? REPORT_SCORED
                   : affordable >= SHOWN_SCORED ? (size_t)affordable
                                                : SHOWN_SCORED;
    return affordable_images(program->image, count);
}

static void report(const Session *session, Text *out)
{
    SessionFacts facts;
    size_t count = choose_samples(session->program);
    float *samples = draw_samples(session, count);
    record_facts(session, &facts);
    report_begin("Training report", out);
    report_facts(facts.facts, FACT_COUNT, out);
    add_strip(session, out);
    report_course(&session->metrics.history, out);
    add_quality(session, samples, count, out);
    add_classes(session, samples, count, out);
    add_neighbours(session, samples, count, out);
    report_end(out);
    free(samples);
}

const ImageRuntime image_runtime = {image_set_open, show, report, image_sink};
