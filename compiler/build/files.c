/* files.c -- whole files in and out, folders that come and go, and the texts embedded in this
 * program. */
#define _GNU_SOURCE
#include "build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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

static const char unfinished[] = "-unfinished-"; /* names of temporary folders: PREFIX, this, six
                                                    letters and digits */

/* Removes what earlier processes with this prefix left when they were killed. Who still runs holds
 * a lock on its folder; where there are no locks nothing is removed. */
static void remove_abandoned(const char *prefix)
{
    const char *slash = strrchr(prefix, '/');
    const char *parent = slash ? arena_printf("%.*s", (int)(slash + 1 - prefix), prefix) : ".";
    const char *start = arena_printf("%s%s", slash ? slash + 1 : prefix, unfinished);
    DIR *entries = opendir(parent);
    for (struct dirent *entry; entries && (entry = readdir(entries)) != NULL;) {
        if (strncmp(entry->d_name, start, strlen(start)) != 0 ||
            strlen(entry->d_name) != strlen(start) + 6)
            continue;
        const char *path = arena_printf("%s/%s", parent, entry->d_name);
        int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder >= 0 && flock(folder, LOCK_EX | LOCK_NB) == 0)
            tree_remove(path);
        if (folder >= 0)
            close(folder);
    }
    if (entries)
        closedir(entries);
}

/* Locks a new folder until this process ends. False where somebody took it for abandoned before. */
static bool lock_folder(const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0)
        (void)flock(folder, LOCK_EX);
    return folder >= 0 && path_exists(path);
}

char *folder_temporary(const char *prefix)
{
    char *path;
    if (temporary_count == MAX_TEMPORARIES)
        internal_error("more than %d temporary folders", MAX_TEMPORARIES);
    remove_abandoned(prefix);
    do {
        path = arena_printf("%s%sXXXXXX", prefix, unfinished);
        if (mkdtemp(path) == NULL)
            return NULL;
    } while (!lock_folder(path) && !path_exists(path));
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
