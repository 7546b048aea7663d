/* course.c -- see course.h. */
#include "course.h"

#include "rng.h"

#include <math.h>

/* cycle: the length grows to the next multiple of steps, as in a polynomial decay of power 1. */
static double ramp_value(const Course *c, double iteration)
{
    double at = iteration - c->start, steps = c->steps;
    if (at < 0) {
        return c->from;
    }
    if (c->repeat) {
        at = fmod(at, steps + 1);
    }
    if (c->cycle && at > 0) {
        steps *= ceil(at / steps);
    }
    double share = at < steps ? at / steps : 1;
    return c->from + (c->to - c->from) * share;
}

/* The sign of U(-1, 1) + from; the same in all precisions. */
static bool is_on(const Course *c, double iteration, uint64_t seed)
{
    enum { PURPOSE = 0x436f7273 };
    uint64_t at = (uint64_t)iteration;
    uint32_t counter[4] = {(uint32_t)at, (uint32_t)(at >> 32), (uint32_t)c->start, PURPOSE};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    philox4x32(counter, key);
    return counter[0] / 2147483648.0 - 1 + c->from > 0;
}

double course_value(const Course *c, double iteration, uint64_t seed)
{
    switch (c->kind) {
    case COURSE_FIXED:
        break;
    case COURSE_RAMP:
        return ramp_value(c, iteration);
    case COURSE_ANNEAL: {
        double times = floor(iteration / c->steps);
        return times < 1 ? c->from : fmax(c->from * pow(c->factor, times), c->to);
    }
    case COURSE_EXPONENTIAL: {
        double times = iteration / c->steps;
        return c->from * pow(c->factor, c->staircase ? floor(times) : times);
    }
    case COURSE_RANDOM:
        return is_on(c, iteration, seed) ? c->to : 0;
    }
    return c->from;
}
