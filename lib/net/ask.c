/* SPDX-License-Identifier: Apache-2.0
 * The reading thread fills a short queue; the other one takes from it when it has room for a request, drives the requests,
 * and hands out from the head of a list in the order of reading. */
#include "net/ask.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 8 };                           /* records read and not handed out, for each request that may be under way */
static const double IDLE_SECONDS = 0.25;

struct list { struct ask_item *head, **tail; int n; };
struct stream {
    const struct ask *a;
    struct http *http;
    struct ask_stats stats;
    struct list asked;                         /* in order of reading: the main thread's own */
    struct ask_item *next;                     /* of them, the first with requests to start */
    pthread_mutex_t lock;                      /* of what follows */
    pthread_cond_t room;
    struct list ready;                         /* prepared, and not yet looked at */
    int outstanding;                           /* read, and not handed out */
    bool ended, cancelled;
    int bad;                                   /* reading failed: */
    enum err_kind kind;
    char *message;
};

static void push(struct list *l, struct ask_item *x)
{
    *l->tail = x;
    l->tail = &x->next;
    l->n++;
}

static struct ask_item *pop(struct list *l)
{
    struct ask_item *x = l->head;
    l->head = x->next;
    if (!l->head) l->tail = &l->head;
    x->next = NULL;
    l->n--;
    return x;
}

static void free_one(struct ask_one *o)
{
    if (o->kept) rec_free(o->kept);
    free(o->detail);
    buf_free(&o->reply.text);
    buf_free(&o->head);
    buf_free(&o->post.reply);
    free(o->post.detail);
}

static void free_item(struct ask_item *x)
{
    for (int i = 0; i < x->n; i++) free_one(&x->one[i]);
    free(x->one);
    free(x->detail);
    buf_free(&x->messages);
    rec_free(x->r);
    free(x);
}

/* ---- the reading thread ---- */

struct ask_one *ask_add(struct ask_item *x, const struct chat_cfg *c, uint32_t seed)
{
    x->one = mem_grow(x->one, (size_t)x->n + 1, sizeof *x->one);
    struct ask_one *o = &x->one[x->n++];
    memset(o, 0, sizeof *o);
    chat_head(c, seed, &o->head);
    struct hash *h = hash_new();
    hash_add(h, o->head.p, o->head.len);
    hash_add(h, x->messages.p, x->messages.len);
    hash_end(h, o->digest);
    return o;
}

/* Waits until another record may be read; false: not any more. */
static bool may_read(struct stream *s)
{
    int most = s->a->cfg->concurrency;
    pthread_mutex_lock(&s->lock);
    while (!s->cancelled && (s->ready.n >= most || s->outstanding >= WINDOW * most)) pthread_cond_wait(&s->room, &s->lock);
    bool go = !s->cancelled;
    s->outstanding += go;
    pthread_mutex_unlock(&s->lock);
    return go;
}

static void hand_over(struct stream *s, struct ask_item *x, int got)
{
    pthread_mutex_lock(&s->lock);
    if (got > 0) push(&s->ready, x);
    else {
        s->ended = true;
        s->outstanding--;
        s->bad = got;
        s->kind = err_kind();
        s->message = got < 0 ? mem_str(err_msg()) : NULL;
    }
    pthread_mutex_unlock(&s->lock);
    http_wake(s->http);
    if (got <= 0) free_item(x);
}

static void *read_all(void *arg)
{
    struct stream *s = arg;
    for (int got = 1; got > 0 && may_read(s);) {
        struct ask_item *x = mem_alloc(sizeof *x);
        x->r = rec_new();
        got = s->a->read(s->a->arg, x->r);
        if (got > 0 && s->a->prepare(s->a->arg, x)) got = -1;
        hand_over(s, x, got);
    }
    return NULL;
}

/* ---- the other one ---- */

static struct ask_item *take_ready(struct stream *s)
{
    pthread_mutex_lock(&s->lock);
    struct ask_item *x = s->ready.head ? pop(&s->ready) : NULL;
    if (x) pthread_cond_signal(&s->room);
    pthread_mutex_unlock(&s->lock);
    return x;
}

static bool at_end(struct stream *s)
{
    pthread_mutex_lock(&s->lock);
    bool end = s->ended && !s->ready.head && !s->asked.head;
    pthread_mutex_unlock(&s->lock);
    return end;
}

static void one_is_done(struct ask_item *x)
{
    if (--x->left == 0) buf_free(&x->messages);
}

/* Puts an item into the list; requests that are not needed are done at once. */
static void enlist(struct stream *s, struct ask_item *x)
{
    push(&s->asked, x);
    x->left = x->n + 1;
    for (int i = 0; i < x->n; i++) {
        x->one[i].item = x;
        if (x->one[i].kept) one_is_done(x);
    }
    one_is_done(x);
    if (!s->next) s->next = x;
}

static void start(struct stream *s, struct ask_one *o)
{
    struct ask_item *x = o->item;
    o->post = (struct http_post){ .part = { { o->head.p, o->head.len }, { x->messages.p, x->messages.len }, { chat_tail, strlen(chat_tail) } },
                                  .nparts = 3, .user = o };
    http_start(s->http, &o->post);
}

static void start_all(struct stream *s)
{
    while (http_room(s->http)) {
        struct ask_item *x = s->next;
        while (x && x->started < x->n && x->one[x->started].kept) x->started++;
        if (x && x->started < x->n) start(s, &x->one[x->started++]);
        else if (x) s->next = x->next;
        else if ((x = take_ready(s))) enlist(s, x);
        else return;
    }
}

static const char *check(void *arg, struct http_post *p, bool *again)
{
    struct ask_one *o = p->user;
    (void)arg;
    buf_free(&o->reply.text);
    return chat_read(p->reply.p, p->reply.len, &o->reply, again);
}

static void took(struct stream *s, struct http_post *p)
{
    struct ask_one *o = p->user;
    o->why = p->why;
    o->detail = p->detail;
    p->detail = NULL;
    buf_free(&p->reply);
    buf_free(&o->head);
    if (!o->why) {
        s->stats.prompt_tokens += o->reply.prompt_tokens;
        s->stats.tokens += o->reply.tokens;
    }
    one_is_done(o->item);
}

static int hand_out(struct stream *s)
{
    while (s->asked.head && !s->asked.head->left) {
        struct ask_item *x = pop(&s->asked);
        if (s->next == x) s->next = s->asked.head;
        int bad = s->a->done(s->a->arg, x);
        free_item(x);
        pthread_mutex_lock(&s->lock);
        s->outstanding--;
        pthread_cond_signal(&s->room);
        pthread_mutex_unlock(&s->lock);
        if (bad) return -1;
    }
    return 0;
}

static int drive(struct stream *s)
{
    while (!at_end(s)) {
        struct http_post *p;
        start_all(s);
        if (hand_out(s)) return -1;
        int got = http_wait(s->http, at_end(s) ? 0 : IDLE_SECONDS, &p);
        if (got < 0) return -1;
        if (got > 0) took(s, p);
        else if (s->a->idle(s->a->arg)) return -1;
    }
    return 0;
}

static void clean_up(struct stream *s)
{
    http_free(s->http);                        /* first: what is under way points into the items */
    while (s->asked.head) free_item(pop(&s->asked));
    while (s->ready.head) free_item(pop(&s->ready));
    pthread_cond_destroy(&s->room);
    pthread_mutex_destroy(&s->lock);
    free(s->message);
}

static int run(struct stream *s)
{
    pthread_t reader;
    if (pthread_create(&reader, NULL, read_all, s)) return fail("no thread to read with");
    int bad = drive(s);
    pthread_mutex_lock(&s->lock);
    s->cancelled = true;
    pthread_cond_signal(&s->room);
    pthread_mutex_unlock(&s->lock);
    pthread_join(reader, NULL);                /* where it fails, the thread reads until its next record has come */
    if (!bad && s->bad) err_set(s->kind, s->message);
    return bad || s->bad ? -1 : 0;
}

int ask(const struct ask *a, struct ask_stats *stats)
{
    struct stream s = { .a = a, .lock = PTHREAD_MUTEX_INITIALIZER, .room = PTHREAD_COND_INITIALIZER };
    struct http_cfg cfg = *a->cfg;
    cfg.check = check;
    s.asked.tail = &s.asked.head;
    s.ready.tail = &s.ready.head;
    s.http = http_new(&cfg);
    int bad = s.http ? run(&s) : -1;
    if (s.http) s.stats.http = http_stats(s.http);
    clean_up(&s);
    *stats = s.stats;
    return bad;
}
