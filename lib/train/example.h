/* SPDX-License-Identifier: Apache-2.0
 * A training example: one sequence of tokens, or several with one prompt (a pair), and where its images stand in them.
 *
 *     struct draft d;
 *     if (draft_begin(&d, io, record, &why)) ...            the prompt and its images
 *     draft_response(&d, id, n);                            prompt + response = one more sequence
 *     dataset_add(ds, &d);                                  takes the contents
 */
#ifndef TRAIN_EXAMPLE_H
#define TRAIN_EXAMPLE_H

#include "model/input.h"

enum { EXAMPLE_SEQS = 2 };

struct train_seq { uint32_t *id; int n, prompt; };           /* the response is [prompt, n), end token included */
struct train_place { int pos, end, feature; uint32_t token; };       /* tokens [pos, end) that are `token` show the set's feature rows from this one on */

struct example {
    uint64_t number;                           /* of the record, for messages */
    int nseq; struct train_seq seq[EXAMPLE_SEQS];
    int set;                                   /* index of its image set in the dataset, -1: no images */
    struct train_place *place; int nplace;     /* the same in every sequence: images belong to the prompt */
    float *own; int nown;                      /* the objective's numbers (labels, reference log-probabilities); NULL: none */
};

/* The images of one record, in order. Records with equal images share one set. Pixels are not kept: `packed` is a
 * record with these images alone, from which model/input.h makes the same tiles again. */
struct image_set {
    uint64_t digest[2];
    struct tiles *tiles; int nimage;           /* of each image; owned */
    int nfeature; size_t npx;                  /* of all: feature rows, floats of pixels */
    struct buf packed;
};

struct draft { struct example ex; struct image_set set; struct input in; };

/* Builds the prompt. -1 with *why (a static string, for counting) when the record cannot be asked. Thread-safe. */
MUST_USE int draft_begin(struct draft *d, const struct model_io *io, const struct record *r, const char **why);
/* One more sequence: the prompt, the response given, and the end token. */
void draft_response(struct draft *d, const struct model_io *io, const uint32_t *id, int n);
void draft_tokens(struct draft *d, const uint32_t *id, int n);           /* the same without an end token */
int  draft_longest(const struct draft *d);                   /* tokens of the longest sequence */
void draft_free(struct draft *d);
void example_free(struct example *x);

/* The pixels of a set, made again from `packed` into px [npx]. Fails when they are not the same as
 * before (the image changed on disk meanwhile). Thread-safe. */
MUST_USE int image_set_pixels(const struct image_set *s, const void *packed, size_t n, const struct model_io *io, float *px);

#endif
