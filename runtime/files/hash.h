/* hash.h -- XXH64, a fast checksum of bytes (not against an adversary). */
#ifndef GAGAC_HASH_H
#define GAGAC_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *bytes, size_t size, uint64_t seed);

#endif
