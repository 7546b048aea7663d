/* test_faults.c -- faults planted in kernels: each must be reported as what it is, the same kernels
 * without them not. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include "vm.h"

/* A two-layer network over tiles of 16 samples, 64 threads, its loss summed over the blocks. */
static const char *const network =
    "#define S (FAULT == 13 ? 7 : 9)\n"
    "extern \"C\" __global__ void k(const float *x, const float *v, const float *w, float *y,"
    "                               float *loss, float *extra, int n) {"
    "  __shared__ float tile[(FAULT == 12 ? 14 : 16) * S], hidden[16 * 17], part[2];"
    "  int t = threadIdx.x, lane = t & 31, warp = t >> 5, first = blockIdx.x * 16;"
    "  for (int i = t; i < 128; i += 64) { int r = i / 8, c = i % 8;"
    "    tile[r * S + c] = (FAULT == 7 ? first + r <= n : first + r < n) ? x[(first + r) * 8 + c] "
    ": 0; }"
    "  if (FAULT == 5) { if (t < 16) __syncthreads(); }"
    "  if (FAULT == 16) { if (t < 16) __syncthreads(); else { extra[t] = 1; __syncthreads(); } }"
    "  if (FAULT != 1 && FAULT != 16) __syncthreads();"
    "  for (int i = t; i < 256; i += 64) { int r = i / 16, h = i % 16; float s = 0;"
    "    for (int c = 0; c < 8; c++) s += tile[r * S + c] * v[h * 8 + c];"
    "    if (FAULT != 9 || i != 37) hidden[r * 17 + h] = fmaxf(s, 0); }"
    "  if (FAULT == 15) { if (t & 1) __syncthreads(); } else"
    "  if (FAULT != 2) __syncthreads();"
    "  float s = 0, square = 0; if (t < 16) { for (int h = 0; h < 16; h++) s += hidden[t * 17 + h] "
    "* w[h];"
    "    if (first + t < n) { y[first + t] = s; square = s * s; } }"
    "  if (FAULT == 6 && warp == 1) return;"
    "  if (FAULT == 17 && lane == 31) return;"
    "  if (FAULT == 14) { if (lane < 16) square += __shfl_xor_sync(~0u, square, 8); }"
    "  for (int d = 16; d; d >>= 1) square += __shfl_xor_sync(~0u, square, d);"
    "  if (lane == 0) part[warp] = square;"
    "  if (FAULT != 3) __syncthreads();"
    "  if (FAULT == 11 && t == 0) extra[0] = 1;"
    "  if (t == 0) { if (FAULT == 10) *loss += part[0] + part[1];"
    "                else atomicAdd(loss, part[0] + part[1]); } }";

/* 16 x 8 = 16 x 8 by 8 x 8 in tf32, the operands staged in shared memory by two warps. */
static const char *const tensor =
    "extern \"C\" __global__ void k(const float *a, const float *b, float *c) {"
    "  __shared__ float sa[16 * 12], sb[64]; int t = threadIdx.x, l = t & 31, g = l / 4, q = l % 4;"
    "  for (int i = t; i < 128; i += 64) sa[i / 8 * 12 + i % 8] = a[i];"
    "  for (int i = t; i < 64; i += 64) sb[i] = b[i];"
    "  if (FAULT != 4) __syncthreads();"
    "  float C[4] = {0}; auto R = [](float x) { return __float_as_uint(x); }; int f = FAULT == 8 ? "
    "3 : 4;"
    "  asm(\"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 \""
    "    \"{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\""
    "    : \"+f\"(C[0]), \"+f\"(C[1]), \"+f\"(C[2]), \"+f\"(C[3])"
    "    : \"r\"(R(sa[g * 12 + q])), \"r\"(R(sa[(g + 8) * 12 + q])), \"r\"(R(sa[g * 12 + q + f])),"
    "      \"r\"(R(sa[(g + 8) * 12 + q + 4])), \"r\"(R(sb[q * 8 + g])), \"r\"(R(sb[(q + 4) * 8 + "
    "g])));"
    "  if (t < 32) for (int i = 0; i < 4; i++) c[(g + i / 2 * 8) * 8 + 2 * q + i % 2] = C[i]; }";

/* ---------------------------------------------------------------- what was reported */

static const char *const log_name = "reports.txt";

/* The reports since the last call. */
static char *new_reports(void)
{
    static long start;
    static char text[1 << 16];
    FILE *file = fopen(log_name, "r");
    size_t len = 0;
    if (file) {
        fseek(file, start, SEEK_SET);
        len = fread(text, 1, sizeof text - 1, file);
        start = ftell(file);
        fclose(file);
    }
    text[len] = 0;
    return text;
}

static void expect_reports(const char *kind)
{
    char start[64];
    const char *text = new_reports();
    snprintf(start, sizeof start, "ptxvm: %s: ", kind ? kind : "");
    if (!kind && *text)
        fail_msg("reported although nothing is wrong: %s", text);
    if (kind && !strstr(text, start))
        fail_msg("no '%s' among the reports: '%s'", kind, text);
}

/* A report of `kind`, the line of PTX and the place in the grid in it. */
static void expect_lane_report(const char *kind)
{
    char start[64];
    const char *text = new_reports();
    snprintf(start, sizeof start, "ptxvm: %s: line ", kind);
    const char *line = strstr(text, start);
    if (!line)
        fail_msg("no '%s' among the reports: '%s'", kind, text);
    line += strlen(start);
    assert_true(strtol(line, NULL, 10) > 10);
    assert_non_null(strstr(line, "kernel k, block ("));
    assert_non_null(strstr(line, "thread ("));
}

static void *fault_kernel(const char *text, int fault)
{
    char option[32];
    void *function;
    snprintf(option, sizeof option, "-DFAULT=%d", fault);
    char *ptx = vm_compile_for(text, vm_arch, option);
    function = vm_kernel(ptx, "k");
    free(ptx);
    return function;
}

static void run_network(int fault)
{
    enum { SAMPLES = 61 };
    static float x[SAMPLES * 8], v[128], w[16], y[SAMPLES];
    int n = SAMPLES;
    float loss = 0, zeros[64] = {0};
    double want = 0;
    for (int i = 0; i < SAMPLES * 8; i++)
        x[i] = (float)(i % 13 - 6) * 0.1f;
    for (int i = 0; i < 128; i++)
        v[i] = (float)(i % 7 - 3) * 0.3f;
    for (int i = 0; i < 16; i++)
        w[i] = (float)(i % 5 - 1) * 0.2f;
    DevicePtr dx = vm_put(x, sizeof x), dv = vm_put(v, sizeof v), dw = vm_put(w, sizeof w);
    DevicePtr dy = vm_put(NULL, sizeof y), dl = vm_put(&loss, sizeof loss);
    DevicePtr de = vm_put(zeros, sizeof zeros);
    void *kernel = fault_kernel(network, fault);
    vm_run(kernel, 4, 64, 0, (void *[]){&dx, &dv, &dw, &dy, &dl, &de, &n});
    if (fault)
        return;
    vm_get(y, dy, sizeof y);
    vm_get(&loss, dl, sizeof loss);
    for (int i = 0; i < SAMPLES; i++) {
        float sum = 0;
        for (int h = 0; h < 16; h++) {
            float s = 0;
            for (int c = 0; c < 8; c++)
                s += x[i * 8 + c] * v[h * 8 + c];
            sum += fmaxf(s, 0) * w[h];
        }
        assert_true(fabsf(y[i] - sum) < 1e-5f);
        want += (double)sum * (double)sum;
    }
    assert_true(fabs((double)loss - want) < 1e-4 * want);
}

/* Whether the product is right. */
static bool run_tensor(int fault)
{
    float a[128], b[64], c[128];
    bool good = true;
    for (int i = 0; i < 128; i++)
        a[i] = (float)(i % 11 - 5);
    for (int i = 0; i < 64; i++)
        b[i] = (float)(i % 7 - 3);
    DevicePtr da = vm_put(a, sizeof a), db = vm_put(b, sizeof b), dc = vm_put(NULL, sizeof c);
    vm_run(fault_kernel(tensor, fault), 1, 64, 0, (void *[]){&da, &db, &dc});
    vm_get(c, dc, sizeof c);
    for (int i = 0; i < 128; i++) {
        float sum = 0;
        for (int k = 0; k < 8; k++)
            sum += a[i / 8 * 8 + k] * b[k * 8 + i % 8];
        good = good && c[i] == sum;
    }
    return good;
}

static void clean_kernels(void **state)
{
    (void)state;
    run_network(0);
    if (vm_arch >= 80)
        assert_true(run_tensor(0));
    expect_reports(NULL);
}

static void planted_faults(void **state)
{
    static const struct {
        int fault;
        const char *kind;
    } faults[] = {{1, "race"},          {2, "race"},        {3, "race"},          {5, "divergence"},
                  {6, "uninitialised"}, {7, "bounds"},      {9, "uninitialised"}, {10, "race"},
                  {11, "race"},         {12, "bounds"},     {13, "race"},         {14, "deadlock"},
                  {15, "race"},         {16, "divergence"}, {17, "deadlock"}};
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        print_message("fault %d\n", faults[i].fault);
        run_network(faults[i].fault);
        expect_lane_report(faults[i].kind);
    }
}

static void planted_faults_of_mma(void **state)
{
    (void)state;
    if (vm_arch < 80)
        skip();
    run_tensor(4);
    expect_lane_report("race");
    assert_false(
        run_tensor(8)); /* a wrong element is no fault of the program, only of the result */
    expect_reports(NULL);
}

/* ---------------------------------------------------------------- further faults */

/* Runs a kernel of one block with a buffer of 64 floats that hold 0 to 63. */
static void run_small(const char *text, unsigned threads)
{
    float x[64];
    for (int i = 0; i < 64; i++)
        x[i] = (float)i;
    DevicePtr dx = vm_put(x, sizeof x);
    vm_run(vm_kernel(text, "k"), 1, threads, 0, (void *[]){&dx});
}

static void memory_faults(void **state)
{
    static const struct {
        const char *text, *kind;
    } cases[] = {
        {"extern \"C\" __global__ void k(float *x) { if (threadIdx.x) return;"
         "  float4 v = *(float4 *)(x + 1); x[20] = v.x + v.y * v.z - v.w; }",
         "misaligned"},
        {"extern \"C\" __global__ void k(float *x) { x[threadIdx.x + 33] = 1; }", "bounds"},
        {"extern \"C\" __global__ void k(float *x) { *(float *)1000 = x[0]; }", "bounds"},
        {"extern \"C\" __global__ void k(float *x) { extern __shared__ float s[];"
         "  s[threadIdx.x] = 1; __syncthreads(); x[threadIdx.x] = s[1]; }",
         "bounds"},
        {"extern \"C\" __global__ void k(float *x) { float a[8]; int n = (int)x[40];"
         "  for (int i = 0; i < n; i++) a[(int)x[i]] = i; x[0] = a[(int)x[3]]; }",
         "bounds"},
        {"extern \"C\" __global__ void k(float *x) { float a[8]; int n = (int)x[4];"
         "  for (int i = 0; i < n; i++) a[(int)x[i]] = i; x[0] = a[(int)x[6]]; }",
         "uninitialised"},
        {"extern \"C\" __global__ void k(float *x) { __shared__ float s[32]; int t = threadIdx.x;"
         "  s[t] = x[t]; x[t] = s[t ^ 1]; }", /* lanes of a warp are not ordered */
         "race"},
        {"extern \"C\" __global__ void k(float *x) { __shared__ float s[32]; int t = threadIdx.x;"
         "  s[t] = x[t]; __syncwarp(); float a = s[t ^ 1]; s[t] = a; x[t] = a; }", /* write after
                                                                                      read */
         "race"},
        {"extern \"C\" __global__ void k(float *x) { int t = threadIdx.x; x[t] = 1; "
         "__syncthreads();"
         "  float a; asm volatile(\"ld.global.nc.f32 %0, [%1];\" : \"=f\"(a) : \"l\"(x + (t ^ 1)));"
         "  x[t + 32] = a; }",
         "constant"},
        {"extern \"C\" __global__ void k(float *x) { if (x[threadIdx.x] > 9.f) asm(\"trap;\"); }",
         "trap"},
        {"extern \"C\" __global__ void k(float *x) { int t = threadIdx.x; if (t < 16)"
         "  x[t] = __shfl_down_sync(0xffffu, x[t], 4); }", /* lane 12 reads lane 16 */
         "shuffle"},
        {"extern \"C\" __global__ void k(float *x) { if (threadIdx.x == 0) while (x[0] == 0)"
         "  asm volatile(\"\" ::: \"memory\"); }",
         "deadlock"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("case %zu: %s\n", i, cases[i].kind);
        run_small(cases[i].text, 32);
        expect_lane_report(cases[i].kind);
    }
}

/* Faults between warps, each seen by one check only. */
static void faults_between_warps(void **state)
{
    static const struct {
        const char *text, *kind;
        unsigned threads;
    } cases[] = {
        {"extern \"C\" __global__ void k(float *x) { __shared__ float s[32]; int t = threadIdx.x;"
         "  if (t < 32) s[t] = 0; __syncthreads(); if (t < 32) s[t] = x[t]; else x[t] = s[t - 32]; "
         "}",
         "race", 64},
        {"extern \"C\" __global__ void k(float *x) { __shared__ float s[64]; int t = threadIdx.x;"
         "  s[t] = 0; __syncthreads();"
         "  if (t >= 32) { s[t] = x[t]; asm volatile(\"bar.sync 1, 32;\" ::: \"memory\"); }"
         "  else { asm volatile(\"bar.sync 2, 32;\" ::: \"memory\"); x[t] = s[t + 32]; } }",
         "race", 64},
        {"extern \"C\" __global__ void k(float *x) { int t = threadIdx.x;"
         "  if (t < 32) { x[t] = 1; __syncthreads(); } else { x[t] = 2; __syncthreads(); } }",
         "divergence", 64},
        {"extern \"C\" __global__ void k(float *x) { int t = threadIdx.x;"
         "  if (t < 16) { x[t] = 1; __syncthreads(); } else { x[t] = 2; __syncthreads(); } }",
         "divergence", 32},
        {"extern \"C\" __global__ void k(float *x) { int t = threadIdx.x;"
         "  if (t < 16) __syncthreads(); x[t] = t * x[t] + expf(x[t]); }",
         "divergence", 32},
        {"extern \"C\" __global__ void k(float *x) { int t = threadIdx.x;"
         "  if (t < 32) asm volatile(\"bar.sync 1, 96;\" ::: \"memory\"); x[t] = 1; }",
         "divergence", 64},
        {"extern \"C\" __global__ void k(float *x) { int t = threadIdx.x;"
         "  if (t < 32) asm volatile(\"bar.sync 1, 64;\" ::: \"memory\"); x[t] = 1; }",
         "deadlock", 64},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        print_message("case %zu: %s\n", i, cases[i].kind);
        run_small(cases[i].text, cases[i].threads);
        expect_lane_report(cases[i].kind);
    }
}

static void correct_orders(void **state)
{
    static const char *const texts[] = {
        "extern \"C\" __global__ void k(float *x) { __shared__ float s[32]; int t = threadIdx.x;"
        "  s[t] = x[t]; __syncwarp(); float a = s[t ^ 1]; __syncwarp(); s[t] = a; x[t] = s[t]; }",
        "extern \"C\" __global__ void k(float *x) { __shared__ float s[32]; int t = threadIdx.x;"
        "  if (t < 16) { s[t] = x[t]; __syncwarp(0xffffu); x[t] = s[t ^ 1]; }"
        "  else { s[t] = x[t]; __syncwarp(0xffff0000u); x[t] = s[t ^ 1]; } }",
        "extern \"C\" __global__ void k(float *x) { int t = threadIdx.x; if (t >= 40) return;"
        "  __shared__ float s[64]; s[t] = x[t]; __syncthreads(); x[t] = s[39 - t]; }",
        "extern \"C\" __global__ void k(float *x) { int t = threadIdx.x; __shared__ short s[64];"
        "  s[t] = t; s[t] = s[t] + 1; __syncthreads(); x[t] = s[63 - t]; }",
        "extern \"C\" __global__ void k(float *x) { int t = threadIdx.x; __shared__ float s[64];"
        "  if (t >= 32) { s[t] = x[t]; asm volatile(\"bar.arrive 1, 64;\" ::: \"memory\"); }"
        "  else { asm volatile(\"bar.sync 1, 64;\" ::: \"memory\"); x[t] = s[t + 32]; } }"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        run_small(texts[i], 64 >> (i < 2));
        expect_reports(NULL);
    }
}

static void missing_wait(void **state)
{
    static const char *const text =
        "extern \"C\" __global__ void k(float *x) { __shared__ __align__(16) float s[64];"
        "  int t = threadIdx.x; unsigned to = __cvta_generic_to_shared(s + 2 * t);"
        "  asm volatile(\"cp.async.ca.shared.global [%0], [%1], 8;\" :: \"r\"(to), \"l\"(x + 2 * t)"
        "    : \"memory\"); asm volatile(\"cp.async.commit_group;\" ::: \"memory\");"
        "  if (FAULT == 0) asm volatile(\"cp.async.wait_group 0;\" ::: \"memory\");"
        "  if (FAULT == 1) asm volatile(\"cp.async.wait_group 1;\" ::: \"memory\");"
        "  __syncthreads(); x[t] = s[t] + s[63 - t]; }";
    float x[64] = {0};
    (void)state;
    if (vm_arch < 80)
        skip();
    for (int fault = 0; fault < 3; fault++) {
        DevicePtr dx = vm_put(x, sizeof x);
        vm_run(fault_kernel(text, fault), 1, 32, 0, (void *[]){&dx});
        if (fault)
            expect_lane_report("asynchronous copy");
        else
            expect_reports(NULL);
    }
}

static void freed_memory(void **state)
{
    static const char *const text = "extern \"C\" __global__ void k(float *x) { x[0] = 1; }";
    float x[64] = {0};
    (void)state;
    DevicePtr dx = vm_put(x, sizeof x);
    assert_int_equal(cu.cuMemFree_v2(dx), 0);
    vm_run(vm_kernel(text, "k"), 1, 32, 0, (void *[]){&dx});
    expect_lane_report("use after free");
    assert_int_not_equal(cu.cuMemcpyDtoH_v2(x, dx, 4), 0);
    expect_reports("use after free");
    assert_int_not_equal(cu.cuMemFree_v2(dx), 0);
    expect_reports("use after free");
    dx = vm_put(x, sizeof x);
    assert_int_not_equal(cu.cuMemcpyDtoH_v2(x, dx + 4, sizeof x), 0);
    expect_reports("bounds");
}

static void host_and_pinned_memory(void **state)
{
    static const char *const text =
        "extern \"C\" __global__ void k(float *x) { x[threadIdx.x] += 1; }";
    void *stream, *memory;
    float zeros[64] = {0};
    (void)state;
    assert_int_equal(cu.cuStreamCreate(&stream, 1), 0);
    assert_int_equal(cu.cuMemAllocHost_v2(&memory, 256), 0);
    float *pinned = memory;
    DevicePtr dx = vm_put(zeros, sizeof zeros);
    void *kernel = vm_kernel(text, "k"), *params[] = {&dx};
    for (int wait = 1; wait >= 0; wait--) {
        assert_int_equal(cu.cuLaunchKernel(kernel, 1, 1, 1, 64, 1, 1, 0, stream, params, NULL), 0);
        assert_int_equal(cu.cuMemcpyDtoHAsync_v2(pinned, dx, 256, stream), 0);
        if (wait)
            assert_int_equal(cu.cuStreamSynchronize(stream), 0);
        volatile float seen = pinned[5];
        assert_true(wait ? seen == 1 : seen != 2);
        expect_reports(wait ? NULL : "host");
    }
    cu.cuStreamSynchronize(stream);
    assert_true(pinned[5] == 2);
    for (int wait = 1; wait >= 0; wait--) {
        pinned[0] = 7;
        assert_int_equal(cu.cuMemcpyHtoDAsync_v2(dx, pinned, 256, stream), 0);
        if (wait)
            cu.cuStreamSynchronize(stream);
        pinned[0] = 8;
        cu.cuStreamSynchronize(stream);
        expect_reports(wait ? NULL : "host");
    }
    pinned[9] = 9; /* to the host and back: in order in their stream, so nothing is wrong */
    DevicePtr other = vm_put(NULL, 256);
    assert_int_equal(cu.cuMemcpyDtoHAsync_v2(pinned, dx, 256, stream), 0);
    assert_int_equal(cu.cuMemcpyHtoDAsync_v2(other, pinned, 256, stream), 0);
    cu.cuStreamSynchronize(stream);
    vm_get(zeros, other, 256);
    assert_true(zeros[0] == 8 && zeros[9] == pinned[9] && zeros[9] != 9);
    expect_reports(NULL);
    assert_int_equal(cu.cuMemFreeHost(memory), 0);
    cu.cuStreamDestroy_v2(stream);
}

static void host_uses_device_address(void **state)
{
    (void)state;
    DevicePtr dx = vm_put(NULL, 64);
    pid_t child = fork();
    if (!child) {
        signal(SIGSEGV, SIG_DFL); /* of the test framework */
        vm_put(NULL, 64);
        volatile float *x = (volatile float *)(uintptr_t)dx;
        _exit(x[3] == 1 ? 0 : 2);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    expect_reports("host");
}

/* A copy on one stream, a kernel that needs it on another: an event orders them. */
static void streams_without_event(void **state)
{
    static const char *const text = "extern \"C\" __global__ void k(const float *x, float *y) { "
                                    "y[threadIdx.x] = x[threadIdx.x]; }";
    float y[64];
    void *copies, *kernels, *memory, *event;
    (void)state;
    assert_int_equal(cu.cuStreamCreate(&kernels, 1), 0);
    assert_int_equal(cu.cuStreamCreate(&copies, 1), 0);
    assert_int_equal(cu.cuEventCreate(&event, 2), 0);
    assert_int_equal(cu.cuMemAllocHost_v2(&memory, 256), 0);
    memset(memory, 0, 256);
    void *kernel = vm_kernel(text, "k");
    for (int wait = 1; wait >= 0; wait--) {
        DevicePtr dx = vm_put(NULL, 256), dy = vm_put(NULL, 256);
        void *params[] = {&dx, &dy};
        assert_int_equal(cu.cuMemcpyHtoDAsync_v2(dx, memory, 256, copies), 0);
        assert_int_equal(cu.cuEventRecord(event, copies), 0);
        if (wait)
            assert_int_equal(cu.cuStreamWaitEvent(kernels, event, 0), 0);
        assert_int_equal(cu.cuLaunchKernel(kernel, 1, 1, 1, 64, 1, 1, 0, kernels, params, NULL), 0);
        assert_int_equal(cu.cuStreamSynchronize(kernels), 0);
        expect_reports(wait ? NULL : "uninitialised");
        cu.cuCtxSynchronize();
        expect_reports(wait ? NULL : "race");
        vm_get(y, dy, sizeof y);
        assert_true(!wait || y[63] == 0);
    }
}

/* A window that is filled on one stream and read on another, three times. fault 1: the kernel does
 * not wait for the copy; 2: the copy does not wait for the kernel before; 3: nor does the host. */
static void fill_and_read(int fault)
{
    static const char *const text = "extern \"C\" __global__ void k(const float *x, float *y) { "
                                    "y[threadIdx.x] += x[threadIdx.x]; }";
    float zeros[64] = {0};
    void *copies, *kernels, *memory, *filled, *used;
    assert_int_equal(cu.cuStreamCreate(&kernels, 1), 0);
    assert_int_equal(cu.cuStreamCreate(&copies, 1), 0);
    assert_int_equal(cu.cuEventCreate(&filled, 2), 0);
    assert_int_equal(cu.cuEventCreate(&used, 2), 0);
    assert_int_equal(cu.cuMemAllocHost_v2(&memory, 256), 0);
    memset(memory, 0, 256);
    DevicePtr dx = vm_put(zeros, 256), dy = vm_put(zeros, 256);
    void *kernel = vm_kernel(text, "k"), *params[] = {&dx, &dy};
    for (int i = 0; i < 3; i++) {
        if (fault != 2)
            assert_int_equal(cu.cuStreamWaitEvent(copies, used, 0), 0);
        assert_int_equal(cu.cuMemcpyHtoDAsync_v2(dx, memory, 256, copies), 0);
        assert_int_equal(cu.cuEventRecord(filled, copies), 0);
        if (fault != 1)
            assert_int_equal(cu.cuStreamWaitEvent(kernels, filled, 0), 0);
        assert_int_equal(cu.cuLaunchKernel(kernel, 1, 1, 1, 64, 1, 1, 0, kernels, params, NULL), 0);
        assert_int_equal(cu.cuEventRecord(used, kernels), 0);
        if (i == 1)
            assert_int_equal(cu.cuStreamSynchronize(kernels), 0);
    }
    if (fault == 3) /* the kernel may still read what the memset writes */
        assert_int_equal(cu.cuMemsetD8_v2(dx, 0, 256), 0);
    assert_int_equal(cu.cuCtxSynchronize(), 0);
    vm_get(zeros, dy, 256);
    assert_int_equal(cu.cuMemsetD8_v2(dx, 0, 256), 0);
    assert_int_equal(cu.cuStreamDestroy_v2(kernels), 0);
    assert_int_equal(cu.cuStreamDestroy_v2(copies), 0);
}

static void window_on_two_streams(void **state)
{
    (void)state;
    for (int fault = 0; fault < 4; fault++) {
        print_message("fault %d\n", fault);
        fill_and_read(fault);
        expect_reports(fault ? "race" : NULL);
    }
}

int main(void)
{
    setenv("PTXVM_KEEP_GOING", "1", 1);
    setenv("PTXVM_LIMIT", "100000", 1);
    setenv("PTXVM_LOG", log_name, 1);
    unlink(log_name);
    vm_open();
    if (!cu.ptxvm_reports)
        return 77; /* a real device reports nothing */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_kernels),          cmocka_unit_test(planted_faults),
        cmocka_unit_test(planted_faults_of_mma),  cmocka_unit_test(memory_faults),
        cmocka_unit_test(faults_between_warps),   cmocka_unit_test(correct_orders),
        cmocka_unit_test(missing_wait),           cmocka_unit_test(freed_memory),
        cmocka_unit_test(host_and_pinned_memory), cmocka_unit_test(host_uses_device_address),
        cmocka_unit_test(streams_without_event),  cmocka_unit_test(window_on_two_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
