/* sha256.h -- SHA-256 (FIPS 180-4): names of cache entries and proof that they are whole. */
#ifndef GAGAC_SHA256_H
#define GAGAC_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct Sha256 {
    uint32_t state[8];
    uint64_t length;         /* bytes so far */
    unsigned char block[64]; /* length % 64 bytes wait here */
} Sha256;
typedef struct Hash {
    unsigned char bytes[32];
} Hash;

void sha256_start(Sha256 *sha);
void sha256_add(Sha256 *sha, const void *bytes, size_t length);
Hash sha256_end(Sha256 *sha);
/* Adds a length and the bytes, so that two lists of texts never look alike. */
void sha256_add_field(Sha256 *sha, const void *bytes, size_t length);
void sha256_add_text(Sha256 *sha, const char *text);

#endif
