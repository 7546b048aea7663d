/* sampler_request.c -- template: a call of a shipped sampler of rows. C99 and C++. */
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
/*]*/
