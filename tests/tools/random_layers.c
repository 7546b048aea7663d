/* random_layers.c -- a random HyperGAN config with everything that its steps read.
 *
 *     random_layers SEED NAME [CONFIG.json]
 *
 * writes NAME.json and NAME.in.safetensors (parameters and draws of two iterations, as a replay
 * wants them), the same for the same seed; of a config that is given, the latter alone. Both
 * networks are random lists of layers over small odd maps; losses, penalties, trainers and
 * regularisers are combined freely. */
#include "random_inputs.h"

#include "hypergan.h"

#include <stdarg.h>

enum { ITERATIONS = 2, MOST_SIDE = 9, MOST_CHANNELS = 9, MOST_CELLS = 12 };

/* ---------------------------------------------------------------- layers */
typedef struct Maker { /* of one network */
    const char *lines;
    int h, w, c; /* of the map so far */
    int batch, names;
    bool d; /* of the discriminator */
} Maker;

static void line(Maker *m, const char *format, ...) PRINTF_LIKE(2, 3);

static void line(Maker *m, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    m->lines = arena_printf("%s%s%s", m->lines, m->lines[0] ? ",\n      " : "", text);
}

static void add_conv(Maker *m)
{
    int stride = between(1, 2), filter = between(1, 4);
    m->c = between(1, 5);
    line(m, "\"conv %d filter=%d stride=%d\"", m->c, filter, stride);
    m->h = (m->h + stride - 1) / stride;
    m->w = (m->w + stride - 1) / stride;
}

static void add_doubled(Maker *m)
{
    static const char *const ops[] = {"resize_conv",  "subpixel",    "conv_depth_to_space",
                                      "conv_reshape", "conv_double", "bicubic_conv"};
    if (2 * m->h > MOST_SIDE || 2 * m->w > MOST_SIDE) {
        add_conv(m);
        return;
    }
    m->c = between(1, 4);
    line(m, "\"%s %d stride=1\"", PICK(ops), m->c);
    m->h *= 2;
    m->w *= 2;
}

static void add_deconv(Maker *m)
{
    int stride = 2 * m->h <= MOST_SIDE && 2 * m->w <= MOST_SIDE ? between(1, 2) : 1;
    m->c = between(1, 4);
    line(m, "\"deconv %d filter=%d stride=%d\"", m->c, between(1, 5), stride);
    m->h *= stride;
    m->w *= stride;
}

static void add_pool(Maker *m)
{
    int size = between(2, 3), least = m->h < m->w ? m->h : m->w;
    double ratio = 1 + 0.3 * between(1, 3);
    if (between(0, 1) && least >= 2) {
        line(m, "\"fractional_avg_pool %g\"", ratio);
        m->h = (int)floor(m->h / ratio + 1e-9);
        m->w = (int)floor(m->w / ratio + 1e-9);
        return;
    }
    line(m, "\"avg_pool stride=%d\"", size);
    m->h = (m->h + size - 1) / size;
    m->w = (m->w + size - 1) / size;
}

static void add_enlarged(Maker *m)
{
    if (2 * m->h > MOST_SIDE || 2 * m->w > MOST_SIDE) {
        add_pool(m);
        return;
    }
    line(m, between(0, 1) ? "\"unpool\"" : "\"double_resolution\"");
    m->h *= 2;
    m->w *= 2;
}

static void add_norm(Maker *m)
{
    static const char *const ops[] = {"layer_norm", "pixel_norm"};
    line(m, "\"%s\"", PICK(ops));
}

static void add_activation(Maker *m)
{
    enum { SMOOTH = 7 }; /* the others can be 0 everywhere, where a penalty's root has no slope */
    static const char *const words[] = {"lrelu", "selu", "gelu",  "prelu", "swish",  "nsoftplus",
                                        "tanh",  "relu", "trelu", "frelu", "bipolar"};
    enum { COUNT = sizeof words / sizeof words[0] };
    const char *word = words[between(0, (m->d ? SMOOTH : COUNT) - 1)];
    if (between(0, 3) == 0) {
        line(m, "\"activation crelu\"");
        m->c *= 2;
    } else if (m->c > 1) {
        line(m, "\"activation %s\"", word);
    }
}

static void add_noise(Maker *m)
{
    static const char *const ops[] = {"noise",     "noise learned",     "noise mask",
                                      "add noise", "variational_noise", "variational 3 stride=1"};
    const char *op = PICK(ops);
    line(m, "\"%s\"", op);
    m->c = strncmp(op, "variational ", 12) == 0 ? 3 : m->c;
}

static void add_attention(Maker *m)
{
    if (m->h * m->w > MOST_CELLS)
        return;
    line(m, "\"attention stride=1 activation=tanh c_scale=%d%s\"", between(1, 3),
         between(0, 1) ? " dot_product_similarity=true" : "");
}

/* A mask needs a name: the network's letter keeps those of both networks apart. */
static void add_mask(Maker *m)
{
    int k = m->names++;
    char tag = m->d ? 'd' : 'g';
    line(m, "\"identity name=%c%d\"", tag, k);
    line(m, "\"conv filter=%d stride=1\"", between(1, 3));
    if (between(0, 1))
        line(m, "\"mask layer=%c%d mask_layer=%c%d filter=%d stride=1\"", tag, k, tag, k,
             between(1, 4));
    else
        line(m, "\"add layer=%c%d mask=true\"", tag, k);
}

static void add_list(Maker *m)
{
    static const int axes[] = {-1, 1, 2};
    int axis = PICK(axes);
    line(m, "[\"identity\", \"conv filter=2 stride=1\", %d]", axis);
    m->c *= axis == -1 ? 2 : 1;
    m->h *= axis == 1 ? 2 : 1;
    m->w *= axis == 2 ? 2 : 1;
}

static void add_vector(Maker *m)
{
    static const char *const ops[] = {"relational", "image_statistics", "squash", "linear 5"};
    const char *op = PICK(ops);
    if (strcmp(op, "relational") != 0 || m->h * m->w <= MOST_CELLS)
        line(m, "\"%s\"", op);
    m->h = between(1, 4);
    m->w = between(1, 4);
    m->c = between(1, 4);
    line(m, "\"linear %d*%d*%d\"", m->h, m->w, m->c);
}

/* Layers over several samples; most are for the discriminator. */
static void add_regroup(Maker *m)
{
    int step = between(1, m->batch), kind = between(0, m->d ? 6 : 2);
    bool twice = kind == 0 || kind == 2 || kind == 4 || (kind == 5 && m->batch % 2 == 0);
    if (m->c * 2 > MOST_CHANNELS && twice)
        kind = 1;
    if (kind == 0 || kind == 2) {
        line(m, kind == 0 ? "\"minibatch\"" : "\"turing_test\"");
        m->c *= 2;
    } else if (kind == 3) {
        line(m, "\"reverse_batch\"");
    } else if (kind == 4) {
        line(m, "\"knowledge_base\"");
        m->c *= 2;
    } else if (kind == 5 && m->batch % 2 == 0) {
        bool mixes = between(0, 1);
        line(m, "\"two_sample_stack%s\"", mixes ? " mixup=true" : "");
        m->c *= mixes ? 1 : 2;
    } else if (kind == 6 && m->batch % step == 0) {
        line(m, "\"slice_input %d %d\"", between(0, step - 1), step);
    }
}

static void add_resnet(Maker *m)
{
    int stride = between(1, 2);
    m->c = between(1, 4);
    line(m, "\"resnet %d stride=%d\"", m->c, stride);
    m->h = (m->h + stride - 1) / stride;
    m->w = (m->w + stride - 1) / stride;
}

static void add_layer(Maker *m)
{
    static void (*const kinds[])(
        Maker *) = {add_conv,     add_conv,       add_doubled, add_deconv,    add_pool,
                    add_enlarged, add_activation, add_noise,   add_attention, add_mask,
                    add_norm,     add_list,       add_vector,  add_regroup,   add_resnet};
    if (m->h > MOST_SIDE || m->w > MOST_SIDE)
        add_pool(m);
    else if (m->c > MOST_CHANNELS)
        add_conv(m);
    else
        PICK(kinds)(m);
}

/* ---------------------------------------------------------------- the config */
static const char *component(Maker *m, int layers, const char *last)
{
    static const char *const activations[] = {"tanh", "lrelu", "sigmoid", "selu", "swish"};
    static const char *const regularisers[] = {"null",        "null",         "spectral_norm",
                                               "weight_norm", "weight_norm2", "weight_norm3",
                                               "cosine_norm"};
    static const char *const types[] = {"null", "null", "cosine", "weight_norm"};
    const char *regulariser = PICK(regularisers), *type = PICK(types);
    for (int k = 0; k < layers; k++)
        add_layer(m);
    line(m, "%s", last);
    return arena_printf(
        "{\n    \"layer_regularizer\": \"%s\", \"linear_type\": \"%s\",\n    \"relational\": "
        "{\"defaults\": {\"activation\": \"tanh\"}, \"layers\": [\"linear 4\", \"linear 2\"]},\n"
        "    \"defaults\": {\"activation\": \"%s\", \"filter\": %d, \"stride\": 1, \"avg_pool\": "
        "1},\n    \"layers\": [\n      %s]}",
        regulariser, type, PICK(activations), between(1, 3), m->lines);
}

static const char *choose_config(void)
{
    static const char *const losses[] = {"\"LogisticLoss\"", "\"WassersteinLoss\"",
                                         "\"LeastSquaresLoss\", \"labels\": [0, 1, 1]",
                                         "\"StandardLoss\""};
    static const char *const trainers[] = {"SimultaneousTrainer", "AlternatingTrainer"};
    static const int batches[] = {1, 2, 3, 4, 5, 6, 16};
    int batch = PICK(batches), h = between(2, 7), w = between(2, 7), c = between(1, 3);
    Maker g = {.lines = "", .h = between(1, 3), .w = between(1, 3), .c = 3, .batch = batch};
    Maker d = {.lines = "", .h = h, .w = w, .c = c, .batch = batch, .d = true};
    line(&g, between(0, 1) ? "\"linear 4 name=style\"" : "\"latent\", \"linear 4 name=style\"");
    line(&g, "\"linear %d*%d*%d\"", g.h, g.w, g.c);
    if (between(0, 1))
        line(&g, "\"adaptive_instance_norm w=style\"");
    const char *last = arena_printf(
        "\"resize_images %d %d\", \"conv %d filter=1 stride=1 activation=tanh\"", h, w, c);
    const char *generator = component(&g, between(2, 5), last);
    const char *discriminator = component(&d, between(2, 5), "\"linear 1 activation=null\"");
    const char *penalty = between(0, 1) ? ", \"gradient_penalty\": 0.5" : "";
    return arena_printf(
        "{\n  \"latent\": {\"class\": \"UniformDistribution\", \"z\": 6},\n  \"generator\": %s,\n"
        "  \"discriminator\": %s,\n  \"loss\": {\"class\": %s%s, \"reduce\": \"reduce_mean\"},\n"
        "  \"trainer\": {\"class\": \"%s\", \"optimizer\": {\"class\": "
        "\"GradientDescentOptimizer\", \"learn_rate\": 0.01}},\n  \"runtime\": {\"width\": %d, "
        "\"height\": %d, \"channels\": %d, \"batch_size\": %d}\n}\n",
        generator, discriminator, PICK(losses), penalty, PICK(trainers), w, h, c, batch);
}

/* ---------------------------------------------------------------- parameters and draws */
static double terms_of(const Type *type)
{
    return type->rank > 1 ? (double)type_size(type) / type->dims[type->rank - 1] : 0;
}

static bool is_sampled(const Graph *g, const Input *input)
{
    const Step *sample = &g->steps[g->step_count - 1];
    for (int k = 0; k < sample->input_count; k++)
        if (strcmp(sample->inputs[k]->name, input->name) == 0)
            return true;
    return false;
}

static void add_draws(Collection *all, const Model *model, const Graph *g, const Step *step,
                      const Input *input)
{
    (void)model, (void)step;
    int passes = 0, parts = input->parts > 0 ? input->parts : 1;
    for (int i = 0; i < g->step_count; i++)
        passes += g->steps[i].count;
    StoredTensor stored = {.name = input->name,
                           .rank = input->flat ? 2 : 3,
                           .dims = {ITERATIONS, (uint64_t)(g->batch_size * parts),
                                    (uint64_t)input->width}};
    if (input->every_pass)
        stored.dims[0] = (uint64_t)(ITERATIONS * passes + (is_sampled(g, input) ? 1 : 0));
    for (int k = 0; k < 3 && input->map[0] > 0; k++)
        stored.dims[2 + k] = (uint64_t)input->map[k];
    stored.rank = input->map[0] > 0 ? 5 : stored.rank;
    double *values = collect(all, stored), low = input->low, high = input->high;
    for (uint64_t i = 0; values != NULL && i < stored_count(&stored); i++)
        values[i] = input->kind != INPUT_UNIFORM ? normal()
                    : low < high                 ? low + (high - low) * uniform()
                                                 : uniform();
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 4)
        fail(EXIT_USAGE, NULL, "random_layers SEED NAME [CONFIG.json]");
    seed = strtoull(argv[1], NULL, 10);
    stream = 7;
    const HyperOptions options = {0};
    const char *path = arena_printf("%s.json", argv[2]), *text = choose_config();
    Source random = {path, text, strlen(text)}, *source = &random;
    if (argc == 4)
        source = source_read(argv[3]);
    FILE *file = argc == 3 ? fopen(path, "w") : NULL;
    if (argc == 3 && (file == NULL || fputs(text, file) < 0 || fclose(file) != 0))
        fail(EXIT_IO, NULL, "cannot write %s", path);
    write_inputs(read_hypergan(json_tree(source), &options),
                 arena_printf("%s.in.safetensors", argv[2]), terms_of, add_draws);
    return EXIT_OK;
}
