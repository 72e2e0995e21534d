/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "search/engine_priv.h"

/* ---- the end of a path ---- */

static bool is_stop_id(const struct gen_stop *s, int id)
{
    for (int i = 0; i < s->nid; i++)
        if (s->id[i] == id) return true;
    return false;
}

/* Adds the token's bytes to the tail and looks for the stop texts; keeps what one of them may have begun in. */
static bool is_stop_text(const struct gen_stop *s, uint32_t id, struct buf *tail)
{
    const char *p;
    size_t n, longest = 0;
    if (!s->ntext) return false;
    tok_bytes(s->tok, id, &p, &n);
    buf_add(tail, p, n);
    for (int i = 0; i < s->ntext; i++) {
        if (memmem(tail->p, tail->len, s->text[i].p, s->text[i].n)) return true;
        longest = mem_max(longest, s->text[i].n);
    }
    if (tail->len >= longest) {
        size_t drop = tail->len - (longest - 1);
        memmove(tail->p, tail->p + drop, longest - 1);
        tail->len = longest - 1;
    }
    return false;
}

/* Appends a token; true when the path has ended. */
static bool path_push(struct path *p, struct sampled t)
{
    struct gen_path *out = p->out;
    if (out->n == p->cap) {
        p->cap = mem_min(p->job->max_tokens, p->cap ? 2 * p->cap : 64);
        out->token = mem_grow(out->token, (size_t)p->cap, sizeof *out->token);
        out->logprob = mem_grow(out->logprob, (size_t)p->cap, sizeof *out->logprob);
    }
    out->token[out->n] = (uint32_t)t.id;
    out->logprob[out->n++] = t.logprob;
    out->end = GEN_STOP;
    if (is_stop_id(&p->job->r.stop, t.id) || is_stop_text(&p->job->r.stop, (uint32_t)t.id, &p->tail)) return true;
    out->end = GEN_LENGTH;
    return out->n == p->job->max_tokens;
}

/* Pages promised to the job beyond its running paths go back, but for one path while there are paths to start. */
static void settle(struct engine *e, struct job *j)
{
    int keep = mem_max(j->started - j->ended, j->started < j->r.npath);
    prefix_give(&e->tree, (j->promised - keep) * j->path_pages);
    j->promised = keep;
}

static void path_end(struct engine *e, struct path *p)
{
    struct job *j = p->job;
    if (p->node >= 0) kv_drop(e->tree.kv, p->node);
    buf_free(&p->tail);
    e->stats.paths++;
    j->ended++;
    settle(e, j);
    if (j->ended < j->r.npath) return;
    prefix_drop(&e->tree, job_leaf(j));
    jobs_add(&e->done, j);
}

/* Takes the paths marked as over out of the rows. */
static void compact(struct engine *e)
{
    int k = 0;
    for (int i = 0; i < e->nactive; i++) {
        if (e->over[i]) path_end(e, &e->active[i]);
        else e->active[k++] = e->active[i];
    }
    e->nactive = k;
}

/* ---- tokens ---- */

static double uniform_of(const struct path *p)
{
    const struct gen_request *r = &p->job->r;
    return (double)rng_uniform(r->key, p->out->index, r->first_pos + (uint64_t)p->out->n);
}

static void draw_one(void *arg, int i, int worker)
{
    struct engine *e = arg;
    struct draw *d = &e->draw[i];
    const struct gen_request *r = &d->path->job->r;
    double u = uniform_of(d->path);
    d->got = sampler_draw(e->sampler[worker], e->logits + (size_t)d->row * (size_t)e->V, &r->how, u);
}

static int draw_there(struct engine *e, struct mat logits, int n)
{
    for (int i = 0; i < n; i++) {
        const struct sampling *s = &e->draw[i].path->job->r.how;
        e->how[i] = (struct draw_how){ s->temperature, s->top_p, uniform_of(e->draw[i].path), s->top_k, e->draw[i].row };
    }
    e->o->draw(e->o, logits, e->how, n, e->drawn);
    for (int i = 0; i < n; i++) e->draw[i].got = (struct sampled){ e->drawn[i].id, e->drawn[i].logprob };
    return e->o->sync(e->o);
}

/* Fills draw[0, n) from the logits of the hidden rows e->row[0, rows): on the device where it can, so that no more than
 * tokens comes to the host. Small rows are not worth waking a thread for; the result is the same. */
static int draw_all(struct engine *e, struct mat hidden, int rows, int n)
{
    struct mat there;
    if (e->o->draw) {
        if (model_logits_there(e->m, hidden, e->row, rows, &there) || draw_there(e, there, n)) return -1;
    } else {
        if (model_logits(e->m, hidden, e->row, rows, e->logits)) return -1;
        par_for((size_t)n * (size_t)e->V > 1 << 15 ? e->pool : NULL, n, draw_one, e);
    }
    for (int i = 0; i < n; i++)
        if (e->draw[i].got.id < 0) return fail("the model's logits are not finite numbers");
    e->stats.tokens += (uint64_t)n;
    return 0;
}

int paths_advance(struct engine *e, struct mat hidden)
{
    for (int begin = 0; begin < e->nactive; begin += e->nlogit) {
        int n = mem_min(e->nlogit, e->nactive - begin);
        for (int i = 0; i < n; i++) e->row[i] = begin + i;
        for (int i = 0; i < n; i++) e->draw[i] = (struct draw){ i, &e->active[begin + i], { 0 } };
        if (draw_all(e, hidden, n, n)) return -1;
        for (int i = 0; i < n; i++) e->over[begin + i] = path_push(&e->active[begin + i], e->draw[i].got);
    }
    compact(e);
    return 0;
}

/* ---- the start of paths ---- */

/* How many paths of the job can start now; their pages are promised. */
static int startable(struct engine *e, struct job *j, int rows)
{
    if (job_leaf(j)->filled < job_leaf(j)->n) return 0;
    int n = 0, want = mem_min(rows, j->r.npath - j->started), running = j->started - j->ended;
    while (n < want && (running + n < j->promised || prefix_take(&e->tree, j->path_pages))) {
        n++;
        j->promised = mem_max(j->promised, running + n);
    }
    return n;
}

/* A row behind those of its job and of earlier ones. */
static struct path *insert(struct engine *e, struct job *j)
{
    int i = e->nactive++;
    for (; i > 0 && e->active[i - 1].job->number > j->number; i--) e->active[i] = e->active[i - 1];
    e->active[i] = (struct path){ .job = j, .out = &j->path[j->started], .node = -1 };
    e->active[i].out->index = j->r.first_index + (uint64_t)j->started++;
    return &e->active[i];
}

/* Chooses jobs in order, as many as there are rows of logits; returns how many. */
static int choose(struct engine *e)
{
    int n = 0, rows = e->batch - e->nactive;
    for (struct job *j = e->open.first; j && n < e->nlogit && rows > 0; j = j->next) {
        int k = startable(e, j, rows);
        if (!k) continue;
        e->start[n++] = (struct start){ j, k };
        rows -= k;
    }
    return n;
}

static void remove_started(struct jobs *l)
{
    struct jobs keep = { .last = &keep.first };
    for (struct job *j; (j = jobs_pop(l));)
        if (j->started < j->r.npath) jobs_add(&keep, j);
        else j->next = NULL;
    *l = keep;
    if (!l->first) l->last = &l->first;
}

static int start_some(struct engine *e, int n)
{
    const struct start *s = e->start;
    size_t C = (size_t)e->C * dtype_size(e->leaf.t);
    for (int i = 0; i < n; i++) {
        e->o->upload(e->o, (char *)e->leaf.p + (size_t)i * C, job_leaf(s[i].job)->last, C);
        e->row[i] = i;
    }
    for (int i = 0; i < n; i++)
        for (int k = 0; k < s[i].n; k++) insert(e, s[i].job);
    int nd = 0;
    for (int i = 0; i < e->nactive; i++) {
        e->over[i] = false;
        if (e->active[i].out->n) continue;
        int k = 0;
        while (s[k].job != e->active[i].job) k++;
        e->draw[nd++] = (struct draw){ k, &e->active[i], { 0 } };
    }
    if (draw_all(e, mat_rows(e->leaf, 0, n), n, nd)) return -1;
    for (int i = 0; i < nd; i++) e->over[e->draw[i].path - e->active] = path_push(e->draw[i].path, e->draw[i].got);
    remove_started(&e->open);
    compact(e);
    return 0;
}

int paths_start(struct engine *e)
{
    for (int n; (n = choose(e));)
        if (start_some(e, n)) return -1;
    return 0;
}

void paths_drop(struct engine *e)
{
    for (int i = 0; i < e->nactive; i++) {
        struct path *p = &e->active[i];
        struct job *j = p->job;
        if (p->node >= 0) kv_drop(e->tree.kv, p->node);
        buf_free(&p->tail);
        if (j->started == j->r.npath && ++j->ended == j->r.npath) job_free(j);
    }
    e->nactive = 0;
}
