/* SPDX-License-Identifier: Apache-2.0
 * Decoding: image features, and new tokens appended to nodes of the cached tree. Inside, rows go in depth-first order of
 * the tree, so that rows that share a prefix are neighbours and attend to it as one segment.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "model/kv_priv.h"

/* ---- images ---- */
static void plan_encode(struct model *m, struct space *s, const struct model_image *image, int n)
{
    vision_plan(m, s, image, n, false, &m->pass.vision);
    projector_plan(m, s, m->pass.nprojected, false, &m->pass.proj);
}

int model_encode(struct model *m, const struct model_image *image, int n, struct model_features *out)
{
    struct space measure = {0};
    int C = m->cfg.text.blocks.hidden, rows = vision_begin(m, image, n);
    if (rows < 0) return -1;
    if (!rows) return fail("no images to encode");
    m->pass.ntok = 0;
    m->pass.nfeature = rows;
    arena_reset(&m->host);
    plan_encode(m, &measure, image, n);
    m->space.used = measure.used;
    if (space_reserve(&m->space, m->o)) return -1;
    plan_encode(m, &m->space, image, n);
    void *p = m->o->alloc(m->o, (size_t)rows * (size_t)C * dtype_size(m->t), "image features");
    if (!p) return -1;
    *out = (struct model_features){ .x = mat_of(p, m->t, rows, C) };
    vision_forward(m, &m->pass.vision, image, n, m->pass.proj.in);
    projector_forward(m, &m->pass.proj, m->cfg.newline ? m->pass.proj.out : out->x);
    if (m->cfg.newline) m->o->gather(m->o, out->x, m->pass.proj.out, merge_rows(m, image, n));
    if (m->cfg.text.blocks.rope.axes) {
        out->place = mem_array((size_t)rows, sizeof *out->place);
        vision_places(m, image, n, out->place);
    }
    if (!m->o->sync(m->o)) return 0;
    model_features_free(m, out);
    return -1;
}

void model_features_free(struct model *m, struct model_features *f)
{
    if (f->x.p) m->o->release(m->o, f->x.p);
    free(f->place);
    *f = (struct model_features){0};
}

/* ---- rows over the tree ---- */
struct group { int node, row, n; };            /* the caller's rows [row, row + n) extend the node */

struct extend {
    struct model *m;
    struct kv *kv;
    const struct model_rows *r;
    struct group *group; int ngroup;
    int *order;                                /* [n] caller's row of each inner row */
    int *id, *feature, nrow;
    int *pos;                                  /* [axes][n] */
    struct kv_pass pass;
};

static int make_groups(struct extend *e)
{
    const struct model_rows *r = e->r;
    e->group = arena_alloc(&e->m->host, (size_t)r->n * sizeof *e->group);
    for (int i = 0; i < r->n; i++) {
        if (i && r->node[i] == r->node[i - 1]) {
            e->group[e->ngroup - 1].n++;
            continue;
        }
        assert(r->node[i] >= 0 && r->node[i] < e->kv->nnode && e->kv->node[r->node[i]].refs > 0);
        if (e->kv->node[r->node[i]].children) return fail("kv node %d: has children and cannot grow", r->node[i]);
        e->group[e->ngroup++] = (struct group){ r->node[i], i, 1 };
    }
    return 0;
}

/* Notes what each node gets. One that comes in two groups has its rows apart. */
static int note_growth(const struct extend *e)
{
    struct kv_node *v = e->kv->node;
    for (int g = 0; g < e->ngroup; g++) {
        struct kv_node *n = &v[e->group[g].node];
        if (n->more) return fail("kv node %d: its rows are not consecutive", e->group[g].node);
        n->more = e->group[g].n;
    }
    return 0;
}

static int check_rows(const struct extend *e)
{
    const struct model_rows *r = e->r;
    const struct model_cfg *c = &e->m->cfg;
    for (int i = 0; i < r->n; i++) {
        if (r->feature && r->feature[i] >= 0) {
            if (r->feature[i] >= r->features->x.rows || r->features->x.cols != c->text.blocks.hidden)
                return fail("row %d: image feature %d of %d", i, r->feature[i], r->features->x.rows);
        } else if (r->id[i] < 0 || r->id[i] >= c->text.vocab)
            return fail("row %d: token %d is not within the vocabulary of %d", i, r->id[i], c->text.vocab);
    }
    return 0;
}

/* Marks the nodes from the groups' up to their roots and links them as a tree; returns the first root. */
static int link_tree(struct extend *e, int *nseg)
{
    struct kv_node *v = e->kv->node;
    int root = -1, last_root = -1;
    for (int g = 0; g < e->ngroup; g++) {
        v[e->group[g].node].group = g;
        int below = -1;
        for (int i = e->group[g].node; i >= 0; i = v[i].parent) {
            bool was = v[i].marked;
            if (!was) {
                v[i].marked = true;
                v[i].first = v[i].last = v[i].next = -1;
                *nseg += v[i].npage;
            }
            if (below >= 0) {
                if (v[i].last >= 0) v[v[i].last].next = below;
                else v[i].first = below;
                v[i].last = below;
            }
            below = i;
            if (was) { below = -1; break; }
        }
        if (below < 0) continue;
        if (last_root >= 0) v[last_root].next = below;
        else root = below;
        last_root = below;
    }
    return root;
}

static int slot_of(const struct kv_node *n, int i) { return n->page[i / KV_PAGE] * KV_PAGE + i % KV_PAGE; }

/* A node that had no tokens goes on from those above it. */
static void begin_node(struct extend *e, struct kv_node *n)
{
    if (n->group < 0 || n->len > e->group[n->group].n) return;
    int above = n->parent;
    while (above >= 0 && !e->kv->node[above].len) above = e->kv->node[above].parent;
    if (above < 0) return;
    n->base = e->kv->node[above].base + e->kv->node[above].len;
    n->lag = e->kv->node[above].lag;
}

/* Runs of neighbouring pages are one segment. */
static void add_segments(struct extend *e, struct kv_node *n)
{
    struct attn_seg *s = NULL;
    n->seg = e->pass.nseg;
    n->row = e->nrow;
    for (int i = 0; i < n->len; i += KV_PAGE) {
        int slot = slot_of(n, i), len = mem_min(KV_PAGE, n->len - i);
        if (s && s->slot + s->len == slot) s->len += len;
        else {
            s = &e->pass.seg[e->pass.nseg++];
            *s = (struct attn_seg){ .slot = slot, .len = len, .pos = n->base + i, .row = e->nrow };
        }
    }
}

static void add_rows(struct extend *e, struct kv_node *n)
{
    const struct model_rows *r = e->r;
    const struct group *g = &e->group[n->group];
    for (int i = 0; i < g->n; i++) {
        int row = g->row + i, at = n->len - g->n + i, k = e->nrow++;
        bool feature = r->feature && r->feature[row] >= 0;
        e->order[k] = row;
        e->id[k] = feature ? -1 : r->id[row];
        e->feature[k] = feature ? r->feature[row] : -1;
        const struct feature_place *place = feature && r->features->place ? &r->features->place[r->feature[row]] : NULL;
        n->lag = rope_place(&e->m->cfg.text.blocks.rope, n->base + at, n->lag, place, &e->pos[k], r->n);
        e->pass.nkey[k] = n->base + at + 1;
        e->pass.slot[k] = slot_of(n, at);
    }
}

/* Depth first; a node's segments serve all rows met until it is left. Takes the marks away on the way. */
static void walk(struct extend *e, int i)
{
    struct kv_node *v = e->kv->node;
    while (i >= 0) {
        struct kv_node *n = &v[i];
        begin_node(e, n);
        add_segments(e, n);
        if (n->group >= 0) add_rows(e, n);
        if (n->first >= 0) { i = n->first; continue; }
        for (;;) {                             /* leave i, and every ancestor whose last child it was */
            n = &v[i];
            int end = e->pass.nseg;
            for (int s = n->seg; s < end && e->pass.seg[s].pos < n->base + n->len; s++) e->pass.seg[s].nrow = e->nrow - n->row;
            n->marked = false;
            n->group = -1;
            if (n->next >= 0) { i = n->next; break; }
            i = n->parent;
            if (i < 0) return;
        }
    }
}

static int *ints(struct extend *e) { return arena_alloc(&e->m->host, (size_t)e->r->n * sizeof(int)); }

/* Tokens up to the end of a node, as it will be. */
static int end_of(const struct kv *kv, int i)
{
    int n = 0;
    for (; i >= 0; i = kv->node[i].parent) n += kv->node[i].len + kv->node[i].more;
    return n;
}

static int check_room(struct extend *e)
{
    int pages = 0, maxpos = 0, known = e->m->cfg.text.max_pos;
    for (int g = 0; g < e->ngroup; g++) {
        const struct kv_node *n = &e->kv->node[e->group[g].node];
        pages += kv_pages_for(n, n->more);
        maxpos = mem_max(maxpos, end_of(e->kv, e->group[g].node));
    }
    if (pages > e->kv->nfree) return fail("kv cache: %d pages more are needed, %d are free", pages, e->kv->nfree);
    if (maxpos > known) return fail("position %d: the model knows %d", maxpos - 1, known);
    return rope_reserve(e->m, &e->m->rope, &e->m->cfg.text.blocks, maxpos);
}

static int arrange(struct extend *e)
{
    int nseg = 0;
    if (make_groups(e) || check_rows(e)) return -1;
    int bad = note_growth(e) || check_room(e);
    for (int g = 0; g < e->ngroup; g++) e->kv->node[e->group[g].node].more = 0;
    if (bad) return -1;
    for (int g = 0; g < e->ngroup; g++) kv_grow(e->kv, &e->kv->node[e->group[g].node], e->group[g].n);
    for (int g = 0; g < e->ngroup; g++)
        if (e->kv->node[e->group[g].node].len == e->group[g].n) kv_count_child(e->kv, e->group[g].node, 1);
    e->order = ints(e), e->id = ints(e), e->feature = ints(e);
    e->pos = arena_alloc(&e->m->host, ROPE_AXES * (size_t)e->r->n * sizeof *e->pos);
    e->pass.nkey = ints(e), e->pass.slot = ints(e);
    int root = link_tree(e, &nseg);
    e->pass.seg = arena_alloc(&e->m->host, (size_t)nseg * sizeof *e->pass.seg);
    walk(e, root);
    return 0;
}

/* The pass's hidden rows in inner order, then in the caller's. */
static void plan_extend(struct model *m, struct space *s, int n, struct mat *back)
{
    struct pass *p = &m->pass;
    tower_plan(s, &m->cfg.text.blocks, m->t, n, false, false, &p->act);
    p->cs = rope_plan(s, &m->cfg.text.blocks, n);
    p->hidden = space_mat(s, m->t, n, m->cfg.text.blocks.hidden);
    *back = space_mat(s, m->t, n, m->cfg.text.blocks.hidden);
}

static struct mat in_callers_order(struct extend *e, struct mat hidden, struct mat back)
{
    bool same = true;
    for (int i = 0; i < e->r->n; i++) same = same && e->order[i] == i;
    if (same) return hidden;
    e->m->o->scatter(e->m->o, back, hidden, e->order);
    return back;
}

struct forward { struct model *m; const struct extend *e; struct attend at; };

/* The pass itself, from tokens to the final norm. */
static void extend_forward(void *v)
{
    struct forward *f = v;
    struct model *m = f->m;
    struct ops *o = m->o;
    struct pass *p = &m->pass;
    const struct block_cfg *c = &m->cfg.text.blocks;
    o->gather(o, p->act.x[0], m->dec.embed->w, f->e->id);
    if (f->e->r->feature) o->gather(o, p->act.x[0], f->e->r->features->x, f->e->feature);
    tower_forward(o, c, m->dec.block, &p->act, &f->at);
    o->norm(o, c->norm, p->hidden, p->act.x[c->layers], vec(m->dec.norm), NULL, c->eps, NULL);
}

int model_extend(struct model *m, struct kv *kv, const struct model_rows *r, struct mat *hidden)
{
    struct ops *o = m->o;
    struct pass *p = &m->pass;
    const struct block_cfg *c = &m->cfg.text.blocks;
    struct extend e = { .m = m, .kv = kv, .r = r, .pass = { .kv = kv } };
    struct space measure = {0};
    struct mat back;
    assert(kv->m == m);
    p->ntok = 0;
    arena_reset(&m->host);
    if (r->n < 1) return fail("no rows to extend");
    plan_extend(m, &measure, r->n, &back);
    m->space.used = measure.used;
    if (space_reserve(&m->space, o) || arrange(&e)) return -1;
    plan_extend(m, &m->space, r->n, &back);
    struct rope_at rope = rope_rows(m, &m->rope, c, p->cs, e.pos, r->n);
    struct forward f = { m, &e, { .pos = rope.pos, .cs = rope.cs, .kv = &e.pass, .head = block_heads(&m->host, c, r->n) } };
    o->replay(o, extend_forward, &f);
    *hidden = in_callers_order(&e, p->hidden, back);
    return o->sync(o);
}

int model_logits_there(struct model *m, struct mat hidden, const int *row, int n, struct mat *logits)
{
    struct ops *o = m->o;
    struct mat w = m->dec.head->w;
    size_t xs = round_up((size_t)n * (size_t)hidden.cols * dtype_size(hidden.t), 64), ys = (size_t)n * (size_t)w.rows * sizeof(float);
    if (xs + ys > m->logits_cap) {
        if (m->logits) o->release(o, m->logits);
        m->logits = o->alloc(o, xs + ys, "logits");
        m->logits_cap = m->logits ? xs + ys : 0;
        if (!m->logits) return -1;
    }
    struct mat x = mat_of(m->logits, hidden.t, n, hidden.cols);
    *logits = mat_of((uint8_t *)m->logits + xs, DT_F32, n, w.rows);
    o->gather(o, x, hidden, row);
    o->linear(o, *logits, x, w, NULL);
    return 0;
}

int model_logits(struct model *m, struct mat hidden, const int *row, int n, float *logits)
{
    struct mat y;
    if (n < 1) return 0;
    if (model_logits_there(m, hidden, row, n, &y)) return -1;
    m->o->download(m->o, logits, y.p, (size_t)n * (size_t)y.cols * sizeof(float));
    return m->o->sync(m->o);
}
