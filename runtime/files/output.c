/* output.c -- files that appear whole or not at all. */
#define _POSIX_C_SOURCE 200809L
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OUTPUT_BUFFER = 1 << 18 };
static const char temporary_prefix[] =
    ".tmp-"; /* then the process id, a number and the target's name */

static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

static bool io_error(const Output *output, int code, Error *error)
{
    const char *hint = NULL;
    if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        hint = "free some space on that disk; the files that were there are untouched.";
    return error_set(error, EXIT_IO, hint, "cannot write '%s': %s", output->path, strerror(code));
}

static bool open_temporary(Output *output, Error *error)
{
    static unsigned counter;
    size_t folder = folder_length(output->path);
    size_t size = strlen(output->path) + sizeof temporary_prefix + 48;
    output->temporary = malloc(size);
    if (!output->temporary)
        return io_error(output, ENOMEM, error);
    do {
        snprintf(output->temporary, size, "%.*s%s%ld-%u-%.99s", (int)folder, output->path,
                 temporary_prefix, (long)getpid(), counter++, output->path + folder);
        output->file = open(output->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (output->file < 0 && errno == EEXIST);
    return output->file >= 0 || io_error(output, errno, error);
}

/* Reserves the space. File systems that cannot are left alone: they will say so while writing. */
static bool reserve(Output *output, uint64_t size, Error *error)
{
    if (size == 0)
        return true;
    int code = size > INT64_MAX ? EFBIG : posix_fallocate(output->file, 0, (off_t)size);
    if (code == ENOSPC || code == EFBIG || code == EDQUOT)
        return io_error(output, code, error);
    return true;
}

bool output_open(Output *output, const char *path, uint64_t size, Error *error)
{
    struct stat status;
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes shall be an error of write(), not an end */
    *output = (Output){.file = -1, .path = strdup(path), .buffer = malloc(OUTPUT_BUFFER)};
    bool good = output->path && output->buffer;
    if (!good) {
        error_set(error, EXIT_IO, NULL, "out of memory");
    } else if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        output->direct = true;
        output->file = open(path, O_WRONLY | O_CLOEXEC);
        good = output->file >= 0 || io_error(output, errno, error);
    } else {
        good = open_temporary(output, error) && reserve(output, size, error);
    }
    if (!good)
        output_abandon(output);
    return good;
}

static bool write_all(Output *output, const unsigned char *bytes, size_t size, Error *error)
{
    while (size > 0) {
        ssize_t written = write(output->file, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return io_error(output, written < 0 ? errno : EIO, error);
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

static bool flush_buffer(Output *output, Error *error)
{
    size_t size = output->filled;
    output->filled = 0;
    return write_all(output, output->buffer, size, error);
}

bool output_write(Output *output, const void *bytes, size_t size, Error *error)
{
    if (size > OUTPUT_BUFFER - output->filled && !flush_buffer(output, error))
        return false;
    if (size >= OUTPUT_BUFFER)
        return write_all(output, bytes, size, error);
    memcpy(output->buffer + output->filled, bytes, size);
    output->filled += size;
    return true;
}

bool output_replace(Output *output, const void *bytes, size_t count, uint64_t size, Error *error)
{
    if (!flush_buffer(output, error))
        return false;
    ssize_t written = pwrite(output->file, bytes, count, 0);
    if (written != (ssize_t)count || ftruncate(output->file, (off_t)size) != 0)
        return io_error(output, written >= 0 && written < (ssize_t)count ? EIO : errno, error);
    return true;
}

/* A rename is safe against a power cut only once the folder is on the disk too. */
static bool sync_folder(const Output *output, Error *error)
{
    char *name = strdup(output->path);
    if (!name)
        return io_error(output, ENOMEM, error);
    size_t length = folder_length(name);
    name[length] = 0;
    int folder = open(length ? name : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(name);
    if (folder < 0)
        return io_error(output, errno, error);
    int code = fsync(folder) == 0 || errno == EINVAL ? 0 : errno; /* EINVAL: not offered there */
    close(folder);
    return code == 0 || io_error(output, code, error);
}

static bool close_file(Output *output, Error *error)
{
    int file = output->file;
    output->file = -1;
    return close(file) == 0 || io_error(output, errno, error);
}

static bool commit_temporary(Output *output, Error *error)
{
    if (fsync(output->file) != 0)
        return io_error(output, errno, error);
    if (!close_file(output, error))
        return false;
    if (rename(output->temporary, output->path) != 0)
        return io_error(output, errno, error);
    free(output->temporary);
    output->temporary = NULL; /* it has its name: abandoning it must not remove it */
    return sync_folder(output, error);
}

bool output_commit(Output *output, Error *error)
{
    bool good = flush_buffer(output, error) &&
                (output->direct ? close_file(output, error) : commit_temporary(output, error));
    output_abandon(output);
    return good;
}

void output_abandon(Output *output)
{
    if (output->file >= 0)
        close(output->file);
    if (output->temporary)
        unlink(output->temporary);
    free(output->temporary);
    free(output->path);
    free(output->buffer);
    *output = (Output){.file = -1};
}

bool output_text(const char *path, const char *text, size_t size, Error *error)
{
    Output output;
    if (!output_open(&output, path, size, error))
        return false;
    if (output_write(&output, text, size, error))
        return output_commit(&output, error);
    output_abandon(&output);
    return false;
}

void output_clean(const char *folder)
{
    DIR *entries = opendir(folder);
    if (!entries)
        return;
    size_t prefix = sizeof temporary_prefix - 1;
    for (struct dirent *entry = readdir(entries); entry; entry = readdir(entries)) {
        if (strncmp(entry->d_name, temporary_prefix, prefix) != 0)
            continue;
        long process = strtol(entry->d_name + prefix, NULL, 10);
        bool dead = process > 0 && kill((pid_t)process, 0) != 0 && errno == ESRCH;
        if (dead || process == (long)getpid()) /* of an earlier program that had our number */
            unlinkat(dirfd(entries), entry->d_name, 0);
    }
    closedir(entries);
}
