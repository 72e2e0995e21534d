/* SPDX-License-Identifier: Apache-2.0 */
#include "search/prm.h"

#include <math.h>
#include <stdlib.h>

enum { BAD, GOOD };

struct prm {
    struct forest *f;
    struct ops *o;
    const struct prm_form *form;
    struct mat head, x, y;                     /* [2, C] rows of the output head for bad and good; [rows, C]; f32 [rows, 2] */
    int *row;                                  /* [rows] rows of a pass that are tags ... */
    double **score;                            /* ... and where their scores go */
    float *logit;                              /* [rows, 2] */
};

static struct mat alloc_mat(struct ops *o, enum dtype t, int rows, int cols)
{
    return mat_of(o->alloc(o, (size_t)rows * (size_t)cols * dtype_size(t), "tag logits"), t, rows, cols);
}

static int take_head(struct prm *p, struct model *m)
{
    struct mat head = model_head(m, NULL);
    int pair[2] = { p->form->bad, p->form->good }, rows = forest_rows(p->f);
    for (int i = 0; i < 2; i++)
        if (pair[i] >= head.rows) return fail("tag token %d is not within the model's vocabulary of %d", pair[i], head.rows);
    p->head = alloc_mat(p->o, head.t, 2, head.cols);
    p->x = alloc_mat(p->o, head.t, rows, head.cols);
    p->y = alloc_mat(p->o, DT_F32, rows, 2);
    if (!p->head.p || !p->x.p || !p->y.p) return -1;
    p->o->gather(p->o, p->head, head, pair);
    return p->o->sync(p->o);
}

struct prm *prm_new(struct model *m, const struct prm_form *form, const struct forest_cfg *c)
{
    struct prm *p = mem_alloc(sizeof *p);
    p->o = model_ops(m);
    p->form = form;
    if (!(p->f = forest_new(m, c)) || take_head(p, m)) {
        prm_free(p);
        return NULL;
    }
    size_t rows = (size_t)forest_rows(p->f);
    p->row = mem_array(rows, sizeof *p->row);
    p->score = mem_array(rows, sizeof(double *));
    p->logit = mem_array(2 * rows, sizeof *p->logit);
    return p;
}

void prm_free(struct prm *p)
{
    if (!p) return;
    struct mat mats[] = { p->head, p->x, p->y };
    for (int i = 0; i < countof(mats); i++)
        if (mats[i].p) p->o->release(p->o, mats[i].p);
    forest_free(p->f);
    free(p->row);
    free(p->score);
    free(p->logit);
    free(p);
}

struct forest *prm_forest(struct prm *p) { return p->f; }

struct place *prm_text(struct prm *p, struct place *behind, const uint32_t *id, int n, double *score)
{
    return forest_text(p->f, behind, id, n, score);
}

/* Notes the rows of the part that are tags from the n-th on; returns how many there are then. */
static int find_tags(struct prm *p, const struct forest_part *part, int n)
{
    double *to = part->user;
    for (int i = 0; i < part->begin; i++) to += prm_form_tag(p->form, part->id, i);
    for (int i = 0; i < part->n; i++) {
        if (!prm_form_tag(p->form, part->id, part->begin + i)) continue;
        p->row[n] = part->row + i;
        p->score[n++] = to++;
    }
    return n;
}

static int score_pass(void *arg, const struct forest_pass *pass)
{
    struct prm *p = arg;
    struct ops *o = p->o;
    int n = 0;
    for (int i = 0; i < pass->npart; i++) n = find_tags(p, &pass->part[i], n);
    if (!n) return 0;
    o->gather(o, mat_rows(p->x, 0, n), pass->hidden, p->row);
    o->linear(o, mat_rows(p->y, 0, n), mat_rows(p->x, 0, n), p->head, NULL);
    o->download(o, p->logit, p->y.p, 2 * (size_t)n * sizeof *p->logit);
    if (o->sync(o)) return -1;
    for (int i = 0; i < n; i++) {
        double bad = (double)p->logit[2 * i + BAD], good = (double)p->logit[2 * i + GOOD];
        if (!isfinite(bad) || !isfinite(good)) return fail("the model's logits are not finite numbers");
        *p->score[i] = 1 / (1 + exp(bad - good));
    }
    return 0;
}

int prm_run(struct prm *p) { return forest_run(p->f, score_pass, p); }
