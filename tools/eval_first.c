/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include "eval_first.h"

static void push(struct firsts *f, struct first p)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 1024;
        f->p = mem_grow(f->p, (size_t)f->cap, sizeof *f->p);
    }
    f->p[f->n++] = p;
}

void firsts_add(struct firsts *f, const double *truth, const double *score, int n, double threshold, int question)
{
    struct first p = { FIRST_NONE, FIRST_NONE, question };
    bool unknown = n == 0;
    for (int i = 0; i < n; i++) {
        unknown |= (isnan(score[i]) && p.said == FIRST_NONE) || (isnan(truth[i]) && p.truth == FIRST_NONE);
        if (truth[i] < 0.5 && p.truth == FIRST_NONE) p.truth = i;
        if (score[i] <= threshold && p.said == FIRST_NONE) p.said = i;
    }
    if (unknown) f->unknown++;
    else push(f, p);
}

enum { FIRST_ERROR, NO_ERROR, FIRST_F1, FIRSTS };
static const char *const words[FIRSTS] = { "first_error", "no_error", "first_f1" };

static void judged(const void *arg, const double *weight, double *out)
{
    const struct firsts *f = arg;
    double n[2] = { 0 }, right[2] = { 0 };
    for (int i = 0; i < f->n; i++) {
        const struct first *p = &f->p[i];
        int kind = p->truth == FIRST_NONE ? NO_ERROR : FIRST_ERROR;
        n[kind] += weight[p->question];
        right[kind] += p->truth == p->said ? weight[p->question] : 0;
    }
    double a = n[FIRST_ERROR] > 0 ? right[FIRST_ERROR] / n[FIRST_ERROR] : NAN, b = n[NO_ERROR] > 0 ? right[NO_ERROR] / n[NO_ERROR] : NAN;
    out[FIRST_ERROR] = a;
    out[NO_ERROR] = b;
    out[FIRST_F1] = a + b > 0 ? 2 * a * b / (a + b) : a + b;
}

void firsts_put(struct table *t, const struct firsts *f, int questions, const struct boot *b)
{
    struct estimate e[FIRSTS];
    uint64_t n[FIRSTS] = { 0 };
    if (!f->n) return;
    for (int i = 0; i < f->n; i++) n[f->p[i].truth == FIRST_NONE ? NO_ERROR : FIRST_ERROR]++;
    n[FIRST_F1] = (uint64_t)f->n;
    boot_estimate(judged, f, questions, FIRSTS, b, e);
    for (int i = 0; i < FIRSTS; i++) {
        table_word(t, "path");
        table_word(t, words[i]);
        table_count(t, n[i]);
        if (i == FIRST_F1) table_estimate(t, &e[i], 4, eval_boot_name(b));
        else table_rate(t, &e[i], n[i], 4, eval_boot_name(b));
    }
}

void firsts_free(struct firsts *f) { free(f->p); }
