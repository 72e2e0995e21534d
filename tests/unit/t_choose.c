/* SPDX-License-Identifier: Apache-2.0
 * record/reward, choose, pairs: cases by hand, and that the order of arrival never matters.
 */
#include <stdlib.h>
#include "t.h"
#include "base/rng.h"
#include "record/jsonl.h"
#include "record/pairs.h"

static struct record *of_json(const char *s)
{
    struct buf b = { 0 };
    struct record *r = rec_new();
    if (jsonl_get(s, strlen(s), &b) || rec_unpack(r, b.p, b.len)) {
        t_bad++;
        printf("# %s: %s\n", s, err_msg());
    }
    buf_free(&b);
    return r;
}

static double score(struct reward w, const char *json)
{
    struct record *r = of_json(json);
    struct path_score s;
    double x = reward_of(&w, &r->root, &s) ? NAN : s.score;
    rec_free(r);
    return x;
}

static const char *why(struct reward w, const char *json)
{
    struct record *r = of_json(json);
    struct path_score s;
    const char *y = reward_of(&w, &r->root, &s);
    rec_free(r);
    return y ? y : "scored";
}

#define PATH "{\"id\":\"a\",\"path\":{\"steps\":[{\"score\":0.5},{\"score\":0.25},{\"score\":1}],\"answer_score\":0.75},\"scores\":{\"x\":3,\"n\":null}}"

static void test_reward(void)
{
    struct reward w = REWARD_DEFAULT;
    T_NEAR(score(w, PATH), 0.2 * 1.75 / 3 + 0.8 * 0.75, 1e-15);
    w.step_weight = 1;
    T_NEAR(score(w, PATH), 1.75 / 3, 1e-15);
    w.agg = AGG_MIN;
    T_NEAR(score(w, PATH), 0.25, 0);
    w.agg = AGG_PRODUCT;
    T_NEAR(score(w, PATH), 0.125, 0);
    w.agg = AGG_LAST;
    T_NEAR(score(w, PATH), 1, 0);
    w.over = OVER_ALL;
    T_NEAR(score(w, PATH), 0.75, 0);
    w.agg = AGG_MEAN;
    T_NEAR(score(w, PATH), 2.5 / 4, 1e-15);
    w.agg = AGG_MIN;
    T_NEAR(score(w, PATH), 0.25, 0);
    w.agg = AGG_PRODUCT;
    T_NEAR(score(w, PATH), 0.125 * 0.75, 1e-15);
    T_NEAR(score((struct reward){ .by = "x" }, PATH), 3, 0);
    T_NEAR(score((struct reward){ .by = "path.answer_score" }, PATH), 0.75, 0);
}

static void test_reward_unknown(void)
{
    struct reward w = REWARD_DEFAULT, all = { .over = OVER_ALL }, answer = { .step_weight = 0 }, steps = { .step_weight = 1 };
    T_STR(why(w, "{\"id\":\"a\"}"), "no path");
    T_STR(why(w, "{\"id\":\"a\",\"path\":{\"answer_score\":1}}"), "no steps");
    T_STR(why(answer, "{\"id\":\"a\",\"path\":{\"answer_score\":1}}"), "scored");
    T_STR(why(w, "{\"id\":\"a\",\"path\":{\"steps\":[{\"score\":1},{\"score\":null}],\"answer_score\":1}}"), "a step has no score");
    T_STR(why(w, "{\"id\":\"a\",\"path\":{\"steps\":[{\"score\":1}]}}"), "no answer score");
    T_STR(why(w, "{\"id\":\"a\",\"path\":{\"steps\":[{\"score\":1}],\"answer_score\":{\"$float\":\"nan\"}}}"), "no answer score");
    T_STR(why(steps, "{\"id\":\"a\",\"path\":{\"steps\":[{\"score\":1}]}}"), "scored");
    T_STR(why(all, "{\"id\":\"a\",\"path\":{\"steps\":[{\"score\":1}]}}"), "scored");
    T_STR(why(all, "{\"id\":\"a\",\"path\":{\"steps\":[]}}"), "no step and no answer score");
    T_STR(why((struct reward){ .by = "n" }, PATH), "no score");
    T_STR(why((struct reward){ .by = "y" }, PATH), "no score");
}

/* ---- votes ---- */

enum { MAX = 8 };
struct votes { struct record *r[MAX]; int n; struct ballot b; };

static void votes_add(struct votes *v, int index, const char *answer, double x)
{
    char s[256], number[32];
    snprintf(number, sizeof number, isnan(x) ? "null" : "%g", x);
    snprintf(s, sizeof s, "{\"id\":\"q\",\"choices\":[\"red\",\"blue\"],\"path\":{\"index\":%d,\"answer\":%s},\"scores\":{\"s\":%s}}", index, answer, number);
    v->r[v->n++] = of_json(s);
}

static void votes_end(struct votes *v)
{
    for (int i = 0; i < v->n; i++) rec_free(v->r[i]);
    ballot_free(&v->b);
}

static const struct reward by_s = { .by = "s" };

/* path.index of the winner, the same in every one of 50 orders of arrival. */
static int64_t winner(struct votes *v, enum answer_match how, bool weighted, struct choice *c)
{
    struct rng rng = rng_new(1, "orders");
    int64_t first = -1;
    for (int k = 0; k < 50; k++) {
        rng_shuffle(&rng, v->r, (size_t)v->n, sizeof *v->r);
        ballot_make(&v->b, v->r, v->n, &by_s, how);
        *c = choose_vote(&v->b, NULL, v->n, weighted);
        int64_t at = v->b.c[c->winner].index;
        if (k == 0) first = at;
        else T_INT(at, first);
    }
    return first;
}

static void test_majority(void)
{
    struct votes v = { 0 };
    struct choice c;
    votes_add(&v, 0, "\"Red.\"", 0.1);
    votes_add(&v, 1, "\"blue\"", 0.9);
    votes_add(&v, 2, "\"the red\"", 0.2);
    votes_add(&v, 3, "null", 1);
    votes_add(&v, 4, "\" . \"", 1);            /* nothing of it is left: no answer */
    T_INT(winner(&v, ANSWER_EXACT, false, &c), 2);
    T_INT(c.votes, 2);
    T_INT(c.of, 5);
    T_INT(winner(&v, ANSWER_EXACT, true, &c), 1);
    T_NEAR(c.weight, 0.9, 0);
    votes_add(&v, 5, "\"B\"", 0.05);           /* (B) is blue: two against two, and the better one */
    T_INT(winner(&v, ANSWER_CHOICE, false, &c), 1);
    votes_end(&v);
}

static void test_vote_ties(void)
{
    struct votes v = { 0 };
    struct choice c;
    votes_add(&v, 3, "\"b\"", 0.5);
    votes_add(&v, 1, "\"c\"", 0.5);
    T_INT(winner(&v, ANSWER_EXACT, false, &c), 3);         /* b before c */
    votes_add(&v, 7, "\"b\"", 0.5);
    votes_add(&v, 0, "\"c\"", 0.25);
    T_INT(winner(&v, ANSWER_EXACT, false, &c), 3);         /* the same best scores; lowest index of b */
    votes_add(&v, 8, "\"c\"", 0.75);
    votes_add(&v, 9, "\"b\"", 0.5);
    T_INT(winner(&v, ANSWER_EXACT, false, &c), 8);         /* three each, c has the best */
    T_INT(winner(&v, ANSWER_EXACT, true, &c), 8);          /* 1.5 each, three votes each */
    votes_end(&v);
}

static void test_vote_unknown(void)
{
    struct votes v = { 0 };
    struct choice c;
    votes_add(&v, 2, "null", 0.25);
    votes_add(&v, 1, "null", 0.25);
    votes_add(&v, 0, "null", NAN);
    T_INT(winner(&v, ANSWER_EXACT, false, &c), 1);         /* none has an answer: the best path */
    T_INT(c.votes, 0);
    votes_add(&v, 5, "\"x\"", NAN);
    votes_add(&v, 4, "\"x\"", NAN);
    votes_add(&v, 6, "\"y\"", -1);
    T_INT(winner(&v, ANSWER_EXACT, false, &c), 4);
    T_INT(winner(&v, ANSWER_EXACT, true, &c), 6);          /* a score below zero is one; none is none */
    votes_end(&v);
}

static void test_numbers(void)
{
    struct votes v = { 0 };
    struct choice c;
    votes_add(&v, 0, "\"1,000\"", 0.1);
    votes_add(&v, 1, "1000", 0.2);
    votes_add(&v, 2, "\"$1000.0\"", 0.3);
    votes_add(&v, 3, "\"7\"", 0.9);
    T_INT(winner(&v, ANSWER_NUMBER, false, &c), 2);
    T_INT(c.votes, 3);
    T_INT(winner(&v, ANSWER_EXACT, false, &c), 3);         /* four different texts */
    votes_end(&v);
}

static void test_same_index(void)              /* two runs put together: the bytes decide */
{
    struct votes v = { 0 };
    votes_add(&v, 0, "\"x\"", 0.5);
    votes_add(&v, 0, "\"y\"", 0.5);
    votes_add(&v, 0, "\"x\"", 0.5);
    for (int k = 0; k < 3; k++) {
        struct record *first = v.r[0];
        v.r[0] = v.r[1];
        v.r[1] = v.r[2];
        v.r[2] = first;
        ballot_make(&v.b, v.r, 3, &by_s, ANSWER_EXACT);
        T_CHECK(val_is_str(val_path(&v.b.c[0].r->root, "path.answer"), "x"));
        T_CHECK(val_is_str(val_path(&v.b.c[2].r->root, "path.answer"), "y"));
    }
    votes_end(&v);
}

static void test_subset(void)
{
    struct votes v = { 0 };
    votes_add(&v, 0, "\"x\"", 0.9);
    votes_add(&v, 1, "\"y\"", 0.8);
    votes_add(&v, 2, "\"y\"", 0.7);
    votes_add(&v, 3, "null", 0.6);
    ballot_make(&v.b, v.r, 4, &by_s, ANSWER_EXACT);
    T_INT(choose_vote(&v.b, (int[]){ 0, 1, 2 }, 3, false).winner, 1);
    T_INT(choose_vote(&v.b, (int[]){ 0, 2 }, 2, false).winner, 0);
    T_INT(choose_vote(&v.b, (int[]){ 2, 3 }, 2, false).winner, 2);
    T_INT(choose_vote(&v.b, (int[]){ 3 }, 1, true).winner, 3);
    votes_end(&v);
}

/* ---- pairs ---- */

static int pairs_of(struct votes *v, struct pair_rule rule, struct pair *out, enum pair_why *y)
{
    static uint64_t text[MAX];
    ballot_make(&v->b, v->r, v->n, &by_s, ANSWER_EXACT);
    for (int i = 0; i < v->n; i++) T_OK(pair_text_hash(v->b.c[i].r, &text[i]));
    return pairs_pick(&v->b, text, &rule, out, y);
}

static void test_pairs(void)
{
    struct votes v = { 0 };
    struct pair p[16];
    enum pair_why y;
    votes_add(&v, 0, "\"a\"", 0.1);
    T_INT(pairs_of(&v, (struct pair_rule){ 0, 1, 1, false }, p, &y), 0);
    T_INT(y, PAIR_ONE_PATH);
    votes_add(&v, 1, "\"b\"", 0.1);
    T_INT(pairs_of(&v, (struct pair_rule){ 0, 1, 1, false }, p, &y), 0);
    T_INT(y, PAIR_EQUAL);
    votes_add(&v, 2, "\"c\"", 0.9);
    votes_add(&v, 3, "\"d\"", 0.5);
    T_INT(pairs_of(&v, (struct pair_rule){ 0.8, 1, 1, false }, p, &y), 0);     /* 0.9 - 0.1 is not more than 0.8 */
    T_INT(y, PAIR_GAP);
    /* ranked: c 0.9, d 0.5, a 0.1, b 0.1 */
    T_INT(pairs_of(&v, (struct pair_rule){ 0.3, 9, 1, false }, p, &y), 2);
    T_CHECK(p[0].chosen == 0 && p[0].rejected == 2 && p[1].chosen == 1 && p[1].rejected == 3);
    T_INT(pairs_of(&v, (struct pair_rule){ 0.3, 9, 9, false }, p, &y), 5);
    T_CHECK(p[1].chosen == 0 && p[1].rejected == 3);
    T_CHECK(p[2].chosen == 0 && p[2].rejected == 1);                           /* 0.4 and 0.4: the better one's rank */
    T_CHECK(p[3].chosen == 1 && p[3].rejected == 2 && p[4].chosen == 1 && p[4].rejected == 3);
    T_INT(pairs_of(&v, (struct pair_rule){ 0.3, 9, 2, false }, p, &y), 4);
    T_INT(pairs_of(&v, (struct pair_rule){ 0.3, 9, 1, true }, p, &y), 0);
    T_INT(y, PAIR_NO_RIGHT);
    votes_end(&v);
}

static void test_pairs_by_search(void)         /* against all pairs sorted, taken greedily */
{
    struct rng rng = rng_new(3, "pairs");
    for (int round = 0; round < 200; round++) {
        struct votes v = { 0 };
        struct pair got[64], want[64], all[64];
        enum pair_why y;
        struct pair_rule rule = { 0.1 * rng_next_below(&rng, 4), 1 + (int)rng_next_below(&rng, 12), 1 + (int)rng_next_below(&rng, 3), false };
        for (int i = 0, n = 2 + (int)rng_next_below(&rng, MAX - 1); i < n; i++) {
            char answer[8];
            snprintf(answer, sizeof answer, "\"%u\"", rng_next_below(&rng, 5));
            votes_add(&v, i, answer, rng_next_below(&rng, 6) / 8.0);
        }
        int n = pairs_of(&v, rule, got, &y), m = 0, k = 0, used[MAX] = { 0 };
        for (int a = 0; a < v.n; a++)
            for (int b = 0; b < v.n; b++) {
                double gap = v.b.c[a].s.score - v.b.c[b].s.score;
                uint64_t ta, tb;
                T_OK(pair_text_hash(v.b.c[a].r, &ta) || pair_text_hash(v.b.c[b].r, &tb));
                if (gap <= rule.gap || ta == tb) continue;
                int at = m++;
                for (; at > 0 && v.b.c[all[at - 1].chosen].s.score - v.b.c[all[at - 1].rejected].s.score < gap; at--) all[at] = all[at - 1];
                all[at] = (struct pair){ a, b };
            }
        for (int i = 0; i < m && k < rule.per_question; i++) {
            if (used[all[i].chosen] == rule.per_path || used[all[i].rejected] == rule.per_path) continue;
            used[all[i].chosen]++;
            used[all[i].rejected]++;
            want[k++] = all[i];
        }
        T_INT(n, k);
        T_CHECK(n != k || !n || !memcmp(got, want, (size_t)n * sizeof *got));
        T_CHECK((n > 0) == (y == PAIR_MADE));
        votes_end(&v);
    }
}

static void test_pair_record(void)
{
    struct record *a = of_json("{\"id\":\"q\",\"question\":\"?\",\"path\":{\"index\":4,\"steps\":[{\"score\":1}],\"answer\":\"x\",\"answer_score\":0.5},\"scores\":{\"prm\":2},\"meta\":{\"k\":1}}");
    struct record *b = of_json("{\"id\":\"q\",\"question\":\"?\",\"path\":{\"index\":1,\"steps\":[{\"score\":0}],\"answer\":\"y\",\"answer_score\":0.25},\"scores\":{\"prm\":1},\"meta\":{\"k\":2}}");
    struct record *want = of_json("{\"id\":\"q\",\"question\":\"?\",\"meta\":{\"k\":1,\"pair\":{\"gap\":0.625,\"chosen_score\":0.75,\"rejected_score\":0.125,\"step_gap\":0.5,\"answer_gap\":0.125,\"decided_by\":\"step\"}},"
        "\"chosen\":{\"index\":4,\"steps\":[{\"score\":1}],\"answer\":\"x\",\"answer_score\":0.5,\"scores\":{\"prm\":2}},"
        "\"rejected\":{\"index\":1,\"steps\":[{\"score\":0}],\"answer\":\"y\",\"answer_score\":0.25,\"scores\":{\"prm\":1}}}");
    struct reward w = { .step_weight = 0.5 };
    struct candidate c = candidate_of(a, &w), d = candidate_of(b, &w);
    struct record *out = rec_new();
    pair_record(out, &c, &d);
    T_CHECK(val_equal(&out->root, &want->root));
    T_INT(rec_kind_of(out), REC_PAIR);
    rec_free(a);
    rec_free(b);
    rec_free(want);
    rec_free(out);
}

int main(void)
{
    T_RUN(test_reward);
    T_RUN(test_reward_unknown);
    T_RUN(test_majority);
    T_RUN(test_vote_ties);
    T_RUN(test_vote_unknown);
    T_RUN(test_numbers);
    T_RUN(test_same_index);
    T_RUN(test_subset);
    T_RUN(test_pairs);
    T_RUN(test_pairs_by_search);
    T_RUN(test_pair_record);
    return t_end();
}
