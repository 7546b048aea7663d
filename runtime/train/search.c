/* search.c -- see search.h.
 *
 * What is drawn is a function of seed, iteration and the number of the draw; what is kept from one
 * iteration to the next lies in the state. So a training that goes on from a checkpoint is the same
 * training. */
#include "search.h"

#include "rng.h"
#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DRAWS = 1 << 20, MOST_TRIES = 10000 };

typedef struct Search {
    Training *training;
    const ProgramSearch *plan;
    const ProgramUpdate *update;
    size_t batch, width; /* samples; numbers of a latent */
    int latent_input, unit_input, data_input;
    const real *pictures; /* instead of the data's, or NULL */
    real *unit;           /* [batch][batch]: the unit matrix */
    real *scores;         /* [batch], of the last evaluation */
    uint64_t draws;       /* batches drawn in this iteration */
} Search;

static int find_input(const ProgramUpdate *update, const char *name)
{
    for (int k = 0; k < update->input_count; k++) {
        if (!strcmp(update->inputs[k].name, name)) {
            return k;
        }
    }
    return -1;
}

static Search search_create(Training *training)
{
    const Program *program = training->program;
    Search s = {.training = training, .plan = &program->search};
    s.update = &program->updates[s.plan->update];
    s.batch = (size_t)program->batch_size;
    s.width = (size_t)program->z_dim;
    s.latent_input = find_input(s.update, "z_search");
    s.unit_input = find_input(s.update, "unit");
    s.data_input = find_input(s.update, "real");
    s.unit = allocate(s.batch * s.batch, sizeof(real));
    s.scores = allocate(s.batch, sizeof(real));
    for (size_t i = 0; i < s.batch; i++) {
        s.unit[i * s.batch + i] = 1;
    }
    return s;
}

static void draw_latents(Search *s, real *latents)
{
    const ProgramInput *input = &s->update->inputs[s->latent_input];
    double span = input->high > input->low ? input->high - input->low : 1;
    uint64_t counter = s->training->iteration * MOST_DRAWS + s->draws++;
    for (size_t i = 0; i < s->batch; i++) {
        real *row = latents + i * s->width;
        draw_row(row, (int)s->width, DRAW_UNIFORM, s->training->seed, (uint32_t)input->stream,
                 counter, i);
        for (size_t k = 0; k < s->width; k++) {
            real scaled = row[k] * (real)span;
            row[k] = scaled + (real)input->low;
        }
    }
}

/* The mean fitness of the latents; that of each goes to scores. */
static double evaluate(Search *s, const real *latents)
{
    const Program *program = s->training->program;
    const real *given[MAX_INPUTS] = {NULL};
    if (s->latent_input >= 0) {
        given[s->latent_input] = latents;
    }
    given[s->unit_input] = s->unit;
    if (s->data_input >= 0) {
        given[s->data_input] = s->pictures;
    }
    training_update(s->training, s->plan->update, 0, given);
    training_fetch_tensor(s->training, &program->tensors[s->plan->scores]);
    tensor_get(&program->tensors[s->plan->scores], s->training->state, s->scores);
    return s->training->outputs[s->plan->update][0];
}

/* ---------------------------------------------------------------- batch fitness */
static size_t worst_of(const real *scores, size_t count)
{
    size_t worst = 0;
    for (size_t i = 1; i < count; i++) {
        if (scores[i] > scores[worst]) {
            worst = i;
        }
    }
    return worst;
}

void keep_best(size_t batch, size_t width, real *kept, real *kept_scores, const real *fresh,
               const real *scores)
{
    for (size_t i = 0; i < batch; i++) {
        size_t worst = worst_of(kept_scores, batch);
        if (scores[i] < kept_scores[worst]) {
            kept_scores[worst] = scores[i];
            memcpy(kept + worst * width, fresh + i * width, width * sizeof(real));
        }
    }
}

/* The kept latents of the last iteration are judged anew, as the networks have moved. */
static void search_batch(Search *s, real *kept)
{
    const Program *program = s->training->program;
    const ProgramTensor *memory = &program->tensors[s->plan->latents];
    real *latents = allocate(s->batch * s->width, sizeof(real));
    real *kept_scores = allocate(s->batch, sizeof(real));
    if (s->training->iteration == 0) {
        draw_latents(s, kept);
    } else {
        training_fetch_tensor(s->training, memory);
        tensor_get(memory, s->training->state, kept);
    }
    evaluate(s, kept);
    memcpy(kept_scores, s->scores, s->batch * sizeof(real));
    int misses = 0, steps = s->plan->steps < MOST_DRAWS ? s->plan->steps : MOST_DRAWS;
    for (int step = 1; step < steps; step++) {
        real before = kept_scores[worst_of(kept_scores, s->batch)];
        draw_latents(s, latents);
        evaluate(s, latents);
        keep_best(s->batch, s->width, kept, kept_scores, latents, s->scores);
        misses = kept_scores[worst_of(kept_scores, s->batch)] < before ? 0 : misses + 1;
        if (s->plan->heuristic >= 0 && misses > s->plan->heuristic) {
            break;
        }
    }
    tensor_put(memory, s->training->state, kept);
    training_send_tensor(s->training, memory);
    free(kept_scores);
    free(latents);
}

/* ---------------------------------------------------------------- fitness */
enum { IS_SET, THRESHOLD, HAS_LAST, LAST };

/* Draws until the fitness is not above the threshold, which each failure lifts a little towards it.
 * False: the same fitness came twice. */
static bool search_threshold(Search *s, real *latents)
{
    const Program *program = s->training->program;
    const ProgramTensor *tensor = &program->tensors[s->plan->memory];
    real memory[4];
    bool found = false;
    training_fetch_tensor(s->training, tensor);
    tensor_get(tensor, s->training->state, memory);
    for (int tries = 0; !found && tries < MOST_TRIES; tries++) {
        draw_latents(s, latents);
        real fitness = (real)evaluate(s, latents);
        bool same = memory[HAS_LAST] > 0 && fitness == memory[LAST];
        memory[HAS_LAST] = 1;
        memory[LAST] = fitness;
        if (same || !isfinite(fitness)) {
            memory[IS_SET] = 0;
            break;
        }
        if (!(memory[IS_SET] > 0) || fitness <= memory[THRESHOLD]) {
            memory[IS_SET] = 1;
            memory[THRESHOLD] = fitness;
            found = true;
        } else {
            real way = fitness - memory[THRESHOLD];
            real part = (real)(1 - s->plan->decay) * way;
            memory[THRESHOLD] += part;
        }
    }
    tensor_put(tensor, s->training->state, memory);
    training_send_tensor(s->training, tensor);
    return found;
}

real *search_latents(Training *training, const real *pictures, bool *skip)
{
    *skip = false;
    if (training->program->search.kind == SEARCH_NONE) {
        return NULL;
    }
    Search s = search_create(training);
    s.pictures = pictures;
    real *latents = allocate(s.batch * s.width, sizeof(real));
    if (training->program->search.kind == SEARCH_BATCH) {
        search_batch(&s, latents);
    } else {
        *skip = !search_threshold(&s, latents);
    }
    free(s.unit);
    free(s.scores);
    return latents;
}
