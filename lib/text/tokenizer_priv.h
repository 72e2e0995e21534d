/* SPDX-License-Identifier: Apache-2.0
 * The tokenizer's inside, shared by its reader (tokenizer_json.c) and its use (tokenizer.c).
 */
#ifndef TEXT_TOKENIZER_PRIV_H
#define TEXT_TOKENIZER_PRIV_H

#include "text/added.h"
#include "text/bpe.h"
#include "text/split.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

struct tokenizer {
    struct bpe bpe;
    struct splitter split;
    enum text_form form;
    struct added *added;
    int nadded, nread;                         /* the first nread stand in json */
    uint32_t next_added;                       /* largest id of an added token + 1 */
    uint32_t *slot, nslot;                     /* hash of contents -> index + 1; power of two */
    uint32_t *added_of;                        /* [size] id -> index into added + 1 */
    uint32_t size;
    struct finder raw, normal;
    char *json;                                /* as read; tok_save starts from it */
    size_t njson;
    char digest[HASH_HEX];
};

MUST_USE int tokenizer_read(struct tokenizer *t);            /* fills t from t->json */
/* One more added token (content is copied). Its id must be the one Hugging Face would give it. */
MUST_USE int tokenizer_add(struct tokenizer *t, const struct added *a);
uint32_t tokenizer_next_id(const struct tokenizer *t);       /* of an added token that the vocabulary lacks */
MUST_USE int tokenizer_ready(struct tokenizer *t);           /* tables behind the last added token */

#endif
