/* SPDX-License-Identifier: Apache-2.0
 * What the benchmarks share: an item as a parser sees it, extraction, and VLMEvalKit's inference of options.
 */
#ifndef BENCH_BENCH_PRIV_H
#define BENCH_BENCH_PRIV_H

#include "bench/bench.h"
#include "bench/py.h"

enum { CHOICES_MAX = 26, GOLDS_MAX = 64 };

struct bench_item {
    const struct bench_rule *rule;
    const val *root;                           /* of the record */
    struct arena *a;
    struct slice choice[CHOICES_MAX];          /* texts, where the record has them */
    int nchoice;                               /* how many options there are, texts known or not; 0: an open question */
    bool choice_texts;
    struct slice text;                         /* what the parser gets; with stored: a final answer */
    bool has_text, stored, marked;             /* marked: it stood between the markers of a CoS response */
    /* not for parsers: */
    struct slice gold[GOLDS_MAX];              /* the right answers, any of which will do; numbers as Python prints them */
    int ngold;
    int gold_choice;                           /* of multiple choice: the right one's index; -1: none is */
};

/* A parsed answer of multiple choice: the index of the option, or one of these. */
enum { OPTION_NONE = -1, OPTION_OTHER = -2 /* an answer that is none of the options: wrong, but parsed */ };

typedef void bench_judge_fn(struct bench_item *it, struct bench_verdict *v);

struct bench_key { const char *kind, *path; };                       /* a group by the value at the path; arrays: each */
struct bench {
    const char *name;
    bench_judge_fn *judge[BENCH_PROTOCOLS];                          /* NULL: no such protocol */
    const char *gold_note[BENCH_PROTOCOLS];
    int letters;                                                     /* options assumed where a record has no choices; 0: none */
    bool gold_text;                                                  /* the right answer is a choice's text before it is a letter */
    const struct bench_key *keys;                                    /* ends with kind NULL; NULL: none */
    int (*groups)(const struct record *r, struct arena *a, struct bench_group *out);       /* instead of keys */
    const char *const *means;                                        /* see bench_means */
    enum bench_total total;
    int (*order)(const struct record *r);
};
extern const struct bench bench_mathvista, bench_mmstar, bench_mmmu, bench_m3cot, bench_ai2d, bench_chartqa, bench_scienceqa,
                          bench_mme;

/* ---- extraction: what stands in a response ---- */

/* Between the markers (text/steps.h), without brackets around it: every "(" is taken off both ends, then every ")".
 * false: a marker is missing. */
bool extract_markers(struct slice response, bool brackets_too, struct slice *out);
struct slice extract_final(struct slice response);

/* ---- items ---- */

/* Fills it from the record. -1: no path, no right answer, malformed choices. */
MUST_USE int item_make(struct bench_item *it, const struct bench_rule *rule, struct record *r, struct arena *a);
struct slice item_letter(struct arena *a, int option);               /* "B" */
int  item_option(const struct bench_item *it, struct slice letter);  /* index of a capital letter alone; else OPTION_NONE */
const val *item_meta(const struct record *r, const char *path);      /* a key at the top or in meta */
bool item_text_at(const struct record *r, const char *path, struct slice *s);

/* ---- verdicts ---- */

/* Of multiple choice: the option, OPTION_OTHER with its text, or OPTION_NONE. */
void verdict_option(struct bench_item *it, int option, struct slice text, struct bench_verdict *v);
/* Of an answer that is compared as text with the right letter, case and all. */
void verdict_letter_text(struct bench_item *it, struct slice answer, struct bench_verdict *v);
void verdict_text(struct bench_item *it, struct slice prediction, bool right, struct bench_verdict *v);
void verdict_none(struct bench_item *it, struct bench_verdict *v);

/* ---- rules that several benchmarks use ---- */

int  option_infer(const struct bench_item *it, struct slice text);   /* VLMEvalKit: option, OPTION_OTHER for "Z", or OPTION_NONE */
bench_judge_fn judge_infer, judge_exact_letter, judge_clean_letter;
/* CoS and InternVL: one character stays; else a first character that is an option letter; else the first option whose text
 * stands in it, case and all; else the text as it is. */
struct slice clean_letter(const struct bench_item *it, struct slice s);
/* ChartQA: numbers within 5 % of the target, ends included; else the same but for case. */
bool relaxed_match(struct arena *a, struct slice target, struct slice prediction);

#endif
