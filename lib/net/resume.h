/* SPDX-License-Identifier: Apache-2.0
 * What an earlier run has written: the files are read beside the input, record by record, up to where they are cut off. A
 * file holds some of the records that this run is to write, in the same order.
 *
 *     struct resume *s = resume_open(files, n);
 *     for each record that is to be made, in order:
 *         if ((got = resume_take(s, id, index, "generate", digest, r)) > 0) write(r);       it is there
 *
 * Each record names the requests whose replies made it, by the digest of all that was sent: path.requests {"generate": ..}.
 */
#ifndef NET_RESUME_H
#define NET_RESUME_H

#include "record/record.h"

struct resume;
struct resume *resume_open(const char *const *files, int n);            /* NULL + fail() */
void resume_free(struct resume *s);                                     /* NULL is fine */
/* The record of this id and path.index (-1: it has none). 1: in out. 0: no file has it next, or it came without a reply to
 * such a request. -1: broken input; or it is of another request: another prompt, model, image or option. */
MUST_USE int resume_take(struct resume *s, struct slice id, int64_t index, const char *purpose, const char *digest, struct record *out);
uint64_t resume_taken(const struct resume *s);
/* Records that nobody asked for. Reads to the end. */
MUST_USE int resume_rest(struct resume *s, uint64_t *n);

/* path.requests[purpose] = digest */
void resume_mark(struct record *r, const char *purpose, const char *digest);

#endif
