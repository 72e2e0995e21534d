/* SPDX-License-Identifier: Apache-2.0
 * The projector, from the tower's features to the decoder's width: norm, linear, act, linear, or less (struct proj_cfg). Where
 * features are put together (merge.c), its output has one row more than it projects: the learned newline.
 */
#include "model/model_priv.h"

/* A token's row as the norm sees it: whole, or a row for each of its patches. */
static struct mat normed_rows(const struct model_cfg *c, struct mat x)
{
    int parts = c->proj.norm_patch ? c->shuffle * c->shuffle : 1;
    return mat_of(x.p, x.t, x.rows * parts, x.cols / parts);
}

static int width_in(const struct model_cfg *c) { return c->shuffle * c->shuffle * c->vision.blocks.hidden; }

void projector_plan(struct model *m, struct space *s, int rows, bool keep, struct projector_pass *p)
{
    const struct model_cfg *c = &m->cfg;
    const struct proj_cfg *j = &c->proj;
    p->in = space_mat(s, m->t, rows, width_in(c));
    p->n = j->norm ? space_mat(s, m->t, rows, width_in(c)) : p->in;
    if (j->layers > 1) {
        p->h = space_mat(s, m->t, rows, j->hidden);
        p->a = space_mat(s, m->t, rows, j->hidden);
    }
    p->out = space_mat(s, m->t, rows + c->newline, c->text.blocks.hidden);
    p->stat = keep && j->norm ? space_f32(s, 2 * (size_t)normed_rows(c, p->in).rows) : NULL;
}

void projector_plan_back(struct model *m, struct space *s, int rows, struct projector_pass *p)
{
    const struct model_cfg *c = &m->cfg;
    const struct proj_cfg *j = &c->proj;
    p->dout = space_mat(s, m->t, rows + c->newline, c->text.blocks.hidden);
    if (j->layers > 1) {
        p->da = space_mat(s, m->t, rows, j->hidden);
        p->dh = space_mat(s, m->t, rows, j->hidden);
    }
    p->din = space_mat(s, m->t, rows, width_in(c));
    p->dn = j->norm ? space_mat(s, m->t, rows, width_in(c)) : p->din;
}

static struct mat newline_row(struct mat out) { return mat_rows(out, out.rows - 1, 1); }

void projector_forward(struct model *m, struct projector_pass *p, struct mat out)
{
    const struct projector *w = &m->proj;
    const struct proj_cfg *j = &m->cfg.proj;
    struct ops *o = m->o;
    struct mat rows = mat_rows(out, 0, p->in.rows);
    if (j->norm) o->norm(o, j->kind, normed_rows(&m->cfg, p->n), normed_rows(&m->cfg, p->in), vec(w->norm), vec(w->norm_b), j->eps, p->stat);
    linear_param(o, j->layers > 1 ? p->h : rows, p->n, w->fc1, w->fc1_b);
    if (j->layers > 1) {
        o->act(o, j->act, p->a, p->h);
        linear_param(o, rows, p->a, w->fc2, w->fc2_b);
    }
    if (w->newline) o->cast(o, newline_row(out), mat_of(w->newline->w.p, DT_F32, 1, out.cols));
}

void projector_backward(struct model *m, struct projector_pass *p)
{
    const struct projector *w = &m->proj;
    const struct proj_cfg *j = &m->cfg.proj;
    struct ops *o = m->o;
    struct mat dh = mat_rows(p->dout, 0, p->in.rows);
    if (grad(w->newline)) o->add(o, mat_of(grad(w->newline), DT_F32, 1, p->dout.cols), newline_row(p->dout));
    if (j->layers > 1) {
        zero_mat(o, p->da);
        linear_param_back(o, p->da, dh, p->a, w->fc2, w->fc2_b);
        dh = p->dh;
        zero_mat(o, dh);
        o->act_bwd(o, j->act, dh, p->da, p->h);
    }
    zero_mat(o, p->dn);
    linear_param_back(o, p->dn, dh, p->n, w->fc1, w->fc1_b);
    if (!j->norm) return;                      /* then dn is din */
    zero_mat(o, p->din);
    o->norm_bwd(o, j->kind, normed_rows(&m->cfg, p->din), grad(w->norm), grad(w->norm_b), normed_rows(&m->cfg, p->dn),
                normed_rows(&m->cfg, p->in), vec(w->norm), p->stat);
}
