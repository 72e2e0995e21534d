/* SPDX-License-Identifier: Apache-2.0
 * Records into questions and paths.
 */
#include <stdlib.h>
#include <string.h>
#include "record/path.h"
#include "search/rollout_priv.h"
#include "search/scoring.h"
#include "text/response.h"

static int rejected(const char **why, const char *reason)
{
    *why = reason;
    return fail("%s", reason);
}

/* ---- questions ---- */

static bool same(const struct record *a, const struct record *b)
{
    static const char *const keys[] = { "id", "answer" };
    for (int i = 0; i < countof(keys); i++) {
        const val *x = val_get(&a->root, keys[i]), *y = val_get(&b->root, keys[i]);
        if (!x || !y || !val_equal(x, y)) return false;
    }
    return same_question(a, b);
}

static struct question *question_new(const struct rollout *o, struct record *lead)
{
    struct question *q = mem_alloc(sizeof *q);
    bool right;
    q->lead = lead;
    q->refs = 1;
    bool bad = !val_str(val_get(&lead->root, "id"), &q->id.p, &q->id.n) ? rejected(&q->why, "no id")
             : (q->why = o->judge(o->arg, lead, (struct slice){ "", 0 }, &right)) != NULL;
    if (bad) q->message = mem_str(err_msg());
    return q;
}

void question_drop(struct question *q)
{
    if (!q || --q->refs) return;
    for (int i = 0; i < q->nbeginning; i++) beginning_free(q->beginning[i]);
    rec_free(q->lead);
    input_free(&q->in);
    free(q->beginning);
    free(q->message);
    free(q);
}

static void prepare_question(void *arg, int k, int worker)
{
    struct stream *s = arg;
    struct question *q = s->fresh[k]->q;
    (void)worker;
    if (s->fresh[k]->lead && !q->why && input_build(s->o->io, q->lead, &q->in, &q->why)) q->message = mem_str(err_msg());
}

/* ---- paths ---- */

static struct item *item_new(struct stream *s, struct record *r)
{
    struct item *i = mem_alloc(sizeof *i);
    i->r = r;
    if (!s->question || !same(s->question->lead, r)) {
        question_drop(s->question);
        s->question = question_new(s->o, r);
        i->lead = true;
    }
    i->q = s->question;
    i->q->refs++;
    return i;
}

void item_free(struct item *i)
{
    if (!i->lead) rec_free(i->r);
    question_drop(i->q);
    free(i->message);
    free(i->token);
    free(i->end);
    free(i->beginning);
    free(i);
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
        it->beginning = mem_array((size_t)c.nstep, sizeof(struct beginning *));
        got = own_tokens(s->o->io, path, it);
    }
    if ((bad || got < 0) && !it->why) it->why = "malformed path";
    if (!bad && got == 0 && (bad = encode(s->o->io, &c, it))) it->why = "text that cannot be encoded";
    arena_free(&a);
    return bad || got < 0 ? -1 : 0;
}

static void prepare_item(void *arg, int k, int worker)
{
    struct stream *s = arg;
    struct item *it = s->fresh[k];
    (void)worker;
    if (!it->q->why && find_steps(s, it)) it->message = mem_str(err_msg());
}

static bool is_answer_right(const struct rollout *o, struct item *it)
{
    const char *answer;
    size_t n;
    bool right = false;
    if (!val_str(val_path(&it->r->root, "path.answer"), &answer, &n)) return false;
    return !o->judge(o->arg, it->q->lead, (struct slice){ answer, n }, &right) && right;
}

static void add_item(struct stream *s, struct item *it)
{
    *s->last = it;
    s->last = &it->next;
    s->n++;
    if (it->q->why || it->why) it->over = true;
    else if (s->o->search == ROLLOUT_FIRST_ERROR) it->find = first_error_of(it->nstep, is_answer_right(s->o, it));
}

void rollout_read(struct stream *s)
{
    int n = 0, got = 1;
    while (n < s->ahead && s->n + n < ROLLOUT_WINDOW && got > 0) {
        struct record *r = rec_new();
        got = s->o->read(s->o->arg, r);
        if (got > 0) s->fresh[n++] = item_new(s, r);
        else rec_free(r);
    }
    if (got <= 0) s->over = true;
    if (got < 0) {
        s->broken = mem_str(err_msg());
        s->kind = err_kind();
    }
    par_for(s->o->pool, n, prepare_question, s);
    par_for(s->o->pool, n, prepare_item, s);
    for (int i = 0; i < n; i++) add_item(s, s->fresh[i]);
}
