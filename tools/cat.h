/* SPDX-License-Identifier: Apache-2.0
 * What the files of cos-cat share: cat_to.c turns records into the JSON of others, cat_shards.c writes it into tar shards.
 */
#ifndef TOOLS_CAT_H
#define TOOLS_CAT_H

#include "common.h"
#include "media/source.h"
#include "record/export.h"

struct cat_to {                                /* the options */
    const char *form, *images, *labels, *tar;
    int target, tar_mb;
    uint64_t tar_count;
    double threshold;
};
int cat_to(struct tool *t, const struct cat_to *o);

/* ---- cat_shards.c: 000000017.json beside 000000017.png, in files that begin anew when they are large ---- */

struct shards;
/* pattern: "out-%06d.tar", the number counts from 0; without a % all goes into one file; "-": to stdout. A shard appears under
 * its name when it is complete. NULL + fail(). */
MUST_USE struct shards *shards_new(const char *pattern, uint64_t max_bytes, uint64_t max_count);
/* One sample: its members go into one shard. */
MUST_USE int shards_begin(struct shards *s, uint64_t bytes);
MUST_USE int shards_add(struct shards *s, const char *name, const void *p, size_t n);
MUST_USE int shards_close(struct shards *s);                   /* completes the last one; an empty input gives one empty shard */
void shards_free(struct shards *s);                            /* removes what is not complete; NULL is fine */

#endif
