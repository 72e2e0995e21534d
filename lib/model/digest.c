/* SPDX-License-Identifier: Apache-2.0
 * A model's identity: XXH3 over what its configuration means and over every tensor's name, shape and values as f32, so that
 * it does not depend on the dtype or the order of the file the weights came from.
 */
#include <string.h>
#include "model/model_priv.h"

enum { CHUNK = 16384 };

static void describe_blocks(const struct block_cfg *b, struct buf *s)
{
    const struct rope_cfg *r = &b->rope;
    buf_fmt(s, "%d %d %d %d %d %d|%d %.9g|%d%d%d%d%d%d%d|%.9g %d|", b->layers, b->hidden, b->heads, b->kv_heads, b->head_dim, b->mlp,
            b->norm, (double)b->eps, b->qkv_bias, b->o_bias, b->mlp_bias, b->qk_norm, b->layer_scale, b->gated, b->causal,
            (double)b->qk_eps, b->act);
    if (b->qkv) buf_fmt(s, "%d|", b->qkv);
    buf_fmt(s, "%d %.17g %.17g %.17g %.17g %d\n", r->kind, r->theta, r->factor, r->low, r->high, r->original);
    if (r->axes) buf_fmt(s, "%d %d %d %d %d\n", r->axes, r->section[0], r->section[1], r->section[2], r->axial);
    for (int l = 0; l < b->layers; l++)
        if (block_is_local(b, l)) buf_fmt(s, "local %d\n", l);
}

static void describe(const struct model_cfg *c, struct buf *s)
{
    buf_fmt(s, "%s %d %d %d\n", c->family, c->text.vocab, c->text.max_pos, c->text.tied);
    describe_blocks(&c->text.blocks, s);
    if (!c->has_vision) return;
    buf_fmt(s, "%d %d %d %d %d|%d %.9g %d %d\n", c->vision.image, c->vision.patch, c->vision.pos_table, c->vision.final_norm,
            c->vision.final_kind, c->proj.act, (double)c->proj.eps, c->shuffle, c->image_token_id);
    if (c->vision.window) buf_fmt(s, "window %d\n", c->vision.window);
    describe_blocks(&c->vision.blocks, s);
    if (c->vision.depth < c->vision.blocks.layers) buf_fmt(s, "depth %d\n", c->vision.depth);
}

static void add_values(struct hash *h, const struct model *m, int i)
{
    const struct param *p = &m->ps.v[i];
    const struct param_info *in = &m->info[i];
    float x[CHUNK];
    if (source_as_is(in, DT_F32)) {
        hash_add(h, in->src->p, in->src->bytes);
        return;
    }
    for (size_t b = 0; b < p->n; b += CHUNK) {
        size_t k = mem_min(p->n - b, (size_t)CHUNK);
        if (in->src) source_get_f32(in, b, k, x);
        else param_get(m, p, b, k, x);
        hash_add(h, x, k * sizeof *x);
    }
}

void model_digest_now(struct model *m)
{
    struct buf s = {0};
    struct hash *h = hash_new();
    describe(&m->cfg, &s);
    hash_add(h, s.p, s.len);
    for (int i = 0; i < m->ps.n; i++) {
        const struct param *p = &m->ps.v[i];
        hash_add(h, p->name, strlen(p->name) + 1);
        hash_add(h, p->dims, (size_t)p->ndim * sizeof *p->dims);
        add_values(h, m, i);
    }
    hash_end(h, m->digest);
    buf_free(&s);
}
