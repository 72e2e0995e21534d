/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "search/engine_priv.h"

int prefix_init(struct prefix *t, struct model *m, int tokens)
{
    *t = (struct prefix){ .page = kv_page(), .nbucket = 1024 };
    t->total = tokens / t->page;
    if (t->total < 2) return fail("a cache of %d tokens is too small: at least %d", tokens, 2 * t->page);
    if (!(t->kv = kv_new(m, t->total * t->page))) return -1;
    while (t->nbucket < t->total) t->nbucket *= 2;
    t->bucket = mem_array((size_t)t->nbucket, sizeof(struct piece *));
    return 0;
}

int prefix_pages(const struct prefix *t, int tokens) { return tokens / t->page + (tokens % t->page != 0); }

int prefix_cut(const struct input *in, int n, const int *cut, int ncut, struct piece *want)
{
    int npiece = 0;
    for (int begin = 0, k = 0, c = 0; begin < n; npiece++) {
        struct piece *p = &want[npiece];
        *p = (struct piece){ .id = in->id + begin };
        int end = n;
        while (c < ncut && cut[c] <= begin) c++;
        if (c < ncut) end = mem_min(end, cut[c]);
        if (k < in->nimage && in->image[k].pos < end) {
            const struct input_image *im = &in->image[k++];
            p->image = (struct span){ im->pos - begin, im->end - begin };
            p->token = im->token;
            p->nimage = im->n;
            p->pixels = (struct model_image){ im->tiles, in->pixels + im->px };
            memcpy(p->digest, im->digest, sizeof p->digest);
            end = im->end;
            assert(end <= n);
        }
        p->n = end - begin;
        begin = end;
    }
    return npiece;
}

static uint64_t piece_hash(const struct piece *p)
{
    uint64_t h = hash64(p->id, (size_t)p->n * sizeof *p->id, p->parent ? p->parent->hash : 0);
    uint64_t image[4] = { (uint64_t)p->image.begin, (uint64_t)p->image.end, p->digest[0], p->digest[1] };
    return p->nimage ? hash64(image, sizeof image, h) : h;
}

static bool piece_equal(const struct piece *a, const struct piece *b)
{
    if (a->parent != b->parent || a->n != b->n || a->nimage != b->nimage || a->token != b->token) return false;
    if (a->nimage && (memcmp(&a->image, &b->image, sizeof a->image) || memcmp(a->digest, b->digest, sizeof a->digest))) return false;
    return !memcmp(a->id, b->id, (size_t)a->n * sizeof *a->id);
}

struct piece *prefix_find(const struct prefix *t, const struct piece *want)
{
    uint64_t h = piece_hash(want);
    struct piece *p = t->bucket[h & (uint64_t)(t->nbucket - 1)];
    while (p && !(p->hash == h && piece_equal(p, want))) p = p->chain;
    return p;
}

/* ---- the list of what is out of use ---- */

static void list_add(struct prefix *t, struct piece *p)
{
    p->newer = NULL;
    p->older = t->newest;
    if (t->newest) t->newest->newer = p;
    else t->oldest = p;
    t->newest = p;
}

static void list_remove(struct prefix *t, struct piece *p)
{
    if (p->older) p->older->newer = p->newer;
    else t->oldest = p->newer;
    if (p->newer) p->newer->older = p->older;
    else t->newest = p->older;
    p->older = p->newer = NULL;
}

void prefix_hold(struct prefix *t, struct piece *p)
{
    if (!p->refs++) list_remove(t, p);
}

void prefix_drop(struct prefix *t, struct piece *p)
{
    assert(p->refs > 0);
    if (!--p->refs) list_add(t, p);
}

static void piece_free(struct piece *p)
{
    free(p->id);
    free(p->last);
    free(p);
}

/* Takes an unused piece out of the tree; its parent may come out of use by that. */
static void evict(struct prefix *t, struct piece *p)
{
    assert(!p->refs);
    struct piece **at = &t->bucket[p->hash & (uint64_t)(t->nbucket - 1)];
    while (*at != p) at = &(*at)->chain;
    *at = p->chain;
    list_remove(t, p);
    if (p->node >= 0) kv_drop(t->kv, p->node);
    t->held -= prefix_pages(t, p->n);
    if (p->parent) prefix_drop(t, p->parent);
    piece_free(p);
}

bool prefix_take(struct prefix *t, int pages)
{
    while (t->total - t->held < pages) {
        if (!t->oldest) return false;
        evict(t, t->oldest);
    }
    t->held += pages;
    t->peak = mem_max(t->peak, t->held);
    return true;
}

void prefix_give(struct prefix *t, int pages)
{
    t->held -= pages;
    assert(t->held >= 0);
}

struct piece *prefix_add(struct prefix *t, const struct piece *want)
{
    struct piece *p = mem_alloc(sizeof *p);
    *p = *want;
    p->id = mem_array((size_t)p->n, sizeof *p->id);
    memcpy(p->id, want->id, (size_t)p->n * sizeof *p->id);
    p->hash = piece_hash(p);
    p->node = p->feature = -1;
    struct piece **at = &t->bucket[p->hash & (uint64_t)(t->nbucket - 1)];
    p->chain = *at;
    *at = p;
    list_add(t, p);
    if (p->parent) prefix_hold(t, p->parent);
    return p;
}

void prefix_end(struct prefix *t)
{
    for (int i = 0; i < t->nbucket && t->bucket; i++)
        for (struct piece *p = t->bucket[i], *next; p; p = next) {
            next = p->chain;
            if (p->node >= 0) kv_drop(t->kv, p->node);
            piece_free(p);
        }
    free(t->bucket);
    if (t->kv) kv_free(t->kv);
    *t = (struct prefix){ 0 };
}
