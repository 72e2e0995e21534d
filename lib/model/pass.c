/* SPDX-License-Identifier: Apache-2.0
 * A training pass over packed sequences, forward and backward. All activations lie in one space, planned anew for every
 * batch and allocated only when a batch needs more than any before.
 */
#include "model/model_priv.h"

static bool part_trains(const struct model *m, enum part part)
{
    if (!(m->flags & MODEL_TRAIN)) return false;
    for (int i = 0; i < m->ps.n; i++)
        if (m->ps.v[i].part == part && !m->ps.v[i].frozen) return true;
    return false;
}

static int check_sequences(const struct model_batch *b)
{
    if (b->ntok < 1 || b->nseq < 1 || b->start[0] != 0 || b->start[b->nseq] != b->ntok) return fail("batch: sequences do not cover its %d tokens", b->ntok);
    for (int s = 0; s < b->nseq; s++) {
        if (b->start[s + 1] <= b->start[s]) return fail("batch: sequence %d is empty", s);
        if (!b->prefix) continue;
        struct span p = b->prefix[s];
        if (p.begin < 0 || p.end < p.begin || p.end > b->ntok) return fail("batch: prefix of sequence %d is not in the batch", s);
    }
    return 0;
}

/* Host indices: the row of the embedding, or of the projector's output, of each token. */
static int token_index(struct model *m, const struct model_batch *b, int *maxpos)
{
    struct pass *p = &m->pass;
    p->id = arena_alloc(&m->host, (size_t)b->ntok * sizeof(int));
    p->feature = arena_alloc(&m->host, (size_t)b->ntok * sizeof(int));
    const int *merge = m->cfg.newline ? merge_rows(m, b->image, b->nimage) : NULL;
    for (int t = 0; t < b->ntok; t++) {
        p->id[t] = b->id[t];
        p->feature[t] = -1;
        if (b->pos[t] < 0) return fail("batch: position %d", b->pos[t]);
        *maxpos = mem_max(*maxpos, b->pos[t]);
    }
    for (int i = 0; i < b->nimg; i++) {
        int row = b->img_row[i], src = b->img_src[i];
        if (row < 0 || row >= b->ntok || src < 0 || src >= p->nfeature) return fail("batch: image place %d: row %d, feature %d", i, row, src);
        p->id[row] = -1;
        p->feature[row] = merge ? merge[src] : src;
    }
    for (int t = 0; t < b->ntok; t++)
        if (p->feature[t] < 0 && (p->id[t] < 0 || p->id[t] >= m->cfg.text.vocab))
            return fail("batch: token %d is not within the vocabulary of %d", p->id[t], m->cfg.text.vocab);
    return 0;
}

/* The positions of sequence s, whose rows' lags are noted: those of sequences that begin behind its rows go on from them. */
static void sequence_positions(struct model *m, const struct model_batch *b, int s, const struct feature_place *place, int *lag, int *pos)
{
    struct span before = b->prefix ? b->prefix[s] : (struct span){ 0, 0 };
    int at = before.end > before.begin ? lag[before.end - 1] : 0;
    for (int t = b->start[s]; t < b->start[s + 1]; t++) {
        int f = m->pass.feature[t];
        lag[t] = at = rope_place(&m->cfg.text.blocks.rope, b->pos[t], at, f >= 0 ? &place[f] : NULL, &pos[t], b->ntok);
    }
}

/* Positions as the rotation wants them: [ntok], with axes [axes][ntok]. */
static const int *token_positions(struct model *m, const struct model_batch *b)
{
    if (!m->cfg.text.blocks.rope.axes) return b->pos;
    size_t n = (size_t)b->ntok;
    int *pos = arena_alloc(&m->host, ROPE_AXES * n * sizeof *pos), *lag = arena_alloc(&m->host, n * sizeof *lag);
    struct feature_place *place = arena_alloc(&m->host, ((size_t)m->pass.nfeature + 1) * sizeof *place);
    vision_places(m, b->image, b->nimage, place);
    for (int behind = 0; behind < 2; behind++)
        for (int s = 0; s < b->nseq; s++)
            if ((b->prefix && b->prefix[s].end > b->prefix[s].begin) == behind) sequence_positions(m, b, s, place, lag, pos);
    return pos;
}

static void plan_backward(struct model *m, struct space *s, const struct model_batch *b)
{
    struct pass *p = &m->pass;
    const struct vision_cfg *v = &m->cfg.vision;
    int C = m->cfg.text.blocks.hidden;
    p->dhidden = space_mat(s, m->t, b->ntok, C);
    p->dx = space_mat(s, m->t, b->ntok, C);
    if (p->into_projector) projector_plan_back(m, s, p->nprojected, &p->proj);
    size_t mark = s->used;                     /* the decoder's scratch and the tower's are never used together */
    block_plan_grad(s, &m->cfg.text.blocks, m->t, b->ntok, &p->grad);
    if (!p->into_vision) return;
    size_t end = s->used;
    s->used = mark;
    int rows = p->vision.act.x[0].rows;
    p->dvision = space_mat(s, m->t, rows, v->blocks.hidden);
    vision_plan_back(m, s, &p->vision);
    block_plan_grad(s, &v->blocks, m->t, rows, &p->vgrad);
    s->used = mem_max(s->used, end);
}

static void plan(struct model *m, struct space *s, const struct model_batch *b)
{
    struct pass *p = &m->pass;
    const struct block_cfg *c = &m->cfg.text.blocks;
    if (b->nimage) {
        vision_plan(m, s, b->image, b->nimage, p->into_vision, &p->vision);
        projector_plan(m, s, p->nprojected, p->into_projector, &p->proj);
    }
    tower_plan(s, c, m->t, b->ntok, p->keep, m->recompute, &p->act);
    p->cs = rope_plan(s, c, b->ntok);
    p->hidden = space_mat(s, m->t, b->ntok, c->hidden);
    p->stat = NULL;
    if (!p->keep) return;
    p->stat = space_f32(s, 2 * (size_t)b->ntok);
    plan_backward(m, s, b);
}

/* What is kept for the backward, and how far it goes. */
static void note_parts(struct model *m, const struct model_batch *b)
{
    struct pass *p = &m->pass;
    p->keep = m->flags & MODEL_TRAIN;
    p->into_vision = b->nimage && part_trains(m, PART_VISION);
    p->into_projector = b->nimage && (p->into_vision || part_trains(m, PART_PROJECTOR));
}

static int prepare(struct model *m, const struct model_batch *b)
{
    struct pass *p = &m->pass;
    struct space measure = {0};
    int maxpos = 0;
    p->ntok = 0;
    arena_reset(&m->host);
    if ((p->nfeature = vision_begin(m, b->image, b->nimage)) < 0) return fail_in("batch");
    if (check_sequences(b) || token_index(m, b, &maxpos)) return -1;
    if (maxpos >= m->cfg.text.max_pos) return fail("position %d: the model knows %d", maxpos, m->cfg.text.max_pos);
    if (rope_reserve(m, &m->rope, &m->cfg.text.blocks, maxpos + 1)) return -1;
    note_parts(m, b);
    plan(m, &measure, b);
    m->space.used = measure.used;
    if (space_reserve(&m->space, m->o)) return -1;
    plan(m, &m->space, b);
    p->head = block_heads(&m->host, &m->cfg.text.blocks, b->ntok);
    p->ntok = b->ntok;
    p->nimage = b->nimage;
    return 0;
}

int model_space(struct model *m, const struct model_batch *b, size_t *bytes)
{
    struct space measure = {0};
    struct pass *p = &m->pass;
    p->ntok = 0;
    arena_reset(&m->host);
    if ((p->nfeature = vision_begin(m, b->image, b->nimage)) < 0) return fail_in("batch");
    note_parts(m, b);
    plan(m, &measure, b);
    *bytes = measure.used;
    return 0;
}

int model_reserve(struct model *m, size_t bytes)
{
    m->pass.ntok = 0;
    m->space.used = bytes;
    return space_reserve(&m->space, m->o);
}

static struct attend attend_batch(const struct model *m, const struct model_batch *b)
{
    return (struct attend){ .nseq = b->nseq, .start = b->start, .prefix = b->prefix, .pos = m->pass.rope.pos, .cs = m->pass.rope.cs, .head = m->pass.head };
}

int model_forward(struct model *m, const struct model_batch *b, struct mat *hidden)
{
    struct pass *p = &m->pass;
    struct ops *o = m->o;
    const struct block_cfg *c = &m->cfg.text.blocks;
    if (prepare(m, b)) return -1;
    struct mat x = p->act.x[0];
    o->gather(o, x, m->dec.embed->w, p->id);
    if (b->nimage) {
        vision_forward(m, &p->vision, b->image, b->nimage, p->proj.in);
        projector_forward(m, &p->proj, p->proj.out);
        o->gather(o, x, p->proj.out, p->feature);
    }
    p->rope = rope_rows(m, &m->rope, c, p->cs, token_positions(m, b), b->ntok);
    struct attend at = attend_batch(m, b);
    tower_forward(o, c, m->dec.block, &p->act, &at);
    o->norm(o, c->norm, p->hidden, p->act.x[c->layers], vec(m->dec.norm), NULL, c->eps, p->stat);
    if (p->keep) zero_mat(o, p->dhidden);
    *hidden = p->hidden;
    return o->sync(o);
}

struct mat model_dhidden(struct model *m) { return m->pass.dhidden; }

int model_backward(struct model *m, const struct model_batch *b, struct mat dhidden)
{
    struct pass *p = &m->pass;
    struct ops *o = m->o;
    const struct block_cfg *c = &m->cfg.text.blocks;
    if (!p->keep || p->ntok != b->ntok || p->nimage != b->nimage) return fail("backward: no forward pass of this batch is kept");
    m->digest[0] = 0;
    struct attend at = attend_batch(m, b);
    bool into_embed = part_trains(m, PART_EMBED);
    if (!into_embed && !p->into_projector && !part_trains(m, PART_DECODER)) return o->sync(o);
    zero_mat(o, p->dx);
    o->norm_bwd(o, c->norm, p->dx, grad(m->dec.norm), NULL, dhidden, p->act.x[c->layers], vec(m->dec.norm), p->stat);
    tower_backward(o, c, m->dec.block, &p->act, &at, &p->grad, p->dx, m->recompute);
    if (into_embed) {
        const struct param *e = m->dec.embed;
        o->scatter_add(o, mat_of(e->grad, DT_F32, e->rows, e->cols), p->dx, p->id);
    }
    if (p->into_projector) {
        zero_mat(o, p->proj.dout);
        o->scatter_add(o, p->proj.dout, p->dx, p->feature);
        projector_backward(m, &p->proj);
    }
    if (p->into_vision) vision_backward(m, &p->vision, b->image, &p->vgrad, p->dvision, p->proj.din);
    return o->sync(o);
}
