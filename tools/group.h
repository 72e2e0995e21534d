/* SPDX-License-Identifier: Apache-2.0
 * The paths of one question at a time, for programs that choose among them or compare them. The paths of an id follow
 * one another in the stream; an id that comes back later is an error, since its first part has been used by then. For
 * that 8 to 16 bytes are kept of every id.
 *
 *     struct group g = { 0 };
 *     while ((s = group_read(t, &g)) > 0) { ... g.r[0 .. g.n) ... }
 *     group_free(&g);
 */
#ifndef TOOLS_GROUP_H
#define TOOLS_GROUP_H

#include "common.h"

struct group {
    bool strict;                               /* set by the caller: a record without id or path ends the program */
    struct record **r;                         /* n, of one id, in input order; theirs until the next read */
    int n;
    /* private */
    int cap;
    struct record *ahead;                      /* read, and of the next question */
    bool has_ahead, ended;
    uint64_t *seen;                            /* hashes of ids; 0: free slot */
    size_t nseen, slots;
};

/* 1: a question. 0: the end. -1: broken input, or an id seen before. Without strict, records without an id or a path are
 * rejected ("no id", "no path"). Shows progress. */
MUST_USE int group_read(struct tool *t, struct group *g);
void group_free(struct group *g);

#endif
