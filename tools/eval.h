/* SPDX-License-Identifier: Apache-2.0
 * The commands of cos-eval, one a file, and what they share: tables as TSV or JSON, and what they read of a path.
 */
#ifndef TOOLS_EVAL_H
#define TOOLS_EVAL_H

#include "base/measure.h"
#include "base/names.h"
#include "common.h"
#include "record/answer.h"

extern const struct opt eval_accuracy_opts[], eval_pairs_opts[], eval_length_opts[], eval_prm_opts[], eval_compare_opts[],
                        eval_scaling_opts[];
extern const char eval_accuracy_details[], eval_pairs_details[], eval_length_details[], eval_prm_details[],
                  eval_compare_details[], eval_scaling_details[];
int eval_accuracy(struct tool *t);
int eval_pairs(struct tool *t);
int eval_length(struct tool *t);
int eval_prm(struct tool *t);
int eval_compare(struct tool *t);
int eval_scaling(struct tool *t);

/* ---- options ---- */

enum { EVAL_SCORED };                          /* --match scored; the words behind it are enum answer_match + 1 */
#define EVAL_MATCH_OPT(m) \
    { 0, "match", "scored|" ANSWER_MATCHES, OPT_CHOICE, &(m), 0, 0, "take path.correct as it is, or compare anew" }
#define EVAL_JSON_OPT(j) { 0, "json", NULL, OPT_FLAG, &(j), 0, 0, "JSON instead of TSV" }
#define EVAL_BOOT_OPT(n) { 0, "resamples", "N", OPT_INT, &(n), BOOT_MIN, BOOT_MAX, "of the bootstrap; drawn by --seed" }
enum { EVAL_RESAMPLES = 1000 };

/* ---- what is read of a path; NAN: not known ---- */

/* Whether the path is right, and whether it has no answer. -1: it cannot be judged. */
MUST_USE int eval_judge(struct record *r, int match, bool *right, bool *unparsed);
double eval_tokens(const val *path);           /* how many */
double eval_steps(const val *path);
double eval_chars(const val *path);            /* of all steps and the answer, in code points */
bool   eval_id(const struct record *r, struct slice *id);
/* The row that the record belongs to: the text or whole number under key, or "(none)". space: for the number. */
struct slice eval_row(const val *root, const char *key, char space[32]);

/* A growing array of rows of k numbers, each of a question. */
struct columns { int k, n, cap; double *x; int *question; };
double *columns_add(struct columns *c, int question);      /* the new row, zeroed; until the next call */
void    columns_free(struct columns *c);

/* Estimates the means of all k columns, each over the rows where it is not NAN, by resampling questions. */
void columns_means(const struct columns *c, int questions, const struct boot *b, struct estimate *out, uint64_t *count);

/* ---- tables ---- */

/* Cells come row by row; a row ends by itself. JSON: {"table": name, "rows": [{column: cell, ...}, ...]}. */
struct table { FILE *f; bool json; const char *const *column; int columns, at; uint64_t cells; };
void table_begin(struct table *t, FILE *f, bool json, const char *name, const char *const *column, int columns);
void table_text(struct table *t, struct slice s);          /* in TSV tabs and newlines become spaces */
void table_word(struct table *t, const char *s);
void table_count(struct table *t, uint64_t n);
void table_real(struct table *t, double x, int decimals);  /* not finite: "-", null */
void table_end(struct table *t);

/* The cells value, low, high, interval: `how` names the method, "-" where there is no interval. */
#define EVAL_VALUE_COLUMNS "value", "low", "high", "interval"
void table_estimate(struct table *t, const struct estimate *e, int decimals, const char *how);
/* "bootstrap by question, 1000 resamples, seed 0"; static, of the last call. */
const char *eval_boot_name(const struct boot *b);
/* table_estimate of a share among n that are independent of each other: with Wilson's interval. */
void table_share(struct table *t, double share, uint64_t n, int decimals);
/* table_estimate of a share by bootstrap. Where it is 0 or 1 every resample is the same, and the interval would claim
 * certainty; then it is Wilson's as if each question were one observation. */
void table_rate(struct table *t, const struct estimate *e, uint64_t questions, int decimals, const char *how);
void eval_put_json_text(FILE *f, struct slice s);

#endif
