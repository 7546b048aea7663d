/* Equilibria of games: known ones, and random ones where no player gains by another strategy. */
#include "nash.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const NashMethod methods[] = {NASH_SUPPORT, NASH_LEMKE, NASH_VERTEX};
enum { METHODS = sizeof methods / sizeof *methods };

static double draw(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0;
}

static double expected(const NashGame *g, const double *payoff, const double *p, const double *q)
{
    double sum = 0;
    for (int i = 0; i < g->rows; i++) {
        for (int j = 0; j < g->columns; j++) {
            sum += p[i] * q[j] * payoff[i * g->columns + j];
        }
    }
    return sum;
}

static void check_equilibrium(const NashGame *g, const double *p, const double *q)
{
    double sum_p = 0, sum_q = 0, a = expected(g, g->a, p, q), b = expected(g, g->b, p, q);
    for (int i = 0; i < g->rows; i++) {
        double pure[NASH_MOST] = {0};
        pure[i] = 1;
        sum_p += p[i];
        assert_true(p[i] >= 0);
        assert_true(expected(g, g->a, pure, q) <= a + 1e-7);
    }
    for (int j = 0; j < g->columns; j++) {
        double pure[NASH_MOST] = {0};
        pure[j] = 1;
        sum_q += q[j];
        assert_true(q[j] >= 0);
        assert_true(expected(g, g->b, p, pure) <= b + 1e-7);
    }
    assert_true(fabs(sum_p - 1) < 1e-9 && fabs(sum_q - 1) < 1e-9);
}

static void test_pennies(void **state)
{
    (void)state;
    static const double a[] = {1, -1, -1, 1}, b[] = {-1, 1, 1, -1};
    const NashGame game = {2, 2, a, b};
    for (int k = 0; k < METHODS; k++) {
        double p[2], q[2];
        assert_true(nash_solve(&game, methods[k], p, q));
        assert_true(fabs(p[0] - 0.5) < 1e-9 && fabs(q[1] - 0.5) < 1e-9);
    }
}

/* Rock, paper, scissors with a prize for paper. */
static void test_weighted(void **state)
{
    (void)state;
    static const double a[] = {0, -2, 1, 2, 0, -1, -1, 1, 0}, b[] = {0, 2, -1, -2, 0, 1, 1, -1, 0};
    const NashGame game = {3, 3, a, b};
    for (int k = 0; k < METHODS; k++) {
        double p[3], q[3];
        assert_true(nash_solve(&game, methods[k], p, q));
        assert_true(fabs(p[0] - 0.25) < 1e-9 && fabs(p[1] - 0.25) < 1e-9 &&
                    fabs(p[2] - 0.5) < 1e-9);
    }
}

static void test_random(void **state)
{
    (void)state;
    for (int trial = 0; trial < 60; trial++) {
        double a[36], b[36];
        NashGame game = {1 + trial % 6, 1 + trial / 10 % 6, a, b};
        for (int k = 0; k < game.rows * game.columns; k++) {
            a[k] = 6 * draw() - 3;
            b[k] = trial % 3 == 0 ? -a[k] : 6 * draw() - 3;
        }
        for (int k = 0; k < METHODS; k++) {
            double p[NASH_MOST], q[NASH_MOST];
            assert_true(nash_solve(&game, methods[k], p, q));
            check_equilibrium(&game, p, q);
        }
    }
}

static void test_softmax(void **state)
{
    (void)state;
    static const double a[] = {0, 1, 0, 0}, b[] = {0, 0, 3, 0};
    const NashGame game = {2, 2, a, b};
    double p[2], q[2];
    assert_true(nash_solve(&game, NASH_SOFTMAX, p, q));
    assert_true(fabs(p[0] - exp(1) / (exp(1) + 1)) < 1e-12);
    assert_true(fabs(q[0] - exp(3) / (exp(3) + 1)) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pennies),
                                       cmocka_unit_test(test_weighted),
                                       cmocka_unit_test(test_random),
                                       cmocka_unit_test(test_softmax)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
