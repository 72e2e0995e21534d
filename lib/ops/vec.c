/* SPDX-License-Identifier: Apache-2.0
 * Which instance of the inner loops runs here.
 */
#include "ops/vec/vec.h"

#include <string.h>
#include "base/mem.h"

#define INSTANCE(i) \
    extern const struct vec_gemm vec_gemm_##i; \
    extern const struct vec_attn vec_attn_##i; \
    extern const struct vec_rows vec_rows_##i; \
    extern const struct vec_soft vec_soft_##i; \
    extern const struct vec_optim vec_optim_##i; \
    static const struct vec i = { #i, &vec_gemm_##i, NULL, &vec_attn_##i, &vec_rows_##i, &vec_soft_##i, &vec_optim_##i };

INSTANCE(base)

#if defined(__x86_64__)
INSTANCE(avx2)
INSTANCE(avx512)
extern const struct vec_fixed vec_fixed_vnni;
static const struct vec vnni = { "vnni", &vec_gemm_avx512, &vec_fixed_vnni, &vec_attn_avx512, &vec_rows_avx512, &vec_soft_avx512, &vec_optim_avx512 };

static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static bool has_vnni(void) { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
#endif

const struct vec *vec_named(const char *isa)
{
    if (!strcmp(isa, "base")) return &base;
#if defined(__x86_64__)
    if (!strcmp(isa, "avx2") && has_avx2()) return &avx2;
    if (!strcmp(isa, "avx512") && has_avx512()) return &avx512;
    if (!strcmp(isa, "vnni") && has_vnni()) return &vnni;
#endif
    return NULL;
}

const struct vec *vec_best(void)
{
    static const char *const order[] = { "vnni", "avx512", "avx2" };
    for (int i = 0; i < countof(order); i++) {
        const struct vec *v = vec_named(order[i]);
        if (v) return v;
    }
    return &base;
}
