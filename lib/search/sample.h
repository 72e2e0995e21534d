/* SPDX-License-Identifier: Apache-2.0
 * One token from one row of logits.
 *
 * The sampling distribution, in Hugging Face's order and definitions:
 *   1. temperature t: p(v) ~ exp(logit(v) / t). t = 0 is greedy: the largest logit, the lowest id among equals, and
 *      nothing below applies.
 *   2. top-k: only the k likeliest tokens stay (0: all).
 *   3. top-p: of what is left, renormalised, the smallest set of likeliest tokens whose probabilities sum to >= p stays
 *      (1: all); at least one token.
 *   Among equal logits the lower id counts as likelier. The token is the first, in order of ids, at which the
 *   cumulated probability exceeds u.
 *
 * The log-probability returned is that of the model's plain distribution - temperature 1, nothing cut off - whatever was
 * sampled from: it is what the policy gradient and DPO need, and the same number that a forward pass of training gives.
 *
 *     struct sampler *s = sampler_new(V);                 one per thread
 *     struct sampled t = sampler_draw(s, logits, &(struct sampling){ .temperature = 1, .top_p = 0.9 }, u);
 */
#ifndef SEARCH_SAMPLE_H
#define SEARCH_SAMPLE_H

#include <stdbool.h>

struct sampling { double temperature; int top_k; double top_p; };
struct sampled { int id; float logprob; };             /* id -1: the row holds NaN or no finite maximum */

struct sampler;                                        /* scratch memory for rows of V logits */
struct sampler *sampler_new(int V);
void sampler_free(struct sampler *s);
/* logit: host [V]. u: uniform in [0, 1). O(V) expected; a pure function of its arguments. */
struct sampled sampler_draw(struct sampler *s, const float *logit, const struct sampling *how, double u);
/* The log-probability of a given token: the same bits as sampler_draw's. NaN where that would give id -1. */
float sampler_logprob(struct sampler *s, const float *logit, int id);

#endif
