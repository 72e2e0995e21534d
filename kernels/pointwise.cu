/* SPDX-License-Identifier: Apache-2.0
 * Ops without sums: activations, gated and plain, residuals, tables, casts.
 */
#include "gpu.h"

/* ---- activations and their derivatives, in float ---- */

/* 1 + e is not below 1: no need of the slow way of a division, which is for the ends of the range. */
static __device__ __forceinline__ float sigmoid(float x) { return __fdividef(1, 1 + expf(-x)); }

/* Each writes a(x) and a'(x). */

/* The normal distribution's function to 8e-8 (Abramowitz and Stegun, 7.1.26), by the exponential that the slope needs, too:
 * half of what erff() takes, which would hold up memory. */
static __device__ __forceinline__ void gelu(float x, float *y, float *slope)
{
    float e = expf(-0.5f * x * x), t = __fdividef(1, 1 + 0.2316418886f * fabsf(x));
    float q = t * (0.127414796f + t * (-0.142248368f + t * (0.7107068705f + t * (-0.7265760135f + t * 0.5307027145f)))) * e;
    float p = x > 0 ? 1 - q : q;
    *y = x * p;
    *slope = p + x * e * 0.3989422804f;
}

/* (1 + tanh(u)) / 2 is sigmoid(2 u). */
static __device__ __forceinline__ void gelu_tanh(float x, float *y, float *slope)
{
    const float k2 = 1.595769122f;             /* 2 sqrt(2 / pi) */
    float s = sigmoid(k2 * (x + 0.044715f * x * x * x));
    *y = x * s;
    *slope = s + x * s * (1 - s) * k2 * (1 + 0.134145f * x * x);
}

static __device__ __forceinline__ void quick_gelu(float x, float *y, float *slope)
{
    float s = sigmoid(1.702f * x);
    *y = x * s;
    *slope = s + 1.702f * x * s * (1 - s);
}

static __device__ __forceinline__ void silu(float x, float *y, float *slope)
{
    float s = sigmoid(x);
    *y = x * s;
    *slope = s + x * s * (1 - s);
}

static __device__ __forceinline__ void relu(float x, float *y, float *slope)
{
    *y = x > 0 || x != x ? x : 0;
    *slope = x > 0 ? 1 : 0;
}

template <int N, void (*A)(float, float *, float *)> static __device__ __forceinline__ void of_pack(const float *x, float *y, float *slope)
{
    for (int i = 0; i < N; i++) A(x[i], &y[i], &slope[i]);
}

/* Of a pack, chosen once for all of it; what the caller does not use is not computed. */
template <int N> static __device__ __forceinline__ void activate(enum act a, const float *x, float *y, float *slope)
{
    switch (a) {
    case ACT_GELU:       of_pack<N, gelu>(x, y, slope); return;
    case ACT_GELU_TANH:  of_pack<N, gelu_tanh>(x, y, slope); return;
    case ACT_QUICK_GELU: of_pack<N, quick_gelu>(x, y, slope); return;
    case ACT_SILU:       of_pack<N, silu>(x, y, slope); return;
    case ACT_RELU:       break;
    }
    of_pack<N, relu>(x, y, slope);
}

template <class T, int N> __global__ void act_rows(enum act a, struct view<T> y, struct view<const T> x)
{
    int row = (int)TILE_ROW();
    float v[N], to[N], slope[N];
    if (row >= y.rows) return;
    for TILE_COLS(col, y.cols, N) {
        load<T, N>(v, at(x, row, (int)col));
        activate<N>(a, v, to, slope);
        store<T, N>(at(y, row, (int)col), to);
    }
}

static void act(struct ops *o, enum act a, struct mat y, struct mat x)
{
    assert(y.rows == x.rows && y.cols == x.cols);
    if (y.rows < 1) return;
    BY_TYPE(y.t, T, BY_PACK(sizeof(T), cuda_packs(y, x), N,
        struct tiling t = tile_rows(y.rows, y.cols, N);
        LAUNCH(cuda_of(o), (act_rows<T, N>), t.grid, t.block, 0, a, view_of<T>(y), view_of<const T>(x))));
}

template <class T, int N> __global__ void act_rows_bwd(enum act a, struct view<T> dx, struct view<const T> dy, struct view<const T> x)
{
    int row = (int)TILE_ROW();
    float v[N], d[N], to[N], value[N], slope[N];
    if (row >= dx.rows) return;
    for TILE_COLS(col, dx.cols, N) {
        load<T, N>(v, at(x, row, (int)col));
        load<T, N>(d, at(dy, row, (int)col));
        load<T, N>(to, at(dx, row, (int)col));
        activate<N>(a, v, value, slope);
        for (int i = 0; i < N; i++) to[i] += d[i] * slope[i];
        store<T, N>(at(dx, row, (int)col), to);
    }
}

static void act_bwd(struct ops *o, enum act a, struct mat dx, struct mat dy, struct mat x)
{
    assert(dx.rows == x.rows && dx.cols == x.cols && dy.rows == x.rows && dy.cols == x.cols);
    if (x.rows < 1) return;
    BY_TYPE(x.t, T, BY_PACK(sizeof(T), cuda_packs(dx, dy, x), N,
        struct tiling t = tile_rows(x.rows, x.cols, N);
        LAUNCH(cuda_of(o), (act_rows_bwd<T, N>), t.grid, t.block, 0, a, view_of<T>(dx), view_of<const T>(dy), view_of<const T>(x))));
}

template <class T, int N> __global__ void glu_rows(enum act a, struct view<T> y, struct view<const T> gate, struct view<const T> up)
{
    int row = (int)TILE_ROW();
    float g[N], u[N], value[N], slope[N];
    if (row >= y.rows) return;
    for TILE_COLS(col, y.cols, N) {
        load<T, N>(g, at(gate, row, (int)col));
        load<T, N>(u, at(up, row, (int)col));
        activate<N>(a, g, value, slope);
        for (int i = 0; i < N; i++) value[i] *= u[i];
        store<T, N>(at(y, row, (int)col), value);
    }
}

static void glu(struct ops *o, enum act a, struct mat y, struct mat gate, struct mat up)
{
    assert(y.rows == gate.rows && y.cols == gate.cols && y.rows == up.rows && y.cols == up.cols);
    if (y.rows < 1) return;
    BY_TYPE(y.t, T, BY_PACK(sizeof(T), cuda_packs(y, gate, up), N,
        struct tiling t = tile_rows(y.rows, y.cols, N);
        LAUNCH(cuda_of(o), (glu_rows<T, N>), t.grid, t.block, 0, a, view_of<T>(y), view_of<const T>(gate), view_of<const T>(up))));
}

template <class T, int N> __global__ void glu_rows_bwd(enum act a, struct view<T> dgate, struct view<T> dup, struct view<const T> dy,
                                                       struct view<const T> gate, struct view<const T> up)
{
    int row = (int)TILE_ROW();
    float g[N], u[N], d[N], dg[N], du[N], value[N], slope[N];
    if (row >= dy.rows) return;
    for TILE_COLS(col, dy.cols, N) {
        load<T, N>(g, at(gate, row, (int)col));
        load<T, N>(u, at(up, row, (int)col));
        load<T, N>(d, at(dy, row, (int)col));
        load<T, N>(dg, at(dgate, row, (int)col));
        load<T, N>(du, at(dup, row, (int)col));
        activate<N>(a, g, value, slope);
        for (int i = 0; i < N; i++) {
            dg[i] += d[i] * u[i] * slope[i];
            du[i] += d[i] * value[i];
        }
        store<T, N>(at(dgate, row, (int)col), dg);
        store<T, N>(at(dup, row, (int)col), du);
    }
}

static void glu_bwd(struct ops *o, enum act a, struct mat dgate, struct mat dup, struct mat dy, struct mat gate, struct mat up)
{
    assert(dgate.cols == dy.cols && dup.cols == dy.cols && gate.cols == dy.cols && up.cols == dy.cols);
    assert(dgate.rows == dy.rows && dup.rows == dy.rows && gate.rows == dy.rows && up.rows == dy.rows);
    if (dy.rows < 1) return;
    BY_TYPE(dy.t, T, BY_PACK(sizeof(T), cuda_packs(dgate, dup, dy, gate, up), N,
        struct tiling t = tile_rows(dy.rows, dy.cols, N);
        LAUNCH(cuda_of(o), (glu_rows_bwd<T, N>), t.grid, t.block, 0, a, view_of<T>(dgate), view_of<T>(dup), view_of<const T>(dy),
               view_of<const T>(gate), view_of<const T>(up))));
}

/* ---- sums and casts: y may be of another type than x ---- */

template <class Y, class X, int N> __global__ void copy_rows(struct view<Y> y, struct view<const X> x, bool add)
{
    int row = (int)TILE_ROW();
    float v[N], to[N];
    if (row >= y.rows) return;
    for TILE_COLS(col, y.cols, N) {
        load<X, N>(v, at(x, row, (int)col));
        if (add) {
            load<Y, N>(to, at(y, row, (int)col));
            for (int i = 0; i < N; i++) v[i] += to[i];
        }
        store<Y, N>(at(y, row, (int)col), v);
    }
}

static void copy(struct ops *o, struct mat y, struct mat x, bool add)
{
    assert(y.rows == x.rows && y.cols == x.cols);
    if (y.rows < 1 || y.cols < 1) return;
    BY_TYPE(y.t, Y, BY_TYPE(x.t, X, BY_PACK(wider(sizeof(Y), sizeof(X)), cuda_packs(y, x), N,
        struct tiling t = tile_rows(y.rows, y.cols, N);
        LAUNCH(cuda_of(o), (copy_rows<Y, X, N>), t.grid, t.block, 0, view_of<Y>(y), view_of<const X>(x), add))));
}

static void add(struct ops *o, struct mat y, struct mat x) { copy(o, y, x, true); }
static void cast(struct ops *o, struct mat y, struct mat x) { copy(o, y, x, false); }

template <class T, int N> __global__ void residual_rows(struct view<T> y, struct view<const T> x, struct view<const T> a, const float *s)
{
    int row = (int)TILE_ROW();
    float v[N], w[N], scale[N];
    if (row >= y.rows) return;
    for TILE_COLS(col, y.cols, N) {
        load<T, N>(v, at(x, row, (int)col));
        load<T, N>(w, at(a, row, (int)col));
        if (s) load<float, N>(scale, s + col);
        for (int i = 0; i < N; i++) v[i] += s ? scale[i] * w[i] : w[i];
        store<T, N>(at(y, row, (int)col), v);
    }
}

static void residual(struct ops *o, struct mat y, struct mat x, struct mat a, const float *s)
{
    assert(y.rows == x.rows && y.cols == x.cols && y.rows == a.rows && y.cols == a.cols);
    if (y.rows < 1) return;
    BY_TYPE(y.t, T, BY_PACK(sizeof(T), cuda_packs(y, x, a, s), N,
        struct tiling t = tile_rows(y.rows, y.cols, N);
        LAUNCH(cuda_of(o), (residual_rows<T, N>), t.grid, t.block, 0, view_of<T>(y), view_of<const T>(x), view_of<const T>(a), s)));
}

static void residual_bwd(struct ops *o, struct mat da, float *ds, struct mat dy, struct mat a, const float *s)
{
    assert(da.rows == dy.rows && da.cols == dy.cols && (!ds || (a.rows == dy.rows && a.cols == dy.cols)));
    if (dy.rows < 1) return;
    if (ds) cuda_column_sums(cuda_of(o), ds, dy, a);
    BY_TYPE(dy.t, T, BY_PACK(sizeof(T), cuda_packs(da, dy, s), N,
        struct tiling t = tile_rows(dy.rows, dy.cols, N);
        LAUNCH(cuda_of(o), (residual_rows<T, N>), t.grid, t.block, 0, view_of<T>(da), view_of<const T>(da), view_of<const T>(dy), s)));
}

/* ---- tables added to rows ---- */

template <class T, int N> __global__ void table_rows(struct view<T> y, const float *table, int period)
{
    int row = (int)TILE_ROW();
    float v[N], w[N];
    if (row >= y.rows) return;
    for TILE_COLS(col, y.cols, N) {
        load<T, N>(v, at(y, row, (int)col));
        load<float, N>(w, table + (size_t)(row % period) * (size_t)y.cols + col);
        for (int i = 0; i < N; i++) v[i] += w[i];
        store<T, N>(at(y, row, (int)col), v);
    }
}

static void add_rows(struct ops *o, struct mat y, const float *table, int period)
{
    assert(period > 0);
    if (y.rows < 1) return;
    BY_TYPE(y.t, T, BY_PACK(sizeof(T), cuda_packs(y) && cuda_packs(table), N,
        struct tiling t = tile_rows(y.rows, y.cols, N);
        LAUNCH(cuda_of(o), (table_rows<T, N>), t.grid, t.block, 0, view_of<T>(y), table, period)));
}

/* A thread owns a few columns of a row of the table and takes what falls on it in order. */
template <class T, int N> __global__ void table_rows_bwd(float *dtable, struct view<const T> dy, int period)
{
    int p = (int)TILE_ROW(), n = (dy.rows - 1 - p) / period + 1;
    float v[N], sum[N];
    if (p >= period || p >= dy.rows) return;
    for TILE_COLS(col, dy.cols, N) {
        float *to = dtable + (size_t)p * (size_t)dy.cols + col;
        load<float, N>(sum, to);
        UNROLL_BY_4 for (int k = 0; k < n; k++) {
            load<T, N>(v, at(dy, p + k * period, (int)col));
            for (int i = 0; i < N; i++) sum[i] += v[i];
        }
        store<float, N>(to, sum);
    }
}

static void add_rows_bwd(struct ops *o, float *dtable, struct mat dy, int period)
{
    assert(period > 0);
    if (dy.rows < 1) return;
    if (period == 1) { cuda_column_sums(cuda_of(o), dtable, dy, mat{}); return; }
    BY_TYPE(dy.t, T, BY_PACK(sizeof(T), cuda_packs(dy) && cuda_packs(dtable), N,
        struct tiling t = tile_rows(period, dy.cols, N);
        LAUNCH(cuda_of(o), (table_rows_bwd<T, N>), t.grid, t.block, 0, dtable, view_of<const T>(dy), period)));
}

void cuda_set_pointwise(struct ops *o)
{
    o->act = act;
    o->act_bwd = act_bwd;
    o->glu = glu;
    o->glu_bwd = glu_bwd;
    o->add = add;
    o->cast = cast;
    o->residual = residual;
    o->residual_bwd = residual_bwd;
    o->add_rows = add_rows;
    o->add_rows_bwd = add_rows_bwd;
}
