/* SPDX-License-Identifier: Apache-2.0
 * Row independence: a row of an output has the same bits for every number of rows in the call, wherever it stands among
 * them; and nothing, gradients included, depends on the number of threads.
 */
#include "base/hash.h"
#include "check.h"

/* ---- products ---- */

enum { MOST = 300 };
static const int rows_tried[] = { 1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 16, 17, 24, 31, 32, 33, 47, 48, 63, 64, 65, 96, 97, 127, 128, 130, 192, 255, 256, 257, 289, 299 };
static const int weights_tried[][2] = { { 1, 1 }, { 17, 40 }, { 64, 64 }, { 65, 511 }, { 128, 768 }, { 192, 513 }, { 300, 1100 }, { 40, 3072 }, { 1000, 96 } };

/* Rows [0, n) of y from a call with n rows against the same rows of the whole. */
static void one_linear(int N, int K, enum dtype t, enum dtype ty)
{
    struct ops *o = check_ops;
    struct tensor x = tensor_new(o, t, MOST, K, 0, RANDOM), w = tensor_new(o, t, N, K, 0, RANDOM), b = tensor_new(o, DT_F32, 1, N, 0, RANDOM);
    struct tensor all = tensor_new(o, ty, MOST, N, 0, POISON), some = tensor_new(o, ty, MOST, N, 0, POISON);
    o->linear(o, all.dev, x.dev, w.dev, vec_dev(&b));
    struct mat want = tensor_get(&all);
    for (int i = 0; i < countof(rows_tried); i++) {
        int n = rows_tried[i], at = check_below(MOST - n + 1);
        o->linear(o, mat_rows(some.dev, at, n), mat_rows(x.dev, at, n), w.dev, vec_dev(&b));
        struct mat got = tensor_get(&some);
        bool same = !memcmp(mat_rows(got, at, n).p, mat_rows(want, at, n).p, (size_t)n * (size_t)N * dtype_size(ty));
        if (!same) printf("# N %d K %d rows %d at %d, %s\n", N, K, n, at, t == DT_F32 ? "f32" : "bf16");
        T_CHECK(same);
        free(got.p);
    }
    free(want.p);
    tensor_free(&x); tensor_free(&w); tensor_free(&b); tensor_free(&all); tensor_free(&some);
}

static void test_linear(void)
{
    for (int i = 0; i < countof(weights_tried); i++) {
        one_linear(weights_tried[i][0], weights_tried[i][1], DT_F32, DT_F32);
        one_linear(weights_tried[i][0], weights_tried[i][1], DT_BF16, DT_F32);
        if (i % 2) one_linear(weights_tried[i][0], weights_tried[i][1], DT_BF16, DT_BF16);
    }
}

/* ---- log-probabilities: any subset of the rows, with or without gradients ---- */

static void one_logprob(enum dtype t)
{
    enum { T = 700, V = 333, C = 70 };
    struct ops *o = check_ops;
    struct tensor x = tensor_new(o, t, T, C, 0, RANDOM), w = tensor_new(o, t, V, C, 0, RANDOM), dx = tensor_new(o, t, T, C, 0, RANDOM);
    int target[T], part[T];
    float all[T], some[T], dlp[T] = { 0 };
    for (int i = 0; i < T; i++) target[i] = check_below(V);
    o->logprob(o, &(struct logprob_args){ .x = x.dev, .w = w.dev, .target = target, .lp = all });
    for (int keep = 1; keep < 9; keep += 3) {
        int wrong = 0;
        for (int i = 0; i < T; i++) part[i] = check_below(keep + 1) ? -1 : target[i];
        o->logprob(o, &(struct logprob_args){ x.dev, w.dev, part, some, keep > 1 ? dlp : NULL, dx.dev, NULL });
        for (int i = 0; i < T; i++) wrong += part[i] >= 0 && memcmp(&some[i], &all[i], 4);
        T_INT(wrong, 0);
    }
    tensor_free(&x); tensor_free(&w); tensor_free(&dx);
}

static void test_logprob(void) { one_logprob(DT_F32); one_logprob(DT_BF16); }

/* ---- attention: queries of a tree one by one and together ---- */

static void one_tree(enum dtype t)
{
    enum { R = 50, ROOT = 90, OWN = 21, H = 6, KV = 2, D = 32, SLOTS = ROOT + R * OWN };
    struct ops *o = check_ops;
    struct tensor q = tensor_new(o, t, R, H * D, 0, RANDOM), k = tensor_new(o, t, SLOTS, KV * D, 0, RANDOM), v = tensor_new(o, t, SLOTS, KV * D, 0, RANDOM);
    struct tensor all = tensor_new(o, t, R, H * D, 0, POISON), one = tensor_new(o, t, R, H * D, 0, POISON);
    struct attn_seg seg[R + 1] = { { 0, ROOT, 0, 0, R } };
    int nkey[R];
    for (int r = 0; r < R; r++) {
        nkey[r] = ROOT + 1 + check_below(OWN);
        seg[r + 1] = (struct attn_seg){ ROOT + r * OWN, OWN, ROOT, r, 1 };
    }
    o->attn_tree(o, &(struct attn_tree_args){ q.dev, all.dev, k.dev, v.dev, H, KV, D, 0.3f, R + 1, seg, nkey });
    for (int r = 0; r < R; r++) {
        struct attn_seg s[2] = { { 0, ROOT, 0, 0, 1 }, { ROOT + r * OWN, OWN, ROOT, 0, 1 } };
        o->attn_tree(o, &(struct attn_tree_args){ mat_rows(q.dev, r, 1), mat_rows(one.dev, r, 1), k.dev, v.dev, H, KV, D, 0.3f, 2, s, nkey + r });
    }
    struct mat a = tensor_get(&all), b = tensor_get(&one);
    T_CHECK(!memcmp(a.p, b.p, all.bytes));
    free(a.p); free(b.p);
    tensor_free(&q); tensor_free(&k); tensor_free(&v); tensor_free(&all); tensor_free(&one);
}

static void test_tree(void) { one_tree(DT_F32); one_tree(DT_BF16); }

/* ---- threads ---- */

static void add_hash(struct hash *h, struct tensor *x)
{
    struct mat m = tensor_get(x);
    hash_add(h, m.p, x->bytes);
    free(m.p);
    tensor_free(x);
}

static void run_products(struct ops *o, struct hash *h, enum dtype t)
{
    enum { T = 1500, N = 70, K = 90 };
    struct tensor x = tensor_new(o, t, T, K, 0, RANDOM), w = tensor_new(o, t, N, K, 0, RANDOM), y = tensor_new(o, t, T, N, 0, RANDOM);
    struct tensor dx = tensor_new(o, t, T, K, 0, RANDOM), dw = tensor_new(o, DT_F32, N, K, 0, RANDOM), db = tensor_new(o, DT_F32, 1, N, 0, RANDOM);
    o->linear(o, y.dev, x.dev, w.dev, vec_dev(&db));
    o->linear_dx(o, dx.dev, y.dev, w.dev);
    o->linear_dw(o, vec_dev(&dw), vec_dev(&db), y.dev, x.dev);
    add_hash(h, &x); add_hash(h, &w); add_hash(h, &y); add_hash(h, &dx); add_hash(h, &dw); add_hash(h, &db);
}

static void run_rows(struct ops *o, struct hash *h, enum dtype t)
{
    enum { T = 700, C = 90 };
    struct tensor x = tensor_new(o, t, T, C, 0, RANDOM), y = tensor_new(o, t, T, C, 0, RANDOM), dx = tensor_new(o, t, T, C, 0, RANDOM);
    struct tensor g = tensor_new(o, DT_F32, 1, C, 0, RANDOM), dg = tensor_new(o, DT_F32, 1, C, 0, RANDOM), db = tensor_new(o, DT_F32, 1, C, 0, RANDOM);
    struct tensor stat = tensor_new(o, DT_F32, T, 2, 0, POISON), table = tensor_new(o, DT_F32, 37, C, 0, RANDOM);
    int idx[T];
    for (int i = 0; i < T; i++) idx[i] = check_below(50) - 1;
    o->norm(o, NORM_LAYER, y.dev, x.dev, vec_dev(&g), NULL, 1e-5f, vec_dev(&stat));
    o->norm_bwd(o, NORM_LAYER, dx.dev, vec_dev(&dg), vec_dev(&db), y.dev, x.dev, vec_dev(&g), vec_dev(&stat));
    o->residual_bwd(o, dx.dev, vec_dev(&dg), y.dev, x.dev, vec_dev(&g));
    o->add_rows_bwd(o, vec_dev(&table), y.dev, 37);
    o->scatter_add(o, x.dev, y.dev, idx);
    double s = o->sumsq(o, &(struct floats){ vec_dev(&table), 37 * C }, 1);
    hash_add(h, &s, sizeof s);
    add_hash(h, &x); add_hash(h, &y); add_hash(h, &dx); add_hash(h, &g); add_hash(h, &dg); add_hash(h, &db); add_hash(h, &stat); add_hash(h, &table);
}

static void run_attn(struct ops *o, struct hash *h, enum dtype t)
{
    enum { T = 300, H = 4, KV = 2, D = 24 };
    struct tensor q = tensor_new(o, t, T, H * D, 0, RANDOM), k = tensor_new(o, t, T, KV * D, 0, RANDOM), v = tensor_new(o, t, T, KV * D, 0, RANDOM);
    struct tensor out = tensor_new(o, t, T, H * D, 0, POISON), lse = tensor_new(o, DT_F32, T, H, 0, POISON), d_o = tensor_new(o, t, T, H * D, 0, RANDOM);
    struct tensor dq = tensor_new(o, t, T, H * D, 0, RANDOM), dk = tensor_new(o, t, T, KV * D, 0, RANDOM), dv = tensor_new(o, t, T, KV * D, 0, RANDOM);
    int start[] = { 0, 60, 110, 120, 300 };
    struct span prefix[] = { { 0, 0 }, { 0, 60 }, { 2, 40 }, { 0, 0 } };
    struct attn_args a = { q.dev, k.dev, v.dev, out.dev, H, KV, D, 0.2f, true, 4, start, prefix, vec_dev(&lse) };
    o->attn(o, &a);
    o->attn_bwd(o, &a, d_o.dev, dq.dev, dk.dev, dv.dev);
    add_hash(h, &q); add_hash(h, &k); add_hash(h, &v); add_hash(h, &out); add_hash(h, &lse); add_hash(h, &d_o); add_hash(h, &dq); add_hash(h, &dk); add_hash(h, &dv);
}

static void run_loss(struct ops *o, struct hash *h, enum dtype t)
{
    enum { T = 400, V = 130, C = 48 };
    struct tensor x = tensor_new(o, t, T, C, 0, RANDOM), w = tensor_new(o, t, V, C, 0, RANDOM), dx = tensor_new(o, t, T, C, 0, RANDOM), dw = tensor_new(o, DT_F32, V, C, 0, RANDOM);
    int target[T];
    float lp[T], dlp[T];
    for (int i = 0; i < T; i++) { target[i] = check_below(V + 9) - 9; dlp[i] = check_value(); }
    o->logprob(o, &(struct logprob_args){ x.dev, w.dev, target, lp, dlp, dx.dev, vec_dev(&dw) });
    hash_add(h, lp, sizeof lp);
    add_hash(h, &x); add_hash(h, &w); add_hash(h, &dx); add_hash(h, &dw);
}

static void digest(int threads, bool dnnl, char hex[HASH_HEX])
{
    struct rng keep = check_rng;               /* the same values each time */
    struct ops *o = ops_cpu_with(threads, NULL, dnnl);
    struct hash *h = hash_new();
    for (int t = 0; t < 2; t++) {
        enum dtype d = t ? DT_BF16 : DT_F32;
        run_products(o, h, d);
        run_rows(o, h, d);
        run_attn(o, h, d);
        run_loss(o, h, d);
    }
    hash_end(h, hex);
    T_OK(o->sync(o));
    o->close(o);
    check_rng = keep;
}

static void test_threads(void)
{
    char one[HASH_HEX], more[HASH_HEX];
    for (int dnnl = 0; dnnl < 2; dnnl++) {
        digest(1, dnnl, one);
        for (int n = 2; n < 4; n++) { digest(n, dnnl, more); T_STR(more, one); }
    }
}

static void all(void)
{
    T_RUN(test_linear);
    T_RUN(test_logprob);
    T_RUN(test_tree);
    T_OK(check_ops->sync(check_ops));
}

int main(void)
{
    check_seed();
    T_RUN(test_threads);
    return check_backends(all);
}
