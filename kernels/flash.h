/* SPDX-License-Identifier: Apache-2.0
 * Products of tiles in shared memory, as attention needs them (Dao, FlashAttention-2, 2023): of a block's 4 warps each owns
 * 16 M rows of the result. Tiles are rows of DP bf16 (D rounded up, zeros behind it), LD apart: an odd number of 16 bytes,
 * so that the 8 rows of an ldmatrix lie in different banks.
 */
#ifndef KERNELS_FLASH_H
#define KERNELS_FLASH_H

#include "attn.h"
#include "mma.h"

enum { FLASH_WARPS = 4, FLASH_THREADS = FLASH_WARPS * WARP };
#define FLASH_LD(DP) ((DP) + 8)
#define LOG2E 1.4426950408889634f

typedef struct view<const struct bf16> flash_in;
typedef struct view<struct bf16> flash_out;

/* acc += A B^T: A the warp's 16 M rows, B 8 N rows. */
template <int DP, int M, int N> static __device__ __forceinline__ void product_nt(float (*acc)[N][4], const struct bf16 *a, const struct bf16 *b)
{
    enum { LD = FLASH_LD(DP) };
    int lane = (int)(threadIdx.x % WARP);
    const struct bf16 *ra = a + lane % 16 * LD + lane / 16 * 8, *rb = b + (lane / 16 * 8 + lane % 8) * LD + lane / 8 % 2 * 8;
    UNROLL for (int k = 0; k < DP; k += 16) {
        uint32_t fa[M][4], fb[4];
        UNROLL for (int m = 0; m < M; m++) ldmatrix_x4(fa[m], ra + m * 16 * LD + k, false);
        UNROLL for (int n = 0; n < N; n += 2) {
            ldmatrix_x4(fb, rb + n * 8 * LD + k, false);
            UNROLL for (int m = 0; m < M; m++) {
                mma_16816(acc[m][n], fa[m], fb);
                mma_16816(acc[m][n + 1], fa[m], fb + 2);
            }
        }
    }
}

/* Two neighbours of sums, [16, 16], as an operand A. */
static __device__ __forceinline__ void as_operand(uint32_t a[4], const float (*p)[4])
{
    UNROLL for (int i = 0; i < 4; i++) a[i] = two_bf16(p[i / 2][i % 2 * 2], p[i / 2][i % 2 * 2 + 1]);
}

/* acc += P B: P [16 M, 8 N] as product_nt left it, rounded to bf16; B 8 N rows. */
template <int DP, int M, int N> static __device__ __forceinline__ void product_nn(float (*acc)[DP / 8][4], const float (*p)[N][4], const struct bf16 *b)
{
    enum { LD = FLASH_LD(DP) };
    int lane = (int)(threadIdx.x % WARP);
    const struct bf16 *rb = b + lane % 16 * LD + lane / 16 * 8;
    UNROLL for (int k = 0; k < N; k += 2) {
        uint32_t fa[M][4], fb[4];
        UNROLL for (int m = 0; m < M; m++) as_operand(fa[m], p[m] + k);
        UNROLL for (int d = 0; d < DP / 8; d += 2) {
            ldmatrix_x4(fb, rb + k * 8 * LD + d * 8, true);
            UNROLL for (int m = 0; m < M; m++) {
                mma_16816(acc[m][d], fa[m], fb);
                mma_16816(acc[m][d + 1], fa[m], fb + 2);
            }
        }
    }
}

template <int M, int N> static __device__ __forceinline__ void zero_sums(float (*acc)[N][4])
{
    UNROLL for (int m = 0; m < M; m++)
        UNROLL for (int n = 0; n < N; n++)
            UNROLL for (int i = 0; i < 4; i++) acc[m][n][i] = 0;
}

/* Over the 4 lanes that hold a row. */
static __device__ __forceinline__ float quad_sum(float x)
{
    x += __shfl_xor_sync(FULL_WARP, x, 1);
    return x + __shfl_xor_sync(FULL_WARP, x, 2);
}
static __device__ __forceinline__ float quad_max(float x)
{
    x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, 1));
    return fmaxf(x, __shfl_xor_sync(FULL_WARP, x, 2));
}

/* The warp's row of its tile that the lane's sums i / 2 of 16-row tile m belong to. */
static __device__ __forceinline__ int own_row(int m, int i) { return m * 16 + i / 2 * 8 + (int)(threadIdx.x % WARP / 4); }

/* ROWS rows of the stack of key head kh, from x0 on, of x and of y (y.p NULL: of x alone); zeros from row `count` on. */
template <int DP, int ROWS> static __device__ __forceinline__ void load_stack(struct bf16 *xs, flash_in x, struct bf16 *ys, flash_in y,
                                                                              struct heads h, int kh, int row, int x0, int count)
{
    for (int i = (int)threadIdx.x; i < ROWS * (DP / 8); i += FLASH_THREADS) {
        int r = i / (DP / 8), c = i % (DP / 8) * 8, s = x0 + r;
        bool yes = s < count && c < h.D;
        int from = yes ? row + s / h.group : 0, col = yes ? (kh * h.group + s % h.group) * h.D + c : 0;
        cp_async_16(xs + r * FLASH_LD(DP) + c, at(x, from, col), yes);
        if (y.p) cp_async_16(ys + r * FLASH_LD(DP) + c, at(y, from, col), yes);
    }
}

/* Keys and values of KEYS positions from `begin` on; zeros from `end` on. run, at: where the thread is in the runs. */
template <int DP, int KEYS> static __device__ __forceinline__ void load_keys(struct bf16 *ks, flash_in k, struct bf16 *vs, flash_in v,
                                                                             struct heads h, int kh, const struct run *run, int *at_run, int begin, int end)
{
    for (int i = (int)threadIdx.x; i < KEYS * (DP / 8); i += FLASH_THREADS) {
        int r = i / (DP / 8), c = i % (DP / 8) * 8, p = begin + r;
        bool yes = p < end && c < h.D;
        int slot = yes ? slot_of(run, at_run, p) : 0, col = yes ? kh * h.D + c : 0;
        cp_async_16(ks + r * FLASH_LD(DP) + c, at(k, slot, col), yes);
        cp_async_16(vs + r * FLASH_LD(DP) + c, at(v, slot, col), yes);
    }
}

/* The statement for the padded head size DP. */
#define BY_HEAD(D, DP, ...) do { \
    if ((D) <= 64) { enum { DP = 64 }; __VA_ARGS__; } else if ((D) <= 96) { enum { DP = 96 }; __VA_ARGS__; } else { enum { DP = 128 }; __VA_ARGS__; } } while (0)

/* A kernel that takes more than 48 KB of dynamic shared memory. */
#define LAUNCH_WIDE(c, kernel, grid, threads, shared, ...) do { \
    cuda_check(c, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)(shared)), #kernel); \
    LAUNCH(c, kernel, grid, dim3(threads), shared, __VA_ARGS__); } while (0)

#endif
