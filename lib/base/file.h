/* SPDX-License-Identifier: Apache-2.0
 * Files: whole reads with a cap, maps, and writes that appear under their name only when complete and on disk.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/mem.h"

MUST_USE int file_read(const char *path, size_t max, struct buf *out);        /* appends; fails if larger than max, and for a pipe but /dev/fd/N */
MUST_USE int file_write(const char *path, const void *p, size_t n);           /* atomic: temporary, fsync, rename */
bool file_exists(const char *path);
bool file_is_dir(const char *path);
char *file_join(const char *dir, const char *name);                           /* "dir/name"; caller frees */

struct file_map { const uint8_t *p; size_t n; };                              /* read-only, private */
MUST_USE int file_map(const char *path, struct file_map *m);
void file_unmap(struct file_map *m);

/* A folder written as a whole: files go into the hidden sibling `dir_tmp`, which dir_commit renames to `dir`
 * (replacing an older one). A crash leaves either the old folder or the new, never a mixture. */
struct dir_tmp { char *final, *tmp; };
MUST_USE int dir_begin(struct dir_tmp *d, const char *dir);
MUST_USE int dir_commit(struct dir_tmp *d);                                   /* frees d's strings */
void dir_abandon(struct dir_tmp *d);                                          /* removes the temporary; frees */
MUST_USE int dir_make(const char *path);                                      /* mkdir -p */
int  dir_remove(const char *path);                                            /* rm -r */
MUST_USE int file_copy(const char *from, const char *to);                     /* atomic */

#endif
