/* hyper_game.h -- a game of the HyperGAN dialect: both networks applied once, and their losses.
 * Shared by hyper_steps.c and hyper_penalties.c. */
#ifndef GAGAC_HYPER_GAME_H
#define GAGAC_HYPER_GAME_H

#include "hypergan.h"

/* Purpose words of the random counter. */
enum {
    STREAM_LATENT_D = 1,
    STREAM_MIX,
    STREAM_DRAGAN,
    STREAM_RANDOM_PENALTY,
    STREAM_LATENT_G = 7,
    STREAM_LATENT_SAMPLE = 9,
    STREAM_SEARCH = 20,
    STREAM_PAYOFF = 30
};

typedef struct Builder {
    Graph *g;
    const Model *model;
    const Hyper *hyper;
    Tensor *k; /* boundary equilibrium */
} Builder;

typedef struct Game { /* both networks applied once, and their losses */
    Pass pass;
    Node *real, *fake; /* images */
    Node *d_real, *d_fake;
    Node *d_loss, *g_loss, *next_k, *penalty;
    Node *latent;   /* as the generator reads it */
    bool remembers; /* in the update that keeps samples: D's, or that of both networks */
    int names;      /* of values in the pass before D was applied */
} Game;

typedef struct HookLosses { /* what a hook adds; NULL: nothing */
    Node *d, *g;
} HookLosses;

typedef struct Variables { /* some of the graph's tensors, as the nodes of a pass */
    Tensor **tensors;
    Node **nodes;
    int count;
} Variables;

static inline bool is_zero(const Node *n) { return n->op == OP_CONSTANT && n->value == 0; }

/* ---------------------------------------------------------------- hyper_penalties.c */
/* The parameters of the networks asked for; frozen ones where `all`. */
Variables game_variables(Builder *b, Pass *pass, bool d, bool g, bool all);
Node **game_gradients(Builder *b, Node *loss, const Variables *v);
Node *constrained_weight(Graph *g, const Hook *hook, Node *weight);
void add_penalties(Builder *b, Step *step, Game *game, int noise_lines);
/* Half the sum of squares of both networks' gradients: what a ConsensusTrainer makes small. */
Node *game_energy(Builder *b, Game *game);

/* ---------------------------------------------------------------- hyper_memory.c */
/* A tensor that lives from step to step and belongs to no network; made at the first use. */
Tensor *control_tensor(Graph *g, const char *field, const char *label, Type type);
/* The same with a row a sample of the batch: [batch_size][width]. */
Tensor *sample_tensor(Graph *g, const char *field, const char *label, int width);
Node *rows_of_batch(Graph *g, Node *value);           /* [b, ...] -> [batch_size][n] */
Node *batch_of_rows(Graph *g, Node *rows, Type type); /* and back */
/* D judges pairs of batches of which one or both are kept from earlier steps; where the game
 * remembers, the memories change at the end of the step. number: of the hook. */
HookLosses rolling_losses(Builder *b, Step *step, Game *game, const Hook *hook, int number);

/* How alike the samples of a batch are to D, by minibatch discrimination; a number. */
Node *minibatch_likeness(Builder *b, Game *game);

/* ---------------------------------------------------------------- hyper_payoffs.c */
typedef struct Payoffs { /* numbers */
    Node *g, *d;
} Payoffs;
Node *latent_fitness(Builder *b, Game *game); /* one value for each output of D */
Payoffs game_payoffs(Graph *g, Payoff kind, const double labels[3], const Game *game);

/* ---------------------------------------------------------------- hyper_inner.c */
/* An update toward outputs of D that match, of what the hook says. It moves nothing where
 * control.match<number>_factor, a factor of the rate, is 0, or the loss is small enough. */
void build_match(Builder *b, Step *step, Game *game, const Hook *hook, int number);
/* The fitness of the pictures of a step, one a sample, into control.picture_scores. */
void build_pictures(Builder *b, Step *step, const Game *game, const Hook *hook);

#endif
