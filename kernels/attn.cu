/* SPDX-License-Identifier: Apache-2.0
 * Attention: the ops, and the plain kernels, for every element type, head size and device. A warp takes a row and a head
 * and goes through its keys 32 at a time, a key a lane, with a running maximum and sum; key p of a row stands in lane
 * p % 32 of step p / 32, so that a row's result has the same bits however its keys are cut into segments, and attn() and
 * attn_tree() agree.
 */
#include "attn.h"

#include <stdlib.h>

enum { MOST_D = 256, OWN = MOST_D / WARP, WARPS = 4 };

template <class T> static __device__ __forceinline__ float dot_row(const float *a, const T *b, int D)
{
    float s = 0;
    for (int d = 0; d < D; d++) s += a[d] * to_float(b[d]);
    return s;
}

/* The warp's row and head; q in shared memory, all of it visible to the warp. */
template <class T> static __device__ __forceinline__ float *warp_row(struct view<const T> x, float (*shared)[MOST_D], int row, int head, int D)
{
    float *q = shared[threadIdx.x / WARP];
    for (int d = (int)(threadIdx.x % WARP); d < D; d += WARP) q[d] = to_float(*at(x, row, head * D + d));
    __syncwarp();
    return q;
}

template <class T> __global__ void attn_rows(struct view<T> o, struct view<const T> q, struct view<const T> k, struct view<const T> v,
                                             struct heads h, struct keys keys, float *lse)
{
    __shared__ float qs[WARPS][MOST_D];
    int task = (int)(blockIdx.x * WARPS + threadIdx.x / WARP), row = task / h.n, head = task % h.n, lane = (int)(threadIdx.x % WARP);
    if (row >= q.rows) return;                 /* the whole warp */
    const float *mine = warp_row(q, qs, row, head, h.D);
    const struct run *run = keys.run + keys.first[row];
    int n = keys.nkey[row], col = head / h.group * h.D, i = 0;
    float top = -INFINITY, sum = 0, acc[OWN] = { 0 };
    for (int begin = 0; begin < n; begin += WARP) {
        bool inside = begin + lane < n;
        int slot = inside ? slot_of(run, &i, begin + lane) : 0;
        float s = inside ? h.scale * dot_row(mine, at(k, slot, col), h.D) : -INFINITY;
        float higher = fmaxf(top, warp_max(s)), p = expf(s - higher), shrink = expf(top - higher);
        sum = sum * shrink + warp_sum(p);
        top = higher;
        for (int c = 0; c < OWN; c++) acc[c] *= shrink;
        for (int j = 0; j < WARP && begin + j < n; j++) {
            float pj = __shfl_sync(FULL_WARP, p, j);
            const T *vj = at(v, __shfl_sync(FULL_WARP, slot, j), col);
            for (int c = 0; c < OWN; c++)
                if (lane + c * WARP < h.D) acc[c] += pj * to_float(vj[lane + c * WARP]);
        }
    }
    for (int c = 0; c < OWN; c++)
        if (lane + c * WARP < h.D) from_float(at(o, row, head * h.D + lane + c * WARP), acc[c] / sum);
    if (lse && !lane) lse[(size_t)row * (size_t)h.n + (size_t)head] = top + logf(sum);
}

/* ---- backward: dq by rows, then dk and dv by keys ---- */

/* Also delta [T, H] = sum of d_o o, for the second kernel. */
template <class T> __global__ void attn_rows_dq(struct view<T> dq, struct view<const T> d_o, struct view<const T> o, struct view<const T> q,
                                                struct view<const T> k, struct view<const T> v, struct heads h, struct keys keys,
                                                const float *lse, float *delta)
{
    __shared__ float qs[WARPS][MOST_D], ds[WARPS][MOST_D];
    int task = (int)(blockIdx.x * WARPS + threadIdx.x / WARP), row = task / h.n, head = task % h.n, lane = (int)(threadIdx.x % WARP);
    if (row >= q.rows) return;
    const float *mine = warp_row(q, qs, row, head, h.D), *grad = warp_row(d_o, ds, row, head, h.D);
    const struct run *run = keys.run + keys.first[row];
    int n = keys.nkey[row], col = head / h.group * h.D, i = 0;
    size_t own = (size_t)row * (size_t)h.n + (size_t)head;
    float dot = 0, acc[OWN] = { 0 };
    for (int d = lane; d < h.D; d += WARP) dot += grad[d] * to_float(*at(o, row, head * h.D + d));
    dot = warp_sum(dot);
    if (!lane) delta[own] = dot;
    for (int begin = 0; begin < n; begin += WARP) {
        bool inside = begin + lane < n;
        int slot = inside ? slot_of(run, &i, begin + lane) : 0;
        float p = inside ? expf(h.scale * dot_row(mine, at(k, slot, col), h.D) - lse[own]) : 0;
        float g = inside ? p * (dot_row(grad, at(v, slot, col), h.D) - dot) * h.scale : 0;
        for (int j = 0; j < WARP && begin + j < n; j++) {
            float gj = __shfl_sync(FULL_WARP, g, j);
            const T *kj = at(k, __shfl_sync(FULL_WARP, slot, j), col);
            for (int c = 0; c < OWN; c++)
                if (lane + c * WARP < h.D) acc[c] += gj * to_float(kj[lane + c * WARP]);
        }
    }
    for (int c = 0; c < OWN; c++) {
        if (lane + c * WARP >= h.D) break;
        T *to = at(dq, row, head * h.D + lane + c * WARP);
        from_float(to, to_float(*to) + acc[c]);
    }
}

/* [dev] start [nseq + 1], prefix [2 nseq] begin and end, seq [T] */
struct packed { const int *start, *prefix, *seq; int nseq; bool causal; };

/* A warp a row and key head; the queries that see the key, sequence by sequence, 32 rows at a time, a row a lane. */
template <class T> __global__ void attn_rows_dkv(struct view<T> dk, struct view<T> dv, struct view<const T> d_o, struct view<const T> q,
                                                 struct view<const T> k, struct view<const T> v, struct heads h, struct packed b,
                                                 const float *lse, const float *delta)
{
    __shared__ float ks[WARPS][MOST_D], vs[WARPS][MOST_D];
    int nkv = h.n / h.group, task = (int)(blockIdx.x * WARPS + threadIdx.x / WARP), key = task / nkv, kh = task % nkv, lane = (int)(threadIdx.x % WARP);
    if (key >= k.rows) return;
    const float *kr = warp_row(k, ks, key, kh, h.D), *vr = warp_row(v, vs, key, kh, h.D);
    float ak[OWN] = { 0 }, av[OWN] = { 0 };
    for (int s = 0; s < b.nseq; s++) {
        bool own = b.seq[key] == s, before = key >= b.prefix[2 * s] && key < b.prefix[2 * s + 1];
        if (!own && !before) continue;
        int end = b.start[s + 1];
        for (int begin = own && b.causal ? key : b.start[s]; begin < end; begin += WARP)
            for (int head = kh * h.group; head < (kh + 1) * h.group; head++) {
                int row = begin + lane;
                float p = 0, g = 0;
                if (row < end) {
                    size_t at_row = (size_t)row * (size_t)h.n + (size_t)head;
                    p = expf(h.scale * dot_row(kr, at(q, row, head * h.D), h.D) - lse[at_row]);
                    g = p * (dot_row(vr, at(d_o, row, head * h.D), h.D) - delta[at_row]) * h.scale;
                }
                for (int j = 0; j < WARP && begin + j < end; j++) {
                    float pj = __shfl_sync(FULL_WARP, p, j), gj = __shfl_sync(FULL_WARP, g, j);
                    const T *qj = at(q, begin + j, head * h.D), *dj = at(d_o, begin + j, head * h.D);
                    for (int c = 0; c < OWN; c++) {
                        int d = lane + c * WARP;
                        if (d >= h.D) break;
                        ak[c] += gj * to_float(qj[d]);
                        av[c] += pj * to_float(dj[d]);
                    }
                }
            }
    }
    for (int c = 0; c < OWN; c++) {
        int d = lane + c * WARP;
        if (d >= h.D) break;
        T *tk = at(dk, key, kh * h.D + d), *tv = at(dv, key, kh * h.D + d);
        from_float(tk, to_float(*tk) + ak[c]);
        from_float(tv, to_float(*tv) + av[c]);
    }
}

/* ---- the ops ---- */

static struct heads heads_of(int heads, int kv_heads, int D, float scale)
{
    assert(D <= MOST_D && heads % kv_heads == 0);
    return { heads, heads / kv_heads, D, scale };
}

static dim3 warps(int rows, int heads) { return dim3((unsigned)div_up((int64_t)rows * heads, WARPS)); }

/* first [R], nkey [R], then the runs, in one upload. */
static bool send_keys(struct cuda *c, const int *host, int rows, int nrun, struct keys *k)
{
    const int *dev = cuda_ints(c, host, 2 * (size_t)rows + 3 * (size_t)nrun);
    *k = { dev, dev + rows, (const struct run *)(dev + 2 * (size_t)rows) };
    return dev;
}

/* Two runs a sequence: what it is behind, and its own rows. Returns first and nkey on the host, to be freed; NULL when
 * memory is out. */
static int *packed_keys(struct cuda *c, const struct attn_args *a, struct keys *k)
{
    int T = a->q.rows, nrun = 2 * a->nseq;
    int *host = (int *)mem_array(2 * (size_t)T + 3 * (size_t)nrun + 1, sizeof *host);
    struct run *run = (struct run *)(host + 2 * (size_t)T);
    for (int s = 0; s < a->nseq; s++) {
        struct span p = a->prefix ? a->prefix[s] : span{ 0, 0 };
        int before = p.end - p.begin, first = a->start[s], len = a->start[s + 1] - first;
        run[2 * s] = { p.begin, before, 0 };
        run[2 * s + 1] = { first, len, before };
        for (int i = 0; i < len; i++) {
            host[first + i] = 2 * s;
            host[T + first + i] = before + (a->causal ? i + 1 : len);
        }
    }
    if (send_keys(c, host, T, nrun, k)) return host;
    free(host);
    return NULL;
}

static void attn(struct ops *o, const struct attn_args *a)
{
    struct cuda *c = cuda_of(o);
    struct heads h = heads_of(a->heads, a->kv_heads, a->head_dim, a->scale);
    struct keys k;
    int *host = a->q.rows > 0 ? packed_keys(c, a, &k) : NULL;
    if (!host) return;
    bool flash = cuda_flash_fits(c, &h, a->q, a->k, a->v, a->o);
    if (flash && cuda_hopper_fits(c, &h)) cuda_hopper(c, a, &h, &k, host);
    else if (flash) cuda_flash(c, a, &h, &k, host);
    else BY_TYPE(a->q.t, T, LAUNCH(c, (attn_rows<T>), warps(a->q.rows, h.n), dim3(WARPS * WARP), 0, view_of<T>(a->o), view_of<const T>(a->q),
                                   view_of<const T>(a->k), view_of<const T>(a->v), h, k, a->lse));
    free(host);
}

static bool send_packed(struct cuda *c, const struct attn_args *a, struct packed *b)
{
    int T = a->q.rows, n = a->nseq;
    int *host = (int *)mem_array(3 * (size_t)n + 1 + (size_t)T, sizeof *host), *prefix = host + n + 1, *seq = prefix + 2 * n;
    for (int s = 0; s < n; s++) {
        host[s] = a->start[s];
        prefix[2 * s] = a->prefix ? a->prefix[s].begin : 0;
        prefix[2 * s + 1] = a->prefix ? a->prefix[s].end : 0;
        for (int t = a->start[s]; t < a->start[s + 1]; t++) seq[t] = s;
    }
    host[n] = a->start[n];
    const int *dev = cuda_ints(c, host, 3 * (size_t)n + 1 + (size_t)T);
    *b = { dev, dev + n + 1, dev + n + 1 + 2 * n, n, a->causal };
    free(host);
    return dev;
}

static void plain_bwd(struct cuda *c, const struct attn_args *a, const struct heads *h, const struct keys *k, struct mat d_o, struct mat dq, struct mat dk, struct mat dv)
{
    struct packed b;
    float *delta = (float *)cuda_scratch(c, SCRATCH_ATTN, (size_t)a->q.rows * (size_t)h->n * sizeof *delta);
    if (!delta || !send_packed(c, a, &b)) return;
    BY_TYPE(a->q.t, T,
        LAUNCH(c, (attn_rows_dq<T>), warps(a->q.rows, h->n), dim3(WARPS * WARP), 0, view_of<T>(dq), view_of<const T>(d_o), view_of<const T>(a->o),
               view_of<const T>(a->q), view_of<const T>(a->k), view_of<const T>(a->v), *h, *k, a->lse, delta);
        LAUNCH(c, (attn_rows_dkv<T>), warps(a->k.rows, a->kv_heads), dim3(WARPS * WARP), 0, view_of<T>(dk), view_of<T>(dv), view_of<const T>(d_o),
               view_of<const T>(a->q), view_of<const T>(a->k), view_of<const T>(a->v), *h, b, a->lse, delta));
}

static void attn_bwd(struct ops *o, const struct attn_args *a, struct mat d_o, struct mat dq, struct mat dk, struct mat dv)
{
    struct cuda *c = cuda_of(o);
    struct heads h = heads_of(a->heads, a->kv_heads, a->head_dim, a->scale);
    struct keys k;
    int *host = a->q.rows > 0 ? packed_keys(c, a, &k) : NULL;
    if (!host) return;
    bool flash = cuda_flash_fits(c, &h, a->q, a->k, a->v, a->o) && cuda_flash_fits(c, &h, d_o, dk, dv, dq);
    if (flash && cuda_hopper_bwd(c, a, &h, d_o, dq, dk, dv)) ;
    else if (flash) cuda_flash_bwd(c, a, &h, &k, host, d_o, dq, dk, dv);
    else plain_bwd(c, a, &h, &k, d_o, dq, dk, dv);
    free(host);
}

/* The runs of each row: its segments, which come in order of position. */
static void attn_tree(struct ops *o, const struct attn_tree_args *a)
{
    struct cuda *c = cuda_of(o);
    struct heads h = heads_of(a->heads, a->kv_heads, a->head_dim, a->scale);
    int R = a->q.rows, nrun = 0;
    if (R < 1) return;
    if (cuda_flash_fits(c, &h, a->q, a->k, a->v, a->o)) {
        cuda_flash_tree(c, a, &h);
        return;
    }
    for (int i = 0; i < a->nseg; i++) nrun += a->seg[i].nrow;
    int *host = (int *)mem_array(2 * (size_t)R + 3 * (size_t)nrun + 1, sizeof *host), *used = (int *)mem_array((size_t)R + 1, sizeof *used);
    struct run *run = (struct run *)(host + 2 * (size_t)R);
    for (int i = 0; i < a->nseg; i++)
        for (int r = a->seg[i].row; r < a->seg[i].row + a->seg[i].nrow; r++) used[r]++;
    for (int r = 0, at = 0; r < R; at += used[r], used[r++] = 0) {
        host[r] = at;
        host[R + r] = a->nkey[r];
    }
    for (int i = 0; i < a->nseg; i++)
        for (int r = a->seg[i].row; r < a->seg[i].row + a->seg[i].nrow; r++)
            run[host[r] + used[r]++] = { a->seg[i].slot, a->seg[i].len, a->seg[i].pos };
    struct keys k;
    bool ok = send_keys(c, host, R, nrun, &k);
    free(host);
    free(used);
    if (!ok) return;
    BY_TYPE(a->q.t, T, LAUNCH(c, (attn_rows<T>), warps(R, h.n), dim3(WARPS * WARP), 0, view_of<T>(a->o), view_of<const T>(a->q),
                              view_of<const T>(a->k), view_of<const T>(a->v), h, k, (float *)NULL));
}

void cuda_set_attention(struct ops *o)
{
    o->attn = attn;
    o->attn_bwd = attn_bwd;
    o->attn_tree = attn_tree;
}
