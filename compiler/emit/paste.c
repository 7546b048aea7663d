/* paste.c -- what a file that stands alone needs of the runtime's headers.
 *
 * Needs: headers in the project's style, whose items are comments, static inline functions, static
 * const numbers, enums and typedefs. Guarantees: one text without preprocessor lines, for one
 * number type, with the functions of elementary.h under their names for numbers; of it only what is
 * used, so that no compiler warns of the rest and a reader can follow it. */
#include "emit.h"

#include <ctype.h>
#include <string.h>

/* ---------------------------------------------------------------- words of C */
static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

static size_t word_length(const char *at)
{
    size_t length = 0;
    while (is_word(at[length]))
        length++;
    return length;
}

static bool word_is(const char *at, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(at, word, length) == 0;
}

/* Behind the comment or the literal that starts here, else `at` itself. */
static const char *skip_opaque(const char *at)
{
    if (at[0] == '/' && at[1] == '*')
        return strstr(at, "*/") + 2;
    if (*at != '"' && *at != '\'')
        return at;
    const char *end = at + 1;
    while (*end != *at)
        end += *end == '\\' ? 2 : 1;
    return end + 1;
}

static bool mentions(const char *text, const char *name)
{
    for (const char *at = text; *at;) {
        const char *behind = skip_opaque(at);
        size_t length = behind > at ? (size_t)(behind - at) : word_length(at);
        if (behind == at && word_is(at, length, name))
            return true;
        at += length ? length : 1;
    }
    return false;
}

/* ---------------------------------------------------------------- preprocessor lines */
enum { MAX_CONDITIONS = 8, MAX_HEADERS = 8 };

typedef struct Paster {
    Text out;
    bool f64;
    struct {
        bool active, taken;
    } conditions[MAX_CONDITIONS]; /* of the #if lines around; [0] is true */
    int depth;
    const char *done[MAX_HEADERS]; /* headers that were included */
    int done_count;
} Paster;

/* `defined(A) && !defined(B)`, or a bare name. No compiler and no machine is known here, only the
 * number type. */
static bool evaluate(const Paster *p, const char *expression, bool wanted)
{
    bool value = true;
    for (const char *at = expression; *at;) {
        size_t length = word_length(at);
        if (*at == '|')
            internal_error("paste: a condition with ||");
        if (*at == '!')
            wanted = false;
        if (length && !word_is(at, length, "defined")) {
            value &= (p->f64 && word_is(at, length, "GAGAC_F64")) == wanted;
            wanted = true;
        }
        at += length ? length : 1;
    }
    return value;
}

static void open_condition(Paster *p, bool value)
{
    bool around = p->conditions[p->depth].active;
    if (++p->depth == MAX_CONDITIONS)
        internal_error("paste: conditions too deep");
    p->conditions[p->depth].active = around && value;
    p->conditions[p->depth].taken = value;
}

static void turn_condition(Paster *p, bool value) /* #elif, #else */
{
    bool active = value && !p->conditions[p->depth].taken && p->conditions[p->depth - 1].active;
    p->conditions[p->depth].active = active;
    p->conditions[p->depth].taken |= value;
}

static void paste_file(Paster *p, const char *name);

static void read_directive(Paster *p, const char *line)
{
    const char *word = line + 1;
    size_t length = word_length(word);
    const char *rest = word + length;
    if (word_is(word, length, "if") || word_is(word, length, "ifdef"))
        open_condition(p, evaluate(p, rest, true));
    else if (word_is(word, length, "ifndef"))
        open_condition(p, evaluate(p, rest, false));
    else if (word_is(word, length, "elif"))
        turn_condition(p, evaluate(p, rest, true));
    else if (word_is(word, length, "else"))
        turn_condition(p, true);
    else if (word_is(word, length, "endif"))
        p->depth--;
    else if (word_is(word, length, "include") && rest[1] == '"' && p->conditions[p->depth].active)
        paste_file(p, arena_copy(rest + 2, strcspn(rest + 2, "\"")));
}

/* The macros of scalar.h and elementary.h as they are for numbers; no hints for loops. */
static void add_line(Paster *p, const char *line)
{
    static const struct {
        const char *macro, *text;
    } macros[] = {
        {"NUMBER", "real"}, {"WORD", "real_word"}, {"INFINITE", "real_from_bits(INFINITY_BITS)"}};
    const char *first = line + strspn(line, " ");
    if (strcmp(first, "UNROLL") == 0 || strcmp(first, "ROLLED") == 0)
        return;
    for (const char *at = line; *at;) {
        size_t length = word_length(at), taken = length ? length : 1;
        const char *text = arena_copy(at, taken);
        for (size_t k = 0; k < sizeof macros / sizeof *macros; k++)
            if (word_is(at, length, macros[k].macro))
                text = macros[k].text;
        if (word_is(at, length, "FN") && at[2] == '(') { /* FN(exp) */
            taken = 4 + word_length(at + 3);
            text = arena_printf("real_%.*s", (int)taken - 4, at + 3);
        }
        text_append(&p->out, text);
        at += taken;
    }
    text_append(&p->out, "\n");
}

static void paste_file(Paster *p, const char *name)
{
    for (int k = 0; k < p->done_count; k++)
        if (strcmp(p->done[k], name) == 0)
            return;
    const EmbeddedFile *file = embedded_find(arena_printf("runtime/%s", name));
    if (!file || p->done_count == MAX_HEADERS)
        internal_error("paste: cannot include %s", name);
    p->done[p->done_count++] = name;
    for (const char *at = file->text; *at;) {
        size_t length = strcspn(at, "\n");
        const char *line = arena_copy(at, length);
        if (*line == '#')
            read_directive(p, line);
        else if (p->conditions[p->depth].active)
            add_line(p, line);
        at += length + (at[length] == '\n');
    }
}

const char *paste_headers(const char *const *names, int count, bool f64)
{
    Paster p = {.f64 = f64};
    p.conditions[0].active = true;
    for (int k = 0; k < count; k++)
        paste_file(&p, names[k]);
    return text_of(&p.out);
}

/* ---------------------------------------------------------------- items */
typedef struct Item { /* a definition with the comment before it */
    const char *name; /* NULL: always kept */
    const char *text;
    bool close; /* to the item before: no blank line between them */
    bool kept;
} Item;

typedef struct Items {
    Item *list;
    int count, capacity;
} Items;

static void add_item(Items *items, Item item)
{
    if (items->count == items->capacity) {
        items->capacity = items->capacity ? 2 * items->capacity : 128;
        Item *bigger = arena_alloc((size_t)items->capacity * sizeof *bigger);
        if (items->count)
            memcpy(bigger, items->list, (size_t)items->count * sizeof *bigger);
        items->list = bigger;
    }
    items->list[items->count++] = item;
}

/* Behind the next of the stop bytes that stands outside of braces, parentheses, comments and
 * literals; behind the closing brace itself if that is among them. */
static const char *find_outside(const char *at, const char *stops)
{
    for (int depth = 0; *at;) {
        const char *behind = skip_opaque(at);
        if (behind > at) {
            at = behind;
            continue;
        }
        depth += *at == '{' || *at == '(';
        depth -= *at == '}' || *at == ')';
        if (depth == 0 && strchr(stops, *at))
            return at + 1;
        at++;
    }
    internal_error("paste: an item without an end");
}

/* The word that ends before `at`. */
static const char *word_before(const char *at)
{
    while (!is_word(at[-1]))
        at--;
    size_t length = 0;
    while (is_word(at[-1 - (long)length]))
        length++;
    return arena_copy(at - length, length);
}

/* `static const TYPE A = 1, B = 2;` and a comment on that line: one name an item. */
static void add_constants(Items *items, const char *comment, const char *from, const char *end,
                          bool close)
{
    const char *name = word_before(from + strcspn(from, "=["));
    const char *at = strstr(from, name);
    const char *type = arena_copy(from, (size_t)(at - from));
    for (bool last = false; !last; comment = "", close = true) {
        const char *behind = find_outside(at, ",;");
        last = behind[-1] == ';';
        at += strspn(at, " \n");
        const char *text = arena_copy(at, (size_t)(behind - 1 - at));
        const char *remark = last ? arena_copy(behind, (size_t)(end - behind)) : "";
        name = arena_copy(at, word_length(at));
        add_item(items, (Item){name, arena_printf("%s%s%s;%s", comment, type, text, remark), close,
                               false});
        at = behind;
    }
}

static void add_definition(Items *items, const char *comment, const char *from, const char *end,
                           bool close)
{
    const char *text = arena_printf("%s%.*s", comment, (int)(end - from), from), *name = NULL;
    if (strncmp(from, "static const ", 13) == 0) {
        add_constants(items, comment, from, end, close);
        return;
    }
    if (strncmp(from, "static inline ", 14) == 0)
        name = word_before(from + strcspn(from, "("));
    else if (strncmp(from, "typedef ", 8) == 0)
        name = word_before(find_outside(from, ";"));
    add_item(items, (Item){name, text, close, false});
}

static Items split_items(const char *text)
{
    Items items = {0};
    const char *comment = "";
    bool close = false;
    for (const char *at = text; *at;) {
        if (*at == '\n') { /* what was said before an empty line belongs to no item */
            comment = "";
            close = false;
            at++;
            continue;
        }
        const char *behind = skip_opaque(at);
        if (behind > at) {
            comment = arena_printf("%s%.*s\n", comment, (int)(behind - at), at);
            at = behind + strspn(behind, " ");
            at += *at == '\n';
            continue;
        }
        bool function = strncmp(at, "static inline ", 14) == 0;
        const char *end = find_outside(at, function ? "}" : ";"), *line = end + strspn(end, " ");
        if (*line == '/') /* a comment on the same line */
            end = skip_opaque(line);
        add_definition(&items, comment, at, end, close);
        comment = "";
        close = true;
        at = end + (*end == '\n');
    }
    return items;
}

const char *paste_needed(const char *library, const char *user)
{
    Items items = split_items(library);
    Text needed = {0}, out = {0};
    text_append(&needed, user);
    for (int k = items.count - 1; k >= 0; k--) { /* what is used stands before its use */
        Item *item = &items.list[k];
        item->kept = !item->name || mentions(text_of(&needed), item->name);
        if (item->kept)
            text_append(&needed, item->text);
    }
    bool close = true;
    for (int k = 0; k < items.count; k++) {
        close &= items.list[k].close;
        if (!items.list[k].kept)
            continue;
        text_add(&out, "%s%s\n", close || !out.length ? "" : "\n", items.list[k].text);
        close = true;
    }
    return text_of(&out);
}
