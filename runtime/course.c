/* course.c -- see course.h. */
#include "course.h"

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

double course_value(const Course *c, double iteration)
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
    }
    return c->from;
}
