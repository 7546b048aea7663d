/* place.h -- where a program of a run finds itself, and whether this CPU can run it. */
#ifndef GAGAC_PLACE_H
#define GAGAC_PLACE_H

#include "program.h"

/* The folder the running program lies in; the caller frees. */
char *program_folder(void);
/* "folder/name"; the caller frees. */
char *path_join(const char *folder, const char *name);
/* Everything after the last '/'. */
const char *path_base(const char *path);

/* Ends the program with EXIT_TOOLCHAIN when the CPU lacks the instruction set the generated code
 * was built for. Must run before any generated code. */
void place_check_cpu(const Program *program);

/* Threads to use when nobody says: a thread a core. */
int default_threads(void);
/* A pool of so many threads (pool.h); ends the program when they cannot be started. */
Pool *start_pool(int threads);

/* Seconds of a clock that only goes forward. */
double clock_seconds(void);

#endif
