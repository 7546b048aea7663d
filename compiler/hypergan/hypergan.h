/* hypergan.h -- the HyperGAN dialect: what a config says, and how its networks become nodes.
 *
 *   JSON -> read_hypergan.c (read_loss.c, read_trainer.c, hyper_lines.c, hyper_options.c) -> Hyper
 *        -> hyper_steps.c (hyper_nets.c, hyper_layers.c ..., hyper_losses.c, hyper_penalties.c)
 *        -> Graph
 *
 * The reference of the dialect is docs/hypergan.md. A value in a network is a Flow: one slab of
 * batch_size samples in a generator, two (real, fake) in a discriminator, which sees both as one
 * batch. A map is a node [channels, height, width]; people, checkpoints and the dialect's axes say
 * height, width, channels. */
#ifndef GAGAC_HYPERGAN_H
#define GAGAC_HYPERGAN_H

#include "gagac.h"

#include "nash.h"

/* ---------------------------------------------------------------- hyper_options.c: values */
typedef struct Option { /* a value, in a layer string or in the JSON, or nothing */
    bool given;
    bool numeric;
    double number;
    const char *text; /* as written; of a list or an object NULL */
    const Json *json; /* NULL: in a layer string */
    Span span;
} Option;

typedef struct Word { /* a name that a config may give, and what it means */
    const char *name;
    int value;
    const char *reason; /* NULL, or why it is not taken */
} Word;

/* A member of an object: the last of that name. null, false, 0, "" and [] count as absent, as in
 * the original; where that hides a number that was given, a warning says so. */
Option json_option(const Json *object, const char *key);
/* The same, but 0 and false are values. */
Option json_option_exact(const Json *object, const char *key);
double option_number(Option option, double fallback, const char *what); /* fails on other kinds */
int option_integer(Option option, int fallback, int least, const char *what);
bool option_switch(Option option); /* given, and not false */
bool option_is(Option option, const char *text);
/* The value of the word that the option names; an unknown word fails with the nearest one. */
int option_word(Option option, int fallback, const Word *words, size_t count, const char *what);
/* The same for a path like "class:hypergan.losses.wasserstein_loss.WassersteinLoss": its last part
 * counts. */
int option_class(Option option, int fallback, const Word *words, size_t count, const char *what);
const char *class_symbol(Option option); /* the last part of the path, or the text itself */
#define WORDS(table) table, sizeof(table) / sizeof((table)[0])
/* A number that may change with the steps: a number, or decay(range=a:b steps=n start=s). */
Course option_course(Option option, double fallback, const char *what);

/* ---------------------------------------------------------------- hyper_lines.c: layer strings */
typedef struct Token { /* "filter=3", or "64" */
    const char *key;   /* NULL: positional */
    const char *text;
    Span span;
} Token;

typedef struct HyperRow HyperRow;
typedef struct Line {   /* an element of "layers" */
    const HyperRow *op; /* NULL: a list of lines applied to one input, joined along `axis` */
    const char *text;
    Span span;
    Token *tokens; /* without the op, in order */
    int token_count;
    struct Line *items;
    int item_count;
    int axis; /* of a list: 0 batch, 1 height, 2 width, 3 or -1 channels */
} Line;

typedef struct Lines {
    Line *items;
    int count;
} Lines;

Lines read_lines(const Json *layers);                  /* "layers": [...] */
Line line_from_text(const char *text, Span span);      /* a line that is in no config */
Option line_option(const Line *line, const char *key); /* k=v, the last of that name */
Option line_argument(const Line *line, int position);  /* positional, from 0 */
int line_argument_count(const Line *line);

/* ---------------------------------------------------------------- what a config says */
typedef enum ComponentKind {
    COMPONENT_CONFIGURABLE,
    COMPONENT_DCGAN_GENERATOR,
    COMPONENT_DCGAN_DISCRIMINATOR,
    COMPONENT_RESIZABLE,
    COMPONENT_AUTOENCODER
} ComponentKind;

typedef struct Component {
    const char *name; /* "generator" */
    const char *tag;  /* "G" */
    ComponentKind kind;
    const Json *json, *defaults;
    Lines lines;                               /* CONFIGURABLE */
    const struct Component *encoder, *decoder; /* AUTOENCODER */
    const struct Component *relational;        /* of the layer `relational`, or NULL */
} Component;

typedef enum Projection {
    PROJECT_IDENTITY,
    PROJECT_GAUSSIAN,
    PROJECT_SPHERE,
    PROJECT_MODAL,
    PROJECT_BINARY,
    PROJECT_ZERO,
    PROJECT_MODAL_GAUSSIAN,
    PROJECT_MODAL_SPHERE,
    PROJECT_MODAL_SPHERE_GAUSSIAN,
    PROJECT_PERIODIC,
    PROJECT_PERIODIC_GAUSSIAN
} Projection;

typedef struct Latent {
    int draws; /* uniform numbers a sample: z, or one a category */
    double least, most;
    Projection *projections;
    int projection_count;
    int *categories; /* of a CategoryEncoder, else NULL */
    int category_count;
    double modes, periods;
    Span span;
} Latent;

typedef enum GanLoss {
    GAN_WASSERSTEIN,
    GAN_LEAST_SQUARES,
    GAN_STANDARD,
    GAN_LOGISTIC,
    GAN_BOUNDARY_EQUILIBRIUM,
    GAN_SOFTMAX,
    GAN_CRAMER,
    GAN_RAGAN,
    GAN_ALI,
    GAN_LAMB,
    GAN_QP,
    GAN_F_DIVERGENCE
} GanLoss;
typedef enum Reduce {
    REDUCE_MEAN,
    REDUCE_SUM,
    REDUCE_MIN,
    REDUCE_LOGSUMEXP,
    REDUCE_LINEAR /* while the config is read: a last layer of D, then the mean */
} Reduce;
typedef enum LossType { /* of the losses that have a `type` */
                        TYPE_NONE,
                        TYPE_WGAN,
                        TYPE_LEAST_SQUARES,
                        TYPE_LOGISTIC,
                        TYPE_WASSERSTEIN,
                        TYPE_ORIGINAL,
                        TYPE_LABEL_SMOOTHING,
                        TYPE_KL,
                        TYPE_JS,
                        TYPE_GAN,
                        TYPE_REVERSE_KL,
                        TYPE_PEARSON,
                        TYPE_SQUARED_HELLINGER,
                        TYPE_JS_WEIGHTED,
                        TYPE_NEYMAN,
                        TYPE_TOTAL_VARIATION,
                        TYPE_ALPHA1,
                        TYPE_ALPHA2
} LossType;

typedef struct GanLossConfig {
    GanLoss kind;
    Reduce reduce;
    LossType type, g_type;
    bool reverse, improved, use_k, dragan;
    double label_smooth, target;
    double labels[3]; /* a b c */
    double gamma, initial_k, k_lambda;
    double alpha, beta;
    bool strict;             /* as in the papers, where the original differs */
    Course gradient_penalty; /* weight; off when `has_penalty` is false */
    bool has_penalty;
    bool rothk;
    double rothk_lambda, locally_stable, k_lipschitz; /* weights; 0: off */
    double ragan_lipschitz, l2nn, ortho;              /* the same */
    double jg;                                        /* jg_lambda where jg_penalty is on */
    bool random;                                      /* random_penalty */
    double random_offset;
    bool minibatch;
    int minibatch_kernels, minibatch_dims;
    Span span;
} GanLossConfig;

typedef enum HookKind {
    HOOK_GRADIENT_PENALTY,
    HOOK_K_LIPSCHITZ,
    HOOK_LOCALLY_STABLE,
    HOOK_FORCE_EQUILIBRIUM,
    HOOK_MAX_GRADIENT,
    HOOK_WEIGHT_PENALTY,
    HOOK_SELF_SUPERVISED,
    HOOK_WEIGHT_CONSTRAINT,
    HOOK_ROLLING_MEMORY,
    HOOK_MATCH_SUPPORT,
    HOOK_INPUT_FITNESS
} HookKind;

typedef enum MatchLoss { /* what MatchSupport makes small; see docs/hypergan.md */
                         MATCH_BASE,
                         MATCH_ZERO,
                         MATCH_WGAN,
                         MATCH_CLOSE,
                         MATCH_CLOSE2,
                         MATCH_FIXED,
                         MATCH_FIXEDSTD,
                         MATCH_FIXED2,
                         MATCH_FIXED3,
                         MATCH_FIXED4,
                         MATCH_FIXED5,
                         MATCH_FIXED7,
                         MATCH_TARGETS,
                         MATCH_ABSDIFF,
                         MATCH_XOR
} MatchLoss;

typedef struct Match { /* the inner loop of a MatchSupport */
    MatchLoss loss;
    bool moves_d, moves_g, moves_x, moves_fake; /* networks; offsets of real and fake samples */
    const char **layers;                        /* `name` of the layers with offsets */
    int layer_count;
    double lambda, distance; /* distance 0: that of the loss */
    bool has_threshold;
    double threshold, convergence; /* convergence 0: none */
    int max_steps, max_depth;
    Optimiser *optimiser;
} Match;

typedef enum MemoryKind {              /* what a pair of a rolling memory shows to D */
                          MEMBER_X,    /* the pictures of this step */
                          MEMBER_G,    /* what the generator makes in it */
                          MEMORY_OF_X, /* pictures that are kept */
                          MEMORY_OF_G,
                          MEMORY_OF_Z /* what the generator makes of latents that are kept */
} MemoryKind;

typedef struct MemoryMember {
    MemoryKind kind;
    int sign; /* 1: keeps those with large outputs of D, -1: with small ones; 0: by place */
} MemoryMember;

typedef struct MemoryPair {
    MemoryMember left, right; /* as real, as fake */
    double weight;
} MemoryPair;
enum { MAX_PAIRS = 8 };

typedef struct Hook {
    HookKind kind;
    Course lambda;
    double flex, distance;
    bool has_flex;
    bool on_generator_loss;              /* loss: "g_loss" */
    bool target_generator;               /* differentiates the generator's output */
    bool use_d, use_g;                   /* whose variables */
    bool l2nn, ortho, ortho2, lipschitz; /* constraints of weights */
    double decay, bound;                 /* WEIGHT_CONSTRAINT: of ortho and ortho2; lipschitz's k */
    double l2nn_decay;                   /* share of the way to l2nn's weights */
    bool by_columns, bounces, scales_up; /* lipschitz */
    int every;  /* WEIGHT_CONSTRAINT: iterations between two moves of the weights;
                   ROLLING_MEMORY: between two changes of the memories */
    int offset; /* ROLLING_MEMORY: iteration of the first change */
    int top_k;  /* ROLLING_MEMORY: samples changed at once */
    bool reverse_mx, reverse_mg, reverse_top;
    MemoryPair *pairs;
    int pair_count;
    bool only;                   /* its losses replace what was there before */
    Match match;                 /* MATCH_SUPPORT */
    bool absolute, reversed;     /* INPUT_FITNESS: of abs(r), of -r */
    int search_steps, heuristic; /* INPUT_FITNESS: batches looked at; as in Search */
    bool skip_restore;           /* INPUT_FITNESS: takes the last batch, whatever its fitness */
    double alpha, beta;          /* SELF_SUPERVISED: weights in the loss of G, of D */
    Span span;
} Hook;

typedef enum TrainerKind {
    TRAINER_ALTERNATING,
    TRAINER_SIMULTANEOUS,
    TRAINER_CONSENSUS
} TrainerKind;
typedef enum ConsensusRule { RULE_CONSENSUS, RULE_TTUR, RULE_SINGLE_STEP } ConsensusRule;

typedef enum SearchKind { SEARCH_NONE, SEARCH_THRESHOLD, SEARCH_BATCH } SearchKind;
typedef enum Fitness { /* of a sample; low is good. r, f: D's outputs for real and fake */
                       FITNESS_MINUS_F,
                       FITNESS_F,
                       FITNESS_LS,
                       FITNESS_MINUS_LS,
                       FITNESS_LS_C,
                       FITNESS_STD,
                       FITNESS_ONE_MINUS_F,
                       FITNESS_DIFFERENCE,
                       FITNESS_SQUARES,
                       FITNESS_ABSOLUTE,
                       FITNESS_ABS_F,
                       FITNESS_MINUS_ABS_F,
                       FITNESS_MINUS_LS_C,
                       FITNESS_F_MINUS_ONE,
                       FITNESS_LOSSES, /* from here on the gradients of D or the losses count */
                       FITNESS_G_LOSS,
                       FITNESS_MINUS_G_LOSS,
                       FITNESS_GRADIENTS,
                       FITNESS_MINUS_GRADIENTS,
                       FITNESS_TENTH,
                       FITNESS_ENERGY,
                       FITNESS_POINT,
                       FITNESS_BOTH,
                       FITNESS_MINUS_BOTH,
                       FITNESS_STANDARD,
                       FITNESS_FQ1,
                       FITNESS_FQ2,
                       FITNESS_FQ3,
                       FITNESS_FQ4,
                       FITNESS_FQ5,
                       FITNESS_FQ6,
                       FITNESS_FQ11
} Fitness;

typedef struct Search { /* for latents that are worth a step (Fitness and BatchFitness trainers) */
    SearchKind kind;
    Fitness fitness;
    int steps;     /* BATCH: batches looked at, at most */
    int heuristic; /* BATCH: ends after more steps in a row than this without a gain; -1: never */
    bool sums;     /* gradients of D count by sums, not means */
    double diversity;
    double decay; /* THRESHOLD */
} Search;

typedef enum Payoff { /* of the generator; r, f: D's outputs for real and fake */
                      PAYOFF_DIFFERENCE,
                      PAYOFF_LEAST_SQUARES,
                      PAYOFF_SQUARES,
                      PAYOFF_SIGNED,
                      PAYOFF_HALVES,
                      PAYOFF_PRODUCT,
                      PAYOFF_SQUARED_PRODUCT,
                      PAYOFF_POSITIVE_PRODUCT,
                      PAYOFF_LABELLED_PRODUCT,
                      PAYOFF_LABELLED_PRODUCTS,
                      PAYOFF_RELATIVE_HALVES,
                      PAYOFF_RELATIVE_SQUARES,
                      PAYOFF_ZERO_RELATIVE,
                      PAYOFF_ZERO_RELATIVE2,
                      PAYOFF_RAGAN,
                      PAYOFF_RAGAN_LOG,
                      PAYOFF_STANDARD,
                      PAYOFF_SIGMOID,
                      PAYOFF_SIGMOIDS,
                      PAYOFF_JENSEN,
                      PAYOFF_G_LOSS,
                      PAYOFF_D_LOSS,
                      PAYOFF_MINUS_G_LOSS,
                      PAYOFF_MINUS_BOTH, /* and that of D of its own, as all that follow */
                      PAYOFF_BOTH,
                      PAYOFF_G_MINUS_D,
                      PAYOFF_DOUBLE,
                      PAYOFF_DOUBLE_RAGAN,
                      PAYOFF_DOUBLE_SQUARES
} Payoff;

typedef struct Gang { /* see ProgramGang in runtime/program.h */
    int mix_steps;    /* 0: no gang */
    bool remembers;
    double decay;
    int size, points;
    NashMethod method;
    Payoff payoff;
    bool crossover, crossover_random, mutates;
    double mutation_chance;
    int d_on_generators, g_on_discriminators; /* iterations between two trainings of a side on what
                                                 is remembered of the other; 0: never */
    int64_t reset_before; /* until this iteration networks begin anew after a mixing */
    const char **preload; /* checkpoints whose networks are remembered from the start */
    int preload_count;
} Gang;

typedef struct Phase { /* of a curriculum: a config and how long it trains */
    const char *name;  /* of the config; of the first one NULL: the config that is compiled */
    int64_t steps;
    Span span;
    const Model *model;
} Phase;

typedef struct Curriculum {
    Phase *stages;
    int count;
    bool cycle; /* the first follows the last */
} Curriculum;

typedef struct Trainer {
    TrainerKind kind;
    Curriculum *curriculum; /* as its trainer has it; NULL: none */
    Search search;
    Gang gang;
    Optimiser *d_optimiser, *g_optimiser; /* one and the same where both nets share it */
    int d_updates;
    bool clips_gradients, clips_weights;
    double shake_d, shake_g; /* added to each weight before an iteration: U(0, 1) times this */
    double clipped_gradients, d_clipped_weights;
    double jg_alpha, d_w_lambda, g_w_lambda, g_direction; /* consensus */
    ConsensusRule rule;
    Hook *hooks;
    int hook_count;
    Span span;
} Trainer;

struct Hyper {
    const Json *root;
    int width, height, channels;
    bool strict; /* the intended meaning where the original's differs */
    Latent latent;
    Component generator, discriminator;
    GanLossConfig loss;
    Trainer trainer;
    const Curriculum *curriculum; /* that the config is a stage of, with all models; NULL: none */
    int stage;
};

/* ---------------------------------------------------------------- hyper_nodes.c: nodes for maps */
Node *map_to_rows(Graph *g, Node *map);  /* [c,h,w] -> [h,w,c]; other shapes stay */
Node *rows_to_map(Graph *g, Node *rows); /* [h,w,c] -> [c,h,w] */
Node *flatten(Graph *g, Node *value);    /* any shape -> [n], order h w c */
Node *unflatten(Graph *g, Node *vector, int rank, const int dims[]); /* [n] -> h w c order */
/* x [c,h,w] and weight [kh,kw,in,out] -> [out, ceil(h/sh), ceil(w/sw)], SAME. */
Node *convolve_same(Graph *g, Node *x, Node *weight, int stride_h, int stride_w);
/* Transpose of a SAME convolution: weight [kh,kw,out,in] -> [out, h sh, w sw]. */
Node *deconvolve_same(Graph *g, Node *x, Node *weight, int stride_h, int stride_w);
Node *average_pool(Graph *g, Node *x, int pool_h, int pool_w); /* padding left out of the mean */
Node *window_sum(Graph *g, Node *x, int axis, int width, int stride); /* SAME windows */
typedef enum Resize { RESIZE_BILINEAR, RESIZE_NEAREST, RESIZE_BICUBIC, RESIZE_AREA } Resize;
Node *resize(Graph *g, Node *x, int height, int width, Resize method);
/* out[i r + s, j r + t, c] = x[i, j, (s r + t) C + c] */
Node *depth_to_space(Graph *g, Node *x, int r);
Node *phase_shift(Graph *g, Node *x,
                  int r); /* out[i r + q, j r + p, c] = x[i, j, c r r + p r + q] */
/* Rows of a batch mixed: out[b] = sum over rows[b][k] x[k]; rows is [batch][batch]. */
Node *mix_batch(Graph *g, Node *x, const double *rows);
Node *add(Graph *g, Node *a, Node *b);
Node *subtract(Graph *g, Node *a, Node *b);
Node *multiply(Graph *g, Node *a, Node *b);
Node *square(Graph *g, Node *a);
Node *negate(Graph *g, Node *a);
Node *sum_list(Graph *g, Node *const *nodes, int count);
Node *sum_of_squares(Graph *g, Node *a); /* over everything but the batch */
Node *softplus(Graph *g, Node *a);       /* log(1 + e^a) */
Node *clip(Graph *g, Node *a, double least, double most);
Node *expand_channels(Graph *g, Node *vector, const Type *type); /* [c] -> [c,h,w], or [c] */

/* ---------------------------------------------------------------- values in networks */
enum { MAX_SLABS = 8 };
typedef struct Flow { /* the batches of one value; D has two: real, fake */
    Node *slabs[MAX_SLABS];
    int count;
} Flow;

typedef struct NamedFlow {
    const char *name;
    const char *component;
    Flow flow;
} NamedFlow;

typedef struct TableRow { /* a line of `gagac check` */
    const char *text;
    Type type;
    int64_t parameters;
} TableRow;

typedef struct Pass { /* one evaluation of the networks inside a step */
    Graph *g;
    Step *step;
    const Hyper *hyper;
    NamedFlow *names;
    int name_count, name_capacity;
    Flow latent;     /* before it is clipped */
    Flow real;       /* of src=inputs; count 0: none in this pass */
    int noise_lines; /* that drew so far */
    bool sampling;   /* the step has no iteration: it draws samples */
    bool keeps;      /* the step keeps what a forward changes: spectral norm's vectors */
    Node **values;   /* by index of the graph's tensors: instead of the tensor; NULL: none */
    int value_count;
    TableRow *rows; /* for the table of layers; filled where `tabulate` */
    int row_count, row_capacity;
    bool tabulate;
    bool announces; /* warns of what differs from what one would expect: once a config */
} Pass;

typedef struct Network { /* a component while it is applied */
    Pass *pass;
    Graph *g;
    const Component *component; /* whose options count */
    const char *tag;            /* prefix of its tensors */
    int next;                   /* the k of the next line that owns parameters */
    int current;                /* that of the present line, or -1 */
    int64_t parameters;         /* of the present line */
    const char *owned[16];      /* its tensors so far */
    int owned_count;
    const Line *line;
    bool frozen;             /* trainable=false on the present line */
    bool cells;              /* inside `relational`: each cell of a map is a vector of its own */
    const char *initializer; /* of the lines of a built-in class, where no config says another */
} Network;

void fail_line(const Network *n, const char *hint, const char *format, ...) NO_RETURN
    PRINTF_LIKE(3, 4);
/* The option of the present line, else of the component, else of its defaults. */
Option network_option(const Network *n, const char *key);
Option component_option(const Network *n, const char *key); /* the same without the line */
/* A tensor of the present line (made at the first use), as a node. */
Node *own(Network *n, const char *what, Type type, Initialiser init, double scale);
/* A weight, initialised as the options say; fans as in section "initialisers" of the reference. */
Node *own_weight(Network *n, const char *what, Type type, int fan_in, int fan_out, Option init);
Tensor *own_tensor(Network *n, const char *what, Tensor tensor);
void own_end(Network *n); /* the line's number is used up: what follows gets the next */
Node *pass_parameter(Pass *pass, Tensor *tensor);
Node *step_input(Graph *g, Step *step, Input input); /* the one of that name and part, or new */
/* Draws of the present line for each slab: N(0,1), or U(-1,1). */
Flow draw_noise(Network *n, Flow like, bool uniform);

/* ---------------------------------------------------------------- hyper_activations.c */
Flow activate(Network *n, Flow x, Option name);
bool activation_doubles(Network *n, Option name); /* twice the channels: crelu, double_sided */
extern const Word activation_words[];
extern const size_t activation_word_count;

/* ---------------------------------------------------------------- hyper_layers.c, hyper_ops.c */
struct HyperRow { /* an operation of the layer language */
    const char *name;
    Flow (*apply)(Network *n, Flow x);
    const char *options; /* its own, separated by spaces */
    const char *reason;  /* NULL, or why it is not taken */
};
extern const HyperRow hyper_rows[];
extern const size_t hyper_row_count;
const HyperRow *find_op(const char *name);

Flow apply_lines(Network *n, Lines lines, Flow x);
Flow apply_line(Network *n, const Line *line, Flow x);
Flow apply_text(Network *n, const char *text, Flow x); /* a line of a built-in class */
typedef struct ConvPlan { /* filter, stride and pool, as options and defaults say */
    int filter_h, filter_w, stride_h, stride_w, pool_h, pool_w;
} ConvPlan;
ConvPlan plan_conv(Network *n);
/* Convolution and bias; no pool, no activation. prefix: of its tensors' names, "" or "conv1.". */
Flow convolve(Network *n, Flow x, const char *prefix, int channels, ConvPlan plan);
/* What follows: pool, normalisation by a style, activation. */
Flow finish_conv(Network *n, Flow x, ConvPlan plan, Option activation);
/* Transposed convolution and bias. */
Flow deconvolve(Network *n, Flow x, int channels, ConvPlan plan);
Flow dense(Network *n, Flow x, const char *prefix, int outputs, bool bias);
Option activation_of(Network *n);
Flow norm_by_style(Network *n, Flow x, Flow style, const char *prefix, bool bias);
Flow find_flow(Network *n, Option name, Option source);
Flow join_flows(Network *n, Flow a, Flow b, int axis);
void name_flow(Network *n, const char *name, Flow flow);
int line_channels(Network *n, Flow x);
void expect_map(Network *n, Flow x);
int read_sizes(Network *n, Option option, int dims[3]); /* "4*4*64": their number */
Flow add_flows(Network *n, Flow a, Flow b);             /* of one shape, else it fails */
Flow linear_op(Network *n, Flow x);
Flow conv_op(Network *n, Flow x);
Flow deconv_op(Network *n, Flow x);
Flow resize_conv_op(Network *n, Flow x);
Flow adaptive_instance_norm_op(Network *n, Flow x);
Flow match_support_op(Network *n, Flow x);                      /* hyper_inner.c */
bool is_match_offset(const Tensor *tensor, const Match *match); /* that the hook moves */
Flow normalise_batch(Network *n, Flow x, double epsilon); /* over batch and cells, no parameters */

/* ---------------------------------------------------------------- hyper_batch.c: layers that look
 * at several samples */
Flow minibatch_op(Network *n, Flow x);
Flow turing_test_op(Network *n, Flow x);
Flow reverse_batch_op(Network *n, Flow x);
Flow two_sample_stack_op(Network *n, Flow x);
Flow slice_input_op(Network *n, Flow x);

/* ---------------------------------------------------------------- hyper_relation.c */
Flow relational_op(Network *n, Flow x);
bool is_relational_layer(const HyperRow *op); /* can stand inside `relational` */

/* ---------------------------------------------------------------- hyper_nets.c */
Flow apply_component(Pass *pass, const Component *component, Flow x);
Node *latent_sample(Graph *g, const Latent *latent, Node *draws); /* before the clip */
int latent_size(const Latent *latent);

/* ---------------------------------------------------------------- hyper_losses.c */
typedef struct GanTerms { /* d_loss and g_loss of two outputs of D */
    Node *d_loss, *g_loss;
    Node *next_k; /* boundary equilibrium */
} GanTerms;
/* real, fake: outputs of D, one slab each; k: a scalar, NULL where the loss has none. images:
 * real and fake inputs of D (for QPLoss). */
GanTerms gan_loss(Graph *g, const GanLossConfig *loss, Node *real, Node *fake, Node *k,
                  Node *real_image, Node *fake_image);
Node *reduce_all(Graph *g, Reduce how, Node *value); /* over everything and the batch */

/* ---------------------------------------------------------------- hyper_hooks.c */
typedef struct RotationLosses { /* how badly D tells by how much samples were turned; numbers */
    Node *real, *fake;
} RotationLosses;
/* For one more application of a network: the first `names` names of values, and nothing is kept or
 * said. */
Pass pass_apart(const Pass *pass, int names);
/* pass: one that is apart. span: of the hook. The head is D.0.rotation.weight and .bias. */
RotationLosses rotation_losses(const Pass *pass, Node *real, Node *fake, Span span);

/* ---------------------------------------------------------------- read_hypergan.c's parts:
 * read_loss.c, read_trainer.c, read_hooks.c */
Option element_option(const Json *json); /* of a list */
int count_elements(const Json *list);
const Json *list_member(const Json *object, const char *key); /* NULL where there is none */
/* A note for each key that looks like a misspelt one of `known`, words with spaces between. */
void check_keys(const Json *object, const char *known, const char *what);
GanLossConfig read_loss(const Json *json, bool strict);
Trainer read_trainer(const Json *json);
Optimiser *read_optimiser(const Json *json, int depth);      /* depth: of wrappers around it */
const Json *optimizer_of(const Json *json, const char *key); /* an object with class, or NULL */
void read_hooks(Trainer *t, const Json *json);

/* ---------------------------------------------------------------- the dialect as a whole */
bool is_hypergan(const Json *root);
/* hyper_files.c (and config_find() in gagac.h) */
void config_inherit(Json *root);
void config_override(Json *root, const Override *overrides, int count); /* -p a.b=value */
typedef struct HyperOptions { /* of the command line; 0 or NULL where absent */
    int width, height, channels, batch_size;
    bool strict;
    const Override *overrides;
    int override_count;
    const Model *like; /* whose sizes count where the config has none; NULL: the usual ones */
} HyperOptions;
/* A config, and those that its curriculum names. hyper_stages.c */
Model *read_hypergan(Json *root, const HyperOptions *options);
Model *read_hypergan_one(Json *root, const HyperOptions *options);
/* By tensor of g: the name of the one in the previous stage whose value it begins with, or NULL. */
const char **carried_names(const Model *model, const Graph *g);
/* The tensors of both networks, in a graph without steps. hyper_steps.c */
Graph *hyper_tensors(const Model *model);
Graph *hyper_steps(const Model *model);
Graph *hyper_sample(const Model *model, int batch);
/* The layers of a component with shapes and parameters. */
int hyper_table(const Model *model, const char *tag, TableRow **rows);

#endif
