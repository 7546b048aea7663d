/* check.c -- `gagac check`: the layers of the nets with shapes and parameters, and what each step
 * costs; and the check of a data set against a config. */
#include "gagac.h"

#include "../runtime/npy.h"

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

static void print_net(const Net *net)
{
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

static void print_net_json(const Net *net)
{
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

static void print_table(const Model *model, const StepCost *costs, int count)
{
    print_net(&model->discriminator);
    print_net(&model->generator);
    printf("%-10s %12s %12s %12s\n", "step", "an iteration", "GFLOP", "MB");
    for (int i = 0; i < count; i++)
        printf("%-10s %12d %12.4g %12.4g\n", costs[i].name, costs[i].count, costs[i].flops * 1e-9,
               costs[i].bytes * 1e-6);
}

static void print_json(const Model *model, const StepCost *costs, int count)
{
    printf("{\"nets\": [");
    print_net_json(&model->discriminator);
    printf(", ");
    print_net_json(&model->generator);
    printf("], \"steps\": [");
    for (int i = 0; i < count; i++)
        printf("%s{\"name\": \"%s\", \"count\": %d, \"flops\": %.17g, \"bytes\": %.17g}",
               i > 0 ? ", " : "", costs[i].name, costs[i].count, costs[i].flops, costs[i].bytes);
    printf("]}\n");
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
