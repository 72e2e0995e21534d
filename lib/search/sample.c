/* SPDX-License-Identifier: Apache-2.0 */
#include "search/sample.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

enum { LANES = 4, BLOCK = 256 };                       /* BLOCK floats are summed in f32, blocks in f64 */
typedef float   vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));

struct cand { float logit; int id; };
struct sampler {
    int V, nblock;
    float *w;                                          /* [nblock * BLOCK] weights exp((logit - max) / t), 0 behind V */
    float *pad;                                        /* [BLOCK] the last block of logits, filled up with -inf */
    double *sum;                                       /* [nblock] of w */
    struct cand *cand;                                 /* [V] */
};

struct sampler *sampler_new(int V)
{
    struct sampler *s = mem_alloc(sizeof *s);
    s->V = V;
    s->nblock = (V + BLOCK - 1) / BLOCK;
    s->w = mem_array((size_t)s->nblock * BLOCK, sizeof *s->w);
    s->pad = mem_array(BLOCK, sizeof *s->pad);
    s->sum = mem_array((size_t)s->nblock, sizeof *s->sum);
    s->cand = mem_array((size_t)V, sizeof *s->cand);
    return s;
}

void sampler_free(struct sampler *s)
{
    if (!s) return;
    free(s->w);
    free(s->pad);
    free(s->sum);
    free(s->cand);
    free(s);
}

/* ---- weights ---- */

/* exp(x) for x <= 0 to about 2 ulp, 0 below -87: x = n ln 2 + r, a polynomial in |r| <= ln 2 / 2, and 2^n through the
 * exponent bits. Plain IEEE operations only, so that the bits do not depend on the machine; NaN stays NaN. */
static vf exp8(vf x)
{
    const vf zero = { 0 }, magic = zero + 12582912.0f;  /* 1.5 * 2^23: adding it rounds to an integer */
    vi over = x > -87.0f;
    vf xc = (vf)((vi)x & over);
    vf z = xc * 1.44269504f + magic;
    vf n = z - magic;
    vf r = xc - n * 0.693359375f + n * 2.12194440e-4f;
    vf p = zero + 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    vi e = ((vi)z - (vi)magic + 127) << 23;
    vf y = p * (vf)e;
    vf bad = x - x;                                    /* NaN for NaN and infinities */
    vi isnan = x != x;
    return (vf)(((vi)y & over) | ((vi)bad & isnan));
}

static const float *block_of(const struct sampler *s, const float *logit, int b)
{
    int n = mem_min(BLOCK, s->V - b * BLOCK);
    if (n == BLOCK) return logit + (size_t)b * BLOCK;
    memcpy(s->pad, logit + (size_t)b * BLOCK, (size_t)n * sizeof *logit);
    for (int i = n; i < BLOCK; i++) s->pad[i] = -INFINITY;
    return s->pad;
}

/* sum over v of exp((logit[v] - max) * scale); with keep, the terms stay in s->w and their block sums in s->sum. */
static double weigh(struct sampler *s, const float *logit, float max, float scale, bool keep)
{
    double total = 0;
    for (int b = 0; b < s->nblock; b++) {
        const float *x = block_of(s, logit, b);
        vf acc = { 0 };
        for (int i = 0; i < BLOCK; i += LANES) {
            vf v;
            memcpy(&v, x + i, sizeof v);
            v = exp8((v - max) * scale);
            if (keep) memcpy(s->w + (size_t)b * BLOCK + i, &v, sizeof v);
            acc += v;
        }
        double sum = 0;
        for (int l = 0; l < LANES; l++) sum += (double)acc[l];
        if (keep) s->sum[b] = sum;
        total += sum;
    }
    return total;
}

/* The lowest id of the largest logit; -1 if none is above -inf. NaN is passed over here and noticed in the sum. */
static int argmax(const struct sampler *s, const float *logit)
{
    vf top = { 0 };
    top -= INFINITY;
    for (int b = 0; b < s->nblock; b++) {
        const float *x = block_of(s, logit, b);
        for (int i = 0; i < BLOCK; i += LANES) {
            vf v;
            memcpy(&v, x + i, sizeof v);
            vi up = v > top;
            top = (vf)(((vi)v & up) | ((vi)top & ~up));
        }
    }
    float max = -INFINITY;
    for (int l = 0; l < LANES; l++) max = top[l] > max ? top[l] : max;
    if (max == -INFINITY) return -1;
    int v = 0;
    while (logit[v] != max) v++;
    return v;
}

/* ---- what stays: an upper set in the order (logit down, id up), found without sorting ---- */

static bool before(struct cand a, struct cand b) { return a.logit > b.logit || (a.logit == b.logit && a.id < b.id); }

/* Hoare's partition of c[0, n) about the median of three; returns m in [1, n): c[0, m) come before c[m, n). */
static int split(struct cand *c, int n)
{
    struct cand a = c[0], b = c[n / 2], z = c[n - 1], p;
    if (before(b, a)) p = a, a = b, b = p;
    p = before(z, b) ? (before(z, a) ? a : z) : b;     /* the middle one of the three */
    int i = -1, j = n;
    for (;;) {
        do i++; while (before(c[i], p));
        do j--; while (before(p, c[j]));
        if (i >= j) break;
        struct cand t = c[i];
        c[i] = c[j];
        c[j] = t;
    }
    return mem_max(1, mem_min(j + 1, n - 1));
}

/* Puts the k first of c[0, n) into c[0, k). */
static void keep_first(struct cand *c, int n, int k)
{
    while (n > 1 && k > 0 && k < n) {
        int m = split(c, n);
        if (k <= m) n = m;
        else c += m, n -= m, k -= m;
    }
}

static double mass(const struct sampler *s, const struct cand *c, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)s->w[c[i].id];
    return sum;
}

/* Puts the fewest first of c[0, n) with weight >= want into the front and returns how many, at least 1. */
static int keep_mass(const struct sampler *s, struct cand *c, int n, double want)
{
    int kept = 0;
    while (n > 1) {
        int m = split(c, n);
        double up = mass(s, c, m);
        if (up >= want) { n = m; continue; }
        want -= up;
        kept += m;
        c += m;
        n -= m;
    }
    return kept + 1;
}

/* Candidates with a weight of at least `least`. */
static int collect(struct sampler *s, const float *logit, float least)
{
    int n = 0;
    for (int v = 0; v < s->V; v++)
        if (s->w[v] >= least) s->cand[n++] = (struct cand){ logit[v], v };
    return n;
}

/* Leaves in s->cand[0, n) exactly the tokens that top-k and top-p let pass; returns n. Most rows are settled among the
 * few tokens of some weight; those are tried first, all tokens only when they turn out not to be enough. */
static int truncate_to(struct sampler *s, const float *logit, const struct sampling *how, double total)
{
    int k = how->top_k > 0 && how->top_k < s->V ? how->top_k : 0;
    int n = collect(s, logit, 1e-4f);
    bool enough = k ? n >= k : mass(s, s->cand, n) >= how->top_p * total;
    if (!enough) n = collect(s, logit, 0);
    if (k && k < n) {
        keep_first(s->cand, n, k);
        n = k;
    }
    if (how->top_p < 1) n = keep_mass(s, s->cand, n, how->top_p * (k ? mass(s, s->cand, n) : total));
    return n;
}

/* ---- inverse of the cumulated weights ---- */

static int pick_all(const struct sampler *s, double target)
{
    double cum = 0;
    int b = 0, last = 0;
    while (b < s->nblock - 1 && cum + s->sum[b] <= target) cum += s->sum[b++];
    for (int v = b * BLOCK; v < s->V; v++) {           /* goes on into later blocks when rounding leaves the target behind */
        if (s->w[v] > 0) last = v;
        cum += (double)s->w[v];
        if (cum > target) return v;
    }
    while (last > 0 && !(s->w[last] > 0)) last--;
    return last;
}

/* Puts the n candidates into order of ids: a scan for all that do not come behind the last of them. */
static void order_by_id(struct sampler *s, const float *logit, int n)
{
    struct cand last = s->cand[0];
    for (int i = 1; i < n; i++)
        if (before(last, s->cand[i])) last = s->cand[i];
    for (int v = 0, i = 0; i < n; v++)
        if (!before(last, (struct cand){ logit[v], v })) s->cand[i++] = (struct cand){ logit[v], v };
}

static int pick_cand(struct sampler *s, int n, double u)
{
    double target = u * mass(s, s->cand, n), cum = 0;
    for (int i = 0; i < n; i++) {
        cum += (double)s->w[s->cand[i].id];
        if (cum > target) return s->cand[i].id;
    }
    return s->cand[n - 1].id;
}

struct sampled sampler_draw(struct sampler *s, const float *logit, const struct sampling *how, double u)
{
    int id = argmax(s, logit);
    if (id < 0 || !isfinite(logit[id])) return (struct sampled){ -1, 0 };
    float max = logit[id];
    bool greedy = how->temperature <= 0, plain = how->temperature == 1;
    double z = weigh(s, logit, max, 1.0f, plain);
    if (!isfinite(z)) return (struct sampled){ -1, 0 };
    if (!greedy) {
        double total = plain ? z : weigh(s, logit, max, (float)fmin(1 / how->temperature, 1e30), true);
        if (how->top_p < 1 || (how->top_k > 0 && how->top_k < s->V)) {
            int n = truncate_to(s, logit, how, total);
            order_by_id(s, logit, n);
            id = pick_cand(s, n, u);
        } else {
            id = pick_all(s, u * total);
        }
    }
    return (struct sampled){ id, (float)((double)logit[id] - max - log(z)) };
}

float sampler_logprob(struct sampler *s, const float *logit, int id)
{
    int best = argmax(s, logit);
    if (best < 0 || !isfinite(logit[best])) return NAN;
    double z = weigh(s, logit, logit[best], 1.0f, false);
    return isfinite(z) ? (float)((double)logit[id] - logit[best] - log(z)) : NAN;
}
