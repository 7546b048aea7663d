/* course.h -- numbers that change with the iteration: ramps and learning rates that fall. */
#ifndef GAGAC_COURSE_H
#define GAGAC_COURSE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum CourseKind {
    COURSE_FIXED,
    COURSE_RAMP,        /* from, until iteration start; then in `steps` iterations to `to` */
    COURSE_ANNEAL,      /* every `steps`: times factor, but not below `to` */
    COURSE_EXPONENTIAL, /* from * factor^(iteration / steps); staircase: whole powers only */
    COURSE_RANDOM /* in each iteration `to` or 0: `to` with probability (1 + from) / 2; start: makes
                     the draws of several courses different */
} CourseKind;

typedef struct Course {
    CourseKind kind;
    double from, to;
    double steps, start;
    bool cycle;  /* RAMP: begins again at each multiple of steps */
    bool repeat; /* RAMP: of iteration modulo steps + 1 */
    double factor;
    bool staircase;
} Course;

/* The value in the iteration, counted from 0; a RANDOM one is a function of it and the seed. */
double course_value(const Course *course, double iteration, uint64_t seed);

#endif
