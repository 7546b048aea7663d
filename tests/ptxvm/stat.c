/* stat.c -- counts for each kernel and instruction, written as JSON: PTXVM_STAT. */
#include <stdlib.h>
#include <string.h>
#include "ptx.h"

enum { SECTOR = 32, BANKS = 32 };

/* Kernels of modules that are gone keep their counts under their name. */
typedef struct Record {
    char *name;
    KernelStat stat;
    uint32_t code_count;
    char **texts; /* of the instructions */
    uint32_t *line_numbers;
    uint8_t *spaces; /* 1: global, 2: shared */
    struct Record *next;
} Record;

static Record *records;

static void *zeros(size_t count, size_t size)
{
    void *result = calloc(count ? count : 1, size);
    if (!result)
        abort();
    return result;
}

static Record *new_record(const Kernel *kernel)
{
    Record *record = zeros(1, sizeof *record);
    uint32_t count = kernel->code_count;
    record->name = strdup(kernel->name);
    record->code_count = count;
    record->texts = zeros(count, sizeof *record->texts);
    record->line_numbers = zeros(count, sizeof *record->line_numbers);
    record->stat.executed = zeros(count, sizeof(uint64_t));
    record->stat.lanes = zeros(count, sizeof(uint64_t));
    record->stat.requests = zeros(count, sizeof(uint64_t));
    record->stat.sectors = zeros(count, sizeof(uint64_t));
    record->stat.wavefronts = zeros(count, sizeof(uint64_t));
    for (uint32_t i = 0; i < count; i++) {
        record->texts[i] =
            strndup(kernel->module->text + kernel->sites[i].at, kernel->sites[i].len);
        record->line_numbers[i] = kernel->sites[i].line;
    }
    Record **last = &records;
    while (*last)
        last = &(*last)->next;
    *last = record;
    return record;
}

void stat_start(Kernel *kernel)
{
    if (!kernel->stat)
        kernel->stat = &new_record(kernel)->stat;
    kernel->stat->launches++;
}

void stat_global(Warp *warp, uint32_t mask, const uint64_t address[LANES], uint32_t bytes)
{
    KernelStat *stat = warp->block->launch->kernel->stat;
    uint64_t sectors[LANES];
    unsigned count = 0;

    for (int l = 0; l < LANES; l++) {
        uint64_t sector = address[l] / SECTOR;
        unsigned i = 0;
        if (!(mask >> l & 1))
            continue;
        while (i < count && sectors[i] != sector)
            i++;
        if (i == count)
            sectors[count++] = sector;
    }
    (void)bytes; /* an access never leaves its sector: it is aligned and 32 bytes at most */
    stat->requests[warp->now_pc]++;
    stat->sectors[warp->now_pc] += count;
}

/* The most different words that one bank has to give to these lanes. */
static unsigned group_wavefronts(uint32_t mask, const uint64_t address[LANES], uint32_t bytes,
                                 int first, int lanes)
{
    uint64_t words[BANKS][LANES];
    unsigned counts[BANKS] = {0}, most = 0;
    for (int l = first; l < first + lanes; l++)
        for (uint32_t k = 0; (mask >> l & 1) && k < (bytes + 3) / 4; k++) {
            uint64_t word = address[l] / 4 + k;
            unsigned bank = (unsigned)(word % BANKS), i = 0;
            while (i < counts[bank] && words[bank][i] != word)
                i++;
            if (i == counts[bank] && i < LANES)
                words[bank][counts[bank]++] = word;
            if (counts[bank] > most)
                most = counts[bank];
        }
    return most;
}

/* 8 bytes a lane are served in two halves of a warp, 16 bytes in four quarters. */
void stat_shared(Warp *warp, uint32_t mask, const uint64_t address[LANES], uint32_t bytes)
{
    KernelStat *stat = warp->block->launch->kernel->stat;
    int lanes = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8;
    stat->requests[warp->now_pc]++;
    for (int first = 0; first < LANES; first += lanes)
        stat->wavefronts[warp->now_pc] += group_wavefronts(mask, address, bytes, first, lanes);
}

/* ---------------------------------------------------------------- output */

static const char *skip_guard(const char *text)
{
    if (*text == '@') {
        text += strcspn(text, " \t");
        text += strspn(text, " \t");
    }
    return text;
}

static bool starts(const char *text, const char *word)
{
    return !strncmp(text, word, strlen(word));
}

static const char *class_of(const char *text)
{
    static const struct {
        const char *start, *name;
    } classes[] = {{"mma", "matrix"},       {"ldmatrix", "shared"},  {"stmatrix", "shared"},
                   {"cp.async", "async"},   {"atom", "atomic"},      {"red.", "atomic"},
                   {"bar", "barrier"},      {"shfl", "shuffle"},     {"vote", "shuffle"},
                   {"redux", "shuffle"},    {"match", "shuffle"},    {"bra", "control"},
                   {"brx", "control"},      {"ret", "control"},      {"exit", "control"},
                   {"call", "control"},     {"cvta", "move"},        {"cvt", "convert"},
                   {"mov", "move"},         {"setp", "compare"},     {"selp", "compare"},
                   {"set.", "compare"},     {"slct", "compare"},     {"membar", "fence"},
                   {"fence", "fence"},      {"ex2", "special"},      {"lg2", "special"},
                   {"sin", "special"},      {"cos", "special"},      {"rcp", "special"},
                   {"rsqrt", "special"},    {"sqrt", "special"},     {"tanh", "special"},
                   {"div.rn.f", "special"}, {"div.full", "special"}, {"div.approx", "special"}};
    size_t opcode = strcspn(text, " \t;");
    if (starts(text, "ld") || starts(text, "st.")) {
        static const char *const spaces[] = {"shared", "global", "local", "param", "const"};
        if (starts(text, "ldmatrix"))
            return "shared";
        for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
            const char *at = strstr(text, spaces[i]);
            if (at && (size_t)(at - text) < opcode)
                return spaces[i];
        }
        return "generic";
    }
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (starts(text, classes[i].start))
            return classes[i].name;
    for (size_t i = 0; i + 3 < opcode; i++)
        if (text[i] == '.' && strchr("fb", text[i + 1]) && !starts(text + i, ".b")) {
            if (starts(text, "fma") || starts(text, "mad"))
                return starts(text + i, ".f64") ? "double" : "fma";
            return starts(text + i, ".f64") ? "double" : "float";
        }
    return "integer";
}

static void write_classes(FILE *file, const Record *record)
{
    const char *names[40];
    uint64_t counts[40];
    int count = 0;
    for (uint32_t i = 0; i < record->code_count; i++) {
        const char *name = class_of(skip_guard(record->texts[i]));
        int k = 0;
        while (k < count && strcmp(names[k], name))
            k++;
        if (k == count) {
            names[count] = name;
            counts[count++] = 0;
        }
        counts[k] += record->stat.executed[i];
    }
    for (int k = 0; k < count; k++)
        fprintf(file, "%s\"%s\": %llu", k ? ", " : "", names[k], (unsigned long long)counts[k]);
}

static void write_text(FILE *file, const char *text)
{
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            fprintf(file, "\\%c", *text);
        else
            fputc(*text < ' ' ? ' ' : *text, file);
}

static void write_sites(FILE *file, const Record *record)
{
    const KernelStat *stat = &record->stat;
    bool first = true;
    for (uint32_t i = 0; i < record->code_count; i++) {
        if (!stat->requests[i])
            continue;
        fprintf(file, "%s\n     {\"line\": %u, \"text\": \"", first ? "" : ",",
                record->line_numbers[i]);
        write_text(file, record->texts[i]);
        fprintf(file, "\", \"requests\": %llu, \"sectors\": %llu, \"wavefronts\": %llu}",
                (unsigned long long)stat->requests[i], (unsigned long long)stat->sectors[i],
                (unsigned long long)stat->wavefronts[i]);
        first = false;
    }
}

static uint64_t total(const uint64_t *values, const uint64_t *where, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!where || where[i])
            sum += values[i];
    return sum;
}

static uint64_t count_lanes(const Record *record, const char *start)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < record->code_count; i++)
        if (starts(skip_guard(record->texts[i]), start))
            sum += record->stat.lanes[i];
    return sum;
}

static void write_record(FILE *file, const Record *record)
{
    const KernelStat *stat = &record->stat;
    uint32_t n = record->code_count;
    fprintf(file, "  {\"kernel\": \"%s\", \"launches\": %llu, \"warp_instructions\": %llu,\n",
            record->name, (unsigned long long)stat->launches,
            (unsigned long long)total(stat->executed, NULL, n));
    fprintf(file, "   \"fma\": %llu, \"mma\": %llu, \"barriers\": %llu,\n",
            (unsigned long long)count_lanes(record, "fma"),
            (unsigned long long)(count_lanes(record, "mma") / LANES),
            (unsigned long long)stat->barriers);
    fprintf(file,
            "   \"global_requests\": %llu, \"global_sectors\": %llu, \"shared_requests\": %llu, "
            "\"shared_wavefronts\": %llu,\n   \"classes\": {",
            (unsigned long long)total(stat->requests, stat->sectors, n),
            (unsigned long long)total(stat->sectors, NULL, n),
            (unsigned long long)total(stat->requests, stat->wavefronts, n),
            (unsigned long long)total(stat->wavefronts, NULL, n));
    write_classes(file, record);
    fprintf(file, "},\n   \"sites\": [");
    write_sites(file, record);
    fprintf(file, "]}");
}

/* Writes the file anew; called when a context or the process ends. */
void stat_write(void)
{
    if (!settings.stat)
        return;
    FILE *file = fopen(settings.stat, "w");
    if (!file) {
        tell("cannot write '%s'", settings.stat);
        return;
    }
    fprintf(file, "[\n");
    for (const Record *record = records; record; record = record->next) {
        write_record(file, record);
        fprintf(file, record->next ? ",\n" : "\n");
    }
    fprintf(file, "]\n");
    fclose(file);
}
