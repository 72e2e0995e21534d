/* SPDX-License-Identifier: Apache-2.0 */
#include "search/generate.h"

#include <stdlib.h>

enum { AHEAD = 2, WINDOW_MIN = 8, WINDOW_ROWS = 1024 };    /* questions prepared at a time per thread; window, in paths */

struct question {
    struct question *next;
    struct record *r;
    struct input in;
    const char *why;                           /* rejected; NULL: not */
    char *message;
    struct gen_path *path; int npath;
    bool ended;
};

struct stream {
    const struct generate *g;
    struct question *first, **last;            /* in order */
    int n, window;
    bool over;                                 /* of the input */
    char *broken; enum err_kind kind;          /* how reading failed */
    struct question **fresh;                   /* [ahead] just read */
    int ahead;
};

static void question_free(struct question *q)
{
    rec_free(q->r);
    input_free(&q->in);
    gen_paths_free(q->path, q->npath);
    free(q->message);
    free(q);
}

static void set_rejected(struct question *q, const char *why)
{
    q->why = why;
    q->message = mem_str(err_msg());
    q->ended = true;
}

/* ---- reading ---- */

static void prepare(void *arg, int i, int worker)
{
    struct stream *s = arg;
    struct question *q = s->fresh[i];
    const char *why = NULL, *id;
    size_t n;
    (void)worker;
    if (!val_str(val_get(&q->r->root, "id"), &id, &n)) {
        (void)fail("no id");
        set_rejected(q, "no id");
    } else if (input_build(s->g->io, q->r, &q->in, &why)) {
        set_rejected(q, why);
    }
}

static void submit(struct stream *s, struct question *q)
{
    const struct generate *g = s->g;
    const char *id;
    size_t n;
    if (q->ended || !val_str(val_get(&q->r->root, "id"), &id, &n)) return;
    struct gen_request r = {
        .in = q->in, .key = rng_key(g->seed, id, n), .first_index = g->first_index, .npath = g->n,
        .max_tokens = g->max_tokens, .how = g->how, .stop = g->stop, .user = q };
    q->in = (struct input){ 0 };
    if (engine_submit(g->engine, &r)) set_rejected(q, "prompt too long");
}

/* Reads the next few questions and gives them to the engine. */
static void read_some(struct stream *s)
{
    int n = 0, got = 1;
    while (n < s->ahead && s->n + n < s->window && got > 0) {
        struct question *q = mem_alloc(sizeof *q);
        q->r = rec_new();
        got = s->g->read(s->g->arg, q->r);
        if (got > 0) s->fresh[n++] = q;
        else question_free(q);
    }
    if (got <= 0) s->over = true;
    if (got < 0) {
        s->broken = mem_str(err_msg());
        s->kind = err_kind();
    }
    par_for(s->g->pool, n, prepare, s);
    for (int i = 0; i < n; i++) {
        *s->last = s->fresh[i];
        s->last = &s->fresh[i]->next;
        s->n++;
        submit(s, s->fresh[i]);
    }
}

/* ---- handing out ---- */

static void collect(struct stream *s)
{
    for (struct gen_done d; engine_take(s->g->engine, &d);) {
        struct question *q = d.user;
        q->path = d.path;
        q->npath = d.npath;
        q->ended = true;
    }
}

static int hand_out(struct stream *s)
{
    const struct generate *g = s->g;
    for (struct question *q; (q = s->first) && q->ended;) {
        int bad;
        if (q->why) {
            err_set(ERR_INPUT, q->message);
            bad = g->reject(g->arg, q->r, q->why);
        } else {
            bad = g->paths(g->arg, q->r, q->path, q->npath);
        }
        s->first = q->next;
        if (!s->first) s->last = &s->first;
        s->n--;
        question_free(q);
        if (bad) return -1;
    }
    return 0;
}

static int run(struct stream *s)
{
    for (;;) {
        while (!s->over && s->n < s->window && engine_wants(s->g->engine)) read_some(s);
        int worked = engine_step(s->g->engine);
        if (worked < 0) return -1;
        collect(s);
        if (hand_out(s) || s->g->tick(s->g->arg)) return -1;
        if (!worked && s->over && !s->first) break;
    }
    if (!s->broken) return 0;
    err_set(s->kind, s->broken);
    return -1;
}

int generate(const struct generate *g)
{
    struct stream s = { .g = g, .ahead = AHEAD * par_threads(g->pool) };
    s.last = &s.first;
    s.window = mem_max(WINDOW_MIN, WINDOW_ROWS / mem_max(1, g->n));
    s.fresh = mem_array((size_t)s.ahead, sizeof *s.fresh);
    int bad = run(&s);
    while (s.first) {
        struct question *next = s.first->next;
        question_free(s.first);
        s.first = next;
    }
    free(s.fresh);
    free(s.broken);
    return bad;
}
