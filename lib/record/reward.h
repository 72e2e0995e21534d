/* SPDX-License-Identifier: Apache-2.0
 * The score of a path, in one place for every program that ranks paths.
 *
 *   over steps (the paper's):  score = w * agg(step scores) + (1 - w) * answer score,   w = step_weight
 *   over all:                  score = agg(step scores, then the answer score if there is one); where path.end says that
 *                              the path was cut off or is in no form, there has to be one
 *   by KEY:                    the number the record has there: "mix" is scores.mix, "path.answer_score" is that
 *
 * agg: mean, min, product, or the last one. Step scores are path.steps[].score, the answer score is path.answer_score.
 * A term whose weight is 0 is not looked at. Unknown is not zero: where a score that counts is absent, null or not
 * finite, the path has no score.
 */
#ifndef RECORD_REWARD_H
#define RECORD_REWARD_H

#include "record/record.h"

enum reward_agg { AGG_MEAN, AGG_MIN, AGG_PRODUCT, AGG_LAST };
enum reward_over { OVER_STEPS, OVER_ALL };
struct reward { const char *by; double step_weight; int agg, over; };    /* by NULL: from the path's own scores */
#define REWARD_DEFAULT { NULL, 0.2, AGG_MEAN, OVER_STEPS }

/* For option tables: --by, --step-weight, --agg, --over. */
#define REWARD_OPTS(r) \
    { 0, "by", "KEY", OPT_STR, &(r).by, 0, 0, "go by this number, NAME of scores or dotted, instead of the path's score" }, \
    { 0, "step-weight", "W", OPT_FLOAT, &(r).step_weight, 0, 1, "score = W * steps + (1 - W) * answer" }, \
    { 0, "agg", "mean|min|product|last", OPT_CHOICE, &(r).agg, 0, 0, "how step scores become one" }, \
    { 0, "over", "steps|all", OPT_CHOICE, &(r).over, 0, 0, "all: of steps and answer as one list, without W" }

/* score, and what each term of it is (weighted) where there are two terms: score = step + answer. */
struct path_score { double score, step, answer; bool terms; };
/* NULL with *s set, or why the path has no score (a static string; s is then unchanged). */
const char *reward_of(const struct reward *w, const val *root, struct path_score *s);
/* A named reward: KEY with a dot leads into the record, else it is a name in scores. false: absent or not finite. */
bool reward_named(const val *root, const char *key, double *x);

#endif
