/* training.h -- one iteration of a training: which rows, which draws and which rates each update
 * gets.
 *
 * All of it follows from (seed, iteration), so a training that is resumed from a checkpoint goes on
 * with the same bits. */
#ifndef GAGAC_TRAINING_H
#define GAGAC_TRAINING_H

#include "fail.h"
#include "pool.h"
#include "program.h"

struct Data;

enum { MAX_UPDATES = 16 }; /* kinds of updates in an iteration */

typedef struct Training {
    const Program *program;
    Pool *pool;
    struct Device *device; /* the GPU that runs the updates; NULL: the CPU */
    real *state;           /* with a device: brought up to date by training_fetch() */
    real *kept;            /* by training_keep() on the CPU */
    void *work;
    const struct Data *data; /* NULL in a replay */
    uint64_t seed;
    uint64_t iteration;                       /* iterations done so far */
    double outputs[MAX_UPDATES][MAX_OUTPUTS]; /* of the last update of each kind */
    double swd; /* images: distance of patches as last measured, NaN: not yet */
} Training;

/* Takes the memory of state and work. The state is zero: see state_initialise(). */
Training training_create(const Program *program, int threads, uint64_t seed);
void training_destroy(Training *training);

/* Moves the updates to a GPU, which takes the training's state with the first of them. False, with
 * the reason, when there is none or it cannot hold the training. */
bool training_use_device(Training *training, Error *error);
/* Brings training->state up to date; nothing to do on the CPU. */
void training_fetch(Training *training);
/* The same for one tensor of the state; its way back after a change; and that of all of a state
 * that was fetched and changed. */
void training_fetch_tensor(Training *training, const ProgramTensor *tensor);
void training_send_tensor(Training *training, const ProgramTensor *tensor);
void training_changed(Training *training);
/* A tensor begins anew, as tensor_restart() does, where the state is. */
void training_restart_tensor(Training *training, int index);
/* Keeps a copy of the state, of a program with inner trainings; and makes it the state again. */
void training_keep(Training *training);
void training_take_back(Training *training);

/* Which rows, draws and rates the repeat-th update (from 0) of its kind gets in an iteration. */
void training_facts(const Training *training, uint64_t iteration, int kind, int repeat,
                    Batch *batch, real scalars[MAX_SCALARS]);
/* Whether the host has something to do between the start of an iteration and its updates: pictures
 * or latents are chosen, or an inner training runs. */
bool training_has_loops(const Program *program);
/* Updates of all kinds in an iteration. */
int training_updates(const Program *program);

/* One update: repeat-th (from 0) of its kind (index in program->updates) in the present
 * iteration. given: values instead of draws, one pointer an input, NULL where there are none; or
 * NULL. */
void training_update(Training *training, int kind, int repeat, const real *const *given);
/* An update of a kind on any batch; outputs: [MAX_OUTPUTS], what it reports. */
void training_run(Training *training, int kind, const Batch *batch, const real *scalars,
                  double *outputs);
/* Whether an input takes the latents that a search found: those of the D and G updates. */
bool training_is_latent(const ProgramInput *input);

typedef struct Choice {       /* what all updates of an iteration read instead of draws and data */
    const real *latents;      /* [batch_size][z_dim] of z_d and z_g, or NULL */
    const real *pictures;     /* [batch_size][x_dim], channels first, or NULL */
    const real *const *first; /* a replay: what the inputs of the iteration's first update are
                                 given; others of the same name get it too. Or NULL */
} Choice;
/* The same update, of a kind that is none of the iteration's own; its draws and data are those of
 * the iteration's first update, and its rates those of the repeat-th update. */
void training_update_given(Training *training, int kind, int repeat, const Choice *given);

/* One whole iteration, counted in training->iteration. Returns the name of an output that is not
 * finite, or NULL; the state is then of no use. */
const char *training_iterate(Training *training);

/* At least one iteration and at most `most`: what a GPU does in one go. Otherwise as
 * training_iterate(). */
const char *training_advance(Training *training, uint64_t most);

/* One iteration with given values: given[u][k] for input k of the u-th update of the iteration, or
 * NULL. outputs[u][k]: what update u reports. */
void training_iterate_given(Training *training, const real *const (*given)[MAX_INPUTS],
                            double (*outputs)[MAX_OUTPUTS]);

/* The value of an output of the last iteration by name ("d_loss"), or NaN when the program has none
 * of that name. */
double training_output(const Training *training, const char *name);

/* The update that reads the data, in program->updates: "d_step". */
int training_data_kind(const Program *program);

/* Iterations of `passes` passes over `rows` rows: a pass uses floor(rows / batch_size) batches, one
 * a data update. */
uint64_t training_iterations(const Program *program, uint64_t rows, uint64_t passes);

/* base^exponent by squaring, the same bits on every machine. */
double power(double base, uint64_t exponent);

#endif
