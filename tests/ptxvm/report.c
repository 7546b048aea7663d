/* report.c -- what was wrong: one line each, to stderr or to the file PTXVM_LOG. */
#include <stdarg.h>
#include <string.h>
#include "ptx.h"

enum { MAX_LINES = 200 };

static const char *const names[REPORT_KINDS] = {
    [REPORT_RACE] = "race",
    [REPORT_BOUNDS] = "bounds",
    [REPORT_FREED] = "use after free",
    [REPORT_UNINITIALISED] = "uninitialised",
    [REPORT_MISALIGNED] = "misaligned",
    [REPORT_DIVERGENCE] = "divergence",
    [REPORT_DEADLOCK] = "deadlock",
    [REPORT_SHUFFLE] = "shuffle",
    [REPORT_ASYNC] = "asynchronous copy",
    [REPORT_HOST] = "host",
    [REPORT_TRAP] = "trap",
    [REPORT_CONSTANT] = "constant",
};

static int reports, lines;
static bool failed;

static void write_line(const char *line)
{
    FILE *file = settings.log ? fopen(settings.log, "a") : stderr;
    if (!file)
        file = stderr;
    fprintf(file, "ptxvm: %s\n", line);
    if (file == stderr)
        fflush(file);
    else
        fclose(file);
}

void tell(const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    write_line(line);
}

static void count_report(const char *line)
{
    reports++;
    if (!settings.keep_going)
        failed = true;
    if (lines++ < MAX_LINES)
        write_line(line);
    if (lines == MAX_LINES)
        write_line("further reports are only counted");
}

void report_lane(Warp *warp, int lane, ReportKind kind, const char *format, ...)
{
    char line[1024], what[512];
    const Block *block = warp->block;
    const Launch *launch = block->launch;
    const Kernel *kernel = launch->kernel;
    uint8_t *known = &kernel->reported[warp->now_pc * REPORT_KINDS + kind];
    va_list args;

    if (*known)
        return;
    *known = 1;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    Site site = kernel->sites[warp->now_pc];
    uint32_t thread = warp->index * LANES + (uint32_t)lane;
    uint32_t x = thread % launch->size[0], y = thread / launch->size[0] % launch->size[1];
    uint32_t z = thread / launch->size[0] / launch->size[1];
    snprintf(line, sizeof line,
             "%s: line %u '%.*s': kernel %s, block (%u, %u, %u), thread (%u, %u, %u): %s",
             names[kind], site.line, (int)(site.len < 120 ? site.len : 120),
             kernel->module->text + site.at, kernel->name, block->x, block->y, block->z, x, y, z,
             what);
    count_report(line);
}

void report_host(ReportKind kind, const char *format, ...)
{
    char line[1024];
    size_t used = (size_t)snprintf(line, sizeof line, "%s: ", names[kind]);
    va_list args;
    va_start(args, format);
    vsnprintf(line + used, sizeof line - used, format, args);
    va_end(args);
    count_report(line);
}

bool report_failed(void) { return failed; }
void report_forget_failure(void) { failed = false; }

/* How many faults have been reported. */
__attribute__((visibility("default"))) int ptxvm_reports(void) { return reports; }
