/* sampler_calls.c -- template: the calls of a shipped sampler of rows, those of sampler.h, around a
 * function that makes the rows. C99 and C++, for sampler.c and sampler.cu. */
/*[*/
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

static int check_request(const Request *request)
{
    const int conditions =
        SAMPLER_CONDITIONS == 0 || request->conditions || request->float_conditions;
    const int rows = conditions && (request->rows || request->float_rows);
    if (!SAMPLER_TRAINED)
        return SAMPLER_UNTRAINED;
    return request->count && !rows && !are_columns_complete(request) ? SAMPLER_INVALID : SAMPLER_OK;
}

/*{generate*/
#include "sampler_generate.c"
/*}*/
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

/* ---------------------------------------------------------------- what is known of the columns */
int sampler_trained(void) { return SAMPLER_TRAINED; }

static int is_column(int column) { return column >= 0 && column < SAMPLER_COLUMNS; }

const char *sampler_name(int column) { return is_column(column) ? names[column] : NULL; }
double sampler_mean(int column) { return is_column(column) ? /*{mean*/data_mean/*}*/.values[column] : 0; }
double sampler_std(int column) { return is_column(column) ? /*{std*/data_std/*}*/.values[column] : 0; }
double sampler_minimum(int column) { return is_column(column) ? /*{minimum*/data_minimum/*}*/.values[column] : 0; }
double sampler_maximum(int column) { return is_column(column) ? /*{maximum*/data_maximum/*}*/.values[column] : 0; }
/*]*/
