/* command_new.c -- `gagac new`: copies a packaged config of an image GAN, or lists them.
 *
 * They are the files of configs/hypergan/, embedded in this program, so it needs no installation.
 * A name is the file's path below that folder without .json. */
#define _POSIX_C_SOURCE 200809L
#include "build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char folder[] = "configs/hypergan/", suffix[] = ".json";

typedef struct Template {
    const char *name;
    const EmbeddedFile *file;
} Template;

/* The name of an embedded file as a template, NULL when it is none. */
static const char *template_name(const EmbeddedFile *file)
{
    size_t before = strlen(folder), after = strlen(suffix), length = strlen(file->name);
    if (strncmp(file->name, folder, before) != 0 || length <= before + after)
        return NULL;
    return arena_copy(file->name + before, length - before - after);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const Template *)a)->name, ((const Template *)b)->name);
}

/* All templates, sorted by name; their number. */
static int collect_templates(Template **templates)
{
    int count = 0;
    *templates = arena_alloc((size_t)embedded_file_count * sizeof **templates);
    for (int i = 0; i < embedded_file_count; i++) {
        const char *name = template_name(&embedded_files[i]);
        if (name != NULL)
            (*templates)[count++] = (Template){name, &embedded_files[i]};
    }
    qsort(*templates, (size_t)count, sizeof **templates, compare_names);
    return count;
}

static bool has_suffix(const char *name)
{
    size_t length = strlen(name), after = strlen(suffix);
    return length > after && strcmp(name + length - after, suffix) == 0;
}

static const char *with_suffix(const char *name)
{
    return has_suffix(name) ? name : arena_printf("%s%s", name, suffix);
}

const EmbeddedFile *template_find(const char *name)
{
    return embedded_find(arena_printf("%s%s", folder, with_suffix(name)));
}

/* ---------------------------------------------------------------- new -l */
static const char *member_text(const Json *object, const char *key)
{
    const Json *member = object != NULL ? json_member(object, key) : NULL;
    return member != NULL && member->kind == JSON_STRING ? member->string : NULL;
}

static void print_template(const Template *template)
{
    const EmbeddedFile *file = template->file;
    const Source source = {.path = file->name, .text = file->text, .length = file->length};
    const Json *root = json_parse(&source);
    const char *description = member_text(root, "description");
    const char *publication = member_text(root, "publication");
    const char *train = member_text(json_member(root, "runtime"), "train");
    printf("%s - %s", template->name, description != NULL ? description : "");
    if (publication != NULL)
        printf(" (%s)", publication);
    printf("\n");
    if (train != NULL)
        printf("    %s\n", train);
}

void template_list(void)
{
    Template *templates;
    int count = collect_templates(&templates);
    for (int i = 0; i < count; i++)
        print_template(&templates[i]);
}

/* ---------------------------------------------------------------- new NAME */
static NO_RETURN void fail_unknown(const char *name)
{
    Template *templates;
    int count = collect_templates(&templates);
    const char **names = arena_alloc((size_t)count * sizeof *names + 1);
    for (int i = 0; i < count; i++)
        names[i] = templates[i].name;
    const char *near = nearest_word(name, names, (size_t)count);
    fail(EXIT_USAGE,
         near != NULL ? arena_printf("did you mean %s?", near) : "gagac new -l lists the templates",
         "there is no template '%s'", printable(name));
}

void template_copy(const char *template, const char *name)
{
    if (template == NULL)
        template = "default";
    const EmbeddedFile *file = template_find(template);
    if (file == NULL)
        fail_unknown(template);
    const char *path = with_suffix(name);
    if (strcmp(path, suffix) == 0)
        fail(EXIT_USAGE, NULL, "the new config needs a name");
    if (file_create(path, file->text, file->length, 0666)) {
        printf("%s is ready: gagac check %s shows its layers\n", printable(path), printable(path));
        return;
    }
    if (errno == EEXIST)
        fail(EXIT_IO, "choose another name, or move the file away", "%s is there already",
             printable(path));
    fail(EXIT_IO, NULL, "cannot write %s: %s", printable(path), strerror(errno));
}
