/* SPDX-License-Identifier: Apache-2.0
 * Shared by attention's kernels for Hopper (Shah et al., FlashAttention-3, 2024): a block is a warpgroup that fetches tiles of 128 rows
 * and two that multiply. Tiles go through rings of a few places; who fetches runs ahead of who multiplies. Rows come by slots from
 * anywhere, so they are fetched 16 bytes at a time (cp.async), not by tensor maps.
 */
#ifndef KERNELS_FLASH_HOPPER_H
#define KERNELS_FLASH_HOPPER_H

#include "flash.h"
#include "wgmma.h"

enum { WORKERS = 2, HOPPER_THREADS = (1 + WORKERS) * WARPGROUP, HOPPER_ROWS = WORKERS * 64, FETCH_REGISTERS = 24, WORK_REGISTERS = 240 };

/* Where the block's tiles begin. */
static __device__ __forceinline__ struct bf16 *first_tile(unsigned char *shared) { return (struct bf16 *)(shared + (-shared_at(shared) & (TILE_ALIGN - 1))); }

/* What is the same in all lanes, so that the compiler knows. */
static __device__ __forceinline__ int of_warp(int x) { return __shfl_sync(FULL_WARP, x, 0); }

/* ---- fetching ---- */

/* Where ascending positions are: those up to `end` at slot position + shift. */
struct walk { const struct run *run; int end, shift; };
static __device__ __forceinline__ struct walk walk_of(const struct run *run) { return { run, run->pos + run->len, run->slot - run->pos }; }

/* Of a tile's rows a thread of the fetching warpgroup takes every STEP-th, of those one piece, which lies in the same place of
 * every 8 rows: so nothing but addresses is added to on the way, as who fetches has few registers and no time. */
#define FETCH_STEP(DP) (WARPGROUP / ((DP) / 8))

/* Rows at the positions from `begin` on; zeros from `end` on. */
template <int DP> static __device__ __forceinline__ void fetch_slots(struct bf16 *to, flash_in x, struct heads h, int kh, struct walk *w, int begin, int end)
{
    enum { ROWS = HOPPER_ROWS, STEP = FETCH_STEP(DP) };
    int c = (int)threadIdx.x % (DP / 8), r0 = (int)threadIdx.x / (DP / 8), p = begin + r0;
    if (c * 8 >= h.D) end = 0;
    const struct bf16 *col = at(x, 0, kh * h.D + c * 8);
    to += tile_piece(ROWS, r0, c);
    ROLLED for (int r = r0; r < ROWS; r += STEP, p += STEP, to += STEP * PANEL) {
        bool yes = p < end;
        while (yes && p >= w->end) *w = walk_of(w->run + 1);
        cp_async_16(to, yes ? col + (p + w->shift) * x.ld : x.p, yes);
    }
}

/* Rows of the stack of key head kh, from x0 on, of x and of y (y.p NULL: of x alone); zeros from `count` on. */
template <int DP, int ROWS> static __device__ __forceinline__ void fetch_stack(struct bf16 *xs, flash_in x, struct bf16 *ys, flash_in y,
                                                                               struct heads h, int kh, int row, int x0, int count)
{
    enum { STEP = FETCH_STEP(DP) };
    int c = (int)threadIdx.x % (DP / 8), r0 = (int)threadIdx.x / (DP / 8), head = (x0 + r0) % h.group, col = kh * h.group * h.D + c * 8;
    int rows_on = STEP / h.group, heads_on = STEP % h.group, place = tile_piece(ROWS, r0, c);
    if (c * 8 >= h.D) count = 0;
    row += (x0 + r0) / h.group;
    ROLLED for (int r = r0; r < ROWS; r += STEP, place += STEP * PANEL) {
        bool yes = x0 + r < count;
        cp_async_16(xs + place, yes ? at(x, row, col + head * h.D) : x.p, yes);
        if (y.p) cp_async_16(ys + place, yes ? at(y, row, col + head * h.D) : y.p, yes);
        row += rows_on;
        head += heads_on;
        if (head >= h.group) { head -= h.group; row++; }
    }
}

/* ---- rings of P places for tiles ---- */

/* full: arrivals of all who fetch. free: one of each warp that works. */
template <int P> struct ring { uint64_t full[P], free[P]; };

template <int P> static __device__ __forceinline__ void ring_init(struct ring<P> *r, int fetchers)
{
    for (int i = 0; i < P; i++) {
        bar_init(&r->full[i], fetchers);
        bar_init(&r->free[i], WORKERS * WARPGROUP / WARP);
    }
}

/* The n-th tile that goes through the ring. */
template <int P> static __device__ __forceinline__ void ring_wait_full(struct ring<P> *r, int n) { bar_wait(&r->full[n % P], n / P % 2); }
template <int P> static __device__ __forceinline__ void ring_wait_free(struct ring<P> *r, int n) { bar_wait(&r->free[n % P], n / P % 2 ^ 1); }
/* A warp has no more use for it. */
template <int P> static __device__ __forceinline__ void ring_release(struct ring<P> *r, int n) { if (threadIdx.x % WARP == 0) bar_arrive(&r->free[n % P]); }

/* What was fetched last is announced when the next fetch has been started: `last` is the barrier to arrive at. */
static __device__ __forceinline__ void fetch_announce(uint64_t **last, uint64_t *now)
{
    cp_async_commit();
    if (*last) {
        if (now) cp_async_wait<1>();
        else cp_async_wait<0>();
        fence_async();
        bar_arrive(*last);
    }
    *last = now;
}

#endif
