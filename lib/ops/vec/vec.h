/* SPDX-License-Identifier: Apache-2.0
 * The inner loops of the CPU backend, one table per ISA. They work on the part of an op that one worker does alone,
 * check nothing and allocate nothing. How an op is cut into parts never changes the bits of an element.
 */
#ifndef OPS_VEC_VEC_H
#define OPS_VEC_VEC_H

#include "ops/ops.h"

/* ---- products ----
 * Everything is built on one register tile: C[m, n] = init + sum over k, in order of k, of A[m, k] B[k, n], one fused
 * multiply-add a step. An element's bits depend on its row of A and its column of B alone, so any cut into blocks, also
 * of k when the sum is carried on from C, gives the same result.
 * B is packed into panels of nr columns: B[k, p * nr + j] is at (p * K + k) * nr + j, with zeros behind N. */
enum { GEMM_LDA = 272 };                       /* rows of A that far apart, or tiles as pack_a leaves them, are read fastest */
enum gemm_init { GEMM_ZERO, GEMM_BIAS, GEMM_ADD };        /* the sum starts from 0, bias[n], C[m, n] */
struct gemm_tile {
    int m, k;                                  /* rows 1 .. mr, depth */
    const float *a; int64_t ars, acs;          /* A[i, k] at a[i * ars + k * acs] */
    const float *b; int64_t ldb;               /* one panel: ldb = nr; or columns of a matrix, all nr there */
    float *c; int64_t ldc; int n;              /* columns 1 .. nr */
    enum gemm_init init;
    const float *bias;                         /* [n] */
};

struct vec_gemm {
    int mr, nr, lanes;
    void (*tile)(const struct gemm_tile *t);
    /* Panels of depth k from src[n, k], each row a column: columns [first, first + n), first a multiple of `lanes`; what
     * is behind them in the last panel becomes 0. */
    void (*pack_t)(float *dst, int first, const void *src, enum dtype t, int64_t ld, int n, int k);
    /* k steps of panels of depth `depth` from src[k, n]; dst: where the first step belongs. */
    void (*pack_n)(float *dst, int depth, const void *src, enum dtype t, int64_t ld, int n, int k);
    /* Tiles of mr rows from an A that comes as src[K, M]: A[i, k] at (i / mr * K + k) * mr + i % mr. */
    void (*pack_a)(float *dst, const void *src, enum dtype t, int64_t ld, int m, int k);
};

/* ---- products of bf16 by integers; NULL in the table: by the floats above ----
 * FIXED_K values along k are 16-bit integers times one power of two. Every bit of a bf16 is kept down to a sixteenth of the
 * largest of them; what is smaller is rounded to 1/4096 of it or less, which is under the rounding that the largest itself
 * has been through. Products and sums within such a block are exact (FIXED_K * 4080^2 < 2^31); blocks are added in f32 in
 * order of k. An infinity or a NaN makes its row (column) NaN. As above, an element's bits depend on its row of A and its
 * column of B alone. */
enum { FIXED_K = 128, FIXED_PIECE = 4 * FIXED_K, FIXED_LDA = FIXED_PIECE / 2 + 16 };  /* PIECE: packed at a time; LDA: words */
struct fixed_tile {
    int m, k;                                  /* rows 1 .. mr, depth up to FIXED_PIECE */
    const int32_t *a, *b;                      /* rows as pack_rows leaves them; one panel */
    float *c; int64_t ldc; int n;              /* columns 1 .. nr */
    enum gemm_init init;
    const float *bias;                         /* [n] */
};

struct vec_fixed {
    int mr, nr, block_words;
    void (*tile)(const struct fixed_tile *t);
    /* Rows of FIXED_LDA words: pairs of k, and behind FIXED_PIECE / 2 of them the unit of each block (a float). */
    void (*pack_rows)(int32_t *dst, const uint16_t *src, int64_t ld, int m, int k);
    /* Panels from src[n, k], each row a column: for each block block_words words: pairs of k, nr columns each, then nr units. */
    void (*pack_cols)(int32_t *dst, const uint16_t *src, int64_t ld, int n, int k);
};

/* ---- attention of few query rows (1 .. mr): keys and values are read where they are. The bits are those of the tile. ---- */
struct vec_attn {
    /* s[i, j] = sum over d of q[i, d] k[j, d]. A row of k is a whole number of 16 bytes; rows of q are dense; s is written up
     * to a whole number of vectors. */
    void (*scores)(float *s, int64_t lds, const float *q, int rows, struct mat k);
    /* o[i, c] = or += sum over j of w[i, j] v[j, c]; o, like s, up to a whole number of vectors. */
    void (*values)(float *o, int64_t ldo, const float *w, int64_t ldw, int rows, struct mat v, bool add);
};

/* ---- rows: the ops of the same name, on some of their rows; pg, pb, ps [C] are partial sums to add to ---- */
struct vec_rows {
    void (*norm)(enum norm kind, struct mat y, struct mat x, const float *g, const float *b, float eps, float *stat);
    void (*norm_bwd)(enum norm kind, struct mat dx, float *pg, float *pb, struct mat dy, struct mat x, const float *g, const float *stat);
    void (*act)(enum act a, struct mat y, struct mat x);
    void (*act_bwd)(enum act a, struct mat dx, struct mat dy, struct mat x);
    void (*glu)(enum act a, struct mat y, struct mat gate, struct mat up);
    void (*glu_bwd)(enum act a, struct mat dgate, struct mat dup, struct mat dy, struct mat gate, struct mat up);
    void (*add)(struct mat y, struct mat x);                   /* y += x, any dtypes */
    void (*cast)(struct mat y, struct mat x);                  /* y = x, any dtypes */
    void (*residual)(struct mat y, struct mat x, struct mat a, const float *s);
    void (*residual_bwd)(struct mat da, float *ps, struct mat dy, struct mat a, const float *s);
    void (*colsum)(float *p, struct mat x);                    /* p += the sum of the rows, in order */
    void (*rope)(struct mat x, int heads, int head_dim, const int *pos, const float *cs, bool back);
};

/* ---- softmax; the order of a sum depends on the index from s[0] alone ---- */
struct log_sum { float top, rest; };           /* log sum exp = top + rest; apart, so that large values lose nothing */

struct vec_soft {
    /* s = exp(scale * s - top) for [0, n), 0 for [n, pad); returns the sum and, with lse, top + log sum.
     * Here and below rows of s, p, dp must have room for a vector (nr floats) behind n. */
    float (*weights)(float *s, int n, int pad, float scale, float *lse);
    /* s: p = exp(scale * s - lse); dp: scale * p * (dp - delta); both 0 for [n, pad). */
    void  (*weights_bwd)(float *s, float *dp, int n, int pad, float scale, float lse, float delta);
    struct log_sum (*log_sum)(const float *s, int n);
    void  (*prob)(void *p, enum dtype t, const float *s, int n, struct log_sum l, float by);   /* p = by * exp(s - l); p may be s */
    float (*dot)(const float *a, const float *b, int n);
    void  (*put)(struct mat y, const float *x, int64_t ldx, const float *by, int step, bool add);   /* row r of y = or += by[r * step] (NULL: 1) * row r of x */
};

struct vec_optim {
    void   (*adamw)(const struct adamw_args *a);
    double (*sumsq)(const float *p, size_t n);
};

struct vec {
    const char *isa;
    const struct vec_gemm *gemm;
    const struct vec_fixed *fixed;
    const struct vec_attn *attn;
    const struct vec_rows *rows;
    const struct vec_soft *soft;
    const struct vec_optim *optim;
};

const struct vec *vec_best(void);              /* for this processor */
const struct vec *vec_named(const char *isa);  /* "base", "avx2", "avx512", "vnni"; NULL if it cannot run here */

#endif
