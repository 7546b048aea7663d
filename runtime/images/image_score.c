/* image_score.c -- see image_score.h. */
#include "image_score.h"

#include "column.h"
#include "rng.h"
#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SCORE_SEED = 1, STREAM_PLACES = 211, STREAM_DIRECTIONS = 212 };

/* Four floats wherever they lie. */
typedef float Quad __attribute__((vector_size(16), aligned(4)));

static inline Quad quad_at(const float *place) { return *(const Quad *)place; }

/* Sum of products, in 16 partial sums. */
static inline float dot(const float *a, const float *b, size_t size)
{
    Quad first = {0}, second = {0}, third = {0}, fourth = {0};
    size_t i = 0;
    for (; i + 16 <= size; i += 16) {
        first += quad_at(a + i) * quad_at(b + i);
        second += quad_at(a + i + 4) * quad_at(b + i + 4);
        third += quad_at(a + i + 8) * quad_at(b + i + 8);
        fourth += quad_at(a + i + 12) * quad_at(b + i + 12);
    }
    Quad all = (first + second) + (third + fourth);
    float sum = (all[0] + all[2]) + (all[1] + all[3]);
    for (; i < size; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* Sum of the squares of differences, in the same way. */
static inline float squares(const float *a, const float *b, size_t size)
{
    Quad first = {0}, second = {0};
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        Quad left = quad_at(a + i) - quad_at(b + i);
        Quad right = quad_at(a + i + 4) - quad_at(b + i + 4);
        first += left * left;
        second += right * right;
    }
    Quad all = first + second;
    float sum = (all[0] + all[2]) + (all[1] + all[3]);
    for (; i < size; i++) {
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return sum;
}

/* ---------------------------------------------------------------- images */
Images images_of_set(const ImageSet *set, size_t most)
{
    size_t count = set->count < most ? (size_t)set->count : most;
    return (Images){.shape = set->shape,
                    .count = count,
                    .set = set,
                    .step = count > 0 ? set->count / count : 1};
}

Images images_of_values(ImageShape shape, size_t count, const float *values)
{
    return (Images){.shape = shape, .count = count, .values = values, .step = 1};
}

void images_get(const Images *images, size_t index, float *out)
{
    size_t size = image_size(images->shape);
    if (images->values) {
        memcpy(out, images->values + index * size, size * sizeof *out);
    } else {
        image_values(images->set, images->first + index * images->step, out);
    }
}

size_t affordable_images(ImageShape shape, size_t most)
{
    size_t fitting = ((size_t)512 << 20) / (image_size(shape) * sizeof(float));
    return fitting < 1 ? 1 : fitting < most ? fitting : most;
}

/* Copies what lies in a set into memory of its own, for many looks at it; the caller frees. */
static float *images_load(Images *images)
{
    size_t size = image_size(images->shape);
    float *values = allocate(images->count, size * sizeof *values);
    for (size_t i = 0; i < images->count; i++) {
        images_get(images, i, values + i * size);
    }
    images->values = values;
    return values;
}

/* ---------------------------------------------------------------- patches */
typedef struct Patches { /* [channels][side_y * side_x] each, one after the other */
    size_t count, channels, area;
    float *values;
} Patches;

static float *patch_at(const Patches *patches, size_t index)
{
    return patches->values + index * patches->channels * patches->area;
}

static void cut_patch(const float *image, ImageShape shape, int height, int width,
                      const uint32_t draws[4], float *out)
{
    size_t top = (size_t)((uint64_t)draws[0] * (uint64_t)(shape.height - height + 1) >> 32);
    size_t left = (size_t)((uint64_t)draws[1] * (uint64_t)(shape.width - width + 1) >> 32);
    size_t channels = (size_t)shape.channels;
    for (size_t c = 0; c < channels; c++) {
        for (size_t y = top; y < top + (size_t)height; y++) {
            for (size_t x = left; x < left + (size_t)width; x++) {
                *out++ = image[(y * (size_t)shape.width + x) * channels + c];
            }
        }
    }
}

/* PATCH_COUNT patches, dealt out to the images in turn; `salt` gives two sets other places. */
static Patches cut_patches(const Images *images, uint32_t salt)
{
    ImageShape shape = images->shape;
    int height = shape.height < PATCH_SIDE ? shape.height : PATCH_SIDE;
    int width = shape.width < PATCH_SIDE ? shape.width : PATCH_SIDE;
    Patches patches = {.count = PATCH_COUNT,
                       .channels = (size_t)shape.channels,
                       .area = (size_t)height * (size_t)width};
    patches.values = allocate(patches.count * patches.channels * patches.area, sizeof(float));
    float *image = allocate(image_size(shape), sizeof *image);
    size_t done = 0;
    size_t used = images->count < PATCH_COUNT ? images->count : PATCH_COUNT;
    for (size_t n = 0; n < used; n++) {
        images_get(images, n * (images->count / used), image);
        for (size_t end = (n + 1) * PATCH_COUNT / used; done < end; done++) {
            uint32_t draws[4] = {(uint32_t)done, salt, STREAM_PLACES, 0};
            const uint32_t key[2] = {SCORE_SEED, 0};
            philox4x32(draws, key);
            cut_patch(image, shape, height, width, draws, patch_at(&patches, done));
        }
    }
    free(image);
    return patches;
}

static Moments channel_moments(const Patches *patches, size_t channel)
{
    double sum = 0, squares = 0, count = (double)patches->count * (double)patches->area;
    for (size_t n = 0; n < patches->count; n++) {
        const float *values = patch_at(patches, n) + channel * patches->area;
        for (size_t i = 0; i < patches->area; i++) {
            sum += (double)values[i];
            squares += (double)values[i] * (double)values[i];
        }
    }
    double mean = sum / count, variance = squares / count - mean * mean;
    return (Moments){mean, variance > 1e-12 ? sqrt(variance) : 1};
}

static void standardise(Patches *patches, size_t channel, Moments moments)
{
    for (size_t n = 0; n < patches->count; n++) {
        float *values = patch_at(patches, n) + channel * patches->area;
        for (size_t i = 0; i < patches->area; i++) {
            values[i] = (float)(((double)values[i] - moments.mean) / moments.std);
        }
    }
}

static void draw_direction(int index, size_t size, float *direction)
{
    double length = 0;
    for (size_t i = 0; i < size; i++) {
        real normal =
            draw_one_normal(SCORE_SEED, STREAM_DIRECTIONS, 0, (uint64_t)index, (uint32_t)i);
        direction[i] = (float)normal;
        length += (double)direction[i] * (double)direction[i];
    }
    for (size_t i = 0; i < size; i++) {
        direction[i] = (float)((double)direction[i] / sqrt(length));
    }
}

/* An order of floats as unsigned numbers: the sign bit of positive ones is set, negative ones are
 * turned round. */
static uint32_t sort_key(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

/* One pass of a radix sort: by the digit of `from` at a shift. */
static void sort_pass(const uint32_t *from, uint32_t *to, size_t count, int shift)
{
    enum { DIGITS = 1 << 11 };
    size_t places[DIGITS] = {0}, place = 0;
    for (size_t i = 0; i < count; i++) {
        places[from[i] >> shift & (DIGITS - 1)]++;
    }
    for (size_t d = 0; d < DIGITS; d++) {
        size_t here = places[d];
        places[d] = place;
        place += here;
    }
    for (size_t i = 0; i < count; i++) {
        to[places[from[i] >> shift & (DIGITS - 1)]++] = from[i];
    }
}

/* Sorts finite floats; keys: memory for 2 * count numbers. Many times faster than qsort(). */
static void sort_floats(float *values, size_t count, uint32_t *keys)
{
    uint32_t *other = keys + count;
    for (size_t i = 0; i < count; i++) {
        keys[i] = sort_key(values[i]);
    }
    sort_pass(keys, other, count, 0);
    sort_pass(other, keys, count, 11);
    sort_pass(keys, other, count, 22);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = other[i] >> 31 ? other[i] & 0x7fffffffu : ~other[i];
        memcpy(&values[i], &bits, sizeof bits);
    }
}

/* out[direction][patch], some patches at a time, which stay in cache meanwhile. */
static void project(const Patches *patches, const float *directions, float *out)
{
    enum { BLOCK = 32 };
    size_t size = patches->channels * patches->area;
    for (size_t start = 0; start < patches->count; start += BLOCK) {
        for (size_t k = 0; k < PATCH_DIRECTIONS; k++) {
            const float *direction = directions + k * size;
            for (size_t n = start; n < patches->count && n < start + BLOCK; n++) {
                out[k * patches->count + n] = dot(patch_at(patches, n), direction, size);
            }
        }
    }
}

/* Mean over all directions of the Wasserstein-1 distance of both projections. */
static double mean_distance(const Patches *a, const Patches *b, const float *directions)
{
    float *left = allocate(PATCH_DIRECTIONS * a->count, sizeof *left);
    float *right = allocate(PATCH_DIRECTIONS * b->count, sizeof *right);
    uint32_t *keys = allocate(2 * PATCH_COUNT, sizeof *keys);
    double sum = 0;
    project(a, directions, left);
    project(b, directions, right);
    for (size_t k = 0; k < PATCH_DIRECTIONS; k++) {
        float *first = left + k * a->count, *second = right + k * b->count;
        sort_floats(first, a->count, keys);
        sort_floats(second, b->count, keys);
        sum += wasserstein_distance(first, a->count, second, b->count);
    }
    free(keys);
    free(left);
    free(right);
    return sum / PATCH_DIRECTIONS;
}

double patch_distance(const Images *images_real, const Images *images_generated)
{
    Patches a = cut_patches(images_real, 0), b = cut_patches(images_generated, 1);
    for (size_t c = 0; c < a.channels; c++) {
        Moments moments = channel_moments(&a, c);
        standardise(&a, c, moments);
        standardise(&b, c, moments);
    }
    size_t size = a.channels * a.area;
    float *directions = allocate(PATCH_DIRECTIONS * size, sizeof *directions);
    for (int k = 0; k < PATCH_DIRECTIONS; k++) {
        draw_direction(k, size, directions + (size_t)k * size);
    }
    double distance = mean_distance(&a, &b, directions);
    free(directions);
    free(a.values);
    free(b.values);
    return distance;
}

/* ---------------------------------------------------------------- neighbours */
/* Sum of the squares of differences, given up once it is beyond a limit. */
static float squared_distance(const float *a, const float *b, size_t size, float limit)
{
    enum { STRIP = 256 };
    float total = 0;
    for (size_t start = 0; start < size && total <= limit; start += STRIP) {
        size_t count = size - start < STRIP ? size - start : STRIP;
        total += squares(a + start, b + start, count);
    }
    return total;
}

/* Puts a distance into the sorted list of the nearest so far. */
static int insert_neighbour(Neighbour *found, int count, int wanted, Neighbour candidate)
{
    int place = count;
    while (place > 0 && found[place - 1].distance > candidate.distance) {
        place--;
    }
    if (place == wanted) {
        return count;
    }
    count = count < wanted ? count + 1 : count;
    memmove(found + place + 1, found + place, (size_t)(count - 1 - place) * sizeof *found);
    found[place] = candidate;
    return count;
}

int find_neighbours(const Images *images_real, const float *images, int count, int wanted,
                    Neighbour *found)
{
    size_t size = image_size(images_real->shape);
    float *copy = images_real->values ? NULL : allocate(size, sizeof *copy);
    int *there = allocate((uint64_t)count, sizeof *there);
    for (size_t n = 0; n < images_real->count; n++) {
        const float *other = copy ? copy : images_real->values + n * size;
        if (copy) {
            images_get(images_real, n, copy);
        }
        for (int i = 0; i < count; i++) {
            Neighbour *list = found + i * wanted;
            float limit = there[i] == wanted ? (float)list[wanted - 1].distance : INFINITY;
            float square = squared_distance(images + (size_t)i * size, other, size, limit);
            if (square <= limit) {
                there[i] = insert_neighbour(list, there[i], wanted, (Neighbour){n, (double)square});
            }
        }
    }
    int each = count > 0 ? there[0] : 0;
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < each; k++) {
            found[i * wanted + k].distance = sqrt(found[i * wanted + k].distance / (double)size);
        }
    }
    free(there);
    free(copy);
    return each;
}

/* ---------------------------------------------------------------- coverage */
typedef struct CoverageJob {
    const Images *images_real, *images_generated;
    Neighbour *nearest; /* of each generated image */
} CoverageJob;

static void find_nearest(void *context, int index, int thread)
{
    (void)thread;
    CoverageJob *job = context;
    float *image = allocate(image_size(job->images_generated->shape), sizeof *image);
    images_get(job->images_generated, (size_t)index, image);
    find_neighbours(job->images_real, image, 1, 1, &job->nearest[index]);
    free(image);
}

static void summarise(Coverage *coverage)
{
    for (int k = 0; k < coverage->class_count; k++) {
        double share = coverage->real_share[k], generated = coverage->generated_share[k];
        coverage->present += share > 0;
        coverage->covered += share > 0 && generated >= share / 4;
        coverage->distance += fabs(share - generated) / 2;
    }
}

Coverage class_coverage(const Images *images_real, const int32_t *labels, int class_count,
                        const Images *images_generated, Pool *pool)
{
    Images loaded = *images_real;
    loaded.count = affordable_images(loaded.shape, loaded.count);
    loaded.step *= images_real->count / loaded.count;
    float *memory = images_real->values ? NULL : images_load(&loaded);
    Coverage coverage = {.class_count = class_count,
                         .real_share = allocate((uint64_t)class_count, sizeof(double)),
                         .generated_share = allocate((uint64_t)class_count, sizeof(double))};
    CoverageJob job = {&loaded, images_generated,
                       allocate(images_generated->count, sizeof(Neighbour))};
    pool_run(pool, find_nearest, &job, (int)images_generated->count);
    free(memory);
    for (size_t i = 0; i < loaded.count; i++) {
        uint64_t place = loaded.first + i * loaded.step;
        coverage.real_share[labels[place]] += 1 / (double)loaded.count;
    }
    for (size_t i = 0; i < images_generated->count; i++) {
        uint64_t place = loaded.first + job.nearest[i].index * loaded.step;
        coverage.generated_share[labels[place]] += 1 / (double)images_generated->count;
        coverage.nearest += job.nearest[i].distance / (double)images_generated->count;
    }
    free(job.nearest);
    summarise(&coverage);
    return coverage;
}

void coverage_free(Coverage *coverage)
{
    free(coverage->real_share);
    free(coverage->generated_share);
    *coverage = (Coverage){0};
}
