/* SPDX-License-Identifier: Apache-2.0
 * A slot carries one post from its start to its end: it waits (first for its turn, later between tries) or runs. */
#include "net/http_priv.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "record/base64.h"

enum { REPLY_MAX = 16 << 20, HEADERS_MAX = 256 << 10, SECRET_MIN = 8 };
static const double WAIT_MAX = 60, ASKED_MAX = 3600, CONNECT_MAX = 30;      /* seconds */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- set-up ---- */

static void curl_set_up(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

static void add_secret(struct http *h, char *s)
{
    if (!s || strlen(s) < SECRET_MIN || h->nsecret == SECRETS) free(s);
    else h->secret[h->nsecret++] = s;
}

static void add_query_values(struct http *h, const char *url)
{
    const char *p = strchr(url, '?');
    while (p && (p = strchr(p, '='))) {
        size_t n = strcspn(++p, "&");
        add_secret(h, mem_strn(p, n));
        p += n;
    }
}

/* What must not come back: shorter ones are left out, as they may be words of the reply. */
static void find_secrets(struct http *h)
{
    const struct address *a = h->cfg.to;
    if (h->cfg.key) add_secret(h, mem_str(h->cfg.key));
    add_query_values(h, a->url);
    if (!a->user && !a->password) return;
    struct buf b = {0};
    char *pair = mem_fmt("%s:%s", a->user ? a->user : "", a->password ? a->password : "");
    base64_put(pair, strlen(pair), &b);
    add_secret(h, pair);
    add_secret(h, b.p);
    if (a->password) add_secret(h, mem_str(a->password));
}

static struct curl_slist *make_headers(const char *key)
{
    struct curl_slist *l = curl_slist_append(NULL, "Content-Type: application/json");
    l = curl_slist_append(l, "Expect:");       /* else every large body waits for a "100 Continue" */
    if (!key) return l;
    char *line = mem_fmt("Authorization: Bearer %s", key);
    l = curl_slist_append(l, line);
    free(line);
    return l;
}

static int set_up_slot(struct http *h, struct slot *s)
{
    const struct address *a = h->cfg.to;
    CURL *c = s->easy = curl_easy_init();
    if (!c) return fail("libcurl: out of memory");
    s->http = h;
    bool bad = curl_easy_setopt(c, CURLOPT_URL, a->url) || curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= a->user && curl_easy_setopt(c, CURLOPT_USERNAME, a->user);
    bad |= a->password && curl_easy_setopt(c, CURLOPT_PASSWORD, a->password);
    bad |= curl_easy_setopt(c, CURLOPT_POST, 1L) || curl_easy_setopt(c, CURLOPT_HTTPHEADER, h->headers);
    bad |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) || curl_easy_setopt(c, CURLOPT_PRIVATE, s);
    bad |= curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(1000 * h->cfg.timeout));
    bad |= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(1000 * mem_min(h->cfg.timeout, CONNECT_MAX)));
    bad |= curl_easy_setopt(c, CURLOPT_READFUNCTION, http_send_body) || curl_easy_setopt(c, CURLOPT_READDATA, s);
    bad |= curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, http_seek_body) || curl_easy_setopt(c, CURLOPT_SEEKDATA, s);
    bad |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, http_take_body) || curl_easy_setopt(c, CURLOPT_WRITEDATA, s);
    bad |= curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, http_take_header) || curl_easy_setopt(c, CURLOPT_HEADERDATA, s);
    return bad ? fail("libcurl does not take the set-up") : 0;
}

struct http *http_new(const struct http_cfg *c)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, curl_set_up);
    struct http *h = mem_alloc(sizeof *h);
    h->cfg = *c;
    if (!h->cfg.max_reply) h->cfg.max_reply = REPLY_MAX;
    h->jitter = rng_new((uint64_t)getpid() ^ (uint64_t)(1e6 * now()), "jitter");
    find_secrets(h);
    h->headers = make_headers(c->key);
    h->multi = curl_multi_init();
    h->slot = mem_array((size_t)c->concurrency, sizeof *h->slot);
    int bad = h->multi && h->headers ? 0 : fail("libcurl: out of memory");
    for (int i = 0; i < c->concurrency && !bad; i++) bad = set_up_slot(h, &h->slot[i]);
    if (!bad) return h;
    http_free(h);
    return NULL;
}

void http_free(struct http *h)
{
    if (!h) return;
    for (int i = 0; i < h->cfg.concurrency; i++) {
        struct slot *s = &h->slot[i];
        if (s->state == SLOT_RUNNING) curl_multi_remove_handle(h->multi, s->easy);
        curl_easy_cleanup(s->easy);
        buf_free(&s->reply);
    }
    curl_multi_cleanup(h->multi);
    curl_slist_free_all(h->headers);
    for (int i = 0; i < h->nsecret; i++) free(h->secret[i]);
    free(h->slot);
    free(h);
}

/* ---- the data of a try ---- */

size_t http_send_body(char *p, size_t size, size_t n, void *arg)
{
    struct slot *s = arg;
    size_t room = size * n, at = s->sent, put = 0;
    for (int i = 0; i < s->post->nparts && put < room; i++) {
        struct slice x = s->post->part[i];
        if (at >= x.n) { at -= x.n; continue; }
        size_t k = mem_min(x.n - at, room - put);
        memcpy(p + put, x.p + at, k);
        put += k;
        at = 0;
    }
    s->sent += put;
    return put;
}

int http_seek_body(void *arg, curl_off_t at, int from)       /* libcurl starts over on a fresh connection */
{
    struct slot *s = arg;
    if (from != SEEK_SET || at < 0) return CURL_SEEKFUNC_CANTSEEK;
    s->sent = (size_t)at;
    return CURL_SEEKFUNC_OK;
}

size_t http_take_body(char *p, size_t size, size_t n, void *arg)
{
    struct slot *s = arg;
    size_t k = size * n;
    s->too_large |= k > s->http->cfg.max_reply - s->reply.len;
    if (s->too_large) return 0;
    buf_add(&s->reply, p, k);
    return k;
}

size_t http_take_header(char *p, size_t size, size_t n, void *arg)
{
    struct slot *s = arg;
    (void)p;
    s->headers += size * n;
    s->too_large |= s->headers > HEADERS_MAX;
    return s->too_large ? 0 : size * n;
}

/* ---- starting ---- */

int http_room(const struct http *h)
{
    int n = 0;
    for (int i = 0; i < h->cfg.concurrency; i++) n += h->slot[i].state == SLOT_FREE;
    return n;
}

void http_start(struct http *h, struct http_post *p)
{
    struct slot *s = h->slot;
    while (s->state != SLOT_FREE) s++;
    s->state = SLOT_WAITING;
    s->post = p;
    s->at = 0;
    s->tries = 0;
    p->why = NULL;
    p->detail = NULL;
    buf_clear(&p->reply);
}

static int run_slot(struct http *h, struct slot *s)
{
    curl_off_t n = 0;
    for (int i = 0; i < s->post->nparts; i++) n += (curl_off_t)s->post->part[i].n;
    s->sent = s->headers = 0;
    s->too_large = false;
    buf_clear(&s->reply);
    if (curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, n) || curl_multi_add_handle(h->multi, s->easy))
        return fail("libcurl: out of memory");
    s->state = SLOT_RUNNING;
    s->tries++;
    h->stats.tries++;
    return 0;
}

/* Starts the tries that are due; *next: when the next one of the others is. */
static int run_due(struct http *h, double t, double *next)
{
    for (int i = 0; i < h->cfg.concurrency; i++) {
        struct slot *s = &h->slot[i];
        if (s->state != SLOT_WAITING) continue;
        double at = mem_max(mem_max(s->at, h->hold), h->next);
        if (at > t) { *next = mem_min(*next, at); continue; }
        if (run_slot(h, s)) return -1;
        if (h->cfg.rate > 0) h->next = mem_max(h->next, t) + 1 / h->cfg.rate;
    }
    return 0;
}

/* ---- ending ---- */

/* "***" for each secret in the text. */
static void hide_secrets(const struct http *h, struct buf *b)
{
    for (int i = 0; i < h->nsecret; i++) {
        size_t n = strlen(h->secret[i]);
        for (char *p = b->p, *end = b->p + b->len; p && (p = memmem(p, (size_t)(end - p), h->secret[i], n)); p += 3) {
            memcpy(p, "***", 3);
            memmove(p + 3, p + n, (size_t)(end - p) - n + 1);
            b->len -= n - 3;
            end = b->p + b->len;
        }
    }
}

static void wait_again(struct http *h, struct slot *s)
{
    double t = now(), wait = mem_min(h->cfg.backoff * (double)(1 << mem_min(s->tries - 1, 20)), WAIT_MAX);
    double random = 0.5 + 0.5 * rng_next(&h->jitter);
    curl_off_t asked = 0;
    wait *= random;
    if (curl_easy_getinfo(s->easy, CURLINFO_RETRY_AFTER, &asked) == CURLE_OK && asked > 0) {
        double pause = mem_min((double)asked, ASKED_MAX);
        h->hold = mem_max(h->hold, t + pause);
        wait = mem_max(wait, pause + 0.1 * random);
    }
    s->at = t + wait;
    s->state = SLOT_WAITING;
}

static int end_of_all(struct http *h, const struct slot *s)
{
    const char *what = s->post->detail ? s->post->detail : s->post->why;
    if (!h->cfg.give_up || h->failed_in_row < h->cfg.give_up) return 0;
    return fail("%s: %d requests in a row failed, the last with: %s", h->cfg.to->shown, h->failed_in_row, what);
}

/* A try has ended. 1: so has the post; 0: it is tried again; -1. */
static int ended(struct http *h, struct slot *s, CURLcode code)
{
    curl_multi_remove_handle(h->multi, s->easy);
    hide_secrets(h, &s->reply);
    struct http_post *p = s->post;
    buf_free(&p->reply);
    p->reply = s->reply;
    s->reply = (struct buf){0};
    free(p->detail);
    p->detail = NULL;
    enum fate fate = http_fate(s, code);
    if (fate == FATE_END) return fail("%s: %s", h->cfg.to->shown, p->detail);
    if (fate == FATE_AGAIN && s->tries < h->cfg.tries) {
        wait_again(h, s);
        return 0;
    }
    s->state = SLOT_FREE;
    h->stats.posts++;
    h->stats.failed += fate != FATE_ANSWERED;
    h->failed_in_row = fate == FATE_ANSWERED ? 0 : h->failed_in_row + 1;
    return end_of_all(h, s) ? -1 : 1;
}

static int next_ended(struct http *h, struct http_post **done)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left));) {
        char *own = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &own);
        struct slot *s = (struct slot *)(void *)own;
        int r = ended(h, s, code);
        if (r > 0) *done = s->post;
        if (r) return r;
    }
    return 0;
}

int http_wait(struct http *h, double seconds, struct http_post **done)
{
    double until = now() + seconds;
    for (;;) {
        int running, r;
        if (curl_multi_perform(h->multi, &running)) return fail("libcurl: out of memory");
        if ((r = next_ended(h, done))) return r;
        double t = now(), next = until;
        if (run_due(h, t, &next)) return -1;   /* libcurl waits for nothing while it has new ones */
        if (t >= until || atomic_exchange(&h->woken, false)) return 0;
        if (curl_multi_poll(h->multi, NULL, 0, (int)(1000 * mem_max(next - t, 0)) + 1, NULL)) return fail("libcurl: cannot wait");
    }
}

void http_wake(struct http *h)
{
    atomic_store(&h->woken, true);
    curl_multi_wakeup(h->multi);
}

struct http_stats http_stats(const struct http *h) { return h->stats; }
