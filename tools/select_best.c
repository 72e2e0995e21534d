/* SPDX-License-Identifier: Apache-2.0
 * cos-select best, vote, weighted: one path of each question.
 */
#include <inttypes.h>
#include "group.h"
#include "record/choose.h"
#include "select.h"

static struct { struct reward w; int match; bool unscored; } set = { .w = REWARD_DEFAULT };

#define MATCH_OPT { 0, "match", ANSWER_MATCHES, OPT_CHOICE, &set.match, 0, 0, "when two answers are the same" }
const struct opt select_best_opts[] = {
    REWARD_OPTS(set.w),
    { 0, "unscored", NULL, OPT_FLAG, &set.unscored, 0, 0, "questions without a scored path are nothing to warn of, even if all are" },
    OPT_END };
const struct opt select_vote_opts[] = { MATCH_OPT, REWARD_OPTS(set.w), OPT_END };
const struct opt select_weighted_opts[] = { MATCH_OPT, REWARD_OPTS(set.w), OPT_END };

enum how { BEST, VOTE, WEIGHTED };
struct tally { uint64_t questions, unscored; };            /* unscored: questions without a scored path */

static void note_vote(struct record *r, const struct choice *c, enum how how)
{
    val *meta = val_set_map(&r->zone, &r->root, "meta"), *vote = val_set(&r->zone, meta, "vote", val_map());
    val_set(&r->zone, vote, "n", val_of_i64(c->votes));
    val_set(&r->zone, vote, "of", val_of_i64(c->of));
    if (how == WEIGHTED) val_set(&r->zone, vote, "weight", val_of_f64(c->weight));
}

/* Writes the winner. Paths without a score are rejected where the score decides, so that they are seen to be left out. */
static int choose(struct tool *t, const struct ballot *b, enum how how)
{
    struct choice c = { 0 };
    if (how != BEST) {
        c = choose_vote(b, NULL, b->n, how == WEIGHTED);
        note_vote(b->c[c.winner].r, &c, how);
    }
    for (int i = 0; i < b->n; i++) {
        if (i == c.winner) continue;
        if (how == VOTE || !b->c[i].unscored) tool_drop(t, 1, "not chosen");
        else if (tool_reject(t, b->c[i].r, b->c[i].unscored)) return -1;
    }
    return tool_write(t, b->c[c.winner].r);
}

static int judge_run(struct tool *t, const struct tally *n, enum how how, const char *unscored)
{
    if (how == VOTE || !n->unscored || set.unscored) return 0;
    if (n->unscored == n->questions) return fail("no path has a score (%s): score them first, or choose by another --by", unscored);
    tool_warn(t, "%" PRIu64 " of %" PRIu64 " questions have no path with a score: of them %s", n->unscored, n->questions,
              how == BEST ? "the first path is taken" : "the majority is taken");
    return 0;
}

static int run(struct tool *t, enum how how)
{
    struct group g = { 0 };
    struct ballot b = { 0 };
    struct tally n = { 0 };
    const char *unscored = "";
    int got = 0, bad = tool_open(t);
    while (!bad && (got = group_read(t, &g)) > 0) {
        ballot_make(&b, g.r, g.n, &set.w, (enum answer_match)set.match);
        n.questions++;
        n.unscored += b.scored == 0;
        if (b.scored < b.n) unscored = b.c[b.n - 1].unscored;
        bad = choose(t, &b, how);
    }
    if (!bad && got == 0) bad = judge_run(t, &n, how, unscored);
    group_free(&g);
    ballot_free(&b);
    return bad || got < 0 ? -1 : tool_close(t);
}

int select_best(struct tool *t) { return run(t, BEST); }
int select_vote(struct tool *t) { return run(t, VOTE); }
int select_weighted(struct tool *t) { return run(t, WEIGHTED); }
