/* SPDX-License-Identifier: Apache-2.0 */
#include "search/logprob.h"

#include <math.h>
#include <stdlib.h>
#include "search/sample.h"

enum { LOGIT_BYTES = 64 << 20 };

struct wanted { int row; uint32_t id; float *to; };        /* log p(id) by the logits of a hidden row */

struct logprobs {
    struct forest *f;
    struct par *pool;
    int V, nlogit;
    struct wanted *want;                       /* [rows] of a pass */
    int *row;                                  /* [nlogit] */
    float *logit;                              /* [nlogit, V] rows of logits at a time */
    struct sampler **sampler; int nsampler;    /* one a thread */
};

struct logprobs *logprobs_new(struct model *m, struct par *pool, const struct forest_cfg *c)
{
    struct logprobs *l = mem_alloc(sizeof *l);
    l->pool = pool;
    l->V = model_config(m)->text.vocab;
    if (!(l->f = forest_new(m, c))) {
        logprobs_free(l);
        return NULL;
    }
    int rows = forest_rows(l->f);
    l->nlogit = (int)mem_max((size_t)1, mem_min((size_t)rows, LOGIT_BYTES / sizeof(float) / (size_t)l->V));
    l->want = mem_array((size_t)rows, sizeof *l->want);
    l->row = mem_array((size_t)l->nlogit, sizeof *l->row);
    l->sampler = mem_array((size_t)par_threads(pool), sizeof(struct sampler *));
    for (; l->nsampler < par_threads(pool); l->nsampler++) l->sampler[l->nsampler] = sampler_new(l->V);
    l->logit = mem_try((size_t)l->nlogit * (size_t)l->V * sizeof *l->logit, "logits");
    if (l->logit) return l;
    logprobs_free(l);
    return NULL;
}

void logprobs_free(struct logprobs *l)
{
    if (!l) return;
    for (int i = 0; i < l->nsampler; i++) sampler_free(l->sampler[i]);
    forest_free(l->f);
    free(l->sampler);
    free(l->want);
    free(l->row);
    free(l->logit);
    free(l);
}

struct forest *logprobs_forest(struct logprobs *l) { return l->f; }

struct place *logprobs_text(struct logprobs *l, struct place *behind, const uint32_t *id, int n, float *lp)
{
    return forest_text(l->f, behind, id, n, lp);
}

struct chunk { struct logprobs *l; const struct wanted *want; };

static void look_up(void *arg, int i, int worker)
{
    const struct chunk *c = arg;
    const float *logit = c->l->logit + (size_t)i * (size_t)c->l->V;
    *c->want[i].to = sampler_logprob(c->l->sampler[worker], logit, (int)c->want[i].id);
}

static int read_pass(void *arg, const struct forest_pass *p)
{
    struct logprobs *l = arg;
    int n = 0;
    for (int i = 0; i < p->npart; i++) {
        const struct forest_part *t = &p->part[i];
        for (int k = t->begin; k < t->begin + t->n; k++)
            l->want[n++] = (struct wanted){ t->row + k - t->begin, t->id[k + 1], (float *)t->user + k };
    }
    for (int begin = 0; begin < n; begin += l->nlogit) {
        int k = mem_min(l->nlogit, n - begin);
        struct chunk c = { l, l->want + begin };
        for (int i = 0; i < k; i++) l->row[i] = c.want[i].row;
        if (model_logits(forest_model(l->f), p->hidden, l->row, k, l->logit)) return -1;
        par_for(l->pool, k, look_up, &c);
        for (int i = 0; i < k; i++)
            if (isnan(*c.want[i].to)) return fail("the model's logits are not finite numbers");
    }
    return 0;
}

int logprobs_run(struct logprobs *l) { return forest_run(l->f, read_pass, l); }
