/* SPDX-License-Identifier: Apache-2.0
 * Sampling on the device against the distribution computed in double: the token that u chooses lies, in order of ids, where
 * the cumulated probability passes u, and within what top-k and top-p leave; of equal logits the lower id is likelier.
 */
#include "check.h"
#include "search/sample.h"

enum { MOST = 21000, DRAWS = 60 };

static struct { float l; int id; } order[MOST];
static int by_rank(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x > y ? -1 : x < y ? 1 : (int)(((const int *)a)[1] - ((const int *)b)[1]);
}

/* Tokens that stay, among order[]; keep[id]. Borders may fall either way within rounding: a mass that is reached within 1e-6. */
static void kept(const float *l, int V, const struct draw_how *h, double *w, bool *sure, bool *maybe)
{
    double total = 0, cum = 0;
    for (int i = 0; i < V; i++) { order[i].l = l[i]; order[i].id = i; sure[i] = maybe[i] = false; }
    qsort(order, (size_t)V, sizeof order[0], by_rank);
    int n = h->top_k > 0 && h->top_k < V ? h->top_k : V;
    for (int i = 0; i < n; i++) total += w[order[i].id] = exp(((double)order[i].l - order[0].l) / h->temperature);
    for (int i = 0; i < n; i++) {
        maybe[order[i].id] = i == 0 || cum < h->top_p * total + 1e-5 * total;
        sure[order[i].id] = i == 0 || cum < h->top_p * total - 1e-5 * total;
        cum += w[order[i].id];
    }
}

static void check_draw(const float *l, int V, const struct draw_how *h, struct drawn got)
{
    static double w[MOST];
    static bool sure[MOST], maybe[MOST];
    double low = 0, high = 0, least = 0, most = 0, z = 0;
    T_CHECK(got.id >= 0 && got.id < V);
    if (got.id < 0 || got.id >= V) return;
    for (int i = 0; i < V; i++) z += exp((double)l[i]);
    T_NEAR(got.logprob, (double)l[got.id] - log(z), 1e-5);
    if (h->temperature <= 0) {
        for (int i = 0; i < V; i++) T_CHECK(l[i] < l[got.id] || (l[i] == l[got.id] && i >= got.id));
        return;
    }
    kept(l, V, h, w, sure, maybe);
    T_CHECK(maybe[got.id]);
    for (int i = 0; i < V; i++) {
        if (sure[i]) least += w[i];
        if (maybe[i]) most += w[i];
        if (i < got.id) { low += sure[i] ? w[i] : 0; high += maybe[i] ? w[i] : 0; }
    }
    double slack = 1e-4 * most;
    T_CHECK(low <= h->u * most + slack);
    T_CHECK(high + w[got.id] >= h->u * least - slack);
}

/* Many that are equal; so wide that most weigh nothing; one far above the rest, which top-k has to look into. */
enum kind { ANY, LEVELS, WIDE, ALONE };

static float value_of(enum kind kind, int i)
{
    switch (kind) {
    case LEVELS: return (float)(check_below(4) - 2);
    case WIDE:   return 100 * check_value();
    case ALONE:  return i ? 8 * check_value() : 100;
    case ANY:    break;
    }
    return 8 * check_value();
}

static void one_row(int V, enum kind kind)
{
    struct ops *o = check_ops;
    static const double t[] = { 1, 0.3, 2.5, 0, 1e-6 }, p[] = { 1, 0.9, 0.3, 1e-9 };
    static const int k[] = { 0, 1, 7, 40 };
    struct tensor x = tensor_new(o, DT_F32, 3, V, 2, RANDOM);
    struct draw_how how[DRAWS];
    struct drawn got[DRAWS], again[DRAWS];
    float *l = mem_array(3 * (size_t)(V + 2), sizeof *l);
    for (int i = 0; i < 3 * (V + 2); i++) l[i] = value_of(kind, i % (V + 2));
    o->upload(o, x.dev.p, l, 3 * (size_t)(V + 2) * sizeof *l);
    for (int i = 0; i < DRAWS; i++)
        how[i] = (struct draw_how){ t[check_below(countof(t))], p[check_below(countof(p))], i == 0 ? 0 : i == 1 ? 0.99999999 : rng_next(&check_rng),
                                    k[check_below(countof(k))], check_below(3) };
    o->draw(o, x.dev, how, DRAWS, got);
    o->draw(o, x.dev, how + DRAWS / 2, DRAWS / 2, again);
    for (int i = 0; i < DRAWS; i++) check_draw(l + how[i].row * (V + 2), V, &how[i], got[i]);
    T_CHECK(!memcmp(got + DRAWS / 2, again, DRAWS / 2 * sizeof *got));
    T_OK(o->sync(o));
    tensor_free(&x);
    free(l);
}

static void test_draws(void)
{
    static const int V[] = { 1, 2, 33, 257, 1024, 1025, 2999, 20011 };
    for (int i = 0; i < countof(V); i++)
        for (int kind = ANY; kind <= ALONE; kind++) one_row(V[i], (enum kind)kind);
}

static void test_not_numbers(void)
{
    struct ops *o = check_ops;
    float l[3][8] = { { 0, NAN, 1 }, { 0, INFINITY, 1 }, { -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY } };
    float *p = o->alloc(o, sizeof l, "x");
    o->upload(o, p, l, sizeof l);
    for (int r = 0; r < 3; r++) {
        struct draw_how how = { 1, 1, 0.5, 0, r };
        struct drawn got = { 5, 0 };
        o->draw(o, mat_of(p, DT_F32, 3, 8), &how, 1, &got);
        T_INT(got.id, -1);
    }
    o->release(o, p);
}

static void all(void)
{
    if (!check_ops->draw) return;
    T_RUN(test_draws);
    T_RUN(test_not_numbers);
}

int main(void) { return check_backends(all); }
