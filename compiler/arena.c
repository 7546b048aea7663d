/* arena.c -- all memory of the compiler: taken in large blocks, zeroed, freed by the program's end.
 */
#include "gagac.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 16, BLOCK_SIZE = 1 << 18 };

typedef struct Block {      /* header of one block; the bytes handed out follow it */
    struct Block *previous; /* keeps every block reachable, for leak checkers */
    size_t padding;
} Block;

static Block *last_block;
static char *next_free;
static size_t free_bytes;

static void start_block(size_t size)
{
    Block *block = size <= SIZE_MAX - sizeof(Block) ? calloc(1, sizeof(Block) + size) : NULL;
    if (block == NULL) {
        fail(EXIT_INTERNAL, NULL, "out of memory");
    }
    block->previous = last_block;
    last_block = block;
    next_free = (char *)(block + 1);
    free_bytes = size;
}

void *arena_alloc(size_t size)
{
    size = size == 0 ? 1 : size;
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded < size) {
        fail(EXIT_INTERNAL, NULL, "out of memory");
    }
    if (rounded > free_bytes) {
        start_block(rounded > BLOCK_SIZE ? rounded : BLOCK_SIZE);
    }
    void *result = next_free;
    next_free += rounded;
    free_bytes -= rounded;
    return result;
}

char *arena_printf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) {
        internal_error("a message cannot be formatted");
    }
    char *text = arena_alloc((size_t)length + 1);
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

char *arena_copy(const char *text, size_t length)
{
    char *copy = arena_alloc(length + 1);
    memcpy(copy, text, length);
    return copy;
}

void *arena_grow(void *array, int count, int *capacity, size_t element)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity ? 2 * *capacity : 64;
    void *bigger = arena_alloc((size_t)*capacity * element);
    if (count)
        memcpy(bigger, array, (size_t)count * element);
    return bigger;
}
