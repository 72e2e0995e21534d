/* SPDX-License-Identifier: Apache-2.0
 * When the count of a step ends, and the search for the first wrong step: over all outcomes.
 */
#include "t.h"
#include "base/mem.h"
#include "base/stat.h"
#include "search/first_error.h"
#include "search/rollout.h"

/* Follows one outcome (bit i: continuation i is right); returns how many were sampled, *k of them right. */
static int follow(const struct rollout_rule *rule, unsigned outcome, int *k)
{
    int done = 0;
    *k = 0;
    for (int more; (more = rollout_more(rule, *k, done));)
        for (int i = 0; i < more; i++) *k += outcome >> done++ & 1;
    return done;
}

static int ones(unsigned x) { return __builtin_popcount(x); }

static void test_without_adaptive(void)
{
    struct rollout_rule rule = { .n = 9 };
    T_INT(rollout_more(&rule, 0, 0), 9);
    T_INT(rollout_more(&rule, 3, 9), 0);
}

static void test_error_zero_gives_the_side_of_all(void)
{
    static const double t[] = { 0, 0.01, 0.24, 0.25, 0.5, 0.51, 0.99, 1 };
    for (int n = 1; n <= 10; n++)
        for (int i = 0; i < countof(t); i++) {
            struct rollout_rule rule = { n, true, t[i], 0 };
            for (unsigned outcome = 0; outcome < 1u << n; outcome++) {
                int k, done = follow(&rule, outcome, &k);
                T_CHECK(done >= 1 && done <= n);
                T_INT((double)k / done > t[i], (double)ones(outcome) / n > t[i]);
            }
        }
}

static void test_a_single_hit(void)
{
    struct rollout_rule rule = { 8, true, 0, 0.05 };
    for (unsigned outcome = 0; outcome < 256; outcome++) {
        int k, done = follow(&rule, outcome, &k), first = outcome ? __builtin_ctz(outcome) + 1 : 8;
        T_INT(done, first);
        T_INT(k, outcome != 0);
    }
}

/* A count that ended early was clear, or decided; and a look one continuation earlier would not have ended it. */
static void test_no_look_is_missed(void)
{
    static const double t[] = { 0, 0.1, 0.5, 0.8 };
    for (int i = 0; i < countof(t); i++) {
        struct rollout_rule rule = { 14, true, t[i], 0.1 };
        for (unsigned outcome = 0; outcome < 1u << 14; outcome += 7) {
            int k, done = follow(&rule, outcome, &k), before = 0, one = 0;
            for (; one < done; one++) {
                if (one && !rollout_more(&rule, before, one)) break;
                before += outcome >> one & 1;
            }
            T_INT(one, done);
            if (done < 14 && stat_side(k, done, t[i], 0.1) == 0)
                T_CHECK((k + 14.0 - done) / 14 <= t[i] || k / 14.0 > t[i]);
        }
    }
}

static void test_saves(void)
{
    struct rollout_rule rule = { 64, true, 0.5, 0.05 };
    int k;
    T_INT(rollout_more(&rule, 0, 0), 7);
    T_INT(follow(&rule, 0xffffffff, &k), 7);
    T_INT(follow(&rule, 0, &k), 7);
}

static int log2_up(int n)
{
    int k = 0;
    while (1 << k < n) k++;
    return k;
}

static void test_first_error(void)
{
    for (int n = 0; n <= 20; n++)
        for (int wrong = 0; wrong <= n; wrong++)
            for (int end = 0; end < 2; end++) {
                struct first_error f = first_error_of(n, end);
                int asked = 0, i;
                for (; (i = first_error_next(&f)) >= 0; asked++) {
                    T_CHECK(i < n);
                    first_error_told(&f, i, i < wrong ? 1 : -1);
                }
                T_CHECK(asked <= log2_up(n + 1) + end);
                if (end && wrong == n) T_CHECK(asked <= 1);
                for (i = 0; i < n; i++) T_INT(first_error_side(&f, i), i < wrong ? 1 : -1);
            }
}

/* Steps from `limit` on cannot be asked. */
static void test_first_error_unknown(void)
{
    for (int n = 1; n <= 12; n++)
        for (int wrong = 0; wrong <= n; wrong++)
            for (int limit = 0; limit <= n; limit++)
                for (int end = 0; end < 2; end++) {
                    struct first_error f = first_error_of(n, end);
                    for (int i; (i = first_error_next(&f)) >= 0;) first_error_told(&f, i, i >= limit ? 0 : i < wrong ? 1 : -1);
                    for (int i = 0; i < n; i++)
                        T_INT(first_error_side(&f, i), wrong < limit ? (i < wrong ? 1 : -1) : i < limit ? 1 : 0);
                }
}

int main(void)
{
    T_RUN(test_without_adaptive);
    T_RUN(test_error_zero_gives_the_side_of_all);
    T_RUN(test_a_single_hit);
    T_RUN(test_no_look_is_missed);
    T_RUN(test_saves);
    T_RUN(test_first_error);
    T_RUN(test_first_error_unknown);
    return t_end();
}
