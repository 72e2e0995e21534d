/* SPDX-License-Identifier: Apache-2.0 */
#include "search/path_record.h"

#include <stdlib.h>
#include "record/path.h"
#include "text/steps.h"

/* The bytes of the tokens, and begin[i]: where token i starts in them; begin[n] is the end. */
static size_t *decode(const struct tokenizer *t, const uint32_t *id, int n, struct buf *text)
{
    size_t *begin = mem_array((size_t)n + 1, sizeof *begin);
    for (int i = 0; i < n; i++) {
        const char *p;
        size_t len;
        begin[i] = text->len;
        tok_bytes(t, id[i], &p, &len);
        buf_add(text, p, len);
    }
    begin[n] = text->len;
    return begin;
}

/* The tokens that hold the bytes [from, to): the first that ends behind `from`, up to the last that begins before `to`. */
static val span_of(msgpack_zone *z, const size_t *begin, int n, size_t from, size_t to)
{
    int a = 0, b;
    while (a < n && begin[a + 1] <= from) a++;
    for (b = a; b < n && begin[b] < to;) b++;
    val v = val_array(z, 2);
    *val_at(&v, 0) = val_of_i64(a);
    *val_at(&v, 1) = val_of_i64(b);
    return v;
}

static bool ends_by_token(const struct gen_path *p, const struct model_io *io)
{
    for (int i = 0; p->n && i < io->nstop; i++)
        if (p->token[p->n - 1] == (uint32_t)io->stop[i]) return true;
    return false;
}

val path_record(msgpack_zone *z, const struct gen_path *p, const struct model_io *io, const char *model_digest)
{
    int n = p->n - ends_by_token(p, io);
    struct arena a = { 0 };
    struct buf text = { 0 };
    struct chain c = { 0 };
    bool strict;
    const char *why, *end = p->end == GEN_STOP ? "stop" : "length";
    size_t *begin = decode(io->tok, p->token, n, &text);
    buf_need(&text, 1);
    if (p->end == GEN_LENGTH || chain_parse(text.p, text.len, &a, &c, &strict, &why)) {
        if (p->end == GEN_STOP) end = "format";
        c = (struct chain){ 0 };
        (void)chain_parse_prefix(text.p, text.len, &a, &c);
    }
    val path = path_from_chain(z, &c), *steps = val_get(&path, "steps"), logprobs = val_map();
    for (int i = 0; i < c.nstep; i++) val_set(z, val_at(steps, i), "span", span_of(z, begin, n, c.step[i].begin, c.step[i].end));
    val_set(z, &path, "index", val_of_i64((int64_t)p->index));
    val_set(z, &path, "end", val_of_cstr(z, end));
    if (end[0] == 'f') val_set(z, &path, "text", val_of_str(z, text.p, text.len));
    val_set(z, &path, "tokens", val_of_u32s(z, p->token, (size_t)p->n));
    val_set(z, &logprobs, model_digest, val_of_f32s(z, p->logprob, (size_t)p->n));
    val_set(z, &path, "logprobs", logprobs);
    val_set(z, &path, "tokenizer", val_of_cstr(z, tok_digest(io->tok)));
    free(begin);
    buf_free(&text);
    arena_free(&a);
    return path;
}

void path_into(struct record *r, val path)
{
    static const char *const stale[] = { "chosen", "rejected", "scores" };
    for (int i = 0; i < countof(stale); i++) val_remove(&r->root, stale[i]);
    val_set(&r->zone, &r->root, "path", path);
}
