/* emit_contraction.c -- contractions of the wide order on the host, in the plain spelling: loops
 * that say what is summed.
 *
 * Needs: a wide plan with zeros around maps, so that no filter reaches outside of its operand. A
 * pass goes over rows of the result; each number is summed by one thread in the order of the loops.
 */
#include "emit.h"

#include <string.h>

static const Halo *halo_of(const Plan *p, const Node *n) { return &plan_buffer(p, n)->halo; }

/* ---------------------------------------------------------------- the sums */
static const char *dense_sum(const Node *n)
{
    bool forward = n->op == OP_CONTRACT_Y;
    return arena_printf("            for (int i = 0; i < %d; i++)\n"
                        "                product += w[%s][%s] * x[i][lane];\n",
                        n->inputs[0]->type.dims[0], forward ? "f" : "i", forward ? "i" : "f");
}

static const char *conv_y_sum(const Body *b, const Node *n, int batch)
{
    const Type *x = &n->inputs[0]->type, *w = &n->inputs[1]->type;
    const Halo *halo = halo_of(b->plan, n->inputs[0]);
    const int *stride = n->window.stride, *before = n->window.before;
    return arena_printf("            for (int c = 0; c < %d; c++)\n"
                        "                for (int k = 0; k < %d; k++)\n"
                        "                    for (int l = 0; l < %d; l++)\n"
                        "                        product += w[(k * %d + l) * %d + c][f] *\n"
                        "                            x[c][row * %d + k + %d][(lane / %d * %d + l + "
                        "%d) * %d + lane %% "
                        "%d];\n",
                        x->dims[0], w->dims[0], w->dims[1], w->dims[1], w->dims[2], stride[0],
                        halo->before[0] - before[0], batch, stride[1], halo->before[1] - before[1],
                        batch, batch);
}

/* Window p begins at row p * stride - before, so row i is place k of window (i + before - k) /
 * stride where that is whole. */
static const char *conv_x_sum(const Body *b, const Node *n, int batch)
{
    const Type *y = &n->inputs[0]->type, *w = &n->inputs[1]->type;
    const Halo *halo = halo_of(b->plan, n->inputs[0]);
    const int *stride = n->window.stride, *before = n->window.before;
    int row_shift = before[0] + halo->before[0] * stride[0];
    int column_shift = before[1] + halo->before[1] * stride[1];
    return arena_printf(
        "            for (int k = (row + %d) %% %d; k < %d; k += %d)\n"
        "                for (int l = (lane / %d + %d) %% %d; l < %d; l += %d)\n"
        "                    for (int o = 0; o < %d; o++)\n"
        "                        product += w[(k * %d + l) * %d + f][o] *\n"
        "                            x[o][(row + %d - k) / %d][((lane / %d + %d - l) / %d) * %d + "
        "lane %% %d];\n",
        before[0], stride[0], w->dims[0], stride[0], batch, before[1], stride[1], w->dims[1],
        stride[1], y->dims[0], w->dims[1], w->dims[2], row_shift, stride[0], batch, column_shift,
        stride[1], batch, batch);
}

static int emit_result(Emitter *e, const Plan *p, const Kernel *kernel, WidePass *pass)
{
    const Node *n = kernel->root;
    const Type *t = &n->type;
    int batch = p->schedule->graph->batch_size;
    bool maps = t->rank == 3;
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = p, .kernel = kernel, .flat = maps, .indent = "            "};
    b->own = (Place){.axis = {"f", "row", "column"}, .lane = "lane"};
    bind_operand(b, n->inputs[1], "w");
    bind_operand(b, n->inputs[0], "x");
    add_value(b, n, place_key(t, b->own), "product");
    if (p->schedule->stored[n->id])
        text_append(&b->statements, store_text(b, place_of(b, n, b->own, true), "product"));
    emit_epilogue(b, "0");
    if (b->broken)
        internal_error("emit: what rides on a contraction does not fit its rows");
    const char *sum = n->op == OP_CONV_Y   ? conv_y_sum(b, n, batch)
                      : n->op == OP_CONV_X ? conv_x_sum(b, n, batch)
                                           : dense_sum(n);
    const char *rows = maps ? arena_printf("        const int f = item / %d, row = item %% %d;\n",
                                           t->dims[1], t->dims[1])
                            : "        const int f = item;\n";
    const char *text = arena_printf(
        "static void %s(int from, int to, %s)\n{\n"
        "    for (int item = from; item < to; item++) {\n%s%s"
        "        for (int lane = 0; lane < %d; lane++) {\n            real product = 0;\n%s%s"
        "        }\n    }\n}\n",
        PLACE_OF_NAME, parameter_list(b), rows, text_of(&b->row_begin),
        maps ? t->dims[2] * batch : batch, sum, text_of(&b->statements));
    pass->function = add_function(e, maps ? "convolution" : "linear", text);
    pass->arguments = arena_printf(", %s", argument_list(b));
    pass->items = maps ? t->dims[0] * t->dims[1] : t->dims[0];
    return 1;
}

/* ---------------------------------------------------------------- weight gradients */
static int emit_gradient(Emitter *e, const Plan *p, const Kernel *kernel, WidePass *pass)
{
    const Node *n = kernel->root, *y = n->inputs[0], *x = n->inputs[1];
    int batch = p->schedule->graph->batch_size, columns = columns_of(&n->type);
    Body *b = arena_alloc(sizeof *b);
    *b = (Body){.e = e, .plan = p, .kernel = kernel};
    bind_operand(b, y, "y");
    bind_operand(b, x, "x");
    body_bind(b, n, "dw", wide_declaration("dw", p, n),
              arena_printf("AT(%zu)", plan_buffer(p, n)->offset));
    const char *sum;
    if (n->op == OP_CONTRACT_W) {
        sum = arena_printf("            for (int lane = 0; lane < %d; lane++)\n"
                           "                sum += y[item][lane] * x[o][lane];\n",
                           batch);
    } else {
        const Halo *hx = halo_of(p, x), *hy = halo_of(p, y);
        const int *stride = n->window.stride, *before = n->window.before;
        int in = n->type.dims[2], width = n->type.dims[1];
        sum = arena_printf(
            "            const int c = item %% %d, l = item / %d %% %d, k = item / %d;\n"
            "            for (int row = 0; row < %d; row++)\n"
            "                for (int lane = 0; lane < %d; lane++)\n"
            "                    sum += y[o][row + %d][%d + lane] *\n"
            "                        x[c][row * %d + k + %d][(lane / %d * %d + l + %d) * %d + lane "
            "%% %d];\n",
            in, in, width, in * width, y->type.dims[1], y->type.dims[2] * batch, hy->before[0],
            hy->before[1] * batch, stride[0], hx->before[0] - before[0], batch, stride[1],
            hx->before[1] - before[1], batch, batch);
    }
    const char *text = arena_printf("static void %s(int from, int to, %s)\n{\n"
                                    "    for (int item = from; item < to; item++)\n"
                                    "        for (int o = 0; o < %d; o++) {\n"
                                    "            real sum = 0;\n%s            dw[item][o] = sum;\n"
                                    "        }\n}\n",
                                    PLACE_OF_NAME, parameter_list(b), columns, sum);
    pass->function = add_function(e, "weight_gradient", text);
    pass->arguments = arena_printf(", %s", argument_list(b));
    pass->items = rows_of(&n->type);
    return 1;
}

int emit_contraction(Emitter *e, const Plan *p, const Kernel *kernel,
                     WidePass passes[MAX_WIDE_PASSES])
{
    bool gradient = kernel->kind == KERNEL_WEIGHT;
    if (e->options->plain)
        return gradient ? emit_gradient(e, p, kernel, passes) : emit_result(e, p, kernel, passes);
    return gradient ? emit_gradient_passes(e, p, kernel, passes)
                    : emit_result_passes(e, p, kernel, passes);
}
