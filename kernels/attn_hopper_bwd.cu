/* SPDX-License-Identifier: Apache-2.0
 * Attention backward on Hopper's warpgroup products: 5 products of tiles, as many as there are. A block takes 128 keys and
 * goes through the queries that see them, for dk and dv; the gradients of the scores, in bf16, go to memory a unit of 128 keys and
 * up to 128 rows of the query stack at a time, in the form in which the second kernel's products take them; a block of that
 * sums dq over the units of its queries, in the order of the keys.
 *
 * A unit's rows: whole rows of q, QUERIES / group of them, counted from the first of their sequence; a unit holds its first 64 rows
 * of the stack, [keys, 64], then the others.
 */
#ifdef GPU_WGMMA
#include "flash_bwd.h"
#include "flash_hopper.h"

#include <stdlib.h>

enum { KEYS = HOPPER_ROWS, QUERIES = HOPPER_ROWS, HALF = 64, N = HALF / 8, UNIT_SIZE = KEYS * QUERIES };

/* Which gradients of scores a launch makes, of the heads from `head` on: [heads of the launch, units, UNIT_SIZE]. */
struct grads { struct bf16 *p; int head, units; };
static __device__ __forceinline__ struct bf16 *unit_of(struct grads g, int unit) { return g.p + ((size_t)blockIdx.y * (size_t)g.units + (size_t)unit) * UNIT_SIZE; }

/* ---- dk, dv ---- */

/* Half units, in the order in which they are fetched. */
struct walker { const struct source *all; struct source from; int s, row, x0, unit; };

static __device__ __forceinline__ struct walker walker_of(const struct source *all, struct key_item it)
{
    return { all, { 0, 0, 0, 0, 0, 0 }, -1, 0, QUERIES, it.unit - 1 };
}

static __device__ __forceinline__ int rows_left(const struct walker *w, struct heads h)
{
    int rows = QUERIES / h.group, left = w->from.end - w->row;
    return (left < rows ? left : rows) * h.group;
}

/* There is one: it.tiles counts them. */
static __device__ __forceinline__ void walk_on(struct walker *w, struct key_item it, struct heads h)
{
    w->x0 += HALF;
    if (w->s >= 0 && w->x0 < rows_left(w, h)) return;
    w->x0 = 0;
    w->unit++;
    w->row += QUERIES / h.group;
    while (w->row >= w->from.end) {
        w->from = source_of(w->all, it, ++w->s, QUERIES / h.group);
        w->row = meets(w->from, it) ? w->from.row : w->from.end;
    }
}

/* What is fetched beside q and d_o, of half a unit: rows of the stack of `from`'s rows from `row` on, the first of them x0; where
 * the half's gradients of scores go. */
struct side { float lse2[HALF], delta[HALF]; struct source from; int row, x0; struct bf16 *grads; };

enum { QUERY_PLACES = 2 };
/* q, d_o: QUERY_PLACES of [HALF, DP] each. grads: [KEYS, HALF], a half of it each worker's. */
struct tiles { struct bf16 *k, *v, *q, *d_o, *grads; };
template <int DP> static __device__ __forceinline__ struct tiles tiles_of(unsigned char *shared)
{
    struct bf16 *p = first_tile(shared), *q = p + 2 * KEYS * DP;
    return { p, p + KEYS * DP, q, q + QUERY_PLACES * HALF * DP, q + 2 * QUERY_PLACES * HALF * DP };
}
template <int DP> static size_t keys_bytes(void) { return TILE_ALIGN + sizeof(struct bf16) * (size_t)((2 * KEYS + 2 * QUERY_PLACES * HALF) * DP + KEYS * HALF); }
template <int DP> static __device__ __forceinline__ struct bf16 *place(struct bf16 *first, int n) { return first + n % QUERY_PLACES * HALF * DP; }

template <int DP> static __device__ void fetch_queries(const struct back *b, struct key_item it, const struct source *sources, struct grads to, int kh,
                                                       const struct tiles *t, struct ring<QUERY_PLACES> *ring, struct side *side)
{
    struct heads one = { b->h.n / b->h.group, 1, b->h.D, b->h.scale };
    struct walker w = walker_of(sources, it);
    uint64_t *last = NULL;
    fetch_stack<DP, KEYS>(t->k, b->k, t->v, b->v, one, kh, it.row, 0, it.nrow);
    for (int n = 0; n < it.tiles; n++) {
        walk_on(&w, it, b->h);
        int count = rows_left(&w, b->h);
        struct side *beside = &side[n % QUERY_PLACES];
        struct column mine = column_of(b, kh, w.row, w.x0 + (int)threadIdx.x % HALF, count);
        ring_wait_free(ring, n);
        fetch_stack<DP, HALF>(place<DP>(t->q, n), b->q, place<DP>(t->d_o, n), b->d_o, b->h, kh, w.row, w.x0, count);
        if (threadIdx.x < HALF) {
            beside->lse2[threadIdx.x] = mine.lse2;
            beside->delta[threadIdx.x] = mine.delta;
        }
        if (threadIdx.x == 0) {
            beside->from = w.from;
            beside->row = w.row;
            beside->x0 = w.x0;
            beside->grads = unit_of(to, w.unit) + w.x0 * KEYS;
        }
        fetch_announce(&last, &ring->full[n % QUERY_PLACES]);
    }
    fetch_announce(&last, NULL);
}

/* s = a b^T, under way: a the worker's 64 rows. */
template <int DP> static __device__ __forceinline__ void scores(float (*s)[4], const struct bf16 *a, int worker, const struct bf16 *b)
{
    hold<4 * N>(&s[0][0]);
    wgmma_begin();
    UNROLL for (int d = 0; d < DP; d += 16) wgmma_tiles<HALF, false, false>(&s[0][0], tile_rows(a, KEYS, worker * 64, d), tile_rows(b, HALF, 0, d), d > 0);
    wgmma_commit();
}

/* acc += p b, under way. */
template <int DP> static __device__ __forceinline__ void weighted(float (*acc)[4], uint32_t (*p)[4], const struct bf16 *b)
{
    hold<DP / 2>(&acc[0][0]);
    hold<HALF / 4>(&p[0][0]);
    wgmma_begin();
    UNROLL for (int k = 0; k < HALF; k += 16) wgmma_along<DP>(&acc[0][0], p[k / 16], tile_along(b, HALF, k));
    wgmma_commit();
}

/* Scores become weights, 0 where a query does not see a key; the warp's first key is key0 + x0. */
static __device__ __forceinline__ void weights(float (*s)[4], const struct side *side, int key0, int x0, int group, float scale2)
{
    struct source from = side->from;
    int col = (int)(threadIdx.x % 4) * 2;
    UNROLL for (int n = 0; n < N; n++)
        UNROLL for (int i = 0; i < 4; i++) s[n][i] = exp2_fast(fmaf(s[n][i], scale2, -side->lse2[n * 8 + col + i % 2]));
    if (key0 >= from.lo && key0 + KEYS <= from.hi && (!from.causal || (key0 + KEYS - 1 - side->row) * group <= side->x0)) return;  /* all see all */
    UNROLL for (int i = 0; i < 4; i++) {
        int key = key0 + x0 + own_row(0, i), first = from.causal ? (key - side->row) * group - side->x0 : 0;       /* the first query that sees it */
        bool any = key >= from.lo && key < from.hi;
        UNROLL for (int n = 0; n < N; n++)
            if (!any || n * 8 + col + i % 2 < first) s[n][i] = 0;
    }
}

/* Gradients of weights become gradients of scores. */
static __device__ __forceinline__ void score_grads(float (*g)[4], const float (*p)[4], const struct side *side, float scale)
{
    UNROLL for (int n = 0; n < N; n++)
        UNROLL for (int i = 0; i < 4; i++) g[n][i] = p[n][i] * (g[n][i] - side->delta[n * 8 + (int)(threadIdx.x % 4) * 2 + i % 2]) * scale;
}

/* As an operand, for the lane's rows of `to` [64, HALF], which goes to memory then. */
static __device__ __forceinline__ void put_grads(struct bf16 *global, struct bf16 *to, const uint32_t (*g)[4], int worker)
{
    bool first = threadIdx.x % WARPGROUP == 0;
    if (first) bulk_wait_read();
    warpgroup_sync(1 + worker);
    UNROLL for (int n = 0; n < N; n++)
        UNROLL for (int i = 0; i < 2; i++) {
            int r = (int)(threadIdx.x % WARPGROUP / WARP) * 16 + own_row(0, 2 * i);
            *(uint32_t *)(to + tile_piece(64, r, n) + (int)(threadIdx.x % 4) * 2) = g[n / 2][n % 2 * 2 + i];
        }
    fence_async();
    warpgroup_sync(1 + worker);
    if (first) bulk_store(global, to, 64 * HALF * (int)sizeof *to);
}

template <int DP> static __device__ void work_keys(const struct back *b, flash_out dk, flash_out dv, struct key_item it, int kh, int worker,
                                                   const struct tiles *t, struct ring<QUERY_PLACES> *ring, const struct side *side)
{
    int x0 = worker * 64 + (int)(threadIdx.x % WARPGROUP / WARP) * 16, tiles = of_warp(it.tiles);
    float sum_k[1][DP / 8][4], sum_v[1][DP / 8][4], s[1][N][4], g[1][N][4];
    zero_sums<1, DP / 8>(sum_k);
    zero_sums<1, DP / 8>(sum_v);
    zero_sums<1, N>(s);
    zero_sums<1, N>(g);
    for (int n = 0; n < tiles; n++) {
        const struct side *beside = &side[n % QUERY_PLACES];
        uint32_t p[HALF / 16][4], ds[HALF / 16][4];
        ring_wait_full(ring, n);
        scores<DP>(s[0], t->k, worker, place<DP>(t->q, n));
        scores<DP>(g[0], t->v, worker, place<DP>(t->d_o, n));
        wgmma_wait<1>();
        hold<4 * N>(&s[0][0][0]);
        weights(s[0], beside, it.row, x0, b->h.group, b->h.scale * LOG2E);
        wgmma_wait<0>();
        hold<4 * N>(&g[0][0][0]);
        score_grads(g[0], s[0], beside, b->h.scale);
        UNROLL for (int k = 0; k < HALF / 16; k++) as_operand(p[k], s[0] + 2 * k);
        weighted<DP>(sum_v[0], p, place<DP>(t->d_o, n));
        UNROLL for (int k = 0; k < HALF / 16; k++) as_operand(ds[k], g[0] + 2 * k);
        weighted<DP>(sum_k[0], ds, place<DP>(t->q, n));
        put_grads(beside->grads + worker * 64 * HALF, t->grads + worker * 64 * HALF, ds, worker);
        wgmma_wait<0>();
        hold<DP / 2>(&sum_v[0][0][0]);
        hold<DP / 2>(&sum_k[0][0][0]);
        ring_release(ring, n);
    }
    if (threadIdx.x % WARPGROUP == 0) bulk_wait();
    add_keys<DP, 1>(dk, sum_k, it, kh, x0, b->h.D);
    add_keys<DP, 1>(dv, sum_v, it, kh, x0, b->h.D);
}

template <int DP> __global__ void __launch_bounds__(HOPPER_THREADS, 1) hopper_dkv(struct back b, flash_out dk, flash_out dv, const struct key_item *item,
                                                                                 const struct source *sources, struct grads to)
{
    DYNAMIC_SHARED(unsigned char, shared);
    __shared__ struct ring<QUERY_PLACES> ring;
    __shared__ struct side side[QUERY_PLACES];
    struct key_item it = item[blockIdx.x];
    struct tiles t = tiles_of<DP>(shared);
    int group = of_warp((int)(threadIdx.x / WARPGROUP)), kh = to.head + (int)blockIdx.y;
    if (threadIdx.x == 0) {
        ring_init(&ring, WARPGROUP);
        fence_async();
    }
    __syncthreads();
    if (group == 0) {
        fewer_registers<FETCH_REGISTERS>();
        fetch_queries<DP>(&b, it, sources, to, kh, &t, &ring, side);
    } else {
        more_registers<WORK_REGISTERS>();
        work_keys<DP>(&b, dk, dv, it, kh, group - 1, &t, &ring, side);
    }
}

/* ---- dq ---- */

/* Rows [row, row + nrow) of q, and the units that hold gradients of their scores: unit[first ..], in the order of their keys. */
struct query_item { int row, nrow, first, n; };
struct unit { int unit, key, nkey; };

enum { UNIT_PLACES = 3 };
template <int DP> static size_t queries_bytes(void) { return TILE_ALIGN + sizeof(struct bf16) * (size_t)(UNIT_PLACES * (KEYS * DP + UNIT_SIZE)); }

template <int DP> __global__ void __launch_bounds__(HOPPER_THREADS, 1) hopper_dq(struct heads h, flash_in k, flash_out dq, const struct query_item *item,
                                                                                const struct unit *units, struct grads from)
{
    DYNAMIC_SHARED(unsigned char, shared);
    __shared__ struct ring<UNIT_PLACES> ring;
    struct query_item it = item[blockIdx.x];
    struct bf16 *grads = first_tile(shared), *ks = grads + UNIT_PLACES * UNIT_SIZE;
    int group = of_warp((int)(threadIdx.x / WARPGROUP)), kh = from.head + (int)blockIdx.y, count = of_warp(it.n);
    units += it.first;
    if (threadIdx.x == 0) {
        ring_init(&ring, WARPGROUP + 1);
        fence_async();
    }
    __syncthreads();
    if (group == 0) {
        struct heads one = { h.n / h.group, 1, h.D, h.scale };
        uint64_t *last = NULL;
        struct unit next = units[0];
        for (int n = 0; n < count; n++) {
            struct unit u = next;
            if (n + 1 < count) next = units[n + 1];
            uint64_t *full = &ring.full[n % UNIT_PLACES];
            ring_wait_free(&ring, n);
            if (threadIdx.x == 0) {
                bar_arrive_bytes(full, UNIT_SIZE * (int)sizeof *grads);
                bulk_load(grads + n % UNIT_PLACES * UNIT_SIZE, unit_of(from, u.unit), UNIT_SIZE * (int)sizeof *grads, full);
            }
            fetch_stack<DP, KEYS>(ks + n % UNIT_PLACES * KEYS * DP, k, NULL, flash_in(), one, kh, u.key, 0, u.nkey);
            fetch_announce(&last, full);
        }
        fetch_announce(&last, NULL);
        return;
    }
    int worker = group - 1;
    float acc[1][DP / 8][4];
    zero_sums<1, DP / 8>(acc);
    for (int n = 0; n < count; n++) {
        const struct bf16 *g = grads + n % UNIT_PLACES * UNIT_SIZE + worker * KEYS * HALF, *kn = ks + n % UNIT_PLACES * KEYS * DP;
        ring_wait_full(&ring, n);
        hold<DP / 2>(&acc[0][0][0]);
        wgmma_begin();
        UNROLL for (int d = 0; d < KEYS; d += 16) wgmma_tiles<DP, true, true>(&acc[0][0][0], tile_along(g, KEYS, d), tile_along(kn, KEYS, d), true);
        wgmma_commit();
        wgmma_wait<1>();
        if (n > 0) ring_release(&ring, n - 1);
    }
    wgmma_wait<0>();
    hold<DP / 2>(&acc[0][0][0]);
    add_queries<DP, 1>(dq, acc, h, kh, it.row, it.nrow * h.group, worker * 64 + (int)(threadIdx.x % WARPGROUP / WARP) * 16);
}

/* ---- the host's side ---- */

/* Numbers the units, key items in order and the queries of each in order; and lists those of each tile of queries. One
 * allocation: query items, then units. */
struct query_list { int *host; size_t n; struct query_item *item; int nitem, units; struct unit *unit; };

/* For each unit in order: its tile of queries gets one more, and `put` where it is not NULL. */
static int number_units(const struct attn_args *a, struct key_list *keys, int step, const int *tile0, struct query_item *tile, struct unit *put)
{
    int units = 0, group = a->heads / a->kv_heads;
    for (int i = 0; i < keys->nitem; i++) {
        struct key_item *it = &keys->item[i];
        it->unit = units;
        it->tiles = 0;
        for (int s = 0; s < it->nsource; s++) {
            struct source from = source_of(keys->source, *it, s, step);
            for (int row = meets(from, *it) ? from.row : from.end; row < from.end; row += step, units++) {
                struct query_item *q = &tile[tile0[from.seq] + (row - a->start[from.seq]) / step];
                if (put) put[q->first + q->n] = { units, it->row, it->nrow };
                q->n++;
                it->tiles += div_up((int64_t)(from.end - row < step ? from.end - row : step) * group, HALF);
            }
        }
    }
    return units;
}

static struct query_list query_list_new(const struct attn_args *a, struct key_list *keys)
{
    int step = QUERIES / (a->heads / a->kv_heads), *tile0 = (int *)mem_array((size_t)a->nseq + 1, sizeof *tile0);
    struct query_list l = {};
    for (int s = 0; s < a->nseq; s++) tile0[s + 1] = tile0[s] + div_up(a->start[s + 1] - a->start[s], step);
    l.nitem = tile0[a->nseq];
    struct query_item *tile = (struct query_item *)mem_array((size_t)l.nitem + 1, sizeof *tile);
    for (int s = 0; s < a->nseq; s++)
        for (int i = tile0[s], row = a->start[s]; i < tile0[s + 1]; i++, row += step) {
            tile[i].row = row;
            tile[i].nrow = a->start[s + 1] - row < step ? a->start[s + 1] - row : step;
        }
    l.units = number_units(a, keys, step, tile0, tile, NULL);
    size_t items = (size_t)l.nitem * (sizeof *tile / sizeof(int));
    l.n = items + (size_t)l.units * (sizeof(struct unit) / sizeof(int));
    l.host = (int *)mem_array(l.n + 1, sizeof *l.host);
    l.item = (struct query_item *)l.host;
    l.unit = (struct unit *)(l.host + items);
    for (int i = 0, at = 0; i < l.nitem; at += tile[i].n, tile[i++].n = 0) tile[i].first = at;
    number_units(a, keys, step, tile0, tile, l.unit);
    for (int i = 0; i < l.nitem; i++) l.item[i] = tile[l.nitem - 1 - i];       /* those with the most keys first */
    free(tile);
    free(tile0);
    return l;
}

template <int DP> static void launch_bwd(struct cuda *c, const struct back *b, const struct key_list *keys, const struct query_list *queries, const int *kdev,
                                         const int *qdev, struct grads to, int heads, struct mat dq, struct mat dk, struct mat dv)
{
    const struct source *sources = (const struct source *)(kdev + ((int *)keys->source - keys->host));
    const struct unit *units = (const struct unit *)(qdev + ((int *)queries->unit - queries->host));
    LAUNCH_WIDE(c, (hopper_dkv<DP>), dim3((unsigned)keys->nitem, (unsigned)heads), HOPPER_THREADS, keys_bytes<DP>(), *b, view_of<struct bf16>(dk),
                view_of<struct bf16>(dv), (const struct key_item *)kdev, sources, to);
    LAUNCH_WIDE(c, (hopper_dq<DP>), dim3((unsigned)queries->nitem, (unsigned)heads), HOPPER_THREADS, queries_bytes<DP>(), b->h, b->k, view_of<struct bf16>(dq),
                (const struct query_item *)qdev, units, to);
}

/* Memory for the gradients of scores: of as many heads at a time as go into USUAL_BYTES; of one, MOST_BYTES. The emulation has
 * little, so that its tests see several launches, and too long a sequence. */
#ifdef GPU_EMULATED
static const size_t USUAL_BYTES = 160 << 10, MOST_BYTES = 400 << 10;
#else
static const size_t USUAL_BYTES = (size_t)1 << 30, MOST_BYTES = (size_t)4 << 30;
#endif

static void run_bwd(struct cuda *c, const struct attn_args *a, const struct heads *h, const struct key_list *keys, const struct query_list *queries,
                    struct mat d_o, struct mat dq, struct mat dk, struct mat dv)
{
    size_t deltas = ((size_t)a->q.rows * (size_t)h->n * sizeof(float) + 255) / 256 * 256, one = (size_t)queries->units * UNIT_SIZE * sizeof(struct bf16);
    int heads = one < USUAL_BYTES ? (int)(USUAL_BYTES / one) : 1;
    if (heads > a->kv_heads) heads = a->kv_heads;
    heads = div_up(a->kv_heads, div_up(a->kv_heads, heads));
    char *mem = (char *)cuda_scratch(c, SCRATCH_ATTN, deltas + (size_t)heads * one);
    const int *kdev = cuda_ints(c, keys->host, keys->n), *qdev = cuda_ints(c, queries->host, queries->n);
    if (!mem || !kdev || !qdev) return;
    struct back b = back_begin(c, a, h, d_o, (float *)mem);
    for (int head = 0; head < a->kv_heads; head += heads) {
        struct grads to = { (struct bf16 *)(mem + deltas), head, queries->units };
        int n = a->kv_heads - head < heads ? a->kv_heads - head : heads;
        if (h->D <= 64) launch_bwd<64>(c, &b, keys, queries, kdev, qdev, to, n, dq, dk, dv);
        else launch_bwd<128>(c, &b, keys, queries, kdev, qdev, to, n, dq, dk, dv);
    }
}

bool cuda_hopper_bwd(struct cuda *c, const struct attn_args *a, const struct heads *h, struct mat d_o, struct mat dq, struct mat dk, struct mat dv)
{
    if (!cuda_hopper_fits(c, h)) return false;
    struct key_list keys = key_list_new(a, KEYS);
    struct query_list queries = query_list_new(a, &keys);
    bool fits = (size_t)queries.units * UNIT_SIZE * sizeof(struct bf16) <= MOST_BYTES;
    if (fits) run_bwd(c, a, h, &keys, &queries, d_o, dq, dk, dv);
    free(keys.host);
    free(queries.host);
    return fits;
}

#else
#include "attn.h"

bool cuda_hopper_bwd(struct cuda *, const struct attn_args *, const struct heads *, struct mat, struct mat, struct mat, struct mat) { return false; }
#endif
