/* nash.c -- see nash.h. */
#include "nash.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

enum { SIZE = NASH_MOST + 1, MOST_PIVOTS = 1000 };
static const double SLACK = 1e-9;

/* Solves the count x count system by elimination with pivots; the right side is the last column.
 * False: singular. */
static bool solve(double m[SIZE][SIZE + 1], int count, double *out)
{
    for (int k = 0; k < count; k++) {
        int best = k;
        for (int i = k + 1; i < count; i++) {
            best = fabs(m[i][k]) > fabs(m[best][k]) ? i : best;
        }
        if (fabs(m[best][k]) < 1e-12) {
            return false;
        }
        for (int j = 0; j <= count; j++) {
            double swap = m[k][j];
            m[k][j] = m[best][j];
            m[best][j] = swap;
        }
        for (int i = 0; i < count; i++) {
            double factor = i == k ? 0 : m[i][k] / m[k][k];
            for (int j = k; j <= count && factor != 0; j++) {
                m[i][j] -= factor * m[k][j];
            }
        }
    }
    for (int k = 0; k < count; k++) {
        out[k] = m[k][count] / m[k][k];
    }
    return true;
}

/* The next larger number with as many bits set. */
static uint32_t next_subset(uint32_t set)
{
    uint32_t low = set & (~set + 1), high = set + low;
    return (((high ^ set) >> 2) / low) | high;
}

static int members(uint32_t set, int *out)
{
    int count = 0;
    for (int k = 0; set >> k; k++) {
        if (set >> k & 1) {
            out[count++] = k;
        }
    }
    return count;
}

/* What the owner of `payoff` gets with strategy i against the other's strategy j. */
static double pays(const NashGame *g, bool first, int i, int j)
{
    return first ? g->a[i * g->columns + j] : g->b[j * g->columns + i];
}

/* ---------------------------------------------------------------- supports */
/* Weights of the other player on `support` that leave this one indifferent within `own`, and
 * nothing better outside of it. */
static bool indifferent(const NashGame *g, bool first, uint32_t own, uint32_t support, double *out)
{
    double m[SIZE][SIZE + 1], found[SIZE];
    int is[SIZE], js[SIZE], count = members(own, is);
    int strategies = first ? g->rows : g->columns, others = first ? g->columns : g->rows;
    members(support, js);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            m[i][j] = pays(g, first, is[i], js[j]);
        }
        m[i][count] = -1;
        m[i][count + 1] = 0;
    }
    for (int j = 0; j <= count; j++) {
        m[count][j] = j < count;
    }
    m[count][count + 1] = 1;
    if (!solve(m, count + 1, found)) {
        return false;
    }
    memset(out, 0, (size_t)others * sizeof *out);
    for (int j = 0; j < count; j++) {
        if (found[j] < -SLACK) {
            return false;
        }
        out[js[j]] = fmax(found[j], 0);
    }
    for (int i = 0; i < strategies; i++) {
        double payoff = 0;
        for (int j = 0; j < others; j++) {
            payoff += out[j] * pays(g, first, i, j);
        }
        if (payoff > found[count] + SLACK * (1 + fabs(found[count]))) {
            return false;
        }
    }
    return true;
}

static bool by_supports(const NashGame *g, double *p, double *q)
{
    int most = g->rows < g->columns ? g->rows : g->columns;
    for (int size = 1; size <= most; size++) {
        uint32_t first = (UINT32_C(1) << size) - 1;
        for (uint32_t i = first; i < UINT32_C(1) << g->rows; i = next_subset(i)) {
            for (uint32_t j = first; j < UINT32_C(1) << g->columns; j = next_subset(j)) {
                if (indifferent(g, true, i, j, q) && indifferent(g, false, j, i, p)) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* ---------------------------------------------------------------- polytopes */

/* Payoffs moved so that all are above 0; equilibria stay. */
static double least_payoff(const NashGame *g)
{
    double least = g->a[0];
    for (int k = 0; k < g->rows * g->columns; k++) {
        least = fmin(least, fmin(g->a[k], g->b[k]));
    }
    return least;
}

static bool normalise(double *x, int count)
{
    double sum = 0;
    for (int k = 0; k < count; k++) {
        x[k] = fmax(x[k], 0);
        sum += x[k];
    }
    for (int k = 0; k < count; k++) {
        x[k] /= sum > 0 ? sum : 1;
    }
    return sum > SLACK;
}

typedef struct Vertex {
    uint32_t labels; /* rows, then columns: strategies not played, and best answers */
    double x[NASH_MOST];
} Vertex;

/* The vertices of {x >= 0, what the other gets with each strategy <= 1}. first: of row weights. */
static int list_vertices(const NashGame *g, bool first, Vertex **out)
{
    int own = first ? g->rows : g->columns, other = first ? g->columns : g->rows, count = 0;
    double shift = 1 - least_payoff(g);
    *out = NULL;
    uint32_t start = (UINT32_C(1) << own) - 1;
    for (uint32_t set = start; set < UINT32_C(1) << (own + other); set = next_subset(set)) {
        double m[SIZE][SIZE + 1];
        Vertex v = {0};
        int tight[2 * NASH_MOST];
        members(set, tight);
        for (int k = 0; k < own; k++) {
            for (int i = 0; i < own; i++) {
                m[k][i] =
                    tight[k] < own ? tight[k] == i : pays(g, !first, tight[k] - own, i) + shift;
            }
            m[k][own] = tight[k] >= own;
        }
        bool good = solve(m, own, v.x);
        for (int i = 0; good && i < own; i++) {
            good = v.x[i] >= -SLACK;
            v.labels |= v.x[i] <= SLACK ? UINT32_C(1) << (first ? i : g->rows + i) : 0;
        }
        for (int j = 0; good && j < other; j++) {
            double sum = 0;
            for (int i = 0; i < own; i++) {
                sum += v.x[i] * (pays(g, !first, j, i) + shift);
            }
            good = sum <= 1 + SLACK;
            v.labels |= sum >= 1 - SLACK ? UINT32_C(1) << (first ? g->rows + j : j) : 0;
        }
        if (good) {
            if (count % 64 == 0) {
                Vertex *larger = allocate((uint64_t)count + 64, sizeof **out);
                if (count) {
                    memcpy(larger, *out, (size_t)count * sizeof **out);
                }
                free(*out);
                *out = larger;
            }
            (*out)[count++] = v;
        }
    }
    return count;
}

static bool by_vertices(const NashGame *g, double *p, double *q)
{
    Vertex *of_p, *of_q;
    int p_count = list_vertices(g, true, &of_p), q_count = list_vertices(g, false, &of_q);
    uint32_t all = (UINT32_C(1) << (g->rows + g->columns)) - 1;
    bool found = false;
    for (int i = 0; i < p_count && !found; i++) {
        for (int j = 0; j < q_count && !found; j++) {
            if ((of_p[i].labels | of_q[j].labels) == all) {
                memcpy(p, of_p[i].x, (size_t)g->rows * sizeof *p);
                memcpy(q, of_q[j].x, (size_t)g->columns * sizeof *q);
                found = normalise(p, g->rows) && normalise(q, g->columns);
            }
        }
    }
    free(of_p);
    free(of_q);
    return found;
}

/* ---------------------------------------------------------------- Lemke and Howson */
typedef struct Tableau { /* slack = 1 - payoffs of the other's answers, solved for its basis */
    int rows;
    int basis[NASH_MOST];                   /* label of each row's variable */
    double m[NASH_MOST][2 * NASH_MOST + 1]; /* by label; the last column is the value */
} Tableau;

/* Brings `label` in; returns the label that leaves, -1 when none can. */
static int pivot(Tableau *t, int label, int labels)
{
    int leaves = -1;
    double least = INFINITY;
    for (int i = 0; i < t->rows; i++) {
        double ratio = t->m[i][label] > 1e-12 ? t->m[i][labels] / t->m[i][label] : INFINITY;
        if (ratio < least) {
            least = ratio;
            leaves = i;
        }
    }
    if (leaves < 0) {
        return -1;
    }
    double by = t->m[leaves][label];
    for (int j = 0; j <= labels; j++) {
        t->m[leaves][j] /= by;
    }
    for (int i = 0; i < t->rows; i++) {
        double factor = i == leaves ? 0 : t->m[i][label];
        for (int j = 0; j <= labels && factor != 0; j++) {
            t->m[i][j] -= factor * t->m[leaves][j];
        }
    }
    int old = t->basis[leaves];
    t->basis[leaves] = label;
    return old;
}

/* Labels: rows, then columns. first: the polytope of row weights, whose slacks are columns. */
static Tableau start_tableau(const NashGame *g, bool first)
{
    Tableau t = {.rows = first ? g->columns : g->rows};
    int own = first ? g->rows : g->columns, labels = g->rows + g->columns;
    double shift = 1 - least_payoff(g);
    for (int k = 0; k < t.rows; k++) {
        t.basis[k] = first ? g->rows + k : k;
        t.m[k][t.basis[k]] = 1;
        t.m[k][labels] = 1;
        for (int i = 0; i < own; i++) {
            t.m[k][first ? i : g->rows + i] = pays(g, !first, k, i) + shift;
        }
    }
    return t;
}

static bool by_lemke(const NashGame *g, double *p, double *q)
{
    Tableau of_p = start_tableau(g, true), of_q = start_tableau(g, false);
    int labels = g->rows + g->columns, label = 0;
    bool in_p = true;
    for (int steps = 0; steps < MOST_PIVOTS; steps++, in_p = !in_p) {
        label = pivot(in_p ? &of_p : &of_q, label, labels);
        if (label <= 0) {
            break;
        }
    }
    memset(p, 0, (size_t)g->rows * sizeof *p);
    memset(q, 0, (size_t)g->columns * sizeof *q);
    for (int k = 0; k < of_p.rows; k++) {
        if (of_p.basis[k] < g->rows) {
            p[of_p.basis[k]] = of_p.m[k][labels];
        }
    }
    for (int k = 0; k < of_q.rows; k++) {
        if (of_q.basis[k] >= g->rows) {
            q[of_q.basis[k] - g->rows] = of_q.m[k][labels];
        }
    }
    return label == 0 && normalise(p, g->rows) && normalise(q, g->columns);
}

/* ---------------------------------------------------------------- softmax */
static void soften(double *sums, int count)
{
    double most = sums[0], total = 0;
    for (int k = 1; k < count; k++) {
        most = fmax(most, sums[k]);
    }
    for (int k = 0; k < count; k++) {
        sums[k] = exp(sums[k] - most);
        total += sums[k];
    }
    for (int k = 0; k < count; k++) {
        sums[k] /= total;
    }
}

static bool by_softmax(const NashGame *g, double *p, double *q)
{
    memset(p, 0, (size_t)g->rows * sizeof *p);
    memset(q, 0, (size_t)g->columns * sizeof *q);
    for (int i = 0; i < g->rows; i++) {
        for (int j = 0; j < g->columns; j++) {
            p[i] += g->a[i * g->columns + j];
            q[j] += g->b[i * g->columns + j];
        }
    }
    soften(p, g->rows);
    soften(q, g->columns);
    return true;
}

bool nash_solve(const NashGame *game, NashMethod method, double *p, double *q)
{
    static bool (*const methods[])(const NashGame *, double *, double *) = {by_softmax, by_supports,
                                                                            by_lemke, by_vertices};
    if (methods[method](game, p, q)) {
        return true;
    }
    memset(p, 0, (size_t)game->rows * sizeof *p);
    memset(q, 0, (size_t)game->columns * sizeof *q);
    p[0] = q[0] = 1;
    return false;
}
