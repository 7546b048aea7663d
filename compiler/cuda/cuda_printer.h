/* cuda_printer.h -- a kernel of the CUDA target in the making; shared by cuda_value.c,
 * cuda_product.c and cuda_print.c. */
#ifndef GAGAC_CUDA_PRINTER_H
#define GAGAC_CUDA_PRINTER_H

#include "target_cuda.h"

typedef struct Known { /* a value in a local, or an int */
    const Node *node;  /* NULL: of an int expression */
    const char *at, *name;
} Known;

typedef struct Printer {
    Emitter *e;
    CudaStep *step;
    Stage *stage;
    bool quad;                 /* statements stand in a loop over lane c of four samples */
    Text prepare;              /* before that loop */
    Text statements;           /* in it */
    Text finish;               /* after it */
    const char *outer, *inner; /* indents of the two */
    Known *known;
    int known_count, known_capacity;
    int reads, writes, locals;
    bool scalars; /* facts are used */
} Printer;

typedef struct Split { /* an index around an axis: (outer * length + middle) * inner_size + inner */
    const char *outer, *middle, *inner;
    int64_t length, inner_size;
} Split;

/* ---------------------------------------------------------------- cuda_value.c */
/* A name for an expression of ints, so that none grows; arithmetic with such names. */
const char *cuda_named_int(Printer *p, const char *expression);
const char *cuda_divided(Printer *p, const char *at, int64_t by);
const char *cuda_modulo(Printer *p, const char *at, int64_t by);
const char *cuda_plus(Printer *p, const char *at, int64_t term);
const char *cuda_scaled(Printer *p, const char *at, int64_t by, const char *more);
Split cuda_split(Printer *p, const Type *type, int axis, const char *at);
const char *cuda_joined(Printer *p, const Split *s, const char *middle, int64_t length);
/* The parameter that stands for a tensor, an array, the control block. */
const char *cuda_use_tensor(Printer *p, const Tensor *tensor, bool written);
const char *cuda_use_array(Printer *p, const Node *n, bool written);
void cuda_use_run(Printer *p);
const char *cuda_print_parameters(const Printer *p);
/* From here on the name is the node's value at an index. */
const char *cuda_know(Printer *p, const Node *n, const char *at, const char *name);
/* The place of an element in rows of `stride` reals. */
const char *cuda_in_rows(Printer *p, const Type *type, int stride, const char *at);
void cuda_print_map(Emitter *e, const Resample *map);
/* The value of an element: a literal, a local, or a short expression of locals. */
const char *cuda_value(Printer *p, const Node *n, const char *at);
/* Stores a value of the stage; all that have an array, and assignments. */
void cuda_store_node(Printer *p, const Node *n, const char *at, const char *number);
void cuda_print_nodes(Printer *p, const char *at);
/* The three texts as one; with `quad` the middle one in its loop. */
const char *cuda_close_quad(const Printer *p);
const char *cuda_facts_text(const Printer *p);
/* The text without the ints that nothing uses. */
const char *cuda_prune_ints(const char *text);
/* A kernel under the sentence of its first use, unless one of equal text is there. */
void cuda_add_kernel(Printer *p, const char *wish, const char *text);
void cuda_finish_kernel(Printer *p, const char *wish, const char *body);
/* Blocks in x, y, z and threads of a block. */
void cuda_set_launch(Stage *stage, int64_t x, int64_t y, int64_t z, int block);

/* ---------------------------------------------------------------- cuda_product.c */
void cuda_print_contract(Printer *p); /* CONTRACT_Y, CONTRACT_X, CONV_Y, CONV_X with an epilogue */
void cuda_print_weight(Printer *p);   /* CONTRACT_W, CONV_W */
/* The statement that fetches a tile of a dense layer's weight, rows of the product by steps. */
const char *cuda_fetch_weight(Printer *p, const Node *n);
/* A stored operand: an array of the batch, a parameter, or a whole array; *stride: of its rows. */
const char *cuda_operand(Printer *p, const Node *n, int *stride);
/* The time of a launch of a dense layer in instructions that a thread issues, and of a step of the
 * sum in a chain, `rows` by 4 a thread. */
double cuda_linear_cost(const Emitter *e, const CudaStep *step, const Node *n);
double cuda_chain_step_cost(const Emitter *e, int rows, int threads, int height);
enum { CUDA_LAUNCH_COST = 650, MULTIPROCESSORS = 132, MOST_SHARED = 48 << 10 };
/* Four values of a row that the caller makes known as product[c], and the stage's nodes of them. */
void cuda_print_epilogue(Printer *p, const Node *root, const char *at);
/* Of the stage's sums: a thread's shares, one a row; and their addition over the columns of a
 * block. layout, scratch, place: arguments of join_columns() in runtime/cuda/cuda_device.h; `block`
 * of `blocks` side by side; first: row of the sums where the block begins. */
const char *cuda_declare_shares(const Printer *p, int rows, const char *indent);
const char *cuda_join_shares(Printer *p, const char *indent, const char *layout,
                             const char *scratch, const char *place, const char *block, int blocks,
                             const char *first);

/* ---------------------------------------------------------------- cuda_chain.c */
void cuda_print_chain(Printer *p);
bool cuda_may_link(const Stage *stage); /* a product narrow enough for a chain */

#endif
