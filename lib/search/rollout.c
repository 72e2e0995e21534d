/* SPDX-License-Identifier: Apache-2.0 */
#include "search/rollout.h"

#include <stdlib.h>
#include <string.h>
#include "search/rollout_priv.h"

/* ---- asking ---- */

/* Whether the count behind the step has ended; asks for it the first time. */
static bool known(struct stream *s, struct item *it, int step)
{
    bool shared = false;
    if (!it->beginning[step]) it->beginning[step] = beginning_of(s, it, step, &shared);
    s->stats->shared += shared;
    return it->beginning[step]->ended;
}

/* Asks what is to be asked next of a path; true when there is nothing more, and all is answered. */
static bool ask(struct stream *s, struct item *it)
{
    bool over = true;
    if (s->o->search == ROLLOUT_ALL) {
        for (int i = 0; i < it->nstep; i++) over &= known(s, it, i);
        return over;
    }
    for (int i; (i = first_error_next(&it->find)) >= 0;) {
        if (!known(s, it, i)) return false;
        first_error_told(&it->find, i, beginning_side(&s->o->rule, it->beginning[i]));
    }
    return true;
}

static void ask_all(struct stream *s)
{
    for (struct item *it = s->first; it; it = it->next)
        if (!it->over) it->over = ask(s, it);
}

/* ---- handing out ---- */

static struct step_value value_of(struct stream *s, const struct item *it, int step)
{
    const struct beginning *b = it->beginning[step];
    if (!b || !b->of) return (struct step_value){ .side = s->o->search == ROLLOUT_ALL ? 0 : first_error_side(&it->find, step) };
    s->stats->values++;
    s->stats->early += b->of < s->o->rule.n;
    s->stats->fresh += b->fresh;
    return (struct step_value){ b->right, b->of, beginning_side(&s->o->rule, b) };
}

static int hand_out_one(struct stream *s, struct item *it)
{
    const struct rollout *o = s->o;
    const char *why = it->q->why ? it->q->why : it->why;
    if (why) {
        err_set(ERR_INPUT, it->q->why ? it->q->message : it->message);
        return o->reject(o->arg, it->r, why);
    }
    struct step_value *v = mem_array((size_t)it->nstep, sizeof *v);
    for (int i = 0; i < it->nstep; i++) v[i] = value_of(s, it, i);
    int bad = o->done(o->arg, it->r, v, it->nstep);
    free(v);
    return bad;
}

static int hand_out(struct stream *s)
{
    for (struct item *it; (it = s->first) && it->over;) {
        int bad = hand_out_one(s, it);
        s->first = it->next;
        if (!s->first) s->last = &s->first;
        s->n--;
        item_free(it);
        if (bad) return -1;
    }
    return 0;
}

/* ---- the stream ---- */

static int run(struct stream *s)
{
    struct engine *e = s->o->engine;
    for (;;) {
        rollout_submit(s);
        while (!s->over && s->n < ROLLOUT_WINDOW && !s->waiting && engine_wants(e)) {
            rollout_read(s);
            ask_all(s);
            rollout_submit(s);
        }
        int worked = engine_step(e);
        if (worked < 0) return -1;
        rollout_collect(s);
        ask_all(s);
        if (hand_out(s) || s->o->tick(s->o->arg)) return -1;
        if (!worked && s->over && !s->first) break;
    }
    if (!s->broken) return 0;
    err_set(s->kind, s->broken);
    return -1;
}

static int find_stops(struct stream *s)
{
    struct step_ids ids;
    const struct model_io *io = s->o->io;
    if (step_ids_find(io->tok, &ids)) return -1;
    s->stop = mem_array((size_t)io->nstop + 1, sizeof *s->stop);
    memcpy(s->stop, io->stop, (size_t)io->nstop * sizeof *s->stop);
    s->stop[io->nstop] = ids.id[TOK_ANSWER_END];
    s->nstop = io->nstop + 1;
    return 0;
}

int rollout(const struct rollout *o, struct rollout_stats *stats)
{
    struct stream s = { .o = o, .stats = stats, .ahead = ROLLOUT_AHEAD * par_threads(o->pool) };
    *stats = (struct rollout_stats){ 0 };
    s.last = &s.first;
    s.last_waiting = &s.waiting;
    s.fresh = mem_array((size_t)s.ahead, sizeof *s.fresh);
    int bad = find_stops(&s) || run(&s) ? -1 : 0;
    while (s.first) {
        struct item *next = s.first->next;
        item_free(s.first);
        s.first = next;
    }
    question_drop(s.question);
    free(s.fresh);
    free(s.stop);
    free(s.broken);
    return bad;
}
