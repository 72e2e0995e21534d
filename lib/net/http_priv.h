/* SPDX-License-Identifier: Apache-2.0
 * Private to lib/net: what http.c (slots and waits) and http_fate.c (what a try came to) share.
 */
#ifndef NET_HTTP_PRIV_H
#define NET_HTTP_PRIV_H

#include <curl/curl.h>
#include <stdatomic.h>
#include "base/rng.h"
#include "net/http.h"

enum { SECRETS = 16 };
enum slot_state { SLOT_FREE, SLOT_WAITING, SLOT_RUNNING };
struct slot {
    enum slot_state state;
    struct http *http;
    CURL *easy;
    struct http_post *post;
    int tries;                                 /* started */
    double at;                                 /* waiting: not before this time */
    size_t sent, headers;                      /* bytes of the try: of its body; of the reply's headers */
    struct buf reply;
    bool too_large;
};

struct http {
    struct http_cfg cfg;
    CURLM *multi;
    struct curl_slist *headers;
    struct slot *slot;                         /* [cfg.concurrency] */
    double hold, next;                         /* nothing starts before: the server asked so; the rate says so */
    struct rng jitter;
    atomic_bool woken;
    int failed_in_row;
    char *secret[SECRETS]; int nsecret;        /* what must not come back */
    struct http_stats stats;
};

enum fate { FATE_ANSWERED, FATE_AGAIN, FATE_FAILED, FATE_END };
/* Of the try that ended in the slot; sets why and detail of its post. */
enum fate http_fate(struct slot *s, CURLcode code);

/* libcurl's callbacks; arg is the slot */
size_t http_send_body(char *p, size_t size, size_t n, void *arg);
int    http_seek_body(void *arg, curl_off_t at, int from);
size_t http_take_body(char *p, size_t size, size_t n, void *arg);
size_t http_take_header(char *p, size_t size, size_t n, void *arg);

#endif
