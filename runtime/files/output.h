/* output.h -- files that appear whole or not at all.
 *
 * Bytes go to a temporary file in the folder of the target; output_commit() syncs it, renames it
 * over the target and syncs the folder. Until then the target keeps its old content, whatever
 * happens. A target that exists and is no regular file (a pipe, a device) is written directly. */
#ifndef GAGAC_OUTPUT_H
#define GAGAC_OUTPUT_H

#include "fail.h"
#include <stdint.h>

typedef struct Output {
    int file;    /* descriptor, -1 when closed */
    bool direct; /* no temporary file */
    char *path, *temporary;
    unsigned char *buffer; /* OUTPUT_BUFFER bytes */
    size_t filled;
} Output;

/* Creates the temporary file. size: exactly the bytes that will come, reserved on the disk at once
 * so that a full disk is known before the work starts; 0 when unknown. */
bool output_open(Output *output, const char *path, uint64_t size, Error *error);
bool output_write(Output *output, const void *bytes, size_t size, Error *error);
/* Puts other bytes at the start of what was written and cuts the file to size. Not for a pipe. */
bool output_replace(Output *output, const void *bytes, size_t count, uint64_t size, Error *error);
/* Makes the file appear under its name. Closes the output, also when it fails. */
bool output_commit(Output *output, Error *error);
/* Closes and removes the temporary file; does nothing on a closed output. */
void output_abandon(Output *output);
/* One text, written and committed. */
bool output_text(const char *path, const char *text, size_t size, Error *error);
/* Removes temporary files that dead programs left in a folder; this program has none open there. */
void output_clean(const char *folder);

#endif
