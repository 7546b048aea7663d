/* command_score.c -- `gagac score REAL.npy GENERATED.npy`: reads the two files and prints the
 * scores of score.c beside their floor, as a table or as JSON. */
#include "score.h"

#include "npy.h"
#include "options.h"
#include "gagac.h"

#include <cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char *const purpose =
    "Compares generated rows with real ones, column by column and together; columns are matched\n"
    "by name. Beside each score stands its floor: one half of the real rows against the other.\n"
    "Images (a folder, an array [n][height][width][channels], an IDX or CIFAR file) are compared "
    "by\n"
    "patches, by the nearest real image, and by the classes of these.";

typedef struct Request {
    const char *real_path, *generated_path;
    const char *labels; /* of images */
    bool classified, json;
    bool crop, resize; /* real images of another size */
} Request;

static Request parse_request(int argc, char **argv)
{
    Request request = {0};
    OptionList files = {0};
    const Option options[] = {
        {"--c2st", NULL, NULL, "also train a classifier to tell them apart (some seconds)",
         OPTION_FLAG, &request.classified, 0, 0},
        {"--labels", NULL, "FILE", "classes of the real images, .npy or IDX (default: sub-folders)",
         OPTION_TEXT, &request.labels, 0, 0},
        {"--crop", NULL, NULL, "real images of another size: cut out the middle, borders are black",
         OPTION_FLAG, &request.crop, 0, 0},
        {"--resize", NULL, NULL, "the same: scale them, nearest pixel", OPTION_FLAG,
         &request.resize, 0, 0},
        {"--json", NULL, NULL, "print JSON", OPTION_FLAG, &request.json, 0, 0},
    };
    const CommandLine line = {"gagac score REAL.npy GENERATED.npy", purpose, options,
                              sizeof options / sizeof options[0], &files};
    options_parse(&line, argc, argv);
    if (files.count != 2) {
        fail(EXIT_USAGE, "usage: gagac score REAL.npy GENERATED.npy [--c2st] [--json]",
             "two files are needed, not %d", files.count);
    }
    if (request.crop && request.resize)
        fail(EXIT_USAGE, NULL, "--crop and --resize exclude each other");
    request.real_path = files.items[0];
    request.generated_path = files.items[1];
    return request;
}

/* ---------------------------------------------------------------- reading */
typedef struct File {
    const char *path;
    Npy npy;
    int *columns; /* the index of each compared column in this file */
} File;

/* Maps the file; rows are read once the columns are known. */
static void open_file(File *file, const char *path, size_t least_rows)
{
    Error error;
    file->path = path;
    if (!npy_open(&file->npy, path, &error)) {
        fail_error(&error);
    }
    if (file->npy.rows < least_rows) {
        fail(EXIT_INVALID, NULL, "%s has %" PRIu64 " rows; a comparison needs at least %zu",
             printable(path), file->npy.rows, least_rows);
    }
}

static bool has_column(const Npy *npy, const char *name)
{
    for (int k = 0; k < npy->column_count; k++) {
        if (!strcmp(npy->columns[k].name, name)) {
            return true;
        }
    }
    return false;
}

/* Names of the compared columns: those of the generated file, or of the real one where the
 * generated one is a plain array, or numbers when both are. */
static const char **choose_names(const File *real, const File *generated)
{
    const Npy *named = generated->npy.named || !real->npy.named ? &generated->npy : &real->npy;
    const char **names = arena_alloc((size_t)named->column_count * sizeof *names + 1);
    for (int k = 0; k < named->column_count; k++) {
        names[k] = named->named ? arena_printf("%s", named->columns[k].name)
                                : arena_printf("column %d", k);
    }
    for (int k = 0; k < real->npy.column_count && named == &generated->npy; k++) {
        const char *name = real->npy.columns[k].name;
        if (real->npy.named && named->named && !has_column(named, name)) {
            note_at((Span){0}, "column '%s' is only in %s: left out", printable(name),
                    printable(real->path));
        }
    }
    return names;
}

static void select_columns(File *file, const char *const *names, int count)
{
    Error error;
    file->columns = arena_alloc((size_t)count * sizeof(int) + 1);
    if (!npy_select(&file->npy, names, count, file->columns, &error)) {
        fail_error(&error);
    }
}

/* One column, rounded to float32; a value that is no number there would poison every score. */
static void read_column(const File *file, int column, const char *name, float *out)
{
    enum { CHUNK = 4096 };
    double values[CHUNK];
    uint64_t broken = 0;
    for (uint64_t first = 0; first < file->npy.rows; first += CHUNK) {
        uint64_t left = file->npy.rows - first;
        size_t count = left < CHUNK ? (size_t)left : CHUNK;
        npy_read(&file->npy, file->columns[column], first, count, values);
        for (size_t i = 0; i < count; i++) {
            out[first + i] = (float)values[i];
            broken += isfinite(out[first + i]) ? 0 : 1;
        }
    }
    if (broken > 0) {
        fail(EXIT_INVALID, NULL, "%s: %" PRIu64 " values of column '%s' are NaN or infinite",
             printable(file->path), broken, printable(name));
    }
}

static Sample read_sample(File *file, const char *const *names, int count)
{
    select_columns(file, names, count);
    Sample sample = {(size_t)file->npy.rows, count, arena_alloc((size_t)count * sizeof(float *))};
    for (int c = 0; c < count; c++) {
        sample.columns[c] = arena_alloc(sample.rows * sizeof(float));
        read_column(file, c, names[c], sample.columns[c]);
    }
    npy_close(&file->npy);
    return sample;
}

/* ---------------------------------------------------------------- printing */
typedef struct Line { /* one number over all columns */
    const char *title, *key, *meaning;
    double score, floor;
} Line;

enum { LINE_COUNT = 7 };

static void fill_lines(const Scores *s, const Scores *f, Line lines[LINE_COUNT])
{
    const Line all[LINE_COUNT] = {
        {"SW1", "sw1", "sliced Wasserstein distance, standardised columns", s->linear.sliced,
         f->linear.sliced},
        {"SW1q", "sw1q", "the same of normal scores: sees sharp lines", s->ranked.sliced,
         f->ranked.sliced},
        {"mean KS", "mean_ks", "mean of the columns", s->mean_ks, f->mean_ks},
        {"corr", "corr", "largest error of a correlation coefficient", s->linear.correlation,
         f->linear.correlation},
        {"corrq", "corrq", "the same of normal scores", s->ranked.correlation,
         f->ranked.correlation},
        {"C2ST", "c2st", "accuracy of a classifier; 0.5: cannot tell", s->linear.accuracy,
         f->linear.accuracy},
        {"C2STq", "c2stq", "the same of normal scores", s->ranked.accuracy, f->ranked.accuracy},
    };
    memcpy(lines, all, sizeof all);
}

/* Columns first, then the scores over all columns; those not asked for are NaN and left out. */
static void print_table(const Scores *scores, const Scores *floor, const char *const *names)
{
    printf("%-12s %19s  %19s  %19s  %19s\n", "", "W1 / std   (floor)", "KS   (floor)",
           "mean shift   (floor)", "std ratio   (floor)");
    for (int c = 0; c < scores->column_count; c++) {
        const ColumnScore *s = &scores->columns[c], *f = &floor->columns[c];
        printf("%-12s %9.4f %9.4f  %9.4f %9.4f  %+9.4f %+9.4f  %+9.4f %+9.4f\n",
               printable(names[c]), s->wasserstein, f->wasserstein, s->ks, f->ks, s->mean_shift,
               f->mean_shift, s->std_ratio, f->std_ratio);
    }
    Line lines[LINE_COUNT];
    fill_lines(scores, floor, lines);
    printf("\n%-12s %9s %9s\n", "", "score", "floor");
    for (int k = 0; k < LINE_COUNT; k++) {
        if (!isnan(lines[k].score)) {
            printf("%-12s %9.4f %9.4f  %s\n", lines[k].title, lines[k].score, lines[k].floor,
                   lines[k].meaning);
        }
    }
}

static void add_column_json(cJSON *columns, const char *name, const ColumnScore *score)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "name", name);
    cJSON_AddNumberToObject(object, "w1", score->wasserstein);
    cJSON_AddNumberToObject(object, "ks", score->ks);
    cJSON_AddNumberToObject(object, "mean_shift", score->mean_shift);
    cJSON_AddNumberToObject(object, "std_ratio", score->std_ratio);
    cJSON_AddItemToArray(columns, object);
}

/* The same object for the scores and for their floor: the keys of fill_lines(), and columns. */
static void fill_json(cJSON *object, const Scores *scores, const char *const *names)
{
    Line lines[LINE_COUNT];
    fill_lines(scores, scores, lines);
    for (int k = 0; k < LINE_COUNT; k++) {
        if (!isnan(lines[k].score)) {
            cJSON_AddNumberToObject(object, lines[k].key, lines[k].score);
        }
    }
    cJSON *columns = cJSON_AddArrayToObject(object, "columns");
    for (int c = 0; c < scores->column_count; c++) {
        add_column_json(columns, names[c], &scores->columns[c]);
    }
}

static void print_json(const Scores *scores, const Scores *floor, const Sample *real,
                       const Sample *generated, const char *const *names)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "real_rows", (double)real->rows);
    cJSON_AddNumberToObject(root, "generated_rows", (double)generated->rows);
    fill_json(root, scores, names);
    fill_json(cJSON_AddObjectToObject(root, "floor"), floor, names);
    char *text = cJSON_Print(root);
    if (!text) {
        internal_error("out of memory while printing scores");
    }
    puts(text);
    cJSON_free(text);
    cJSON_Delete(root);
}

static int finish_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fail(EXIT_IO, NULL, "cannot write to standard output");
    }
    return EXIT_OK;
}

int command_score(int argc, char **argv)
{
    Request request = parse_request(argc, argv);
    if (is_image_path(request.real_path) || is_image_path(request.generated_path)) {
        if (request.classified) {
            fail(EXIT_USAGE, NULL, "--c2st is for rows, not for images");
        }
        ImageFit fit = request.crop ? FIT_CROP : request.resize ? FIT_RESIZE : FIT_EXACT;
        score_images(request.real_path, request.generated_path, request.labels, fit, request.json);
        return finish_output();
    }
    if (request.labels) {
        fail(EXIT_USAGE, NULL, "--labels is for images, not for rows");
    }
    File real_file, generated_file;
    open_file(&real_file, request.real_path, 4); /* two rows in each half */
    open_file(&generated_file, request.generated_path, 2);
    const char **names = choose_names(&real_file, &generated_file);
    int count = generated_file.npy.column_count;
    Sample real = read_sample(&real_file, names, count);
    Sample generated = read_sample(&generated_file, names, count);
    Sample halves[2];
    split_sample(&real, halves);
    Scores scores = score_samples(&real, &generated, request.classified);
    Scores floor = score_samples(&halves[0], &halves[1], request.classified);
    if (request.json) {
        print_json(&scores, &floor, &real, &generated, names);
    } else {
        printf("%s: %zu rows; %s: %zu rows\n\n", printable(request.real_path), real.rows,
               printable(request.generated_path), generated.rows);
        print_table(&scores, &floor, names);
    }
    return finish_output();
}
