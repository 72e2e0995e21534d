/* SPDX-License-Identifier: Apache-2.0 */
#include "train/plan.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHARE_MIN = 8 };                        /* fewer common tokens are not worth a sequence of their own */

/* ---- what sequences have in common ---- */

static int common(const struct train_seq *a, const struct train_seq *b, int max)
{
    int n = 0;
    while (n < max && a->id[n] == b->id[n]) n++;
    return n;
}

bool run_takes(const struct run *run, const struct example *x)
{
    return !run->head || (x->set >= 0 && run->head->set == x->set);
}

void run_add(struct run *run, const struct example *x)
{
    if (!run->head) *run = (struct run){ .head = x, .lcp = INT_MAX };
    for (int i = 0; i < x->nseq; i++) {
        /* the row that predicts the first token of the response stays in the sequence itself */
        int max = mem_min(run->lcp, mem_min(x->seq[i].prompt, x->seq[i].n) - 1);
        run->lcp = common(&run->head->seq[0], &x->seq[i], max);
        run->total += x->seq[i].n;
        run->nseq++;
    }
}

int run_prefix(const struct run *run, bool share)
{
    return share && run->nseq > 1 && run->lcp >= SHARE_MIN ? run->lcp : 0;
}

int run_rows(const struct run *run, bool share)
{
    return run->total - (run->nseq - 1) * run_prefix(run, share);
}

/* ---- order ---- */

struct group { int first, n; };                /* examples member[first ..) */

/* Deals the shuffled examples into groups of one image set each, at most `max` examples large. */
static int deal(const struct dataset *ds, const int *order, int n, int max, struct group *group, int *of)
{
    int ngroup = 0, nset = dataset_sets(ds);
    int *open = mem_array((size_t)nset + 1, sizeof *open);
    for (int i = 0; i < nset; i++) open[i] = -1;
    for (int i = 0; i < n; i++) {
        int set = dataset_at(ds, order[i])->set;
        int g = set >= 0 ? open[set] : -1;
        if (g < 0 || group[g].n == max) {
            group[g = ngroup++] = (struct group){ 0 };
            if (set >= 0) open[set] = g;
        }
        group[g].n++;
        of[i] = g;
    }
    free(open);
    return ngroup;
}

static void make_order(struct plan *p, const struct dataset *ds, const struct plan_cfg *c)
{
    size_t n = (size_t)p->n;
    char purpose[32];
    snprintf(purpose, sizeof purpose, "epoch %d", p->epoch);
    struct rng rng = rng_new(c->seed, purpose);
    int *mixed = mem_array(n, sizeof *mixed), *of = mem_array(n, sizeof *of), *turn = mem_array(n, sizeof *turn);
    struct group *group = mem_array(n, sizeof *group);
    for (int i = 0; i < p->n; i++) mixed[i] = i;
    rng_shuffle(&rng, mixed, n, sizeof *mixed);
    int ngroup = deal(ds, mixed, p->n, c->group, group, of);
    for (int g = 0; g < ngroup; g++) turn[g] = g;
    rng_shuffle(&rng, turn, (size_t)ngroup, sizeof *turn);
    for (int i = 0, at = 0; i < ngroup; i++) {
        group[turn[i]].first = at;
        at += group[turn[i]].n;
    }
    for (int i = 0; i < p->n; i++) p->order[group[of[i]].first++] = mixed[i];
    free(mixed);
    free(of);
    free(turn);
    free(group);
}

/* ---- cuts ---- */

/* Rows of the micro-batch if x joined it: closed runs, and the open one with x. */
static int rows_with(int closed, const struct run *open, const struct example *x, bool share)
{
    struct run r = *open;
    if (!run_takes(&r, x)) {
        closed += run_rows(&r, share);
        r = (struct run){ 0 };
    }
    run_add(&r, x);
    return closed + run_rows(&r, share);
}

static int cut_one(const struct plan *p, const struct dataset *ds, const struct plan_cfg *c, int first, int end, int *rows)
{
    struct run run = { 0 };
    int closed = 0, i = first;
    *rows = 0;
    for (; i < end; i++) {
        const struct example *x = dataset_at(ds, p->order[i]);
        int with = rows_with(closed, &run, x, c->share);
        if (i > first && with > c->micro_tokens) break;
        if (!run_takes(&run, x)) {
            closed += run_rows(&run, c->share);
            run = (struct run){ 0 };
        }
        run_add(&run, x);
        *rows = with;
    }
    return i - first;
}

int plan_steps(int examples, int batch) { return examples / batch + (examples % batch != 0); }

void plan_make(struct plan *p, const struct dataset *ds, const struct plan_cfg *c, int epoch)
{
    *p = (struct plan){ .epoch = epoch, .n = dataset_count(ds) };
    p->order = mem_array((size_t)p->n, sizeof *p->order);
    p->micro = mem_array((size_t)p->n, sizeof *p->micro);
    p->steps = plan_steps(p->n, c->batch);
    make_order(p, ds, c);
    for (int step = 0, first = 0; step < p->steps; step++) {
        int end = mem_min(p->n - first, c->batch) + first;
        while (first < end) {
            struct micro *m = &p->micro[p->nmicro++];
            *m = (struct micro){ .step = step, .first = first };
            m->n = cut_one(p, ds, c, first, end, &m->rows);
            first += m->n;
        }
    }
}

void plan_free(struct plan *p)
{
    free(p->order);
    free(p->micro);
    *p = (struct plan){ 0 };
}

int plan_first(const struct plan *p, int step)
{
    int i = 0;
    while (i < p->nmicro && p->micro[i].step < step) i++;
    return i;
}
