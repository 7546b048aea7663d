/* cuda_shake.c -- noise on the weights before an iteration: a kernel for each network that has it,
 * a launch for each of its tensors.
 *
 * Draws and order of the sums are those of runtime/train/hooks.c. */
#include "target_cuda.h"

#include "hypergan.h"

static bool is_of_d(const Tensor *tensor) { return tensor->name[0] == 'D'; }

/* U(0, 1) times this is added to each number of the tensor. */
static double amount_of(const Model *model, const Tensor *tensor)
{
    if (!model->hyper || tensor->role != ROLE_PARAMETER)
        return 0;
    return is_of_d(tensor) ? model->hyper->trainer.shake_d : model->hyper->trainer.shake_g;
}

static const char *kernel_of(const Tensor *tensor)
{
    return is_of_d(tensor) ? "shake_d" : "shake_g";
}

void cuda_shake_kernels(Text *out, const Model *model, const Graph *g)
{
    bool printed[2] = {false, false};
    for (int k = 0; k < g->tensor_count; k++) {
        const Tensor *tensor = g->tensors[k];
        double amount = amount_of(model, tensor);
        if (amount == 0 || printed[is_of_d(tensor)])
            continue;
        printed[is_of_d(tensor)] = true;
        text_add(out,
                 "/* before an iteration: noise on weights of the %s */\n"
                 "KERNEL %s(const CudaRun *run, int tensor, int rows, int row, int stride, "
                 "real *values)\n{\n    shake(run, (real)%.17g, tensor, rows, row, stride, "
                 "values);\n}\n\n",
                 is_of_d(tensor) ? "discriminator" : "generator", kernel_of(tensor), amount);
    }
}

int cuda_shake_launches(Text *out, const Model *model, const Graph *g, const EmitOptions *options)
{
    enum { THREADS = 128 };
    int count = 0;
    Text rows = {0};
    for (int k = 0; k < g->tensor_count; k++) {
        const Tensor *t = g->tensors[k];
        if (amount_of(model, t) == 0)
            continue;
        int row = columns_of(&t->type);
        int64_t draws = rows_of(&t->type) * cuda_blocks_of(row, cuda_draws_a_block(options));
        text_add(out,
                 "static const CudaArgument shake_%d[] = {\n"
                 "    {CUDA_RUN, 0}, {CUDA_NUMBER, %d}, {CUDA_NUMBER, %d}, {CUDA_NUMBER, %d},\n"
                 "    {CUDA_NUMBER, %d},\n"
                 "    {CUDA_STATE, offsetof(struct state, %s.%s) / sizeof(real)}};\n",
                 count, k, rows_of(&t->type), row, padded(row), t->group, t->field);
        text_add(&rows, "    {\"%s\", \"noise on %s\", {%d, 1, 1}, %d, 6, shake_%d, 0},\n",
                 kernel_of(t), t->label, (int)cuda_blocks_of(draws, THREADS), THREADS, count);
        count++;
    }
    if (count > 0)
        text_add(out, "static const CudaLaunch shake_launches[] = {\n%s};\n\n", text_of(&rows));
    return count;
}
