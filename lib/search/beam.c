/* SPDX-License-Identifier: Apache-2.0 */
#include "search/beam.h"

#include <stdlib.h>
#include <string.h>
#include "search/beam_priv.h"

enum { AHEAD = 2, LIVE_MIN = 4, ENDED = 16 };  /* questions prepared at a time per thread; in the works at least; ended ones a live one */

/* ---- questions ---- */

void branch_free(struct search *s, struct branch *b)
{
    if (s->forest) forest_drop(s->forest, b->place);
    partial_free(&b->p);
    rec_free(b->r);
    prm_ids_free(&b->text);
    free(b->score);
    gen_paths_free(b->more, b->nmore);
}

void question_rejected(struct question *q, const char *why)
{
    free(q->message);
    q->why = why;
    q->message = mem_str(err_msg());
}

static void drop_places(struct search *s, struct branch *b, int n)
{
    for (int i = 0; i < n && s->forest; i++) {
        forest_drop(s->forest, b[i].place);
        b[i].place = NULL;
    }
}

void question_ended(struct search *s, struct question *q)
{
    drop_places(s, q->kept, q->nkept);
    drop_places(s, q->cand, q->ncand);
    if (s->forest) forest_drop(s->forest, q->prompt);
    q->prompt = NULL;
    input_free(&q->in);
    input_free(&q->prm_in);
    q->ended = true;
    s->live--;
    s->stats->questions++;
}

static void question_free(struct search *s, struct question *q)
{
    if (!q->ended) question_ended(s, q);
    for (int i = 0; i < q->ncand; i++) branch_free(s, &q->cand[i]);
    for (int i = 0; i < q->nkept; i++) branch_free(s, &q->kept[i]);
    free(q->cand);
    free(q->kept);
    rec_free(q->r);
    free(q->message);
    free(q);
}

/* ---- reading ---- */

static int cannot(struct question *q, const char *why)
{
    q->why = why;
    return -1;
}

/* What the question begins with; -1 with q->why. */
static int start_of(const struct search *s, struct question *q)
{
    const struct beam *b = s->b;
    const char *id;
    size_t n;
    if (!val_str(val_get(&q->r->root, "id"), &id, &n)) {
        (void)fail("no id");
        return cannot(q, "no id");
    }
    const val *path = b->prm || b->anew ? NULL : val_get(&q->r->root, "path");
    if ((q->pass = !path_open(path))) return 0;
    if (input_build(b->io, q->r, &q->in, &q->why) || (b->prm && input_build(b->prm_io, q->r, &q->prm_in, &q->why))) return -1;
    if (partial_read(b->io, b->digest, path, &q->kept[0].p)) return cannot(q, "malformed path");
    q->limit = mem_min(b->max_tokens, b->io->max_positions - q->in.n);
    return 0;
}

static void prepare(void *arg, int i, int worker)
{
    struct search *s = arg;
    struct question *q = s->fresh[i];
    (void)worker;
    q->kept = mem_array((size_t)s->b->keep, sizeof *q->kept);
    q->kept[0] = (struct branch){ .q = q, .open = true };
    q->nkept = 1;
    if (start_of(s, q)) question_rejected(q, q->why);
}

/* Reads the next few questions and starts them. */
static void read_some(struct search *s, int window)
{
    int n = 0, got = 1;
    while (n < s->ahead && s->live + n < window && got > 0) {
        struct question *q = mem_alloc(sizeof *q);
        q->r = rec_new();
        got = s->b->read(s->b->arg, q->r);
        if (got > 0) {
            s->fresh[n++] = q;
        } else {
            rec_free(q->r);
            free(q);
        }
    }
    if (got <= 0) s->over = true;
    if (got < 0) {
        s->broken = mem_str(err_msg());
        s->kind = err_kind();
    }
    par_for(s->b->pool, n, prepare, s);
    for (int i = 0; i < n; i++) {
        struct question *q = s->fresh[i];
        *s->last = q;
        s->last = &q->next;
        s->n++;
        s->live++;
        if (q->why || q->pass) question_ended(s, q);
        else round_begin(s, q);
    }
}

/* ---- handing out ---- */

static uint64_t old_count(const val *search, const char *key)
{
    int64_t x;
    return val_i64(val_get(search, key), &x) && x > 0 ? (uint64_t)x : 0;
}

static void put_count(struct record *r, val *map, const char *key, uint64_t x)
{
    val_set(&r->zone, map, key, val_of_i64((int64_t)mem_min(x, INT64_MAX)));
}

/* meta.search, which goes on from what the rounds before have left there. */
static void put_search(const struct search *s, struct question *q)
{
    const struct beam *b = s->b;
    struct record *r = q->r;
    val map = val_map(), *meta = val_set_map(&r->zone, &r->root, "meta");
    const val *old = b->prm || b->anew ? NULL : val_get(meta, "search");
    put_count(r, &map, "n", (uint64_t)b->n);
    put_count(r, &map, "rounds", old_count(old, "rounds") + q->rounds);
    put_count(r, &map, "tokens", old_count(old, "tokens") + q->tokens);
    if (b->cost) put_count(r, &map, "beam", (uint64_t)b->keep);
    if (b->cost) put_count(r, &map, "prm_tokens", q->prm_tokens);
    val_set(&r->zone, meta, "search", map);
}

static int write_branch(const struct search *s, struct question *q, const struct branch *c, int k)
{
    const val *scores = val_get(&c->r->root, "scores");
    path_into(q->r, *val_get(&c->r->root, "path"));
    if (!k) put_search(s, q);
    if (scores) val_set(&q->r->zone, &q->r->root, "scores", *scores);
    return s->b->write(s->b->arg, q->r, k);
}

static int write_question(const struct search *s, struct question *q)
{
    const struct beam *b = s->b;
    int bad = 0;
    if (q->why) {
        err_set(ERR_INPUT, q->message);
        return b->reject(b->arg, q->r, q->why);
    }
    if (q->pass) return b->write(b->arg, q->r, 0);
    if (b->prm) return write_branch(s, q, &q->kept[0], 0);
    for (int i = 0; i < q->ncand && !bad; i++) bad = write_branch(s, q, &q->cand[i], i);
    return bad;
}

static int hand_out(struct search *s)
{
    for (struct question *q; (q = s->first) && q->ended;) {
        int bad = write_question(s, q);
        s->first = q->next;
        if (!s->first) s->last = &s->first;
        s->n--;
        question_free(s, q);
        if (bad) return -1;
    }
    return 0;
}

/* ---- the loop ---- */

/* As many questions as fill the batch twice: one half is sampled from while the other waits for scores, or its turn. */
static int window_of(const struct beam *b) { return LIVE_MIN + 2 * b->batch / b->n; }

static int run(struct search *s)
{
    struct engine *e = s->b->engine;
    int window = window_of(s->b);
    for (;;) {
        while (!s->over && s->live < window && s->n < ENDED * window && engine_wants(e)) read_some(s, window);
        int worked = engine_step(e);
        if (worked < 0) return -1;
        round_collect(s);
        if (s->waiting && (s->rows >= forest_rows(s->forest) || engine_wants(e)) && score_waiting(s)) return -1;
        if (hand_out(s) || s->b->tick(s->b->arg)) return -1;
        if (!worked && s->over && !s->first) break;
    }
    if (!s->broken) return 0;
    err_set(s->kind, s->broken);
    return -1;
}

static int find_stops(struct search *s)
{
    struct step_ids ids;
    const struct model_io *io = s->b->io;
    if (step_ids_find(io->tok, &ids)) return -1;
    s->step_end = ids.id[TOK_STEP_END];
    s->nstop = io->nstop + 1;
    s->stop = mem_array((size_t)s->nstop, sizeof *s->stop);
    memcpy(s->stop, io->stop, (size_t)io->nstop * sizeof *s->stop);
    s->stop[io->nstop] = s->step_end;
    return 0;
}

int beam(const struct beam *b, struct beam_stats *stats)
{
    struct search s = { .b = b, .stats = stats, .forest = b->prm ? prm_forest(b->prm) : NULL, .ahead = AHEAD * par_threads(b->pool) };
    *stats = (struct beam_stats){ 0 };
    s.last = &s.first;
    s.last_waiting = &s.waiting;
    s.fresh = mem_array((size_t)s.ahead, sizeof *s.fresh);
    int bad = find_stops(&s) || run(&s) ? -1 : 0;
    for (struct question *next; s.first; s.first = next) {
        next = s.first->next;
        question_free(&s, s.first);
    }
    free(s.fresh);
    free(s.stop);
    free(s.broken);
    return bad;
}
