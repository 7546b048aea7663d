/* config.h -- the steps of a config that stands in a test, without braces and with ' for ". */
#ifndef GAGAC_TEST_CONFIG_H
#define GAGAC_TEST_CONFIG_H

#include "gagac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static inline Graph *steps_of(const char *body)
{
    char *text = arena_printf("{%s}", body);
    for (char *p = text; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    Source *source = arena_alloc(sizeof *source);
    *source = (Source){"test.json", text, strlen(text)};
    Model *model = read_gaga(json_parse(source), NULL, 0);
    model_check(model);
    return steps_build(model);
}

static inline Step *find_step(const Graph *g, const char *name)
{
    for (int k = 0; k < g->step_count; k++)
        if (strcmp(g->steps[k].name, name) == 0)
            return &g->steps[k];
    fail_msg("no step '%s'", name);
    return NULL;
}

#endif
