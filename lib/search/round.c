/* SPDX-License-Identifier: Apache-2.0
 * A round of the engine: which requests start, which images are encoded, which rows go through the model.
 */
#include <stdlib.h>
#include <string.h>
#include "search/engine_priv.h"

enum { GROUP = 512 };                          /* images encoded in one pass at most */

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
        e->stats.shared_tiles += (uint64_t)j->piece[i]->pixels.tiles.n;
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
        e->queued -= j->r.in.npx;
        ahead -= j->r.npath;
    }
}

/* ---- images ---- */

/* The image pieces that come next, in order: at least one if there is any, then while they fit into one pass. */
static int next_images(struct engine *e, struct model_image *group, int max)
{
    int n = 0, rows = 0;
    for (struct job *j = e->open.first; j; j = j->next)
        for (int i = 0; i < j->nwant; i++) {
            struct piece *p = j->piece[i];
            if (!p->pixels.px || p->feature >= 0) continue;
            if (n == max || (n && rows + p->nimage > e->prefill)) return n;
            p->feature = rows;
            rows += p->nimage;
            e->stats.tiles += (uint64_t)p->pixels.tiles.n;
            group[n++] = p->pixels;
            p->pixels.px = NULL;
        }
    return n;
}

/* Encodes the next images in one pass, once all rows of the last ones are in the cache. */
static int encode_images(struct engine *e)
{
    struct model_image group[GROUP];
    int n = e->encoded ? 0 : next_images(e, group, countof(group));
    if (!n) return 0;
    model_features_free(e->m, &e->features);
    e->encoded = n;
    return model_encode(e->m, group, n, &e->features);
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
    int next = p->feature + input_places(p->id, p->image.begin, mem_min(p->filled, p->image.end), p->token);
    for (int i = 0; i < n; i++) {
        int k = p->filled + i;
        e->node[at + i] = p->node;
        e->id[at + i] = (int)p->id[k];
        e->feature[at + i] = k >= p->image.begin && k < p->image.end && p->id[k] == p->token ? next++ : -1;
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
    struct model_rows r = { rows, e->node, e->id, e->feature, &e->features };
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
