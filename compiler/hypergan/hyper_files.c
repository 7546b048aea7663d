/* hyper_files.c -- where a HyperGAN config comes from: the search for its name, `inherit`, and -p.
 *
 * A name is looked for in the current folder, among the packaged configs and in ~/.gagac/configs,
 * each time also with ".json" behind. */
#include "hypergan.h"

#include "build.h"

#include <string.h>

static const char *with_ending(const char *name)
{
    size_t length = strlen(name);
    bool has = length > 5 && strcmp(name + length - 5, ".json") == 0;
    return has ? name : arena_printf("%s.json", name);
}

static Source *embedded_source(const char *name)
{
    const EmbeddedFile *file = template_find(name);
    if (file == NULL)
        return NULL;
    Source *source = arena_alloc(sizeof *source);
    *source = (Source){.path = arena_printf("packaged %s", with_ending(name)),
                       .text = file->text,
                       .length = file->length};
    return source;
}

Source *config_find(const char *name)
{
    const char *home = environment("HOME");
    if (path_exists(name))
        return source_read(name);
    if (path_exists(with_ending(name)))
        return source_read(with_ending(name));
    Source *source = embedded_source(name);
    if (source != NULL || home == NULL || name[0] == '/')
        return source;
    const char *path = arena_printf("%s/.gagac/configs/%s", home, with_ending(name));
    return path_exists(path) ? source_read(path) : NULL;
}

/* Adds the members of the base that the config has not itself. One level only. */
void config_inherit(Json *root)
{
    const Json *name = json_member(root, "inherit");
    if (name == NULL || name->kind == JSON_NULL)
        return;
    if (name->kind != JSON_STRING)
        fail_at(name->span, NULL, "`inherit` must be the name of a config");
    Source *source = config_find(name->string);
    if (source == NULL)
        fail_at(name->span, "gagac new -l lists the packaged configs",
                "there is no config `%s` here, among the packaged ones or in ~/.gagac/configs",
                printable(name->string));
    Json *base = json_tree(source), **end = &root->child;
    if (base->kind != JSON_OBJECT)
        fail_at(name->span, NULL, "the config `%s` is no object", printable(name->string));
    json_keep_last(base);
    while (*end != NULL)
        end = &(*end)->next;
    for (Json *member = base->child, *next; member != NULL; member = next) {
        next = member->next;
        member->next = NULL;
        if (json_member(root, member->key) != NULL || strcmp(member->key, "inherit") == 0)
            continue;
        *end = member;
        end = &member->next;
    }
}

/* ---------------------------------------------------------------- -p path.to.key=value */
static Json *override_value(const Override *override)
{
    const char *text = override->value;
    bool json = text[0] != '\0' && strchr("0123456789-\"[{", text[0]) != NULL;
    json = json || strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ||
           strcmp(text, "null") == 0;
    Source *source = arena_alloc(sizeof *source);
    *source = (Source){.path = arena_printf("-p %s", printable(override->key)),
                       .text = text,
                       .length = strlen(text)};
    if (json)
        return json_tree(source);
    Json *value = arena_alloc(sizeof *value);
    *value = (Json){.kind = JSON_STRING, .string = text, .span = {source, 0, source->length}};
    return value;
}

static void set_member(Json *object, const char *key, Json *value)
{
    Json **at = &object->child;
    while (*at != NULL && strcmp((*at)->key, key) != 0)
        at = &(*at)->next;
    value->key = key;
    value->key_span = value->span;
    value->next = *at != NULL ? (*at)->next : NULL;
    *at = value;
}

void config_override(Json *root, const Override *overrides, int count)
{
    for (int i = 0; i < count; i++) {
        Json *object = root;
        const char *rest = overrides[i].key;
        for (const char *dot; (dot = strchr(rest, '.')) != NULL; rest = dot + 1) {
            const char *key = arena_copy(rest, (size_t)(dot - rest));
            object = json_member(object, key);
            if (object == NULL || object->kind != JSON_OBJECT)
                fail(EXIT_INVALID, "for example -p trainer.d_update_steps=2",
                     "-p %s: the config has no object `%s`", printable(overrides[i].key),
                     printable(key));
        }
        set_member(object, rest, override_value(&overrides[i]));
    }
}
