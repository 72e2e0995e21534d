/* SPDX-License-Identifier: Apache-2.0
 * POSTs of JSON to one address, many at once (libcurl's multi interface), each tried again until it is answered or failed
 * for good. One thread drives it; only http_wake may be called from others.
 *
 *     struct http *h = http_new(&cfg);
 *     while (http_room(h) && more) http_start(h, post);
 *     while ((got = http_wait(h, 1, &post)) > 0) use(post);      post->why is NULL where it was answered
 *     http_free(h);
 *
 * - Tried again: what may be different the next time, that is 408, 425, 429, 5xx, time-outs, connections that fail or break,
 *   replies that are cut off, no HTTP, or that `check` calls broken. The waits are backoff, 2 * backoff, .. at most 60 s, times
 *   a random number in [1/2, 1]; a Retry-After that asks for more is honoured up to an hour, and nothing else is started
 *   meanwhile. On a kept connection that is found dead, libcurl itself sends a request again at once.
 * - Failed at once: other statuses, redirects (neither key nor images go where nobody sent them), replies that are too large.
 * - The end of it all (http_wait fails): 401, 402, 404, which the next post would get, too; and too many failures in a row.
 * - The key and the password of the address never stand in a reply or a message: a server that sends them back is read as
 *   if it had sent "***".
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdbool.h>
#include "net/address.h"

struct http_post {
    struct slice part[3];                      /* the body, piece by piece; borrowed until the post is done */
    int nparts;
    void *user;
    /* when done: */
    struct buf reply;                          /* body of the answer; caller frees */
    const char *why;                           /* NULL: answered. Else the reason: "HTTP 429", "time-out", ... (static) */
    char *detail;                              /* the reason with particulars, or NULL; caller frees */
};

struct http_cfg {
    const struct address *to;                  /* borrowed */
    const char *key;                           /* for "Authorization: Bearer"; NULL: none. Borrowed */
    int concurrency, tries;                    /* posts under way at most; of each post, the first included */
    double timeout, backoff;                   /* of one try and before the second one, seconds */
    double rate;                               /* tries started a second at most; 0: no bound */
    int give_up;                               /* failures in a row that end it all; 0: none do */
    size_t max_reply;                          /* bytes; 0: 16 MiB */
    /* Is the reply what was asked for? NULL, or why not (static; fail() has the particulars), and whether to ask again. */
    const char *(*check)(void *arg, struct http_post *p, bool *again);
    void *arg;
};

struct http;
struct http *http_new(const struct http_cfg *c);                        /* NULL + fail() */
void http_free(struct http *h);                                         /* breaks off what is under way; NULL is fine */
int  http_room(const struct http *h);                                   /* posts that may be started now */
void http_start(struct http *h, struct http_post *p);                   /* there must be room; p is borrowed until it is done */
/* 1: *done is a post that is done. 0: none was within so many seconds, or somebody called http_wake. -1: the end of it all. */
MUST_USE int http_wait(struct http *h, double seconds, struct http_post **done);
void http_wake(struct http *h);                                         /* ends a wait; from any thread */

struct http_stats { uint64_t posts, tries, failed; };                   /* done; tries of them; done and not answered */
struct http_stats http_stats(const struct http *h);

#endif
