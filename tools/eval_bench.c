/* SPDX-License-Identifier: Apache-2.0
 * cos-eval accuracy --bench: the records of a benchmark, scored by one of its protocols. Of several paths of a question
 * the one with the lowest path.index counts. Random answers are drawn when all is read, since their order is the official
 * scorer's and not always the file's. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "bench/py.h"
#include "eval_bench.h"

const char *const unparsed_words[UNPARSED_WAYS] = { "wrong", "drop", "random" };

/* ---- reading ---- */

static long image_of(struct bench_tally *a, const struct record *r)
{
    struct slice s;
    const val *name = val_path(&r->root, "meta.image"), *first = val_at(val_get(&r->root, "images"), 0);
    if (!name) name = val_get(first, "ref");
    return val_str(name, &s.p, &s.n) ? (long)names_index(&a->images, s) : -1;
}

static void take_groups(struct bench_tally *a, const struct record *r, struct bench_question *q)
{
    struct bench_group g[BENCH_GROUPS];
    q->groups = bench_groups(a->set.rule.bench, r, &a->scratch, g);
    q->group_begin = a->ngroup_of;
    for (int i = 0; i < q->groups; i++) {
        struct buf both = { 0 };
        buf_fmt(&both, "%s\n", g[i].kind);
        buf_add(&both, g[i].name.p, g[i].name.n);
        if (a->ngroup_of == a->group_cap) {
            a->group_cap = a->group_cap ? 2 * a->group_cap : 4096;
            a->group_of = mem_grow(a->group_of, (size_t)a->group_cap, sizeof *a->group_of);
        }
        a->group_of[a->ngroup_of++] = (int)names_index(&a->groups, (struct slice){ both.p, both.len });
        buf_free(&both);
    }
}

static int take(struct bench_tally *a, struct record *r)
{
    struct slice id;
    struct bench_verdict v;
    int64_t index = 0;
    arena_reset(&a->scratch);
    if (!eval_id(r, &id)) return fail("no id");
    if (bench_judge(&a->set.rule, r, &a->scratch, &v)) return -1;
    (void)val_i64(val_path(&r->root, "path.index"), &index);
    size_t known = a->ids.n, i = names_index(&a->ids, id);
    if (i == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 1024;
        a->q = mem_grow(a->q, a->cap, sizeof *a->q);
    }
    if (i != known) {
        a->later++;
        if (index >= a->q[i].index) return 0;
    }
    struct bench_question q = { index, v.parsed, v.right, v.right, v.choices, v.gold, -1, bench_order(a->set.rule.bench, r), 0, 0, -1, { "", 0 } };
    q.image = image_of(a, r);
    take_groups(a, r, &q);
    if (a->set.decisions) q.prediction = (struct slice){ arena_str(&a->texts, v.prediction.p, v.prediction.n), v.prediction.n };
    a->q[i] = q;
    return 0;
}

/* ---- random answers ---- */

static int by_order(const void *x, const void *y, void *questions)
{
    size_t a = *(const size_t *)x, b = *(const size_t *)y;
    const struct bench_question *q = questions;
    return q[a].order != q[b].order ? (q[a].order < q[b].order ? -1 : 1) : (a > b) - (a < b);
}

static void draw(struct bench_tally *a)
{
    size_t n = a->ids.n, *order = mem_array(n, sizeof *order);
    struct py_random random;
    py_seed(&random, a->set.seed);
    for (size_t i = 0; i < n; i++) order[i] = i;
    qsort_r(order, n, sizeof *order, by_order, a->q);
    for (size_t i = 0; i < n; i++) {
        struct bench_question *q = &a->q[order[i]];
        if (q->parsed || !q->choices) continue;
        q->drawn = py_choice(&random, q->choices);
        q->drawn_right = q->drawn == q->gold;
    }
    free(order);
}

/* ---- decisions ---- */

static void put_decision(FILE *f, const struct bench_tally *a, size_t i)
{
    const struct bench_question *q = &a->q[i];
    fputs("{\"id\":", f);
    eval_put_json_text(f, a->ids.name[i]);
    fputs(",\"prediction\":", f);
    if (q->parsed) eval_put_json_text(f, q->prediction);
    else fputs("null", f);
    fprintf(f, ",\"parsed\":%s,\"correct\":%s,\"drawn\":", q->parsed ? "true" : "false", q->right ? "true" : "false");
    if (q->drawn >= 0) fprintf(f, "\"%c\"}\n", 'A' + q->drawn);
    else fputs("null}\n", f);
}

static int put_decisions(const struct bench_tally *a)
{
    const char *path = a->set.decisions;
    FILE *f = path ? fopen(path, "w") : NULL;
    if (!path) return 0;
    if (!f) return fail_errno("--decisions %s", path);
    for (size_t i = 0; i < a->ids.n; i++) put_decision(f, a, i);
    bool bad = ferror(f) != 0;
    return fclose(f) || bad ? fail_errno("--decisions %s", path) : 0;
}

/* ---- the program ---- */

static void note(struct tool *t, const struct bench_tally *a)
{
    const struct bench_rule *rule = &a->set.rule;
    uint64_t unparsed = 0;
    int expected = bench_expected(rule);
    for (size_t i = 0; i < a->ids.n; i++) unparsed += !a->q[i].parsed;
    tool_note(t, "%s, protocol %s: %" PRIu64 " of %zu answers could not be read", bench_name(rule->bench),
              bench_protocol_words[rule->protocol], unparsed, a->ids.n);
    if (bench_gold_note(rule)) tool_note(t, "the parser sees the right answer: %s", bench_gold_note(rule));
    if (expected && a->ids.n != (size_t)expected)
        tool_warn(t, "the official scorer takes exactly %d results; here are %zu", expected, a->ids.n);
}

static int score(struct tool *t, struct bench_tally *a, struct record *r)
{
    int got;
    char label[256];
    if (tool_open(t)) return -1;
    FILE *out = tool_text(t);
    for (double n = 1; (got = tool_read(t, r)) > 0; n++) {
        if (take(a, r)) return fail_in("%s", rec_label(r, label, sizeof label));
        tool_progress(t, "paths", n, 0, NULL);
    }
    if (got < 0) return -1;
    if (a->ids.n == 0) return fail("no paths to measure");
    draw(a);
    if (bench_table(a, out) || put_decisions(a)) return -1;
    note(t, a);
    tool_drop(t, a->later, "not the first of their question");
    return tool_close(t);
}

int eval_bench(struct tool *t, const struct bench_set *set)
{
    struct bench_tally a = { .set = *set };
    struct record *r = rec_new();
    int bad = score(t, &a, r);
    rec_free(r);
    names_free(&a.ids);
    names_free(&a.groups);
    names_free(&a.images);
    arena_free(&a.texts);
    arena_free(&a.scratch);
    free(a.q);
    free(a.group_of);
    return bad;
}

/* ---- options ---- */

static int read_unparsed(const char *s, struct bench_set *set)
{
    char *end;
    for (int i = 0; i < UNPARSED_RANDOM; i++)
        if (!strcmp(s, unparsed_words[i])) return set->unparsed = (enum unparsed)i, 0;
    if (strncmp(s, "random:", 7) || s[7] < '0' || s[7] > '9') return fail_kind(ERR_USAGE, "--unparsed %s: want wrong, drop or random:SEED", s);
    errno = 0;
    set->unparsed = UNPARSED_RANDOM;
    set->seed = strtoull(s + 7, &end, 10);
    return *end || errno ? fail_kind(ERR_USAGE, "--unparsed %s: want a number behind random:", s) : 0;
}

int eval_bench_options(const char *bench, const char *unparsed, struct bench_set *set)
{
    set->rule.bench = bench_find(bench);
    if (!set->rule.bench || bench_check(&set->rule)) return -1;
    return read_unparsed(unparsed, set);
}
