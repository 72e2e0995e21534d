/* SPDX-License-Identifier: Apache-2.0
 * Attention backward on tensor cores, bf16. One kernel goes through the keys of a tile of queries and gives dq; another, with
 * the sides exchanged, through the queries of a tile of keys and gives dk and dv. Weights are computed in both.
 */
#include "flash_bwd.h"

#include <stdlib.h>

/* ---- delta: a warp a row and head ---- */

__global__ void flash_delta(float *delta, flash_in d_o, flash_in o, int heads, int D)
{
    int task = (int)(blockIdx.x * FLASH_WARPS + threadIdx.x / WARP), row = task / heads, col = task % heads * D, lane = (int)(threadIdx.x % WARP);
    if (row >= o.rows) return;
    float s = 0;
    for (int d = lane * 4; d < D; d += WARP * 4) {
        float x[4], y[4];
        load<struct bf16, 4>(x, at(d_o, row, col + d));
        load<struct bf16, 4>(y, at(o, row, col + d));
        for (int i = 0; i < 4; i++) s += x[i] * y[i];
    }
    s = warp_sum(s);
    if (!lane) delta[task] = s;
}

/* ---- dq ---- */

template <int DP, int M, int TILE> __global__ void __launch_bounds__(FLASH_THREADS)
flash_dq(struct back b, flash_out dq, const struct item *item, const int *nkey, const struct run *runs)
{
    enum { LD = FLASH_LD(DP), N = TILE / 8, ROWS = FLASH_WARPS * 16 * M, STAGE = TILE * LD };
    DYNAMIC_SHARED(struct bf16, shared);
    struct item it = item[blockIdx.x];
    struct heads h = b.h;
    int kh = (int)blockIdx.y, x0 = (int)(threadIdx.x / WARP) * 16 * M, at_run = 0, count = it.nrow * h.group, limit[M][2];
    struct bf16 *qs = shared, *ds = qs + ROWS * LD, *ks = ds + ROWS * LD, *vs = ks + 2 * STAGE;
    const struct run *run = runs + it.run;
    float lse2[M][2], delta[M][2], scale2 = h.scale * LOG2E, acc[M][DP / 8][4];
    load_stack<DP, ROWS>(qs, b.q, ds, b.d_o, h, kh, it.row, 0, count);
    load_keys<DP, TILE>(ks, b.k, vs, b.v, h, kh, run, &at_run, 0, it.end);
    cp_async_commit();
    UNROLL for (int m = 0; m < M; m++)
        UNROLL for (int i = 0; i < 2; i++) {
            int s = x0 + own_row(m, 2 * i), row = s < count ? it.row + s / h.group : 0;
            size_t own = s < count ? (size_t)row * (size_t)h.n + (size_t)(kh * h.group + s % h.group) : 0;
            limit[m][i] = s < count ? nkey[row] : 0;
            lse2[m][i] = b.lse[own] * LOG2E;
            delta[m][i] = b.delta[own];
        }
    zero_sums<M, DP / 8>(acc);
    for (int begin = 0, stage = 0; begin < it.end; begin += TILE, stage ^= 1) {
        if (begin + TILE < it.end)
            load_keys<DP, TILE>(ks + (stage ^ 1) * STAGE, b.k, vs + (stage ^ 1) * STAGE, b.v, h, kh, run, &at_run, begin + TILE, it.end);
        cp_async_commit();
        cp_async_wait<1>();
        __syncthreads();
        float s[M][N][4], g[M][N][4];
        int col = begin + (int)(threadIdx.x % 4) * 2;
        zero_sums<M, N>(s);
        zero_sums<M, N>(g);
        product_nt<DP, M, N>(s, qs + x0 * LD, ks + stage * STAGE);
        product_nt<DP, M, N>(g, ds + x0 * LD, vs + stage * STAGE);
        UNROLL for (int m = 0; m < M; m++)
            UNROLL for (int n = 0; n < N; n++)
                UNROLL for (int i = 0; i < 4; i++) {
                    float p = col + n * 8 + i % 2 < limit[m][i / 2] ? exp2_fast(fmaf(s[m][n][i], scale2, -lse2[m][i / 2])) : 0;
                    s[m][n][i] = p * (g[m][n][i] - delta[m][i / 2]) * h.scale;
                }
        product_nn<DP, M, N>(acc, s, ks + stage * STAGE);
        __syncthreads();
    }
    add_queries<DP, M>(dq, acc, h, kh, it.row, count, x0);
}

/* ---- dk, dv ---- */

/* Which queries come next: stack rows from x on of source s. */
struct cursor { int s, x; };

static __device__ __forceinline__ int rows_of(struct source s, struct key_item it, struct heads h) { return meets(s, it) ? (s.end - s.row) * h.group : 0; }

static __device__ __forceinline__ struct cursor advance(const struct source *all, struct key_item it, struct heads h, struct cursor c, int by)
{
    c.x += by;
    while (c.s < it.nsource && c.x >= rows_of(source_of(all, it, c.s, 1), it, h)) { c.s++; c.x = 0; }
    return c;
}

/* The columns of a tile of weights. */
template <int TILE> struct columns { float lse2[TILE], delta[TILE]; int row[TILE]; };

template <int DP, int TILE> static __device__ __forceinline__ void load_queries(const struct back *b, struct source from, int kh, int x0, struct bf16 *qs,
                                                                                struct bf16 *ds, struct columns<TILE> *c)
{
    int count = (from.end - from.row) * b->h.group;
    load_stack<DP, TILE>(qs, b->q, ds, b->d_o, b->h, kh, from.row, x0, count);
    if (threadIdx.x >= TILE) return;
    struct column mine = column_of(b, kh, from.row, x0 + (int)threadIdx.x, count);
    c->lse2[threadIdx.x] = mine.lse2;
    c->delta[threadIdx.x] = mine.delta;
    c->row[threadIdx.x] = mine.row;
}

/* Scores s become weights, and g = dp becomes ds. Rows are keys, columns queries. */
template <int M, int TILE> static __device__ __forceinline__ void weights_back(float (*s)[TILE / 8][4], float (*g)[TILE / 8][4], const struct columns<TILE> *c,
                                                                               struct source from, int key0, float scale)
{
    UNROLL for (int m = 0; m < M; m++)
        UNROLL for (int n = 0; n < TILE / 8; n++)
            UNROLL for (int i = 0; i < 4; i++) {
                int col = n * 8 + (int)(threadIdx.x % 4) * 2 + i % 2, key = key0 + own_row(m, i);
                bool sees = key >= from.lo && key < from.hi && (!from.causal || key <= c->row[col]);
                float p = sees ? exp2_fast(fmaf(s[m][n][i], scale * LOG2E, -c->lse2[col])) : 0;
                s[m][n][i] = p;
                g[m][n][i] = p * (g[m][n][i] - c->delta[col]) * scale;
            }
}

template <int DP, int M, int TILE> __global__ void __launch_bounds__(FLASH_THREADS)
flash_dkv(struct back b, flash_out dk, flash_out dv, const struct key_item *item, const struct source *sources)
{
    enum { LD = FLASH_LD(DP), N = TILE / 8, ROWS = FLASH_WARPS * 16 * M, STAGE = TILE * LD };
    DYNAMIC_SHARED(struct bf16, shared);
    __shared__ struct columns<TILE> columns[2];
    struct key_item it = item[blockIdx.x];
    struct heads h = b.h, one = { h.n / h.group, 1, h.D, h.scale };
    int kh = (int)blockIdx.y, x0 = (int)(threadIdx.x / WARP) * 16 * M;
    struct bf16 *ks = shared, *vs = ks + ROWS * LD, *qs = vs + ROWS * LD, *ds = qs + 2 * STAGE;
    float sum_k[M][DP / 8][4], sum_v[M][DP / 8][4];
    zero_sums<M, DP / 8>(sum_k);
    zero_sums<M, DP / 8>(sum_v);
    load_stack<DP, ROWS>(ks, b.k, vs, b.v, one, kh, it.row, 0, it.nrow);
    struct cursor now = advance(sources, it, h, { 0, 0 }, 0), next;
    if (now.s < it.nsource) load_queries<DP, TILE>(&b, source_of(sources, it, now.s, 1), kh, now.x, qs, ds, &columns[0]);
    cp_async_commit();
    for (int stage = 0; now.s < it.nsource; now = next, stage ^= 1) {
        next = advance(sources, it, h, now, TILE);
        int other = stage ^ 1;
        if (next.s < it.nsource)
            load_queries<DP, TILE>(&b, source_of(sources, it, next.s, 1), kh, next.x, qs + other * STAGE, ds + other * STAGE, &columns[other]);
        cp_async_commit();
        cp_async_wait<1>();
        __syncthreads();
        float s[M][N][4], g[M][N][4];
        zero_sums<M, N>(s);
        zero_sums<M, N>(g);
        product_nt<DP, M, N>(s, ks + x0 * LD, qs + stage * STAGE);
        product_nt<DP, M, N>(g, vs + x0 * LD, ds + stage * STAGE);
        weights_back<M, TILE>(s, g, &columns[stage], source_of(sources, it, now.s, 1), it.row + x0, h.scale);
        product_nn<DP, M, N>(sum_v, s, ds + stage * STAGE);
        product_nn<DP, M, N>(sum_k, g, qs + stage * STAGE);
        __syncthreads();
    }
    add_keys<DP, M>(dk, sum_k, it, kh, x0, h.D);
    add_keys<DP, M>(dv, sum_v, it, kh, x0, h.D);
}

/* ---- the host's side ---- */

struct key_list key_list_new(const struct attn_args *a, int most)
{
    int n = a->nseq;
    struct key_list l = {};
    int *first = (int *)mem_array(2 * (size_t)n + 2, sizeof *first), *used = first + n + 1;
    for (int s = 0; s < n; s++) {
        l.nitem += div_up(a->start[s + 1] - a->start[s], most);
        first[s + 1]++;
        if (attn_owner(a, s) != s) first[attn_owner(a, s) + 1]++;
    }
    for (int s = 0; s < n; s++) first[s + 1] += first[s];
    size_t ints = (size_t)l.nitem * (sizeof(struct key_item) / sizeof(int));
    l.n = ints + (size_t)first[n] * (sizeof(struct source) / sizeof(int));
    l.host = (int *)mem_array(l.n + 1, sizeof *l.host);
    l.item = (struct key_item *)l.host;
    l.source = (struct source *)(l.host + ints);
    for (int s = 0; s < n; s++) l.source[first[s] + used[s]++] = { a->start[s], a->start[s + 1], a->start[s], a->start[s + 1], a->causal, s };
    struct key_item *to = l.item;
    for (int s = 0; s < n; s++) {
        int own = attn_owner(a, s);
        if (own != s) l.source[first[own] + used[own]++] = { a->start[s], a->start[s + 1], a->prefix[s].begin, a->prefix[s].end, false, s };
        for (int r = a->start[s], end = a->start[s + 1]; r < end; r += most) *to++ = { r, end - r < most ? end - r : most, first[s], first[s + 1] - first[s], 0, 0 };
    }
    free(first);
    return l;
}

template <int DP, int M, int TILE> static void launch_bwd(struct cuda *c, const struct attn_args *a, const struct back *b, const struct keys *k,
                                                          const int *host, struct mat dq, struct mat dk, struct mat dv)
{
    const size_t bytes = sizeof(struct bf16) * (size_t)(2 * FLASH_WARPS * 16 * M + 4 * TILE) * FLASH_LD(DP);
    struct key_list list = key_list_new(a, FLASH_WARPS * 16 * M);
    int nq, nk = list.nitem;
    const int *queries = cuda_flash_items(c, a, host, FLASH_WARPS * 16 * M / b->h.group, &nq), *keys = cuda_ints(c, list.host, list.n);
    const struct source *sources = (const struct source *)(keys + ((int *)list.source - list.host));
    free(list.host);
    if (!queries || !keys) return;
    LAUNCH_WIDE(c, (flash_dq<DP, M, TILE>), dim3((unsigned)nq, (unsigned)a->kv_heads), FLASH_THREADS, bytes, *b, view_of<struct bf16>(dq), (const struct item *)(queries + 1), k->nkey, k->run);
    LAUNCH_WIDE(c, (flash_dkv<DP, M, TILE>), dim3((unsigned)nk, (unsigned)a->kv_heads), FLASH_THREADS, bytes, *b, view_of<struct bf16>(dk), view_of<struct bf16>(dv),
                (const struct key_item *)keys, sources);
}

struct back back_begin(struct cuda *c, const struct attn_args *a, const struct heads *h, struct mat d_o, float *delta)
{
    LAUNCH(c, flash_delta, dim3((unsigned)div_up((int64_t)a->q.rows * h->n, FLASH_WARPS)), dim3(FLASH_THREADS), 0, delta,
           view_of<const struct bf16>(d_o), view_of<const struct bf16>(a->o), h->n, h->D);
    return { view_of<const struct bf16>(a->q), view_of<const struct bf16>(a->k), view_of<const struct bf16>(a->v), view_of<const struct bf16>(d_o),
             *h, a->lse, delta };
}

void cuda_flash_bwd(struct cuda *c, const struct attn_args *a, const struct heads *h, const struct keys *k, const int *host,
                    struct mat d_o, struct mat dq, struct mat dk, struct mat dv)
{
    float *delta = (float *)cuda_scratch(c, SCRATCH_ATTN, (size_t)a->q.rows * (size_t)h->n * sizeof *delta);
    if (!delta) return;
    struct back b = back_begin(c, a, h, d_o, delta);
    if (h->D <= 64) launch_bwd<64, 2, 32>(c, a, &b, k, host, dq, dk, dv);
    else if (h->D <= 96) launch_bwd<96, 1, 64>(c, a, &b, k, host, dq, dk, dv);
    else launch_bwd<128, 1, 32>(c, a, &b, k, host, dq, dk, dv);
}
