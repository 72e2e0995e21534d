/* SPDX-License-Identifier: Apache-2.0
 * Where the images go: into the records, into a folder, or into an uncompressed tar.
 */
#ifndef SHAPES_STORE_H
#define SHAPES_STORE_H

#include "record/record.h"

struct store;
/* path NULL: inline; a name ending in ".tar": an archive; else a folder, made when absent. NULL + fail(). */
MUST_USE struct store *store_open(const char *path);
/* Keeps a PNG and returns in *image what a record's "images" holds for it. References are as --images PATH of the
 * reading programs wants them: "images.tar!7-12.png", "7-12.png". */
MUST_USE int store_png(struct store *s, const char *name, const struct buf *png, msgpack_zone *z, val *image);
MUST_USE int store_close(struct store *s);     /* the archive is complete and on disk under its name; frees */
void store_abandon(struct store *s);           /* leaves no archive behind; NULL is fine; frees */

#endif
