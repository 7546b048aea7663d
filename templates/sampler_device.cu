/* sampler_device.cu -- template: inputs and outputs of the kernels of a shipped sampler. For
 * sampler_rows.cu and sampler_images.cu. */
#include "cuda_device.h"
#include "rng.h"
enum { STRIDE = 4 };
/*[*/
/* What a launch of the network makes: samples first .. first + live - 1 of a seed's stream, or from
 * given latents. Lanes behind the last repeat it, so that all that is computed stays finite. */
struct SamplerCall {
    uint64_t seed, first;
    int live;
    const /*{latent*/double/*}*/ *latents; /* [live][width], NULL: drawn */
    const double *conditions; /* [live][width]; one of the two, if any */
    const float *float_conditions;
    float *floats; /* what is made goes to one of the two */
    unsigned char *bytes;
};

/* Random numbers, a thread a block of them; extent > 0: to the interval from low on. GIVEN:
 * latents, which the caller may give. */
template <int WIDTH, int COUNT, int KIND, bool GIVEN>
static inline void fill_draws(const SamplerCall &call, uint32_t stream, real low, real extent,
                              real *out)
{
    const int sample = (int)(blockIdx.y * blockDim.x + threadIdx.x), block = (int)blockIdx.x;
    const int row = sample < call.live ? sample : call.live - 1;
    real draws[DRAWS_A_BLOCK];
    if (sample >= COUNT)
        return;
    draw_block(draws, (DrawKind)KIND, call.seed, stream, 0, call.first + (uint64_t)row,
               (uint32_t)block);
    UNROLL
    for (int i = 0; i < DRAWS_A_BLOCK; i++) {
        const int column = block * DRAWS_A_BLOCK + i;
        real number = draws[i];
        if (extent > 0) {
            number = number * extent;
            number = number + low;
        }
        if (column < WIDTH)
            out[column * STRIDE + sample] =
                GIVEN && call.latents ? (real)call.latents[(size_t)row * WIDTH + column] : number;
    }
}
/*]*/
