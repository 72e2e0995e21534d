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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/file.h"
#include "base/mem.h"

enum st_dtype { ST_F32, ST_BF16, ST_F16, ST_F64, ST_I64, ST_I32, ST_I16, ST_I8, ST_U64, ST_U32, ST_U16, ST_U8, ST_BOOL,
                ST_F8_E4M3, ST_F8_E5M2, ST_DTYPES };
enum { ST_DIMS = 8 };

struct st_tensor {
    const char *name;                          /* owned by the safetensors; of a writer: borrowed until st_create returns */
    enum st_dtype t;
    int ndim;
    int64_t dims[ST_DIMS];
    size_t n, bytes;                           /* elements, and their size in the file */
    const uint8_t *p;                          /* in the map; aligned to nothing in particular */
};

struct safetensors {
    struct st_tensor *v; int n;                /* ascending by name */
    struct file_map *map; int nmap;
    struct arena names;
};

MUST_USE int st_open(const char *path, struct safetensors *s);             /* one file; on failure nothing to close */
MUST_USE int st_open_dir(const char *dir, struct safetensors *s);
void st_close(struct safetensors *s);                                      /* also fine when zeroed */
const struct st_tensor *st_find(const struct safetensors *s, const char *name);      /* NULL if none */

const char *st_dtype_name(enum st_dtype t);
size_t st_dtype_size(enum st_dtype t);
bool st_is_weight(enum st_dtype t);                                        /* F32, BF16, F16: what st_get_* reads */

/* Elements [begin, begin + n). f16 and bf16 to f32 are exact; to bf16 rounds to nearest, ties to even, NaN stays NaN. */
void st_get_f32(const struct st_tensor *t, size_t begin, size_t n, float *out);
void st_get_bf16(const struct st_tensor *t, size_t begin, size_t n, uint16_t *out);
uint16_t bf16_of_f32(float x);
float f32_of_bf16(uint16_t h);
float f32_of_f16(uint16_t h);

/* Writing: the tensors' name, t, ndim and dims first, then all data in that order, in pieces of any size. The file
 * appears under its name when complete and on disk. */
struct st_writer;
struct st_writer *st_create(const char *path, const struct st_tensor *v, int n);     /* NULL + fail() */
MUST_USE int st_write(struct st_writer *w, const void *p, size_t bytes);
MUST_USE int st_finish(struct st_writer *w);                               /* frees w, also on failure */
void st_abandon(struct st_writer *w);                                      /* removes the temporary; frees w */

#endif
