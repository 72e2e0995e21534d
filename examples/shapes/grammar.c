/* SPDX-License-Identifier: Apache-2.0 */
#include "slot.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

const char *const task_source[TASKS] = {
    "scene/count", "scene/more", "scene/compare", "scene/total", "scene/relate", "scene/odd",
    "chart/read", "chart/read", "chart/diff", "chart/sum", "chart/mean", "chart/rank",
};

/* A rule can hold only under its condition; reading it asserts the condition. HEARD: understood, but never written (models
 * mix the wordings they have learned, and say what is true all the same). */
enum when { ALWAYS, NONE_FOUND, SOME_FOUND, EQUAL, UNEQUAL, ON_LINE, OFF_LINE, HEARD };

/* The language. {slot} is written and read by slot.c: {a} "red circles", {a1} "red circle". */
static const struct rule { enum part part; int kind; const char *text; enum when when; } rules[] = {
    { QUESTION, T_COUNT, "How many {a} are there?", ALWAYS },
    { QUESTION, T_COUNT, "What is the number of {a}?", ALWAYS },
    { QUESTION, T_MORE, "How many more {a} than {b} are there?", ALWAYS },
    { QUESTION, T_COMPARE, "Are there more {a} or {b}?", ALWAYS },
    { QUESTION, T_COMPARE, "Which are more, {a} or {b}?", ALWAYS },
    { QUESTION, T_TOTAL, "How many {a}, {b} and {c} are there in all?", ALWAYS },
    { QUESTION, T_TOTAL, "How many {a} and {b} are there in all?", ALWAYS },
    { QUESTION, T_RELATE, "What {attr} is {dirof} the {a1}?", ALWAYS },
    { QUESTION, T_ODD, "One object differs in {attr2}. What is its {attr}?", ALWAYS },
    { QUESTION, T_READ, "What is the value of bar {lab}?", ALWAYS },
    { QUESTION, T_READ_COLOUR, "What is the value of the {col} bar?", ALWAYS },
    { QUESTION, T_DIFF, "How much higher is {lab} than {lab2}?", ALWAYS },
    { QUESTION, T_DIFF, "By how much is {lab} above {lab2}?", ALWAYS },
    { QUESTION, T_SUM, "What is the sum of {lab}, {lab2} and {lab3}?", ALWAYS },
    { QUESTION, T_SUM, "What is the sum of {lab} and {lab2}?", ALWAYS },
    { QUESTION, T_MEAN, "What is the average of {lab}, {lab2} and {lab3}?", ALWAYS },
    { QUESTION, T_MEAN, "What is the average of {lab} and {lab2}?", ALWAYS },
    { QUESTION, T_RANK, "Which bar is the {rank}?", ALWAYS },

    { NAME, K_FIND, "find {a}", ALWAYS },
    { NAME, K_FIND, "look for {a}", ALWAYS },
    { THOUGHT, K_FIND, "{a}: {list}", SOME_FOUND },
    { THOUGHT, K_FIND, "{a} at {list}", SOME_FOUND },
    { THOUGHT, K_FIND, "no {a}", NONE_FOUND },
    { THOUGHT, K_FIND, "{a}: none", NONE_FOUND },
    { REFLECTION, K_FIND, "{n} in the image", ALWAYS },
    { REFLECTION, K_FIND, "that makes {n}", ALWAYS },
    { REFLECTION, K_FIND, "{n} seen", ALWAYS },

    { NAME, K_KEEP, "keep {a}", ALWAYS },
    { NAME, K_KEEP, "of these, {a}", ALWAYS },
    { THOUGHT, K_KEEP, "{a}: {list}", SOME_FOUND },
    { THOUGHT, K_KEEP, "{a} at {list}", SOME_FOUND },
    { THOUGHT, K_KEEP, "no {a}", NONE_FOUND },
    { THOUGHT, K_KEEP, "{a}: none", NONE_FOUND },
    { REFLECTION, K_KEEP, "{n} left", ALWAYS },
    { REFLECTION, K_KEEP, "{n} of them", ALWAYS },

    { NAME, K_LOCATE, "locate the {a1}", ALWAYS },
    { NAME, K_LOCATE, "find the {a1}", ALWAYS },
    { THOUGHT, K_LOCATE, "it is at the {pos}", ALWAYS },
    { THOUGHT, K_LOCATE, "{a1}: {pos}", ALWAYS },
    { REFLECTION, K_LOCATE, "the only {a1}", ALWAYS },
    { REFLECTION, K_LOCATE, "no other {a1}", ALWAYS },

    { NAME, K_LOOK, "look {dir}", ALWAYS },
    { NAME, K_LOOK, "what is {dirof} it", ALWAYS },
    { THOUGHT, K_LOOK, "{dirof} it: {b1}", ALWAYS },
    { THOUGHT, K_LOOK, "there is the {b1}", ALWAYS },
    { REFLECTION, K_LOOK, "it is at the {pos}", ALWAYS },
    { REFLECTION, K_LOOK, "seen at the {pos}", ALWAYS },

    { NAME, K_TELL, "tell its {attr}", ALWAYS },
    { NAME, K_TELL, "name the {attr}", ALWAYS },
    { THOUGHT, K_TELL, "its {attr} is {word}", ALWAYS },
    { THOUGHT, K_TELL, "{attr}: {word}", ALWAYS },
    { REFLECTION, K_TELL, "the one at the {pos}", ALWAYS },
    { REFLECTION, K_TELL, "seen at the {pos}", ALWAYS },

    { NAME, K_COMMON, "find the common {attr}", ALWAYS },
    { NAME, K_COMMON, "group them by {attr}", ALWAYS },
    { THOUGHT, K_COMMON, "most are {words}", ALWAYS },
    { THOUGHT, K_COMMON, "common {attr}: {word}", ALWAYS },
    { REFLECTION, K_COMMON, "{n} of them", ALWAYS },
    { REFLECTION, K_COMMON, "{n} are alike", ALWAYS },

    { NAME, K_ODD, "find the odd one", ALWAYS },
    { NAME, K_ODD, "spot the odd {attr}", ALWAYS },
    { THOUGHT, K_ODD, "one is {word}", ALWAYS },
    { THOUGHT, K_ODD, "odd {attr}: {word}", ALWAYS },
    { REFLECTION, K_ODD, "it is at the {pos}", ALWAYS },
    { REFLECTION, K_ODD, "seen at the {pos}", ALWAYS },

    { NAME, K_ADD, "add", ALWAYS },
    { NAME, K_ADD, "add up", ALWAYS },
    { THOUGHT, K_ADD, "{x} + {y} = {r}", ALWAYS },
    { THOUGHT, K_ADD, "{x} and {y} make {r}", ALWAYS },
    { THOUGHT, K_ADD, "{x} + {y} make {r}", HEARD },
    { THOUGHT, K_ADD, "{x} and {y} = {r}", HEARD },
    { REFLECTION, K_ADD, "sum {r}", ALWAYS },
    { REFLECTION, K_ADD, "{r} together", ALWAYS },

    { NAME, K_SUB, "subtract", ALWAYS },
    { NAME, K_SUB, "take the difference", ALWAYS },
    { THOUGHT, K_SUB, "{x} - {y} = {r}", ALWAYS },
    { THOUGHT, K_SUB, "{x} minus {y} is {r}", ALWAYS },
    { THOUGHT, K_SUB, "{x} - {y} is {r}", HEARD },
    { THOUGHT, K_SUB, "{x} minus {y} = {r}", HEARD },
    { REFLECTION, K_SUB, "difference {r}", ALWAYS },
    { REFLECTION, K_SUB, "{r} more", ALWAYS },

    { NAME, K_DIV, "divide", ALWAYS },
    { NAME, K_DIV, "share by {y}", ALWAYS },
    { THOUGHT, K_DIV, "{x} / {y} = {r}", ALWAYS },
    { THOUGHT, K_DIV, "{x} by {y} is {r}", ALWAYS },
    { THOUGHT, K_DIV, "{x} / {y} is {r}", HEARD },
    { THOUGHT, K_DIV, "{x} by {y} = {r}", HEARD },
    { REFLECTION, K_DIV, "average {r}", ALWAYS },
    { REFLECTION, K_DIV, "{r} each", ALWAYS },

    { NAME, K_CMP, "compare", ALWAYS },
    { NAME, K_CMP, "compare the numbers", ALWAYS },
    { THOUGHT, K_CMP, "{x} {cmp} {y}", ALWAYS },
    { THOUGHT, K_CMP, "{x} {sign} {y}", ALWAYS },
    { REFLECTION, K_CMP, "more {a}", UNEQUAL },
    { REFLECTION, K_CMP, "the {a} win", UNEQUAL },
    { REFLECTION, K_CMP, "the same number", EQUAL },
    { REFLECTION, K_CMP, "a tie", EQUAL },

    { NAME, K_BAR, "find bar {lab}", ALWAYS },
    { NAME, K_BAR, "locate {lab}", ALWAYS },
    { THOUGHT, K_BAR, "bar {lab} is {col}", ALWAYS },
    { THOUGHT, K_BAR, "the {col} one is {lab}", ALWAYS },
    { REFLECTION, K_BAR, "number {k} from the left", ALWAYS },
    { REFLECTION, K_BAR, "bar number {k}", ALWAYS },

    { NAME, K_TINT, "find the {col} bar", ALWAYS },
    { NAME, K_TINT, "locate {col}", ALWAYS },
    { THOUGHT, K_TINT, "bar {lab} is {col}", ALWAYS },
    { THOUGHT, K_TINT, "the {col} one is {lab}", ALWAYS },
    { REFLECTION, K_TINT, "number {k} from the left", ALWAYS },
    { REFLECTION, K_TINT, "bar number {k}", ALWAYS },

    { NAME, K_READ, "read {lab}", ALWAYS },
    { NAME, K_READ, "read bar {lab}", ALWAYS },
    { THOUGHT, K_READ, "{lab} = {x}", ALWAYS },
    { THOUGHT, K_READ, "{lab} reaches {x}", ALWAYS },
    { REFLECTION, K_READ, "on the line at {lo}", ON_LINE },
    { REFLECTION, K_READ, "its top is at {lo}", ON_LINE },
    { REFLECTION, K_READ, "between {lo} and {hi}", OFF_LINE },
    { REFLECTION, K_READ, "above {lo}, below {hi}", OFF_LINE },

    { NAME, K_SCAN, "read all bars", ALWAYS },
    { NAME, K_SCAN, "read every bar", ALWAYS },
    { THOUGHT, K_SCAN, "{bars}", ALWAYS },
    { THOUGHT, K_SCAN, "values: {bars}", ALWAYS },
    { REFLECTION, K_SCAN, "{n} bars", ALWAYS },
    { REFLECTION, K_SCAN, "all {n} bars", ALWAYS },

    { NAME, K_SORT, "sort", ALWAYS },
    { NAME, K_SORT, "order the bars", ALWAYS },
    { THOUGHT, K_SORT, "{order}", ALWAYS },
    { THOUGHT, K_SORT, "from the top: {order}", ALWAYS },
    { REFLECTION, K_SORT, "{lab} on top", ALWAYS },
    { REFLECTION, K_SORT, "{lab} leads", ALWAYS },

    { NAME, K_PICK, "take the {rank}", ALWAYS },
    { NAME, K_PICK, "pick the {rank}", ALWAYS },
    { THOUGHT, K_PICK, "the {rank} is {lab}", ALWAYS },
    { THOUGHT, K_PICK, "it is {lab}", ALWAYS },
    { REFLECTION, K_PICK, "{lab} has {x}", ALWAYS },
    { REFLECTION, K_PICK, "with {x}", ALWAYS },
};

/* ---- claims ---- */

void claim_set(struct claim *c, enum slot s, int64_t v)
{
    c->has |= 1u << s;
    c->v[s] = v;
}

bool claim_has(const struct claim *c, enum slot s) { return c->has >> s & 1; }

bool claim_agrees(const struct claim *part, const struct claim *whole)
{
    for (int s = 0; s < SLOTS; s++)
        if (claim_has(part, (enum slot)s) && (!claim_has(whole, (enum slot)s) || part->v[s] != whole->v[s])) return false;
    return true;
}

static bool when_holds(enum when w, const struct claim *c)
{
    switch (w) {
    case NONE_FOUND: return c->v[S_LIST] == 0;
    case SOME_FOUND: return c->v[S_LIST] != 0;
    case EQUAL:      return c->v[S_CMP] == 0;
    case UNEQUAL:    return c->v[S_CMP] != 0;
    case ON_LINE:    return c->v[S_LO] == c->v[S_HI];
    case OFF_LINE:   return c->v[S_LO] != c->v[S_HI];
    case HEARD:      return false;
    default:         return true;
    }
}

static void when_assert(enum when w, struct claim *c)
{
    if (w == NONE_FOUND) claim_set(c, S_LIST, 0);
    if (w == EQUAL) claim_set(c, S_CMP, 0);
    if (w == ON_LINE) claim_set(c, S_HI, c->v[S_LO]);
}

/* ---- the two directions ---- */

static bool rule_fits(const struct rule *r, enum part p, const struct claim *c)
{
    unsigned said = 0;
    if (r->part != p || r->kind != c->kind || !when_holds(r->when, c)) return false;
    for (const char *t = r->text; *t;) {
        if (*t != '{') t++;
        else said |= 1u << slot_at(&t)->slot;
    }
    return !(said & ~c->has) && (p != QUESTION || said == c->has);     /* a question leaves nothing out */
}

static void write_rule(const struct rule *r, const struct claim *c, struct buf *out)
{
    for (const char *t = r->text; *t;) {
        if (*t != '{') {
            buf_byte(out, *t++);
        } else {
            const struct slot_def *d = slot_at(&t);
            slot_write(d, c->v[d->slot], out);
        }
    }
}

int grammar_choices(enum part p, const struct claim *c)
{
    int n = 0;
    for (int i = 0; i < countof(rules); i++) n += rule_fits(&rules[i], p, c);
    return n;
}

void grammar_write(enum part p, const struct claim *c, struct rng *r, struct buf *out)
{
    int n = grammar_choices(p, c), pick;
    assert(n > 0);
    pick = r ? rand_in(r, 0, n - 1) : 0;
    for (int i = 0; i < countof(rules); i++)
        if (rule_fits(&rules[i], p, c) && pick-- == 0) {
            write_rule(&rules[i], c, out);
            return;
        }
}

static bool read_slot(const struct slot_def *d, const char **s, struct claim *c)
{
    int64_t v = 0;
    *s = slot_read(d, *s, &v);
    if (!*s || (claim_has(c, d->slot) && c->v[d->slot] != v)) return false;
    claim_set(c, d->slot, v);
    return true;
}

static bool read_rule(const struct rule *r, const char *s, struct claim *c)
{
    *c = (struct claim){ .kind = r->kind };
    for (const char *t = r->text; *t;) {
        if (*t == '{') {
            if (!read_slot(slot_at(&t), &s, c)) return false;
        } else if (!t[1] && (*t == '?' || *t == '.') && !*s) {
            t++;                                         /* the final mark is free */
        } else if (tolower((unsigned char)*t++) != *s++) {
            return false;
        }
    }
    if (*s) return false;
    when_assert(r->when, c);
    return true;
}

enum { PHRASE_MAX = 400 };

/* Lower case, single spaces, no white space or full stop at the ends. */
static bool plain_text(const char *s, size_t n, char out[PHRASE_MAX + 1])
{
    size_t k = 0;
    if (n > PHRASE_MAX) return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (!c) return false;
        if (!isspace(c)) out[k++] = (char)tolower(c);
        else if (k && out[k - 1] != ' ') out[k++] = ' ';
    }
    while (k && strchr(" .?", out[k - 1])) k--;
    out[k] = 0;
    return true;
}

bool grammar_read(enum part p, int kind, const char *s, size_t n, struct claim *c)
{
    char text[PHRASE_MAX + 1];
    if (!plain_text(s, n, text)) return false;
    for (int i = 0; i < countof(rules); i++)
        if (rules[i].part == p && (kind < 0 || kind == rules[i].kind) && read_rule(&rules[i], text, c)) return true;
    return false;
}
