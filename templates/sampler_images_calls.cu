/* sampler_images_calls.cu -- template: the calls of a sampler of images on a GPU, those of
 * sampler.h. For sampler_cuda.cu. */
/*[*/
typedef struct Request { /* a call; latents: NULL, drawn; one kind of output is there */
    uint64_t seed, first;
    size_t count;
    const float *latents;
    unsigned char *bytes;
    float *floats;
    bool only_latents; /* they are what is asked for */
} Request;

enum { /* numbers of an output; bytes of the GPU's memory of a call from the host */
    MOST_NUMBERS = (int)SAMPLER_PIXELS > (int)SAMPLER_LATENT ? (int)SAMPLER_PIXELS
                                                             : (int)SAMPLER_LATENT
};
static const size_t LATENTS_AT = SAMPLER_DEVICE_WORK;
static const size_t PIXELS_AT = LATENTS_AT + (size_t)ROWS * SAMPLER_LATENT * sizeof(float);
static const size_t DEVICE_BYTES = PIXELS_AT + (size_t)ROWS * MOST_NUMBERS * sizeof(float);

/* Images start .. start + live - 1 of a call. */
static bool make_images(const Request *request, const Memory *memory, size_t start, int live)
{
    const size_t numbers = request->only_latents ? SAMPLER_LATENT : SAMPLER_PIXELS;
    char *const made = memory->device + PIXELS_AT;
    SamplerCall call = {request->seed, request->first + start, live};
    bool good = true;
    if (request->bytes)
        call.bytes = (unsigned char *)made;
    else
        call.floats = (float *)made;
    if (request->latents) {
        call.latents = (const float *)(memory->device + LATENTS_AT);
        good = to_device(memory, memory->device + LATENTS_AT,
                         request->latents + start * SAMPLER_LATENT,
                         (size_t)live * SAMPLER_LATENT * sizeof(float));
    }
    if (good && request->only_latents)
        good = run(latent_launches, 2, call, memory->device, memory->stream);
    else
        good = good && run_network(call, memory->device, memory->stream);
    if (request->bytes)
        return good && to_host(memory, request->bytes + start * numbers, made,
                               (size_t)live * numbers);
    return good && to_host(memory, request->floats + start * numbers, made,
                           (size_t)live * numbers * sizeof(float));
}

static int generate(const Request *request)
{
    if (!SAMPLER_TRAINED && !request->only_latents)
        return SAMPLER_UNTRAINED;
    if (request->count && !(request->bytes || request->floats))
        return SAMPLER_INVALID;
    Memory memory;
    bool good = memory_open(&memory, DEVICE_BYTES, 1);
    for (size_t start = 0; good && start < request->count; start += ROWS) {
        const size_t left = request->count - start;
        good = make_images(request, &memory, start, left < ROWS ? (int)left : ROWS);
    }
    return memory_close(&memory, good);
}

int sampler_pixels(size_t n, const float *latents, unsigned char *pixels, void *)
{
    const Request request = {0, 0, n, latents, pixels, NULL, false};
    return n && !latents ? SAMPLER_INVALID : generate(&request);
}

int sampler_pixels_float(size_t n, const float *latents, float *pixels, void *)
{
    const Request request = {0, 0, n, latents, NULL, pixels, false};
    return n && !latents ? SAMPLER_INVALID : generate(&request);
}

int sampler_generate(uint64_t seed, uint64_t first, size_t n, unsigned char *pixels, void *)
{
    const Request request = {seed, first, n, NULL, pixels, NULL, false};
    return generate(&request);
}

int sampler_generate_float(uint64_t seed, uint64_t first, size_t n, float *pixels, void *)
{
    const Request request = {seed, first, n, NULL, NULL, pixels, false};
    return generate(&request);
}

int sampler_latents(uint64_t seed, uint64_t first, size_t n, float *latents)
{
    const Request request = {seed, first, n, NULL, NULL, latents, true};
    return generate(&request);
}

int sampler_generate_device(uint64_t seed, uint64_t first, size_t n, float *pixels, void *work,
                            struct CUstream_st *stream)
{
    if (!SAMPLER_TRAINED)
        return SAMPLER_UNTRAINED;
    if (n && (!pixels || !work))
        return SAMPLER_INVALID;
    if (n && !clear_lanes(work, stream))
        return SAMPLER_DEVICE;
    for (size_t start = 0; start < n; start += ROWS) {
        const size_t left = n - start;
        SamplerCall call = {seed, first + start, left < ROWS ? (int)left : ROWS};
        call.floats = pixels + start * SAMPLER_PIXELS;
        if (!run_network(call, work, stream))
            return SAMPLER_DEVICE;
    }
    return SAMPLER_OK;
}

int sampler_trained(void) { return SAMPLER_TRAINED; }
/*]*/
