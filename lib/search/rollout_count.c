/* SPDX-License-Identifier: Apache-2.0
 * Beginnings of paths, and how many of the continuations behind them are right.
 */
#include <stdlib.h>
#include <string.h>
#include "base/stat.h"
#include "search/rollout_priv.h"
#include "text/response.h"

/* ---- when a count ends ---- */

static bool ends(const struct rollout_rule *rule, int k, int done)
{
    if (done == rule->n) return true;
    if (!done || !rule->adaptive) return false;
    double all = rule->n, worst = k / all, best = (k + rule->n - done) / all;
    return worst > rule->threshold || best <= rule->threshold || stat_side(k, done, rule->threshold, rule->error);
}

int rollout_more(const struct rollout_rule *rule, int k, int done)
{
    int more = !ends(rule, k, done);
    while (more && !ends(rule, k + more, done + more) && !ends(rule, k, done + more)) more++;      /* all right, or none */
    return more;
}

int beginning_side(const struct rollout_rule *rule, const struct beginning *b)
{
    return !b->of ? 0 : (double)b->right / b->of > rule->threshold ? 1 : -1;
}

/* ---- beginnings ---- */

static struct beginning *find(const struct question *q, const uint32_t *token, int n)
{
    for (int i = 0; i < q->nbeginning; i++)
        if (q->beginning[i]->n == n && !memcmp(q->beginning[i]->token, token, (size_t)n * sizeof *token)) return q->beginning[i];
    return NULL;
}

static void enqueue(struct stream *s, struct beginning *b)
{
    b->next = NULL;
    *s->last_waiting = b;
    s->last_waiting = &b->next;
}

static struct beginning *add(struct stream *s, const struct item *it, int step)
{
    struct question *q = it->q;
    struct beginning *b = mem_alloc(sizeof *b);
    *b = (struct beginning){ .q = q, .n = it->end[step], .ncut = step + 1, .more = rollout_more(&s->o->rule, 0, 0) };
    b->token = mem_array((size_t)b->n, sizeof *b->token);
    memcpy(b->token, it->token, (size_t)b->n * sizeof *b->token);
    b->cut = mem_array((size_t)b->ncut, sizeof *b->cut);
    for (int i = 0; i < b->ncut; i++) b->cut[i] = q->in.n + (i ? it->end[i - 1] : 0);
    if (q->nbeginning == q->cap) {
        q->cap = q->cap ? 2 * q->cap : 16;
        q->beginning = mem_grow(q->beginning, (size_t)q->cap, sizeof(struct beginning *));
    }
    q->beginning[q->nbeginning++] = b;
    enqueue(s, b);
    return b;
}

struct beginning *beginning_of(struct stream *s, const struct item *it, int step, bool *shared)
{
    struct beginning *b = find(it->q, it->token, it->end[step]);
    *shared = b != NULL;
    return b ? b : add(s, it, step);
}

void beginning_free(struct beginning *b)
{
    free(b->token);
    free(b->cut);
    free(b);
}

/* ---- continuations ---- */

static struct rng_key key_of(uint64_t seed, const struct beginning *b)
{
    struct buf t = { 0 };
    buf_add(&t, b->q->id.p, b->q->id.n);
    buf_byte(&t, 0);
    buf_add(&t, b->token, (size_t)b->n * sizeof *b->token);
    struct rng_key k = rng_key(seed, t.p, t.len);
    buf_free(&t);
    return k;
}

static void submit(struct stream *s, struct beginning *b)
{
    const struct rollout *o = s->o;
    struct gen_request r = {
        .in = input_behind(&b->q->in, b->token, b->n), .cut = b->cut, .ncut = b->ncut, .key = key_of(o->seed, b),
        .first_index = (uint64_t)b->of, .first_pos = (uint64_t)b->n, .npath = b->more, .max_tokens = o->max_tokens, .how = o->how,
        .stop = { .id = s->stop, .nid = s->nstop }, .user = b };
    if (engine_submit(o->engine, &r)) b->ended = true;         /* too long: of 0 */
}

void rollout_submit(struct stream *s)
{
    while (s->waiting && engine_wants(s->o->engine)) {
        struct beginning *b = s->waiting;
        s->waiting = b->next;
        if (!s->waiting) s->last_waiting = &s->waiting;
        submit(s, b);
    }
}

static bool is_right(const struct stream *s, const struct beginning *b, const struct gen_path *path, uint32_t *token)
{
    struct arena a = { 0 };
    struct chain c;
    const char *why;
    bool right = false;
    memcpy(token + b->n, path->token, (size_t)path->n * sizeof *token);
    bool whole = !response_decode(s->o->io->tok, token, (size_t)b->n + (size_t)path->n, &a, &c, &why);
    if (whole || c.has_answer) right = !s->o->judge(s->o->arg, b->q->lead, c.answer, &right) && right;
    arena_free(&a);
    return right;
}

static void count(struct stream *s, struct beginning *b, const struct gen_path *path, int npath)
{
    uint32_t *token = mem_array((size_t)b->n + (size_t)s->o->max_tokens, sizeof *token);
    memcpy(token, b->token, (size_t)b->n * sizeof *token);
    for (int i = 0; i < npath; i++) {
        b->right += is_right(s, b, &path[i], token);
        b->fresh += (uint64_t)(b->q->in.n + b->n + path[i].n - 1);
    }
    b->of += npath;
    free(token);
}

void rollout_collect(struct stream *s)
{
    for (struct gen_done d; engine_take(s->o->engine, &d);) {
        struct beginning *b = d.user;
        count(s, b, d.path, d.npath);
        gen_paths_free(d.path, d.npath);
        b->more = rollout_more(&s->o->rule, b->right, b->of);
        if (b->more) enqueue(s, b);
        else b->ended = true;
    }
}
