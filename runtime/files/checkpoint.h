/* checkpoint.h -- the state of a training on disk, safe against kills, full disks and damaged
 * bytes.
 *
 * A checkpoint is a safetensors file FOLDER/<iteration, 9 digits or more>.safetensors whose
 * metadata hold an XXH64 of each tensor ("xxh64.<name>") and one of everything else ("xxh64"). It
 * appears by a rename after an fsync, so a file under its final name is complete; the checksums
 * catch what a disk does to it later. The newest CHECKPOINTS_KEPT are kept.
 * generator-<iteration>.safetensors are the user's: never removed. */
#ifndef GAGAC_CHECKPOINT_H
#define GAGAC_CHECKPOINT_H

#include "safetensors.h"

enum { CHECKPOINTS_KEPT = 3 };

/* Writes the checkpoint of an iteration, then removes those older than the last CHECKPOINTS_KEPT.
 * The folder is made if it is absent (its parent must be there). On an error (EXIT_IO: disk full
 * ...) everything that was there is still there. */
bool checkpoint_write(const char *folder, uint64_t iteration, const StoredTensor *tensors,
                      int tensor_count, const StoredText *texts, int text_count, Error *error);
/* The same under generator-<iteration>.safetensors, and nothing is removed. */
bool checkpoint_store(const char *folder, uint64_t iteration, const StoredTensor *tensors,
                      int tensor_count, const StoredText *texts, int text_count, Error *error);

typedef enum CheckpointFound {
    CHECKPOINT_NONE,
    CHECKPOINT_GOOD,
    CHECKPOINT_ALL_DAMAGED
} CheckpointFound;

/* Opens the newest checkpoint whose checksums verify; warns of each newer one that does not. NONE:
 * the folder is absent or holds no checkpoint. ALL_DAMAGED: there are some, but none is good (or
 * the folder cannot be read); the error says what is wrong with the newest one. */
CheckpointFound checkpoint_newest(const char *folder, Safetensors *file, uint64_t *iteration,
                                  Error *error);
/* Opens one file by its path and verifies its checksums. */
bool checkpoint_open(const char *path, Safetensors *file, Error *error);

/* Removes all checkpoints but that of an iteration: after a fresh start, once its first one is
 * safe. */
void checkpoint_remove_others(const char *folder, uint64_t iteration);

#endif
