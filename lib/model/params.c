/* SPDX-License-Identifier: Apache-2.0
 * The parameter table, built from the configuration and the family's names. Its order is the order in memory and in the
 * files we write, so that what one product uses together lies together.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "model/family.h"
#include "model/model_priv.h"

static const char *const part_names[PARTS] = { "vision", "projector", "decoder", "embed", "head" };

const char *part_name(enum part p) { return part_names[p]; }

int part_find(const char *name)
{
    for (int i = 0; i < PARTS; i++)
        if (!strcmp(name, part_names[i])) return i;
    return -1;
}

struct param *param_find(struct params *ps, const char *name)
{
    for (int i = 0; i < ps->n; i++)
        if (!strcmp(ps->v[i].name, name)) return &ps->v[i];
    return NULL;
}

void param_zero_grads(struct params *ps, struct ops *o)
{
    for (int i = 0; i < ps->n; i++)
        if (ps->v[i].grad && !ps->v[i].frozen) o->zero(o, ps->v[i].grad, ps->v[i].n * sizeof(float));
}

double param_grad_norm(struct params *ps, struct ops *o)
{
    struct floats *v = mem_array((size_t)ps->n + 1, sizeof *v);
    int n = 0;
    for (int i = 0; i < ps->n; i++)
        if (ps->v[i].grad && !ps->v[i].frozen) v[n++] = (struct floats){ ps->v[i].grad, ps->v[i].n };
    double norm = sqrt(o->sumsq(o, v, n));
    free(v);
    return norm;
}

/* ---- building ---- */
struct builder { struct model *m; enum part part; const char *prefix, *layer; int i; bool idle; float range; int cap; };

static struct param *add(struct builder *b, char *name, int ndim, const int *dims, bool vector, enum init init, float value)
{
    struct model *m = b->m;
    assert(m->ps.n < b->cap);
    struct param *p = &m->ps.v[m->ps.n];
    *p = (struct param){ .name = name, .ndim = ndim, .vector = vector, .decay = !vector, .part = b->part,
                         .frozen = b->idle || m->flags & MODEL_FREEZE << b->part, .idle = b->idle };
    m->info[m->ps.n++] = (struct param_info){ .init = init, .value = value };
    size_t n = 1;
    for (int i = 0; i < ndim; i++) {
        p->dims[i] = dims[i];
        n *= (size_t)dims[i];
    }
    p->rows = vector ? 1 : dims[0];
    p->cols = (int)(n / (size_t)p->rows);
    p->n = n;
    return p;
}

static char *full_name(const struct builder *b, const char *name, const char *suffix)
{
    char *layer = b->layer ? mem_fmt(b->layer, b->i) : mem_str("");
    char *s = mem_fmt("%s%s%s%s", b->prefix, layer, name, suffix);
    free(layer);
    return s;
}

static struct param *matrix(struct builder *b, const char *name, int rows, int cols)
{
    return add(b, full_name(b, name, ".weight"), 2, (int[]){ rows, cols }, false, INIT_NORMAL, b->range);
}

static struct param *vector(struct builder *b, const char *name, const char *suffix, int n, enum init init, float value)
{
    return add(b, full_name(b, name, suffix), 1, &n, true, init, value);
}

static struct param *bias(struct builder *b, bool has, const char *name, int n)
{
    return has ? vector(b, name, ".bias", n, INIT_ZERO, 0) : NULL;
}

static void norm(struct builder *b, enum norm kind, const char *name, int n, struct param **w, struct param **wb)
{
    *w = vector(b, name, ".weight", n, INIT_ONE, 1);
    *wb = bias(b, kind == NORM_LAYER, name, n);
}

static void joined(struct builder *b) { b->m->info[b->m->ps.n - 1].joined = true; }

static void build_qkv(struct builder *b, const struct block_cfg *c, const struct block_names *n, struct block *w)
{
    int q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim, first = c->qkv == QKV_APART ? q : q + 2 * kv;
    w->qkv = matrix(b, n->q, first, c->hidden);
    if (c->qkv == QKV_APART) {
        matrix(b, n->k, kv, c->hidden), joined(b);
        matrix(b, n->v, kv, c->hidden), joined(b);
    }
    w->qkv_b = bias(b, c->qkv_bias, n->q, first);
    if (c->qkv == QKV_APART && c->qkv_bias) {
        bias(b, true, n->k, kv), joined(b);
        bias(b, true, n->v, kv), joined(b);
    }
}

static void build_attention(struct builder *b, const struct block_cfg *c, const struct block_names *n, struct block *w)
{
    int q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    build_qkv(b, c, n, w);
    if (c->qk_norm) {
        w->q_norm = vector(b, n->q_norm, ".weight", q, INIT_ONE, 1);
        w->k_norm = vector(b, n->k_norm, ".weight", kv, INIT_ONE, 1);
    }
    w->o = matrix(b, n->o, c->hidden, q);
    w->o_b = bias(b, c->o_bias, n->o, c->hidden);
}

static void build_mlp(struct builder *b, const struct block_cfg *c, const struct block_names *n, struct block *w)
{
    w->up = matrix(b, c->gated ? n->gate : n->up, c->mlp, c->hidden);
    if (c->gated) matrix(b, n->up, c->mlp, c->hidden), joined(b);
    w->up_b = bias(b, c->mlp_bias, c->gated ? n->gate : n->up, c->mlp);
    if (c->gated && c->mlp_bias) bias(b, true, n->up, c->mlp), joined(b);
    w->down = matrix(b, n->down, c->hidden, c->mlp);
    w->down_b = bias(b, c->mlp_bias, n->down, c->hidden);
}

static struct block *build_blocks(struct builder *b, const struct block_cfg *c, int depth, const struct block_names *n, float scale)
{
    struct block *block = mem_array((size_t)c->layers, sizeof *block);
    b->layer = n->layer;
    for (b->i = 0; b->i < c->layers; b->i++) {
        struct block *w = &block[b->i];
        b->idle = b->i >= depth;
        norm(b, c->norm, n->norm1, c->hidden, &w->norm1, &w->norm1_b);
        build_attention(b, c, n, w);
        if (c->layer_scale) w->scale1 = vector(b, n->scale1, "", c->hidden, INIT_CONST, scale);
        norm(b, c->norm, n->norm2, c->hidden, &w->norm2, &w->norm2_b);
        build_mlp(b, c, n, w);
        if (c->layer_scale) w->scale2 = vector(b, n->scale2, "", c->hidden, INIT_CONST, scale);
    }
    b->layer = NULL;
    b->idle = false;
    return block;
}

/* The last ndim of three dimensions. */
static struct param *table(struct builder *b, const char *name, int ndim, const int *dims)
{
    return add(b, full_name(b, name, ""), ndim, dims + 3 - ndim, true, INIT_ZERO, 0);
}

static void build_vision(struct builder *b, const struct vision_cfg *c, const struct vision_names *n, struct vision *w)
{
    int hidden = c->blocks.hidden, side = c->image / c->patch;
    int flat[] = { hidden, 3, c->patch, c->patch }, deep[] = { hidden, 3, c->frames, c->patch, c->patch };
    b->prefix = "";
    b->part = PART_VISION;
    b->range = c->init_range;
    w->patch = add(b, full_name(b, n->patch, ".weight"), c->frames ? 5 : 4, c->frames ? deep : flat, false, INIT_NORMAL, b->range);
    w->patch_b = bias(b, c->patch_bias, n->patch, hidden);
    if (c->cls) w->cls = table(b, n->cls, c->flat ? 1 : 3, (int[]){ 1, 1, hidden });
    if (c->pos_table) w->pos = table(b, n->pos, c->flat ? 2 : 3, (int[]){ 1, c->cls + side * side, hidden });
    if (c->pre_norm) norm(b, NORM_LAYER, n->pre_norm, hidden, &w->pre_norm, &w->pre_norm_b);
    w->block = build_blocks(b, &c->blocks, c->depth, &n->block, c->layer_scale_init);
    b->idle = c->final_idle;
    if (c->final_norm) norm(b, c->final_kind, n->norm, hidden, &w->norm, &w->norm_b);
    b->idle = false;
}

static void build_projector(struct builder *b, const struct model_cfg *c, const struct vision_names *n, struct projector *w)
{
    int patch = c->vision.blocks.hidden, in = c->shuffle * c->shuffle * patch, out = c->text.blocks.hidden;
    b->part = PART_PROJECTOR;
    b->range = c->text.init_range;
    const struct proj_cfg *p = &c->proj;
    int hidden = p->layers > 1 ? p->hidden : out;
    if (p->norm) norm(b, p->kind, n->proj_norm, p->norm_patch ? patch : in, &w->norm, &w->norm_b);
    w->fc1 = matrix(b, n->proj_1, hidden, in);
    w->fc1_b = bias(b, p->bias, n->proj_1, hidden);
    if (p->layers > 1) {
        w->fc2 = matrix(b, n->proj_2, out, hidden);
        w->fc2_b = bias(b, p->bias, n->proj_2, out);
    }
    if (c->newline) w->newline = vector(b, n->newline, "", out, INIT_ZERO, 0);
}

static void build_decoder(struct builder *b, const struct model_cfg *cfg, struct decoder *w)
{
    const struct text_cfg *c = &cfg->text;
    const struct text_names *n = family_text_names(cfg);
    struct param *none;
    b->prefix = family_of(cfg)->text_prefix;
    b->range = c->init_range;
    b->part = PART_EMBED;
    w->embed = matrix(b, n->embed, c->vocab, c->blocks.hidden);
    b->part = PART_DECODER;
    w->block = build_blocks(b, &c->blocks, c->blocks.layers, &n->block, 0);
    norm(b, c->blocks.norm, n->norm, c->blocks.hidden, &w->norm, &none);
    b->part = PART_HEAD;
    w->head = c->tied ? w->embed : matrix(b, n->head, c->vocab, c->blocks.hidden);
}

void params_build(struct model *m)
{
    enum { PER_BLOCK = 20, OUTSIDE = 20 };
    const struct model_cfg *c = &m->cfg;
    const struct vision_names *n = family_of(c)->vision;
    int layers = c->text.blocks.layers + (c->has_vision ? c->vision.blocks.layers : 0);
    struct builder b = { .m = m, .cap = layers * PER_BLOCK + OUTSIDE };
    m->ps.v = mem_array((size_t)b.cap, sizeof *m->ps.v);
    m->info = mem_array((size_t)b.cap, sizeof *m->info);
    if (c->has_vision) {
        build_vision(&b, &c->vision, n, &m->vision);
        build_projector(&b, c, n, &m->proj);
    }
    build_decoder(&b, c, &m->dec);
}
