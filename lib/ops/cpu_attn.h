/* SPDX-License-Identifier: Apache-2.0
 * Shared by attention forward and backward. Query rows of one key head are stacked: row i * group + g is query row i of
 * the g-th query head of the group, so that all of them are one product with the keys.
 */
#ifndef OPS_CPU_ATTN_H
#define OPS_CPU_ATTN_H

#include "base/mem.h"
#include "ops/cpu.h"

static inline int attn_pad(int n, int to) { return (n + to - 1) / to * to; }

/* Query rows worked on at a time: their scores over all keys stay in the second cache for usual lengths. */
static inline int attn_block_rows(const struct cpu *c, int group) { return mem_max(1, 4 * c->v->gemm->mr / group); }

/* f32 copy of rows [row, row + n), columns of heads [head, head + count) of m: dst[n * count, D]. */
static inline void attn_read(struct cpu *c, float *dst, struct mat m, int row, int n, int head, int count, int D)
{
    c->v->rows->cast(mat_of(dst, DT_F32, n, count * D), mat_cols(mat_rows(m, row, n), head * D, count * D));
}

/* C[m, N] = or += A[m, k] times packed panels of N columns, tile by tile; C has room for N rounded up to nr. */
struct attn_product {
    const float *a; int64_t ars, acs;
    const float *b;
    float *c; int64_t ldc;
    int m, n, k, depth;                        /* depth: the k the panels were packed with */
    enum gemm_init init;
};
void attn_multiply(struct cpu *c, const struct attn_product *p);

void attn_bwd(struct ops *o, const struct attn_args *a, struct mat d_o, struct mat dq, struct mat dk, struct mat dv);

#endif
