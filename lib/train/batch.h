/* SPDX-License-Identifier: Apache-2.0
 * A micro-batch: examples laid out as rows for model_forward, packed without padding. Every image set is encoded once;
 * sequences with common leading tokens share those rows (ops.h, attn_args.prefix).
 */
#ifndef TRAIN_BATCH_H
#define TRAIN_BATCH_H

#include "model/model.h"
#include "train/plan.h"

/* Sequence `which` of an example: its token j >= skip is row row + j - skip; the tokens before are shared rows. */
struct batch_seq { const struct example *ex; int which, row, skip; };

struct batch {
    struct model_batch in;                     /* points into what follows */
    struct batch_seq *seq; int nseq;           /* in the order of the examples; prefix rows are not among them */
    int *target;                               /* [in.ntok] the response token a row predicts, -1: none */
    float *lp, *dlp;                           /* [in.ntok] room for the objective */
    int examples; long tokens;                 /* tokens: of all sequences, shared ones counted as often as they occur */
    /* storage, kept from batch to batch */
    int *id, *pos, *start, *img_row, *img_src, *set;
    struct span *prefix;
    struct model_image *image;
    float *pixels;
    size_t row_cap, seq_cap, image_cap, px_cap; int nset;
};
void batch_free(struct batch *b);

struct batch_cfg { const struct dataset *ds; const struct model_io *io; bool share; int jitter; uint64_t seed; };

/* Names an optimiser step, for the draws that are made anew in each. */
static inline uint64_t batch_when(int epoch, int step) { return (uint64_t)epoch << 32 | (uint64_t)step; }

/* The rows of examples which[0 .. n), all but the pixels. */
void batch_layout(struct batch *b, const struct batch_cfg *c, const int *which, int n);
/* The same with the pixels. jitter: every image is moved by up to so many pixels each way, its edge repeated,
 * by a draw from (seed, when, image); `when` names the optimiser step, so that examples of one step share the moved image.
 * Reads and decodes the images; fails if one cannot be read. */
MUST_USE int batch_build(struct batch *b, const struct batch_cfg *c, const int *which, int n, uint64_t when);

static inline int batch_row(const struct batch_seq *s, int j) { return s->row + j - s->skip; }

#endif
