/* SPDX-License-Identifier: Apache-2.0 */
#include "train/objective.h"

#include <stdlib.h>
#include "record/path.h"
#include "text/response.h"

static const struct sft *self(const struct objective *o) { return (const struct sft *)o; }   /* base comes first */

/* ---- records to examples ---- */

static int chain_of(const struct sft *s, const struct record *r, struct arena *a, struct chain *c, const char **why)
{
    const val *path = val_get(&r->root, "path");
    if (s->response == SFT_STEPS) {
        if (!path) return objective_reject(why, "no path");
        if (path_to_chain(path, a, c)) return *why = "malformed path", -1;
        if (!c->has_answer) return objective_reject(why, "path without an answer");
        return 0;
    }
    const char *p;
    size_t n;
    if (!val_str(val_get(&r->root, "answer"), &p, &n) && !val_str(val_path(&r->root, "path.answer"), &p, &n))
        return objective_reject(why, "no answer");
    *c = (struct chain){ .answer = { p, n }, .has_answer = true };
    return 0;
}

static int encode(const struct objective *o, const struct model_io *io, const struct record *r, struct draft *d, const char **why)
{
    struct arena a = { 0 };
    struct chain c;
    struct response resp = { 0 };
    int bad = chain_of(self(o), r, &a, &c, why);
    if (!bad && response_encode(io->tok, &c, 0, &resp)) bad = (*why = "response that cannot be encoded", -1);
    if (!bad) bad = draft_begin(d, io, r, why);
    if (!bad) draft_response(d, io, resp.ids.id, (int)resp.ids.n);
    response_free(&resp);
    arena_free(&a);
    return bad;
}

/* ---- the loss ---- */

static double weight(const struct objective *o, const struct example *x)
{
    return self(o)->by_example ? 1 : x->seq[0].n - x->seq[0].prompt;
}

static int loss(const struct objective *o, const struct train_pass *p, struct train_sum *sum)
{
    const struct batch *b = p->b;
    for (int i = 0; i < b->in.ntok; i++) b->dlp[i] = 0;
    for (int i = 0; i < b->nseq; i++) {
        const struct batch_seq *s = &b->seq[i];
        const struct train_seq *t = &s->ex->seq[s->which];
        double w = self(o)->by_example ? 1.0 / (t->n - t->prompt) : 1;
        for (int j = t->prompt - 1; j < t->n - 1; j++) b->dlp[batch_row(s, j)] = (float)(-w / p->total);
    }
    if (pass_logprob(p, b->target, b->lp, b->dlp)) return -1;
    for (int i = 0; i < b->in.ntok; i++) sum->loss += (double)b->lp[i] * b->dlp[i];
    return 0;
}

static void settings(const struct objective *o, json_t *out)
{
    json_object_set_new(out, "response", json_string(self(o)->response == SFT_STEPS ? "steps" : "answer"));
    json_object_set_new(out, "loss", json_string(self(o)->by_example ? "example" : "token"));
}

void objective_sft(struct sft *s, enum sft_response response, bool by_example)
{
    *s = (struct sft){ { .name = "sft", .settings = settings, .encode = encode, .weight = weight, .loss = loss }, response, by_example };
}
