/* execute.c -- runs a launch: blocks one after the other (or all by turns, if they may wait for
 * each other), in a block the warps by turns, in a warp the lanes in step. Lanes that took
 * different ways are brought together again by always running those at the lowest instruction. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "ptx.h"

enum { TURN = 20000 }; /* instructions a warp runs before another gets a turn */

/* Small random numbers: splitmix64. */
uint32_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return (uint32_t)(z >> 32);
}

/* A clock of the machine's own: the number of instructions, which is the same each time. */
static _Thread_local uint64_t clock_steps;
uint64_t read_clock(void) { return clock_steps; }

/* ---------------------------------------------------------------- barriers */

static uint32_t alive_lanes(const Warp *warp) { return warp->exists & ~warp->exited; }

static bool warp_done(const Warp *warp) { return !alive_lanes(warp); }

static uint32_t barrier_result(const Inst *inst, const Barrier *barrier)
{
    if (inst->mode == BARRIER_POPC)
        return barrier->votes;
    bool holds = inst->mode == BARRIER_AND ? barrier->votes == barrier->voters : barrier->votes > 0;
    return holds ? ALL_LANES : 0;
}

static void leave_barrier(Block *block, Barrier *barrier)
{
    const Kernel *kernel = block->launch->kernel;
    shadow_barrier_leave(block, barrier);
    for (uint32_t w = 0; w < block->warp_count; w++) {
        Warp *warp = &block->warps[w];
        if (!(barrier->waiting >> w & 1))
            continue;
        for (int l = 0; l < LANES; l++) {
            if (!(warp->barred >> l & 1))
                continue;
            const Inst *inst = &kernel->code[warp->pc[l]];
            if (inst->mode == BARRIER_POPC)
                U32(inst->d)[l] = barrier_result(inst, barrier);
            else if (inst->mode > BARRIER_POPC)
                *U32(inst->d) =
                    (*U32(inst->d) & ~LANE(l)) | (barrier_result(inst, barrier) & LANE(l));
            warp->pc[l]++;
        }
        warp->barred = 0;
    }
    if (kernel->stat)
        kernel->stat->barriers++;
    *barrier = (Barrier){0};
}

/* Opens a barrier without a count of threads once every warp that still runs has come to it. */
static void check_barrier(Block *block, Barrier *barrier)
{
    if (!barrier->in_use)
        return;
    if (barrier->expected) {
        if (barrier->arrived >= barrier->expected)
            leave_barrier(block, barrier);
        return;
    }
    for (uint32_t w = 0; w < block->warp_count; w++)
        if (!warp_done(&block->warps[w]) && !(barrier->waiting >> w & 1))
            return;
    leave_barrier(block, barrier);
}

/* All lanes of the warp that still run are at the barrier. */
static void arrive_at_barrier(Warp *warp)
{
    Block *block = warp->block;
    int first = __builtin_ctz(warp->barred);
    uint32_t pc = warp->pc[first], lanes = warp->barred;
    const Inst *inst = &block->launch->kernel->code[pc];
    uint32_t index = U32(inst->a)[first];
    uint32_t expected = inst->b == NO_SLOT ? 0 : U32(inst->b)[first];

    warp->now_pc = pc;
    if (index >= MAX_BARRIERS) {
        report_lane(warp, first, REPORT_DIVERGENCE, "barrier %u, there are 16", index);
        index = 0;
    }
    Barrier *barrier = &block->barriers[index];
    if (expected % LANES || expected > (block->warp_count * LANES))
        report_lane(warp, first, REPORT_DIVERGENCE, "a barrier of %u threads in a block of %u",
                    expected, block->thread_count);
    if (barrier->in_use && !expected && !barrier->expected && barrier->pc != pc && inst->mode2)
        report_lane(warp, first, REPORT_DIVERGENCE,
                    "other warps wait at the barrier of line %u: not all take the same way",
                    block->launch->kernel->sites[barrier->pc].line);
    if (!barrier->in_use) {
        barrier->in_use = true;
        barrier->pc = pc;
    }
    if (expected)
        barrier->expected = expected;
    shadow_barrier_arrive(warp, barrier);
    barrier->arrived += LANES;
    if (inst->mode >= BARRIER_POPC) {
        barrier->votes += (uint32_t)__builtin_popcount(*U32(inst->c) & lanes);
        barrier->voters += (uint32_t)__builtin_popcount(lanes);
    }
    if (inst->mode == BARRIER_ARRIVE) {
        for (int l = 0; l < LANES; l++)
            warp->pc[l] += lanes >> l & 1;
        warp->barred = 0;
        block->clock++;
    } else {
        barrier->waiting |= LANE(warp->index);
    }
    check_barrier(block, barrier);
}

/* Some lanes of the warp have come to a barrier; pc is set. */
static void reach_barrier(Warp *warp, uint32_t pc, uint32_t lanes)
{
    const Kernel *kernel = warp->block->launch->kernel;
    for (int l = 0; l < LANES; l++)
        if (lanes >> l & 1)
            warp->pc[l] = pc;
    if (warp->barred && kernel->code[pc].mode2) {
        uint32_t other = warp->pc[__builtin_ctz(warp->barred)];
        warp->now_pc = pc;
        if (other != pc)
            report_lane(warp, __builtin_ctz(lanes), REPORT_DIVERGENCE,
                        "lanes 0x%x of the same warp wait at the barrier of line %u", warp->barred,
                        kernel->sites[other].line);
    }
    warp->barred |= lanes;
    warp->steps_at_wait = warp->steps;
    if (warp->barred == alive_lanes(warp))
        arrive_at_barrier(warp);
}

static void exit_lanes(Warp *warp, uint32_t lanes)
{
    Block *block = warp->block;
    finish_copies(warp, lanes, 0, true);
    warp->exited |= lanes;
    if (warp->barred && warp->barred == alive_lanes(warp)) {
        /* The others went past a barrier that these wait at. An early return is well known and
         * works; work behind the barrier is not. */
        int first = __builtin_ctz(warp->barred);
        warp->now_pc = warp->pc[first];
        if (warp->steps - warp->steps_at_wait > 3)
            report_lane(warp, first, REPORT_DIVERGENCE,
                        "lanes 0x%x ran to the end of the kernel without this barrier", lanes);
        arrive_at_barrier(warp);
    }
    if (warp_done(warp))
        for (int i = 0; i < MAX_BARRIERS; i++)
            check_barrier(block, &block->barriers[i]);
}

/* ---------------------------------------------------------------- one warp */

static void set_pc(Warp *warp, uint32_t lanes, uint32_t pc)
{
    for (int l = 0; l < LANES; l++)
        if (lanes >> l & 1)
            warp->pc[l] = pc;
}

/* The lanes to run next: those at the lowest pc. limit: where the next of the others are. */
static bool pick_lanes(const Warp *warp, uint32_t *pc, uint32_t *lanes, uint32_t *limit)
{
    uint32_t runnable = alive_lanes(warp) & ~(warp->waiting | warp->barred);
    *pc = *limit = UINT32_MAX;
    *lanes = 0;
    for (uint32_t left = runnable; left; left &= left - 1) {
        uint32_t l = (uint32_t)__builtin_ctz(left), at = warp->pc[l];
        if (at < *pc) {
            *limit = *pc;
            *pc = at;
            *lanes = LANE(l);
        } else if (at == *pc) {
            *lanes |= LANE(l);
        } else if (at < *limit) {
            *limit = at;
        }
    }
    return runnable != 0;
}

/* An instruction that the lanes of a mask execute together: runs it if all are there, else makes
 * these wait. Sets the pcs of all lanes concerned. */
static void run_collective(Warp *warp, const Inst *inst, uint32_t pc, uint32_t lanes)
{
    uint32_t need = collective_mask(warp, inst, lanes);
    uint32_t together = lanes;

    set_pc(warp, lanes, pc);
    for (uint32_t left = warp->waiting; left; left &= left - 1) {
        uint32_t l = (uint32_t)__builtin_ctz(left);
        if (warp->pc[l] == pc && collective_mask(warp, inst, LANE(l)) == need)
            together |= LANE(l);
    }
    if (together & ~need)
        report_lane(warp, __builtin_ctz(together & ~need), REPORT_DIVERGENCE,
                    "a lane that is not in its own mask 0x%x", need);
    if (need & warp->exited)
        report_lane(warp, __builtin_ctz(lanes), REPORT_DIVERGENCE,
                    "lanes 0x%x of the mask have ended", need & warp->exited);
    if (need & alive_lanes(warp) & ~together) {
        warp->waiting |= lanes;
        return;
    }
    warp->waiting &= ~together;
    inst->run(warp, inst, together);
    set_pc(warp, together, pc + 1);
}

static void report_trap(Warp *warp, uint32_t lanes)
{
    report_lane(warp, __builtin_ctz(lanes), REPORT_TRAP, "trap");
    warp->block->launch->failed = true;
}

/* A switch or a return: lanes may go to different places. */
static void scatter(Warp *warp, const Inst *inst, uint32_t pc, uint32_t lanes)
{
    for (int l = 0; l < LANES; l++) {
        if (!(lanes >> l & 1))
            continue;
        uint32_t value = U32(inst->a)[l];
        if (inst->kind == KIND_RETURN) {
            warp->pc[l] = value;
        } else if (value < inst->list_count) {
            warp->pc[l] = inst->list[value];
        } else {
            report_lane(warp, l, REPORT_BOUNDS, "brx.idx with index %u of %u", value,
                        inst->list_count);
            warp->pc[l] = pc + 1;
        }
    }
}

/* An instruction that is more than a handler. All lanes' pcs are set afterwards. */
static void run_control(Warp *warp, const Inst *inst, uint32_t pc, uint32_t lanes, uint32_t others)
{
    set_pc(warp, others, pc + 1);
    if (!lanes)
        return;
    switch (inst->kind) {
    case KIND_BRANCH:
        set_pc(warp, lanes, inst->target);
        break;
    case KIND_CALL:
        for (int l = 0; l < LANES; l++)
            if (lanes >> l & 1)
                U32(inst->d)[l] = pc + 1;
        set_pc(warp, lanes, inst->target);
        break;
    case KIND_SWITCH:
    case KIND_RETURN:
        scatter(warp, inst, pc, lanes);
        break;
    case KIND_EXIT:
        set_pc(warp, lanes, pc);
        exit_lanes(warp, lanes);
        break;
    case KIND_BARRIER:
        reach_barrier(warp, pc, lanes);
        break;
    case KIND_COLLECTIVE:
        run_collective(warp, inst, pc, lanes);
        break;
    default:
        report_trap(warp, lanes);
        break;
    }
}

static void count_step(KernelStat *stat, uint32_t pc, uint32_t lanes)
{
    stat->executed[pc]++;
    stat->lanes[pc] += (uint64_t)__builtin_popcount(lanes);
}

/* Runs the lanes from pc on until they part, wait, or meet others at limit. Sets their pcs. */
static void run_lanes(Warp *warp, uint32_t pc, uint32_t lanes, uint32_t limit, uint64_t last_step)
{
    const Launch *launch = warp->block->launch;
    const Inst *code = launch->kernel->code;
    KernelStat *stat = launch->kernel->stat;

    while (pc < limit && warp->steps < last_step) {
        const Inst *inst = &code[pc];
        uint32_t active = lanes;
        warp->steps++;
        if (inst->guard != NO_SLOT) {
            uint32_t p = *U32(inst->guard);
            active &= inst->guard_not ? ~p : p;
        }
        warp->now_pc = pc;
        if (stat)
            count_step(stat, pc, active);
        if (inst->kind == KIND_PLAIN) {
            if (active)
                inst->run(warp, inst, active);
            pc++;
        } else if (inst->kind == KIND_BRANCH && active == lanes) {
            pc = inst->target;
        } else if (inst->kind == KIND_BRANCH && !active) {
            pc++;
        } else if (inst->kind == KIND_COLLECTIVE && active == lanes && !warp->waiting &&
                   collective_mask(warp, inst, lanes) == lanes) {
            inst->run(warp, inst, lanes);
            pc++;
        } else {
            run_control(warp, inst, pc, active, lanes & ~active);
            return;
        }
    }
    set_pc(warp, lanes, pc);
}

/* A turn of a warp. False if none of its lanes could run. */
static bool run_warp(Warp *warp, uint64_t turn)
{
    Launch *launch = warp->block->launch;
    uint64_t last_step = warp->steps + turn;
    uint32_t pc, lanes, limit;
    bool ran = false;

    while (!launch->failed && warp->steps < last_step && pick_lanes(warp, &pc, &lanes, &limit)) {
        run_lanes(warp, pc, lanes, limit, last_step);
        ran = true;
    }
    clock_steps += turn;
    if (warp->steps > launch->budget) {
        report_lane(warp, 0, REPORT_DEADLOCK, "a warp runs for more than %llu instructions",
                    (unsigned long long)launch->budget);
        launch->failed = true;
    }
    return ran;
}

/* ---------------------------------------------------------------- one block */

/* What the stuck lanes of a warp wait for. */
static void report_stuck_warp(Warp *warp)
{
    const Kernel *kernel = warp->block->launch->kernel;
    uint32_t stuck = warp->waiting ? warp->waiting : warp->barred;
    int first = __builtin_ctz(stuck);
    const Inst *inst = &kernel->code[warp->pc[first]];

    warp->now_pc = warp->pc[first];
    if (inst->kind == KIND_COLLECTIVE) {
        uint32_t missing = collective_mask(warp, inst, LANE(first)) & warp->exists & ~stuck;
        report_lane(warp, first, REPORT_DEADLOCK,
                    "lanes 0x%x wait for lanes 0x%x of the mask, of which 0x%x have ended", stuck,
                    missing, missing & warp->exited);
    } else {
        report_lane(warp, first, REPORT_DEADLOCK, "lanes 0x%x of warp %u wait for ever", stuck,
                    warp->index);
    }
}

static void report_stuck(Block *block)
{
    for (uint32_t w = 0; w < block->warp_count; w++) {
        Warp *warp = &block->warps[w];
        if (!warp_done(warp) && (warp->waiting | warp->barred))
            report_stuck_warp(warp);
    }
    block->launch->failed = true;
}

/* One turn for each warp. False once the block can do no more. */
static bool step_block(Block *block)
{
    Launch *launch = block->launch;
    bool ran = false, done = true;
    uint32_t start = 0;

    if (settings.order)
        start = next_random(&launch->random) % block->warp_count;
    for (uint32_t i = 0; i < block->warp_count && !launch->failed; i++) {
        Warp *warp = &block->warps[(start + i) % block->warp_count];
        uint64_t turn = settings.order ? 1 + next_random(&launch->random) % 300 : TURN;
        if (!warp_done(warp))
            ran |= run_warp(warp, turn);
    }
    for (uint32_t w = 0; w < block->warp_count; w++)
        done &= warp_done(&block->warps[w]);
    if (!done && !ran && !launch->failed)
        report_stuck(block);
    block->done = done || launch->failed;
    return !block->done;
}

static void set_lanes(Warp *warp, uint32_t slot, unsigned bytes, uint64_t value)
{
    for (int l = 0; l < LANES; l++) {
        if (bytes == 8)
            U64(slot)[l] = value;
        else
            U32(slot)[l] = (uint32_t)value;
    }
}

static uint32_t special_value(const Warp *warp, int which, uint32_t l)
{
    const Block *block = warp->block;
    const Launch *launch = block->launch;
    const uint32_t *size = launch->size, *grid = launch->grid;
    uint32_t thread = warp->index * LANES + l, bit = LANE(l);

    switch (which) {
    case SPECIAL_TID_X:
        return thread % size[0];
    case SPECIAL_TID_Y:
        return thread / size[0] % size[1];
    case SPECIAL_TID_Z:
        return thread / size[0] / size[1];
    case SPECIAL_NTID_X:
    case SPECIAL_NTID_Y:
    case SPECIAL_NTID_Z:
        return size[which - SPECIAL_NTID_X];
    case SPECIAL_CTAID_X:
        return block->x;
    case SPECIAL_CTAID_Y:
        return block->y;
    case SPECIAL_CTAID_Z:
        return block->z;
    case SPECIAL_NCTAID_X:
    case SPECIAL_NCTAID_Y:
    case SPECIAL_NCTAID_Z:
        return grid[which - SPECIAL_NCTAID_X];
    case SPECIAL_LANEID:
        return l;
    case SPECIAL_WARPID:
        return warp->index;
    case SPECIAL_NWARPID:
        return block->warp_count;
    case SPECIAL_NSMID:
        return 1;
    case SPECIAL_LANEMASK_EQ:
        return bit;
    case SPECIAL_LANEMASK_LT:
        return bit - 1;
    case SPECIAL_LANEMASK_LE:
        return bit | (bit - 1);
    case SPECIAL_LANEMASK_GT:
        return ~(bit | (bit - 1));
    case SPECIAL_LANEMASK_GE:
        return ~(bit - 1);
    case SPECIAL_DYNAMIC_SMEM:
        return launch->dynamic_shared;
    case SPECIAL_TOTAL_SMEM:
        return launch->kernel->static_shared + launch->dynamic_shared;
    case SPECIAL_ENVREG1:
        return (uint32_t)(launch->workspace >> 32);
    case SPECIAL_ENVREG2:
        return (uint32_t)launch->workspace;
    default:
        return 0;
    }
}

/* Once for a launch: registers that never change. */
static void fill_constants(Warp *warp, const Kernel *kernel)
{
    for (size_t i = 0; i < kernel->constant_count; i++) {
        const Constant *constant = &kernel->constants[i];
        if (constant->bytes == 1)
            *U32(constant->slot) = (uint32_t)constant->value;
        else
            set_lanes(warp, constant->slot, constant->bytes, constant->value);
    }
}

static void start_warp(Warp *warp, const Kernel *kernel)
{
    const Block *block = warp->block;
    uint32_t threads = block->thread_count - warp->index * LANES;

    warp->exists = threads >= LANES ? ALL_LANES : LANE(threads) - 1;
    warp->exited = warp->waiting = warp->barred = 0;
    warp->steps = warp->steps_at_wait = 0;
    warp->synchronised = warp->seen_by_all = warp->ordered = warp->carry = 0;
    warp->has_fenced = false;
    warp->copy_count = 0;
    memset(warp->pc, 0, sizeof warp->pc);
    memset(warp->seen, 0, sizeof warp->seen);
    memset(warp->fenced, 0, sizeof warp->fenced);
    memset(warp->committed, 0, sizeof warp->committed);
    free(warp->lane_seen);
    warp->lane_seen = NULL;
    if (kernel->local_bytes) {
        memset(warp->local, 0xff, (size_t)kernel->local_bytes * LANES);
        memset(warp->local_written, 0, (size_t)kernel->local_bytes * LANES);
    }
    for (size_t i = 0; i < kernel->special_count; i++) {
        const Special *special = &kernel->specials[i];
        for (uint32_t l = 0; l < LANES; l++)
            if (special->which == SPECIAL_GRIDID)
                U64(special->slot)[l] = 1;
            else
                U32(special->slot)[l] = special_value(warp, special->which, l);
    }
}

static void start_block(Block *block, uint64_t index)
{
    Launch *launch = block->launch;
    const Kernel *kernel = launch->kernel;

    block->serial = launch->first_serial + (uint32_t)index;
    block->x = (uint32_t)(index % launch->grid[0]);
    block->y = (uint32_t)(index / launch->grid[0] % launch->grid[1]);
    block->z = (uint32_t)(index / launch->grid[0] / launch->grid[1]);
    block->clock = 1;
    block->done = false;
    free(block->acquired);
    block->acquired = NULL;
    memset(block->barriers, 0, sizeof block->barriers);
    memset(block->shared, 0xff, block->shared_bytes);
    if (block->cells)
        memset(block->cells, 0, (block->shared_bytes / 4 + 1) * sizeof *block->cells);
    for (uint32_t w = 0; w < block->warp_count; w++)
        start_warp(&block->warps[w], kernel);
}

static void *need(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static void *aligned_memory(size_t len)
{
    void *result = NULL;
    if (posix_memalign(&result, 64, len ? len : 64))
        abort();
    return result;
}

static void make_block(Block *block, Launch *launch)
{
    const Kernel *kernel = launch->kernel;
    *block = (Block){.launch = launch};
    block->thread_count = launch->size[0] * launch->size[1] * launch->size[2];
    block->warp_count = (block->thread_count + LANES - 1) / LANES;
    block->shared_bytes = kernel->shared_room + launch->dynamic_shared;
    block->shared = aligned_memory(block->shared_bytes + 64);
    if (settings.check)
        block->cells = need(calloc(block->shared_bytes / 4 + 1, sizeof *block->cells));
    block->warps = need(calloc(block->warp_count, sizeof *block->warps));
    for (uint32_t w = 0; w < block->warp_count; w++) {
        Warp *warp = &block->warps[w];
        warp->block = block;
        warp->index = w;
        warp->registers = aligned_memory(kernel->register_bytes);
        memset(warp->registers, 0xff, kernel->register_bytes);
        fill_constants(warp, kernel);
        if (kernel->local_bytes) {
            warp->local = aligned_memory((size_t)kernel->local_bytes * LANES);
            warp->local_written = aligned_memory((size_t)kernel->local_bytes * LANES);
        }
    }
}

static void drop_block(Block *block)
{
    for (uint32_t w = 0; w < block->warp_count; w++) {
        Warp *warp = &block->warps[w];
        free(warp->registers);
        free(warp->local);
        free(warp->local_written);
        free(warp->copies);
        free(warp->lane_seen);
    }
    free(block->warps);
    free(block->shared);
    free(block->cells);
    free(block->acquired);
}

/* ---------------------------------------------------------------- a launch */

static uint64_t block_count(const Launch *launch)
{
    return (uint64_t)launch->grid[0] * launch->grid[1] * launch->grid[2];
}

/* Zeros that the blocks of a cooperative launch share: the grid barrier of the toolkit's headers.
 */
static uint64_t grid_workspace(void)
{
    enum { BYTES = 4096 };
    static uint64_t workspace;
    if (!workspace) {
        workspace = arena_alloc(BYTES, 512);
        if (workspace && settings.check)
            shadow_mark_written(arena_cell(workspace), 0, BYTES);
    }
    if (workspace)
        memset(arena_host(workspace), 0, BYTES);
    return workspace;
}

/* All blocks live at once and get turns: they may wait for each other. */
static void run_together(Launch *launch)
{
    uint64_t count = block_count(launch), running = count;
    Block *blocks = need(calloc(count, sizeof *blocks));
    launch->workspace = grid_workspace();
    for (uint64_t i = 0; i < count; i++) {
        make_block(&blocks[i], launch);
        start_block(&blocks[i], i);
    }
    while (running && !launch->failed)
        for (uint64_t i = 0; i < count && !launch->failed; i++)
            if (!blocks[i].done && !step_block(&blocks[i]))
                running--;
    for (uint64_t i = 0; i < count; i++)
        drop_block(&blocks[i]);
    free(blocks);
}

static uint64_t *shuffled_blocks(Launch *launch, uint64_t count)
{
    uint64_t *order = need(malloc(count * sizeof *order));
    for (uint64_t i = 0; i < count; i++) {
        uint64_t k = next_random(&launch->random) % (i + 1);
        order[i] = order[k];
        order[k] = i;
    }
    return order;
}

static void run_in_turn(Launch *launch)
{
    uint64_t count = block_count(launch);
    uint64_t *order = settings.order ? shuffled_blocks(launch, count) : NULL;
    Block block;
    make_block(&block, launch);
    for (uint64_t i = 0; i < count && !launch->failed; i++) {
        start_block(&block, order ? order[i] : i);
        while (step_block(&block))
            continue;
    }
    drop_block(&block);
    free(order);
}

typedef struct {
    Launch *launch;
    atomic_ullong *next;
} Worker;

static void *work(void *argument)
{
    const Worker *worker = argument;
    Launch launch = *worker->launch; /* `failed` is the worker's own */
    uint64_t count = block_count(&launch), i;
    Block block;
    make_block(&block, &launch);
    while (!launch.failed && (i = atomic_fetch_add(worker->next, 1)) < count) {
        start_block(&block, i);
        while (step_block(&block))
            continue;
    }
    drop_block(&block);
    return NULL;
}

/* Without checks only: the shadow memory knows one thread. */
static void run_parallel(Launch *launch)
{
    pthread_t threads[64];
    atomic_ullong next = 0;
    Worker worker = {launch, &next};
    int started = 0;
    while (started < settings.threads - 1 && started < 63 &&
           !pthread_create(&threads[started], NULL, work, &worker))
        started++;
    work(&worker);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

bool run_launch(Launch *launch)
{
    Kernel *kernel = launch->kernel;
    launch->budget = settings.budget;
    launch->random = settings.order;
    if (settings.stat)
        stat_start(kernel);
    if (!kernel->ranges)
        kernel->ranges = module_alloc(kernel->module, kernel->code_count * sizeof *kernel->ranges);
    memset(kernel->ranges, 0, kernel->code_count * sizeof *kernel->ranges);
    shadow_start_launch(launch);
    if (launch->cooperative)
        run_together(launch);
    else if (settings.threads > 1 && !settings.check && !settings.stat)
        run_parallel(launch);
    else
        run_in_turn(launch);
    shadow_end_launch();
    return !launch->failed;
}
