/* test_arith.c -- arithmetic, the mathematical library, loops, calls, local memory: results as on
 * the host. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include "vm.h"

enum { N = 96 };

static const char *const maths =
    "extern \"C\" __global__ void k(const float *x, float *y, int n) {"
    "  int t = blockIdx.x * blockDim.x + threadIdx.x; if (t >= n) return; float a = x[t];"
    "  y[t] = expf(a); y[n+t] = logf(fabsf(a) + 0.1f); y[2*n+t] = sinf(a * 100.f);"
    "  y[3*n+t] = cosf(a * 1e5f); y[4*n+t] = tanhf(a); y[5*n+t] = powf(fabsf(a), 1.3f);"
    "  y[6*n+t] = erff(a); y[7*n+t] = sqrtf(fabsf(a)); y[8*n+t] = a / (a * a + 0.5f);"
    "  y[9*n+t] = rsqrtf(fabsf(a) + 1.f); y[10*n+t] = fmodf(a * 10.f, 0.7f);"
    "  y[11*n+t] = log1pf(expf(-fabsf(a))); y[12*n+t] = __expf(a); y[13*n+t] = atan2f(a, 2.f);"
    "  y[14*n+t] = rintf(a * 3.f) + floorf(a) + ceilf(a) + truncf(a * 7.f);"
    "  y[15*n+t] = fminf(a, 0.25f) + fmaxf(a, -0.5f); }";

static double reference(int row, double a)
{
    switch (row) {
    case 0:
        return exp(a);
    case 1:
        return log((double)(fabsf((float)a) + 0.1f));
    case 2:
        return sin((double)((float)a * 100.f));
    case 3:
        return cos((double)((float)a * 1e5f));
    case 4:
        return tanh(a);
    case 5:
        return pow(fabs(a), (double)1.3f);
    case 6:
        return erf(a);
    case 7:
        return sqrt(fabs(a));
    case 8:
        return a / (a * a + 0.5);
    case 9:
        return 1 / sqrt(fabs(a) + 1);
    case 10:
        return fmod((double)((float)a * 10.f), (double)0.7f);
    case 11:
        return log1p(exp(-fabs(a)));
    case 12:
        return exp(a);
    case 13:
        return atan2(a, 2);
    case 14:
        return rint((double)((float)a * 3.f)) + floor(a) + ceil(a) +
               trunc((double)((float)a * 7.f));
    default:
        return fmin(a, 0.25) + fmax(a, -0.5);
    }
}

static void functions_of_float(void **state)
{
    static float x[N], y[16 * N];
    int n = N;
    (void)state;
    for (int i = 0; i < N; i++)
        x[i] = (float)(i - N / 2) * 0.07f + 0.011f;
    DevicePtr dx = vm_put(x, sizeof x), dy = vm_put(NULL, sizeof y);
    assert_int_equal(vm_run(vm_kernel(maths, "k"), 2, 64, 0, (void *[]){&dx, &dy, &n}), 0);
    vm_get(y, dy, sizeof y);
    for (int row = 0; row < 16; row++)
        for (int i = 0; i < N; i++) {
            double want = reference(row, (double)x[i]);
            double error = fabs((double)y[row * N + i] - want) / (fabs(want) + 1e-3);
            if (error > 2e-6)
                fail_msg("function %d of %g: %g, not %g", row, (double)x[i], (double)y[row * N + i],
                         want);
        }
}

static void functions_of_double(void **state)
{
    static const char *const text =
        "extern \"C\" __global__ void k(double *x) { int t = threadIdx.x; double a = x[t];"
        "  x[t] = exp(a) + log(a + 10) * sin(a * 50) / sqrt(a * a + 1) + tanh(a) - cos(a)"
        "         + pow(a * a, 0.3) + rsqrt(a * a + 2); }";
    double x[64], y[64];
    (void)state;
    for (int i = 0; i < 64; i++)
        x[i] = (i - 30) * 0.173;
    DevicePtr dx = vm_put(x, sizeof x);
    assert_int_equal(vm_run(vm_kernel(text, "k"), 1, 64, 0, (void *[]){&dx}), 0);
    vm_get(y, dx, sizeof y);
    for (int i = 0; i < 64; i++) {
        double a = x[i];
        double want = exp(a) + log(a + 10) * sin(a * 50) / sqrt(a * a + 1) + tanh(a) - cos(a) +
                      pow(a * a, 0.3) + 1 / sqrt(a * a + 2);
        assert_true(fabs(y[i] - want) <= 1e-12 * (1 + fabs(want)));
    }
}

static void integers(void **state)
{
    static const char *const text =
        "extern \"C\" __global__ void k(const int *x, int *y, unsigned long long *z) {"
        "  int t = threadIdx.x; int a = x[2*t], b = x[2*t+1]; unsigned u = a, v = b;"
        "  y[t] = a / (b | 1) + a % (b | 1); y[64+t] = u / (v | 1) + u % (v | 1);"
        "  y[128+t] = __popc(a) + __clz(b) + __ffs(a) + __brev(b);"
        "  y[192+t] = __umulhi(u, v) + __mulhi(a, b);"
        "  y[256+t] = __byte_perm(a, b, 0x3715) ^ __funnelshift_l(a, b, a >> 3);"
        "  y[320+t] = (a >> (b & 31)) + (u >> (a & 31)) + (a << (b & 15));"
        "  y[384+t] = min(a, b) ^ max(u, v) ^ abs(a) ^ (signed char)a ^ (short)b;"
        "  y[448+t] = (a & b) | (~a & 0x55aa) ^ (b | 7);"
        "  z[t] = (unsigned long long)u * v + (long long)a * b + (z[t] >> (a & 63));"
        "  z[64+t] = __umul64hi(z[64+t], 0x9e3779b97f4a7c15ull) ^ (z[64+t] / (v | 1)); }";
    static int x[128], y[512];
    static unsigned long long z[128], w[128];
    uint64_t random = 7;
    (void)state;
    for (int i = 0; i < 128; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        x[i] = (int)(random >> 32);
        z[i] = w[i] = random ^ random >> 17;
    }
    DevicePtr dx = vm_put(x, sizeof x), dy = vm_put(NULL, sizeof y), dz = vm_put(z, sizeof z);
    assert_int_equal(vm_run(vm_kernel(text, "k"), 1, 64, 0, (void *[]){&dx, &dy, &dz}), 0);
    vm_get(y, dy, sizeof y);
    vm_get(z, dz, sizeof z);
    for (int t = 0; t < 64; t++) {
        int a = x[2 * t], b = x[2 * t + 1];
        uint32_t u = (uint32_t)a, v = (uint32_t)b, reversed = 0;
        uint64_t both = (uint64_t)v << 32 | u;
        uint32_t permuted = 0, selectors[4] = {5, 1, 7, 3};
        for (int i = 0; i < 32; i++)
            reversed |= (v >> i & 1) << (31 - i);
        for (int i = 0; i < 4; i++)
            permuted |= (uint32_t)(both >> (8 * selectors[i]) & 255) << (8 * i);
        assert_int_equal(y[t], a / (b | 1) + a % (b | 1));
        assert_int_equal((uint32_t)y[64 + t], u / (v | 1) + u % (v | 1));
        assert_int_equal(
            (uint32_t)y[128 + t],
            (uint32_t)(__builtin_popcount(u) + (v ? __builtin_clz(v) : 32) + __builtin_ffs(a)) +
                reversed);
        assert_int_equal((uint32_t)y[192 + t],
                         (uint32_t)((uint64_t)u * v >> 32) + (uint32_t)((int64_t)a * b >> 32));
        assert_int_equal((uint32_t)y[256 + t],
                         permuted ^ (uint32_t)((both << (u >> 3 & 31)) >> 32));
        assert_int_equal((uint32_t)y[320 + t],
                         (uint32_t)(a >> (v & 31)) + (u >> (u & 31)) + (u << (v & 15)));
        assert_int_equal((uint32_t)y[384 + t], (uint32_t)(a < b ? a : b) ^ (u > v ? u : v) ^
                                                   (a < 0 ? 0 - u : u) ^ (uint32_t)(signed char)a ^
                                                   (uint32_t)(short)b);
        assert_int_equal((uint32_t)y[448 + t], (u & v) | ((~u & 0x55aa) ^ (v | 7)));
        uint64_t product = (uint64_t)u * v + (uint64_t)((int64_t)a * b) + (w[t] >> (u & 63));
        assert_true(z[t] == product);
        __extension__ unsigned __int128 wide = (unsigned __int128)w[64 + t] * 0x9e3779b97f4a7c15ull;
        assert_true(z[64 + t] == ((uint64_t)(wide >> 64) ^ w[64 + t] / (v | 1)));
    }
}

static void calls_and_local_arrays(void **state)
{
    static const char *const text =
        "struct Pair { float a; int b; };"
        "__device__ __noinline__ Pair helper(Pair p, float s) {"
        "  for (int i = 0; i < p.b; i++) p.a = p.a * s + 1.f; p.b = -p.b; return p; }"
        "__device__ __noinline__ float twice(float x, int n) {"
        "  Pair p = {x, n}; p = helper(p, 0.5f); Pair q = helper({p.a, n + 1}, 0.25f);"
        "  return q.a + p.b; }"
        "extern \"C\" __global__ void k(float *y, const int *index) {"
        "  float local[12]; int t = threadIdx.x;"
        "  for (int i = 0; i < 12; i++) local[i] = t * i;"
        "  for (int i = 0; i < 12; i++) local[index[i]] += i;"
        "  y[t] = t % 3 == 0 ? twice(t, t % 5) : local[index[t % 12]]; }";
    float y[40];
    int index[12];
    (void)state;
    for (int i = 0; i < 12; i++)
        index[i] = i * 5 % 12;
    DevicePtr dy = vm_put(NULL, sizeof y), di = vm_put(index, sizeof index);
    assert_int_equal(vm_run(vm_kernel(text, "k"), 1, 40, 0, (void *[]){&dy, &di}), 0);
    vm_get(y, dy, sizeof y);
    for (int t = 0; t < 40; t++) {
        float want = (float)(t * index[t % 12] + t % 12);
        if (t % 3 == 0) {
            float x = (float)t;
            for (int i = 0; i < t % 5; i++)
                x = x * 0.5f + 1;
            for (int i = 0; i < t % 5 + 1; i++)
                x = x * 0.25f + 1;
            want = x - (float)(t % 5);
        }
        assert_true(fabsf(y[t] - want) < 1e-5f * (1 + fabsf(want)));
    }
}

static void globals_and_constants(void **state)
{
    static const char *const text =
        "__constant__ float table[4] = {1.f, 2.5f, -3.f, 4.f}; __device__ int counter = 5;"
        "__device__ float big[2][3] = {{1, 2, 3}, {4, 5, 6}};"
        "extern \"C\" __global__ void k(float *y, int n) { int t = threadIdx.x;"
        "  switch (t % 5) { case 0: y[t] = table[t & 3]; break; case 1: y[t] = big[1][t % 3]; "
        "break;"
        "  case 2: y[t] = n; break; case 3: y[t] = -n; break; default: y[t] = 7; }"
        "  if (t == 0) counter += n; }";
    float y[32], table[4] = {1, 2.5f, -3, 8};
    int n = 3, counter;
    void *module = NULL, *function;
    DevicePtr address;
    size_t bytes;
    (void)state;
    char *ptx = vm_compile_for(text, vm_arch, NULL);
    assert_int_equal(cu.cuModuleLoadData(&module, ptx), 0);
    free(ptx);
    assert_int_equal(cu.cuModuleGetFunction(&function, module, "k"), 0);
    assert_int_equal(cu.cuModuleGetGlobal_v2(&address, &bytes, module, "table"), 0);
    assert_int_equal(bytes, 16);
    assert_int_equal(cu.cuMemcpyHtoD_v2(address, table, sizeof table), 0);
    DevicePtr dy = vm_put(NULL, sizeof y);
    assert_int_equal(vm_run(function, 1, 32, 0, (void *[]){&dy, &n}), 0);
    vm_get(y, dy, sizeof y);
    for (int t = 0; t < 32; t++) {
        float want[5] = {table[t & 3], (float)(4 + t % 3), 3, -3, 7};
        assert_true(y[t] == want[t % 5]);
    }
    assert_int_equal(cu.cuModuleGetGlobal_v2(&address, &bytes, module, "counter"), 0);
    vm_get(&counter, address, sizeof counter);
    assert_int_equal(counter, 8);
    assert_int_equal(cu.cuModuleUnload(module), 0);
    assert_int_not_equal(vm_run(function, 1, 32, 0, (void *[]){&dy, &n}), 0);
}

static void half_types(void **state)
{
    static const char *const text =
        "extern \"C\" __global__ void k(const float *x, unsigned *y, float *z) {"
        "  int t = threadIdx.x; unsigned p, q, r; float f; unsigned short h;"
        "  asm(\"cvt.rn.bf16x2.f32 %0, %1, %2;\" : \"=r\"(p) : \"f\"(x[t]), \"f\"(x[t+1]));"
        "  asm(\"cvt.rn.f16x2.f32 %0, %1, %2;\" : \"=r\"(q) : \"f\"(x[t]), \"f\"(x[t+1]));"
        "  asm(\"cvt.rna.tf32.f32 %0, %1;\" : \"=r\"(r) : \"f\"(x[t]));"
        "  asm(\"cvt.rn.f16.f32 %0, %1;\" : \"=h\"(h) : \"f\"(x[t]));"
        "  asm(\"cvt.f32.f16 %0, %1;\" : \"=f\"(f) : \"h\"(h));"
        "  y[t] = p; y[32+t] = q; y[64+t] = r; z[t] = f;"
        "  asm(\"fma.rn.f16x2 %0, %1, %1, %1;\" : \"=r\"(q) : \"r\"(q)); y[96+t] = q; }";
    float x[33], z[32];
    uint32_t y[128];
    (void)state;
    for (int i = 0; i < 33; i++)
        x[i] = (float)(i - 11) * 0.317f * (i % 4 == 0 ? 1e-6f : 1);
    DevicePtr dx = vm_put(x, sizeof x), dy = vm_put(NULL, sizeof y), dz = vm_put(NULL, sizeof z);
    assert_int_equal(vm_run(vm_kernel(text, "k"), 1, 32, 0, (void *[]){&dx, &dy, &dz}), 0);
    vm_get(y, dy, sizeof y);
    vm_get(z, dz, sizeof z);
    for (int t = 0; t < 32; t++) {
        uint32_t bits;
        memcpy(&bits, &x[t], 4);
        float high, tf;
        uint32_t upper = y[t] & 0xffff0000u;
        memcpy(&high, &upper, 4);
        memcpy(&tf, &y[64 + t], 4);
        assert_true(fabsf(high - x[t]) <= fabsf(x[t]) / 256);
        assert_true(fabsf(tf - x[t]) <= fabsf(x[t]) / 2048);
        assert_int_equal(y[64 + t] & 0x1fffu, 0);
        assert_true(fabsf(z[t] - x[t]) <= fabsf(x[t]) / 2048 + 0x1p-25f);
    }
}

static long long saturated(double x, double least, double most)
{
    if (x != x)
        return 0;
    return x <= least ? (long long)least : x >= most ? (long long)most : (long long)x;
}

/* Roundings, saturation, not-a-numbers. */
static void conversions(void **state)
{
    static const char *const text =
        "extern \"C\" __global__ void k(const float *x, int *y, long long *z, float *f, const "
        "double *d) {"
        "  int t = threadIdx.x; float a = x[t]; y[t] = __float2int_rz(a); y[16+t] = "
        "__float2int_rn(a);"
        "  y[32+t] = __float2int_rd(a); y[48+t] = __float2int_ru(a); y[64+t] = __float2uint_rz(a);"
        "  z[t] = __float2ll_rz(a); z[16+t] = __double2ll_rn(d[t]); f[t] = __saturatef(a);"
        "  f[16+t] = __double2float_rz(d[t]); f[32+t] = __double2float_ru(d[t]);"
        "  f[48+t] = __ll2float_rn((long long)d[t] * 3 + t); f[64+t] = __fadd_rz(a, 1e-3f);"
        "  f[80+t] = __fmul_ru(a, 1.1f); f[96+t] = __fmaf_rd(a, 1.1f, 0.3f); }";
    const float big = 3e9f;
    float x[16] = {0,        -0.5f,     1.5f, 2.5f,  -2.5f,  1e10f, -1e10f, NAN,
                   INFINITY, -INFINITY, big,  1e20f, -1e20f, 0.3f,  1e-40f, -7.99f};
    double d[16];
    int y[80];
    long long z[32];
    float f[112];
    (void)state;
    for (int i = 0; i < 16; i++)
        d[i] = (i - 7) * 123456789.4321;
    DevicePtr dx = vm_put(x, sizeof x), dy = vm_put(NULL, sizeof y), dz = vm_put(NULL, sizeof z);
    DevicePtr df = vm_put(NULL, sizeof f), dd = vm_put(d, sizeof d);
    void *params[] = {&dx, &dy, &dz, &df, &dd};
    assert_int_equal(vm_run(vm_kernel(text, "k"), 1, 16, 0, params), 0);
    vm_get(y, dy, sizeof y);
    vm_get(z, dz, sizeof z);
    vm_get(f, df, sizeof f);
    for (int i = 0; i < 16; i++) {
        double a = (double)x[i];
        assert_int_equal(y[i], saturated(trunc(a), -2147483648.0, 2147483647));
        assert_int_equal(y[16 + i], saturated(rint(a), -2147483648.0, 2147483647));
        assert_int_equal(y[32 + i], saturated(floor(a), -2147483648.0, 2147483647));
        assert_int_equal(y[48 + i], saturated(ceil(a), -2147483648.0, 2147483647));
        assert_int_equal((uint32_t)y[64 + i], (uint32_t)saturated(trunc(a), 0, 4294967295.0));
        if (a != a || fabs(a) > 1e19)
            assert_true(z[i] == (a > 0 ? INT64_MAX : INT64_MIN));
        else
            assert_true(z[i] == (long long)a);
        assert_true(z[16 + i] == llrint(d[i]));
        assert_true(f[i] == (a > 0 ? (a < 1 ? x[i] : 1) : 0));
        assert_true(fabs((double)f[16 + i]) <= fabs(d[i]));
        assert_true((double)f[32 + i] >= d[i]);
        assert_true((double)f[32 + i] - (double)f[16 + i] <= fabs(d[i]) * 0x1p-22);
        assert_true(f[48 + i] == (float)((long long)d[i] * 3 + i));
        if (a != a || isinf(a))
            continue;
        double sum = a + (double)1e-3f, product = a * (double)1.1f;
        assert_true(fabs((double)f[64 + i]) <= fabs(sum) &&
                    fabs((double)f[64 + i] - sum) <= fabs(sum) * 0x1p-23);
        assert_true((double)f[80 + i] >= product &&
                    (double)f[80 + i] - product <= fabs(product) * 0x1p-23 + 0x1p-149);
        assert_true((double)f[96 + i] <= product + (double)0.3f + fabs(product) * 0x1p-50);
    }
}

/* A table of targets, nested scopes and labels of the same name, carries, a guarded return. */
static void written_by_hand(void **state)
{
    static const char *const text =
        ".version 7.0\n.target sm_75\n.address_size 64\n"
        ".visible .entry k(.param .u64 p)\n{\n"
        ".reg .b32 %r<9>; .reg .b64 %rd<9>; .reg .pred %p<4>;\n"
        "ld.param.u64 %rd1, [p]; mov.u32 %r1, %tid.x; mul.wide.u32 %rd2, %r1, 4;\n"
        "add.s64 %rd3, %rd1, %rd2; and.b32 %r2, %r1, 3; mov.u32 %r3, 0;\n"
        "table: .branchtargets A, B, C, B;\n"
        "brx.idx %r2, table;\n"
        "A: add.u32 %r3, %r3, 100; bra.uni DONE;\n"
        "B: { .reg .b32 %r3; mov.b32 %r3, 5; L: sub.u32 %r3, %r3, 1; setp.ne.u32 %p1, %r3, 0;\n"
        "@%p1 bra L; mov.u32 %r4, %r3; }\n"
        "{ L: add.u32 %r3, %r3, 7; setp.lt.u32 %p1|%p2, %r3, 20; @!%p2 bra L; }\n"
        "bra DONE;\n"
        "C: add.cc.u32 %r5, 0xffffffff, %r1; addc.u32 %r3, 40, 0;\n"
        "setp.gt.and.u32 %p3, %r1, 20, !%p0; mov.pred %p0, %p3;\n"
        "DONE: st.global.u32 [%rd3], %r3; setp.eq.u32 %p1, %r1, 6; @%p1 ret;\n"
        "st.global.u32 [%rd3+128], %r1;\n}\n";
    unsigned y[64];
    (void)state;
    DevicePtr dy = vm_put(NULL, sizeof y);
    assert_int_equal(vm_run(vm_kernel(text, "k"), 1, 32, 0, (void *[]){&dy}), 0);
    vm_get(y, dy, sizeof y);
    for (unsigned t = 0; t < 32; t++) {
        unsigned want[4] = {100, 21, 41, 21};
        assert_int_equal(y[t], want[t & 3]);
        if (t != 6)
            assert_int_equal(y[32 + t], t);
    }
    assert_int_equal(y[38], 0xffffffffu);
}

int main(void)
{
    vm_open();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_float),
        cmocka_unit_test(functions_of_double),
        cmocka_unit_test(integers),
        cmocka_unit_test(calls_and_local_arrays),
        cmocka_unit_test(globals_and_constants),
        cmocka_unit_test(half_types),
        cmocka_unit_test(written_by_hand),
        cmocka_unit_test(conversions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
