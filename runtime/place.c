/* place.c -- see place.h. */
#define _GNU_SOURCE
#include "place.h"

#include "fail.h"
#include "pool.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

char *path_join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (!path) {
        fail(EXIT_IO, NULL, "out of memory");
    }
    snprintf(path, size, "%s/%s", folder, name);
    return path;
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *program_folder(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) {
        fail(EXIT_IO, "name the folder with --run", "cannot tell which folder this program is in");
    }
    path[length] = 0;
    char *slash = strrchr(path, '/');
    slash[slash == path] = 0;
    char *folder = strdup(path);
    if (!folder) {
        fail(EXIT_IO, NULL, "out of memory");
    }
    return folder;
}

void place_check_cpu(const Program *program)
{
    bool able = true;
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (!strcmp(program->isa, "avx2")) {
        able = avx2;
    } else if (!strcmp(program->isa, "avx512")) {
        able = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    }
#else
    able = !strcmp(program->isa, "generic");
#endif
    if (!able) {
        fail(EXIT_TOOLCHAIN, "compile the config again on this machine, or with --isa generic",
             "this program is built for %s, which this CPU does not have", program->isa);
    }
}

int default_threads(void)
{
    int cores = pool_core_count();
    return cores < MAX_THREADS ? cores : MAX_THREADS;
}

Pool *start_pool(int threads)
{
    Pool *pool = pool_create(threads);
    if (!pool) {
        fail(EXIT_IO, "ask for fewer with --threads", "cannot start %d threads", threads);
    }
    return pool;
}

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
