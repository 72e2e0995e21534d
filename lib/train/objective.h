/* SPDX-License-Identifier: Apache-2.0
 * What is learned: how a record becomes an example, and what the loss of a batch is. One file each (objective_*.c); the
 * trainer knows only this table.
 *
 * The loss of an optimiser step is  sum over its examples of part(x) / sum over its examples of weight(x)  so that it does
 * not depend on the cut into micro-batches.
 */
#ifndef TRAIN_OBJECTIVE_H
#define TRAIN_OBJECTIVE_H

#include <jansson.h>
#include "train/batch.h"

enum { TRAIN_METRICS = 8 };
/* Metric i of a step is metric[i] / count[i]: sums over what it is a mean of (nan where there was none of it). */
struct train_sum { double loss, metric[TRAIN_METRICS], count[TRAIN_METRICS]; };

/* One micro-batch behind its forward pass. */
struct train_pass { struct model *m; const struct batch *b; struct mat hidden, dhidden; double total; };

struct objective {
    const char *name;
    const char *metric[TRAIN_METRICS];         /* names of further columns of the log, NULL at the end */
    /* Adds its own settings as text members, which --resume compares; NULL: none. */
    void   (*settings)(const struct objective *, json_t *out);
    /* Fills the draft's sequences (and ex.own). -1 with *why (static), and the particulars as message,
     * for a record that cannot be used. Thread-safe. */
    int    (*encode)(const struct objective *, const struct model_io *io, const struct record *r, struct draft *d, const char **why);
    double (*weight)(const struct objective *, const struct example *x);
    /* What the examples hold, as a line; true: to be told in any case. NULL: there is nothing to tell. */
    bool   (*tell)(const struct objective *, const struct dataset *ds, char *line, size_t size);
    /* Adds the micro-batch's sum of part(x) / total to sum->loss, and its gradient to dhidden and to the head's gradient;
     * lp and dlp of the batch are room to work in. */
    int    (*loss)(const struct objective *, const struct train_pass *p, struct train_sum *sum);
    /* What the steps change besides weights: kept with the state of a stopped run. stepped comes behind every step, with
     * its metrics. Both NULL: nothing. */
    double *state; int nstate;
    void   (*stepped)(const struct objective *, const double *metric);
};

int  objective_reject(const char **why, const char *reason);             /* sets both to the reason; -1 */
void settings_number(json_t *settings, const char *name, double x);      /* as text, exact to 15 digits */

/* lp[row] = log-probability of target[row] ([ntok], -1: none, lp 0). With dlp also the gradient of dlp . lp is added to
 * dhidden and the head's gradient. 0, or -1 on a device error. */
MUST_USE int pass_logprob(const struct train_pass *p, const int *target, float *lp, const float *dlp);

/* Supervised fine-tuning: cross entropy of the response's tokens, the end token included.
 *   part(x) = sum of -log p(token), weight(x) = tokens          the mean over the step's tokens
 *   part(x) = their mean, weight(x) = 1                         by_example: the mean over its examples */
enum sft_response { SFT_STEPS, SFT_ANSWER };   /* the whole path in CoS form; its answer alone, between the answer's markers */
#define SFT_RESPONSE_WORDS "steps|answer"
struct sft { struct objective base; enum sft_response response; bool by_example; };
void objective_sft(struct sft *s, enum sft_response response, bool by_example);   /* use &s->base */

#endif
