/* SPDX-License-Identifier: Apache-2.0
 * Kernels with faults that the emulation has to notice, for t_emulation.c.
 */
#include "gpu.h"

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

extern "C" void fault_divided(int *p) { LAUNCH(&here, divided, dim3(1), dim3(64), 0, p); }
extern "C" void fault_elsewhere(int *p) { LAUNCH(&here, elsewhere, dim3(1), dim3(64), 0, p); }
extern "C" void fault_half_a_warp(int *p) { LAUNCH(&here, half_a_warp, dim3(1), dim3(64), 0, p); }
extern "C" void fault_grid(int *p) { LAUNCH(&here, hasty, dim3(1, 70000), dim3(64), 0, p, true); }
extern "C" void fault_hasty(int *p) { LAUNCH(&here, hasty, dim3(1), dim3(64), 0, p, false); }
extern "C" void no_fault(int *p) { LAUNCH(&here, hasty, dim3(1), dim3(64), 0, p, true); }
