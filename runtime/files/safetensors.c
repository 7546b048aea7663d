/* safetensors.c -- named arrays in a file: an 8-byte length, a JSON header, the data. */
#define _POSIX_C_SOURCE 200809L
#include "safetensors.h"

#include "output.h"
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors files are little-endian, and so must be the machine"
#endif

enum { MAX_HEADER = 8 << 20, MAX_ENTRIES = 65536, ALIGNMENT = 64, MAX_SKIP = 32 };

typedef struct Entry { /* one tensor of the header, before the data are checked */
    StoredTensor tensor;
    uint64_t begin, end; /* bytes of the data */
    int bits;            /* of one number */
} Entry;

typedef struct Reader {
    Safetensors *file;
    Error *error;
    const char *at, *end; /* header text not read yet */
    char *strings; /* free part of file->strings; decoded text is never longer than its JSON */
    Entry *entries;
    int entry_count, entry_capacity, text_capacity;
    bool metadata_seen;
} Reader;

static bool bad(Reader *reader, const char *what)
{
    return error_set(reader->error, EXIT_INVALID, NULL, "'%s' is not a valid safetensors file: %s",
                     reader->file->map.path, what);
}

/* ---------------------------------------------------------------- JSON */
static void skip_spaces(Reader *reader)
{
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at)) /* the text has no NUL */
        reader->at++;
}

/* Takes one mark (a bracket, a comma ...) if it comes next. */
static bool take(Reader *reader, char mark)
{
    skip_spaces(reader);
    if (reader->at == reader->end || *reader->at != mark)
        return false;
    reader->at++;
    return true;
}

static bool expect(Reader *reader, char mark)
{
    return take(reader, mark) || bad(reader, "its header is not the JSON that the format asks for");
}

/* The code point after \u, the second half of a surrogate pair included. */
static bool read_code(Reader *reader, uint32_t *code)
{
    uint32_t low;
    if (!read_hexadecimal(&reader->at, reader->end, 4, code) || *code == 0 ||
        (*code >= 0xdc00 && *code < 0xe000))
        return false;
    if (*code < 0xd800 || *code >= 0xdc00)
        return true;
    if (reader->end - reader->at < 6 || reader->at[0] != '\\' || reader->at[1] != 'u')
        return false;
    reader->at += 2;
    if (!read_hexadecimal(&reader->at, reader->end, 4, &low) || low < 0xdc00 || low >= 0xe000)
        return false;
    *code = 0x10000 + ((*code - 0xd800) << 10 | (low - 0xdc00));
    return true;
}

static bool read_escape(Reader *reader, char **out)
{
    static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (reader->at == reader->end)
        return false;
    char letter = *reader->at++;
    const char *found = strchr(letters, letter);
    uint32_t code;
    if (letter == 'u') {
        if (!read_code(reader, &code))
            return false;
        *out += put_character(*out, code);
        return true;
    }
    if (!found || !*found)
        return false;
    *(*out)++ = values[found - letters];
    return true;
}

/* A JSON string, decoded and NUL-terminated in the file's own memory. */
static bool read_string(Reader *reader, const char **text)
{
    if (!expect(reader, '"'))
        return false;
    char *out = reader->strings;
    *text = out;
    while (reader->at < reader->end && *reader->at != '"') {
        char c = *reader->at++;
        if ((unsigned char)c < 0x20 || (c == '\\' && !read_escape(reader, &out)))
            return bad(reader, "a string in its header is broken");
        if (c != '\\')
            *out++ = c;
    }
    *out++ = 0; /* in place of the quotes */
    reader->strings = out;
    return expect(reader, '"');
}

static bool read_number(Reader *reader, uint64_t *number)
{
    skip_spaces(reader);
    const char *start = reader->at;
    if (!read_whole(&reader->at, reader->end, number))
        return bad(reader, "a whole number of 64 bits is missing in its header");
    bool leading_zero = reader->at - start > 1 && *start == '0';
    return !leading_zero || bad(reader, "a number in its header starts with 0");
}

/* [a, b, ...] of at most `most` numbers. */
static bool read_numbers(Reader *reader, uint64_t *numbers, int most, int *count)
{
    *count = 0;
    if (!expect(reader, '['))
        return false;
    if (take(reader, ']'))
        return true;
    do {
        if (*count == most)
            return bad(reader, "a shape has more than 8 axes");
        if (!read_number(reader, &numbers[(*count)++]))
            return false;
    } while (take(reader, ','));
    return expect(reader, ']');
}

/* ---------------------------------------------------------------- the header */
static bool set_type(Reader *reader, Entry *entry, const char *name)
{
    static const struct {
        const char *name;
        int bits;
    } types[] = {
        {"F64", 64}, {"F32", 32}, {"F16", 16},    {"BF16", 16},   {"I64", 64},    {"I32", 32},
        {"I16", 16}, {"I8", 8},   {"U64", 64},    {"U32", 32},    {"U16", 16},    {"U8", 8},
        {"BOOL", 8}, {"C64", 64}, {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(name, types[i].name) != 0)
            continue;
        entry->bits = types[i].bits;
        entry->tensor.type = i == 0 ? STORED_F64 : i == 1 ? STORED_F32 : STORED_OTHER;
        return true;
    }
    return error_set(reader->error, EXIT_INVALID, NULL,
                     "'%s': tensor '%s' has the unknown type '%s'", reader->file->map.path,
                     entry->tensor.name, name);
}

static bool check_entry(Reader *reader, const Entry *entry)
{
    uint64_t bytes = (uint64_t)entry->bits / 8;
    bool good = entry->begin <= entry->end;
    for (int i = 0; i < entry->tensor.rank; i++)
        good = good && !__builtin_mul_overflow(bytes, entry->tensor.dims[i], &bytes);
    if (good && bytes == entry->end - entry->begin)
        return true;
    char shape[128];
    stored_shape(&entry->tensor, shape, sizeof shape);
    return error_set(reader->error, EXIT_INVALID, NULL,
                     "'%s': the data_offsets of tensor '%s' do not fit its type and shape %s",
                     reader->file->map.path, entry->tensor.name, shape);
}

/* {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}: each key once, nothing else. */
static bool read_entry(Reader *reader, Entry *entry)
{
    unsigned seen = 0;
    const char *key, *type = "";
    int rank, offsets_count = 0;
    uint64_t offsets[2] = {0, 0};
    if (!expect(reader, '{'))
        return false;
    do {
        if (!read_string(reader, &key) || !expect(reader, ':'))
            return false;
        unsigned bit = strcmp(key, "dtype") == 0          ? 1
                       : strcmp(key, "shape") == 0        ? 2
                       : strcmp(key, "data_offsets") == 0 ? 4
                                                          : 0;
        if (bit == 0 || seen & bit)
            return bad(reader, "a tensor does not have exactly dtype, shape and data_offsets");
        seen |= bit;
        bool good = bit == 1   ? read_string(reader, &type)
                    : bit == 2 ? read_numbers(reader, entry->tensor.dims, STORED_MAX_RANK, &rank)
                               : read_numbers(reader, offsets, 2, &offsets_count);
        if (!good)
            return false;
        if (bit == 2)
            entry->tensor.rank = rank;
    } while (take(reader, ','));
    if (!expect(reader, '}'))
        return false;
    if (seen != 7 || offsets_count != 2)
        return bad(reader, "a tensor does not have exactly dtype, shape and data_offsets");
    entry->begin = offsets[0];
    entry->end = offsets[1];
    return set_type(reader, entry, type) && check_entry(reader, entry);
}

/* Makes room for one more element of a growing array. */
static bool grow(Reader *reader, void **array, size_t element, int count, int *capacity)
{
    if (count == MAX_ENTRIES)
        return bad(reader, "it has more than 65,536 entries");
    if (count < *capacity)
        return true;
    int more = *capacity ? 2 * *capacity : 64;
    void *larger = realloc(*array, element * (size_t)more);
    if (!larger)
        return error_set(reader->error, EXIT_IO, NULL, "out of memory");
    *array = larger;
    *capacity = more;
    return true;
}

static bool read_metadata(Reader *reader)
{
    Safetensors *file = reader->file;
    if (reader->metadata_seen)
        return bad(reader, "__metadata__ is there twice");
    reader->metadata_seen = true;
    if (!expect(reader, '{'))
        return false;
    if (take(reader, '}'))
        return true;
    do {
        void *texts = file->texts;
        bool room =
            grow(reader, &texts, sizeof *file->texts, file->text_count, &reader->text_capacity);
        file->texts = texts;
        StoredText text;
        if (!room || !read_string(reader, &text.key) || !expect(reader, ':') ||
            !read_string(reader, &text.value))
            return false;
        file->texts[file->text_count++] = text;
    } while (take(reader, ','));
    return expect(reader, '}');
}

static bool read_header(Reader *reader)
{
    if (!expect(reader, '{'))
        return false;
    if (!take(reader, '}')) {
        do {
            const char *name;
            if (!read_string(reader, &name) || !expect(reader, ':'))
                return false;
            if (strcmp(name, "__metadata__") == 0) {
                if (!read_metadata(reader))
                    return false;
                continue;
            }
            void *entries = reader->entries;
            bool room = grow(reader, &entries, sizeof *reader->entries, reader->entry_count,
                             &reader->entry_capacity);
            reader->entries = entries;
            if (!room)
                return false;
            Entry *entry = &reader->entries[reader->entry_count++];
            *entry = (Entry){.tensor = {.name = name}};
            if (!read_entry(reader, entry))
                return false;
        } while (take(reader, ','));
        if (!expect(reader, '}'))
            return false;
    }
    skip_spaces(reader); /* the padding */
    return reader->at == reader->end || bad(reader, "its header has text after the JSON");
}

/* ---------------------------------------------------------------- checks of the whole */
static int compare_names(const void *a, const void *b)
{
    return strcmp(((const Entry *)a)->tensor.name, ((const Entry *)b)->tensor.name);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const StoredText *)a)->key, ((const StoredText *)b)->key);
}

/* By place; of two at one place (one of them is empty) the one that ends first. */
static int compare_places(const void *a, const void *b)
{
    const Entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return strcmp(x->tensor.name, y->tensor.name);
}

static bool check_unique(Reader *reader)
{
    Safetensors *file = reader->file;
    if (reader->entry_count > 1)
        qsort(reader->entries, (size_t)reader->entry_count, sizeof *reader->entries, compare_names);
    for (int i = 1; i < reader->entry_count; i++) {
        if (compare_names(&reader->entries[i - 1], &reader->entries[i]) == 0)
            return bad(reader, "two tensors have the same name");
    }
    if (file->text_count > 1)
        qsort(file->texts, (size_t)file->text_count, sizeof *file->texts, compare_keys);
    for (int i = 1; i < file->text_count; i++) {
        if (compare_keys(&file->texts[i - 1], &file->texts[i]) == 0)
            return bad(reader, "a key of its __metadata__ is there twice");
    }
    return true;
}

/* The tensors, in order of place, must cover the data exactly. */
static bool place_tensors(Reader *reader, size_t data)
{
    Safetensors *file = reader->file;
    uint64_t place = 0;
    file->tensors = malloc(sizeof *file->tensors * (size_t)(reader->entry_count + 1));
    if (!file->tensors)
        return error_set(reader->error, EXIT_IO, NULL, "out of memory");
    if (reader->entry_count > 1)
        qsort(reader->entries, (size_t)reader->entry_count, sizeof *reader->entries,
              compare_places);
    for (int i = 0; i < reader->entry_count; i++) {
        const Entry *entry = &reader->entries[i];
        if (entry->begin != place || entry->end > file->map.size - data)
            return error_set(reader->error, EXIT_INVALID, NULL, "'%s': the data of tensor '%s' %s",
                             file->map.path, entry->tensor.name,
                             entry->begin != place ? "leave a hole or overlap others"
                                                   : "end beyond the file (is it cut?)");
        file->tensors[i] = entry->tensor;
        file->tensors[i].data = file->map.bytes + data + place;
        place = entry->end;
    }
    file->tensor_count = reader->entry_count;
    return place == file->map.size - data || bad(reader, "it has bytes that belong to no tensor");
}

static bool read_file(Reader *reader)
{
    Safetensors *file = reader->file;
    const unsigned char *bytes = file->map.bytes;
    uint64_t length = 0;
    if (file->map.size < 8)
        return bad(reader, "it is shorter than 8 bytes");
    memcpy(&length, bytes, sizeof length);
    if (length > MAX_HEADER || length > file->map.size - 8)
        return bad(reader, "its header is longer than 8 MiB or than the file");
    file->strings = malloc((size_t)length + 1);
    if (!file->strings)
        return error_set(reader->error, EXIT_IO, NULL, "out of memory");
    reader->strings = file->strings;
    reader->at = (const char *)bytes + 8;
    reader->end = reader->at + length;
    if (memchr(reader->at, 0, (size_t)length))
        return bad(reader, "its header holds a NUL byte");
    return read_header(reader) && check_unique(reader) && place_tensors(reader, 8 + (size_t)length);
}

bool safetensors_open(Safetensors *file, const char *path, Error *error)
{
    *file = (Safetensors){0};
    if (!map_open(&file->map, path, error))
        return false;
    Reader reader = {.file = file, .error = error};
    bool good = read_file(&reader);
    free(reader.entries);
    if (!good)
        safetensors_close(file);
    return good;
}

void safetensors_close(Safetensors *file)
{
    free(file->tensors);
    free(file->texts);
    free(file->strings);
    map_close(&file->map);
    *file = (Safetensors){0};
}

/* ---------------------------------------------------------------- access */
const StoredTensor *safetensors_find(const Safetensors *file, const char *name)
{
    for (int i = 0; i < file->tensor_count; i++) {
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    }
    return NULL;
}

const char *safetensors_text(const Safetensors *file, const char *key)
{
    StoredText wanted = {.key = key};
    const StoredText *found =
        file->text_count == 0
            ? NULL
            : bsearch(&wanted, file->texts, (size_t)file->text_count, sizeof wanted, compare_keys);
    return found ? found->value : NULL;
}

uint64_t stored_count(const StoredTensor *tensor)
{
    uint64_t count = 1;
    for (int i = 0; i < tensor->rank; i++)
        count *= tensor->dims[i];
    return count;
}

size_t stored_size(const StoredTensor *tensor)
{
    return (size_t)stored_count(tensor) *
           (tensor->type == STORED_F64 ? sizeof(double) : sizeof(float));
}

void stored_copy_floats(const StoredTensor *tensor, float *out)
{
    const unsigned char *bytes = tensor->data;
    uint64_t count = stored_count(tensor);
    if (tensor->type == STORED_F32) {
        memcpy(out, bytes, stored_size(tensor));
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        double value;
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        out[i] = (float)value;
    }
}

void stored_copy_doubles(const StoredTensor *tensor, double *out)
{
    const unsigned char *bytes = tensor->data;
    uint64_t count = stored_count(tensor);
    if (tensor->type == STORED_F64) {
        memcpy(out, bytes, stored_size(tensor));
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        float value;
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        out[i] = (double)value;
    }
}

void stored_shape(const StoredTensor *tensor, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < tensor->rank && used < size; i++)
        used +=
            (size_t)snprintf(out + used, size - used, "%s%" PRIu64, i ? ", " : "", tensor->dims[i]);
    if (used < size)
        snprintf(out + used, size - used, "]");
}

/* ---------------------------------------------------------------- writing */
static void add_tensor(Text *header, const StoredTensor *tensor, uint64_t begin)
{
    text_add_json(header, tensor->name);
    text_add(header, ":{\"dtype\":\"%s\",\"shape\":[", tensor->type == STORED_F64 ? "F64" : "F32");
    for (int i = 0; i < tensor->rank; i++)
        text_add(header, "%s%" PRIu64, i ? "," : "", tensor->dims[i]);
    text_add(header, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin,
             begin + stored_size(tensor));
}

/* Tensors in the order of their data: float64 first, so that all are aligned to their own size. */
static const StoredTensor **sort_by_type(const StoredTensor *tensors, int count)
{
    const StoredTensor **sorted = malloc(sizeof *sorted * (size_t)(count + 1));
    int used = 0;
    for (int pass = 0; sorted && pass < 2; pass++) {
        for (int i = 0; i < count; i++) {
            if (tensors[i].type == (pass == 0 ? STORED_F64 : STORED_F32))
                sorted[used++] = &tensors[i];
        }
    }
    return sorted;
}

/* The length and the JSON, padded with spaces to a multiple of ALIGNMENT. Returns the bytes of
 * data. */
static uint64_t make_header(Text *header, const StoredTensor *const *sorted, int tensor_count,
                            const StoredText *texts, int text_count)
{
    uint64_t length, data = 0;
    text_add_bytes(header, "        {", 9); /* room for the length */
    for (int i = 0; i < text_count; i++) {
        text_add(header, "%s", i ? "," : "\"__metadata__\":{");
        text_add_json(header, texts[i].key);
        text_add_bytes(header, ":", 1);
        text_add_json(header, texts[i].value);
    }
    if (text_count > 0)
        text_add(header, "%s", tensor_count > 0 ? "}," : "}");
    for (int i = 0; i < tensor_count; i++) {
        text_add(header, "%s", i ? "," : "");
        add_tensor(header, sorted[i], data);
        data += stored_size(sorted[i]);
    }
    text_add_bytes(header, "}", 1);
    while (header->length % ALIGNMENT != 0)
        text_add_bytes(header, " ", 1);
    length = header->length - sizeof length;
    memcpy(header->bytes, &length, sizeof length);
    return data;
}

static bool write_file(const char *path, const Text *header, uint64_t data_size,
                       const StoredTensor *const *sorted, int tensor_count, Error *error)
{
    Output output;
    if (!output_open(&output, path, header->length + data_size, error))
        return false;
    bool good = output_write(&output, header->bytes, header->length, error);
    for (int i = 0; good && i < tensor_count; i++)
        good = output_write(&output, sorted[i]->data, stored_size(sorted[i]), error);
    if (good)
        return output_commit(&output, error);
    output_abandon(&output);
    return false;
}

bool safetensors_write(const char *path, const StoredTensor *tensors, int tensor_count,
                       const StoredText *texts, int text_count, Error *error)
{
    Text header = {0};
    const StoredTensor **sorted = sort_by_type(tensors, tensor_count);
    if (!sorted)
        return error_set(error, EXIT_IO, NULL, "out of memory");
    uint64_t data = make_header(&header, sorted, tensor_count, texts, text_count);
    bool good = write_file(path, &header, data, sorted, tensor_count, error);
    text_free(&header);
    free(sorted);
    return good;
}
