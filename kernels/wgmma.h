/* SPDX-License-Identifier: Apache-2.0
 * What Hopper (sm_90a) alone has, as warpgroups of 4 warps see it: products of tiles in shared memory (wgmma, bf16 with
 * float sums), barriers in shared memory that count arrivals and bytes (mbarrier), copies of a run of bytes by the copy
 * engine (cp.async.bulk), registers handed from one warpgroup to another (PTX ISA, "Asynchronous Warpgroup Level Matrix
 * Instructions", "mbarrier", "cp.async.bulk"). On the host: emu/hopper.cc.
 *
 * Tiles in shared memory are panels of 64 columns, a panel being rows of 128 bytes whose 16-byte pieces are permuted by
 * piece ^ row % 8 (the 128-byte swizzle, which works on address bits: a tile begins at a multiple of 1024 bytes). A tile
 * [R, C] is an operand in two ways: rows along the operand's side and columns along what is summed over, or the other way
 * round; the latter is called ALONG here (transposed, "MN-major").
 *
 * Sums of a product [64, N], of lane l of warp w, g = l / 4, t = l % 4, as mma.h's D, N / 8 of them side by side:
 *   d[4 n], d[4 n + 1] (16 w + g, 8 n + 2 t ..)  d[4 n + 2], d[4 n + 3] (16 w + g + 8, 8 n + 2 t ..)
 * A from registers: mma.h's A, of the warp's 16 rows.
 */
#ifndef KERNELS_WGMMA_H
#define KERNELS_WGMMA_H

#include "mma.h"

enum { WARPGROUP = 4 * WARP, PANEL = 64, TILE_ALIGN = 1024 };

/* Where piece c (8 columns) of row r of a tile of `rows` rows begins, in elements. */
static __device__ __forceinline__ int tile_piece(int rows, int r, int c) { return (c / 8 * rows + r) * PANEL + ((c % 8) ^ (r % 8)) * 8; }

#ifdef GPU_EMULATED
#include "emu/hopper.h"
#else

static __device__ __forceinline__ uint32_t shared_at(const void *p) { return (uint32_t)__cvta_generic_to_shared(p); }

/* ---- barriers ---- */

/* Behind the inits: fence_async(), then the block's barrier. */
static __device__ __forceinline__ void bar_init(uint64_t *bar, int arrivals) { asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" :: "r"(shared_at(bar)), "r"(arrivals) : "memory"); }
static __device__ __forceinline__ void bar_arrive(uint64_t *bar) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" :: "r"(shared_at(bar)) : "memory"); }
/* Arrives; and the phase also waits for that many bytes of bulk_load. */
static __device__ __forceinline__ void bar_arrive_bytes(uint64_t *bar, int bytes) { asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(shared_at(bar)), "r"(bytes) : "memory"); }
/* Until the phase of this parity is over; the one before the first has parity 1. */
static __device__ __forceinline__ void bar_wait(uint64_t *bar, int parity)
{
    uint32_t over;
    do asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }" : "=r"(over) : "r"(shared_at(bar)), "r"(parity) : "memory");
    while (!over);
}
/* A barrier of the warpgroup alone; id 1 to 15. */
static __device__ __forceinline__ void warpgroup_sync(int id) { asm volatile("bar.sync %0, 128;" :: "r"(id) : "memory"); }

/* ---- the copy engine ---- */

/* What this thread wrote to shared memory is seen by wgmma and bulk copies that come behind a barrier after this. */
static __device__ __forceinline__ void fence_async(void) { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
/* `bytes`: a multiple of 16, as both addresses. */
static __device__ __forceinline__ void bulk_load(void *shared, const void *global, int bytes, uint64_t *bar)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
                 :: "r"(shared_at(shared)), "l"(global), "r"(bytes), "r"(shared_at(bar)) : "memory");
}
static __device__ __forceinline__ void bulk_store(void *global, const void *shared, int bytes)
{
    asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" :: "l"(global), "r"(shared_at(shared)), "r"(bytes) : "memory");
    asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}
/* Until shared memory that this thread's bulk_stores read may be written again; until they are done. */
static __device__ __forceinline__ void bulk_wait_read(void) { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }
static __device__ __forceinline__ void bulk_wait(void) { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }

/* ---- registers a thread, for the whole warpgroup; multiples of 8 ---- */

template <int N> static __device__ __forceinline__ void fewer_registers(void) { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" :: "n"(N)); }
template <int N> static __device__ __forceinline__ void more_registers(void) { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" :: "n"(N)); }

/* ---- products ---- */

/* Registers are to hold their values here: the compiler does not know that wgmma reads and writes them later. */
template <int N> static __device__ __forceinline__ void hold(float *d) { UNROLL for (int i = 0; i < N; i++) asm volatile("" : "+f"(d[i]) :: "memory"); }
template <int N> static __device__ __forceinline__ void hold(uint32_t *d) { UNROLL for (int i = 0; i < N; i++) asm volatile("" : "+r"(d[i]) :: "memory"); }

/* Before the products that follow registers' being written. */
static __device__ __forceinline__ void wgmma_begin(void) { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
static __device__ __forceinline__ void wgmma_commit(void) { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/* Until at most LEFT groups are under way; hold() their registers then. */
template <int LEFT> static __device__ __forceinline__ void wgmma_wait(void) { asm volatile("wgmma.wait_group.sync.aligned %0;" :: "n"(LEFT) : "memory"); }

#define W4(d, i)  "+f"((d)[i]), "+f"((d)[(i) + 1]), "+f"((d)[(i) + 2]), "+f"((d)[(i) + 3])
#define W16(d, i) W4(d, i), W4(d, (i) + 4), W4(d, (i) + 8), W4(d, (i) + 12)
#define W32(d)    W16(d, 0), W16(d, 16)
#define W64(d)    W32(d), W16(d, 32), W16(d, 48)
#define REGS_32 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define REGS_64 REGS_32 ",%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define WGMMA(n) "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32.bf16.bf16 "

/* d (add: +=) A B, both tiles; ALONG_A, ALONG_B: of tile_along. */
template <int N, bool ALONG_A, bool ALONG_B> static __device__ __forceinline__ void wgmma_tiles(float *d, uint64_t a, uint64_t b, bool add)
{
    static_assert(N == 64 || N == 128, "shapes in use");
    if constexpr (N == 64)
        asm volatile("{ .reg .pred p; setp.ne.b32 p, %34, 0; " WGMMA(64) "{" REGS_32 "}, %32, %33, p, 1, 1, %35, %36; }"
                     : W32(d) : "l"(a), "l"(b), "r"((int)add), "n"(ALONG_A), "n"(ALONG_B));
    else
        asm volatile("{ .reg .pred p; setp.ne.b32 p, %66, 0; " WGMMA(128) "{" REGS_64 "}, %64, %65, p, 1, 1, %67, %68; }"
                     : W64(d) : "l"(a), "l"(b), "r"((int)add), "n"(ALONG_A), "n"(ALONG_B));
}

/* d += A B, A from registers, B of tile_along. */
template <int N> static __device__ __forceinline__ void wgmma_along(float *d, const uint32_t *a, uint64_t b)
{
    static_assert(N == 64 || N == 128, "shapes in use");
    if constexpr (N == 64)
        asm volatile("{ .reg .pred p; setp.eq.b32 p, 0, 0; " WGMMA(64) "{" REGS_32 "}, {%32,%33,%34,%35}, %36, p, 1, 1, 1; }"
                     : W32(d) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
    else
        asm volatile("{ .reg .pred p; setp.eq.b32 p, 0, 0; " WGMMA(128) "{" REGS_64 "}, {%64,%65,%66,%67}, %68, p, 1, 1, 1; }"
                     : W64(d) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}

#endif

static __device__ __forceinline__ uint64_t tile_desc(const void *at, int leading, int stride)
{
    return (uint64_t)(shared_at(at) >> 4 & 0x3fff) | (uint64_t)(leading >> 4) << 16 | (uint64_t)(stride >> 4) << 32 | (uint64_t)1 << 62;
}

/* Operands of a tile of `rows` rows. k: the first of the 16 that are summed over: a column of the tile, whose rows from
 * `row` on are the operand's; or a row of the tile, whose columns are. */
static __device__ __forceinline__ uint64_t tile_rows(const struct bf16 *tile, int rows, int row, int k)
{
    return tile_desc(tile + (k / PANEL * rows + row) * PANEL + k % PANEL, 16, 8 * PANEL * 2);
}
static __device__ __forceinline__ uint64_t tile_along(const struct bf16 *tile, int rows, int k) { return tile_desc(tile + k * PANEL, rows * PANEL * 2, 8 * PANEL * 2); }

#endif
