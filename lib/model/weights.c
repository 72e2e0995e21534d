/* SPDX-License-Identifier: Apache-2.0
 * Memory of the parameters: one allocation per group (weights, master weights, gradients, two moments), or no memory at
 * all for weights used straight from the mapped file.
 */
#include <string.h>
#include "base/rng.h"
#include "model/model_priv.h"

enum { CHUNK = 16384, ALIGN = 64 };

void *model_alloc(struct model *m, size_t bytes, const char *what)
{
    void *p = m->o->alloc(m->o, bytes, what);
    if (!p) return NULL;
    m->mem = mem_grow(m->mem, (size_t)m->nmem + 1, sizeof *m->mem);
    m->mem[m->nmem++] = p;
    return p;
}

static enum dtype weight_dtype(const struct model *m, const struct param *p) { return p->vector ? DT_F32 : m->t; }

bool source_as_is(const struct param_info *in, enum dtype t)
{
    return in->src && in->src->t == (t == DT_F32 ? ST_F32 : ST_BF16) && !in->interleaved;
}

void source_get_f32(const struct param_info *in, size_t begin, size_t n, float *x)
{
    const struct st_tensor *t = in->src;
    size_t D = (size_t)in->interleaved, cols = t->dims[0] ? t->n / (size_t)t->dims[0] : 1;
    if (!D) {
        st_get_f32(t, begin, n, x);
        return;
    }
    while (n) {
        size_t row = begin / cols, at = begin % cols, k = mem_min(cols - at, n), w = row % D;
        size_t theirs = row - w + 2 * (w % (D / 2)) + w / (D / 2);
        st_get_f32(t, theirs * cols + at, k, x);
        begin += k;
        x += k;
        n -= k;
    }
}

/* The parameters [i, return) lie behind one another. */
static int unit_end(const struct model *m, int i)
{
    for (i++; i < m->ps.n && m->info[i].joined; i++) { }
    return i;
}

bool param_trained(const struct model *m, const struct param *p) { return m->flags & MODEL_TRAIN && !p->frozen; }

/* Only a device that is the host can use the file's pages, and only what is never written. Biases are read as one array. */
static bool may_stay(const struct model *m, int i, int end)
{
    if (strcmp(m->o->name, "cpu")) return false;
    for (int k = i; k < end; k++) {
        if (param_trained(m, &m->ps.v[k])) return false;
        const struct st_tensor *t = m->info[k].src, *before = k > i ? m->info[k - 1].src : NULL;
        enum dtype d = weight_dtype(m, &m->ps.v[k]);
        if (!source_as_is(&m->info[k], d) || (uintptr_t)t->p % dtype_size(d)) return false;
        if (before && m->ps.v[k].vector && before->p + before->bytes != t->p) return false;
    }
    return true;
}

static size_t unit_bytes(const struct model *m, int i, int end)
{
    size_t n = 0;
    for (int k = i; k < end; k++) n += m->ps.v[k].n * dtype_size(weight_dtype(m, &m->ps.v[k]));
    return round_up(n, ALIGN);
}

static int place_weights(struct model *m)
{
    size_t total = 0;
    for (int i = 0, end; i < m->ps.n; i = end) {
        end = unit_end(m, i);
        if (!may_stay(m, i, end)) total += unit_bytes(m, i, end);
    }
    uint8_t *at = total ? model_alloc(m, total, "weights") : NULL;
    if (total && !at) return -1;
    for (int i = 0, end; i < m->ps.n; i = end) {
        end = unit_end(m, i);
        bool stays = may_stay(m, i, end);
        uint8_t *p = at;
        if (!stays) at += unit_bytes(m, i, end);
        for (int k = i; k < end; k++) {
            struct param *q = &m->ps.v[k];
            q->w = mat_of(stays ? (uint8_t *)(uintptr_t)m->info[k].src->p : p, weight_dtype(m, q), q->rows, q->cols);
            if (!stays) p += q->n * dtype_size(q->w.t);
        }
    }
    return 0;
}

/* Of f32 weights they are the weights themselves. A frozen one has no master, unless bf16 rounds it: what is saved is what was loaded. */
static bool has_master(const struct model *m, int i)
{
    const struct st_tensor *t = m->info[i].src;
    return m->ps.v[i].w.t == DT_BF16 && (param_trained(m, &m->ps.v[i]) || !t || t->t != ST_BF16);
}

static bool has_gradient(const struct model *m, int i) { return param_trained(m, &m->ps.v[i]); }

/* A group of f32 arrays beside the weights, laid out alike; field is the offset of its pointer in struct param. */
static int place_group(struct model *m, size_t field, bool (*has)(const struct model *, int), const char *what)
{
    size_t total = 0;
    for (int i = 0; i < m->ps.n; i++)
        if (has(m, i)) total = (m->info[i].joined ? total : round_up(total, ALIGN / 4)) + m->ps.v[i].n;
    float *base = total ? model_alloc(m, total * sizeof(float), what) : NULL;
    if (total && !base) return -1;
    size_t at = 0;
    for (int i = 0; i < m->ps.n; i++) {
        if (!has(m, i)) continue;
        if (!m->info[i].joined) at = round_up(at, ALIGN / 4);
        float *p = base + at;
        memcpy((char *)&m->ps.v[i] + field, &p, sizeof p);
        at += m->ps.v[i].n;
    }
    return 0;
}

int weights_place(struct model *m)
{
    if (place_weights(m)) return -1;
    if (!(m->flags & MODEL_TRAIN)) return 0;
    if (place_group(m, offsetof(struct param, master), has_master, "master weights")) return -1;
    for (int i = 0; i < m->ps.n; i++)
        if (m->ps.v[i].w.t == DT_F32 && param_trained(m, &m->ps.v[i])) m->ps.v[i].master = m->ps.v[i].w.p;
    return place_group(m, offsetof(struct param, grad), has_gradient, "gradients") ||
           place_group(m, offsetof(struct param, m), has_gradient, "first moments") ||
           place_group(m, offsetof(struct param, v), has_gradient, "second moments") ? -1 : 0;
}

void param_put(struct model *m, struct param *p, size_t begin, size_t n, const float *x)
{
    struct ops *o = m->o;
    if (p->master) o->upload(o, p->master + begin, x, n * sizeof *x);
    if (p->w.t == DT_F32) {
        if (p->w.p != p->master) o->upload(o, (float *)p->w.p + begin, x, n * sizeof *x);
        return;
    }
    uint16_t half[CHUNK];
    for (size_t i = 0; i < n; i += CHUNK) {
        size_t k = mem_min(n - i, (size_t)CHUNK);
        for (size_t j = 0; j < k; j++) half[j] = bf16_of_f32(x[i + j]);
        o->upload(o, (uint16_t *)p->w.p + begin + i, half, k * 2);
    }
}

void param_get(const struct model *m, const struct param *p, size_t begin, size_t n, float *x)
{
    struct ops *o = m->o;
    const float *from = p->master ? p->master : p->w.t == DT_F32 ? p->w.p : NULL;
    if (from) {
        o->download(o, x, from + begin, n * sizeof *x);
        return;
    }
    uint16_t half[CHUNK];
    for (size_t i = 0; i < n; i += CHUNK) {
        size_t k = mem_min(n - i, (size_t)CHUNK);
        o->download(o, half, (const uint16_t *)p->w.p + begin + i, k * 2);
        for (size_t j = 0; j < k; j++) x[i + j] = f32_of_bf16(half[j]);
    }
}

static void load_one(struct model *m, struct param *p, const struct param_info *in)
{
    const struct st_tensor *t = in->src;
    float x[CHUNK];
    if (p->w.p == t->p) return;
    if (!p->master && source_as_is(in, p->w.t)) {
        m->o->upload(m->o, p->w.p, t->p, t->bytes);
        return;
    }
    for (size_t i = 0; i < p->n; i += CHUNK) {
        size_t k = mem_min(p->n - i, (size_t)CHUNK);
        source_get_f32(in, i, k, x);
        param_put(m, p, i, k, x);
    }
}

static void init_one(struct model *m, struct param *p, const struct param_info *in, uint64_t seed)
{
    float x[CHUNK];
    struct rng_key key = rng_key(seed, p->name, strlen(p->name));
    for (size_t b = 0; b < p->n; b += CHUNK) {
        size_t k = mem_min(p->n - b, (size_t)CHUNK);
        for (size_t j = 0; j < k; j++) x[j] = in->init == INIT_NORMAL ? in->value * rng_normal(key, 0, b + j) : in->value;
        param_put(m, p, b, k, x);
    }
}

int weights_fill(struct model *m, uint64_t seed)
{
    if (m->o->measuring) return 0;
    for (int i = 0; i < m->ps.n; i++) {
        if (m->info[i].src) load_one(m, &m->ps.v[i], &m->info[i]);
        else init_one(m, &m->ps.v[i], &m->info[i], seed);
    }
    return m->o->sync(m->o);
}
