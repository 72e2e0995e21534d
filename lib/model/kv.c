/* SPDX-License-Identifier: Apache-2.0
 * Keys and values of a tree of token spans, in pages of a pool.
 */
#include <assert.h>
#include <stdlib.h>
#include "model/kv_priv.h"

int kv_page(void) { return KV_PAGE; }

struct kv *kv_new(struct model *m, int slots)
{
    const struct block_cfg *c = &m->cfg.text.blocks;
    if (slots < 1 || slots > 1 << 30) return fail_null("kv cache: %d slots", slots);
    int npage = (slots + KV_PAGE - 1) / KV_PAGE, cols = c->kv_heads * c->head_dim;
    size_t one = (size_t)npage * KV_PAGE * (size_t)cols * dtype_size(m->t);
    uint8_t *p = m->o->alloc(m->o, one * 2 * (size_t)c->layers, "kv cache");
    if (!p) return NULL;
    struct kv *kv = mem_alloc(sizeof *kv);
    *kv = (struct kv){ .m = m, .mem = p, .npage = npage, .nfree = npage, .free_node = -1 };
    kv->free_page = mem_array((size_t)npage, sizeof *kv->free_page);
    for (int i = 0; i < npage; i++) kv->free_page[i] = npage - 1 - i;        /* ascending when taken */
    kv->k = mem_array((size_t)c->layers, sizeof *kv->k);
    kv->v = mem_array((size_t)c->layers, sizeof *kv->v);
    for (int l = 0; l < c->layers; l++) {
        kv->k[l] = mat_of(p + one * 2 * (size_t)l, m->t, npage * KV_PAGE, cols);
        kv->v[l] = mat_of(p + one * (2 * (size_t)l + 1), m->t, npage * KV_PAGE, cols);
    }
    return kv;
}

void kv_free(struct kv *kv)
{
    if (!kv) return;
    kv->m->o->release(kv->m->o, kv->mem);
    for (int i = 0; i < kv->nnode; i++) free(kv->node[i].page);
    free(kv->node);
    free(kv->free_page);
    free(kv->k);
    free(kv->v);
    free(kv);
}

static struct kv_node *node_of(const struct kv *kv, int i)
{
    assert(i >= 0 && i < kv->nnode && kv->node[i].refs > 0);
    return &kv->node[i];
}

static int take_node(struct kv *kv)
{
    int i = kv->free_node;
    if (i >= 0) {
        kv->free_node = kv->node[i].next_free;
        return i;
    }
    if (kv->nnode == kv->capnode) {
        kv->capnode = kv->capnode ? 2 * kv->capnode : 64;
        kv->node = mem_grow(kv->node, (size_t)kv->capnode, sizeof *kv->node);
    }
    return kv->nnode++;
}

int kv_node(struct kv *kv, int parent)
{
    int i = take_node(kv);
    kv->node[i] = (struct kv_node){ .parent = parent < 0 ? -1 : parent, .refs = 1, .group = -1 };
    if (parent >= 0) node_of(kv, parent)->refs++;
    return i;
}

void kv_hold(struct kv *kv, int node) { node_of(kv, node)->refs++; }

void kv_count_child(struct kv *kv, int node, int by)
{
    for (int i = kv->node[node].parent; i >= 0; i = kv->node[i].parent) {
        kv->node[i].children += by;
        if (kv->node[i].len) return;
    }
}

void kv_drop(struct kv *kv, int node)
{
    while (node >= 0) {
        struct kv_node *n = node_of(kv, node);
        if (--n->refs) return;
        if (n->len) kv_count_child(kv, node, -1);
        for (int i = n->npage - 1; i >= 0; i--) kv->free_page[kv->nfree++] = n->page[i];
        free(n->page);
        n->page = NULL;
        n->npage = 0;
        n->next_free = kv->free_node;
        kv->free_node = node;
        node = n->parent;
    }
}

int kv_len(const struct kv *kv, int node)
{
    const struct kv_node *n = node_of(kv, node);
    while (!n->len && n->parent >= 0) n = &kv->node[n->parent];
    return n->base + n->len;
}

int kv_free_slots(const struct kv *kv) { return kv->nfree * KV_PAGE; }

int kv_pages_for(const struct kv_node *n, int more) { return (n->len + more + KV_PAGE - 1) / KV_PAGE - n->npage; }

void kv_grow(struct kv *kv, struct kv_node *n, int more)
{
    int need = kv_pages_for(n, more);
    assert(need <= kv->nfree);
    if (need) n->page = mem_grow(n->page, (size_t)(n->npage + need), sizeof *n->page);
    while (need--) n->page[n->npage++] = kv->free_page[--kv->nfree];
    n->len += more;
}

void kv_attend(struct ops *o, const struct block_cfg *c, const struct kv_pass *p, int layer, struct mat q, struct mat k,
               struct mat v, struct mat out)
{
    struct kv *kv = p->kv;
    o->scatter(o, kv->k[layer], k, p->slot);
    o->scatter(o, kv->v[layer], v, p->slot);
    struct attn_tree_args a = {
        .q = q, .o = out, .k = kv->k[layer], .v = kv->v[layer], .heads = c->heads, .kv_heads = c->kv_heads, .head_dim = c->head_dim,
        .scale = 1.0f / sqrtf((float)c->head_dim), .nseg = p->nseg, .seg = p->seg, .nkey = p->nkey };
    o->attn_tree(o, &a);
}
