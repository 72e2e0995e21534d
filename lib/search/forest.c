/* SPDX-License-Identifier: Apache-2.0 */
#include "search/forest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "search/engine_priv.h"

enum { ROWS = 2048 };                         /* the weights of a large model go by once for so many */

struct place {
    struct place *behind;                      /* of a text; NULL: the end of a prompt */
    struct piece *leaf;                        /* of a prompt's end; NULL: of a text, or an empty prompt */
    int refs;                                  /* the caller's, and those of texts behind it */
    int node, pages, len;                      /* node -1: none yet; len: tokens from the root */
    const uint32_t *id; int n;                 /* of a text; id NULL: it is in the cache */
    void *user;
};

struct places { struct place **v; int n, cap; };

struct forest {
    struct model *m;
    struct ops *o;
    struct prefix tree;
    int rows, V, max_pos;
    struct places prompts, texts;              /* waiting for forest_run, in the order they were added */
    struct piece *want; int cap_want;
    uint64_t round;                            /* marks pieces that a list holds already */
    int *node, *id, *feature;                  /* [rows] of a pass */
    struct forest_part *part;                  /* [rows] */
    struct forest_stats stats;
};

struct forest *forest_new(struct model *m, const struct forest_cfg *c)
{
    const struct model_cfg *mc = model_config(m);
    struct forest *f = mem_alloc(sizeof *f);
    *f = (struct forest){ .m = m, .o = model_ops(m), .rows = c->rows > 0 ? c->rows : ROWS, .V = mc->text.vocab,
                          .max_pos = mc->text.max_pos };
    f->node = mem_array((size_t)f->rows, sizeof *f->node);
    f->id = mem_array((size_t)f->rows, sizeof *f->id);
    f->feature = mem_array((size_t)f->rows, sizeof *f->feature);
    f->part = mem_array((size_t)f->rows, sizeof *f->part);
    if (!prefix_init(&f->tree, m, c->kv_tokens)) return f;
    forest_free(f);
    return NULL;
}

void forest_free(struct forest *f)
{
    if (!f) return;
    prefix_end(&f->tree);
    free(f->prompts.v);
    free(f->texts.v);
    free(f->want);
    free(f->node);
    free(f->id);
    free(f->feature);
    free(f->part);
    free(f);
}

struct model *forest_model(const struct forest *f) { return f->m; }
int forest_rows(const struct forest *f) { return f->rows; }
struct forest_stats forest_stats(const struct forest *f) { return f->stats; }

/* ---- adding ---- */

static void push(struct places *l, struct place *p)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->v = mem_grow(l->v, (size_t)l->cap, sizeof *l->v);
    }
    l->v[l->n++] = p;
}

static void take_out(struct places *l, const struct place *p)
{
    int k = 0;
    for (int i = 0; i < l->n; i++)
        if (l->v[i] != p) l->v[k++] = l->v[i];
    l->n = k;
}

int forest_check(const struct forest *f, const struct input *in, int text)
{
    if (text > f->max_pos - in->n)
        return fail("a prompt of %d tokens and %d more are too many for the model's %d positions", in->n, text, f->max_pos);
    int pages = prefix_pages(&f->tree, in->n) + in->nimage + 1 + prefix_pages(&f->tree, text);     /* at most */
    if (pages <= f->tree.total) return 0;
    return fail("a prompt of %d tokens and %d more do not fit into a cache of %d", in->n, text, f->tree.total * f->tree.page);
}

/* How many of the pieces are there; *at is the last of them. A piece that still waits for its turn takes this prompt's
 * pixels: those it was made with may be gone. */
static int find_pieces(struct forest *f, int n, struct piece **at)
{
    int found = 0;
    *at = NULL;
    for (struct piece *p; found < n; found++) {
        f->want[found].parent = *at;
        if (!(p = prefix_find(&f->tree, &f->want[found]))) break;
        if (p->filled < p->n) p->pixels = f->want[found].pixels;
        *at = p;
    }
    return found;
}

struct place *forest_prompt(struct forest *f, const struct input *in, int n)
{
    struct piece *at, *held;
    if (f->cap_want < in->nimage + 1) f->want = mem_grow(f->want, (size_t)(f->cap_want = in->nimage + 1), sizeof *f->want);
    int npiece = prefix_cut(in, n, NULL, 0, f->want), found = find_pieces(f, npiece, &at), pages = 0;
    held = at;
    for (int i = found; i < npiece; i++) pages += prefix_pages(&f->tree, f->want[i].n);
    if (held) prefix_hold(&f->tree, held);
    bool room = prefix_take(&f->tree, pages);
    for (int i = 0; i < npiece && room; i++) {
        if (i < found) {
            f->stats.shared_rows += (uint64_t)f->want[i].n;
            f->stats.shared_tiles += (uint64_t)f->want[i].pixels.tiles.n;
        } else {
            f->want[i].parent = at;
            at = prefix_add(&f->tree, &f->want[i]);
        }
    }
    if (room && at) prefix_hold(&f->tree, at);
    if (held) prefix_drop(&f->tree, held);
    if (!room) return NULL;
    struct place *p = mem_alloc(sizeof *p);
    *p = (struct place){ .leaf = at, .refs = 1, .node = -1, .len = n };
    if (at) push(&f->prompts, p);
    return p;
}

struct place *forest_text(struct forest *f, struct place *behind, const uint32_t *id, int n, void *user)
{
    int pages = prefix_pages(&f->tree, n);
    assert(n > 0 && behind->len + n <= f->max_pos);
    if (!prefix_take(&f->tree, pages)) return NULL;
    struct place *p = mem_alloc(sizeof *p);
    *p = (struct place){ .behind = behind, .refs = 1, .node = -1, .pages = pages, .len = behind->len + n, .id = id, .n = n, .user = user };
    behind->refs++;
    push(&f->texts, p);
    return p;
}

void forest_drop(struct forest *f, struct place *p)
{
    for (struct place *next; p && !--p->refs; p = next) {
        next = p->behind;
        if (p->id) take_out(&f->texts, p);
        if (p->leaf) {
            take_out(&f->prompts, p);
            prefix_drop(&f->tree, p->leaf);
        } else if (p->node >= 0) {
            kv_drop(f->tree.kv, p->node);
        }
        prefix_give(&f->tree, p->pages);
        free(p);
    }
}

/* ---- passes ---- */

/* Tokens that go to the end of a node: of a piece of a prompt, or of a text. */
struct strand { int node; const uint32_t *id; int n; struct piece *piece; struct place *text; };
struct strands { struct strand *v; int n, cap; };

static struct strand *add_strand(struct strands *l)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->v = mem_grow(l->v, (size_t)l->cap, sizeof *l->v);
    }
    return &l->v[l->n++];
}

/* The pieces up to this one that are not in the cache, and not in the list. */
static void add_pieces(struct forest *f, struct strands *l, struct piece *leaf)
{
    int n = 0;
    for (struct piece *p = leaf; p && p->filled < p->n && p->round != f->round; p = p->parent, n++) add_strand(l);
    struct strand *s = l->v + l->n;
    for (struct piece *p = leaf; n--; p = p->parent) {
        p->round = f->round;
        *--s = (struct strand){ .node = -1, .id = p->id, .n = p->n, .piece = p };
    }
}

/* All that waits, each behind what it follows. */
static void list_strands(struct forest *f, struct strands *l)
{
    struct kv *kv = f->tree.kv;
    f->round++;
    for (int i = 0; i < f->prompts.n; i++) add_pieces(f, l, f->prompts.v[i]->leaf);
    for (int i = 0; i < l->n; i++) {
        struct piece *p = l->v[i].piece;
        l->v[i].node = p->node = kv_node(kv, p->parent ? p->parent->node : -1);
        p->filled = p->n;
        f->stats.prompt_rows += (uint64_t)p->n;
    }
    for (int i = 0; i < f->prompts.n; i++) f->prompts.v[i]->node = f->prompts.v[i]->leaf->node;
    for (int i = 0; i < f->texts.n; i++) {
        struct place *p = f->texts.v[i];
        p->node = kv_node(kv, p->behind->node);
        *add_strand(l) = (struct strand){ .node = p->node, .id = p->id, .n = p->n, .text = p };
        f->stats.text_rows += (uint64_t)p->n;
    }
}

/* Rows of a piece's image that are its token are features, from the piece's first one on. */
static void add_rows(struct forest *f, const struct strand *s, int begin, int n, int row)
{
    const struct piece *p = s->piece;
    struct span image = p && p->nimage ? p->image : (struct span){ 0 };
    int next = image.end ? p->feature + input_places(s->id, image.begin, mem_min(begin, image.end), p->token) : 0;
    for (int i = 0; i < n; i++) {
        int k = begin + i;
        f->node[row + i] = s->node;
        f->id[row + i] = (int)s->id[k];
        f->feature[row + i] = k >= image.begin && k < image.end && s->id[k] == p->token ? next++ : -1;
    }
}

/* Puts the strands into the cache, f->rows rows at a time, and shows the texts of each pass to the reader (NULL: nobody looks). */
static int run_strands(struct forest *f, const struct strand *s, int n, const struct model_features *features, forest_reader *pass, void *arg)
{
    for (int at = 0, done = 0; at < n;) {
        int rows = 0, npart = 0;
        while (at < n && rows < f->rows) {
            int k = mem_min(f->rows - rows, s[at].n - done);
            add_rows(f, &s[at], done, k, rows);
            if (s[at].text) f->part[npart++] = (struct forest_part){ s[at].text->user, s[at].id, done, k, rows };
            rows += k;
            done += k;
            if (done == s[at].n) at++, done = 0;
        }
        struct model_rows r = { rows, f->node, f->id, features->x.p ? f->feature : NULL, features };
        struct forest_pass p = { .part = f->part, .npart = npart };
        if (model_extend(f->m, f->tree.kv, &r, &p.hidden) || (npart && pass && pass(arg, &p))) return -1;
    }
    return 0;
}

/* Encodes the images of the first strands, as many as fill a pass; returns how many strands can be run then, or -1. */
static int encode_some(struct forest *f, const struct strand *s, int n, struct model_features *features)
{
    struct model_image *image = mem_array((size_t)n, sizeof *image);
    int k, rows = 0, images = 0, bad = 0;
    for (k = 0; k < n; k++) {
        struct piece *p = s[k].piece;
        if (!p || !p->nimage) continue;
        if (rows && rows + p->nimage > f->rows) break;
        p->feature = rows;
        rows += p->nimage;
        f->stats.tiles += (uint64_t)p->pixels.tiles.n;
        image[images++] = p->pixels;
        p->pixels.px = NULL;
    }
    if (images) bad = model_encode(f->m, image, images, features);
    free(image);
    return bad ? -1 : k;
}

int forest_run(struct forest *f, forest_reader *pass, void *arg)
{
    struct strands l = { 0 };
    int bad = 0;
    list_strands(f, &l);
    for (int i = 0, k; i < l.n && !bad; i += k) {
        struct model_features features = { 0 };
        k = encode_some(f, l.v + i, l.n - i, &features);
        bad = k < 0 || run_strands(f, l.v + i, k, &features, pass, arg);
        model_features_free(f->m, &features);
    }
    for (int i = 0; i < l.n; i++) {
        if (l.v[i].piece) l.v[i].piece->feature = -1;
        else l.v[i].text->id = NULL;
    }
    f->prompts.n = f->texts.n = 0;
    free(l.v);
    return bad ? -1 : 0;
}
