/* SPDX-License-Identifier: Apache-2.0
 * cos-eval accuracy --bench: what is kept of the records, and the table made of it.
 */
#ifndef TOOLS_EVAL_BENCH_H
#define TOOLS_EVAL_BENCH_H

#include "bench/bench.h"
#include "eval.h"

enum unparsed { UNPARSED_WRONG, UNPARSED_DROP, UNPARSED_RANDOM, UNPARSED_WAYS };
extern const char *const unparsed_words[UNPARSED_WAYS];

struct bench_set {                             /* the options */
    struct bench_rule rule;
    enum unparsed unparsed;
    uint64_t seed;                             /* of random answers */
    const char *decisions;                     /* a file for each record's decision; NULL: none */
    bool json;
};

struct bench_question {
    int64_t index;                             /* path.index of the path that counts */
    bool parsed, right, drawn_right;           /* drawn_right: so is the random answer in place of one that is unparsed */
    int choices, gold, drawn, order;           /* drawn: index of that answer, or -1 */
    int group_begin, groups;                   /* in bench_tally.group_of */
    long image;                                /* number of its image's name, or -1 */
    struct slice prediction;                   /* kept for --decisions alone */
};

struct bench_tally {
    struct bench_set set;
    struct names ids, groups, images;          /* a group's name is "kind\nname" */
    struct bench_question *q;                  /* ids.n */
    size_t cap;
    int *group_of, ngroup_of, group_cap;
    struct arena texts, scratch;
    uint64_t later;                            /* paths that are not a question's first */
};

enum { BENCH_SEED = 42 };                      /* of random answers, unless another is asked for: MMMU's */
/* Fills in what the words mean; -1 + fail(ERR_USAGE). */
MUST_USE int eval_bench_options(const char *bench, const char *unparsed, struct bench_set *set);
int eval_bench(struct tool *t, const struct bench_set *set);

/* ---- the table (eval_bench_table.c) ---- */

/* -1: questions that do not pair. */
MUST_USE int bench_table(const struct bench_tally *a, FILE *f);

/* Answers counted in each of the three ways. */
struct bench_counts { uint64_t n, missing, unparsed, right, drawn_right; };
uint64_t bench_right(const struct bench_counts *c, enum unparsed way);
uint64_t bench_of(const struct bench_counts *c, enum unparsed way);
void bench_put_head(struct table *t, const struct bench_tally *a, struct slice kind, struct slice group, const char *measure);
void bench_put_counts(struct table *t, const struct bench_tally *a, const struct bench_counts *c);
void bench_split_group(struct slice both, struct slice *kind, struct slice *name);         /* "kind\nname" */

/* MME (eval_bench_mme.c): accuracy+ and scores, behind the rows of accuracy. */
MUST_USE int bench_put_pairs(struct table *t, const struct bench_tally *a);

#endif
