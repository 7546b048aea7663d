/* bench.h -- `train --bench`: how fast this program's steps are, beside the FMA peak measured in
 * the same run. */
#ifndef GAGAC_BENCH_H
#define GAGAC_BENCH_H

#include "program.h"

/* Measures every update, whole iterations and the sampler on rows of normal numbers, and prints a
 * table or, with json, an object with
 * - peak_gflops, threads, isa;
 * - steps: a list of {name, label, ms, gflop, gflops, percent_of_peak};
 * - kernels: the same of each kernel, in a program built with -DGAGAC_PROFILE. */
/* The same on the GPU: an iteration, and every launch by the GPU's own clock. */
void bench_device(const Program *program, bool json);
void bench_run(const Program *program, int threads, bool json);
/* Prints the FMA peak of `threads` threads in GFLOP/s, the best of some probes. */
void bench_peak(const Program *program, int threads);

#endif
