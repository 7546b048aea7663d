/* main.c -- gagac: the commands, and the column of passes that each one is. */
#define _POSIX_C_SOURCE 200809L
#include "build.h"
#include "hypergan.h"
#include "target_cuda.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static Model *read_model(const Options *options)
{
    Source *source = config_find(options->operands[0]);
    if (source == NULL)
        source = source_read(options->operands[0]); /* which says why not */
    Json *root = json_tree(source);
    if (is_hypergan(root)) {
        HyperOptions hyper = {options->width,          options->height,
                              options->channels,       options->batch_size,
                              options->strict,         options->overrides,
                              options->override_count, NULL};
        return read_hypergan(root, &hyper);
    }
    if (options->width > 0 || options->batch_size > 0 || options->strict)
        fail(EXIT_USAGE, NULL, "-s, -b and --strict are for HyperGAN configs");
    json_refuse_duplicates(root);
    Model *model = read_gaga(root, options->overrides, options->override_count);
    model_check(model);
    return model;
}

static EmittedFiles emit(const Model *model, const Options *options)
{
    EmitOptions emit_options = {.isa = options->isa,
                                .f64 = options->f64,
                                .tensor = options->tensor,
                                .plain = options->plain,
                                .order = options->wide ? ORDER_WIDE : host_order(model),
                                .cuda = options->cuda,
                                .device = options->default_device,
                                .archs = options->archs,
                                .arch_count = options->arch_count};
    return emit_program(model, &emit_options);
}

/* How images of another size are made to fit, as an option of RUN/train. */
static const char *fit_option(const Model *model, const Options *options)
{
    const char *fit = options->crop          ? "--crop"
                      : options->resize      ? "--resize"
                      : options->random_crop ? "--random-crop"
                                             : NULL;
    if (fit != NULL && model->channels == 0)
        fail(EXIT_USAGE, NULL, "%s is for images; this config describes rows", fit);
    return fit;
}

static BuildOptions build_options(const Model *model, const Options *options)
{
    return (BuildOptions){.compiler = options->compiler,
                          .isa = options->isa,
                          .f64 = options->f64,
                          .plain = options->plain,
                          .sources_only = options->emit_only,
                          .no_cache = options->no_cache,
                          .images = model->channels > 0,
                          .data = options->data,
                          .fit = fit_option(model, options),
                          .threads = (int)options->threads};
}

/* What the config says of GPUs, where the command line asks for none. */
static void note_device(const Model *model, const Options *options)
{
    const Span nowhere = {0};
    if (options->cuda || model->hyper)
        return;
    if (strcmp(model->device, "gpu") == 0)
        warn("--target both makes code for a GPU; \"gpu_mode\": \"cpu\" says that none is wanted",
             "the config asks for a GPU; this program trains on the CPU");
    else if (strcmp(model->device, "auto") == 0 && model->hyper == NULL)
        note_at(nowhere, "gpu_mode is auto: the program trains on the CPU");
}

/* Pictures cannot fit the sizes of all stages: they are scaled where nobody says otherwise. */
static const char *stages_fit(const Curriculum *c, const char *fit)
{
    for (int k = 1; k < c->count && fit == NULL; k++) {
        const Model *first = c->stages[0].model, *other = c->stages[k].model;
        if (first->width == other->width && first->height == other->height)
            continue;
        note_at(c->stages[k].span,
                "pictures are scaled to each stage's size, as with --resize; --crop cuts them");
        fit = "--resize";
    }
    return fit;
}

/* RUN is the first stage, RUN/stages/K the others. Nothing is written before all are emitted. */
static void compile_stages(const Curriculum *c, const Options *options, BuildOptions *build)
{
    EmittedFiles *files = arena_alloc((size_t)c->count * sizeof *files);
    const char *folder = arena_printf("%s/stages", options->output);
    for (int k = 0; k < c->count; k++)
        files[k] = emit(c->stages[k].model, options);
    build->fit = stages_fit(c, build->fit);
    build_run(options->output, files[0], build);
    if (c->count > 1 && mkdir(folder, 0777) != 0 && errno != EEXIST)
        fail(EXIT_IO, NULL, "cannot make the folder %s: %s", printable(folder), strerror(errno));
    for (int k = 1; k < c->count; k++)
        build_run(arena_printf("%s/%d", folder, k), files[k], build);
}

static void compile(const Options *options)
{
    Model *model = read_model(options);
    note_device(model, options);
    if (options->data != NULL && model->channels > 0)
        check_images(options->data, model->batch_size);
    else if (options->data != NULL)
        check_data(model, options->data);
    BuildOptions build = build_options(model, options);
    if (model->hyper != NULL && model->hyper->curriculum != NULL)
        compile_stages(model->hyper->curriculum, options, &build);
    else
        build_run(options->output, emit(model, options), &build);
}

/* The program takes over this process, so that signals and the exit status are its own. */
static void train(const Options *options)
{
    Words argv = {NULL, 0};
    compile(options);
    words_add(&argv, arena_printf("%s/train", path_absolute(options->output)));
    words_add(&argv, arena_printf("--data=%s", options->data));
    if (options->threads > 0)
        words_add(&argv, arena_printf("--threads=%d", (int)options->threads));
    if (options->iterations != NULL)
        words_add(&argv, arena_printf("--iterations=%s", options->iterations));
    if (options->seed != NULL)
        words_add(&argv, arena_printf("--seed=%s", options->seed));
    if (options->fresh)
        words_add(&argv, "--fresh");
    if (options->device != NULL)
        words_add(&argv, arena_printf("--device=%s", options->device));
    execv(argv.items[0], (char *const *)argv.items);
    fail(EXIT_IO, NULL, "cannot start %s: %s", printable(argv.items[0]), strerror(errno));
}

static void check(const Options *options)
{
    StepCost costs[MAX_STEPS];
    Model *model = read_model(options);
    int count = steps_cost(model, costs);
    check_print(model, costs, count, options->json);
}

static void bench(const Options *options)
{
    Model *model = read_model(options);
    BuildOptions build = build_options(model, options);
    bool gpu = options->device != NULL && strcmp(options->device, "cuda") == 0;
    if (options->fixed && !gpu)
        fail(EXIT_USAGE, "gagac bench CONFIG.json --device cuda --static",
             "--static tells of the kernels of a GPU");
    if (options->fixed) {
        EmitOptions emit_options = {.isa = options->isa,
                                    .f64 = options->f64,
                                    .tensor = options->tensor,
                                    .archs = options->archs,
                                    .arch_count = options->arch_count};
        cuda_static_print(model, &emit_options, options->json);
    } else if (gpu) {
        bench_device_print(emit(model, options), &build, options->json);
    } else {
        bench_print(emit(model, options), &build, options->json);
    }
}

static void cache(const Options *options)
{
    Cache *store = cache_open();
    int64_t entries = 0, bytes = 0;
    if (store == NULL)
        fail(EXIT_IO, NULL, "there is no cache");
    if (options->operands[0] != NULL && strcmp(options->operands[0], "clear") == 0)
        printf("%lld entries removed\n", (long long)cache_clear(store));
    cache_count(store, &entries, &bytes);
    printf("%s: %lld entries, %.1f of %d MB\n", printable(store->folder), (long long)entries,
           (double)bytes / 1048576.0, CACHE_LIMIT_MB);
}

static void print_made(const Options *options)
{
    const char *made = options->data != NULL ? "train" : "train --data FILE.npy";
    printf("%s/%s is ready\n", printable(options->output), options->emit_only ? "src" : made);
}

static void run_command(const Options *options)
{
    switch (options->command) {
    case COMMAND_COMPILE:
        compile(options);
        print_made(options);
        break;
    case COMMAND_NEW:
        if (options->list)
            template_list();
        else
            template_copy(options->config_template, options->operands[0]);
        break;
    case COMMAND_CHECK:
        check(options);
        break;
    case COMMAND_TRAIN:
        train(options);
        break;
    case COMMAND_BENCH:
        bench(options);
        break;
    case COMMAND_REPLAY:
        replay_interpret(read_model(options), options->operands[1], options->operands[2]);
        break;
    case COMMAND_CACHE:
        cache(options);
        break;
    case COMMAND_DOCTOR:
        doctor_print(options->compiler);
        break;
    case COMMAND_SCORE: /* reads its own command line */
        break;
    }
}

int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes shall be an error of write(), not an end */
    if (argc > 1 && strcmp(argv[1], "score") == 0)
        return command_score(argc - 1, argv + 1);
    run_command(command_parse(argc, argv));
    if (fflush(stdout) != 0 || ferror(stdout))
        fail(EXIT_IO, NULL, "cannot write to standard output");
    return EXIT_OK;
}
