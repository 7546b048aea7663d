/* template.c -- templates: real C files with named holes.
 *
 * A template's text stands between the marks "[" and "]", each alone in a comment; a hole is its
 * name in braces in a comment, the default contents, and a closing brace in a comment. There is no
 * control flow in templates.                        */
#include "emit.h"

#include <string.h>

void text_append(Text *text, const char *more) { text_add_bytes(text, more, strlen(more)); }

const char *text_of(const Text *text) { return text->bytes ? text->bytes : ""; }

static const char *find_hole(const char *name, size_t length, const Hole *holes, int count,
                             bool *used)
{
    for (int k = 0; k < count; k++)
        if (strlen(holes[k].name) == length && memcmp(holes[k].name, name, length) == 0) {
            used[k] = true;
            return holes[k].text;
        }
    internal_error("template: no text for the hole '%.*s'", (int)length, name);
}

static const char *require(const char *place, const char *mark)
{
    const char *found = place ? strstr(place, mark) : NULL;
    if (!found)
        internal_error("template: no mark %s", mark);
    return found;
}

const char *template_fill(const char *name, const Hole *holes, int count)
{
    const EmbeddedFile *file = embedded_find(arena_printf("templates/%s", name));
    if (!file)
        internal_error("template: there is no %s", name);
    const char *at = require(file->text, "/*[*/\n") + 6, *end = require(at, "/*]*/\n");
    bool *used = arena_alloc((size_t)count * sizeof(bool));
    Text out = {0};
    while (at < end) {
        const char *hole = strstr(at, "/*{");
        if (!hole || hole > end)
            hole = end;
        text_add_bytes(&out, at, (size_t)(hole - at));
        at = hole;
        if (at == end)
            break;
        const char *close = require(at, "*/");
        text_append(&out, find_hole(at + 3, (size_t)(close - at - 3), holes, count, used));
        at = require(close, "/*}*/") + 5;
    }
    for (int k = 0; k < count; k++)
        if (!used[k])
            internal_error("template: %s has no hole '%s'", name, holes[k].name);
    return text_of(&out);
}
