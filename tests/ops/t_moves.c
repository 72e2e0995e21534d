/* SPDX-License-Identifier: Apache-2.0
 * Moves by index, casts, patches, log-probabilities, AdamW, sums of squares, zero.
 */
#include "check.h"

/* ---- moves ---- */

static void one_move(enum dtype t, int n, int rows, int C)
{
    struct ops *o = check_ops, *f = check_ref;
    struct tensor x = tensor_new(o, t, rows, C, 3, RANDOM), y = tensor_new(o, t, n, C, 1, RANDOM);
    int *idx = mem_array((size_t)mem_max(n, rows), sizeof *idx), *once = mem_array((size_t)rows, sizeof *once);
    for (int i = 0; i < n; i++) idx[i] = check_below(rows + 1) - 1;
    o->gather(o, y.dev, x.dev, idx);
    f->gather(f, y.ref, x.ref, idx);
    T_TENSOR(y, 0);
    o->gather_add(o, y.dev, x.dev, idx);
    f->gather_add(f, y.ref, x.ref, idx);
    T_TENSOR(y, 1e-6);
    struct tensor sum = tensor_new(o, DT_F32, rows, C, 0, RANDOM), src = tensor_new(o, t, n, C, 2, RANDOM);
    o->scatter_add(o, sum.dev, src.dev, idx);
    f->scatter_add(f, sum.ref, src.ref, idx);
    T_TENSOR(sum, 1e-5);
    for (int i = 0; i < rows; i++) once[i] = i % 3 ? (i + 1) % rows : -1;
    struct tensor z = tensor_new(o, t, rows, C, 5, RANDOM);
    o->scatter(o, z.dev, x.dev, once);
    f->scatter(f, z.ref, x.ref, once);
    T_TENSOR(z, 0);
    o->scatter_add(o, z.dev, x.dev, once);
    f->scatter_add(f, z.ref, x.ref, once);
    T_TENSOR(z, 1e-6);
    tensor_free(&x); tensor_free(&y); tensor_free(&sum); tensor_free(&src); tensor_free(&z);
    free(idx); free(once);
}

static void test_moves(void)
{
    for (int t = 0; t < 2; t++) {
        enum dtype d = t ? DT_BF16 : DT_F32;
        one_move(d, 1, 1, 1);
        one_move(d, 50, 7, 13);
        one_move(d, 300, 40, 130);
        one_move(d, 5, 500, 65);
    }
}

static void test_cast(void)
{
    static const int size[][2] = { { 1, 1 }, { 3, 17 }, { 65, 40 }, { 1, 100003 } };
    struct ops *o = check_ops;
    for (int i = 0; i < countof(size); i++)
        for (int ty = 0; ty < 2; ty++)
            for (int tx = 0; tx < 2; tx++) {
                struct tensor x = tensor_new(o, tx ? DT_BF16 : DT_F32, size[i][0], size[i][1], i, RANDOM);
                struct tensor y = tensor_new(o, ty ? DT_BF16 : DT_F32, size[i][0], size[i][1], 0, POISON);
                o->cast(o, y.dev, x.dev);
                check_ref->cast(check_ref, y.ref, x.ref);
                T_TENSOR(y, 0);
                tensor_free(&x); tensor_free(&y);
            }
}

/* Rounding to bf16 is exact: every pattern of the low half around a few values, and what is special. */
static void test_bf16(void)
{
    static const uint32_t bits[] = { 0x3f800000, 0x3f810000, 0xbf7f0000, 0x7f7f0000, 0x00010000, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000 };
    enum { LOW = 65536 };
    struct ops *o = check_ops;
    float *x = o->alloc(o, LOW * 4, "x");
    uint16_t *y = o->alloc(o, LOW * 2, "y"), *host = mem_alloc(LOW * 2);
    float *fx = mem_alloc(LOW * 4);
    for (int b = 0; b < countof(bits); b++) {
        for (uint32_t i = 0; i < LOW; i++) { uint32_t u = bits[b] | (b < 6 ? i : b == 8 ? i : 0); memcpy(&fx[i], &u, 4); }
        o->upload(o, x, fx, LOW * 4);
        o->cast(o, mat_of(y, DT_BF16, 1, LOW), mat_of(x, DT_F32, 1, LOW));
        o->download(o, host, y, LOW * 2);
        int bad = 0;
        for (int i = 0; i < LOW; i++) bad += isnan(fx[i]) ? !isnan(ref_from_bf16(host[i])) : host[i] != ref_to_bf16(fx[i]);
        T_INT(bad, 0);
    }
    o->release(o, x);
    o->release(o, y);
    free(host);
    free(fx);
}

static void one_patchify(int n, int h, int w, int ph, int pw, int frames, enum dtype t)
{
    struct ops *o = check_ops;
    struct tensor px = tensor_new(o, DT_F32, n * 3 * h, w, 0, RANDOM), y = tensor_new(o, t, n * (h / ph) * (w / pw), 3 * frames * ph * pw, 2, POISON);
    o->patchify(o, y.dev, vec_dev(&px), h, w, ph, pw);
    check_ref->patchify(check_ref, y.ref, vec_ref(&px), h, w, ph, pw);
    T_TENSOR(y, 0);
    tensor_free(&px); tensor_free(&y);
}

static void test_patchify(void)
{
    one_patchify(1, 2, 2, 1, 1, 1, DT_F32);
    one_patchify(2, 28, 42, 14, 14, 1, DT_F32);
    one_patchify(2, 6, 4, 3, 2, 2, DT_F32);
    one_patchify(1, 8, 4, 4, 4, 3, DT_BF16);
    one_patchify(3, 16, 24, 8, 4, 1, DT_BF16);
    one_patchify(2, 7, 11, 3, 4, 1, DT_F32);                /* a rest of one row and three columns */
}

static void test_zero(void)
{
    struct ops *o = check_ops;
    struct tensor x = tensor_new(o, DT_F32, 1, 700001, 0, RANDOM);
    o->zero(o, x.dev.p, 700000 * 4);
    memset(x.ref.p, 0, 700000 * 4);
    T_TENSOR(x, 0);
    tensor_free(&x);
}

/* ---- losses ---- */

static float big(int r, int c) { return (float)((r * 37 + c * 11) % 41 - 20); }

static void one_logprob(enum dtype t, int T, int V, int C, int mode)
{
    struct ops *o = check_ops;
    struct tensor x = tensor_new(o, t, T, C, 3, RANDOM), w = tensor_new(o, t, V, C, 1, RANDOM);
    struct tensor dx = tensor_new(o, t, T, C, 2, RANDOM), dw = tensor_new(o, DT_F32, V, C, 0, RANDOM);
    int *target = mem_array((size_t)T, sizeof *target);
    float *lp = mem_array((size_t)T * 3, sizeof *lp), *want = lp + T, *dlp = lp + 2 * T;
    for (int i = 0; i < T; i++) {
        target[i] = check_below(V + V / 3 + 1) - V / 3 - 1;
        if (target[i] < 0) target[i] = -1;
        dlp[i] = check_value();
        lp[i] = NAN;
    }
    if (mode == 3) { tensor_set(&x, big); tensor_set(&w, big); }      /* logits in the thousands */
    struct logprob_args a = { x.dev, w.dev, target, lp, mode ? dlp : NULL, mode ? dx.dev : (struct mat){ 0 }, mode == 1 ? NULL : vec_dev(&dw) };
    struct logprob_args r = { x.ref, w.ref, target, want, mode ? dlp : NULL, mode ? dx.ref : (struct mat){ 0 }, mode == 1 ? NULL : vec_ref(&dw) };
    if (!mode) a.dw = r.dw = NULL;
    o->logprob(o, &a);
    check_ref->logprob(check_ref, &r);
    double worst = 0;
    for (int i = 0; i < T; i++) worst = fmax(worst, isnan(lp[i]) ? INFINITY : fabs(lp[i] - want[i]) / (1 + fabs(want[i])));
    T_NEAR(worst, 0, t == DT_BF16 && check_integers ? 4e-4 : 2e-5);
    T_TENSOR(dx, 5e-5);
    double e = tensor_error(&dw);              /* in bf16, d logit is rounded before the product */
    T_CHECK(e <= tol_of(t, 5e-5));
    tensor_free(&x); tensor_free(&w); tensor_free(&dx); tensor_free(&dw);
    free(target);
    free(lp);
}

static void test_logprob(void)
{
    static const int size[][3] = { { 1, 2, 1 }, { 7, 19, 5 }, { 40, 300, 33 }, { 600, 90, 16 }, { 130, 1000, 24 }, { 4, 4099, 9 }, { 3, 20011, 8 } };
    for (int i = 0; i < countof(size); i++)
        for (int mode = 0; mode < 3; mode++)
            for (int t = 0; t < 2; t++) one_logprob(t ? DT_BF16 : DT_F32, size[i][0], size[i][1], size[i][2], mode);
    one_logprob(DT_F32, 20, 50, 30, 3);
    T_OK(check_ops->sync(check_ops));
}

/* ---- the optimiser ---- */

static void one_adamw(int n, enum dtype copy_t)
{
    struct ops *o = check_ops;
    struct tensor w = tensor_new(o, DT_F32, 1, n, 0, RANDOM), m = tensor_new(o, DT_F32, 1, n, 0, RANDOM);
    struct tensor v = tensor_new(o, DT_F32, 1, n, 0, RANDOM), g = tensor_new(o, DT_F32, 1, n, 0, RANDOM), c = tensor_new(o, copy_t, 1, n, 0, POISON);
    for (int i = 0; i < n; i++) vec_ref(&v)[i] = fabsf(vec_ref(&v)[i]);
    o->upload(o, v.dev.p, v.ref.p, (size_t)n * 4);
    struct adamw_args a = { vec_dev(&w), vec_dev(&m), vec_dev(&v), vec_dev(&g), (size_t)n, c.dev.p, copy_t, 1e-2f, 0.9f, 0.98f, 1e-8f, 0.05f, 0.19f, 0.04f, 0.7f };
    struct adamw_args r = { vec_ref(&w), vec_ref(&m), vec_ref(&v), vec_ref(&g), (size_t)n, c.ref.p, DT_F32, 1e-2f, 0.9f, 0.98f, 1e-8f, 0.05f, 0.19f, 0.04f, 0.7f };
    o->adamw(o, &a);
    check_ref->adamw(check_ref, &r);
    T_TENSOR(w, 1e-6); T_TENSOR(m, 1e-6); T_TENSOR(v, 1e-6); T_TENSOR(c, 1e-6);
    a.copy = a.w;                              /* the weight is its own copy */
    r.copy = NULL;
    o->adamw(o, &a);
    check_ref->adamw(check_ref, &r);
    T_TENSOR(w, 2e-6);
    struct floats all[] = { { vec_dev(&g), (size_t)n }, { vec_dev(&w), 0 }, { vec_dev(&g) + 1, (size_t)n - 1 } };
    struct floats all_ref[] = { { vec_ref(&g), (size_t)n }, { vec_ref(&w), 0 }, { vec_ref(&g) + 1, (size_t)n - 1 } };
    double s = o->sumsq(o, all, 3), want = check_ref->sumsq(check_ref, all_ref, 3);
    T_NEAR(s, want, 1e-12 * want);
    tensor_free(&w); tensor_free(&m); tensor_free(&v); tensor_free(&g); tensor_free(&c);
}

static void test_adamw(void)
{
    one_adamw(1, DT_F32);
    one_adamw(37, DT_BF16);
    one_adamw(50000, DT_BF16);
    one_adamw(20, DT_F32);
    one_adamw(50001, DT_F32);
}

static void all(void)
{
    T_RUN(test_moves);
    T_RUN(test_cast);
    T_RUN(test_bf16);
    T_RUN(test_patchify);
    T_RUN(test_zero);
    T_RUN(test_logprob);
    T_RUN(test_adamw);
}

int main(void) { return check_backends(all); }
