/* emit_body.c -- what every kernel function is made of: its parameters, its locals, expressions of
 * the op table, and its place among the functions of the program.
 *
 * Parameters have names that say nothing of the layer (w, x, out, a, b ...), so that kernels of
 * equal shape and epilogue have equal text and become one function: code grows with distinct layers
 * only. */
#include "emit.h"

#include <ctype.h>
#include <string.h>

/* ---------------------------------------------------------------- shapes */
int columns_of(const Type *type) { return type->rank ? type->dims[type->rank - 1] : 1; }

int rows_of(const Type *type) { return (int)(type_size(type) / columns_of(type)); }

const char *type_text(const Type *type)
{
    Text t = {0};
    for (int k = 0; k < type->rank; k++)
        text_add(&t, "[%d]", type->dims[k]);
    return type->rank ? text_of(&t) : "";
}

const char *table_name(const Tensor *tensor)
{
    char *name = arena_printf("%s", tensor->name);
    for (char *c = name; *c; c++)
        if (*c == '.')
            *c = '_';
    return name;
}

const char *tensor_field(const Emitter *e, const Tensor *tensor)
{
    if (e->packed)
        return arena_printf("%s.values", table_name(tensor));
    if (e->sampler &&
        strcmp(tensor->group, "g") == 0) /* raw or averaged weights: the caller's choice */
        return arena_printf("s->generator->%s", tensor->field);
    return arena_printf("s->state->%s.%s", tensor->group, tensor->field);
}

const char *array_declaration(const Emitter *e, const char *name, const Type *type)
{
    int columns = e->packed ? columns_of(type) : padded(columns_of(type));
    const char *number = e->packed ? "const real" : "real";
    if (type->rank > 1)
        return arena_printf("%s %s[restrict %d][%d]", number, name, rows_of(type), columns);
    return arena_printf("%s %s[restrict %d]", number, name, columns);
}

/* ---------------------------------------------------------------- parameters */
Binding *find_binding(Body *b, const void *key)
{
    for (int k = 0; k < b->binding_count; k++)
        if (b->bindings[k].key == key)
            return &b->bindings[k];
    return NULL;
}

const char *body_bind(Body *b, const void *key, const char *name, const char *declaration,
                      const char *argument)
{
    b->bindings = arena_grow(b->bindings, b->binding_count, &b->binding_capacity, sizeof(Binding));
    b->bindings[b->binding_count++] = (Binding){key, name, declaration, argument};
    return name;
}

const char *read_name(Body *b)
{
    static const char letters[] = "abcdeghjkmnpquz"; /* not those of the loops and templates */
    int k = b->reads++;
    return k < (int)sizeof letters - 1 ? arena_printf("%c", letters[k]) : arena_printf("in%d", k);
}

const char *write_name(Body *b)
{
    int k = b->writes++;
    return k ? arena_printf("out%d", k + 1) : "out";
}

const char *bind_tensor(Body *b, const Tensor *tensor)
{
    Binding *known = find_binding(b, tensor);
    if (known)
        return known->name;
    const char *name = read_name(b);
    if (b->alike)
        return body_bind(b, tensor, name, arena_printf("real *restrict %s", name),
                         arena_printf("(real *)%s", tensor_field(b->e, tensor)));
    return body_bind(b, tensor, name, array_declaration(b->e, name, &tensor->type),
                     tensor_field(b->e, tensor));
}

const char *bind_scalar(Body *b, const Node *n)
{
    Binding *known = find_binding(b, n);
    if (known)
        return known->name;
    const Step *step = b->plan->schedule->step;
    for (int k = 0; k < step->scalar_count; k++)
        if (strcmp(step->scalars[k].name, n->symbol) == 0)
            return body_bind(b, n, n->symbol, arena_printf("real %s", n->symbol),
                             arena_printf("s->scalars[%d]", k));
    internal_error("emit: no scalar '%s'", n->symbol);
}

/* ---------------------------------------------------------------- expressions */
const char *splat(const Body *b, const char *number)
{
    return b->vector ? arena_printf("vsplat(%s)", number) : number;
}

const char *number_text(double value) { return arena_printf("(real)%.17g", value); }

const char *named(Body *b, const Node *n, const char *index)
{
    for (int k = b->value_count - 1; k >= 0; k--)
        if (b->values[k].node == n && strcmp(b->values[k].index, index) == 0)
            return b->values[k].name;
    return NULL;
}

void add_value(Body *b, const Node *n, const char *index, const char *name)
{
    b->values = arena_grow(b->values, b->value_count, &b->value_capacity, sizeof(Named));
    b->values[b->value_count++] = (Named){n, index, name};
}

/* Writes "const vec NAME = expression;" and remembers the name for the node at this index. */
const char *define(Body *b, const Node *n, const char *index, const char *expression)
{
    const char *name = arena_printf("t%d", b->value_count);
    text_add(&b->statements, "%sconst %s %s = %s;\n", b->indent, b->vector ? "vec" : "real", name,
             expression);
    add_value(b, n, index, name);
    return name;
}

const char *kernel_linkage(const Emitter *e) { return e->options->plain ? "static" : "SHARED"; }

const char *function_prefix(const Body *b) { return b->vector ? "v" : "real_"; }

const char *spell(const Node *n, const char *prefix, const char *a, const char *second)
{
    Text out = {0};
    for (const char *c = op_table[n->op].text; *c; c++) {
        if (*c == '@')
            text_append(&out, prefix);
        else if (c[0] == '%' && c[1])
            switch (*++c) {
            case 'a':
                text_append(&out, a);
                break;
            case 'b':
                text_append(&out, second);
                break;
            default:
                text_append(&out, number_text(n->value));
            }
        else
            text_add(&out, "%c", *c);
    }
    return text_of(&out);
}

const char *int_text(long long n) { return arena_printf("%lld", n); }

/* ---------------------------------------------------------------- functions */
const char *parameter_list(const Body *b)
{
    Text t = {0};
    int column = 0;
    for (int k = 0; k < b->binding_count; k++) {
        int length = (int)strlen(b->bindings[k].declaration);
        if (k && column + length > 84) {
            text_append(&t, ",\n    ");
            column = 0;
        } else if (k) {
            text_append(&t, ", ");
        }
        text_append(&t, b->bindings[k].declaration);
        column += length + 2;
    }
    return b->binding_count ? text_of(&t) : "void";
}

const char *name_list(const Body *b)
{
    Text t = {0};
    for (int k = 0; k < b->binding_count; k++)
        text_add(&t, "%s%s", k ? ", " : "", b->bindings[k].name);
    return text_of(&t);
}

const char *argument_list(const Body *b)
{
    Text t = {0};
    for (int k = 0; k < b->binding_count; k++)
        text_add(&t, "%s%s", k ? ", " : "", b->bindings[k].argument);
    return text_of(&t);
}

bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += length) {
        bool before = at > text && (isalnum((unsigned char)at[-1]) || at[-1] == '_');
        bool after = isalnum((unsigned char)at[length]) || at[length] == '_';
        if (!before && !after)
            return true;
    }
    return false;
}

static bool name_taken(const Emitter *e, const char *name)
{
    for (int k = 0; k < e->known_count; k++)
        if (strcmp(e->known[k].name, name) == 0)
            return true;
    return false;
}

static const Function *find_function(const Emitter *e, const char *key)
{
    for (int k = 0; k < e->known_count; k++)
        if (strcmp(e->known[k].text, key) == 0)
            return &e->known[k];
    return NULL;
}

const char PLACE_OF_NAME[] = "KERNEL_NAME"; /* stands for the name in a function's text */

static const char *with_name(const char *text, const char *name)
{
    Text out = {0};
    for (const char *at; (at = strstr(text, PLACE_OF_NAME)) != NULL;
         text = at + strlen(PLACE_OF_NAME))
        text_add(&out, "%.*s%s", (int)(at - text), text, name);
    text_append(&out, text);
    return text_of(&out);
}

/* Adds a function unless one of equal text is known; gives its name. */
const char *add_function(Emitter *e, const char *wish, const char *text)
{
    const Function *known = find_function(e, text);
    if (known)
        return known->name;
    const char *name = wish;
    for (int suffix = 2; name_taken(e, name); suffix++)
        name = arena_printf("%s_%d", wish, suffix);
    const char *whole = with_name(text, name);
    e->known = arena_grow(e->known, e->known_count, &e->known_capacity, sizeof(Function));
    e->known[e->known_count++] = (Function){name, text, whole};
    text_add(&e->functions, "%s\n", whole);
    return name;
}
