/* emit.h -- shared by the files that print generated code: emit.c, emit_step.c, emit_kernel.c,
 * template.c. */
#ifndef GAGAC_EMIT_H
#define GAGAC_EMIT_H

#include "gagac.h"

#include "text.h"

/* ---------------------------------------------------------------- template.c */
void text_append(Text *text, const char *more);
const char *text_of(const Text *text); /* "" when empty */

/* The text with its long lines cut after commas, comments between words. */
const char *wrap_lines(const char *text);

typedef struct Hole {
    const char *name, *text;
} Hole;
/* The part of templates/NAME between its two marks, with every hole replaced. A hole without a
 * text, or a text without a hole, is an internal error. */
const char *template_fill(const char *name, const Hole *holes, int count);

typedef struct Function {
    const char *name, *text; /* the name left open: equal texts are one function */
    const char *named;       /* the text with its name */
} Function;

typedef struct Emitter { /* one generated program in the making */
    const EmitOptions *options;
    const Graph *graph;
    int vector_length; /* reals of a machine vector; 1 in shipped samplers and CUDA */
    Text functions;    /* kernel functions so far */
    Function *known;
    int known_count, known_capacity;
    int profiled; /* numbered kernels so far, over all steps */
    bool *maps;   /* CUDA: by number of a Resample: its tables are printed */
    bool sampler; /* the generator's weights are handed in */
    bool call;    /* CUDA: the shipped sampler, whose kernels read a SamplerCall */
    bool packed; /* tensors are constant tables of the file, without padding: the shipped sampler */
} Emitter;

typedef struct Call { /* how a step runs one kernel */
    const char *function;
    const char *arguments;
    const char *sentence; /* for people */
    bool rows;            /* global: takes (from, to) rows and may be cut into parts */
    int row_count;
} Call;

/* ---------------------------------------------------------------- emit_body.c */
typedef struct Binding {
    const void *key;
    const char *name, *declaration, *argument;
} Binding;
typedef struct Named {
    const Node *node;
    const char *index, *name;
} Named; /* a value in a local */

/* Wide: where a value is read, an index an axis, and the sample ("" where there is no batch axis).
 */
typedef struct Place {
    const char *axis[MAX_RANK];
    const char *lane;
} Place;

typedef struct Body { /* a kernel function in the making */
    Emitter *e;
    const Plan *plan;
    const Kernel *kernel;
    bool vector;       /* statements on vec, else on real */
    Binding *bindings; /* parameters */
    int binding_count, binding_capacity;
    int reads, writes, rows; /* how many parameters of each kind have a name */
    Named *values;           /* what is in locals */
    int value_count, value_capacity;
    Text statements, prepare, row_begin, row_end;
    Text load_sums, load_totals, store_totals,
        store_sums;    /* of a block of a contraction, see keep_in_registers() */
    Text fetch;        /* of a row of such a block: prefetches of what the epilogue will read */
    int block_vectors; /* vectors of samples of such a block, 0 elsewhere */
    const char *indent;
    Place own;   /* wide: the index of the kernel's loops */
    bool flat;   /* wide: own.lane counts samples and the last axis in one: rows of lanes */
    bool alike;  /* wide: whole arrays of the kernel's shape, which is no part of the text */
    bool broken; /* wide: an expression does not fit `flat` or `vector`: print again without */
} Body;

extern const char PLACE_OF_NAME[]; /* stands for the function's name in its text */
/* The parameter that stands for `key` (a node, a tensor, a sum), or NULL; and a new one. */
Binding *find_binding(Body *b, const void *key);
const char *body_bind(Body *b, const void *key, const char *name, const char *declaration,
                      const char *argument);
const char *read_name(Body *b); /* for an array that is read, or written */
const char *write_name(Body *b);
const char *bind_tensor(Body *b, const Tensor *tensor);
const char *bind_scalar(Body *b, const Node *n);
const char *tensor_field(const Emitter *e, const Tensor *tensor);
const char *array_declaration(const Emitter *e, const char *name, const Type *type);
const char *splat(const Body *b, const char *number); /* a number in every lane */
const char *number_text(double value);
const char *int_text(long long n);
/* The local that holds a node's value at an index, or NULL; a new one. */
const char *named(Body *b, const Node *n, const char *index);
void add_value(Body *b, const Node *n, const char *index, const char *name);
/* Writes "const vec NAME = expression;" and remembers the name for the node at this index. */
const char *define(Body *b, const Node *n, const char *index, const char *expression);
/* The op table's text with its operands; prefix: of its functions, "v" or "real_". */
const char *spell(const Node *n, const char *prefix, const char *a, const char *second);
const char *function_prefix(const Body *b);
const char *parameter_list(const Body *b);
const char *name_list(const Body *b);
const char *argument_list(const Body *b);
/* How a kernel function is declared: "static", tuned ones SHARED (runtime/kernel/tile.h). */
const char *kernel_linkage(const Emitter *e);
/* Adds a function unless one of equal text is known; gives its name. */
const char *add_function(Emitter *e, const char *wish, const char *text);
/* The word stands in the text, not as a part of another word. */
bool has_word(const char *text, const char *word);

/* ---------------------------------------------------------------- emit_units.c */
/* How many files the kernel functions are worth: 1, they stay in the file of the steps. */
int count_units(const Emitter *e);
/* The file of unit k of `count`: its functions, without the head of the file. */
const char *unit_text(const Emitter *e, int k, int count);
/* Declarations of all kernel functions. */
const char *unit_declarations(const Emitter *e);
/* The constants that the text needs, which calls the functions of the units. */
const char *unit_constants(const Emitter *e, const char *text);

/* ---------------------------------------------------------------- emit_value.c: expressions of the
 * wide order */
/* The text of a node's value at an index; writes what it needs before to b->statements. */
const char *value_at(Body *b, const Node *n, Place at);
/* The place in memory of a stored value, of a tensor for an ASSIGN; `written` names it `out`. */
const char *place_of(Body *b, const Node *n, Place at, bool written);
const char *tensor_place(Body *b, const Tensor *tensor, Place at);
const char *load_text(const Body *b, const char *place); /* a vector from there, or a number */
const char *store_text(const Body *b, const char *place, const char *value);
/* The node's statements in a loop over its kernel's space; reductions are the target's. */
void emit_wide_node(Body *b, const Node *n);
/* The statements of what rides on a contraction. Sums along the rows of its maps add up the lanes
 * of own.lane, from lane `first` on; what they need at the begin of a row is left in row_begin. */
void emit_epilogue(Body *b, const char *first);
/* The declaration of a parameter for a value: maps with their halo, "real a[restrict 3][34][34 *
 * B]". */
const char *wide_declaration(const char *name, const Plan *p, const Node *n);
/* The operand of a contraction, a stored value or a tensor, as the parameter `name`. */
const char *bind_operand(Body *b, const Node *n, const char *name);
const char *place_key(const Type *type, Place at); /* the index under which value_at() keeps it */
const char *sum_of_axes(const Type *type, int count, Place at); /* row of the leading axes */

/* ---------------------------------------------------------------- emit_kernel.c */
enum { MOST_STRIP = 80 }; /* columns of an operand that a weight gradient transposes at a time */
Call emit_kernel(Emitter *e, const Plan *plan, const Kernel *kernel);
const char *kernel_sentence(const Plan *plan, const Kernel *kernel); /* what it does, for people */
const char *type_text(const Type *type); /* "[400][48]" without the batch axis */
int columns_of(const Type *type);        /* reals used of a stored row */
int rows_of(const Type *type);
const char *table_name(const Tensor *tensor); /* packed: "G_0_weight" */

/* ---------------------------------------------------------------- emit_step.c */
void emit_structures(Text *out,
                     const Plan *plan); /* what a step keeps: its sums and whole arrays */
void emit_step(Text *out, Emitter *e, const Plan *plan);
void emit_sample(Text *out, Emitter *e, const Plan *plan);
void emit_buffers(Text *out, const Plan *plan,
                  int section); /* pointers to the tile's values in its scratch */

/* ---------------------------------------------------------------- emit_wide.c: the wide order; the
 * kernel functions wait in e->functions, those of one file to ship excepted */
void emit_wide_step(Text *out, Emitter *e, const Plan *p);
/* plans: of the same sampler for batches of different size, the largest first, then 1. */
void emit_wide_sample(Text *out, Emitter *e, const Plan *const plans[], int count);

/* make_images() of a shipped sampler. */
void emit_wide_shipped(Text *out, Emitter *e, const Plan *p);

/* ---------------------------------------------------------------- emit_contraction.c */
enum { MAX_WIDE_PASSES = 8 };
typedef struct WidePass { /* function(from, to arguments): items [from, to) of `items` */
    const char *function, *arguments; /* arguments begin with ", " */
    int items;
    int strips; /* above 1: with its neighbours of as many strips once for each s->strip */
} WidePass;
/* A contraction or weight gradient with its epilogue, as passes with a barrier between them. */
int emit_contraction(Emitter *e, const Plan *p, const Kernel *kernel,
                     WidePass passes[MAX_WIDE_PASSES]);
/* ---------------------------------------------------------------- emit_conv.c: the same, tuned */
int emit_result_passes(Emitter *e, const Plan *p, const Kernel *kernel, WidePass *passes);
int64_t packed_reals(const Plan *p); /* of the block `packed` that its passes share */
typedef struct RegisterTile {        /* of sums in registers */
    int rows, vectors;
} RegisterTile;
double block_time(int rows, int vectors); /* of a term of a tile's sums, in half cycles */
/* The tile of least time for so many rows and vectors. */
RegisterTile choose_registers(const Emitter *e, int rows, int vectors, int max_rows);
const char *bind_packed(Body *b, const char *name, int64_t offset); /* a place in `packed` */
int divide_up(int a, int b);
int64_t round_16(int64_t n);
/* ---------------------------------------------------------------- emit_gradient.c */
int emit_gradient_passes(Emitter *e, const Plan *p, const Kernel *kernel, WidePass *passes);
int64_t gradient_reals(const Plan *p, const Kernel *kernel); /* of `packed` */

/* ---------------------------------------------------------------- emit_sampler.c: the one file to
 * ship */
/* sampler.c and sampler.h. The numbers that training finds are left open
 * (runtime/sample/sampler_write.h).
 */
typedef struct SamplerTexts {
    const char *source, *header;
    const char *device; /* sampler.cu, or NULL */
} SamplerTexts;
/* What the header says of sampler.cu. */
typedef struct SamplerDevice {
    size_t work; /* bytes of the GPU's memory that a call works in; 0: there is no sampler.cu */
    int rows;    /* of a launch */
} SamplerDevice;
SamplerTexts emit_sampler(const Model *model, Graph *g, const EmitOptions *options);
/* A table "static const union NAME" whose numbers (`number`: "real" or "double") stand behind a
 * mark; shape: of its member `values`. */
void emit_open_table(Text *out, const char *number, const char *size, const char *shape,
                     const char *name, const char *mark);
void emit_names(Text *out, const Model *model); /* the table `names` of columns */
void emit_knots_table(Text *out);               /* those of a normalisation by knots */
/* The calls of a sampler of rows around the template that makes them; statistics: how the tables of
 * the columns' mean, std ... begin. */
const char *sampler_calls(const char *generate, const char *statistics);
const Input *sampler_latents_of(const Graph *g); /* the input of the sample step they are */

/* ---------------------------------------------------------------- cuda_sampler.c */
/* sampler.cu, with the numbers left open in the same way. */
const char *emit_device_sampler(const Model *model, const EmitOptions *options,
                                SamplerDevice *device);

/* ---------------------------------------------------------------- emit_program.c: the tables of
 * runtime/program.h */
const char *emit_tables(const Model *model, const Graph *g, Plan *const plans[],
                        const EmitOptions *options, SamplerTexts sampler);
/* An array of bytes: of char for a text, else of unsigned char. */
void emit_bytes(Text *out, const char *name, const char *bytes, size_t size, bool text);
void emit_text(Text *out, const char *name, const char *text); /* such an array, with a NUL */
const char *c_string(
    const char *text); /* a C literal, everything but letters, digits and _ ,.=- escaped in octal */

/* ---------------------------------------------------------------- emit.c: what every file begins
 * with */
void emit_head(Text *out, const Model *model, const char *file,
               const char *what); /* leaves the comment open */
void emit_config_lines(Text *out, const Model *model);

/* ---------------------------------------------------------------- paste.c */
/* Headers of runtime/ and what they include as one text without preprocessor lines, with the number
 * type resolved. */
const char *paste_headers(const char *const *names, int count, bool f64);
/* The items of a library (comments, static inline functions, constants, types) that the user's text
 * needs, in their order. */
const char *paste_needed(const char *library, const char *user);

#endif
