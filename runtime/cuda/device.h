/* device.h -- a training on a GPU: its memory, its kernels, its graph.
 *
 * Data set, state, random numbers and all values live on the GPU. One iteration is one captured
 * graph; the host writes what changes (rates, counters) and reads losses for some iterations at a
 * time. What goes wrong after the start ends the program with EXIT_DEVICE and one sentence that
 * names the call, the kernel and its launch; checkpoints are never touched by that. */
#ifndef GAGAC_DEVICE_H
#define GAGAC_DEVICE_H

#include "training.h"

typedef struct Device Device;

/* Opens the driver and the first GPU, loads the program's kernels (its images for this GPU, else
 * compiled now or found in the cache), takes the memory and captures an iteration. NULL, with the
 * reason, when one of these fails. */
Device *device_create(const Program *program, Error *error);
void device_destroy(Device *device); /* NULL: nothing */
/* "NVIDIA H100, sm_90", for people. */
const char *device_name(const Device *device);
/* Bytes of its memory that the training holds. */
size_t device_memory(const Device *device);

/* What comes before the updates of the present iteration, where the host has loops between the two
 * (training_has_loops()); else an iteration begins with it and this does nothing. */
void device_start_iteration(Device *device, Training *training);
/* The updates of at most `most` iterations, which are counted: what the GPU does in one go. given:
 * what all updates read instead of draws and data, with `most` 1. Otherwise as
 * training_advance(). */
const char *device_advance(Device *device, Training *training, uint64_t most, const Choice *given);
/* The updates of one iteration, which is not counted: training_iterate_given(). */
void device_iterate_given(Device *device, Training *training,
                          const real *const (*given)[MAX_INPUTS], double (*outputs)[MAX_OUTPUTS]);
/* One update of a kind outside of the iterations, on any batch; what it reports goes to outputs. */
void device_update(Device *device, Training *training, int kind, const Batch *batch,
                   const real *scalars, double *outputs);
/* The state as the last iteration left it; does nothing before the first one. */
void device_fetch(Device *device, real *state);
/* The same for one tensor; and its way back after the host has changed it. */
void device_fetch_tensor(Device *device, const ProgramTensor *tensor, real *state);
void device_send_tensor(Device *device, const ProgramTensor *tensor, const real *state);
/* A tensor begins anew (tensor_restart()) where the state is. */
void device_restart_tensor(Device *device, const Training *training, int index);
/* Keeps a copy of the GPU's state, of a program with inner trainings; and makes it the state again.
 */
void device_keep(Device *device);
void device_take_back(Device *device);
/* The host has fetched the state and changed it: the next update takes it anew. */
void device_forget(Device *device);
/* Best of `rounds` runs of each launch of an update, in seconds; update_count: `before`. After at
 * least one iteration; the state is of no use afterwards. */
void device_time(Device *device, Training *training, int kind, int rounds, double *seconds);

#endif
