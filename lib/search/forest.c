/* SPDX-License-Identifier: Apache-2.0 */
#include "search/forest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "search/engine_priv.h"

enum { ROWS = 512 };

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

/* The first n tokens in pieces, cut behind each image; returns how many. */
static int cut(struct forest *f, const struct input *in, int n)
{
    int npiece = 0;
    if (f->cap_want < in->nimage + 1) f->want = mem_grow(f->want, (size_t)(f->cap_want = in->nimage + 1), sizeof *f->want);
    for (int begin = 0, k = 0; begin < n; npiece++) {
        struct piece *p = &f->want[npiece];
        *p = (struct piece){ .id = in->id + begin, .n = n - begin };
        if (k < in->nimage) {
            const struct input_image *im = &in->image[k++];
            p->image = (struct span){ im->pos - begin, im->end - begin };
            p->token = im->token;
            p->nimage = im->n;
            p->pixels = (struct model_image){ im->tiles, in->pixels + im->px };
            memcpy(p->digest, im->digest, sizeof p->digest);
            p->n = p->image.end;
            assert(begin + p->n <= n);
        }
        begin += p->n;
    }
    return npiece;
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
    int npiece = cut(f, in, n), found = find_pieces(f, npiece, &at), pages = 0;
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

/* Tokens that go to the end of a node; those in `image` that are `token` are features from row `feature` on. */
struct strand { int node; const uint32_t *id; int n; struct span image; uint32_t token; int feature; void *user; };

static void add_rows(struct forest *f, const struct strand *s, int begin, int n, int row)
{
    int next = s->feature + input_places(s->id, s->image.begin, mem_min(begin, s->image.end), s->token);
    for (int i = 0; i < n; i++) {
        int k = begin + i;
        f->node[row + i] = s->node;
        f->id[row + i] = (int)s->id[begin + i];
        f->feature[row + i] = k >= s->image.begin && k < s->image.end && s->id[k] == s->token ? next++ : -1;
    }
}

/* Puts the strands into the cache, f->rows rows at a time, and shows each pass to the reader (NULL: nobody looks). */
static int run_strands(struct forest *f, const struct strand *s, int n, const struct model_features *features, forest_reader *pass, void *arg)
{
    for (int at = 0, done = 0; at < n;) {
        int rows = 0, npart = 0;
        while (at < n && rows < f->rows) {
            int k = mem_min(f->rows - rows, s[at].n - done);
            add_rows(f, &s[at], done, k, rows);
            f->part[npart++] = (struct forest_part){ s[at].user, s[at].id, done, k, rows };
            rows += k;
            done += k;
            if (done == s[at].n) at++, done = 0;
        }
        struct model_rows r = { rows, f->node, f->id, features ? f->feature : NULL, features };
        struct forest_pass p = { .part = f->part, .npart = npart };
        if (model_extend(f->m, f->tree.kv, &r, &p.hidden) || (pass && pass(arg, &p))) return -1;
    }
    return 0;
}

/* ---- prompts ---- */

/* The first piece of the prompt that is not in the cache; NULL if all are. */
static struct piece *first_missing(struct piece *p)
{
    struct piece *missing = NULL;
    for (; p && p->filled < p->n; p = p->parent) missing = p;
    return missing;
}

/* The pieces that can be computed now, each once. */
static int next_pieces(struct forest *f, struct piece **v)
{
    int n = 0;
    f->round++;
    for (int i = 0; i < f->prompts.n; i++) {
        struct piece *p = first_missing(f->prompts.v[i]->leaf);
        if (!p || p->round == f->round) continue;
        p->round = f->round;
        v[n++] = p;
    }
    return n;
}

/* Encodes the images of the first pieces, as many as fill a pass; returns how many pieces that are, or -1. */
static int encode_some(struct forest *f, struct piece **v, int n, struct model_features *features)
{
    struct model_image *image = mem_array((size_t)n, sizeof *image);
    int k = 0, images = 0, bad = 0;
    for (int rows = 0; k < n && (!rows || rows + v[k]->nimage <= f->rows); k++) {
        if (!v[k]->nimage) continue;
        v[k]->feature = rows;
        rows += v[k]->nimage;
        f->stats.tiles += (uint64_t)v[k]->pixels.tiles.n;
        image[images++] = v[k]->pixels;
        v[k]->pixels.px = NULL;
    }
    if (images) bad = model_encode(f->m, image, images, features);
    free(image);
    return bad ? -1 : k;
}

static int run_pieces(struct forest *f, struct piece **v, int n, const struct model_features *features)
{
    struct strand *s = mem_array((size_t)n, sizeof *s);
    for (int i = 0; i < n; i++) {
        struct piece *p = v[i];
        p->node = kv_node(f->tree.kv, p->parent ? p->parent->node : -1);
        s[i] = (struct strand){ p->node, p->id, p->n, p->image, p->token, p->feature, NULL };
        p->feature = -1;
        p->filled = p->n;
        f->stats.prompt_rows += (uint64_t)p->n;
    }
    int bad = run_strands(f, s, n, features, NULL, NULL);
    free(s);
    return bad;
}

static int run_prompts(struct forest *f)
{
    struct piece **v = mem_array((size_t)f->prompts.n, sizeof(struct piece *));
    int bad = 0;
    for (int n; !bad && (n = next_pieces(f, v));)
        for (int i = 0, k; i < n && !bad; i += k) {
            struct model_features features = { 0 };
            k = encode_some(f, v + i, n - i, &features);
            bad = k < 0 || run_pieces(f, v + i, k, &features);
            model_features_free(f->m, &features);
        }
    for (int i = 0; i < f->prompts.n; i++) f->prompts.v[i]->node = f->prompts.v[i]->leaf->node;
    f->prompts.n = 0;
    free(v);
    return bad ? -1 : 0;
}

/* ---- texts ---- */

/* Texts whose beginning is in the cache; moves them out of the list. */
static int next_texts(struct forest *f, struct strand *s, struct place **now)
{
    int n = 0, k = 0;
    for (int i = 0; i < f->texts.n; i++) {
        struct place *p = f->texts.v[i];
        if (p->behind->id) {
            f->texts.v[k++] = p;
            continue;
        }
        p->node = kv_node(f->tree.kv, p->behind->node);
        s[n] = (struct strand){ .node = p->node, .id = p->id, .n = p->n, .user = p->user };
        now[n++] = p;
    }
    f->texts.n = k;
    return n;
}

static int run_texts(struct forest *f, forest_reader *pass, void *arg)
{
    size_t most = (size_t)f->texts.n;
    struct strand *s = mem_array(most, sizeof *s);
    struct place **now = mem_array(most, sizeof(struct place *));
    int bad = 0;
    while (!bad && f->texts.n) {
        int n = next_texts(f, s, now);
        bad = run_strands(f, s, n, NULL, pass, arg);
        for (int i = 0; i < n; i++) {
            now[i]->id = NULL;
            f->stats.text_rows += (uint64_t)now[i]->n;
        }
    }
    free(now);
    free(s);
    return bad;
}

int forest_run(struct forest *f, forest_reader *pass, void *arg)
{
    return run_prompts(f) || run_texts(f, pass, arg) ? -1 : 0;
}
