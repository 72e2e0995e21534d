/* SPDX-License-Identifier: Apache-2.0
 * OpenAI's chat completions as JSON: the body of a request, and what a reply says.
 *
 * A body is  {"model": .., "temperature": .., "max_tokens": .., "seed": .., "stream": false, "messages":  MESSAGES  }
 * in three pieces, so that the many requests about one record share its messages and images.
 */
#ifndef NET_CHAT_H
#define NET_CHAT_H

#include <jansson.h>
#include <stdbool.h>
#include "base/mem.h"

struct chat_cfg {
    const char *model;
    double temperature, top_p;                 /* top_p 1: not sent */
    int top_k, max_tokens;                     /* top_k 0: not sent */
    const char *const *stop; int nstop;        /* texts a reply ends before; servers take few */
    const json_t *extra;                       /* an object whose members are added, or replace those above; a null takes one
                                                  away. NULL: none. Borrowed */
};
/* The first piece, up to and including "messages":. Appended. */
void chat_head(const struct chat_cfg *c, uint32_t seed, struct buf *out);
extern const char chat_tail[];                 /* the last piece */

/* Pieces of messages, appended. Text is UTF-8; bytes are those of an encoded image. */
void chat_put_text(struct slice text, struct buf *out);                 /* as a JSON string */
MUST_USE int chat_put_image(const void *p, size_t n, struct buf *out);  /* as a data URL in quotes; -1: neither PNG, JPEG nor WebP */

struct chat_reply {
    struct buf text;                           /* of the message; owned: free with buf_free */
    bool cut;                                  /* it was cut off at max_tokens */
    uint64_t prompt_tokens, tokens;            /* as the server counts; 0: it does not say */
};
/* The first choice. NULL; or why there is none (static; fail() has the particulars), and whether asking again may help. */
const char *chat_read(const char *body, size_t n, struct chat_reply *out, bool *again);

#endif
