/* random_inputs.h -- what random_case.c and random_layers.c share: repeatable random numbers, and
 * the file of a replay's inputs. */
#ifndef RANDOM_INPUTS_H
#define RANDOM_INPUTS_H

#include "gagac.h"

#include "rng.h"
#include "safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STORED = 512 };

static uint64_t seed, drawn;
static uint32_t stream; /* other numbers of the same seed */

/* The next 32 random bits. */
static inline uint32_t draw_word(void)
{
    uint32_t words[4] = {(uint32_t)drawn++, stream, 0, 0};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    philox4x32(words, key);
    return words[0];
}

static inline double uniform(void) { return draw_word() * 0x1p-32; } /* [0, 1) */

static inline double normal(void)
{
    double radius = sqrt(-2 * log(1 - uniform()));
    return radius * cos(6.283185307179586 * uniform());
}

static inline int between(int low, int high) { return low + (int)(uniform() * (high - low + 1)); }

#define PICK(list) (list)[between(0, (int)(sizeof(list) / sizeof(list)[0]) - 1)]

/* ---------------------------------------------------------------- inputs of a replay */
typedef struct Collection {
    StoredTensor tensors[MAX_STORED];
    int count;
} Collection;

/* The values of a new tensor, to fill; NULL: two steps read it, and it is there. */
static inline double *collect(Collection *all, StoredTensor tensor)
{
    for (int i = 0; i < all->count; i++)
        if (strcmp(all->tensors[i].name, tensor.name) == 0)
            return NULL;
    double *values = arena_alloc((size_t)stored_count(&tensor) * sizeof *values);
    tensor.type = STORED_F64;
    tensor.data = values;
    if (all->count == MAX_STORED)
        internal_error("more than %d tensors", MAX_STORED);
    all->tensors[all->count++] = tensor;
    return values;
}

/* Around the tensor's first value; size: of a matrix or filter with so many terms a result. */
static inline void collect_parameter(Collection *all, const Tensor *tensor, double terms)
{
    StoredTensor stored = {.name = tensor->name, .rank = tensor->type.rank};
    for (int i = 0; i < stored.rank; i++)
        stored.dims[i] = (uint64_t)tensor->type.dims[i];
    double *values = collect(all, stored), size = terms > 0 ? 1.6 / sqrt(terms) : 0.5;
    for (uint64_t i = 0; i < stored_count(&stored); i++)
        values[i] = (tensor->init == INIT_ONE ? 1 : 0) + size * (2 * uniform() - 1);
}

/* Parameters by terms_of(), inputs by collect_one(); all of the training steps. */
static inline void write_inputs(const Model *model, const char *path,
                                double (*terms_of)(const Type *type),
                                void (*collect_one)(Collection *all, const Model *model,
                                                  const Graph *g, const Step *step,
                                                  const Input *input))
{
    Collection *all = arena_alloc(sizeof *all);
    Graph *g = steps_build(model);
    Error error = {0};
    for (int i = 0; i < g->tensor_count; i++)
        if (g->tensors[i]->role == ROLE_PARAMETER || g->tensors[i]->role == ROLE_VECTOR)
            collect_parameter(all, g->tensors[i], terms_of(&g->tensors[i]->type));
    for (int i = 0; i < g->step_count; i++)
        for (int k = 0; k < g->steps[i].input_count; k++)
            if (strcmp(g->steps[i].name, "sample") != 0)
                collect_one(all, model, g, &g->steps[i], g->steps[i].inputs[k]);
    if (!safetensors_write(path, all->tensors, all->count, NULL, 0, &error))
        fail_error(&error);
}

#endif
