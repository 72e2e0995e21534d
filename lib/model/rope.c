/* SPDX-License-Identifier: Apache-2.0
 * Tables of rotary positions. Computed as transformers does (modeling_rope_utils.py): frequencies and angles in f32.
 */
#include <math.h>
#include <stdlib.h>
#include "model/config_priv.h"
#include "model/model_priv.h"

/* Llama 3.1: frequencies of long wavelengths are divided by the factor, those between are blended. */
static float llama3(const struct rope_cfg *r, float f)
{
    double wavelength = 2 * M_PI / (double)f, longest = r->original / r->low, shortest = r->original / r->high;
    if (wavelength < shortest) return f;
    if (wavelength > longest) return (float)((double)f / r->factor);
    double smooth = (r->original / wavelength - r->low) / (r->high - r->low);
    return (float)((1 - smooth) * (double)f / r->factor + smooth * (double)f);
}

/* The index, of all 2 * pairs, whose pair turns that often within the original positions. */
static double yarn_index(const struct rope_cfg *r, double turns, int dim)
{
    return dim * log(r->original / (turns * 2 * M_PI)) / (2 * log(r->theta));
}

static float yarn(const struct rope_cfg *r, float f, int i, int dim)
{
    double from = yarn_index(r, r->high, dim), to = yarn_index(r, r->low, dim);
    if (r->whole) from = floor(from), to = ceil(to);
    from = fmax(from, 0);
    to = fmin(to, dim - 1);
    if (from == to) to += 0.001;
    float blend = (float)fmin(fmax((i - from) / (to - from), 0), 1);
    return (float)((double)f / r->factor) * blend + f * (1 - blend);
}

float rope_frequency(const struct rope_cfg *r, int i, int head_dim)
{
    float f = (float)(1.0 / pow(r->theta, 2.0 * i / head_dim));
    if (r->kind == ROPE_LINEAR) return (float)((double)f / r->factor);
    return r->kind == ROPE_LLAMA3 ? llama3(r, f) : r->kind == ROPE_YARN ? yarn(r, f, i, head_dim) : f;
}

/* The width that the table's frequencies belong to: twice its pairs. */
static int table_dim(const struct block_cfg *b) { return b->rope.axial ? b->head_dim / b->rope.axes : b->head_dim; }

int rope_reserve(struct model *m, struct rope_table *t, const struct block_cfg *b, int npos)
{
    if (npos <= t->n) return 0;
    int n = t->n ? t->n : 256, dim = table_dim(b);
    while (n < npos) n *= 2;
    size_t bytes = (size_t)n * (size_t)dim * sizeof(float);
    float *cs = mem_try(bytes, "rotary positions"), scale = b->rope.kind == ROPE_YARN ? (float)b->rope.scale : 1;
    if (!cs) return -1;
    for (int i = 0; i < dim / 2; i++) {
        float f = rope_frequency(&b->rope, i, dim);
        for (int p = 0; p < n; p++) {
            float angle = (float)p * f, *at = cs + (size_t)p * (size_t)dim + 2 * (size_t)i;
            at[0] = cosf(angle) * scale;
            at[1] = sinf(angle) * scale;
        }
    }
    if (t->cs) m->o->release(m->o, t->cs);
    t->cs = m->o->alloc(m->o, bytes, "rotary positions");
    t->n = t->cs ? n : 0;
    if (t->cs) m->o->upload(m->o, t->cs, cs, bytes);
    free(cs);
    return t->cs ? 0 : -1;
}

struct mat rope_plan(struct space *s, const struct block_cfg *b, int rows)
{
    return b->rope.axes ? space_mat(s, DT_F32, rows, b->head_dim) : (struct mat){0};
}

struct rope_at rope_rows(struct model *m, const struct rope_table *t, const struct block_cfg *b, struct mat cs, const int *pos, int n)
{
    const struct rope_cfg *r = &b->rope;
    struct mat table = mat_of(t->cs, DT_F32, t->n, table_dim(b));
    if (!r->axes) return (struct rope_at){ pos, t->cs };
    int *own = arena_alloc(&m->host, (size_t)n * sizeof *own);
    for (int i = 0; i < n; i++) own[i] = i;
    for (int a = 0, at = 0; a < r->axes; at += 2 * r->section[a++])
        m->o->gather(m->o, mat_cols(mat_rows(cs, 0, n), at, 2 * r->section[a]), mat_cols(table, r->axial ? 0 : at, 2 * r->section[a]),
                     pos + (size_t)a * (size_t)n);
    return (struct rope_at){ own, cs.p };
}

int rope_place(const struct rope_cfg *r, int ordinal, int lag, const struct feature_place *f, int *pos, int n)
{
    int first = ordinal - lag - (f ? f->back : 0);
    for (int a = 0; a < mem_max(1, r->axes); a++) pos[(size_t)a * (size_t)n] = first;
    if (!f) return lag;
    pos[(size_t)n] += f->row;
    pos[2 * (size_t)n] += f->col;
    return lag + f->lag;
}
