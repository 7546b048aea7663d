/* symbols.c -- cuGetProcAddress: the functions of this library by name. */
#include <dlfcn.h>
#include <string.h>
#include "driver.h"

/* The newest suffix that the machine has for a name without one. */
static void *find_symbol(const char *name)
{
    static const char *const suffixes[] = {"_v2", ""};
    Dl_info self;
    if (!dladdr((void *)(uintptr_t)&ptxvm_reports, &self))
        return NULL;
    void *library = dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    void *found = NULL;
    for (int i = 0; library && !found && i < 2; i++) {
        char full[128];
        snprintf(full, sizeof full, "%s%s", name, suffixes[i]);
        found = dlsym(library, full);
    }
    if (library)
        dlclose(library);
    return found;
}

API CUresult cuGetProcAddress_v2(const char *name, void **address, int version,
                                 unsigned long long flags, int *status)
{
    ENTER(NEED_NOTHING);
    (void)flags;
    if (!name || !address || strncmp(name, "cu", 2))
        return CUDA_ERROR_INVALID_VALUE;
    *address = NULL;
    if (!strcmp(name, "cuGraphInstantiate") && version >= 12000)
        name = "cuGraphInstantiateWithFlags";
    *address = find_symbol(name);
    if (status)
        *status = *address ? 0 : 1; /* CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND */
    return *address ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

API CUresult cuGetProcAddress(const char *name, void **address, int version,
                              unsigned long long flags)
{
    return cuGetProcAddress_v2(name, address, version, flags, NULL);
}
