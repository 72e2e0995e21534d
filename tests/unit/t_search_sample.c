/* SPDX-License-Identifier: Apache-2.0 */
#include "search/sample.h"

#include <stdlib.h>
#include "base/rng.h"
#include "t.h"
#include "base/mem.h"

static float *random_logits(int V, double spread, const char *seed)
{
    float *l = mem_array((size_t)V, sizeof *l);
    struct rng_key k = rng_key(1, seed, strlen(seed));
    for (int v = 0; v < V; v++) l[v] = (float)spread * rng_normal(k, 0, (uint64_t)v);
    return l;
}

struct ranked { double p; float logit; int id; };
static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
    return x->id - y->id;
}

/* The definition, by sorting: p[v] is the probability that v is drawn. */
static void naive(const float *l, int V, const struct sampling *s, double *p)
{
    struct ranked *r = mem_array((size_t)V, sizeof *r);
    double max = -INFINITY, z = 0, cum = 0, kept = 0;
    for (int v = 0; v < V; v++) max = fmax(max, (double)l[v]);
    for (int v = 0; v < V; v++) r[v] = (struct ranked){ exp(((double)l[v] - max) / s->temperature), l[v], v };
    qsort(r, (size_t)V, sizeof *r, by_rank);
    int n = s->top_k > 0 && s->top_k < V ? s->top_k : V;
    for (int i = 0; i < n; i++) z += r[i].p;
    for (int i = 0; i < n; i++) {
        if (s->top_p < 1 && i > 0 && cum >= s->top_p * z) n = i;
        else cum += r[i].p;
    }
    for (int i = 0; i < n; i++) kept += r[i].p;
    memset(p, 0, (size_t)V * sizeof *p);
    for (int i = 0; i < n; i++) p[r[i].id] = r[i].p / kept;
    free(r);
}

/* Draws over a grid of u: every kept token is hit as often as its probability says, no other is hit. */
static void check_grid(const float *l, int V, struct sampling how, int grid)
{
    double *p = mem_array((size_t)V, sizeof *p), worst = 0;
    int *hit = mem_array((size_t)V, sizeof *hit), outside = 0;
    struct sampler *s = sampler_new(V);
    naive(l, V, &how, p);
    for (int i = 0; i < grid; i++) {
        int id = sampler_draw(s, l, &how, (i + 0.5) / grid).id;
        if (id < 0 || id >= V) { outside++; continue; }
        hit[id]++;
        outside += p[id] == 0;
    }
    T_INT(outside, 0);
    for (int v = 0; v < V; v++) worst = fmax(worst, fabs((double)hit[v] / grid - p[v]));
    T_CHECK(worst <= 1.5 / grid + 1e-6);               /* a token's interval of u holds its grid points, one more or less */
    sampler_free(s);
    free(p);
    free(hit);
}

static void test_grid(void)
{
    static const int sizes[] = { 1, 2, 7, 255, 256, 257, 1000 };
    static const struct sampling how[] = {
        { 1, 0, 1 }, { 0.7, 0, 1 }, { 2, 0, 1 }, { 1, 5, 1 }, { 1, 0, 0.9 }, { 0.7, 20, 0.8 }, { 1, 1, 1 }, { 1, 0, 0.01 },
        { 1, 0, 0.999 }, { 3, 300, 0.95 } };
    for (int i = 0; i < countof(sizes); i++)
        for (int j = 0; j < countof(how); j++) {
            float *sharp = random_logits(sizes[i], 4, "sharp"), *flat = random_logits(sizes[i], 0.01, "flat");
            check_grid(sharp, sizes[i], how[j], 2000);
            check_grid(flat, sizes[i], how[j], 2000);
            free(sharp);
            free(flat);
        }
}

/* The set that top-k and top-p keep is exactly that of the definition, ties included, in a large vocabulary too. */
static void check_set(const float *l, int V, struct sampling how)
{
    double *p = mem_array((size_t)V, sizeof *p);
    struct sampler *s = sampler_new(V);
    int bad = 0, kept = 0, lo = -1, hi = -1;
    naive(l, V, &how, p);
    for (int v = 0; v < V; v++) {
        if (p[v] <= 0) continue;
        kept++;
        if (lo < 0) lo = v;
        hi = v;
    }
    T_INT(sampler_draw(s, l, &how, 0).id, lo);         /* the ends of the set, in order of ids */
    T_INT(sampler_draw(s, l, &how, 1 - 1e-12).id, hi);
    double cum = 0;
    for (int v = 0; v < V && kept <= 1000; v++) {
        if (p[v] <= 0) continue;
        bad += sampler_draw(s, l, &how, cum + p[v] / 2).id != v;
        cum += p[v];
    }
    T_INT(bad, 0);
    sampler_free(s);
    free(p);
}

static void test_sets(void)
{
    static const struct sampling how[] = { { 1, 50, 1 }, { 1, 0, 0.9 }, { 0.8, 40, 0.95 }, { 1, 0, 0.5 }, { 1.5, 900, 0.6 }, { 1, 777, 1 } };
    float *l = random_logits(6007, 3, "sets");
    for (int i = 0; i < countof(how); i++) check_set(l, 6007, how[i]);
    for (int v = 0; v < 6007; v++) l[v] = floorf(l[v]);           /* many ties */
    for (int i = 0; i < countof(how); i++) check_set(l, 6007, how[i]);
    free(l);
}

static void test_greedy_ties(void)
{
    float l[6] = { 1, 3, 2, 3, 3, -INFINITY };
    struct sampler *s = sampler_new(6);
    struct sampled t = sampler_draw(s, l, &(struct sampling){ 0, 0, 1 }, 0.99);
    T_INT(t.id, 1);
    double z = 3 * exp(3.0) + exp(2.0) + exp(1.0);
    T_NEAR(t.logprob, 3 - log(z), 1e-6);
    T_INT(sampler_draw(s, l, &(struct sampling){ 1, 2, 1 }, 0.99).id, 3);      /* ties at the border of top-k: lower ids stay */
    T_INT(sampler_draw(s, l, &(struct sampling){ 1, 0, 1 }, 0.9999999).id, 4); /* never a token of probability 0 */
    sampler_free(s);
}

static void test_logprob_is_plain(void)
{
    int V = 5003;
    float *l = random_logits(V, 5, "lp");
    for (int v = 0; v < V; v++) l[v] += 1000;          /* stable far from 0 */
    struct sampler *s = sampler_new(V);
    double max = -INFINITY, z = 0, worst = 0;
    for (int v = 0; v < V; v++) max = fmax(max, (double)l[v]);
    for (int v = 0; v < V; v++) z += exp((double)l[v] - max);
    for (int i = 0; i < 100; i++) {
        struct sampled t = sampler_draw(s, l, &(struct sampling){ 0.5 + i % 3, i % 2 * 10, i % 5 ? 0.9 : 1 }, i / 100.0);
        worst = fmax(worst, fabs((double)t.logprob - ((double)l[t.id] - max - log(z))));
    }
    T_CHECK(worst < 2e-6);
    sampler_free(s);
    free(l);
}

/* Chi-square over counter-based draws, 9 degrees of freedom: 27.9 is exceeded once in 1000, and the draws are fixed. */
static void test_chi_square(void)
{
    double p[10], chi = 0;
    float l[10];
    int hit[10] = { 0 }, n = 20000;
    for (int v = 0; v < 10; v++) p[v] = (v + 1) / 55.0, l[v] = (float)log(p[v]);
    struct sampler *s = sampler_new(10);
    for (int i = 0; i < n; i++) {
        struct rng_key k = rng_key(7, &i, sizeof i);
        hit[sampler_draw(s, l, &(struct sampling){ 1, 0, 1 }, (double)rng_uniform(k, (uint64_t)i % 16, 3)).id]++;
    }
    for (int v = 0; v < 10; v++) chi += (hit[v] - n * p[v]) * (hit[v] - n * p[v]) / (n * p[v]);
    T_CHECK(chi < 27.9);
    sampler_free(s);
}

static void test_bad_rows(void)
{
    float none[3] = { -INFINITY, -INFINITY, -INFINITY }, nan[3] = { 1, NAN, 2 }, inf[3] = { 0, INFINITY, 1 };
    struct sampling how = { 1, 0, 1 };
    struct sampler *s = sampler_new(3);
    T_INT(sampler_draw(s, none, &how, 0.5).id, -1);
    T_INT(sampler_draw(s, nan, &how, 0.5).id, -1);
    T_INT(sampler_draw(s, inf, &how, 0.5).id, -1);
    how.temperature = 0;
    T_INT(sampler_draw(s, nan, &how, 0.5).id, -1);
    how.temperature = 1e-40;                           /* as good as greedy, and no NaN from 0 * infinity */
    T_INT(sampler_draw(s, (float[]){ 1, 5, 4 }, &how, 0.999).id, 1);
    sampler_free(s);
}

int main(void)
{
    T_RUN(test_grid);
    T_RUN(test_sets);
    T_RUN(test_greedy_ties);
    T_RUN(test_logprob_is_plain);
    T_RUN(test_chi_square);
    T_RUN(test_bad_rows);
    return t_end();
}
