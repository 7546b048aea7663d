/* nash.h -- equilibria of a game of two players with finitely many strategies.
 *
 * a[i * columns + j] is the payoff of the first player, b that of the second, when they play row i
 * and column j. An equilibrium is a pair of distributions p over rows and q over columns that are
 * best answers to each other. */
#ifndef GAGAC_NASH_H
#define GAGAC_NASH_H

#include <stdbool.h>

typedef enum NashMethod {
    NASH_SOFTMAX, /* no equilibrium: softmax of the sums of payoffs over the other's strategies */
    NASH_SUPPORT, /* supports of equal size, small ones first */
    NASH_LEMKE,   /* Lemke and Howson, label 0 dropped */
    NASH_VERTEX   /* pairs of vertices of the polytopes of best answers that have all labels */
} NashMethod;

enum { NASH_MOST = 12 }; /* strategies of a player; SOFTMAX: any number */

typedef struct NashGame {
    int rows, columns;
    const double *a, *b;
} NashGame;

/* The first equilibrium that the method finds; pure first strategies where it finds none (false).
 */
bool nash_solve(const NashGame *game, NashMethod method, double *p, double *q);

#endif
