/* SPDX-License-Identifier: Apache-2.0
 * A model's identity: XXH3 over what its configuration means and over every tensor's name, shape and values, so that it does
 * not depend on the dtype or the order of the file they came from. Values are hashed in pieces, by all threads: as bf16
 * where all of a piece are that exactly (so that a file in bf16 is hashed as it lies), else as f32.
 */
#include <stdlib.h>
#include <string.h>
#include "base/par.h"
#include "model/model_priv.h"

enum { CHUNK = 16384, AS_F32 = 0, AS_BF16 = 1 };         /* seeds */

static void describe_blocks(const struct block_cfg *b, struct buf *s)
{
    const struct rope_cfg *r = &b->rope;
    buf_fmt(s, "%d %d %d %d %d %d|%d %.9g|%d%d%d%d%d%d%d|%.9g %d|", b->layers, b->hidden, b->heads, b->kv_heads, b->head_dim, b->mlp,
            b->norm, (double)b->eps, b->qkv_bias, b->o_bias, b->mlp_bias, b->qk_norm, b->layer_scale, b->gated, b->causal,
            (double)b->qk_eps, b->act);
    if (b->qkv) buf_fmt(s, "%d|", b->qkv);
    buf_fmt(s, "%d %.17g %.17g %.17g %.17g %d\n", r->kind, r->theta, r->factor, r->low, r->high, r->original);
    if (r->kind == ROPE_YARN) buf_fmt(s, "yarn %.17g %d\n", r->scale, r->whole);
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

/* ---- values, in pieces ---- */
struct piece { int param; size_t begin, n; };
struct pieces { struct model *m; struct piece *v; uint64_t *hash; int n; };

static void cut(struct pieces *p)
{
    const struct params *ps = &p->m->ps;
    size_t n = 0;
    for (int i = 0; i < ps->n; i++) n += (ps->v[i].n + CHUNK - 1) / CHUNK;
    p->v = mem_array(n, sizeof *p->v);
    p->hash = mem_array(n, sizeof *p->hash);
    for (int i = 0; i < ps->n; i++)
        for (size_t b = 0; b < ps->v[i].n; b += CHUNK) p->v[p->n++] = (struct piece){ i, b, mem_min(ps->v[i].n - b, (size_t)CHUNK) };
}

static uint64_t hash_f32(const float *x, size_t n)
{
    uint16_t half[CHUNK];
    uint32_t lost = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &x[i], sizeof u);
        half[i] = (uint16_t)(u >> 16);
        lost |= u & 0xffff;
    }
    return lost ? hash64(x, n * sizeof *x, AS_F32) : hash64(half, n * sizeof *half, AS_BF16);
}

/* Of the file's tensor while there is one; what is in memory is the caller's thread's to fetch. */
static void hash_source(void *arg, int i, int worker)
{
    struct pieces *p = arg;
    const struct piece *q = &p->v[i];
    const struct param_info *in = &p->m->info[q->param];
    float x[CHUNK];
    (void)worker;
    if (!in->src) return;
    if (source_as_is(in, DT_BF16)) {
        p->hash[i] = hash64(in->src->p + 2 * q->begin, 2 * q->n, AS_BF16);
        return;
    }
    source_get_f32(in, q->begin, q->n, x);
    p->hash[i] = hash_f32(x, q->n);
}

static void hash_memory(struct pieces *p)
{
    float x[CHUNK];
    for (int i = 0; i < p->n; i++) {
        const struct piece *q = &p->v[i];
        if (p->m->info[q->param].src) continue;
        param_get(p->m, &p->m->ps.v[q->param], q->begin, q->n, x);
        p->hash[i] = hash_f32(x, q->n);
    }
}

void model_digest_now(struct model *m)
{
    struct buf s = {0};
    struct pieces p = { .m = m };
    memset(m->digest, '0', HASH_HEX - 1);
    if (m->o->measuring) return;               /* there are no values */
    struct par *pool = par_new(m->o->threads);
    struct hash *h = hash_new();
    describe(&m->cfg, &s);
    hash_add(h, s.p, s.len);
    for (int i = 0; i < m->ps.n; i++) {
        hash_add(h, m->ps.v[i].name, strlen(m->ps.v[i].name) + 1);
        hash_add(h, m->ps.v[i].dims, (size_t)m->ps.v[i].ndim * sizeof *m->ps.v[i].dims);
    }
    cut(&p);
    par_for(pool, p.n, hash_source, &p);
    hash_memory(&p);
    hash_add(h, p.hash, (size_t)p.n * sizeof *p.hash);
    hash_end(h, m->digest);
    par_free(pool);
    free(p.v);
    free(p.hash);
    buf_free(&s);
}
