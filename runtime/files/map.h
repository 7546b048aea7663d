/* map.h -- a file mapped read-only into memory. */
#ifndef GAGAC_MAP_H
#define GAGAC_MAP_H

#include "fail.h"
#include <stdint.h>

typedef struct Map {
    const unsigned char *bytes; /* NULL when closed or empty */
    size_t size;
    char *path; /* own copy */
} Map;

/* Maps a regular file. A file that somebody shortens while it is mapped ends the program with
 * EXIT_IO and a message (SIGBUS is caught from the first map on). */
bool map_open(Map *map, const char *path, Error *error);
void map_close(Map *map);

#endif
