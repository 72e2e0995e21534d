/* SPDX-License-Identifier: Apache-2.0
 * GGUF files (github.com/ggml-org/ggml, docs/gguf.md), versions 2 and 3, little-endian, mapped: metadata as a JSON object,
 * and a table of tensors. Everything is checked before it is believed: counts against the bytes there are, types,
 * shapes, and that the tensors follow one another, each aligned, within the file.
 *
 *     struct gguf g;
 *     if (gguf_open("model.gguf", &g)) return -1;
 *     const char *arch;
 *     if (json_get_str(g.meta, "general.architecture", &arch)) ...
 *     const struct st_tensor *t = gguf_find(&g, "token_embd.weight");
 *     gguf_close(&g);
 */
#ifndef STORE_GGUF_H
#define STORE_GGUF_H

#include "base/file.h"
#include "store/json.h"
#include "store/tensor.h"

struct gguf {
    json_t *meta;                              /* every key; what JSON has no word for (NaN, text not UTF-8) is null */
    struct st_tensor *v; int n;                /* ascending by name */
    struct file_map map;
    struct arena names;
};

bool gguf_is(const char *path);                /* a file that begins as GGUF files do */
MUST_USE int gguf_open(const char *path, struct gguf *g);                  /* on failure nothing to close */
void gguf_close(struct gguf *g);                                           /* also fine when zeroed */
const struct st_tensor *gguf_find(const struct gguf *g, const char *name); /* NULL if none */

#endif
