/* SPDX-License-Identifier: Apache-2.0
 * The contract between the model and a device: a table of functions that ops_cpu() and ops_cuda() fill.
 *
 * - A mat is a row-major view: element (r, c) at r * ld + c. Activations are f32 or bf16, all mats of one call of one
 *   dtype unless said otherwise; arithmetic inside is f32. Vectors (norm weights, biases) and all parameter gradients
 *   are f32 arrays. Pointers in mats and arrays marked [dev] are device memory; index arrays (int) are host memory.
 * - Forward overwrites its outputs, backward accumulates into its gradients (+=), on every backend.
 * - ROW INDEPENDENCE: row r of an output depends on row r of the input (for attention: on the keys it attends to, in
 *   order) and has the same bits for every number of rows in the call, every thread count and every grouping. Sampling
 *   promises the same bytes for any batch size; it rests on this. (Gradients of weights sum over rows in a fixed order.)
 *   On the CPU attn() and attn_tree() also give the same bits for the same keys, so that training and decoding agree.
 * - Nothing here fails at the call: a device error is kept and returned by sync(), which every step ends with.
 * - One thread calls; the backend spreads the work over its own threads.
 * Letters: T rows (tokens), C width, N/K sides of a weight, V vocabulary, H heads, Hk key heads, D head size.
 */
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/mem.h"
#include "ops/usage.h"

enum dtype { DT_F32, DT_BF16 };
struct mat { void *p; enum dtype t; int rows, cols; int64_t ld; };

static inline size_t   dtype_size(enum dtype t) { return t == DT_F32 ? 4 : 2; }
static inline struct mat mat_of(void *p, enum dtype t, int rows, int cols) { return (struct mat){ p, t, rows, cols, cols }; }
static inline struct mat mat_rows(struct mat m, int begin, int n)        /* rows [begin, begin + n) */
{
    assert(begin >= 0 && n >= 0 && begin <= m.rows - n);
    return (struct mat){ (char *)m.p + (size_t)begin * (size_t)m.ld * dtype_size(m.t), m.t, n, m.cols, m.ld };
}
static inline struct mat mat_cols(struct mat m, int begin, int n)        /* columns [begin, begin + n) */
{
    assert(begin >= 0 && n >= 0 && begin <= m.cols - n);
    return (struct mat){ (char *)m.p + (size_t)begin * dtype_size(m.t), m.t, m.rows, n, m.ld };
}

enum act  { ACT_GELU, ACT_GELU_TANH, ACT_QUICK_GELU, ACT_SILU, ACT_RELU };
enum norm { NORM_LAYER, NORM_RMS };

/* Attention over packed sequences (training, vision): sequence s is rows [start[s], start[s+1]); its row i attends to the
 * rows of prefix[s] (all of them; they belong to another sequence of this call that has no prefix itself; empty if
 * begin == end; prefix NULL: none) and then to its own rows, up to itself when causal.
 *   o = softmax(scale * q k^T) v per head; query head h uses key head h / (H / Hk). */
struct attn_args {
    struct mat q, k, v, o;                     /* [T, H*D] [T, Hk*D] [T, Hk*D] [T, H*D] */
    int heads, kv_heads, head_dim;
    float scale;
    bool causal;
    int nseq;
    const int *start;                          /* [nseq + 1] */
    const struct span *prefix;                 /* [nseq] or NULL */
    float *lse;                                /* [dev] [T, H] log sum exp of the scaled scores, for the backward; NULL: not kept */
};
/* The sequence whose rows hold the prefix of s; s itself without a prefix. */
int attn_owner(const struct attn_args *a, int s);

/* Attention over a tree of cached keys (prefill and decoding). k and v are pools of slots. A segment says that the slots
 * [slot, slot + len) hold the keys of positions pos.. for the query rows [row, row + nrow). Every query row's segments
 * come in order of position and cover [0, nkey[r]) at least; keys at positions >= nkey[r] are masked. A prefix shared
 * by many rows is one segment, computed as one product. */
struct attn_seg { int slot, len, pos, row, nrow; };
struct attn_tree_args {
    struct mat q, o;                           /* [R, H*D] */
    struct mat k, v;                           /* [slots, Hk*D] */
    int heads, kv_heads, head_dim;
    float scale;
    int nseg;
    const struct attn_seg *seg;                /* sorted by (row, pos) in depth-first order of the tree */
    const int *nkey;                           /* [R], at least 1 */
};

/* Log-probabilities of given next tokens, never keeping [T, V]:
 *   lp[t] = logit[target[t]] - log sum_v exp(logit[v]),  logit = x[t] w^T     (target < 0: row skipped, lp 0)
 * With dx (dx.p != NULL): also dx[t] += dlp[t] * (w[target] - sum_v p_v w[v]) and dw likewise (dw may be NULL: frozen). */
struct logprob_args {
    struct mat x, w;                           /* [T, C], [V, C] */
    const int *target;                         /* [T] host */
    float *lp;                                 /* host [T] */
    const float *dlp;                          /* host [T], d loss / d lp; NULL: forward only */
    struct mat dx;                             /* [T, C] */
    float *dw;                                 /* [dev] [V, C] f32 */
};

struct floats { const float *p; size_t n; };   /* [dev] */

/* AdamW (Loshchilov & Hutter 2019), decoupled decay:
 *   g' = g * gscale;  m = b1 m + (1-b1) g';  v = b2 v + (1-b2) g'^2
 *   w -= lr * ( (m / bc1) / (sqrt(v / bc2) + eps) + decay * w ),   bc1 = 1 - b1^t, bc2 = 1 - b2^t
 * then copy = (dtype) w when copy.p is not NULL and is not w itself. */
struct adamw_args {
    float *w, *m, *v;                          /* [dev] [n] */
    const float *g;
    size_t n;
    void *copy; enum dtype copy_t;
    float lr, b1, b2, eps, decay, bc1, bc2, gscale;
};

/* A token from row `row` of some logits: search/sample.h has the meaning of temperature, top_k and top_p, and how u in [0, 1)
 * chooses. logprob: of the plain distribution. id -1: the row holds NaN, or no finite maximum. */
struct draw_how { double temperature, top_p, u; int top_k, row; };
struct drawn { int id; float logprob; };

struct ops {
    const char *name;                          /* "cpu", "cuda" */
    int threads;                               /* of the host, that it may use */
    enum dtype fast;                           /* bf16 where the device has instructions for it, else f32 */
    struct usage *usage;                       /* of its memory: what alloc() was told, and "work memory" of the ops themselves */
    bool measuring;
    bool loose_rows;                           /* to be set by who does not need it: rows of products may depend on the number of rows, where that is faster (ROW INDEPENDENCE; the CPU keeps it always) */
    /* ---- memory ---- */
    void  (*measure)(struct ops *);            /* to be called first: from now on alloc() only counts, and no op computes or copies (numbers handed back are 0); work memory is counted where it is large */
    size_t (*room)(struct ops *);              /* bytes of memory that are free now */
    void *(*alloc)(struct ops *, size_t bytes, const char *what);     /* zeroed; NULL + fail() */
    void  (*release)(struct ops *, void *p);
    void  (*upload)(struct ops *, void *dst, const void *host, size_t bytes);
    void  (*download)(struct ops *, void *host, const void *src, size_t bytes);
    void  (*zero)(struct ops *, void *p, size_t bytes);
    int   (*sync)(struct ops *);               /* 0, or -1 with the first error since the last sync */
    /* Does what work(arg) does: calls of this table, none that hands numbers to the host. Work that comes back in the same shape
     * may be launched as a whole; work is called up to twice, the same way. */
    void  (*replay)(struct ops *, void (*work)(void *), void *arg);
    /* ---- products ---- */
    void (*linear)   (struct ops *, struct mat y, struct mat x, struct mat w, const float *bias);   /* y[T,N] = x[T,K] w[N,K]^T + bias[N]; y may be f32 where x, w are bf16 */
    void (*linear_dx)(struct ops *, struct mat dx, struct mat dy, struct mat w);                    /* dx[T,K] += dy[T,N] w[N,K]; dx may be f32 */
    void (*linear_dw)(struct ops *, float *dw, float *db, struct mat dy, struct mat x);             /* dw[N,K] += dy^T x; db[N] += column sums of dy; either NULL */
    /* ---- rows ---- */
    void (*norm)    (struct ops *, enum norm, struct mat y, struct mat x, const float *g, const float *b, float eps, float *stat);   /* y = (x - mean) rstd g + b (layer), x rstd g (rms, b NULL); stat [dev][T,2] mean, rstd, NULL: not kept */
    void (*norm_bwd)(struct ops *, enum norm, struct mat dx, float *dg, float *db, struct mat dy, struct mat x, const float *g, const float *stat);   /* dg, db NULL: frozen */
    void (*act)     (struct ops *, enum act, struct mat y, struct mat x);
    void (*act_bwd) (struct ops *, enum act, struct mat dx, struct mat dy, struct mat x);
    void (*glu)     (struct ops *, enum act, struct mat y, struct mat gate, struct mat up);          /* y = act(gate) * up */
    void (*glu_bwd) (struct ops *, enum act, struct mat dgate, struct mat dup, struct mat dy, struct mat gate, struct mat up);
    void (*add)     (struct ops *, struct mat y, struct mat x);                                      /* y += x, of any dtypes */
    void (*residual)(struct ops *, struct mat y, struct mat x, struct mat a, const float *s);        /* y = x + s * a (s [C] or NULL: 1); y may be x */
    void (*residual_bwd)(struct ops *, struct mat da, float *ds, struct mat dy, struct mat a, const float *s);   /* da += s dy; ds += sum_t dy a (NULL: none). dx += dy is add() */
    void (*rope)    (struct ops *, struct mat x, int heads, int head_dim, const int *pos, const float *cs, bool back);   /* in place, halves rotated as in Llama: (x1, x2) -> (x1 cos - x2 sin, x2 cos + x1 sin); cs [dev][P, D/2, 2] cos, sin of position p; back: the transpose, for gradients (in place too) */
    /* ---- moves; idx is host memory, an index < 0 skips its row ---- */
    void (*gather)     (struct ops *, struct mat y, struct mat x, const int *idx);                   /* y[i] = x[idx[i]] */
    void (*gather_add) (struct ops *, struct mat y, struct mat x, const int *idx);                   /* y[i] += x[idx[i]] */
    void (*scatter)    (struct ops *, struct mat y, struct mat x, const int *idx);                   /* y[idx[i]] = x[i], indices distinct */
    void (*scatter_add)(struct ops *, struct mat y, struct mat x, const int *idx);                   /* y[idx[i]] += x[i] in order of i, indices may repeat; y may be f32 (an embedding's gradient) where x is bf16 */
    void (*add_rows)    (struct ops *, struct mat y, const float *table, int period);                /* y[r] += table[r % period] (f32 [period, C]) */
    void (*add_rows_bwd)(struct ops *, float *dtable, struct mat dy, int period);
    void (*cast)    (struct ops *, struct mat y, struct mat x);                                      /* any dtype to any */
    void (*patchify)(struct ops *, struct mat y, const float *px, int h, int w, int ph, int pw);     /* px [dev][n,3,h,w] f32 -> y [n*(h/ph)*(w/pw), 3*F*ph*pw], a Conv2d weight's order (F = 1), or that of a Conv3d that sees the same picture F times; what is left over at the right and the bottom is not looked at */
    /* ---- attention ---- */
    void (*attn)     (struct ops *, const struct attn_args *);
    void (*attn_bwd) (struct ops *, const struct attn_args *, struct mat d_o, struct mat dq, struct mat dk, struct mat dv);
    void (*attn_tree)(struct ops *, const struct attn_tree_args *);
    /* ---- losses and the optimiser ---- */
    void   (*logprob)(struct ops *, const struct logprob_args *);
    void   (*adamw)  (struct ops *, const struct adamw_args *);
    double (*sumsq)  (struct ops *, const struct floats *v, int n);                                  /* over n arrays, in a fixed order */
    /* ---- sampling; how, out: host arrays [n]. NULL: the device has none, and logits are downloaded to be drawn from ---- */
    void   (*draw)(struct ops *, struct mat logit, const struct draw_how *how, int n, struct drawn *out);
    void   *ctx;                               /* the backend's own */
    void  (*close)(struct ops *);              /* frees ctx and the table */
};

/* Products of f32 run on own kernels for AVX-512, AVX2 or the baseline, chosen at run time. Those of bf16 run on oneDNN where
 * the processor has instructions for it; elsewhere as f32, linear() by integers where there is VNNI (vec/vec.h, vec_fixed).
 * NULL + fail(); free with o->close(o). */
struct ops *ops_cpu(int threads);
/* The first CUDA device (kernels/). NULL + fail_kind(ERR_DEVICE) in builds without it and on machines without a device. */
struct ops *ops_cuda(int threads);

#endif
