/* SPDX-License-Identifier: Apache-2.0
 * Products of tiles, and a way there and back with the copy engine, by kernels/wgmma.h alone; for t_tiles.c.
 */
#include "tiles.h"
#ifdef GPU_WGMMA
#include "wgmma.h"

static struct cuda here;

/* [rows, cols] into a tile, by all threads. */
static __device__ void fill(struct bf16 *tile, const struct bf16 *from, int rows, int cols)
{
    for (int i = (int)threadIdx.x; i < rows * cols / 8; i += WARPGROUP) {
        int r = i / (cols / 8), c = i % (cols / 8);
        *(pack<struct bf16, 8> *)(tile + tile_piece(rows, r, c)) = *(const pack<struct bf16, 8> *)(from + r * cols + c * 8);
    }
}

static __device__ struct bf16 *tiles_begin(unsigned char *shared) { return (struct bf16 *)(shared + (-shared_at(shared) & (TILE_ALIGN - 1))); }

/* A operand of 16 columns from k on, of the warp's rows of a [64, TILES_K]. */
static __device__ void from_memory(uint32_t *r, const struct bf16 *a, int k)
{
    int w = (int)(threadIdx.x / WARP), g = (int)(threadIdx.x % WARP / 4), t = (int)(threadIdx.x % 4);
    for (int i = 0; i < 4; i++) r[i] = *(const uint32_t *)(a + (w * 16 + g + i % 2 * 8) * TILES_K + k + 2 * t + i / 2 * 8);
}

template <int N, int HOW> __global__ void __launch_bounds__(WARPGROUP) tiles_product(float *d, const struct bf16 *a, const struct bf16 *b)
{
    DYNAMIC_SHARED(unsigned char, shared);
    struct bf16 *ta = tiles_begin(shared), *tb = ta + 64 * TILES_K;
    if (HOW == TILES_ALONG) fill(ta, a, TILES_K, 64);
    else fill(ta, a, 64, TILES_K);
    if (HOW == TILES_ROWS) fill(tb, b, N, TILES_K);
    else fill(tb, b, TILES_K, N);
    fence_async();
    __syncthreads();
    float s[N / 2];
    uint32_t regs[TILES_K / 16][4];
    UNROLL for (int i = 0; i < N / 2; i++) s[i] = 0;
    if (HOW == TILES_REGS) UNROLL for (int k = 0; k < TILES_K; k += 16) from_memory(regs[k / 16], a, k);
    hold<N / 2>(s);
    if (HOW == TILES_REGS) hold<TILES_K / 4>(&regs[0][0]);
    wgmma_begin();
    UNROLL for (int k = 0; k < TILES_K; k += 16) {
        if (HOW == TILES_ROWS) wgmma_tiles<N, false, false>(s, tile_rows(ta, 64, 0, k), tile_rows(tb, N, 0, k), k > 0);
        else if (HOW == TILES_ALONG) wgmma_tiles<N, true, true>(s, tile_along(ta, TILES_K, k), tile_along(tb, TILES_K, k), k > 0);
        else wgmma_along<N>(s, regs[k / 16], tile_along(tb, TILES_K, k));
    }
    wgmma_commit();
    wgmma_wait<0>();
    hold<N / 2>(s);
    int row = (int)(threadIdx.x / WARP) * 16 + (int)(threadIdx.x % WARP / 4), col = (int)(threadIdx.x % 4) * 2;
    for (int i = 0; i < N / 2; i++) d[(row + i % 4 / 2 * 8) * N + i / 4 * 8 + col + i % 2] = s[i];
}

/* There and back by the copy engine, twice, so that the barrier's second phase is used too. */
__global__ void __launch_bounds__(WARPGROUP) there_and_back(unsigned char *to, const unsigned char *from, int bytes)
{
    DYNAMIC_SHARED(unsigned char, shared);
    __shared__ uint64_t bar;
    if (threadIdx.x == 0) {
        bar_init(&bar, 1);
        fence_async();
    }
    __syncthreads();
    for (int i = 0; i < 2; i++) {
        if (threadIdx.x == 0) {
            bar_arrive_bytes(&bar, bytes);
            bulk_load(shared, from + i * bytes, bytes, &bar);
        }
        bar_wait(&bar, i);
        for (int k = (int)threadIdx.x; k < bytes / 2; k += WARPGROUP) ((uint16_t *)shared)[k] ^= 0x5555;
        fence_async();
        warpgroup_sync(1);
        if (threadIdx.x == 0) {
            bulk_store(to + i * bytes, shared, bytes);
            bulk_wait();
        }
        __syncthreads();
    }
}

/* ---- from the host ---- */

static bool on_device(void *p, const void *host, size_t n) { return cudaMemcpyAsync(p, host, n, cudaMemcpyHostToDevice, here.stream) == cudaSuccess; }

static bool off_device(void *host, const void *p, size_t n)
{
    return !here.failed && cudaMemcpyAsync(host, p, n, cudaMemcpyDeviceToHost, here.stream) == cudaSuccess && cudaStreamSynchronize(here.stream) == cudaSuccess;
}

bool tiles_here(void) { return cudaGetDeviceProperties(&here.device, 0) == cudaSuccess && here.device.major == 9; }

template <int N, int HOW> static void launch(float *d, const struct bf16 *a, const struct bf16 *b)
{
    const size_t shared = TILE_ALIGN + sizeof *a * (64 + N) * TILES_K;
    cuda_check(&here, cudaFuncSetAttribute((tiles_product<N, HOW>), cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared), "tiles");
    LAUNCH(&here, (tiles_product<N, HOW>), dim3(1), dim3(WARPGROUP), shared, d, a, b);
}

template <int N> static void launch(int how, float *d, const struct bf16 *a, const struct bf16 *b)
{
    if (how == TILES_ROWS) launch<N, TILES_ROWS>(d, a, b);
    else if (how == TILES_ALONG) launch<N, TILES_ALONG>(d, a, b);
    else launch<N, TILES_REGS>(d, a, b);
}

bool tiles_multiply(int how, int N, float *d, const uint16_t *a, const uint16_t *b)
{
    const size_t na = 64 * TILES_K * 2, nb = (size_t)N * TILES_K * 2, nd = (size_t)N * 64 * 4;
    char *p = NULL;
    if (cudaMalloc((void **)&p, na + nb + nd) != cudaSuccess || !on_device(p, a, na) || !on_device(p + na, b, nb)) return false;
    const struct bf16 *da = (const struct bf16 *)p, *db = (const struct bf16 *)(p + na);
    if (N == 64) launch<64>(how, (float *)(p + na + nb), da, db);
    else launch<128>(how, (float *)(p + na + nb), da, db);
    bool ok = off_device(d, p + na + nb, nd);
    cudaFree(p);
    return ok;
}

bool tiles_copy(unsigned char *to, const unsigned char *from, int bytes)
{
    const size_t all = 2 * (size_t)bytes;
    unsigned char *p = NULL;
    if (cudaMalloc((void **)&p, 2 * all) != cudaSuccess || !on_device(p, from, all)) return false;
    LAUNCH(&here, there_and_back, dim3(1), dim3(WARPGROUP), (size_t)bytes, p + all, p, bytes);
    bool ok = off_device(to, p + all, all);
    cudaFree(p);
    return ok;
}

#else
bool tiles_here(void) { return false; }
bool tiles_multiply(int, int, float *, const uint16_t *, const uint16_t *) { return false; }
bool tiles_copy(unsigned char *, const unsigned char *, int) { return false; }
#endif
