/* SPDX-License-Identifier: Apache-2.0
 * Text cut into steps: by the heads of lines, by paragraphs, lines or sentences. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "text/freeform_priv.h"

enum { NAME_MAX_BYTES = 120, WORDS = 4 };      /* WORDS: fewer make no step of their own where others stand around them */

void step_list_add(struct step_list *l, struct slice name, struct slice thought, struct slice text)
{
    name = slice_trim(name), thought = slice_trim(thought);
    if (!thought.n) thought = name, name.n = 0;
    if (!thought.n) return;
    if (name.n > NAME_MAX_BYTES) {             /* a sentence, not a name: it stands before the thought */
        thought.n += (size_t)(thought.p - name.p);
        thought.p = name.p;
        name.n = 0;
    }
    if (l->n == l->room) {
        struct step *old = l->v;
        l->room = l->room ? 2 * l->room : 8;
        l->v = arena_alloc(l->a, (size_t)l->room * sizeof *l->v);
        if (old) memcpy(l->v, old, (size_t)l->n * sizeof *old);
    }
    size_t begin = (size_t)(thought.p - text.p);
    l->v[l->n++] = (struct step){ .name = name, .thought = thought, .reflection = { "", 0 }, .begin = begin,
                                  .end = begin + thought.n };
}

static struct slice until(const char *p, const char *end) { return (struct slice){ p, (size_t)(end - p) }; }

/* ---- heads of lines ---- */

struct head { struct slice title, body; };     /* of a line that begins a step: the rest of the line stands in either */

/* "**Title**: body", "**Title:** body", "**Title**" and, if loose, "**Title** body": the title apart from the body. */
static bool bold_title(struct slice s, bool loose, struct head *h)
{
    const char *close = s.n > 4 && !memcmp(s.p, "**", 2) ? memmem(s.p + 2, s.n - 2, "**", 2) : NULL;
    if (!close || close == s.p + 2) return false;
    struct slice name = text_drop(until(s.p + 2, close), ": "), body = text_from(s, close + 2);
    bool colon = close[-1] == ':' || (body.n && body.p[0] == ':'), open = loose && body.n && body.p[0] == ' ';
    if ((!colon && !open && slice_trim(body).n) || !name.n || name.n > NAME_MAX_BYTES || memchr(name.p, '\n', name.n)) return false;
    *h = (struct head){ name, text_skip(body, ": ") };
    return true;
}

static bool step_head(struct slice line, int count, struct head *h)
{
    static const char *const words[] = { "step", "\u6b65\u9aa4", "\u7b2c" };       /* "buzhou 1", "di 1 bu" */
    struct slice s = text_skip(slice_trim(line), "#*_>- \t");
    int w = 0;
    (void)count;
    while (w < countof(words) && !text_begins(s, words[w])) w++;
    if (w == countof(words)) return false;
    s = text_skip(text_from(s, s.p + strlen(words[w])), " #");
    struct slice digits = s;
    s = text_skip(s, "0123456789");
    if (s.p == digits.p || s.p - digits.p > 4) return false;
    if (w == 2) {
        if (!text_begins(s, "\u6b65")) return false;
        s = text_from(s, s.p + 3);
    }
    s = text_skip(s, "*_ ");
    if (s.n >= 3 && !memcmp(s.p, "\uff1a", 3)) s = text_from(s, s.p + 3);
    else if (s.n && !strchr(":.)-", s.p[0])) return false;
    s = text_skip(s, ":.)- \t*_");
    *h = (struct head){ text_drop(s, "*_: \t"), { s.p + s.n, 0 } };
    return true;
}

static bool title_head(struct slice line, int count, struct head *h)
{
    struct slice s = slice_trim(line), t = text_skip(s, "#");
    (void)count;
    if (s.n > NAME_MAX_BYTES) return false;
    bool hash = t.p > s.p && t.p - s.p <= 6 && t.n && t.p[0] == ' ';
    struct slice bold = text_drop(s, ": ");
    bool bolded = bold.n > 4 && !memcmp(bold.p, "**", 2) && !memcmp(bold.p + bold.n - 2, "**", 2)
                  && !memmem(bold.p + 2, bold.n - 4, "**", 2);
    if (!hash && !bolded) return false;
    *h = (struct head){ text_drop(text_skip(s, text_markup), "*_: \t"), { s.p + s.n, 0 } };
    return true;
}

static bool number_head(struct slice line, int count, struct head *h)
{
    struct slice s = slice_trim(line);
    bool open = s.n && s.p[0] == '(';
    if (open) s = text_from(s, s.p + 1);
    long k = 0;
    struct slice d = s;
    while (s.n && isdigit((unsigned char)s.p[0]) && k < 1000) k = 10 * k + (s.p[0] - '0'), s = text_from(s, s.p + 1);
    if (s.p == d.p || k != count + 1 || !s.n || !(s.p[0] == ')' || (s.p[0] == '.' && !open))) return false;
    s = text_from(s, s.p + 1);
    if (s.n && s.p[0] != ' ' && s.p[0] != '\t') return false;
    s = text_skip(s, " \t");
    if (!bold_title(s, true, h)) *h = (struct head){ { s.p, 0 }, s };
    return true;
}

/* ---- what stands behind the last step but does not belong to it ---- */

static bool concludes(struct slice s)
{
    static const char *const words[] = { "therefore", "thus", "hence", "so,", "in conclusion", "in summary", "overall", "finally", "based on",
        "considering", "conclusion", "the answer", "the correct", "the final", "\u56e0\u6b64", "\u6240\u4ee5", "\u7efc\u4e0a" };
    s = text_skip(s, text_markup);
    for (int i = 0; i < countof(words); i++)
        if (text_begins(s, words[i])) return true;
    return false;
}

static bool is_item(struct slice line)         /* of a list */
{
    struct slice s = text_skip(line, " \t");
    if (s.n > 1 && strchr("-*+", s.p[0]) && s.p[1] == ' ') return true;
    struct slice d = text_skip(s, "0123456789");
    return d.p > s.p && d.n > 1 && (d.p[0] == '.' || d.p[0] == ')') && d.p[1] == ' ';
}

/* The first paragraph behind a blank line that is no part of the last step; NULL: all is. any: every one that is not
 * indented; else those that conclude. */
static const char *behind_last(struct slice body, bool any)
{
    const char *next;
    bool gap = false;
    for (const char *p = body.p; p < body.p + body.n; p = next) {
        struct slice line = text_line(body, p, &next);
        bool empty = !slice_trim(line).n;
        if (gap && !empty && (any ? !isspace((unsigned char)*p) && !is_item(line) : concludes(line))) return p;
        gap = empty;
    }
    return NULL;
}

static bool cut_paragraphs(struct slice piece, struct slice text, struct step_list *l);

typedef bool head_fn(struct slice line, int count, struct head *h);

static bool substantial(const struct head *h, struct slice body)
{
    const char *next, *p = body.p;
    while (p < body.p + body.n && slice_trim(text_line(body, p, &next)).n) p = next;
    return h->title.n || text_words(until(body.p, p)) >= WORDS;
}

/* Cuts before every line that `is_head` knows. false: fewer than two of them, or they head a list of mere names. */
static bool cut_heads(struct slice piece, struct slice text, head_fn *is_head, struct step_list *l)
{
    struct head now = { { piece.p, 0 }, { piece.p, 0 } }, h;
    const char *next, *end = piece.p + piece.n;
    int heads = 0, real = 0, first = l->n;
    bool numbers = is_head == number_head;
    for (const char *p = piece.p; p < end; p = next) {
        struct slice line = text_line(piece, p, &next);
        if (!is_head(line, heads, &h)) continue;
        struct slice body = until(now.body.p, p);
        if (heads) real += substantial(&now, body);
        step_list_add(l, now.title, body, text);
        now = h;
        heads++;
    }
    struct slice last = until(now.body.p, end);
    real += substantial(&now, last);
    if (heads < 2 || (numbers && 2 * real < heads)) return l->n = first, false;
    const char *rest = behind_last(last, numbers);
    step_list_add(l, now.title, until(last.p, rest ? rest : end), text);
    if (rest) cut_paragraphs(until(rest, end), text, l);
    return true;
}

/* "Step 1: .. Step 2: .." within lines: cut before each that follows the one before. */
static const char *find_step(const char *p, const char *end, int k, const char **behind)
{
    char word[24];
    int n = snprintf(word, sizeof word, "step %d", k);
    for (; p + n < end; p++) {
        if (!text_begins(until(p, end), word) || !strchr(":.)", p[n]) || !p[n]) continue;
        *behind = p + n + 1;
        return p;
    }
    return NULL;
}

static bool cut_inline_steps(struct slice piece, struct slice text, struct step_list *l)
{
    const char *end = piece.p + piece.n, *body = end, *behind = end, *at = find_step(piece.p, end, 1, &body);
    const char *next = at ? find_step(body, end, 2, &behind) : NULL;
    if (!next) return false;
    step_list_add(l, (struct slice){ at, 0 }, until(piece.p, at), text);
    for (int k = 2; at; k++) {
        step_list_add(l, (struct slice){ body, 0 }, until(body, next ? next : end), text);
        at = next, body = behind;
        next = at ? find_step(body, end, k + 1, &behind) : NULL;
    }
    return true;
}

/* ---- paragraphs ---- */

static bool function_name(struct slice w)
{
    static const char *const names[] = { "sin", "cos", "tan", "log", "exp", "sqrt", "max", "min", "frac" };
    for (int i = 0; i < countof(names); i++)
        if (w.n == strlen(names[i]) && !memcmp(w.p, names[i], w.n)) return true;
    return false;
}

/* No words: a formula by itself. A word has three small letters on end. */
static bool formula(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        size_t b = i;
        while (i < s.n && islower((unsigned char)s.p[i])) i++;
        if (i - b >= 3 && !(b && s.p[b - 1] == '\\') && !function_name((struct slice){ s.p + b, i - b })) return false;
        if (i < s.n && (unsigned char)s.p[i] >= 0xe3) return false;            /* Han and the like: words */
    }
    return s.n && (memchr(s.p, '=', s.n) || memchr(s.p, '\\', s.n) || memchr(s.p, '$', s.n));
}

static int count(struct slice s, const char *what)
{
    int n = 0;
    for (const char *p; (p = memmem(s.p, s.n, what, strlen(what))); n++) s = text_from(s, p + strlen(what));
    return n;
}

/* Blocks opened and closed so far: of code, of displayed formulas. */
struct blocks { int code, dollars, brackets; };
static void see_blocks(struct blocks *b, struct slice s)
{
    b->code += count(s, "```");
    b->dollars += count(s, "$$");
    b->brackets += count(s, "\\[") - count(s, "\\]");
}

/* The end of the paragraph at p: the blank line behind it. */
static const char *paragraph_end(struct slice piece, const char *p, const char **next)
{
    const char *end = piece.p + piece.n, *from = p;
    while (p < end && slice_trim(text_line(piece, p, next)).n) p = *next;
    const char *last = p;
    while (p < end && !slice_trim(text_line(piece, p, next)).n) p = *next;
    *next = p;
    return last > from ? last : p;
}

/* Does the next paragraph belong to this one? It announces it, is not closed, or the next is but its formula. */
static bool joined(struct slice now, const struct blocks *b, struct slice next)
{
    struct slice s = text_drop(slice_trim(now), "*_ ");
    bool announces = (s.n && s.p[s.n - 1] == ':') || (s.n >= 3 && !memcmp(s.p + s.n - 3, "\uff1a", 3));
    return announces || b->code % 2 || b->dollars % 2 || b->brackets > 0 || formula(slice_trim(next));
}

static bool cut_paragraphs(struct slice piece, struct slice text, struct step_list *l)
{
    const char *end = piece.p + piece.n, *p = text_skip(piece, " \t\r\n").p, *next, *behind;
    int first = l->n;
    while (p < end) {
        const char *stop = paragraph_end(piece, p, &next);
        struct blocks b = {0};
        struct slice now = until(p, stop);
        while (next < end) {
            const char *more = paragraph_end(piece, next, &behind);
            see_blocks(&b, now);
            if (!joined(now, &b, until(next, more))) break;
            now = until(next, more);
            stop = more;
            next = behind;
        }
        struct head h = { { p, 0 }, until(p, stop) };
        bold_title(h.body, false, &h);
        step_list_add(l, h.title, until(h.body.p, stop), text);
        p = next;
    }
    return l->n - first > 1;
}

/* ---- lines and sentences ---- */

/* A line stands by itself: it has words, is no item or option of a list, and the one before it has come to its end. */
static bool own_line(struct slice line, struct slice before)
{
    struct slice s = slice_trim(line), b = text_drop(slice_trim(before), "\"'*_`) ");
    if (text_words(s) < WORDS || is_item(s) || s.p[0] == '(' || formula(s)) return false;
    if (b.n && b.p[b.n - 1] == ':') return false;
    return b.n && (strchr(".!?;", b.p[b.n - 1]) || (unsigned char)b.p[b.n - 1] >= 0x80 || formula(slice_trim(before)));
}

static bool cut_lines(struct slice piece, struct slice text, struct step_list *l)
{
    const char *end = piece.p + piece.n, *from = piece.p, *next;
    struct slice before = { piece.p, 0 };
    int first = l->n;
    for (const char *p = piece.p; p < end; p = next) {
        struct slice line = text_line(piece, p, &next);
        if (p > from && own_line(line, before)) {
            step_list_add(l, (struct slice){ from, 0 }, until(from, p), text);
            from = p;
        }
        if (slice_trim(line).n) before = line;
    }
    step_list_add(l, (struct slice){ from, 0 }, until(from, end), text);
    return l->n - first > 1;
}

/* Sentences of fewer words go with the next, the last one with the one before. */
static bool cut_sentences(struct slice piece, struct slice text, struct step_list *l)
{
    const char *end = piece.p + piece.n, *from = piece.p;
    int first = l->n, left = text_words(piece);
    for (struct slice rest = piece, s; rest.n; rest = text_from(rest, s.p + s.n)) {
        s = text_sentence(rest);
        const char *stop = s.p + s.n;
        left -= text_words(s);
        if (text_words(until(from, stop)) < WORDS || left < WORDS) continue;
        step_list_add(l, (struct slice){ from, 0 }, until(from, stop), text);
        from = stop;
    }
    step_list_add(l, (struct slice){ from, 0 }, until(from, end), text);
    return l->n - first > 1;
}

const char *freeform_cut(struct slice piece, struct slice text, struct step_list *l)
{
    int first = l->n;
    if (cut_heads(piece, text, step_head, l)) return "step";
    if (cut_inline_steps(piece, text, l)) return "step";
    if (cut_heads(piece, text, title_head, l)) return "heading";
    if (cut_heads(piece, text, number_head, l)) return "numbered";
    if (cut_paragraphs(piece, text, l)) return "paragraph";
    l->n = first;
    if (cut_lines(piece, text, l)) return "line";
    l->n = first;
    return cut_sentences(piece, text, l) ? "sentence" : "whole";
}
