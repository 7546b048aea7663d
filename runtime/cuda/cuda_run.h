/* cuda_run.h -- what the host tells the kernels of a CUDA program: the same text for both.
 *
 * An iteration is one graph of kernels that is launched again and again, so what changes from
 * iteration to iteration lies in memory of the GPU: a row of CudaFacts for each update, for some
 * iterations ahead, and a CudaRun that says which iteration is on. */
#ifndef GAGAC_CUDA_RUN_H
#define GAGAC_CUDA_RUN_H

#include "order.h"

enum { CUDA_INPUTS = 96, CUDA_SCALARS = 24, CUDA_OUTPUTS = 8 }; /* as in program.h */

typedef struct CudaFacts { /* of one update */
    Order order;           /* of the data's rows, entered at this update's pass */
    uint64_t position;     /* of the batch's first row in the endless order */
    uint64_t seed;
    uint64_t iteration;
    bool shakes; /* weights gain noise, where the program says so: not in a replay */
    uint64_t counters[CUDA_INPUTS]; /* the update that an input's draws are counted by */
    const real *given[CUDA_INPUTS]; /* on the device: values instead of draws, or NULL */
    real scalars[CUDA_SCALARS];
} CudaFacts;

typedef struct CudaRun {
    const CudaFacts *facts; /* [iterations][updates] */
    double *outputs;        /* [iterations][updates][CUDA_OUTPUTS] */
    const real *data;       /* [rows][columns] normalised, or NULL */
    unsigned slot;          /* the iteration that runs, from 0 */
    unsigned updates;       /* of all kinds in an iteration */
} CudaRun;

#endif
