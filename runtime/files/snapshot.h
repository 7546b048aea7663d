/* snapshot.h -- what a checkpoint of a training holds, and how a program takes it up again.
 *
 * All tensors of the state in their logical layout and the program's precision, the normaliser's
 * tables, and metadata: kind, gagac, config, config_hash, precision, iteration, seed, data_rows,
 * data_hash. No times: two trainings of the same bits write the same file. */
#ifndef GAGAC_SNAPSHOT_H
#define GAGAC_SNAPSHOT_H

#include "checkpoint.h"
#include "normalise.h"
#include "program.h"

typedef struct Progress { /* where a training stands; everything else follows from the state */
    uint64_t iteration;   /* iterations done */
    uint64_t seed;
    uint64_t data_rows;
    uint64_t data_hash; /* of some rows, see data_hash() */
} Progress;

/* Writes FOLDER/<iteration>.safetensors, or with generator_only
 * FOLDER/generator-<iteration>.safetensors, which holds what `sample` needs and no more. */
bool snapshot_write(const char *folder, const Program *program, const real *state,
                    const Normaliser *normaliser, const Progress *progress, bool generator_only,
                    Error *error);

/* Is the file a checkpoint of this program? The error says what differs. */
bool snapshot_check(const Safetensors *file, const Program *program, Error *error);

/* Reads the normaliser, and the tensors into the state: all of them, or with generator_only those
 * of the generator. */
bool snapshot_read(const Safetensors *file, const Program *program, real *state,
                   Normaliser *normaliser, bool generator_only, Error *error);
bool snapshot_progress(const Safetensors *file, Progress *progress, Error *error);

/* Puts the values of a stored tensor into the state; the error names the tensor and both shapes. */
bool tensor_load(const ProgramTensor *tensor, real *state, const StoredTensor *stored,
                 Error *error);
/* Name, type and shape of a tensor with its logical values. */
StoredTensor tensor_describe(const ProgramTensor *tensor, const real *logical);
/* True when the shapes agree; otherwise the error names the tensor and both shapes. */
bool stored_check(const StoredTensor *stored, const StoredTensor *expected, Error *error);
void stored_copy_reals(const StoredTensor *stored, real *out);
/* This program's precision: "f32" or "f64", and its type in files. */
extern const char precision_name[];
extern const StoredType precision_type;

/* Normalised bounds of the generator's columns (`constraints`) into the state. normaliser NULL: a
 * replay, where bounds are taken as they are. Does nothing for a program without bounds. */
void bounds_put(const Program *program, real *state, const Normaliser *normaliser);

#endif
