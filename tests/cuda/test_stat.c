/* test_stat.c -- the counts of PTXVM_STAT: instructions, sectors, bank conflicts, as worked out by
 * hand. */
#define _POSIX_C_SOURCE 200809L
#include "vm.h"

static const char *const stat_name = "stat.json";

static const char *const text =
    "extern \"C\" __global__ void k(const float *x, float *y, const float4 *z) {"
    "  __shared__ float s[32 * 33]; int t = threadIdx.x;"
    "  y[t] = x[t];"                                /* 4 sectors, 4 sectors */
    "  y[t * 8 + 32] = x[t * 2 + 1];"               /* 8 and 32 */
    "  float4 v = z[t];"                            /* 16 */
    "  s[t] = v.x; __syncthreads();"                /* 1 wavefront */
    "  s[t * 32] = v.y; __syncthreads();"           /* 32 */
    "  s[t * 33] = v.z; __syncthreads();"           /* 1 */
    "  s[t * 4 + 3] = v.w; __syncthreads();"        /* 4 */
    "  ((float4 *)s)[t] = v; __syncthreads();"      /* 4 */
    "  float a = s[7] + s[t * 2]; __syncthreads();" /* 1 + 2 */
    "  for (int i = 0; i < 10; i++) a = fmaf(a, v.x, v.y);"
    "  y[t] = a; }"; /* 4 sectors */

/* The number behind "name": in the text. */
static long number(const char *json, const char *name)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\": ", name);
    const char *at = strstr(json, quoted);
    if (!at)
        fail_msg("no %s in %s", name, json);
    return strtol(at + strlen(quoted), NULL, 10);
}

static void counts(void **state)
{
    static char json[1 << 16];
    static float x[320];
    (void)state;
    DevicePtr dx = vm_put(x, sizeof x), dy = vm_put(NULL, sizeof x), dz = vm_put(x, sizeof x);
    void *kernel = vm_kernel(text, "k"), *params[] = {&dx, &dy, &dz};
    assert_int_equal(vm_run(kernel, 1, 32, 0, params), 0);
    assert_int_equal(vm_run(kernel, 1, 32, 0, params), 0);
    vm_get(x, dy, sizeof x);
    assert_true(x[0] == 0);
    assert_int_equal(cu.cuDevicePrimaryCtxRelease_v2(0), 0); /* writes the file */
    FILE *file = fopen(stat_name, "r");
    assert_non_null(file);
    json[fread(json, 1, sizeof json - 1, file)] = 0;
    fclose(file);
    assert_non_null(strstr(json, "\"kernel\": \"k\""));
    assert_int_equal(number(json, "launches"), 2);
    assert_int_equal(number(json, "barriers"), 2 * 6);
    assert_int_equal(number(json, "fma"), 2 * 32 * 10);
    assert_int_equal(number(json, "global_requests"), 2 * 6);
    assert_int_equal(number(json, "global_sectors"), 2 * (4 + 4 + 8 + 32 + 16 + 4));
    assert_int_equal(number(json, "shared_wavefronts"), 2 * (1 + 32 + 1 + 4 + 1 + 2 + 4));
    assert_int_equal(number(json, "barrier"), 2 * 6);
    assert_int_equal(number(json, "mma"), 0);
    assert_true(number(json, "warp_instructions") > 2 * 30);
    assert_true(number(json, "warp_instructions") < 2 * 100);
}

int main(void)
{
    setenv("PTXVM_STAT", stat_name, 1);
    vm_open();
    if (!cu.ptxvm_reports)
        return 77;
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
