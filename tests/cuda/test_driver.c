/* test_driver.c -- the driver of the tests behaves as the real one where programs depend on it:
 * limits, errors, modules, capture. */
#define _POSIX_C_SOURCE 200809L
#include "vm.h"

static const char *const add_text =
    "extern \"C\" __global__ void k(int *x, int a, char c, double d) {"
    "  x[blockIdx.x * blockDim.x + threadIdx.x] += a + c + (int)d; }";

static void parameters(void **state)
{
    int x[64] = {0}, a = 5;
    char c = 2;
    double d = 30;
    (void)state;
    DevicePtr dx = vm_put(x, sizeof x);
    void *kernel = vm_kernel(add_text, "k"), *params[] = {&dx, &a, &c, &d};
    assert_int_equal(vm_run(kernel, 2, 32, 0, params), 0);
    struct {
        DevicePtr x;
        int a;
        char c;
        double d;
    } packed = {dx, 1, 2, 3};
    size_t bytes = sizeof packed;
    void *extra[] = {(void *)1, &packed, (void *)2, &bytes, NULL};
    assert_int_equal(cu.cuLaunchKernel(kernel, 2, 1, 1, 32, 1, 1, 0, NULL, NULL, extra), 0);
    bytes = 20;
    if (cu.ptxvm_reports)
        assert_int_equal(cu.cuLaunchKernel(kernel, 2, 1, 1, 32, 1, 1, 0, NULL, NULL, extra), 1);
    vm_get(x, dx, sizeof x);
    for (int i = 0; i < 64; i++)
        assert_int_equal(x[i], 37 + 6);
}

static void launch_limits(void **state)
{
    static const char *const text =
        "extern \"C\" __global__ void __launch_bounds__(128) k(int *x) {"
        "  extern __shared__ int s[]; s[threadIdx.x] = 1; x[threadIdx.x] = s[threadIdx.x]; }";
    int optin = 0;
    (void)state;
    DevicePtr dx = vm_put(NULL, 4096);
    void *kernel = vm_kernel(text, "k"), *params[] = {&dx};
    assert_int_equal(vm_run(kernel, 1, 128, 512, params), 0);
    assert_int_not_equal(vm_run(kernel, 1, 256, 1024, params), 0);
    assert_int_equal(vm_run(kernel, 1, 2048, 512, params), 1);
    assert_int_equal(vm_run(kernel, 0, 32, 512, params), 1);
    assert_int_equal(vm_run(kernel, 1, 32, 50000, params), 1);
    cu.cuDeviceGetAttribute(&optin, 97, 0);
    assert_int_equal(cu.cuFuncSetAttribute(kernel, 8, optin + 1), 1);
    assert_int_equal(cu.cuFuncSetAttribute(kernel, 8, optin), 0);
    assert_int_equal(vm_run(kernel, 1, 32, 50000, params), 0);
    assert_int_equal(vm_run(kernel, 1, 32, (unsigned)optin + 16, params), 1);
}

static const char *const head = ".version 8.0\n.target sm_75\n.address_size 64\n"
                                ".visible .entry k(.param .u64 p)\n{\n.reg .b32 %r<4>;\n";

static void refused_modules(void **state)
{
    static const char *const bodies[] = {
        "wgmma.fence.sync.aligned;\nret;\n}\n", "add.s32 %r1, %r2;\nret;\n}\n",
        "mov.u32 %r9, 1;\nret;\n}\n",           "bra nowhere;\n}\n",
        "add.f64 %r1, %r2, %r3;\n}\n",          "ret;\n",
        "ld.global.u32 %r1, [%rd7];\n}\n",      "mov.u32 %r1, 1",
        "call.uni f, ();\nret;\n}\n",           "cvt.rn.f32.q8 %r1, %r2;\n}\n",
    };
    char text[512];
    void *module;
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        snprintf(text, sizeof text, "%s%s", head, bodies[i]);
        assert_int_equal(cu.cuModuleLoadData(&module, text), 218);
    }
    snprintf(text, sizeof text, "%sret;\n}\n", head);
    assert_int_equal(cu.cuModuleLoadData(&module, text), 0);
    size_t entry = (size_t)(strstr(head, ".visible") - head);
    for (size_t len = 1; len + 1 < strlen(head); len++) { /* cut off anywhere */
        if (len > 25 && len <= entry)
            continue; /* a module without kernels */
        memcpy(text, head, len);
        text[len] = 0;
        assert_int_not_equal(cu.cuModuleLoadData(&module, text), 0);
    }
    snprintf(text, sizeof text, "%sret;\n}\n", head);
    memcpy(strstr(text, "75"), "90", 2);
    assert_int_equal(cu.cuModuleLoadData(&module, text), vm_arch >= 90 ? 0 : 218);
    assert_int_equal(cu.cuModuleLoadData(&module, "\177ELF\2\1\1"), 209);
}

static void capture(void **state)
{
    int x[64] = {0}, a = 1;
    char c = 0;
    double d = 0;
    void *stream, *side, *graph, *exec, *fork_event, *join_event;
    (void)state;
    DevicePtr dx = vm_put(x, sizeof x), other;
    void *kernel = vm_kernel(add_text, "k"), *params[] = {&dx, &a, &c, &d};
    assert_int_equal(cu.cuStreamCreate(&stream, 1), 0);
    assert_int_equal(cu.cuStreamCreate(&side, 1), 0);
    assert_int_equal(cu.cuEventCreate(&fork_event, 2), 0);
    assert_int_equal(cu.cuEventCreate(&join_event, 2), 0);
    assert_int_equal(cu.cuStreamBeginCapture_v2(stream, 0), 0);
    assert_int_equal(cu.cuLaunchKernel(kernel, 1, 1, 1, 32, 1, 1, 0, stream, params, NULL), 0);
    assert_int_equal(cu.cuEventRecord(fork_event, stream), 0);
    assert_int_equal(cu.cuStreamWaitEvent(side, fork_event, 0), 0);
    a = 10;
    assert_int_equal(cu.cuLaunchKernel(kernel, 2, 1, 1, 32, 1, 1, 0, side, params, NULL), 0);
    assert_int_equal(cu.cuEventRecord(join_event, side), 0);
    assert_int_equal(cu.cuStreamWaitEvent(stream, join_event, 0), 0);
    assert_int_equal(cu.cuStreamEndCapture(stream, &graph), 0);
    a = 1000; /* parameters are copied when they are captured */
    assert_int_equal(cu.cuGraphInstantiateWithFlags(&exec, graph, 0), 0);
    assert_int_equal(cu.cuGraphDestroy(graph), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(cu.cuGraphLaunch(exec, stream), 0);
    assert_int_equal(cu.cuStreamSynchronize(stream), 0);
    vm_get(x, dx, sizeof x);
    for (int i = 0; i < 64; i++)
        assert_int_equal(x[i], 30 + (i < 32 ? 3 : 0));
    assert_int_equal(cu.cuGraphExecDestroy(exec), 0);
    assert_int_not_equal(cu.cuGraphLaunch(exec, stream), 0);

    assert_int_equal(cu.cuStreamBeginCapture_v2(stream, 0), 0); /* what is not allowed inside */
    assert_int_equal(cu.cuMemAlloc_v2(&other, 64), 900);
    assert_int_equal(cu.cuStreamSynchronize(stream), 900);
    assert_int_equal(cu.cuStreamEndCapture(stream, &graph), 901);
    assert_int_equal(cu.cuStreamBeginCapture_v2(stream, 0), 0); /* a branch that is not joined */
    assert_int_equal(cu.cuEventRecord(fork_event, stream), 0);
    assert_int_equal(cu.cuStreamWaitEvent(side, fork_event, 0), 0);
    assert_int_equal(cu.cuLaunchKernel(kernel, 2, 1, 1, 32, 1, 1, 0, side, params, NULL), 0);
    assert_int_equal(cu.cuStreamEndCapture(stream, &graph), 904);
    assert_int_equal(cu.cuStreamDestroy_v2(side), 0);
    assert_int_equal(cu.cuStreamDestroy_v2(stream), 0);
}

static void events_and_queries(void **state)
{
    int x[32] = {0}, a = 1;
    char c = 0;
    double d = 0;
    float milliseconds = -1;
    void *stream, *start, *end;
    (void)state;
    DevicePtr dx = vm_put(x, sizeof x);
    void *kernel = vm_kernel(add_text, "k"), *params[] = {&dx, &a, &c, &d};
    assert_int_equal(cu.cuStreamCreate(&stream, 1), 0);
    assert_int_equal(cu.cuEventCreate(&start, 0), 0);
    assert_int_equal(cu.cuEventCreate(&end, 0), 0);
    assert_int_equal(cu.cuEventRecord(start, stream), 0);
    assert_int_equal(cu.cuLaunchKernel(kernel, 1, 1, 1, 32, 1, 1, 0, stream, params, NULL), 0);
    assert_int_equal(cu.cuEventRecord(end, stream), 0);
    int turns = 0;
    while (cu.cuStreamQuery(stream) == 600)
        assert_true(turns++ < 1000000000);
    assert_int_equal(cu.cuEventSynchronize(end), 0);
    assert_int_equal(cu.cuEventElapsedTime(&milliseconds, start, end), 0);
    assert_true(milliseconds >= 0);
    assert_int_equal(cu.cuEventDestroy_v2(start), 0);
    assert_int_not_equal(cu.cuEventRecord(start, stream), 0);
    assert_int_equal(cu.cuStreamDestroy_v2(stream), 0);
}

static void memory(void **state)
{
    size_t available, total, now;
    DevicePtr huge = 0, some;
    unsigned char bytes[7];
    unsigned words[3];
    (void)state;
    assert_int_equal(cu.cuMemGetInfo_v2(&available, &total), 0);
    assert_int_equal(cu.cuMemAlloc_v2(&huge, total + 1), 2);
    assert_int_equal(cu.cuMemAlloc_v2(&huge, 0), 1);
    some = vm_put(NULL, 1 << 20);
    if (cu.ptxvm_reports) {
        assert_int_equal(cu.cuMemGetInfo_v2(&now, &total), 0);
        assert_int_equal(available - now, 1 << 20);
    }
    assert_int_equal(cu.cuMemsetD8_v2(some, 0xab, 7), 0);
    assert_int_equal(cu.cuMemsetD32_v2(some + 8, 0x12345678, 3), 0);
    vm_get(bytes, some, 7);
    vm_get(words, some + 8, 12);
    assert_true(bytes[0] == 0xab && bytes[6] == 0xab);
    assert_true(words[0] == 0x12345678 && words[2] == 0x12345678);
    assert_int_equal(cu.cuMemFree_v2(some), 0);
}

static void planned_failures(void **state)
{
    DevicePtr address;
    (void)state;
    if (!cu.ptxvm_reports)
        skip();
    void *function = NULL;
    assert_int_equal(cu.cuGetProcAddress_v2("cuEventRecordWithFlags", &function, 13000, 0, NULL),
                     0);
    assert_non_null(function);
    assert_int_equal(cu.cuGetProcAddress_v2("cuNothing", &function, 13000, 0, NULL), 500);
    /* PTXVM_FAIL below: the third call fails with 2, later ones do not */
    const char *name;
    assert_int_equal(cu.cuGetErrorName(2, &name), 0);
    assert_string_equal(name, "CUDA_ERROR_OUT_OF_MEMORY");
    assert_int_equal(cu.cuMemHostRegister(&address, 8, 0), 0);
    assert_int_equal(cu.cuMemHostUnregister(&address), 0);
    assert_int_equal(cu.cuMemHostRegister(&address, 8, 0), 0);
    assert_int_equal(cu.cuMemHostUnregister(&address), 0);
    assert_int_equal(cu.cuMemHostRegister(&address, 8, 0), 2);
    assert_int_equal(cu.cuMemHostRegister(&address, 8, 0), 0);
    assert_int_equal(cu.cuMemHostUnregister(&address), 0);
}

int main(void)
{
    setenv("PTXVM_FAIL", "cuMemHostRegister_v2:3:2", 1);
    vm_open();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters),         cmocka_unit_test(launch_limits),
        cmocka_unit_test(refused_modules),    cmocka_unit_test(capture),
        cmocka_unit_test(events_and_queries), cmocka_unit_test(memory),
        cmocka_unit_test(planned_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
