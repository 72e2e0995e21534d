/* SPDX-License-Identifier: Apache-2.0
 * Making, loading and saving models.
 */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/family.h"
#include "model/model_priv.h"

enum { CHUNK = 16384 };

/* ---- the file's tensors under our names ---- */
struct named { char *name; const struct st_tensor *t; int interleaved; bool used; };
struct index { struct named *v; int n; };

static int by_name(const void *a, const void *b) { return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name); }

static char *our_name(const struct rename *r, const char *name)
{
    for (; r->from; r++)
        if (!strncmp(name, r->from, strlen(r->from))) return mem_fmt("%s%s", r->to, name + strlen(r->from));
    return mem_str(name);
}

static void index_safetensors(struct index *ix, const struct safetensors *st, const struct rename *r)
{
    ix->v = mem_array((size_t)st->n + 1, sizeof *ix->v);
    for (ix->n = 0; ix->n < st->n; ix->n++)
        ix->v[ix->n] = (struct named){ .name = our_name(r, st->v[ix->n].name), .t = &st->v[ix->n] };
}

static void index_gguf(struct index *ix, const struct gguf *g, const struct model_cfg *c)
{
    ix->v = mem_array((size_t)g->n + 1, sizeof *ix->v);
    for (ix->n = 0; ix->n < g->n; ix->n++) {
        const struct st_tensor *t = &g->v[ix->n];
        ix->v[ix->n] = (struct named){ .name = gguf_our_name(t->name), .t = t, .interleaved = gguf_interleaved(c, t->name) };
    }
}

static int index_sort(struct index *ix)
{
    qsort(ix->v, (size_t)ix->n, sizeof *ix->v, by_name);
    for (int i = 1; i < ix->n; i++)
        if (!strcmp(ix->v[i].name, ix->v[i - 1].name)) return fail("tensor %s comes twice, as %s too", ix->v[i].t->name, ix->v[i - 1].t->name);
    return 0;
}

static struct named *index_find(const struct index *ix, const char *name)
{
    struct named key = { .name = (char *)(uintptr_t)name };
    return bsearch(&key, ix->v, (size_t)ix->n, sizeof *ix->v, by_name);
}

static void index_free(struct index *ix)
{
    for (int i = 0; i < ix->n; i++) free(ix->v[i].name);
    free(ix->v);
}

/* As transformers: a config may say "tied" of a file whose head is there and differs from the embedding; the file is right. */
static void settle_tie(struct model *m, struct index *ix)
{
    const struct text_names *n = family_text_names(&m->cfg);
    char *embed = family_text_name(&m->cfg, n->embed), *head = family_text_name(&m->cfg, n->head);
    const struct named *e = index_find(ix, embed);
    struct named *h = index_find(ix, head);
    if (m->cfg.text.tied && h && e) {
        bool same = h->t->t == e->t->t && h->t->bytes == e->t->bytes && !memcmp(h->t->p, e->t->p, e->t->bytes);
        if (same) h->used = true;
        else m->cfg.text.tied = false;
    }
    free(embed);
    free(head);
}

static void shape_text(int ndim, const int64_t *dims, char *out, size_t size)
{
    size_t n = 0;
    out[0] = 0;
    for (int i = 0; i < ndim && n < size; i++) n += (size_t)snprintf(out + n, size - n, i ? ",%lld" : "%lld", (long long)dims[i]);
}

static int check_tensor(const struct param *p, const struct st_tensor *t)
{
    int64_t want[PARAM_DIMS];
    bool same = t->ndim == p->ndim;
    for (int i = 0; i < p->ndim; i++) {
        want[i] = p->dims[i];
        same = same && t->dims[i] == want[i];
    }
    char a[128], b[128];
    shape_text(t->ndim, t->dims, a, sizeof a);
    shape_text(p->ndim, want, b, sizeof b);
    if (!same) return fail("tensor %s is [%s], want [%s]", t->name, a, b);
    if (!st_is_weight(t->t)) return fail("tensor %s is %s, want F32, BF16 or F16", t->name, st_dtype_name(t->t));
    return 0;
}

/* Buffers that old versions saved and every version computes; and what the configuration of a GGUF file has been read from. */
static bool is_buffer(const char *name)
{
    const char *end = strrchr(name, '.');
    return (end && (!strcmp(end, ".inv_freq") || !strcmp(end, ".position_ids"))) || !strcmp(name, "rope_freqs.weight");
}

static int match(struct model *m, struct index *ix)
{
    for (int i = 0; i < m->ps.n; i++) {
        struct named *e = index_find(ix, m->ps.v[i].name);
        if (!e) return fail("tensor %s is missing", m->ps.v[i].name);
        if (check_tensor(&m->ps.v[i], e->t)) return -1;
        m->info[i].src = e->t;
        m->info[i].interleaved = e->interleaved;
        e->used = true;
    }
    for (int i = 0; i < ix->n; i++)
        if (!ix->v[i].used && !is_buffer(ix->v[i].name)) return fail("tensor %s is not part of this model", ix->v[i].t->name);
    return 0;
}

static int open_weights(struct model *m, const char *dir)
{
    struct index ix = {0};
    if (gguf_is(dir)) {
        if (gguf_open(dir, &m->gguf)) return -1;
        index_gguf(&ix, &m->gguf, &m->cfg);
    } else {
        if (st_open_dir(dir, &m->file[0])) return -1;
        index_safetensors(&ix, &m->file[0], family_of(&m->cfg)->renames);
    }
    int bad = index_sort(&ix);
    if (!bad) {
        settle_tie(m, &ix);
        params_build(m);
        bad = match(m, &ix);
    }
    index_free(&ix);
    return bad ? fail_in("%s", dir) : 0;
}

static void alloc_acts(struct tower_act *a, int layers)
{
    a->x = mem_array((size_t)layers + 1, sizeof *a->x);
    a->act = mem_array((size_t)layers, sizeof *a->act);
}

static struct model *new_model(struct ops *o, enum dtype t, int flags)
{
    struct model *m = mem_alloc(sizeof *m);
    m->o = o;
    m->t = t;
    m->flags = flags;
    m->host.block = 1 << 20;                   /* the index arrays of a usual batch: no allocation inside a step */
    return m;
}

static void close_files(struct model *m)
{
    for (int i = 0; i < MODEL_FILES; i++) st_close(&m->file[i]);
    gguf_close(&m->gguf);
}

/* The weights are in memory; the files are needed on only for those that stay in them. */
static void settle_files(struct model *m)
{
    bool stays = false;
    for (int i = 0; i < m->ps.n; i++) {
        const struct st_tensor *t = m->info[i].src;
        if (t && m->ps.v[i].w.p == t->p) stays = true;
        m->info[i].src = NULL;
    }
    if (!stays) close_files(m);
}

/* A model whose parameters are known, and where they come from; frees m on failure. */
static struct model *complete(struct model *m, uint64_t seed)
{
    if (weights_place(m) || weights_fill(m, seed)) {
        model_free(m);
        return NULL;
    }
    alloc_acts(&m->pass.act, m->cfg.text.blocks.layers);
    if (m->cfg.has_vision) alloc_acts(&m->pass.vision.act, m->cfg.vision.blocks.layers);
    model_digest_now(m);
    settle_files(m);
    return m;
}

struct model *model_load(const char *dir, struct ops *o, enum dtype t, int flags)
{
    struct model *m = new_model(o, t, flags);
    if (!cfg_load(dir, &m->cfg) && !open_weights(m, dir)) return complete(m, 0);
    model_free(m);
    return NULL;
}

struct model *model_new(const struct model_cfg *c, uint64_t seed, struct ops *o, enum dtype t, int flags)
{
    struct model *m = new_model(o, t, flags);
    cfg_copy(&m->cfg, c);
    params_build(m);
    return complete(m, seed);
}

/* What stands before a decoder's and a tower's own names in the layouts there are. */
static const char *const before_decoder[] = { "", "model.", "language_model.", "language_model.model.", "model.language_model.", "model.text_model.", NULL };
static const char *const before_tower[] = { "", "vision_model.", "vision_tower.", "vision_tower.vision_model.", "model.vision_tower.", "model.vision_model.", NULL };
static const char *const before_others[] = { "", NULL };

/* The tensor of that name, or of an end of it (at least two components) behind one of those beginnings. */
static const struct st_tensor *find_part(const struct safetensors *st, const char *name, const char *const *before)
{
    for (const char *end = name; end && strchr(end, '.'); end = strchr(end, '.') + 1)
        for (int i = 0; before[i]; i++) {
            char *full = mem_fmt("%s%s", before[i], end);
            const struct st_tensor *t = st_find(st, full);
            free(full);
            if (t) return t;
        }
    return NULL;
}

/* A decoder that is tied has no head of its own. */
static int find_source(struct model *m, int i, const struct safetensors *st, const char *dir)
{
    const struct param *p = &m->ps.v[i];
    const char *const *before = p->part == PART_VISION ? before_tower : p->part == PART_PROJECTOR ? before_others : before_decoder;
    const struct st_tensor *t = find_part(st, p->name, before);
    if (!t && p->part == PART_HEAD) t = find_part(st, m->dec.embed->name, before);
    if (!t) return fail("%s: tensor %s is missing", dir, p->name);
    m->info[i].src = t;
    return check_tensor(p, t) ? fail_in("%s", dir) : 0;
}

struct model *model_join(const struct model_cfg *c, const struct model_sources *from, uint64_t seed, struct ops *o, enum dtype t)
{
    const char *const dir[MODEL_FILES] = { from->tower, from->projector, from->decoder };
    struct model *m = new_model(o, t, 0);
    int bad = 0;
    cfg_copy(&m->cfg, c);
    params_build(m);
    for (int k = 0; k < MODEL_FILES && !bad; k++) bad = dir[k] && st_open_dir(dir[k], &m->file[k]);
    for (int i = 0; i < m->ps.n && !bad; i++) {
        int k = m->ps.v[i].part == PART_VISION ? 0 : m->ps.v[i].part == PART_PROJECTOR ? 1 : 2;
        bad = dir[k] && find_source(m, i, &m->file[k], dir[k]);
    }
    if (!bad) return complete(m, seed);
    model_free(m);
    return NULL;
}

static void free_acts(struct tower_act *a)
{
    free(a->x);
    free(a->act);
}

void model_free(struct model *m)
{
    if (!m) return;
    for (int i = 0; i < m->nmem; i++) m->o->release(m->o, m->mem[i]);
    if (m->space.base) m->o->release(m->o, m->space.base);
    if (m->rope.cs) m->o->release(m->o, m->rope.cs);
    if (m->vision_rope.cs) m->o->release(m->o, m->vision_rope.cs);
    if (m->logits) m->o->release(m->o, m->logits);
    for (int i = 0; i < m->ps.n; i++) free(m->ps.v[i].name);
    free_acts(&m->pass.act);
    free_acts(&m->pass.vision.act);
    free(m->mem);
    free(m->ps.v);
    free(m->info);
    free(m->vision.block);
    free(m->dec.block);
    arena_free(&m->host);
    close_files(m);
    cfg_free(&m->cfg);
    free(m);
}

static int write_tensor(const struct model *m, const struct param *p, enum dtype t, struct st_writer *w)
{
    float x[CHUNK];
    uint16_t half[CHUNK];
    for (size_t i = 0; i < p->n; i += CHUNK) {
        size_t k = mem_min(p->n - i, (size_t)CHUNK);
        param_get(m, p, i, k, x);
        if (m->o->sync(m->o)) return -1;
        for (size_t j = 0; j < k && t == DT_BF16; j++) half[j] = bf16_of_f32(x[j]);
        if (t == DT_F32 ? st_write(w, x, k * 4) : st_write(w, half, k * 2)) return -1;
    }
    return 0;
}

static int write_weights(const struct model *m, const char *path, enum dtype t)
{
    struct st_tensor *v = mem_array((size_t)m->ps.n, sizeof *v);
    for (int i = 0; i < m->ps.n; i++) {
        const struct param *p = &m->ps.v[i];
        v[i] = (struct st_tensor){ .name = p->name, .t = t == DT_F32 ? ST_F32 : ST_BF16, .ndim = p->ndim };
        for (int d = 0; d < p->ndim; d++) v[i].dims[d] = p->dims[d];
    }
    struct st_writer *w = st_create(path, v, m->ps.n);
    free(v);
    if (!w) return -1;
    for (int i = 0; i < m->ps.n; i++)
        if (write_tensor(m, &m->ps.v[i], t, w)) {
            st_abandon(w);
            return -1;
        }
    return st_finish(w);
}

int model_save(const struct model *m, const char *dir, enum dtype save)
{
    char *path = file_join(dir, "model.safetensors");
    int bad = write_weights(m, path, save) || cfg_save(&m->cfg, dir, save);
    free(path);
    return bad ? -1 : 0;
}

const struct model_cfg *model_config(const struct model *m) { return &m->cfg; }
struct params *model_params(struct model *m) { return &m->ps; }
struct ops *model_ops(struct model *m) { return m->o; }
const char *model_digest(const struct model *m) { return m->digest; }
void model_recompute(struct model *m, bool on) { m->recompute = on; }

struct mat model_head(struct model *m, float **g)
{
    if (g) *g = grad(m->dec.head);
    return m->dec.head->w;
}
