/* SPDX-License-Identifier: Apache-2.0
 * The table of cos-eval accuracy --bench: a row for each group that the benchmark reports, then the total. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "bench/py.h"
#include "eval_bench.h"

/* ---- counts ---- */

uint64_t bench_right(const struct bench_counts *c, enum unparsed way) { return c->right + (way == UNPARSED_RANDOM ? c->drawn_right : 0); }

/* Missing ones count only where the protocol fixes the number of items. */
uint64_t bench_of(const struct bench_counts *c, enum unparsed way) { return way == UNPARSED_DROP ? c->n - c->unparsed : c->n + c->missing; }

static void add(struct bench_counts *c, const struct bench_question *q)
{
    c->n++;
    c->unparsed += !q->parsed;
    c->right += q->right;
    c->drawn_right += !q->parsed && q->drawn_right;
}

static void fix_size(struct bench_counts *c, const struct bench_rule *rule, const char *kind)
{
    int size = bench_fixed_size(rule, kind);
    if (size && (uint64_t)size > c->n) c->missing = (uint64_t)size - c->n;
}

static double share(const struct bench_counts *c, enum unparsed way)
{
    return bench_of(c, way) ? (double)bench_right(c, way) / (double)bench_of(c, way) : NAN;
}

/* ---- rows ---- */

static const char *const columns[] = { "protocol", "sees_gold", "unparsed_as", "kind", "group", "measure", "n", "missing", "unparsed",
                                       "correct", EVAL_VALUE_COLUMNS, "wrong", "drop", "random" };
static const char *const extract_names[] = { "auto", "markers", "final", "plain", "stored" };

void bench_split_group(struct slice both, struct slice *kind, struct slice *name)
{
    size_t n = (size_t)((const char *)memchr(both.p, '\n', both.n) - both.p);
    *kind = (struct slice){ both.p, n };
    *name = (struct slice){ both.p + n + 1, both.n - n - 1 };
}

void bench_put_head(struct table *t, const struct bench_tally *a, struct slice kind, struct slice group, const char *measure)
{
    const struct bench_rule *rule = &a->set.rule;
    char way[64];
    struct buf protocol = { 0 };
    buf_fmt(&protocol, "%s %s", bench_name(rule->bench), bench_protocol_words[rule->protocol]);
    if (rule->extract) buf_fmt(&protocol, " %s", extract_names[rule->extract]);
    if (rule->int_text) buf_str(&protocol, " int-text");
    if (rule->no_guess) buf_str(&protocol, " no-guess");
    snprintf(way, sizeof way, a->set.unparsed == UNPARSED_RANDOM ? "%s:%llu" : "%s", unparsed_words[a->set.unparsed], (unsigned long long)a->set.seed);
    table_word(t, protocol.p);
    table_word(t, bench_gold_note(rule) ? bench_gold_note(rule) : "no");
    table_word(t, way);
    table_text(t, kind);
    table_text(t, group);
    table_word(t, measure);
    buf_free(&protocol);
}

void bench_put_counts(struct table *t, const struct bench_tally *a, const struct bench_counts *c)
{
    enum unparsed way = a->set.unparsed;
    table_count(t, c->n);
    table_count(t, c->missing);
    table_count(t, c->unparsed);
    table_count(t, bench_right(c, way));
    uint64_t of = bench_of(c, way);
    struct estimate e = { share(c, way), of ? stat_wilson(bench_right(c, way), of, STAT_Z95) : (struct interval){ NAN, NAN } };
    table_estimate(t, &e, 4, "Wilson");
    for (int w = 0; w < UNPARSED_WAYS; w++) table_real(t, share(c, (enum unparsed)w), 4);
}

static void put_share(struct table *t, const struct bench_tally *a, struct slice kind, struct slice group, const struct bench_counts *c)
{
    bench_put_head(t, a, kind, group, "accuracy");
    bench_put_counts(t, a, c);
}

/* The mean of the shares of one kind's groups, each of the same weight; groups are independent of each other. */
static void put_mean(struct table *t, const struct bench_tally *a, const char *kind, const struct bench_counts *c)
{
    double sum[UNPARSED_WAYS] = { 0 }, variance = 0;
    int k = 0;
    enum unparsed way = a->set.unparsed;
    struct bench_counts all = { 0 };
    for (size_t i = 0; i < a->groups.n; i++) {
        struct slice own, name;
        bench_split_group(a->groups.name[i], &own, &name);
        if (!py_same(own, py_text(kind)) || !c[i].n) continue;
        double p = share(&c[i], way);
        for (int w = 0; w < UNPARSED_WAYS; w++) sum[w] += share(&c[i], (enum unparsed)w);
        variance += p * (1 - p) / (double)bench_of(&c[i], way);
        all.n += c[i].n, all.missing += c[i].missing, all.unparsed += c[i].unparsed;
        all.right += bench_right(&c[i], way);
        k++;
    }
    if (k < 2) return;
    double mean = sum[way] / k, half = STAT_Z95 * sqrt(variance) / k;
    struct estimate e = { mean, { mem_max(mean - half, 0), mem_min(mean + half, 1) } };
    bench_put_head(t, a, py_text("mean"), py_text(kind), "accuracy");
    table_count(t, all.n);
    table_count(t, all.missing);
    table_count(t, all.unparsed);
    table_count(t, all.right);
    table_estimate(t, &e, 4, "normal");
    for (int w = 0; w < UNPARSED_WAYS; w++) table_real(t, sum[w] / k, 4);
}

/* ---- the whole ---- */

struct order { const struct bench_tally *a; size_t *first; };        /* first: of each group, the first group of its kind */

static int by_kind(const void *x, const void *y, void *arg)
{
    const struct order *o = arg;
    size_t a = *(const size_t *)x, b = *(const size_t *)y;
    if (o->first[a] != o->first[b]) return o->first[a] < o->first[b] ? -1 : 1;
    return slice_order(o->a->groups.name[a], o->a->groups.name[b]);
}

/* Kinds in the order in which they came, their groups by name. */
static void sort_groups(const struct bench_tally *a, size_t *order)
{
    size_t n = a->groups.n;
    struct order o = { a, mem_array(n + 1, sizeof(size_t)) };
    struct names kinds = { 0 };
    for (size_t i = 0; i < n; i++) {
        struct slice kind, name;
        bench_split_group(a->groups.name[i], &kind, &name);
        o.first[i] = names_index(&kinds, kind);
        order[i] = i;
    }
    qsort_r(order, n, sizeof *order, by_kind, &o);
    names_free(&kinds);
    free(o.first);
}

static void count_all(const struct bench_tally *a, struct bench_counts *c, struct bench_counts *total)
{
    for (size_t i = 0; i < a->ids.n; i++) {
        const struct bench_question *q = &a->q[i];
        for (int k = 0; k < q->groups; k++) add(&c[a->group_of[q->group_begin + k]], q);
        add(total, q);
    }
    for (size_t i = 0; i < a->groups.n; i++) {
        struct slice kind, name;
        char word[64];
        bench_split_group(a->groups.name[i], &kind, &name);
        snprintf(word, sizeof word, "%.*s", (int)kind.n, kind.p);
        fix_size(&c[i], &a->set.rule, word);
    }
    fix_size(total, &a->set.rule, NULL);
}

int bench_table(const struct bench_tally *a, FILE *f)
{
    size_t n = a->groups.n, *order = mem_array(n + 1, sizeof *order);
    struct bench_counts *c = mem_array(n + 1, sizeof *c), total = { 0 };
    struct table t;
    int bad = 0;
    count_all(a, c, &total);
    sort_groups(a, order);
    table_begin(&t, f, a->set.json, "accuracy", columns, countof(columns));
    for (size_t i = 0; i < n; i++) {
        struct slice kind, name;
        bench_split_group(a->groups.name[order[i]], &kind, &name);
        if (c[order[i]].n) put_share(&t, a, kind, name, &c[order[i]]);
    }
    for (const char *const *kind = bench_means(a->set.rule.bench); kind && *kind; kind++) put_mean(&t, a, *kind, c);
    put_share(&t, a, py_text("total"), py_text("total"), &total);
    if (bench_total_of(a->set.rule.bench) == TOTAL_PAIRS) bad = bench_put_pairs(&t, a);
    table_end(&t);
    free(order);
    free(c);
    return bad;
}
