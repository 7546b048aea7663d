/* gagac.h -- the map of the compiler.
 *
 * Every struct with a comment per field, every public function under the name of the file that
 * defines it. The order is the order of the passes:
 *
 *   config.json -> json -> model -> graph -> simplify -> schedule -> plan -> emit -> build -> run
 *
 * All memory comes from one arena and is never freed. Errors in the user's input call fail_at(),
 * which does not return.  */
#ifndef GAGAC_H
#define GAGAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* exit statuses, fail(), warn(), nearest_word(): shared with generated programs */
#include "fail.h"
#include "course.h"    /* numbers that change with the iteration */
#include "normalise.h" /* NormalisationKind */

#define GAGAC_VERSION "0.1"

/* ---------------------------------------------------------------- arena.c */
void *arena_alloc(size_t size); /* zeroed, 16-byte aligned; ends the program when memory is out */
/* Room for one more element behind `count`: the array, or a larger copy of it. */
void *arena_grow(void *array, int count, int *capacity, size_t element);
char *arena_printf(const char *format, ...) PRINTF_LIKE(1, 2);
char *arena_copy(const char *text, size_t length); /* NUL-terminated copy */

/* ---------------------------------------------------------------- diag.c */
typedef struct Source { /* one input text, kept for diagnostics */
    const char *path;   /* as the user wrote it; of an option of the command line: "-p key=value" */
    const char *text;   /* NULL: nothing to quote, a diagnostic gives the path alone */
    size_t length;
} Source;

typedef struct Span {     /* the bytes [begin, end) of a source */
    const Source *source; /* NULL: no place in a file */
    size_t begin, end;
} Span;

/* file:line:col: error: message, the line, a caret under the span, and the hint if not NULL. The
 * hint is one sentence. */
void fail_at(Span where, const char *hint, const char *format, ...) NO_RETURN PRINTF_LIKE(3, 4);
void warn_at(Span where, const char *hint, const char *format, ...) PRINTF_LIKE(3, 4);
void note_at(Span where, const char *format, ...) PRINTF_LIKE(2, 3);
/* Also defined here for gagac: fail() and warn() of ../runtime/fail.h, "gagac: error: message".
 * (nearest_word() and escape_text() are in ../runtime/words.c.) */
void internal_error(const char *format, ...) NO_RETURN PRINTF_LIKE(1, 2);
/* Bytes of the UTF-8 character at text, its code point in *code; 0 when malformed. At least one
 * byte must be there. */
size_t utf8_decode(const char *text, size_t length, uint32_t *code);
/* The text with control bytes and bytes of broken UTF-8 escaped, for quoting in messages. */
const char *printable(const char *text);

/* ---------------------------------------------------------------- json.c */
typedef enum JsonKind {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
} JsonKind;

typedef struct Json { /* one value, with the bytes it came from */
    JsonKind kind;
    Span span;       /* the value */
    const char *key; /* name inside the parent object, NULL elsewhere */
    Span key_span;   /* the quoted key */
    bool boolean;
    double number;
    const char *string;
    struct Json *child; /* first element of an array or object */
    struct Json *next;  /* next sibling */
} Json;

/* Strict RFC 8259 with limits: 4 MiB, 64 levels, 10,000 keys, 64 KiB a string. A key that starts
 * with '#' is a comment and may be repeated; every other duplicate key is an error. Our scanner
 * checks and records spans, then cJSON builds the tree. */
Json *json_parse(const Source *source);
/* The same with repeated keys left in; then one of the two: */
Json *json_tree(const Source *source);
void json_refuse_duplicates(const Json *root);
void json_keep_last(Json *root);       /* of repeated keys the last one counts, with a warning */
Source *source_read(const char *path); /* reads a whole text file; fails with EXIT_IO */
Json *json_member(const Json *object, const char *key); /* NULL when absent */
/* A HyperGAN config by its name, NULL when there is none: here, packaged, or in ~/.gagac/configs.
 */
Source *config_find(const char *name); /* hyper_files.c */

/* ---------------------------------------------------------------- the model: what a config means,
 * in any dialect */
typedef enum Activation {
    ACT_NONE,
    ACT_LEAKY,
    ACT_SIGMOID
} Activation; /* relu is LEAKY with slope 0 */
typedef enum LayerKind {
    LAYER_ENCODE,
    LAYER_LINEAR,
    LAYER_LAYER_NORM,
    LAYER_ACTIVATION,
    LAYER_CLAMP
} LayerKind;
typedef enum LossKind { LOSS_WASSERSTEIN, LOSS_HINGE, LOSS_BCE } LossKind;
typedef enum NormKind { NORM_L2, NORM_L1, NORM_LINF } NormKind;
typedef enum PenaltyShape { PHI_LS, PHI_HINGE, PHI_SQUARE_HINGE, PHI_ZERO_CENTRED } PenaltyShape;
typedef enum PenaltyKind { PENALTY_NONE, PENALTY_CLAMP, PENALTY_GRADIENT } PenaltyKind;
typedef enum OptimiserKind {
    OPT_SGD,
    OPT_RMSPROP, /* PyTorch's formulas: GAGA, and torch.optim */
    OPT_ADAM,
    OPT_TF_RMSPROP, /* TensorFlow's: HyperGAN */
    OPT_TF_ADAM,
    OPT_MOMENTUM,
    OPT_ADAGRAD,
    OPT_ADADELTA,
    OPT_FTRL,
    OPT_AMSGRAD,
    OPT_ADAMIRROR,
    OPT_ADABOUND,
    OPT_GIGA_WOLF, /* wrappers of `inner` */
    OPT_ELASTIC,
    OPT_NEGATIVE_MOMENTUM,
    OPT_EMA,
    OPT_CURL, /* those that need gradients at another place; only outermost */
    OPT_CONSENSUS
} OptimiserKind;
typedef enum Initialiser {
    INIT_ZERO,
    INIT_ONE,
    INIT_UNIFORM_FAN_IN,
    INIT_KAIMING_NORMAL,
    INIT_UNIT_VECTOR,
    INIT_UNIFORM_BOUND,    /* U(-scale, scale) */
    INIT_GAUSSIAN,         /* N(0, scale^2) */
    INIT_TRUNCATED_NORMAL, /* N(0, scale^2) within two scales of 0 */
    INIT_ORTHOGONAL,       /* rows [first axes][last axis]: orthogonal times scale */
    INIT_VALUE,            /* scale */
    INIT_SOURCE            /* a copy of the tensor `source` */
} Initialiser;

typedef struct EncodeBlock {
    int first, width;
    bool encoded;
} EncodeBlock; /* v4: consecutive columns */

typedef struct Layer { /* one line of a network, in order of evaluation */
    LayerKind kind;
    const char *name;        /* name in generated code and tables: "fc0", "fc1", "norm1" */
    int size;                /* LINEAR: outputs */
    Initialiser weight_init; /* LINEAR; biases are INIT_UNIFORM_FAN_IN in this dialect */
    bool spectral; /* LINEAR: divide the weight by its largest singular value (one power iteration a
                      forward) */
    Activation activation; /* ACTIVATION */
    double slope;          /* ACT_LEAKY: slope below zero */
    EncodeBlock *blocks;   /* ENCODE: the input cut into blocks */
    int block_count;
    double *frequencies; /* ENCODE: f_k */
    int frequency_count;
    bool include_input;    /* ENCODE */
    double *lower, *upper; /* CLAMP: bounds per column in physical units, +-9999 where not given;
                              normalised at run time */
    Span span;             /* config bytes that asked for it */
} Layer;

typedef struct Net {
    const char *name; /* "discriminator", "generator" */
    const char *tag;  /* "D", "G": prefix of parameter names */
    int inputs;       /* columns going in */
    int outputs;      /* columns coming out */
    Layer *layers;
    int layer_count;
} Net;

typedef struct Optimiser {
    OptimiserKind kind;
    double rate;                      /* learning rate before the schedule */
    double alpha;                     /* RMSprop: decay of the mean square */
    double momentum;                  /* RMSprop */
    bool centered;                    /* RMSprop */
    double beta1, beta2;              /* Adam */
    double weight_decay;              /* coupled L2: g += weight_decay * p */
    double epsilon;                   /* outside the root; OPT_TF_RMSPROP: inside */
    Course course;                    /* how the rate changes; FIXED: the model's schedule */
    double rho;                       /* Adadelta */
    double accumulator;               /* Adagrad, Ftrl: first value of the sum of squares */
    double lower, upper;              /* AdaBound: bounds of the step, in rates */
    double power, l1, l2;             /* Ftrl */
    struct Optimiser *inner, *second; /* wrappers; second: GigaWolf's, or G's own */
    double ewc_decay, ewc_lambda, ewc_scale, ewc_constraint; /* ELASTIC */
    bool ewc_gradients;
    double keep, new_share, old_share; /* NEGATIVE_MOMENTUM: decay alpha beta; EMA: keep */
    double d_rho, g_rho, gamma;        /* CURL */
    bool central;
    double jg_beta; /* CONSENSUS */
    Span span;
} Optimiser;

typedef struct ConfigLine {
    const char *letter;
    int value;
    const char *key;
    Span span;
} ConfigLine; /* "B" 1000 batch_size */

typedef struct Hyper Hyper; /* hypergan.h */

typedef struct Model {
    const Source *source;
    const Hyper *hyper; /* what only the HyperGAN dialect has; NULL: GAGA */
    Net discriminator, generator;
    int height, width, channels; /* of an image; 0: rows of a table */
    int x_dim;    /* numbers of a sample: columns of a row, conditions included; pixels */
    int cond_dim; /* the last cond_dim columns are conditions */
    int z_dim;
    const char **keys; /* x_dim column names */
    int batch_size;
    LossKind loss;
    bool loss_on_logit;     /* LOSS_BCE: D gives a logit; false: D ends with a sigmoid and gives a
                               probability */
    double label_smoothing; /* 0 = off */
    PenaltyKind penalty;
    NormKind penalty_norm;
    PenaltyShape penalty_shape;
    double penalty_weight;
    double clamp_lower, clamp_upper;
    double noise_real,
        noise_fake;         /* effective sigma in units of the column's batch std; <= 0 = off */
    bool labels_drawn_once; /* compat: smoothed labels drawn once for the whole training */
    bool z_uniform;         /* z ~ U[0,1) instead of N(0,1), in training */
    bool sample_z_uniform; /* the same in the sampler; differs only for conditional nets with compat
                            */
    int d_updates, g_updates; /* per iteration */
    Optimiser d_optimiser, g_optimiser;
    int schedule_step; /* iterations between two decays, passes where they are given; 0 = off. With
                          passes and compat: times the net's updates an iteration */
    double schedule_gamma;
    int64_t iterations; /* > 0, or 0 when passes is given */
    int64_t passes;     /* passes over the data */
    bool shuffle;
    double ema_decay; /* average of G's weights; 0 = off */
    NormalisationKind normalisation;
    /* Generators kept as checkpoints: iteration e with e > start and ((e - start) % every == 0 or
     * iterations - e < last); every 0 = never. */
    int64_t store_start, store_every, store_last;
    int64_t log_every;      /* iterations between two lines of metrics.jsonl; 0 = default */
    uint64_t seed;          /* of all draws, where the command line gives none */
    const char *start_from; /* checkpoint whose weights to start from, or NULL */
    const char *device;     /* "auto", "cpu", "gpu" */
    bool compat;            /* "compat": true, the meaning of the original where it differs */
    ConfigLine *lines; /* the config lines that gave each size, for the head of generated code */
    int line_count;
    uint64_t hash; /* of everything that decides the network and the training */
} Model;

/* ---------------------------------------------------------------- read_gaga.c, model.c */
typedef struct Override {
    const char *key, *value;
} Override; /* -p key=value */
/* Reads the GAGA dialect, every era (spec of the dialect: docs/gaga.md). Overrides replace keys
 * before anything is checked. */
Model *read_gaga(const Json *root, const Override *overrides, int override_count);
void model_check(Model *model); /* limits, overflow, what fits together; fills model->hash */
int layer_outputs(const Layer *layer, int inputs);        /* columns after this layer */
int64_t layer_parameters(const Layer *layer, int inputs); /* numbers it owns */
int64_t net_parameters(const Net *net);

/* ---------------------------------------------------------------- graph.c */
enum { MAX_RANK = 6, MAX_NODE_INPUTS = 2, BATCH_AXIS = -1 };

typedef enum Op {
#define OP(name) OP_##name,
#include "ops.def"
#undef OP
    OP_COUNT
} Op;

typedef struct Type { /* a dense array of reals */
    bool batch; /* has a leading axis of length batch_size, not counted in rank: one value a sample
                 */
    int rank;
    int dims[MAX_RANK];
} Type;

typedef struct Tensor Tensor;
typedef struct Input Input;

/* A fixed linear map along one axis, a sparse matrix by rows: element j of the result is the sum of
 * weight[e] * in[index[e]] over first[j] <= e < first[j + 1]. Pooling, resizing, strided picks and
 * reversals are such maps; the gradient is the transposed one. */
typedef struct Resample {
    int from, to; /* length of the axis before and after */
    int *first;   /* [to + 1] */
    int *index;
    double *weight;
    const struct Resample *transpose;
    int number; /* in graph->maps */
} Resample;

typedef struct Window { /* how a convolution's filter walks over x: rows, columns */
    int stride[2];
    int before[2]; /* rows and columns of zeros before x */
} Window;

typedef struct Node { /* one value; immutable and interned: built twice, the same pointer */
    int id;           /* order of creation; inputs have smaller ids */
    Op op;
    Type type;
    struct Node *inputs[MAX_NODE_INPUTS];
    double value;        /* CONSTANT: the number; LEAKY, LEAKY_SLOPE: slope below zero */
    int axis;            /* EXPAND SLICE PAD CONCAT RESAMPLE SUM MAXIMUM_OF: the axis */
    int start;           /* SLICE, PAD: first index */
    int order[MAX_RANK]; /* PERMUTE: axis k of the result is axis order[k] of the operand */
    Window window;       /* CONV_* */
    const Resample *map; /* RESAMPLE */
    Tensor *tensor;      /* PARAMETER, ASSIGN */
    Input *input;        /* INPUT */
    const char *symbol;  /* SCALAR: its name */
    const char *name; /* for people: "real_fc1", "d_real_fc1" (its adjoint), "fc1_w"; may be NULL */
} Node;

typedef enum TensorRole {
    ROLE_PARAMETER, /* trained */
    ROLE_OPTIMISER, /* moments */
    ROLE_AVERAGE,   /* running average of a parameter */
    ROLE_VECTOR,    /* spectral norm's u and v */
    ROLE_BOUND,     /* normalised constraints, set from the data's statistics */
    ROLE_CONTROL    /* a number that steers the training: began's k */
} TensorRole;

struct Tensor {       /* an array that lives from step to step */
    const char *name; /* "D.0.weight", "D.0.weight.square", ... as in a checkpoint */
    const char
        *group; /* struct of the generated code it is a member of: "d", "d_square", "g_average" */
    const char *field; /* its member there: "fc0_w" */
    const char *label; /* for people: "discriminator fc0 weight" */
    Type type;         /* linear weights [out, in] */
    TensorRole role;
    Initialiser init;
    int fan_in;
    double scale;     /* of the initialisers that say so */
    bool frozen;      /* PARAMETER: keeps its first value */
    Tensor *source;   /* OPTIMISER, AVERAGE: the parameter it belongs to */
    const char *line; /* `name` of the layer string that owns it, NULL: none */
    const char *what; /* its name there: "weight" */
    Span span;
};

typedef enum InputKind { INPUT_DATA, INPUT_NORMAL, INPUT_UNIFORM } InputKind;

struct Input {        /* what a step reads for each sample: data or a random draw */
    const char *name; /* as in a replay file: real z_d alpha noise_real ... */
    InputKind kind;
    int width;                        /* numbers a sample */
    bool flat;                        /* one number a sample, no axis in a replay file */
    int stream;                       /* purpose word of the random counter */
    bool once, first_only, last_data; /* see runtime/program.h */
    int map[3]; /* height, width, channels: the node is a map [channels, height, width], while rows
                   of data and of a replay file are in the order h w c; 0: a vector */
    bool every_pass;  /* noise of a layer: a replay file has a slab for each update of an iteration,
                         whatever its kind, and a last one for the sample */
    double low, high; /* UNIFORM: the interval of the draws, also in a replay file; 0, 0: [0, 1) */
    int part, parts; /* noise inside D: rows of part `part` of a slab of parts * batch rows; 0: 1 */
};

typedef enum ScalarKind {
    SCALAR_RATE,
    SCALAR_UNBIAS,
    SCALAR_UNBIAS_ROOT,
    SCALAR_SHARE,
    SCALAR_COURSE
} ScalarKind;
typedef struct Scalar { /* a number that changes from update to update, computed by the training
                           loop */
    const char *name;
    ScalarKind kind;
    double base;   /* RATE: learning rate; UNBIAS*: decay of a moving average */
    Course course; /* COURSE */
} Scalar;

enum { MAX_STEP_INPUTS = 96, MAX_STEP_SCALARS = 24, MAX_STEP_OUTPUTS = 8 };

typedef struct Step {  /* one update: a graph from inputs to reported numbers and assignments */
    const char *name;  /* "d_step", "g_step", "clamp", "sample" */
    const char *title; /* a sentence for the generated code */
    int count;         /* updates an iteration */
    Input *inputs[MAX_STEP_INPUTS];
    int input_count;
    Scalar scalars[MAX_STEP_SCALARS];
    int scalar_count;
    Node *
        outputs[MAX_STEP_OUTPUTS]; /* scalars; in "sample": the columns [batch, x_dim - cond_dim] */
    const char *output_names[MAX_STEP_OUTPUTS];
    int output_count;
    Node **assigns; /* ASSIGN nodes */
    int assign_count, assign_capacity;
} Step;

typedef struct Graph { /* everything that is built for one model */
    const Model *model;
    int batch_size;
    Node **nodes; /* by id */
    int count, capacity;
    Node **table; /* interning: open addressing */
    int table_size;
    const Resample **maps;
    int map_count, map_capacity;
    Tensor **tensors;
    int tensor_count, tensor_capacity;
    Step *steps; /* clamp (if any), d_step, g_step, sample */
    int step_count;
} Graph;

Graph *graph_new(const Model *model, int batch_size);
Tensor *graph_tensor(Graph *g, Tensor tensor); /* registers a copy */
Node *node_intern(Graph *g, Node prototype);   /* the one node equal to the prototype */
int64_t type_size(const Type *type);           /* elements without the batch axis */
bool type_equal(const Type *a, const Type *b);
Type type_scalar(void);
Type type_vector(bool batch, int n);
Type type_matrix(int rows, int columns);
/* Builders: check shapes (internal_error on a mismatch) and give an interned node. Element-wise
 * operands have equal types. Ids follow the order of calls, and what is emitted follows ids: never
 * make two nodes in one argument list, where the order is the C compiler's. */
Node *node_parameter(Graph *g, Tensor *tensor);
Node *node_input(Graph *g, Input *input); /* [batch], [batch, width] or a map */
Node *node_scalar(Graph *g, const char *name);
Node *node_constant(Graph *g, double value, Type type);
Node *node_unary(Graph *g, Op op, Node *a);
Node *node_leaky(Graph *g, Op op, Node *a, double slope); /* LEAKY or LEAKY_SLOPE */
Node *node_binary(Graph *g, Op op, Node *a, Node *b);
Node *node_scale(Graph *g, Node *a, double factor);         /* a * factor */
Node *node_shift(Graph *g, Node *a, double term);           /* a + term */
Node *node_expand(Graph *g, Node *a, int axis, int extent); /* new axis of equal values */
Node *node_expand_batch(Graph *g, Node *a);
Node *node_expand_to(Graph *g, Node *scalar,
                     Type type); /* a scalar, per sample or not, to any shape */
Node *node_reshape(Graph *g, Node *a, Type type);
Node *node_slice(Graph *g, Node *a, int axis, int start, int extent);
Node *node_pad(Graph *g, Node *a, int axis, int start,
               int extent); /* zeros around; extent of the result */
Node *node_concat(Graph *g, Node *a, Node *b, int axis);
Node *node_permute(Graph *g, Node *a, const int order[]); /* axis k is axis order[k] of a */
/* The map along an axis, or with BATCH_AXIS over the samples of the batch. */
Node *node_resample(Graph *g, Node *a, int axis, const Resample *map);
Node *node_sum(Graph *g, Node *a, int axis);
Node *node_maximum_of(Graph *g, Node *a, int axis);
Node *node_sum_batch(Graph *g, Node *a);
Node *node_sum_all(Graph *g, Node *a); /* every axis but the batch */
Node *node_mean_batch(Graph *g, Node *a);
/* The trilinear form T = sum x[b,i] w[o,i] y[b,o]: its three partial contractions. */
Node *node_contract_y(Graph *g, Node *x, Node *w); /* [batch,i] [o,i] -> [batch,o] */
Node *node_contract_x(Graph *g, Node *y, Node *w); /* [batch,o] [o,i] -> [batch,i] */
Node *node_contract_w(Graph *g, Node *y, Node *x); /* [batch,o] [batch,i] -> [o,i] */
/* The trilinear form of a convolution (cross-correlation) with stride s and padding `before`:
 * T = sum x[b,i,s_h p + k - before_h, s_w q + l - before_w] w[k,l,i,o] y[b,o,p,q], zero outside of
 * x; its three partial contractions. x [batch, in, height, width], w [rows, columns, in, out],
 * y [batch, out, height, width]. Padding behind x follows from the sizes. */
Node *node_conv_y(Graph *g, Node *x, Node *w, Window window, int height, int width); /* y's size */
Node *node_conv_x(Graph *g, Node *y, Node *w, Window window, int height, int width); /* x's size */
Node *node_conv_w(Graph *g, Node *y, Node *x, Window window, int rows, int columns); /* w's size */
Node *node_assign(Graph *g, Tensor *tensor, Node *value);
Node *node_named(Node *node,
                 const char *name); /* gives the name to a node that has none; returns the node */
Node *node_with_inputs(Graph *g, const Node *node,
                       Node *const inputs[]); /* the same operation on other inputs */

/* ---------------------------------------------------------------- resample.c: maps along an axis.
 * Equal maps are one pointer, so that equal nodes are one node. Coordinates as in TensorFlow 1
 * (docs/hypergan.md): source = index * from / to, no half-pixel shift. */
const Resample *resample_nearest(Graph *g, int from, int to);
const Resample *resample_bilinear(Graph *g, int from, int to);
const Resample *resample_bicubic(Graph *g, int from, int to); /* Keys, a = -0.75 */
const Resample *resample_area(Graph *g, int from, int to);    /* box average, fractional ends */
/* Average of windows of `size`, SAME: ceil(from / size) windows, cells outside do not count. */
const Resample *resample_pool(Graph *g, int from, int size);
/* count elements from `start`, `step` apart (negative: backwards). */
const Resample *resample_pick(Graph *g, int from, int start, int step, int count);
/* Any map: matrix[to][from]. */
const Resample *resample_matrix(Graph *g, int from, int to, const double *matrix);
/* Every row is one element with weight 1: the map only moves. */
bool resample_moves(const Resample *map);
/* All rows are one row of `count` weights, moved on by `step` places each: element j of the result
 * is the sum of weight[t] * in[start + j * step + t] over t < count. */
bool resample_slides(const Resample *map, int *start, int *step, int *count);
/* Every element counts the same in the sum of the result: `sum` times. */
bool resample_even(const Resample *map, double *sum);

/* ---------------------------------------------------------------- ops.c: THE op table */
typedef enum OpClass {
    CLASS_SOURCE,
    CLASS_ELEMENT,
    CLASS_MOVE,
    CLASS_REDUCE,
    CLASS_CONTRACT,
    CLASS_EFFECT
} OpClass;

typedef struct Value { /* what the interpreter computes: doubles, the batch axis first */
    double *data;
    int64_t size;
} Value;

typedef struct OpRow {
    const char *name;
    OpClass kind;
    int arity;
    bool commutes;
    bool cheap;       /* recomputed at every use instead of stored */
    const char *text; /* element-wise: C expression; %a %b operands, %c the constant, @ the target's
                         prefix of functions */
    double (*scalar)(double a, double b,
                     double value); /* element-wise: the double-precision meaning */
    void (*evaluate)(const Graph *g, const Node *node, const Value *in, Value *out); /* other ops */
    /* Adds to grads[k] the gradient that reaches input k from the adjoint of the node; a rule only
     * builds nodes. */
    void (*gradient)(Graph *g, Node *node, Node *adjoint, Node *grads[]);
} OpRow;

extern const OpRow op_table[OP_COUNT];

/* ---------------------------------------------------------------- grad.c */
/* d y / d xs: out[k] has the type of xs[k], a zero constant where y does not depend on it. y is a
 * scalar, or the seed is given (then the vector-Jacobian product). Calling it on its own results
 * gives second derivatives. */
void grad(Graph *g, Node *y, Node *seed, Node *const xs[], int count, Node *out[]);

/* ---------------------------------------------------------------- simplify.c */
void simplify_step(Graph *g,
                   Step *step); /* identities; never changes what a step computes beyond rounding */
void mark_needed(const Step *step, bool *needed); /* by node id: the step computes it */
int count_contractions(const Graph *g,
                       const Step *step); /* contraction nodes that the step still needs */

/* ---------------------------------------------------------------- fold.c */
/* Maps along rows and columns of a convolution's result, as pools, become part of its filter; true
 * when there was one. Of pools along both axes a call folds one. */
bool fold_pools(Graph *g, Step *step);

/* ---------------------------------------------------------------- interpret.c: the referee, in
 * double precision */
typedef struct Interpreter Interpreter;
Interpreter *interpreter_new(Graph *g);
double *interpreter_tensor(
    Interpreter *in, const Tensor *tensor); /* its storage, logical layout, to read and write */
/* Runs a step. inputs[k]: [batch][width] values of step->inputs[k]; scalars[k] of step->scalars[k].
 * Assigns take effect at the end. outputs[k] gets a copy of step->outputs[k] (1 number, or
 * [batch][columns] in "sample"). */
void interpreter_run(Interpreter *in, const Step *step, double *const inputs[],
                     const double *scalars, double *outputs[]);

/* ---------------------------------------------------------------- layers.c, losses.c, steps.c */
typedef struct Module { /* a net with its tensors, ready to be applied */
    const Net *net;
    Tensor ***tensors; /* per layer: weight bias u v, or gain shift, or lower upper */
    Node **u,
        **v; /* per layer: spectral norm's vectors after the forwards built so far, NULL at first */
    Tensor **parameters; /* trained tensors in order */
    int parameter_count;
} Module;

Module *module_new(Graph *g, const Net *net);
/* Applies the net to x [batch, inputs] -> [batch, outputs]. Values are named PREFIX_LAYER.
 * advance: a training forward (spectral norm's power iteration). */
Node *module_apply(Graph *g, Module *module, Node *x, const char *prefix, bool advance);
void module_keep_vectors(Graph *g, Module *module,
                         Step *step); /* assigns u and v, and forgets them */
void step_assign(Step *step, Node *assign);
typedef struct LossTerms {
    Node *real, *fake, *total;
} LossTerms;
LossTerms discriminator_loss(Graph *g, Node *real, Node *fake, Node *label_real, Node *label_fake);
Node *generator_loss(Graph *g, Node *fake, Node *label_real);
/* mean phi(|d score / d at|): score [batch, 1], at [batch, x]. */
Node *gradient_penalty(Graph *g, Node *score, Node *at);
/* Adds to the step one update of every parameter of the module, down the gradient of the loss. */
void module_update(Graph *g, Step *step, Module *module, Node *loss, const Optimiser *optimiser);
Node *add_input(Graph *g, Step *step, Input input);
Node *add_scalar(Graph *g, Step *step, Scalar scalar); /* the one of that name, or a new one */
void add_output(Step *step, const char *name, Node *value);
Graph *steps_build(const Model *model);             /* all steps, simplified */
Graph *sample_build(const Model *model, int batch); /* the sampler alone, for another batch */

/* ---------------------------------------------------------------- optimise.c: the optimisers */
/* The scalars that an optimiser reads; made once a step. */
typedef struct Rates {
    Node *rate;
    Node *first, *second; /* what takes the bias out of Adam's moments */
    struct Rates *inner, *wolf;
} Rates;
/* suffix: makes the names of several optimisers in one step different; "" for one. */
Rates *rates_new(Graph *g, Step *step, const Optimiser *o, const char *suffix);
/* The value of the parameter after one update down d; assigns what the optimiser remembers. value:
 * that from which the update starts, the parameter's own. */
Node *optimise(Graph *g, Step *step, Tensor *p, Node *value, Node *d, const Optimiser *o,
               const Rates *r, const char *prefix);
/* A tensor beside a parameter, of its shape: "D.0.weight.square". */
Tensor *companion(Graph *g, Tensor *of, const char *what, TensorRole role);

/* ---------------------------------------------------------------- schedule.c: sections, kernels */
typedef enum KernelKind {
    KERNEL_FILL,     /* an input of the step into a tile */
    KERNEL_NEST,     /* element-wise nodes over one index space, with reductions */
    KERNEL_JOIN,     /* CONCAT or PAD: pieces one after the other */
    KERNEL_CONTRACT, /* CONTRACT_Y or CONTRACT_X with an epilogue of element-wise nodes */
    KERNEL_WEIGHT    /* CONTRACT_W: adds a tile's share of a weight gradient to a sum */
} KernelKind;

/* Depth first: a tile of samples goes through all kernels of a section while it is in cache. Wide:
 * kernel by kernel over the whole batch, every value a whole array; for images, and for devices. */
typedef enum LoopOrder { ORDER_TILES, ORDER_WIDE } LoopOrder;
enum { NO_REDUCTION = -2 };

typedef struct Kernel {
    KernelKind kind;
    bool batch;  /* runs for every tile of samples; else once, over whole arrays */
    Type space;  /* what its loops run over: [features] a sample, or the array */
    Node *root;  /* FILL JOIN CONTRACT WEIGHT: the node it is for */
    Node **body; /* NEST, CONTRACT: nodes computed in the loop, in order */
    int body_count, body_capacity;
    bool adds;   /* WEIGHT, over tiles: to a sum that an earlier kernel began */
    int number;  /* in the generated code, through all sections of a step */
    int level;   /* global: kernels of one level do not depend on each other */
    int reduced; /* wide: axis over which it reduces, BATCH_AXIS or NO_REDUCTION; one a kernel */
    bool late;   /* wide: only for assignments, after everything else */
} Kernel;

typedef struct Section { /* kernels between two reductions over the batch */
    bool batch;
    Kernel **kernels;
    int count, capacity;
} Section;

typedef struct Sum { /* what is added up over the batch: shares of shards, combined in a fixed tree
                      */
    Node *node;      /* its total: a batch reduction, or the ADD of several that share the sum */
    int phase;       /* the batch section in which its shares are added up */
    bool lanes; /* 16 partial sums an element (SUM_BATCH); else rows like the weight (CONTRACT_W) */
    const char *name;
} Sum;

typedef struct Schedule {
    Graph *graph;
    Step *step;
    LoopOrder order;
    /* Tiles: global 0, batch 0, global 1, batch 1, ..., global last. Wide: one, all kernels in
     * order, sums complete after their kernel. */
    Section *sections;
    int section_count;
    int *section_of; /* by node id: -1 for nodes that are recomputed at their uses, or not needed */
    Kernel **kernel_of; /* by node id */
    bool *stored;       /* by node id: has a buffer */
    bool *late;         /* wide, by node id: only assignments need it */
    int *sum_of; /* by node id: index in sums of the sum that it adds to or is the total of; -1 */
    Sum *sums;
    int sum_count;
    int lanes; /* samples of a tile */
    int tiles, shards;
    double flops; /* of one run of the step: contractions, two a multiply-add */
} Schedule;

Schedule *schedule_step(Graph *g, Step *step, LoopOrder order);
/* A value depends on other samples of its batch: a sampler of it makes batches of its own size. */
bool mixes_samples(const Schedule *s);
LoopOrder host_order(const Model *model); /* the order of programs for the CPU */
double kernel_flops(const Schedule *s, const Kernel *kernel); /* of one run of the step */
double step_bytes(
    const Schedule *s); /* least traffic of one run: state read and written, rows read */
/* Calls visit for every node with a buffer, source or reduction that `node` reads through
 * recomputed nodes. direct: at its own index, without a shift or a broadcast on the way. */
void visit_reads(const Schedule *s, const Node *node,
                 void (*visit)(void *context, Node *read, bool direct), void *context);
bool is_recomputed(const Schedule *s, const Node *node);

/* ---------------------------------------------------------------- plan.c: where buffers lie */
/* Rows and columns of zeros around maps, so that a filter may reach over their edges. */
typedef struct Halo {
    int before[2], after[2];
} Halo;
/* What a convolution needs around its operand k; {0} for other nodes. */
Halo conv_halo(const Node *contraction, int k);

typedef struct Buffer {
    Node *node;
    const char *name; /* of the array in generated code */
    int section;
    int first, last; /* kernels of the section that write and that read last */
    bool across;     /* read in a later section: kept for the whole batch */
    size_t offset;   /* reals, inside the tile's scratch, the kept block, or the wide block */
    Halo halo;       /* wide, of maps */
} Buffer;

typedef struct Plan {
    const Schedule *schedule;
    Buffer *buffers; /* of batch nodes */
    int buffer_count;
    int *buffer_of;  /* by node id, -1 */
    Buffer *globals; /* of global nodes that are stored */
    int global_count;
    int *global_of;      /* by node id, -1 */
    size_t scratch_size; /* reals of a tile's scratch, one a thread */
    size_t kept_size;    /* reals a tile of values kept from one section to a later one */
    size_t wide_size;    /* wide: reals of the block that holds all values of a step */
} Plan;

/* halos: maps that convolutions read get zeros around them (wide order, on the CPU). */
Plan *plan_buffers(const Schedule *s, bool halos);
Buffer *plan_buffer(const Plan *p, const Node *n); /* of a batch or a whole array; NULL: none */
int64_t buffer_reals(const Plan *p,
                     const Buffer *b);  /* wide: of one buffer, halo and slack included */
int64_t stored_reals(const Type *type); /* of a whole array, rows padded */
int64_t plan_reals(const Plan *p);      /* that a step works in, with one thread */
int padded(int n);                      /* n rounded up to a multiple of 16 reals: rows in memory */

/* ---------------------------------------------------------------- options.c */
typedef enum CommandKind {
    COMMAND_COMPILE,
    COMMAND_NEW,
    COMMAND_CHECK,
    COMMAND_TRAIN,
    COMMAND_BENCH,
    COMMAND_SCORE,
    COMMAND_REPLAY,
    COMMAND_CACHE,
    COMMAND_DOCTOR
} CommandKind;
typedef enum Isa { ISA_AVX512, ISA_AVX2, ISA_GENERIC } Isa; /* instruction set of generated code */
enum { MAX_OPERANDS = 3 };

/* What the operands of products are rounded to on a GPU, sums in single precision; the CPU's part
 * of such a program is in single precision. */
typedef enum TensorPrecision {
    TENSOR_NONE,
    TENSOR_TF32,
    TENSOR_3XTF32,
    TENSOR_BF16
} TensorPrecision;

typedef struct Options { /* the command line, checked; NULL, 0 or false where an option is absent */
    CommandKind command;
    const char *operands[MAX_OPERANDS]; /* CONFIG.json, and what the command takes after it */
    const char *output;                 /* -o */
    const char *data;                   /* --data */
    const char *compiler;               /* --cc */
    Isa isa;                            /* of this machine unless --isa says otherwise */
    bool f64, plain, json, no_cache, fresh, emit_only;
    bool crop, resize, random_crop; /* of images of another size */
    bool wide;                      /* --order wide */
    bool list;                      /* new --list */
    const char *config_template;    /* new --template */
    int64_t threads;
    int width, height, channels, batch_size; /* -s, -b; HyperGAN */
    bool strict;
    bool cuda;                  /* code for a GPU too: --target */
    TensorPrecision tensor;     /* --precision tf32 or bf16 */
    const char *default_device; /* "cuda" or "auto": of the program, with cuda */
    const char *device;         /* --device, handed on to RUN/train */
    const char **archs;         /* --arch */
    bool fixed;                 /* --static */
    int arch_count;
    const char *iterations, *seed; /* handed on to RUN/train, which checks them */
    Override *overrides;           /* -p key=value, in order */
    int override_count;
} Options;

/* Reads the command line; --help and --version print and end the program, a usage error ends it
 * with EXIT_USAGE. */
Options *command_parse(int argc, char **argv);

/* ---------------------------------------------------------------- emit.c: the files of a generated
 * program */
enum { MAX_ARCHS = 16 };
typedef struct EmitOptions {
    Isa isa;
    bool f64, plain;
    TensorPrecision tensor;
    LoopOrder order;
    bool cuda;          /* also code for a GPU */
    const char *device; /* cuda: where it trains when nobody says, "cuda" or "auto" */
    const char **archs; /* cuda: "sm_90": machine code made now */
    int arch_count;
    const struct CudaFault *fault; /* cuda: planted, for the tests; NULL: none */
} EmitOptions;
typedef struct EmittedFile { /* one text; every "src/NAME.c" is a unit of both programs */
    const char *name;        /* path below RUN/: "src/model.c", "sampler/sampler.h" */
    const char *text;
    size_t length;
} EmittedFile;
typedef struct EmittedFiles {
    EmittedFile *files;
    int count;
} EmittedFiles;
EmittedFiles emit_program(const Model *model, const EmitOptions *options);

/* ---------------------------------------------------------------- embedded files: runtime/,
 * templates/ and configs/hypergan/, inside gagac */
typedef struct EmbeddedFile {
    const char *name;
    const char *text;
    size_t length;
} EmbeddedFile; /* "runtime/npy.c" */
extern const EmbeddedFile embedded_files[];
extern const int embedded_file_count;
const EmbeddedFile *embedded_find(const char *name); /* NULL when there is none; files.c */

/* ---------------------------------------------------------------- build.c: texts to programs */
typedef struct BuildOptions {
    const char *compiler; /* --cc, NULL: searched */
    Isa isa;
    bool f64;
    bool plain;        /* portable loops, which the C compiler makes vectors of */
    bool profile;      /* kernels count their time */
    bool sources_only; /* RUN/src and RUN/sampler without programs: no compiler is needed */
    bool no_cache;
    bool images;      /* the program reads and writes images: with runtime/image_*.c and the
                         libraries they need */
    const char *data; /* default of RUN/train --data, NULL: none */
    const char *fit;  /* an option of RUN/train by default, NULL: none: "--crop" */
    int threads;      /* default of RUN/train --threads, 0: none */
} BuildOptions;

/* Makes the folder RUN whole or not at all: RUN/src, RUN/sampler, RUN/train, RUN/sample. In a RUN
 * that is there already exactly these are replaced, checkpoints and results stay. */
void build_run(const char *run, EmittedFiles files, const BuildOptions *options);
/* Builds train alone in a private folder that goes when gagac ends; the path of the program.
 * Signals are held from here on (process.c). */
const char *build_train(EmittedFiles files, const BuildOptions *options);

/* ---------------------------------------------------------------- command_score.c (scores:
 * score.h) */
/* `gagac score REAL.npy GENERATED.npy [--c2st] [--json]`; argv[0] is the word before the options.
 */
int command_score(int argc, char **argv);

/* ---------------------------------------------------------------- the commands, each in the file
 * of its name */
typedef struct StepCost { /* what one update costs */
    const char *name;     /* of the Step */
    int count;            /* updates an iteration */
    double flops, bytes;  /* operations; traffic that cannot be avoided */
    double memory; /* bytes that it works in, single precision, one thread: state and values */
    double values; /* bytes of these that are its own: without the state */
} StepCost;
enum { MAX_STEPS = 16 };
int steps_cost(const Model *model, StepCost costs[MAX_STEPS]); /* schedule.c; their number */

void check_print(const Model *model, const StepCost *costs, int cost_count, bool json);
void check_data(const Model *model,
                const char *path); /* a data set has the config's columns, and a batch of rows */
/* The same of images: they can be opened, and there is a batch of them. check_images.c */
void check_images(const char *path, int batch_size);
/* Builds the program twice, with and without clocks in the kernels, runs both and prints what they
 * measured. */
void bench_print(EmittedFiles files, const BuildOptions *build, bool json);
/* The same on the GPU, by the program's own clocks there. */
void bench_device_print(EmittedFiles files, const BuildOptions *build, bool json);
void doctor_print(const char *compiler); /* compiler: --cc or NULL */
void replay_interpret(const Model *model, const char *input, const char *output); /* replay.c */

#endif
