/* emit_words.c -- a kernel in words: the sentence that stands beside it in generated code, tables
 * and benchmarks. */
#include "emit.h"

#include <string.h>

static bool body_has(const Kernel *kernel, Op op)
{
    for (int k = 0; k < kernel->body_count; k++)
        if (kernel->body[k]->op == op)
            return true;
    return false;
}

/* Looks for an operation among the recomputed operands too. */
static bool uses_op(const Schedule *s, const Node *n, Op op)
{
    if (n->op == op)
        return true;
    for (int k = 0; k < op_table[n->op].arity; k++)
        if (is_recomputed(s, n->inputs[k]) && uses_op(s, n->inputs[k], op))
            return true;
    return false;
}

static bool body_uses(const Schedule *s, const Kernel *kernel, Op op)
{
    for (int k = 0; k < kernel->body_count; k++)
        if (uses_op(s, kernel->body[k], op))
            return true;
    return false;
}

static const char *list_extras(const Schedule *s, const Kernel *kernel, bool forward)
{
    static const struct {
        Op op;
        const char *words;
    } extras[] = {
        {OP_LEAKY, "activation"},
        {OP_LEAKY_SLOPE, "slope of the activation"},
        {OP_SIGMOID, "sigmoid"},
        {OP_SIN, "sine"},
        {OP_MAXIMUM_OF, "maximum over features"},
        {OP_SUM, "sum over features"},
        {OP_SUM_BATCH, "sum over the batch"},
    };
    Text t = {0};
    if (forward && body_has(kernel, OP_ADD))
        text_append(&t, " + bias");
    for (size_t k = 0; k < sizeof extras / sizeof *extras; k++)
        if (body_uses(s, kernel, extras[k].op))
            text_add(&t, ", %s", extras[k].words);
    return text_of(&t);
}

static const char *assigned_names(const Kernel *kernel)
{
    Text t = {0};
    for (int k = 0; k < kernel->body_count; k++)
        if (kernel->body[k]->op == OP_ASSIGN)
            text_add(&t, "%s%s", t.length ? ", " : "", kernel->body[k]->tensor->name);
    return text_of(&t);
}

/* "real_fc1[400]", every value that the kernel leaves in a buffer. */
static const char *stored_names(const Plan *plan, const Kernel *kernel)
{
    Text t = {0};
    for (int k = -1; k < kernel->body_count; k++) {
        const Node *n = k < 0 ? kernel->root : kernel->body[k];
        int tile = n ? plan->buffer_of[n->id] : -1, global = n ? plan->global_of[n->id] : -1;
        if (tile >= 0 || global >= 0)
            text_add(&t, "%s%s%s", t.length ? ", " : "",
                     tile >= 0 ? plan->buffers[tile].name : plan->globals[global].name,
                     type_text(&n->type));
    }
    return text_of(&t);
}

static const char *shape_arrow(const Plan *plan, const Kernel *kernel)
{
    const Node *x = kernel->root->inputs[0];
    return arena_printf("%s%s -> %s", plan->buffers[plan->buffer_of[x->id]].name,
                        type_text(&x->type), stored_names(plan, kernel));
}

/* "d_fc1_w" is the gradient of fc1_w. */
static const char *differentiated(const char *name)
{
    return strncmp(name, "d_", 2) == 0 ? name + 2 : name;
}

const char *kernel_sentence(const Plan *plan, const Kernel *kernel)
{
    const Schedule *s = plan->schedule;
    const Node *n = kernel->root;
    switch (kernel->kind) {
    case KERNEL_FILL:
        return arena_printf("input %s", stored_names(plan, kernel));
    case KERNEL_JOIN:
        return arena_printf("%s, %s", stored_names(plan, kernel),
                            n->op == OP_PAD ? "zeros around" : "one after the other");
    case KERNEL_WEIGHT:
        if (s->order == ORDER_WIDE)
            return arena_printf("gradient of %s", differentiated(plan_buffer(plan, n)->name));
        return arena_printf("gradient of %s%s", differentiated(s->sums[s->sum_of[n->id]].name),
                            kernel->adds ? ", next term" : "");
    case KERNEL_CONTRACT: {
        bool forward = n->op == OP_CONTRACT_Y || n->op == OP_CONV_Y;
        const char *layer = n->inputs[1]->name ? n->inputs[1]->name : "weight";
        return arena_printf("%s%s%s   %s", forward ? "" : "back through ", layer,
                            list_extras(s, kernel, forward), shape_arrow(plan, kernel));
    }
    case KERNEL_NEST:
        break;
    }
    const char *assigned = assigned_names(kernel), *made = stored_names(plan, kernel);
    const char *extras = list_extras(s, kernel, false);
    if (*assigned)
        return arena_printf("new %s", assigned);
    return *made ? made : *extras ? extras + 2 : "sums";
}
