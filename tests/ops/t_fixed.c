/* SPDX-License-Identifier: Apache-2.0
 * Products of bf16 by integers (vec.h, vec_fixed): what is promised of their numbers.
 */
#include "check.h"

static struct ops *o;

struct shape { int T, N, K; };
static const struct shape shapes[] = { { 1, 1, 1 }, { 3, 33, 127 }, { 12, 32, 128 }, { 13, 70, 129 }, { 25, 15, 255 }, { 100, 300, 513 }, { 5, 40, 1100 } };

/* Eight bits and a power of two within 2^-spread of the largest. */
static int spread;
static float value(int r, int c)
{
    (void)r; (void)c;
    return ldexpf((float)(128 + check_below(128)), -check_below(spread + 1)) * (check_below(2) ? 1 : -1);
}

/* What a product may be off by: each factor by 1/4096 of the largest of its block, and the rounding of the sum. */
static double bound(const struct tensor *x, const struct tensor *w, int r, int c, bool exact)
{
    double error = 0, size = 0;
    for (int k0 = 0; k0 < x->ref.cols; k0 += FIXED_K) {
        double top_x = 0, top_w = 0, sum_x = 0, sum_w = 0;
        int n = mem_min(FIXED_K, x->ref.cols - k0);
        for (int k = k0; k < k0 + n; k++) {
            double a = fabs(ref_get(x->ref, r, k)), b = fabs(ref_get(w->ref, c, k));
            top_x = fmax(top_x, a); top_w = fmax(top_w, b);
            sum_x += a; sum_w += b;
            size += a * b;
        }
        error += (top_x * sum_w + top_w * sum_x) / 4096 + n * top_x * top_w / 4096 / 4096;
    }
    return (exact ? 0 : error) + size * 1e-6;
}

static void check(struct shape s, bool exact)
{
    struct tensor x = tensor_new(o, DT_BF16, s.T, s.K, 3, RANDOM), w = tensor_new(o, DT_BF16, s.N, s.K, 1, RANDOM);
    struct tensor y = tensor_new(o, DT_F32, s.T, s.N, 2, POISON);
    tensor_set(&x, value);
    tensor_set(&w, value);
    o->linear(o, y.dev, x.dev, w.dev, NULL);
    check_ref->linear(check_ref, y.ref, x.ref, w.ref, NULL);
    struct mat now = tensor_get(&y);
    int bad = 0;
    for (int r = 0; r < s.T; r++)
        for (int c = 0; c < s.N; c++)
            bad += !(fabs(ref_get(now, r, c) - ref_get(y.ref, r, c)) <= bound(&x, &w, r, c, exact));
    T_INT(bad, 0);
    free(now.p);
    tensor_free(&x); tensor_free(&w); tensor_free(&y);
}

static void test_exact(void)                   /* down to a sixteenth of the largest no bit is lost */
{
    spread = 4;
    for (int i = 0; i < countof(shapes); i++) check(shapes[i], true);
}

static void test_bound(void)
{
    for (int i = 0; i < countof(shapes); i++)
        for (spread = 5; spread < 60; spread += 9) check(shapes[i], false);
}

enum { N = 40, K = 300 };

/* The largest values of bf16, the smallest, and zeros: each row by the ones column and by itself. */
static float extremes(int r, int c)
{
    (void)c;
    return r == 0 ? 0 : r == 1 ? 0x1.fep127f : r == 2 ? 0x1p-126f : r == 3 ? 0x1p-133f : 1;
}

static void test_extremes(void)
{
    struct tensor x = tensor_new(o, DT_BF16, 5, K, 0, RANDOM), w = tensor_new(o, DT_BF16, 5, K, 0, RANDOM), y = tensor_new(o, DT_F32, 5, 5, 0, POISON);
    tensor_set(&x, extremes);
    tensor_set(&w, extremes);
    o->linear(o, y.dev, x.dev, w.dev, NULL);
    struct mat now = tensor_get(&y);
    for (int c = 0; c < 5; c++) T_CHECK(ref_get(now, 0, c) == 0 && ref_get(now, c, 0) == 0);
    T_CHECK(isinf(ref_get(now, 1, 1)));
    T_NEAR(ref_get(now, 1, 2), K * 0x1.fep1, 1e-3);
    T_CHECK(isinf(ref_get(now, 1, 4)));
    T_NEAR(ref_get(now, 2, 4) / (K * 0x1p-126), 1, 1e-3);
    T_CHECK(ref_get(now, 3, 4) <= K * 0x1p-126);
    T_CHECK(ref_get(now, 4, 4) == K);
    free(now.p);
    tensor_free(&x); tensor_free(&w); tensor_free(&y);
}

/* One value that is not finite: its row is NaN, and no bit of the others changes. */
static void test_not_finite(void)
{
    static const float odd[] = { NAN, INFINITY, -INFINITY };
    struct tensor x = tensor_new(o, DT_BF16, 3, K, 0, RANDOM), w = tensor_new(o, DT_BF16, N, K, 0, RANDOM), y = tensor_new(o, DT_F32, 3, N, 0, POISON);
    o->linear(o, y.dev, x.dev, w.dev, NULL);
    struct mat good = tensor_get(&y);
    for (int i = 0; i < countof(odd); i++) {
        ref_put((struct mat){ x.host, DT_BF16, 3, K, K }, 1, check_below(K), odd[i]);
        o->upload(o, x.dev.p, x.host, x.bytes);
        o->linear(o, y.dev, x.dev, w.dev, NULL);
        struct mat now = tensor_get(&y);
        for (int r = 0; r < 3; r++)
            for (int c = 0; c < N; c++)
                if (r == 1) T_CHECK(isnan(ref_get(now, r, c)));
                else T_CHECK(ref_get(now, r, c) == ref_get(good, r, c));
        free(now.p);
    }
    free(good.p);
    tensor_free(&x); tensor_free(&w); tensor_free(&y);
}

int main(void)
{
    check_seed();
    if (!vec_named("vnni")) { printf("1..1\nok 1 - products by integers # SKIP no VNNI on this processor\n"); return 0; }
    o = ops_cpu_with(2, "vnni", false);
    check_ref = ops_ref();
    T_RUN(test_exact);
    T_RUN(test_bound);
    T_RUN(test_extremes);
    T_RUN(test_not_finite);
    T_OK(o->sync(o));
    o->close(o);
    check_ref->close(check_ref);
    return t_end();
}
