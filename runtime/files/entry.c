/* entry.c -- see entry.h. */
#define _GNU_SOURCE
#include "entry.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = PATH_MAX };

void hash_digits(const Hash *hash, char digits[HASH_DIGITS + 1])
{
    for (int i = 0; i < HASH_DIGITS / 2; i++)
        snprintf(digits + 2 * i, 3, "%02x", hash->bytes[i]);
}

bool entry_folder(char *folder, size_t size)
{
    const char *named = getenv("GAGAC_CACHE_DIR"), *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int length = -1;
    if (named && *named == '/') {
        length = snprintf(folder, size, "%s", named);
    } else if (named && *named) {
        char here[PATH_SIZE];
        length = getcwd(here, sizeof here) ? snprintf(folder, size, "%s/%s", here, named) : -1;
    } else if (base && *base == '/') {
        length = snprintf(folder, size, "%s/gagac", base);
    } else if (home && *home == '/') {
        length = snprintf(folder, size, "%s/.cache/gagac", home);
    }
    return length >= 0 && (size_t)length < size;
}

static bool make_folders(const char *path)
{
    char copy[PATH_SIZE];
    if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
        return false;
    for (char *p = copy + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(copy, 0700) != 0 && errno != EEXIST)
            return false;
        *p = '/';
    }
    return mkdir(copy, 0700) == 0 || errno == EEXIST;
}

const char *entry_folder_fault(const char *folder)
{
    struct stat info;
    if (!make_folders(folder) || stat(folder, &info) != 0)
        return strerror(errno);
    if (!S_ISDIR(info.st_mode))
        return "it is not a folder";
    if (info.st_uid != geteuid())
        return "it belongs to another user";
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return "others may write to it";
    if (access(folder, R_OK | W_OK | X_OK) != 0)
        return strerror(errno);
    return NULL;
}

static bool entry_path(const char *folder, const Hash *key, char path[PATH_SIZE])
{
    char digits[HASH_DIGITS + 1];
    hash_digits(key, digits);
    return snprintf(path, PATH_SIZE, "%s/%s", folder, digits) < PATH_SIZE;
}

static Hash content_hash(const void *bytes, size_t size)
{
    Sha256 sha;
    sha256_start(&sha);
    sha256_add(&sha, bytes, size);
    return sha256_end(&sha);
}

/* A whole file in new memory with a NUL after it; NULL when it cannot be read. */
static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (!file)
        return NULL;
    char *bytes = NULL;
    if (fstat(fileno(file), &info) == 0 && S_ISREG(info.st_mode))
        bytes = malloc((size_t)info.st_size + 1);
    if (bytes) {
        *size = fread(bytes, 1, (size_t)info.st_size, file);
        bytes[*size] = '\0';
    }
    fclose(file);
    return bytes;
}

char *entry_load(const char *folder, const Hash *key, size_t *size)
{
    char path[PATH_SIZE];
    size_t length = 0;
    char *entry = entry_path(folder, key, path) ? read_file(path, &length) : NULL;
    if (!entry)
        return NULL;
    if (length >= sizeof key->bytes) {
        *size = length - sizeof key->bytes;
        Hash hash = content_hash(entry + sizeof key->bytes, *size);
        if (memcmp(hash.bytes, entry, sizeof hash.bytes) == 0) {
            utimensat(AT_FDCWD, path, NULL, 0); /* used now */
            memmove(entry, entry + sizeof key->bytes, *size + 1);
            return entry;
        }
    }
    unlink(path); /* damaged: it will be made again */
    free(entry);
    return NULL;
}

static bool write_file(const char *path, const Hash *hash, const void *bytes, size_t size)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    if (!file)
        return false;
    bool good = fwrite(hash->bytes, 1, sizeof hash->bytes, file) == sizeof hash->bytes &&
                fwrite(bytes, 1, size, file) == size;
    return fclose(file) == 0 && good;
}

void entry_store(const char *folder, const Hash *key, const void *bytes, size_t size)
{
    char path[PATH_SIZE], draft[PATH_SIZE];
    Hash hash = content_hash(bytes, size);
    if (!entry_path(folder, key, path) ||
        snprintf(draft, sizeof draft, "%s/new-%ld", folder, (long)getpid()) >= (int)sizeof draft)
        return;
    if (!write_file(draft, &hash, bytes, size) || rename(draft, path) != 0)
        unlink(draft);
}
