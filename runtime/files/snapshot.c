/* snapshot.c -- see snapshot.h. */
#include "snapshot.h"

#include "state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef GAGAC_F64
const char precision_name[] = "f64";
const StoredType precision_type = STORED_F64;
#else
const char precision_name[] = "f32";
const StoredType precision_type = STORED_F32;
#endif

enum { TEXT_COUNT = 10, TEXT_SIZE = 24 };

void stored_copy_reals(const StoredTensor *stored, real *out)
{
#ifdef GAGAC_F64
    stored_copy_doubles(stored, out);
#else
    stored_copy_floats(stored, out);
#endif
}

StoredTensor tensor_describe(const ProgramTensor *tensor, const real *logical)
{
    StoredTensor stored = {
        .name = tensor->name, .type = precision_type, .rank = tensor->rank, .data = logical};
    for (int i = 0; i < tensor->rank; i++) {
        stored.dims[i] = (uint64_t)tensor->dims[i];
    }
    return stored;
}

bool stored_check(const StoredTensor *stored, const StoredTensor *expected, Error *error)
{
    if (stored->type == STORED_OTHER) {
        return error_set(error, EXIT_INVALID, NULL, "tensor '%s' is neither F32 nor F64",
                         stored->name);
    }
    if (stored->rank == expected->rank &&
        !memcmp(stored->dims, expected->dims, (size_t)stored->rank * sizeof stored->dims[0])) {
        return true;
    }
    char found[128], wanted[128];
    stored_shape(stored, found, sizeof found);
    stored_shape(expected, wanted, sizeof wanted);
    return error_set(error, EXIT_INVALID, NULL, "tensor '%s' has shape %s where %s is needed",
                     stored->name, found, wanted);
}

bool tensor_load(const ProgramTensor *tensor, real *state, const StoredTensor *stored, Error *error)
{
    StoredTensor expected = tensor_describe(tensor, NULL);
    if (!stored_check(stored, &expected, error)) {
        return false;
    }
    if (tensor_is_dense(tensor)) {
        stored_copy_reals(stored, state + tensor->offset);
        return true;
    }
    real *logical = allocate(tensor_size(tensor), sizeof *logical);
    stored_copy_reals(stored, logical);
    tensor_put(tensor, state, logical);
    free(logical);
    return true;
}

/* ---------------------------------------------------------------- writing */
typedef struct Metadata { /* texts and the memory of those that were numbers */
    StoredText texts[TEXT_COUNT];
    char values[TEXT_COUNT][TEXT_SIZE];
    int count;
} Metadata;

static void add_text(Metadata *metadata, const char *key, const char *value)
{
    metadata->texts[metadata->count++] = (StoredText){key, value};
}

static void add_count(Metadata *metadata, const char *key, uint64_t value)
{
    char *text = metadata->values[metadata->count];
    snprintf(text, TEXT_SIZE, "%" PRIu64, value);
    add_text(metadata, key, text);
}

static void add_hash(Metadata *metadata, const char *key, uint64_t value)
{
    char *text = metadata->values[metadata->count];
    snprintf(text, TEXT_SIZE, "%016" PRIx64, value);
    add_text(metadata, key, text);
}

static void describe(Metadata *metadata, const Program *program, const Progress *progress,
                     bool generator_only)
{
    add_text(metadata, "kind", generator_only ? "generator" : "training");
    add_text(metadata, "gagac", program->version);
    add_text(metadata, "config", program->config_name);
    add_hash(metadata, "config_hash", program->config_hash);
    add_text(metadata, "precision", precision_name);
    add_count(metadata, "iteration", progress->iteration);
    add_count(metadata, "seed", progress->seed);
    add_count(metadata, "data_rows", progress->data_rows);
    add_hash(metadata, "data_hash", progress->data_hash);
}

static bool is_stored(const ProgramTensor *tensor, bool generator_only)
{
    return !generator_only || tensor_is_generator(tensor);
}

/* Fills tensors with those of the state. Values with padding are copied to *values, which the
 * caller frees; the others are written from where they lie: they may be most of the memory. */
static int collect(const Program *program, const real *state, bool generator_only,
                   StoredTensor *tensors, real **values)
{
    size_t total = 0, used = 0;
    for (int i = 0; i < program->tensor_count; i++) {
        const ProgramTensor *tensor = &program->tensors[i];
        bool copied = is_stored(tensor, generator_only) && !tensor_is_dense(tensor);
        total += copied ? tensor_size(tensor) : 0;
    }
    *values = allocate(total, sizeof(real));
    int count = 0;
    for (int i = 0; i < program->tensor_count; i++) {
        const ProgramTensor *tensor = &program->tensors[i];
        if (!is_stored(tensor, generator_only)) {
            continue;
        }
        if (tensor_is_dense(tensor)) {
            tensors[count++] = tensor_describe(tensor, state + tensor->offset);
        } else {
            tensor_get(tensor, state, *values + used);
            tensors[count++] = tensor_describe(tensor, *values + used);
            used += tensor_size(tensor);
        }
    }
    return count;
}

bool snapshot_write(const char *folder, const Program *program, const real *state,
                    const Normaliser *normaliser, const Progress *progress, bool generator_only,
                    Error *error)
{
    Metadata metadata = {.count = 0};
    describe(&metadata, program, progress, generator_only);
    NormaliserTensors tables = {0};
    if (program_columns(program) > 0) {
        tables = normaliser_store(normaliser);
    }
    size_t most = (size_t)program->tensor_count + (size_t)tables.count;
    StoredTensor *tensors = allocate(most, sizeof *tensors);
    real *values = NULL;
    int count = collect(program, state, generator_only, tensors, &values);
    for (int i = 0; i < tables.count; i++) {
        tensors[count++] = tables.tensors[i];
    }
    bool done = (generator_only ? checkpoint_store : checkpoint_write)(
        folder, progress->iteration, tensors, count, metadata.texts, metadata.count, error);
    free(values);
    free(tensors);
    normaliser_tensors_free(&tables);
    return done;
}

/* ---------------------------------------------------------------- reading */
static bool read_number(const Safetensors *file, const char *key, int base, uint64_t *value,
                        Error *error)
{
    const char *text = safetensors_text(file, key);
    char *end = NULL;
    if (text && *text) {
        *value = strtoull(text, &end, base);
    }
    if (!end || *end) {
        return error_set(error, EXIT_INVALID, NULL, "%s: its metadata have no valid '%s'",
                         file->map.path, key);
    }
    return true;
}

bool snapshot_progress(const Safetensors *file, Progress *progress, Error *error)
{
    return read_number(file, "iteration", 10, &progress->iteration, error) &&
           read_number(file, "seed", 10, &progress->seed, error) &&
           read_number(file, "data_rows", 10, &progress->data_rows, error) &&
           read_number(file, "data_hash", 16, &progress->data_hash, error);
}

bool snapshot_check(const Safetensors *file, const Program *program, Error *error)
{
    uint64_t hash = 0;
    if (!read_number(file, "config_hash", 16, &hash, error)) {
        return false;
    }
    if (hash != program->config_hash) {
        const char *config = safetensors_text(file, "config");
        return error_set(
            error, EXIT_INVALID, NULL,
            "%s was made by another network or training: config %s with hash %016" PRIx64
            ", this program is %s with hash %016" PRIx64,
            file->map.path, config ? config : "unknown", hash, program->config_name,
            program->config_hash);
    }
    const char *precision = safetensors_text(file, "precision");
    if (!precision || strcmp(precision, precision_name)) {
        return error_set(error, EXIT_INVALID, NULL, "%s has precision %s, this program has %s",
                         file->map.path, precision ? precision : "unknown", precision_name);
    }
    return true;
}

/* Of a memory that a trainer or a hook keeps in the state, how much is in use lies there too. */
static bool check_count(const Safetensors *file, const ProgramTensor *tensor, int index,
                        const real *state, double most, Error *error)
{
    const double count = (double)state[tensor->offset + (size_t)index];
    return (count >= 0 && count <= most) || /* a NaN is neither */
           error_set(error, EXIT_INVALID, NULL, "%s: tensor '%s' has a count of %g, not of 0 to %g",
                     file->map.path, tensor->name, count, most);
}

static bool check_counts(const Safetensors *file, const Program *program, const real *state,
                         Error *error)
{
    const ProgramTensor *remembered = &program->tensors[program->gang.count];
    const ProgramTensor *drawn = &program->tensors[program->pictures.count];
    return (program->gang.mix_steps == 0 ||
            check_count(file, remembered, 0, state, program->gang.size, error)) &&
           (!program->pictures.chooses || (check_count(file, drawn, 0, state, 0x1p20, error) &&
                                           check_count(file, drawn, 1, state, 0x1p20, error)));
}

bool snapshot_read(const Safetensors *file, const Program *program, real *state,
                   Normaliser *normaliser, bool generator_only, Error *error)
{
    for (int i = 0; i < program->tensor_count; i++) {
        const ProgramTensor *tensor = &program->tensors[i];
        if (!is_stored(tensor, generator_only)) {
            continue;
        }
        const StoredTensor *stored = safetensors_find(file, tensor->name);
        if (!stored) {
            return error_set(error, EXIT_INVALID, NULL, "%s holds no tensor '%s'", file->map.path,
                             tensor->name);
        }
        if (!tensor_load(tensor, state, stored, error)) {
            return false;
        }
    }
    if (!generator_only && !check_counts(file, program, state, error)) {
        return false;
    }
    if (program_columns(program) == 0) {
        *normaliser = (Normaliser){0};
        return true;
    }
    return normaliser_load(normaliser, (NormalisationKind)program->normalisation, program->x_dim,
                           file, error);
}

void bounds_put(const Program *program, real *state, const Normaliser *normaliser)
{
    if (!program->clamp_lower) {
        return;
    }
    for (int k = 0; k < program->x_dim - program->cond_dim; k++) {
        double lower = program->clamp_lower[k], upper = program->clamp_upper[k];
        if (normaliser) {
            lower = normalise(&normaliser->columns[k], lower);
            upper = normalise(&normaliser->columns[k], upper);
        }
        state[program->lower_offset + (size_t)k] = (real)lower;
        state[program->upper_offset + (size_t)k] = (real)upper;
    }
}
