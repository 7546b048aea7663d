/* check.c -- `gagac check`: the layers of the nets with shapes and parameters, and what each step
 * costs; and the check of a data set against a config. */
#include "hypergan.h"

#include "npy.h"

/* What a layer does, in the words of the config reference. */
static const char *layer_title(const Layer *layer)
{
    switch (layer->kind) {
    case LAYER_ENCODE:
        return "positional encoding";
    case LAYER_LINEAR:
        return layer->spectral ? "linear, spectral norm" : "linear";
    case LAYER_LAYER_NORM:
        return "layer norm";
    case LAYER_ACTIVATION:
        if (layer->activation == ACT_SIGMOID)
            return "sigmoid";
        return layer->slope == 0 ? "relu" : arena_printf("leaky relu %g", layer->slope);
    case LAYER_CLAMP:
        return "clamp to constraints";
    }
    internal_error("a layer of unknown kind");
}

static const char *layer_text(const Layer *layer)
{
    const char *title = layer_title(layer);
    return layer->name == NULL ? title : arena_printf("%s: %s", layer->name, title);
}

static void print_net(const Model *model, const Net *net)
{
    (void)model;
    int columns = net->inputs;
    printf("%s: %lld parameters\n", net->name, (long long)net_parameters(net));
    printf("  %-32s %8s %12s\n", "layer", "columns", "parameters");
    printf("  %-32s %8d\n", "input", columns);
    for (int i = 0; i < net->layer_count; i++) {
        const Layer *layer = &net->layers[i];
        long long parameters = (long long)layer_parameters(layer, columns);
        columns = layer_outputs(layer, columns);
        printf("  %-32s %8d", layer_text(layer), columns);
        if (parameters > 0)
            printf(" %12lld", parameters);
        printf("\n");
    }
    printf("\n");
}

static void print_net_json(const Model *model, const Net *net)
{
    (void)model;
    int columns = net->inputs;
    printf("{\"name\": \"%s\", \"parameters\": %lld, \"layers\": [", net->name,
           (long long)net_parameters(net));
    for (int i = 0; i < net->layer_count; i++) {
        const Layer *layer = &net->layers[i];
        long long parameters = (long long)layer_parameters(layer, columns);
        columns = layer_outputs(layer, columns);
        printf("%s{\"layer\": \"%s\", \"shape\": [%d], \"parameters\": %lld}", i > 0 ? ", " : "",
               layer_text(layer), columns, parameters);
    }
    printf("]}");
}

/* A shape as people say it: height, width, channels; "(one number)" for none. */
static const char *shape_text(const Type *type, const char *between)
{
    const char *text = "";
    for (int k = 0; k < type->rank; k++)
        text = arena_printf("%s%s%d", text, k > 0 ? between : "",
                            type->dims[type->rank == 3 ? (k + 1) % 3 : k]);
    return text;
}

static int64_t total_parameters(const TableRow *rows, int count)
{
    int64_t total = 0;
    for (int i = 0; i < count; i++)
        total += rows[i].parameters;
    return total;
}

static void print_lines(const Model *model, const Net *net)
{
    TableRow *rows = NULL;
    int count = hyper_table(model, net->tag, &rows);
    printf("%s: %lld parameters\n", net->name, (long long)total_parameters(rows, count));
    printf("  %-56s %16s %12s\n", "layer", "shape", "parameters");
    for (int i = 0; i < count; i++) {
        printf("  %-56s %16s", printable(rows[i].text), shape_text(&rows[i].type, " x "));
        if (rows[i].parameters > 0)
            printf(" %12lld", (long long)rows[i].parameters);
        printf("\n");
    }
    printf("\n");
}

/* The text as it stands between quotes in JSON. */
static void print_quoted(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        if ((unsigned char)*text < 0x20)
            printf("\\u%04x", *text);
        else
            putchar(*text);
    }
    putchar('"');
}

static void print_lines_json(const Model *model, const Net *net)
{
    TableRow *rows = NULL;
    int count = hyper_table(model, net->tag, &rows);
    printf("{\"name\": \"%s\", \"parameters\": %lld, \"layers\": [", net->name,
           (long long)total_parameters(rows, count));
    for (int i = 0; i < count; i++) {
        printf("%s{\"layer\": ", i > 0 ? ", " : "");
        print_quoted(rows[i].text);
        printf(", \"shape\": [%s], \"parameters\": %lld}", shape_text(&rows[i].type, ", "),
               (long long)rows[i].parameters);
    }
    printf("]}");
}

static void print_stages(const Curriculum *c)
{
    printf("%-10s %12s %12s %12s  %s\n", "stage", "steps", "size", "batch", "config");
    for (int k = 0; k < c->count; k++) {
        const Model *m = c->stages[k].model;
        const char *size = arena_printf("%dx%dx%d", m->width, m->height, m->channels);
        printf("%-10d %12lld %12s %12d  %s\n", k, (long long)c->stages[k].steps, size,
               m->batch_size, printable(m->source->path));
    }
    printf("%s\n", c->cycle ? "after the last the first follows again\n" : "");
}

/* Bytes that a training holds beside its data: the largest step, and the generator that draws on
 * the way, which has an update count of 0. */
static double training_memory(const StepCost *costs, int count)
{
    double largest = 0, drawing = 0;
    for (int i = 0; i < count; i++) {
        largest = costs[i].memory > largest ? costs[i].memory : largest;
        drawing += costs[i].count == 0 ? costs[i].values : 0;
    }
    return largest + drawing;
}

static void print_table(const Model *model, const StepCost *costs, int count)
{
    void (*print_one)(const Model *, const Net *) = model->hyper ? print_lines : print_net;
    print_one(model, &model->discriminator);
    print_one(model, &model->generator);
    if (model->hyper && model->hyper->curriculum)
        print_stages(model->hyper->curriculum);
    printf("%-10s %12s %12s %12s %12s\n", "step", "an iteration", "GFLOP", "MB moved", "MB in use");
    for (int i = 0; i < count; i++)
        printf("%-10s %12d %12.4g %12.4g %12.4g\n", costs[i].name, costs[i].count,
               costs[i].flops * 1e-9, costs[i].bytes * 1e-6, costs[i].memory * 1e-6);
    printf("training: %.4g MB beside the data, one thread\n", training_memory(costs, count) * 1e-6);
}

static void print_json(const Model *model, const StepCost *costs, int count)
{
    printf("{\"nets\": [");
    void (*print_one)(const Model *, const Net *) =
        model->hyper ? print_lines_json : print_net_json;
    print_one(model, &model->discriminator);
    printf(", ");
    print_one(model, &model->generator);
    printf("], \"steps\": [");
    for (int i = 0; i < count; i++)
        printf("%s{\"name\": \"%s\", \"count\": %d, \"flops\": %.17g, \"bytes\": %.17g, "
               "\"memory\": %.17g}",
               i > 0 ? ", " : "", costs[i].name, costs[i].count, costs[i].flops, costs[i].bytes,
               costs[i].memory);
    printf("], \"training_memory\": %.17g}\n", training_memory(costs, count));
}

void check_print(const Model *model, const StepCost *costs, int cost_count, bool json)
{
    if (json)
        print_json(model, costs, cost_count);
    else
        print_table(model, costs, cost_count);
}

void check_data(const Model *model, const char *path)
{
    Npy npy;
    Error error = {0};
    int *columns = arena_alloc((size_t)model->x_dim * sizeof *columns);
    if (!npy_open(&npy, path, &error) ||
        !npy_select(&npy, model->keys, model->x_dim, columns, &error))
        fail_error(&error);
    if (npy.rows < (uint64_t)model->batch_size)
        fail(EXIT_INVALID, "batch_size must not exceed the number of rows",
             "%s has %llu rows, a batch needs %d", printable(path), (unsigned long long)npy.rows,
             model->batch_size);
    npy_close(&npy);
}
