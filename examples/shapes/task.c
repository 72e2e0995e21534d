/* SPDX-License-Identifier: Apache-2.0
 * Drawing a world and a question that fit each other (the declaration is in plan.h).
 */
#include "plan.h"

#include <stdlib.h>

struct draw { struct rng *r; const struct level *l; struct world *w; struct claim *q; };

static int smaller(int a, int b) { return a < b ? a : b; }

/* A number of objects that leaves room for `at_least`. */
static int any_number(const struct draw *d, int at_least)
{
    return rand_in(d->r, mem_max(d->l->objects_min, at_least), d->l->objects_max);
}

/* n selections that exclude each other: by colour, or by shape. */
static void unlike(const struct draw *d, struct sel *s, int n)
{
    int v[mem_max((int)COLOURS, (int)SHAPES)], by_colour = n > d->l->shapes || rand_in(d->r, 0, 1);
    int kinds = by_colour ? d->l->colours : d->l->shapes;
    for (int i = 0; i < kinds; i++) v[i] = i;
    rng_shuffle(d->r, v, (size_t)kinds, sizeof v[0]);
    for (int i = 0; i < n; i++) {
        s[i] = SEL_ANY;
        *(by_colour ? &s[i].colour : &s[i].shape) = v[i];
    }
}

static void ask_sels(const struct draw *d, const struct sel *s, int n)
{
    for (int i = 0; i < n; i++) claim_set(d->q, (enum slot)(S_A + i), sel_code(s[i]));
}

static bool draw_count(const struct draw *d)
{
    struct sel s = { rand_in(d->r, 0, d->l->shapes - 1), rand_in(d->r, 0, d->l->colours - 1), rand_in(d->r, 0, SIZES - 1) };
    int leave = rand_in(d->r, 0, 3);                     /* two attributes, or all three one time in four */
    if (leave == 0) s.colour = -1;
    if (leave == 1 || leave == 2) s.size = -1;
    int n = rand_in(d->r, 0, smaller(4, d->l->objects_max - 1));
    ask_sels(d, &s, 1);
    return scene_make(d->w, d->r, d->l, any_number(d, n + 1), &s, &n, 1);
}

static bool draw_more(const struct draw *d)
{
    struct sel s[2];
    int most = d->l->objects_max, more = rand_in(d->r, 0, smaller(3, most - 1)), b = rand_in(d->r, 0, (most - more) / 2);
    int n[2] = { b + more, b };
    unlike(d, s, 2);
    ask_sels(d, s, 2);
    return scene_make(d->w, d->r, d->l, any_number(d, n[0] + n[1]), s, n, 2);
}

static bool draw_compare(const struct draw *d)
{
    struct sel s[2];
    int win = rand_in(d->r, 0, 2), high = rand_in(d->r, 1, smaller(4, d->l->objects_max / 2)), low = rand_in(d->r, 0, high - 1);
    int n[2] = { win == 1 ? low : high, win == 0 ? low : high };
    unlike(d, s, 2);
    ask_sels(d, s, 2);
    return scene_make(d->w, d->r, d->l, any_number(d, n[0] + n[1]), s, n, 2);
}

static bool draw_total(const struct draw *d)
{
    struct sel s[3];
    int n[3] = { 0 }, k = d->l->objects_max > 4 ? rand_in(d->r, 2, 3) : 2, sum = rand_in(d->r, 1, smaller(6, d->l->objects_max));
    for (int i = 0; i < sum; i++) n[rand_in(d->r, 0, k - 1)]++;
    unlike(d, s, k);
    ask_sels(d, s, k);
    return scene_make(d->w, d->r, d->l, any_number(d, sum), s, n, k);
}

static bool draw_relate(const struct draw *d)
{
    if (!scene_make(d->w, d->r, d->l, any_number(d, 2), NULL, NULL, 0)) return false;
    const struct object *o = &d->w->object[0];           /* their order is random */
    claim_set(d->q, S_A, sel_code((struct sel){ o->shape, o->colour, -1 }));
    claim_set(d->q, S_DIR, rand_in(d->r, 0, DIRS - 1));
    claim_set(d->q, S_ATTR, rand_in(d->r, 0, ATTRS - 1));
    return true;
}

static bool draw_odd(const struct draw *d)
{
    int differs = rand_in(d->r, 0, ATTRS - 1), kinds = differs == A_SHAPE ? d->l->shapes : d->l->colours;
    int most = rand_in(d->r, 0, kinds - 1), odd = (most + rand_in(d->r, 1, kinds - 1)) % kinds, n = any_number(d, 3);
    struct sel s[2] = { SEL_ANY, SEL_ANY };
    int count[2] = { n - 1, 1 };
    *(differs == A_SHAPE ? &s[0].shape : &s[0].colour) = most;
    *(differs == A_SHAPE ? &s[1].shape : &s[1].colour) = odd;
    claim_set(d->q, S_ATTR2, differs);
    claim_set(d->q, S_ATTR, !differs);
    return scene_make(d->w, d->r, d->l, n, s, count, 2);
}

static bool draw_read(const struct draw *d)
{
    chart_make(d->w, d->r, d->l);
    const struct bar *b = &d->w->bar[rand_in(d->r, 0, d->w->nbar - 1)];
    if (d->q->kind == T_READ) claim_set(d->q, S_LAB, b->label);
    else claim_set(d->q, S_COL, b->colour);
    return true;
}

/* Asks for n different bars, in random order. */
static void ask_bars(const struct draw *d, int n, struct bar *asked[])
{
    int v[BARS_MAX];
    for (int i = 0; i < d->w->nbar; i++) v[i] = i;
    rng_shuffle(d->r, v, (size_t)d->w->nbar, sizeof v[0]);
    for (int i = 0; i < n; i++) {
        asked[i] = &d->w->bar[v[i]];
        claim_set(d->q, (enum slot)(S_LAB + i), asked[i]->label);
    }
}

static bool draw_diff(const struct draw *d)
{
    int want = rand_in(d->r, 1, smaller(8, d->l->top - 1));
    struct bar *b[2];
    do {
        chart_make(d->w, d->r, d->l);
        ask_bars(d, 2, b);
    } while (b[0]->value - b[1]->value != want);
    return true;
}

static bool draw_sum(const struct draw *d)
{
    struct bar *b[3];
    chart_make(d->w, d->r, d->l);
    ask_bars(d, rand_in(d->r, 2, 3), b);
    return true;
}

/* The mean is chosen first, then all values but the last, until that one fits. */
static bool draw_mean(const struct draw *d)
{
    int top = d->l->top, n = rand_in(d->r, 2, 3), mean = top > 5 ? rand_in(d->r, 2, top - 1) : rand_in(d->r, 1, top), last;
    struct bar *b[3];
    chart_make(d->w, d->r, d->l);
    ask_bars(d, n, b);
    do {
        last = n * mean;
        for (int i = 0; i < n - 1; i++) last -= b[i]->value = rand_in(d->r, 1, top);
    } while (last < 1 || last > top);
    b[n - 1]->value = last;
    return true;
}

static bool draw_rank(const struct draw *d)
{
    chart_make(d->w, d->r, d->l);
    claim_set(d->q, S_RANK, rand_in(d->r, 0, RANKS - 1));
    return true;
}

void task_make(enum task_kind kind, struct rng *r, const struct level *l, struct world *w, struct claim *q, struct plan *p)
{
    static bool (*const draw[TASKS])(const struct draw *) = {
        draw_count, draw_more, draw_compare, draw_total, draw_relate, draw_odd,
        draw_read, draw_read, draw_diff, draw_sum, draw_mean, draw_rank,
    };
    struct draw d = { r, l, w, q };
    do *q = (struct claim){ .kind = kind };
    while (!draw[kind](&d) || plan_make(w, q, p));
}
