/* project.c -- the Makefile and the CMakeLists.txt of RUN/src, so that it builds without gagac:
 * with any clang or gcc, and with the flags that gagac itself uses. */
#include "build.h"

/* " a.o b.o" of the stems a, b */
static const char *join(const Words *words, const char *suffix)
{
    const char *list = "";
    for (int i = 0; i < words->count; i++)
        list = arena_printf("%s %s%s", list, words->items[i], suffix);
    return list;
}

static const char *flag_list(UnitKind kind, const BuildOptions *options)
{
    Words words = {NULL, 0};
    compile_flags(&words, kind, options);
    return join(&words, "");
}

static const char *library_list(const BuildOptions *options)
{
    Words words = {NULL, 0};
    link_libraries(&words, options);
    return join(&words, "");
}

const char *makefile_text(const Words *generated, const Words *runtime, const BuildOptions *options)
{
    static const char text[] =
        "# Builds ../train and ../sample from the sources here: make CC=clang\n"
        "ifeq ($(origin CC),default)\n"
        "CC = clang\n"
        "endif\n"
        "FLAGS =%s\n"
        "GENERATED =%s\n"
        "RUNTIME =%s\n\n"
        "all: ../train ../sample\n"
        "../train: train.o $(GENERATED) $(RUNTIME)\n"
        "../sample: sample.o $(GENERATED) $(RUNTIME)\n"
        "../train ../sample:\n"
        "\t$(CC) $(FLAGS) -o $@ $^%s\n"
        "$(GENERATED): FLAGS =%s\n"
        "%%.o: %%.c $(wildcard *.h)\n"
        "\t$(CC) $(FLAGS) -c -o $@ $<\n"
        "clean:\n"
        "\trm -f *.o\n"
        ".PHONY: all clean\n";
    return arena_printf(text, flag_list(UNIT_RUNTIME, options), join(generated, ".o"),
                        join(runtime, ".o"), library_list(options),
                        flag_list(UNIT_GENERATED, options));
}

const char *cmake_text(const Words *generated, const Words *runtime, const BuildOptions *options)
{
    static const char text[] = "# Builds train and sample from the sources here.\n"
                               "cmake_minimum_required(VERSION 3.13)\n"
                               "project(gan C)\n"
                               "find_package(Threads REQUIRED)\n"
                               "add_library(generated OBJECT%s)\n"
                               "target_compile_options(generated PRIVATE%s)\n"
                               "add_library(runtime OBJECT%s)\n"
                               "target_compile_options(runtime PRIVATE%s)\n"
                               "foreach(program train sample)\n"
                               "    add_executable(${program} ${program}.c\n"
                               "        $<TARGET_OBJECTS:generated> $<TARGET_OBJECTS:runtime>)\n"
                               "    target_compile_options(${program} PRIVATE%s)\n"
                               "    target_link_libraries(${program} Threads::Threads%s)\n"
                               "endforeach()\n";
    const char *flags = flag_list(UNIT_RUNTIME, options);
    return arena_printf(text, join(generated, ".c"), flag_list(UNIT_GENERATED, options),
                        join(runtime, ".c"), flags, flags, library_list(options));
}
