/* files.c -- whole files in and out, folders that come and go, and the texts embedded in this
 * program. */
#define _GNU_SOURCE
#include "build.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_FOLDERS = 16, MAX_TEMPORARIES = 8 };

/* Folders to remove at exit, whatever ends the program; their number is small and fixed by the
 * callers. */
static const char *temporaries[MAX_TEMPORARIES];
static int temporary_count;

static bool read_all(int file, char *data, size_t length)
{
    for (size_t at = 0; at < length;) {
        ssize_t got = read(file, data + at, length - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) { /* an error, or the file became shorter */
            errno = got < 0 ? errno : EIO;
            return false;
        }
        at += (size_t)got;
    }
    return true;
}

Bytes file_read(const char *path)
{
    Bytes none = {NULL, 0}, bytes;
    struct stat info;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return none;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(file);
        errno = EINVAL;
        return none;
    }
    bytes.length = (size_t)info.st_size;
    bytes.data = arena_alloc(bytes.length + 1);
    bool good = read_all(file, bytes.data, bytes.length);
    int error = errno;
    close(file);
    errno = error;
    return good ? bytes : none;
}

static bool write_all(int file, const char *data, size_t length)
{
    for (size_t at = 0; at < length;) {
        ssize_t put = write(file, data + at, length - at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        at += (size_t)put;
    }
    return true;
}

/* flag: O_TRUNC replaces a file that is there, O_EXCL fails on one. */
static bool write_file(const char *path, const void *bytes, size_t length, unsigned mode, int flag)
{
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flag, (mode_t)mode);
    if (file < 0)
        return false;
    bool good = write_all(file, bytes, length);
    int error = errno;
    if (close(file) != 0 && good) {
        good = false;
        error = errno;
    }
    if (!good)
        unlink(path);
    errno = error;
    return good;
}

bool file_write(const char *path, const void *bytes, size_t length, unsigned mode)
{
    return write_file(path, bytes, length, mode, O_TRUNC);
}

bool file_create(const char *path, const void *bytes, size_t length, unsigned mode)
{
    return write_file(path, bytes, length, mode, O_EXCL);
}

bool path_exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

bool tree_remove(const char *path)
{
    return nftw(path, remove_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) == 0;
}

void temporaries_remove(void)
{
    while (temporary_count > 0)
        tree_remove(temporaries[--temporary_count]);
}

char *folder_temporary(const char *prefix)
{
    char *path = arena_printf("%s-XXXXXX", prefix);
    if (temporary_count == MAX_TEMPORARIES)
        internal_error("more than %d temporary folders", MAX_TEMPORARIES);
    if (mkdtemp(path) == NULL)
        return NULL;
    if (temporary_count == 0)
        atexit(temporaries_remove);
    temporaries[temporary_count++] = path;
    return path;
}

const char *path_absolute(const char *path)
{
    if (path[0] == '/')
        return path;
    char *here = getcwd(NULL, 0);
    if (here == NULL)
        fail(EXIT_IO, NULL, "the current folder is gone: %s", strerror(errno));
    const char *whole = arena_printf("%s/%s", here, path);
    free(here);
    return whole;
}

const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *folder_for_temporaries(void)
{
    const char *folder = environment("TMPDIR");
    return folder != NULL && folder[0] == '/' ? folder : P_tmpdir;
}

const EmbeddedFile *embedded_find(const char *name)
{
    for (int i = 0; i < embedded_file_count; i++)
        if (strcmp(embedded_files[i].name, name) == 0)
            return &embedded_files[i];
    return NULL;
}
