/* SPDX-License-Identifier: Apache-2.0 */
#include "text/freeform_priv.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char blank[] = " \t\r\n\v\f", ends[] = "*_` \t";

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

/* "$7.5$" -> "7.5"; one that is left over goes, too. */
static struct slice without_dollars(struct slice s)
{
    bool first = s.n > 1 && s.p[0] == '$', last = s.n > 1 && s.p[s.n - 1] == '$';
    int inner = 0;
    for (size_t i = 0; i < s.n; i++) inner += s.p[i] == '$';
    if (first && last && inner == 2) return (struct slice){ s.p + 1, s.n - 2 };
    if (first && inner == 1 && !isdigit((unsigned char)s.p[1])) return (struct slice){ s.p + 1, s.n - 1 };
    return last && inner == 1 ? (struct slice){ s.p, s.n - 1 } : s;
}

struct slice answer_clean(struct slice s)
{
    static const char *const wrap[] = { "\\boxed{", "\\text{", "\\mathrm{" };
    for (size_t before = s.n + 1; s.n < before;) {
        before = s.n;
        s = slice_trim(s);
        s = without_dollars(text_drop(text_skip(s, ends), ends));
        if (s.n > 1 && s.p[s.n - 1] == '.') s.n--;
        if (s.n > 3 && !memcmp(s.p + s.n - 3, "\u3002", 3)) s.n -= 3;
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
    line = text_skip(slice_trim(line), text_markup);
    for (int i = 0; i < countof(label); i++) {
        if (!text_begins(line, label[i])) continue;
        struct slice s = text_skip(text_from(line, line.p + strlen(label[i])), "*_ ");
        if (!s.n || s.p[0] != ':') continue;
        *rest = text_from(s, s.p + 1);
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
        if (answer_label(text_line(*text, p, &next), &rest)) found = p;
    if (!found) return false;
    answer_label(text_line(*text, found, &next), &rest);
    if (!slice_trim(text_skip(rest, text_markup)).n) {               /* on the next line that is not blank */
        struct slice behind = text_skip(text_from(*text, next), blank);
        if (!behind.n) return false;
        rest = text_line(*text, behind.p, &next);
    }
    *answer = answer_clean(rest);
    if (!answer->n) return false;
    if (!slice_trim(text_from(*text, next)).n) text->n = (size_t)(found - text->p);
    return true;
}

static bool boxed_answer(struct slice text, struct slice *answer)
{
    const char *p = last_of(text, "\\boxed{");
    if (!p || !braces(text_from(text, p + 6), answer)) return false;
    *answer = answer_clean(*answer);
    return answer->n > 0;
}

/* Where a stated answer ends: its sentence, or a clause that goes on about it. */
static struct slice statement(struct slice s)
{
    static const char *const on[] = { ", but ", ", since ", ", because ", ", as ", ", which ", ", so ", " because ", " since " };
    struct slice one = text_sentence(s);
    for (int i = 0; i < countof(on); i++) {
        const char *p = memmem(one.p, one.n, on[i], strlen(on[i]));
        if (p) one.n = (size_t)(p - one.p);
    }
    return one;
}

/* Behind the last "answer is" and the like. */
static bool stated_answer(struct slice text, struct slice *answer)
{
    static const char *const words[] = { "answer is", "answer to the question is", "answer would be", "answer should be", "correct option is", "correct choice is",
        "\u7b54\u6848\u662f", "\u7b54\u6848\u4e3a", "\u7b54\u6848\uff1a" };
    const char *last = NULL, *next;
    for (int i = 0; i < countof(words); i++) {
        const char *p = last_of(text, words[i]);
        if (p && (!last || p + strlen(words[i]) > last)) last = p + strlen(words[i]);
    }
    if (!last) return false;
    struct slice s = text_skip(text_line(text, last, &next), ": \t*_");
    if (text_begins(s, "not ")) return false;                  /* "is not among the options" */
    *answer = answer_clean(statement(s));
    return answer->n > 0;
}

static bool find_answer(struct slice *text, struct slice *answer)
{
    return labelled_answer(text, answer) || boxed_answer(*text, answer) || stated_answer(*text, answer);
}

bool freeform_answer(struct slice text, struct slice *answer) { return find_answer(&text, answer); }

/* ---- tags ---- */

static bool tagged(struct slice text, const char *tag, struct slice *in)
{
    char open[32], close[32];
    size_t k = strlen(tag);
    if (k > 20) return false;
    memcpy(open + 1, tag, k + 1), open[0] = '<', memcpy(open + 1 + k, ">", 2);
    memcpy(close + 2, tag, k + 1), memcpy(close, "</", 2), memcpy(close + 2 + k, ">", 2);
    const char *b = memmem(text.p, text.n, open, k + 2);
    if (!b) return false;
    struct slice rest = text_from(text, b + k + 2);
    const char *e = memmem(rest.p, rest.n, close, k + 3);
    if (!e) return false;
    *in = (struct slice){ rest.p, (size_t)(e - rest.p) };
    return true;
}

static bool cut_llava_cot(struct slice text, struct step_list *l, struct slice *answer)
{
    static const char *const tag[] = { "SUMMARY", "CAPTION", "REASONING" }, *const name[] = { "Summary", "Caption", "Reasoning" };
    struct slice in;
    for (int i = 0; i < countof(tag); i++)
        if (tagged(text, tag[i], &in) && slice_trim(in).n)
            step_list_add(l, (struct slice){ name[i], strlen(name[i]) }, in, text);
    if (l->n < 2) return l->n = 0, false;
    if (!tagged(text, "CONCLUSION", &in)) return true;
    struct slice whole = slice_trim(in);
    if (!find_answer(&in, answer)) *answer = answer_clean(whole);
    return true;
}

/* <think>..</think> and what follows: <answer>..</answer>, or text that states the answer and is else a last step. */
static bool cut_think(struct slice text, struct step_list *l, struct slice *answer)
{
    static const char close[] = "</think>";
    struct slice in, given;
    if (!tagged(text, "think", &in) || !slice_trim(in).n) return false;
    freeform_cut(slice_trim(in), text, l);
    struct slice rest = text_from(text, in.p + in.n + strlen(close));
    if (tagged(rest, "answer", &given)) {
        if (!find_answer(&given, answer)) *answer = answer_clean(given);
    } else if (slice_trim(rest).n) {
        bool short_one = text_words(rest) < 4;
        if (!find_answer(&rest, answer)) *answer = short_one ? answer_clean(rest) : (struct slice){ "", 0 };
        if (!short_one) step_list_add(l, (struct slice){ rest.p, 0 }, rest, text);
    } else if (!find_answer(&in, answer)) *answer = (struct slice){ "", 0 };
    return true;
}

/* ---- all together ---- */

struct slice freeform_trim(struct slice s)
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

/* One word is no chain. */
static bool one_word(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (isspace((unsigned char)s.p[i])) return false;
    return s.n && s.n <= 40;
}

int freeform_parse(const char *text, size_t n, struct arena *a, struct chain *c, const char **rule, const char **why)
{
    struct step_list l = { .a = a };
    struct slice s = freeform_trim((struct slice){ text, n }), all = s, answer = { "", 0 };
    *c = (struct chain){0};
    *why = "empty text";
    if (!s.n) return fail("%s", *why);
    if (cut_llava_cot(s, &l, &answer)) *rule = "llava-cot";
    else if (cut_think(s, &l, &answer)) *rule = "think";
    else if (one_word(s)) answer = answer_clean(s), *rule = "answer";
    else {
        if (!find_answer(&s, &answer)) answer.n = 0;
        *rule = slice_trim(s).n ? freeform_cut(s, all, &l) : "answer";
    }
    *why = "no step";
    if (!l.n && !answer.n) return fail("%s", *why);
    *c = (struct chain){ .step = l.v, .nstep = l.n, .answer = answer, .has_answer = answer.n > 0 };
    *why = NULL;
    return 0;
}
