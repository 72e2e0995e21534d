/* SPDX-License-Identifier: Apache-2.0
 * The vision tower (a ViT with a class token) up to pixel shuffle, and the projector.
 */
#include "model/model_priv.h"

enum { ENCODE_ROWS = 4096 };                   /* of the tower at a time, where no activations are kept */

static int side_of(const struct vision_cfg *c) { return c->image / c->patch; }
static int patches_of(const struct vision_cfg *c) { return side_of(c) * side_of(c); }

void vision_plan(struct model *m, struct space *s, int ntile, bool keep, struct vision_pass *p)
{
    const struct vision_cfg *c = &m->cfg.vision;
    int P = patches_of(c), C = c->blocks.hidden, fit = mem_max(1, ENCODE_ROWS / (P + 1));
    p->keep = keep;
    p->chunk = keep ? ntile : mem_min(ntile, fit);
    p->px = space_f32(s, (size_t)p->chunk * 3 * (size_t)c->image * (size_t)c->image);
    p->patches = space_mat(s, m->t, p->chunk * P, 3 * c->patch * c->patch);
    p->emb = space_mat(s, m->t, p->chunk * P, C);
    tower_plan(s, &c->blocks, m->t, p->chunk * (P + 1), keep, m->recompute, &p->act);
    p->last = p->act.x[c->blocks.layers];
    p->stat = NULL;
    if (!c->final_norm) return;
    p->last = space_mat(s, m->t, p->chunk * (P + 1), C);
    if (keep) p->stat = space_f32(s, 2 * (size_t)p->last.rows);
}

void vision_plan_back(struct model *m, struct space *s, int ntile, struct vision_pass *p)
{
    const struct vision_cfg *c = &m->cfg.vision;
    p->demb = space_mat(s, m->t, ntile * patches_of(c), c->blocks.hidden);
}

/* Host indices for a chunk of tiles: where sequences start; the tower's row of each patch; and the tower's row of each
 * row behind the shuffle: token (i, j) of a tile takes the patches (r i + di, r j + dj), di outer, side by side. */
void vision_index(struct model *m, struct vision_pass *p)
{
    const struct vision_cfg *c = &m->cfg.vision;
    int g = side_of(c), P = g * g, r = m->cfg.shuffle, n = p->chunk * P;
    p->start = arena_alloc(&m->host, ((size_t)p->chunk + 1) * sizeof(int));
    p->rows = arena_alloc(&m->host, (size_t)n * sizeof(int));
    p->shuffle = arena_alloc(&m->host, (size_t)n * sizeof(int));
    for (int t = 0; t <= p->chunk; t++) p->start[t] = t * (P + 1);
    for (int i = 0; i < n; i++) p->rows[i] = i / P * (P + 1) + 1 + i % P;
    for (int i = 0; i < n; i++) {
        int k = i % P, part = k % (r * r), token = k / (r * r), w = g / r;
        int y = token / w * r + part / r, x = token % w * r + part % r;
        p->shuffle[i] = i / P * (P + 1) + 1 + y * g + x;
    }
}

static struct attend attend_tiles(const struct vision_pass *p, int n) { return (struct attend){ .nseq = n, .start = p->start }; }

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

static void embed_patches(struct model *m, struct vision_pass *p, int n, const float *pixels, struct mat x)
{
    const struct vision_cfg *c = &m->cfg.vision;
    struct ops *o = m->o;
    struct mat patches = mat_rows(p->patches, 0, n * patches_of(c)), emb = mat_rows(p->emb, 0, patches.rows);
    o->upload(o, p->px, pixels, (size_t)n * 3 * (size_t)c->image * (size_t)c->image * sizeof *pixels);
    o->patchify(o, patches, p->px, c->image, c->image, c->patch, c->patch);
    linear_param(o, emb, patches, m->vision.patch, m->vision.patch_b);
    zero_mat(o, x);
    o->scatter(o, x, emb, p->rows);
    o->add_rows(o, class_rows(x, n), vec(m->vision.cls), 1);
    if (c->pos_table) o->add_rows(o, x, vec(m->vision.pos), patches_of(c) + 1);
}

/* A last, smaller chunk works on the first rows of everything; the activations of a block are cut to size with it. */
static void cut_act(struct block_act *a, int rows)
{
    struct mat *all[] = { &a->n1, &a->qkv, &a->qk, &a->o, &a->a, &a->x1, &a->n2, &a->up, &a->h, &a->m, &a->grouped };
    for (int i = 0; i < countof(all); i++)
        if (all[i]->p) all[i]->rows = rows;
}

static void forward_chunk(struct model *m, struct vision_pass *p, int n, const float *pixels, struct mat out)
{
    const struct vision_cfg *c = &m->cfg.vision;
    int rows = n * (patches_of(c) + 1), layers = c->blocks.layers;
    struct tower_act a = first_rows(&p->act, layers, rows, arena_alloc(&m->host, ((size_t)layers + 1) * sizeof(struct mat)));
    struct attend at = attend_tiles(p, n);
    for (int l = 0; l < layers; l++) cut_act(&p->act.act[l], rows);
    embed_patches(m, p, n, pixels, a.x[0]);
    tower_forward(m->o, &c->blocks, m->vision.block, &a, &at);
    struct mat last = c->final_norm ? mat_rows(p->last, 0, rows) : a.x[layers];
    if (c->final_norm) m->o->norm(m->o, c->final_kind, last, a.x[layers], vec(m->vision.norm), vec(m->vision.norm_b), c->blocks.eps, p->stat);
    struct mat flat = mat_of(out.p, out.t, n * patches_of(c), c->blocks.hidden);
    m->o->gather(m->o, flat, last, p->shuffle);
}

void vision_forward(struct model *m, struct vision_pass *p, int ntile, const float *pixels, struct mat out)
{
    const struct vision_cfg *c = &m->cfg.vision;
    int tokens = cfg_tokens_per_tile(&m->cfg);
    size_t px = 3 * (size_t)c->image * (size_t)c->image;
    for (int t = 0; t < ntile; t += p->chunk) {
        int n = mem_min(p->chunk, ntile - t);
        forward_chunk(m, p, n, pixels + (size_t)t * px, mat_rows(out, t * tokens, n * tokens));
    }
}

void vision_backward(struct model *m, struct vision_pass *p, const struct block_grad *g, int ntile, struct mat dx, struct mat dout)
{
    const struct vision_cfg *c = &m->cfg.vision;
    struct ops *o = m->o;
    struct attend at = attend_tiles(p, ntile);
    struct mat flat = mat_of(dout.p, dout.t, ntile * patches_of(c), c->blocks.hidden);
    struct mat dlast = c->final_norm ? mat_rows(g->dn, 0, dx.rows) : dx;       /* free until the blocks' backward */
    zero_mat(o, dx);
    if (c->final_norm) zero_mat(o, dlast);
    o->scatter_add(o, dlast, flat, p->shuffle);
    if (c->final_norm) o->norm_bwd(o, c->final_kind, dx, grad(m->vision.norm), grad(m->vision.norm_b), dlast,
                                   p->act.x[c->blocks.layers], vec(m->vision.norm), p->stat);
    tower_backward(o, &c->blocks, m->vision.block, &p->act, &at, g, dx, m->recompute);
    if (grad(m->vision.pos)) o->add_rows_bwd(o, grad(m->vision.pos), dx, patches_of(c) + 1);
    if (grad(m->vision.cls)) o->add_rows_bwd(o, grad(m->vision.cls), class_rows(dx, ntile), 1);
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
