/* SPDX-License-Identifier: Apache-2.0
 * safetensors files (github.com/huggingface/safetensors: 8-byte length, JSON header, raw little-endian data), mapped.
 * Everything in a header is checked before it is believed: its size, each tensor's dtype, shape and place, that the
 * tensors cover the data exactly and without overlap, and that no name comes twice.
 *
 *     struct safetensors st;
 *     if (st_open_dir("model", &st)) return -1;              model.safetensors, or the shards of its index
 *     const struct st_tensor *t = st_find(&st, "lm_head.weight");
 *     st_get_f32(t, 0, t->n, buf);
 *     st_close(&st);
 */
#ifndef STORE_SAFETENSORS_H
#define STORE_SAFETENSORS_H

#include "base/file.h"
#include "store/tensor.h"

struct safetensors {
    struct st_tensor *v; int n;                /* ascending by name */
    struct file_map *map; int nmap;
    struct arena names;
};

MUST_USE int st_open(const char *path, struct safetensors *s);             /* one file; on failure nothing to close */
MUST_USE int st_open_dir(const char *dir, struct safetensors *s);
void st_close(struct safetensors *s);                                      /* also fine when zeroed */
const struct st_tensor *st_find(const struct safetensors *s, const char *name);      /* NULL if none */

/* Writing: the tensors' name, t, ndim and dims first, then all data in that order, in pieces of any size. The file
 * appears under its name when complete and on disk. */
struct st_writer;
struct st_writer *st_create(const char *path, const struct st_tensor *v, int n);     /* NULL + fail() */
MUST_USE int st_write(struct st_writer *w, const void *p, size_t bytes);
MUST_USE int st_finish(struct st_writer *w);                               /* frees w, also on failure */
void st_abandon(struct st_writer *w);                                      /* removes the temporary; frees w */

#endif
