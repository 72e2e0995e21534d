/* SPDX-License-Identifier: Apache-2.0 */
#include "text/steps_priv.h"

#include <stdlib.h>
#include <string.h>

const struct step_token_def step_tokens[STEP_TOKENS] = {
    [TOK_REASONING_START]  = { "<|reasoning_start|>",                 "start of reasoning" },
    [TOK_REASONING_END]    = { "<|reasoning_end|>",                   "end of reasoning" },
    [TOK_PROCEED]          = { "<|reasoning_proceed|>",               "reasoning proceed" },
    [TOK_BACKTRACK]        = { "<|reasoning_backtrack|>",             "reasoning backtrack" },
    [TOK_STEP_START]       = { "<|reasoning_step_start|>",            "start of reasoning step" },
    [TOK_STEP_END]         = { "<|reasoning_step_end|>",              "end of reasoning step" },
    [TOK_NAME_START]       = { "<|reasoning_step_name_start|>",       "start of reasoning step name" },
    [TOK_NAME_END]         = { "<|reasoning_step_name_end|>",         "end of reasoning step name" },
    [TOK_THOUGHT_START]    = { "<|reasoning_step_thought_start|>",    "start of reasoning step thought" },
    [TOK_THOUGHT_END]      = { "<|reasoning_step_thought_end|>",      "end of reasoning step thought" },
    [TOK_REFLECTION_START] = { "<|reasoning_step_reflection_start|>", "start of reasoning step reflection" },
    [TOK_REFLECTION_END]   = { "<|reasoning_step_reflection_end|>",   "end of reasoning step reflection" },
    [TOK_ANSWER_START]     = { "<|answer_start|>",                    "start of answer" },
    [TOK_ANSWER_END]       = { "<|answer_end|>",                      "end of answer" },
    [TOK_TAG]              = { "ки",                                  "step tag to label" },
    [TOK_GOOD]             = { "к+и",                                 "correct step" },
    [TOK_BAD]              = { "к-и",                                 "bad step" },
};

static const char answer_line[] = "Answer:";

static bool is_space(char ch) { return ch == ' ' || (ch >= '\t' && ch <= '\r'); }

struct slice slice_trim(struct slice s)
{
    while (s.n && is_space(s.p[0])) s.p++, s.n--;
    while (s.n && is_space(s.p[s.n - 1])) s.n--;
    return s;
}

static bool starts_with(const char *s, size_t n, const char *what)
{
    size_t k = strlen(what);
    return n >= k && !memcmp(s, what, k);
}

/* The marker that starts exactly here; STEP_TOKENS if none. */
static enum step_token marker_at(const char *s, size_t n)
{
    if (n < 2 || s[0] != '<' || s[1] != '|') return STEP_TOKENS;
    for (int t = 0; t < TOK_TAG; t++)
        if (starts_with(s, n, step_tokens[t].text)) return (enum step_token)t;
    return STEP_TOKENS;
}

size_t marker_find(const char *text, size_t n, enum step_token *which)
{
    for (size_t i = 0; i < n;) {
        const char *p = memchr(text + i, '<', n - i);
        if (!p) break;
        i = (size_t)(p - text);
        *which = marker_at(p, n - i);
        if (*which != STEP_TOKENS) return i;
        i++;
    }
    *which = STEP_TOKENS;
    return n;
}

/* ---- a response as markers and what stands between them ---- */

static void lex(const char *text, size_t n, struct arena *a, struct items *out)
{
    enum step_token t;
    size_t markers = 0;
    for (size_t i = 0, at; (at = marker_find(text + i, n - i, &t)), t != STEP_TOKENS; i += at + strlen(step_tokens[t].text)) markers++;
    out->v = arena_alloc(a, (2 * markers + 1) * sizeof *out->v);
    out->n = 0;
    for (size_t i = 0; i < n;) {
        size_t at = marker_find(text + i, n - i, &t);
        if (at) out->v[out->n++] = (struct item){ STEP_TOKENS, { text + i, at }, i, i + at };
        i += at;
        if (t == STEP_TOKENS) break;
        size_t len = strlen(step_tokens[t].text);
        out->v[out->n++] = (struct item){ t, { text + i, len }, i, i + len };
        i += len;
    }
}

/* ---- the parser: a cursor, and the first reason for which it stopped ---- */

struct cursor { const struct item *v; int n, i; const char *why; };

static bool stop(struct cursor *c, const char *why)
{
    if (!c->why) c->why = why;
    return false;
}

static bool at_text(const struct cursor *c) { return c->i < c->n && c->v[c->i].marker == STEP_TOKENS; }

static bool peek(struct cursor *c, enum step_token t)
{
    if (at_text(c) && !slice_trim(c->v[c->i].text).n) c->i++;
    return c->i < c->n && c->v[c->i].marker == t;
}

/* Takes the marker t, or stops: `missing` when another marker stands there. */
static bool take(struct cursor *c, enum step_token t, const char *missing)
{
    if (peek(c, t)) return c->i++, true;
    if (c->i == c->n) return stop(c, "cut off");
    return stop(c, at_text(c) ? "text between markers" : missing);
}

/* open CONTENT close, where CONTENT holds no marker. */
static bool take_field(struct cursor *c, enum step_token open, enum step_token close, const char *missing,
                       const char *unclosed, struct slice *out)
{
    if (!take(c, open, missing)) return false;
    *out = (struct slice){ "", 0 };
    if (at_text(c)) *out = c->v[c->i++].text;
    if (c->i == c->n) return stop(c, "cut off");
    return c->v[c->i].marker == close ? (c->i++, true) : stop(c, unclosed);
}

/* A tag alone between two markers, or at the end. */
static enum step_token take_tag(struct cursor *c)
{
    if (!at_text(c)) return (enum step_token)0;
    struct slice s = slice_trim(c->v[c->i].text);
    for (int t = TOK_TAG; t <= TOK_BAD; t++)
        if (s.n == strlen(step_tokens[t].text) && !memcmp(s.p, step_tokens[t].text, s.n)) return c->i++, (enum step_token)t;
    return (enum step_token)0;
}

static bool take_step(struct cursor *c, struct step *st)
{
    if (!take(c, TOK_STEP_START, "no step start")) return false;
    st->begin = c->v[c->i - 1].begin;
    if (!take_field(c, TOK_NAME_START, TOK_NAME_END, "no step name", "name not closed", &st->name)
        || !take_field(c, TOK_THOUGHT_START, TOK_THOUGHT_END, "no thought", "thought not closed", &st->thought)
        || !take_field(c, TOK_REFLECTION_START, TOK_REFLECTION_END, "no reflection", "reflection not closed",
                       &st->reflection))
        return false;
    if (!slice_trim(st->thought).n) return stop(c, "no thought");
    if (!take(c, TOK_STEP_END, "step not closed")) return false;
    st->end = c->v[c->i - 1].end;
    st->tag = take_tag(c);
    return true;
}

/* The marker and all steps behind it; c->why is set if it stopped before <|reasoning_end|>. */
static void take_steps(struct cursor *c, struct arena *a, struct chain *ch)
{
    int room = 0;
    if (!peek(c, TOK_REASONING_START)) {
        stop(c, "no reasoning start");
        return;
    }
    for (int i = c->i++; i < c->n; i++) room += c->v[i].marker == TOK_STEP_START;
    ch->step = arena_alloc(a, (size_t)room * sizeof *ch->step);
    while (!peek(c, TOK_REASONING_END)) {
        struct step st = {0};
        if ((ch->nstep && !take(c, TOK_PROCEED, "no proceed marker")) || !take_step(c, &st)) return;
        ch->step[ch->nstep++] = st;
    }
    if (!ch->nstep) stop(c, "no step");
}

static bool take_answer_line(struct cursor *c)
{
    struct slice s = { "", 0 };
    if (at_text(c)) s = slice_trim(c->v[c->i++].text);
    if (s.n == strlen(answer_line) && !memcmp(s.p, answer_line, s.n)) return true;
    return stop(c, !s.n && c->i == c->n ? "no answer" : "no answer line");
}

static bool take_answer(struct cursor *c, struct chain *ch)
{
    if (!take(c, TOK_REASONING_END, "no reasoning end") || !take_answer_line(c)) return false;
    if (c->i == c->n) return stop(c, "no answer");
    size_t begin = c->v[c->i].begin;
    if (!take_field(c, TOK_ANSWER_START, TOK_ANSWER_END, "no answer", "answer not closed", &ch->answer)) return false;
    if (!slice_trim(ch->answer).n) return stop(c, "no answer");
    ch->answer_begin = begin;
    ch->answer_end = c->v[c->i - 1].end;
    ch->answer_tag = take_tag(c);
    ch->has_answer = true;
    return true;
}

static bool tags_even(const struct chain *c)
{
    for (int i = 0; i < c->nstep; i++)
        if (!c->step[i].tag != !c->answer_tag) return false;
    return true;
}

int items_parse(const struct items *in, struct arena *a, struct chain *c, const char **why)
{
    struct cursor cur = { in->v, in->n, 0, NULL };
    *c = (struct chain){0};
    take_steps(&cur, a, c);
    bool in_steps = cur.why != NULL && c->step;
    if (!cur.why && take_answer(&cur, c)) {
        if (at_text(&cur) && !slice_trim(cur.v[cur.i].text).n) cur.i++;
        if (cur.i < cur.n) stop(&cur, "text behind the answer");
        if (!tags_even(c)) stop(&cur, "tags not behind every step");
    }
    *why = cur.why;
    if (!cur.why) return 0;
    if (in_steps && strcmp(cur.why, "no step")) return fail("step %d: %s", c->nstep + 1, cur.why);
    return fail("%s", cur.why);
}

static bool writes_back(const struct chain *c, const char *text, size_t n)
{
    struct buf b = {0};
    chain_write(c, STEPS_LABELS, &b);
    bool same = b.len == n && !memcmp(b.p, text, n);
    buf_free(&b);
    return same;
}

int chain_parse(const char *text, size_t n, struct arena *a, struct chain *c, bool *strict, const char **why)
{
    struct items it;
    lex(text, n, a, &it);
    int status = items_parse(&it, a, c, why);
    *strict = !status && writes_back(c, text, n);
    return status;
}

void chain_parse_prefix(const char *text, size_t n, struct arena *a, struct chain *c)
{
    struct items it;
    const char *why;
    lex(text, n, a, &it);
    if (items_parse(&it, a, c, &why)) return;      /* what was whole before it stopped is there all the same */
}

/* ---- writing ---- */

struct maker { struct items *out; int flags; };

static void put(struct maker *m, enum step_token t)
{
    m->out->v[m->out->n++] = (struct item){ .marker = t, .text = { step_tokens[t].text, strlen(step_tokens[t].text) } };
}

static void put_text(struct maker *m, struct slice s)
{
    if (s.n) m->out->v[m->out->n++] = (struct item){ .marker = STEP_TOKENS, .text = s };
}

static void put_field(struct maker *m, enum step_token open, struct slice s, enum step_token close)
{
    put(m, open);
    put_text(m, s);
    put(m, close);
}

static void put_tag(struct maker *m, enum step_token tag)
{
    if (m->flags & STEPS_LABELS) {
        if (tag) put(m, tag);
    } else if (m->flags & STEPS_TAGS) {
        put(m, TOK_TAG);
    }
}

enum { STEP_ITEMS = 19, FRAME_ITEMS = 8 };         /* at most: of one step with what leads to it; of the rest */

void items_make(const struct chain *c, int flags, struct arena *a, struct items *out)
{
    static const struct slice newline = { "\n", 1 }, line = { "\nAnswer:\n", 9 };
    struct maker m = { out, flags };
    out->v = arena_alloc(a, ((size_t)c->nstep * STEP_ITEMS + FRAME_ITEMS) * sizeof *out->v);
    out->n = 0;
    bool bare = !c->nstep && !(flags & STEPS_OPEN);
    if (!bare) put(&m, TOK_REASONING_START), put_text(&m, newline);
    for (int i = 0; i < c->nstep; i++) {
        const struct step *st = &c->step[i];
        if (i) put(&m, TOK_PROCEED), put_text(&m, newline);
        put(&m, TOK_STEP_START), put_text(&m, newline);
        put_field(&m, TOK_NAME_START, st->name, TOK_NAME_END), put_text(&m, newline);
        put_field(&m, TOK_THOUGHT_START, st->thought, TOK_THOUGHT_END), put_text(&m, newline);
        put_field(&m, TOK_REFLECTION_START, st->reflection, TOK_REFLECTION_END), put_text(&m, newline);
        put(&m, TOK_STEP_END);
        put_tag(&m, st->tag);
        put_text(&m, newline);
    }
    if (flags & STEPS_OPEN) return;
    if (!bare) put(&m, TOK_REASONING_END), put_text(&m, line);
    put_field(&m, TOK_ANSWER_START, c->answer, TOK_ANSWER_END);
    put_tag(&m, c->answer_tag);
}

void chain_write(const struct chain *c, int flags, struct buf *out)
{
    struct arena a = {0};
    struct items it;
    items_make(c, flags, &a, &it);
    for (int i = 0; i < it.n; i++) buf_add(out, it.v[i].text.p, it.v[i].text.n);
    arena_free(&a);
}

bool answer_find(const char *text, size_t n, struct slice *answer)
{
    const char *open = step_tokens[TOK_ANSWER_START].text, *close = step_tokens[TOK_ANSWER_END].text;
    const char *b = memmem(text, n, open, strlen(open)), *e;
    if (!b || !memmem(text, n, close, strlen(close))) return false;
    b += strlen(open);
    struct slice s = { b, n - (size_t)(b - text) };
    if ((e = memmem(s.p, s.n, open, strlen(open)))) s.n = (size_t)(e - s.p);
    if ((e = memmem(s.p, s.n, close, strlen(close)))) s.n = (size_t)(e - s.p);
    *answer = slice_trim(s);
    return true;
}
