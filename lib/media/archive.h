/* SPDX-License-Identifier: Apache-2.0
 * One archive file, read by member name, in memory and never unpacked: any format libarchive reads.
 *
 *     struct packed *a = packed_open("images.zip", NULL);
 *     struct buf b = {0};
 *     if (packed_get(a, "dir/17.png", 10, &b)) ...          "images.zip: no member dir/17.png"
 *     packed_close(a);
 *
 * zip and plain tar are indexed once and then read at random. Others (tar.xz, 7z, ...) can only be read forward: that
 * is done lazily, and what was passed is kept up to limits.memory bytes, the oldest leaving first; a member that had
 * to leave is found again by starting over, so a file larger than the limit costs one reading per pass over it as
 * long as members are asked for roughly in its order.
 * Of members with the same name the first counts. Leading "./" is dropped on both sides. Folders, links and devices
 * are not members. All calls are safe from several threads.
 */
#ifndef MEDIA_ARCHIVE_H
#define MEDIA_ARCHIVE_H

#include "base/mem.h"

struct packed_limits {                     /* against hostile archives; 0: the default */
    size_t member;                         /* bytes of one member, decoded; 256 MiB */
    size_t memory;                         /* bytes kept of a forward-only archive; 4 GiB */
    size_t entries;                        /* 4 million */
};

struct packed;
MUST_USE struct packed *packed_open(const char *path, const struct packed_limits *limits);   /* NULL + fail() */
MUST_USE int packed_get(struct packed *a, const char *name, size_t n, struct buf *out);      /* appends */
void packed_close(struct packed *a);                                                        /* NULL is fine */

#endif
