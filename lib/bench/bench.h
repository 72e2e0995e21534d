/* SPDX-License-Identifier: Apache-2.0
 * Scoring answers as the eight benchmarks do it, each by several protocols: the authors' own scorer ("official"), the
 * scripts of the CoS reference ("cos"), VLMEvalKit's deterministic part ("vlmevalkit"). The protocols differ in how an
 * answer is cleaned and in what becomes of one that cannot be read, so a score without its protocol says nothing.
 *
 *     struct bench_rule rule = { .bench = bench_find("mathvista"), .protocol = BENCH_OFFICIAL };
 *     struct bench_verdict v;
 *     if (bench_judge(&rule, record, &arena, &v)) ...          -1: the record lacks what the benchmark needs
 *     v.parsed, v.right, v.prediction;
 *
 * Parsing and comparing are apart: a parser gets the response, the choices and what kind of answer is wanted, and not the
 * right answer. Where a protocol itself looks at the right answer while it parses, bench_gold_note says how.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include "record/record.h"

enum bench_protocol { BENCH_OFFICIAL, BENCH_COS, BENCH_VLMEVALKIT, BENCH_LLAVA /* ScienceQA: LLaVA's script */, BENCH_PROTOCOLS };
#define BENCH_PROTOCOL_WORDS "official|cos|vlmevalkit|llava"
extern const char *const bench_protocol_words[BENCH_PROTOCOLS];

/* What of a path is given to the parser. */
enum bench_extract {
    EXTRACT_AUTO,        /* cos: markers. The others: markers if the response has both, else the whole response */
    EXTRACT_MARKERS,     /* between <|answer_start|> and <|answer_end|>; a response that lacks one is unparsed */
    EXTRACT_FINAL,       /* the line behind the first "Final answer:" or "Answer:"; else the whole response */
    EXTRACT_PLAIN,       /* the whole response */
    EXTRACT_STORED       /* path.answer: an answer that something else has extracted */
};
#define BENCH_EXTRACT_WORDS "auto|markers|final|plain|stored"

struct bench;
struct bench_rule {
    const struct bench *bench;
    enum bench_protocol protocol;
    enum bench_extract extract;
    bool int_text;       /* MathVista: an integer has to be written as one; "2.0" is none */
    bool no_guess;       /* MathVista: an empty answer is unparsed, and not the nearest choice */
};

struct bench_verdict {
    bool parsed, right;
    struct slice prediction;                   /* what was compared: a letter, a choice, a number's text; in the arena */
    int choices, gold;                         /* a random answer is drawn from so many, of which `gold` is right (-1: none);
                                                  0: nothing to draw from */
};

/* ---- the table ---- */

const struct bench *bench_find(const char *name);                    /* NULL + fail() naming those there are */
const struct bench *bench_at(int i);                                 /* NULL behind the last */
const char *bench_name(const struct bench *b);
bool bench_has(const struct bench *b, enum bench_protocol p);
/* What the parser sees of the right answer; NULL: nothing. */
const char *bench_gold_note(const struct bench_rule *rule);
/* 0; -1 + fail(ERR_USAGE) where the benchmark has no such protocol or the rule's flags are not its own. */
MUST_USE int bench_check(const struct bench_rule *rule);

/* ---- one record ---- */

MUST_USE int bench_judge(const struct bench_rule *rule, struct record *r, struct arena *a, struct bench_verdict *v);

/* The groups that the benchmark reports the record under ("task", "geometry problem solving"), in the arena. At most
 * BENCH_GROUPS; several of one kind where a record counts in several, as for skills. */
enum { BENCH_GROUPS = 32 };
struct bench_group { const char *kind; struct slice name; };
int bench_groups(const struct bench *b, const struct record *r, struct arena *a, struct bench_group *out);

/* ---- the whole ---- */

/* How a benchmark's total comes about. */
enum bench_total { TOTAL_MICRO, TOTAL_PAIRS /* MME: questions in pairs, acc and acc+ */ };
enum bench_total bench_total_of(const struct bench *b);
/* The kinds of groups over whose shares the benchmark also reports the plain mean, ending with NULL; NULL: none. */
const char *const *bench_means(const struct bench *b);
/* The number of items that the protocol divides by, whatever the file holds: of the group kind (NULL: in total);
 * 0: as many as there are. */
int bench_fixed_size(const struct bench_rule *rule, const char *kind);
/* The number of results that the official scorer insists on, or 0. */
int bench_expected(const struct bench_rule *rule);
/* Where the record comes in the order in which the official scorer draws random answers: 0 for all where the order is that
 * of the file. */
int bench_order(const struct bench *b, const struct record *r);

#endif
