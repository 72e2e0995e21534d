/* SPDX-License-Identifier: Apache-2.0
 * Tables of rotary positions. Computed as transformers does (modeling_rope_utils.py): frequencies and angles in f32.
 */
#include <math.h>
#include <stdlib.h>
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

static float frequency(const struct rope_cfg *r, int i, int head_dim)
{
    float f = (float)(1.0 / pow(r->theta, 2.0 * i / head_dim));
    if (r->kind == ROPE_LINEAR) return (float)((double)f / r->factor);
    return r->kind == ROPE_LLAMA3 ? llama3(r, f) : f;
}

int rope_reserve(struct model *m, int npos)
{
    const struct block_cfg *b = &m->cfg.text.blocks;
    if (npos > m->cfg.text.max_pos) return fail("position %d: the model knows %d", npos - 1, m->cfg.text.max_pos);
    if (npos <= m->ncs) return 0;
    int n = m->ncs ? m->ncs : 256, half = b->head_dim / 2;
    while (n < npos) n *= 2;
    n = mem_min(n, m->cfg.text.max_pos);
    size_t bytes = (size_t)n * (size_t)half * 2 * sizeof(float);
    float *cs = mem_try(bytes, "rotary positions");
    if (!cs) return -1;
    for (int i = 0; i < half; i++) {
        float f = frequency(&b->rope, i, b->head_dim);
        for (int p = 0; p < n; p++) {
            float angle = (float)p * f, *at = cs + ((size_t)p * (size_t)half + (size_t)i) * 2;
            at[0] = cosf(angle);
            at[1] = sinf(angle);
        }
    }
    if (m->cs) m->o->release(m->o, m->cs);
    m->cs = m->o->alloc(m->o, bytes, "rotary positions");
    m->ncs = m->cs ? n : 0;
    if (m->cs) m->o->upload(m->o, m->cs, cs, bytes);
    free(cs);
    return m->cs ? 0 : -1;
}
