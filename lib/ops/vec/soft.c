/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/vec/math.h"

/* A sum runs in VL lanes by index modulo VL, folded in a fixed order at the end: it depends on the values and their
 * index, not on what lies behind them. */

/* s[i ..] with `other` behind n. */
INLINE vf part(const float *s, int i, int n, float other)
{
    if (n - i >= VL) return vf_load(s + i);
    return vf_select(vi_lanes() < n - i, vt_load_n(s, DT_F32, i, n - i), vf_all(other));
}

static float top_of(const float *s, int n)
{
    vf top = vf_all(-__builtin_inff());
    for (int i = 0; i < n; i += VL) top = vf_max(top, part(s, i, n, -__builtin_inff()));
    return vf_top(top);
}

static void zeros(float *s, int begin, int end)
{
    for (int i = begin; i < end; i += VL) vf_store(s + i, (vf){ 0 });
}

static float weights(float *s, int n, int pad, float scale, float *lse)
{
    float top = top_of(s, n) * scale;
    vf sum = { 0 };
    int i = 0;
    for (; i < n; i += VL) {
        vf p = vf_exp(part(s, i, n, -__builtin_inff()) * scale - top);
        sum += p;
        vf_store(s + i, p);                    /* 0 behind n */
    }
    zeros(s, i, pad);
    float total = vf_sum(sum);
    if (lse) *lse = top + __builtin_logf(total);
    return total;
}

static void weights_bwd(float *s, float *dp, int n, int pad, float scale, float lse, float delta)
{
    int i = 0;
    for (; i < n; i += VL) {
        vf p = vf_exp(part(s, i, n, -__builtin_inff()) * scale - lse);
        vf_store(dp + i, p * (part(dp, i, n, 0) - delta) * scale);
        vf_store(s + i, p);
    }
    zeros(s, i, pad);
    zeros(dp, i, pad);
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

INLINE void put_rows(enum dtype t, bool add, struct mat y, const float *x, int64_t ldx, const float *by, int step)
{
    for (int r = 0; r < y.rows; r++)
        for (int c = 0; c < y.cols; c += VL) {
            int n = y.cols - c;
            int64_t at = r * y.ld + c;
            vf v = part(x + r * ldx, c, y.cols, 0);
            if (by) v *= by[r * step];
            if (add) v += n >= VL ? vt_load(y.p, t, at) : vt_load_n(y.p, t, at, n);
            if (n >= VL) vt_store(y.p, t, at, v);
            else vt_store_n(y.p, t, at, n, v);
        }
}

static void put(struct mat y, const float *x, int64_t ldx, const float *by, int step, bool add)
{
    if (y.t == DT_F32 && add) put_rows(DT_F32, true, y, x, ldx, by, step);
    else if (y.t == DT_F32) put_rows(DT_F32, false, y, x, ldx, by, step);
    else if (add) put_rows(DT_BF16, true, y, x, ldx, by, step);
    else put_rows(DT_BF16, false, y, x, ldx, by, step);
}

const struct vec_soft VEC(soft) = { weights, weights_bwd, log_sum, prob, dot, put };
