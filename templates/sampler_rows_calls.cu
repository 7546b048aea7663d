/* sampler_rows_calls.cu -- template: the calls of a sampler of rows on a GPU, those of sampler.h.
 * For sampler_cuda.cu. */
/*[*/
typedef struct Request { /* a call; latents: NULL, drawn; one kind of rows is there */
    uint64_t seed, first;
    size_t count;
    const double *latents, *conditions;
    const float *float_conditions;
    double *rows;
    float *float_rows;
    double *const *columns;
} Request;

/* Condition k of a row of the call. */
static double condition(const Request *request, size_t row, int k)
{
    const size_t place = row * SAMPLER_CONDITIONS + (size_t)k;
    if (request->columns)
        return request->columns[SAMPLER_GENERATED + k][row];
    return request->float_conditions ? (double)request->float_conditions[place]
                                     : request->conditions[place];
}

static void store_row(const Request *request, size_t row, const float *made)
{
    for (int k = 0; k < SAMPLER_COLUMNS; k++) {
        const int generated = k < SAMPLER_GENERATED;
        const size_t place = row * SAMPLER_COLUMNS + (size_t)k;
        const double value =
            generated ? (double)made[k] : condition(request, row, k - SAMPLER_GENERATED);
        if (request->rows)
            request->rows[place] = value;
        else if (request->float_rows)
            request->float_rows[place] = (float)value;
        else if (generated && request->columns[k])
            request->columns[k][row] = value;
    }
}

static int are_columns_complete(const Request *request)
{
    for (int k = SAMPLER_GENERATED; k < SAMPLER_COLUMNS && request->columns; k++)
        if (!request->columns[k])
            return 0;
    return request->columns != NULL;
}

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
    const int conditions =
        SAMPLER_CONDITIONS == 0 || request->conditions || request->float_conditions;
    const int rows = conditions && (request->rows || request->float_rows);
    if (!SAMPLER_TRAINED)
        return SAMPLER_UNTRAINED;
    if (request->count && !rows && !are_columns_complete(request))
        return SAMPLER_INVALID;
    Memory memory;
    bool good = memory_open(&memory, DEVICE_BYTES, (size_t)ROWS * SAMPLER_COLUMNS);
    for (size_t start = 0; good && start < request->count; start += ROWS) {
        const size_t left = request->count - start;
        good = make_rows(request, &memory, start, left < ROWS ? (int)left : ROWS);
    }
    return memory_close(&memory, good);
}

int sampler_generate(uint64_t seed, uint64_t first, size_t n, const double *conditions,
                     double *rows)
{
    const Request request = {seed, first, n, NULL, conditions, NULL, rows, NULL, NULL};
    return generate(&request);
}

int sampler_generate_float(uint64_t seed, uint64_t first, size_t n, const float *conditions,
                           float *rows)
{
    const Request request = {seed, first, n, NULL, NULL, conditions, NULL, rows, NULL};
    return generate(&request);
}

int sampler_generate_columns(uint64_t seed, uint64_t first, size_t n,
                             double *const columns[SAMPLER_COLUMNS])
{
    const Request request = {seed, first, n, NULL, NULL, NULL, NULL, NULL, columns};
    return generate(&request);
}

int sampler_from_latents(size_t n, const double *latents, const double *conditions, double *rows)
{
    const Request request = {0, 0, n, latents, conditions, NULL, rows, NULL, NULL};
    return n && !latents ? SAMPLER_INVALID : generate(&request);
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

/* ---------------------------------------------------------------- what is known of the columns */
int sampler_trained(void) { return SAMPLER_TRAINED; }

static int is_column(int column) { return column >= 0 && column < SAMPLER_COLUMNS; }

const char *sampler_name(int column) { return is_column(column) ? names[column] : NULL; }
double sampler_mean(int column) { return is_column(column) ? host_mean.values[column] : 0; }
double sampler_std(int column) { return is_column(column) ? host_std.values[column] : 0; }
double sampler_minimum(int column) { return is_column(column) ? host_minimum.values[column] : 0; }
double sampler_maximum(int column) { return is_column(column) ? host_maximum.values[column] : 0; }
/*]*/
