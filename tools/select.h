/* SPDX-License-Identifier: Apache-2.0
 * The commands of cos-select, one a file.
 */
#ifndef TOOLS_SELECT_H
#define TOOLS_SELECT_H

#include "common.h"

extern const struct opt select_best_opts[], select_vote_opts[], select_weighted_opts[], select_pairs_opts[], select_top_opts[],
                        select_filter_opts[];
int select_best(struct tool *t);
int select_vote(struct tool *t);
int select_weighted(struct tool *t);
int select_pairs(struct tool *t);
int select_top(struct tool *t);
int select_filter(struct tool *t);

/* ---- select_unlike.c: records that occur in test sets ---- */

enum { UNLIKE_BOTH, UNLIKE_IMAGE, UNLIKE_QUESTION, UNLIKE_EITHER, UNLIKE_BITS = 6 };
#define UNLIKE_WORDS "both|image|question|either"
struct unlike_opts { struct opt_list files; const char *images, *tests_images; int by, distance; };

struct unlike;
struct unlike *unlike_open(const struct unlike_opts *o, int threads);  /* reads the test sets; NULL + fail(); o is borrowed */
void unlike_close(struct unlike *u);           /* NULL is fine */

/* What a record shows and asks: perceptual hashes, and a hash of the question. */
struct looks { uint64_t *image; int nimage; uint64_t question; bool asks; };
/* On any thread. -1: an image cannot be read. looks_free in any case. */
MUST_USE int unlike_look(struct unlike *u, const struct record *r, struct looks *out);
void looks_free(struct looks *l);
/* Why the record is to go (a static string), with meta.like {id, bits} of the test record that it is like; NULL: it stays. */
const char *unlike_judge(struct unlike *u, struct record *r, const struct looks *l);
void unlike_note(const struct unlike *u, struct tool *t);

#endif
