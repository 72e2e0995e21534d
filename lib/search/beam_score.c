/* SPDX-License-Identifier: Apache-2.0
 * Scores of candidates: each is read from behind the branch that it goes on from, many questions in a pass.
 */
#include "search/beam_priv.h"

/* The token of c's text from which it is new. */
static int new_from(const struct branch *c, int scored) { return prm_ids_step(&c->text, scored).begin; }

int score_length(const struct branch *c)
{
    return c->nscore > c->from->nscore ? c->length - new_from(c, c->from->nscore) : 0;
}

/* Adds what is to be read of c; false: there is no room now. */
static bool add(struct search *s, struct branch *c)
{
    struct question *q = c->q;
    struct place *behind = c->from->place;
    int scored = behind ? c->from->nscore : 0, begin = new_from(c, scored);
    if (!behind && !q->prompt && !(q->prompt = forest_prompt(s->forest, &q->prm_in, q->prm_in.n))) return false;
    c->place = prm_text(s->b->prm, behind ? behind : q->prompt, c->text.ids.id + begin, c->length - begin, c->score + scored);
    if (!c->place) return false;
    s->stats->read += (uint64_t)score_length(c);
    s->stats->reread += (uint64_t)(c->length - begin - score_length(c));
    return true;
}

static void drop(struct search *s, struct place **p)
{
    forest_drop(s->forest, *p);
    *p = NULL;
}

/* Takes everything out of the cache: candidates that come later are read from the prompt on. */
static void drop_all(struct search *s)
{
    for (struct question *q = s->first; q; q = q->next) {
        for (int i = 0; i < q->ncand; i++) drop(s, &q->cand[i].place);
        for (int i = 0; i < q->nkept; i++) drop(s, &q->kept[i].place);
        drop(s, &q->prompt);
    }
}

static int add_question(struct search *s, struct question *q)
{
    if (!q->prm_tokens) q->prm_tokens = (uint64_t)q->prm_in.n;
    for (int i = 0; i < q->ncand; i++) {
        struct branch *c = &q->cand[i];
        q->prm_tokens += (uint64_t)score_length(c);
        if (!score_length(c) || add(s, c)) continue;
        if (prm_run(s->b->prm)) return -1;
        drop_all(s);
        if (!add(s, c)) return fail("the reward model's cache has no room for a prompt of %d tokens and %d more", q->prm_in.n, c->length);
    }
    return 0;
}

int score_waiting(struct search *s)
{
    struct question *q = s->waiting, *next;
    for (struct question *i = q; i; i = i->next_waiting)
        if (add_question(s, i)) return -1;
    if (prm_run(s->b->prm)) return -1;
    s->waiting = NULL;
    s->last_waiting = &s->waiting;
    s->rows = 0;
    for (; q; q = next) {
        next = q->next_waiting;
        round_choose(s, q);
    }
    return 0;
}
