/* test_tile.c -- filling tiles of samples, transposing them, adding up lanes. */
#include "vectile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FEATURES = 53, MOST_LANES = 4 * LANES, STRIDE = 64 };

/* All numbers of features up to FEATURES: the padding is zero and nothing beyond it is written. */
static void check_transpose(void **state)
{
    (void)state;
    ALIGNED static real src[FEATURES][MOST_LANES], dst[MOST_LANES + 1][STRIDE];
    for (int f = 0; f < FEATURES; f++)
        for (int s = 0; s < MOST_LANES; s++)
            src[f][s] = (real)(1 + f * MOST_LANES + s);
    for (int features = 1; features <= FEATURES; features++) {
        const int lanes = LANES * (1 + features % 4);
        const int padded = (features + LANES - 1) / LANES * LANES;
        for (int s = 0; s <= MOST_LANES; s++)
            for (int f = 0; f < STRIDE; f++)
                dst[s][f] = -1;
        transpose_tile(dst[0], STRIDE, src[0], MOST_LANES, features, lanes);
        for (int s = 0; s <= MOST_LANES; s++)
            for (int f = 0; f < STRIDE; f++) {
                const bool written = s < lanes && f < padded;
                const real want = !written ? -1 : f < features ? src[f][s] : 0;
                assert_true(dst[s][f] == want);
            }
    }
}

static void check_lanes(void **state)
{
    (void)state;
    ALIGNED real sum[LANES], kept[LANES];
    for (int i = 0; i < LANES; i++)
        sum[i] = (real)(1 << i);
    assert_true(lane_reduce(sum) == 65535);
    /* halves: 1e30 meets -1e30 of lane 8 before anything small is added */
    memset(sum, 0, sizeof sum);
    sum[0] = (real)1e30;
    sum[8] = (real)-1e30;
    sum[1] = 1;
    assert_true(lane_reduce(sum) == 1);
    for (int columns = 0; columns <= LANES; columns++) {
        for (int c = 0; c < LANES; c += VL)
            vstore(kept + c, vbelow(vsplat(7), c, columns));
        for (int c = 0; c < LANES; c++)
            assert_true(kept[c] == (c < columns ? 7 : 0));
    }
}

enum { ROWS = 203, WIDTH = 3, BATCH_SIZE = 100, TILE = 5 * LANES };

/* Rows of the batch come in the order of order.h, tile by tile; dead lanes repeat the last row. */
static void check_data(void **state)
{
    (void)state;
    static real cache[ROWS][WIDTH];
    ALIGNED static real tile[WIDTH][TILE];
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < WIDTH; c++)
            cache[r][c] = (real)(10 * r + c);
    const Data data = {
        .rows = ROWS, .width = WIDTH, .batch = BATCH_SIZE, .shuffled = true, .cache = cache[0]};
    const Batch batch = {.data = &data, .position = 7 * BATCH_SIZE, .seed = 5};
    const ProgramInput input = {.name = "real", .kind = INPUT_DATA, .width = WIDTH};
    Order order = data_order(&data, batch.seed);
    for (int first = 0; first < BATCH_SIZE; first += TILE) {
        const int live = BATCH_SIZE - first < TILE ? BATCH_SIZE - first : TILE;
        fill_input(&batch, 0, &input, tile[0], TILE, first, live);
        for (int lane = 0; lane < TILE; lane++) {
            const int sample = first + (lane < live ? lane : live - 1);
            const uint64_t row = order_row(&order, batch.position + (uint64_t)sample);
            for (int c = 0; c < WIDTH; c++)
                assert_true(tile[c][lane] == cache[row][c]);
        }
    }
}

static void check_given(void **state)
{
    (void)state;
    static real given[BATCH_SIZE][WIDTH];
    ALIGNED static real tile[WIDTH][TILE];
    for (int s = 0; s < BATCH_SIZE; s++)
        for (int c = 0; c < WIDTH; c++)
            given[s][c] = (real)(10 * s + c);
    const Batch batch = {.given = {NULL, NULL, given[0]}};
    const ProgramInput input = {.name = "z_d", .kind = INPUT_NORMAL, .width = WIDTH};
    const int first = BATCH_SIZE - 20;
    fill_input(&batch, 2, &input, tile[0], TILE, first, 20);
    for (int lane = 0; lane < TILE; lane++)
        for (int c = 0; c < WIDTH; c++)
            assert_true(tile[c][lane] == given[first + (lane < 20 ? lane : 19)][c]);
}

/* The counter of a draw: which update it belongs to is the input's choice. */
static void check_draws(void **state)
{
    (void)state;
    static const struct {
        ProgramInput input;
        uint64_t update;
    } cases[] = {
        {{.kind = INPUT_NORMAL, .width = WIDTH, .stream = 1}, 40},
        {{.kind = INPUT_UNIFORM, .width = 1, .stream = 2}, 40},
        {{.kind = INPUT_NORMAL, .width = WIDTH, .stream = 3, .last_data = true}, 50},
        {{.kind = INPUT_UNIFORM, .width = 1, .stream = 4, .first_only = true}, 60},
        {{.kind = INPUT_UNIFORM, .width = 1, .stream = 4, .once = true, .first_only = true}, 0},
    };
    const Batch batch = {
        .seed = 9, .update = 40, .data_update = 50, .first_update = 60, .sample_offset = 1000};
    ALIGNED static real tile[WIDTH][TILE];
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const ProgramInput *input = &cases[k].input;
        fill_input(&batch, 0, input, tile[0], TILE, 64, 1);
        for (int c = 0; c < input->width; c++) {
            const bool normal = input->kind == INPUT_NORMAL;
            const real want = (normal ? draw_one_normal : draw_one_uniform)(
                9, (uint32_t)input->stream, cases[k].update, 1064, (uint32_t)c);
            assert_true(tile[c][0] == want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_transpose), cmocka_unit_test(check_lanes),
        cmocka_unit_test(check_data),      cmocka_unit_test(check_given),
        cmocka_unit_test(check_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
