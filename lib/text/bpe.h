/* SPDX-License-Identifier: Apache-2.0
 * Byte-pair encoding of one word: vocabulary, merges, and the merging itself (Sennrich et al. 2016). Two alphabets: bytes,
 * as in GPT-2, where a vocabulary spells them with the 256 printable characters of byte_char; or characters, as in
 * SentencePiece, where what the vocabulary lacks is spelt <0x00> .. <0xFF> byte by byte. Private to text/.
 */
#ifndef TEXT_BPE_H
#define TEXT_BPE_H

#include <stdbool.h>
#include "text/tokenizer.h"

enum { BPE_MAX_ID = 16 << 20, BPE_MAX_TOKEN = 1 << 16, BPE_NONE = -1 };

/* GPT-2's spelling of bytes: byte b is written as code point byte_char[b]; unspell gives the byte or -1. */
extern const uint16_t byte_char[256];
int  byte_unspell(uint32_t code);
void bytes_spell(const char *raw, size_t n, struct buf *out);                   /* appends */
bool bytes_unspell(const char *spelt, size_t n, struct buf *out);               /* false (nothing added): not a spelling */

struct bpe_token {
    const char *p; uint32_t n;                  /* what is looked up: bytes; or verbatim, the text in tokenizer.json */
    bool present, verbatim;
    uint32_t nraw; const char *raw;             /* what the token stands for in text */
};
struct bpe_merge { uint64_t pair; uint32_t rank, id; };                         /* pair: left << 32 | right */

struct bpe {
    struct arena text;                          /* the tokens' bytes */
    struct bpe_token *token;                    /* [size], by id */
    uint32_t size, cap, count;                  /* largest id + 1; entries */
    uint32_t *slot, nslot;                      /* hash of token bytes -> id + 1; power of two */
    struct bpe_merge *merge, *rule;             /* merge: hash of pairs (id + 1 stored); rule: [nrule] in rank order */
    uint32_t nmerge, nrule;
    uint32_t byte_sym[256][2];                  /* symbols each byte starts as ... */
    uint8_t  byte_nsym[256];                    /* ... and how many; 0: the vocabulary lacks the byte */
    bool byte_stands_in[256];                   /* ... being <0x..> tokens */
    int64_t unk;                                /* -1: none */
    bool fuse_unk, byte_fallback, ignore_merges;
    bool chars;                                 /* words are cut into characters; set before the first token */
};

/* Set-up, in this order. Tokens come as tokenizer.json spells them. -1 with what is wrong. */
MUST_USE int bpe_token_add(struct bpe *b, const char *spelt, size_t n, int64_t id);
void bpe_index(struct bpe *b);                                                  /* behind the last token */
MUST_USE int bpe_merges(struct bpe *b, uint32_t n, const struct slice (*pair)[2]);
MUST_USE int bpe_finish(struct bpe *b);                                         /* behind unk and the flags */
/* Vocabularies of characters, behind the last token: U+2581 stands for a blank where `blank` is set, <0x0A> for a byte where
 * `bytes` is. Without this call a token stands for its spelling. */
void bpe_unspell(struct bpe *b, bool blank, bool bytes);
void bpe_free(struct bpe *b);

int64_t bpe_find(const struct bpe *b, const char *p, size_t n, bool verbatim);  /* id, or -1 */
int64_t bpe_find_spelt(const struct bpe *b, const char *p, size_t n);           /* by its text in tokenizer.json */

/* Memory of one encoder call. Zero-initialise. */
struct bpe_sym { uint32_t id, begin; int32_t prev, next; };
struct bpe_cand { uint32_t rank, pos, id; };
struct bpe_work { struct bpe_sym *sym; struct bpe_cand *heap; uint32_t *rank; size_t nsym, cap, nheap, heap_cap; };
void bpe_work_free(struct bpe_work *w);

/* Appends the ids of one word; begin[] counts from the word's first byte. */
MUST_USE int bpe_word(const struct bpe *b, struct bpe_work *w, const char *s, size_t n, struct tok_ids *out);

#endif
