/* SPDX-License-Identifier: Apache-2.0 */
#include "search/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "search/engine_priv.h"

enum { BATCH = 64, PREFILL = 512, LOGIT_BYTES = 64 << 20, PIXEL_BYTES = 256 << 20, PROMPTS = 4, PROMPT_TOKENS = 8192 };

/* ---- lists of requests ---- */

void jobs_add(struct jobs *l, struct job *j)
{
    j->next = NULL;
    *l->last = j;
    l->last = &j->next;
    l->n++;
}

struct job *jobs_pop(struct jobs *l)
{
    struct job *j = l->first;
    if (!j) return NULL;
    l->first = j->next;
    if (!l->first) l->last = &l->first;
    l->n--;
    return j;
}

void gen_paths_free(struct gen_path *p, int n)
{
    for (int i = 0; i < n && p; i++) {
        free(p[i].token);
        free(p[i].logprob);
    }
    free(p);
}

void job_free(struct job *j)
{
    input_free(&j->r.in);
    gen_paths_free(j->path, j->r.npath);
    free(j->want);
    free(j->piece);
    free(j);
}

/* ---- set-up ---- */

static double free_memory(void)
{
    double kb = 4 << 20;
    char line[128];
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %lf", &kb) == 1) break;
    if (f) fclose(f);
    return kb * 1024;
}

static size_t kv_token_bytes(const struct model *m)
{
    const struct block_cfg *b = &model_config(m)->text.blocks;
    return 2 * sizeof(float) * (size_t)b->layers * (size_t)b->kv_heads * (size_t)b->head_dim;   /* at most */
}

int engine_kv_default(const struct model *m, int batch, int max_tokens)
{
    int max_pos = model_config(m)->text.max_pos, page = kv_page();
    double path = mem_min(max_tokens, max_pos) + page, prompt = mem_min(max_pos, PROMPT_TOKENS) + page;
    double want = (batch > 0 ? batch : BATCH) * path + PROMPTS * prompt;
    double room = free_memory() / 4 / (double)kv_token_bytes(m);
    return (int)mem_max(mem_min(mem_min(want, room), 1e9), 2.0 * page);
}

static int alloc_rows(struct engine *e)
{
    size_t rows = (size_t)e->batch + (size_t)e->prefill;
    e->nlogit = (int)mem_max((size_t)1, mem_min((size_t)e->batch, LOGIT_BYTES / sizeof(float) / (size_t)e->V));
    e->active = mem_array((size_t)e->batch, sizeof *e->active);
    e->over = mem_array((size_t)e->batch, sizeof *e->over);
    e->draw = mem_array((size_t)e->batch, sizeof *e->draw);
    e->start = mem_array((size_t)e->nlogit, sizeof *e->start);
    if (!e->o->draw) e->logits = mem_try((size_t)e->nlogit * (size_t)e->V * sizeof(float), "logits");
    e->how = mem_array((size_t)e->batch, sizeof *e->how);
    e->drawn = mem_array((size_t)e->batch, sizeof *e->drawn);
    e->sampler = mem_array((size_t)par_threads(e->pool), sizeof(struct sampler *));
    for (int i = 0; i < par_threads(e->pool); i++) e->sampler[i] = sampler_new(e->V);
    e->node = mem_array(rows, sizeof *e->node);
    e->id = mem_array(rows, sizeof *e->id);
    e->feature = mem_array(rows, sizeof *e->feature);
    e->row = mem_array(rows, sizeof *e->row);
    e->fill = mem_array((size_t)e->prefill, sizeof *e->fill);
    return e->logits || e->o->draw ? 0 : -1;
}

struct engine *engine_new(struct model *m, struct par *pool, const struct engine_cfg *c)
{
    const struct model_cfg *mc = model_config(m);
    struct engine *e = mem_alloc(sizeof *e);
    e->m = m;
    e->o = model_ops(m);
    e->pool = pool;
    e->batch = c->batch > 0 ? c->batch : BATCH;
    e->prefill = c->prefill > 0 ? c->prefill : PREFILL;
    e->V = mc->text.vocab;
    e->C = mc->text.blocks.hidden;
    e->max_pos = mc->text.max_pos;
    e->queue.last = &e->queue.first;
    e->open.last = &e->open.first;
    e->done.last = &e->done.first;
    int tokens = c->kv_tokens > 0 ? c->kv_tokens : engine_kv_default(m, e->batch, e->max_pos);
    if (prefix_init(&e->tree, m, tokens) || alloc_rows(e)) {
        engine_free(e);
        return NULL;
    }
    return e;
}

void engine_free(struct engine *e)
{
    if (!e) return;
    paths_drop(e);
    struct jobs *lists[] = { &e->queue, &e->open, &e->done };
    for (int i = 0; i < countof(lists); i++)
        for (struct job *j; (j = jobs_pop(lists[i]));) job_free(j);
    prefix_end(&e->tree);
    for (int i = 0; i < par_threads(e->pool) && e->sampler; i++) sampler_free(e->sampler[i]);
    model_features_free(e->m, &e->features);
    if (e->leaf.p) e->o->release(e->o, e->leaf.p);
    free(e->sampler);
    free(e->active);
    free(e->over);
    free(e->draw);
    free(e->start);
    free(e->logits);
    free(e->how);
    free(e->drawn);
    free(e->node);
    free(e->id);
    free(e->feature);
    free(e->row);
    free(e->fill);
    free(e);
}

/* ---- submitting ---- */

static int check_request(const struct engine *e, struct job *j)
{
    const struct input *in = &j->r.in;
    if (in->n < 1) return fail("the prompt is empty");
    if (in->n >= e->max_pos) return fail("a prompt of %d tokens leaves no room in the model's %d positions", in->n, e->max_pos);
    for (int i = 0; i < in->n; i++)
        if (in->id[i] >= (uint32_t)e->V) return fail("token %u is not in the model's vocabulary of %d", in->id[i], e->V);
    j->want = mem_array((size_t)(in->nimage + j->r.ncut + 1), sizeof *j->want);
    j->nwant = prefix_cut(in, in->n, j->r.cut, j->r.ncut, j->want);
    int need = 0;
    j->max_tokens = mem_min(j->r.max_tokens, e->max_pos - in->n);
    j->path_pages = prefix_pages(&e->tree, j->max_tokens - 1);         /* the last token is never fed back */
    for (int i = 0; i < j->nwant; i++) need += prefix_pages(&e->tree, j->want[i].n);
    if (need + j->path_pages > e->tree.total)
        return fail("a prompt of %d tokens and up to %d more do not fit into a cache of %d", in->n, j->max_tokens,
                    e->tree.total * e->tree.page);
    return 0;
}

int engine_submit(struct engine *e, struct gen_request *r)
{
    struct job *j = mem_alloc(sizeof *j);
    j->r = *r;
    r->in = (struct input){ 0 };
    j->path = mem_array((size_t)mem_max(1, r->npath), sizeof *j->path);
    if (check_request(e, j)) {
        job_free(j);
        return -1;
    }
    j->number = e->njobs++;
    j->r.cut = NULL;
    jobs_add(r->npath ? &e->queue : &e->done, j);
    if (r->npath) e->queued += j->r.in.npx;
    return 0;
}

bool engine_wants(const struct engine *e)
{
    return e->queue.n < mem_max(4, e->batch / 4) && e->queued * sizeof(float) < PIXEL_BYTES;
}

bool engine_take(struct engine *e, struct gen_done *out)
{
    struct job *j = jobs_pop(&e->done);
    if (!j) return false;
    *out = (struct gen_done){ j->r.user, j->path, j->r.npath };
    j->path = NULL;
    job_free(j);
    return true;
}

struct engine_stats engine_stats(const struct engine *e)
{
    struct engine_stats s = e->stats;
    s.kv_peak = e->tree.peak * e->tree.page;
    return s;
}
