/* SPDX-License-Identifier: Apache-2.0
 * A round of a question: candidates are asked for, made into paths, and the best are kept.
 */
#include <stdlib.h>
#include <string.h>
#include "record/choose.h"
#include "record/path.h"
#include "search/beam_priv.h"
#include "search/prm_path.h"

/* ---- asking ---- */

static int ask(struct search *s, struct branch *b, int n, uint64_t first_index)
{
    const struct beam *o = s->b;
    struct question *q = b->q;
    const char *id;
    size_t len;
    int *cut = mem_array((size_t)b->p.nstep + 1, sizeof *cut);
    for (int i = 0; i <= b->p.nstep; i++) cut[i] = q->in.n + (i ? b->p.end[i - 1] : 0);
    (void)val_str(val_get(&q->r->root, "id"), &id, &len);
    struct gen_request r = {
        .in = input_behind(&q->in, b->p.token, b->p.n), .cut = cut, .ncut = b->p.nstep, .key = rng_key(o->seed, id, len),
        .first_index = first_index, .first_pos = (uint64_t)b->p.n, .npath = n, .max_tokens = q->limit - b->p.n, .how = o->how,
        .stop = { s->stop, s->nstop, o->stop, o->nstop, o->io->tok }, .user = b };
    int bad = engine_submit(o->engine, &r);
    free(cut);
    q->asked += !bad;
    return bad;
}

void round_begin(struct search *s, struct question *q)
{
    const struct beam *b = s->b;
    int n = q->rounds ? b->n / b->keep : b->n;
    uint64_t index = b->first_index;
    q->rounds++;
    s->stats->rounds++;
    for (int i = 0; i < q->nkept && !q->why; i++) {
        if (!q->kept[i].open) continue;
        if (q->kept[i].p.n && q->kept[i].p.n >= q->limit) {
            (void)fail("a path of %d tokens leaves no room for a step", q->kept[i].p.n);
            question_rejected(q, "path too long");
        } else if (ask(s, &q->kept[i], n, index)) {
            question_rejected(q, "prompt too long");
        }
        index += (uint64_t)n;
    }
    if (q->why && !q->asked) question_ended(s, q);
}

/* ---- candidates ---- */

/* What the reward model is to read. */
static void encode(const struct search *s, struct branch *c)
{
    struct arena a = { 0 };
    struct chain chain;
    const val *path = val_get(&c->r->root, "path");
    struct slice tail = { c->q->prm_in.tail, c->q->prm_in.ntail };
    bool bad = path_to_chain(path, &a, &chain) || prm_form_encode(s->b->prm_io->prm, tail, &chain, &c->text);
    c->length = bad ? -1 : (int)c->text.ids.n;
    if (c->length < 0) c->why = "text that cannot be encoded";
    else if (!c->length || !forest_check(s->forest, &c->q->prm_in, c->length)) c->nscore = chain.nstep + chain.has_answer;
    arena_free(&a);
    if (!c->nscore) return;
    c->score = mem_array((size_t)c->nscore, sizeof *c->score);
    if (c->from->nscore) memcpy(c->score, c->from->score, (size_t)c->from->nscore * sizeof *c->score);
}

struct making { struct search *s; struct question *q; };

static void make(void *arg, int i, int worker)
{
    struct making *m = arg;
    const struct beam *b = m->s->b;
    struct branch *c = &m->q->cand[i];
    struct step_rule rule = { m->s->step_end, b->max_steps, m->q->limit };
    struct gen_path whole = { c->index, c->end, c->p.token, c->p.logprob, c->p.n };
    (void)worker;
    c->r = rec_new();
    const val *path = val_set(&c->r->zone, &c->r->root, "path", path_record_step(&c->r->zone, &whole, b->io, b->digest, &rule));
    c->open = val_is_str(val_get(path, "end"), "step");
    partial_steps(&c->p, path);
    if (b->prm) encode(m->s, c);
}

static void add_candidates(struct question *q, struct branch *from)
{
    for (int i = 0; i < from->nmore; i++) {
        const struct gen_path *g = &from->more[i];
        struct branch *c = &q->cand[q->ncand++];
        *c = (struct branch){ .q = q, .index = g->index, .end = g->end, .from = from };
        partial_join(&from->p, g, &c->p);
        q->tokens += (uint64_t)g->n;
    }
    gen_paths_free(from->more, from->nmore);
    from->more = NULL;
    from->nmore = 0;
}

static void wait_for_scores(struct search *s, struct question *q)
{
    for (int i = 0; i < q->ncand; i++) s->rows += score_length(&q->cand[i]);
    q->next_waiting = NULL;
    *s->last_waiting = q;
    s->last_waiting = &q->next_waiting;
}

static void round_full(struct search *s, struct question *q)
{
    int n = 0;
    for (int i = 0; i < q->nkept; i++) n += q->kept[i].nmore;
    q->cand = mem_array((size_t)n, sizeof *q->cand);
    for (int i = 0; i < q->nkept; i++) add_candidates(q, &q->kept[i]);
    par_for(s->b->pool, n, make, &(struct making){ s, q });
    s->stats->candidates += (uint64_t)n;
    if (s->b->prm) wait_for_scores(s, q);
    else question_ended(s, q);
}

void round_collect(struct search *s)
{
    for (struct gen_done d; engine_take(s->b->engine, &d);) {
        struct branch *b = d.user;
        b->more = d.path;
        b->nmore = d.npath;
        if (--b->q->asked) continue;
        if (b->q->why) question_ended(s, b->q);
        else round_full(s, b->q);
    }
}

/* ---- choosing ---- */

struct ranked { struct candidate c; struct branch *b; };

static int by_rank(const void *x, const void *y)
{
    return candidate_order(&((const struct ranked *)x)->c, &((const struct ranked *)y)->c);
}

/* All that take part: what has ended, and the candidates. Returns how many. */
static int line_up(struct search *s, struct question *q, struct ranked *v)
{
    struct reward w = { NULL, s->b->step_weight, s->b->agg, OVER_ALL };
    int n = 0;
    for (int i = 0; i < q->nkept; i++)
        if (!q->kept[i].open) v[n++].b = &q->kept[i];
    for (int i = 0; i < q->ncand; i++)
        if (q->cand[i].why) err_set(ERR_INPUT, q->cand[i].why);
        else v[n++].b = &q->cand[i];
    for (int i = 0; i < n; i++) v[i].c = candidate_of(v[i].b->r, &w);
    return n;
}

static void put_scores(const struct search *s, struct question *q)
{
    const struct reward total = { NULL, s->b->step_weight, AGG_MEAN, OVER_STEPS };
    for (int i = 0; i < q->ncand; i++)
        if (!q->cand[i].why) (void)prm_path_put(q->cand[i].r, q->cand[i].score, &total, "prm");
}

void round_choose(struct search *s, struct question *q)
{
    struct ranked *v = mem_array((size_t)q->nkept + (size_t)q->ncand, sizeof *v);
    struct branch *kept = mem_array((size_t)s->b->keep, sizeof *kept);
    bool open = false;
    put_scores(s, q);
    int n = line_up(s, q, v), nkept = mem_min(n, s->b->keep);
    qsort(v, (size_t)n, sizeof *v, by_rank);
    for (int i = 0; i < nkept; i++) {
        kept[i] = *v[i].b;
        kept[i].from = NULL;
        open |= kept[i].open;
        *v[i].b = (struct branch){ 0 };
    }
    for (int i = 0; i < q->nkept; i++) branch_free(s, &q->kept[i]);
    for (int i = 0; i < q->ncand; i++) branch_free(s, &q->cand[i]);
    free(q->kept);
    free(q->cand);
    free(v);
    q->kept = kept;
    q->nkept = nkept;
    q->cand = NULL;
    q->ncand = 0;
    if (!n) question_rejected(q, "text that cannot be encoded");
    if (n && open) round_begin(s, q);
    else question_ended(s, q);
}
