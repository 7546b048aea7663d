/* model.c -- what holds for a model of any dialect: sizes of layers, limits, the hash. */
#include "gagac.h"
#include "hash.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum {
    MAX_LAYER_WIDTH = 1 << 20,
    MAX_PARAMETERS = 1 << 28, /* of all nets: 1 GiB in float, about five times that in a training */
    MAX_ACTIVATIONS = 1 << 30 /* batch times width: an index of the plain program fits an int */
};

/* 64 bits, so that no layer within the reader's limits overflows; model_check then bounds the
 * width. */
static int64_t wide_outputs(const Layer *layer, int inputs)
{
    if (layer->kind == LAYER_LINEAR) {
        return layer->size;
    }
    if (layer->kind != LAYER_ENCODE) {
        return inputs;
    }
    int64_t width = 0;
    for (int i = 0; i < layer->block_count; i++) {
        int64_t copies =
            layer->blocks[i].encoded ? 2 * layer->frequency_count + layer->include_input : 1;
        width += copies * layer->blocks[i].width;
    }
    return width;
}

int layer_outputs(const Layer *layer, int inputs) { return (int)wide_outputs(layer, inputs); }

int64_t layer_parameters(const Layer *layer, int inputs)
{
    if (layer->kind == LAYER_LINEAR) {
        return ((int64_t)inputs + 1) * layer->size;
    }
    return layer->kind == LAYER_LAYER_NORM ? 2 * (int64_t)inputs : 0;
}

int64_t net_parameters(const Net *net)
{
    int64_t count = 0;
    int width = net->inputs;
    for (int i = 0; i < net->layer_count; i++) {
        count += layer_parameters(&net->layers[i], width);
        width = layer_outputs(&net->layers[i], width);
    }
    return count;
}

/* Adds the net's parameters to *total. Widths first: with them in range no product here overflows.
 */
static void check_net(const Model *model, const Net *net, int64_t *total)
{
    int width = net->inputs;
    for (int i = 0; i < net->layer_count; i++) {
        const Layer *layer = &net->layers[i];
        int64_t outputs = wide_outputs(layer, width);
        if (outputs < 1 || outputs > MAX_LAYER_WIDTH) {
            fail_at(layer->span, NULL,
                    "layer %s of the %s gets %" PRId64 " outputs; 1 to %d are possible",
                    layer->name, net->name, outputs, MAX_LAYER_WIDTH);
        }
        if (outputs * model->batch_size > MAX_ACTIVATIONS) {
            fail_at(layer->span, "take a smaller batch",
                    "%d rows of %" PRId64 " values: more than 2^30 at once", model->batch_size,
                    outputs);
        }
        *total += layer_parameters(layer, width);
        if (*total > MAX_PARAMETERS) {
            fail_at(layer->span, NULL, "with layer %s of the %s the networks pass 2^28 parameters",
                    layer->name, net->name);
        }
        width = (int)outputs;
    }
    if (width != net->outputs) {
        internal_error("the %s ends with %d columns, not %d", net->name, width, net->outputs);
    }
}

/* ---------------------------------------------------------------- hash */

static void mix(uint64_t *hash, const char *format, ...) PRINTF_LIKE(2, 3);

static void mix(uint64_t *hash, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text) {
        internal_error("a line of the hash is too long");
    }
    *hash = hash_bytes(text, (size_t)length, *hash);
}

/* Numbers as %a: exact and the same everywhere. */
static void mix_layer(uint64_t *hash, const Layer *layer)
{
    mix(hash, "layer %d %s %d %d %d %d %a", (int)layer->kind, layer->name, layer->size,
        (int)layer->weight_init, layer->spectral, (int)layer->activation, layer->slope);
    for (int i = 0; i < layer->block_count; i++) {
        mix(hash, "block %d %d", layer->blocks[i].width, layer->blocks[i].encoded);
    }
    for (int i = 0; i < layer->frequency_count; i++) {
        mix(hash, "frequency %a %d", layer->frequencies[i], layer->include_input);
    }
}

static void mix_net(uint64_t *hash, const Net *net)
{
    mix(hash, "net %s %d %d", net->name, net->inputs, net->outputs);
    for (int i = 0; i < net->layer_count; i++) {
        const Layer *layer = &net->layers[i];
        mix_layer(hash, layer);
        for (int k = 0; layer->kind == LAYER_CLAMP && k < net->outputs; k++) {
            mix(hash, "bounds %a %a", layer->lower[k], layer->upper[k]);
        }
    }
}

static void mix_optimiser(uint64_t *hash, const Optimiser *o)
{
    mix(hash, "optimiser %d %a %a %a %d %a %a %a %a", (int)o->kind, o->rate, o->alpha, o->momentum,
        o->centered, o->beta1, o->beta2, o->weight_decay, o->epsilon);
}

/* Not in it: how long to train, what to keep and log, where to run, the seed. */
static uint64_t hash_model(const Model *m)
{
    uint64_t hash = 0;
    mix_net(&hash, &m->discriminator);
    mix_net(&hash, &m->generator);
    for (int i = 0; i < m->x_dim; i++) {
        hash = hash_bytes(m->keys[i], strlen(m->keys[i]) + 1, hash);
    }
    mix(&hash, "sizes %d %d %d %d", m->x_dim, m->cond_dim, m->z_dim, m->batch_size);
    mix(&hash, "loss %d %d %a %d", (int)m->loss, m->loss_on_logit, m->label_smoothing,
        m->labels_drawn_once);
    mix(&hash, "penalty %d %d %d %a %a %a", (int)m->penalty, (int)m->penalty_norm,
        (int)m->penalty_shape, m->penalty_weight, m->clamp_lower, m->clamp_upper);
    mix(&hash, "noise %a %a latent %d %d", m->noise_real, m->noise_fake, m->z_uniform,
        m->sample_z_uniform);
    mix(&hash, "updates %d %d schedule %d %a", m->d_updates, m->g_updates, m->schedule_step,
        m->schedule_gamma);
    if (m->schedule_step > 0 && m->passes > 0)
        mix(&hash, "passes %d", m->compat);
    mix_optimiser(&hash, &m->d_optimiser);
    mix_optimiser(&hash, &m->g_optimiser);
    mix(&hash, "data %d %d average %a", m->shuffle, (int)m->normalisation, m->ema_decay);
    return hash;
}

void model_check(Model *model)
{
    int64_t parameters = 0;
    check_net(model, &model->discriminator, &parameters);
    check_net(model, &model->generator, &parameters);
    bool noise = model->noise_real > 0 || model->noise_fake > 0;
    for (int i = 0; i < model->line_count; i++) {
        if (noise && model->batch_size < 2 && strcmp(model->lines[i].letter, "B") == 0) {
            fail_at(model->lines[i].span, NULL,
                    "instance noise needs a batch of at least 2 rows: it takes their "
                    "standard deviation");
        }
    }
    model->hash = hash_model(model);
}
