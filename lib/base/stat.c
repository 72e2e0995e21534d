/* SPDX-License-Identifier: Apache-2.0 */
#include "base/stat.h"

#include <math.h>

struct interval stat_wilson(uint64_t k, uint64_t n, double z)
{
    if (n == 0) return (struct interval){ 0, 1 };
    double m = (double)n, p = (double)k / m, zz = z * z;
    double centre = p + zz / (2 * m), half = z * sqrt(p * (1 - p) / m + zz / (4 * m * m)), scale = 1 + zz / m;
    struct interval i = { (centre - half) / scale, (centre + half) / scale };
    if (k == 0) i.low = 0;                     /* exactly: rounding would leave a trace */
    if (k == n) i.high = 1;
    return i;
}

/* The sum of stat_side's E, from j = k down: its last term is 1 / (n - k + 1). */
static double evidence_above(int k, int n, double t)
{
    double term = 1.0 / (n - k + 1), sum = term;
    if (t <= 0) return k ? INFINITY : sum;
    for (int j = k; j > 0 && term > 0; j--) sum += term *= j * (1 - t) / ((n - j + 2) * t);
    return sum;
}

int stat_side(int k, int n, double t, double error)
{
    if (evidence_above(k, n, t) * error >= 1) return 1;
    return evidence_above(n - k, n, 1 - t) * error >= 1 ? -1 : 0;
}

double stat_normal_quantile(double p)
{
    double low = -10, high = 10;
    for (int i = 0; i < 64; i++) {
        double x = 0.5 * (low + high);
        if (0.5 * erfc(-x * sqrt(0.5)) < p) low = x;
        else high = x;
    }
    return 0.5 * (low + high);
}

void stat_add(struct stat_mean *s, double x)
{
    double d = x - s->mean;
    s->n++;
    s->mean += d / (double)s->n;
    s->m2 += d * (x - s->mean);
}

double stat_sd(const struct stat_mean *s) { return s->n < 2 ? 0 : sqrt(s->m2 / (double)(s->n - 1)); }

struct interval stat_mean_interval(const struct stat_mean *s, double z)
{
    if (s->n < 2) return (struct interval){ -INFINITY, INFINITY };
    double half = z * stat_sd(s) / sqrt((double)s->n);
    return (struct interval){ s->mean - half, s->mean + half };
}
