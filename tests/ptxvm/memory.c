/* memory.c -- handlers of loads, stores, atomics, asynchronous copies and conversions of addresses.
 */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "ptx.h"
#include "lanes.h"

static pthread_mutex_t atomics = PTHREAD_MUTEX_INITIALIZER;

static void lock_atomics(void)
{
    if (settings.threads > 1)
        pthread_mutex_lock(&atomics);
}

static void unlock_atomics(void)
{
    if (settings.threads > 1)
        pthread_mutex_unlock(&atomics);
}

/* ---------------------------------------------------------------- addresses */

/* The variable in shared memory that the address lies in: into *range. False if in none. */
static bool find_shared(const Block *block, uint64_t address, Range *range)
{
    const Kernel *kernel = block->launch->kernel;
    for (size_t i = 0; i < kernel->shared_count; i++)
        if (address >= kernel->shared_ranges[i].start && address < kernel->shared_ranges[i].end) {
            *range = kernel->shared_ranges[i];
            return true;
        }
    *range = (Range){kernel->dynamic_start, block->shared_bytes};
    return address >= range->start && address < range->end;
}

static void explain_shared(Warp *warp, int l, uint64_t address, uint32_t bytes)
{
    const Block *block = warp->block;
    const Kernel *kernel = block->launch->kernel;
    for (size_t i = 0; i < kernel->shared_count; i++) {
        Range range = kernel->shared_ranges[i];
        if (address + bytes > range.start && address < range.end + 128) {
            report_lane(warp, l, REPORT_BOUNDS,
                        "%u bytes at offset %lld of a shared variable of %llu", bytes,
                        (long long)(address - range.start),
                        (unsigned long long)(range.end - range.start));
            return;
        }
    }
    report_lane(warp, l, REPORT_BOUNDS, "%u bytes at offset %llu of shared memory, which has %u",
                bytes, (unsigned long long)address, block->shared_bytes);
}

static inline unsigned char *resolve_shared(Warp *warp, int l, uint64_t address, uint32_t bytes,
                                            int kind)
{
    const Block *block = warp->block;
    address &= 0xffffffffu;
    if (!settings.check) {
        if (address + bytes <= block->shared_bytes)
            return block->shared + address;
        explain_shared(warp, l, address, bytes);
        return NULL;
    }
    Range *range = &block->launch->kernel->ranges[warp->now_pc];
    if (address < range->start || address + bytes > range->end) {
        Range found;
        if (!find_shared(block, address, &found) || address + bytes > found.end) {
            explain_shared(warp, l, address, bytes);
            return NULL;
        }
        *range = found;
    }
    shadow_access(warp, l, block->cells, address, bytes, kind);
    return block->shared + address;
}

static void explain_bounds(Warp *warp, int l, uint64_t address, uint32_t bytes)
{
    const Allocation *near = arena_contains(address) ? arena_find(address) : NULL;
    if (!near)
        report_lane(warp, l, REPORT_BOUNDS, "%u bytes at 0x%llx, which is no device memory", bytes,
                    (unsigned long long)address);
    else if (near->freed && address < near->address + near->bytes)
        report_lane(warp, l, REPORT_FREED, "%u bytes at offset %llu of %llu bytes that are freed",
                    bytes, (unsigned long long)(address - near->address),
                    (unsigned long long)near->bytes);
    else
        report_lane(warp, l, REPORT_BOUNDS, "%u bytes at offset %llu of an allocation of %llu",
                    bytes, (unsigned long long)(address - near->address),
                    (unsigned long long)near->bytes);
}

static inline unsigned char *resolve_global(Warp *warp, int l, uint64_t address, uint32_t bytes,
                                            int kind)
{
    if (!settings.check) {
        if (address - arena_base < arena_end - arena_base - bytes)
            return arena_host(address);
        explain_bounds(warp, l, address, bytes);
        return NULL;
    }
    Range *range = &warp->block->launch->kernel->ranges[warp->now_pc];
    if (address < range->start || address + bytes > range->end) {
        const Allocation *found = arena_contains(address) ? arena_find(address) : NULL;
        if (!found || found->freed || address + bytes > found->address + found->bytes) {
            explain_bounds(warp, l, address, bytes);
            return NULL;
        }
        range->start = found->address;
        range->end = found->address + found->bytes;
    }
    if (kind & ACCESS_ATOMIC)
        shadow_strong(warp, address, true, kind & ACCESS_WRITE,
                      warp->block->launch->kernel->code[warp->now_pc].flags & FLAG_RELEASE);
    shadow_access(warp, l, arena_cell(address), address & 3, bytes, kind);
    return arena_host(address);
}

static unsigned char *resolve_local(Warp *warp, int l, uint64_t address, uint32_t bytes, int kind)
{
    uint32_t room = warp->block->launch->kernel->local_bytes;
    if (address + bytes > room || address > room) {
        report_lane(warp, l, REPORT_BOUNDS, "%u bytes at offset %lld of local memory, which has %u",
                    bytes, (long long)address, room);
        return NULL;
    }
    size_t at = (size_t)l * room + address;
    if (settings.check && (kind & ACCESS_WRITE)) {
        memset(warp->local_written + at, 1, bytes);
    } else if (settings.check && memchr(warp->local_written + at, 0, bytes)) {
        report_lane(warp, l, REPORT_UNINITIALISED, "reads local memory that nothing has written");
        memset(warp->local_written + at, 1, bytes);
    }
    return warp->local + at;
}

/* Parameters are read only; the cast drops a const that run_store() never misuses. */
static unsigned char *resolve_param(Warp *warp, int l, uint64_t address, uint32_t bytes, int kind)
{
    const Launch *launch = warp->block->launch;
    if (address + bytes > launch->kernel->param_bytes || (kind & ACCESS_WRITE)) {
        report_lane(warp, l, REPORT_BOUNDS, "%u bytes at offset %llu of %u bytes of parameters",
                    bytes, (unsigned long long)address, launch->kernel->param_bytes);
        return NULL;
    }
    return (unsigned char *)(uintptr_t)launch->params + address;
}

static unsigned char *resolve_one(Warp *warp, int l, Space space, uint64_t address, uint32_t bytes,
                                  int kind)
{
    if (address & (bytes - 1) & 31) {
        report_lane(warp, l, REPORT_MISALIGNED, "%u bytes at address 0x%llx", bytes,
                    (unsigned long long)address);
        return NULL;
    }
    if (space == SPACE_GENERIC) {
        uint64_t window = address & WINDOW_MASK;
        space = window == SHARED_WINDOW  ? SPACE_SHARED
                : window == LOCAL_WINDOW ? SPACE_LOCAL
                : window == PARAM_WINDOW ? SPACE_PARAM
                                         : SPACE_GLOBAL;
        if (space != SPACE_GLOBAL)
            address &= ~WINDOW_MASK;
    }
    switch (space) {
    case SPACE_SHARED:
        return resolve_shared(warp, l, address, bytes, kind);
    case SPACE_LOCAL:
        return resolve_local(warp, l, address, bytes, kind);
    case SPACE_PARAM:
        return resolve_param(warp, l, address, bytes, kind);
    default:
        return resolve_global(warp, l, address, bytes, kind);
    }
}

static void read_addresses(const Warp *warp, uint32_t slot, bool wide, int64_t offset,
                           uint64_t address[LANES])
{
    if (slot == NO_SLOT)
        for (int l = 0; l < LANES; l++)
            address[l] = (uint64_t)offset;
    else if (wide)
        for (int l = 0; l < LANES; l++)
            address[l] = U64(slot)[l] + (uint64_t)offset;
    else
        for (int l = 0; l < LANES; l++)
            address[l] = (uint32_t)(U32(slot)[l] + (uint32_t)offset);
}

static void count_request(Warp *warp, Space space, uint32_t mask, const uint64_t address[LANES],
                          uint32_t bytes)
{
    int first = __builtin_ctz(mask);
    if (space == SPACE_GENERIC)
        space = (address[first] & WINDOW_MASK) == SHARED_WINDOW ? SPACE_SHARED
                : address[first] & WINDOW_MASK                  ? SPACE_LOCAL
                                                                : SPACE_GLOBAL;
    if (space == SPACE_SHARED)
        stat_shared(warp, mask, address, bytes);
    else if (space == SPACE_GLOBAL)
        stat_global(warp, mask, address, bytes);
}

void resolve(Warp *warp, const Inst *inst, uint32_t mask, uint32_t bytes, int kind,
             unsigned char *where[LANES])
{
    uint64_t address[LANES];
    Space space = (Space)inst->space;

    read_addresses(warp, inst->a, inst->wide & 2, inst->immediate, address);
    if (warp->block->launch->kernel->stat)
        count_request(warp, space, mask, address, bytes);
    if (!settings.check && space == SPACE_SHARED) { /* the frequent case */
        const Block *block = warp->block;
        for (int l = 0; l < LANES; l++) {
            uint64_t offset = address[l] & 0xffffffffu;
            where[l] = block->shared + offset;
            if ((mask >> l & 1) && (offset + bytes > block->shared_bytes || (offset & (bytes - 1))))
                where[l] = resolve_one(warp, l, space, offset, bytes, kind);
        }
        return;
    }
    for (int l = 0; l < LANES; l++) {
        bool aligned = !(address[l] & (bytes - 1) & 31);
        if (!(mask >> l & 1))
            where[l] = NULL;
        else if (space == SPACE_SHARED && aligned)
            where[l] = resolve_shared(warp, l, address[l], bytes, kind);
        else if (space == SPACE_GLOBAL && aligned)
            where[l] = resolve_global(warp, l, address[l], bytes, kind);
        else
            where[l] = resolve_one(warp, l, space, address[l], bytes, kind);
    }
}

/* ---------------------------------------------------------------- loads and stores */

static uint64_t read_bytes(const unsigned char *at, unsigned bytes, bool is_signed)
{
    uint64_t bits = 0;
    memcpy(&bits, at, bytes);
    if (is_signed) {
        unsigned unused = 64 - 8 * bytes;
        bits = (uint64_t)((int64_t)(bits << unused) >> unused);
    }
    return bits;
}

static int access_kind(const Inst *inst, int base)
{
    return base | (inst->flags & FLAG_STRONG ? ACCESS_ATOMIC : 0) |
           (inst->flags & FLAG_CONSTANT ? ACCESS_CONSTANT : 0);
}

static void load_words(Warp *warp, uint32_t slot, unsigned element, uint32_t mask,
                       unsigned char *const where[LANES])
{
    uint32_t *d = U32(slot);
    FOR_LANES(mask, memcpy(&d[l], where[l] + 4 * element, 4););
}

void run_load(Warp *warp, const Inst *inst, uint32_t mask)
{
    unsigned char *where[LANES];
    uint32_t good = 0;
    resolve(warp, inst, mask, (uint32_t)inst->bytes * inst->count, access_kind(inst, ACCESS_READ),
            where);
    for (int l = 0; l < LANES; l++)
        good |= (uint32_t)(where[l] != NULL) << l;
    good &= mask;
    for (unsigned i = 0; i < inst->count; i++) {
        uint32_t slot = inst->list[i];
        if (inst->bytes == 4 && !(inst->wide & 1)) {
            load_words(warp, slot, i, good, where);
        } else {
            for (int l = 0; l < LANES; l++) {
                if (!(good >> l & 1))
                    continue;
                uint64_t bits =
                    read_bytes(where[l] + i * inst->bytes, inst->bytes, inst->flags & FLAG_SIGNED);
                if (inst->wide & 1)
                    U64(slot)[l] = bits;
                else
                    U32(slot)[l] = (uint32_t)bits;
            }
        }
        for (uint32_t bad = mask & ~good; bad; bad &= bad - 1)
            memset(warp->registers + slot + (inst->wide & 1 ? 8 : 4) * (unsigned)__builtin_ctz(bad),
                   0xff, inst->wide & 1 ? 8 : 4);
    }
}

void run_store(Warp *warp, const Inst *inst, uint32_t mask)
{
    unsigned char *where[LANES];
    resolve(warp, inst, mask, (uint32_t)inst->bytes * inst->count, access_kind(inst, ACCESS_WRITE),
            where);
    for (unsigned i = 0; i < inst->count; i++) {
        const unsigned char *source = warp->registers + inst->list[i];
        unsigned step = inst->wide & 1 ? 8 : 4;
        if (inst->bytes == 4 && step == 4) {
            for (int l = 0; l < LANES; l++)
                if ((mask >> l & 1) && where[l])
                    memcpy(where[l] + 4 * i, source + 4 * l, 4);
            continue;
        }
        for (int l = 0; l < LANES; l++)
            if ((mask >> l & 1) && where[l])
                memcpy(where[l] + i * inst->bytes, source + step * (unsigned)l, inst->bytes);
    }
}

/* ld.param in a kernel: the same for all lanes unless the address is a register. */
void run_load_param(Warp *warp, const Inst *inst, uint32_t mask)
{
    if (inst->a != NO_SLOT) {
        run_load(warp, inst, mask);
        return;
    }
    uint64_t address = (uint64_t)inst->immediate;
    const unsigned char *where = resolve_one(warp, __builtin_ctz(mask), SPACE_PARAM, address,
                                             (uint32_t)inst->bytes * inst->count, ACCESS_READ);
    for (unsigned i = 0; where && i < inst->count; i++) {
        uint64_t bits = read_bytes(where + i * inst->bytes, inst->bytes, inst->flags & FLAG_SIGNED);
        if (inst->wide & 1)
            FOR_LANES(mask, U64(inst->list[i])[l] = bits;);
        else
            FOR_LANES(mask, U32(inst->list[i])[l] = (uint32_t)bits;);
    }
}

/* Parameters of a call: from one place of the lane's frame to another. */
void run_copy_local(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint32_t room = warp->block->launch->kernel->local_bytes;
    uint32_t from = (uint32_t)((uint64_t)inst->immediate >> 32), to = (uint32_t)inst->immediate;
    for (uint32_t l = 0; l < LANES; l++) {
        if (!(mask >> l & 1))
            continue;
        memcpy(warp->local + l * room + to, warp->local + l * room + from, inst->target);
        memcpy(warp->local_written + l * room + to, warp->local_written + l * room + from,
               inst->target);
    }
}

/* ---------------------------------------------------------------- atomics */

static uint64_t integer_atomic(int mode, uint64_t old, uint64_t value, bool is_signed,
                               unsigned bytes)
{
    unsigned unused = 64 - 8 * bytes;
    bool less = is_signed ? (int64_t)(old << unused) < (int64_t)(value << unused)
                          : old << unused < value << unused;
    switch (mode) {
    case ATOM_ADD:
        return old + value;
    case ATOM_MIN:
        return less ? old : value;
    case ATOM_MAX:
        return less ? value : old;
    case ATOM_AND:
        return old & value;
    case ATOM_OR:
        return old | value;
    case ATOM_XOR:
        return old ^ value;
    case ATOM_INC:
        return old >= value ? 0 : old + 1;
    case ATOM_DEC:
        return old == 0 || old > value ? value : old - 1;
    default:
        return value; /* exchange */
    }
}

static uint64_t float_atomic(Type type, uint64_t old, uint64_t value)
{
    uint32_t low_old = (uint32_t)old, low_value = (uint32_t)value;
    if (type == TYPE_F64) {
        double x, y;
        memcpy(&x, &old, sizeof x);
        memcpy(&y, &value, sizeof y);
        x += y;
        memcpy(&old, &x, sizeof x);
        return old;
    }
    if (type == TYPE_F16)
        return double_to_half(half_to_double((uint16_t)old) + half_to_double((uint16_t)value));
    if (type == TYPE_BF16)
        return double_to_bfloat(bfloat_to_double((uint16_t)old) +
                                bfloat_to_double((uint16_t)value));
    if (type == TYPE_F16X2 || type == TYPE_BF16X2) {
        Type half = type == TYPE_F16X2 ? TYPE_F16 : TYPE_BF16;
        return float_atomic(half, old & 0xffff, value & 0xffff) |
               float_atomic(half, old >> 16, value >> 16) << 16;
    }
    float x, y;
    memcpy(&x, &low_old, sizeof x);
    memcpy(&y, &low_value, sizeof y);
    x += y;
    memcpy(&low_old, &x, sizeof x);
    return low_old;
}

static bool is_float_add(const Inst *inst)
{
    return inst->mode == ATOM_ADD &&
           (inst->type == TYPE_F32 || inst->type == TYPE_F64 || inst->type == TYPE_F16 ||
            inst->type == TYPE_BF16 || inst->type == TYPE_F16X2 || inst->type == TYPE_BF16X2);
}

static uint64_t atomic_result(Warp *warp, const Inst *inst, int l, uint64_t old, uint64_t value)
{
    if (inst->mode == ATOM_CAS)
        return old != value ? old : inst->bytes == 8 ? U64(inst->c)[l] : U32(inst->c)[l];
    if (is_float_add(inst))
        return float_atomic((Type)inst->type, old, value);
    return integer_atomic(inst->mode, old, value, type_is_signed((Type)inst->type), inst->bytes);
}

/* Element i of the vector of lane l. */
static void run_atomic_lane(Warp *warp, const Inst *inst, int l, unsigned i, unsigned char *where)
{
    bool wide = inst->bytes == 8;
    uint64_t old = read_bytes(where, inst->bytes, false);
    uint64_t value = wide ? U64(inst->list[i])[l] : U32(inst->list[i])[l];
    uint32_t target = inst->list[inst->count + i];
    if (inst->bytes == 2)
        value &= 0xffff;
    uint64_t result = atomic_result(warp, inst, l, old, value);
    memcpy(where, &result, inst->bytes);
    if (target == NO_SLOT)
        return;
    if (wide)
        U64(target)[l] = old;
    else
        U32(target)[l] = (uint32_t)old;
}

void run_atomic(Warp *warp, const Inst *inst, uint32_t mask)
{
    unsigned char *where[LANES];
    resolve(warp, inst, mask, (uint32_t)inst->bytes * inst->count, ACCESS_ATOMIC | ACCESS_WRITE,
            where);
    lock_atomics();
    for (int l = 0; l < LANES; l++)
        for (unsigned i = 0; (mask >> l & 1) && where[l] && i < inst->count; i++)
            run_atomic_lane(warp, inst, l, i, where[l] + i * inst->bytes);
    unlock_atomics();
}

void run_fence(Warp *warp, const Inst *inst, uint32_t mask)
{
    if (settings.check && !inst->mode)
        shadow_fence(warp, mask);
}

/* ---------------------------------------------------------------- asynchronous copies */

static void add_copy(Warp *warp, AsyncCopy copy)
{
    if (warp->copy_count == warp->copy_room) {
        warp->copy_room = warp->copy_room ? warp->copy_room * 2 : 256;
        warp->copies = realloc(warp->copies, warp->copy_room * sizeof *warp->copies);
        if (!warp->copies)
            abort();
    }
    warp->copies[warp->copy_count++] = copy;
}

static void issue_copy(Warp *warp, const Inst *inst, int l, uint64_t source, uint64_t target)
{
    uint32_t filled = inst->bytes;
    if (inst->b != NO_SLOT)
        filled = U32(inst->b)[l];
    if (inst->d != NO_SLOT && (*U32(inst->d) >> l & 1))
        filled = 0;
    if (filled > inst->bytes) {
        report_lane(warp, l, REPORT_BOUNDS, "cp.async of %u bytes with a source of %u", inst->bytes,
                    filled);
        return;
    }
    target &= 0xffffffffu;
    if (filled && (source & (inst->bytes - 1u))) {
        report_lane(warp, l, REPORT_MISALIGNED, "%u bytes from address 0x%llx", inst->bytes,
                    (unsigned long long)source);
        return;
    }
    if (!resolve_one(warp, l, SPACE_SHARED, target, inst->bytes, ACCESS_WRITE))
        return;
    if (filled && !resolve_global(warp, l, source, filled, ACCESS_READ))
        return;
    if (settings.check)
        shadow_in_flight(warp, l, warp->block->cells, target, inst->bytes, 1);
    add_copy(warp, (AsyncCopy){source, (uint32_t)target, warp->committed[l], (uint8_t)l,
                               inst->bytes, (uint8_t)filled});
}

void run_async_copy(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint64_t source[LANES], target[LANES];
    read_addresses(warp, inst->a, inst->wide & 2, inst->immediate, source);
    read_addresses(warp, inst->c, inst->mode2, (int64_t)inst->target, target);
    if (warp->block->launch->kernel->stat)
        stat_global(warp, mask, source, inst->bytes);
    for (int l = 0; l < LANES; l++)
        if (mask >> l & 1)
            issue_copy(warp, inst, l, source[l], target[l]);
}

static void arrive(Warp *warp, const AsyncCopy *copy)
{
    Block *block = warp->block;
    unsigned char *target = block->shared + copy->target;
    memset(target, 0, copy->bytes);
    if (copy->filled)
        memcpy(target, arena_host(copy->source), copy->filled);
    if (settings.check) {
        shadow_in_flight(warp, copy->lane, block->cells, copy->target, copy->bytes, -1);
        shadow_access(warp, copy->lane, block->cells, copy->target, copy->bytes, ACCESS_WRITE);
    }
}

void finish_copies(Warp *warp, uint32_t lanes, uint32_t newest, bool all)
{
    size_t kept = 0;
    for (size_t i = 0; i < warp->copy_count; i++) {
        AsyncCopy copy = warp->copies[i];
        bool old = (uint64_t)copy.group + newest < warp->committed[copy.lane];
        if ((lanes >> copy.lane & 1) && (all || old))
            arrive(warp, &copy);
        else
            warp->copies[kept++] = copy;
    }
    warp->copy_count = kept;
}

void run_async_commit(Warp *warp, const Inst *inst, uint32_t mask)
{
    (void)inst;
    FOR_LANES(mask, warp->committed[l]++;);
}

void run_async_wait(Warp *warp, const Inst *inst, uint32_t mask)
{
    finish_copies(warp, mask, (uint32_t)inst->immediate, inst->mode);
}

/* ---------------------------------------------------------------- generic addresses */

static uint64_t window_of(const Inst *inst)
{
    return inst->space == SPACE_SHARED  ? SHARED_WINDOW
           : inst->space == SPACE_LOCAL ? LOCAL_WINDOW
           : inst->space == SPACE_PARAM ? PARAM_WINDOW
                                        : 0;
}

void run_to_generic(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint64_t window = window_of(inst);
    FOR_LANES(mask, U64(inst->d)[l] = U64(inst->a)[l] | window;);
}

void run_from_generic(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint64_t keep = window_of(inst) ? ~WINDOW_MASK : ~0ull;
    FOR_LANES(mask, U64(inst->d)[l] = U64(inst->a)[l] & keep;);
}

void run_is_space(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint64_t window = window_of(inst);
    uint32_t bits = 0, *d = U32(inst->d);
    for (int l = 0; l < LANES; l++)
        bits |= (uint32_t)((U64(inst->a)[l] & WINDOW_MASK) == window) << l;
    *d = (*d & ~mask) | (bits & mask);
}
