/* SPDX-License-Identifier: Apache-2.0
 * MME's accuracy+ (both questions of an image right) and scores (accuracy + accuracy+, in percent; 200 a task at most).
 * Questions pair by position within their task, as in the official scorer. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench/py.h"
#include "eval_bench.h"

struct pairs { struct bench_counts both; struct stat_mean score; long first; };

static void add_pair(struct pairs *p, const struct bench_question *x, const struct bench_question *y, enum unparsed way)
{
    bool parsed = x->parsed && y->parsed, right = x->right && y->right, random = x->drawn_right && y->drawn_right;
    p->both.n++;
    p->both.unparsed += !parsed;
    p->both.right += right;
    p->both.drawn_right += random && !right;
    bool first = way == UNPARSED_RANDOM ? x->drawn_right : x->right, second = way == UNPARSED_RANDOM ? y->drawn_right : y->right;
    if (way != UNPARSED_DROP || parsed) stat_add(&p->score, 50.0 * (first + second) + 100.0 * (first && second));
}

/* The group of each question is its task. */
static int pair_all(const struct bench_tally *a, struct pairs *p, struct bench_counts *c)
{
    for (size_t i = 0; i < a->groups.n; i++) p[i].first = -1;
    for (size_t i = 0; i < a->ids.n; i++) {
        const struct bench_question *q = &a->q[i];
        if (!q->groups) return fail("%.*s: no category, the task it belongs to", (int)a->ids.name[i].n, a->ids.name[i].p);
        int g = a->group_of[q->group_begin];
        c[g].n++;
        c[g].unparsed += !q->parsed;
        c[g].right += q->right;
        c[g].drawn_right += !q->parsed && q->drawn_right;
        if (p[g].first < 0) {
            p[g].first = (long)i;
            continue;
        }
        const struct bench_question *other = &a->q[p[g].first];
        if (other->image >= 0 && q->image >= 0 && other->image != q->image)
            return fail("%.*s: its image is another than that of the question before, with which it pairs", (int)a->ids.name[i].n, a->ids.name[i].p);
        add_pair(&p[g], other, q, a->set.unparsed);
        p[g].first = -1;
    }
    for (size_t i = 0; i < a->groups.n; i++)
        if (p[i].first >= 0) return fail("%.*s: a question without a second one about its image", (int)a->ids.name[p[i].first].n, a->ids.name[p[i].first].p);
    return 0;
}

static double score_of(const struct bench_counts *c, const struct bench_counts *both, enum unparsed way)
{
    double acc = (double)bench_right(c, way) / (double)bench_of(c, way), plus = (double)bench_right(both, way) / (double)bench_of(both, way);
    return 100 * (acc + plus);
}

/* A sum of task scores. variance: of the sum, tasks being independent; NAN: where the images of a task all score the same,
 * which would claim certainty. */
struct sum { double way[UNPARSED_WAYS], variance; uint64_t n, unparsed, right; int tasks; };

static void put_score(struct table *t, const struct bench_tally *a, struct slice kind, struct slice group, const struct sum *s)
{
    double value = s->way[a->set.unparsed], half = STAT_Z95 * sqrt(s->variance);
    struct estimate e = { value, { NAN, NAN } };
    if (isfinite(half)) e.i = (struct interval){ mem_max(value - half, 0), mem_min(value + half, 200.0 * s->tasks) };
    bench_put_head(t, a, kind, group, "score");
    table_count(t, s->n);
    table_count(t, 0);
    table_count(t, s->unparsed);
    table_count(t, s->right);
    table_estimate(t, &e, 4, "normal over images");
    for (int w = 0; w < UNPARSED_WAYS; w++) table_real(t, s->way[w], 4);
}

static void add_sum(struct sum *to, const struct sum *s)
{
    for (int w = 0; w < UNPARSED_WAYS; w++) to->way[w] += s->way[w];
    if (isfinite(s->variance)) to->variance += s->variance;
    to->n += s->n;
    to->unparsed += s->unparsed;
    to->right += s->right;
    to->tasks += s->tasks;
}

static struct sum task_sum(const struct bench_counts *c, const struct pairs *p, enum unparsed way)
{
    double sd = stat_sd(&p->score);
    struct sum s = { .n = c->n, .unparsed = c->unparsed, .right = bench_right(c, way), .tasks = 1 };
    s.variance = sd > 0 ? sd * sd / (double)p->score.n : NAN;
    for (int w = 0; w < UNPARSED_WAYS; w++) s.way[w] = score_of(c, &p->both, (enum unparsed)w);
    return s;
}

static void put_tasks(struct table *t, const struct bench_tally *a, const struct pairs *p, const struct bench_counts *c)
{
    static const char *const kinds[] = { "perception", "cognition" };
    struct sum all = { 0 };
    for (int k = 0; k < countof(kinds); k++) {
        struct sum half = { 0 };
        for (size_t i = 0; i < a->groups.n; i++) {
            struct slice kind, task;
            bench_split_group(a->groups.name[i], &kind, &task);
            if (!py_same(kind, py_text(kinds[k])) || !c[i].n) continue;
            struct sum s = task_sum(&c[i], &p[i], a->set.unparsed);
            bench_put_head(t, a, kind, task, "accuracy+");
            bench_put_counts(t, a, &p[i].both);
            put_score(t, a, kind, task, &s);
            add_sum(&half, &s);
        }
        if (half.n) put_score(t, a, py_text("total"), py_text(kinds[k]), &half);
        add_sum(&all, &half);
    }
    put_score(t, a, py_text("total"), py_text("total"), &all);
}

int bench_put_pairs(struct table *t, const struct bench_tally *a)
{
    struct pairs *p = mem_array(a->groups.n + 1, sizeof *p);
    struct bench_counts *c = mem_array(a->groups.n + 1, sizeof *c);
    int bad = pair_all(a, p, c);
    if (!bad) put_tasks(t, a, p, c);
    free(p);
    free(c);
    return bad;
}
