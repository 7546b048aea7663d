/* collective.c -- handlers of instructions that several lanes execute together. */
#include <string.h>
#include "ptx.h"
#include "lanes.h"

/* ---------------------------------------------------------------- shuffles and votes */

/* shfl.sync: the lane that a lane reads is inside its segment, or it keeps its own value. */
void run_shuffle(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint32_t value[LANES], valid = 0;
    memcpy(value, U32(inst->a), sizeof value);
    for (int l = 0; l < LANES; l++) {
        if (!(mask >> l & 1))
            continue;
        int b = (int)(U32(inst->b)[l] & 31), c = (int)U32(inst->list[0])[l];
        int segment = c >> 8 & 31, clamp = c & 31;
        int most = (l & segment) | (clamp & ~segment), least = l & segment, from;
        bool good;
        switch (inst->mode) {
        case SHUFFLE_UP:
            from = l - b;
            good = from >= most;
            break;
        case SHUFFLE_DOWN:
            from = l + b;
            good = from <= most;
            break;
        case SHUFFLE_BFLY:
            from = l ^ b;
            good = from <= most;
            break;
        default:
            from = least | (b & ~segment);
            good = from <= most;
            break;
        }
        if (!good)
            from = l;
        if (!(mask >> from & 1))
            report_lane(warp, l, REPORT_SHUFFLE, "reads the value of lane %d, which is not active",
                        from);
        valid |= (uint32_t)good << l;
        U32(inst->d)[l] = mask >> from & 1 ? value[from] : UINT32_MAX;
    }
    if (inst->list[1] != NO_SLOT) {
        uint32_t *p = U32(inst->list[1]);
        *p = (*p & ~mask) | (valid & mask);
    }
}

void run_vote(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint32_t votes = *U32(inst->a) & mask, *d = U32(inst->d);
    if (inst->mode == VOTE_BALLOT) {
        FOR_LANES(mask, d[l] = votes;);
        return;
    }
    bool result = inst->mode == VOTE_ALL   ? votes == mask
                  : inst->mode == VOTE_ANY ? votes != 0
                                           : votes == mask || !votes;
    *d = (*d & ~mask) | (result ? mask : 0);
}

void run_match(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint64_t value[LANES];
    uint32_t same = 0, result[LANES] = {0};
    int first = __builtin_ctz(mask);
    for (int l = 0; l < LANES; l++)
        value[l] = inst->wide ? U64(inst->a)[l] : U32(inst->a)[l];
    for (int l = 0; l < LANES; l++)
        for (int k = 0; (mask >> l & 1) && k < LANES; k++)
            result[l] |= (uint32_t)((mask >> k & 1) && value[k] == value[l]) << k;
    same = result[first] == mask ? mask : 0;
    for (int l = 0; l < LANES; l++)
        if (mask >> l & 1)
            U32(inst->d)[l] = inst->mode ? same : result[l];
    if (inst->list[0] != NO_SLOT) {
        uint32_t *p = U32(inst->list[0]);
        *p = (*p & ~mask) | same;
    }
}

void run_redux(Warp *warp, const Inst *inst, uint32_t mask)
{
    int first = __builtin_ctz(mask);
    uint32_t result = U32(inst->a)[first];
    for (int l = first + 1; l < LANES; l++) {
        uint32_t x = U32(inst->a)[l];
        bool less = inst->type == TYPE_S32 ? (int32_t)x < (int32_t)result : x < result;
        if (!(mask >> l & 1))
            continue;
        switch (inst->mode) {
        case ATOM_ADD:
            result += x;
            break;
        case ATOM_MIN:
            result = less ? x : result;
            break;
        case ATOM_MAX:
            result = less ? result : x;
            break;
        case ATOM_AND:
            result &= x;
            break;
        case ATOM_OR:
            result |= x;
            break;
        default:
            result ^= x;
            break;
        }
    }
    FOR_LANES(mask, U32(inst->d)[l] = result;);
}

void run_elect(Warp *warp, const Inst *inst, uint32_t mask)
{
    uint32_t leader = (uint32_t)__builtin_ctz(mask), *p = U32(inst->b);
    FOR_LANES(mask, U32(inst->d)[l] = leader;);
    *p = (*p & ~mask) | LANE(leader);
}

void run_active_mask(Warp *warp, const Inst *inst, uint32_t mask)
{
    FOR_LANES(mask, U32(inst->d)[l] = mask;);
}

void run_warp_barrier(Warp *warp, const Inst *inst, uint32_t mask)
{
    (void)inst;
    if (settings.check)
        shadow_warp_barrier(warp, mask);
}

uint32_t collective_mask(Warp *warp, const Inst *inst, uint32_t lanes)
{
    return U32(inst->c)[__builtin_ctz(lanes)];
}

/* ---------------------------------------------------------------- matrices in shared memory */

/* Lanes 8 i to 8 i + 7 hold the addresses of the rows of matrix i. */
static void matrix_rows(Warp *warp, const Inst *inst, int kind, unsigned char *row[LANES])
{
    uint32_t count = inst->list_count;
    uint32_t mask = count == 4 ? ALL_LANES : (1u << (8 * count)) - 1;
    resolve(warp, inst, mask, 16, kind, row);
}

/* ldmatrix: lane l gets elements 2 (l % 4) and 2 (l % 4) + 1 of row l / 4 (transposed: column). */
void run_load_matrix(Warp *warp, const Inst *inst, uint32_t mask)
{
    unsigned char *row[LANES];
    (void)mask;
    matrix_rows(warp, inst, ACCESS_READ, row);
    for (int i = 0; i < inst->list_count; i++)
        for (int l = 0; l < LANES; l++) {
            uint16_t element[2] = {UINT16_MAX, UINT16_MAX};
            for (int k = 0; k < 2; k++) {
                int r = inst->mode ? l % 4 * 2 + k : l / 4, c = inst->mode ? l / 4 : l % 4 * 2 + k;
                if (row[8 * i + r])
                    memcpy(&element[k], row[8 * i + r] + 2 * c, 2);
            }
            U32(inst->list[i])[l] = (uint32_t)element[1] << 16 | element[0];
        }
}

void run_store_matrix(Warp *warp, const Inst *inst, uint32_t mask)
{
    unsigned char *row[LANES];
    (void)mask;
    matrix_rows(warp, inst, ACCESS_WRITE, row);
    for (int i = 0; i < inst->list_count; i++)
        for (int l = 0; l < LANES; l++)
            for (int k = 0; k < 2; k++) {
                int r = inst->mode ? l % 4 * 2 + k : l / 4, c = inst->mode ? l / 4 : l % 4 * 2 + k;
                uint16_t element = (uint16_t)(U32(inst->list[i])[l] >> (16 * k));
                if (row[8 * i + r])
                    memcpy(row[8 * i + r] + 2 * c, &element, 2);
            }
}

/* ---------------------------------------------------------------- mma.sync */
/* The layouts of fragments are those of the PTX manual, "Matrix Fragments for mma": g = lane / 4,
 * t = lane % 4. Products are added up in double precision and rounded once; the hardware rounds
 * within the sum, so the last bits differ. */

typedef struct {
    const char *name;
    Type type, accumulator;
    int rows, columns, depth;
    int registers[4]; /* of d, a, b, c */
} Shape;

static const Shape shapes[] = {
    {"m16n8k16", TYPE_BF16, TYPE_F32, 16, 8, 16, {4, 4, 2, 4}},
    {"m16n8k16", TYPE_F16, TYPE_F32, 16, 8, 16, {4, 4, 2, 4}},
    {"m16n8k16", TYPE_F16, TYPE_F16, 16, 8, 16, {2, 4, 2, 2}},
    {"m16n8k8", TYPE_BF16, TYPE_F32, 16, 8, 8, {4, 2, 1, 4}},
    {"m16n8k8", TYPE_F16, TYPE_F32, 16, 8, 8, {4, 2, 1, 4}},
    {"m16n8k8", TYPE_F16, TYPE_F16, 16, 8, 8, {2, 2, 1, 2}},
    {"m16n8k8", TYPE_TF32, TYPE_F32, 16, 8, 8, {4, 4, 2, 4}},
    {"m16n8k4", TYPE_TF32, TYPE_F32, 16, 8, 4, {4, 2, 1, 4}},
    {"m8n8k4", TYPE_F64, TYPE_F64, 8, 8, 4, {2, 1, 1, 2}},
};

int find_matrix_shape(const char *name, Type type, Type accumulator)
{
    for (int i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++)
        if (!strcmp(shapes[i].name, name) && shapes[i].type == type &&
            shapes[i].accumulator == accumulator)
            return i;
    return -1;
}

void matrix_registers(int shape, int count[4])
{
    memcpy(count, shapes[shape].registers, sizeof shapes[shape].registers);
}

static double narrow_value(uint32_t bits, int part, Type type)
{
    uint16_t half = (uint16_t)(bits >> (16 * part));
    return type == TYPE_F16 ? half_to_double(half) : bfloat_to_double(half);
}

/* Tensor cores ignore the low 13 bits of tf32 operands. */
static double tf32_value(uint32_t bits)
{
    float value;
    bits &= 0xffffe000u;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

/* a[row][k] from registers of 16-bit pairs: register i holds rows g + 8 (i % 2), columns
 * 2 t + 8 (i / 2) and the next. */
static void gather_a(Warp *warp, const Shape *shape, const uint32_t *list, double a[16][16])
{
    for (int i = 0; i < shape->registers[1]; i++)
        for (int l = 0; l < LANES; l++) {
            int g = l / 4, t = l % 4, row = g + 8 * (i % 2);
            if (shape->type == TYPE_F64) {
                a[g][t] = F64(list[i])[l];
            } else if (shape->type == TYPE_TF32) {
                a[row][t + 4 * (i / 2)] = tf32_value(U32(list[i])[l]);
            } else {
                for (int k = 0; k < 2; k++)
                    a[row][2 * t + k + 8 * (i / 2)] = narrow_value(U32(list[i])[l], k, shape->type);
            }
        }
}

static void gather_b(Warp *warp, const Shape *shape, const uint32_t *list, double b[16][8])
{
    for (int i = 0; i < shape->registers[2]; i++)
        for (int l = 0; l < LANES; l++) {
            int g = l / 4, t = l % 4;
            if (shape->type == TYPE_F64) {
                b[t][g] = F64(list[i])[l];
            } else if (shape->type == TYPE_TF32) {
                b[t + 4 * i][g] = tf32_value(U32(list[i])[l]);
            } else {
                for (int k = 0; k < 2; k++)
                    b[2 * t + k + 8 * i][g] = narrow_value(U32(list[i])[l], k, shape->type);
            }
        }
}

static double dot(const Shape *shape, const double *a, double b[16][8], int column, double sum)
{
    for (int k = 0; k < shape->depth; k++)
        sum += a[k] * b[k][column];
    return sum;
}

static double accumulator_value(Warp *warp, const Shape *shape, const uint32_t *c, int e, int l)
{
    switch (shape->accumulator) {
    case TYPE_F64:
        return F64(c[e])[l];
    case TYPE_F32:
        return (double)F32(c[e])[l];
    default:
        return narrow_value(U32(c[e / 2])[l], e % 2, TYPE_F16);
    }
}

static void set_accumulator(Warp *warp, const Shape *shape, const uint32_t *d, int e, int l,
                            double value)
{
    if (shape->accumulator == TYPE_F64) {
        F64(d[e])[l] = value;
    } else if (shape->accumulator == TYPE_F32) {
        F32(d[e])[l] = (float)value;
    } else {
        uint32_t bits = double_to_half(value), *pair = &U32(d[e / 2])[l];
        *pair = e % 2 ? (*pair & 0xffffu) | bits << 16 : (*pair & 0xffff0000u) | bits;
    }
}

/* Element e of a lane's accumulator: row g + 8 (e / 2), column 2 t + e % 2. d may be c in another
 * order, so all of a lane is read before it is written. */
static void accumulate(Warp *warp, const Shape *shape, const uint32_t *d, const uint32_t *c,
                       double a[16][16], double b[16][8])
{
    for (int l = 0; l < LANES; l++) {
        double sum[4];
        int count = shape->rows / 4;
        for (int e = 0; e < count; e++)
            sum[e] = dot(shape, a[l / 4 + 8 * (e / 2)], b, l % 4 * 2 + e % 2,
                         accumulator_value(warp, shape, c, e, l));
        for (int e = 0; e < count; e++)
            set_accumulator(warp, shape, d, e, l, sum[e]);
    }
}

void run_matrix_multiply(Warp *warp, const Inst *inst, uint32_t mask)
{
    const Shape *shape = &shapes[inst->mode];
    const int *count = shape->registers;
    const uint32_t *d = inst->list, *a = d + count[0], *b = a + count[1], *c = b + count[2];
    double left[16][16], right[16][8];
    (void)mask;
    gather_a(warp, shape, a, left);
    gather_b(warp, shape, b, right);
    accumulate(warp, shape, d, c, left, right);
}
