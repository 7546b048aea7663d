/* image_score.c -- see image_score.h. */
#include "image_score.h"

#include "column.h"
#include "rng.h"
#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SCORE_SEED = 1, STREAM_PLACES = 211, STREAM_DIRECTIONS = 212 };

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

float *images_load(Images *images)
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

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void project(const Patches *patches, const float *direction, float *out)
{
    size_t size = patches->channels * patches->area;
    for (size_t n = 0; n < patches->count; n++) {
        const float *values = patch_at(patches, n);
        float sum[8] = {0};
        size_t i = 0;
        for (; i + 8 <= size; i += 8) {
            for (size_t k = 0; k < 8; k++) {
                sum[k] += values[i + k] * direction[i + k];
            }
        }
        for (; i < size; i++) {
            sum[0] += values[i] * direction[i];
        }
        out[n] = ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
    }
    qsort(out, patches->count, sizeof *out, compare_floats);
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
    float *direction = allocate(size, sizeof *direction);
    float *left = allocate(a.count, sizeof *left), *right = allocate(b.count, sizeof *right);
    double sum = 0;
    for (int k = 0; k < PATCH_DIRECTIONS; k++) {
        draw_direction(k, size, direction);
        project(&a, direction, left);
        project(&b, direction, right);
        sum += wasserstein_distance(left, a.count, right, b.count);
    }
    free(direction);
    free(left);
    free(right);
    free(a.values);
    free(b.values);
    return sum / PATCH_DIRECTIONS;
}

/* ---------------------------------------------------------------- neighbours */
/* Sum of the squares of differences, given up once it is beyond a limit. */
static float squared_distance(const float *a, const float *b, size_t size, float limit)
{
    enum { STRIP = 256 };
    float total = 0;
    for (size_t start = 0; start < size && total <= limit; start += STRIP) {
        size_t end = size - start < STRIP ? size : start + STRIP;
        float sum[8] = {0};
        size_t i = start;
        for (; i + 8 <= end; i += 8) {
            for (size_t k = 0; k < 8; k++) {
                float difference = a[i + k] - b[i + k];
                sum[k] += difference * difference;
            }
        }
        for (; i < end; i++) {
            sum[0] += (a[i] - b[i]) * (a[i] - b[i]);
        }
        total += ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
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

int find_neighbours(const Images *images_real, const float *image, int wanted, Neighbour *found)
{
    size_t size = image_size(images_real->shape);
    float *copy = images_real->values ? NULL : allocate(size, sizeof *copy);
    int count = 0;
    for (size_t n = 0; n < images_real->count; n++) {
        const float *other = copy ? copy : images_real->values + n * size;
        if (copy) {
            images_get(images_real, n, copy);
        }
        float limit = count == wanted ? (float)found[count - 1].distance : INFINITY;
        float square = squared_distance(image, other, size, limit);
        if (square <= limit) {
            count = insert_neighbour(found, count, wanted, (Neighbour){n, (double)square});
        }
    }
    for (int i = 0; i < count; i++) {
        found[i].distance = sqrt(found[i].distance / (double)size);
    }
    free(copy);
    return count;
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
    find_neighbours(job->images_real, image, 1, &job->nearest[index]);
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
    float *memory = images_real->values ? NULL : images_load(&loaded);
    Coverage coverage = {.class_count = class_count,
                         .real_share = allocate((uint64_t)class_count, sizeof(double)),
                         .generated_share = allocate((uint64_t)class_count, sizeof(double))};
    CoverageJob job = {&loaded, images_generated,
                       allocate(images_generated->count, sizeof(Neighbour))};
    pool_run(pool, find_nearest, &job, (int)images_generated->count);
    free(memory);
    for (size_t i = 0; i < images_real->count; i++) {
        uint64_t place = images_real->first + i * images_real->step;
        coverage.real_share[labels[place]] += 1 / (double)images_real->count;
    }
    for (size_t i = 0; i < images_generated->count; i++) {
        uint64_t place = images_real->first + job.nearest[i].index * images_real->step;
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
