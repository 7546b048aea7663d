/* hyper_steps.c -- an iteration of a HyperGAN trainer as graphs: d_step and g_step, or one gan_step
 * for trainers that move both networks at once; and the sampler.
 *
 * Needs: a read config. Guarantees: simplified steps whose inputs carry the names of a replay file.
 * Curl takes gradients at another place, so networks are applied there with other values for their
 * tensors (Pass.values); all else is grad() of a number. */
#include "hyper_game.h"

#include <string.h>

typedef struct Round { /* what the networks of a step read */
    const char *latent;
    int stream;
    bool last_data;
    bool keeps; /* an update of D: hooks change what they keep */
} Round;

/* ---------------------------------------------------------------- forward */
/* What the generator gets; the pass knows it for the layer `latent`, which does not clip it. */
static Flow add_latent(Builder *b, Pass *pass, const char *name, int stream)
{
    Step *step = pass->step;
    const Latent *latent = &b->hyper->latent;
    Input input = {.name = name,
                   .kind = INPUT_UNIFORM,
                   .width = latent->draws,
                   .stream = stream,
                   .low = latent->least,
                   .high = latent->most};
    Node *sample = latent_sample(b->g, latent, step_input(b->g, step, input));
    pass->latent = (Flow){.slabs = {sample}, .count = 1};
    return (Flow){.slabs = {clip(b->g, sample, -1, 1)}, .count = 1};
}

static Node *add_real(Builder *b, Step *step, bool last)
{
    const Hyper *h = b->hyper;
    Input input = {.name = "real",
                   .kind = INPUT_DATA,
                   .width = b->model->x_dim,
                   .last_data = last,
                   .map = {h->height, h->width, h->channels}};
    return step_input(b->g, step, input);
}

/* ---------------------------------------------------------------- one game */
static void check_outputs(Builder *b, const Flow *out)
{
    const Line *last =
        b->hyper->discriminator.lines.count > 0
            ? &b->hyper->discriminator.lines.items[b->hyper->discriminator.lines.count - 1]
            : NULL;
    if (out->count != 2)
        fail_at(last != NULL ? last->span : (Span){0}, NULL,
                "the discriminator must give one output for each sample, real and fake");
}

/* values: other values for the first `count` tensors of the graph, or NULL. */
static Game *play(Builder *b, Step *step, Round round, Node **values, int count)
{
    Graph *g = b->g;
    const Hyper *h = b->hyper;
    Game *game = arena_alloc(sizeof *game);
    bool first = values == NULL && g->step_count == 1;
    game->pass = (Pass){.g = g,
                        .step = step,
                        .hyper = h,
                        .values = values,
                        .value_count = count,
                        .keeps = values == NULL,
                        .announces = first};
    game->real = add_real(b, step, round.last_data);
    Flow z = add_latent(b, &game->pass, round.latent, round.stream);
    game->latent = z.slabs[0];
    game->remembers = values == NULL && round.keeps;
    game->fake = apply_component(&game->pass, &h->generator, z).slabs[0];
    node_named(game->fake, "fake");
    game->pass.real = (Flow){.slabs = {game->real}, .count = 1};
    game->names = game->pass.name_count;
    int noise_lines = game->pass.noise_lines;
    Flow both = {.slabs = {game->real, game->fake}, .count = 2};
    Flow out = apply_component(&game->pass, &h->discriminator, both);
    check_outputs(b, &out);
    game->d_real = node_named(out.slabs[0], "score_real");
    game->d_fake = node_named(out.slabs[1], "score_fake");
    Node *k = b->k != NULL ? node_parameter(g, b->k) : NULL;
    GanTerms terms = gan_loss(g, &h->loss, game->d_real, game->d_fake, k, game->real, game->fake);
    game->d_loss = terms.d_loss;
    game->g_loss = terms.g_loss;
    game->next_k = terms.next_k;
    add_penalties(b, step, game, noise_lines);
    return game;
}

/* ---------------------------------------------------------------- updates */
typedef struct Update { /* of the networks that a step moves */
    Variables v;
    Node **directions;
} Update;

/* d d_loss / d D and d g_loss / d G, of the networks that move. */
static Update first_order(Builder *b, Game *game, bool d, bool g)
{
    bool all = b->hyper->trainer.kind != TRAINER_ALTERNATING && !b->hyper->strict;
    Update u = {.v = game_variables(b, &game->pass, d, g, all)};
    Variables only_d = game_variables(b, &game->pass, d, false, all);
    Variables only_g = game_variables(b, &game->pass, false, g, all);
    Node **of_d = game_gradients(b, game->d_loss, &only_d),
         **of_g = game_gradients(b, game->g_loss, &only_g);
    u.directions = arena_alloc(((size_t)u.v.count + 1) * sizeof *u.directions);
    int at_d = 0, at_g = 0;
    for (int k = 0; k < u.v.count; k++)
        u.directions[k] = u.v.tensors[k]->name[0] == 'D' ? of_d[at_d++] : of_g[at_g++];
    return u;
}

/* Half the sum of squares of the directions. */
static Node *energy(Builder *b, const Update *u, bool only_d)
{
    Node *sum = node_constant(b->g, 0, type_scalar());
    for (int k = 0; k < u->v.count; k++)
        if (!is_zero(u->directions[k]) && (!only_d || u->v.tensors[k]->name[0] == 'D'))
            sum = add(b->g, sum, sum_of_squares(b->g, u->directions[k]));
    return node_scale(b->g, sum, 0.5);
}

static void add_energy(Builder *b, Update *u, double weight, bool only_d)
{
    Node **slopes = game_gradients(b, energy(b, u, only_d), &u->v);
    for (int k = 0; k < u->v.count; k++)
        if (!is_zero(slopes[k]) && (!only_d || u->v.tensors[k]->name[0] == 'D'))
            u->directions[k] = add(b->g, u->directions[k], node_scale(b->g, slopes[k], weight));
}

static void consensus(Builder *b, Update *u)
{
    const Trainer *t = &b->hyper->trainer;
    if (t->rule == RULE_CONSENSUS)
        add_energy(b, u, t->jg_alpha, false);
    for (int k = 0; k < u->v.count; k++) {
        bool of_g = u->v.tensors[k]->name[0] == 'G';
        double factor = of_g ? t->g_direction : 1;
        if (t->rule == RULE_TTUR)
            factor *= of_g ? t->g_w_lambda : t->d_w_lambda;
        if (factor != 1)
            u->directions[k] = node_scale(b->g, u->directions[k], factor);
    }
}

/* The gradients where the moving networks stand after a step of `length` along the directions. */
static Update moved_gradients(Builder *b, Step *step, Round round, const Update *u, double length,
                              bool d, bool g)
{
    int count = b->g->tensor_count;
    Node **values = arena_alloc((size_t)count * sizeof *values);
    for (int k = 0; k < u->v.count; k++)
        for (int i = 0; i < count; i++)
            if (b->g->tensors[i] == u->v.tensors[k])
                values[i] = add(b->g, u->v.nodes[k], node_scale(b->g, u->directions[k], length));
    return first_order(b, play(b, step, round, values, count), d, g);
}

/* gamma g1 - rho (g2 - g1) / h with g2 after a step of h down g1; central: the difference of both
 * sides over 2 h. */
static void curl(Builder *b, Step *step, Round round, Update *u, const Optimiser *o, bool d, bool g)
{
    Update down = moved_gradients(b, step, round, u, -o->rate, d, g), up = *u;
    if (o->central)
        up = moved_gradients(b, step, round, u, o->rate, d, g);
    for (int k = 0; k < u->v.count; k++) {
        double rho = u->v.tensors[k]->name[0] == 'D' ? o->d_rho : o->g_rho;
        double length = o->central ? 2 * o->rate : o->rate;
        Node *change = subtract(b->g, down.directions[k], up.directions[k]);
        Node *straight = node_scale(b->g, u->directions[k], o->gamma);
        u->directions[k] = subtract(b->g, straight, node_scale(b->g, change, rho / length));
    }
}

/* What the trainer and the outermost optimisers make of the gradients of both networks. */
static void bend(Builder *b, Step *step, Round round, Update *u, bool d, bool g)
{
    const Trainer *t = &b->hyper->trainer;
    const Optimiser *one = d ? t->d_optimiser : t->g_optimiser;
    if (t->kind == TRAINER_CONSENSUS)
        consensus(b, u);
    if (d && g && t->d_optimiser != t->g_optimiser &&
        (t->d_optimiser->kind == OPT_CURL || t->g_optimiser->kind == OPT_CURL))
        fail_at(t->g_optimiser->span, "give the trainer one `optimizer`",
                "curl needs one optimizer for both networks");
    if (one->kind == OPT_CURL)
        curl(b, step, round, u, one, d, g);
    if (d && t->d_optimiser->kind == OPT_CONSENSUS)
        add_energy(b, u, t->d_optimiser->jg_beta, true);
}

static void move(Builder *b, Step *step, const Update *u)
{
    const Trainer *t = &b->hyper->trainer;
    bool shared = t->d_optimiser == t->g_optimiser;
    Rates *rates[2] = {NULL, NULL}; /* of D, of G */
    for (int k = 0; k < u->v.count; k++) {
        Tensor *p = u->v.tensors[k];
        bool of_g = p->name[0] == 'G';
        Node *d = u->directions[k];
        const Optimiser *o = of_g ? t->g_optimiser : t->d_optimiser;
        if (is_zero(d))
            continue; /* no influence: left alone */
        if (t->clips_gradients)
            d = clip(b->g, d, -t->clipped_gradients, t->clipped_gradients);
        int side = of_g && !shared;
        if (rates[side] == NULL)
            rates[side] = rates_new(b->g, step, o, side && rates[0] ? "_g" : "");
        Node *next = optimise(b->g, step, p, u->v.nodes[k], d, o, rates[side], "");
        if (!of_g && t->clips_weights)
            next = clip(b->g, next, -t->d_clipped_weights, t->d_clipped_weights);
        step_assign(step, node_assign(b->g, p, next));
    }
}

/* ---------------------------------------------------------------- steps */
/* Takes out inputs and scalars that nothing in the step reads. */
static void prune(Graph *g, Step *step)
{
    bool *needed = arena_alloc((size_t)g->count * sizeof *needed);
    int inputs = 0;
    mark_needed(step, needed);
    for (int k = 0; k < step->input_count; k++) {
        const Node *node = node_input(g, step->inputs[k]);
        if (node->op == OP_RESHAPE) /* of a map */
            node = node->inputs[0];
        if (needed[node->id])
            step->inputs[inputs++] = step->inputs[k];
    }
    step->input_count = inputs;
}

static void report(Builder *b, Step *step, const Game *game, bool d, bool g)
{
    if (d) {
        add_output(step, "d_loss", game->d_loss);
        add_output(step, "d_real", reduce_all(b->g, REDUCE_MEAN, game->d_real));
        add_output(step, "d_fake", reduce_all(b->g, REDUCE_MEAN, game->d_fake));
        if (game->penalty != NULL)
            add_output(step, "penalty", game->penalty);
    }
    if (g)
        add_output(step, "g_loss", game->g_loss);
}

static void build_update(Builder *b, const char *name, const char *title, int count, Round round,
                         bool d, bool g)
{
    Step *step = &b->g->steps[b->g->step_count++];
    *step = (Step){.name = name, .title = title, .count = count};
    Game *game = play(b, step, round, NULL, 0);
    Update u = first_order(b, game, d, g);
    bend(b, step, round, &u, d, g);
    report(b, step, game, d, g);
    move(b, step, &u);
    if (g && b->k != NULL)
        step_assign(step, node_assign(b->g, b->k, game->next_k));
}

/* ---------------------------------------------------------------- search for latents */
/* One evaluation of latents, not an update: the search around it is in runtime/train/search.c. The
 * fitness of each sample goes into a tensor, by rows of the unit matrix that the search gives. */
static void build_fitness(Builder *b)
{
    Graph *g = b->g;
    Step *step = &g->steps[g->step_count++];
    Round round = {"z_search", STREAM_SEARCH, true, false};
    int batch = g->batch_size;
    *step = (Step){.name = "fitness", .title = "how good some latents are", .count = 0};
    Tensor *scores = control_tensor(g, "scores", "fitness of latents", type_vector(false, batch));
    control_tensor(g, "latents", "latents that are kept",
                   type_matrix(batch, b->hyper->latent.draws));
    control_tensor(g, "memory", "threshold of the search", type_vector(false, 4));
    Game *game = play(b, step, round, NULL, 0);
    step->assign_count = 0; /* what a forward keeps belongs to updates */
    Node *value = latent_fitness(b, game);
    Node *each = node_scale(g, node_sum_all(g, value), 1.0 / (double)type_size(&value->type));
    Node *unit = step_input(
        g, step,
        (Input){
            .name = "unit", .kind = INPUT_UNIFORM, .width = batch, .stream = STREAM_SEARCH + 1});
    Node *rows = multiply(g, node_expand(g, each, 0, batch), unit);
    step_assign(step, node_assign(g, scores, node_sum_batch(g, rows)));
    add_output(step, "fitness", node_mean_batch(g, each));
}

/* A step that a hook runs before the updates of an iteration, in the game of the first of them. */
static void build_inner(Builder *b, const Hook *hook, int number)
{
    bool match = hook->kind == HOOK_MATCH_SUPPORT;
    Round round = {"z_d", STREAM_LATENT_D, false, false};
    Step *step = &b->g->steps[b->g->step_count++];
    *step = (Step){.name = match ? arena_printf("match%d", number) : "pictures",
                   .title = match ? "toward an undecided discriminator" : "how good pictures are"};
    Game *game = play(b, step, round, NULL, 0);
    if (match)
        build_match(b, step, game, hook, number);
    else
        build_pictures(b, step, game, hook);
}

/* Moves weights to their constraints; training.c runs it every so many iterations. */
static void build_constrain(Builder *b, const Hook *hook)
{
    Graph *g = b->g;
    Step *step = &g->steps[g->step_count++];
    *step = (Step){.name = "constrain", .title = "weights back to their constraints", .count = 0};
    Pass pass = {.g = g, .step = step, .hyper = b->hyper};
    Variables v = game_variables(b, &pass, hook->use_d, hook->use_g, false);
    for (int k = 0; k < v.count; k++)
        if (v.nodes[k]->type.rank >= 2)
            step_assign(step,
                        node_assign(g, v.tensors[k], constrained_weight(g, hook, v.nodes[k])));
}

/* ---------------------------------------------------------------- payoffs of a gang */
/* All that belongs to a network: weights, moments, averages. */
static int side_size(const Graph *g, char side)
{
    int64_t size = 0;
    for (int k = 0; k < g->tensor_count; k++)
        if (g->tensors[k]->name[0] == side)
            size += type_size(&g->tensors[k]->type);
    if (size > 1 << 28)
        fail(EXIT_INVALID, "take smaller networks", "networks of a gang have at most 2^28 numbers");
    return (int)size;
}

/* One evaluation of a pair of networks, not an update: the mixing is in runtime/train/gang.c. */
static void build_payoff(Builder *b)
{
    Graph *g = b->g;
    const Gang *gang = &b->hyper->trainer.gang;
    Round round = {"z_payoff", STREAM_PAYOFF, true, false};
    for (int k = 0; k < 2; k++) {
        int size = side_size(g, k ? 'D' : 'G');
        const char *of = k ? "discriminators" : "generators";
        if (gang->remembers)
            control_tensor(g, k ? "memory_d" : "memory_g", arena_printf("remembered %s", of),
                           type_matrix(gang->size + 1, size));
        control_tensor(g, k ? "anchor_d" : "anchor_g", arena_printf("the last mixed %s", of),
                       type_vector(false, size));
    }
    control_tensor(g, "gang", "how much is remembered", type_vector(false, 2));
    control_tensor(g, "shares", "shares of what is remembered", type_matrix(2, gang->size + 1));
    Step *step = &g->steps[g->step_count++];
    *step = (Step){.name = "payoff", .title = "what a pair of networks is worth", .count = 0};
    Game *game = play(b, step, round, NULL, 0);
    step->assign_count = 0; /* what a forward keeps belongs to updates */
    Payoffs payoffs = game_payoffs(g, gang->payoff, b->hyper->loss.labels, game);
    add_output(step, "payoff_g", payoffs.g);
    add_output(step, "payoff_d", payoffs.d);
}

static void build_sample(Builder *b)
{
    Graph *g = b->g;
    Step *step = &g->steps[g->step_count++];
    *step = (Step){.name = "sample", .title = "images from the generator"};
    Pass pass = {.g = g, .step = step, .hyper = b->hyper, .sampling = true};
    Flow z = add_latent(b, &pass, "z", STREAM_LATENT_SAMPLE);
    add_output(step, "rows", apply_component(&pass, &b->hyper->generator, z).slabs[0]);
}

static Builder builder_new(const Model *model, int batch)
{
    Builder b = {.g = graph_new(model, batch), .model = model, .hyper = model->hyper};
    if (b.hyper->loss.kind == GAN_BOUNDARY_EQUILIBRIUM)
        b.k = graph_tensor(b.g, (Tensor){.name = "control.k",
                                         .group = "control",
                                         .field = "k",
                                         .label = "weight of the fake samples' loss",
                                         .role = ROLE_CONTROL,
                                         .init = INIT_VALUE,
                                         .scale = b.hyper->loss.initial_k});
    b.g->steps = arena_alloc(MAX_STEPS * sizeof(Step));
    return b;
}

/* The original's trainers that move both networks knew no frozen layers. */
static void warn_frozen(const Builder *b)
{
    const Tensor *last = NULL;
    for (int k = 0; k < b->g->tensor_count; k++) {
        const Tensor *t = b->g->tensors[k];
        bool moves = t->frozen && t->role == ROLE_PARAMETER && !b->hyper->strict &&
                     b->hyper->trainer.kind != TRAINER_ALTERNATING;
        if (moves && (last == NULL || last->span.begin != t->span.begin))
            warn_at(t->span, "--strict freezes it",
                    "this trainer moves layers with trainable=false too, as in the original");
        last = moves ? t : last;
    }
}

/* All samples would be one, and a sampler has latents as its input. */
static void check_latents(const Builder *b, const Step *sample)
{
    for (int k = 0; k < sample->input_count; k++)
        if (strcmp(sample->inputs[k]->name, "z") == 0)
            return;
    fail_at(b->hyper->latent.span, "begin with a layer that does, as `linear`",
            "the generator does not read these latents");
}

Graph *hyper_steps(const Model *model)
{
    Builder b = builder_new(model, model->batch_size);
    Round of_d = {"z_d", STREAM_LATENT_D, false, true};
    Round of_g = {"z_g", STREAM_LATENT_G, true, false};
    if (b.hyper->trainer.kind == TRAINER_ALTERNATING) {
        build_update(&b, "d_step", "one update of the discriminator", model->d_updates, of_d, true,
                     false);
        build_update(&b, "g_step", "one update of the generator", 1, of_g, false, true);
    } else {
        build_update(&b, "gan_step", "one update of both networks", 1, of_d, true, true);
    }
    warn_frozen(&b);
    if (b.hyper->trainer.search.kind != SEARCH_NONE)
        build_fitness(&b);
    for (int k = 0; k < b.hyper->trainer.hook_count; k++)
        if (b.hyper->trainer.hooks[k].kind == HOOK_WEIGHT_CONSTRAINT)
            build_constrain(&b, &b.hyper->trainer.hooks[k]);
        else if (b.hyper->trainer.hooks[k].kind == HOOK_MATCH_SUPPORT ||
                 b.hyper->trainer.hooks[k].kind == HOOK_INPUT_FITNESS)
            build_inner(&b, &b.hyper->trainer.hooks[k], k);
    if (b.hyper->trainer.gang.mix_steps > 0)
        build_payoff(&b);
    build_sample(&b);
    for (int k = 0; k < b.g->step_count; k++) {
        simplify_step(b.g, &b.g->steps[k]);
        prune(b.g, &b.g->steps[k]);
    }
    check_latents(&b, &b.g->steps[b.g->step_count - 1]);
    return b.g;
}

Graph *hyper_sample(const Model *model, int batch)
{
    Builder b = builder_new(model, batch);
    build_sample(&b);
    simplify_step(b.g, &b.g->steps[0]);
    prune(b.g, &b.g->steps[0]);
    return b.g;
}

/* Applies G, and D behind it where asked for; the pass has the rows of the last one. */
static Pass tabulate(Builder *b, bool d)
{
    const Hyper *h = b->hyper;
    Step *step = &b->g->steps[b->g->step_count++];
    Pass pass = {.g = b->g, .step = step, .hyper = h, .tabulate = true};
    *step = (Step){.name = "table"};
    Flow z = add_latent(b, &pass, "z", STREAM_LATENT_SAMPLE);
    Node *real = add_real(b, step, false);
    Node *fake = apply_component(&pass, &h->generator, z).slabs[0];
    if (d) {
        pass.row_count = 0;
        pass.real = (Flow){.slabs = {real}, .count = 1};
        apply_component(&pass, &h->discriminator, (Flow){.slabs = {real, fake}, .count = 2});
    }
    return pass;
}

int hyper_table(const Model *model, const char *tag, TableRow **rows)
{
    Builder b = builder_new(model, model->batch_size);
    Pass pass = tabulate(&b, tag[0] == 'D');
    *rows = pass.rows;
    return pass.row_count;
}

Graph *hyper_tensors(const Model *model)
{
    Builder b = builder_new(model, model->batch_size);
    tabulate(&b, true);
    return b.g;
}
