/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/vec/math.h"

/* A sum runs in VL lanes by index modulo VL, folded in a fixed order at the end: it depends on the values and their
 * index, not on what lies behind them. */

INLINE vi lanes(void)
{
    vi lane;
    for (int i = 0; i < VL; i++) lane[i] = i;
    return lane;
}

/* s[i ..] with `other` behind n. */
INLINE vf part(const float *s, int i, int n, float other)
{
    if (n - i >= VL) return vf_load(s + i);
    return vf_select(lanes() < n - i, vt_load_n(s, DT_F32, i, n - i), vf_all(other));
}

INLINE void put(float *s, int i, int n, vf v)
{
    if (n - i >= VL) vf_store(s + i, v);
    else vt_store_n(s, DT_F32, i, n - i, v);
}

static float top_of(const float *s, int n)
{
    vf top = vf_all(-__builtin_inff());
    for (int i = 0; i < n; i += VL) top = vf_max(top, part(s, i, n, -__builtin_inff()));
    return vf_top(top);
}

static float weights(float *s, int n, int pad, float scale, float *lse)
{
    float top = top_of(s, n) * scale;
    vf sum = { 0 };
    for (int i = 0; i < n; i += VL) {
        vf p = vf_exp(part(s, i, n, -__builtin_inff()) * scale - top);
        sum += p;
        put(s, i, n, p);
    }
    memset(s + n, 0, (size_t)(pad - n) * sizeof *s);
    float total = vf_sum(sum);
    if (lse) *lse = top + __builtin_logf(total);
    return total;
}

static void weights_bwd(float *s, float *dp, int n, int pad, float scale, float lse, float delta)
{
    for (int i = 0; i < n; i += VL) {
        vf p = vf_exp(part(s, i, n, 0) * scale - lse);
        put(dp, i, n, p * (part(dp, i, n, 0) - delta) * scale);
        put(s, i, n, p);
    }
    memset(s + n, 0, (size_t)(pad - n) * sizeof *s);
    memset(dp + n, 0, (size_t)(pad - n) * sizeof *dp);
}

static struct log_sum log_sum(const float *s, int n)
{
    float top = top_of(s, n);
    vf sum = { 0 };
    for (int i = 0; i < n; i += VL) sum += vf_exp(part(s, i, n, -__builtin_inff()) - top);
    return (struct log_sum){ top, __builtin_logf(vf_sum(sum)) };
}

static void prob(void *p, enum dtype t, const float *s, int n, struct log_sum l, float by)
{
    for (int i = 0; i < n; i += VL) {
        vf v = by * vf_exp(part(s, i, n, 0) - l.top - l.rest);
        if (n - i < VL) vt_store_n(p, t, i, n - i, v);
        else if (t == DT_F32) vt_store(p, DT_F32, i, v);
        else vt_store(p, DT_BF16, i, v);
    }
}

static float dot(const float *a, const float *b, int n)
{
    vf sum = { 0 };
    for (int i = 0; i < n; i += VL) sum += part(a, i, n, 0) * part(b, i, n, 0);
    return vf_sum(sum);
}

static void scale(float *a, int n, float by)
{
    for (int i = 0; i < n; i += VL) put(a, i, n, part(a, i, n, 0) * by);
}

const struct vec_soft VEC(soft) = { weights, weights_bwd, log_sum, prob, dot, scale };
