/* cache.c -- results kept by the hash of everything that made them.
 *
 * An entry is a file named by its key: the SHA-256 of the content, then the content. It is written
 * under another name and renamed, verified when it is read, and its time of change says when it was
 * used last. Whatever goes wrong with the cache only costs time: no function here ends the program.
 */
#define _GNU_SOURCE
#include "build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAME_LENGTH = 64, OLD_SECONDS = 3600 };
static const char unfinished[] = "new-"; /* names of entries being written begin so */

typedef struct Entry {
    const char *path;
    int64_t size;
    struct timespec used;
} Entry;
typedef struct Entries {
    Entry *items;
    int count;
    int64_t bytes;
} Entries;

const char *cache_folder(void)
{
    const char *folder = environment("GAGAC_CACHE_DIR");
    if (folder != NULL)
        return path_absolute(folder);
    if ((folder = environment("XDG_CACHE_HOME")) != NULL && folder[0] == '/')
        return arena_printf("%s/gagac", folder);
    if ((folder = environment("HOME")) != NULL && folder[0] == '/')
        return arena_printf("%s/.cache/gagac", folder);
    return NULL;
}

static bool make_folders(const char *path)
{
    char *copy = arena_printf("%s", path);
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

/* NULL when the folder is safe to use, else what is wrong with it. */
static const char *folder_fault(const char *folder)
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

Cache *cache_open(void)
{
    const char *folder = cache_folder();
    const char *fault =
        folder == NULL ? "neither HOME nor GAGAC_CACHE_DIR is set" : folder_fault(folder);
    if (fault != NULL) {
        warn("GAGAC_CACHE_DIR names another folder", "no cache in %s: %s",
             folder == NULL ? "the home folder" : printable(folder), fault);
        return NULL;
    }
    Cache *cache = arena_alloc(sizeof *cache);
    cache->folder = folder;
    return cache;
}

static const char *entry_path(const Cache *cache, const Hash *key)
{
    return arena_printf("%s/%s", cache->folder, hash_text(key));
}

static Hash content_hash(const char *data, size_t length)
{
    Sha256 sha;
    sha256_start(&sha);
    sha256_add(&sha, data, length);
    return sha256_end(&sha);
}

Bytes cache_load(const Cache *cache, const Hash *key)
{
    const Bytes none = {NULL, 0};
    if (cache == NULL)
        return none;
    const char *path = entry_path(cache, key);
    Bytes entry = file_read(path);
    if (entry.data == NULL)
        return none;
    if (entry.length >= sizeof(Hash)) {
        Bytes content = {entry.data + sizeof(Hash), entry.length - sizeof(Hash)};
        Hash hash = content_hash(content.data, content.length);
        if (memcmp(hash.bytes, entry.data, sizeof hash.bytes) == 0) {
            utimensat(AT_FDCWD, path, NULL, 0); /* used now */
            return content;
        }
    }
    unlink(path); /* damaged: it will be made again */
    return none;
}

void cache_store(const Cache *cache, const Hash *key, Bytes content)
{
    if (cache == NULL)
        return;
    Hash hash = content_hash(content.data, content.length);
    char *whole = arena_alloc(sizeof hash.bytes + content.length);
    memcpy(whole, hash.bytes, sizeof hash.bytes);
    if (content.length > 0)
        memcpy(whole + sizeof hash.bytes, content.data, content.length);
    const char *draft = arena_printf("%s/%s%ld", cache->folder, unfinished, (long)getpid());
    if (!file_write(draft, whole, sizeof hash.bytes + content.length, 0600) ||
        rename(draft, entry_path(cache, key)) != 0)
        unlink(draft);
}

static bool is_entry(const char *name)
{
    return strlen(name) == NAME_LENGTH && strspn(name, "0123456789abcdef") == NAME_LENGTH;
}

/* What lies in the cache. Drafts that a killed process left behind are removed on the way; other
 * files are not ours. */
static Entries list_entries(const Cache *cache)
{
    Entries entries = {NULL, 0, 0};
    int capacity = 0;
    struct timespec now;
    DIR *folder = opendir(cache->folder);
    if (folder == NULL)
        return entries;
    clock_gettime(CLOCK_REALTIME, &now);
    for (struct dirent *item; (item = readdir(folder)) != NULL;) {
        struct stat info;
        bool draft = strncmp(item->d_name, unfinished, strlen(unfinished)) == 0;
        if ((!draft && !is_entry(item->d_name)) ||
            fstatat(dirfd(folder), item->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(info.st_mode))
            continue;
        if (draft) {
            if (now.tv_sec - info.st_mtim.tv_sec > OLD_SECONDS)
                unlinkat(dirfd(folder), item->d_name, 0);
            continue;
        }
        if (entries.count == capacity) {
            Entry *larger = arena_alloc((size_t)(capacity = 2 * capacity + 64) * sizeof *larger);
            if (entries.count > 0)
                memcpy(larger, entries.items, (size_t)entries.count * sizeof *larger);
            entries.items = larger;
        }
        entries.items[entries.count++] =
            (Entry){arena_printf("%s/%s", cache->folder, item->d_name), info.st_size, info.st_mtim};
        entries.bytes += info.st_size;
    }
    closedir(folder);
    return entries;
}

static int compare_use(const void *left, const void *right)
{
    const struct timespec *a = &((const Entry *)left)->used, *b = &((const Entry *)right)->used;
    if (a->tv_sec != b->tv_sec)
        return a->tv_sec < b->tv_sec ? -1 : 1;
    return (a->tv_nsec > b->tv_nsec) - (a->tv_nsec < b->tv_nsec);
}

void cache_trim(const Cache *cache, int64_t limit)
{
    if (cache == NULL)
        return;
    Entries entries = list_entries(cache);
    if (entries.bytes <= limit)
        return;
    qsort(entries.items, (size_t)entries.count, sizeof *entries.items, compare_use);
    for (int i = 0; i < entries.count && entries.bytes > limit; i++)
        if (unlink(entries.items[i].path) == 0)
            entries.bytes -= entries.items[i].size;
}

void cache_count(const Cache *cache, int64_t *count, int64_t *bytes)
{
    Entries entries = list_entries(cache);
    *count = entries.count;
    *bytes = entries.bytes;
}

int64_t cache_clear(const Cache *cache)
{
    Entries entries = list_entries(cache);
    int64_t removed = 0;
    for (int i = 0; i < entries.count; i++)
        removed += unlink(entries.items[i].path) == 0;
    return removed;
}
