/* Losses, latents and layer tables of golden/hypergan: losses.json, latents.json, shapes.json. */
#include "gagac.h"
#include "hypergan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const Json *golden(const char *name)
{
    return json_tree(
        source_read(arena_printf("%s/golden/hypergan/%s", getenv("GAGAC_TESTS"), name)));
}

static const char *text_of(const Json *json)
{
    return arena_copy(json->span.source->text + json->span.begin,
                      json->span.end - json->span.begin);
}

static const Hyper *read_text(char *text)
{
    Source *source = arena_alloc(sizeof *source);
    const HyperOptions options = {0};
    *source = (Source){"test.json", text, strlen(text)};
    return read_hypergan(json_tree(source), &options)->hyper;
}

/* A small GAN with this latent and this loss. */
static const Hyper *hyper_of(const char *latent, const char *loss)
{
    return read_text(arena_printf(
        "{\"latent\": %s, \"loss\": %s, \"generator\": {\"layers\": [\"linear 64*64*3\"]},"
        " \"discriminator\": {\"layers\": [\"linear 1\"]}, \"trainer\": {\"class\":"
        " \"SimultaneousTrainer\", \"optimizer\": {\"class\": \"GradientDescentOptimizer\","
        " \"learn_rate\": 1}}}",
        latent, loss));
}

/* Numbers of a list, or of a list of lists, one after the other; their number. */
static int numbers(const Json *list, double *out)
{
    int count = 0;
    for (const Json *item = list->child; item != NULL; item = item->next) {
        if (item->kind == JSON_ARRAY)
            count += numbers(item, out + count);
        else
            out[count++] = item->number;
    }
    return count;
}

static int rows_of(const Json *list)
{
    int count = 0;
    for (const Json *item = list->child; item != NULL; item = item->next)
        count++;
    return count;
}

static void expect_near(double found, double expected, const char *what)
{
    if (!(fabs(found - expected) <= 1e-12 * fmax(1, fabs(expected))))
        fail_msg("%s: %.17g, not %.17g", what, found, expected);
}

static void check_loss(const Json *entry)
{
    double real[16], fake[16], k = 0, results[3] = {0};
    const char *loss = text_of(json_member(entry, "loss"));
    const Hyper *h = hyper_of("{\"z\": 2}", loss);
    int batch = rows_of(json_member(entry, "d_real"));
    numbers(json_member(entry, "d_real"), real);
    numbers(json_member(entry, "d_fake"), fake);
    const Json *weight = json_member(entry, "k");
    k = weight != NULL ? weight->number : 0;
    Graph *g = graph_new(NULL, batch);
    Step step = {.name = "loss"};
    Node *r = add_input(g, &step, (Input){.name = "r", .kind = INPUT_DATA, .width = 1});
    Node *f = add_input(g, &step, (Input){.name = "f", .kind = INPUT_DATA, .width = 1});
    GanTerms terms = gan_loss(g, &h->loss, r, f, node_constant(g, k, type_scalar()), r, f);
    add_output(&step, "d_loss", terms.d_loss);
    add_output(&step, "g_loss", terms.g_loss);
    if (weight != NULL)
        add_output(&step, "k", terms.next_k);
    double *inputs[] = {real, fake}, *outputs[] = {&results[0], &results[1], &results[2]};
    interpreter_run(interpreter_new(g), &step, inputs, NULL, outputs);
    expect_near(results[0], json_member(entry, "d_loss")->number, loss);
    expect_near(results[1], json_member(entry, "g_loss")->number, loss);
    if (weight != NULL)
        expect_near(results[2], json_member(entry, "k_after")->number, loss);
}

static void test_losses(void **state)
{
    (void)state;
    int count = 0;
    for (const Json *entry = golden("losses.json")->child; entry != NULL; entry = entry->next) {
        check_loss(entry);
        count++;
    }
    assert_true(count > 40);
}

static void check_latent(const Json *entry)
{
    double draws[256], expected[256], found[256], *inputs[] = {draws}, *outputs[] = {found};
    const char *name = json_member(entry, "projection")->string;
    int batch = rows_of(json_member(entry, "u")), count = numbers(json_member(entry, "u"), draws);
    const Hyper *h = hyper_of(
        arena_printf("{\"z\": %d, \"modes\": %g, \"periods\": %g, \"projections\": [\"%s%s\"]}",
                     count / batch, json_member(entry, "modes")->number,
                     json_member(entry, "periods")->number,
                     "function:hypergan.distributions.uniform_distribution.", name),
        "{\"class\": \"LogisticLoss\"}");
    Graph *g = graph_new(NULL, batch);
    Step step = {.name = "latent"};
    Node *u =
        add_input(g, &step, (Input){.name = "u", .kind = INPUT_DATA, .width = h->latent.draws});
    add_output(&step, "sample", latent_sample(g, &h->latent, u));
    interpreter_run(interpreter_new(g), &step, inputs, NULL, outputs);
    assert_int_equal(numbers(json_member(entry, "sample"), expected), count);
    for (int i = 0; i < count; i++)
        expect_near(found[i], expected[i], name);
}

static void test_latents(void **state)
{
    (void)state;
    int count = 0;
    for (const Json *entry = golden("latents.json")->child; entry != NULL; entry = entry->next) {
        check_latent(entry);
        count++;
    }
    assert_true(count >= 11);
}

static void check_table(const Model *model, const Json *entry, const char *net, const char *tag)
{
    TableRow *rows = NULL;
    const Json *expected = json_member(entry, net), *line = json_member(expected, "layers")->child;
    int count = hyper_table(model, tag, &rows), i = 0;
    double total = 0;
    for (; line != NULL && i < count; line = line->next, i++) {
        double shape[4];
        const Type *type = &rows[i].type;
        int rank = numbers(json_member(line, "shape"), shape);
        assert_string_equal(rows[i].text, json_member(line, "layer")->string);
        assert_int_equal(rank, type->rank);
        for (int k = 0; k < rank; k++)
            assert_int_equal(type->dims[rank == 3 ? (k + 1) % 3 : k], (int)shape[k]);
        assert_int_equal(rows[i].parameters, (int)json_member(line, "params")->number);
        total += (double)rows[i].parameters;
    }
    assert_true(line == NULL && i == count);
    assert_int_equal((int)total, (int)json_member(expected, "params")->number);
}

static void test_tables(void **state)
{
    (void)state;
    int count = 0;
    const HyperOptions options = {0};
    for (const Json *entry = golden("shapes.json")->child; entry != NULL; entry = entry->next) {
        const char *config = text_of(json_member(entry, "config"));
        Source *source = arena_alloc(sizeof *source);
        *source = (Source){json_member(entry, "name")->string, config, strlen(config)};
        const Model *model = read_hypergan(json_tree(source), &options);
        check_table(model, entry, "generator", "G");
        check_table(model, entry, "discriminator", "D");
        count++;
    }
    assert_true(count >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_latents),
        cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
