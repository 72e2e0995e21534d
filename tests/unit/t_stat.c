/* SPDX-License-Identifier: Apache-2.0
 * base/stat against published values (Newcombe 1998, table I), to six digits by an independent computation. */
#include "t.h"
#include "base/mem.h"
#include "base/stat.h"

static void test_wilson(void)
{
    static const struct { uint64_t k, n; double low, high; } known[] = {
        { 81, 263, 0.255289, 0.366210 },       /* Newcombe 1998, table I: 0.2553 to 0.3662 */
        { 15, 148, 0.062386, 0.160487 },       /* 0.0624 to 0.1605 */
        { 0, 20, 0, 0.161125 },                /* 0.0000 to 0.1611 */
        { 1, 29, 0.006113, 0.171755 },         /* 0.0061 to 0.1718 */
        { 29, 29, 0.883030, 1 },
    };
    for (int i = 0; i < countof(known); i++) {
        struct interval w = stat_wilson(known[i].k, known[i].n, STAT_Z95);
        T_NEAR(w.low, known[i].low, 5e-6);
        T_NEAR(w.high, known[i].high, 5e-6);
    }
    struct interval none = stat_wilson(0, 0, STAT_Z95);
    T_CHECK(none.low == 0 && none.high == 1);
}

static void test_wilson_solves_its_equation(void)     /* (p - x)^2 = z^2 x (1 - x) / n at both ends */
{
    for (uint64_t n = 1; n < 40; n++)
        for (uint64_t k = 0; k <= n; k++) {
            struct interval w = stat_wilson(k, n, STAT_Z95);
            double p = (double)k / (double)n, zz = STAT_Z95 * STAT_Z95 / (double)n;
            T_NEAR((p - w.low) * (p - w.low), zz * w.low * (1 - w.low), 1e-12);
            T_NEAR((p - w.high) * (p - w.high), zz * w.high * (1 - w.high), 1e-12);
            T_CHECK(w.low <= p && p <= w.high);
        }
}

static void test_quantile(void)
{
    T_NEAR(stat_normal_quantile(0.975), STAT_Z95, 1e-12);
    T_NEAR(stat_normal_quantile(0.5), 0, 1e-12);
    T_NEAR(stat_normal_quantile(0.95), 1.6448536269514722, 1e-12);
    T_NEAR(stat_normal_quantile(0.995), 2.5758293035489004, 1e-12);
    T_NEAR(stat_normal_quantile(1e-9), -5.9978070150076865, 1e-10);
}

static void test_mean(void)
{
    static const double x[] = { 2, 4, 4, 4, 5, 5, 7, 9 };
    struct stat_mean s = { 0 };
    T_CHECK(stat_mean_interval(&s, STAT_Z95).low == -INFINITY);
    for (int i = 0; i < countof(x); i++) stat_add(&s, x[i] + 1e6);
    T_NEAR(s.mean, 1e6 + 5, 1e-9);
    T_NEAR(stat_sd(&s), sqrt(32.0 / 7), 1e-9);
    struct interval i = stat_mean_interval(&s, 2);
    T_NEAR(i.high - i.low, 4 * sqrt(32.0 / 7 / 8), 1e-8);
}

int main(void)
{
    T_RUN(test_wilson);
    T_RUN(test_wilson_solves_its_equation);
    T_RUN(test_quantile);
    T_RUN(test_mean);
    return t_end();
}
