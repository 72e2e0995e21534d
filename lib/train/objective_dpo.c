/* SPDX-License-Identifier: Apache-2.0 */
#include "train/objective_dpo.h"

#include <string.h>
#include "train/logistic.h"

enum { REWARD_CHOSEN, REWARD_REJECTED, MARGIN, ACCURACY, LOGP_CHOSEN, LOGP_REJECTED, NLL, METRICS };

static const struct train_dpo *self(const struct objective *o) { return (const struct train_dpo *)o; }   /* base comes first */

/* ---- records to examples ---- */

struct side { const uint32_t *id; const float *lp; size_t n; };

static const char *read_tokens(const struct model_io *io, const val *path, struct side *s)
{
    if (!path || path->type != MSGPACK_OBJECT_MAP) return "not a pair";
    if (!val_u32s(val_get(path, "tokens"), &s->id, &s->n) || !s->n) return "no tokens (cos-score logprob adds them)";
    if (!val_is_str(val_get(path, "tokenizer"), tok_digest(io->tok))) return "tokens of another tokenizer";
    for (size_t i = 0; i < s->n; i++)
        if (s->id[i] >= (uint32_t)tok_size(io->tok)) return "malformed tokens";
    return NULL;
}

static const char *read_logprobs(const char *ref, const val *path, struct side *s)
{
    const val *all = val_get(path, "logprobs"), *v = val_get(all, ref);
    size_t n;
    if (!v && (!all || all->type != MSGPACK_OBJECT_MAP || !all->via.map.size)) return "no log-probabilities (cos-score logprob adds them)";
    if (!v) return "log-probabilities of another model";
    if (!val_f32s(v, &s->lp, &n) || n != s->n) return "malformed log-probabilities";
    for (size_t i = 0; i < n; i++)
        if (!isfinite(s->lp[i])) return "malformed log-probabilities";
    return NULL;
}

static const char *read_side(const struct train_dpo *d, const struct model_io *io, const val *path, struct side *s)
{
    const char *why = read_tokens(io, path, s);
    return why ? why : read_logprobs(d->cfg.ref, path, s);
}

static float sum_of(const struct side *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->n; i++) sum += (double)s->lp[i];
    return (float)sum;
}

static int encode(const struct objective *o, const struct model_io *io, const struct record *r, struct draft *d,
                  const char **why)
{
    static const char *const key[] = { "chosen", "rejected" };
    struct side s[DPO_SIDES];
    for (int k = 0; k < DPO_SIDES; k++)
        if ((*why = read_side(self(o), io, val_get(&r->root, key[k]), &s[k]))) return fail("%s: %s", key[k], *why);
    if (s[0].n == s[1].n && !memcmp(s[0].id, s[1].id, s[0].n * sizeof *s[0].id))
        return objective_reject(why, "chosen and rejected are the same");
    if (draft_begin(d, io, r, why)) return -1;
    d->ex.own = mem_array(DPO_SIDES, sizeof *d->ex.own);
    d->ex.nown = DPO_SIDES;
    for (int k = 0; k < DPO_SIDES; k++) {
        draft_tokens(d, s[k].id, (int)s[k].n);
        d->ex.own[k] = sum_of(&s[k]);
    }
    return 0;
}

static double weight(const struct objective *o, const struct example *x)
{
    (void)o, (void)x;
    return 1;
}

/* ---- the loss ---- */

double dpo_pair_loss(const struct dpo_cfg *c, const struct dpo_pair *p, double shift, double grad[DPO_SIDES])
{
    double gain[DPO_SIDES], b = c->beta, sum = 0, g = 0;
    for (int k = 0; k < DPO_SIDES; k++) gain[k] = p->lp[k] - p->ref[k];
    double d = gain[DPO_CHOSEN] - gain[DPO_REJECTED];
    if (c->sigmoid > 0) {
        sum += c->sigmoid * softplus(-b * d);
        g = -c->sigmoid * b * sigmoid(-b * d);
    }
    grad[DPO_CHOSEN] = g;
    grad[DPO_REJECTED] = -g;
    if (c->ipo > 0) {
        double off = gain[DPO_CHOSEN] / p->n[DPO_CHOSEN] - gain[DPO_REJECTED] / p->n[DPO_REJECTED] - 1 / (2 * b);
        sum += c->ipo * off * off;
        grad[DPO_CHOSEN] += c->ipo * 2 * off / p->n[DPO_CHOSEN];
        grad[DPO_REJECTED] -= c->ipo * 2 * off / p->n[DPO_REJECTED];
    }
    if (c->bco > 0) {
        double good = b * gain[DPO_CHOSEN] - shift, bad = b * gain[DPO_REJECTED] - shift;
        sum += c->bco * (softplus(-good) + softplus(bad));
        grad[DPO_CHOSEN] -= c->bco * b * sigmoid(-good);
        grad[DPO_REJECTED] += c->bco * b * sigmoid(bad);
    }
    if (c->nll > 0) {
        sum -= c->nll * p->lp[DPO_CHOSEN] / p->n[DPO_CHOSEN];
        grad[DPO_CHOSEN] -= c->nll / p->n[DPO_CHOSEN];
    }
    return sum;
}

static const struct train_seq *seq_of(const struct batch_seq *s) { return &s->ex->seq[s->which]; }

static struct dpo_pair pair_of(const struct batch *b, const struct batch_seq *s)
{
    struct dpo_pair p = { 0 };
    for (int k = 0; k < DPO_SIDES; k++) {
        const struct train_seq *t = seq_of(&s[k]);
        p.n[k] = t->n - t->prompt;
        p.ref[k] = (double)s->ex->own[k];
        for (int j = t->prompt - 1; j < t->n - 1; j++) p.lp[k] += (double)b->lp[batch_row(&s[k], j)];
    }
    return p;
}

static void add_metrics(const struct dpo_cfg *c, const struct dpo_pair *p, struct train_sum *sum)
{
    double chosen = c->beta * (p->lp[DPO_CHOSEN] - p->ref[DPO_CHOSEN]);
    double rejected = c->beta * (p->lp[DPO_REJECTED] - p->ref[DPO_REJECTED]);
    double x[METRICS] = {
        [REWARD_CHOSEN] = chosen, [REWARD_REJECTED] = rejected, [MARGIN] = chosen - rejected, [ACCURACY] = chosen > rejected,
        [LOGP_CHOSEN] = p->lp[DPO_CHOSEN], [LOGP_REJECTED] = p->lp[DPO_REJECTED], [NLL] = -p->lp[DPO_CHOSEN] / p->n[DPO_CHOSEN] };
    for (int i = 0; i < METRICS; i++) {
        sum->metric[i] += x[i];
        sum->count[i]++;
    }
}

static int loss(const struct objective *o, const struct train_pass *p, struct train_sum *sum)
{
    const struct dpo_cfg *c = &self(o)->cfg;
    const struct batch *b = p->b;
    if (pass_logprob(p, b->target, b->lp, NULL)) return -1;
    for (int i = 0; i < b->in.ntok; i++) b->dlp[i] = 0;
    for (int i = 0; i < b->nseq; i += DPO_SIDES) {
        const struct batch_seq *s = &b->seq[i];
        struct dpo_pair pair = pair_of(b, s);
        double grad[DPO_SIDES];
        sum->loss += dpo_pair_loss(c, &pair, self(o)->state[DPO_SHIFT], grad) / p->total;
        add_metrics(c, &pair, sum);
        for (int k = 0; k < DPO_SIDES; k++)
            for (int j = seq_of(&s[k])->prompt - 1; j < seq_of(&s[k])->n - 1; j++)
                b->dlp[batch_row(&s[k], j)] = (float)(grad[k] / p->total);
    }
    return pass_logprob(p, b->target, b->lp, b->dlp);
}

static void stepped(const struct objective *o, const double *metric)
{
    double reward = (metric[REWARD_CHOSEN] + metric[REWARD_REJECTED]) / 2;
    o->state[DPO_STEPS]++;
    o->state[DPO_SHIFT] += (reward - o->state[DPO_SHIFT]) / o->state[DPO_STEPS];
}

/* ---- the table ---- */

static void settings(const struct objective *o, json_t *out)
{
    const struct dpo_cfg *c = &self(o)->cfg;
    const struct { const char *name; double x; } num[] = {
        { "beta", c->beta }, { "sigmoid", c->sigmoid }, { "ipo", c->ipo }, { "bco", c->bco }, { "nll", c->nll } };
    json_object_set_new(out, "ref", json_string(c->ref));
    for (int i = 0; i < countof(num); i++) settings_number(out, num[i].name, num[i].x);
}

void objective_dpo(struct train_dpo *d, const struct dpo_cfg *c)
{
    *d = (struct train_dpo){
        .base = { .name = "dpo",
                  .metric = { "reward_chosen", "reward_rejected", "margin", "accuracy", "logp_chosen", "logp_rejected", "nll" },
                  .settings = settings, .encode = encode, .weight = weight, .loss = loss },
        .cfg = *c };
    if (c->bco > 0) {
        d->base.state = d->state;
        d->base.nstate = DPO_STATE;
        d->base.stepped = stepped;
    }
}
