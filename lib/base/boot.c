/* SPDX-License-Identifier: Apache-2.0 */
#include "base/measure.h"

#include <math.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/par.h"
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

struct resampling {
    boot_fn *f;
    const void *arg;
    int n, k, resamples;
    struct rng rng;                            /* resample i takes draws [i n, i n + n) */
    double *weight, *out;                      /* [threads, n]; [threads, k] */
    double *all;                               /* [k, resamples] */
};

static void resample(void *arg, int i, int worker)
{
    struct resampling *s = arg;
    double *weight = s->weight + (size_t)worker * (size_t)s->n, *out = s->out + (size_t)worker * (size_t)s->k;
    struct rng r = s->rng;
    r.n = (uint64_t)i * (uint64_t)s->n;
    for (int q = 0; q < s->n; q++) weight[q] = 0;
    for (int q = 0; q < s->n; q++) weight[rng_next_below(&r, (uint32_t)s->n)]++;
    s->f(s->arg, weight, out);
    for (int j = 0; j < s->k; j++) s->all[(size_t)j * (size_t)s->resamples + (size_t)i] = out[j];
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

static void intervals(struct resampling *s, int threads, struct estimate *out)
{
    size_t B = (size_t)s->resamples;
    struct par *pool = par_new(threads);
    s->all = mem_array((size_t)s->k * B, sizeof *s->all);
    par_for(pool, s->resamples, resample, s);
    for (int j = 0; j < s->k; j++)
        if (!isnan(out[j].value)) out[j].i = middle(s->all + (size_t)j * B, s->resamples);
    free(s->all);
    par_free(pool);
}

void boot_estimate(boot_fn *f, const void *arg, int n, int k, const struct boot *b, struct estimate *out)
{
    int threads = mem_max(1, b->threads);
    struct resampling s = { f, arg, n, k, b->resamples, rng_new(b->seed, "bootstrap"), NULL, NULL, NULL };
    s.weight = mem_array((size_t)threads * (size_t)mem_max(n, 1), sizeof *s.weight);
    s.out = mem_array((size_t)threads * (size_t)k, sizeof *s.out);
    for (int i = 0; i < n; i++) s.weight[i] = 1;
    f(arg, s.weight, s.out);
    for (int j = 0; j < k; j++) out[j] = (struct estimate){ s.out[j], { NAN, NAN } };
    if (n >= 2) intervals(&s, threads, out);
    free(s.weight);
    free(s.out);
}
