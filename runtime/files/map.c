/* map.c -- a file mapped read-only into memory. */
#define _POSIX_C_SOURCE 200809L
#include "map.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_text(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written; /* the program ends anyway */
}

/* The open maps, for the signal handler: which file a bad address belongs to. */
enum { MAX_GUARDED = 16 };
static Map guarded[MAX_GUARDED];

/* A page of a mapped file that lies beyond the file's present end, or that the disk cannot read. */
static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    uintptr_t address = (uintptr_t)info->si_addr;
    for (int i = 0; i < MAX_GUARDED; i++) {
        uintptr_t first = (uintptr_t)guarded[i].bytes;
        if (!guarded[i].path || address < first || address - first >= guarded[i].size)
            continue;
        write_text("\nerror: '");
        write_text(guarded[i].path);
        write_text("' became shorter, or unreadable, while it was in use\n"
                   "hint: leave the file alone while programs read it, then start again.\n");
        _exit(EXIT_IO);
    }
    signal(signal_number, SIG_DFL); /* not ours: happens again when the handler returns */
}

static void guard(const Map *map)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = on_bus_error;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
    for (int i = 0; i < MAX_GUARDED; i++) {
        if (!guarded[i].path) {
            guarded[i] = *map;
            return;
        }
    }
}

static void unguard(const Map *map)
{
    for (int i = 0; i < MAX_GUARDED; i++) {
        if (map->path && guarded[i].path == map->path)
            guarded[i] = (Map){0};
    }
}

static bool map_descriptor(Map *map, int file, const char *path, Error *error)
{
    struct stat status;
    if (fstat(file, &status) != 0)
        return error_set(error, EXIT_IO, NULL, "cannot read '%s': %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(error, EXIT_IO, NULL, "cannot read '%s': not a regular file", path);
    map->size = (size_t)status.st_size;
    if (map->size == 0)
        return true; /* an empty file cannot be mapped; its reader will find it too short */
    void *bytes = mmap(NULL, map->size, PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED)
        return error_set(error, EXIT_IO, NULL, "cannot map '%s': %s", path, strerror(errno));
    map->bytes = bytes;
    return true;
}

bool map_open(Map *map, const char *path, Error *error)
{
    *map = (Map){0};
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return error_set(error, EXIT_IO, NULL, "cannot read '%s': %s", path, strerror(errno));
    bool good = map_descriptor(map, file, path, error);
    close(file);
    map->path = good ? strdup(path) : NULL;
    if (good && !map->path) {
        map_close(map);
        return error_set(error, EXIT_IO, NULL, "out of memory");
    }
    if (good)
        guard(map);
    return good;
}

void map_close(Map *map)
{
    unguard(map);
    if (map->bytes)
        munmap((void *)(uintptr_t)map->bytes, map->size);
    free(map->path);
    *map = (Map){0};
}
