/* compare.c -- compares two .safetensors files tensor by tensor.
 *
 *     compare EXPECTED FOUND TOLERANCE [PATTERN=TOLERANCE]...
 *
 * A tensor agrees when no number is further off than its tolerance times the largest magnitude in
 * the expected tensor; tolerance 0 asks for equal bits. The last pattern (of the shell) that
 * matches the name of a tensor counts. Both files must hold the same names and shapes; metadata are
 * not looked at. Prints the worst tensor; exit status 0: all agree, 1: not, 2: wrong use. */
#define _POSIX_C_SOURCE 200809L
#include "safetensors.h"

#include <float.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Bound {
    const char *pattern; /* up to length */
    size_t length;
    double tolerance;
} Bound;

typedef struct Worst { /* the tensor that comes closest to its tolerance, or is furthest beyond */
    const char *name;
    double share; /* of its tolerance */
    double difference;
} Worst;

static double read_tolerance(const char *text)
{
    char *end;
    double tolerance = strtod(text, &end);
    if (end == text || *end != '\0' || !(tolerance >= 0))
        fail(EXIT_USAGE, NULL, "'%s' is no tolerance", text);
    return tolerance;
}

static Bound *read_bounds(char **words, int count)
{
    Bound *bounds = calloc((size_t)count, sizeof *bounds);
    for (int i = 0; bounds != NULL && i < count; i++) {
        const char *equals = strrchr(words[i], '=');
        bounds[i].pattern = i == 0 ? "*" : words[i];
        bounds[i].length = equals != NULL ? (size_t)(equals - words[i]) : 1;
        bounds[i].tolerance = read_tolerance(equals != NULL ? equals + 1 : words[i]);
    }
    if (bounds == NULL)
        fail(EXIT_IO, NULL, "out of memory");
    return bounds;
}

static double tolerance_of(const char *name, const Bound *bounds, int count)
{
    double tolerance = 0;
    for (int i = 0; i < count; i++) {
        char pattern[128];
        snprintf(pattern, sizeof pattern, "%.*s", (int)bounds[i].length, bounds[i].pattern);
        if (fnmatch(pattern, name, 0) == 0)
            tolerance = bounds[i].tolerance;
    }
    return tolerance;
}

static double *copy_values(const StoredTensor *tensor)
{
    double *values = malloc((stored_count(tensor) + 1) * sizeof *values);
    if (values == NULL || tensor->type == STORED_OTHER)
        fail(EXIT_INVALID, NULL, "tensor '%s' cannot be read as numbers", tensor->name);
    stored_copy_doubles(tensor, values);
    return values;
}

/* Largest difference divided by the largest magnitude expected; equal bits give 0, equal numbers of
 * other bits (0 and -0) next to nothing, anything that cannot be measured infinity. */
static double relative_difference(const StoredTensor *expected, const StoredTensor *found)
{
    if (expected->type == found->type &&
        memcmp(expected->data, found->data, stored_size(expected)) == 0)
        return 0;
    double *a = copy_values(expected), *b = copy_values(found);
    double largest = 0, difference = 0;
    for (uint64_t i = 0; i < stored_count(expected); i++) {
        double distance = fabs(a[i] - b[i]);
        largest = fmax(largest, fabs(a[i]));
        difference = isfinite(distance) ? fmax(difference, distance) : INFINITY;
    }
    free(a);
    free(b);
    if (difference == 0)
        return expected->type == found->type ? DBL_MIN : 0;
    return largest > 0 ? difference / largest : INFINITY;
}

static bool same_shape(const StoredTensor *a, const StoredTensor *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]) == 0;
}

/* Every tensor of `expected` is in `found` with the same shape; says which is not. */
static bool has_all(const Safetensors *expected, const Safetensors *found)
{
    bool good = true;
    for (int i = 0; i < expected->tensor_count; i++) {
        const StoredTensor *tensor = &expected->tensors[i];
        const StoredTensor *other = safetensors_find(found, tensor->name);
        char shape[128], other_shape[128] = "absent";
        if (other != NULL && same_shape(tensor, other))
            continue;
        stored_shape(tensor, shape, sizeof shape);
        if (other != NULL)
            stored_shape(other, other_shape, sizeof other_shape);
        printf("'%s' is %s in %s and %s in %s\n", tensor->name, shape, expected->map.path,
               other_shape, found->map.path);
        good = false;
    }
    return good;
}

static bool compare(const Safetensors *expected, const Safetensors *found, const Bound *bounds,
                    int bound_count)
{
    Worst worst = {"", -1, 0};
    bool good = true;
    for (int i = 0; i < expected->tensor_count; i++) {
        const StoredTensor *tensor = &expected->tensors[i];
        double difference = relative_difference(tensor, safetensors_find(found, tensor->name));
        double tolerance = tolerance_of(tensor->name, bounds, bound_count);
        double share = difference == 0 ? 0 : difference / tolerance;
        if (difference > tolerance) {
            printf("'%s' is off by %.3g of its largest magnitude, %.3g is allowed\n", tensor->name,
                   difference, tolerance);
            good = false;
        }
        if (share > worst.share)
            worst = (Worst){tensor->name, share, difference};
    }
    printf("%d tensors, worst '%s': %.3g\n", expected->tensor_count, worst.name, worst.difference);
    return good && expected->tensor_count > 0;
}

int main(int argc, char **argv)
{
    Safetensors expected, found;
    Error error = {0};
    fail_program("compare");
    if (argc < 4)
        fail(EXIT_USAGE, NULL, "compare EXPECTED FOUND TOLERANCE [PATTERN=TOLERANCE]...");
    Bound *bounds = read_bounds(argv + 3, argc - 3);
    if (!safetensors_open(&expected, argv[1], &error) || !safetensors_open(&found, argv[2], &error))
        fail_error(&error);
    bool good = has_all(&expected, &found) && has_all(&found, &expected) &&
                compare(&expected, &found, bounds, argc - 3);
    free(bounds);
    safetensors_close(&expected);
    safetensors_close(&found);
    return good ? EXIT_OK : EXIT_INVALID;
}
