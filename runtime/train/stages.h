/* stages.h -- a curriculum: programs that train one after the other, each with the weights of the
 * one before.
 *
 * The first stage lies in RUN, stage K in RUN/stages/K, each with its own train, sample,
 * checkpoints and report. RUN/stage says how many stages were passed; it is written after the next
 * stage's old checkpoints are gone, so a training that was interrupted anywhere goes on with the
 * same command. */
#ifndef GAGAC_STAGES_H
#define GAGAC_STAGES_H

#include "program.h"
#include <stdint.h>

typedef struct Stages {
    const Program *program;
    char *programs; /* folder RUN of the programs */
    char *runs;     /* folder of the run: the same, or --run */
    uint64_t visit; /* stages passed; its rest by their number is the present one */
} Stages;

/* Finds out where the training is. run: --run or NULL. fresh: at the start. */
Stages stages_open(const Program *program, const char *run, bool fresh);
/* Hands over to the program `name` ("train", "sample") of the present stage, if that is another
 * one: does not return then. --fresh is not handed on when the stage is not the first. */
void stages_enter(const Stages *stages, const char *name, char **argv);
/* The run folder of this stage, which is made if `make`. */
char *stages_run(const Stages *stages, bool make);
/* Iterations of this stage; most: of the whole training, 0: all. */
uint64_t stages_total(const Stages *stages, uint64_t most);
/* Whether another stage follows when this one is done. */
bool stages_follow(const Stages *stages, uint64_t most);
/* Passes to the next stage; only returns to end the program. */
void stages_next(Stages *stages, char **argv);
/* Writes RUN/stage. */
void stages_record(const Stages *stages);
/* Puts the weights of the stage before into the state. quiet: without notes of what is new. */
void stages_carry(const Stages *stages, real *state, bool quiet);

#endif
