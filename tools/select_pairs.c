/* SPDX-License-Identifier: Apache-2.0
 * cos-select pairs: preference pairs of each question.
 */
#include <inttypes.h>
#include <stdlib.h>
#include "group.h"
#include "record/pairs.h"
#include "select.h"

static struct { struct reward w; struct pair_rule rule; int match; } set = {
    .w = REWARD_DEFAULT, .rule = { .gap = 0.3, .per_question = 1, .per_path = 1 } };

const struct opt select_pairs_opts[] = {
    { 0, "gap", "T", OPT_FLOAT, &set.rule.gap, 0, 1e9, "the scores of a pair differ by more than T" },
    { 'n', NULL, "N", OPT_INT, &set.rule.per_question, 1, 10000, "pairs of a question, at most" },
    { 0, "max-per-path", "M", OPT_INT, &set.rule.per_path, 1, 10000, "pairs that one path is in, at most" },
    { 0, "require-answer", NULL, OPT_FLAG, &set.rule.require_answer, 0, 0, "path.correct: the chosen one right, the rejected one wrong" },
    REWARD_OPTS(set.w),
    OPT_END };

struct pairing {
    struct ballot b;                           /* the scored, well-formed paths of the question */
    struct record **good;
    uint64_t *text;                            /* of b.c[i] */
    int room;
    struct pair *pair;
    struct record *out;
    uint64_t questions[PAIR_WHYS];
};

static void make_room(struct pairing *p, int n)
{
    if (n <= p->room) return;
    p->room = n;
    p->good = mem_grow(p->good, (size_t)n, sizeof *p->good);
    p->text = mem_grow(p->text, (size_t)n, sizeof *p->text);
}

/* Rejects what cannot be in a pair; the others are in p->b with the hashes of their texts. */
static int sift(struct tool *t, struct pairing *p, const struct group *g)
{
    int n = 0;
    make_room(p, g->n);
    for (int i = 0; i < g->n; i++) {
        struct path_score s;
        uint64_t hash;
        const char *why = pair_text_hash(g->r[i], &hash) ? "malformed path" : reward_of(&set.w, &g->r[i]->root, &s);
        if (!why) p->good[n++] = g->r[i];
        else if (tool_reject(t, g->r[i], why)) return -1;
    }
    ballot_make(&p->b, p->good, n, &set.w, ANSWER_EXACT);
    for (int i = 0; i < n; i++)
        if (pair_text_hash(p->b.c[i].r, &p->text[i])) return -1;
    return 0;
}

static int paths_used(const struct pairing *p, int pairs)
{
    int n = 0;
    bool *used = mem_array((size_t)p->b.n + 1, sizeof *used);
    for (int i = 0; i < pairs; i++) used[p->pair[i].chosen] = used[p->pair[i].rejected] = true;
    for (int i = 0; i < p->b.n; i++) n += used[i];
    free(used);
    return n;
}

static int pair_question(struct tool *t, struct pairing *p, const struct group *g)
{
    enum pair_why why;
    if (sift(t, p, g)) return -1;
    int n = pairs_pick(&p->b, p->text, &set.rule, p->pair, &why), used = paths_used(p, n);
    p->questions[why]++;
    tool_drop(t, (uint64_t)(p->b.n - used), n ? "not chosen" : pair_why_words[why]);
    if (used > n) tool_drop(t, (uint64_t)(used - n), "second of a pair");      /* two records became one */
    if (used < n) tool_added(t, (uint64_t)(n - used));
    for (int i = 0; i < n; i++) {
        pair_record(p->out, &p->b.c[p->pair[i].chosen], &p->b.c[p->pair[i].rejected]);
        if (tool_write(t, p->out)) return -1;
    }
    return 0;
}

static void note_questions(struct tool *t, const struct pairing *p)
{
    struct buf b = { 0 };
    for (int i = 0; i < PAIR_WHYS; i++)
        if (p->questions[i] || i == PAIR_MADE) buf_fmt(&b, "%s%" PRIu64 " %s", b.len ? ", " : "", p->questions[i], pair_why_words[i]);
    tool_note(t, "questions: %s", b.p);
    buf_free(&b);
}

int select_pairs(struct tool *t)
{
    struct pairing p = { .pair = mem_array((size_t)set.rule.per_question, sizeof *p.pair), .out = rec_new() };
    struct group g = { 0 };
    int got = 0, bad = tool_open(t);
    while (!bad && (got = group_read(t, &g)) > 0) bad = pair_question(t, &p, &g);
    group_free(&g);
    ballot_free(&p.b);
    free(p.good);
    free(p.text);
    free(p.pair);
    rec_free(p.out);
    if (bad || got < 0) return -1;
    note_questions(t, &p);
    return tool_close(t);
}
