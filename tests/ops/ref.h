/* SPDX-License-Identifier: Apache-2.0
 * The reference backend: every op as a naive loop in double, straight from the formulas of ops/ops.h. Slow on purpose;
 * nothing is shared with the backends under test. Outputs may be f32 where the inputs are bf16.
 */
#ifndef TESTS_OPS_REF_H
#define TESTS_OPS_REF_H

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "ops/ops.h"

/* ---- elements ---- */

static inline float ref_from_bf16(uint16_t h)
{
    uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static inline uint16_t ref_to_bf16(float f)     /* to nearest, ties to even */
{
    uint32_t u;
    memcpy(&u, &f, 4);
    if (f != f) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static inline double ref_get(struct mat m, int r, int c)
{
    int64_t i = r * m.ld + c;
    return m.t == DT_F32 ? (double)((float *)m.p)[i] : (double)ref_from_bf16(((uint16_t *)m.p)[i]);
}

static inline void ref_put(struct mat m, int r, int c, double v)
{
    int64_t i = r * m.ld + c;
    if (m.t == DT_F32) ((float *)m.p)[i] = (float)v;
    else ((uint16_t *)m.p)[i] = ref_to_bf16((float)v);
}

static inline void ref_inc(struct mat m, int r, int c, double v) { ref_put(m, r, c, ref_get(m, r, c) + v); }

/* ---- memory ---- */

static void *ref_alloc(struct ops *o, size_t bytes, const char *what) { (void)o; return mem_try(bytes, what); }
static void ref_release(struct ops *o, void *p) { (void)o; free(p); }
static void ref_upload(struct ops *o, void *dst, const void *host, size_t n) { (void)o; memcpy(dst, host, n); }
static void ref_download(struct ops *o, void *host, const void *src, size_t n) { (void)o; memcpy(host, src, n); }
static void ref_zero(struct ops *o, void *p, size_t n) { (void)o; memset(p, 0, n); }
static int ref_sync(struct ops *o) { (void)o; return 0; }

/* ---- products ---- */

static void ref_linear(struct ops *o, struct mat y, struct mat x, struct mat w, const float *bias)
{
    (void)o;
    for (int t = 0; t < x.rows; t++)
        for (int n = 0; n < w.rows; n++) {
            double s = bias ? (double)bias[n] : 0;
            for (int k = 0; k < w.cols; k++) s += ref_get(x, t, k) * ref_get(w, n, k);
            ref_put(y, t, n, s);
        }
}

static void ref_linear_dx(struct ops *o, struct mat dx, struct mat dy, struct mat w)
{
    (void)o;
    for (int t = 0; t < dy.rows; t++)
        for (int k = 0; k < w.cols; k++) {
            double s = 0;
            for (int n = 0; n < w.rows; n++) s += ref_get(dy, t, n) * ref_get(w, n, k);
            ref_inc(dx, t, k, s);
        }
}

static void ref_linear_dw(struct ops *o, float *dw, float *db, struct mat dy, struct mat x)
{
    (void)o;
    for (int n = 0; n < dy.cols; n++) {
        double b = 0;
        for (int t = 0; t < dy.rows; t++) b += ref_get(dy, t, n);
        if (db) db[n] = (float)(db[n] + b);
        for (int k = 0; dw && k < x.cols; k++) {
            double s = 0;
            for (int t = 0; t < dy.rows; t++) s += ref_get(dy, t, n) * ref_get(x, t, k);
            dw[(size_t)n * (size_t)x.cols + (size_t)k] += (float)s;
        }
    }
}

/* ---- rows ---- */

static void ref_norm(struct ops *o, enum norm kind, struct mat y, struct mat x, const float *g, const float *b, float eps, float *stat)
{
    (void)o;
    for (int t = 0; t < x.rows; t++) {
        double mean = 0, var = 0;
        for (int c = 0; kind == NORM_LAYER && c < x.cols; c++) mean += ref_get(x, t, c) / x.cols;
        for (int c = 0; c < x.cols; c++) var += (ref_get(x, t, c) - mean) * (ref_get(x, t, c) - mean) / x.cols;
        double rstd = 1 / sqrt(var + eps);
        for (int c = 0; c < x.cols; c++)
            ref_put(y, t, c, (ref_get(x, t, c) - mean) * rstd * g[c] + (b ? b[c] : 0));
        if (stat) { stat[2 * t] = (float)mean; stat[2 * t + 1] = (float)rstd; }
    }
}

static void ref_norm_bwd(struct ops *o, enum norm kind, struct mat dx, float *dg, float *db, struct mat dy, struct mat x,
                         const float *g, const float *stat)
{
    (void)o;
    for (int t = 0; t < x.rows; t++) {
        double mean = stat[2 * t], rstd = stat[2 * t + 1], m1 = 0, m2 = 0;
        for (int c = 0; c < x.cols; c++) {
            double xh = (ref_get(x, t, c) - mean) * rstd, d = ref_get(dy, t, c) * g[c];
            if (kind == NORM_LAYER) m1 += d / x.cols;
            m2 += d * xh / x.cols;
        }
        for (int c = 0; c < x.cols; c++) {
            double xh = (ref_get(x, t, c) - mean) * rstd, d = ref_get(dy, t, c);
            ref_inc(dx, t, c, rstd * (d * g[c] - m1 - xh * m2));
            if (dg) dg[c] += (float)(d * xh);
            if (db) db[c] += (float)d;
        }
    }
}

static double ref_act1(enum act a, double x)
{
    switch (a) {
    case ACT_GELU:       return 0.5 * x * (1 + erf(x / sqrt(2)));
    case ACT_GELU_TANH:  return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case ACT_QUICK_GELU: return x / (1 + exp(-1.702 * x));
    case ACT_SILU:       return x / (1 + exp(-x));
    case ACT_RELU:       return x > 0 ? x : 0;
    }
    return NAN;
}

static double ref_dact1(enum act a, double x)
{
    double s, u, du;
    switch (a) {
    case ACT_GELU: return 0.5 * (1 + erf(x / sqrt(2))) + x * exp(-x * x / 2) / sqrt(2 * M_PI);
    case ACT_GELU_TANH:
        u = tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
        du = sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
        return 0.5 * (1 + u) + 0.5 * x * (1 - u * u) * du;
    case ACT_QUICK_GELU: s = 1 / (1 + exp(-1.702 * x)); return s + 1.702 * x * s * (1 - s);
    case ACT_SILU:       s = 1 / (1 + exp(-x)); return s + x * s * (1 - s);
    case ACT_RELU:       return x > 0;
    }
    return NAN;
}

static void ref_act(struct ops *o, enum act a, struct mat y, struct mat x)
{
    (void)o;
    for (int t = 0; t < x.rows; t++)
        for (int c = 0; c < x.cols; c++) ref_put(y, t, c, ref_act1(a, ref_get(x, t, c)));
}

static void ref_act_bwd(struct ops *o, enum act a, struct mat dx, struct mat dy, struct mat x)
{
    (void)o;
    for (int t = 0; t < x.rows; t++)
        for (int c = 0; c < x.cols; c++) ref_inc(dx, t, c, ref_get(dy, t, c) * ref_dact1(a, ref_get(x, t, c)));
}

static void ref_glu(struct ops *o, enum act a, struct mat y, struct mat gate, struct mat up)
{
    (void)o;
    for (int t = 0; t < y.rows; t++)
        for (int c = 0; c < y.cols; c++) ref_put(y, t, c, ref_act1(a, ref_get(gate, t, c)) * ref_get(up, t, c));
}

static void ref_glu_bwd(struct ops *o, enum act a, struct mat dgate, struct mat dup, struct mat dy, struct mat gate, struct mat up)
{
    (void)o;
    for (int t = 0; t < dy.rows; t++)
        for (int c = 0; c < dy.cols; c++) {
            double g = ref_get(gate, t, c), d = ref_get(dy, t, c);
            ref_inc(dgate, t, c, d * ref_get(up, t, c) * ref_dact1(a, g));
            ref_inc(dup, t, c, d * ref_act1(a, g));
        }
}

static void ref_add(struct ops *o, struct mat y, struct mat x)
{
    (void)o;
    for (int t = 0; t < y.rows; t++)
        for (int c = 0; c < y.cols; c++) ref_inc(y, t, c, ref_get(x, t, c));
}

static void ref_residual(struct ops *o, struct mat y, struct mat x, struct mat a, const float *s)
{
    (void)o;
    for (int t = 0; t < y.rows; t++)
        for (int c = 0; c < y.cols; c++) ref_put(y, t, c, ref_get(x, t, c) + (s ? s[c] : 1) * ref_get(a, t, c));
}

static void ref_residual_bwd(struct ops *o, struct mat da, float *ds, struct mat dy, struct mat a, const float *s)
{
    (void)o;
    for (int t = 0; t < dy.rows; t++)
        for (int c = 0; c < dy.cols; c++) {
            double d = ref_get(dy, t, c);
            ref_inc(da, t, c, (s ? s[c] : 1) * d);
            if (ds) ds[c] += (float)(d * ref_get(a, t, c));
        }
}

static void ref_rope(struct ops *o, struct mat x, int heads, int head_dim, const int *pos, const float *cs, bool back)
{
    (void)o;
    int half = head_dim / 2;
    for (int t = 0; t < x.rows; t++)
        for (int h = 0; h < heads; h++)
            for (int i = 0; i < half; i++) {
                const float *p = cs + ((size_t)pos[t] * (size_t)half + (size_t)i) * 2;
                double c = p[0], s = back ? -p[1] : p[1];
                int c1 = h * head_dim + i, c2 = c1 + half;
                double a = ref_get(x, t, c1), b = ref_get(x, t, c2);
                ref_put(x, t, c1, a * c - b * s);
                ref_put(x, t, c2, b * c + a * s);
            }
}

/* ---- moves ---- */

static void ref_gather(struct ops *o, struct mat y, struct mat x, const int *idx)
{
    (void)o;
    for (int i = 0; i < y.rows; i++)
        for (int c = 0; idx[i] >= 0 && c < y.cols; c++) ref_put(y, i, c, ref_get(x, idx[i], c));
}

static void ref_gather_add(struct ops *o, struct mat y, struct mat x, const int *idx)
{
    (void)o;
    for (int i = 0; i < y.rows; i++)
        for (int c = 0; idx[i] >= 0 && c < y.cols; c++) ref_inc(y, i, c, ref_get(x, idx[i], c));
}

static void ref_scatter(struct ops *o, struct mat y, struct mat x, const int *idx)
{
    (void)o;
    for (int i = 0; i < x.rows; i++)
        for (int c = 0; idx[i] >= 0 && c < x.cols; c++) ref_put(y, idx[i], c, ref_get(x, i, c));
}

static void ref_scatter_add(struct ops *o, struct mat y, struct mat x, const int *idx)
{
    (void)o;
    for (int i = 0; i < x.rows; i++)
        for (int c = 0; idx[i] >= 0 && c < x.cols; c++) ref_inc(y, idx[i], c, ref_get(x, i, c));
}

static void ref_add_rows(struct ops *o, struct mat y, const float *table, int period)
{
    (void)o;
    for (int t = 0; t < y.rows; t++)
        for (int c = 0; c < y.cols; c++) ref_inc(y, t, c, table[(size_t)(t % period) * (size_t)y.cols + (size_t)c]);
}

static void ref_add_rows_bwd(struct ops *o, float *dtable, struct mat dy, int period)
{
    (void)o;
    for (int t = 0; t < dy.rows; t++)
        for (int c = 0; c < dy.cols; c++) dtable[(size_t)(t % period) * (size_t)dy.cols + (size_t)c] += (float)ref_get(dy, t, c);
}

static void ref_cast(struct ops *o, struct mat y, struct mat x)
{
    (void)o;
    for (int t = 0; t < y.rows; t++)
        for (int c = 0; c < y.cols; c++) ref_put(y, t, c, ref_get(x, t, c));
}

static void ref_patchify(struct ops *o, struct mat y, const float *px, int h, int w, int ph, int pw)
{
    (void)o;
    int nh = h / ph, nw = w / pw;
    for (int r = 0; r < y.rows; r++)
        for (int c = 0; c < y.cols; c++) {
            int n = r / (nh * nw), i = r / nw % nh, j = r % nw;
            int frames = y.cols / (3 * ph * pw), ch = c / (frames * ph * pw), a = c / pw % ph, b = c % pw;
            ref_put(y, r, c, px[(((size_t)n * 3 + (size_t)ch) * (size_t)h + (size_t)(i * ph + a)) * (size_t)w + (size_t)(j * pw + b)]);
        }
}

/* ---- attention ---- */

/* The rows that row i of sequence s attends to, in order; returns how many. */
static int ref_keys(const struct attn_args *a, int s, int row, int *key)
{
    int n = 0, end = a->causal ? row + 1 : a->start[s + 1];
    if (a->prefix) for (int j = a->prefix[s].begin; j < a->prefix[s].end; j++) key[n++] = j;
    for (int j = a->start[s]; j < end; j++) key[n++] = j;
    return n;
}

/* p[j] = softmax of the scaled scores of query row r, head h over n keys; returns the log sum exp. */
static double ref_softmax(struct mat q, struct mat k, int r, int h, int kh, int D, double scale, const int *key, int n, double *p)
{
    double top = -INFINITY, sum = 0;
    for (int j = 0; j < n; j++) {
        p[j] = 0;
        for (int d = 0; d < D; d++) p[j] += ref_get(q, r, h * D + d) * ref_get(k, key[j], kh * D + d);
        p[j] *= scale;
        top = fmax(top, p[j]);
    }
    for (int j = 0; j < n; j++) sum += p[j] = exp(p[j] - top);
    for (int j = 0; j < n; j++) p[j] /= sum;
    return top + log(sum);
}

static void ref_weigh(struct mat o, struct mat v, int r, int h, int kh, int D, const int *key, int n, const double *p)
{
    for (int d = 0; d < D; d++) {
        double s = 0;
        for (int j = 0; j < n; j++) s += p[j] * ref_get(v, key[j], kh * D + d);
        ref_put(o, r, h * D + d, s);
    }
}

static void ref_attn(struct ops *o, const struct attn_args *a)
{
    (void)o;
    int D = a->head_dim, group = a->heads / a->kv_heads;
    int *key = mem_array((size_t)a->k.rows * 2 + 1, sizeof *key);
    double *p = mem_array((size_t)a->k.rows * 2 + 1, sizeof *p);
    for (int s = 0; s < a->nseq; s++)
        for (int r = a->start[s]; r < a->start[s + 1]; r++)
            for (int h = 0; h < a->heads; h++) {
                int n = ref_keys(a, s, r, key);
                double lse = ref_softmax(a->q, a->k, r, h, h / group, D, a->scale, key, n, p);
                ref_weigh(a->o, a->v, r, h, h / group, D, key, n, p);
                if (a->lse) a->lse[(size_t)r * (size_t)a->heads + (size_t)h] = (float)lse;
            }
    free(key);
    free(p);
}

static void ref_attn_bwd_row(const struct attn_args *a, struct mat d_o, struct mat dq, struct mat dk, struct mat dv,
                             int r, int h, const int *key, int n, double *p, double *dp)
{
    int D = a->head_dim, kh = h / (a->heads / a->kv_heads);
    double dot = 0;
    ref_softmax(a->q, a->k, r, h, kh, D, a->scale, key, n, p);
    for (int j = 0; j < n; j++) {
        dp[j] = 0;
        for (int d = 0; d < D; d++) dp[j] += ref_get(d_o, r, h * D + d) * ref_get(a->v, key[j], kh * D + d);
        dot += p[j] * dp[j];
    }
    for (int j = 0; j < n; j++)
        for (int d = 0; d < D; d++) {
            double ds = p[j] * (dp[j] - dot) * a->scale;
            ref_inc(dq, r, h * D + d, ds * ref_get(a->k, key[j], kh * D + d));
            ref_inc(dk, key[j], kh * D + d, ds * ref_get(a->q, r, h * D + d));
            ref_inc(dv, key[j], kh * D + d, p[j] * ref_get(d_o, r, h * D + d));
        }
}

static void ref_attn_bwd(struct ops *o, const struct attn_args *a, struct mat d_o, struct mat dq, struct mat dk, struct mat dv)
{
    (void)o;
    int *key = mem_array((size_t)a->k.rows * 2 + 1, sizeof *key);
    double *p = mem_array(((size_t)a->k.rows * 2 + 1) * 2, sizeof *p);
    for (int s = 0; s < a->nseq; s++)
        for (int r = a->start[s]; r < a->start[s + 1]; r++)
            for (int h = 0; h < a->heads; h++)
                ref_attn_bwd_row(a, d_o, dq, dk, dv, r, h, key, ref_keys(a, s, r, key), p, p + a->k.rows * 2 + 1);
    free(key);
    free(p);
}

static void ref_attn_tree(struct ops *o, const struct attn_tree_args *a)
{
    (void)o;
    int D = a->head_dim, group = a->heads / a->kv_heads, most = 1;
    for (int r = 0; r < a->q.rows; r++) most = mem_max(most, a->nkey[r]);
    int *key = mem_array((size_t)most, sizeof *key);
    double *p = mem_array((size_t)most, sizeof *p);
    for (int r = 0; r < a->q.rows; r++) {
        for (int i = 0; i < a->nseg; i++) {
            const struct attn_seg *g = &a->seg[i];
            if (r < g->row || r >= g->row + g->nrow) continue;
            for (int j = 0; j < g->len && g->pos + j < a->nkey[r]; j++) key[g->pos + j] = g->slot + j;
        }
        for (int h = 0; h < a->heads; h++) {
            ref_softmax(a->q, a->k, r, h, h / group, D, a->scale, key, a->nkey[r], p);
            ref_weigh(a->o, a->v, r, h, h / group, D, key, a->nkey[r], p);
        }
    }
    free(key);
    free(p);
}

/* ---- losses and the optimiser ---- */

static void ref_logprob_row(const struct logprob_args *a, int t, double *p)
{
    int V = a->w.rows, C = a->w.cols, y = a->target[t];
    double top = -INFINITY, sum = 0, at = 0;
    for (int v = 0; v < V; v++) {
        p[v] = 0;
        for (int c = 0; c < C; c++) p[v] += ref_get(a->x, t, c) * ref_get(a->w, v, c);
        top = fmax(top, p[v]);
    }
    at = p[y];
    for (int v = 0; v < V; v++) sum += p[v] = exp(p[v] - top);
    a->lp[t] = (float)(at - top - log(sum));
    if (!a->dlp) return;
    for (int v = 0; v < V; v++) {
        double d = a->dlp[t] * ((v == y) - p[v] / sum);
        for (int c = 0; a->dx.p && c < C; c++) ref_inc(a->dx, t, c, d * ref_get(a->w, v, c));
        for (int c = 0; a->dw && c < C; c++) a->dw[(size_t)v * (size_t)C + (size_t)c] += (float)(d * ref_get(a->x, t, c));
    }
}

static void ref_logprob(struct ops *o, const struct logprob_args *a)
{
    (void)o;
    double *p = mem_array((size_t)a->w.rows, sizeof *p);
    for (int t = 0; t < a->x.rows; t++) {
        if (a->target[t] >= 0) ref_logprob_row(a, t, p);
        else a->lp[t] = 0;
    }
    free(p);
}

static void ref_adamw(struct ops *o, const struct adamw_args *a)
{
    (void)o;
    for (size_t i = 0; i < a->n; i++) {
        double g = (double)a->g[i] * a->gscale;
        double m = a->b1 * (double)a->m[i] + (1 - (double)a->b1) * g, v = a->b2 * (double)a->v[i] + (1 - (double)a->b2) * g * g;
        double w = a->w[i];
        w -= a->lr * (m / a->bc1 / (sqrt(v / a->bc2) + a->eps) + a->decay * w);
        a->m[i] = (float)m;
        a->v[i] = (float)v;
        a->w[i] = (float)w;
        if (!a->copy || a->copy == a->w) continue;
        if (a->copy_t == DT_F32) ((float *)a->copy)[i] = (float)w;
        else ((uint16_t *)a->copy)[i] = ref_to_bf16((float)w);
    }
}

static double ref_sumsq(struct ops *o, const struct floats *v, int n)
{
    (void)o;
    double s = 0;
    for (int k = 0; k < n; k++)
        for (size_t i = 0; i < v[k].n; i++) s += (double)v[k].p[i] * v[k].p[i];
    return s;
}

static void ref_close(struct ops *o) { free(o); }

static inline struct ops *ops_ref(void)
{
    struct ops *o = mem_alloc(sizeof *o);
    *o = (struct ops){
        .name = "reference", .alloc = ref_alloc, .release = ref_release, .upload = ref_upload, .download = ref_download,
        .zero = ref_zero, .sync = ref_sync, .linear = ref_linear, .linear_dx = ref_linear_dx, .linear_dw = ref_linear_dw,
        .norm = ref_norm, .norm_bwd = ref_norm_bwd, .act = ref_act, .act_bwd = ref_act_bwd, .glu = ref_glu,
        .glu_bwd = ref_glu_bwd, .add = ref_add, .residual = ref_residual, .residual_bwd = ref_residual_bwd,
        .rope = ref_rope, .gather = ref_gather, .gather_add = ref_gather_add, .scatter = ref_scatter,
        .scatter_add = ref_scatter_add, .add_rows = ref_add_rows, .add_rows_bwd = ref_add_rows_bwd, .cast = ref_cast,
        .patchify = ref_patchify, .attn = ref_attn, .attn_bwd = ref_attn_bwd, .attn_tree = ref_attn_tree,
        .logprob = ref_logprob, .adamw = ref_adamw, .sumsq = ref_sumsq, .close = ref_close,
    };
    return o;
}

#endif
