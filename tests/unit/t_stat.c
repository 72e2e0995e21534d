/* SPDX-License-Identifier: Apache-2.0
 * base/stat against published values (Newcombe 1998, table I), to six digits by an independent computation;
 * the sequential test against its integral and against all outcomes. */
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

/* The evidence of stat_side by its integral, Simpson's rule. */
static double integral(int k, int n, double t)
{
    const int steps = 20000;
    double sum = 0, h = (1 - t) / steps;
    for (int i = 0; i <= steps; i++) {
        double q = t + i * h, x = pow(q / t, k) * pow((1 - q) / (1 - t), n - k);
        sum += x * (i == 0 || i == steps ? 1 : i % 2 ? 4 : 2);
    }
    return sum * h / 3 / (1 - t);
}

static void test_side_is_its_formula(void)
{
    static const double t[] = { 0.02, 0.1, 0.3, 0.5, 0.8 };
    for (int i = 0; i < countof(t); i++)
        for (int n = 1; n <= 24; n++)
            for (int k = 0; k <= n; k++) {
                double above = integral(k, n, t[i]), below = integral(n - k, n, 1 - t[i]);
                if (above > 2) T_INT(stat_side(k, n, t[i], 1.000001 / above), 1);
                T_CHECK(stat_side(k, n, t[i], 0.999999 / above) != 1);
                T_CHECK(stat_side(k, n, t[i], 0.999999 / below) != -1);
                if (below > 2) T_INT(stat_side(k, n, t[i], 1.000001 / below), -1);
            }
    T_INT(stat_side(7, 7, 0.5, 0.05), 1);      /* (2^8 - 1) / 8 > 20 > (2^7 - 1) / 7 */
    T_INT(stat_side(6, 6, 0.5, 0.05), 0);
    T_INT(stat_side(0, 7, 0.5, 0.05), -1);
}

static void test_side_at_the_ends(void)
{
    T_INT(stat_side(1, 1, 0, 0.001), 1);       /* one success: the chance is not 0 */
    T_INT(stat_side(1, 100, 0, 0.001), 1);
    T_INT(stat_side(0, 1000, 0, 0.5), 0);      /* and nothing shows that it is */
    T_INT(stat_side(99, 100, 1, 0.001), -1);
    T_INT(stat_side(100, 100, 1, 0.5), 0);
    T_INT(stat_side(0, 0, 0.5, 0.5), 0);
    T_INT(stat_side(30000, 60000, 0.45, 0.01), 1);
    T_INT(stat_side(30000, 60000, 0.55, 0.01), -1);
    T_INT(stat_side(50, 100, 0.1, 0), 0);      /* error 0: never */
}

/* The chance that a test which looks after every try ever takes the wrong side, exactly: by all states (k, n). */
static double wrong_side(double p, double t, double error, int tries)
{
    double at[201] = { 1 }, wrong = 0;
    for (int n = 1; n <= tries; n++) {
        for (int k = n; k >= 0; k--) at[k] = (k < n ? at[k] * (1 - p) : 0) + (k ? at[k - 1] * p : 0);
        for (int k = 0; k <= n; k++) {
            int side = stat_side(k, n, t, error);
            if (side) wrong += side == (p > t ? -1 : 1) ? at[k] : 0, at[k] = 0;
        }
    }
    return wrong;
}

static void test_side_is_honest_at_every_look(void)
{
    static const double t[] = { 0.1, 0.5, 0.7 }, error[] = { 0.01, 0.05, 0.2 };
    for (int i = 0; i < countof(t); i++)
        for (int j = 0; j < countof(error); j++) {
            double worst = wrong_side(t[i], t[i], error[j], 200);
            T_CHECK(worst <= error[j]);
            T_CHECK(worst > error[j] / 8);     /* and not by never being sure */
            for (double d = 0.02; d < 0.3; d += 0.05) {
                T_CHECK(wrong_side(fmax(t[i] - d, 0), t[i], error[j], 200) <= error[j]);
                T_CHECK(wrong_side(t[i] + d, t[i], error[j], 200) <= error[j]);
            }
        }
}

int main(void)
{
    T_RUN(test_wilson);
    T_RUN(test_wilson_solves_its_equation);
    T_RUN(test_quantile);
    T_RUN(test_mean);
    T_RUN(test_side_is_its_formula);
    T_RUN(test_side_at_the_ends);
    T_RUN(test_side_is_honest_at_every_look);
    return t_end();
}
