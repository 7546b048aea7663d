/* gang.h -- networks of different times, mixed at the equilibrium of the game that they play.
 *
 * Every `mix_steps` iterations the present generator and discriminator become a mixture of what is
 * remembered of their side, with all that belongs to them: weights, moments, averages. What is
 * remembered lies in the state, and draws are a function of seed and iteration: so a training that
 * goes on from a checkpoint is the same training. */
#ifndef GAGAC_GANG_H
#define GAGAC_GANG_H

#include "training.h"

/* Before the first iteration: the networks as they are initialised are the first anchors, those of
 * the program's checkpoints are remembered. Ends the program where one cannot be read. */
void gang_start(Training *training);
/* After an iteration, if it is time: trains a side on what is remembered of the other. */
void gang_train(Training *training);
/* After an iteration: mixes, if it is time. */
void gang_mix(Training *training);

#endif
