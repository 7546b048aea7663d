/* stages.c -- see stages.h. */
#define _POSIX_C_SOURCE 200809L
#include "stages.h"

#include "checkpoint.h"
#include "output.h"
#include "place.h"
#include "snapshot.h"
#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char record_name[] = "stage";

static int number_of(const ProgramStages *plan, uint64_t visit)
{
    return (int)(visit % (uint64_t)plan->count);
}

static char *copy_text(const char *text)
{
    char *copy = allocate(strlen(text) + 1, 1);
    return strcpy(copy, text);
}

/* BASE of stage 0, BASE/stages/K of the others. */
static char *stage_folder(const char *base, int number)
{
    char name[32];
    snprintf(name, sizeof name, "stages/%d", number);
    return number == 0 ? copy_text(base) : path_join(base, name);
}

/* The folder RUN, from that of this program: RUN or RUN/stages/K. */
static char *programs_folder(int number)
{
    char *folder = program_folder();
    for (int level = 0; number > 0 && level < 2; level++) {
        char *slash = strrchr(folder, '/');
        if (slash) {
            *slash = '\0';
        }
    }
    return folder;
}

static uint64_t read_record(const Stages *stages)
{
    const ProgramStages *plan = &stages->program->stages;
    char *path = path_join(stages->runs, record_name), text[32] = "";
    FILE *file = fopen(path, "r");
    uint64_t visit = 0;
    if (!file) {
        free(path);
        return 0;
    }
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    const char *at = text;
    bool good = read_whole(&at, text + length, &visit) && at[0] == '\n';
    if (!good || (!plan->cycle && visit >= (uint64_t)plan->count)) {
        fail(EXIT_INVALID, "--fresh starts over", "%s does not name a stage of this curriculum",
             path);
    }
    free(path);
    return visit;
}

Stages stages_open(const Program *program, const char *run, bool fresh)
{
    Stages stages = {.program = program, .programs = programs_folder(program->stages.number)};
    stages.runs = run ? copy_text(run) : stages.programs;
    stages.visit = fresh ? 0 : read_record(&stages);
    return stages;
}

static NO_RETURN void run_program(const Stages *stages, const char *name, char **argv)
{
    int number = number_of(&stages->program->stages, stages->visit), count = 0;
    char *folder = stage_folder(stages->programs, number), *path = path_join(folder, name);
    while (argv[count]) {
        count++;
    }
    char **words = allocate((uint64_t)count + 2, sizeof *words);
    words[0] = path;
    for (int k = 1, next = 1; k < count; k++) {
        if (strcmp(argv[k], "--fresh") != 0 || stages->visit == 0) {
            words[next++] = argv[k];
        }
    }
    execv(path, words);
    fail(EXIT_IO, "compile the curriculum again", "cannot start %s: %s", path, strerror(errno));
}

void stages_enter(const Stages *stages, const char *name, char **argv)
{
    const ProgramStages *plan = &stages->program->stages;
    if (number_of(plan, stages->visit) != plan->number) {
        run_program(stages, name, argv);
    }
}

static void make_folder(const char *path)
{
    if (mkdir(path, 0777) && errno != EEXIST) {
        fail(EXIT_IO, NULL, "cannot make the folder %s: %s", path, strerror(errno));
    }
}

char *stages_run(const Stages *stages, bool make)
{
    int number = stages->program->stages.number;
    char *folder = stage_folder(stages->runs, number);
    if (make && number > 0) {
        output_clean(stages->runs);
        char *parent = path_join(stages->runs, "stages");
        make_folder(parent);
        free(parent);
    }
    if (make) {
        make_folder(folder);
    }
    return folder;
}

/* Iterations of all stages that were passed. */
static uint64_t iterations_before(const Stages *stages)
{
    const ProgramStages *plan = &stages->program->stages;
    uint64_t round = 0, before = 0, count = (uint64_t)plan->count;
    for (int k = 0; k < plan->count; k++) {
        round += (uint64_t)plan->steps[k];
        before += (uint64_t)k < stages->visit % count ? (uint64_t)plan->steps[k] : 0;
    }
    return before + stages->visit / count * round;
}

uint64_t stages_total(const Stages *stages, uint64_t most)
{
    const ProgramStages *plan = &stages->program->stages;
    uint64_t steps = (uint64_t)plan->steps[plan->number], before = iterations_before(stages);
    uint64_t left = most > before ? most - before : 0;
    return most > 0 && left < steps ? left : steps;
}

bool stages_follow(const Stages *stages, uint64_t most)
{
    const ProgramStages *plan = &stages->program->stages;
    uint64_t end = iterations_before(stages) + (uint64_t)plan->steps[plan->number];
    return (plan->cycle || plan->number + 1 < plan->count) && (most == 0 || most > end);
}

void stages_record(const Stages *stages)
{
    char text[32], *path = path_join(stages->runs, record_name);
    Error error = {0};
    int length = snprintf(text, sizeof text, "%" PRIu64 "\n", stages->visit);
    if (!output_text(path, text, (size_t)length, &error)) {
        fail_error(&error);
    }
    free(path);
}

void stages_next(Stages *stages, char **argv)
{
    stages->visit++;
    char *folder = stage_folder(stages->runs, number_of(&stages->program->stages, stages->visit));
    char *checkpoints = path_join(folder, "checkpoints");
    if (access(checkpoints, F_OK) == 0) {
        checkpoint_remove_others(checkpoints, UINT64_MAX);
    }
    free(checkpoints);
    free(folder);
    stages_record(stages);
    run_program(stages, "train", argv);
}

/* ---------------------------------------------------------------- weights */
static Safetensors open_before(const Stages *stages)
{
    const ProgramStages *plan = &stages->program->stages;
    char *folder = stage_folder(stages->runs, number_of(plan, stages->visit - 1));
    char *checkpoints = path_join(folder, "checkpoints");
    Safetensors file = {0};
    Error error = {0};
    uint64_t iteration = 0;
    CheckpointFound found = checkpoint_newest(checkpoints, &file, &iteration, &error);
    if (found == CHECKPOINT_ALL_DAMAGED) {
        fail_error(&error);
    }
    if (found == CHECKPOINT_NONE) {
        fail(EXIT_IO, "--fresh starts over", "%s holds no checkpoint of the stage before",
             checkpoints);
    }
    free(checkpoints);
    free(folder);
    return file;
}

void stages_carry(const Stages *stages, real *state, bool quiet)
{
    const Program *program = stages->program;
    Safetensors file = open_before(stages);
    Error error = {0};
    for (int k = 0; k < program->tensor_count; k++) {
        const ProgramTensor *tensor = &program->tensors[k];
        const char *name = program->stages.carried[k];
        const StoredTensor *stored = name ? safetensors_find(&file, name) : NULL;
        if (stored && !tensor_load(tensor, state, stored, &error)) {
            fail_error(&error);
        }
        if (!stored && tensor->role == ROLE_PARAMETER && !quiet) {
            fprintf(stderr, "note: %s (%s) is new in stage %d\n", tensor->name, tensor->label,
                    program->stages.number);
        }
    }
    safetensors_close(&file);
    state_copy_sources(program, state);
}
