/* SPDX-License-Identifier: Apache-2.0 */
#include "train/objective_prm.h"

#include <stdlib.h>
#include <string.h>
#include "record/label.h"
#include "record/path.h"
#include "train/logistic.h"

enum { STEP_ACCURACY, ANSWER_ACCURACY, P_GOOD, P_BAD };    /* metrics */

static const struct train_prm *self(const struct objective *o) { return (const struct train_prm *)o; }   /* base comes first */

/* ---- labels to targets ---- */

static int set_target(const struct prm_cfg *c, const val *labels, struct prm_tag *tag)
{
    double sum = 0, w = 0;
    bool neutral = true;
    for (const char *s = c->labels; *s;) {
        size_t n = strcspn(s, ",");
        const val *v = label_of(labels, s, n);
        struct label l;
        int got = v ? label_read(v, &l) : 0;
        s += n + (s[n] == ',');
        if (got < 0) return -1;
        if (!got) continue;
        double weight = c->target == PRM_COUNT && l.n ? (double)l.n : 1;
        sum += weight * l.value;
        w += weight;
        neutral &= l.neutral;
        if (c->merge == PRM_FIRST) break;
    }
    if (w == 0) return 0;
    bool hard = c->target == PRM_HARD && !neutral;
    tag->target = (float)(hard ? sum / w >= c->threshold : sum / w);
    tag->weight = (float)w;
    return 0;
}

static int set_answer(const struct prm_cfg *c, const val *path, struct prm_tag *tag, float heaviest)
{
    bool right;
    tag->answer = 1;
    if (c->answer == PRM_ANSWER_NONE) return 0;
    if (c->answer != PRM_ANSWER_CORRECT && set_target(c, val_get(path, "answer_labels"), tag)) return -1;
    if (tag->weight == 0 && c->answer != PRM_ANSWER_LABELS && val_bool(val_get(path, "correct"), &right)) {
        tag->target = right;
        tag->weight = 1;
    }
    if (tag->weight > 0) tag->weight = mem_max(tag->weight, heaviest);
    return 0;
}

/* Targets of the chain's tags: its steps, and the answer where it has one. */
static int set_targets(const struct prm_cfg *c, const val *path, const struct chain *chain, struct prm_tag *tag, const char **why)
{
    const val *steps = val_get(path, "steps");
    float heaviest = 0, sum = 0;
    int n = chain->nstep;
    for (int i = 0; i < n; i++) {
        if (set_target(c, val_get(val_at(steps, i), "labels"), &tag[i])) {
            *why = "malformed label";
            return fail("step %d: %s", i + 1, *why);
        }
        heaviest = mem_max(heaviest, tag[i].weight);
        sum += tag[i].weight;
    }
    if (chain->has_answer && set_answer(c, path, &tag[n], heaviest)) {
        *why = "malformed label";
        return fail("answer: %s", *why);
    }
    if (chain->has_answer) sum += tag[n].weight;
    return sum > 0 ? 0 : objective_reject(why, "no label of these sources");
}

/* ---- records to examples ---- */

static int encode(const struct objective *o, const struct model_io *io, const struct record *r, struct draft *d,
                  const char **why)
{
    const struct train_prm *p = self(o);
    const val *path = val_get(&r->root, "path");
    struct arena a = { 0 };
    struct chain c;
    struct prm_ids ids = { 0 };
    if (!path) return objective_reject(why, "no path");
    int bad = path_to_chain(path, &a, &c) ? (*why = "malformed path", -1) : 0, tags = bad ? 0 : c.nstep + c.has_answer;
    struct prm_tag *tag = mem_array((size_t)tags + 1, sizeof *tag);
    bad = bad || set_targets(&p->cfg, path, &c, tag, why) || draft_begin(d, io, r, why);
    if (!bad && prm_form_encode(p->form, (struct slice){ d->in.tail, d->in.ntail }, &c, &ids)) bad = (*why = "response that cannot be encoded", -1);
    if (!bad) {
        draft_tokens(d, ids.ids.id, (int)ids.ids.n);
        d->ex.own = (float *)tag;
        d->ex.nown = tags * PRM_OWN;
    } else free(tag);
    prm_ids_free(&ids);
    arena_free(&a);
    return bad ? -1 : 0;
}

static const struct prm_tag *tags_of(const struct example *x) { return (const struct prm_tag *)x->own; }

static double weight(const struct objective *o, const struct example *x)
{
    double w = 0;
    (void)o;
    for (int i = 0; i < x->nown / PRM_OWN; i++) w += tags_of(x)[i].weight;
    return w;
}

/* ---- the loss ---- */

static bool tell(const struct objective *o, const struct dataset *ds, char *line, size_t size)
{
    int n[2] = { 0 }, labelled[2] = { 0 };                 /* steps, answers */
    for (int i = 0; i < dataset_count(ds); i++) {
        const struct example *x = dataset_at(ds, i);
        for (int k = 0; k < x->nown / PRM_OWN; k++) {
            int answer = tags_of(x)[k].answer > 0;
            n[answer]++;
            labelled[answer] += tags_of(x)[k].weight > 0;
        }
    }
    snprintf(line, size, "labels by %s: %d of %d steps, %d of %d answers", self(o)->cfg.labels, labelled[0], n[0], labelled[1], n[1]);
    return !labelled[0];
}

/* The labelled tags of a micro-batch, [n], and on the device what passes through two rows of the head. */
struct prm_room {
    struct ops *o;
    int n, cap;
    int *row;
    const struct prm_tag **tag;
    float *logit, *dlogit;                     /* [n, 2]: bad, good */
    char *dev; size_t bytes;
    struct mat x, dx, head, y, dy32, dy, dhead;    /* [n, C] twice, [2, C], f32 [n, 2] twice, [n, 2], f32 [2, C] */
};

static void add_tag(struct prm_room *m, int row, const struct prm_tag *tag)
{
    if (m->n == m->cap) {
        size_t cap = (size_t)(m->cap = m->cap ? 2 * m->cap : 256);
        m->row = mem_grow(m->row, cap, sizeof *m->row);
        m->tag = mem_grow(m->tag, cap, sizeof *m->tag);
        m->logit = mem_grow(m->logit, cap, 2 * sizeof *m->logit);
        m->dlogit = mem_grow(m->dlogit, cap, 2 * sizeof *m->dlogit);
    }
    m->row[m->n] = row;
    m->tag[m->n++] = tag;
}

static void find_tags(const struct train_prm *p, const struct batch *b)
{
    p->room->n = 0;
    for (int i = 0; i < b->nseq; i++) {
        const struct batch_seq *s = &b->seq[i];
        const struct train_seq *t = &s->ex->seq[s->which];
        const struct prm_tag *tag = tags_of(s->ex);
        for (int j = t->prompt; j < t->n; j++) {
            if (!prm_form_tag(p->form, t->id + t->prompt, j - t->prompt)) continue;
            if (tag->weight > 0) add_tag(p->room, batch_row(s, j), tag);
            tag++;
        }
    }
}

static int make_room(struct prm_room *m, struct ops *o, enum dtype t, int C)
{
    struct { struct mat *to; struct mat shape; size_t at; } want[] = {
        { &m->x, mat_of(NULL, t, m->n, C), 0 }, { &m->dx, mat_of(NULL, t, m->n, C), 0 }, { &m->head, mat_of(NULL, t, 2, C), 0 },
        { &m->y, mat_of(NULL, DT_F32, m->n, 2), 0 }, { &m->dy32, mat_of(NULL, DT_F32, m->n, 2), 0 },
        { &m->dy, mat_of(NULL, t, m->n, 2), 0 }, { &m->dhead, mat_of(NULL, DT_F32, 2, C), 0 } };
    size_t bytes = 0;
    for (int i = 0; i < countof(want); i++) {
        const struct mat *s = &want[i].shape;
        want[i].at = bytes;
        bytes += ((size_t)s->rows * (size_t)s->cols * dtype_size(s->t) + 63) / 64 * 64;
    }
    if (bytes > m->bytes) {
        if (m->dev) o->release(o, m->dev);
        m->o = o;
        m->bytes = 0;
        if (!(m->dev = o->alloc(o, bytes + bytes / 2, "logits at tags"))) return -1;
        m->bytes = bytes + bytes / 2;
    }
    for (int i = 0; i < countof(want); i++) {
        *want[i].to = want[i].shape;
        want[i].to->p = m->dev + want[i].at;
    }
    return 0;
}

double prm_tag_loss(double d, double t, double *grad)
{
    *grad = (1 - t) * sigmoid(d) - t * sigmoid(-d);        /* sigmoid(d) - t would lose it where d is far on the right side */
    return t * softplus(-d) + (1 - t) * softplus(d);
}

static void add_metrics(struct train_sum *sum, const struct prm_tag *tag, double d)
{
    if (tag->target == 0.5f) return;
    bool good = tag->target > 0.5f;
    int accuracy = tag->answer > 0 ? ANSWER_ACCURACY : STEP_ACCURACY, p = good ? P_GOOD : P_BAD;
    sum->metric[accuracy] += good == (d >= 0);
    sum->count[accuracy]++;
    sum->metric[p] += sigmoid(d);
    sum->count[p]++;
}

static void score_tags(struct prm_room *m, double total, struct train_sum *sum)
{
    for (int i = 0; i < m->n; i++) {
        double d = (double)m->logit[2 * i + 1] - (double)m->logit[2 * i], grad, w = (double)m->tag[i]->weight / total;
        sum->loss += w * prm_tag_loss(d, (double)m->tag[i]->target, &grad);
        m->dlogit[2 * i] = (float)(-w * grad);
        m->dlogit[2 * i + 1] = (float)(w * grad);
        add_metrics(sum, m->tag[i], d);
    }
}

static int loss(const struct objective *obj, const struct train_pass *p, struct train_sum *sum)
{
    const struct train_prm *prm = self(obj);
    struct prm_room *m = prm->room;
    struct ops *o = model_ops(p->m);
    float *dw;
    struct mat w = model_head(p->m, &dw);
    int pair[2] = { prm->form->bad, prm->form->good };
    find_tags(prm, p->b);
    if (!m->n) return 0;
    if (make_room(m, o, p->hidden.t, p->hidden.cols)) return -1;
    size_t bytes = 2 * (size_t)m->n * sizeof *m->logit;
    o->gather(o, m->x, p->hidden, m->row);
    o->gather(o, m->head, w, pair);
    o->linear(o, m->y, m->x, m->head, NULL);
    o->download(o, m->logit, m->y.p, bytes);
    if (o->sync(o)) return -1;
    score_tags(m, p->total, sum);
    o->upload(o, m->dy32.p, m->dlogit, bytes);
    o->cast(o, m->dy, m->dy32);
    o->zero(o, m->dx.p, (size_t)m->n * (size_t)m->dx.cols * dtype_size(m->dx.t));
    o->linear_dx(o, m->dx, m->dy, m->head);
    o->scatter_add(o, p->dhidden, m->dx, m->row);
    if (dw) {
        o->zero(o, m->dhead.p, 2 * (size_t)m->dhead.cols * sizeof(float));
        o->linear_dw(o, m->dhead.p, NULL, m->dy, m->x);
        o->scatter_add(o, mat_of(dw, DT_F32, w.rows, w.cols), m->dhead, pair);
    }
    return o->sync(o);
}

/* ---- the table ---- */

static void settings(const struct objective *o, json_t *out)
{
    static const char *const target[] = { "hard", "soft", "count" }, *const merge[] = { "first", "mean" };
    static const char *const answer[] = { "any", "labels", "correct", "none" };
    const struct prm_cfg *c = &self(o)->cfg;
    json_object_set_new(out, "labels", json_string(c->labels));
    json_object_set_new(out, "merge", json_string(merge[c->merge]));
    json_object_set_new(out, "target", json_string(target[c->target]));
    settings_number(out, "threshold", c->threshold);
    json_object_set_new(out, "answer", json_string(answer[c->answer]));
    json_object_set_new(out, "style", json_string(self(o)->form->style.name));
}

void objective_prm(struct train_prm *p, const struct prm_cfg *c, const struct prm_form *form)
{
    *p = (struct train_prm){
        .base = { .name = "prm", .metric = { "step_accuracy", "answer_accuracy", "p_good", "p_bad" },
                  .settings = settings, .encode = encode, .weight = weight, .tell = tell, .loss = loss },
        .cfg = *c, .form = form, .room = mem_alloc(sizeof *p->room) };
}

void objective_prm_free(struct train_prm *p)
{
    struct prm_room *m = p->room;
    if (!m) return;
    if (m->dev) m->o->release(m->o, m->dev);
    free(m->row);
    free(m->tag);
    free(m->logit);
    free(m->dlogit);
    free(m);
    p->room = NULL;
}
