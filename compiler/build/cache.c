/* cache.c -- results kept by the hash of everything that made them.
 *
 * An entry (../runtime/entry.h) is written under another name and renamed, verified when it is
 * read, and its time of change says when it was used last. Whatever goes wrong with the cache only
 * costs time: no function here ends the program.
 */
#define _GNU_SOURCE
#include "build.h"

#include "entry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAME_LENGTH = HASH_DIGITS, OLD_SECONDS = 3600 };
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
    char folder[PATH_MAX];
    return entry_folder(folder, sizeof folder) ? arena_printf("%s", folder) : NULL;
}

Cache *cache_open(void)
{
    const char *folder = cache_folder();
    const char *fault =
        folder == NULL ? "neither HOME nor GAGAC_CACHE_DIR is set" : entry_folder_fault(folder);
    if (fault != NULL) {
        warn("GAGAC_CACHE_DIR names another folder", "no cache in %s: %s",
             folder == NULL ? "the home folder" : printable(folder), fault);
        return NULL;
    }
    Cache *cache = arena_alloc(sizeof *cache);
    cache->folder = folder;
    return cache;
}

const char *hash_text(const Hash *hash)
{
    char digits[HASH_DIGITS + 1];
    hash_digits(hash, digits);
    return arena_copy(digits, HASH_DIGITS);
}

Bytes cache_load(const Cache *cache, const Hash *key)
{
    Bytes content = {NULL, 0};
    char *bytes = cache == NULL ? NULL : entry_load(cache->folder, key, &content.length);
    if (bytes == NULL)
        return (Bytes){NULL, 0};
    content.data = arena_copy(bytes, content.length);
    free(bytes);
    return content;
}

void cache_store(const Cache *cache, const Hash *key, Bytes content)
{
    if (cache != NULL)
        entry_store(cache->folder, key, content.data == NULL ? "" : content.data, content.length);
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
