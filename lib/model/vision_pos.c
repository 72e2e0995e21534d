/* SPDX-License-Identifier: Apache-2.0
 * Learned positions of a tower's patches, which a tile of another size than they were made for takes at the same fractions
 * of its sides, rounded down (Idefics3VisionEmbeddings, after NaViT).
 */
#include <math.h>
#include "model/model_priv.h"

/* The i-th of the fractions 1/n, 2/n, ... as torch.arange(1/n, 1, 1/n) has it on a CPU: sixteen at a time, each half of
 * them counted from its first value rounded to f32. Models were trained on what comes of that: where f32 puts i/n just below
 * the fraction i/n here, patch i takes the position before its own. */
static float fraction(int n, int count, int i)
{
    double step = 1.0 / n;
    if (i >= count / 16 * 16) return (float)(step + step * i);
    return (float)((double)(float)(step + step * (i / 8 * 8)) + i % 8 * step);
}

void vision_buckets(int n, int side, int *bucket)
{
    const float last = (float)(1.0 - 1e-6), step = 1.0f / (float)side;
    int count = (int)ceil((1.0 - 1.0 / n) / (1.0 / n)), b = 0;
    for (int i = 0; i < side; i++) {
        float at = fminf((float)i * step, last);
        while (b < mem_min(count, n - 1) && fraction(n, count, b) <= at) b++;
        bucket[i] = b;
    }
}

/* The row of the table that each patch of a tile takes; NULL when they are 0, 1, 2, ... of all of it. */
static int *pos_rows(struct model *m, const struct tiles *t)
{
    const struct vision_cfg *c = &m->cfg.vision;
    int n = c->image / c->patch, side = t->w / c->patch;
    int *bucket = arena_alloc(&m->host, (size_t)side * sizeof *bucket), *row = arena_alloc(&m->host, (size_t)(side * side) * sizeof *row);
    bool same = side == n;
    vision_buckets(n, side, bucket);
    for (int i = 0; i < side; i++) same = same && bucket[i] == i;
    for (int i = 0; i < side * side; i++) row[i] = bucket[i / side] * n + bucket[i % side];
    return same ? NULL : row;
}

static struct mat table_of(const struct model *m, float *p)
{
    int C = m->cfg.vision.blocks.hidden, side = m->cfg.vision.image / m->cfg.vision.patch;
    return mat_of(p, DT_F32, side * side, C);
}

void vision_add_pos(struct model *m, struct vision_pass *p, const struct tiles *t, struct mat x, int period)
{
    struct ops *o = m->o;
    const struct param *pos = m->vision.pos;
    const int *row = m->cfg.vision.pos_any ? pos_rows(m, t) : NULL;
    if (row) o->gather(o, mat_of(p->pos_own, DT_F32, period, x.cols), table_of(m, pos->w.p), row);
    o->add_rows(o, x, row ? p->pos_own : vec(pos), period);
}

void vision_add_pos_back(struct model *m, struct vision_pass *p, const struct tiles *t, struct mat dx, int period)
{
    struct ops *o = m->o;
    float *g = grad(m->vision.pos);
    if (!g) return;
    const int *row = m->cfg.vision.pos_any ? pos_rows(m, t) : NULL;
    struct mat own = mat_of(p->pos_own, DT_F32, period, dx.cols);
    if (row) zero_mat(o, own);
    o->add_rows_bwd(o, row ? p->pos_own : g, dx, period);
    if (row) o->scatter_add(o, table_of(m, g), own, row);
}
