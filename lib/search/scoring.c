/* SPDX-License-Identifier: Apache-2.0 */
#include "search/scoring.h"

#include <stdlib.h>

enum { AHEAD = 4, PIXEL_BYTES = 256 << 20 };   /* records prepared at a time per thread; of a window's images, about */

/* What one or several records ask. */
struct sample {
    struct record *lead;                       /* the first of them; owned */
    int refs;
    struct input in;
    const char *why; char *message;            /* it cannot be asked; NULL: it can */
    struct place *place;
};

struct item {
    struct score_item x;
    struct sample *sample;
    bool lead;                                 /* the first item of its sample */
    const char *why; char *message;
    struct place *place[SCORE_TEXTS];
};

struct window {
    const struct scoring *s;
    struct item *item; int n;                  /* [batch] */
    int fresh;                                 /* the first item that is not prepared yet */
    size_t pixels;                             /* bytes */
    struct sample *last;                       /* of the record read last; held */
    bool over;                                 /* of the input */
    char *broken; enum err_kind kind;          /* how reading failed */
};

/* ---- samples ---- */

static bool same_value(const struct record *a, const struct record *b, const char *key)
{
    const val *x = val_get(&a->root, key), *y = val_get(&b->root, key);
    return x && y ? val_equal(x, y) : x == y;
}

bool same_question(const struct record *a, const struct record *b)
{
    return same_value(a, b, "question") && same_value(a, b, "choices") && same_value(a, b, "images");
}

static void sample_drop(struct sample *q)
{
    if (!q || --q->refs) return;
    rec_free(q->lead);
    input_free(&q->in);
    free(q->message);
    free(q);
}

static void item_free(struct item *i)
{
    for (int k = 0; k < i->x.ntext; k++) {
        free(i->x.text[k].id);
        free(i->x.text[k].out);
    }
    free(i->message);
    if (i->x.r != i->sample->lead) rec_free(i->x.r);
    sample_drop(i->sample);
}

/* ---- a window of records ---- */

static void take_record(struct window *w, struct record *r)
{
    struct item *i = &w->item[w->n++];
    *i = (struct item){ .x = { .r = r } };
    if (!w->last || !same_question(w->last->lead, r)) {
        sample_drop(w->last);
        w->last = mem_alloc(sizeof *w->last);
        *w->last = (struct sample){ .lead = r, .refs = 1 };
        i->lead = true;
    }
    i->sample = w->last;
    i->sample->refs++;
    i->x.prompt = &i->sample->in;
}

static void read_some(struct window *w)
{
    int most = mem_min(w->s->batch, w->n + AHEAD * par_threads(w->s->pool));
    while (w->n < most && !w->over) {
        struct record *r = rec_new();
        int got = w->s->read(w->s->arg, r);
        if (got > 0) {
            take_record(w, r);
            continue;
        }
        rec_free(r);
        w->over = true;
        if (got == 0) return;
        w->broken = mem_str(err_msg());
        w->kind = err_kind();
    }
}

static void prepare_sample(void *arg, int k, int worker)
{
    struct window *w = arg;
    struct item *i = &w->item[w->fresh + k];
    struct sample *q = i->sample;
    (void)worker;
    if (!i->lead || !input_build(w->s->io, q->lead, &q->in, &q->why)) return;
    q->message = mem_str(err_msg());
}

static void prepare_item(void *arg, int k, int worker)
{
    struct window *w = arg;
    struct item *i = &w->item[w->fresh + k];
    (void)worker;
    if (i->sample->why || !w->s->prepare(w->s->arg, &i->x, &i->why)) return;
    i->message = mem_str(err_msg());
}

/* As many records as go together. */
static void read_window(struct window *w)
{
    w->n = w->fresh = 0;
    w->pixels = 0;
    while (w->n < w->s->batch && !w->over && w->pixels < PIXEL_BYTES) {
        read_some(w);
        par_for(w->s->pool, w->n - w->fresh, prepare_sample, w);
        par_for(w->s->pool, w->n - w->fresh, prepare_item, w);
        for (; w->fresh < w->n; w->fresh++)
            if (w->item[w->fresh].lead) w->pixels += w->item[w->fresh].x.prompt->npx * sizeof(float);
    }
}

/* ---- reading the texts ---- */

/* Adds the text, its prompt before it; false when there is no room. */
static bool add_text(const struct scoring *s, struct item *i, int k)
{
    struct sample *q = i->sample;
    const struct score_text *t = &i->x.text[k];
    if (!q->place && !(q->place = forest_prompt(s->forest, &q->in, q->in.n - s->tail))) return false;
    return (i->place[k] = forest_text(s->forest, q->place, t->id, t->n, t->out)) != NULL;
}

/* Drops all places of the window. Prompts stay cached while there is room. */
static void drop_places(struct window *w)
{
    for (int i = 0; i < w->n; i++) {
        struct item *x = &w->item[i];
        for (int k = 0; k < x->x.ntext; k++) {
            forest_drop(w->s->forest, x->place[k]);
            x->place[k] = NULL;
        }
        forest_drop(w->s->forest, x->sample->place);
        x->sample->place = NULL;
    }
}

static int run_places(struct window *w)
{
    int bad = w->s->run(w->s->arg);
    drop_places(w);
    return bad;
}

static int read_texts(struct window *w)
{
    for (int i = 0; i < w->n; i++) {
        struct item *x = &w->item[i];
        for (int k = 0; k < x->x.ntext && !x->why && !x->sample->why; k++) {
            if (add_text(w->s, x, k)) continue;
            if (run_places(w)) return -1;
            if (!add_text(w->s, x, k)) return fail("the cache has no room for a prompt of %d tokens and %d more", x->x.prompt->n, x->x.text[k].n);
        }
    }
    return run_places(w);
}

/* ---- handing out ---- */

static int hand_out(const struct scoring *s, struct item *i)
{
    const char *why = i->why ? i->why : i->sample->why;
    if (!why) return s->done(s->arg, &i->x);
    err_set(ERR_INPUT, i->why ? i->message : i->sample->message);
    return s->reject(s->arg, i->x.r, why);
}

static int work(struct window *w)
{
    const struct scoring *s = w->s;
    read_window(w);
    int bad = read_texts(w);
    for (int i = 0; i < w->n && !bad; i++) bad = hand_out(s, &w->item[i]);
    drop_places(w);
    for (int i = 0; i < w->n; i++) item_free(&w->item[i]);
    return bad;
}

int scoring(const struct scoring *s)
{
    struct window w = { .s = s };
    int bad = 0;
    w.item = mem_array((size_t)s->batch, sizeof *w.item);
    while (!bad && !w.over) bad = work(&w);
    if (!bad && w.broken) {
        err_set(w.kind, w.broken);
        bad = -1;
    }
    sample_drop(w.last);
    free(w.item);
    free(w.broken);
    return bad;
}
