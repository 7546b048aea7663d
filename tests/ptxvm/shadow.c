/* shadow.c -- who used a word of memory last, and what is ordered before what.
 *
 * A block has a clock that ticks at each synchronisation. A warp knows up to which time the
 * accesses of each other warp happened before its own (seen[]); a barrier joins what its warps
 * know. Lanes of one warp are ordered by bar.warp.sync and barriers only, not by running in step.
 * Blocks are unordered but for fences and atomics: a strong write behind a fence releases what the
 * warp had seen at the fence, a strong read of the same address acquires it. */
#include <stdlib.h>
#include <string.h>
#include "ptx.h"

enum { WRITE_ATOMIC = 1, READ_ATOMIC = 2, READ_MANY = 4, PLACES = 64 };

/* What has been released at an address: times by block and warp. */
typedef struct {
    uint64_t address;
    uint32_t *times;
} Place;

static Place places[PLACES];
static uint32_t next_serial = 1;
static uint64_t launch_blocks;

/* Serial numbers of that many blocks: the first of them. */
static uint32_t new_serials(uint64_t blocks)
{
    uint32_t first = next_serial;
    next_serial += (uint32_t)blocks;
    return first;
}

void shadow_start_launch(Launch *launch)
{
    launch_blocks = (uint64_t)launch->grid[0] * launch->grid[1] * launch->grid[2];
    launch->first_serial = new_serials(launch_blocks);
}

void shadow_end_launch(void)
{
    for (int i = 0; i < PLACES; i++) {
        free(places[i].times);
        places[i] = (Place){0, NULL};
    }
}

/* After a change of what the warp knows. */
static void update_ordered(Warp *warp)
{
    warp->ordered = warp->seen_by_all < warp->synchronised ? warp->seen_by_all : warp->synchronised;
}

/* ---------------------------------------------------------------- between launches */

/* One launch or copy: its blocks have the serial numbers from `first` on. */
typedef struct {
    uint32_t first;
    int slot;
    uint64_t serial;
} Epoch;

static Epoch *epochs;
static size_t epoch_count, epoch_room;
static uint64_t last_of_slot[STREAM_SLOTS], known_now[STREAM_SLOTS];
static uint32_t suspect =
    UINT32_MAX; /* the first block that may not be ordered before this epoch */

static bool epoch_is_known(const Epoch *epoch) { return epoch->serial <= known_now[epoch->slot]; }

/* Of all that has run, the earliest that is not ordered before now. */
static uint32_t find_suspect(void)
{
    enum { LOOK_BACK = 4096 };
    uint32_t result = UINT32_MAX;
    bool all = true;
    for (int i = 0; i < STREAM_SLOTS; i++)
        all = all && last_of_slot[i] <= known_now[i];
    for (size_t i = epoch_count; !all && i-- > 0 && epoch_count - i < LOOK_BACK;)
        if (!epoch_is_known(&epochs[i]))
            result = epochs[i].first;
    return result;
}

void shadow_begin(int slot, uint64_t serial, const uint64_t known[STREAM_SLOTS])
{
    if (!settings.check)
        return;
    memcpy(known_now, known, sizeof known_now);
    suspect = find_suspect();
    if (epoch_count == epoch_room) {
        epoch_room = epoch_room ? epoch_room * 2 : 1024;
        epochs = realloc(epochs, epoch_room * sizeof *epochs);
        if (!epochs)
            abort();
    }
    epochs[epoch_count++] = (Epoch){next_serial, slot, serial};
    last_of_slot[slot] = serial;
}

/* Is the block one of a launch or copy that nothing orders before this one? */
static bool is_unordered_epoch(uint32_t block)
{
    size_t low = 0, high = epoch_count;
    if (block < suspect)
        return false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (epochs[middle].first <= block)
            low = middle + 1;
        else
            high = middle;
    }
    return low && low < epoch_count && !epoch_is_known(&epochs[low - 1]);
}

void shadow_copy_access(Cell *cell, uint64_t offset, uint64_t bytes, bool writes, const char *what)
{
    uint32_t serial = new_serials(1);
    bool reported = false;
    for (; bytes; cell++) {
        uint64_t part = 4 - offset < bytes ? 4 - offset : bytes;
        uint8_t mask = (uint8_t)(((1u << part) - 1) << offset);
        bool wrong = (cell->write_bytes & mask) && is_unordered_epoch(cell->write_block);
        if (writes && (cell->read_bytes & mask))
            wrong |= is_unordered_epoch(cell->read_block);
        if (wrong && !reported)
            report_host(REPORT_RACE,
                        "%s: a launch or copy on another stream uses the same memory, no event or "
                        "synchronisation orders them",
                        what);
        reported |= wrong;
        if (writes) {
            *cell = (Cell){.write_block = serial, .write_bytes = mask, .written = cell->written};
        } else {
            cell->read_block = serial;
            cell->read_bytes = mask;
            cell->read_warps = cell->read_lanes = 1;
            cell->flags &= (uint8_t) ~(READ_MANY | READ_ATOMIC);
        }
        bytes -= part;
        offset = 0;
    }
}

static uint32_t later(uint32_t a, uint32_t b) { return a > b ? a : b; }

/* ---------------------------------------------------------------- order */

/* Does the access of another lane of this warp happen before what `lane` does now? */
static bool lane_ordered(const Warp *warp, int lane, int other, uint32_t time)
{
    return other == lane || time <= warp->synchronised ||
           (warp->lane_seen && time <= warp->lane_seen[lane][other]);
}

static bool block_ordered(const Block *block, uint32_t serial, uint32_t warp, uint32_t time)
{
    if (!block->acquired)
        return false;
    return block->acquired[(size_t)(serial - block->launch->first_serial) * MAX_WARPS + warp] >=
           time;
}

static bool write_ordered(const Warp *warp, int lane, const Cell *cell)
{
    uint32_t other = cell->write_thread / LANES;
    if (cell->write_block != warp->block->serial)
        return block_ordered(warp->block, cell->write_block, other, cell->write_time);
    if (other == warp->index)
        return lane_ordered(warp, lane, cell->write_thread % LANES, cell->write_time);
    return cell->write_time <= warp->seen[other];
}

/* All reads that the cell remembers; *who is a thread whose read is not ordered. */
static bool reads_ordered(const Warp *warp, int lane, const Cell *cell, uint32_t *who)
{
    const Block *block = warp->block;
    if (cell->read_block != block->serial) {
        for (uint32_t v = 0; v < MAX_WARPS; v++)
            if ((cell->read_warps >> v & 1) &&
                !block_ordered(block, cell->read_block, v, cell->read_time)) {
                *who = v * LANES;
                return false;
            }
        return true;
    }
    if ((cell->flags & READ_MANY) && !block->acquired) {
        *who = cell->read_warp * LANES;
        return false;
    }
    if (cell->read_time > warp->seen_by_all)
        for (uint32_t v = 0; v < block->warp_count; v++)
            if ((cell->read_warps >> v & 1) && v != warp->index &&
                cell->read_time > warp->seen[v]) {
                *who = v * LANES;
                return false;
            }
    if (cell->read_warp == warp->index && cell->read_time > warp->synchronised)
        for (int other = 0; other < LANES; other++)
            if ((cell->read_lanes >> other & 1) &&
                !lane_ordered(warp, lane, other, cell->read_time)) {
                *who = warp->index * LANES + (uint32_t)other;
                return false;
            }
    return true;
}

/* ---------------------------------------------------------------- accesses */

static const char *where_is(const Warp *warp, const Cell *cell)
{
    const Block *block = warp->block;
    return cell >= block->cells && cell < block->cells + (block->shared_bytes + 3) / 4 + 1
               ? "shared"
               : "global";
}

static void report_race(Warp *warp, int lane, const Cell *cell, const char *mine,
                        const char *theirs, uint32_t serial, uint32_t thread)
{
    const Block *block = warp->block;
    report_lane(warp, lane, REPORT_RACE,
                "%s %s memory after the %s by block %u thread %u, nothing orders them", mine,
                where_is(warp, cell), theirs, serial - block->launch->first_serial, thread);
}

/* The same for a launch or copy on another stream. */
static void check_epoch(Warp *warp, int lane, uint32_t block, const char *mine, const char *theirs)
{
    if (block < warp->block->launch->first_serial && is_unordered_epoch(block))
        report_lane(warp, lane, REPORT_RACE,
                    "%s global memory after a %s by a launch or copy on another stream, no event "
                    "or synchronisation orders them",
                    mine, theirs);
}

static void note_read(Warp *warp, int lane, Cell *cell, uint8_t bytes, bool atomic)
{
    const Block *block = warp->block;
    uint32_t bit = LANE(warp->index), first = block->launch->first_serial;

    if (cell->read_block == block->serial && cell->read_bytes == bytes &&
        (cell->read_time == block->clock || cell->read_time > warp->seen_by_all ||
         cell->read_time > warp->synchronised)) {
        if (cell->read_warp == warp->index)
            cell->read_lanes |= LANE(lane);
        else
            cell->read_lanes = LANE(lane);
        cell->read_warps |= bit;
        if (!atomic)
            cell->flags &= (uint8_t)~READ_ATOMIC;
    } else {
        bool many = cell->read_block >= first && cell->read_block != block->serial;
        if (many)
            cell->flags |= READ_MANY;
        else if (cell->read_block < first)
            cell->flags &= (uint8_t)~READ_MANY;
        cell->read_block = block->serial;
        cell->read_bytes = bytes;
        cell->read_warps = bit;
        cell->read_lanes = LANE(lane);
        cell->flags = (uint8_t)((cell->flags & ~READ_ATOMIC) | (atomic ? READ_ATOMIC : 0));
    }
    cell->read_warp = (uint8_t)warp->index;
    cell->read_time = block->clock;
}

static void note_write(Warp *warp, int lane, Cell *cell, uint8_t bytes, bool atomic)
{
    const Block *block = warp->block;
    cell->write_block = block->serial;
    cell->write_time = block->clock;
    cell->write_thread = (uint16_t)(warp->index * LANES + (uint32_t)lane);
    cell->write_bytes = bytes;
    cell->written |= bytes;
    cell->flags = atomic ? WRITE_ATOMIC : 0;
    cell->read_warps = cell->read_block = cell->read_lanes = 0;
    cell->read_bytes = 0;
}

static void check_write(Warp *warp, int lane, Cell *cell, uint8_t bytes, bool atomic)
{
    uint32_t first = warp->block->launch->first_serial, who = 0;
    if ((cell->write_bytes & bytes) && cell->write_block >= first &&
        !(atomic && (cell->flags & WRITE_ATOMIC)) && !write_ordered(warp, lane, cell))
        report_race(warp, lane, cell, atomic ? "atomic on" : "write to", "write", cell->write_block,
                    cell->write_thread);
    if ((cell->read_bytes & bytes) && cell->read_block >= first &&
        !(atomic && (cell->flags & READ_ATOMIC)) && !reads_ordered(warp, lane, cell, &who))
        report_race(warp, lane, cell, atomic ? "atomic on" : "write to", "read", cell->read_block,
                    who);
    if (cell->write_bytes & bytes)
        check_epoch(warp, lane, cell->write_block, "write to", "write");
    if (cell->read_bytes & bytes)
        check_epoch(warp, lane, cell->read_block, "write to", "read");
    note_write(warp, lane, cell, bytes, atomic);
}

static void check_read(Warp *warp, int lane, Cell *cell, uint8_t bytes, int kind)
{
    uint32_t first = warp->block->launch->first_serial;
    bool atomic = kind & ACCESS_ATOMIC;
    if (bytes & ~cell->written)
        report_lane(warp, lane, REPORT_UNINITIALISED, "reads %s memory that nothing has written",
                    where_is(warp, cell));
    if ((cell->write_bytes & bytes) && cell->write_block >= first) {
        if (!(atomic && (cell->flags & WRITE_ATOMIC)) && !write_ordered(warp, lane, cell))
            report_race(warp, lane, cell, "read of", "write", cell->write_block,
                        cell->write_thread);
        else if (kind & ACCESS_CONSTANT)
            report_lane(warp, lane, REPORT_CONSTANT,
                        "a load through the constant cache of what this launch has written");
    }
    if (cell->write_bytes & bytes)
        check_epoch(warp, lane, cell->write_block, "read of", "write");
    note_read(warp, lane, cell, bytes, atomic);
}

/* Most reads: by one of the lanes that read the word just now, of what was written long ago. */
static inline bool is_plain_read(const Warp *warp, const Cell *cell, uint8_t bytes)
{
    const Block *block = warp->block;
    return !(bytes & ~cell->written) && !cell->in_flight && cell->read_block == block->serial &&
           cell->read_time == block->clock && cell->read_warp == warp->index &&
           cell->read_bytes == bytes && !(cell->flags & READ_ATOMIC) &&
           (cell->write_block < block->launch->first_serial ||
            (cell->write_block == block->serial && cell->write_time <= warp->ordered));
}

void shadow_access(Warp *warp, int lane, Cell *cells, uint64_t offset, uint32_t bytes, int kind)
{
    Cell *cell = cells + offset / 4;
    uint32_t start = offset & 3;
    while (bytes) {
        uint32_t part = 4 - start < bytes ? 4 - start : bytes;
        uint8_t mask = (uint8_t)(((1u << part) - 1) << start);
        if (kind == ACCESS_READ && is_plain_read(warp, cell, mask)) {
            cell->read_lanes |= LANE(lane);
            bytes -= part;
            start = 0;
            cell++;
            continue;
        }
        if (cell->in_flight)
            report_lane(warp, lane, REPORT_ASYNC,
                        "uses shared memory that cp.async is still writing to");
        if (kind & ACCESS_WRITE) {
            if ((kind & ACCESS_ATOMIC) && (mask & ~cell->written))
                report_lane(warp, lane, REPORT_UNINITIALISED,
                            "an atomic on %s memory that nothing has written",
                            where_is(warp, cell));
            check_write(warp, lane, cell, mask, kind & ACCESS_ATOMIC);
        } else {
            check_read(warp, lane, cell, mask, kind);
        }
        bytes -= part;
        start = 0;
        cell++;
    }
}

/* change: 1 when a copy to these bytes is issued, -1 when it arrives. */
void shadow_in_flight(Warp *warp, int lane, Cell *cells, uint64_t offset, uint32_t bytes,
                      int change)
{
    (void)warp;
    (void)lane;
    for (uint64_t i = offset / 4; i < (offset + bytes + 3) / 4; i++)
        cells[i].in_flight = (uint8_t)(cells[i].in_flight + change);
}

/* The first cell holds byte `offset` (0 to 3) first. */
void shadow_mark_written(Cell *cells, uint64_t offset, uint64_t bytes)
{
    while (bytes) {
        uint64_t part = 4 - offset < bytes ? 4 - offset : bytes;
        cells->written |= (uint8_t)(((1u << part) - 1) << offset);
        bytes -= part;
        offset = 0;
        cells++;
    }
}

void shadow_copy_written(Cell *target, uint64_t target_offset, const Cell *source,
                         uint64_t source_offset, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i++) {
        uint64_t from = source_offset + i, to = target_offset + i;
        uint8_t bit = (uint8_t)(1u << (to & 3));
        if (source[from / 4].written >> (from & 3) & 1)
            target[to / 4].written |= bit;
        else
            target[to / 4].written &= (uint8_t)~bit;
    }
}

/* ---------------------------------------------------------------- synchronisation */

void shadow_barrier_arrive(Warp *warp, Barrier *barrier)
{
    for (int v = 0; v < MAX_WARPS; v++)
        barrier->joined[v] = later(barrier->joined[v], warp->seen[v]);
    barrier->joined[warp->index] = warp->block->clock;
    for (int v = 0; warp->has_fenced && v < MAX_WARPS; v++)
        barrier->fenced[v] = later(barrier->fenced[v], warp->fenced[v]);
    barrier->has_fenced |= warp->has_fenced;
}

/* The waiting warps go on: each knows what all that arrived knew. */
void shadow_barrier_leave(Block *block, Barrier *barrier)
{
    for (uint32_t w = 0; w < block->warp_count; w++) {
        Warp *warp = &block->warps[w];
        if (!(barrier->waiting >> w & 1))
            continue;
        uint32_t all = UINT32_MAX;
        for (uint32_t v = 0; v < MAX_WARPS; v++) {
            warp->seen[v] = later(warp->seen[v], barrier->joined[v]);
            if (v != w && v < block->warp_count && warp->seen[v] < all)
                all = warp->seen[v];
        }
        warp->seen_by_all = all;
        warp->synchronised = later(warp->synchronised, warp->seen[w]);
        update_ordered(warp);
        /* A fence of one thread and, behind a barrier, an atomic of another release as well. */
        for (int v = 0; barrier->has_fenced && v < MAX_WARPS; v++)
            warp->fenced[v] = later(warp->fenced[v], barrier->fenced[v]);
        warp->has_fenced |= barrier->has_fenced;
    }
    memset(barrier->joined, 0, sizeof barrier->joined);
    block->clock++;
}

/* bar.warp.sync of these lanes. */
void shadow_warp_barrier(Warp *warp, uint32_t lanes)
{
    Block *block = warp->block;
    uint32_t alive = warp->exists & ~warp->exited;
    if (lanes == alive) {
        warp->synchronised = block->clock++;
        update_ordered(warp);
        return;
    }
    if (!warp->lane_seen) {
        warp->lane_seen = calloc(LANES, sizeof *warp->lane_seen);
        if (!warp->lane_seen)
            abort();
    }
    uint32_t joined[LANES] = {0};
    for (int a = 0; a < LANES; a++)
        for (int b = 0; (lanes >> a & 1) && b < LANES; b++)
            joined[b] = later(joined[b], warp->lane_seen[a][b]);
    for (int a = 0; a < LANES; a++)
        for (int b = 0; (lanes >> a & 1) && b < LANES; b++)
            warp->lane_seen[a][b] = lanes >> b & 1 ? block->clock : joined[b];
    block->clock++;
}

void shadow_fence(Warp *warp, uint32_t lanes)
{
    (void)lanes;
    for (int v = 0; v < MAX_WARPS; v++)
        warp->fenced[v] = warp->has_fenced ? later(warp->fenced[v], warp->seen[v]) : warp->seen[v];
    warp->fenced[warp->index] = warp->block->clock++;
    warp->has_fenced = true;
}

static Place *find_place(uint64_t address, bool create)
{
    size_t i = (size_t)(address / 4 * 0x9e3779b97f4a7c15ull >> 58);
    if (!places[i].times && create) /* addresses with the same number share a place */
        places[i].times = calloc(launch_blocks * MAX_WARPS, sizeof *places[i].times);
    if (!places[i].times && create)
        abort();
    return &places[i];
}

void shadow_strong(Warp *warp, uint64_t address, bool reads, bool writes, bool releases)
{
    Block *block = warp->block;
    if (releases)
        shadow_fence(warp, ALL_LANES);
    bool gives = writes && warp->has_fenced;
    Place *place = find_place(address, gives);
    if (!place->times)
        return;
    if (reads) {
        size_t count = launch_blocks * MAX_WARPS;
        if (!block->acquired)
            block->acquired = calloc(count, sizeof *block->acquired);
        if (!block->acquired)
            abort();
        for (size_t i = 0; i < count; i++)
            block->acquired[i] = later(block->acquired[i], place->times[i]);
    }
    if (!gives)
        return;
    uint32_t *mine =
        place->times + (size_t)(block->serial - block->launch->first_serial) * MAX_WARPS;
    for (int v = 0; v < MAX_WARPS; v++)
        mine[v] = later(mine[v], warp->fenced[v]);
}
