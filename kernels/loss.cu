/* SPDX-License-Identifier: Apache-2.0
 * Log-probabilities of next tokens: rows in chunks, the logits of a chunk over the whole vocabulary in work memory, and in
 * their place, for the backward, their gradients; nothing of size [T, V] is kept. AdamW. Sums of squares.
 */
#include "gpu.h"

#include <stdlib.h>

/* ---- log-probabilities ---- */

enum { LOSS_BLOCK = 1024, LOSS_PACK = 4, LEAST_ROWS = 64, MOST_ROWS = 4096 };
static const size_t LOGIT_BYTES = (size_t)1 << 30;

struct chunk {
    struct cuda *c;
    const struct logprob_args *a;
    const int *row; int n;                     /* host: its rows of x */
    const int *target; const float *dlp; float *lp;        /* [dev] of its rows */
    struct mat x, logit, d, dx;                /* [n, C], [n, V] f32, [n, V] in x's dtype (f32: over the logits), [n, C] f32 */
};

/* Of rows of logits and their gradients, whatever V: so that they begin at multiples of 16 bytes, for cuBLASLt too. */
static int row_room(int V) { return (V + 7) / 8 * 8; }

/* d = dlp * ((v == target) - p); at the target 1 - p without the cancellation of rounding p first. */
struct slope { float top, rest, at_target, elsewhere; int target; };

template <class D, int N> static __device__ __forceinline__ void loss_slope(D *d, const float *logit, int v, struct slope s)
{
    float x[N];
    load<float, N>(x, logit + v);
    for (int i = 0; i < N; i++) x[i] = v + i == s.target ? s.at_target : s.elsewhere * expf(x[i] - s.top - s.rest);
    store<D, N>(d + v, x);
}

/* A block a row: twice through it, the second time from the end, which was read last. */
template <class D> __global__ void __launch_bounds__(LOSS_BLOCK) loss_rows(struct view<const float> logit, const int *target, float *lp, struct view<D> d, const float *dlp)
{
    int row = (int)blockIdx.x, id = target[row], V = logit.cols, packs = V / LOSS_PACK, last = packs * LOSS_PACK + (int)threadIdx.x;
    const float *l = at(logit, row, 0);
    struct softmax s = { -FLT_MAX, 0 };
    UNROLL_BY_4 for (int k = (int)threadIdx.x; k < packs; k += LOSS_BLOCK) {
        float x[LOSS_PACK];
        load<float, LOSS_PACK>(x, l + k * LOSS_PACK);
        softmax_add<LOSS_PACK>(&s, x);
    }
    if (last < V) softmax_add<1>(&s, l + last);
    s = row_softmax(s);
    float rest = logf(s.sum), mine = l[id] - s.top - rest;
    if (d.p) {
        __syncthreads();                       /* l[id] is read by all before it is written over */
        D *to = at(d, row, 0);
        struct slope g = { s.top, rest, dlp[row] * (1 - expf(mine)), -dlp[row], id };
        if (last < V) loss_slope<D, 1>(to, l, last, g);
        UNROLL_BY_4 for (int k = packs - 1 - (int)threadIdx.x; k >= 0; k -= LOSS_BLOCK) loss_slope<D, LOSS_PACK>(to, l, k * LOSS_PACK, g);
    }
    if (threadIdx.x == 0) lp[row] = mine;
}

static void run_chunk(struct ops *o, struct chunk *k)
{
    const struct logprob_args *a = k->a;
    o->gather(o, k->x, a->x, k->row);
    o->linear(o, k->logit, k->x, a->w, NULL);
    BY_TYPE(a->x.t, D,
        LAUNCH(k->c, (loss_rows<D>), dim3((unsigned)k->n), dim3(LOSS_BLOCK), 0, view_of<const float>(k->logit), k->target, k->lp, view_of<D>(k->d), k->dlp));
    if (!k->d.p) return;
    if (a->dx.p) {
        o->zero(o, k->dx.p, (size_t)k->n * (size_t)k->dx.cols * sizeof(float));
        o->linear_dx(o, k->dx, k->d, a->w);
        o->scatter_add(o, a->dx, k->dx, k->row);
    }
    if (a->dw) o->linear_dw(o, a->dw, NULL, k->d, k->x);
}

static int chunk_rows(int V)
{
    size_t n = LOGIT_BYTES / (4 * (size_t)V) / 64 * 64;
    return n < LEAST_ROWS ? LEAST_ROWS : n > MOST_ROWS ? MOST_ROWS : (int)n;
}

static size_t round256(size_t n) { return (n + 255) / 256 * 256; }

/* The chunks one after the other: row[n], and their targets and gradients behind them on the host. */
static void run_chunks(struct ops *o, const struct logprob_args *a, const int *row, int n, const int *target, const float *dlp, float *lp, bool back)
{
    struct cuda *c = cuda_of(o);
    int V = a->w.rows, C = a->w.cols, most = chunk_rows(V) < n ? chunk_rows(V) : n;
    bool own = back && a->x.t != DT_F32;
    size_t logits = round256((size_t)most * (size_t)row_room(V) * 4), ds = own ? round256((size_t)most * (size_t)row_room(V) * 2) : 0;
    size_t xs = round256((size_t)most * (size_t)C * 4);
    char *mem = (char *)cuda_scratch(c, SCRATCH_LOSS, logits + ds + 2 * xs + round256((size_t)n * 4));
    if (!mem) return;
    float *lp_dev = (float *)(mem + logits + ds + 2 * xs);
    for (int i = 0; i < n; i += most) {
        int m = n - i < most ? n - i : most;
        const int *t = cuda_ints(c, target + i, (size_t)m);
        const float *d = (const float *)cuda_upload(c, dlp + i, (size_t)m * sizeof *d);
        if (!t || !d) return;
        struct mat slope = { own ? mem + logits : mem, a->x.t, m, V, row_room(V) };
        struct chunk k = { c, a, row + i, m, t, d, lp_dev + i, mat_of(mem + logits + ds, a->x.t, m, C), { mem, DT_F32, m, V, row_room(V) },
                           back ? slope : mat{}, mat_of(mem + logits + ds + xs, DT_F32, m, C) };
        run_chunk(o, &k);
    }
    o->download(o, lp, lp_dev, (size_t)n * sizeof *lp);
}

static void logprob(struct ops *o, const struct logprob_args *a)
{
    int T = a->x.rows, n = 0;
    bool back = a->dlp && (a->dx.p || a->dw);
    assert(a->x.cols == a->w.cols);
    int *row = (int *)mem_array((size_t)T + 1, 2 * sizeof *row), *target = row + T;
    float *dlp = (float *)mem_array((size_t)T + 1, 2 * sizeof *dlp), *lp = dlp + T;
    for (int t = 0; t < T; t++) {
        assert(a->target[t] < a->w.rows);
        a->lp[t] = 0;
        if (a->target[t] < 0) continue;
        row[n] = t;
        target[n] = a->target[t];
        dlp[n++] = back ? a->dlp[t] : 0;
    }
    if (n) run_chunks(o, a, row, n, target, dlp, lp, back);
    for (int i = 0; i < n; i++) a->lp[row[i]] = lp[i];
    free(row);
    free(dlp);
}

/* ---- the optimiser ---- */

template <class T, int N> __global__ void adamw_all(struct adamw_args a, T *copy)
{
    size_t i = ((size_t)blockIdx.x * blockDim.x + threadIdx.x) * N;
    float w[N], m[N], v[N], g[N];
    if (i >= a.n) return;
    load<float, N>(w, a.w + i);
    load<float, N>(m, a.m + i);
    load<float, N>(v, a.v + i);
    load<float, N>(g, a.g + i);
    for (int k = 0; k < N; k++) {
        float x = g[k] * a.gscale;
        m[k] = a.b1 * m[k] + (1 - a.b1) * x;
        v[k] = a.b2 * v[k] + (1 - a.b2) * x * x;
        w[k] -= a.lr * (m[k] / a.bc1 / (sqrtf(v[k] / a.bc2) + a.eps) + a.decay * w[k]);
    }
    store<float, N>(a.w + i, w);
    store<float, N>(a.m + i, m);
    store<float, N>(a.v + i, v);
    if (copy) store<T, N>(copy + i, w);
}

static void adamw(struct ops *o, const struct adamw_args *a)
{
    void *copy = a->copy == a->w ? NULL : a->copy;
    if (!a->n) return;
    bool packs = a->n % 4 == 0 && (uintptr_t)copy % 16 == 0 && cuda_packs(a->w, a->m, a->v, a->g);
    BY_TYPE(a->copy_t, T, BY_PACK(sizeof(float), packs, N,
        LAUNCH(cuda_of(o), (adamw_all<T, N>), dim3((unsigned)div_up((int64_t)a->n, N * BLOCK)), dim3(BLOCK), 0, *a, (T *)copy)));
}

/* ---- sums of squares, in double ---- */

enum { SQUARES = 8192, SQUARES_TOTAL = 1024 };  /* numbers a block; threads that add up what the blocks give */

template <int N> __global__ void square_parts(double *part, const float *p, size_t n)
{
    __shared__ double sum[BLOCK];
    size_t first = (size_t)blockIdx.x * SQUARES, end = first + SQUARES < n ? first + SQUARES : n;
    double s = 0;
    UNROLL_BY_8 for (size_t i = first + threadIdx.x * N; i < end; i += BLOCK * N) {
        float x[N];
        load<float, N>(x, p + i);
        for (int k = 0; k < N; k++) s += (double)x[k] * (double)x[k];
    }
    sum[threadIdx.x] = s;
    for (unsigned half = BLOCK / 2; half; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) sum[threadIdx.x] += sum[threadIdx.x + half];
    }
    if (threadIdx.x == 0) part[blockIdx.x] = sum[0];
}

__global__ void __launch_bounds__(SQUARES_TOTAL) square_total(double *total, const double *part, int n)
{
    __shared__ double sum[SQUARES_TOTAL];
    double s = 0;
    UNROLL_BY_8 for (int i = (int)threadIdx.x; i < n; i += SQUARES_TOTAL) s += part[i];
    sum[threadIdx.x] = s;
    for (unsigned half = SQUARES_TOTAL / 2; half; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) sum[threadIdx.x] += sum[threadIdx.x + half];
    }
    if (threadIdx.x == 0) *total = sum[0];
}

static double sumsq(struct ops *o, const struct floats *v, int n)
{
    struct cuda *c = cuda_of(o);
    int parts = 0;
    double total = 0;
    for (int i = 0; i < n; i++) parts += div_up((int64_t)v[i].n, SQUARES);
    double *part = (double *)cuda_scratch(c, SCRATCH_SUMS, ((size_t)parts + 1) * sizeof *part), *sum = part + parts;
    if (!part || !parts) return 0;
    for (int i = 0; i < n; part += div_up((int64_t)v[i++].n, SQUARES))
        if (v[i].n)
            BY_PACK(sizeof(float), cuda_packs(v[i].p) && v[i].n % 4 == 0, N,
                LAUNCH(c, square_parts<N>, dim3((unsigned)div_up((int64_t)v[i].n, SQUARES)), dim3(BLOCK), 0, part, v[i].p, v[i].n));
    LAUNCH(c, square_total, dim3(1), dim3(SQUARES_TOTAL), 0, sum, sum - parts, parts);
    o->download(o, &total, sum, sizeof total);
    return total;
}

void cuda_set_losses(struct ops *o)
{
    o->logprob = logprob;
    o->adamw = adamw;
    o->sumsq = sumsq;
}
