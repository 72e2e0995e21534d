/* SPDX-License-Identifier: Apache-2.0
 * A stream of records of which a server is asked: read ahead and prepared on a thread of its own, many requests under way,
 * and handed out in the order in which they came. Memory is bounded by a window of records; messages with their images are
 * held for few of them.
 *
 *     struct ask a = { .cfg = &http_cfg, .chat = &chat_cfg, .arg = .., .read = .., .prepare = .., .done = .., .idle = .. };
 *     if (ask(&a, &stats)) ...
 */
#ifndef NET_ASK_H
#define NET_ASK_H

#include "base/hash.h"
#include "net/chat.h"
#include "net/http.h"
#include "record/record.h"

struct ask_one {                               /* a request about the record, and what came of it */
    struct record *kept;                       /* set by prepare: it was answered before. Owned */
    const char *why;                           /* NULL: answered. Else the reason (static), with its particulars in detail */
    char *detail;
    struct chat_reply reply;
    char digest[HASH_HEX];                     /* of all that is sent */
    struct buf head;                           /* private from here on */
    struct http_post post;
    struct ask_item *item;
};
struct ask_item {
    struct record *r;
    const char *why;                           /* not NULL: it cannot be asked (static), and has no requests */
    char *detail;                              /* why with particulars */
    struct buf messages;                       /* set by prepare: a JSON array */
    struct ask_one *one; int n;                /* set by prepare through ask_add */
    int started, left;                         /* private: requests started; not done */
    struct ask_item *next;
};
/* Adds a request with this seed to the item, whose messages must be set; its digest is known then. */
struct ask_one *ask_add(struct ask_item *x, const struct chat_cfg *c, uint32_t seed);

struct ask {
    const struct http_cfg *cfg;                /* check is ours */
    const struct chat_cfg *chat;
    void *arg;                                 /* of the calls below; each returns -1 after fail(), which ends it all */
    int (*read)(void *arg, struct record *r);              /* 1, or 0 at the end; this and prepare are on the other thread */
    int (*prepare)(void *arg, struct ask_item *x);         /* makes the requests, or sets x->why */
    int (*done)(void *arg, struct ask_item *x);            /* in order; r may be changed */
    int (*idle)(void *arg);                                /* several times a second, for progress and flushing */
};
struct ask_stats { struct http_stats http; uint64_t prompt_tokens, tokens; };
/* 0, or -1. When reading fails, the records read before are finished and handed out first. */
MUST_USE int ask(const struct ask *a, struct ask_stats *stats);

#endif
