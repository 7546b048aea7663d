/* emit.h -- shared by the files that print generated code: emit.c, emit_step.c, emit_kernel.c,
 * template.c. */
#ifndef GAGAC_EMIT_H
#define GAGAC_EMIT_H

#include "gagac.h"

#include "../runtime/text.h"

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

/* ---------------------------------------------------------------- emit_kernel.c */
typedef struct Function {
    const char *name, *text;
} Function; /* text with the name left open: equal texts are one function */

typedef struct Emitter { /* one generated program in the making */
    const EmitOptions *options;
    const Graph *graph;
    int vector_length; /* reals of a machine vector; 1 in plain code */
    Text functions;    /* kernel functions so far */
    Function *known;
    int known_count, known_capacity;
    int profiled; /* numbered kernels so far, over all steps */
    bool sampler; /* the generator's weights are handed in */
    bool packed; /* tensors are constant tables of the file, without padding: the shipped sampler */
} Emitter;

typedef struct Call { /* how a step runs one kernel */
    const char *function;
    const char *arguments;
    const char *sentence; /* for people */
    bool rows;            /* global: takes (from, to) rows and may be cut into parts */
    int row_count;
} Call;

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

/* ---------------------------------------------------------------- emit_sampler.c: the one file to
 * ship */
/* sampler.c and sampler.h. The numbers that training finds are left open (runtime/sampler_write.h).
 */
typedef struct SamplerTexts {
    const char *source, *header;
} SamplerTexts;
SamplerTexts emit_sampler(const Model *model, Graph *g, const EmitOptions *options);

/* ---------------------------------------------------------------- emit_program.c: the tables of
 * runtime/program.h */
const char *emit_tables(const Model *model, const Graph *g, Plan *const plans[],
                        const EmitOptions *options, SamplerTexts sampler);
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
