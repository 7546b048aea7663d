/* test_units.c -- kernel functions of a large network fill several files: each is in one of them
 * and declared for all, the files are of about one size, and what layers share is there once. */
#include "gagac.h"
#include "hypergan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const Model *model_of(const char *text, const HyperOptions *options)
{
    char *copy = arena_printf("%s", text);
    for (char *p = copy; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    Source *source = arena_alloc(sizeof *source);
    *source = (Source){"test.json", copy, strlen(copy)};
    return read_hypergan(json_tree(source), options);
}

/* A discriminator of so many equal convolutions. */
static const Model *tower(int layers)
{
    const HyperOptions options = {.width = 8, .height = 8, .channels = 3, .batch_size = 16};
    char *text = arena_printf(
        "{'latent': {'z': 4, 'projections': ['identity']}, 'generator': {'layers': ['linear 8*8*3']"
        "}, 'discriminator': {'defaults': {'activation': 'lrelu', 'filter': [3, 3], 'stride': [1, "
        "1], 'avg_pool': [1, 1]}, 'layers': ['conv 16'");
    for (int k = 1; k < layers; k++)
        text = arena_printf("%s, 'conv 16'", text);
    text = arena_printf("%s, 'linear 1']}, 'loss': {'class': 'LogisticLoss'}, 'trainer': {'class': "
                        "'SimultaneousTrainer', 'optimizer': {'class': 'AdamOptimizer', "
                        "'learn_rate': 1}}}",
                        text);
    return model_of(text, &options);
}

static const Model *dcgan(void)
{
    const HyperOptions options = {.width = 64, .height = 64, .channels = 3, .batch_size = 16};
    return model_of(embedded_find("configs/hypergan/dcgan-configurable.json")->text, &options);
}

static EmittedFiles emit(const Model *model)
{
    const EmitOptions options = {.order = ORDER_WIDE, .isa = ISA_AVX512};
    return emit_program(model, &options);
}

static const char *file(EmittedFiles files, const char *name)
{
    for (int k = 0; k < files.count; k++)
        if (strcmp(files.files[k].name, name) == 0)
            return files.files[k].text;
    return NULL;
}

static int count(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        n++;
    return n;
}

static const char *unit(EmittedFiles files, int k)
{
    return file(files, arena_printf("src/kernels_%d.c", k));
}

static void test_each_function_once(void **state)
{
    (void)state;
    EmittedFiles files = emit(dcgan());
    const char *header = file(files, "src/kernels.h");
    assert_non_null(header);
    int functions = 0, defined = 0;
    for (const char *at = header; (at = strstr(at, "\nAPART void ")) != NULL; functions++) {
        at += strlen("\nAPART void ");
        const char *start = arena_printf("\nvoid %.*s(", (int)strcspn(at, "("), at);
        int places = 0;
        for (int k = 1; unit(files, k); k++)
            places += count(unit(files, k), start);
        assert_int_equal(places, 1);
    }
    for (int k = 1; unit(files, k); k++)
        defined += count(unit(files, k), "\nvoid ");
    assert_true(functions > 50);
    assert_int_equal(defined, functions);
}

static void test_even_sizes(void **state)
{
    (void)state;
    EmittedFiles files = emit(dcgan());
    size_t most = 0, sum = 0, units = 0;
    for (int k = 1; unit(files, k); k++, units++) {
        size_t length = strlen(unit(files, k));
        most = length > most ? length : most;
        sum += length;
    }
    assert_true(units >= 2);
    assert_true((double)most < 1.3 * (double)sum / (double)units);
}

static void test_sampler_shares(void **state)
{
    (void)state;
    EmittedFiles files = emit(dcgan());
    const char *sampler = file(files, "src/generator.c"), *steps = file(files, "src/model.c");
    const char *call = strstr(sampler, "\n    deconvolution");
    assert_non_null(call);
    call += strlen("\n    ");
    const char *name = arena_copy(call, strcspn(call, "("));
    assert_non_null(strstr(sampler, arena_printf("    %s(0, ", name)));
    assert_non_null(strstr(steps, arena_printf("        %s(from, to, ", name)));
    assert_null(strstr(sampler, "SHARED void deconvolution"));
    assert_null(strstr(steps, "SHARED void deconvolution"));
}

static void test_same_bytes(void **state)
{
    (void)state;
    EmittedFiles first = emit(dcgan()), second = emit(dcgan());
    assert_int_equal(first.count, second.count);
    for (int k = 0; k < first.count; k++) {
        assert_string_equal(first.files[k].name, second.files[k].name);
        assert_string_equal(first.files[k].text, second.files[k].text);
    }
}

static void test_small_in_one(void **state)
{
    (void)state;
    EmittedFiles files = emit(tower(1));
    assert_null(file(files, "src/kernels.h"));
    assert_null(unit(files, 1));
    assert_non_null(strstr(file(files, "src/model.c"), "SHARED void convolution("));
    assert_null(strstr(file(files, "src/model.c"), "kernels.h"));
}

/* The first layer has 3 channels; those from the second on are equal. */
static void test_equal_layers_share(void **state)
{
    (void)state;
    const char *few = file(emit(tower(3)), "src/model.c");
    const char *many = file(emit(tower(7)), "src/model.c");
    assert_true(count(many, "        convolution") > count(few, "        convolution"));
    const char *const kernels[] = {"\nSHARED void convolution", "\nSHARED void block_",
                                   "\nSHARED void weight_gradient", "\nSHARED void gradient_"};
    for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++) {
        assert_true(count(few, kernels[k]) > 0);
        assert_int_equal(count(many, kernels[k]), count(few, kernels[k]));
    }
}

/* Blocks of sums know no sizes of maps: layers of another size have the same. */
static void test_sizes_share_blocks(void **state)
{
    (void)state;
    const HyperOptions options[] = {{.width = 16, .height = 16, .channels = 16, .batch_size = 16},
                                    {.width = 32, .height = 32, .channels = 16, .batch_size = 16}};
    const char *text =
        "{'latent': {'z': 4, 'projections': ['identity']}, 'generator': {'layers': ['linear "
        "%d*%d*16']}, 'discriminator': {'defaults': {'activation': 'lrelu', 'filter': [3, 3], "
        "'stride': [1, 1], 'avg_pool': [1, 1]}, 'layers': ['conv 48', 'conv 48', 'linear 1']}, "
        "'loss': {'class': 'LogisticLoss'}, 'trainer': {'class': 'SimultaneousTrainer', "
        "'optimizer': {'class': 'AdamOptimizer', 'learn_rate': 1}}}";
    const char *const wanted = "SHARED void block_";
    const char *block[2];
    for (int k = 0; k < 2; k++) {
        const char *config = arena_printf(text, options[k].width, options[k].width);
        const char *source = file(emit(model_of(config, &options[k])), "src/model.c");
        const char *begin = strstr(source, wanted);
        assert_non_null(begin);
        block[k] = arena_copy(begin, (size_t)(strstr(begin, "\n}\n") - begin));
    }
    assert_string_equal(block[0], block[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_function_once), cmocka_unit_test(test_even_sizes),
        cmocka_unit_test(test_sampler_shares),     cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_small_in_one),       cmocka_unit_test(test_equal_layers_share),
        cmocka_unit_test(test_sizes_share_blocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
