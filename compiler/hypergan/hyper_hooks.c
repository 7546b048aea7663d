/* hyper_hooks.c -- losses of train hooks that apply the discriminator once more. */
#include "hypergan.h"

enum { TURNS = 4 };

static Node *reversed(Graph *g, Node *map, int axis)
{
    int size = map->type.dims[axis];
    return node_resample(g, map, axis, resample_pick(g, size, size - 1, -1, size));
}

/* A square map turned by so many right angles. */
static Node *turned(Graph *g, Node *map, int turns)
{
    static const int across[] = {0, 2, 1};
    switch (turns) {
    case 1:
        return reversed(g, node_permute(g, map, across), 1);
    case 2:
        return reversed(g, reversed(g, map, 1), 2);
    case 3:
        return reversed(g, node_permute(g, map, across), 2);
    default:
        return map;
    }
}

/* Mean over the batch of log(sum of e^x) - x[which]. x: [classes]. */
static Node *class_loss(Graph *g, Node *x, int which)
{
    int classes = x->type.dims[0];
    Node *most = node_unary(g, OP_STOP, node_maximum_of(g, x, 0));
    Node *below = subtract(g, x, node_expand(g, most, 0, classes));
    Node *total = node_unary(g, OP_LOG, node_sum(g, node_unary(g, OP_EXP, below), 0));
    Node *own_value = node_sum(g, node_slice(g, below, 0, which, 1), 0);
    return node_mean_batch(g, subtract(g, total, own_value));
}

Pass pass_apart(const Pass *pass, int names)
{
    Pass apart = *pass;
    apart.name_count = apart.name_capacity = names; /* the next name goes into a copy */
    apart.tabulate = apart.announces = apart.keeps = false;
    return apart;
}

RotationLosses rotation_losses(const Pass *pass, Node *real, Node *fake, Span span)
{
    Graph *g = pass->g;
    Component body = pass->hyper->discriminator;
    RotationLosses sum = {NULL, NULL};
    if (body.kind != COMPONENT_CONFIGURABLE || body.lines.count < 2)
        fail_at(span, "write the discriminator as layers",
                "SelfSupervised needs a discriminator of two layers or more: what goes into the "
                "last one also tells rotations apart");
    if (real->type.dims[1] != real->type.dims[2])
        fail_at(span, NULL, "SelfSupervised turns pictures, so they must be square");
    body.lines.count--;
    for (int turns = 0; turns < TURNS; turns++) {
        Flow both = {.slabs = {turned(g, real, turns), turned(g, fake, turns)}, .count = 2};
        Pass apart = pass_apart(pass, pass->name_count);
        Flow features = apply_component(&apart, &body, both);
        Network head = {.pass = &apart,
                        .g = g,
                        .component = &pass->hyper->discriminator,
                        .tag = body.tag,
                        .line = &body.lines.items[body.lines.count],
                        .current = 0};
        Flow logits = dense(&head, features, "rotation.", TURNS, true);
        Node *of_real = node_scale(g, class_loss(g, logits.slabs[0], turns), 1.0 / TURNS);
        Node *of_fake = node_scale(g, class_loss(g, logits.slabs[1], turns), 1.0 / TURNS);
        sum.real = sum.real != NULL ? add(g, sum.real, of_real) : of_real;
        sum.fake = sum.fake != NULL ? add(g, sum.fake, of_fake) : of_fake;
    }
    return sum;
}
