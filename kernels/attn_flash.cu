/* SPDX-License-Identifier: Apache-2.0
 * Attention on tensor cores, bf16: packed sequences and trees (Dao, FlashAttention-2, 2023; splits over keys: Flash-Decoding).
 * A block takes an item and a key head, and goes through the keys in tiles of 64 positions, the next tile being fetched
 * meanwhile; the queries stay in shared memory, sums and weights in registers. What a row gets from a tile depends on the
 * row and the tile alone, and tiles of which it sees nothing leave its sums as they are: so its bits do not depend on
 * what else is in the block.
 */
#include "flash_soft.h"

enum { TILE = 64, N = TILE / 8 };

/* How a part of a row's keys joins the sums so far; in attn_fold too, the same operations. */
struct join { float top, old, add; };
static __device__ __forceinline__ struct join join_of(float top, float more, float scale2)
{
    float high = fmaxf(top, more);
    return { high, top == high ? 1 : exp2_fast((top - high) * scale2), more == high ? 1 : exp2_fast((more - high) * scale2) };
}

template <int DP, int M> static __device__ __forceinline__ void fold(struct soft<DP, M> *all, const struct soft<DP, M> *x, float scale2)
{
    UNROLL for (int m = 0; m < M; m++)
        UNROLL for (int i = 0; i < 2; i++) {
            float sum = quad_sum(x->sum[m][i]);
            if (x->top[m][i] == -INFINITY) continue;           /* the row has no keys in this unit */
            struct join w = join_of(all->top[m][i], x->top[m][i], scale2);
            all->top[m][i] = w.top;
            all->sum[m][i] = fmaf(all->sum[m][i], w.old, sum * w.add);
            UNROLL for (int d = 0; d < DP / 8; d++)
                UNROLL for (int j = 2 * i; j < 2 * i + 2; j++) all->acc[m][d][j] = fmaf(all->acc[m][d][j], w.old, x->acc[m][d][j] * w.add);
        }
}

/* UNITS: the softmax is taken over units of positions. */
template <int DP, int M, bool UNITS> __global__ void __launch_bounds__(FLASH_THREADS) flash_rows(struct flash f)
{
    enum { LD = FLASH_LD(DP), ROWS = FLASH_WARPS * 16 * M, STAGE = TILE * LD };
    DYNAMIC_SHARED(struct bf16, shared);
    if ((int)blockIdx.x >= *f.nitem) return;
    struct item it = f.item[blockIdx.x];
    int kh = (int)blockIdx.y, warp = (int)(threadIdx.x / WARP), at_run = 0, limit[M][2], most = 0;
    struct bf16 *qs = shared, *ks = qs + ROWS * LD, *vs = ks + 2 * STAGE;
    const struct run *run = f.run + it.run;
    float scale2 = f.h.scale * LOG2E;
    load_stack<DP, ROWS>(qs, f.q, NULL, flash_in(), f.h, kh, it.row, 0, it.nrow * f.h.group);
    load_keys<DP, TILE>(ks, f.k, vs, f.v, f.h, kh, run, &at_run, it.begin, it.end);
    cp_async_commit();
    UNROLL for (int m = 0; m < M; m++)
        UNROLL for (int i = 0; i < 2; i++) {
            int s = warp * 16 * M + own_row(m, 2 * i);
            limit[m][i] = s < it.nrow * f.h.group ? f.nkey[it.row + s / f.h.group] : 0;
            if (limit[m][i] > it.end) limit[m][i] = it.end;
            if (limit[m][i] > most) most = limit[m][i];
        }
    UNROLL for (int d = WARP / 2; d; d /= 2) {
        int other = __shfl_xor_sync(FULL_WARP, most, d);
        if (other > most) most = other;
    }
    struct soft<DP, M> x, all;
    soft_begin<DP, M>(&x);
    if (UNITS) soft_begin<DP, M>(&all);
    for (int begin = it.begin, stage = 0; begin < it.end; begin += TILE, stage ^= 1) {
        if (begin + TILE < it.end)
            load_keys<DP, TILE>(ks + (stage ^ 1) * STAGE, f.k, vs + (stage ^ 1) * STAGE, f.v, f.h, kh, run, &at_run, begin + TILE, it.end);
        cp_async_commit();
        cp_async_wait<1>();
        __syncthreads();
        if (begin < most) {                    /* the same for the whole warp */
            float s[M][N][4];
            zero_sums<M, N>(s);
            product_nt<DP, M, N>(s, qs + warp * 16 * M * LD, ks + stage * STAGE);
            weigh<DP, M, N>(&x, s, limit, begin, scale2, false, NULL);
            product_nn<DP, M, N>(x.acc, s, vs + stage * STAGE);
        }
        if (UNITS && ((begin + TILE) % UNIT == 0 || begin + TILE >= it.end)) {
            fold<DP, M>(&all, &x, scale2);
            soft_begin<DP, M>(&x);
        }
        __syncthreads();                       /* before the tile is overwritten */
    }
    UNROLL for (int m = 0; m < M; m++)
        UNROLL for (int i = 0; i < 2; i++) x.sum[m][i] = quad_sum(x.sum[m][i]);
    put_rows<DP, M>(&f, UNITS ? &all : &x, it, kh, warp * 16 * M);
}

/* A warp a row and head: its parts, in order. */
template <int DP> __global__ void flash_fold(struct flash f)
{
    int task = (int)(blockIdx.x * FLASH_WARPS + threadIdx.x / WARP), row = task / f.h.n, head = task % f.h.n, lane = (int)(threadIdx.x % WARP), D = f.h.D;
    if (row >= f.q.rows) return;
    float top = -INFINITY, sum = 0, acc[DP / WARP] = { 0 };
    for (int u = 0; u * UNIT < f.nkey[row]; u++) {
        size_t part = (size_t)(f.part[row] + u) * (size_t)f.h.n + (size_t)head;
        struct join w = join_of(top, f.ml[2 * part], f.h.scale * LOG2E);
        top = w.top;
        sum = fmaf(sum, w.old, f.ml[2 * part + 1] * w.add);
        UNROLL for (int c = 0; c < DP / WARP; c++)
            if (lane + c * WARP < D) acc[c] = fmaf(acc[c], w.old, f.sums[part * (size_t)D + (size_t)(lane + c * WARP)] * w.add);
    }
    float inv = 1 / sum;
    UNROLL for (int c = 0; c < DP / WARP; c++)
        if (lane + c * WARP < D) from_float(at(f.o, row, head * D + lane + c * WARP), acc[c] * inv);
}

/* ---- the host's side ---- */

bool cuda_flash_fits(const struct cuda *c, const struct heads *h, struct mat q, struct mat k, struct mat v, struct mat o)
{
    return c->device.major >= 8 && q.t == DT_BF16 && k.t == DT_BF16 && v.t == DT_BF16 && o.t == DT_BF16 && h->D % 8 == 0 && h->D <= 128 &&
           h->group <= FLASH_WARPS * 16 && h->scale > 0 && cuda_packs(q, k, v, o);
}

const int *cuda_flash_items(struct cuda *c, const struct attn_args *a, const int *host, int most, int *count)
{
    int n = 0, T = a->q.rows;
    for (int s = 0; s < a->nseq; s++) n += div_up(a->start[s + 1] - a->start[s], most);
    size_t ints = 1 + (size_t)n * (sizeof(struct item) / sizeof(int));
    int *list = (int *)mem_array(ints, sizeof *list);
    struct item *to = (struct item *)(list + 1);
    list[0] = *count = n;
    for (int s = 0; s < a->nseq; s++) {        /* of a sequence, the rows with the most keys first */
        int first = a->start[s], len = a->start[s + 1] - first;
        for (int i = (div_up(len, most) - 1) * most; i >= 0; i -= most) {
            int rows = len - i < most ? len - i : most;
            *to++ = { first + i, rows, host[first], 0, host[T + first + i + rows - 1] };
        }
    }
    const int *dev = cuda_ints(c, list, ints);
    free(list);
    return dev;
}

template <int DP, int M> static size_t rows_bytes(void) { return sizeof(struct bf16) * (size_t)(FLASH_WARPS * 16 * M + 4 * TILE) * FLASH_LD(DP); }

void cuda_flash(struct cuda *c, const struct attn_args *a, const struct heads *h, const struct keys *k, const int *host)
{
    enum { M = 2 };
    int n;
    const int *items = cuda_flash_items(c, a, host, FLASH_WARPS * 16 * M / h->group, &n);
    if (!items) return;
    struct flash f = { view_of<const struct bf16>(a->q), view_of<const struct bf16>(a->k), view_of<const struct bf16>(a->v), view_of<struct bf16>(a->o),
                       *h, items, (const struct item *)(items + 1), k->nkey, k->run, a->lse, NULL, NULL, NULL };
    dim3 grid((unsigned)n, (unsigned)a->kv_heads);
    BY_HEAD(h->D, DP, LAUNCH_WIDE(c, (flash_rows<DP, M, false>), grid, FLASH_THREADS, (rows_bytes<DP, M>()), f));
}

void cuda_flash_tree(struct cuda *c, const struct attn_tree_args *a, const struct heads *h)
{
    const int *dev;
    const struct plan *p = plan_tree(c, a, FLASH_WARPS * 16 / h->group, 2 * c->device.multiProcessorCount, &dev);
    if (!p) return;
    struct flash f = { view_of<const struct bf16>(a->q), view_of<const struct bf16>(a->k), view_of<const struct bf16>(a->v), view_of<struct bf16>(a->o),
                       *h, dev, (const struct item *)(dev + p->item), dev + p->nkey, (const struct run *)(dev + p->run), NULL, dev + p->part, NULL, NULL };
    if (!p->whole) {
        size_t parts = (size_t)plan_rounded(p->parts) * (size_t)h->n;
        f.sums = (float *)cuda_scratch(c, SCRATCH_ATTN, parts * (size_t)(h->D + 2) * sizeof *f.sums);
        if (!f.sums) return;
        f.ml = f.sums + parts * (size_t)h->D;
    }
    dim3 grid(plan_rounded(p->nitem), (unsigned)a->kv_heads), folds((unsigned)div_up((int64_t)a->q.rows * h->n, FLASH_WARPS));
    BY_HEAD(h->D, DP,
        LAUNCH_WIDE(c, (flash_rows<DP, 1, true>), grid, FLASH_THREADS, (rows_bytes<DP, 1>()), f);
        if (!p->whole) LAUNCH(c, flash_fold<DP>, folds, dim3(FLASH_THREADS), 0, f));
}
