/* SPDX-License-Identifier: Apache-2.0
 * Attention forward over packed sequences on Hopper's warpgroup products. What a row gets from a tile of 128 keys depends on
 * the row and the tile alone, as in attn_flash.cu, whose softmax this is; but tiles are wider, and the scores of the next tile
 * are computed while the weights of this one are worked on.
 */
#ifdef GPU_WGMMA
#include "flash_soft.h"
#include "flash_hopper.h"

enum { TILE = 128, N = TILE / 8, PLACES = 2 };

/* Of keys and values, PLACES each. */
struct tiles { struct bf16 *q, *k, *v; };
template <int DP> static __device__ __forceinline__ struct tiles tiles_of(unsigned char *shared)
{
    struct bf16 *p = first_tile(shared);
    return { p, p + HOPPER_ROWS * DP, p + (HOPPER_ROWS + PLACES * TILE) * DP };
}
/* Of the n-th tile. */
template <int DP> static __device__ __forceinline__ struct bf16 *place(struct bf16 *first, int n) { return first + n % PLACES * TILE * DP; }
template <int DP> static size_t forward_bytes(void) { return TILE_ALIGN + sizeof(struct bf16) * (size_t)((HOPPER_ROWS + 2 * PLACES * TILE) * DP); }

template <int DP> static __device__ void fetch_forward(const struct flash *f, struct item it, int kh, const struct tiles *t, struct ring<PLACES> *kr, struct ring<PLACES> *vr)
{
    int count = div_up(it.end, TILE);
    struct walk ks = walk_of(f->run + it.run), vs = ks;
    uint64_t *last = NULL;
    fetch_stack<DP, HOPPER_ROWS>(t->q, f->q, NULL, flash_in(), f->h, kh, it.row, 0, it.nrow * f->h.group);
    for (int j = 0; j <= count; j++) {         /* keys one tile ahead of values, as they are used */
        if (j < count) {
            ring_wait_free(kr, j);
            fetch_slots<DP>(place<DP>(t->k, j), f->k, f->h, kh, &ks, j * TILE, it.end);
            fetch_announce(&last, &kr->full[j % PLACES]);
        }
        if (j > 0) {
            ring_wait_free(vr, j - 1);
            fetch_slots<DP>(place<DP>(t->v, j - 1), f->v, f->h, kh, &vs, (j - 1) * TILE, it.end);
            fetch_announce(&last, &vr->full[(j - 1) % PLACES]);
        }
    }
    fetch_announce(&last, NULL);
}

/* s = q k^T, under way. */
template <int DP> static __device__ __forceinline__ void scores(float (*s)[N][4], const struct bf16 *q, int row, const struct bf16 *k)
{
    hold<4 * N>(&s[0][0][0]);
    wgmma_begin();
    UNROLL for (int d = 0; d < DP; d += 16) wgmma_tiles<TILE, false, false>(&s[0][0][0], tile_rows(q, HOPPER_ROWS, row, d), tile_rows(k, TILE, 0, d), d > 0);
    wgmma_commit();
}

/* acc += p v, under way. */
template <int DP> static __device__ __forceinline__ void values(float (*acc)[DP / 8][4], uint32_t (*p)[4], const struct bf16 *v)
{
    hold<DP / 2>(&acc[0][0][0]);
    hold<TILE / 4>(&p[0][0]);
    wgmma_begin();
    UNROLL for (int k = 0; k < TILE; k += 16) wgmma_along<DP>(&acc[0][0][0], p[k / 16], tile_along(v, TILE, k));
    wgmma_commit();
}

template <int DP> static __device__ __forceinline__ void next_weights(struct soft<DP, 1> *x, float (*s)[N][4], const int (*limit)[2], int j, int least, float scale2,
                                                                     float (*shrink)[2], struct ring<PLACES> *kr)
{
    hold<4 * N>(&s[0][0][0]);
    ring_release(kr, j);
    weigh<DP, 1, N>(x, s, limit, j * TILE, scale2, (j + 1) * TILE <= least, shrink);
}

template <int DP> static __device__ __forceinline__ void scale_sums(struct soft<DP, 1> *x, const float *shrink)
{
    UNROLL for (int d = 0; d < DP / 8; d++)
        UNROLL for (int i = 0; i < 4; i++) x->acc[0][d][i] *= shrink[i / 2];
}

static __device__ __forceinline__ void weights_ready(uint32_t (*p)[4], const float (*s)[N][4])
{
    UNROLL for (int k = 0; k < TILE / 16; k++) as_operand(p[k], s[0] + 2 * k);
}

template <int DP> static __device__ void work_forward(const struct flash *f, struct item it, int kh, int worker, const struct tiles *t, struct ring<PLACES> *kr, struct ring<PLACES> *vr)
{
    int x0 = worker * 64 + (int)(threadIdx.x % WARPGROUP / WARP) * 16, rows = it.nrow * f->h.group, count = div_up(it.end, TILE), mine = 0, limit[1][2];
    int last = rows < worker * 64 + 64 ? rows : worker * 64 + 64, least = 0;
    float scale2 = f->h.scale * LOG2E, s[1][N][4], shrink[1][2];
    uint32_t p[TILE / 16][4];
    struct soft<DP, 1> x;
    if (last > worker * 64) {                  /* of the warpgroup's rows, the first sees the fewest keys, the last the most */
        least = f->nkey[it.row + worker * 64 / f->h.group];
        mine = div_up(f->nkey[it.row + (last - 1) / f->h.group], TILE);
    }
    least = of_warp(least);
    mine = of_warp(mine);
    UNROLL for (int i = 0; i < 2; i++) {
        int r = x0 + own_row(0, 2 * i);
        limit[0][i] = r < rows ? f->nkey[it.row + r / f->h.group] : 0;
    }
    soft_begin<DP, 1>(&x);
    zero_sums<1, N>(s);
    if (mine > 0) {
        ring_wait_full(kr, 0);
        scores<DP>(s, t->q, worker * 64, t->k);
        wgmma_wait<0>();
        next_weights<DP>(&x, s, limit, 0, least, scale2, shrink, kr);
        weights_ready(p, s);
    }
    for (int j = 1; j < mine; j++) {           /* scores of tile j, values of the one before it */
        ring_wait_full(kr, j);
        scores<DP>(s, t->q, worker * 64, place<DP>(t->k, j));
        ring_wait_full(vr, j - 1);
        values<DP>(x.acc, p, place<DP>(t->v, j - 1));
        wgmma_wait<1>();
        next_weights<DP>(&x, s, limit, j, least, scale2, shrink, kr);
        wgmma_wait<0>();
        hold<DP / 2>(&x.acc[0][0][0]);
        ring_release(vr, j - 1);
        scale_sums<DP>(&x, shrink[0]);
        weights_ready(p, s);
    }
    if (mine > 0) {
        ring_wait_full(vr, mine - 1);
        values<DP>(x.acc, p, place<DP>(t->v, mine - 1));
        wgmma_wait<0>();
        hold<DP / 2>(&x.acc[0][0][0]);
        ring_release(vr, mine - 1);
    }
    for (int j = mine; j < count; j++) {       /* the other's */
        ring_wait_full(kr, j);
        ring_release(kr, j);
        ring_wait_full(vr, j);
        ring_release(vr, j);
    }
    UNROLL for (int i = 0; i < 2; i++) x.sum[0][i] = quad_sum(x.sum[0][i]);
    put_rows<DP, 1>(f, &x, it, kh, x0);
}

template <int DP> __global__ void __launch_bounds__(HOPPER_THREADS, 1) hopper_rows(struct flash f)
{
    DYNAMIC_SHARED(unsigned char, shared);
    __shared__ struct ring<PLACES> kr, vr;
    struct item it = f.item[blockIdx.x];
    struct tiles t = tiles_of<DP>(shared);
    int kh = (int)blockIdx.y, group = of_warp((int)(threadIdx.x / WARPGROUP));
    if (threadIdx.x == 0) {
        ring_init(&kr, WARPGROUP);
        ring_init(&vr, WARPGROUP);
        fence_async();
    }
    __syncthreads();
    if (group == 0) {
        fewer_registers<FETCH_REGISTERS>();
        fetch_forward<DP>(&f, it, kh, &t, &kr, &vr);
    } else {
        more_registers<WORK_REGISTERS>();
        work_forward<DP>(&f, it, kh, group - 1, &t, &kr, &vr);
    }
}

bool cuda_hopper_fits(const struct cuda *c, const struct heads *h) { return c->device.major == 9 && (h->D <= 64 || h->D > 96); }

void cuda_hopper(struct cuda *c, const struct attn_args *a, const struct heads *h, const struct keys *k, const int *host)
{
    int n;
    const int *items = cuda_flash_items(c, a, host, HOPPER_ROWS / h->group, &n);
    if (!items) return;
    struct flash f = { view_of<const struct bf16>(a->q), view_of<const struct bf16>(a->k), view_of<const struct bf16>(a->v), view_of<struct bf16>(a->o),
                       *h, items, (const struct item *)(items + 1), k->nkey, k->run, a->lse, NULL, NULL, NULL };
    dim3 grid((unsigned)n, (unsigned)a->kv_heads);
    if (h->D <= 64) LAUNCH_WIDE(c, (hopper_rows<64>), grid, HOPPER_THREADS, forward_bytes<64>(), f);
    else LAUNCH_WIDE(c, (hopper_rows<128>), grid, HOPPER_THREADS, forward_bytes<128>(), f);
}

#else
#include "attn.h"

bool cuda_hopper_fits(const struct cuda *, const struct heads *) { return false; }
void cuda_hopper(struct cuda *, const struct attn_args *, const struct heads *, const struct keys *, const int *) {}
#endif
