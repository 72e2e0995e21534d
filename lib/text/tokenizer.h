/* SPDX-License-Identifier: Apache-2.0
 * Byte-level BPE read from a Hugging Face tokenizer.json: same ids as the `tokenizers` library.
 *
 *     struct tokenizer *t = tok_load("model/tokenizer.json");
 *     struct tok_ids ids = {0};
 *     tok_encode(t, text, n, TOK_SPECIAL, &ids);
 */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/hash.h"
#include "base/mem.h"

struct tokenizer;
struct tok_ids { uint32_t *id; uint32_t *begin; size_t n, cap; };   /* begin[i]: first byte of token i in the text */
void tok_ids_free(struct tok_ids *ids);

struct tokenizer *tok_load(const char *path);                       /* NULL + fail() */
struct tokenizer *tok_parse(const char *json, size_t n, const char *name);
void tok_free(struct tokenizer *t);

enum { TOK_SPECIAL = 1 };    /* match added special tokens in the text; without it they are plain text (untrusted input) */
MUST_USE int tok_encode(const struct tokenizer *t, const char *s, size_t n, int flags, struct tok_ids *out);   /* appends; thread-safe */
enum { TOK_SKIP_SPECIAL = 1 };
void tok_decode(const struct tokenizer *t, const uint32_t *id, size_t n, int flags, struct buf *out);          /* appends valid UTF-8 */
/* The raw bytes of one token, for decoding as it comes; not necessarily whole UTF-8 characters. */
void tok_bytes(const struct tokenizer *t, uint32_t id, const char **p, size_t *n);

int  tok_id(const struct tokenizer *t, const char *content);        /* id of a token by its text, -1 if none */
int  tok_size(const struct tokenizer *t);                           /* largest id + 1 */
bool tok_is_special(const struct tokenizer *t, uint32_t id);
const char *tok_digest(const struct tokenizer *t);                  /* of vocabulary, merges, added tokens and pattern */

/* Adds tokens that are not there yet (special = true); ids continue behind the largest. Returns how many were new. */
MUST_USE int tok_add(struct tokenizer *t, const char *const *content, int n);
MUST_USE int tok_save(const struct tokenizer *t, const char *path); /* tokenizer.json that Hugging Face loads */

/* Learns a byte-level BPE of `size` tokens (>= 256 + specials) from texts fed one by one; deterministic. */
struct tok_trainer;
struct tok_trainer *tok_trainer_new(void);
void tok_trainer_add(struct tok_trainer *tr, const char *s, size_t n);
struct tokenizer *tok_trainer_end(struct tok_trainer *tr, int size, const char *const *special, int nspecial);   /* frees tr */

#endif
