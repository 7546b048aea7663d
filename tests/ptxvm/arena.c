/* arena.c -- device memory: a range of addresses that the host cannot touch, the bytes behind it
 * somewhere else, and a table of all allocations ever made. Addresses are not used twice, so an
 * access to freed memory is always seen. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "ptx.h"

#define MOST_BYTES (256ull << 30) /* of addresses; less if the system does not give them */
#define LEAST_BYTES (1ull << 30)
enum { GAP = 512 }; /* between allocations, and their alignment */

unsigned char *arena_data;
uint64_t arena_base, arena_end;
static Cell *cells;
static Allocation *table;
static size_t table_count, table_room;
static uint64_t arena_bytes, next_offset, used_bytes;

static void *reserve(uint64_t bytes, int protection)
{
    void *result =
        mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return result == MAP_FAILED ? NULL : result;
}

static void release(void *start, uint64_t bytes)
{
    if (start)
        munmap(start, bytes);
}

/* Reserves addresses, bytes and cells for an arena of that size, or nothing. */
static bool reserve_all(uint64_t bytes)
{
    uint64_t cell_bytes = bytes / 4 * sizeof(Cell);
    void *addresses = reserve(bytes, PROT_NONE), *data = reserve(bytes, PROT_READ | PROT_WRITE);
    cells = settings.check ? reserve(cell_bytes, PROT_READ | PROT_WRITE) : NULL;
    if (addresses && data && (cells || !settings.check)) {
        arena_base = (uint64_t)(uintptr_t)addresses;
        arena_end = arena_base + bytes;
        arena_bytes = bytes;
        next_offset = 1 << 20;
        arena_data = data;
        return true;
    }
    release(addresses, bytes);
    release(data, bytes);
    release(cells, cell_bytes);
    return false;
}

/* Reserves addresses; nothing is used before it is written. False if the system refuses. */
bool arena_init(void)
{
    for (uint64_t bytes = MOST_BYTES; !arena_data && bytes >= LEAST_BYTES; bytes /= 2)
        reserve_all(bytes);
    return arena_data != NULL;
}

uint64_t arena_alloc(uint64_t bytes, uint64_t align)
{
    if (!arena_init() || bytes > settings.memory || used_bytes + bytes > settings.memory)
        return 0;
    if (align < GAP)
        align = GAP;
    uint64_t offset = (next_offset + align - 1) / align * align;
    if (offset + bytes + GAP > arena_bytes)
        return 0;
    if (table_count == table_room) {
        table_room = table_room ? table_room * 2 : 256;
        table = realloc(table, table_room * sizeof *table);
        if (!table)
            abort();
    }
    table[table_count++] = (Allocation){arena_base + offset, bytes, false};
    next_offset = offset + bytes + GAP;
    used_bytes += bytes;
    memset(arena_data + offset, 0xff, bytes);
    return arena_base + offset;
}

Allocation *arena_find(uint64_t address)
{
    size_t low = 0, high = table_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (table[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &table[low - 1] : NULL;
}

bool arena_free(uint64_t address)
{
    Allocation *allocation = arena_find(address);
    if (!allocation || allocation->address != address || allocation->freed)
        return false;
    allocation->freed = true;
    used_bytes -= allocation->bytes;
    uint64_t start = (address - arena_base + 4095) & ~4095ull;
    uint64_t end = (address - arena_base + allocation->bytes) & ~4095ull;
    if (start < end) { /* give the pages back */
        madvise(arena_data + start, end - start, MADV_DONTNEED);
        if (cells)
            madvise(&cells[start / 4], (end - start) / 4 * sizeof(Cell), MADV_DONTNEED);
    }
    return true;
}

uint64_t arena_used(void) { return used_bytes; }
bool arena_contains(uint64_t address) { return address >= arena_base && address < arena_end; }
unsigned char *arena_host(uint64_t address) { return arena_data + (address - arena_base); }
Cell *arena_cell(uint64_t address) { return cells + (address - arena_base) / 4; }
