/* SPDX-License-Identifier: Apache-2.0
 * Attention backward, what its kernels on mma.sync and on wgmma share. With p = exp(scale q k^T - lse), delta = sum(do * o)
 * per row:
 *   dv += p^T do;  ds = scale * p * (do v^T - delta);  dq += ds k;  dk += ds^T q
 * dk and dv of a tile of keys come from one block, which goes through all queries that see the tile, sequence by sequence in
 * order; so does dq of a tile of queries: nothing is added to by two blocks, and every sum has a fixed order.
 */
#ifndef KERNELS_FLASH_BWD_H
#define KERNELS_FLASH_BWD_H

#include "flash.h"

/* Queries of sequence `seq` that see the keys of rows [lo, hi), themselves only up to their own row where `causal`. */
struct source { int row, end, lo, hi, causal, seq; };
/* Rows [row, row + nrow) of k and v, all of one sequence, and who may see them. tiles, unit: attn_hopper_bwd.cu. */
struct key_item { int row, nrow, source, nsource, tiles, unit; };
/* Items of at most `most` keys, and who sees them: of each sequence itself, then those it is a prefix of, in order. One
 * allocation of n ints, laid out as sent to the device. */
struct key_list { int *host; size_t n; struct key_item *item; int nitem; struct source *source; };
struct key_list key_list_new(const struct attn_args *a, int most);

/* [dev] lse, delta [T, H] */
struct back {
    flash_in q, k, v, d_o;
    struct heads h;
    const float *lse, *delta;
};
/* Launches what computes delta. */
struct back back_begin(struct cuda *c, const struct attn_args *a, const struct heads *h, struct mat d_o, float *delta);

static inline __host__ __device__ bool meets(struct source s, struct key_item it) { return s.lo < it.row + it.nrow && it.row < s.hi; }

/* The queries of causal keys begin at the first key, rounded down to whole steps of rows. */
static inline __host__ __device__ struct source source_of(const struct source *all, struct key_item it, int s, int step)
{
    struct source from = all[it.source + s];
    if (from.causal && from.row < it.row) from.row += (it.row - from.row) / step * step;
    return from;
}

/* What row s of the stack is besides its values. lse2 of none: +infinity, so its weights are 0. */
struct column { float lse2, delta; int row; };
static __device__ __forceinline__ struct column column_of(const struct back *b, int kh, int row0, int s, int count)
{
    if (s >= count) return { INFINITY, 0, 0 };
    int row = row0 + s / b->h.group;
    size_t own = (size_t)row * (size_t)b->h.n + (size_t)(kh * b->h.group + s % b->h.group);
    return { b->lse[own] * LOG2E, b->delta[own], row };
}
/* += a pair of sums. */
static __device__ __forceinline__ void add_pair(struct bf16 *to, const float *x)
{
    float y[2];
    load<struct bf16, 2>(y, to);
    y[0] += x[0];
    y[1] += x[1];
    store<struct bf16, 2>(to, y);
}

template <int DP, int M> static __device__ __forceinline__ void add_keys(flash_out to, const float (*acc)[DP / 8][4], struct key_item it, int kh, int x0, int D)
{
    int col = (int)(threadIdx.x % 4) * 2;
    UNROLL for (int m = 0; m < M; m++)
        UNROLL for (int i = 0; i < 2; i++)
            UNROLL for (int d = 0; d < DP / 8; d++) {
                int r = x0 + own_row(m, 2 * i);
                if (r < it.nrow && col + d * 8 < D) add_pair(at(to, it.row + r, kh * D + col + d * 8), acc[m][d] + 2 * i);
            }
}

/* Rows of the stack from x0 on. */
template <int DP, int M> static __device__ __forceinline__ void add_queries(flash_out to, const float (*acc)[DP / 8][4], struct heads h, int kh, int row, int count, int x0)
{
    int col = (int)(threadIdx.x % 4) * 2;
    UNROLL for (int m = 0; m < M; m++)
        UNROLL for (int i = 0; i < 2; i++) {
            int s = x0 + own_row(m, 2 * i);
            if (s >= count) continue;
            UNROLL for (int d = 0; d < DP / 8; d++)
                if (col + d * 8 < h.D) add_pair(at(to, row + s / h.group, (kh * h.group + s % h.group) * h.D + col + d * 8), acc[m][d] + 2 * i);
        }
}

#endif
