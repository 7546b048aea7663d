/* hyper_stages.c -- a curriculum: the configs that its list names, and which weights go on from one
 * to the next.
 *
 * The first entry is the config that was asked for, whatever its name; each of the others is found
 * like one of the command line and compiled as a program of its own. runtime/train/stages.c passes
 * from one program to the next. */
#include "hypergan.h"

#include <string.h>

static Model *read_named(const Phase *stage, const HyperOptions *options)
{
    Source *source = config_find(stage->name);
    if (source == NULL)
        fail_at(stage->span, "gagac new -l lists the packaged configs",
                "there is no config `%s` here, among the packaged ones or in ~/.gagac/configs",
                printable(stage->name));
    Json *root = json_tree(source);
    if (!is_hypergan(root))
        fail_at(stage->span, NULL, "`%s` is no HyperGAN config", printable(stage->name));
    return read_hypergan_one(root, options);
}

static void join_curriculum(Model *model, const Curriculum *c, int number)
{
    Hyper *hyper = arena_alloc(sizeof *hyper);
    *hyper = *model->hyper;
    hyper->curriculum = c;
    hyper->stage = number;
    model->hyper = hyper;
    model->iterations = c->stages[number].steps;
    c->stages[number].model = model;
}

/* All stages learn from the same data. */
static void check_stage(const Model *first, const Phase *stage)
{
    const Model *m = stage->model;
    if (m->channels != first->channels)
        fail_at(stage->span, NULL, "`%s` has %d channels, the first stage %d",
                printable(stage->name), m->channels, first->channels);
}

/* Sizes of the command line are those of the first stage, a batch size that of all. */
Model *read_hypergan(Json *root, const HyperOptions *options)
{
    Model *first = read_hypergan_one(root, options);
    const Curriculum *c = first->hyper->trainer.curriculum;
    if (c == NULL)
        return first;
    join_curriculum(first, c, 0);
    HyperOptions later = *options;
    later.width = later.height = later.channels = 0;
    later.like = first;
    for (int k = 1; k < c->count; k++) {
        join_curriculum(read_named(&c->stages[k], &later), c, k);
        check_stage(first, &c->stages[k]);
    }
    return first;
}

/* ---------------------------------------------------------------- weights that go on */
static bool same_text(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static bool same_shape(const Type *a, const Type *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]) == 0;
}

/* Layers with a name are found by it, wherever they stand; the others by their number. */
static bool goes_on(const Tensor *from, const Tensor *to)
{
    if (from->role != to->role || !same_shape(&from->type, &to->type))
        return false;
    if (from->line != NULL && to->line != NULL)
        return from->name[0] == to->name[0] && same_text(from->line, to->line) &&
               same_text(from->what, to->what);
    return from->line == to->line && strcmp(from->name, to->name) == 0; /* both have none */
}

const char **carried_names(const Model *model, const Graph *g)
{
    const Curriculum *c = model->hyper->curriculum;
    const char **names = arena_alloc((size_t)g->tensor_count * sizeof *names + 1);
    int before = model->hyper->stage > 0 ? model->hyper->stage - 1 : c->count - 1;
    const Graph *old = hyper_tensors(c->stages[before].model);
    for (int k = 0; k < g->tensor_count; k++)
        for (int i = 0; i < old->tensor_count && names[k] == NULL; i++)
            if (goes_on(old->tensors[i], g->tensors[k]))
                names[k] = old->tensors[i]->name;
    return names;
}
