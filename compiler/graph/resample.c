/* resample.c -- fixed linear maps along one axis: pooling, resizing, picking.
 *
 * Needs: a graph. Guarantees: equal maps are one pointer, and every map knows its transpose. The
 * rules of coordinates are those of the HyperGAN dialect (docs/hypergan.md). */
#include "gagac.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool resample_moves(const Resample *map)
{
    for (int j = 0; j < map->to; j++)
        if (map->first[j + 1] != map->first[j] + 1 || map->weight[map->first[j]] != 1)
            return false;
    return true;
}

bool resample_slides(const Resample *map, int *start, int *step, int *count)
{
    const int *first = map->first, *index = map->index;
    *count = first[1];
    *start = *count > 0 ? index[0] : 0;
    *step = map->to > 1 && *count > 0 && first[2] > first[1] ? index[first[1]] - *start : *count;
    for (int j = 0; j < map->to; j++) {
        if (first[j + 1] - first[j] != *count)
            return false;
        for (int t = 0; t < *count; t++)
            if (index[first[j] + t] != *start + j * *step + t ||
                map->weight[first[j] + t] != map->weight[t])
                return false;
    }
    return *count > 0 && *step > 0;
}

bool resample_even(const Resample *map, double *sum)
{
    const Resample *back = map->transpose;
    for (int i = 0; i < back->to; i++) {
        double column = 0;
        for (int e = back->first[i]; e < back->first[i + 1]; e++)
            column += back->weight[e];
        if (i > 0 && column != *sum)
            return false;
        *sum = column;
    }
    return true;
}

static bool same_map(const Resample *a, const Resample *b)
{
    if (a->from != b->from || a->to != b->to ||
        memcmp(a->first, b->first, (size_t)(a->to + 1) * sizeof(int)) != 0)
        return false;
    size_t count = (size_t)a->first[a->to];
    return memcmp(a->index, b->index, count * sizeof(int)) == 0 &&
           memcmp(a->weight, b->weight, count * sizeof(double)) == 0;
}

/* The sparse form of matrix[to][from] or, with by_columns, of its transpose. */
static Resample *pack_matrix(int from, int to, const double *matrix, bool by_columns)
{
    Resample *map = arena_alloc(sizeof *map);
    map->from = by_columns ? to : from;
    map->to = by_columns ? from : to;
    map->first = arena_alloc((size_t)(map->to + 1) * sizeof(int));
    int count = 0;
    for (int pass = 0; pass < 2; pass++) {
        count = 0;
        for (int j = 0; j < map->to; j++) {
            map->first[j] = count;
            for (int i = 0; i < map->from; i++) {
                double weight = by_columns ? matrix[(size_t)i * (size_t)from + (size_t)j]
                                           : matrix[(size_t)j * (size_t)from + (size_t)i];
                if (weight == 0)
                    continue;
                if (pass) {
                    map->index[count] = i;
                    map->weight[count] = weight;
                }
                count++;
            }
        }
        map->first[map->to] = count;
        if (!pass) {
            map->index = arena_alloc((size_t)(count + 1) * sizeof(int));
            map->weight = arena_alloc((size_t)(count + 1) * sizeof(double));
        }
    }
    return map;
}

static const Resample *find_map(const Graph *g, const Resample *map)
{
    for (int k = 0; k < g->map_count; k++)
        if (same_map(g->maps[k], map))
            return g->maps[k];
    return NULL;
}

static void keep_map(Graph *g, Resample *map)
{
    g->maps = arena_grow(g->maps, g->map_count, &g->map_capacity, sizeof(Resample *));
    map->number = g->map_count;
    g->maps[g->map_count++] = map;
}

const Resample *resample_matrix(Graph *g, int from, int to, const double *matrix)
{
    Resample *map = pack_matrix(from, to, matrix, false);
    const Resample *known = find_map(g, map);
    if (known)
        return known;
    Resample *back = pack_matrix(from, to, matrix, true);
    keep_map(g, map);
    if (same_map(map, back)) { /* a reversal, an average of all */
        map->transpose = map;
        return map;
    }
    keep_map(g, back);
    map->transpose = back;
    back->transpose = map;
    return map;
}

static double *matrix_new(int from, int to)
{
    double *matrix = calloc((size_t)from * (size_t)to, sizeof(double));
    if (!matrix)
        fail(EXIT_IO, NULL, "out of memory");
    return matrix;
}

static const Resample *matrix_done(Graph *g, int from, int to, double *matrix)
{
    const Resample *map = resample_matrix(g, from, to, matrix);
    free(matrix);
    return map;
}

const Resample *resample_nearest(Graph *g, int from, int to)
{
    double *matrix = matrix_new(from, to);
    for (int j = 0; j < to; j++)
        matrix[(int64_t)j * from + (int64_t)j * from / to] = 1;
    return matrix_done(g, from, to, matrix);
}

static int inside(int k, int count) { return k < 0 ? 0 : k < count ? k : count - 1; }

const Resample *resample_bilinear(Graph *g, int from, int to)
{
    double *matrix = matrix_new(from, to);
    for (int j = 0; j < to; j++) {
        double source = (double)j * from / to;
        int low = (int)floor(source);
        matrix[(int64_t)j * from + low] += 1 - (source - low);
        matrix[(int64_t)j * from + inside(low + 1, from)] += source - low;
    }
    return matrix_done(g, from, to, matrix);
}

/* Keys 1981 with a = -0.75: weight of a cell at distance t. */
static double keys_weight(double t)
{
    const double a = -0.75;
    t = fabs(t);
    if (t <= 1)
        return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

const Resample *resample_bicubic(Graph *g, int from, int to)
{
    double *matrix = matrix_new(from, to);
    for (int j = 0; j < to; j++) {
        double source = (double)j * from / to;
        int low = (int)floor(source);
        for (int k = low - 1; k <= low + 2; k++)
            matrix[(int64_t)j * from + inside(k, from)] += keys_weight(source - k);
    }
    return matrix_done(g, from, to, matrix);
}

const Resample *resample_area(Graph *g, int from, int to)
{
    double *matrix = matrix_new(from, to);
    double length = (double)from / to;
    for (int j = 0; j < to; j++) {
        double begin = j * length, end = begin + length;
        for (int i = (int)floor(begin); i < from && i < end; i++) {
            double part = fmin(i + 1, end) - fmax(i, begin);
            if (part > 1e-12)
                matrix[(int64_t)j * from + i] = part / length;
        }
    }
    return matrix_done(g, from, to, matrix);
}

const Resample *resample_pool(Graph *g, int from, int size)
{
    int to = (from + size - 1) / size, before = (to * size - from) / 2;
    double *matrix = matrix_new(from, to);
    for (int j = 0; j < to; j++) {
        int begin = j * size - before, end = begin + size;
        begin = begin < 0 ? 0 : begin;
        end = end > from ? from : end;
        for (int i = begin; i < end; i++)
            matrix[(int64_t)j * from + i] = 1.0 / (end - begin);
    }
    return matrix_done(g, from, to, matrix);
}

const Resample *resample_pick(Graph *g, int from, int start, int step, int count)
{
    double *matrix = matrix_new(from, count);
    for (int j = 0; j < count; j++) {
        if (start + j * step < 0 || start + j * step >= from)
            internal_error("resample: pick outside of the axis");
        matrix[(int64_t)j * from + start + j * step] = 1;
    }
    return matrix_done(g, from, count, matrix);
}
