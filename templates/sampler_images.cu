/* sampler_images.cu -- template: pixels, on a GPU. */
#include "sampler_device.cu"
enum { CHANNELS = 1, AREA = 1 };
/*[*/
static inline unsigned char to_byte(real value)
{
    const double x = (double)value; /* one that is no number counts as 0 */
    const double clipped = x != x ? 0 : x < -1 ? -1 : x > 1 ? 1 : x;
    double scaled = (clipped + 1) * 127.5;
    scaled = scaled + 0.5;
    return (unsigned char)scaled;
}

/* Number k of an image's planes [channels][area] to its pixels [area][channels]. */
static inline void store_number(const SamplerCall &call, int k, int image, real number)
{
    const size_t pixel = (size_t)image * AREA + (size_t)(k % AREA);
    const size_t place = pixel * CHANNELS + (size_t)(k / AREA);
    if (image >= call.live)
        return;
    if (call.bytes)
        call.bytes[place] = to_byte(number);
    else
        call.floats[place] = (float)number;
}

/* Latents as numbers for the caller. */
template <int WIDTH, int COUNT>
static inline void copy_latents(const SamplerCall &call, const real *z)
{
    const int sample = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    for (int k = 0; k < WIDTH && sample < call.live; k++)
        call.floats[(size_t)sample * WIDTH + k] = (float)z[k * STRIDE + sample];
}
/*]*/
