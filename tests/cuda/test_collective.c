/* test_collective.c -- what lanes and blocks do together: shuffles, votes, atomics, barriers,
 * matrices, copies. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include "vm.h"

static void no_reports(void)
{
    if (cu.ptxvm_reports)
        assert_int_equal(cu.ptxvm_reports(), 0);
}

static void shuffles_and_votes(void **state)
{
    static const char *const text =
        "extern \"C\" __global__ void k(const int *x, int *y) { int t = threadIdx.x; int a = x[t];"
        "  y[t] = __shfl_xor_sync(~0u, a, 5); y[64+t] = __shfl_down_sync(~0u, a, 3, 16);"
        "  y[128+t] = __shfl_up_sync(~0u, a, 2); y[192+t] = __shfl_sync(~0u, a, t * 7, 8);"
        "  y[256+t] = __ballot_sync(~0u, a & 1); y[320+t] = __any_sync(~0u, a == 3) * 2 +"
        "    __all_sync(~0u, a >= 0); y[384+t] = __popc(__match_any_sync(~0u, a & 3));"
        "  int s = 0; if (t & 1) s = __shfl_xor_sync(0xaaaaaaaau, a, 2);"
        "  else s = __shfl_xor_sync(0x55555555u, a, 4) + 1000; y[448+t] = s;"
        "\n#if __CUDA_ARCH__ >= 800\n int sum = __reduce_add_sync(~0u, a);\n#else\n int sum = a;"
        "  for (int d = 1; d < 32; d *= 2) sum += __shfl_xor_sync(~0u, sum, d);\n#endif\n"
        "  y[512+t] = sum + __syncthreads_count(a & 2)"
        "    + __syncthreads_and(a < 64) * 4 + __syncthreads_or(a == 9) * 8; }";
    int x[64], y[576];
    (void)state;
    for (int i = 0; i < 64; i++)
        x[i] = i * 37 % 64;
    DevicePtr dx = vm_put(x, sizeof x), dy = vm_put(NULL, sizeof y);
    assert_int_equal(vm_run(vm_kernel(text, "k"), 1, 64, 0, (void *[]){&dx, &dy}), 0);
    vm_get(y, dy, sizeof y);
    for (int t = 0; t < 64; t++) {
        int base = t / 32 * 32, l = t % 32, sum = 0, odd = 0, same = 0, three = 0;
        for (int i = base; i < base + 32; i++) {
            sum += x[i];
            odd |= (int)((uint32_t)(x[i] & 1) << (i - base));
            same += (x[i] & 3) == (x[t] & 3);
            three |= x[i] == 3;
        }
        assert_int_equal(y[t], x[base + (l ^ 5)]);
        assert_int_equal(y[64 + t], l % 16 + 3 < 16 ? x[t + 3] : x[t]);
        assert_int_equal(y[128 + t], l >= 2 ? x[t - 2] : x[t]);
        assert_int_equal(y[192 + t], x[base + l / 8 * 8 + t * 7 % 8]);
        assert_int_equal(y[256 + t], odd);
        assert_int_equal(y[320 + t], three * 2 + 1);
        assert_int_equal(y[384 + t], same);
        assert_int_equal(y[448 + t], t & 1 ? x[base + (l ^ 2)] : x[base + (l ^ 4)] + 1000);
        assert_int_equal(y[512 + t], sum + 32 + 4 + 8);
    }
    no_reports();
}

static void atomics(void **state)
{
    static const char *const text =
        "extern \"C\" __global__ void k(float *f, double *d, unsigned *u, unsigned long long *w) {"
        "  int t = blockIdx.x * blockDim.x + threadIdx.x; __shared__ int s; if (!threadIdx.x) s = "
        "0;"
        "  __syncthreads(); atomicAdd(&s, 1); __syncthreads();"
        "  atomicAdd(f, 0.5f); atomicAdd(d, 0.25); atomicAdd(u, s); atomicMax(u + 1, t);"
        "  atomicMin(u + 2, t); atomicXor(u + 3, 1u << (t & 31)); atomicInc(u + 4, 6);"
        "  atomicAdd(w, 1ull << 32); unsigned old = u[8 + t & 15] * 0 + atomicCAS(u + 5, 7, 8);"
        "  atomicExch(u + 6, old); atomicMax((int *)u + 7, -t - 1); }";
    float f = 0;
    double d = 0;
    unsigned u[24] = {0, 0, 1000, 0, 0, 7, 0, 0x80000000u};
    unsigned long long w = 0;
    (void)state;
    DevicePtr df = vm_put(&f, sizeof f), dd = vm_put(&d, sizeof d), du = vm_put(u, sizeof u);
    DevicePtr dw = vm_put(&w, sizeof w);
    void *kernel = vm_kernel(text, "k");
    assert_int_equal(vm_run(kernel, 3, 48, 0, (void *[]){&df, &dd, &du, &dw}), 0);
    vm_get(&f, df, sizeof f);
    vm_get(&d, dd, sizeof d);
    vm_get(u, du, sizeof u);
    vm_get(&w, dw, sizeof w);
    assert_true(f == 72 && d == 36 && w == 144ull << 32);
    assert_int_equal(u[0], 144 * 48);
    assert_int_equal(u[1], 143);
    assert_int_equal(u[2], 0);
    assert_int_equal(u[3], 0xffffu); /* 5 times the low lanes, 4 times the high */
    assert_int_equal(u[4], 144 % 7);
    assert_int_equal(u[5], 8);
    assert_int_equal((int)u[7], -1);
    no_reports();
}

static float bfloat(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, 4);
    bits = (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(&x, &bits, 4);
    return x;
}

/* c = a b for a 16 x 16, b 16 x 8, through shared memory, ldmatrix and mma. */
static void matrices_bf16(void **state)
{
    static const char *const text =
        "extern \"C\" __global__ void k(const float *a, const float *b, float *c) {"
        "  __shared__ __align__(16) unsigned short sa[16 * 24], sb[16 * 8]; int l = threadIdx.x;"
        "  for (int i = l; i < 256; i += 32) { unsigned p; asm(\"cvt.rn.bf16x2.f32 %0, %1, %1;\""
        "    : \"=r\"(p) : \"f\"(a[i])); sa[i / 16 * 24 + i % 16] = p; }"
        "  for (int i = l; i < 128; i += 32) { unsigned p; asm(\"cvt.rn.bf16x2.f32 %0, %1, %1;\""
        "    : \"=r\"(p) : \"f\"(b[i])); sb[i] = p; }"
        "  __syncwarp(); unsigned A[4], B[2]; float C[4] = {1, 2, 3, 4};"
        "  unsigned pa = __cvta_generic_to_shared(sa + (l & 15) * 24 + (l >> 4) * 8);"
        "  unsigned pb = __cvta_generic_to_shared(sb + (l & 15) * 8);"
        "  asm volatile(\"ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\""
        "    : \"=r\"(A[0]), \"=r\"(A[1]), \"=r\"(A[2]), \"=r\"(A[3]) : \"r\"(pa));"
        "  asm volatile(\"ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];\""
        "    : \"=r\"(B[0]), \"=r\"(B[1]) : \"r\"(pb));"
        "  asm volatile(\"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 \""
        "    \"{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\""
        "    : \"+f\"(C[0]), \"+f\"(C[1]), \"+f\"(C[2]), \"+f\"(C[3])"
        "    : \"r\"(A[0]), \"r\"(A[1]), \"r\"(A[2]), \"r\"(A[3]), \"r\"(B[0]), \"r\"(B[1]));"
        "  int g = l / 4, t = l % 4; c[g * 8 + 2 * t] = C[0]; c[g * 8 + 2 * t + 1] = C[1];"
        "  c[(g + 8) * 8 + 2 * t] = C[2]; c[(g + 8) * 8 + 2 * t + 1] = C[3]; }";
    float a[256], b[128], c[128];
    (void)state;
    if (vm_arch < 80)
        skip();
    for (int i = 0; i < 256; i++)
        a[i] = (float)(i * 29 % 101 - 50) * 0.037f;
    for (int i = 0; i < 128; i++)
        b[i] = (float)(i * 31 % 67 - 33) * 0.051f;
    DevicePtr da = vm_put(a, sizeof a), db = vm_put(b, sizeof b), dc = vm_put(NULL, sizeof c);
    assert_int_equal(vm_run(vm_kernel(text, "k"), 1, 32, 0, (void *[]){&da, &db, &dc}), 0);
    vm_get(c, dc, sizeof c);
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 8; column++) {
            double sum = (row < 8 ? 1 : 3) + column % 2;
            for (int k = 0; k < 16; k++)
                sum += (double)bfloat(a[row * 16 + k]) * (double)bfloat(b[k * 8 + column]);
            assert_true(fabs((double)c[row * 8 + column] - sum) < 1e-4);
        }
    no_reports();
}

/* tf32: the product of the two shapes, k8 and k4, on the same operands; and f16 with k8. */
static void matrices_tf32_f16(void **state)
{
    static const char *const text =
        "extern \"C\" __global__ void k(const float *a, const float *b, float *c) {"
        "  int l = threadIdx.x, g = l / 4, t = l % 4; float C[4] = {0}, D[4] = {0}, E[4] = {0};"
        "  float A[4] = {a[g*8+t], a[(g+8)*8+t], a[g*8+t+4], a[(g+8)*8+t+4]};"
        "  float B[2] = {b[t*8+g], b[(t+4)*8+g]};"
        "  for (int i = 0; i < 4; i++) asm(\"cvt.rna.tf32.f32 %0, %0;\" : \"+f\"(A[i]));"
        "  for (int i = 0; i < 2; i++) asm(\"cvt.rna.tf32.f32 %0, %0;\" : \"+f\"(B[i]));"
        "  auto R = [](float x) { return __float_as_uint(x); };"
        "  asm(\"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 \""
        "    \"{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\""
        "    : \"+f\"(C[0]), \"+f\"(C[1]), \"+f\"(C[2]), \"+f\"(C[3])"
        "    : \"r\"(R(A[0])), \"r\"(R(A[1])), \"r\"(R(A[2])), \"r\"(R(A[3])), \"r\"(R(B[0])),"
        "      \"r\"(R(B[1])));"
        "  for (int i = 0; i < 2; i++) asm(\"mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32 \""
        "    \"{%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};\""
        "    : \"+f\"(D[0]), \"+f\"(D[1]), \"+f\"(D[2]), \"+f\"(D[3])"
        "    : \"r\"(R(A[2*i])), \"r\"(R(A[2*i+1])), \"r\"(R(B[i])));"
        "  unsigned P[2], Q; const float *x = a + g * 8 + 2 * t;"
        "  asm(\"cvt.rn.f16x2.f32 %0, %1, %2;\" : \"=r\"(P[0]) : \"f\"(x[1]), \"f\"(x[0]));"
        "  asm(\"cvt.rn.f16x2.f32 %0, %1, %2;\" : \"=r\"(P[1]) : \"f\"(x[65]), \"f\"(x[64]));"
        "  asm(\"cvt.rn.f16x2.f32 %0, %1, %2;\" : \"=r\"(Q) : \"f\"(b[(2*t+1)*8+g]),"
        "    \"f\"(b[2*t*8+g]));"
        "  asm(\"mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6},\""
        "    \"{%0,%1,%2,%3};\" : \"+f\"(E[0]), \"+f\"(E[1]), \"+f\"(E[2]), \"+f\"(E[3])"
        "    : \"r\"(P[0]), \"r\"(P[1]), \"r\"(Q));"
        "  for (int i = 0; i < 4; i++) { int at = (g + i / 2 * 8) * 8 + 2 * t + i % 2;"
        "    c[at] = C[i]; c[128 + at] = D[i]; c[256 + at] = E[i]; } }";
    float a[128], b[64], c[384];
    (void)state;
    if (vm_arch < 80)
        skip();
    for (int i = 0; i < 128; i++)
        a[i] = (float)(i * 29 % 101 - 50) * 0.037f;
    for (int i = 0; i < 64; i++)
        b[i] = (float)(i * 31 % 67 - 33) * 0.051f;
    DevicePtr da = vm_put(a, sizeof a), db = vm_put(b, sizeof b), dc = vm_put(NULL, sizeof c);
    assert_int_equal(vm_run(vm_kernel(text, "k"), 1, 32, 0, (void *[]){&da, &db, &dc}), 0);
    vm_get(c, dc, sizeof c);
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 8; column++) {
            double sum = 0, size = 0;
            for (int k = 0; k < 8; k++) {
                double term = (double)a[row * 8 + k] * (double)b[k * 8 + column];
                sum += term;
                size += fabs(term);
            }
            for (int kind = 0; kind < 3;
                 kind++) /* 10 stored bits, rounded to nearest, each factor */
                assert_true(fabs((double)c[kind * 128 + row * 8 + column] - sum) <=
                            size * 0x1p-10 + 1e-6);
        }
    no_reports();
}

/* Products in double precision, and in half precision with sums in half precision. */
static void matrices_f64_f16(void **state)
{
    static const char *const text =
        "extern \"C\" __global__ void k(const double *a, double *c, unsigned *h) {"
        "  int l = threadIdx.x, g = l / 4, t = l % 4; double C[2] = {1, 2};"
        "  asm(\"mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%0,%1};\""
        "    : \"+d\"(C[0]), \"+d\"(C[1]) : \"d\"(a[g * 4 + t]), \"d\"(a[32 + t * 8 + g]));"
        "  c[g * 8 + 2 * t] = C[0]; c[g * 8 + 2 * t + 1] = C[1]; unsigned D[2] = {0, 0}, A[4], "
        "B[2];"
        "  for (int i = 0; i < 4; i++) A[i] = h[i * 32 + l]; B[0] = h[128 + l]; B[1] = h[160 + l];"
        "  asm(\"mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3,%4,%5}, "
        "{%6,%7},\""
        "    \"{%0,%1};\" : \"+r\"(D[0]), \"+r\"(D[1]) : \"r\"(A[0]), \"r\"(A[1]), \"r\"(A[2]),"
        "    \"r\"(A[3]), \"r\"(B[0]), \"r\"(B[1])); h[192 + l] = D[0]; h[224 + l] = D[1]; }";
    double a[64], c[64];
    uint32_t h[256] = {0};
    (void)state;
    if (vm_arch < 80)
        skip();
    for (int i = 0; i < 64; i++)
        a[i] = (i * 29 % 61 - 30) * 0.37;
    for (int l = 0; l < 32;
         l++) { /* A is all ones; B has 1 where k = n, -2 (0xc000) where k = n + 8 */
        for (int i = 0; i < 4; i++)
            h[i * 32 + l] = 0x3c003c00;
        int n = l / 4, t = l % 4;
        if (n / 2 == t) {
            h[128 + l] = 0x3c00u << (16 * (n % 2));
            h[160 + l] = 0xc000u << (16 * (n % 2));
        }
    }
    DevicePtr da = vm_put(a, sizeof a), dc = vm_put(NULL, sizeof c), dh = vm_put(h, sizeof h);
    assert_int_equal(vm_run(vm_kernel(text, "k"), 1, 32, 0, (void *[]){&da, &dc, &dh}), 0);
    vm_get(c, dc, sizeof c);
    vm_get(h, dh, sizeof h);
    for (int i = 0; i < 64; i++) {
        double sum = 1 + i % 2;
        for (int k = 0; k < 4; k++)
            sum += a[i / 8 * 4 + k] * a[32 + k * 8 + i % 8];
        assert_true(fabs(c[i] - sum) < 1e-12);
    }
    for (int i = 192; i < 256; i++)
        assert_int_equal(h[i], 0xbc00bc00u); /* 1 - 2 */
    no_reports();
}

/* What came with sm_90: stmatrix, elect; and match.all, redux, ldmatrix of one matrix. */
static void newer_instructions(void **state)
{
    static const char *const text =
        "extern \"C\" __global__ void k(unsigned *y, float *z) { int l = threadIdx.x;"
        "  __shared__ __align__(16) unsigned short s[256]; unsigned r[2] = {0, 0};"
        "  unsigned row = __cvta_generic_to_shared(s + (l & 15) * 8), a = l * 2 | (l * 2 + 1) << "
        "16;"
        "  asm volatile(\"stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1, %2};\""
        "    :: \"r\"(row), \"r\"(a), \"r\"(a + 0x400040) : \"memory\"); __syncwarp();"
        "  asm volatile(\"ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];\""
        "    : \"=r\"(r[0]) : \"r\"(row) : \"memory\"); y[l] = r[0]; y[32 + l] = s[64 + l * 2];"
        "  int equal; unsigned same = __match_all_sync(~0u, l / 32, &equal); y[64 + l] = same + "
        "equal;"
        "  unsigned leader; asm volatile(\"{.reg .pred p; elect.sync _|p, 0xffffffff;\""
        "    \"selp.u32 %0, 1, 0, p;}\" : \"=r\"(leader)); y[96 + l] = leader;"
        "  asm volatile(\"red.global.add.v4.f32 [%0], {%1, %2, %1, %2};\" :: \"l\"(z + l % 2 * 4),"
        "    \"f\"(1.f * l), \"f\"(0.5f) : \"memory\");"
        "  y[128 + l] = __reduce_max_sync(~0u, l ^ 21) + __reduce_xor_sync(~0u, 1u << l); }";
    uint32_t y[160];
    float sums[8] = {0};
    (void)state;
    if (vm_arch < 90)
        skip();
    DevicePtr dy = vm_put(NULL, sizeof y), dz = vm_put(sums, sizeof sums);
    assert_int_equal(vm_run(vm_kernel(text, "k"), 1, 32, 0, (void *[]){&dy, &dz}), 0);
    vm_get(y, dy, sizeof y);
    vm_get(sums, dz, sizeof sums);
    assert_true(sums[0] == 240 && sums[1] == 8 && sums[4] == 256 && sums[7] == 8);
    for (uint32_t l = 0; l < 32; l++) {
        uint32_t first = l % 4 * 16 + l / 4; /* element (l / 4, 2 (l % 4)) of the transpose */
        assert_int_equal(y[l], first | (first + 8) << 16);
        uint32_t r = l * 2 / 8, c = l * 2 % 8;
        assert_int_equal(y[32 + l], 64 + c * 8 + r);
        assert_int_equal(y[64 + l], 0);
        assert_int_equal(y[96 + l], l == 0);
        assert_int_equal(y[128 + l], 30u);
    }
    no_reports();
}

static const char *const pipeline = /* sums x in pieces of 64 with two buffers; n pieces */
    "extern \"C\" __global__ void k(const float *x, float *y, int n, int valid) {"
    "  __shared__ __align__(16) float s[2][64]; int t = threadIdx.x; float sum = 0;"
    "  auto fetch = [&](int i) { unsigned to = __cvta_generic_to_shared(&s[i & 1][4 * t]);"
    "    int bytes = max(0, min(16, (valid - i * 64 - 4 * t) * 4));"
    "    asm volatile(\"cp.async.cg.shared.global [%0], [%1], 16, %2;\" :: \"r\"(to),"
    "      \"l\"(x + (bytes ? i * 64 + 4 * t : 0)), \"r\"(bytes) : \"memory\"); };"
    "  if (n > 0) fetch(0); asm volatile(\"cp.async.commit_group;\" ::: \"memory\");"
    "  for (int i = 0; i < n; i++) { if (i + 1 < n) fetch(i + 1);"
    "    asm volatile(\"cp.async.commit_group;\" ::: \"memory\");"
    "    asm volatile(\"cp.async.wait_group WAIT;\" ::: \"memory\"); __syncthreads();"
    "    for (int k = 0; k < 4; k++) sum += s[i & 1][(t * 4 + k + 9) & 63];"
    "    __syncthreads(); }"
    "  y[t] = sum; }";

static char *replace(const char *text, const char *word, const char *with)
{
    const char *at = strstr(text, word);
    assert_non_null(at);
    char *result = malloc(strlen(text) + strlen(with) + 1);
    memcpy(result, text, (size_t)(at - text));
    strcpy(result + (at - text), with);
    strcat(result, at + strlen(word));
    return result;
}

static void asynchronous_copies(void **state)
{
    float x[320], y[16];
    int n = 5, valid = 311;
    (void)state;
    if (vm_arch < 80)
        skip();
    for (int i = 0; i < 320; i++)
        x[i] = (float)(i % 17);
    DevicePtr dx = vm_put(x, sizeof x), dy = vm_put(NULL, sizeof y);
    char *text = replace(pipeline, "WAIT", "1");
    assert_int_equal(vm_run(vm_kernel(text, "k"), 1, 16, 0, (void *[]){&dx, &dy, &n, &valid}), 0);
    free(text);
    vm_get(y, dy, sizeof y);
    for (int t = 0; t < 16; t++) {
        float sum = 0;
        for (int i = 0; i < n; i++)
            for (int k = 0; k < 4; k++) {
                int at = i * 64 + ((t * 4 + k + 9) & 63);
                sum += at < valid ? x[at] : 0;
            }
        assert_true(y[t] == sum);
    }
    no_reports();
}

/* The last block adds up what all have written: fences and an atomic order them. */
static void last_block(void **state)
{
    static const char *const text =
        "__device__ unsigned ticket; extern \"C\" __global__ void k(float *part, float *y) {"
        "  __shared__ bool last; int t = threadIdx.x, b = blockIdx.x; part[b * 64 + t] = b + t;"
        "  __threadfence(); __syncthreads(); if (!t) last = atomicAdd(&ticket, 1) + 1 == gridDim.x;"
        "  __syncthreads(); if (!last) return; float sum = 0;"
        "  for (unsigned i = 0; i < gridDim.x; i++) sum += part[i * 64 + t]; y[t] = sum; }";
    float y[64];
    (void)state;
    DevicePtr part = vm_put(NULL, 7 * 64 * 4), dy = vm_put(NULL, sizeof y);
    assert_int_equal(vm_run(vm_kernel(text, "k"), 7, 64, 0, (void *[]){&part, &dy}), 0);
    vm_get(y, dy, sizeof y);
    for (int t = 0; t < 64; t++)
        assert_true(y[t] == (float)(21 + 7 * t));
    no_reports();
}

static void cooperative_grid(void **state)
{
    static const char *const text =
        "__device__ unsigned count; __device__ void meet(unsigned goal) { __syncthreads();"
        "  if (!threadIdx.x) { __threadfence(); atomicAdd(&count, 1);"
        "    while (*(volatile unsigned *)&count < goal) ; __threadfence(); } __syncthreads(); }"
        "extern \"C\" __global__ void k(int *x) { int b = blockIdx.x, t = threadIdx.x, n = "
        "gridDim.x;"
        "  x[b * 32 + t] = b; meet(n); int v = x[(b + 1) % n * 32 + t]; meet(2 * n);"
        "  x[b * 32 + t] = v; }";
    int x[96];
    (void)state;
    DevicePtr dx = vm_put(NULL, sizeof x);
    void *kernel = vm_kernel(text, "k");
    assert_int_equal(
        cu.cuLaunchCooperativeKernel(kernel, 3, 1, 1, 32, 1, 1, 0, NULL, (void *[]){&dx}), 0);
    assert_int_equal(cu.cuCtxSynchronize(), 0);
    vm_get(x, dx, sizeof x);
    for (int i = 0; i < 96; i++)
        assert_int_equal(x[i], (i / 32 + 1) % 3);
    no_reports();
}

int main(void)
{
    vm_open();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuffles_and_votes),  cmocka_unit_test(atomics),
        cmocka_unit_test(matrices_bf16),       cmocka_unit_test(matrices_tf32_f16),
        cmocka_unit_test(matrices_f64_f16),    cmocka_unit_test(newer_instructions),
        cmocka_unit_test(asynchronous_copies), cmocka_unit_test(last_block),
        cmocka_unit_test(cooperative_grid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
