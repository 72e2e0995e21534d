/* SPDX-License-Identifier: Apache-2.0
 * One vector type of the ISA this file is compiled for, on the compiler's vector extensions. Every file of this folder
 * is compiled once per ISA (isa.mk) with VEC_ISA set; VEC(name) is the name's instance.
 */
#ifndef OPS_VEC_SIMD_H
#define OPS_VEC_SIMD_H

#include <stdint.h>
#include <string.h>
#include "ops/vec/vec.h"
#if defined(__AVX__)
#include <immintrin.h>
#endif

#define VEC__(name, isa) vec_##name##_##isa
#define VEC_(name, isa) VEC__(name, isa)
#define VEC(name) VEC_(name, VEC_ISA)
#define INLINE static inline __attribute__((always_inline))

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL2 _Pragma("clang loop unroll_count(2)")
#elif defined(__SANITIZE_ADDRESS__)             /* its checks of every access, sixteenfold, take minutes to compile */
#define UNROLL _Pragma("GCC unroll 1")
#define UNROLL2 _Pragma("GCC unroll 1")
#else
#define UNROLL _Pragma("GCC unroll 16")
#define UNROLL2 _Pragma("GCC unroll 2")
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
#if defined(__AVX512F__)
    __mmask16 m = (__mmask16)((1u << n) - 1);
    if (t == DT_F32) return (vf)_mm512_maskz_loadu_ps(m, (const float *)p + i);
    return vf_from_bf16((vh)_mm256_maskz_loadu_epi16(m, (const uint16_t *)p + i));
#else
    char tmp[4 * VL] = { 0 };
    memcpy(tmp, (const char *)p + (size_t)i * dtype_size(t), (size_t)n * dtype_size(t));
    return vt_load(tmp, t, 0);
#endif
}

INLINE void vt_store_n(void *p, enum dtype t, int64_t i, int n, vf v)
{
#if defined(__AVX512F__)
    __mmask16 m = (__mmask16)((1u << n) - 1);
    if (t == DT_F32) _mm512_mask_storeu_ps((float *)p + i, m, (__m512)v);
    else _mm256_mask_storeu_epi16((uint16_t *)p + i, m, (__m256i)vf_to_bf16(v));
#else
    char tmp[4 * VL];
    vt_store(tmp, t, 0, v);
    memcpy((char *)p + (size_t)i * dtype_size(t), tmp, (size_t)n * dtype_size(t));
#endif
}

INLINE vi vi_lanes(void)                       /* 0, 1, 2, ... */
{
    vi lane;
    for (int i = 0; i < VL; i++) lane[i] = i;
    return lane;
}

INLINE vf vf_select(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
INLINE vf vf_max(vf a, vf b) { return vf_select(a > b, a, b); }      /* b where either is NaN */
INLINE vf vf_min(vf a, vf b) { return vf_select(a < b, a, b); }

/* Sum and maximum of the lanes in a fixed order: halves are folded together. */
typedef float v4 __attribute__((vector_size(16)));
typedef int32_t vi4 __attribute__((vector_size(16)));

INLINE v4 v4_max(v4 a, v4 b)
{
    vi4 m = a > b;
    return (v4)((m & (vi4)a) | (~m & (vi4)b));
}

#if defined(__AVX512F__)
#define FOLD(v, plus) plus(plus((v4)_mm512_castps512_ps128((__m512)(v)), (v4)_mm512_extractf32x4_ps((__m512)(v), 2)), \
                           plus((v4)_mm512_extractf32x4_ps((__m512)(v), 1), (v4)_mm512_extractf32x4_ps((__m512)(v), 3)))
#elif defined(__AVX__)
#define FOLD(v, plus) plus((v4)_mm256_castps256_ps128((__m256)(v)), (v4)_mm256_extractf128_ps((__m256)(v), 1))
#else
#define FOLD(v, plus) (v)
#endif

INLINE v4 v4_add(v4 a, v4 b) { return a + b; }

INLINE float vf_sum(vf v)
{
    v4 a = FOLD(v, v4_add);
    return (a[0] + a[2]) + (a[1] + a[3]);
}

INLINE float vf_top(vf v)
{
    v4 a = FOLD(v, v4_max);
    float x = a[0] > a[2] ? a[0] : a[2], y = a[1] > a[3] ? a[1] : a[3];
    return x > y ? x : y;
}

#endif
