/* hyper_penalties.c -- what a loss gains beside the game itself: penalties of the loss's keys, and
 * train hooks.
 *
 * Needs: a game, both networks applied. Every penalty is grad() of a number, so the updates' own
 * gradients go through it. */
#include "hyper_game.h"

#include <string.h>

/* d/dx of the sum of all of y, as a node of x's shape. */
static Node *slope(Graph *g, Node *y, Node *x)
{
    Node *out = NULL;
    grad(g, y, node_constant(g, 1, y->type), &x, 1, &out);
    return out;
}

/* lambda as a scalar node: a number, or one that changes with the steps. */
static Node *times_course(Builder *b, Step *step, Node *value, const Course *course,
                          const char *name)
{
    if (course->kind == COURSE_FIXED)
        return node_scale(b->g, value, course->from);
    Scalar scalar = {.name = name, .kind = SCALAR_COURSE, .course = *course};
    return multiply(b->g, value, add_scalar(b->g, step, scalar));
}

/* The points where the norm of D's slope shall be 1. */
static Node *penalty_points(Builder *b, Step *step, const Game *game)
{
    Graph *g = b->g;
    Node *alpha = step_input(g, step,
                             (Input){.name = "alpha",
                                     .kind = INPUT_UNIFORM,
                                     .width = 1,
                                     .flat = true,
                                     .stream = STREAM_MIX});
    Node *share = node_expand_to(g, alpha, game->real->type);
    if (!b->hyper->loss.dragan) {
        Node *fake = node_unary(g, OP_STOP, game->fake);
        return add(g, fake, multiply(g, share, subtract(g, game->real, fake)));
    }
    Input input = {.name = "dragan",
                   .kind = INPUT_UNIFORM,
                   .width = b->model->x_dim,
                   .stream = STREAM_DRAGAN,
                   .map = {b->hyper->height, b->hyper->width, b->hyper->channels}};
    Node *draws = step_input(g, step, input);
    double size = (double)b->model->x_dim * g->batch_size;
    Node *mean = node_scale(g, node_sum_batch(g, node_sum_all(g, game->real)), 1 / size);
    Node *centred = subtract(g, game->real, node_expand_to(g, mean, game->real->type));
    Node *variance = node_scale(g, node_sum_batch(g, sum_of_squares(g, centred)), 0.5 / size);
    Node *amount = multiply(g, share, node_expand_to(g, variance, share->type));
    return add(g, game->real, multiply(g, amount, draws));
}

/* [b]: the square of the norm of D's slope at the penalty's points. noise_lines: drawn before D. */
static Node *squared_slopes(Builder *b, Step *step, Game *game, int noise_lines)
{
    Graph *g = b->g;
    Node *at = penalty_points(b, step, game);
    Flow flow = {.slabs = {at}, .count = 1};
    Pass apart = pass_apart(&game->pass, game->names);
    apart.noise_lines = noise_lines; /* the real samples' draws */
    Flow out = apply_component(&apart, &b->hyper->discriminator, flow);
    return sum_of_squares(g, slope(g, out.slabs[0], at));
}

static void add_input_penalty(Builder *b, Step *step, Game *game, int noise_lines)
{
    Graph *g = b->g;
    Node *norm = node_unary(g, OP_SQRT, squared_slopes(b, step, game, noise_lines));
    game->penalty = node_mean_batch(g, square(g, node_shift(g, norm, -1)));
    game->d_loss = add(g, game->d_loss,
                       times_course(b, step, game->penalty, &b->hyper->loss.gradient_penalty,
                                    "penalty_weight"));
}

/* |d r / d x|^2 (1 - s(r))^2 + |d f / d g|^2 s(f)^2 */
static Node *rothk_penalty(Graph *g, const Game *game)
{
    Node *outputs[2] = {game->d_real, game->d_fake}, *points[2] = {game->real, game->fake};
    Node *sum = NULL;
    for (int k = 0; k < 2; k++) {
        Node *weight = node_unary(g, OP_SIGMOID, outputs[k]);
        if (k == 0)
            weight = node_shift(g, negate(g, weight), 1);
        double size = (double)type_size(&weight->type);
        Node *share = node_scale(g, node_sum_all(g, square(g, weight)), 1 / size);
        Node *size_of = sum_of_squares(g, slope(g, outputs[k], points[k]));
        Node *part = node_mean_batch(g, multiply(g, size_of, share));
        sum = sum ? add(g, sum, part) : part;
    }
    return sum;
}

static Node *lipschitz_penalty(Graph *g, const Game *game)
{
    Node *outputs[2] = {game->d_real, game->d_fake}, *sum = NULL;
    for (int k = 0; k < 2; k++) {
        Node *excess = node_leaky(g, OP_LEAKY, node_shift(g, square(g, outputs[k]), -1), 0);
        Node *part = reduce_all(g, REDUCE_MEAN, excess);
        sum = sum ? add(g, sum, part) : part;
    }
    return sum;
}

/* The parameters of the networks asked for; frozen ones where `all`. */
Variables game_variables(Builder *b, Pass *pass, bool d, bool g, bool all)
{
    size_t count = (size_t)b->g->tensor_count;
    Variables v = {arena_alloc(count * sizeof(Tensor *) + 1),
                   arena_alloc(count * sizeof(Node *) + 1), 0};
    for (int k = 0; k < b->g->tensor_count; k++) {
        Tensor *tensor = b->g->tensors[k];
        bool asked = tensor->name[0] == 'D' ? d : g;
        if (tensor->role != ROLE_PARAMETER || !asked || (tensor->frozen && !all))
            continue;
        v.tensors[v.count] = tensor;
        v.nodes[v.count++] = pass_parameter(pass, tensor);
    }
    return v;
}

Node **game_gradients(Builder *b, Node *loss, const Variables *v)
{
    Node **out = arena_alloc(((size_t)v->count + 1) * sizeof *out);
    grad(b->g, loss, NULL, v->nodes, v->count, out);
    return out;
}

/* Sum over variables of the mean of (d s / d variable)^2, s the sum of the target's outputs. */
static Node *weight_gradients(Builder *b, Game *game, const Hook *hook)
{
    Graph *g = b->g;
    Node *s = NULL, *sum = NULL;
    if (hook->target_generator) {
        s = node_sum_batch(g, node_sum_all(g, game->fake));
    } else {
        Node *real = node_sum_batch(g, node_sum_all(g, game->d_real));
        s = add(g, real, node_sum_batch(g, node_sum_all(g, game->d_fake)));
    }
    Variables v = game_variables(b, &game->pass, hook->use_d, hook->use_g, true);
    Node **slopes = game_gradients(b, s, &v);
    for (int k = 0; k < v.count; k++) {
        if (is_zero(slopes[k]))
            continue;
        Node *size = slopes[k];
        if (hook->has_flex)
            size =
                node_leaky(g, OP_LEAKY, node_shift(g, node_unary(g, OP_ABS, size), -hook->flex), 0);
        Node *part = node_scale(g, sum_of_squares(g, size), 1.0 / (double)type_size(&size->type));
        sum = sum ? add(g, sum, part) : part;
    }
    return sum != NULL ? sum : node_constant(g, 0, type_scalar());
}

/* Sum of squares of d d_loss / d D, which G shall make small. */
static Node *stability(Builder *b, Game *game)
{
    Variables v = game_variables(b, &game->pass, true, false, true);
    Node **slopes = game_gradients(b, game->d_loss, &v),
         *sum = node_constant(b->g, 0, type_scalar());
    for (int k = 0; k < v.count; k++)
        if (!is_zero(slopes[k]))
            sum = add(b->g, sum, sum_of_squares(b->g, slopes[k]));
    return sum;
}

/* [n][n]: the inner products of the columns of W [-1, out], or of its rows where they are fewer. */
static Node *gram(Graph *g, Node *weight, Node **squares)
{
    int out = weight->type.dims[weight->type.rank - 1];
    int rows = (int)(type_size(&weight->type) / out);
    Node *matrix = node_reshape(g, weight, type_matrix(rows, out));
    bool columns = out <= rows;
    int count = columns ? out : rows, along = columns ? 0 : 1;
    Node *one = node_expand(g, matrix, columns ? 2 : 1, count);   /* [rows][i][j]: at i */
    Node *other = node_expand(g, matrix, columns ? 1 : 0, count); /* at j */
    *squares = node_sum(g, square(g, matrix), along);
    return node_sum(g, multiply(g, one, other), columns ? 0 : 2);
}

/* [n] -> a number, by halves; its gradient goes to the largest, ties share it. */
static Node *largest_of(Graph *g, Node *vector)
{
    Node *all = vector;
    for (int count; (count = vector->type.dims[0]) > 1;) {
        int half = (count + 1) / 2;
        Node *low = node_slice(g, vector, 0, 0, half);
        vector = node_binary(g, OP_MAX, low, node_slice(g, vector, 0, count - half, half));
    }
    Node *most = node_expand_to(g, node_sum(g, vector, 0), all->type);
    Node *wins = node_unary(g, OP_STOP, node_binary(g, OP_EQUAL, all, most));
    Node *total = node_sum(g, multiply(g, wins, all), 0);
    return node_binary(g, OP_DIV, total, node_sum(g, wins, 0));
}

/* How far a weight is from l2nn: at least 1, the largest sum of a row of |gram|. */
static Node *excess_of(Graph *g, Node *weight)
{
    Node *diagonal = NULL;
    Node *rows = node_sum(g, node_unary(g, OP_ABS, gram(g, weight, &diagonal)), 1);
    Node *most = largest_of(g, rows);
    return node_shift(g, node_leaky(g, OP_LEAKY, node_shift(g, most, -1), 0), 1);
}

/* l2nn: how far the largest sum of a row of |gram| is above 1, which bounds the square of the
 * largest singular value (Qian and Wegman, L2-nonexpansive neural networks). ortho: the sum of
 * squares of the gram matrix off its diagonal (Brock and others). */
static Node *weight_penalty(Builder *b, Game *game, const Hook *hook, bool of_g)
{
    Graph *g = b->g;
    Variables v = game_variables(b, &game->pass, !of_g && hook->use_d, of_g && hook->use_g, true);
    Node *sum = NULL;
    for (int k = 0; k < v.count; k++) {
        Node *diagonal = NULL;
        if (v.nodes[k]->type.rank < 2)
            continue; /* biases */
        Node *products = gram(g, v.nodes[k], &diagonal);
        if (hook->l2nn) {
            Node *part = node_shift(g, excess_of(g, v.nodes[k]), -1);
            sum = sum ? add(g, sum, part) : part;
        }
        if (hook->ortho) {
            Node *all = sum_of_squares(g, products);
            Node *part = subtract(g, all, sum_of_squares(g, diagonal));
            sum = sum ? add(g, sum, part) : part;
        }
    }
    return sum != NULL ? sum : node_constant(g, 0, type_scalar());
}

/* (1 + c) W - c W W'W (Cisse and others, Parseval networks), which is W less c/4 of the slope of
 * |W'W - 1|^2, or of that of WW'. products: W'W or WW'. */
static Node *toward_orthogonal(Graph *g, Node *weight, Node *products, double c)
{
    Node *slope_of = NULL;
    grad(g, sum_of_squares(g, products), NULL, &weight, 1, &slope_of);
    return subtract(g, node_scale(g, weight, 1 + c), node_scale(g, slope_of, c / 4));
}

/* [cells][n][n]: the gram matrix of each cell of a filter, of the smaller side. */
static Node *gram_of_cells(Graph *g, Node *weight)
{
    const int *dims = weight->type.dims;
    bool columns = dims[3] <= dims[2];
    int count = columns ? dims[3] : dims[2];
    Type type = {.rank = 3, .dims = {dims[0] * dims[1], dims[2], dims[3]}};
    Node *cells = node_reshape(g, weight, type);
    Node *one = node_expand(g, cells, columns ? 3 : 2, count);
    Node *other = node_expand(g, cells, columns ? 2 : 1, count);
    return node_sum(g, multiply(g, one, other), columns ? 1 : 3);
}

/* The largest sum of a row (or column) of the sizes of a weight; of a filter, the largest over its
 * rows of cells of the sizes summed along its columns. */
static Node *row_bound(Graph *g, Node *weight, bool by_columns)
{
    int out = weight->type.dims[weight->type.rank - 1];
    Node *size = node_unary(g, OP_ABS, weight);
    if (weight->type.rank == 4) {
        Node *sums = node_sum(g, size, 1), *most = node_slice(g, sums, 0, 0, 1);
        for (int k = 1; k < weight->type.dims[0]; k++)
            most = node_binary(g, OP_MAX, most, node_slice(g, sums, 0, k, 1));
        size = most;
    }
    int rows = (int)(type_size(&size->type) / out);
    size = node_reshape(g, size, type_matrix(rows, out));
    return largest_of(g, node_sum(g, size, by_columns ? 0 : 1));
}

/* W / max(1, b / k), b the bound; near or above k less a fifth, far below it more. */
static Node *within_bound(Graph *g, const Hook *hook, Node *weight)
{
    Node *share = node_scale(g, row_bound(g, weight, hook->by_columns), 1 / hook->bound);
    Node *one = node_constant(g, 1, type_scalar());
    Node *ratio = node_binary(g, OP_DIV, one, node_binary(g, OP_MAX, one, share));
    if (hook->bounces) {
        Node *near = node_constant(g, 0.999, type_scalar());
        Node *hits = node_binary(g, OP_GREATER, share, near);
        ratio = subtract(g, ratio, node_scale(g, hits, 0.2));
    }
    if (hook->scales_up) {
        Node *far = node_binary(g, OP_GREATER, node_constant(g, 0.02, type_scalar()), share);
        Node *least = node_binary(g, OP_MAX, share, node_constant(g, 1e-12, type_scalar()));
        ratio = add(g, ratio, node_scale(g, node_binary(g, OP_DIV, far, least), 0.2));
    }
    return multiply(g, weight, node_expand_to(g, ratio, weight->type));
}

/* In the order of the original: ortho, ortho2 (filters alone, cell by cell), lipschitz, l2nn: W /
 * sqrt(excess), or a part of the way there. */
Node *constrained_weight(Graph *g, const Hook *hook, Node *weight)
{
    if (hook->ortho) {
        Node *diagonal = NULL;
        weight = toward_orthogonal(g, weight, gram(g, weight, &diagonal), hook->decay);
    }
    if (hook->ortho2 && weight->type.rank == 4)
        weight = toward_orthogonal(g, weight, gram_of_cells(g, weight), hook->decay);
    if (hook->lipschitz)
        weight = within_bound(g, hook, weight);
    if (!hook->l2nn)
        return weight;
    Node *root = node_unary(g, OP_SQRT, excess_of(g, weight));
    Node *there = node_binary(g, OP_DIV, weight, node_expand_to(g, root, weight->type));
    if (hook->l2nn_decay == 1)
        return there;
    Node *stays = node_scale(g, weight, 1 - hook->l2nn_decay);
    return add(g, stays, node_scale(g, there, hook->l2nn_decay));
}

static Node *largest(Graph *g, Node *column) /* [b] -> a number */
{
    return negate(g, reduce_all(g, REDUCE_MIN, negate(g, column)));
}

/* What a hook adds to the two losses; its `lambda` and `only` are not looked at. */
static HookLosses hook_losses(Builder *b, Step *step, Game *game, const Hook *hook, int number,
                              int noise_lines)
{
    Graph *g = b->g;
    switch (hook->kind) {
    case HOOK_GRADIENT_PENALTY:
        return (HookLosses){.d = weight_gradients(b, game, hook)};
    case HOOK_K_LIPSCHITZ:
        return (HookLosses){.d = lipschitz_penalty(g, game)};
    case HOOK_LOCALLY_STABLE:
        return (HookLosses){.g = stability(b, game)};
    case HOOK_MAX_GRADIENT:
        return (HookLosses){.d = largest(g, squared_slopes(b, step, game, noise_lines))};
    case HOOK_WEIGHT_PENALTY: {
        HookLosses losses = {.d = weight_penalty(b, game, hook, false)};
        losses.g = weight_penalty(b, game, hook, true);
        return losses;
    }
    case HOOK_SELF_SUPERVISED: {
        Pass apart = pass_apart(&game->pass, game->names);
        RotationLosses losses = rotation_losses(&apart, game->real, game->fake, hook->span);
        HookLosses scaled = {.d = node_scale(g, losses.real, hook->beta)};
        scaled.g = node_scale(g, losses.fake, hook->alpha);
        return scaled;
    }
    case HOOK_ROLLING_MEMORY:
        return rolling_losses(b, step, game, hook, number);
    case HOOK_FORCE_EQUILIBRIUM: {
        Node *way = reduce_all(g, REDUCE_MEAN, subtract(g, game->d_real, game->d_fake));
        Node *size = node_shift(g, node_unary(g, OP_ABS, way), -hook->distance);
        return (HookLosses){.d = node_leaky(g, OP_LEAKY, size, 0)};
    }
    case HOOK_WEIGHT_CONSTRAINT: /* steps of their own */
    case HOOK_MATCH_SUPPORT:
    case HOOK_INPUT_FITNESS:
        return (HookLosses){NULL, NULL};
    }
    internal_error("a hook of unknown kind");
}

static void add_hook(Builder *b, Step *step, Game *game, const Hook *hook, int number,
                     int noise_lines)
{
    Graph *g = b->g;
    HookLosses losses = hook_losses(b, step, game, hook, number, noise_lines);
    bool is_gradient = hook->kind == HOOK_GRADIENT_PENALTY || hook->kind == HOOK_MAX_GRADIENT;
    if (is_gradient && game->penalty == NULL)
        game->penalty = losses.d;
    if (hook->on_generator_loss && losses.g == NULL)
        losses = (HookLosses){.g = losses.d};
    Node *values[2] = {losses.d, losses.g}, **sums[2] = {&game->d_loss, &game->g_loss};
    for (int k = 0; k < 2; k++) {
        if (values[k] == NULL)
            continue;
        const char *name = arena_printf("hook%d_weight", number);
        Node *value = times_course(b, step, values[k], &hook->lambda, name);
        *sums[k] = hook->only ? value : add(g, *sums[k], value);
    }
}

/* (d - offset)^2 with d the output for the real or the fake sample of a place, at random. */
static Node *random_penalty(Builder *b, Step *step, const Game *game)
{
    Graph *g = b->g;
    const GanLossConfig *loss = &b->hyper->loss;
    Node *draw = step_input(g, step,
                            (Input){.name = "random_penalty",
                                    .kind = INPUT_UNIFORM,
                                    .width = 1,
                                    .flat = true,
                                    .stream = STREAM_RANDOM_PENALTY});
    Node *half = node_constant(g, 0.5, draw->type);
    Node *is_real = node_binary(g, OP_GREATER, half, draw);
    is_real = node_expand_to(g, is_real, game->d_real->type);
    Node *is_fake = node_shift(g, negate(g, is_real), 1);
    Node *one = multiply(g, game->d_fake, is_fake);
    Node *d = add(g, one, multiply(g, game->d_real, is_real));
    return reduce_all(g, loss->reduce, square(g, node_shift(g, d, -loss->random_offset)));
}

Node *game_energy(Builder *b, Game *game)
{
    Graph *g = b->g;
    Node *losses[2] = {game->d_loss, game->g_loss}, *sum = node_constant(g, 0, type_scalar());
    for (int side = 0; side < 2; side++) {
        Variables v = game_variables(b, &game->pass, side == 0, side == 1, true);
        Node **slopes = game_gradients(b, losses[side], &v);
        for (int k = 0; k < v.count; k++)
            if (!is_zero(slopes[k]))
                sum = add(g, sum, sum_of_squares(g, slopes[k]));
    }
    return node_scale(g, sum, 0.5);
}

/* Keys of the loss that later became hooks, or went. */
static void add_old_penalties(Builder *b, Step *step, Game *game)
{
    Graph *g = b->g;
    const GanLossConfig *loss = &b->hyper->loss;
    Hook weights = {.use_d = true, .use_g = true, .l2nn = true};
    if (loss->random)
        game->d_loss = add(g, game->d_loss, random_penalty(b, step, game));
    if (loss->minibatch)
        game->d_loss = add(g, game->d_loss, minibatch_likeness(b, game));
    if (loss->ragan_lipschitz != 0) { /* r - f and f - r have the same square */
        Node *way = square(g, subtract(g, game->d_real, game->d_fake));
        Node *excess =
            reduce_all(g, REDUCE_MEAN, node_leaky(g, OP_LEAKY, node_shift(g, way, -1), 0));
        game->d_loss = add(g, game->d_loss, node_scale(g, excess, 2 * loss->ragan_lipschitz));
    }
    for (int kind = 0; kind < 2; kind++) {
        double weight = kind == 0 ? loss->l2nn : loss->ortho;
        if (weight == 0)
            continue;
        weights.l2nn = kind == 0;
        weights.ortho = kind == 1;
        Node *of_d = node_scale(g, weight_penalty(b, game, &weights, false), weight);
        Node *of_g = node_scale(g, weight_penalty(b, game, &weights, true), weight);
        game->d_loss = add(g, game->d_loss, of_d);
        game->g_loss = add(g, game->g_loss, of_g);
    }
    if (loss->jg != 0) {
        Node *energy = node_scale(g, game_energy(b, game), loss->jg);
        game->d_loss = add(g, game->d_loss, energy);
        game->g_loss = add(g, game->g_loss, energy);
    }
}

void add_penalties(Builder *b, Step *step, Game *game, int noise_lines)
{
    Graph *g = b->g;
    const GanLossConfig *loss = &b->hyper->loss;
    const Trainer *t = &b->hyper->trainer;
    if (loss->has_penalty)
        add_input_penalty(b, step, game, noise_lines);
    if (loss->rothk)
        game->d_loss =
            add(g, game->d_loss, node_scale(g, rothk_penalty(g, game), loss->rothk_lambda));
    if (loss->k_lipschitz != 0)
        game->d_loss =
            add(g, game->d_loss, node_scale(g, lipschitz_penalty(g, game), loss->k_lipschitz));
    if (loss->locally_stable != 0)
        game->g_loss =
            add(g, game->g_loss, node_scale(g, stability(b, game), loss->locally_stable));
    add_old_penalties(b, step, game);
    for (int k = 0; k < t->hook_count; k++)
        add_hook(b, step, game, &t->hooks[k], k, noise_lines);
}
