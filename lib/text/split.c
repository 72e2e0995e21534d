/* SPDX-License-Identifier: Apache-2.0 */
#include "text/split.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const char split_gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

enum { PATTERN_MAX = 1 << 16, MATCH_LIMIT = 10 * 1000 * 1000, HEAP_LIMIT_KIB = 256 << 10 };

/* ---- patterns ---- */

/* Oniguruma's \s and \w as sets: PCRE2 counts U+180E among white space, and only letters, numbers and _ as \w. */
#define SPACE_SET "\\x{9}-\\x{D}\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define WORD_SET "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}"

/* One escape, s pointing behind the backslash. Returns the bytes taken, or -1. */
static int translate_escape(const char *s, size_t n, bool in_class, struct buf *out)
{
    const char *set = s[0] == 's' || s[0] == 'S' ? SPACE_SET : s[0] == 'w' || s[0] == 'W' ? WORD_SET : NULL;
    bool negated = s[0] == 'S' || s[0] == 'W';
    if (set && !in_class) return buf_fmt(out, negated ? "[^%s]" : "[%s]", set), 1;
    if (set && !negated) return buf_str(out, set), 1;
    if (s[0] == 'h' || s[0] == 'H') return fail("pattern: \\%c (hexadecimal digit) is not supported", s[0]);
    if (s[0] == 'u') {
        if (n < 5 || strspn(s + 1, "0123456789abcdefABCDEF") < 4) return fail("pattern: \\u wants four digits");
        return buf_fmt(out, "\\x{%.4s}", s + 1), 5;
    }
    buf_byte(out, '\\');                         /* [\S] too, where the two differ in U+180E alone */
    buf_byte(out, s[0]);
    return 1;
}

/* Oniguruma (Ruby syntax) to PCRE2; refuses set operations, which PCRE2 would read as plain characters. */
static int translate(const char *s, size_t n, struct buf *out)
{
    bool in_class = false;
    size_t class_at = 0;
    for (size_t i = 0; i < n; i++) {
        if (!s[i]) return fail("pattern: a NUL at byte %zu", i);
        if (s[i] == '\\' && i + 1 < n) {
            int k = translate_escape(s + i + 1, n - i - 1, in_class, out);
            if (k < 0) return -1;
            i += (size_t)k;
            continue;
        }
        if (in_class) {
            bool first = i == class_at + 1 || (i == class_at + 2 && s[i - 1] == '^');
            if (s[i] == '[' && !(i + 1 < n && s[i + 1] == ':')) return fail("pattern: a set inside a set is not supported");
            if (s[i] == '&' && i + 1 < n && s[i + 1] == '&') return fail("pattern: && in a set is not supported");
            if (s[i] == '[') {                   /* [:alpha:] */
                const char *close = memmem(s + i, n - i, ":]", 2);
                if (!close) return fail("pattern: [: without :]");
                buf_add(out, s + i, (size_t)(close - (s + i)) + 2);
                i = (size_t)(close - s) + 1;
                continue;
            }
            if (s[i] == ']' && !first) in_class = false;
        } else if (s[i] == '[') {
            in_class = true;
            class_at = i;
        }
        buf_byte(out, s[i]);
    }
    return 0;
}

static pcre2_code *compile(const char *pattern, size_t n)
{
    struct buf b = {0};
    int error;
    PCRE2_SIZE at;
    pcre2_code *code = NULL;
    pcre2_compile_context *ctx = pcre2_compile_context_create(NULL);
    if (!ctx) return fail_null("pattern: out of memory");
    pcre2_set_newline(ctx, PCRE2_NEWLINE_LF);
    if (!translate(pattern, n, &b)) {
        code = pcre2_compile((PCRE2_SPTR)(b.p ? b.p : ""), b.len, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE
                             | PCRE2_NEVER_BACKSLASH_C, &error, &at, ctx);
        if (!code) {
            char msg[120];
            pcre2_get_error_message(error, (PCRE2_UCHAR *)msg, sizeof msg);
            fail("pattern: %s", msg);
        }
    }
    pcre2_compile_context_free(ctx);
    buf_free(&b);
    if (code) pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);   /* without JIT it is only slower */
    return code;
}

int splitter_add(struct splitter *s, const char *pattern, size_t n, enum split_how how, bool invert)
{
    if (n > PATTERN_MAX) return fail("pattern: %zu bytes, at most %d", n, PATTERN_MAX);
    pcre2_code *code = compile(pattern, n);
    if (!code) return -1;
    s->stage = mem_grow(s->stage, (size_t)s->n + 1, sizeof *s->stage);
    s->stage[s->n++] = (struct split_stage){ code, mem_strn(pattern, n), how, invert };
    return 0;
}

void splitter_add_space(struct splitter *s)
{
    s->stage = mem_grow(s->stage, (size_t)s->n + 1, sizeof *s->stage);
    s->stage[s->n++] = (struct split_stage){ .pattern = mem_str("") };
}

void splitter_free(struct splitter *s)
{
    for (int i = 0; i < s->n; i++) {
        pcre2_code_free(s->stage[i].code);
        free(s->stage[i].pattern);
    }
    free(s->stage);
    *s = (struct splitter){0};
}

/* ---- cutting ---- */

void split_work_free(struct split_work *w)
{
    free(w->word);
    free(w->next);
    pcre2_match_data_free(w->match);
    pcre2_match_context_free(w->limits);
    *w = (struct split_work){0};
}

static void put_word(struct split_work *w, struct word v)
{
    if (w->nnext == w->next_cap) {
        w->next_cap = w->next_cap ? 2 * w->next_cap : 64;
        w->next = mem_grow(w->next, w->next_cap, sizeof *w->next);
    }
    w->next[w->nnext++] = v;
}

static struct word sub_word(const struct word *v, size_t from, size_t to)
{
    uint8_t lead = from < v->lead ? (uint8_t)(v->lead - from) : 0;
    return (struct word){ v->p + from, to - from, v->at + (from > v->lead ? from - v->lead : 0), lead };
}

/* The pieces of one word as a stage's behaviour joins them; `open` is the piece that may still grow. */
struct joiner { struct split_work *w; const struct word *v; size_t from, to; bool open, last; };

static void join_flush(struct joiner *j)
{
    if (j->open && j->to > j->from) put_word(j->w, sub_word(j->v, j->from, j->to));
    j->open = false;
}

static void join_piece(struct joiner *j, enum split_how how, size_t from, size_t to, bool match)
{
    bool was = j->last, grows = false;
    j->last = match;
    switch (how) {
    case SPLIT_REMOVED:
        if (match) return;
        break;
    case SPLIT_PREVIOUS:   grows = match && !was; break;
    case SPLIT_NEXT:       grows = was && !match; break;
    case SPLIT_CONTIGUOUS: grows = was == match; break;
    case SPLIT_ISOLATED:   break;
    }
    if (grows && j->open) {
        j->to = to;
        return;
    }
    join_flush(j);
    j->from = from, j->to = to, j->open = true;
}

static int match_once(const pcre2_code *code, struct split_work *w, const struct word *v, size_t from)
{
    int rc = pcre2_match(code, (PCRE2_SPTR)v->p, v->n, from, PCRE2_NO_UTF_CHECK, w->match, w->limits);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(code, (PCRE2_SPTR)v->p, v->n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, w->match, w->limits);
    if (rc >= 0) return 1;
    if (rc == PCRE2_ERROR_NOMATCH) return 0;
    char msg[120];
    pcre2_get_error_message(rc, (PCRE2_UCHAR *)msg, sizeof msg);
    return fail("splitting text: %s", msg);
}

static int cut_word(const struct split_stage *st, struct split_work *w, const struct word *v)
{
    struct joiner j = { .w = w, .v = v };
    size_t done = 0, at = 0;
    int rc;
    while (at <= v->n && (rc = match_once(st->code, w, v, at)) > 0) {
        const PCRE2_SIZE *o = pcre2_get_ovector_pointer(w->match);
        size_t from = o[0], to = o[1];
        if (from < done || to < from) return fail("splitting text: the pattern matches backwards");
        if (from > done) join_piece(&j, st->how, done, from, st->invert);
        if (to > from) join_piece(&j, st->how, from, to, !st->invert);
        done = to;
        at = to > from ? to : to + 1;
        while (at < v->n && to == from && ((unsigned char)v->p[at] & 0xC0) == 0x80) at++;
    }
    if (at <= v->n && rc < 0) return -1;
    if (done < v->n) join_piece(&j, st->how, done, v->n, st->invert);
    join_flush(&j);
    return 0;
}

static void lead_space(struct split_work *w, struct arena *a, const struct word *v)
{
    if (v->n && v->p[0] == ' ') {
        put_word(w, *v);
        return;
    }
    char *p = arena_alloc(a, v->n + 1);
    p[0] = ' ';
    if (v->n) memcpy(p + 1, v->p, v->n);
    put_word(w, (struct word){ p, v->n + 1, v->at, (uint8_t)(v->lead + 1) });
}

static void swap_lists(struct split_work *w)
{
    struct split_work t = *w;
    w->word = t.next, w->n = t.nnext, w->cap = t.next_cap;
    w->next = t.word, w->nnext = 0, w->next_cap = t.cap;
}

static int work_ready(struct split_work *w)
{
    if (w->limits) return 0;
    w->match = pcre2_match_data_create(1, NULL);
    w->limits = pcre2_match_context_create(NULL);
    if (!w->match || !w->limits) return fail("splitting text: out of memory");
    pcre2_set_match_limit(w->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(w->limits, HEAP_LIMIT_KIB);
    return 0;
}

int split_text(const struct splitter *s, struct split_work *w, struct arena *a, const char *text, size_t n)
{
    if (work_ready(w)) return -1;
    w->nnext = 0;
    put_word(w, (struct word){ text, n, 0, 0 });
    swap_lists(w);
    for (int i = 0; i < s->n; i++) {
        for (size_t k = 0; k < w->n; k++) {
            const struct word v = w->word[k];
            if (!s->stage[i].code) lead_space(w, a, &v);
            else if (cut_word(&s->stage[i], w, &v)) return -1;
        }
        swap_lists(w);
    }
    return 0;
}
