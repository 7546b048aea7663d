/* entry.h -- one entry of the cache of compiled objects: a file named by the hash of everything
 * that made its content, which holds the SHA-256 of the content, then the content. */
#ifndef GAGAC_ENTRY_H
#define GAGAC_ENTRY_H

#include "sha256.h"

#include <stdbool.h>

enum { HASH_DIGITS = 64 };

/* 64 hexadecimal digits and a NUL. */
void hash_digits(const Hash *hash, char digits[HASH_DIGITS + 1]);
/* $GAGAC_CACHE_DIR, $XDG_CACHE_HOME/gagac or ~/.cache/gagac; false when no variable says so or it
 * does not fit. */
bool entry_folder(char *folder, size_t size);
/* Makes the folder with mode 0700, its parents too. NULL when it is safe to use, else what is wrong
 * with it: another owner, or writable by others. */
const char *entry_folder_fault(const char *folder);
/* The verified content in new memory with a NUL after it, or NULL when there is none. A damaged
 * entry is removed. */
char *entry_load(const char *folder, const Hash *key, size_t *size);
/* Best effort; atomic. */
void entry_store(const char *folder, const Hash *key, const void *bytes, size_t size);

#endif
