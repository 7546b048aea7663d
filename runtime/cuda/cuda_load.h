/* cuda_load.h -- NVIDIA's driver and its run-time compiler NVRTC, opened by name. */
#ifndef GAGAC_CUDA_LOAD_H
#define GAGAC_CUDA_LOAD_H

#include "cuda_api.h"
#include "fail.h"

/* Opens the driver: $GAGAC_LIBCUDA, else libcuda.so.1, and starts it. False, with one sentence that
 * says what is missing, when there is none, it is too old, or it sees no GPU. */
bool cuda_open(Cuda *cuda, Error *error);
void cuda_close(Cuda *cuda);
/* "CUDA_ERROR_OUT_OF_MEMORY", or the number. */
const char *cuda_error_name(const Cuda *cuda, CudaResult result);

/* Opens NVRTC: $GAGAC_LIBNVRTC, else libnvrtc.so.13, .12, .11.2, then those of
 * $CUDA_HOME/lib64 (default /usr/local/cuda). */
bool nvrtc_open(Nvrtc *nvrtc, Error *error);
void nvrtc_close(Nvrtc *nvrtc);

typedef struct CudaText { /* a text for NVRTC: the first is compiled, it includes the others */
    const char *name, *text;
} CudaText;

typedef struct CudaCode { /* what NVRTC made; free() the fields */
    char *bytes;
    size_t size;
    char
        *log; /* never NULL; with NVRTC_REPORT also registers, spills and shared memory by kernel */
} CudaCode;

typedef enum NvrtcUse {
    NVRTC_REPORT, /* the same text gives the same code */
    NVRTC_SHIP,   /* the same, with less in the log */
    NVRTC_FAST    /* on all cores, where NVRTC can: code of the same results, not always the same */
} NvrtcUse;

/* Compiles for "sm_90" (the machine code of that GPU) or "compute_90" (PTX). On failure the error
 * holds the first line of the log that names an error. */
bool nvrtc_compile(const Nvrtc *nvrtc, const CudaText *texts, int count, const char *arch,
                   NvrtcUse use, CudaCode *code, Error *error);
/* Opens NVRTC and compiles, or takes the code from the cache of compiled objects (entry.h) when the
 * same texts were compiled for the same GPU and use by the same NVRTC. A damaged entry is made
 * anew. */
bool nvrtc_compile_cached(const CudaText *texts, int count, const char *arch, NvrtcUse use,
                          CudaCode *code, Error *error);

#endif
