/* SPDX-License-Identifier: Apache-2.0
 * Kernels with faults that the emulation has to notice, and the same without.
 */
#include "wgmma.h"
extern "C" {
#include "faults.h"
}

static struct cuda here;

__global__ void divided(int *p)
{
    if (threadIdx.x < 40) __syncthreads();
    p[threadIdx.x] = 1;
}

__global__ void elsewhere(int *p)
{
    if (threadIdx.x < 32) __syncthreads();
    else
        __syncthreads();
    p[threadIdx.x] = 1;
}

__global__ void half_a_warp(int *p)
{
    if (threadIdx.x % 32 < 16) p[threadIdx.x] = __shfl_xor_sync(FULL_WARP, 1, 8);
}

/* Reads what another thread writes, without a barrier between. */
__global__ void hasty(int *p, bool waits)
{
    __shared__ int s[64];
    s[threadIdx.x] = -1;
    __syncthreads();
    s[threadIdx.x] = (int)threadIdx.x;
    if (waits) __syncthreads();
    p[threadIdx.x] = s[63 - threadIdx.x];
}

/* Writes in the next round what others still read. */
__global__ void again(int *p, bool waits)
{
    __shared__ int s[64];
    for (int i = 0; i < 2; i++) {
        s[threadIdx.x] = i;
        __syncthreads();
        p[threadIdx.x] = s[63 - threadIdx.x];
        if (waits) __syncthreads();
    }
}

/* A shuffle does not order memory. */
__global__ void lanes(int *p, bool waits)
{
    __shared__ struct { int before, v; } s[64];
    s[threadIdx.x].v = (int)threadIdx.x;
    __shfl_xor_sync(FULL_WARP, 1, 8);
    if (waits) __syncwarp();
    p[threadIdx.x] = s[threadIdx.x ^ 5].v;
}

/* All blocks to the same place, or each to its own, next to that of another thread's; shared memory is used again. */
__global__ void blocks(int *p, bool apart)
{
    __shared__ uint16_t s[32];
    s[threadIdx.x] = (uint16_t)threadIdx.x;
    __syncthreads();
    ((uint16_t *)p)[apart ? blockIdx.x * 32 + threadIdx.x : threadIdx.x] = s[31 - threadIdx.x];
}

__global__ void other_block(int *p, bool reads)
{
    if (blockIdx.x == 0) p[threadIdx.x] = 1;
    else if (reads) p[32 + threadIdx.x] = p[threadIdx.x];
}

__global__ void counts(int *p, bool atomic)
{
    __shared__ int n;
    if (threadIdx.x == 0) n = 0;
    __syncthreads();
    if (atomic) atomicAdd(&n, 1);
    else n++;
    __syncthreads();
    if (threadIdx.x == 0) atomicMax(p, n);
}

enum early { NOT_EARLY, BEFORE_WAIT, BEFORE_BARRIER, FETCHED_OVER };

/* Two groups of copies a thread, of 4 ints each. */
__global__ void copies(int *p, const int *from, enum early early)
{
    __align__(16) __shared__ int s[64];
    int *mine = s + 8 * threadIdx.x;
    cp_async_16(mine, from + 8 * threadIdx.x, true);
    cp_async_commit();
    if (early == FETCHED_OVER) mine[0] = 1;
    cp_async_16(mine + 4, from + 8 * threadIdx.x + 4, true);
    cp_async_commit();
    cp_async_wait<1>();
    if (early == BEFORE_WAIT) {
        for (int i = 0; i < 8; i++) p[8 * threadIdx.x + i] = mine[i];
        return;
    }
    cp_async_wait<0>();
    if (early != BEFORE_BARRIER) __syncthreads();
    for (int i = 0; i < 8; i++) p[8 * threadIdx.x + i] = s[63 - (8 * threadIdx.x + i)];
}

static void launch_copies(int *p, enum early early)
{
    int *from = faults_memory();
    for (int i = 0; i < 64; i++) from[i] = i;
    LAUNCH(&here, copies, dim3(1), dim3(8), 0, p, from, early);
    cudaFree(from);
}

/* Half of the threads write, arrive at a barrier and are waited for by the others. */
__global__ void handed(int *p, bool late, bool nobody)
{
    __shared__ uint64_t bar;
    __shared__ int s[32];
    int i = (int)threadIdx.x % WARP;
    if (threadIdx.x == 0) {
        bar_init(&bar, WARP);
        fence_async();
    }
    __syncthreads();
    if (threadIdx.x < WARP) {
        if (!late) s[i] = i;
        if (!nobody || i) bar_arrive(&bar);
        if (late) s[i] = i;
        return;
    }
    bar_wait(&bar, 0);
    p[i] = s[31 - i];
}

enum product { AS_IT_SHOULD, WRITTEN_OVER, TOO_EARLY, NOT_WAITED_FOR };

/* [64, 16] of ones by [16, 64] of ones: 16 everywhere; p gets one for each of 64 threads. */
__global__ void multiplied(int *p, enum product how)
{
    DYNAMIC_SHARED(unsigned char, shared);
    struct bf16 *tile = (struct bf16 *)(shared + (-shared_at(shared) & (TILE_ALIGN - 1)));
    float d[32], early = 0;
    for (int i = (int)threadIdx.x; i < 64 * PANEL; i += WARPGROUP) tile[i] = { 0x3f80 };
    fence_async();
    __syncthreads();
    wgmma_begin();
    wgmma_tiles<64, false, false>(d, tile_rows(tile, 64, 0, 0), tile_rows(tile, 64, 0, 0), false);
    wgmma_commit();
    if (how == WRITTEN_OVER && threadIdx.x == 127) tile[0] = { 0 };
    warpgroup_sync(1);
    if (how == TOO_EARLY) early = d[0];
    if (how != NOT_WAITED_FOR) wgmma_wait<0>();
    if (threadIdx.x < 64) p[threadIdx.x] = how == TOO_EARLY ? early != early : (int)d[0];
}

static void launch_multiplied(int *p, enum product how) { LAUNCH(&here, multiplied, dim3(1), dim3(WARPGROUP), TILE_ALIGN + 64 * PANEL * 2, p, how); }

int *faults_memory(void)
{
    void *p = NULL;
    return cudaMalloc(&p, 64 * sizeof(int)) == cudaSuccess ? (int *)p : NULL;
}

void fault_divided(int *p) { LAUNCH(&here, divided, dim3(1), dim3(64), 0, p); }
void fault_elsewhere(int *p) { LAUNCH(&here, elsewhere, dim3(1), dim3(64), 0, p); }
void fault_half_a_warp(int *p) { LAUNCH(&here, half_a_warp, dim3(1), dim3(64), 0, p); }
void fault_grid(int *p) { LAUNCH(&here, hasty, dim3(1, 70000), dim3(64), 0, p, true); }
void fault_hasty(int *p) { LAUNCH(&here, hasty, dim3(1), dim3(64), 0, p, false); }
void no_fault(int *p) { LAUNCH(&here, hasty, dim3(1), dim3(64), 0, p, true); }

void fault_again(int *p) { LAUNCH(&here, again, dim3(1), dim3(64), 0, p, false); }
void fault_lanes(int *p) { LAUNCH(&here, lanes, dim3(1), dim3(64), 0, p, false); }
void fault_blocks(int *p) { LAUNCH(&here, blocks, dim3(4), dim3(32), 0, p, false); }
void fault_other_block(int *p) { LAUNCH(&here, other_block, dim3(2), dim3(32), 0, p, true); }
void fault_not_atomic(int *p) { LAUNCH(&here, counts, dim3(4), dim3(64), 0, p, false); }
void fault_early_own(int *p) { launch_copies(p, BEFORE_WAIT); }
void fault_early_other(int *p) { launch_copies(p, BEFORE_BARRIER); }
void fault_fetched_over(int *p) { launch_copies(p, FETCHED_OVER); }

void fault_handed_late(int *p) { LAUNCH(&here, handed, dim3(1), dim3(64), 0, p, true, false); }
void fault_nobody_arrives(int *p) { LAUNCH(&here, handed, dim3(1), dim3(64), 0, p, false, true); }
void fault_written_over(int *p) { launch_multiplied(p, WRITTEN_OVER); }
void fault_too_early(int *p) { launch_multiplied(p, TOO_EARLY); }
void fault_not_waited_for(int *p) { launch_multiplied(p, NOT_WAITED_FOR); }

void no_fault_handed(int *p) { LAUNCH(&here, handed, dim3(1), dim3(64), 0, p, false, false); }
void no_fault_multiplied(int *p) { launch_multiplied(p, AS_IT_SHOULD); }
void no_fault_again(int *p) { LAUNCH(&here, again, dim3(1), dim3(64), 0, p, true); }
void no_fault_lanes(int *p) { LAUNCH(&here, lanes, dim3(1), dim3(64), 0, p, true); }
void no_fault_blocks(int *p) { LAUNCH(&here, blocks, dim3(4), dim3(32), 0, p, true); }
void no_fault_atomic(int *p) { LAUNCH(&here, counts, dim3(4), dim3(64), 0, p, true); }
void no_fault_copies(int *p) { launch_copies(p, NOT_EARLY); }
void no_fault_launches(int *p)
{
    LAUNCH(&here, other_block, dim3(2), dim3(32), 0, p, false);
    LAUNCH(&here, other_block, dim3(1), dim3(32), 0, p, false);
    no_fault_lanes(p);
    no_fault_again(p);
}
