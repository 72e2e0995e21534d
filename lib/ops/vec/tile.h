/* SPDX-License-Identifier: Apache-2.0
 * Shared by the products of gemm.c and attn.c: the size of a register tile, and keys turned into columns.
 */
#ifndef OPS_VEC_TILE_H
#define OPS_VEC_TILE_H

#include "ops/vec/simd.h"

enum { NV = 2, NR = NV * VL, MR = VL == 16 ? 12 : VL == 8 ? 6 : 4 };   /* MR * NV accumulators, NV of B, one of A */

/* CASE(n) for each number of rows that a tile may have, for loops that are unrolled over them. */
#if defined(__AVX512F__)
#define EACH_ROWS(CASE) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#elif defined(__AVX__)
#define EACH_ROWS(CASE) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#else
#define EACH_ROWS(CASE) CASE(1) CASE(2) CASE(3) CASE(4)
#endif

enum { LINE = 64, STAGE = LINE + 16 };         /* bytes; rows of a stage are no power of two apart */

/* Bytes [from, from + bytes) of n rows, zeros around them. Each line of the source is touched once: where its rows are a
 * power of two apart they push each other out of the cache. */
INLINE void stage(char *to, const char *src, int64_t step, int n, int bytes)
{
    if (n == VL && bytes == LINE) {
        UNROLL
        for (int i = 0; i < VL; i++) memcpy(to + i * STAGE, src + i * step, LINE);
        return;
    }
    memset(to, 0, (size_t)VL * STAGE);
    for (int i = 0; i < n; i++) memcpy(to + i * STAGE, src + i * step, (size_t)bytes);
}

/* VL rows of four words each, `step` bytes apart -> four vectors of VL words. */
INLINE void transpose4(vf out[4], const char *src, int64_t step)
{
#if defined(__AVX512F__)
    __m512 r[4];
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_castps128_ps512(_mm_loadu_ps((const float *)(const void *)(src + i * step)));
        r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps((const float *)(const void *)(src + (i + 4) * step)), 1);
        r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps((const float *)(const void *)(src + (i + 8) * step)), 2);
        r[i] = _mm512_insertf32x4(r[i], _mm_loadu_ps((const float *)(const void *)(src + (i + 12) * step)), 3);
    }
    __m512 a = _mm512_unpacklo_ps(r[0], r[1]), b = _mm512_unpackhi_ps(r[0], r[1]);
    __m512 c = _mm512_unpacklo_ps(r[2], r[3]), d = _mm512_unpackhi_ps(r[2], r[3]);
    out[0] = _mm512_shuffle_ps(a, c, 0x44);
    out[1] = _mm512_shuffle_ps(a, c, 0xee);
    out[2] = _mm512_shuffle_ps(b, d, 0x44);
    out[3] = _mm512_shuffle_ps(b, d, 0xee);
#elif defined(__AVX__)
    __m256 r[4];
    for (int i = 0; i < 4; i++)
        r[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps((const float *)(const void *)(src + i * step))),
                                    _mm_loadu_ps((const float *)(const void *)(src + (i + 4) * step)), 1);
    __m256 a = _mm256_unpacklo_ps(r[0], r[1]), b = _mm256_unpackhi_ps(r[0], r[1]);
    __m256 c = _mm256_unpacklo_ps(r[2], r[3]), d = _mm256_unpackhi_ps(r[2], r[3]);
    out[0] = _mm256_shuffle_ps(a, c, 0x44);
    out[1] = _mm256_shuffle_ps(a, c, 0xee);
    out[2] = _mm256_shuffle_ps(b, d, 0x44);
    out[3] = _mm256_shuffle_ps(b, d, 0xee);
#else
    float r[4][VL];
    for (int i = 0; i < VL; i++)
        for (int j = 0; j < 4; j++) memcpy(&r[j][i], src + i * step + 4 * j, sizeof r[j][i]);
    for (int j = 0; j < 4; j++) out[j] = vf_load(r[j]);
#endif
}

/* 16 bytes of each of VL rows, `step` bytes apart, as vectors of rows: steps of k, or dims. A word of bf16 holds two, the
 * first in its lower half. */
#define PER_16(t) ((t) == DT_F32 ? 4 : 8)
INLINE void columns(vf out[8], const char *src, int64_t step, enum dtype t)
{
    vf w[4];
    transpose4(w, src, step);
    for (int i = 0; i < 4; i++) {
        if (t == DT_F32) { out[i] = w[i]; continue; }
        out[2 * i] = (vf)((vu)w[i] << 16);
        out[2 * i + 1] = (vf)((vu)w[i] & 0xffff0000);
    }
}

/* Brings n elements nearer: keys and values lie in short pieces far apart, which the hardware does not foresee. */
INLINE void fetch(const void *src, enum dtype t, int64_t at, int n)
{
    const char *p = (const char *)src + (size_t)at * dtype_size(t);
    for (size_t i = 0; i < (size_t)n * dtype_size(t); i += 64) __builtin_prefetch(p + i);
}

#endif
