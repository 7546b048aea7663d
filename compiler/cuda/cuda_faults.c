/* cuda_faults.c -- faults planted into kernels: the tests show that the PTX virtual machine reports
 * them. No command plants one. */
#include "target_cuda.h"

#include <string.h>

enum { WRONG, REPORTED };

const CudaFault cuda_faults[] = {
#define FAULT(what, text, find, change, tensor, shown) {what, text, find, change, tensor, shown},
#include "cuda_faults.def"
#undef FAULT
};
const int cuda_fault_count = sizeof cuda_faults / sizeof *cuda_faults;

void cuda_plant(const CudaFault *fault, CudaText *texts, int count)
{
    for (int k = 0; k < count; k++) {
        const char *at = texts[k].text;
        Text out = {0};
        if (strcmp(texts[k].name, fault->text) != 0)
            continue;
        for (const char *next; (next = strstr(at, fault->find)) != NULL;) {
            text_add_bytes(&out, at, (size_t)(next - at));
            text_append(&out, fault->change);
            at = next + strlen(fault->find);
        }
        if (at == texts[k].text)
            break;
        text_append(&out, at);
        texts[k].text = text_of(&out);
        return;
    }
    internal_error("cuda: the fault '%s' has no place in %s", fault->what, fault->text);
}
