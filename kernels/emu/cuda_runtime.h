/* SPDX-License-Identifier: Apache-2.0
 * The part of the CUDA runtime that kernels/ uses, on the host: this folder stands first in the include path of the
 * emulated build, so that the same sources compile with a plain C++ compiler. What it checks, and how threads run: emu.cc.
 */
#ifndef EMU_CUDA_RUNTIME_H
#define EMU_CUDA_RUNTIME_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <functional>
#include <tuple>
#include "race.h"

#define GPU_EMULATED 1
#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __shared__ static                      /* one block runs at a time */
#define __align__(n) alignas(n)

/* ---- indices ---- */
struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x, y, z; dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {} };
struct emu_thread { uint3 thread; unsigned rank; };
/* window: shared memory as addresses in it count, dynamic: where that of the launch begins. */
struct emu_block { dim3 grid, block; uint3 index; void *window, *dynamic; };
extern struct emu_thread *emu_now;
extern struct emu_block emu_here;
#define threadIdx (emu_now->thread)
#define blockIdx  (emu_here.index)
#define blockDim  (emu_here.block)
#define gridDim   (emu_here.grid)
#define warpSize  32

/* ---- launches ---- */
typedef struct emu_stream *cudaStream_t;
typedef void (*emu_body)(void *);
void emu_do(std::function<void()> work);         /* now, or as a part of the graph that is being recorded */
void emu_launch(const char *name, dim3 grid, dim3 block, size_t shared, emu_body body, void *arg);
template <class... P, class... A>
static inline void emu_call(const char *name, dim3 grid, dim3 block, size_t shared, void (*kernel)(P...), A... a)
{
    struct call { void (*kernel)(P...); std::tuple<P...> args; } c = { kernel, std::tuple<P...>(a...) };
    emu_do([=]() mutable { emu_launch(name, grid, block, shared, [](void *v) { call *k = (call *)v; std::apply(k->kernel, k->args); }, &c); });
}

/* ---- threads of a block, and of a warp ---- */
[[noreturn]] void emu_misuse(const char *what);
void emu_pause(void);
void emu_progress(void);
void emu_block_ends(void);                     /* hopper.cc */
void emu_barrier(const char *file, int line);
#define __syncthreads() emu_barrier(__FILE__, __LINE__)

/* A function that touches no memory that is looked for races, or tells of it itself. */
#define EMU_REGISTERS __attribute__((noinline, unused, no_sanitize("thread")))

/* Each lane gives up to 64 bytes and sees those of all lanes: EMU_SLOT apart, valid until the warp's next exchange but one. */
enum { EMU_SLOT = 64 };
const uint8_t *emu_exchange(const void *mine, size_t n, unsigned mask, const char *file, int line);
template <class T> static __forceinline__ T emu_lane_value(const uint8_t *all, unsigned lane) { T v; memcpy(&v, all + lane * EMU_SLOT, sizeof v); return v; }
static inline unsigned emu_lane(void) { return emu_now->rank % 32; }

template <class T> static inline T emu_shuffle(unsigned mask, T v, unsigned from, const char *file, int line)
{
    const uint8_t *all = emu_exchange(&v, sizeof v, mask, file, line);
    return from < 32 ? emu_lane_value<T>(all, from) : v;
}
static inline unsigned emu_vote(unsigned mask, int v, const char *file, int line)
{
    const uint8_t *all = emu_exchange(&v, sizeof v, mask, file, line);
    unsigned b = 0;
    for (unsigned i = 0; i < 32; i++) b |= (unsigned)(emu_lane_value<int>(all, i) != 0) << i;
    return b;
}
#define __shfl_sync(m, v, lane)      emu_shuffle(m, v, (unsigned)(lane), __FILE__, __LINE__)
#define __shfl_xor_sync(m, v, with)  emu_shuffle(m, v, emu_lane() ^ (unsigned)(with), __FILE__, __LINE__)
#define __shfl_down_sync(m, v, by)   emu_shuffle(m, v, emu_lane() + (unsigned)(by), __FILE__, __LINE__)
#define __shfl_up_sync(m, v, by)     emu_shuffle(m, v, emu_lane() - (unsigned)(by), __FILE__, __LINE__)
#define __ballot_sync(m, p)          emu_vote(m, p, __FILE__, __LINE__)
#define __any_sync(m, p)             (emu_vote(m, p, __FILE__, __LINE__) != 0)
#define __all_sync(m, p)             (emu_vote(m, p, __FILE__, __LINE__) == 0xffffffffu)
void emu_syncwarp(const char *file, int line);   /* unlike the exchanges, it orders memory */
#define __syncwarp()                 emu_syncwarp(__FILE__, __LINE__)

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }

template <class T> EMU_REGISTERS static T atomicAdd(T *p, T v) { emu_race_touch(p, sizeof v, EMU_ATOMIC, __builtin_return_address(0)); T was = *p; *p += v; return was; }
template <class T> EMU_REGISTERS static T atomicMax(T *p, T v) { emu_race_touch(p, sizeof v, EMU_ATOMIC, __builtin_return_address(0)); T was = *p; if (v > was) *p = v; return was; }

/* ---- copies that go on by themselves (cp.async), 16 bytes each: emu_async.cc ---- */
void emu_copy(void *to, const void *from, bool yes);      /* zeros where not `yes` */
void emu_copy_commit(void);
void emu_copy_wait(unsigned left);
void emu_copy_forget(unsigned rank);                      /* a thread begins */

/* ---- arithmetic ---- */
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
#define __expf(x) expf(x)
#define __logf(x) logf(x)
static inline float __fdividef(float a, float b) { return a / b; }
template <class T> static inline T __ldg(const T *p) { return *p; }
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
static inline float4 make_float4(float x, float y, float z, float w) { return { x, y, z, w }; }
static inline float2 make_float2(float x, float y) { return { x, y }; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return { x, y, z, w }; }

/* ---- the runtime's calls ---- */
typedef int cudaError_t;
enum { cudaSuccess = 0, cudaErrorMemoryAllocation = 2, cudaErrorNoDevice = 100 };
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
struct cudaDeviceProp { char name[256]; int major, minor, multiProcessorCount; size_t sharedMemPerBlockOptin, totalGlobalMem; };
const char *cudaGetErrorString(cudaError_t e);
cudaError_t cudaGetLastError(void);
cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaSetDevice(int i);
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int i);
cudaError_t cudaStreamCreate(cudaStream_t *s);
cudaError_t cudaStreamDestroy(cudaStream_t s);
cudaError_t cudaStreamSynchronize(cudaStream_t s);
cudaError_t cudaMalloc(void **p, size_t n);
cudaError_t cudaFree(void *p);
cudaError_t cudaMallocHost(void **p, size_t n);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, enum cudaMemcpyKind kind, cudaStream_t s);
cudaError_t cudaMemsetAsync(void *p, int v, size_t n, cudaStream_t s);
typedef struct emu_graph *cudaGraph_t;
typedef struct emu_graph *cudaGraphExec_t;
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
cudaError_t cudaStreamBeginCapture(cudaStream_t s, enum cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *g);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t g, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s);
cudaError_t cudaGraphDestroy(cudaGraph_t g);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
template <class F> static inline cudaError_t cudaFuncSetAttribute(F, enum cudaFuncAttribute, int) { return cudaSuccess; }

#endif
