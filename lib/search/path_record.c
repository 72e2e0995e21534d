/* SPDX-License-Identifier: Apache-2.0 */
#include "search/path_record.h"

#include "record/path.h"
#include "text/response.h"

static val span_of(msgpack_zone *z, const struct step *s)
{
    val v = val_array(z, 2);
    *val_at(&v, 0) = val_of_i64((int64_t)s->begin);
    *val_at(&v, 1) = val_of_i64((int64_t)s->end);
    return v;
}

static val text_of(msgpack_zone *z, const struct gen_path *p, const struct model_io *io)
{
    struct buf text = { 0 };
    size_t n = (size_t)p->n;
    for (int i = 0; n && i < io->nstop; i++)
        if (p->token[n - 1] == (uint32_t)io->stop[i]) { n--; break; }
    tok_decode(io->tok, p->token, n, 0, &text);
    val v = val_of_str(z, text.p ? text.p : "", text.len);
    buf_free(&text);
    return v;
}

static val make(msgpack_zone *z, const struct gen_path *p, const struct chain *c, const char *end, const struct model_io *io,
                const char *model_digest)
{
    val path = path_from_chain(z, c), *steps = val_get(&path, "steps"), logprobs = val_map();
    for (int i = 0; i < c->nstep; i++) val_set(z, val_at(steps, i), "span", span_of(z, &c->step[i]));
    val_set(z, &path, "index", val_of_i64((int64_t)p->index));
    val_set(z, &path, "end", val_of_cstr(z, end));
    if (end[0] == 'f') val_set(z, &path, "text", text_of(z, p, io));
    val_set(z, &path, "tokens", val_of_u32s(z, p->token, (size_t)p->n));
    if (p->logprob) val_set(z, &logprobs, model_digest, val_of_f32s(z, p->logprob, (size_t)p->n));
    if (p->logprob) val_set(z, &path, "logprobs", logprobs);
    val_set(z, &path, "tokenizer", val_of_cstr(z, tok_digest(io->tok)));
    return path;
}

val path_record(msgpack_zone *z, const struct gen_path *p, const struct model_io *io, const char *model_digest)
{
    struct arena a = { 0 };
    struct chain c;
    const char *why;
    bool whole = !response_decode(io->tok, p->token, (size_t)p->n, &a, &c, &why);
    val path = make(z, p, &c, p->end == GEN_LENGTH ? "length" : whole ? "stop" : "format", io, model_digest);
    arena_free(&a);
    return path;
}

static const char *end_of_step(const struct gen_path *p, const struct chain *c, const struct step_rule *rule)
{
    if (!c->nstep || c->step[c->nstep - 1].end != (size_t)p->n) return "format";
    return p->n >= rule->max_tokens || (rule->max_steps && c->nstep > rule->max_steps) ? "length" : "step";
}

val path_record_step(msgpack_zone *z, const struct gen_path *p, const struct model_io *io, const char *model_digest,
                     const struct step_rule *rule)
{
    struct arena a = { 0 };
    struct chain c;
    const char *why, *end = "length";
    bool whole = !response_decode(io->tok, p->token, (size_t)p->n, &a, &c, &why);
    bool stopped = p->end == GEN_STOP, step = stopped && p->n && p->token[p->n - 1] == (uint32_t)rule->step_end;
    if (step) end = end_of_step(p, &c, rule);
    else if (stopped) end = whole ? "stop" : "format";
    val path = make(z, p, &c, end, io, model_digest);
    arena_free(&a);
    return path;
}

void path_into(struct record *r, val path)
{
    static const char *const stale[] = { "chosen", "rejected", "scores" };
    for (int i = 0; i < countof(stale); i++) val_remove(&r->root, stale[i]);
    val_set(&r->zone, &r->root, "path", path);
}
