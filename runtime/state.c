/* state.c -- see state.h. */
#define _GNU_SOURCE
#include "state.h"

#include "fail.h"
#include "normal.h"
#include "rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { STREAM_INITIALISE = 200 }; /* Philox purpose word; program.h's inputs use small numbers */

void *allocate(uint64_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        fail(EXIT_IO, NULL, "out of memory");
    }
    return memory;
}

enum { HUGE_PAGE = 2 << 20 };

/* Large blocks lie on huge pages where the system has them: a step streams through megabytes of
 * weights and sums, and 4 kB pages would cost it several per cent in address translation. */
void *block_create(size_t bytes)
{
    size_t slack = bytes >= HUGE_PAGE ? HUGE_PAGE : 0, size = (bytes ? bytes : 1) + slack;
    char *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) {
        fail(EXIT_IO, NULL, "out of memory: %zu bytes", bytes);
    }
    if (!slack) {
        return start;
    }
    char *block = start + (HUGE_PAGE - (uintptr_t)start % HUGE_PAGE) % HUGE_PAGE;
    if (block > start) {
        munmap(start, (size_t)(block - start));
    }
    char *page_end = block + (bytes + 4095) / 4096 * 4096, *end = start + size;
    if (end > page_end) {
        munmap(page_end, (size_t)(end - page_end) / 4096 * 4096);
    }
    madvise(block, bytes, MADV_HUGEPAGE); /* a hint: no harm where it is not taken */
    return block;
}

void block_destroy(void *block, size_t bytes) { munmap(block, bytes ? bytes : 1); }

real *state_create(const Program *program)
{
    return block_create(program->state_size * sizeof(real));
}

void state_destroy(const Program *program, real *state)
{
    block_destroy(state, program->state_size * sizeof(real));
}

size_t tensor_size(const ProgramTensor *tensor)
{
    return (size_t)tensor->rows * (size_t)tensor->row;
}

int tensor_find(const Program *program, const char *name)
{
    for (int i = 0; i < program->tensor_count; i++) {
        if (!strcmp(program->tensors[i].name, name)) {
            return i;
        }
    }
    return -1;
}

bool tensor_is_dense(const ProgramTensor *tensor)
{
    return tensor->rows == 1 || tensor->stride == tensor->row;
}

void tensor_get(const ProgramTensor *tensor, const real *state, real *logical)
{
    size_t row = (size_t)tensor->row;
    const real *from = state + tensor->offset;
    for (int i = 0; i < tensor->rows; i++) {
        memcpy(logical + (size_t)i * row, from + (size_t)i * (size_t)tensor->stride,
               row * sizeof(real));
    }
}

void tensor_put(const ProgramTensor *tensor, real *state, const real *logical)
{
    size_t row = (size_t)tensor->row;
    real *to = state + tensor->offset;
    for (int i = 0; i < tensor->rows; i++) {
        memcpy(to + (size_t)i * (size_t)tensor->stride, logical + (size_t)i * row,
               row * sizeof(real));
    }
}

bool tensor_is_generator(const ProgramTensor *tensor)
{
    return (tensor->role == ROLE_PARAMETER || tensor->role == ROLE_AVERAGE ||
            tensor->role == ROLE_VECTOR) &&
           !strncmp(tensor->name, "G.", 2);
}

/* A standard normal within two deviations of 0 from a uniform number of [0, 1). */
static real truncated_normal(real uniform)
{
    const double below = 0.022750131948179207; /* of a normal, what is beyond -2 */
    double share = below + (double)uniform * (1 - 2 * below);
    double value = normal_quantile(share);
    return (real)(value < -2 ? -2 : value > 2 ? 2 : value);
}

/* First values of one row; INIT_UNIT and INIT_COPY are finished by the callers. */
static void initialise_row(const ProgramTensor *tensor, real *row, uint64_t seed, int index, int i)
{
    bool truncated = tensor->init == INIT_TRUNCATED;
    bool uniform = tensor->init == INIT_UNIFORM || truncated;
    bool drawn = uniform || tensor->init == INIT_NORMAL || tensor->init == INIT_UNIT ||
                 tensor->init == INIT_ORTHOGONAL;
    if (drawn) {
        draw_row(row, tensor->row, uniform ? DRAW_UNIFORM : DRAW_NORMAL, seed, STREAM_INITIALISE,
                 (uint64_t)index, (uint64_t)i);
    }
    real scale = (real)tensor->scale;
    for (int j = 0; j < tensor->row; j++) {
        if (truncated) {
            row[j] = scale * truncated_normal(row[j]);
        } else if (uniform) {
            row[j] = scale * (2 * row[j] - 1);
        } else if (tensor->init == INIT_NORMAL) {
            row[j] *= scale;
        } else if (tensor->init == INIT_VALUE) {
            row[j] = scale;
        } else if (!drawn) {
            row[j] = tensor->init == INIT_ONE;
        }
    }
}

/* Scales the tensor to length 1. */
static void normalise_length(const ProgramTensor *tensor, real *state)
{
    double sum = 0;
    for (int i = 0; i < tensor->rows; i++) {
        const real *row = state + tensor->offset + (size_t)i * (size_t)tensor->stride;
        for (int j = 0; j < tensor->row; j++) {
            double square = (double)row[j] * (double)row[j];
            sum += square;
        }
    }
    double scale = sum > 0 ? 1 / sqrt(sum) : 1;
    for (int i = 0; i < tensor->rows; i++) {
        real *row = state + tensor->offset + (size_t)i * (size_t)tensor->stride;
        for (int j = 0; j < tensor->row; j++) {
            row[j] = (real)((double)row[j] * scale);
        }
    }
}

/* The matrix's element, rows and columns exchanged where `turned`. */
static real *element(const ProgramTensor *tensor, real *state, bool turned, int i, int j)
{
    size_t row = (size_t)(turned ? j : i), column = (size_t)(turned ? i : j);
    return state + tensor->offset + row * (size_t)tensor->stride + column;
}

/* Makes the shorter of rows and columns orthogonal, of length scale: Gram and Schmidt, twice, so
 * that rounding leaves nothing. */
static void orthogonalise(const ProgramTensor *tensor, real *state)
{
    bool turned = tensor->rows > tensor->row;
    int count = turned ? tensor->row : tensor->rows, length = turned ? tensor->rows : tensor->row;
    for (int i = 0; i < count; i++) {
        double norm = 0;
        for (int round = 0; round < 2; round++) {
            for (int other = 0; other < i; other++) {
                double dot = 0;
                for (int j = 0; j < length; j++) {
                    dot += (double)*element(tensor, state, turned, i, j) *
                           (double)*element(tensor, state, turned, other, j);
                }
                for (int j = 0; j < length; j++) {
                    *element(tensor, state, turned, i, j) -=
                        (real)dot * *element(tensor, state, turned, other, j);
                }
            }
        }
        for (int j = 0; j < length; j++) {
            double value = (double)*element(tensor, state, turned, i, j);
            norm += value * value;
        }
        for (int j = 0; j < length; j++) {
            *element(tensor, state, turned, i, j) *= (real)(1 / sqrt(norm > 0 ? norm : 1));
        }
    }
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < length; j++) {
            *element(tensor, state, turned, i, j) *= (real)tensor->scale;
        }
    }
}

static void initialise_tensor(const Program *program, real *state, int index, uint64_t seed)
{
    const ProgramTensor *tensor = &program->tensors[index];
    for (int i = 0; i < tensor->rows; i++) {
        real *row = state + tensor->offset + (size_t)i * (size_t)tensor->stride;
        initialise_row(tensor, row, seed, index, i);
    }
    if (tensor->init == INIT_UNIT) {
        normalise_length(tensor, state);
    }
    if (tensor->init == INIT_ORTHOGONAL) {
        orthogonalise(tensor, state);
    }
}

static void copy_source(const Program *program, real *state, const ProgramTensor *tensor)
{
    const ProgramTensor *source = &program->tensors[tensor->source];
    memcpy(state + tensor->offset, state + source->offset,
           (size_t)tensor->rows * (size_t)tensor->stride * sizeof(real));
}

void tensor_restart(const Program *program, real *state, int index, uint64_t seed)
{
    const ProgramTensor *tensor = &program->tensors[index];
    if (tensor->init == INIT_COPY) {
        copy_source(program, state, tensor);
    } else {
        initialise_tensor(program, state, index, seed);
    }
}

void state_copy_sources(const Program *program, real *state)
{
    for (int i = 0; i < program->tensor_count; i++) {
        const ProgramTensor *tensor = &program->tensors[i];
        if (tensor->init == INIT_COPY) {
            copy_source(program, state, tensor);
        }
    }
}

void state_initialise(const Program *program, real *state, uint64_t seed)
{
    for (int i = 0; i < program->tensor_count; i++) {
        initialise_tensor(program, state, i, seed);
    }
    state_copy_sources(program, state);
}
