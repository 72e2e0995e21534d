/* SPDX-License-Identifier: Apache-2.0
 * A larger vocabulary.
 */
#include <stdlib.h>
#include "model/model_priv.h"

static int check_means(const struct model *m, int vocab, const int *const *mean_of, const int *n, int count)
{
    if (count < 0 || count > vocab || vocab > 1 << 24) return fail("vocabulary of %d with %d new tokens", vocab, count);
    for (int i = 0; i < count; i++) {
        if (n[i] < 1) return fail("new token %d: the mean of no tokens", i);
        for (int k = 0; k < n[i]; k++)
            if (mean_of[i][k] < 0 || mean_of[i][k] >= m->cfg.text.vocab)
                return fail("new token %d: token %d is not within the vocabulary of %d", i, mean_of[i][k], m->cfg.text.vocab);
    }
    return 0;
}

/* [count, C] */
static float *means(const struct model *m, const struct param *p, const int *const *mean_of, const int *n, int count)
{
    size_t C = (size_t)p->cols;
    float *out = mem_array((size_t)count * C + 1, sizeof *out), *row = mem_array(C, sizeof *row);
    for (int i = 0; i < count; i++) {
        float *mean = out + (size_t)i * C;
        for (int k = 0; k < n[i]; k++) {
            param_get(m, p, (size_t)mean_of[i][k] * C, C, row);
            for (size_t c = 0; c < C; c++) mean[c] += row[c] / (float)n[i];
        }
    }
    free(row);
    return out;
}

/* Memory of its own for rows rows; the weights there were are copied, moments start again. */
static int regrow(struct model *m, struct param *p, int rows)
{
    struct param old = *p;
    size_t n = (size_t)rows * (size_t)p->cols, C = (size_t)p->cols;
    p->rows = p->dims[0] = rows;
    p->n = n;
    p->w = mat_of(model_alloc(m, n * dtype_size(p->w.t), "weights"), p->w.t, rows, p->cols);
    if (!p->w.p) return -1;
    if (p->w.t == DT_F32) p->master = old.master ? p->w.p : NULL;
    else if (old.master && !(p->master = model_alloc(m, n * sizeof(float), "master weights"))) return -1;
    if (param_trained(m, p)) {
        p->grad = model_alloc(m, n * sizeof(float), "gradients");
        p->m = model_alloc(m, n * sizeof(float), "first moments");
        p->v = model_alloc(m, n * sizeof(float), "second moments");
        if (!p->grad || !p->m || !p->v) return -1;
    }
    float *row = mem_array(C, sizeof *row);
    for (size_t r = 0; r < (size_t)old.rows; r++) {
        param_get(m, &old, r * C, C, row);
        param_put(m, p, r * C, C, row);
    }
    free(row);
    return 0;
}

int model_add_tokens(struct model *m, int vocab, const int *const *mean_of, const int *n, int count)
{
    if (check_means(m, vocab, mean_of, n, count)) return -1;
    struct param *both[2] = { m->dec.embed, m->dec.head };
    int all = mem_max(vocab, m->cfg.text.vocab);
    for (int i = 0; i < (m->cfg.text.tied ? 1 : 2); i++) {
        struct param *p = both[i];
        float *x = means(m, p, mean_of, n, count);
        bool mapped = !param_trained(m, p);                /* maybe: then it cannot be written to */
        int bad = (all > p->rows || mapped) && regrow(m, p, all);
        if (!bad) param_put(m, p, (size_t)(vocab - count) * (size_t)p->cols, (size_t)count * (size_t)p->cols, x);
        free(x);
        if (bad) return -1;
    }
    m->cfg.text.vocab = all;
    if (m->o->sync(m->o)) return -1;
    model_digest_now(m);
    return 0;
}
