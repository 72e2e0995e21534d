/* SPDX-License-Identifier: Apache-2.0
 * Where a stream's images come from. A record names an image by reference or holds its bytes:
 *
 *     dir/a.png            a file below the base folder
 *     images.zip!17.png    a member of an archive below the base folder (the first '!' before which there is a file)
 *     17.png               a member, when the base is itself an archive; so is images.zip!17.png for base .../images.zip
 *
 *     struct media_source *src = media_open("data/images.zip", NULL);        NULL base: the working folder
 *     struct image im;  char digest[HASH_HEX];
 *     if (media_image(src, &(struct media_item){ .ref = s, .nref = n }, &im, digest)) return -1;
 *
 * References come from records and are not trusted: absolute ones and ones with ".." are refused unless limits.trust
 * is set, and only regular files are read. Archives stay open, their index in memory (archive.h), until media_close.
 * Safe from several threads.
 */
#ifndef MEDIA_SOURCE_H
#define MEDIA_SOURCE_H

#include <stdbool.h>
#include "media/archive.h"
#include "media/image.h"

struct media_limits {                      /* zero-initialised: the defaults */
    struct packed_limits packed;           /* .member bounds plain files too */
    size_t pixels;                         /* of one decoded image; IMAGE_MAX_PIXELS */
    bool trust;                            /* references may leave the base folder */
};

struct media_item { const char *ref; size_t nref; const void *data; size_t ndata; enum alpha alpha; };    /* data, or NULL and ref */

struct media_source;
MUST_USE struct media_source *media_open(const char *base, const struct media_limits *limits);   /* NULL + fail() */
void media_close(struct media_source *m);                                                       /* NULL is fine */

MUST_USE int media_get(struct media_source *m, const char *ref, size_t n, struct buf *out);      /* appends the encoded bytes */
/* Decodes; the caller image_free()s. digest (may be NULL): image_digest of the encoded bytes. Messages carry the ref. */
MUST_USE int media_image(struct media_source *m, const struct media_item *item, struct image *out, char digest[HASH_HEX]);

#endif
