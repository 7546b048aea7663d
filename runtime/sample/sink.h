/* sink.h -- what RUN/sample writes its rows to. */
#ifndef GAGAC_SINK_H
#define GAGAC_SINK_H

#include "npy.h"
#include "program.h"

typedef struct SinkFile { /* one output on its way */
    const Program *program;
    const char *path;
    uint64_t first, rows; /* index of the first row; how many will come */
    int columns;          /* images: of a grid */
    bool stretch;         /* images: see Program */
    NpyWriter writer;
    float *images; /* of a grid: all so far */
    uint64_t done; /* rows so far */
} SinkFile;

typedef struct Sink {
    bool pictures; /* values become bytes */
    bool (*open)(SinkFile *file, Error *error);
    bool (*append)(SinkFile *file, const float *rows, size_t count, Error *error);
    bool (*finish)(SinkFile *file, Error *error); /* the file appears under its name */
    void (*abandon)(SinkFile *file);
} Sink;

#endif
