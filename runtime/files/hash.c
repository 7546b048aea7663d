/* hash.c -- XXH64, from its published specification. */
#include "hash.h"

#include <string.h>

static const uint64_t prime1 = 0x9e3779b185ebca87u, prime2 = 0xc2b2ae3d27d4eb4fu,
                      prime3 = 0x165667b19e3779f9u, prime4 = 0x85ebca77c2b2ae63u,
                      prime5 = 0x27d4eb2f165667c5u;

static uint64_t rotate(uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

static uint64_t load64(const unsigned char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static uint64_t mix_lane(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * prime2, 31) * prime1;
}

/* The 32-byte stripes: four lanes, joined into one word. *bytes moves to what is left. */
static uint64_t mix_stripes(const unsigned char **bytes, const unsigned char *end, uint64_t seed)
{
    uint64_t lanes[4] = {seed + prime1 + prime2, seed + prime2, seed, seed - prime1};
    for (; end - *bytes >= 32; *bytes += 32) {
        for (int i = 0; i < 4; i++)
            lanes[i] = mix_lane(lanes[i], load64(*bytes + 8 * i));
    }
    uint64_t hash =
        rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
    for (int i = 0; i < 4; i++)
        hash = (hash ^ mix_lane(0, lanes[i])) * prime1 + prime4;
    return hash;
}

static uint64_t mix_tail(uint64_t hash, const unsigned char *bytes, const unsigned char *end)
{
    for (; end - bytes >= 8; bytes += 8)
        hash = rotate(hash ^ mix_lane(0, load64(bytes)), 27) * prime1 + prime4;
    if (end - bytes >= 4) {
        uint32_t word;
        memcpy(&word, bytes, sizeof word);
        hash = rotate(hash ^ word * prime1, 23) * prime2 + prime3;
        bytes += 4;
    }
    for (; bytes < end; bytes++)
        hash = rotate(hash ^ *bytes * prime5, 11) * prime1;
    return hash;
}

uint64_t hash_bytes(const void *bytes, size_t size, uint64_t seed)
{
    const unsigned char *at = bytes, *end = size ? at + size : at;
    uint64_t hash = size >= 32 ? mix_stripes(&at, end, seed) : seed + prime5;
    hash = mix_tail(hash + size, at, end);
    hash = (hash ^ hash >> 33) * prime2;
    hash = (hash ^ hash >> 29) * prime3;
    return hash ^ hash >> 32;
}
