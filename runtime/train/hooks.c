/* hooks.c -- see hooks.h.
 *
 * What is drawn is a function of seed and iteration, or of counts that lie in the state. So a
 * training that goes on from a checkpoint is the same training. */
#include "hooks.h"

#include "data.h"
#include "rng.h"
#include "search.h"
#include "state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const ProgramTensor *tensor_at(const Training *training, int index)
{
    return &training->program->tensors[index];
}

/* Numbers of a tensor of the state, wherever that is; and their way back. */
static void read_tensor(Training *training, int index, real *numbers)
{
    training_fetch_tensor(training, tensor_at(training, index));
    tensor_get(tensor_at(training, index), training->state, numbers);
}

static void write_tensor(Training *training, int index, const real *numbers)
{
    tensor_put(tensor_at(training, index), training->state, numbers);
    training_send_tensor(training, tensor_at(training, index));
}

/* ---------------------------------------------------------------- pictures */
typedef struct Chooser {
    Training *training;
    const ProgramPictures *plan;
    size_t batch, width;
    real *scores;   /* [batch], of the last evaluation */
    uint64_t draws; /* batches taken from the data so far */
} Chooser;

enum { DRAWS_A_WORD = 1 << 20 }; /* the count is two numbers that are exact in single precision */

static void draw_pictures(Chooser *c, real *pictures)
{
    const Data *data = c->training->data;
    Order order = data_order(data, c->training->seed);
    uint64_t position = c->draws++ * c->batch;
    for (size_t i = 0; i < c->batch; i++) {
        data_row(data, order_row(&order, position + i), pictures + i * c->width, 1);
    }
}

static void judge_pictures(Chooser *c, const real *pictures)
{
    Choice given = {.pictures = pictures};
    training_update_given(c->training, c->plan->update, 0, &given);
    read_tensor(c->training, c->plan->scores, c->scores);
}

static real largest(const real *a, const real *b, size_t count)
{
    real most = a[0];
    for (size_t i = 0; i < count; i++) {
        most = a[i] > most ? a[i] : most;
        most = b[i] > most ? b[i] : most;
    }
    return most;
}

/* Of what was kept and of each new batch the best stay; ends when the worst of both does not get
 * better. */
static void search_pictures(Chooser *c, real *kept)
{
    real *fresh = allocate(c->batch * c->width, sizeof(real));
    real *kept_scores = allocate(c->batch, sizeof(real)), best = 1000;
    int misses = 0;
    judge_pictures(c, kept);
    memcpy(kept_scores, c->scores, c->batch * sizeof(real));
    for (int step = 0; step < c->plan->steps; step++) {
        draw_pictures(c, fresh);
        judge_pictures(c, fresh);
        real worst = largest(kept_scores, c->scores, c->batch);
        if (c->plan->takes_last) {
            memcpy(kept, fresh, c->batch * c->width * sizeof(real));
            memcpy(kept_scores, c->scores, c->batch * sizeof(real));
        } else {
            keep_best(c->batch, c->width, kept, kept_scores, fresh, c->scores);
        }
        misses = worst < best ? 0 : misses + 1;
        best = worst < best ? worst : best;
        if (c->plan->heuristic >= 0 && misses > c->plan->heuristic) {
            break;
        }
    }
    free(kept_scores);
    free(fresh);
}

real *hooks_choose_pictures(Training *training)
{
    const Program *program = training->program;
    const ProgramPictures *plan = &program->pictures;
    if (!plan->chooses) {
        return NULL;
    }
    Chooser c = {.training = training, .plan = plan, .batch = (size_t)program->batch_size};
    c.width = (size_t)program->x_dim;
    c.scores = allocate(c.batch, sizeof(real));
    real *kept = allocate(c.batch * c.width, sizeof(real)), count[2];
    read_tensor(training, plan->count, count);
    read_tensor(training, plan->kept, kept);
    c.draws = (uint64_t)count[1] * DRAWS_A_WORD + (uint64_t)count[0];
    if (c.draws == 0 || plan->steps == 0) {
        draw_pictures(&c, kept);
    }
    search_pictures(&c, kept);
    count[0] = (real)(c.draws % DRAWS_A_WORD);
    count[1] = (real)(c.draws / DRAWS_A_WORD);
    write_tensor(training, plan->count, count);
    write_tensor(training, plan->kept, kept);
    free(c.scores);
    return kept;
}

/* ---------------------------------------------------------------- weights */
void hooks_shake(Training *training)
{
    const Program *program = training->program;
    for (int k = 0; k < program->tensor_count; k++) {
        const ProgramTensor *tensor = &program->tensors[k];
        real amount = (real)program->shake[tensor->name[0] == 'D'];
        if (tensor->role != ROLE_PARAMETER || amount == 0) {
            continue;
        }
        for (int row = 0; row < tensor->rows; row++) {
            real *values = training->state + tensor->offset + (size_t)row * (size_t)tensor->stride;
            for (int at = 0; at < tensor->row; at += DRAWS_A_BLOCK) {
                real draws[DRAWS_A_BLOCK];
                draw_shake(draws, training->seed, training->iteration, k, row, at);
                for (int i = 0; i < DRAWS_A_BLOCK && at + i < tensor->row; i++) {
                    real part = amount * draws[i];
                    values[at + i] += part;
                }
            }
        }
    }
}

/* ---------------------------------------------------------------- inner trainings */
typedef struct Matching {
    Training *training;
    const ProgramMatch *plan;
    const Choice *given;
    int runs; /* of the inner training so far */
    double loss;
    bool moved; /* the last run changed something */
} Matching;

static void put_number(const Matching *m, int tensor, double number)
{
    real value = (real)number;
    write_tensor(m->training, tensor, &value);
}

/* One update, or with the factor 0 a look; the loss is that before it. */
static void run_match(Matching *m, double factor)
{
    put_number(m, m->plan->factor, factor);
    training_update_given(m->training, m->plan->update, m->runs++, m->given);
    real moved = 0;
    read_tensor(m->training, m->plan->moved, &moved);
    m->loss = m->training->outputs[m->plan->update][0];
    m->moved = moved > 0;
}

static void start_match(Matching *m)
{
    for (int k = 0; k < m->plan->reset_count; k++) {
        training_restart_tensor(m->training, m->plan->reset[k]);
    }
    put_number(m, m->plan->last, 0);
    m->runs = 0;
}

/* One training of the given depth: longer, and with larger steps, the deeper. True: it has come to
 * an end. */
static bool run_depth(Matching *m, int depth)
{
    const ProgramMatch *plan = m->plan;
    start_match(m);
    for (int step = 0; step < plan->steps * (depth + 1); step++) {
        run_match(m, (depth + 1) / 2.0);
        if (!isfinite(m->loss) || !m->moved) {
            return true;
        }
    }
    run_match(m, 0);
    return !isfinite(m->loss) || !plan->has_threshold || m->loss <= plan->threshold;
}

static void match(Matching *m)
{
    start_match(m);
    run_match(m, 0);
    if (!isfinite(m->loss) || (m->plan->has_threshold && m->loss < m->plan->threshold)) {
        return;
    }
    training_keep(m->training);
    for (int depth = 0; depth < m->plan->depth && !run_depth(m, depth); depth++) {
    }
    if (!isfinite(m->loss)) { /* as if nothing had been tried */
        training_take_back(m->training);
    }
}

void hooks_match(Training *training, const Choice *given)
{
    for (int k = 0; k < training->program->match_count; k++) {
        Matching m = {.training = training, .plan = &training->program->matches[k]};
        m.given = given;
        match(&m);
    }
}

void hooks_end(Training *training)
{
    const Program *program = training->program;
    for (int k = 0; k < program->match_count; k++) {
        for (int i = 0; i < program->matches[k].offset_count; i++) {
            training_restart_tensor(training, program->matches[k].offsets[i]);
        }
    }
}
