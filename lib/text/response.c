/* SPDX-License-Identifier: Apache-2.0 */
#include "text/response.h"

#include <limits.h>
#include <stdlib.h>
#include "text/steps_priv.h"

int step_ids_find(const struct tokenizer *t, struct step_ids *out)
{
    for (int i = 0; i < STEP_TOKENS; i++) {
        out->id[i] = tok_id(t, step_tokens[i].text);
        if (out->id[i] < 0 || !tok_is_special(t, (uint32_t)out->id[i]))
            return fail("the tokenizer lacks the special token %s of the step format", step_tokens[i].text);
    }
    return 0;
}

/* ---- chain to tokens ---- */

/* Notes where steps and the answer begin and end, as their markers pass by. */
static void note_span(struct response *r, enum step_token marker)
{
    int at = (int)r->ids.n;                    /* of the marker itself */
    if (marker == TOK_STEP_START) r->step[r->nstep].begin = at;
    if (marker == TOK_STEP_END) r->step[r->nstep++].end = at + 1;
    if (marker == TOK_ANSWER_START) r->answer.begin = at;
    if (marker == TOK_ANSWER_END) r->answer.end = at + 1;
}

static int encode_items(const struct tokenizer *t, const struct items *it, const struct step_ids *ids, struct response *r)
{
    for (int i = 0; i < it->n; i++) {
        const struct item *v = &it->v[i];
        if (v->marker == STEP_TOKENS) {
            if (tok_encode(t, v->text.p, v->text.n, 0, &r->ids)) return -1;
            if (r->ids.n >= INT_MAX) return fail("the response has more tokens than can be counted");
        } else {
            uint32_t one = (uint32_t)ids->id[v->marker];
            note_span(r, v->marker);
            tok_ids_add(&r->ids, one, 0);
        }
    }
    return 0;
}

int response_encode(const struct tokenizer *t, const struct chain *c, int flags, struct response *r)
{
    struct arena a = {0};
    struct items it;
    struct step_ids ids;
    if (step_ids_find(t, &ids)) return -1;
    r->ids.n = 0;
    r->nstep = 0;
    r->answer = (struct span){0};
    r->step = mem_grow(r->step, (size_t)c->nstep, sizeof *r->step);
    items_make(c, flags, &a, &it);
    int status = encode_items(t, &it, &ids, r);
    arena_free(&a);
    return status;
}

void response_free(struct response *r)
{
    tok_ids_free(&r->ids);
    free(r->step);
    *r = (struct response){0};
}

/* ---- tokens to chain ---- */

static enum step_token marker_of(const struct step_ids *ids, uint32_t id)
{
    for (int t = 0; t < TOK_TAG; t++)
        if ((uint32_t)ids->id[t] == id) return (enum step_token)t;
    return STEP_TOKENS;
}

/* Special tokens at the end that belong to the conversation, not to the response. */
static size_t drop_end(const struct tokenizer *t, const struct step_ids *ids, const uint32_t *id, size_t n)
{
    while (n && tok_is_special(t, id[n - 1]) && marker_of(ids, id[n - 1]) == STEP_TOKENS
           && id[n - 1] != (uint32_t)ids->id[TOK_TAG] && id[n - 1] != (uint32_t)ids->id[TOK_GOOD]
           && id[n - 1] != (uint32_t)ids->id[TOK_BAD])
        n--;
    return n;
}

static void lex_ids(const struct tokenizer *t, const struct step_ids *ids, const uint32_t *id, size_t n, struct arena *a,
                    struct items *out)
{
    struct buf b = {0};
    out->v = arena_alloc(a, (n + 1) * sizeof *out->v);
    out->n = 0;
    for (size_t i = 0, end; i < n; i = end) {
        enum step_token m = marker_of(ids, id[i]);
        struct item *v = &out->v[out->n];
        for (end = i + 1; m == STEP_TOKENS && end < n && marker_of(ids, id[end]) == STEP_TOKENS;) end++;
        *v = (struct item){ .marker = m, .begin = i, .end = end };
        if (m == STEP_TOKENS) {
            buf_clear(&b);
            tok_decode(t, id + i, end - i, 0, &b);
            v->text = (struct slice){ arena_str(a, b.p ? b.p : "", b.len), b.len };
        }
        if (m != STEP_TOKENS || v->text.n) out->n++;
    }
    buf_free(&b);
}

int response_decode(const struct tokenizer *t, const uint32_t *id, size_t n, struct arena *a, struct chain *c,
                    const char **why)
{
    struct step_ids ids;
    struct items it;
    *c = (struct chain){0};
    *why = "no step tokens";
    if (step_ids_find(t, &ids)) return -1;
    lex_ids(t, &ids, id, drop_end(t, &ids, id, n), a, &it);
    return items_parse(&it, a, c, why);
}
