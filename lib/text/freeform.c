/* SPDX-License-Identifier: Apache-2.0 */
#include "text/freeform.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAME_MAX_BYTES = 120 };

static const char blank[] = " \t\r\n\v\f", markup[] = "#*_> \t", ends[] = "*_$` \t";

static struct slice skip_any(struct slice s, const char *set)
{
    while (s.n && s.p[0] && strchr(set, s.p[0])) s.p++, s.n--;
    return s;
}

static struct slice drop_any(struct slice s, const char *set)
{
    while (s.n && s.p[s.n - 1] && strchr(set, s.p[s.n - 1])) s.n--;
    return s;
}

static bool begins(struct slice s, const char *word)           /* whatever the case */
{
    size_t k = strlen(word);
    return s.n >= k && !strncasecmp(s.p, word, k);
}

static struct slice from(struct slice s, const char *p) { return (struct slice){ p, s.n - (size_t)(p - s.p) }; }

/* The line that begins at p, without its newline; *next is behind it. */
static struct slice line_at(struct slice text, const char *p, const char **next)
{
    struct slice rest = from(text, p);
    const char *nl = memchr(p, '\n', rest.n);
    *next = nl ? nl + 1 : text.p + text.n;
    return (struct slice){ p, nl ? (size_t)(nl - p) : rest.n };
}

/* ---- answers ---- */

static const char *last_of(struct slice s, const char *word)   /* whatever the case; NULL: nowhere */
{
    size_t k = strlen(word);
    for (size_t i = s.n >= k ? s.n - k + 1 : 0; i > 0; i--)
        if (!strncasecmp(s.p + i - 1, word, k)) return s.p + i - 1;
    return NULL;
}

/* The content of the {...} that begins at s; false if it does not close. */
static bool braces(struct slice s, struct slice *in)
{
    int depth = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '{') depth++;
        if (s.p[i] == '}' && --depth == 0) return *in = (struct slice){ s.p + 1, i - 1 }, true;
    }
    return false;
}

struct slice answer_clean(struct slice s)
{
    static const char *const wrap[] = { "\\boxed{", "\\text{", "\\mathrm{" };
    for (size_t before = s.n + 1; s.n < before;) {
        before = s.n;
        s = slice_trim(s);
        s = drop_any(skip_any(s, ends), ends);
        if (s.n > 1 && s.p[s.n - 1] == '.') s.n--;
        for (int i = 0; i < countof(wrap); i++) {
            struct slice in;
            size_t k = strlen(wrap[i]);
            if (s.n > k && !memcmp(s.p, wrap[i], k) && braces((struct slice){ s.p + k - 1, s.n - k + 1 }, &in)
                && in.p + in.n + 1 == s.p + s.n)
                s = in;
        }
    }
    return s;
}

static bool answer_label(struct slice line, struct slice *rest)
{
    static const char *const label[] = { "final answer", "answer" };
    line = skip_any(slice_trim(line), markup);
    for (int i = 0; i < countof(label); i++) {
        if (!begins(line, label[i])) continue;
        struct slice s = skip_any(from(line, line.p + strlen(label[i])), "*_ ");
        if (!s.n || s.p[0] != ':') continue;
        *rest = from(s, s.p + 1);
        return true;
    }
    return false;
}

/* The last labelled line. Its answer, and the text without it when nothing else follows. */
static bool labelled_answer(struct slice *text, struct slice *answer)
{
    const char *found = NULL, *next;
    struct slice rest;
    for (const char *p = text->p; p < text->p + text->n; p = next)
        if (answer_label(line_at(*text, p, &next), &rest)) found = p;
    if (!found) return false;
    answer_label(line_at(*text, found, &next), &rest);
    if (!slice_trim(skip_any(rest, markup)).n) {               /* on the next line that is not blank */
        struct slice behind = skip_any(from(*text, next), blank);
        if (!behind.n) return false;
        rest = line_at(*text, behind.p, &next);
    }
    *answer = answer_clean(rest);
    if (!answer->n) return false;
    if (!slice_trim(from(*text, next)).n) text->n = (size_t)(found - text->p);
    return true;
}

static bool boxed_answer(struct slice text, struct slice *answer)
{
    const char *p = last_of(text, "\\boxed{");
    if (!p || !braces(from(text, p + 6), answer)) return false;
    *answer = answer_clean(*answer);
    return answer->n > 0;
}

static bool stated_answer(struct slice text, struct slice *answer)
{
    const char *p = last_of(text, "answer is"), *next;
    if (!p) return false;
    struct slice s = line_at(text, p + 9, &next);
    s = skip_any(s, ": \t*_");
    for (size_t i = 0; i < s.n; i++)                           /* to the end of the sentence */
        if (s.p[i] == '.' && (i + 1 == s.n || isspace((unsigned char)s.p[i + 1]) || s.p[i + 1] == '*')) s.n = i;
    *answer = answer_clean(s);
    return answer->n > 0;
}

static bool find_answer(struct slice *text, struct slice *answer)
{
    return labelled_answer(text, answer) || boxed_answer(*text, answer) || stated_answer(*text, answer);
}

bool freeform_answer(struct slice text, struct slice *answer) { return find_answer(&text, answer); }

/* ---- steps ---- */

struct head { struct slice title, body; };     /* of a line that begins a step: the rest of the line stands in either */

struct list { struct arena *a; struct step *v; int n, room; };

static void add_step(struct list *l, struct slice name, struct slice thought, struct slice text)
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

static bool step_head(struct slice line, int count, struct head *h)
{
    struct slice s = skip_any(slice_trim(line), "#*_>- \t");
    (void)count;
    if (!begins(s, "step")) return false;
    s = skip_any(from(s, s.p + 4), " ");
    struct slice digits = s;
    s = skip_any(s, "0123456789");
    if (s.p == digits.p || s.p - digits.p > 4) return false;
    s = skip_any(s, "*_ ");
    if (s.n && !strchr(":.)-", s.p[0])) return false;
    s = skip_any(s, ":.)- \t*_");
    *h = (struct head){ drop_any(s, "*_: \t"), { s.p + s.n, 0 } };
    return true;
}

static bool title_head(struct slice line, int count, struct head *h)
{
    struct slice s = slice_trim(line), t = skip_any(s, "#");
    (void)count;
    if (s.n > NAME_MAX_BYTES) return false;
    bool hash = t.p > s.p && t.p - s.p <= 6 && t.n && t.p[0] == ' ';
    struct slice bold = drop_any(s, ": ");
    bool bolded = bold.n > 4 && !memcmp(bold.p, "**", 2) && !memcmp(bold.p + bold.n - 2, "**", 2)
                  && !memmem(bold.p + 2, bold.n - 4, "**", 2);
    if (!hash && !bolded) return false;
    *h = (struct head){ drop_any(skip_any(s, markup), "*_: \t"), { s.p + s.n, 0 } };
    return true;
}

static bool number_head(struct slice line, int count, struct head *h)
{
    struct slice s = slice_trim(line);
    bool open = s.n && s.p[0] == '(';
    if (open) s = from(s, s.p + 1);
    long k = 0;
    struct slice d = s;
    while (s.n && isdigit((unsigned char)s.p[0]) && k < 1000) k = 10 * k + (s.p[0] - '0'), s = from(s, s.p + 1);
    if (s.p == d.p || k != count + 1 || !s.n || !(s.p[0] == ')' || (s.p[0] == '.' && !open))) return false;
    s = from(s, s.p + 1);
    if (s.n && s.p[0] != ' ' && s.p[0] != '\t') return false;
    s = skip_any(s, " \t");
    *h = (struct head){ { s.p, 0 }, s };
    const char *close = s.n > 4 && !memcmp(s.p, "**", 2) ? memmem(s.p + 2, s.n - 2, "**", 2) : NULL;
    if (!close) return true;
    struct slice name = drop_any((struct slice){ s.p + 2, (size_t)(close - s.p) - 2 }, ": ");
    struct slice body = from(s, close + 2);
    if (s.p[(size_t)(close - s.p) - 1] == ':' || !slice_trim(body).n || body.p[0] == ':' || body.p[0] == ' ')
        *h = (struct head){ name, skip_any(body, ": ") };
    return true;
}

/* Cuts before every line that `is_head` knows. false: fewer than two of them. */
static bool cut_heads(struct slice text, bool (*is_head)(struct slice, int, struct head *), struct list *l)
{
    struct head now = { { text.p, 0 }, { text.p, 0 } }, h;
    const char *next;
    int heads = 0;
    l->n = 0;
    for (const char *p = text.p; p < text.p + text.n; p = next) {
        struct slice line = line_at(text, p, &next);
        if (!is_head(line, heads, &h)) continue;
        add_step(l, now.title, (struct slice){ now.body.p, (size_t)(p - now.body.p) }, text);
        now = h;
        heads++;
    }
    add_step(l, now.title, from(text, now.body.p), text);
    return heads > 1;
}

static void cut_paragraphs(struct slice text, struct list *l)
{
    const char *start = text.p, *next;
    l->n = 0;
    for (const char *p = text.p; p < text.p + text.n; p = next) {
        struct slice line = line_at(text, p, &next);
        if (slice_trim(line).n) continue;
        add_step(l, (struct slice){ start, 0 }, (struct slice){ start, (size_t)(p - start) }, text);
        start = next;
    }
    add_step(l, (struct slice){ start, 0 }, from(text, start), text);
}

/* ---- LLaVA-CoT tags ---- */

static bool tagged(struct slice text, const char *tag, struct slice *in)
{
    char open[32], close[32];
    size_t k = strlen(tag);
    if (k > 20) return false;
    memcpy(open + 1, tag, k + 1), open[0] = '<', memcpy(open + 1 + k, ">", 2);
    memcpy(close + 2, tag, k + 1), memcpy(close, "</", 2), memcpy(close + 2 + k, ">", 2);
    const char *b = memmem(text.p, text.n, open, k + 2);
    if (!b) return false;
    struct slice rest = from(text, b + k + 2);
    const char *e = memmem(rest.p, rest.n, close, k + 3);
    if (!e) return false;
    *in = (struct slice){ rest.p, (size_t)(e - rest.p) };
    return true;
}

static bool cut_tags(struct slice text, struct list *l, struct slice *answer)
{
    static const char *const tag[] = { "SUMMARY", "CAPTION", "REASONING" }, *const name[] = { "Summary", "Caption", "Reasoning" };
    struct slice in;
    l->n = 0;
    for (int i = 0; i < countof(tag); i++)
        if (tagged(text, tag[i], &in) && slice_trim(in).n)
            add_step(l, (struct slice){ name[i], strlen(name[i]) }, in, text);
    if (l->n < 2) return false;
    if (!tagged(text, "CONCLUSION", &in)) return true;
    struct slice whole = slice_trim(in);
    if (!find_answer(&in, answer)) *answer = answer_clean(whole);
    return true;
}

/* ---- all together ---- */

static struct slice drop_end(struct slice s)
{
    static const char *const end[] = { "</s>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>" };
    s = slice_trim(s);
    for (int i = 0; i < countof(end); i++) {
        size_t k = strlen(end[i]);
        if (s.n < k || memcmp(s.p + s.n - k, end[i], k)) continue;
        s.n -= k;
        s = slice_trim(s);
        i = -1;
    }
    return s;
}

static const char *cut(struct slice text, struct list *l)
{
    if (cut_heads(text, step_head, l)) return "step";
    if (cut_heads(text, title_head, l)) return "heading";
    if (cut_heads(text, number_head, l)) return "numbered";
    cut_paragraphs(text, l);
    return "paragraph";
}

int freeform_parse(const char *text, size_t n, struct arena *a, struct chain *c, const char **rule, const char **why)
{
    struct list l = { .a = a };
    struct slice s = drop_end((struct slice){ text, n }), answer = { "", 0 };
    *c = (struct chain){0};
    *why = "empty text";
    if (!s.n) return fail("%s", *why);
    if (cut_tags(s, &l, &answer)) *rule = "llava-cot";
    else {
        if (!find_answer(&s, &answer)) answer.n = 0;
        *rule = cut(s, &l);
    }
    *why = "no step";
    if (!l.n) return fail("%s", *why);
    *c = (struct chain){ .step = l.v, .nstep = l.n, .answer = answer, .has_answer = answer.n > 0 };
    *why = NULL;
    return 0;
}
