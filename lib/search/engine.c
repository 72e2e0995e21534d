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
    e->logits = mem_try((size_t)e->nlogit * (size_t)e->V * sizeof(float), "logits");
    e->sampler = mem_array((size_t)par_threads(e->pool), sizeof(struct sampler *));
    for (int i = 0; i < par_threads(e->pool); i++) e->sampler[i] = sampler_new(e->V);
    e->node = mem_array(rows, sizeof *e->node);
    e->id = mem_array(rows, sizeof *e->id);
    e->feature = mem_array(rows, sizeof *e->feature);
    e->row = mem_array(rows, sizeof *e->row);
    e->fill = mem_array((size_t)e->prefill, sizeof *e->fill);
    return e->logits ? 0 : -1;
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
    e->tile_tokens = cfg_tokens_per_tile(mc);
    e->tile_floats = 3 * (size_t)mc->vision.image * (size_t)mc->vision.image;
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
    if (e->features.p) e->o->release(e->o, e->features.p);
    if (e->leaf.p) e->o->release(e->o, e->leaf.p);
    free(e->sampler);
    free(e->active);
    free(e->over);
    free(e->draw);
    free(e->start);
    free(e->logits);
    free(e->node);
    free(e->id);
    free(e->feature);
    free(e->row);
    free(e->fill);
    free(e);
}

/* ---- submitting ---- */

/* Cuts the prompt into pieces: at the places asked for and behind each image, never inside one. */
static void cut_prompt(const struct engine *e, struct job *j)
{
    const struct input *in = &j->r.in;
    j->want = mem_array((size_t)(in->nimage + j->r.ncut + 1), sizeof *j->want);
    for (int begin = 0, k = 0, c = 0; begin < in->n;) {
        struct piece *p = &j->want[j->nwant++];
        *p = (struct piece){ .id = in->id + begin };
        int end = in->n;
        while (c < j->r.ncut && j->r.cut[c] <= begin) c++;
        if (c < j->r.ncut) end = mem_min(end, j->r.cut[c]);
        if (k < in->nimage && in->image[k].pos < end) {
            const struct input_image *im = &in->image[k++];
            p->image = im->pos - begin;
            p->nimage = im->ntile * e->tile_tokens;
            p->ntile = im->ntile;
            p->pixels = in->pixels + (size_t)im->tile * e->tile_floats;
            memcpy(p->digest, im->digest, sizeof p->digest);
            end = im->pos + p->nimage;
        }
        p->n = end - begin;
        begin = end;
    }
}

static int check_request(const struct engine *e, struct job *j)
{
    const struct input *in = &j->r.in;
    if (in->n < 1) return fail("the prompt is empty");
    if (in->n >= e->max_pos) return fail("a prompt of %d tokens leaves no room in the model's %d positions", in->n, e->max_pos);
    for (int i = 0; i < in->n; i++)
        if (in->id[i] >= (uint32_t)e->V) return fail("token %u is not in the model's vocabulary of %d", in->id[i], e->V);
    cut_prompt(e, j);
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
    if (r->npath) e->queued += j->r.in.ntile;
    return 0;
}

bool engine_wants(const struct engine *e)
{
    return e->queue.n < mem_max(4, e->batch / 4) && (double)e->queued * (double)e->tile_floats * sizeof(float) < PIXEL_BYTES;
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

/* ---- starting requests ---- */

/* Finds what is there of the prompt, makes room for the rest and for one path; false when there is none now. */
static bool open_job(struct engine *e, struct job *j)
{
    struct prefix *t = &e->tree;
    struct piece *at = NULL;
    int found = 0, need = j->path_pages;
    j->piece = mem_grow(j->piece, (size_t)j->nwant, sizeof(struct piece *));
    for (; found < j->nwant; found++) {
        j->want[found].parent = at;
        struct piece *p = prefix_find(t, &j->want[found]);
        if (!p) break;
        j->piece[found] = at = p;
    }
    for (int i = found; i < j->nwant; i++) need += prefix_pages(t, j->want[i].n);
    if (at) prefix_hold(t, at);
    if (!prefix_take(t, need)) {
        if (at) prefix_drop(t, at);
        return false;
    }
    struct piece *held = at;
    for (int i = found; i < j->nwant; i++) {
        j->want[i].parent = at;
        j->piece[i] = at = prefix_add(t, &j->want[i]);
    }
    prefix_hold(t, at);
    if (held) prefix_drop(t, held);
    for (int i = 0; i < found; i++) {
        e->stats.shared_rows += (uint64_t)j->piece[i]->n;
        e->stats.shared_tiles += (uint64_t)j->piece[i]->ntile;
    }
    j->promised = 1;
    return true;
}

/* Rows of prompts of started requests that are not in the cache. */
static int unfilled(const struct engine *e)
{
    int64_t n = 0;
    for (const struct job *j = e->open.first; j; j = j->next)
        for (int i = 0; i < j->nwant; i++) n += j->piece[i]->n - j->piece[i]->filled;
    return (int)mem_min(n, INT32_MAX);
}

/* Requests start a little ahead of the rows that will take their paths, so that prompts are ready when rows fall free;
 * but no further than the next rounds can compute, for they hold their pixels until then. */
static void open_jobs(struct engine *e)
{
    int ahead = e->batch - e->nactive + mem_max(1, e->batch / 4);
    for (struct job *j = e->open.first; j; j = j->next) ahead -= j->r.npath - j->started;
    while (e->queue.first && ahead > 0 && unfilled(e) < 2 * e->prefill && open_job(e, e->queue.first)) {
        struct job *j = jobs_pop(&e->queue);
        jobs_add(&e->open, j);
        e->queued -= j->r.in.ntile;
        ahead -= j->r.npath;
    }
}

/* ---- images ---- */

/* The image pieces that come next, in order: at least one if there is any, then while they fit into one pass. */
static int next_images(struct engine *e, struct piece **group, int max, int *ntile)
{
    int n = 0, most = e->prefill / mem_max(1, e->tile_tokens);
    *ntile = 0;
    for (struct job *j = e->open.first; j; j = j->next)
        for (int i = 0; i < j->nwant; i++) {
            struct piece *p = j->piece[i];
            if (!p->pixels || p->feature >= 0) continue;
            if (n == max || (n && *ntile + p->ntile > most)) return n;
            p->feature = *ntile * e->tile_tokens;
            *ntile += p->ntile;
            group[n++] = p;
        }
    return n;
}

/* Encodes the next images in one pass, once all rows of the last ones are in the cache. */
static int encode_images(struct engine *e)
{
    struct piece *group[PREFILL];
    int ntile, n = e->encoded ? 0 : next_images(e, group, countof(group), &ntile);
    if (!n) return 0;
    float *px = mem_try((size_t)ntile * e->tile_floats * sizeof *px, "tiles");
    if (!px) return -1;
    for (int i = 0, at = 0; i < n; at += group[i++]->ntile) {
        memcpy(px + (size_t)at * e->tile_floats, group[i]->pixels, (size_t)group[i]->ntile * e->tile_floats * sizeof *px);
        group[i]->pixels = NULL;
    }
    if (e->features.p) e->o->release(e->o, e->features.p);
    e->features = (struct mat){ 0 };
    int bad = model_encode(e->m, ntile, px, &e->features);
    free(px);
    e->encoded = n;
    e->stats.tiles += (uint64_t)ntile;
    return bad;
}

/* ---- a round ---- */

static int add_paths(struct engine *e)
{
    for (int i = 0; i < e->nactive; i++) {
        struct path *p = &e->active[i];
        if (p->node < 0 && (p->node = kv_node(e->tree.kv, job_leaf(p->job)->node)) < 0) return -1;
        e->node[i] = p->node;
        e->id[i] = (int)p->out->token[p->out->n - 1];
        e->feature[i] = -1;
    }
    return e->nactive;
}

/* Up to `most` rows of a piece from row `at` of the pass on; returns how many, or -1. */
static int add_piece(struct engine *e, struct piece *p, int at, int most)
{
    if (p->nimage && p->feature < 0) return 0;
    if (p->node < 0 && (p->node = kv_node(e->tree.kv, p->parent ? p->parent->node : -1)) < 0) return -1;
    int n = mem_min(most, p->n - p->filled);
    for (int i = 0; i < n; i++) {
        int k = p->filled + i, f = k - p->image;
        e->node[at + i] = p->node;
        e->id[at + i] = (int)p->id[k];
        e->feature[at + i] = f >= 0 && f < p->nimage ? p->feature + f : -1;
    }
    return n;
}

static struct piece *next_piece(const struct job *j)
{
    for (int i = 0; i < j->nwant; i++)
        if (j->piece[i]->filled < j->piece[i]->n) return j->piece[i];
    return NULL;
}

static int piece_filled(struct engine *e, struct piece *p, struct mat hidden, int row)
{
    size_t bytes = (size_t)e->C * dtype_size(hidden.t);
    p->last = mem_alloc(bytes);
    e->o->download(e->o, p->last, (char *)hidden.p + (size_t)row * (size_t)hidden.ld * dtype_size(hidden.t), bytes);
    if (p->feature >= 0) e->encoded--;
    p->feature = -1;
    if (e->leaf.p) return 0;
    e->leaf = mat_of(NULL, hidden.t, e->nlogit, e->C);
    e->leaf.p = e->o->alloc(e->o, (size_t)e->nlogit * bytes, "hidden rows");
    return e->leaf.p ? 0 : -1;
}

/* Rows of the prompts next in order, from row `at` on; notes them in e->fill. Returns the row behind them, or -1. */
static int add_prompts(struct engine *e, int at)
{
    int left = e->prefill;
    e->nfill = 0;
    for (struct job *j = e->open.first; j && left > 0; j = j->next) {
        struct piece *p = next_piece(j);
        if (!p || p->round == e->stats.rounds) continue;
        int n = add_piece(e, p, at, left);
        if (n < 0) return -1;
        if (!n) continue;
        p->round = e->stats.rounds;
        e->fill[e->nfill++] = (struct fill){ p, n };
        at += n;
        left -= n;
    }
    return at;
}

static int run_round(struct engine *e)
{
    struct mat hidden;
    e->stats.rounds++;
    int at = add_paths(e), rows = at < 0 ? -1 : add_prompts(e, at);
    if (rows <= 0) return rows;                        /* 0: every path ended with its first token */
    struct model_rows r = { rows, e->node, e->id, e->feature, e->features };
    if (model_extend(e->m, e->tree.kv, &r, &hidden)) return -1;
    e->stats.rows += (uint64_t)rows;
    e->stats.prompt_rows += (uint64_t)(rows - at);
    for (int i = 0; i < e->nfill; i++) {
        struct piece *p = e->fill[i].piece;
        p->filled += e->fill[i].rows;
        at += e->fill[i].rows;
        if (p->filled == p->n && piece_filled(e, p, hidden, at - 1)) return -1;
    }
    if (e->o->sync(e->o)) return -1;
    return paths_advance(e, hidden);
}

/* Pixels are of no use once the whole prompt is in the cache. */
static void drop_pixels(struct engine *e)
{
    for (struct job *j = e->open.first; j; j = j->next)
        if (j->r.in.pixels && !next_piece(j)) input_drop_pixels(&j->r.in);
}

int engine_step(struct engine *e)
{
    if (!e->queue.first && !e->open.first && !e->nactive) return 0;
    open_jobs(e);
    drop_pixels(e);
    if (paths_start(e) || encode_images(e) || run_round(e)) return -1;
    return 1;
}
