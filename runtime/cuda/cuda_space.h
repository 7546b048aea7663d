/* cuda_space.h -- what an argument of a CUDA kernel points to. */
#ifndef GAGAC_CUDA_SPACE_H
#define GAGAC_CUDA_SPACE_H

typedef enum CudaSpace {
    CUDA_STATE,  /* the state block, the same layout as on the host */
    CUDA_WORK,   /* the GPU's own work block */
    CUDA_RUN,    /* the CudaRun of cuda_run.h */
    CUDA_UPDATE, /* no pointer: the number of the update in the iteration, an int */
    CUDA_NUMBER  /* no pointer: the offset itself, an int */
} CudaSpace;

#endif
