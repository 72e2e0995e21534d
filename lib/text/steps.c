/* SPDX-License-Identifier: Apache-2.0 */
#include "text/steps.h"

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

/* ---- the parser: a cursor, and the first reason for which it stopped ---- */

struct cursor { const char *s; size_t n, i; const char *why; };

static bool stop(struct cursor *c, const char *why)
{
    if (!c->why) c->why = why;
    return false;
}

static void skip_space(struct cursor *c)
{
    while (c->i < c->n && is_space(c->s[c->i])) c->i++;
}

static bool peek(struct cursor *c, enum step_token t)
{
    skip_space(c);
    return starts_with(c->s + c->i, c->n - c->i, step_tokens[t].text);
}

/* Takes the marker t, or stops: `missing` when another marker or the end stands there. */
static bool take(struct cursor *c, enum step_token t, const char *missing)
{
    if (peek(c, t)) {
        c->i += strlen(step_tokens[t].text);
        return true;
    }
    if (c->i == c->n) return stop(c, "cut off");
    return stop(c, marker_at(c->s + c->i, c->n - c->i) == STEP_TOKENS ? "text between markers" : missing);
}

/* open CONTENT close, where CONTENT holds no marker. */
static bool take_field(struct cursor *c, enum step_token open, enum step_token close, const char *missing,
                       const char *unclosed, struct slice *out)
{
    enum step_token next;
    if (!take(c, open, missing)) return false;
    size_t len = marker_find(c->s + c->i, c->n - c->i, &next);
    if (next == STEP_TOKENS) return stop(c, "cut off");
    if (next != close) return stop(c, unclosed);
    *out = (struct slice){ c->s + c->i, len };
    c->i += len + strlen(step_tokens[close].text);
    return true;
}

static enum step_token take_tag(struct cursor *c)
{
    size_t at = c->i;
    for (int t = TOK_TAG; t <= TOK_BAD; t++)
        if (peek(c, (enum step_token)t)) {
            c->i += strlen(step_tokens[t].text);
            return (enum step_token)t;
        }
    c->i = at;
    return (enum step_token)0;
}

static bool take_step(struct cursor *c, struct step *st)
{
    if (!take(c, TOK_STEP_START, "no step start")) return false;
    st->begin = c->i - strlen(step_tokens[TOK_STEP_START].text);
    if (!take_field(c, TOK_NAME_START, TOK_NAME_END, "no step name", "name not closed", &st->name)
        || !take_field(c, TOK_THOUGHT_START, TOK_THOUGHT_END, "no thought", "thought not closed", &st->thought)
        || !take_field(c, TOK_REFLECTION_START, TOK_REFLECTION_END, "no reflection", "reflection not closed",
                       &st->reflection))
        return false;
    if (!slice_trim(st->thought).n) return stop(c, "no thought");
    if (!take(c, TOK_STEP_END, "step not closed")) return false;
    st->end = c->i;
    st->tag = take_tag(c);
    return true;
}

/* The marker and all steps behind it; c->why is set if it stopped before <|reasoning_end|>. Leaves the cursor behind
 * the last complete step. */
static void take_steps(struct cursor *c, struct arena *a, struct chain *ch)
{
    int room = 0;
    if (!peek(c, TOK_REASONING_START)) {
        stop(c, "no reasoning start");
        return;
    }
    c->i += strlen(step_tokens[TOK_REASONING_START].text);
    for (;;) {
        size_t at = c->i;
        bool last = peek(c, TOK_REASONING_END);
        c->i = at;
        if (last) break;
        if (ch->nstep == room) {
            struct step *old = ch->step;
            room = room ? room * 2 : 8;
            ch->step = arena_alloc(a, (size_t)room * sizeof *ch->step);
            if (old) memcpy(ch->step, old, (size_t)ch->nstep * sizeof *old);
        }
        struct step st = {0};
        if ((ch->nstep && !take(c, TOK_PROCEED, "no proceed marker")) || !take_step(c, &st)) {
            c->i = at;
            return;
        }
        ch->step[ch->nstep++] = st;
    }
    if (!ch->nstep) stop(c, "no step");
}

static bool take_answer(struct cursor *c, struct chain *ch)
{
    if (!take(c, TOK_REASONING_END, "no reasoning end")) return false;
    skip_space(c);
    if (!starts_with(c->s + c->i, c->n - c->i, answer_line))
        return stop(c, c->i == c->n ? "no answer" : "no answer line");
    c->i += strlen(answer_line);
    skip_space(c);
    if (c->i == c->n) return stop(c, "no answer");
    size_t begin = c->i;
    if (!take_field(c, TOK_ANSWER_START, TOK_ANSWER_END, "no answer", "answer not closed", &ch->answer)) return false;
    if (!slice_trim(ch->answer).n) return stop(c, "no answer");
    ch->answer_begin = begin;
    ch->answer_end = c->i;
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
    struct cursor cur = { text, n, 0, NULL };
    *c = (struct chain){0};
    *strict = false;
    *why = NULL;
    take_steps(&cur, a, c);
    bool in_steps = cur.why != NULL;
    if (!cur.why && take_answer(&cur, c)) {
        skip_space(&cur);
        if (cur.i < n) stop(&cur, "text behind the answer");
        if (!tags_even(c)) stop(&cur, "tags not behind every step");
    }
    if (!cur.why) {
        *strict = writes_back(c, text, n);
        return 0;
    }
    *why = cur.why;
    if (in_steps && strcmp(cur.why, "no reasoning start") && strcmp(cur.why, "no step"))
        return fail("step %d: %s", c->nstep + 1, cur.why);
    return fail("%s", cur.why);
}

size_t chain_parse_prefix(const char *text, size_t n, struct arena *a, struct chain *c)
{
    struct cursor cur = { text, n, 0, NULL };
    *c = (struct chain){0};
    take_steps(&cur, a, c);
    size_t done = c->nstep ? cur.i : 0;
    if (!cur.why && take_answer(&cur, c)) done = cur.i;
    if (done > n) done = n;
    return done;
}

/* ---- writing ---- */

static void put(struct buf *out, enum step_token t) { buf_str(out, step_tokens[t].text); }

static void put_field(struct buf *out, enum step_token open, struct slice s, enum step_token close)
{
    put(out, open);
    buf_add(out, s.p, s.n);
    put(out, close);
}

static void put_tag(struct buf *out, int flags, enum step_token tag)
{
    if (flags & STEPS_LABELS) {
        if (tag) put(out, tag);
    } else if (flags & STEPS_TAGS) {
        put(out, TOK_TAG);
    }
}

void chain_write(const struct chain *c, int flags, struct buf *out)
{
    put(out, TOK_REASONING_START);
    buf_byte(out, '\n');
    for (int i = 0; i < c->nstep; i++) {
        const struct step *st = &c->step[i];
        if (i) put(out, TOK_PROCEED), buf_byte(out, '\n');
        put(out, TOK_STEP_START), buf_byte(out, '\n');
        put_field(out, TOK_NAME_START, st->name, TOK_NAME_END), buf_byte(out, '\n');
        put_field(out, TOK_THOUGHT_START, st->thought, TOK_THOUGHT_END), buf_byte(out, '\n');
        put_field(out, TOK_REFLECTION_START, st->reflection, TOK_REFLECTION_END), buf_byte(out, '\n');
        put(out, TOK_STEP_END);
        put_tag(out, flags, st->tag);
        buf_byte(out, '\n');
    }
    if (flags & STEPS_OPEN) return;
    put(out, TOK_REASONING_END);
    buf_fmt(out, "\n%s\n", answer_line);
    put_field(out, TOK_ANSWER_START, c->answer, TOK_ANSWER_END);
    put_tag(out, flags, c->answer_tag);
}

bool answer_find(const char *text, size_t n, struct slice *answer)
{
    const char *open = step_tokens[TOK_ANSWER_START].text, *close = step_tokens[TOK_ANSWER_END].text;
    const char *b = memmem(text, n, open, strlen(open));
    if (!b) return false;
    b += strlen(open);
    const char *e = memmem(b, n - (size_t)(b - text), close, strlen(close));
    if (!e) return false;
    *answer = slice_trim((struct slice){ b, (size_t)(e - b) });
    return true;
}
