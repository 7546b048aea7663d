/* bench.c -- `gagac bench`: runs the program's own measurement twice, as it is and with clocks in
 * its kernels (clocks cost a little, so steps are timed without), and prints the two as one: steps
 * as soon as they are known, then kernels, those that take longest first. */
#include "build.h"

#include <stdlib.h>
#include <string.h>

static Json *measure(EmittedFiles files, const BuildOptions *options)
{
    Words argv = {NULL, 0};
    words_add(&argv, build_train(files, options));
    words_add(&argv, "--bench");
    words_add(&argv, "--json");
    words_add(&argv, "--device=cpu");
    if (options->threads > 0)
        words_add(&argv, arena_printf("--threads=%d", options->threads));
    Job job = {.argv = argv.items, .capture = CAPTURE_OUTPUT};
    bool good = jobs_run(&job, 1);
    signals_obey();
    if (!good)
        fail(job.status > 0 && job.status < 128 ? job.status : EXIT_INTERNAL, NULL,
             "the measurement failed (status %d)", job.status);
    Source *source = arena_alloc(sizeof *source);
    *source = (Source){"the measurement", job.output.data, job.output.length};
    return json_parse(source);
}

static double number(const Json *object, const char *key)
{
    const Json *member = json_member(object, key);
    return member != NULL && member->kind == JSON_NUMBER ? member->number : 0;
}

static const char *text(const Json *object, const char *key)
{
    const Json *member = json_member(object, key);
    return member != NULL && member->kind == JSON_STRING ? printable(member->string) : "";
}

static int by_time(const void *a, const void *b)
{
    double first = number(*(Json *const *)a, "ms"), second = number(*(Json *const *)b, "ms");
    return (first < second) - (first > second);
}

/* The same rows, those that take longest first. */
static const Json *sort_rows(Json *list)
{
    int count = 0;
    for (Json *row = list == NULL ? NULL : list->child; row != NULL; row = row->next)
        count++;
    if (count == 0)
        return list;
    Json **rows = arena_alloc((size_t)count * sizeof *rows);
    count = 0;
    for (Json *row = list->child; row != NULL; row = row->next)
        rows[count++] = row;
    qsort(rows, (size_t)count, sizeof *rows, by_time);
    for (int k = 0; k < count; k++)
        rows[k]->next = k + 1 < count ? rows[k + 1] : NULL;
    list->child = rows[0];
    return list;
}

/* The name and what it does; columns of numbers stand right of the longest. */
static const char *title_of(const Json *row)
{
    return arena_printf("%-8s %s", text(row, "name"), text(row, "label"));
}

static void print_rows(const Json *list, const char *title)
{
    const Json *first = list == NULL ? NULL : list->child;
    int width = (int)strlen(title);
    for (const Json *row = first; row != NULL; row = row->next)
        width = (int)strlen(title_of(row)) > width ? (int)strlen(title_of(row)) : width;
    printf("\n%-*s %10s %10s %10s %8s\n", width, title, "ms", "GFLOP", "GFLOP/s", "% peak");
    for (const Json *row = first; row != NULL; row = row->next)
        printf("%-*s %10.4f %10.4f %10.1f %8.1f\n", width, title_of(row), number(row, "ms"),
               number(row, "gflop"), number(row, "gflops"), number(row, "percent_of_peak"));
}

/* The members of the first measurement in their order, but the kernels of the second. */
static void print_merged(const Json *steps, const Json *kernels)
{
    const char *separator = "{";
    for (const Json *member = steps->child; member != NULL; member = member->next) {
        const Json *shown =
            strcmp(member->key, "kernels") == 0 ? json_member(kernels, member->key) : member;
        if (shown == NULL)
            continue;
        printf("%s\"%s\": %.*s", separator, member->key, (int)(shown->span.end - shown->span.begin),
               shown->span.source->text + shown->span.begin);
        separator = ", ";
    }
    printf("}\n");
}

void bench_device_print(EmittedFiles files, const BuildOptions *build, bool json)
{
    Words argv = {NULL, 0};
    words_add(&argv, build_train(files, build));
    words_add(&argv, "--bench");
    words_add(&argv, "--device=cuda");
    if (json)
        words_add(&argv, "--json");
    Job job = {.argv = argv.items, .capture = CAPTURE_NONE};
    fflush(stdout);
    bool good = jobs_run(&job, 1);
    signals_obey();
    if (!good) {
        temporaries_remove();
        exit(job.status > 0 && job.status < 128 ? job.status : EXIT_INTERNAL);
    }
}

void bench_print(EmittedFiles files, const BuildOptions *build, bool json)
{
    BuildOptions with_clocks = *build;
    with_clocks.profile = true;
    Json *steps = measure(files, build);
    if (json) {
        print_merged(steps, measure(files, &with_clocks));
        return;
    }
    printf("peak %.1f GFLOP/s, %s, %d threads\n", number(steps, "peak_gflops"),
           isa_name(build->isa), (int)number(steps, "threads"));
    print_rows(json_member(steps, "steps"), "step");
    fflush(stdout);
    print_rows(sort_rows(json_member(measure(files, &with_clocks), "kernels")), "kernel");
}
