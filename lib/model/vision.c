/* SPDX-License-Identifier: Apache-2.0
 * The vision tower (a ViT with a class token) up to pixel shuffle, and the projector.
 */
#include "model/model_priv.h"

enum { ENCODE_ROWS = 4096 };                   /* of the tower at a time, where no activations are kept */

/* ---- images in chunks of tiles ---- */
struct place { int image, tile; };             /* the tile that comes next */
struct chunk { struct place from; int ntile, patches, rows; size_t floats; };

static int patches_of(const struct vision_cfg *c, const struct tiles *t) { return t->h / c->patch * (t->w / c->patch); }
static int rows_of(const struct vision_cfg *c, const struct tiles *t) { return patches_of(c, t) + 1; }

int vision_features(const struct model *m, const struct model_image *v, int n)
{
    const struct vision_cfg *c = &m->cfg.vision;
    int64_t rows = 0;
    if (!m->cfg.has_vision && n) return fail("images, but the model has no vision tower");
    for (int i = 0; i < n; i++) {
        const struct tiles *t = &v[i].tiles;
        if (t->n < 1) return fail("image %d of %d tiles", i, t->n);
        if (t->h != c->image || t->w != c->image) return fail("image tiles of %dx%d, the vision tower takes %dx%d", t->w, t->h, c->image, c->image);
        if ((rows += cfg_image_tokens(&m->cfg, t)) > INT32_MAX / 64) return fail("%d images are too many at once", n);
    }
    return (int)rows;
}

/* Takes tiles from *at on, at least one, then as long as they stay within `most` rows; false at the end. */
static bool next_chunk(const struct vision_cfg *c, const struct model_image *v, int n, int most, struct place *at, struct chunk *k)
{
    *k = (struct chunk){ .from = *at };
    for (; at->image < n; at->image++, at->tile = 0) {
        const struct tiles *t = &v[at->image].tiles;
        for (; at->tile < t->n; at->tile++) {
            if (k->ntile && k->rows + rows_of(c, t) > most) return true;
            k->ntile++;
            k->patches += patches_of(c, t);
            k->rows += rows_of(c, t);
            k->floats += 3 * (size_t)t->h * (size_t)t->w;
        }
    }
    return k->ntile > 0;
}

static int most_rows(const struct vision_pass *p) { return p->keep ? INT32_MAX : ENCODE_ROWS; }

void vision_plan(struct model *m, struct space *s, const struct model_image *v, int n, bool keep, struct vision_pass *p)
{
    const struct vision_cfg *c = &m->cfg.vision;
    struct place at = {0};
    struct chunk k, most = {0};
    int C = c->blocks.hidden;
    p->keep = keep;
    while (next_chunk(c, v, n, most_rows(p), &at, &k)) {
        most.patches = mem_max(most.patches, k.patches);
        most.rows = mem_max(most.rows, k.rows);
        most.floats = mem_max(most.floats, k.floats);
    }
    p->px = space_f32(s, most.floats);
    p->patches = space_mat(s, m->t, most.patches, 3 * c->patch * c->patch);
    p->emb = space_mat(s, m->t, most.patches, C);
    tower_plan(s, &c->blocks, m->t, most.rows, keep, m->recompute, &p->act);
    p->last = p->act.x[c->blocks.layers];
    p->stat = NULL;
    if (!c->final_norm) return;
    p->last = space_mat(s, m->t, most.rows, C);
    if (keep) p->stat = space_f32(s, 2 * (size_t)p->last.rows);
}

void vision_plan_back(struct model *m, struct space *s, struct vision_pass *p)
{
    p->demb = space_mat(s, m->t, p->patches.rows, m->cfg.vision.blocks.hidden);
}

/* The host indices of a tile whose first row in the tower is `row` and whose first patch is `patch`: token (i, j) takes the
 * patches (r i + di, r j + dj), di outer, side by side. */
static void index_tile(const struct model_cfg *c, const struct tiles *t, int row, int patch, struct vision_pass *p)
{
    int w = t->w / c->vision.patch, P = patches_of(&c->vision, t), r = c->shuffle;
    for (int k = 0; k < P; k++) {
        int part = k % (r * r), token = k / (r * r);
        int y = token / (w / r) * r + part / r, x = token % (w / r) * r + part % r;
        p->rows[patch + k] = row + 1 + k;
        p->shuffle[patch + k] = row + 1 + y * w + x;
    }
}

static void index_chunk(struct model *m, struct vision_pass *p, const struct model_image *v, const struct chunk *k)
{
    struct place at = k->from;
    int row = 0, patch = 0;
    p->ntile = k->ntile;
    p->start = arena_alloc(&m->host, ((size_t)k->ntile + 1) * sizeof(int));
    p->rows = arena_alloc(&m->host, (size_t)k->patches * sizeof(int));
    p->shuffle = arena_alloc(&m->host, (size_t)k->patches * sizeof(int));
    for (int i = 0; i < k->ntile; i++, at.tile++) {
        if (at.tile == v[at.image].tiles.n) at = (struct place){ at.image + 1, 0 };
        const struct tiles *t = &v[at.image].tiles;
        p->start[i] = row;
        index_tile(&m->cfg, t, row, patch, p);
        row += rows_of(&m->cfg.vision, t);
        patch += patches_of(&m->cfg.vision, t);
    }
    p->start[k->ntile] = row;
}

/* ---- the tower ---- */
static struct attend attend_tiles(const struct vision_pass *p) { return (struct attend){ .nseq = p->ntile, .start = p->start }; }

/* The rows of the class tokens as a matrix. */
static struct mat class_rows(struct mat x, int tiles)
{
    struct mat m = x;
    m.ld = x.ld * (x.rows / tiles);
    m.rows = tiles;
    return m;
}

static struct tower_act first_rows(const struct tower_act *a, int layers, int rows, struct mat *x)
{
    for (int l = 0; l <= layers; l++) x[l] = mat_rows(a->x[l], 0, rows);
    return (struct tower_act){ .x = x, .act = a->act };
}

/* The tiles' pixels as rows of patches, image by image. */
static struct mat make_patches(struct model *m, struct vision_pass *p, const struct model_image *v, const struct chunk *k)
{
    const struct vision_cfg *c = &m->cfg.vision;
    struct place at = k->from;
    float *px = p->px;
    int row = 0;
    for (int left = k->ntile; left; at = (struct place){ at.image + 1, 0 }) {
        const struct tiles *t = &v[at.image].tiles;
        int n = mem_min(left, t->n - at.tile), patches = n * patches_of(c, t);
        size_t one = 3 * (size_t)t->h * (size_t)t->w;
        m->o->upload(m->o, px, v[at.image].px + (size_t)at.tile * one, (size_t)n * one * sizeof *px);
        m->o->patchify(m->o, mat_rows(p->patches, row, patches), px, t->h, t->w, c->patch, c->patch);
        px += (size_t)n * one;
        row += patches;
        left -= n;
    }
    return mat_rows(p->patches, 0, row);
}

static void embed_patches(struct model *m, struct vision_pass *p, const struct model_image *v, const struct chunk *k, struct mat x)
{
    struct ops *o = m->o;
    struct mat patches = make_patches(m, p, v, k), emb = mat_rows(p->emb, 0, patches.rows);
    linear_param(o, emb, patches, m->vision.patch, m->vision.patch_b);
    zero_mat(o, x);
    o->scatter(o, x, emb, p->rows);
    o->add_rows(o, class_rows(x, k->ntile), vec(m->vision.cls), 1);
    if (m->vision.pos) o->add_rows(o, x, vec(m->vision.pos), x.rows / k->ntile);
}

/* A last, smaller chunk works on the first rows of everything; the activations of a block are cut to size with it. */
static void cut_act(struct block_act *a, int rows)
{
    struct mat *all[] = { &a->n1, &a->qkv, &a->qk, &a->o, &a->a, &a->x1, &a->n2, &a->up, &a->h, &a->m, &a->grouped };
    for (int i = 0; i < countof(all); i++)
        if (all[i]->p) all[i]->rows = rows;
}

static void forward_chunk(struct model *m, struct vision_pass *p, const struct model_image *v, const struct chunk *k, struct mat flat)
{
    const struct vision_cfg *c = &m->cfg.vision;
    int layers = c->blocks.layers;
    struct tower_act a = first_rows(&p->act, layers, k->rows, arena_alloc(&m->host, ((size_t)layers + 1) * sizeof(struct mat)));
    for (int l = 0; l < layers; l++) cut_act(&p->act.act[l], k->rows);
    index_chunk(m, p, v, k);
    embed_patches(m, p, v, k, a.x[0]);
    struct attend at = attend_tiles(p);
    tower_forward(m->o, &c->blocks, m->vision.block, &a, &at);
    struct mat last = c->final_norm ? mat_rows(p->last, 0, k->rows) : a.x[layers];
    if (c->final_norm) m->o->norm(m->o, c->final_kind, last, a.x[layers], vec(m->vision.norm), vec(m->vision.norm_b), c->blocks.eps, p->stat);
    m->o->gather(m->o, flat, last, p->shuffle);
}

void vision_forward(struct model *m, struct vision_pass *p, const struct model_image *v, int n, struct mat out)
{
    const struct vision_cfg *c = &m->cfg.vision;
    struct mat flat = mat_of(out.p, out.t, out.rows * (out.cols / c->blocks.hidden), c->blocks.hidden);
    struct place at = {0};
    struct chunk k;
    for (int row = 0; next_chunk(c, v, n, most_rows(p), &at, &k); row += k.patches)
        forward_chunk(m, p, v, &k, mat_rows(flat, row, k.patches));
}

void vision_backward(struct model *m, struct vision_pass *p, const struct block_grad *g, struct mat dx, struct mat dout)
{
    const struct vision_cfg *c = &m->cfg.vision;
    struct ops *o = m->o;
    struct attend at = attend_tiles(p);
    struct mat flat = mat_of(dout.p, dout.t, p->patches.rows, c->blocks.hidden);
    struct mat dlast = c->final_norm ? mat_rows(g->dn, 0, dx.rows) : dx;       /* free until the blocks' backward */
    zero_mat(o, dx);
    if (c->final_norm) zero_mat(o, dlast);
    o->scatter_add(o, dlast, flat, p->shuffle);
    if (c->final_norm) o->norm_bwd(o, c->final_kind, dx, grad(m->vision.norm), grad(m->vision.norm_b), dlast,
                                   p->act.x[c->blocks.layers], vec(m->vision.norm), p->stat);
    tower_backward(o, &c->blocks, m->vision.block, &p->act, &at, g, dx, m->recompute);
    if (grad(m->vision.pos)) o->add_rows_bwd(o, grad(m->vision.pos), dx, dx.rows / p->ntile);
    if (grad(m->vision.cls)) o->add_rows_bwd(o, grad(m->vision.cls), class_rows(dx, p->ntile), 1);
    o->gather(o, p->demb, dx, p->rows);
    linear_param_back(o, (struct mat){0}, p->demb, p->patches, m->vision.patch, m->vision.patch_b);
}

/* ---- projector: norm, linear, act, linear ---- */
void projector_plan(struct model *m, struct space *s, int rows, bool keep, struct projector_pass *p)
{
    int C = m->cfg.text.blocks.hidden, in = m->cfg.shuffle * m->cfg.shuffle * m->cfg.vision.blocks.hidden;
    p->in = space_mat(s, m->t, rows, in);
    p->n = space_mat(s, m->t, rows, in);
    p->h = space_mat(s, m->t, rows, C);
    p->a = space_mat(s, m->t, rows, C);
    p->out = space_mat(s, m->t, rows, C);
    p->stat = keep ? space_f32(s, 2 * (size_t)rows) : NULL;
}

void projector_plan_back(struct model *m, struct space *s, int rows, struct projector_pass *p)
{
    int C = m->cfg.text.blocks.hidden, in = m->cfg.shuffle * m->cfg.shuffle * m->cfg.vision.blocks.hidden;
    p->dout = space_mat(s, m->t, rows, C);
    p->da = space_mat(s, m->t, rows, C);
    p->dh = space_mat(s, m->t, rows, C);
    p->dn = space_mat(s, m->t, rows, in);
    p->din = space_mat(s, m->t, rows, in);
}

void projector_forward(struct model *m, struct projector_pass *p, struct mat out)
{
    const struct projector *w = &m->proj;
    struct ops *o = m->o;
    o->norm(o, NORM_LAYER, p->n, p->in, vec(w->norm), vec(w->norm_b), m->cfg.proj_eps, p->stat);
    linear_param(o, p->h, p->n, w->fc1, w->fc1_b);
    o->act(o, m->cfg.proj_act, p->a, p->h);
    linear_param(o, out, p->a, w->fc2, w->fc2_b);
}

void projector_backward(struct model *m, struct projector_pass *p)
{
    const struct projector *w = &m->proj;
    struct ops *o = m->o;
    zero_mat(o, p->da);
    linear_param_back(o, p->da, p->dout, p->a, w->fc2, w->fc2_b);
    zero_mat(o, p->dh);
    o->act_bwd(o, m->cfg.proj_act, p->dh, p->da, p->h);
    zero_mat(o, p->dn);
    linear_param_back(o, p->dn, p->dh, p->n, w->fc1, w->fc1_b);
    zero_mat(o, p->din);
    o->norm_bwd(o, NORM_LAYER, p->din, grad(w->norm), grad(w->norm_b), p->dn, p->in, vec(w->norm), p->stat);
}
