/* SPDX-License-Identifier: Apache-2.0
 * Given texts read by a model, over the tree of cached keys (model/model.h): each prompt is computed once, whatever
 * follows it, and so is each text that others go on from. Scoring needs this, as sampling needs engine.h.
 *
 *     struct forest *f = forest_new(model, &(struct forest_cfg){ .kv_tokens = 8192 });
 *     struct place *q = forest_prompt(f, &input, input.n);
 *     struct place *a = forest_text(f, q, id, n, mine);          behind the prompt
 *     struct place *b = forest_text(f, a, id2, n2, mine2);       behind another text
 *     if (forest_run(f, pass, arg)) ...                          pass(..) is shown the hidden rows of both texts
 *     forest_drop(f, b); forest_drop(f, a); forest_drop(f, q);
 *
 * - What prompts have in common up to behind an image is computed once as well, and stays cached while there is room.
 * - A row depends on the tokens before it and on nothing else (ops/ops.h): a text in one piece, cut into several places,
 *   alone or among others gives the same bits.
 */
#ifndef SEARCH_FOREST_H
#define SEARCH_FOREST_H

#include "model/input.h"
#include "model/model.h"

struct forest_cfg { int kv_tokens, rows; };    /* capacity of the cache; rows of a pass at most, 0: 2048 */
struct forest;
struct place;                                  /* somewhere in the tree: the end of a prompt, or of a text */

struct forest *forest_new(struct model *m, const struct forest_cfg *c);      /* NULL + fail() */
void forest_free(struct forest *f);            /* when all places have been dropped; NULL is fine */

/* Could this prompt and a text of so many tokens behind it ever be read? -1 + fail(): not within the model's positions
 * or the cache. */
MUST_USE int forest_check(const struct forest *f, const struct input *in, int text);
/* The first n >= 0 tokens of the prompt, no image cut; `in` is borrowed until forest_run returns. The caller drops the
 * place. NULL: there is no room now, other places have to be dropped first. */
struct place *forest_prompt(struct forest *f, const struct input *in, int n);
/* n >= 1 tokens, all within the vocabulary, behind a place; id is borrowed until forest_run returns. Drop and NULL as
 * above. */
struct place *forest_text(struct forest *f, struct place *behind, const uint32_t *id, int n, void *user);
void forest_drop(struct forest *f, struct place *p);                         /* not while anybody adds behind it; NULL is fine */

/* One pass of the model: hidden rows [row, row + n) belong to tokens id[begin, begin + n) of the text with that user. A
 * long text comes in several passes, in order. */
struct forest_part { void *user; const uint32_t *id; int begin, n, row; };
struct forest_pass { struct mat hidden; const struct forest_part *part; int npart; };
typedef int forest_reader(void *arg, const struct forest_pass *p);           /* 0, or -1 after fail() */

/* Computes all that was added. 0, or -1: then the forest is of no further use. */
MUST_USE int forest_run(struct forest *f, forest_reader *pass, void *arg);

struct forest_stats { uint64_t prompt_rows, shared_rows, text_rows, tiles, shared_tiles; };
struct forest_stats forest_stats(const struct forest *f);
struct model *forest_model(const struct forest *f);
int forest_rows(const struct forest *f);       /* of a pass at most */

#endif
