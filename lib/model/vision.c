/* SPDX-License-Identifier: Apache-2.0
 * The vision tower, a ViT described by data, up to pixel shuffle.
 */
#include "model/model_priv.h"

enum { ENCODE_ROWS = 4096,                     /* of the tower at a time, where no activations are kept */
       SIDE_MAX = 1 << 14, ROWS_MAX = 1 << 24 };      /* of an image in merged patches; features of all images */

/* ---- images in chunks of tiles ---- */
struct place { int image, tile; };             /* the tile that comes next */
struct chunk { struct place from; int ntile, patches, rows; size_t floats; };

static int patches_of(const struct vision_cfg *c, const struct tiles *t) { return t->h / c->patch * (t->w / c->patch); }
static int rows_of(const struct vision_cfg *c, const struct tiles *t) { return patches_of(c, t) + c->cls; }

static int check_tiles(const struct model_cfg *c, const struct tiles *t)
{
    int side = c->vision.image, unit = c->vision.patch * c->shuffle;
    if (t->n < 1) return fail("an image of %d tiles", t->n);
    if (c->newline && (t->cols < 1 || t->rows < 1 || t->n - 1 != (int64_t)t->cols * t->rows || t->image_w < 1 || t->image_h < 1))
        return fail("an image of %d tiles in %d columns and %d rows", t->n, t->cols, t->rows);
    if (c->vision.pos_any)
        return t->h == t->w && t->h >= unit && t->h / c->vision.patch % c->shuffle == 0 && t->h <= SIDE_MAX ? 0
            : fail("image tiles of %dx%d, the vision tower takes squares of a multiple of %d patches", t->w, t->h, c->shuffle);
    if (side) return t->h == side && t->w == side ? 0 : fail("image tiles of %dx%d, the vision tower takes %dx%d", t->w, t->h, side, side);
    if (t->n > 1) return fail("an image of %d tiles, the vision tower takes it whole", t->n);
    if (t->h < unit || t->w < unit || t->h % unit || t->w % unit || t->h > SIDE_MAX * unit || t->w > SIDE_MAX * unit)
        return fail("an image of %dx%d, the vision tower takes multiples of %d up to %d", t->w, t->h, unit, SIDE_MAX * unit);
    return 0;
}

int vision_begin(struct model *m, const struct model_image *v, int n)
{
    int64_t rows = 0, projected = 0;
    int side = 0;
    m->pass.nprojected = 0;
    if (!m->cfg.has_vision && n) return fail("images, but the model has no vision tower");
    for (int i = 0; i < n; i++) {
        const struct tiles *t = &v[i].tiles;
        if (check_tiles(&m->cfg, t)) return -1;
        rows += cfg_image_tokens(&m->cfg, t);
        projected += merge_takes(&m->cfg, t);
        if (mem_max(rows, projected) > ROWS_MAX) return fail("%d images are too many at once", n);
        side = mem_max(side, mem_max(t->h, t->w) / m->cfg.vision.patch);
    }
    m->pass.nprojected = (int)projected;
    bool rope = m->cfg.vision.blocks.rope.kind != ROPE_NONE;
    return rope && rope_reserve(m, &m->vision_rope, &m->cfg.vision.blocks, side) ? -1 : (int)rows;
}

void vision_places(const struct model *m, const struct model_image *v, int n, struct feature_place *place)
{
    int unit = m->cfg.vision.patch * m->cfg.shuffle;
    for (int i = 0; i < n; i++) {
        int rows = v[i].tiles.h / unit, cols = v[i].tiles.w / unit, all = rows * cols;
        for (int k = 0; k < all; k++)
            *place++ = (struct feature_place){ k, k / cols, k % cols, k + 1 == all ? all - mem_max(rows, cols) : 0 };
    }
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

static bool ends_in_norm(const struct vision_cfg *c) { return c->final_norm && !c->final_idle; }

/* The blocks features go through. */
static struct block_cfg blocks_used(const struct vision_cfg *c)
{
    struct block_cfg b = c->blocks;
    b.layers = c->depth;
    return b;
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
    p->patches = space_mat(s, m->t, most.patches, 3 * mem_max(1, c->frames) * c->patch * c->patch);
    p->cs = rope_plan(s, &c->blocks, most.rows);
    p->emb = space_mat(s, m->t, most.patches, C);
    if (c->pos_any) p->pos_own = space_f32(s, (size_t)most.rows * (size_t)C);
    struct block_cfg b = blocks_used(c);
    tower_plan(s, &b, m->t, most.rows, keep, m->recompute, &p->act);
    p->first = c->pre_norm ? space_mat(s, m->t, most.rows, C) : p->act.x[0];
    p->last = ends_in_norm(c) ? space_mat(s, m->t, most.rows, C) : p->act.x[c->depth];
    p->pre_stat = keep && c->pre_norm ? space_f32(s, 2 * (size_t)most.rows) : NULL;
    p->stat = keep && ends_in_norm(c) ? space_f32(s, 2 * (size_t)most.rows) : NULL;
}

void vision_plan_back(struct model *m, struct space *s, struct vision_pass *p)
{
    p->demb = space_mat(s, m->t, p->patches.rows, m->cfg.vision.blocks.hidden);
    if (m->cfg.vision.pre_norm) p->dfirst = space_mat(s, m->t, p->first.rows, p->first.cols);
}

/* What a tower's chunk is made of while its indices are written. */
struct indexing { int row, patch; };           /* the next free row of the tower, and the next patch */

/* The patches of a tile take rows of the tower window by window, the last ones in a row or column being cut off; without
 * windows the tile is one. */
static void place_patches(const struct vision_cfg *c, int h, int w, struct vision_pass *p, struct indexing *at)
{
    int wh = c->window ? c->window : h, ww = c->window ? c->window : w;
    for (int y0 = 0; y0 < h; y0 += wh)
        for (int x0 = 0; x0 < w; x0 += ww) {
            p->window[p->nwindow++] = at->row;
            for (int y = y0; y < mem_min(h, y0 + wh); y++)
                for (int x = x0; x < mem_min(w, x0 + ww); x++, at->row++) {
                    p->rows[at->patch + y * w + x] = at->row;
                    p->pos[at->row] = y;
                    p->pos[p->nrow + at->row] = x;
                }
        }
}

/* Behind the shuffle token (i, j) takes the patches (r i + di, r j + dj), di outer, side by side. */
static void index_tile(const struct model_cfg *c, const struct tiles *t, struct vision_pass *p, struct indexing *at)
{
    int h = t->h / c->vision.patch, w = t->w / c->vision.patch, r = c->shuffle;
    for (int i = 0; i < c->vision.cls; i++, at->row++) p->pos[at->row] = p->pos[p->nrow + at->row] = 0;
    place_patches(&c->vision, h, w, p, at);
    for (int k = 0; k < h * w; k++) {
        int part = k % (r * r), token = k / (r * r);
        int y = token / (w / r) * r + part / r, x = token % (w / r) * r + part % r;
        p->shuffle[at->patch + k] = p->rows[at->patch + y * w + x];
    }
    at->patch += h * w;
}

static int *ints(struct model *m, size_t n) { return arena_alloc(&m->host, n * sizeof(int)); }

static void index_chunk(struct model *m, struct vision_pass *p, const struct model_image *v, const struct chunk *k)
{
    struct place at = k->from;
    struct indexing next = {0};
    p->ntile = k->ntile;
    p->nrow = k->rows;
    p->nwindow = 0;
    p->start = ints(m, (size_t)k->ntile + 1);
    p->window = ints(m, (size_t)k->patches + 1);
    p->rows = ints(m, (size_t)k->patches);
    p->shuffle = ints(m, (size_t)k->patches);
    p->pos = ints(m, 2 * (size_t)k->rows);
    for (int i = 0; i < k->ntile; i++, at.tile++) {
        if (at.tile == v[at.image].tiles.n) at = (struct place){ at.image + 1, 0 };
        p->start[i] = next.row;
        index_tile(&m->cfg, &v[at.image].tiles, p, &next);
    }
    p->start[k->ntile] = p->window[p->nwindow] = next.row;
}

/* ---- the tower ---- */
static struct attend attend_tiles(const struct vision_pass *p)
{
    return (struct attend){ .nseq = p->ntile, .start = p->start, .nwindow = p->nwindow, .window = p->window,
                            .pos = p->rope.pos, .cs = p->rope.cs };
}

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

/* Class token and positions of the rows x, image by image; back: their gradients. */
static void add_tables(struct model *m, struct vision_pass *p, const struct model_image *v, const struct chunk *k, struct mat x, bool back)
{
    const struct vision *w = &m->vision;
    struct ops *o = m->o;
    struct place at = k->from;
    int row = 0;
    for (int left = k->ntile, n; left; left -= n, at = (struct place){ at.image + 1, 0 }) {
        const struct tiles *t = &v[at.image].tiles;
        n = mem_min(left, t->n - at.tile);
        int period = rows_of(&m->cfg.vision, t);
        struct mat part = mat_rows(x, row, n * period);
        if (!back && w->cls) o->add_rows(o, class_rows(part, n), vec(w->cls), 1);
        if (back && grad(w->cls)) o->add_rows_bwd(o, grad(w->cls), class_rows(part, n), 1);
        if (!back && w->pos) vision_add_pos(m, p, t, part, period);
        if (back && w->pos) vision_add_pos_back(m, p, t, part, period);
        row += n * period;
    }
}

static void embed_patches(struct model *m, struct vision_pass *p, const struct model_image *v, const struct chunk *k, struct mat x)
{
    struct ops *o = m->o;
    struct mat patches = make_patches(m, p, v, k), emb = mat_rows(p->emb, 0, patches.rows);
    linear_param(o, emb, patches, m->vision.patch, m->vision.patch_b);
    zero_mat(o, x);
    o->scatter(o, x, emb, p->rows);
    add_tables(m, p, v, k, x, false);
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
    struct block_cfg b = blocks_used(c);
    int layers = b.layers;
    struct mat first = mat_rows(p->first, 0, k->rows);
    struct tower_act a = first_rows(&p->act, layers, k->rows, arena_alloc(&m->host, ((size_t)layers + 1) * sizeof(struct mat)));
    for (int l = 0; l < layers; l++) cut_act(&p->act.act[l], k->rows);
    index_chunk(m, p, v, k);
    embed_patches(m, p, v, k, first);
    if (c->pre_norm) m->o->norm(m->o, NORM_LAYER, a.x[0], first, vec(m->vision.pre_norm), vec(m->vision.pre_norm_b), b.eps, p->pre_stat);
    if (c->blocks.rope.kind != ROPE_NONE) p->rope = rope_rows(m, &m->vision_rope, &c->blocks, p->cs, p->pos, k->rows);
    struct attend at = attend_tiles(p);
    tower_forward(m->o, &b, m->vision.block, &a, &at);
    struct mat last = ends_in_norm(c) ? mat_rows(p->last, 0, k->rows) : a.x[layers];
    if (ends_in_norm(c)) m->o->norm(m->o, c->final_kind, last, a.x[layers], vec(m->vision.norm), vec(m->vision.norm_b), c->blocks.eps, p->stat);
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

void vision_backward(struct model *m, struct vision_pass *p, const struct model_image *v, const struct block_grad *g, struct mat dx,
                     struct mat dout)
{
    const struct vision_cfg *c = &m->cfg.vision;
    struct ops *o = m->o;
    struct attend at = attend_tiles(p);
    struct mat flat = mat_of(dout.p, dout.t, p->patches.rows, c->blocks.hidden);
    const struct vision *w = &m->vision;
    struct block_cfg b = blocks_used(c);
    struct mat dlast = ends_in_norm(c) ? mat_rows(g->dn, 0, dx.rows) : dx;     /* free until the blocks' backward */
    zero_mat(o, dx);
    if (ends_in_norm(c)) zero_mat(o, dlast);
    o->scatter_add(o, dlast, flat, p->shuffle);
    if (ends_in_norm(c)) o->norm_bwd(o, c->final_kind, dx, grad(w->norm), grad(w->norm_b), dlast, p->act.x[b.layers], vec(w->norm), p->stat);
    tower_backward(o, &b, w->block, &p->act, &at, g, dx, m->recompute);
    if (c->pre_norm) {
        zero_mat(o, p->dfirst);
        o->norm_bwd(o, NORM_LAYER, p->dfirst, grad(w->pre_norm), grad(w->pre_norm_b), dx, p->first, vec(w->pre_norm), p->pre_stat);
        dx = p->dfirst;
    }
    add_tables(m, p, v, &(struct chunk){ .ntile = p->ntile }, dx, true);
    o->gather(o, p->demb, dx, p->rows);
    linear_param_back(o, (struct mat){0}, p->demb, p->patches, m->vision.patch, m->vision.patch_b);
}
