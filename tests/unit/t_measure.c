/* SPDX-License-Identifier: Apache-2.0
 * base/measure and base/names. The numbers are those of scipy 1.17 and scikit-learn 1.9: tests/golden/make_measures.py.
 */
#include <stdlib.h>
#include "t.h"
#include "base/measure.h"
#include "base/mem.h"
#include "base/names.h"

enum { N = 500 };
static double score[N], weight[N], ones[N], length[N];
static int own[N];
static struct prediction plain[N];

static uint32_t draw(void)
{
    static uint64_t x = 12345;
    x = (x * 1103515245 + 12345) % (1u << 31);
    return (uint32_t)(x >> 16);
}

static void make(void)
{
    for (int i = 0; i < N; i++) {
        uint32_t a = draw(), b = draw(), c = draw();
        score[i] = a % 101 / 100.0;
        weight[i] = c % 4;
        ones[i] = 1;
        own[i] = i;
        length[i] = c % 37 + 10 * score[i];
        plain[i] = (struct prediction){ score[i], b % 100 < 20 + 60 * score[i], i };
    }
    stat_sort_predictions(plain, N);
}

static void check(const double *w, const double *want)
{
    struct judged d;
    stat_judge(plain, N, w, 0.5, &d, NULL);
    const double got[] = { d.accuracy, d.f1_right, d.f1_wrong, d.f1_macro, d.kappa, d.auroc, d.brier, d.ece };
    for (int i = 0; i < countof(got); i++) T_NEAR(got[i], want[i], 1e-12);
}

static void test_judge(void)
{
    static const double by_ones[] = { 0.668, 0.67953667953668, 0.655601659751037, 0.667569169643858, 0.335308721069913,
                                      0.719119647859144, 0.2230836, 0.08944 };
    static const double by_weight[] = { 0.673352435530086, 0.685950413223141, 0.659701492537313, 0.672825952880227, 0.345845561940464,
                                        0.714503396666584, 0.225952722063037, 0.095214899713467 };
    check(ones, by_ones);
    check(weight, by_weight);
}

static void test_judge_small(void)             /* by hand */
{
    struct prediction p[] = { { 0.9, true, 0 }, { 0.9, false, 0 }, { 0.2, false, 0 }, { 0.95, true, 0 }, { 1, true, 0 } };
    struct judged d;
    struct bin bins[ECE_BINS];
    stat_sort_predictions(p, 5);
    stat_judge(p, 5, ones, 0.5, &d, bins);
    T_NEAR(d.accuracy, 0.8, 1e-15);
    T_NEAR(d.f1_right, 6.0 / 7, 1e-15);
    T_NEAR(d.f1_wrong, 2.0 / 3, 1e-15);
    T_NEAR(d.auroc, 5.5 / 6, 1e-15);           /* 3 right x 2 wrong, one tie */
    T_NEAR(bins[9].n, 4, 0);
    T_NEAR(bins[9].right, 3, 0);
    T_NEAR(d.ece, (0.2 + (3.75 - 3)) / 5, 1e-15);
    stat_judge(p, 5, ones, 0.9, &d, NULL);     /* above the threshold, not at it */
    T_NEAR(d.accuracy, 0.8, 1e-15);
    p[4].score = 1.5;                          /* no probability */
    stat_judge(p, 5, ones, 0.5, &d, NULL);
    T_CHECK(isnan(d.brier) && isnan(d.ece) && !isnan(d.auroc));
    for (int i = 0; i < 5; i++) p[i].right = true;
    stat_judge(p, 5, ones, 0.5, &d, NULL);
    T_CHECK(isnan(d.auroc) && d.share_right == 1);
}

static void test_pearson(void)
{
    T_NEAR(stat_pearson(score, length, own, N, ones), 0.231142531794566, 1e-12);
    T_NEAR(stat_pearson(score, length, own, N, weight), 0.230133272751377, 1e-12);
    T_CHECK(isnan(stat_pearson(score, ones, own, N, ones)));
    T_CHECK(isnan(stat_pearson(score, length, own, 0, ones)));
}

static void test_mcnemar(void)
{
    static const struct { uint64_t b, c; double p; } known[] = { { 0, 0, 1 }, { 0, 1, 1 }, { 1, 5, 0.21875 }, { 10, 25, 0.0166738478001207 },
        { 3, 3, 1 }, { 121, 59, 4.43444926375516e-06 }, { 900, 1003, 0.0193533944237633 } };
    for (int i = 0; i < countof(known); i++) {
        T_NEAR(stat_mcnemar(known[i].b, known[i].c), known[i].p, 1e-9 * known[i].p);
        T_NEAR(stat_mcnemar(known[i].c, known[i].b), known[i].p, 1e-9 * known[i].p);
    }
}

static void test_pass_at(void)
{
    T_NEAR(stat_pass_at(4, 1, 1), 0.25, 1e-15);
    T_NEAR(stat_pass_at(4, 1, 2), 0.5, 1e-15);             /* 1 - C(3,2) / C(4,2) = 1 - 3 / 6 */
    T_NEAR(stat_pass_at(4, 2, 2), 5.0 / 6, 1e-15);
    T_NEAR(stat_pass_at(4, 3, 2), 1, 0);
    T_NEAR(stat_pass_at(4, 0, 4), 0, 0);
    T_NEAR(stat_pass_at(4, 1, 4), 1, 0);
    T_NEAR(stat_pass_at(200, 10, 50), 1 - 0.0520936294040430, 1e-12);   /* C(190,50) / C(200,50) */
}

static void mean(const void *arg, const double *w, double *out)
{
    const double *x = arg;
    double sum = 0, n = 0;
    for (int i = 0; i < 200; i++) {
        sum += w[i] * x[i];
        n += w[i];
    }
    out[0] = sum / n;
    out[1] = w[0] > 0 ? sum / n : NAN;         /* not defined in every third resample */
}

static void test_bootstrap(void)
{
    struct estimate e[2], again[2], other[2];
    boot_estimate(mean, score, 200, 2, &(struct boot){ 20000, 7, 1 }, e);
    T_NEAR(e[0].value, 0.52295, 1e-12);
    T_NEAR(e[0].i.low, 0.48280, 0.0015);       /* scipy.stats.bootstrap with 200,000 resamples */
    T_NEAR(e[0].i.high, 0.56295, 0.0015);
    T_NEAR(e[1].i.low, e[0].i.low, 0.003);
    boot_estimate(mean, score, 200, 2, &(struct boot){ 20000, 7, 3 }, again);
    T_CHECK(!memcmp(e, again, sizeof e));
    boot_estimate(mean, score, 200, 2, &(struct boot){ 20000, 8, 1 }, other);
    T_CHECK(memcmp(e, other, sizeof e));
}

static void only(const void *arg, const double *w, double *out) { (void)arg; out[0] = w[0]; }

static void test_bootstrap_small(void)
{
    struct estimate e;
    boot_estimate(only, NULL, 1, 1, &(struct boot){ 100, 0, 1 }, &e);
    T_CHECK(e.value == 1 && isnan(e.i.low) && isnan(e.i.high));
    boot_estimate(only, NULL, 2, 1, &(struct boot){ 100, 0, 1 }, &e);
    T_CHECK(e.i.low == 0 && e.i.high == 2);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void test_quantile(void)
{
    double x[50];
    memcpy(x, length, sizeof x);
    qsort(x, 50, sizeof *x, ascending);
    T_NEAR(stat_quantile(x, 50, 0.025), 5.9625, 1e-12);
    T_NEAR(stat_quantile(x, 50, 0.9), 36.94, 1e-12);
    T_NEAR(stat_quantile(x, 50, 1), x[49], 0);
    T_NEAR(stat_quantile(x, 1, 0.3), x[0], 0);
}

static void test_names(void)
{
    struct names s = { 0 };
    char text[16];
    T_INT(names_find(&s, (struct slice){ "a", 1 }), -1);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 5000; i++) {
            int n = snprintf(text, sizeof text, "q/%d", i);
            T_INT(names_index(&s, (struct slice){ text, (size_t)n }), i);
        }
    T_INT(s.n, 5000);
    T_INT(names_find(&s, (struct slice){ "q/4999", 6 }), 4999);
    T_INT(names_find(&s, (struct slice){ "q/4999", 5 }), 499);
    T_INT(names_find(&s, (struct slice){ "q/5000", 6 }), -1);
    T_INT(names_index(&s, (struct slice){ "", 0 }), 5000);
    names_free(&s);
    T_CHECK(slice_order((struct slice){ "ab", 2 }, (struct slice){ "abc", 3 }) < 0);
    T_CHECK(slice_order((struct slice){ "b", 1 }, (struct slice){ "abc", 3 }) > 0);
    T_INT(slice_order((struct slice){ "ab", 2 }, (struct slice){ "ab", 2 }), 0);
}

int main(void)
{
    make();
    T_RUN(test_judge);
    T_RUN(test_judge_small);
    T_RUN(test_pearson);
    T_RUN(test_mcnemar);
    T_RUN(test_pass_at);
    T_RUN(test_bootstrap);
    T_RUN(test_bootstrap_small);
    T_RUN(test_quantile);
    T_RUN(test_names);
    return t_end();
}
