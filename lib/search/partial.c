/* SPDX-License-Identifier: Apache-2.0 */
#include "search/partial.h"

#include <stdlib.h>
#include <string.h>
#include "record/path.h"
#include "text/response.h"

bool path_open(const val *path)
{
    const val *answer = val_get(path, "answer"), *end = val_get(path, "end");
    if (answer && answer->type != MSGPACK_OBJECT_NIL) return false;
    return !end || end->type == MSGPACK_OBJECT_NIL || val_is_str(end, "step");
}

void partial_free(struct partial *p)
{
    free(p->token);
    free(p->logprob);
    free(p->end);
    *p = (struct partial){ 0 };
}

/* The path's own tokens up to behind its last step. 1; 0: it has none that this model could read; -1: they are not what
 * the steps say. */
static int own_tokens(const struct model_io *io, const char *digest, const val *path, int nstep, struct partial *out)
{
    const uint32_t *id;
    const float *lp;
    size_t n, nlp;
    struct arena a = { 0 };
    struct chain c;
    const char *why;
    if (!val_is_str(val_get(path, "tokenizer"), tok_digest(io->tok)) || !val_u32s(val_get(path, "tokens"), &id, &n)) return 0;
    bool same = response_decode(io->tok, id, n, &a, &c, &why) && c.nstep == nstep;     /* and not a whole response */
    out->end = mem_array((size_t)nstep, sizeof *out->end);
    for (int i = 0; i < nstep && same; i++) out->end[i] = (int)c.step[i].end;
    arena_free(&a);
    if (!same) return fail("the tokens are not those of the path's %d steps", nstep);
    out->nstep = nstep;
    out->n = out->end[nstep - 1];
    out->token = mem_array((size_t)out->n, sizeof *id);
    memcpy(out->token, id, (size_t)out->n * sizeof *id);
    if (!val_f32s(val_get(val_get(path, "logprobs"), digest), &lp, &nlp) || nlp < (size_t)out->n) return 1;
    out->logprob = mem_array((size_t)out->n, sizeof *lp);
    memcpy(out->logprob, lp, (size_t)out->n * sizeof *lp);
    return 1;
}

static int encode(const struct model_io *io, const struct chain *c, struct partial *out)
{
    struct response r = { 0 };
    int bad = response_encode(io->tok, c, STEPS_OPEN, &r);
    if (!bad) {
        out->end = mem_array((size_t)r.nstep, sizeof *out->end);
        for (int i = 0; i < r.nstep; i++) out->end[i] = r.step[i].end;
        out->nstep = r.nstep;
        out->n = out->end[r.nstep - 1];
        out->token = r.ids.id;
        r.ids.id = NULL;
    }
    response_free(&r);
    return bad;
}

int partial_read(const struct model_io *io, const char *model_digest, const val *path, struct partial *out)
{
    struct arena a = { 0 };
    struct chain c = { 0 };
    *out = (struct partial){ 0 };
    int bad = path ? path_to_chain(path, &a, &c) : 0;
    if (!bad && c.nstep) {
        int own = own_tokens(io, model_digest, path, c.nstep, out);
        bad = own < 0 || (own == 0 && encode(io, &c, out)) ? -1 : 0;
    }
    arena_free(&a);
    if (bad) partial_free(out);
    return bad;
}

void partial_join(const struct partial *p, const struct gen_path *more, struct partial *out)
{
    size_t a = (size_t)p->n, b = (size_t)more->n;
    *out = (struct partial){ .n = p->n + more->n };
    out->token = mem_array(a + b, sizeof *out->token);
    if (a) memcpy(out->token, p->token, a * sizeof *out->token);
    memcpy(out->token + a, more->token, b * sizeof *out->token);
    if (a && !p->logprob) return;
    out->logprob = mem_array(a + b, sizeof *out->logprob);
    if (a) memcpy(out->logprob, p->logprob, a * sizeof *out->logprob);
    memcpy(out->logprob + a, more->logprob, b * sizeof *out->logprob);
}

void partial_steps(struct partial *p, const val *path)
{
    const val *steps = val_get(path, "steps");
    int64_t end;
    p->nstep = 0;
    p->end = mem_grow(p->end, (size_t)mem_max(1, val_len(steps)), sizeof *p->end);
    while (p->nstep < val_len(steps) && val_i64(val_at(val_get(val_at(steps, p->nstep), "span"), 1), &end)) p->end[p->nstep++] = (int)end;
}
