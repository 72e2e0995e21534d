/* SPDX-License-Identifier: Apache-2.0 */
#include "search/rollout.h"

#include <stdlib.h>
#include <string.h>
#include "record/path.h"
#include "search/scoring.h"
#include "text/response.h"

enum { AHEAD = 2, WINDOW = 256, CHOICES_MAX = 64 };        /* records prepared at a time per thread; records in the works */

/* What paths ask that follow one another. */
struct question {
    struct record *lead;                       /* the first record that asks it; owned */
    int refs;
    struct input in;
    const char *why; char *message;            /* it cannot be asked; NULL: it can */
    struct slice id, gold, choice[CHOICES_MAX];
    int nchoice;
    struct prefix_job **prefix; int nprefix, cap;
};

/* A beginning of paths: their prompt and tokens up to behind a step. */
struct prefix_job {
    struct question *q;
    struct prefix_job *next;                   /* among those to submit */
    uint32_t *token; int n;
    int *cut, ncut;                            /* behind which tokens steps end, the last left out */
    bool ended;
    struct step_value value;
    uint64_t fresh;                            /* rows, as rollout_stats has it */
};

struct item {
    struct item *next;
    struct record *r;
    struct question *q;
    bool lead;                                 /* the first of its question */
    const char *why; char *message;
    uint32_t *token; int *end, nstep;          /* end[i]: tokens up to behind step i */
    struct prefix_job **prefix;                /* [nstep] */
};

struct stream {
    const struct rollout *s;
    struct rollout_stats *stats;
    int answer_end;                            /* the token that closes an answer */
    int *stop, nstop;
    struct item *first, **last; int n;         /* in order */
    struct prefix_job *waiting, **last_waiting;
    struct question *question;                 /* of the record read last; held */
    struct item **fresh; int ahead;            /* [ahead] just read */
    bool over;
    char *broken; enum err_kind kind;
};

static void question_drop(struct question *q)
{
    if (!q || --q->refs) return;
    for (int i = 0; i < q->nprefix; i++) {
        free(q->prefix[i]->token);
        free(q->prefix[i]->cut);
        free(q->prefix[i]);
    }
    rec_free(q->lead);
    input_free(&q->in);
    free(q->prefix);
    free(q->message);
    free(q);
}

static void item_free(struct item *i)
{
    if (!i->lead) rec_free(i->r);
    question_drop(i->q);
    free(i->message);
    free(i->token);
    free(i->end);
    free(i->prefix);
    free(i);
}

static int rejected(const char **why, const char *reason)
{
    *why = reason;
    return fail("%s", reason);
}

/* ---- reading ---- */

static bool same(const struct record *a, const struct record *b)
{
    static const char *const keys[] = { "id", "answer" };
    for (int i = 0; i < countof(keys); i++) {
        const val *x = val_get(&a->root, keys[i]), *y = val_get(&b->root, keys[i]);
        if (!x || !y || !val_equal(x, y)) return false;
    }
    return same_question(a, b);
}

static struct item *item_new(struct stream *s, struct record *r)
{
    struct item *i = mem_alloc(sizeof *i);
    i->r = r;
    if (!s->question || !same(s->question->lead, r)) {
        question_drop(s->question);
        s->question = mem_alloc(sizeof *s->question);
        s->question->lead = r;
        s->question->refs = 1;
        i->lead = true;
    }
    i->q = s->question;
    i->q->refs++;
    return i;
}

static int build_question(const struct stream *s, struct question *q)
{
    struct record *r = q->lead;
    const val *choices = val_get(&r->root, "choices");
    int n = val_len(choices);
    if (!val_str(val_get(&r->root, "id"), &q->id.p, &q->id.n)) return rejected(&q->why, "no id");
    if (!answer_text(&r->zone, val_get(&r->root, "answer"), &q->gold)) return rejected(&q->why, "no right answer");
    if (n > CHOICES_MAX) return rejected(&q->why, "too many choices");
    if (!n && s->s->match == ANSWER_CHOICE) return rejected(&q->why, "no choices");
    for (; q->nchoice < n; q->nchoice++)
        if (!answer_text(&r->zone, val_at(choices, q->nchoice), &q->choice[q->nchoice])) return rejected(&q->why, "a choice is not text");
    return input_build(s->s->io, r, &q->in, &q->why);
}

static void prepare_question(void *arg, int k, int worker)
{
    struct stream *s = arg;
    (void)worker;
    if (s->fresh[k]->lead && build_question(s, s->fresh[k]->q)) s->fresh[k]->q->message = mem_str(err_msg());
}

/* The path's own tokens, when they are of the model's tokenizer: 1; 0: there are none or no spans; -1: malformed. */
static int own_tokens(const struct model_io *io, const val *path, struct item *it)
{
    const uint32_t *id;
    size_t n;
    int64_t at = 0, end;
    const val *steps = val_get(path, "steps");
    if (!val_is_str(val_get(path, "tokenizer"), tok_digest(io->tok)) || !val_u32s(val_get(path, "tokens"), &id, &n)) return 0;
    for (int i = 0; i < it->nstep; i++) {
        const val *span = val_get(val_at(steps, i), "span");
        if (!span) return 0;
        if (!val_i64(val_at(span, 1), &end) || end <= at || (uint64_t)end > n || end > INT32_MAX) return fail("step %d: no span of the tokens", i + 1);
        it->end[i] = (int)(at = end);
    }
    it->token = mem_array((size_t)at, sizeof *id);
    if (at) memcpy(it->token, id, (size_t)at * sizeof *id);
    return 1;
}

static int encode(const struct model_io *io, const struct chain *c, struct item *it)
{
    struct response r = { 0 };
    int bad = response_encode(io->tok, c, STEPS_OPEN, &r);
    for (int i = 0; i < it->nstep && !bad; i++) it->end[i] = r.step[i].end;
    it->token = r.ids.id;
    r.ids.id = NULL;
    response_free(&r);
    return bad;
}

static int find_steps(const struct stream *s, struct item *it)
{
    struct arena a = { 0 };
    struct chain c;
    const val *path = val_get(&it->r->root, "path");
    int bad = path ? path_to_chain(path, &a, &c) : rejected(&it->why, "no path"), got = 0;
    if (!bad) {
        it->nstep = c.nstep;
        it->end = mem_array((size_t)c.nstep, sizeof *it->end);
        it->prefix = mem_array((size_t)c.nstep, sizeof(struct prefix_job *));
        got = own_tokens(s->s->io, path, it);
    }
    if ((bad || got < 0) && !it->why) it->why = "malformed path";
    if (!bad && got == 0 && (bad = encode(s->s->io, &c, it))) it->why = "text that cannot be encoded";
    arena_free(&a);
    return bad || got < 0 ? -1 : 0;
}

static void prepare_item(void *arg, int k, int worker)
{
    struct stream *s = arg;
    struct item *it = s->fresh[k];
    (void)worker;
    if (it->q->why || !find_steps(s, it)) return;
    it->message = mem_str(err_msg());
}

/* ---- beginnings ---- */

static struct prefix_job *find_prefix(const struct question *q, const uint32_t *token, int n)
{
    for (int i = 0; i < q->nprefix; i++)
        if (q->prefix[i]->n == n && !memcmp(q->prefix[i]->token, token, (size_t)n * sizeof *token)) return q->prefix[i];
    return NULL;
}

static struct prefix_job *add_prefix(struct stream *s, const struct item *it, int step)
{
    struct question *q = it->q;
    struct prefix_job *p = mem_alloc(sizeof *p);
    *p = (struct prefix_job){ .q = q, .n = it->end[step], .ncut = step + 1 };
    p->token = mem_array((size_t)p->n, sizeof *p->token);
    memcpy(p->token, it->token, (size_t)p->n * sizeof *p->token);
    p->cut = mem_array((size_t)p->ncut, sizeof *p->cut);
    for (int i = 0; i < p->ncut; i++) p->cut[i] = q->in.n + (i ? it->end[i - 1] : 0);
    if (q->nprefix == q->cap) {
        q->cap = q->cap ? 2 * q->cap : 16;
        q->prefix = mem_grow(q->prefix, (size_t)q->cap, sizeof(struct prefix_job *));
    }
    q->prefix[q->nprefix++] = p;
    *s->last_waiting = p;
    s->last_waiting = &p->next;
    return p;
}

static void add_prefixes(struct stream *s, struct item *it)
{
    if (it->why || it->q->why) return;
    for (int i = 0; i < it->nstep; i++) {
        it->prefix[i] = find_prefix(it->q, it->token, it->end[i]);
        s->stats->shared += it->prefix[i] != NULL;
        if (!it->prefix[i]) it->prefix[i] = add_prefix(s, it, i);
    }
}

static void read_some(struct stream *s)
{
    int n = 0, got = 1;
    while (n < s->ahead && s->n + n < WINDOW && got > 0) {
        struct record *r = rec_new();
        got = s->s->read(s->s->arg, r);
        if (got > 0) s->fresh[n++] = item_new(s, r);
        else rec_free(r);
    }
    if (got <= 0) s->over = true;
    if (got < 0) {
        s->broken = mem_str(err_msg());
        s->kind = err_kind();
    }
    par_for(s->s->pool, n, prepare_question, s);
    par_for(s->s->pool, n, prepare_item, s);
    for (int i = 0; i < n; i++) {
        *s->last = s->fresh[i];
        s->last = &s->fresh[i]->next;
        s->n++;
        add_prefixes(s, s->fresh[i]);
    }
}

/* ---- continuations ---- */

static struct rng_key key_of(uint64_t seed, const struct prefix_job *p)
{
    struct buf b = { 0 };
    buf_add(&b, p->q->id.p, p->q->id.n);
    buf_byte(&b, 0);
    buf_add(&b, p->token, (size_t)p->n * sizeof *p->token);
    struct rng_key k = rng_key(seed, b.p, b.len);
    buf_free(&b);
    return k;
}

static void submit(struct stream *s, struct prefix_job *p)
{
    const struct rollout *o = s->s;
    struct gen_request r = {
        .in = input_behind(&p->q->in, p->token, p->n), .cut = p->cut, .ncut = p->ncut, .key = key_of(o->seed, p), .first_pos = (uint64_t)p->n,
        .npath = o->n, .max_tokens = o->max_tokens, .how = o->how, .stop = { .id = s->stop, .nid = s->nstop }, .user = p };
    if (engine_submit(o->engine, &r)) p->ended = true;         /* too long: of 0 */
}

static void submit_waiting(struct stream *s)
{
    while (s->waiting && engine_wants(s->s->engine)) {
        struct prefix_job *p = s->waiting;
        s->waiting = p->next;
        if (!s->waiting) s->last_waiting = &s->waiting;
        submit(s, p);
    }
}

static bool is_right(const struct stream *s, const struct prefix_job *p, const struct gen_path *path, uint32_t *token)
{
    struct arena a = { 0 };
    struct chain c;
    const char *why;
    memcpy(token + p->n, path->token, (size_t)path->n * sizeof *token);
    bool whole = !response_decode(s->s->io->tok, token, (size_t)p->n + (size_t)path->n, &a, &c, &why);
    bool right = (whole || c.has_answer) && answer_equal(s->s->match, c.answer, p->q->gold, p->q->choice, p->q->nchoice);
    arena_free(&a);
    return right;
}

static void collect(struct stream *s)
{
    for (struct gen_done d; engine_take(s->s->engine, &d);) {
        struct prefix_job *p = d.user;
        uint32_t *token = mem_array((size_t)p->n + (size_t)s->s->max_tokens, sizeof *token);
        memcpy(token, p->token, (size_t)p->n * sizeof *token);
        for (int i = 0; i < d.npath; i++) {
            p->value.right += is_right(s, p, &d.path[i], token);
            p->fresh += (uint64_t)(p->q->in.n + p->n + d.path[i].n - 1);
        }
        p->value.of = d.npath;
        p->ended = true;
        gen_paths_free(d.path, d.npath);
        free(token);
    }
}

/* ---- handing out ---- */

static bool is_ended(const struct item *it)
{
    if (it->why || it->q->why) return true;
    for (int i = 0; i < it->nstep; i++)
        if (!it->prefix[i]->ended) return false;
    return true;
}

static int hand_out_one(struct stream *s, struct item *it)
{
    const struct rollout *o = s->s;
    const char *why = it->q->why ? it->q->why : it->why;
    if (why) {
        err_set(ERR_INPUT, it->q->why ? it->q->message : it->message);
        return o->reject(o->arg, it->r, why);
    }
    struct step_value *v = mem_array((size_t)it->nstep, sizeof *v);
    for (int i = 0; i < it->nstep; i++) {
        v[i] = it->prefix[i]->value;
        s->stats->fresh += it->prefix[i]->fresh;
        s->stats->values += v[i].of > 0;
    }
    int bad = o->done(o->arg, it->r, v, it->nstep);
    free(v);
    return bad;
}

static int hand_out(struct stream *s)
{
    for (struct item *it; (it = s->first) && is_ended(it);) {
        int bad = hand_out_one(s, it);
        s->first = it->next;
        if (!s->first) s->last = &s->first;
        s->n--;
        item_free(it);
        if (bad) return -1;
    }
    return 0;
}

static int run(struct stream *s)
{
    struct engine *e = s->s->engine;
    for (;;) {
        submit_waiting(s);
        while (!s->over && s->n < WINDOW && !s->waiting && engine_wants(e)) {
            read_some(s);
            submit_waiting(s);
        }
        int worked = engine_step(e);
        if (worked < 0) return -1;
        collect(s);
        if (hand_out(s) || s->s->tick(s->s->arg)) return -1;
        if (!worked && s->over && !s->first) break;
    }
    if (!s->broken) return 0;
    err_set(s->kind, s->broken);
    return -1;
}

static int find_stops(struct stream *s)
{
    struct step_ids ids;
    const struct model_io *io = s->s->io;
    if (step_ids_find(io->tok, &ids)) return -1;
    s->stop = mem_array((size_t)io->nstop + 1, sizeof *s->stop);
    memcpy(s->stop, io->stop, (size_t)io->nstop * sizeof *s->stop);
    s->stop[io->nstop] = ids.id[TOK_ANSWER_END];
    s->nstop = io->nstop + 1;
    return 0;
}

int rollout(const struct rollout *o, struct rollout_stats *stats)
{
    struct stream s = { .s = o, .stats = stats, .ahead = AHEAD * par_threads(o->pool) };
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
