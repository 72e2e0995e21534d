/* SPDX-License-Identifier: Apache-2.0
 * Tokens of text made of pieces: a template's, whose special tokens are tokens, and a data set's, which is text whatever it
 * says. What stands between two special tokens is tokenized as one. Private to text/.
 */
#ifndef TEXT_EMIT_H
#define TEXT_EMIT_H

#include "text/tokenizer.h"

struct emitter {                               /* set t and out, zero the rest; emit_free in the end */
    const struct tokenizer *t;
    struct tok_ids *out;                       /* begin[] has no meaning in it */
    bool inside;                               /* something that counts as text stands before what comes next */
    struct buf text;                           /* waits until a special token comes */
};
void emit_text(struct emitter *e, const char *p, size_t n);
MUST_USE int emit_token(struct emitter *e, uint32_t id);
/* Special tokens in s are tokens; names in <|...|> must be. */
MUST_USE int emit_template(struct emitter *e, const char *s, size_t n);
/* A text with {names}: what is between them as emit_template, each name through slot. "{{" is a brace. */
MUST_USE int emit_layout(struct emitter *e, const char *layout, int (*slot)(void *arg, const char *name, size_t n), void *arg);
MUST_USE int emit_flush(struct emitter *e);    /* what waits, too */
void emit_free(struct emitter *e);

#endif
