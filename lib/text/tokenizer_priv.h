/* SPDX-License-Identifier: Apache-2.0
 * The tokenizer's inside, shared by its readers (tokenizer_json.c, tokenizer_stages.c,
 * tokenizer_sentence.c) and its use (tokenizer.c).
 */
#ifndef TEXT_TOKENIZER_PRIV_H
#define TEXT_TOKENIZER_PRIV_H

#include "text/added.h"
#include "text/bpe.h"
#include "text/normal.h"
#include "text/sentence.h"
#include "text/split.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

/* Where an encoder puts a blank in front of a text that decoding takes away again. */
enum text_lead { LEAD_NEVER, LEAD_FIRST, LEAD_ALWAYS };      /* at the text's beginning; behind every added token, too */

struct tokenizer {
    struct bpe bpe;
    struct splitter split;
    struct normal normal;
    struct normal meta[2];                     /* Metaspace: at the beginning of a text, and further inside */
    enum text_lead lead;
    bool drop_lead;                            /* decoding removes it */
    struct added *added;
    int nadded, nread;                         /* the first nread stand in json */
    uint32_t next_added;                       /* largest id of an added token + 1 */
    uint32_t *slot, nslot;                     /* hash of contents -> index + 1; power of two */
    uint32_t *added_of;                        /* [size] id -> index into added + 1 */
    uint32_t size;
    struct finder raw_added, normal_added;    /* among them, those looked for before normalising and behind it */
    char *source;                              /* tokenizer.json or tokenizer.model as read; tok_save starts from it */
    size_t nsource;
    struct sentence *sentence;                 /* of a tokenizer.model: it encodes, bpe only holds the pieces */
    struct json_t *config;                     /* ... and its tokenizer_config.json; NULL: none */
    char digest[HASH_HEX];
};

MUST_USE int tokenizer_read(struct tokenizer *t);            /* fills t from t->source */
/* The parts of the document (json_t) besides the model. In this order; the decoder behind the model. */
struct json_t;
MUST_USE int stages_normalizer(struct tokenizer *t, const struct json_t *v);
MUST_USE int stages_pre_tokenizer(struct tokenizer *t, const struct json_t *v);    /* sets bpe.chars */
MUST_USE int stages_decoder(struct tokenizer *t, const struct json_t *v);
/* Of a GGUF file: its metadata's arrays through tok_from_parts. */
struct tokenizer *gguf_tokenizer(const char *path);
/* The model file `path` with the files of the folder beside it; dir NULL: none. */
struct tokenizer *sentence_tokenizer(const char *path, const char *dir);
MUST_USE int sentence_save(const struct tokenizer *t, const char *dir);
/* One more added token (content is copied). Its id must be the one Hugging Face would give it; beside a tokenizer.model any
 * id is taken, that of a piece too, which the token then replaces. */
MUST_USE int tokenizer_add(struct tokenizer *t, const struct added *a);
MUST_USE int tokenizer_change(struct tokenizer *t, const struct added *a);      /* the flags of one that is there */
bool tokenizer_is_added(const struct tokenizer *t, const char *content, size_t n);
uint32_t tokenizer_next_id(const struct tokenizer *t);       /* of an added token that the vocabulary lacks */
MUST_USE int tokenizer_ready(struct tokenizer *t);           /* tables behind the last added token */

#endif
