/* target_cuda.h -- shared by the files that print the CUDA target: cuda_stages.c, cuda_print.c,
 * cuda_emit.c. */
#ifndef GAGAC_TARGET_CUDA_H
#define GAGAC_TARGET_CUDA_H

#include "emit.h"

#include "cuda_load.h"
#include "cuda_space.h"

enum { QUAD = 4 }; /* samples a thread handles at once */

/* Numbers of a block of draws: DRAWS_A_BLOCK of rng.h in the program's precision. */
static inline int cuda_draws_a_block(const EmitOptions *options) { return options->f64 ? 2 : 4; }

typedef enum StageKind {
    STAGE_FILL,      /* an input of the step */
    STAGE_ELEMENT,   /* element-wise nodes over one index space */
    STAGE_JOIN,      /* CONCAT, PAD */
    STAGE_RESAMPLE,  /* a linear map along an axis */
    STAGE_CONTRACT,  /* CONTRACT_Y, CONTRACT_X, CONV_Y, CONV_X with an epilogue */
    STAGE_CHAIN,     /* CONTRACT_Y, CONTRACT_X, each of the result of the one before */
    STAGE_WEIGHT,    /* CONTRACT_W, CONV_W: shares of a sum over the batch */
    STAGE_REDUCE,    /* SUM, MAXIMUM_OF along an axis */
    STAGE_SUM_BATCH, /* sums over the batch */
    STAGE_REPORT,    /* what the step reports */
    STAGE_SAMPLES    /* the shipped sampler: what it makes, to the caller */
} StageKind;

typedef struct CudaBinding { /* a parameter of a kernel */
    CudaSpace space;
    const Tensor *tensor; /* CUDA_STATE */
    const Node *node;     /* CUDA_WORK: the value whose array it is */
    const char *name;
    bool written;
} CudaBinding;

typedef struct Stage { /* one launch */
    StageKind kind;
    bool batch; /* an element is one of every sample */
    Type space; /* what its threads run over */
    Node *root; /* FILL JOIN RESAMPLE CONTRACT WEIGHT */
    Node **nodes;
    int count, capacity;
    struct Stage **links; /* CHAIN: its products in order; root and nodes are those of the link that
                             is being printed */
    int link_count, link_capacity;
    Node **sums; /* CONTRACT: sums over the batch of what it makes; a block leaves a share */
    int sum_count, sum_capacity;
    double flops;
    const char *sentence;
    /* made by cuda_print.c */
    const char *function; /* NULL: there is nothing to do */
    CudaBinding *bindings;
    int binding_count, binding_capacity;
    int grid[3], block;
} Stage;

typedef struct Storage { /* an array in the GPU's work block */
    const Node *node;
    size_t size;     /* reals */
    int first, last; /* stages that write it first and read it last */
    size_t offset;
} Storage;

typedef struct CudaStep { /* a step as launches */
    const Schedule *schedule;
    int number;
    int stride;   /* samples of a row: the batch, rounded up to a multiple of QUAD */
    bool *stored; /* by node id: has an array */
    int *parts;   /* by node id: shares of a sum over the batch, which its readers add up */
    Stage **stages;
    int stage_count, stage_capacity;
    Storage *storage;
    int storage_count, storage_capacity;
    size_t whole_size, batch_size; /* reals of the two regions of the work block: whole arrays,
                                      and behind those of all steps the arrays of the batch */
} CudaStep;

/* ---------------------------------------------------------------- cuda_stages.c */
CudaStep *cuda_stages(const Schedule *s); /* the launches of a step, not printed yet */
/* Calls visit for every array that a stage reads, once; with or without what only its root needs.
 */
void cuda_visit_reads(const CudaStep *step, const Stage *stage, bool operands,
                      void (*visit)(void *context, const Node *read), void *context);
/* Places in the work block, once every stage is printed; arrays share places when they may. */
void cuda_place(CudaStep *step);

bool cuda_makes(const Stage *stage, const Node *n); /* it is one of the stage's nodes */

/* ---------------------------------------------------------------- cuda_sums.c */
/* Moves sums over the batch to the products that make their terms: see there. */
void cuda_move_sums(const Emitter *e, CudaStep *step);

/* ---------------------------------------------------------------- cuda_chain.c */
/* Makes one stage of products that are quicker so: see there. */
void cuda_find_chains(Emitter *e, CudaStep *step);

/* ---------------------------------------------------------------- cuda_print.c */
/* Prints the stage's kernel and fills its function, bindings and launch. */
void cuda_print(Emitter *e, CudaStep *step, Stage *stage);
int64_t cuda_blocks_of(int64_t items, int64_t size);
int cuda_row(const Type *type); /* reals between rows of an array of the work block */

/* ---------------------------------------------------------------- cuda_shake.c */
/* Kernels that add noise to weights before an iteration, if the trainer asks for it. */
void cuda_shake_kernels(Text *out, const Model *model, const Graph *g);
/* Their launches, as a table shake_launches; how many, 0: no table. */
int cuda_shake_launches(Text *out, const Model *model, const Graph *g, const EmitOptions *options);

/* ---------------------------------------------------------------- cuda_emit.c */
/* The text of all kernels of these steps, which get their places. batch_base: where arrays of the
 * batch begin in the work block, in reals; work_size: its size. */
const char *cuda_kernels(const EmitOptions *options, const Graph *g, CudaStep *const *steps,
                         int count, size_t *batch_base, size_t *work_size);
/* The kernel functions alone. */
const char *cuda_functions(Emitter *e, const Graph *g, CudaStep *const *steps, int count,
                           size_t *batch_base, size_t *work_size);
/* Where the array of a value lies in the work block, in reals. */
size_t cuda_offset(const CudaStep *step, const Node *n, size_t batch_base);
enum { CUDA_TEXTS = 11 };
/* That text and all that it includes, with options->fault, for NVRTC; their number, CUDA_TEXTS. */
int cuda_texts(const EmitOptions *options, const char *model, CudaText *texts);
/* src/model.cu for NVRTC and src/cuda.c with its tables, added to the files. */
void cuda_emit(EmittedFiles *files, const Model *model, Graph *g, const EmitOptions *options);

/* ---------------------------------------------------------------- cuda_faults.c */
typedef struct CudaFault { /* for the tests: cuda_faults.def */
    const char *what;
    const char *text;          /* the file of the program it is in */
    const char *find, *change; /* every occurrence */
    TensorPrecision tensor;    /* of the products that have it */
    bool reported;             /* by the PTX virtual machine; else only the result shows it */
} CudaFault;
extern const CudaFault cuda_faults[];
extern const int cuda_fault_count;
/* Plants it into the texts of a program; it must be there. */
void cuda_plant(const CudaFault *fault, CudaText *texts, int count);

/* ---------------------------------------------------------------- cuda_static.c */
/* What NVRTC makes of the kernels of a training, for sm_80 and sm_90 or options->archs. */
void cuda_static_print(const Model *model, const EmitOptions *options, bool json);

#endif
