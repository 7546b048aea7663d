/* image_pack.c -- see image_pack.h. */
#define _DEFAULT_SOURCE /* realpath */
#include "image_pack.h"

#include "hash.h"
#include "place.h"
#include "pool.h"
#include "rng.h"
#include "state.h"

#include <errno.h>
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PACK_VERSION = 1 }; /* another one where the same request gives other pixels */

/* ---------------------------------------------------------------- fitting one picture */
static const char *const fit_names[] = {"", "-crop", "-resize", "-random"};

/* Rows (or columns) of the picture for those of the result: from[k] of k, -1 is a border. */
static void map_side(int *from, int wanted, int there, ImageFit fit, int offset)
{
    int cut = there > wanted ? (there - wanted) / 2 : 0;
    int border = wanted > there ? (wanted - there) / 2 : 0;
    for (int k = 0; k < wanted; k++) {
        int source = fit == FIT_RESIZE        ? (int)((int64_t)k * there / wanted)
                     : fit == FIT_RANDOM_CROP ? k + offset
                                              : k - border + cut;
        from[k] = source >= 0 && source < there ? source : -1;
    }
}

static float luma(const float *rgb)
{
    return (float)(0.299 * (double)rgb[0] + 0.587 * (double)rgb[1] + 0.114 * (double)rgb[2]);
}

/* One pixel of `have` numbers as one of `want`, both 1 to 4; opaque is alpha's largest value. */
static void convert_pixel(const float *in, int have, float *out, int want, float opaque)
{
    for (int c = 0; c < 3; c++) {
        out[c] = have >= 3 ? in[c] : in[0];
    }
    if (want <= 2) {
        out[0] = have >= 3 ? luma(in) : in[0];
    }
    if (want == 2 || want == 4) {
        out[want - 1] = have == 2 || have == 4 ? in[have - 1] : opaque;
    }
}

static void fit_pixel(const Picture *picture, size_t from, ImageShape shape, size_t to, void *out)
{
    int have = picture->channels, want = shape.channels;
    float in[4], result[4];
    from *= (size_t)have;
    to *= (size_t)want;
    if (have == want) {
        if (picture->reals) {
            memcpy((float *)out + to, picture->reals + from, (size_t)have * sizeof(float));
        } else {
            memcpy((unsigned char *)out + to, picture->bytes + from, (size_t)have);
        }
        return;
    }
    for (int c = 0; c < have; c++) {
        in[c] = picture->reals ? picture->reals[from + (size_t)c]
                               : (float)picture->bytes[from + (size_t)c];
    }
    convert_pixel(in, have, result, want, picture->reals ? 1 : 255);
    for (int c = 0; c < want; c++) {
        if (picture->reals) {
            ((float *)out)[to + (size_t)c] = result[c];
        } else {
            ((unsigned char *)out)[to + (size_t)c] = (unsigned char)(result[c] + 0.5f);
        }
    }
}

static void fill_border(const Picture *picture, ImageShape shape, size_t to, void *out)
{
    for (size_t k = to * (size_t)shape.channels; k < (to + 1) * (size_t)shape.channels; k++) {
        if (picture->reals) {
            ((float *)out)[k] = -1;
        } else {
            ((unsigned char *)out)[k] = 0;
        }
    }
}

static bool check_fit(const Picture *picture, ImageShape shape, ImageFit fit,
                      char reason[REASON_SIZE])
{
    bool same = picture->width == shape.width && picture->height == shape.height;
    if (picture->channels != shape.channels && (picture->channels > 4 || shape.channels > 4)) {
        snprintf(reason, REASON_SIZE, "has %d channels, not %d", picture->channels, shape.channels);
        return false;
    }
    if (fit == FIT_EXACT && !same) {
        snprintf(reason, REASON_SIZE, "is %d x %d pixels (width x height), not %d x %d",
                 picture->width, picture->height, shape.width, shape.height);
        return false;
    }
    if (fit == FIT_RANDOM_CROP &&
        (picture->width < shape.width || picture->height < shape.height)) {
        snprintf(reason, REASON_SIZE, "is %d x %d pixels, too small for a piece of %d x %d",
                 picture->width, picture->height, shape.width, shape.height);
        return false;
    }
    return true;
}

bool picture_fit(const Picture *picture, ImageShape shape, ImageFit fit, uint64_t index, void *out,
                 char reason[REASON_SIZE])
{
    enum { CROP_PURPOSE = 0x63726f70 }; /* third word of the Philox counter */
    if (!check_fit(picture, shape, fit, reason)) {
        return false;
    }
    int *rows = malloc(sizeof *rows * (size_t)(shape.height + shape.width));
    if (!rows) {
        snprintf(reason, REASON_SIZE, "needs more memory than there is");
        return false;
    }
    int *columns = rows + shape.height;
    uint32_t draws[4] = {(uint32_t)index, (uint32_t)(index >> 32), CROP_PURPOSE, 0};
    const uint32_t key[2] = {0, 0};
    philox4x32(draws, key);
    int down = picture->height - shape.height, right = picture->width - shape.width;
    down = fit == FIT_RANDOM_CROP ? (int)((uint64_t)draws[0] * (uint64_t)(down + 1) >> 32) : 0;
    right = fit == FIT_RANDOM_CROP ? (int)((uint64_t)draws[1] * (uint64_t)(right + 1) >> 32) : 0;
    map_side(rows, shape.height, picture->height, fit, down);
    map_side(columns, shape.width, picture->width, fit, right);
    size_t to = 0;
    for (int y = 0; y < shape.height; y++) {
        for (int x = 0; x < shape.width; x++, to++) {
            if (rows[y] < 0 || columns[x] < 0) {
                fill_border(picture, shape, to, out);
            } else {
                size_t from = (size_t)rows[y] * (size_t)picture->width + (size_t)columns[x];
                fit_pixel(picture, from, shape, to, out);
            }
        }
    }
    free(rows);
    return true;
}

/* ---------------------------------------------------------------- the packed file */
enum { FORM_TEXT = 128 };

typedef struct Packed { /* what a packed file of a source looks like */
    NpyForm form;
    char type[FORM_TEXT], axes[FORM_TEXT];
    size_t pixels; /* bytes of an image; its class follows, where there are classes */
    bool reals, labelled;
} Packed;

static void describe_packed(Packed *packed, const ImageSource *source, ImageShape shape)
{
    packed->reals = source->kind == SOURCE_STACK && source->number.kind == 'f';
    packed->labelled = source->labels != NULL;
    packed->pixels = image_size(shape) * (packed->reals ? sizeof(float) : 1);
    const char *number = packed->reals ? "<f4" : "|u1";
    if (packed->labelled) {
        snprintf(packed->type, FORM_TEXT, "[('image', '%s', (%d, %d, %d)), ('label', '<i4')]",
                 number, shape.height, shape.width, shape.channels);
        snprintf(packed->axes, FORM_TEXT, ",");
    } else {
        snprintf(packed->type, FORM_TEXT, "'%s'", number);
        snprintf(packed->axes, FORM_TEXT, ", %d, %d, %d", shape.height, shape.width,
                 shape.channels);
    }
    packed->form = (NpyForm){packed->type, packed->axes,
                             packed->pixels + (packed->labelled ? sizeof(int32_t) : 0)};
}

/* Copies the classes out of a packed file; false when one of them cannot be. */
static bool load_labels(ImageSet *set, const Packed *packed, int class_count)
{
    set->labels = allocate(set->count, sizeof *set->labels);
    for (uint64_t i = 0; i < set->count; i++) {
        memcpy(&set->labels[i], image_bytes(set, i) + packed->pixels, sizeof *set->labels);
        if (set->labels[i] < 0 || set->labels[i] >= class_count) {
            return false;
        }
    }
    return true;
}

/* Maps a packed file that is there and whole. */
static bool open_packed(ImageSet *set, const char *path, const Packed *packed, ImageShape shape,
                        int class_count)
{
    Error ignored = {0};
    *set = (ImageSet){.shape = shape, .reals = packed->reals, .stride = packed->form.row_size};
    bool good = map_open(&set->map, path, &ignored) &&
                npy_has_form(&set->map, &packed->form, &set->count, &set->start) &&
                set->count > 0 && (!packed->labelled || load_labels(set, packed, class_count));
    if (!good) {
        image_set_close(set);
    }
    return good;
}

/* ---------------------------------------------------------------- where it lies */
enum { MAX_PLACES = 3, NAME_SIZE = 320 };

typedef struct Places { /* in the order in which they are tried */
    char *folders[MAX_PLACES];
    int count;
    char prefix[NAME_SIZE]; /* of the name, for this path and shape */
    char name[NAME_SIZE + 32];
} Places;

static void add_place(Places *places, const char *root, const char *inner)
{
    if (root && root[0]) {
        places->folders[places->count++] = inner ? path_join(root, inner) : strdup(root);
    }
}

/* The name holds what the pixels depend on: the listing, the shape, the fit. */
static void name_packed(Places *places, const ImageSource *source, const ImageRequest *request,
                        ImageShape shape)
{
    char *absolute = realpath(request->path, NULL);
    const char *path = absolute ? absolute : request->path;
    int64_t facts[] = {PACK_VERSION, shape.width, shape.height, shape.channels,
                       (int64_t)request->fit};
    uint64_t hash = hash_bytes(facts, sizeof facts, source->identity);
    snprintf(places->prefix, NAME_SIZE, ".gagac-%.60s-%08x-%dx%dx%d%s-", path_base(path),
             (unsigned)hash_bytes(path, strlen(path), 0), shape.width, shape.height, shape.channels,
             fit_names[request->fit]);
    snprintf(places->name, sizeof places->name, "%s%016" PRIx64 ".npy", places->prefix, hash);
    free(absolute);
}

static char *folder_of(const char *path)
{
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        return strdup(path);
    }
    const char *base = path_base(path);
    return base == path ? strdup(".") : strndup(path, (size_t)(base - path));
}

static void find_places(Places *places, const ImageSource *source, const ImageRequest *request,
                        ImageShape shape)
{
    char *beside = folder_of(request->path);
    const char *named = getenv("GAGAC_CACHE_DIR"), *user = getenv("XDG_CACHE_HOME");
    *places = (Places){.count = 0};
    add_place(places, named, "images");
    add_place(places, beside, NULL);
    if (user && user[0] == '/') {
        add_place(places, user, "gagac/images");
    } else {
        add_place(places, getenv("HOME"), ".cache/gagac/images");
    }
    name_packed(places, source, request, shape);
    free(beside);
}

static void places_free(Places *places)
{
    for (int i = 0; i < places->count; i++) {
        free(places->folders[i]);
    }
}

static void make_folders(char *path)
{
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(path, 0777);
        *slash = '/';
    }
    mkdir(path, 0777);
}

/* Packed files of the same path, shape and fit whose data have changed since. */
static void remove_stale(const Places *places, const char *folder)
{
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        if (!strncmp(entry->d_name, places->prefix, strlen(places->prefix)) &&
            strcmp(entry->d_name, places->name) != 0) {
            unlinkat(dirfd(entries), entry->d_name, 0);
        }
    }
    if (entries) {
        closedir(entries);
    }
}

/* ---------------------------------------------------------------- packing */
enum { BLOCK_BYTES = 16 << 20, MOST_BLOCK = 512, NAMED_FILES = 10 };

typedef enum PackResult { PACK_GOOD, PACK_BROKEN, PACK_MISFIT } PackResult;

typedef struct PackJob { /* images first .. first + count - 1 of the source */
    const ImageSource *source;
    const ImageRequest *request;
    const Packed *packed;
    ImageShape shape;
    uint64_t first;
    int count;
    unsigned char *rows; /* [count][form.row_size] */
    PackResult results[MOST_BLOCK];
    char reasons[MOST_BLOCK][REASON_SIZE];
    uint64_t good, broken;
    char *first_reason; /* of the first broken file */
} PackJob;

static void pack_image(void *context, int item, int thread)
{
    (void)thread;
    PackJob *job = context;
    Picture picture = {0};
    uint64_t index = job->first + (uint64_t)item;
    size_t row_size = job->packed->form.row_size;
    unsigned char *row = job->rows + (size_t)item * row_size;
    char *reason = job->reasons[item];
    if (!image_source_read(job->source, index, &picture, reason)) {
        job->results[item] = PACK_BROKEN;
        return;
    }
    bool good = picture_fit(&picture, job->shape, job->request->fit, index, row, reason);
    job->results[item] = good ? PACK_GOOD : PACK_MISFIT;
    if (job->packed->labelled) {
        memcpy(row + job->packed->pixels, &job->source->labels[index], sizeof(int32_t));
    }
    picture_free(&picture);
}

/* What an image is called in messages; the caller frees. */
static char *image_name(const ImageSource *source, uint64_t index)
{
    if (source->kind == SOURCE_FOLDER) {
        return strdup(source->files[index]);
    }
    size_t size = strlen(source->path) + 40;
    char *name = allocate(size, 1);
    snprintf(name, size, "%s, image %" PRIu64, source->path, index);
    return name;
}

static bool fail_misfit(const PackJob *job, int item, Error *error)
{
    char *name = image_name(job->source, job->first + (uint64_t)item);
    bool exact = job->request->fit == FIT_EXACT && !strstr(job->reasons[item], "channels");
    error_set(error, EXIT_INVALID, exact ? "--crop cuts out the middle, --resize scales." : NULL,
              "'%s' %s", name, job->reasons[item]);
    free(name);
    return false;
}

static void note_broken(PackJob *job, int item)
{
    char *name = image_name(job->source, job->first + (uint64_t)item);
    if (job->broken++ == 0) {
        job->first_reason = strdup(job->reasons[item]);
    }
    if (job->broken <= NAMED_FILES) {
        warn(NULL, "'%s' is left out: %s", name, job->reasons[item]);
    }
    free(name);
}

/* Reads a block on all threads and appends what is good. */
static bool pack_block(PackJob *job, Pool *pool, NpyWriter *writer, Error *error)
{
    pool_run(pool, pack_image, job, job->count);
    for (int i = 0; i < job->count; i++) {
        if (job->results[i] == PACK_MISFIT) {
            return fail_misfit(job, i, error);
        }
        if (job->results[i] == PACK_BROKEN) {
            note_broken(job, i);
            continue;
        }
        const unsigned char *row = job->rows + (size_t)i * job->packed->form.row_size;
        if (!npy_append(writer, row, 1, error)) {
            return false;
        }
        job->good++;
    }
    return true;
}

static bool finish_pack(PackJob *job, NpyWriter *writer, Error *error)
{
    uint64_t count = job->source->count;
    if (job->broken > NAMED_FILES) {
        warn(NULL, "%" PRIu64 " of %" PRIu64 " files of '%s' are left out in all", job->broken,
             count, job->source->path);
    }
    if (job->good > 0) {
        return npy_finish_short(writer, &job->packed->form, job->good, error);
    }
    npy_abandon(writer);
    return error_set(error, EXIT_INVALID, NULL,
                     "none of the %" PRIu64 " images of '%s' can be read; the first: %s", count,
                     job->source->path, job->first_reason ? job->first_reason : "");
}

/* Packs all images into an open file. */
static bool pack_images(PackJob *job, NpyWriter *writer, Error *error)
{
    size_t row_size = job->packed->form.row_size, most = BLOCK_BYTES / row_size;
    size_t block = most < 16 ? 16 : most < MOST_BLOCK ? most : MOST_BLOCK;
    Pool *pool = start_pool(job->request->threads > 0 ? job->request->threads : 1);
    bool good = true;
    job->rows = allocate(block, row_size);
    for (uint64_t left = job->source->count; good && left > 0; left -= (uint64_t)job->count) {
        job->first = job->source->count - left;
        job->count = left < block ? (int)left : (int)block;
        good = pack_block(job, pool, writer, error);
    }
    free(job->rows);
    pool_destroy(pool);
    if (good) {
        good = finish_pack(job, writer, error);
    } else {
        npy_abandon(writer);
    }
    free(job->first_reason);
    return good;
}

/* Opens a file for writing in the first place where that can be done; its path in *path. */
static bool create_packed(NpyWriter *writer, const Packed *packed, const Places *places,
                          uint64_t count, char **path, Error *error)
{
    for (int i = 0; i < places->count; i++) {
        make_folders(places->folders[i]);
        output_clean(places->folders[i]);
        *path = path_join(places->folders[i], places->name);
        if (npy_create_form(writer, *path, &packed->form, count, error)) {
            remove_stale(places, places->folders[i]);
            return true;
        }
        free(*path);
    }
    return false;
}

static bool pack(ImageSet *set, const ImageSource *source, const ImageRequest *request,
                 ImageShape shape, const Packed *packed, const Places *places, Error *error)
{
    NpyWriter writer;
    char *path = NULL;
    PackJob *job = allocate(1, sizeof *job);
    *job = (PackJob){.source = source, .request = request, .packed = packed, .shape = shape};
    if (!request->quiet) {
        fprintf(stderr, "packing %" PRIu64 " images of %s once\n", source->count, request->path);
    }
    bool good = create_packed(&writer, packed, places, source->count, &path, error) &&
                pack_images(job, &writer, error);
    if (good && !open_packed(set, path, packed, shape, source->class_count)) {
        good = error_set(error, EXIT_IO, NULL, "cannot read '%s' back", path);
    }
    free(path);
    free(job);
    return good;
}

/* ---------------------------------------------------------------- opening */
/* The shape asked for, or that of the first picture that can be read. */
static bool choose_shape(const ImageSource *source, const ImageRequest *request, ImageShape *shape,
                         Error *error)
{
    *shape = request->shape;
    if (shape->channels == 0 && source->kind == SOURCE_STACK) {
        *shape = source->shape;
    }
    char reason[REASON_SIZE] = "";
    for (uint64_t i = 0; i < source->count && shape->channels == 0; i++) {
        Picture picture = {0};
        if (image_source_read(source, i, &picture, reason)) {
            *shape = (ImageShape){picture.height, picture.width, picture.channels};
            picture_free(&picture);
        }
    }
    return shape->channels > 0 ||
           error_set(error, EXIT_INVALID, NULL,
                     "none of the %" PRIu64 " images of '%s' can be read; the last: %s",
                     source->count, source->path, reason);
}

static bool same_shape(ImageShape a, ImageShape b)
{
    return a.height == b.height && a.width == b.width && a.channels == b.channels;
}

/* A stack of the right shape needs no copy. */
static void take_map(ImageSet *set, ImageSource *source)
{
    *set = (ImageSet){.shape = source->shape,
                      .count = source->count,
                      .reals = source->number.kind == 'f',
                      .start = (size_t)(source->base - source->map.bytes),
                      .stride = source->stride,
                      .map = source->map};
    source->map = (Map){0};
}

static bool open_or_pack(ImageSet *set, const ImageSource *source, const ImageRequest *request,
                         ImageShape shape, Error *error)
{
    Packed packed;
    Places places;
    describe_packed(&packed, source, shape);
    find_places(&places, source, request, shape);
    bool done = false;
    for (int i = 0; i < places.count && !done; i++) {
        char *path = path_join(places.folders[i], places.name);
        done = open_packed(set, path, &packed, shape, source->class_count);
        free(path);
    }
    done = done || pack(set, source, request, shape, &packed, &places, error);
    places_free(&places);
    return done;
}

bool image_set_open(ImageSet *set, const ImageRequest *request, Error *error)
{
    ImageSource source;
    ImageShape shape;
    *set = (ImageSet){0};
    if (!image_source_open(&source, request, error)) {
        return false;
    }
    bool good = choose_shape(&source, request, &shape, error);
    if (good && image_source_is_plain(&source) && same_shape(shape, source.shape)) {
        take_map(set, &source);
        set->labels = source.labels;
        source.labels = NULL;
    } else {
        good = good && open_or_pack(set, &source, request, shape, error);
    }
    if (good) {
        set->skipped = source.count - set->count;
        set->class_count = source.class_count;
        set->class_names = source.class_names;
        source.class_names = NULL;
    }
    image_source_close(&source);
    return good;
}
