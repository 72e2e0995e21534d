/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/vec/tile.h"

/* n <= VL keys. */
INLINE void score_keys(float *s, int64_t lds, const float *q, int rows, const char *k, int64_t step, int n, int D, enum dtype t)
{
    vf acc[MR];
    UNROLL
    for (int i = 0; i < rows; i++) acc[i] = (vf){ 0 };
    for (int d = 0; d < D; d += PER_16(t), k += 16) {
        vf c[8];
        if (n == VL) columns(c, k, step, t);
        else {
            char some[VL * 16] = { 0 };
            for (int j = 0; j < n; j++) memcpy(some + 16 * j, k + j * step, 16);
            columns(c, some, 16, t);
        }
        for (int e = 0; e < PER_16(t); e++) {
            UNROLL
            for (int i = 0; i < rows; i++) acc[i] += vf_all(q[i * D + d + e]) * c[e];
        }
    }
    UNROLL
    for (int i = 0; i < rows; i++) vf_store(s + i * lds, acc[i]);
}

INLINE void score_rows(float *s, int64_t lds, const float *q, int rows, struct mat k, enum dtype t)
{
    int64_t step = k.ld * (int64_t)dtype_size(t);
    if (k.rows < VL) score_keys(s, lds, q, rows, k.p, step, k.rows, k.cols, t);
    else for (int j = 0; j < k.rows; j += VL) {
        int at = j + VL <= k.rows ? j : k.rows - VL;       /* the last ones once more, rather than a part of a vector */
        for (int i = j + VL; i < j + 2 * VL && i < k.rows; i++) fetch(k.p, t, i * k.ld, k.cols);
        score_keys(s + at, lds, q, rows, (const char *)k.p + at * step, step, VL, k.cols, t);
    }
}

/* Columns [c, c + nv * VL) of the output; the last of the vectors may be a part of one. */
INLINE void value_columns(float *o, int64_t ldo, const float *w, int64_t ldw, int rows, struct mat v, int c, int nv, bool add, enum dtype t)
{
    enum { AHEAD = 8 };
    vf acc[MR][NV];
    int left = v.cols - c - (nv - 1) * VL;
    UNROLL
    for (int i = 0; i < rows; i++)
        for (int n = 0; n < nv; n++) acc[i][n] = add ? vf_load(o + i * ldo + c + n * VL) : (vf){ 0 };
    int64_t at = c;
    for (int j = 0; j < v.rows; j++, at += v.ld) {
        vf x[NV];
        if (j + AHEAD < v.rows) fetch(v.p, t, at + AHEAD * v.ld, 1);
        for (int n = 0; n < nv; n++) x[n] = n < nv - 1 || left >= VL ? vt_load(v.p, t, at + n * VL) : vt_load_n(v.p, t, at + n * VL, left);
        UNROLL
        for (int i = 0; i < rows; i++)
            for (int n = 0; n < nv; n++) acc[i][n] += vf_all(w[i * ldw + j]) * x[n];
    }
    UNROLL
    for (int i = 0; i < rows; i++)
        for (int n = 0; n < nv; n++) vf_store(o + i * ldo + c + n * VL, acc[i][n]);
}

INLINE void value_rows(float *o, int64_t ldo, const float *w, int64_t ldw, int rows, struct mat v, bool add, enum dtype t)
{
    int c = 0;
    for (; c + VL < v.cols; c += NV * VL) value_columns(o, ldo, w, ldw, rows, v, c, NV, add, t);
    if (c < v.cols) value_columns(o, ldo, w, ldw, rows, v, c, 1, add, t);
}

static void scores(float *s, int64_t lds, const float *q, int rows, struct mat k)
{
#define CASE(n) case n: if (k.t == DT_F32) score_rows(s, lds, q, n, k, DT_F32); else score_rows(s, lds, q, n, k, DT_BF16); return;
    switch (rows) { EACH_ROWS(CASE) }
#undef CASE
}

static void values(float *o, int64_t ldo, const float *w, int64_t ldw, int rows, struct mat v, bool add)
{
#define CASE(n) case n: if (v.t == DT_F32) value_rows(o, ldo, w, ldw, n, v, add, DT_F32); else value_rows(o, ldo, w, ldw, n, v, add, DT_BF16); return;
    switch (rows) { EACH_ROWS(CASE) }
#undef CASE
}

const struct vec_attn VEC(attn) = { scores, values };
