/* SPDX-License-Identifier: Apache-2.0
 * Shared by the files of the CUDA backend. Host code and kernels of an op family are one .cu file, C-style CUDA: no
 * classes, templates only over element types and pack sizes. The sources compile with nvcc, and with a plain C++ compiler
 * for the emulation (emu/): launches go through LAUNCH, dynamic shared memory through DYNAMIC_SHARED.
 *
 *     template <class T, int N> __global__ void twice(struct view<T> y, struct view<const T> x) { ... }
 *
 *     static void op(struct ops *o, struct mat y, struct mat x)
 *     {
 *         struct cuda *c = cuda_of(o);
 *         BY_TYPE(y.t, T, BY_PACK(sizeof(T), cuda_packs(y, x), N,
 *             LAUNCH(c, (twice<T, N>), grid, block, 0, view_of<T>(y), view_of<const T>(x))));
 *     }
 *
 * Deterministic: sums go in an order that the shapes fix; no atomics on floats. What one row of an output is computed by,
 * and in which order, depends on its width alone (ops.h: row independence).
 */
#ifndef KERNELS_GPU_H
#define KERNELS_GPU_H

#include <cuda_runtime.h>
#include <assert.h>
#include <float.h>
extern "C" {
#include "ops/ops.h"
}
#include "bf16.h"

enum { WARP = 32, BLOCK = 256, MOST_BLOCK = 1024 };
#define FULL_WARP 0xffffffffu

/* ---- the backend ---- */

/* Buffers that grow to what the largest op needed, each for one use at a time; in the order of the stream, the next op
 * may take one again at once. */
enum scratch { SCRATCH_SUMS, SCRATCH_BIAS, SCRATCH_LOSS, SCRATCH_ATTN, SCRATCH_COUNT };

struct products;
struct upload_ring;
struct cuda {
    struct ops ops;
    cudaStream_t stream;
    struct cudaDeviceProp device;
    struct products *products;                 /* product.cu */
    struct upload_ring *ring;
    struct graphs *graphs;                     /* graph.cu */
    struct tree_plan *tree;                    /* attn_plan.cu */
    bool signing, recording; uint64_t sign;    /* launches are signed and not made; are signed and recorded */
    struct { void *p; size_t n; } scratch[SCRATCH_COUNT];
    bool failed; char why[256];                /* the first failure since the last sync */
};

static inline struct cuda *cuda_of(struct ops *o) { return (struct cuda *)o->ctx; }

/* Keeps the first error until sync. */
void cuda_check(struct cuda *c, cudaError_t e, const char *what);
void cuda_fail(struct cuda *c, const char *what, const char *why);

/* At least `bytes`, 256-byte aligned, contents unspecified; NULL, the failure kept, when memory is out. */
void *cuda_scratch(struct cuda *c, enum scratch which, size_t bytes);

/* Host arrays on the device: a copy that stays until the next sync. The same array with the same contents (the positions
 * of every layer of a pass) is uploaded once. NULL, the failure kept, when memory is out; n may be 0 (never NULL then).
 * At most three arrays an op. */
const void *cuda_upload(struct cuda *c, const void *host, size_t bytes);
/* How often the ring has begun anew, at a sync or before its time: arrays sent before that have lost their places. */
unsigned cuda_upload_turns(const struct cuda *c);
static inline const int *cuda_ints(struct cuda *c, const int *host, size_t n) { return (const int *)cuda_upload(c, host, n * sizeof *host); }

/* out[n] += the sum of `parts` arrays of n floats at `part`, in order (reduce.cu). */
void cuda_sum_parts(struct cuda *c, float *out, const float *part, int n, int parts);
/* out[C] += column sums of x, or of x * y (y.p NULL: of x alone), in an order that the rows fix. */
void cuda_column_sums(struct cuda *c, float *out, struct mat x, struct mat y);

/* Goes on from h, a word at a time: it is on the way of every launch. */
uint64_t cuda_hash(uint64_t h, const void *p, size_t n);
/* Adds to the signature of the work at hand (graph.cu), where there is one. */
void cuda_sign(struct cuda *c, const void *p, size_t n);

/* The functions of the table, by file. */
int  cuda_set_products(struct cuda *c);        /* 0 or -1 + fail() */
void cuda_end_products(struct cuda *c);
void cuda_set_norms(struct ops *o);
void cuda_set_pointwise(struct ops *o);
void cuda_set_rope(struct ops *o);
void cuda_set_moves(struct ops *o);
void cuda_set_attention(struct ops *o);
void cuda_set_losses(struct ops *o);
void cuda_set_sampling(struct ops *o);
void cuda_set_graphs(struct cuda *c);
void cuda_end_graphs(struct cuda *c);
void cuda_end_attention(struct cuda *c);

/* ---- matrices as kernels see them ---- */

template <class T> struct view { T *p; int rows, cols; int64_t ld; };

template <class T> static inline struct view<T> view_of(struct mat m) { return { (T *)m.p, m.rows, m.cols, m.ld }; }
template <class T> static __device__ __forceinline__ T *at(struct view<T> v, int row, int col) { return v.p + row * v.ld + col; }

/* May rows of the matrix be taken 8 columns at a time? NULL matrices may. */
static inline bool cuda_packs(struct mat m) { return !m.p || ((uintptr_t)m.p % 16 == 0 && m.ld % 8 == 0 && m.cols % 8 == 0); }
static inline bool cuda_packs(const float *p) { return (uintptr_t)p % 16 == 0; }
template <class A, class B, class... C> static inline bool cuda_packs(A a, B b, C... c) { return cuda_packs(a) && cuda_packs(b, c...); }

/* The statement for the element type T, or pack size N, known when it runs. A pack is 16 bytes of the widest element in
 * it, so that a warp's loads and stores lie side by side. */
static constexpr size_t wider(size_t a, size_t b) { return a > b ? a : b; }
#define BY_TYPE(t, T, ...) do { if ((t) == DT_F32) { typedef float T; __VA_ARGS__; } else { typedef struct bf16 T; __VA_ARGS__; } } while (0)
#define BY_PACK(widest, yes, N, ...) do { if (yes) { enum { N = 16 / (widest) }; __VA_ARGS__; } else { enum { N = 1 }; __VA_ARGS__; } } while (0)

/* ---- launches ---- */

#ifdef GPU_EMULATED
#define START(c, kernel, grid, block, shared, ...) emu_call(#kernel, grid, block, shared, kernel, __VA_ARGS__)
#define DYNAMIC_SHARED(T, name) T *name = (T *)emu_here.dynamic
#else
#define START(c, kernel, grid, block, shared, ...) \
    do { kernel<<<grid, block, shared, (c)->stream>>>(__VA_ARGS__); cuda_check(c, cudaGetLastError(), #kernel); } while (0)
#define DYNAMIC_SHARED(T, name) extern __shared__ __align__(128) unsigned char dynamic_shared_[]; T *name = (T *)dynamic_shared_
#endif
#define LAUNCH(c, kernel, grid, block, shared, ...) \
    do { if (cuda_launches(c, (const void *)kernel, grid, block, shared, __VA_ARGS__)) START(c, kernel, grid, block, shared, __VA_ARGS__); } while (0)

/* Is the kernel to be launched now? Not while the backend measures, and not while launches are signed. */
template <class... A> static inline bool cuda_launches(struct cuda *c, const void *kernel, dim3 grid, dim3 block, size_t shared, const A &...a)
{
    if (c->signing || c->recording) {
        const unsigned shape[] = { grid.x, grid.y, grid.z, block.x, block.y, block.z };
        cuda_sign(c, &kernel, sizeof kernel);
        cuda_sign(c, shape, sizeof shape);
        cuda_sign(c, &shared, sizeof shared);
        (cuda_sign(c, &a, sizeof a), ...);
    }
    return !c->ops.measuring && !c->signing;
}

static inline __host__ __device__ int div_up(int64_t n, int by) { return (int)((n + by - 1) / by); }

/* Blocks of up to BLOCK threads over all (row, pack of columns): x runs over columns inside a block, and a row is cut into
 * even parts, so that few threads are without one. */
struct tiling { dim3 grid, block; };
static inline struct tiling tile_rows(int rows, int cols, int pack)
{
    int packs = cols > 0 ? div_up(cols, pack) : 1, parts = div_up(packs, BLOCK), x = div_up(packs, parts);
    struct tiling t;
    t.block = dim3((unsigned)x, (unsigned)(BLOCK / x));
    t.grid = dim3((unsigned)div_up(rows, BLOCK / x), (unsigned)(parts < 32768 ? parts : 32768));
    return t;
}
/* Inside such a kernel: the row, and a loop over the first columns of its packs (a single one unless rows are very wide). */
#define TILE_ROW() (blockIdx.x * blockDim.y + threadIdx.y)
#define TILE_COLS(col, cols, N) (unsigned col = (blockIdx.y * blockDim.x + threadIdx.x) * (N); col < (unsigned)(cols); col += gridDim.y * blockDim.x * (N))

/* Before a loop over rows or parts: so many of its loads are on their way at once. */
#ifdef GPU_EMULATED
#define UNROLL_BY_4
#define UNROLL_BY_8
#else
#define UNROLL_BY_4 _Pragma("unroll 4")
#define UNROLL_BY_8 _Pragma("unroll 8")
#endif

/* ---- sums of a warp and of a block ---- */

static __device__ __forceinline__ float warp_sum(float x)
{
    for (int d = WARP / 2; d; d /= 2) x += __shfl_xor_sync(FULL_WARP, x, d);
    return x;
}

static __device__ __forceinline__ float warp_max(float x)
{
    for (int d = WARP / 2; d; d /= 2) x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, d));
    return x;
}

/* Over the threads of x (a multiple of WARP) in a block with y == 1, or over each warp where x == WARP; all get the sum. */
static __device__ __forceinline__ float row_sum(float v)
{
    __shared__ float part[MOST_BLOCK / WARP];
    v = warp_sum(v);
    if (blockDim.x == WARP) return v;
    unsigned n = blockDim.x / WARP, lane = threadIdx.x % WARP;
    if (!lane) part[threadIdx.x / WARP] = v;
    __syncthreads();
    v = warp_sum(lane < n ? part[lane] : 0);
    __syncthreads();
    return v;
}

/* Two sums at once. */
static __device__ __forceinline__ void row_sums(float *a, float *b)
{
    __shared__ float part[2][MOST_BLOCK / WARP];
    *a = warp_sum(*a);
    *b = warp_sum(*b);
    if (blockDim.x == WARP) return;
    unsigned n = blockDim.x / WARP, lane = threadIdx.x % WARP;
    if (!lane) {
        part[0][threadIdx.x / WARP] = *a;
        part[1][threadIdx.x / WARP] = *b;
    }
    __syncthreads();
    *a = warp_sum(lane < n ? part[0][lane] : 0);
    *b = warp_sum(lane < n ? part[1][lane] : 0);
    __syncthreads();
}

static __device__ __forceinline__ float row_max(float v)
{
    __shared__ float part[MOST_BLOCK / WARP];
    v = warp_max(v);
    if (blockDim.x == WARP) return v;
    unsigned n = blockDim.x / WARP, lane = threadIdx.x % WARP;
    if (!lane) part[threadIdx.x / WARP] = v;
    __syncthreads();
    v = warp_max(lane < n ? part[lane] : -INFINITY);
    __syncthreads();
    return v;
}

/* The largest of some numbers and the sum of their exp(x - top), in one go through them; begins as { -FLT_MAX, 0 }. NaN and
 * INFINITY make the sum NaN, and without a finite number it is 0. */
struct softmax { float top, sum; };

template <int N> static __device__ __forceinline__ void softmax_add(struct softmax *s, const float *x)
{
    float top = s->top;
    for (int i = 0; i < N; i++) top = fmaxf(top, x[i]);
    if (top > s->top) s->sum *= expf(s->top - top);
    for (int i = 0; i < N; i++) s->sum += expf(x[i] - top);
    s->top = top;
}

/* Of the numbers of all threads of a row, as row_sum(). */
static __device__ __forceinline__ struct softmax row_softmax(struct softmax s)
{
    float top = row_max(s.top);
    return { top, row_sum(s.sum * expf(s.top - top)) };
}

#endif
