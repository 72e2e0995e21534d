/* SPDX-License-Identifier: Apache-2.0
 * kernels/wgmma.h on the host. What is asynchronous there happens as late as it may, and its target holds NaNs till then:
 * bulk copies to shared memory when somebody finds their barrier complete, bulk copies from it when they are waited for, sums of
 * products when their group is waited for. Operands of products are read when the product is issued and looked at again when it is
 * waited for: a tile that has changed meanwhile is reported.
 */
#ifndef EMU_HOPPER_H
#define EMU_HOPPER_H

#include "cuda_runtime.h"

void bar_init(uint64_t *bar, int arrivals);
void bar_arrive(uint64_t *bar);
void bar_arrive_bytes(uint64_t *bar, int bytes);
void bar_wait(uint64_t *bar, int parity);
void warpgroup_sync(int id);

static inline void fence_async(void) {}
void bulk_load(void *shared, const void *global, int bytes, uint64_t *bar);
void bulk_store(void *global, const void *shared, int bytes);
void bulk_wait(void);
static inline void bulk_wait_read(void) { bulk_wait(); }

template <int N> static inline void fewer_registers(void) { static_assert(N % 8 == 0 && N >= 24 && N <= 256, "PTX ISA"); }
template <int N> static inline void more_registers(void) { static_assert(N % 8 == 0 && N >= 24 && N <= 256, "PTX ISA"); }

template <int N> static inline void hold(float *) {}
template <int N> static inline void hold(uint32_t *) {}
static inline void wgmma_begin(void) {}
void wgmma_commit(void);
void emu_wgmma_wait(unsigned left);
template <int LEFT> static inline void wgmma_wait(void) { emu_wgmma_wait(LEFT); }

uint32_t shared_at(const void *p);             /* from the beginning of the window */

/* regs: A of registers, or NULL. */
void emu_wgmma(float *d, int N, const uint32_t *regs, uint64_t a, bool along_a, uint64_t b, bool along_b, bool add);
template <int N, bool ALONG_A, bool ALONG_B> static inline void wgmma_tiles(float *d, uint64_t a, uint64_t b, bool add)
{
    emu_wgmma(d, N, NULL, a, ALONG_A, b, ALONG_B, add);
}
template <int N> static inline void wgmma_along(float *d, const uint32_t *a, uint64_t b) { emu_wgmma(d, N, a, 0, false, b, true, true); }

#endif
