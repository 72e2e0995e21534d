/* SPDX-License-Identifier: Apache-2.0
 * One vector type of the ISA this file is compiled for, on the compiler's vector extensions. Every file of this folder
 * is compiled once per ISA (isa.mk) with VEC_ISA set; VEC(name) is the name's instance.
 */
#ifndef OPS_VEC_SIMD_H
#define OPS_VEC_SIMD_H

#include <stdint.h>
#include <string.h>
#include "ops/vec/vec.h"

#define VEC__(name, isa) vec_##name##_##isa
#define VEC_(name, isa) VEC__(name, isa)
#define VEC(name) VEC_(name, VEC_ISA)
#define INLINE static inline __attribute__((always_inline))

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(__AVX512F__)
enum { VL = 16 };                              /* floats in a vector */
#elif defined(__AVX__)
enum { VL = 8 };
#else
enum { VL = 4 };
#endif

typedef float    vf __attribute__((vector_size(4 * VL)));
typedef int32_t  vi __attribute__((vector_size(4 * VL)));
typedef uint32_t vu __attribute__((vector_size(4 * VL)));
typedef uint16_t vh __attribute__((vector_size(2 * VL)));

INLINE vf vf_load(const float *p) { vf v; memcpy(&v, p, sizeof v); return v; }
INLINE void vf_store(float *p, vf v) { memcpy(p, &v, sizeof v); }
INLINE vf vf_all(float x) { return x - (vf){ 0 }; }      /* x + 0 would lose the sign of -0 */

INLINE vf vf_from_bf16(vh h) { return (vf)(__builtin_convertvector(h, vu) << 16); }

/* To nearest, ties to even; a NaN stays one. */
INLINE vh vf_to_bf16(vf v)
{
    vu u = (vu)v, nan = (vu)(v != v);
    vu r = (u + 0x7fff + (u >> 16 & 1)) >> 16;
    return __builtin_convertvector((nan & (u >> 16 | 0x40)) | (~nan & r), vh);
}

/* Elements [i, i + VL) of an array of either dtype; t is a constant wherever this is inlined. */
INLINE vf vt_load(const void *p, enum dtype t, int64_t i)
{
    if (t == DT_F32) return vf_load((const float *)p + i);
    vh h;
    memcpy(&h, (const uint16_t *)p + i, sizeof h);
    return vf_from_bf16(h);
}

INLINE void vt_store(void *p, enum dtype t, int64_t i, vf v)
{
    if (t == DT_F32) { vf_store((float *)p + i, v); return; }
    vh h = vf_to_bf16(v);
    memcpy((uint16_t *)p + i, &h, sizeof h);
}

/* The first n < VL lanes; the others are 0. */
INLINE vf vt_load_n(const void *p, enum dtype t, int64_t i, int n)
{
    char tmp[4 * VL] = { 0 };
    memcpy(tmp, (const char *)p + (size_t)i * dtype_size(t), (size_t)n * dtype_size(t));
    return vt_load(tmp, t, 0);
}

INLINE void vt_store_n(void *p, enum dtype t, int64_t i, int n, vf v)
{
    char tmp[4 * VL];
    vt_store(tmp, t, 0, v);
    memcpy((char *)p + (size_t)i * dtype_size(t), tmp, (size_t)n * dtype_size(t));
}

INLINE vf vf_select(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
INLINE vf vf_max(vf a, vf b) { return vf_select(a > b, a, b); }      /* b where either is NaN */
INLINE vf vf_min(vf a, vf b) { return vf_select(a < b, a, b); }

/* Sum and maximum of the lanes in a fixed order: halves are folded together. */
INLINE float vf_sum(vf v)
{
    float a[VL];
    vf_store(a, v);
    for (int h = VL / 2; h > 0; h /= 2)
        for (int i = 0; i < h; i++) a[i] += a[i + h];
    return a[0];
}

INLINE float vf_top(vf v)
{
    float a[VL];
    vf_store(a, v);
    for (int h = VL / 2; h > 0; h /= 2)
        for (int i = 0; i < h; i++) a[i] = a[i] > a[i + h] ? a[i] : a[i + h];
    return a[0];
}

#endif
