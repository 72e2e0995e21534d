/* SPDX-License-Identifier: Apache-2.0
 * Tensor cores as warps see them, bf16 with float sums: mma.sync m16n8k16, ldmatrix, cp.async (PTX ISA, "Warp-level Matrix
 * Instructions", "cp.async"). On the host the same fragments go through an exchange of the warp, so kernels written with
 * these run under the emulation too. All need sm_80 or later and the whole warp.
 *
 * Fragments of lane l, g = l / 4, t = l % 4, two bf16 in each register, the lower column (of B: row) in the low half:
 *   A [16, 16]  a[0] (g, 2t..)  a[1] (g + 8, 2t..)  a[2] (g, 2t + 8..)  a[3] (g + 8, 2t + 8..)
 *   B [16, 8]   b[0] (2t.., g)  b[1] (2t + 8.., g)            C, D [16, 8]  d[0], d[1] (g, 2t..)  d[2], d[3] (g + 8, 2t..)
 */
#ifndef KERNELS_MMA_H
#define KERNELS_MMA_H

#include "gpu.h"

/* Loops over registers must unroll; some must not, for want of registers. */
#ifdef GPU_EMULATED
#define UNROLL
#define ROLLED
#else
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")
#endif

#ifdef GPU_EMULATED

static __forceinline__ float mma_half(uint32_t r, int high) { struct bf16 h = { (uint16_t)(high ? r >> 16 : r) }; return to_float(h); }

/* d += a b */
EMU_REGISTERS static void mma_16816(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    struct regs { uint32_t a[4], b[2]; } mine;
    memcpy(mine.a, a, sizeof mine.a);
    memcpy(mine.b, b, sizeof mine.b);
    const uint8_t *all = emu_exchange(&mine, sizeof mine, FULL_WARP, __FILE__, __LINE__);
    unsigned g = emu_lane() / 4, t = emu_lane() % 4;
    for (unsigned i = 0; i < 4; i++) {
        unsigned row = g + i / 2 * 8, col = 2 * t + i % 2;
        for (unsigned k = 0; k < 16; k++) {
            struct regs x = emu_lane_value<struct regs>(all, row % 8 * 4 + k % 8 / 2), y = emu_lane_value<struct regs>(all, col * 4 + k % 8 / 2);
            d[i] += mma_half(x.a[row / 8 + k / 8 * 2], k % 2) * mma_half(y.b[k / 8], k % 2);
        }
    }
}

/* Four 8x8 matrices of bf16 from shared memory: lane l gives the address of row l % 8 of matrix l / 8. */
static inline void ldmatrix_x4(uint32_t r[4], const void *row, bool trans)
{
    const uint8_t *all = emu_exchange(&row, sizeof row, FULL_WARP, __FILE__, __LINE__);
    unsigned g = emu_lane() / 4, t = emu_lane() % 4;
    for (unsigned m = 0; m < 4; m++) {
        uint16_t half[2];
        for (unsigned i = 0; i < 2; i++) {
            unsigned at_row = trans ? 2 * t + i : g, at_col = trans ? g : 2 * t + i;
            half[i] = emu_lane_value<const uint16_t *>(all, m * 8 + at_row)[at_col];
        }
        r[m] = half[0] | (uint32_t)half[1] << 16;
    }
}

/* 16 bytes to shared memory; zeros instead where `yes` is false. There when cp_async_wait and a barrier are behind it. */
static inline void cp_async_16(void *shared, const void *global, bool yes) { emu_copy(shared, global, yes); }
static inline void cp_async_commit(void) { emu_copy_commit(); }
template <int LEFT> static inline void cp_async_wait(void) { emu_copy_wait(LEFT); }

/* Two bf16 in a register, `low` in the low half. */
static inline uint32_t two_bf16(float low, float high)
{
    struct bf16 l, h;
    from_float(&l, low);
    from_float(&h, high);
    return l.bits | (uint32_t)h.bits << 16;
}
static inline float exp2_fast(float x) { return exp2f(x); }

#else

static __device__ __forceinline__ void mma_16816(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

static __device__ __forceinline__ void ldmatrix_x4(uint32_t r[4], const void *row, bool trans)
{
    uint32_t at = (uint32_t)__cvta_generic_to_shared(row);
    if (trans)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

static __device__ __forceinline__ void cp_async_16(void *shared, const void *global, bool yes)
{
    uint32_t at = (uint32_t)__cvta_generic_to_shared(shared);
    int bytes = yes ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(at), "l"(global), "r"(bytes) : "memory");
}
static __device__ __forceinline__ void cp_async_commit(void) { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int LEFT> static __device__ __forceinline__ void cp_async_wait(void) { asm volatile("cp.async.wait_group %0;" :: "n"(LEFT) : "memory"); }

static __device__ __forceinline__ uint32_t two_bf16(float low, float high)
{
    uint32_t r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
}
static __device__ __forceinline__ float exp2_fast(float x)
{
    float r;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
}

#endif
#endif
