/* vectors.c -- a number for all bits that each function and draw gives, whatever they are compiled
 * with. test_vectors.sh compares them with vectors.expected. */
#include "transpose.h"
#include "vecrng.h"

#include <math.h>
#include <stdio.h>

enum { BATCHES = 20000, COLUMNS = 9, TILE = 3 * LANES };

static const struct {
    const char *name;
    vec (*vector)(vec);
    real (*scalar)(real);
} functions[] = {
    {"exp", vexp, real_exp},    {"log", vlog, real_log},
    {"sin", vsin, real_sin},    {"cos", vcos, real_cos},
    {"tanh", vtanh, real_tanh}, {"sigmoid", vsigmoid, real_sigmoid},
    {"sqrt", vsqrt, real_sqrt}, {"portable sqrt", vsqrt, real_sqrt_portable},
};

static uint64_t state, hash;

static uint64_t random_bits(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1du;
}

/* All NaN are one. */
static real_word comparable_bits(real x) { return x == x ? real_bits(x) : NAN_BITS; }

static void add_to_hash(const real *values, int count)
{
    for (int i = 0; i < count; i++) {
        hash = (hash ^ comparable_bits(values[i])) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
}

/* Half of the arguments have any bits, half are of the size that networks see. */
static void fill_arguments(real *x, int batch)
{
    for (int i = 0; i < LANES; i++) {
        const uint64_t bits = random_bits();
        x[i] = batch % 2 ? real_from_bits((real_word)(bits >> (64 - 8 * sizeof(real))))
                         : (real)((double)(int64_t)bits * 0x1p-63 * (batch % 4 ? 8 : 90));
    }
}

static void print_functions(void)
{
    for (size_t k = 0; k < sizeof functions / sizeof functions[0]; k++) {
        long differences = 0;
        state = 88172645463325252u;
        hash = 0;
        for (int batch = 0; batch < BATCHES; batch++) {
            ALIGNED real x[LANES], y[LANES];
            fill_arguments(x, batch);
            for (int i = 0; i < LANES; i += VL)
                vstore(y + i, functions[k].vector(vload(x + i)));
            add_to_hash(y, LANES);
            for (int i = 0; i < LANES; i++)
                if (comparable_bits(y[i]) != comparable_bits(functions[k].scalar(x[i])))
                    differences++;
        }
        printf("%s %016llx, scalars differ %ld times\n", functions[k].name,
               (unsigned long long)hash, differences);
    }
}

static void print_draws(void)
{
    ALIGNED static real tile[COLUMNS * TILE];
    for (int kind = DRAW_NORMAL; kind <= DRAW_UNIFORM; kind++) {
        hash = 0;
        for (uint64_t k = 0; k < 200; k++) {
            draw_columns(tile, 0, COLUMNS, TILE, (DrawKind)kind, 0x123456789abcdef0u + k, 7,
                         k * 0x123456789u, k * 0x3fffffff7u);
            add_to_hash(tile, COLUMNS * TILE);
        }
        printf("%s draws %016llx\n", kind == DRAW_NORMAL ? "normal" : "uniform",
               (unsigned long long)hash);
    }
}

static void print_transpose(void)
{
    ALIGNED static real src[COLUMNS * TILE], dst[TILE * LANES];
    draw_columns(src, 0, COLUMNS, TILE, DRAW_NORMAL, 1, 2, 3, 4);
    hash = 0;
    transpose_tile(dst, LANES, src, TILE, COLUMNS, TILE);
    add_to_hash(dst, TILE * LANES);
    printf("transpose %016llx\n", (unsigned long long)hash);
}

/* One rounding, where the CPU has the instruction. */
static void print_vfma(void)
{
    long differences = 0;
#ifdef __FMA__
    state = 1;
    for (int batch = 0; batch < BATCHES; batch++) {
        ALIGNED real a[LANES], b[LANES], c[LANES], y[LANES];
        fill_arguments(a, 0);
        fill_arguments(b, 2);
        for (int i = 0; i < LANES; i++) /* close to -a * b: the second rounding would show */
            c[i] = -a[i] * b[i];
        for (int i = 0; i < LANES; i += VL)
            vstore(y + i, vfma(vload(a + i), vload(b + i), vload(c + i)));
        for (int i = 0; i < LANES; i++)
            if (y[i] != (sizeof(real) == 4 ? (real)fmaf((float)a[i], (float)b[i], (float)c[i])
                                           : (real)fma(a[i], b[i], c[i])))
                differences++;
    }
#endif
    printf("vfma differs from fma %ld times\n", differences);
}

int main(void)
{
    print_functions();
    print_draws();
    print_transpose();
    print_vfma();
    return 0;
}
