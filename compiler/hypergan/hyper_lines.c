/* hyper_lines.c -- layer strings: an operation, then arguments and k=v options, each with its place
 * in the config.
 *
 * Tokens are separated by spaces; what stands in parentheses is one token. The text that the tokens
 * come from is the decoded JSON string, so a place is found again by walking over the escapes of
 * the string as it was written. */
#include "hypergan.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_LINE_DEPTH = 8, MAX_LINES = 4096 };

/* Bytes that the character written at `raw` has in the decoded string; *written: its bytes there.
 */
static size_t decoded_length(const char *raw, size_t *written)
{
    uint32_t code = 0;
    *written = 1;
    if (raw[0] != '\\')
        return 1;
    *written = 2;
    if (raw[1] != 'u')
        return 1;
    *written = 6;
    for (int i = 2; i < 6; i++) {
        char c = raw[i];
        code = code * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (code >= 0xd800 && code < 0xdc00) {
        *written = 12;
        return 4;
    }
    return code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
}

/* The bytes of the source that gave [begin, end) of the decoded string. */
static Span span_inside(Span string, size_t begin, size_t end)
{
    if (string.source == NULL || string.source->text == NULL)
        return string;
    Span span = {string.source, string.end, string.end};
    size_t decoded = 0;
    for (size_t at = string.begin + 1; at + 1 <= string.end;) {
        size_t written = 1;
        if (decoded >= begin && at < span.begin)
            span.begin = at;
        if (decoded >= end) {
            span.end = at;
            return span;
        }
        decoded += decoded_length(string.source->text + at, &written);
        at += written;
    }
    span.end = string.end;
    return span;
}

/* The end of the token at `at`: a space outside parentheses, or the end of the text. */
static size_t token_end(const char *text, size_t at, Span string)
{
    size_t open = 0;
    bool inside = false;
    for (; text[at] != '\0' && (inside || text[at] != ' '); at++) {
        if (text[at] == '(' && inside)
            fail_at(span_inside(string, at, at + 1), NULL, "parentheses inside parentheses");
        if (text[at] == '(') {
            open = at;
            inside = true;
        }
        if (text[at] == ')')
            inside = false;
    }
    if (inside)
        fail_at(span_inside(string, open, open + 1), NULL, "this parenthesis is never closed");
    return at;
}

static Token read_token(const char *text, size_t begin, size_t end, Span string)
{
    Token token = {.span = span_inside(string, begin, end)};
    const char *word = arena_copy(text + begin, end - begin);
    const char *equals = strchr(word, '='), *bracket = strchr(word, '(');
    bool option = equals != NULL && (bracket == NULL || equals < bracket);
    token.text = option ? equals + 1 : word;
    if (!option)
        return token;
    token.key = arena_copy(word, (size_t)(equals - word));
    if (token.key[0] == '\0')
        fail_at(token.span, "options are written name=value", "an option without a name");
    if (token.text[0] == '\0')
        fail_at(token.span, "options are written name=value, without spaces",
                "the option `%s` has no value", printable(token.key));
    return token;
}

static const HyperRow *read_op(const Token *token)
{
    const HyperRow *row = token->key == NULL ? find_op(token->text) : NULL;
    if (row == NULL) {
        const char **names = arena_alloc(hyper_row_count * sizeof *names);
        for (size_t i = 0; i < hyper_row_count; i++)
            names[i] = hyper_rows[i].name;
        const char *near =
            token->key == NULL ? nearest_word(token->text, names, hyper_row_count) : NULL;
        fail_at(token->span, near != NULL ? arena_printf("did you mean `%s`?", near) : NULL,
                "unknown layer `%s`", printable(token->key == NULL ? token->text : token->key));
    }
    if (row->reason != NULL)
        fail_at(token->span, NULL, "the layer `%s` cannot be compiled: %s", row->name, row->reason);
    return row;
}

static bool in_list(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *p = list; p != NULL; p = strchr(p, ' ')) {
        p += *p == ' ';
        if (strncmp(p, word, length) == 0 && (p[length] == ' ' || p[length] == '\0'))
            return true;
    }
    return false;
}

/* Options that every layer, or every layer with weights, may have. */
static const char common_options[] =
    "name src activation initializer trainable bias filter stride avg_pool adaptive_instance_norm "
    "adaptive_instance_norm2 gain lrmul w_scale orthogonal_gain random_stddev ewc_f_decay "
    "ewc_gradient_scale";

static void check_options(const Line *line)
{
    for (int i = 0; i < line->token_count; i++) {
        const Token *token = &line->tokens[i];
        if (token->key != NULL && !in_list(common_options, token->key) &&
            !in_list(line->op->options, token->key))
            warn_at(token->span, NULL, "`%s` has no option `%s`: no effect", line->op->name,
                    printable(token->key));
    }
}

Line line_from_text(const char *text, Span span)
{
    Line line = {.text = text, .span = span};
    int capacity = 0;
    for (size_t at = 0; text[at] != '\0';) {
        if (text[at] == ' ') {
            at++;
            continue;
        }
        size_t end = token_end(text, at, span);
        line.tokens = arena_grow(line.tokens, line.token_count, &capacity, sizeof *line.tokens);
        line.tokens[line.token_count++] = read_token(text, at, end, span);
        at = end;
    }
    if (line.token_count == 0)
        fail_at(span, NULL, "an empty layer");
    line.op = read_op(&line.tokens[0]);
    line.tokens++;
    line.token_count--;
    check_options(&line);
    return line;
}

static Line read_line(const Json *json, int depth);

static Line read_list(const Json *json, int depth)
{
    Line list = {.text = "list", .span = json->span, .axis = -1};
    int capacity = 0;
    if (depth == MAX_LINE_DEPTH)
        fail_at(json->span, NULL, "layers are nested more than %d deep", MAX_LINE_DEPTH);
    for (const Json *item = json->child; item != NULL; item = item->next) {
        if (item->kind == JSON_NUMBER) {
            if (item->number != -1 && item->number != 0 && item->number != 1 && item->number != 2 &&
                item->number != 3)
                fail_at(item->span, "0 is the batch, 1 height, 2 width, -1 channels",
                        "the axis of a list must be one of -1, 0, 1, 2, 3");
            list.axis = (int)item->number;
            continue;
        }
        list.items = arena_grow(list.items, list.item_count, &capacity, sizeof *list.items);
        list.items[list.item_count++] = read_line(item, depth + 1);
    }
    if (list.item_count == 0)
        fail_at(json->span, NULL, "an empty list of layers");
    return list;
}

static Line read_line(const Json *json, int depth)
{
    if (json->kind == JSON_ARRAY)
        return read_list(json, depth);
    if (json->kind != JSON_STRING)
        fail_at(json->span, "for example \"conv 64\"", "a layer is a text, or a list of layers");
    return line_from_text(json->string, json->span);
}

Lines read_lines(const Json *layers)
{
    Lines lines = {0};
    int capacity = 0;
    if (layers->kind != JSON_ARRAY)
        fail_at(layers->span, "for example [\"linear 128\", \"reshape 4*4*8\"]",
                "layers are a list");
    for (const Json *item = layers->child; item != NULL; item = item->next) {
        if (lines.count == MAX_LINES)
            fail_at(item->span, NULL, "more than %d layers", MAX_LINES);
        lines.items = arena_grow(lines.items, lines.count, &capacity, sizeof *lines.items);
        lines.items[lines.count++] = read_line(item, 0);
    }
    return lines;
}

/* Numbers are digits, or digits, a point and digits; signs and exponents stay text, which
 * option_number() reads where a number is needed. */
static Option token_option(const Token *token)
{
    Option option = {.given = true, .text = token->text, .span = token->span};
    size_t whole = strspn(token->text, "0123456789"), length = strlen(token->text);
    size_t rest = token->text[whole] == '.' ? strspn(token->text + whole + 1, "0123456789") + 1 : 0;
    if (whole > 0 && whole + rest == length && rest != 1 && length < 64) {
        option.numeric = true;
        option.number = strtod(token->text, NULL);
    }
    return option;
}

Option line_option(const Line *line, const char *key)
{
    Option found = {0};
    for (int i = 0; i < line->token_count; i++)
        if (line->tokens[i].key != NULL && strcmp(line->tokens[i].key, key) == 0)
            found = token_option(&line->tokens[i]);
    return found;
}

Option line_argument(const Line *line, int position)
{
    for (int i = 0; i < line->token_count; i++)
        if (line->tokens[i].key == NULL && position-- == 0)
            return token_option(&line->tokens[i]);
    return (Option){0};
}

int line_argument_count(const Line *line)
{
    int count = 0;
    for (int i = 0; i < line->token_count; i++)
        count += line->tokens[i].key == NULL;
    return count;
}
