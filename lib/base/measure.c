/* SPDX-License-Identifier: Apache-2.0 */
#include "base/measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double stat_mcnemar(uint64_t b, uint64_t c)
{
    uint64_t n = b + c, least = b < c ? b : c;
    double p = 0, all = lgamma((double)n + 1) - (double)n * log(2);
    if (b == c) return 1;
    for (uint64_t i = 0; i <= least; i++) p += exp(all - lgamma((double)i + 1) - lgamma((double)(n - i) + 1));
    return fmin(1, 2 * p);
}

double stat_pass_at(int n, int c, int k)
{
    double miss = 1;                           /* no right one among k: prod over i of (n - c - i) / (n - i) */
    for (int i = 0; i < k; i++) miss *= fmax(n - c - i, 0) / (n - i);
    return 1 - miss;
}

static int by_score(const void *a, const void *b)
{
    double x = ((const struct prediction *)a)->score, y = ((const struct prediction *)b)->score;
    return (x > y) - (x < y);
}

void stat_sort_predictions(struct prediction *p, int n)
{
    if (n) qsort(p, (size_t)n, sizeof *p, by_score);       /* p may be NULL then */
}

/* One pass over the sorted scores: a right one beats the wrong ones below it, and half of those with its own score. */
static double auroc(const struct prediction *p, int n, const double *weight)
{
    double wins = 0, below = 0, all_right = 0;
    for (int i = 0; i < n;) {
        double right = 0, wrong = 0, score = p[i].score;
        for (; i < n && p[i].score == score; i++) {
            double w = weight[p[i].question];
            if (p[i].right) right += w;
            else wrong += w;
        }
        wins += right * (below + 0.5 * wrong);
        below += wrong;
        all_right += right;
    }
    return all_right > 0 && below > 0 ? wins / (all_right * below) : NAN;
}

static double f1(double tp, double fp, double fn) { return 2 * tp + fp + fn > 0 ? 2 * tp / (2 * tp + fp + fn) : NAN; }

/* tp: right and said to be; fp: said to be right; fn: said to be wrong; tn: wrong and said to be. */
static void from_counts(double tp, double fp, double fn, double tn, struct judged *out)
{
    double n = tp + fp + fn + tn, agree = (tp + tn) / n, chance = ((tp + fp) * (tp + fn) + (fn + tn) * (fp + tn)) / (n * n);
    out->n = n;
    out->share_right = (tp + fn) / n;
    out->accuracy = agree;
    out->f1_right = f1(tp, fp, fn);
    out->f1_wrong = f1(tn, fn, fp);
    out->f1_macro = (out->f1_right + out->f1_wrong) / 2;
    out->kappa = chance < 1 ? (agree - chance) / (1 - chance) : NAN;
}

static double calibration_error(const struct bin *bins, double n)
{
    double sum = 0;
    for (int i = 0; i < ECE_BINS; i++) sum += fabs(bins[i].score - bins[i].right);
    return sum / n;
}

void stat_judge(const struct prediction *p, int n, const double *weight, double threshold, struct judged *out, struct bin *bins)
{
    struct bin own[ECE_BINS];
    double count[2][2] = { { 0 } }, square = 0;            /* [truth][predicted] */
    bool probable = true;
    if (!bins) bins = own;
    memset(bins, 0, sizeof own);
    for (int i = 0; i < n; i++) {
        double w = weight[p[i].question], s = p[i].score, d = s - p[i].right;
        count[p[i].right][s > threshold] += w;
        square += w * d * d;
        if (!(s >= 0 && s <= 1)) { probable = false; continue; }
        struct bin *b = &bins[s < 1 ? (int)(s * ECE_BINS) : ECE_BINS - 1];
        b->n += w;
        b->score += w * s;
        b->right += w * p[i].right;
    }
    from_counts(count[1][1], count[0][1], count[1][0], count[0][0], out);
    out->auroc = auroc(p, n, weight);
    out->brier = probable ? square / out->n : NAN;
    out->ece = probable ? calibration_error(bins, out->n) : NAN;
}

double stat_pearson(const double *x, const double *y, const int *question, int n, const double *weight)
{
    double all = 0, mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (int i = 0; i < n; i++) {                          /* Welford's update, weighted */
        double w = weight[question[i]], dx = x[i] - mx, dy = y[i] - my;
        if (w <= 0) continue;
        all += w;
        mx += w / all * dx;
        my += w / all * dy;
        xx += w * dx * (x[i] - mx);
        yy += w * dy * (y[i] - my);
        xy += w * dx * (y[i] - my);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}
