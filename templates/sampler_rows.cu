/* sampler_rows.cu -- template: rows in the units of the data, on a GPU. */
#include "sampler_device.cu"
enum { GENERATED = 1, CONDITIONS = 1 };
static inline double normalise(int column, double x) { return x + column; }
static inline double denormalise(int column, double y) { return y - column; }
/*[*/
static inline double condition_of(const SamplerCall &call, int row, int k)
{
    const size_t place = (size_t)row * CONDITIONS + (size_t)k;
    return call.conditions ? call.conditions[place] : (double)call.float_conditions[place];
}

template <int WIDTH, int COUNT>
static inline void fill_conditions(const SamplerCall &call, real *out)
{
    const int sample = (int)(blockIdx.x * blockDim.x + threadIdx.x);
    const int row = sample < call.live ? sample : call.live - 1;
    for (int k = 0; k < WIDTH && sample < COUNT; k++)
        out[k * STRIDE + sample] = (real)normalise(GENERATED + k, condition_of(call, row, k));
}

/* Column k of a row, rounded to float as all files of the project; the first one brings the
 * conditions. */
static inline void store_number(const SamplerCall &call, int k, int row, real number)
{
    float *const to = call.floats + (size_t)row * (GENERATED + CONDITIONS);
    if (row >= call.live)
        return;
    to[k] = (float)denormalise(k, (double)number);
    for (int c = 0; c < CONDITIONS && k == 0; c++)
        to[GENERATED + c] = (float)condition_of(call, row, c);
}
/*]*/
