/* SPDX-License-Identifier: Apache-2.0
 * Tokenizers of checkpoints: same ids as Hugging Face `tokenizers` gives.
 *
 *     struct tokenizer *t = tok_load("model");
 *     struct tok_ids ids = {0};
 *     if (tok_encode(t, text, n, TOK_SPECIAL, &ids)) ...
 *     tok_ids_free(&ids);  tok_free(t);
 *
 * Read from tokenizer.json: BPE models (merges in both spellings, unk_token, fuse_unk, byte_fallback, ignore_merges); of
 * bytes, where the pre-tokenizer ends in ByteLevel (GPT-2, Llama 3, Qwen2, SmolLM), else of characters (Llama 2, Mistral,
 * InternLM2); normalizers NFC, NFD, NFKC, NFKD, and for characters Replace and Prepend; pre-tokenizers Split, Digits,
 * Metaspace and sequences; added tokens with all their flags. Anything else is refused by name. Or from tokenizer.model:
 * SentencePiece, by libsentencepiece; the text between two added tokens is encoded by itself, as the Python tokenizers of
 * the original repositories do (Llama with "legacy": true, InternLM2). The post-processor (<s> and the like) is left to the
 * chat template.
 */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/hash.h"
#include "base/mem.h"

struct tokenizer;                                                   /* const from set-up on: any number of threads may use it */
struct tok_ids { uint32_t *id; uint32_t *begin; size_t n, cap; };   /* begin[i]: first byte of token i in the text; for
                                                                       characters that normalising changed, near it */
void tok_ids_free(struct tok_ids *ids);
void tok_ids_add(struct tok_ids *ids, uint32_t id, size_t begin);   /* one more */

/* A folder with a tokenizer.json, else a tokenizer.model and what is beside it (added_tokens.json, special_tokens_map.json,
 * tokenizer_config.json); or one such file by itself; or what the metadata of a GGUF file says, which is then saved as
 * tokenizer.json. NULL + fail(); caller tok_free. */
struct tokenizer *tok_load(const char *path);
struct tokenizer *tok_parse(const char *json, size_t n, const char *name);
void tok_free(struct tokenizer *t);                                 /* NULL is fine */

/* A tokenizer out of arrays, as GGUF files hold it; the same as from the tokenizer.json it came from, and saved as one.
 *
 *     struct tok_parts p = { .kind = TOK_OF_BYTES, .n = n, .token = tokens, .type = types, .nmerge = m, .merge = merges,
 *                            .pre = "qwen2" };                       tokenizer.ggml.model "gpt2", .pre
 *     struct tok_parts p = { .kind = TOK_OF_SCORES, .n = n, .token = tokens, .type = types, .score = scores,
 *                            .lead = true };                         "llama": SentencePiece BPE; .add_space_prefix
 *     struct tokenizer *t = tok_from_parts(&p, "model.gguf");
 */
enum tok_kind { TOK_OF_BYTES, TOK_OF_SCORES };
enum tok_type { TOK_NORMAL = 1, TOK_UNKNOWN, TOK_CONTROL, TOK_USER, TOK_UNUSED, TOK_BYTE };   /* GGUF's numbers */
struct tok_parts {                                                  /* all borrowed for the call */
    enum tok_kind kind;
    uint32_t n;
    const struct slice *token;                                      /* [n], by id: as GGUF spells them */
    const uint8_t *type;                                            /* [n] enum tok_type; NULL: all normal. Control tokens
                                                                       become special ones, TOK_USER ones plain added ones */
    const float *score;                                             /* [n], of scores: the higher is merged first */
    const struct slice *merge; uint32_t nmerge;                     /* of bytes: "a b" in rank order */
    const char *pre;                                                /* of bytes: "gpt-2", "llama-bpe", "qwen2", "smollm", ... */
    bool lead;                                                      /* of scores: a blank goes before each text */
};
struct tokenizer *tok_from_parts(const struct tok_parts *p, const char *name);    /* NULL + fail(); caller tok_free */

/* Appends the ids of s[0..n); on failure (a pattern beyond its limits) out is unchanged. Bytes that are not UTF-8 are read
 * as U+FFFD each maximal part, and begin[] then counts in that repaired text. What a vocabulary without an unknown token
 * lacks is passed over, as in `tokenizers` (SmolLM lacks some control characters). */
enum {
    TOK_SPECIAL = 1,         /* match added tokens marked special; without it they are plain text (untrusted input) */
    TOK_NO_ADDED = 2,        /* match no added token at all */
    TOK_INSIDE = 4           /* something stands before the text: no blank in front where only the first text gets one */
};
MUST_USE int tok_encode(const struct tokenizer *t, const char *s, size_t n, int flags, struct tok_ids *out);
enum { TOK_SKIP_SPECIAL = 1 };
/* Appends valid UTF-8. Undoes tok_encode: a blank that encoding put in front (Llama 2 and the like: of each text between
 * added tokens, or of the first, which with TOK_INSIDE this is not) goes away again. Bytes that are no UTF-8 become U+FFFD
 * each maximal part. */
void tok_decode(const struct tokenizer *t, const uint32_t *id, size_t n, int flags, struct buf *out);
/* The raw bytes of one token, for decoding as it comes; not necessarily whole UTF-8 characters. n = 0: no such token. */
void tok_bytes(const struct tokenizer *t, uint32_t id, const char **p, size_t *n);

int  tok_id(const struct tokenizer *t, const char *content);        /* id of a token by its text, -1 if none */
int  tok_size(const struct tokenizer *t);                           /* largest id + 1 */
bool tok_is_special(const struct tokenizer *t, uint32_t id);
const char *tok_digest(const struct tokenizer *t);                  /* of vocabulary, merges, added tokens and patterns */
/* The first special token in s: its id with [*begin, *end), or -1. For templates: what is theirs, what is text. */
int  tok_find_special(const struct tokenizer *t, const char *s, size_t n, size_t *begin, size_t *end);

/* Adds tokens that are not there yet (special, not normalized); ids continue behind the largest. Returns how many were
 * new, or -1. */
MUST_USE int tok_add(struct tokenizer *t, const char *const *content, int n);
/* The files it was read from plus the tokens added: tokenizer.json; or tokenizer.model, added_tokens.json and
 * tokenizer_config.json. Each is atomic. */
MUST_USE int tok_save(const struct tokenizer *t, const char *dir);

/* Learns a byte-level BPE of at most `size` tokens (>= 256 + nspecial) from texts fed one by one: GPT-2's pattern, ids
 * 0..255 the bytes in GPT-2's order, then merges, then the special tokens. Each merge takes the pair seen most often,
 * of equals the one with the lower ids; pairs seen once are never merged. Same texts, same order or not: same bytes. */
struct tok_trainer;
struct tok_trainer *tok_trainer_new(void);
MUST_USE int tok_trainer_add(struct tok_trainer *tr, const char *s, size_t n);
struct tokenizer *tok_trainer_end(struct tok_trainer *tr, int size, const char *const *special, int nspecial);   /* frees tr */
void tok_trainer_free(struct tok_trainer *tr);                      /* without an end; NULL is fine */

#endif
