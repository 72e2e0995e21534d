/* SPDX-License-Identifier: Apache-2.0
 * Elements and packs of them. Arithmetic is in float; memory holds float or bf16. A pack of N neighbours is loaded and
 * stored at once (up to 16 bytes at a time): N is 8, or 4 where there is float among what it goes through, if every row of
 * every matrix of a call starts at a multiple of 16 bytes and has a multiple of 8 columns, else 1.
 */
#ifndef KERNELS_BF16_H
#define KERNELS_BF16_H

#include <stdint.h>
#ifndef GPU_EMULATED
#include <cuda_bf16.h>
#endif

struct bf16 { uint16_t bits; };

static __device__ __forceinline__ float to_float(float x) { return x; }
static __device__ __forceinline__ float to_float(struct bf16 x)
{
    uint32_t u = (uint32_t)x.bits << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/* To nearest, ties to even. */
static __device__ __forceinline__ void from_float(float *to, float x) { *to = x; }
static __device__ __forceinline__ void from_float(struct bf16 *to, float x)
{
#ifdef GPU_EMULATED
    uint32_t u;
    memcpy(&u, &x, 4);
    to->bits = (uint16_t)(x != x ? u >> 16 | 0x40 : (u + 0x7fff + (u >> 16 & 1)) >> 16);
#else
    to->bits = __bfloat16_as_ushort(__float2bfloat16_rn(x));
#endif
}

template <class T, int N> struct __align__(sizeof(T) * N < 16 ? sizeof(T) * N : 16) pack { T v[N]; };

template <class T, int N> static __device__ __forceinline__ void load(float *x, const T *p)
{
    pack<T, N> k = *(const pack<T, N> *)p;
    for (int i = 0; i < N; i++) x[i] = to_float(k.v[i]);
}

template <class T, int N> static __device__ __forceinline__ void store(T *p, const float *x)
{
    pack<T, N> k;
    for (int i = 0; i < N; i++) from_float(&k.v[i], x[i]);
    *(pack<T, N> *)p = k;
}

#endif
