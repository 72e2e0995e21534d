/* SPDX-License-Identifier: Apache-2.0
 * Measures of predictions, tests, and bootstrap intervals.
 *
 * Observations that belong together (steps of a path, paths of a question) are not independent, so intervals come from
 * resampling whole questions: a statistic is a function of how often each question counts.
 *
 *     static void means(const void *arg, const double *weight, double *out) { ...out[0] = weighted mean...; }
 *     struct estimate e[1];
 *     boot_estimate(means, arg, questions, 1, &(struct boot){ 2000, seed, threads }, e);
 */
#ifndef BASE_MEASURE_H
#define BASE_MEASURE_H

#include <stdbool.h>
#include "base/stat.h"

/* ---- bootstrap ---- */

enum { BOOT_MIN = 100, BOOT_MAX = 100000 };
struct boot { int resamples; uint64_t seed; int threads; };     /* threads 0: 1; the result does not depend on them */
struct estimate { double value; struct interval i; };     /* NAN: not defined on these data */

/* Fills out[0..k) where question i counts weight[i] times. NAN for what is not defined. On any thread. */
typedef void boot_fn(const void *arg, const double *weight, double *out);

/* value: all weights 1. i: the 2.5 % and 97.5 % points over resamples of n questions drawn with replacement (Efron's
 * percentile interval); a resample in which the statistic is not defined is left out. NAN for n < 2. */
void boot_estimate(boot_fn *f, const void *arg, int n, int k, const struct boot *b, struct estimate *out);

/* The p-quantile of sorted x by linear interpolation between neighbours (Hyndman & Fan's type 7). n >= 1. */
double stat_quantile(const double *x, int n, double p);

/* ---- tests and counts ---- */

/* McNemar's test, exact and two-sided: b and c count the pairs in which only the first, only the second is right.
 *   p = min(1, 2 P(X <= min(b, c))),  X binomial with b + c tries and 1/2 */
double stat_mcnemar(uint64_t b, uint64_t c);
/* pass@k from n tries of which c are right (Chen et al. 2021, eq. 1): 1 - C(n - c, k) / C(n, k). k <= n. */
double stat_pass_at(int n, int c, int k);

/* ---- predictions ---- */

enum { ECE_BINS = 10 };
/* A prediction: `score` for being right, and the truth; it counts as often as its question. */
struct prediction { double score; bool right; int question; };
struct bin { double n, score, right; };        /* sums over the predictions in [b / 10, (b + 1) / 10), the last with its end */

struct judged {
    double n, share_right;
    double accuracy;                           /* right is predicted where score > threshold */
    double f1_right, f1_wrong, f1_macro;       /* F1 of a class = 2 tp / (2 tp + fp + fn); macro: the mean of both */
    double kappa;                              /* Cohen: (p_o - p_e) / (1 - p_e) */
    double auroc;                              /* P(score of a right one > of a wrong one) + P(equal) / 2 */
    double brier;                              /* mean (score - truth)^2 */
    double ece;                                /* sum over bins of n_b / n |mean score - share right| (Guo et al. 2017) */
};
void stat_sort_predictions(struct prediction *p, int n);     /* by score, as stat_judge wants them */
/* bins: NULL, or ECE_BINS to fill. Scores outside [0, 1] have no brier and no ece. */
void stat_judge(const struct prediction *p, int n, const double *weight, double threshold, struct judged *out, struct bin *bins);

/* Pearson's correlation, where pair i counts weight[question[i]] times; NAN where either side does not vary. */
double stat_pearson(const double *x, const double *y, const int *question, int n, const double *weight);

#endif
