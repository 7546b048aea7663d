/* hyper_inner.c -- steps that hooks run before the updates of an iteration: the choice of pictures
 * (InputFitness) and the inner loop that makes D undecided (MatchSupport). The loops around them
 * are in runtime/train/hooks.c. Both play the game of the first update: same pictures, same
 * latents. */
#include "hyper_game.h"

#include <string.h>

/* ---------------------------------------------------------------- layer match_support */
static bool is_plain_name(const char *name)
{
    for (const char *p = name; *p != '\0'; p++)
        if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9') &&
            *p != '_')
            return false;
    return *name != '\0';
}

static Tensor *offset_tensor(Graph *g, const char *name, char of, int width)
{
    return sample_tensor(g, arena_printf("match_%s_%c", name, of),
                         of == 'x' ? "offsets of real samples" : "offsets of generated samples",
                         width);
}

bool is_match_offset(const Tensor *tensor, const Match *match)
{
    for (int k = 0; k < match->layer_count; k++) {
        const char *name = arena_printf("control.match_%s", match->layers[k]);
        size_t length = strlen(name);
        if (strncmp(tensor->name, name, length) == 0 &&
            ((match->moves_x && strcmp(tensor->name + length, "_x") == 0) ||
             (match->moves_fake && strcmp(tensor->name + length, "_g") == 0)))
            return true;
    }
    return false;
}

/* Adds to each real and each generated sample an offset, which only the hook moves. */
Flow match_support_op(Network *n, Flow x)
{
    Option name = line_option(n->line, "name");
    const char *field = name.text != NULL ? name.text : "match_support";
    if (!is_plain_name(field))
        fail_line(n, NULL, "`name` of match_support must be of letters, digits and _");
    if (x.count != 2)
        return x; /* samples in between, for a penalty */
    for (int k = 0; k < 2; k++) {
        Type type = x.slabs[k]->type;
        int width = (int)type_size(&type);
        Tensor *offsets = offset_tensor(n->g, field, k == 0 ? 'x' : 'g', width);
        if (offsets->type.dims[1] != width)
            fail_line(n, "give it another `name`",
                      "another match_support of this name has maps of "
                      "another size");
        Node *rows = pass_parameter(n->pass, offsets);
        x.slabs[k] = add(n->g, x.slabs[k], batch_of_rows(n->g, rows, type));
    }
    return x;
}

/* ---------------------------------------------------------------- MatchSupport */
typedef struct Sides { /* what a loss is made of */
    Graph *g;
    Node *r, *f;
    const Match *match;
} Sides;

static Node *mean(const Sides *s, Node *value) { return reduce_all(s->g, REDUCE_MEAN, value); }

static Node *positive(const Sides *s, Node *value) { return node_leaky(s->g, OP_LEAKY, value, 0); }

static Node *mean_square(const Sides *s, Node *value) { return mean(s, square(s->g, value)); }

/* The mean of the square of how far a value is outside of [-distance, distance]. */
static Node *outside(const Sides *s, Node *value, double fallback)
{
    double distance = s->match->distance > 0 ? s->match->distance : fallback;
    Node *size = node_shift(s->g, node_unary(s->g, OP_ABS, value), -distance);
    return mean_square(s, positive(s, size));
}

static Node *scaled_sum(const Sides *s, Node *a, double of_a, Node *b, double of_b)
{
    Node *left = node_scale(s->g, a, of_a);
    return add(s->g, left, node_scale(s->g, b, of_b));
}

/* (mean r - mean f)^2 where it is above 0 */
static Node *ahead(const Sides *s)
{
    Node *real = mean(s, s->r);
    return square(s->g, positive(s, subtract(s->g, real, mean(s, s->f))));
}

static Node *log_sigmoid(const Sides *s, Node *x)
{
    return negate(s->g, softplus(s->g, negate(s->g, x)));
}

static Node *match_loss(const Sides *s)
{
    Graph *g = s->g;
    double lambda = s->match->lambda;
    Node *r = s->r, *f = s->f;
    switch (s->match->loss) {
    case MATCH_BASE:
        return node_scale(g, mean_square(s, subtract(g, f, r)), lambda);
    case MATCH_ZERO:
        return node_scale(g, mean_square(s, f), 1e4);
    case MATCH_WGAN: {
        Node *fake = mean_square(s, f);
        return scaled_sum(s, fake, 1e4, mean_square(s, r), 1e4);
    }
    case MATCH_CLOSE:
        return node_scale(g, outside(s, f, 0.1), 1e3);
    case MATCH_CLOSE2: {
        Node *fake = outside(s, f, 0.1);
        return scaled_sum(s, fake, 1e3, outside(s, r, 0.1), 1e3);
    }
    case MATCH_FIXED:
        return node_scale(g, square(g, mean(s, subtract(g, f, r))), lambda);
    case MATCH_FIXEDSTD: {
        Node *real = log_sigmoid(s, r);
        Node *way = mean(s, subtract(g, real, log_sigmoid(s, f)));
        return node_scale(g, positive(s, way), lambda);
    }
    case MATCH_FIXED2:
        return node_scale(g, ahead(s), lambda);
    case MATCH_FIXED3: {
        Node *real = mean_square(s, node_shift(g, r, 0.05));
        return scaled_sum(s, real, 1e3, mean_square(s, node_shift(g, f, -0.05)), 1e3);
    }
    case MATCH_FIXED4: {
        Node *way = ahead(s);
        return scaled_sum(s, way, lambda, mean_square(s, positive(s, negate(g, f))), lambda);
    }
    case MATCH_FIXED5: {
        Node *way = node_scale(g, ahead(s), lambda), *fake = outside(s, f, 0.01);
        return add(g, way, scaled_sum(s, fake, 1e4, outside(s, r, 0.01), 1e4));
    }
    case MATCH_FIXED7: {
        Node *fake = outside(s, f, 0.01);
        return scaled_sum(s, fake, 1e4, outside(s, r, 0.01), 1e4);
    }
    case MATCH_TARGETS: {
        Node *fake = mean_square(s, node_shift(g, f, 1e3));
        return scaled_sum(s, fake, lambda, mean_square(s, node_shift(g, r, -1e3)), lambda);
    }
    case MATCH_ABSDIFF: {
        Node *fake = node_unary(g, OP_ABS, f);
        Node *way = subtract(g, fake, node_unary(g, OP_ABS, r));
        return node_scale(g, mean_square(s, way), lambda);
    }
    case MATCH_XOR: {
        Node *sum = mean_square(s, add(g, f, r));
        Node *size = mean_square(s, node_shift(g, node_unary(g, OP_ABS, f), -0.01));
        return scaled_sum(s, sum, lambda, size, 1e3);
    }
    }
    internal_error("a loss of MatchSupport of unknown kind");
}

static void add_variable(Variables *v, Pass *pass, Tensor *tensor)
{
    v->tensors[v->count] = tensor;
    v->nodes[v->count++] = pass_parameter(pass, tensor);
}

/* Offsets of a layer match_support that D has applied. */
static void add_offsets(Builder *b, Game *game, Variables *v, const Hook *hook, char of)
{
    for (int k = 0; k < hook->match.layer_count; k++) {
        const char *name = arena_printf("control.match_%s_%c", hook->match.layers[k], of);
        Tensor *found = NULL;
        for (int i = 0; i < b->g->tensor_count; i++)
            if (strcmp(b->g->tensors[i]->name, name) == 0)
                found = b->g->tensors[i];
        if (found == NULL)
            fail_at(hook->span,
                    arena_printf("add a line \"match_support name=%s\" to the "
                                 "discriminator, or set `variables`",
                                 printable(hook->match.layers[k])),
                    "MatchSupport moves `%c`, and no layer has offsets for it", of);
        add_variable(v, &game->pass, found);
    }
}

static Variables match_variables(Builder *b, Game *game, const Hook *hook)
{
    const Match *match = &hook->match;
    Variables v = game_variables(b, &game->pass, match->moves_d, match->moves_g, false);
    Variables all = {arena_alloc(((size_t)b->g->tensor_count + 1) * sizeof(Tensor *)),
                     arena_alloc(((size_t)b->g->tensor_count + 1) * sizeof(Node *)), 0};
    for (int k = 0; k < v.count; k++)
        add_variable(&all, &game->pass, v.tensors[k]);
    if (match->moves_x)
        add_offsets(b, game, &all, hook, 'x');
    if (match->moves_fake)
        add_offsets(b, game, &all, hook, 'g');
    return all;
}

static void scale_rates(Graph *g, Rates *rates, Node *factor)
{
    if (rates == NULL)
        return;
    if (rates->rate != NULL)
        rates->rate = multiply(g, rates->rate, factor);
    scale_rates(g, rates->inner, factor);
    scale_rates(g, rates->wolf, factor);
}

/* 1 while the loop goes on: factor > 0 (else it only looks), the loss not below the threshold, and
 * not too slow. */
static Node *goes_on(Graph *g, const Match *match, Node *loss, Node *factor, Node *last)
{
    Node *zero = node_constant(g, 0, type_scalar());
    Node *go = node_binary(g, OP_GREATER, factor, zero);
    if (match->has_threshold) {
        Node *least = node_constant(g, match->threshold, type_scalar());
        Node *above = node_binary(g, OP_GREATER, loss, least);
        go = multiply(g, go, add(g, above, node_binary(g, OP_EQUAL, loss, least)));
    }
    if (match->convergence > 0) {
        Node *gain = node_shift(g, negate(g, node_binary(g, OP_DIV, loss, last)), 1);
        Node *slow = node_constant(g, match->convergence, type_scalar());
        Node *better = node_binary(g, OP_GREATER, gain, zero);
        Node *stops = multiply(g, better, node_binary(g, OP_GREATER, slow, gain));
        go = multiply(g, go, node_shift(g, negate(g, stops), 1));
    }
    return go;
}

void build_match(Builder *b, Step *step, Game *game, const Hook *hook, int number)
{
    Graph *g = b->g;
    const Match *match = &hook->match;
    const char *prefix = arena_printf("match%d_", number);
    Node *factor = node_parameter(g, control_tensor(g, arena_printf("match%d_factor", number),
                                                    "rate", type_scalar()));
    Tensor *kept = control_tensor(g, arena_printf("match%d_last", number), "last loss of a match",
                                  type_scalar());
    Sides sides = {g, game->d_real, game->d_fake, match};
    Node *loss = match_loss(&sides);
    step->assign_count = 0; /* what a forward keeps belongs to updates */
    Variables v = match_variables(b, game, hook);
    Node **directions = game_gradients(b, loss, &v);
    Node *go = goes_on(g, match, loss, factor, node_parameter(g, kept));
    Rates *rates = rates_new(g, step, match->optimiser, "");
    scale_rates(g, rates, factor);
    for (int k = 0; k < v.count; k++) {
        if (is_zero(directions[k]))
            continue;
        Node *now = v.nodes[k];
        Node *next =
            optimise(g, step, v.tensors[k], now, directions[k], match->optimiser, rates, prefix);
        Node *moves = node_expand_to(g, go, now->type);
        Node *stays = multiply(g, node_shift(g, negate(g, moves), 1), now);
        step_assign(step, node_assign(g, v.tensors[k], add(g, stays, multiply(g, moves, next))));
    }
    step_assign(step, node_assign(g, kept, loss));
    Tensor *moved =
        control_tensor(g, arena_printf("match%d_moved", number), "whether it moved", type_scalar());
    step_assign(step, node_assign(g, moved, go));
    add_output(step, "match_loss", loss);
}

/* ---------------------------------------------------------------- InputFitness */
void build_pictures(Builder *b, Step *step, const Game *game, const Hook *hook)
{
    Graph *g = b->g;
    int batch = g->batch_size;
    Tensor *scores =
        control_tensor(g, "picture_scores", "fitness of pictures", type_matrix(batch, 1));
    control_tensor(g, "picture_count", "batches of pictures drawn", type_vector(false, 2));
    sample_tensor(g, "pictures", "pictures that are kept", b->model->x_dim);
    step->assign_count = 0;
    Node *r = game->d_real;
    if (hook->absolute)
        r = node_unary(g, OP_ABS, r);
    if (hook->reversed)
        r = negate(g, r);
    Node *each = node_scale(g, node_sum_all(g, r), 1.0 / (double)type_size(&r->type));
    Node *column = node_reshape(g, each, type_vector(true, 1));
    step_assign(step, node_assign(g, scores, rows_of_batch(g, column)));
    add_output(step, "picture_fitness", node_mean_batch(g, each));
}
