/* embed.c -- turns files into a C array, so that gagac carries the runtime and the templates in
 * itself.
 *
 * usage: embed OUT.c NAME=PATH...
 * Writes embedded_files[]: each NAME with the bytes of the file PATH and a NUL after them. Runs
 * while gagac is built. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_A_LINE = 24 };

static void stop(const char *what, const char *name)
{
    fprintf(stderr, "embed: %s %s\n", what, name);
    exit(1);
}

/* The bytes of one file as numbers; a string literal would hit the compilers' limits. Returns their
 * number. */
static long write_bytes(FILE *out, int index, const char *path)
{
    FILE *in = fopen(path, "rb");
    long count = 0;
    if (in == NULL)
        stop("cannot read", path);
    fprintf(out, "static const unsigned char bytes_%d[] = {", index);
    for (int c; (c = getc(in)) != EOF; count++)
        fprintf(out, "%s%d,", count % BYTES_A_LINE == 0 ? "\n" : "", c);
    if (ferror(in))
        stop("cannot read", path);
    fprintf(out, "0};\n");
    fclose(in);
    return count;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        stop("usage: embed", "OUT.c NAME=PATH...");
    char **names = argv + 2;
    int count = argc - 2;
    FILE *out = fopen(argv[1], "w");
    long *lengths = calloc((size_t)count, sizeof *lengths);
    if (out == NULL || lengths == NULL)
        stop("cannot write", argv[1]);
    fprintf(out, "/* made by tools/embed.c */\n#include \"gagac.h\"\n\n");
    for (int i = 0; i < count; i++) {
        char *equals = strchr(names[i], '=');
        if (equals == NULL)
            stop("no = in", names[i]);
        *equals = '\0';
        lengths[i] = write_bytes(out, i, equals + 1);
    }
    fprintf(out, "\nconst EmbeddedFile embedded_files[] = {\n");
    for (int i = 0; i < count; i++)
        fprintf(out, "    {\"%s\", (const char *)bytes_%d, %ld},\n", names[i], i, lengths[i]);
    fprintf(out, "};\nconst int embedded_file_count = %d;\n", count);
    if (ferror(out) || fclose(out) != 0)
        stop("cannot write", argv[1]);
    free(lengths);
    return 0;
}
