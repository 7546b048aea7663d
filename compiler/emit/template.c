/* template.c -- templates: real C files with named holes.
 *
 * A template's text stands between the marks "[" and "]", each alone in a comment; a hole is its
 * name in braces in a comment, the default contents, and a closing brace in a comment. There is no
 * control flow in templates.                        */
#include "emit.h"

#include <string.h>

enum { MAX_COLUMNS = 100 }; /* of a line of generated code */

void text_append(Text *text, const char *more) { text_add_bytes(text, more, strlen(more)); }

const char *text_of(const Text *text) { return text->bytes ? text->bytes : ""; }

/* Where to end a line of more than `room` bytes: after the last comma, or in a comment the last
 * word, that fits. */
static size_t breaking_place(const char *line, size_t length, size_t room, bool comment)
{
    for (size_t k = room; k > 40; k--)
        if (line[k] == ' ' && (comment || line[k - 1] == ','))
            return k;
    return length;
}

static void wrap_line(Text *out, const char *line, size_t length)
{
    size_t indent = strspn(line, " "), room = MAX_COLUMNS;
    bool comment = strncmp(line + indent, "/*", 2) == 0;
    size_t margin = indent + (comment ? 5 : 4); /* of what goes on in the next line */
    while (length > room) {
        size_t part = breaking_place(line, length, room, comment);
        size_t words = part;
        while (words > indent && line[words - 1] == ' ')
            words--;
        text_add_bytes(out, line, words);
        if (part == length)
            return;
        text_add(out, "\n%*s", (int)margin, "");
        line += part + 1;
        length -= part + 1;
        room = MAX_COLUMNS - margin;
    }
    text_add_bytes(out, line, length);
}

const char *wrap_lines(const char *text)
{
    Text out = {0};
    while (*text) {
        size_t length = strcspn(text, "\n");
        wrap_line(&out, text, length);
        text_append(&out, "\n");
        text += length + (text[length] == '\n');
    }
    return text_of(&out);
}

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
