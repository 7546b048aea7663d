/* doctor.c -- `gagac doctor`: what programs would be built with, proved by building and running
 * one. */
#include "build.h"

#include "cuda_load.h"

#include <string.h>

/* Uses what the generated programs use: threads, the mathematics library, POSIX and wide vectors.
 */
static const char probe[] = "#include <math.h>\n"
                            "#include <pthread.h>\n"
                            "#include <stdio.h>\n"
                            "#include <sys/mman.h>\n"
                            "typedef float vec __attribute__((vector_size(GAGAC_VECTOR_BYTES)));\n"
                            "static void *twice(void *p)\n"
                            "{\n"
                            "    vec *v = p;\n"
                            "    *v = *v + *v;\n"
                            "    return p;\n"
                            "}\n"
                            "int main(void)\n"
                            "{\n"
                            "    vec v = {1.5f};\n"
                            "    pthread_t thread;\n"
                            "    if (pthread_create(&thread, NULL, twice, &v) != 0)\n"
                            "        return 1;\n"
                            "    pthread_join(thread, NULL);\n"
                            "    return sqrt((double)v[0] * 3.0) == 3.0 ? 0 : 1;\n"
                            "}\n";

static bool run_one(const Words *argv, const char *folder, const char *what)
{
    Job job = {.argv = argv->items, .folder = folder, .capture = CAPTURE_ALL};
    if (jobs_run(&job, 1))
        return true;
    printf("            %s fails (status %d)\n", what, job.status);
    if (job.output.data != NULL)
        printf("%s", printable(job.output.data));
    return false;
}

/* Compiles, links and runs the probe for this machine's instruction set. */
static bool try_compiler(const Compiler *compiler)
{
    const BuildOptions options = {.isa = isa_native()};
    Words compile = {NULL, 0}, run = {NULL, 0};
    const char *folder = folder_temporary(arena_printf("%s/gagac", folder_for_temporaries()));
    if (folder == NULL ||
        !file_write(arena_printf("%s/probe.c", folder), probe, strlen(probe), 0600)) {
        printf("            no place for temporary files in %s\n", folder_for_temporaries());
        return false;
    }
    words_add(&compile, compiler->path);
    compile_flags(&compile, UNIT_GENERATED, &options);
    compiler_flags(&compile);
    words_add(&compile, "-o");
    words_add(&compile, "probe");
    words_add(&compile, "probe.c");
    words_add(&compile, "-lm");
    words_add(&run, arena_printf("%s/probe", folder));
    return run_one(&compile, folder, "compiling a small program") &&
           run_one(&run, folder, "running a small program");
}

/* What there is of a GPU; nothing of it is needed for the CPU. */
static void print_gpu(void)
{
    Cuda cuda;
    Nvrtc nvrtc;
    Error error = {0};
    if (cuda_open(&cuda, &error)) {
        char name[64] = "";
        int major = 0, minor = 0;
        CudaDevice gpu = 0;
        cuda.cuDeviceGet(&gpu, 0);
        cuda.cuDeviceGetName(name, sizeof name, gpu);
        cuda.cuDeviceGetAttribute(&major, CUDA_MAJOR, gpu);
        cuda.cuDeviceGetAttribute(&minor, CUDA_MINOR, gpu);
        name[sizeof name - 1] = '\0';
        printf("GPU         %s, sm_%d%d\n", printable(name), major, minor);
        cuda_close(&cuda);
    } else {
        printf("GPU         none: %s\n", printable(error.message));
    }
    if (nvrtc_open(&nvrtc, &error)) {
        int major = 0, minor = 0;
        nvrtc.nvrtcVersion(&major, &minor);
        printf("NVRTC       %d.%d\n", major, minor);
        nvrtc_close(&nvrtc);
    } else {
        printf("NVRTC       none: %s\n", printable(error.message));
    }
}

void doctor_print(const char *wanted)
{
    const char *folder = cache_folder();
    Cache *cache = cache_open();
    Compiler *compiler = compiler_search(wanted, cache);
    printf("gagac       %s\n", GAGAC_VERSION);
    printf("processor   %d cores, instruction set %s\n", core_count(), isa_name(isa_native()));
    printf("cache       %s%s\n", folder == NULL ? "none" : printable(folder),
           cache == NULL ? " (not usable)" : "");
    print_gpu();
    if (compiler == NULL) {
        printf("compiler    none\n");
        fflush(stdout);
        compiler_find(wanted, cache); /* says what to do */
        return;
    }
    printf("compiler    %s\n            %s\n", printable(compiler->path),
           printable(compiler->version));
    bool good = try_compiler(compiler);
    if (!compiler->clang)
        printf("            clang is faster on generated code: apt-get install clang\n");
    if (!good) {
        fflush(stdout);
        fail(EXIT_TOOLCHAIN, install_hint, "the compiler does not work");
    }
    printf("all is well\n");
}
