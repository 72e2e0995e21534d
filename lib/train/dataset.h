/* SPDX-License-Identifier: Apache-2.0
 * All examples of a run. Tokens stay in memory (4 bytes each); the images stay where they are referred to, and what
 * refers to them (with inline images: their compressed bytes) goes once into an unlinked temporary file, so that memory does not
 * grow with the images.
 */
#ifndef TRAIN_DATASET_H
#define TRAIN_DATASET_H

#include "train/example.h"

struct dataset;
/* spill: path prefix of the temporary file, which has no name once it is open. NULL + fail(). */
struct dataset *dataset_new(const char *spill);
void dataset_free(struct dataset *ds);
/* Takes the draft's contents (it may be freed or used anew afterwards). */
MUST_USE int dataset_add(struct dataset *ds, struct draft *d);
int  dataset_count(const struct dataset *ds);
const struct example *dataset_at(const struct dataset *ds, int i);      /* borrowed until dataset_free; moves on dataset_add */
int  dataset_sets(const struct dataset *ds);                            /* distinct image sets */
const struct image_set *dataset_set(const struct dataset *ds, int set); /* its `packed` is empty; borrowed like an example */
/* px: [npx]. Thread-safe. */
MUST_USE int dataset_pixels(const struct dataset *ds, const struct model_io *io, int set, float *px);
long dataset_tokens(const struct dataset *ds);
int  dataset_longest(const struct dataset *ds);
void dataset_digest(struct dataset *ds, char hex[HASH_HEX]);            /* of all, in order; then nothing is added */

#endif
