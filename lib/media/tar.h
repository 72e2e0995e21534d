/* SPDX-License-Identifier: Apache-2.0
 * Tar files as streams, in the way of WebDataset: members that follow one another and share a key are one sample, and
 * nothing is unpacked to disk. A key is the name up to the first '.' behind the last '/'.
 *
 *     struct tar_in *in = tar_open(f, "shard.tar", 0);
 *     struct tar_sample s = {0};
 *     while ((r = tar_next(in, NULL, &s)) > 0) use(s.m[i].name, s.m[i].bytes.p, s.m[i].bytes.len);
 *     tar_sample_free(&s);
 *     tar_close(in);
 *
 * Read are plain tar and tar with any filter of libarchive (.tar.gz, .tar.xz, .tar.zst), one behind the other, too. Folders,
 * links and hidden files (".x", "._x") are passed over.
 */
#ifndef MEDIA_TAR_H
#define MEDIA_TAR_H

#include <stdbool.h>
#include <stdio.h>
#include "base/mem.h"

struct tar_member { char *name; size_t nname; struct buf bytes; };
struct tar_sample { struct tar_member *m; int n, cap; };       /* zero-initialise */
void tar_sample_free(struct tar_sample *s);
struct slice tar_key(const char *name, size_t n);              /* "dir/17.0.png": "dir/17" */

struct tar_in;
/* Does not own f. max: bytes of one member and of one sample; 0: 256 MiB. NULL + fail(). */
MUST_USE struct tar_in *tar_open(FILE *f, const char *name, size_t max);
/* The next sample, its memory reused: 1, 0 at the end; -1: damaged, cut off, too large, a name twice in a sample. wanted (may
 * be NULL: all): the bytes of which members are read; of others bytes are empty. */
MUST_USE int tar_next(struct tar_in *in, bool (*wanted)(const char *name, size_t n), struct tar_sample *out);
void tar_close(struct tar_in *in);                             /* NULL is fine */

/* Writing: the same members give the same bytes. */
struct tar_out;
MUST_USE struct tar_out *tar_create(FILE *f, const char *name);              /* does not own f; NULL + fail() */
MUST_USE int tar_add(struct tar_out *out, const char *name, const void *p, size_t n);
uint64_t tar_bytes(const struct tar_out *out);                 /* written, or about to be */
MUST_USE int tar_finish(struct tar_out *out);                  /* the end of the archive, flushed; frees in any case */
void tar_abandon(struct tar_out *out);                         /* NULL is fine */

#endif
