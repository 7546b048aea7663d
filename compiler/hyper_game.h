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
    int names; /* of values in the pass before D was applied */
} Game;

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

#endif
