/* sampler_rows_calls.cu -- template: rows of a call on a GPU, and the call for its memory. For
 * sampler_calls.c in sampler_cuda.cu. */
/*[*/
/* The GPU's memory of a call from the host, in bytes: one part after the other. */
static const size_t ROWS_AT = SAMPLER_DEVICE_WORK;
static const size_t LATENTS_AT = ROWS_AT + (size_t)ROWS * SAMPLER_COLUMNS * sizeof(double);
static const size_t CONDITIONS_AT = LATENTS_AT + (size_t)ROWS * SAMPLER_LATENT * sizeof(double);
static const size_t DEVICE_BYTES =
    CONDITIONS_AT + (size_t)ROWS * (SAMPLER_CONDITIONS + 1) * sizeof(double);

/* Rows start .. start + live - 1 of a call. */
static bool make_rows(const Request *request, const Memory *memory, size_t start, int live)
{
    const size_t width = SAMPLER_CONDITIONS, latents = SAMPLER_LATENT * sizeof(double);
    double *const conditions = (double *)malloc((size_t)ROWS * (width + 1) * sizeof(double));
    SamplerCall call = {request->seed, request->first + start, live};
    bool good = conditions != NULL;
    call.floats = (float *)(memory->device + ROWS_AT);
    call.conditions = (const double *)(memory->device + CONDITIONS_AT);
    for (int row = 0; good && row < live; row++)
        for (int k = 0; k < SAMPLER_CONDITIONS; k++)
            conditions[(size_t)row * width + (size_t)k] =
                condition(request, start + (size_t)row, k);
    if (good && width)
        good = to_device(memory, memory->device + CONDITIONS_AT, conditions,
                         (size_t)live * width * sizeof(double));
    if (good && request->latents) {
        call.latents = (const double *)(memory->device + LATENTS_AT);
        good = to_device(memory, memory->device + LATENTS_AT,
                         request->latents + start * SAMPLER_LATENT, (size_t)live * latents);
    }
    good = good && run_network(call, memory->device, memory->stream) &&
           to_host(memory, memory->floats, call.floats,
                   (size_t)live * SAMPLER_COLUMNS * sizeof(float));
    for (int i = 0; good && i < live; i++)
        store_row(request, start + (size_t)i, memory->floats + (size_t)i * SAMPLER_COLUMNS);
    free(conditions);
    return good;
}

static int generate(const Request *request)
{
    const int status = check_request(request);
    if (status != SAMPLER_OK)
        return status;
    Memory memory;
    bool good = memory_open(&memory, DEVICE_BYTES, (size_t)ROWS * SAMPLER_COLUMNS);
    for (size_t start = 0; good && start < request->count; start += ROWS) {
        const size_t left = request->count - start;
        good = make_rows(request, &memory, start, left < ROWS ? (int)left : ROWS);
    }
    return memory_close(&memory, good);
}

int sampler_generate_device(uint64_t seed, uint64_t first, size_t n, const float *conditions,
                            float *rows, void *work, struct CUstream_st *stream)
{
    if (!SAMPLER_TRAINED)
        return SAMPLER_UNTRAINED;
    if (n && (!rows || !work || (SAMPLER_CONDITIONS && !conditions)))
        return SAMPLER_INVALID;
    if (n && !clear_lanes(work, stream))
        return SAMPLER_DEVICE;
    for (size_t start = 0; start < n; start += ROWS) {
        const size_t left = n - start;
        SamplerCall call = {seed, first + start, left < ROWS ? (int)left : ROWS};
        call.float_conditions = conditions ? conditions + start * SAMPLER_CONDITIONS : NULL;
        call.floats = rows + start * SAMPLER_COLUMNS;
        if (!run_network(call, work, stream))
            return SAMPLER_DEVICE;
    }
    return SAMPLER_OK;
}
/*]*/
