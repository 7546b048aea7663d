/* module.c -- a loaded module: its memory, its names, and the linking of each kernel with what it
 * calls. */
#include <stdlib.h>
#include <string.h>
#include "ptx.h"

typedef struct Chunk {
    struct Chunk *next;
    size_t used, room;
} Chunk;

enum { CHUNK_ROOM = 1 << 18 };

/* Zeroed memory that lives as long as the module, aligned to 64 bytes. */
void *module_alloc(Module *module, size_t len)
{
    Chunk *chunk = (Chunk *)module->chunks;
    size_t header = (sizeof *chunk + 63) & ~(size_t)63;

    len = (len + 63) & ~(size_t)63;
    if (!chunk || chunk->room - chunk->used < len) {
        size_t room = header + (len > CHUNK_ROOM ? len : CHUNK_ROOM);
        void *memory = NULL;
        if (posix_memalign(&memory, 64, room))
            abort();
        memset(memory, 0, room);
        chunk = memory;
        chunk->next = (Chunk *)module->chunks;
        chunk->used = header;
        chunk->room = room;
        module->chunks = (struct Chunk *)chunk;
    }
    unsigned char *result = (unsigned char *)chunk + chunk->used;
    chunk->used += len;
    return result;
}

/* Room for one more item. The old items stay where they are until the module goes. */
void *module_grow(Module *module, void *items, size_t count, size_t *room, size_t item_len)
{
    if (count < *room)
        return items;
    size_t new_room = *room ? *room * 2 : 8;
    void *result = module_alloc(module, new_room * item_len);
    if (count)
        memcpy(result, items, count * item_len);
    *room = new_room;
    return result;
}

void module_free(Module *module)
{
    for (size_t i = 0; i < module->variables.count; i++)
        if (module->variables.items[i]->address)
            arena_free(module->variables.items[i]->address);
    Chunk *chunk = (Chunk *)module->chunks;
    while (chunk) {
        Chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    free(module);
}

Kernel *module_kernel(Module *module, const char *name)
{
    for (size_t i = 0; i < module->kernels.count; i++)
        if (!strcmp(module->kernels.items[i]->name, name))
            return module->kernels.items[i];
    return NULL;
}

const Symbol *module_variable(Module *module, const char *name)
{
    for (size_t i = 0; i < module->variables.count; i++)
        if (!strcmp(module->variables.items[i]->name, name))
            return module->variables.items[i];
    return NULL;
}

/* ---------------------------------------------------------------- linking */

typedef struct {
    Module *module;
    Function *functions[256]; /* the entry first */
    uint32_t register_base[256], pc_base[256];
    uint64_t local_base[256];
    size_t count;
    uint64_t *shared_offset; /* by index of the variable */
} Link;

static size_t link_index(const Link *link, const Function *function)
{
    size_t i = 0;
    while (i < link->count && link->functions[i] != function)
        i++;
    return i;
}

/* Adds the function and what it calls. False with a message if something is missing or recursive.
 */
static bool collect(Link *link, Function *function, Function **path, size_t depth, char *message,
                    size_t len)
{
    for (size_t i = 0; i < depth; i++)
        if (path[i] == function) {
            snprintf(message, len, "function '%s' calls itself: recursion is not supported",
                     function->name);
            return false;
        }
    if (!function->defined) {
        snprintf(message, len, "function '%s' is called but not defined", function->name);
        return false;
    }
    if (link_index(link, function) == link->count) {
        if (link->count == 256 || depth == 255) {
            snprintf(message, len, "too many functions are called");
            return false;
        }
        link->functions[link->count++] = function;
    }
    path[depth] = function;
    for (size_t i = 0; i < function->callees.count; i++)
        if (!collect(link, function->callees.items[i], path, depth + 1, message, len))
            return false;
    return true;
}

static bool shared_is_used(const Link *link, size_t v)
{
    for (size_t f = 0; f < link->count; f++)
        if (link->functions[f]->shared_used[v])
            return true;
    return false;
}

/* Static shared memory of all functions of the kernel, each variable once; dynamic comes after it.
 * With checks there are gaps, so that the end of a variable is seen; whole turns of the banks, so
 * that conflicts stay what they are. */
static void place_shared(Link *link, Kernel *kernel)
{
    enum { GAP = 128 };
    Module *module = link->module;
    uint64_t end = 0, gaps = 0;
    bool uses_dynamic = false;

    kernel->shared_ranges =
        module_alloc(module, (module->shared.count + 1) * sizeof *kernel->shared_ranges);
    for (size_t v = 0; v < module->shared.count; v++) {
        const Symbol *symbol = module->shared.items[v];
        if (!shared_is_used(link, v))
            continue;
        if (symbol->dynamic) {
            uses_dynamic = true;
            continue;
        }
        end = (end + symbol->align - 1) / symbol->align * symbol->align;
        link->shared_offset[v] = end + gaps;
        kernel->shared_ranges[kernel->shared_count++] =
            (Range){end + gaps, end + gaps + symbol->bytes};
        end += symbol->bytes;
        gaps += settings.check ? GAP : 0;
    }
    if (uses_dynamic)
        end = (end + 15) & ~15ull;
    for (size_t v = 0; v < module->shared.count; v++)
        if (module->shared.items[v]->dynamic)
            link->shared_offset[v] = end + gaps;
    kernel->static_shared = (uint32_t)end;
    kernel->dynamic_start = (uint32_t)(end + gaps);
    kernel->shared_room = (uint32_t)(end + gaps);
}

static uint64_t symbol_address(const Link *link, const Symbol *symbol)
{
    if (symbol->space == SPACE_SHARED)
        return link->shared_offset[symbol->index];
    if (symbol->space == SPACE_LOCAL)
        return link->local_base[link_index(link, symbol->function)] + symbol->address;
    return symbol->address;
}

static void relocate(uint32_t *slot, uint32_t base)
{
    if (*slot != NO_SLOT)
        *slot += base;
}

static void copy_code(Link *link, size_t which, Kernel *kernel)
{
    Function *function = link->functions[which];
    uint32_t base = link->register_base[which], pc = link->pc_base[which];

    for (size_t i = 0; i < function->code.count; i++) {
        Inst inst = function->code.items[i];
        relocate(&inst.d, base);
        relocate(&inst.a, base);
        relocate(&inst.b, base);
        relocate(&inst.c, base);
        relocate(&inst.guard, base);
        if (inst.list_count) {
            uint32_t *list = module_alloc(link->module, inst.list_count * sizeof *list);
            for (uint32_t k = 0; k < inst.list_count; k++) {
                list[k] = inst.list[k];
                if (inst.kind == KIND_SWITCH)
                    list[k] += pc;
                else
                    relocate(&list[k], base);
            }
            inst.list = list;
        }
        if (inst.kind == KIND_BRANCH)
            inst.target += pc;
        if (inst.kind == KIND_CALL) {
            size_t callee = link_index(link, link->module->functions.items[inst.target]);
            inst.target = link->pc_base[callee];
            inst.d = link->functions[callee]->return_slot + link->register_base[callee];
        }
        if (inst.run == run_copy_local) { /* between frames */
            const Symbol *const *pair = (const Symbol *const *)(uintptr_t)inst.immediate;
            uint32_t *where = module_alloc(link->module, 2 * sizeof *where);
            where[0] = (uint32_t)symbol_address(link, pair[0]);
            where[1] = (uint32_t)symbol_address(link, pair[1]);
            inst.immediate = (int64_t)(((uint64_t)where[0] << 32) | where[1]);
        }
        kernel->code[pc + i] = inst;
        kernel->sites[pc + i] = function->sites.items[i];
    }
}

static void copy_constants(Link *link, size_t which, Kernel *kernel)
{
    const Function *function = link->functions[which];
    for (size_t i = 0; i < function->constants.count; i++) {
        Constant constant = function->constants.items[i];
        constant.slot += link->register_base[which];
        if (constant.symbol)
            constant.value += symbol_address(link, constant.symbol);
        kernel->constants[kernel->constant_count++] = constant;
    }
    for (size_t i = 0; i < function->specials.count; i++) {
        Special special = function->specials.items[i];
        special.slot += link->register_base[which];
        kernel->specials[kernel->special_count++] = special;
    }
}

static void place_params(Kernel *kernel, const Function *function)
{
    size_t count = function->formals.count;
    kernel->param_count = count;
    kernel->param_offsets = module_alloc(kernel->module, count * sizeof(uint32_t));
    kernel->param_sizes = module_alloc(kernel->module, count * sizeof(uint32_t));
    for (size_t i = 0; i < count; i++) {
        kernel->param_offsets[i] = (uint32_t)function->formals.items[i]->address;
        kernel->param_sizes[i] = (uint32_t)function->formals.items[i]->bytes;
    }
    kernel->param_bytes = (uint32_t)function->param_bytes;
}

/* Makes a kernel of an entry and all that it calls. */
bool link_kernel(Module *module, Function *entry, char *message, size_t len)
{
    static _Thread_local Function *path[256];
    Link link = {.module = module};
    if (!collect(&link, entry, path, 0, message, len))
        return false;
    link.shared_offset = module_alloc(module, (module->shared.count + 1) * sizeof(uint64_t));
    Kernel *kernel = module_alloc(module, sizeof *kernel);
    kernel->module = module;
    place_shared(&link, kernel);
    if (kernel->static_shared > 49152) {
        snprintf(message, len, "kernel '%s' has %u bytes of static shared memory, 49152 at most",
                 entry->name, kernel->static_shared);
        return false;
    }
    size_t constants = 0, specials = 0;
    uint64_t local = 0;
    for (size_t i = 0; i < link.count; i++) {
        Function *function = link.functions[i];
        link.register_base[i] = kernel->register_bytes;
        link.pc_base[i] = kernel->code_count;
        link.local_base[i] = local;
        kernel->register_bytes += (function->register_bytes + 255) & ~255u;
        kernel->code_count += (uint32_t)function->code.count;
        local += (function->local_bytes + 15) & ~15ull;
        constants += function->constants.count;
        specials += function->specials.count;
    }
    kernel->name = entry->name;
    kernel->function = entry;
    kernel->local_bytes = (uint32_t)local;
    kernel->code = module_alloc(module, kernel->code_count * sizeof(Inst));
    kernel->sites = module_alloc(module, kernel->code_count * sizeof(Site));
    kernel->constants = module_alloc(module, constants * sizeof(Constant));
    kernel->specials = module_alloc(module, specials * sizeof(Special));
    kernel->reported = module_alloc(module, kernel->code_count * REPORT_KINDS);
    place_params(kernel, entry);
    for (size_t i = 0; i < link.count; i++) {
        copy_code(&link, i, kernel);
        copy_constants(&link, i, kernel);
    }
    *PUSH(module, module->kernels) = kernel;
    return true;
}
