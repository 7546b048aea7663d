/* emit_units.c -- the kernel functions of a large program over several files, which a compiler
 * works on at the same time.
 *
 * Needs: all steps and the sampler printed, so that functions stand in the order of their first
 * use. A function is in one file and declared for all; constants and what is inlined are in every
 * file that needs them. How many files there are depends on the text alone, not on the machine. */
#include "emit.h"

#include <string.h>

enum {
    LEAST_TEXT = 96 * 1024, /* bytes of functions; compilers need about 6 s a megabyte */
    UNIT_TEXT = 64 * 1024,
    MOST_UNITS = 16
};

/* The function's text from its type on, NULL: it is a constant, or inlined. */
static const char *shared_text(const Function *f)
{
    static const char *const starts[] = {"SHARED void ", "static void "};
    for (size_t k = 0; k < sizeof starts / sizeof starts[0]; k++)
        if (strncmp(f->named, starts[k], strlen(starts[k])) == 0)
            return f->named + strlen(starts[k]) - strlen("void ");
    return NULL;
}

int count_units(const Emitter *e)
{
    size_t length = e->functions.length;
    if (length < LEAST_TEXT)
        return 1;
    size_t count = (length + UNIT_TEXT - 1) / UNIT_TEXT;
    return count < MOST_UNITS ? (int)count : MOST_UNITS;
}

/* needed[k]: constant or inlined function k stands in the text, or in one that does. */
static void find_needed(const Emitter *e, const char *text, bool *needed)
{
    for (int k = e->known_count - 1; k >= 0; k--) {
        const Function *f = &e->known[k];
        if (shared_text(f))
            continue;
        needed[k] |= has_word(text, f->name);
        for (int user = k + 1; user < e->known_count && !needed[k]; user++)
            needed[k] = needed[user] && !shared_text(&e->known[user]) &&
                        has_word(e->known[user].named, f->name);
    }
}

const char *unit_constants(const Emitter *e, const char *text)
{
    bool *needed = arena_alloc((size_t)e->known_count * sizeof(bool));
    Text out = {0};
    find_needed(e, text, needed);
    for (int k = 0; k < e->known_count; k++)
        if (needed[k])
            text_append(&out, e->known[k].named);
    return text_of(&out);
}

const char *unit_text(const Emitter *e, int k, int count)
{
    bool *needed = arena_alloc((size_t)e->known_count * sizeof(bool));
    bool *own = arena_alloc((size_t)e->known_count * sizeof(bool));
    Text shared = {0}, out = {0};
    size_t before = 0;
    for (int i = 0; i < e->known_count; i++) {
        const char *text = shared_text(&e->known[i]);
        size_t length = strlen(e->known[i].named) + 1;
        own[i] = text && (int)((before + length / 2) * (size_t)count / e->functions.length) == k;
        if (own[i])
            text_append(&shared, text);
        before += length;
    }
    find_needed(e, text_of(&shared), needed);
    for (int i = 0; i < e->known_count; i++)
        if (own[i] || needed[i])
            text_add(&out, "%s\n", own[i] ? shared_text(&e->known[i]) : e->known[i].named);
    return text_of(&out);
}

const char *unit_declarations(const Emitter *e)
{
    Text out = {0};
    for (int k = 0; k < e->known_count; k++) {
        const char *text = shared_text(&e->known[k]);
        const char *body = text ? strstr(text, "\n{\n") : NULL;
        if (text && !body)
            internal_error("emit: %s has no body", e->known[k].name);
        if (text)
            text_add(&out, "APART %.*s;\n", (int)(body - text), text);
    }
    return text_of(&out);
}
