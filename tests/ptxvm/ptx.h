/* ptx.h -- the PTX virtual machine: the map of its parts.
 *
 * PTX text (module.c, parse.c) becomes an array of decoded instructions for each kernel (decode.c),
 * which run over 32 lanes at a time (execute.c; handlers in arith.c, convert.c, memory.c,
 * collective.c). Device memory is one reserved range of addresses that the host cannot touch
 * (arena.c); shadow.c remembers who used each word of it, report.c says what was wrong. driver.c
 * and stream.c are the CUDA Driver API on top. */
#ifndef PTX_H
#define PTX_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    LANES = 32,
    MAX_WARPS = 32,    /* of a block */
    MAX_BARRIERS = 16, /* of a block */
    MAX_OPERANDS = 12, /* of an instruction */
    MAX_VECTOR = 8,    /* registers in braces */
};
#define NO_SLOT UINT32_MAX   /* an operand that is not there */
#define ALL_LANES UINT32_MAX /* a mask */

/* Generic addresses: windows that no host pointer and no global address can lie in. */
#define SHARED_WINDOW (1ull << 56)
#define LOCAL_WINDOW (2ull << 56)
#define PARAM_WINDOW (3ull << 56)
#define WINDOW_MASK (0xffull << 56)

typedef enum {
    TYPE_NONE,
    TYPE_PRED,
    TYPE_B8,
    TYPE_U8,
    TYPE_S8,
    TYPE_B16,
    TYPE_U16,
    TYPE_S16,
    TYPE_F16,
    TYPE_BF16,
    TYPE_B32,
    TYPE_U32,
    TYPE_S32,
    TYPE_F32,
    TYPE_F16X2,
    TYPE_BF16X2,
    TYPE_TF32,
    TYPE_B64,
    TYPE_U64,
    TYPE_S64,
    TYPE_F64,
    TYPE_B128
} Type;

typedef enum {
    SPACE_GENERIC,
    SPACE_GLOBAL, /* .const too: constant banks lie among the global variables */
    SPACE_SHARED,
    SPACE_LOCAL,
    SPACE_PARAM
} Space;

/* What the loop over instructions has to know; all else is in the handler. */
typedef enum {
    KIND_PLAIN,      /* a handler, then the next instruction */
    KIND_COLLECTIVE, /* a handler once all lanes of the mask have arrived */
    KIND_BARRIER,
    KIND_BRANCH,
    KIND_SWITCH,
    KIND_CALL,
    KIND_RETURN, /* from a function, or the end of a kernel */
    KIND_EXIT,
    KIND_TRAP
} Kind;

typedef struct Warp Warp;
typedef struct Inst Inst;
typedef struct Block Block;
typedef struct Launch Launch;
typedef struct Module Module;
typedef struct Function Function;
typedef struct Kernel Kernel;
typedef struct Symbol Symbol;

/* Executes one instruction for the lanes of `mask` (not empty). */
typedef void Handler(Warp *warp, const Inst *inst, uint32_t mask);
/* Bit l of the result: does the relation hold between a and b in lane l. */
typedef uint32_t Compare(const void *a, const void *b);

/* One decoded instruction. d, a, b, c, guard and the list are offsets in bytes into a warp's
 * registers; a lane's value is 4 bytes wide (8, 16, 32 bits) or 8 bytes wide (64 bits). A predicate
 * is one 32-bit word, bit l for lane l. Immediate operands are registers that nothing writes. */
struct Inst {
    Handler *run;
    uint32_t d, a, b, c;
    uint32_t guard;
    uint32_t target;   /* of a branch; of a call: index in functions, later the callee's first pc */
    int64_t immediate; /* offset of an address; table of lop3; ... */
    const uint32_t *list; /* registers of a vector, of a fragment, of a switch's targets */
    Handler *inner;       /* behind a wrapper for rounding, saturation or flush to zero */
    Compare *compare;
    uint8_t kind, guard_not, space, bytes; /* bytes of one element in memory */
    uint8_t count;                         /* elements of the vector; targets of a switch */
    uint8_t wide;                          /* bit i: register i of (d, a, b, c) has 8-byte lanes */
    uint8_t round, flags, mode, mode2;
    uint8_t type, type2;
    uint8_t list_count;
};

enum { /* Inst.flags */
       FLAG_FTZ = 1,
       FLAG_SAT = 2,
       FLAG_SIGNED = 4,    /* sign extension on load */
       FLAG_STRONG = 8,    /* volatile, relaxed, acquire, release: no race with its like */
       FLAG_CONSTANT = 16, /* .nc: memory that the kernel must not write */
       FLAG_RELEASE = 32,  /* a fence comes with it */
       FLAG_RELU = 64
};

enum { /* Inst.mode of atomics */
       ATOM_ADD,
       ATOM_MIN,
       ATOM_MAX,
       ATOM_AND,
       ATOM_OR,
       ATOM_XOR,
       ATOM_EXCH,
       ATOM_CAS,
       ATOM_INC,
       ATOM_DEC
};

enum { SHUFFLE_UP, SHUFFLE_DOWN, SHUFFLE_BFLY, SHUFFLE_IDX };
enum { VOTE_ALL, VOTE_ANY, VOTE_UNI, VOTE_BALLOT };
enum { BARRIER_SYNC, BARRIER_ARRIVE, BARRIER_POPC, BARRIER_AND, BARRIER_OR };
enum { COMBINE_NONE, COMBINE_AND, COMBINE_OR, COMBINE_XOR };

enum { ROUND_NEAREST, ROUND_ZERO, ROUND_DOWN, ROUND_UP, ROUND_AWAY };

/* Where an instruction stands in the text. */
typedef struct {
    uint32_t line, at, len;
} Site;

typedef enum { SYMBOL_REGISTER, SYMBOL_VARIABLE, SYMBOL_PARAM, SYMBOL_FUNCTION } SymbolKind;

struct Symbol {
    SymbolKind kind;
    char *name;
    size_t name_len;
    Type type;
    /* registers: `count` of them named NAME0, NAME1, ... (or one named NAME if count is 0) */
    uint32_t count;
    uint32_t *slots; /* NO_SLOT until first used */
    /* variables and parameters */
    Space space;
    uint64_t bytes, align;
    uint64_t address; /* global: device address; param: offset; local: offset in the frame */
    bool dynamic;     /* extern shared */
    int index;        /* of a shared variable in the module */
    Function *function;
    int depth; /* of the scope */
    Symbol *next;
};

typedef struct {
    uint32_t slot;
    uint8_t bytes; /* of a lane: 4, 8; 1: a predicate */
    uint64_t value;
    const Symbol *symbol; /* add its address, known when the kernel is linked */
} Constant;

typedef struct {
    uint32_t slot;
    int which; /* SPECIAL_... */
} Special;

enum {
    SPECIAL_TID_X,
    SPECIAL_TID_Y,
    SPECIAL_TID_Z,
    SPECIAL_NTID_X,
    SPECIAL_NTID_Y,
    SPECIAL_NTID_Z,
    SPECIAL_CTAID_X,
    SPECIAL_CTAID_Y,
    SPECIAL_CTAID_Z,
    SPECIAL_NCTAID_X,
    SPECIAL_NCTAID_Y,
    SPECIAL_NCTAID_Z,
    SPECIAL_LANEID,
    SPECIAL_WARPID,
    SPECIAL_NWARPID,
    SPECIAL_SMID,
    SPECIAL_NSMID,
    SPECIAL_GRIDID,
    SPECIAL_LANEMASK_EQ,
    SPECIAL_LANEMASK_LT,
    SPECIAL_LANEMASK_LE,
    SPECIAL_LANEMASK_GT,
    SPECIAL_LANEMASK_GE,
    SPECIAL_DYNAMIC_SMEM,
    SPECIAL_TOTAL_SMEM,
    SPECIAL_ENVREG1, /* address of the workspace of a cooperative launch, upper and lower half */
    SPECIAL_ENVREG2,
    SPECIAL_CLOCK, /* from here on: read when executed */
    SPECIAL_CLOCK64,
    SPECIAL_GLOBALTIMER,
    SPECIAL_COUNT
};

/* A growing array; items are never moved while pointers to them are kept (see module.c). */
#define ARRAY(T)            \
    struct {                \
        T *items;           \
        size_t count, room; \
    }

/* One .entry or .func as parsed: offsets count from 0. */
struct Function {
    char *name;
    Module *module;
    bool entry, defined;
    uint32_t index;
    ARRAY(Inst) code;
    ARRAY(Site) sites;
    ARRAY(Constant) constants;
    ARRAY(Special) specials;
    ARRAY(Function *) callees;
    uint32_t register_bytes;
    uint32_t return_slot;    /* of a .func: where each lane's return pc is */
    ARRAY(Symbol *) formals; /* parameters, in order */
    ARRAY(Symbol *) results; /* return values */
    uint64_t param_bytes;    /* of an entry */
    uint64_t local_bytes;    /* frame, alignment 16 */
    bool *shared_used;       /* by index of the shared variable */
    bool dynamic_used;
    uint32_t max_threads, required_threads, max_registers;
    Kernel *kernel;
};

typedef struct Range {
    uint64_t start, end;
} Range;

/* An entry with all it calls: what a launch needs. */
struct Kernel {
    const char *name;
    Module *module;
    Function *function;
    Inst *code;
    Site *sites;
    uint32_t code_count;
    Constant *constants;
    size_t constant_count;
    Special *specials;
    size_t special_count;
    uint32_t register_bytes; /* of a warp */
    uint32_t static_shared, param_bytes, local_bytes;
    uint32_t shared_room;   /* with gaps between the variables */
    uint32_t dynamic_start; /* of dynamic shared memory, in what a block has */
    Range *shared_ranges;   /* of the variables */
    size_t shared_count;
    uint32_t *param_offsets, *param_sizes;
    size_t param_count;
    int max_dynamic_shared; /* opted in */
    Range *ranges;          /* by instruction: the allocation that it used last */
    uint8_t *reported;      /* kinds of reports already made for an instruction */
    struct KernelStat *stat;
    Kernel *next;
};

struct Module {
    char *text;
    int version;       /* of the PTX: 10 * major + minor */
    int target;        /* 80 for sm_80 */
    bool target_exact; /* sm_90a */
    ARRAY(Function *) functions;
    ARRAY(Symbol *) variables; /* global, constant */
    ARRAY(Symbol *) shared;
    ARRAY(Kernel *) kernels;
    struct Chunk *chunks; /* all memory of the module */
};

/* ---------------------------------------------------------------- execution */

/* A copy of cp.async that has not arrived. */
typedef struct {
    uint64_t source;
    uint32_t target; /* offset in shared memory */
    uint32_t group;
    uint8_t lane, bytes, filled; /* bytes: of the target; filled: of them from the source */
} AsyncCopy;

struct Warp {
    unsigned char *registers;
    Block *block;
    unsigned char *local;   /* LANES frames of kernel->local_bytes */
    uint8_t *local_written; /* a byte for each byte of local */
    uint32_t index;
    uint32_t pc[LANES];
    uint32_t exists, exited, waiting, barred; /* masks of lanes */
    uint32_t now_pc;                          /* of the running instruction */
    uint64_t steps;                           /* instructions executed */
    uint64_t steps_at_wait; /* when the others of the warp began to wait at a barrier */
    int barrier;            /* at which the barred lanes wait */
    uint32_t carry;         /* bit l: carry flag of lane l */
    /* what is known to have happened before (shadow.c) */
    uint32_t seen[MAX_WARPS];   /* accesses of warp v up to this time */
    uint32_t seen_by_all;       /* the least of them, own warp aside */
    uint32_t ordered;           /* accesses of anybody in the block up to this time */
    uint32_t synchronised;      /* accesses of this warp's own lanes up to this time */
    uint32_t fenced[MAX_WARPS]; /* seen[] at the last fence */
    bool has_fenced;
    uint32_t (*lane_seen)[LANES]; /* after barriers of a part of the warp only, else NULL */
    /* copies in flight */
    AsyncCopy *copies;
    size_t copy_count, copy_room;
    uint32_t committed[LANES];
};

typedef struct {
    uint32_t arrived; /* threads */
    uint32_t waiting; /* warps */
    uint32_t joined[MAX_WARPS];
    uint32_t fenced[MAX_WARPS]; /* of those that arrived, together */
    bool has_fenced;
    uint32_t pc;       /* of the first that came */
    uint32_t expected; /* threads, if the instruction says */
    bool in_use;
    uint32_t votes, voters; /* of bar.red */
} Barrier;

struct Block {
    Launch *launch;
    uint32_t serial; /* over all launches */
    uint32_t x, y, z;
    uint32_t clock; /* time of this block; ticks at each synchronisation */
    uint32_t warp_count, thread_count;
    Warp *warps;
    Barrier barriers[MAX_BARRIERS];
    unsigned char *shared;
    struct Cell *cells; /* of shared */
    uint32_t shared_bytes;
    uint32_t *acquired; /* by block and warp: what is known of other blocks (shadow.c), or NULL */
    bool done;
};

struct Launch {
    Kernel *kernel;
    const unsigned char *params;
    uint32_t grid[3], size[3];
    uint32_t dynamic_shared;
    uint32_t first_serial; /* blocks of earlier launches have lower ones */
    bool cooperative;
    bool failed;     /* stop */
    uint64_t budget; /* instructions a warp may execute */
    uint64_t random;
    uint64_t workspace; /* of a cooperative launch */
};

/* registers of a warp */
#define U32(offset) ((uint32_t *)(void *)(warp->registers + (offset)))
#define S32(offset) ((int32_t *)(void *)(warp->registers + (offset)))
#define F32(offset) ((float *)(void *)(warp->registers + (offset)))
#define U64(offset) ((uint64_t *)(void *)(warp->registers + (offset)))
#define F64(offset) ((double *)(void *)(warp->registers + (offset)))
#define LANE(l) ((uint32_t)1 << (l))

/* ---------------------------------------------------------------- report.c */

typedef enum {
    REPORT_RACE,
    REPORT_BOUNDS,
    REPORT_FREED,
    REPORT_UNINITIALISED,
    REPORT_MISALIGNED,
    REPORT_DIVERGENCE,
    REPORT_DEADLOCK,
    REPORT_SHUFFLE,
    REPORT_ASYNC,
    REPORT_HOST,
    REPORT_TRAP,
    REPORT_CONSTANT,
    REPORT_KINDS
} ReportKind;

/* One line about the running instruction of `warp`, lane `lane`; at most once for each kind and
 * instruction of a kernel. Marks the launch as failed unless PTXVM_KEEP_GOING is set. */
void report_lane(Warp *warp, int lane, ReportKind kind, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same where no kernel runs. */
void report_host(ReportKind kind, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line that is not a fault of the program: a module that cannot be loaded, a wrong variable. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Did a report make the context unusable? */
bool report_failed(void);
void report_forget_failure(void);
int ptxvm_reports(void);

/* ---------------------------------------------------------------- settings (driver.c) */

typedef struct {
    int arch; /* 80 for compute capability 8.0 */
    bool check, keep_going;
    uint64_t memory; /* bytes of the device */
    uint64_t order;  /* seed of the order of blocks and warps, 0: in order */
    int threads;     /* that run blocks, without checks */
    int driver;      /* version it pretends to be, 13000 */
    uint64_t budget; /* instructions a warp may execute */
    const char *log, *stat;
} Settings;
extern Settings settings;
uint32_t next_random(uint64_t *state);

/* ---------------------------------------------------------------- module.c, parse.c, decode.c */

/* Parses `text` (ended by 0). NULL and a line in `message` if it is no PTX that the machine knows.
 */
Module *module_load(const char *text, char *message, size_t message_len);
void module_free(Module *module);
Kernel *module_kernel(Module *module, const char *name);
const Symbol *module_variable(Module *module, const char *name);
void *module_alloc(Module *module, size_t len);
void *module_grow(Module *module, void *items, size_t count, size_t *room, size_t item_len);
#define PUSH(module, array)                                                                       \
    ((array).items =                                                                              \
         module_grow(module, (array).items, (array).count, &(array).room, sizeof *(array).items), \
     &(array).items[(array).count++])

typedef enum {
    OPERAND_REGISTER,
    OPERAND_IMMEDIATE,
    OPERAND_SPECIAL,
    OPERAND_VECTOR,
    OPERAND_ADDRESS,
    OPERAND_VARIABLE, /* its address */
    OPERAND_NAME,     /* a label, a function */
    OPERAND_LIST,     /* in parentheses */
    OPERAND_SINK      /* _ */
} OperandKind;

typedef struct Operand Operand;
struct Operand {
    OperandKind kind;
    Type type;      /* of a register */
    uint32_t slot;  /* of a register or of an address's base (NO_SLOT: none) */
    uint32_t pair;  /* second register of p|q, else NO_SLOT */
    bool base_wide; /* the address's base has 64 bits */
    bool negated;   /* !p */
    bool is_float;  /* 0f..., 0d... */
    uint64_t value; /* immediate; offset of an address */
    const Symbol *symbol;
    const char *name;
    size_t name_len;
    int special;
    uint32_t count; /* of a vector or a list */
    Operand *items;
};

/* A statement before it is decoded. */
typedef struct {
    const char *parts[24]; /* of the opcode: "ld", "global", "v4", "f32"; each ended by 0 */
    int part_count;
    Operand operands[MAX_OPERANDS];
    int operand_count;
    uint32_t guard;
    bool guard_not;
} Statement;

typedef struct Parser Parser;
void parse_error(Parser *parser, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));
/* Adds the instruction to the function being parsed. */
void decode_statement(Parser *parser, Statement *statement);
Module *parser_module(Parser *parser);
Function *parser_function(Parser *parser);
/* A register of `bytes` a lane (1: a predicate) that always holds value (+ address of symbol). */
uint32_t constant_slot(Parser *parser, unsigned bytes, uint64_t value, const Symbol *symbol);
uint32_t new_slot(Function *function, unsigned bytes);
/* An operand as a register: itself, or a constant of that width. */
uint32_t operand_slot(Parser *parser, const Operand *operand, unsigned bytes);
/* Remembers that the instruction being added jumps to a label. */
void branch_to(Parser *parser, const Operand *label);
void switch_to(Parser *parser, const Operand *table, Inst *inst);
Site parser_site(const Parser *parser);
Function *find_function(Parser *parser, const char *name, size_t name_len);
unsigned type_bytes(Type type);
unsigned lane_bytes(Type type); /* in a register: 4, 8, 16; 1 for a predicate */
bool type_is_signed(Type type);
Type type_named(const char *name);

/* A row of a table of instructions: the opcode without what is only a modifier, its handler and the
 * widths of its operands in registers ('4', '8', 'p': a predicate). */
typedef struct {
    const char *key;
    Handler *run;
    const char *widths;
} Row;
extern const Row arith_rows[];
Compare *find_compare(const char *relation, Type type);
Handler run_compare, run_set, run_lop3, run_logic_pred, run_pack, run_unpack, run_read_clock,
    run_wrapped, run_nothing;
Handler run_convert, run_convert_pair;
/* A handler for a frequent conversion, or NULL. */
Handler *find_quick_convert(const Inst *inst);
double half_to_double(uint16_t bits);
double bfloat_to_double(uint16_t bits);
uint16_t double_to_half(double value);
uint16_t double_to_bfloat(double value);
Handler run_load, run_store, run_load_param, run_atomic, run_to_generic, run_from_generic,
    run_is_space, run_async_copy, run_async_commit, run_async_wait, run_fence, run_copy_local;
Handler run_shuffle, run_vote, run_match, run_redux, run_elect, run_active_mask, run_warp_barrier,
    run_load_matrix, run_store_matrix, run_matrix_multiply;
/* The mask of lanes that a collective instruction wants, in the eyes of one lane. */
uint32_t collective_mask(Warp *warp, const Inst *inst, uint32_t lanes);
int find_matrix_shape(const char *shape, Type a, Type accumulator);
/* Registers of (a, b, c) and of d for such a shape. */
void matrix_registers(int shape, int count[4]);

/* ---------------------------------------------------------------- execute.c */

/* Runs all blocks. False if a report was made that ends the context. */
bool run_launch(Launch *launch);
uint64_t read_clock(void);

/* ---------------------------------------------------------------- arena.c */

typedef struct {
    uint64_t address, bytes;
    bool freed;
} Allocation;

bool arena_init(void);
/* 0 if there is no room. Filled with ones (not-a-number as float and double). */
uint64_t arena_alloc(uint64_t bytes, uint64_t align);
bool arena_free(uint64_t address); /* false: no such allocation */
uint64_t arena_used(void);
bool arena_contains(uint64_t address);
/* The last allocation that starts at or below the address, living or not; NULL if there is none. */
Allocation *arena_find(uint64_t address);
/* Where the bytes of a device address are on the host. */
unsigned char *arena_host(uint64_t address);
struct Cell *arena_cell(uint64_t address);
extern unsigned char *arena_data;
extern uint64_t arena_base, arena_end; /* device addresses [base, end) */

/* ---------------------------------------------------------------- memory.c */

/* The host addresses of one memory access of each lane of mask, NULL where it must not happen (a
 * report has been made). `bytes` a lane; `kind` as in shadow.c. */
void resolve(Warp *warp, const Inst *inst, uint32_t mask, uint32_t bytes, int kind,
             unsigned char *where[LANES]);
/* Copies of the lanes arrive; all, or all but those of the `newest` last groups. */
void finish_copies(Warp *warp, uint32_t lanes, uint32_t newest, bool all);

/* ---------------------------------------------------------------- shadow.c */

enum { ACCESS_READ = 0, ACCESS_WRITE = 1, ACCESS_ATOMIC = 2, ACCESS_CONSTANT = 4 };

/* Who used a word of memory last. Times are those of the block's clock. */
typedef struct Cell {
    uint32_t write_block, write_time;
    uint32_t read_block, read_time;
    uint32_t read_warps; /* those of read_block that have read it */
    uint32_t read_lanes; /* those of read_warp that have read it */
    uint16_t write_thread;
    uint8_t write_bytes, read_bytes; /* masks of bytes */
    uint8_t read_warp;
    uint8_t written;   /* mask of bytes that hold a value */
    uint8_t in_flight; /* target of copies that have not arrived */
    uint8_t flags;
} Cell;

/* Checks and remembers an access of [offset, offset + bytes) bytes of the cells. */
void shadow_access(Warp *warp, int lane, Cell *cells, uint64_t offset, uint32_t bytes, int kind);
void shadow_in_flight(Warp *warp, int lane, Cell *cells, uint64_t offset, uint32_t bytes,
                      int change);
void shadow_mark_written(Cell *cells, uint64_t offset, uint64_t bytes);
void shadow_copy_written(Cell *target, uint64_t target_offset, const Cell *source,
                         uint64_t source_offset, uint64_t bytes);
void shadow_barrier_arrive(Warp *warp, Barrier *barrier);
void shadow_barrier_leave(Block *block, Barrier *barrier);
void shadow_warp_barrier(Warp *warp, uint32_t lanes);
void shadow_fence(Warp *warp, uint32_t lanes);
/* A strong access to a global address: what is released and acquired there. */
void shadow_strong(Warp *warp, uint64_t address, bool reads, bool writes, bool releases);
/* What follows, a launch or a copy, is operation `serial` of stream `slot`, ordered behind those
 * operations of each stream whose serial is not above known[]. */
enum { STREAM_SLOTS = 16 };
void shadow_begin(int slot, uint64_t serial, const uint64_t known[STREAM_SLOTS]);
/* A copy or memset uses bytes of device memory, the first cell from byte `offset` on. */
void shadow_copy_access(Cell *cells, uint64_t offset, uint64_t bytes, bool writes,
                        const char *what);
void shadow_start_launch(Launch *launch);
void shadow_end_launch(void);

/* ---------------------------------------------------------------- stat.c */

typedef struct KernelStat {
    uint64_t launches, barriers;
    uint64_t *executed;                        /* by instruction */
    uint64_t *lanes;                           /* by instruction */
    uint64_t *requests, *sectors, *wavefronts; /* by instruction */
} KernelStat;

void stat_start(Kernel *kernel);
/* Counts the sectors or the wavefronts of one request. */
void stat_global(Warp *warp, uint32_t mask, const uint64_t address[LANES], uint32_t bytes);
void stat_shared(Warp *warp, uint32_t mask, const uint64_t address[LANES], uint32_t bytes);
void stat_write(void);

#endif
