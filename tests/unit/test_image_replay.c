/* test_image_replay.c -- images are [height][width][channels] in replay files and among samples,
 * and [channels][height][width] where a network sees them. */
#include "replay.h"

#include "../tools/image_toy.c"
#include "draw.h"
#include "safetensors.h"
#include "state.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static float weight[X], bias[X], images[BATCH][HEIGHT][WIDTH][CHANNELS], latents[BATCH][Z];

/* One step: D's loss is w.(fake - real) with w at one pixel, where only the right order of axes
 * meets the data that lie there. */
static void a_replay_turns_images(void **state)
{
    (void)state;
    enum { ROW_AT = 7, COLUMN_AT = 4, CHANNEL_AT = 1 };
    static const int place = (CHANNEL_AT * HEIGHT + ROW_AT) * WIDTH + COLUMN_AT;
    static float zero[X][Z];
    weight[place] = 0.0625f;
    for (int k = 0; k < X; k++) {
        bias[k] = (float)k;
    }
    for (int i = 0; i < BATCH; i++) {
        images[i][ROW_AT][COLUMN_AT][CHANNEL_AT] = 3;
        images[i][ROW_AT][COLUMN_AT][0] = 100;
    }
    const StoredTensor given[] = {
        {.name = "D.0.weight", .type = STORED_F32, .rank = 2, .dims = {1, X}, .data = weight},
        {.name = "G.0.weight", .type = STORED_F32, .rank = 2, .dims = {X, Z}, .data = zero},
        {.name = "G.0.bias", .type = STORED_F32, .rank = 1, .dims = {X}, .data = bias},
        {.name = "real",
         .type = STORED_F32,
         .rank = 5,
         .dims = {1, BATCH, HEIGHT, WIDTH, CHANNELS},
         .data = images},
        {.name = "z_d", .type = STORED_F32, .rank = 3, .dims = {1, BATCH, Z}, .data = latents},
        {.name = "z_g", .type = STORED_F32, .rank = 3, .dims = {1, BATCH, Z}, .data = latents},
    };
    Error error = {0};
    assert_true(safetensors_write("in.safetensors", given, 6, NULL, 0, &error));
    Training training = training_create(&gagac_program, 1, 1);
    replay_run(&training, "in.safetensors", "out.safetensors");
    training_destroy(&training);
    Safetensors out = {0};
    assert_true(safetensors_open(&out, "out.safetensors", &error));
    double loss;
    stored_copy_doubles(safetensors_find(&out, "d_loss"), &loss);
    assert_true(fabs(loss - 0.0625 * (place - 3)) < 1e-6);
    const StoredTensor *fake = safetensors_find(&out, "fake");
    assert_int_equal(fake->rank, 4);
    assert_true(fake->dims[1] == HEIGHT && fake->dims[2] == WIDTH && fake->dims[3] == CHANNELS);
    static double pixels[BATCH][HEIGHT][WIDTH][CHANNELS];
    stored_copy_doubles(fake, &pixels[0][0][0][0]);
    /* one small step of G has moved them */
    assert_true(fabs(pixels[5][2][9][1] - ((HEIGHT + 2) * WIDTH + 9)) < 0.01);
    assert_true(fabs(pixels[0][2][9][0] - (2 * WIDTH + 9)) < 0.01);
    safetensors_close(&out);
}

static void samples_are_turned(void **state)
{
    (void)state;
    real *block = state_create(&gagac_program);
    for (int k = 0; k < X; k++) {
        block[BIAS + k] = (real)k;
    }
    Pool *pool = pool_create(2);
    Normaliser none = {0};
    Generator generator = generator_create(&gagac_program, pool, block, &none, true);
    DrawInputs inputs = {0};
    enum { COUNT = 3 * IMAGE_CHUNK + 1 }; /* more than a chunk */
    static float out[COUNT][HEIGHT][WIDTH][CHANNELS];
    generator_draw_all(&generator, 1, 0, COUNT, &inputs, &out[0][0][0][0]);
    for (int i = 0; i < COUNT; i += 8) {
        assert_true(out[i][0][0][0] == 0 && out[i][0][0][1] == HEIGHT * WIDTH);
        assert_true(out[i][11][9][1] == X - 1 && out[i][1][2][0] == WIDTH + 2);
    }
    generator_destroy(&generator);
    pool_destroy(pool);
    state_destroy(&gagac_program, block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replay_turns_images),
        cmocka_unit_test(samples_are_turned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
