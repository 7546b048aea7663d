/* command_new.c -- `gagac new`: copies a packaged config of an image GAN, or lists them.
 *
 * They are the files of configs/hypergan/, embedded in this program, so it needs no installation.
 * A name is the file's path below that folder without .json. */
#define _POSIX_C_SOURCE 200809L
#include "build.h"

#include <errno.h>
#include <string.h>

static const char folder[] = "configs/hypergan/", suffix[] = ".json";

/* The name of an embedded file as a template, NULL when it is none. */
static const char *template_name(const EmbeddedFile *file)
{
    size_t before = strlen(folder), after = strlen(suffix), length = strlen(file->name);
    if (strncmp(file->name, folder, before) != 0 || length <= before + after)
        return NULL;
    return arena_copy(file->name + before, length - before - after);
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

static void print_template(const char *name, const EmbeddedFile *file)
{
    const Source source = {.path = file->name, .text = file->text, .length = file->length};
    const Json *root = json_parse(&source);
    const char *description = member_text(root, "description");
    const char *publication = member_text(root, "publication");
    const char *train = member_text(json_member(root, "runtime"), "train");
    printf("%s - %s", name, description != NULL ? description : "");
    if (publication != NULL)
        printf(" (%s)", publication);
    printf("\n");
    if (train != NULL)
        printf("    %s\n", train);
}

void template_list(void)
{
    for (int i = 0; i < embedded_file_count; i++) {
        const char *name = template_name(&embedded_files[i]);
        if (name != NULL)
            print_template(name, &embedded_files[i]);
    }
}

/* ---------------------------------------------------------------- new NAME */
static NO_RETURN void fail_unknown(const char *name)
{
    const char **names = arena_alloc((size_t)embedded_file_count * sizeof *names);
    size_t count = 0;
    for (int i = 0; i < embedded_file_count; i++)
        if ((names[count] = template_name(&embedded_files[i])) != NULL)
            count++;
    const char *near = nearest_word(name, names, count);
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
