/* SPDX-License-Identifier: Apache-2.0 */
#include "base/measure.h"

#include <math.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/rng.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double stat_quantile(const double *x, int n, double p)
{
    double at = p * (n - 1);
    int i = (int)at;
    return i + 1 < n ? x[i] + (at - i) * (x[i + 1] - x[i]) : x[n - 1];
}

static void draw(struct rng *r, double *weight, int n)
{
    for (int i = 0; i < n; i++) weight[i] = 0;
    for (int i = 0; i < n; i++) weight[rng_next_below(r, (uint32_t)n)]++;
}

static struct interval middle(double *x, int n)
{
    int m = 0;
    for (int i = 0; i < n; i++)
        if (!isnan(x[i])) x[m++] = x[i];
    if (m < 2) return (struct interval){ NAN, NAN };
    qsort(x, (size_t)m, sizeof *x, ascending);
    return (struct interval){ stat_quantile(x, m, 0.025), stat_quantile(x, m, 0.975) };
}

void boot_estimate(boot_fn *f, const void *arg, int n, int k, const struct boot *b, struct estimate *out)
{
    int B = b->resamples;
    double *weight = mem_array((size_t)mem_max(n, 1), sizeof *weight), *one = mem_array((size_t)k, sizeof *one);
    for (int i = 0; i < n; i++) weight[i] = 1;
    f(arg, weight, one);
    for (int j = 0; j < k; j++) out[j] = (struct estimate){ one[j], { NAN, NAN } };
    if (n >= 2) {
        double *all = mem_array((size_t)k * (size_t)B, sizeof *all);       /* k rows of B */
        struct rng r = rng_new(b->seed, "bootstrap");
        for (int i = 0; i < B; i++) {
            draw(&r, weight, n);
            f(arg, weight, one);
            for (int j = 0; j < k; j++) all[(size_t)j * (size_t)B + (size_t)i] = one[j];
        }
        for (int j = 0; j < k; j++)
            if (!isnan(out[j].value)) out[j].i = middle(all + (size_t)j * (size_t)B, B);
        free(all);
    }
    free(weight);
    free(one);
}
