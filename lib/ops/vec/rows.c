/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/vec/math.h"

/* Runs body(t, ...) with t a constant, so that loads and stores of both dtypes are straight code. */
#define BY_TYPE(type, body, ...) do { if ((type) == DT_F32) body(DT_F32, __VA_ARGS__); else body(DT_BF16, __VA_ARGS__); } while (0)

/* A row of a mat: its elements are at index row_at(m, r) + c. The last vector of a row may be a part. */
INLINE int64_t row_at(struct mat m, int r) { return r * m.ld; }
INLINE vf get(const void *p, enum dtype t, int64_t i, int left) { return left >= VL ? vt_load(p, t, i) : vt_load_n(p, t, i, left); }
INLINE void put(void *p, enum dtype t, int64_t i, int left, vf v)
{
    if (left >= VL) vt_store(p, t, i, v);
    else vt_store_n(p, t, i, left, v);
}
INLINE void inc(void *p, enum dtype t, int64_t i, int left, vf v) { put(p, t, i, left, get(p, t, i, left) + v); }
INLINE vf getf(const float *p, int i, int left) { return get(p, DT_F32, i, left); }
INLINE void incf(float *p, int i, int left, vf v) { inc(p, DT_F32, i, left, v); }

/* ---- norms ---- */

/* The lanes of a partial vector behind n set to 0. */
INLINE vf keep(vf v, int n)
{
    return n >= VL ? v : vf_select(vi_lanes() < n, v, (vf){ 0 });
}

INLINE void norm_row(enum dtype t, enum norm kind, struct mat y, struct mat x, int r, const float *g, const float *b, float eps, float *stat)
{
    int C = x.cols;
    int64_t xi = row_at(x, r), yi = row_at(y, r);
    vf s = { 0 }, q = { 0 };
    float mean = 0;
    if (kind == NORM_LAYER) {
        for (int c = 0; c < C; c += VL) s += get(x.p, t, xi + c, C - c);
        mean = vf_sum(s) / (float)C;
    }
    for (int c = 0; c < C; c += VL) {
        vf d = keep(get(x.p, t, xi + c, C - c) - mean, C - c);
        q += d * d;
    }
    float rstd = 1.0f / __builtin_sqrtf(vf_sum(q) / (float)C + eps);
    for (int c = 0; c < C; c += VL) {
        vf v = (get(x.p, t, xi + c, C - c) - mean) * rstd * getf(g, c, C - c);
        if (b) v += getf(b, c, C - c);
        put(y.p, t, yi + c, C - c, v);
    }
    if (!stat) return;
    stat[2 * r] = mean;
    stat[2 * r + 1] = rstd;
}

static void norm(enum norm kind, struct mat y, struct mat x, const float *g, const float *b, float eps, float *stat)
{
    for (int r = 0; r < x.rows; r++) BY_TYPE(x.t, norm_row, kind, y, x, r, g, b, eps, stat);
}

/* dx += rstd (dy g - mean(dy g) - xh mean(dy g xh)),  xh = (x - mean) rstd; rms: without the first mean. */
INLINE void norm_bwd_row(enum dtype t, enum norm kind, struct mat dx, float *pg, float *pb, struct mat dy, struct mat x,
                         int r, const float *g, const float *stat)
{
    int C = x.cols;
    int64_t xi = row_at(x, r), yi = row_at(dy, r), di = row_at(dx, r);
    float mean = stat[2 * r], rstd = stat[2 * r + 1];
    vf s = { 0 }, q = { 0 };
    for (int c = 0; c < C; c += VL) {
        int left = C - c;
        vf d = get(dy.p, t, yi + c, left), xh = (get(x.p, t, xi + c, left) - mean) * rstd, dg = d * getf(g, c, left);
        s += dg;
        q += dg * xh;
        if (pg) incf(pg, c, left, d * xh);
        if (pb) incf(pb, c, left, d);
    }
    float m1 = kind == NORM_LAYER ? vf_sum(s) / (float)C : 0, m2 = vf_sum(q) / (float)C;
    for (int c = 0; c < C; c += VL) {
        int left = C - c;
        vf xh = (get(x.p, t, xi + c, left) - mean) * rstd;
        inc(dx.p, t, di + c, left, rstd * (get(dy.p, t, yi + c, left) * getf(g, c, left) - m1 - xh * m2));
    }
}

static void norm_bwd(enum norm kind, struct mat dx, float *pg, float *pb, struct mat dy, struct mat x, const float *g, const float *stat)
{
    for (int r = 0; r < x.rows; r++) BY_TYPE(x.t, norm_bwd_row, kind, dx, pg, pb, dy, x, r, g, stat);
}

/* ---- activations ---- */

/* act(x), and its derivative into *d. */
INLINE vf act_of(enum act a, vf x, vf *d)
{
    if (a == ACT_RELU) {
        *d = vf_select(x > 0.0f, vf_all(1), (vf){ 0 });
        return vf_select(x > 0.0f, x, x * 0.0f);               /* NaN stays NaN */
    }
    if (a == ACT_GELU) {                                       /* x Phi(x); Phi' = e^(-x^2/2) / sqrt(2 pi) */
        vf e = vf_exp(-0.5f * x * x);
        vf phi = 0.5f + 0.5f * vf_erf(x * 0.707106781f, e);
        *d = phi + x * e * 0.398942280f;
        return x * phi;
    }
    vf u = x, du = vf_all(1);                                  /* the others: x sigmoid(u(x)) */
    if (a == ACT_QUICK_GELU) { u = 1.702f * x; du = vf_all(1.702f); }
    if (a == ACT_GELU_TANH) {                                  /* (1 + tanh(z)) / 2 = sigmoid(2 z) */
        vf xx = x * x;
        u = 1.59576912f * x * (1.0f + 0.044715f * xx);
        du = 1.59576912f * (1.0f + 0.134145f * xx);
    }
    vf s = vf_sigmoid(u);
    *d = s + x * s * (1.0f - s) * du;
    return x * s;
}

INLINE void act_rows(enum dtype t, enum act a, struct mat y, struct mat x)
{
    vf d;
    for (int r = 0; r < x.rows; r++)
        for (int c = 0; c < x.cols; c += VL)
            put(y.p, t, row_at(y, r) + c, x.cols - c, act_of(a, get(x.p, t, row_at(x, r) + c, x.cols - c), &d));
}

INLINE void act_bwd_rows(enum dtype t, enum act a, struct mat dx, struct mat dy, struct mat x)
{
    for (int r = 0; r < x.rows; r++)
        for (int c = 0; c < x.cols; c += VL) {
            int left = x.cols - c;
            vf d;
            act_of(a, get(x.p, t, row_at(x, r) + c, left), &d);
            inc(dx.p, t, row_at(dx, r) + c, left, d * get(dy.p, t, row_at(dy, r) + c, left));
        }
}

INLINE void glu_rows(enum dtype t, enum act a, struct mat y, struct mat gate, struct mat up)
{
    vf d;
    for (int r = 0; r < y.rows; r++)
        for (int c = 0; c < y.cols; c += VL) {
            int left = y.cols - c;
            vf g = act_of(a, get(gate.p, t, row_at(gate, r) + c, left), &d);
            put(y.p, t, row_at(y, r) + c, left, g * get(up.p, t, row_at(up, r) + c, left));
        }
}

INLINE void glu_bwd_rows(enum dtype t, enum act a, struct mat dgate, struct mat dup, struct mat dy, struct mat gate, struct mat up)
{
    for (int r = 0; r < dy.rows; r++)
        for (int c = 0; c < dy.cols; c += VL) {
            int left = dy.cols - c;
            vf d, y = get(dy.p, t, row_at(dy, r) + c, left);
            vf g = act_of(a, get(gate.p, t, row_at(gate, r) + c, left), &d);
            inc(dgate.p, t, row_at(dgate, r) + c, left, y * d * get(up.p, t, row_at(up, r) + c, left));
            inc(dup.p, t, row_at(dup, r) + c, left, y * g);
        }
}

/* The same for a constant activation. */
#define BY_ACT(a, type, body, ...) \
    switch (a) { \
    case ACT_GELU:       BY_TYPE(type, body, ACT_GELU, __VA_ARGS__); break; \
    case ACT_GELU_TANH:  BY_TYPE(type, body, ACT_GELU_TANH, __VA_ARGS__); break; \
    case ACT_QUICK_GELU: BY_TYPE(type, body, ACT_QUICK_GELU, __VA_ARGS__); break; \
    case ACT_SILU:       BY_TYPE(type, body, ACT_SILU, __VA_ARGS__); break; \
    case ACT_RELU:       BY_TYPE(type, body, ACT_RELU, __VA_ARGS__); break; \
    }

static void act(enum act a, struct mat y, struct mat x) { BY_ACT(a, x.t, act_rows, y, x) }
static void act_bwd(enum act a, struct mat dx, struct mat dy, struct mat x) { BY_ACT(a, x.t, act_bwd_rows, dx, dy, x) }
static void glu(enum act a, struct mat y, struct mat gate, struct mat up) { BY_ACT(a, y.t, glu_rows, y, gate, up) }
static void glu_bwd(enum act a, struct mat dgate, struct mat dup, struct mat dy, struct mat gate, struct mat up)
{
    BY_ACT(a, dy.t, glu_bwd_rows, dgate, dup, dy, gate, up)
}

/* ---- sums and copies ---- */

INLINE void move_rows(enum dtype ty, enum dtype tx, bool plus, struct mat y, struct mat x)
{
    for (int r = 0; r < y.rows; r++)
        for (int c = 0; c < y.cols; c += VL) {
            vf v = get(x.p, tx, row_at(x, r) + c, y.cols - c);
            if (plus) inc(y.p, ty, row_at(y, r) + c, y.cols - c, v);
            else put(y.p, ty, row_at(y, r) + c, y.cols - c, v);
        }
}

INLINE void move_from(enum dtype tx, bool plus, struct mat y, struct mat x) { BY_TYPE(y.t, move_rows, tx, plus, y, x); }
static void add(struct mat y, struct mat x) { BY_TYPE(x.t, move_from, true, y, x); }
static void cast(struct mat y, struct mat x) { BY_TYPE(x.t, move_from, false, y, x); }

INLINE void residual_rows(enum dtype t, struct mat y, struct mat x, struct mat a, const float *s)
{
    for (int r = 0; r < y.rows; r++)
        for (int c = 0; c < y.cols; c += VL) {
            int left = y.cols - c;
            vf v = get(a.p, t, row_at(a, r) + c, left);
            if (s) v *= getf(s, c, left);
            put(y.p, t, row_at(y, r) + c, left, get(x.p, t, row_at(x, r) + c, left) + v);
        }
}

static void residual(struct mat y, struct mat x, struct mat a, const float *s) { BY_TYPE(y.t, residual_rows, y, x, a, s); }

INLINE void residual_bwd_rows(enum dtype t, struct mat da, float *ps, struct mat dy, struct mat a, const float *s)
{
    for (int r = 0; r < dy.rows; r++)
        for (int c = 0; c < dy.cols; c += VL) {
            int left = dy.cols - c;
            vf d = get(dy.p, t, row_at(dy, r) + c, left);
            if (ps) incf(ps, c, left, d * get(a.p, t, row_at(a, r) + c, left));
            inc(da.p, t, row_at(da, r) + c, left, s ? d * getf(s, c, left) : d);
        }
}

static void residual_bwd(struct mat da, float *ps, struct mat dy, struct mat a, const float *s)
{
    BY_TYPE(dy.t, residual_bwd_rows, da, ps, dy, a, s);
}

INLINE void colsum_rows(enum dtype t, float *p, struct mat x)
{
    for (int r = 0; r < x.rows; r++)
        for (int c = 0; c < x.cols; c += VL) incf(p, c, x.cols - c, get(x.p, t, row_at(x, r) + c, x.cols - c));
}

static void colsum(float *p, struct mat x) { BY_TYPE(x.t, colsum_rows, p, x); }

/* ---- rotary positions ---- */

/* The rotation of one row by part [i0, i0 + n) of its position's table, all heads. */
INLINE void rope_row(enum dtype t, struct mat x, int r, int heads, int head_dim, int i0, int n, const float *c, const float *s)
{
    int half = head_dim / 2;
    for (int h = 0; h < heads; h++)
        for (int i = 0; i < n; i += VL) {
            int64_t at = row_at(x, r) + h * head_dim + i0 + i;
            vf a = get(x.p, t, at, n - i), b = get(x.p, t, at + half, n - i);
            vf co = vf_load(c + i), si = vf_load(s + i);
            put(x.p, t, at, n - i, a * co - b * si);
            put(x.p, t, at + half, n - i, b * co + a * si);
        }
}

static void rope(struct mat x, int heads, int head_dim, const int *pos, const float *cs, bool back)
{
    enum { PART = 128 };
    float c[PART + VL] = { 0 }, s[PART + VL] = { 0 };
    int half = head_dim / 2;
    for (int r = 0; r < x.rows; r++)
        for (int i0 = 0; i0 < half; i0 += PART) {
            int n = half - i0 < PART ? half - i0 : PART;
            const float *p = cs + ((int64_t)pos[r] * half + i0) * 2;
            for (int i = 0; i < n; i++) { c[i] = p[2 * i]; s[i] = back ? -p[2 * i + 1] : p[2 * i + 1]; }
            BY_TYPE(x.t, rope_row, x, r, heads, head_dim, i0, n, c, s);
        }
}

const struct vec_rows VEC(rows) = { norm, norm_bwd, act, act_bwd, glu, glu_bwd, add, cast, residual, residual_bwd, colsum, rope };
