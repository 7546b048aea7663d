/* score_images.c -- `gagac score` of images: distances of patches, nearest real images, and how the
 * classes are covered, beside the same of one half of the real images against the other. */
#include "score.h"

#include "image_pack.h"
#include "image_score.h"
#include "npy.h"
#include "gagac.h"

#include <cJSON.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_REAL = 10000, MOST_GENERATED = 1000, LEAST_IMAGES = 4 };

typedef struct ImageScores {
    double patches;
    Coverage coverage; /* of all images as one class where there are none */
} ImageScores;

bool is_image_path(const char *path)
{
    struct stat info;
    Npy npy = {0};
    Map map = {0};
    Error ignored = {0};
    if (stat(path, &info) != 0)
        return false; /* who opens it will say so */
    if (S_ISDIR(info.st_mode))
        return true;
    if (npy_open_array(&npy, path, &ignored)) {
        bool images = npy.axes >= 3;
        npy_close(&npy);
        return images;
    }
    if (!map_open(&map, path, &ignored))
        return false;
    bool npy_file = map.size >= 6 && memcmp(map.bytes, "\x93NUMPY", 6) == 0;
    map_close(&map);
    return !npy_file;
}

static void open_images(ImageSet *set, const char *path, ImageShape shape, ImageFit fit,
                        const char *labels)
{
    Error error = {0};
    ImageRequest request = {
        .path = path, .shape = shape, .fit = fit, .labels = labels, .threads = pool_core_count()};
    if (!image_set_open(set, &request, &error))
        fail(error.status, NULL, "%s", error.message); /* its hint names options of train */
    if (set->count < LEAST_IMAGES)
        fail(EXIT_INVALID, NULL, "%s has %" PRIu64 " images; a comparison needs at least %d",
             printable(path), set->count, LEAST_IMAGES);
}

/* Every other image of a set, from `first` on. */
static Images half_of(const ImageSet *set, uint64_t first, size_t most)
{
    size_t count = (size_t)set->count / 2, used = count < most ? count : most;
    return (Images){
        .shape = set->shape, .count = used, .set = set, .first = first, .step = 2 * (count / used)};
}

/* labels: of the set that the real images are of, NULL: one class. */
static ImageScores score(const Images *real, const Images *generated, const ImageSet *set,
                         Pool *pool)
{
    static const int one_class = 1;
    int32_t *none = arena_alloc((size_t)set->count * sizeof *none);
    Images few = *generated;
    few.count = few.count < MOST_GENERATED ? few.count : MOST_GENERATED;
    few.step *= generated->count / few.count;
    return (ImageScores){patch_distance(real, generated),
                         class_coverage(real, set->labels ? set->labels : none,
                                        set->labels ? set->class_count : one_class, &few, pool)};
}

/* ---------------------------------------------------------------- printing */
static const char *class_name(const ImageSet *set, int k)
{
    return set->class_names ? printable(set->class_names[k]) : arena_printf("%d", k);
}

static void print_table(const ImageSet *set, const ImageScores *s, const ImageScores *f)
{
    printf("%-12s %9s %9s\n", "", "score", "floor");
    printf("%-12s %9.4f %9.4f  sliced Wasserstein distance of 7 x 7 patches\n", "SWD", s->patches,
           f->patches);
    printf("%-12s %9.4f %9.4f  mean distance to the nearest real image\n", "nearest",
           s->coverage.nearest, f->coverage.nearest);
    if (!set->labels)
        return;
    printf("%-12s %9d %9d  of %d, with at least a quarter of their share\n", "classes",
           s->coverage.covered, f->coverage.covered, s->coverage.present);
    printf("%-12s %9.4f %9.4f  half the sum of the differences of shares\n\n", "class error",
           s->coverage.distance, f->coverage.distance);
    printf("%-12s %9s %9s %9s\n", "class", "real", "generated", "floor");
    for (int k = 0; k < set->class_count; k++)
        printf("%-12s %9.4f %9.4f %9.4f\n", class_name(set, k), s->coverage.real_share[k],
               s->coverage.generated_share[k], f->coverage.generated_share[k]);
}

static void fill_json(cJSON *object, const ImageSet *set, const ImageScores *scores)
{
    cJSON_AddNumberToObject(object, "swd", scores->patches);
    cJSON_AddNumberToObject(object, "nearest", scores->coverage.nearest);
    if (!set->labels)
        return;
    cJSON_AddNumberToObject(object, "classes", scores->coverage.covered);
    cJSON_AddNumberToObject(object, "class_error", scores->coverage.distance);
    cJSON *shares = cJSON_AddArrayToObject(object, "shares");
    for (int k = 0; k < set->class_count; k++)
        cJSON_AddItemToArray(shares, cJSON_CreateNumber(scores->coverage.generated_share[k]));
}

static void print_json(const ImageSet *real, const ImageSet *generated, const ImageScores *scores,
                       const ImageScores *floor)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "real_images", (double)real->count);
    cJSON_AddNumberToObject(root, "generated_images", (double)generated->count);
    cJSON_AddNumberToObject(root, "present_classes", scores->coverage.present);
    fill_json(root, real, scores);
    fill_json(cJSON_AddObjectToObject(root, "floor"), real, floor);
    char *text = cJSON_Print(root);
    if (!text)
        internal_error("out of memory while printing scores");
    puts(text);
    cJSON_free(text);
    cJSON_Delete(root);
}

void score_images(const char *real_path, const char *generated_path, const char *labels,
                  ImageFit fit, bool json)
{
    ImageSet real, generated;
    open_images(&generated, generated_path, (ImageShape){0}, FIT_EXACT, NULL);
    open_images(&real, real_path, generated.shape, fit, labels);
    Pool *pool = pool_create(pool_core_count());
    if (!pool)
        fail(EXIT_IO, NULL, "cannot start threads");
    Images all = images_of_set(&real, MOST_REAL), made = images_of_set(&generated, MOST_REAL);
    Images even = half_of(&real, 0, MOST_REAL), odd = half_of(&real, 1, MOST_REAL);
    ImageScores scores = score(&all, &made, &real, pool), floor = score(&even, &odd, &real, pool);
    pool_destroy(pool);
    if (json) {
        print_json(&real, &generated, &scores, &floor);
    } else {
        printf("%s: %" PRIu64 " images; %s: %" PRIu64 " images\n\n", printable(real_path),
               real.count, printable(generated_path), generated.count);
        print_table(&real, &scores, &floor);
    }
    coverage_free(&scores.coverage);
    coverage_free(&floor.coverage);
    image_set_close(&real);
    image_set_close(&generated);
}
